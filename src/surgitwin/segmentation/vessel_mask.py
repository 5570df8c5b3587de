"""The contrast-filled vessels inside an organ.

What looks like a tube and is brighter than the organ is found by hysteresis, with thresholds in units of the noise that
the organ itself shows. Where a vessel ends sideways follows from how bright it is in its middle: a scanner blurs a
vessel of radius r by a spread s; a wide one keeps its full contrast in the middle and has half of it at its wall, a
thin one loses contrast in the middle as 1 - exp(-r^2 / 2 s^2) and has (1 - exp(-r^2 / s^2) I0(r^2 / s^2)) / 2 at its
wall (a disc blurred by a Gaussian; I0 the modified Bessel function). Both depend on r / s alone, so the level at the
wall follows from the level in the middle without knowing the scanner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.morphology import dilate
from surgitwin.segmentation.runs import Mask, Runs
from surgitwin.segmentation.vessel_filter import Field, Tubes, box_around, default_scales_mm, tubes
from surgitwin.segmentation.vessel_gaps import bridge_gaps
from surgitwin.segmentation.vessel_graph import centre_lines
from surgitwin.segmentation.vessel_points import voxels_at

MARGIN_MM = 6.0
WEAK, STRONG = 3.2, 8.0
POINT_REACH_MM = 3.0
_DARKEST, _BRIGHTEST = -1.5, 6.0
_BRIGHT_NEIGHBOUR = 2.5
_SMOOTH_MM = 0.8
_ACROSS_MM, _ALONG_MM = 0.66, 1.5
_LEAST_CONTRAST = 0.9
_WIDE_MM = 1.8
_PEAK_REACH_MM = 4.0
_WALL = 1.1
_NEAREST = 5


@dataclass(frozen=True, eq=False)
class _Part:
    """The organ's box: image in units of the organ's noise above its median, and the organ."""

    image: Field
    organ: Mask
    spacing: NDArray[np.float64]  # along k, j, i

    def smoothed(self, mm: float) -> Field:
        from scipy import ndimage

        return np.asarray(ndimage.gaussian_filter(self.image, mm / self.spacing, mode="nearest"), dtype=np.float32)


def vessels(
    voxels: NDArray[Any],
    geometry: Geometry,
    organ: Mask,
    at_mm: Sequence[Sequence[float]] = (),
    *,
    margin_mm: float = 0.0,
    gap_mm: float = 6.0,
    least_mm3: float = 30.0,
    sensitivity: float = 1.0,
    ctx: Context | None = None,
) -> Mask:
    """The vessels in ``organ`` that are brighter than it.

    Parameters
    ----------
    voxels
        Real numbers, [k, j, i]; CT or MR with contrast agent in the vessels.
    organ
        [k, j, i]; its vessels may be part of it or not where they are narrower than ``margin_mm`` twice.
    at_mm
        Points on vessels, LPS mm: then only what hangs together with them is kept.
    margin_mm
        Look this far outside the organ too.
    gap_mm
        Gaps up to this long are bridged; 0 leaves them.
    least_mm3
        Pieces smaller than this are dropped.
    sensitivity
        Above 1 finds fainter vessels and more noise, below 1 fewer.

    Raises
    ------
    BadInput
        If the organ is empty, nothing in it stands out, or a point lies on no vessel.
    """
    ctx = ctx or Context()
    if not organ.any():
        raise BadInput(tr("The organ is empty: segment it before its vessels."))
    if margin_mm > 0:
        organ = dilate(organ, geometry, margin_mm, ctx.part(0.0, 0.05))
    box = box_around(organ, geometry, MARGIN_MM)
    local = geometry.cropped(box)
    part = _normalised(voxels[box.slices], np.ascontiguousarray(organ[box.slices]), local)
    seen = tubes(part.image, part.organ, local.spacing_mm, default_scales_mm(local), ctx.part(0.05, 0.6))
    ctx.progress(0.6, tr("Following vessels"))
    rough = _hysteresis(part, seen, sensitivity)
    if not rough.any():
        raise BadInput(tr("No vessel stands out in the organ: the image shows no contrast agent in it."))
    mask = _to_the_walls(part, seen, rough, ctx.part(0.65, 0.85))
    mask = _large_pieces(mask, least_mm3 / local.voxel_volume_mm3)
    if gap_mm > 0:
        mask = bridge_gaps(mask, seen.strength, local, gap_mm, part.organ, ctx.part(0.85, 0.97))
    mask = _large_pieces(mask, 4 * least_mm3 / local.voxel_volume_mm3)
    whole = np.zeros(geometry.shape_kji, dtype=np.bool_)
    whole[box.slices] = mask
    return _hanging_on(whole, geometry, box, at_mm) if len(at_mm) else whole


def _normalised(voxels: NDArray[Any], organ: Mask, geometry: Geometry) -> _Part:
    """The image as multiples of the organ's noise; what is dark around the organ is made as bright as the organ."""
    from scipy import ndimage

    inside = voxels[organ].astype(np.float32)
    if not np.isfinite(inside).all():
        raise BadInput(tr("The image has voxels without a value in the organ; vessels cannot be found there."))
    middle = float(np.median(inside))
    brightest = float(np.quantile(inside, 0.999))
    spread = max(1.4826 * float(np.median(np.abs(inside - middle))), 0.02 * (brightest - middle))
    if not spread > 0:
        raise BadInput(tr("The organ has one value throughout; vessels cannot be found in it."))
    top = max(_BRIGHTEST, (brightest - middle) / spread)
    image = np.clip((voxels.astype(np.float32) - np.float32(middle)) / np.float32(spread), _DARKEST, top)
    np.nan_to_num(image, copy=False)
    spacing = np.array(geometry.spacing_mm[::-1])
    smooth = ndimage.gaussian_filter(image, _SMOOTH_MM / spacing, mode="nearest")
    image[~organ & (smooth < _BRIGHT_NEIGHBOUR)] = 0
    return _Part(image, organ, spacing)


