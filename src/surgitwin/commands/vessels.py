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


class ExtractVessels(Command):
    """Make the tree of a vessel segment: centre lines, radii, branches from the root outwards."""

    name: ClassVar[str] = "vessels"
    title: ClassVar[str] = tr("Make a vessel tree")
    summary: ClassVar[str] = tr("Centre lines, radii and branches of a vessel; in a liver with suggested names.")

    segment: Annotated[str, Arg(tr("the vessel segment"))] = Field(min_length=1)
    root: Annotated[
        str, Arg(tr("x,y,z in LPS mm near the end that it begins at; without it the thickest end"), unit="mm")
    ] = ""
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
        )
        made_from = provenance(bench, "vessels", [segment], automatic=True, root_mm=root, system=system)

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

    def compute(self, ctx: Context) -> MadeTree:
        """The tree, its branches named as far as a rule can tell; takes seconds."""
        mask, box = crop_of(self.labels, self.value, ctx)
        tree, notices = ctx.apart(_made, mask, box, self.geometry, self.system, self.root_mm)
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
    mask: NDArray[np.bool_], box: Box, geometry: Geometry, system: VesselSystem, root_mm: Point | None, ctx: Context
) -> tuple[VesselTree, tuple[Notice, ...]]:
    from surgitwin.vessels.build import build_tree
    from surgitwin.vessels.naming import suggest_names

    built = build_tree(mask, box, geometry, ctx, root_mm=root_mm)
    return suggest_names(built.tree, system), built.notices
