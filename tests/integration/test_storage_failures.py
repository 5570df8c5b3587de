"""A drive that fails: one sentence, nothing half-written, and the work can go on once the drive does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from counted import CountedTwin, check_counted, check_nodes
from powercut import PowerCutVFS
from surgitwin.core.errors import StorageFailed, SurgitwinError
from surgitwin.scene.nodes import LabelLayerNode
from surgitwin.storage import whole_files
from surgitwin.storage.case_file import CaseFile, SaveState
from twins import small_twin


@pytest.fixture
def vfs(request: pytest.FixtureRequest) -> Iterator[PowerCutVFS]:
    vfs = PowerCutVFS(f"failing-{request.node.name}")
    yield vfs
    vfs.unregister()


@pytest.fixture
def twin(vfs: PowerCutVFS, tmp_path: Path) -> CountedTwin:
    twin = CountedTwin(tmp_path / "case.twin")
    twin.case_file.close()
    twin.reopen(CaseFile.open(tmp_path / "case.twin", vfs=vfs.name))
    for _ in range(3):
        twin.step()
    twin.case_file.wait()
    return twin


def make_full(vfs: PowerCutVFS) -> None:
    vfs.room = 0


def make_broken(vfs: PowerCutVFS) -> None:
    vfs.failing = apsw.IOError


def repair(vfs: PowerCutVFS) -> None:
    vfs.room = vfs.failing = None


def left(vfs: PowerCutVFS, folder: Path) -> Path:
    folder.mkdir()
    vfs.clean(folder)
    return folder / "case.twin"


FAILURES = [(make_full, "disk is full"), (make_broken, "drive reported an error")]


@pytest.mark.parametrize(("fail", "words"), FAILURES)
def test_a_failing_drive_stops_later_changes_with_a_sentence_and_retry_goes_on(
    vfs: PowerCutVFS, twin: CountedTwin, tmp_path: Path, fail: object, words: str
) -> None:
    heard: list[SaveState] = []
    twin.case_file.state_changed.connect(heard.append)
    fail(vfs)  # type: ignore[operator]
    twin.step()  # is taken: only the storage thread can know
    for again in (twin.case_file.wait, twin.case_file.retry):
        with pytest.raises(StorageFailed, match=words) as caught:
            again()
        assert str(caught.value).startswith("“case.twin” could not be saved")
        assert str(caught.value).endswith(".")
    assert heard[-1] == SaveState(1, str(caught.value)) == twin.case_file.state
    before, names = twin.editor.scene.digest(), twin.editor.history.undo_names
    with pytest.raises(StorageFailed, match=words):
        twin.step()
    with pytest.raises(StorageFailed, match=words):
        twin.editor.undo()
    with pytest.raises(StorageFailed, match=words):
        twin.case_file.save_version("version")
    assert twin.editor.scene.digest() == before
    assert twin.editor.history.undo_names == names
    assert check_counted(left(vfs, tmp_path / "failed"), 3, 3) == 3
    layer = twin.editor.scene.of_type(LabelLayerNode)[0]
    assert layer.labels.read().any()  # what is in memory can be seen, and the file can be read
    assert twin.case_file.load_version
    repair(vfs)
    twin.case_file.retry()
    assert heard[-1] == SaveState(0)
    twin.count = 4
    twin.step()
    twin.case_file.close()
    assert check_counted(left(vfs, tmp_path / "repaired"), 5, 5) == 5


@pytest.mark.parametrize(("fail", "words"), FAILURES)
def test_a_copy_elsewhere_rescues_what_could_not_be_saved(
    vfs: PowerCutVFS, twin: CountedTwin, tmp_path: Path, fail: object, words: str
) -> None:
    fail(vfs)  # type: ignore[operator]
    twin.step()
    with pytest.raises(StorageFailed, match=words):
        twin.case_file.wait()
    rescue = tmp_path / "elsewhere"
    rescue.mkdir()
    twin.case_file.save_copy(rescue / "copy.twin")
    assert check_counted(rescue / "copy.twin", 4, 4) == 4
    with pytest.raises(StorageFailed, match=words):
        twin.case_file.close()
    assert check_counted(left(vfs, tmp_path / "left"), 3, 3) == 3


def test_a_change_that_waits_behind_a_failed_one_is_written_after_it(
    vfs: PowerCutVFS, twin: CountedTwin, tmp_path: Path
) -> None:
    held: list[bool] = []

    def hold(_: object) -> None:
        make_full(vfs)
        while not held:
            pass

    thread = threading.Thread(target=lambda: twin.case_file._thread.ask(hold))
    thread.start()
    twin.step()
    twin.step()
    held.append(True)
    thread.join()
    with pytest.raises(StorageFailed):
        twin.case_file.wait()
    assert twin.case_file.pending == 2
    finished: list[int] = []

    def look(name: str) -> None:
        folder = tmp_path / f"seen{len(finished)}"
        folder.mkdir()
        vfs.clean(folder)
        with CaseFile.open(folder / "case.twin") as case_file:
            finished.append(check_nodes(case_file.load_nodes()))

    repair(vfs)
    vfs.on_sync = look
    twin.case_file.close()
    assert set(finished) >= {4, 5}  # first the one, then the other, and none mixed
    assert finished == sorted(finished)


def test_a_disk_that_is_full_only_when_closing_leaves_a_log_that_the_sentence_names(
    vfs: PowerCutVFS, twin: CountedTwin, tmp_path: Path
) -> None:
    make_full(vfs)
    with pytest.raises(StorageFailed, match=r"is saved, but not in one file; keep “case\.twin-wal”"):
        (tmp_path / "case.twin-wal").touch()  # the engine's files are in memory only
        twin.case_file.close()
    assert check_counted(left(vfs, tmp_path / "left"), 3, 3) == 3


def test_closing_once_the_drive_works_again_saves_everything(
    vfs: PowerCutVFS, twin: CountedTwin, tmp_path: Path
) -> None:
    make_full(vfs)
    twin.step()
    with pytest.raises(StorageFailed):
        twin.case_file.wait()
    repair(vfs)
    twin.case_file.close()
    assert check_counted(left(vfs, tmp_path / "left"), 4, 4) == 4


def test_a_disk_that_fills_at_any_byte_leaves_the_last_finished_change(
    vfs: PowerCutVFS, twin: CountedTwin, tmp_path: Path
) -> None:
    used = sum(len(disk.seen) for disk in vfs.disks.values())
    failed = 0
    for attempt in range(12):
        vfs.room = used + attempt * 9_000
        finished = twin.count
        try:
            twin.step()
            twin.case_file.wait()
        except StorageFailed:
            failed += 1
            assert check_counted(left(vfs, tmp_path / f"left{attempt}"), finished, finished) == finished
            vfs.room = None
            twin.case_file.retry()
    assert failed
    vfs.room = None
    twin.case_file.close()
    assert check_counted(left(vfs, tmp_path / "left"), 15, 15) == 15


def test_a_change_that_cannot_be_stored_at_all_is_refused_before_it_is_queued(tmp_path: Path) -> None:
    twin = small_twin()
    with CaseFile.create(tmp_path / "case.twin", twin.scene) as case_file:
        twin.editor.journal = case_file
        before = twin.scene.digest()
        plan = next(node for node in twin.scene if node.type_name == "plan")
        with pytest.raises(Exception, match="serialize"), twin.editor.transaction("Numbers") as tx:
            tx.set(plan.id, numbers={"x": object()})
        assert twin.scene.digest() == before
        assert case_file.synced


def test_a_new_case_on_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = whole_files.create_database

    def create_small(path: Path, key: str | None) -> apsw.Connection:
        db = real(path, key)
        db.pragma("max_page_count", 30)  # the engine's own "disk full"
        return db

    monkeypatch.setattr(whole_files, "create_database", create_small)
    with pytest.raises(SurgitwinError, match="disk is full"):
        CaseFile.create(tmp_path / "case.twin", small_twin().scene)
    assert list(tmp_path.iterdir()) == []
