"""Rows of a list that say something more at their right end."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

GAP_PX = 12


class RightTexts(QStyledItemDelegate):
    """Draws the text that ``role`` holds at a row's right end; the row's own text gives way to it."""

    def __init__(self, colour: QColor, role: int, parent: QObject) -> None:
        super().__init__(parent)
        self._colour = colour
        self._role = role

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        taken = option.fontMetrics.horizontalAdvance(self._text(index))
        if taken and option.rect.width() > 0:  # a row that is only measured has no width yet
            room = option.rect.width() - taken - 3 * GAP_PX
            option.text = option.fontMetrics.elidedText(option.text, Qt.TextElideMode.ElideRight, room)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().paint(painter, option, index)
        text = self._text(index)
        if text:
            painter.save()
            painter.setPen(self._colour)
            room = option.rect.adjusted(GAP_PX, 0, -GAP_PX, 0)
            painter.drawText(room, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
            painter.restore()

    def _text(self, index: QModelIndex | QPersistentModelIndex) -> str:
        return str(index.data(self._role) or "")
