"""3D pictures drawn by a process of their own, where the thread that asks must not draw.

VTK draws on the main thread only, and keeps Python's lock for as long as a picture takes: in the window that would be
seconds. On the main thread of a command or a script, pictures are drawn at once instead.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from types import TracebackType

from surgitwin.core.errors import SurgitwinError
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.jobs.messages import read_message, widen, write_message
from surgitwin.render import picture_worker
from surgitwin.render.content import SceneContent
from surgitwin.render.snapshot import snapshot_3d

POLL_S = 0.1


class PictureProcess:
    """Use as a context manager; the process starts with the first picture and ends with the block.

    Parameters
    ----------
    ctx
        Cancelling it ends the process.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()

    def __enter__(self) -> PictureProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        process = self._process
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    # What could not be sent to a process that has gone no longer matters.
                    continue
        process.wait()

    def draw(self, content: SceneContent, size: tuple[int, int]) -> bytes:
        """The scene from the front as a PNG.

        Raises
        ------
        SurgitwinError
            If the machine has no OpenGL, or the process was lost over it.
        Cancelled
            If the context was cancelled.
        """
        if threading.current_thread() is threading.main_thread() or getattr(sys, "frozen", False):
            return snapshot_3d(content, size)
        process = self._process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        try:
            write_message(process.stdin, (content, size))
            answer = read_message(process.stdout)
        except (EOFError, OSError) as error:
            self._ctx.check()  # the process was ended because of it
            raise SurgitwinError(tr("The 3D picture could not be drawn: the drawing process stopped.")) from error
        if isinstance(answer, str):
            raise SurgitwinError(answer)
        assert isinstance(answer, bytes)
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        places = os.pathsep.join(place for place in sys.path if place)
        try:
            process = subprocess.Popen(
                # -P: the script's own folder must not be searched for modules.
                [sys.executable, "-P", picture_worker.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": places},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise SurgitwinError(tr("The 3D picture could not be drawn: no process can be started.")) from error
        assert process.stdin is not None
        widen(process.stdin)
        threading.Thread(target=self._watch, args=(process,), name="watch over pictures", daemon=True).start()
        return process

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """End the process when the work is cancelled: a picture may take long."""
        while not self._ended.wait(POLL_S):
            if self._ctx.cancelled:
                process.kill()
                return
