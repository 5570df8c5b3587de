"""Poses: 4x4, LPS mm = matrix @ implant mm; a rotation and a translation, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr

FloatArray = NDArray[np.float64]

_OFF = 1e-4


def rigid(matrix: ArrayLike, name: str = "") -> FloatArray:
    """The matrix as 4x4 numbers, its rotation made exact.

    Raises
    ------
    BadInput
        If it is no rotation and translation: it scales, shears or mirrors, or holds something that is no number.
    """
    about = {"name": name or tr("The pose")}
    try:
        given = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        given = np.empty(0)
    if given.size != 16 or not np.isfinite(given).all():
        raise BadInput(tr("{name} is not a matrix of 4 x 4 numbers.").format(**about))
    given = given.reshape(4, 4)
    if not np.allclose(given[3], (0, 0, 0, 1), atol=_OFF):
        raise BadInput(tr("{name} is no pose: the last row of its matrix must be 0 0 0 1.").format(**about))
    turn = given[:3, :3]
    if np.linalg.det(turn) < 0:
        message = tr("{name} mirrors the implant; a pose may only turn and move it. Mirror the implant instead.")
        raise BadInput(message.format(**about))
    if not np.allclose(turn.T @ turn, np.eye(3), atol=_OFF):
        message = tr("{name} stretches or shears the implant; a pose may only turn and move it.")
        raise BadInput(message.format(**about))
    exact = np.eye(4)
    exact[:3, :3] = nearest_rotation(turn)
    exact[:3, 3] = given[:3, 3]
    return exact


def nearest_rotation(matrix: FloatArray) -> FloatArray:
    """The rotation that is closest to a 3x3 matrix (Kabsch, Acta Cryst A 1976;32:922-923)."""
    left, _, right = np.linalg.svd(matrix)
    keep = np.diag([1.0, 1.0, float(np.sign(np.linalg.det(left @ right)))])
    return np.asarray(left @ keep @ right)


def inverse(matrix: FloatArray) -> FloatArray:
    """The inverse of a rigid 4x4 matrix."""
    back = np.eye(4)
    back[:3, :3] = matrix[:3, :3].T
    back[:3, 3] = -matrix[:3, :3].T @ matrix[:3, 3]
    return back


def moved(points: ArrayLike, matrix: FloatArray) -> FloatArray:
    """Points, (n, 3) or (3,), brought through a pose."""
    return np.asarray(np.asarray(points, dtype=np.float64) @ matrix[:3, :3].T + matrix[:3, 3])


def placed(mesh: Mesh, matrix: FloatArray) -> Mesh:
    """The mesh brought through a pose."""
    return Mesh(moved(mesh.points, matrix).astype(np.float32), mesh.triangles)


def turn(axis: Sequence[float] | FloatArray, angle_rad: float) -> FloatArray:
    """The 3x3 rotation about an axis (Rodrigues)."""
    x, y, z = np.asarray(axis, dtype=np.float64) / np.linalg.norm(axis)
    across = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle_rad) * across + (1.0 - np.cos(angle_rad)) * across @ across)
