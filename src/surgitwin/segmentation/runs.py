"""Connected components by runs: a mask as its runs of voxels along i, joined where neighbouring rows' runs touch.

A mask of 100 million voxels has a few million runs, so labelling the runs costs far less time and memory than
labelling the voxels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.groups import linked_groups
from surgitwin.core.progress import Context
from surgitwin.segmentation.slabs import each_slab

Mask = NDArray[np.bool_]
IntArray = NDArray[np.int64]
Connectivity = Literal["faces", "corners"]
_PIECE = 4_000_000


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of a mask, in memory order.

    Attributes
    ----------
    shape
        Shape of the mask, [k, j, i].
    start, stop
        First voxel of each run and the one after its last, as positions in the flattened mask.
    """

    shape: tuple[int, int, int]
    start: IntArray
    stop: IntArray

    @property
    def lengths(self) -> IntArray:
        return self.stop - self.start

    @staticmethod
    def of(mask: Mask, ctx: Context | None = None) -> Runs:
        """The runs of ``mask`` ([k, j, i])."""
        parts = each_slab(mask.shape[0], lambda slab: _edges(mask[slab], slab.start), ctx or Context())
        start = np.concatenate([part[0] for part in parts])
        stop = np.concatenate([part[1] for part in parts])
        k, j, i = mask.shape
        return Runs((k, j, i), start, stop)

    def rows(self) -> tuple[IntArray, IntArray]:
        """The (k, j) of each run."""
        row = self.start // self.shape[2]
        return row // self.shape[1], row % self.shape[1]

    def components(self, connectivity: Connectivity = "faces", within_slices: bool = False) -> IntArray:
        """The component number of each run, from 0.

        Parameters
        ----------
        connectivity
            Voxels are neighbours across their ``faces`` (6) or also across edges and ``corners`` (26).
        within_slices
            Join runs within each slice k only, so that each slice is labelled alone.
        """
        if self.start.size == 0:
            return np.zeros(0, dtype=np.int64)
        k, j = self.rows()
        # One empty place between rows keeps a run at the end of a row from touching the next row's first.
        row = k * self.shape[1] + j
        start, stop = self.start + row, self.stop + row
        pairs = [
            _touching(start, stop, j, self.shape, step, 1 if connectivity == "corners" else 0)
            for step in _steps(connectivity, within_slices)
        ]
        first = np.concatenate([pair[0] for pair in pairs])
        second = np.concatenate([pair[1] for pair in pairs])
        return linked_groups(first, second, start.size)

    def sizes(self, labels: IntArray) -> IntArray:
        """Voxels in each component."""
        if labels.size == 0:
            return np.zeros(0, dtype=np.int64)
        return np.bincount(labels, weights=self.lengths).astype(np.int64)

    def mask(self, chosen: Mask) -> Mask:
        """The voxels of the ``chosen`` runs (one truth value a run), as a mask of the original shape."""
        return self.painted(chosen.view(np.uint8)).view(np.bool_)

    def painted(self, numbers: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """An array of the original shape in which every run has its number (one for each run); 0 elsewhere."""
        # The array is the running sum of +number where a run begins and -number where it ends, modulo 256; runs never
        # overlap.
        some = numbers != 0
        change = np.zeros(int(np.prod(self.shape)) + 1, dtype=np.uint8)
        change[self.start[some]] += numbers[some]
        change[self.stop[some]] -= numbers[some]
        for begin in range(0, change.size, _PIECE):
            # In pieces: numpy keeps Python's lock for as long as a running sum takes.
            piece = change[begin : begin + _PIECE]
            piece[0] += change[begin - 1] if begin else 0
            np.cumsum(piece, dtype=np.uint8, out=piece)
        return change[:-1].reshape(self.shape)

    def at(self, positions: IntArray) -> IntArray:
        """The run that holds each position of the flattened mask; -1 where there is none."""
        index = np.searchsorted(self.start, positions, side="right") - 1
        if self.start.size == 0:
            return np.full(np.shape(positions), -1, dtype=np.int64)
        inside = (index >= 0) & (np.asarray(positions) < self.stop[np.maximum(index, 0)])
        return np.where(inside, index, -1)


def _edges(slab: Mask, first_slice: int) -> tuple[IntArray, IntArray]:
    """Starts and stops of the runs of some slices, as positions in the whole flattened mask."""
    rows = slab.reshape(-1, slab.shape[2]).view(np.int8)
    padded = np.zeros((rows.shape[0], rows.shape[1] + 1), dtype=np.int8)
    padded[:, :-1] = rows
    flat = padded.reshape(-1)
    turn = np.flatnonzero(np.diff(flat, prepend=np.int8(0)))
    width = rows.shape[1]
    # Positions in the padded rows are turned back; a stop in the padding is the end of its own row.
    row = turn // (width + 1)
    position = turn - row + first_slice * slab.shape[1] * width
    return position[0::2], position[1::2]


def _steps(connectivity: Connectivity, within_slices: bool) -> Iterator[tuple[int, int]]:
    """(dk, dj) of the neighbouring rows to look at; each pair of rows once."""
    yield 0, 1
    if not within_slices:
        yield 1, 0
        if connectivity == "corners":
            yield 1, 1
            yield 1, -1


def _touching(
    start: IntArray, stop: IntArray, j: IntArray, shape: tuple[int, int, int], step: tuple[int, int], reach: int
) -> tuple[IntArray, IntArray]:
    """Pairs of runs (in this row, in the row one ``step`` away) that touch; ``reach`` 1 counts diagonals."""
    dk, dj = step
    away = (dk * shape[1] + dj) * (shape[2] + 1)
    # Leaving the slice at its first or last row would land in another slice.
    here = np.flatnonzero((j + dj >= 0) & (j + dj < shape[1])) if dj else np.arange(start.size)
    low = np.searchsorted(stop, start[here] + away - reach, side="right")
    high = np.searchsorted(start, stop[here] + away + reach, side="left")
    count = np.maximum(high - low, 0)
    first = np.repeat(here, count)
    offset = np.arange(first.size) - np.repeat(np.cumsum(count) - count, count)
    return first, np.repeat(low, count) + offset
