"""Territories: an organ divided by what the branches of a vessel tree feed or drain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgitwin.commands.base import Arg, Bench, Command, Document, Work
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.labels import look_of, make_segment, segments_of
from surgitwin.commands.placement import (
    FrozenLayer,
    Places,
    clearing,
    crop_of,
    find_places,
    freeze_segmentation,
    put_in_place,
)
from surgitwin.commands.vessel_nodes import find_tree, tree_of
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.ids import NodeId
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.editor import Transaction
from surgitwin.scene.nodes import Color, Provenance, SegmentationNode, SegmentNode, TerritoriesNode, VesselTreeNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.resection import Structure
    from surgitwin.vessels.tree import VesselTree

Method = Literal["nearest", "geodesic", "weighted"]
By = Literal["name", "branch"]
UNSURE_COLOR: Color = (233, 180, 76)


class MakeTerritories(Command):
    """Divide an organ by the branches of a vessel tree; every voxel of it belongs to exactly one part."""

    name: ClassVar[str] = "territories"
    title: ClassVar[str] = tr("Make territories")
    summary: ClassVar[str] = tr("Divide an organ by what the branches of a vessel tree feed; where methods disagree.")

    organ: Annotated[str, Arg(tr("the segment to divide"))] = Field(min_length=1)
    vessels: Annotated[str, Arg(tr("the vessel tree, or its segment"))] = Field(min_length=1)
    method: Annotated[
        Method, Arg(tr("nearest branch, geodesic distance inside the organ, or nearest weighted by radius"))
    ] = "nearest"
    by: Annotated[By, Arg(tr("one part for each name, or for each branch of the first generation"))] = "name"

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        organ = scene.resolve(self.organ, SegmentNode)
        node = find_tree(scene, self.vessels)
        segment = scene.get(node.segment, SegmentNode)
        if segment is None or segment.parent != organ.parent:
            message = tr("The tree “{tree}” lies on another image than “{organ}”. Bring both onto one grid first.")
            raise BadInput(message.format(tree=node.name, organ=organ.name))
        segmentation = scene.segmentation_of(organ)
        old = next((t for t in scene.of_type(TerritoriesNode) if t.organ == organ.id and t.tree == node.id), None)
        frozen = _Frozen(
            (organ.name, scene.layer_of(organ).labels.frozen(), organ.value),
            segmentation.geometry,
            tree_of(node),
            self.method,
            self.by,
            freeze_segmentation(scene, segmentation),
            _old_parts(scene, old),
            node.name,
        )
        made_from = provenance(bench, "territories", [organ, node], automatic=True, method=self.method, by=self.by)

        def commit(divided: _Divided) -> Document:
            return _put(bench, organ, node, segmentation, divided, self.method, made_from)

        return Work(frozen.compute, commit)


@dataclass(frozen=True, eq=False)
class _Frozen:
    """What the work needs, as no later edit can change it."""

    organ: tuple[str, NDArray[Any], int]
    geometry: Geometry
    tree: VesselTree
    method: Method
    by: By
    layers: list[FrozenLayer]
    old: dict[str, SegmentNode]
    tree_name: str

    def compute(self, ctx: Context) -> _Divided:
        from surgitwin.resection import Structure

        name, labels, value = self.organ
        organ = Structure(name, *crop_of(labels, value, ctx))
        found = ctx.apart(_divide, organ, self.geometry, self.tree, self.method, self.by)
        shape = self.geometry.shape_kji
        parts = np.zeros(shape, dtype=np.uint8)
        assert organ.box is not None
        parts[organ.box.slices] = found.labels
        targets = {number: self.old.get(title.casefold()) for number, title in found.names.items()}
        places = find_places(self.layers, parts, targets)
        unsure = None
        if found.unsure.any():
            mask = np.zeros(shape, dtype=np.bool_)
            mask[organ.box.slices] = found.unsure
            unsure = _alone(self.layers, mask, self.old.get(_unsure_name(self.tree_name).casefold()))
        return _Divided(found, places, targets, unsure)


@dataclass(frozen=True, eq=False)
class _Found:
    """The division itself: ``labels`` number the parts from 1, over the organ's box."""

    labels: NDArray[np.uint8]
    names: dict[int, str]
    volumes_ml: dict[int, float]
    percent: dict[int, float]
    unsure: NDArray[np.bool_]
    disagreement_percent: float
    notices: tuple[Notice, ...]


