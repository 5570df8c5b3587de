"""A tree of the triangles of a surface, and what is asked of it: compiled.

Of a point the nearest place, of a ray where it meets the surface, of two surfaces the nearest pair of places. All three
leave out whatever cannot lie nearer than what was found, and are exact: bounds are kept in single precision with slack,
triangles are measured in double precision.

A node has `WIDE` slots, so that one instruction tests the bounds of several. A slot is bounded by a box along the axes
and by a cylinder along the mean normal of its triangles: far above a surface the box of a slanted piece says little,
while the cylinder is about as thin as the piece.

Import this module only where it is needed: it compiles, or loads what was compiled.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from surgitwin.core.compiled import compiled

WIDE = 16
"""Slots of a node."""
LEAF = 4
"""Triangles in a leaf; only the last has fewer."""
ROWS = 14
"""Of a node's bounds, `WIDE` values each: box low x, y, z and high; cylinder: middle, axis, half height, radius."""
_WAITING = 1024  # a slot that is taken up leaves at most 15 more waiting on each of at most 7 levels, or 14 of a pair
_SLACK = 4e-6  # of the sizes involved, 60 times the rounding of a number in single precision

types: Any = numba.types  # numba has no annotations


def _given(kind: Any, dimensions: int) -> Any:
    """What another process sent may not be written to."""
    return types.Array(kind, dimensions, "C", readonly=True)


_WHOLE, _NUMBER, _SINGLE = numba.int64, numba.float64, numba.float32
_CORNERS, _BOUNDS, _ENTRIES = _given(_SINGLE, 3), _given(_SINGLE, 2), _given(numba.int32, 2)
_F64, _F64_2D = _given(_NUMBER, 1), _given(_NUMBER, 2)
_V = types.UniTuple(_NUMBER, 3)


