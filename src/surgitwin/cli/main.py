"""Entry point: reads the words, runs the command, and answers with a document and an exit status."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from surgitwin.cli.streams import discard_output, quiet_libraries, use_utf8
from surgitwin.core.errors import Cancelled, SurgitwinError
from surgitwin.core.text import tr

DONE, FAILED, USAGE, BAD_INPUT, CANCELLED = 0, 1, 2, 3, 4

log = logging.getLogger(__name__)


def no_window(path: Path | None) -> int:
    """What happens where the command line runs without the window behind it."""
    raise SurgitwinError(tr("No window can be opened from here. Start the program “surgitwin”."))


def main(words: Sequence[str] | None = None, open_window: Callable[[Path | None], int] = no_window) -> int:
    """Run ``surgitwin`` with these words (default: the process's own) and return the exit status.

    0 done, 1 a fault in the program, 2 wrong usage, 3 bad input, 4 cancelled.

    Parameters
    ----------
    open_window
        Opens the window on a path and returns when it is closed; handed in, because the window lies above the
        command line.
    """
    use_utf8()
    if words is None and sys.argv[1:2] == ["quick"]:
        # The process is ours, ends with this command, and makes one large array after the other.
        from surgitwin.core.memory import keep_freed_memory

        keep_freed_memory()
    try:
        with quiet_libraries():
            return _run(list(sys.argv[1:] if words is None else words), open_window)
    except (KeyboardInterrupt, Cancelled) as error:
        return _complain(CANCELLED, str(error) or str(Cancelled()))
    except SurgitwinError as error:
        return _complain(BAD_INPUT, str(error))
    except MemoryError:
        return _complain(BAD_INPUT, tr("There was not enough memory. Close other programs or use a smaller image."))
    except BrokenPipeError:
        discard_output()
        return DONE
    except SystemExit as stop:
        return _status_of(stop)
    except Exception as error:  # the last resort: a sentence instead of a traceback
        log.debug("Fault", exc_info=error)
        message = tr("A fault in the program stopped this ({kind}: {what}). Nothing more was changed.")
        return _complain(FAILED, message.format(kind=type(error).__name__, what=error))


def _run(words: list[str], open_window: Callable[[Path | None], int]) -> int:
    status = _run_plainly(words)
    if status is not None:
        return status
    from cyclopts import CycloptsError

    from surgitwin.cli.app import make_app, prepare

    app = make_app(open_window, words)
    try:
        status = app(prepare(words), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _complain(USAGE, tr("{what} See “surgitwin --help”.").format(what=str(error).strip()))
    return status if isinstance(status, int) else DONE


def _run_plainly(words: list[str]) -> int | None:
    """The exit status of a command that is written in the plainest way; None if the parser is to read it."""
    from surgitwin.cli.plain_words import QUICK, plain_values

    found = plain_values(QUICK, words[1:]) if words[:1] == ["quick"] else None
    if found is None:
        return None
    from surgitwin.commands.quick_surface import LONGEST_NAME, TITLE, QuickRequest

    values, as_json = found
    request = QuickRequest(**values)
    if len(request.name_) > LONGEST_NAME:
        return None
    from surgitwin.cli.running import answer

    return answer("quick", TITLE, request.checked_and_made, as_json)


def _status_of(stop: SystemExit) -> int:
    """The status that ``sys.exit`` in a script asks for; a text is an error message."""
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or DONE
    return _complain(FAILED, str(stop.code))


def _complain(status: int, sentence: str) -> int:
    """One line on standard error, whatever it was made of."""
    sys.stderr.write(" ".join(sentence.split()) + "\n")
    return status
