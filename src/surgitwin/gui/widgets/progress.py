"""One line for a piece of work that is under way: what, how far, and a way to stop it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.theme import Theme, set_role


class ProgressBar(QProgressBar):
    """A bar that is painted with the rest of the window: Qt's own paints at once, twice for each step, and holds it."""

    STEPS = 1000

    def __init__(self, width: int) -> None:
        super().__init__()
        self.setTextVisible(False)
        self.setFixedWidth(width)

    def show_fraction(self, fraction: float | None) -> None:
        """Show how far the work is, 0 to 1; None while it cannot be known."""
        most = 0 if fraction is None else self.STEPS
        value = round(self.STEPS * min(max(fraction or 0.0, 0.0), 1.0))
        if (self.maximum(), self.value()) == (most, value):
            return
        self.setUpdatesEnabled(False)
        self.setRange(0, most)
        self.setValue(value)
        self.setUpdatesEnabled(True)  # asks to be painted


class ProgressRow(QWidget):
    """Message, bar, per cent and Cancel; emits ``cancelled()`` once."""

    cancelled = Signal()

    def __init__(self, theme: Theme, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._message = QLabel(title)
        self._message.setFont(theme.font("font-small"))
        set_role(self._message, "muted")
        self._bar = ProgressBar(132)
        self._percent = QLabel()
        self._percent.setFont(theme.font("font-small"))
        self._percent.setFixedWidth(40)
        self._percent.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._cancel = QPushButton(tr("Cancel"))
        self._cancel.setFont(theme.font("font-small"))
        set_role(self._cancel, "quiet")
        self._cancel.clicked.connect(self._on_cancel)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for widget in (self._message, self._bar, self._percent, self._cancel):
            row.addWidget(widget)
        row.addStretch(1)
        self.set_progress(None)

    def set_progress(self, fraction: float | None, message: str = "") -> None:
        """Show how far the work is, 0 to 1; None while it cannot be known."""
        if message:
            self._message.setText(message)
        self._bar.show_fraction(fraction)
        self._percent.setText(f"{100 * min(max(fraction, 0.0), 1.0):.0f} %" if fraction is not None else "")

    def _on_cancel(self) -> None:
        self._cancel.setEnabled(False)
        self._cancel.setText(tr("Cancelling"))
        self.cancelled.emit()
