"""The surface of a segment while it is edited: an edit costs what lies around it, not the whole surface.

It is the surface of `extract` before its volume is matched (see `fairing`): where a vertex goes depends on the cells
within the smoothing's reach, to the last bit. So only blocks within reach of a changed cell are made again, from the
cells within reach of those blocks, and the result equals a surface made anew, point for point and in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.surfaces.cells import CellCode, CellGrid, CellIndex, LabelCells, mask_cells
from surgitwin.surfaces.extract import DEFAULT_SMOOTHING, in_mm, triangles_of
from surgitwin.surfaces.fairing import REACH_OF_NORMALS, Fairing, shape
from surgitwin.surfaces.incremental_blocks import (
    Block,
    BlockGrid,
    Flags,
    LiveMesh,
    Region,
    cut_into_blocks,
    joined,
    mending_keys,
    vertex_keys,
    whole_mesh,
)
from surgitwin.surfaces.pinches import split_pinches
from surgitwin.surfaces.quads import QuadMesh, open_quads

BLOCK_SIDE = 32
# Beyond the reach of smoothing: a block shows vertices one cell outside, and those that mend an edge there look at
# vertices one cell farther.
_SEAM = 2
# Cells of the blocks that are made at once: a step of numpy holds the interpreter for as long as it takes.
_PORTION_CELLS = 150_000

Cells = tuple[CellIndex, CellCode]


@dataclass(frozen=True, eq=False)
class LiveSurface:
    """The surface of one segment, in blocks; an update makes a new one that shares what did not change.

    Attributes
    ----------
    blocks
        Those that the surface runs through, by number.
    renewed
        Blocks that differ from those of the surface that this one was updated from, gone ones included.
    """

    geometry: Geometry
    smoothing: float
    blocks: Mapping[int, Block]
    renewed: frozenset[int]
    side: int = BLOCK_SIDE

    @staticmethod
    def of(
        mask: NDArray[np.bool_],
        geometry: Geometry,
        place: Box | None = None,
        *,
        smoothing: float = DEFAULT_SMOOTHING,
        side: int = BLOCK_SIDE,
        ctx: Context | None = None,
    ) -> LiveSurface:
        """The surface of a mask.

        Parameters
        ----------
        mask
            Boolean, [k, j, i], of ``place``; outside of it there is nothing.
        place
            Where the mask lies; ``None`` if it is as large as the image.
        smoothing
            As for `extract.surfaces_from_labels`.
        """
        if not 0.0 <= smoothing <= 1.0:
            raise BadInput(tr("Smoothing must lie between 0 and 1, not {value}.").format(value=smoothing))
        place = place or geometry.full_box
        empty = LiveSurface(geometry, smoothing, {}, frozenset(), side)
        inner = Box.of_mask(mask)
        if inner.empty:
            return empty
        # With a voxel of air around it, for the cells outside of its faces; where the image ends there is none.
        known = inner.moved(place.start).grown(1, geometry.size_ijk)
        whole = np.zeros(known.size_ijk[::-1], np.bool_)
        whole[_within(known, inner.moved(place.start))] = mask[inner.slices]
        return empty.updated(whole, known, ctx)

    @property
    def voxels(self) -> int:
        """How many voxels the segment has."""
        return sum(block.voxels for block in self.blocks.values())

    @property
    def nbytes(self) -> int:
        return sum(block.nbytes for block in self.blocks.values())

    @cached_property
    def whole(self) -> LiveMesh:
        """The surface as one closed mesh."""
        return whole_mesh(self.blocks)

    @property
    def extent(self) -> Box:
        """Voxels outside of this box do not belong to the segment; it is made of whole blocks."""
        if not self.blocks:
            return Box((0, 0, 0), (0, 0, 0))
        box = Box.of_mask(self._numbers.flags(list(self.blocks)))
        (i0, j0, k0), (i1, j1, k1) = (tuple(n * self.side for n in corner) for corner in (box.start, box.stop))
        i, j, k = self.geometry.size_ijk
        return Box((i0, j0, k0), (min(i1, i), min(j1, j), min(k1, k)))

    def since(self, before: LiveSurface | None) -> LiveSurface:
        """This surface with everything that differs from ``before`` as renewed."""
        old = before.blocks if before is not None else {}
        names = self.blocks.keys() | old.keys()
        renewed = frozenset(name for name in names if self.blocks.get(name) is not old.get(name))
        return LiveSurface(self.geometry, self.smoothing, self.blocks, renewed, self.side)

    def renewed_pieces(self) -> dict[int, LiveMesh | None]:
        """What has to be drawn anew: meshes of a few blocks each, by number; ``None`` where nothing is left."""
        touched = np.unique(self._numbers.pieces_of(np.array(sorted(self.renewed), np.int64)))
        names = np.array(sorted(self.blocks), np.int64)
        pieces = self._numbers.pieces_of(names)
        parts = {piece: names[pieces == piece].tolist() for piece in touched.tolist()}
        return {
            piece: joined(self.blocks[name] for name in members) if members else None
            for piece, members in parts.items()
        }

    def needed(self, edited: Box) -> Box:
        """What of the mask `updated` must see after an edit in the box ``edited``."""
        return edited.grown(1, self.geometry.size_ijk)

    def updated(self, mask: NDArray[np.bool_], place: Box, ctx: Context | None = None) -> LiveSurface:
        """The surface after an edit.

        Parameters
        ----------
        mask
            Boolean, [k, j, i], of ``place``: the segment's voxels now.
        place
            The edited box and one voxel around it, as far as the image goes (see `needed`). It may be larger than what
            was edited, which costs little.

        Raises
        ------
        Cancelled
            If ``ctx`` was cancelled.
        """
        ctx = ctx or Context()
        numbers, reach = self._numbers, self._reach + _SEAM
        change = self._change(mask, place)
        if change is None:
            return LiveSurface(self.geometry, self.smoothing, self.blocks, frozenset(), self.side)
        changed, contents = change
        ctx.check()
        there = numbers.flags([name for name in self.blocks if name not in contents])
        there.reshape(-1)[[name for name, (cells, _) in contents.items() if cells.size]] = True
        dirty = numbers.near(changed, reach)
        renewed = np.flatnonzero(dirty & (there | numbers.flags(list(self.blocks))))
        dirty &= there
        again = set(np.flatnonzero(dirty).tolist())
        blocks = {name: block for name, block in self.blocks.items() if name not in again}
        for name, (cells, _) in contents.items():
            if not cells.size:
                blocks.pop(name, None)
        cells_of = {
            name: contents[name] if name in contents else (self.blocks[name].cells, self.blocks[name].codes)
            for name in np.flatnonzero(numbers.grown(dirty, reach) & there).tolist()
        }
        portions = _portions(np.flatnonzero(dirty).tolist(), cells_of)
        for number, names in enumerate(portions):
            ctx.progress(number / len(portions), tr("Making surfaces"))
            wanted = numbers.flags(names)
            around = np.flatnonzero(numbers.grown(wanted, reach) & there).tolist()
            blocks |= self._made({name: cells_of[name] for name in around}, wanted, reach, ctx)
        return LiveSurface(self.geometry, self.smoothing, blocks, frozenset(renewed.tolist()), self.side)

    @cached_property
    def _grid(self) -> CellGrid:
        return CellGrid(self.geometry.size_ijk)

    @cached_property
    def _numbers(self) -> BlockGrid:
        return BlockGrid(self._grid, self.side)

    @cached_property
    def _fairing(self) -> Fairing | None:
        return Fairing.of(self.smoothing)

    @property
    def _reach(self) -> int:
        return self._fairing.reach if self._fairing is not None else REACH_OF_NORMALS

    def _change(self, mask: NDArray[np.bool_], place: Box) -> tuple[CellIndex, dict[int, Cells]] | None:
        """Which cells changed, and what the blocks around the edit hold now; ``None`` if nothing did."""
        cells, codes, low, high = _known_cells(mask, place, self._grid)
        looked_at = self._numbers.between(low, high).tolist()
        old = [self.blocks[name] for name in looked_at if name in self.blocks]
        old_cells = np.concatenate([np.zeros(0, np.int64), *(block.cells for block in old)])
        old_codes = np.concatenate([np.zeros(0, np.uint8), *(block.codes for block in old)])
        inside = _in_range(self._grid, old_cells, low, high)
        before, now = old_cells[inside] << 8 | old_codes[inside], cells << 8 | codes
        # Sorted; a cell whose code is another comes twice, one after the other. (numpy's unique holds the interpreter.)
        changed = np.setxor1d(before, now, assume_unique=True) >> 8
        changed = changed[np.diff(changed, prepend=-1) > 0]
        if not changed.size:
            return None
        cells = np.concatenate((old_cells[~inside], cells))
        codes = np.concatenate((old_codes[~inside], codes))
        order = np.argsort(cells, kind="stable")
        contents = _by_block(self._numbers, cells[order], codes[order])
        nothing = (np.zeros(0, np.int64), np.zeros(0, np.uint8))
        return changed, {name: contents.get(name, nothing) for name in looked_at}

    def _made(self, cells_of: Mapping[int, Cells], wanted: Flags, reach: int, ctx: Context) -> dict[int, Block]:
        """The wanted blocks, from the cells of those and of the blocks around them."""
        cells = np.concatenate([cells for cells, _ in cells_of.values()])
        codes = np.concatenate([codes for _, codes in cells_of.values()])
        near = self._numbers.any_near(cells, reach, wanted)
        cells, codes = cells[near], codes[near]
        order = np.argsort(cells, kind="stable")
        mesh = open_quads(LabelCells(1, cells[order], codes[order]), self._grid)
        ctx.check()
        blocks = self._numbers.of_cells(mesh.cells.cells)
        region = self._region(mesh, blocks)
        ctx.check()
        ends = mesh.crossed[0]
        i = self._grid.ijk(mesh.cells.cells[ends])[0]
        shares = np.where(mesh.cells.codes[ends] & 1, i, -i).astype(np.float64)
        voxels = np.bincount(blocks[ends], shares, minlength=wanted.size).astype(np.int64)
        return cut_into_blocks(region, wanted, cells_of, voxels)

    def _region(self, mesh: QuadMesh, blocks: NDArray[np.int64]) -> Region:
        """Vertices and triangles of a part of the surface; ``blocks`` are those of its cells."""
        found = shape(mesh, self._fairing)
        points = mesh.corners + found.way
        mended = split_pinches(mesh, self._grid, points, triangles_of(found.quads, self.geometry))
        keys = vertex_keys(mesh.cells.cells[mesh.vertex_cell], mesh.vertex_loop)
        homes = blocks[mesh.vertex_cell]
        normals = found.normals
        owners = np.repeat(blocks[np.concatenate(mesh.crossed)], 2)
        if mended.edges.size:
            low, high = mended.edges.T
            normals = np.concatenate((normals, normals[:, low] + normals[:, high]), axis=1)
            keys = np.concatenate((keys, mending_keys(keys[low], keys[high], self._grid)))
            homes = np.concatenate((homes, homes[low]))
            owners = np.concatenate((owners, owners[mended.rows]))
        in_place = in_mm(mended.points, self.geometry)
        return Region(keys, homes, in_place, _directions(normals, self.geometry), mended.triangles, owners)


def _portions(names: list[int], cells_of: Mapping[int, Cells]) -> list[list[int]]:
    """Blocks in portions of so many cells that no single step takes long; the result does not depend on them."""
    portions: list[list[int]] = []
    room = 0
    for name in names:
        size = cells_of[name][0].size
        if size > room:
            portions.append([])
            room = _PORTION_CELLS
        portions[-1].append(name)
        room -= size
    return portions


def _known_cells(
    mask: NDArray[np.bool_], place: Box, grid: CellGrid
) -> tuple[CellIndex, CellCode, tuple[int, int, int], tuple[int, int, int]]:
    """Cells and codes of a mask where all their voxels are known: from the first to the last (i, j, k), included."""
    i0, j0, k0 = place.start
    local = CellGrid(place.size_ijk)
    found = mask_cells(mask)
    i, j, k = local.ijk(found.cells)
    cells = (k + k0) * grid.plane + (j + j0) * grid.row + (i + i0)
    li, lj, lk = (a + 1 if a > 0 else 0 for a in place.start)
    hi, hj, hk = (b - 1 if b < n else n for b, n in zip(place.stop, grid.size_ijk, strict=True))
    known = _in_range(grid, cells, (li, lj, lk), (hi, hj, hk))
    return cells[known], found.codes[known], (li, lj, lk), (hi, hj, hk)


def _in_range(grid: CellGrid, cells: CellIndex, low: tuple[int, int, int], high: tuple[int, int, int]) -> Flags:
    inside = np.ones(cells.size, np.bool_)
    for place, a, b in zip(grid.ijk(cells), low, high, strict=True):
        inside &= (place >= a) & (place <= b)
    return inside


def _by_block(numbers: BlockGrid, cells: CellIndex, codes: CellCode) -> dict[int, Cells]:
    blocks = numbers.of_cells(cells)
    order = np.argsort(blocks, kind="stable")
    names, starts = np.unique(blocks[order], return_index=True)
    stops = [*starts.tolist(), cells.size][1:]
    return {
        name: (cells[order[a:b]], codes[order[a:b]])
        for name, a, b in zip(names.tolist(), starts.tolist(), stops, strict=True)
    }


def _directions(normals: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """Normals in index space, shape (3, n), as unit vectors in LPS, shape (n, 3): they turn as gradients do."""
    inverse = geometry.inverse[:3, :3].astype(np.float32)
    result = np.empty((normals.shape[1], 3), np.float32)
    for column in range(3):
        row = normals[0] * inverse[0, column]
        row += normals[1] * inverse[1, column]
        row += normals[2] * inverse[2, column]
        result[:, column] = row
    length = np.sqrt(result[:, 0] ** 2 + result[:, 1] ** 2 + result[:, 2] ** 2)
    result /= np.maximum(length, np.float32(1e-12))[:, None]
    return result


def _within(outer: Box, inner: Box) -> tuple[slice, slice, slice]:
    k, j, i = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(inner.slices, outer.slices, strict=True))
    return k, j, i
