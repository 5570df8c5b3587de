"""A plane that closes a sac at its neck."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

FloatArray = NDArray[np.float64]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class NeckPlane:
    """A plane in LPS mm.

    Attributes
    ----------
    point_mm
        A point of it.
    normal
        Unit vector that points into the sac.
    """

    point_mm: Vector
    normal: Vector

    @staticmethod
    def of(point_mm: Sequence[float] | FloatArray, normal: Sequence[float] | FloatArray) -> NeckPlane:
        """A plane from a point and a normal of any length.

        Raises
        ------
        BadInput
            If a number is not finite or the normal has no length.
        """
        point, direction = np.asarray(point_mm, dtype=np.float64), np.asarray(normal, dtype=np.float64)
        length = float(np.linalg.norm(direction))
        if point.shape != (3,) or direction.shape != (3,) or not np.all(np.isfinite([*point, *direction])):
            raise BadInput(tr("A neck plane needs a point and a normal of three finite numbers each (LPS mm)."))
        if length < 1e-9:
            raise BadInput(tr("The normal of the neck plane is 0,0,0: give a direction, such as 0,0,1."))
        return NeckPlane(_vector(point), _vector(direction / length))

    def heights(self, points_mm: FloatArray) -> FloatArray:
        """Signed distance of points, (n, 3), mm; positive on the side of the sac."""
        return np.asarray((points_mm - np.array(self.point_mm)) @ np.array(self.normal))

    @property
    def axes(self) -> FloatArray:
        """Two unit vectors in the plane, (2, 3); with the normal they are right-handed."""
        normal = np.array(self.normal)
        first = np.cross(normal, np.eye(3)[int(np.argmin(np.abs(normal)))])
        first /= np.linalg.norm(first)
        return np.stack([first, np.cross(normal, first)])

    def flat(self, points_mm: FloatArray) -> FloatArray:
        """Points in the plane's own two coordinates, (n, 2), mm from its point."""
        return np.asarray((points_mm - np.array(self.point_mm)) @ self.axes.T)

    def from_flat(self, places: FloatArray) -> FloatArray:
        """The other way: (n, 2) to LPS mm, (n, 3)."""
        return np.asarray(np.array(self.point_mm) + places @ self.axes)

    def moved(self, shift_mm: float, tilt_degrees: tuple[float, float] = (0.0, 0.0)) -> NeckPlane:
        """The plane pushed along its normal into the sac, then tilted about its point towards its two axes."""
        normal, axes = np.array(self.normal), self.axes
        point = np.array(self.point_mm) + shift_mm * normal
        angle = math.radians(math.hypot(*tilt_degrees))
        if angle:
            towards = np.array(tilt_degrees) @ axes
            towards /= np.linalg.norm(towards)
            normal = math.cos(angle) * normal + math.sin(angle) * towards
        return NeckPlane(_vector(point), _vector(normal))

    def facing(self, point_mm: FloatArray) -> NeckPlane:
        """The same plane with its normal on the side of a point."""
        if float(self.heights(np.asarray(point_mm)[None])[0]) >= 0:
            return self
        return NeckPlane(self.point_mm, _vector(-np.array(self.normal)))


def _vector(values: FloatArray) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z
