"""Surfaces into files: nothing stands under the file's name before the check has come to its end."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgitwin.commands import mesh_files
from surgitwin.commands.mesh_files import NamedMesh, write_meshes
from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.exchange import atomic

CORNERS = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]], np.float32)
TETRAHEDRON = Mesh(CORNERS, np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], np.int32))
NAMED = NamedMesh("A", TETRAHEDRON, (1, 2, 3), 1.0, None, False)


@pytest.mark.parametrize("ending", [".stl", ".ply"])
@pytest.mark.parametrize("error", [BadInput("no"), Cancelled(), MemoryError(), KeyboardInterrupt()])
def test_a_check_that_does_not_end_well_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, error: BaseException
) -> None:
    target = tmp_path / f"a{ending}"
    target.write_bytes(b"old")

    def refuse(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(mesh_files, "check_document", refuse)
    with pytest.raises(type(error)):
        write_meshes([NAMED], target, Context(), crossings_up_to=0)
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("ending", [".stl", ".ply"])
def test_the_file_has_no_name_while_it_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    target, check = tmp_path / f"a{ending}", mesh_files.check_document
    there: list[bool] = []

    def checked(*given: Any, **named: Any) -> Any:
        there.append(target.exists())
        found = check(*given, **named)
        there.append(target.exists())
        return found

    monkeypatch.setattr(mesh_files, "check_document", checked)
    written = write_meshes([NAMED], target, Context(), crossings_up_to=0)

    assert there == [False, False] and written.files == [str(target)] and target.exists()
    assert written.check["closed"] and written.check["volume_ml"] == pytest.approx(1000 / 6 / 1000)


@pytest.mark.parametrize("ending", [".stl", ".ply"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    target = tmp_path / f"a{ending}"
    target.write_bytes(b"old")

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic, "sync_file", full)
    with pytest.raises(BadInput, match="No space left"):
        write_meshes([NAMED], target, Context(), crossings_up_to=0)
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]
