"""What the report says of a case: studies, volumes, plans, pictures, warnings and where everything comes from."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from surgitwin import __version__
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.exchange.report_content import (
    LegendEntry,
    PatientLine,
    Picture,
    PlanPart,
    ProvenanceRow,
    ReportContent,
    ReportWarning,
    Status,
    Study,
    VolumeRow,
)
from surgitwin.exchange.report_documents import plan_part, plane_line, volume_row
from surgitwin.scene.nodes import Node, PlanNode, ReportSettingsNode, SegmentNode, VolumeNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.commands.sharing import Pictures

Document = Mapping[str, Any]
CUT_COLOR = (255, 95, 162)
LEGEND_LENGTH = 8


def report_content(
    scene: Scene,
    plans: Sequence[PlanNode],
    statistics: Mapping[NodeId, Document],
    pictures: Sequence[tuple[Picture, ...]],
    settings: ReportSettingsNode,
    identity: bool,
) -> ReportContent:
    """Everything that is printed; ``statistics`` holds an entry of the `stats` document for each segment."""
    segments = scene.of_type(SegmentNode)
    return ReportContent(
        case=scene.case.pseudonym,
        created=datetime.now().astimezone().isoformat(sep=" ", timespec="minutes"),
        title=settings.title or tr("Surgical plan"),
        author=settings.author,
        patient=_patient(scene) if identity else None,
        studies=tuple(_study(volume, identity) for volume in scene.of_type(VolumeNode)),
        plans=tuple(_plan(scene, plan) for plan in plans),
        pictures=tuple(picture for group in pictures for picture in group),
        volumes=tuple(_volume(segment, statistics[segment.id]) for segment in segments if segment.id in statistics),
        warnings=tuple(_warnings(scene, plans)),
        provenance=tuple(_provenance(scene, [*scene.of_type(VolumeNode), *segments, *plans])),
        versions=((tr("Surgitwin"), __version__), ("Python", platform.python_version())),
        notes=settings.notes,
    )


def _patient(scene: Scene) -> PatientLine:
    patient = scene.case.patient
    return PatientLine(patient.name, patient.patient_id, patient.birth_date, patient.sex)


def _study(volume: VolumeNode, identity: bool) -> Study:
    known = volume.identity
    description = known.series_description if identity else ""
    return Study(known.study_date, known.phase, known.modality, description)


def _volume(segment: SegmentNode, entry: Document) -> VolumeRow:
    statuses = [Status.DRAFT] if segment.status == "draft" else []
    if segment.provenance is not None and segment.provenance.automatic:
        statuses.append(Status.AUTOMATIC)
    return volume_row(entry, segment.color, tuple(statuses))


def _plan(scene: Scene, plan: PlanNode) -> PlanPart:
    statuses = [Status.DRAFT] if plan.status == "draft" else []
    if scene.is_stale(plan):
        statuses.append(Status.STALE)
    planes = [plane for cut in plan.cuts if cut.enabled for plane in cut.planes]
    cuts = [plane_line(number, plane.point_mm, plane.normal) for number, plane in enumerate(planes, start=1)]
    return plan_part(plan.name, plan.numbers or {}, tuple(statuses), cuts=cuts, notes=plan.notes)


def _warnings(scene: Scene, plans: Sequence[PlanNode]) -> list[ReportWarning]:
    found: list[ReportWarning] = []
    for volume in scene.of_type(VolumeNode):
        found += [ReportWarning(tr("Image"), notice.message) for notice in volume.notices]
        if not volume.side_known:
            found.append(ReportWarning(tr("Image"), tr("Left and right were not confirmed: the side is unknown.")))
    for plan in plans:
        found += [ReportWarning(plan.name, warning["message"]) for warning in (plan.numbers or {}).get("warnings", [])]
        if scene.is_stale(plan):
            message = tr("This plan is stale: what it was computed from has changed since. Plan it again.")
            found.append(ReportWarning(plan.name, message))
    for confirmed in scene.case.log_confirmations:
        found.append(
            ReportWarning(tr("Images"), tr("Added although they differ, confirmed: {what}").format(what=confirmed))
        )
    return found


def _provenance(scene: Scene, nodes: Sequence[Node]) -> list[ProvenanceRow]:
    """One line for each origin: segments that came in together share theirs."""
    groups: dict[tuple[str, str, str], list[Node]] = {}
    for node in nodes:
        groups.setdefault(_origin(scene, node), []).append(node)
    rows: list[ProvenanceRow] = []
    for (made_by, version, date), members in groups.items():
        names = ", ".join(node.name for node in members)
        revisions = members[0].revision if len(members) == 1 else tr("{count} nodes").format(count=len(members))
        rows.append(ProvenanceRow(names, made_by, revisions, version, date))
    return rows


def _origin(scene: Scene, node: Node) -> tuple[str, str, str]:
    made = node.made_from
    if made is None:
        return (tr("DICOM or image file") if isinstance(node, VolumeNode) else tr("a file")), "", ""
    shown = ", ".join(f"{key} {value}" for key, value in made.parameters.items() if value is not None)
    inputs = ", ".join(scene.node(key).name for key in made.inputs if key in scene and key != node.id)
    text = made.tool + (f" ({shown})" if shown else "") + (tr(" from {inputs}").format(inputs=inputs) if inputs else "")
    return text, made.version, made.made_at.replace("T", " ").removesuffix("+00:00") + (" UTC" if made.made_at else "")


def plan_pictures(scene: Scene, plan: PlanNode | None, pictures: Pictures) -> tuple[Picture, ...]:
    """3D and the three slices through the plan's organ, with the cut."""
    about = plan.name if plan is not None else tr("Twin")
    legend: list[LegendEntry] = []
    if plan is not None:
        legend.append(LegendEntry(CUT_COLOR, tr("cut; the arrow points to what goes"), line=True))
        organ = scene.get(plan.organ, SegmentNode)
        shown = [organ] if organ is not None else []
        shown += [s for s in scene.of_type(SegmentNode) if s.kind in ("lesion", "vessel") and s.visible]
        legend += [LegendEntry(segment.color, segment.name) for segment in shown[:LEGEND_LENGTH]]
    titles = (
        ("3d", tr("{about}: 3D from the front")),
        ("axial", tr("{about}: axial")),
        ("coronal", tr("{about}: coronal")),
        ("sagittal", tr("{about}: sagittal")),
    )
    return tuple(
        Picture(
            pictures.draw(view, plan),
            title.format(about=about),
            "3d" if view == "3d" else "slice",
            tuple(legend) if view == "3d" else (),
        )
        for view, title in titles
        if view == "3d" or pictures.has_image
    )
