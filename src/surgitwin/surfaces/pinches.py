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
    suspect = pinched[mesh.vertex_cell]
    tails, heads = triangles, np.roll(triangles, -1, axis=1)
    rows, sides = np.nonzero(suspect[tails] & suspect[heads])
    tail, head = tails[rows, sides].astype(np.int64), heads[rows, sides].astype(np.int64)
    owner = quad_owners(mesh, grid)[rows // 2]
    low, high = np.minimum(tail, head), np.maximum(tail, head)
    edges, number, uses = np.unique(low * points.shape[1] + high, return_inverse=True, return_counts=True)
    crowded = np.flatnonzero(uses > 2)
    if not crowded.size:
        return points, triangles
    added: list[NDArray[np.float32]] = []
    extra: list[NDArray[np.int32]] = []
    changed = triangles.copy()
    for edge in crowded.tolist():
        users = np.flatnonzero(number == edge)
        voxel = owner[users].max()
        # A triangle may hold two pinched edges: work on what an earlier split has left of it.
        pair = [_find(changed, extra, rows[u], tail[u], head[u]) for u in users[owner[users] == voxel].tolist()]
        vertex = points.shape[1] + len(added)
        a, b = divmod(int(edges[edge]), points.shape[1])
        tips = [next(v for v in triangle.tolist() if v not in (a, b)) for triangle in pair]
        middle = (points[:, a] + points[:, b]) / 2
        towards = np.mean([points[:, tip] for tip in tips if tip < points.shape[1]] or [middle], axis=0)
        added.append((middle + _ASIDE * (towards - middle)).astype(np.float32))
        for triangle in pair:
            other = triangle.copy()
            triangle[triangle == a] = vertex
            other[other == b] = vertex
            extra.append(other)
    return np.concatenate((points, np.stack(added, axis=1)), axis=1), np.concatenate((changed, np.stack(extra)))


def _find(
    triangles: NDArray[np.int32], extra: list[NDArray[np.int32]], row: int, tail: int, head: int
) -> NDArray[np.int32]:
    """The triangle (a view that can be changed) with the directed edge tail, head: ``row``, or a part split off."""
    for triangle in (triangles[row], *reversed(extra)):
        if any(triangle[c] == tail and triangle[(c + 1) % 3] == head for c in range(3)):
            return triangle
    raise AssertionError("A split triangle lost one of its edges.")
