"""A few processes that decode compressed frames (see `decode_worker`): parallel, and safe against codecs that crash.

A process needs about 0.1 s to get ready, as long as the headers of a short series take to read. Whoever opens a series
may therefore make the pool first and hand it on: processes then start as soon as a header announces compressed frames.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from surgitwin.imaging import decode_worker
from surgitwin.imaging.decode_worker import read_message, write_message

if TYPE_CHECKING:
    # pydicom takes long to import, and a pool is made before it is known whether a path holds DICOM files at all.
    from surgitwin.imaging.dicom_codecs import FrameLayout, Pixels

# A machine with many cores must not fill with processes for one series.
_MOST = 4
# A frame that takes longer has caught a codec in an endless loop.
_PATIENCE_S = 60.0


class WorkerFailed(Exception):
    """A frame could not be decoded; the process may have been lost over it and has been replaced."""


class PoolUnavailable(Exception):
    """No process can be started here."""


class DecodePool:
    """Use as a context manager: every process ends with it. It starts empty; see `grow`.

    Attributes
    ----------
    count
        How many frames are decoded at a time; call `decode` from as many threads.
    """

    def __init__(self) -> None:
        self.count = 0
        self._ended = False
        # None stands for a process that is yet to be started: at the first frame, or in place of one that was lost.
        self._idle: queue.LifoQueue[subprocess.Popen[bytes] | None] = queue.LifoQueue()

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended = True
        for _ in range(self.count):
            worker = self._idle.get()
            if worker is not None:
                _end(worker)

    def grow(self, count: int) -> None:
        """Have at least ``count`` processes, but no more than are useful here, and start the new ones at once.

        It does not wait for them. Where none can be started, `decode` will say so.

        Raises
        ------
        RuntimeError
            After the end of the ``with`` block: nothing would end these processes.
        """
        if self._ended:
            raise RuntimeError("the decoding processes have been ended")
        for _ in range(self.count, min(count, _MOST, os.cpu_count() or 1)):
            self.count += 1
            worker: subprocess.Popen[bytes] | None = None
            try:
                worker = _start()
            except PoolUnavailable:
                continue
            finally:
                self._idle.put(worker)

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
            if worker is not None and worker.poll() is not None:
                # It went while it had nothing to do: no frame is to blame.
                _end(worker)
                worker = None
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
        write_message(worker.stdin, vars(layout), stream)
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
    return np.frombuffer(data, dtype=head["dtype"]).reshape([int(length) for length in head["shape"].split()])


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
