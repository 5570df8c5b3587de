"""Laying a surface of triangles flat with as little stretching as can be.

Least-squares conformal maps (Levy et al. 2002, ACM Trans Graph 21:362) give the start, as-rigid-as-possible steps (Liu
et al. 2008, Comput Graph Forum 27:1495) then bring lengths back near those on the surface.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ROUNDS = 12
_LEAST_COTANGENT = 1e-3  # keeps the system solvable where a triangle is very blunt


def lay_flat(points_mm: FloatArray, triangles: IntArray) -> FloatArray:
    """Places on a plane of the points of a connected surface with a rim.

    Parameters
    ----------
    points_mm
        (n, 3), each used by a triangle.
    triangles
        (m, 3), all facing one way; seen from where they face, the flat surface is not mirrored.

    Returns
    -------
    (n, 2), mm. Lengths are kept as well as the surface's curvature allows; where it curls up on itself, parts of the
    flat surface may lie over each other.
    """
    corners = _own_planes(points_mm[triangles])
    flat = _conformal(points_mm, triangles, corners)
    return _as_rigid_as_possible(flat, triangles, corners)


def areas_of(points: FloatArray, triangles: IntArray) -> FloatArray:
    """The area of each triangle, (m,)."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    return np.asarray(0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1))


def _own_planes(corners: FloatArray) -> FloatArray:
    """Each triangle in its own plane, (m, 3, 2): its first corner at the origin, its second on the first axis."""
    a, b, c = (corners[:, number] for number in range(3))
    along = b - a
    length = np.maximum(np.linalg.norm(along, axis=1), 1e-9)
    along = along / length[:, None]
    x = np.einsum("nd,nd->n", c - a, along)
    y = np.maximum(np.linalg.norm(c - a - x[:, None] * along, axis=1), 1e-6)
    nothing = np.zeros(len(x))
    return np.stack([np.stack([nothing, nothing], 1), np.stack([length, nothing], 1), np.stack([x, y], 1)], axis=1)


def _conformal(points: FloatArray, triangles: IntArray, corners: FloatArray) -> FloatArray:
    """The map that keeps angles best in the least-squares sense, two points far from each other held."""
    from scipy import sparse
    from scipy.sparse.linalg import splu

    n, m = len(points), len(triangles)
    first = int(np.argmax(np.linalg.norm(points - points.mean(axis=0), axis=1)))
    second = int(np.argmax(np.linalg.norm(points - points[first], axis=1)))
    complex_corners = corners[..., 0] + 1j * corners[..., 1]
    area = np.imag(np.conj(complex_corners[:, 1]) * complex_corners[:, 2]) / 2
    opposite = np.roll(complex_corners, -2, axis=1) - np.roll(complex_corners, -1, axis=1)
    weights = opposite / np.sqrt(np.maximum(area, 1e-9))[:, None]
    rows = np.repeat(np.arange(m), 3)
    matrix = sparse.csc_matrix((weights.reshape(-1), (rows, triangles.reshape(-1))), shape=(m, n))
    held = np.array([first, second])
    free = np.setdiff1d(np.arange(n), held)
    places = np.array([0.0, np.linalg.norm(points[second] - points[first])], dtype=np.complex128)
    loose = matrix[:, free]
    normal = (loose.conj().T @ loose + 1e-12 * sparse.identity(len(free))).tocsc()
    found = np.empty(n, dtype=np.complex128)
    found[held] = places
    found[free] = splu(normal).solve(-(loose.conj().T @ (matrix[:, held] @ places)))
    return np.stack([found.real, found.imag], axis=1)


def _as_rigid_as_possible(flat: FloatArray, triangles: IntArray, corners: FloatArray) -> FloatArray:
    """The flat places after `ROUNDS` steps that turn each triangle as it lies and then fit all together."""
    flat = flat * np.sqrt(_flat_area(corners) / max(_flat_area(flat[triangles]), 1e-9))
    edges = corners - np.roll(corners, -1, axis=1)  # corner i to i + 1
    cotangents = _cotangents(corners)
    solve = _factorised(len(flat), triangles, cotangents)
    following = np.roll(triangles, -1, axis=1)
    for _ in range(ROUNDS):
        moved = flat[triangles] - flat[following]
        # The turn that lays a triangle's own edges best over the moved ones, by the angle between them.
        a = np.einsum("mc,mcd,mcd->m", cotangents, edges, moved)
        b = np.einsum("mc,mc->m", cotangents, edges[..., 0] * moved[..., 1] - edges[..., 1] * moved[..., 0])
        length = np.maximum(np.hypot(a, b), 1e-12)
        cosine, sine = (a / length)[:, None], (b / length)[:, None]
        turned = np.stack(
            [cosine * edges[..., 0] - sine * edges[..., 1], sine * edges[..., 0] + cosine * edges[..., 1]], axis=-1
        )
        pull = np.zeros_like(flat)
        weighted = (cotangents[..., None] * turned).reshape(-1, 2)
        for axis in range(2):
            pull[:, axis] += np.bincount(triangles.reshape(-1), weighted[:, axis], len(flat))
            pull[:, axis] -= np.bincount(following.reshape(-1), weighted[:, axis], len(flat))
        flat = solve(pull)
    return flat


def _cotangents(corners: FloatArray) -> FloatArray:
    """For each triangle the cotangent of the angle opposite to the edge from corner i to corner i + 1, (m, 3)."""
    found = []
    for number in range(3):
        at = corners[:, (number + 2) % 3]
        one, other = corners[:, number] - at, corners[:, (number + 1) % 3] - at
        across = np.abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])
        found.append(np.einsum("md,md->m", one, other) / np.maximum(across, 1e-9))
    return np.asarray(np.maximum(np.stack(found, axis=1), _LEAST_COTANGENT))


def _factorised(n: int, triangles: IntArray, cotangents: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """What solves the sum over all edges for the places, the first point held at the origin."""
    from scipy import sparse
    from scipy.sparse.linalg import splu

    a, b, w = triangles.reshape(-1), np.roll(triangles, -1, axis=1).reshape(-1), cotangents.reshape(-1)
    rows, columns = np.concatenate([a, b, a, b]), np.concatenate([a, b, b, a])
    matrix = sparse.csc_matrix((np.concatenate([w, w, -w, -w]), (rows, columns)), shape=(n, n))[1:, 1:]
    factors = splu(matrix)

    def solve(pull: FloatArray) -> FloatArray:
        return np.asarray(np.concatenate([np.zeros((1, 2)), factors.solve(pull[1:])]))

    return solve


def _flat_area(corners: FloatArray) -> float:
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return float(np.abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]).sum() / 2)
