"""How far a mesh lies from what it was made of: the faces of a segment's voxels, or another mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.core.triangle_tree import TriangleTree
from surgitwin.surfaces.rays import spread_over

SAMPLES = 20_000


@dataclass(frozen=True)
class Deviation:
    """Distances without a sign, from places on each of the two to the other, mm.

    Attributes
    ----------
    at_mm
        Where the largest one is, LPS mm.
    spacing_mm
        How far apart the places lie: what sticks out on less than that may be missed.
    """

    p95_mm: float
    max_mm: float
    at_mm: tuple[float, float, float]
    samples: int
    spacing_mm: float


def voxel_faces(mask: NDArray[np.bool_], geometry: Geometry) -> Mesh:
    """The faces between the voxels of a segment and those around it, two triangles each, LPS mm.

    Parameters
    ----------
    mask
        [k, j, i], on the grid of ``geometry``; voxels at the image's edge have faces there.
    """
    box = Box.of_mask(mask)
    inner = np.pad(mask[box.slices], 1).astype(np.int8)
    corners: list[NDArray[np.float64]] = []
    for axis in range(3):  # of [k, j, i]
        step = np.diff(inner, axis=axis)
        at = np.argwhere(step)  # between at and at + 1 along the axis
        middle = at.astype(np.float64)
        middle[:, axis] += 0.5
        one, two = (other for other in range(3) if other != axis)
        square = np.repeat(middle[:, None, :], 4, axis=1)
        square[:, (1, 2), one] += 0.5
        square[:, (0, 3), one] -= 0.5
        square[:, (2, 3), two] += 0.5
        square[:, (0, 1), two] -= 0.5
        corners.append(square)
    kji = np.concatenate(corners) - 1.0
    ijk = kji.reshape(-1, 3)[:, ::-1] + np.array(box.start)
    points = geometry.to_lps(ijk).astype(np.float32)
    first = np.arange(0, len(points), 4, dtype=np.int32)[:, None]
    triangles = np.concatenate((first + np.array([0, 1, 2]), first + np.array([0, 2, 3]))).astype(np.int32)
    return Mesh(points, triangles)


def deviation(mesh: Mesh, reference: Mesh, *, samples: int = SAMPLES, ctx: Context | None = None) -> Deviation:
    """Distances between a mesh and its reference, looked at from both sides."""
    ctx = ctx or Context()
    ctx.progress(0.0, tr("Comparing with the segment"))
    places, _, spacing = spread_over(mesh, samples)
    others, _, wider = spread_over(reference, samples)
    here = TriangleTree.of(reference).nearest(places).away_mm
    ctx.progress(0.5, tr("Comparing with the segment"))
    there = TriangleTree.of(mesh).nearest(others).away_mm
    both, where = np.concatenate((here, there)), np.concatenate((places, others))
    worst = int(np.argmax(both))
    x, y, z = (float(value) for value in where[worst])
    return Deviation(
        float(np.percentile(both, 95)), float(both[worst]), (x, y, z), len(both), float(max(spacing, wider))
    )
