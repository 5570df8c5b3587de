"""A manifest: the JSON file that describes one implant of a library, and its mesh.

Whatever is wrong with one is said in a sentence; nothing is guessed into a number. Places and directions are in the
frame of the mesh file, which is the implant's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.implants.units import UNITS_MM, size_sentence
from surgitwin.scene.nodes import ImplantKind, ImplantModel, Point

LARGEST_MANIFEST_BYTES = 1_000_000
LICENCES = (
    "proprietary", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0",
    "CC-BY-NC-ND-4.0", "CC-BY-3.0", "CC-BY-SA-3.0", "Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "MPL-2.0",
    "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "LGPL-2.1-or-later", "LGPL-3.0-or-later",
    "CERN-OHL-P-2.0", "CERN-OHL-W-2.0", "CERN-OHL-S-2.0", "Unlicense",
)  # fmt: skip
_OWN_LICENCE = "LicenseRef-"
_FRAME = ("main", "out", "side")
_NEEDED_POINTS: Mapping[str, tuple[str, ...]] = {
    "screw": ("entry", "tip"),
    "cup": ("centre",),
    "stem": ("centre",),
    "sphere": ("centre",),
}
_Text = Annotated[str, Field(min_length=1, max_length=200)]


class Manifest(BaseModel):
    """The keys of a manifest; see docs/developer/implants.md."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    maker: _Text
    name: _Text
    family: _Text
    size: _Text
    kind: ImplantKind
    material: _Text
    licence: _Text
    unit: _Text
    mesh: _Text
    axes: dict[str, Point]
    reference_points_mm: dict[str, Point]
    dimensions_mm: dict[str, Annotated[float, Field(gt=0.0)]]
    note: str = Field(default="", max_length=500)
    generic: bool = False

    @property
    def id(self) -> str:
        return f"{self.family}/{self.size}"

    def model(self) -> ImplantModel:
        return ImplantModel(id=self.id, **self.model_dump(exclude={"unit", "mesh"}))


@dataclass(frozen=True, eq=False)
class Described:
    """An implant that a manifest describes, checked; the mesh in its own frame, mm."""

    model: ImplantModel
    mesh: Mesh
    notices: tuple[Notice, ...] = ()


def read_manifest(path: Path) -> Manifest:
    """Read and check everything but the mesh.

    Raises
    ------
    BadInput
        One sentence that names what is wrong.
    """
    try:
        if path.stat().st_size > LARGEST_MANIFEST_BYTES:
            raise BadInput(tr("{file} is too large for a manifest.").format(file=path.name))
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(
            tr("{file} cannot be read: {cause}.").format(file=path.name, cause=error.strerror or error)
        ) from None
    except (ValueError, RecursionError):
        raise BadInput(tr("{file} is not valid JSON.").format(file=path.name)) from None
    if not isinstance(loaded, dict):
        raise BadInput(tr("{file} is no manifest of an implant: it should be a JSON object.").format(file=path.name))
    try:
        manifest = Manifest.model_validate(loaded)
    except ValidationError as error:
        raise BadInput(_sentence(error, path.name)) from None
    _check_words(manifest, path.name)
    _check_axes(manifest, path.name)
    return manifest


def read_described(path: Path, folder: Path) -> Described:
    """Read a manifest and its mesh, which must lie in ``folder``.

    Raises
    ------
    BadInput
        One sentence: the manifest is wrong, the mesh is missing, open or outside the folder, or its size contradicts
        the dimensions, so that its unit must be another one.
    """
    from surgitwin.exchange.mesh_in import read_surface_file

    manifest = read_manifest(path)
    place = mesh_place(manifest, path, folder)
    read = read_surface_file(place)
    points = np.asarray(read.mesh.points, dtype=np.float64)
    if read.was_ras:
        points[:, :2] *= -1  # the axes are in the frame of the file as it lies
    stated = UNITS_MM[manifest.unit]
    if read.declared_unit_mm is not None and not np.isclose(read.declared_unit_mm, stated):
        message = tr(
            "{mesh} says that its unit is {other:g} mm long, the manifest says “{unit}”: one of them is wrong."
        )
        raise BadInput(message.format(mesh=place.name, other=read.declared_unit_mm, unit=manifest.unit))
    points *= stated if read.declared_unit_mm is None else 1.0
    _check_size(manifest, points, place.name)
    _check_points(manifest, points, path.name)
    mesh = closed_or_refused(Mesh(points.astype(np.float32), read.mesh.triangles), place.name)
    kept = tuple(one for one in read.notices if one.code == "inside-out")
    return Described(manifest.model(), mesh, kept)


def mesh_place(manifest: Manifest, path: Path, folder: Path) -> Path:
    """Where the mesh file is.

    Raises
    ------
    BadInput
        If it lies outside the folder.
    """
    place = (path.parent / manifest.mesh).resolve()
    if Path(manifest.mesh).is_absolute() or not place.is_relative_to(folder.resolve()):
        message = tr("{file} names a mesh outside its folder: {mesh}. Put the mesh beside the manifest.")
        raise BadInput(message.format(file=path.name, mesh=manifest.mesh))
    return place


