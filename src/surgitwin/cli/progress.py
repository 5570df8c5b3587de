"""Progress on the terminal, on standard error; Ctrl+C cancels."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from surgitwin.core.progress import Context, Progress


@contextmanager
def terminal_progress(title: str, *, quiet: bool = False) -> Iterator[Context]:
    """A context whose reports are drawn on standard error if that is a terminal; Ctrl+C asks the work to stop."""
    if quiet or not sys.stderr.isatty():
        with _interruptible(Context()) as ctx:
            yield ctx
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[step]}"), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=1.0, step="")

        def report(progress: Progress) -> None:
            bar.update(task, completed=progress.fraction or 0.0, step=progress.message)

        with _interruptible(Context(report)) as ctx:
            yield ctx


@contextmanager
def _interruptible(ctx: Context) -> Iterator[Context]:
    """First Ctrl+C: stop at the next check. Second: stop now."""
    if threading.current_thread() is not threading.main_thread():
        yield ctx
        return

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        if ctx.cancelled:
            raise KeyboardInterrupt
        ctx.cancel()

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield ctx
    finally:
        signal.signal(signal.SIGINT, before)