@compiled(numba.void(numba.float32[:, ::1], numba.int32[::1], _WHOLE, _WHOLE, _WHOLE))
def _divide(middles: Any, order: Any, low: Any, high: Any, wanted: Any) -> None:  # pragma: no cover
    """Sort ``order[low:high]`` so far that those before ``wanted`` lie below those after it along the longest side."""
    axis, widest = 0, np.float32(-1.0)
    for side in range(3):
        least = most = middles[order[low], side]
        for n in range(low + 1, high):
            value = middles[order[n], side]
            least, most = min(least, value), max(most, value)
        if most - least > widest:
            axis, widest = side, most - least
    left, right = low, high - 1
    while left < right:
        pivot = middles[order[(left + right) // 2], axis]
        i, j = left, right
        while i <= j:
            while middles[order[i], axis] < pivot:
                i += 1
            while middles[order[j], axis] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if wanted <= j:
            right = j
        elif wanted >= i:
            left = i
        else:
            return


@compiled(numba.void(_CORNERS, numba.int32[::1], _WHOLE, _WHOLE, _F64, numba.float32[::1], _WHOLE))
def _bound(
    corners: Any, order: Any, low: Any, high: Any, origin: Any, bounds: Any, slot: Any
) -> None:  # pragma: no cover
    """Bound the triangles ``order[low:high]`` in a slot of a node."""
    lx = ly = lz = np.inf
    hx = hy = hz = -np.inf
    nx = ny = nz = 0.0
    for n in range(low, high):
        t = order[n]
        ax, ay, az = np.float64(corners[t, 0, 0]), np.float64(corners[t, 0, 1]), np.float64(corners[t, 0, 2])
        bx, by, bz = np.float64(corners[t, 1, 0]), np.float64(corners[t, 1, 1]), np.float64(corners[t, 1, 2])
        cx, cy, cz = np.float64(corners[t, 2, 0]), np.float64(corners[t, 2, 1]), np.float64(corners[t, 2, 2])
        lx, hx = min(lx, ax, bx, cx), max(hx, ax, bx, cx)
        ly, hy = min(ly, ay, by, cy), max(hy, ay, by, cy)
        lz, hz = min(lz, az, bz, cz), max(hz, az, bz, cz)
        bx, by, bz, cx, cy, cz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
        nx, ny, nz = nx + by * cz - bz * cy, ny + bz * cx - bx * cz, nz + bx * cy - by * cx
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
    if length > 0.0:
        nx, ny, nz = nx / length, ny / length, nz / length
    else:
        nx, ny, nz = 0.0, 0.0, 1.0
    mx, my, mz = (lx + hx) / 2, (ly + hy) / 2, (lz + hz) / 2
    bottom, top, square = np.inf, -np.inf, 0.0
    for n in range(low, high):
        t = order[n]
        for corner in range(3):
            qx, qy, qz = corners[t, corner, 0] - mx, corners[t, corner, 1] - my, corners[t, corner, 2] - mz
            above = qx * nx + qy * ny + qz * nz
            bottom, top = min(bottom, above), max(top, above)
            square = max(square, (qx - above * nx) ** 2 + (qy - above * ny) ** 2 + (qz - above * nz) ** 2)
    lift = (bottom + top) / 2
    x, y, z = origin[0], origin[1], origin[2]
    found = (
        lx - x, ly - y, lz - z, hx - x, hy - y, hz - z,
        mx + lift * nx - x, my + lift * ny - y, mz + lift * nz - z, nx, ny, nz,
        (top - bottom) / 2, np.sqrt(square),
    )  # fmt: skip
    for row in range(ROWS):
        bounds[row * WIDE + slot] = found[row]


@compiled(
    _WHOLE(
        _CORNERS,
        numba.float32[:, ::1],
        numba.int32[::1],
        _F64,
        numba.float32[:, ::1],
        numba.int32[:, ::1],
    )
)
def build(corners: Any, middles: Any, order: Any, origin: Any, bounds: Any, entries: Any) -> Any:  # pragma: no cover
    """Make the tree: triangles are halved along the longest side of the box of their middles, four times for a node.

    Parameters
    ----------
    corners, middles
        (m, 3, 3) and (m, 3): the triangles' corners, and the middles of them.
    order
        (m,): 0 to m - 1; on return the triangles in the order of the leaves.
    origin
        What is subtracted from places before they are rounded.
    bounds, entries
        (leaves + 1, ROWS * WIDE) and (leaves + 1, WIDE): room. An entry is the number of a node above 0, or -1 - a
        leaf's number below 0, or 0 for a slot with nothing in it.

    Returns
    -------
    The number of nodes.
    """
    count = order.shape[0]
    waiting = np.empty((_WAITING, 3), np.int64)
    cuts = np.empty(WIDE + 1, np.int64)
    waiting[0, 0], waiting[0, 1], waiting[0, 2] = 0, 0, (count + LEAF - 1) // LEAF
    top, used = 1, 1
    while top:
        top -= 1
        node, low, high = waiting[top, 0], waiting[top, 1], waiting[top, 2]
        for k in range(WIDE + 1):
            cuts[k] = low + (high - low) * k // WIDE
        step = WIDE
        while step > 1:
            for k in range(0, WIDE, step):
                first, middle, last = cuts[k], cuts[k + step // 2], cuts[k + step]
                if first < middle < last:
                    _divide(middles, order, LEAF * first, min(LEAF * last, count), LEAF * middle)
            step //= 2
        for k in range(WIDE):
            first, last = cuts[k], cuts[k + 1]
            if first == last:
                entries[node, k] = 0
                for row in range(ROWS):
                    bounds[node, row * WIDE + k] = 0.0
                for axis in range(3):  # infinitely far from everything
                    bounds[node, axis * WIDE + k] = np.inf
                    bounds[node, (3 + axis) * WIDE + k] = -np.inf
                continue
            _bound(corners, order, LEAF * first, min(LEAF * last, count), origin, bounds[node], k)
            if last - first == 1:
                entries[node, k] = -1 - first
                continue
            entries[node, k] = used
            waiting[top, 0], waiting[top, 1], waiting[top, 2] = used, first, last
            top += 1
            used += 1
    return used


@compiled(numba.void(_given(_SINGLE, 1), _SINGLE, _SINGLE, _SINGLE, numba.float32[::1]))
def _least_squares(bounds: Any, x: Any, y: Any, z: Any, least: Any) -> None:  # pragma: no cover
    """Of a point and each slot of a node a square that their distance is not below; infinite for an empty slot."""
    zero = np.float32(0.0)
    # One array with fixed places, a loop of fixed length without a branch: LLVM makes vector instructions of it.
    for k in range(WIDE):
        dx = max(bounds[k] - x, x - bounds[3 * WIDE + k], zero)
        dy = max(bounds[WIDE + k] - y, y - bounds[4 * WIDE + k], zero)
        dz = max(bounds[2 * WIDE + k] - z, z - bounds[5 * WIDE + k], zero)
        qx, qy, qz = x - bounds[6 * WIDE + k], y - bounds[7 * WIDE + k], z - bounds[8 * WIDE + k]
        along = qx * bounds[9 * WIDE + k] + qy * bounds[10 * WIDE + k] + qz * bounds[11 * WIDE + k]
        across = np.sqrt(max(qx * qx + qy * qy + qz * qz - along * along, zero))
        above = max(np.abs(along) - bounds[12 * WIDE + k], zero)
        beside = max(across - bounds[13 * WIDE + k], zero)
        least[k] = max(dx * dx + dy * dy + dz * dz, above * above + beside * beside)


@compiled(types.Tuple((_NUMBER, _NUMBER, _NUMBER, _NUMBER, _WHOLE))(_CORNERS, _WHOLE, _NUMBER, _NUMBER, _NUMBER))
def _on_triangle(corners: Any, t: Any, x: Any, y: Any, z: Any) -> Any:  # pragma: no cover
    """The place of a triangle that is nearest to a point, in double precision (compiled, float() would not widen).

    Ericson, Real-Time Collision Detection (2005), 5.1.5. Returned are x, y, z, the square of the distance, and where it
    lies: 0 within the triangle, 1 to 3 on the side from that corner (0 to 2) to the next, 4 to 6 at a corner.
    """
    ax, ay, az = np.float64(corners[t, 0, 0]), np.float64(corners[t, 0, 1]), np.float64(corners[t, 0, 2])
    bx, by, bz = corners[t, 1, 0] - ax, corners[t, 1, 1] - ay, corners[t, 1, 2] - az
    cx, cy, cz = corners[t, 2, 0] - ax, corners[t, 2, 1] - ay, corners[t, 2, 2] - az
    px, py, pz = x - ax, y - ay, z - az
    d1 = bx * px + by * py + bz * pz
    d2 = cx * px + cy * py + cz * pz
    bb, bc, cc = bx * bx + by * by + bz * bz, bx * cx + by * cy + bz * cz, cx * cx + cy * cy + cz * cz
    d3, d4 = d1 - bb, d2 - bc
    d5, d6 = d1 - bc, d2 - cc
    vc = d1 * d4 - d3 * d2
    vb = d5 * d2 - d1 * d6
    va = d3 * d6 - d5 * d4
    v, w, where = 0.0, 0.0, 4
    # What is divided by is 0 only where a side has no length: its first corner is as near then.
    if d1 <= 0.0 and d2 <= 0.0:
        pass
    elif d3 >= 0.0 and d4 <= d3:
        v, where = 1.0, 5
    elif d6 >= 0.0 and d5 <= d6:
        w, where = 1.0, 6
    elif vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        v, where = d1 / (d1 - d3) if d1 != d3 else 0.0, 1
    elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        w, where = d2 / (d2 - d6) if d2 != d6 else 0.0, 3
    elif va <= 0.0 and d4 - d3 >= 0.0 and d5 - d6 >= 0.0:
        both = (d4 - d3) + (d5 - d6)
        w, where = (d4 - d3) / both if both != 0.0 else 0.0, 2
        v = 1.0 - w
    else:
        whole = va + vb + vc
        if whole != 0.0:
            v, w, where = vb / whole, vc / whole, 0
    qx, qy, qz = v * bx + w * cx, v * by + w * cy, v * bz + w * cz
    square = (px - qx) ** 2 + (py - qy) ** 2 + (pz - qz) ** 2
    return ax + qx, ay + qy, az + qz, square, where


@compiled(_SINGLE(_NUMBER, _NUMBER))
def _reach(square: Any, slack: Any) -> Any:  # pragma: no cover
    """What lies nearer than the root of ``square`` has a bound below this."""
    return np.float32((np.sqrt(square) + slack) ** 2)


@compiled(
    numba.void(
        _CORNERS,
        _BOUNDS,
        _ENTRIES,
        _F64,
        _NUMBER,
        _F64_2D,
        _F64_2D,
        _NUMBER,
        numba.float64[:, ::1],
        numba.float64[::1],
        numba.int32[::1],
        numba.int8[::1],
    )
)
def nearest_places(
    corners: Any,
    bounds: Any,
    entries: Any,
    origin: Any,
    size: Any,
    points: Any,
    matrix: Any,
    limit: Any,
    nearest: Any,
    square: Any,
    triangle: Any,
    feature: Any,
) -> None:  # pragma: no cover
    """Of each point the nearest place of the surface.

    The search starts from the triangle that was nearest to the point before, so points that follow each other should
    lie together.

    Parameters
    ----------
    corners, bounds, entries, origin, size
        Of a `triangle_tree.TriangleTree`.
    points, matrix
        (n, 3), and 4x4: it brings the points to the surface's frame.
    limit
        Points further away are not looked for: their triangle is -1, and the rest is not written.
    nearest, square, triangle, feature
        Room, (n, 3) and three times (n,): the nearest place in the surface's frame, the square of the distance, the
        triangle in the tree's order, and where on it; see `_on_triangle`.
    """
    waiting, squares = np.empty(_WAITING, np.int64), np.empty(_WAITING, np.float32)
    least = np.empty(WIDE, np.float32)
    last = -1
    for n in range(points.shape[0]):
        px, py, pz = points[n, 0], points[n, 1], points[n, 2]
        x = matrix[0, 0] * px + matrix[0, 1] * py + matrix[0, 2] * pz + matrix[0, 3]
        y = matrix[1, 0] * px + matrix[1, 1] * py + matrix[1, 2] * pz + matrix[1, 3]
        z = matrix[2, 0] * px + matrix[2, 1] * py + matrix[2, 2] * pz + matrix[2, 3]
        ox, oy, oz = x - origin[0], y - origin[1], z - origin[2]
        slack = _SLACK * (size + abs(ox) + abs(oy) + abs(oz))
        sx, sy, sz = np.float32(ox), np.float32(oy), np.float32(oz)
        found, best = -1, limit * limit
        bx, by, bz, where = 0.0, 0.0, 0.0, 0
        if last >= 0:
            qx, qy, qz, away, at = _on_triangle(corners, last, x, y, z)
            if away < best:
                found, best, bx, by, bz, where = last, away, qx, qy, qz, at
        reach = _reach(best, slack)
        waiting[0], squares[0], top = 0, 0.0, 1
        while top:
            top -= 1
            if squares[top] >= reach:
                continue
            entry = waiting[top]
            if entry < 0:
                first = LEAF * (-1 - entry)
                for t in range(first, min(first + LEAF, corners.shape[0])):
                    qx, qy, qz, away, at = _on_triangle(corners, t, x, y, z)
                    if away < best:
                        found, best, bx, by, bz, where = t, away, qx, qy, qz, at
                        reach = _reach(best, slack)
                continue
            _least_squares(bounds[entry], sx, sy, sz, least)
            bottom = top
            for k in range(WIDE):
                bound = least[k]
                if bound < reach:  # the nearest one is taken up first
                    to = top
                    while to > bottom and squares[to - 1] < bound:
                        squares[to], waiting[to] = squares[to - 1], waiting[to - 1]
                        to -= 1
                    squares[to], waiting[to] = bound, entries[entry, k]
                    top += 1
        triangle[n] = found
        if found < 0:
            continue
        last = found
        nearest[n, 0], nearest[n, 1], nearest[n, 2] = bx, by, bz
        square[n], feature[n] = best, where


@compiled(numba.void(_CORNERS, _BOUNDS, _ENTRIES, _F64, _NUMBER, _F64_2D, _F64, _NUMBER, numba.float64[::1]))
def ray_lengths(
    corners: Any,
    bounds: Any,
    entries: Any,
    origin: Any,
    size: Any,
    points: Any,
    direction: Any,
    reach: Any,
    length: Any,
) -> None:  # pragma: no cover
    """How far each point is from the surface along a unit direction; infinite if that is further than ``reach``.

    Moeller and Trumbore, J Graph Tools 1997;2:21-28; both sides of a triangle are met.
    """
    waiting = np.empty(_WAITING, np.int64)
    start, over = np.empty(3), np.empty(3)
    dx, dy, dz = direction[0], direction[1], direction[2]
    for axis in range(3):
        over[axis] = 1.0 / direction[axis] if abs(direction[axis]) > 1e-12 else 1e12
    for n in range(points.shape[0]):
        slack = size
        for axis in range(3):
            start[axis] = points[n, axis] - origin[axis]
            slack += abs(start[axis])
        slack *= _SLACK
        best, met = reach, False
        waiting[0], top = 0, 1
        while top:
            top -= 1
            entry = waiting[top]
            if entry >= 0:
                for k in range(WIDE):
                    low, high = 0.0, best
                    for axis in range(3):
                        one = (bounds[entry, axis * WIDE + k] - slack - start[axis]) * over[axis]
                        two = (bounds[entry, (3 + axis) * WIDE + k] + slack - start[axis]) * over[axis]
                        low, high = max(low, min(one, two)), min(high, max(one, two))
                    if low <= high and entries[entry, k] != 0:
                        waiting[top] = entries[entry, k]
                        top += 1
                continue
            first = LEAF * (-1 - entry)
            for t in range(first, min(first + LEAF, corners.shape[0])):
                ax, ay, az = np.float64(corners[t, 0, 0]), np.float64(corners[t, 0, 1]), np.float64(corners[t, 0, 2])
                bx, by, bz = corners[t, 1, 0] - ax, corners[t, 1, 1] - ay, corners[t, 1, 2] - az
                cx, cy, cz = corners[t, 2, 0] - ax, corners[t, 2, 1] - ay, corners[t, 2, 2] - az
                hx, hy, hz = dy * cz - dz * cy, dz * cx - dx * cz, dx * cy - dy * cx
                det = bx * hx + by * hy + bz * hz
                if abs(det) < 1e-18:
                    continue
                sx, sy, sz = points[n, 0] - ax, points[n, 1] - ay, points[n, 2] - az
                u = (sx * hx + sy * hy + sz * hz) / det
                if u < -1e-9 or u > 1.0 + 1e-9:
                    continue
                qx, qy, qz = sy * bz - sz * by, sz * bx - sx * bz, sx * by - sy * bx
                v = (dx * qx + dy * qy + dz * qz) / det
                if v < -1e-9 or u + v > 1.0 + 1e-9:
                    continue
                along = (cx * qx + cy * qy + cz * qz) / det
                if 0.0 <= along < best:
                    best, met = along, True
        length[n] = best if met else np.inf


@compiled(_NUMBER(_V, _V))
def _dot(a: Any, b: Any) -> Any:  # pragma: no cover
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled(_V(_V, _V))
def _minus(a: Any, b: Any) -> Any:  # pragma: no cover
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


@compiled(_V(_V, _NUMBER, _V))
def _along(a: Any, share: Any, step: Any) -> Any:  # pragma: no cover
    return (a[0] + share * step[0], a[1] + share * step[1], a[2] + share * step[2])


@compiled(_V(_V, _V))
def _cross(a: Any, b: Any) -> Any:  # pragma: no cover
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


@compiled(_V(_CORNERS, _WHOLE, _WHOLE))
def _corner(corners: Any, triangle: Any, which: Any) -> Any:  # pragma: no cover
    x, y, z = corners[triangle, which, 0], corners[triangle, which, 1], corners[triangle, which, 2]
    return (np.float64(x), np.float64(y), np.float64(z))


@compiled(types.Tuple((_V, _V))(_V, _V, _V, _V))
def _on_edges(p1: Any, q1: Any, p2: Any, q2: Any) -> Any:  # pragma: no cover
    """The two nearest places of two segments (Ericson, 5.1.9)."""
    d1, d2, r = _minus(q1, p1), _minus(q2, p2), _minus(p1, p2)
    a, e, f = _dot(d1, d1), _dot(d2, d2), _dot(d2, r)
    if a <= 1e-24 and e <= 1e-24:
        return p1, p2
    if a <= 1e-24:
        return p1, _along(p2, min(max(f / e, 0.0), 1.0), d2)
    c = _dot(d1, r)
    if e <= 1e-24:
        return _along(p1, min(max(-c / a, 0.0), 1.0), d1), p2
    b = _dot(d1, d2)
    whole = a * e - b * b
    s = 0.0
    if whole > 1e-12 * a * e:
        s = min(max((b * f - c * e) / whole, 0.0), 1.0)
    t = (b * s + f) / e
    if t < 0.0:
        t = 0.0
        s = min(max(-c / a, 0.0), 1.0)
    elif t > 1.0:
        t = 1.0
        s = min(max((b - c) / a, 0.0), 1.0)
    return _along(p1, s, d1), _along(p2, t, d2)


@compiled(types.Tuple((numba.boolean, _V))(_V, _V, _V, _V, _V))
def _pierces(p: Any, q: Any, a: Any, b: Any, c: Any) -> Any:  # pragma: no cover
    """Whether a segment goes through a triangle, and where (Möller and Trumbore)."""
    way, ab, ac = _minus(q, p), _minus(b, a), _minus(c, a)
    h = _cross(way, ac)
    det = _dot(ab, h)
    if det == 0.0:
        return False, p
    s = _minus(p, a)
    u = _dot(s, h) / det
    if u < 0.0 or u > 1.0:
        return False, p
    k = _cross(s, ab)
    v = _dot(way, k) / det
    if v < 0.0 or u + v > 1.0:
        return False, p
    t = _dot(ac, k) / det
    return 0.0 <= t <= 1.0, _along(p, t, way)


@compiled(types.Tuple((_NUMBER, _V, _V))(_CORNERS, _WHOLE, _CORNERS, _WHOLE, _NUMBER))
def _triangles_apart(one: Any, n: Any, two: Any, m: Any, best: Any) -> Any:  # pragma: no cover
    """The squared distance of two triangles if it is below ``best``, and the two places; otherwise ``best``.

    The nearest places of two triangles that do not cross lie on an edge each, or at a corner and in a face.
    """
    a0, a1, a2 = _corner(one, n, 0), _corner(one, n, 1), _corner(one, n, 2)
    b0, b1, b2 = _corner(two, m, 0), _corner(two, m, 1), _corner(two, m, 2)
    here, there = a0, b0
    for i in range(3):
        p, q = _corner(one, n, i), _corner(one, n, (i + 1) % 3)
        for j in range(3):
            x, y = _on_edges(p, q, _corner(two, m, j), _corner(two, m, (j + 1) % 3))
            gap = _minus(x, y)
            square = _dot(gap, gap)
            if square < best:
                best, here, there = square, x, y
        qx, qy, qz, square, _ = _on_triangle(two, m, p[0], p[1], p[2])
        if square < best:
            best, here, there = square, p, (qx, qy, qz)
        hit, place = _pierces(p, q, b0, b1, b2)
        if hit:
            return 0.0, place, place
    for j in range(3):
        p, q = _corner(two, m, j), _corner(two, m, (j + 1) % 3)
        qx, qy, qz, square, _ = _on_triangle(one, n, p[0], p[1], p[2])
        if square < best:
            best, here, there = square, (qx, qy, qz), p
        hit, place = _pierces(p, q, a0, a1, a2)
        if hit:
            return 0.0, place, place
    return best, here, there


@compiled(_NUMBER(_CORNERS, _WHOLE, _CORNERS, _WHOLE))
def _least_of_triangles(one: Any, n: Any, two: Any, m: Any) -> Any:  # pragma: no cover
    """The squared distance of the boxes of two triangles."""
    total = 0.0
    for axis in range(3):
        a, b, c = one[n, 0, axis], one[n, 1, axis], one[n, 2, axis]
        d, e, f = two[m, 0, axis], two[m, 1, axis], two[m, 2, axis]
        low, high = np.float64(min(a, b, c)), np.float64(max(a, b, c))
        gap = max(low - max(d, e, f), min(d, e, f) - high, 0.0)
        total += gap * gap
    return total


@compiled(_NUMBER(_BOUNDS, _WHOLE, _WHOLE, _BOUNDS, _WHOLE, _WHOLE, _F64))
def _least_of_slots(
    one: Any, node_1: Any, slot_1: Any, two: Any, node_2: Any, slot_2: Any, offset: Any
) -> Any:  # pragma: no cover
    """The squared distance of the boxes of two slots; the second tree's origin is ``offset`` from the first's."""
    total = 0.0
    for axis in range(3):
        low, high = axis * WIDE, (3 + axis) * WIDE
        ahead = two[node_2, low + slot_2] + offset[axis] - one[node_1, high + slot_1]
        behind = one[node_1, low + slot_1] - two[node_2, high + slot_2] - offset[axis]
        gap = max(ahead, behind, 0.0)
        total += gap * gap
    return total


@compiled(_NUMBER(_BOUNDS, _WHOLE, _WHOLE))
def _extent(bounds: Any, node: Any, slot: Any) -> Any:  # pragma: no cover
    total = 0.0
    for axis in range(3):
        total += (bounds[node, (3 + axis) * WIDE + slot] - bounds[node, axis * WIDE + slot]) ** 2
    return total


@compiled(
    types.Tuple((_NUMBER, _V, _V))(
        _CORNERS, _BOUNDS, _ENTRIES, _F64, _NUMBER, _CORNERS, _BOUNDS, _ENTRIES, _F64, _NUMBER
    )
)
def nearest_pair(
    corners_1: Any,
    bounds_1: Any,
    entries_1: Any,
    origin_1: Any,
    size_1: Any,
    corners_2: Any,
    bounds_2: Any,
    entries_2: Any,
    origin_2: Any,
    size_2: Any,
) -> Any:  # pragma: no cover
    """The squared distance of two surfaces and the two nearest places; 0 where they cross or touch.

    Parameters
    ----------
    corners, bounds, entries, origin, size
        Of a `triangle_tree.TriangleTree` each.
    """
    offset = origin_2 - origin_1
    slack = _SLACK * (size_1 + size_2 + abs(offset[0]) + abs(offset[1]) + abs(offset[2]))
    waiting, gaps = np.empty((_WAITING, 4), np.int64), np.empty(_WAITING)  # node and slot of both, and how far apart
    best, reach, top = np.inf, np.inf, 0
    here, there = _corner(corners_1, 0, 0), _corner(corners_2, 0, 0)
    for k in range(WIDE):
        for m in range(WIDE):
            if entries_1[0, k] != 0 and entries_2[0, m] != 0:
                gaps[top] = _least_of_slots(bounds_1, 0, k, bounds_2, 0, m, offset)
                waiting[top, 0], waiting[top, 1], waiting[top, 2], waiting[top, 3] = 0, k, 0, m
                top += 1
    while top:
        top -= 1
        if gaps[top] >= reach:
            continue
        node_1, slot_1, node_2, slot_2 = waiting[top, 0], waiting[top, 1], waiting[top, 2], waiting[top, 3]
        one, two = entries_1[node_1, slot_1], entries_2[node_2, slot_2]
        if one < 0 and two < 0:
            first, second = LEAF * (-1 - one), LEAF * (-1 - two)
            for i in range(first, min(first + LEAF, corners_1.shape[0])):
                for j in range(second, min(second + LEAF, corners_2.shape[0])):
                    if _least_of_triangles(corners_1, i, corners_2, j) < best:
                        square, x, y = _triangles_apart(corners_1, i, corners_2, j, best)
                        if square < best:
                            best, here, there = square, x, y
                            reach = (np.sqrt(best) + slack) ** 2
                            if best == 0.0:
                                return best, here, there
            continue
        # The larger of the two is taken apart.
        whole = _extent(bounds_1, node_1, slot_1) >= _extent(bounds_2, node_2, slot_2)
        apart_1 = two < 0 or (one > 0 and whole)
        bottom = top
        for k in range(WIDE):
            if apart_1:
                if entries_1[one, k] == 0:
                    continue
                a, b, c, d = np.int64(one), k, node_2, slot_2
            else:
                if entries_2[two, k] == 0:
                    continue
                a, b, c, d = node_1, slot_1, np.int64(two), k
            gap = _least_of_slots(bounds_1, a, b, bounds_2, c, d, offset)
            if gap < reach:  # the nearest pair is taken up first
                to = top
                while to > bottom and gaps[to - 1] < gap:
                    gaps[to] = gaps[to - 1]
                    for column in range(4):
                        waiting[to, column] = waiting[to - 1, column]
                    to -= 1
                gaps[to] = gap
                waiting[to, 0], waiting[to, 1], waiting[to, 2], waiting[to, 3] = a, b, c, d
                top += 1
    return best, here, there
