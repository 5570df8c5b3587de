"""One line for a piece of work that is under way: what, how far, and a way to stop it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.theme import Theme, set_role


class ProgressRow(QWidget):
    """Message, bar, per cent and Cancel; emits ``cancelled()`` once."""

    cancelled = Signal()

    def __init__(self, theme: Theme, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._message = QLabel(title)
        self._message.setFont(theme.font("font-small"))
        set_role(self._message, "muted")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(132)
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
        if fraction is None:
            self._bar.setRange(0, 0)
            self._percent.setText("")
            return
        percent = round(100 * min(max(fraction, 0.0), 1.0))
        self._bar.setRange(0, 100)
        self._bar.setValue(percent)
        self._percent.setText(f"{percent} %")

    def set_cancellable(self, cancellable: bool) -> None:
        self._cancel.setVisible(cancellable)

    def _on_cancel(self) -> None:
        self._cancel.setEnabled(False)
        self._cancel.setText(tr("Cancelling"))
        self.cancelled.emit()
