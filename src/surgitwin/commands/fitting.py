"""How an implant fits: contact, gap, penetration, overhang, what it comes near, a cup's angles, a screw's grade."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgitwin import __version__
from surgitwin.commands import fit_screws as screws
from surgitwin.commands.base import Arg, Bench, Command, Document, Work
from surgitwin.commands.fit_screws import Warned, ct_of
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.implanting import PlaceImplant, fitted_to
from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import (
    FitNode,
    ImplantModel,
    ImplantNode,
    LandmarkNode,
    Point,
    Provenance,
    SegmentNode,
    SurfaceNode,
)
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.implants.trajectory import CtPart

FloatArray = NDArray[np.float64]
Target = SegmentNode | SurfaceNode


@dataclass(frozen=True, eq=False)
class FitTask:
    """What a fit is computed from, as no later edit can change it."""

    item: ImplantModel
    mesh: Mesh
    pose: FloatArray
    bone: Mesh
    bone_name: str
    avoid: tuple[tuple[str, Mesh], ...]
    tolerance_mm: float
    reach_mm: float
    surface: Literal["facing", "all"]
    register: Literal["icp", "landmarks"] | None
    pairs: tuple[tuple[Point, Point], ...]
    side: Literal["left", "right"] | None
    pelvis: dict[str, Point]
    pedicle_mm: tuple[float, float] | None
    voxel_mm: float | None
    canal: tuple[str, Mesh] | None = None
    vessels: tuple[tuple[str, Mesh], ...] | None = None
    ct: CtPart | None = None
    no_hu: str = ""


class FitImplant(Command):
    """Tell how an implant fits a structure; the fit stays with the implant and is replaced by the next one."""

    name: ClassVar[str] = "fit"
    title: ClassVar[str] = tr("Fit an implant")
    summary: ClassVar[str] = tr("How an implant fits a bone: contact, gap, penetration, collisions, angles, grade.")

    implant: Annotated[str, Arg(tr("an implant of the case, FAMILY/SIZE of the library, or a file"))] = Field(
        min_length=1
    )
    onto: Annotated[str | None, Arg(tr("the segment or surface it is fitted to; that which it was placed on"))] = None
    pose: Annotated[Path | None, Arg(tr('a JSON file {"matrix": 4 rows of 4}: LPS mm = matrix @ implant mm'))] = None
    tolerance_mm: Annotated[float, Arg(tr("what counts as contact"), unit="mm")] = Field(default=1.0, gt=0.0, le=10.0)
    reach_mm: Annotated[float, Arg(tr("how far bone counts: wider gaps have no volume"), unit="mm")] = Field(
        default=5.0, gt=0.0, le=50.0
    )
    surface: Annotated[
        Literal["facing", "all"], Arg(tr("the fitting surface: what faces the bone, or the whole implant"))
    ] = "facing"
    avoid: Annotated[tuple[str, ...], Arg(tr("a structure to keep clear of"))] = ()
    canal: Annotated[str | None, Arg(tr("the spinal canal: how far it is, and where medial is for a screw"))] = None
    vessel: Annotated[tuple[str, ...], Arg(tr("a vessel: how far it is from the implant"))] = ()
    register_: Annotated[
        Literal["icp", "landmarks"] | None,
        Arg(tr("move it first: onto the surface, or by landmarks"), option="register"),
    ] = None
    landmarks: Annotated[
        dict[str, str], Arg(tr("POINT=LANDMARK: a reference point of the implant and a landmark of the case"))
    ] = Field(default_factory=dict)
    side: Annotated[Literal["left", "right"] | None, Arg(tr("of the hip, for the angles of a cup"))] = None
    pedicle: Annotated[
        tuple[float, float] | None, Arg(tr("from where to where along the screw the pedicle is"), unit="mm")
    ] = None

    def start(self, bench: Bench) -> Work[Any]:
        from surgitwin.commands.sharing import freeze_segments, meshes_of
        from surgitwin.implants.cup import LANDMARKS
        from surgitwin.implants.trajectory import CtPart

        scene = bench.scene
        wanted = self.implant.casefold()
        known = any(one.id == self.implant or one.name.casefold() == wanted for one in scene.of_type(ImplantNode))
        there = scene.resolve(self.implant, ImplantNode) if known else None
        onto = self._onto(scene, there)
        avoid, vessels = ([fitted_to(scene, name) for name in names] for names in (self.avoid, self.vessel))
        canal = fitted_to(scene, self.canal) if self.canal is not None else None
        if canal is not None and canal.id == onto.id:
            raise BadInput(tr("The spinal canal cannot be what the implant is fitted to. Choose another segment."))
        beside = [*avoid, *vessels, *([canal] if canal is not None else [])]
        targets: list[Target] = list({one.id: one for one in (onto, *beside)}.values())
        frozen = freeze_segments(scene, [one for one in targets if isinstance(one, SegmentNode)])
        given = {one.id: Mesh(one.points.frozen(), one.triangles.frozen()) for one in targets
                 if isinstance(one, SurfaceNode)}  # fmt: skip
        placing = PlaceImplant(item=self.implant if there is None else there.id, pose=self.pose).start(bench)
        marks = {one.name.casefold(): one for one in scene.of_type(LandmarkNode)}
        used = {name: scene.resolve(mark, LandmarkNode) for name, mark in self.landmarks.items()}
        if self.register_ == "landmarks" and not used:
            raise BadInput(tr("Say which points belong together: --landmarks POINT=LANDMARK, three or more."))
        pelvis = {name: marks[name].position_mm for name in LANDMARKS if name in marks}
        grid = scene.segmentation_of(onto).geometry if isinstance(onto, SegmentNode) else None
        may_be_screw = there is None or screws.is_pedicle_screw(there.item)
        picture, no_hu = ct_of(scene, onto) if may_be_screw else (None, "")
        inputs = [*targets, *used.values(), *(marks[name] for name in pelvis), *([picture] if picture else [])]
        voxels = picture.voxels.frozen() if picture is not None else None

        def compute(ctx: Context) -> Any:
            put = placing.compute(ctx.part(0.0, 0.1))
            made = meshes_of(frozen, ctx.part(0.1, 0.5))
            meshes = {entry.segment.id: one.mesh for entry, one in zip(frozen, made, strict=True)} | given
            ct, why = None, no_hu
            if picture is not None and voxels is not None and screws.is_pedicle_screw(put.item):
                ct = CtPart.around(voxels, picture.geometry, meshes[onto.id].points, picture.name)
                why = tr("“{name}” does not show the bone.").format(name=picture.name)
            task = FitTask(
                item=put.item, mesh=put.mesh, pose=put.pose, bone=meshes[onto.id], bone_name=onto.name,
                avoid=tuple((one.name, meshes[one.id]) for one in avoid),
                tolerance_mm=self.tolerance_mm, reach_mm=self.reach_mm, surface=self.surface,
                register=self.register_, pairs=_pairs(put.item, used), side=self.side, pelvis=pelvis,
                pedicle_mm=self.pedicle, voxel_mm=max(grid.spacing_mm) if grid is not None else None,
                canal=(canal.name, meshes[canal.id]) if canal is not None else None,
                vessels=tuple((one.name, meshes[one.id]) for one in vessels) or None, ct=ct, no_hu=why,
            )  # fmt: skip
            return put, *ctx.part(0.5, 1.0).apart(fitted, task)

        def commit(found: Any) -> Document:
            return self._keep(bench, there, onto, inputs, found)

        return Work(compute, commit)

    def _onto(self, scene: Scene, there: ImplantNode | None) -> Target:
        if self.onto is not None:
            return fitted_to(scene, self.onto)
        if there is None or there.onto is None or there.onto not in scene:
            raise BadInput(tr("Say what it is fitted to: --onto SEGMENT."))
        return fitted_to(scene, there.onto)

    def _keep(self, bench: Bench, there: ImplantNode | None, onto: Target, inputs: list[Any], found: Any) -> Document:
        put, pose, numbers = found
        scene = bench.scene
        if there is not None and (there.id not in scene or scene.node(there.id).revision != there.revision):
            raise BadInput(tr("The implant was changed meanwhile. Nothing was kept; please fit it again."))
        if onto.id not in scene or scene.node(onto.id).revision != onto.revision:
            raise BadInput(tr("“{name}” was changed meanwhile. Please fit again.").format(name=onto.name))
        matrix = tuple(float(v) for v in np.asarray(pose).reshape(-1))
        settings = self.model_dump(mode="json", exclude={"implant", "onto", "pose"}, exclude_none=True)
        name = there.name if there is not None else f"{put.item.name} {put.item.size}".strip()
        with bench.transaction(tr("Fit {name}").format(name=name)) as tx:
            if there is None:
                node = ImplantNode(
                    name=name, parent=scene.case.id, item=put.item, matrix=matrix, onto=onto.id, notices=put.notices,
                    mirrored=put.mirrored, points=ArrayData.of(put.mesh.points),
                    triangles=ArrayData.of(put.mesh.triangles),
                    provenance=provenance(bench, "fit", [], item=put.item.id),
                )  # fmt: skip
                tx.add(node)
            else:
                tx.set(there.id, matrix=matrix, onto=onto.id)
            implant = there.id if there is not None else node.id
            tx.bump_revisions()  # what the fit is of has the revision that it keeps
            old = next((one for one in scene.of_type(FitNode) if one.implant == implant and one.onto == onto.id), None)
            made_from = provenance(bench, "fit", [scene.node(implant), *inputs], automatic=True, **settings)
            document = _document(scene, scene.expect(implant, ImplantNode), onto, numbers, made_from)
            fields: dict[str, Any] = {"settings": settings, "document": document, "provenance": made_from}
            if old is None:
                kept = FitNode(name=tr("Fit on {name}").format(name=onto.name), parent=implant, implant=implant,
                               onto=onto.id, **fields)  # fmt: skip
                tx.add(kept)
            else:
                kept = old
                tx.set(old.id, **fields)
        return {"node": describe(kept), **document}


def _pairs(item: ImplantModel, used: dict[str, LandmarkNode]) -> tuple[tuple[Point, Point], ...]:
    known = item.reference_points_mm
    for name in used:
        if name not in known:
            message = tr("{implant} has no reference point “{name}”; it has: {known}.")
            raise BadInput(message.format(implant=item.name, name=name, known=", ".join(known) or tr("none")))
    return tuple((known[name], mark.position_mm) for name, mark in used.items())


def fitted(task: FitTask, *, ctx: Context) -> tuple[FloatArray, Document]:
    """The pose, and the numbers of the fit; for `Context.apart`."""
    from surgitwin.implants import registration as registering
    from surgitwin.implants.fit import Bone, LiveFit
    from surgitwin.implants.poses import placed
    from surgitwin.implants.resting import collision, gap_ml, overhang, overlap_ml
    from surgitwin.implants.shape import Shape

    ctx.progress(0.0, tr("Measuring the fit"))
    shape, bone = Shape.of(task.mesh, task.item.name), Bone(task.bone, task.bone_name)
    pose, found = task.pose, None
    here, there = (np.array([pair[n] for pair in task.pairs], np.float64).reshape(-1, 3) for n in range(2))
    if task.register == "landmarks":
        found = registering.by_landmarks(here, there)
    elif task.register == "icp":
        found = registering.by_surface(shape, bone.solid, pose, ctx=ctx.part(0.1, 0.4))
        found = registering.with_targets(found, here, there)
    if found is not None:
        pose = found.matrix
    live = LiveFit(shape, bone, tolerance_mm=task.tolerance_mm, reach_mm=task.reach_mm, surface=task.surface)
    near = live.distances(pose)
    fit = live.weighed(pose, near, live.on_bone(pose))
    ctx.progress(0.6, tr("Measuring the fit"))
    body = placed(task.mesh, pose)
    over = overhang(live, pose, near, fit)
    clear = [collision(body, mesh, name) for name, mesh in task.avoid]
    vessels = None if task.vessels is None else [collision(body, mesh, name) for name, mesh in task.vessels]
    canal = None if task.canal is None else collision(body, task.canal[1], task.canal[0])
    screw, not_graded = screws.screw_document(task, pose, bone.solid)
    warnings = [one.as_json() for one in found.notices()] if found is not None else []
    warnings += _warnings(task, fit.nearest_mm, fit.contact_percent, not_graded)
    return pose, {
        "tolerance_mm": task.tolerance_mm,
        "reach_mm": task.reach_mm,
        "fitting_surface": task.surface,
        "contact_percent": fit.contact_percent,
        "contact_mm2": fit.contact_mm2,
        "fitting_mm2": fit.fitting_mm2,
        "gap_mm": fit.gap_mm.as_json() if fit.gap_mm is not None else None,
        "gap_ml": gap_ml(live, pose, near, fit),
        "penetration_mm": fit.penetration_mm.as_json(),
        "penetration_ml": overlap_ml(body, task.bone),
        "inside_percent": fit.inside_percent,
        "nearest_mm": fit.nearest_mm,
        "overhang_mm": over.overhang_mm if over is not None else None,
        "covered_percent": over.covered_percent if over is not None else None,
        "registration": registration_document(found),
        "collisions": [one.as_json() for one in clear],
        "canal": canal.as_json() if canal is not None else None,
        "vessels": [one.as_json() for one in vessels] if vessels is not None else None,
        "nearest_vessel_mm": min(one.distance_mm for one in vessels) if vessels is not None else None,
        "grade": screw["grade"] if screw is not None else None,
        "screw": screw,
        "cup": _cup(task, pose),
        "warnings": warnings,
    }


def registration_document(found: Any) -> Document | None:
    """A registration as documents have it."""
    if found is None:
        return None
    return {
        "method": found.method,
        "rms_mm": found.rms_mm,
        "p95_mm": found.p95_mm,
        "max_mm": found.max_mm,
        "paired_percent": found.paired_percent,
        "tre_mm": found.tre_mm,
        "tre_from": found.tre_from,
        "loose": [{"kind": one.kind, "direction": list(one.direction)} for one in found.loose],
    }


def _cup(task: FitTask, pose: FloatArray) -> Document | None:
    """The angles in the CT table's frame, and in that of the anterior pelvic plane if its landmarks are there."""
    from surgitwin.implants.cup import LANDMARKS, TABLE, cup_angles, pelvic_plane

    if task.item.kind != "cup" or task.side is None or "main" not in task.item.axes:
        return None
    axis = pose[:3, :3] @ np.array(task.item.axes["main"])
    frames = [TABLE]
    if len(task.pelvis) == len(LANDMARKS):
        frames.insert(0, pelvic_plane(task.pelvis))
    return {"frames": [cup_angles(axis, task.side, frame).as_json() for frame in frames]}


