"""Binary STL in LPS millimetres; the frame and the unit stand in its 80-byte header."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.exchange.atomic import Allow, write_atomically
from surgitwin.exchange.mesh_out import ExportResult, MeshItem, merged, result_of

# Never begins with "solid": programs would take the file for text. 3D Slicer reads SPACE= from here.
HEADER = b"SPACE=LPS;UNIT=mm"
HEADER_SIZE = 80
_AT_ONCE = 1 << 14  # triangles that fit into the cache
RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def write_stl(
    items: Sequence[MeshItem], path: Path, remarks: Sequence[str] = (), allow: Allow | None = None
) -> ExportResult:
    """Write one STL file; several surfaces become several shells in it. STL holds no names and no colours.

    Parameters
    ----------
    allow
        See `write_atomically`.

    Raises
    ------
    BadInput
        If there is nothing to write or the file cannot be written.
    """
    header, left_out = stl_header(remarks)
    mesh = merged(items)
    records = np.zeros(len(mesh.triangles), dtype=RECORD)
    for start in range(0, len(records), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        corners = mesh.points[mesh.triangles[some]]
        records["corners"][some] = corners
        records["normal"][some] = _unit_normals(corners).T

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(header)
            file.write(np.uint32(len(records)).astype("<u4").tobytes())
            file.write(records.view(np.uint8).data)

    write_atomically(path, write, allow)
    notices = []
    if left_out:
        message = tr("The 80 bytes of an STL's header have no room for: {remarks}. Write 3MF or PLY to keep it.")
        notices = [Notice("remark-left-out", message.format(remarks="; ".join(left_out)), {"remarks": left_out})]
    return result_of(items, [path], "mm", "LPS", notices)


def _unit_normals(corners: NDArray[np.float32]) -> NDArray[np.float64]:
    """Normals of triangles, shape (3, n), from their corners, shape (n, corner, axis); zero where there is none."""
    a, b, c = np.ascontiguousarray(corners.reshape(-1, 9).T, np.float64).reshape(3, 3, -1)
    b -= a
    c -= a
    normals = np.stack((b[1] * c[2] - c[1] * b[2], b[2] * c[0] - c[2] * b[0], b[0] * c[1] - c[0] * b[1]))
    length = np.sqrt(normals[0] * normals[0] + normals[1] * normals[1] + normals[2] * normals[2])
    np.divide(normals, length, out=normals, where=length > 0)
    return normals


def stl_header(remarks: Sequence[str]) -> tuple[bytes, list[str]]:
    """The 80 bytes with as many remarks as fit, first ones first, and the remarks that do not fit."""
    header, left_out = HEADER, []
    for remark in (*remarks, "Surgitwin"):
        part = b";" + remark.encode("ascii", "replace")
        if len(header) + len(part) <= HEADER_SIZE:
            header += part
        elif remark in remarks:
            left_out.append(remark)
    return header.ljust(HEADER_SIZE, b"\0"), left_out
