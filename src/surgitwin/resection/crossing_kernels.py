"""Where lines of a grid meet triangles: compiled, for every mouse event while a surface is dragged.

Import this module only where it is needed: it compiles, or loads what was compiled.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from surgitwin.core.compiled import compiled

_F64_2D = numba.float64[:, ::1]
_F64 = numba.float64[::1]
_I32_2D = numba.int32[:, ::1]
_I64 = numba.int64[::1]
_GIVEN = numba.types.Array(numba.int64, 1, "C", readonly=True)  # what another process sent may not be written to


@compiled(numba.boolean(numba.int64, numba.int64, _F64_2D, numba.float64, numba.float64))
def _left(a: Any, b: Any, points: Any, y: Any, z: Any) -> Any:  # pragma: no cover
    """Whether (y, z) lies left of the edge from a to b; always the opposite of the answer for the edge from b to a."""
    if a < b:
        ay, az, by, bz = points[a, 1], points[a, 2], points[b, 1], points[b, 2]
        return (by - ay) * (z - az) - (bz - az) * (y - ay) >= 0.0
    ay, az, by, bz = points[b, 1], points[b, 2], points[a, 1], points[a, 2]
    return not ((by - ay) * (z - az) - (bz - az) * (y - ay) >= 0.0)


@compiled(numba.int64(_F64_2D, _I32_2D, numba.int64, numba.int64, numba.int64, numba.int64, _I64, _F64))
def crossings(
    points: Any, triangles: Any, y0: Any, y1: Any, z0: Any, z1: Any, rows: Any, at: Any
) -> Any:  # pragma: no cover
    """All crossings of the lines y = y0..y1-1, z = z0..z1-1 with the triangles.

    ``points`` are (x, y, z) with x along the lines. Writes the line's number, (z - z0) * (y1 - y0) + (y - y0), and the
    x of each crossing as far as there is room, and returns how many there are.
    """
    count = 0
    room = rows.shape[0]
    wide = y1 - y0
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ya, yb, yc = points[a, 1], points[b, 1], points[c, 1]
        za, zb, zc = points[a, 2], points[b, 2], points[c, 2]
        low_y, high_y = min(ya, min(yb, yc)), max(ya, max(yb, yc))
        low_z, high_z = min(za, min(zb, zc)), max(za, max(zb, zc))
        first_y, last_y = max(y0, int(low_y // 1.0)), min(y1 - 1, int(high_y // 1.0) + 1)
        first_z, last_z = max(z0, int(low_z // 1.0)), min(z1 - 1, int(high_z // 1.0) + 1)
        if first_y > last_y or first_z > last_z:
            continue
        # The plane x = xa + gy * (y - ya) + gz * (z - za) through the triangle.
        uy, uz, ux = yb - ya, zb - za, points[b, 0] - points[a, 0]
        vy, vz, vx = yc - ya, zc - za, points[c, 0] - points[a, 0]
        area = uy * vz - uz * vy
        if area == 0.0:
            continue
        gy = (ux * vz - vx * uz) / area
        gz = (vx * uy - ux * vy) / area
        for z in range(first_z, last_z + 1):
            # Where the line z meets the triangle's edges: only there, and a line to each side, can be crossings.
            near, far = high_y, low_y
            for m in range(3):
                p, q = triangles[t, m], triangles[t, (m + 1) % 3]
                yp, yq, zp, zq = points[p, 1], points[q, 1], points[p, 2], points[q, 2]
                if (zp <= z) != (zq <= z):
                    met = yp + (z - zp) / (zq - zp) * (yq - yp)
                    near, far = min(near, met), max(far, met)
            start, stop = max(first_y, int(near // 1.0)), min(last_y, int(far // 1.0) + 1)
            for y in range(start, stop + 1):
                py, pz = float(y), float(z)
                left = _left(a, b, points, py, pz)
                if _left(b, c, points, py, pz) != left or _left(c, a, points, py, pz) != left:
                    continue
                if count < room:
                    rows[count] = (z - z0) * wide + (y - y0)
                    at[count] = points[a, 0] + gy * (y - ya) + gz * (z - za)
                count += 1
    return count


@compiled(numba.boolean(_F64_2D, numba.int64, numba.int64, numba.int64, numba.int64, numba.int64, _F64, _F64))
def _pierced(points: Any, p: Any, q: Any, a: Any, b: Any, c: Any, low: Any, high: Any) -> Any:  # pragma: no cover
    """Whether the edge from p to q meets the triangle a, b, c at a place within a box."""
    ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
    vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    dx, dy, dz = points[q, 0] - points[p, 0], points[q, 1] - points[p, 1], points[q, 2] - points[p, 2]
    along = nx * dx + ny * dy + nz * dz
    if along == 0.0:
        return False
    wx, wy, wz = points[p, 0] - points[a, 0], points[p, 1] - points[a, 1], points[p, 2] - points[a, 2]
    t = -(nx * wx + ny * wy + nz * wz) / along
    if t < 0.0 or t > 1.0:
        return False
    x, y, z = points[p, 0] + t * dx, points[p, 1] + t * dy, points[p, 2] + t * dz
    if x < low[0] or x > high[0] or y < low[1] or y > high[1] or z < low[2] or z > high[2]:
        return False
    wx, wy, wz = x - points[a, 0], y - points[a, 1], z - points[a, 2]
    uu, uv, vv = ux * ux + uy * uy + uz * uz, ux * vx + uy * vy + uz * vz, vx * vx + vy * vy + vz * vz
    wu, wv = wx * ux + wy * uy + wz * uz, wx * vx + wy * vy + wz * vz
    whole = uu * vv - uv * uv
    if whole <= 0.0:
        return False
    s, r = (wu * vv - wv * uv) / whole, (wv * uu - wu * uv) / whole
    return s >= 0.0 and r >= 0.0 and s + r <= 1.0


@compiled(numba.boolean(_F64_2D, _I32_2D, _F64, _F64))
def meets_itself(points: Any, triangles: Any, low: Any, high: Any) -> Any:  # pragma: no cover
    """Whether two triangles that share no corner meet within a box."""
    count = triangles.shape[0]
    lows, highs = np.empty((count, 3)), np.empty((count, 3))
    near = np.ones(count, dtype=np.bool_)
    for s in range(count):
        for axis in range(3):
            a, b, c = points[triangles[s, 0], axis], points[triangles[s, 1], axis], points[triangles[s, 2], axis]
            lows[s, axis], highs[s, axis] = min(a, min(b, c)), max(a, max(b, c))
            if lows[s, axis] > high[axis] or highs[s, axis] < low[axis]:
                near[s] = False
    for s in range(count):
        if not near[s]:
            continue
        for t in range(s + 1, count):
            apart = not near[t]
            for axis in range(3):
                if highs[s, axis] < lows[t, axis] or highs[t, axis] < lows[s, axis]:
                    apart = True
            if apart:
                continue
            for m in range(3):
                for n in range(3):
                    if triangles[s, m] == triangles[t, n]:
                        apart = True
            if apart:
                continue
            for m in range(3):
                p, q = triangles[s, m], triangles[s, (m + 1) % 3]
                if _pierced(points, p, q, triangles[t, 0], triangles[t, 1], triangles[t, 2], low, high):
                    return True
                p, q = triangles[t, m], triangles[t, (m + 1) % 3]
                if _pierced(points, p, q, triangles[s, 0], triangles[s, 1], triangles[s, 2], low, high):
                    return True
    return False


@compiled(numba.void(_GIVEN, _GIVEN, numba.int64[:, ::1], numba.int64[:, ::1], numba.boolean[::1]))
def mark_removed(start: Any, stop: Any, low: Any, high: Any, removed: Any) -> None:  # pragma: no cover
    """Mark, voxel by voxel in the order of the runs, what lies in one of the intervals of its row."""
    place = 0
    for run in range(start.shape[0]):
        first, last = start[run], stop[run]
        for n in range(low.shape[0]):
            for i in range(max(first, low[n, run]), min(last, high[n, run])):
                removed[place + i - first] = True
        place += last - first
