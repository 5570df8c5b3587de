"""What a registration says: where each point of the fixed image lies in the moving one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.geometry import FloatArray, Geometry

Kind = Literal["rigid", "affine", "deformable"]


@dataclass(frozen=True, eq=False)
class Registration:
    """Where points of the fixed image lie in the moving one.

    Attributes
    ----------
    matrix
        4x4, after the displacement.
    displacement_mm
        float32, [k, j, i, 3], on ``grid`` (in the fixed image's space); None unless deformable. Beyond the grid its
        border value holds.
    similarity
        Mutual information at the start and at the end, in nats; the larger, the more alike.
    """

    kind: Kind
    matrix: FloatArray
    displacement_mm: NDArray[np.float32] | None = None
    grid: Geometry | None = None
    similarity: tuple[float, float] = (0.0, 0.0)

    @staticmethod
    def identity() -> Registration:
        """For images that share a frame of reference."""
        return Registration("rigid", np.eye(4))

    def to_moving(self, points_mm: ArrayLike) -> FloatArray:
        """Points of the fixed image, (n, 3), in the moving one."""
        points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
        points = points + self.displaced(points)
        return np.asarray(points @ self.matrix[:3, :3].T + self.matrix[:3, 3])

    def to_fixed(self, points_mm: ArrayLike) -> FloatArray:
        """Points of the moving image, (n, 3), in the fixed one; a deformation is inverted by fixed-point steps."""
        inverse = np.linalg.inv(self.matrix)
        points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
        wanted: FloatArray = np.asarray(points @ inverse[:3, :3].T + inverse[:3, 3])
        found: FloatArray = wanted.copy()
        if self.displacement_mm is None:
            return found
        moving = np.arange(len(found))  # few points need many steps
        for _ in range(60):
            step = wanted[moving] - self.displaced(found[moving]) - found[moving]
            found[moving] += step
            moving = moving[np.abs(step).max(axis=1) >= 1e-4]
            if not moving.size:
                break
        return found

    def displaced(self, points_mm: FloatArray) -> FloatArray:
        """The displacement at points of the fixed image, linear between grid points."""
        if self.displacement_mm is None or self.grid is None:
            return np.zeros_like(points_mm)
        from scipy.ndimage import map_coordinates

        at = self.grid.to_index(points_mm)[:, ::-1].T
        parts = [
            map_coordinates(self.displacement_mm[..., axis], at, order=1, mode="nearest", output=np.float64)
            for axis in range(3)
        ]
        return np.stack(parts, axis=1)


def landmark_errors_mm(registration: Registration, fixed_mm: ArrayLike, moving_mm: ArrayLike) -> FloatArray:
    """The target registration error at each pair of landmarks: how far the fixed one, carried over, misses the moving.

    Fitzpatrick, West, Maurer, IEEE Trans Med Imaging 1998;17:694-702.
    """
    difference = registration.to_moving(fixed_mm) - np.asarray(moving_mm, dtype=np.float64).reshape(-1, 3)
    return np.asarray(np.linalg.norm(difference, axis=1))
