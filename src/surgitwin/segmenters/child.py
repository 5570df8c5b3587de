"""What every process of a network does first."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import psutil

from surgitwin.core.progress import Context

LOCAL = ("127.", "::1", "localhost")


def guarded(function: Callable[..., Any], arguments: tuple[Any, ...], *, ctx: Context) -> Any:
    """What the process is started for."""
    end_with_parent()
    return function(*arguments, ctx=ctx)


def end_with_parent() -> None:
    """End this process when the program that started it has gone: nobody waits for an answer any more."""
    try:
        parent = psutil.Process(os.getppid())
    except psutil.NoSuchProcess:
        os._exit(1)

    def wait() -> None:
        parent.wait()
        os._exit(1)

    threading.Thread(target=wait, name="watch over the program", daemon=True).start()


class OffTheNetwork(OSError):
    """A library tried to reach another computer, which nobody had asked for."""


def keep_off_the_network() -> None:
    """Refuse every connection of this process to another computer, whatever a library thinks it needs."""
    connect = socket.socket.connect

    def refuse(own: socket.socket, address: Any) -> None:
        elsewhere = own.family in (socket.AF_INET, socket.AF_INET6)
        if elsewhere and not str(address[0]).startswith(LOCAL):
            raise OffTheNetwork("No connection to another computer was asked for.")
        connect(own, address)

    socket.socket.connect = refuse  # type: ignore[method-assign, assignment]
