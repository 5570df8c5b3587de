"""Threshold against the surroundings: for structures on a background that is not equally bright everywhere."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.runs import Mask
from surgitwin.segmentation.slabs import each_slab

Side = Literal["brighter", "darker"]


def local_threshold(
    voxels: NDArray[Any],
    geometry: Geometry,
    window_mm: float,
    offset: float,
    side: Side = "brighter",
    ctx: Context | None = None,
) -> Mask:
    """Voxels that differ from the mean around them by more than ``offset``.

    Parameters
    ----------
    window_mm
        Edge of the cube around each voxel whose mean it is compared with; at least three voxels along each axis that
        it reaches beyond, and more than the structure's own width, or the structure is compared with itself.

    Raises
    ------
    BadInput
        If the window is smaller than a voxel's neighbours, or the offset is negative.
    """
    from scipy.ndimage import uniform_filter

    if not (np.isfinite(offset) and offset >= 0):
        raise BadInput(tr("The offset {value:g} must be 0 or more.").format(value=offset))
    half = [int(window_mm / 2 / s + 1e-6) for s in geometry.spacing_mm[::-1]]
    if not any(half):
        size = " x ".join(f"{v:.2g}" for v in geometry.spacing_mm)
        message = tr("A window of {mm:g} mm holds no neighbour: the voxels are {size} mm. Give a larger one.")
        raise BadInput(message.format(mm=window_mm, size=size))
    mask = np.zeros(voxels.shape, dtype=np.bool_)

    def work(slab: slice) -> None:
        first, last = max(slab.start - half[0], 0), min(slab.stop + half[0], voxels.shape[0])
        part = voxels[first:last].astype(np.float32)
        mean = uniform_filter(part, [2 * h + 1 for h in half], mode="nearest")
        own = slice(slab.start - first, slab.stop - first)
        difference = part[own] - mean[own]
        mask[slab] = difference > offset if side == "brighter" else difference < -offset

    each_slab(voxels.shape[0], work, ctx or Context(), tr("Comparing with the surroundings"))
    return mask
