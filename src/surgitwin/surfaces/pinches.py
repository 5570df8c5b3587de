"""Mends the rare mesh edge that four triangles use although its two ends have one loop of quads each.

It occurs where two voxels touch along an edge and are joined around both ends of that edge: the loops at both ends
pass the edge twice. A new vertex beside the edge's middle takes the faces of one of the two voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.surfaces.cells import CellGrid
from surgitwin.surfaces.quads import QuadMesh, quad_owners
from surgitwin.surfaces.tables import corner_tables

# How far the new vertex lies from the edge's middle towards its own faces.
_ASIDE = 0.1


@dataclass(frozen=True, eq=False)
class Mended:
    """A triangle mesh without pinched edges.

    Attributes
    ----------
    points
        float32, shape (3, n + p): the old ones, then one for each pinched edge.
    triangles
        int32, shape (2 m + t, 3): the old rows, some of them changed, then the new ones.
    edges
        int64, shape (p, 2): the vertices at the ends of each pinched edge, the lower one first.
    rows
        int64, shape (t,): the old row that each new triangle was a part of.
    """

    points: NDArray[np.float32]
    triangles: NDArray[np.int32]
    edges: NDArray[np.int64]
    rows: NDArray[np.int64]


def split_pinches(mesh: QuadMesh, grid: CellGrid, points: NDArray[np.float32], triangles: NDArray[np.int32]) -> Mended:
    """Give every mesh edge exactly two triangles.

    What becomes of an edge depends on the triangles at its ends alone, and on the order of the vertices.

    Parameters
    ----------
    points
        float32, shape (3, n).
    triangles
        int32, shape (2 m, 3); rows 2 q and 2 q + 1 belong to quad q of ``mesh``.
    """
    nothing = Mended(points, triangles, np.zeros((0, 2), np.int64), np.zeros(0, np.int64))
    pinched = np.take(corner_tables().pinched, mesh.cells.codes)
    if np.count_nonzero(pinched) < 2:
        return nothing
    rows, sides = _suspect_edges(mesh, pinched[mesh.vertex_cell], triangles)
    tail, head = triangles[rows, sides].astype(np.int64), triangles[rows, (sides + 1) % 3].astype(np.int64)
    low, high = np.minimum(tail, head), np.maximum(tail, head)
    edges, number, uses = np.unique(low * points.shape[1] + high, return_inverse=True, return_counts=True)
    # At the border of an open mesh an edge may lack some of its four; nobody looks at it there.
    users = np.flatnonzero(uses[number] == 4)
    if not users.size:
        return nothing
    owner = quad_owners(mesh, grid)[rows[users] // 2]
    # The four sides of each pinched edge, those of one voxel before those of the other.
    by_edge = users[np.lexsort((owner, number[users]))].reshape(-1, 4)
    splitter = _Splitter(points, triangles)
    for side in by_edge[:, :2].tolist():
        a, b = divmod(int(edges[number[side[0]]]), points.shape[1])
        splitter.split(a, b, [(int(rows[u]), int(tail[u]), int(head[u])) for u in side])
    return splitter.result()


class _Splitter:
    """Collects the new vertices and triangles."""

    def __init__(self, points: NDArray[np.float32], triangles: NDArray[np.int32]) -> None:
        self._points = points
        self._given = triangles
        self._triangles = triangles.copy()
        self._added: list[NDArray[np.float32]] = []
        self._edges: list[tuple[int, int]] = []
        self._extra: list[NDArray[np.int32]] = []
        self._rows: list[int] = []
        self._parts: dict[int, list[NDArray[np.int32]]] = {}

    def split(self, a: int, b: int, sides: list[tuple[int, int, int]]) -> None:
        """Put a new vertex on edge (a, b) of the triangles at ``sides`` (row, tail, head)."""
        vertex = self._points.shape[1] + len(self._added)
        # Towards the third vertices of the triangles as they were given, so that the order of splits does not matter.
        tips = [next(v for v in self._given[row].tolist() if v not in (a, b)) for row, _, _ in sides]
        middle = (self._points[:, a] + self._points[:, b]) / 2
        aside = (self._points[:, tips[0]] + self._points[:, tips[1]]) / 2 - middle
        self._added.append((middle + _ASIDE * aside).astype(np.float32))
        self._edges.append((a, b))
        pair = [self._find(*side) for side in sides]
        for (row, _, _), triangle in zip(sides, pair, strict=True):
            other = triangle.copy()
            triangle[triangle == a] = vertex
            other[other == b] = vertex
            self._extra.append(other)
            self._rows.append(row)
            self._parts.setdefault(row, []).append(other)

    def _find(self, row: int, tail: int, head: int) -> NDArray[np.int32]:
        """The triangle (a view) with the directed edge tail, head: ``row``, or what an earlier split made of it."""
        candidates: list[NDArray[np.int32]] = [self._triangles[row], *self._parts.get(row, ())]
        for triangle in candidates:
            if any(triangle[c] == tail and triangle[(c + 1) % 3] == head for c in range(3)):
                return triangle
        raise AssertionError("A split triangle lost one of its edges.")

    def result(self) -> Mended:
        points = np.concatenate((self._points, np.stack(self._added, axis=1)), axis=1)
        triangles = np.concatenate((self._triangles, np.stack(self._extra)))
        return Mended(points, triangles, np.array(self._edges, np.int64), np.array(self._rows, np.int64))


def _suspect_edges(
    mesh: QuadMesh, suspect: NDArray[np.bool_], triangles: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(triangle, side) of every triangle side between two suspect vertices."""
    count = np.zeros(mesh.quads.shape[1], np.uint8)
    for corner in mesh.quads:
        count += np.take(suspect, corner, mode="clip").view(np.uint8)
    quads = np.flatnonzero(count > 1)
    near = np.concatenate((2 * quads, 2 * quads + 1))
    tails = suspect[triangles[near]]
    rows, sides = np.nonzero(tails & np.roll(tails, -1, axis=1))
    return near[rows], sides
