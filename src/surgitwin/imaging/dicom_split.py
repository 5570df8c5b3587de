"""Which slices of a series belong to one volume: orientations, stacks, echoes, phases, time points, duplicates.

One Series Instance UID often holds several volumes. Slices are first separated by what no volume can mix (matrix,
pixel spacing, orientation, stack), then, where several slices lie at one position, by the header field that explains
it, and last by gaps too wide to be missing slices.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import letter_of
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.imaging.dicom_frames import Plane
from surgitwin.imaging.dicom_grid import axes_of, even_steps, fillable, heights_of, place_in_words

# Directions that differ by less than this (radians) are one orientation: rounding in the header.
_SAME_DIRECTION = 2e-3
# Positions closer than this are one position whatever the slice distance is.
_SAME_PLACE_MM = 0.02

# What may tell slices at one position apart, in the order in which it is tried.
_MARKS: tuple[str, ...] = (
    "image_type",
    "component",
    "echo_time",
    "echo_number",
    "b_value",
    "gradient",
    "inversion_time",
    "flip_angle",
    "temporal_position",
    "cardiac_percent",
    "trigger_time",
    "kernel",
    "kvp",
    "acquisition_number",
    "acquisition_time",
    "content_time",
)


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices of one volume.

    Attributes
    ----------
    difference
        What distinguishes it from the other volumes of its series, in words; empty if it is the only one.
    """

    planes: tuple[Plane, ...]
    difference: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = field(default=())

    def told_apart(self, planes: Iterable[Plane], by: str) -> Stack:
        return replace(self, planes=tuple(planes), difference=(*self.difference, by) if by else self.difference)

    def noting(self, *notices: Notice) -> Stack:
        return replace(self, notices=(*self.notices, *notices))


def split_series(planes: Sequence[Plane]) -> list[Stack]:
    """The volumes in one series, the largest kind first: stacks before lone slices and localizers.

    Parameters
    ----------
    planes
        All with position, orientation and spacing.
    """
    stacks = [part for stack in _by_grid(planes) for part in _by_position(stack)]
    stacks = [part for stack in stacks for part in _by_gaps(stack)]
    return sorted(stacks, key=lambda stack: (stack.planes[0].localizer, len(stack.planes) == 1))


def _first(planes: Iterable[Plane]) -> tuple[int, str]:
    return min((plane.instance, plane.source.sop_uid) for plane in planes)


def _by_grid(planes: Sequence[Plane]) -> list[Stack]:
    """Separate what no volume can mix; orientations are clustered, because rounding makes them differ a little."""
    groups: dict[Hashable, list[Plane]] = defaultdict(list)
    directions: list[NDArray[np.float64]] = []
    for plane in planes:
        groups[_grid_key(plane, directions)].append(plane)
    several = len({key[0] for key in groups}) > 1 if groups else False  # type: ignore[index]
    stacks = []
    for key in sorted(groups, key=lambda key: _first(groups[key])):
        members = groups[key]
        stack = Stack(tuple(members))
        if len(groups) > 1:
            stack = stack.told_apart(members, _grid_in_words(members[0], groups))
        if several:
            stack = stack.noting(_mixed(len(directions)))
        stacks.append(stack)
    return stacks


def _grid_key(plane: Plane, directions: list[NDArray[np.float64]]) -> tuple[Hashable, ...]:
    """What must be equal within a volume; the first part numbers its orientation among ``directions``."""
    row, column, _ = axes_of(plane)
    vector = np.concatenate([row, column])
    near = [n for n, known in enumerate(directions) if np.max(np.abs(known - vector)) < _SAME_DIRECTION]
    number = near[0] if near else len(directions)
    if not near:
        directions.append(vector)
    assert plane.spacing is not None
    source = plane.source
    spacing = tuple(float(f"{part:.4g}") for part in plane.spacing)
    frame = source.frame_of_reference
    return (number, plane.rows, plane.columns, spacing, plane.localizer, plane.stack_id, source.sop_class, frame)


