"""A region as intervals along rows of voxels, and how a dividing surface becomes one.

Sides by parity: a path between two points of a box meets a surface that has no border in the box an even number of
times if both are on one side. Lines are shifted off the grid by a ten-millionth of a voxel, so that they run through no
vertex or edge; which voxels that could change lie that near to the surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.resection.surface_cut import SurfaceCut

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Interval = tuple[IntArray, IntArray]

_OFF = np.array([1.234567e-7, 2.718281e-7, 1.414213e-7])
_BESIDE = 1e-3  # voxels: how far from the surface the point is that tells which side goes
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
        (_, j0, k0), (_, j1, k1) = self.box.start, self.box.stop
        inside = (j >= j0) & (j < j1) & (k >= k0) & (k < k1)
        row = np.where(inside, (k - k0) * (j1 - j0) + (j - j0), 0)
        start, count = self.first[row], np.where(inside, np.diff(self.first)[row], 0)
        found: list[Interval] = []
        for number in range(int(count.max(initial=0))):
            there = number < count
            entry = np.where(there, start + number, 0)
            low = np.where(there, self.low[entry], 0)
            found.append((low, np.where(there, self.high[entry], low)))
        return found or [(np.zeros_like(j), np.zeros_like(j))]


def table_of_mask(mask: BoolArray, box: Box) -> RowTable:
    """The runs of a mask, [k, j, i], that covers ``box``."""
    nk, nj, ni = mask.shape
    padded = np.zeros((nk * nj, ni + 1), dtype=np.int8)
    padded[:, :ni] = mask.reshape(nk * nj, ni)
    steps = np.diff(padded.reshape(-1), prepend=np.int8(0))
    row, start = np.divmod(np.flatnonzero(steps == 1), ni + 1)
    stop = np.flatnonzero(steps == -1) - row * (ni + 1)
    first = np.zeros(nk * nj + 1, dtype=np.int64)
    np.cumsum(np.bincount(row, minlength=nk * nj), out=first[1:])
    return RowTable(box, first, start + box.start[0], stop + box.start[0])


def table_of_surface(cut: SurfaceCut, box: Box, geometry: Geometry) -> RowTable:
    """The side of a dividing surface that goes, on the rows of ``box``; a voxel centre on the surface stays."""
    points = geometry.to_index(cut.points_mm) - _OFF
    (i0, j0, k0), (i1, j1, k1) = box.start, box.stop
    row, at = _crossings(points, cut.triangles, (j0, j1), (k0, k1))
    inside = (at > i0 - 1.0) & (at < float(i1))
    row, at = row[inside], at[inside]
    order = np.lexsort((at, row))
    return _between(row[order], at[order], _starts(points, cut, box, geometry).reshape(-1), box)


def _between(row: IntArray, at: FloatArray, removed_at_start: BoolArray, box: Box) -> RowTable:
    """Intervals from sorted crossings: sides alternate from one crossing to the next."""
    i0, i1 = box.start[0], box.stop[0]
    rows = len(removed_at_start)
    count = np.bincount(row, minlength=rows)
    first = np.zeros(rows + 1, dtype=np.int64)
    np.cumsum(count, out=first[1:])
    # Borders of each row: its start, its crossings, its end; interval n lies between borders n and n + 1.
    borders = np.full(int((count + 2).sum()), np.nan)
    origin = first[:-1] + 2 * np.arange(rows)
    borders[origin] = i0 - 0.5
    borders[origin + count + 1] = i1 - 0.5
    borders[origin[row] + 1 + (np.arange(len(row)) - first[row])] = at
    number = np.arange(len(borders)) - np.repeat(origin, count + 2)
    of_row = np.repeat(np.arange(rows), count + 2)
    gone = removed_at_start[of_row] ^ (number % 2 == 1)
    wanted = np.flatnonzero(gone & (number <= count[of_row]))
    low = np.clip(np.floor(borders[wanted]).astype(np.int64) + 1, i0, i1)
    high = np.clip(np.ceil(borders[wanted + 1]).astype(np.int64), i0, i1)
    some = high > low
    low, high, of_row = low[some], high[some], of_row[wanted][some]
    starts = np.zeros(rows + 1, dtype=np.int64)
    np.cumsum(np.bincount(of_row, minlength=rows), out=starts[1:])
    return RowTable(box, starts, low, high)


def _crossings(
    points: FloatArray, triangles: NDArray[np.int32], y: tuple[int, int], z: tuple[int, int]
) -> tuple[IntArray, FloatArray]:
    """Line numbers and places of all crossings; ``points`` are (x, y, z), x along the lines."""
    from surgitwin.resection.crossing_kernels import crossings

    corners, faces = np.ascontiguousarray(points), np.ascontiguousarray(triangles, dtype=np.int32)
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
    """Whether a corner of the box lies on the side that goes."""
    known = _known_point(points, cut, box, geometry)
    odd = False
    here = known.copy()
    for axis in range(3):
        # Straight along one axis from where we are to the corner's coordinate.
        order = [axis, (axis + 1) % 3, (axis + 2) % 3]
        _, at = _crossings((points - here)[:, order], cut.triangles, (0, 1), (0, 1))
        low, high = sorted((0.0, corner[axis] - here[axis]))
        odd ^= bool(np.count_nonzero((at > low) & (at < high)) % 2)
        here[axis] = corner[axis]
    return not odd


def _known_point(points: FloatArray, cut: SurfaceCut, box: Box, geometry: Geometry) -> FloatArray:
    """A point in the box on the side that goes, in voxels: the given one, or, where that lies outside, one close to
    the surface on the side that the given one is on."""
    given = geometry.to_index(np.asarray(cut.remove_point_mm)[None])[0] - _OFF
    low, high = np.asarray(box.start) - 1.0, np.asarray(box.stop, dtype=np.float64)
    if ((given > low) & (given < high)).all():
        return np.asarray(given)
    a, b, c = (points[cut.triangles[:, corner]] for corner in range(3))
    middles, normals = (a + b + c) / 3.0, np.cross(b - a, c - a)
    spacing = np.asarray(geometry.spacing_mm)
    nearest = int(np.argmin((((middles - given) * spacing) ** 2).sum(axis=1)))
    side = np.sign(float((given - middles[nearest]) @ normals[nearest])) or 1.0
    inside = ((middles > low) & (middles < high)).all(axis=1) & (normals**2).sum(axis=1).astype(bool)
    if not inside.any():
        inside = (normals**2).sum(axis=1) > 0
    centre = (low + high) / 2
    chosen = np.flatnonzero(inside)[int(np.argmin(((middles[inside] - centre) ** 2).sum(axis=1)))]
    normal = normals[chosen] / np.linalg.norm(normals[chosen])
    return np.asarray(middles[chosen] + side * _BESIDE * normal)
