"""One pass over a label map that finds, for every label, the cells its surface runs through."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

LabelArray = NDArray[np.uint8] | NDArray[np.uint16]
CellIndex = NDArray[np.int64]
CellCode = NDArray[np.uint8]

# Voxels in a slab: its dozen byte arrays should stay in the processor's cache.
_SLAB_VOXELS = 1 << 21


@dataclass(frozen=True)
class CellGrid:
    """Numbering of the cells of an image that is padded by one background voxel on every side.

    Cell (i, j, k) lies between the padded voxels (i, j, k) and (i+1, j+1, k+1), that is between the image's own voxels
    (i-1, j-1, k-1) and (i, j, k). Its number is ``k * plane + j * row + i``.
    """

    size_ijk: tuple[int, int, int]

    @property
    def row(self) -> int:
        return self.size_ijk[0] + 2

    @property
    def plane(self) -> int:
        return self.row * (self.size_ijk[1] + 2)

    @property
    def planes(self) -> int:
        return self.size_ijk[2] + 1

    @property
    def corner_offsets(self) -> tuple[int, ...]:
        """Offset of the eight corner voxels, in the order of the code's bits."""
        return tuple(di + dj * self.row + dk * self.plane for dk in (0, 1) for dj in (0, 1) for di in (0, 1))

    def ijk(self, cells: CellIndex) -> tuple[CellIndex, CellIndex, CellIndex]:
        rows = cells // self.row
        planes = rows // (self.size_ijk[1] + 2)
        return cells - rows * self.row, rows - planes * (self.size_ijk[1] + 2), planes


@dataclass(frozen=True, eq=False)
class LabelCells:
    """The cells of one label's surface, sorted by number, each with its code (see `tables`)."""

    value: int
    cells: CellIndex
    codes: CellCode

    @property
    def sorted(self) -> LabelCells:
        """These cells in the order of their numbers; they come as a few sorted runs."""
        if np.all(self.cells[1:] > self.cells[:-1]):
            return self
        order = np.argsort(self.cells, kind="stable")
        return LabelCells(self.value, self.cells[order], self.codes[order])


