"""How well an implant in a pose fits a bone: contact, gap, penetration.

Every distance is exact, from each corner of the implant's triangles (divided down to a millimetre, see `shape`) to the
nearest place of the bone's surface, positive for a gap and negative inside the bone, at rest and while the implant
moves. The *fitting surface* is the part of the implant that faces the bone: triangles whose outward normal lies within
60 degrees of the way into the bone, which is the way to its nearest place from outside and away from it from inside.
So the back of a plate and what overhangs do not count. Formulas and sources: docs/developer/fit.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.mesh import Mesh
from surgitwin.implants.distance import DistanceTo, Nearest
from surgitwin.implants.poses import inverse, moved, rigid
from surgitwin.implants.shape import Shape, order_of

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
FittingSurface = Literal["facing", "all"]

TOLERANCE_MM = 1.0
REACH_MM = 5.0
"""Gaps wider than the reach have no volume, bone further away is not coloured, and what has none below it overhangs."""
FACING = 0.5
"""Cosine of the angle up to which a triangle faces the bone."""
_TOUCHING_MM = 1e-3


@dataclass(frozen=True)
class Spread:
    """Of a gap or a penetration, in mm, weighted by area; all 0 where there is none."""

    mean: float
    p95: float
    max: float

    def as_json(self) -> dict[str, float]:
        return {"mean": self.mean, "p95": self.p95, "max": self.max}


@dataclass(frozen=True, eq=False)
class Fit:
    """What is known of a fit at every move.

    Attributes
    ----------
    contact_percent
        Area of the fitting surface within the tolerance of the bone, on either side of its surface; None if no part of
        the implant faces the bone.
    gap_mm
        Over the fitting surface where it is outside the bone; None as above.
    penetration_mm
        Over the whole implant where it is inside the bone.
    inside_percent
        Area of the implant that is inside the bone.
    nearest_mm
        The least distance of a corner of the implant's triangles to the bone, negative if one is inside.
    implant_mm
        For each point of `Shape.mesh`: its signed distance to the bone.
    bone_mm
        For each point of the bone: its signed distance to the implant, NaN beyond the reach.
    fitting
        Which triangles of `Shape.mesh` are the fitting surface.
    """

    contact_percent: float | None
    gap_mm: Spread | None
    penetration_mm: Spread
    fitting_mm2: float
    contact_mm2: float
    inside_percent: float
    nearest_mm: float
    implant_mm: FloatArray
    bone_mm: FloatArray
    fitting: BoolArray


class Bone:
    """The structure that an implant is fitted to, made ready once.

    Raises
    ------
    BadInput
        If its mesh is empty, open or inside out.
    """

    def __init__(self, mesh: Mesh, name: str = "") -> None:
        self.solid = DistanceTo(mesh, name=name)
        self.name = name
        self.order = order_of(mesh)
        self.ordered = np.ascontiguousarray(mesh.points[self.order], dtype=np.float64)
        self._columns = np.ascontiguousarray(self.ordered.T)

    @property
    def mesh(self) -> Mesh:
        return self.solid.mesh

    def within(self, low: FloatArray, high: FloatArray) -> NDArray[np.intp]:
        """Which of the ordered points lie in a box, LPS mm."""
        inside = np.ones(len(self.ordered), np.bool_)
        for values, least, most in zip(self._columns, low, high, strict=True):
            inside &= (values >= least) & (values <= most)
        return np.flatnonzero(inside)


class LiveFit:
    """An implant and a bone, made ready once; `at` tells how the implant fits in a pose, fast enough to drag it.

    Parameters
    ----------
    tolerance_mm
        What counts as contact.
    surface
        ``facing``: the part of the implant that faces the bone; ``all``: its whole surface.
    """

    def __init__(
        self,
        implant: Mesh | Shape,
        bone: Mesh | Bone,
        *,
        tolerance_mm: float = TOLERANCE_MM,
        reach_mm: float = REACH_MM,
        surface: FittingSurface = "facing",
    ) -> None:
        self.shape = implant if isinstance(implant, Shape) else Shape.of(implant)
        self.bone = bone if isinstance(bone, Bone) else Bone(bone)
        self.tolerance_mm, self.reach_mm, self.surface = tolerance_mm, reach_mm, surface

    def at(self, matrix: FloatArray) -> Fit:
        """The fit in a pose (4x4, LPS mm = matrix @ implant mm).

        Raises
        ------
        BadInput
            If the pose is not rigid.
        """
        pose = rigid(matrix)
        found = self.distances(pose)
        return self.weighed(pose, found, self.on_bone(pose))

    def distances(self, pose: FloatArray) -> Nearest:
        """For each point of `Shape.mesh` the nearest place of the bone, LPS mm."""
        shape = self.shape
        some = self.bone.solid.of(shape.ordered, pose)
        back = np.empty_like(shape.order)
        back[shape.order] = np.arange(len(back), dtype=back.dtype)
        return Nearest(some.distance_mm[back], some.nearest_mm[back], some.triangle[back], some.normal[back])

    def on_bone(self, pose: FloatArray) -> FloatArray:
        """For each point of the bone its signed distance to the implant; NaN beyond the reach."""
        bone = self.bone
        around = moved(self.shape.points, pose)
        low, high = around.min(axis=0) - self.reach_mm, around.max(axis=0) + self.reach_mm
        near = bone.within(low, high)
        found = np.full(len(bone.ordered), np.nan)
        if near.size:
            some = self.shape.solid.of(bone.ordered[near], inverse(pose), limit_mm=self.reach_mm)
            found[bone.order[near]] = some.distance_mm
        return found

    def weighed(self, pose: FloatArray, found: Nearest, bone_mm: FloatArray) -> Fit:
        """The numbers of the distances that were found."""
        shape = self.shape
        corners = found.distance_mm[shape.mesh.triangles]
        areas = shape.areas_mm2
        fitting = np.ones(len(areas), np.bool_) if self.surface == "all" else self.facing(pose, found)
        whole = float(areas[fitting].sum())
        tolerance = self.tolerance_mm
        within = share_below(corners[fitting], tolerance) - share_below(corners[fitting], -tolerance)
        contact = float((within * areas[fitting]).sum())
        inside = share_below(corners, 0.0)
        return Fit(
            contact_percent=100.0 * contact / whole if whole > 0 else None,
            gap_mm=_spread(corners[fitting], areas[fitting]) if whole > 0 else None,
            penetration_mm=_spread(-corners, areas),
            fitting_mm2=whole,
            contact_mm2=contact,
            inside_percent=100.0 * float((inside * areas).sum() / areas.sum()),
            nearest_mm=float(found.distance_mm.min()),
            implant_mm=found.distance_mm,
            bone_mm=bone_mm,
            fitting=fitting,
        )

    def facing(self, pose: FloatArray, found: Nearest) -> BoolArray:
        """Which triangles of `Shape.mesh` face the bone."""
        shape = self.shape
        points = moved(shape.points, pose)
        distance = found.distance_mm[:, None]
        apart = np.abs(distance) > _TOUCHING_MM
        into = np.where(apart, (found.nearest_mm - points) / np.where(apart, distance, 1.0), -found.normal)
        into = into @ pose[:3, :3]  # rows times R: back into the implant's frame
        a, b, c = shape.mesh.triangles.T
        return np.asarray(np.einsum("ij,ij->i", into[a] + into[b] + into[c], shape.normals) >= 3.0 * FACING)


def share_below(corners: FloatArray, level: float) -> FloatArray:
    """The share of each triangle where a value is at most ``level`` if it runs evenly between its corners, (m, 3)."""
    low, middle, high = np.sort(corners, axis=1).T
    with np.errstate(divide="ignore", invalid="ignore"):
        rising = (level - low) ** 2 / ((middle - low) * (high - low))
        falling = 1.0 - (high - level) ** 2 / ((high - low) * (high - middle))
    share = np.where(level < middle, rising, falling)
    share = np.where(level <= low, 0.0, np.where(level >= high, 1.0, share))
    return np.where(low == high, (low <= level).astype(np.float64), share)


def _spread(corners: FloatArray, areas: FloatArray) -> Spread:
    """Of the part of each triangle where the value is above 0: it runs evenly between the corners, (m, 3)."""
    some = corners.max(axis=1, initial=-np.inf) > 0 if len(corners) else np.zeros(0, np.bool_)
    if not some.any():
        return Spread(0.0, 0.0, 0.0)
    corners, areas = corners[some], areas[some]
    # The middles of the sides integrate a quadratic exactly.
    middles = (corners + np.roll(corners, -1, axis=1)).reshape(-1) / 2.0
    weights = np.repeat(areas / 3.0, 3)
    positive = middles > 0
    middles, weights = middles[positive], weights[positive]
    most = float(corners.max())
    if not middles.size:
        return Spread(most / 3.0, most, most)
    return Spread(float(np.average(middles, weights=weights)), percentile(middles, weights, 95.0), most)


def percentile(values: FloatArray, weights: FloatArray, percent: float) -> float:
    """The smallest value that so many percent of the weight do not exceed."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    place = int(np.searchsorted(total, percent / 100.0 * total[-1]))
    return float(values[order][min(place, len(order) - 1)])
