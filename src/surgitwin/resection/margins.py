"""The smallest distance from a lesion to the cut.

Definitions
-----------
*Interface*: the part of the removed region's boundary that lies inside the organ, the organ being the union of its
voxels (each a box). It is a piece of the cut's planes, not their extension, and not the staircase of voxel faces.
*Lesion's surface*: the points midway between a lesion voxel's centre and each of its six neighbours outside the
lesion, where a surface through the mask passes; it neither shrinks a lesion by half a voxel, as voxel centres
would, nor swells it along diagonals, as voxel corners would.

Method
------
The interface is planar piece by piece, so the point of it nearest to a lesion point x is either the foot of x on a
plane, if that foot is on the interface, or on the interface's rim. Feet are exact. The rim is found by sampling the
plane in steps of half the smallest voxel spacing (leaving out what is far from the organ, or farther from the lesion
than a point already found), then closer where that came nearest, and only when no foot settles the question. No
sample lies off the interface, so sampling can only enlarge a margin, and by less than half a voxel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.resection.cuts import Plane, PlaneCut
from surgitwin.resection.lesion_surface import Closest, LesionSurface
from surgitwin.resection.regions import Region, removed_at

__all__ = ["BLOCK", "LesionSurface", "Organ", "PlaneInterface"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_ON_RIM_MM = 1e-6
_COARSE_STEPS = 3
BLOCK = 4
_FINE_IN_COARSE = 8
_CLOSER_LOOKS = 2
_FINER = 3
_CANDIDATES = 5


@dataclass(frozen=True, eq=False)
class Organ:
    """The organ's voxels, cropped: ``mask`` is [k, j, i] over ``box`` of the grid ``geometry``."""

    mask: BoolArray
    box: Box
    geometry: Geometry

    def get_ready(self) -> None:
        """Work out now what would make the first margin slow."""
        _ = self.framed, self.blocks

    @cached_property
    def framed(self) -> BoolArray:
        """The mask in a frame of one voxel that is not organ, flat: whatever lies outside is looked up there."""
        return np.pad(self.mask, 1).reshape(-1)

    @cached_property
    def blocks(self) -> tuple[BoolArray, tuple[int, int, int]]:
        """Where the organ is within a block of `BLOCK` voxels or a neighbour of it, flat, in a frame of one block.

        The second value is the number of blocks along i, j and k.
        """
        nk, nj, ni = (-(-n // BLOCK) for n in self.mask.shape)
        filled = np.zeros((nk * BLOCK, nj * BLOCK, ni * BLOCK), dtype=np.bool_)
        filled[tuple(slice(0, n) for n in self.mask.shape)] = self.mask
        held = np.pad(filled.reshape(nk, BLOCK, nj, BLOCK, ni, BLOCK).any(axis=(1, 3, 5)), 1)
        for axis in range(3):
            low, high = np.roll(held, 1, axis), np.roll(held, -1, axis)  # the frame is empty, so nothing wraps around
            held = held | low | high
        return held.reshape(-1), (ni, nj, nk)


class _Face:
    """One plane of one cut, with its own axes u and v, and what bounds its part of the interface."""

    def __init__(
        self, plane: Plane, cut: PlaneCut, cuts: Sequence[PlaneCut], organ: Organ, others: Sequence[Region]
    ) -> None:
        self.organ = organ
        self._regions = others
        self.normal = plane.unit_normal
        self.origin = np.asarray(plane.point_mm)
        self.axes = _in_plane_axes(self.normal)
        geometry = organ.geometry
        to_index = geometry.inverse[:3, :3]
        # Half a voxel more, so that cutting off the decimals rounds.
        self._index_origin = geometry.to_index(self.origin) + 0.5 - np.asarray(organ.box.start)
        self._index_axes = self.axes @ to_index.T
        self._same_cut = [self._line(other) for other in cut.planes if other is not plane]
        self._other_cuts = [[self._line(p) for p in other.planes] for other in cuts if other is not cut]

    def _line(self, other: Plane) -> tuple[float, float, float]:
        """Another plane's signed distance on this one: the factors of u and v, and the constant."""
        du, dv = (float(axis @ other.unit_normal) for axis in self.axes)
        return du, dv, float(other.signed_distance_mm(self.origin))

    def on_interface(self, u: FloatArray, v: FloatArray) -> BoolArray:
        """Which points of the plane belong to the interface."""
        good = self._look_up(self.organ.framed, self.organ.box.size_ijk, u, v, 1)
        good = self._bounded(good, u, v, _ON_RIM_MM)
        if self._regions and good.any():
            there = np.flatnonzero(good)
            ijk = np.rint(self.organ.geometry.to_index(self.to_lps(u[there], v[there]))).astype(np.int64)
            good[there] = ~removed_at(self._regions, ijk, self.organ.geometry.size_ijk[0])
        return good

    def near_interface(self, u: FloatArray, v: FloatArray, within_mm: float) -> BoolArray:
        """False only where no point of the interface is within a distance of less than `BLOCK` voxels."""
        held, size = self.organ.blocks
        return self._bounded(self._look_up(held, size, u, v, BLOCK), u, v, within_mm)

    def _look_up(
        self, flat: BoolArray, size: tuple[int, int, int], u: FloatArray, v: FloatArray, voxels: int
    ) -> BoolArray:
        """What a framed, flat array of blocks of ``voxels`` says at points of the plane."""
        ni, nj, _ = size
        i, j, k = (
            np.clip(
                (self._index_origin[a] / voxels + 1.0)
                + u * (self._index_axes[0, a] / voxels)
                + v * (self._index_axes[1, a] / voxels),
                0,
                n + 1,
            ).astype(np.intp)
            for a, n in enumerate(size)
        )
        return np.asarray(flat[(k * (nj + 2) + j) * (ni + 2) + i])

    def _bounded(self, good: BoolArray, u: FloatArray, v: FloatArray, slack: float) -> BoolArray:
        """Those of the ``good`` points that other planes leave, give or take ``slack`` mm."""
        for du, dv, constant in self._same_cut:
            good &= constant + u * du + v * dv >= -slack
        for lines in self._other_cuts:
            inside = np.ones(good.shape, dtype=np.bool_)
            for du, dv, constant in lines:
                inside &= constant + u * du + v * dv > slack
            good &= ~inside
        return good

    @cached_property
    def window(self) -> list[tuple[float, float]]:
        """The rectangle of the plane, in its own axes, that the organ's box projects into."""
        low, high = (np.asarray(c, dtype=np.float64) for c in (self.organ.box.start, self.organ.box.stop))
        corners = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)]) * (high - low) + low - 0.5
        uv = (self.organ.geometry.to_lps(corners) - self.origin) @ self.axes.T
        return [(float(a), float(b)) for a, b in zip(uv.min(axis=0), uv.max(axis=0), strict=True)]

    @cached_property
    def coarse(self) -> tuple[FloatArray, FloatArray]:
        """Points of the interface on this plane, a few millimetres apart."""
        step = min(self.organ.geometry.spacing_mm) * _COARSE_STEPS
        across, along = (np.arange(low, high + step, step) for low, high in self.window)
        u, v = np.repeat(across, len(along)), np.tile(along, len(across))
        on = self.on_interface(u, v)
        return u[on], v[on]

    def to_lps(self, u: FloatArray, v: FloatArray) -> FloatArray:
        """Points of the plane as LPS mm, shape (n, 3)."""
        return np.asarray(self.origin + u[:, None] * self.axes[0] + v[:, None] * self.axes[1])

    def uv(self, lesion: LesionSurface, which: Any) -> tuple[FloatArray, FloatArray]:
        """The feet of a lesion's points (those that the index ``which`` selects), in the plane's axes."""
        x, y, z = (row[which] for row in lesion.xyz)
        u, v = (x * a[0] + y * a[1] + z * a[2] - float(a @ self.origin) for a in self.axes)
        return np.atleast_1d(u), np.atleast_1d(v)


