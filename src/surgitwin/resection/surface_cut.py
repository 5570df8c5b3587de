"""A cut along a surface of triangles: what a patch or a drawn curve becomes before it is applied to voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class SurfaceCut:
    """A surface that divides an organ, and the side of it that goes.

    Every border of the surface lies outside the organ's box by at least a voxel, so that inside the box each point is
    on one of two sides: a path between points of different sides meets the surface an odd number of times.

    Attributes
    ----------
    points_mm
        (n, 3), LPS.
    triangles
        (m, 3), indices of points.
    remove_point_mm
        A point on the side that goes.
    drawn
        How many of the first triangles belong to the surface that was asked for; the others extend it past the organ.
    """

    points_mm: FloatArray
    triangles: IntArray
    remove_point_mm: tuple[float, float, float]
    drawn: int
