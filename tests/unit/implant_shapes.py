"""Closed shapes that the tests of implants share."""

from __future__ import annotations

from typing import Any

import numpy as np

from surgitwin.core.mesh import Mesh


def meshed(body: Any) -> Mesh:
    """A mesh of trimesh as ours."""
    return Mesh(np.asarray(body.vertices, np.float32), np.asarray(body.faces, np.int32))


def ball(radius: float, fine: int = 4) -> Mesh:
    import trimesh

    return meshed(trimesh.creation.icosphere(fine, radius))


def block(x: float, y: float, z: float) -> Mesh:
    """A box around the origin."""
    import trimesh

    return meshed(trimesh.creation.box((x, y, z)))


def socket(radius: float, wall: float = 12.0, fine: int = 5) -> Mesh:
    """A block with a hollow of half a ball in its upper side, z = 0, open towards +z."""
    import trimesh

    wide = 2.0 * (radius + wall)
    body = trimesh.creation.box((wide, wide, radius + wall)).apply_translation((0, 0, -(radius + wall) / 2))
    hollow = trimesh.creation.icosphere(fine, radius)
    return meshed(trimesh.boolean.difference([body, hollow], engine="manifold"))


def bone(fine: int = 4) -> Mesh:
    """A lump without any symmetry, some 60 mm long."""
    import trimesh

    body = trimesh.creation.icosphere(fine, 1.0)
    p = body.vertices
    r = 20 + 3 * np.sin(3 * p[:, 0] + 1) * np.cos(4 * p[:, 1]) + 2 * np.sin(5 * p[:, 2] + p[:, 0])
    shaped = p * r[:, None] * (1.0, 1.2, 1.5)
    return Mesh(np.asarray(shaped, np.float32), np.asarray(body.faces, np.int32))


def pose(turn: np.ndarray | None = None, at: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> np.ndarray:
    matrix = np.eye(4)
    if turn is not None:
        matrix[:3, :3] = turn
    matrix[:3, 3] = at
    return matrix
