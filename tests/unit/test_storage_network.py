"""Cases on network drives: a local copy is worked on and brought back."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from counted import CountedTwin, check_counted
from surgitwin.core.errors import BadInput, CaseLocked, StorageFailed
from surgitwin.storage.case_file import CaseFile
from surgitwin.storage.network import WorkingCopy, is_network_path
from twins import small_twin

MOUNTS = [
    ("/", "ext4"),
    ("/home", "nfs4"),
    ("/home/me/local", "ext4"),
    ("/mnt/share", "ext4"),
    ("/mnt/share", "cifs"),
    ("/mnt/sharepoint", "ext4"),
    ("/media/disk", "fuseblk"),
    ("/run/user/1/gvfs", "fuse.gvfsd-fuse"),
]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/case.twin", False),
        ("/home/me/case.twin", True),
        ("/home/me/local/case.twin", False),
        ("/mnt/share/a/b/case.twin", True),
        ("/mnt/sharepoint/case.twin", False),
        ("/media/disk/case.twin", False),
        ("/run/user/1/gvfs/smb-share/case.twin", True),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows is asked for the type of the drive.")
def test_the_innermost_mount_says_whether_a_path_is_on_a_network_drive(path: str, expected: bool) -> None:
    assert is_network_path(Path(path), MOUNTS) is expected


def test_the_temporary_folder_of_this_machine_is_judged_without_error(tmp_path: Path) -> None:
    assert is_network_path(tmp_path / "none.twin") in (True, False)


class Drive:
    """A folder that stands for a network drive, and the folder of working copies."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.working = folder / "drive", folder / "working"
        self.folder.mkdir()
        self.path = self.folder / "case.twin"
        CountedTwin(self.path).case_file.close()

    def open(self) -> CountedTwin:
        twin = CountedTwin(self.folder.parent / f"unused{len(list(self.folder.parent.iterdir()))}.twin")
        twin.case_file.close()
        twin.reopen(CaseFile.open(self.path, working_folder=self.working, network=True))
        return twin

    def count(self, name: str = "case.twin") -> int:
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copyfile(self.folder / name, Path(folder) / "case.twin")
            return check_counted(copy, 0, 99)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def drive(tmp_path: Path) -> Drive:
    return Drive(tmp_path)


def test_changes_come_back_when_a_version_is_saved_and_when_the_case_is_closed(drive: Drive) -> None:
    twin = drive.open()
    assert [notice.code for notice in twin.case_file.notices] == ["network-copy"]
    twin.step()
    twin.case_file.wait()
    assert drive.count() == 0
    twin.case_file.save_version("one")
    assert drive.count() == 1
    assert drive.names() == ["case.twin"]
    twin.step()
    twin.case_file.close()
    assert drive.count() == 2
    assert drive.names() == ["case.twin"]
    assert list(drive.working.iterdir()) == []
    assert twin.case_file.path == drive.path


def test_a_new_case_is_on_the_drive_at_once_and_never_replaces_one(drive: Drive) -> None:
    twin = small_twin()
    path = drive.folder / "new.twin"
    case_file = CaseFile.create(path, twin.scene, working_folder=drive.working, network=True)
    assert path.exists()
    twin.editor.journal = case_file
    with twin.editor.transaction("Rename") as tx:
        tx.set(twin.case.id, name="Renamed")
    case_file.close()
    with CaseFile.open(path, read_only=True) as copy:
        assert "Renamed" in {node.name for node in copy.load_nodes()}
    with pytest.raises(BadInput, match="exists already"):
        CaseFile.create(path, twin.scene, working_folder=drive.working, network=True)


def test_a_case_that_somebody_else_changed_meanwhile_is_not_replaced(drive: Drive) -> None:
    twin = drive.open()
    twin.step()
    other = CountedTwin(drive.folder.parent / "other.twin")
    for _ in range(5):
        other.step()
    other.case_file.close()
    shutil.copyfile(drive.folder.parent / "other.twin", drive.path)
    twin.case_file.save_version("mine")
    twin.step()
    twin.case_file.close()
    assert [notice.code for notice in twin.case_file.notices] == ["network-copy", "network-conflict"]
    assert drive.count() == 5
    beside = twin.case_file.path.name
    assert beside in twin.case_file.notices[1].message
    assert sorted(drive.names()) == sorted(["case.twin", beside])
    assert drive.count(beside) == 2


def test_when_the_drive_is_gone_the_work_is_kept_and_brought_back_by_the_next_session(drive: Drive) -> None:
    twin = drive.open()
    twin.step()
    away = drive.folder.rename(drive.folder.with_name("away"))
    with pytest.raises(StorageFailed, match="kept on this computer"):
        twin.case_file.save_version("one")
    twin.step()
    with pytest.raises(StorageFailed, match="kept on this computer"):
        twin.case_file.close()
    away.rename(drive.folder)
    twin = drive.open()
    assert [notice.code for notice in twin.case_file.notices] == ["network-copy-resumed"]
    assert twin.count == 2
    twin.step()
    twin.case_file.close()
    assert drive.count() == 3
    assert list(drive.working.iterdir()) == []


def test_what_a_dead_session_left_goes_beside_a_case_that_changed_since(drive: Drive) -> None:
    working = WorkingCopy(drive.path, drive.working)
    working.take(lambda local: None)
    twin = CountedTwin(drive.folder.parent / "dead.twin")
    twin.step()
    twin.case_file.wait()
    with CaseFile.open(drive.folder.parent / "dead.twin", read_only=True) as copy:
        copy.save_copy(working.local, overwrite=True)
    twin.case_file.close()
    newer = CountedTwin(drive.folder.parent / "newer.twin")
    for _ in range(4):
        newer.step()
    newer.case_file.close()
    shutil.copyfile(drive.folder.parent / "newer.twin", drive.path)
    opened = drive.open()
    assert opened.count == 4
    opened.case_file.close()
    assert drive.count() == 4
    (beside,) = set(drive.names()) - {"case.twin"}
    assert drive.count(beside) == 1


def test_two_windows_of_one_machine_do_not_share_a_working_copy(drive: Drive) -> None:
    twin = drive.open()
    with pytest.raises(CaseLocked):
        CaseFile.open(drive.path, working_folder=drive.working, network=True)
    twin.step()
    twin.case_file.close()
    assert drive.count() == 1


def test_bad_files_on_a_network_drive_are_refused_before_they_are_fetched(drive: Drive) -> None:
    (drive.folder / "bad.twin").write_text("no case")
    with pytest.raises(BadInput, match="not a Surgitwin case"):
        CaseFile.open(drive.folder / "bad.twin", working_folder=drive.working, network=True)
    assert not drive.working.exists()
