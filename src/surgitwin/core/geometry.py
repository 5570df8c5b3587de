"""Where voxels are: one affine from voxel index (i, j, k) to LPS millimetres, and every conversion around it.

Arrays are indexed ``[k, j, i]`` (i runs fastest in memory); points and sizes are written ``(i, j, k)`` and
``(x, y, z)``. Axes point to the patient's Left, Posterior and Superior side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput

FloatArray = NDArray[np.float64]
LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def lps_to_ras(affine: ArrayLike) -> FloatArray:
    """Turn a 4x4 affine (or one read as RAS) from LPS to RAS millimetres, or back."""
    return LPS_RAS @ np.asarray(affine, dtype=np.float64)


@dataclass(frozen=True)
class Box:
    """A box of voxels: ``start`` is inside, ``stop`` is not; both (i, j, k)."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @property
    def size_ijk(self) -> tuple[int, int, int]:
        i, j, k = (max(b - a, 0) for a, b in zip(self.start, self.stop, strict=True))
        return i, j, k

    @property
    def empty(self) -> bool:
        return 0 in self.size_ijk

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Slices into an array that is indexed [k, j, i]."""
        (i0, j0, k0), (i1, j1, k1) = self.start, self.stop
        return slice(k0, k1), slice(j0, j1), slice(i0, i1)

    def grown(self, by: int, size_ijk: Sequence[int]) -> Box:
        """This box made larger by ``by`` voxels on every side, kept inside an image of ``size_ijk``."""
        i0, j0, k0 = (max(a - by, 0) for a in self.start)
        i1, j1, k1 = (min(b + by, n) for b, n in zip(self.stop, size_ijk, strict=True))
        return Box((i0, j0, k0), (i1, j1, k1))

    def moved(self, by_ijk: Sequence[int]) -> Box:
        """This box ``by_ijk`` voxels further on: what lies in a part of an image, in the whole image."""
        i0, j0, k0 = (a + b for a, b in zip(self.start, by_ijk, strict=True))
        i1, j1, k1 = (a + b for a, b in zip(self.stop, by_ijk, strict=True))
        return Box((i0, j0, k0), (i1, j1, k1))

    def union(self, other: Box) -> Box:
        if self.empty:
            return other
        if other.empty:
            return self
        i0, j0, k0 = (min(a, b) for a, b in zip(self.start, other.start, strict=True))
        i1, j1, k1 = (max(a, b) for a, b in zip(self.stop, other.stop, strict=True))
        return Box((i0, j0, k0), (i1, j1, k1))

    def touches_edge(self, size_ijk: Sequence[int]) -> bool:
        """True if the box reaches the first or last voxel of an axis of an image of ``size_ijk``."""
        return any(a <= 0 for a in self.start) or any(b >= n for b, n in zip(self.stop, size_ijk, strict=True))

    @staticmethod
    def of_mask(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> Box:
        """The smallest box around the non-zero voxels of ``mask`` ([k, j, i]); empty if there are none."""
        bounds: list[tuple[int, int]] = []
        for axis in range(3):
            others = tuple(a for a in range(3) if a != axis)
            hits = np.flatnonzero(np.any(mask, axis=others))
            if hits.size == 0:
                return Box((0, 0, 0), (0, 0, 0))
            bounds.append((int(hits[0]), int(hits[-1]) + 1))
        (k0, k1), (j0, j1), (i0, i1) = bounds
        return Box((i0, j0, k0), (i1, j1, k1))


@dataclass(frozen=True)
class Geometry:
    """The grid of an image.

    Attributes
    ----------
    size_ijk
        Number of voxels along i, j and k.
    rows
        The 4x4 affine from voxel index (i, j, k, 1) to LPS millimetres, as nested tuples.
    """

    size_ijk: tuple[int, int, int]
    rows: tuple[tuple[float, float, float, float], ...]

    def __post_init__(self) -> None:
        affine = np.asarray(self.rows, dtype=np.float64)
        if affine.shape != (4, 4) or not np.allclose(affine[3], (0, 0, 0, 1)):
            raise BadInput("An image geometry needs a 4x4 affine whose last row is 0 0 0 1.")
        if not np.all(np.isfinite(affine)) or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise BadInput("The image's geometry is degenerate: two of its axes coincide or its spacing is zero.")
        if min(self.size_ijk) < 1:
            raise BadInput(f"The image's size {self.size_ijk} has an axis without voxels.")

    @staticmethod
    def from_affine(size_ijk: Iterable[int], affine_lps: ArrayLike) -> Geometry:
        i, j, k = (int(n) for n in size_ijk)
        rows = tuple(tuple(float(v) for v in row) for row in np.asarray(affine_lps, dtype=np.float64))
        return Geometry((i, j, k), rows)  # type: ignore[arg-type]

    @staticmethod
    def from_parts(
        size_ijk: Iterable[int],
        spacing_mm: ArrayLike = (1.0, 1.0, 1.0),
        origin_mm: ArrayLike = (0.0, 0.0, 0.0),
        direction: ArrayLike | None = None,
    ) -> Geometry:
        """Build from spacing, the LPS position of voxel (0, 0, 0) and a 3x3 direction whose columns are i, j, k."""
        affine = np.eye(4)
        axes = np.eye(3) if direction is None else np.asarray(direction, dtype=np.float64).reshape(3, 3)
        affine[:3, :3] = axes * np.asarray(spacing_mm, dtype=np.float64)
        affine[:3, 3] = np.asarray(origin_mm, dtype=np.float64)
        return Geometry.from_affine(size_ijk, affine)

    @cached_property
    def affine_lps(self) -> FloatArray:
        """4x4, voxel index to LPS millimetres; read-only."""
        affine = np.array(self.rows, dtype=np.float64)
        affine.setflags(write=False)
        return affine

    @cached_property
    def inverse(self) -> FloatArray:
        """4x4, LPS millimetres to voxel index; read-only."""
        inverse: FloatArray = np.asarray(np.linalg.inv(self.affine_lps), dtype=np.float64)
        inverse.setflags(write=False)
        return inverse

    @property
    def shape_kji(self) -> tuple[int, int, int]:
        """The shape of the numpy array that holds the voxels."""
        i, j, k = self.size_ijk
        return k, j, i

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        x, y, z = (float(v) for v in np.linalg.norm(self.affine_lps[:3, :3], axis=0))
        return x, y, z

    @cached_property
    def direction(self) -> FloatArray:
        """3x3; the columns are the unit directions of i, j and k in LPS."""
        return np.asarray(self.affine_lps[:3, :3] / np.asarray(self.spacing_mm), dtype=np.float64)

    @property
    def origin_mm(self) -> tuple[float, float, float]:
        x, y, z = (float(v) for v in self.affine_lps[:3, 3])
        return x, y, z

    @property
    def voxel_volume_mm3(self) -> float:
        return float(abs(np.linalg.det(self.affine_lps[:3, :3])))

    @property
    def voxel_count(self) -> int:
        i, j, k = self.size_ijk
        return i * j * k

    @property
    def left_handed(self) -> bool:
        return bool(np.linalg.det(self.affine_lps[:3, :3]) < 0)

    @property
    def full_box(self) -> Box:
        return Box((0, 0, 0), self.size_ijk)

    def to_lps(self, points_ijk: ArrayLike) -> FloatArray:
        """Voxel indices, shape (..., 3), may be fractional, to LPS millimetres."""
        points = np.asarray(points_ijk, dtype=np.float64)
        return np.asarray(points @ self.affine_lps[:3, :3].T + self.affine_lps[:3, 3])

    def to_index(self, points_lps: ArrayLike) -> FloatArray:
        """LPS millimetres, shape (..., 3), to fractional voxel indices (i, j, k)."""
        points = np.asarray(points_lps, dtype=np.float64)
        return np.asarray(points @ self.inverse[:3, :3].T + self.inverse[:3, 3])

    def contains(self, point_lps: ArrayLike) -> bool:
        index = np.rint(self.to_index(point_lps))
        return bool(np.all(index >= 0) and np.all(index < np.asarray(self.size_ijk)))

    def same_grid(self, other: Geometry, tolerance_mm: float = 1e-3) -> bool:
        """True if both grids have one size and every corner voxel lies within ``tolerance_mm``."""
        if self.size_ijk != other.size_ijk:
            return False
        corners = self.corners_ijk()
        return bool(np.max(np.abs(self.to_lps(corners) - other.to_lps(corners))) <= tolerance_mm)

    def corners_ijk(self) -> FloatArray:
        """The eight corner voxels' indices, shape (8, 3)."""
        last = np.asarray(self.size_ijk, dtype=np.float64) - 1
        return np.array([[x, y, z] for x in (0, last[0]) for y in (0, last[1]) for z in (0, last[2])])

    def bounds_mm(self) -> tuple[FloatArray, FloatArray]:
        """The LPS box around all voxels, their outer faces included: (lowest, highest)."""
        last = np.asarray(self.size_ijk, dtype=np.float64) - 0.5
        corners = np.array([[x, y, z] for x in (-0.5, last[0]) for y in (-0.5, last[1]) for z in (-0.5, last[2])])
        points = self.to_lps(corners)
        return points.min(axis=0), points.max(axis=0)

    @property
    def centre_mm(self) -> FloatArray:
        return self.to_lps((np.asarray(self.size_ijk, dtype=np.float64) - 1) / 2)

    def cropped(self, box: Box) -> Geometry:
        """The geometry of the part ``box`` of this grid."""
        affine = np.array(self.affine_lps)
        affine[:3, 3] = self.to_lps(box.start)
        return Geometry.from_affine(box.size_ijk, affine)

    def axis_letters(self) -> str:
        """The side that i, j and k run to, as three letters such as ``LPS``; the nearest axis for oblique grids."""
        return "".join(letter_of(self.direction[:, axis]) for axis in range(3))


def letter_of(direction_lps: ArrayLike) -> str:
    """The letter of the patient's side that a direction points to: L, R, P, A, S or I."""
    vector = np.asarray(direction_lps, dtype=np.float64)
    axis = int(np.argmax(np.abs(vector)))
    return ("LPS" if vector[axis] >= 0 else "RAI")[axis]
