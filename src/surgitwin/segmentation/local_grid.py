"""The part of an image around a point, on a small grid of cubes along L, P and S."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.geometry import Box, FloatArray, Geometry
from surgitwin.segmentation.runs import Mask

Field = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LocalGrid:
    """A cube of cubes around a point.

    Attributes
    ----------
    image
        The voxels it was cut from: their grid.
    geometry
        The cube's own grid; spacing ``step_mm`` along L, P and S, the point at its middle voxel.
    """

    image: Geometry
    geometry: Geometry
    step_mm: float

    @staticmethod
    def around(image: Geometry, centre_mm: ArrayLike, reach_mm: float, step_mm: float) -> LocalGrid:
        """The cube that holds every point within ``reach_mm`` of ``centre_mm``."""
        half = int(np.ceil(reach_mm / step_mm))
        corner = np.asarray(centre_mm, dtype=np.float64) - half * step_mm
        size = 2 * half + 1
        return LocalGrid(image, Geometry.from_parts((size, size, size), (step_mm,) * 3, corner), step_mm)

    def distance_mm(self) -> Field:
        """How far each voxel of the cube is from the middle, [k, j, i]."""
        half = self.geometry.size_ijk[0] // 2
        line = ((np.arange(2 * half + 1) - half) * self.step_mm) ** 2
        squared = line[:, None, None] + line[None, :, None] + line[None, None, :]
        return np.asarray(np.sqrt(squared), dtype=np.float32)

    def sample(self, voxels: NDArray[Any]) -> tuple[Field, Mask]:
        """The image's values on the cube, linear between voxels, and where the cube lies in the image."""
        from scipy import ndimage

        index = self._index_of_cube()
        size = np.asarray(self.image.size_ijk, dtype=np.float64)[:, None, None, None]
        inside = np.all((index >= -0.5) & (index <= size - 0.5), axis=0)
        box = self._box()
        part = np.asarray(voxels[box.slices], dtype=np.float32)
        local = index - np.asarray(box.start, dtype=np.float64)[:, None, None, None]
        values = ndimage.map_coordinates(part, local[::-1], order=1, mode="nearest", output=np.float32)
        return values, inside

    def to_image(self, field: Field, level: float) -> tuple[Mask, Box]:
        """Where ``field`` (a value for each voxel of the cube) is above ``level``, on the part ``box`` of the image."""
        from scipy import ndimage

        box = self._box()
        part = self.image.cropped(box)
        i, j, k = (np.arange(n, dtype=np.float64) for n in part.size_ijk)
        matrix = self.geometry.inverse @ part.affine_lps
        index = [
            matrix[a, 0] * i[None, None, :] + matrix[a, 1] * j[None, :, None] + matrix[a, 2] * k[:, None, None]
            + matrix[a, 3]
            for a in range(3)
        ]  # fmt: skip
        values = ndimage.map_coordinates(field, np.stack(index[::-1]), order=1, mode="nearest", output=np.float32)
        return np.asarray(values > level), box

    def _index_of_cube(self) -> FloatArray:
        """Image indices (i, j, k; fractional) of every voxel of the cube, shape (3, k, j, i)."""
        n = self.geometry.size_ijk[0]
        line = np.arange(n, dtype=np.float64)
        matrix = self.image.inverse @ self.geometry.affine_lps
        return np.stack(
            [
                matrix[a, 0] * line[None, None, :]
                + matrix[a, 1] * line[None, :, None]
                + matrix[a, 2] * line[:, None, None]
                + matrix[a, 3]
                for a in range(3)
            ]
        )

    def _box(self) -> Box:
        """The image's voxels that the cube covers, with one more on every side."""
        corners = self.image.to_index(self.geometry.to_lps(self.geometry.corners_ijk()))
        size = np.asarray(self.image.size_ijk)
        low = np.clip(np.floor(corners.min(axis=0)).astype(int) - 1, 0, size - 1)
        high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, low + 1, size)
        (i0, j0, k0), (i1, j1, k1) = (int(v) for v in low), (int(v) for v in high)
        return Box((i0, j0, k0), (i1, j1, k1))
