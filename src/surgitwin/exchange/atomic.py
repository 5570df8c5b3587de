"""Files that are written whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from surgitwin.core.durable import replace_patiently, sync_file, sync_folder
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr


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
        sync_file(temporary)
        replace_patiently(temporary, path)
    except OSError as error:
        message = tr("{file} cannot be written: {cause}.")
        raise BadInput(message.format(file=path, cause=error.strerror or error)) from error
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    return path