def _in_plane_axes(normal: FloatArray) -> FloatArray:
    """Two unit vectors at right angles to the normal and each other, shape (2, 3)."""
    helper = np.zeros(3)
    helper[int(np.argmin(np.abs(normal)))] = 1.0
    first = np.cross(normal, helper)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(normal, first)])


class PlaneInterface:
    """Where planes meet an organ; measures any number of lesions against it.

    Parameters
    ----------
    others
        What the cuts of other kinds remove: where they do, a plane is no border.
    """

    def __init__(self, cuts: Sequence[PlaneCut], organ: Organ, others: Sequence[Region] = ()) -> None:
        self._faces = [_Face(plane, cut, cuts, organ, others) for cut in cuts for plane in cut.planes]

    def nearest(self, lesion: LesionSurface, closest: Closest) -> None:
        """Find where a lesion's surface is nearest to it, if nearer than what was found; the module defines both.

        The lesion must lie wholly on one side: the margin of one that is cut through is 0 by definition.
        """
        distances = [np.abs(lesion.along(face.normal) - float(face.normal @ face.origin)) for face in self._faces]
        lowest = [float(distance.min()) for distance in distances]
        rims: list[int] = []
        for number in np.argsort(lowest):
            if lowest[number] >= closest.distance_mm:
                break
            if not _nearest_foot(self._faces[number], lesion, distances[number], closest):
                rims.append(int(number))
        for number in rims:  # a coarse look at all planes first, so that the fine looks can be narrow
            _coarsely(self._faces[number], lesion, closest)
        for number in rims:
            if lowest[number] < closest.distance_mm:
                _nearest_sample(self._faces[number], lesion, distances[number], closest)


def _nearest_foot(face: _Face, lesion: LesionSurface, distance: FloatArray, closest: Closest) -> bool:
    """Look for the nearest foot that lies on the interface; True if no point of the plane can be nearer."""
    nearest = int(np.argmin(distance))
    settled = bool(face.on_interface(*face.uv(lesion, nearest))[0])
    if not settled:
        near = np.flatnonzero(distance < closest.distance_mm)
        feet = near[face.on_interface(*face.uv(lesion, near))]
        if feet.size == 0:
            return False
        nearest = int(feet[np.argmin(distance[feet])])
    closest.offer(distance[nearest], lesion.xyz[:, nearest], face.to_lps(*face.uv(lesion, nearest))[0])
    return settled


