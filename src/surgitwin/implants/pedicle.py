"""How a pedicle screw lies in its vertebra: breach of the pedicle with its direction, and the grade.

The pedicle part of the path is where the bone around it is narrow: cross-sections of the bone at right angles to the
screw's axis, the piece that holds the axis or is nearest to it, are measured every half millimetre. The pedicle's
waist is the deepest valley of their areas between the back of the vertebra and its body; the pedicle reaches both ways
as far as the area stays below one and a half times the waist's. Where there is no valley the pedicle is not found and
nothing is graded, unless a person says from where to where it goes. docs/developer/fit.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.implants.distance import DistanceTo

FloatArray = NDArray[np.float64]
Grade = Literal["A", "B", "C", "D", "E"]
Way = Literal["medial", "lateral", "cranial", "caudal"]

_STEP_MM = 0.5
_SECTION_MM = 25.0
_PIXEL_MM = 1.0
_WIDENS = 1.5
_EQUAL_MM = 1e-3
_SHORTEST = 5  # sections in a row; fewer make no waist: a section that grazes a face has any area
_VALLEY = 1.2
"""The bone on both sides of the waist must be at least so much larger in section."""
SOURCE = "Gertzbein and Robbins, Spine 1990;15:11-14"


@dataclass(frozen=True)
class ScrewFit:
    """A pedicle screw in its vertebra.

    Attributes
    ----------
    breach_mm
        max(0, radius - signed distance of the axis to the cortex), the largest over the pedicle; the distance is
        negative outside the bone. None if the pedicle was not found.
    error_mm
        Half the largest voxel: the cortex is not known better.
    grades_possible
        Those of breach - error to breach + error.
    direction
        Of the breach, or of the thinnest wall if there is none.
    wall_mm
        What is left between screw and cortex at the thinnest place of the pedicle; None with a breach.
    pedicle_mm
        From where to where along the axis, from the entry.
    entry_breach_mm, tip_breach_mm
        Of the path behind and in front of the pedicle; the tip is that of the axis, and above 0 if it leaves the bone.
        They are not graded.
    """

    breach_mm: float | None
    grade: Grade | None
    error_mm: float
    grades_possible: tuple[Grade, ...]
    direction: Way | None
    wall_mm: float | None
    pedicle_mm: tuple[float, float] | None
    waist_mm: float | None
    place_mm: tuple[float, float, float] | None
    entry_breach_mm: float | None
    tip_breach_mm: float
    found_by: Literal["given", "narrowest", "not found"]

    def as_json(self) -> dict[str, Any]:
        return {
            "breach_mm": self.breach_mm,
            "grade": self.grade,
            "error_mm": self.error_mm,
            "grades_possible": list(self.grades_possible),
            "direction": self.direction,
            "wall_mm": self.wall_mm,
            "pedicle_mm": None if self.pedicle_mm is None else list(self.pedicle_mm),
            "waist_mm": self.waist_mm,
            "place_mm": None if self.place_mm is None else list(self.place_mm),
            "entry_breach_mm": self.entry_breach_mm,
            "tip_breach_mm": self.tip_breach_mm,
            "pedicle_found_by": self.found_by,
            "source": SOURCE,
        }


def grade_of(breach_mm: float) -> Grade:
    """Gertzbein and Robbins: A none, B below 2 mm, C below 4, D below 6, E from 6 on; exactly 2.0 is C.

    A breach within half a micrometre of a limit is at the limit: points are stored in single precision.
    """
    breach = round(breach_mm, 3)
    if breach <= 0.0:
        return "A"
    limits: tuple[tuple[float, Grade], ...] = ((2.0, "B"), (4.0, "C"), (6.0, "D"))
    return next((grade for limit, grade in limits if breach < limit), "E")


def screw_fit(
    vertebra: DistanceTo,
    entry_mm: ArrayLike,
    tip_mm: ArrayLike,
    radius_mm: float,
    *,
    voxel_mm: float,
    pedicle_mm: tuple[float, float] | None = None,
    up: ArrayLike = (0.0, 0.0, 1.0),
    canal: Mesh | None = None,
) -> ScrewFit:
    """Grade a pedicle screw.

    Parameters
    ----------
    entry_mm, tip_mm
        The ends of the screw's axis, LPS mm.
    voxel_mm
        The largest voxel spacing of the image that the vertebra was segmented in.
    pedicle_mm
        From where to where along the axis, from the entry, the pedicle is; None to find it.
    up
        The cranial direction, LPS.
    canal
        The spinal canal: medial is towards its middle at the height of the place, which holds where the spine is bent.
        If None, medial is towards the middle of the vertebra's surface.

    Raises
    ------
    BadInput
        If the screw has no length or the part of the path that was given is not on it.
    """
    entry, tip = np.asarray(entry_mm, np.float64), np.asarray(tip_mm, np.float64)
    path = _path(vertebra, entry, tip, radius_mm)
    part, waist, how = _part(vertebra, path.places_mm, path.axis, path.along_mm, pedicle_mm)
    tip_breach, error = float(path.outside_mm[-1]), voxel_mm / 2
    if part is None:
        return ScrewFit(None, None, error, (), None, None, None, None, None, None, tip_breach, how)
    worst = _worst(path, part)
    place = path.places_mm[worst]
    depth, margin = float(path.breach_mm[worst]), -float(path.outside_mm[worst]) - radius_mm
    before = path.along_mm < part[0]
    middle = vertebra.mesh.points.mean(axis=0, dtype=np.float64)
    if canal is not None:
        middle = canal_middle(canal, place, up)
    x, y, z = (float(v) for v in place)
    return ScrewFit(
        breach_mm=depth,
        grade=grade_of(depth),
        error_mm=error,
        grades_possible=_grades_between(-margin - error, -margin + error),
        direction=_way(path.outwards(worst), path.axis, np.asarray(up, np.float64), middle - place),
        wall_mm=margin if depth <= 0 else None,
        pedicle_mm=(float(part[0]), float(part[1])),
        waist_mm=waist,
        place_mm=(x, y, z),
        entry_breach_mm=float(path.breach_mm[before].max()) if before.any() else None,
        tip_breach_mm=tip_breach,
        found_by=how,
    )


@dataclass(frozen=True, eq=False)
class _Path:
    """The axis of a screw in steps, and how each of its places lies to the cortex."""

    places_mm: FloatArray
    axis: FloatArray
    along_mm: FloatArray
    outside_mm: FloatArray
    breach_mm: FloatArray
    nearest_mm: FloatArray
    normals: FloatArray

    def outwards(self, at: int) -> FloatArray:
        """From a place to the cortex nearest to it, or on from there where the place lies outside."""
        out = self.nearest_mm[at] - self.places_mm[at]
        way = out if self.outside_mm[at] <= 0 else -out
        return np.asarray(way if np.linalg.norm(way) >= 1e-6 else self.normals[at], np.float64)


def _path(vertebra: DistanceTo, entry: FloatArray, tip: FloatArray, radius_mm: float) -> _Path:
    length = float(np.linalg.norm(tip - entry))
    if not np.isfinite(length) or length < 1.0 or radius_mm <= 0:
        raise BadInput(tr("The screw has no length or no diameter: its entry and tip must be at least 1 mm apart."))
    axis = (tip - entry) / length
    along = np.linspace(0.0, length, max(int(np.ceil(length / _STEP_MM)), 2) + 1)
    places = entry + along[:, None] * axis
    found = vertebra.of(places)
    breach = np.maximum(0.0, radius_mm + found.distance_mm)
    return _Path(places, axis, along, found.distance_mm, breach, found.nearest_mm, found.normal)


def _worst(path: _Path, part: tuple[float, float]) -> int:
    """The number of the place of the pedicle where the axis is nearest to the cortex, or furthest out of it."""
    inside = (path.along_mm >= part[0] - 1e-9) & (path.along_mm <= part[1] + 1e-9)
    # Of places that are equally bad the one in the middle: near its ends other parts of the bone may be as near.
    bad = np.flatnonzero(inside & (path.outside_mm >= path.outside_mm[inside].max() - _EQUAL_MM))
    return int(bad[np.argmin(np.abs(path.along_mm[bad] - sum(part) / 2))])


def _grades_between(low_mm: float, high_mm: float) -> tuple[Grade, ...]:
    letters: tuple[Grade, ...] = ("A", "B", "C", "D", "E")
    return letters[letters.index(grade_of(low_mm)) : letters.index(grade_of(high_mm)) + 1]


def canal_middle(canal: Mesh, place_mm: ArrayLike, up: ArrayLike) -> FloatArray:
    """The middle of the outline in which the plane across ``up`` at a place cuts the canal, LPS mm.

    The middle of the whole canal's surface if it does not reach that height.

    Raises
    ------
    BadInput
        If the canal has no surface.
    """
    if not len(canal.triangles):
        raise BadInput(tr("The spinal canal has no surface. Choose another segment, or draw it."))
    place, way = np.asarray(place_mm, np.float64), np.asarray(up, np.float64)
    corners = canal.points.astype(np.float64)[canal.triangles]
    height = (corners - place) @ (way / np.linalg.norm(way))
    cut = np.flatnonzero((height.min(axis=1) < 0.0) & (height.max(axis=1) >= 0.0))
    if not len(cut):
        areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        return np.asarray(np.average(corners.mean(axis=1), axis=0, weights=areas))
    corners, height = corners[cut], height[cut]
    following, level = np.roll(corners, -1, axis=1), np.roll(height, -1, axis=1)
    crosses = (height < 0.0) != (level < 0.0)  # two sides of each of these triangles
    share = height[crosses] / (height[crosses] - level[crosses])
    ends = (corners[crosses] + share[:, None] * (following[crosses] - corners[crosses])).reshape(-1, 2, 3)
    lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    if lengths.sum() <= 0.0:
        return np.asarray(ends.mean(axis=(0, 1)))
    return np.asarray(np.average(ends.mean(axis=1), axis=0, weights=lengths))


def _part(
    vertebra: DistanceTo,
    places: FloatArray,
    axis: FloatArray,
    along: FloatArray,
    given: tuple[float, float] | None,
) -> tuple[tuple[float, float] | None, float | None, Literal["given", "narrowest", "not found"]]:
    """From where to where the pedicle is, where it is narrowest, and how that is known."""
    from scipy.ndimage import median_filter

    if given is not None:
        low, high = min(given), max(given)
        if not (np.isfinite([low, high]).all() and low < along[-1] and high > 0.0 and high - low >= _STEP_MM):
            message = tr("The pedicle from {low:g} to {high:g} mm is not on the screw, which is {length:g} mm long.")
            raise BadInput(message.format(low=low, high=high, length=float(along[-1])))
        return (max(low, 0.0), min(high, float(along[-1]))), None, "given"
    areas = median_filter(section_areas(vertebra, places, axis), _SHORTEST, mode="nearest")
    behind = np.maximum.accumulate(areas)
    ahead = np.maximum.accumulate(areas[::-1])[::-1]
    shoulder = np.minimum(behind, ahead)
    there = areas > 0
    depth = np.where(there, shoulder - areas, -np.inf)
    waist = int(np.argmax(depth))
    if not there.any() or shoulder[waist] < _VALLEY * areas[waist]:
        return None, None, "not found"
    # The middle of the narrowest stretch, and from there both ways as long as it stays narrow.
    limit = min(_WIDENS * float(areas[waist]), (float(areas[waist]) + float(shoulder[waist])) / 2)
    first = last = waist
    while first > 0 and 0 < areas[first - 1] <= limit:
        first -= 1
    while last + 1 < len(areas) and 0 < areas[last + 1] <= limit:
        last += 1
    narrow = np.flatnonzero(areas[first : last + 1] <= 1.05 * areas[waist]) + first
    return (float(along[first]), float(along[last])), float(along[narrow].mean()), "narrowest"


def section_areas(vertebra: DistanceTo, places: FloatArray, axis: FloatArray) -> FloatArray:
    """For each place the area, mm2, of the bone's section at right angles to the axis: the piece nearest to it."""
    from scipy.ndimage import label

    one = np.cross(axis, np.eye(3)[int(np.argmin(np.abs(axis)))])
    one /= np.linalg.norm(one)
    other = np.cross(axis, one)
    steps = np.arange(-_SECTION_MM, _SECTION_MM + _PIXEL_MM / 2, _PIXEL_MM)
    u, v = np.meshgrid(steps, steps, indexing="ij")
    flat = u.reshape(-1, 1) * one + v.reshape(-1, 1) * other
    away = np.hypot(u, v)
    found = np.zeros(len(places))
    for n, place in enumerate(places):
        distance = vertebra.of(place + flat).distance_mm.reshape(u.shape)
        pieces, count = label(distance <= 0.0)
        if not count:
            continue
        piece = pieces.reshape(-1)[np.argmin(np.where(pieces > 0, away, np.inf))]
        # Pixels on the border count by how far they are in: the outline is known better than the pixels.
        grown = (pieces == piece) | ((pieces == 0) & _beside(pieces == piece))
        found[n] = float(np.clip(0.5 - distance[grown] / _PIXEL_MM, 0.0, 1.0).sum()) * _PIXEL_MM**2
    return found


def _beside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(mask))


def _way(outwards: FloatArray, axis: FloatArray, up: FloatArray, inwards: FloatArray) -> Way:
    """Which way a direction points, seen along the screw."""
    across = outwards - (outwards @ axis) * axis
    cranial = up - (up @ axis) * axis
    cranial = cranial / np.linalg.norm(cranial)
    side = np.cross(axis, cranial)
    medial = side if inwards @ side > 0 else -side
    ways: dict[Way, float] = {
        "medial": float(across @ medial),
        "lateral": -float(across @ medial),
        "cranial": float(across @ cranial),
        "caudal": -float(across @ cranial),
    }
    return max(ways, key=lambda way: ways[way])
