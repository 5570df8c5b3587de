"""Whether a grid of triangles meets itself: compiled, for every mouse event while a surface is dragged.

A grid of (n, n) points, row by row, has two triangles to each cell, (a, b, c) and (a, c, d) with a at row r and column
c, b at r + 1 and c, c at r + 1 and c + 1, d at r and c + 1. Its outermost cells reach far; see `bezier.surface_cut`.

A part of the grid is certain not to meet itself if, seen along some direction, it is a monotone map of its cells: the
symmetric part of every triangle's Jacobian is positive definite, so that for two places x and y of the (convex) grid
(F(x) - F(y)) . (x - y) > 0. What is not certain in this way is compared triangle by triangle.

Import this module only where it is needed: it compiles, or loads what was compiled.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from surgitwin.core.compiled import compiled

BLOCK = 8  # cells along each side of a part
_SURE = 1e-6
_BACK = -0.999  # the cosine between neighbours of which one lies on the other; a surface may well turn sharply

_F64_3D = numba.float64[:, :, ::1]
_F64_2D = numba.float64[:, ::1]
_F64 = numba.float64[::1]
_I64 = numba.int64[::1]
_INT = numba.int64


@compiled(numba.void(_F64_3D, _INT, _INT, _INT, _F64, _F64, _F64, _F64))
def _steps(
    grid: Any, r: Any, c: Any, half: Any, wide_r: Any, wide_c: Any, by_r: Any, by_c: Any
) -> None:  # pragma: no cover
    """What one step along the rows and one along the columns is in a triangle, the first or second of its cell."""
    for axis in range(3):
        if half == 0:
            by_r[axis] = (grid[r + 1, c, axis] - grid[r, c, axis]) / wide_r[r]
            by_c[axis] = (grid[r + 1, c + 1, axis] - grid[r + 1, c, axis]) / wide_c[c]
        else:
            by_r[axis] = (grid[r + 1, c + 1, axis] - grid[r, c + 1, axis]) / wide_r[r]
            by_c[axis] = (grid[r, c + 1, axis] - grid[r, c, axis]) / wide_c[c]


@compiled(numba.float64(_F64, _F64))
def _dot(a: Any, b: Any) -> Any:  # pragma: no cover
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled(numba.boolean(_F64_3D, _INT, _INT, _INT, _INT, _F64, _F64))
def _certain(grid: Any, r0: Any, r1: Any, c0: Any, c1: Any, wide_r: Any, wide_c: Any) -> Any:  # pragma: no cover
    """Whether cells r0 to r1, c0 to c1 (without these) are certain not to meet each other."""
    p, q, by_r, by_c = np.zeros(3), np.zeros(3), np.empty(3), np.empty(3)
    for r in range(r0, r1):
        for c in range(c0, c1):
            for half in range(2):
                _steps(grid, r, c, half, wide_r, wide_c, by_r, by_c)
                for axis in range(3):
                    p[axis] += by_r[axis]
                    q[axis] += by_c[axis]
    count = 2.0 * (r1 - r0) * (c1 - c0)
    for axis in range(3):
        p[axis] /= count
        q[axis] /= count
    pp, pq, qq = _dot(p, p), _dot(p, q), _dot(q, q)
    whole = pp * qq - pq * pq
    if not whole > _SURE * pp * qq:
        return False
    # Coordinates in the plane of the mean steps, in which the Jacobian is the unit matrix on the average.
    along, across = np.empty(3), np.empty(3)
    for axis in range(3):
        along[axis] = (qq * p[axis] - pq * q[axis]) / whole
        across[axis] = (pp * q[axis] - pq * p[axis]) / whole
    for r in range(r0, r1):
        for c in range(c0, c1):
            for half in range(2):
                _steps(grid, r, c, half, wide_r, wide_c, by_r, by_c)
                first, last = _dot(along, by_r), _dot(across, by_c)
                mixed = _dot(along, by_c) + _dot(across, by_r)
                if not (first > _SURE and last > _SURE and 4.0 * first * last > mixed * mixed * (1.0 + _SURE)):
                    return False
    return True


@compiled(numba.boolean(_F64_3D, _INT, _INT, _INT, _F64, _F64, _F64, _F64))
def _bounds(
    grid: Any, r: Any, c: Any, half: Any, low: Any, high: Any, lows: Any, highs: Any
) -> Any:  # pragma: no cover
    """The box around a triangle; whether it comes near another box."""
    near = True
    for axis in range(3):
        a, b = grid[r, c, axis], grid[r + 1, c + 1, axis]
        d = grid[r + 1, c, axis] if half == 0 else grid[r, c + 1, axis]
        lows[axis], highs[axis] = min(a, min(b, d)), max(a, max(b, d))
        if lows[axis] > high[axis] or highs[axis] < low[axis]:
            near = False
    return near


@compiled(numba.void(_F64_3D, _INT, _INT, _INT, _F64_2D, _I64))
def _corners(grid: Any, r: Any, c: Any, half: Any, corners: Any, numbers: Any) -> None:  # pragma: no cover
    """A triangle's corners, (3, 3), and the numbers of its points."""
    n = grid.shape[1]
    second_r, second_c = (r + 1, c) if half == 0 else (r + 1, c + 1)
    third_r, third_c = (r + 1, c + 1) if half == 0 else (r, c + 1)
    for axis in range(3):
        corners[0, axis] = grid[r, c, axis]
        corners[1, axis] = grid[second_r, second_c, axis]
        corners[2, axis] = grid[third_r, third_c, axis]
    numbers[0], numbers[1], numbers[2] = r * n + c, second_r * n + second_c, third_r * n + third_c


