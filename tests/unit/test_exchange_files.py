"""Files written whole or not at all, and names that every file system accepts."""

import errno
import os
from pathlib import Path

import pytest

from surgitwin.core import durable
from surgitwin.core.errors import BadInput
from surgitwin.exchange.atomic import write_atomically
from surgitwin.exchange.names import safe_file_name, unique_file_names


def test_a_file_is_replaced_and_nothing_else_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "out.nii.gz"
    path.write_text("old")
    seen: list[str] = []

    def write(temporary: Path) -> None:
        seen.append(temporary.name)
        assert path.read_text() == "old"
        temporary.write_text("new")

    assert write_atomically(path, write) == path
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["out.nii.gz"]
    assert seen[0].endswith(".nii.gz")


def test_a_failing_writer_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "out.stl"
    path.write_text("old")

    def full(temporary: Path) -> None:
        temporary.write_text("half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BadInput, match=r"out\.stl cannot be written: No space left"):
        write_atomically(path, full)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1

    def broken(temporary: Path) -> None:
        temporary.write_text("half of it")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_atomically(path, broken)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_replacing_is_tried_again_while_another_program_holds_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "WAIT_S", 0.0)
    monkeypatch.setattr(durable, "FILES_ARE_HELD", True)
    failures = [PermissionError(errno.EACCES, "held"), PermissionError(errno.EACCES, "held")]
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if failures:
            raise failures.pop()
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    write_atomically(tmp_path / "a.stl", lambda temporary: temporary.write_text("x") and None)
    assert (tmp_path / "a.stl").read_text() == "x"
    failures.extend(PermissionError(errno.EACCES, "held") for _ in range(99))
    with pytest.raises(BadInput, match="held"):
        write_atomically(tmp_path / "b.stl", lambda temporary: temporary.write_text("x") and None)
    assert [p.name for p in tmp_path.iterdir()] == ["a.stl"]


def test_folders_that_are_missing_or_in_the_way_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"folder .*nowhere does not exist"):
        write_atomically(tmp_path / "nowhere" / "a.stl", lambda temporary: None)
    (tmp_path / "a.stl").mkdir()
    with pytest.raises(BadInput, match="is a folder"):
        write_atomically(tmp_path / "a.stl", lambda temporary: None)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="Root may write everywhere.")
def test_a_folder_without_write_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BadInput, match="Permission denied"):
        write_atomically(tmp_path / "a.stl", lambda temporary: temporary.write_text("x") and None)
    tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Liver", "Liver"),
        ("Leber – Segment Ⅳ", "Leber – Segment Ⅳ"),
        ("a/b\\c:d*e?f\"g<h>i|j", "a_b_c_d_e_f_g_h_i_j"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("con", "_con"),
        ("LPT1.x", "_LPT1.x"),
        ("ends with dots. . .", "ends with dots"),
        ("tab\tand\nline\x00", "tab_and_line_"),
        ("", "segment"),
        ("...", "segment"),
        ("///", "segment"),
    ],
)  # fmt: skip
def test_names_become_safe_file_names(name: str, safe: str) -> None:
    assert safe_file_name(name) == safe


def test_a_very_long_name_is_cut_without_splitting_a_character() -> None:
    name = safe_file_name("ä" * 500)
    assert len(name.encode()) <= 120 and set(name) == {"ä"}


def test_equal_names_are_told_apart_without_regard_to_case() -> None:
    assert unique_file_names(["Liver", "liver", "Liver", "a/b", "a:b"]) == [
        "Liver",
        "liver (2)",
        "Liver (3)",
        "a_b",
        "a_b (2)",
    ]
