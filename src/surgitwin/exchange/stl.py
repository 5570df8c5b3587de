"""Binary STL in LPS millimetres; the frame and the unit stand in its 80-byte header."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from surgitwin.exchange.atomic import write_atomically
from surgitwin.exchange.mesh_out import ExportResult, MeshItem, merged, require_surfaces, result_of

# Never begins with "solid": programs would take the file for text. 3D Slicer reads SPACE= from here.
HEADER = b"SPACE=LPS;UNIT=mm;Surgitwin".ljust(80, b"\0")
RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def write_stl(items: Sequence[MeshItem], path: Path) -> ExportResult:
    """Write one STL file; several surfaces become several shells in it. STL holds no names and no colours.

    Raises
    ------
    BadInput
        If there is nothing to write or the file cannot be written.
    """
    require_surfaces(items, path)
    mesh = merged(items)
    records = np.zeros(len(mesh.triangles), dtype=RECORD)
    corners = mesh.points[mesh.triangles]
    records["corners"] = corners
    edges = corners.astype(np.float64)
    normals = np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    records["normal"] = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(HEADER)
            file.write(np.uint32(len(records)).astype("<u4").tobytes())
            file.write(records.view(np.uint8).data)

    write_atomically(path, write)
    return result_of(items, [path], "mm", "LPS")
