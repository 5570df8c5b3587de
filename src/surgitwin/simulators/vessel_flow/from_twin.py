"""What the flow simulator takes from the twin: a vessel tree, the organ around it, and branches by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import Ambiguous, BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import Node, SegmentNode, VesselTreeNode
from surgitwin.scene.scene import Scene
from surgitwin.simulators.vessel_flow.conditions import Clamp, Edit, Stent
from surgitwin.simulators.vessel_flow.params import VesselFlowParams
from surgitwin.vessels.nearest import nearest_points
from surgitwin.vessels.supply import own_voxels
from surgitwin.vessels.tree import Branch, Break, System, VesselTree

Labels = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Organ:
    """What a tree feeds or drains: the voxels that hold ``value``, [k, j, i] on ``geometry``."""

    name: str
    labels: Labels
    value: int
    geometry: Geometry


@dataclass(frozen=True, eq=False)
class Twin:
    """What was read of the scene."""

    tree: VesselTree
    name: str
    system: System
    organ: Organ | None
    nodes: tuple[Node, ...]
    notices: tuple[Notice, ...] = ()


def read_twin(scene: Scene | None, params: VesselFlowParams) -> Twin:
    """The tree that was named (or the portal one, or the only one), and the organ (or the liver).

    Raises
    ------
    BadInput
        If there is no case, no such tree, or no such organ on the tree's grid.
    """
    if scene is None:
        raise BadInput(tr("Flow is computed in the vessel tree of a case; name a case instead of -."))
    node = _tree_node(scene, params.vessels)
    notices = []
    if scene.is_stale(node):
        message = tr("The vessel tree “{name}” is stale: its segment has changed since. Extract the vessels again.")
        notices.append(Notice("stale-tree", message.format(name=node.name)))
    tree = VesselTree(
        points_mm=node.points_mm.frozen(),
        radii_mm=node.radii_mm.frozen(),
        parent=node.parents.frozen(),
        branch=node.branch_of.frozen(),
        branches=tuple(Branch(b.id, b.name, b.color, b.suggested) for b in node.branches),
        breaks=tuple(Break(b.root, b.towards, b.gap_mm) for b in node.breaks),
    )
    segment = _organ_segment(scene, node, params) if params.share == "volume" else None
    if segment is None:
        return Twin(tree, node.name, node.system, None, (node,), tuple(notices))
    layer, geometry = scene.layer_of(segment), scene.segmentation_of(segment).geometry
    organ = Organ(segment.name, layer.labels.frozen(), segment.value, geometry)
    return Twin(tree, node.name, node.system, organ, (node, segment, layer), tuple(notices))


def _tree_node(scene: Scene, name: str) -> VesselTreeNode:
    trees = scene.of_type(VesselTreeNode)
    if not trees:
        raise BadInput(tr("The case has no vessel tree. Make one first: vessels CASE --segment NAME."))
    if name:
        own = [node for node in trees if name.casefold() in _names_of(scene, node)]
        return own[0] if len(own) == 1 else scene.resolve(name, VesselTreeNode)
    portal = [node for node in trees if node.system == "portal"]
    found = portal if len(trees) > 1 else trees
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"“{node.name}”" for node in found or trees)
    raise Ambiguous(tr("Name the vessel tree to compute flow in (vessels=NAME): {listed}.").format(listed=listed))


def _names_of(scene: Scene, node: VesselTreeNode) -> tuple[str, ...]:
    """The tree's id, and the name of its segment."""
    segment = scene.get(node.segment, SegmentNode)
    return node.id.casefold(), *((segment.name.casefold(),) if segment is not None else ())


def _organ_segment(scene: Scene, tree: VesselTreeNode, params: VesselFlowParams) -> SegmentNode | None:
    vessel = scene.get(tree.segment, SegmentNode)
    if params.organ:
        named = scene.resolve(params.organ, SegmentNode)
        if vessel is None or named.parent != vessel.parent:
            message = tr("“{organ}” and the vessel tree “{tree}” do not lie on one grid; choose a segment beside it.")
            raise BadInput(message.format(organ=named.name, tree=tree.name))
        return named
    if vessel is None or tree.system not in ("portal", "hepatic", "arterial"):
        return None
    livers = [
        one
        for one in scene.of_type(SegmentNode)
        if one.parent == vessel.parent and one.term.casefold() == "liver" and one.kind != "territory"
    ]
    return livers[0] if len(livers) == 1 else None


