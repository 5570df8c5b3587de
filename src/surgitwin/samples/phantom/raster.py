"""Which voxels lie in a tube: the exact rule that ties the label maps to the centreline graphs.

A tube is a chain of tapered capsules. A voxel centre p lies in the capsule from a (radius ra) to b (radius rb) if
``|p - (a + t (b - a))| <= ra + t (rb - ra)``, where t is the projection of p onto the line a-b, clamped to 0..1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, FloatArray, Geometry

BATCH_VOXELS = 400_000


@dataclass(frozen=True)
class Capsules:
    """Tapered capsules: ends ``a`` and ``b`` (n, 3) in LPS mm, radii ``ra`` and ``rb`` (n,) in mm."""

    a: FloatArray
    b: FloatArray
    ra: FloatArray
    rb: FloatArray

    @staticmethod
    def along(points: FloatArray, radii: FloatArray) -> Capsules:
        """The capsules of one polyline: points (n, 3), radii (n,)."""
        return Capsules(points[:-1], points[1:], radii[:-1], radii[1:])

    @staticmethod
    def joined(parts: list[Capsules]) -> Capsules:
        return Capsules(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("a", "b", "ra", "rb")))

    def __len__(self) -> int:
        return len(self.ra)


def near_voxels(geometry: Geometry, capsules: Capsules, reach_mm: float) -> tuple[NDArray[np.int64], FloatArray]:
    """Voxels within ``reach_mm`` of the union of ``capsules``.

    Parameters
    ----------
    geometry
        A grid whose axes are L, P and S.
    reach_mm
        How far outside a tube a voxel is still returned; 0 gives those in the tubes alone.

    Returns
    -------
    (flat, distance)
        Flat indices into the [k, j, i] array, each once, rising; and the smallest of
        ``|p - axis point| - radius`` over the capsules, mm: at most 0 in a tube.
    """
    box = _box_around(geometry, capsules, reach_mm)
    if box.empty:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    part = geometry.cropped(box)
    nearest = np.full(part.voxel_count, np.inf)
    for start, dims, members in _batches(part, capsules, reach_mm):
        where, distance = _one_batch(part, capsules, members, start, dims, reach_mm)
        np.minimum.at(nearest, where, distance)
    found = np.flatnonzero(np.isfinite(nearest))
    k, j, i = np.unravel_index(found, part.shape_kji)
    (i0, j0, k0), (i_size, j_size, _) = box.start, geometry.size_ijk
    return ((k + k0) * j_size + j + j0) * i_size + i + i0, nearest[found]


def _box_around(geometry: Geometry, capsules: Capsules, reach_mm: float) -> Box:
    """The box of voxels that the capsules can reach."""
    low, high = _extents(geometry, capsules, reach_mm)
    some = np.all(high > low, axis=1)
    if not np.any(some):
        return Box((0, 0, 0), (0, 0, 0))
    start, stop = low[some].min(axis=0), high[some].max(axis=0)
    return Box((int(start[0]), int(start[1]), int(start[2])), (int(stop[0]), int(stop[1]), int(stop[2])))


def _extents(geometry: Geometry, capsules: Capsules, reach_mm: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and one-past-last voxel (i, j, k) of each capsule's box, (n, 3) each, clipped to the grid."""
    spacing, origin = np.asarray(geometry.spacing_mm), np.asarray(geometry.origin_mm)
    reach = (np.maximum(capsules.ra, capsules.rb) + reach_mm)[:, None]
    low = np.ceil((np.minimum(capsules.a, capsules.b) - reach - origin) / spacing - 1e-9).astype(np.int64)
    high = np.floor((np.maximum(capsules.a, capsules.b) + reach - origin) / spacing + 1e-9).astype(np.int64) + 1
    size = np.asarray(geometry.size_ijk)
    return np.clip(low, 0, size), np.clip(high, 0, size)


def _batches(
    geometry: Geometry, capsules: Capsules, reach_mm: float
) -> Iterator[tuple[NDArray[np.int64], tuple[int, int, int], NDArray[np.int64]]]:
    """Group capsules whose boxes have about the same size, so that each group is one array operation."""
    low, high = _extents(geometry, capsules, reach_mm)
    extent = high - low
    members = np.flatnonzero(np.all(extent > 0, axis=1))
    if members.size == 0:
        return
    # Sizes are rounded up by about a fifth, so that a few groups hold all capsules.
    steps = np.unique(np.round(1.2 ** np.arange(0, 45)).astype(np.int64))
    rounded = steps[np.searchsorted(steps, extent[members])]
    kinds, which = np.unique(rounded, axis=0, return_inverse=True)
    for kind, dims in enumerate(kinds):
        group = members[which.reshape(-1) == kind]
        step = max(1, BATCH_VOXELS // int(np.prod(dims)))
        for begin in range(0, len(group), step):
            part = group[begin : begin + step]
            yield low[part], (int(dims[0]), int(dims[1]), int(dims[2])), part


def _one_batch(
    geometry: Geometry,
    capsules: Capsules,
    members: NDArray[np.int64],
    start: NDArray[np.int64],
    dims: tuple[int, int, int],
    reach_mm: float,
) -> tuple[NDArray[np.int64], FloatArray]:
    i_size, j_size, k_size = geometry.size_ijk
    a, b = capsules.a[members], capsules.b[members]
    ra, rb = capsules.ra[members], capsules.rb[members]
    along = b - a
    length2 = np.maximum(np.einsum("nd,nd->n", along, along), 1e-12)
    index = [start[:, axis, None] + np.arange(dims[axis]) for axis in range(3)]
    offset = [
        geometry.origin_mm[axis] + geometry.spacing_mm[axis] * index[axis] - a[:, axis, None] for axis in range(3)
    ]
    x, y, z = offset[0][:, None, None, :], offset[1][:, None, :, None], offset[2][:, :, None, None]
    ux, uy, uz = ((along[:, axis] / length2)[:, None, None, None] for axis in range(3))
    t = np.clip(x * ux + y * uy + z * uz, 0.0, 1.0)
    vx, vy, vz = (along[:, axis][:, None, None, None] for axis in range(3))
    radius = ra[:, None, None, None] + t * (rb - ra)[:, None, None, None]
    distance = np.sqrt((x - t * vx) ** 2 + (y - t * vy) ** 2 + (z - t * vz) ** 2) - radius
    n, k, j, i = np.nonzero(distance <= reach_mm)
    gi, gj, gk = index[0][n, i], index[1][n, j], index[2][n, k]
    within = (gi < i_size) & (gj < j_size) & (gk < k_size)
    flat = (gk * j_size + gj) * i_size + gi
    return flat[within], distance[n, k, j, i][within]
