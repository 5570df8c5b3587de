"""A lesion from one click and a radius, or from a short line across it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, FloatArray, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.continuous_cut import continuous_cut
from surgitwin.segmentation.islands import fill_holes
from surgitwin.segmentation.lesion_models import Surroundings, border_offset, signed_distance
from surgitwin.segmentation.local_grid import Field, LocalGrid
from surgitwin.segmentation.runs import Mask, Runs

LARGEST_RADIUS_MM = 100.0
_REACH = 1.5
_STEPS = 16.0
_REACH_MM = 2.0
_SMOOTHNESS_MM = 0.7
_FIXED = np.float32(1e3)
_CLEARANCE_MM = 2.0
_OPEN_SHARE = 0.2
_NECK = 0.4


def lesion_at(
    voxels: NDArray[Any],
    geometry: Geometry,
    at_mm: ArrayLike,
    radius_mm: float,
    ctx: Context | None = None,
) -> Mask:
    """The lesion around a point: one closed piece without holes.

    Around the click a small cube of the image is cut out. Which values belong to the lesion follows from the value at
    the point and the tissues around it (`lesion_models.beside_background`); the smoothest region that fits is found by
    a minimal cut (`continuous_cut`). Its border is then put where the profile across it steps down to the organ
    (`lesion_models.border_offset`).

    Parameters
    ----------
    voxels
        Real numbers of any kind, [k, j, i]; CT or MR.
    at_mm
        A point in the lesion, LPS mm; best near its middle.
    radius_mm
        How far the lesion reaches from the point, roughly. Nothing beyond 1.5 times this plus 2 mm is taken.

    Raises
    ------
    BadInput
        If the point lies outside the image, the radius is too small or too large for it, the lesion cannot be told
        from what is around it, or it goes on beyond the reach.
    """
    ctx = ctx or Context()
    point = _point(geometry, at_mm)
    _check_radius(geometry, radius_mm)
    step = max(0.5 * min(geometry.spacing_mm), radius_mm / _STEPS)
    reach = _REACH * radius_mm + _REACH_MM
    grid = LocalGrid.around(geometry, point, max(reach, 2 * radius_mm) + 3 * step, step)
    ctx.progress(0.05, tr("Looking at the lesion and around it"))
    image, inside = grid.sample(voxels)
    if not np.isfinite(image).all():
        raise BadInput(tr("The image has voxels without a value around the point; a lesion cannot be found there."))
    distance = grid.distance_mm()
    beyond = (distance > reach) | ~inside
    around = Surroundings.of(image, distance, ~beyond, radius_mm, step)
    rough = _rough(around, distance, beyond, radius_mm, step, ctx.part(0.1, 0.6))
    _check_closed(rough, distance, inside, reach, step)
    ctx.progress(0.6, tr("Finding the border"))
    depth = _at_border(image, around, rough, beyond, step)
    ctx.progress(0.9, tr("Drawing the lesion"))
    return _on_image(grid, -depth, geometry, point)


def lesion_across(
    voxels: NDArray[Any],
    geometry: Geometry,
    from_mm: ArrayLike,
    to_mm: ArrayLike,
    ctx: Context | None = None,
) -> Mask:
    """The lesion that a line was drawn across, from border to border; see `lesion_at`.

    Parameters
    ----------
    from_mm, to_mm
        The line's ends, LPS mm.

    Raises
    ------
    BadInput
        As `lesion_at`.
    """
    a, b = _point(geometry, from_mm), _point(geometry, to_mm)
    return lesion_at(voxels, geometry, (a + b) / 2, float(np.linalg.norm(b - a)) / 2, ctx)


def _point(geometry: Geometry, at_mm: ArrayLike) -> FloatArray:
    point = np.asarray(at_mm, dtype=np.float64)
    if point.shape != (3,) or not np.all(np.isfinite(point)):
        raise BadInput(tr("A lesion's point needs three numbers, x, y and z in LPS millimetres."))
    if not geometry.contains(point):
        low, high = (", ".join(f"{v:.1f}" for v in end) for end in geometry.bounds_mm())
        message = tr("The point ({point}) mm lies outside the image, which reaches from ({low}) to ({high}) mm.")
        raise BadInput(message.format(point=", ".join(f"{v:.1f}" for v in point), low=low, high=high))
    return point


def _check_radius(geometry: Geometry, radius_mm: float) -> None:
    least = 1.5 * float(np.median(geometry.spacing_mm))
    if not (np.isfinite(radius_mm) and least <= radius_mm <= LARGEST_RADIUS_MM):
        message = tr("A lesion of radius {radius:g} mm cannot be found in this image; give {least:.1f} to {most:g} mm.")
        raise BadInput(message.format(radius=radius_mm, least=np.ceil(10 * least) / 10, most=LARGEST_RADIUS_MM))


def _rough(around: Surroundings, distance: Field, beyond: Mask, radius_mm: float, step: float, ctx: Context) -> Mask:
    """The lesion's shape: all that differs from the tissues around and hangs on the point."""
    cost = around.cost()
    cost[beyond] = _FIXED
    cost[distance <= max(min(0.2 * radius_mm, 3.0), 0.9 * step)] = -_FIXED
    # The noisier, the smoother; shrinking by that is made good when the border is placed.
    weight = _SMOOTHNESS_MM * float(np.clip(step / around.contrast_to_noise(), 1.0, 3.0))
    box = Box.of_mask(~beyond).grown(1, beyond.shape[::-1])
    region = np.zeros(beyond.shape, dtype=np.bool_)
    region[box.slices] = continuous_cut(cost[box.slices], weight, (step,) * 3, ctx, rounds=100) > 0.5
    return _without_leaks(_around_middle(region), distance, radius_mm, step)


