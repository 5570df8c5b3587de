"""Who comes first where the processor's cores are few: what a person waits for with the hand on the mouse."""

from __future__ import annotations

import contextlib
import os

NICE = 5


def give_way() -> None:
    """Let this process come after others; on Windows whoever starts it says so.

    Whole processes only. A thread that gives way while it holds Python's lock would make the window wait for every
    other program on the machine.
    """
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(NICE)
