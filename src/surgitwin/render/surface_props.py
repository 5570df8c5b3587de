"""Segment surfaces in 3D: VTK actors that change only where their description changed."""

from __future__ import annotations

from typing import Any

from surgitwin.render.content import SurfaceContent
from surgitwin.render.prepared import MeshStore

# A dull, slightly wet look: highlights show the shape, colours stay those of the tree.
AMBIENT, DIFFUSE, SPECULAR, SPECULAR_POWER = 0.12, 0.88, 0.22, 22.0


class SurfaceActor:
    """The actors of one `SurfaceContent`: the surface, and a coarse stand-in for while the view turns."""

    def __init__(self, content: SurfaceContent, store: MeshStore) -> None:
        self._store = store
        self.actor, self._mapper = _actor()
        self.coarse_actor, self._coarse_mapper = _actor()
        look = self.actor.GetProperty()
        look.SetInterpolationToPhong()
        look.SetAmbient(AMBIENT)
        look.SetDiffuse(DIFFUSE)
        look.SetSpecular(SPECULAR)
        look.SetSpecularPower(SPECULAR_POWER)
        self.coarse_actor.SetProperty(look)
        self.content = content
        self.has_coarse = False
        self._mesh: object = None
        self._moving = False
        self.update(content)

    @property
    def actors(self) -> tuple[Any, Any]:
        return self.actor, self.coarse_actor

    def update(self, content: SurfaceContent) -> None:
        """Show a newer description of the same surface."""
        self.content = content
        # A hidden surface costs neither normals nor memory on the graphics card.
        if content.visible and content.mesh is not self._mesh:
            prepared = self._store.of(content.mesh)
            self._mapper.SetInputData(prepared.fine)
            self.has_coarse = prepared.coarse is not None
            if self.has_coarse:
                self._coarse_mapper.SetInputData(prepared.coarse)
            self._mesh = content.mesh
        look = self.actor.GetProperty()
        look.SetColor(*(channel / 255 for channel in content.colour))
        look.SetOpacity(content.opacity)
        # Seen through its front, the far side of a translucent organ would only add haze.
        look.SetBackfaceCulling(content.opacity < 1.0)
        self.set_moving(self._moving)

    @property
    def shown(self) -> bool:
        return self.content.visible and self.content.opacity > 0 and not self.content.mesh.empty

    def set_moving(self, moving: bool) -> None:
        """Draw the stand-in, if there is one, while the view moves."""
        self._moving = moving
        coarse = moving and self.has_coarse
        self.actor.SetVisibility(self.shown and not coarse)
        self.coarse_actor.SetVisibility(self.shown and coarse)


def _actor() -> tuple[Any, Any]:
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    mapper, actor = vtkPolyDataMapper(), vtkActor()
    mapper.ScalarVisibilityOff()
    actor.SetMapper(mapper)
    actor.VisibilityOff()
    return actor, mapper
