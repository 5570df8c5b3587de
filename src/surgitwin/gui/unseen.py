"""What nobody sees is refreshed later, one part for each turn of the event loop, so that a change does not hold it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QWidget

# After the views have drawn the change; the parts come apart by as much as lets a movement of the mouse in between.
FIRST_MS = 120
APART_MS = 12


class Unseen(QObject):
    """Refreshes the parts of the window: those on screen at once, the others in turn."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: dict[QWidget, Callable[[], None]] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._turn)

    def refresh(self, part: QWidget, refresh: Callable[[], None]) -> None:
        """Call ``refresh`` now if ``part`` is on screen, else in a later turn; once, however often it is asked for."""
        if part.isVisible():
            self._waiting.pop(part, None)
            refresh()
            return
        self._waiting[part] = refresh
        if not self._timer.isActive():
            self._timer.start(FIRST_MS)

    def clear(self) -> None:
        """Drop what still waits: the parts go, or are filled anew."""
        self._timer.stop()
        self._waiting.clear()

    def _turn(self) -> None:
        if not self._waiting:
            return  # everything has come on screen meanwhile
        part = next(iter(self._waiting))
        refresh = self._waiting.pop(part)
        if self._waiting:
            self._timer.start(APART_MS)
        refresh()
