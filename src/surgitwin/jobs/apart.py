"""Functions called in a process of their own, so that Python's lock stays free for the window; see `Context.apart`."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from surgitwin.core.errors import SurgitwinError
from surgitwin.core.progress import Context, Progress
from surgitwin.core.text import tr
from surgitwin.jobs import apart_worker
from surgitwin.jobs.messages import read_message, widen, write_message

POLL_S = 0.1
IDLE_S = 60.0  # a process that has loaded its libraries answers at once; later its memory is worth more


class Processes:
    """Processes that call functions: one for each call at a time; one of them is kept for the next call.

    It is a `surgitwin.core.progress.Helper`. Call it from worker threads only; `close` ends everything.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None
        self._closed = False

    def call(self, ctx: Context, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """What `Context.apart` says."""
        process = self._take() if not getattr(sys, "frozen", False) else None
        if process is None:  # a packaged program is its own executable: there is no interpreter to start
            return function(*arguments, ctx=ctx)
        ended, keep = threading.Event(), False
        watch = threading.Thread(target=_end_if_cancelled, args=(process, ctx, ended), name="watch over a process")
        watch.start()
        try:
            result = _ask(process, ctx, function, arguments)
            keep = True
        except (EOFError, OSError) as error:
            ctx.check()  # the process was ended because of it
            message = tr("The process that computed this stopped; there may not have been enough memory for it.")
            raise SurgitwinError(message) from error
        except _Raised as raised:
            keep = True
            raise raised.error from None
        finally:
            ended.set()
            watch.join()
            self._give_back(process, keep)
        return result

    def close(self) -> None:
        """End the process that is kept, and keep no other."""
        with self._lock:
            self._closed = True
        self._end_idle()

    def _take(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            process, self._idle = self._idle, None
            self._stop_timer()
        if process is not None and process.poll() is None:
            return process
        if process is not None:
            _end(process)
        return _start()

    def _give_back(self, process: subprocess.Popen[bytes], keep: bool) -> None:
        with self._lock:
            if keep and not self._closed and self._idle is None and process.poll() is None:
                self._idle = process
                self._timer = threading.Timer(IDLE_S, self._end_idle)
                self._timer.daemon = True
                self._timer.start()
                return
        _end(process)

    def _end_idle(self) -> None:
        with self._lock:
            process, self._idle = self._idle, None
            self._stop_timer()
        if process is not None:
            _end(process)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Raised(Exception):
    """The function raised an error; the process is as good as before."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _ask(process: subprocess.Popen[bytes], ctx: Context, function: Callable[..., Any], arguments: Any) -> Any:
    assert process.stdin is not None and process.stdout is not None
    write_message(process.stdin, (function, arguments, ctx.watched))
    while True:
        kind, content = read_message(process.stdout)
        if kind == "progress":
            assert isinstance(content, Progress)
            ctx.progress(content.fraction, content.message)
        elif kind == "partial":
            ctx.partial(content)
        elif kind == "failed":
            raise _Raised(content)
        else:
            return content


def _start() -> subprocess.Popen[bytes] | None:
    """A new process; None if none can be started here."""
    places = os.pathsep.join(place for place in sys.path if place)
    try:
        process = subprocess.Popen(
            # -P: the script's own folder must not be searched for modules.
            [sys.executable, "-P", apart_worker.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": places},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0)
            | getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),
        )
    except OSError:
        return None
    assert process.stdin is not None and process.stdout is not None
    widen(process.stdin)
    widen(process.stdout)
    return process


def _end_if_cancelled(process: subprocess.Popen[bytes], ctx: Context, ended: threading.Event) -> None:
    while not ended.wait(POLL_S):
        if ctx.cancelled:
            process.kill()
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                # What could not be sent to a process that has gone no longer matters.
                continue
    process.wait()
