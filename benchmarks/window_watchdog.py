"""How long the window's event loop is held by each action, on a CT of 512 x 512 x 400 with 60 segments; bound 50 ms.

    python benchmarks/window_watchdog.py [--rounds 1] [--size 512] [--slices 400] [--segments 60] [--explain]
        [--only WORD] [--json]

A timer beats every 5 ms in the main thread; a beat that comes late means that something held the loop. Each round is a
program of its own that does everything once. The figure of an action is its worst hold; over several rounds their
median, with the least and the most beside it, so that what another program did in one round is not called a hold, and
what comes in most rounds is not called noise.

Where the processor draws, the time to draw an unchanged 3D frame is subtracted for each frame inside a hold, and
nothing else. It is measured five times soon after each hold, as soon as nothing new waits to be drawn. One such frame
varies by more than the bound, so like is compared with like: one frame with the median, the worst of k frames with the
worst to be expected of k.
``wall`` is what a user waits, ``cpu`` what the main thread itself computed of it, ``queue`` how long it was ready but
had no processor (Linux only): much of it means that the machine was busy, with this program's other threads or with
other programs. None of it is subtracted. What is in neither is mostly Python's lock in another thread's hands.
``frames`` is how many 3D frames that hold drew, what the longest took, and what an unchanged one took.
``--explain`` prints where the main thread was during the worst hold of each action above the bound.

It needs a display; on Linux without one it starts Xvfb. The case is made anew in a temporary folder (about 1 GB).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "gui"), str(ROOT / "packaging")]

from watchdog.listening import BOUND_MS, SAMPLE_S, Action, Watchdog  # noqa: E402

HEAD = "".join(f" {word:>7s}" for word in ("counted", "wall", "cpu", "queue"))


# ---- one round, in a program of its own ----------------------------------------------------------------------------


def run_round(study: Path, folder: Path, explain: bool, done: Callable[[Action], object]) -> list[Action]:
    """Do everything once, in this program."""
    os.environ["SURGITWIN_CONFIG_DIR"] = os.environ["SURGITWIN_DATA_DIR"] = str(folder / "user")
    from PySide6.QtWidgets import QApplication
    from steps import open_window

    from watchdog.hand import Bot, Round

    app = QApplication.instance() or QApplication(["surgitwin"])
    assert isinstance(app, QApplication)
    hand = open_window(Bot(), app, "watchdog")  # type: ignore[arg-type]
    dog = Watchdog(explain)
    try:
        Round(hand, dog, study, folder, done).everything()
    finally:
        dog.close()
    return dog.actions


def one_round(arguments: argparse.Namespace) -> None:
    """What the program of a round does: its actions go to a file, and to the terminal if there is only one round."""

    def done(action: Action) -> None:
        if arguments.rounds == 1 and arguments.only in action.name:
            print(line(action), flush=True)
            if arguments.explain:
                explain(action)

    folder = Path(arguments.round)
    actions = run_round(Path(arguments.study), folder, arguments.explain, done)
    (folder / "actions.json").write_text(json.dumps([as_json(action) for action in actions]), encoding="utf-8")


def as_json(action: Action) -> dict[str, Any]:
    worst = action.worst
    return {
        "name": action.name,
        "seconds": action.seconds,
        "counted_ms": action.counted_ms(worst),
        "wall_ms": worst.wall_ms,
        "cpu_ms": worst.cpu_ms,
        "queue_ms": worst.queue_ms,
        "line": line(action),
        "stacks": dict(worst.stacks),
    }


def line(action: Action) -> str:
    """One row of the table."""
    hold = action.worst
    counted_ms = action.counted_ms(hold)
    frame = max(hold.frames, key=lambda frame: frame.ms, default=None)
    same = hold.unchanged.get(frame.coarse) if frame is not None else None
    drawn = f"{len(hold.frames):3d} x {frame.ms if frame else 0:4.0f}/{same.ms if same else 0:4.0f}"
    mark = "over" if counted_ms > BOUND_MS else ""
    columns = " ".join(f"{value:7.0f}" for value in (counted_ms, hold.wall_ms, hold.cpu_ms, hold.queue_ms))
    return f"{action.name:38s} {columns} {drawn} {action.seconds:7.1f}  {mark}"


def explain(action: Action) -> None:
    """Print where the main thread was, and who kept Python's lock meanwhile."""
    if action.counted_ms(action.worst) > BOUND_MS:
        print_stacks(dict(action.worst.stacks))