def volumes_of_ends(tree: VesselTree, ends: list[int], organ: Organ, ctx: Context) -> dict[int, float]:
    """What of an organ lies nearest to each end branch, ml, by its id.

    An end that does not come near the organ feeds nothing of it: tributaries such as the splenic vein bring blood to
    the portal vein, and other vessels lead elsewhere.

    Raises
    ------
    BadInput
        If the organ has no voxel, or no end comes near it.
    Cancelled
    """
    mask = np.asarray(organ.labels == organ.value)
    box = Box.of_mask(mask)
    if box.empty:
        raise BadInput(tr("“{organ}” has no voxel; segment it first.").format(organ=organ.name))
    inside = np.ascontiguousarray(mask[box.slices])
    own = np.flatnonzero(np.isin(tree.branch, ends))
    voxel = own_voxels(tree.points_mm[own], tree.radii_mm[own], inside, box, organ.geometry)
    near = np.unique(tree.branch[own[voxel >= 0]])
    chosen = own[np.isin(tree.branch[own], near)]
    if len(chosen) == 0:
        message = tr("No end of the vessel tree comes near “{organ}”; choose the organ that it feeds (organ=NAME).")
        raise BadInput(message.format(organ=organ.name))
    nearest, _ = nearest_points(tree.points_mm[chosen], inside, box, organ.geometry, ctx)
    owners = tree.branch[chosen][nearest]
    ml = organ.geometry.voxel_volume_mm3 / 1000.0
    return {end: float(np.count_nonzero(owners == end)) * ml for end in ends}


def edits_of(tree: VesselTree, params: VesselFlowParams) -> tuple[Edit, ...]:
    """The clamps and stents that were asked for.

    Raises
    ------
    BadInput
        If a branch is not in the tree, or a radius is no number.
    """
    clamped = [branch for word in _words(params.clamp) for branch in branches_named(tree, word)]
    found: list[Edit] = [Clamp(branch) for branch in dict.fromkeys(clamped)]
    for word in _words(params.stent):
        name, colon, radius = word.rpartition(":")
        if not colon:
            found.append(Stent(branch_named(tree, word)))
            continue
        try:
            radius_mm = float(radius)
        except ValueError:
            message = tr("The stent “{word}” has no radius in mm behind its colon; write NAME:3.5, or NAME alone.")
            raise BadInput(message.format(word=word)) from None
        found.append(Stent(branch_named(tree, name), radius_mm))
    return tuple(found)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def branches_named(tree: VesselTree, word: str) -> tuple[int, ...]:
    """The branches that a person means: one by its number, or by name all that the vessels of this name begin with.

    Raises
    ------
    BadInput
        If there is none.
    """
    if word.isdecimal() and int(word) in tree.row_of:
        return (int(word),)
    hits = {one.id for one in tree.branches if tree.name_of(one.id).casefold() == word.casefold()}
    tops = tuple(one.id for one in tree.branches if one.id in hits and tree.parents[one.id] not in hits)
    if tops:
        return tops
    names = list(dict.fromkeys(branch.name for branch in tree.branches if branch.name))
    listed = ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
    message = tr("The tree has no branch “{name}”. Give a number, or one of these names: {listed}.")
    raise BadInput(message.format(name=word, listed=listed or tr("none has one")))


def branch_named(tree: VesselTree, word: str) -> int:
    """The one branch that a person means.

    Raises
    ------
    Ambiguous
        If several vessels of the name begin apart from each other.
    BadInput
        If there is none.
    """
    found = branches_named(tree, word)
    if len(found) == 1:
        return found[0]
    listed = ", ".join(map(str, found))
    message = tr("{count} branches called “{name}” begin apart: {listed}. Give the number of the one you mean.")
    raise Ambiguous(message.format(count=len(found), name=word, listed=listed))
