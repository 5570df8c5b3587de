"""DICOMDIR: the table of contents on a patient's disc, and the files that it names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pydicom

from surgitwin.core.errors import BadInput
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.imaging.dicom_object import DIRECTORY_CLASS
from surgitwin.imaging.dicom_values import MALFORMED, items, quiet_pydicom, text, texts
from surgitwin.imaging.files import FileRef


def listed_files(path: Path, files: Sequence[FileRef], ctx: Context) -> tuple[list[FileRef], list[Notice]]:
    """The files to read: those that a DICOMDIR names if ``path`` is one, else ``files``.

    A folder is searched whole even if it holds a DICOMDIR: discs with an incomplete one are common.

    Raises
    ------
    BadInput
        If the DICOMDIR is damaged or none of its files exists.
    """
    if not path.is_file() or len(files) != 1 or files[0].local is None:
        return list(files), []
    try:
        with quiet_pydicom(), path.open("rb") as stream:
            directory = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
            kind = text(directory.file_meta, "MediaStorageSOPClassUID") or text(directory, "SOPClassUID")
            if kind != DIRECTORY_CLASS and "DirectoryRecordSequence" not in directory:
                return list(files), []
            named = [texts(record, "ReferencedFileID") for record in items(directory, "DirectoryRecordSequence")]
    except (*MALFORMED, EOFError):
        return list(files), []
    parts = [name for name in named if name]
    found: list[FileRef] = []
    lost: list[str] = []
    for name in parts:
        ctx.check()
        local = _locate(path.parent, name)
        if local is None:
            lost.append("/".join(name))
        else:
            found.append(FileRef(local.relative_to(path.parent).as_posix(), local, local.stat().st_size))
    if not found:
        raise BadInput(
            tr("The DICOMDIR '{path}' names {n} files, and none of them is there.").format(path=path, n=len(parts))
        )
    return list({file.name: file for file in found}.values()), [_lost(lost)] if lost else []


def _lost(names: Sequence[str]) -> Notice:
    message = tr("The DICOMDIR names {n} files that are not there, '{first}' among them.").format(
        n=len(names), first=names[0]
    )
    return Notice("missing-file", message, {"count": len(names), "files": list(names[:20])})


def _locate(folder: Path, parts: Sequence[str]) -> Path | None:
    """The file below ``folder``, whatever case the file system gave its name (discs are copied to lower case)."""
    at = folder
    for part in parts:
        if part in ("", ".", "..") or "/" in part:
            return None
        exact = at / part
        if not exact.exists():
            options = [entry for entry in at.iterdir() if entry.name.lower() == part.lower()] if at.is_dir() else []
            if not options:
                return None
            exact = options[0]
        at = exact
    return at if at.is_file() else None
