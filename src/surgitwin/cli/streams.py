"""Standard output holds the answer and nothing else; what libraries have to say goes to standard error, or nowhere."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator


def print_json(document: object) -> None:
    """One JSON document on standard output, UTF-8, nothing else."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
    sys.stdout.flush()


def use_utf8() -> None:
    """JSON is UTF-8 on every machine; a character that cannot be shown does not stop the work."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")


def discard_output() -> None:
    """Nobody reads standard output any more: what is left in its buffer must not fail on the way out."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Hide libraries' remarks to programmers; filters that somebody set on purpose keep their say."""
    debug = bool(os.environ.get("SURGITWIN_DEBUG"))
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("surgitwin").setLevel(logging.DEBUG if debug else logging.WARNING)
    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore", append=True)
        yield


@contextlib.contextmanager
def output_kept_clean() -> Iterator[None]:
    """While a command works, standard output takes nothing, and standard error only what Python writes there.

    C++ libraries write their remarks past Python; with ``SURGITWIN_DEBUG`` they are to be seen on standard error.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, ValueError):
            _turn_descriptors_away(stack)
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield


def _turn_descriptors_away(stack: contextlib.ExitStack) -> None:
    out, err = sys.__stdout__, sys.__stderr__
    if out is None or err is None:
        return
    out.flush()
    err.flush()
    numbers = out.fileno(), err.fileno()
    kept = [os.dup(number) for number in numbers]
    away = os.dup(kept[1]) if os.environ.get("SURGITWIN_DEBUG") else os.open(os.devnull, os.O_WRONLY)

    def restore() -> None:
        out.flush()
        for number, before in zip(numbers, kept, strict=True):
            os.dup2(before, number)
            os.close(before)

    stack.callback(restore)
    for number in numbers:
        os.dup2(away, number)
    os.close(away)
    if sys.stderr is err:
        stream = os.fdopen(os.dup(kept[1]), "w", encoding="utf-8", errors="replace", buffering=1)
        stack.enter_context(stream)
        stack.enter_context(contextlib.redirect_stderr(stream))
