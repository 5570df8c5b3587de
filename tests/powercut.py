"""A file system in memory, between SQLite and nothing, whose power can be cut: unsynced writes are lost in part.

What was synced stays. Of the writes since, any may have reached the disk or not, whole or in sectors, in any order:
that is what a drive's cache promises. A file that was deleted without its folder being synced may still be there.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import apsw

SECTOR = 512


@dataclass
class Disk:
    """One file: what the program sees, what is safe, and the writes in between."""

    seen: bytearray = field(default_factory=bytearray)
    safe: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # (offset, data), or (length, None) to cut

    def write(self, data: bytes, offset: int) -> None:
        if len(self.seen) < offset + len(data):
            self.seen.extend(b"\0" * (offset + len(data) - len(self.seen)))
        self.seen[offset : offset + len(data)] = data
        self.pending.append((offset, bytes(data)))

    def truncate(self, size: int) -> None:
        del self.seen[size:]
        self.pending.append((size, None))

    def sync(self) -> None:
        self.safe = bytes(self.seen)
        self.pending.clear()

    def after_cut(self, rng: random.Random) -> bytes:
        """What a person finds when the power is back."""
        left = bytearray(self.safe)
        fate = rng.random()  # sometimes nothing made it, sometimes everything, mostly a part
        chance = 0.0 if fate < 0.2 else 1.0 if fate > 0.9 else rng.random()
        for offset, data in self.pending:
            if data is None:
                if rng.random() < chance:
                    del left[offset:]
                continue
            for start in range(0, len(data), SECTOR):
                if rng.random() < chance:
                    piece = data[start : start + SECTOR]
                    at = offset + start
                    if len(left) < at + len(piece):
                        left.extend(b"\0" * (at + len(piece) - len(left)))
                    left[at : at + len(piece)] = piece
        return bytes(left)


class PowerCutVFS(apsw.VFS):
    """Files of real folders, read once into memory; nothing is ever written to the real ones.

    Parameters
    ----------
    on_sync
        Called with the file's name just before a sync takes effect.
    room
        Bytes that all files together may take; a write beyond raises "disk full".
    """

    def __init__(self, name: str, on_sync: Callable[[str], None] = lambda _: None) -> None:
        self.name = name
        self.on_sync = on_sync
        self.room: int | None = None
        self.failing: type[apsw.Error] | None = None
        self.disks: dict[str, Disk] = {}
        self.deleted: dict[str, Disk] = {}  # without a sync of the folder
        self.lock = threading.RLock()
        super().__init__(name, "")

    def disk(self, path: str) -> Disk | None:
        with self.lock:
            if path not in self.disks and Path(path).is_file() and path not in self.deleted:
                data = Path(path).read_bytes()
                self.disks[path] = Disk(bytearray(data), data)
            return self.disks.get(path)

    def xOpen(self, name: object, flags: list[int]) -> MemoryFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        disk = self.disk(path)
        if disk is None:
            if not flags[0] & apsw.SQLITE_OPEN_CREATE:
                raise apsw.CantOpenError(path)
            disk = self.disks[path] = Disk()
        flags[1] = flags[0]
        return MemoryFile(self, path, disk)

    def xDelete(self, name: str, sync: bool) -> None:
        with self.lock:
            disk = self.disks.pop(name, None)
            if disk is None:
                raise apsw.IOError(name)
            if not sync:
                self.deleted[name] = disk

    def xAccess(self, name: str, flags: int) -> bool:
        return self.disk(name) is not None

    def xFullPathname(self, name: str) -> str:
        return str(Path(name).absolute())

    def free(self, more: int) -> None:
        """Raise if the disk is in trouble, or has no room for ``more`` bytes."""
        if self.failing is not None:
            raise self.failing("made to fail")
        if self.room is not None and sum(len(disk.seen) for disk in self.disks.values()) + more > self.room:
            raise apsw.FullError("made to be full")

    def cut(self, folder: Path, rng: random.Random) -> None:
        """Write what a power cut at this moment would leave into ``folder``."""
        with self.lock:
            for path, disk in self.disks.items():
                (folder / Path(path).name).write_bytes(disk.after_cut(rng))
            for path, disk in self.deleted.items():
                if path not in self.disks and rng.random() < 0.5:
                    (folder / Path(path).name).write_bytes(disk.after_cut(rng))

    def clean(self, folder: Path) -> None:
        """Write what a program that ends in peace leaves."""
        for path, disk in self.disks.items():
            (folder / Path(path).name).write_bytes(bytes(disk.seen))


class MemoryFile:
    """What SQLite holds of one open file."""

    def __init__(self, vfs: PowerCutVFS, path: str, disk: Disk) -> None:
        self.vfs, self.path, self.disk = vfs, path, disk
        self.level = 0

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self.disk.seen[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self.vfs.free(max(offset + len(data) - len(self.disk.seen), 0))
        with self.vfs.lock:
            self.disk.write(bytes(data), offset)

    def xTruncate(self, size: int) -> None:
        with self.vfs.lock:
            self.disk.truncate(size)

    def xSync(self, flags: int) -> None:
        self.vfs.free(0)
        self.vfs.on_sync(self.path)
        with self.vfs.lock:
            self.disk.sync()

    def xFileSize(self) -> int:
        return len(self.disk.seen)

    def xLock(self, level: int) -> None:
        self.level = level

    def xUnlock(self, level: int) -> None:
        self.level = level

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return SECTOR

    def xDeviceCharacteristics(self) -> int:
        return 0

    def xClose(self) -> None:
        pass
