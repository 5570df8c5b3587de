"""The nearest of many points for each voxel of a mask, compiled: blocks within blocks share the points that can be.

The nearest point of any place in a block lies no further from the block's centre than the point nearest to the centre
plus the block's diagonal. So a large block keeps few of all points, a small block in it few of these, and a voxel
compares the handful that are left: exact, and ten times as fast as a search tree.

Import this module only where it is needed: it compiles, or loads what was compiled.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from surgitwin.core.compiled import compiled

TIE_MM2 = 1e-9
"""Squared distances that differ by less are equal, so that rounding decides nothing."""
INNER = 4  # blocks along each edge of a large block

_BOOL = numba.boolean[::1]
_I64 = numba.int64[::1]
_F64 = numba.float64[::1]
_POINTS = numba.float64[:, ::1]


@compiled(numba.int64(_POINTS, _I64, numba.int64, _POINTS, _I64, _I64, _F64, _I64))
def keep_near(
    points: Any, given: Any, count: Any, affine: Any, low: Any, high: Any, away: Any, kept: Any
) -> Any:  # pragma: no cover
    """Of ``given`` points those that can be nearest to a voxel of the block ``low`` <= ijk < ``high``, in their order.

    ``away`` is room for the distances. Returns how many were written into ``kept``.
    """
    centre, half = np.empty(3), np.empty(3)
    for a in range(3):
        half[a] = 0.5 * (high[a] - 1 - low[a])
    for a in range(3):
        centre[a] = affine[a, 3]
        for b in range(3):
            centre[a] += affine[a, b] * (low[b] + half[b])
    reach = 0.0  # from the centre to the furthest voxel
    for corner in range(4):
        one = half[1] if corner & 1 else -half[1]
        two = half[2] if corner & 2 else -half[2]
        total = 0.0
        for a in range(3):
            total += (affine[a, 0] * half[0] + affine[a, 1] * one + affine[a, 2] * two) ** 2
        reach = max(reach, np.sqrt(total))
    best = np.inf
    for n in range(count):
        p = given[n]
        square = points[p, 3] ** 2
        for a in range(3):
            square += (points[p, a] - centre[a]) ** 2
        away[n] = square
        best = min(best, square)
    limit = (np.sqrt(best) + 2.0 * reach + 1e-6) ** 2
    found = 0
    for n in range(count):
        if away[n] <= limit:
            kept[found] = given[n]
            found += 1
    return found


@compiled(
    numba.void(
        numba.uint8[:, :, ::1],
        _POINTS,
        _POINTS,
        _I64,
        numba.int64,
        numba.int64[:, ::1],
        numba.int32[::1],
        numba.float32[::1],
    )
)
def nearest_of_layer(
    mask: Any, points: Any, affine: Any, edge: Any, first: Any, cursor: Any, nearest: Any, squares: Any
) -> None:  # pragma: no cover
    """The nearest of ``points`` (x, y, z, w) for the voxels of one layer of large blocks that begins at k = ``first``.

    Parameters
    ----------
    mask
        [k, j, i], 1 where a voxel counts.
    affine
        (3, 4): index (i, j, k, 1) within the mask to mm; voxels have w = 0.
    edge
        Voxels along i, j and k in a small block.
    cursor
        [k, j]: how many voxels of the mask come before the row; moved on past what was done.
    nearest, squares
        In the order of the mask; written. Of equally near points the first is taken.
    """
    nk, nj, ni = mask.shape
    count = len(points)
    everything = np.arange(count)
    outer, inner = np.empty(count, np.int64), np.empty(count, np.int64)
    away = np.empty(count)
    low, high, a, b = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3, np.int64)
    near = np.empty((4, count))
    low[2], high[2] = first, min(first + INNER * edge[2], nk)
    for j0 in range(0, nj, INNER * edge[1]):
        low[1], high[1] = j0, min(j0 + INNER * edge[1], nj)
        for i0 in range(0, ni, INNER * edge[0]):
            low[0], high[0] = i0, min(i0 + INNER * edge[0], ni)
            some = -1
            for ak in range(low[2], high[2], edge[2]):
                for aj in range(low[1], high[1], edge[1]):
                    for ai in range(low[0], high[0], edge[0]):
                        a[0], a[1], a[2] = ai, aj, ak
                        for c in range(3):
                            b[c] = min(a[c] + edge[c], high[c])
                        filled = False
                        for k in range(a[2], b[2]):
                            for j in range(a[1], b[1]):
                                for i in range(a[0], b[0]):
                                    filled |= mask[k, j, i] != 0
                        if not filled:
                            continue
                        if some < 0:
                            some = keep_near(points, everything, count, affine, low, high, away, outer)
                        few = keep_near(points, outer, some, affine, a, b, away, inner)
                        for n in range(few):
                            for c in range(4):
                                near[c, n] = points[inner[n], c]
                        for k in range(a[2], b[2]):
                            for j in range(a[1], b[1]):
                                row = cursor[k, j]
                                for i in range(a[0], b[0]):
                                    if mask[k, j, i] == 0:
                                        continue
                                    x = affine[0, 0] * i + affine[0, 1] * j + affine[0, 2] * k + affine[0, 3]
                                    y = affine[1, 0] * i + affine[1, 1] * j + affine[1, 2] * k + affine[1, 3]
                                    z = affine[2, 0] * i + affine[2, 1] * j + affine[2, 2] * k + affine[2, 3]
                                    best, who = np.inf, 0
                                    for n in range(few):
                                        square = (
                                            (near[0, n] - x) ** 2
                                            + (near[1, n] - y) ** 2
                                            + (near[2, n] - z) ** 2
                                            + near[3, n] ** 2
                                        )
                                        if square < best - TIE_MM2:
                                            best, who = square, n
                                    nearest[row] = inner[who]
                                    squares[row] = best
                                    row += 1
                                cursor[k, j] = row


@compiled(numba.void(numba.int32[::1], _BOOL))
def carry_outwards(parent: Any, lost: Any) -> None:  # pragma: no cover
    """Whoever's parent is lost is lost; parents come before their children."""
    for n in range(len(parent)):
        if parent[n] >= 0 and lost[parent[n]]:
            lost[n] = True


@compiled(numba.void(numba.int32[::1], _BOOL))
def carry_inwards(parent: Any, needed: Any) -> None:  # pragma: no cover
    """Whoever has a needed child is needed; parents come before their children."""
    for n in range(len(parent) - 1, -1, -1):
        if parent[n] >= 0 and needed[n]:
            needed[parent[n]] = True


@compiled(numba.void(numba.int32[::1], _I64))
def sum_inwards(parent: Any, amount: Any) -> None:  # pragma: no cover
    """Add to each point what all beyond it have; parents come before their children."""
    for n in range(len(parent) - 1, -1, -1):
        if parent[n] >= 0:
            amount[parent[n]] += amount[n]
