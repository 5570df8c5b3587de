"""A volume at a coarser grid: block averages down, whole blocks up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.slabs import each_slab


@dataclass(frozen=True)
class Coarse:
    """How a grid and its coarser one belong together.

    Attributes
    ----------
    factors
        Voxels of the fine grid in one block along k, j and i; the last block of an axis may hold fewer.
    """

    fine: Geometry
    geometry: Geometry
    factors: tuple[int, int, int]

    @staticmethod
    def of(fine: Geometry, mm: float) -> Coarse:
        """The grid whose voxels are about ``mm`` wide, never finer than ``fine``."""
        ijk = [max(1, round(mm / s)) for s in fine.spacing_mm]
        affine = np.array(fine.affine_lps)
        affine[:3, 3] = fine.to_lps([(f - 1) / 2 for f in ijk])
        affine[:3, :3] *= ijk
        size = [-(-n // f) for n, f in zip(fine.size_ijk, ijk, strict=True)]
        return Coarse(fine, Geometry.from_affine(size, affine), (ijk[2], ijk[1], ijk[0]))

    def mean(self, voxels: NDArray[Any], ctx: Context) -> NDArray[np.float32]:
        """The average of each block, [k, j, i]."""
        if self.factors == (1, 1, 1):
            return voxels.astype(np.float32)
        fk, fj, fi = self.factors
        starts_j = np.arange(0, voxels.shape[1], fj)
        starts_i = np.arange(0, voxels.shape[2], fi)
        counts_j = np.diff(np.append(starts_j, voxels.shape[1])).astype(np.float32)
        counts_i = np.diff(np.append(starts_i, voxels.shape[2])).astype(np.float32)
        result = np.empty(self.geometry.shape_kji, dtype=np.float32)

        def work(slab: slice) -> None:
            for k in range(slab.start, slab.stop):
                block = voxels[k * fk : (k + 1) * fk]
                plane = block.sum(axis=0, dtype=np.float32)
                plane = np.add.reduceat(plane, starts_j, axis=0)
                plane = np.add.reduceat(plane, starts_i, axis=1)
                result[k] = plane / (len(block) * counts_j[:, None] * counts_i[None, :])

        each_slab(result.shape[0], work, ctx, tr("Averaging"))
        return result

    def spread_slab(self, blocks: NDArray[Any], slab: slice) -> NDArray[Any]:
        """The fine slices ``slab`` of an array of the coarse grid, each block's value repeated."""
        fk, fj, fi = self.factors
        _, nj, ni = self.fine.shape_kji
        planes: NDArray[Any] = blocks[np.arange(slab.start, slab.stop) // fk]
        if fj > 1:
            planes = np.repeat(planes, fj, axis=1)[:, :nj]
        if fi > 1:
            planes = np.repeat(planes, fi, axis=2)[:, :, :ni]
        return planes

    def centres(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Positions in the flattened fine array of one voxel in the middle of each ``chosen`` block."""
        index = np.argwhere(chosen)
        middle = index * np.array(self.factors) + np.array(self.factors) // 2
        middle = np.minimum(middle, np.array(self.fine.shape_kji) - 1)
        return np.asarray(np.ravel_multi_index(tuple(middle.T), self.fine.shape_kji), dtype=np.int64)
