"""Islands and holes of a mask: keep the largest, drop the small ones, fill what is enclosed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.runs import Connectivity, IntArray, Mask, Runs

NEAR_MM = 10.0  # a click so near to a segment means it


def largest_island(mask: Mask, connectivity: Connectivity = "faces", ctx: Context | None = None) -> Mask:
    """The largest connected part of ``mask`` ([k, j, i]); of equal ones the first in memory order.

    Raises
    ------
    BadInput
        If the mask is empty.
    """
    box = occupied_box(mask)
    runs = Runs.of(np.ascontiguousarray(mask[box.slices]), ctx)
    labels = runs.components(connectivity)
    return _pasted(runs.mask(labels == np.argmax(runs.sizes(labels))), box, mask.shape)


def keep_islands(
    mask: Mask,
    geometry: Geometry,
    min_ml: float,
    connectivity: Connectivity = "faces",
    ctx: Context | None = None,
) -> Mask:
    """The connected parts of ``mask`` that hold at least ``min_ml`` millilitres; possibly none.

    Raises
    ------
    BadInput
        If the mask is empty or ``min_ml`` is negative.
    """
    if not min_ml >= 0:
        raise BadInput(tr("The smallest island to keep is {value:g} ml; give 0 or more.").format(value=min_ml))
    box = occupied_box(mask)
    runs = Runs.of(np.ascontiguousarray(mask[box.slices]), ctx)
    labels = runs.components(connectivity)
    # A hair of slack: 1 ml must keep the island of exactly 1000 voxels of 1 mm3.
    keep = runs.sizes(labels) * geometry.voxel_volume_mm3 >= min_ml * 1000.0 * (1 - 1e-9)
    return _pasted(runs.mask(keep[labels]), box, mask.shape)


def fill_holes(mask: Mask, geometry: Geometry, max_ml: float | None = None, ctx: Context | None = None) -> Mask:
    """``mask`` with its enclosed holes filled: background that no path of faces joins to the image's outside.

    Background that reaches the edge of the image is not a hole.

    Parameters
    ----------
    max_ml
        Leave holes larger than this many millilitres; None fills all.

    Raises
    ------
    BadInput
        If the mask is empty or ``max_ml`` is negative.
    """
    if max_ml is not None and not max_ml >= 0:
        raise BadInput(tr("The largest hole to fill is {value:g} ml; give 0 or more.").format(value=max_ml))
    box = occupied_box(mask)
    part = mask[box.slices]
    # Background at the rim of the tight box is outside: beyond the box all is background, or the image ends.
    runs = Runs.of(~part, ctx)
    if runs.start.size == 0:
        return mask.copy()
    labels = runs.components()
    hole = np.ones(int(labels.max()) + 1, dtype=np.bool_)
    hole[labels[at_rim(runs)]] = False
    if max_ml is not None:
        hole &= runs.sizes(labels) * geometry.voxel_volume_mm3 <= max_ml * 1000.0 * (1 + 1e-9)
    return _pasted(part | runs.mask(hole[labels]), box, mask.shape)


def at_rim(runs: Runs) -> Mask:
    """Which runs touch a face of the array."""
    nk, nj, ni = runs.shape
    k, j = runs.rows()
    along: IntArray = runs.start % ni
    return np.asarray((k == 0) | (k == nk - 1) | (j == 0) | (j == nj - 1) | (along == 0) | (along + runs.lengths == ni))


def occupied_box(mask: Mask) -> Box:
    """The box around ``mask``'s voxels; refuse a mask without any."""
    box = Box.of_mask(mask)
    if box.empty:
        raise BadInput(tr("The segment is empty: it has no voxels to work on."))
    return box


def _pasted(part: Mask, box: Box, shape: tuple[int, ...]) -> Mask:
    whole = np.zeros(shape, dtype=np.bool_)
    whole[box.slices] = part
    return whole


def island_at(
    mask: Mask,
    geometry: Geometry,
    at_mm: Sequence[float],
    connectivity: Connectivity = "faces",
    ctx: Context | None = None,
) -> Mask:
    """The connected part of ``mask`` at a point in LPS mm, or the one nearest to it within `NEAR_MM`.

    Raises
    ------
    BadInput
        If the mask is empty, or the point is farther from it than that.
    """
    box = occupied_box(mask)
    part = np.ascontiguousarray(mask[box.slices])
    runs = Runs.of(part, ctx)
    labels = runs.components(connectivity)
    at = _nearest_voxel(part, geometry.cropped(box), at_mm)
    place = np.array([np.ravel_multi_index((at[2], at[1], at[0]), part.shape)], dtype=np.int64)
    return _pasted(runs.mask(labels == labels[runs.at(place)[0]]), box, mask.shape)


def _nearest_voxel(mask: Mask, geometry: Geometry, at_mm: Sequence[float]) -> NDArray[np.int64]:
    """The voxel (i, j, k) of a mask at a point, or the one whose centre is nearest to it within `NEAR_MM`."""
    point = geometry.to_index(at_mm)
    at = np.floor(point + 0.5).astype(np.int64)
    if np.all(at >= 0) and np.all(at < np.asarray(geometry.size_ijk)) and mask[at[2], at[1], at[0]]:
        return np.asarray(at)
    # A ball's extent along a grid axis is its radius times the length of that row of the inverse.
    reach = NEAR_MM * np.linalg.norm(geometry.inverse[:3, :3], axis=1)
    low = np.clip(np.ceil(point - reach), 0, geometry.size_ijk).astype(np.int64)
    high = np.clip(np.floor(point + reach) + 1, low, geometry.size_ijk).astype(np.int64)
    around = mask[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
    index = np.argwhere(around)[:, ::-1] + low
    distance = np.linalg.norm(geometry.to_lps(index) - np.asarray(at_mm), axis=1)
    if not len(index) or distance.min() > NEAR_MM:
        message = tr("The point lies more than {mm:.0f} mm from the segment. Point at the island that is meant.")
        raise BadInput(message.format(mm=NEAR_MM))
    return np.asarray(index[distance.argmin()])


def split_islands(
    mask: Mask,
    geometry: Geometry,
    most: int = 20,
    min_ml: float = 0.0,
    connectivity: Connectivity = "faces",
    ctx: Context | None = None,
) -> tuple[NDArray[np.uint8], int]:
    """The connected parts of ``mask`` as labels, the largest first.

    Parameters
    ----------
    most
        So many parts at most, up to 255.
    min_ml
        Parts below this volume get no label.

    Returns
    -------
    Labels [k, j, i], and how many parts there were that got none.
    """
    box = occupied_box(mask)
    part = np.ascontiguousarray(mask[box.slices])
    runs = Runs.of(part, ctx)
    components = runs.components(connectivity)
    sizes = runs.sizes(components)
    order = np.argsort(-sizes, kind="stable")
    large = sizes[order] * geometry.voxel_volume_mm3 >= min_ml * 1000.0 * (1 - 1e-9)
    kept = order[large][: min(most, 255)]
    number = np.zeros(len(sizes), dtype=np.uint8)
    number[kept] = np.arange(1, len(kept) + 1)
    labels = np.zeros(mask.shape, dtype=np.uint8)
    labels[box.slices] = runs.painted(number[components])
    return labels, len(sizes) - len(kept)
