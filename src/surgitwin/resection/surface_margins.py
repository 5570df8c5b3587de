"""The smallest distance from a lesion to a cut that is a surface of triangles or a border between voxels.

A surface's interface is sampled where it lies in the organ and no other cut removes what is there: the middles of its
triangles, of quarters of those that may hold a nearer point, and so on down to half the smallest voxel spacing. No
sample lies off the interface, so sampling can only enlarge a margin, and by less than half a voxel. Of a region of
voxels the interface is made of the points midway between a removed voxel of the organ and a kept one beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box
from surgitwin.resection.cuts import MaskCut
from surgitwin.resection.lesion_surface import Closest, LesionSurface, offer_nearest
from surgitwin.resection.margins import BLOCK, Organ
from surgitwin.resection.regions import Region, removed_at
from surgitwin.resection.surface_cut import SurfaceCut

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_COARSE_MM = 4.0
_FIRST_LOOK_MM = 8.0


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
        bound = self.look(lesion, closest)
        while True:
            hopeful = (bound - reach < closest.distance_mm) & (reach > finest)
            if not hopeful.any():
                return
            pieces, middles, reach = self._near(pieces[hopeful], True)
            bound = lesion.at_least(middles)
            self._offer(middles, lesion, closest, bound)

    def look(self, lesion: LesionSurface, closest: Closest) -> FloatArray:
        """A first look, at the middles of the triangles; lower bounds of their distances."""
        known = self._bounds.get(id(lesion))
        bound = lesion.at_least(self._middles) if known is None else known
        self._bounds[id(lesion)] = bound
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

        It is looked for in boxes around the lesion, larger and larger until nothing outside can be nearer.
        """
        start, size = np.asarray(self._organ.box.start), np.asarray(self._organ.box.size_ijk)
        at = np.ascontiguousarray((self._organ.geometry.to_index(lesion.xyz.T) - start).T)
        least, most = at.min(axis=1) - 0.5, at.max(axis=1) + 0.5
        spacing = np.asarray(self._organ.geometry.spacing_mm)
        within, far = _FIRST_LOOK_MM, float(np.linalg.norm(size * spacing)) + self._apart(lesion)
        while True:
            within = min(within, closest.distance_mm)
            # A face's middle lies within half a voxel of both its voxels.
            low = np.clip(np.floor(least - within / spacing), 0, size).astype(np.int64)
            high = np.clip(np.ceil(most + within / spacing) + 1, 0, size).astype(np.int64)
            faces = self._faces(low, high, lesion, within) + np.tile(start, 2)
            points = self._organ.geometry.to_lps((faces[:, :3] + faces[:, 3:]) / 2.0)

            def stays(some: NDArray[np.intp], faces: IntArray = faces) -> BoolArray:
                return ~removed_at(others, faces[some, 3:], self._organ.geometry.size_ijk[0])

            offer_nearest(points, lesion, closest, stays if others else None)
            if closest.distance_mm <= within or within >= far:
                return
            within *= 2.0

    def _apart(self, lesion: LesionSurface) -> float:
        """How far the lesion's middle is from the middle of the organ's box, mm."""
        box = self._organ.box
        middle = (np.asarray(box.start) + np.asarray(box.stop) - 1.0) / 2.0
        return float(np.linalg.norm(self._organ.geometry.to_lps(middle) - lesion.centre))

    def _faces(self, low: IntArray, high: IntArray, lesion: LesionSurface, within_mm: float) -> IntArray:
        """Removed voxels and kept ones beside them, (n, 6) indices in the organ's box; none of these is left out that
        has its face within a distance of the lesion."""
        from surgitwin.resection.live_kernels import borders

        geometry = self._organ.geometry
        organ, gone = np.ascontiguousarray(self._organ.mask).view(np.uint8), self._gone.view(np.uint8)
        centre = geometry.to_index(lesion.centre) - np.asarray(self._organ.box.start)
        radius = lesion.radius + within_mm + 1e-6
        room = 50_000
        while True:
            found = np.empty((room, 6), dtype=np.int32)
            count = borders(organ, gone, low, high, centre, np.asarray(geometry.spacing_mm), radius, found)
            if count <= room:
                return found[:count].astype(np.int64)
            room = count


def _part(low: Sequence[int], high: Sequence[int], origin: Box) -> tuple[slice, slice, slice]:
    i, j, k = (slice(a - o, b - o) for a, b, o in zip(low, high, origin.start, strict=True))
    return k, j, i
