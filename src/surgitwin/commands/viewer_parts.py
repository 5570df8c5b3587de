"""What the HTML viewer shows of a case: its surfaces by kind, measurements, plans with their numbers, and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from surgitwin import __version__
from surgitwin.commands.plan_parts import freeze_plan, lesions_in
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.exchange.mesh_out import MeshItem
from surgitwin.exchange.report_content import PlanPart, Quantity, Status
from surgitwin.exchange.report_documents import plan_part
from surgitwin.scene.nodes import (
    FitNode,
    ImplantNode,
    MeasurementNode,
    PlanNode,
    SegmentNode,
    SimulationNode,
    SurfaceNode,
)
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.commands.sharing import NamedMesh

Document = dict[str, Any]
TRIANGLES = 400_000  # in all, so that a phone can turn them
LEAST_TRIANGLES = 500
DEVIATION_SAMPLES = 5_000
REMOVED_COLOR = (255, 95, 162)
GLASS = 0.45
GROUPS = {
    "organ": tr("Organs"),
    "lesion": tr("Lesions"),
    "vessel": tr("Vessels"),
    "bone": tr("Bones"),
    "territory": tr("Territories"),
    "body": tr("Body"),
    "other": tr("Other structures"),
    "implant": tr("Implants"),
    "plan": tr("Plans"),
}
HIDDEN_KINDS = ("territory", "body")
VERDICTS = {"meets": (tr("meets"), "good", "✓"), "below": (tr("below"), "bad", "▼")}
NOT_ASSESSED = (tr("not assessed"), "", "–")
WORDS = {
    "tree": tr("The twin"),
    "show_group": tr("Show all of {name}"),
    "show_item": tr("Show {name}"),
    "opacity_of": tr("Opacity of {name}"),
    "show_plan": tr("Show this plan in 3D"),
    "no_plan": tr("Show no plan"),
    "lesions": tr("Lesions"),
    "lesion_titles": (tr("Lesion"), tr("Volume"), tr("Margin"), tr("Left behind")),
    "limits": tr("Published limits"),
    "cuts": tr("What is cut"),
    "measurements": tr("Measurements"),
    "no_measurements": tr("The case holds no measurements."),
    "warnings": tr("Warnings"),
    "about": tr("About this file"),
    "cut_plane": tr("Cut plane"),
    "cut_on": tr("Cut the picture open"),
    "cut_axis": tr("Direction of the cut plane"),
    "cut_place": tr("Place of the cut plane in mm"),
    "cut_flip": tr("Show the other side"),
    "cut_x": tr("Right – left"),
    "cut_y": tr("Front – back"),
    "cut_z": tr("Feet – head"),
    "ruler": tr("Ruler"),
    "ruler_first": tr("Click two places on what you see."),
    "ruler_second": tr("Click the second place."),
    "ruler_missed": tr("There is nothing under the pointer. Click on a surface."),
    "ruler_note": tr("measured on this page on lighter surfaces, not saved"),
    "fit": tr("Fit"),
    "fit_long": tr("Fit everything into the picture"),
    "from_A": tr("From the front"),
    "from_P": tr("From behind"),
    "from_L": tr("From the patient's left"),
    "from_R": tr("From the patient's right"),
    "from_S": tr("From the head"),
    "from_I": tr("From the feet"),
    "canvas": tr(
        "The twin in 3D. Arrow keys turn it, Shift and arrows move it, + and - zoom, A P L R S I choose a side."
    ),
    "no_webgl": tr(
        "This browser cannot draw in 3D: WebGL is missing or switched off. All numbers are beside; open the file in "
        "another browser to see the twin."
    ),
    "no_surfaces": tr("This case has no surfaces to show."),
}


def badge(key: str, label: str, meaning: str = "") -> Document:
    return {"key": key, "label": label, "meaning": meaning}


def _badges(statuses: Sequence[Status]) -> list[Document]:
    return [badge(status.value, status.label, status.meaning) for status in statuses]


def _signed(node: PlanNode | SegmentNode) -> list[Document]:
    """Whether a person looked at it; who it was stays out of the file."""
    if node.status == "draft":
        return _badges([Status.DRAFT])
    label = tr("APPROVED") if node.status == "approved" else tr("REVIEWED")
    return [badge(node.status, label, tr("a person vouches for it"))]


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
        visible = asked or (segment.visible and segment.kind not in HIDDEN_KINDS)
        detail = f"{named.voxel_volume_ml:.1f} ml" if named.voxel_volume_ml is not None else ""
        self.add(segment.id, segment.kind, segment.name, named.mesh, named.color, named.opacity, visible,
                 _signed(segment), detail)  # fmt: skip

    def add_implants(self) -> None:
        import numpy as np

        for node in self.scene.of_type(ImplantNode):
            matrix = np.array(node.matrix).reshape(4, 4)
            points = (node.points.frozen() @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)
            mesh = Mesh(points, node.triangles.frozen())
            detail = tr("generic, not a product") if node.item.generic else ""
            if node.item.patient_specific:
                detail = tr("planning model, not for use in a patient")
            self.add(node.id, "implant", node.name, mesh, node.color, node.opacity, node.visible, (), detail)

    def add_plan(self, plan: PlanNode, ctx: Context) -> None:
        for number, (name, mesh) in enumerate(plan_meshes(self.scene, plan, ctx)):
            organ = self.scene.expect(plan.organ, SegmentNode)
            color = organ.color if number == 0 else REMOVED_COLOR
            key = f"{plan.id}:{number}"
            self.parts.setdefault(plan.id, []).append(key)
            title = tr("{plan}: {part}").format(plan=plan.name, part=name)
            self.add(key, "plan", title, mesh, color, GLASS, False, _signed(plan))

    def lighter(self, ctx: Context) -> None:
        """Fewer triangles where there are more than a browser turns smoothly; each surface keeps its share."""
        from surgitwin.surfaces import decimate, is_closed
        from surgitwin.surfaces.deviation import deviation

        total = sum(len(mesh.triangles) for mesh in self.meshes)
        if total <= TRIANGLES:
            return
        for place, mesh in enumerate(self.meshes):
            ctx.check()
            wanted = max(LEAST_TRIANGLES, int(len(mesh.triangles) * TRIANGLES / total))
            if len(mesh.triangles) > wanted and is_closed(mesh):
                lighter = decimate(mesh, wanted, ctx.part(place / len(self.meshes), 1.0))
                moved = deviation(lighter, mesh, samples=DEVIATION_SAMPLES, ctx=ctx).max_mm
                self.deviation_mm = max(moved, self.deviation_mm or 0.0)
                self.meshes[place] = lighter

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
            "plans": [self._plan(plan) for plan in plans],
            "shown_plan": shown,
            "hidden_by_plans": {item["id"]: item["visible"] for item in items if item["id"] in organs},
            "measurements": [self._measurement(node) for node in scene.of_type(MeasurementNode)],
            "results": [
                *(self._simulation(node) for node in scene.of_type(SimulationNode) if node.document),
                *(self._fit(node) for node in scene.of_type(FitNode) if node.document),
            ],
            "warnings": [],
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
            "{mm:.2f} mm."
        )
        return [text.format(mm=self.deviation_mm)]

    def _stale(self, node: Any) -> list[Document]:
        return _badges([Status.STALE]) if self.scene.is_stale(node) else []

    def _plan(self, plan: PlanNode) -> Document:
        numbers = plan.numbers or {}
        part: PlanPart = plan_part(plan.name, numbers, ())
        figures = {label: quantity.formatted() for label, quantity in part.figures}
        large = [tr("Remnant"), tr("Future liver remnant (FLR)"), tr("FLR without tumour")]
        return {
            "id": plan.id,
            "name": plan.name,
            "organ": part.organ,
            "statuses": [*_signed(plan), *self._stale(plan)],
            "parts": self.parts.get(plan.id, []),
            "hides": [plan.organ],
            "marks": [],
            "not_drawn": tr("Not drawn: plan it again, as something that it was computed from has changed."),
            "large": [{"label": label, "value": figures[label]} for label in large if label in figures],
            "figures": list(figures.items()),
            "lesions": [
                (one.name, *(q.formatted() if q.assessed else "" for q in (one.volume, one.margin, one.left_behind)))
                for one in part.lesions
            ],
            "limits": [_plan_limit(one.verdict, one.label, one.value, one.reason, one.note) for one in part.limits],
            "warnings": [warning["message"] for warning in numbers.get("warnings", [])],
            "cuts": [],
            "notes": "",
        }

    def _simulation(self, node: SimulationNode) -> Document:
        from surgitwin.exchange.report_simulations import interval_text

        document: Mapping[str, Any] = node.document or {}
        rows = {
            key: (one["title"], _amount(one["value"], one["unit"]), interval_text(one))
            for key, one in document["outputs"].items()
        }
        main = [rows[key] for key in document["main"][:2] if key in rows]
        return {
            "title": node.name,
            "statuses": [*_badges([Status.SIMULATED]), *self._stale(node)],
            "large": [{"value": row[1], "label": row[0] + (f" ({row[2]})" if row[2] else "")} for row in main],
            "titles": (tr("Simulated"), tr("Median"), tr("90 % interval")),
            "figures": list(rows.values()),
            "limits": [],
            "warnings": [warning["message"] for warning in document["warnings"]],
            "remarks": [],
        }

    def _fit(self, node: FitNode) -> Document:
        document = node.document or {}
        contact = Quantity(document.get("contact_percent"), "%", 1).formatted()
        return {
            "title": node.name,
            "statuses": self._stale(node),
            "large": [{"value": contact, "label": tr("Contact")}],
            "titles": None,
            "figures": [],
            "limits": [],
            "warnings": [warning["message"] for warning in document.get("warnings", [])],
            "remarks": [],
        }

    def _measurement(self, node: MeasurementNode) -> Document:
        document = node.document or {}
        points = [list(point) for point in node.points_mm]
        closed = [*points, points[0]] if node.kind == "area" and points else points
        lines = document.get("line_mm") or ([points[:2], points[2:]] if node.kind == "cobb" else [closed])
        red, green, blue = node.color
        return {
            "id": node.id,
            "name": node.name,
            "visible": node.visible,
            "color": f"rgb({red},{green},{blue})",
            "statuses": self._stale(node),
            "values": [["", text] for text in _values(document)] or [["", tr("not assessed")]],
            "label": node.name,
            "at": points[0] if points else None,
            "points": points,
            "lines": [line for line in lines if len(line) > 1],
        }


def _amount(value: float | None, unit: str) -> str:
    digits = 2 if value is None or abs(value) < 10 else 1 if abs(value) < 100 else 0
    return Quantity(value, unit, digits).formatted()


UNITS = {"_mm": "mm", "_deg": "°", "_degrees": "°", "_mm2": "mm²", "_ml": "ml", "_hu": "HU"}


def _values(document: Mapping[str, Any]) -> list[str]:
    """The plain numbers of a measurement with the unit that their key carries."""
    if document.get("text"):
        return [str(document["text"])]
    found = []
    for key, value in document.items():
        unit = next((unit for end, unit in UNITS.items() if key.endswith(end)), None)
        if unit is not None and isinstance(value, (int, float)):
            found.append(f"{value:.1f} {unit}")
    return found


def _plan_limit(verdict: str, label: str, value: Quantity, reason: str, note: str) -> Document:
    words, bearing, sign = VERDICTS.get(verdict, NOT_ASSESSED)
    shown = f" ({value.formatted()})" if value.assessed else ""
    extra = "; ".join(text for text in (reason, note) if text)
    return {"verdict": words + shown, "bearing": bearing, "sign": sign, "label": label, "note": extra}


def loose_surfaces(page: ViewerPage, surfaces: Sequence[SurfaceNode]) -> None:
    for node in surfaces:
        mesh = Mesh(node.points.frozen(), node.triangles.frozen())
        page.add(node.id, "other", node.name, mesh, node.color, node.opacity, node.visible)
