"""Work of a view that would hold up the window, one piece after the other on a thread that ends when there is none."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

Result = TypeVar("Result")


class Background(QObject):
    """Runs ``work`` on a thread and hands its result to ``done`` on the main thread.

    What ``work`` raises is raised again on the main thread, where the program's own handler sees it.
    """

    _finished = Signal(object, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: deque[tuple[Callable[[], Any], Callable[[Any], None]]] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._finished.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def submit(self, work: Callable[[], Result], done: Callable[[Result], None]) -> None:
        """Do ``work`` after all that was handed in before."""
        with self._lock:
            if self._closed:
                return
            self._waiting.append((work, done))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="work of a view", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Drop what waits, and wait for what is being done: Python must not end in the middle of it."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            thread = self._thread
        if thread is not None:
            thread.join()

    @property
    def busy(self) -> bool:
        return self._thread is not None

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                work, done = self._waiting.popleft()
            try:
                result, problem = work(), None
            except BaseException as error:  # noqa: BLE001  raised again on the main thread
                result, problem = None, error
            self._finished.emit(done, result, problem)

    def _deliver(self, done: Callable[[Any], None], result: Any, problem: BaseException | None) -> None:
        if self._closed:
            return
        if problem is not None:
            raise problem
        done(result)
