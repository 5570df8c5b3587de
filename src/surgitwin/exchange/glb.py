"""GLB (binary glTF 2.0): metres, Y up, one named node and one material a segment.

glTF is right-handed with +Y up, and an object's front looks along +Z with its left side at +X. So a patient who
stands and faces the viewer has

    x = x_LPS / 1000 (left),    y = z_LPS / 1000 (superior),    z = -y_LPS / 1000 (anterior).

The matrix has the determinant +1 (times the scale): nothing is mirrored, a left kidney stays left.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin import __version__
from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.exchange.atomic import write_atomically
from surgitwin.exchange.mesh_out import ExportResult, MeshItem, linear_color, result_of, vertex_normals

FRAME = "glTF: x left, y superior, z anterior"
LPS_MM_TO_GLTF = np.array([[0.001, 0, 0], [0, 0, 0.001], [0, -0.001, 0]])

_FLOAT, _UINT = 5126, 5125
_VERTICES, _INDICES = 34962, 34963
_LARGEST = 0xFFFFFFFF


def write_glb(items: Sequence[MeshItem], path: Path, remarks: Sequence[str] = ()) -> ExportResult:
    """Write one GLB file.

    Raises
    ------
    BadInput
        If there is nothing to write, it is more than 4 GB, or the file cannot be written.
    """
    document, binary = _document(items, remarks)
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + sum(len(part) for part in binary)
    if total > _LARGEST:
        raise BadInput(tr("The surfaces need more than the 4 GB that a GLB file can hold; reduce their triangles."))

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(struct.pack("<4sII", b"glTF", 2, total))
            file.write(struct.pack("<I4s", len(text), b"JSON"))
            file.write(text)
            file.write(struct.pack("<I4s", total - 28 - len(text), b"BIN\0"))
            for part in binary:
                file.write(part)

    write_atomically(path, write)
    return result_of(items, [path], "m", FRAME)


def _document(items: Sequence[MeshItem], remarks: Sequence[str]) -> tuple[dict[str, Any], list[memoryview]]:
    binary: list[memoryview] = []
    offset = 0
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []

    def add(array: NDArray[Any], target: int, kind: str, component: int, **limits: Any) -> int:
        nonlocal offset
        plain: Any = np.ascontiguousarray(array)
        data = memoryview(plain).cast("B")
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": len(data), "target": target})
        offset += len(data)  # every part is a multiple of 4 bytes long
        binary.append(data)
        count = len(array)
        accessors.append(
            {"bufferView": len(views) - 1, "componentType": component, "count": count, "type": kind, **limits}
        )
        return len(accessors) - 1

    meshes = []
    for number, item in enumerate(items):
        points = _placed(item.mesh.points)
        normals = vertex_normals(points, item.mesh.triangles).astype("<f4", copy=False)
        place = add(points, _VERTICES, "VEC3", _FLOAT, min=points.min(axis=0).tolist(), max=points.max(axis=0).tolist())
        normal = add(normals, _VERTICES, "VEC3", _FLOAT)
        indices = add(item.mesh.triangles.astype("<u4").reshape(-1), _INDICES, "SCALAR", _UINT)
        primitive = {"attributes": {"POSITION": place, "NORMAL": normal}, "indices": indices, "material": number}
        meshes.append({"name": item.name, "primitives": [primitive]})
    said: dict[str, Any] = {"unit": "m", "frame": FRAME, "from": "LPS mm: x/1000, z/1000, -y/1000"}
    if remarks:
        said["remarks"] = list(remarks)
    return {
        "asset": {"version": "2.0", "generator": f"Surgitwin {__version__}", "extras": said},
        "scene": 0,
        "scenes": [{"nodes": list(range(len(items)))}],
        "nodes": [_node(item, number) for number, item in enumerate(items)],
        "meshes": meshes,
        "materials": [_material(item) for item in items],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": offset}],
    }, binary


def _placed(points: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """`LPS_MM_TO_GLTF` of all points, an axis at a time: a product of so narrow matrices takes far longer."""
    placed: NDArray[np.float32] = np.empty(points.shape, "<f4")
    for axis, row in enumerate(LPS_MM_TO_GLTF):
        source = int(np.flatnonzero(row)[0])
        placed[:, axis] = points[:, source].astype(np.float64) * row[source]
    return placed


def _node(item: MeshItem, mesh: int) -> dict[str, Any]:
    return {"name": item.name, "mesh": mesh, **({"extras": {"remark": item.remark}} if item.remark else {})}


def _material(item: MeshItem) -> dict[str, Any]:
    factor = [*linear_color(item.color), float(item.opacity)]
    material: dict[str, Any] = {
        "name": item.name,
        "pbrMetallicRoughness": {"baseColorFactor": factor, "metallicFactor": 0.0, "roughnessFactor": 0.6},
        "doubleSided": True,
    }
    if item.opacity < 1:
        material["alphaMode"] = "BLEND"
    return material
