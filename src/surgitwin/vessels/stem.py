"""The stem of a vein: the way of its thickest branches, which a cut along it either takes or spares as a whole."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.vessels.tree import IntArray, VesselTree

THINNEST_MM = 1.0
"""Where a stem ends: the radius of veins that no surgeon would follow in the cut."""


def stem_points(tree: VesselTree, branch: int, thinnest_mm: float = THINNEST_MM) -> IntArray:
    """Indices of the points along the stem that begins with ``branch``: at each fork it goes on with the thickest.

    It ends where the vein's mean radius falls below ``thinnest_mm``; the first branch is always part of it.
    """
    found = [tree.points_of(branch)]
    while True:
        below = tree.children[branch]
        if not below:
            break
        branch = max(below, key=lambda one: (tree.mean_radius_mm(one), -one))
        if tree.mean_radius_mm(branch) < thinnest_mm:
            break
        found.append(np.flatnonzero(tree.branch == branch).astype(np.int32))
    return np.concatenate(found)


def stem_voxels(tree: VesselTree, points: IntArray, box: Box, geometry: Geometry) -> NDArray[np.bool_]:
    """The voxels of ``box`` that the vein fills along these points, [k, j, i]; at least a voxel all along it.

    A voxel belongs to it if its centre is within the vein's radius of the centre line, or if the line runs through it.
    """
    shape = tuple(reversed(box.size_ijk))
    mask = np.zeros(shape, dtype=np.bool_)
    for start, end in _pieces(tree, points):
        _draw(mask, tree, int(start), int(end), box, geometry)
    return mask


def _pieces(tree: VesselTree, points: IntArray) -> Iterable[tuple[int, int]]:
    own = set(points.tolist())
    return [(int(tree.parent[point]), int(point)) for point in points.tolist() if int(tree.parent[point]) in own]


def _draw(mask: NDArray[np.bool_], tree: VesselTree, start: int, end: int, box: Box, geometry: Geometry) -> None:
    """One stretch between two neighbouring points, as a capsule whose radius runs evenly from end to end."""
    a, b = tree.points_mm[start], tree.points_mm[end]
    ra, rb = float(tree.radii_mm[start]), float(tree.radii_mm[end])
    origin = np.asarray(box.start)
    reach = max(ra, rb) / np.asarray(geometry.spacing_mm) + 1.0
    ends = geometry.to_index(np.stack([a, b])) - origin
    size = np.asarray(box.size_ijk)
    low = np.clip(np.floor(ends.min(axis=0) - reach), 0, size).astype(int)
    high = np.clip(np.ceil(ends.max(axis=0) + reach) + 1, 0, size).astype(int)
    if (low >= high).any():
        return
    i, j, k = (np.arange(lo, hi) for lo, hi in zip(low, high, strict=True))
    grid = np.stack(np.meshgrid(k, j, i, indexing="ij")[::-1], axis=-1)
    centres = geometry.to_lps(grid + origin)
    along = b - a
    length = float(along @ along)
    t = np.clip(((centres - a) @ along) / length, 0.0, 1.0) if length > 0 else np.zeros(centres.shape[:3])
    apart = np.linalg.norm(centres - (a + t[..., None] * along), axis=-1)
    window = mask[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
    window |= apart <= ra + t * (rb - ra)
    steps = max(int(np.ceil(np.abs(ends[1] - ends[0]).max() * 2)), 1)
    line = np.rint(ends[0] + np.linspace(0.0, 1.0, steps + 1)[:, None] * (ends[1] - ends[0])).astype(int)
    line = line[((line >= 0) & (line < size)).all(axis=1)]
    mask[line[:, 2], line[:, 1], line[:, 0]] = True
