"""What is measured of an implant at rest: volumes of gap and overlap, overhang, and what it comes near."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.implants.distance import Nearest
from surgitwin.implants.fit import FACING, Fit, LiveFit
from surgitwin.implants.poses import moved, turn

FloatArray = NDArray[np.float64]
_HALVINGS = 12
_FURTHER = 1.05


@dataclass(frozen=True)
class Collision:
    """An implant and a structure that it should keep clear of.

    Attributes
    ----------
    distance_mm
        The shortest distance, 0 if they touch or overlap.
    overlap_ml
        The volume that both share; None if one of them is no sound body.
    points_mm
        The nearest place of the implant and of the structure, LPS.
    """

    name: str
    distance_mm: float
    overlap_ml: float | None
    points_mm: tuple[tuple[float, float, float], tuple[float, float, float]]

    @property
    def collides(self) -> bool:
        return self.distance_mm <= 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "collides": self.collides,
            "distance_mm": self.distance_mm,
            "overlap_ml": self.overlap_ml,
            "points_mm": [list(point) for point in self.points_mm],
        }


def collision(implant: Mesh, structure: Mesh, name: str) -> Collision:
    """How an implant, in LPS, lies to a structure."""
    from surgitwin.measuring.gaps import gap_between

    gap = gap_between(implant, structure)
    overlap = overlap_ml(implant, structure) if gap.distance_mm <= 0.0 else 0.0
    return Collision(name, gap.distance_mm, overlap, gap.points_mm)


def overlap_ml(one: Mesh, other: Mesh) -> float | None:
    """The volume that two closed meshes share, exactly; None if one of them is no sound body."""
    from surgitwin.surfaces.solids import Solid

    try:
        return (Solid.of(one) & Solid.of(other)).volume_mm3 / 1000.0
    except BadInput:
        return None


def gap_ml(live: LiveFit, pose: FloatArray, found: Nearest, fit: Fit) -> float | None:
    """The volume between the fitting surface and the bone, where the gap is within the reach; None as the gap.

    Each triangle and the nearest places of its corners make a prism, which is divided into three tetrahedra.
    """
    if fit.gap_mm is None:
        return None
    triangles = live.shape.mesh.triangles
    distance = found.distance_mm[triangles]
    some = fit.fitting & (distance > 0).all(axis=1) & (distance <= live.reach_mm).all(axis=1)
    here = moved(live.shape.points, pose)[triangles[some]]
    there = found.nearest_mm[triangles[some]]

    def six(a: FloatArray, b: FloatArray, c: FloatArray, d: FloatArray) -> float:
        return float(np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a).sum())

    (a, b, c), (p, q, r) = np.moveaxis(here, 1, 0), np.moveaxis(there, 1, 0)
    return max(six(a, b, c, r) + six(a, b, r, q) + six(a, q, r, p), 0.0) / 6.0 / 1000.0


@dataclass(frozen=True)
class Overhang:
    """How far the implant's underside reaches past the bone, at right angles to the direction in which it is put on.

    Attributes
    ----------
    overhang_mm
        The furthest; 0 if bone lies below all of it.
    covered_percent
        Corners of the underside that have bone below them within the reach.
    place_mm
        Where it is, LPS; None if there is none.
    """

    overhang_mm: float
    covered_percent: float
    place_mm: tuple[float, float, float] | None


def overhang(live: LiveFit, pose: FloatArray, found: Nearest, fit: Fit) -> Overhang | None:
    """The overhang of an implant that is put on in one direction; None for one that faces the bone all around.

    The direction is the mean normal of the fitting surface; the underside is what points within 60 degrees of it. A
    place of it is covered if it is in the bone, or bone lies before it in that direction within the reach.
    """
    from scipy.spatial import cKDTree

    shape, bone = live.shape, live.bone.solid
    areas = shape.areas_mm2[fit.fitting]
    if not len(areas) or areas.sum() <= 0:
        return None
    mean = (shape.normals[fit.fitting] * areas[:, None]).sum(axis=0) / areas.sum()
    if np.linalg.norm(mean) < FACING:
        return None
    way = pose[:3, :3] @ (mean / np.linalg.norm(mean))
    under = np.unique(shape.mesh.triangles[shape.normals @ mean > FACING * np.linalg.norm(mean)])
    places = moved(shape.points[under], pose)

    def covered(some: FloatArray) -> NDArray[np.bool_]:
        inside = bone.of(some).distance_mm <= 0.0
        return np.asarray(inside | np.isfinite(bone.along(some, way, reach_mm=live.reach_mm)))

    good = covered(places)
    percent = 100.0 * float(good.mean())
    if good.all():
        return Overhang(0.0, percent, None)
    if not good.any():
        return None
    flat = places - (places @ way)[:, None] * way
    _, near = cKDTree(flat[good]).query(flat[~good])
    start, end = places[~good], places[good][near]
    high = _first_covered(covered, start, end)
    # The nearest of all the places found on the border: the first way to it need not be the shortest.
    border = start + high[:, None] * (end - start)
    away, near = cKDTree(border - (border @ way)[:, None] * way).query(flat[~good])
    worst = int(np.argmax(away))
    place = start[worst]
    step = border[near[worst]] - place
    step -= (step @ way) * way
    around = np.array([turn(way, angle) @ step * _FURTHER for angle in np.radians(np.arange(-20.0, 20.5))])
    share = _first_covered(covered, np.broadcast_to(place, around.shape), place + around)
    x, y, z = (float(v) for v in place)
    return Overhang(min(float(away[worst]), float(share.min()) * float(away[worst]) * _FURTHER), percent, (x, y, z))


def _first_covered(
    covered: Callable[[FloatArray], NDArray[np.bool_]], start: FloatArray, end: FloatArray
) -> FloatArray:
    """Which share of the way from places that are not covered to others the bone begins at; infinite if nowhere."""
    low, high = np.zeros(len(start)), np.where(covered(end), 1.0, np.inf)
    ends = np.isfinite(high)
    for _ in range(_HALVINGS):
        middle = np.where(ends, (low + high) / 2, 0.0)
        on = covered(start + middle[:, None] * (end - start))
        low, high = np.where(on, low, middle), np.where(on & ends, middle, high)
    return high
