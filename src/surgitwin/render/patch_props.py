"""Cut surfaces in 3D: see-through in the cut's colour or hatched by margin, and the control points of a patch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import FloatArray
from surgitwin.core.mesh import Mesh
from surgitwin.render import hatching
from surgitwin.render.content import CutSurfaceContent, MarginClass, PatchContent
from surgitwin.render.cut_surface import (
    MARGIN_TOKENS,
    by_margin,
    centre_of,
    hatching_coordinates,
    rim,
    surface_axes,
    unit_normals,
)
from surgitwin.render.patch_cutting import middle
from surgitwin.render.tokens import Tokens
from surgitwin.render.vtk_arrays import from_vtk, poly_data, to_vtk, with_normals

OPACITY, MARGIN_OPACITY, NET_OPACITY = 0.38, 0.85, 0.45
KNOB_PX, HOT_PX, ARROW_PX = 5.5, 8.0, 42.0
HATCH_MM = {MarginClass.UNCERTAIN: 6.0, MarginClass.BELOW: 4.0}


class CutSurfaceActors:
    """The actors of one `CutSurfaceContent`.

    ``scene_actors`` are part of the scene and hide behind organs; ``front_actors`` belong in a renderer in front of
    all.
    """

    def __init__(self, content: CutSurfaceContent, tokens: Tokens) -> None:
        self.tokens = tokens
        colour = tokens.unit_rgb("cut")
        self._fills = {margin: _Fill(margin, tokens) for margin in MarginClass}
        self._rim, rim_actor = _lines(colour, 1.0)
        self._ghost, ghost = _lines(colour, 0.35)
        self._shaft, shaft = _lines(colour, 1.0)
        self._tip, tip = _cone(colour)
        self._arrow = (shaft, tip)
        self._widths: tuple[tuple[Any, float], ...] = ((rim_actor, 2.0), (ghost, 1.0), (shaft, 2.0))
        self.scene_actors: tuple[Any, ...] = (*(fill.actor for fill in self._fills.values()), rim_actor)
        self.front_actors: tuple[Any, ...] = (ghost, shaft, tip)
        self._triangles: Any = None
        self._rim_edges: NDArray[np.int64] = np.zeros((0, 2), np.int64)
        self._centre: tuple[FloatArray, FloatArray] | None = None
        self.content = content
        self.update(content)

    def update(self, content: CutSurfaceContent) -> None:
        """Show a newer description of the same surface."""
        self.content = content
        self._show(content.visible and not content.mesh.empty)
        if not content.visible or content.mesh.empty:
            self._centre = None
            return
        self._fill(content)
        if content.mesh.triangles is not self._triangles:
            self._triangles = content.mesh.triangles
            self._rim_edges = rim(content.mesh.triangles)
        for data in (self._rim, self._ghost):
            _set_edges(data, content.mesh.points, self._rim_edges)
        self._centre = self._middle(content)
        for actor in self._arrow:
            actor.SetVisibility(self._pointing)

    def resize(self, mm_per_pixel: float, pixel_ratio: float) -> None:
        """Keep arrow and lines at their size on the screen, given in logical pixels."""
        for actor, width in self._widths:
            actor.GetProperty().SetLineWidth(width * pixel_ratio)
        if self._centre is None or not self._pointing:
            return
        place, towards = self._centre
        end = place + towards * ARROW_PX * mm_per_pixel
        _set_edges(self._shaft, np.stack([place, end]), np.array([[0, 1]]))
        self._tip.SetCenter(*end)
        self._tip.SetDirection(*towards)
        self._tip.SetHeight(15 * mm_per_pixel)
        self._tip.SetRadius(6.0 * mm_per_pixel)

    def arrow_points(self, mm_per_pixel: float) -> FloatArray:
        """LPS places along the arrow's outer half, by which a patch is held as a whole; (n, 3), n may be 0."""
        if self._centre is None or not self._pointing:
            return np.zeros((0, 3))
        place, towards = self._centre
        share = np.array([[0.6], [0.8], [1.0], [1.15]])
        return np.asarray(place + share * ARROW_PX * mm_per_pixel * towards)

    @property
    def _pointing(self) -> bool:
        return self._centre is not None and bool(self._centre[1].any())

    def _middle(self, content: CutSurfaceContent) -> tuple[FloatArray, FloatArray] | None:
        return centre_of(content)

    def _show(self, shown: bool) -> None:
        for actor in (*self.scene_actors, *self.front_actors):
            actor.SetVisibility(shown)

    def _fill(self, content: CutSurfaceContent) -> None:
        mesh, margins = by_margin(content)
        whole = with_normals(poly_data(mesh))
        if not margins.any():
            for margin, fill in self._fills.items():
                fill.show(whole if margin == MarginClass.NOTHING else None)
            return
        normals = from_vtk(whole.GetPointData().GetNormals())
        axes = surface_axes(mesh)
        for margin, fill in self._fills.items():
            triangles = mesh.triangles[margins == margin]
            if not len(triangles):
                fill.show(None)
            elif margin not in HATCH_MM:
                fill.show(poly_data(Mesh(mesh.points, triangles, normals)))
            else:
                corners = mesh.points[triangles]
                millimetres = hatching_coordinates(corners, unit_normals(mesh, triangles), axes)
                fill.show(_loose(corners, normals[triangles], millimetres / HATCH_MM[margin]))


