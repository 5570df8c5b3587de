"""Measurements as views draw them: lines, handles and a label, the same in the window, the report and snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surgitwin.core.geometry import FloatArray
from surgitwin.core.text import tr
from surgitwin.render.content import Vec3
from surgitwin.render.placement import Placement, Point
from surgitwin.render.slicing import Orientation
from surgitwin.scene.nodes import MeasurementNode, VolumeNode
from surgitwin.scene.scene import Scene

Rgb = tuple[int, int, int]
FADED = 0.35
"""How opaque what lies off the slice is drawn."""
GONE_MM = 40.0
"""What lies further off the slice is not drawn at all."""
AROUND = np.linspace(0.0, 2.0 * np.pi, 73)
LABEL_AWAY_PX = 8.0


@dataclass(frozen=True)
class MeasureContent:
    """One measurement.

    Attributes
    ----------
    lines
        LPS mm; of a region its wireframe for 3D.
    points
        The handles.
    region
        ``sphere``, ``box`` or nothing: slices then draw where they cut it instead of its lines.
    reach
        Half the region's size along x, y and z.
    """

    id: str
    lines: tuple[tuple[Vec3, ...], ...]
    points: tuple[Vec3, ...]
    label: str
    colour: Rgb = (233, 180, 76)
    region: str = ""
    reach: Vec3 = (0.0, 0.0, 0.0)
    visible: bool = True

    @property
    def label_at(self) -> Vec3:
        """The middle of the longest line, or the first point."""
        if self.region or not self.lines:
            return self.points[0]
        line = max(self.lines, key=len)
        if len(line) == 2:
            x, y, z = ((a + b) / 2 for a, b in zip(*line, strict=True))
            return x, y, z
        return line[len(line) // 2]


@dataclass(frozen=True)
class SliceMeasure:
    """One measurement in the pixels of a slice; ``opacity`` is that of its lines, lower off the slice."""

    content: MeasureContent
    lines: tuple[tuple[Point, ...], ...]
    handles: tuple[tuple[int, Point, bool], ...]
    label_at: Point
    opacity: float


def measure_contents(scene: Scene, shown: VolumeNode | None = None) -> tuple[MeasureContent, ...]:
    """The measurements of a scene; of those made on another image only what can be compared with the ``shown`` one."""
    found = []
    for node in scene.of_type(MeasurementNode):
        if shown is not None and not _comparable(scene.get(node.volume, VolumeNode), shown):
            continue
        text = str((node.document or {}).get("text") or tr("not assessed"))
        label = f"{node.name}: {text}" + (f" ({tr('STALE')})" if scene.is_stale(node) else "")
        found.append(content_of(node, label))
    return tuple(one for one in found if one.points)


def _comparable(made_on: VolumeNode | None, shown: VolumeNode) -> bool:
    """True on the image itself, and on those that say that they have its frame of reference."""
    if made_on is None or made_on.id == shown.id:
        return True
    frames = made_on.identity.frame_of_reference_uid, shown.identity.frame_of_reference_uid
    return bool(frames[0]) and frames[0] == frames[1]


def content_of(node: MeasurementNode, label: str) -> MeasureContent:
    if node.kind == "sphere" and node.points_mm:
        reach = (node.radius_mm or 0.0,) * 3
        return region_content(node.id, "sphere", node.points_mm[0], reach, label, node.color, node.visible)
    if node.kind == "box" and node.points_mm and node.size_mm is not None:
        x, y, z = (size / 2 for size in node.size_mm)
        return region_content(node.id, "box", node.points_mm[0], (x, y, z), label, node.color, node.visible)
    lines = (node.document or {}).get("line_mm") or [node.points_mm]
    plain = tuple(tuple((float(x), float(y), float(z)) for x, y, z in line) for line in lines)
    return MeasureContent(node.id, plain, node.points_mm, label, node.color, visible=node.visible)


def region_content(
    key: str, region: str, centre: Vec3, reach: Vec3, label: str, colour: Rgb = (233, 180, 76), visible: bool = True
) -> MeasureContent:
    middle, half = np.asarray(centre), np.asarray(reach)
    if region == "sphere":
        ring = np.column_stack([np.cos(AROUND), np.sin(AROUND), 0 * AROUND])
        lines = [middle + half * np.roll(ring, shift, axis=1) for shift in range(3)]
    else:
        flat = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])
        ends = [np.column_stack([flat, np.full(5, side)]) for side in (-1, 1)]
        rods = [np.array([[x, y, -1], [x, y, 1]]) for x, y in flat[:4]]
        lines = [middle + half * np.asarray(line, dtype=np.float64) for line in (*ends, *rods)]
    plain = tuple(tuple((float(x), float(y), float(z)) for x, y, z in line) for line in lines)
    return MeasureContent(key, plain, (centre,), label, colour, region, reach, visible)


def in_slice(
    contents: Sequence[MeasureContent],
    orientation: Orientation,
    position_mm: float,
    slice_mm: float,
    placement: Placement,
) -> list[SliceMeasure]:
    """What a slice shows of the measurements; those far off it are left out."""
    found: list[SliceMeasure] = []
    axis = orientation.axis
    for one in contents:
        if not one.visible or not one.points:
            continue
        shown = _region_lines(one, axis, position_mm) if one.region else [np.asarray(line) for line in one.lines]
        if not shown:
            continue
        near = max(0.75 * slice_mm, 0.5)
        away = 0.0 if one.region else float(np.abs(np.concatenate(shown)[:, axis] - position_mm).min())
        if away > GONE_MM:
            continue
        on = [abs(point[axis] - position_mm) <= near for point in one.points]
        opacity = 1.0 if one.region or (all(on) and on) or (away <= near and len(one.lines[0]) > 2) else FADED
        pixels = [placement.to_pixels(orientation.to_view(line)[:, :2]) for line in shown]
        lines = tuple(tuple((float(x), float(y)) for x, y in line) for line in pixels)
        places = placement.to_pixels(orientation.to_view(np.asarray(one.points))[:, :2])
        handles = tuple((n, (float(x), float(y)), on[n]) for n, (x, y) in enumerate(places))
        x, y = placement.to_pixels(orientation.to_view(np.asarray(one.label_at))[:2])
        found.append(SliceMeasure(one, lines, handles, (float(x), float(y)), opacity))
    return found


def _region_lines(one: MeasureContent, axis: int, position_mm: float) -> list[FloatArray]:
    """Where the slice cuts a sphere or a box."""
    middle, reach = np.asarray(one.points[0]), np.asarray(one.reach)
    away = position_mm - middle[axis]
    if abs(away) >= reach[axis]:
        return []
    u, v = (a for a in range(3) if a != axis)
    if one.region == "sphere":
        radius = np.sqrt(reach[axis] ** 2 - away**2)
        flat = radius * np.column_stack([np.cos(AROUND), np.sin(AROUND)])
    else:
        flat = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) * reach[[u, v]]
    line = np.tile(middle, (len(flat), 1))
    line[:, [u, v]] += flat
    line[:, axis] = position_mm
    return [line]


def label_boxes(
    places: Sequence[tuple[Point, float, float]], width: float, height: float
) -> list[tuple[float, float, float, float]]:
    """Boxes for labels of (place, width, height), beside their places, inside the picture and below one another where
    they would overlap."""
    taken: list[tuple[float, float, float, float]] = []
    for (x, y), wide, high in places:
        left = min(max(x + LABEL_AWAY_PX, 2.0), max(width - wide - 2.0, 2.0))
        top = min(max(y - high - LABEL_AWAY_PX, 2.0), max(height - high - 2.0, 2.0))
        for _ in range(40):
            beside = (b for b in taken if left < b[2] and b[0] < left + wide)
            hit = next((b for b in beside if top < b[3] and b[1] < top + high), None)
            if hit is None:
                break
            top = hit[3] + 1.0
        taken.append((left, top, left + wide, top + high))
    return taken
