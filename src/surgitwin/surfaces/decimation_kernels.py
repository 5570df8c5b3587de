"""Quadric error metrics over whole meshes, and how much a surface bends: compiled.

A quadric is the squared distance from a point to the planes around a vertex (Garland and Heckbert, Surface
simplification using quadric error metrics, SIGGRAPH 1997), as ten numbers: the upper triangle of the symmetric 4x4
matrix, xx, xy, xz, xw, yy, yz, yw, zz, zw, ww.

Import this module only where it is needed: it compiles, or loads what was compiled.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from surgitwin.core.compiled import compiled

_PULL = 1e-3  # share of the quadric's size that pulls the best place to the edge's middle, where planes leave it open
_REACH = 1.0  # the best place may lie this many edge lengths from the middle, at most

_FLOATS = numba.types.Array(numba.float64, 2, "C", readonly=True)
_SINGLES = numba.types.Array(numba.float32, 2, "C", readonly=True)
_CORNERS = numba.types.Array(numba.int32, 2, "C", readonly=True)
_WHOLES = numba.types.Array(numba.int64, 2, "C", readonly=True)
_WHOLE = numba.types.Array(numba.int64, 1, "C", readonly=True)


@compiled(numba.void(_FLOATS, _WHOLES, numba.float64[:, ::1]))
def add_planes(points: Any, triangles: Any, quadrics: Any) -> None:  # pragma: no cover
    """Add each triangle's plane, weighted by a third of its area, to the ``quadrics`` (n, 10) of its corners."""
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = points[a, 0], points[a, 1], points[a, 2]
        ux, uy, uz = points[b, 0] - ax, points[b, 1] - ay, points[b, 2] - az
        vx, vy, vz = points[c, 0] - ax, points[c, 1] - ay, points[c, 2] - az
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        double = np.sqrt(x * x + y * y + z * z)
        if double <= 1e-30:
            continue
        x, y, z = x / double, y / double, z / double
        w, share = -(x * ax + y * ay + z * az), double / 6
        for corner in range(3):
            row = quadrics[triangles[t, corner]]
            row[0] += share * x * x
            row[1] += share * x * y
            row[2] += share * x * z
            row[3] += share * x * w
            row[4] += share * y * y
            row[5] += share * y * z
            row[6] += share * y * w
            row[7] += share * z * z
            row[8] += share * z * w
            row[9] += share * w * w


@compiled(numba.void(_FLOATS, _FLOATS, _WHOLES, numba.float64, numba.float64[:, ::1], numba.float64[::1]))
def weigh_edges(
    points: Any, quadrics: Any, edges: Any, length_weight: Any, places: Any, costs: Any
) -> None:  # pragma: no cover
    """For each edge where its merged vertex lies best, and the cost: its quadric error and something for its length.

    The place solves (A + p I) d = -(A m + b) for the way d from the middle m, by the adjugate of the 3x3 matrix; it is
    drawn slightly to the middle and never farther from it than the edge is long.
    """
    for n in range(edges.shape[0]):
        a, b = edges[n, 0], edges[n, 1]
        one, two = quadrics[a], quadrics[b]
        xx, xy, xz, xw = one[0] + two[0], one[1] + two[1], one[2] + two[2], one[3] + two[3]
        yy, yz, yw = one[4] + two[4], one[5] + two[5], one[6] + two[6]
        zz, zw, ww = one[7] + two[7], one[8] + two[8], one[9] + two[9]
        dx, dy, dz = points[a, 0] - points[b, 0], points[a, 1] - points[b, 1], points[a, 2] - points[b, 2]
        square = dx * dx + dy * dy + dz * dz
        x, y, z = (
            (points[a, 0] + points[b, 0]) / 2,
            (points[a, 1] + points[b, 1]) / 2,
            (points[a, 2] + points[b, 2]) / 2,
        )
        r0 = xx * x + xy * y + xz * z + xw
        r1 = xy * x + yy * y + yz * z + yw
        r2 = xz * x + yz * y + zz * z + zw
        pull = _PULL * (xx + yy + zz) + 1e-30
        sx, sy, sz = xx + pull, yy + pull, zz + pull
        c00, c01, c02 = sy * sz - yz * yz, xz * yz - xy * sz, xy * yz - xz * sy
        c11, c12, c22 = sx * sz - xz * xz, xy * xz - sx * yz, sx * sy - xy * xy
        over = -1.0 / max(sx * c00 + xy * c01 + xz * c02, 1e-90)
        wx = over * (c00 * r0 + c01 * r1 + c02 * r2)
        wy = over * (c01 * r0 + c11 * r1 + c12 * r2)
        wz = over * (c02 * r0 + c12 * r1 + c22 * r2)
        long = wx * wx + wy * wy + wz * wz
        if long > _REACH * _REACH * square:
            scale = _REACH * np.sqrt(square / long)
            wx, wy, wz = scale * wx, scale * wy, scale * wz
        x, y, z = x + wx, y + wy, z + wz
        places[n, 0], places[n, 1], places[n, 2] = x, y, z
        error = (
            x * (xx * x + 2 * (xy * y + xz * z + xw)) + y * (yy * y + 2 * (yz * z + yw)) + z * (zz * z + 2 * zw) + ww
        )
        costs[n] = max(error, 0.0) + length_weight * square * square


