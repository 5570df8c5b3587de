"""Plans: cut an organ by planes, and hold the numbers of several plans side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from numpy.typing import NDArray
from pydantic import Field, field_validator

from surgitwin.commands.base import Arg, Bench, Command, Document, Work
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.placement import crop_of
from surgitwin.commands.points import numbers_as_text
from surgitwin.commands.registered import PlanRegistration, plan_registration, with_margin_bands
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.ids import new_node_id
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import CaseNode, CutModel, Node, PlaneModel, PlanNode, SegmentNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.resection import PartitionInput, PlaneCut, Structure
    from surgitwin.resection.volumetry import Patient

LIVER_TERMS = ("liver",)
# As in `resection.volumetry.OPERATIONS`, which costs an import at start-up; a test holds them together.
Operation = Literal[
    "right hepatectomy", "left hepatectomy", "extended right hepatectomy", "extended left hepatectomy", "other"
]


class PlanResection(Command):
    """Cut an organ with planes and count what goes and what stays."""

    name: ClassVar[str] = "plan"
    title: ClassVar[str] = tr("Plan a resection")
    summary: ClassVar[str] = tr("Cut an organ with planes; removed, remnant, margins. An existing name is replaced.")

    plan: Annotated[str, Arg(tr("name of the plan"), positional=True, option="name")] = Field(
        min_length=1, max_length=200
    )
    organ: Annotated[str, Arg(tr("the segment to cut"))]
    plane: Annotated[
        tuple[str, ...],
        Arg(tr("px,py,pz,nx,ny,nz in LPS mm; the side that the normal points to goes; several planes intersect")),
    ] = ()
    lesion: Annotated[tuple[str, ...], Arg(tr("a lesion to take out; without it all lesions of the case"))] = ()
    operation: Annotated[
        Operation | None, Arg(tr("what kind of operation this is; some limits were published for one kind only"))
    ] = None
    notes: Annotated[str, Arg(tr("free text for the report"))] = ""

    @field_validator("plane", mode="before")
    @classmethod
    def _planes_as_text(cls, planes: Any) -> Any:
        """Scripts may give each plane as six numbers."""
        return numbers_as_text(planes)

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        organ = scene.resolve(self.organ, SegmentNode)
        planes = tuple(parse_plane(text) for text in self.plane)
        if not planes:
            raise BadInput(tr("A plan needs at least one --plane px,py,pz,nx,ny,nz."))
        cuts = (CutModel(planes=planes),)
        lesions = (
            [scene.resolve(name, SegmentNode) for name in self.lesion] if self.lesion else lesions_of(scene, organ)
        )
        old = [plan for plan in scene.of_type(PlanNode) if self.plan in (plan.id, plan.name)]
        if len(old) > 1:
            scene.resolve(self.plan, PlanNode)
        plan = PlanNode(
            id=old[0].id if old else new_node_id(),
            name=old[0].name if old else self.plan,
            parent=scene.case.id,
            organ=organ.id,
            cuts=cuts,
            lesions=tuple(node.id for node in lesions) if self.lesion else None,
            operation=self.operation or (old[0].operation if old else ""),
            notes=self.notes or (old[0].notes if old else ""),
        )
        frozen = freeze_plan(scene, organ, lesions)
        patient = patient_of(scene.case, plan)

        def compute(ctx: Context) -> Document:
            return plan_document(plan, frozen, patient, ctx)

        def commit(document: Document) -> Document:
            return put_plan(bench, plan, bool(old), document, organ, lesions, frozen.registration)

        return Work(compute, commit)


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


def lesions_of(scene: Scene, organ: SegmentNode) -> list[SegmentNode]:
    """All lesions on the organ's grid."""
    return [
        s for s in scene.of_type(SegmentNode) if s.kind == "lesion" and s.parent == organ.parent and s.id != organ.id
    ]


def vessels_of(scene: Scene, organ: SegmentNode) -> list[SegmentNode]:
    """All vessels on the organ's grid."""
    return [
        s for s in scene.of_type(SegmentNode) if s.kind == "vessel" and s.parent == organ.parent and s.id != organ.id
    ]


def is_liver(segment: SegmentNode) -> bool:
    """Liver limits appear only for a segment whose terminology says liver."""
    return segment.term.casefold() in LIVER_TERMS


@dataclass(frozen=True, eq=False)
class FrozenPlan:
    """An organ, its lesions and its vessels, as no later edit can change them."""

    geometry: Geometry
    organ: tuple[SegmentNode, NDArray[Any]]
    lesions: tuple[tuple[SegmentNode, NDArray[Any]], ...]
    vessels: tuple[tuple[SegmentNode, NDArray[Any]], ...]
    registration: PlanRegistration = field(default_factory=PlanRegistration)

    def prepare(self, ctx: Context) -> PartitionInput:
        """Crop and count, once for any number of cuts; takes long, so it belongs on a worker thread."""
        from surgitwin.resection import Structure

        def structure(segment: SegmentNode, labels: NDArray[Any]) -> Structure:
            return Structure(segment.name, *crop_of(labels, segment.value, ctx))

        organ = structure(*self.organ)
        lesions = [structure(*lesion) for lesion in self.lesions]
        vessels = [structure(*vessel) for vessel in self.vessels]
        return ctx.apart(_prepared, organ, lesions, vessels, self.geometry, is_liver(self.organ[0]))


