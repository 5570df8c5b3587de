"""Implants as they are drawn: a surface that moves as a whole in 3D, an outline in the slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from surgitwin.core.ids import NodeId
from surgitwin.core.mesh import Mesh
from surgitwin.render.content import CutSurfaceContent, SurfaceContent
from surgitwin.scene.nodes import ImplantNode
from surgitwin.scene.scene import Scene

Matrix = tuple[float, ...]


class ImplantMeshes:
    """Keeps the mesh of every implant, so that views draw the same object again, and its last placed copy."""

    def __init__(self) -> None:
        self._own: dict[NodeId, tuple[object, Mesh]] = {}
        self._outlines: dict[NodeId, tuple[object, CutSurfaceContent]] = {}

    def own(self, node: ImplantNode) -> Mesh:
        """In the implant's own frame."""
        key = (node.points.id, node.triangles.id)
        known = self._own.get(node.id)
        if known is None or known[0] != key:
            known = self._own[node.id] = key, Mesh(node.points.read(), node.triangles.read())
        return known[1]

    def outline(self, node: ImplantNode, matrix: Matrix) -> CutSurfaceContent:
        """For the slices, in LPS mm."""
        key = (node.points.id, matrix)
        known = self._outlines.get(node.id)
        if known is None or known[0] != key:
            mesh = self.own(node)
            pose = np.array(matrix, dtype=np.float64).reshape(4, 4)
            points = (mesh.points @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)
            known = self._outlines[node.id] = key, CutSurfaceContent(node.id, Mesh(points, mesh.triangles))
        content = known[1]
        if (content.colour, content.visible) != (node.color, node.visible):
            content = replace(content, colour=node.color, visible=node.visible)
            self._outlines[node.id] = known[0], content
        return content


def implant_surfaces(
    scene: Scene, meshes: ImplantMeshes, moved: Mapping[NodeId, Matrix] | None = None
) -> tuple[SurfaceContent, ...]:
    """Every implant for the 3D view; ``moved``: where the hand has some of them."""
    held = moved or {}
    return tuple(
        SurfaceContent(
            node.id,
            meshes.own(node),
            node.color,
            node.opacity,
            node.visible,
            node.name,
            matrix=held.get(node.id, node.matrix),
        )
        for node in scene.of_type(ImplantNode)
    )


def implant_outlines(
    scene: Scene, meshes: ImplantMeshes, moved: Mapping[NodeId, Matrix] | None = None
) -> tuple[CutSurfaceContent, ...]:
    """Every implant for the slices."""
    held = moved or {}
    return tuple(
        meshes.outline(node, held.get(node.id, node.matrix)) for node in scene.of_type(ImplantNode) if node.visible
    )
