"""Orthogonal slices along the patient's own axes: which voxels, on which side of the screen, at which millimetre.

Every view is radiological and anatomically right for every grid: the patient's right lies on the screen's left in
axial and coronal slices, anterior is up in axial and on the left in sagittal ones. A grid whose axes run along the
patient's (flipped or permuted in any way) is read as it is, voxel for voxel and without a copy. An oblique grid is
resampled along the patient's axes (linear for images, nearest for labels): the acquired plane would be sharper, but
three views that are not at right angles to the patient cannot share a crosshair, a cut or another series.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, FloatArray, Geometry, letter_of
from surgitwin.core.progress import Context
from surgitwin.render.reslice import Reslicer
from surgitwin.segmentation.slabs import each_slab

SlabMode = Literal["max", "min", "mean"]
Array = NDArray[Any]
# A grid counts as running along the patient's axes if no voxel moves by more than this part of a voxel.
ALIGNED_TOLERANCE_VOXELS = 0.1
ROWS_AT_A_TIME = 16


class Orientation(StrEnum):
    """The three orthogonal views."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"

    @property
    def right(self) -> FloatArray:
        """The LPS direction that runs to the right on the screen."""
        return np.array((0.0, 1.0, 0.0) if self is Orientation.SAGITTAL else (1.0, 0.0, 0.0))

    @property
    def down(self) -> FloatArray:
        """The LPS direction that runs down on the screen."""
        return np.array((0.0, 1.0, 0.0) if self is Orientation.AXIAL else (0.0, 0.0, -1.0))

    @property
    def through(self) -> FloatArray:
        """The LPS direction in which the slice number grows: superior, posterior or left."""
        return np.asarray(np.eye(3)[self.axis])

    @property
    def axis(self) -> int:
        """The LPS axis at right angles to the slice: 2 (z), 1 (y) or 0 (x)."""
        return {Orientation.AXIAL: 2, Orientation.CORONAL: 1, Orientation.SAGITTAL: 0}[self]

    @property
    def frame(self) -> FloatArray:
        """3x3, its rows are right, down and through: LPS millimetres to view millimetres (u, v, w)."""
        return np.stack([self.right, self.down, self.through])

    def letters(self) -> tuple[str, str, str, str]:
        """The patient's side at the left, right, top and bottom of the screen."""
        return letter_of(-self.right), letter_of(self.right), letter_of(-self.down), letter_of(self.down)

    def to_view(self, points_lps: ArrayLike) -> FloatArray:
        """LPS points, shape (..., 3), to view millimetres (u right, v down, w through)."""
        return np.asarray(np.asarray(points_lps, dtype=np.float64) @ self.frame.T)

    def to_lps(self, points_view: ArrayLike) -> FloatArray:
        """View millimetres (u, v, w), shape (..., 3), to LPS."""
        return np.asarray(np.asarray(points_view, dtype=np.float64) @ self.frame)

    def position_text(self, position_mm: float) -> str:
        """Where a slice lies, named by the side of the origin: ``S 112.5 mm``."""
        positive, negative = ("LR", "PA", "SI")[self.axis]
        return f"{positive if position_mm >= 0 else negative} {abs(position_mm):.1f} mm"


