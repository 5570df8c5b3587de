"""Words as bodies, and sunk into a surface or raised on it so that they are read from outside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.surfaces.fields import samples
from surgitwin.surfaces.solids import Solid, box, extrude, standing, unit

FloatArray = NDArray[np.float64]

# What stays readable on common printers: capitals of 3 mm have strokes of about 0.5 mm in Inter SemiBold.
READABLE_MM = 3.0
SMALLEST_MM = 1.2
LARGEST_MM = 8.0
DEPTH_MM = 0.6
_LINE = 1.6  # from line to line, in heights of capitals
_PIXEL_MM = 0.5


@dataclass(frozen=True, eq=False)
class Place:
    """A flat enough place on a surface.

    Attributes
    ----------
    at_mm, outward, right
        Its middle, the way out of the body there, and the way that letters run.
    size_mm
        Width along ``right``, and height.
    rise_mm
        How far the surface leaves a plane within it.
    """

    at_mm: FloatArray
    outward: FloatArray
    right: FloatArray
    size_mm: tuple[float, float]
    rise_mm: float


@dataclass(frozen=True, eq=False)
class Engraved:
    """A body with words; ``letters_mm`` is the height of its capitals, None if there was no place for them."""

    solid: Solid
    lines: tuple[str, ...]
    letters_mm: float | None
    place: Place | None
    notices: tuple[Notice, ...] = ()


def text_solid(text: str, letters_mm: float, thickness_mm: float) -> Solid:
    """Words about the origin, to be read from +z, x to the right; from z = 0 to ``thickness_mm``.

    Raises
    ------
    BadInput
        If the font has none of the letters.
    """
    rings: list[FloatArray] = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        found, width = _line_rings(line)
        middle = np.array([width / 2, 0.5 + (number - (len(lines) - 1) / 2) * _LINE])
        rings += [(ring - middle) * letters_mm for ring in found]
    if not rings:
        raise BadInput(tr("“{text}” has no letter that could be engraved.").format(text=text))
    return extrude(rings, thickness_mm, text, rule="winding")


def text_size(text: str, letters_mm: float) -> tuple[float, float]:
    """Width and height of words, mm."""
    lines = text.split("\n")
    width = max(_line_rings(line)[1] for line in lines)
    return width * letters_mm, (1.0 + (len(lines) - 1) * _LINE) * letters_mm


def engrave(
    solid: Solid,
    text: str,
    *,
    depth_mm: float = DEPTH_MM,
    raised: bool = False,
    facing: ArrayLike | None = None,
    place: Place | None = None,
    letters_mm: float = LARGEST_MM,
) -> Engraved:
    """Sink words into a body to one depth, or raise them, also where the surface is curved.

    Parameters
    ----------
    facing
        The way that the words should look; without it the flattest side is taken.
    place
        Where they go; without it a place is looked for.
    letters_mm
        The height of capitals at most; they are smaller where the place is.
    """
    mesh = solid.mesh()
    lines, found, height = _fitted(mesh, text, letters_mm, facing, place)
    if found is None:
        message = tr("No place is large enough for “{text}”: it was not engraved.")
        notice = Notice("text-no-place", message.format(text=text.replace("\n", " ")))
        return Engraved(solid, (), None, None, (notice,))
    words = "\n".join(lines)
    reach = found.rise_mm + 2.0 * depth_mm + 0.5
    prism = text_solid(words, height, 2.0 * reach)
    frame = standing(found.at_mm, found.outward, found.right)
    down = np.eye(4)
    down[2, 3] = -reach
    prism = prism.moved(frame @ down)
    low, high = prism.box_mm
    near = solid & box(low - 1.0 - depth_mm, high + 1.0 + depth_mm)
    shift = np.eye(4)
    shift[:3, 3] = found.outward * (depth_mm if raised else -depth_mm)
    cut = solid + (prism & near.moved(shift)) if raised else solid - (prism - near.moved(shift))
    notices: tuple[Notice, ...] = ()
    if height < READABLE_MM:
        message = tr(
            "The letters of “{text}” are {mm:.1f} mm high: below {least:g} mm they may not be readable in print."
        )
        text_ = words.replace("\n", " ")
        notices = (
            Notice("text-small", message.format(text=text_, mm=height, least=READABLE_MM), {"letters_mm": height}),
        )
    return Engraved(cut.called(solid.name), tuple(lines), height, found, notices)


def _fitted(
    mesh: Mesh, text: str, largest: float, facing: ArrayLike | None, place: Place | None
) -> tuple[list[str], Place | None, float]:
    """The lines, their place and the height of capitals: as large as there is a flat enough place for."""
    views = _views(mesh, facing) if place is None else []
    height = largest
    while height >= SMALLEST_MM:
        for lines in _wrapped(text):
            width, tall = text_size("\n".join(lines), height)
            if place is not None:
                if width <= place.size_mm[0] and tall <= place.size_mm[1]:
                    return lines, place, height
                continue
            found = _best_place(views, width + 0.8 * height, tall + 0.8 * height)
            if found is not None and found.rise_mm <= 0.2 * max(width, tall) + 0.5:
                return lines, found, height
        height *= 0.8
    return [], None, 0.0


def _wrapped(text: str) -> list[list[str]]:
    """The words in one line, two, three ...; lines that were given stay apart."""
    given = [line for line in text.split("\n") if line.strip()]
    ways = [given]
    words = sum(len(line.split()) for line in given)
    for count in range(len(given) + 1, min(words, 8) + 1):
        longest = sum(len(line) for line in given) / count
        lines: list[str] = []
        for line in given:
            current = ""
            for word in line.split():
                if current and len(current) + 1 + len(word) > longest * 1.25:
                    lines.append(current)
                    current = word
                else:
                    current = f"{current} {word}".strip()
            lines.append(current)
        if lines not in ways:
            ways.append(lines)
    return ways


def _ways(mesh: Mesh, facing: ArrayLike | None) -> list[FloatArray]:
    """Directions that much of the surface faces."""
    corners = mesh.points[mesh.triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(normals, axis=1)
    if facing is not None:
        return [unit(facing)]
    ways: list[FloatArray] = []
    left = areas.copy()
    faces = normals / np.where(areas > 0, areas, 1.0)[:, None]
    for _ in range(4):
        first = faces[int(np.argmax(left))]
        like = (faces @ first > 0.9) & (left > 0)
        if not like.any():
            break
        mean = (faces[like] * areas[like, None]).sum(axis=0)
        if np.linalg.norm(mean) > 0:
            ways.append(unit(mean))
        left[like] = 0.0
    sides = [s * axis for axis in np.eye(3) for s in (1.0, -1.0)]
    # The side that most of the surface looks to first; a body without any flat side still has six.
    return ways + [side for side in sides if all(side @ way < 0.95 for way in ways)]


def _rights(way: FloatArray) -> list[FloatArray]:
    # Upright first, as a standing person reads it.
    level = np.array([1.0, 0.0, 0.0]) if abs(way[2]) > 0.95 else np.cross((0.0, 0.0, 1.0), way)
    frame = standing(np.zeros(3), way, level)
    return [frame[:3, 0], frame[:3, 1], (frame[:3, 0] + frame[:3, 1]) / np.sqrt(2.0)]


@dataclass(frozen=True, eq=False)
class _View:
    """How high the surface is as seen along a direction: the columns of ``frame`` are right, up and outward."""

    frame: FloatArray
    low_mm: FloatArray
    top_mm: FloatArray  # [x, y], minus infinity where there is nothing


def _views(mesh: Mesh, facing: ArrayLike | None) -> list[_View]:
    points = samples(mesh, 0.6 * _PIXEL_MM)[0]
    return [_seen(points, way, right) for way in _ways(mesh, facing) for right in _rights(way)]


def _seen(points: FloatArray, way: FloatArray, right: FloatArray) -> _View:
    frame = standing(np.zeros(3), way, right)[:3, :3]
    turned = points @ frame
    low = turned.min(axis=0)
    cells = ((turned[:, :2] - low[:2]) / _PIXEL_MM).astype(int)
    top = np.full(tuple(cells.max(axis=0) + 1), -np.inf)
    np.maximum.at(top, (cells[:, 0], cells[:, 1]), turned[:, 2])
    return _View(frame, low, top)


def _best_place(views: list[_View], width: float, height: float) -> Place | None:
    places = [one for view in views if (one := _flattest(view, width, height)) is not None]
    return min(places, key=lambda one: one.rise_mm) if places else None


def _flattest(view: _View, width: float, height: float) -> Place | None:
    """The window of a height map in which the surface rises least."""
    from scipy.ndimage import maximum_filter, minimum_filter

    across, along = int(np.ceil(width / _PIXEL_MM)) + 1, int(np.ceil(height / _PIXEL_MM)) + 1
    if view.top_mm.shape[0] < across or view.top_mm.shape[1] < along:
        return None
    empty = -1e6
    filled = np.where(np.isfinite(view.top_mm), view.top_mm, empty)
    lowest = minimum_filter(filled, (across, along), mode="constant", cval=empty)
    rise = np.where(lowest > empty, maximum_filter(filled, (across, along)) - lowest, np.inf)
    best = np.unravel_index(int(np.argmin(rise)), rise.shape)
    if not np.isfinite(rise[best]):
        return None
    middle = view.low_mm[:2] + (np.array(best) + 0.5) * _PIXEL_MM
    at = view.frame @ np.array([middle[0], middle[1], view.top_mm[best]])
    return Place(at, view.frame[:, 2], view.frame[:, 0], (width, height), float(rise[best]))


@cache
def _font() -> Any:
    from fontTools.ttLib import TTFont

    return TTFont(str(files("surgitwin") / "resources/fonts/Inter-SemiBold.ttf"), lazy=True)


@cache
def _line_rings(line: str) -> tuple[list[FloatArray], float]:
    """Outlines of a line of text from the origin rightwards, and its width; capitals are 1 high."""
    from fontTools.pens.recordingPen import DecomposingRecordingPen

    font = _font()
    shapes, names = font.getGlyphSet(), font.getBestCmap()
    capitals = float(font["OS/2"].sCapHeight)
    rings: list[FloatArray] = []
    pen_x = 0.0
    for letter in line:
        name = names.get(ord(letter), names.get(ord("?"), ".notdef"))
        pen = DecomposingRecordingPen(shapes)
        shapes[name].draw(pen)
        rings += [(ring + np.array([pen_x, 0.0])) / capitals for ring in _flattened(pen.value)]
        # A little wider apart than on paper: strokes that run together cannot be read.
        pen_x += shapes[name].width + 0.06 * capitals
    return rings, pen_x / capitals


def _flattened(drawn: list[tuple[str, tuple[Any, ...]]]) -> list[FloatArray]:
    """Closed polygons of what a pen drew, four straight pieces for each curve."""
    rings: list[FloatArray] = []
    points: list[FloatArray] = []
    for action, places in drawn:
        ends = [np.asarray(place, np.float64) for place in places if place is not None]
        if action == "moveTo":
            points = [ends[0]]
        elif action == "lineTo":
            points.append(ends[0])
        elif action == "qCurveTo":
            _quadratic(points, ends)
        elif action in ("closePath", "endPath") and len(points) > 2:
            rings.append(np.array(points))
    return rings


def _quadratic(points: list[FloatArray], ends: list[FloatArray]) -> None:
    for number, control in enumerate(ends[:-1]):
        last = number == len(ends) - 2
        end = ends[-1] if last else (control + ends[number + 1]) / 2
        start = points[-1]
        ways = (0.25, 0.5, 0.75, 1.0)
        points += [(1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end for t in ways]
