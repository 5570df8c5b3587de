"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from surgitwin.core.durable import replace_patiently, sync_file, sync_folder
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

Writer = Callable[[Path], None]
Allow = Callable[[], object]
"""Waited for before a file gets its name: what it raises, the file does not get it."""
_LONGEST_SUFFIX = 16


def write_atomically(path: Path, write: Writer, allow: Allow | None = None) -> Path:
    """Call ``write`` with the path of a temporary file beside ``path``, then put that file in ``path``'s place.

    The temporary file keeps the suffix, because some writers choose their format by it. It is synced before it
    replaces the old file; on failure it is removed and the old file stays as it was. Where another program holds the
    old file for a moment (virus scanners on Windows do), replacing is tried again for about four seconds.

    Parameters
    ----------
    allow
        Called before the file gets its name, and waited for: what it raises, the old file stays as it was.

    Raises
    ------
    BadInput
        If the folder is missing, not writable or full; the sentence names the file and the cause.
    """
    _check_place(path)
    temporary = _hidden(path)
    try:
        write(temporary)
        sync_file(temporary)
        if allow is not None:
            allow()
        replace_patiently(temporary, path)
    except OSError as error:
        raise _failed(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    return path


def write_together(writers: Mapping[Path, Writer]) -> list[Path]:
    """Write files that belong together: all of them, or, if one cannot be written, none.

    Old files of these names are put back if a later one cannot be replaced.

    Raises
    ------
    BadInput
        As `write_atomically`; the sentence names the file that failed.
    """
    for path in writers:
        _check_place(path)
    parts = {path: _hidden(path) for path in writers}
    kept: dict[Path, Path | None] = {}
    now = next(iter(writers))
    try:
        for path, write in writers.items():
            now = path
            write(parts[path])
            sync_file(parts[path])
        for path, part in parts.items():
            now = path
            kept[path] = _second_name(path)
            replace_patiently(part, path)
    except OSError as error:
        _put_back(kept)
        raise _failed(now, error) from error
    finally:
        for leftover in (*parts.values(), *kept.values()):
            if leftover is not None:
                leftover.unlink(missing_ok=True)
    for folder in {path.parent for path in writers}:
        sync_folder(folder)
    return list(writers)


def _second_name(path: Path) -> Path | None:
    """The old file under a second, hidden name, so that it can be put back; None if there is no old file."""
    if not path.exists():
        return None
    old = _hidden(path)
    try:
        os.link(path, old)
    except OSError:  # a file system without hard links
        shutil.copy2(path, old)
    return old


def _put_back(kept: Mapping[Path, Path | None]) -> None:
    for path, old in kept.items():
        if old is None:
            path.unlink(missing_ok=True)
        else:
            replace_patiently(old, path)


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise BadInput(tr("{file} is a folder; name a file in it.").format(file=path))
    if not path.parent.is_dir():
        message = tr("{file} cannot be written: the folder {folder} does not exist.")
        raise BadInput(message.format(file=path.name, folder=path.parent))


def _hidden(path: Path) -> Path:
    """A name beside ``path`` that is not taken; not longer than a file system allows, whatever ``path`` is called."""
    suffix = "".join(path.suffixes[-2:])
    suffix = suffix if len(suffix) <= _LONGEST_SUFFIX else path.suffix[-_LONGEST_SUFFIX:]
    return path.with_name(f".{path.name.partition('.')[0][:40]}-{secrets.token_hex(4)}.part{suffix}")


def _failed(path: Path, error: OSError) -> BadInput:
    message = tr("{file} cannot be written: {cause}.")
    return BadInput(message.format(file=path, cause=error.strerror or error))
