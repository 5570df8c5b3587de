"""From the painted phantom to a CT: the scanner's point spread and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

SLAB_SLICES = 16
NOISE_GRAIN_MM = 0.55
"""Standard deviation of the Gaussian that correlates neighbouring pixels' noise, in plane."""
LOWEST_HU, HIGHEST_HU = -1024, 3071


def scan(
    painted: NDArray[np.int16], geometry: Geometry, blur_mm: float, noise_hu: float, seed: int, ctx: Context
) -> NDArray[np.int16]:
    """Blur ``painted`` ([k, j, i], Hounsfield units) with a Gaussian of SD ``blur_mm``, add noise of SD ``noise_hu``.

    The noise is Gaussian, correlated within a slice, independent between slices, and depends on the seed, the slice
    and the size only.
    """
    from scipy.ndimage import gaussian_filter

    sigma = [blur_mm / step for step in reversed(geometry.spacing_mm)]
    halo = int(np.ceil(4 * sigma[0])) if blur_mm else 0
    out = np.empty_like(painted)
    count = len(painted)
    for start in range(0, count, SLAB_SLICES):
        ctx.progress(start / count, tr("Scanning the phantom"))
        stop = min(start + SLAB_SLICES, count)
        low, high = max(0, start - halo), min(count, stop + halo)
        values = painted[low:high].astype(np.float32)
        if blur_mm:
            values = gaussian_filter(values, sigma, mode="nearest", truncate=3.0)
        values = values[start - low : start - low + stop - start]
        if noise_hu:
            for k in range(start, stop):
                values[k - start] += _noise(geometry, noise_hu, seed, k)
        out[start:stop] = np.clip(np.rint(values), LOWEST_HU, HIGHEST_HU).astype(np.int16)
    return out


def _noise(geometry: Geometry, noise_hu: float, seed: int, k: int) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter, gaussian_filter1d

    i, j, _ = geometry.size_ijk
    rng = np.random.default_rng([seed, 3, k])
    white = rng.standard_normal((j, i), dtype=np.float32)
    sigma = (NOISE_GRAIN_MM / geometry.spacing_mm[1], NOISE_GRAIN_MM / geometry.spacing_mm[0])
    kept = 1.0  # the share of the SD that the filter leaves, from its impulse response
    for s in sigma:
        pulse = np.zeros(129)
        pulse[64] = 1
        kept *= float(np.sqrt(np.sum(gaussian_filter1d(pulse, s) ** 2)))
    return np.asarray(gaussian_filter(white, sigma, mode="wrap") * np.float32(noise_hu / kept), dtype=np.float32)
