"""The border that a cut through voxels leaves, as a surface with the margin all over it, and laid flat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.resection.cut_map import CutMap, distance_map, joined, map_axes, mask_at
from surgitwin.resection.flattening import areas_of, lay_flat
from surgitwin.resection.margins import LesionSurface

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LEAST_AREA_MM2 = 25.0
"""Smaller pieces of a border are laid flat only if they hold its smallest margin."""
STEP_MM = 2.0
_ACROSS = (0.6, 1.0)  # of a voxel, from a triangle's middle to the voxels on both sides of it
_CURLED = 0.25


@dataclass(frozen=True, eq=False)
class CutSheet:
    """The part of the border between removed and kept organ that one cut makes.

    Attributes
    ----------
    mesh
        Its triangles face the organ that stays.
    distance_mm
        (n,): of each point of the mesh from the nearest lesion's surface; infinite if there is no lesion.
    """

    mesh: Mesh
    distance_mm: FloatArray


def border_sheet(
    around: Mesh,
    own: BoolArray,
    organ: BoolArray,
    removed: BoolArray,
    box: Box,
    geometry: Geometry,
    lesions: Sequence[LesionSurface],
) -> CutSheet:
    """The border that a cut makes, with margins from the border between voxels itself.

    Parameters
    ----------
    around
        A surface around the removed voxels, such as `surfaces.mask_surface` makes, facing outwards, LPS mm.
    own, organ, removed
        [k, j, i] over ``box`` of the grid ``geometry``: what this cut removes, the organ, and what all cuts remove.

    Returns
    -------
    Its smallest distance is that of the places midway between a voxel that this cut removes and a kept one beside it,
    which is how `surface_margins` measures the margin to a region of voxels: smoothing makes no margin larger.
    """
    own, kept = own & organ & removed, organ & ~removed
    chosen = around.triangles[_between(around, own, kept, box, geometry)]
    used, triangles = np.unique(chosen, return_inverse=True)
    points = around.points[used].astype(np.float64)
    triangles = triangles.reshape(-1, 3)
    distance = distance_map(points, lesions)
    faces = _faces(own, kept, box, geometry)
    if len(faces) and len(points):
        from scipy.spatial import cKDTree

        nearest = cKDTree(points).query(faces)[1]
        own_faces = np.full(len(points), np.inf)
        np.minimum.at(own_faces, nearest, distance_map(faces, lesions))
        distance = np.where(np.isfinite(own_faces), own_faces, distance)
    return CutSheet(Mesh(points.astype(np.float32), triangles.astype(np.int32)), distance)


def flat_map(sheet: CutSheet, step_mm: float = STEP_MM) -> CutMap | None:
    """A sheet laid flat, its pieces beside each other, the largest first; None if it has none.

    Where parts come to lie over each other the smaller margin is shown. `flattening` says how lengths are kept.
    """
    pieces = [_laid(points, triangles, distance, step_mm) for points, triangles, distance in _pieces(sheet)]
    return joined(pieces) if pieces else None


def _between(around: Mesh, own: BoolArray, kept: BoolArray, box: Box, geometry: Geometry) -> BoolArray:
    """Which triangles have a voxel of ``own`` behind them and one of ``kept`` before them."""
    points = geometry.to_index(around.points.astype(np.float64))
    a, b, c = (points[around.triangles[:, corner]] for corner in range(3))
    middle = (a + b + c) / 3
    # The normal of a triangle in LPS, taken to the grid as a direction.
    a, b, c = (around.points[around.triangles[:, corner]].astype(np.float64) for corner in range(3))
    normal = np.cross(b - a, c - a)
    way = geometry.to_index(normal) - geometry.to_index(np.zeros(3))
    way /= np.maximum(np.abs(way).max(axis=1, keepdims=True), 1e-12)
    behind, before = np.zeros(len(way), dtype=np.bool_), np.zeros(len(way), dtype=np.bool_)
    for far in _ACROSS:  # a smoothed surface lies a little beside the voxels' faces
        behind |= mask_at(own, box, middle - far * way)
        before |= mask_at(kept, box, middle + far * way)
    return behind & before


def _faces(own: BoolArray, kept: BoolArray, box: Box, geometry: Geometry) -> FloatArray:
    """The places midway between a voxel of ``own`` and one of ``kept`` beside it, (n, 3) LPS mm."""
    found = []
    for axis in range(3):
        low = tuple(slice(None, -1) if n == axis else slice(None) for n in range(3))
        high = tuple(slice(1, None) if n == axis else slice(None) for n in range(3))
        border = np.asarray((own[low] & kept[high]) | (kept[low] & own[high]))
        between = np.argwhere(border)[:, ::-1].astype(np.float64)
        between[:, 2 - axis] += 0.5
        found.append(between)
    return geometry.to_lps(np.concatenate(found) + np.asarray(box.start))


def _pieces(sheet: CutSheet) -> Iterator[tuple[FloatArray, IntArray, FloatArray]]:
    """Connected pieces that can lie flat, (points, triangles, distances) each, the largest first."""
    points, triangles = sheet.mesh.points.astype(np.float64), sheet.mesh.triangles.astype(np.int64)
    if not len(triangles):
        return
    least = int(np.argmin(sheet.distance_mm))
    for piece in _connected(points, triangles):
        for part in _opened(points, piece):
            area = areas_of(points, part).sum()
            if area >= LEAST_AREA_MM2 or (area > 0 and (part == least).any()):
                used, compact = np.unique(part, return_inverse=True)
                yield points[used], compact.reshape(-1, 3), sheet.distance_mm[used]


def _connected(points: FloatArray, triangles: IntArray) -> list[IntArray]:
    """The triangles by connected piece, the largest area first."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows, columns = triangles[:, :2].reshape(-1), triangles[:, 1:].reshape(-1)
    links = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(points), len(points)))
    piece = connected_components(links, directed=False)[1][triangles[:, 0]]
    sizes = np.bincount(piece, areas_of(points, triangles))
    return [triangles[piece == number] for number in np.argsort(-sizes) if sizes[number] > 0]


