"""Shortest ways along a surface between placed points.

Edges of triangles do not lead the shortest way, however many there are: the way is straightened by flipping edges until
it is straight across every triangle (Sharp and Crane, "You can find geodesic paths in triangle meshes by just flipping
edges", ACM Transactions on Graphics 39, 2020), by the authors' own library. It is exact on the mesh; among several
straight ways it is the one that the shortest way along edges can be drawn tight to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
AT_CORNER = 1e-6


@dataclass(frozen=True, eq=False)
class SurfaceWay:
    """The shortest way from one placed point to the next, and so on.

    Attributes
    ----------
    legs
        (m, 3) each, from one placed point to the next.
    placed_mm
        (n, 3): where the given points are on the surface.
    away_mm
        (n,): how far the given points were from it.
    """

    legs: tuple[FloatArray, ...]
    placed_mm: FloatArray
    away_mm: FloatArray

    @property
    def length_mm(self) -> float:
        return float(sum(np.linalg.norm(np.diff(leg, axis=0), axis=1).sum() for leg in self.legs))

    @property
    def points_mm(self) -> FloatArray:
        """The whole way, (m, 3)."""
        return np.concatenate([self.legs[0], *(leg[1:] for leg in self.legs[1:])])


@dataclass(frozen=True, eq=False)
class Routed:
    """A way with the mesh that it runs on: the part of the surface that holds the points, which are corners of it.

    Attributes
    ----------
    points, triangles
        (n, 3), (m, 3): the same surface as was given.
    ends
        The corner that each placed point is.
    """

    way: SurfaceWay
    points: FloatArray
    triangles: IntArray
    ends: tuple[int, ...]


def shortest_way(mesh: Mesh, points_mm: ArrayLike, closed: bool = False) -> SurfaceWay:
    """The shortest way along a mesh through placed points, (n, 3); they are moved onto the nearest triangle first.

    Raises
    ------
    BadInput
        If points lie on parts of the surface that are not joined, or the surface is not joined cleanly.
    """
    return routed(mesh, points_mm, closed).way


def routed(mesh: Mesh, points_mm: ArrayLike, closed: bool = False) -> Routed:
    """As `shortest_way`, with the mesh that the way runs on."""
    from surgitwin.core.triangle_tree import TriangleTree

    places = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
    if len(places) < 2:
        raise BadInput(tr("A way along a surface needs two points or more."))
    found = TriangleTree.of(mesh).nearest(places)
    triangles, owner = _part_of(mesh, found.triangles.astype(np.int64))
    grown = _Grown.of(mesh, triangles)
    ends = [
        grown.insert(int(owner[triangle]), point)
        for triangle, point in zip(found.triangles, found.points_mm, strict=True)
    ]
    pairs = list(zip(ends, [*ends[1:], ends[0]], strict=True))
    legs = _ways(grown, pairs if closed else pairs[:-1])
    way = SurfaceWay(tuple(legs), found.points_mm, found.away_mm)
    return Routed(way, grown.all_points, np.asarray(grown.triangles, dtype=np.int64), tuple(ends))


def _part_of(mesh: Mesh, wanted: IntArray) -> tuple[IntArray, IntArray]:
    """The triangles, (k, 3), of the part that holds the wanted triangles, and the new number of each triangle."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    triangles = mesh.triangles.astype(np.int64)
    count = len(mesh.points)
    tails, heads = triangles[:, :2].T.reshape(-1), triangles[:, 1:].T.reshape(-1)
    _, part = connected_components(coo_array((np.ones(len(tails), np.int8), (tails, heads)), (count, count)), False)
    mine = part[triangles[:, 0]]
    if len(np.unique(mine[wanted])) > 1:
        message = tr(
            "The points lie on parts of the surface that are not joined, so no way along it leads between them."
        )
        raise BadInput(message)
    kept = mine == mine[wanted[0]]
    return triangles[kept], np.cumsum(kept) - 1


