"""The nearest triangle of a surface, and where a ray meets it, through a tree of boxes: compiled.

Import this module only where it is needed: it compiles, or loads what was compiled.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from surgitwin.core.compiled import compiled

LEAF = 4
"""Triangles in a leaf at most."""
_DEEPEST = 64
_SLACK = 1.0 + 1e-6  # boxes are kept in single precision: a little larger, so that they hold what they should


def _given(kind: Any, dimensions: int) -> Any:
    """What another process sent may not be written to."""
    return numba.types.Array(kind, dimensions, "C", readonly=True)


_I32, _I32_2D = _given(numba.int32, 1), _given(numba.int32, 2)
_F32_2D, _F32_3D = _given(numba.float32, 2), _given(numba.float32, 3)
_F64, _F64_2D = _given(numba.float64, 1), _given(numba.float64, 2)
_NUMBER = numba.float64
_WHOLE = numba.int64


@compiled(numba.void(numba.float32[:, ::1], numba.int32[::1], _WHOLE, _WHOLE, _WHOLE, _WHOLE))
def _split(middles: Any, order: Any, low: Any, high: Any, wanted: Any, axis: Any) -> None:  # pragma: no cover
    """Sort ``order[low:high]`` so far that those before ``wanted`` lie below those after it along ``axis``."""
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


@compiled(
    _WHOLE(
        _F32_3D,
        numba.float32[:, ::1],
        numba.int32[::1],
        numba.float32[:, ::1],
        numba.int32[:, ::1],
    )
)
def build(corners: Any, middles: Any, order: Any, boxes: Any, nodes: Any) -> Any:  # pragma: no cover
    """Make the tree: each node halves its triangles along the longest side of the box of their middles.

    Parameters
    ----------
    corners
        (m, 3, 3): the triangles' corners.
    middles
        (m, 3): room, and the triangles' middles.
    order
        (m,): 0 to m - 1; on return the triangles in the order of the leaves.
    boxes, nodes
        (2 m + 1, 6) and (2 m + 1, 2): room. A node's box is low and high; its row in ``nodes`` is (left child, 0), the
        right child being the next, or (first triangle in ``order``, count).

    Returns
    -------
    The number of nodes.
    """
    stack = np.empty((_DEEPEST, 3), np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2] = 0, 0, order.shape[0]
    depth, used = 1, 1
    while depth:
        depth -= 1
        node, low, high = stack[depth, 0], stack[depth, 1], stack[depth, 2]
        for axis in range(3):
            boxes[node, axis], boxes[node, 3 + axis] = np.inf, -np.inf
        least, most = np.full(3, np.inf), np.full(3, -np.inf)
        for n in range(low, high):
            t = order[n]
            for axis in range(3):
                for corner in range(3):
                    value = corners[t, corner, axis]
                    boxes[node, axis] = min(boxes[node, axis], value)
                    boxes[node, 3 + axis] = max(boxes[node, 3 + axis], value)
                least[axis] = min(least[axis], middles[t, axis])
                most[axis] = max(most[axis], middles[t, axis])
        if high - low <= LEAF:
            nodes[node, 0], nodes[node, 1] = low, high - low
            continue
        axis = int(np.argmax(most - least))
        half = (low + high) // 2
        _split(middles, order, low, high, half, axis)
        nodes[node, 0], nodes[node, 1] = used, 0
        stack[depth, 0], stack[depth, 1], stack[depth, 2] = used, low, half
        stack[depth + 1, 0], stack[depth + 1, 1], stack[depth + 1, 2] = used + 1, half, high
        depth += 2
        used += 2
    return used


@compiled(_NUMBER(_F32_2D, _WHOLE, _NUMBER, _NUMBER, _NUMBER))
def _box_square(boxes: Any, node: Any, x: Any, y: Any, z: Any) -> Any:  # pragma: no cover
    """The square of the distance from a point to a box."""
    dx = max(boxes[node, 0] - x, 0.0, x - boxes[node, 3])
    dy = max(boxes[node, 1] - y, 0.0, y - boxes[node, 4])
    dz = max(boxes[node, 2] - z, 0.0, z - boxes[node, 5])
    return dx * dx + dy * dy + dz * dz


@compiled(numba.void(_F32_3D, _WHOLE, _NUMBER, _NUMBER, _NUMBER, numba.float64[::1]))
def _on_triangle(corners: Any, t: Any, x: Any, y: Any, z: Any, found: Any) -> None:  # pragma: no cover
    """The place of a triangle that is nearest to a point.

    Ericson, Real-Time Collision Detection (2005), 5.1.5. ``found`` becomes x, y, z, the square of the distance, and
    where it lies: 0 within the triangle, 1 to 3 on the side from that corner (0 to 2) to the next, 4 to 6 at a corner.
    """
    ax, ay, az = float(corners[t, 0, 0]), float(corners[t, 0, 1]), float(corners[t, 0, 2])
    bx, by, bz = corners[t, 1, 0] - ax, corners[t, 1, 1] - ay, corners[t, 1, 2] - az
    cx, cy, cz = corners[t, 2, 0] - ax, corners[t, 2, 1] - ay, corners[t, 2, 2] - az
    px, py, pz = x - ax, y - ay, z - az
    d1 = bx * px + by * py + bz * pz
    d2 = cx * px + cy * py + cz * pz
    v, w, where = 0.0, 0.0, 4
    bb, bc, cc = bx * bx + by * by + bz * bz, bx * cx + by * cy + bz * cz, cx * cx + cy * cy + cz * cz
    d3, d4 = d1 - bb, d2 - bc
    d5, d6 = d1 - bc, d2 - cc
    vc = d1 * d4 - d3 * d2
    vb = d5 * d2 - d1 * d6
    va = d3 * d6 - d5 * d4
    if d1 <= 0.0 and d2 <= 0.0:
        pass
    elif d3 >= 0.0 and d4 <= d3:
        v, where = 1.0, 5
    elif d6 >= 0.0 and d5 <= d6:
        w, where = 1.0, 6
    elif vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        v, where = d1 / (d1 - d3), 1
    elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        w, where = d2 / (d2 - d6), 3
    elif va <= 0.0 and d4 - d3 >= 0.0 and d5 - d6 >= 0.0:
        w, where = (d4 - d3) / ((d4 - d3) + (d5 - d6)), 2
        v = 1.0 - w
    else:
        whole = va + vb + vc
        v, w, where = vb / whole, vc / whole, 0
    qx, qy, qz = v * bx + w * cx, v * by + w * cy, v * bz + w * cz
    found[0], found[1], found[2] = ax + qx, ay + qy, az + qz
    found[3] = (px - qx) ** 2 + (py - qy) ** 2 + (pz - qz) ** 2
    found[4] = where


@compiled(
    _WHOLE(
        _F32_3D,
        _F32_2D,
        _I32_2D,
        _NUMBER,
        _NUMBER,
        _NUMBER,
        numba.float64[::1],
        numba.float64[::1],
        numba.int64[::1],
        numba.float64[::1],
    )
)
def _nearest(
    corners: Any, boxes: Any, nodes: Any, x: Any, y: Any, z: Any, best: Any, tried: Any, stack: Any, squares: Any
) -> Any:  # pragma: no cover
    """The triangle nearest to a point if nearer than the square in ``best[3]``, else -1; see `_on_triangle`."""
    nearest = -1
    stack[0] = 0
    squares[0] = _box_square(boxes, 0, x, y, z)
    depth = 1
    while depth:
        depth -= 1
        if squares[depth] >= best[3]:
            continue
        node = stack[depth]
        count = nodes[node, 1]
        if count:
            first = nodes[node, 0]
            for t in range(first, first + count):
                _on_triangle(corners, t, x, y, z, tried)
                if tried[3] < best[3]:
                    nearest = t
                    for n in range(5):
                        best[n] = tried[n]
            continue
        one = nodes[node, 0]
        near, far = _box_square(boxes, one, x, y, z), _box_square(boxes, one + 1, x, y, z)
        other = one + 1
        if far < near:
            near, far, one, other = far, near, other, one
        if far < best[3]:
            stack[depth], squares[depth] = other, far
            depth += 1
        if near < best[3]:
            stack[depth], squares[depth] = one, near
            depth += 1
    return nearest


@compiled(
    numba.void(
        _F32_3D,
        _F32_3D,
        _F32_2D,
        _I32_2D,
        _F64_2D,
        _F64_2D,
        _NUMBER,
        numba.float64[::1],
        numba.float64[:, ::1],
        numba.int32[::1],
        numba.int8[::1],
    )
)
def signed_distances(
    corners: Any,
    normals: Any,
    boxes: Any,
    nodes: Any,
    points: Any,
    matrix: Any,
    limit: Any,
    distance: Any,
    nearest: Any,
    triangle: Any,
    feature: Any,
) -> None:  # pragma: no cover
    """Distance from each point to the surface, negative inside it.

    The search starts from the triangle that was nearest to the point before, so points that follow each other should
    lie together. The sign comes from the normal of the face, side or corner that the nearest place lies on
    (Baerentzen and Aanaes, IEEE Trans Vis Comput Graph 2005;11:243-253).

    Parameters
    ----------
    corners, normals
        (m, 3, 3), and (m, 7, 3): of the face, its sides and its corners; in the tree's order.
    points, matrix
        (n, 3), and 4x4: it brings the points to the surface's frame.
    limit
        Points further away are not looked for: their distance is NaN and their triangle -1.
    distance, nearest, triangle, feature
        Room, (n,), (n, 3), (n,) and (n,): the nearest place in the surface's frame, its triangle, and where on it.
    """
    best, tried = np.empty(5), np.empty(5)
    stack, squares = np.empty(_DEEPEST, np.int64), np.empty(_DEEPEST)
    last = -1
    square = limit * limit
    for n in range(points.shape[0]):
        px, py, pz = points[n, 0], points[n, 1], points[n, 2]
        x = matrix[0, 0] * px + matrix[0, 1] * py + matrix[0, 2] * pz + matrix[0, 3]
        y = matrix[1, 0] * px + matrix[1, 1] * py + matrix[1, 2] * pz + matrix[1, 3]
        z = matrix[2, 0] * px + matrix[2, 1] * py + matrix[2, 2] * pz + matrix[2, 3]
        best[3] = square
        found = -1
        if last >= 0:
            _on_triangle(corners, last, x, y, z, tried)
            if tried[3] < best[3]:
                found = last
                for k in range(5):
                    best[k] = tried[k]
        better = _nearest(corners, boxes, nodes, x, y, z, best, tried, stack, squares)
        if better >= 0:
            found = better
        triangle[n] = found
        if found < 0:
            distance[n] = np.nan
            continue
        last = found
        where = int(best[4])
        feature[n] = where
        side = 0.0
        side += (x - best[0]) * normals[found, where, 0]
        side += (y - best[1]) * normals[found, where, 1]
        side += (z - best[2]) * normals[found, where, 2]
        distance[n] = np.sqrt(best[3]) if side >= 0.0 else -np.sqrt(best[3])
        for axis in range(3):
            nearest[n, axis] = best[axis]


@compiled(_WHOLE(_F32_2D, _WHOLE, _F64, _F64, _NUMBER))
def _meets_box(boxes: Any, node: Any, start: Any, over: Any, reach: Any) -> Any:  # pragma: no cover
    """1 if a ray meets a box before ``reach``; ``over`` is one over its direction."""
    low, high = 0.0, reach
    for axis in range(3):
        one = (boxes[node, axis] - start[axis]) * over[axis]
        two = (boxes[node, 3 + axis] - start[axis]) * over[axis]
        low = max(low, min(one, two) / _SLACK - 1e-9)
        high = min(high, max(one, two) * _SLACK + 1e-9)
    return 1 if low <= high else 0


@compiled(numba.void(_F32_3D, _F32_2D, _I32_2D, _F64_2D, _F64, _NUMBER, numba.float64[::1]))
def ray_lengths(
    corners: Any, boxes: Any, nodes: Any, points: Any, direction: Any, reach: Any, length: Any
) -> None:  # pragma: no cover
    """How far each point is from the surface along a direction; infinite if that is further than ``reach``.

    Moeller and Trumbore, J Graph Tools 1997;2:21-28; both sides of a triangle are met.
    """
    stack = np.empty(_DEEPEST, np.int64)
    start, over = np.empty(3), np.empty(3)
    dx, dy, dz = direction[0], direction[1], direction[2]
    for axis in range(3):
        step = direction[axis]
        if abs(step) < 1e-12:
            step = 1e-12
        over[axis] = 1.0 / step
    for n in range(points.shape[0]):
        for axis in range(3):
            start[axis] = points[n, axis]
        best = reach
        met = False
        stack[0] = 0
        depth = 1
        while depth:
            depth -= 1
            node = stack[depth]
            if not _meets_box(boxes, node, start, over, best):
                continue
            count = nodes[node, 1]
            if not count:
                stack[depth], stack[depth + 1] = nodes[node, 0], nodes[node, 0] + 1
                depth += 2
                continue
            for t in range(nodes[node, 0], nodes[node, 0] + count):
                ax, ay, az = float(corners[t, 0, 0]), float(corners[t, 0, 1]), float(corners[t, 0, 2])
                bx, by, bz = corners[t, 1, 0] - ax, corners[t, 1, 1] - ay, corners[t, 1, 2] - az
                cx, cy, cz = corners[t, 2, 0] - ax, corners[t, 2, 1] - ay, corners[t, 2, 2] - az
                hx, hy, hz = dy * cz - dz * cy, dz * cx - dx * cz, dx * cy - dy * cx
                det = bx * hx + by * hy + bz * hz
                if abs(det) < 1e-18:
                    continue
                sx, sy, sz = start[0] - ax, start[1] - ay, start[2] - az
                u = (sx * hx + sy * hy + sz * hz) / det
                if u < -1e-9 or u > 1.0 + 1e-9:
                    continue
                qx, qy, qz = sy * bz - sz * by, sz * bx - sx * bz, sx * by - sy * bx
                v = (dx * qx + dy * qy + dz * qz) / det
                if v < -1e-9 or u + v > 1.0 + 1e-9:
                    continue
                along = (cx * qx + cy * qy + cz * qz) / det
                if 0.0 <= along < best:
                    best = along
                    met = True
        length[n] = best if met else np.inf
