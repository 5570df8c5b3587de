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
_EDGE = 1e-9  # mm, or voxels
FloatArray = NDArray[np.float64]
Flat = tuple[int, float]  # of a disk: the axis that its slice lies across, and half the slice's thickness in mm


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
    flat = (axis, half_mm) if half_mm is not None else None
    box = _reach(geometry, points, radius_mm, flat)
    if box.empty:
        return box, np.zeros((0, 0, 0), dtype=np.bool_)
    i, j, k = box.size_ijk
    mask = np.zeros((k, j, i), dtype=np.bool_)
    ends = points[1:] if len(points) > 1 else points
    for a, b in zip(points, ends, strict=False):
        part = _reach(geometry, np.stack([a, b]), radius_mm, flat)
        if not part.empty:
            mask[_within(box, part)] |= _capsule(geometry, part, a, b, radius_mm, flat)
    _under_the_points(mask, box, geometry, points)
    return box, mask


def _capsule(
    geometry: Geometry, box: Box, start: FloatArray, stop: FloatArray, radius_mm: float, flat: Flat | None
) -> Mask:
    """Voxels of a box within the radius of the straight line between two points."""
    affine = geometry.affine_lps
    j, k = (np.arange(box.start[axis], box.stop[axis]) for axis in (1, 2))
    # Where each row along i begins, from the start of the way, (3, k, j), and its step; what the brush takes is convex,
    # so that of each row it is all from one voxel to another.
    row = (
        (affine[:3, 3] - start)[:, None, None] + affine[:3, 1, None, None] * j + affine[:3, 2, None, None] * k[:, None]
    )
    step, way = affine[:3, 0].copy(), stop - start
    first, last = np.full(row.shape[1:], -np.inf), np.full(row.shape[1:], np.inf)
    if flat is not None:
        axis, half = flat
        first, last = _between(row[axis], step[axis], -half + _EDGE, half + _EDGE)
        row[axis], step[axis], way[axis] = 0.0, 0.0, 0.0
    ends = _near(row, step, radius_mm), _near(row - way[:, None, None], step, radius_mm)
    low, high = np.minimum(ends[0][0], ends[1][0]), np.maximum(ends[0][1], ends[1][1])
    length2 = float(way @ way)
    if length2 > 0:
        along, more = np.tensordot(way, row, axes=1) / length2, float(way @ step) / length2
        side = _near(row - way[:, None, None] * along, step - way * more, radius_mm)
        middle = _between(along, more, 0.0, 1.0)
        begin, end = np.maximum(side[0], middle[0]), np.minimum(side[1], middle[1])
        there = begin <= end
        low, high = np.where(there, np.minimum(low, begin), low), np.where(there, np.maximum(high, end), high)
    first, last = np.ceil(np.maximum(first, low)), np.floor(np.minimum(last, high))
    count = box.size_ijk[0]
    begin, end = (np.clip(side - box.start[0], -1, count).astype(np.int32)[..., None] for side in (first, last))
    i = np.arange(count, dtype=np.int32)
    return np.asarray((i >= begin) & (i <= end))


def _near(row: FloatArray, step: FloatArray, radius_mm: float) -> tuple[FloatArray, FloatArray]:
    """From which to which t row + t step, rows (3, k, j), lies within the radius of the origin, its rim included."""
    a, b = float(step @ step), np.tensordot(step, row, axes=1)
    c = np.sum(row * row, axis=0) - (radius_mm + _EDGE) ** 2
    if a < _EDGE**2:
        return _all_where(c <= 0)
    square = b * b - a * c
    root = np.sqrt(np.maximum(square, 0.0))
    missed = square < 0
    return np.where(missed, np.inf, (-b - root) / a), np.where(missed, -np.inf, (-b + root) / a)


def _between(value: FloatArray, step: float, low: float, high: float) -> tuple[FloatArray, FloatArray]:
    """From which to which t value + t step lies between two numbers."""
    if abs(step) < _EDGE:
        return _all_where((value > low) & (value <= high))
    ends = (low - value) / step, (high - value) / step
    return np.minimum(*ends), np.maximum(*ends)


def _all_where(true: Mask) -> tuple[FloatArray, FloatArray]:
    return np.where(true, -np.inf, np.inf), np.where(true, np.inf, -np.inf)


def _under_the_points(mask: Mask, box: Box, geometry: Geometry, points: FloatArray) -> None:
    """The voxel under each point, and under the way between them, however small the brush is."""
    step = min(geometry.spacing_mm) / 2
    for a, b in zip(points, points[1:] if len(points) > 1 else points, strict=False):
        count = int(np.ceil(np.linalg.norm(b - a) / step)) + 1
        way = a + (b - a) * np.linspace(0, 1, count)[:, None]
        index = np.floor(geometry.to_index(way) + 0.5).astype(int) - np.asarray(box.start)
        index = index[np.all((index >= 0) & (index < np.asarray(box.size_ijk)), axis=1)]
        mask[index[:, 2], index[:, 1], index[:, 0]] = True


def _reach(geometry: Geometry, points: FloatArray, radius_mm: float, flat: Flat | None) -> Box:
    """The part of the grid that the brush can reach."""
    # A ball's extent along a grid axis is its radius times the length of that row of the inverse.
    inverse = geometry.inverse[:3, :3]
    reach = radius_mm * np.linalg.norm(inverse, axis=1)
    if flat is not None:
        axis, half = flat
        disk = radius_mm * np.linalg.norm(np.delete(inverse, axis, axis=1), axis=1) + half * np.abs(inverse[:, axis])
        reach = disk + _EDGE
    index = geometry.to_index(points)
    start = np.clip(np.floor(index.min(axis=0) - reach + 0.5).astype(int), 0, geometry.size_ijk)
    stop = np.clip(np.floor(index.max(axis=0) + reach + 0.5).astype(int) + 1, 0, geometry.size_ijk)
    if np.any(stop <= start):
        return Box((0, 0, 0), (0, 0, 0))
    return Box((int(start[0]), int(start[1]), int(start[2])), (int(stop[0]), int(stop[1]), int(stop[2])))


def _within(outer: Box, inner: Box) -> tuple[slice, slice, slice]:
    k, j, i = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(inner.slices, outer.slices, strict=True))
    return k, j, i
