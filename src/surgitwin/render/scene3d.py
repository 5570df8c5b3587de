"""The 3D scene of one view: surfaces, cuts, lesion numbers, a volume, and what helps to read them.

It draws into a vtkRenderer that somebody else owns: the window's, or an off-screen one. Main thread only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from surgitwin.render.bounds import content_bounds, unmeasured
from surgitwin.render.camera import CameraState, Side, camera_from, millimetres_per_pixel
from surgitwin.render.coloured_surface import ColouredSurfaceActor
from surgitwin.render.content import PatchContent, SceneContent, SurfaceContent, Vec3
from surgitwin.render.figure import OrientationFigure, font_size, style_text
from surgitwin.render.measure_props import MeasureActors
from surgitwin.render.notes3d import FlatNotes
from surgitwin.render.patch_props import CutSurfaceActors, PatchActors
from surgitwin.render.plane_props import PlaneActors
from surgitwin.render.prepared import MeshStore
from surgitwin.render.surface_props import Piece, SurfaceActor
from surgitwin.render.tokens import Tokens
from surgitwin.render.vessel_props import TreeActors
from surgitwin.render.volume_props import VolumeActor, VolumeStore, volume_preset

MOST_PEELS = 6
FOCUS_PX = 12.0
# New triangles that one frame takes up: about 20 ms of one processor core.
UPLOAD_TRIANGLES = 60_000


class Scene3D:
    """Keeps VTK's props in step with a `SceneContent`.

    Parameters
    ----------
    renderer
        The main vtkRenderer, already in its window.
    window
        The vtkRenderWindow; a second renderer for the orientation figure and one in front of all are added to it.
    peeling
        Exact order of translucent surfaces (depth peeling, one pass for each layer); otherwise weighted blending.
    software
        True where the processor draws, which decides how a volume is rendered.
    gradual
        New surfaces go to where they are drawn from in small parts, some with each frame; `uploading` says that more
        frames are wanted. Otherwise the next frame shows everything, however long it takes.
    """

    def __init__(
        self,
        renderer: Any,
        window: Any,
        tokens: Tokens,
        peeling: bool = False,
        software: bool = True,
        gradual: bool = False,
    ) -> None:
        from vtkmodules.vtkRenderingCore import vtkRenderer

        self.renderer, self._window, self.tokens = renderer, window, tokens
        self.pixel_ratio = 1.0
        self.software = software
        self._gradual = gradual
        self.meshes = MeshStore(frugal=software and not peeling)
        self.volumes = VolumeStore(software)
        self.content = self._whole = SceneContent()
        self.front: Any = vtkRenderer()
        self.front.SetLayer(1)
        self.front.InteractiveOff()
        self.figure = OrientationFigure(tokens)
        self.notes = FlatNotes(tokens)
        self._surfaces: dict[str, SurfaceActor | ColouredSurfaceActor] = {}
        self._leaving: list[Any] = []
        self._planes: dict[str, PlaneActors] = {}
        self._cuts: dict[tuple[str, bool], CutSurfaceActors] = {}
        self._trees: dict[str, TreeActors] = {}
        self._markers: list[Any] = []
        self._measures: MeasureActors | None = None
        self._volume: VolumeActor | None = None
        self._focus_data, self._focus = _cross(tokens)
        self._prepare(peeling)
        self._observers = [renderer.AddObserver("StartEvent", self._before_render)]
        if gradual:
            self._observers.append(renderer.AddObserver("EndEvent", self._upload))
        self._framed = False
        self._moving = False

    # Content ---------------------------------------------------------------------------------------------------

    def set_content(self, content: SceneContent, whole: SceneContent | None = None) -> None:
        """Show ``content``; only what changed is touched. The first surfaces or volume are framed.

        Parameters
        ----------
        whole
            What will be shown once everything is prepared; views from a side frame it.
        """
        self.content = content
        self._whole = content if whole is None else whole
        self._update_surfaces()
        self._update_planes()
        self._update_cuts()
        self._update_trees()
        self._update_markers()
        self._update_measures()
        self._update_volume()
        self._focus.SetVisibility(content.focus is not None)
        self.figure.set_sure(content.side_confirmed)
        self.notes.set_sure(content.side_confirmed)
        if not self._framed and not self._to_measure and content_bounds(self._whole) is not None:
            self.look_from(Side.ANTERIOR)
            self._framed = True
            self.notes.set_scaled(True)

    def set_tokens(self, tokens: Tokens) -> None:
        """Change the background's colour; all else keeps its own until it is built anew."""
        self.tokens = tokens
        self.renderer.SetBackground(*tokens.unit_rgb("scene"))

    def tidy(self, most: int | None = None) -> bool:
        """Take actors that are seen no more out of the renderer; True if some are left.

        Each lets go of what it holds on the graphics card, so a view that shows things gradually takes out ``most`` at
        a time, between its frames.
        """
        count = len(self._leaving) if most is None else most
        for actor in self._leaving[:count]:
            self.renderer.RemoveActor(actor)
        del self._leaving[:count]
        return bool(self._leaving)

    @property
    def _to_measure(self) -> bool:
        """True while it would take long to say how large everything is; who shows things gradually measures first."""
        return self._gradual and bool(unmeasured(s.mesh for s in self._whole.surfaces if s.visible))

    # Camera ----------------------------------------------------------------------------------------------------

    def look_from(self, side: Side) -> None:
        """Show everything, seen from one side of the patient."""
        bounds = content_bounds(self._whole)
        low, high = (np.full(3, -50.0), np.full(3, 50.0)) if bounds is None else bounds
        width, height = self.renderer.GetSize()
        self.set_camera(camera_from(side, low, high, max(width, 1) / max(height, 1)))

    @property
    def camera(self) -> CameraState:
        return CameraState.of(self.renderer)

    def set_camera(self, state: CameraState) -> None:
        state.apply(self.renderer)

    def centre_on(self, point: Vec3) -> None:
        """Turn about an LPS point from now on, at the same scale and from the same side."""
        camera = self.renderer.GetActiveCamera()
        shift = np.asarray(point) - np.asarray(camera.GetFocalPoint())
        camera.SetPosition(*(np.asarray(camera.GetPosition()) + shift))
        camera.SetFocalPoint(*point)
        self.renderer.ResetCameraClippingRange()

    def set_moving(self, moving: bool) -> None:
        """Draw coarse stand-ins of large surfaces while the view moves, if there are any."""
        if moving != self._moving:
            self._moving = moving
            for surface in self._surfaces.values():
                surface.set_moving(moving)
            for tree in self._trees.values():
                tree.set_moving(moving)

    @property
    def uploading(self) -> bool:
        """True while surfaces wait for frames that take them up."""
        return self._gradual and any(True for _ in self._waiting())

    # Handles ---------------------------------------------------------------------------------------------------

    def planes(self) -> tuple[PlaneActors, ...]:
        return tuple(self._planes.values())

    def patches(self) -> tuple[PatchActors, ...]:
        return tuple(cut for cut in self._cuts.values() if isinstance(cut, PatchActors))

    def pickable(self) -> tuple[Any, ...]:
        """The props that a click can hit: visible surfaces and the volume."""
        found = [actor for surface in self._surfaces.values() if surface.shown for actor in surface.actors]
        return (*found, self._volume.volume) if self._volume is not None else tuple(found)

    def pickable_surfaces(self) -> list[tuple[str, Any]]:
        """The actors of surfaces that one cannot see through, with the id of what they show."""
        solid = {key: one for key, one in self._surfaces.items() if one.shown and one.content.opacity >= 1.0}
        return [(key, actor) for key, one in solid.items() for actor in one.actors]

    def close(self) -> None:
        """Take everything out of the window again and let go of it."""
        for observer in self._observers:
            self.renderer.RemoveObserver(observer)
        for renderer in (self.front, self.figure.renderer):
            renderer.RemoveAllViewProps()
            renderer.ReleaseGraphicsResources(self._window)
            self._window.RemoveRenderer(renderer)
        for actor in self.notes.actors:
            self.renderer.RemoveViewProp(actor)
        self._surfaces.clear()
        self._leaving.clear()
        self._planes.clear()
        self._cuts.clear()
        self._trees.clear()
        self._markers.clear()
        self._measures = None
        self._drop_volume()
        self.renderer.RemoveAllViewProps()

    # ------------------------------------------------------------------------------------------------------------

    def _prepare(self, peeling: bool) -> None:
        from vtkmodules.vtkRenderingCore import vtkLightKit

        renderer = self.renderer
        renderer.SetBackground(*self.tokens.unit_rgb("scene"))
        renderer.GradientBackgroundOff()
        renderer.RemoveAllLights()
        renderer.AutomaticLightCreationOff()
        lights = vtkLightKit()
        lights.SetKeyLightIntensity(0.9)
        lights.SetKeyToFillRatio(2.2)
        lights.SetKeyToBackRatio(4.0)
        # White light, so that an organ has the colour that the tree shows for it.
        for warmth in (lights.SetKeyLightWarmth, lights.SetFillLightWarmth):
            warmth(0.5)
        lights.SetHeadLightWarmth(0.5)
        lights.SetBackLightWarmth(0.5)
        lights.AddLightsToRenderer(renderer)
        renderer.SetUseDepthPeeling(peeling)
        renderer.SetMaximumNumberOfPeels(MOST_PEELS)
        renderer.SetOcclusionRatio(0.0)
        renderer.GetActiveCamera().SetParallelProjection(True)
        self.front.SetActiveCamera(renderer.GetActiveCamera())
        self.front.AddActor(self._focus)
        self._window.SetNumberOfLayers(2)
        self._window.AddRenderer(self.front)
        self._window.AddRenderer(self.figure.renderer)
        for actor in self.notes.actors:
            renderer.AddViewProp(actor)

    def _before_render(self, *_: Any) -> None:
        """Things of a fixed size on the screen follow the camera and the window."""
        if self.front.GetActiveCamera() is not self.renderer.GetActiveCamera():
            self.front.SetActiveCamera(self.renderer.GetActiveCamera())
        self.figure.follow(self.renderer, self.pixel_ratio)
        self.notes.place(self.renderer, self.pixel_ratio)
        scale = millimetres_per_pixel(self.renderer) * self.pixel_ratio
        for plane in self._planes.values():
            plane.resize(scale, self.pixel_ratio)
        for cut in self._cuts.values():
            cut.resize(scale, self.pixel_ratio)
        if self._measures is not None:
            self._measures.place(self.renderer)
        texts = np.zeros((0, 4))
        for tree in self._trees.values():
            texts = tree.place(self.pixel_ratio, texts)
        if self.content.focus is not None:
            self._focus_data.SetPoints(_cross_points(self.content.focus, FOCUS_PX * scale))
        self.renderer.ResetCameraClippingRange()

    def _waiting(self) -> Iterator[tuple[SurfaceActor | ColouredSurfaceActor, Piece]]:
        """What is not uploaded yet; every stand-in comes before the first fine piece."""
        for coarse in (True, False):
            for surface in self._surfaces.values():
                for piece in surface.waiting(coarse):
                    yield surface, piece

    def _upload(self, *_: Any) -> None:
        """At the end of a frame: bring some more triangles to where they are drawn from.

        VTK does that when it first draws them, so they are drawn without leaving a trace.
        """
        state = self._window.GetState()
        done: dict[int, SurfaceActor | ColouredSurfaceActor] = {}
        triangles = 0
        for surface, piece in self._waiting():
            if done and triangles + piece.triangles > UPLOAD_TRIANGLES:
                break
            if not done:
                state.vtkglColorMask(False, False, False, False)
                state.vtkglDepthMask(False)
            piece.mapper.Render(self.renderer, piece.actor)
            piece.uploaded = True
            done[id(surface)] = surface
            triangles += piece.triangles
        if done:
            state.vtkglColorMask(True, True, True, True)
            state.vtkglDepthMask(True)
        for surface in done.values():
            surface.taken()

    def _update_surfaces(self) -> None:
        wanted = {surface.id: surface for surface in self.content.surfaces}
        for gone in [key for key, known in self._surfaces.items() if not _draws(known, wanted.get(key))]:
            self._leaving += self._surfaces.pop(gone).close()
        if not self._gradual:
            self.tidy()
        for key, content in wanted.items():
            if key not in self._surfaces:
                self._surfaces[key] = (
                    SurfaceActor(content, self.meshes, self.renderer)
                    if content.colours is None
                    else ColouredSurfaceActor(content, self.renderer)
                )
                self._surfaces[key].set_moving(self._moving)
        plain = [(key, c) for key, c in wanted.items() if c.colours is None]
        new = sum(len(c.mesh.triangles) for key, c in plain if self._surfaces[key].wants(c))
        for key, content in wanted.items():
            known = self._surfaces[key]
            if known.content is not content or known.wants(content):
                known.update(content, self._gradual and new > UPLOAD_TRIANGLES)

    def _update_planes(self) -> None:
        wanted = {plane.id: plane for plane in self.content.planes}
        for gone in self._planes.keys() - wanted.keys():
            actors = self._planes.pop(gone)
            for actor in actors.scene_actors:
                self.renderer.RemoveActor(actor)
            for actor in actors.front_actors:
                self.front.RemoveActor(actor)
        for key, content in wanted.items():
            known = self._planes.get(key)
            if known is None:
                known = self._planes[key] = PlaneActors(content, self.tokens)
                for actor in known.scene_actors:
                    self.renderer.AddActor(actor)
                for actor in known.front_actors:
                    self.front.AddActor(actor)
            elif known.content != content:
                known.update(content)

    def _update_cuts(self) -> None:
        cuts = (*self.content.patches, *self.content.cut_surfaces)
        wanted = {(cut.id, isinstance(cut, PatchContent)): cut for cut in cuts}
        for gone in self._cuts.keys() - wanted.keys():
            actors = self._cuts.pop(gone)
            for actor in actors.scene_actors:
                self.renderer.RemoveActor(actor)
            for actor in actors.front_actors:
                self.front.RemoveActor(actor)
        for key, content in wanted.items():
            known = self._cuts.get(key)
            if known is None:
                if isinstance(content, PatchContent):
                    known = PatchActors(content, self.tokens)
                else:
                    known = CutSurfaceActors(content, self.tokens)
                self._cuts[key] = known
                for actor in known.scene_actors:
                    self.renderer.AddActor(actor)
                for actor in known.front_actors:
                    self.front.AddActor(actor)
            elif known.content is not content:
                known.update(content)

    def _update_trees(self) -> None:
        wanted = {tree.id: tree for tree in self.content.trees}
        for gone in self._trees.keys() - wanted.keys():
            self._trees.pop(gone).close()
        for key, content in wanted.items():
            known = self._trees.get(key)
            if known is None:
                self._trees[key] = TreeActors(content, self.tokens, self.renderer, self.front)
                self._trees[key].set_moving(self._moving)
            elif known.content is not content:
                known.update(content)

    def _update_markers(self) -> None:
        from vtkmodules.vtkRenderingCore import vtkBillboardTextActor3D

        for actor in self._markers:
            self.front.RemoveActor(actor)
        self._markers = []
        for marker in self.content.markers:
            actor = vtkBillboardTextActor3D()
            actor.SetInput(f" {marker.text} ")
            actor.SetPosition(*marker.point)
            style = actor.GetTextProperty()
            style_text(style, self.tokens.unit_rgb("on-lesion"), "semibold")
            style.SetFontSize(font_size(12, self.pixel_ratio, self._window))
            style.SetBackgroundColor(*self.tokens.unit_rgb("lesion"))
            style.SetBackgroundOpacity(1.0)
            style.SetJustificationToCentered()
            style.SetVerticalJustificationToCentered()
            self.front.AddActor(actor)
            self._markers.append(actor)

    def _update_measures(self) -> None:
        if self._measures is not None and self._measures.contents == self.content.measures:
            return
        if self._measures is not None:
            self._measures.close()
            self._measures = None
        if self.content.measures:
            size = font_size(12, self.pixel_ratio, self._window)
            self._measures = MeasureActors(self.content.measures, self.tokens, self.front, size, self.pixel_ratio)

    def _update_volume(self) -> None:
        content = self.content
        if content.image is None:
            self.volumes.clear()
        if content.image is None or content.volume_preset is None:
            self._drop_volume()
            return
        actor = self.volumes.of(content.image, volume_preset(content.volume_preset))
        if actor is not self._volume:
            self._drop_volume()
            self._volume = actor
            self.renderer.AddVolume(actor.volume)

    def _drop_volume(self) -> None:
        if self._volume is not None:
            self.renderer.RemoveVolume(self._volume.volume)
            self._volume.volume.GetMapper().ReleaseGraphicsResources(self._window)
            self._volume = None


def _draws(actor: SurfaceActor | ColouredSurfaceActor, content: SurfaceContent | None) -> bool:
    """True if the actor is of the kind that draws such content."""
    return content is not None and isinstance(actor, ColouredSurfaceActor) == (content.colours is not None)


def _cross(tokens: Tokens) -> tuple[Any, Any]:
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    data, cells = vtkPolyData(), vtkCellArray()
    for first in (0, 2, 4):
        cells.InsertNextCell(2, (first, first + 1))
    data.SetLines(cells)
    data.SetPoints(_cross_points((0.0, 0.0, 0.0), 1.0))
    mapper, actor = vtkPolyDataMapper(), vtkActor()
    mapper.SetInputData(data)
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(*tokens.unit_rgb("crosshair"))
    actor.GetProperty().LightingOff()
    actor.VisibilityOff()
    return data, actor


def _cross_points(centre: Vec3, reach_mm: float) -> Any:
    from vtkmodules.vtkCommonCore import vtkPoints

    points = vtkPoints()
    for axis in range(3):
        for sign in (-1.0, 1.0):
            place = list(centre)
            place[axis] += sign * reach_mm
            points.InsertNextPoint(*place)
    return points
