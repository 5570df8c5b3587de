"""An implant made ready to be measured: long triangles are divided, so that no part of a flat side is overlooked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.mesh import Mesh
from surgitwin.implants.distance import DistanceTo

FloatArray = NDArray[np.float64]

FINEST_MM = 1.0
MOST_TRIANGLES = 60_000
"""Sides are divided down to a millimetre, or until there are so many triangles; what has more is left as it is."""


@dataclass(frozen=True, eq=False)
class Shape:
    """An implant in its own frame.

    Attributes
    ----------
    solid
        Distances to it.
    mesh
        The same surface with its long sides divided; the first points are those of the mesh that was given.
    """

    solid: DistanceTo
    mesh: Mesh

    @staticmethod
    def of(mesh: Mesh, name: str = "", *, finest_mm: float = FINEST_MM) -> Shape:
        """Prepare an implant.

        Raises
        ------
        BadInput
            If its mesh is empty, open or inside out.
        """
        solid = DistanceTo(mesh, name=name)
        return Shape(solid, divided(mesh, finest_mm, MOST_TRIANGLES))

    @cached_property
    def points(self) -> FloatArray:
        return self.mesh.points.astype(np.float64)

    @cached_property
    def order(self) -> NDArray[np.int32]:
        """The points in an order in which those that follow each other lie together."""
        return order_of(self.mesh)

    @cached_property
    def ordered(self) -> FloatArray:
        return np.ascontiguousarray(self.points[self.order])

    @cached_property
    def _cross(self) -> FloatArray:
        a, b, c = (self.points[self.mesh.triangles[:, n]] for n in range(3))
        return np.asarray(np.cross(b - a, c - a))

    @cached_property
    def areas_mm2(self) -> FloatArray:
        return np.asarray(np.linalg.norm(self._cross, axis=1) / 2.0)

    @cached_property
    def normals(self) -> FloatArray:
        """Outward unit normals of the triangles."""
        double = 2.0 * self.areas_mm2[:, None]
        return np.asarray(self._cross / np.where(double > 0, double, 1.0))


def order_of(mesh: Mesh) -> NDArray[np.int32]:
    """A mesh's points sorted along a curve that fills space, so that those that follow each other lie together."""
    points = mesh.points.astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    cell = np.clip((points - low) / max(float((high - low).max()), 1e-9) * 1023.0, 0, 1023).astype(np.uint64)
    code = np.zeros(len(points), np.uint64)
    for bit in range(10):
        for axis in range(3):
            code |= ((cell[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return np.argsort(code, kind="stable").astype(np.int32)


def divided(mesh: Mesh, longest_mm: float, most: int) -> Mesh:
    """A mesh whose sides are at most ``longest_mm`` long, or longer where more than ``most`` triangles were needed.

    Both triangles at a side that is too long are divided at its middle, so a closed mesh stays closed.
    """
    area = mesh.area_mm2
    # Triangles that come of halving long sides have about a third of the square of the longest side.
    longest = max(longest_mm, float(np.sqrt(area / (0.3 * most))))
    points, triangles = mesh.points.astype(np.float64), mesh.triangles.astype(np.int64)
    while len(triangles) <= most:
        sides = np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=-1)
        length = np.linalg.norm(points[sides[..., 0]] - points[sides[..., 1]], axis=-1)
        keys = sides.min(axis=-1) * len(points) + sides.max(axis=-1)
        # Only the longest side of a triangle is halved in each round: its pieces stay well shaped.
        long = (length > longest) & (length >= length.max(axis=1, keepdims=True) * (1 - 1e-9))
        marked, where = np.unique(keys[long], return_index=True)
        if not marked.size:
            break
        ends = sides[long][where]
        fresh = len(points) + np.arange(len(marked))
        points = np.concatenate([points, points[ends].mean(axis=1)])
        place = np.searchsorted(marked, keys).clip(0, len(marked) - 1)
        middle = np.where(marked[place] == keys, fresh[place], -1)
        triangles = _cut(triangles, middle)
    return Mesh(points.astype(np.float32), triangles.astype(np.int32))


def _cut(triangles: NDArray[np.int64], middle: NDArray[np.int64]) -> NDArray[np.int64]:
    """Triangles cut at the middles of their marked sides; ``middle`` is -1 for a side that stays."""
    count = (middle >= 0).sum(axis=1)
    out = [triangles[count == 0]]
    # Turned so that the first side is marked, and of two marked sides the first two.
    first = np.where(middle[:, 0] >= 0, 0, np.where(middle[:, 1] >= 0, 1, 2))
    both = (count == 2) & (middle[:, 0] >= 0) & (middle[:, 2] >= 0)
    first = np.where(both, 2, first)
    turn = (first[:, None] + np.arange(3)) % 3
    t, m = np.take_along_axis(triangles, turn, axis=1), np.take_along_axis(middle, turn, axis=1)
    a, b, c = t.T
    ab, bc, ca = m.T
    one, two, three = count == 1, count == 2, count == 3
    out += [_rows(one, a, ab, c), _rows(one, ab, b, c)]
    out += [_rows(two, ab, b, bc), _rows(two, a, ab, bc), _rows(two, a, bc, c)]
    out += [_rows(three, a, ab, ca), _rows(three, ab, b, bc), _rows(three, ca, bc, c), _rows(three, ab, bc, ca)]
    return np.concatenate(out)


def _rows(which: NDArray[np.bool_], *corners: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([corner[which] for corner in corners], axis=1)
