"""One function in a process of its own, always: on the terminal too, for a network's crash must not end the program.

Unlike `surgitwin.jobs.apart.Processes` it never falls back to this process, it ends the processes that a library
started there as well, and it gives them a folder for their files that is gone afterwards.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil

from surgitwin.core.errors import BadInput, SurgitwinError
from surgitwin.core.progress import Context, Progress
from surgitwin.core.text import tr
from surgitwin.jobs import apart_worker
from surgitwin.jobs.messages import read_message, widen, write_message
from surgitwin.segmenters.child import guarded

POLL_S = 0.1
Result = TypeVar("Result")


def run_apart(ctx: Context, function: Callable[..., Result], *arguments: Any) -> Result:
    """``function(*arguments, ctx=...)`` in a new process that ends with the call.

    Parameters
    ----------
    function
        At the top of a module; it and its arguments travel as pickles, arrays as they lie in memory.

    Raises
    ------
    Cancelled
        If the work was cancelled; the process and those it started have ended then.
    SurgitwinError
        What the function raised, or that the process was lost.
    """
    ctx.check()
    if getattr(sys, "frozen", False):
        raise BadInput(
            tr("A network needs a Python interpreter to run in: install Surgitwin with pip to use networks.")
        )
    with tempfile.TemporaryDirectory(prefix="surgitwin-network-", ignore_cleanup_errors=True) as folder:
        process = _start(Path(folder))
        ended = threading.Event()
        watch = threading.Thread(target=_watch, args=(process, ctx, ended), name="watch over a network")
        watch.start()
        try:
            kind, content = _ask(process, ctx, guarded, (function, arguments))
        except (EOFError, OSError) as error:
            ctx.check()  # it was ended because of that
            raise SurgitwinError(_lost(process)) from error
        finally:
            ended.set()
            watch.join()
            _end(process)
    if kind == "failed":
        ctx.check()
        raise content
    result: Result = content
    return result


def _start(folder: Path) -> subprocess.Popen[bytes]:
    places = os.pathsep.join(str(Path(place).absolute()) for place in sys.path if place)
    temporary = {name: str(folder) for name in ("TMPDIR", "TEMP", "TMP")}
    process = subprocess.Popen(
        # -P: the script's own folder must not be searched for modules.
        [sys.executable, "-P", apart_worker.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=os.environ | temporary | {"PYTHONPATH": places},
        # A group of its own: Ctrl+C on the terminal is answered by this program alone, and the group can be ended.
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0)
        | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        | getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),
    )
    assert process.stdin is not None and process.stdout is not None
    widen(process.stdin)
    widen(process.stdout)
    return process


def _ask(
    process: subprocess.Popen[bytes], ctx: Context, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> tuple[str, Any]:
    assert process.stdin is not None and process.stdout is not None
    write_message(process.stdin, (function, arguments, False))
    while True:
        kind, content = read_message(process.stdout)
        if kind != "progress":
            return kind, content
        assert isinstance(content, Progress)
        ctx.progress(content.fraction, content.message)


def _watch(process: subprocess.Popen[bytes], ctx: Context, ended: threading.Event) -> None:
    """End everything when the work is cancelled, and what is left when the process died by itself: a process that it
    started may hold the pipe, and reading from it would never end."""
    while not ended.wait(POLL_S):
        if ctx.cancelled or process.poll() is not None:
            _kill_group(process)
            return


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    started: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).children(recursive=True)
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    for child in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    process.kill()


def _end(process: subprocess.Popen[bytes]) -> None:
    _kill_group(process)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what could not be sent to a process that has gone no longer matters
                pipe.close()
    process.wait()


def _lost(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    if code == -signal.SIGKILL.value if os.name == "posix" else False:
        return tr(
            "The process of the network was ended by the system, most likely for want of memory: close other programs "
            "or use a coarser network."
        )
    message = tr(
        "The process of the network crashed (exit status {code}); nothing was changed. Check that its package is "
        "installed whole and that the model is meant for it."
    )
    return message.format(code=code)