class PatchActors(CutSurfaceActors):
    """The actors of one `PatchContent`: its surface, and the control points with the net between them."""

    content: PatchContent

    def __init__(self, content: PatchContent, tokens: Tokens) -> None:
        self._knobs, self._knob_data, knobs = _knobs()
        self._net, net = _lines(tokens.unit_rgb("cut"), NET_OPACITY)
        self._held = (net, knobs)
        self.hot: tuple[int, int] | None = None
        super().__init__(content, tokens)
        self._widths = (*self._widths, (net, 1.0))
        self.front_actors = (*self.front_actors, net, knobs)

    def update(self, content: CutSurfaceContent) -> None:
        assert isinstance(content, PatchContent)
        super().update(content)
        for actor in self._held:
            actor.SetVisibility(content.visible and content.editable)
        points = content.control_points
        number = np.arange(points[..., 0].size).reshape(points.shape[:2])
        edges = [np.stack([number[:-1], number[1:]], -1), np.stack([number[:, :-1], number[:, 1:]], -1)]
        _set_edges(self._net, points.reshape(-1, 3), np.concatenate([e.reshape(-1, 2) for e in edges]))

    def set_hot(self, knob: tuple[int, int] | None) -> bool:
        """Mark the control point under the mouse; True if that changed."""
        changed, self.hot = knob != self.hot, knob
        return changed

    def resize(self, mm_per_pixel: float, pixel_ratio: float) -> None:
        super().resize(mm_per_pixel, pixel_ratio)
        points = self.content.control_points.reshape(-1, 3)
        colours = np.tile(np.array(self.tokens.rgb("cut"), dtype=np.uint8), (len(points), 1))
        sizes = np.full(len(points), KNOB_PX * mm_per_pixel, dtype=np.float32)
        if self.hot is not None:
            number = self.hot[0] * self.content.control_points.shape[1] + self.hot[1]
            colours[number] = self.tokens.rgb("scene-text")
            sizes[number] = HOT_PX * mm_per_pixel
        _set_knobs(self._knob_data, points, colours, sizes)

    def handle_points(self) -> FloatArray:
        """LPS places of the control points, (rows x columns, 3), row by row."""
        return self.content.control_points.reshape(-1, 3)

    def _middle(self, content: CutSurfaceContent) -> tuple[FloatArray, FloatArray] | None:
        assert isinstance(content, PatchContent)
        return middle(content)


class _Fill:
    """The triangles of one margin class."""

    def __init__(self, margin: MarginClass, tokens: Tokens) -> None:
        from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

        self._mapper, self.actor = vtkPolyDataMapper(), vtkActor()
        self._mapper.ScalarVisibilityOff()
        self.actor.SetMapper(self._mapper)
        look = self.actor.GetProperty()
        look.SetColor(*tokens.unit_rgb(MARGIN_TOKENS.get(margin, "cut")))
        look.SetOpacity(OPACITY if margin == MarginClass.NOTHING else MARGIN_OPACITY)
        look.SetAmbient(0.45)
        look.SetDiffuse(0.6)
        if margin == MarginClass.UNCERTAIN:
            self.actor.SetTexture(hatching.texture(hatching.stripes()))
        elif margin == MarginClass.BELOW:
            self.actor.SetTexture(hatching.texture(hatching.crossed()))

    def show(self, data: Any) -> None:
        self.actor.SetVisibility(data is not None)
        if data is not None:
            self._mapper.SetInputData(data)


