"""A heading that folds what is below it."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from surgitwin.gui.theme import Theme, set_role


class SectionHeader(QPushButton):
    """Title with a triangle; ``toggled(bool)`` tells whether the section is open."""

    def __init__(self, theme: Theme, title: str, opened: bool = True, parent: QWidget | None = None) -> None:
        super().__init__(title, parent)
        self._theme = theme
        self._count = ""
        self.setCheckable(True)
        self.setChecked(opened)
        self.setFont(theme.font("font-small", "medium"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(theme.tokens.sizes["control"])
        set_role(self, "quiet")

    def set_count(self, text: str) -> None:
        """A short text at the right end, such as how many things the section holds."""
        self._count = text
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.underMouse() or self.hasFocus():
            painter.setPen(self._theme.colour("accent") if self.hasFocus() else Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.colour("hover", 0.6))
            painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), 4, 4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.colour("text-faint"))
        painter.drawPolygon(self._triangle(10.0, self.height() / 2))
        painter.setPen(self._theme.colour("text-muted"))
        painter.setFont(self.font())
        box = self.rect().adjusted(20, 0, -8, 0)
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self.text())
        painter.setPen(self._theme.colour("text-faint"))
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self._count)
        painter.end()

    def _triangle(self, x: float, y: float) -> QPolygonF:
        if self.isChecked():
            return QPolygonF([QPointF(x - 4, y - 2), QPointF(x + 4, y - 2), QPointF(x, y + 3)])
        return QPolygonF([QPointF(x - 2, y - 4), QPointF(x + 3, y), QPointF(x - 2, y + 4)])


class Section(QWidget):
    """A header and a body that it folds; put widgets into ``body``."""

    toggled = Signal(bool)

    def __init__(self, theme: Theme, title: str, opened: bool = True, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.header = SectionHeader(theme, title, opened)
        self._content = QWidget()
        self.body = QVBoxLayout(self._content)
        self.body.setContentsMargins(4, 4, 4, 8)
        self.body.setSpacing(8)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.header)
        column.addWidget(self._content)
        self._content.setVisible(opened)
        self.header.toggled.connect(self._on_toggled)

    @property
    def opened(self) -> bool:
        return self.header.isChecked()

    def set_opened(self, opened: bool) -> None:
        self.header.setChecked(opened)

    def _on_toggled(self, opened: bool) -> None:
        self._content.setVisible(opened)
        self.toggled.emit(opened)
