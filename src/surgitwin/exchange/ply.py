"""Binary PLY in LPS millimetres with the segments' colours at the points.

Frame, unit, remarks and the name of each surface with its triangles stand in comments; readers of PLY take the header
for ASCII, so the names are written as JSON, whose escapes keep every character.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from surgitwin.exchange.atomic import write_atomically
from surgitwin.exchange.mesh_out import ExportResult, MeshItem, merged, result_of

_POINT = np.dtype([("place", "<f4", 3), ("color", "u1", 4)])
_FACE = np.dtype([("count", "u1"), ("corners", "<i4", 3)])


def write_ply(items: Sequence[MeshItem], path: Path, remarks: Sequence[str] = ()) -> ExportResult:
    """Write one PLY file with all surfaces.

    Raises
    ------
    BadInput
        If there is nothing to write or the file cannot be written.
    """
    mesh = merged(items)
    points = np.zeros(len(mesh.points), dtype=_POINT)
    points["place"] = mesh.points
    colors = [(*item.color, round(255 * item.opacity)) for item in items]
    points["color"] = np.repeat(np.array(colors, dtype=np.uint8), [len(item.mesh.points) for item in items], axis=0)
    faces = np.zeros(len(mesh.triangles), dtype=_FACE)
    faces["count"], faces["corners"] = 3, mesh.triangles
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment Surgitwin SPACE=LPS",
        "comment UNIT=mm",
        *(f"comment REMARK {json.dumps(remark)}" for remark in remarks),
        *_contents(items),
        f"element vertex {len(points)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {channel}" for channel in ("red", "green", "blue", "alpha")),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header",
    ]

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(("\n".join(header) + "\n").encode("ascii"))
            file.write(points.tobytes())
            file.write(faces.tobytes())

    write_atomically(path, write)
    return result_of(items, [path], "mm", "LPS")


def _contents(items: Sequence[MeshItem]) -> list[str]:
    """One comment a surface: the numbers of its triangles, first and last, and its name."""
    lines, first = [], 0
    for item in items:
        last = first + len(item.mesh.triangles) - 1
        lines.append(f"comment SURFACE {first} {last} {json.dumps(item.name)}")
        first = last + 1
    return lines
