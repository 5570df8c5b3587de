"""How large each label is and where it lies, all labels in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Extent:
    """Size and place of one label.

    Attributes
    ----------
    box
        The voxels' box in the grid.
    low_mm, high_mm
        The LPS box around it, outer faces of the voxels included.
    """

    voxels: int
    volume_ml: float
    box: Box
    low_mm: Point
    high_mm: Point

    @property
    def centre_mm(self) -> Point:
        x, y, z = ((a + b) / 2 for a, b in zip(self.low_mm, self.high_mm, strict=True))
        return x, y, z


def label_extents(labels: NDArray[Any], geometry: Geometry, values: Iterable[int]) -> dict[int, Extent]:
    """Size and place of the labels ``values``; labels without voxels are left out.

    Parameters
    ----------
    labels
        [k, j, i], unsigned integers, on the grid ``geometry``.
    """
    from scipy import ndimage

    wanted = sorted(set(values))
    if not wanted:
        return {}
    counts = np.bincount(labels.ravel(), minlength=wanted[-1] + 1)
    found = ndimage.find_objects(labels, max_label=wanted[-1])
    extents: dict[int, Extent] = {}
    for value in wanted:
        place = found[value - 1]
        if place is None:
            continue
        k, j, i = place
        box = Box((i.start, j.start, k.start), (i.stop, j.stop, k.stop))
        low, high = geometry.cropped(box).bounds_mm()
        volume_ml = int(counts[value]) * geometry.voxel_volume_mm3 / 1000.0
        extents[value] = Extent(int(counts[value]), volume_ml, box, _point(low), _point(high))
    return extents


def _point(values: NDArray[np.float64]) -> Point:
    x, y, z = (float(v) for v in values)
    return x, y, z
