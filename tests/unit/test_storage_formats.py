"""Cases of every earlier format open with everything in them, and are brought to the present format."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from surgitwin.core.errors import StorageFailed
from surgitwin.scene.nodes import Node
from surgitwin.storage import connection, migrations
from surgitwin.storage.case_file import CaseFile
from surgitwin.storage.migrations import FORMAT, MIGRATIONS, Migration
from surgitwin.storage.verification import verify

CASES = Path(__file__).parents[1] / "data" / "cases"
FORMATS = range(1, FORMAT + 1)


def contents(nodes: list[Node]) -> dict[str, object]:
    return {
        node.id: {
            "type": node.type_name,
            "name": node.name,
            "revision": node.revision,
            "arrays": {name: hashlib.sha256(one.read().tobytes()).hexdigest() for name, one in node.arrays().items()},
        }
        for node in nodes
    }


@pytest.mark.parametrize("number", FORMATS)
@pytest.mark.parametrize("read_only", [True, False])
def test_a_case_of_each_format_opens_with_everything_in_it(number: int, read_only: bool, tmp_path: Path) -> None:
    path = shutil.copy(CASES / f"v{number}.twin", tmp_path / "case.twin")
    expected = json.loads((CASES / f"v{number}.json").read_text(encoding="utf-8"))
    with CaseFile.open(path, read_only=read_only) as case_file:
        assert contents(case_file.load_nodes()) == expected["nodes"]
        version = expected["version"]
        assert [one.name for one in case_file.versions()] == [version["name"]]
        old = contents(case_file.load_version(version["name"]))
        assert old == version["nodes"]
        assert [row.command for row in case_file.log_rows()] == expected["log"]
    assert verify(path).ok


def test_there_is_a_real_file_for_every_format() -> None:
    assert sorted(path.name for path in CASES.glob("*.twin")) == [f"v{number}.twin" for number in FORMATS]
    for number in FORMATS:
        with closing(sqlite3.connect(f"file:{CASES / f'v{number}.twin'}?immutable=1", uri=True)) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (number,)


def add_column(db: apsw.Connection) -> None:
    db.execute("ALTER TABLE versions ADD COLUMN remark TEXT NOT NULL DEFAULT 'none'")


def fail_half_way(db: apsw.Connection) -> None:
    add_column(db)
    raise apsw.FullError("made to fail")


@pytest.fixture
def one_format_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program whose format is one higher, with a migration that `use` sets."""
    use(monkeypatch, add_column)


def use(monkeypatch: pytest.MonkeyPatch, apply: object) -> None:
    steps = (*MIGRATIONS, Migration("A remark.", apply))  # type: ignore[arg-type]
    monkeypatch.setattr(migrations, "MIGRATIONS", steps)
    for module in (migrations, connection):
        monkeypatch.setattr(module, "FORMAT", len(steps))


def format_of(path: Path) -> int:
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_an_older_case_is_migrated_when_it_is_opened_for_writing(tmp_path: Path, one_format_later: None) -> None:
    path = shutil.copy(CASES / f"v{FORMAT}.twin", tmp_path / "case.twin")
    with CaseFile.open(path) as case_file:
        assert case_file.load_nodes()
        assert case_file._ask(lambda db: db.execute("SELECT DISTINCT remark FROM versions").get) == "none"
    assert format_of(path) == FORMAT + 1
    assert verify(path).ok


def test_an_older_case_that_is_only_read_is_migrated_in_a_copy(tmp_path: Path, one_format_later: None) -> None:
    path = shutil.copy(CASES / f"v{FORMAT}.twin", tmp_path / "case.twin")
    before = path.read_bytes()
    with CaseFile.open(path, read_only=True) as case_file:
        assert case_file.load_nodes()
        assert case_file._ask(lambda db: db.execute("SELECT DISTINCT remark FROM versions").get) == "none"
    assert verify(path).ok
    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_the_case_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shutil.copy(CASES / f"v{FORMAT}.twin", tmp_path / "case.twin")
    use(monkeypatch, fail_half_way)
    with pytest.raises(StorageFailed, match="disk is full"):
        CaseFile.open(path)
    monkeypatch.undo()
    assert format_of(path) == FORMAT
    with CaseFile.open(path) as case_file:
        assert case_file.load_nodes()
    assert verify(path).ok
