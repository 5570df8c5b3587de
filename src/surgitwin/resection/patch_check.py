"""What cut surfaces of every kind are held against: numbers that are numbers, and a point that tells a side."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.resection.surface_cut import SurfaceCut

FloatArray = NDArray[np.float64]

ON_SURFACE_MM = 1e-6
FARTHEST_MM = 1e6


def as_floats(value: Any) -> FloatArray | None:
    """Nested lists as an array; None if they are uneven or hold anything but numbers."""
    try:
        given = np.array(value)
    except (TypeError, ValueError, OverflowError):
        return None
    # Integers of a hundred digits come as objects, words as text: neither is a place.
    return given.astype(np.float64) if given.dtype.kind in "iuf" else None


def check_places(points_mm: FloatArray, what: str) -> None:
    """Refuse places that are no finite numbers or lie absurdly far away, where distances lose their digits.

    Raises
    ------
    BadInput
        Beginning with ``what``, a noun such as "A control point of the Bézier patch".
    """
    if not np.isfinite(points_mm).all():
        raise BadInput(tr("{what} is not a finite number.").format(what=what))
    if np.abs(points_mm).max(initial=0.0) > FARTHEST_MM:
        raise BadInput(tr("{what} lies more than a kilometre away; places are in LPS millimetres.").format(what=what))


def check_side(cut: SurfaceCut) -> SurfaceCut:
    """The cut, if its point tells a side.

    Raises
    ------
    BadInput
        If the point of the side that goes lies on the surface, within `ON_SURFACE_MM`.
    """
    given = np.asarray(cut.remove_point_mm)
    # A triangle all of whose corners lie beyond the point along one axis is passed by (Cohen and Sutherland's codes).
    beyond = (cut.points_mm - given) > ON_SURFACE_MM
    short = (given - cut.points_mm) > ON_SURFACE_MM
    code = np.concatenate([beyond, short], axis=1) @ (1 << np.arange(6, dtype=np.uint8))
    a, b, c = (code[cut.triangles[:, corner]] for corner in range(3))
    about = cut.triangles[(a & b & c) == 0]
    if len(about) and distance_mm(given, cut.points_mm[about]).min() <= ON_SURFACE_MM:
        raise BadInput(
            tr("The point that says which side goes lies on the cut surface itself. Move it to the side that goes.")
        )
    return cut


def distance_mm(place: FloatArray, triangles_mm: FloatArray) -> FloatArray:
    """The distances of a place, (3,) or one a triangle (n, 3), from triangles, (n, 3, 3); shape (n,)."""
    a, b, c = triangles_mm[:, 0], triangles_mm[:, 1], triangles_mm[:, 2]
    place = np.broadcast_to(place, a.shape)
    nearest = np.minimum(np.minimum(_from_edge(place, a, b), _from_edge(place, b, c)), _from_edge(place, c, a))
    normal = np.cross(b - a, c - a)
    area = np.einsum("ij,ij->i", normal, normal)
    inside = area > 0.0
    for p, q in ((a, b), (b, c), (c, a)):
        inside &= np.einsum("ij,ij->i", np.cross(q - p, place - p), normal) >= 0.0
    height = np.abs(np.einsum("ij,ij->i", place - a, normal)) / np.sqrt(np.where(area > 0.0, area, 1.0))
    return np.asarray(np.where(inside, height, nearest))


def _from_edge(place: FloatArray, p: FloatArray, q: FloatArray) -> FloatArray:
    """The distances of places from edges p to q."""
    along = q - p
    length = np.einsum("ij,ij->i", along, along)
    share = np.einsum("ij,ij->i", place - p, along) / np.where(length > 0.0, length, 1.0)
    return np.asarray(np.linalg.norm(place - p - np.clip(share, 0.0, 1.0)[:, None] * along, axis=1))
