"""Surfaces into files: where they may be written, what is checked, and what must be said of them."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

if TYPE_CHECKING:
    from surgitwin.commands.base import Document  # with it comes pydantic, which not every surface needs

# The writers' own list costs an import at start-up.
MESH_SUFFIXES = (".stl", ".glb", ".ply", ".obj", ".3mf", ".usdz", ".vtp")
QUICK_TRIANGLES = 100_000


@dataclass(frozen=True, eq=False)
class NamedMesh:
    name: str
    mesh: Mesh
    color: tuple[int, int, int]
    opacity: float
    voxel_volume_ml: float | None
    cut_off: bool
    remark: str = ""


def check_target(path: Path, suffixes: tuple[str, ...], overwrite: bool) -> str:
    """Check that a file of one of these kinds can be written at ``path``, and return its suffix.

    Raises
    ------
    BadInput
        If the suffix is unknown, the folder is missing or closed to us, or the file exists and may not be replaced.
    """
    name = path.name.lower()
    suffix = next((known for known in suffixes if name.endswith(known)), None)
    if suffix is None:
        message = tr("{path} should end in {known}.")
        raise BadInput(message.format(path=path.name, known=", ".join(suffixes)))
    folder = path.absolute().parent
    if not folder.is_dir():
        raise BadInput(tr("There is no folder {path} to write to. Make it first.").format(path=folder))
    there = _there(path)
    if there and path.is_dir():
        raise BadInput(tr("{path} is a folder; give a file name.").format(path=path))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput(tr("The folder {path} may not be written to. Choose another one.").format(path=folder))
    if there and not overwrite:
        raise BadInput(tr("{path} exists already. Use --overwrite to replace it.").format(path=path))
    if there and not path.is_file():
        raise BadInput(tr("{path} is not a file, so it cannot be replaced. Choose another name.").format(path=path))
    return suffix


def _there(path: Path) -> bool:
    """Whether there is something of this name; refuses names that the file system cannot hold."""
    try:
        return path.exists()
    except (OSError, ValueError):
        message = tr("A file cannot be called {name} here: the name is too long, or the folder does not allow it.")
        raise BadInput(message.format(name=shortened_name(path.name))) from None


def shortened_name(name: str, most: int = 60) -> str:
    return name if len(name) <= most else f"{name[: most // 2]}…{name[-most // 4 :]}"


def cut_off_warning(name: str) -> Document:
    """What to say wherever the volume of a segment at the image's edge is shown."""
    message = tr("{name} reaches the image's edge: it is cut off, its volume is that of the part in view.")
    return {"code": "cut-off", "message": message.format(name=name), "segment": name}


def side_warning(name: str) -> Document:
    """What to say of a file of something whose left and right nobody confirmed."""
    message = tr(
        "Left and right of “{name}” were not confirmed, and the file cannot say so: whoever opens it must know."
    )
    return Notice("side-unknown", message.format(name=name)).as_json()


def check_document(meshes: list[NamedMesh], ctx: Context, *, crossings_up_to: int | None) -> Document:
    """Whether the exported meshes are safe to hand on; the worst of all of them, and each by itself.

    Parameters
    ----------
    crossings_up_to
        Triangles that cross each other are counted, and walls measured, in meshes of at most so many triangles, else
        both are not assessed.
    """
    from surgitwin.commands.export_check import check_meshes

    triples = [(named.name, named.mesh, named.voxel_volume_ml) for named in meshes]
    return check_meshes(triples, ctx, thorough_up_to=crossings_up_to)


def crossings_up_to(path: Path, counted: bool) -> int | None:
    """How large a mesh may be for its crossings to be counted; None: however large (see `check_document`).

    A viewer does not mind crossings; a printer does, but to find them in large meshes takes long.
    """
    if counted:
        return None
    return 0 if path.suffix.lower() in (".glb", ".usdz") else QUICK_TRIANGLES


@dataclass(frozen=True)
class WrittenMeshes:
    """The files, what was checked, and what must be said."""

    files: list[str]
    check: Document
    warnings: list[Document]


def write_meshes(
    meshes: list[NamedMesh], out: Path, ctx: Context, *, crossings_up_to: int | None, check_only: bool = False
) -> WrittenMeshes:
    """Check meshes and write them into one file; parameters as `check_document`.

    Raises
    ------
    BadInput
        As `export_meshes`: the file is then as it was.
    """
    from surgitwin.exchange.mesh_out import MeshItem, export_meshes

    items = [MeshItem(m.name, m.mesh, m.color, m.opacity, m.remark) for m in meshes]
    if check_only:
        check = check_document(meshes, ctx.part(0.0, 0.75), crossings_up_to=crossings_up_to)
        # The format says in which unit and axes it is, and refuses what it cannot hold.
        with tempfile.TemporaryDirectory(prefix="surgitwin-check-") as folder:
            written = export_meshes(items, Path(folder) / f"check{out.suffix.lower()}")
    else:
        # The file is made ready beside the check, and gets its name only when that has come to its end.
        verdict: Future[Document] = Future()
        with ThreadPoolExecutor(1, "writing") as pool:
            writing = pool.submit(export_meshes, items, out, allow=verdict.result)
            try:
                check = check_document(meshes, ctx.part(0.0, 0.75), crossings_up_to=crossings_up_to)
                ctx.progress(0.75, tr("Writing {name}").format(name=out.name))
                ctx.check()
            except BaseException as error:
                verdict.set_exception(error)
                raise
            verdict.set_result(check)
            written = writing.result()
    warnings = [cut_off_warning(m.name) for m in meshes if m.cut_off]
    warnings += [notice.as_json() for notice in written.notices]
    files = [] if check_only else [str(file) for file in written.files]
    return WrittenMeshes(files, check | {"unit": written.unit, "frame": written.frame}, warnings)
