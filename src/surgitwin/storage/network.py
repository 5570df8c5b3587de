"""Cases on network drives: worked on in a local copy, brought back when they are saved and closed.

File locks and syncs cannot be trusted there, and a dropped connection must not cost a stroke.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

from surgitwin.core.errors import StorageFailed
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.storage.batches import now
from surgitwin.storage.copies import copy_while_open
from surgitwin.storage.files import part_beside, put_in_place, refuse_existing

NETWORK_TYPES = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "afs", "ncpfs", "9p", "webdav", "davfs", "davfs2"),
        *("ceph", "glusterfs", "lustre", "beegfs", "fuse.sshfs", "fuse.davfs", "fuse.davfs2", "fuse.rclone"),
        *("fuse.s3fs", "fuse.glusterfs", "fuse.gvfsd-fuse", "macfuse", "osxfuse"),
    }
)
_DRIVE_REMOTE = 4  # what GetDriveTypeW answers for a network drive


def is_network_path(path: Path, mounts: Iterable[tuple[str, str]] | None = None) -> bool:
    """True if ``path`` lies on a network drive.

    Parameters
    ----------
    mounts
        Pairs of mount point and type of file system; by default those of this machine.
    """
    if mounts is None and os.name == "nt":
        return _is_remote_drive(path.absolute())
    where = path.absolute() if mounts is not None else path.resolve()
    best, kind = -1, ""
    for point, file_system in _mounts() if mounts is None else mounts:
        depth = len(PurePath(point).parts)
        if depth >= best and where.is_relative_to(point):  # of two mounts on one point the later one shows
            best, kind = depth, file_system.lower()
    return kind in NETWORK_TYPES


def _mounts() -> list[tuple[str, str]]:
    import psutil

    return [(part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=True)]


def _is_remote_drive(path: Path) -> bool:
    if path.drive.startswith("\\\\"):
        return True
    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009, exists on Windows only
    return int(kernel.GetDriveTypeW(path.anchor)) == _DRIVE_REMOTE


@dataclass(frozen=True)
class _Stamp:
    """What tells whether a file is still the one that was fetched."""

    size: int
    mtime_ns: int
    sha256: str

    @staticmethod
    def of(path: Path) -> _Stamp:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found = path.stat()
        return _Stamp(found.st_size, found.st_mtime_ns, digest)

    def fits(self, path: Path) -> bool:
        """The contents are read, over the network, only if the date differs."""
        if not path.exists() or path.stat().st_size != self.size:
            return False
        return path.stat().st_mtime_ns == self.mtime_ns or _Stamp.of(path).sha256 == self.sha256


class WorkingCopy:
    """The local copy of one case on a network drive, in a folder that only the user may read.

    If the program dies, the copy stays, and the next `take` for the same case goes on with it.

    Parameters
    ----------
    root
        Folder of all working copies.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        name = hashlib.sha256(str(path.absolute()).encode("utf-8", "surrogatepass")).hexdigest()[:24]
        self._folder = root / name
        self._origin = self._folder / "origin.json"
        self.local = self._folder / path.name

    def take(self, settle: Callable[[Path], None]) -> Notice:
        """Fetch the case, or go on with what an earlier session could not bring back.

        Parameters
        ----------
        settle
            Takes the local copy for this process alone, moves its log into the file, and closes it; raises
            `CaseLocked` if another window is working on it.
        """
        if self._left_behind():
            if self._recorded().fits(self.path):
                message = tr(
                    "This case is on a network drive. The last session could not bring its changes back there; this "
                    "one goes on with them in a local copy and brings them back when the case is closed."
                )
                return Notice("network-copy-resumed", message)
            settle(self.local)
            self._set_aside()
        self._prepare()
        copy_while_open(self.path, self._folder)
        self._record(self.path)
        return _notice()

    def start(self) -> Notice:
        """Make room for a new case that is to be brought to the network drive for the first time."""
        if self._left_behind():
            # What an earlier session left for a case of this name that has gone since is kept for a person to find.
            self._folder.rename(self._folder.with_name(f"{self._folder.name}-{secrets.token_hex(4)}"))
        shutil.rmtree(self._folder, ignore_errors=True)
        self._prepare()
        return _notice()

    def bring_back(self, copy: Path) -> Notice | None:
        """Put ``copy`` where the case came from; beside it if somebody else changed that case meanwhile.

        Raises
        ------
        StorageFailed
            If the drive cannot be reached; the local copy stays.
        """
        target, notice = self.path, None
        new = not self._origin.exists()
        try:
            if not self.path.parent.is_dir():
                raise FileNotFoundError(self.path.parent)
            if not self.path.exists():
                new = True  # the first time, or somebody removed it
            if not new and not self._recorded().fits(self.path):
                target, new = self._free_name(), True
                message = tr(
                    "Somebody else changed this case on the network drive meanwhile; your version was saved beside "
                    "it as “{name}”."
                )
                notice = Notice("network-conflict", message.format(name=target.name))
            part = part_beside(target)
            try:
                shutil.copyfile(copy, part)
                put_in_place(part, target, overwrite=not new)
            finally:
                part.unlink(missing_ok=True)
            self._record(target)
        except OSError as error:
            message = tr(
                "“{name}” could not be brought back to the network drive; it is kept on this computer and will be "
                "brought back the next time you open it."
            )
            raise StorageFailed(message.format(name=self.path.name)) from error
        self.path = target
        return notice

    def discard(self) -> None:
        """Remove the local copy; it has been brought back."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _left_behind(self) -> bool:
        return self.local.exists() and self._origin.exists()

    def _prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)

    def _record(self, path: Path) -> None:
        stamp = _Stamp.of(path)
        part = self._origin.with_suffix(".part")
        part.write_text(json.dumps(asdict(stamp)), encoding="utf-8")
        part.replace(self._origin)

    def _recorded(self) -> _Stamp:
        return _Stamp(**json.loads(self._origin.read_text(encoding="utf-8")))

    def _free_name(self) -> Path:
        second = now()[:19].replace(":", "-")
        path = self.path.with_stem(f"{self.path.stem} ({socket.gethostname()} {second})")
        refuse_existing(path)
        return path

    def _set_aside(self) -> None:
        """The case changed on the drive after a session here died: that session's state goes beside it."""
        path = self.path
        self.bring_back(self.local)
        self.path = path
        self.discard()


def _notice() -> Notice:
    message = tr(
        "This case is on a network drive; Surgitwin works on a local copy and brings it back when you save a version "
        "and when you close the case."
    )
    return Notice("network-copy", message)
