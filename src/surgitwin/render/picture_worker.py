"""A process that draws 3D pictures for `picture_process`; run as a script.

Requests come on standard input and answers go to standard output, as `jobs.messages` has them.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Answer requests until standard input ends: (content, size) by a PNG, or by the sentence that says why not."""
    # VTK and Mesa print complaints to standard output; they must not end up among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from surgitwin.core.errors import SurgitwinError
    from surgitwin.core.priority import give_way
    from surgitwin.jobs.messages import read_message, write_message
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
