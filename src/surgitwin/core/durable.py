"""Making files last: synced contents, synced names, and a replacement that waits for virus scanners."""

from __future__ import annotations

import os
import time
from pathlib import Path

TRIES = 12
WAIT_S = 0.05
FILES_ARE_HELD = os.name == "nt"  # elsewhere a refusal is final


def sync_file(path: Path) -> None:
    """Return once the file's contents are on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder survive a power cut; Windows does so by itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_patiently(part: Path, path: Path) -> None:
    """Put ``part`` in the place of ``path``.

    On Windows another program, such as a virus scanner, may hold a file for a moment: replacing is tried again for
    about four seconds.

    Raises
    ------
    PermissionError
        If it is still held then, or forbidden.
    """
    for attempt in range(TRIES):
        try:
            part.replace(path)
            return
        except PermissionError:
            if not FILES_ARE_HELD or attempt == TRIES - 1:
                raise
            time.sleep(WAIT_S * (attempt + 1))
