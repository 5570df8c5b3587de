"""Smoothing of a mask, by millimetres."""

from __future__ import annotations

from typing import Literal

import numpy as np

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.islands import occupied_box
from surgitwin.segmentation.morphology import closed, opened, reach_ijk
from surgitwin.segmentation.runs import Mask
from surgitwin.segmentation.slabs import each_slab

SmoothMethod = Literal["median", "gaussian", "opening", "closing"]


def smooth(
    mask: Mask, geometry: Geometry, mm: float, method: SmoothMethod = "median", ctx: Context | None = None
) -> Mask:
    """A smoother ``mask`` ([k, j, i]).

    Parameters
    ----------
    mm
        ``gaussian``: the standard deviation. ``median``: half the width of the box whose majority decides.
        ``opening`` (removes spurs and bridges) and ``closing`` (fills gaps): the radius of the ball.
    method
        All but ``opening`` and ``closing`` leave flat faces where they are; a face where the image ends counts as
        continued beyond it.

    Raises
    ------
    BadInput
        If the mask is empty, nothing of it would be left, or ``mm`` is not above 0 or smaller than every voxel.
    """
    ctx = ctx or Context()
    if not (mm > 0 and np.isfinite(mm)):
        raise BadInput(tr("Smoothing by {mm:g} mm: give a width above 0 mm.").format(mm=mm))
    if method != "gaussian" and not any(reach_ijk(geometry, mm)):
        message = tr("Smoothing by {mm:g} mm changes nothing: the voxels are {size} mm; give at least {least:.2g} mm.")
        size = " x ".join(f"{v:.2g}" for v in geometry.spacing_mm)
        raise BadInput(message.format(mm=mm, size=size, least=min(geometry.spacing_mm)))
    box = occupied_box(mask)
    if method == "opening":
        smoothed = opened(mask, geometry, mm, ctx)
    elif method == "closing":
        smoothed = closed(mask, geometry, mm, ctx)
    else:
        smoothed = _filtered(mask, geometry, box, mm, method, ctx)
    if not smoothed.any():
        raise BadInput(tr("Smoothing by {mm:g} mm would remove the whole segment; give a smaller width.").format(mm=mm))
    return smoothed


def _filtered(mask: Mask, geometry: Geometry, box: Box, mm: float, method: SmoothMethod, ctx: Context) -> Mask:
    """Gaussian or box average of the mask, at least one half; slab by slab with the overlap that the filter needs."""
    from scipy import ndimage

    sigmas = [mm / s for s in geometry.spacing_mm[::-1]]
    reach = [int(np.ceil(3 * s)) for s in sigmas] if method == "gaussian" else list(reach_ijk(geometry, mm))[::-1]
    low = [max(a - r, 0) for a, r in zip(box.start, reach[::-1], strict=True)]
    high = [min(b + r, n) for b, r, n in zip(box.stop, reach[::-1], geometry.size_ijk, strict=True)]
    work = Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    part = mask[work.slices]
    result = np.zeros(mask.shape, dtype=np.bool_)
    target = result[work.slices]

    def filter_slab(slab: slice) -> None:
        first, last = max(slab.start - reach[0], 0), min(slab.stop + reach[0], part.shape[0])
        values = part[first:last].astype(np.float32)
        if method == "gaussian":
            average = ndimage.gaussian_filter(values, sigmas, truncate=3.0, mode="nearest")
        else:
            average = ndimage.uniform_filter(values, [2 * r + 1 for r in reach], mode="nearest")
        # An odd number of voxels never ties; a Gaussian ties on a flat face between voxels, where mask stays mask.
        target[slab] = average[slab.start - first : slab.stop - first] >= 0.5 - 1e-4

    each_slab(part.shape[0], filter_slab, ctx, tr("Smoothing"))
    return result
