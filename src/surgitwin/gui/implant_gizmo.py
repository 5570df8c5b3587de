"""Handles around the chosen implant in 3D: an arrow along and a ring about each of its axes, as ordinary surfaces."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.mesh import Mesh
from surgitwin.render.bounds import mesh_bounds
from surgitwin.render.content import Rgb, SurfaceContent
from surgitwin.scene.nodes import ImplantNode

PREFIX = "gizmo"
ON_BONE = "bone-"
"""In the id of a coloured part: it lies on what the implant is fitted to, and does not move with it."""
COLOURED = "fit"
"""At the end of the id of every coloured part."""
NAMES = ("x", "y", "z")
COLOURS: tuple[Rgb, ...] = ((229, 99, 106), (108, 198, 138), (96, 156, 240))


class Gizmo:
    """Makes the handles; their meshes are made once and moved with the implant."""

    @cached_property
    def _unit(self) -> dict[str, Mesh]:
        """Handles of an implant whose largest half extent is 1, about z."""
        from surgitwin.implants.parametric.bodies import turned

        arrow = turned([(0.0, 1.3), (0.03, 1.3), (0.03, 1.75), (0.09, 1.75), (0.0, 2.0)], 24)
        return {"move": arrow, "turn": _ring(1.2, 0.03)}

    def __init__(self) -> None:
        self._sized: dict[tuple[str, float, int], Mesh] = {}

    def surfaces(self, node: ImplantNode, matrix: tuple[float, ...], extent_mm: float) -> tuple[SurfaceContent, ...]:
        """The handles for an implant in a pose; ids are ``gizmo:move:x`` and the like."""
        from surgitwin.implants.placement import anchor

        pose = np.array(matrix, dtype=np.float64).reshape(4, 4)
        pose[:3, 3] += pose[:3, :3] @ anchor(node.item)
        place = tuple(float(value) for value in pose.reshape(-1))
        return tuple(
            SurfaceContent(
                f"{PREFIX}:{kind}:{NAMES[axis]}", self._mesh(kind, extent_mm, axis), COLOURS[axis], matrix=place
            )
            for kind in ("move", "turn")
            for axis in range(3)
        )

    def _mesh(self, kind: str, extent_mm: float, axis: int) -> Mesh:
        key = (kind, round(extent_mm, 1), axis)
        if key not in self._sized:
            points = self._unit[kind].points * np.float32(max(extent_mm, 8.0))
            # A cyclic change of axes is a rotation: what looked along z looks along x or y.
            points = np.ascontiguousarray(np.roll(points, axis + 1, axis=1))
            self._sized[key] = Mesh(points, self._unit[kind].triangles)
        return self._sized[key]


def extent_of(mesh: Mesh) -> float:
    """Half the largest extent, no more than 40 mm so that the handles stay on the screen."""
    low, high = mesh_bounds(mesh)
    return float(min((high - low).max() / 2, 40.0))


def _ring(radius: float, thick: float, around: int = 64, across: int = 12) -> Mesh:
    """A torus about z."""
    u = 2 * np.pi * np.arange(around) / around
    v = 2 * np.pi * np.arange(across) / across
    far = radius + thick * np.cos(v)[None, :]
    points: NDArray[np.float64] = np.stack(
        [far * np.cos(u)[:, None], far * np.sin(u)[:, None], np.broadcast_to(thick * np.sin(v), (around, across))],
        axis=-1,
    )
    i, j = np.meshgrid(np.arange(around), np.arange(across), indexing="ij")
    a, b = i * across + j, (i + 1) % around * across + j
    c, d = (i + 1) % around * across + (j + 1) % across, i * across + (j + 1) % across
    triangles = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return Mesh(points.reshape(-1, 3).astype(np.float32), triangles.astype(np.int32))
