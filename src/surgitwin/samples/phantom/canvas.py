"""Painting shapes onto the voxels of the phantom: signed functions, smooth unions and where they are evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.geometry import Box, FloatArray, Geometry

Field = NDArray[np.float32]
ShapeFunction = Callable[[Field, Field, Field], Field]
"""Takes x, y and z in LPS mm (broadcastable); negative inside, about the distance in mm near the surface."""

SLAB_VOXELS = 600_000  # about what stays in the cache while a shape is evaluated


def ellipsoid(x: Field, y: Field, z: Field, centre: ArrayLike, axes: ArrayLike, tilt: ArrayLike | None = None) -> Field:
    """Negative inside the ellipsoid; ``axes`` are semi-axes in mm, ``tilt`` is a 3x3 whose rows are its directions."""
    c, a = np.asarray(centre, dtype=np.float32), np.asarray(axes, dtype=np.float32)
    dx, dy, dz = x - c[0], y - c[1], z - c[2]
    if tilt is not None:
        t = np.asarray(tilt, dtype=np.float32)
        dx, dy, dz = (row[0] * dx + row[1] * dy + row[2] * dz for row in t)
    radius = np.sqrt((dx / a[0]) ** 2 + (dy / a[1]) ** 2 + (dz / a[2]) ** 2)
    return np.asarray((radius - np.float32(1)) * np.float32(np.prod(a) ** (1 / 3)), dtype=np.float32)


def smooth_min(a: Field | FloatArray, b: Field | FloatArray, reach_mm: float) -> Field:
    """Union of two shapes whose seam is rounded over ``reach_mm`` (polynomial smooth minimum)."""
    k = np.float32(reach_mm)
    h = np.clip(np.float32(0.5) + np.float32(0.5) * (b - a) / k, np.float32(0), np.float32(1))
    return np.asarray(b + (a - b) * h - k * h * (np.float32(1) - h), dtype=np.float32)


def smooth_max(a: Field | FloatArray, b: Field | FloatArray, reach_mm: float) -> Field:
    """Intersection of two shapes with a rounded edge."""
    return -smooth_min(-a, -b, reach_mm)


def rotation(axis: int, degrees: float) -> FloatArray:
    """Rows are the axes of a frame turned about x (0), y (1) or z (2)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = np.eye(3)
    a, b = (axis + 1) % 3, (axis + 2) % 3
    turned[a, a], turned[a, b], turned[b, a], turned[b, b] = c, s, -s, c
    return turned


@dataclass(frozen=True)
class Canvas:
    """The phantom while it is made: intensities and the label of the organ at each voxel, both [k, j, i]."""

    geometry: Geometry
    hu: NDArray[np.int16]
    labels: NDArray[np.uint8]

    @staticmethod
    def empty(geometry: Geometry) -> Canvas:
        shape = geometry.shape_kji
        return Canvas(geometry, np.full(shape, -1000, dtype=np.int16), np.zeros(shape, dtype=np.uint8))

    def box(self, low_mm: ArrayLike, high_mm: ArrayLike) -> Box:
        """The voxels whose centres lie between two LPS corners (the grid's axes are L, P, S)."""
        low = np.ceil(self.geometry.to_index(low_mm) - 1e-9).astype(int)
        high = np.floor(self.geometry.to_index(high_mm) + 1e-9).astype(int) + 1
        size = np.asarray(self.geometry.size_ijk)
        low, high = np.clip(low, 0, size), np.clip(high, 0, size)
        return Box((int(low[0]), int(low[1]), int(low[2])), (int(high[0]), int(high[1]), int(high[2])))

    def coordinates(self, box: Box) -> tuple[Field, Field, Field]:
        """x, y and z of the voxels of ``box``, shaped to broadcast to [k, j, i]."""
        x, y, z = (
            (self.geometry.origin_mm[a] + self.geometry.spacing_mm[a] * np.arange(box.start[a], box.stop[a])).astype(
                np.float32
            )
            for a in range(3)
        )
        return x[None, None, :], y[None, :, None], z[:, None, None]

    def slabs(self, box: Box) -> Iterator[Box]:
        """``box`` cut along k into pieces that fit the cache."""
        if box.empty:
            return
        i, j, _ = box.size_ijk
        step = max(1, SLAB_VOXELS // (i * j))
        for k in range(box.start[2], box.stop[2], step):
            yield Box((*box.start[:2], k), (*box.stop[:2], min(k + step, box.stop[2])))

    def inside(
        self, low_mm: ArrayLike, high_mm: ArrayLike, shape: ShapeFunction
    ) -> Iterator[tuple[Box, NDArray[np.bool_], Field]]:
        """Yield (slab, mask, value) of ``shape`` between two LPS corners; the mask is where the value is negative."""
        for slab in self.slabs(self.box(low_mm, high_mm)):
            value = np.broadcast_to(shape(*self.coordinates(slab)), slab.size_ijk[::-1])
            yield slab, value < 0, value

    def paint(self, low_mm: ArrayLike, high_mm: ArrayLike, shape: ShapeFunction, hu: float, label: int = 0) -> None:
        """Give the voxels inside ``shape`` an intensity and, unless it is 0, a label; what was there is covered."""
        for slab, mask, _ in self.inside(low_mm, high_mm, shape):
            self.hu[slab.slices][mask] = round(hu)
            if label:
                self.labels[slab.slices][mask] = label

    def mix(self, flat: NDArray[np.int64], share: FloatArray, hu: float) -> None:
        """Blend ``hu`` into voxels (flat indices) that a shape covers by ``share`` (0 to 1)."""
        target = self.hu.reshape(-1)
        target[flat] = np.rint(target[flat] * (1 - share) + hu * share).astype(np.int16)
