"""Cases that are being put away: their files are finished on a thread while the window goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal

from surgitwin.core.errors import SurgitwinError
from surgitwin.session import Session


class Closer(QObject):
    """Closes sessions; whoever opens a file waits first, since it may be one of theirs."""

    failed = Signal(object)  # the error, on the main thread
    _failed_there = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._failed_there.connect(self.failed.emit, Qt.ConnectionType.QueuedConnection)

    def put_away(self, session: Session, then: Callable[[], object] | None = None) -> None:
        """Close ``session``, then call ``then`` on the same thread."""

        def work() -> None:
            try:
                session.close()
            except SurgitwinError as error:
                self._failed_there.emit(error)
            finally:
                if then is not None:
                    then()

        thread = threading.Thread(target=work, name="closing a case")
        with self._lock:
            self._threads = [one for one in self._threads if one.is_alive()]
            self._threads.append(thread)
            thread.start()

    def wait(self) -> None:
        """Return once every file is finished; on any thread."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()
