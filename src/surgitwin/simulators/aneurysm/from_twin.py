"""What the aneurysm simulator takes from the twin: two segments on one grid, and the parent's vessel tree."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.scene.nodes import Node, SegmentNode, VesselTreeNode
from surgitwin.scene.scene import Scene
from surgitwin.simulators.aneurysm.logistic import LogisticModel
from surgitwin.simulators.aneurysm.neck import Neck, find_neck
from surgitwin.simulators.aneurysm.params import AneurysmParams
from surgitwin.simulators.aneurysm.stump import Stump, with_stump
from surgitwin.simulators.base import Inputs
from surgitwin.vessels.tree import Branch, Break, VesselTree

Mask = NDArray[np.bool_]
MARGIN_VOXELS = 40  # around the sac; a stump is no deeper than its depth in the finest voxels


@dataclass(frozen=True, eq=False)
class Labelled:
    """A segment as no later edit can change it: the voxels of ``labels`` ([k, j, i]) that hold ``value``."""

    name: str
    labels: NDArray[Any]
    value: int


@dataclass(frozen=True, eq=False)
class AneurysmInputs(Inputs):
    """The sac, its parent vessel, and what else is known.

    Attributes
    ----------
    tree, tree_name
        Of the parent vessel; None if it has none.
    surface
        Of sac and stump; made from `mask_for_surface` by whoever can make surfaces.
    reaches_edge
        Whether the sac reaches the edge of the image, once its labels are gone.
    """

    sac: Labelled | None = None
    parent: Labelled | None = None
    geometry: Geometry | None = None
    tree: VesselTree | None = None
    tree_name: str = ""
    model: LogisticModel | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    surface: Mesh | None = None
    found: tuple[Neck, Stump] | None = None
    reaches_edge: bool = False

    def mask_for_surface(self) -> tuple[Mask, Geometry, Box]:
        """Sac and stump, the grid of the whole image, and where the mask lies in it.

        Raises
        ------
        BadInput
            As `neck.find_neck`.
        """
        assert self.geometry is not None
        _, stump = self.neck_and_stump
        return stump.mask, self.geometry, stump.box

    def with_surface(self, surface: Mesh) -> AneurysmInputs:
        """Without the whole image's labels, which nothing needs any more and which would travel along."""
        found, cut_off = self.neck_and_stump, self.cut_off
        return replace(self, surface=surface, found=found, sac=None, parent=None, reaches_edge=cut_off)

    @cached_property
    def neck_and_stump(self) -> tuple[Neck, Stump]:
        if self.found is not None:
            return self.found
        assert self.sac is not None and self.parent is not None and self.geometry is not None
        sac = self.sac.labels == self.sac.value
        box = Box.of_mask(sac)
        if box.empty:
            raise BadInput(tr("The segment “{name}” is empty: it has no voxels to measure.").format(name=self.sac.name))
        box = box.grown(MARGIN_VOXELS, self.geometry.size_ijk)
        sac, parent = sac[box.slices], self.parent.labels[box.slices] == self.parent.value
        if not parent.any():
            parent_whole = bool(np.any(self.parent.labels == self.parent.value))
            if not parent_whole:
                message = tr("The segment “{name}” is empty: it has no voxels to measure.")
                raise BadInput(message.format(name=self.parent.name))
            message = tr("“{sac}” does not touch “{parent}”: they lie far apart. Name the vessel that it arises from.")
            raise BadInput(message.format(sac=self.sac.name, parent=self.parent.name))
        neck = find_neck(sac, parent, self.geometry, box, (self.sac.name, self.parent.name))
        return neck, with_stump(sac, parent, self.geometry, neck, box)

    @property
    def cut_off(self) -> bool:
        """Whether the sac reaches the edge of the image."""
        if self.sac is None or self.geometry is None:
            return self.reaches_edge
        return Box.of_mask(self.sac.labels == self.sac.value).touches_edge(self.geometry.size_ijk)

    @property
    def voxel_mm(self) -> float:
        assert self.geometry is not None
        return math.pow(self.geometry.voxel_volume_mm3, 1.0 / 3.0)


def read_twin(scene: Scene | None, params: AneurysmParams) -> AneurysmInputs:
    """The segments and the tree that were named.

    Raises
    ------
    BadInput
        If there is no case, a name is missing or fits nothing, or the two segments are one or lie on different grids.
    """
    if scene is None:
        raise BadInput(tr("An aneurysm is measured on the segments of a case; name a case instead of -."))
    for name, value in (("sac", params.sac), ("parent", params.parent)):
        if not value:
            message = tr("Name the segment with --set {name}=SEGMENT: the sac, and the parent vessel that it leaves.")
            raise BadInput(message.format(name=name))
    sac, parent = scene.resolve(params.sac, SegmentNode), scene.resolve(params.parent, SegmentNode)
    if sac.id == parent.id:
        raise BadInput(
            tr("Sac and parent vessel are the same segment, “{name}”. Split it first.").format(name=sac.name)
        )
    geometry = scene.segmentation_of(sac).geometry
    if not geometry.same_grid(scene.segmentation_of(parent).geometry):
        message = tr("“{sac}” and “{parent}” lie on different images, so that no neck can be found. Carry one over.")
        raise BadInput(message.format(sac=sac.name, parent=parent.name))
    tree = _tree_of(scene, parent, params)
    notices: tuple[Notice, ...] = ()
    if tree is not None and scene.is_stale(tree):
        message = tr("The vessel tree “{name}” is stale: its segment has changed since. Extract the vessels again.")
        notices = (Notice("stale-tree", message.format(name=tree.name)),)
    nodes: tuple[Node, ...] = (sac, parent) if tree is None else (sac, parent, tree)
    return AneurysmInputs(
        params.known(),
        nodes,
        notices,
        Labelled(sac.name, scene.layer_of(sac).labels.frozen(), sac.value),
        Labelled(parent.name, scene.layer_of(parent).labels.frozen(), parent.value),
        geometry,
        _frozen_tree(tree) if tree is not None else None,
        tree.name if tree is not None else "",
    )


def _tree_of(scene: Scene, parent: SegmentNode, params: AneurysmParams) -> VesselTreeNode | None:
    """The tree that was named, else that of the parent; none if the diameter was given."""
    if params.parent_diameter_mm is not None:
        if params.tree:
            raise BadInput(tr("Both tree and parent_diameter_mm say how wide the parent is. Give one of them."))
        return None
    if params.tree:
        return scene.resolve(params.tree, VesselTreeNode)
    return next((node for node in scene.of_type(VesselTreeNode) if node.segment == parent.id), None)


def _frozen_tree(node: VesselTreeNode) -> VesselTree:
    return VesselTree(
        points_mm=node.points_mm.frozen(),
        radii_mm=node.radii_mm.frozen(),
        parent=node.parents.frozen(),
        branch=node.branch_of.frozen(),
        branches=tuple(Branch(b.id, b.name, b.color, b.suggested) for b in node.branches),
        breaks=tuple(Break(b.root, b.towards, b.gap_mm) for b in node.breaks),
    )
