"""Measure on the twin, list what was measured, and write it as a table."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from surgitwin.commands.base import Arg, Bench, CaseUse, Command, Document, Work, at_once
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.labels import pick_volume
from surgitwin.commands.measured import TITLES, Measured, Structure, Task, measured
from surgitwin.commands.points import numbers_as_text, places
from surgitwin.commands.properties import named_node
from surgitwin.commands.segments import surface_of
from surgitwin.commands.vessel_nodes import find_tree, tree_of
from surgitwin.core.errors import BadInput
from surgitwin.core.ids import NodeId
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import (
    MeasurementKind,
    MeasurementNode,
    Node,
    Point,
    SegmentationNode,
    SegmentNode,
    SurfaceNode,
    VesselTreeNode,
    VolumeNode,
)
from surgitwin.scene.scene import Scene

PLACED: dict[MeasurementKind, tuple[int, int | None]] = {
    "ruler": (2, 2),
    "angle": (3, 3),
    "cobb": (4, 4),
    "curve": (2, None),
    "area": (3, None),
    "sphere": (1, 1),
    "box": (1, 1),
    "diameter": (1, 1),
    "distance": (0, 0),
}
"""How many points each kind has: at least, and at most."""


class MeasureTwin(Command):
    """Measure something and keep it; a measurement of the same name is replaced."""

    name: ClassVar[str] = "measure"
    title: ClassVar[str] = tr("Measure")
    summary: ClassVar[str] = tr("Measure a length, angle, area, image values, a vessel or a distance, and keep it.")

    kind: Annotated[
        MeasurementKind,
        Arg(
            tr(
                "ruler (2 points), angle (3, the second is its apex), cobb (4: two lines), curve and area (as many as "
                "you like), sphere and box (a centre), diameter (a place on a vessel), distance (of two structures)"
            ),
            positional=True,
        ),
    ]
    name_: Annotated[str | None, Arg(tr("what it is called; one of that name is replaced"), option="name")] = Field(
        default=None, min_length=1, max_length=200
    )
    at: Annotated[tuple[str, ...], Arg(tr("a point: x,y,z in LPS mm"), unit="mm")] = ()
    of: Annotated[
        tuple[str, ...],
        Arg(tr("a structure: segment, surface or vessel tree; of a curve or an area the one whose surface it lies on")),
    ] = ()
    on: Annotated[str | None, Arg(tr("the image whose values count; without it the first"))] = None
    radius_mm: Annotated[float | None, Arg(tr("radius of a sphere"), unit="mm")] = Field(default=None, gt=0, le=500)
    size_mm: Annotated[tuple[float, float, float] | None, Arg(tr("size of a box along x, y and z"), unit="mm")] = None
    plane: Annotated[
        Literal["3d", "axial", "coronal", "sagittal"],
        Arg(tr("measure an angle in space (3d), or as it is seen in a view")),
    ] = "3d"
    snap: Annotated[bool, Arg(tr("move the points onto the nearest surface (of --of if given)"))] = False

    _points = field_validator("at", mode="before")(numbers_as_text)

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        scene.case  # noqa: B018 - an empty case is refused in words
        points = self._checked()
        old = self._replaced(scene)
        nodes = [_structure_node(scene, name) for name in self.of]
        volume = self._image(scene, nodes, points)
        snap_nodes = (nodes or all_surfaces(scene)) if self.snap else []
        task = self._task(scene, points, nodes, snap_nodes, volume)
        name = self.name_ if self.name_ is not None else free_name(scene, self.kind)
        sided = [*nodes, *([volume] if volume is not None else [])]
        warnings = _standing(scene, sided, volume, points)

        def compute(ctx: Context) -> Measured:
            ctx.progress(0.0, tr("Measuring"))
            return measured(task, ctx)

        def commit(found: Measured) -> Document:
            used = [*nodes, *(snap_nodes[row] for row in found.snapped)]
            return self._keep(bench, old, name, found, used, volume, warnings)

        return Work(compute, commit)

    def _checked(self) -> Any:
        """The points, if they and what goes with them make such a measurement."""
        points = places(self.at, 3, tr("The point"))
        least, most = PLACED[self.kind]
        title = TITLES[self.kind]
        if len(points) < least or (most is not None and len(points) > most):
            wanted = str(least) if most == least else tr("{least} or more").format(least=least)
            message = tr("“{title}” takes {wanted} points (--at x,y,z for each), not {count}.")
            raise BadInput(message.format(title=title, wanted=wanted, count=len(points)))
        if self.kind == "sphere" and self.radius_mm is None:
            raise BadInput(tr("A sphere needs its radius: --radius-mm."))
        if self.kind == "box" and (self.size_mm is None or min(self.size_mm) <= 0):
            raise BadInput(tr("A box needs its size along x, y and z, all above 0: --size-mm."))
        counts = {"distance": 2, "diameter": 1}
        if self.kind in counts and len(self.of) != counts[self.kind]:
            message = tr("“{title}” is of {count} structures, each named with --of, not of {given}.")
            raise BadInput(message.format(title=title, count=counts[self.kind], given=len(self.of)))
        if self.kind == "curve" and len(self.of) > 1:
            raise BadInput(tr("A curve runs on one surface; name one with --of."))
        if self.kind == "area" and len(self.of) > 1 and not self.snap:
            raise BadInput(tr("An area lies on one surface; name one with --of."))
        if self.plane != "3d" and self.kind not in ("angle", "cobb"):
            raise BadInput(tr("Only angles are measured in a view; leave --plane out."))
        return points

    def _replaced(self, scene: Scene) -> MeasurementNode | None:
        if self.name_ is None:
            return None
        wanted = self.name_.casefold()
        hits = [one for one in scene.of_type(MeasurementNode) if wanted in (one.id.casefold(), one.name.casefold())]
        return scene.resolve(self.name_, MeasurementNode) if hits else None

    def _image(self, scene: Scene, nodes: list[Node], points: Any) -> VolumeNode | None:
        """The image that is measured in; for what needs no values, the one that the points or structures lie on."""
        if self.on is not None or self.kind in ("sphere", "box"):
            return pick_volume(scene, self.on)
        for node in nodes:
            segment = _segment_of(scene, node)
            if segment is not None:
                return scene.get(scene.segmentation_of(segment).volume, VolumeNode)
        images = scene.of_type(VolumeNode)
        around = [one for one in images if all(one.geometry.contains(point) for point in points)]
        return next(iter(around or images), None)

    def _task(
        self, scene: Scene, points: Any, nodes: list[Node], snap_nodes: list[Node], volume: VolumeNode | None
    ) -> Task:
        structures = tuple(frozen_structure(scene, node, self.kind == "diameter") for node in nodes)
        halves = [one.half_voxel_mm for one in structures if one.half_voxel_mm is not None]
        half = max(halves) if halves else (max(volume.geometry.spacing_mm) / 2.0 if volume is not None else None)
        valued = volume if self.kind in ("sphere", "box") else None
        return Task(
            kind=self.kind,
            points=points,
            structures=structures,
            snap_to=tuple(frozen_structure(scene, node) for node in snap_nodes),
            voxels=valued.voxels.frozen() if valued is not None else None,
            grid=valued.geometry if valued is not None else None,
            in_hu=valued is None or _in_hu(valued),
            radius_mm=self.radius_mm,
            size_mm=self.size_mm,
            plane=self.plane,
            half_voxel_mm=half,
        )

    def _keep(
        self,
        bench: Bench,
        old: MeasurementNode | None,
        name: str,
        found: Measured,
        used: list[Node],
        volume: VolumeNode | None,
        warnings: list[Notice],
    ) -> Document:
        scene = bench.scene
        unlike = [one.name for one in used if one.id not in scene or scene.node(one.id).revision != one.revision]
        if unlike:
            message = tr("“{name}” was edited meanwhile. Nothing was kept; please measure again.")
            raise BadInput(message.format(name=unlike[0]))
        # Never the image's name: it may be the patient's, and copies for sharing keep this document.
        counted = [volume] if volume is not None and self.kind in ("sphere", "box") else []
        document = {
            "kind": self.kind,
            "title": TITLES[self.kind],
            **found.document,
            "of": [one.name for one in used],
            "warnings": [notice.as_json() for notice in (*warnings, *found.notices)],
        }
        placed: tuple[Point, ...] = tuple((float(x), float(y), float(z)) for x, y, z in found.points)
        fields: dict[str, Any] = {
            "kind": self.kind,
            "points_mm": placed,
            "of": tuple(dict.fromkeys(one.id for one in used)),
            "volume": volume.id if volume is not None else None,
            "radius_mm": self.radius_mm if self.kind == "sphere" else None,
            "size_mm": self.size_mm if self.kind == "box" else None,
            "plane": self.plane,
            "document": document,
            "provenance": provenance(bench, f"measure {self.kind}", [*used, *counted], snapped=self.snap),
        }
        title = tr("Measure again: {name}") if old is not None else tr("Measure: {name}")
        shown = old.name if old is not None else name
        with bench.transaction(title.format(name=shown)) as tx:
            if old is not None and old.id in scene:
                tx.set(old.id, **fields)
                kept: NodeId = old.id
            else:
                kept = tx.add(MeasurementNode(name=name, parent=scene.case.id, **fields)).id
        return measurement_document(scene, scene.expect(kept, MeasurementNode))


def measurement_document(scene: Scene, node: MeasurementNode) -> Document:
    """What is known of a kept measurement, and whether it still holds."""
    image = scene.get(node.volume, VolumeNode)
    return {
        "node": describe(node),
        "name": node.name,
        "stale": scene.is_stale(node),
        "points_mm": [list(point) for point in node.points_mm],
        "radius_mm": node.radius_mm,
        "size_mm": list(node.size_mm) if node.size_mm is not None else None,
        "on": image.name if image is not None else None,
        **(node.document or {"kind": node.kind}),
    }


def free_name(scene: Scene, kind: MeasurementKind) -> str:
    """The kind's title with the first number that is free."""
    taken = {node.name for node in scene}
    number = 1
    while f"{TITLES[kind]} {number}" in taken:
        number += 1
    return f"{TITLES[kind]} {number}"


