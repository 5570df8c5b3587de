"""Move and turn an implant in a slice: drag it or its ring, or click where it goes; Alt with the arrow keys steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QPointF, Qt
from PySide6.QtGui import QKeyEvent, QPainter, QPen

from surgitwin.gui.implant_hand import ImplantHand
from surgitwin.gui.tools.tool import SliceTool

if TYPE_CHECKING:
    from surgitwin.gui.views.slice_view import SliceView

RING_PX, GRAB_PX = 64.0, 9.0
_ARROWS = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)}


class ImplantTool(SliceTool):
    """Works on the implant of a hand; see `ImplantHand`."""

    cursor = Qt.CursorShape.ArrowCursor

    def __init__(self, hand: ImplantHand, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._hand = hand
        self.step_mm, self.step_deg = 0.5, 1.0
        self._from: QPointF | None = None
        self._turning = False
        hand.moved.connect(self.changed)
        hand.chosen_changed.connect(self.changed)

    # ---- the mouse ---------------------------------------------------------------------------------------------

    def press(self, view: SliceView, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        if self._hand.placing:
            self._hand.placed.emit(view.point_at(at), False)
            return
        middle = self._middle(view)
        if middle is None:
            return
        away = float(np.hypot(at.x() - middle.x(), at.y() - middle.y()))
        self._turning = abs(away - _ring_px(view)) <= GRAB_PX
        if self._turning or away < _ring_px(view) or self._on_outline(view, at):
            self._from = at
            self._hand.begin()

    def move(self, view: SliceView, at: QPointF) -> None:
        start, middle = self._from, self._middle(view)
        if start is None or middle is None:
            return
        if self._turning:
            one, two = ((p.x() - middle.x(), p.y() - middle.y()) for p in (start, at))
            angle = np.arctan2(one[0] * two[1] - one[1] * two[0], one[0] * two[0] + one[1] * two[1])
            # Right to down is a positive turn on the screen.
            axis = np.cross(view.orientation.right, view.orientation.down)
            self._hand.rotate(axis, float(np.degrees(angle)))
        else:
            scale = view.placement.pixels_per_mm
            by = view.orientation.to_lps(((at.x() - start.x()) / scale, (at.y() - start.y()) / scale, 0.0))
            self._hand.shift(by)

    def release(self, view: SliceView, at: QPointF) -> None:
        if self._from is not None:
            self._from = None
            self._hand.drop()

    def abort(self) -> bool:
        was, self._from = self._from is not None, None
        return self._hand.abort() or was

    def key(self, event: QKeyEvent) -> bool:
        way = _ARROWS.get(Qt.Key(event.key()))
        if way is None or not event.modifiers() & Qt.KeyboardModifier.AltModifier:
            return super().key(event)
        view = self._view_with_keys
        if view is None or self._hand.chosen is None:
            return False
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            axis = np.cross(view.orientation.right, view.orientation.down)
            self._hand.nudge(axis_lps=axis, by_deg=self.step_deg * (way[0] or way[1]))
        else:
            self._hand.nudge(view.orientation.to_lps((way[0] * self.step_mm, way[1] * self.step_mm, 0.0)))
        return True

    @property
    def _view_with_keys(self) -> SliceView | None:
        from PySide6.QtWidgets import QApplication

        from surgitwin.gui.views.slice_view import SliceView

        focused = QApplication.focusWidget()
        return focused if isinstance(focused, SliceView) else None

    # ---- what is drawn -----------------------------------------------------------------------------------------

    def draw(self, view: SliceView, painter: QPainter) -> None:
        middle = self._middle(view)
        if middle is None or self._hand.placing:
            return
        painter.setBrush(Qt.BrushStyle.NoBrush)
        accent = view.theme.colour("accent")
        pen = QPen(accent, 1.4)
        painter.setPen(pen)
        painter.drawEllipse(middle, 4.0, 4.0)
        if self._hand.constraint != "slide":
            pen.setStyle(Qt.PenStyle.SolidLine if self._turning and self._from is not None else Qt.PenStyle.DashLine)
            painter.setPen(pen)
            painter.drawEllipse(middle, _ring_px(view), _ring_px(view))

    def _middle(self, view: SliceView) -> QPointF | None:
        """Where the implant is held, as a pixel of the slice."""
        from surgitwin.implants.placement import anchor
        from surgitwin.implants.poses import moved

        node, pose = self._hand.chosen, self._hand.pose
        if node is None or pose is None:
            return None
        x, y, z = (float(v) for v in moved(anchor(node.item), pose))
        return view.pixel_of((x, y, z))

    def _on_outline(self, view: SliceView, at: QPointF) -> bool:
        node = self._hand.chosen
        if node is None:
            return False
        curves = view.picture.curves(view.picture.position_at(view.focus), view.placement)
        own = [curve for curve in curves if curve.content.id == node.id]
        return any(curve.distance_px((at.x(), at.y())) <= GRAB_PX for curve in own)


def _ring_px(view: SliceView) -> float:
    """The ring's radius: smaller where the view is small."""
    return min(RING_PX, 0.25 * min(view.width(), view.height()))
