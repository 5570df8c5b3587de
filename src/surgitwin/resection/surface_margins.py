"""The smallest distance from a lesion to a cut that is a surface of triangles or a border between voxels.

A surface's interface is sampled where it lies in the organ and no other cut removes what is there: the middles of its
triangles, of quarters of those that may hold a nearer point, and so on down to half the smallest voxel spacing. No
sample lies off the interface, so sampling can only enlarge a margin, and by less than half a voxel. Of a region of
voxels the interface is made of the points midway between a removed voxel of the organ and a kept one beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box
from surgitwin.resection.cuts import MaskCut
from surgitwin.resection.lesion_surface import Closest, LesionSurface, lengths, offer_nearest
from surgitwin.resection.margins import BLOCK, Organ
from surgitwin.resection.regions import Region, removed_at
from surgitwin.resection.surface_cut import SurfaceCut

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_COARSE_MM = 4.0
_LOOKS_MM = (8.0, 20.0)
_FIRST = 64


class SurfaceInterface:
    """The part of a dividing surface that is the cut: in the organ, and not where other cuts remove everything."""

    def __init__(self, cut: SurfaceCut, others: Sequence[Region], organ: Organ) -> None:
        self._organ, self._others = organ, others
        geometry = organ.geometry
        self._inverse = np.ascontiguousarray(geometry.inverse, dtype=np.float64)
        self._start = np.asarray(organ.box.start, dtype=np.float64)
        self._spacing = np.asarray(geometry.spacing_mm)
        self._pieces, self._middles, self._reach = self._near(cut.points_mm[cut.triangles], False)
        self._bounds: dict[int, FloatArray] = {}

    def _near(self, pieces: FloatArray, quartered: bool) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Those of the triangles, (n, 3, 3), that may reach into the organ, or those of their quarters.

        Returns
        -------
        Their corners, their middles, and how far the corners are from these.
        """
        from surgitwin.resection.bound_kernels import pieces_near

        room = len(pieces) * (4 if quartered else 1) + 1
        found, middles, reach = np.empty((room, 3, 3)), np.empty((room, 3)), np.empty(room)
        size, blocks = np.asarray(self._organ.box.size_ijk, dtype=np.int64), self._organ.blocks[0]
        place = (self._inverse, self._start, self._spacing, size, blocks, BLOCK)
        count = pieces_near(np.ascontiguousarray(pieces), quartered, *place, found, middles, reach)
        return found[:count], middles[:count], reach[:count]

    def nearest(self, lesion: LesionSurface, closest: Closest, coarse: bool = False) -> None:
        """Find where the lesion is nearest to it, if nearer than what was found.

        Triangles are quartered as long as they may hold a nearer point: `coarse` stops at a few millimetres.
        """
        step = min(self._organ.geometry.spacing_mm) / 2
        finest = max(_COARSE_MM, 2 * step) if coarse else step
        pieces, middles, reach = self._pieces, self._middles, self._reach
        known = self._bounds.get(id(lesion))
        bound = self.look(lesion, closest) if known is None else known
        while True:
            hopeful = (bound - reach < closest.distance_mm) & (reach > finest)
            if not hopeful.any():
                return
            pieces, middles, reach = self._near(pieces[hopeful], True)
            bound = lesion.at_least(middles)
            self._offer(middles, lesion, closest, bound)

    def look(self, lesion: LesionSurface, closest: Closest) -> FloatArray:
        """A first look, at the middles of the triangles; lower bounds of their distances."""
        bound = self._bounds[id(lesion)] = lesion.at_least(self._middles)
        self._offer(self._middles, lesion, closest, bound)
        return bound

    def _offer(self, points: FloatArray, lesion: LesionSurface, closest: Closest, bound: FloatArray) -> None:
        offer_nearest(points, lesion, closest, lambda some: self._on_interface(points[some]), bound)

    def _on_interface(self, points: FloatArray) -> BoolArray:
        ijk = np.rint(self._organ.geometry.to_index(points)).astype(np.int64)
        box = self._organ.box
        local = ijk - np.asarray(box.start)
        inside = ((local >= 0) & (local < np.asarray(box.size_ijk))).all(axis=1)
        i, j, k = np.where(inside[:, None], local, 0).T
        on = inside & self._organ.mask[k, j, i]
        if self._others and on.any():
            there = np.flatnonzero(on)
            on[there] &= ~removed_at(self._others, ijk[there], self._organ.geometry.size_ijk[0])
        return np.asarray(on)


