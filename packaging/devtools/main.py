"""The commands of `packaging/bootstrap.py`."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from . import checks, environment, lock, native
from .console import ROOT, Stop, clean_env, say


def main(arguments: Sequence[str]) -> int:
    """Run one command and return the exit status: 0 done, 1 failed (a sentence says why), 2 wrong usage."""
    options, rest = _parser().parse_known_args(list(arguments))
    if rest and options.command not in ("demo", "run"):
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return _dispatch(options, rest)
    except Stop as stop:
        say()
        say(str(stop))
        return stop.code
    except KeyboardInterrupt:
        say("\nStopped.")
        return 130
    except OSError as error:
        if error.errno == errno.ENOSPC:
            say(f"The disk is full ({error.filename or ROOT}). Free some space and run this again.")
            return 1
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            say(f"This user may not write to {error.filename or ROOT}. Put the clone in a folder that you own.")
            return 1
        raise


def _dispatch(options: argparse.Namespace, rest: list[str]) -> int:
    everything = [*native.GRAPHICS, *native.WINDOW, *native.VIRTUAL_DISPLAY]
    if options.command == "setup":
        environment.setup(everything)
        return 0
    if options.command == "test":
        checks.chosen_steps(options.steps)
        gui = not options.steps or "gui" in options.steps
        environment.setup(everything if gui else native.GRAPHICS, must=gui)
        native.wish(native.BROWSER)
        return checks.run(options.steps, options.on_screen)
    if options.command in ("demo", "run"):
        window = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) or options.command == "run"
        environment.setup([*native.GRAPHICS, *(native.WINDOW if window else ())], must=True)
        if options.command == "run":
            return _surgitwin(rest)
        out = [] if any(word.startswith("--out") for word in rest) else ["--out", "demo-out"]
        return _surgitwin(["demo", *out, *rest])
    if options.command == "lock":
        lock.write_lock(options.upgrade)
        return 0
    checks.clean()
    return 0


def _surgitwin(arguments: Sequence[str]) -> int:
    """Run the program in the foreground: it has the terminal, and Ctrl+C goes to it."""
    command = [str(environment.venv_program("surgitwin")), *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=clean_env()) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # The program got the same Ctrl+C and ends its work in its own way.
                continue


def _terminated(_number: int, _frame: FrameType | None) -> None:
    # As an exception, so that every process started here is ended on the way out.
    sys.exit(143)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bootstrap.py",
        description="Set up, try and test Surgitwin. Each command sets up what it needs first; "
        "the same commands exist as `make setup`, `make demo`, `make test`.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("setup", help="make the environment in .venv and find the system libraries that are missing")
    commands.add_parser(
        "demo", help="the main job on a sample case, written to demo-out/ (options of `surgitwin demo`)"
    )
    test = commands.add_parser("test", help="every check and every test, with one summary")
    test.add_argument(
        "steps",
        nargs="*",
        metavar="STEP",
        help=f"only these: {', '.join(checks.checks())}, {', '.join(checks.test_steps())}",
    )
    test.add_argument("--on-screen", action="store_true", help="show the windows of the window tests on your display")
    commands.add_parser("run", help="start the program (options of `surgitwin`)")
    locking = commands.add_parser("lock", help="write requirements.lock again after a change to pyproject.toml")
    locking.add_argument("--upgrade", action="store_true", help="take the newest versions that pyproject.toml allows")
    commands.add_parser("clean", help="remove the environment, caches and what the demo wrote")
    return parser