def _structure_node(scene: Scene, name: str) -> Node:
    """The segment, surface or vessel tree that a person named."""
    node = named_node(scene, name)
    if not isinstance(node, SegmentNode | SurfaceNode | VesselTreeNode):
        message = tr("“{name}” is no segment, surface or vessel tree, so it cannot be measured on.")
        raise BadInput(message.format(name=node.name))
    return node


def _segment_of(scene: Scene, node: Node) -> SegmentNode | None:
    if isinstance(node, SegmentNode):
        return node
    if isinstance(node, SurfaceNode | VesselTreeNode):
        return scene.get(node.segment, SegmentNode)
    return None


def all_surfaces(scene: Scene) -> list[Node]:
    """Every surface that is not out of date, to snap to.

    Raises
    ------
    BadInput
        If there is none.
    """
    found: list[Node] = [
        one for one in scene.of_type(SurfaceNode) if not scene.is_stale(one) and len(one.triangles.read())
    ]
    if not found:
        raise BadInput(tr("There is no surface to snap to. Name a segment with --of, or make surfaces first."))
    return found


def frozen_structure(scene: Scene, node: Node, wants_tree: bool = False) -> Structure:
    """A structure with its current surface; a segment whose surface is stale has it made anew for this."""
    tree = tree_of(find_tree(scene, node.id)) if wants_tree and not isinstance(node, SurfaceNode) else None
    segment = _segment_of(scene, node)
    if wants_tree and tree is None:
        message = tr("“{name}” has no centre line. Name a vessel tree or the segment of one.")
        raise BadInput(message.format(name=node.name))
    surface = node if isinstance(node, SurfaceNode) else surface_of(scene, segment) if segment is not None else None
    mesh = None
    if surface is not None and not scene.is_stale(surface):
        mesh = Mesh(surface.points.frozen(), surface.triangles.frozen())
    if segment is None:
        return Structure(node.name, mesh, tree=tree)
    segmentation = scene.segmentation_of(segment)
    labels = scene.layer_of(segment).labels.frozen() if mesh is None else None
    return Structure(node.name, mesh, labels, segment.value, segmentation.geometry, tree)


