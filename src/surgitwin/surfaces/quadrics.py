"""Quadric error metrics: the squared distance from a point to the planes around a vertex, as ten numbers.

Garland and Heckbert, Surface simplification using quadric error metrics, SIGGRAPH 1997. The ten numbers are the upper
triangle of the symmetric 4x4 matrix: xx, xy, xz, xw, yy, yz, yw, zz, zw, ww.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Share of the quadric's size that pulls the best place towards the edge's middle, where the planes leave it open.
_PULL = 1e-3
# The best place may lie this many edge lengths from the middle, at most.
_REACH = 1.0


def triangle_normals(points: Floats, triangles: Ints) -> Floats:
    """Normals whose length is twice the triangle's area."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    return np.asarray(np.cross(b - a, c - a))


def vertex_quadrics(points: Floats, triangles: Ints) -> Floats:
    """Quadrics of the planes around each vertex, weighted by the triangles' areas; shape (n, 10)."""
    normals = triangle_normals(points, triangles)
    double_area = np.linalg.norm(normals, axis=1)
    normals /= np.maximum(double_area, 1e-30)[:, None]
    x, y, z = normals.T
    w = -np.einsum("td,td->t", normals, points[triangles[:, 0]])
    rows = (x * x, x * y, x * z, x * w, y * y, y * z, y * w, z * z, z * w, w * w)
    corners = triangles.T.reshape(-1)
    quadrics = np.empty((len(points), 10))
    for number, row in enumerate(rows):
        quadrics[:, number] = np.bincount(corners, np.tile(row * double_area / 6, 3), len(points))
    return quadrics


def errors_at(quadrics: Floats, places: Floats) -> Floats:
    """Quadric error of each place, never negative."""
    x, y, z = places.T
    xx, xy, xz, xw, yy, yz, yw, zz, zw, ww = quadrics.T
    error = x * (xx * x + 2 * (xy * y + xz * z + xw)) + y * (yy * y + 2 * (yz * z + yw)) + z * (zz * z + 2 * zw) + ww
    return np.asarray(np.maximum(error, 0.0))


def best_places(quadrics: Floats, middle: Floats, reach: Floats) -> Floats:
    """Where the quadric error is least, drawn slightly to the edge's ``middle`` and no farther from it than ``reach``.

    Solves (A + p I) d = -(A m + b) for the way d from the middle, by the adjugate of the 3x3 matrix.
    """
    xx, xy, xz, xw, yy, yz, yw, zz, zw, _ = quadrics.T
    x, y, z = middle.T
    right = np.stack((xx * x + xy * y + xz * z + xw, xy * x + yy * y + yz * z + yw, xz * x + yz * y + zz * z + zw))
    pull = _PULL * (xx + yy + zz) + 1e-30
    xx, yy, zz = xx + pull, yy + pull, zz + pull
    c00, c01, c02 = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    c11, c12, c22 = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    determinant = xx * c00 + xy * c01 + xz * c02
    way = -np.stack(
        (
            c00 * right[0] + c01 * right[1] + c02 * right[2],
            c01 * right[0] + c11 * right[1] + c12 * right[2],
            c02 * right[0] + c12 * right[1] + c22 * right[2],
        ),
        axis=1,
    )
    way /= np.maximum(determinant, 1e-90)[:, None]
    length = np.linalg.norm(way, axis=1)
    way *= np.minimum(1.0, _REACH * reach / np.maximum(length, 1e-30))[:, None]
    return np.asarray(middle + way)
