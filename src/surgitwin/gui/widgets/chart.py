"""A small chart: lines, a band of uncertainty, limits, and the points of plans; drawn by the widget itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from surgitwin.core.text import tr
from surgitwin.gui.theme import Theme

HEIGHT_PX = 190
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 34, 10, 18, 34
TICKS = 4
Numbers = Sequence[float]


@dataclass(frozen=True)
class Line:
    """A curve; ``token`` is the colour token that it is drawn in."""

    xs: Numbers
    ys: Numbers
    token: str = "accent"
    dashed: bool = False
    label: str = ""


@dataclass(frozen=True)
class Band:
    """What lies between two curves."""

    xs: Numbers
    low: Numbers
    high: Numbers
    token: str = "accent"


@dataclass(frozen=True)
class Level:
    """A limit: a dashed line across, with its name."""

    y: float
    label: str
    token: str = "bad"


@dataclass(frozen=True)
class Dot:
    """One plan, with its interval; the one that is looked at is filled."""

    x: float
    y: float
    label: str
    filled: bool = True
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ChartContent:
    """What a chart shows.

    Attributes
    ----------
    x_label, y_label
        What is drawn, with its unit.
    marker_x
        A thin line at this place, such as the moment that is looked at.
    """

    x_label: str
    y_label: str
    lines: tuple[Line, ...] = ()
    bands: tuple[Band, ...] = ()
    levels: tuple[Level, ...] = ()
    dots: tuple[Dot, ...] = ()
    marker_x: float | None = None
    summary: str = ""


class Chart(QWidget):
    """Shows one `ChartContent`, or a sentence where there is none."""

    def __init__(self, theme: Theme, title: str) -> None:
        super().__init__()
        self._theme = theme
        self._content: ChartContent | None = None
        self._font = theme.font("font-small")
        self.setFixedHeight(HEIGHT_PX)
        self.setAccessibleName(title)

    def sizeHint(self) -> QSize:
        return QSize(290, HEIGHT_PX)

    @property
    def content(self) -> ChartContent | None:
        return self._content

    def show_content(self, content: ChartContent | None) -> None:
        if content == self._content:
            return
        self._content = content
        self.setAccessibleDescription(content.summary if content is not None else tr("Nothing to show yet"))
        self.update()

    # ---- geometry ----------------------------------------------------------------------------------------------

    def _area(self) -> QRectF:
        return QRectF(LEFT_PX, TOP_PX, self.width() - LEFT_PX - RIGHT_PX, self.height() - TOP_PX - BOTTOM_PX)

    def _place(self, area: QRectF, spans: tuple[float, float, float, float], x: float, y: float) -> QPointF:
        left, right, bottom, top = spans
        return QPointF(
            area.left() + (x - left) / (right - left) * area.width(),
            area.bottom() - (y - bottom) / (top - bottom) * area.height(),
        )

    # ---- drawing -----------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._font)
        content = self._content
        if content is None:
            painter.setPen(self._theme.colour("text-faint"))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, tr("Nothing to show yet"))
            painter.end()
            return
        area, spans = self._area(), spans_of(content)
        self._draw_axes(painter, area, spans, content)
        painter.save()
        painter.setClipRect(area.adjusted(-1, -1, 1, 1))
        for band in content.bands:
            self._draw_band(painter, area, spans, band)
        for level in content.levels:
            self._draw_level(painter, area, spans, level)
        for line in content.lines:
            self._draw_line(painter, area, spans, line)
        if content.marker_x is not None:
            painter.setPen(QPen(self._theme.colour("text-muted"), 1))
            top = self._place(area, spans, content.marker_x, spans[3])
            painter.drawLine(top, QPointF(top.x(), area.bottom()))
        painter.restore()
        for dot in content.dots:
            self._draw_dot(painter, area, spans, dot)
        self._draw_legend(painter, area, content)
        painter.end()

    def _draw_axes(
        self, painter: QPainter, area: QRectF, spans: tuple[float, float, float, float], content: ChartContent
    ) -> None:
        left, right, bottom, top = spans
        painter.setPen(QPen(self._theme.colour("line"), 1))
        painter.drawLine(area.bottomLeft(), area.topLeft())
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.setPen(self._theme.colour("text-muted"))
        high = QFontMetricsF(self._font).height()
        for value in ticks(bottom, top):
            y = self._place(area, spans, left, value).y()
            box = QRectF(0, y - high / 2, LEFT_PX - 5, high)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{value:g}")
        for value in ticks(left, right):
            x = self._place(area, spans, value, bottom).x()
            painter.drawText(QRectF(x - 30, area.bottom() + 2, 60, high), Qt.AlignmentFlag.AlignHCenter, f"{value:g}")
        below = QRectF(area.left(), area.bottom() + 2 + high, area.width(), high)
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, content.x_label)
        painter.drawText(QRectF(2, 0, self.width() / 2, high), Qt.AlignmentFlag.AlignLeft, content.y_label)

    def _draw_band(self, painter: QPainter, area: QRectF, spans: tuple[float, float, float, float], band: Band) -> None:
        upper = [self._place(area, spans, x, y) for x, y in zip(band.xs, band.high, strict=True)]
        lower = [self._place(area, spans, x, y) for x, y in zip(band.xs, band.low, strict=True)]
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.colour(band.token, 0.22))
        painter.drawPolygon(QPolygonF([*upper, *reversed(lower)]))

    def _draw_line(self, painter: QPainter, area: QRectF, spans: tuple[float, float, float, float], line: Line) -> None:
        pen = QPen(self._theme.colour(line.token), 1.6)
        if line.dashed:
            pen.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF([self._place(area, spans, x, y) for x, y in zip(line.xs, line.ys, strict=True)]))

    def _draw_level(
        self, painter: QPainter, area: QRectF, spans: tuple[float, float, float, float], level: Level
    ) -> None:
        y = self._place(area, spans, spans[0], level.y).y()
        pen = QPen(self._theme.colour(level.token), 1)
        pen.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        high = QFontMetricsF(self._font).height()
        box = QRectF(area.left(), y - high - 1, area.width() - 2, high)
        painter.drawText(box, Qt.AlignmentFlag.AlignRight, level.label)

    def _draw_dot(self, painter: QPainter, area: QRectF, spans: tuple[float, float, float, float], dot: Dot) -> None:
        place = self._place(area, spans, dot.x, dot.y)
        colour = self._theme.colour("text")
        painter.setPen(QPen(colour, 1.4))
        if dot.low is not None and dot.high is not None:
            painter.drawLine(self._place(area, spans, dot.x, dot.low), self._place(area, spans, dot.x, dot.high))
        painter.setBrush(colour if dot.filled else self._theme.colour("surface"))
        painter.drawEllipse(place, 4, 4)
        painter.setPen(colour)
        metrics = QFontMetricsF(self._font)
        text = metrics.elidedText(dot.label, Qt.TextElideMode.ElideRight, 90)
        wide = metrics.horizontalAdvance(text)
        x = min(place.x() + 7, area.right() - wide)
        painter.drawText(QPointF(x, max(place.y() - 6, area.top() + metrics.ascent())), text)

    def _draw_legend(self, painter: QPainter, area: QRectF, content: ChartContent) -> None:
        """The names of the lines at the top right, each with a piece of its line."""
        metrics = QFontMetricsF(self._font)
        x = area.right()
        for line in reversed([one for one in content.lines if one.label]):
            x -= metrics.horizontalAdvance(line.label)
            painter.setPen(self._theme.colour("text-muted"))
            painter.drawText(QPointF(x, metrics.ascent() + 1), line.label)
            pen = QPen(self._theme.colour(line.token), 1.6)
            if line.dashed:
                pen.setStyle(Qt.PenStyle.DashLine)
            painter.setPen(pen)
            middle = metrics.height() / 2
            painter.drawLine(QPointF(x - 18, middle), QPointF(x - 4, middle))
            x -= 28


def spans_of(content: ChartContent) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of what is shown, with a little air above and below."""
    xs = [x for line in content.lines for x in line.xs] + [x for band in content.bands for x in band.xs]
    xs += [dot.x for dot in content.dots]
    ys = [y for line in content.lines for y in line.ys]
    ys += [y for band in content.bands for y in (*band.low, *band.high)]
    ys += [y for dot in content.dots for y in (dot.y, dot.low, dot.high) if y is not None]
    ys += [level.y for level in content.levels]
    left, right = (min(xs), max(xs)) if xs else (0.0, 1.0)
    bottom, top = (min(ys), max(ys)) if ys else (0.0, 1.0)
    if right - left < 1e-9:
        left, right = left - 0.5, right + 0.5
    air = max(0.06 * (top - bottom), 0.5 if top - bottom < 1e-9 else 0.0)
    return left, right, bottom - air, top + air


def ticks(low: float, high: float) -> list[float]:
    """A few round numbers from ``low`` to ``high``."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(step * k, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]
