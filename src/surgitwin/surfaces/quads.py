"""Closed quad meshes of single labels, from the cells their surfaces run through.

The quads are the voxel faces between a label and everything else; their corners are the centres of the cells (see
`cells`), one vertex for each loop of quads around a cell (see `tables`). Every edge is used by exactly two quads,
but for pinched edges, which `pinches` mends on the triangles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.surfaces.cells import CellCode, CellGrid, CellIndex, LabelCells
from surgitwin.surfaces.tables import corner_tables

# Positions of the neighbours at -j and at -k of every cell.
Neighbours = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class QuadMesh:
    """The voxel faces of one label.

    Attributes
    ----------
    corners
        float32, shape (3, n): index coordinates (i, j, k) of the vertices, all on half-integers.
    quads
        int64, shape (4, m): vertices of each face, counter-clockwise seen from outside in index space.
    vertex_cell
        Shape (n,): position of each vertex's cell in ``cells``.
    vertex_loop
        uint8, shape (n,): which loop of its cell a vertex stands for.
    facing
        int8, shape (3, n): for each axis, where a face of the vertex lies only one voxel away from a face that looks
        the other way, the direction in which it looks, 1 or -1; 0 elsewhere.
    voxels
        Number of voxels inside.
    crossed
        For each axis, in the order of ``quads``: positions in ``cells`` of the cells from whose first corner the quads'
        edges start.
    """

    cells: LabelCells
    corners: NDArray[np.float32]
    quads: NDArray[np.int64]
    vertex_cell: NDArray[np.int64]
    vertex_loop: NDArray[np.uint8]
    facing: NDArray[np.int8]
    voxels: int
    crossed: tuple[NDArray[np.int64], ...]


class CellLookup:
    """A reusable window of memory that finds the position of a cell from its number.

    One for each thread: the planes of a label pass through it, so that it stays small and in the cache.
    """

    def __init__(self, grid: CellGrid) -> None:
        self._plane = grid.plane
        self._row = grid.row
        self._window = np.zeros(max(3 * grid.plane, 1 << 21), np.int32)

    def neighbours(self, cells: CellIndex) -> Neighbours:
        """Positions in ``cells`` (sorted) of the neighbours at -j and at -k; anything where there is none."""
        minus_j = np.empty(cells.size, np.int64)
        minus_k = np.empty(cells.size, np.int64)
        planes = self._window.size // self._plane - 1
        for first in range(int(cells[0]) // self._plane, int(cells[-1]) // self._plane + 1, planes):
            base = (first - 1) * self._plane
            before, start, stop = np.searchsorted(cells, (base, base + self._plane, base + (planes + 1) * self._plane))
            self._window[cells[before:stop] - base] = np.arange(before, stop, dtype=np.int32)
            local = cells[start:stop] - base
            minus_j[start:stop] = np.take(self._window, local - self._row, mode="clip")
            minus_k[start:stop] = np.take(self._window, local - self._plane, mode="clip")
        # What an earlier label left in the window may point past the end; it belongs to no quad.
        np.minimum(minus_j, cells.size - 1, out=minus_j)
        np.minimum(minus_k, cells.size - 1, out=minus_k)
        return minus_j, minus_k


def build_quads(label: LabelCells, grid: CellGrid, lookup: CellLookup) -> QuadMesh:
    """The voxel faces of one label as a quad mesh; ``label`` must be sorted."""
    neighbours = lookup.neighbours(label.cells)
    crossed = [np.flatnonzero(np.take(crossing, label.codes)) for crossing in corner_tables().crossing]
    return _quad_mesh(label, grid, crossed, neighbours)


def open_quads(label: LabelCells, grid: CellGrid) -> QuadMesh:
    """As `build_quads` where some of the label's cells are left out: quads that need one of those are left out too."""
    cells = label.cells
    neighbours = _neighbours_nearby(cells, grid)
    crossed = []
    for axis, crossing in enumerate(corner_tables().crossing):
        at = np.flatnonzero(np.take(crossing, label.codes))
        u, v = ((grid.row, grid.plane), (grid.plane, 1), (1, grid.row))[axis]
        whole = np.ones(at.size, np.bool_)
        here = cells[at]
        for found, stride in zip(_around(axis, at, neighbours), (u, v, u + v), strict=True):
            whole &= np.take(cells, found, mode="wrap") == here - stride
        crossed.append(at[whole])
    return _quad_mesh(label, grid, crossed, neighbours)


def _neighbours_nearby(cells: CellIndex, grid: CellGrid) -> Neighbours:
    """As `CellLookup.neighbours`, for cells that lie close together; anything where there is none."""
    places = grid.ijk(cells)
    low = [int(place.min()) - 1 for place in places]
    width, height, depth = (int(place.max()) + 1 - a for place, a in zip(places, low, strict=True))
    i, j, k = (place - a for place, a in zip(places, low, strict=True))
    at = (k * height + j) * width + i
    # Not filled: what lies elsewhere in it is no cell's position, or not that of the one wanted.
    window = np.empty(width * height * depth, np.int32)
    window[at] = np.arange(cells.size, dtype=np.int32)
    found = [np.take(window, at - stride).astype(np.int64) for stride in (width, width * height)]
    return np.clip(found[0], 0, cells.size - 1), np.clip(found[1], 0, cells.size - 1)


