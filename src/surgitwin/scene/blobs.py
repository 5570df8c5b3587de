"""Compressed pieces of arrays that the history keeps, in memory or, once there are many, on disk."""

from __future__ import annotations

import tempfile
from typing import IO, Any

import numpy as np
import zstandard
from numpy.typing import NDArray


class Blob:
    """One compressed array; `spill` moves it to a file, `array` brings it back.

    Parameters
    ----------
    at_hand
        Keep the array itself until it is first asked for: an edit that was worked out on another thread is then
        carried out without unpacking it.
    """

    __slots__ = ("_at_hand", "_bytes", "_file", "_length", "_offset", "dtype", "shape")

    def __init__(self, array: NDArray[Any], *, at_hand: bool = False) -> None:
        self._at_hand = array if at_hand else None
        self.shape = array.shape
        self.dtype = array.dtype
        # Compressed from where it lies: a copy as bytes would keep Python's lock for as long as it takes.
        plain = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self._bytes: bytes | None = zstandard.ZstdCompressor(level=1).compress(plain.data)
        self._file: SpillFile | None = None
        self._offset = 0
        self._length = len(self._bytes)

    @property
    def nbytes(self) -> int:
        """Size of the compressed data, wherever it lies."""
        return self._length

    @property
    def in_memory(self) -> bool:
        return self._bytes is not None

    def array(self) -> NDArray[Any]:
        if self._at_hand is not None:
            at_hand, self._at_hand = self._at_hand, None
            return at_hand
        data = self._bytes
        if data is None:
            assert self._file is not None
            data = self._file.read(self._offset, self._length)
        raw = zstandard.ZstdDecompressor().decompress(
            data, max_output_size=int(np.prod(self.shape)) * self.dtype.itemsize
        )
        return np.frombuffer(raw, dtype=self.dtype).reshape(self.shape)

    def spill(self, file: SpillFile) -> None:
        if self._bytes is not None:
            self._offset = file.append(self._bytes)
            self._file = file
            self._bytes = None


class SpillFile:
    """A temporary file, made when first needed, gone when the session ends."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._end = 0

    def append(self, data: bytes) -> int:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="surgitwin-history-")  # noqa: SIM115, closed in close
        self._file.seek(self._end)
        self._file.write(data)
        offset, self._end = self._end, self._end + len(data)
        return offset

    def read(self, offset: int, length: int) -> bytes:
        assert self._file is not None
        self._file.seek(offset)
        return self._file.read(length)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
