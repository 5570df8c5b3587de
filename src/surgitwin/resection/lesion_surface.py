"""A lesion's surface as points, and where a cut comes nearest to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Point = tuple[float, float, float]

_NODES_MM = 5.0
_BATCH = 16


@dataclass(eq=False)
class Closest:
    """The smallest distance that was found so far, mm, and the two points that it lies between, LPS mm."""

    distance_mm: float = np.inf
    on_lesion: Point | None = None
    on_cut: Point | None = None

    def offer(self, distance_mm: float, on_lesion: FloatArray, on_cut: FloatArray) -> None:
        """Keep this distance if it is smaller."""
        if distance_mm < self.distance_mm:
            self.distance_mm = float(distance_mm)
            self.on_lesion, self.on_cut = _point(on_lesion), _point(on_cut)


def _point(values: FloatArray) -> Point:
    x, y, z = (float(value) for value in values)
    return x, y, z


@dataclass(frozen=True, eq=False)
class DistanceField:
    """A lower bound of the distance from a lesion's surface that costs next to nothing, from a coarse grid of nodes.

    With D the distance, D(x)^2 - |x|^2 is a minimum of functions that are linear in x and so is concave: it is nowhere
    smaller than what is interpolated between nodes where it is known.

    Attributes
    ----------
    distances_mm
        [k, j, i] at nodes that are ``step`` voxels apart from voxel ``start`` on.
    """

    distances_mm: NDArray[np.float32]
    start: FloatArray
    step: FloatArray
    inverse: FloatArray
    spacing: FloatArray

    @staticmethod
    def of(tree: Any, box: Box, geometry: Geometry) -> DistanceField:
        """From a search tree of a surface's points over a box of the grid."""
        spacing = np.asarray(geometry.spacing_mm)
        step = np.maximum(1, np.rint(_NODES_MM / spacing))
        size = np.maximum(np.ceil((np.asarray(box.size_ijk) - 1) / step), 1).astype(np.int64) + 1
        start = np.asarray(box.start, dtype=np.float64)
        k, j, i = np.indices(tuple(size[::-1]), dtype=np.float64)
        nodes = geometry.to_lps(np.stack([i, j, k], axis=-1).reshape(-1, 3) * step + start)
        away = tree.query(nodes)[0].astype(np.float32).reshape(tuple(size[::-1]))
        inverse = np.ascontiguousarray(geometry.inverse, dtype=np.float64)
        return DistanceField(away, start, step, inverse, spacing)

    def at_least(self, points_mm: FloatArray) -> FloatArray:
        """A lower bound of the distance of points, (n, 3) LPS mm, anywhere."""
        from surgitwin.resection.bound_kernels import bounds_of

        found = np.empty(len(points_mm))
        points = np.ascontiguousarray(points_mm, dtype=np.float64)
        bounds_of(points, self.inverse, self.start, self.step, self.spacing, self.distances_mm, found)
        return found


@dataclass(frozen=True, eq=False)
class LesionSurface:
    """Points on a lesion's surface, LPS mm, with a search tree and a ball around them.

    Attributes
    ----------
    xyz
        Shape (3, n): one row a coordinate, so that plain sums take the place of small matrix products, for which
        the linear algebra library would wake its threads.
    bounds
        None where it is not worth the time that it takes to make.
    """

    xyz: FloatArray
    tree: Any = field(repr=False)
    centre: FloatArray
    radius: float
    bounds: DistanceField | None = None

    @staticmethod
    def of(mask: BoolArray, box: Box, geometry: Geometry, reach: Box | None = None) -> LesionSurface:
        """From a lesion's mask ([k, j, i]) over ``box`` of the grid; it must hold a voxel.

        Parameters
        ----------
        reach
            Where it will be measured against many cuts.
        """
        from scipy.spatial import cKDTree

        points = geometry.to_lps(_face_middles(mask) + np.asarray(box.start))
        centre = (points.min(axis=0) + points.max(axis=0)) / 2
        radius = float(np.max(np.linalg.norm(points - centre, axis=1)))
        tree = cKDTree(points)
        bounds = None if reach is None else DistanceField.of(tree, reach, geometry)
        return LesionSurface(np.ascontiguousarray(points.T), tree, centre, radius, bounds)

    def along(self, direction: FloatArray) -> FloatArray:
        """Each point's coordinate along a vector, shape (n,)."""
        x, y, z = self.xyz
        return np.asarray(x * direction[0] + y * direction[1] + z * direction[2])

    def at_least(self, points_mm: FloatArray) -> FloatArray:
        """A lower bound of the distance of points, (n, 3) LPS mm, from the surface."""
        ball = lengths(points_mm - self.centre) - self.radius
        return np.asarray(ball if self.bounds is None else np.maximum(ball, self.bounds.at_least(points_mm)))

    def offer(self, points_mm: FloatArray, closest: Closest) -> FloatArray:
        """Measure points, (n, 3), and keep the nearest if it is nearer than what was found; their distances.

        Those that are not nearer are infinitely far.
        """
        return self.offer_within(points_mm, closest, 0.0)

    def offer_within(self, points_mm: FloatArray, closest: Closest, slack: float) -> FloatArray:
        """The same, but the distances of those that are farther by no more than ``slack`` are told too."""
        distances, which = self.tree.query(points_mm, distance_upper_bound=closest.distance_mm + slack)
        nearest = int(np.argmin(distances))
        if distances[nearest] < closest.distance_mm:
            closest.offer(distances[nearest], self.xyz[:, which[nearest]], points_mm[nearest])
        return np.asarray(distances)


def lengths(vectors: FloatArray) -> FloatArray:
    """Of rows of three; plain sums are several times faster than a reduction over so short an axis."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.asarray(np.sqrt(x * x + y * y + z * z))


def offer_nearest(
    points_mm: FloatArray,
    lesion: LesionSurface,
    closest: Closest,
    counts: Callable[[NDArray[np.intp]], BoolArray] | None = None,
    bound: FloatArray | None = None,
) -> None:
    """Keep the point nearest to the lesion if it is nearer than what was found.

    The likeliest points go first and rule most of the others out; only these are asked whether they count.

    Parameters
    ----------
    points_mm
        (n, 3).
    counts
        Tells it of some points, by their numbers.
    bound
        The lower bounds of the points' distances, if they are known.
    """
    if len(points_mm) == 0:
        return
    if bound is None:
        bound = lesion.at_least(points_mm)
    candidates = np.flatnonzero(bound < closest.distance_mm)
    candidates = candidates[np.argsort(bound[candidates], kind="stable")]
    start, batch = 0, _BATCH
    while start < len(candidates) and bound[candidates[start]] < closest.distance_mm:
        some = candidates[start : start + batch]
        some = some[bound[some] < closest.distance_mm]
        if counts is not None:
            some = some[counts(some)]
        if len(some):
            lesion.offer(points_mm[some], closest)
        start, batch = start + batch, batch * 2


def _face_middles(mask: BoolArray) -> FloatArray:
    """Middles of the faces between a voxel of ``mask`` and one outside, (i, j, k) within the mask's array."""
    padded = np.pad(mask, 1).astype(np.int8)
    found: list[FloatArray] = []
    for axis in range(3):
        kji = np.argwhere(np.diff(padded, axis=axis) != 0).astype(np.float64) - 1.0
        kji[:, axis] += 0.5
        found.append(kji[:, ::-1])
    return np.concatenate(found)
