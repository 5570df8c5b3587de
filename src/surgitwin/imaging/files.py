"""Finding files: folders, zip archives and what a file is by its first bytes. Nothing is unpacked to disk."""

from __future__ import annotations

import errno
import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

DICOM, NIFTI, NRRD, METAIMAGE, ZIP, OTHER = "dicom", "nifti", "nrrd", "metaimage", "zip", "other"

# Files that lie beside images everywhere and are never images; "._" files are macOS resource forks.
_SKIPPED_NAMES = {".ds_store", "thumbs.db", "desktop.ini"}
_NIFTI_SUFFIXES = (".nii", ".nii.gz", ".hdr", ".hdr.gz")
_METAIMAGE_SUFFIXES = (".mha", ".mhd")
_BUFFER_BYTES = 1 << 16


@dataclass(frozen=True)
class FileRef:
    """One file, on disk or inside a zip archive.

    Attributes
    ----------
    name
        Shown to people: the path relative to what was opened.
    path
        The file on disk; the archive itself for a member of one.
    """

    name: str
    path: Path
    size: int
    member: str = ""
    archive: zipfile.ZipFile | None = field(default=None, repr=False, compare=False)

    def open(self) -> IO[bytes]:
        if self.archive is not None:
            return io.BufferedReader(_Member(self.archive, self.member), _BUFFER_BYTES)
        return self.path.open("rb")

    def read(self) -> bytes:
        with self.open() as stream:
            return stream.read()

    @property
    def folder(self) -> str:
        return str(PurePosixPath(self.name).parent)

    @property
    def local(self) -> Path | None:
        """The path on disk, or None for a member of an archive."""
        return None if self.archive is not None else self.path


class _Member(io.RawIOBase):
    """A member of an archive; what is damaged in the archive is an `OSError`, as on a damaged disk."""

    def __init__(self, archive: zipfile.ZipFile, member: str) -> None:
        super().__init__()
        self.name = member  # pydicom asks for it
        with _damage_as_os_error():
            self._stream = archive.open(member)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _damage_as_os_error():
            data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with _damage_as_os_error():
            return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        if not self.closed and hasattr(self, "_stream"):
            self._stream.close()
        super().close()


@contextmanager
def _damage_as_os_error() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
        raise OSError(errno.EIO, tr("the archive is damaged there")) from error


def find_files(path: Path, ctx: Context) -> tuple[list[FileRef], list[str]]:
    """Every file in a folder (nested) or zip archive, or the one file itself, in a stable order.

    Returns
    -------
    The files, and the names of folders that could not be entered.

    Raises
    ------
    BadInput
        If nothing is there, or a zip archive is damaged or encrypted.
    """
    if path.is_dir():
        return _walk(path, ctx)
    if not path.exists():
        raise BadInput(tr("There is no file or folder '{path}'.").format(path=path))
    if not path.is_file():
        raise BadInput(tr("'{path}' is neither a file nor a folder.").format(path=path))
    try:
        single = FileRef(path.name, path, path.stat().st_size)
        kind = sniff(single)
    except OSError as error:
        raise BadInput(tr("'{path}' cannot be read: {why}.").format(path=path, why=error.strerror)) from error
    return (list(_members(path)), []) if kind == ZIP else ([single], [])


def _walk(root: Path, ctx: Context) -> tuple[list[FileRef], list[str]]:
    found: list[FileRef] = []
    closed: list[str] = []
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, onerror=lambda error: closed.append(str(error.filename))):
        ctx.check()
        where = Path(folder).stat()
        if (where.st_dev, where.st_ino) in seen:
            folders.clear()
            continue
        seen.add((where.st_dev, where.st_ino))
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            if name.startswith("._") or name.lower() in _SKIPPED_NAMES or not path.is_file():
                continue
            found.append(FileRef(path.relative_to(root).as_posix(), path, path.stat().st_size))
    return found, closed


def _members(path: Path) -> Iterator[FileRef]:
    try:
        archive = zipfile.ZipFile(path)
        entries = sorted(archive.infolist(), key=lambda entry: entry.filename)
    except (zipfile.BadZipFile, OSError) as error:
        raise BadInput(tr("'{path}' is not a readable zip archive; it may be incomplete.").format(path=path)) from error
    for entry in entries:
        base = PurePosixPath(entry.filename).name
        if entry.is_dir() or base.startswith("._") or base.lower() in _SKIPPED_NAMES:
            continue
        if entry.flag_bits & 0x1:
            raise BadInput(tr("'{path}' is encrypted; unpack it first.").format(path=path))
        yield FileRef(entry.filename, path, entry.file_size, entry.filename, archive)


def sniff(file: FileRef) -> str:
    """What a file is, by its first bytes and, for the formats without a sure sign there, its name."""
    name = file.name.lower()
    if name.endswith(_NIFTI_SUFFIXES):
        return NIFTI
    if name.endswith(_METAIMAGE_SUFFIXES):
        return METAIMAGE
    with file.open() as stream:
        head = stream.read(132)
    if head[128:132] == b"DICM":
        return DICOM
    if head[:4] == b"NRRD":
        return NRRD
    if head[:4] == b"PK\x03\x04" or head[:4] == b"PK\x05\x06":
        return ZIP
    return DICOM if _may_lack_preamble(head) else OTHER


def _may_lack_preamble(head: bytes) -> bool:
    """True if ``head`` could be a DICOM dataset that lacks its preamble: a plausible first tag of group 2 or 8."""
    if len(head) < 8:
        return False
    for order in ("<", ">"):
        group, element = struct.unpack(order + "HH", head[:4])
        if (group == 0x0002 and element <= 0x0018) or (group == 0x0008 and element <= 0x0070):
            return True
    return False