def _hysteresis(part: _Part, seen: Tubes, sensitivity: float) -> Mask:
    """What is tube-like and bright enough, grown from what is very tube-like."""
    bright = part.smoothed(_SMOOTH_MM) > _LEAST_CONTRAST / sensitivity
    return hysteresis(seen.strength, bright & part.organ, WEAK / sensitivity, STRONG / sensitivity)


def hysteresis(strength: Field, allowed: Mask, weak: float, strong: float) -> Mask:
    """Where ``strength`` exceeds ``weak``, as far as that hangs together, by corners too, with what exceeds ``strong``.

    Parameters
    ----------
    strength
        [k, j, i].
    allowed
        Nothing outside of it counts.
    """
    runs = Runs.of((strength > weak) & allowed)
    labels = runs.components("corners")
    seeds = np.flatnonzero((strength > max(weak, strong)) & allowed)
    keep = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.bool_)
    keep[labels[runs.at(seeds)]] = True
    return runs.mask(keep[labels])


def _full_contrast(part: _Part, rough: Mask) -> float:
    """The contrast of vessels so wide that their middle is not blurred, or of the widest there are."""
    from scipy import ndimage

    bright = rough & (part.smoothed(_SMOOTH_MM) > 2.0)
    depth = ndimage.distance_transform_edt(bright, sampling=part.spacing)
    deep = depth > _WIDE_MM
    if np.count_nonzero(deep) < 50:
        return float(np.quantile(part.image[rough], 0.98))
    return float(np.median(part.image[deep]))


def _to_the_walls(part: _Part, seen: Tubes, rough: Mask, ctx: Context) -> Mask:
    """The vessels with their walls where the contrast of their middle puts them."""
    from scipy import ndimage

    full = _full_contrast(part, rough)
    near = ndimage.binary_dilation(rough, np.ones((3, 3, 3))) & part.organ
    places = np.flatnonzero(near)
    index = np.array(np.unravel_index(places, near.shape))
    ctx.progress(0.1, tr("Finding the vessels' walls"))
    level = _along_the_vessel(part, seen, places, index)
    ctx.progress(0.5, tr("Finding the vessels' walls"))
    field = np.full(near.shape, -10, dtype=np.float32)
    field.reshape(-1)[places] = level
    wall = _wall_levels(part, field, rough, index, full)
    mask = np.zeros(near.shape, dtype=np.bool_)
    mask.reshape(-1)[places] = level > wall
    # The inside of what is wider than the widest scale is bright without being tube-like.
    inside = (part.smoothed(1.25 * _SMOOTH_MM) > 0.6 * full) & part.organ
    runs = Runs.of(inside | mask)
    labels = runs.components()
    keep = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.bool_)
    keep[labels[runs.at(np.flatnonzero(mask))]] = True
    return runs.mask(keep[labels])


