"""What the HTML viewer shows of a case: its surfaces by kind, measurements, plans with their numbers, and results."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from surgitwin import __version__
from surgitwin.commands.plan_parts import freeze_plan, lesions_in
from surgitwin.commands.viewer_results import (
    badges,
    fit_entry,
    measurement_entry,
    plan_entry,
    simulation_entry,
    vouched,
)
from surgitwin.commands.viewer_words import GROUPS, WORDS
from surgitwin.core.anonymous import without_file_names
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.exchange.mesh_out import MeshItem
from surgitwin.exchange.report_content import Status
from surgitwin.scene.nodes import (
    FitNode,
    ImplantNode,
    MeasurementNode,
    PlanNode,
    SegmentNode,
    SimulationNode,
    SurfaceNode,
    VolumeNode,
)
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.commands.mesh_files import NamedMesh

Document = dict[str, Any]
REMOVED_COLOR = (255, 95, 162)
GLASS = 0.45
HIDDEN_KINDS = ("territory", "body")


def plan_meshes(scene: Scene, plan: PlanNode, ctx: Context) -> list[tuple[str, Mesh]]:
    """The surfaces of what goes and of what stays; none of a plan that is stale, which would show another cut.

    Raises
    ------
    BadInput
        If a cut cannot be made.
    """
    import numpy as np

    from surgitwin.commands.plan_tissue import _removed
    from surgitwin.resection import LiveCut
    from surgitwin.surfaces import surfaces_from_labels

    organ = scene.get(plan.organ, SegmentNode)
    if organ is None or plan.numbers is None or scene.is_stale(plan):
        return []
    frozen = freeze_plan(scene, organ, lesions_in(scene, plan, organ), plan.cuts)
    prepared = frozen.prepare(ctx)
    live = LiveCut(prepared)
    removed = _removed(live, frozen.cuts(plan.cuts, prepared, ctx))
    labels = np.where(removed, np.uint8(2), np.uint8(1)) * prepared.organ.mask.astype(np.uint8)
    padded = np.pad(labels, 1)
    geometry = prepared.geometry.cropped(prepared.box)
    grid = type(geometry).from_affine(tuple(reversed(padded.shape)), geometry.affine_lps @ _shifted(-1.0))
    made = surfaces_from_labels(np.ascontiguousarray(padded), grid, [1, 2], ctx=ctx)
    names = {2: tr("Removed"), 1: tr("Remnant")}
    return [(names[value], made[value].mesh) for value in (1, 2) if value in made and not made[value].mesh.empty]


def _shifted(by: float) -> Any:
    import numpy as np

    matrix = np.eye(4)
    matrix[:3, 3] = by
    return matrix


class ViewerPage:
    """Puts the page's document together; the scene must not change meanwhile."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.groups: dict[str, list[Document]] = {}
        self.meshes: list[Mesh] = []
        self.names: list[str] = []
        self.deviation_mm: float | None = None
        self.most_off = ""
        self.notices: list[Notice] = []
        self.cut_off: list[str] = []
        self.parts: dict[str, list[str]] = {}

    def add(self, key: str, group: str, name: str, mesh: Mesh, color: Sequence[int], opacity: float, visible: bool,
            statuses: Sequence[Document] = (), detail: str = "") -> None:  # fmt: skip
        self.groups.setdefault(group, []).append(
            {
                "id": key,
                "name": name,
                "color": list(color),
                "opacity": opacity,
                "visible": visible,
                "statuses": list(statuses),
                "detail": detail,
                "mesh": len(self.meshes),
            }
        )
        self.meshes.append(mesh)
        self.names.append(name)

    def items(self) -> list[MeshItem]:
        """What goes into the file, in the order it was added."""
        return [MeshItem(name, mesh) for name, mesh in zip(self.names, self.meshes, strict=True)]

    def add_segment(self, segment: SegmentNode, named: NamedMesh, asked: bool) -> None:
        if named.cut_off:
            self.cut_off.append(segment.name)
        marks = [*vouched(segment), *(badges(Status.CUT_OFF) if named.cut_off else [])]
        visible = asked or (segment.visible and segment.kind not in HIDDEN_KINDS)
        detail = f"{named.voxel_volume_ml:.1f} ml" if named.voxel_volume_ml is not None else ""
        self.add(segment.id, segment.kind, segment.name, named.mesh, named.color, named.opacity, visible,
                 marks, detail)  # fmt: skip

    def add_implants(self, implants: Sequence[ImplantNode]) -> None:
        from surgitwin.commands.export_presets import implant_mesh, remark_of

        for node in implants:
            mesh, said = implant_mesh(node), remark_of(node.item)
            self.add(node.id, "implant", node.name, mesh, node.color, node.opacity, node.visible, (), said)

    def add_plan(self, plan: PlanNode, ctx: Context) -> None:
        for number, (name, mesh) in enumerate(plan_meshes(self.scene, plan, ctx)):
            organ = self.scene.expect(plan.organ, SegmentNode)
            color = organ.color if number == 0 else REMOVED_COLOR
            key = f"{plan.id}:{number}"
            self.parts.setdefault(plan.id, []).append(key)
            title = tr("{plan}: {part}").format(plan=plan.name, part=name)
            self.add(key, "plan", title, mesh, color, GLASS, False, vouched(plan))

    def lighter(self, ctx: Context) -> None:
        """Fewer triangles where there are more than a browser turns smoothly."""
        from surgitwin.commands.viewer_lighter import lighter, over_budget

        groups = {item["mesh"]: key for key, items in self.groups.items() for item in items}
        surfaces = [(groups[place], self.names[place], mesh) for place, mesh in enumerate(self.meshes)]
        found = ctx.apart(lighter, surfaces)
        self.meshes = [one.mesh for one in found]
        moved = [(one.deviation_mm, name) for one, name in zip(found, self.names, strict=True) if one.deviation_mm]
        self.deviation_mm, self.most_off = max(moved, default=(None, ""))
        self.notices += over_budget(sum(len(mesh.triangles) for mesh in self.meshes))

    def document(self, side_known: bool) -> Document:
        from surgitwin.exchange.html_viewer import packed_mesh
        from surgitwin.surfaces import is_closed

        scene = self.scene
        plans = scene.of_type(PlanNode)
        shown = next((plan.id for plan in plans if plan.id in self.parts), None)
        items = [item for group in self.groups.values() for item in group]
        organs = {plan.organ for plan in plans}
        banners = [] if side_known else [{"level": "bad", "text": tr("Side unknown: nobody confirmed left and right.")}]
        return {
            "language": "en",
            "words": WORDS,
            "title": tr("Surgical twin"),
            "case": scene.case.pseudonym,
            "facts": [datetime.now().astimezone().isoformat(sep=" ", timespec="minutes"), f"Surgitwin {__version__}"],
            "statuses": [],
            "side_known": side_known,
            "banners": banners,
            "disclaimers": [tr("Research and planning aid, not a medical device.")],
            "tree": [{"name": text, "items": self.groups[key]} for key, text in GROUPS.items() if key in self.groups],
            "meshes": [packed_mesh(mesh, closed=is_closed(mesh)) for mesh in self.meshes],
            "plans": [plan_entry(scene, plan, self.parts.get(plan.id, [])) for plan in plans],
            "shown_plan": shown,
            "hidden_by_plans": {item["id"]: item["visible"] for item in items if item["id"] in organs},
            "measurements": [measurement_entry(scene, node) for node in scene.of_type(MeasurementNode)],
            "results": [
                *(simulation_entry(scene, node) for node in scene.of_type(SimulationNode) if node.document),
                *(fit_entry(scene, node) for node in scene.of_type(FitNode) if node.document),
            ],
            "warnings": self._warnings(),
            "about": [
                tr(
                    "Positions are LPS millimetres, right-handed; nothing is mirrored. Rounding moves no point by more "
                    "than 0.01 mm; numbers come from the twin itself."
                ),
                *self._lighter_by(),
                tr("The picture is drawn with three.js (MIT licence). This file loads nothing from a network."),
            ],
        }

    def _lighter_by(self) -> list[str]:
        if self.deviation_mm is None:
            return []
        text = tr(
            "Surfaces have fewer triangles than in the twin; among the places looked at, none is off by more than "
            "{mm:.2f} mm (most: {name})."
        )
        return [text.format(mm=self.deviation_mm, name=self.most_off), *(notice.message for notice in self.notices)]

    def _warnings(self) -> list[str]:
        """What was found of the images, without names of files, and structures that the image cuts off."""
        found = [
            tr("{name}: {message}").format(name=volume.name, message=without_file_names(notice.message))
            for volume in self.scene.of_type(VolumeNode)
            for notice in volume.notices
        ]
        if self.cut_off:
            text = tr("The image's edge cuts these off, so their volumes are of the part in view: {names}.")
            found.append(text.format(names=", ".join(self.cut_off)))
        return found


def loose_surfaces(page: ViewerPage, surfaces: Sequence[SurfaceNode]) -> None:
    for node in surfaces:
        mesh = Mesh(node.points.frozen(), node.triangles.frozen())
        page.add(node.id, "other", node.name, mesh, node.color, node.opacity, node.visible)
