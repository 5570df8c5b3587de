"""Surfaces out: what is written, in which unit and frame, and the one function that picks the writer by suffix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.exchange.atomic import Allow
from surgitwin.exchange.names import plain_text

Color = tuple[int, int, int]
MESH_SUFFIXES = (".stl", ".glb", ".ply", ".obj", ".3mf", ".usdz", ".vtp")


@dataclass(frozen=True, eq=False)
class MeshItem:
    """One surface to write.

    Attributes
    ----------
    mesh
        LPS millimetres.
    color
        sRGB, 0 to 255.
    opacity
        0 to 1.
    remark
        What a reader must know of it, such as “planning model, not for use in a patient”; goes into the file.
    """

    name: str
    mesh: Mesh
    color: Color = (200, 200, 200)
    opacity: float = 1.0
    remark: str = ""


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes
    ----------
    unit, frame
        As declared in the file: ``mm`` and ``LPS``; for GLB ``m``, for USDZ ``cm``, and ``x left, y superior, z
        anterior`` behind the format's name.
    notices
        Names and remarks that the format could not hold as they are.
    """

    files: tuple[Path, ...]
    unit: str
    frame: str
    triangles: int
    volume_ml: float
    notices: tuple[Notice, ...] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        """``files`` and the part of ``check`` that the writer knows; the mesh checks are added by the command."""
        return {
            "files": [str(path) for path in self.files],
            "check": {
                "triangles": self.triangles,
                "volume_ml": self.volume_ml,
                "unit": self.unit,
                "frame": self.frame,
            },
        }


def export_meshes(
    items: Sequence[MeshItem], path: Path, remarks: Sequence[str] = (), allow: Allow | None = None
) -> ExportResult:
    """Write all surfaces into one file, by the suffix of ``path``: one of `MESH_SUFFIXES`; OBJ has its MTL beside it.

    Parameters
    ----------
    remarks
        What a reader must know of the whole file; they stand in its header or metadata, those of the items behind them.
    allow
        Waited for before anything stands under the file's name; an STL is made ready meanwhile.

    Raises
    ------
    BadInput
        If the suffix is another one, there is nothing to write, a surface is empty, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in MESH_SUFFIXES:
        message = tr("Surfaces cannot be written to {file}; its name should end in {known}.")
        raise BadInput(message.format(file=path.name, known=", ".join(MESH_SUFFIXES)))
    require_surfaces(items, path)
    plain = [replace(item, name=plain_text(item.name), remark=plain_text(item.remark)) for item in items]
    said = all_remarks(plain, remarks)
    if suffix == ".stl":
        from surgitwin.exchange.stl import write_stl

        return write_stl(plain, path, said, allow)  # an STL holds no names
    if allow is not None:
        allow()
    result = _writer(suffix)(plain, path, said)
    changed = [new.name for old, new in zip(items, plain, strict=True) if old.name != new.name]
    if not changed:
        return result
    message = tr("Line ends and control characters in names were replaced, as {kind} files cannot hold them: {names}.")
    text = message.format(kind=suffix[1:].upper(), names=", ".join(f"“{name}”" for name in changed))
    return replace(result, notices=(*result.notices, Notice("names-changed", text, {"names": changed})))


def _writer(suffix: str) -> Callable[[Sequence[MeshItem], Path, Sequence[str]], ExportResult]:
    """What writes files of this kind; the libraries of the others are not imported."""
    if suffix == ".glb":
        from surgitwin.exchange.glb import write_glb

        return write_glb
    if suffix == ".obj":
        from surgitwin.exchange.obj import write_obj

        return write_obj
    if suffix == ".ply":
        from surgitwin.exchange.ply import write_ply

        return write_ply
    if suffix == ".3mf":
        from surgitwin.exchange.threemf import write_3mf

        return write_3mf
    if suffix == ".usdz":
        from surgitwin.exchange.usdz import write_usdz

        return write_usdz
    from surgitwin.exchange.vtp import write_vtp

    return write_vtp


def all_remarks(items: Sequence[MeshItem], remarks: Sequence[str]) -> list[str]:
    """The remarks of a file and of what is in it, each once.

    What an item says in several parts (``a; b``) is taken part by part: where room is short, the first ones stay.
    """
    found = [*(plain_text(remark) for remark in remarks), *(part for item in items for part in item.remark.split("; "))]
    return list(dict.fromkeys(remark for remark in found if remark))


def require_surfaces(items: Sequence[MeshItem], path: Path) -> None:
    """Refuse to write nothing, or surfaces without triangles or with points that are nowhere."""
    if not items:
        raise BadInput(tr("There is no surface to write to {file}.").format(file=path.name))
    for item in items:
        if item.mesh.empty:
            raise BadInput(tr("The surface of '{name}' is empty; nothing was written.").format(name=item.name))
        if item.mesh.triangles.min() < 0 or item.mesh.triangles.max() >= len(item.mesh.points):
            message = tr("The surface of '{name}' is damaged: its triangles name points that it does not have.")
            raise BadInput(message.format(name=item.name))
        if not np.all(np.isfinite(item.mesh.points)):
            message = tr("The surface of '{name}' has points that are not finite; nothing was written.")
            raise BadInput(message.format(name=item.name))


def result_of(
    items: Sequence[MeshItem], files: Sequence[Path], unit: str, frame: str, notices: Sequence[Notice] = ()
) -> ExportResult:
    triangles = sum(len(item.mesh.triangles) for item in items)
    volume_ml = sum(item.mesh.volume_ml for item in items)
    return ExportResult(tuple(files), unit, frame, triangles, volume_ml, tuple(notices))


def merged(items: Sequence[MeshItem]) -> Mesh:
    """All surfaces as one mesh; they stay separate shells."""
    offsets = np.cumsum([0, *(len(item.mesh.points) for item in items)])
    points = np.concatenate([item.mesh.points for item in items]).astype(np.float32)
    triangles = np.concatenate(
        [item.mesh.triangles + int(offset) for item, offset in zip(items, offsets[:-1], strict=True)]
    )
    return Mesh(points, triangles.astype(np.int32))


def vertex_normals(points: NDArray[np.floating[Any]], triangles: NDArray[np.int32]) -> NDArray[np.float32]:
    """Unit normals at the points, the adjacent triangles weighted by their area; +z where there is none."""
    from surgitwin.exchange.mesh_kernels import point_normals

    given = np.ascontiguousarray(points, np.float32)
    normals: NDArray[np.float32] = np.empty(given.shape, np.float32)
    point_normals(given, np.ascontiguousarray(triangles, np.int32), np.zeros(given.shape), normals)
    return normals


def linear_color(color: Color) -> list[float]:
    """sRGB 0 to 255 to the linear 0 to 1 that the materials of glTF and USD are in."""
    srgb = np.array(color) / 255.0
    return [float(v) for v in np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)]
