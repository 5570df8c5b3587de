"""The 3D view in the window: pyvistaqt's interactor, attached after the first paint, with the scene of `render`."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QEvent, QObject, QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.theme import Theme
from surgitwin.render.content import PlaneContent, SceneContent, Vec3

# A frame that takes longer than this is not drawn for every step of a drag elsewhere.
SLOW_FRAME_MS = 25.0
QUIET_MS = 120


class View3D(QWidget):
    """Shows a `SceneContent`; turning, moving and zooming by mouse, handles to hold the cut by.

    Nothing of VTK is imported before the first paint: a thread imports it, then the view is built on the main thread
    and ``ready()`` is emitted. What is set before is shown then. Call `shut_down` before the window goes.

    Signals
    -------
    ready()
        The scene can be seen.
    focus_moved(Vec3)
        Shift and click on a surface.
    maximise_requested(), menu_requested(QPoint)
        Double click; right click (global position).
    plane_drag_started(str), plane_dragged(PlaneContent), plane_drag_finished(PlaneContent), plane_drag_cancelled(str)
        As in the slice views.
    failed(str)
        The 3D view could not be made; a sentence says why.
    """

    ready = Signal()
    focus_moved = Signal(object)
    maximise_requested = Signal()
    menu_requested = Signal(object)
    plane_drag_started = Signal(str)
    plane_dragged = Signal(object)
    plane_drag_finished = Signal(object)
    plane_drag_cancelled = Signal(str)
    failed = Signal(str)
    _imported = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.content = SceneContent()
        self.interactor: Any = None
        self.scene: Any = None
        self._input: Any = None
        self._importer: threading.Thread | None = None
        self._closed = False
        self._message = tr("Preparing the 3D view")
        self._frame_ms = 0.0
        self._frame_start = 0.0
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._draw)
        self._imported.connect(self._build, Qt.ConnectionType.QueuedConnection)
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
        """Show other things; the camera stays where it is, except for the first content, which is framed."""
        quiet = replace(content, focus=self.content.focus) == self.content
        self.content = content
        if self.scene is not None:
            self.scene.set_content(content)
            self._request(quiet)

    def set_planes(self, planes: tuple[PlaneContent, ...]) -> None:
        self.set_content(replace(self.content, planes=planes))

    def set_focus_point(self, point: Vec3 | None) -> None:
        """Mark an LPS point; drawn when the slices have come to rest, since it changes with each of their steps."""
        if point != self.content.focus:
            self.content = replace(self.content, focus=point)
            if self.scene is not None:
                self.scene.set_content(self.content)
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

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        if self.scene is not None:
            self.scene.set_tokens(theme.tokens)
            self._request()
        self.update()

    # Life ------------------------------------------------------------------------------------------------------

    @property
    def attached(self) -> bool:
        """True once the scene is there."""
        return self.scene is not None

    def shut_down(self) -> None:
        """Let go of everything that VTK and OpenGL hold, on the main thread; may be called more than once."""
        self._closed = True
        self._later.stop()
        if self._importer is not None:
            # Python must not end in the middle of an import.
            self._importer.join()
            self._importer = None
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
        if self._importer is not None or self._closed or self.attached:
            return
        self._importer = threading.Thread(target=self._import, name="import of the 3D view", daemon=True)
        self._importer.start()

    def _import(self) -> None:
        problem = ""
        try:
            import pyvistaqt  # noqa: F401

            import surgitwin.gui.views.view3d_input
            import surgitwin.render.offscreen
            import surgitwin.render.scene3d  # noqa: F401
        except ImportError as error:
            problem = tr("The 3D view is not available: {error}. Install Surgitwin again.").format(error=error)
        self._imported.emit(problem)

    def _build(self, problem: str) -> None:
        if self._importer is not None:
            self._importer.join()
            self._importer = None
        if self._closed or self.attached:
            return
        if problem:
            self._message = problem
            self.failed.emit(problem)
            self.update()
            return
        from surgitwin.gui.views.view3d_input import View3DInput, new_interactor

        self.interactor = new_interactor(self)
        self._column.addWidget(self.interactor)
        self._input = View3DInput(self, self.interactor)
        # The widget gets its OpenGL context with its first paint; the scene needs it, to know who draws.
        self.interactor.show()
        QTimer.singleShot(0, self._build_scene)

    def _build_scene(self) -> None:
        if self._closed or self.interactor is None or self.scene is not None:
            return
        from surgitwin.render.offscreen import is_software
        from surgitwin.render.scene3d import Scene3D

        window, renderer = self.interactor.ren_win, self.interactor.renderer
        self.scene = Scene3D(renderer, window, self.theme.tokens, software=is_software(window))
        self.scene.notes.set_texts(tr("3D"), "")
        self.scene.pixel_ratio = self.devicePixelRatioF()
        self.scene.set_content(self.content)
        self.interactor.on_frame = self._on_frame
        self.interactor.update()
        self.ready.emit()

    # Drawing ---------------------------------------------------------------------------------------------------

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
        if self.interactor is not None:
            self.interactor.update()

    def _on_frame(self, started: bool) -> None:
        now = time.perf_counter()
        if started:
            self._frame_start = now
        else:
            self._frame_ms = (now - self._frame_start) * 1000

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
        if not self.attached and self._importer is None:
            QTimer.singleShot(0, self._start)

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