def _grid_in_words(plane: Plane, groups: Iterable[Hashable]) -> str:
    words = [orientation_in_words(plane)]
    keys = list(groups)
    if len({key[1:3] for key in keys}) > 1:  # type: ignore[index]
        words.append(f"{plane.columns} x {plane.rows}")
    if plane.localizer:
        words.append(tr("localizer"))
    if plane.stack_id and len({key[5] for key in keys}) > 1:  # type: ignore[index]
        words.append(tr("stack {id}").format(id=plane.stack_id))
    return ", ".join(words)


def orientation_in_words(plane: Plane) -> str:
    """``axial``, ``coronal``, ``sagittal``, or the nearest of them with ``oblique`` before it."""
    normal = axes_of(plane)[2]
    name = {"L": tr("sagittal"), "P": tr("coronal"), "S": tr("axial")}[letter_of(np.abs(normal))]
    return name if np.max(np.abs(normal)) > 0.966 else tr("oblique {plane}").format(plane=name)


def _mixed(count: int) -> Notice:
    return Notice(
        "mixed-orientation",
        tr("The series holds slices in {n} orientations; each orientation is listed as a volume of its own.").format(
            n=count
        ),
        {"orientations": count},
    )


def places(planes: Sequence[Plane]) -> NDArray[np.int64]:
    """A number for each plane's position along the normal: equal numbers, same position; ascending; shape (n,)."""
    heights = heights_of(planes)
    order = np.argsort(heights, kind="stable")
    gaps = np.diff(heights[order])
    real = gaps[gaps > _SAME_PLACE_MM]
    limit = max(_SAME_PLACE_MM, 0.05 * float(np.median(real))) if real.size else _SAME_PLACE_MM
    numbers = np.empty(len(planes), dtype=np.int64)
    numbers[order] = np.concatenate([[0], np.cumsum(gaps > limit)])
    return numbers


def _by_position(stack: Stack) -> list[Stack]:
    """Split until no two slices of a stack lie at one position."""
    stack = _without_copies(stack)
    numbers = places(stack.planes)
    most = int(np.bincount(numbers).max())
    if most == 1:
        return _by_interleaving(stack)
    for name, value in _telling_apart():
        parts = _partition(stack.planes, value)
        if 2 <= len(parts) <= most and _explains(parts, numbers):
            return _split_by(stack, name, parts)
    return _unexplained(stack, numbers)


def _telling_apart() -> list[tuple[str, Callable[[Plane], Hashable]]]:
    """Name and value function of everything that may distinguish slices at one position."""

    def marked(name: str) -> Callable[[Plane], Hashable]:
        return lambda plane: plane.marks.get(name)

    return [("in_plane", _in_plane_place), *((name, marked(name)) for name in _MARKS)]


def _in_plane_place(plane: Plane) -> Hashable:
    """Where the slice lies within its own plane, to 2 mm: two sides imaged in one series lie side by side."""
    row, column, _ = axes_of(plane)
    position = np.array(plane.position)
    return round(float(position @ row) / 2), round(float(position @ column) / 2)


def _partition(planes: Sequence[Plane], value: Callable[[Plane], Hashable]) -> dict[Hashable, list[int]]:
    parts: dict[Hashable, list[int]] = defaultdict(list)
    for index, plane in enumerate(planes):
        parts[value(plane)].append(index)
    return parts


def _explains(parts: dict[Hashable, list[int]], numbers: NDArray[np.int64]) -> bool:
    """True if the parts look like volumes over the same positions, and not like pieces of one volume.

    At least half of them (and two) must cover half of all positions, and those must share most of theirs.
    """
    everywhere = len(set(numbers.tolist()))
    covers = [set(numbers[part].tolist()) for part in parts.values()]
    large = [cover for cover in covers if len(cover) * 2 >= everywhere]
    if len(large) < max(2, len(covers) / 2):
        return False
    return all(len(large[0] & other) * 2 >= min(len(large[0]), len(other)) for other in large[1:])


