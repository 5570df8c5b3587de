"""What runs inside a dask worker: a task that can be stopped, and how it is told to."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from surgitwin import __version__
from surgitwin.core.progress import Context

R = TypeVar("R")
_ATTRIBUTE = "surgitwin_batches"


class _Batch:
    """The tasks of one batch that this worker is at."""

    def __init__(self) -> None:
        self.stopped = False
        self.running: set[Context] = set()


def stoppable(batch: str, function: Callable[[Any, Context], R], argument: Any) -> R:
    """``function(argument, ctx)`` in a worker, with a context that `stop_batch` cancels."""
    from distributed import get_worker

    ctx, here = Context(), _batch(get_worker(), batch)
    here.running.add(ctx)
    if here.stopped:
        ctx.cancel()
    try:
        return function(argument, ctx)
    finally:
        here.running.discard(ctx)


def stop_batch(batch: str, dask_worker: Any) -> None:
    """Ask every task of a batch that this worker has, and will get, to stop."""
    here = _batch(dask_worker, batch)
    here.stopped = True
    for ctx in list(here.running):
        ctx.cancel()


def program_version() -> str:
    """Of the program that the worker has."""
    return __version__


def prepare_own_worker() -> None:
    """For a worker that this program has started: Ctrl+C is its parent's business, and libraries keep quiet."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore", append=True)


def _batch(worker: Any, batch: str) -> _Batch:
    """Kept on the worker itself, because two workers may share a process."""
    batches: dict[str, _Batch] = worker.__dict__.setdefault(_ATTRIBUTE, {})
    return batches.setdefault(batch, _Batch())
