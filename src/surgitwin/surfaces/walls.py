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
from itertools import permutations

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


def fits_plate(size_mm: Sequence[float], plate_mm: Sequence[float]) -> tuple[int, int, int] | None:
    """Which of the part's axes lie along the plate's x, y and z so that it fits; None if it does in no such way.

    Only turns by quarters are tried, the one that changes least first; a part may fit obliquely and be refused here.
    """
    for a, b, c in permutations((0, 1, 2)):
        order = (a, b, c)
        if all(size_mm[axis] <= room for axis, room in zip(order, plate_mm, strict=True)):
            return order
    return None


def _face_normals(mesh: Mesh) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    corners = mesh.points.astype(np.float64)[mesh.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(normals / np.where(length > 0, length, 1.0))