def _in_hu(volume: VolumeNode) -> bool:
    return volume.unit == "HU" or not volume.identity.modality


def _standing(scene: Scene, sided: list[Node], volume: VolumeNode | None, points: Any) -> list[Notice]:
    """What must be said whatever was measured."""
    found: list[Notice] = []
    unsure = [node for node in sided if not getattr(node, "side_known", True)]
    unsure += [
        node
        for node in sided
        if isinstance(node, SegmentNode) and not scene.expect(node.parent, SegmentationNode).side_known  # type: ignore[arg-type]
    ]
    if unsure:
        message = tr("Left and right were not confirmed: which side was measured on is unknown.")
        found.append(Notice("side-unknown", message))
    if volume is not None and len(points) and not all(volume.geometry.contains(point) for point in points):
        found.append(Notice("point-outside-image", tr("A point lies outside the image.")))
    return found


class ListMeasurements(Command):
    """List every measurement and, if wished, write them and the volumes of segments as tables."""

    name: ClassVar[str] = "measurements"
    title: ClassVar[str] = tr("List measurements")
    summary: ClassVar[str] = tr(
        "Every measurement with its value, unit and points; --csv and --volumes-csv write tables."
    )
    case: ClassVar[CaseUse] = "read"

    csv: Annotated[Path | None, Arg(tr("a CSV file to write the measurements to"))] = None
    volumes_csv: Annotated[Path | None, Arg(tr("a CSV file to write the volumes of all segments to"))] = None
    overwrite: Annotated[bool, Arg(tr("replace a file that exists"))] = False

    def start(self, bench: Bench) -> Work[Any]:
        from surgitwin.commands.look import ShowStatistics
        from surgitwin.commands.mesh_files import check_target

        for path in (self.csv, self.volumes_csv):
            if path is not None:
                check_target(path, (".csv",), self.overwrite)
        scene = bench.scene
        found = [measurement_document(scene, node) for node in scene.of_type(MeasurementNode)]
        if self.volumes_csv is None and self.csv is None:
            return at_once(lambda: _listed(found, []))
        volumes = ShowStatistics().start(bench) if self.volumes_csv is not None else None

        def compute(ctx: Context) -> Document:
            files = []
            if self.csv is not None:
                write_table(self.csv, MEASUREMENT_COLUMNS, [measurement_row(one) for one in found])
                files.append(str(self.csv))
            document = _listed(found, files)
            if volumes is not None and self.volumes_csv is not None:
                counted = volumes.compute(ctx)
                write_table(self.volumes_csv, VOLUME_COLUMNS, [volume_row(one) for one in counted["segments"]])
                files.append(str(self.volumes_csv))
                document["warnings"] = counted["warnings"]
            return document

        return Work(compute, lambda document: document)


