"""Making a body fit for the printer: hollow with drains, cut into parts with pegs, on a base plate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.surfaces.fields import offset, samples
from surgitwin.surfaces.solids import Solid, cylinder, difference, rounded_plate, standing, unit

FloatArray = NDArray[np.float64]

_PEG_WALL_MM = 1.5


@dataclass(frozen=True, eq=False)
class Hollowed:
    """A shell; ``trapped_ml`` is the volume of cavities that no drain reaches."""

    solid: Solid
    drains_mm: list[FloatArray]
    saved_ml: float
    trapped_ml: float


@dataclass(frozen=True, eq=False)
class Parted:
    """The two parts of a cut, the one with the sockets first."""

    sockets: Solid
    pegs: Solid
    places_mm: list[FloatArray]
    notices: tuple[Notice, ...] = ()


def hollow(solid: Solid, wall_mm: float, drain_mm: float, ctx: Context | None = None) -> Hollowed:
    """A shell with a wall of one thickness, and two drains for each cavity: at its lowest place, and far from there.

    Raises
    ------
    BadInput
        If the body is nowhere thick enough to be hollow.
    """
    mesh = solid.mesh()
    try:
        inner = Solid.of(offset(mesh, -wall_mm, ctx=ctx), solid.name)
    except BadInput:
        message = tr("“{name}” is nowhere thicker than twice the wall of {mm:g} mm: it cannot be hollow.")
        raise BadInput(message.format(name=solid.name, mm=wall_mm)) from None
    shell = solid - inner
    outer = samples(mesh, 1.0)[0]
    drains, tools = [], []
    for cavity in inner.pieces():
        for place in _low_places(samples(cavity.mesh(), 1.0)[0], 3.0 * drain_mm):
            nearest = outer[int(np.argmin(np.linalg.norm(outer - place, axis=1)))]
            way = unit(nearest - place)
            tools.append(cylinder(place - 0.5 * wall_mm * way, nearest + wall_mm * way, drain_mm / 2))
            drains.append(nearest)
    open_shell = difference(shell, tools).called(solid.name)
    closed = -sum(min(float(part.volume()), 0.0) for part in open_shell.body.decompose()) / 1000.0
    return Hollowed(open_shell, drains, (solid.volume_mm3 - open_shell.volume_mm3) / 1000.0, closed)


def part_with_pegs(solid: Solid, point_mm: ArrayLike, normal: ArrayLike, peg_mm: float, clearance_mm: float) -> Parted:
    """Cut by a plane; pegs on the side that the normal points away from, sockets in the other.

    Raises
    ------
    BadInput
        If the plane misses the body.
    """
    front, back = solid.split(point_mm, normal)
    if front.empty or back.empty:
        raise BadInput(tr("The plane does not cut “{name}”.").format(name=solid.name))
    frame = standing(point_mm, normal)
    flat = solid.moved(np.linalg.inv(frame)).body.slice(0.0)
    radius, length = peg_mm / 2, peg_mm
    room = flat.offset(-(radius + clearance_mm + _PEG_WALL_MM))
    corners = [np.asarray(ring) for ring in room.to_polygons()]
    if peg_mm <= 0 or not corners:
        message = tr("The cut of “{name}” has no room for pegs of {mm:g} mm; the parts have none.")
        none = (Notice("no-room-for-pegs", message.format(name=solid.name, mm=peg_mm)),) if peg_mm > 0 else ()
        return Parted(front, back, [], none)
    spots = np.concatenate(corners)
    first = spots[int(np.argmax(np.linalg.norm(spots - spots.mean(axis=0), axis=1)))]
    second = spots[int(np.argmax(np.linalg.norm(spots - first, axis=1)))]
    chosen = [first] if np.linalg.norm(second - first) < 2 * peg_mm else [first, second]
    notices: tuple[Notice, ...] = ()
    if len(chosen) == 1:
        message = tr("The cut of “{name}” has room for one peg only: the parts can turn about it.")
        notices = (Notice("one-peg", message.format(name=solid.name)),)
    pegs, holes, places = back, front, []
    for x, y in chosen:
        peg = cylinder([x, y, -length], [x, y, length], radius).moved(frame)
        hole = cylinder([x, y, -1.0], [x, y, length + clearance_mm], radius + clearance_mm).moved(frame)
        # Where the body is thinner than a peg is long, the peg ends with it.
        pegs, holes = pegs + (peg & solid), holes - hole
        places.append((frame @ np.array([x, y, 0.0, 1.0]))[:3])
    return Parted(holes.called(solid.name), pegs.called(solid.name), places, notices)


def on_base_plate(solid: Solid, thickness_mm: float = 3.0, margin_mm: float = 5.0, sunk_mm: float = 1.0) -> Solid:
    """The body on a plate with round corners below it (along z), into which it sinks a little."""
    low, high = solid.box_mm
    size = high - low + 2 * margin_mm
    plate = rounded_plate((float(size[0]), float(size[1])), thickness_mm, min(3.0, float(size[:2].min()) / 4))
    move = np.eye(4)
    move[:3, 3] = (*((low + high) / 2)[:2], low[2] + sunk_mm - thickness_mm)
    return (solid + plate.moved(move)).called(solid.name)


def mark_text(pseudonym: str, side: str | None, version: str, *, mirrored: bool, part: str = "") -> str:
    """What is engraved: who, which side (only if it is known), which version, and that it is a mirror image."""
    first = " ".join(word for word in (pseudonym, {"left": "L", "right": "R"}.get(side or "", "")) if word)
    second = " ".join(word for word in ("MIRRORED" if mirrored else "", version, part) if word)
    return "\n".join(line for line in (first, second) if line)


def _low_places(points: FloatArray, apart_mm: float) -> list[FloatArray]:
    """The lowest point, and the lowest of those well apart from it."""
    first = points[int(np.argmin(points[:, 2]))]
    away = np.linalg.norm(points - first, axis=1)
    far = points[away >= min(max(apart_mm, 0.5 * float(away.max())), 0.95 * float(away.max()))]
    return [first, far[int(np.argmin(far[:, 2]))]]