@compiled(numba.void(_FLOATS, _WHOLES, _WHOLE, _FLOATS, numba.float64, numba.boolean[::1]))
def mark_turned(
    points: Any, triangles: Any, owner: Any, places: Any, least_cosine: Any, fine: Any
) -> None:  # pragma: no cover
    """Set ``fine`` to False for collapses beside which a triangle turns over or loses its area.

    Parameters
    ----------
    owner
        For each point the collapse that moves it to that one of the ``places``, or -1.
    """
    for t in range(triangles.shape[0]):
        moving, which = 0, 0
        for corner in range(3):
            if owner[triangles[t, corner]] >= 0:
                moving += 1
                which = corner
        if moving != 1:  # with two it vanishes
            continue
        a, b, c = triangles[t, which], triangles[t, (which + 1) % 3], triangles[t, (which + 2) % 3]
        collapse = owner[a]
        bx, by, bz = points[b, 0], points[b, 1], points[b, 2]
        cx, cy, cz = points[c, 0] - bx, points[c, 1] - by, points[c, 2] - bz
        px, py, pz = points[a, 0] - bx, points[a, 1] - by, points[a, 2] - bz
        qx, qy, qz = places[collapse, 0] - bx, places[collapse, 1] - by, places[collapse, 2] - bz
        nx, ny, nz = cy * pz - cz * py, cz * px - cx * pz, cx * py - cy * px
        mx, my, mz = cy * qz - cz * qy, cz * qx - cx * qz, cx * qy - cy * qx
        lengths = np.sqrt((nx * nx + ny * ny + nz * nz) * (mx * mx + my * my + mz * mz))
        if nx * mx + ny * my + nz * mz <= least_cosine * lengths:
            fine[collapse] = False


@compiled(numba.float64(_SINGLES, _CORNERS, numba.float64[:, ::1]))
def bending(points: Any, triangles: Any, normals: Any) -> Any:  # pragma: no cover
    """The larger curvature of a surface, without a sign, summed over its area: mm.

    The curvature of a triangle is the largest change of the normal along one of its sides, by the side's length.
    ``normals`` are zeros, (n, 3).
    """
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = np.float64(points[a, 0]), np.float64(points[a, 1]), np.float64(points[a, 2])
        ux, uy, uz = points[b, 0] - ax, points[b, 1] - ay, points[b, 2] - az
        vx, vy, vz = points[c, 0] - ax, points[c, 1] - ay, points[c, 2] - az
        for corner in range(3):
            normal = normals[triangles[t, corner]]
            normal[0] += uy * vz - uz * vy
            normal[1] += uz * vx - ux * vz
            normal[2] += ux * vy - uy * vx
    for n in range(normals.shape[0]):
        x, y, z = normals[n, 0], normals[n, 1], normals[n, 2]
        over = 1.0 / max(np.sqrt(x * x + y * y + z * z), 1e-30)
        normals[n, 0], normals[n, 1], normals[n, 2] = over * x, over * y, over * z
    total = 0.0
    for t in range(triangles.shape[0]):
        steepest, longest, u, v = 0.0, 0.0, 0.0, 0.0
        for corner in range(3):
            one, two = triangles[t, corner], triangles[t, (corner + 1) % 3]
            way, turn, along = 0.0, 0.0, 0.0
            for axis in range(3):
                side = np.float64(points[two, axis]) - points[one, axis]
                way += side * side
                turn += (normals[two, axis] - normals[one, axis]) ** 2
                along += side * (np.float64(points[triangles[t, (corner + 2) % 3], axis]) - points[one, axis])
            if way > 0.0:
                steepest = max(steepest, turn / way)
            if corner == 0:
                u, longest = along, way
            if corner == 2:
                v = way
        double = np.sqrt(max(longest * v - u * u, 0.0))
        total += np.sqrt(steepest) * double / 2
    return total
