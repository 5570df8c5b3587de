"""The margin all over a cut: how far each point of it is from the nearest lesion, as a flat map and on the surface.

A point counts as part of the cut where removed organ lies on one side of it and kept organ on the other; elsewhere
the surface was only drawn farther than the cut goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.resection.margins import LesionSurface

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

ALWAYS_BELOW_MM = 1.0
"""Below this every margin is marked, whatever was wished for."""
_GAP = 3


class MarginClass(IntEnum):
    """What is drawn on a cut; each has a colour and a hatching of its own."""

    NO_CUT = 0
    SAFE = 1
    UNSURE = 2
    BELOW = 3


@dataclass(frozen=True, eq=False)
class CutMap:
    """A cut laid flat.

    Attributes
    ----------
    points_mm
        (rows, columns, 3), LPS: neighbours on the map are neighbours on the cut.
    distance_mm
        (rows, columns): to the nearest lesion's surface; infinite if there is no lesion.
    on_cut
        (rows, columns): whether removed organ lies on one side and kept organ on the other.
    step_mm
        Mean distance between neighbours down the rows and along the columns: the flat map's own scale.
    """

    points_mm: FloatArray
    distance_mm: FloatArray
    on_cut: BoolArray
    step_mm: tuple[float, float]

    @property
    def nearest(self) -> tuple[int, int] | None:
        """Row and column of the cut's point nearest to a lesion; None if there is no lesion or no cut."""
        found = np.where(self.on_cut, self.distance_mm, np.inf)
        if not np.isfinite(found).any():
            return None
        row, column = np.unravel_index(int(np.argmin(found)), found.shape)
        return int(row), int(column)


def cut_map(
    points_mm: FloatArray,
    lesions: Sequence[LesionSurface],
    organ: BoolArray,
    removed: BoolArray,
    box: Box,
    geometry: Geometry,
) -> CutMap:
    """The margin at each point of a grid that lies on a cut.

    Parameters
    ----------
    points_mm
        (rows, columns, 3), LPS; at least two of each.
    organ, removed
        [k, j, i] over ``box`` of the grid ``geometry``.
    """
    down, along = (float(np.linalg.norm(np.diff(points_mm, axis=axis), axis=-1).mean()) for axis in (0, 1))
    on_cut = _on_cut(points_mm, organ, removed, box, geometry)
    return CutMap(points_mm, distance_map(points_mm, lesions), on_cut, (down, along))


def distance_map(points_mm: FloatArray, lesions: Sequence[LesionSurface]) -> FloatArray:
    """The distance of points, (..., 3) LPS, from the nearest lesion's surface, mm; infinite if there is no lesion."""
    flat = points_mm.reshape(-1, 3)
    distance = np.full(len(flat), np.inf)
    for lesion in lesions:
        near = np.flatnonzero(lesion.at_least(flat) < distance)
        if len(near):
            distance[near] = np.minimum(distance[near], lesion.tree.query(flat[near])[0])
    return distance.reshape(points_mm.shape[:-1])


def _on_cut(points: FloatArray, organ: BoolArray, removed: BoolArray, box: Box, geometry: Geometry) -> BoolArray:
    """Where the organ is removed on one side of the surface, a voxel away, and kept on the other."""
    normals = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))
    lengths = np.linalg.norm(normals, axis=-1, keepdims=True)
    normals = normals / np.where(lengths > 0, lengths, 1.0)
    reach = max(geometry.spacing_mm) * 0.75
    here, there = (_looked_up(points + side * reach * normals, organ, removed, box, geometry) for side in (1, -1))
    return np.asarray((here[0] & there[1]) | (here[1] & there[0]))


def _looked_up(
    points: FloatArray, organ: BoolArray, removed: BoolArray, box: Box, geometry: Geometry
) -> tuple[BoolArray, BoolArray]:
    """Whether each point lies in removed organ, and whether it lies in kept organ."""
    ijk = geometry.to_index(points.reshape(-1, 3))
    is_organ = mask_at(organ, box, ijk)
    is_removed = mask_at(removed, box, ijk) & is_organ
    shape = points.shape[:-1]
    return is_removed.reshape(shape), (is_organ & ~is_removed).reshape(shape)


