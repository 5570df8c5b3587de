"""What a window test may leave behind: nothing. Compares what lives in the process before and after a test."""

from __future__ import annotations

import gc
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

# Threads that belong to the test runner itself.
_RUNNER_THREADS = ("pytest_timeout", "ThreadPoolExecutor-pytest", "execnet", "Dummy-")
_GRACE_S = 3.0


@dataclass(frozen=True)
class Stock:
    """What lived in the process at one moment. The objects themselves are held so that no id is used twice."""

    threads: frozenset[threading.Thread]
    known: dict[int, object]


def take_stock() -> Stock:
    """Return what lives now."""
    return Stock(frozenset(threading.enumerate()), {id(thing): thing for thing, _ in _things()})


def left_behind(before: Stock) -> list[str]:
    """Return a phrase for each thing that came since `before` and does not go within a few seconds."""
    deadline = time.monotonic() + _GRACE_S
    collected = False
    while True:
        _settle()
        left = _new_since(before)
        if not left or (collected and time.monotonic() > deadline):
            return left
        if not collected:
            # Reference cycles hold windows and timers; collecting costs about 0.1 s, so only when something is left.
            gc.collect()
            collected = True
        time.sleep(0.02)


def _new_since(before: Stock) -> list[str]:
    threads = [
        f"the thread {thread.name!r}"
        for thread in threading.enumerate()
        if thread not in before.threads and not thread.name.startswith(_RUNNER_THREADS)
    ]
    return threads + [words for thing, words in _things() if id(thing) not in before.known]


def _settle() -> None:
    """Let Qt delete what was handed to it for deletion, and deliver what is under way."""
    if "PySide6.QtWidgets" not in sys.modules:
        return
    from PySide6.QtCore import QCoreApplication, QEvent

    app = QCoreApplication.instance()
    if app is not None:
        app.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def _things() -> list[tuple[Any, str]]:
    """Return everything alive that a test ought to clean up, each with a phrase that names it."""
    return [*_qt_things(), *_render_windows()]


def _qt_things() -> list[tuple[Any, str]]:
    if "PySide6.QtWidgets" not in sys.modules:
        return []
    import shiboken6
    from PySide6.QtCore import QThread, QTimer
    from PySide6.QtWidgets import QApplication

    app = QApplication.instance()
    if app is None:
        return []
    found: list[tuple[Any, str]] = []
    for thing in shiboken6.getAllValidWrappers():
        # `getAllValidWrappers` also lists wrappers whose C++ side another thread is about to drop.
        if not shiboken6.isValid(thing):
            continue
        if isinstance(thing, QTimer) and thing.isActive():
            owner = thing.parent()
            found.append((thing, f"an active QTimer of {type(owner).__name__ if owner else 'nobody'}"))
        elif isinstance(thing, QThread) and thing is not app.thread() and thing.isRunning():
            found.append((thing, f"the running QThread {thing.objectName() or type(thing).__name__}"))
    for widget in QApplication.topLevelWidgets():
        # Qt keeps the last tool tip for itself.
        if widget.parent() is None and widget.objectName() != "qtooltip_label":
            shown = "visible" if widget.isVisible() else "hidden"
            found.append((widget, f"the {shown} window {type(widget).__name__} {widget.windowTitle()!r}".rstrip(" '")))
    return found


def _render_windows() -> list[tuple[Any, str]]:
    module = sys.modules.get("vtkmodules.vtkRenderingCore")
    if module is None:
        return []
    kind = module.vtkRenderWindow
    return [(thing, f"a {thing.GetClassName()}") for thing in gc.get_objects() if isinstance(thing, kind)]
