"""The cuts of a plan as people and scripts give them: planes, files, territories, margins, standard operations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from surgitwin.commands.vessel_nodes import trees_of
from surgitwin.core.errors import BadInput
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.scene.nodes import (
    BranchesModel,
    CurveModel,
    CutModel,
    PlaneModel,
    SegmentNode,
    TerritoriesNode,
    VesselTreeNode,
)
from surgitwin.scene.scene import Scene

Fate = Literal["keep", "remove"]
MIDDLE_VEIN = "middle hepatic vein"
BESIDE_MM = 1.0  # how far from a surface the point is that says which side goes


def parse_plane(text: str) -> PlaneModel:
    """Read ``px,py,pz,nx,ny,nz``.

    Raises
    ------
    BadInput
        If it is not six numbers, or the normal has no length.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 6 or not all(math.isfinite(number) for number in numbers):
        message = tr("A plane is six numbers px,py,pz,nx,ny,nz (a point in LPS mm and the normal), not “{text}”.")
        raise BadInput(message.format(text=text))
    if not any(numbers[3:]):
        raise BadInput(tr("The plane {text} has a normal without length.").format(text=text))
    px, py, pz, nx, ny, nz = numbers
    return PlaneModel(point_mm=(px, py, pz), normal=(nx, ny, nz))


def format_plane(plane: PlaneModel) -> str:
    """The text that `parse_plane` reads, without loss."""
    return ",".join(repr(float(number)) for number in (*plane.point_mm, *plane.normal))


def parse_cut(text: str) -> CutModel:
    """Read a cut as the case holds it, JSON with the fields of `CutModel`.

    Raises
    ------
    BadInput
        Naming the first field that does not fit.
    """
    try:
        return CutModel.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or tr("the JSON")
        message = tr("A cut does not read as one: {where}, {why}.")
        raise BadInput(message.format(where=where, why=str(first["msg"]).lower())) from None


def format_cut(cut: CutModel) -> str:
    """The text that `parse_cut` reads, without loss; what was not said is left out."""
    return cut.model_dump_json(exclude_defaults=True)


def read_surface(path: Path) -> CutModel:
    """Read a cut-surface file: a Bézier patch or a drawn curve.

    Raises
    ------
    BadInput
        If the file is missing or says neither.
    """
    from surgitwin.resection.surface_files import read_surface_file

    found = read_surface_file(path)
    if found.patch is not None:
        points = found.patch.control_points_mm
        return CutModel(
            kind="patch",
            name=path.stem,
            control_points_mm=tuple(tuple(_point(point) for point in row) for row in points),
            remove_point_mm=found.remove_point_mm,
        )
    assert found.curve is not None
    curve = found.curve
    drawn = CurveModel(
        points_mm=tuple(_point(point) for point in curve.points_mm),
        closed=curve.closed,
        direction=_point(curve.direction),
        depth_mm=curve.depth_mm,
    )
    return CutModel(kind="curve", name=path.stem, curve=drawn, remove_point_mm=found.remove_point_mm)


