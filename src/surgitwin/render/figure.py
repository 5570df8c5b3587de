"""The orientation figure: a small person in the corner who lies as the patient does, with the letters of the sides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import FloatArray
from surgitwin.core.mesh import Mesh
from surgitwin.render.camera import screen_axes
from surgitwin.render.tokens import FONT_FILES, Tokens
from surgitwin.render.vtk_arrays import poly_data, with_normals

SIZE_PX = 104.0
MARGIN_PX = 8.0
HALF_HEIGHT = 1.75
LETTERS = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
# Ellipsoids as (centre, half axes) in LPS, head up, standing 2.2 units tall and facing anterior.
PARTS = (
    ((0.0, 0.0, 0.92), (0.20, 0.22, 0.24)),
    ((0.0, -0.20, 0.90), (0.05, 0.09, 0.05)),
    ((0.0, 0.0, 0.64), (0.09, 0.09, 0.14)),
    ((0.0, 0.0, 0.28), (0.36, 0.22, 0.38)),
    ((0.0, 0.0, -0.12), (0.29, 0.20, 0.24)),
    ((0.17, 0.0, -0.58), (0.13, 0.14, 0.46)),
    ((-0.17, 0.0, -0.58), (0.13, 0.14, 0.46)),
    ((0.17, -0.12, -1.03), (0.10, 0.22, 0.07)),
    ((-0.17, -0.12, -1.03), (0.10, 0.22, 0.07)),
    ((0.46, -0.02, 0.14), (0.09, 0.10, 0.42)),
    ((-0.46, -0.02, 0.14), (0.09, 0.10, 0.42)),
)


class OrientationFigure:
    """A small scene of its own in the bottom right corner; `follow` turns it with the main camera.

    Parameters
    ----------
    sure
        False if nobody confirmed the sides: the letters then carry a question mark.
    """

    def __init__(self, tokens: Tokens, sure: bool = True) -> None:
        from vtkmodules.vtkRenderingCore import vtkRenderer

        self.renderer: Any = vtkRenderer()
        self.renderer.SetLayer(1)
        self.renderer.InteractiveOff()
        self.renderer.SetBackgroundAlpha(0.0)
        self.renderer.AddActor(_body(tokens))
        self._letters = {letter: _letter(letter, tokens) for letter in LETTERS}
        for actor in self._letters.values():
            self.renderer.AddActor(actor)
        self.set_sure(sure)

    def set_sure(self, sure: bool) -> None:
        for letter, actor in self._letters.items():
            actor.SetInput(letter if sure else f"{letter}?")

    def follow(self, main: Any, pixel_ratio: float) -> None:
        """Look at the figure as ``main`` (a vtkRenderer) looks at the patient, at the same size in any window."""
        width, height = main.GetSize()
        side = min(SIZE_PX * pixel_ratio, 0.45 * min(width, height))
        margin = MARGIN_PX * pixel_ratio
        self.renderer.SetViewport(
            max(1 - (side + margin) / width, 0), margin / height, 1 - margin / width, min((side + margin) / height, 1)
        )
        right, up, towards = screen_axes(main)
        camera = self.renderer.GetActiveCamera()
        camera.SetParallelProjection(True)
        camera.SetFocalPoint(0.0, 0.0, 0.0)
        camera.SetPosition(*(towards * 10))
        camera.SetViewUp(*up)
        camera.SetParallelScale(HALF_HEIGHT)
        camera.SetClippingRange(1.0, 20.0)
        for letter, direction in LETTERS.items():
            way = np.asarray(direction, dtype=np.float64)
            actor = self._letters[letter]
            # A letter that points at the viewer, or away, would only lie on top of the figure.
            actor.SetVisibility(bool(np.hypot(way @ right, way @ up) > 0.5))
            reach = 1.42 if letter in "SI" else 0.86
            actor.SetPosition(*(way * reach))
            actor.GetTextProperty().SetFontSize(font_size(11, pixel_ratio, main.GetRenderWindow()))


def _body(tokens: Tokens) -> Any:
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    mapper, actor = vtkPolyDataMapper(), vtkActor()
    mapper.SetInputData(with_normals(poly_data(figure_mesh())))
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(*tokens.unit_rgb("figure"))
    actor.GetProperty().SetSpecular(0.15)
    return actor


def figure_mesh() -> Mesh:
    """The person: ellipsoids put together, in LPS, about 2.3 units tall."""
    points, triangles = _unit_ball()
    places = [points * np.asarray(half_axes) + np.asarray(centre) for centre, half_axes in PARTS]
    faces = [triangles + number * len(points) for number in range(len(PARTS))]
    return Mesh(np.concatenate(places).astype(np.float32), np.concatenate(faces).astype(np.int32))


def _unit_ball(rings: int = 14, sectors: int = 22) -> tuple[FloatArray, NDArray[np.int64]]:
    polar, around = np.meshgrid(
        np.pi * np.arange(rings + 1) / rings, 2 * np.pi * np.arange(sectors) / sectors, indexing="ij"
    )
    points = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], axis=-1)
    first = np.arange(rings * sectors).reshape(rings, sectors)
    beside = np.roll(first, -1, axis=1)
    quads = np.stack([first, first + sectors, beside + sectors, beside], axis=-1).reshape(-1, 4)
    return points.reshape(-1, 3), np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _letter(letter: str, tokens: Tokens) -> Any:
    from vtkmodules.vtkRenderingCore import vtkBillboardTextActor3D

    actor = vtkBillboardTextActor3D()
    actor.SetInput(letter)
    style_text(actor.GetTextProperty(), tokens.unit_rgb("scene-text"), "semibold")
    # Bones may lie behind it.
    actor.GetTextProperty().SetBackgroundColor(*tokens.unit_rgb("scene"))
    actor.GetTextProperty().SetBackgroundOpacity(0.6)
    actor.GetTextProperty().SetJustificationToCentered()
    actor.GetTextProperty().SetVerticalJustificationToCentered()
    return actor


def font_size(logical_px: float, pixel_ratio: float, window: Any) -> int:
    """The size to give VTK for text of ``logical_px``: it counts in points of the window's resolution."""
    points = logical_px * pixel_ratio * 72.0 / max(float(window.GetDPI()), 1.0)
    return max(round(points), 4)


def style_text(text_property: Any, colour: tuple[float, float, float], weight: str = "regular") -> None:
    """Give a vtkTextProperty Inter and a colour."""
    from vtkmodules.vtkRenderingCore import vtkTextProperty  # noqa: F401  registers the class

    text_property.SetFontFamily(4)  # VTK_FONT_FILE
    text_property.SetFontFile(str(FONT_FILES[weight]))
    text_property.SetColor(*colour)
    text_property.ItalicOff()
    text_property.BoldOff()
    text_property.ShadowOff()
