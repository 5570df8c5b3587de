"""Every size of a family on a bone, each in its best pose, ranked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from surgitwin.commands.base import Arg, Bench, Command, Document, Work
from surgitwin.commands.fitting import FitTask, fitted, registration_document
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.implanting import fitted_to, free_implant_name, read_pose
from surgitwin.commands.points import place
from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import ImplantNode, SegmentNode, SurfaceNode

if TYPE_CHECKING:
    from surgitwin.implants.manifest import Described

RULE = tr("no collision first, then the larger contact percent, then the smaller 95th percentile of penetration")
STARTS = 7
_TILT_DEG = 10.0
# Of starts whose surfaces found partners for at least so much of the best one's share, the smallest RMS counts.
_ALIKE = 0.9
_SAME_MM = 0.01


class SweepSizes(Command):
    """Fit every size of a family from one starting pose and from others near it, and rank them."""

    name: ClassVar[str] = "sweep"
    title: ClassVar[str] = tr("Compare sizes")
    summary: ClassVar[str] = tr("Every size of an implant family on a bone, best pose each, in a ranked table.")

    family: Annotated[str, Arg(tr("a family of the library"))] = Field(min_length=1)
    onto: Annotated[str, Arg(tr("the segment or surface"))] = Field(min_length=1)
    start_at: Annotated[str | None, Arg(tr("an implant of the case that says where to start"), option="start")] = None
    pose: Annotated[Path | None, Arg(tr('where to start: a JSON file {"matrix": 4 rows of 4}'))] = None
    at: Annotated[str | None, Arg(tr("where to start: the origin of its own frame at x,y,z, LPS mm, unturned"))] = None
    tolerance_mm: Annotated[float, Arg(tr("what counts as contact"), unit="mm")] = Field(default=1.0, gt=0.0, le=10.0)
    avoid: Annotated[tuple[str, ...], Arg(tr("a structure to keep clear of"))] = ()
    folder: Annotated[tuple[Path, ...], Arg(tr("a folder of manifests (JSON) and meshes"))] = ()
    keep_best: Annotated[bool, Arg(tr("put the first of the table on the twin, in its pose"))] = False
    name_: Annotated[str | None, Arg(tr("with --keep-best: its name in the case"), option="name")] = Field(
        default=None, min_length=1, max_length=200
    )

    @field_validator("at", mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        """Scripts may give three numbers."""
        value = value.tolist() if hasattr(value, "tolist") else value
        return ",".join(repr(float(v)) for v in value) if isinstance(value, list | tuple) else value

    @property
    def changes_case(self) -> bool:
        return self.keep_best

    def start(self, bench: Bench) -> Work[Any]:
        from surgitwin.commands.sharing import freeze_segments, meshes_of
        from surgitwin.implants.library import open_library
        from surgitwin.implants.placement import pose_of

        scene = bench.scene
        targets = [fitted_to(scene, name) for name in (self.onto, *self.avoid)]
        segments = [one for one in targets if isinstance(one, SegmentNode)]
        frozen = freeze_segments(scene, segments)
        given = {one.id: Mesh(one.points.frozen(), one.triangles.frozen()) for one in targets
                 if not isinstance(one, SegmentNode)}  # fmt: skip
        if self.pose is not None:
            pose = read_pose(self.pose)
        elif self.start_at is not None:
            pose = pose_of(scene.resolve(self.start_at, ImplantNode))
        elif self.at is not None:
            pose = np.eye(4)
            pose[:3, 3] = place(self.at, tr("The start"))
        else:
            raise BadInput(tr("Say where to start: --pose FILE, --at X,Y,Z, or --start with an implant of the case."))

        def compute(ctx: Context) -> tuple[Document, dict[str, Described]]:
            items = open_library(self.folder, ctx.part(0.0, 0.1)).of_family(self.family)
            if not items:
                raise BadInput(tr("The library has no family “{name}”.").format(name=self.family))
            made = meshes_of(frozen, ctx.part(0.1, 0.3))
            meshes = {entry.segment.id: one.mesh for entry, one in zip(frozen, made, strict=True)} | given
            rows, sizes = [], {}
            for number, item in enumerate(items):
                part = ctx.part(0.3 + 0.7 * number / len(items), 0.3 + 0.7 * (number + 1) / len(items))
                described = sizes[item.id] = item.described()
                task = FitTask(
                    item=item.model, mesh=described.mesh, pose=pose, bone=meshes[targets[0].id],
                    bone_name=targets[0].name, avoid=tuple((one.name, meshes[one.id]) for one in targets[1:]),
                    tolerance_mm=self.tolerance_mm, reach_mm=5.0, surface="facing", register=None, pairs=(),
                    side=None, pelvis={}, pedicle_mm=None, voxel_mm=None,
                )  # fmt: skip
                rows.append(_row(task, part))
            rows.sort(key=_rank)
            table = [{"rank": n + 1 if row["refused"] is None else None, **row} for n, row in enumerate(rows)]
            document = {
                "family": self.family,
                "onto": targets[0].name,
                "tolerance_mm": self.tolerance_mm,
                "rule": RULE,
                "starts": STARTS,
                "automatic": True,
                "sizes": table,
                "kept": None,
                "warnings": _warnings(table),
            }
            return document, sizes

        def commit(found: tuple[Document, dict[str, Described]]) -> Document:
            document, sizes = found
            best = document["sizes"][0]
            if self.keep_best and best["refused"] is None:
                document["kept"] = self._keep(bench, targets[0], sizes[best["item"]], best)
            return document

        return Work(compute, commit)

    def _keep(self, bench: Bench, onto: SegmentNode | SurfaceNode, size: Described, best: Document) -> Document:
        scene = bench.scene
        if onto.id not in scene or scene.node(onto.id).revision != onto.revision:
            message = tr("“{name}” was changed meanwhile. Nothing was kept; compare the sizes again.")
            raise BadInput(message.format(name=onto.name))
        name = free_implant_name(scene, self.name_ or f"{size.model.name} {size.model.size}".strip())
        node = ImplantNode(
            name=name, parent=scene.case.id, item=size.model, onto=onto.id, notices=size.notices,
            matrix=tuple(float(v) for v in np.reshape(best["matrix"], -1)),
            points=ArrayData.of(size.mesh.points), triangles=ArrayData.of(size.mesh.triangles),
            provenance=provenance(bench, "sweep", [], item=size.model.id, family=self.family),
        )  # fmt: skip
        with bench.transaction(tr("Keep the best size: {name}").format(name=name)) as tx:
            tx.add(node)
        return describe(node)


def _row(task: FitTask, ctx: Context) -> Document:
    """One size; one that finds no rest from any start is in the table with the reason, and has no rank."""
    row: Document = {"item": task.item.id, "size": task.item.size, "refused": None}
    try:
        pose, found = ctx.apart(settled, task)
    except BadInput as error:
        return row | {"refused": str(error), "contact_percent": None, "collides": None, "gap_mm": None,
                      "penetration_mm": None, "registration": None, "matrix": None, "start": None}  # fmt: skip
    return row | {
        "contact_percent": found["contact_percent"],
        "collides": any(one["collides"] for one in found["collisions"]),
        "gap_mm": found["gap_mm"],
        "penetration_mm": found["penetration_mm"],
        "registration": found["registration"],
        "matrix": pose.tolist(),
        "start": found["start"],
    }


def settled(task: FitTask, *, ctx: Context) -> tuple[NDArray[np.float64], Document]:
    """The best pose of those that the starts lead to, and the numbers of its fit; for `Context.apart`.

    Raises
    ------
    BadInput
        If no start leads to rest: what the given one came to, and how to mend it.
    """
    from surgitwin.implants.fit import Bone
    from surgitwin.implants.registration import by_surface
    from surgitwin.implants.shape import Shape

    shape, bone = Shape.of(task.mesh, task.item.name), Bone(task.bone, task.bone_name)
    found, refusals = [], []
    for number, start in enumerate(starts(task.pose, task.mesh, bone.solid)):
        try:
            part = ctx.part(0.7 * number / STARTS, 0.7 * (number + 1) / STARTS)
            found.append((number, by_surface(shape, bone.solid, start, ctx=part)))
        except BadInput as error:
            refusals.append(str(error))
        # The given start and the touching one lead to the same: so would the others.
        if number == 1 and len(found) == 2 and abs(found[0][1].rms_mm - found[1][1].rms_mm) < _SAME_MM:
            break
    if not found:
        message = tr("{why} {n} starts were tried, turned by up to {deg:g}° and moved onto “{bone}”. {how}")
        how = tr(
            "Place one size by hand on its place with “implant”, --at, --along and --snap, and give it as --start."
        )
        raise BadInput(message.format(why=refusals[0], n=STARTS, deg=_TILT_DEG, bone=task.bone_name, how=how))
    most = max(one.paired_percent or 0.0 for _, one in found)
    alike = [pair for pair in found if (pair[1].paired_percent or 0.0) >= _ALIKE * most]
    number, best = min(alike, key=lambda pair: (pair[1].rms_mm, pair[0]))
    pose, numbers = fitted(replace(task, pose=best.matrix, register=None), ctx=ctx.part(0.7, 1.0))
    return pose, numbers | {"registration": registration_document(best), "start": number + 1}


def starts(pose: NDArray[np.float64], mesh: Mesh, bone: Any) -> list[NDArray[np.float64]]:
    """Where to begin: the pose; the implant moved so that it touches; and so moved, tilted four ways and turned.

    Parameters
    ----------
    bone
        `DistanceTo` of the bone.
    """
    from surgitwin.implants.poses import moved, turn

    points = moved(mesh.points[:: max(len(mesh.points) // 2000, 1)], pose)
    near = bone.of(points)
    first = int(np.argmin(np.abs(near.distance_mm)))
    touching = np.array(pose, np.float64)
    touching[:3, 3] += near.nearest_mm[first] - points[first]
    middle = points.mean(axis=0) + near.nearest_mm[first] - points[first]
    found = [np.array(pose, np.float64), touching]
    for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1), (2, 1)):
        about = np.eye(4)
        about[:3, :3] = turn(touching[:3, axis], float(np.radians(sign * _TILT_DEG)))
        about[:3, 3] = middle - about[:3, :3] @ middle
        found.append(about @ touching)
    return found


def _rank(row: Document) -> tuple[Any, ...]:
    if row["refused"] is not None:
        return (2,)
    return (int(row["collides"]), -(row["contact_percent"] or 0.0), row["penetration_mm"]["p95"])


def _warnings(rows: list[Document]) -> list[Document]:
    refused = [row for row in rows if row["refused"] is not None]
    if not refused:
        return []
    message = tr("{n} of {all} sizes came to no rest on the bone and have no rank; the table says why.")
    if len(refused) == len(rows):
        message = tr("None of the {all} sizes came to rest on the bone, so there is no best one; the table says why.")
    return [{"code": "sweep-refused", "message": message.format(n=len(refused), all=len(rows)), "details": {}}]
