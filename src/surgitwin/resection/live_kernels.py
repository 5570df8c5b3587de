"""Loops over the voxels of an organ that run for every move of a cut: compiled.

Import this module only where it is needed: it compiles, or loads what was compiled.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from surgitwin.core.compiled import compiled


def _given(kind: Any, dimensions: int) -> Any:
    """What another process sent may not be written to."""
    return numba.types.Array(kind, dimensions, "C", readonly=True)


_BOOL, _BOOL_3D, _F64, _F64_2D = (
    _given(numba.boolean, 1),
    _given(numba.boolean, 3),
    _given(numba.float64, 1),
    _given(numba.float64, 2),
)
_I32, _I64 = _given(numba.int32, 1), _given(numba.int64, 1)


@compiled(numba.void(_BOOL, _BOOL, _I32, _BOOL, numba.int64[::1]))
def count_lost(gone: Any, tumour: Any, feeding: Any, lost: Any, counts: Any) -> None:  # pragma: no cover
    """Write how many voxels are kept but fed by a lost point, and how many are kept, fed by another and no tumour."""
    without, perfused = 0, 0
    for voxel in range(gone.shape[0]):
        if gone[voxel]:
            continue
        if lost[feeding[voxel]]:
            without += 1
        elif not tumour[voxel]:
            perfused += 1
    counts[0], counts[1] = without, perfused


@compiled(numba.void(_BOOL, _I32, _BOOL, numba.boolean[::1]))
def mark_lost(gone: Any, feeding: Any, lost: Any, found: Any) -> None:  # pragma: no cover
    """Mark the voxels that are kept but fed by a lost point."""
    for voxel in range(gone.shape[0]):
        found[voxel] = not gone[voxel] and lost[feeding[voxel]]


@compiled(numba.void(_F64_2D, _F64_2D, _F64, _F64, _F64, _given(numba.float32, 3), numba.float64[::1]))
def bounds_of(
    points: Any, inverse: Any, start: Any, step: Any, spacing: Any, distances: Any, found: Any
) -> None:  # pragma: no cover
    """For each point a lower bound of the distance that is known at nodes; see `DistanceField`.

    Outside the nodes' box it is that of the nearest place in the box, less the way there.
    """
    base, share = np.zeros(3, dtype=np.int64), np.zeros(3)
    for n in range(points.shape[0]):
        outside, spread = 0.0, 0.0
        for axis in range(3):
            place = inverse[axis, 3] - start[axis]
            for other in range(3):
                place += inverse[axis, other] * points[n, other]
            count = distances.shape[2 - axis]
            within = min(max(place / step[axis], 0.0), count - 1.0)
            base[axis] = min(int(within), count - 2)
            share[axis] = within - base[axis]
            apart = (place - within * step[axis]) * spacing[axis]
            outside += apart * apart
            edge = step[axis] * spacing[axis]
            spread += share[axis] * (1.0 - share[axis]) * edge * edge
        square = -spread
        for corner in range(8):
            i, j, k = corner & 1, (corner >> 1) & 1, corner >> 2
            weight = share[0] if i else 1.0 - share[0]
            weight *= share[1] if j else 1.0 - share[1]
            weight *= share[2] if k else 1.0 - share[2]
            known = float(distances[base[2] + k, base[1] + j, base[0] + i])
            square += weight * known * known
        # A little less, because what is known was rounded.
        found[n] = np.sqrt(max(square, 0.0)) * (1.0 - 1e-6) - np.sqrt(outside) - 1e-6


@compiled(numba.void(_F64_2D, _F64, _F64_2D, _F64, _F64, _I64, _BOOL, numba.int64, numba.boolean[::1]))
def near_organ(
    points: Any, reach: Any, inverse: Any, start: Any, spacing: Any, size: Any, blocks: Any, edge: Any, found: Any
) -> None:  # pragma: no cover
    """Whether a ball of a radius of ``reach`` mm around each point may hold a point of the organ.

    ``start`` and ``size`` are the organ's box in voxels; ``blocks`` tells of blocks of ``edge`` voxels, in a frame of
    one, whether the organ is in one or in a neighbour of it.
    """
    for n in range(points.shape[0]):
        good, small = True, True
        at, stride = 0, 1
        for axis in range(3):
            place = inverse[axis, 3] - start[axis]
            for other in range(3):
                place += inverse[axis, other] * points[n, other]
            wide = reach[n] / spacing[axis]
            if place + wide < -0.5 or place - wide > size[axis] - 0.5:
                good = False
                break
            count = (size[axis] + edge - 1) // edge
            # Half a voxel on either side of the box is in its outer voxels.
            block = int(min(max(np.floor((place + 0.5) / edge) + 1.0, 0.0), count + 1.0))
            at += stride * block
            stride *= count + 2
            small = small and wide < edge
        found[n] = good and (not small or blocks[at])


@compiled(numba.int64(_BOOL_3D, numba.int64, numba.int64[::1], numba.int64[::1], numba.int64[::1]))
def mask_runs(mask: Any, origin: Any, first: Any, low: Any, high: Any) -> Any:  # pragma: no cover
    """The runs along i of each row of a mask: ``low`` <= i < ``high``, as far as there is room; how many there are.

    ``first`` gets the number of the first run of each row, and that of all runs at its end.
    """
    count, row = 0, 0
    room = low.shape[0]
    for k in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            first[row] = count
            row += 1
            inside = False
            for i in range(mask.shape[2]):
                if mask[k, j, i] == inside:
                    continue
                if inside:
                    if count < room:
                        high[count] = origin + i
                    count += 1
                elif count < room:
                    low[count] = origin + i
                inside = not inside
            if inside:
                if count < room:
                    high[count] = origin + mask.shape[2]
                count += 1
    first[row] = count
    return count


@compiled(numba.int64(_BOOL_3D, _BOOL_3D, _I64, _I64, numba.int64[:, ::1]))
def borders(organ: Any, gone: Any, low: Any, high: Any, found: Any) -> Any:  # pragma: no cover
    """Faces between a removed voxel of the organ and a kept one beside it, both with ``low`` <= (i, j, k) < ``high``.

    Writes i, j, k of the removed one and of the kept one as far as there is room, and returns how many there are.
    """
    count = 0
    room = found.shape[0]
    for k in range(low[2], high[2]):
        for j in range(low[1], high[1]):
            for i in range(low[0], high[0]):
                if not organ[k, j, i]:
                    continue
                here = gone[k, j, i]
                for axis in range(3):
                    ni, nj, nk = i + (axis == 0), j + (axis == 1), k + (axis == 2)
                    if ni >= high[0] or nj >= high[1] or nk >= high[2]:
                        continue
                    if not organ[nk, nj, ni] or gone[nk, nj, ni] == here:
                        continue
                    if count < room:
                        if here:
                            found[count, 0], found[count, 1], found[count, 2] = i, j, k
                            found[count, 3], found[count, 4], found[count, 5] = ni, nj, nk
                        else:
                            found[count, 0], found[count, 1], found[count, 2] = ni, nj, nk
                            found[count, 3], found[count, 4], found[count, 5] = i, j, k
                    count += 1
    return count
