"""The smallest distance from a lesion to a cut that is a surface of triangles or a border between voxels.

A surface's interface is sampled where it lies in the organ and no other cut removes what is there: the middles of its
triangles, of quarters of those that may hold a nearer point, and so on down to half the smallest voxel spacing. No
sample lies off the interface, so sampling can only enlarge a margin, and by less than half a voxel. Of a region of
voxels the interface is made of the points midway between a removed voxel of the organ and a kept one beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
_COARSE_MM = 4.0


def nearest_of(
    points: FloatArray, lesion: LesionSurface, best: float, counts: Callable[[FloatArray], BoolArray] | None = None
) -> float:
    """The smallest distance from the lesion to any of the points, or ``best`` if that is smaller; mm.

    The likeliest points go first and rule most of the others out; only these are asked whether count (``counts``).
    """
    if len(points) == 0:
        return best
    bound = _lengths(points - lesion.centre) - lesion.radius
    candidates = np.flatnonzero(bound < best)
    candidates = candidates[np.argsort(bound[candidates], kind="stable")]
    start, batch = 0, _BATCH
    while start < len(candidates) and bound[candidates[start]] < best:
        some = candidates[start : start + batch]
        some = some[bound[some] < best]
        if counts is not None:
            some = some[counts(points[some])]
        if len(some):
            best = min(best, float(lesion.tree.query(points[some], distance_upper_bound=best)[0].min()))
        start, batch = start + batch, batch * 2
    return best


class SurfaceInterface:
    """The part of a dividing surface that is the cut: in the organ, and not where other cuts remove everything."""

    def __init__(self, cut: SurfaceCut, others: Sequence[Region], organ: Organ) -> None:
        self._organ, self._others = organ, others
        low, high = organ.box.start, organ.box.stop
        corners = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
        corners = organ.geometry.to_lps(corners * (np.asarray(high) - low) + low - 0.5)
        self._centre = corners.mean(axis=0)
        self._radius = float(np.linalg.norm(corners - self._centre, axis=1).max())
        self._pieces = self._about_the_organ(cut.points_mm[cut.triangles])
        self._balls = _balls(self._pieces)

    def _about_the_organ(self, pieces: FloatArray) -> FloatArray:
        """Those of the triangles, (n, 3, 3), that may reach into the ball around the organ."""
        middles, reach = _balls(pieces)
        return np.asarray(pieces[_lengths(middles - self._centre) - reach < self._radius])

    def nearest(self, lesion: LesionSurface, best: float, coarse: bool = False) -> float:
        """The smallest distance from the lesion to it, or ``best``.

        Triangles are quartered as long as they may hold a nearer point: `coarse` stops at a few millimetres.
        """
        step = min(self._organ.geometry.spacing_mm) / 2
        finest = max(_COARSE_MM, 2 * step) if coarse else step
        pieces, (middles, reach) = self._pieces, self._balls
        while len(pieces):
            best = nearest_of(middles, lesion, best, self._on_interface)
            hopeful = (_lengths(middles - lesion.centre) - reach < best + lesion.radius) & (reach > finest)
            pieces, middles, reach = pieces[hopeful], middles[hopeful], reach[hopeful]
            if np.isfinite(best) and len(pieces) > _BATCH:
                away = lesion.tree.query(middles, distance_upper_bound=best + float(reach.max()))[0]
                pieces = pieces[away - reach < best]
            pieces = self._about_the_organ(_quartered(pieces))
            middles, reach = _balls(pieces)
        return best

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


def _lengths(vectors: FloatArray) -> FloatArray:
    """Of rows of three; plain sums are several times faster than a reduction over so short an axis."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.asarray(np.sqrt(x * x + y * y + z * z))


def _balls(pieces: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Middle of each triangle, (n, 3), and how far its corners are from it."""
    a, b, c = pieces[:, 0], pieces[:, 1], pieces[:, 2]
    middles = (a + b + c) / 3.0
    reach = np.maximum(np.maximum(_lengths(a - middles), _lengths(b - middles)), _lengths(c - middles))
    return middles, reach


def _quartered(pieces: FloatArray) -> FloatArray:
    """Each triangle as four between its corners and the middles of its edges."""
    a, b, c = pieces[:, 0], pieces[:, 1], pieces[:, 2]
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    parts = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    return np.concatenate([np.stack(part, axis=1) for part in parts])


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
