"""The command line: a thin skin over the commands."""

from surgitwin.cli.main import main

__all__ = ["main"]
