"""Starts the window; one handler catches what slots, threads and Qt let fall."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from types import TracebackType

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

log = logging.getLogger(__name__)


def run_window(path: Path | None = None) -> int:
    """Open the window, on a case, a folder or a file if one is given, and return when it is closed.

    Raises
    ------
    BadInput
        If there is no display.
    """
    from surgitwin.cli.demo import has_display

    if not has_display():
        raise BadInput(
            tr("There is no display to open a window on. Every other command works without one: surgitwin --help.")
        )
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from surgitwin.gui.main_window import MainWindow
    from surgitwin.gui.settings import load_settings
    from surgitwin.gui.theme import apply_theme

    app = QApplication.instance() or QApplication(["surgitwin"])
    assert isinstance(app, QApplication)
    app.setApplicationName("Surgitwin")
    app.setDesktopFileName("surgitwin")
    settings = load_settings()
    window = MainWindow(apply_theme(app, settings.theme), settings)
    catch_everything(window)
    window.show()
    if path is not None:
        QTimer.singleShot(0, lambda: window.opener.open(path))
    return app.exec()


def catch_everything(window: object) -> None:
    """Turn whatever falls through into a sentence in the window and a line in the log; never a traceback for users."""
    desk = getattr(window, "desk", None)

    def on_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        log.error("Something fell through", exc_info=(kind, error, trace))
        if desk is not None:
            desk.report(error)

    def on_thread_exception(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            on_exception(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = on_exception
    threading.excepthook = on_thread_exception
