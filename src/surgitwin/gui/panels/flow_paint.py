"""Flow on the anatomy: which quantity colours the vessel tree, and what the colours stand for."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from surgitwin.core.text import tr
from surgitwin.gui.panels.parts import Choice, note_label
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.sections import Section
from surgitwin.render.flow_colours import SCALE, FlowScale, changes_text, flow_scale, painted_tree

BAR_PX = 10


class ScaleBar(QWidget):
    """A bar of colours with the values at its ends and in the middle."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._scale: FlowScale | None = None
        self._font = theme.font("font-small")
        self.setFixedHeight(round(2 * QFontMetricsF(self._font).height()) + BAR_PX + 8)

    def show_scale(self, scale: FlowScale | None) -> None:
        self._scale = scale
        if scale is not None:
            text = tr("{title}: {low} to {high} {unit}")
            self.setAccessibleName(
                text.format(title=scale.title, low=_short(scale.low), high=_short(scale.high), unit=scale.unit)
            )
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        scale = self._scale
        if scale is None:
            return
        painter = QPainter(self)
        painter.setFont(self._font)
        high = QFontMetricsF(self._font).height()
        painter.setPen(self._theme.colour("text-muted"))
        painter.drawText(QRectF(0, 0, self.width(), high), Qt.AlignmentFlag.AlignLeft, f"{scale.title}, {scale.unit}")
        bar = QRectF(0, high + 2, self.width(), BAR_PX)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for number, colour in enumerate(SCALE):
            gradient.setColorAt(number / (len(SCALE) - 1), QColor(*colour))
        painter.fillRect(bar, gradient)
        below = QRectF(0, bar.bottom() + 2, self.width(), high)
        for value, side in (
            (scale.low, Qt.AlignmentFlag.AlignLeft),
            (0.5 * (scale.low + scale.high), Qt.AlignmentFlag.AlignHCenter),
            (scale.high, Qt.AlignmentFlag.AlignRight),
        ):
            painter.drawText(below, side, _short(value))
        painter.end()


class FlowPaint(Section):
    """Signals: the tree is to be drawn in these colours, or as usual (None)."""

    painted = Signal(object)

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, tr("On the anatomy"))
        self._details: dict[str, Any] | None = None
        self._tree: str | None = None
        self.choice = Choice()
        for word, title in (
            ("flow", tr("Flow")),
            ("pressure", tr("Pressure")),
            ("wall-shear", tr("Wall shear stress")),
            ("", tr("Colours of the tree")),
        ):
            self.choice.addItem(title, word)
        self.choice.setAccessibleName(tr("What colours the vessels"))
        self.choice.activated.connect(lambda _: self._paint())
        self.body.addWidget(self.choice)
        self.bar = ScaleBar(theme)
        self.body.addWidget(self.bar)
        self.body.addWidget(note_label(tr("Grey: nothing flows. SIMULATED.")))
        self.changes = note_label()
        self.body.addWidget(self.changes)
        self.hide()

    def show_document(self, document: dict[str, Any] | None, tree: str | None) -> None:
        """Offer the colours of a result that has branches; ``tree`` is the tree it was computed on."""
        details = document["details"] if document is not None else {}
        self._details = details if tree is not None and "branches" in details and "points" in details else None
        self._tree = tree
        self.setVisible(self._details is not None)
        if self._details is not None:
            self.changes.setText(changes_text(self._details))
            self.changes.setVisible(bool(self.changes.text()))
        self._paint()

    def _paint(self) -> None:
        shown = str(self.choice.currentData())
        if self._details is None or self._tree is None or not shown:
            self.bar.setVisible(False)
            self.painted.emit(None)
            return
        self.bar.setVisible(True)
        self.bar.show_scale(flow_scale(self._details, shown))
        self.painted.emit(painted_tree(self._tree, self._details, shown))


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
