"""The implants that there are: families that are built in, and folders of manifests with their meshes.

What is broken in a folder is listed with its reason and stops nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surgitwin.core.errors import BadInput, SurgitwinError
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.implants.manifest import Described, closed_or_refused, read_described
from surgitwin.implants.parametric.built_in import FAMILIES
from surgitwin.implants.parametric.family import GENERIC, Family
from surgitwin.implants.units import UNITS_MM, size_sentence
from surgitwin.scene.nodes import ImplantModel

MOST_MANIFESTS = 5000


@dataclass(frozen=True)
class Item:
    """One implant of a library.

    Attributes
    ----------
    model
        What it is.
    manifest, folder
        The file that describes it and the folder that was added; None for one that is built in.
    """

    model: ImplantModel
    manifest: Path | None = None
    folder: Path | None = None

    @property
    def id(self) -> str:
        return self.model.id

    def described(self) -> Described:
        """With its mesh, which is read or made now.

        Raises
        ------
        BadInput
            If its files were changed or removed meanwhile.
        """
        if self.manifest is None or self.folder is None:
            made = _built_in(self.model)
            return Described(self.model, made.mesh(), simplified(self.model))
        return read_described(self.manifest, self.folder)

    def mesh(self) -> Mesh:
        """Closed, its normals outwards, in the implant's own frame, mm."""
        return self.described().mesh


@dataclass(frozen=True)
class BadFile:
    """What could not be used of a folder, and why, in a sentence."""

    file: Path
    reason: str


@dataclass(frozen=True)
class Library:
    """Items in the order of family and size, and what was broken."""

    items: tuple[Item, ...]
    bad: tuple[BadFile, ...] = ()

    @property
    def families(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.model.family for item in self.items))

    def of_family(self, family: str) -> tuple[Item, ...]:
        """Every size of a family, smallest first by the dimensions that its sizes are named by."""
        return tuple(item for item in self.items if item.model.family == family)

    def find(self, text: str) -> Item:
        """The item of this id.

        Raises
        ------
        BadInput
            If there is none; the sentence lists sizes or families that there are.
        """
        for item in self.items:
            if item.id == text:
                return item
        family = text.partition("/")[0]
        sizes = [item.model.size for item in self.of_family(family)]
        if sizes:
            message = tr("“{family}” has no size “{size}”; it has: {known}.")
            size = text.partition("/")[2]
            if not size:
                message = tr("Which size of “{family}”? It has: {known}. Write it as {family}/{first}.")
            raise BadInput(message.format(family=family, size=size, known=", ".join(sizes), first=sizes[0]))
        message = tr("The library has no implant “{text}”. Families: {known}.")
        raise BadInput(message.format(text=text, known=", ".join(self.families)))


def open_library(folders: Sequence[Path] = (), ctx: Context | None = None) -> Library:
    """What is built in, and what lies in the folders; every mesh of a folder is read and checked.

    Raises
    ------
    BadInput
        If a folder does not exist.
    """
    ctx = ctx or Context()
    items = list(built_in_items())
    bad: list[BadFile] = []
    known = {item.id: tr("the built-in ones") for item in items}
    found = [(path, folder) for folder in folders for path in _manifests(folder, bad)]
    own: list[Item] = []
    for n, (path, folder) in enumerate(found):
        ctx.progress(n / len(found), tr("Reading {file}").format(file=path.name))
        ctx.check()
        try:
            described = read_described(path, folder)
        except SurgitwinError as error:
            bad.append(BadFile(path, str(error)))
            continue
        model = described.model
        if model.id in known:
            message = tr("{file}: “{id}” is also in {other}; every implant needs a family and size of its own.")
            bad.append(BadFile(path, message.format(file=path.name, id=model.id, other=known[model.id])))
            continue
        known[model.id] = path.name
        own.append(Item(model, path, folder))
    own.sort(key=lambda item: (item.model.family, sorted(item.model.dimensions_mm.items()), item.model.size))
    return Library((*items, *own), tuple(bad))


def built_in_items() -> Iterator[Item]:
    """The usual sizes of every built-in family."""
    for family in FAMILIES.values():
        for size in family.sizes():
            yield Item(size.model())


