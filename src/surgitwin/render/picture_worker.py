"""A process that draws 3D pictures for `picture_process`; run as a script.

Requests come on standard input, answers go to standard output: the number of parts, then each with its length, the
first a pickle and the others the arrays in it. Both ends are this program, so a pickle is as good as anything here; no
file ever holds one.
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
from typing import IO, Any


def read_message(stream: IO[bytes]) -> Any:
    """The next message.

    Raises
    ------
    EOFError
        If the other side has gone.
    """
    count = struct.unpack(">I", _exactly(stream, 4))[0]
    parts = [_exactly(stream, struct.unpack(">Q", _exactly(stream, 8))[0]) for _ in range(count)]
    return pickle.loads(parts[0], buffers=parts[1:])


def write_message(stream: IO[bytes], message: Any) -> None:
    """Send a message; arrays go as they lie in memory, so that Python's lock is free while they are on their way."""
    arrays: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=arrays.append)
    parts: list[bytes | memoryview] = [head, *(array.raw() for array in arrays)]
    stream.write(struct.pack(">I", len(parts)))
    for part in parts:
        stream.write(struct.pack(">Q", len(part)))
        stream.write(part)
    stream.flush()


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def main() -> None:
    """Answer requests until standard input ends: (content, size) by a PNG, or by the sentence that says why not."""
    # VTK and Mesa print complaints to standard output; they must not end up among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from surgitwin.core.errors import SurgitwinError
    from surgitwin.core.priority import give_way
    from surgitwin.render.snapshot import snapshot_3d

    give_way()
    with answers:
        while True:
            try:
                content, size = read_message(sys.stdin.buffer)
            except EOFError:
                return
            try:
                answer: bytes | str = snapshot_3d(content, size)
            except SurgitwinError as error:
                answer = str(error)
            write_message(answers, answer)


if __name__ == "__main__":
    main()