def _listed(found: list[Document], files: list[str]) -> Document:
    return {"measurements": found, "files": files, "warnings": []}


MEASUREMENT_COLUMNS = ("name", "kind", "value", "unit", "uncertainty", "how", "of", "stale", "points_mm", "warnings")
VOLUME_COLUMNS = ("name", "voxels", "volume_ml", "surface_volume_ml", "area_mm2", "cut_off", "status")


def measurement_row(document: Document) -> list[Any]:
    """One line of the table; points as ``x y z; x y z``, what was not assessed empty."""
    points = "; ".join(" ".join(f"{value:.2f}" for value in point) for point in document["points_mm"])
    warnings = " ".join(warning["message"] for warning in document.get("warnings", []))
    value, spread = (_rounded(document.get(key)) for key in ("value", "uncertainty"))
    return [document["name"], document["kind"], value, document.get("unit", ""), spread, document.get("how", ""),
            "; ".join(document.get("of", [])), document["stale"], points, warnings]  # fmt: skip


def volume_row(entry: Document) -> list[Any]:
    return [_rounded(entry.get(key)) if isinstance(entry.get(key), float) else entry.get(key) for key in VOLUME_COLUMNS]


def _rounded(value: Any) -> Any:
    return "" if value is None or not np.isfinite(value) else f"{value:.3f}"


def table_text(columns: tuple[str, ...], rows: list[list[Any]]) -> str:
    """CSV with a header; text that a spreadsheet would take for a formula is made plain."""
    import io

    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_plain(cell) for cell in row])
    return target.getvalue()


def _plain(cell: Any) -> Any:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    formula = isinstance(cell, str) and (cell[:1] in ("=", "@", "+") or (cell[:1] == "-" and cell[1:2].isalpha()))
    if formula:
        return "'" + cell
    return cell


def write_table(path: Path, columns: tuple[str, ...], rows: list[list[Any]]) -> None:
    from surgitwin.exchange.atomic import write_atomically

    data = table_text(columns, rows).encode("utf-8-sig")

    def write(temporary: Path) -> None:
        temporary.write_bytes(data)

    write_atomically(path, write)
