"""From the positions of slices to one regular, orthogonal grid, and how each slice gets onto it.

Spacing along the stack comes from the slices' positions projected on their normal, never from Slice Thickness.

* Slices that lie evenly become the grid as they are.
* Where one or two in a row are missing (or more within 10 mm), the gap is filled by interpolation between its
  neighbours and named. Wider gaps are split before this point (`dicom_split`), so no longer stretch is ever invented.
* Uneven distances are resampled to the smallest one.
* Slices shifted against each other (gantry tilt) are moved within their own planes, so that the grid's third axis
  becomes their normal; nothing is interpolated between slices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry, letter_of
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.imaging.dicom_frames import Plane

FloatArray = NDArray[np.float64]
MAX_MISSING_IN_A_ROW = 2
MAX_FILLED_GAP_MM = 10.0
# Slices may lie this far (in pixels) off a straight stack before they are moved back.
_SHIFT_TOLERANCE_PIXELS = 0.15


@dataclass(frozen=True, eq=False)
class StackPlan:
    """How the slices of one stack become a volume.

    Attributes
    ----------
    planes
        Sorted along their normal.
    sources
        For each slice k of the result: two indices into ``planes`` and the weight of the second.
    shifts
        Shape (n, 2): where pixel (0, 0) of each plane lies on the result's slices, in pixels along i and j.
    resampled
        True if values of the result are interpolated anywhere.
    """

    planes: tuple[Plane, ...]
    geometry: Geometry
    sources: tuple[tuple[int, int, float], ...]
    shifts: FloatArray
    notices: tuple[Notice, ...]

    @property
    def shifted(self) -> bool:
        return bool(np.any(self.shifts))

    @property
    def resampled(self) -> bool:
        return self.shifted or any(weight for _, _, weight in self.sources)

    @property
    def slots(self) -> dict[int, int] | None:
        """Plane index to slice k, if every plane is a slice of the result as it is; else None."""
        direct = {first: k for k, (first, _, weight) in enumerate(self.sources) if weight == 0.0}
        return direct if len(direct) == len(self.planes) else None


def axes_of(plane: Plane) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Unit vectors (LPS) of a row, a column and their normal.

    Raises
    ------
    BadInput
        If the orientation is not two perpendicular unit vectors.
    """
    assert plane.orientation is not None
    row, column = np.array(plane.orientation[:3]), np.array(plane.orientation[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(lengths) < 0.9 or max(lengths) > 1.1 or abs(float(row @ column)) > 0.02:
        raise BadInput(
            tr("The image orientation in '{file}' is not two perpendicular unit vectors.").format(
                file=plane.source.file.name
            )
        )
    row = row / lengths[0]
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return row, column, np.cross(row, column)


def heights_of(planes: Sequence[Plane]) -> FloatArray:
    """Positions projected on the normal of the first plane, mm; shape (n,)."""
    normal = axes_of(planes[0])[2]
    return np.array([plane.position for plane in planes], dtype=np.float64) @ normal


def place_in_words(plane: Plane, height: float) -> str:
    """Where a slice lies, as a user reads it: ``z = 12.5 mm`` for slices along a body axis."""
    normal = axes_of(plane)[2]
    axis = int(np.argmax(np.abs(normal)))
    if abs(normal[axis]) > 0.9998:
        position = np.array(plane.position)
        at = position + (height - position @ normal) * normal
        return f"{'xyz'[axis]} = {at[axis]:.1f} mm"
    return tr("{height:.1f} mm along the slice normal (towards {side})").format(height=height, side=letter_of(normal))


def tolerance_mm(step: float) -> float:
    """How far a slice may lie off its even place: positions rounded to 0.1 mm, not a different spacing."""
    return max(0.01 * step, min(0.2 * step, 0.1))


def even_steps(heights: FloatArray) -> NDArray[np.int64] | None:
    """Whole-number places of sorted ``heights`` on an even grid, or None if they do not fit one.

    Shape (n,), starting at 0; steps above 1 are missing slices. Where more than a third would be missing, the
    distances are uneven rather than the slices incomplete.
    """
    gaps = np.diff(heights)
    if len(gaps) == 0:
        return np.zeros(1, dtype=np.int64)
    for base in (float(np.median(gaps)), float(gaps.min())):
        steps = np.concatenate([[0], np.cumsum(np.maximum(np.rint(gaps / base), 1))]).astype(np.int64)
        step = (heights[-1] - heights[0]) / steps[-1]
        missing = int(steps[-1]) + 1 - len(heights)
        fits = np.max(np.abs(heights - heights[0] - steps * step)) <= tolerance_mm(step)
        if fits and missing <= max(1, len(heights) // 3):
            return steps
    return None


def fillable(gap_mm: float, step_mm: float) -> bool:
    """True if a gap between two slices may be filled by interpolation."""
    missing = round(gap_mm / step_mm) - 1
    return missing <= MAX_MISSING_IN_A_ROW or gap_mm <= MAX_FILLED_GAP_MM


def plan_stack(planes: Sequence[Plane]) -> StackPlan:
    """Put slices of one orientation, size and pixel spacing on a grid.

    Parameters
    ----------
    planes
        In any order, no two at one position, all with position, orientation and spacing.

    Raises
    ------
    BadInput
        If no regular grid can be made from them.
    """
    row, column, normal = axes_of(planes[0])
    assert planes[0].spacing is not None
    spacing_j, spacing_i = planes[0].spacing
    heights = heights_of(planes)
    order = np.argsort(heights, kind="stable")
    ordered = tuple(planes[index] for index in order)
    heights = heights[order]
    step, sources, notices = _along(ordered, heights)
    shifts, moved = _across(ordered, heights, (row, column), (spacing_i, spacing_j))
    size_i = ordered[0].columns + math.ceil(shifts[:, 0].max() - 1e-6)
    size_j = ordered[0].rows + math.ceil(shifts[:, 1].max() - 1e-6)
    origin = np.array(ordered[0].position) - shifts[0, 0] * spacing_i * row - shifts[0, 1] * spacing_j * column
    geometry = Geometry.from_parts(
        (size_i, size_j, len(sources)),
        (spacing_i, spacing_j, step),
        origin,
        np.column_stack([row, column, normal]),
    )
    return StackPlan(ordered, geometry, sources, shifts, (*notices, *moved))


def _along(
    planes: tuple[Plane, ...], heights: FloatArray
) -> tuple[float, tuple[tuple[int, int, float], ...], list[Notice]]:
    """Spacing along the normal, the sources of each slice, and what had to be filled or resampled."""
    count = len(planes)
    if count == 1:
        return *_lone_slice(planes[0]), []
    steps = even_steps(heights)
    if steps is None:
        return _resampled(planes, heights)
    step = float((heights[-1] - heights[0]) / steps[-1])
    sources: list[tuple[int, int, float]] = []
    notices: list[Notice] = []
    for index in range(count - 1):
        width = int(steps[index + 1] - steps[index])
        sources += [(index, index + 1 if part else index, part / width) for part in range(width)]
        if width > 1:
            _refuse_wide(planes, heights, index, step)
            notices.append(_missing(planes[index], heights[index], step, width - 1))
    sources.append((count - 1, count - 1, 0.0))
    return step, tuple(sources), notices


def _refuse_wide(planes: tuple[Plane, ...], heights: FloatArray, index: int, step: float) -> None:
    if not fillable(float(heights[index + 1] - heights[index]), step):
        raise BadInput(
            tr("Too many slices are missing between {low} and {high} to fill them in.").format(
                low=place_in_words(planes[index], heights[index]),
                high=place_in_words(planes[index + 1], heights[index + 1]),
            )
        )


def _lone_slice(plane: Plane) -> tuple[float, tuple[tuple[int, int, float], ...]]:
    # A lone slice has no measurable distance to a neighbour: this is the one place where the header's claim counts.
    return plane.step if plane.step and plane.step > 0 else 1.0, ((0, 0, 0.0),)


def _missing(plane: Plane, height: float, step: float, count: int) -> Notice:
    places = [height + step * (index + 1) for index in range(count)]
    where = ", ".join(place_in_words(plane, place) for place in places)
    if count == 1:
        message = tr("A slice is missing at {where}; it was filled in from its two neighbours.").format(where=where)
    else:
        message = tr("{n} slices are missing at {where}; they were filled in from their neighbours.").format(
            n=count, where=where
        )
    normal = axes_of(plane)[2]
    position = np.array(plane.position)
    points = [[round(float(v), 4) for v in position + (place - height) * normal] for place in places]
    return Notice("missing-slice", message, {"count": count, "positions_mm": points, "spacing_mm": round(step, 5)})


def _resampled(
    planes: tuple[Plane, ...], heights: FloatArray
) -> tuple[float, tuple[tuple[int, int, float], ...], list[Notice]]:
    gaps = np.diff(heights)
    target = max(float(gaps.min()), 0.25 * float(np.median(gaps)))
    count = max(round((heights[-1] - heights[0]) / target) + 1, 2)
    step = float((heights[-1] - heights[0]) / (count - 1))
    sources = []
    for index in range(count):
        height = heights[0] + index * step
        above = int(np.clip(np.searchsorted(heights, height), 1, len(heights) - 1))
        weight = float(np.clip((height - heights[above - 1]) / gaps[above - 1], 0.0, 1.0))
        if weight < 1e-6:
            sources.append((above - 1, above - 1, 0.0))
        elif weight > 1 - 1e-6:
            sources.append((above, above, 0.0))
        else:
            sources.append((above - 1, above, weight))
    notice = Notice(
        "irregular-spacing",
        tr(
            "The distances between slices vary from {low:.2f} to {high:.2f} mm; the volume was resampled to an even "
            "{step:.2f} mm."
        ).format(low=float(gaps.min()), high=float(gaps.max()), step=step),
        {"min_mm": round(float(gaps.min()), 4), "max_mm": round(float(gaps.max()), 4), "spacing_mm": round(step, 5)},
    )
    return step, tuple(sources), [notice]


def _across(
    planes: tuple[Plane, ...],
    heights: FloatArray,
    axes: tuple[FloatArray, FloatArray],
    spacing_ij: tuple[float, float],
) -> tuple[FloatArray, list[Notice]]:
    """How far each plane lies from the grid's first column and row, in pixels, all >= 0; zeros for a straight stack."""
    row, column = axes
    offsets = np.array([plane.position for plane in planes]) - np.array(planes[0].position)
    lateral = np.column_stack([offsets @ row, offsets @ column])
    pixels = lateral / np.array(spacing_ij)
    still = np.max(np.abs(pixels), axis=0) <= _SHIFT_TOLERANCE_PIXELS
    if np.all(still):
        return np.zeros_like(pixels), []
    shifts = np.where(still, 0.0, pixels - pixels.min(axis=0))
    travel = heights[-1] - heights[0]
    slope = lateral[-1] / travel
    straight = np.max(np.abs(lateral - np.outer(heights - heights[0], slope))) <= 0.5 * min(spacing_ij)
    angle = math.degrees(math.atan(float(np.linalg.norm(slope))))
    if straight and angle >= 0.2:
        notice = Notice(
            "gantry-tilt",
            tr(
                "The slices are tilted by {angle:.1f} degrees against the direction they follow each other in (gantry "
                "tilt); they were moved onto a rectangular grid."
            ).format(angle=angle),
            {"angle_degrees": round(angle, 3), "shear_mm_per_mm": [round(float(v), 6) for v in slope]},
        )
    else:
        largest = float(np.max(np.linalg.norm(lateral, axis=1)))
        notice = Notice(
            "shifted-slices",
            tr(
                "The slices are shifted against each other by up to {mm:.1f} mm; they were moved onto a rectangular "
                "grid."
            ).format(mm=largest),
            {"max_shift_mm": round(largest, 4)},
        )
    return shifts, [notice]