class MaskInterface:
    """The border of a region of voxels within the organ."""

    def __init__(self, cut: MaskCut, organ: Organ) -> None:
        self._organ = organ
        self._asked: dict[int, tuple[LesionSurface, _Ranked | None]] = {}
        box = organ.box
        if cut.box == box:
            self._gone = np.ascontiguousarray(cut.mask, dtype=np.bool_)
            return
        self._gone = np.zeros(organ.mask.shape, dtype=np.bool_)
        low = [max(a, b) for a, b in zip(cut.box.start, box.start, strict=True)]
        high = [min(a, b) for a, b in zip(cut.box.stop, box.stop, strict=True)]
        if all(a < b for a, b in zip(low, high, strict=True)):
            self._gone[_part(low, high, box)] = cut.mask[_part(low, high, cut.box)]

    def nearest(self, lesion: LesionSurface, closest: Closest, others: Sequence[Region]) -> None:
        """Find where the lesion is nearest to it, if nearer; what other cuts remove beyond it is no border.

        It is looked for in two boxes around the lesion first, and all over the organ if it is not near. A border that
        is asked again stays while another cut moves: then its faces are ranked once.
        """
        known = self._asked.get(id(lesion))
        if known is not None and known[0] is lesion:
            ranked = known[1] or _Ranked(*self._everywhere, lesion)
            self._asked[id(lesion)] = lesion, ranked
            ranked.nearest(closest, others, self._organ.geometry.size_ijk[0])
            return
        self._asked[id(lesion)] = lesion, None
        start, size = np.asarray(self._organ.box.start), np.asarray(self._organ.box.size_ijk)
        spacing = np.asarray(self._organ.geometry.spacing_mm)
        at = np.ascontiguousarray((self._organ.geometry.to_index(lesion.xyz.T) - start).T)
        least, most = at.min(axis=1) - 0.5, at.max(axis=1) + 0.5
        for look in _LOOKS_MM:
            within = min(look, closest.distance_mm)
            # A face's middle lies within half a voxel of both its voxels.
            low = np.clip(np.floor(least - within / spacing), 0, size).astype(np.int64)
            high = np.clip(np.ceil(most + within / spacing) + 1, 0, size).astype(np.int64)
            faces = self._faces(low, high, lesion.centre, lesion.radius + within)
            _offer_faces(faces, lesion, closest, others, self._organ)
            if closest.distance_mm <= within:
                return
        points, faces = self._everywhere
        ball = lengths(points - lesion.centre) - lesion.radius
        likely = np.argpartition(ball, _FIRST)[:_FIRST] if len(ball) > _FIRST else np.arange(len(ball))
        for some in (likely, None):  # the likeliest rule most of the others out
            chosen = np.flatnonzero(ball < closest.distance_mm) if some is None else some
            _offer_faces(faces[chosen], lesion, closest, others, self._organ, points[chosen])

    def get_ready(self, lesion: LesionSurface) -> None:
        """Measure all of the border now, so that no answer takes long while another cut moves."""
        ranked = _Ranked(*self._everywhere, lesion)
        ranked.measure_all()
        self._asked[id(lesion)] = lesion, ranked

    @cached_property
    def _everywhere(self) -> tuple[FloatArray, IntArray]:
        """The middles of all its faces, LPS, and the voxels on both sides."""
        size = np.asarray(self._organ.box.size_ijk, dtype=np.int64)
        faces = self._faces(np.zeros(3, dtype=np.int64), size, np.zeros(3), np.inf)
        return _middles(faces, self._organ), faces

    def _faces(self, low: IntArray, high: IntArray, centre: FloatArray, radius: float) -> IntArray:
        """Removed voxels and kept ones beside them, (n, 6) indices of the grid, with their faces in a ball, LPS mm."""
        from surgitwin.resection.live_kernels import borders

        geometry, start = self._organ.geometry, np.asarray(self._organ.box.start)
        organ, gone = np.ascontiguousarray(self._organ.mask).view(np.uint8), self._gone.view(np.uint8)
        ball = (geometry.to_index(centre) - start, np.asarray(geometry.spacing_mm), radius + 1e-6)
        room = 50_000
        while True:
            found = np.empty((room, 6), dtype=np.int32)
            count = borders(organ, gone, low, high, *ball, found)
            if count <= room:
                return np.asarray(found[:count] + np.tile(start, 2))
            room = count


