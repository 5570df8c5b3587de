"""After a power cut at any moment the case opens with every finished change, and none by halves."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from counted import CountedTwin, check_counted
from powercut import PowerCutVFS
from surgitwin.storage.case_file import CaseFile

CUTS_PER_RUN = 60


@pytest.fixture
def vfs(request: pytest.FixtureRequest) -> Iterator[PowerCutVFS]:
    vfs = PowerCutVFS(f"powercut-{request.node.name}")
    yield vfs
    vfs.unregister()


def test_after_a_power_cut_at_any_sync_the_case_has_every_finished_change(vfs: PowerCutVFS, tmp_path: Path) -> None:
    rng = random.Random(5)
    path = tmp_path / "case.twin"
    twin = CountedTwin(path)
    twin.case_file.close()
    found = tmp_path / "found"
    cuts: list[tuple[int, int]] = []

    def cut(at_least: int, at_most: int) -> None:
        shutil.rmtree(found, ignore_errors=True)
        found.mkdir()
        vfs.cut(found, rng)
        cuts.append((at_least, check_counted(found / "case.twin", at_least, at_most)))

    twin.reopen(CaseFile.open(path, vfs=vfs.name))
    finished = 0
    vfs.on_sync = lambda _: cut(finished, twin.count + 1)
    for step in range(CUTS_PER_RUN // 2):
        twin.step()
        twin.case_file.wait()
        finished = twin.count
        cut(finished, finished)
        if step % 7 == 3:
            twin.case_file._thread.ask(twin.case_file._thread._checkpoint)
            cut(finished, finished)
        if step % 10 == 9:
            twin.case_file.save_version(f"version {step}")
    twin.case_file.close()
    cut(finished, finished)
    assert len(cuts) > CUTS_PER_RUN
    assert any(got > least for least, got in cuts)  # some cuts came after the data but before the word


def test_what_is_left_after_closing_is_one_file(vfs: PowerCutVFS, tmp_path: Path) -> None:
    path = tmp_path / "case.twin"
    twin = CountedTwin(path)
    twin.case_file.close()
    twin.reopen(CaseFile.open(path, vfs=vfs.name))
    for _ in range(5):
        twin.step()
    twin.case_file.close()
    left = tmp_path / "left"
    left.mkdir()
    vfs.clean(left)
    assert [entry.name for entry in left.iterdir()] == ["case.twin"]
    assert check_counted(left / "case.twin", 5, 5) == 5
