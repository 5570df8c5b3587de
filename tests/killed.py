"""A program that starts children which edit and save a case, kills each at a random moment, and judges what is left.

Run as ``python killed.py FOLDER KILLS SEED``; prints what happened as JSON. It has a process of its own because it
forks: so a child costs milliseconds and not an interpreter's start.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from counted import CountedTwin, check_counted
from surgitwin.storage.case_file import CaseFile

ROUND = 10  # kills after which a fresh case is taken
LONGEST_S = 0.12
AHEAD = 3  # steps that a child may do between two reports


def work_until_killed(path: Path, twin: CountedTwin, seed: int, report: int) -> None:
    """Edit and save as fast as possible; each count that is safe on disk goes down the pipe."""
    rng = random.Random(seed)
    twin.reopen(CaseFile.open(path))
    while True:
        for _ in range(rng.randint(1, AHEAD)):
            twin.step()
        twin.case_file.wait()
        os.write(report, f"{twin.count}\n".encode())
        if rng.random() < 0.1:
            twin.case_file.save_version(f"version {twin.count}")
        if rng.random() < 0.1:
            twin.case_file.close()
            twin.reopen(CaseFile.open(path))


def one_kill(path: Path, twin: CountedTwin, rng: random.Random) -> str:
    """Start a child, kill it, and return the last line that it sent down the pipe."""
    reading, writing = os.pipe()
    seed = rng.randrange(2**32)
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            work_until_killed(path, twin, seed, writing)
        finally:
            os._exit(1)
    os.close(writing)
    time.sleep(rng.random() * LONGEST_S)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading, encoding="ascii") as pipe:
        lines = pipe.read().split()
    if not os.WIFSIGNALED(status):
        raise RuntimeError("A child ended by itself.")
    return lines[-1] if lines else ""


def main(folder: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    logs_left = ahead = changes = 0
    path = twin = None
    count = 0
    for kill in range(kills):
        if kill % ROUND == 0 or path is None or twin is None:
            path, count = folder / f"{kill}.twin", 0
            twin = CountedTwin(path)
            twin.case_file.close()
        last = one_kill(path, twin, rng)
        logs_left += path.with_name(path.name + "-wal").exists()
        finished = int(last) if last else count
        found = check_counted(path, finished, finished + AHEAD)
        ahead += found > finished
        changes += found - count
        count = found
    json.dump({"kills": kills, "logs_left": logs_left, "ahead": ahead, "changes": changes}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