class _Ranked:
    """The faces of a border by how near a lesion they can be; what was measured once is kept."""

    def __init__(self, points: FloatArray, faces: IntArray, lesion: LesionSurface) -> None:
        self._lesion = lesion
        self._points, self._beyond, self._bound = points, faces[:, 3:], lesion.at_least(points)
        self._away = np.full(len(points), np.nan)
        self._on_lesion = np.zeros(len(points), dtype=np.intp)
        self._sort()

    def _sort(self) -> None:
        order = np.argsort(self._bound)
        self._bound, self._points, self._beyond = self._bound[order], self._points[order], self._beyond[order]
        self._away, self._on_lesion = self._away[order], self._on_lesion[order]

    def measure_all(self) -> None:
        """Rank the faces by their distance itself."""
        self._measure(np.flatnonzero(np.isnan(self._away)))
        self._bound = self._away
        self._sort()

    def nearest(self, closest: Closest, others: Sequence[Region], size_i: int) -> None:
        """Offer the nearest of the faces beyond which no other cut removes the organ."""
        start, count = 0, _FIRST
        while start < len(self._bound) and self._bound[start] < closest.distance_mm:
            stop = min(start + count, int(np.searchsorted(self._bound, closest.distance_mm)))
            some = np.arange(start, stop)
            if others:
                some = some[~removed_at(others, self._beyond[start:stop], size_i)]
            if len(some):
                self._measure(some[np.isnan(self._away[some])])
                best = int(some[np.argmin(self._away[some])])
                on_lesion = self._lesion.xyz[:, self._on_lesion[best]]
                closest.offer(float(self._away[best]), on_lesion, self._points[best])
            start, count = stop, 2 * count

    def _measure(self, places: NDArray[np.intp]) -> None:
        if len(places):
            self._away[places], self._on_lesion[places] = self._lesion.tree.query(self._points[places])


def _middles(faces: IntArray, organ: Organ) -> FloatArray:
    return organ.geometry.to_lps((faces[:, :3] + faces[:, 3:]) / 2.0)


def _offer_faces(
    faces: IntArray,
    lesion: LesionSurface,
    closest: Closest,
    others: Sequence[Region],
    organ: Organ,
    points: FloatArray | None = None,
) -> None:
    """Keep the nearest of the faces beyond which no other cut removes the organ."""

    def stays(some: NDArray[np.intp]) -> BoolArray:
        return ~removed_at(others, faces[some, 3:], organ.geometry.size_ijk[0])

    middles = _middles(faces, organ) if points is None else points
    offer_nearest(middles, lesion, closest, stays if others else None)


def _part(low: Sequence[int], high: Sequence[int], origin: Box) -> tuple[slice, slice, slice]:
    i, j, k = (slice(a - o, b - o) for a, b, o in zip(low, high, origin.start, strict=True))
    return k, j, i