@dataclass(eq=False)
class _Grown:
    """A mesh that points are put into without changing its shape."""

    points: list[FloatArray]
    triangles: list[IntArray]
    base: FloatArray
    pieces: dict[int, list[int]] = field(default_factory=dict)

    @staticmethod
    def of(mesh: Mesh, triangles: IntArray) -> _Grown:
        used, number = np.unique(triangles, return_inverse=True)
        base = mesh.points[used].astype(np.float64)
        return _Grown([], list(number.reshape(-1, 3).astype(np.int64)), base)

    @property
    def all_points(self) -> FloatArray:
        return np.concatenate([self.base, np.asarray(self.points, dtype=np.float64).reshape(-1, 3)])

    def corner(self, number: int) -> FloatArray:
        return self.base[number] if number < len(self.base) else self.points[number - len(self.base)]

    def insert(self, triangle: int, point: FloatArray) -> int:
        """Put a point of a triangle of the first mesh in; return its number, or that of the corner that it is on."""
        mine = self.pieces.get(triangle, [triangle])
        weights = [self._weights(piece, point) for piece in mine]
        best = max(range(len(mine)), key=lambda n: weights[n].min())
        piece, share = mine[best], weights[best]
        if share.max() > 1 - AT_CORNER:
            return int(self.triangles[piece][int(np.argmax(share))])
        self.points.append(point)
        new = len(self.base) + len(self.points) - 1
        low = int(np.argmin(share))
        if share[low] < AT_CORNER:
            corners = self.triangles[piece]
            self._split_edge(int(corners[(low + 1) % 3]), int(corners[(low + 2) % 3]), new)
        else:
            self._split_face(piece, new)
        return new

    def _weights(self, piece: int, point: FloatArray) -> FloatArray:
        a, b, c = (self.corner(int(n)) for n in self.triangles[piece])
        across = np.cross(b - a, c - a)
        square = max(float(across @ across), 1e-30)
        one = float(np.cross(c - b, point - b) @ across) / square
        two = float(np.cross(a - c, point - c) @ across) / square
        return np.array([one, two, 1.0 - one - two])

    def _split_face(self, piece: int, new: int) -> None:
        a, b, c = self.triangles[piece].tolist()
        self._replace(piece, [(a, b, new), (b, c, new), (c, a, new)])

    def _split_edge(self, one: int, two: int, new: int) -> None:
        table = np.asarray(self.triangles)
        for piece in np.flatnonzero((table == one).any(axis=1) & (table == two).any(axis=1)).tolist():
            corners = table[piece].tolist()
            parts = [tuple(new if n == gone else n for n in corners) for gone in (one, two)]
            self._replace(piece, parts)

    def _replace(self, piece: int, parts: list[tuple[int, ...]]) -> None:
        root = next((key for key, mine in self.pieces.items() if piece in mine), piece)
        first, *others = (np.asarray(part, dtype=np.int64) for part in parts)
        self.triangles[piece] = first
        added = list(range(len(self.triangles), len(self.triangles) + len(others)))
        self.triangles += others
        self.pieces[root] = [*self.pieces.get(root, [piece]), *added]


def _ways(grown: _Grown, pairs: list[tuple[int, int]]) -> list[FloatArray]:
    from potpourri3d import EdgeFlipGeodesicSolver

    points = grown.all_points
    try:
        solver = EdgeFlipGeodesicSolver(points, np.asarray(grown.triangles))
        return [_way(solver, points, start, stop) for start, stop in pairs]
    except (RuntimeError, ValueError) as error:
        message = tr(
            "No way along this surface can be measured: its triangles are not joined cleanly (more than two share an "
            "edge, or it touches itself). Make its surface again, or measure a curve without a surface."
        )
        raise BadInput(message) from error


def _way(solver: Any, points: FloatArray, start: int, stop: int) -> FloatArray:
    if start == stop:
        return points[[start, stop]]
    return np.asarray(solver.find_geodesic_path(start, stop), dtype=np.float64)
