"""The 3D view in the window: pyvistaqt's interactor, attached after the first paint, with the scene of `render`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.gui.implant_hand import ImplantHand
from surgitwin.gui.theme import Theme
from surgitwin.gui.tools.measure import MeasureTool
from surgitwin.gui.views.background import Background
from surgitwin.gui.views.lasso import Lasso
from surgitwin.render.content import (
    ImageContent,
    PatchContent,
    PlaneContent,
    SceneContent,
    SurfaceContent,
    Vec3,
    same_cuts,
    same_image,
)

# A frame that takes longer than this is not drawn for every step of a drag elsewhere.
SLOW_FRAME_MS = 25.0
QUIET_MS = 120
UPLOAD_PAUSE_MS = 8
APART_MS = 12
TIDY_ACTORS = 8
REST_MS = 250
# Up to this many new triangles are prepared on the spot, as after a brush stroke: a thread would only add a wait.
AT_ONCE_TRIANGLES = 60_000
BATCH_TRIANGLES = 250_000


class View3D(QWidget):
    """Shows a `SceneContent`; turning, moving and zooming by mouse, handles to hold the cut by.

    Nothing of VTK is imported before the first paint: a thread imports it, then the view is built on the main thread
    and ``ready()`` is emitted. What is set before is shown then. Call `close` before the window goes.

    The view is a native window (except on Wayland), so no sibling can be drawn on top of it: what should cover it has
    to be a window of its own, such as a dialog or a popup.

    Signals
    -------
    ready()
        The scene can be seen.
    focus_moved(Vec3)
        Shift and click on a surface.
    branch_picked(PickedBranch or None)
        A click where a vessel tree is shown: on a branch of it, or beside all of them.
    maximise_requested(), menu_requested(QPoint)
        Double click; right click (global position).
    plane_drag_started(str), plane_dragged(PlaneContent), plane_drag_finished(PlaneContent), plane_drag_cancelled(str)
        As in the slice views.
    patch_drag_started(str), patch_dragged(PatchContent), patch_drag_finished(PatchContent), patch_drag_cancelled(str)
        As in the slice views.
    failed(str)
        The 3D view could not be made; a sentence says why.
    camera_moved(CameraState)
        A frame was drawn from another place than the one before.
    """

    ready = Signal()
    focus_moved = Signal(object)
    maximise_requested = Signal()
    menu_requested = Signal(object)
    plane_drag_started = Signal(str)
    plane_dragged = Signal(object)
    plane_drag_finished = Signal(object)
    plane_drag_cancelled = Signal(str)
    patch_drag_started = Signal(str)
    patch_dragged = Signal(object)
    patch_drag_finished = Signal(object)
    patch_drag_cancelled = Signal(str)
    failed = Signal(str)
    outlined = Signal(object, object, object)
    camera_moved = Signal(object)
    branch_picked = Signal(object)
    place_picked = Signal(object)  # Vec3 of a surface that was clicked, while `gives_places`

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.content = SceneContent()
        self.interactor: Any = None
        self.scene: Any = None
        self.lasso: Lasso | None = None
        self._input: Any = None
        self.implant_hand: ImplantHand | None = None
        self.gives_places = False
        self.measure_tool: MeasureTool | None = None
        self._started = False
        self._closed = False
        self._message = tr("Preparing the 3D view")
        self._frame_ms = 0.0
        self._frame_start = 0.0
        self._seen_from: Any = None
        self._takes_up = False
        self._preparing: set[int] = set()
        self._measuring: set[int] = set()
        self._reducing: ImageContent | None = None
        self._background = Background(self)
        self._later = _timer(self, self._draw)
        self._rest = _timer(self, self._come_to_rest)
        self._tidy = _timer(self, self._take_out)
        self._column = QVBoxLayout(self)
        # The coloured edge at the top is the view's own, as in the slice views.
        self._column.setContentsMargins(0, theme.tokens.sizes["view-edge"], 0, 0)
        self.setFocusPolicy(Qt.FocusPolicy.WheelFocus)
        self.setMinimumSize(96, 96)
        self.setAccessibleName(tr("3D view"))
        if not QGuiApplication.platformName().startswith("wayland"):
            # In a window of its own the OpenGL widget leaves the rest alone. Otherwise Qt puts the whole main window
            # together by OpenGL: with software drawing each step of a slice then takes more than twice as long.
            self.setAttribute(Qt.WidgetAttribute.WA_DontCreateNativeAncestors)
            self.setAttribute(Qt.WidgetAttribute.WA_NativeWindow)

    # Content ---------------------------------------------------------------------------------------------------

    def set_content(self, content: SceneContent) -> None:
        """Show other things; the camera stays where it is, except for the first content, which is framed.

        Large meshes and volumes are prepared on a thread and appear when they are ready; until then the surface that
        was shown under the same id stays.
        """
        before, self.content = self.content, content
        if self.scene is None:
            return
        if content.looks_like(before):
            self._show_ready()
            if content.focus != before.focus:
                self._request(quiet=True)
            return
        cuts_moved = content.planes != before.planes or not same_cuts(content, before)
        if cuts_moved and content.surfaces == before.surfaces:
            self.set_moving()
        self._prepare_missing()
        self._show_ready()
        self._request()

    def hold_implants(self, hand: ImplantHand | None) -> None:
        """Let the left button move the chosen implant by its body and its handles; None: no more."""
        self.implant_hand = hand
        if self._input is not None:
            self._input.hold_implants(hand)

    def pick(self, at: QPointF) -> Vec3 | None:
        """The LPS point of the foremost surface under a logical pixel."""
        point: Vec3 | None = None if self._input is None or self.scene is None else self._input.pick(at)
        return point

    def set_planes(self, planes: tuple[PlaneContent, ...]) -> None:
        self.set_content(replace(self.content, planes=planes))

    def set_patches(self, patches: tuple[PatchContent, ...]) -> None:
        self.set_content(replace(self.content, patches=patches))

    def redraw(self) -> None:
        """Draw once more: something changed that is no content."""
        self._request()

    def set_focus_point(self, point: Vec3 | None) -> None:
        """Mark an LPS point; drawn when the slices have come to rest, since it changes with each of their steps."""
        if point != self.content.focus:
            self.content = replace(self.content, focus=point)
            if self.scene is not None:
                self._show_ready()
                self._request(quiet=True)

    def look_from(self, side: str) -> None:
        """Show everything from one side: anterior, posterior, left, right, superior, inferior."""
        if self.scene is not None:
            from surgitwin.render.camera import Side

            self.scene.look_from(Side.named(side))
            self._request()

    def reset_view(self) -> None:
        """Show everything, from the front."""
        self.look_from("anterior")

    def set_camera(self, state: Any) -> None:
        """Look from where another view does (a `CameraState`); `camera_moved` does not tell of it."""
        if self.scene is not None and state != self.scene.camera:
            self.scene.set_camera(state)
            self._seen_from = self.scene.camera  # as it is stored, so that rounding does not come back as a move
            self.set_moving()
            self._request()

    def set_lasso(self, wanted: bool, ring: bool = True) -> None:
        """Give the left mouse button to a line drawn freely, or back to the camera; `outlined` tells when it ends.

        Its ends are joined if it is a ``ring``.
        """
        if self.lasso is not None:
            self.lasso.deleteLater()
            self.lasso = None
        if wanted:
            self.lasso = Lasso(self.theme, self, ring)
            self.lasso.closed.connect(self._outlined)
            self._place_lasso()
        elif self.interactor is not None:
            self.interactor.unsetCursor()

    def _place_lasso(self) -> None:
        if self.lasso is not None:
            self.lasso.setGeometry(self.interactor.geometry() if self.interactor is not None else self.rect())

    def _outlined(self, corners: list[QPointF]) -> None:
        if self.scene is not None:
            from surgitwin.render.camera import world_to_clip

            size = (float(self.interactor.width()), float(self.interactor.height()))
            camera = world_to_clip(self.scene.renderer)
            self.outlined.emit([(point.x(), point.y()) for point in corners], camera, size)

    def set_theme(self, theme: Theme) -> None:
        """Draw in the colours of another theme; the camera stays."""
        self.theme = theme
        if self.scene is not None:
            camera = self.scene.camera
            self.scene.close()
            self._make_scene()
            self.scene.set_camera(camera)
            self._request()
        self.update()

    @property
    def busy(self) -> bool:
        """True while meshes or a volume are being prepared, or go to where they are drawn from."""
        return bool(self._preparing or self._measuring) or self._reducing is not None or self._uploading

    @property
    def _uploading(self) -> bool:
        return self.scene is not None and self.interactor.isVisible() and self.scene.uploading

    # Preparing -------------------------------------------------------------------------------------------------

    def _prepare_missing(self) -> None:
        """Hand what is large and not prepared yet to the background, in pieces that a frame can take up."""
        self._measure_missing()
        store = self.scene.meshes
        plain = [s.mesh for s in self.content.surfaces if s.visible and s.colours is None]
        missing = [mesh for mesh in plain if mesh not in store]
        missing = [mesh for mesh in missing if id(mesh) not in self._preparing]
        if sum(len(mesh.triangles) for mesh in missing) > AT_ONCE_TRIANGLES:
            for batch in _batches(missing):
                self._submit_meshes(batch)
        image = self.content.image
        if image is not None and self.content.volume_preset is not None and image not in self.scene.volumes:
            self._submit_volume(image)

    def _measure_missing(self) -> None:
        """Find out in the background how large things are, which the first frame of them takes."""
        from surgitwin.render.bounds import mesh_bounds, unmeasured

        missing = unmeasured(s.mesh for s in self.content.surfaces if s.visible)
        missing = [mesh for mesh in missing if id(mesh) not in self._measuring]
        if not missing:
            return
        self._measuring |= {id(mesh) for mesh in missing}

        def done(_: object) -> None:
            self._measuring -= {id(mesh) for mesh in missing}
            self._show_ready()
            self._request()

        self._background.submit(lambda: [mesh_bounds(mesh) for mesh in missing], done)

    def _submit_meshes(self, batch: list[Mesh]) -> None:
        from surgitwin.render.prepared import prepare_mesh

        scene, frugal = self.scene, self.scene.meshes.frugal
        self._preparing |= {id(mesh) for mesh in batch}

        def done(results: list[Any]) -> None:
            self._preparing -= {id(mesh) for mesh in batch}
            for mesh, prepared in zip(batch, results, strict=True):
                scene.meshes.add(mesh, prepared)
            # What comes in pieces is drawn coarse until all of it is there.
            self.set_moving(at_once=True)
            self._show_ready()
            self._request()

        self._background.submit(lambda: [prepare_mesh(mesh, frugal) for mesh in batch], done)

    def _submit_volume(self, image: ImageContent) -> None:
        if self._reducing is not None and same_image(self._reducing, image):
            return
        from surgitwin.render.volume_props import volume_preset

        scene = self.scene
        self._reducing = image
        preset = volume_preset(self.content.volume_preset or "")

        def done(result: Any) -> None:
            if self._reducing is image:
                self._reducing = None
            scene.volumes.add(image, result)
            self._show_ready()
            self._request()

        self._background.submit(lambda: scene.volumes.prepare(image, preset), done)

    def _show_ready(self) -> None:
        """Give the scene all that is prepared, or small enough to be prepared at once."""
        if self.scene is None:
            return
        shown = {surface.id: surface for surface in self.scene.content.surfaces}
        ready: list[SurfaceContent] = []
        for surface in self.content.surfaces:
            if id(surface.mesh) not in self._preparing:
                ready.append(surface)
            elif surface.id in shown:
                ready.append(replace(surface, mesh=shown[surface.id].mesh))
        content = replace(self.content, surfaces=tuple(ready))
        if content.image is not None and same_image(self._reducing, content.image):
            content = replace(content, volume_preset=None)
        self.scene.set_content(content, whole=self.content)
        if not self._tidy.isActive():
            self._tidy.start(APART_MS)
        self.scene.notes.set_texts(tr("3D"), self._hint())
        if self._uploading:
            self.set_moving(at_once=True)

    def _take_out(self) -> None:
        """Take what is shown no more out of the scene, some with each turn of the event loop."""
        if self.scene is not None and self.scene.tidy(TIDY_ACTORS):
            self._tidy.start(APART_MS)

    def _hint(self) -> str:
        """What brings something into an empty view."""
        content = self.content
        shown = [s.visible for s in content.surfaces] + [t.visible for t in content.trees]
        cuts = content.planes or content.patches or content.cut_surfaces
        empty = not any(shown) and content.volume_preset is None and not cuts
        return (
            tr("Nothing here yet: make surfaces (step Segment)\nor turn volume rendering on (step Study).")
            if empty
            else ""
        )

    # Life ------------------------------------------------------------------------------------------------------

    @property
    def attached(self) -> bool:
        """True once the scene is there."""
        return self.scene is not None

    def close(self) -> bool:
        """Let go of everything and close."""
        self.shut_down()
        return super().close()

    def shut_down(self) -> None:
        """Let go of everything that VTK and OpenGL hold, on the main thread; may be called more than once."""
        self._closed = True
        self._later.stop()
        self._rest.stop()
        self._tidy.stop()
        self._background.close()
        if self._input is not None:
            self._input.detach()
            self._input = None
        if self.scene is not None:
            self.scene.close()
            self.scene = None
        if self.interactor is not None:
            interactor, self.interactor = self.interactor, None
            self._column.removeWidget(interactor)
            interactor.close()
            interactor.setParent(None)
            interactor.deleteLater()

    def _start(self) -> None:
        if not self._started and not self._closed:
            self._started = True
            self._background.submit(_import_vtk, self._build)

    def _build(self, problem: str) -> None:
        if problem:
            self._message = problem
            self.failed.emit(problem)
            self.update()
            return
        from surgitwin.gui.views.view3d_input import View3DInput, new_interactor

        # OpenGL starts in several turns of the event loop, because each takes some 50 ms.
        self.interactor = new_interactor(self)
        self.interactor.hide()  # or the column shows it at once
        self._column.addWidget(self.interactor)
        self.setTabOrder(self, self.interactor)
        self.setFocusProxy(self.interactor)  # one stop for Tab, not two
        self._input = View3DInput(self, self.interactor)
        application = QCoreApplication.instance()
        if application is not None:
            # A window that forgot to close its views must not take them into the end of Python.
            application.aboutToQuit.connect(self.shut_down)
        QTimer.singleShot(APART_MS, self, self._show_interactor)

    def _show_interactor(self) -> None:
        if self._closed or self.interactor is None:
            return
        # The widget gets its OpenGL context with its first paint; the scene needs it, to know who draws.
        self.interactor.blank = self.theme.tokens.unit_rgb("scene")
        self.interactor.on_frame = self._on_frame
        self.interactor.show()
        QTimer.singleShot(APART_MS, self, self._draw_nothing)

    def _draw_nothing(self) -> None:
        """The first frame of all: VTK sets itself up with it."""
        if self._closed or self.interactor is None:
            return
        self.interactor.renderer.SetBackground(*self.interactor.blank)
        self.interactor.renderer.GradientBackgroundOff()
        self.interactor.blank = None
        self.interactor.update()
        QTimer.singleShot(2 * APART_MS, self, self._build_scene)

    def _build_scene(self) -> None:
        if self._closed or self.interactor is None or self.scene is not None:
            return
        self._make_scene()
        self.interactor.update()
        self.ready.emit()

    def _make_scene(self) -> None:
        from surgitwin.render.offscreen import is_software
        from surgitwin.render.scene3d import Scene3D

        window, renderer = self.interactor.ren_win, self.interactor.renderer
        self.scene = Scene3D(renderer, window, self.theme.tokens, software=is_software(window), gradual=True)
        self.scene.pixel_ratio = self.devicePixelRatioF()
        self._preparing.clear()
        self._measuring.clear()
        self._reducing = None
        self._prepare_missing()
        self._show_ready()

    # Drawing ---------------------------------------------------------------------------------------------------

    def set_moving(self, at_once: bool = False) -> None:
        """The view turns or the cut is dragged: draw stand-ins of large surfaces until it has come to rest.

        Where frames are fast it stays as it is, unless ``at_once`` says that they are about to become slow.
        """
        slow = at_once or self._frame_ms > SLOW_FRAME_MS or self._rest.isActive()
        if self.scene is not None and slow:
            self.scene.set_moving(True)
            self._rest.start(REST_MS)

    def _come_to_rest(self) -> None:
        if self.busy:
            self._rest.start(REST_MS)
        elif self.scene is not None:
            self.scene.set_moving(False)
            self._draw()

    def _request(self, quiet: bool = False) -> None:
        """Draw with the next paint, or, where frames are slow or nothing hurries, when things have come to rest."""
        if quiet:
            self._later.start(QUIET_MS)
        elif self._frame_ms > SLOW_FRAME_MS:
            if not self._later.isActive():
                self._later.start(round(self._frame_ms))
        else:
            self._draw()

    def _draw(self) -> None:
        self._later.stop()
        if self.interactor is not None:
            self.interactor.update()

    def _on_frame(self, started: bool) -> None:
        now = time.perf_counter()
        if started:
            self._frame_start = now
            self._takes_up = self._uploading
            return
        self._frame_ms = (now - self._frame_start) * 1000
        if self.scene is not None and self.scene.camera != self._seen_from:
            self._seen_from = self.scene.camera
            self.camera_moved.emit(self._seen_from)
        if self._takes_up:
            # Each frame takes up a part, which the next one shows; between them the window has time for all else.
            self._later.start(UPLOAD_PAUSE_MS)

    # Qt --------------------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:
        return QSize(480, 400)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), self.theme.colour("scene"))
        if not self.attached:
            painter.setFont(self.theme.font("font-small", "medium"))
            painter.setPen(self.theme.colour("scene-text"))
            painter.drawText(QPointF(10, 20), tr("3D"))
            painter.setFont(self.theme.font("font-small"))
            painter.setPen(self.theme.colour("text-faint"))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(20, 20, -20, -20), flags, self._message)
        edge = "accent" if self._has_focus() else "view-3d"
        painter.fillRect(0, 0, self.width(), self.theme.tokens.sizes["view-edge"], self.theme.colour(edge))
        painter.end()
        if not self._started:
            QTimer.singleShot(0, self, self._start)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.set_moving()
        self._place_lasso()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self._input is None or not self._input.key(event):
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.DevicePixelRatioChange and self.scene is not None:
            self.scene.pixel_ratio = self.devicePixelRatioF()
            self._request()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.interactor and self._input is not None:
            return bool(self._input.filter(event))
        return super().eventFilter(watched, event)

    def _has_focus(self) -> bool:
        return self.hasFocus() or (self.interactor is not None and bool(self.interactor.hasFocus()))


def _import_vtk() -> str:
    """Import what the 3D view needs; returns a sentence if that fails."""
    try:
        import pyvistaqt  # noqa: F401

        import surgitwin.gui.views.view3d_input
        import surgitwin.render.offscreen
        import surgitwin.render.prepared
        import surgitwin.render.scene3d  # noqa: F401
    except ImportError as error:
        return tr("The 3D view is not available: {error}. Install Surgitwin again.").format(error=error)
    return ""


def _timer(owner: QObject, action: Callable[[], None]) -> QTimer:
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.timeout.connect(action)
    return timer


def _batches(meshes: list[Mesh]) -> Iterator[list[Mesh]]:
    batch: list[Mesh] = []
    triangles = 0
    for mesh in meshes:
        batch.append(mesh)
        triangles += len(mesh.triangles)
        if triangles > BATCH_TRIANGLES:
            yield batch
            batch, triangles = [], 0
    if batch:
        yield batch
