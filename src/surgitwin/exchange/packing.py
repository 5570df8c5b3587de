"""ZIP archives whose parts are packed by several processors; the standard library packs on one.

A part is cut into blocks, each packed by itself up to a byte's end; put one behind the other they are one stream.
"""

from __future__ import annotations

import heapq
import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

_LEVEL = 1
_MOST = 4
_LARGEST = 0xFFFFFFFF
# Where the widths of the codes for widths stand in a block's header (RFC 1951, 3.2.7).
_WIDTH_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_OFTEN: dict[int, float] = {**{48 + digit: 1000.0 for digit in range(10)}, 45: 20.0, 46: 30.0, 34: 30.0}
_EPOCH = (0, 0x0021)  # 1980-01-01: equal content gives equal files

Bytes = bytes | memoryview
Block = tuple[Bytes, Bytes]
"""A part of a text, and the same packed."""


@dataclass(frozen=True)
class Packed:
    """One part of an archive: its packed blocks, the size it had, and its CRC-32."""

    blocks: tuple[Bytes, ...]
    size: int
    crc: int

    @property
    def packed_size(self) -> int:
        return sum(len(block) for block in self.blocks)


def pack(content: Iterable[Callable[[], Block]]) -> Packed:
    """Pack what comes block by block, several at once; no more than a few are in memory unpacked."""
    workers = min(_MOST, os.cpu_count() or 1)
    blocks: list[Bytes] = []
    size = crc = 0
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Block]] = deque()

        def take() -> None:
            nonlocal size, crc
            text, packed = waiting.popleft().result()
            size += len(text)
            crc = zlib.crc32(text, crc)
            blocks.append(packed)

        for make in content:
            waiting.append(pool.submit(make))
            while len(waiting) > 2 * workers:
                take()
        while waiting:
            take()
    blocks.append(zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS).flush(zlib.Z_FINISH))
    return Packed(tuple(blocks), size, crc)


def plain(text: bytes) -> Block:
    """Any text, packed by zlib."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return text, packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH)


def rows(text: NDArray[np.uint8]) -> Block:
    """Lines of three quoted numbers each, packed several times faster than zlib does, and as small."""
    from surgitwin.exchange.mesh_kernels import deflate_rows

    table = _row_table()
    room = np.empty(2 * len(text) + 1000, np.uint8)
    size = deflate_rows(text, *table.literals, *table.distances, table.header, room)
    return text.data, room[:size].copy().data


@dataclass(frozen=True, eq=False)
class _RowTable:
    """Huffman codes and their widths, and the bits of the header that tells them."""

    literals: tuple[NDArray[np.int64], NDArray[np.int64]]
    distances: tuple[NDArray[np.int64], NDArray[np.int64]]
    header: NDArray[np.uint8]


@cache
def _row_table() -> _RowTable:
    """One table for all rows: how often what occurs was counted on the surfaces of an abdomen."""
    often = np.ones(286)
    for symbol, weight in _OFTEN.items():
        often[symbol] = weight
    literals = _widths(often)
    distances = np.zeros(14, np.int64)
    distances[8:] = _widths(np.array([10.0, 100.0, 1000.0, 200.0, 10.0, 1.0]))  # 17 to 128 bytes: one line
    # RFC 1951, 3.2.7: not the last block, with its own codes, whose widths have 4 bits each.
    fields = [(0, 1), (2, 2), (len(literals) - 257, 5), (len(distances) - 1, 5), (15, 4)]
    fields += [(0 if symbol > 15 else 4, 3) for symbol in _WIDTH_ORDER]
    widths_as_codes = _codes(np.full(16, 4))
    fields += [(int(widths_as_codes[width]), 4) for width in (*literals, *distances)]
    header = [value >> bit & 1 for value, count in fields for bit in range(count)]
    every_distance = np.zeros(30, np.int64)
    every_distance[:14] = distances
    return _RowTable((_codes(literals), literals), (_codes(every_distance), every_distance), np.array(header, np.uint8))


def _widths(often: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many bits the Huffman code of each symbol has (Huffman, Proc IRE 1952;40:1098-1101)."""
    widths = np.zeros(len(often), np.int64)
    heap = [(weight, symbol, [symbol]) for symbol, weight in enumerate(often.tolist())]
    heapq.heapify(heap)
    while len(heap) > 1:
        one, two = heapq.heappop(heap), heapq.heappop(heap)
        below = one[2] + two[2]
        widths[below] += 1
        heapq.heappush(heap, (one[0] + two[0], one[1], below))
    return widths


def _codes(widths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The codes that go with the widths, the first bit lowest (RFC 1951, 3.2.2)."""
    codes = np.zeros(len(widths), np.int64)
    code = 0
    for width in range(1, 16):
        for symbol in np.flatnonzero(widths == width):
            codes[symbol] = int(f"{code:0{width}b}"[::-1], 2)
            code += 1
        code <<= 1
    return codes


def write_zip(path: Path, parts: Mapping[str, Packed]) -> None:
    """Write an archive of these parts.

    Raises
    ------
    BadInput
        If it would be larger than 4 GB.
    OSError
        If it cannot be written.
    """
    total = sum(part.packed_size + 2 * len(name.encode()) + 128 for name, part in parts.items())
    if total > _LARGEST or any(part.size > _LARGEST for part in parts.values()):
        raise BadInput(tr("The surfaces need more than the 4 GB that this file can hold; reduce their triangles."))
    directory = b""
    with path.open("wb") as file:
        for name, part in parts.items():
            word = name.encode("utf-8")
            # Needed version 2.0, no flags, deflated, time and date, CRC and sizes, lengths of the name and of extras.
            told = struct.pack("<5H3I2H", 20, 0, 8, *_EPOCH, part.crc, part.packed_size, part.size, len(word), 0)
            directory += b"PK\x01\x02" + struct.pack("<H", 20) + told
            directory += struct.pack("<3H2I", 0, 0, 0, 0, file.tell()) + word
            file.write(b"PK\x03\x04" + told + word)
            for block in part.blocks:
                file.write(block)
        start = file.tell()
        file.write(directory)
        file.write(struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, len(parts), len(parts), len(directory), start, 0))
