"""Strokes of a brush: the voxels that a disk or a sphere passes over, without gaps between the places of the mouse."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.text import tr
from surgitwin.segmentation.runs import Mask

BrushShape = Literal["disk", "sphere"]
_EDGE = 1e-9  # mm


def slice_spacing_mm(geometry: Geometry, axis: int) -> float:
    """Distance of the slices that run across an axis of the patient (0 x, 1 y, 2 z): that of the grid's axis nearest
    to it.
    """
    return float(geometry.spacing_mm[int(np.abs(geometry.direction[axis]).argmax())])


def stroke(
    geometry: Geometry, points_mm: ArrayLike, radius_mm: float, shape: BrushShape = "sphere", axis: int = 2
) -> tuple[Box, Mask]:
    """The voxels whose centre the brush passes over.

    Parameters
    ----------
    points_mm
        (n, 3) LPS mm, where the mouse was; the brush moves straight from one to the next.
    shape
        ``sphere``: everything within the radius. ``disk``: in one slice only.
    axis
        For a disk: the axis of the patient that the slice lies across (0 sagittal, 1 coronal, 2 axial).

    Returns
    -------
    Where they lie, and the mask [k, j, i] of that box. The voxel under each point is always there, however small the
    brush is. Empty if the brush was outside the image all the time.

    Raises
    ------
    BadInput
        If there is no point, a coordinate is not a number, or the radius is not above 0.
    """
    points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
    if not len(points) or not np.isfinite(points).all():
        raise BadInput(tr("A stroke needs at least one point, and every coordinate must be a number."))
    if not np.isfinite(radius_mm) or radius_mm <= 0:
        raise BadInput(tr("The brush needs a radius above 0 mm, not {given:g}.").format(given=radius_mm))
    half_mm = slice_spacing_mm(geometry, axis) / 2 if shape == "disk" else None
    box = _reach(geometry, points, radius_mm)
    if box.empty:
        return box, np.zeros((0, 0, 0), dtype=np.bool_)
    i, j, k = box.size_ijk
    mask = np.zeros((k, j, i), dtype=np.bool_)
    ends = points[1:] if len(points) > 1 else points
    for a, b in zip(points, ends, strict=False):
        part = _reach(geometry, np.stack([a, b]), radius_mm)
        if not part.empty:
            mask[_within(box, part)] |= _capsule(geometry, part, a, b, radius_mm, axis, half_mm)
    _under_the_points(mask, box, geometry, points)
    return box, mask


def _capsule(
    geometry: Geometry,
    box: Box,
    start: NDArray[np.float64],
    stop: NDArray[np.float64],
    radius_mm: float,
    axis: int,
    half_mm: float | None,
) -> Mask:
    """Voxels of a box within the radius of the straight line between two points."""
    affine = geometry.affine_lps
    axes = [np.arange(a, b) for a, b in zip(box.start, box.stop, strict=True)]
    # Each coordinate of a voxel is a sum of one term per axis: no array of points is ever made.
    x, y, z = (
        affine[row, 3]
        + affine[row, 0] * axes[0][None, None, :]
        + affine[row, 1] * axes[1][None, :, None]
        + affine[row, 2] * axes[2][:, None, None]
        - start[row]
        for row in range(3)
    )
    off = [x, y, z]
    way = stop - start
    slab = None
    if half_mm is not None:
        slab = (off[axis] > -half_mm + _EDGE) & (off[axis] <= half_mm + _EDGE)
        off[axis] = np.zeros_like(off[axis])
        way = way.copy()
        way[axis] = 0.0
    length2 = float(way @ way)
    if length2 > 0:
        along = np.clip(sum(o * w for o, w in zip(off, way, strict=True)) / length2, 0.0, 1.0)
        off = [o - along * w for o, w in zip(off, way, strict=True)]
    inside = sum(o * o for o in off) <= radius_mm**2
    return np.asarray(inside if slab is None else inside & slab)


def _under_the_points(mask: Mask, box: Box, geometry: Geometry, points: NDArray[np.float64]) -> None:
    """The voxel under each point, and under the way between them, however small the brush is."""
    step = min(geometry.spacing_mm) / 2
    for a, b in zip(points, points[1:] if len(points) > 1 else points, strict=False):
        count = int(np.ceil(np.linalg.norm(b - a) / step)) + 1
        way = a + (b - a) * np.linspace(0, 1, count)[:, None]
        index = np.floor(geometry.to_index(way) + 0.5).astype(int) - np.asarray(box.start)
        index = index[np.all((index >= 0) & (index < np.asarray(box.size_ijk)), axis=1)]
        mask[index[:, 2], index[:, 1], index[:, 0]] = True


def _reach(geometry: Geometry, points: NDArray[np.float64], radius_mm: float) -> Box:
    """The part of the grid that the brush can reach."""
    # A ball's extent along a grid axis is its radius times the length of that row of the inverse.
    reach = radius_mm * np.linalg.norm(geometry.inverse[:3, :3], axis=1)
    index = geometry.to_index(points)
    start = np.clip(np.floor(index.min(axis=0) - reach + 0.5).astype(int), 0, geometry.size_ijk)
    stop = np.clip(np.floor(index.max(axis=0) + reach + 0.5).astype(int) + 1, 0, geometry.size_ijk)
    if np.any(stop <= start):
        return Box((0, 0, 0), (0, 0, 0))
    return Box((int(start[0]), int(start[1]), int(start[2])), (int(stop[0]), int(stop[1]), int(stop[2])))


def _within(outer: Box, inner: Box) -> tuple[slice, slice, slice]:
    k, j, i = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(inner.slices, outer.slices, strict=True))
    return k, j, i
