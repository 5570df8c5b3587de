"""Counting voxels on the removed side exactly.

A mask is kept as runs of voxels along i. Along a row the signed distance from a plane is linear in i, so the
voxels that a cut removes from it form one interval whose end is found in closed form; no voxel's own side is
computed. The same intervals make the mask of removed voxels, so the numbers while dragging a plane and the final ones
cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box
from surgitwin.resection.cuts import ON_PLANE_MM, IndexPlane

if TYPE_CHECKING:
    from surgitwin.resection.regions import Region

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Interval = tuple[IntArray, IntArray]


@dataclass(frozen=True, eq=False)
class RowRuns:
    """A mask as runs along i: voxels ``start`` <= i < ``stop`` of row (j, k), one entry a run, indices of the grid."""

    j: IntArray
    k: IntArray
    start: IntArray
    stop: IntArray

    @property
    def voxels(self) -> int:
        return int(np.sum(self.stop - self.start))


def runs_of(mask: BoolArray, box: Box) -> RowRuns:
    """The runs of ``mask`` ([k, j, i]), which covers ``box`` of a larger grid."""
    nk, nj, ni = mask.shape
    padded = np.zeros((nk, nj, ni + 1), dtype=np.int8)  # one gap a row, so that no run crosses into the next
    padded[:, :, :ni] = mask
    steps = np.diff(padded.reshape(-1), prepend=np.int8(0))
    starts = np.flatnonzero(steps == 1)
    stops = np.flatnonzero(steps == -1)
    rows, start = np.divmod(starts, ni + 1)
    k, j = np.divmod(rows, nj)
    i0, j0, k0 = box.start
    length = stops - starts
    return RowRuns(j + j0, k + k0, start + i0, start + i0 + length)


def plane_interval(plane: IndexPlane, j: IntArray, k: IntArray, size_i: int) -> Interval:
    """Where rows (j, k) lie strictly on the normal side of one plane: ``low`` <= i < ``high`` within 0..size_i.

    The division only proposes the end of the interval; the distance itself, rounded as floats round, decides. It
    never decreases (or never increases) along i even after rounding, so one step of correction is enough.
    """
    row = (plane.offset + plane.dj * j) + plane.dk * k
    nothing = np.zeros(row.shape, dtype=np.int64)
    if plane.di == 0.0:
        return nothing, np.where(row > ON_PLANE_MM, size_i, 0)

    def removed(i: IntArray) -> BoolArray:
        return np.asarray(plane.di * i + row > ON_PLANE_MM)

    rising = plane.di > 0
    with np.errstate(over="ignore"):
        crossing = (ON_PLANE_MM - row) / plane.di
    proposal = np.floor(crossing) + 1 if rising else np.ceil(crossing)
    end = np.clip(proposal, 0, size_i).astype(np.int64)
    # `end` is the first voxel past the crossing: removed from there on if the distance rises, kept if it falls.
    end -= (end > 0) & (removed(end - 1) == rising)
    end += (end < size_i) & (removed(end) != rising)
    return (end, np.full_like(end, size_i)) if rising else (nothing, end)


def count_removed(runs: RowRuns, regions: Sequence[Region], size_i: int) -> int:
    """How many voxels of ``runs`` the united cuts remove; exact."""
    return int(np.count_nonzero(removed_voxels(runs, regions, size_i)[0]))


def removed_region(box: Box, regions: Sequence[Region], size_i: int) -> BoolArray:
    """The removed region on the voxels of ``box``, [k, j, i], whether or not an organ lies there."""
    (i0, j0, k0), (i1, j1, k1) = box.start, box.stop
    k, j = (axis.reshape(-1) for axis in np.mgrid[k0:k1, j0:j1])
    region = np.zeros((len(j), i1 - i0), dtype=np.bool_)
    i = np.arange(i0, i1, dtype=np.int64)
    for one in regions:
        for low, high in one.intervals(j, k, size_i):
            region |= (i >= low[:, None]) & (i < high[:, None])
    return region.reshape(k1 - k0, j1 - j0, i1 - i0)


def removed_voxels(runs: RowRuns, regions: Sequence[Region], size_i: int) -> tuple[BoolArray, list[bool]]:
    """Whether the united cuts remove each voxel of ``runs``, in their order, and whether each alone removes any."""
    removed = np.zeros(runs.voxels, dtype=np.bool_)
    return removed, [region.mark(runs, size_i, removed) > 0 for region in regions]
