"""A few processes that decode compressed frames (see `decode_worker`): parallel, and safe against codecs that crash."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from dataclasses import asdict
from types import TracebackType

import numpy as np

from surgitwin.imaging import decode_worker
from surgitwin.imaging.decode_worker import read_message, write_message
from surgitwin.imaging.dicom_codecs import FrameLayout, Pixels

# A frame that takes longer has caught a codec in an endless loop.
_PATIENCE_S = 60.0


class WorkerFailed(Exception):
    """A frame could not be decoded; the process may have been lost over it and has been replaced."""


class PoolUnavailable(Exception):
    """No process can be started here."""


class DecodePool:
    """Use as a context manager; the processes start when they are first needed and end with it.

    Parameters
    ----------
    count
        How many frames to decode at a time; call `decode` from as many threads.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._idle: queue.LifoQueue[subprocess.Popen[bytes] | None] = queue.LifoQueue()
        for _ in range(count):
            self._idle.put(None)

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for _ in range(self.count):
            worker = self._idle.get()
            if worker is not None:
                _end(worker)

    def decode(self, stream: bytes, layout: FrameLayout) -> Pixels:
        """Decode one frame; a new array, shape [j, i].

        Raises
        ------
        WorkerFailed
            If no codec can.
        PoolUnavailable
            If no process can be started.
        """
        worker = self._idle.get()
        keep: subprocess.Popen[bytes] | None = None
        try:
            worker = worker or _start()
            pixels = _ask(worker, stream, layout)
            keep = worker
        except _Refused as error:
            keep = worker
            raise WorkerFailed from error
        finally:
            if keep is None and worker is not None:
                _end(worker)
            self._idle.put(keep)
        return pixels


class _Refused(Exception):
    """The process answered that the frame is damaged."""


def _start() -> subprocess.Popen[bytes]:
    if getattr(sys, "frozen", False):
        # A packaged program is its own executable: there is no interpreter to start.
        raise PoolUnavailable
    places = os.pathsep.join(place for place in sys.path if place)
    try:
        return subprocess.Popen(
            # -P: the script's own folder must not be searched for modules.
            [sys.executable, "-P", decode_worker.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": places},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise PoolUnavailable from error


def _ask(worker: subprocess.Popen[bytes], stream: bytes, layout: FrameLayout) -> Pixels:
    assert worker.stdin is not None and worker.stdout is not None
    alarm = threading.Timer(_PATIENCE_S, worker.kill)
    alarm.daemon = True
    alarm.start()
    try:
        write_message(worker.stdin, asdict(layout), stream)
        answer = read_message(worker.stdout)
    except BrokenPipeError as error:
        raise WorkerFailed from error
    finally:
        alarm.cancel()
    if answer is None:
        raise WorkerFailed
    head, data = answer
    if not head["ok"]:
        raise _Refused
    return np.frombuffer(data, dtype=head["dtype"]).reshape(head["shape"]).copy()


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.kill()
    for pipe in (worker.stdin, worker.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                # What could not be sent to a process that has gone no longer matters.
                continue
    worker.wait()