def _coarsely(face: _Face, lesion: LesionSurface, closest: Closest) -> None:
    """Look at one point of the interface on this plane that is near the lesion."""
    u, v = face.coarse
    if len(u):
        likeliest = int(np.argmin(_Ball(face, lesion).at_least(u, v)))
        lesion.offer(face.to_lps(u[[likeliest]], v[[likeliest]]), closest)


def _nearest_sample(face: _Face, lesion: LesionSurface, distance: FloatArray, closest: Closest) -> None:
    """Look for a nearer sample of the interface on this plane."""
    step = min(face.organ.geometry.spacing_mm) / 2
    window = face.window
    ball = _Ball(face, lesion)
    best = closest.distance_mm
    if np.isfinite(best):
        reach = np.sqrt(max(best**2 - float(distance.min()) ** 2, 0.0))
        feet = face.uv(lesion, np.flatnonzero(distance <= best))
        window = [(max(a, w.min() - reach), min(b, w.max() + reach)) for (a, b), w in zip(window, feet, strict=True)]
    u, v = _fine_raster(face, ball, window, step, best)
    for look in range(_CLOSER_LOOKS):
        near = ball.at_least(u, v) <= closest.distance_mm + step
        u, v = u[near], v[near]
        on = face.on_interface(u, v)
        u, v = u[on], v[on]
        close = ball.nearest(u, v, closest, step if look + 1 < _CLOSER_LOOKS else 0.0)
        # Closer around the samples that came nearest: that also finds tips too thin for the raster.
        close = close[:_CANDIDATES]
        u, v = _around(u[close], v[close], np.arange(-_FINER, _FINER + 1) * (step / _FINER))
        step /= _FINER


def _around(u: FloatArray, v: FloatArray, offsets: NDArray[np.floating[Any]]) -> tuple[FloatArray, FloatArray]:
    """A little raster around each of the points."""
    aside, along = np.repeat(offsets, len(offsets)), np.tile(offsets, len(offsets))
    return (u[:, None] + aside).reshape(-1), (v[:, None] + along).reshape(-1)


def _fine_raster(
    face: _Face, ball: _Ball, window: Sequence[tuple[float, float]], step: float, best: float
) -> tuple[FloatArray, FloatArray]:
    """Points of a fine raster, without the cells that hold no interface or none near enough."""
    cell = step * _FINE_IN_COARSE
    radius = cell / np.sqrt(2)  # within a block: 4 fine steps are 2 of the smallest voxels
    u, v = ball.raster(window, cell, best + radius)
    near = face.near_interface(u, v, radius)
    offsets = (np.arange(_FINE_IN_COARSE) - (_FINE_IN_COARSE - 1) / 2) * step
    return _around(u[near], v[near], offsets)


class _Ball:
    """The ball around a lesion, seen from a plane: a lower bound of distances that costs next to nothing."""

    def __init__(self, face: _Face, lesion: LesionSurface) -> None:
        self._face = face
        self._lesion = lesion
        apart = lesion.centre - face.origin
        self._u, self._v = (float(axis @ apart) for axis in face.axes)
        self._height = float(face.normal @ apart)

    def at_least(self, u: FloatArray, v: FloatArray) -> FloatArray:
        """A lower bound of the distance of points of the plane from the lesion."""
        return np.asarray(np.sqrt((u - self._u) ** 2 + (v - self._v) ** 2 + self._height**2) - self._lesion.radius)

    def raster(self, window: Sequence[tuple[float, float]], step: float, reach: float) -> tuple[FloatArray, FloatArray]:
        """Points of a raster over a rectangle of the plane that may be within ``reach`` of the lesion."""
        if any(high < low for low, high in window):
            return np.zeros(0), np.zeros(0)
        u, v = (np.arange(low, high + step, step) for low, high in window)
        room = (reach + self._lesion.radius) ** 2 - self._height**2
        within = np.flatnonzero(((u - self._u) ** 2)[:, None] + (v - self._v) ** 2 <= room)
        a, b = np.divmod(within, len(v))
        return u[a], v[b]

    def nearest(self, u: FloatArray, v: FloatArray, closest: Closest, slack: float) -> NDArray[np.intp]:
        """Look for the nearest of the points; those within ``slack`` of what is then the smallest, by distance.

        Searching from afar is slow, so the likeliest points go first and rule most of the others out.
        """
        points = self._face.to_lps(u, v)
        bound = self._lesion.at_least(points) if len(u) else np.zeros(0)
        order = np.argsort(bound)
        distances = np.full(len(u), np.inf)
        start, batch = 0, 16
        while start < len(order) and bound[order[start]] <= closest.distance_mm + slack:
            some = order[start : start + batch]
            some = some[bound[some] <= closest.distance_mm + slack]
            distances[some] = self._lesion.offer_within(points[some], closest, slack)
            start, batch = start + batch, batch * 2
        order = np.argsort(distances)
        return order[: np.searchsorted(distances[order], closest.distance_mm + slack, side="right")]