@compiled(numba.boolean(_F64_2D, _INT, _INT, _F64_2D, _F64, _F64))
def _pierced(one: Any, p: Any, q: Any, other: Any, low: Any, high: Any) -> Any:  # pragma: no cover
    """Whether a triangle's edge from corner p to q meets another triangle at a place within a box."""
    ux, uy, uz = other[1, 0] - other[0, 0], other[1, 1] - other[0, 1], other[1, 2] - other[0, 2]
    vx, vy, vz = other[2, 0] - other[0, 0], other[2, 1] - other[0, 1], other[2, 2] - other[0, 2]
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    dx, dy, dz = one[q, 0] - one[p, 0], one[q, 1] - one[p, 1], one[q, 2] - one[p, 2]
    along = nx * dx + ny * dy + nz * dz
    if along == 0.0:
        return False
    wx, wy, wz = one[p, 0] - other[0, 0], one[p, 1] - other[0, 1], one[p, 2] - other[0, 2]
    t = -(nx * wx + ny * wy + nz * wz) / along
    if t < 0.0 or t > 1.0:
        return False
    x, y, z = one[p, 0] + t * dx, one[p, 1] + t * dy, one[p, 2] + t * dz
    if x < low[0] or x > high[0] or y < low[1] or y > high[1] or z < low[2] or z > high[2]:
        return False
    wx, wy, wz = x - other[0, 0], y - other[0, 1], z - other[0, 2]
    uu, uv, vv = ux * ux + uy * uy + uz * uz, ux * vx + uy * vy + uz * vz, vx * vx + vy * vy + vz * vz
    wu, wv = wx * ux + wy * uy + wz * uz, wx * vx + wy * vy + wz * vz
    whole = uu * vv - uv * uv
    if whole <= 0.0:
        return False
    s, r = (wu * vv - wv * uv) / whole, (wv * uu - wu * uv) / whole
    return s >= 0.0 and r >= 0.0 and s + r <= 1.0


