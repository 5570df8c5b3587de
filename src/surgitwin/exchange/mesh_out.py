"""Surfaces out: what is written, in which unit and frame, and the one function that picks the writer by suffix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr

Color = tuple[int, int, int]
MESH_SUFFIXES = (".stl", ".glb", ".ply", ".obj")


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
    """

    name: str
    mesh: Mesh
    color: Color = (200, 200, 200)
    opacity: float = 1.0


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes
    ----------
    unit, frame
        As declared in the file: ``mm`` and ``LPS``, or ``m`` and ``glTF: x left, y superior, z anterior``.
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


def export_meshes(items: Sequence[MeshItem], path: Path) -> ExportResult:
    """Write all surfaces into one file, by the suffix of ``path``: STL, GLB, PLY or OBJ (with its MTL beside it).

    Raises
    ------
    BadInput
        If the suffix is another one, there is nothing to write, a surface is empty, or the file cannot be written.
    """
    from surgitwin.exchange.glb import write_glb
    from surgitwin.exchange.obj import write_obj
    from surgitwin.exchange.ply import write_ply
    from surgitwin.exchange.stl import write_stl

    writers = {".stl": write_stl, ".glb": write_glb, ".ply": write_ply, ".obj": write_obj}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        message = tr("Surfaces cannot be written to {file}; its name should end in {known}.")
        raise BadInput(message.format(file=path.name, known=", ".join(MESH_SUFFIXES)))
    return writer(items, path)


def require_surfaces(items: Sequence[MeshItem], path: Path) -> None:
    """Refuse to write nothing, or surfaces without triangles or with points that are nowhere."""
    if not items:
        raise BadInput(tr("There is no surface to write to {file}.").format(file=path.name))
    for item in items:
        if item.mesh.empty:
            raise BadInput(tr("The surface of '{name}' is empty; nothing was written.").format(name=item.name))
        if not np.all(np.isfinite(item.mesh.points)):
            message = tr("The surface of '{name}' has points that are not finite; nothing was written.")
            raise BadInput(message.format(name=item.name))


def result_of(items: Sequence[MeshItem], files: Sequence[Path], unit: str, frame: str) -> ExportResult:
    triangles = sum(len(item.mesh.triangles) for item in items)
    return ExportResult(tuple(files), unit, frame, triangles, sum(item.mesh.volume_ml for item in items))


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
    corners = points.astype(np.float64)[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros((len(points), 3))
    for corner in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(triangles[:, corner], weights=normals[:, axis], minlength=len(points))
    length = np.linalg.norm(total, axis=1)
    flat = ~(length > 0)
    total[flat], length[flat] = (0.0, 0.0, 1.0), 1.0
    return np.asarray(total / length[:, None], dtype=np.float32)
