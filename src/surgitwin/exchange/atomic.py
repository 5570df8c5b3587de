"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

_TRIES = 12
_WAIT_S = 0.05


def write_atomically(path: Path, write: Callable[[Path], None]) -> Path:
    """Call ``write`` with the path of a temporary file beside ``path``, then put that file in ``path``'s place.

    The temporary file keeps the suffix, because some writers choose their format by it. It is synced before it
    replaces the old file; on failure it is removed and the old file stays as it was. Where another program holds the
    old file for a moment (virus scanners on Windows do), replacing is tried again for about four seconds.

    Raises
    ------
    BadInput
        If the folder is missing, not writable or full; the sentence names the file and the cause.
    """
    if path.is_dir():
        raise BadInput(tr("{file} is a folder; name a file in it.").format(file=path))
    if not path.parent.is_dir():
        message = tr("{file} cannot be written: the folder {folder} does not exist.")
        raise BadInput(message.format(file=path.name, folder=path.parent))
    first, dot, rest = path.name.partition(".")
    temporary = path.with_name(f".{first[:40]}-{secrets.token_hex(4)}.part{dot}{rest}")
    try:
        write(temporary)
        _sync(temporary)
        _replace(temporary, path)
    except OSError as error:
        message = tr("{file} cannot be written: {cause}.")
        raise BadInput(message.format(file=path, cause=error.strerror or error)) from error
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return path


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _replace(temporary: Path, path: Path) -> None:
    for attempt in range(_TRIES):
        try:
            temporary.replace(path)
        except PermissionError:
            if attempt == _TRIES - 1:
                raise
            time.sleep(_WAIT_S * (attempt + 1))
        else:
            return


def _sync_folder(folder: Path) -> None:
    """Make the new name durable; Windows cannot open folders and does not need it."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
