"""Watershed from seeds: basins of the gradient's strength, flooded from the seeds until they meet."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr


def watershed_from_seeds(
    voxels: NDArray[Any],
    seeds: NDArray[Any],
    geometry: Geometry,
    *,
    sigma_mm: float = 1.0,
    margin_mm: float | None = None,
    ctx: Context | None = None,
) -> NDArray[np.int32]:
    """The basin of each seed, [k, j, i]; every voxel within the margin belongs to one (S. Beucher and F. Meyer, 1993).

    Parameters
    ----------
    sigma_mm
        Smoothing before the gradient is taken: more lets small edges be flooded.
    margin_mm
        Flood no farther beyond the box around all seeds than this; None: as far as the image goes.

    Raises
    ------
    BadInput
        If there are fewer than two seeds.
    """
    from scipy.ndimage import gaussian_gradient_magnitude
    from skimage.segmentation import watershed

    ctx = ctx or Context()
    if seeds.shape != voxels.shape:
        raise BadInput(tr("The seeds do not lie on the image's grid."))
    box = Box.of_mask(seeds != 0)
    if box.empty or not _two(seeds[box.slices]):
        raise BadInput(tr("A watershed needs at least two seeds. Mark the background as well."))
    if margin_mm is not None:
        reach = [int(np.ceil(margin_mm / s)) for s in geometry.spacing_mm]
        start = [max(a - r, 0) for a, r in zip(box.start, reach, strict=True)]
        stop = [min(b + r, n) for b, r, n in zip(box.stop, reach, geometry.size_ijk, strict=True)]
        box = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
    else:
        box = geometry.full_box
    ctx.progress(0.1, tr("Finding edges"))
    sigmas = [max(sigma_mm, 1e-3) / s for s in geometry.spacing_mm[::-1]]
    edges = gaussian_gradient_magnitude(voxels[box.slices].astype(np.float32), sigmas)
    ctx.check()
    ctx.progress(0.4, tr("Flooding from the seeds"))
    flooded = watershed(edges, seeds[box.slices].astype(np.int32))  # type: ignore[no-untyped-call]
    ctx.check()
    result = np.zeros(voxels.shape, dtype=np.int32)
    result[box.slices] = flooded
    return result


def _two(seeds: NDArray[Any]) -> bool:
    return len(np.unique(seeds[seeds != 0])) >= 2
