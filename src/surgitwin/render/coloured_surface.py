"""A surface with a colour for each point, such as how far it is from another: colours change while it is dragged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from surgitwin.core.mesh import Mesh
from surgitwin.render.content import SurfaceContent
from surgitwin.render.surface_props import Piece, place_actor, surface_look
from surgitwin.render.vtk_arrays import poly_data, to_vtk, with_normals

# Drawn in front of the surface that it is a part of.
IN_FRONT = -2.0


class ColouredSurfaceActor:
    """One actor that keeps its triangles where they are drawn from while only its colours change.

    It has what `SurfaceActor` has. Nothing of it is prepared or uploaded in parts, and it has no stand-in: it is no
    larger than an implant, or the part of a bone around one.
    """

    def __init__(self, content: SurfaceContent, renderer: Any) -> None:
        from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

        self.content = content
        self._look = surface_look()
        self._mapper, self._actor = vtkPolyDataMapper(), vtkActor()
        self._mapper.SetResolveCoincidentTopologyToPolygonOffset()
        self._mapper.SetRelativeCoincidentTopologyPolygonOffsetParameters(IN_FRONT, IN_FRONT)
        self._mapper.SetScalarModeToUsePointData()
        self._mapper.SetColorModeToDirectScalars()
        self._mapper.ScalarVisibilityOn()
        self._actor.SetMapper(self._mapper)
        self._actor.SetProperty(self._look)
        self._actor.VisibilityOff()
        self._mesh: Mesh | None = None
        self._colours: Any = None
        renderer.AddActor(self._actor)

    def wants(self, content: SurfaceContent) -> bool:
        """True if ``content`` has triangles or colours that are to be seen and are not there yet."""
        return content.visible and (content.mesh is not self._mesh or content.colours is not self._colours)

    def update(self, content: SurfaceContent, gradual: bool = False) -> None:
        """Show a newer description of the same surface."""
        if self.wants(content):
            if content.mesh is not self._mesh:
                self._mesh = content.mesh
                self._mapper.SetInputData(with_normals(poly_data(content.mesh)))
            self._colours = content.colours
            # VTK holds the memory, so what is shown cannot change under it.
            colours = to_vtk(np.ascontiguousarray(content.colours, dtype=np.uint8))
            self._mapper.GetInput().GetPointData().SetScalars(colours)
            self._mapper.GetInput().Modified()
        self.content = content
        self._look.SetOpacity(content.opacity)
        self._look.SetBackfaceCulling(content.opacity < 1.0)
        place_actor(self._actor, content)
        self._actor.SetVisibility(self.shown)

    @property
    def shown(self) -> bool:
        return self.content.visible and self.content.opacity > 0 and not self.content.mesh.empty

    @property
    def actors(self) -> tuple[Any, ...]:
        return (self._actor,)

    @property
    def stand_in(self) -> Any:
        return None

    def set_moving(self, moving: bool) -> None:
        """It is drawn as it is."""

    def waiting(self, coarse: bool) -> Iterator[Piece]:
        """Nothing waits."""
        return iter(())

    def taken(self) -> None:
        """Nothing was waiting."""

    def close(self) -> list[Any]:
        """Be seen no more; returns the actors, which the owner of the renderer takes out of it."""
        self._actor.VisibilityOff()
        self._mesh = self._colours = None
        return [self._actor]
