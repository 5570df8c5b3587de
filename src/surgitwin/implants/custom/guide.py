"""A cutting guide: a block that fits on the bone in one way, with a slot for the saw in the planned plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.implants.custom.made import FloatArray, Made, Notes, triple, worded
from surgitwin.implants.distance import DistanceTo
from surgitwin.surfaces.fields import Field, body, distances
from surgitwin.surfaces.solids import Solid, box, cylinder, difference, standing, unit


@dataclass(frozen=True)
class GuideSettings:
    """Lengths in mm: the block is ``width`` across the slot, ``length`` along it and ``height`` above the bone.

    Attributes
    ----------
    wrap_mm
        How far the block reaches down beside the bone's highest point.
    slot_mm
        The saw blade's thickness with the play it needs.
    """

    width_mm: float = 30.0
    length_mm: float = 45.0
    height_mm: float = 10.0
    wrap_mm: float = 6.0
    clearance_mm: float = 0.2
    slot_mm: float = 1.2
    pin_mm: float = 2.0
    spacing_mm: float = 0.5


_BRIDGE_MM = 5.0
_FAR_MM = 30.0


def make_guide(
    bone: Mesh, point_mm: ArrayLike, normal: ArrayLike, settings: GuideSettings, at_mm: ArrayLike | None, ctx: Context
) -> Made:
    """A guide for the plane through ``point_mm``, sitting where the plane meets the bone nearest to ``at_mm``.

    It comes off straight away from the bone: nothing of it lies under the bone as seen along the way it came.

    Raises
    ------
    BadInput
        If the plane misses the bone, or the guide would fall apart or not touch the bone.
    """
    notes = Notes()
    across = unit(normal)
    on_plane = np.asarray(point_mm, np.float64)
    seat, out = _seat(bone, on_plane, across, at_mm)
    frame = standing(seat, out, across)
    local = Mesh(_to(np.linalg.inv(frame), bone.points), bone.triangles)
    w, length, step = settings.width_mm / 2, settings.length_mm / 2, settings.spacing_mm
    low, high = np.array([-w, -length, -settings.wrap_mm]), np.array([w, length, settings.height_mm])
    ctx.progress(0.2, tr("Taking the bone's negative"))
    # The grid reaches further up than the block: bone that overhangs it must be known.
    grid = Field.over(low - 3 * step - 1.0, high + np.array([3 * step, 3 * step, 25.0]) + 1.0, step)
    bones = distances(local, grid, (settings.clearance_mm,), ctx)
    under = np.minimum.accumulate(bones.values[::-1], axis=0)[::-1]
    block = box(low, high, tr("guide"))
    carved = block - body(bones.with_values(under), settings.clearance_mm, tr("guide"))
    ctx.progress(0.6, tr("Cutting the slot"))
    slot = box(
        (-settings.slot_mm / 2, -length + _BRIDGE_MM, low[2] - 1),
        (settings.slot_mm / 2, length - _BRIDGE_MM, high[2] + 1),
    )
    pins = _pins(settings)
    tools = [cylinder([x, y, low[2] - 1], [x, y, high[2] + 1], settings.pin_mm / 2) for x, y in pins]
    whole = _one_piece(difference(carved, [slot, *tools]), notes)
    marked = worded(whole, (0.0, 0.0, 1.0), 0.5, notes)
    part = marked.solid.moved(frame).called(tr("guide"))
    mesh = part.mesh()
    ctx.progress(0.9, tr("Measuring"))
    numbers = _numbers(mesh, bone, frame, settings, marked.letters_mm, len(pins))
    named = {f"pin {n + 1}": triple((frame @ np.array([x, y, 0.0, 1.0]))[:3]) for n, (x, y) in enumerate(pins)}
    axes = {"main": triple(out), "slot": triple(across)}
    return Made(mesh, numbers, {"centre": triple(seat), **named}, axes, tuple(notes.found))


def _seat(bone: Mesh, point: FloatArray, across: FloatArray, at_mm: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
    """Where the guide sits, on the bone and in the plane, and the way out of the bone within the plane."""
    heights = (bone.points.astype(np.float64) - point) @ across
    if not heights.min() < 0 < heights.max():
        raise BadInput(tr("The plane does not meet the bone: there is nothing to guide a saw along."))
    wish = np.asarray(at_mm if at_mm is not None else point, np.float64)
    wish = wish - ((wish - point) @ across) * across
    crossing = _outline(bone, heights)
    seat = crossing[int(np.argmin(np.linalg.norm(crossing - wish, axis=1)))]
    if at_mm is not None and np.linalg.norm(seat - wish) > _FAR_MM:
        message = tr(
            "The place for the guide lies {mm:.0f} mm from where the plane meets the bone: choose one on the bone."
        )
        raise BadInput(message.format(mm=float(np.linalg.norm(seat - wish))))
    # The mean normal around: one triangle's says little of where a block of centimetres should look.
    around = bone.triangles[np.linalg.norm(bone.points[bone.triangles].mean(axis=1) - seat, axis=1) < 8.0]
    corners = bone.points[around if len(around) else bone.triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    here = DistanceTo(bone, name=tr("bone")).of(seat[None]).normal[0]
    out = (normals * ((normals @ here) > 0)[:, None]).sum(axis=0) if len(around) else here
    flat = out - (out @ across) * across
    if np.linalg.norm(flat) < 0.3 * np.linalg.norm(out):
        raise BadInput(tr("The plane runs along the bone's surface there: choose another place for the guide."))
    return seat, unit(flat)


def _outline(bone: Mesh, heights: FloatArray) -> FloatArray:
    """Points where the sides of triangles cross the plane."""
    sides = np.concatenate([bone.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    one, two = heights[sides[:, 0]], heights[sides[:, 1]]
    cross = (one < 0) != (two < 0)
    t = (one[cross] / (one[cross] - two[cross]))[:, None]
    a, b = (bone.points[sides[cross, n]].astype(np.float64) for n in (0, 1))
    return np.asarray(a + t * (b - a), np.float64)


def _pins(settings: GuideSettings) -> list[tuple[float, float]]:
    if not settings.pin_mm:
        return []
    x, y = settings.width_mm / 2 - settings.pin_mm - 1.0, settings.length_mm / 2 - settings.pin_mm - 1.0
    return [(sx * x, sy * y) for sx in (-1.0, 1.0) for sy in (-1.0, 1.0)]


def _one_piece(solid: Solid, notes: Notes) -> Solid:
    pieces = solid.pieces()
    if not pieces:
        raise BadInput(tr("Nothing is left of the guide: the bone fills all of its block. Make it higher."))
    if len(pieces) > 1 and pieces[1].volume_mm3 > 0.2 * pieces[0].volume_mm3:
        raise BadInput(tr("The guide would fall into pieces: make it longer, or higher above the bone."))
    if len(pieces) > 1:
        notes.say("guide-pieces", tr("Loose pieces of the guide beside the bone were left out."))
    return pieces[0]


def _numbers(
    mesh: Mesh, bone: Mesh, frame: FloatArray, settings: GuideSettings, letters: float | None, pins: int
) -> dict[str, object]:
    away = DistanceTo(bone, name=tr("bone")).of(mesh.points.astype(np.float64)).distance_mm
    local = _to(np.linalg.inv(frame), mesh.points)
    walls = np.abs(np.abs(local[:, 0]) - settings.slot_mm / 2) < 0.01
    contact = away < settings.clearance_mm + 0.5
    return {
        "volume_ml": mesh.volume_ml,
        "clearance_mm": {"min": float(away.min()), "asked": settings.clearance_mm},
        "contact_points": int(np.count_nonzero(contact)),
        "slot_mm": settings.slot_mm,
        "slot_plane": {"point_mm": list(triple(frame[:3, 3])), "normal": list(triple(frame[:3, 0]))},
        "slot_walls": int(np.count_nonzero(walls)),
        "pin_holes": pins,
        "letters_mm": letters,
    }


def _to(matrix: ArrayLike, points: ArrayLike) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    whole = np.asarray(matrix, np.float64)
    return np.asarray(np.asarray(points, np.float64) @ whole[:3, :3].T + whole[:3, 3], np.float32)