def _split_by(stack: Stack, name: str, parts: dict[Hashable, list[int]]) -> list[Stack]:
    found = []

    def order(part: tuple[Hashable, list[int]]) -> tuple[float, tuple[int, str]]:
        value, members = part
        numeric = float(value) if isinstance(value, (int, float)) else 0.0
        return numeric, _first(stack.planes[index] for index in members)

    ordered = sorted(parts.items(), key=order)
    for number, (value, members) in enumerate(ordered):
        words = _mark_in_words(name, value, number + 1, list(parts))
        found += _by_position(stack.told_apart((stack.planes[index] for index in members), words))
    return found


def _mark_in_words(name: str, value: Hashable, number: int, values: Sequence[Hashable]) -> str:
    if name == "image_type":
        common = set.intersection(*(set(str(other).split("\\")) for other in values))
        own = [part for part in str(value).split("\\") if part not in common]
        return " ".join(own) or str(value)
    if isinstance(value, float):
        value = f"{value:g}"
    templates = {
        "component": "{value}",
        "echo_time": tr("echo time {value} ms"),
        "echo_number": tr("echo {value}"),
        "b_value": tr("b = {value} s/mm2"),
        "gradient": tr("diffusion direction {number}"),
        "inversion_time": tr("inversion time {value} ms"),
        "flip_angle": tr("flip angle {value} degrees"),
        "temporal_position": tr("time point {value}"),
        "cardiac_percent": tr("cardiac phase {value} %"),
        "trigger_time": tr("trigger time {value} ms"),
        "kernel": tr("kernel {value}"),
        "kvp": tr("{value} kV"),
        "acquisition_number": tr("acquisition {value}"),
        "in_plane": tr("field of view {number}"),
    }
    template = templates.get(name, tr("time point {number} of {count}"))
    return template.format(value=str(value).replace("\\", " "), number=number, count=len(values))


def _without_copies(stack: Stack) -> Stack:
    """Leave out further files of the very same object (a folder copied into itself)."""
    seen: set[tuple[str, int, tuple[int, int] | None]] = set()
    kept = []
    for plane in stack.planes:
        key = (plane.source.sop_uid, plane.frame, plane.tile)
        if plane.source.sop_uid and key in seen:
            continue
        seen.add(key)
        kept.append(plane)
    copies = len(stack.planes) - len(kept)
    if not copies:
        return stack
    notice = Notice(
        "duplicate-slice",
        tr("{n} slices are stored twice (the same object in two files); each was used once.").format(n=copies),
        {"count": copies, "same_object": True},
    )
    return replace(stack, planes=tuple(kept)).noting(notice)


def _by_interleaving(stack: Stack) -> list[Stack]:
    """Two acquisitions at slightly different positions look like one uneven stack: split them if each is even."""
    heights = np.sort(heights_of(stack.planes))
    if even_steps(heights) is not None:
        return [stack]
    for name, value in _telling_apart():
        parts = _partition(stack.planes, value)
        if not 2 <= len(parts) <= 4 or min(len(part) for part in parts.values()) < 3:
            continue
        ranges = [np.sort(heights_of([stack.planes[index] for index in part])) for part in parts.values()]
        low, high = max(part[0] for part in ranges), min(part[-1] for part in ranges)
        widest = max(part[-1] - part[0] for part in ranges)
        if high - low >= 0.5 * widest and all(even_steps(part) is not None for part in ranges):
            return _split_by(stack, name, parts)
    return [stack]