def _at_border(image: Field, around: Surroundings, rough: Mask, beyond: Mask, step: float) -> Field:
    """Signed distance from the lesion's border, mm, negative inside."""
    from scipy import ndimage

    away = signed_distance(rough, step)
    foreign = around.foreign() & ~rough
    disturbed = ndimage.distance_transform_edt(~(foreign | beyond)) * step < _CLEARANCE_MM
    depth = away - np.float32(border_offset(image, away, ~disturbed, step))
    depth[(beyond | foreign) & ~rough & (depth < 0)] = 0.5 * step
    return depth


def _without_leaks(region: Mask, distance: Field, radius_mm: float, step: float) -> Mask:
    """The part of ``region`` around the point; what hangs on it by a neck much thinner than itself is cut off."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1, 1:-1] * step
    neck = _NECK * float(depth[distance <= max(0.5 * radius_mm, step)].max())
    inner = (depth > neck) | (distance <= step)
    nearest_part = _around_middle(inner | (region & (distance <= neck)))
    return _around_middle(region & (ndimage.distance_transform_edt(~nearest_part) * step <= neck + step))


def _around_middle(mask: Mask) -> Mask:
    """The connected piece of the cube's ``mask`` that holds the middle voxel."""
    runs = Runs.of(mask)
    labels = runs.components()
    nk, nj, ni = mask.shape
    at = runs.at(np.array([((nk // 2) * nj + nj // 2) * ni + ni // 2], dtype=np.int64))[0]
    return runs.mask(labels == labels[at])


def _check_closed(region: Mask, distance: Field, inside: Mask, reach: float, step: float) -> None:
    """Refuse a region of which a good part of the border is the reach and nothing in the image."""
    from scipy import ndimage

    rim = region & ~ndimage.binary_erosion(region) & inside
    stopped = rim & (distance > reach - 2 * step)
    if np.count_nonzero(stopped) > _OPEN_SHARE * np.count_nonzero(rim):
        message = tr("What is at the point has no clear border within {mm:.0f} mm; give a larger radius or paint it.")
        raise BadInput(message.format(mm=reach))


def _on_image(grid: LocalGrid, region: Field, geometry: Geometry, point: FloatArray) -> Mask:
    """The region on the image's own voxels: one piece with the voxel at the point, no holes."""
    part, box = grid.to_image(region, 0.0)
    i, j, k = (int(v) for v in np.rint(geometry.to_index(point)))
    local = (k - box.start[2], j - box.start[1], i - box.start[0])
    part[local] = True
    runs = Runs.of(part)
    labels = runs.components()
    at = runs.at(np.array([np.ravel_multi_index(local, part.shape)], dtype=np.int64))[0]
    mask = np.zeros(geometry.shape_kji, dtype=np.bool_)
    mask[box.slices] = fill_holes(runs.mask(labels == labels[at]), geometry.cropped(box))
    return mask