def print_stacks(stacks: dict[str, int]) -> None:
    ranked = sorted(stacks.items(), key=lambda entry: -entry[1])
    own, others = ([one for one in ranked if (one[0][0] == "(") is kept] for kept in (False, True))
    for stack, count in [*own[:6], *others[:4]]:
        print(f"      {count * SAMPLE_S * 1000:5.0f} ms  {stack}", flush=True)


# ---- all rounds ----------------------------------------------------------------------------------------------------


def run_rounds(arguments: argparse.Namespace, folder: Path) -> list[list[dict[str, Any]]]:
    """The actions of every round."""
    from watchdog.study import write_study

    print("Making the case …", flush=True)
    study = folder / "study"
    study.mkdir()
    write_study(study, arguments.size, arguments.slices, arguments.segments)
    if arguments.rounds == 1:
        print(f"{'action':38s}{HEAD} {'frames, took/unchanged':>15s} {'s':>7s}  (worst hold, ms)", flush=True)
    found = []
    for number in range(1, arguments.rounds + 1):
        own = folder / f"round-{number}"
        own.mkdir()
        call = [sys.executable, __file__, "--study", str(study), "--round", str(own), "--rounds", str(arguments.rounds)]
        call += ["--only", arguments.only] + (["--explain"] if arguments.explain else [])
        subprocess.run(call, check=True)
        found.append(json.loads((own / "actions.json").read_text(encoding="utf-8")))
        over = sum(action["counted_ms"] > BOUND_MS for action in found[-1])
        if arguments.rounds > 1:
            print(f"Round {number}: {len(found[-1]) - over} of {len(found[-1])} under the bound.", flush=True)
    return found


def by_action(rounds: list[list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """What each action cost in every round; one that comes again has its number behind its name."""
    table: dict[str, list[dict[str, Any]]] = {}
    for actions in rounds:
        seen: dict[str, int] = {}
        for action in actions:
            name = action["name"]
            seen[name] = seen.get(name, 0) + 1
            table.setdefault(name if seen[name] == 1 else f"{name} ({seen[name]})", []).append(action)
    return table


def print_table(table: dict[str, list[dict[str, Any]]], arguments: argparse.Namespace) -> None:
    print(f"\nMedians of {arguments.rounds} rounds; the worst hold of each action, ms")
    print(f"{'action':38s}{HEAD} {'least':>7s} {'most':>7s}")
    for name, actions in table.items():
        if arguments.only not in name:
            continue
        middle = [median(a[key] for a in actions) for key in ("counted_ms", "wall_ms", "cpu_ms", "queue_ms")]
        counted = [action["counted_ms"] for action in actions]
        ends = f"{min(counted):7.0f} {max(counted):7.0f}"
        over = middle[0] > BOUND_MS
        print(f"{name:38s} {' '.join(f'{value:7.0f}' for value in middle)} {ends}  {'over' if over else ''}")
        if over and arguments.explain:
            stacks: dict[str, int] = {}
            for action in actions:
                if action["counted_ms"] > BOUND_MS:
                    print(f"    {action['line']}")
                    for stack, count in action["stacks"].items():
                        stacks[stack] = stacks.get(stack, 0) + count
            print_stacks(stacks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="how often everything is done, each time anew")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--slices", type=int, default=400)
    parser.add_argument("--segments", type=int, default=60)
    parser.add_argument("--explain", action="store_true")
    parser.add_argument("--only", default="", help="print only actions with this word")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--study", help=argparse.SUPPRESS)
    parser.add_argument("--round", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.round:
        one_round(arguments)
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="surgitwin-watchdog-")))
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            from devtools.display import virtual_display

            os.environ.update(stack.enter_context(virtual_display()))
        table = by_action(run_rounds(arguments, folder))
    if arguments.rounds > 1:
        print_table(table, arguments)
    medians = {name: median(action["counted_ms"] for action in actions) for name, actions in table.items()}
    over = [name for name, value in medians.items() if value > BOUND_MS]
    if arguments.json:
        rows = {name: round(value) for name, value in medians.items()}
        print(json.dumps({"bound_ms": BOUND_MS, "rounds": arguments.rounds, "worst_ms": rows, "over": over}))
    else:
        print(
            f"{len(medians) - len(over)} of {len(medians)} actions hold the loop for at most {BOUND_MS:.0f} ms"
            f" (median of {arguments.rounds} rounds)."
        )


if __name__ == "__main__":
    main()
