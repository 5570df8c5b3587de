"""3MF in LPS millimetres: one named object a surface, in the colour and opacity of its base material.

Everything is made in memory: on a full disk lib3mf's own file writer ends the whole process.
"""

from __future__ import annotations

import ctypes
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin import __version__
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.exchange.atomic import write_atomically
from surgitwin.exchange.mesh_out import ExportResult, MeshItem, result_of

NAMESPACE = "urn:surgitwin:3mf"
# The production extension gives everything an identifier; by name and place, so that equal surfaces give equal files.
_IDENTIFIERS = uuid.UUID("5e7c3b0e-8a51-4f0b-9b8e-2f7c0d4a6b11")


def write_3mf(items: Sequence[MeshItem], path: Path, remarks: Sequence[str] = ()) -> ExportResult:
    """Write one 3MF file.

    Raises
    ------
    BadInput
        If a surface has a triangle with a corner twice, or the file cannot be written.
    """
    for item in items:
        a, b, c = item.mesh.triangles.T
        if np.any((a == b) | (b == c) | (c == a)):
            message = tr("The surface of '{name}' has triangles with a corner twice, which 3MF does not allow.")
            raise BadInput(message.format(name=item.name))
    data = _package(items, remarks)
    write_atomically(path, lambda temporary: _write(temporary, data))
    return result_of(items, [path], "mm", "LPS")


def _write(path: Path, data: NDArray[np.uint8]) -> None:
    with path.open("wb") as file:
        file.write(data.data)


def _package(items: Sequence[MeshItem], remarks: Sequence[str]) -> NDArray[np.uint8]:
    import lib3mf

    wrapper: Any = lib3mf.get_wrapper()
    model = wrapper.CreateModel()
    model.SetUnit(lib3mf.ModelUnit.MilliMeter)
    model.SetBuildUUID(str(uuid.uuid5(_IDENTIFIERS, "build")))
    _describe(model.GetMetaDataGroup(), remarks)
    materials = model.AddBaseMaterialGroup()
    place = wrapper.GetIdentityTransform()
    for number, item in enumerate(items):
        solid = model.AddMeshObject()
        solid.SetName(item.name)
        solid.SetUUID(str(uuid.uuid5(_IDENTIFIERS, f"object {number} {item.name}")))
        _set_geometry(wrapper, solid, item)
        if item.remark:
            solid.GetMetaDataGroup().AddMetaData("", "Description", item.remark, "xs:string", True)
        color = wrapper.RGBAToColor(*item.color, round(255 * item.opacity))
        solid.SetObjectLevelProperty(materials.GetResourceID(), materials.AddMaterial(item.name, color))
        built = model.AddBuildItem(solid, place)
        built.SetUUID(str(uuid.uuid5(_IDENTIFIERS, f"item {number} {item.name}")))
    return _written(wrapper, model.QueryWriter("3mf"))


def _describe(group: Any, remarks: Sequence[str]) -> None:
    group.AddMetaData("", "Application", f"Surgitwin {__version__}", "xs:string", True)
    if remarks:
        group.AddMetaData("", "Description", "; ".join(remarks), "xs:string", True)
    group.AddMetaData(NAMESPACE, "Space", "LPS", "xs:string", True)


def _set_geometry(wrapper: Any, solid: Any, item: MeshItem) -> None:
    """Hand over whole arrays; lib3mf's own SetGeometry makes a Python object for every number."""
    import lib3mf

    points = np.ascontiguousarray(item.mesh.points, dtype=np.float32)
    triangles = np.ascontiguousarray(item.mesh.triangles, dtype=np.uint32)
    wrapper.checkError(
        solid,
        wrapper.lib.lib3mf_meshobject_setgeometry(
            solid._handle,
            ctypes.c_uint64(len(points)),
            points.ctypes.data_as(ctypes.POINTER(lib3mf.Position)),
            ctypes.c_uint64(len(triangles)),
            triangles.ctypes.data_as(ctypes.POINTER(lib3mf.Triangle)),
        ),
    )


def _written(wrapper: Any, writer: Any) -> NDArray[np.uint8]:
    """The file's bytes: the first call writes and tells how many there are, the second one hands them over."""
    write = wrapper.lib.lib3mf_writer_writetobuffer
    size = ctypes.c_uint64(0)
    wrapper.checkError(writer, write(writer._handle, ctypes.c_uint64(0), size, None))
    data = np.empty(size.value, np.uint8)
    place = data.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
    wrapper.checkError(writer, write(writer._handle, size, ctypes.c_uint64(0), place))
    return data