def _unexplained(stack: Stack, numbers: NDArray[np.int64]) -> list[Stack]:
    """Several slices at one position that no header field tells apart.

    Where it happens nearly everywhere, they are repetitions: the n-th at each position, in the order of acquisition,
    makes the n-th volume. Where it happens here and there, the first is kept and the others are named.
    """
    order = sorted(range(len(stack.planes)), key=lambda index: _acquisition_order(stack.planes[index]))
    rank: dict[int, int] = {}
    seen: Counter[int] = Counter()
    for index in order:
        rank[index] = seen[int(numbers[index])]
        seen[int(numbers[index])] += 1
    doubled = [place for place, count in seen.items() if count > 1]
    if len(doubled) > max(1, len(seen) // 4):
        count = max(seen.values())
        return [
            part
            for n in range(count)
            for part in _by_interleaving(
                stack.told_apart(
                    (stack.planes[index] for index in range(len(stack.planes)) if rank[index] == n),
                    tr("repetition {n} of {count}").format(n=n + 1, count=count),
                )
            )
        ]
    kept = [index for index in range(len(stack.planes)) if rank[index] == 0]
    notice = _duplicates([stack.planes[index] for index in range(len(stack.planes)) if rank[index] == 1])
    return _by_interleaving(replace(stack, planes=tuple(stack.planes[index] for index in kept)).noting(notice))


def _acquisition_order(plane: Plane) -> tuple[float, ...]:
    names = ("temporal_position", "trigger_time", "acquisition_number", "acquisition_time", "content_time")
    found = [plane.marks.get(name) for name in names]
    return (*(float(part) if isinstance(part, (int, float)) else 0.0 for part in found), float(plane.instance))


def _duplicates(planes: Sequence[Plane]) -> Notice:
    heights = heights_of(planes)
    where = ", ".join(place_in_words(plane, height) for plane, height in zip(planes[:5], heights[:5], strict=True))
    if len(planes) > 5:
        where += ", ..."
    return Notice(
        "duplicate-slice",
        tr("{n} positions hold more than one slice ({where}); the first acquired was used.").format(
            n=len(planes), where=where
        ),
        {"count": len(planes), "positions_mm": [list(plane.position or ()) for plane in planes]},
    )


def _by_gaps(stack: Stack) -> list[Stack]:
    """Split where slices are missing over too long a stretch to be filled in."""
    heights = heights_of(stack.planes)
    order = np.argsort(heights, kind="stable")
    heights = heights[order]
    gaps = np.diff(heights)
    if len(gaps) < 2:
        return [stack]
    # Among a handful of gaps the median may itself be the wide one.
    typical = float(np.median(gaps)) if len(gaps) > 4 else float(gaps.min())
    cuts = [index + 1 for index in range(len(gaps)) if _is_break(gaps, index, typical)]
    if not cuts:
        return [stack]
    pieces = np.split(order, cuts)
    found = []
    for number, piece in enumerate(pieces):
        planes = [stack.planes[index] for index in piece]
        ends = heights_of(planes)
        words = tr("part {n} of {count}, {low} to {high}").format(
            n=number + 1,
            count=len(pieces),
            low=place_in_words(planes[0], ends[0]),
            high=place_in_words(planes[-1], ends[-1]),
        )
        found.append(stack.told_apart(planes, words).noting(_gap_notice(stack, heights, cuts)))
    return found


def _is_break(gaps: NDArray[np.float64], index: int, typical: float) -> bool:
    """A gap far wider than the usual one and than those beside it, and too wide to be filled."""
    beside = [float(gaps[other]) for other in (index - 1, index + 1) if 0 <= other < len(gaps)]
    wide = gaps[index] > 1.5 * max(beside) and gaps[index] > 2.5 * typical
    return bool(wide and not fillable(float(gaps[index]), typical))


def _gap_notice(stack: Stack, heights: NDArray[np.float64], cuts: Sequence[int]) -> Notice:
    plane = stack.planes[0]
    stretches = [(float(heights[cut - 1]), float(heights[cut])) for cut in cuts]
    where = "; ".join(
        tr("between {low} and {high}").format(low=place_in_words(plane, low), high=place_in_words(plane, high))
        for low, high in stretches
    )
    return Notice(
        "missing-slice",
        tr("Slices are missing {where}; the parts on either side are listed as volumes of their own.").format(
            where=where
        ),
        {"gaps_mm": [round(high - low, 4) for low, high in stretches]},
    )
