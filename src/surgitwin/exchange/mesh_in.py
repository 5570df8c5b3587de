"""Surfaces from files: STL, OBJ, PLY and VTP, brought to LPS millimetres by what the file declares."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.exchange.mesh_parse import RawSurface, parse_obj, parse_ply, parse_stl

SURFACE_SUFFIXES = (".stl", ".obj", ".ply", ".vtp")
_SPACE = re.compile(r"SPACE\s*[=:]\s*(LPS|RAS)", re.IGNORECASE)
_UNIT = re.compile(r"UNITS?\s*[=:]\s*(mm|cm|m|um|in|inch|millimet(?:er|re)s?|met(?:er|re)s?)\b", re.IGNORECASE)
_MIMICS = re.compile(r"1\s*unit\s*=\s*([\d.]+)\s*mm", re.IGNORECASE)
_TO_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 0.001, "in": 25.4, "inch": 25.4}
_PLAUSIBLE_MM = (2.0, 3000.0)


@dataclass(frozen=True, eq=False)
class SurfaceFile:
    """A surface as read.

    Attributes
    ----------
    mesh
        LPS millimetres.
    frame_known
        False if the file does not say whether it is in LPS or RAS: LPS was assumed, left and right may be swapped.
    declared_unit_mm
        The length of the file's unit if it declares one; None if millimetres were assumed.
    was_ras
        It declared RAS and was turned.
    """

    mesh: Mesh
    frame_known: bool
    notices: tuple[Notice, ...] = ()
    declared_unit_mm: float | None = None
    was_ras: bool = False


def read_surface_file(path: Path) -> SurfaceFile:
    """Read one surface; polygons are cut into triangles, equal points of an STL are joined.

    The frame is taken from ``SPACE=LPS`` or ``SPACE=RAS`` (STL header, OBJ or PLY comment, VTP field data), the unit
    from ``UNIT=mm`` and the like or ``1 unit = 1000 mm``; without them LPS and millimetres are assumed and the notices
    ``unknown-side`` and, where the size is implausible, ``unit-implausible`` say so.

    Raises
    ------
    BadInput
        If the file is missing, damaged, empty or of another kind.
    """
    suffix = path.suffix.lower()
    if suffix not in SURFACE_SUFFIXES:
        message = tr("{file} is no surface that can be read; its name should end in {known}.")
        raise BadInput(message.format(file=path.name, known=", ".join(SURFACE_SUFFIXES)))
    if not path.is_file():
        raise BadInput(tr("There is no file {file}.").format(file=path))
    raw = _read_vtp(path) if suffix == ".vtp" else _parse(path, suffix)
    triangles = _checked(raw, path)
    points, frame_known, notices = _to_lps_mm(raw, path)
    mesh = Mesh(points, triangles)
    if mesh.volume_mm3 < 0 and _closed(triangles):
        mesh = Mesh(points, np.ascontiguousarray(triangles[:, ::-1]))
        message = tr("The surface in {file} was inside out; its triangles were turned.")
        notices.append(Notice("inside-out", message.format(file=path.name)))
    space = _SPACE.search(raw.declared)
    was_ras = space is not None and space.group(1).upper() == "RAS"
    return SurfaceFile(mesh, frame_known, tuple(notices), _millimetres(raw.declared), was_ras)


def _parse(path: Path, suffix: str) -> RawSurface:
    parsers = {".stl": parse_stl, ".obj": parse_obj, ".ply": parse_ply}
    try:
        content = path.read_bytes()
    except OSError as error:
        message = tr("{file} cannot be read: {cause}.")
        raise BadInput(message.format(file=path.name, cause=error.strerror or error)) from None
    return parsers[suffix](content, path.name)


def _read_vtp(path: Path) -> RawSurface:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkTriangleFilter
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

    to_numpy: Any = vtk_to_numpy
    reader: Any = vtkXMLPolyDataReader()
    errors: list[str] = []
    # With an observer VTK reports here and not on standard error.
    reader.AddObserver("ErrorEvent", lambda *_: errors.append("error"))
    reader.SetFileName(str(path))
    if not reader.CanReadFile(str(path)):
        raise BadInput(tr("{file} is not a VTP file, or it is damaged.").format(file=path.name))
    triangulate = vtkTriangleFilter()
    triangulate.SetInputConnection(reader.GetOutputPort())
    triangulate.PassLinesOff()
    triangulate.PassVertsOff()
    triangulate.Update()
    surface = triangulate.GetOutput()
    if errors or surface.GetPoints() is None:
        raise BadInput(tr("{file} is not a VTP file, or it is damaged.").format(file=path.name))
    fields = surface.GetFieldData()
    declared = []
    for name in ("SPACE", "UNIT", "UNITS"):
        array = fields.GetAbstractArray(name)
        if array is not None and array.GetNumberOfValues():
            declared.append(f"{name}={array.GetVariantValue(0).ToString()}")
    polys = surface.GetPolys()
    triangles = to_numpy(polys.GetConnectivityArray()).reshape(-1, 3) if polys.GetNumberOfCells() else None
    return RawSurface(
        np.asarray(to_numpy(surface.GetPoints().GetData()), dtype=np.float64),
        np.zeros((0, 3), np.int64) if triangles is None else triangles.astype(np.int64),
        " ".join(declared),
    )


def _checked(raw: RawSurface, path: Path) -> NDArray[np.int32]:
    if len(raw.triangles) == 0 or len(raw.points) == 0:
        raise BadInput(tr("{file} holds no triangle.").format(file=path.name))
    if not np.all(np.isfinite(raw.points)):
        raise BadInput(tr("{file} is damaged: it has points that are not finite.").format(file=path.name))
    lowest, highest = int(raw.triangles.min()), int(raw.triangles.max())
    if lowest < 0 or highest >= len(raw.points):
        message = tr("{file} is damaged: a triangle names point {index}, but there are {count}.")
        index = lowest if lowest < 0 else highest
        raise BadInput(message.format(file=path.name, index=index, count=len(raw.points)))
    return raw.triangles.astype(np.int32)


def _to_lps_mm(raw: RawSurface, path: Path) -> tuple[NDArray[np.float32], bool, list[Notice]]:
    space = _SPACE.search(raw.declared)
    points = raw.points.astype(np.float64)
    notices: list[Notice] = []
    if space is None:
        message = tr("{file} does not name its frame: LPS is assumed, which side is left is not known.")
        notices.append(Notice("unknown-side", message.format(file=path.name)))
    elif space.group(1).upper() == "RAS":
        # Half a turn around z: both frames are right-handed, the triangles keep their sense.
        points[:, :2] *= -1
    scale = _millimetres(raw.declared)
    points *= 1.0 if scale is None else scale
    size = float(np.ptp(points, axis=0).max())
    if scale is None and not _PLAUSIBLE_MM[0] <= size <= _PLAUSIBLE_MM[1]:
        message = tr(
            "The surface in {file} is {size:.3g} mm large if its unit is the millimetre; it may be another one."
        )
        notices.append(Notice("unit-implausible", message.format(file=path.name, size=size), {"size_mm": size}))
    return points.astype(np.float32), space is not None, notices


def _millimetres(declared: str) -> float | None:
    """The declared unit's length in millimetres; None if no unit is declared."""
    mimics = _MIMICS.search(declared)
    if mimics:
        return float(mimics.group(1))
    unit = _UNIT.search(declared)
    if unit is None:
        return None
    word = unit.group(1).lower()
    word = "mm" if word.startswith("milli") else "m" if word.startswith("met") else word
    return _TO_MM[word]


def _closed(triangles: NDArray[np.int32]) -> bool:
    """Whether every directed edge occurs once and its reverse once."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).astype(np.int64)
    base: Any = int(edges.max()) + 1
    forward = np.sort(edges[:, 0] * base + edges[:, 1])
    backward = np.sort(edges[:, 1] * base + edges[:, 0])
    return bool(np.array_equal(forward, backward) and np.all(np.diff(forward) > 0))
