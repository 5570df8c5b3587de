"""Where lesions lie outside an organ's label: such a voxel goes with a region that takes the organ's nearest voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box
from surgitwin.resection.cuts import MaskCut

if TYPE_CHECKING:
    from surgitwin.resection.margins import Organ
    from surgitwin.resection.rows import RowRuns

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Bulge:
    """Voxels outside the organ's label, and the organ's voxel nearest to each; both (n, 3) indices i, j, k."""

    voxels: IntArray
    nearest: IntArray

    @staticmethod
    def none() -> Bulge:
        return Bulge(*(np.zeros((0, 3), dtype=np.int64) for _ in range(2)))

    def going_with(self, cut: MaskCut) -> MaskCut | None:
        """Those of the voxels that go with a region and are not part of it; None if there are none."""
        if len(self.voxels) == 0:
            return None
        going = self.voxels[_within(cut, self.nearest) & ~_within(cut, self.voxels)]
        if len(going) == 0:
            return None
        columns = np.ascontiguousarray(going.T)
        low, high = columns.min(axis=1), columns.max(axis=1) + 1
        mask = np.zeros(tuple((high - low)[::-1]), dtype=np.bool_)
        i, j, k = columns - low[:, None]
        mask[k, j, i] = True
        return MaskCut(mask, Box((int(low[0]), int(low[1]), int(low[2])), (int(high[0]), int(high[1]), int(high[2]))))


def _within(cut: MaskCut, ijk: IntArray) -> NDArray[np.bool_]:
    """Whether voxels, (n, 3), are part of a region."""
    (i, j, k), (i0, j0, k0), (i1, j1, k1) = ijk.T, cut.box.start, cut.box.stop
    inside = np.flatnonzero((i >= i0) & (i < i1) & (j >= j0) & (j < j1) & (k >= k0) & (k < k1))
    found = np.zeros(len(ijk), dtype=np.bool_)
    found[inside] = cut.mask[k[inside] - k0, j[inside] - j0, i[inside] - i0]
    return found


def bulge_of(lesions: Sequence[RowRuns], organ: Organ) -> Bulge:
    """The voxels of some lesions outside an organ's label, and the organ's voxel nearest to each."""
    if not lesions:
        return Bulge.none()
    from scipy import ndimage
    from scipy.spatial import cKDTree

    outside = np.unique(np.concatenate([_outside(runs, organ) for runs in lesions]), axis=0)
    rim = np.argwhere(organ.mask & ~ndimage.binary_erosion(organ.mask))[:, ::-1] + np.asarray(organ.box.start)
    spacing = np.asarray(organ.geometry.spacing_mm)  # the grid's axes are orthogonal
    # By columns, so that one index of all voxels lies in one piece.
    nearest = rim[cKDTree(rim * spacing).query(outside * spacing)[1]]
    return Bulge(np.asfortranarray(outside, dtype=np.int64), np.asfortranarray(nearest, dtype=np.int64))


def _outside(runs: RowRuns, organ: Organ) -> IntArray:
    """The voxels of some runs that are not the organ's, (n, 3) indices i, j, k."""
    length = runs.stop - runs.start
    along = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    ijk = np.column_stack([np.repeat(runs.start, length) + along, np.repeat(runs.j, length), np.repeat(runs.k, length)])
    local = ijk - np.asarray(organ.box.start)
    inside = ((local >= 0) & (local < np.asarray(organ.box.size_ijk))).all(axis=1)
    i, j, k = np.where(inside[:, None], local, 0).T
    return np.asarray(ijk[~(inside & organ.mask[k, j, i])])