@dataclass(frozen=True, eq=False)
class _Divided:
    """A division, and where its parts go."""

    found: _Found
    places: Places
    targets: dict[int, SegmentNode | None]
    unsure: Places | None


def _divide(organ: Structure, geometry: Geometry, tree: VesselTree, method: Method, by: By, ctx: Context) -> _Found:
    from surgitwin.vessels.territories import divide, groups_by_branch, groups_by_name

    assert organ.box is not None
    groups = groups_by_name(tree) if by == "name" else groups_by_branch(tree)
    mask = np.asarray(organ.mask != 0)
    found = divide(mask, organ.box, geometry, tree, groups, ctx)
    labels, unsure = np.zeros(mask.shape, dtype=np.uint8), np.zeros(mask.shape, dtype=np.bool_)
    labels[mask], unsure[mask] = found.labels[method], found.unsure
    voxels = found.voxels(method)
    # A name whose branches feed nothing of this organ makes no part of it.
    parts = {number: name for number, name in enumerate(found.names, start=1) if voxels[number - 1]}
    ml = geometry.voxel_volume_mm3 / 1000.0
    return _Found(
        labels,
        parts,
        {number: voxels[number - 1] * ml for number in parts},
        {number: 100.0 * voxels[number - 1] / sum(voxels) for number in parts},
        unsure,
        found.disagreement_percent,
        found.notices,
    )


def _alone(layers: list[FrozenLayer], mask: NDArray[np.bool_], old: SegmentNode | None) -> Places:
    """A place for the map of disagreement: its own layer, for it overlaps every part."""
    own = [layer for layer in layers if old is not None and layer.id == old.layer]
    return find_places(own, mask, {1: old})


def _unsure_name(tree: str) -> str:
    return tr("Methods disagree ({tree})").format(tree=tree)


def _old_parts(scene: Scene, old: TerritoriesNode | None) -> dict[str, SegmentNode]:
    """The segments of the division that is replaced, by name."""
    if old is None:
        return {}
    ids = (*old.territories, *((old.unsure,) if old.unsure is not None else ()))
    found = [scene.get(one, SegmentNode) for one in ids]
    return {segment.name.casefold(): segment for segment in found if segment is not None}


def _put(
    bench: Bench,
    organ: SegmentNode,
    tree: VesselTreeNode,
    segmentation: SegmentationNode,
    divided: _Divided,
    method: Method,
    made_from: Provenance,
) -> Document:
    """Write the parts as segments, and the division itself, as one undoable step."""
    scene = bench.scene
    for node in (organ, tree):
        if node.id not in scene:
            raise BadInput(tr("“{name}” was removed meanwhile.").format(name=node.name))
    old = next((t for t in scene.of_type(TerritoriesNode) if t.organ == organ.id and t.tree == tree.id), None)
    found = divided.found
    title = tr("Territories of {organ}: {tree}").format(organ=organ.name, tree=tree.name)
    with bench.transaction(title) as tx:
        layer = put_in_place(scene, tx, segmentation, divided.places)
        kept: list[NodeId] = []
        for number, name in found.names.items():
            target, value = divided.targets[number], divided.places.values[number]
            if target is None:
                kept.append(_new_part(scene, tx, segmentation, tree, name, layer, value, made_from))
            else:
                tx.set(target.id, layer=layer, value=value, provenance=made_from)
                kept.append(target.id)
        unsure = _put_unsure(scene, tx, segmentation, tree, divided, old, made_from)
        _drop_others(scene, tx, old, {*kept, *((unsure,) if unsure is not None else ())})
        fields: dict[str, Any] = {
            "method": method,
            "territories": tuple(kept),
            "unsure": unsure,
            "disagreement_percent": found.disagreement_percent,
            "provenance": made_from,
        }
        if old is None:
            made = TerritoriesNode(name=title, parent=organ.id, organ=organ.id, tree=tree.id, **fields)
            tx.add(made)
        else:
            made = old
            tx.set(old.id, **fields)
    stored = scene.expect(made.id, TerritoriesNode)
    return territories_document(scene, stored, found.volumes_ml, found.percent, found.notices)