@dataclass(frozen=True)
class SliceGrid:
    """The pixels of every slice of one grid in one orientation.

    Attributes
    ----------
    size
        Number of pixels along u (right), v (down) and w (slices).
    spacing
        Millimetres between pixel centres along u and v, and between slices.
    origin
        View coordinates (u, v, w) of the centre of the first pixel of the first slice.
    aligned
        True if slices are views into the array, False if they are resampled.
    """

    geometry: Geometry
    orientation: Orientation
    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    aligned: bool

    @staticmethod
    def of(geometry: Geometry, orientation: Orientation) -> SliceGrid:
        """The slices of ``geometry`` in ``orientation``."""
        grid_axes = _grid_axes(geometry, orientation)
        size = tuple(geometry.size_ijk[axis] for axis in grid_axes)
        spacing = tuple(geometry.spacing_mm[axis] for axis in grid_axes)
        aligned = is_aligned(geometry)
        corners = orientation.to_view(geometry.to_lps(geometry.corners_ijk()))
        low = corners.min(axis=0)
        if not aligned:
            size = tuple(round(float(s)) + 1 for s in (corners.max(axis=0) - low) / np.asarray(spacing))
        return SliceGrid(geometry, orientation, _three(size), _floats(spacing), _floats(low), aligned)

    @property
    def count(self) -> int:
        """The number of slices."""
        return self.size[2]

    def position_of(self, index: int) -> float:
        """The w millimetre of slice ``index``: the LPS coordinate on the view's axis."""
        return self.origin[2] + index * self.spacing[2]

    def index_of(self, position_mm: float) -> int:
        """The slice nearest to a w millimetre; may lie outside the volume."""
        # Half-way goes up, not to the even neighbour, so that steps of one slice never stall.
        return int(np.floor((position_mm - self.origin[2]) / self.spacing[2] + 0.5))

    def clamp(self, index: int) -> int:
        return min(max(index, 0), self.count - 1)

    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom edges of a slice in view millimetres, outer pixel faces included."""
        (u0, v0, _), (du, dv, _), (nu, nv, _) = self.origin, self.spacing, self.size
        return u0 - du / 2, v0 - dv / 2, u0 + (nu - 0.5) * du, v0 + (nv - 0.5) * dv

    def pixel_of(self, points_view: ArrayLike) -> FloatArray:
        """View millimetres (u, v, w), shape (..., 3), to fractional (column, row, slice)."""
        points = np.asarray(points_view, dtype=np.float64)
        return np.asarray((points - np.asarray(self.origin)) / np.asarray(self.spacing))


class Slicer:
    """Cuts slices out of one array; keeps what oblique resampling needs between calls.

    Parameters
    ----------
    array
        [k, j, i]; read, never copied as long as the grid is aligned.
    labels
        True for label numbers: they are never interpolated.
    """

    def __init__(self, array: Array, geometry: Geometry, orientation: Orientation, labels: bool = False) -> None:
        if array.shape != geometry.shape_kji:
            raise BadInput(f"The array has the shape {array.shape}, its geometry {geometry.shape_kji}.")
        self.grid = SliceGrid.of(geometry, orientation)
        self._array = array
        self._stack = patient_view(array, geometry, orientation) if self.grid.aligned else None
        self._reslicer = None if self.grid.aligned else Reslicer(array, interpolate=not labels)

    def slice(self, index: int, slab_mm: float = 0.0, mode: SlabMode = "max") -> Array | None:
        """One slice, or the projection of a slab of ``slab_mm`` around it, as [row, column].

        Returns
        -------
        None if slice ``index`` lies outside the volume.
        """
        if not 0 <= index < self.grid.count:
            return None
        first, last = slab_range(index, self.grid.count, self.grid.spacing[2], slab_mm)
        if self._stack is not None:
            if last - first == 1:
                return np.asarray(self._stack[first])
            return project(self._stack[first:last], mode)
        planes = [self._resampled(number) for number in range(first, last)]
        return planes[0] if len(planes) == 1 else project(np.stack(planes), mode)

    def slice_in(self, index: int, box: Box) -> tuple[Array, SliceGrid] | None:
        """The part of one slice that a box of voxels covers, with the pixels around it, and the grid of that part.

        Returns
        -------
        None if the slice lies outside the box or the volume.
        """
        grid = self.grid
        if box.empty or not 0 <= index < grid.count:
            return None
        if self._stack is None:
            whole = self.slice(index)
            return None if whole is None else (whole, grid)
        ends = [box.start, tuple(n - 1 for n in box.stop)]
        at = np.round(grid.pixel_of(grid.orientation.to_view(grid.geometry.to_lps(ends)))).astype(int)
        low, high = at.min(axis=0), at.max(axis=0)
        if not low[2] <= index <= high[2]:
            return None
        (left, top), (right, bottom) = np.maximum(low[:2] - 1, 0), np.minimum(high[:2] + 2, grid.size[:2])
        u, v, w = grid.origin
        origin = (u + int(left) * grid.spacing[0], v + int(top) * grid.spacing[1], w)
        part = replace(grid, size=(int(right - left), int(bottom - top), grid.count), origin=origin)
        return np.asarray(self._stack[index][top:bottom, left:right]), part

    def value_at(self, point_lps: ArrayLike) -> float | None:
        """The value of the voxel nearest to an LPS point, None outside the volume."""
        index = np.floor(self.grid.geometry.to_index(point_lps) + 0.5).astype(int)
        if np.any(index < 0) or np.any(index >= np.asarray(self.grid.geometry.size_ijk)):
            return None
        i, j, k = (int(n) for n in index)
        return float(self._array[k, j, i])

    def _resampled(self, index: int) -> Array:
        grid, reslicer = self.grid, self._reslicer
        assert reslicer is not None
        start = grid.geometry.to_index(grid.orientation.to_lps((*grid.origin[:2], grid.position_of(index))))
        to_index = grid.geometry.inverse[:3, :3]
        along_u = to_index @ grid.orientation.right * grid.spacing[0]
        along_v = to_index @ grid.orientation.down * grid.spacing[1]
        return reslicer.plane(start, along_u, along_v, grid.size[:2])


def is_aligned(geometry: Geometry) -> bool:
    """True if the grid runs along the patient's axes to within a tenth of a voxel, all over the volume."""
    direction = geometry.direction
    main = np.abs(direction).argmax(axis=0)
    if len(set(main.tolist())) < 3:
        return False
    off = direction.copy()
    off[main, np.arange(3)] = 0.0
    half_extent = np.asarray(geometry.size_ijk) * np.asarray(geometry.spacing_mm) / 2
    drift_mm = np.abs(off) @ half_extent
    return bool(drift_mm.max() <= ALIGNED_TOLERANCE_VOXELS * min(geometry.spacing_mm))


