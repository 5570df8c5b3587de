"""A region as intervals along rows of voxels, and how a dividing surface becomes one.

Sides by parity: a path between two points of a box meets a surface that has no border in the box an even number of
times if both are on one side. Lines are shifted off the grid by a few billionths of a voxel, so that lines along all
three axes agree on which side a point is on. The voxels that this could change lie so near to the surface that they
count as on it (`ON_SURFACE_VOXELS`), and these stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.resection.rows import RowRuns
from surgitwin.resection.surface_cut import SurfaceCut

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Interval = tuple[IntArray, IntArray]

ON_SURFACE_VOXELS = 1e-8
"""A voxel whose centre is nearer to a surface than this lies on it; it is more than what the lines are shifted by."""

_OFF = np.array([1.234567e-9, 2.718281e-9, 1.414213e-9])
_CHUNK = 200_000


@dataclass(frozen=True, eq=False)
class RowTable:
    """Intervals ``low`` <= i < ``high`` of the rows of ``box``; those of row r are ``first[r]`` to ``first[r+1]``.

    Rows (j, k) are numbered ``(k - k0) * rows_j + (j - j0)``; i is an index of the whole grid. There are none outside.
    """

    box: Box
    first: IntArray
    low: IntArray
    high: IntArray

    def intervals(self, j: IntArray, k: IntArray) -> list[Interval]:
        """The intervals of rows (j, k), each entry of the list as long as ``j``; empty ones have low == high."""
        if len(self.low) == 0:
            return [(np.zeros_like(j), np.zeros_like(j))]
        (_, j0, k0), (_, j1, k1) = self.box.start, self.box.stop
        inside = (j >= j0) & (j < j1) & (k >= k0) & (k < k1)
        if not inside.any():
            return [(np.zeros_like(j), np.zeros_like(j))]
        row = np.where(inside, (k - k0) * (j1 - j0) + (j - j0), 0)
        start = self.first[row]
        count = np.where(inside, self.first[row + 1] - start, 0)
        found: list[Interval] = []
        for number in range(int(count.max(initial=0))):
            there = number < count
            entry = np.where(there, start + number, 0)
            low = np.where(there, self.low[entry], 0)
            found.append((low, np.where(there, self.high[entry], low)))
        return found or [(np.zeros_like(j), np.zeros_like(j))]

    @property
    def _rows(self) -> tuple[IntArray, IntArray]:
        """The first (j, k) of the box, and how many rows it has of each."""
        _, nj, nk = self.box.size_ijk
        return np.array(self.box.start[1:], dtype=np.int64), np.array([nj, nk], dtype=np.int64)

    def hold(self, i: IntArray, j: IntArray, k: IntArray, found: BoolArray) -> None:
        """Mark those of the voxels that lie in an interval."""
        from surgitwin.resection.crossing_kernels import within_rows

        within_rows(i, j, k, self.first, self.low, self.high, *self._rows, found)

    def mark(self, runs: RowRuns, removed: BoolArray) -> int:
        """Mark those voxels of the runs, in their order, that lie in an interval; how many they are."""
        from surgitwin.resection.crossing_kernels import mark_rows

        origin, rows = self._rows
        found = mark_rows(runs.start, runs.stop, runs.j, runs.k, self.first, self.low, self.high, origin, rows, removed)
        return int(found)


def table_of_mask(mask: BoolArray, box: Box) -> RowTable:
    """The runs of a mask, [k, j, i], that covers ``box``."""
    from surgitwin.resection.live_kernels import mask_runs

    nk, nj, ni = mask.shape
    if ni == 0:
        return RowTable(box, np.zeros(nk * nj + 1, dtype=np.int64), *(np.zeros(0, dtype=np.int64),) * 2)
    whole = np.ascontiguousarray(mask, dtype=np.bool_).view(np.uint8)
    first = np.zeros(nk * nj + 1, dtype=np.int64)
    room = 4 * nk * nj
    while True:
        low, high = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
        count = mask_runs(whole, box.start[0], first, low, high)
        if count <= room:
            return RowTable(box, first, low[:count], high[:count])
        room = count


def table_of_surface(cut: SurfaceCut, box: Box, geometry: Geometry) -> RowTable:
    """The side of a dividing surface that goes, on the rows of ``box``; a voxel centre on the surface stays."""
    on_grid = np.ascontiguousarray(geometry.to_index(cut.points_mm))
    points = on_grid - _OFF
    (i0, j0, k0), (i1, j1, k1) = box.start, box.stop
    row, at = _crossings(points, cut.triangles, (j0, j1), (k0, k1))
    inside = (at > i0 - 1.0) & (at < float(i1))
    row, at = row[inside], at[inside]
    table = _between(row, at, _starts(points, cut, box, geometry).reshape(-1), box)
    return _without(table, _on_surface(on_grid, cut.triangles, box))


def _on_surface(points: FloatArray, triangles: NDArray[np.int32], box: Box) -> IntArray:
    """The voxels of the box that lie on a triangle, (n, 3) indices (i, j, k); some more than once."""
    from surgitwin.resection.crossing_kernels import on_triangles

    low, high = np.array(box.start, dtype=np.int64), np.array(box.stop, dtype=np.int64)
    faces, room = np.array(triangles, dtype=np.int32), 1024
    while True:
        found = np.empty((room, 3), dtype=np.int64)
        count = on_triangles(points, faces, low, high, ON_SURFACE_VOXELS, found)
        if count <= room:
            return found[:count]
        room = count


def _without(table: RowTable, ijk: IntArray) -> RowTable:
    """The table without some voxels of its box."""
    if len(ijk) == 0:
        return table
    (i0, j0, k0), (i1, j1, _) = table.box.start, table.box.stop
    rows = (ijk[:, 2] - k0) * (j1 - j0) + (ijk[:, 1] - j0)
    changed, line = np.unique(rows, return_inverse=True)
    # The rows concerned as voxels, then as intervals again.
    edges = np.zeros((len(changed), i1 - i0 + 1), dtype=np.int32)
    count = np.diff(table.first)
    of_row = np.repeat(np.arange(len(count)), count)
    place = np.full(len(count), -1, dtype=np.int64)
    place[changed] = np.arange(len(changed))
    concerned = place[of_row] >= 0
    np.add.at(edges, (place[of_row[concerned]], table.low[concerned] - i0), 1)
    np.add.at(edges, (place[of_row[concerned]], table.high[concerned] - i0), -1)
    gone = np.cumsum(edges, axis=1)[:, :-1] > 0
    gone[line, ijk[:, 0] - i0] = False
    again = table_of_mask(gone[None], Box((i0, 0, 0), (i1, len(changed), 1)))
    new_row = np.concatenate([of_row[~concerned], changed[np.repeat(np.arange(len(changed)), np.diff(again.first))]])
    low, high = np.concatenate([table.low[~concerned], again.low]), np.concatenate([table.high[~concerned], again.high])
    order = np.lexsort((low, new_row))
    first = np.zeros(len(count) + 1, dtype=np.int64)
    np.cumsum(np.bincount(new_row, minlength=len(count)), out=first[1:])
    return RowTable(table.box, first, low[order], high[order])


def _between(row: IntArray, at: FloatArray, removed_at_start: BoolArray, box: Box) -> RowTable:
    """Intervals from crossings: sides alternate from one crossing to the next."""
    from surgitwin.resection.live_kernels import intervals_between

    first = np.empty(len(removed_at_start) + 1, dtype=np.int64)
    low, high = (np.empty(len(removed_at_start) + len(row), dtype=np.int64) for _ in range(2))
    goes = np.ascontiguousarray(removed_at_start)
    count = intervals_between(row, at, goes, box.start[0], box.stop[0], first, low, high)
    return RowTable(box, first, low[:count], high[:count])


def _crossings(
    points: FloatArray, triangles: NDArray[np.int32], y: tuple[int, int], z: tuple[int, int]
) -> tuple[IntArray, FloatArray]:
    """Line numbers and places of all crossings; ``points`` are (x, y, z), x along the lines."""
    from surgitwin.resection.crossing_kernels import crossings

    corners, faces = np.ascontiguousarray(points), np.array(triangles, dtype=np.int32)
    room = _CHUNK
    while True:
        rows, at = np.empty(room, dtype=np.int64), np.empty(room)
        count = crossings(corners, faces, y[0], y[1], z[0], z[1], rows, at)
        if count <= room:
            return rows[:count], at[:count]
        room = count


def _starts(points: FloatArray, cut: SurfaceCut, box: Box, geometry: Geometry) -> BoolArray:
    """For each row whether the voxel before its first one, at i0 - 1, lies on the side that goes; [k, j]."""
    (i0, j0, k0), (_, j1, k1) = box.start, box.stop
    x = i0 - 1
    along_j = _parities(points[:, [1, 2, 0]], cut.triangles, (k0, k1), x, (j0, j1))
    along_k = _parities(points[:, [2, 0, 1]], cut.triangles, (x, x + 1), j0, (k0, k1))
    side = _removed_at(points, cut, np.array([x, j0, k0], dtype=np.float64), box, geometry)
    return np.asarray(side ^ along_k.reshape(-1, 1) ^ along_j)


def _parities(
    points: FloatArray, triangles: NDArray[np.int32], y: tuple[int, int], z: int, x: tuple[int, int]
) -> BoolArray:
    """Whether the side at each place x of each line y differs from that at the line's beginning; [y, x]."""
    row, at = _crossings(points, triangles, y, (z, z + 1))
    start, stop = x
    inside = (at > start) & (at < stop - 1)
    changes = np.zeros((y[1] - y[0], stop - start), dtype=np.int64)
    np.add.at(changes, (row[inside], np.ceil(at[inside]).astype(np.int64) - start), 1)
    return np.asarray(np.cumsum(changes, axis=1) % 2 == 1)


