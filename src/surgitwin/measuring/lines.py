"""Lengths and angles of placed points, and how uncertain they are by the size of a voxel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

FloatArray = NDArray[np.float64]
Plane = Literal["3d", "axial", "coronal", "sagittal"]

ACROSS: dict[str, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
"""The LPS axis that each view looks along."""
SAME_MM = 1e-6
STEP_MM = 1e-3


@dataclass(frozen=True)
class Cobb:
    """The angle between two lines.

    Attributes
    ----------
    angle_deg
        0 to 90: lines have no direction.
    drawn_deg
        0 to 180: between the lines as they were drawn, each from its first to its second point. Where it is above 90,
        either one line was drawn the other way round, or the curve is of more than 90 degrees.
    """

    angle_deg: float
    drawn_deg: float


def length_mm(points_mm: ArrayLike) -> float:
    """The length of the straight pieces between points, shape (n, 3)."""
    return float(np.linalg.norm(np.diff(_points(points_mm), axis=0), axis=1).sum())


def angle_deg(points_mm: ArrayLike, plane: Plane = "3d") -> float:
    """The angle at the second of three points, 0 to 180 degrees.

    Parameters
    ----------
    plane
        Measure in space, or between the arms as one sees them in a view.

    Raises
    ------
    BadInput
        If an arm has no length, in space or as seen in the view.
    """
    end, apex, other = seen_in(points_mm, plane)
    return _between(end - apex, other - apex)


def cobb(points_mm: ArrayLike, plane: Plane = "3d") -> Cobb:
    """The Cobb angle of two lines of two points each, shape (4, 3); ``plane`` and what it raises as in `angle_deg`."""
    a, b, c, d = seen_in(points_mm, plane)
    drawn = _between(b - a, d - c)
    return Cobb(min(drawn, 180.0 - drawn), drawn)


def seen_in(points_mm: ArrayLike, plane: Plane) -> FloatArray:
    """The points as a view shows them: without what lies along the line of sight."""
    points = _points(points_mm).copy()
    if plane != "3d":
        points[:, ACROSS[plane]] = 0.0
    return points


def smooth_curve(points_mm: ArrayLike, per_piece: int = 16) -> FloatArray:
    """Points of the smooth curve through the given ones: a cubic spline over the chords' lengths, (m, 3).

    Two points are joined by a straight line. The placed points are among the curve's, every ``per_piece`` apart.

    Raises
    ------
    BadInput
        If two points that follow each other are the same.
    """
    points = _points(points_mm)
    chords = np.linalg.norm(np.diff(points, axis=0), axis=1)
    if np.any(chords < SAME_MM):
        raise BadInput(tr("Two points of the curve are at the same place. Take one away."))
    if len(points) < 3:
        return points
    from scipy.interpolate import CubicSpline

    along = np.concatenate([[0.0], np.cumsum(chords)])
    steps = np.arange(per_piece) / per_piece
    at = np.append((along[:-1, None] + chords[:, None] * steps).reshape(-1), along[-1])
    return np.asarray(CubicSpline(along, points)(at), dtype=np.float64)


def uncertainty(value: Callable[[FloatArray], float], points_mm: ArrayLike, each_mm: float) -> float:
    """How far a value may be off when every point may be ``each_mm`` off, independently of the others.

    First order: the root of the sum over the points of (steepest slope times ``each_mm``) squared; the slopes by
    central differences.
    """
    points = _points(points_mm)
    slopes = np.zeros_like(points)
    for place in np.ndindex(points.shape):
        ahead, behind = points.copy(), points.copy()
        ahead[place] += STEP_MM
        behind[place] -= STEP_MM
        slopes[place] = (value(ahead) - value(behind)) / (2 * STEP_MM)
    return float(each_mm * np.sqrt((slopes**2).sum()))


def _between(one: FloatArray, two: FloatArray) -> float:
    if min(np.linalg.norm(one), np.linalg.norm(two)) < SAME_MM:
        raise BadInput(tr("An arm of the angle has no length: two of its points are at the same place in this view."))
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(one, two)), one @ two)))


def _points(points_mm: ArrayLike) -> FloatArray:
    return np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
