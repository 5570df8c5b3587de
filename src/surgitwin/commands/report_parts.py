"""What the report says of a case: studies, volumes, plans, pictures, warnings and where everything comes from."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from surgitwin import __version__
from surgitwin.commands.comparing import compare_document
from surgitwin.commands.report_implants import implant_rows, implant_warnings, print_rows
from surgitwin.commands.simulated_patient import patient_key
from surgitwin.core.anonymous import anonymous_name, without_file_names
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.exchange.report_content import (
    LegendEntry,
    MeasurementRow,
    PatientLine,
    Picture,
    PlanPart,
    ProvenanceRow,
    Quantity,
    ReportContent,
    ReportWarning,
    SimulationPart,
    Status,
    Study,
    VolumeRow,
)
from surgitwin.exchange.report_documents import plan_part, plane_line, volume_row
from surgitwin.scene.nodes import (
    CaseNode,
    CutModel,
    MeasurementNode,
    Node,
    PlanNode,
    ReportSettingsNode,
    SegmentNode,
    SimulationNode,
    VolumeNode,
)
from surgitwin.scene.scene import Scene
from surgitwin.scene.signing import SIGNED_TYPES

if TYPE_CHECKING:
    from surgitwin.commands.sharing import Pictures
    from surgitwin.render.picture_process import PictureProcess

Document = Mapping[str, Any]
CUT_COLOR = (255, 95, 162)
SHOWN_OF_REVISION = 9  # as short as version control shows its own
LEGEND_LENGTH = 8
# The report's words for what the comparison ranks.
COMPARED = {
    tr("Removed"): "removed_ml",
    tr("Remnant"): "remnant_ml",
    tr("Remnant / organ"): "remnant_percent",
    tr("Future liver remnant (FLR)"): "flr_percent",
    tr("FLR without tumour"): "flr_tumour_free_percent",
    tr("Remnant / standard liver volume"): "remnant_to_standard_percent",
    tr("Remnant / body weight"): "remnant_to_weight_percent",
    tr("Loses portal inflow"): "devascularised_ml",
    tr("Loses venous outflow"): "congested_ml",
}


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
        facts=tuple(_confirmed_facts(scene.case)),
        plans=_with_ticks(scene, plans, [_plan(scene, plan) for plan in plans]),
        simulations=tuple(_simulation(scene, node) for node in _simulations(scene, plans)),
        measurements=tuple(_measurement(scene, node) for node in scene.of_type(MeasurementNode)),
        implants=implant_rows(scene),
        prints=print_rows(scene),
        pictures=tuple(picture for group in pictures for picture in group),
        volumes=tuple(_volume(segment, statistics[segment.id]) for segment in segments if segment.id in statistics),
        warnings=(*_warnings(scene, plans, identity), *implant_warnings(scene, identity)),
        provenance=tuple(
            _provenance(scene, [*scene.of_type(VolumeNode), *segments, *plans, *_simulations(scene, plans)], identity)
        ),
        versions=((tr("Surgitwin"), __version__), ("Python", platform.python_version())),
        notes=settings.notes,
    )


def _simulations(scene: Scene, plans: Sequence[PlanNode]) -> list[SimulationNode]:
    """Results of the plans that are printed, and those that belong to no plan."""
    shown = {None, *(plan.id for plan in plans)}
    return [node for node in scene.of_type(SimulationNode) if node.document is not None and node.plan in shown]


def _simulation(scene: Scene, node: SimulationNode) -> SimulationPart:
    statuses = (Status.STALE, Status.SIMULATED) if scene.is_stale(node) else (Status.SIMULATED,)
    document = node.document or {}
    return SimulationPart(node.name, document, statuses, patient_key(document))


def _measurement(scene: Scene, node: MeasurementNode) -> MeasurementRow:
    document = node.document or {}
    text, spread = str(document.get("text", "")), document.get("uncertainty")
    if text and spread is not None:
        text += tr(" (± {spread:.1f} by the voxels)").format(spread=spread)
    return MeasurementRow(
        node.name,
        str(document.get("title", node.kind)),
        Quantity(document.get("value"), str(document.get("unit", "")), text=text),
        str(document.get("how", "")),
        ", ".join(document.get("of", [])),
        (Status.STALE,) if scene.is_stale(node) else (),
    )


def _patient(scene: Scene) -> PatientLine:
    patient = scene.case.patient
    return PatientLine(patient.name, patient.patient_id, patient.birth_date, patient.sex)


def _confirmed_facts(case: CaseNode) -> list[tuple[str, str]]:
    """What a person stated of the patient and the limits rest on; none of it says who the patient is."""
    body = [f"{case.height_cm:g} cm" if case.height_cm else "", f"{case.weight_kg:g} kg" if case.weight_kg else ""]
    lines = [
        (tr("Confirmed"), ", ".join(part for part in body if part)),
        (tr("Liver tissue"), case.liver_quality),
        (tr("Disease"), case.disease),
        (tr("ICG-R15"), f"{case.icg_r15_percent:g} %" if case.icg_r15_percent is not None else ""),
        (tr("Formula"), case.liver_formula),
    ]
    return [(label, text) for label, text in lines if text]


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
    enabled = [cut for cut in plan.cuts if cut.enabled]
    cuts = [line for number, cut in enumerate(enabled, start=1) for line in _cut_lines(scene, number, cut)]
    if plan.wish_mm is not None:
        cuts.append(tr("Wished margin: {mm:g} mm.").format(mm=plan.wish_mm))
    return plan_part(plan.name, plan.numbers or {}, tuple(statuses), cuts=cuts, notes=plan.notes)


def _with_ticks(scene: Scene, plans: Sequence[PlanNode], parts: Sequence[PlanPart]) -> tuple[PlanPart, ...]:
    """The plans with the better value of each row ticked, as the comparison does."""
    counted = [plan for plan in plans if plan.numbers is not None]
    if len(counted) < 2:
        return tuple(parts)
    rows = {row.get("key"): row["better"] for row in compare_document(scene, counted)["rows"]}
    ticked: list[PlanPart] = []
    for plan, part in zip(plans, parts, strict=True):
        place = counted.index(plan) if plan in counted else None
        figures = tuple(
            (label, replace(value, better=True))
            if place is not None and rows.get(COMPARED.get(label, ""), [False] * len(counted))[place]
            else (label, value)
            for label, value in part.figures
        )
        ticked.append(replace(part, figures=figures))
    return tuple(ticked)


def _cut_lines(scene: Scene, number: int, cut: CutModel) -> list[str]:
    """A cut in words."""
    if cut.kind == "planes":
        if len(cut.planes) == 1:
            return [plane_line(str(number), cut.planes[0].point_mm, cut.planes[0].normal)]
        numbered = enumerate(cut.planes, start=1)
        return [plane_line(f"{number}.{index}", plane.point_mm, plane.normal) for index, plane in numbered]
    if cut.kind == "patch":
        rows, columns = len(cut.control_points_mm), len(cut.control_points_mm[0])
        text = tr("Cut {number}: a curved surface of {rows} by {columns} control points.")
        return [text.format(number=number, rows=rows, columns=columns)]
    if cut.kind == "curve" and cut.curve is not None:
        text = tr("Cut {number}: straight in from a ring of {count} points drawn on the organ.")
        if not cut.curve.closed:
            text = tr("Cut {number}: straight in from a line of {count} points drawn across the organ.")
        return [text.format(number=number, count=len(cut.curve.points_mm))]
    if cut.kind == "wedge":
        lesion = scene.get(cut.lesion, SegmentNode)
        name = lesion.name if lesion is not None else tr("a lesion")
        text = tr("Cut {number}: a wedge, what lies within {mm:g} mm of {lesion}.")
        return [text.format(number=number, mm=cut.margin_mm, lesion=name)]
    return [tr("Cut {number}: {name} removed.").format(number=number, name=cut.name or tr("territories"))]


def _name(node: Node, identity: bool) -> str:
    return anonymous_name(node.name, node.identity) if isinstance(node, VolumeNode) and not identity else node.name


def _warnings(scene: Scene, plans: Sequence[PlanNode], identity: bool) -> list[ReportWarning]:
    found: list[ReportWarning] = []
    for volume in scene.of_type(VolumeNode):
        messages = [notice.message for notice in volume.notices]
        shown = messages if identity else [without_file_names(message) for message in messages]
        found += [ReportWarning(_name(volume, identity), message) for message in shown]
        if not volume.side_known:
            found.append(
                ReportWarning(_name(volume, identity), tr("Left and right were not confirmed: the side is unknown."))
            )
    for plan in plans:
        found += [ReportWarning(plan.name, warning["message"]) for warning in (plan.numbers or {}).get("warnings", [])]
        if scene.is_stale(plan):
            message = tr("This plan is stale: what it was computed from has changed since. Plan it again.")
            found.append(ReportWarning(plan.name, message))
    for node in _simulations(scene, plans):
        found += [ReportWarning(node.name, warning["message"]) for warning in (node.document or {})["warnings"]]
        if scene.is_stale(node):
            message = tr("This result is stale: what it was computed from has changed since. Simulate it again.")
            found.append(ReportWarning(node.name, message))
    for measured in scene.of_type(MeasurementNode):
        warnings = (measured.document or {}).get("warnings", [])
        found += [ReportWarning(measured.name, warning["message"]) for warning in warnings]
        if scene.is_stale(measured):
            message = tr("This measurement is stale: what it was measured on has changed since. Measure it again.")
            found.append(ReportWarning(measured.name, message))
    return found + [_confirmed(scene, entry, identity) for entry in scene.case.log_confirmations]


CONFIRMED = {
    "different-patient-id": tr("They carry another Patient ID than the others; added because somebody confirmed them."),
    "different-birth-date": tr("They carry another birth date than the others; added because somebody confirmed them."),
    "different-frame-of-reference": tr(
        "They have another frame of reference than the others, so positions cannot be compared; added because somebody "
        "confirmed them."
    ),
}


def _confirmed(scene: Scene, entry: str, identity: bool) -> ReportWarning:
    """What somebody confirmed when adding images; an entry of the case is ``code: name of the images``."""
    code, _, name = entry.partition(": ")
    named = {volume.name: _name(volume, identity) for volume in scene.of_type(VolumeNode)}
    return ReportWarning(named.get(name, name if identity else tr("Images")), CONFIRMED.get(code, code))


def _provenance(scene: Scene, nodes: Sequence[Node], identity: bool) -> list[ProvenanceRow]:
    """One line for each origin: segments that came in together share theirs."""
    groups: dict[tuple[str, str, str], list[Node]] = {}
    for node in nodes:
        groups.setdefault(_origin(scene, node, identity), []).append(node)
    rows: list[ProvenanceRow] = []
    for (made_by, version, date), members in groups.items():
        names = ", ".join(_name(node, identity) for node in members)
        revisions = (
            members[0].revision[:SHOWN_OF_REVISION]
            if len(members) == 1
            else tr("{count} nodes").format(count=len(members))
        )
        rows.append(ProvenanceRow(names, made_by, revisions, version, date))
    return rows + [_signed(node, identity) for node in nodes if getattr(node, "sign_off", None) is not None]


def _signed(node: Node, identity: bool) -> ProvenanceRow:
    """Who vouches for a segment or a plan, and the beginning of the hash of what was looked at."""
    assert isinstance(node, SIGNED_TYPES) and node.sign_off is not None
    what = {"reviewed": tr("reviewed by {by}"), "approved": tr("approved by {by}")}.get(node.status, "{by}")
    shown = node.sign_off.content_hash[:SHOWN_OF_REVISION]
    return ProvenanceRow(_name(node, identity), what.format(by=node.sign_off.by), shown, "", node.sign_off.at[:10])


def _origin(scene: Scene, node: Node, identity: bool) -> tuple[str, str, str]:
    made = node.made_from
    if made is None:
        return (tr("DICOM or image file") if isinstance(node, VolumeNode) else tr("a file")), "", ""
    shown = ", ".join(
        f"{key} {value}"
        for key, value in made.parameters.items()
        if value is not None and (identity or not _is_path(value))
    )
    inputs = ", ".join(_name(scene.node(key), identity) for key in made.inputs if key in scene and key != node.id)
    text = made.tool + (f" ({shown})" if shown else "") + (tr(" from {inputs}").format(inputs=inputs) if inputs else "")
    return text, made.version, made.made_at.replace("T", " ").removesuffix("+00:00") + (" UTC" if made.made_at else "")


def _is_path(value: Any) -> bool:
    """True for what may say on whose computer, or for whom, something was made."""
    return isinstance(value, str) and any(sign in value for sign in ("/", "\\"))


def plan_pictures(
    scene: Scene, plan: PlanNode | None, pictures: Pictures, process: PictureProcess
) -> tuple[Picture, ...]:
    """3D and the three slices through the plan's organ, with the cut."""
    about = plan.name if plan is not None else tr("Twin")
    legend: list[LegendEntry] = []
    if plan is not None:
        legend.append(LegendEntry(CUT_COLOR, tr("cut; the arrow points to what goes"), line=True))
        organ = scene.get(plan.organ, SegmentNode)
        shown = [organ] if organ is not None else []
        for kind in ("lesion", "vessel"):
            shown += [segment for segment in scene.of_type(SegmentNode) if segment.kind == kind]
        shown = [segment for segment in shown if pictures.shows(segment)]
        legend += [LegendEntry(segment.color, segment.name) for segment in shown[:LEGEND_LENGTH]]
        if len(shown) > LEGEND_LENGTH:
            rest = tr("and {count} more").format(count=len(shown) - LEGEND_LENGTH)
            legend.append(LegendEntry(shown[-1].color, rest))
    titles = (
        ("3d", tr("{about}: 3D from the front")),
        ("axial", tr("{about}: axial")),
        ("coronal", tr("{about}: coronal")),
        ("sagittal", tr("{about}: sagittal")),
    )
    return tuple(
        Picture(
            pictures.draw(view, plan, by=process),
            title.format(about=about),
            "3d" if view == "3d" else "slice",
            tuple(legend) if view == "3d" else (),
        )
        for view, title in titles
        if view == "3d" or pictures.has_image
    )
