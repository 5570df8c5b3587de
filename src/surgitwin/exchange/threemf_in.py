"""Reads the meshes of a 3MF file with nothing but the standard library, to compare them with what was to be written."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

import numpy as np

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr

_CORE = "{http://schemas.microsoft.com/3dmanufacturing/core/2015/02}"
_TO_MM = {"micron": 0.001, "millimeter": 1.0, "centimeter": 10.0, "inch": 25.4, "foot": 304.8, "meter": 1000.0}


@dataclass(frozen=True, eq=False)
class NamedMesh:
    name: str
    mesh: Mesh


def read_3mf(path: Path) -> list[NamedMesh]:
    """Every object that is to be built, where the file puts it, in millimetres; objects of components are left out.

    Raises
    ------
    BadInput
        If it is no 3MF file or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as package:
            names = [name for name in package.namelist() if name.lower().endswith(".model")]
            with package.open(names[0]) as stream:
                return _built(stream)
    except (OSError, zipfile.BadZipFile, ElementTree.ParseError, IndexError, KeyError, ValueError):
        raise BadInput(tr("{file} is not a 3MF file, or it is damaged.").format(file=path.name)) from None


def _built(stream: IO[bytes]) -> list[NamedMesh]:
    points: list[tuple[float, float, float]] = []
    triangles: list[tuple[int, int, int]] = []
    objects: dict[str, NamedMesh] = {}
    built: list[NamedMesh] = []
    scale = 1.0
    for event, element in ElementTree.iterparse(stream, ("start", "end")):
        tag = element.tag.removeprefix(_CORE)
        if event == "start":
            if tag == "model":
                scale = _TO_MM[element.get("unit", "millimeter")]
            continue
        if tag == "vertex":
            points.append((float(element.attrib["x"]), float(element.attrib["y"]), float(element.attrib["z"])))
        elif tag == "triangle":
            triangles.append((int(element.attrib["v1"]), int(element.attrib["v2"]), int(element.attrib["v3"])))
        elif tag == "object":
            if triangles:
                mesh = Mesh(np.array(points, np.float64), np.array(triangles, np.int32))
                objects[element.attrib["id"]] = NamedMesh(element.get("name", ""), mesh)
            points, triangles = [], []
        elif tag == "item" and element.attrib["objectid"] in objects:
            built.append(_placed(objects[element.attrib["objectid"]], element.get("transform", ""), scale))
        if tag not in ("metadata",):
            element.clear()
    return built


def _placed(named: NamedMesh, transform: str, scale: float) -> NamedMesh:
    points = named.mesh.points.astype(np.float64)
    if transform:
        rows = np.array([float(word) for word in transform.split()]).reshape(4, 3)
        points = points @ rows[:3] + rows[3]
    return NamedMesh(named.name, Mesh((points * scale).astype(np.float32), named.mesh.triangles))