def _removed_at(points: FloatArray, cut: SurfaceCut, corner: FloatArray, box: Box, geometry: Geometry) -> bool:
    """Whether a corner of the box lies on the side that goes.

    The way there leads from the given point straight to the nearest place in the box and on along the axes: outside
    the box a surface may end, and no way around its border may be taken.
    """
    given = geometry.to_index(np.asarray(cut.remove_point_mm)[None])[0]
    here = np.clip(given, np.asarray(box.start) - 0.9, np.asarray(box.stop) - 0.1)
    odd = _between_two(points, cut.triangles, given, here)
    for axis in range(3):
        there = here.copy()
        there[axis] = corner[axis]
        odd ^= _between_two(points, cut.triangles, here, there)
        here = there
    return not odd


def _between_two(points: FloatArray, triangles: NDArray[np.int32], here: FloatArray, there: FloatArray) -> bool:
    """Whether the surface is met an odd number of times on the straight way between two places."""
    away = there - here
    length = float(np.linalg.norm(away))
    if length == 0.0:
        return False
    # Axes of which the first runs along the way.
    axes = np.linalg.qr(np.column_stack([away / length, np.eye(3)]))[0]
    axes[:, 0] = away / length
    _, at = _crossings((points - here) @ axes, triangles, (0, 1), (0, 1))
    return bool(np.count_nonzero((at > 0.0) & (at < length)) % 2)
