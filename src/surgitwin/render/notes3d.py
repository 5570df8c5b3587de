"""What lies flat on the 3D picture: title, hint, scale bar, and a warning while the sides are not confirmed."""

from __future__ import annotations

from typing import Any

import numpy as np

from surgitwin.core.text import tr
from surgitwin.render.camera import millimetres_per_pixel
from surgitwin.render.figure import MARGIN_PX, SIZE_PX, font_size, style_text
from surgitwin.render.placement import scale_bar
from surgitwin.render.tokens import Tokens
from surgitwin.render.vtk_arrays import to_vtk

PAD = 10.0
BAR_PX = 110.0
TEXT_PX = 11
HINT_FROM_PX = 400  # in a narrower view it would run into the figure


class FlatNotes:
    """The 2D actors of one renderer; `place` puts them in order for the size of the window."""

    def __init__(self, tokens: Tokens, title: str = "", hint: str = "") -> None:
        self._text = tokens.unit_rgb("scene-text")
        self._title = _text_actor(self._text, "medium")
        self._hint = _text_actor(tokens.unit_rgb("text-muted"))
        self._scale = _text_actor(self._text)
        self._warning = _text_actor(tokens.unit_rgb("caution"), "semibold")
        self._bar, self._bar_actor = _bar_actor(self._text)
        self.actors: tuple[Any, ...] = (self._title, self._hint, self._scale, self._warning, self._bar_actor)
        self._warning.GetTextProperty().SetJustificationToCentered()
        self._scale.GetTextProperty().SetJustificationToCentered()
        # Bones may lie behind it.
        self._scale.GetTextProperty().SetBackgroundColor(*tokens.unit_rgb("scene"))
        self._scale.GetTextProperty().SetBackgroundOpacity(0.6)
        self.set_texts(title, hint)
        self.set_sure(True)
        self.set_scaled(False)

    def set_texts(self, title: str, hint: str) -> None:
        self._title.SetInput(title)
        self._hint.SetInput(hint)

    def set_scaled(self, scaled: bool) -> None:
        """Show the scale bar; without anything to measure it says nothing."""
        for actor in (self._scale, self._bar_actor):
            actor.SetVisibility(scaled)

    def set_sure(self, sure: bool) -> None:
        """Warn while nobody has confirmed which side is the patient's right."""
        self._warning.SetInput("" if sure else tr("Side unknown: confirm which side is right"))

    def place(self, renderer: Any, pixel_ratio: float) -> None:
        """Lay the texts out in the renderer's window; ``pixel_ratio`` is device pixels to a logical one."""
        width, height = renderer.GetSize()
        for actor in (self._title, self._hint, self._scale, self._warning):
            actor.GetTextProperty().SetFontSize(font_size(TEXT_PX, pixel_ratio, renderer.GetRenderWindow()))
        pad, line = PAD * pixel_ratio, (TEXT_PX + 4) * pixel_ratio
        self._title.SetPosition(pad, height - pad - line * 0.8)
        self._hint.SetPosition(pad, pad)
        self._hint.SetVisibility(width > HINT_FROM_PX * pixel_ratio)
        self._warning.SetPosition(width / 2, height - pad - 3 * line)
        # Left of the orientation figure, which takes the corner.
        figure = min(SIZE_PX * pixel_ratio, 0.45 * min(width, height)) + MARGIN_PX * pixel_ratio
        scale = millimetres_per_pixel(renderer)
        length_mm, text = scale_bar(1 / scale, min(BAR_PX * pixel_ratio, width / 4))
        length = length_mm / scale
        right = width - figure - pad
        ends = np.array([[right - length, pad + 2, 0], [right, pad + 2, 0]], dtype=np.float32)
        self._bar.GetPoints().SetData(to_vtk(ends))
        self._bar.Modified()
        self._scale.SetInput(text)
        self._scale.SetPosition(right - length / 2, pad + 6 * pixel_ratio)


def _text_actor(colour: tuple[float, float, float], weight: str = "regular") -> Any:
    from vtkmodules.vtkRenderingCore import vtkTextActor

    actor = vtkTextActor()
    style_text(actor.GetTextProperty(), colour, weight)
    return actor


def _bar_actor(colour: tuple[float, float, float]) -> tuple[Any, Any]:
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkRenderingCore import vtkActor2D, vtkPolyDataMapper2D

    data, cells, points = vtkPolyData(), vtkCellArray(), vtkPoints()
    points.SetNumberOfPoints(2)
    cells.InsertNextCell(2, (0, 1))
    data.SetPoints(points)
    data.SetLines(cells)
    mapper, actor = vtkPolyDataMapper2D(), vtkActor2D()
    mapper.SetInputData(data)
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(*colour)
    actor.GetProperty().SetLineWidth(2.0)
    return data, actor
