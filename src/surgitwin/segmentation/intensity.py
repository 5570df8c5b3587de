"""Segments by intensity: a threshold, and growing from a point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.runs import Mask, Runs
from surgitwin.segmentation.slabs import each_slab

Voxels = NDArray[Any]


def threshold(voxels: Voxels, low: float, high: float, ctx: Context | None = None) -> Mask:
    """Voxels from ``low`` to ``high``, both included.

    Parameters
    ----------
    voxels
        Real numbers of any type, [k, j, i]; CT in HU.
    low, high
        In the unit of ``voxels``; may be infinite.

    Raises
    ------
    BadInput
        If ``low`` is above ``high`` or one of them is not a number.
    """
    check_range(low, high)
    mask = np.empty(voxels.shape, dtype=np.bool_)
    bottom, top = _same_type(voxels, low, high)

    def work(slab: slice) -> None:
        part = voxels[slab]
        np.greater_equal(part, bottom, out=mask[slab])
        np.logical_and(mask[slab], part <= top, out=mask[slab])

    if bottom > top:  # whole numbers: 1.2 to 1.8 holds none
        mask[...] = False
        return mask
    each_slab(voxels.shape[0], work, ctx or Context(), tr("Comparing voxels"))
    return mask


def found_between(voxels: Voxels, low: float, high: float, ctx: Context | None = None) -> Mask:
    """As `threshold`, where nothing found is an error.

    Raises
    ------
    BadInput
        Then too; the sentence says which values the image holds.
    """
    mask = threshold(voxels, low, high, ctx)
    if not mask.any():
        message = tr("No voxel lies between {low:g} and {high:g}; the image holds {least:g} to {most:g}.")
        least, most = float(np.nanmin(voxels)), float(np.nanmax(voxels))
        raise BadInput(message.format(low=low, high=high, least=least, most=most))
    return mask


def check_range(low: float, high: float) -> None:
    """Refuse a range that holds nothing."""
    if np.isnan(low) or np.isnan(high):
        raise BadInput(tr("A threshold needs two numbers; 'not a number' was given."))
    if low > high:
        message = tr("The lower threshold {low:g} is above the upper threshold {high:g}; swap them.")
        raise BadInput(message.format(low=low, high=high))


def region_grow(
    voxels: Voxels,
    geometry: Geometry,
    seed_mm: Sequence[float],
    low: float | None = None,
    high: float | None = None,
    *,
    tolerance: float | None = None,
    radius_mm: float | None = None,
    ctx: Context | None = None,
) -> Mask:
    """The voxels in a range that hang together, face to face, with the one at a point.

    Parameters
    ----------
    seed_mm
        The point, LPS millimetres.
    low, high
        The range, both included; or
    tolerance
        the range as the median of the seed's 3x3x3 neighbourhood, give or take this much. The median, because one
        voxel's noise would move the whole range.
    radius_mm
        Grow no farther from the seed than this.

    Raises
    ------
    BadInput
        If the point lies outside the image, its value lies outside the range, or the range is missing or empty.
    """
    ctx = ctx or Context()
    seed = _seed_index(geometry, seed_mm)
    low, high = _range_at(voxels, seed, low, high, tolerance)
    i, j, k = _nearest_in_range(voxels, seed, low, high, move=tolerance is not None)
    box = geometry.full_box if radius_mm is None else _ball_box(geometry, (i, j, k), radius_mm)
    inside = threshold(voxels[box.slices], low, high, ctx.part(0.0, 0.4))
    if radius_mm is not None:
        inside &= _ball(geometry.cropped(box), geometry.to_lps((i, j, k)), radius_mm)
    runs = Runs.of(inside, ctx.part(0.4, 0.6))
    ctx.progress(0.6, tr("Following the region"))
    labels = runs.components()
    local = np.array((k, j, i)) - np.array(box.start[::-1])
    start = runs.at(np.array([np.ravel_multi_index(tuple(local), inside.shape)], dtype=np.int64))[0]
    ctx.check()
    grown = runs.mask(labels == labels[start])
    if box == geometry.full_box:
        return grown
    mask = np.zeros(voxels.shape, dtype=np.bool_)
    mask[box.slices] = grown
    return mask


def _same_type(voxels: Voxels, low: float, high: float) -> tuple[Any, Any]:
    """The thresholds as numbers of the voxels' own type, so that no copy of the volume in another type is made."""
    if not np.issubdtype(voxels.dtype, np.integer):
        return low, high
    limits = np.iinfo(voxels.dtype)
    bottom = max(np.ceil(low), limits.min) if np.isfinite(low) or low > 0 else limits.min
    top = min(np.floor(high), limits.max) if np.isfinite(high) or high < 0 else limits.max
    if bottom > limits.max or top < limits.min:
        return 1, 0
    return int(bottom), int(top)


