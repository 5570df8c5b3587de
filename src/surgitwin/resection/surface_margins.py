"""The smallest distance from a lesion to a cut that is a surface of triangles or a border between voxels.

A surface's interface is sampled where it lies in the organ and no other cut removes what is there: its triangles'
corners and middles first, which rule most triangles out, then the rest in steps of half the smallest voxel spacing. No
sample lies off the interface, so sampling can only enlarge a margin, and by less than half a voxel. Of a region of
voxels the interface is made of the points midway between a removed voxel of the organ and a kept one beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box
from surgitwin.resection.cuts import MaskCut
from surgitwin.resection.margins import LesionSurface, Organ
from surgitwin.resection.regions import Region, removed_at
from surgitwin.resection.surface_cut import SurfaceCut

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_BATCH = 64


def nearest_of(points: FloatArray, lesion: LesionSurface, best: float) -> float:
    """The smallest distance from the lesion to any of the points, or ``best`` if that is smaller; mm."""
    if len(points) == 0:
        return best
    bound = np.linalg.norm(points - lesion.centre, axis=1) - lesion.radius
    candidates = np.flatnonzero(bound < best)
    candidates = candidates[np.argsort(bound[candidates], kind="stable")]
    start, batch = 0, _BATCH
    while start < len(candidates) and bound[candidates[start]] < best:
        some = candidates[start : start + batch]
        best = min(best, float(lesion.tree.query(points[some], distance_upper_bound=best)[0].min()))
        start, batch = start + batch, batch * 2
    return best


class SurfaceInterface:
    """The part of a dividing surface that is the cut: in the organ, and not where other cuts remove everything."""

    def __init__(self, cut: SurfaceCut, others: Sequence[Region], organ: Organ) -> None:
        self._organ, self._others = organ, others
        corners = cut.points_mm[cut.triangles]
        self._middles = corners.mean(axis=1)
        self._reach = np.linalg.norm(corners - self._middles[:, None], axis=2).max(axis=1)
        self._corners = corners
        low, high = organ.box.start, organ.box.stop
        ijk = organ.geometry.to_index(self._middles)
        grown = self._reach[:, None] / np.asarray(organ.geometry.spacing_mm) + 1.0
        near = ((ijk > np.asarray(low) - grown) & (ijk < np.asarray(high) + grown)).all(axis=1)
        self._near = np.flatnonzero(near)

    def nearest(self, lesion: LesionSurface, best: float, coarse: bool = False) -> float:
        """The smallest distance from the lesion to it, or ``best``; ``coarse`` looks at corners and middles only."""
        near = self._near
        first = np.concatenate([self._middles[near], self._corners[near].reshape(-1, 3)])
        best = nearest_of(first[self._on_interface(first)], lesion, best)
        if coarse:
            return best
        bound = np.linalg.norm(self._middles[near] - lesion.centre, axis=1) - lesion.radius - self._reach[near]
        hopeful = near[bound < best]
        if np.isfinite(best) and len(hopeful):
            limit = best + float(self._reach[hopeful].max())
            away = lesion.tree.query(self._middles[hopeful], distance_upper_bound=limit)[0]
            hopeful = hopeful[away - self._reach[hopeful] < best]
        step = min(self._organ.geometry.spacing_mm) / 2
        samples = _samples(self._corners[hopeful], step)
        return nearest_of(samples[self._on_interface(samples)], lesion, best)

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


def _samples(corners: FloatArray, step: float) -> FloatArray:
    """Points all over triangles, (m, 3, 3), no farther apart than ``step``."""
    if len(corners) == 0:
        return np.zeros((0, 3))
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    counts = np.ceil(edges / step).astype(np.int64)
    found: list[FloatArray] = []
    for count in np.unique(counts):
        a, b = (axis.reshape(-1) for axis in np.mgrid[0 : count + 1, 0 : count + 1])
        keep = a + b <= count
        u, v = a[keep] / max(count, 1), b[keep] / max(count, 1)
        weights = np.stack([1.0 - u - v, u, v], axis=1)
        found.append((weights @ corners[counts == count]).reshape(-1, 3))
    return np.concatenate(found)


class MaskInterface:
    """The border of a region of voxels within the organ."""

    def __init__(self, cut: MaskCut, organ: Organ) -> None:
        self._organ = organ
        box = organ.box
        gone = np.zeros(organ.mask.shape, dtype=np.bool_)
        low = [max(a, b) for a, b in zip(cut.box.start, box.start, strict=True)]
        high = [min(a, b) for a, b in zip(cut.box.stop, box.stop, strict=True)]
        if all(a < b for a, b in zip(low, high, strict=True)):
            gone[_part(low, high, box)] = cut.mask[_part(low, high, cut.box)]
        gone &= organ.mask
        kept = organ.mask & ~gone
        points, beyond = [], []
        for axis in range(3):
            first = tuple(slice(0, -1) if one == axis else slice(None) for one in range(3))
            second = tuple(slice(1, None) if one == axis else slice(None) for one in range(3))
            for here, there, sign in ((first, second, 1), (second, first, -1)):
                kji = np.argwhere(gone[here] & kept[there])
                if sign < 0:
                    kji[:, axis] += 1
                step = np.zeros(3, dtype=np.int64)
                step[axis] = sign
                points.append((kji + 0.5 * step)[:, ::-1])
                beyond.append((kji + step)[:, ::-1])
        start = np.asarray(box.start)
        self._points = organ.geometry.to_lps(np.concatenate(points) + start)
        self._beyond = np.concatenate(beyond) + start

    def nearest(self, lesion: LesionSurface, best: float, others: Sequence[Region]) -> float:
        """The smallest distance from the lesion to it, or ``best``; what other cuts remove beyond it is no border."""
        if not others:
            return nearest_of(self._points, lesion, best)
        stays = ~removed_at(others, self._beyond, self._organ.geometry.size_ijk[0])
        return nearest_of(self._points[stays], lesion, best)


def _part(low: Sequence[int], high: Sequence[int], origin: Box) -> tuple[slice, slice, slice]:
    i, j, k = (slice(a - o, b - o) for a, b, o in zip(low, high, origin.start, strict=True))
    return k, j, i
