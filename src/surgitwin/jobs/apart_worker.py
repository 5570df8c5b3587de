"""A process that calls functions for `apart`; run as a script.

Requests come on standard input: (function, arguments, whether partial results are wanted). Answers go to standard
output: ``progress`` and ``partial`` any number of times, then ``done`` with the result or ``failed`` with the error.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
import traceback
from typing import IO, Any

REPORT_S = 0.03


def answer(request: tuple[Any, tuple[Any, ...], bool], answers: IO[bytes]) -> None:
    """Call the function and write what it reports, then its result or its error."""
    from surgitwin.core.progress import Context, Progress
    from surgitwin.jobs.messages import write_message

    function, arguments, watched = request
    last = [0.0]

    def report(progress: Progress) -> None:
        now = time.monotonic()
        if now - last[0] > REPORT_S:
            last[0] = now
            write_message(answers, ("progress", progress))

    def hand_out(result: object) -> None:
        write_message(answers, ("partial", result))

    try:
        found: tuple[str, Any] = ("done", function(*arguments, ctx=Context(report, hand_out if watched else None)))
    except BaseException as error:  # noqa: BLE001, raised again on the other side
        found = ("failed", portable(error))
    write_message(answers, found)


def portable(error: BaseException) -> BaseException:
    """The error with its traceback as a note, or one of a plain kind that says the same if it cannot travel."""
    note = traceback.format_exc()
    error.add_note(note)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001, whatever an error's own pickling raises
        from surgitwin.core.errors import SurgitwinError

        own = isinstance(error, SurgitwinError)
        plain = SurgitwinError(str(error)) if own else RuntimeError(f"{type(error).__name__}: {error}")
        plain.add_note(note)
        return plain
    return error


def main() -> None:
    """Answer requests until standard input ends."""
    # Libraries print complaints to standard output; they must not end up among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from surgitwin.core.priority import give_way
    from surgitwin.jobs.messages import read_message

    give_way()
    with answers:
        while True:
            try:
                request = read_message(sys.stdin.buffer)
            except EOFError:
                return
            answer(request, answers)


if __name__ == "__main__":
    main()
