"""Measurements in 3D: lines in front of everything, with their value beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from surgitwin.render.camera import to_screen
from surgitwin.render.figure import style_text
from surgitwin.render.measures import MeasureContent, label_boxes
from surgitwin.render.tokens import Tokens
from surgitwin.render.vtk_arrays import to_vtk

Colour = tuple[float, float, float]


class MeasureActors:
    """The actors of all measurements of a scene, in the renderer in front."""

    def __init__(
        self, contents: tuple[MeasureContent, ...], tokens: Tokens, front: Any, text_size: int, pixel_ratio: float
    ) -> None:
        self.contents = contents
        self._front = front
        self._actors: list[Any] = []
        self._labels: list[tuple[MeasureContent, Any]] = []
        self._text_size = text_size
        for content in contents:
            if content.visible:
                under = tokens.unit_rgb("annotation-shadow")
                self._actors += [_lines(content, 4.0 * pixel_ratio, under), _lines(content, 2.0 * pixel_ratio)]
                self._actors += [_points(content, 9.0 * pixel_ratio, under), _points(content, 6.0 * pixel_ratio)]
                label = _label(content, tokens, text_size)
                self._actors.append(label)
                self._labels.append((content, label))
        for actor in self._actors:
            front.AddActor(actor)

    def place(self, renderer: Any) -> None:
        """Move the labels beside each other where they would overlap; before every frame."""
        if not self._labels:
            return
        width, height = renderer.GetSize()
        at = to_screen(renderer, np.array([content.label_at for content, _ in self._labels]))[:, :2]
        at[:, 1] = height - at[:, 1]
        wide, high = 0.62 * self._text_size, 1.5 * self._text_size
        sizes = [
            ((float(x), float(y)), wide * (len(content.label) + 2), high)
            for (x, y), (content, _) in zip(at, self._labels, strict=True)
        ]
        boxes = label_boxes(sizes, float(width), float(height))
        for (x, y), box, (_, label) in zip(at, boxes, self._labels, strict=True):
            label.SetDisplayOffset(round(box[0] - x), round(y - box[3]))

    def close(self) -> None:
        for actor in self._actors:
            self._front.RemoveActor(actor)


def _flat(content: MeasureContent, data: Any, colour: Colour | None) -> Any:
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    mapper, actor = vtkPolyDataMapper(), vtkActor()
    mapper.SetInputData(data)
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(*(colour or [part / 255 for part in content.colour]))
    if colour is None:  # in front of its own dark edge
        mapper.SetResolveCoincidentTopologyToPolygonOffset()
        mapper.SetRelativeCoincidentTopologyLineOffsetParameters(0, -4)
        mapper.SetRelativeCoincidentTopologyPointOffsetParameter(-8)
    actor.GetProperty().LightingOff()
    return actor


def _lines(content: MeasureContent, width: float, colour: Colour | None = None) -> Any:
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    data, cells, points = vtkPolyData(), vtkCellArray(), vtkPoints()
    first = 0
    for line in content.lines:
        cells.InsertNextCell(len(line), range(first, first + len(line)))
        first += len(line)
    places = [point for line in content.lines for point in line] or [(0.0, 0.0, 0.0)]
    points.SetData(to_vtk(np.asarray(places, dtype=np.float32)))
    data.SetPoints(points)
    data.SetLines(cells)
    actor = _flat(content, data, colour)
    actor.GetProperty().SetLineWidth(width)
    return actor


def _points(content: MeasureContent, size: float, colour: Colour | None = None) -> Any:
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    data, cells, points = vtkPolyData(), vtkCellArray(), vtkPoints()
    for number in range(len(content.points)):
        cells.InsertNextCell(1, (number,))
    points.SetData(to_vtk(np.asarray(content.points, dtype=np.float32)))
    data.SetPoints(points)
    data.SetVerts(cells)
    actor = _flat(content, data, colour)
    actor.GetProperty().SetPointSize(size)
    return actor


def _label(content: MeasureContent, tokens: Tokens, text_size: int) -> Any:
    from vtkmodules.vtkRenderingCore import vtkBillboardTextActor3D

    actor = vtkBillboardTextActor3D()
    actor.SetInput(f" {content.label} ")
    actor.SetPosition(*content.label_at)
    actor.SetDisplayOffset(8, 8)
    style = actor.GetTextProperty()
    red, green, blue = (part / 255 for part in content.colour)
    style_text(style, (red, green, blue), "semibold")
    style.SetFontSize(text_size)
    style.SetBackgroundColor(*tokens.unit_rgb("annotation-shadow"))
    style.SetBackgroundOpacity(0.8)
    return actor
