"""What cannot be opened or written gives one clear sentence, and nothing is changed."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from surgitwin.core.errors import BadInput, CaseLocked, StorageFailed, SurgitwinError
from surgitwin.core.geometry import Box
from surgitwin.scene.scene import Scene
from surgitwin.storage.case_file import CaseFile
from surgitwin.storage.migrations import FORMAT
from surgitwin.storage.verification import verify
from twins import small_twin


@pytest.fixture(scope="module")
def whole_case(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "case.twin"
    CaseFile.create(path, small_twin().scene).close()
    return path.read_bytes()


def everything_in(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file()}


def is_one_sentence(error: BaseException) -> bool:
    text = str(error)
    return text.endswith(".") and "\n" not in text and "Traceback" not in text and "Error" not in text


def every_way_to_open(path: Path) -> list[Callable[[], object]]:
    return [lambda: CaseFile.open(path), lambda: CaseFile.open(path, read_only=True), lambda: verify(path)]


def assert_refused(path: Path, match: str) -> None:
    before = everything_in(path.parent)
    for way in every_way_to_open(path):
        with pytest.raises(BadInput, match=match) as caught:
            way()
        assert is_one_sentence(caught.value)
        assert path.name in str(caught.value)
        assert everything_in(path.parent) == before


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert_refused(tmp_path / "none.twin", "There is no case file")
    (tmp_path / "folder.twin").mkdir()
    assert_refused(tmp_path / "folder.twin", "is a folder")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"patient;organ;ml\n1;liver;1200\n" * 100, "not a Surgitwin case"),
        (b"\x00" * 70_000, "not a Surgitwin case"),
        (b"SQLite format 3", "cut short"),
        (b"SQLite format 3\x00", "cut short"),
    ],
)
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "other.twin"
    path.write_bytes(content)
    assert_refused(path, match)


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_database_of_another_program_is_refused(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "other.twin"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA journal_mode={mode}")
        db.execute("CREATE TABLE nodes(id)")
        db.commit()
    assert_refused(path, "not a Surgitwin case")


def test_a_case_of_a_newer_program_is_refused_with_both_formats(tmp_path: Path, whole_case: bytes) -> None:
    path = tmp_path / "case.twin"
    path.write_bytes(whole_case)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
    assert_refused(path, rf"newer Surgitwin \(case format 99; this one reads up to {FORMAT}\)")


def test_a_newer_case_that_a_crash_interrupted_is_refused_and_keeps_its_log(tmp_path: Path, whole_case: bytes) -> None:
    path = tmp_path / "case.twin"
    busy = tmp_path / "busy.twin"
    busy.write_bytes(whole_case)
    with closing(sqlite3.connect(busy)) as db:
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.execute("PRAGMA user_version=99")
        wal = Path(f"{busy}-wal").read_bytes()
    path.write_bytes(whole_case)
    Path(f"{path}-wal").write_bytes(wal)
    assert_refused(path, "newer Surgitwin")


@pytest.mark.parametrize("keep", [50, 99, 100, 5_000, 8192, 30_000, -8192, -1])
def test_a_truncated_case_is_refused(tmp_path: Path, whole_case: bytes, keep: int) -> None:
    path = tmp_path / "case.twin"
    path.write_bytes(whole_case[:keep])
    assert_refused(path, "cut short")


@pytest.mark.parametrize("page", [0, 1, 2, 3, 5])
def test_a_case_with_overwritten_pages_is_refused_or_named_damaged_by_verify(
    tmp_path: Path, whole_case: bytes, page: int
) -> None:
    path = tmp_path / "case.twin"
    start = max(page * 8192, 100)
    path.write_bytes(whole_case[:start] + b"\xab" * 4000 + whole_case[start + 4000 :])
    before = everything_in(tmp_path)
    try:
        problems = verify(path).problems
    except BadInput as error:
        assert is_one_sentence(error)
        problems = ()
        assert "damaged" in str(error)
    else:
        assert problems
    try:
        with CaseFile.open(path) as case_file:
            case_file.load_nodes()
    except BadInput as error:
        assert "damaged" in str(error)
    assert everything_in(tmp_path) == before


def test_creating_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "case.twin"
    path.write_text("precious")
    with pytest.raises(BadInput, match="exists already"):
        CaseFile.create(path, Scene())
    assert path.read_text() == "precious"
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="exists already"):
        CaseFile.create(path, Scene())
    with pytest.raises(BadInput, match="There is no folder"):
        CaseFile.create(tmp_path / "missing" / "case.twin", Scene())
    assert [entry.name for entry in tmp_path.iterdir()] == ["case.twin"]


def test_a_case_that_this_process_has_open_is_locked_and_stays_locked(tmp_path: Path, whole_case: bytes) -> None:
    path = tmp_path / "case.twin"
    path.write_bytes(whole_case)
    with CaseFile.open(path) as case_file:
        for _ in range(2):  # looking at the file must not give its lock away
            with pytest.raises(CaseLocked, match="open in another window or program") as caught:
                CaseFile.open(path)
            assert is_one_sentence(caught.value)
            assert verify(path).ok
            with CaseFile.open(path, read_only=True) as copy:
                assert copy.notices[0].code == "read-only-copy"
                assert len(copy.load_nodes()) == len(case_file.load_nodes())
    CaseFile.open(path).close()


@contextmanager
def public_folder() -> Iterator[Path]:
    """A folder that other users can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Root may write anywhere: act as nobody for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


