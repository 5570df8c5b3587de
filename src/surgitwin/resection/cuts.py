"""What a cut is: planes that intersect, a surface that divides the organ, or a region of voxels.

The removed region of one `PlaneCut` is where a point lies strictly on the normal side of *all* its planes; several
cuts unite. "Strictly" is meant geometrically: a voxel whose centre lies on a plane stays, and a nanometre's
billionth of rounding must not decide otherwise, hence `ON_PLANE_MM`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.text import tr
from surgitwin.resection.surface_cut import SurfaceCut

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Vector = tuple[float, float, float]

ON_PLANE_MM = 1e-9
"""A point nearer to a plane than this lies on it: a thousand times the rounding of coordinates of a metre."""


def _vector(values: Iterable[float], what: str) -> Vector:
    try:
        numbers = tuple(float(v) for v in values)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != 3 or not all(math.isfinite(v) for v in numbers):
        raise BadInput(
            tr("The plane's {what} must be three finite numbers x, y, z in LPS millimetres.").format(what=what)
        )
    x, y, z = numbers
    return x, y, z


@dataclass(frozen=True)
class Plane:
    """An infinite plane in LPS millimetres; the side that its normal points to is the side that goes.

    Parameters
    ----------
    point_mm
        Any point on the plane.
    normal
        Any length but zero; its direction alone counts.

    Raises
    ------
    BadInput
        If the point or the normal is not finite, or the normal is zero.
    """

    point_mm: Vector
    normal: Vector

    def __post_init__(self) -> None:
        object.__setattr__(self, "point_mm", _vector(self.point_mm, tr("point")))
        object.__setattr__(self, "normal", _vector(self.normal, tr("normal")))
        if not any(self.normal):
            raise BadInput(tr("The plane's normal is 0, 0, 0; give the direction of the side to remove."))

    @property
    def unit_normal(self) -> FloatArray:
        """The normal with length 1, shape (3,)."""
        normal = np.asarray(self.normal, dtype=np.float64)
        normal = normal / np.max(np.abs(normal))  # first, so that neither 1e-200 nor 1e200 leaves the range of floats
        return np.asarray(normal / np.linalg.norm(normal))

    def signed_distance_mm(self, points_mm: FloatArray) -> FloatArray:
        """Distance of LPS points, shape (..., 3), from the plane; positive on the side that goes."""
        normal = self.unit_normal
        return np.asarray(points_mm @ normal - float(normal @ np.asarray(self.point_mm)))

    def flipped(self) -> Plane:
        """The same plane with the other side to remove."""
        x, y, z = self.normal
        return Plane(self.point_mm, (-x, -y, -z))


@dataclass(frozen=True)
class PlaneCut:
    """One cut: a voxel goes when its centre lies strictly on the normal side of all planes.

    Raises
    ------
    BadInput
        If there is no plane.
    """

    planes: tuple[Plane, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "planes", tuple(self.planes))
        if not self.planes:
            raise BadInput(tr("A cut needs at least one plane."))

    @staticmethod
    def of(*planes: Plane) -> PlaneCut:
        return PlaneCut(planes)


@dataclass(frozen=True, eq=False)
class MaskCut:
    """A region of voxels that goes, such as territories or a wedge: ``mask`` is [k, j, i] over ``box`` of the grid.

    It is made of the organ's voxels; a lesion's voxel outside the organ's label goes with the organ's nearest.
    """

    mask: BoolArray
    box: Box


Cut = PlaneCut | SurfaceCut | MaskCut


@dataclass(frozen=True)
class IndexPlane:
    """A plane on a grid: the signed distance in mm of voxel (i, j, k) is ``i*di + j*dj + k*dk + offset``."""

    di: float
    dj: float
    dk: float
    offset: float

    @staticmethod
    def of(plane: Plane, geometry: Geometry) -> IndexPlane:
        normal = plane.unit_normal
        di, dj, dk = (float(v) for v in normal @ geometry.affine_lps[:3, :3])
        offset = float(normal @ (np.asarray(geometry.origin_mm) - np.asarray(plane.point_mm)))
        return IndexPlane(di, dj, dk, offset)
