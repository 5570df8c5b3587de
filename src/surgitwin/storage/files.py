"""Putting files in place: whole, synced, and never over something that is there."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from surgitwin.core.durable import replace_patiently, sync_file, sync_folder
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr


def refuse_existing(path: Path) -> None:
    """Raise `BadInput` if something is at ``path`` already, or if its folder is missing or closed to us."""
    if path.exists() or path.is_symlink():
        message = tr("“{path}” exists already and was not changed; choose another name.")
        raise BadInput(message.format(path=path))
    if not path.parent.is_dir():
        message = tr("There is no folder “{folder}”; make it first, or choose another one.")
        raise BadInput(message.format(folder=path.parent))
    if not os.access(path.parent, os.W_OK | os.X_OK):
        message = tr("The folder “{folder}” may not be written to; choose another one.")
        raise BadInput(message.format(folder=path.parent))


def part_beside(path: Path) -> Path:
    """A fresh name in the same folder for the file while it is being written."""
    return path.with_name(f".{path.stem[:40]}.{secrets.token_hex(4)}.part")


def put_in_place(part: Path, path: Path, *, overwrite: bool = False) -> None:
    """Sync ``part`` and give it its name; without ``overwrite`` a file that appeared meanwhile is kept.

    Raises
    ------
    BadInput
        If there is a file already.
    OSError
        If the drive refuses.
    """
    sync_file(part)
    if overwrite:
        replace_patiently(part, path)
    else:
        _rename_to_new(part, path)
    sync_folder(path.parent)


def _rename_to_new(part: Path, path: Path) -> None:
    try:
        if os.name == "nt":
            part.rename(path)  # refuses to replace, unlike on POSIX
            return
        try:
            path.hardlink_to(part)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            refuse_existing(path)
            part.rename(path)
            return
        part.unlink()
    except FileExistsError:
        refuse_existing(path)
        raise