def mask_at(mask: BoolArray, box: Box, ijk: FloatArray) -> BoolArray:
    """What a mask, [k, j, i] over a box, says at the voxels nearest to places, (n, 3) indices (i, j, k) of the grid.

    False outside the box. Midway between two voxels the same one is asked whatever the box is.
    """
    at = np.rint(ijk).astype(np.int64) - np.asarray(box.start)
    inside = np.asarray(((at >= 0) & (at < np.asarray(box.size_ijk))).all(axis=1))
    i, j, k = np.where(inside[:, None], at, 0).T
    return np.asarray(mask[k, j, i] & inside)


def uncertainty_mm(geometry: Geometry, registration_mm: float | None = None) -> float:
    """How far a margin may be off: half the largest voxel edge, and the registration's error in quadrature."""
    return float(np.hypot(max(geometry.spacing_mm) / 2, registration_mm or 0.0))


def margin_limits(wish_mm: float | None, unsure_mm: float) -> tuple[float, float]:
    """Below the first a margin is below the wish, from the second on it is safe, mm; between them it may be either.

    Without a wish only what is below 1 mm is marked, and what may be by the uncertainty.
    """
    wanted = max(wish_mm or 0.0, ALWAYS_BELOW_MM)
    return max(wanted - unsure_mm, ALWAYS_BELOW_MM), wanted + unsure_mm


def margin_classes(distance_mm: FloatArray, on_cut: BoolArray, limits_mm: tuple[float, float]) -> NDArray[np.uint8]:
    """What is drawn at each point, values of `MarginClass`; the limits are those of `margin_limits`."""
    below, safe = limits_mm
    classes = np.full(distance_mm.shape, MarginClass.SAFE, dtype=np.uint8)
    classes[distance_mm < safe] = MarginClass.UNSURE
    classes[distance_mm < below] = MarginClass.BELOW
    classes[~on_cut] = MarginClass.NO_CUT
    return classes


def plane_points(
    point_mm: FloatArray, normal: FloatArray, box: Box, geometry: Geometry, step_mm: float = 2.0
) -> FloatArray:
    """A grid of points over the part of a plane that the organ's box projects to, (rows, columns, 3), LPS.

    Rows and columns run along `map_axes`.
    """
    down, along = map_axes(normal)
    low, high = (np.asarray(corner, dtype=np.float64) for corner in (box.start, box.stop))
    corners = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)]) * (high - low) + low - 0.5
    away = geometry.to_lps(corners) - point_mm
    rows, columns = (np.arange((away @ axis).min(), (away @ axis).max() + step_mm, step_mm) for axis in (down, along))
    return np.asarray(point_mm + rows[:, None, None] * down + columns[None, :, None] * along)


def map_axes(normal: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The directions in which the rows and the columns of a flat map run, LPS unit vectors.

    Rows run downwards and columns to the viewer's right when one looks along the normal, as far as the cut allows: a
    row's direction is the patient's inferior one laid into the cut's plane, or posterior for a horizontal plane.
    """
    normal = normal / np.linalg.norm(normal)
    down = np.array([0.0, 0.0, -1.0])
    if abs(float(down @ normal)) > 0.9:
        down = np.array([0.0, 1.0, 0.0])
    down = down - (down @ normal) * normal
    down /= np.linalg.norm(down)
    return down, np.cross(down, normal)


def joined(maps: Sequence[CutMap]) -> CutMap:
    """Several maps of one step beside each other, with a gap between them, each without its rim that is no cut.

    Points in the gaps are infinitely far away.
    """
    parts = [cropped(one) for one in maps]
    rows = max(part.on_cut.shape[0] for part in parts)
    columns = sum(part.on_cut.shape[1] for part in parts) + _GAP * (len(parts) - 1)
    points, distance = np.full((rows, columns, 3), np.inf), np.full((rows, columns), np.inf)
    on_cut = np.zeros((rows, columns), dtype=np.bool_)
    column = 0
    for part in parts:
        down, along = part.on_cut.shape
        top = (rows - down) // 2
        place = slice(top, top + down), slice(column, column + along)
        points[place], distance[place], on_cut[place] = part.points_mm, part.distance_mm, part.on_cut
        column += along + _GAP
    return CutMap(points, distance, on_cut, parts[0].step_mm)


def cropped(found: CutMap) -> CutMap:
    """The part of a map that holds the cut; the whole if there is no cut."""
    if not found.on_cut.any():
        return found
    rows, columns = (np.flatnonzero(found.on_cut.any(axis=axis)) for axis in (1, 0))
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    return CutMap(found.points_mm[part], found.distance_mm[part], found.on_cut[part], found.step_mm)
