"""The shortest distance between two surfaces, exact on their triangles, and whether one lies within the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.mesh import Mesh
from surgitwin.core.triangle_tree import TriangleTree

FloatArray = NDArray[np.float64]
Relation = Literal["apart", "touching", "inside", "around"]


@dataclass(frozen=True)
class Gap:
    """The shortest distance between two structures.

    Attributes
    ----------
    distance_mm
        0 if they touch, overlap, or one lies within the other.
    relation
        ``inside``: the first lies in the second without meeting its surface; ``around``: the other way round.
    surfaces_mm
        Between the surfaces, also where one structure lies within the other.
    points_mm
        The nearest place of each surface; where they cross, one place that both share.
    """

    distance_mm: float
    relation: Relation
    surfaces_mm: float
    points_mm: tuple[tuple[float, float, float], tuple[float, float, float]]


def gap_between(one: Mesh, two: Mesh) -> Gap:
    """The shortest distance between two closed meshes: between edges, corners and faces, not between points only.

    Raises
    ------
    BadInput
        If a mesh has no triangle.
    """
    away, here, there = TriangleTree.of(one).gap_to(TriangleTree.of(two))
    relation: Relation = "apart"
    if away == 0.0:
        relation = "touching"
    elif any_part_within(one, two):
        relation = "inside"
    elif any_part_within(two, one):
        relation = "around"
    return Gap(away if relation == "apart" else 0.0, relation, away, (here, there))


def any_part_within(one: Mesh, two: Mesh) -> bool:
    """True if a part of the first mesh, which does not cross the second, lies in it."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    low, high = two.points.min(axis=0), two.points.max(axis=0)
    tails, heads = one.triangles[:, :2].T.reshape(-1), one.triangles[:, 1:].T.reshape(-1)
    count = len(one.points)
    _, part = connected_components(coo_array((np.ones(len(tails), np.int8), (tails, heads)), (count, count)), False)
    _, samples = np.unique(part[one.triangles[:, 0]], return_index=True)
    places = one.points[one.triangles[samples, 0]].astype(np.float64)
    return any(winding(two, place) > 0.5 for place in places if np.all(place >= low) and np.all(place <= high))


def winding(mesh: Mesh, place_mm: FloatArray) -> float:
    """How often a closed mesh goes around a place: 1 inside, 0 outside; between the two for one with holes.

    The sum of the solid angles of the triangles (van Oosterom and Strackee 1983) over 4 pi.
    """
    a, b, c = np.moveaxis((mesh.points.astype(np.float64) - place_mm)[mesh.triangles], 1, 0)
    la, lb, lc = (np.linalg.norm(side, axis=1) for side in (a, b, c))
    over = np.einsum("ij,ij->i", a, np.cross(b, c))
    ab, bc, ca = ((x * y).sum(axis=1) for x, y in ((a, b), (b, c), (c, a)))
    return float(np.arctan2(over, la * lb * lc + ab * lc + bc * la + ca * lb).sum() / (2 * np.pi))
