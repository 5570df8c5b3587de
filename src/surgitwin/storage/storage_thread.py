"""The one thread that owns the database: writes changes in order, and answers questions in between."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import apsw

from surgitwin.core.errors import StorageFailed
from surgitwin.core.signals import Signal
from surgitwin.core.text import tr
from surgitwin.storage import failures
from surgitwin.storage.batches import Batch
from surgitwin.storage.writer import WORKERS, Writer

T = TypeVar("T")
IDLE_S = 2.0  # after this long without work the write-ahead log is moved into the file
IDLE_BYTES = 8 * 2**20  # unless it is smaller than this
MOST_BYTES = 512 * 2**20  # beyond this it is moved at once

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SaveState:
    """How the file stands: ``pending`` changes are not on disk yet; ``failure`` says why they cannot be."""

    pending: int
    failure: str | None = None

    @property
    def saved(self) -> bool:
        return self.pending == 0


@dataclass(frozen=True)
class _Question:
    ask: Callable[[apsw.Connection], Any]
    answer: Future[Any]
    inside: bool  # may be answered while a change is half written


class StorageThread:
    """Runs until `stop`. At most one change waits while another is written.

    A change that cannot be written stays, and every later one is refused with the reason, until `retry` succeeds: so
    the file is never more than two changes behind the scene, and never holds half a change.

    Parameters
    ----------
    connect
        Opens the database; called on the new thread, its error is raised here.
    """

    def __init__(self, path: Path, connect: Callable[[], apsw.Connection]) -> None:
        self.path = path
        self.state_changed: Signal[SaveState] = Signal()
        self.pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="surgitwin-chunks")
        self.writer = Writer(self.pool)
        self._condition = threading.Condition()
        self._changes: deque[Batch] = deque()
        self._log_rows: list[tuple[str, str, str, str, str]] = []
        self._questions: deque[_Question] = deque()
        self._failure: StorageFailed | None = None
        self._stopped = False
        self._wal_bytes = 0
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(connect, opened), name="surgitwin-storage", daemon=True)
        self._thread.start()
        try:
            opened.result()
        except BaseException:
            self._stopped = True
            self.pool.shutdown()
            raise

    @property
    def state(self) -> SaveState:
        with self._condition:
            return SaveState(len(self._changes), str(self._failure) if self._failure else None)

    @property
    def unsaved(self) -> tuple[Batch, ...]:
        """Changes that are not on disk yet, the oldest first."""
        with self._condition:
            return tuple(self._changes)

    def submit(self, make: Callable[[], Batch]) -> None:
        """Queue what ``make`` returns; it is called once there is room, which may take as long as one change.

        Raises
        ------
        StorageFailed
            If an earlier change could not be written.
        """
        with self._condition:
            self._refuse_stopped()
            while len(self._changes) >= 2 and self._failure is None and not self._stopped:
                self._condition.wait()
            self._refuse_stopped()
            self._raise_failure()
        change = make()
        with self._condition:
            self._changes.append(change)
            self._condition.notify_all()
        self._tell()

    def log(self, row: tuple[str, str, str, str, str]) -> None:
        """Queue a line of the log; it goes with the next change, or alone if there is none."""
        with self._condition:
            self._refuse_stopped()
            self._log_rows.append(row)
            self._condition.notify_all()

    def wait(self) -> None:
        """Return once everything queued is synced; raise `StorageFailed` if it cannot be."""
        with self._condition:
            while self._changes or self._log_rows:
                self._raise_failure()
                self._refuse_stopped()
                self._condition.wait()
            self._raise_failure()

    def retry(self) -> None:
        """Try again to write what could not be written, and wait for it."""
        with self._condition:
            self._failure = None
            self._condition.notify_all()
        self.wait()

    def ask(self, question: Callable[[apsw.Connection], T], *, inside: bool = False) -> T:
        """Have a question answered on the thread; ``inside`` lets it come between the chunks of a change."""
        answer: Future[T] = Future()
        with self._condition:
            self._refuse_stopped()
            self._questions.append(_Question(question, answer, inside))
            self._condition.notify_all()
        return answer.result()

    def stop(self, last: Callable[[apsw.Connection], None]) -> None:
        """Call ``last``, which must close the connection, and end the thread."""
        try:
            self.ask(last)
        finally:
            with self._condition:
                self._stopped = True
                self._condition.notify_all()
            self._thread.join()
            self.pool.shutdown()

    def _refuse_stopped(self) -> None:
        if self._stopped:
            raise StorageFailed(tr("“{name}” is closed already.").format(name=self.path.name))

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise StorageFailed(str(self._failure)) from self._failure

    # What follows runs on the thread itself.

    def _run(self, connect: Callable[[], apsw.Connection], opened: Future[None]) -> None:
        try:
            db = connect()
        except BaseException as error:  # noqa: BLE001, raised again by whoever waits for the opening
            opened.set_exception(error)
            return
        page_size = int(db.pragma("page_size"))
        db.set_wal_hook(lambda _db, _name, pages: self._note_wal(pages * page_size))
        opened.set_result(None)
        while True:
            work = self._next()
            if work is None:
                return
            if isinstance(work, _Question):
                _answer(db, work)
            elif isinstance(work, Batch):
                self._write(db, work)
            else:
                self._checkpoint(db)

    def _next(self) -> Batch | _Question | str | None:
        """Wait for what to do next; a plain string asks for a checkpoint, ``None`` is the end."""
        with self._condition:
            while True:
                if self._questions:
                    return self._questions.popleft()
                if self._stopped:
                    return None
                if self._failure is None and self._wal_bytes > MOST_BYTES:
                    return "checkpoint"
                if self._failure is None and (self._changes or self._log_rows):
                    if not self._changes:
                        self._changes.append(Batch())
                    if self._log_rows:
                        first = self._changes[0]
                        self._changes[0] = replace(first, log=(*first.log, *self._log_rows))
                        self._log_rows.clear()
                    return self._changes[0]
                idle = self._failure is None and self._wal_bytes > IDLE_BYTES
                if not self._condition.wait(IDLE_S if idle else None) and idle:
                    return "checkpoint"

    def _write(self, db: apsw.Connection, batch: Batch) -> None:
        failure: StorageFailed | None = None
        try:
            self.writer.write(db, batch, lambda: self._answer_between(db))
        except Exception as error:
            logger.exception("A change could not be written to the case file.")
            failure = failures.not_written(self.path, error)
        else:
            for one in batch.captures:
                one.release()
            batch.on_saved()
        with self._condition:
            self._failure = failure
            if failure is None:
                self._changes.popleft()
            self._condition.notify_all()
        self._tell()

    def _answer_between(self, db: apsw.Connection) -> None:
        while self._questions:
            with self._condition:
                inside = [question for question in self._questions if question.inside]
                for question in inside:
                    self._questions.remove(question)
            if not inside:
                return
            for question in inside:
                _answer(db, question)

    def _note_wal(self, size: int) -> int:
        self._wal_bytes = size
        return apsw.SQLITE_OK

    def _checkpoint(self, db: apsw.Connection) -> None:
        """Move the write-ahead log into the file. A failure loses nothing: the log stays, and closing tries again."""
        try:
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error:
            logger.exception("The write-ahead log could not be moved into the case file.")
        self._wal_bytes = 0

    def _tell(self) -> None:
        try:
            self.state_changed.emit(self.state)
        except Exception:
            logger.exception("A listener of the case file failed.")


def _answer(db: apsw.Connection, question: _Question) -> None:
    try:
        question.answer.set_result(question.ask(db))
    except BaseException as error:  # noqa: BLE001, raised again by whoever asked
        question.answer.set_exception(error)
