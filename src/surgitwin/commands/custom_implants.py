"""Implants made for the patient from the twin: a skull patch, a plate on painted bone, a cutting guide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, field_validator

from surgitwin.commands.base import Arg, Bench, Command, Document, Work
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.implanting import surface_source
from surgitwin.commands.mesh_files import cut_off_warning
from surgitwin.commands.plan_cuts import parse_plane
from surgitwin.commands.points import numbers_as_text, place, places
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import ImplantModel, ImplantNode, Node, PlaneModel, PlanNode, SegmentNode, SurfaceNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.implants.custom.made import Made

S = TypeVar("S")
Maker = Callable[[Mesh, Mesh | None, Context], "tuple[Made, Document]"]


class MakeCustomImplant(Command):
    """Make a patch, plate or guide for this patient; one of the same name is replaced."""

    name: ClassVar[str] = "custom"
    title: ClassVar[str] = tr("Make a patient-specific part")
    summary: ClassVar[str] = tr("Make a skull patch, a plate or a cutting guide from the twin (a planning model).")

    kind: Annotated[Literal["patch", "plate", "guide"], Arg(tr("patch, plate or guide"), positional=True)]
    of: Annotated[str, Arg(tr("the bone: a segment or a closed surface"))] = Field(min_length=1)
    patch: Annotated[str | None, Arg(tr("plate: the segment that marks where it lies on the bone"))] = None
    plane: Annotated[
        str | None, Arg(tr("px,py,pz,nx,ny,nz: the cut of a guide, or the mirror plane of a patch; LPS mm"))
    ] = None
    plan: Annotated[str | None, Arg(tr("guide: the plan whose first plane it carries"))] = None
    midline: Annotated[tuple[str, ...], Arg(tr("patch: three or more x,y,z in the midline, LPS mm"))] = ()
    at: Annotated[str | None, Arg(tr("x,y,z: where the guide sits, or where the defect is"))] = None
    hole: Annotated[tuple[str, ...], Arg(tr("plate: x,y,z of a screw hole; without it evenly along the plate"))] = ()
    settings: Annotated[
        dict[str, float], Arg(tr("a length such as thickness_mm=2, gap_mm=0.3, holes=4"), option="set")
    ] = Field(default_factory=dict)
    name_: Annotated[str | None, Arg(tr("its name in the case"), option="name")] = Field(
        default=None, min_length=1, max_length=200
    )

    @field_validator("plane", "at", "midline", "hole", mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        value = value.tolist() if hasattr(value, "tolist") else value
        if isinstance(value, list | tuple) and value and all(isinstance(one, int | float) for one in value):
            return ",".join(repr(float(one)) for one in value)
        return numbers_as_text(value)

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        bone = solid_node(scene, self.of)
        mark = scene.resolve(self.patch, SegmentNode) if self.patch is not None else None
        if self.kind == "plate" and mark is None:
            raise BadInput(tr("A plate needs the segment that marks its place on the bone: --patch NAME."))
        plan = scene.resolve(self.plan, PlanNode) if self.plan is not None else None
        make = self._maker(plan)
        bones, marks = surface_source(scene, bone), surface_source(scene, mark) if mark is not None else None
        cut_off = reaches_edge(scene, bone)
        inputs: list[Node] = [node for node in (bone, mark, plan) if node is not None]
        given = self.model_dump(mode="json", exclude={"of", "patch", "plan", "name_"}, exclude_defaults=True)
        made_from = provenance(bench, "custom", inputs, automatic=True, **given)

        def compute(ctx: Context) -> tuple[Made, Document]:
            skull = bones(ctx.part(0.0, 0.15))
            patch = marks(ctx.part(0.15, 0.2)) if marks is not None else None
            return ctx.part(0.2, 1.0).apart(made_apart, make, skull, patch)

        def commit(outcome: tuple[Made, Document]) -> Document:
            made, more = outcome
            for node in inputs:
                if node.id not in scene or scene.node(node.id).revision != node.revision:
                    raise BadInput(tr("The bone or the plan was changed meanwhile. Nothing was kept; do it again."))
            name = self.name_ or f"{bone.name} {self.kind}"
            kept = _keep(bench, name, self._item(name, made), made, bone, made_from)
            warnings = [notice.as_json() for notice in made.notices]
            if cut_off:
                warnings.append(cut_off_warning(bone.name))
            return {
                "node": describe(kept),
                "kind": self.kind,
                "of": describe(bone),
                **made.numbers,
                **more,
                "triangles": len(made.mesh.triangles),
                "closed": True,
                "note": tr("Planning model, not for use in a patient."),
                "warnings": warnings,
            }

        return Work(compute, commit)

    def _maker(self, plan: PlanNode | None) -> tuple[str, Any, Any, Any]:
        """What is made, with its settings, plane and place; it can travel to another process."""
        from surgitwin.implants.custom.guide import GuideSettings
        from surgitwin.implants.custom.patch import PatchSettings
        from surgitwin.implants.custom.plate import PlateSettings

        at = place(self.at, tr("The place")) if self.at is not None else None
        plane = parse_plane(self.plane) if self.plane is not None else None
        if self.kind == "plate":
            points = tuple(tuple(row) for row in places(self.hole, 3, tr("The hole")).tolist())
            return ("plate", replace(_set(PlateSettings(), self.settings), hole_points_mm=points), None, None)
        if self.kind == "guide":
            cut = plane or _plane_of(plan)
            return ("guide", _set(GuideSettings(), self.settings), (cut.point_mm, cut.normal), at)
        midline = places(self.midline, 3, tr("The midline's place")) if self.midline else None
        mirror = (plane.point_mm, plane.normal) if plane is not None else midline
        return ("patch", _set(PatchSettings(), self.settings), mirror, at)

    def _item(self, name: str, made: Made) -> ImplantModel:
        from surgitwin.implants.custom.made import LICENCE

        return ImplantModel(
            id=f"patient-specific/{self.kind}",
            family="patient-specific",
            kind=self.kind,
            name=name,
            licence=LICENCE,
            axes=dict(made.axes),
            reference_points_mm=dict(made.points_mm),
            note=LICENCE,
            patient_specific=True,
        )


def made_apart(
    what: tuple[str, Any, Any, Any], bone: Mesh, mark: Mesh | None, *, ctx: Context
) -> tuple[Made, Document]:
    """The part and what else the document says; for `Context.apart`."""
    kind, settings, plane, at = what
    if kind == "plate":
        from surgitwin.implants.custom.plate import make_plate

        if mark is None:
            raise BadInput(tr("The plate's place is empty: paint it on the bone."))
        return make_plate(bone, mark, settings, ctx=ctx), {}
    if kind == "guide":
        from surgitwin.implants.custom.guide import make_guide

        return make_guide(bone, plane[0], plane[1], settings, at, ctx), {}
    from surgitwin.implants.custom.patch import make_patch
    from surgitwin.implants.custom.symmetry import judged, plane_of_landmarks, symmetry_plane

    if plane is None:
        mirror = symmetry_plane(bone)
    elif isinstance(plane, tuple):
        mirror = judged(bone, plane[0], plane[1], automatic=False)
    else:
        mirror = plane_of_landmarks(bone, plane)
    more = {
        "mirror_plane": {
            "point_mm": mirror.point_mm.tolist(),
            "normal": mirror.normal.tolist(),
            "mean_mm": mirror.mean_mm,
            "p95_mm": mirror.p95_mm,
            "alike_percent": mirror.like_percent,
            "automatic": mirror.automatic,
        }
    }
    return make_patch(bone, mirror, settings, at, ctx), more


def solid_node(scene: Scene, name: str) -> SegmentNode | SurfaceNode:
    """The segment of this name or id, else the surface."""
    try:
        return scene.resolve(name, SegmentNode)
    except BadInput:
        if not any(name in (node.id, node.name) for node in scene.of_type(SurfaceNode)):
            raise
    return scene.resolve(name, SurfaceNode)


def reaches_edge(scene: Scene, node: SegmentNode | SurfaceNode) -> bool:
    """True if a segment is cut off by the image's edge."""
    if isinstance(node, SurfaceNode):
        return any(notice.code == "cut-off" for notice in node.notices)
    mask = scene.layer_of(node).labels.frozen() == node.value
    return Box.of_mask(mask).touches_edge(scene.segmentation_of(node).geometry.size_ijk)


