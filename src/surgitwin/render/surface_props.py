"""Segment surfaces in 3D: one VTK actor each, changed only where its description changed."""

from __future__ import annotations

from typing import Any

from surgitwin.render.content import SurfaceContent
from surgitwin.render.vtk_arrays import poly_data

# A dull, slightly wet look: highlights show the shape, colours stay those of the tree.
AMBIENT, DIFFUSE, SPECULAR, SPECULAR_POWER = 0.12, 0.88, 0.22, 22.0


class SurfaceActor:
    """The actor of one `SurfaceContent`."""

    def __init__(self, content: SurfaceContent) -> None:
        from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

        self._mapper = vtkPolyDataMapper()
        self._mapper.ScalarVisibilityOff()
        self.actor: Any = vtkActor()
        self.actor.SetMapper(self._mapper)
        look = self.actor.GetProperty()
        look.SetInterpolationToPhong()
        look.SetAmbient(AMBIENT)
        look.SetDiffuse(DIFFUSE)
        look.SetSpecular(SPECULAR)
        look.SetSpecularPower(SPECULAR_POWER)
        self.content = content
        self._mesh: object = None
        self.update(content)

    def update(self, content: SurfaceContent) -> None:
        """Show a newer description of the same surface."""
        # A hidden surface costs neither normals nor memory on the graphics card.
        if content.visible and content.mesh is not self._mesh:
            self._mapper.SetInputData(poly_data(content.mesh))
            self._mesh = content.mesh
        look = self.actor.GetProperty()
        look.SetColor(*(channel / 255 for channel in content.colour))
        look.SetOpacity(content.opacity)
        # Seen through its front, the far side of a translucent organ would only add haze.
        look.SetBackfaceCulling(content.opacity < 1.0)
        self.actor.SetVisibility(content.visible and content.opacity > 0 and not content.mesh.empty)
        self.content = content
