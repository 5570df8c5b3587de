"""3MF in LPS millimetres: one named object a surface, in the colour and opacity of its base material.

lib3mf makes the package with a tetrahedron in each surface's place, and the surfaces' points and triangles are put in
as text: its own loops take several times as long, and pack on one processor. Everything is made in memory: on a full
disk lib3mf's own file writer ends the whole process.
"""

from __future__ import annotations

import ctypes
import io
import re
import uuid
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin import __version__
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.exchange.atomic import write_atomically
from surgitwin.exchange.mesh_out import ExportResult, MeshItem, result_of
from surgitwin.exchange.packing import Block, block, pack, write_zip

NAMESPACE = "urn:surgitwin:3mf"
# The production extension gives everything an identifier; by name and place, so that equal surfaces give equal files.
_IDENTIFIERS = uuid.UUID("5e7c3b0e-8a51-4f0b-9b8e-2f7c0d4a6b11")
_MODEL = "3D/3dmodel.model"
_LARGEST_MM = 1e9
_BLOCK = 100_000  # points or triangles of one block of text
_TETRAHEDRON = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
_FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.uint32)
_VERTEX = (b'<vertex x="', b'" y="', b'" z="', b'"/>')
_TRIANGLE = (b'<triangle v1="', b'" v2="', b'" v3="', b'"/>')


def write_3mf(items: Sequence[MeshItem], path: Path, remarks: Sequence[str] = ()) -> ExportResult:
    """Write one 3MF file.

    Raises
    ------
    BadInput
        If a surface has a triangle with a corner twice or reaches too far, or the file cannot be written.
    """
    for item in items:
        a, b, c = item.mesh.triangles.T
        if np.any((a == b) | (b == c) | (c == a)):
            message = tr("The surface of '{name}' has triangles with a corner twice, which 3MF does not allow.")
            raise BadInput(message.format(name=item.name))
    for item in items:
        if np.abs(item.mesh.points).max() >= _LARGEST_MM:
            raise BadInput(tr("The surface of '{name}' reaches too far for a 3MF file.").format(name=item.name))
    frame = zipfile.ZipFile(io.BytesIO(_package(items, remarks).tobytes()))
    parts = {name: pack([partial(block, frame.read(name))]) for name in frame.namelist() if name != _MODEL}
    parts[_MODEL] = pack(_model(frame.read(_MODEL), items))
    write_atomically(path, lambda temporary: write_zip(temporary, parts))
    return result_of(items, [path], "mm", "LPS")


def _model(frame: bytes, items: Sequence[MeshItem]) -> Iterator[Callable[[], Block]]:
    """The model with the surfaces in the tetrahedra's places; names hold no ``<``, so the places are certain."""
    between = re.split(rb"<mesh>.*?</mesh>", frame, flags=re.DOTALL)
    for text, item in zip(between[:-1], items, strict=True):
        yield partial(block, text + b"<mesh><vertices>\n")
        yield from _blocks(np.ascontiguousarray(item.mesh.points, np.float32), _VERTEX)
        yield partial(block, b"</vertices><triangles>\n")
        yield from _blocks(np.ascontiguousarray(item.mesh.triangles, np.int32), _TRIANGLE)
        yield partial(block, b"</triangles></mesh>")
    yield partial(block, between[-1])


def _blocks(values: NDArray[Any], around: tuple[bytes, ...]) -> Iterator[Callable[[], Block]]:
    words = [np.frombuffer(word, np.uint8) for word in (*around[:-1], around[-1] + b"\n")]
    for start in range(0, len(values), _BLOCK):
        yield partial(_rows, values[start : start + _BLOCK], words)


def _rows(values: NDArray[Any], words: list[NDArray[np.uint8]]) -> Block:
    from surgitwin.exchange.mesh_kernels import ROW_BYTES, triangle_text, vertex_text

    write: Callable[..., int] = vertex_text if values.dtype == np.float32 else triangle_text
    text = np.empty(len(values) * ROW_BYTES, np.uint8)
    return block(text[: write(values, *words, text)].data)


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
        _set_geometry(wrapper, solid)
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


def _set_geometry(wrapper: Any, solid: Any) -> None:
    """The tetrahedron, as whole arrays: lib3mf's own SetGeometry wants a Python object for every corner."""
    import lib3mf

    wrapper.checkError(
        solid,
        wrapper.lib.lib3mf_meshobject_setgeometry(
            solid._handle,
            ctypes.c_uint64(len(_TETRAHEDRON)),
            _TETRAHEDRON.ctypes.data_as(ctypes.POINTER(lib3mf.Position)),
            ctypes.c_uint64(len(_FACES)),
            _FACES.ctypes.data_as(ctypes.POINTER(lib3mf.Triangle)),
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
