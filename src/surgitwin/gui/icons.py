"""Line icons from ``resources/icons``, drawn in a colour of the theme."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

FOLDER = Path(__file__).parent.parent / "resources" / "icons"


def icon(name: str, color: QColor, size: int = 18) -> QIcon:
    """The icon ``name`` in one colour, sharp at 100 and 200 % scaling."""
    text = (FOLDER / f"{name}.svg").read_text(encoding="utf-8").replace("#ffffff", color.name())
    renderer = QSvgRenderer(QByteArray(text.encode()))
    result = QIcon()
    for scale in (1, 2):
        pixmap = QPixmap(size * scale, size * scale)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setOpacity(color.alphaF())
        renderer.render(painter, QRectF(0, 0, size * scale, size * scale))
        painter.end()
        pixmap.setDevicePixelRatio(scale)
        result.addPixmap(pixmap)
    return result


def swatch(color: tuple[int, int, int], size: int = 12) -> QIcon:
    """A small rounded square in a segment's colour."""
    pixmap = QPixmap(size * 2, size * 2)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(*color))
    painter.drawRoundedRect(QRectF(2, 2, size * 2 - 4, size * 2 - 4), 5, 5)
    painter.end()
    pixmap.setDevicePixelRatio(2)
    result = QIcon(pixmap)
    result.addPixmap(pixmap, QIcon.Mode.Selected)  # the colour is the segment's, chosen or not
    return result