def _opened(points: FloatArray, triangles: IntArray) -> list[IntArray]:
    """The piece itself if it can lie flat; one that is closed, or nearly, in two halves across its shortest axis.

    All triangles' areas with their directions add up to nothing for a closed surface, to half for half a sphere.
    """
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    facing = np.cross(b - a, c - a)
    total = float(np.linalg.norm(facing, axis=1).sum())
    if float(np.linalg.norm(facing.sum(axis=0))) > _CURLED * total:
        return [triangles]
    middles = (a + b + c) / 3
    middles = middles - middles.mean(axis=0)
    axis = np.linalg.svd(middles, full_matrices=False)[2][-1]
    side = middles @ axis > 0
    halves = (triangles[side], triangles[~side])
    return [one for half in halves for one in _connected(points, half)]


def _laid(points: FloatArray, triangles: IntArray, distance: FloatArray, step_mm: float) -> CutMap:
    flat = _upright(points, triangles, lay_flat(points, triangles))
    flat = flat - flat.min(axis=0)
    at, where, margins = _samples(points, triangles, distance, flat, step_mm)
    columns, rows = np.floor(at / step_mm).astype(np.int64).T
    shape = int(rows.max()) + 1, int(columns.max()) + 1
    cell = rows * shape[1] + columns
    order = np.lexsort((margins, cell))
    first = order[np.unique(cell[order], return_index=True)[1]]
    found, margin = np.full((shape[0] * shape[1], 3), np.inf), np.full(shape[0] * shape[1], np.inf)
    found[cell[first]], margin[cell[first]] = where[first], margins[first]
    on_cut = np.isfinite(found[:, 0]).reshape(shape)
    return CutMap(found.reshape(*shape, 3), margin.reshape(shape), on_cut, (step_mm, step_mm))


def _upright(points: FloatArray, triangles: IntArray, flat: FloatArray) -> FloatArray:
    """The flat places, (n, 2) to the right and down, turned so that they lie as `map_axes` says."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    facing = np.cross(b - a, c - a).sum(axis=0)
    if float(np.linalg.norm(facing)) < 1e-9:
        facing = np.array([0.0, 0.0, 1.0])
    down, right = map_axes(-facing)
    away, own = points - points.mean(axis=0), flat - flat.mean(axis=0)
    seen = np.stack([away @ right, -(away @ down)], axis=1)
    angle = np.arctan2(float((own[:, 0] * seen[:, 1] - own[:, 1] * seen[:, 0]).sum()), float((own * seen).sum()))
    x = np.cos(angle) * own[:, 0] - np.sin(angle) * own[:, 1]
    y = np.sin(angle) * own[:, 0] + np.cos(angle) * own[:, 1]
    return np.stack([x, -y], axis=1)


def _samples(
    points: FloatArray, triangles: IntArray, distance: FloatArray, flat: FloatArray, step_mm: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Places all over the triangles, closer than half a step on the map: flat, on the surface, and their margins."""
    corners = flat[triangles]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    parts = np.maximum(np.ceil(longest / (step_mm / 2)), 1).astype(np.int64)
    at, where, margins = [flat], [points], [distance[:, None]]
    for count in np.unique(parts):
        chosen = triangles[parts == count]
        a, b = (axis.reshape(-1) for axis in np.meshgrid(np.arange(count + 1), np.arange(count + 1)))
        weights = np.stack([a, b, count - a - b], axis=1)[a + b <= count] / count
        for values, all_values in ((flat, at), (points, where), (distance[:, None], margins)):
            all_values.append(np.einsum("sc,tcd->tsd", weights, values[chosen]).reshape(-1, values.shape[1]))
    return np.concatenate(at), np.concatenate(where), np.concatenate(margins)[:, 0]