def _along_the_vessel(part: _Part, seen: Tubes, places: NDArray[np.int64], index: NDArray[np.int64]) -> Field:
    """The image at ``places``, averaged along the vessel: noise goes, the wall stays."""
    from scipy import ndimage

    image = part.smoothed(_ACROSS_MM)
    along = seen.along.reshape(3, -1)[:, places].astype(np.float32) / 127
    steps = np.linspace(-2, 2, 9) * _ALONG_MM
    weights = np.exp(-0.5 * (steps / _ALONG_MM) ** 2)
    total = np.zeros(places.size, dtype=np.float32)
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        at = index + along * (step / part.spacing)[:, None]
        total += np.float32(weight) * ndimage.map_coordinates(image, at, output=np.float32, order=1, mode="nearest")
    return total


def _wall_levels(part: _Part, field: Field, rough: Mask, index: NDArray[np.int64], full: float) -> Field:
    """The level at the wall of the vessel that each voxel (``index``, (3, n)) is nearest to."""
    from scipy import ndimage
    from scipy.spatial import cKDTree

    middle = np.argwhere(centre_lines(rough, part.spacing))
    places = middle * part.spacing
    peaks = ndimage.maximum_filter(field, size=(1, 3, 3))[tuple(middle.T)]
    tree = cKDTree(places)
    around = tree.query_ball_point(places, _PEAK_REACH_MM)
    peaks = np.array([np.median(peaks[near]) for near in around])
    radius = ndimage.distance_transform_edt(rough, sampling=part.spacing)[tuple(middle.T)]
    count = min(_NEAREST, len(middle))
    gap, nearest = tree.query(index.T * part.spacing, k=list(range(1, count + 1)))
    choice = np.argmin(gap - radius[nearest], axis=1)
    mine = nearest[np.arange(len(nearest)), choice]
    return np.asarray(_wall_level(peaks[mine] / full) * full, dtype=np.float32)


def _wall_level(peak: NDArray[np.float64]) -> NDArray[np.float64]:
    """Contrast at the wall for the contrast ``peak`` in the middle, both as shares of the full contrast.

    A little above what the formula says, for in noise a flat slope lets the wall wander farther out than in.
    """
    from scipy.special import ive

    ratio = np.linspace(0.02, 6.0, 600)
    middle, wall = 1 - np.exp(-(ratio**2) / 2), (1 - ive(0, ratio**2)) / 2
    return np.asarray(np.minimum(_WALL * np.interp(np.clip(peak, 0.05, 0.999), middle, wall), 0.5))


def _large_pieces(mask: Mask, least_voxels: float) -> Mask:
    runs = Runs.of(mask)
    labels = runs.components("corners")
    return runs.mask((runs.sizes(labels) >= least_voxels)[labels])


def _hanging_on(mask: Mask, geometry: Geometry, box: Box, at_mm: Sequence[Sequence[float]]) -> Mask:
    """The pieces of ``mask`` that the points lie on."""
    seeds = voxels_at(mask, geometry, at_mm, tr("point"), POINT_REACH_MM)
    part = np.ascontiguousarray(mask[box.slices])
    runs = Runs.of(part)
    labels = runs.components("corners")
    local = seeds - np.array(box.start[::-1])
    own = labels[runs.at(np.ravel_multi_index(tuple(local.T), part.shape))]
    whole = np.zeros(mask.shape, dtype=np.bool_)
    whole[box.slices] = runs.mask(np.isin(labels, own))
    return whole
