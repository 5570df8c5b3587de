"""Named undo and redo, bounded by bytes."""

from __future__ import annotations

from collections.abc import Iterable

from surgitwin.scene.blobs import SpillFile
from surgitwin.scene.edits import Entry

MEMORY_BYTES = 64 * 2**20
TOTAL_BYTES = 2 * 2**30


class History:
    """The entries that can be undone and redone.

    Parameters
    ----------
    memory_bytes
        Patches beyond this are moved to a temporary file, oldest first.
    total_bytes
        Beyond this the oldest entries are forgotten; the latest one never is.
    """

    def __init__(self, memory_bytes: int = MEMORY_BYTES, total_bytes: int = TOTAL_BYTES) -> None:
        self._memory_bytes = memory_bytes
        self._total_bytes = total_bytes
        self._done: list[Entry] = []
        self._undone: list[Entry] = []
        self._spill = SpillFile()

    @property
    def undo_names(self) -> list[str]:
        """Names of what can be undone, the next one first."""
        return [entry.name for entry in reversed(self._done)]

    @property
    def redo_names(self) -> list[str]:
        """Names of what can be redone, the next one first."""
        return [entry.name for entry in reversed(self._undone)]

    @property
    def nbytes(self) -> int:
        return sum(entry.nbytes for entry in self._all())

    @property
    def bytes_in_memory(self) -> int:
        return sum(blob.nbytes for entry in self._all() for blob in entry.blobs() if blob.in_memory)

    def push(self, entry: Entry) -> None:
        """Add a new change; what was undone before can no longer be redone."""
        self._undone.clear()
        self._done.append(entry)
        self._trim()

    def next_undo(self) -> Entry | None:
        return self._done[-1] if self._done else None

    def next_redo(self) -> Entry | None:
        return self._undone[-1] if self._undone else None

    def mark_undone(self) -> None:
        self._undone.append(self._done.pop())

    def mark_redone(self) -> None:
        self._done.append(self._undone.pop())

    def clear(self) -> None:
        self._done.clear()
        self._undone.clear()
        self._spill.close()

    def _all(self) -> Iterable[Entry]:
        return (*self._done, *self._undone)

    def _trim(self) -> None:
        while len(self._done) > 1 and self.nbytes > self._total_bytes:
            self._done.pop(0)
        in_memory = self.bytes_in_memory
        for entry in self._done:
            if in_memory <= self._memory_bytes:
                break
            for blob in entry.blobs():
                if blob.in_memory:
                    blob.spill(self._spill)
                    in_memory -= blob.nbytes
