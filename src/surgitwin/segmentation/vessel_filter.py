"""How much each place looks like a bright tube, and which way the tube runs: from second derivatives at several scales.

After Sato et al. (Med Image Anal 1998;2:143) and Frangi et al. (MICCAI 1998, LNCS 1496:130): across a bright tube the
two second derivatives of the smoothed image are strongly negative, along it there is next to none. The measure is the
geometric mean of the two, in units of its own noise, so that one pair of thresholds fits every scanner and dose.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.runs import Mask
from surgitwin.segmentation.slabs import threads

Field = NDArray[np.float32]
THINNEST_SCALE_MM, WIDEST_SCALE_MM, SCALE_STEP = 0.9, 4.6, 1.5
_ORDERS = ((2, 0, 0), (0, 2, 0), (0, 0, 2), (1, 1, 0), (1, 0, 1), (0, 1, 1))
_TRUNCATE = 4.0
_SLAB_VOXELS = 1_500_000
_LEAST_NOISE = 0.02
_DIRECTED = 1.0
_SHARP = 127


@dataclass(frozen=True, eq=False)
class Tubes:
    """The measure on a part of the image.

    Attributes
    ----------
    strength
        float32, [k, j, i]: how tube-like, as a multiple of the measure's noise; 0 outside the mask.
    along
        int8, (3, k, j, i): direction of the tube, times 127, along k, j and i in mm; 0 where ``strength`` is below 1.
    """

    strength: Field
    along: NDArray[np.int8]


def default_scales_mm(geometry: Geometry) -> tuple[float, ...]:
    """Standard deviations to smooth with: from about a voxel to what fits a portal trunk, each 1.5 times the last."""
    scale = max(THINNEST_SCALE_MM, geometry.voxel_volume_mm3 ** (1 / 3))
    scales = [scale]
    while scales[-1] * SCALE_STEP <= WIDEST_SCALE_MM * 1.05:
        scales.append(scales[-1] * SCALE_STEP)
    return tuple(scales)


def tubes(
    image: NDArray[Any], mask: Mask, spacing_mm: Sequence[float], scales_mm: Sequence[float], ctx: Context | None = None
) -> Tubes:
    """Measure how tube-like each voxel of ``mask`` is.

    Worked on in slabs with a rim, so that memory stays at a few copies of the image whatever the number of scales.

    Parameters
    ----------
    image
        float32, [k, j, i]; tubes are brighter than their surroundings.
    mask
        Where to measure; the noise is found there too.
    spacing_mm
        Along i, j and k.
    scales_mm
        Standard deviations of the smoothing, mm; a tube answers best to about 0.6 times its radius and more.
    """
    ctx = ctx or Context()
    places = np.flatnonzero(mask)
    strength = np.zeros(places.size, dtype=np.float32)
    along = np.zeros((3, places.size), dtype=np.int8)
    for number, scale in enumerate(scales_mm):
        part = ctx.part(number / len(scales_mm), (number + 1) / len(scales_mm))
        _one_scale(image, places, np.asarray(spacing_mm[::-1], dtype=np.float64), scale, strength, along, part)
    whole = np.zeros(image.shape, dtype=np.float32)
    whole.reshape(-1)[places] = strength
    directions = np.zeros((3, *image.shape), dtype=np.int8)
    directions.reshape(3, -1)[:, places] = along
    return Tubes(whole, directions)


def _one_scale(
    image: NDArray[Any],
    places: NDArray[np.int64],
    spacing: NDArray[np.float64],
    scale: float,
    strength: Field,
    along: NDArray[np.int8],
    ctx: Context,
) -> None:
    """Raise ``strength`` and turn ``along`` where this scale answers more strongly than those before."""
    plane = image.shape[1] * image.shape[2]
    step = max(4, _SLAB_VOXELS // plane)
    slabs = [(k, min(k + step, image.shape[0])) for k in range(0, image.shape[0], step)]
    edges = [np.searchsorted(places, [a * plane, b * plane]) for a, b in slabs]
    answer = np.empty(places.size, dtype=np.float32)
    turned = np.empty((3, places.size), dtype=np.int8)
    second = np.empty(places.size, dtype=np.float32)

    def work(number: int) -> None:
        ctx.check()
        (low, high), (first, last) = slabs[number], edges[number]
        if first == last:
            return
        hessian = _hessian(image, low, high, places[first:last], spacing, scale)
        values = eigenvalues(hessian)
        second[first:last] = values[1]
        answer[first:last] = np.sqrt(np.maximum(-values[0], 0) * np.maximum(-values[1], 0))
        turned[:, first:last] = np.rint(_SHARP * _axis(hessian, values[2]))

    with ThreadPoolExecutor(threads()) as pool:
        for done, _ in enumerate(pool.map(work, range(len(slabs))), 1):
            ctx.progress(done / len(slabs), tr("Looking for tubes of {mm:.1f} mm").format(mm=2 * scale))
    if places.size == 0:
        return
    noise = 1.4826 * float(np.median(np.abs(second - np.median(second))))
    answer /= np.float32(max(noise, _LEAST_NOISE))
    better = answer > strength
    strength[better] = answer[better]
    better &= answer >= _DIRECTED
    along[:, better] = turned[:, better]


def _hessian(
    image: NDArray[Any], low: int, high: int, places: NDArray[np.int64], spacing: NDArray[np.float64], scale: float
) -> list[Field]:
    """Second derivatives kk, jj, ii, kj, ki, ji times the scale squared, at ``places`` in the slices low to high."""
    from scipy import ndimage

    sigma = scale / spacing
    halo = int(np.ceil(_TRUNCATE * sigma[0])) + 1
    begin, end = max(0, low - halo), min(image.shape[0], high + halo)
    own = places - low * image.shape[1] * image.shape[2]

    def smoothed(values: Field, axis: int, order: int) -> Field:
        found = ndimage.gaussian_filter1d(values, sigma[axis], axis, order, truncate=_TRUNCATE, mode="nearest")
        return np.asarray(found, dtype=np.float32)

    result: dict[tuple[int, int, int], Field] = {}
    for k in range(3):
        # Across the slices first, and then without the rim, which is most of a slab at the wide scales.
        over_k = smoothed(image[begin:end], 0, k)[low - begin : high - begin]
        for j in range(3 - k):
            order = (k, j, 2 - k - j)
            found = smoothed(smoothed(over_k, 1, j), 2, order[2])
            result[order] = found.reshape(-1)[own] * np.float32(scale**2 / np.prod(spacing ** np.array(order)))
    return [result[order] for order in _ORDERS]


def eigenvalues(hessian: Sequence[Field]) -> tuple[Field, Field, Field]:
    """Eigenvalues of symmetric 3x3 matrices, rising.

    Parameters
    ----------
    hessian
        Their entries 00, 11, 22, 01, 02, 12, arrays of one shape.

    Notes
    -----
    The trigonometric solution of the characteristic equation (Smith, Commun ACM 1961;4:168).
    """
    a, b, c, d, e, f = hessian
    mean: Field = (a + b + c) / np.float32(3)
    a, b, c = a - mean, b - mean, c - mean
    spread: Field = np.sqrt((a * a + b * b + c * c + 2 * (d * d + e * e + f * f)) / 6)
    safe: Field = np.maximum(spread, np.float32(1e-12))
    a, b, c, d, e, f = a / safe, b / safe, c / safe, d / safe, e / safe, f / safe
    half = (a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)) / 2
    angle: Field = np.asarray(np.arccos(np.clip(half, -1, 1)) / 3, dtype=a.dtype)
    largest: Field = mean + 2 * spread * np.cos(angle)
    smallest: Field = mean + 2 * spread * np.cos(angle + np.float32(2 * np.pi / 3))
    return smallest, 3 * mean - largest - smallest, largest


def _axis(hessian: Sequence[Field], value: Field) -> Field:
    """Unit eigenvectors (3, n) of the eigenvalue ``value``: what is at right angles to two rows of H - value."""
    a, b, c, d, e, f = hessian
    rows = (np.stack([a - value, d, e]), np.stack([d, b - value, f]), np.stack([e, f, c - value]))
    best = np.zeros_like(rows[0])
    most = np.zeros_like(value)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        cross = np.cross(rows[one], rows[other], axis=0)
        length = np.sqrt(np.sum(cross * cross, axis=0))
        larger = length > most
        best[:, larger], most[larger] = cross[:, larger], length[larger]
    return np.asarray(best / np.maximum(most, np.float32(1e-20)), dtype=np.float32)


def box_around(mask: Mask, geometry: Geometry, margin_mm: float) -> Box:
    """The box of ``mask`` with a margin, inside the image."""
    box = Box.of_mask(mask)
    reach = [int(np.ceil(margin_mm / s)) for s in geometry.spacing_mm]
    low = [max(a - r, 0) for a, r in zip(box.start, reach, strict=True)]
    high = [min(b + r, n) for b, r, n in zip(box.stop, reach, geometry.size_ijk, strict=True)]
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
