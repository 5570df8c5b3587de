"""Moving a cut plane by hand, in a slice or in 3D: pure geometry, no picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from surgitwin.core.geometry import FloatArray
from surgitwin.render.content import PlaneContent, vec3
from surgitwin.render.placement import (
    Placement,
    Point,
    Segment,
    clip_line,
    clip_to_half_planes,
    plane_line,
)
from surgitwin.render.slicing import Orientation


@dataclass(frozen=True)
class CutLine:
    """A plane as a slice shows it, in pixels.

    Attributes
    ----------
    line
        The plane's whole line across the picture.
    cutting
        The part that bounds what is removed: the other planes of its group keep the rest.
    centre
        Where the handle that moves the plane sits, on the line.
    ends
        Where the two handles that turn it sit.
    removed
        Unit direction on the screen towards the side that is removed.
    """

    plane: PlaneContent
    line: Segment
    cutting: Segment | None
    centre: Point
    ends: tuple[Point, Point]
    removed: Point


def cut_lines(
    planes: tuple[PlaneContent, ...], orientation: Orientation, position_mm: float, placement: Placement
) -> list[CutLine]:
    """The lines of all visible planes that meet the slice at ``position_mm`` within the picture."""
    found: list[CutLine] = []
    for plane in planes:
        if plane.visible:
            others = [p for p in planes if p is not plane and p.visible and p.group and p.group == plane.group]
            line = _cut_line(plane, others, orientation, position_mm, placement)
            if line is not None:
                found.append(line)
    return found


def _cut_line(
    plane: PlaneContent, others: list[PlaneContent], orientation: Orientation, position_mm: float, placement: Placement
) -> CutLine | None:
    normal_view = orientation.to_view(plane.normal)
    met = plane_line(orientation.to_view(plane.point), normal_view, position_mm)
    if met is None:
        return None
    base = placement.to_pixels(met[0])
    along = np.asarray(met[1])
    line = clip_line(base, along, (0.0, 0.0, placement.width, placement.height))
    if line is None:
        return None
    start, end = np.asarray(line[0]), np.asarray(line[1])
    length = float(np.linalg.norm(end - start))
    # Handles stay inside the picture even where the plane's own centre does not.
    inset = min(14.0, length / 4)
    middle = float(np.clip((base - start) @ along, inset, length - inset))
    reach = plane.half_size_mm * placement.pixels_per_mm
    centre = start + middle * along
    ends = (
        start + max(middle - reach, inset) * along,
        start + min(middle + reach, length - inset) * along,
    )
    across = normal_view[:2] / np.linalg.norm(normal_view[:2])
    cutting = clip_to_half_planes(
        line, [h for p in others if (h := _half_plane(p, orientation, position_mm, placement))]
    )
    return CutLine(plane, line, cutting, _pt(centre), (_pt(ends[0]), _pt(ends[1])), _pt(across))


def _half_plane(
    plane: PlaneContent, orientation: Orientation, position_mm: float, placement: Placement
) -> tuple[Point, Point] | None:
    normal = orientation.to_view(plane.normal)
    met = plane_line(orientation.to_view(plane.point), normal, position_mm)
    if met is None:
        return None
    return _pt(placement.to_pixels(met[0])), _pt(normal[:2])


def distance_to_segment(point: Point, segment: Segment) -> float:
    """Pixels from ``point`` to the nearest place of ``segment``."""
    start, end = np.asarray(segment[0]), np.asarray(segment[1])
    along = end - start
    part = float(np.clip((np.asarray(point) - start) @ along / max(float(along @ along), 1e-12), 0.0, 1.0))
    return float(np.linalg.norm(np.asarray(point) - (start + part * along)))


def moved(plane: PlaneContent, by_lps: ArrayLike) -> PlaneContent:
    """The plane shifted by a vector in LPS millimetres."""
    return replace(plane, point=vec3(np.asarray(plane.point) + np.asarray(by_lps, dtype=np.float64)))


def moved_along_normal(plane: PlaneContent, millimetres: float) -> PlaneContent:
    """The plane shifted towards the side that is removed."""
    return moved(plane, np.asarray(plane.normal) * millimetres)


def turned(plane: PlaneContent, axis_lps: ArrayLike, radians: float, pivot_lps: ArrayLike) -> PlaneContent:
    """The plane turned about an axis through ``pivot_lps``, by the right-hand rule."""
    turn = rotation(axis_lps, radians)
    pivot = np.asarray(pivot_lps, dtype=np.float64)
    return replace(
        plane,
        point=vec3(pivot + turn @ (np.asarray(plane.point) - pivot)),
        normal=vec3(turn @ np.asarray(plane.normal)),
    )


def turned_between(plane: PlaneContent, start_lps: ArrayLike, end_lps: ArrayLike) -> PlaneContent:
    """The plane turned about its own point by the shortest way that takes one place's direction to another's."""
    first = np.asarray(start_lps, dtype=np.float64) - np.asarray(plane.point)
    second = np.asarray(end_lps, dtype=np.float64) - np.asarray(plane.point)
    axis = np.cross(first, second)
    sine, cosine = float(np.linalg.norm(axis)), float(first @ second)
    if sine < 1e-9 * max(abs(cosine), 1e-9):
        return plane
    return turned(plane, axis, float(np.arctan2(sine, cosine)), plane.point)


def rotation(axis: ArrayLike, radians: float) -> FloatArray:
    """3x3 rotation about ``axis`` by the right-hand rule (Rodrigues' formula)."""
    x, y, z = np.asarray(axis, dtype=np.float64) / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(radians) * cross + (1 - np.cos(radians)) * cross @ cross)


def corners(plane: PlaneContent) -> FloatArray:
    """The corners of the square that stands for the plane in 3D, shape (4, 3), LPS, in order around it."""
    across, up = in_plane_axes(plane.normal)
    half = plane.half_size_mm
    return np.asarray(plane.point) + half * np.array([-across - up, across - up, across + up, -across + up])


def in_plane_axes(normal: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Two unit directions at right angles in the plane; the second as superior as the plane allows."""
    normal = np.asarray(normal, dtype=np.float64)
    up = np.array([0.0, 0.0, 1.0])
    if abs(normal @ up) > 0.95 * np.linalg.norm(normal):
        up = np.array([0.0, -1.0, 0.0])
    across = np.cross(up, normal)
    across /= np.linalg.norm(across)
    upward = np.cross(normal, across)
    return across, upward / np.linalg.norm(upward)


def _pt(values: ArrayLike) -> Point:
    x, y = (float(v) for v in np.asarray(values))
    return x, y