def _warnings(task: FitTask, nearest_mm: float, contact: float | None, not_graded: Warned | None) -> list[Document]:
    found: list[tuple[str, str]] = []
    if nearest_mm > task.tolerance_mm:
        message = tr("The implant does not touch “{name}” anywhere: its nearest place is {mm:.1f} mm away.")
        found.append(("fit-no-contact", message.format(name=task.bone_name, mm=nearest_mm)))
    if contact is None:
        message = tr("No part of the implant faces “{name}”, so contact and gap were not assessed.")
        found.append(("fit-faces-nothing", message.format(name=task.bone_name)))
    if task.item.kind == "cup" and task.side is None:
        found.append(("fit-cup-side", tr("The cup's angles were not assessed: say which hip it is, left or right.")))
    if not_graded is not None:
        found.append(not_graded)
    return [{"code": code, "message": message, "details": {}} for code, message in found]


def _document(scene: Scene, implant: ImplantNode, onto: Target, numbers: Document, made_from: Provenance) -> Document:
    return {
        "implant": describe(implant),
        "item": implant.item.id,
        "generic": implant.item.generic,
        "onto": describe(onto),
        "matrix": np.reshape(implant.matrix, (4, 4)).tolist(),
        **numbers,
        "provenance": {
            "tool": made_from.tool,
            "program": f"surgitwin {__version__}",
            "automatic": True,
            "made_at": made_from.made_at,
            "inputs": {str(key): str(revision) for key, revision in made_from.inputs.items()},
        },
    }
