"""A command computed ahead: shown before it is taken, then taken without computing it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal

from surgitwin.commands.base import Command, Document, Work
from surgitwin.core.errors import SurgitwinError
from surgitwin.gui.desk import Desk
from surgitwin.jobs import Job
from surgitwin.session import Prepared, Session


class Preview(QObject):
    """One preview at a time; a new one takes the place of the old one, finished or not.

    What is shown stays until something newer is there, so that it does not flicker.

    Signals
    -------
    shown(object)
        The partial result of the command that is to be looked at, or None to take it away.
    ended()
        The command is computed, or failed.
    failed(str)
        Why there is nothing to show.
    """

    shown = Signal(object)
    ended = Signal()
    failed = Signal(str)

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._job: Job | None = None
        self._session: Session | None = None
        self._ready: Prepared | None = None
        self._outdated = False
        desk.session_changed.connect(lambda _: self.clear())

    @property
    def running(self) -> bool:
        return self._job is not None

    @property
    def ready(self) -> Prepared | None:
        """What was computed and is shown now."""
        return self._ready

    def start(self, command: Command, begin: Callable[[Session], Work[Any]] | None = None) -> None:
        """Compute what a command would do; what is shown stays until that is there.

        Parameters
        ----------
        begin
            Another way to begin the command's work.
        """
        self._cancel()
        self._ready, self._outdated = None, False
        session = self._desk.session
        if session is None:
            return
        self._session = session
        try:
            work = begin(session) if begin is not None else command.start(session)
            self._job = session.runner.submit(
                command.title,
                work.compute,
                lambda outcome: self._keep(Prepared(command, work, outcome)),
                self._fail,
                self.shown.emit,
            )
        except SurgitwinError as error:
            self._fail(error)

    def outdate(self) -> None:
        """What is shown, or about to be, no longer is what the command would do: it may be looked at, not taken."""
        self._ready, self._outdated = None, True

    def clear(self) -> None:
        """Stop, and show nothing."""
        self._cancel()
        self._ready = None
        self.shown.emit(None)

    def take(self, command: Command, done: Callable[[Document], None] | None = None) -> None:
        """Do the command: at once if just this one is shown, else as a job."""
        ready, session = self._ready, self._desk.session
        if ready is None or session is None or session is not self._session or ready.command != command:
            self.clear()
            self._desk.do(command, done)
            return
        self._cancel()
        self._ready = None
        try:
            document = session.commit(ready)
        except SurgitwinError as error:
            self._desk.report(error)
        else:
            if done is not None:
                done(document)
        self.shown.emit(None)

    def _cancel(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.context.cancel()

    def _keep(self, prepared: Prepared) -> None:
        self._job, self._ready = None, None if self._outdated else prepared
        self.ended.emit()

    def _fail(self, error: BaseException) -> None:
        self._job, self._ready = None, None
        self.shown.emit(None)
        self.ended.emit()
        if isinstance(error, SurgitwinError):
            self.failed.emit(str(error))
        else:
            self._desk.report(error)
