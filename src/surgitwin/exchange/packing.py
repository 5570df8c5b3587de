"""ZIP archives whose parts are packed by several processors; the standard library packs on one.

A part is cut into blocks, each packed by itself up to a byte's end; put one behind the other they are one stream.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isal import isal_zlib

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

_LEVEL = 1
_MOST = 4
_LARGEST = 0xFFFFFFFF
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
    blocks.append(_packer().flush(isal_zlib.Z_FINISH))
    return Packed(tuple(blocks), size, crc)


def block(text: Bytes) -> Block:
    """A part of a text and the same packed, by a library several times faster than zlib that packs as small."""
    packer = _packer()
    return text, packer.compress(text) + packer.flush(isal_zlib.Z_FULL_FLUSH)


def _packer() -> Any:
    return isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)


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
