"""Click: gives a method the place it starts from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPointF, Qt, Signal
from PySide6.QtGui import QPainter, QPen

from surgitwin.gui.tools.tool import SliceTool

if TYPE_CHECKING:
    from surgitwin.gui.views.slice_view import SliceView

Point = tuple[float, float, float]
RADIUS_PX, NEAR_SLICES = 6.0, 0.75


class PointTool(SliceTool):
    """Sends clicks on, and marks the points that were taken.

    Parameters
    ----------
    points
        What to mark, LPS mm.
    """

    clicked = Signal(object)  # Point

    def __init__(self, points: Callable[[], list[Point]], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._points = points

    def press(self, view: SliceView, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self.clicked.emit(view.point_at(at))
        self.changed.emit()

    def draw(self, view: SliceView, painter: QPainter) -> None:
        grid = view.picture.grid
        if grid is None:
            return
        here = view.picture.position_at(view.focus)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for point in self._points():
            near = abs(point[view.orientation.axis] - here) <= NEAR_SLICES * grid.spacing[2]
            colour = view.theme.colour("accent", 1.0 if near else 0.35)
            at = view.pixel_of(point)
            for pen in (QPen(view.theme.colour("annotation-shadow", 0.85), 4.0), QPen(colour, 2.0)):
                painter.setPen(pen)
                painter.drawEllipse(at, RADIUS_PX, RADIUS_PX)
                painter.drawLine(at - QPointF(RADIUS_PX / 2, 0), at + QPointF(RADIUS_PX / 2, 0))
                painter.drawLine(at - QPointF(0, RADIUS_PX / 2), at + QPointF(0, RADIUS_PX / 2))