@compiled(numba.boolean(_F64_3D, _I64, _I64, numba.boolean, _F64, _F64))
def _meet(grid: Any, first: Any, second: Any, same: Any, low: Any, high: Any) -> Any:  # pragma: no cover
    """Whether triangles of two parts (r0, r1, c0, c1) meet within a box, elsewhere than at corners that they share."""
    lows, highs, other_lows, other_highs = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    one, other = np.empty((3, 3)), np.empty((3, 3))
    numbers, other_numbers = np.empty(3, dtype=np.int64), np.empty(3, dtype=np.int64)
    mine_shared, other_shared = np.empty(3, dtype=np.bool_), np.empty(3, dtype=np.bool_)
    # The boxes around the second part's triangles, once.
    wide = second[3] - second[2]
    count = 2 * (second[1] - second[0]) * wide
    boxes, near = np.empty((count, 6)), np.empty(count, dtype=np.bool_)
    for n in range(count):
        r, c = second[0] + n // (2 * wide), second[2] + (n // 2) % wide
        near[n] = _bounds(grid, r, c, n % 2, low, high, other_lows, other_highs)
        for axis in range(3):
            boxes[n, axis], boxes[n, 3 + axis] = other_lows[axis], other_highs[axis]
    mine = first[3] - first[2]
    for m in range(2 * (first[1] - first[0]) * mine):
        r, c = first[0] + m // (2 * mine), first[2] + (m // 2) % mine
        if not _bounds(grid, r, c, m % 2, low, high, lows, highs):
            continue
        _corners(grid, r, c, m % 2, one, numbers)
        for n in range(m + 1 if same else 0, count):
            if not near[n]:
                continue
            apart = False
            for axis in range(3):
                if boxes[n, 3 + axis] < lows[axis] or highs[axis] < boxes[n, axis]:
                    apart = True
            if apart:
                continue
            _corners(grid, second[0] + n // (2 * wide), second[2] + (n // 2) % wide, n % 2, other, other_numbers)
            for a in range(3):
                mine_shared[a], other_shared[a] = False, False
            for a in range(3):
                for b in range(3):
                    if numbers[a] == other_numbers[b]:
                        mine_shared[a], other_shared[b] = True, True
            # An edge that shares a corner with the other triangle meets it there, which says nothing.
            for a in range(3):
                b = (a + 1) % 3
                if not (mine_shared[a] or mine_shared[b]) and _pierced(one, a, b, other, low, high):
                    return True
                if not (other_shared[a] or other_shared[b]) and _pierced(other, a, b, one, low, high):
                    return True
    return False


@compiled(numba.void(_F64_3D, _INT, _INT, _INT, _F64))
def _normal(grid: Any, r: Any, c: Any, half: Any, normal: Any) -> None:  # pragma: no cover
    """A triangle's normal, as long as twice its area."""
    second_r, second_c = (r + 1, c) if half == 0 else (r + 1, c + 1)
    third_r, third_c = (r + 1, c + 1) if half == 0 else (r, c + 1)
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        normal[axis] = (grid[second_r, second_c, u] - grid[r, c, u]) * (grid[third_r, third_c, v] - grid[r, c, v]) - (
            grid[second_r, second_c, v] - grid[r, c, v]
        ) * (grid[third_r, third_c, u] - grid[r, c, u])


@compiled(numba.boolean(_F64_3D, numba.boolean, numba.float64, _F64, _F64))
def _turns_over(grid: Any, along_rows: Any, least: Any, low: Any, high: Any) -> Any:  # pragma: no cover
    """Whether somewhere in a box a triangle lies back on its neighbour; those without an area are passed by."""
    cells = grid.shape[0] - 1
    lows, highs = np.empty(3), np.empty(3)
    before, normal = np.zeros(3), np.empty(3)
    for line in range(cells):
        known = False
        for m in range(2 * cells):
            r, c = (line, m // 2) if along_rows else (m // 2, line)
            half = m % 2 if along_rows else 1 - m % 2  # so that each shares an edge with the next
            near = _bounds(grid, r, c, half, low, high, lows, highs)
            if not near:
                known = False
                continue
            _normal(grid, r, c, half, normal)
            length = np.sqrt(_dot(normal, normal))
            if length <= least:
                continue
            for axis in range(3):
                normal[axis] /= length
            if known and _dot(before, normal) < _BACK:
                return True
            for axis in range(3):
                before[axis] = normal[axis]
            known = True
    return False


@compiled(numba.float64(_F64_3D, _INT, _F64, _F64))
def _widths(grid: Any, rim: Any, wide_r: Any, wide_c: Any) -> Any:  # pragma: no cover
    """How many cells wide each cell counts: those of the rim by how much longer they are; a mean cell's area."""
    cells = grid.shape[0] - 1
    middle = cells // 2
    mean_r, mean_c = 0.0, 0.0
    for m in range(cells):
        wide_r[m], wide_c[m] = 0.0, 0.0
        for axis in range(3):
            wide_r[m] += (grid[m + 1, middle, axis] - grid[m, middle, axis]) ** 2
            wide_c[m] += (grid[middle, m + 1, axis] - grid[middle, m, axis]) ** 2
        wide_r[m], wide_c[m] = np.sqrt(wide_r[m]), np.sqrt(wide_c[m])
        if rim <= m < cells - rim:
            mean_r += wide_r[m] / (cells - 2 * rim)
            mean_c += wide_c[m] / (cells - 2 * rim)
    for m in range(cells):
        rims = m < rim or m >= cells - rim
        wide_r[m] = wide_r[m] / mean_r if rims and mean_r > 0.0 else 1.0
        wide_c[m] = wide_c[m] / mean_c if rims and mean_c > 0.0 else 1.0
    return mean_r * mean_c


@compiled(numba.boolean(_F64_3D, _I64, _F64, _F64, _F64, _F64))
def _parts_meet(grid: Any, edges: Any, wide_r: Any, wide_c: Any, low: Any, high: Any) -> Any:  # pragma: no cover
    """Whether triangles meet within a box, by parts between ``edges``; what is certain not to is left out."""
    sides = len(edges) - 1
    parts = np.empty((sides * sides, 4), dtype=np.int64)
    boxes = np.empty((sides * sides, 6))
    for n in range(sides * sides):
        a, b = n // sides, n % sides
        parts[n, 0], parts[n, 1], parts[n, 2], parts[n, 3] = edges[a], edges[a + 1], edges[b], edges[b + 1]
        for axis in range(3):
            least, most = np.inf, -np.inf
            for r in range(edges[a], edges[a + 1] + 1):
                for c in range(edges[b], edges[b + 1] + 1):
                    least, most = min(least, grid[r, c, axis]), max(most, grid[r, c, axis])
            boxes[n, axis], boxes[n, 3 + axis] = max(least, low[axis]), min(most, high[axis])
    known = np.zeros((sides * sides, sides * sides), dtype=np.bool_)
    for a in range(sides - 1):
        for b in range(sides - 1):
            if _certain(grid, edges[a], edges[a + 2], edges[b], edges[b + 2], wide_r, wide_c):
                for m in range(4):
                    for n in range(4):
                        known[(a + m // 2) * sides + b + m % 2, (a + n // 2) * sides + b + n % 2] = True
    for m in range(sides * sides):
        for n in range(m, sides * sides):
            if known[m, n]:
                continue
            apart = False
            for axis in range(3):
                if max(boxes[m, axis], boxes[n, axis]) > min(boxes[m, 3 + axis], boxes[n, 3 + axis]):
                    apart = True
            if not apart and _meet(grid, parts[m], parts[n], m == n, low, high):
                return True
    return False


@compiled(numba.void(_F64_3D, _F64, _F64, _I64))
def _reach(grid: Any, low: Any, high: Any, found: Any) -> None:  # pragma: no cover
    """The rows and columns of cells, r0 to r1 and c0 to c1, outside which no triangle comes near a box."""
    cells = grid.shape[0] - 1
    r0, r1, c0, c1 = cells, 0, cells, 0
    lows, highs = np.empty(3), np.empty(3)
    for r in range(cells):
        for c in range(cells):
            for half in range(2):
                if _bounds(grid, r, c, half, low, high, lows, highs):
                    r0, r1, c0, c1 = min(r0, r), max(r1, r + 1), min(c0, c), max(c1, c + 1)
    found[0], found[1], found[2], found[3] = r0, r1, c0, c1


@compiled(numba.boolean(_F64_3D, _INT, _F64, _F64))
def grid_folds(grid: Any, rim: Any, low: Any, high: Any) -> Any:  # pragma: no cover
    """Whether a grid of points, (n, n, 3), meets itself or lies back on itself in a box; all triangles are asked.

    The ``rim`` outermost cells on each side may be of other sizes than those within.
    """
    cells = grid.shape[0] - 1
    wide_r, wide_c = np.empty(cells), np.empty(cells)
    area = _widths(grid, rim, wide_r, wide_c)
    if not area > 0.0:
        return True
    reach = np.empty(4, dtype=np.int64)
    _reach(grid, low, high, reach)
    r0, r1, c0, c1 = reach
    if r0 >= r1 or _certain(grid, r0, r1, c0, c1, wide_r, wide_c):
        return False
    least = 1e-9 * area
    if _turns_over(grid, True, least, low, high) or _turns_over(grid, False, least, low, high):
        return True
    sides = 2 + (cells - 2 * rim + BLOCK - 1) // BLOCK
    edges = np.zeros(sides + 1, dtype=np.int64)
    for n in range(1, sides):
        edges[n] = min(rim + (n - 1) * BLOCK, cells - rim)
    edges[sides] = cells
    return _parts_meet(grid, edges, wide_r, wide_c, low, high)
