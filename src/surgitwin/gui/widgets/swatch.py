"""A button that shows a colour and lets one choose another."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QColorDialog, QPushButton, QSizePolicy, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.theme import Theme

Rgb = tuple[int, int, int]


class ColourSwatch(QPushButton):
    """Emits ``colour_changed(Rgb)`` when another colour was chosen; the dialog does not block the window."""

    colour_changed = Signal(object)

    def __init__(self, theme: Theme, colour: Rgb, name: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._name = name
        self._dialog: QColorDialog | None = None
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setFixedSize(QSize(20, 20))
        self.set_colour(colour)
        self.clicked.connect(self.choose)

    def set_colour(self, colour: Rgb) -> None:
        self.colour = colour
        text = tr("Colour of {name}").format(name=self._name) if self._name else tr("Colour")
        self.setToolTip(text)
        self.setAccessibleName(f"{text}: #{colour[0]:02x}{colour[1]:02x}{colour[2]:02x}")
        self.update()

    def choose(self) -> None:
        """Open the colour dialog."""
        if self._dialog is None:
            dialog = QColorDialog(QColor(*self.colour), self)
            dialog.setOption(QColorDialog.ColorDialogOption.DontUseNativeDialog)
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.colorSelected.connect(self._on_chosen)
            dialog.finished.connect(self._on_closed)
            self._dialog = dialog
        self._dialog.open()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ring = "accent" if self.hasFocus() else "text-faint"
        if self.underMouse() or self.hasFocus():
            painter.setPen(self._theme.colour(ring))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(1.5, 1.5, 17, 17), 5, 5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(*self.colour))
        painter.drawRoundedRect(QRectF(4, 4, 12, 12), 3, 3)
        painter.end()

    def _on_chosen(self, colour: QColor) -> None:
        rgb = (colour.red(), colour.green(), colour.blue())
        if rgb != self.colour:
            self.set_colour(rgb)
            self.colour_changed.emit(rgb)

    def _on_closed(self) -> None:
        self._dialog = None
