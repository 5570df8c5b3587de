"""Entry point: reads the words, runs the command, and answers with a document and an exit status."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from surgitwin.core.errors import BadInput, Cancelled, SurgitwinError
from surgitwin.core.text import tr

DONE, FAILED, USAGE, BAD_INPUT, CANCELLED = 0, 1, 2, 3, 4

log = logging.getLogger(__name__)


def no_window(path: Path | None) -> int:
    """What happens where the command line runs without the window behind it."""
    raise BadInput(tr("No window can be opened from here. Start the program “surgitwin”."))


def main(words: Sequence[str] | None = None, open_window: Callable[[Path | None], int] = no_window) -> int:
    """Run ``surgitwin`` with these words (default: the process's own) and return the exit status.

    0 done, 1 a fault in the program, 2 wrong usage, 3 bad input, 4 cancelled.

    Parameters
    ----------
    open_window
        Opens the window on a path and returns when it is closed; handed in, because the window lies above the
        command line.
    """
    words = list(sys.argv[1:] if words is None else words)
    _use_utf8()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    from cyclopts import CycloptsError

    from surgitwin.cli.app import make_app

    app = make_app(open_window)
    try:
        status = app(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _complain(USAGE, tr("{what} See “surgitwin --help”.").format(what=_one_line(str(error))))
    except Cancelled as error:
        return _complain(CANCELLED, str(error))
    except KeyboardInterrupt:
        return _complain(CANCELLED, str(Cancelled()))
    except BadInput as error:
        return _complain(BAD_INPUT, _one_line(str(error)))
    except SurgitwinError as error:
        return _complain(FAILED, _one_line(str(error)))
    except MemoryError:
        return _complain(FAILED, tr("There was not enough memory. Close other programs or use a smaller image."))
    except BrokenPipeError:
        return DONE
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else DONE
    except Exception as error:  # the last resort: a sentence instead of a traceback
        log.debug("Fault", exc_info=error)
        message = tr("A fault in the program stopped this ({kind}: {what}). Nothing more was changed.")
        return _complain(FAILED, message.format(kind=type(error).__name__, what=_one_line(str(error))))
    return status if isinstance(status, int) else DONE


def print_json(document: object) -> None:
    """One JSON document on standard output, UTF-8, nothing else."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
    sys.stdout.flush()


def _use_utf8() -> None:
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _complain(status: int, sentence: str) -> int:
    sys.stderr.write(sentence + "\n")
    return status