def made_to_measure(text: str, settings: Mapping[str, Any]) -> tuple[ImplantModel, Mesh]:
    """A built-in implant with dimensions of one's own.

    Parameters
    ----------
    text
        A family, or a usual size of one to begin with, such as ``bone-screw/4.5x40``.
    settings
        Dimensions by name with unit, such as ``diameter_mm``.

    Raises
    ------
    BadInput
        If there is no such family or size, or a dimension is wrong.
    """
    name, _, size = text.partition("/")
    family = FAMILIES.get(name)
    if family is None:
        message = tr("“{name}” is not built in, so it has no dimensions to set. Built in are: {known}.")
        raise BadInput(message.format(name=name, known=", ".join(FAMILIES)))
    start: dict[str, Any] = {}
    if size:
        usual = next((one for one in family.sizes() if one.size == size), None)
        if usual is None:
            known = ", ".join(one.size for one in family.sizes())
            raise BadInput(
                tr("“{family}” has no size “{size}”; it has: {known}.").format(family=name, size=size, known=known)
            )
        start = {key: getattr(usual, key) for key in family.named_by}
    made = family.of(start | dict(settings))
    return made.model(), made.mesh()


def from_file(path: Path, unit: str | None = None) -> Described:
    """An implant from a mesh file alone, or from a manifest that is in no library.

    Parameters
    ----------
    unit
        One of `units.UNITS_MM`; None to believe the file, or to take millimetres where it says nothing and its size
        speaks for them.

    Raises
    ------
    BadInput
        If the file cannot be read, the mesh is open, or its size says that it is in another unit.
    """
    from surgitwin.exchange.mesh_in import read_surface_file

    if path.suffix.lower() == ".json":
        if not path.is_file():
            raise BadInput(tr("There is no file {file}.").format(file=path))
        return read_described(path, path.parent)
    if unit is not None and unit not in UNITS_MM:
        message = tr("The unit “{unit}” is not known; write one of {known}.")
        raise BadInput(message.format(unit=unit, known=", ".join(UNITS_MM)))
    read = read_surface_file(path)
    points = np.asarray(read.mesh.points, dtype=np.float64) / (read.declared_unit_mm or 1.0)
    notices = [one for one in read.notices if one.code == "inside-out"]
    scale = UNITS_MM[unit] if unit is not None else read.declared_unit_mm or 1.0
    points *= scale
    size = np.ptp(points, axis=0)
    if unit is None and read.declared_unit_mm is None:
        sentence = size_sentence(float(size.max()), None, "mm", path.name)
        if sentence:
            raise BadInput(sentence)
        message = tr("'{file}' does not say its unit; millimetres were taken, so it is {x:.1f} x {y:.1f} x {z:.1f} mm.")
        text = message.format(file=path.name, x=size[0], y=size[1], z=size[2])
        notices.append(Notice("unit-assumed", text, {"size_mm": [float(one) for one in size]}))
    mesh = closed_or_refused(Mesh(points.astype(np.float32), read.mesh.triangles), path.name)
    low, high = points.min(axis=0), points.max(axis=0)
    centre = (low + high) / 2
    model = ImplantModel(
        id="own/file",  # file names may hold the patient's
        family="own",
        kind="other",
        name=tr("Implant"),
        size=tr("from a file"),
        axes={"main": (0.0, 0.0, 1.0)},
        reference_points_mm={"centre": (float(centre[0]), float(centre[1]), float(centre[2]))},
        note=tr("Only the mesh is known: its axis is z of the file, and its place the middle of its box."),
    )
    return Described(model, mesh, (*notices, *simplified(model)))


def simplified(model: ImplantModel) -> tuple[Notice, ...]:
    """The notice about what the mesh of an implant leaves out."""
    if not model.note:
        return ()
    return (Notice("implant-simplified", tr("{name}: {note}").format(name=model.name, note=model.note)),)


def maker_text(model: ImplantModel) -> str:
    """Who makes it, in the words that must go with it everywhere."""
    if model.patient_specific:
        return tr("planning model, not for use in a patient")
    if model.generic:
        return GENERIC
    return model.maker or tr("maker not stated")


def _built_in(model: ImplantModel) -> Family:
    family = FAMILIES[model.family]
    return next(one for one in family.sizes() if one.size == model.size)


def _manifests(folder: Path, bad: list[BadFile]) -> Iterable[Path]:
    """The JSON files below a folder, by name; hidden ones and links to elsewhere are passed over."""
    if not folder.is_dir():
        raise BadInput(tr("There is no folder {folder}.").format(folder=folder))
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place, name) for name in sorted(files) if name.lower().endswith(".json") and name[0] != "."]
        if len(found) > MOST_MANIFESTS:
            message = tr("More than {count} JSON files: is this the folder of a library? The rest was passed over.")
            bad.append(BadFile(folder, message.format(count=MOST_MANIFESTS)))
            return found[:MOST_MANIFESTS]
    return found
