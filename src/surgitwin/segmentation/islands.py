"""Islands and holes of a mask: keep the largest, drop the small ones, fill what is enclosed."""

from __future__ import annotations

import numpy as np

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.runs import Connectivity, IntArray, Mask, Runs


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
