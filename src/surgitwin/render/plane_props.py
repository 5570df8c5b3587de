"""Cut planes in 3D: a square with handles to hold it by, and an arrow to the side that goes."""

from __future__ import annotations

from typing import Any

import numpy as np

from surgitwin.core.geometry import FloatArray
from surgitwin.render.content import PlaneContent
from surgitwin.render.cutting import corners
from surgitwin.render.tokens import Tokens
from surgitwin.render.vtk_arrays import to_vtk

HANDLE_PX = 6.0
ARROW_PX = 34.0


class PlaneActors:
    """The actors of one `PlaneContent`.

    ``scene_actors`` are part of the scene and hide behind organs; ``front_actors`` belong in a renderer in front of
    all, so that a handle inside an organ can still be seen and held.
    """

    def __init__(self, content: PlaneContent, tokens: Tokens) -> None:
        colour = tokens.unit_rgb("cut")
        self._square, fill = _flat_actor(colour, 0.10)
        self._edge, edge = _line_actor(colour, 1.0)
        self._ghost, ghost = _line_actor(colour, 0.35)
        self._arrow, arrow = _line_actor(colour, 1.0)
        self._handles = [_ball_actor(colour) for _ in range(5)]
        self._tip, tip = _cone_actor(colour)
        self.scene_actors: tuple[Any, ...] = (fill, edge)
        self.front_actors: tuple[Any, ...] = (ghost, arrow, tip, *self._handles)
        self._lines = ((edge, 2.0), (ghost, 1.0), (arrow, 2.0))
        self.content = content
        self.update(content)

    def update(self, content: PlaneContent) -> None:
        """Show a newer description of the same plane."""
        self.content = content
        square = corners(content).astype(np.float32)
        _set_square(self._square, square)
        closed = np.concatenate([square, square[:1]])
        _set_line(self._edge, closed)
        _set_line(self._ghost, closed)
        for handle, place in zip(self._handles, (content.point, *square), strict=True):
            handle.SetPosition(*(float(v) for v in place))
        for actor in (*self.scene_actors, *self.front_actors):
            actor.SetVisibility(content.visible)
        for handle in self._handles:
            handle.SetVisibility(content.visible and content.editable)

    def resize(self, mm_per_pixel: float, pixel_ratio: float) -> None:
        """Keep handles, arrow and lines at their size on the screen, given in logical pixels."""
        for actor, width in self._lines:
            actor.GetProperty().SetLineWidth(width * pixel_ratio)
        for number, handle in enumerate(self._handles):
            handle.SetScale(HANDLE_PX * mm_per_pixel * (1.25 if number == 0 else 1.0))
        start = np.asarray(self.content.point)
        end = start + np.asarray(self.content.normal) * ARROW_PX * mm_per_pixel
        _set_line(self._arrow, np.stack([start, end]).astype(np.float32))
        self._tip.SetCenter(*end)
        self._tip.SetDirection(*self.content.normal)
        self._tip.SetHeight(11 * mm_per_pixel)
        self._tip.SetRadius(4.5 * mm_per_pixel)

    def handle_points(self) -> FloatArray:
        """LPS positions of the handles, shape (5, 3): the centre, then the corners."""
        return np.concatenate([np.asarray(self.content.point)[None], corners(self.content)])


def _flat_actor(colour: tuple[float, float, float], opacity: float) -> tuple[Any, Any]:
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    data, cells = vtkPolyData(), vtkCellArray()
    cells.InsertNextCell(4, (0, 1, 2, 3))
    data.SetPolys(cells)
    actor = _plain_actor(data, colour, opacity)
    return data, actor


def _line_actor(colour: tuple[float, float, float], opacity: float) -> tuple[Any, Any]:
    from vtkmodules.vtkCommonDataModel import vtkPolyData

    data = vtkPolyData()
    actor = _plain_actor(data, colour, opacity)
    # Drivers draw lines one pixel wide, or promise more and do not keep it; tubes have the width asked for.
    actor.GetProperty().RenderLinesAsTubesOn()
    return data, actor


def _ball_actor(colour: tuple[float, float, float]) -> Any:
    from vtkmodules.vtkFiltersSources import vtkSphereSource

    ball = vtkSphereSource()
    ball.SetRadius(1.0)
    ball.SetThetaResolution(20)
    ball.SetPhiResolution(14)
    ball.Update()
    return _plain_actor(ball.GetOutput(), colour, 1.0, lit=True)


def _cone_actor(colour: tuple[float, float, float]) -> tuple[Any, Any]:
    from vtkmodules.vtkFiltersSources import vtkConeSource
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    cone, mapper, actor = vtkConeSource(), vtkPolyDataMapper(), vtkActor()
    cone.SetResolution(20)
    mapper.SetInputConnection(cone.GetOutputPort())
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(*colour)
    actor.GetProperty().LightingOff()
    return cone, actor


def _plain_actor(data: Any, colour: tuple[float, float, float], opacity: float, lit: bool = False) -> Any:
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    mapper, actor = vtkPolyDataMapper(), vtkActor()
    mapper.SetInputData(data)
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(*colour)
    actor.GetProperty().SetOpacity(opacity)
    if not lit:
        actor.GetProperty().LightingOff()
    return actor


def _set_square(data: Any, points: FloatArray | Any) -> None:
    data.SetPoints(_points(points))


def _set_line(data: Any, points: Any) -> None:
    from vtkmodules.vtkCommonDataModel import vtkCellArray

    cells = vtkCellArray()
    cells.InsertNextCell(len(points), tuple(range(len(points))))
    data.SetPoints(_points(points))
    data.SetLines(cells)


def _points(array: Any) -> Any:
    from vtkmodules.vtkCommonCore import vtkPoints

    points = vtkPoints()
    points.SetData(to_vtk(np.ascontiguousarray(array, dtype=np.float32)))
    return points
