"""A surface's triangles in a tree: the nearest place to a point, to a ray, to another surface. Exact."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
Place = tuple[float, float, float]

_MOST_THREADS = 4
_WORTH_THREADS = 4000
_IDENTITY = np.eye(4)


@dataclass(frozen=True, eq=False)
class Nearest:
    """What was found for each of n points; NaN, and -1 as triangle, beyond the limit that was asked for.

    Attributes
    ----------
    points_mm
        (n, 3): the nearest place, in the surface's own frame.
    away_mm
        (n,): how far away it is, without a sign.
    triangles
        (n,): the triangle that it lies on, as numbered in the mesh.
    features
        (n,): where on it: 0 within, 1 to 3 on the side from that corner (0 to 2) to the next, 4 to 6 at a corner.
    """

    points_mm: FloatArray
    away_mm: FloatArray
    triangles: IntArray
    features: NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class TriangleTree:
    """The triangles of a mesh in a tree; see `triangle_kernels`.

    Attributes
    ----------
    corners
        (m, 3, 3), in the tree's order.
    order
        (m,): which triangle of the mesh stands where.
    bounds, entries
        Of the tree's nodes.
    origin, size_mm
        The middle of the box around the mesh, and half its diagonal.
    """

    corners: SingleArray
    order: IntArray
    bounds: SingleArray
    entries: IntArray
    origin: FloatArray
    size_mm: float

    @staticmethod
    def of(mesh: Mesh) -> TriangleTree:
        """Make the tree.

        Raises
        ------
        BadInput
            If the mesh has no triangle.
        """
        from surgitwin.core.triangle_kernels import LEAF, ROWS, WIDE, build

        if mesh.empty:
            raise BadInput(tr("The surface is empty, so nothing can be measured to it."))
        corners = np.ascontiguousarray(mesh.points[mesh.triangles], dtype=np.float32)
        order = np.arange(len(corners), dtype=np.int32)
        low, high = (np.asarray(side, np.float64) for side in (corners.min(axis=(0, 1)), corners.max(axis=(0, 1))))
        origin = (low + high) / 2
        room = -(-len(corners) // LEAF) + 1
        bounds, entries = np.empty((room, ROWS * WIDE), np.float32), np.empty((room, WIDE), np.int32)
        used = build(corners, np.ascontiguousarray(corners.mean(axis=1)), order, origin, bounds, entries)
        size = float(np.linalg.norm(high - low)) / 2
        return TriangleTree(corners[order], order, bounds[:used].copy(), entries[:used].copy(), origin, size)

    def nearest(self, points_mm: ArrayLike, matrix: FloatArray | None = None, *, limit_mm: float = np.inf) -> Nearest:
        """The nearest place of the surface to each point.

        Parameters
        ----------
        points_mm
            (n, 3). Fast if those that follow each other lie together.
        matrix
            4x4, brings the points to the surface's frame; None if they are in it.
        limit_mm
            Points further away are not looked for.
        """
        from surgitwin.core.triangle_kernels import nearest_places

        points = np.ascontiguousarray(np.asarray(points_mm, dtype=np.float64).reshape(-1, 3))
        pose = np.ascontiguousarray(_IDENTITY if matrix is None else matrix, dtype=np.float64)
        count = len(points)
        place, square = np.full((count, 3), np.nan), np.full(count, np.nan)
        row, feature = np.empty(count, np.int32), np.zeros(count, np.int8)

        def part(start: int, stop: int) -> None:
            some = slice(start, stop)
            found = (place[some], square[some], row[some], feature[some])
            nearest_places(*self._given, points[some], pose, float(limit_mm), *found)

        in_parts(part, count)
        triangles = np.where(row >= 0, self.order[row], -1).astype(np.int32)
        return Nearest(place, np.sqrt(square), triangles, feature)

    def along(self, points_mm: FloatArray, direction: FloatArray, *, reach_mm: float) -> FloatArray:
        """How far each point, (n, 3), is from the surface along a direction; infinite where it is not met in reach."""
        from surgitwin.core.triangle_kernels import ray_lengths

        points = np.ascontiguousarray(points_mm, dtype=np.float64)
        unit = np.ascontiguousarray(direction / np.linalg.norm(direction), dtype=np.float64)
        length = np.empty(len(points))

        def part(start: int, stop: int) -> None:
            ray_lengths(*self._given, points[start:stop], unit, float(reach_mm), length[start:stop])

        in_parts(part, len(points))
        return length

    def gap_to(self, other: TriangleTree) -> tuple[float, Place, Place]:
        """The shortest distance to another surface in the same frame, and the place of each; 0 where they meet."""
        from surgitwin.core.triangle_kernels import nearest_pair

        square, here, there = nearest_pair(*self._given, *other._given)
        return float(np.sqrt(square)), tuple(here), tuple(there)

    @property
    def _given(self) -> tuple[SingleArray, SingleArray, IntArray, FloatArray, float]:
        return self.corners, self.bounds, self.entries, self.origin, self.size_mm


def in_parts(work: Callable[[int, int], None], count: int) -> None:
    """Call ``work(start, stop)`` for all of ``count`` things, on some threads where that pays."""
    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    if count < _WORTH_THREADS or threads == 1:
        work(0, count)
        return
    cuts = np.linspace(0, count, threads + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, int(a), int(b)) for a, b in pairwise(cuts)]:
            done.result()
