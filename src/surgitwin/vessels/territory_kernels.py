"""Distances inside an organ, compiled: the eikonal equation by sweeps in eight directions.

Import this module only where it is needed: it compiles, or loads what was compiled.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from surgitwin.core.compiled import compiled

_F32 = numba.float32[:, :, ::1]
_U8 = numba.uint8[:, :, ::1]


@compiled(numba.int64(_F32, _U8, _U8, numba.float64, numba.float64, numba.float64, numba.int64))
def sweep(time: Any, label: Any, inside: Any, hk: Any, hj: Any, hi: Any, way: Any) -> Any:  # pragma: no cover
    """One sweep of |grad time| = 1 over [k, j, i] in one of eight directions; returns how many voxels got nearer.

    ``inside`` is 1 where times are sought, 2 where they are known, 0 outside (their times are large).
    Upwind scheme of first order (Zhao, Math Comp 2005;74:603-627). A voxel takes the label of the neighbour that its
    shortest way comes from: the nearest of those that count.
    """
    nk, nj, ni = time.shape
    changed = 0
    big = 1e30
    h = np.empty(3)
    a = np.empty(3)
    who = np.empty(3, dtype=np.uint8)
    for kk in range(nk):
        k = kk if way & 1 == 0 else nk - 1 - kk
        for jj in range(nj):
            j = jj if way & 2 == 0 else nj - 1 - jj
            for ii in range(ni):
                i = ii if way & 4 == 0 else ni - 1 - ii
                if inside[k, j, i] != 1:
                    continue
                for axis in range(3):
                    a[axis] = big
                h[0], h[1], h[2] = hk, hj, hi
                if k > 0 and time[k - 1, j, i] < a[0]:
                    a[0], who[0] = time[k - 1, j, i], label[k - 1, j, i]
                if k < nk - 1 and time[k + 1, j, i] < a[0]:
                    a[0], who[0] = time[k + 1, j, i], label[k + 1, j, i]
                if j > 0 and time[k, j - 1, i] < a[1]:
                    a[1], who[1] = time[k, j - 1, i], label[k, j - 1, i]
                if j < nj - 1 and time[k, j + 1, i] < a[1]:
                    a[1], who[1] = time[k, j + 1, i], label[k, j + 1, i]
                if i > 0 and time[k, j, i - 1] < a[2]:
                    a[2], who[2] = time[k, j, i - 1], label[k, j, i - 1]
                if i < ni - 1 and time[k, j, i + 1] < a[2]:
                    a[2], who[2] = time[k, j, i + 1], label[k, j, i + 1]
                # The three smallest times, each with the step along its axis, in order.
                for m in range(2):
                    for n in range(2 - m):
                        if a[n] > a[n + 1]:
                            a[n], a[n + 1] = a[n + 1], a[n]
                            h[n], h[n + 1] = h[n + 1], h[n]
                            who[n], who[n + 1] = who[n + 1], who[n]
                if a[0] >= big or a[0] >= time[k, j, i]:
                    continue
                t = a[0] + h[0]
                if t > a[1]:
                    wa, wb = 1.0 / (h[0] * h[0]), 1.0 / (h[1] * h[1])
                    s = wa + wb
                    p = wa * a[0] + wb * a[1]
                    q = wa * a[0] * a[0] + wb * a[1] * a[1] - 1.0
                    root = p * p - s * q
                    if root >= 0.0:
                        t = (p + np.sqrt(root)) / s
                        if t > a[2]:
                            wc = 1.0 / (h[2] * h[2])
                            s += wc
                            p += wc * a[2]
                            q += wc * a[2] * a[2]
                            root = p * p - s * q
                            if root >= 0.0:
                                t = (p + np.sqrt(root)) / s
                if t < time[k, j, i] - 1e-4:
                    time[k, j, i] = t
                    label[k, j, i] = who[0]
                    changed += 1
    return changed


@compiled(
    numba.void(
        _U8,
        numba.int64[::1],
        numba.float64[:, ::1],
        numba.float64[::1],
        numba.int32[::1],
        numba.float32[::1],
        numba.boolean[::1],
    )
)
def look_along(
    inside: Any, voxels: Any, points: Any, reach: Any, nearest: Any, away: Any, seen: Any
) -> None:  # pragma: no cover
    """Which voxels see their nearest point: the straight way to it does not leave the organ in between.

    A point may lie outside, in a vessel that the organ's label leaves out: within its ``reach`` the way may begin
    outside, but it may enter only once.

    Parameters
    ----------
    voxels
        Places in ``inside``, which is [k, j, i] and laid flat.
    points, reach
        (n, 3), (i, j, k) in ``inside``, and (n,), mm.
    nearest, away
        Of each voxel the nearest point and how far it is, mm.
    seen
        Written.
    """
    nk, nj, ni = inside.shape
    for n in range(len(voxels)):
        k, rest = divmod(voxels[n], nj * ni)
        j, i = divmod(rest, ni)
        p = nearest[n]
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        steps = int(2.0 * max(abs(i - x), abs(j - y), abs(k - z))) + 1
        entered, clear, beyond = False, True, False
        for step in range(steps + 1):
            t = step / steps
            a = int(np.floor(x + t * (i - x) + 0.5))
            b = int(np.floor(y + t * (j - y) + 0.5))
            c = int(np.floor(z + t * (k - z) + 0.5))
            if 0 <= a < ni and 0 <= b < nj and 0 <= c < nk and inside[c, b, a] != 0:
                entered, beyond = True, False
            elif entered or t * away[n] > reach[p]:
                if beyond:  # a single step outside is the corner of a voxel; a gap of one voxel takes two
                    clear = False
                    break
                beyond = True
        seen[n] = clear
