"""Blocks of a live surface: how they are numbered, what one holds, and how they make up one mesh again.

A vertex is known by its place in the grid: the number of its cell and of its loop there (see `tables`), or the two ends
of the pinched edge that it mends. Blocks meet at such keys, never at coordinates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box
from surgitwin.core.mesh import Mesh
from surgitwin.surfaces.cells import CellCode, CellGrid, CellIndex

Flags = NDArray[np.bool_]
Index = NDArray[np.int64]

PIECE_BLOCKS = 2
_TILE = 4  # cells; what is near is found out to so many
_LOOPS = 4  # a cell has at most so many vertices
_MENDING = 1 << 44  # set in the keys of vertices that mend an edge; they come after all others of their block


@dataclass(frozen=True)
class BlockGrid:
    """Numbering of the cubes of ``side`` cells that the cells of an image lie in."""

    grid: CellGrid
    side: int

    @property
    def counts(self) -> tuple[int, int, int]:
        """Blocks along k, j and i."""
        i, j, k = (-(-(n + 1) // self.side) for n in self.grid.size_ijk)
        return k, j, i

    def flags(self, blocks: Index | list[int] | None = None) -> Flags:
        """One flag for each block, [k, j, i], set for ``blocks``."""
        flags = np.zeros(self.counts, np.bool_)
        if blocks is not None:
            flags.reshape(-1)[blocks] = True
        return flags

    def of_cells(self, cells: CellIndex) -> Index:
        """The block of each cell."""
        i, j, k = self.grid.ijk(cells)
        return self._number(k // self.side, j // self.side, i // self.side)

    def between(self, low: tuple[int, int, int], high: tuple[int, int, int]) -> Index:
        """The blocks that hold cells from ``low`` to ``high``, both (i, j, k) and included."""
        i, j, k = (np.arange(a // self.side, b // self.side + 1) for a, b in zip(low, high, strict=True))
        return self._number(k[:, None, None], j[None, :, None], i[None, None, :]).reshape(-1)

    def near(self, cells: CellIndex, reach: int) -> Flags:
        """The blocks that hold a place at most ``reach`` (or a little more) cells away from a cell along every axis."""
        places = np.stack([place // _TILE for place in self.grid.ijk(cells)])
        i, j, k = _distinct(places)
        flags = self.flags()
        offsets = [*range(-reach, reach + _TILE - 1, self.side), reach + _TILE - 1]
        axes = [
            [np.clip((place * _TILE + offset) // self.side, 0, count - 1) for offset in offsets]
            for place, count in zip((k, j, i), self.counts, strict=True)
        ]
        for at_k in axes[0]:
            for at_j in axes[1]:
                for at_i in axes[2]:
                    flags[at_k, at_j, at_i] = True
        return flags

    def any_near(self, cells: CellIndex, reach: int, flags: Flags) -> Flags:
        """For each cell: whether a flagged block holds a place at most ``reach`` (or a little more) cells away."""
        from scipy.ndimage import maximum_filter

        box = Box.of_mask(flags)
        margin = -(-reach // _TILE)
        fine = flags[box.slices]
        for axis in range(3):
            fine = np.repeat(fine, self.side // _TILE, axis)
        # One more tile all around, which is out of reach, for all that is farther away.
        fine = maximum_filter(np.pad(fine, margin + 1), 2 * margin + 1, mode="constant")
        at = np.zeros(cells.size, np.int64)
        for place, start, count in reversed([*zip(self.grid.ijk(cells), box.start, reversed(fine.shape), strict=True)]):
            at *= count
            at += np.clip(place // _TILE - (start * self.side // _TILE - margin - 1), 0, count - 1)
        return np.take(fine.reshape(-1), at)

    def grown(self, flags: Flags, reach: int) -> Flags:
        """The blocks that hold a place at most ``reach`` (or a little more) cells away from a flagged block."""
        from scipy.ndimage import maximum_filter

        return np.asarray(maximum_filter(flags, 2 * -(-(reach + _TILE) // self.side) + 1))

    def pieces_of(self, blocks: Index) -> Index:
        """The piece of each block: cubes of `PIECE_BLOCKS` blocks along every axis."""
        counts = tuple(-(-n // PIECE_BLOCKS) for n in self.counts)
        k, j, i = np.unravel_index(blocks, self.counts)
        places = (k // PIECE_BLOCKS, j // PIECE_BLOCKS, i // PIECE_BLOCKS)
        return np.asarray(np.ravel_multi_index(places, counts))

    def _number(self, k: Index, j: Index, i: Index) -> Index:
        _, rows, columns = self.counts
        return (k * rows + j) * columns + i


@dataclass(frozen=True, eq=False)
class Block:
    """A part of a surface: the quads whose cells lie in one block, as a mesh of its own.

    Attributes
    ----------
    cells, codes
        The cells that the surface runs through, sorted.
    keys
        int64: which vertices there are. The first ``own`` lie in this block, sorted; the rest lie in others.
    homes
        int64, one for each of those others: the block that it lies in.
    points, normals
        float32, shape (len(keys), 3): LPS millimetres, and unit vectors outwards.
    triangles
        int32, shape (m, 3), into ``keys``.
    voxels
        Its share of the number of voxels inside the surface; may be negative, their sum is the number.
    """

    cells: CellIndex
    codes: CellCode
    keys: Index
    own: int
    homes: Index
    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    triangles: NDArray[np.int32]
    voxels: int

    @property
    def nbytes(self) -> int:
        arrays = (self.cells, self.codes, self.keys, self.homes, self.points, self.normals, self.triangles)
        return sum(array.nbytes for array in arrays)


@dataclass(frozen=True, eq=False)
class LiveMesh:
    """A whole surface, ready to be drawn.

    Attributes
    ----------
    mesh
        LPS millimetres, closed; the same vertices and triangles in the same order however it came about.
    normals
        float32, one unit vector outwards for each point.
    """

    mesh: Mesh
    normals: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Region:
    """Vertices and triangles of a part of a surface, not yet in blocks.

    Attributes
    ----------
    keys, homes
        int64, shape (n,): key and block of each vertex; keys ascend.
    points, normals
        float32, shape (n, 3).
    triangles
        int32, shape (m, 3).
    owners
        int64, shape (m,): the block of each triangle.
    """

    keys: Index
    homes: Index
    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    triangles: NDArray[np.int32]
    owners: Index


def _distinct(places: Index) -> Index:
    """Columns of ``places`` without repetitions."""
    low = places.min(axis=1, keepdims=True)
    counts = places.max(axis=1, keepdims=True) - low + 1
    found = np.zeros(counts.reshape(-1), np.bool_)
    found[tuple(places - low)] = True
    return np.asarray(np.stack(np.nonzero(found)) + low)


def vertex_keys(cells: CellIndex, loops: NDArray[np.uint8]) -> Index:
    return cells * _LOOPS + loops


def mending_keys(low: Index, high: Index, grid: CellGrid) -> Index:
    """Keys of vertices that mend the edges between the vertices with the keys ``low`` and ``high``."""
    steps = [b - a for a, b in zip(grid.ijk(low // _LOOPS), grid.ijk(high // _LOOPS), strict=True)]
    way = (steps[2] * 3 + steps[1]) * 3 + steps[0] + 13
    return np.asarray(_MENDING + (low * 27 + way) * _LOOPS + high % _LOOPS)


def cut_into_blocks(
    region: Region,
    wanted: Flags,
    cells: Mapping[int, tuple[CellIndex, CellCode]],
    voxels: NDArray[np.int64],
) -> dict[int, Block]:
    """The ``wanted`` blocks of a region; the surface must be whole in and around them.

    Parameters
    ----------
    cells
        Cells and codes of at least the wanted blocks.
    voxels
        For every block: its share of the voxels.
    """
    want = wanted.reshape(-1)
    at = np.flatnonzero(want[region.homes])
    at = at[np.argsort(region.homes[at], kind="stable")]
    names, own = np.unique(region.homes[at], return_counts=True)
    rows = np.flatnonzero(want[region.owners])
    rows = rows[np.argsort(region.owners[rows], kind="stable")]
    owners = region.owners[rows]
    local = np.take(region.triangles, rows, axis=0).reshape(-1)
    # The vertices of other blocks that a block needs, each once.
    abroad = np.flatnonzero(np.take(region.homes, local) != np.repeat(owners, 3))
    wants = owners[abroad // 3] * region.keys.size + local[abroad]
    needed, number = np.unique(wants, return_inverse=True)
    needed_by, guests = np.divmod(needed, region.keys.size)
    # Where each of its vertices is within a block: own ones first, then the guests.
    place = np.zeros(region.keys.size, np.int32)
    place[at] = np.arange(at.size) - np.repeat(np.cumsum(own) - own, own)
    rank = np.searchsorted(names, needed_by)
    guest_counts = np.bincount(rank, minlength=names.size)
    guest_place = np.arange(needed.size) - np.repeat(np.cumsum(guest_counts) - guest_counts, guest_counts) + own[rank]
    local = np.take(place, local)
    local[abroad] = guest_place[number]
    triangles = local.reshape(-1, 3)
    counts = np.bincount(np.searchsorted(names, owners), minlength=names.size)
    ends = zip(np.cumsum(own).tolist(), np.cumsum(guest_counts).tolist(), np.cumsum(counts).tolist(), strict=True)
    blocks, a0, g0, t0 = dict[int, Block](), 0, 0, 0
    for name, (a1, g1, t1) in zip(names.tolist(), ends, strict=True):
        members = np.concatenate((at[a0:a1], guests[g0:g1]))
        blocks[name] = Block(
            *cells[name],
            keys=region.keys[members],
            own=a1 - a0,
            homes=region.homes[guests[g0:g1]],
            points=region.points[members],
            normals=region.normals[members],
            triangles=triangles[t0:t1].copy(),
            voxels=int(voxels[name]),
        )
        a0, g0, t0 = a1, g1, t1
    return blocks


def whole_mesh(blocks: Mapping[int, Block]) -> LiveMesh:
    """All blocks as one mesh in which every vertex occurs once; blocks in the order of their numbers."""
    if not blocks:
        empty = np.zeros((0, 3), np.float32)
        return LiveMesh(Mesh(empty, np.zeros((0, 3), np.int32)), empty)
    names = np.array(sorted(blocks))
    parts = [blocks[name] for name in names.tolist()]
    own = np.array([part.own for part in parts])
    first = np.cumsum(own) - own
    known = [part.keys[: part.own] for part in parts]
    homes = np.concatenate([part.homes for part in parts])
    guests = np.concatenate([part.keys[part.own :] for part in parts])
    at = _positions(known, np.searchsorted(names, homes), guests)
    # For each block's vertices, own ones and guests in turn: which vertex of the whole it is.
    sizes = np.array([part.keys.size for part in parts])
    start = np.cumsum(sizes) - sizes
    number = np.empty(int(sizes.sum()), np.int32)
    mine = np.arange(number.size) - np.repeat(start, sizes) < np.repeat(own, sizes)
    number[mine] = np.arange(int(own.sum()), dtype=np.int32)
    number[~mine] = first[np.searchsorted(names, homes)] + at
    counts = [len(part.triangles) for part in parts]
    triangles = np.concatenate([part.triangles for part in parts])
    triangles += np.repeat(start.astype(np.int32), counts)[:, None]
    mesh = Mesh(np.concatenate([part.points[: part.own] for part in parts]), np.take(number, triangles))
    return LiveMesh(mesh, np.concatenate([part.normals[: part.own] for part in parts]))


def joined(blocks: Iterable[Block]) -> LiveMesh:
    """Blocks as one mesh to be drawn: where two of them meet, both bring their own, equal vertices."""
    parts = list(blocks)
    first = np.cumsum([0, *(part.keys.size for part in parts)]).tolist()
    triangles = [part.triangles + np.int32(start) for part, start in zip(parts, first[:-1], strict=True)]
    mesh = Mesh(np.concatenate([part.points for part in parts]), np.concatenate(triangles))
    return LiveMesh(mesh, np.concatenate([part.normals for part in parts]))


def _positions(known: list[Index], homes: Index, guests: Index) -> Index:
    """Where the guests are among the keys that are known at their homes."""
    order = np.argsort(homes, kind="stable")
    found = np.empty(guests.size, np.int64)
    stops = np.searchsorted(homes[order], np.arange(len(known) + 1))
    for keys, a, b in zip(known, stops[:-1].tolist(), stops[1:].tolist(), strict=True):
        found[order[a:b]] = np.searchsorted(keys, guests[order[a:b]])
    return found
