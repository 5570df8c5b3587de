"""Mends the rare mesh edge that four triangles use although its two ends have one loop of quads each.

It occurs where two voxels touch along an edge and are joined around both ends of that edge: the loops at both ends
pass the edge twice. A new vertex beside the edge's middle takes the faces of one of the two voxels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgitwin.surfaces.cells import CellGrid
from surgitwin.surfaces.quads import QuadMesh, quad_owners
from surgitwin.surfaces.tables import corner_tables

# How far the new vertex lies from the edge's middle towards its own faces.
_ASIDE = 0.1


def split_pinches(
    mesh: QuadMesh, grid: CellGrid, points: NDArray[np.float32], triangles: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Give every mesh edge exactly two triangles.

    Parameters
    ----------
    points
        float32, shape (3, n).
    triangles
        int32, shape (2 m, 3); rows 2 q and 2 q + 1 belong to quad q of ``mesh``.
    """
    pinched = np.take(corner_tables().pinched, mesh.cells.codes)
    if np.count_nonzero(pinched) < 2:
        return points, triangles
    rows, sides = _suspect_edges(mesh, pinched[mesh.vertex_cell], triangles)
    tail, head = triangles[rows, sides].astype(np.int64), triangles[rows, (sides + 1) % 3].astype(np.int64)
    owner = quad_owners(mesh, grid)[rows // 2]
    low, high = np.minimum(tail, head), np.maximum(tail, head)
    edges, number, uses = np.unique(low * points.shape[1] + high, return_inverse=True, return_counts=True)
    users = np.flatnonzero(uses[number] > 2)
    if not users.size:
        return points, triangles
    # The four sides of each pinched edge, those of one voxel before those of the other.
    by_edge = users[np.lexsort((owner[users], number[users]))].reshape(-1, 4)
    splitter = _Splitter(points, triangles)
    for side in by_edge[:, :2].tolist():
        a, b = divmod(int(edges[number[side[0]]]), points.shape[1])
        splitter.split(a, b, [(int(rows[u]), int(tail[u]), int(head[u])) for u in side])
    return splitter.result()


class _Splitter:
    """Collects the new vertices and triangles."""

    def __init__(self, points: NDArray[np.float32], triangles: NDArray[np.int32]) -> None:
        self._points = points
        self._triangles = triangles.copy()
        self._added: list[NDArray[np.float32]] = []
        self._extra: list[NDArray[np.int32]] = []
        self._parts: dict[int, list[NDArray[np.int32]]] = {}

    def split(self, a: int, b: int, sides: list[tuple[int, int, int]]) -> None:
        """Put a new vertex on edge (a, b) of the triangles at ``sides`` (row, tail, head)."""
        vertex = self._points.shape[1] + len(self._added)
        pair = [self._find(*side) for side in sides]
        tips = [self._at(next(v for v in triangle.tolist() if v not in (a, b))) for triangle in pair]
        middle = (self._at(a) + self._at(b)) / 2
        self._added.append((middle + _ASIDE * (np.mean(tips, axis=0) - middle)).astype(np.float32))
        for (row, _, _), triangle in zip(sides, pair, strict=True):
            other = triangle.copy()
            triangle[triangle == a] = vertex
            other[other == b] = vertex
            self._extra.append(other)
            self._parts.setdefault(row, []).append(other)

    def _at(self, vertex: int) -> NDArray[np.float32]:
        known = self._points.shape[1]
        return self._points[:, vertex] if vertex < known else self._added[vertex - known]

    def _find(self, row: int, tail: int, head: int) -> NDArray[np.int32]:
        """The triangle (a view) with the directed edge tail, head: ``row``, or what an earlier split made of it."""
        candidates: list[NDArray[np.int32]] = [self._triangles[row], *self._parts.get(row, ())]
        for triangle in candidates:
            if any(triangle[c] == tail and triangle[(c + 1) % 3] == head for c in range(3)):
                return triangle
        raise AssertionError("A split triangle lost one of its edges.")

    def result(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        points = np.concatenate((self._points, np.stack(self._added, axis=1)), axis=1)
        return points, np.concatenate((self._triangles, np.stack(self._extra)))


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
