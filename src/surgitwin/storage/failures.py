"""What the database engine says, as one sentence for the person whose case it is."""

from __future__ import annotations

from pathlib import Path

import apsw

from surgitwin.core.errors import BadInput, CaseLocked, StorageFailed, SurgitwinError
from surgitwin.core.text import tr

# What reading a damaged file raises; text in it that is no UTF-8 included.
UNREADABLE = (apsw.Error, OSError, UnicodeDecodeError)


def not_written(path: Path, error: BaseException) -> StorageFailed:
    """The sentence for a change that could not be saved."""
    if isinstance(error, StorageFailed):
        return error
    name = path.name
    if isinstance(error, apsw.FullError) or (isinstance(error, OSError) and error.errno in _NO_SPACE):
        message = tr("“{name}” could not be saved because its disk is full; free some space, then try again.")
    elif isinstance(error, apsw.ReadOnlyError | apsw.PermissionsError | PermissionError):
        message = tr("“{name}” could not be saved because it may not be written to; allow that, then try again.")
    elif isinstance(error, apsw.IOError | apsw.CantOpenError | OSError):
        message = tr("“{name}” could not be saved because its drive reported an error; check it, then try again.")
    elif isinstance(error, apsw.CorruptError | apsw.NotADBError):
        message = tr("“{name}” could not be saved because the file is damaged; save a copy under another name.")
    else:
        detail = f"{type(error).__name__}: {error}"
        return StorageFailed(tr("“{name}” could not be saved ({detail}).").format(name=name, detail=detail))
    return StorageFailed(message.format(name=name))


_NO_SPACE = {28, 112, 122}  # ENOSPC, ERROR_DISK_FULL, EDQUOT


def not_opened(path: Path, error: BaseException) -> SurgitwinError:
    """The sentence for a file that cannot be opened or read."""
    if isinstance(error, BadInput):
        return error
    if isinstance(error, apsw.FullError):
        message = tr("“{name}” cannot be opened because its disk is full; free some space, then try again.")
        return StorageFailed(message.format(name=path.name))
    if isinstance(error, apsw.IOError | OSError) and not isinstance(error, PermissionError):
        message = tr("“{name}” cannot be read because its drive reported an error; check it, then try again.")
        return StorageFailed(message.format(name=path.name))
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return locked(path)
    if isinstance(error, apsw.ReadOnlyError | apsw.PermissionsError | apsw.CantOpenError | PermissionError):
        return no_permission(path)
    return damaged(path)


def locked(path: Path) -> CaseLocked:
    message = tr("“{name}” is open in another window or program; close it there, or open it read-only.")
    return CaseLocked(message.format(name=path.name))


def no_permission(path: Path) -> BadInput:
    message = tr("“{name}” or its folder may not be written to; open it read-only, or save a copy elsewhere.")
    return BadInput(message.format(name=path.name))


def damaged(path: Path, what: str = "") -> BadInput:
    if what:
        message = tr("“{name}” is damaged ({what}); nothing in it was changed, use a copy or a backup of it.")
        return BadInput(message.format(name=path.name, what=what))
    message = tr("“{name}” is damaged and cannot be read; nothing in it was changed, use a copy or a backup of it.")
    return BadInput(message.format(name=path.name))


def cut_short(path: Path) -> BadInput:
    message = tr("“{name}” is cut short: a part of the file is missing; copy it again from where it came from.")
    return BadInput(message.format(name=path.name))


def foreign(path: Path) -> BadInput:
    message = tr("“{name}” is not a Surgitwin case; choose a .twin file that Surgitwin has written.")
    return BadInput(message.format(name=path.name))


def wrong_key(path: Path) -> BadInput:
    message = tr("“{name}” cannot be opened with this password, or it is not an encrypted Surgitwin case.")
    return BadInput(message.format(name=path.name))


def newer(path: Path, found: int, known: int) -> BadInput:
    message = tr(
        "“{name}” was written by a newer Surgitwin (case format {found}; this one reads up to {known}); "
        "update Surgitwin to open it."
    )
    return BadInput(message.format(name=path.name, found=found, known=known))
