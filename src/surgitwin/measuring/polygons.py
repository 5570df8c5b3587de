"""Areas of placed outlines, and the widths of flat ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Outline:
    """What an outline encloses.

    Attributes
    ----------
    area_mm2
        On the flat plane that the outline shows the largest area to.
    off_plane_mm
        How far the furthest point lies from that plane; 0 for a flat outline.
    normal
        Unit vector across that plane.
    """

    area_mm2: float
    perimeter_mm: float
    off_plane_mm: float
    normal: tuple[float, float, float]
    crosses_itself: bool


def outline(points_mm: ArrayLike) -> Outline:
    """Measure a closed outline of points, (n, 3), flat or not.

    The area vector is half the sum of the cross products around the outline (Newell); it does not depend on how a
    surface is put into the outline, and its length is the area of the outline's picture along its own direction.

    Raises
    ------
    BadInput
        If there are fewer than three points, or they lie on a line.
    """
    points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
    if len(points) < 3:
        raise BadInput(tr("An area needs three points or more around it."))
    middle = points.mean(axis=0)
    centred = points - middle
    following = np.roll(centred, -1, axis=0)
    vector = np.cross(centred, following).sum(axis=0) / 2.0
    area = float(np.linalg.norm(vector))
    reach = float(np.linalg.norm(centred, axis=1).max())
    if area <= 1e-9 * max(reach, 1e-9) ** 2:
        raise BadInput(tr("The points of the area lie on a line, so they enclose nothing."))
    normal = vector / area
    x, y, z = normal.tolist()
    flat = in_plane(centred, normal)
    return Outline(
        area_mm2=area,
        perimeter_mm=float(np.linalg.norm(following - centred, axis=1).sum()),
        off_plane_mm=float(np.abs(centred @ normal).max()),
        normal=(x, y, z),
        crosses_itself=crosses_itself(flat),
    )


def in_plane(points: FloatArray, normal: FloatArray) -> FloatArray:
    """Points, (n, 3), in two coordinates across a unit normal, (n, 2), right-handed about it."""
    aside = np.eye(3)[int(np.argmin(np.abs(normal)))]
    u = np.cross(aside, normal)
    u /= np.linalg.norm(u)
    return np.column_stack([points @ u, points @ np.cross(normal, u)])


def signed_area(flat: FloatArray) -> float:
    """The area of a flat outline, (n, 2); positive if it runs anticlockwise."""
    x, y = (flat - flat.mean(axis=0)).T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2.0)


def widths(flat: FloatArray) -> tuple[float, float]:
    """The narrowest and the widest that a flat outline, (n, 2), is between two parallel lines (Feret's calipers).

    The narrowest is found against each side of the convex hull (exact), the widest between the hull's corners.
    """
    from scipy.spatial import ConvexHull

    hull = flat[ConvexHull(flat).vertices]
    sides = np.roll(hull, -1, axis=0) - hull
    across = np.column_stack([-sides[:, 1], sides[:, 0]]) / np.linalg.norm(sides, axis=1)[:, None]
    heights = across @ hull.T
    apart = np.linalg.norm(hull[:, None] - hull[None], axis=2)
    return float((heights.max(axis=1) - heights.min(axis=1)).min()), float(apart.max())


def holds(flat: FloatArray, point: FloatArray) -> bool:
    """True if a point lies inside a flat outline (even-odd rule)."""
    following = np.roll(flat, -1, axis=0)
    across = (flat[:, 1] > point[1]) != (following[:, 1] > point[1])
    one, two = flat[across], following[across]
    share = (point[1] - one[:, 1]) / (two[:, 1] - one[:, 1])
    return bool(np.count_nonzero(one[:, 0] + share * (two[:, 0] - one[:, 0]) > point[0]) % 2)


def crosses_itself(flat: FloatArray) -> bool:
    """True if two sides of a flat outline, (n, 2), that are not neighbours cross each other."""
    count = len(flat)
    start, stop = flat, np.roll(flat, -1, axis=0)

    def side(a: FloatArray, b: FloatArray, c: FloatArray) -> FloatArray:
        one, two = b - a, c - a
        return np.asarray(one[..., 0] * two[..., 1] - one[..., 1] * two[..., 0])

    a, b, c, d = start[:, None], stop[:, None], start[None], stop[None]
    crossing = (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)
    first, second = np.nonzero(np.triu(crossing, 2))
    return bool(np.any((second - first) % count != count - 1))
