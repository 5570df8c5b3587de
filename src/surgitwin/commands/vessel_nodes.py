"""Vessel trees between the scene and the functions that compute with them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from surgitwin.commands.base import Document
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import BranchModel, BreakModel, SegmentNode, VesselSystem, VesselTreeNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.vessels.tree import VesselTree

_SYSTEMS: tuple[tuple[VesselSystem, tuple[str, ...]], ...] = (
    ("portal", ("portal vein", "left portal vein", "right portal vein")),
    (
        "hepatic",
        (
            "hepatic vein",
            "left hepatic vein",
            "middle hepatic vein",
            "right hepatic vein",
            "inferior right hepatic vein",
        ),
    ),
    ("arterial", ("hepatic artery", "left hepatic artery", "right hepatic artery", "common hepatic artery")),
    ("biliary", ("bile duct", "common bile duct")),
)
SYSTEM_NAMES: dict[VesselSystem, str] = {
    "portal": tr("portal vein"),
    "hepatic": tr("hepatic veins"),
    "arterial": tr("hepatic artery"),
    "biliary": tr("bile duct"),
    "other": tr("other vessel"),
}


def system_of(segment: SegmentNode) -> VesselSystem:
    """What a segment carries, by its term in the terminology."""
    term = segment.term.casefold()
    return next((system for system, terms in _SYSTEMS if term in terms), "other")


def tree_of(node: VesselTreeNode) -> VesselTree:
    """The node's content as the vessel functions take it; its arrays are constant, so this costs no copy."""
    from surgitwin.vessels.tree import Branch, Break, VesselTree

    return VesselTree(
        points_mm=node.points_mm.frozen(),
        radii_mm=node.radii_mm.frozen(),
        parent=node.parents.frozen(),
        branch=node.branch_of.frozen(),
        branches=tuple(Branch(b.id, b.name, b.color, b.suggested) for b in node.branches),
        breaks=tuple(Break(b.root, b.towards, b.gap_mm) for b in node.breaks),
    )


def tree_fields(tree: VesselTree) -> dict[str, Any]:
    """The node's fields that hold a tree."""
    return {
        "points_mm": ArrayData.of(np.asarray(tree.points_mm, dtype=np.float64)),
        "radii_mm": ArrayData.of(np.asarray(tree.radii_mm, dtype=np.float64)),
        "parents": ArrayData.of(np.asarray(tree.parent, dtype=np.int32)),
        "branch_of": ArrayData.of(np.asarray(tree.branch, dtype=np.int32)),
        "branches": tuple(BranchModel(**asdict(branch)) for branch in tree.branches),
        "breaks": tuple(BreakModel(**asdict(gap)) for gap in tree.breaks),
    }


def trees_of(scene: Scene, organ: SegmentNode) -> list[VesselTreeNode]:
    """The vessel trees whose segments lie on the organ's grid."""
    found = []
    for node in scene.of_type(VesselTreeNode):
        segment = scene.get(node.segment, SegmentNode)
        if segment is not None and segment.parent == organ.parent and segment.id != organ.id:
            found.append(node)
    return found


def find_tree(scene: Scene, name: str) -> VesselTreeNode:
    """The tree that a person named, by its own name or that of its segment.

    Raises
    ------
    BadInput
        If there is none, or the segment has none yet.
    """
    trees = scene.of_type(VesselTreeNode)
    if any(name.casefold() in (node.id.casefold(), node.name.casefold()) for node in trees):
        return scene.resolve(name, VesselTreeNode)
    segment = scene.resolve(name, SegmentNode)
    own = [node for node in trees if node.segment == segment.id]
    if not own:
        message = tr("“{name}” has no vessel tree yet. Make it first: vessels CASE --segment “{name}”.")
        raise BadInput(message.format(name=segment.name))
    return own[0]


def tree_document(node: VesselTreeNode) -> Document:
    """What `vessels --json` prints of a tree: branches, the root and what was found."""
    tree = tree_of(node)
    branches = []
    for branch in tree.branches:
        points = tree.points_of(branch.id)
        parent = tree.parents[branch.id]
        branches.append(
            {
                "id": branch.id,
                "name": tree.name_of(branch.id),
                "suggested": branch.suggested,
                "parent": parent if parent >= 0 else None,
                "generation": tree.generation(branch.id),
                "length_mm": tree.length_mm(branch.id),
                "mean_radius_mm": tree.mean_radius_mm(branch.id),
                "points_mm": tree.points_mm[points].tolist(),
                "radii_mm": tree.radii_mm[points].tolist(),
            }
        )
    roots = [
        {"branch": int(tree.branch[point]), "point_mm": tree.points_mm[point].tolist()} for point in tree.roots.tolist()
    ]
    breaks = [
        {
            "branch": int(tree.branch[gap.root]),
            "from_mm": tree.points_mm[gap.root].tolist(),
            "to_mm": tree.points_mm[gap.towards].tolist(),
            "gap_mm": gap.gap_mm,
        }
        for gap in tree.breaks
    ]
    return {
        "system": node.system,
        "branches": branches,
        "root": roots[0]["branch"] if roots else None,
        "roots": roots,
        "breaks": breaks,
        "warnings": [notice.as_json() for notice in node.notices],
    }
