"""Growing and shrinking masks by a ball of so many millimetres, exactly, on anisotropic grids.

The ball is taken apart into rods along i: for every row of the ball the mask is widened by that rod's half length and
laid over the neighbouring rows. Rows are packed eight voxels to a byte, so a ball of several hundred rods stays cheap.
What lies outside the image counts neither as background nor as mask: a structure that the image cuts off is not
eroded at the cut.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.segmentation.runs import Mask

_HAIR = 1e-6


def dilate(mask: Mask, geometry: Geometry, radius_mm: float, ctx: Context | None = None) -> Mask:
    """Voxels whose centre lies within ``radius_mm`` of the centre of a voxel of ``mask`` ([k, j, i])."""
    box = Box.of_mask(mask)
    if box.empty:
        return mask.copy()
    work = _grown(box, geometry, radius_mm)
    whole = np.zeros(mask.shape, dtype=np.bool_)
    whole[work.slices] = _dilate_all(mask[work.slices], geometry, radius_mm, ctx or Context())
    return whole


def erode(mask: Mask, geometry: Geometry, radius_mm: float, ctx: Context | None = None) -> Mask:
    """Voxels of ``mask`` whose centre lies farther than ``radius_mm`` from every background voxel of the image."""
    box = Box.of_mask(mask)
    if box.empty:
        return mask.copy()
    work = _grown(box, geometry, radius_mm)
    whole = np.zeros(mask.shape, dtype=np.bool_)
    whole[work.slices] = ~_dilate_all(~mask[work.slices], geometry, radius_mm, ctx or Context())
    return whole


def opened(mask: Mask, geometry: Geometry, radius_mm: float, ctx: Context | None = None) -> Mask:
    """``mask`` without what a ball of ``radius_mm`` does not fit into."""
    ctx = ctx or Context()
    return dilate(erode(mask, geometry, radius_mm, ctx.part(0.0, 0.5)), geometry, radius_mm, ctx.part(0.5, 1.0))


def closed(mask: Mask, geometry: Geometry, radius_mm: float, ctx: Context | None = None) -> Mask:
    """``mask`` with the gaps that a ball of ``radius_mm`` does not fit into."""
    ctx = ctx or Context()
    box = Box.of_mask(mask)
    if box.empty:
        return mask.copy()
    # Twice the reach, so that the erosion sees the rim of the dilated mask and not the end of the box.
    work = _grown(box, geometry, 2 * radius_mm)
    local = geometry.cropped(work)
    grown = _dilate_all(mask[work.slices], local, radius_mm, ctx.part(0.0, 0.5))
    whole = np.zeros(mask.shape, dtype=np.bool_)
    whole[work.slices] = ~_dilate_all(~grown, local, radius_mm, ctx.part(0.5, 1.0))
    return whole


def reach_ijk(geometry: Geometry, radius_mm: float) -> tuple[int, int, int]:
    """How many whole voxels fit into ``radius_mm`` along i, j and k."""
    i, j, k = (int(radius_mm / s + _HAIR) for s in geometry.spacing_mm)
    return i, j, k


def _grown(box: Box, geometry: Geometry, radius_mm: float) -> Box:
    reach = reach_ijk(geometry, radius_mm)
    low = [max(a - r, 0) for a, r in zip(box.start, reach, strict=True)]
    high = [min(b + r, n) for b, r, n in zip(box.stop, reach, geometry.size_ijk, strict=True)]
    return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def _rods(geometry: Geometry, radius_mm: float) -> dict[int, list[tuple[int, int]]]:
    """The ball as rods along i: half length in voxels -> the rows (dk, dj) that have it."""
    si, sj, sk = geometry.spacing_mm
    _, rj, rk = reach_ijk(geometry, radius_mm)
    rods: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for dk in range(-rk, rk + 1):
        for dj in range(-rj, rj + 1):
            left = radius_mm**2 * (1 + _HAIR) - (dj * sj) ** 2 - (dk * sk) ** 2
            if left >= 0:
                rods[int(np.sqrt(left) / si + _HAIR)].append((dk, dj))
    return rods


def _dilate_all(mask: Mask, geometry: Geometry, radius_mm: float, ctx: Context) -> Mask:
    """Dilate within the array as it is; what leaves it is lost."""
    rods = _rods(geometry, radius_mm)
    wide = mask.copy()
    nk, nj, ni = mask.shape
    result = np.zeros((nk, nj, -(-ni // 8)), dtype=np.uint8)
    longest = max(rods)
    for half in range(longest + 1):
        if half:
            narrow = wide.copy()
            wide[..., 1:] |= narrow[..., :-1]
            wide[..., :-1] |= narrow[..., 1:]
        rows = rods.get(half, ())
        packed = np.packbits(wide, axis=2) if rows else result
        for dk, dj in rows:
            ctx.check()
            target = result[_from(dk, nk), _from(dj, nj)]
            target |= packed[_from(-dk, nk), _from(-dj, nj)]
        ctx.progress((half + 1) / (longest + 1))
    return np.unpackbits(result, axis=2, count=ni).view(np.bool_)


def _from(step: int, count: int) -> slice:
    """The part of an axis that a shift by ``step`` lands on."""
    return slice(min(max(step, 0), count), max(min(count + step, count), 0))
