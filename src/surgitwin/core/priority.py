"""Who comes first where the processor's cores are few: what a person waits for with the hand on the mouse."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

NICE = 5


def give_way() -> None:
    """Let the calling thread, and threads that it starts, come after others; a process, if it is its main thread.

    Linux alone knows this for a single thread; elsewhere only whole processes give way.
    """
    with contextlib.suppress(OSError, AttributeError):
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        elif threading.current_thread() is threading.main_thread():
            os.nice(NICE)
