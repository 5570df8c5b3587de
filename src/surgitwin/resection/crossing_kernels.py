"""Where lines of a grid meet triangles: compiled, for every mouse event while a surface is dragged.

Import this module only where it is needed: it compiles, or loads what was compiled.
"""

from __future__ import annotations

from typing import Any

import numba

from surgitwin.core.compiled import compiled

_F64_2D = numba.float64[:, ::1]
_F64 = numba.float64[::1]
_I32_2D = numba.int32[:, ::1]
_I64 = numba.int64[::1]


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
            for y in range(first_y, last_y + 1):
                py, pz = float(y), float(z)
                left = _left(a, b, points, py, pz)
                if _left(b, c, points, py, pz) != left or _left(c, a, points, py, pz) != left:
                    continue
                if count < room:
                    rows[count] = (z - z0) * wide + (y - y0)
                    at[count] = points[a, 0] + gy * (y - ya) + gz * (z - za)
                count += 1
    return count
