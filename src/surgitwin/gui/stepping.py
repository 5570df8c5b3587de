"""Undo and redo, one step for each turn of the event loop, so that going back far does not hold the window."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

from surgitwin.core.errors import SurgitwinError
from surgitwin.session import Session

MOST_PENDING = 2  # changes that may wait for the disk; one more would make the window wait for it
# Also the time in which the views show a step before the next; at once, several steps' drawing would come together.
ROOM_MS = 15


class Stepper(QObject):
    """Takes steps in the history of one session after the other; each is whole, and drawn or not as time allows.

    What is left of a way is given up when something else changes the history, a step fails, or the case goes.
    """

    def __init__(self, session: Callable[[], Session | None], failed: Callable[[BaseException], None]) -> None:
        super().__init__()
        self._session_now, self._failed = session, failed
        self._session: Session | None = None
        self._steps: deque[bool] = deque()  # True: redo
        self._expected: tuple[int, int] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._turn)

    @property
    def busy(self) -> bool:
        return bool(self._steps)

    def undo(self, count: int = 1) -> None:
        """Go ``count`` steps back: the first now, if there is room for it, the others with the next turns."""
        self._go(False, count)

    def redo(self, count: int = 1) -> None:
        """Go ``count`` steps forward again."""
        self._go(True, count)

    def stop(self) -> None:
        """Give up what is left."""
        self._timer.stop()
        self._steps.clear()
        self._session = self._expected = None

    def _go(self, redo: bool, count: int) -> None:
        session = self._session_now()
        if session is None:
            return
        if self._session is not session or self._expected != _place(session):
            self.stop()
        self._session, self._expected = session, _place(session)
        self._steps.extend([redo] * count)
        if not self._timer.isActive():
            self._turn()

    def _turn(self) -> None:
        session = self._session
        if session is None or session is not self._session_now() or _place(session) != self._expected:
            self.stop()
            return
        file = session.case_file
        if file is not None and file.state.pending >= MOST_PENDING and not file.state.failure:
            self._timer.start(ROOM_MS)
            return
        step = session.redo if self._steps.popleft() else session.undo
        try:
            done = step()
        except SurgitwinError as error:
            self.stop()
            self._failed(error)
            return
        if not self._steps or done is None:
            self.stop()
            return
        self._expected = _place(session)
        self._timer.start(ROOM_MS)


def _place(session: Session) -> tuple[int, int]:
    """Where in its history a session is."""
    return len(session.history.undo_names), len(session.history.redo_names)
