"""Wavefront OBJ in LPS millimetres with a material file: one group and one material a segment.

Names of groups and materials hold no spaces and nothing that a file name may not hold; where that changed a name, the
name as it was stands in a comment above its group.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.exchange.atomic import write_together
from surgitwin.exchange.mesh_out import ExportResult, MeshItem, result_of
from surgitwin.exchange.names import unique_file_names


def write_obj(items: Sequence[MeshItem], path: Path, remarks: Sequence[str] = ()) -> ExportResult:
    """Write ``path`` and the ``.mtl`` file beside it: both or none.

    Raises
    ------
    BadInput
        If there is nothing to write or a file cannot be written.
    """
    names = [name.replace(" ", "_") for name in unique_file_names(item.name for item in items)]
    materials = path.with_suffix(".mtl")
    write_together(
        {
            materials: lambda part: _write_materials(part, items, names),
            path: lambda part: _write_groups(part, items, names, materials.name, remarks),
        }
    )
    return result_of(items, [path, materials], "mm", "LPS")


def _write_materials(path: Path, items: Sequence[MeshItem], names: Sequence[str]) -> None:
    lines = ["# Surgitwin"]
    for item, name in zip(items, names, strict=True):
        red, green, blue = (channel / 255 for channel in item.color)
        lines += [f"newmtl {name}", f"Kd {red:.6f} {green:.6f} {blue:.6f}", f"d {item.opacity:.6f}", "illum 1"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _write_groups(
    path: Path, items: Sequence[MeshItem], names: Sequence[str], materials: str, remarks: Sequence[str]
) -> None:
    first = 1  # OBJ counts points from 1, through the whole file
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("# Surgitwin SPACE=LPS\n# UNIT=mm, 1 unit = 1 mm\n")
        file.writelines(f"# REMARK {remark}\n" for remark in remarks)
        file.write(f"mtllib {materials}\n")
        for item, name in zip(items, names, strict=True):
            file.write("" if item.name == name else f"# NAME {item.name}\n")
            file.write(f"g {name}\nusemtl {name}\n")
            file.write(_rows("v", item.mesh.points.astype(np.float64), "%.9g"))
            file.write(_rows("f", item.mesh.triangles.astype(np.int64) + first, "%d"))
            first += len(item.mesh.points)


def _rows(word: str, values: NDArray[Any], number: str) -> str:
    text = io.StringIO()
    np.savetxt(text, values, fmt=f"{word} {number} {number} {number}")
    return text.getvalue()
