"""A process that draws 3D pictures for `picture_process`; run as a script.

Requests come on standard input, answers go to standard output: an eight-byte length and a pickle of that length. Both
ends are this program, so a pickle is as good as anything here; no file ever holds one.
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
    head = stream.read(8)
    if len(head) < 8:
        raise EOFError
    (size,) = struct.unpack(">Q", head)
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return pickle.loads(data)


def write_message(stream: IO[bytes], message: Any) -> None:
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(struct.pack(">Q", len(data)))
    stream.write(data)
    stream.flush()


def main() -> None:
    """Answer requests until standard input ends: (content, size) by a PNG, or by the sentence that says why not."""
    # VTK and Mesa print complaints to standard output; they must not end up among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from surgitwin.core.errors import SurgitwinError
    from surgitwin.render.snapshot import snapshot_3d

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
