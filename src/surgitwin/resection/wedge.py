"""A wedge: all of the organ that lies within a margin of a lesion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surgitwin.core.geometry import Box
from surgitwin.resection.cuts import MaskCut
from surgitwin.resection.margins import LesionSurface
from surgitwin.resection.prepare import PartitionInput, Structure


def wedge(lesion: Structure, margin_mm: float, prepared: PartitionInput) -> MaskCut:
    """The voxels whose centres lie within ``margin_mm`` of a lesion's surface, and the lesion itself.

    The surface is that of `margins`. Voxels near enough to the limit are measured against it; of all others the
    distance to the nearest voxel of the lesion, which is at most half a voxel more, tells the side.

    Parameters
    ----------
    lesion
        On the organ's grid; empty outside its box.
    """
    from scipy import ndimage

    geometry = prepared.geometry
    spacing = np.asarray(geometry.spacing_mm)
    own = lesion.box or geometry.full_box
    reach = np.ceil((margin_mm + spacing.max()) / spacing).astype(int) + 1
    box = _clipped(own, reach, geometry.size_ijk)
    mask = np.zeros(tuple(reversed(box.size_ijk)), dtype=np.bool_)
    i, j, k = (slice(a - b, c - b) for a, b, c in zip(own.start, box.start, own.stop, strict=True))
    mask[k, j, i] = lesion.mask != 0
    if not mask.any():
        return MaskCut(mask, box)
    away = ndimage.distance_transform_edt(~mask, sampling=tuple(reversed(geometry.spacing_mm)))
    inside = away <= margin_mm
    unsure = np.argwhere(~inside & (away <= margin_mm + spacing.max() / 2 + 1e-6))
    if len(unsure):
        surface = LesionSurface.of(mask, box, geometry)
        places = geometry.to_lps(unsure[:, ::-1] + np.asarray(box.start))
        near = surface.tree.query(places, distance_upper_bound=margin_mm + 1e-9)[0] <= margin_mm
        inside[tuple(unsure[near].T)] = True
    return MaskCut(inside, box)


def _clipped(box: Box, by: Sequence[int], size: Sequence[int]) -> Box:
    """The box grown along each axis, as far as the image goes."""
    low = [max(a - b, 0) for a, b in zip(box.start, by, strict=True)]
    high = [min(a + b, n) for a, b, n in zip(box.stop, by, size, strict=True)]
    return Box((int(low[0]), int(low[1]), int(low[2])), (int(high[0]), int(high[1]), int(high[2])))
