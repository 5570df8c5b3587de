"""Distances between triangles, compiled: of two meshes the nearest pair, and of points the nearest triangle.

Both walk through trees of boxes, nearest first, and leave out whatever lies no nearer than what was found: exact.
Import this module only where it is needed: it compiles, or loads what was compiled.
"""

from __future__ import annotations

from typing import Any

import numba

from surgitwin.core.compiled import compiled

LEAF = 8
"""Triangles in a box that is not divided further; see `gaps.MeshTree`."""
DEEPEST = 2048

types: Any = numba.types  # numba has no annotations
_F64 = numba.float64
_V = types.UniTuple(_F64, 3)
_CORNERS = types.Array(_F64, 3, "C", readonly=True)
_BOXES = types.Array(_F64, 2, "C", readonly=True)
_STARTS = types.Array(numba.int64, 1, "C", readonly=True)
_PLACES = types.Array(_F64, 2, "C", readonly=True)


@compiled(_F64(_V, _V))
def _dot(a: Any, b: Any) -> Any:  # pragma: no cover
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled(_V(_V, _V))
def _minus(a: Any, b: Any) -> Any:  # pragma: no cover
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


@compiled(_V(_V, _F64, _V))
def _along(a: Any, share: Any, step: Any) -> Any:  # pragma: no cover
    return (a[0] + share * step[0], a[1] + share * step[1], a[2] + share * step[2])


@compiled(_V(_V, _V))
def _cross(a: Any, b: Any) -> Any:  # pragma: no cover
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


@compiled(_V(_CORNERS, numba.int64, numba.int64))
def _corner(corners: Any, triangle: Any, which: Any) -> Any:  # pragma: no cover
    return (corners[triangle, which, 0], corners[triangle, which, 1], corners[triangle, which, 2])


@compiled(_V(_V, _V, _V, _V))
def _on_triangle(p: Any, a: Any, b: Any, c: Any) -> Any:  # pragma: no cover
    """The place of a triangle nearest to a point (Ericson, Real-Time Collision Detection, 5.1.5)."""
    ab, ac, ap = _minus(b, a), _minus(c, a), _minus(p, a)
    d1, d2 = _dot(ab, ap), _dot(ac, ap)
    if d1 <= 0.0 and d2 <= 0.0:
        return a
    bp = _minus(p, b)
    d3, d4 = _dot(ab, bp), _dot(ac, bp)
    if d3 >= 0.0 and d4 <= d3:
        return b
    vc = d1 * d4 - d3 * d2
    if vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        return _along(a, d1 / (d1 - d3) if d1 != d3 else 0.0, ab)
    cp = _minus(p, c)
    d5, d6 = _dot(ab, cp), _dot(ac, cp)
    if d6 >= 0.0 and d5 <= d6:
        return c
    vb = d5 * d2 - d1 * d6
    if vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        return _along(a, d2 / (d2 - d6) if d2 != d6 else 0.0, ac)
    va = d3 * d6 - d5 * d4
    if va <= 0.0 and d4 - d3 >= 0.0 and d5 - d6 >= 0.0:
        both = (d4 - d3) + (d5 - d6)
        return _along(b, (d4 - d3) / both if both != 0.0 else 0.0, _minus(c, b))
    whole = va + vb + vc
    if whole == 0.0:
        return a
    return _along(_along(a, vb / whole, ab), vc / whole, ac)


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


@compiled(types.Tuple((_F64, _V, _V))(_CORNERS, numba.int64, _CORNERS, numba.int64, _F64))
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
        y = _on_triangle(p, b0, b1, b2)
        gap = _minus(p, y)
        square = _dot(gap, gap)
        if square < best:
            best, here, there = square, p, y
        hit, place = _pierces(p, q, b0, b1, b2)
        if hit:
            return 0.0, place, place
    for j in range(3):
        p, q = _corner(two, m, j), _corner(two, m, (j + 1) % 3)
        x = _on_triangle(p, a0, a1, a2)
        gap = _minus(p, x)
        square = _dot(gap, gap)
        if square < best:
            best, here, there = square, x, p
        hit, place = _pierces(p, q, a0, a1, a2)
        if hit:
            return 0.0, place, place
    return best, here, there


@compiled(_F64(_BOXES, numba.int64, _BOXES, numba.int64))
def _boxes_apart(one: Any, n: Any, two: Any, m: Any) -> Any:  # pragma: no cover
    """The squared distance of two boxes (low x, y, z, high x, y, z)."""
    total = 0.0
    for axis in range(3):
        gap = max(one[n, axis] - two[m, axis + 3], two[m, axis] - one[n, axis + 3])
        if gap > 0.0:
            total += gap * gap
    return total


@compiled(_F64(_BOXES, numba.int64))
def _extent(boxes: Any, n: Any) -> Any:  # pragma: no cover
    total = 0.0
    for axis in range(3):
        total += (boxes[n, axis + 3] - boxes[n, axis]) ** 2
    return total


