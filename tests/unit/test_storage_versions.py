"""Named versions, and copies with and without identity."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Box
from surgitwin.core.progress import Context, Progress
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import CaseNode, LabelLayerNode, LandmarkNode, SegmentationNode, SurfaceNode, VolumeNode
from surgitwin.scene.scene import Scene
from surgitwin.storage.case_file import CaseFile, revert_edits
from surgitwin.storage.verification import verify
from twins import SHAPE, Twin, small_twin

BRUSH = Box((20, 10, 20), (30, 15, 25))


def stored_twin(folder: Path) -> tuple[Twin, CaseFile]:
    twin = small_twin()
    case_file = CaseFile.create(folder / "case.twin", twin.scene)
    twin.editor.journal = case_file
    return twin, case_file


def revert(twin: Twin, case_file: CaseFile, name: str) -> None:
    edits = revert_edits(twin.scene, case_file.load_version(name))
    with twin.editor.transaction(f"Revert to {name}") as tx:
        tx.carry_out(edits)


def contents(scene: Scene) -> dict[str, object]:
    """Everything but the ids of arrays, which a return to a version may renew."""

    def plain(value: object) -> object:
        return {**value, "array": ""} if isinstance(value, dict) and "array" in value else value

    return {
        node.id: (
            {name: plain(value) for name, value in node.model_dump(mode="json").items()},
            {name: array.read().tobytes() for name, array in node.arrays().items()},
        )
        for node in scene
    }


def stored_scene(path: Path) -> dict[str, object]:
    with CaseFile.open(path, read_only=True) as case_file:
        scene = Scene()
        scene.load(case_file.load_nodes())
        return contents(scene)


def test_versions_are_listed_oldest_first_and_names_are_unique(tmp_path: Path) -> None:
    _, case_file = stored_twin(tmp_path)
    with case_file:
        assert case_file.versions() == []
        first = case_file.save_version("Before the cut")
        second = case_file.save_version("After the cut")
        assert case_file.versions() == [first, second]
        assert first.made_at <= second.made_at
        with pytest.raises(BadInput, match="already"):
            case_file.save_version("After the cut")
        with pytest.raises(BadInput, match="name"):
            case_file.save_version(" ")
        with pytest.raises(BadInput, match="“Before the cut”, “After the cut”"):
            case_file.load_version("Other")


def test_reverting_brings_a_version_back_in_one_undoable_step_with_its_revisions(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    then = contents(twin.scene)
    surface = twin.scene.of_type(SurfaceNode)[0]
    case_file.save_version("one")
    twin.paint(BRUSH, 1)
    with twin.editor.transaction("More") as tx:
        tx.add(LandmarkNode(name="New", parent=twin.case.id, position_mm=(0, 0, 0)))
        tx.set(twin.liver.id, name="Leber")
        tx.remove(twin.volume.id)
        tx.set(surface.id, points=ArrayData.of(np.zeros((5, 3), np.float32)))
    now = contents(twin.scene)
    assert twin.scene.is_stale(twin.scene.node(surface.id))
    revert(twin, case_file, "one")
    assert contents(twin.scene) == then
    assert not twin.scene.is_stale(twin.scene.node(surface.id))
    assert twin.editor.history.undo_names[0] == "Revert to one"
    twin.editor.undo()
    assert contents(twin.scene) == now
    twin.editor.redo()
    assert contents(twin.scene) == then
    case_file.close()
    assert stored_scene(tmp_path / "case.twin") == then
    assert verify(tmp_path / "case.twin").ok


def test_painting_after_save_and_after_revert_leaves_the_version_as_it_was(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    case_file.save_version("one")
    then = contents(twin.scene)
    states = [then]
    for value in (1, 5):
        twin.paint(BRUSH, value)
        states.append(contents(twin.scene))
        revert(twin, case_file, "one")
        assert contents(twin.scene) == then
        twin.paint(Box((0, 0, 0), (70, 30, 66)), 9)
        states.append(contents(twin.scene))
        case_file.wait()
        assert stored_scene(tmp_path / "case.twin") == states[-1]
        revert(twin, case_file, "one")
    for _ in range(8):
        twin.editor.undo()
    twin.editor.redo()
    assert contents(twin.scene) == states[1]
    case_file.wait()
    assert stored_scene(tmp_path / "case.twin") == states[1]
    revert(twin, case_file, "one")
    case_file.close()
    assert stored_scene(tmp_path / "case.twin") == then


def test_reverting_to_what_is_there_changes_nothing_and_keeps_arrays_in_memory(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    with case_file:
        case_file.save_version("one")
        assert revert_edits(twin.scene, case_file.load_version("one")) == []
        twin.paint(BRUSH, 1)
        revert(twin, case_file, "one")
        assert twin.scene.expect(twin.volume.id, VolumeNode).voxels is twin.volume.voxels
        assert revert_edits(twin.scene, case_file.load_version("one")) == []


def test_versions_survive_closing_and_come_back_later(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    then = contents(twin.scene)
    case_file.save_version("one")
    with twin.editor.transaction("Remove") as tx:
        tx.remove(twin.segmentation.id)
        tx.remove(twin.volume.id)
    case_file.close()
    case_file = CaseFile.open(tmp_path / "case.twin")
    twin.editor.scene.load(case_file.load_nodes())
    twin.editor.journal = case_file
    twin.editor.history.clear()
    revert(twin, case_file, "one")
    assert contents(twin.scene) == then
    twin.paint(BRUSH, 7)
    painted = contents(twin.scene)
    revert(twin, case_file, "one")
    twin.editor.undo()
    case_file.close()
    assert stored_scene(tmp_path / "case.twin") == painted
    report = verify(tmp_path / "case.twin")
    assert report.ok, report.sentences()
    assert report.versions == 1


def test_versions_share_the_chunks_that_are_the_same(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    case_file.save_version("one")
    case_file.wait()
    twin.paint(Box((0, 0, 0), (2, 2, 2)), 9)  # one chunk of the layer
    case_file.save_version("two")
    case_file.close()
    chunks = sum(len(array.read()) > 0 for node in twin.scene for array in node.arrays().values())
    with sqlite3.connect(tmp_path / "case.twin") as db:
        (stored,) = db.execute("SELECT count(*) FROM chunks").fetchone()
    volume_chunks = 2 * 1 * 2
    assert chunks == 4
    assert stored == 2 * volume_chunks + 2 + 1  # volume, layer, points and triangles; the painted chunk twice


def test_a_copy_holds_everything_and_stands_alone(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    case_file.save_version("one")
    case_file.log("paint", {"value": 1}, {})
    twin.paint(BRUSH, 1)
    told: list[Progress] = []
    case_file.save_copy(tmp_path / "copy.twin", ctx=Context(told.append))
    then = contents(twin.scene)
    twin.paint(BRUSH, 2)
    case_file.close()
    assert told[-1].fraction == 1.0
    assert stored_scene(tmp_path / "copy.twin") == then
    with CaseFile.open(tmp_path / "copy.twin") as copy:
        assert [version.name for version in copy.versions()] == ["one"]
        assert [row.command for row in copy.log_rows()] == ["paint"]
    assert verify(tmp_path / "copy.twin").ok


def test_a_copy_replaces_nothing_unless_asked_to(tmp_path: Path) -> None:
    _, case_file = stored_twin(tmp_path)
    (tmp_path / "copy.twin").write_text("precious")
    with case_file:
        with pytest.raises(BadInput, match="exists"):
            case_file.save_copy(tmp_path / "copy.twin")
        with pytest.raises(BadInput, match="another name"):
            case_file.save_copy(tmp_path / "case.twin", overwrite=True)
        with pytest.raises(BadInput, match="folder"):
            case_file.save_copy(tmp_path / "missing" / "copy.twin")
        with pytest.raises(Cancelled):
            ctx = Context()
            ctx.cancel()
            case_file.save_copy(tmp_path / "copy.twin", overwrite=True, ctx=ctx)
        assert (tmp_path / "copy.twin").read_text() == "precious"
        case_file.save_copy(tmp_path / "copy.twin", overwrite=True)
    assert verify(tmp_path / "copy.twin").ok
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.twin", "copy.twin"]


def test_a_copy_without_identity_names_nobody_in_any_version(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    case_file.log("new", {"path": "/data/Müller"}, {})
    case_file.save_version("one")
    with twin.editor.transaction("Rename") as tx:
        tx.set(twin.case.id, name="Müller, Änne")
    case_file.save_copy(tmp_path / "shared.twin", strip_identity=True)
    case_file.close()
    texts: list[str] = []
    with sqlite3.connect(tmp_path / "shared.twin") as db:
        for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type='table'").fetchall():
            texts += [repr(row) for row in db.execute(f"SELECT * FROM {table}") if table != "chunks"]
        assert db.execute("SELECT count(*) FROM log").fetchone() == (0,)
    everything = re.sub(r"2\.25\.\d+", "", "".join(texts))  # random digits may spell anything
    for secret in ('"4711"', "nne", "1950-01", "1.2.3", "2024-05-06", "Abdomen", "Müller", json.dumps("Müller")[1:-1]):
        assert secret not in everything, secret
    assert "Müller".encode() not in (tmp_path / "shared.twin").read_bytes()
    with CaseFile.open(tmp_path / "shared.twin") as copy:
        scene = Scene()
        scene.load(copy.load_nodes())
        assert scene.case.name == scene.case.pseudonym == "P-1"
        volume = scene.of_type(VolumeNode)[0]
        segmentations = scene.of_type(SegmentationNode)
        frames = {
            volume.identity.frame_of_reference_uid,
            *(one.frame_of_reference_uid for one in segmentations),
        }
        assert len(frames) == 1  # what shared a frame still does
        assert len(set(volume.identity.sop_instance_uids)) == SHAPE[0]
        assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in volume.identity.sop_instance_uids)
        assert np.array_equal(volume.voxels.read(), twin.volume.voxels.read())
        assert isinstance(copy.load_version("one"), list)
        with pytest.raises(Exception, match="append-only"):
            copy._thread.ask(lambda db: db.execute("INSERT INTO log VALUES(1,'','','','','')").fetchall())
            copy._thread.ask(lambda db: db.execute("DELETE FROM log").fetchall())
    assert verify(tmp_path / "shared.twin").ok


def test_a_copy_without_the_log_keeps_the_patient(tmp_path: Path) -> None:
    twin, case_file = stored_twin(tmp_path)
    case_file.log("new", {}, {})
    case_file.save_copy(tmp_path / "copy.twin", strip_log=True)
    case_file.close()
    with CaseFile.open(tmp_path / "copy.twin") as copy:
        assert copy.log_rows() == []
        (case,) = (node for node in copy.load_nodes() if isinstance(node, CaseNode))
        assert case.patient == twin.case.patient
        (layer,) = (node for node in copy.load_nodes() if isinstance(node, LabelLayerNode))
        assert np.array_equal(layer.labels.read(), twin.labels())
