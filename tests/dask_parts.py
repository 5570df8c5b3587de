"""A dask scheduler or worker as a program, and tasks for them; a worker may wait in the middle of a case for a test.

``python dask_parts.py scheduler`` prints its address; ``python dask_parts.py worker ADDRESS`` prints "ready".
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from surgitwin.core.progress import Context

HOLD = "SURGITWIN_TEST_HOLD"
"""Names a file: its first line is a port to tell the worker's process id, its second the case to wait in."""


def die(argument: object, ctx: Context) -> None:
    """A task that kills its worker."""
    os.kill(os.getpid(), signal.SIGKILL)


def double(argument: int, ctx: Context) -> tuple[int, int]:
    return 2 * argument, os.getpid()


def fail(argument: object, ctx: Context) -> None:
    raise ValueError("told to")


def wait_where_told() -> None:
    """From now on, thresholding a certain case reports to the test and goes on only when it is told to stop."""
    from surgitwin.commands.segmenting import MakeSegment

    start = MakeSegment.start

    def held(command: MakeSegment, bench: Any) -> Any:
        work = start(command, bench)
        note = Path(os.environ[HOLD])
        if not note.exists():
            return work
        port, case = note.read_text(encoding="utf-8").split("\n")
        if bench.case_path.stem != case:
            return work

        def compute(ctx: Context) -> Any:
            with socket.create_connection(("127.0.0.1", int(port))) as line:
                line.sendall(f"{os.getpid()}\n".encode())
                line.settimeout(0.05)
                while True:
                    ctx.check()
                    try:
                        line.recv(1)
                    except TimeoutError:
                        continue

        return replace(work, compute=compute)

    MakeSegment.start = held  # type: ignore[method-assign]


async def scheduler() -> None:
    from distributed import Scheduler

    async with Scheduler(host="127.0.0.1", port=0, dashboard=False, dashboard_address=":0") as server:
        print(server.address, flush=True)  # noqa: T201
        await server.finished()


async def worker(address: str) -> None:
    from distributed import Worker

    wait_where_told()
    async with Worker(address, host="127.0.0.1", nthreads=1, dashboard=False) as server:
        print("ready", flush=True)  # noqa: T201
        await server.finished()


if __name__ == "__main__":
    sys.modules["dask_parts"] = sys.modules["__main__"]
    asyncio.run(scheduler() if sys.argv[1] == "scheduler" else worker(sys.argv[2]))
