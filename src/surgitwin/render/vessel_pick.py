"""Which branch of a vessel tree a click means, in 3D and in a slice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.geometry import FloatArray
from surgitwin.render.content import TreeContent, Vec3, vec3

if TYPE_CHECKING:
    from surgitwin.vessels.tree import VesselTree


@dataclass(frozen=True)
class PickedBranch:
    """A place on a branch.

    Attributes
    ----------
    tree
        `TreeContent.id`.
    point
        On the centre line, LPS mm.
    """

    tree: str
    branch: int
    point: Vec3


def pick_along(
    trees: Iterable[TreeContent], origin: ArrayLike, direction: ArrayLike, tolerance_mm: float
) -> PickedBranch | None:
    """The branch that a line of sight meets first, or else the one that it passes nearest by.

    Parameters
    ----------
    origin, direction
        A point of the line, LPS mm, and where one looks, of any length.
    tolerance_mm
        How far beside the wall of a vessel still means it.
    """
    best: tuple[tuple[bool, float], PickedBranch] | None = None
    for content in trees:
        if not content.visible:
            continue
        found = _pick_one(content.tree, np.asarray(origin, float), np.asarray(direction, float), tolerance_mm)
        if found is not None and (best is None or found[0] < best[0]):
            best = found[0], PickedBranch(content.id, found[1], found[2])
    return None if best is None else best[1]


def pick_near(trees: Iterable[TreeContent], place: ArrayLike, tolerance_mm: float) -> PickedBranch | None:
    """The branch whose wall is nearest to an LPS point, or that holds it; None if none is within the tolerance."""
    at = np.asarray(place, float)
    best: tuple[float, PickedBranch] | None = None
    for content in trees:
        tree = content.tree
        if not content.visible or len(tree.points_mm) == 0:
            continue
        start, end, below = _pieces(tree)
        share = _nearest_share(start - at, end - start)
        points = start + share[:, None] * (end - start)
        beyond = np.linalg.norm(points - at, axis=1) - _radii(tree, below, share)
        row = int(beyond.argmin())
        if beyond[row] <= tolerance_mm and (best is None or beyond[row] < best[0]):
            best = float(beyond[row]), PickedBranch(content.id, int(tree.branch[below[row]]), vec3(points[row]))
    return None if best is None else best[1]


def _pick_one(
    tree: VesselTree, origin: FloatArray, direction: FloatArray, tolerance_mm: float
) -> tuple[tuple[bool, float], int, Vec3] | None:
    """How good the best hit is (smaller is better), its branch and its place."""
    if len(tree.points_mm) == 0:
        return None
    ahead = direction / np.linalg.norm(direction)
    start, end, below = _pieces(tree)
    # Seen along the line it is a point, and pieces of centre lines are pieces of flat lines.
    start_depth, end_depth = (start - origin) @ ahead, (end - origin) @ ahead
    flat_start = start - origin - start_depth[:, None] * ahead
    flat_way = end - start - (end_depth - start_depth)[:, None] * ahead
    share = _nearest_share(flat_start, flat_way)
    # A slanted piece may come nearer to the viewer at an end than where it is nearest to the line.
    share = np.concatenate([share, np.zeros_like(share), np.ones_like(share)])
    start, end, below, flat_start, flat_way = (
        np.concatenate([a] * 3) for a in (start, end, below, flat_start, flat_way)
    )
    start_depth, end_depth = np.tile(start_depth, 3), np.tile(end_depth, 3)
    away = np.linalg.norm(flat_start + share[:, None] * flat_way, axis=1)
    radius = _radii(tree, below, share)
    beyond = away - radius
    if not (beyond <= tolerance_mm).any():
        return None
    depth = start_depth + share * (end_depth - start_depth)
    inside = beyond <= 0
    if inside.any():
        entry = np.where(inside, depth - np.sqrt(np.maximum(radius**2 - away**2, 0)), np.inf)
        row, goodness = int(entry.argmin()), (False, float(entry.min()))
    else:
        row, goodness = int(beyond.argmin()), (True, float(beyond.min()))
    return goodness, int(tree.branch[below[row]]), vec3(start[row] + share[row] * (end[row] - start[row]))


def _pieces(tree: VesselTree) -> tuple[FloatArray, FloatArray, NDArray[np.intp]]:
    """The ends of the pieces between each point and the one that feeds it, and that point; a root is a piece of no
    length."""
    below = np.arange(len(tree.points_mm))
    above = np.where(tree.parent >= 0, tree.parent, below)
    return tree.points_mm[above], tree.points_mm[below], below


def _nearest_share(start: FloatArray, way: FloatArray) -> FloatArray:
    """How far along each piece, 0 to 1, it is nearest to the origin."""
    length = np.einsum("ij,ij->i", way, way)
    along = -np.einsum("ij,ij->i", start, way) / np.where(length > 0, length, 1.0)
    return np.asarray(np.clip(np.where(length > 0, along, 0.0), 0.0, 1.0))


def _radii(tree: VesselTree, below: NDArray[np.intp], share: FloatArray) -> FloatArray:
    """The radius at a share of each piece; where a branch leaves another it is the branch's own, as it is drawn."""
    above = tree.parent[below]
    own = (above >= 0) & (tree.branch[above] == tree.branch[below])
    first = tree.radii_mm[np.where(own, above, below)]
    return np.asarray(first + share * (tree.radii_mm[below] - first))
