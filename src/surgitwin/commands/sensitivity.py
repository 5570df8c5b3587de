"""How a plan's numbers change when the cut or the segmentation is a little off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from surgitwin.commands.base import Arg, Bench, Command, Document, Work
from surgitwin.commands.images import describe
from surgitwin.commands.plan_parts import crop_structure, freeze_plan, is_liver, lesions_in
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import PlanNode, SegmentNode

if TYPE_CHECKING:
    from surgitwin.resection import Cut, Structure


class PlanSensitivity(Command):
    """Move the cut by 5 mm to either side, and grow and shrink the segments by a voxel."""

    name: ClassVar[str] = "sensitivity"
    title: ClassVar[str] = tr("Test a plan's sensitivity")
    summary: ClassVar[str] = tr(
        "How remnant and margin change when the cut moves by 5 mm and the segmentation by a voxel; kept with the plan."
    )

    plan: Annotated[str, Arg(tr("the plan"), positional=True)] = Field(min_length=1)
    shift_mm: Annotated[float, Arg(tr("how far the cut moves to either side"), option="shift", unit="mm")] = Field(
        default=5.0, gt=0, le=50
    )

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        plan = scene.resolve(self.plan, PlanNode)
        if plan.numbers is None or scene.is_stale(plan):
            raise BadInput(tr("The plan “{name}” is stale. Plan it again first.").format(name=plan.name))
        organ = scene.expect(plan.organ, SegmentNode)
        frozen = freeze_plan(scene, organ, lesions_in(scene, plan, organ), plan.cuts)
        revision, cuts, shift = plan.revision, plan.cuts, self.shift_mm

        def compute(ctx: Context) -> list[Document]:
            prepared = frozen.prepare(ctx.part(0.0, 0.3))
            made = frozen.cuts(cuts, prepared, ctx)
            structure = crop_structure(*frozen.organ, ctx)
            lesions = [crop_structure(*lesion, ctx) for lesion in frozen.lesions]
            part = ctx.part(0.3, 1.0)
            return part.apart(_tested, structure, frozen.geometry, made, lesions, is_liver(organ), shift)

        def commit(found: list[Document]) -> Document:
            current = scene.get(plan.id, PlanNode)
            if current is None or current.revision != revision or current.numbers is None:
                raise BadInput(tr("The plan was changed meanwhile. Nothing was kept; please do it again."))
            with bench.transaction(tr("Sensitivity: {name}").format(name=current.name)) as tx:
                tx.set(plan.id, numbers={**current.numbers, "sensitivity": found})
            return {"node": describe(current), "name": current.name, "sensitivity": found}

        return Work(compute, commit)


def _tested(
    organ: Structure,
    geometry: Geometry,
    cuts: list[Cut],
    lesions: list[Structure],
    of_liver: bool,
    shift_mm: float,
    ctx: Context,
) -> list[Document]:
    from surgitwin.resection.sensitivity import sensitivity

    found = sensitivity(organ, geometry, cuts, ctx, lesions=lesions, is_liver=of_liver, shift_mm=shift_mm)
    return [change.as_json() for change in found]