def _point(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def margin_cut(scene: Scene, organ: SegmentNode, text: str) -> CutModel:
    """Read ``LESION:MM``: a wedge around a lesion.

    Raises
    ------
    BadInput
        If it is not a lesion's name and a distance of at least 0 mm, or the lesion lies on another image.
    """
    name, _, number = text.rpartition(":")
    try:
        margin = float(number)
    except ValueError:
        margin = math.nan
    if not name or not math.isfinite(margin) or not 0 <= margin <= 500:
        message = tr("A margin is a lesion and millimetres from 0 to 500, such as “Tumour 1:10”, not “{text}”.")
        raise BadInput(message.format(text=text))
    lesion = scene.resolve(name, SegmentNode)
    _same_image(organ, lesion)
    return CutModel(kind="wedge", name=tr("Wedge: {name}").format(name=lesion.name), lesion=lesion.id, margin_mm=margin)


def territories_cut(scene: Scene, organ: SegmentNode, text: str) -> CutModel:
    """Read territories or branches that go, with commas between them.

    Each is the name or id of a territory (or of any other segment on the organ's image), a Couinaud segment such as
    ``5`` that a territory is named for, or a named branch of a vessel tree: then what it feeds goes.

    Raises
    ------
    BadInput
        If one is neither.
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise BadInput(tr("Name the territories to remove, with commas between them, such as “Couinaud 5,Couinaud 8”."))
    segments: dict[NodeId, None] = {}
    branches: dict[BranchesModel, None] = {}
    for name in names:
        own = _territories_called(scene, organ, name)
        if own:
            segments.update(dict.fromkeys(own))
            continue
        found = _branches_called(scene, organ, name)
        if not found:
            message = tr(
                "There is neither a territory nor a branch “{name}” on the image of “{organ}”. There are: {known}."
            )
            known = ", ".join(f"“{known}”" for known in _known(scene, organ)) or tr("none")
            raise BadInput(message.format(name=name, organ=organ.name, known=known))
        branches.update(dict.fromkeys(found))
    return CutModel(kind="territories", name=", ".join(names), territories=tuple(segments), branches=tuple(branches))


def hepatectomy_cut(
    scene: Scene, organ: SegmentNode, word: str, segment_1: Fate | None, middle_vein: Fate | None
) -> tuple[CutModel, str]:
    """A standard hepatectomy: the cut, and what published limits call the operation.

    Raises
    ------
    BadInput
        If there is no such operation, a segment has no territory, or it was not said what happens to segment 1 or to
        the middle hepatic vein.
    """
    from surgitwin.resection.hepatectomies import couinaud_of, hepatectomy, notation, territories_for

    operation = hepatectomy(word)
    if segment_1 is None:
        message = tr("Say whether segment 1 stays or goes with the {name}: --segment-1 keep, or --segment-1 remove.")
        raise BadInput(message.format(name=operation.name.lower()))
    if operation.along_middle_vein and middle_vein is None:
        message = tr(
            "Say whether the middle hepatic vein stays or goes with the {name}: --middle-hepatic-vein keep, or"
            " --middle-hepatic-vein remove."
        )
        raise BadInput(message.format(name=operation.name.lower()))
    available = {
        segment.id: number
        for segment in territory_segments(scene, organ)
        if (number := couinaud_of(segment.name)) is not None
    }
    if not available:
        message = tr(
            "“{organ}” has no territories named for Couinaud segments. Make them first: territories CASE --organ"
            " “{organ}” --vessels PORTAL."
        )
        raise BadInput(message.format(organ=organ.name))
    segments = (*(("1",) if segment_1 == "remove" else ()), *operation.segments)
    vein = _middle_vein(scene, organ) if operation.along_middle_vein else ()
    if middle_vein == "remove" and operation.along_middle_vein and not vein:
        raise BadInput(
            tr("There is no branch “Middle hepatic vein” to remove. Name it in the tree of the hepatic veins first.")
        )
    short = notation(segments, middle_vein == "remove" and operation.along_middle_vein)
    cut = CutModel(
        kind="territories",
        name=f"{operation.name} ({short})",
        territories=territories_for(segments, available),
        veins_taken=vein if middle_vein == "remove" else (),
        veins_spared=vein if middle_vein == "keep" else (),
    )
    return cut, operation.operation


def territory_segments(scene: Scene, organ: SegmentNode) -> list[SegmentNode]:
    """The territories of an organ: those of its latest division by the portal vein, or any that lie on its image."""
    divisions = [node for node in scene.of_type(TerritoriesNode) if node.organ == organ.id]
    portal = [node for node in divisions if _system(scene, node) == "portal"] or divisions
    if portal:
        ids = portal[-1].territories
        return [segment for one in ids if (segment := scene.get(one, SegmentNode)) is not None]
    return [s for s in scene.of_type(SegmentNode) if s.kind == "territory" and s.parent == organ.parent]


def _system(scene: Scene, node: TerritoriesNode) -> str:
    tree = scene.get(node.tree, VesselTreeNode)
    return tree.system if tree is not None else ""


def _territories_called(scene: Scene, organ: SegmentNode, name: str) -> list[NodeId]:
    """Territories of this name or Couinaud number, else another segment of this name on the organ's image."""
    from surgitwin.resection.hepatectomies import couinaud_of

    territories = territory_segments(scene, organ)
    folded = name.casefold()
    named = [s.id for s in territories if folded in (s.name.casefold(), s.id.casefold())]
    if named:
        return named
    number = couinaud_of(f"Couinaud {name}") or couinaud_of(name)
    if number is not None:
        wanted = (number, "4a", "4b") if number == "4" else (number,)
        numbered = [s.id for s in territories if couinaud_of(s.name) in wanted]
        if numbered:
            return numbered
    others = [s for s in scene.of_type(SegmentNode) if s.parent == organ.parent and s.id != organ.id]
    if any(folded in (s.name.casefold(), s.id.casefold()) for s in others):
        segment = scene.resolve(name, SegmentNode)
        _same_image(organ, segment)
        return [segment.id]
    return []


def _branches_called(scene: Scene, organ: SegmentNode, name: str) -> list[BranchesModel]:
    """The topmost branches of this name in the organ's vessel trees."""
    folded = name.casefold()
    return [
        BranchesModel(tree=node.id, branch=branch.id)
        for node in trees_of(scene, organ)
        for branch in node.branches
        if branch.name.casefold() == folded
    ]


def _middle_vein(scene: Scene, organ: SegmentNode) -> tuple[BranchesModel, ...]:
    return tuple(_branches_called(scene, organ, MIDDLE_VEIN))


def _known(scene: Scene, organ: SegmentNode) -> list[str]:
    territories = [segment.name for segment in territory_segments(scene, organ)]
    names = [branch.name for node in trees_of(scene, organ) for branch in node.branches if branch.name]
    return list(dict.fromkeys([*territories, *names]))[:30]


def _same_image(organ: SegmentNode, other: SegmentNode) -> None:
    if other.parent != organ.parent:
        message = tr("“{other}” lies on another image than “{organ}”. Bring both onto one grid first.")
        raise BadInput(message.format(other=other.name, organ=organ.name))
    if other.id == organ.id:
        raise BadInput(tr("“{organ}” is the organ itself: name a part of it.").format(organ=organ.name))


def named_branches(scene: Scene, organ: SegmentNode) -> list[tuple[str, str]]:
    """The named branches of the organ's vessel trees: what to call each, and a key for `cut_of_keys`."""
    return [
        (branch.name, f"{node.id}#{branch.id}")
        for node in trees_of(scene, organ)
        for branch in node.branches
        if branch.name
    ]


def cut_of_keys(scene: Scene, organ: SegmentNode, keys: Sequence[str]) -> CutModel:
    """The cut that takes these territories (by id) and what these branches feed (keys of `named_branches`)."""
    segments: list[NodeId] = []
    branches: list[BranchesModel] = []
    names: list[str] = []
    for key in keys:
        tree, _, branch = key.partition("#")
        if branch:
            node = scene.expect(NodeId(tree), VesselTreeNode)
            names.append(next((b.name for b in node.branches if b.id == int(branch)), ""))
            branches.append(BranchesModel(tree=node.id, branch=int(branch)))
        else:
            segment = scene.expect(NodeId(tree), SegmentNode)
            _same_image(organ, segment)
            names.append(segment.name)
            segments.append(segment.id)
    return CutModel(kind="territories", name=", ".join(names), territories=tuple(segments), branches=tuple(branches))


def flipped(cut: CutModel) -> CutModel | None:
    """The cut with its other side to remove; None for a kind, or several planes, that have no other side."""
    if cut.kind == "planes" and len(cut.planes) == 1:
        (x, y, z), point = cut.planes[0].normal, cut.planes[0].point_mm
        return cut.model_copy(update={"planes": (PlaneModel(point_mm=point, normal=(-x, -y, -z)),)})
    if cut.remove_point_mm is None:
        return None
    given = np.asarray(cut.remove_point_mm)
    if cut.kind == "patch":
        places, normals = _patch_normals(cut)
    elif cut.kind == "curve" and cut.curve is not None and cut.curve.direction is not None:
        line = np.asarray(cut.curve.points_mm)
        way = np.asarray(cut.curve.direction)
        places = (line[:-1] + line[1:]) / 2
        places = places + ((given - places) @ way)[:, None] * way
        normals = np.cross(way, np.diff(line, axis=0))
    else:
        return None
    nearest = int(np.argmin(np.linalg.norm(places - given, axis=1)))
    normal = normals[nearest] / max(float(np.linalg.norm(normals[nearest])), 1e-12)
    side = 1.0 if float((given - places[nearest]) @ normal) >= 0 else -1.0
    return cut.model_copy(update={"remove_point_mm": _point(places[nearest] - side * BESIDE_MM * normal)})


def _patch_normals(cut: CutModel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places all over a patch and its normals there, (n, 3) each."""
    from surgitwin.resection.bezier import BezierPatch

    patch = BezierPatch.of(cut.control_points_mm)
    t = np.linspace(0.0, 1.0, 41)
    by_u, by_v = patch.slopes(t, t)
    return patch.at(t, t).reshape(-1, 3), np.cross(by_u, by_v).reshape(-1, 3)
