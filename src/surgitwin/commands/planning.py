"""Plans: cut an organ in any number of ways, count what goes and what stays, and hold it against the limits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from surgitwin.commands.base import Arg, Bench, Command, Document, Work, at_once
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.plan_cuts import (
    Fate,
    format_cut,
    format_plane,
    hepatectomy_cut,
    margin_cut,
    parse_cut,
    parse_plane,
    read_surface,
    territories_cut,
)
from surgitwin.commands.plan_parts import FrozenPlan, freeze_plan, lesions_in, lesions_of, vessels_of
from surgitwin.commands.plan_tissue import tissue_document
from surgitwin.commands.points import numbers_as_text
from surgitwin.commands.registered import plan_registration, with_margin_bands
from surgitwin.core.errors import BadInput
from surgitwin.core.ids import Revision, new_node_id, new_revision
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import CaseNode, CutModel, Node, PlanNode, SegmentNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.resection import Cut, LiveCut
    from surgitwin.resection.volumetry import Patient

# As in `resection.volumetry.OPERATIONS`, which costs an import at start-up; a test holds them together.
Operation = Literal[
    "right hepatectomy", "left hepatectomy", "extended right hepatectomy", "extended left hepatectomy", "other"
]


class PlanResection(Command):
    """Cut an organ and count what goes and what stays; cuts of every kind unite."""

    name: ClassVar[str] = "plan"
    title: ClassVar[str] = tr("Plan a resection")
    summary: ClassVar[str] = tr(
        "Cut an organ: removed, remnant, margins, what the vessels lose. An existing name is replaced."
    )

    plan: Annotated[str, Arg(tr("name of the plan"), positional=True, option="name")] = Field(
        min_length=1, max_length=200
    )
    organ: Annotated[str, Arg(tr("the segment to cut"))]
    plane: Annotated[
        tuple[str, ...],
        Arg(tr("px,py,pz,nx,ny,nz in LPS mm; the side that the normal points to goes; several planes intersect")),
    ] = ()
    surface: Annotated[
        tuple[str, ...], Arg(tr("a JSON file with a Bézier patch or a drawn curve, LPS mm; each is one cut"))
    ] = ()
    territories: Annotated[
        tuple[str, ...], Arg(tr("territories or named branches that go, commas between them; each option is one cut"))
    ] = ()
    margin: Annotated[tuple[str, ...], Arg(tr("LESION:MM, a wedge: what lies within MM of the lesion goes"))] = ()
    hepatectomy: Annotated[str, Arg(tr("a standard hepatectomy, such as right or H5678"))] = ""
    segment_1: Annotated[Fate | None, Arg(tr("whether segment 1 goes with the standard hepatectomy"))] = None
    middle_hepatic_vein: Annotated[Fate | None, Arg(tr("whether the middle hepatic vein goes with it"))] = None
    cut: Annotated[tuple[str, ...], Arg(tr("a cut as the case holds it, JSON"))] = ()
    lesion: Annotated[tuple[str, ...], Arg(tr("a lesion to take out; without it all lesions of the case"))] = ()
    wish: Annotated[float | None, Arg(tr("the margin that is wished for; there is no default"), unit="mm")] = Field(
        default=None, ge=0, le=200
    )
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
        cuts, operation = self._cuts(scene, organ)
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
            wish_mm=self.wish,
            operation=self.operation or operation or (old[0].operation if old else ""),
            notes=self.notes or (old[0].notes if old else ""),
        )
        frozen = freeze_plan(scene, organ, lesions, cuts)
        patient = patient_of(scene.case, plan)

        def compute(ctx: Context) -> Document:
            return plan_document(plan, frozen, patient, ctx)

        def commit(document: Document) -> Document:
            return put_plan(bench, plan, bool(old), document, frozen)

        return Work(compute, commit)

    def _cuts(self, scene: Scene, organ: SegmentNode) -> tuple[tuple[CutModel, ...], str]:
        """All cuts that were asked for, and what published limits call the operation.

        Raises
        ------
        BadInput
            If one of them does not read, or there is none.
        """
        cuts: list[CutModel] = []
        operation = ""
        planes = tuple(parse_plane(text) for text in self.plane)
        if planes:
            cuts.append(CutModel(planes=planes))
        cuts += [read_surface(Path(file)) for file in self.surface]
        cuts += [territories_cut(scene, organ, text) for text in self.territories]
        cuts += [margin_cut(scene, organ, text) for text in self.margin]
        if self.hepatectomy:
            standard, operation = hepatectomy_cut(
                scene, organ, self.hepatectomy, self.segment_1, self.middle_hepatic_vein
            )
            cuts.append(standard)
        elif self.segment_1 is not None or self.middle_hepatic_vein is not None:
            raise BadInput(tr("--segment-1 and --middle-hepatic-vein go with --hepatectomy only."))
        cuts += [parse_cut(text) for text in self.cut]
        if not cuts:
            raise BadInput(
                tr(
                    "A plan needs a cut: --plane px,py,pz,nx,ny,nz, --surface FILE, --territories, --margin LESION:MM"
                    " or --hepatectomy."
                )
            )
        return tuple(cuts), operation


class DuplicatePlan(Command):
    """A second plan with the same organ, cuts and numbers; undoable."""

    name: ClassVar[str] = "duplicate"
    title: ClassVar[str] = tr("Duplicate a plan")
    summary: ClassVar[str] = tr("A second plan with the same cuts, to change on; a draft of its own.")

    plan: Annotated[str, Arg(tr("the plan to copy"), positional=True)] = Field(min_length=1)
    into: Annotated[str, Arg(tr("the name of the copy; without it the old name with a number"), option="as")] = Field(
        default="", max_length=200
    )

    def start(self, bench: Bench) -> Work[None]:
        scene = bench.scene
        plan = scene.resolve(self.plan, PlanNode)
        taken = {one.name.casefold() for one in scene.of_type(PlanNode)}
        if self.into.casefold() in taken:
            raise BadInput(tr("There is a plan “{name}” already. Give the copy another name.").format(name=self.into))
        names = (f"{plan.name} {number}" for number in range(2, 10_000))
        name = self.into or next(one for one in names if one.casefold() not in taken)

        def apply() -> Document:
            copy = plan.model_copy(
                update={
                    "id": new_node_id(),
                    "name": name,
                    "revision": new_revision(),
                    "order": time.time_ns(),
                    "status": "draft",
                    "sign_off": None,
                    "provenance": None,
                }
            )
            with bench.transaction(tr("Duplicate: {name}").format(name=plan.name)) as tx:
                tx.add(copy)
                tx.bump_revisions()
                old = plan.provenance
                if old is not None:
                    # Its numbers are as current, or as stale, as those of the plan that it was copied from.
                    kept = {key: revision for key, revision in old.inputs.items() if key != plan.id}
                    own = scene.node(copy.id).revision if old.inputs.get(plan.id) == plan.revision else Revision("")
                    tx.set(copy.id, provenance=old.model_copy(update={"inputs": {copy.id: own, **kept}}))
            stored = scene.expect(copy.id, PlanNode)
            return {"node": describe(stored), "name": stored.name, "status": stored.status}

        return at_once(apply)


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
    cuts = frozen.cuts(plan.cuts, prepared, ctx)
    live = LiveCut(prepared)
    for model, cut in zip((model for model in plan.cuts if model.enabled), cuts, strict=True):
        removed = live.removed_by(cut)
        # A plane that misses is told by a notice: it is often dragged in from outside.
        if model.kind != "planes" and removed == 0:
            message = tr("The cut “{name}” misses {organ}: it takes nothing of it. Move it, or take its other side.")
            raise BadInput(message.format(name=model.name or model.kind, organ=frozen.organ[0].name))
        if model.kind in ("patch", "curve") and removed == prepared.organ_voxels:
            message = tr("The cut “{name}” misses {organ}: all of it lies on the side that goes.")
            raise BadInput(message.format(name=model.name or model.kind, organ=frozen.organ[0].name))
    document = numbers_document(live.evaluate(cuts), patient)
    document |= tissue_document(live, cuts, frozen.territories, ctx)
    document["warnings"] += [notice.as_json() for notice in (*_enclosed(live, cuts, ctx), *frozen.notices())]
    return with_margin_bands(document, frozen.registration, frozen.geometry)


def _enclosed(live: LiveCut, cuts: Sequence[Cut], ctx: Context) -> list[Notice]:
    """Regions of voxels may lie within the organ; all other cuts reach past it."""
    from surgitwin.resection import MaskCut
    from surgitwin.resection.cut_notices import enclosed_notices
    from surgitwin.resection.rows import removed_region

    if not any(isinstance(cut, MaskCut) for cut in cuts):
        return []
    prepared = live.prepared
    removed = removed_region(prepared.box, live.regions(cuts), prepared.geometry.size_ijk[0])
    return ctx.apart(enclosed_notices, prepared.organ.mask, removed, prepared.voxel_ml)


def moved_document(scene: Scene, plan: PlanNode, numbers: Any) -> Document:
    """The same for a plan whose cut is being moved."""
    document = numbers_document(numbers, patient_of(scene.case, plan))
    if numbers.marked_voxels is not None:  # while nothing is marked, the keys are those of the written plan
        document["portal_occluded_kept_ml"] = numbers.marked_voxels * numbers.voxel_ml
    organ = scene.expect(plan.organ, SegmentNode)
    lesions = lesions_in(scene, plan, organ)
    registration = plan_registration(scene, organ, [*lesions, *vessels_of(scene, organ)])
    return with_margin_bands(document, registration, scene.segmentation_of(organ).geometry)


def numbers_document(numbers: Any, patient: Patient) -> Document:
    """The counted numbers together with the published limits they may be held against."""
    from surgitwin.resection.volumetry import limits_document

    document: Document = numbers.as_json()
    document |= limits_document(numbers, patient)
    return document


def put_plan(bench: Bench, plan: PlanNode, replaces: bool, document: Document, frozen: FrozenPlan) -> Document:
    """Write the plan and its numbers as one undoable step."""
    scene = bench.scene
    title = tr("Move cut: {name}") if replaces else tr("Plan: {name}")
    with bench.transaction(title.format(name=plan.name)) as tx:
        if replaces and plan.id in scene:
            fields = ("organ", "cuts", "lesions", "wish_mm", "operation", "notes")
            tx.set(plan.id, **{name: getattr(plan, name) for name in fields})
        else:
            tx.add(plan)
        # The plan's own revision is an input: a cut that moves makes its old numbers stale. It is given here, so
        # that the numbers belong to exactly the revision that this step makes.
        tx.bump_revisions()
        errors = dict(frozen.registration.errors)
        read = [scene.get(node_id, Node) for node_id in errors]
        inputs = [scene.node(plan.id), *frozen.nodes, *(node for node in read if node is not None), scene.case]
        made_from = provenance(bench, "plan", inputs)
        if errors:
            made_from = made_from.model_copy(update={"parameters": {"registrations": errors}})
        tx.set(plan.id, numbers=document, provenance=made_from)
    stored = scene.expect(plan.id, PlanNode)
    planes = [format_plane(plane) for cut in stored.cuts for plane in cut.planes]
    cuts = [format_cut(cut) for cut in stored.cuts]
    return {
        "node": describe(stored),
        "name": stored.name,
        "status": stored.status,
        "planes": planes,
        "cuts": cuts,
        **document,
    }