def _seed_index(geometry: Geometry, seed_mm: Sequence[float]) -> tuple[int, int, int]:
    point = np.asarray(seed_mm, dtype=np.float64)
    if point.shape != (3,) or not np.all(np.isfinite(point)):
        raise BadInput(tr("A seed point needs three numbers, x, y and z in LPS millimetres."))
    if not geometry.contains(point):
        lowest, highest = geometry.bounds_mm()
        message = tr("The seed point ({point}) mm lies outside the image, which reaches from ({low}) to ({high}) mm.")
        raise BadInput(message.format(point=_numbers(point), low=_numbers(lowest), high=_numbers(highest)))
    i, j, k = (int(v) for v in np.rint(geometry.to_index(point)))
    return i, j, k


def _neighbourhood(voxels: Voxels, seed: tuple[int, int, int]) -> tuple[Voxels, Box]:
    box = Box(seed, (seed[0] + 1, seed[1] + 1, seed[2] + 1)).grown(1, voxels.shape[::-1])
    return voxels[box.slices], box


def _range_at(
    voxels: Voxels, seed: tuple[int, int, int], low: float | None, high: float | None, tolerance: float | None
) -> tuple[float, float]:
    if tolerance is not None:
        if tolerance < 0:
            raise BadInput(tr("The tolerance {value:g} is negative; give 0 or more.").format(value=tolerance))
        middle = float(np.median(_neighbourhood(voxels, seed)[0]))
        return middle - tolerance, middle + tolerance
    if low is None or high is None:
        raise BadInput(tr("Growing from a point needs either a lower and an upper threshold, or a tolerance."))
    check_range(low, high)
    return low, high


def _nearest_in_range(
    voxels: Voxels, seed: tuple[int, int, int], low: float, high: float, *, move: bool
) -> tuple[int, int, int]:
    """The seed, or with ``move`` the nearest of its 26 neighbours that is in range; refuse if there is none."""
    value = float(voxels[seed[::-1]])
    if low <= value <= high:
        return seed
    around, box = _neighbourhood(voxels, seed)
    found = np.argwhere((around >= low) & (around <= high))[:, ::-1] + np.array(box.start)
    if not move or len(found) == 0:
        message = tr("The voxel at the seed point has the value {value:g}, outside the range {low:g} to {high:g}.")
        raise BadInput(message.format(value=value, low=low, high=high))
    i, j, k = (int(v) for v in found[np.argmin(np.sum((found - np.array(seed)) ** 2, axis=1))])
    return i, j, k


def _ball_box(geometry: Geometry, centre: tuple[int, int, int], radius_mm: float) -> Box:
    if not radius_mm > 0:
        raise BadInput(tr("The radius {value:g} mm must be above 0.").format(value=radius_mm))
    # Planes of constant index along axis a lie 1 / |row a of the inverse| mm apart.
    reach = np.ceil(radius_mm * np.linalg.norm(geometry.inverse[:3, :3], axis=1)).astype(int)
    low = np.maximum(np.array(centre) - reach, 0)
    high = np.minimum(np.array(centre) + reach + 1, geometry.size_ijk)
    (i0, j0, k0), (i1, j1, k1) = (int(v) for v in low), (int(v) for v in high)
    return Box((i0, j0, k0), (i1, j1, k1))


def _ball(geometry: Geometry, centre_mm: NDArray[np.float64], radius_mm: float) -> Mask:
    """Voxels whose centre lies within ``radius_mm`` of a point; [k, j, i]."""
    i, j, k = (np.arange(n, dtype=np.float64) for n in geometry.size_ijk)
    affine = geometry.affine_lps
    squared = np.zeros(geometry.shape_kji)
    for axis in range(3):
        line = (
            affine[axis, 0] * i[None, None, :] + affine[axis, 1] * j[None, :, None] + affine[axis, 2] * k[:, None, None]
        )
        squared += (line + (affine[axis, 3] - centre_mm[axis])) ** 2
    return np.asarray(squared <= radius_mm**2 + 1e-9)


def _numbers(point: NDArray[np.float64]) -> str:
    return ", ".join(f"{v:.1f}" for v in point)
