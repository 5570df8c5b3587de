"""Mouse and keys of the 3D view. Imports pyvistaqt, so `View3D` imports it only after the first paint."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QWidget
from pyvistaqt import QtInteractor

from surgitwin.core.text import tr
from surgitwin.gui.views.view3d_implants import ImplantHand3D
from surgitwin.gui.views.view3d_measures import MeasureHand3D
from surgitwin.gui.views.view3d_patches import PatchHand
from surgitwin.render.camera import Side, from_screen, millimetres_per_pixel, screen_axes, to_screen
from surgitwin.render.content import PlaneContent, Vec3, vec3
from surgitwin.render.cutting import corners, moved_along_normal, turned_between
from surgitwin.render.vessel_pick import PickedBranch, pick_along

if TYPE_CHECKING:
    from surgitwin.gui.implant_hand import ImplantHand
    from surgitwin.gui.views.view3d import View3D

GL_COLOR_BUFFER_BIT = 0x4000
GRAB_PX = 11.0
BRANCH_PX = 4.0
CLICK_PX = 4.0
# Slicer's keys: Shift looks from the opposite side.
SIDE_KEYS = {
    Qt.Key.Key_Home: (Side.SUPERIOR, Side.INFERIOR),
    Qt.Key.Key_End: (Side.ANTERIOR, Side.POSTERIOR),
    Qt.Key.Key_PageDown: (Side.LEFT, Side.RIGHT),
    Qt.Key.Key_PageUp: (Side.RIGHT, Side.LEFT),
}


class _Interactor(QtInteractor):
    """pyvistaqt's widget, telling when a frame starts and ends.

    Attributes
    ----------
    blank
        Red, green and blue from 0 to 1: as long as it is set, only this colour is painted, and VTK draws nothing.
    """

    on_frame: Callable[[bool], None] | None = None
    blank: tuple[float, float, float] | None = None

    def paintGL(self) -> None:
        if self.blank is not None and self._gl is not None:
            self._gl.glClearColor(*self.blank, 1.0)
            self._gl.glClear(GL_COLOR_BUFFER_BIT)
            return
        if self.on_frame is not None:
            self.on_frame(True)
        super().paintGL()  # type: ignore[no-untyped-call]
        if self.on_frame is not None:
            self.on_frame(False)


def new_interactor(parent: QWidget) -> Any:
    """The OpenGL widget; no timer of its own, and no files dropped into the scene."""
    interactor = _Interactor(parent, auto_update=False, multi_samples=0)
    interactor.setAcceptDrops(False)
    interactor.setFocusPolicy(Qt.FocusPolicy.WheelFocus)
    interactor.setMinimumSize(16, 16)
    interactor.setAccessibleName(tr("3D view"))
    return interactor


class View3DInput:
    """Looks at every event of the interactor first: handles and clicks are ours, the rest turns VTK's camera."""

    def __init__(self, view: View3D, interactor: Any) -> None:
        self._view, self._interactor = view, interactor
        self._start = QPointF()
        self._travelled = False
        self._plane: PlaneContent | None = None
        self._corner: Any = None
        self._patches = PatchHand(view, interactor)
        self.measures = MeasureHand3D(view, interactor)
        self.implants = None if view.implant_hand is None else ImplantHand3D(view, interactor, view.implant_hand)
        interactor.installEventFilter(view)

    def hold_implants(self, hand: ImplantHand | None) -> None:
        """Let the left button move the chosen implant, or turn the camera alone again."""
        self.implants = None if hand is None else ImplantHand3D(self._view, self._interactor, hand)

    def detach(self) -> None:
        self._interactor.removeEventFilter(self._view)

    @property
    def dragged_plane(self) -> str | None:
        return None if self._plane is None else self._plane.id

    # Events ----------------------------------------------------------------------------------------------------

    def filter(self, event: QEvent) -> bool:
        """True if the event is dealt with and the interactor must not see it."""
        kind = event.type()
        if kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            if isinstance(event, QKeyEvent) and event.key() in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab):
                return False  # an ignored Tab would move the focus a second time, from the parent
            # Keys are the view's; those it does not know go on to the window's shortcuts.
            event.ignore()
            return bool(kind == QEvent.Type.KeyPress and isinstance(event, QKeyEvent) and self.key(event))
        if kind in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self._view.update()
            return False
        if self._view.scene is None:
            return kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease)
        if kind == QEvent.Type.Leave:
            self._patches.hover(None)
            return False
        if isinstance(event, QMouseEvent):
            return self._mouse(event)
        if kind == QEvent.Type.Wheel:
            self._view.set_moving()
            self._hand_on(self._interactor.wheelEvent, event)
            self._interactor.update()
            event.accept()
            return True
        return False

    def _mouse(self, event: QMouseEvent) -> bool:
        kind = event.type()
        if kind == QEvent.Type.MouseButtonDblClick:
            if event.button() == Qt.MouseButton.LeftButton:
                self._view.maximise_requested.emit()
        elif kind == QEvent.Type.MouseButtonPress:
            self._press(event)
        elif kind == QEvent.Type.MouseMove:
            self._move(event)
        elif kind == QEvent.Type.MouseButtonRelease:
            self._release(event)
        event.accept()
        return True

    def _press(self, event: QMouseEvent) -> None:
        self._interactor.setFocus(Qt.FocusReason.MouseFocusReason)
        self._start, self._travelled = event.position(), False
        plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        if event.button() == Qt.MouseButton.LeftButton and plain and self._view.lasso is not None:
            self._view.lasso.press(event.position())
            return
        if event.button() == Qt.MouseButton.LeftButton and self.measures.press(event):
            return
        if event.button() == Qt.MouseButton.LeftButton and self.implants is not None and self.implants.press(event):
            return
        if event.button() == Qt.MouseButton.LeftButton and plain and self._grab(event.position()):
            assert self._plane is not None
            self._view.plane_drag_started.emit(self._plane.id)
            return
        if event.button() == Qt.MouseButton.LeftButton and self._view.lasso is None and self._patches.press(event):
            return
        self._hand_on(self._interactor.mousePressEvent, event)

    def _move(self, event: QMouseEvent) -> None:
        if (event.position() - self._start).manhattanLength() >= CLICK_PX:
            self._travelled = True
        if self._view.lasso is not None and self._view.lasso.drawing:
            self._view.lasso.move_to(event.position())
            return
        if self.measures.dragging:
            if self._travelled:
                self.measures.drag(event.position())
            return
        if self.implants is not None and self.implants.dragging:
            if self._travelled:
                self.implants.drag(event.position())
            return
        if self._plane is not None:
            if self._travelled:
                self._drag(event.position())
            return
        if self._patches.dragged_patch is not None:
            if self._travelled:
                self._patches.drag(event.position(), event.modifiers())
            return
        if event.buttons() == Qt.MouseButton.NoButton and self._view.lasso is not None:
            self._interactor.setCursor(Qt.CursorShape.CrossCursor)
            return
        if event.buttons() == Qt.MouseButton.NoButton:
            handle = self._handle_at(event.position())
            hold = None if handle is not None else self._patches.find(event.position(), event.modifiers())
            self._patches.hover(hold)
            shape = Qt.CursorShape.ArrowCursor if hold is None else hold.cursor
            self._interactor.setCursor(shape if handle is None else Qt.CursorShape.PointingHandCursor)
            return
        self._view.set_moving()
        self._hand_on(self._interactor.mouseMoveEvent, event)
        self._interactor.update()

    def _release(self, event: QMouseEvent) -> None:
        view, plane = self._view, self._plane
        if view.lasso is not None and view.lasso.drawing:
            if event.button() == Qt.MouseButton.LeftButton:
                view.lasso.release()
            return
        if plane is not None:
            self._plane = None
            current = next((p for p in view.content.planes if p.id == plane.id), plane)
            view.plane_drag_finished.emit(current)
            return
        if self.measures.finish() or self._patches.finish() or (self.implants is not None and self.implants.finish()):
            return
        self._hand_on(self._interactor.mouseReleaseEvent, event)
        # The last frame of a turn is drawn in full quality.
        self._interactor.update()
        if self._travelled:
            return
        if event.button() == Qt.MouseButton.RightButton:
            view.menu_requested.emit(event.globalPosition().toPoint())
        elif event.button() == Qt.MouseButton.LeftButton and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            point = self.pick(event.position())
            if point is not None:
                view.focus_moved.emit(point)
            return
        plain = event.modifiers() == Qt.KeyboardModifier.NoModifier and event.button() == Qt.MouseButton.LeftButton
        if plain and view.gives_places:
            point = self.pick(event.position())
            if point is not None:
                view.place_picked.emit(point)
            return
        if plain and any(tree.visible for tree in view.content.trees):
            view.branch_picked.emit(self.pick_branch(event.position()))

    def key(self, event: QKeyEvent) -> bool:
        """Handle a key; False if it means nothing here."""
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_Escape:
            return (self._view.lasso is not None and self._view.lasso.abort()) or self._abort()
        if event.modifiers() & ~(Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier):
            return False
        if key in SIDE_KEYS:
            opposite = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._view.look_from(SIDE_KEYS[key][opposite])
        elif key == Qt.Key.Key_R:
            self._view.reset_view()
        else:
            return False
        return True

    def _hand_on(self, handler: Callable[[Any], None], event: QEvent) -> None:
        """Give VTK an event without letting it draw: the widget draws once when it paints, not once more before."""
        vtk_interactor = self._interactor.ren_win.GetInteractor()
        vtk_interactor.EnableRenderOff()
        try:
            handler(event)
        finally:
            vtk_interactor.EnableRenderOn()

    # Picking ---------------------------------------------------------------------------------------------------

    def pick(self, at: QPointF) -> Vec3 | None:
        """The LPS point of the foremost surface, or of the volume, under a logical pixel."""
        from vtkmodules.vtkRenderingCore import vtkCellPicker

        scene, ratio = self._view.scene, self._interactor.devicePixelRatioF()
        picker = vtkCellPicker()
        picker.SetTolerance(0.0)
        picker.PickFromListOn()
        for prop in scene.pickable():
            picker.AddPickList(prop)
        height = scene.renderer.GetSize()[1]
        if not picker.Pick(at.x() * ratio, height - 1 - at.y() * ratio, 0.0, scene.renderer):
            return None
        return vec3(picker.GetPickPosition())

    def pick_branch(self, at: QPointF) -> PickedBranch | None:
        """The branch of a vessel tree under a logical pixel, also where an organ lies in front of it."""
        renderer, ratio = self._view.scene.renderer, self._interactor.devicePixelRatioF()
        towards = screen_axes(renderer)[2]
        reach = BRANCH_PX * ratio * millimetres_per_pixel(renderer)
        return pick_along(
            self._view.content.trees, from_screen(renderer, (at.x() * ratio, at.y() * ratio)), -towards, reach
        )

    # The cut ---------------------------------------------------------------------------------------------------

    def _handle_at(self, at: QPointF) -> tuple[PlaneContent, int] | None:
        """The plane and the handle (0 centre, 1 to 4 corners) under a logical pixel."""
        ratio = self._interactor.devicePixelRatioF()
        best: tuple[float, PlaneContent, int] | None = None
        for plane in self._view.scene.planes():
            if not (plane.content.editable and plane.content.visible):
                continue
            places = to_screen(self._view.scene.renderer, plane.handle_points())
            away = np.hypot(places[:, 0] - at.x() * ratio, places[:, 1] - at.y() * ratio)
            nearest = int(away.argmin())
            if away[nearest] <= GRAB_PX * ratio and (best is None or away[nearest] < best[0]):
                best = (float(away[nearest]), plane.content, nearest)
        return None if best is None else best[1:]

    def _grab(self, at: QPointF) -> bool:
        found = self._handle_at(at)
        if found is None:
            return False
        self._plane, number = found
        self._corner = None if number == 0 else corners(self._plane)[number - 1]
        return True

    def _drag(self, at: QPointF) -> None:
        view, plane = self._view, self._plane
        assert plane is not None
        changed = self._moved(plane, at) if self._corner is None else self._turned(plane, at)
        view.set_planes(tuple(changed if p.id == plane.id else p for p in view.content.planes))
        view.plane_dragged.emit(changed)

    def _moved(self, plane: PlaneContent, at: QPointF) -> PlaneContent:
        """Move along the normal as far as the mouse went along the normal's picture."""
        renderer, ratio = self._view.scene.renderer, self._interactor.devicePixelRatioF()
        right, up, _ = screen_axes(renderer)
        normal = np.asarray(plane.normal)
        shown = np.array([normal @ right, normal @ up])
        length = float(np.linalg.norm(shown))
        step = np.array([at.x() - self._start.x(), self._start.y() - at.y()])
        step = step * ratio * millimetres_per_pixel(renderer)
        if length < 0.2:
            # The normal points at the viewer or away: up on the screen is towards the side that goes.
            return moved_along_normal(plane, float(step[1]))
        return moved_along_normal(plane, float(step @ shown) / length**2)

    def _turned(self, plane: PlaneContent, at: QPointF) -> PlaneContent:
        """Turn about the centre so that the corner stays under the mouse, on the sphere that it moves on."""
        renderer, ratio = self._view.scene.renderer, self._interactor.devicePixelRatioF()
        _, _, towards = screen_axes(renderer)
        centre = np.asarray(plane.point)
        radius = float(np.linalg.norm(self._corner - centre))
        in_front = float((self._corner - centre) @ towards)
        flat = from_screen(renderer, (at.x() * ratio, at.y() * ratio))
        flat = flat - ((flat - centre) @ towards) * towards
        away = float(np.linalg.norm(flat - centre))
        if away < 1e-6:
            return plane
        if away >= radius:
            return turned_between(plane, self._corner, flat)
        depth = np.sqrt(radius**2 - away**2) * (1.0 if in_front >= 0 else -1.0)
        return turned_between(plane, self._corner, flat + depth * towards)

    def _abort(self) -> bool:
        plane, view = self._plane, self._view
        if self.measures.abort():
            return True
        if self.implants is not None and self.implants.abort():
            return True
        if plane is None:
            return self._patches.abort()
        self._plane = None
        view.set_planes(tuple(plane if p.id == plane.id else p for p in view.content.planes))
        view.plane_drag_cancelled.emit(plane.id)
        return True