def _quad_mesh(label: LabelCells, grid: CellGrid, crossed: list[NDArray[np.int64]], neighbours: Neighbours) -> QuadMesh:
    """The mesh of the quads on the edges from the first corner of the cells ``crossed``."""
    tables = corner_tables()
    codes = label.codes
    loops = np.take(tables.loops, codes)
    first = np.zeros(codes.size + 1, np.int64)
    np.cumsum(loops, out=first[1:])
    parts = [_axis_quads(axis, at, codes, first, neighbours) for axis, at in enumerate(crossed)]
    facing = np.zeros((3, int(first[-1])), np.int8)
    for axis, (at, part) in enumerate(zip(crossed, parts, strict=True)):
        close, side = _facing(axis, at, label, grid, neighbours)
        facing[axis, part[:, close]] = side
    i, j, k = grid.ijk(label.cells)
    corners = np.stack((i, j, k)).astype(np.float32) - np.float32(0.5)
    if int(first[-1]) == codes.size:
        vertex_cell = np.arange(codes.size)
        vertex_loop = np.zeros(codes.size, np.uint8)
    else:
        vertex_cell = np.repeat(np.arange(codes.size), loops)
        vertex_loop = (np.arange(vertex_cell.size) - first[vertex_cell]).astype(np.uint8)
        corners = np.take(corners, vertex_cell, axis=1)
    # Each run of voxels along i starts at one face and ends at another: the difference is its length.
    ends = crossed[0]
    voxels = int(np.where(codes[ends] & 1, i[ends], -i[ends]).sum())
    quads = np.concatenate(parts, axis=1)
    return QuadMesh(label, corners, quads, vertex_cell, vertex_loop, facing, voxels, tuple(crossed))


def _axis_quads(
    axis: int,
    at: NDArray[np.int64],
    codes: CellCode,
    first: NDArray[np.int64],
    neighbours: Neighbours,
) -> NDArray[np.int64]:
    """Quads on the edges from corner 0 along ``axis`` of the cells ``at``, counter-clockwise seen from outside."""
    tables = corner_tables()
    minus_u, minus_v, minus_uv = _around(axis, at, neighbours)
    split = int(first[-1]) > codes.size
    quads = np.empty((4, at.size), np.int64)
    for corner, (cell, a, b) in enumerate(((at, 0, 0), (minus_u, 1, 0), (minus_uv, 1, 1), (minus_v, 0, 1))):
        np.take(first, cell, out=quads[corner], mode="clip")
        if split:
            quads[corner] += np.take(tables.loop_of_edge[axis, a, b], np.take(codes, cell))
    outside = np.flatnonzero((codes[at] & 1) == 0)
    quads[1, outside], quads[3, outside] = quads[3, outside], quads[1, outside]
    return quads


def _around(
    axis: int, at: NDArray[np.int64], neighbours: Neighbours
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the cells at -u, -v and -u-v, which all exist around a quad (u, v: the axes across ``axis``).

    Cells are sorted by number, so the neighbour at -i, where it exists, is the entry before.
    """
    minus_j, minus_k = neighbours
    if axis == 0:
        v = minus_k[at]
        return minus_j[at], v, minus_j[v]
    if axis == 1:
        u = minus_k[at]
        return u, at - 1, u - 1
    v = minus_j[at]
    return at - 1, v, v - 1


def _facing(
    axis: int,
    at: NDArray[np.int64],
    label: LabelCells,
    grid: CellGrid,
    neighbours: Neighbours,
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Quads of ``axis`` with another one a voxel before or behind them (walls and gaps), and where they look."""
    cells = label.cells
    rank = np.full(cells.size, -1, np.int64)
    rank[at] = np.arange(at.size)
    before = at - 1 if axis == 0 else np.take(neighbours[axis - 1], at)
    stride = (1, grid.row, grid.plane)[axis]
    # Where there is no cell before, the position found is that of some other cell (or -1, the last).
    close = np.flatnonzero((np.take(cells, before, mode="wrap") == cells[at] - stride) & (rank[before] >= 0))
    close = np.concatenate((close, rank[before[close]]))
    return close, np.where(label.codes[at[close]] & 1, 1, -1).astype(np.int8)


def quad_owners(mesh: QuadMesh, grid: CellGrid) -> CellIndex:
    """Number of the (padded) inside voxel that each quad of ``mesh`` is a face of; shape (m,)."""
    owners = []
    for at, stride in zip(mesh.crossed, (1, grid.row, grid.plane), strict=True):
        owners.append(mesh.cells.cells[at] + np.where(mesh.cells.codes[at] & 1, 0, stride))
    return np.concatenate(owners)
