"""Closed bodies that a formula gives: turned on a lathe, swept along a curve, or a bar with round holes, bent or not.

None needs a boolean operation. Round bodies are inscribed: every point lies on the ideal surface, so a diameter is
exact at the points and the volume is smaller by about 2/3 (pi/n)**2 for n facets around.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.mesh import Mesh

FACETS = 96
_STEP_MM = 1.5
FloatArray = NDArray[np.float64]


def turned(profile_rz: ArrayLike, facets: int = FACETS) -> Mesh:
    """The body that a line makes when it is turned around z.

    Parameters
    ----------
    profile_rz
        Shape (n, 2): distance from the axis and height, mm. The first and the last point lie on the axis, no other
        does, and the body lies to the left of the line as it runs from one to the other (r to the right, z up).
    """
    profile = _in_steps(np.asarray(profile_rz, dtype=np.float64))
    angles = 2.0 * np.pi * np.arange(facets) / facets
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    rings = [np.column_stack([r * around, np.full(facets, z)]) for r, z in profile[1:-1]]
    ends = np.array([[0.0, 0.0, profile[0, 1]], [0.0, 0.0, profile[-1, 1]]])
    return _from_rings(np.stack(rings), ends)


def _in_steps(profile: FloatArray) -> FloatArray:
    """The same line with more points: what is measured at the points of a mesh must be measured all over it."""
    parts = [profile[:1]]
    for start, end in itertools.pairwise(profile):
        steps = max(int(np.ceil(np.linalg.norm(end - start) / _STEP_MM)), 1)
        parts.append(start + (end - start) * (np.arange(1, steps + 1) / steps)[:, None])
    return np.concatenate(parts)


def arc(radius_mm: float, from_rad: float, to_rad: float) -> FloatArray:
    """Points (n, 2) of a circle in (r, z), angles counted from the lowest point; close enough to need none between."""
    steps = int(np.ceil(abs(to_rad - from_rad) * max(radius_mm / (0.95 * _STEP_MM), FACETS / (2 * np.pi))))
    angles = np.linspace(from_rad, to_rad, steps + 1)
    points = radius_mm * np.stack([np.sin(angles), -np.cos(angles)], axis=1)
    points[np.abs(points) < 1e-9 * radius_mm] = 0.0
    return points


def swept(sections: Sequence[ArrayLike]) -> Mesh:
    """The body between closed sections, each of shape (n, 3), n alike; flat ends.

    Seen against the direction of the sweep the points of a section run counter-clockwise.
    """
    rings = np.stack([np.asarray(section, dtype=np.float64) for section in sections])
    return _from_rings(rings, np.stack([rings[0].mean(axis=0), rings[-1].mean(axis=0)]))


def _from_rings(rings: FloatArray, ends: FloatArray) -> Mesh:
    """Rings (k, n, 3), counter-clockwise seen from where they lead to, joined and closed by a point at either end."""
    count, n, _ = rings.shape
    here = np.arange(n)
    after = (here + 1) % n
    triangles = [np.stack([np.full(n, count * n), after, here], axis=1)]
    for ring in range(count - 1):
        low, high = ring * n, (ring + 1) * n
        triangles.append(np.stack([low + here, low + after, high + after], axis=1))
        triangles.append(np.stack([low + here, high + after, high + here], axis=1))
    last = (count - 1) * n
    triangles.append(np.stack([np.full(n, count * n + 1), last + here, last + after], axis=1))
    points = np.concatenate([rings.reshape(-1, 3), ends])
    return Mesh(points.astype(np.float32), np.concatenate(triangles).astype(np.int32))


def drilled_bar(
    holes: int, pitch_mm: float, width_mm: float, thickness_mm: float, hole_mm: float, radius_mm: float | None = None
) -> Mesh:
    """A bar along x with round ends and round holes in a row; its underside lies on z = 0, its middle on the origin.

    It is ``(holes - 1) * pitch + width`` long.

    Parameters
    ----------
    radius_mm
        Bent along its length around y so that the underside lies on a cylinder of this radius; lengths on the
        underside stay.
    """
    flat, triangles = _drilled_outline(holes, pitch_mm, width_mm, hole_mm)
    n = len(flat)
    low = np.column_stack([flat, np.zeros(n)])
    high = np.column_stack([flat, np.full(n, thickness_mm)])
    tail, head = _rim(triangles).T
    walls = np.concatenate([np.stack([tail, head, head + n], axis=1), np.stack([tail, head + n, tail + n], axis=1)])
    points = np.concatenate([low, high])
    if radius_mm is not None:
        angle, out = points[:, 0] / radius_mm, radius_mm + points[:, 2]
        points = np.column_stack([out * np.sin(angle), points[:, 1], out * np.cos(angle) - radius_mm])
    faces = np.concatenate([triangles[:, ::-1], triangles + n, walls])
    return Mesh(points.astype(np.float32), faces.astype(np.int32))


def _drilled_outline(
    holes: int, pitch_mm: float, width_mm: float, hole_mm: float
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Points (n, 2) and counter-clockwise triangles of the bar's flat shape: a cell of rings around every hole."""
    corner = np.arctan2(width_mm, pitch_mm)
    quarter = np.unique(np.concatenate([np.linspace(0.0, np.pi / 2, FACETS // 4 + 1), [corner]]).round(12))
    quarter = quarter[np.concatenate([[True], np.diff(quarter) > 1e-6])]
    half = np.concatenate([quarter, (np.pi - quarter[::-1])[1:]])
    angles = np.concatenate([half, (half + np.pi)[1:-1]])
    way = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    # The rings are close enough for a bent bar to be smooth.
    rings = max(int(np.ceil((pitch_mm - hole_mm) / 2.0 / 1.5)), 2)
    points: list[FloatArray] = []
    triangles: list[NDArray[np.int64]] = []
    n = len(angles)
    here, after = np.arange(n), (np.arange(n) + 1) % n
    for hole in range(holes):
        box = np.minimum(
            (pitch_mm / 2) / np.maximum(np.abs(way[:, 0]), 1e-12), (width_mm / 2) / np.maximum(np.abs(way[:, 1]), 1e-12)
        )
        ends = ((hole == 0) & (way[:, 0] < 0)) | ((hole == holes - 1) & (way[:, 0] > 0))
        reach = np.where(ends, width_mm / 2, box)
        centre = np.array([(hole - (holes - 1) / 2) * pitch_mm, 0.0])
        start = sum(len(part) for part in points)
        for ring in range(rings + 1):
            far = hole_mm / 2 + (reach - hole_mm / 2) * ring / rings
            points.append(centre + far[:, None] * way)
            if ring:
                inner, outer = start + (ring - 1) * n, start + ring * n
                triangles.append(np.stack([inner + here, outer + here, outer + after], axis=1))
                triangles.append(np.stack([inner + here, outer + after, inner + after], axis=1))
    return _joined(np.concatenate(points), np.concatenate(triangles))


def _joined(points: FloatArray, triangles: NDArray[np.int64]) -> tuple[FloatArray, NDArray[np.int64]]:
    """Cells that share a border share its points afterwards; a micrometre apart is one place."""
    _, first, number = np.unique(
        (points * 1e3).round().astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    joined = number.reshape(-1)[triangles]
    whole = (joined != np.roll(joined, 1, axis=1)).all(axis=1)
    return points[first], joined[whole]


def _rim(triangles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Directed edges (m, 2) that one triangle alone uses."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    base = int(edges.max()) + 1
    keys, back = edges[:, 0] * base + edges[:, 1], edges[:, 1] * base + edges[:, 0]
    return edges[~np.isin(keys, back)]
