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


@compiled(numba.float64(numba.int64, numba.int64, _F64_2D, numba.int64, numba.int64, numba.float64))
def _met(a: Any, b: Any, points: Any, u: Any, v: Any, at: Any) -> Any:  # pragma: no cover
    """The coordinate u where the edge between a and b has the coordinate v = ``at``; the same number from b to a."""
    if a > b:
        a, b = b, a
    return points[a, u] + (at - points[a, v]) / (points[b, v] - points[a, v]) * (points[b, u] - points[a, u])


@compiled(numba.int64(_F64_2D, _I32_2D, numba.int64, numba.int64, numba.int64, numba.int64, _I64, _F64))
def crossings(
    points: Any, triangles: Any, y0: Any, y1: Any, z0: Any, z1: Any, rows: Any, at: Any
) -> Any:  # pragma: no cover
    """All crossings of the lines y = y0..y1-1, z = z0..z1-1 with the triangles.

    ``points`` are (x, y, z) with x along the lines. Writes the line's number, (z - z0) * (y1 - y0) + (y - y0), and the
    x of each crossing as far as there is room, and returns how many there are.

    At each z a triangle takes the lines from one of its edges on, up to but not with the other. Where an edge is met is
    the same number for both triangles that share it, so that no line slips between them or meets both: whether a line
    meets a surface without border an even number of times does not depend on rounding.
    """
    count = 0
    room = rows.shape[0]
    wide = y1 - y0
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ya, yb, yc = points[a, 1], points[b, 1], points[c, 1]
        za, zb, zc = points[a, 2], points[b, 2], points[c, 2]
        first_z, last_z = max(z0, int(min(za, min(zb, zc)) // 1.0)), min(z1 - 1, int(max(za, max(zb, zc)) // 1.0) + 1)
        if first_z > last_z or max(ya, max(yb, yc)) < y0 or min(ya, min(yb, yc)) > y1 - 1:
            continue
        # The plane x = xa + gy * (y - ya) + gz * (z - za) through the triangle.
        xa, xb, xc = points[a, 0], points[b, 0], points[c, 0]
        low_x, high_x = min(xa, min(xb, xc)), max(xa, max(xb, xc))
        uy, uz, ux = yb - ya, zb - za, xb - xa
        vy, vz, vx = yc - ya, zc - za, xc - xa
        area = uy * vz - uz * vy
        gy, gz = 0.0, 0.0
        if area != 0.0:
            gy = (ux * vz - vx * uz) / area
            gz = (vx * uy - ux * vy) / area
        for z in range(first_z, last_z + 1):
            near, far = np.inf, -np.inf
            for m in range(3):
                p, q = triangles[t, m], triangles[t, (m + 1) % 3]
                if (points[p, 2] <= z) != (points[q, 2] <= z):
                    met = _met(p, q, points, 1, 2, float(z))
                    near, far = min(near, met), max(far, met)
            if not near < far:
                continue
            for y in range(max(y0, int(np.ceil(near))), min(y1 - 1, int(np.ceil(far)) - 1) + 1):
                if count < room:
                    rows[count] = (z - z0) * wide + (y - y0)
                    # A triangle that lies almost along the line has a steep plane: rounding must not lead out of it.
                    at[count] = min(max(xa + gy * (y - ya) + gz * (z - za), low_x), high_x)
                count += 1
    return count


@compiled(numba.int64(_F64_2D, _I32_2D, _I64, _I64, numba.float64, numba.int64[:, ::1]))
def on_triangles(points: Any, triangles: Any, low: Any, high: Any, near: Any, found: Any) -> Any:  # pragma: no cover
    """Grid points with ``low`` <= (x, y, z) < ``high`` that lie on a triangle, give or take ``near``.

    Writes (x, y, z) of each as far as there is room in ``found`` and returns how many there are; one on an edge comes
    more than once.
    """
    count = 0
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        apart = False
        for axis in range(3):
            least = min(points[a, axis], min(points[b, axis], points[c, axis]))
            most = max(points[a, axis], max(points[b, axis], points[c, axis]))
            if most < low[axis] - near or least > high[axis] - 1 + near:
                apart = True
        if apart:
            continue
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        # Lines along the axis w that the triangle faces most; u and v are the other two axes.
        if abs(nx) >= abs(ny) and abs(nx) >= abs(nz):
            w, u, v = 0, 1, 2
            steep, gu, gv = nx, -ny, -nz
        elif abs(ny) >= abs(nz):
            w, u, v = 1, 2, 0
            steep, gu, gv = ny, -nz, -nx
        else:
            w, u, v = 2, 0, 1
            steep, gu, gv = nz, -nx, -ny
        if steep == 0.0:
            continue
        gu, gv = gu / steep, gv / steep
        least = min(points[a, v], min(points[b, v], points[c, v]))
        most = max(points[a, v], max(points[b, v], points[c, v]))
        for line in range(max(low[v], int(np.ceil(least - near))), min(high[v] - 1, int(np.floor(most + near))) + 1):
            first, last = np.inf, -np.inf
            for m in range(3):
                p, q = triangles[t, m], triangles[t, (m + 1) % 3]
                start, stop = points[p, v], points[q, v]
                if abs(start - line) <= near:
                    first, last = min(first, points[p, u]), max(last, points[p, u])
                if (start <= line) != (stop <= line):
                    met = _met(p, q, points, u, v, float(line))
                    first, last = min(first, met), max(last, met)
            if not first <= last:
                continue
            for place in range(
                max(low[u], int(np.ceil(first - near))), min(high[u] - 1, int(np.floor(last + near))) + 1
            ):
                height = points[a, w] + gu * (place - points[a, u]) + gv * (line - points[a, v])
                level = int(np.rint(height))
                if abs(height - level) > near or level < low[w] or level >= high[w]:
                    continue
                if count < found.shape[0]:
                    found[count, w], found[count, u], found[count, v] = level, place, line
                count += 1
    return count


@compiled(numba.int64(_GIVEN, _GIVEN, _I64, _I64, numba.boolean[::1]))
def mark_interval(start: Any, stop: Any, low: Any, high: Any, removed: Any) -> Any:  # pragma: no cover
    """Mark, voxel by voxel in the order of the runs, what lies in the interval of its run; how many voxels that are."""
    place, count = 0, 0
    for run in range(start.shape[0]):
        first, last = start[run], stop[run]
        begin, end = max(first, low[run]), min(last, high[run])
        for i in range(begin, end):
            removed[place + i - first] = True
        count += max(0, end - begin)
        place += last - first
    return count


@compiled(
    numba.int64(
        _GIVEN, _GIVEN, _GIVEN, _GIVEN, _GIVEN, _GIVEN, _GIVEN, numba.int64[::1], numba.int64[::1], numba.boolean[::1]
    )
)
def mark_rows(
    start: Any, stop: Any, j: Any, k: Any, first: Any, low: Any, high: Any, origin: Any, rows: Any, removed: Any
) -> Any:  # pragma: no cover
    """The same for any number of intervals ``first[row]`` to ``first[row + 1]`` in each row of a box.

    ``origin`` is the first (j, k) of the box and ``rows`` how many it has of each.
    """
    place, count = 0, 0
    for run in range(start.shape[0]):
        begin, end = start[run], stop[run]
        v, w = j[run] - origin[0], k[run] - origin[1]
        if v >= 0 and v < rows[0] and w >= 0 and w < rows[1]:
            row = w * rows[0] + v
            for n in range(first[row], first[row + 1]):
                lower, upper = max(begin, low[n]), min(end, high[n])
                for i in range(lower, upper):
                    removed[place + i - begin] = True
                count += max(0, upper - lower)
        place += end - begin
    return count


@compiled(numba.void(_GIVEN, _GIVEN, _GIVEN, _GIVEN, _GIVEN, _GIVEN, _I64, _I64, numba.boolean[::1]))
def within_rows(
    i: Any, j: Any, k: Any, first: Any, low: Any, high: Any, origin: Any, rows: Any, found: Any
) -> None:  # pragma: no cover
    """Mark the voxels that lie in an interval of their row; the rows are those of `mark_rows`."""
    for voxel in range(i.shape[0]):
        v, w = j[voxel] - origin[0], k[voxel] - origin[1]
        if v >= 0 and v < rows[0] and w >= 0 and w < rows[1]:
            row = w * rows[0] + v
            for n in range(first[row], first[row + 1]):
                if i[voxel] >= low[n] and i[voxel] < high[n]:
                    found[voxel] = True
                    break
