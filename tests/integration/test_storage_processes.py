"""A case that another process has open: refused for writing, shown from a copy, never disturbed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from counted import CountedTwin, check_counted, check_nodes
from surgitwin.core.errors import BadInput, CaseLocked
from surgitwin.storage.case_file import CaseFile
from surgitwin.storage.verification import verify

TESTS = Path(__file__).parents[1]

EDITING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from counted import CountedTwin
twin = CountedTwin(Path(sys.argv[2]))
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        twin.step()
    twin.case_file.wait()
    print(twin.count, flush=True)
twin.case_file.close()
"""


class OtherProcess:
    """Another program that edits a case and does what it is told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def begin(self, steps: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()

    def count(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@contextmanager
def other_process(path: Path) -> Iterator[OtherProcess]:
    command = [sys.executable, "-c", EDITING, str(TESTS), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield OtherProcess(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_case_that_another_process_edits_is_refused_for_writing_and_shown_from_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "case.twin"
    with other_process(path) as other:
        other.begin(4)
        assert other.count() == 4
        with pytest.raises(CaseLocked, match="open in another window or program; close it there"):
            CaseFile.open(path)
        with CaseFile.open(path, read_only=True) as case_file:
            assert [notice.code for notice in case_file.notices] == ["read-only-copy"]
            assert check_nodes(case_file.load_nodes()) == 4
            with pytest.raises(BadInput, match="read-only"):
                case_file.save_version("mine")
            case_file.save_copy(tmp_path / "copy.twin")
        other.begin(3)
        assert other.count() == 7
    assert check_counted(path, 7, 7) == 7
    assert check_counted(tmp_path / "copy.twin", 4, 4) == 4


def test_copies_taken_while_another_process_writes_are_each_one_moment(tmp_path: Path) -> None:
    path = tmp_path / "case.twin"
    seen: list[int] = []
    with other_process(path) as other:
        for _ in range(6):
            other.begin(15)
            for _ in range(3):
                try:
                    assert verify(path).ok
                    with CaseFile.open(path, read_only=True) as case_file:
                        seen.append(check_nodes(case_file.load_nodes()))
                except CaseLocked:
                    continue
            other.count()
    assert len(seen) > 5
    assert seen == sorted(seen)
    assert check_counted(path, 90, 90) == 90


def test_the_lock_goes_with_the_process_that_held_it(tmp_path: Path) -> None:
    path = tmp_path / "case.twin"
    command = [sys.executable, "-c", EDITING, str(TESTS), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        other = OtherProcess(process)
        other.begin(5)
        assert other.count() == 5
        process.kill()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["case.twin", "case.twin-wal"]
    with CaseFile.open(path, read_only=True) as case_file:  # leaves the remains of the crash alone
        assert check_nodes(case_file.load_nodes()) == 5
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["case.twin", "case.twin-wal"]
    twin = CountedTwin(tmp_path / "other.twin")
    twin.case_file.close()
    twin.reopen(CaseFile.open(path))
    twin.step()
    twin.case_file.close()
    assert check_counted(path, 6, 6) == 6
