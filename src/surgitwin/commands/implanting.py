"""Implants: what the library holds, and putting one on the twin, moving it, exchanging it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from surgitwin.commands.base import Arg, Bench, CaseUse, Command, Document, Work
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.points import place
from surgitwin.core.errors import Ambiguous, BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import (
    ImplantModel,
    ImplantNode,
    LandmarkNode,
    Node,
    SegmentNode,
    SurfaceNode,
    VolumeNode,
)
from surgitwin.scene.scene import Scene

FloatArray = NDArray[np.float64]
_FILES = (".stl", ".obj", ".ply", ".vtp", ".json")


class ListImplants(Command):
    """List the implants that are built in and those of folders, with what is broken in these."""

    name: ClassVar[str] = "implants"
    title: ClassVar[str] = tr("Implant library")
    summary: ClassVar[str] = tr("List the implant library; --folder adds one, and broken files are told with a reason.")
    case: ClassVar[CaseUse] = "none"

    folder: Annotated[tuple[Path, ...], Arg(tr("a folder of manifests (JSON) and meshes"))] = ()
    family: Annotated[str | None, Arg(tr("only this family"))] = None

    def start(self, bench: Bench) -> Work[Any]:
        from surgitwin.implants.library import open_library

        def commit(library: Any) -> Document:
            items = library.items if self.family is None else library.of_family(self.family)
            if not items:
                message = tr("The library has no family “{name}”. Families: {known}.")
                raise BadInput(message.format(name=self.family, known=", ".join(library.families)))
            return {
                "items": [item_document(item.model) for item in items],
                "bad": [{"file": str(bad.file), "reason": bad.reason} for bad in library.bad],
                "warnings": [
                    {"code": "bad-implant", "message": bad.reason, "details": {"file": bad.file.name}}
                    for bad in library.bad
                ],
            }

        return Work(lambda ctx: open_library(self.folder, ctx), commit)


def item_document(item: ImplantModel) -> Document:
    """An implant as the documents describe it."""
    from surgitwin.implants.library import maker_text

    return {
        "id": item.id,
        "family": item.family,
        "size": item.size,
        "kind": item.kind,
        "name": item.name,
        "maker": maker_text(item),
        "material": item.material or None,
        "licence": item.licence or None,
        "dimensions_mm": dict(item.dimensions_mm),
        "axes": {name: list(axis) for name, axis in item.axes.items()},
        "reference_points_mm": {name: list(point) for name, point in item.reference_points_mm.items()},
        "generic": item.generic,
        "patient_specific": item.patient_specific,
        "note": item.note or None,
    }


@dataclass(frozen=True, eq=False)
class _Put:
    """An implant where it is to be."""

    item: ImplantModel
    mesh: Mesh
    pose: FloatArray
    mirrored: bool
    notices: tuple[Notice, ...]


class PlaceImplant(Command):
    """Put an implant on the twin, or move, turn, mirror or exchange one that is there."""

    name: ClassVar[str] = "implant"
    title: ClassVar[str] = tr("Place an implant")
    summary: ClassVar[str] = tr("Place an implant of the library or of a file, or move, turn or exchange one.")

    item: Annotated[
        str,
        Arg(
            tr("FAMILY/SIZE, a family with --set, a mesh or manifest file, or an implant of the case"), positional=True
        ),
    ] = Field(min_length=1)
    name_: Annotated[
        str | None,
        Arg(tr("its name in the case; an implant that has it is exchanged and stays in place"), option="name"),
    ] = Field(default=None, min_length=1, max_length=200)
    settings: Annotated[
        dict[str, Any], Arg(tr("a dimension of a built-in one, such as diameter_mm=6"), option="set")
    ] = Field(default_factory=dict)
    folder: Annotated[tuple[Path, ...], Arg(tr("a folder of manifests (JSON) and meshes"))] = ()
    unit: Annotated[str | None, Arg(tr("of a mesh file: mm, cm, m, um or inch"))] = None
    pose: Annotated[Path | None, Arg(tr('a JSON file {"matrix": 4 rows of 4}: LPS mm = matrix @ implant mm'))] = None
    matrix: Annotated[tuple[float, ...] | None, Arg(tr("the same 16 numbers, row by row"))] = None
    at: Annotated[str | None, Arg(tr("where its entry or centre goes: x,y,z in LPS mm"))] = None
    along: Annotated[str | None, Arg(tr("where its main axis points: x,y,z in LPS"))] = None
    move: Annotated[str | None, Arg(tr("move it by x,y,z"), unit="mm")] = None
    slide: Annotated[float, Arg(tr("move it along --axis"), unit="mm")] = 0.0
    turn: Annotated[float, Arg(tr("turn it about --axis through its entry or centre"), option="turn-deg", unit="°")] = (
        0.0
    )
    axis: Annotated[str, Arg(tr("an axis of its own: main, out, side, neck"))] = "main"
    mirrored: Annotated[bool | None, Arg(tr("use the mirror image of the library's mesh"))] = None
    across: Annotated[
        str | None,
        Arg(tr("carry it to the other side: “image” (its middle plane), or three landmarks with commas between them")),
    ] = None
    onto: Annotated[str | None, Arg(tr("the segment or surface that it is fitted to"))] = None
    snap: Annotated[bool, Arg(tr("lay it on the place of that surface nearest to it, along the normal"))] = False
    pose_out: Annotated[Path | None, Arg(tr("write its pose to this JSON file"))] = None

    @field_validator("at", "along", "move", mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        """Scripts may give three numbers."""
        value = value.tolist() if hasattr(value, "tolist") else value
        return ",".join(repr(float(v)) for v in value) if isinstance(value, list | tuple) else value

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        there = self._there(scene)
        moves = there is not None and there == _implant_named(scene, self.item)
        if moves and (self.settings or self.unit or self.folder):
            message = tr("“{name}” is in the case already; to change its size name a library item and --name {name}.")
            raise BadInput(message.format(name=self.item))
        onto = self._onto(scene, there)
        plane = self._plane(scene)
        surface = surface_source(scene, onto) if self.snap else None
        if self.snap and onto is None:
            raise BadInput(tr("Say which surface to lay it on: --onto SEGMENT."))
        given = self._given()

        def compute(ctx: Context) -> _Put:
            ctx.progress(0.1, tr("Reading the implant"))
            found = _kept(there) if moves and there is not None else self._found(ctx)
            return self._put(found, there, given, plane, surface(ctx) if surface is not None else None)

        def commit(put: _Put) -> Document:
            return self._keep(bench, there, onto, put)

        return Work(compute, commit)

    # ---- what is meant -----------------------------------------------------------------------------------------

    def _there(self, scene: Scene) -> ImplantNode | None:
        """The implant of the case that is meant: by ``item`` if nothing else has that name, or by ``--name``."""
        named = _implant_named(scene, self.item)
        if named is not None:
            if self.name_ is not None:
                raise BadInput(tr("To rename an implant use: edit CASE “{name}” --rename.").format(name=named.name))
            return named
        return _implant_named(scene, self.name_) if self.name_ is not None else None

    def _onto(self, scene: Scene, there: ImplantNode | None) -> Node | None:
        if self.onto is None:
            return scene.get(there.onto, Node) if there is not None and there.onto is not None else None
        return fitted_to(scene, self.onto)

    def _plane(self, scene: Scene) -> tuple[FloatArray, FloatArray] | None:
        from surgitwin.implants.placement import plane_through

        if self.across is None:
            return None
        if self.across == "image":
            volumes = scene.of_type(VolumeNode)
            if not volumes:
                raise BadInput(tr("There is no image whose middle plane could be mirrored across."))
            return volumes[0].geometry.centre_mm, np.array([1.0, 0.0, 0.0])
        names = [name.strip() for name in self.across.split(",") if name.strip()]
        return plane_through([scene.resolve(name, LandmarkNode).position_mm for name in names])

    def _given(self) -> FloatArray | None:
        """The pose that was given as a matrix."""
        from surgitwin.implants.poses import rigid

        if self.pose is not None:
            return read_pose(self.pose)
        return rigid(self.matrix) if self.matrix is not None else None

    def _found(self, ctx: Context) -> _Put:
        from surgitwin.implants.library import from_file, made_to_measure, open_library, simplified

        path = Path(self.item)
        if path.suffix.lower() in _FILES:
            if self.settings:
                raise BadInput(tr("--set changes built-in implants, not a file."))
            described = from_file(path, self.unit)
            return _Put(described.model, described.mesh, np.eye(4), False, described.notices)
        if self.unit is not None:
            raise BadInput(tr("--unit is for a mesh file; the manifest of a library states its own."))
        if self.settings:
            model, mesh = made_to_measure(self.item, self.settings)
            return _Put(model, mesh, np.eye(4), False, simplified(model))
        described = open_library(self.folder, ctx).find(self.item).described()
        return _Put(described.model, described.mesh, np.eye(4), False, described.notices)

    # ---- where it goes -----------------------------------------------------------------------------------------

    def _put(
        self,
        found: _Put,
        there: ImplantNode | None,
        given: FloatArray | None,
        plane: tuple[FloatArray, FloatArray] | None,
        surface: Mesh | None,
    ) -> _Put:
        from surgitwin.implants import placement
        from surgitwin.implants.poses import moved

        item, mesh, now = found.item, found.mesh, found.mirrored
        wanted = self.mirrored if self.mirrored is not None else there.mirrored if there is not None else False
        if plane is not None:
            wanted = not wanted
        if wanted != now:
            item, mesh = placement.mirrored_model(item), placement.mirrored_mesh(mesh)
        pose = found.pose
        if there is not None and found.item != there.item:  # another size in the same place
            old = placement.pose_of(there)
            pose = placement.held_at(item, old, moved(placement.anchor(there.item), old))
        if given is not None:
            pose = given
        if plane is not None:
            pose = placement.on_other_side(pose, *plane)
        if self.along is not None:
            at = moved(placement.anchor(item), pose) if self.at is None else place(self.at, tr("The place"))
            pose = placement.aimed(item, at, place(self.along, tr("The direction")))
        elif self.at is not None:
            pose = placement.held_at(item, pose, place(self.at, tr("The place")))
        if self.move is not None:
            pose = placement.shifted(pose, place(self.move, tr("The move")))
        if surface is not None:
            pose = placement.snapped(item, pose, surface)
        if self.slide:
            pose = placement.slid(item, pose, self.slide, self.axis)
        if self.turn:
            pose = placement.turned(item, pose, self.turn, self.axis)
        return _Put(item, mesh, pose, wanted, found.notices)

    def _keep(self, bench: Bench, there: ImplantNode | None, onto: Node | None, put: _Put) -> Document:
        from surgitwin.implants.placement import as_matrix

        scene = bench.scene
        if there is not None and (there.id not in scene or scene.node(there.id).revision != there.revision):
            raise BadInput(tr("The implant was changed meanwhile. Nothing was kept; please do it again."))
        made_from = provenance(bench, "implant", [], item=put.item.id)
        fields: dict[str, Any] = {
            "item": put.item,
            "matrix": as_matrix(put.pose),
            "mirrored": put.mirrored,
            "onto": onto.id if onto is not None else None,
            "notices": put.notices,
        }
        arrays = {"points": ArrayData.of(put.mesh.points), "triangles": ArrayData.of(put.mesh.triangles)}
        if there is None:
            name = self.name_ or free_implant_name(scene, f"{put.item.name} {put.item.size}".strip())
            node = ImplantNode(name=name, parent=scene.case.id, provenance=made_from, **fields, **arrays)
            with bench.transaction(tr("Place {name}").format(name=name)) as tx:
                tx.add(node)
            kept = node.id
        else:
            kept = there.id
            same_mesh = there.item == put.item and there.mirrored == put.mirrored
            what = tr("Move {name}") if same_mesh else tr("Exchange {name}")
            with bench.transaction(what.format(name=there.name)) as tx:
                tx.set(kept, **fields, **({} if same_mesh else arrays | {"provenance": made_from}))
        document = implant_document(scene, scene.expect(kept, ImplantNode))
        if self.across == "image":
            message = tr(
                "Mirrored across the middle of the image, which need not be the patient's: check the place, or mirror "
                "across three landmarks."
            )
            document["warnings"].append(Notice("mirror-plane-image", message).as_json())
        if self.pose_out is not None:
            write_pose(self.pose_out, put.pose)
            document["pose_file"] = str(self.pose_out)
        return document


def implant_document(scene: Scene, node: ImplantNode) -> Document:
    """What the implant command prints."""
    from surgitwin.implants.placement import anchor, axis_of, own_mesh, pose_of
    from surgitwin.implants.poses import moved

    pose, mesh = pose_of(node), own_mesh(node)
    onto = scene.get(node.onto, Node) if node.onto is not None else None
    main = pose[:3, :3] @ axis_of(node.item) if "main" in node.item.axes else None
    return {
        "node": describe(node),
        "item": item_document(node.item),
        "mirrored": node.mirrored,
        "matrix": pose.tolist(),
        "at_mm": moved(anchor(node.item), pose).tolist(),
        "main_lps": main.tolist() if main is not None else None,
        "onto": describe(onto) if onto is not None else None,
        "volume_ml": mesh.volume_ml,
        "triangles": len(mesh.triangles),
        "warnings": [notice.as_json() for notice in node.notices],
    }


def fitted_to(scene: Scene, name: str) -> SegmentNode | SurfaceNode:
    """The segment, or the surface from a file, of this name or id.

    Raises
    ------
    BadInput
        If there is none, or the name is of something else.
    """
    surfaces = [one for one in scene.of_type(SurfaceNode) if one.segment is None]
    for one in surfaces:
        if name == one.id or name.casefold() == one.name.casefold():
            return one
    return scene.resolve(name, SegmentNode)


def surface_source(scene: Scene, onto: Node | None) -> Callable[[Context], Mesh]:
    """Freezes what an implant is laid on; the function that it returns makes its mesh.

    Raises
    ------
    BadInput
        If it is neither a segment nor a surface.
    """
    from surgitwin.commands.sharing import freeze_segments, meshes_of

    if isinstance(onto, SegmentNode):
        frozen = freeze_segments(scene, [onto])
        return lambda ctx: meshes_of(frozen, ctx)[0].mesh
    if isinstance(onto, SurfaceNode):
        mesh = Mesh(onto.points.frozen(), onto.triangles.frozen())
        return lambda ctx: mesh
    raise BadInput(tr("Say which surface to lay it on: --onto SEGMENT."))


def _implant_named(scene: Scene, name: str) -> ImplantNode | None:
    """The implant of this name or id; None if there is none."""
    try:
        return scene.resolve(name, ImplantNode)
    except Ambiguous:
        raise
    except BadInput:
        return None


def _kept(there: ImplantNode) -> _Put:
    from surgitwin.implants.placement import own_mesh, pose_of

    return _Put(there.item, own_mesh(there), pose_of(there), there.mirrored, there.notices)


def free_implant_name(scene: Scene, wanted: str) -> str:
    """The name, with a number behind it where an implant has it already."""
    taken = {node.name.casefold() for node in scene.of_type(ImplantNode)}
    name, number = wanted, 2
    while name.casefold() in taken:
        name, number = f"{wanted} ({number})", number + 1
    return name


def read_pose(path: Path) -> FloatArray:
    """A pose from a file.

    Raises
    ------
    BadInput
        If it cannot be read, or its matrix is no rotation and translation.
    """
    from surgitwin.implants.poses import rigid

    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = tr("{file} cannot be read: {cause}.")
        raise BadInput(message.format(file=path.name, cause=error.strerror or error)) from None
    except (ValueError, RecursionError):
        raise BadInput(tr("{file} is not valid JSON.").format(file=path.name)) from None
    if not isinstance(loaded, dict) or "matrix" not in loaded:
        message = tr("{file} is no pose: it should be a JSON object with “matrix”, four rows of four numbers.")
        raise BadInput(message.format(file=path.name))
    return rigid(loaded["matrix"], path.name)


def write_pose(path: Path, pose: FloatArray) -> None:
    """The file that ``implant --pose`` reads."""
    from surgitwin.exchange.atomic import write_atomically

    text = json.dumps({"matrix": pose.tolist()}, indent=1) + "\n"

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write)