def patient_view(array: Array, geometry: Geometry, orientation: Orientation) -> Array:
    """``array`` seen as [w, v, u] of ``orientation``: a strided view of the same memory, no copy.

    Raises
    ------
    BadInput
        If the grid is oblique.
    """
    if not is_aligned(geometry):
        raise BadInput("The image is oblique to the patient's axes and has to be resampled for this view.")
    grid_axes = _grid_axes(geometry, orientation)
    stack = array.transpose([2 - axis for axis in reversed(grid_axes)])
    signs = [float(geometry.direction[:, axis] @ way) for axis, way in zip(grid_axes, orientation.frame, strict=True)]
    return stack[tuple(slice(None, None, 1 if sign > 0 else -1) for sign in reversed(signs))]


def slab_range(index: int, count: int, spacing_mm: float, slab_mm: float) -> tuple[int, int]:
    """First slice and the one after the last of a slab of ``slab_mm`` centred on slice ``index``."""
    slices = max(1, round(slab_mm / spacing_mm))
    first = index - (slices - 1) // 2
    return max(first, 0), min(first + slices, count)


def project(stack: Array, mode: SlabMode) -> Array:
    """Project a [w, v, u] stack along w: maximum, minimum or mean.

    Raises
    ------
    BadInput
        If ``mode`` is none of the three.
    """
    if mode == "mean":
        total = np.zeros(stack.shape[1:], dtype=np.float32 if stack.dtype.kind == "f" else np.int32)
        for plane in stack:
            total += plane
        if stack.dtype.kind == "f":
            return np.asarray(total / len(stack), dtype=stack.dtype)
        return np.asarray(np.rint(total / len(stack)), dtype=stack.dtype)
    if mode not in ("max", "min"):
        raise BadInput(f"A slab shows the maximum, minimum or mean (max, min, mean), not “{mode}”.")
    combine = np.maximum if mode == "max" else np.minimum
    if abs(stack.strides[0]) > stack.itemsize:
        return np.asarray(combine.reduce(stack, axis=0))
    # Slices lie beside each other in memory: a few rows at a time, all of their slices come from the cache.
    # Every row waits for memory, so several threads get on where one would not.
    projected = np.empty(stack.shape[1:], dtype=stack.dtype)

    def work(part: slice) -> None:
        for first in range(part.start, part.stop, ROWS_AT_A_TIME):
            rows = slice(first, min(first + ROWS_AT_A_TIME, part.stop))
            projected[rows] = stack[0, rows]
            for plane in stack[1:]:
                combine(projected[rows], plane[rows], out=projected[rows])

    each_slab(stack.shape[1], work, Context())
    return projected


def _grid_axes(geometry: Geometry, orientation: Orientation) -> tuple[int, int, int]:
    """The grid axes (0 = i) that run along u, v and w; each is used once."""
    shares = np.abs(orientation.frame @ geometry.direction)
    chosen: dict[int, int] = {}
    for _ in range(3):
        view_axis, grid_axis = np.unravel_index(int(shares.argmax()), (3, 3))
        chosen[int(view_axis)] = int(grid_axis)
        shares[view_axis, :] = -1.0
        shares[:, grid_axis] = -1.0
    return chosen[0], chosen[1], chosen[2]


def _three(values: tuple[int, ...]) -> tuple[int, int, int]:
    a, b, c = (int(v) for v in values)
    return a, b, c


def _floats(values: Any) -> tuple[float, float, float]:
    a, b, c = (float(v) for v in values)
    return a, b, c
