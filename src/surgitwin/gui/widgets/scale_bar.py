"""The bar that says what colours stand for."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from surgitwin.core.text import tr
from surgitwin.gui.theme import Theme
from surgitwin.render.colour_scale import ColourScale

BAR_PX, GAP_PX = 10, 2


class ScaleBar(QWidget):
    """A bar of colours with its title and unit above, numbers below, and a tick at each marked value."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._scale: ColourScale | None = None
        self._font = theme.font("font-small")
        self._fit()

    def show_scale(self, scale: ColourScale | None) -> None:
        """Show a scale; None: nothing."""
        self._scale = scale
        if scale is not None:
            text = tr("{title}: {low} to {high} {unit}")
            words = text.format(title=scale.title, low=_short(scale.low), high=_short(scale.high), unit=scale.unit)
            self.setAccessibleName(", ".join((words, *scale.words)))
        self._fit()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(160, self.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        scale = self._scale
        if scale is None:
            return
        painter = QPainter(self)
        painter.setFont(self._font)
        high = QFontMetricsF(self._font).height()
        muted = self._theme.colour("text-muted")
        painter.setPen(muted)
        title = f"{scale.title}, {scale.unit}" if scale.unit else scale.title
        painter.drawText(QRectF(0, 0, self.width(), high), Qt.AlignmentFlag.AlignLeft, title)
        bar = QRectF(0, high + GAP_PX, self.width(), BAR_PX)
        _paint_colours(painter, bar, scale)
        painter.setPen(muted)
        for value in scale.marks:
            x = _place(bar, scale, value)
            painter.drawLine(QPointF(x, bar.top() - 1), QPointF(x, bar.bottom() + 3))
        self._paint_numbers(painter, bar, scale)
        below = QRectF(0, bar.bottom() + 2 * GAP_PX + high, self.width(), high)
        sides = (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignHCenter, Qt.AlignmentFlag.AlignRight)
        for word, side in zip(scale.words, sides, strict=False):
            painter.drawText(below, side, word)
        painter.end()

    def _paint_numbers(self, painter: QPainter, bar: QRectF, scale: ColourScale) -> None:
        """The ends first, then what else there is room for."""
        metrics = QFontMetricsF(self._font)
        inner = scale.marks or (0.5 * (scale.low + scale.high),)
        taken: list[tuple[float, float]] = []
        for value in (scale.low, scale.high, *inner):
            text = _short(value)
            wide = metrics.horizontalAdvance(text)
            left = min(max(_place(bar, scale, value) - wide / 2, 0.0), self.width() - wide)
            if any(left < end + 4 and start < left + wide + 4 for start, end in taken):
                continue
            taken.append((left, left + wide))
            box = QRectF(left, bar.bottom() + 2 * GAP_PX, wide + 1, metrics.height())
            painter.drawText(box, Qt.AlignmentFlag.AlignLeft, text)

    def _fit(self) -> None:
        lines = 3 if self._scale is not None and self._scale.words else 2
        self.setFixedHeight(round(lines * QFontMetricsF(self._font).height()) + BAR_PX + 8)


def _paint_colours(painter: QPainter, bar: QRectF, scale: ColourScale) -> None:
    if scale.stepped:
        ends = (scale.low, *scale.bands, scale.high)
        for colour, start, stop in zip(scale.stops, ends[:-1], ends[1:], strict=True):
            left, right = _place(bar, scale, start), _place(bar, scale, stop)
            painter.fillRect(QRectF(left, bar.top(), right - left, bar.height()), QColor(*colour))
        return
    gradient = QLinearGradient(bar.topLeft(), bar.topRight())
    for number, colour in enumerate(scale.stops):
        gradient.setColorAt(number / (len(scale.stops) - 1), QColor(*colour))
    painter.fillRect(bar, gradient)


def _place(bar: QRectF, scale: ColourScale, value: float) -> float:
    span = scale.high - scale.low
    share = (value - scale.low) / span if span > 0 else 0.5
    return bar.left() + min(max(share, 0.0), 1.0) * (bar.width() - 1)


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