@compiled(
    types.Tuple((_F64, _V, _V))(
        _CORNERS, _BOXES, _STARTS, _BOXES, _CORNERS, _BOXES, _STARTS, _BOXES, numba.int64[:, ::1], numba.float64[::1]
    )
)
def nearest_pair(
    corners_1: Any,
    boxes_1: Any,
    starts_1: Any,
    own_1: Any,
    corners_2: Any,
    boxes_2: Any,
    starts_2: Any,
    own_2: Any,
    waiting: Any,
    gaps: Any,
) -> Any:  # pragma: no cover
    """The squared distance of two meshes and the two nearest places; 0 where they cross or touch.

    Parameters
    ----------
    corners, boxes, starts, own
        Of a `gaps.MeshTree` each.
    waiting, gaps
        Room for pairs of boxes that wait, and how far they are apart.
    """
    leaves_1, leaves_2 = len(starts_1) - 1, len(starts_2) - 1
    best = 1e300
    here, there = _corner(corners_1, 0, 0), _corner(corners_2, 0, 0)
    waiting[0, 0], waiting[0, 1], gaps[0] = 0, 0, _boxes_apart(boxes_1, 0, boxes_2, 0)
    top = 1
    while top > 0:
        top -= 1
        if gaps[top] >= best:
            continue
        n, m = waiting[top, 0], waiting[top, 1]
        leaf_1, leaf_2 = n >= leaves_1 - 1, m >= leaves_2 - 1
        if leaf_1 and leaf_2:
            for i in range(starts_1[n - leaves_1 + 1], starts_1[n - leaves_1 + 2]):
                if _boxes_apart(own_1, i, boxes_2, m) >= best:
                    continue
                for j in range(starts_2[m - leaves_2 + 1], starts_2[m - leaves_2 + 2]):
                    if _boxes_apart(own_1, i, own_2, j) < best:
                        square, x, y = _triangles_apart(corners_1, i, corners_2, j, best)
                        if square < best:
                            best, here, there = square, x, y
                            if best == 0.0:
                                return best, here, there
            continue
        if leaf_2 or (not leaf_1 and _extent(boxes_1, n) >= _extent(boxes_2, m)):
            a, b, c, d = 2 * n + 1, m, 2 * n + 2, m
        else:
            a, b, c, d = n, 2 * m + 1, n, 2 * m + 2
        one, two = _boxes_apart(boxes_1, a, boxes_2, b), _boxes_apart(boxes_1, c, boxes_2, d)
        if one < two:  # what is taken up last is looked at first
            a, b, c, d, one, two = c, d, a, b, two, one
        waiting[top, 0], waiting[top, 1], gaps[top] = a, b, one
        waiting[top + 1, 0], waiting[top + 1, 1], gaps[top + 1] = c, d, two
        top += 2
    return best, here, there


@compiled(
    numba.void(
        _PLACES,
        _CORNERS,
        _BOXES,
        _STARTS,
        numba.int64[::1],
        numba.float64[:, ::1],
        numba.int64[::1],
        numba.float64[::1],
    )
)
def nearest_triangles(
    places: Any, corners: Any, boxes: Any, starts: Any, found: Any, points: Any, waiting: Any, gaps: Any
) -> None:  # pragma: no cover
    """For each place the nearest triangle (its row in ``corners``) and the nearest point on it; written."""
    leaves = len(starts) - 1
    point_box = places.copy()
    for row in range(len(places)):
        p = (point_box[row, 0], point_box[row, 1], point_box[row, 2])
        best = 1e300
        waiting[0], gaps[0], top = 0, 0.0, 1
        while top > 0:
            top -= 1
            if gaps[top] >= best:
                continue
            n = waiting[top]
            if n >= leaves - 1:
                for i in range(starts[n - leaves + 1], starts[n - leaves + 2]):
                    x = _on_triangle(p, _corner(corners, i, 0), _corner(corners, i, 1), _corner(corners, i, 2))
                    gap = _minus(p, x)
                    square = _dot(gap, gap)
                    if square < best:
                        best = square
                        found[row] = i
                        points[row, 0], points[row, 1], points[row, 2] = x
                continue
            one, two = 0.0, 0.0
            for axis in range(3):
                a = max(boxes[2 * n + 1, axis] - p[axis], p[axis] - boxes[2 * n + 1, axis + 3])
                b = max(boxes[2 * n + 2, axis] - p[axis], p[axis] - boxes[2 * n + 2, axis + 3])
                one += max(a, 0.0) ** 2
                two += max(b, 0.0) ** 2
            near = 2 * n + 1 if one <= two else 2 * n + 2
            far = 2 * n + 2 if one <= two else 2 * n + 1
            waiting[top], gaps[top] = far, max(one, two)
            waiting[top + 1], gaps[top + 1] = near, min(one, two)
            top += 2
