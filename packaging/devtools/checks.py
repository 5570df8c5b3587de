"""`make test`: every check and every test, each run to its end, and one summary."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .console import ROOT, Stop, clean_env, heading, say
from .environment import venv_program

STEP_LIMIT_S = 45 * 60.0
_PRINTING = threading.Lock()


@dataclass(frozen=True)
class Outcome:
    """What a step came to. The counts are zero for a check that runs no tests."""

    step: str
    ok: bool
    words: str
    seconds: float
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def checks() -> dict[str, list[str | Path]]:
    """Return the commands that read the code without testing it, by step."""
    python = venv_program("python")
    return {
        "types": [python, "-m", "mypy", "--strict"],
        "lint": [python, "-m", "ruff", "check"],
        "format": [python, "-m", "ruff", "format", "--check"],
        "imports": [venv_program("lint-imports")],
        "wheel": [python, ROOT / "packaging" / "check_wheel.py"],
    }


def test_steps() -> dict[str, list[str]]:
    """Return pytest's arguments, by step."""
    workers = max(2, min(4, os.cpu_count() or 2))
    # A clone has no empty folders, so a folder without tests yet is not there.
    folders = [name for name in ("tests/unit", "tests/integration") if (ROOT / name).is_dir()]
    return {
        "unit+integration": ["-n", str(workers), "--dist", "worksteal", *folders],
        # One window at a time on a display: each process has a display of its own (`tests/conftest.py`). A hang inside
        # Qt or VTK never returns to Python, where the signal would be handled, so it is a thread that ends the process
        # and prints where it hung.
        "gui": ["-n", "2", "--dist", "loadfile", "--timeout-method=thread", "tests/gui"],
    }


# What leads to a display. A person's own shows one process at a time.
DISPLAY_VARIABLES = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
ON_SCREEN = ["-n", "0"]


def chosen_steps(wanted: Sequence[str]) -> list[str]:
    """Return the steps in the order they run, all of them when none is named."""
    known = [*checks(), *test_steps()]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise Stop(f"There is no step named {', '.join(unknown)}; the steps are {', '.join(known)}.", code=2)
    return [name for name in known if not wanted or name in wanted]


def run(wanted: Sequence[str] = (), on_screen: bool = False) -> int:
    """Run the steps (all of them when none is named), print the summary, and return the exit status.

    Parameters
    ----------
    wanted
        Names of steps.
    on_screen
        Whether the window tests use the display that is there rather than a virtual one.
    """
    chosen = chosen_steps(wanted)
    outcomes: list[Outcome] = []
    # The checks are single-threaded and quiet, so two go at a time; the tests have the machine for themselves.
    with ThreadPoolExecutor(max_workers=2) as pool:
        outcomes += pool.map(_check, [name for name in checks() if name in chosen])
    for name in test_steps():
        if name in chosen:
            outcomes.append(_test(name, on_screen))
    return summary(outcomes)


def _check(name: str) -> Outcome:
    started = time.monotonic()
    code, output = _run(checks()[name], clean_env(), capture=True)
    seconds = time.monotonic() - started
    with _PRINTING:
        heading(name)
        say(output.strip() or ("nothing to report" if code == 0 else "it printed nothing"))
    return Outcome(name, code == 0, "ok" if code == 0 else _ended(code), seconds)


def _test(name: str, on_screen: bool) -> Outcome:
    heading(name)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="surgitwin-test-") as made:
        folder = Path(made)
        report = folder / "report.xml"
        # One thread per test process: with more, the linear algebra of several processes fights over the cores.
        env = clean_env({"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"} if name != "gui" else {})
        shown = name == "gui" and (on_screen or not sys.platform.startswith("linux"))
        if name == "gui" and not shown:
            env = {key: value for key, value in env.items() if key not in DISPLAY_VARIABLES}
        command: list[str | Path] = [
            venv_program("python"),
            "-m",
            "pytest",
            "--durations=8",
            "--durations-min=2",
            f"--junitxml={report}",
        ]
        chosen = [*test_steps()[name], *(ON_SCREEN if shown else ())]
        code, _ = _run([*command, f"--basetemp={folder / 'tmp'}", *chosen], env, capture=False)
        return read_report(name, report, code, time.monotonic() - started)


def read_report(step: str, report: Path, code: int, seconds: float) -> Outcome:
    """Return the outcome of a pytest run from its report, or from its exit status when it died before writing one."""
    try:
        suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    except (OSError, ElementTree.ParseError):
        suites = []
    total, failures, errors, skipped = (
        sum(int(suite.get(key, "0")) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
    )
    # A test that fails and whose clean-up fails too counts once in `tests` and twice here.
    failed = min(failures + errors, total) if total else failures + errors
    passed = total - failed - skipped
    if code == 0 and passed == 0:
        return Outcome(step, False, "no test ran", seconds, 0, 1, skipped)
    if code == 0 and failed == 0:
        return Outcome(step, True, "ok", seconds, passed, 0, skipped)
    if failed == 0 or not suites:
        words = "no test ran" if code == 5 else _ended(code)
        return Outcome(step, False, words, seconds, passed, max(failed, 1), skipped)
    return Outcome(step, False, f"{failed} failed", seconds, passed, failed, skipped)


def _run(command: Sequence[str | Path], env: Mapping[str, str], capture: bool) -> tuple[int, str]:
    """Run a step in a process group of its own, so that nothing it started outlives it."""
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if capture else None,
        stderr=subprocess.STDOUT if capture else None,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=STEP_LIMIT_S)
        return process.returncode, output or ""
    except subprocess.TimeoutExpired:
        return 124, f"stopped after {STEP_LIMIT_S / 60:.0f} minutes"
    finally:
        _end_group(process)


def _end_group(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        if process.poll() is None:
            time.sleep(1.0)
    process.poll()


def _ended(code: int) -> str:
    """Return how a process ended, in words."""
    if code < 0:
        try:
            return f"died ({signal.Signals(-code).name})"
        except ValueError:
            return f"died (signal {-code})"
    return "took too long" if code == 124 else f"failed (exit {code})"


def summary(outcomes: Sequence[Outcome]) -> int:
    """Print the table and, last, the counts; return 0 when everything is well."""
    heading("summary")
    width = max(len(outcome.step) for outcome in outcomes)
    for o in outcomes:
        counts = f"{o.passed} passed, {o.failed} failed, {o.skipped} skipped" if o.passed + o.failed + o.skipped else ""
        say(f"{'ok  ' if o.ok else 'FAIL'}  {o.step:<{width}}  {o.seconds:6.1f} s  {o.words:<20}  {counts}".rstrip())
    tests = [o for o in outcomes if o.passed + o.failed + o.skipped]
    passed, skipped = sum(o.passed for o in tests), sum(o.skipped for o in tests)
    # A check that fails is counted too, so that the last line never reads well over a red run.
    failed = sum(o.failed for o in tests) + sum(1 for o in outcomes if not o.ok and o not in tests)
    say()
    say(f"{passed} passed, {failed} failed, {skipped} skipped" if tests or failed else "No tests were asked for.")
    return 0 if failed == 0 and all(outcome.ok for outcome in outcomes) else 1


def clean() -> None:
    """Remove everything that can be made again: the environment, caches and what the demo wrote."""
    caches = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".import_linter_cache", ".hypothesis", ".benchmarks")
    for name in (".venv", "build", "dist", "demo-out", "test-screenshots", *caches):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for folder in ("src", "tests", "packaging", "benchmarks"):
        for cache in (ROOT / folder).rglob("__pycache__"):
            shutil.rmtree(cache, ignore_errors=True)
