"""The shortest distance between two surfaces, and the places of a surface nearest to points: exact on the triangles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Relation = Literal["apart", "touching", "inside", "around"]
MORTON_BITS = 20


@dataclass(frozen=True, eq=False)
class Nearest:
    """For each of some places the nearest place of a surface: its triangle, (n,); where, (n, 3); how far, (n,)."""

    triangles: IntArray
    points_mm: FloatArray
    away_mm: FloatArray


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


@dataclass(frozen=True, eq=False)
class MeshTree:
    """A mesh's triangles in a balanced tree of boxes: box n holds boxes 2 n + 1 and 2 n + 2.

    Attributes
    ----------
    corners
        (m, 3, 3), in the tree's order.
    order
        (m,): which triangle of the mesh stands where.
    boxes, own
        (k, 6) and (m, 6): lowest and highest x, y, z of the boxes, and of each triangle.
    starts
        Where each leaf's triangles begin, and the end of the last.
    """

    corners: FloatArray
    order: IntArray
    boxes: FloatArray
    own: FloatArray
    starts: IntArray

    @staticmethod
    def of(mesh: Mesh) -> MeshTree:
        """Sort triangles along a Morton curve of their middles, and box them.

        Raises
        ------
        BadInput
            If the mesh has no triangle.
        """
        from surgitwin.measuring.gap_kernels import LEAF

        if mesh.empty:
            raise BadInput(tr("The surface is empty, so nothing can be measured to it."))
        corners = mesh.points.astype(np.float64)[mesh.triangles]
        order = np.argsort(_morton(corners.mean(axis=1)), kind="stable")
        corners = np.ascontiguousarray(corners[order])
        own = np.ascontiguousarray(np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1))
        depth = max(0, int(np.ceil(np.log2(len(order) / LEAF))))
        leaves = 2**depth
        starts = np.arange(leaves + 1, dtype=np.int64) * len(order) // leaves
        boxes = np.empty((2 * leaves - 1, 6))
        boxes[leaves - 1 :, :3] = np.minimum.reduceat(own[:, :3], starts[:-1])
        boxes[leaves - 1 :, 3:] = np.maximum.reduceat(own[:, 3:], starts[:-1])
        for level in range(depth - 1, -1, -1):
            first, below = 2**level - 1, 2 ** (level + 1) - 1
            pairs = boxes[below : 2 * below + 1].reshape(-1, 2, 6)
            boxes[first:below, :3], boxes[first:below, 3:] = pairs[:, :, :3].min(axis=1), pairs[:, :, 3:].max(axis=1)
        return MeshTree(corners, order, boxes, own, starts)

    def nearest(self, places_mm: ArrayLike) -> Nearest:
        """The nearest places of the surface to some places, (n, 3)."""
        from surgitwin.measuring.gap_kernels import DEEPEST, nearest_triangles

        places = np.ascontiguousarray(np.asarray(places_mm, dtype=np.float64).reshape(-1, 3))
        found, points = np.empty(len(places), np.int64), np.empty((len(places), 3))
        waiting, gaps = np.empty(DEEPEST, np.int64), np.empty(DEEPEST)
        nearest_triangles(places, self.corners, self.boxes, self.starts, found, points, waiting, gaps)
        return Nearest(self.order[found], points, np.linalg.norm(points - places, axis=1))


def gap_between(one: Mesh, two: Mesh) -> Gap:
    """The shortest distance between two closed meshes: between edges, corners and faces, not between points only.

    Raises
    ------
    BadInput
        If a mesh has no triangle.
    """
    from surgitwin.measuring.gap_kernels import DEEPEST, nearest_pair

    first, second = MeshTree.of(one), MeshTree.of(two)
    waiting, gaps = np.empty((DEEPEST, 2), np.int64), np.empty(DEEPEST)
    square, here, there = nearest_pair(
        first.corners, first.boxes, first.starts, first.own,
        second.corners, second.boxes, second.starts, second.own,
        waiting, gaps,
    )  # fmt: skip
    away = float(np.sqrt(square))
    relation: Relation = "apart"
    if away == 0.0:
        relation = "touching"
    elif any_part_within(one, two):
        relation = "inside"
    elif any_part_within(two, one):
        relation = "around"
    return Gap(away if relation == "apart" else 0.0, relation, away, (tuple(here), tuple(there)))


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


def _morton(places: FloatArray) -> IntArray:
    """Numbers that bring together what lies together: the bits of x, y and z in turn."""
    low = places.min(axis=0)
    span = max(float((places.max(axis=0) - low).max()), 1e-12)
    cells = ((places - low) / span * (2**MORTON_BITS - 1)).astype(np.int64)
    codes = np.zeros(len(places), np.int64)
    for bit in range(MORTON_BITS):
        for axis in range(3):
            codes |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return codes
