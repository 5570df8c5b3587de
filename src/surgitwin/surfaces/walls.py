"""The thinnest wall of a closed mesh, and whether it fits on a printer's plate.

Rays go inwards from places spread evenly over the surface. Where a ray of length L leaves through a face that looks
away from it at an angle a, the largest sphere that touches the first face there and lies between the two planes has
the diameter ``L (1 - tan(a/2)^2)``: that is the wall. It is L where the faces are parallel (slab, tube, shell), and
exact for a wedge. Faces that meet at more than `WIDEST_DEGREES` are an edge and not a wall; without this rule every
corner of a box would be infinitely thin, and with 45 degrees every crease of an organ's surface is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.surfaces.rays import Tree, spread_over

WIDEST_DEGREES = 20.0
SAMPLES = 40_000
# Rays begin this far below their face, so that they do not meet it.
_BELOW_MM = 1e-4


@dataclass(frozen=True)
class Walls:
    """What the rays found.

    Attributes
    ----------
    thinnest_mm
        The smallest wall; None if no ray found one, as in a mesh that is inside out.
    at_mm
        Where it is, in the middle of the wall, LPS mm.
    samples, spacing_mm
        How many places were looked at and how far they lie apart: a thin place that is smaller may be missed.
    too_thin_percent
        Share of the surface whose wall is below the limit; None if no limit was given.
    """

    thinnest_mm: float | None
    at_mm: tuple[float, float, float] | None
    samples: int
    spacing_mm: float
    too_thin_percent: float | None = None


def find_walls(
    mesh: Mesh, limit_mm: float | None = None, *, samples: int = SAMPLES, ctx: Context | None = None
) -> Walls:
    """Measure the walls of a closed mesh whose normals point outwards."""
    ctx = ctx or Context()
    places, triangle, spacing = spread_over(mesh, samples)
    if not len(places):
        return Walls(None, None, 0, 0.0)
    normals = _face_normals(mesh)
    inwards = -normals[triangle]
    lengths, met = Tree(mesh).first_hits(places + _BELOW_MM * inwards, inwards, ctx)
    lengths = lengths + _BELOW_MM
    cosine = np.minimum(np.einsum("nd,nd->n", inwards, normals[met]), 1.0)
    wall = np.flatnonzero((met >= 0) & (cosine >= np.cos(np.radians(WIDEST_DEGREES))))
    if not wall.size:
        return Walls(None, None, len(places), spacing)
    across = np.full(len(places), np.inf)
    # tan(a/2)^2 = (1 - cos a) / (1 + cos a)
    across[wall] = lengths[wall] * (1.0 - (1.0 - cosine[wall]) / (1.0 + cosine[wall]))
    thinnest = int(np.argmin(across))
    x, y, z = (float(v) for v in places[thinnest] + 0.5 * lengths[thinnest] * inwards[thinnest])
    thin = None if limit_mm is None else 100.0 * float(np.count_nonzero(across < limit_mm)) / len(places)
    return Walls(float(across[thinnest]), (x, y, z), len(places), spacing, thin)


@dataclass(frozen=True, eq=False)
class Orientation:
    """How a part is to be turned to fit on a plate.

    Attributes
    ----------
    matrix
        3x3, a rotation: plate mm = matrix @ LPS mm, but for a shift.
    size_mm
        Of its box along the plate's x, y and z, so turned.
    turned_deg
        The angle by which it is turned about the axis that stands upright.
    up
        Which of the part's own axes stands upright: 0 right-left, 1 front-back, 2 feet-head.
    """

    matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    size_mm: tuple[float, float, float]
    turned_deg: float
    up: int


_TURN_DEG = 1.0


def oriented_to_fit(mesh: Mesh, plate_mm: Sequence[float]) -> Orientation | None:
    """A way to turn a part so that it fits on a plate, as little as will do; None if none was found.

    As it lies first, then with another of its axes upright, each turned about the upright one by whole degrees. Ways
    that lean the part are not tried: it would need supports.
    """
    points = mesh.points[np.unique(mesh.triangles)].astype(np.float64)
    angles = np.radians(np.arange(0.0, 180.0, _TURN_DEG))
    for up in (2, 1, 0):
        first, second = ((1, 2), (2, 0), (0, 1))[up]
        if np.ptp(points[:, up]) > plate_mm[2]:
            continue
        flat = _hull(points[:, [first, second]])
        along = flat[:, :1] * np.cos(angles) - flat[:, 1:] * np.sin(angles)
        across = flat[:, :1] * np.sin(angles) + flat[:, 1:] * np.cos(angles)
        fits = np.flatnonzero((np.ptp(along, axis=0) <= plate_mm[0]) & (np.ptp(across, axis=0) <= plate_mm[1]))
        if not len(fits):
            continue
        # Quarters before other angles, small ones before large ones.
        degrees = fits * _TURN_DEG
        best = int(fits[np.lexsort((degrees, degrees % 90 != 0))[0]])
        cos, sin = float(np.cos(angles[best])), float(np.sin(angles[best]))
        matrix = np.zeros((3, 3))
        matrix[0, [first, second]], matrix[1, [first, second]], matrix[2, up] = (cos, -sin), (sin, cos), 1.0
        size = (float(np.ptp(along[:, best])), float(np.ptp(across[:, best])), float(np.ptp(points[:, up])))
        return Orientation(matrix, size, best * _TURN_DEG, up)
    return None


def _hull(flat: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The corners of the outline around points in a plane; the points themselves where they lie on a line."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return np.asarray(flat[ConvexHull(flat).vertices], np.float64)
    except QhullError:
        return flat


def _face_normals(mesh: Mesh) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    corners = mesh.points.astype(np.float64)[mesh.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(normals / np.where(length > 0, length, 1.0))
