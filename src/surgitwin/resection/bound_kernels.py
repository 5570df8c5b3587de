"""Bounds of distances, for every move of a cut: compiled.

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


_BOOL, _I64, _F64, _F64_2D = (
    _given(numba.boolean, 1),
    _given(numba.int64, 1),
    _given(numba.float64, 1),
    _given(numba.float64, 2),
)
_F32_3D = _given(numba.float32, 3)
_NUMBER = numba.float64


@compiled(_NUMBER(_NUMBER, _NUMBER, _NUMBER, numba.int64, _F64_2D, _F64))
def _voxel(x: Any, y: Any, z: Any, axis: Any, inverse: Any, start: Any) -> Any:  # pragma: no cover
    """A coordinate of a point in voxels from ``start`` on."""
    return inverse[axis, 3] - start[axis] + inverse[axis, 0] * x + inverse[axis, 1] * y + inverse[axis, 2] * z


@compiled(_NUMBER(_NUMBER, _NUMBER, _NUMBER, _F64_2D, _F64, _F64, _F64, _F32_3D))
def _bound(
    x: Any, y: Any, z: Any, inverse: Any, start: Any, step: Any, spacing: Any, distances: Any
) -> Any:  # pragma: no cover
    """A lower bound of the distance that is known at nodes; see `DistanceField`.

    Outside the nodes' box it is that of the nearest place in the box, less the way there.
    """
    outside, spread = 0.0, 0.0
    base_i, base_j, base_k, share_i, share_j, share_k = 0, 0, 0, 0.0, 0.0, 0.0
    for axis in range(3):
        place = _voxel(x, y, z, axis, inverse, start)
        count = distances.shape[2 - axis]
        within = min(max(place / step[axis], 0.0), count - 1.0)
        base = min(int(within), count - 2)
        share = within - base
        apart = (place - within * step[axis]) * spacing[axis]
        outside += apart * apart
        edge = step[axis] * spacing[axis]
        spread += share * (1.0 - share) * edge * edge
        if axis == 0:
            base_i, share_i = base, share
        elif axis == 1:
            base_j, share_j = base, share
        else:
            base_k, share_k = base, share
    square = -spread
    for corner in range(8):
        i, j, k = corner & 1, (corner >> 1) & 1, corner >> 2
        weight = share_i if i else 1.0 - share_i
        weight *= share_j if j else 1.0 - share_j
        weight *= share_k if k else 1.0 - share_k
        known = float(distances[base_k + k, base_j + j, base_i + i])
        square += weight * known * known
    # A little less, because what is known was rounded.
    return np.sqrt(max(square, 0.0)) * (1.0 - 1e-6) - np.sqrt(outside) - 1e-6


@compiled(numba.void(_F64_2D, _F64_2D, _F64, _F64, _F64, _F32_3D, numba.float64[::1]))
def bounds_of(
    points: Any, inverse: Any, start: Any, step: Any, spacing: Any, distances: Any, found: Any
) -> None:  # pragma: no cover
    """For each point a lower bound of the distance that is known at nodes; see `DistanceField`."""
    for n in range(points.shape[0]):
        found[n] = _bound(points[n, 0], points[n, 1], points[n, 2], inverse, start, step, spacing, distances)


@compiled(numba.boolean(_NUMBER, _NUMBER, _NUMBER, _NUMBER, _F64_2D, _F64, _F64, _I64, _BOOL, numba.int64))
def _near_organ(
    x: Any, y: Any, z: Any, reach: Any, inverse: Any, start: Any, spacing: Any, size: Any, blocks: Any, edge: Any
) -> Any:  # pragma: no cover
    """Whether a ball around a point may hold a point of the organ; see `pieces_near`."""
    small = True
    at, stride = 0, 1
    for axis in range(3):
        place = _voxel(x, y, z, axis, inverse, start)
        wide = reach / spacing[axis]
        if place + wide < -0.5 or place - wide > size[axis] - 0.5:
            return False
        count = (size[axis] + edge - 1) // edge
        block = int(min(max(np.floor((place + 0.5) / edge) + 1.0, 0.0), count + 1.0))
        at += stride * block
        stride *= count + 2
        small = small and wide < edge
    return not small or blocks[at]


_PIECES = numba.float64[:, :, ::1]


@compiled(numba.void(_PIECES, numba.int64, numba.int64, numba.int64))
def _halved(pieces: Any, whole: Any, first: Any, second: Any) -> None:  # pragma: no cover
    """Write the two halves of a triangle, divided across its longest edge, over it or other ones."""
    longest, edge = -1.0, 0
    for corner in range(3):
        length = 0.0
        for axis in range(3):
            apart = pieces[whole, (corner + 1) % 3, axis] - pieces[whole, corner, axis]
            length += apart * apart
        if length > longest:
            longest, edge = length, corner
    for axis in range(3):
        a, b = pieces[whole, edge, axis], pieces[whole, (edge + 1) % 3, axis]
        c = pieces[whole, (edge + 2) % 3, axis]
        middle = (a + b) / 2.0
        pieces[first, 0, axis], pieces[first, 1, axis], pieces[first, 2, axis] = a, middle, c
        pieces[second, 0, axis], pieces[second, 1, axis], pieces[second, 2, axis] = middle, b, c


@compiled(
    numba.int64(
        _given(numba.float64, 3),
        numba.boolean,
        _F64_2D,
        _F64,
        _F64,
        _I64,
        _BOOL,
        numba.int64,
        _PIECES,
        numba.float64[:, ::1],
        numba.float64[::1],
    )
)
def pieces_near(
    pieces: Any,
    quartered: Any,
    inverse: Any,
    start: Any,
    spacing: Any,
    size: Any,
    blocks: Any,
    edge: Any,
    found: Any,
    middles: Any,
    reach: Any,
) -> Any:  # pragma: no cover
    """Those triangles, or those quarters of them, that may reach into an organ; how many there are.

    Writes their corners, middles, and how far these are from the corners. ``start`` and ``size`` are the organ's box in
    voxels; ``blocks`` tells of blocks of ``edge`` voxels, in a frame of one, whether the organ is in one or in a
    neighbour of it. Triangles are halved across their longest edges, twice, so that long ones do not become slivers.
    """
    count = 0
    parts = np.empty((4, 3, 3))
    for n in range(pieces.shape[0]):
        parts[0] = pieces[n]
        if quartered:
            _halved(parts, 0, 0, 2)
            _halved(parts, 0, 0, 1)
            _halved(parts, 2, 2, 3)
        for part in range(4 if quartered else 1):
            x = (parts[part, 0, 0] + parts[part, 1, 0] + parts[part, 2, 0]) / 3.0
            y = (parts[part, 0, 1] + parts[part, 1, 1] + parts[part, 2, 1]) / 3.0
            z = (parts[part, 0, 2] + parts[part, 1, 2] + parts[part, 2, 2]) / 3.0
            far = 0.0
            for corner in range(3):
                dx, dy, dz = parts[part, corner, 0] - x, parts[part, corner, 1] - y, parts[part, corner, 2] - z
                far = max(far, dx * dx + dy * dy + dz * dz)
            far = np.sqrt(far)
            if _near_organ(x, y, z, far, inverse, start, spacing, size, blocks, edge):
                found[count] = parts[part]
                middles[count, 0], middles[count, 1], middles[count, 2] = x, y, z
                reach[count] = far
                count += 1
    return count
