"""Arrays cut into chunks of 64 voxels along each axis, each compressed alone."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import zstandard
from numpy.typing import NDArray

from surgitwin.core.geometry import Box

SIDE = 64
# Measured with `benchmarks/case_saving.py --levels`: with bytes sorted by significance a CT becomes a third smaller
# than without, three times as fast; higher levels gain less than 1 % more.
LEVEL = 1
Codec = Literal["zstd", "shuffle+zstd"]


@dataclass(frozen=True)
class ChunkGrid:
    """How an array of ``shape`` is cut: chunk positions are counted in C order over the grid of chunks."""

    shape: tuple[int, ...]
    chunk_shape: tuple[int, ...]

    @staticmethod
    def of(shape: tuple[int, ...]) -> ChunkGrid:
        """Images are cut into cubes of 64; lists of points or triangles into pieces of as many elements."""
        if len(shape) >= 3:
            return ChunkGrid(shape, (SIDE, SIDE, SIDE, *shape[3:]))
        columns = max(math.prod(shape[1:]), 1)
        rows = max(SIDE**3 // columns, 1)
        return ChunkGrid(shape, (rows, *shape[1:])[: len(shape)])

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Number of chunks along each axis."""
        return tuple(-(-n // c) if c else 0 for n, c in zip(self.shape, self.chunk_shape, strict=True))

    def __len__(self) -> int:
        return math.prod(self.counts)

    def slices(self, position: int) -> tuple[slice, ...]:
        """Where the chunk lies in the array."""
        index: list[int] = []
        for count in reversed(self.counts):
            position, at = divmod(position, count)
            index.append(at)
        parts = zip(reversed(index), self.chunk_shape, self.shape, strict=True)
        return tuple(slice(at * c, min((at + 1) * c, n)) for at, c, n in parts)

    def chunk_size(self, position: int) -> tuple[int, ...]:
        return tuple(part.stop - part.start for part in self.slices(position))

    def touched_by(self, box: Box) -> list[int]:
        """Positions of the chunks that share a voxel with ``box`` (its first three axes are [k, j, i])."""
        if box.empty or not len(self):
            return []
        whole = tuple(slice(0, n) for n in self.shape[3:])
        ranges = [
            range(part.start // c, min(-(-part.stop // c), count))
            for part, c, count in zip((*box.slices, *whole), self.chunk_shape, self.counts, strict=True)
        ]
        steps = [math.prod(self.counts[axis + 1 :]) for axis in range(len(self.counts))]
        return [sum(i * step for i, step in zip(index, steps, strict=True)) for index in itertools.product(*ranges)]


def codec_for(dtype: np.dtype[Any]) -> Codec:
    """Wider elements compress better and faster with their bytes sorted by significance."""
    if dtype.hasobject:
        raise TypeError("An array of Python objects cannot be stored in a case file.")
    return "shuffle+zstd" if dtype.itemsize > 1 else "zstd"


def encode(chunk: NDArray[Any], codec: Codec) -> bytes:
    raw = np.ascontiguousarray(chunk).reshape(-1).view(np.uint8)
    if codec == "shuffle+zstd":
        raw = np.ascontiguousarray(raw.reshape(-1, chunk.dtype.itemsize).T)
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(raw.data)


def decode(data: bytes, codec: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The chunk again.

    Raises
    ------
    ValueError
        If the data is damaged, or is not that of a chunk of this shape and type.
    """
    size = math.prod(shape) * dtype.itemsize
    try:
        if zstandard.frame_content_size(data) != size:
            raise ValueError("the chunk has another size than its array says")
        raw = np.frombuffer(zstandard.ZstdDecompressor().decompress(data), np.uint8)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    if codec == "shuffle+zstd":
        planes = raw.reshape(dtype.itemsize, -1)
        raw = np.empty((planes.shape[1], dtype.itemsize), np.uint8)
        for byte, plane in enumerate(planes):  # five times as fast as a copy of the transpose
            raw[:, byte] = plane
        raw = raw.reshape(-1)
    elif codec != "zstd":
        raise ValueError(f"the codec {codec!r} is unknown")
    return raw.view(dtype).reshape(shape)
