"""The case file in ordinary use: what goes in comes out, lazily, and one file is left."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import apsw
import numpy as np
import pytest

from surgitwin.core.errors import BadInput, StorageFailed
from surgitwin.core.geometry import Box
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import LandmarkNode, SurfaceNode, VolumeNode
from surgitwin.scene.scene import Scene
from surgitwin.storage import writer
from surgitwin.storage.case_file import CaseFile, SaveState
from surgitwin.storage.migrations import FORMAT
from surgitwin.storage.verification import verify
from twins import SHAPE, Twin, small_twin

BRUSH = Box((20, 10, 20), (30, 15, 25))


def reopened(path: Path, **options: object) -> tuple[CaseFile, Scene]:
    case_file = CaseFile.open(path, **options)  # type: ignore[arg-type]
    scene = Scene()
    scene.load(case_file.load_nodes())
    return case_file, scene


def digest_in(path: Path, **options: object) -> str:
    case_file, scene = reopened(path, **options)
    with case_file:
        return scene.digest()


def stored_twin(folder: Path) -> tuple[Twin, CaseFile]:
    twin = small_twin()
    case_file = CaseFile.create(folder / "case.twin", twin.scene)
    twin.editor.journal = case_file
    return twin, case_file


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_scene_comes_back_bit_for_bit_and_one_file_is_left(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    case_file.close()
    case_file.close()  # closing twice is harmless
    assert names_in(tmp_path) == ["case.twin"]
    assert digest_in(tmp_path / "case.twin") == twin.scene.digest()
    assert names_in(tmp_path) == ["case.twin"]


def test_every_change_undo_and_redo_is_in_the_file_when_wait_returns(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    with twin.editor.transaction("Many") as tx:
        tx.patch(twin.layer.id, "labels", BRUSH, 3)
        tx.add(LandmarkNode(name="Ω", parent=twin.case.id, position_mm=(1 / 3, -0.0, 1e-300)))
        tx.remove(twin.volume.id)
        tx.set(twin.scene.of_type(SurfaceNode)[0].id, points=ArrayData.of(np.ones((7, 3), np.float32)))
    twin.paint(Box((0, 0, 0), (70, 30, 66)), 1)
    twin.editor.undo()
    twin.editor.undo()
    twin.editor.redo()
    case_file.wait()
    assert case_file.synced
    with CaseFile.open(tmp_path / "case.twin", read_only=True) as copy:
        scene = Scene()
        scene.load(copy.load_nodes())
        assert scene.digest() == twin.scene.digest()
    case_file.close()
    assert digest_in(tmp_path / "case.twin") == twin.scene.digest()
    assert verify(tmp_path / "case.twin").ok


def test_opening_reads_no_array_until_one_is_needed(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    case_file.close()
    case_file, scene = reopened(tmp_path / "case.twin")
    with case_file:
        arrays = [array for node in scene for array in node.arrays().values()]
        assert len(arrays) == 4
        assert not any(array.loaded for array in arrays)
        volume = scene.of_type(VolumeNode)[0]
        assert np.array_equal(volume.voxels.read(), twin.volume.voxels.read())
        assert sum(array.loaded for array in arrays) == 1


def test_a_patch_writes_only_the_chunks_it_touches(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    chunks = "SELECT id, length(data) FROM chunks ORDER BY id"
    before = set(case_file._ask(lambda db: db.execute(chunks).fetchall()))
    twin.paint(Box((0, 0, 0), (3, 3, 3)), 9)
    case_file.wait()
    after = set(case_file._ask(lambda db: db.execute(chunks).fetchall()))
    assert len(before - after) == len(after - before) == 1
    case_file.close()


def test_what_was_removed_can_be_undone_while_the_case_is_open_and_is_gone_from_the_closed_file(tmp_path: Path) -> None:
    path = tmp_path / "case.twin"
    twin, case_file = stored_twin(tmp_path)
    digest = twin.scene.digest()
    case_file.close()
    whole = path.stat().st_size
    case_file, scene = reopened(path)
    twin.editor.scene.load(list(scene))
    twin.editor.history.clear()
    twin.editor.journal = case_file
    with twin.editor.transaction("Remove") as tx:
        tx.remove(twin.volume.id)  # its voxels have not been read yet
        tx.remove(twin.segmentation.id)
    case_file.wait()
    twin.editor.undo()
    case_file.wait()
    assert digest_in(path, read_only=True) == digest
    twin.editor.redo()
    case_file.close()
    assert path.stat().st_size < whole - twin.volume.voxels.nbytes / 2
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM chunks").fetchone() == (0,)


def test_a_patch_of_a_layer_that_goes_in_the_same_change_comes_back_with_undo(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    before = twin.scene.digest()
    with twin.editor.transaction("Paint and remove") as tx:
        tx.patch(twin.layer.id, "labels", BRUSH, 7)
        tx.remove(twin.layer.id)
    twin.editor.undo()
    case_file.close()
    assert twin.scene.digest() == before
    assert digest_in(tmp_path / "case.twin") == before


def test_a_layer_whose_array_was_replaced_after_a_patch_comes_back_with_undo(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    before = twin.scene.digest()
    with twin.editor.transaction("Paint and replace") as tx:
        tx.patch(twin.layer.id, "labels", BRUSH, 7)
        tx.set(twin.layer.id, labels=ArrayData.of(np.ones(SHAPE, np.uint16), constant=False))
        tx.patch(twin.layer.id, "labels", BRUSH, 300)
    between = twin.scene.digest()
    twin.editor.undo()
    twin.editor.redo()
    case_file.wait()
    assert digest_in(tmp_path / "case.twin", read_only=True) == between == twin.scene.digest()
    twin.editor.undo()
    case_file.close()
    assert digest_in(tmp_path / "case.twin") == before


def test_strokes_in_quick_succession_are_each_saved_as_they_were(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    with twin.editor.transaction("New layer") as tx:
        tx.set(twin.layer.id, labels=ArrayData.of(np.zeros(SHAPE, np.uint8), constant=False))
    for step in range(30):
        twin.paint(Box((step, 0, step), (step + 5, 20, step + 7)), step % 3 + 1)
        assert case_file.pending <= 2
    case_file.close()
    assert digest_in(tmp_path / "case.twin") == twin.scene.digest()


def test_at_most_one_change_waits_behind_the_one_that_is_being_written(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    gate, reached = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        reached.set()
        gate.wait(10)

    asking = threading.Thread(target=lambda: case_file._thread.ask(hold))
    asking.start()
    reached.wait(10)
    twin.paint(BRUSH, 1)
    twin.paint(BRUSH, 2)
    assert case_file.pending == 2
    done = threading.Event()

    def third() -> None:
        twin.paint(BRUSH, 3)
        done.set()

    painting = threading.Thread(target=third)
    painting.start()
    assert not done.wait(0.2)
    gate.set()
    assert done.wait(10)
    for thread in (asking, painting):
        thread.join()
    case_file.close()
    assert digest_in(tmp_path / "case.twin") == twin.scene.digest()


def test_arrays_can_be_read_while_a_change_is_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twin, case_file = stored_twin(tmp_path)
    case_file.close()
    case_file, scene = reopened(tmp_path / "case.twin")
    twin.scene.load(list(scene))
    twin.editor.journal = case_file
    real = writer.put_chunk

    def slow(db: apsw.Connection, row: int, position: int, data: bytes) -> None:
        real(db, row, position, data)
        time.sleep(0.1)

    monkeypatch.setattr(writer, "put_chunk", slow)
    with twin.editor.transaction("Replace") as tx:
        tx.set(twin.layer.id, labels=ArrayData.of(np.ones(SHAPE, np.uint8), constant=False))
    voxels = scene.of_type(VolumeNode)[0].voxels.read()
    assert case_file.pending == 1  # four chunks take longer than the two questions that reading asks
    assert np.array_equal(voxels, twin.volume.voxels.read())
    digest = twin.scene.digest()
    case_file.close()
    assert digest_in(tmp_path / "case.twin") == digest


def test_the_state_of_saving_is_told(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    heard: list[SaveState] = []
    case_file.state_changed.connect(heard.append)
    twin.paint(BRUSH, 5)
    case_file.wait()
    case_file.close()
    assert heard[-1] == SaveState(0)
    assert heard[-1].saved


def test_a_listener_that_fails_does_not_stop_the_saving(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)

    def fail(_: SaveState) -> None:
        raise ValueError("listener")

    case_file.state_changed.connect(fail)
    twin.paint(BRUSH, 5)
    twin.paint(BRUSH, 6)
    case_file.close()
    assert digest_in(tmp_path / "case.twin") == twin.scene.digest()


def test_the_log_says_who_did_what_and_cannot_be_rewritten(tmp_path: Path) -> None:
    _, case_file = stored_twin(tmp_path)
    case_file.log("segment", {"method": "threshold", "low_hu": 200.0}, {"volume": "n1"})
    case_file.log("mesh", {}, {})
    rows = case_file.log_rows()
    assert [(row.command, row.params, row.inputs) for row in rows] == [
        ("segment", {"method": "threshold", "low_hu": 200.0}, {"volume": "n1"}),
        ("mesh", {}, {}),
    ]
    assert all(row.at.endswith("+00:00") for row in rows)
    case_file.close()
    with sqlite3.connect(tmp_path / "case.twin") as db:
        for statement in ("DELETE FROM log", "UPDATE log SET who='nobody'"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                db.execute(statement)


def test_a_plain_case_is_an_sqlite_database_that_says_what_it_is(tmp_path: Path) -> None:
    _, case_file = stored_twin(tmp_path)
    case_file.close()
    with sqlite3.connect(f"file:{tmp_path / 'case.twin'}?mode=ro", uri=True) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (0x5477696E,)
        assert db.execute("PRAGMA user_version").fetchone() == (FORMAT,)
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert db.execute("PRAGMA page_size").fetchone() == (8192,)
        assert "Zstandard" in db.execute("SELECT value FROM meta WHERE key='about'").fetchone()[0]
        types = {kind for (kind,) in db.execute("SELECT DISTINCT type FROM nodes")}
    assert types == {"case", "volume", "segmentation", "label-layer", "segment", "surface", "plan", "landmark"}


def test_an_encrypted_case_opens_with_its_password_only(tmp_path: Path) -> None:
    path, key = tmp_path / "secret.twin", "it's “sécret”"
    twin = small_twin()
    with CaseFile.create(path, twin.scene, key=key) as case_file:
        twin.editor.journal = case_file
        twin.paint(BRUSH, 4)
    data = path.read_bytes()
    assert b"4711" not in data
    assert b"SQLite format" not in data
    assert digest_in(path, key=key) == twin.scene.digest()
    assert digest_in(path, key=key, read_only=True) == twin.scene.digest()
    assert verify(path, key=key).ok
    for wrong in ("other", None):
        with pytest.raises(BadInput, match=r"password|not a Surgitwin case"):
            CaseFile.open(path, key=wrong)
    assert path.read_bytes()[:64] == data[:64]
    with CaseFile.open(path, key=key) as case_file:
        case_file.save_copy(tmp_path / "plain.twin", plain=True)
        case_file.save_copy(tmp_path / "same.twin")
        case_file.save_copy(tmp_path / "other.twin", key="new")
    assert digest_in(tmp_path / "plain.twin") == twin.scene.digest()
    assert digest_in(tmp_path / "other.twin", key="new") == twin.scene.digest()
    assert digest_in(tmp_path / "same.twin", key=key) == twin.scene.digest()
    with CaseFile.open(tmp_path / "plain.twin") as case_file:
        case_file.save_copy(tmp_path / "locked.twin", key=key)
    assert digest_in(tmp_path / "locked.twin", key=key) == twin.scene.digest()
    assert all(verify(tmp_path / name, key=key).ok for name in ("same.twin", "locked.twin"))
    with pytest.raises(BadInput, match="not encrypted"):
        CaseFile.open(tmp_path / "plain.twin", key=key)


def test_a_read_only_case_takes_no_change_and_is_not_touched(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    case_file.close()
    path = tmp_path / "case.twin"
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    case_file, scene = reopened(path, read_only=True)
    twin.editor.scene.load(list(scene))
    twin.editor.journal = case_file
    digest = twin.scene.digest()
    with pytest.raises(BadInput, match="read-only"):
        twin.paint(BRUSH, 9)
    assert twin.scene.digest() == digest
    for change in (lambda: case_file.log("x", {}, {}), lambda: case_file.save_version("x")):
        with pytest.raises(BadInput, match="read-only"):
            change()
    case_file.save_copy(tmp_path / "copy.twin")
    case_file.close()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert names_in(tmp_path) == ["case.twin", "copy.twin"]
    assert digest_in(tmp_path / "copy.twin") == digest


def test_after_closing_nothing_can_be_read_or_written(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    case_file.close()
    case_file, scene = reopened(tmp_path / "case.twin")
    case_file.close()
    with pytest.raises(StorageFailed, match="closed"):
        scene.of_type(VolumeNode)[0].voxels.read()
    twin.editor.journal = case_file
    with pytest.raises(StorageFailed, match="closed"):
        twin.paint(BRUSH, 1)


def test_an_empty_scene_makes_a_case_that_fills_later(tmp_path: Path) -> None:
    twin = small_twin()
    twin.editor.undo()
    with CaseFile.create(tmp_path / "case.twin", twin.scene) as case_file:
        twin.editor.journal = case_file
        twin.editor.redo()
    assert digest_in(tmp_path / "case.twin") == twin.scene.digest()