def _plane_of(plan: PlanNode | None) -> PlaneModel:
    if plan is None:
        raise BadInput(tr("A guide needs the plane it carries: --plane px,py,pz,nx,ny,nz, or --plan with a plane."))
    found = [plane for cut in plan.cuts if cut.enabled and cut.kind == "planes" for plane in cut.planes]
    if not found:
        raise BadInput(tr("The plan “{name}” has no plane that a guide could carry.").format(name=plan.name))
    return found[0]


def _set(settings: S, given: dict[str, float]) -> S:
    """The settings with some of them changed."""
    known = {one.name: one for one in fields(settings) if isinstance(getattr(settings, one.name), int | float)}  # type: ignore[arg-type]
    changed: dict[str, float] = {}
    for key, value in given.items():
        if key not in known:
            message = tr("There is no setting “{key}”. There are: {names}.")
            raise BadInput(message.format(key=key, names=", ".join(known)))
        low = 0.1 if key in ("thickness_mm", "slot_mm", "spacing_mm", "width_mm", "length_mm", "hole_every_mm") else 0.0
        if not low <= value <= 300:
            raise BadInput(
                tr("{key} must lie between {low:g} and 300, not {value:g}.").format(key=key, low=low, value=value)
            )
        changed[key] = int(value) if key == "holes" else float(value)
    return replace(settings, **changed)  # type: ignore[type-var]


def _keep(bench: Bench, name: str, item: ImplantModel, made: Made, bone: Node, made_from: Any) -> ImplantNode:
    scene = bench.scene
    old = next((one for one in scene.of_type(ImplantNode) if one.name == name and one.item.patient_specific), None)
    values: dict[str, Any] = {
        "item": item,
        "points": ArrayData.of(made.mesh.points),
        "triangles": ArrayData.of(made.mesh.triangles),
        "onto": bone.id,
        "notices": made.notices,
        "provenance": made_from,
    }
    with bench.transaction(tr("Make {name}").format(name=name)) as tx:
        if old is not None:
            tx.set(old.id, **values)
            return scene.expect(old.id, ImplantNode)
        node = ImplantNode(name=name, parent=scene.case.id, **values)
        tx.add(node)
    return scene.expect(node.id, ImplantNode)
