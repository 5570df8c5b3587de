"""Cuts on the grid of an organ: which voxels of a row each removes, whatever kind it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.resection.bulge import Bulge
from surgitwin.resection.cuts import Cut, IndexPlane, MaskCut, PlaneCut
from surgitwin.resection.row_table import Interval, RowTable, table_of_mask, table_of_surface
from surgitwin.resection.rows import RowRuns, plane_interval

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Region(Protocol):
    """What one cut removes, on a grid."""

    def intervals(self, j: IntArray, k: IntArray, size_i: int) -> list[Interval]:
        """The disjoint intervals along i that it removes from rows (j, k)."""
        ...

    def mark(self, runs: RowRuns, size_i: int, removed: BoolArray) -> int:
        """Mark those voxels of the runs, in their order, that it removes; how many they are."""
        ...

    def mark_at(self, i: IntArray, j: IntArray, k: IntArray, size_i: int, removed: BoolArray) -> None:
        """Mark those of these voxels that it removes."""
        ...


@dataclass(frozen=True, eq=False)
class PlaneRegion:
    """Where a voxel lies strictly on the normal side of all planes."""

    planes: tuple[IndexPlane, ...]

    def intervals(self, j: IntArray, k: IntArray, size_i: int) -> list[Interval]:
        low, high = plane_interval(self.planes[0], j, k, size_i)
        for plane in self.planes[1:]:
            more_low, more_high = plane_interval(plane, j, k, size_i)
            low, high = np.maximum(low, more_low), np.minimum(high, more_high)
        return [(low, np.maximum(low, high))]

    def mark(self, runs: RowRuns, size_i: int, removed: BoolArray) -> int:
        from surgitwin.resection.crossing_kernels import mark_interval

        ((low, high),) = self.intervals(runs.j, runs.k, size_i)
        return int(mark_interval(runs.start, runs.stop, low, high, removed))

    def mark_at(self, i: IntArray, j: IntArray, k: IntArray, size_i: int, removed: BoolArray) -> None:
        ((low, high),) = self.intervals(j, k, size_i)
        removed |= (i >= low) & (i < high)


@dataclass(frozen=True, eq=False)
class TableRegion:
    """A region that was worked out for every row of a box, or of several, which have no voxel in common."""

    tables: tuple[RowTable, ...]

    def intervals(self, j: IntArray, k: IntArray, size_i: int) -> list[Interval]:
        return [interval for table in self.tables for interval in table.intervals(j, k)]

    def mark(self, runs: RowRuns, size_i: int, removed: BoolArray) -> int:
        return sum(table.mark(runs, removed) for table in self.tables)

    def mark_at(self, i: IntArray, j: IntArray, k: IntArray, size_i: int, removed: BoolArray) -> None:
        for table in self.tables:
            table.hold(i, j, k, removed)


def region_of(cut: Cut, box: Box, geometry: Geometry, bulge: Bulge | None = None) -> Region:
    """A cut on the grid; exact within ``box``, the organ's with its lesions.

    A voxel more on each side is worked out too: vessels reach past the organ.
    """
    if isinstance(cut, PlaneCut):
        return PlaneRegion(tuple(IndexPlane.of(plane, geometry) for plane in cut.planes))
    if isinstance(cut, MaskCut):
        beside = None if bulge is None else bulge.going_with(cut)
        return TableRegion(tuple(table_of_mask(one.mask, one.box) for one in (cut, beside) if one is not None))
    return TableRegion((table_of_surface(cut, box, geometry),))


def removed_at(regions: Sequence[Region], ijk: IntArray, size_i: int) -> BoolArray:
    """Whether the united cuts remove each of these voxels, (n, 3) indices (i, j, k) of the grid."""
    i, j, k = (np.ascontiguousarray(axis, dtype=np.int64) for axis in ijk.T)
    gone = np.zeros(len(ijk), dtype=np.bool_)
    for region in regions:
        region.mark_at(i, j, k, size_i, gone)
    return gone