def _prepared(
    organ: Structure,
    lesions: list[Structure],
    vessels: list[Structure],
    geometry: Geometry,
    of_liver: bool,
    ctx: Context,
) -> PartitionInput:
    from surgitwin.resection import prepare

    return prepare(organ, geometry, ctx, lesions=lesions, vessels=vessels, is_liver=of_liver)


def freeze_plan(scene: Scene, organ: SegmentNode, lesions: list[SegmentNode]) -> FrozenPlan:
    """What a plan needs of the scene; costs no copy.

    Raises
    ------
    BadInput
        If a lesion lies on another grid, or a structure came by a registration that nobody accepted.
    """
    for lesion in lesions:
        if lesion.parent != organ.parent:
            message = tr("“{lesion}” lies on another image than “{organ}”. Bring both onto one grid first.")
            raise BadInput(message.format(lesion=lesion.name, organ=organ.name))

    def frozen(segment: SegmentNode) -> tuple[SegmentNode, NDArray[Any]]:
        return segment, scene.layer_of(segment).labels.frozen()

    vessels = vessels_of(scene, organ)
    registration = plan_registration(scene, organ, [*lesions, *vessels])
    registration.check()
    return FrozenPlan(
        scene.segmentation_of(organ).geometry,
        frozen(organ),
        tuple(frozen(lesion) for lesion in lesions),
        tuple(frozen(vessel) for vessel in vessels),
        registration,
    )


def plane_cuts(plan: PlanNode) -> list[PlaneCut]:
    """The plan's enabled cuts as the resection functions take them."""
    from surgitwin.resection import Plane, PlaneCut

    return [
        PlaneCut(tuple(Plane(plane.point_mm, plane.normal) for plane in cut.planes))
        for cut in plan.cuts
        if cut.enabled and cut.planes
    ]


def patient_of(case: CaseNode, plan: PlanNode) -> Patient:
    """What the limits need of the patient and the operation; unknown parts are None."""
    from surgitwin.resection.volumetry import Patient

    return Patient(
        height_cm=case.height_cm,
        weight_kg=case.weight_kg,
        liver_quality=case.liver_quality or None,
        formula=case.liver_formula or None,
        operation=plan.operation or None,
        disease=case.disease or None,  # type: ignore[arg-type]
        icg_r15_percent=case.icg_r15_percent,
        age_years=case.age_years,
        thoracic_width_cm=case.thoracic_width_cm,
        asian=case.asian,
    )


def plan_document(plan: PlanNode, frozen: FrozenPlan, patient: Patient, ctx: Context) -> Document:
    """Everything that `plan --json` prints but the node's own id."""
    from surgitwin.resection import LiveCut

    prepared = frozen.prepare(ctx)
    ctx.check()
    document = numbers_document(LiveCut(prepared).evaluate(plane_cuts(plan)), patient)
    return with_margin_bands(document, frozen.registration, frozen.geometry)


def moved_document(scene: Scene, plan: PlanNode, numbers: Any) -> Document:
    """The same for a plan whose cut is being moved."""
    document = numbers_document(numbers, patient_of(scene.case, plan))
    organ = scene.expect(plan.organ, SegmentNode)
    chosen = [scene.get(node_id, SegmentNode) for node_id in plan.lesions or ()]
    lesions = [node for node in chosen if node is not None] if plan.lesions else lesions_of(scene, organ)
    registration = plan_registration(scene, organ, [*lesions, *vessels_of(scene, organ)])
    return with_margin_bands(document, registration, scene.segmentation_of(organ).geometry)


def numbers_document(numbers: Any, patient: Patient) -> Document:
    """The counted numbers together with the published limits they may be held against."""
    from surgitwin.resection.volumetry import limits_document

    document: Document = numbers.as_json()
    document |= limits_document(numbers, patient)
    return document


def put_plan(
    bench: Bench,
    plan: PlanNode,
    replaces: bool,
    document: Document,
    organ: SegmentNode,
    lesions: list[SegmentNode],
    registration: PlanRegistration | None = None,
) -> Document:
    """Write the plan and its numbers as one undoable step."""
    scene = bench.scene
    title = tr("Move cut: {name}") if replaces else tr("Plan: {name}")
    with bench.transaction(title.format(name=plan.name)) as tx:
        if replaces and plan.id in scene:
            tx.set(
                plan.id,
                organ=plan.organ,
                cuts=plan.cuts,
                lesions=plan.lesions,
                operation=plan.operation,
                notes=plan.notes,
            )
        else:
            tx.add(plan)
        # The plan's own revision is an input: a cut that moves makes its old numbers stale. It is given here, so
        # that the numbers belong to exactly the revision that this step makes.
        tx.bump_revisions()
        read = dict.fromkeys(node.id for node in (organ, *lesions, *vessels_of(scene, organ)))
        errors = dict(registration.errors) if registration is not None else {}
        inputs: list[Node] = [scene.node(plan.id), *(scene.node(node_id) for node_id in (*read, *errors)), scene.case]
        made_from = provenance(bench, "plan", inputs)
        if errors:
            made_from = made_from.model_copy(update={"parameters": {"registrations": errors}})
        tx.set(plan.id, numbers=document, provenance=made_from)
    stored = scene.expect(plan.id, PlanNode)
    planes = [format_plane(plane) for cut in stored.cuts for plane in cut.planes]
    return {"node": describe(stored), "name": stored.name, "status": stored.status, "planes": planes, **document}
