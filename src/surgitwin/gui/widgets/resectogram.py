"""The margin map: a cut laid flat, its classes by colour and by hatching, linked to the views by the mouse."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from surgitwin.core.text import tr
from surgitwin.gui.theme import Theme
from surgitwin.resection.cut_map import CutMap, MarginClass
from surgitwin.scene.nodes import Point

LOOKS: tuple[tuple[MarginClass, str, Qt.BrushStyle, str], ...] = (
    (MarginClass.BELOW, "bad", Qt.BrushStyle.BDiagPattern, tr("below")),
    (MarginClass.UNSURE, "caution", Qt.BrushStyle.Dense5Pattern, tr("unsure")),
    (MarginClass.SAFE, "good", Qt.BrushStyle.NoBrush, tr("safe")),
)
LEGEND_PX = 22
PAD_PX = 8
HEIGHT_PX = 220
BAR_MM = (50.0, 20.0, 10.0, 5.0)


class ResectogramView(QWidget):
    """Signals: the mouse points at this place of the cut, LPS mm."""

    pointed = Signal(object)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._map: CutMap | None = None
        self._classes: NDArray[np.uint8] | None = None
        self._paths: dict[MarginClass, QPainterPath] = {}
        self._note = tr("No cut to lay flat")
        self._mark: tuple[int, int] | None = None
        self.setMouseTracking(True)
        self.setFixedHeight(HEIGHT_PX)
        self.setAccessibleName(tr("Margin map"))

    def sizeHint(self) -> QSize:
        return QSize(290, HEIGHT_PX)

    def show_map(self, found: CutMap | None, classes: NDArray[np.uint8] | None, note: str = "") -> None:
        """Show a cut; ``note`` stands in its place where there is none."""
        if found is not None and found is self._map and classes is self._classes:
            return  # what is drawn takes long to make
        self._map, self._classes = found, classes
        self._note = note or tr("No cut to lay flat")
        self._mark = None
        self._paths = {}
        if classes is not None:
            self._paths = {kind: _path(classes == kind) for kind, *_ in LOOKS}
        self.setAccessibleDescription(self.summary())
        self.update()

    def mark(self, point: Point | None) -> None:
        """Mark the place of the cut that is nearest to a point of the views, if it is close."""
        before = self._mark
        self._mark = None
        if self._map is not None and point is not None:
            away = np.linalg.norm(self._map.points_mm - np.asarray(point), axis=-1)
            row, column = np.unravel_index(int(np.argmin(away)), away.shape)
            if away[row, column] <= 2 * max(self._map.step_mm):
                self._mark = (int(row), int(column))
        if self._mark != before:
            self.update()

    def summary(self) -> str:
        """What the map says, in words."""
        if self._classes is None:
            return self._note
        total = int(np.count_nonzero(self._classes))
        if not total:
            return self._note
        shares = {
            kind: 100.0 * np.count_nonzero(self._classes == kind) / total
            for kind in (MarginClass.BELOW, MarginClass.UNSURE)
        }
        message = tr("{below:.0f} % of the cut below the wish, {unsure:.0f} % unsure")
        return message.format(below=shares[MarginClass.BELOW], unsure=shares[MarginClass.UNSURE])

    # ---- geometry ----------------------------------------------------------------------------------------------

    def _frame(self) -> tuple[float, float, float, float] | None:
        """Left, top and the size of one cell, in pixels: the map keeps its own proportions."""
        if self._map is None:
            return None
        rows, columns = self._map.on_cut.shape
        down, along = self._map.step_mm
        room_x, room_y = self.width() - 2 * PAD_PX, self.height() - 2 * PAD_PX - LEGEND_PX
        scale = min(room_x / (columns * along), room_y / (rows * down))
        wide, tall = along * scale, down * scale
        left = PAD_PX + (room_x - wide * columns) / 2
        top = PAD_PX + (room_y - tall * rows) / 2
        return left, top, wide, tall

    def _cell(self, at: QPointF) -> tuple[int, int] | None:
        frame = self._frame()
        if frame is None or self._map is None:
            return None
        left, top, wide, tall = frame
        row, column = int((at.y() - top) // tall), int((at.x() - left) // wide)
        rows, columns = self._map.on_cut.shape
        return (row, column) if 0 <= row < rows and 0 <= column < columns else None

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        cell = self._cell(event.position())
        if cell is None or self._map is None or not self._map.on_cut[cell]:
            self.setToolTip("")
            return
        self.setToolTip(tr("{mm:.1f} mm to the nearest lesion").format(mm=self._map.distance_mm[cell]))
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier or event.buttons() & Qt.MouseButton.LeftButton:
            self._point(cell)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        cell = self._cell(event.position())
        on_cut = self._map is not None and cell is not None and bool(self._map.on_cut[cell])
        if event.button() == Qt.MouseButton.LeftButton and cell is not None and on_cut:
            self._point(cell)

    def _point(self, cell: tuple[int, int]) -> None:
        assert self._map is not None
        x, y, z = (float(value) for value in self._map.points_mm[cell])
        self.pointed.emit((x, y, z))

    # ---- drawing -----------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), self._theme.colour("background"))
        painter.setFont(self._theme.font("font-small"))
        frame = self._frame()
        if frame is None or self._map is None or not self._map.on_cut.any():
            painter.setPen(self._theme.colour("text-muted"))
            painter.drawText(self.rect().adjusted(12, 12, -12, -12), _WRAPPED, self._note)
            painter.end()
            return
        left, top, wide, tall = frame
        painter.save()
        painter.translate(left, top)
        painter.scale(wide, tall)
        for kind, token, pattern, _ in LOOKS:
            _fill(
                painter, self._paths[kind], self._theme.colour(token, 0.55), QBrush(self._theme.colour("text"), pattern)
            )
        painter.restore()
        if self._map.nearest is not None:
            self._draw_nearest(painter, frame, self._map.nearest)
        if self._mark is not None:
            self._draw_mark(painter, frame, self._mark)
        self._draw_bar(painter, wide / self._map.step_mm[1])
        self._draw_legend(painter)
        painter.end()

    def _draw_nearest(self, painter: QPainter, frame: tuple[float, float, float, float], cell: tuple[int, int]) -> None:
        """The place of the smallest margin, with its value."""
        assert self._map is not None
        at = _middle(frame, cell)
        painter.setPen(QPen(self._theme.colour("text"), 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(at, 5.0, 5.0)
        text = tr("{mm:.1f} mm").format(mm=self._map.distance_mm[cell])
        width = QFontMetricsF(painter.font()).horizontalAdvance(text)
        x = at.x() + 11 if at.x() + 11 + width < self.width() - 2 else at.x() - 11 - width
        painter.fillRect(QRectF(x - 3, at.y() - 9, width + 6, 17), self._theme.colour("background", 0.75))
        painter.drawText(QPointF(x, at.y() + 4), text)

    def _draw_mark(self, painter: QPainter, frame: tuple[float, float, float, float], cell: tuple[int, int]) -> None:
        at = _middle(frame, cell)
        painter.setPen(QPen(self._theme.colour("accent"), 1.5))
        painter.drawLine(at - QPointF(7, 0), at + QPointF(7, 0))
        painter.drawLine(at - QPointF(0, 7), at + QPointF(0, 7))

    def _draw_bar(self, painter: QPainter, pixels_per_mm: float) -> None:
        """How long a length is on the map."""
        length = next((mm for mm in BAR_MM if mm * pixels_per_mm <= self.width() / 3), BAR_MM[-1])
        y = self.height() - LEGEND_PX - 3.0
        painter.setPen(QPen(self._theme.colour("text-muted"), 1.5))
        painter.drawLine(QPointF(PAD_PX, y), QPointF(PAD_PX + length * pixels_per_mm, y))
        painter.drawText(QPointF(PAD_PX, y - 4), f"{length:g} mm")

    def _draw_legend(self, painter: QPainter) -> None:
        x, y = float(PAD_PX), float(self.height() - LEGEND_PX + 5)
        for _, token, pattern, title in LOOKS:
            box = QRectF(x, y, 14, 11)
            painter.fillRect(box, self._theme.colour(token, 0.55))
            painter.fillRect(box, QBrush(self._theme.colour("text"), pattern))
            painter.setPen(self._theme.colour("text-muted"))
            painter.drawText(QPointF(x + 19, y + 10), title)
            x += 19 + QFontMetricsF(painter.font()).horizontalAdvance(title) + 14


_WRAPPED = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)


def _path(cells: NDArray[np.bool_]) -> QPainterPath:
    """The cells as one shape, a run of neighbours at a time."""
    path = QPainterPath()
    path.setFillRule(Qt.FillRule.WindingFill)
    padded = np.pad(cells, ((0, 0), (1, 1))).astype(np.int8)
    steps = np.diff(padded, axis=1)
    for row, start in zip(*np.nonzero(steps == 1), strict=True):
        stop = start + int(np.argmax(steps[row, start:] == -1))
        path.addRect(float(start), float(row), float(stop - start), 1.0)
    return path.simplified()


def _fill(painter: QPainter, path: QPainterPath, colour: QColor, hatching: QBrush) -> None:
    painter.fillPath(path, colour)
    if hatching.style() != Qt.BrushStyle.NoBrush:
        # Without the painter's scale the stripes keep their width and direction.
        hatching.setTransform(painter.transform().inverted()[0])
        painter.fillPath(path, hatching)


def _middle(frame: tuple[float, float, float, float], cell: tuple[int, int]) -> QPointF:
    left, top, wide, tall = frame
    return QPointF(left + (cell[1] + 0.5) * wide, top + (cell[0] + 0.5) * tall)
