"""The plane in which a skull is most like its mirror image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.implants.custom.made import FloatArray
from surgitwin.surfaces.fields import samples
from surgitwin.surfaces.solids import unit

# Beyond this a point counts as one that the other side lacks, such as those of the defect.
_UNLIKE_MM = 5.0
_POINTS = 6000
_TARGETS = 200_000
# The simplex has settled when it is so small a part of the reach it began with.
_SETTLED = 0.005
_STEP_MM = 1.5


@dataclass(frozen=True, eq=False)
class MirrorPlane:
    """A plane in LPS mm; ``normal`` points to the patient's left where that is known.

    Attributes
    ----------
    mean_mm, p95_mm
        How far the mirrored surface is from the surface, of the points that have a fellow within 5 mm; ``like_percent``
        says how many have one.
    """

    point_mm: FloatArray
    normal: FloatArray
    mean_mm: float
    p95_mm: float
    like_percent: float
    automatic: bool

    def mirrored(self, points_mm: ArrayLike) -> FloatArray:
        points = np.asarray(points_mm, np.float64)
        return points - 2.0 * ((points - self.point_mm) @ self.normal)[..., None] * self.normal


def symmetry_plane(mesh: Mesh, start_normal: ArrayLike = (1.0, 0.0, 0.0)) -> MirrorPlane:
    """The plane across which the surface is most like itself, found from ``start_normal`` (within about 20 degrees)."""
    from scipy.optimize import minimize
    from scipy.spatial import cKDTree

    whole = samples(mesh, _STEP_MM)[0]
    places = {most: _some(whole, count) for most, count in ((20.0, _POINTS // 4), (_UNLIKE_MM, _POINTS))}
    tree = cKDTree(_some(whole, _TARGETS))
    middle = (mesh.points.min(axis=0) + mesh.points.max(axis=0)).astype(np.float64) / 2
    first = unit(start_normal)
    side = unit(np.cross(first, np.eye(3)[int(np.argmin(np.abs(first)))]))
    other = np.cross(first, side)

    def plane(values: FloatArray) -> tuple[FloatArray, FloatArray]:
        normal = unit(first + values[0] * side + values[1] * other)
        return middle + 10.0 * values[2] * normal, normal

    def unlike(values: FloatArray, most: float) -> float:
        at, normal = plane(values)
        points = places[most]
        there = points - 2.0 * ((points - at) @ normal)[:, None] * normal
        away, _ = tree.query(there, distance_upper_bound=most)
        return float(np.minimum(away, most).mean())

    best = np.zeros(3)
    for most, reach in ((20.0, 0.15), (_UNLIKE_MM, 0.05), (_UNLIKE_MM, 0.01)):
        corners = np.vstack([best, best + reach * np.eye(3)])
        options = {"initial_simplex": corners, "xatol": _SETTLED * reach, "fatol": 1e-4}
        found = minimize(unlike, best, args=(most,), method="Nelder-Mead", options=options)
        best = np.asarray(found.x, np.float64)
    at, normal = plane(best)
    return _judged(whole, at, normal, automatic=True)


def plane_of_landmarks(mesh: Mesh, landmarks_mm: ArrayLike) -> MirrorPlane:
    """The plane nearest to three or more places in the midline, such as nasion, sella and the foramen magnum.

    Raises
    ------
    BadInput
        If there are fewer, or they lie on one line.
    """
    points = np.asarray(landmarks_mm, np.float64).reshape(-1, 3)
    if len(points) < 3:
        raise BadInput(tr("The mirror plane needs three places in the midline, or none to find it by symmetry."))
    middle = points.mean(axis=0)
    _, lengths, ways = np.linalg.svd(points - middle)
    if lengths[1] < 5.0:
        raise BadInput(tr("The places in the midline lie on one line: choose one further off it."))
    return judged(mesh, middle, ways[2] * (1.0 if ways[2][0] >= 0 else -1.0), automatic=False)


def judged(mesh: Mesh, point_mm: ArrayLike, normal: ArrayLike, *, automatic: bool) -> MirrorPlane:
    """A plane with how like the surface is to its mirror image."""
    return _judged(samples(mesh, _STEP_MM)[0], point_mm, normal, automatic=automatic)


def _judged(points: FloatArray, point_mm: ArrayLike, normal: ArrayLike, *, automatic: bool) -> MirrorPlane:
    from scipy.spatial import cKDTree

    plane = MirrorPlane(np.asarray(point_mm, np.float64), unit(normal), 0.0, 0.0, 0.0, automatic)
    there = plane.mirrored(_some(points, _POINTS))
    away, _ = cKDTree(points).query(there, distance_upper_bound=_UNLIKE_MM)
    like = away[np.isfinite(away)]
    if not len(like):
        raise BadInput(tr("The two sides of the plane have nothing in common: the mirror plane is elsewhere."))
    return MirrorPlane(
        plane.point_mm,
        plane.normal,
        float(like.mean()),
        float(np.percentile(like, 95)),
        100.0 * len(like) / len(away),
        automatic,
    )


def _some(points: FloatArray, most: int) -> FloatArray:
    """At most so many of the points, spread evenly over their order."""
    chosen = np.linspace(0, len(points) - 1, min(most, len(points))).astype(int)
    return np.asarray(points[chosen], np.float64)


def refitted(twin: Mesh, mesh: Mesh, around_mm: FloatArray, ring_mm: float) -> tuple[Mesh, float]:
    """The mirrored surface moved onto the real one around a defect, and how far it was moved there, mm.

    Heads are not symmetric: what is mirrored stands off the bone around the defect by millimetres. Iterated closest
    points (Besl and McKay 1992) in a ring of ``ring_mm`` around it, worst fifth left out, take that away.
    """
    from scipy.spatial import cKDTree

    defect = cKDTree(around_mm)
    own, source = samples(mesh, 1.5)[0], samples(twin, 2.5)[0]
    target = cKDTree(own[defect.query(own, distance_upper_bound=ring_mm + 5.0)[0] < np.inf])
    away = defect.query(source, distance_upper_bound=ring_mm)[0]
    points = _some(source[(away > 6.0) & np.isfinite(away)], _POINTS)
    turn, move = np.eye(3), np.zeros(3)
    if len(points) < 200 or target.n < 200:
        return twin, 0.0
    for _ in range(40):
        now = points @ turn.T + move
        gap, fellow = target.query(now)
        kept = gap <= np.percentile(gap, 80)
        one, two = points[kept], np.asarray(target.data)[fellow[kept]]
        a, b = one.mean(axis=0), two.mean(axis=0)
        u, _, vt = np.linalg.svd((two - b).T @ (one - a))
        turn = u @ np.diag([1.0, 1.0, float(np.linalg.det(u @ vt))]) @ vt
        move = b - turn @ a
    middle = around_mm.mean(axis=0)
    placed = twin.points.astype(np.float64) @ turn.T + move
    moved_mm = float(np.linalg.norm(turn @ middle + move - middle))
    return Mesh(np.asarray(placed, np.float32), twin.triangles), moved_mm
