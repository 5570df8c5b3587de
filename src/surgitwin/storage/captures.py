"""Arrays as they were when a change was made, held for the storage thread while the scene moves on."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Protocol

from numpy.typing import NDArray

from surgitwin.core.geometry import Box
from surgitwin.scene.arrays import ArrayData
from surgitwin.storage.chunks import ChunkGrid, Codec, codec_for, encode


class Capture(Protocol):
    """Chunks of one array to be written; ``whole`` if the file does not hold the array yet."""

    array: ArrayData
    grid: ChunkGrid
    codec: Codec
    whole: bool
    positions: tuple[int, ...]

    def encoded(self, position: int) -> bytes:
        """The compressed chunk; may be called from several threads, and again after a failure."""

    def release(self) -> None:
        """Let go of the array: the file has it."""


class ConstantCapture:
    """An array that nobody changes: a reference is enough."""

    def __init__(self, array: ArrayData) -> None:
        self.array = array
        self.grid = ChunkGrid.of(array.shape)
        self.codec = codec_for(array.dtype)
        self.whole = True
        self.positions = tuple(range(len(self.grid)))

    def encoded(self, position: int) -> bytes:
        return encode(self.array.read()[self.grid.slices(position)], self.codec)

    def release(self) -> None:
        pass


class LiveCapture:
    """An array that strokes change: a chunk is copied only when the next stroke reaches it before the writer did."""

    def __init__(self, array: ArrayData, positions: Iterable[int], *, whole: bool) -> None:
        self.array = array
        self.grid = ChunkGrid.of(array.shape)
        self.codec = codec_for(array.dtype)
        self.whole = whole
        self.positions = tuple(positions)
        self._live: NDArray[Any] = array.read()
        self._left = set(self.positions)
        self._copies: dict[int, NDArray[Any]] = {}
        self._encoded: dict[int, bytes] = {}
        self._lock = threading.Lock()
        self._stop_watching = array.watch_writes(self._before_write)

    def encoded(self, position: int) -> bytes:
        with self._lock:
            known = self._encoded.get(position)
            if known is not None:
                return known
            chunk = self._copy(position)
        data = encode(chunk, self.codec)
        with self._lock:
            self._encoded[position] = data
            self._copies.pop(position, None)
        return data

    def release(self) -> None:
        self._stop_watching()
        with self._lock:
            self._left.clear()
            self._copies.clear()
            self._encoded.clear()

    def _before_write(self, box: Box) -> None:
        """Keep what a stroke is about to change; runs on the main thread."""
        with self._lock:
            for position in self.grid.touched_by(box):
                if position in self._left:
                    self._copy(position)

    def _copy(self, position: int) -> NDArray[Any]:
        chunk = self._copies.get(position)
        if chunk is None:
            chunk = self._copies[position] = self._live[self.grid.slices(position)].copy()
            self._left.discard(position)
        return chunk


def capture(array: ArrayData, positions: Iterable[int] | None) -> Capture:
    """Hold the chunks at ``positions``, or all of them if the file does not know the array yet."""
    if array.constant:
        return ConstantCapture(array)
    whole = positions is None
    return LiveCapture(array, range(len(ChunkGrid.of(array.shape))) if positions is None else positions, whole=whole)
