"""The image's values in a sphere or a box, counted by the centres of voxels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.text import tr

FloatArray = NDArray[np.float64]
ROUNDING_MM = 1e-6
"""A centre that lies on the border up to rounding must not come and go with the image's origin."""


@dataclass(frozen=True)
class RegionValues:
    """What a region holds.

    Attributes
    ----------
    voxels, volume_ml
        Counted; only those that lie in the image.
    inside_percent
        How many of the region's voxels lie in the image.
    sd
        Of the voxels themselves (divided by their number).
    not_numbers
        Voxels without a number (NaN); left out of the values, but counted.
    """

    voxels: int
    volume_ml: float
    inside_percent: float
    mean: float
    sd: float
    minimum: float
    maximum: float
    median: float
    not_numbers: int = 0


def sphere_values(voxels: NDArray[Any], geometry: Geometry, centre_mm: ArrayLike, radius_mm: float) -> RegionValues:
    """The values of the voxels whose centre is at most ``radius_mm`` from a place; LPS mm, any orientation of the grid.

    Raises
    ------
    BadInput
        If no centre of a voxel lies in it.
    """

    def within(away: FloatArray) -> NDArray[np.bool_]:
        return np.asarray((away**2).sum(axis=-1) <= (radius_mm + ROUNDING_MM) ** 2)

    return _values(voxels, geometry, np.asarray(centre_mm, dtype=np.float64), np.full(3, radius_mm), within)


def box_values(voxels: NDArray[Any], geometry: Geometry, centre_mm: ArrayLike, size_mm: ArrayLike) -> RegionValues:
    """The values of the voxels whose centre lies in a box along the LPS axes, its lower faces included.

    A box of 10 mm over voxels of 1 mm so holds 10 of them along an axis wherever it lies. Raises as `sphere_values`.
    """
    half = np.asarray(size_mm, dtype=np.float64) / 2.0

    def within(away: FloatArray) -> NDArray[np.bool_]:
        return np.asarray(np.all((away >= -half - ROUNDING_MM) & (away < half - ROUNDING_MM), axis=-1))

    return _values(voxels, geometry, np.asarray(centre_mm, dtype=np.float64), half, within)


def _values(
    voxels: NDArray[Any],
    geometry: Geometry,
    centre: FloatArray,
    half: FloatArray,
    within: Callable[[FloatArray], NDArray[np.bool_]],
) -> RegionValues:
    corners = centre + half * np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    places = geometry.to_index(corners)
    low = np.floor(places.min(axis=0)).astype(np.int64)
    high = np.ceil(places.max(axis=0)).astype(np.int64)
    i, j = np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1)
    size = np.asarray(geometry.size_ijk)
    in_plane = ((i >= 0) & (i < size[0]))[None, :] & ((j >= 0) & (j < size[1]))[:, None]
    found: list[NDArray[Any]] = []
    total = 0
    for k in range(int(low[2]), int(high[2]) + 1):
        index = np.stack(np.broadcast_arrays(i[None, :], j[:, None], np.array(k)), axis=-1)
        inside = within(geometry.to_lps(index) - centre)
        total += int(np.count_nonzero(inside))
        if 0 <= k < size[2]:
            rows, columns = np.nonzero(inside & in_plane)
            found.append(voxels[k, j[rows], i[columns]])
    values = np.concatenate(found).astype(np.float64) if found else np.zeros(0)
    if values.size == 0:
        raise BadInput(_why_empty(total))
    numbers = values[np.isfinite(values)]
    if numbers.size == 0:
        raise BadInput(tr("No voxel of the region holds a number."))
    return RegionValues(
        voxels=int(values.size),
        volume_ml=float(values.size * geometry.voxel_volume_mm3 / 1000.0),
        inside_percent=100.0 * values.size / total,
        mean=float(numbers.mean()),
        sd=float(numbers.std()),
        minimum=float(numbers.min()),
        maximum=float(numbers.max()),
        median=float(np.median(numbers)),
        not_numbers=int(values.size - numbers.size),
    )


def _why_empty(centres: int) -> str:
    if centres:
        return tr("The region lies outside the image. Move it into the image.")
    return tr("The region is so small that no voxel has its centre in it. Make it larger, or move it.")
