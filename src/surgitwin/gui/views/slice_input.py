"""Mouse and keys of a slice view."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent, QWheelEvent

from surgitwin.gui.views.slice_patches import SlicePatchHand
from surgitwin.render.content import PlaneContent
from surgitwin.render.cutting import CutLine, distance_to_segment, moved, turned
from surgitwin.render.windowing import window_presets

if TYPE_CHECKING:
    from surgitwin.gui.views.slice_view import SliceView

GRAB_PX = 9.0
CLICK_PX = 4.0
WHEEL_NOTCH = 120
ZOOM_PER_NOTCH = 1.15
PAGE_SLICES = 10


class Grip(Enum):
    """What a drag does."""

    NOTHING = auto()
    WINDOW = auto()
    PAN = auto()
    ZOOM = auto()
    MOVE_PLANE = auto()
    TURN_PLANE = auto()
    PATCH = auto()
    TOOL = auto()


class SliceInput:
    """Turns the mouse and key events of one `SliceView` into changes of it."""

    def __init__(self, view: SliceView) -> None:
        self._view = view
        self._grip = Grip.NOTHING
        self._start = QPointF()
        self._last = QPointF()
        self._travelled = False
        self._wheel = 0
        self._plane: PlaneContent | None = None
        self._line: CutLine | None = None
        self.patches = SlicePatchHand(view)

    @property
    def dragged_plane(self) -> str | None:
        """The id of the plane that is being dragged."""
        return None if self._plane is None else self._plane.id

    # Wheel and keys --------------------------------------------------------------------------------------------

    def wheel(self, event: QWheelEvent) -> None:
        self._wheel += event.angleDelta().y() or event.angleDelta().x()
        notches = int(self._wheel / WHEEL_NOTCH)
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            factor = ZOOM_PER_NOTCH ** (self._wheel / WHEEL_NOTCH)
            self._wheel = 0
            at = event.position()
            self._view.set_placement(self._view.placement.zoomed(factor, (at.x(), at.y())))
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier and self._tool_wheel():
            pass
        elif notches:
            self._wheel -= notches * WHEEL_NOTCH
            self._view.step(notches)
        event.accept()

    def _tool_wheel(self) -> bool:
        tool = self._view.tool
        if tool is None or not tool.wheel(self._wheel / WHEEL_NOTCH):
            return False
        self._wheel = 0
        return True

    def key(self, event: QKeyEvent) -> bool:
        """Handle a key; False if it means nothing here."""
        if self._view.tool is not None and self._view.tool.key(event):
            return True
        if event.key() == Qt.Key.Key_Escape:
            return self._abort_drag()
        if event.modifiers() & ~(Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier):
            return False
        return self._slice_key(event.key()) or self._look_key(event.key())

    def _slice_key(self, key: int) -> bool:
        view, keys = self._view, Qt.Key
        steps = {
            keys.Key_Right: 1,
            keys.Key_Up: 1,
            keys.Key_F: 1,
            keys.Key_Left: -1,
            keys.Key_Down: -1,
            keys.Key_B: -1,
            keys.Key_PageUp: PAGE_SLICES,
            keys.Key_PageDown: -PAGE_SLICES,
        }
        if key in steps:
            view.step(steps[Qt.Key(key)])
        elif key == keys.Key_Home:
            view.go_to(0)
        elif key == keys.Key_End:
            view.go_to(10**9)
        else:
            return False
        return True

    def _look_key(self, key: int) -> bool:
        view, keys = self._view, Qt.Key
        preset = next((p for p in window_presets() if p.key and key == keys.Key_0 + p.key), None)
        if preset is not None:
            self._set_window(replace(preset.window, inverted=view.window_level.inverted))
        elif key == keys.Key_R:
            view.reset_view()
        elif key == keys.Key_G:
            view.set_overlay(not view.overlay_visible)
            view.overlay_toggled.emit(view.overlay_visible)
        elif key == keys.Key_I:
            self._set_window(replace(view.window_level, inverted=not view.window_level.inverted))
        else:
            return False
        return True

    # Mouse -----------------------------------------------------------------------------------------------------

    def press(self, event: QMouseEvent) -> None:
        if self._grip is not Grip.NOTHING:
            return
        self._start = self._last = event.position()
        self._travelled = False
        shifted = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        button = event.button()
        if button == Qt.MouseButton.MiddleButton or (button == Qt.MouseButton.LeftButton and shifted):
            self._grip = Grip.PAN
        elif button == Qt.MouseButton.RightButton:
            self._grip = Grip.ZOOM
        elif button == Qt.MouseButton.LeftButton and self._view.tool is not None:
            self._grip = Grip.TOOL
            self._view.tool.press(self._view, event.position(), event.modifiers())
        elif button == Qt.MouseButton.LeftButton and self._hold(event):
            self._grip = Grip.PATCH
        elif button == Qt.MouseButton.LeftButton:
            self._grip, self._line = self._grip_at(event.position())
            self._plane = None if self._line is None else self._line.plane
            if self._plane is not None:
                self._view.plane_drag_started.emit(self._plane.id)
        event.accept()

    def _hold(self, event: QMouseEvent) -> bool:
        hold = self.patches.find(event.position(), event.modifiers())
        if hold is not None:
            self.patches.start(hold, event.position())
        return hold is not None

    def move(self, event: QMouseEvent) -> None:
        view, at = self._view, event.position()
        if self._grip is Grip.NOTHING:
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                view.move_focus(view.crosshair_point(at))
            elif view.tool is not None:
                view.tool.hover(view, at)
            self._show_cursor(at, event.modifiers())
        elif self._grip is Grip.TOOL:
            if view.tool is not None:
                view.tool.move(view, at)
        else:
            self._drag(at)
        self._hover(at)
        event.accept()

    def release(self, event: QMouseEvent) -> None:
        view, grip, plane = self._view, self._grip, self._plane
        self._grip, self._plane, self._line = Grip.NOTHING, None, None
        if grip is Grip.TOOL:
            if view.tool is not None and event.button() == Qt.MouseButton.LeftButton:
                view.tool.release(view, event.position())
        elif self.patches.finish():
            pass
        elif plane is not None:
            current = next((p for p in view.content.planes if p.id == plane.id), plane)
            view.plane_drag_finished.emit(current)
        elif not self._travelled and grip is Grip.WINDOW:
            view.picked.emit(view.point_at(event.position()))
        elif not self._travelled and grip is Grip.ZOOM:
            view.menu_requested.emit(event.globalPosition().toPoint())
        self._show_cursor(event.position(), event.modifiers())
        event.accept()

    def _drag(self, at: QPointF) -> None:
        view = self._view
        if not self._travelled and (at - self._start).manhattanLength() < CLICK_PX:
            return
        self._travelled = True
        step, self._last = at - self._last, at
        if self._grip is Grip.WINDOW:
            self._set_window(view.window_level.dragged(step.x(), -step.y()))
        elif self._grip is Grip.PAN:
            view.set_placement(view.placement.panned(step.x(), step.y()))
        elif self._grip is Grip.ZOOM:
            about = (self._start.x(), self._start.y())
            view.set_placement(view.placement.zoomed(1.01 ** -step.y(), about))
        elif self._grip is Grip.PATCH:
            self.patches.drag(at)
        else:
            self._drag_plane(at)

    def _drag_plane(self, at: QPointF) -> None:
        plane, line, view = self._plane, self._line, self._view
        if plane is None or line is None:
            return
        changed = self._moved_plane(plane, at) if self._grip is Grip.MOVE_PLANE else self._turned_plane(plane, line, at)
        view.set_planes(tuple(changed if p.id == plane.id else p for p in view.content.planes))
        view.plane_dragged.emit(changed)

    def _moved_plane(self, plane: PlaneContent, at: QPointF) -> PlaneContent:
        """Follow the mouse: always from where the drag began, so that nothing adds up."""
        du, dv = ((at.x() - self._start.x()), (at.y() - self._start.y()))
        scale = self._view.placement.pixels_per_mm
        return moved(plane, self._view.orientation.to_lps((du / scale, dv / scale, 0.0)))

    def _turned_plane(self, plane: PlaneContent, line: CutLine, at: QPointF) -> PlaneContent:
        view = self._view
        centre = np.asarray(line.centre)
        first = np.array([self._start.x(), self._start.y()]) - centre
        second = np.array([at.x(), at.y()]) - centre
        if np.linalg.norm(second) < 1.0:
            return plane
        angle = float(np.arctan2(first[0] * second[1] - first[1] * second[0], first @ second))
        # Right to down is a positive turn on the screen, whether or not the view's own frame is right-handed.
        axis = np.cross(view.orientation.right, view.orientation.down)
        return turned(plane, axis, angle, view.point_at(QPointF(*line.centre)))

    def _abort_drag(self) -> bool:
        plane, view = self._plane, self._view
        if self.patches.abort():
            self._grip = Grip.NOTHING
            return True
        if plane is None:
            return False
        self._grip, self._plane, self._line = Grip.NOTHING, None, None
        view.set_planes(tuple(plane if p.id == plane.id else p for p in view.content.planes))
        view.plane_drag_cancelled.emit(plane.id)
        return True

    # Under the cursor ------------------------------------------------------------------------------------------

    def _grip_at(self, at: QPointF) -> tuple[Grip, CutLine | None]:
        view, point = self._view, (at.x(), at.y())
        lines = view.picture.lines(view.picture.position_at(view.focus), view.placement)
        lines = [line for line in lines if line.plane.editable]
        for line in lines:
            if any(np.hypot(x - point[0], y - point[1]) <= GRAB_PX for x, y in line.ends):
                return Grip.TURN_PLANE, line
        for line in lines:
            # Only the part between the handles can be grabbed: elsewhere a drag means window and level.
            if distance_to_segment(point, line.ends) <= GRAB_PX * 0.7:
                return Grip.MOVE_PLANE, line
        return Grip.WINDOW, None

    def leave(self) -> None:
        """The mouse has left the view."""
        self.patches.hover(None)

    def double_click(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        tool = self._view.tool
        if tool is None or not tool.double_click(self._view, event.position()):
            self._view.maximise_requested.emit()

    def _show_cursor(self, at: QPointF, keys: Qt.KeyboardModifier) -> None:
        if self._view.tool is not None:
            self._view.setCursor(self._view.tool.cursor)
            return
        hold = self.patches.find(at, keys)
        self.patches.hover(hold)
        grip = Grip.PATCH if hold is not None else self._grip_at(at)[0]
        shape = {
            Grip.MOVE_PLANE: Qt.CursorShape.SizeAllCursor,
            Grip.TURN_PLANE: Qt.CursorShape.PointingHandCursor,
        }.get(grip, Qt.CursorShape.ArrowCursor)
        if hold is not None:
            shape = hold.cursor
        if self._view.cursor().shape() != shape:
            self._view.setCursor(shape)

    def _hover(self, at: QPointF) -> None:
        view = self._view
        if view.picture.grid is None:
            return
        point = view.point_at(at)
        view.hovered.emit(point, view.picture.value_at(point))

    def _set_window(self, window: object) -> None:
        from surgitwin.render.windowing import Window

        assert isinstance(window, Window)
        self._view.set_window_level(window)
        self._view.window_changed.emit(window)
