"""ZIP archives whose parts are packed by several processors; the standard library packs on one.

A part is cut into blocks, each packed by itself up to a byte's end; put one behind the other they are one stream.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

_LEVEL = 1
_MOST = 4
_LARGEST = 0xFFFFFFFF
_EPOCH = (0, 0x0021)  # 1980-01-01: equal content gives equal files


@dataclass(frozen=True)
class Packed:
    """One part of an archive: its packed blocks, the size it had, and its CRC-32."""

    blocks: tuple[bytes, ...]
    size: int
    crc: int

    @property
    def packed_size(self) -> int:
        return sum(len(block) for block in self.blocks)


def pack(content: Iterable[bytes]) -> Packed:
    """Pack what comes block by block; while some are packed, the next are made."""
    workers = min(_MOST, os.cpu_count() or 1)
    blocks: list[bytes] = []
    size = crc = 0
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[bytes]] = deque()
        for block in content:
            size += len(block)
            crc = zlib.crc32(block, crc)
            waiting.append(pool.submit(_deflated, block))
            while len(waiting) > 2 * workers:  # few blocks at a time in memory
                blocks.append(waiting.popleft().result())
        blocks += [one.result() for one in waiting]
    blocks.append(zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS).flush(zlib.Z_FINISH))
    return Packed(tuple(blocks), size, crc)


def _deflated(block: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)


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