def _new_part(
    scene: Scene,
    tx: Transaction,
    segmentation: SegmentationNode,
    tree: VesselTreeNode,
    name: str,
    layer: NodeId,
    value: int,
    made_from: Provenance,
) -> NodeId:
    """A segment for one part: by its own name, or with the tree's where another segment has it."""
    beside = segments_of(scene, segmentation)
    taken = {segment.name.casefold() for segment in beside}
    if name.casefold() in taken:
        name = f"{name} ({tree.name})"
    used = [segment.color for segment in beside]
    own = next((branch.color for branch in tree.branches if branch.name == name and branch.color is not None), None)
    segment = make_segment(segmentation, name, layer, value, used, "territory", look_of(name)[2] or own, made_from)
    tx.add(segment.model_copy(update={"opacity": 0.6}))
    return segment.id


def _put_unsure(
    scene: Scene,
    tx: Transaction,
    segmentation: SegmentationNode,
    tree: VesselTreeNode,
    divided: _Divided,
    old: TerritoriesNode | None,
    made_from: Provenance,
) -> NodeId | None:
    """The map of where the methods disagree, hidden until somebody looks."""
    if divided.unsure is None:
        return None
    layer = put_in_place(scene, tx, segmentation, divided.unsure)
    value = divided.unsure.values[1]
    before = scene.get(old.unsure, SegmentNode) if old is not None else None
    if before is not None:
        tx.set(before.id, layer=layer, value=value, provenance=made_from)
        return before.id
    name = _unsure_name(tree.name)
    segment = make_segment(segmentation, name, layer, value, (), "other", UNSURE_COLOR, made_from)
    tx.add(segment.model_copy(update={"visible": False}))
    return segment.id


def _drop_others(scene: Scene, tx: Transaction, old: TerritoriesNode | None, kept: set[NodeId]) -> None:
    """Parts of the division before that there are no more."""
    if old is None:
        return
    for key in (*old.territories, *((old.unsure,) if old.unsure is not None else ())):
        segment = scene.get(key, SegmentNode)
        if segment is None or key in kept:
            continue
        layer = scene.layer_of(segment)
        frozen = FrozenLayer(layer.id, layer.revision, layer.labels.frozen(), frozenset({segment.value}))
        tx.carry_out(clearing(frozen, segment))
        tx.remove(segment.id)


def territories_document(
    scene: Scene,
    node: TerritoriesNode,
    volumes_ml: dict[int, float],
    percent: dict[int, float],
    notices: tuple[Notice, ...] = (),
) -> Document:
    """What `territories --json` prints."""
    tree = scene.get(node.tree, VesselTreeNode)
    suggested = {branch.name for branch in tree.branches if branch.suggested} if tree is not None else set()
    entries = []
    for key, ml, share in zip(node.territories, volumes_ml.values(), percent.values(), strict=True):
        segment = scene.expect(key, SegmentNode)
        entries.append(
            {
                "id": segment.id,
                "name": segment.name,
                "suggested": segment.name in suggested,
                "volume_ml": ml,
                "percent": share,
            }
        )
    return {
        "node": describe(node),
        "method": node.method,
        "territories": entries,
        "disagreement_percent": node.disagreement_percent,
        "warnings": [notice.as_json() for notice in notices],
    }