def closed_or_refused(mesh: Mesh, file: str) -> Mesh:
    """The mesh if it bounds a body, its normals outwards.

    Raises
    ------
    BadInput
        If it is open or not manifold.
    """
    from surgitwin.surfaces.check import check_mesh

    check = check_mesh(mesh, intersections_up_to=0)
    if not check.closed:
        message = tr("The mesh in {file} is open: an implant must be a closed surface. Close its holes and try again.")
        raise BadInput(message.format(file=file))
    if not check.manifold or not check.outward:
        message = tr("The mesh in {file} is no proper body: some edges or corners join more than two faces.")
        raise BadInput(message.format(file=file))
    return mesh


def _check_words(manifest: Manifest, file: str) -> None:
    if manifest.unit not in UNITS_MM:
        message = tr("{file}: the unit “{unit}” is not known; write one of {known}.")
        raise BadInput(message.format(file=file, unit=manifest.unit, known=", ".join(UNITS_MM)))
    if manifest.licence not in LICENCES and not manifest.licence.startswith(_OWN_LICENCE):
        message = tr(
            "{file}: the licence “{licence}” is not known; write an SPDX identifier such as CC-BY-4.0, “proprietary”, "
            "or LicenseRef- and a name of your own."
        )
        raise BadInput(message.format(file=file, licence=manifest.licence))
    for word in ("family", "size"):
        if "/" in getattr(manifest, word):
            raise BadInput(tr("{file}: {key} must not hold a slash.").format(file=file, key=word))


def _check_axes(manifest: Manifest, file: str) -> None:
    axes = {name: np.asarray(axis, dtype=np.float64) for name, axis in manifest.axes.items()}
    needed = ("main", "out") if manifest.kind == "plate" else ("main",)
    for name in needed:
        if name not in axes:
            message = tr("{file}: axes has no “{name}”, which a {kind} needs.")
            raise BadInput(message.format(file=file, name=name, kind=manifest.kind))
    for name, axis in axes.items():
        length = float(np.linalg.norm(axis))
        if abs(length - 1.0) > 1e-3:
            message = tr("{file}: the axis “{name}” is {length:.4g} long; it must be 1.")
            raise BadInput(message.format(file=file, name=name, length=length))
    for one, two in combinations([name for name in _FRAME if name in axes], 2):
        angle = float(np.degrees(np.arccos(np.clip(axes[one] @ axes[two], -1.0, 1.0))))
        if abs(angle - 90.0) > 0.1:
            message = tr("{file}: the axes “{one}” and “{two}” are {angle:.1f}° apart; they must be 90°.")
            raise BadInput(message.format(file=file, one=one, two=two, angle=angle))
    for name in _NEEDED_POINTS.get(manifest.kind, ()):
        if name not in manifest.reference_points_mm:
            message = tr("{file}: reference_points_mm has no “{name}”, which a {kind} needs.")
            raise BadInput(message.format(file=file, name=name, kind=manifest.kind))
    _check_screw(manifest, file)


def _check_screw(manifest: Manifest, file: str) -> None:
    if manifest.kind != "screw":
        return
    places = manifest.reference_points_mm
    path = np.subtract(places["tip"], places["entry"])
    length = float(np.linalg.norm(path))
    if length < 1e-6 or float(path @ np.asarray(manifest.axes["main"])) < length * np.cos(np.radians(2.0)):
        message = tr("{file}: the axis “main” of a screw must run from “entry” to “tip”.")
        raise BadInput(message.format(file=file))


def _check_size(manifest: Manifest, points: NDArray[np.float64], mesh: str) -> None:
    """Refuse a mesh whose size contradicts the dimensions; a unit that would fit is named."""
    sizes = {
        name: value
        for name, value in manifest.dimensions_mm.items()
        if not any(word in name for word in ("radius", "bend", "curvature", "pitch"))
    }
    largest = float(np.ptp(points, axis=0).max())
    expected = max(sizes.values(), default=None)
    sentence = size_sentence(largest, expected, manifest.unit, mesh)
    if sentence:
        raise BadInput(sentence)


def _check_points(manifest: Manifest, points: NDArray[np.float64], file: str) -> None:
    low, high = points.min(axis=0), points.max(axis=0)
    room = float(np.max(high - low))
    for name, place in manifest.reference_points_mm.items():
        if np.any(np.asarray(place) < low - room) or np.any(np.asarray(place) > high + room):
            message = tr("{file}: the reference point “{name}” lies far from the mesh; is it in mm, in its frame?")
            raise BadInput(message.format(file=file, name=name))


def _sentence(error: ValidationError, file: str) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return tr("{file}: the key “{key}” is missing.").format(file=file, key=where)
    if first["type"] == "extra_forbidden":
        return tr("{file}: the key “{key}” is not known.").format(file=file, key=where)
    if first["loc"][:1] == ("kind",):
        message = tr("{file}: the kind “{given}” is not known; write one of {known}.")
        return message.format(file=file, given=first.get("input"), known=", ".join(get_args(ImplantKind)))
    why = str(first["msg"]).replace("Input should", tr("it should")).rstrip(".")
    message = tr("{file}: “{key}” is wrong: {why}.")
    return message.format(file=file, key=where, why=why[:1].lower() + why[1:])
