"""`verify` finds every kind of damage and says where it is."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box
from surgitwin.scene.nodes import LabelLayerNode, VolumeNode
from surgitwin.storage.case_file import CaseFile
from surgitwin.storage.migrations import FORMAT
from surgitwin.storage.verification import verify
from twins import small_twin


@pytest.fixture
def path(tmp_path: Path) -> Path:
    twin = small_twin()
    with CaseFile.create(tmp_path / "case.twin", twin.scene) as case_file:
        twin.editor.journal = case_file
        case_file.save_version("one")
        twin.paint(Box((0, 0, 0), (5, 5, 5)), 1)
    return tmp_path / "case.twin"


def spoil(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def codes(path: Path) -> set[str]:
    report = verify(path)
    assert report.as_json()["ok"] is report.ok is (not report.problems)
    json.dumps(report.as_json())
    return {problem.code for problem in report.problems}


def test_a_whole_case_is_whole_and_the_file_is_not_touched(path: Path) -> None:
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    report = verify(path)
    assert report.ok
    assert (report.format, report.nodes, report.versions, report.remarks) == (FORMAT, 9, 1, ())
    assert (report.arrays, report.chunks) == (5, 4 + 4 + 1 + 2)  # the painted layer has two states, one chunk apart
    assert report.sentences() == ["The case is whole: 9 nodes, 5 arrays in 11 chunks, 1 named versions."]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [entry.name for entry in path.parent.iterdir()] == ["case.twin"]


def corrupt_chunk(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


def test_each_damaged_chunk_is_found_once_and_reading_it_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        (chunk, data), *_ = db.execute(
            "SELECT chunks.id, data FROM node_arrays JOIN array_chunks USING(array) JOIN chunks ON chunk=chunks.id "
            "WHERE field='voxels' AND position=3"
        ).fetchall()
        db.execute("UPDATE chunks SET data=? WHERE id=?", (corrupt_chunk(data), chunk))
        db.commit()
    report = verify(path)
    assert [problem.code for problem in report.problems] == ["chunk-damaged"]
    assert report.problems[0].details["position"] == 3
    assert report.sentences()[0] == "The case is damaged in 1 places."
    with CaseFile.open(path) as case_file:
        nodes = case_file.load_nodes()
        (volume,) = (node for node in nodes if isinstance(node, VolumeNode))
        with pytest.raises(BadInput, match="is damaged"):
            volume.voxels.read()
        (layer,) = (node for node in nodes if isinstance(node, LabelLayerNode))
        assert layer.labels.read().any()  # the rest can still be had


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM array_chunks WHERE position=2", {"array-damaged"}),
        ("UPDATE array_chunks SET position=17 WHERE position=2", {"array-damaged"}),
        ("DELETE FROM chunks WHERE id=1", {"row-missing"}),
        ("DELETE FROM nodes WHERE type='label-layer' AND version=0", {"row-missing"}),
        ("DELETE FROM arrays", {"row-missing"}),
        ("DELETE FROM node_arrays", {"node-damaged"}),
        ("UPDATE nodes SET json=replace(json, 'tilt_deg', 'tilt_rad')", {"node-damaged"}),
        ("UPDATE nodes SET type='hologram' WHERE type='landmark'", {"node-damaged"}),
        ("UPDATE nodes SET parent=NULL WHERE type='segment'", {"node-damaged"}),
        ("UPDATE arrays SET codec='rar'", {"chunk-damaged"}),
        ("UPDATE arrays SET dtype='<i4'", {"node-damaged", "chunk-damaged"}),
        ("UPDATE arrays SET dtype='x'", {"node-damaged", "array-damaged"}),
        ("UPDATE arrays SET shape='[1, 2'", {"node-damaged", "array-damaged"}),
    ],
)
def test_damage_in_the_tables_is_found(path: Path, statement: str, expected: set[str]) -> None:
    spoil(path, "PRAGMA foreign_keys=OFF", statement)
    assert codes(path) == expected


def rewrite(path: Path, kind: str, change: Callable[[dict[str, object]], None]) -> None:
    with closing(sqlite3.connect(path)) as db:
        for version, node, text in db.execute("SELECT version, id, json FROM nodes WHERE type=?", (kind,)).fetchall():
            fields = json.loads(text)
            change(fields)
            text = json.dumps(fields)
            update = "UPDATE nodes SET json=?, parent=?, crc=? WHERE version=? AND id=?"
            db.execute(update, (text, fields["parent"], zlib.crc32(text.encode()), version, node))
        db.commit()


def test_a_parent_or_layer_that_is_missing_is_damage(path: Path) -> None:
    rewrite(path, "landmark", lambda fields: fields.update(parent="n0"))
    rewrite(path, "segment", lambda fields: fields.update(layer="n1"))
    report = verify(path)
    assert {(problem.code, problem.details["missing"]) for problem in report.problems} == {
        ("node-missing", "n0"),
        ("node-missing", "n1"),
    }
    assert any("version" in problem.details for problem in report.problems)


def test_a_plan_whose_organ_was_removed_is_worth_a_remark_only(path: Path) -> None:
    rewrite(path, "plan", lambda fields: fields.update(organ="n0", lesions=["n0"]))
    report = verify(path)
    assert report.ok
    assert {remark.code for remark in report.remarks} == {"node-missing"}
    assert "organ" in report.sentences()[1]


def test_a_node_that_its_type_does_not_allow_is_damage_and_is_named_when_opening(path: Path) -> None:
    rewrite(path, "segment", lambda fields: fields.update(value=0))
    assert codes(path) == {"node-damaged"}
    before = path.read_bytes()
    with CaseFile.open(path) as case_file, pytest.raises(BadInput, match=r"damaged .*value"):
        case_file.load_nodes()
    assert path.read_bytes() == before
