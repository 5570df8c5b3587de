"""A line drawn freely over the 3D view; the scene below is not drawn again for it."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from surgitwin.gui.theme import Theme

STEP_PX = 2.0


class Lasso(QWidget):
    """Lies over the view and lets the mouse through; whoever gets the mouse tells it.

    Signals
    -------
    closed(list of QPointF)
        The corners, in logical pixels of the view.

    Parameters
    ----------
    ring
        False for a line whose ends are not joined.
    """

    closed = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget, ring: bool = True) -> None:
        super().__init__(parent)
        self._theme = theme
        self._ring = ring
        self._corners: list[QPointF] = []
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.hide()

    @property
    def drawing(self) -> bool:
        return bool(self._corners)

    def press(self, at: QPointF) -> None:
        self._corners = [at]
        self.show()
        self.raise_()
        self.update()

    def move_to(self, at: QPointF) -> None:
        if self._corners and (at - self._corners[-1]).manhattanLength() >= STEP_PX:
            self._corners.append(at)
            self.update()

    def release(self) -> None:
        corners, self._corners = self._corners, []
        self.hide()
        if len(corners) >= (3 if self._ring else 2):
            self.closed.emit(corners)

    def abort(self) -> bool:
        """Drop the line; true if there was one."""
        something = self.drawing
        self._corners = []
        self.hide()
        return something

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = QPolygonF([*self._corners, *(self._corners[:1] if self._ring else ())])
        for pen in (
            QPen(self._theme.colour("annotation-shadow", 0.85), 3.5),
            QPen(self._theme.colour("annotation"), 1.8, Qt.PenStyle.DashLine),
        ):
            painter.setPen(pen)
            painter.drawPolyline(line)
        painter.end()
