"""The ``surgitwin`` command: the command line, with the window behind it."""

from __future__ import annotations

import os
from pathlib import Path

from surgitwin.cli.main import main as run_command_line


def main() -> int:
    """Run ``surgitwin`` with the process's own words and return its exit status."""
    # pydantic would look through everything that is installed for plugins that change what values pass; none may.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    return run_command_line(open_window=_open_window)


def _open_window(path: Path | None) -> int:
    # Qt is imported only where a window is wanted: every other command starts without it.
    from surgitwin.gui.main import run_window

    return run_window(path)
