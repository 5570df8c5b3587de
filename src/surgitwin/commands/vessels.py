"""Vessel trees: the centre lines of a vessel segment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from surgitwin.commands.base import Arg, Bench, Command, Document, Work
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.placement import crop_of
from surgitwin.commands.points import numbers_as_text, place
from surgitwin.commands.vessel_nodes import system_of, tree_document, tree_fields
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import Point, Provenance, SegmentNode, VesselSystem, VesselTreeNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.vessels.tree import VesselTree

GAP_VOXELS = 3.0  # a gap that thin vessels have where noise or the size of voxels broke them


class ExtractVessels(Command):
    """Make the tree of a vessel segment: centre lines, radii, branches from the root outwards."""

    name: ClassVar[str] = "vessels"
    title: ClassVar[str] = tr("Make a vessel tree")
    summary: ClassVar[str] = tr("Centre lines, radii and branches of a vessel; in a liver with suggested names.")

    segment: Annotated[str, Arg(tr("the vessel segment"))] = Field(min_length=1)
    root: Annotated[
        str, Arg(tr("x,y,z in LPS mm near the end that it begins at; without it the thickest end"), unit="mm")
    ] = ""
    bridge: Annotated[
        float | None, Arg(tr("join parts over gaps up to this; without it over three voxels, 0 for none"), unit="mm")
    ] = Field(default=None, ge=0, le=50)
    system: Annotated[VesselSystem | None, Arg(tr("what it carries; without it, as the segment's name says"))] = None

    @field_validator("root", mode="before")
    @classmethod
    def _root_as_text(cls, root: Any) -> Any:
        """Scripts may give three numbers."""
        return root if isinstance(root, str) else numbers_as_text((root,))[0]

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        segment = scene.resolve(self.segment, SegmentNode)
        system = self.system or system_of(segment)
        root = place(self.root, tr("The root")) if self.root else None
        frozen = FrozenVessel(
            segment.name,
            scene.layer_of(segment).labels.frozen(),
            segment.value,
            scene.segmentation_of(segment).geometry,
            system,
            root,
            self.bridge,
        )
        made_from = provenance(
            bench, "vessels", [segment], automatic=True, root_mm=root, system=system, bridge_mm=self.bridge
        )

        def commit(found: MadeTree) -> Document:
            return put_tree(bench, segment, found, made_from)

        return Work(frozen.compute, commit)


@dataclass(frozen=True, eq=False)
class MadeTree:
    """What became of a vessel segment."""

    tree: VesselTree
    system: VesselSystem
    notices: tuple[Notice, ...]


@dataclass(frozen=True, eq=False)
class FrozenVessel:
    """A vessel segment as no later edit can change it."""

    name: str
    labels: NDArray[Any]
    value: int
    geometry: Geometry
    system: VesselSystem
    root_mm: Point | None
    bridge_mm: float | None

    def compute(self, ctx: Context) -> MadeTree:
        """The tree, its branches named as far as a rule can tell; takes seconds."""
        mask, box = crop_of(self.labels, self.value, ctx)
        bridge = GAP_VOXELS * max(self.geometry.spacing_mm) if self.bridge_mm is None else self.bridge_mm
        tree, notices = ctx.apart(_made, mask, box, self.geometry, self.system, self.root_mm, bridge)
        return MadeTree(tree, self.system, notices)


def existing_tree(scene: Scene, segment: SegmentNode) -> VesselTreeNode | None:
    return next((node for node in scene.of_type(VesselTreeNode) if node.segment == segment.id), None)


def put_tree(bench: Bench, segment: SegmentNode, found: MadeTree, made_from: Provenance) -> Document:
    """Write a tree as one undoable step; it replaces the segment's old one."""
    scene = bench.scene
    if segment.id not in scene:
        raise BadInput(tr("The segment “{name}” was removed meanwhile.").format(name=segment.name))
    old = existing_tree(scene, segment)
    fields: dict[str, Any] = {
        **tree_fields(found.tree),
        "system": found.system,
        "notices": found.notices,
        "edited": False,
        "provenance": made_from,
    }
    with bench.transaction(tr("Vessel tree: {name}").format(name=segment.name)) as tx:
        if old is None:
            name = tr("{name} tree").format(name=scene.node(segment.id).name)
            node = VesselTreeNode(name=name, parent=segment.id, segment=segment.id, **fields)
            tx.add(node)
        else:
            node = old
            tx.set(old.id, **fields)
    stored = scene.expect(node.id, VesselTreeNode)
    document = {"node": describe(stored), "name": stored.name, **tree_document(stored)}
    if old is not None and old.edited:
        message = tr("“{name}” was made anew: what was edited by hand is gone. Undo brings it back.")
        document["warnings"].append({"code": "edits-lost", "message": message.format(name=stored.name)})
    return document


def _made(
    mask: NDArray[np.bool_],
    box: Box,
    geometry: Geometry,
    system: VesselSystem,
    root_mm: Point | None,
    bridge_mm: float,
    ctx: Context,
) -> tuple[VesselTree, tuple[Notice, ...]]:
    from surgitwin.vessels.build import build_tree
    from surgitwin.vessels.naming import suggest_names

    built = build_tree(mask, box, geometry, ctx.part(0.0, 0.9), root_mm=root_mm)
    tree, bridged = _bridged(built.tree, bridge_mm, ctx)
    notices = [notice for notice in built.notices if not bridged or notice.code != "vessel-parts"]
    if bridged:
        message = tr("Gaps of up to {mm:.1f} mm bridged: {count}. Parts left apart: {left}.")
        text = message.format(mm=bridge_mm, count=bridged, left=len(tree.breaks))
        notices.append(Notice("vessel-gaps-bridged", text, {"bridged": bridged, "parts_apart": len(tree.breaks)}))
    return suggest_names(tree, system), tuple(notices)


def _bridged(tree: VesselTree, most_mm: float, ctx: Context) -> tuple[VesselTree, int]:
    """The tree with its parts joined over short gaps, the shortest first, and how many gaps that were."""
    from surgitwin.vessels.edit import join

    count = 0
    while True:
        short = [gap for gap in tree.breaks if gap.gap_mm <= most_mm]
        if not short:
            return tree, count
        gap = min(short, key=lambda one: (one.gap_mm, one.root))
        tree = join(tree, gap.root, gap.towards)
        count += 1
        ctx.check()
