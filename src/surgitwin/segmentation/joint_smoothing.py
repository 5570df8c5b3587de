"""Smoothing of several segments at once: their common borders move together, so that no gap and no overlap appears."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.slabs import each_slab

SIGMAS = 3.0


def smooth_together(
    labels: NDArray[np.uint8], geometry: Geometry, mm: float, ctx: Context | None = None
) -> NDArray[np.uint8]:
    """Smooth every label of a label map by a Gaussian.

    What belongs to any label at all is smoothed as one; inside of that each voxel goes to the label that weighs most
    around it. So two segments that touch go on touching: nothing between them becomes background.

    Parameters
    ----------
    labels
        [k, j, i]; 0 is background.
    mm
        Standard deviation.

    Raises
    ------
    BadInput
        If there are no labels, or ``mm`` is not above 0.
    """
    ctx = ctx or Context()
    if not (mm > 0 and np.isfinite(mm)):
        raise BadInput(tr("Smoothing by {mm:g} mm: give a width above 0 mm.").format(mm=mm))
    box = Box.of_mask(labels != 0)
    if box.empty:
        raise BadInput(tr("There is nothing to smooth: the segments are empty."))
    sigmas = [mm / s for s in geometry.spacing_mm[::-1]]
    reach = [int(np.ceil(SIGMAS * s)) for s in sigmas]
    work = _widened(box, reach, geometry.size_ijk)
    part = labels[work.slices]
    boxes = _boxes(part)
    result = labels.copy()
    target = result[work.slices]

    def smooth_slab(slab: slice) -> None:
        first, last = max(slab.start - reach[0], 0), min(slab.stop + reach[0], part.shape[0])
        here = part[first:last]
        own = slice(slab.start - first, slab.stop - first)
        best = np.zeros(here.shape, dtype=np.float32)
        found = np.zeros(here.shape, dtype=labels.dtype)
        for value, (low, high) in boxes.items():
            ctx.check()
            # Only as far as the Gaussian carries this label: sixty of them cost little more than one.
            from_to = zip(low - (first, 0, 0) - reach, high - (first, 0, 0) + reach, here.shape, strict=True)
            near = tuple(slice(max(a, 0), max(min(b, n), 0)) for a, b, n in from_to)
            mask = here[near] == value
            if not mask.any():
                continue
            weight, most, winner = _gaussian(mask, sigmas), best[near], found[near]
            more = weight > most
            most[more], winner[more] = weight[more], value
        inside = _gaussian(here != 0, sigmas)[own] >= 0.5 - 1e-4
        target[slab] = np.where(inside, found[own], 0)

    each_slab(part.shape[0], smooth_slab, ctx, tr("Smoothing"))
    return result


def _boxes(labels: NDArray[np.uint8]) -> dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For each label that occurs, its first and one after its last voxel, [k, j, i]."""
    from scipy import ndimage

    found = enumerate(ndimage.find_objects(labels), start=1)
    return {
        value: (np.array([side.start for side in box]), np.array([side.stop for side in box]))
        for value, box in found
        if box is not None
    }


def _gaussian(mask: NDArray[np.bool_], sigmas: Sequence[float]) -> NDArray[np.float32]:
    from scipy import ndimage

    filtered: NDArray[np.float32] = ndimage.gaussian_filter(
        mask.astype(np.float32), sigmas, truncate=SIGMAS, mode="nearest"
    )
    return filtered


def _widened(box: Box, reach_kji: Sequence[int], size_ijk: Sequence[int]) -> Box:
    low = [max(a - r, 0) for a, r in zip(box.start, reach_kji[::-1], strict=True)]
    high = [min(b + r, n) for b, r, n in zip(box.stop, reach_kji[::-1], size_ijk, strict=True)]
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
