"""Messages between this program and a helper process: a pickle, and the arrays in it as they lie in memory.

Each is the number of its parts, then each part with its length; the first is the pickle. Both ends are this program, so
a pickle is as good as anything here; no file ever holds one.
"""

from __future__ import annotations

import contextlib
import pickle
import struct
import sys
from typing import IO, Any

import numpy as np

if sys.platform == "linux":
    import fcntl

PIPE_BYTES = 1 << 20


def read_message(stream: IO[bytes]) -> Any:
    """The next message; arrays in it can be written to.

    Raises
    ------
    EOFError
        If the other side has gone.
    """
    count = struct.unpack(">I", _exactly(stream, 4))[0]
    parts = [_exactly(stream, struct.unpack(">Q", _exactly(stream, 8))[0]) for _ in range(count)]
    return pickle.loads(parts[0], buffers=parts[1:])


def write_message(stream: IO[bytes], message: Any) -> None:
    """Send a message; Python's lock is free while arrays are on their way."""
    arrays: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=arrays.append)
    parts: list[bytes | memoryview] = [head, *(array.raw() for array in arrays)]
    stream.write(struct.pack(">I", len(parts)))
    for part in parts:
        stream.write(struct.pack(">Q", len(part)))
        stream.write(part)
    stream.flush()


def widen(stream: IO[bytes]) -> None:
    """Let a pipe hold more on its way, where the system can: fewer, longer steps."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _exactly(stream: IO[bytes], size: int) -> memoryview:
    # Not a bytearray: Python would fill it with zeros first, and keep its lock over that.
    view, done = np.empty(size, np.uint8).data, 0
    while done < size:
        count = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count
    return view
