"""VTK PolyData (VTP) in LPS millimetres, compressed.

Field data: ``SPACE`` and ``UNIT`` as 3D Slicer reads them, ``REMARKS``, and ``SurfaceNames``, one a surface. Each cell
has the number of its surface in ``SurfaceId`` and its colour in ``Colors`` (red, green, blue, alpha; 0 to 255).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.exchange.atomic import write_atomically
from surgitwin.exchange.mesh_out import ExportResult, MeshItem, merged, result_of


def write_vtp(items: Sequence[MeshItem], path: Path, remarks: Sequence[str] = ()) -> ExportResult:
    """Write one VTP file with all surfaces.

    Raises
    ------
    BadInput
        If the file cannot be written.
    """
    content = _content(items, remarks)
    write_atomically(path, lambda temporary: _write(temporary, content))
    return result_of(items, [path], "mm", "LPS")


def _write(path: Path, content: str) -> None:
    path.write_bytes(content.encode("utf-8"))


def _content(items: Sequence[MeshItem], remarks: Sequence[str]) -> str:
    """Made in memory: VTK's own file writers report a full disk on standard error only."""
    from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

    surface = _poly_data(items)
    fields = surface.GetFieldData()
    for name, words in (("SPACE", ["LPS"]), ("UNIT", ["mm"]), ("SurfaceNames", [item.name for item in items])):
        fields.AddArray(_words(name, words))
    if remarks:
        fields.AddArray(_words("REMARKS", remarks))
    writer: Any = vtkXMLPolyDataWriter()
    writer.SetInputData(surface)
    writer.SetDataModeToBinary()
    writer.SetCompressorTypeToZLib()
    writer.SetCompressionLevel(1)
    writer.WriteToOutputStringOn()
    writer.Write()
    content: str = writer.GetOutputString()
    return content


def _poly_data(items: Sequence[MeshItem]) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    to_vtk: Any = numpy_to_vtk
    to_ids: Any = numpy_to_vtkIdTypeArray
    mesh = merged(items)
    counts = [len(item.mesh.triangles) for item in items]
    points: Any = vtkPoints()
    points.SetData(to_vtk(np.ascontiguousarray(mesh.points), deep=True))
    cells: Any = vtkCellArray()
    ends = to_ids(np.arange(0, mesh.triangles.size + 1, 3, dtype=np.int64), deep=True)
    corners = to_ids(np.ascontiguousarray(mesh.triangles.ravel(), dtype=np.int64), deep=True)
    cells.SetData(ends, corners)
    surface: Any = vtkPolyData()
    surface.SetPoints(points)
    surface.SetPolys(cells)

    def add(name: str, each: NDArray[Any]) -> None:
        array = to_vtk(np.repeat(each, counts, axis=0), deep=True)
        array.SetName(name)
        surface.GetCellData().AddArray(array)

    add("SurfaceId", np.arange(len(items), dtype=np.int32))
    add("Colors", np.array([(*item.color, round(255 * item.opacity)) for item in items], np.uint8))
    surface.GetCellData().SetActiveScalars("Colors")
    return surface


def _words(name: str, words: Sequence[str]) -> Any:
    from vtkmodules.vtkCommonCore import vtkStringArray

    array: Any = vtkStringArray()
    array.SetName(name)
    for word in words:
        array.InsertNextValue(word)
    return array