needs_permissions = pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions.")


@needs_permissions
@pytest.mark.parametrize("file_mode", [0o444, 0o666])
def test_a_read_only_folder_opens_read_only_and_is_refused_for_writing(whole_case: bytes, file_mode: int) -> None:
    with public_folder() as folder:
        path = folder / "case.twin"
        path.write_bytes(whole_case)
        path.chmod(file_mode)
        folder.chmod(0o555)
        before = everything_in(folder)
        with as_ordinary_user():
            with pytest.raises(BadInput, match="may not be written to") as caught:
                CaseFile.open(path)
            assert is_one_sentence(caught.value)
            assert verify(path).ok
            with CaseFile.open(path, read_only=True) as case_file:
                assert case_file.notices == ()
                assert case_file.load_nodes()
            with pytest.raises((BadInput, StorageFailed), match="may not be written to"):
                CaseFile.create(folder / "new.twin", Scene())
            with CaseFile.open(path, read_only=True) as case_file, pytest.raises(SurgitwinError, match="written to"):
                case_file.save_copy(folder / "copy.twin")
        assert everything_in(folder) == before
        folder.chmod(0o755)


@needs_permissions
def test_a_case_that_may_not_be_read_is_refused(whole_case: bytes) -> None:
    with public_folder() as folder:
        path = folder / "case.twin"
        path.write_bytes(whole_case)
        path.chmod(0)
        with as_ordinary_user(), pytest.raises(BadInput) as caught:
            CaseFile.open(path, read_only=True)
        assert is_one_sentence(caught.value)


@needs_permissions
def test_a_new_case_is_not_readable_by_others_beyond_what_the_user_allows(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        CaseFile.create(tmp_path / "case.twin", Scene()).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "case.twin").stat().st_mode) == 0o600


def test_names_that_look_like_something_else_work(tmp_path: Path) -> None:
    twin = small_twin()
    for name in ("a?immutable=0#x%20.twin", "leer zeichen ü.twin", "case", "'; DROP.twin"):
        path = tmp_path / name
        with CaseFile.create(path, twin.scene) as case_file:
            twin.editor.journal = case_file
            twin.paint(Box((0, 0, 0), (2, 2, 2)), len(name) % 200 + 3)
        with CaseFile.open(path, read_only=True) as case_file:
            assert len(case_file.load_nodes()) == len(twin.scene)
        assert verify(path).ok