def find_cells(labels: LabelArray, values: Sequence[int] | None, pool: Executor, ctx: Context) -> list[LabelCells]:
    """Find the surface cells of every label (or of ``values``) in one pass over the image.

    Parameters
    ----------
    labels
        uint8 or uint16, [k, j, i]; 0 is background.
    values
        Labels wanted; None for all.
    pool
        Where slabs of the image are worked on side by side.

    Returns
    -------
    One entry for each label that has voxels, by ascending value; cells are not sorted yet.
    """
    if labels.ndim != 3 or labels.dtype not in (np.uint8, np.uint16):
        raise BadInput(
            tr("Labels must be a three-dimensional array of uint8 or uint16, not {found}.").format(
                found=f"{labels.ndim}D {labels.dtype}"
            )
        )
    wanted = None
    if values is not None:
        wanted = np.zeros(np.iinfo(labels.dtype).max + 1, np.bool_)
        wanted[[value for value in values if 0 < value < wanted.size]] = True
    k, j, i = labels.shape
    grid = CellGrid((i, j, k))
    step = max(1, _SLAB_VOXELS // grid.plane)
    starts = range(0, grid.planes, step)

    def slab(start: int) -> tuple[CellIndex, LabelArray, CellCode]:
        ctx.check()
        return _slab_cells(labels, grid, start, min(start + step, grid.planes), wanted)

    parts = []
    for number, part in enumerate(pool.map(slab, starts)):
        ctx.progress((number + 1) / len(starts), tr("Finding surfaces"))
        parts.append(part)
    cells, found, codes = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return _by_label(cells, found, codes)


def mask_cells(mask: NDArray[np.bool_]) -> LabelCells:
    """The surface cells of one boolean mask, [k, j, i], sorted; on the thread that calls."""
    k, j, i = mask.shape
    grid = CellGrid((i, j, k))
    labels = mask.view(np.uint8)
    step = max(1, _SLAB_VOXELS // grid.plane)
    parts = [_slab_cells(labels, grid, a, min(a + step, grid.planes), None) for a in range(0, grid.planes, step)]
    cells, _, codes = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return LabelCells(1, cells, codes).sorted


def _by_label(cells: CellIndex, found: LabelArray, codes: CellCode) -> list[LabelCells]:
    if not cells.size:
        return []
    order = np.argsort(found, kind="stable")
    found, cells, codes = found[order], cells[order], codes[order]
    starts = np.concatenate(([0], np.flatnonzero(found[1:] != found[:-1]) + 1))
    stops = np.concatenate((starts[1:], [found.size]))
    return [
        LabelCells(int(found[a]), cells[a:b], codes[a:b]) for a, b in zip(starts.tolist(), stops.tolist(), strict=True)
    ]


def _slab_cells(
    labels: LabelArray, grid: CellGrid, start: int, stop: int, wanted: NDArray[np.bool_] | None
) -> tuple[CellIndex, LabelArray, CellCode]:
    """(cell, label, code) of the cell planes from ``start`` to before ``stop``."""
    voxels = _padded(labels, grid, start, stop)
    row, plane = grid.row, grid.plane
    high: LabelArray = voxels
    low: LabelArray = voxels
    # The padding makes the wrap-around at the end of a row or a plane meet background only.
    for offset in (1, row, plane):
        high = np.maximum(high[:-offset], high[offset:])
        low = np.minimum(low[:-offset], low[offset:])
    at = np.flatnonzero(high != low)
    high, low = high[at], low[at]
    high_code = np.zeros(at.size, np.uint8)
    low_code = np.zeros(at.size, np.uint8)
    for bit, offset in enumerate(grid.corner_offsets):
        corner = np.take(voxels[offset:], at)
        high_code |= (corner == high).view(np.uint8) << bit
        low_code |= (corner == low).view(np.uint8) << bit
    keep = np.flatnonzero(low)
    found = [(at, high, high_code), (at[keep], low[keep], low_code[keep])]
    found += _further_labels(voxels, grid, at, high, low, high_code | low_code)
    cells, names, codes = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    if wanted is not None:
        keep = np.flatnonzero(wanted[names])
        cells, names, codes = cells[keep], names[keep], codes[keep]
    return cells + start * plane, names, codes


def _padded(labels: LabelArray, grid: CellGrid, start: int, stop: int) -> LabelArray:
    """The voxels that the cell planes ``start`` to ``stop`` touch, padded, as one flat array."""
    i, j, k = grid.size_ijk
    block = np.zeros((stop - start + 1, j + 2, i + 2), labels.dtype)
    first, last = max(start - 1, 0), min(stop, k)
    block[first - start + 1 : last - start + 1, 1:-1, 1:-1] = labels[first:last]
    return block.reshape(-1)


def _further_labels(
    voxels: LabelArray, grid: CellGrid, at: CellIndex, high: LabelArray, low: LabelArray, done_code: CellCode
) -> list[tuple[CellIndex, LabelArray, CellCode]]:
    """Labels of cells where three or more meet, beyond the highest and the lowest."""
    left = np.flatnonzero(done_code != 255)
    cells = at[left]
    corners = np.stack([np.take(voxels[offset:], cells) for offset in grid.corner_offsets])
    done = (corners == high[left]) | (corners == low[left])
    found: list[tuple[CellIndex, LabelArray, CellCode]] = []
    while cells.size:
        top = np.where(done, 0, corners).max(axis=0).astype(voxels.dtype)
        hit = (corners == top) & ~done
        code = np.packbits(hit, axis=0, bitorder="little")[0]
        some = np.flatnonzero(top)
        found.append((cells[some], top[some], code[some]))
        done |= hit
        rest = np.flatnonzero(~done.all(axis=0))
        cells, corners, done = cells[rest], corners[:, rest], done[:, rest]
    return found