def _loose(corners: NDArray[np.float32], normals: NDArray[Any], coordinates: NDArray[np.float32]) -> Any:
    """Triangles that share no points (m, 3, 3), so that each has texture coordinates (m, 3, 2) of its own."""
    mesh = Mesh(
        np.ascontiguousarray(corners.reshape(-1, 3)),
        np.arange(3 * len(corners), dtype=np.int32).reshape(-1, 3),
        np.ascontiguousarray(normals.reshape(-1, 3), dtype=np.float32),
    )
    data = poly_data(mesh)
    data.GetPointData().SetTCoords(to_vtk(coordinates.reshape(-1, 2).astype(np.float32)))
    return data


def _lines(colour: tuple[float, float, float], opacity: float) -> tuple[Any, Any]:
    from vtkmodules.vtkCommonDataModel import vtkPolyData
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    data, mapper, actor = vtkPolyData(), vtkPolyDataMapper(), vtkActor()
    mapper.SetInputData(data)
    actor.SetMapper(mapper)
    look = actor.GetProperty()
    look.SetColor(*colour)
    look.SetOpacity(opacity)
    look.LightingOff()
    # Drivers draw lines one pixel wide, or promise more and do not keep it; tubes have the width asked for.
    look.RenderLinesAsTubesOn()
    return data, actor


def _set_edges(data: Any, points: NDArray[Any], edges: NDArray[Any]) -> None:
    from vtkmodules.vtkCommonDataModel import vtkCellArray

    cells = vtkCellArray()
    if len(edges):
        cells.SetData(2, to_vtk(edges.astype(np.int64).reshape(-1)))
    data.SetPoints(_places(points))
    data.SetLines(cells)


def _cone(colour: tuple[float, float, float]) -> tuple[Any, Any]:
    from vtkmodules.vtkFiltersSources import vtkConeSource
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    cone, mapper, actor = vtkConeSource(), vtkPolyDataMapper(), vtkActor()
    cone.SetResolution(20)
    mapper.SetInputConnection(cone.GetOutputPort())
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(*colour)
    actor.GetProperty().LightingOff()
    return cone, actor


def _knobs() -> tuple[Any, Any, Any]:
    """All control points of a patch as one actor: a ball for each, of a colour and size of its own."""
    from vtkmodules.vtkCommonDataModel import vtkPolyData
    from vtkmodules.vtkFiltersSources import vtkSphereSource
    from vtkmodules.vtkRenderingCore import vtkActor, vtkGlyph3DMapper

    ball, data, mapper, actor = vtkSphereSource(), vtkPolyData(), vtkGlyph3DMapper(), vtkActor()
    ball.SetRadius(1.0)
    ball.SetThetaResolution(20)
    ball.SetPhiResolution(14)
    mapper.SetSourceConnection(ball.GetOutputPort())
    mapper.SetInputData(data)
    mapper.SetScaleArray("size")
    mapper.SetScaleModeToScaleByMagnitude()
    mapper.SetColorModeToDirectScalars()
    mapper.SetScalarModeToUsePointFieldData()
    mapper.SelectColorArray("colour")
    actor.SetMapper(mapper)
    return mapper, data, actor


def _set_knobs(data: Any, points: FloatArray, colours: NDArray[np.uint8], sizes: NDArray[np.float32]) -> None:
    colour, size = to_vtk(colours), to_vtk(sizes)
    colour.SetName("colour")
    size.SetName("size")
    data.SetPoints(_places(points))
    data.GetPointData().AddArray(colour)
    data.GetPointData().AddArray(size)
    data.Modified()


def _places(array: NDArray[Any]) -> Any:
    from vtkmodules.vtkCommonCore import vtkPoints

    points = vtkPoints()
    points.SetData(to_vtk(np.array(array, dtype=np.float32)))
    return points
