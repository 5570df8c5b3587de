"""Every size of a family on a bone, each in its best pose, ranked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from surgitwin.commands.base import Arg, Bench, CaseUse, Command, Document, Work
from surgitwin.commands.fitting import FitTask, fitted
from surgitwin.commands.implanting import fitted_to, read_pose
from surgitwin.commands.points import place
from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import ImplantNode, SegmentNode

RULE = tr("no collision first, then the larger contact percent, then the smaller 95th percentile of penetration")


class SweepSizes(Command):
    """Fit every size of a family from one starting pose, and rank them."""

    name: ClassVar[str] = "sweep"
    title: ClassVar[str] = tr("Compare sizes")
    summary: ClassVar[str] = tr("Every size of an implant family on a bone, best pose each, in a ranked table.")
    case: ClassVar[CaseUse] = "read"

    family: Annotated[str, Arg(tr("a family of the library"))] = Field(min_length=1)
    onto: Annotated[str, Arg(tr("the segment or surface"))] = Field(min_length=1)
    start_at: Annotated[str | None, Arg(tr("an implant of the case that says where to start"), option="start")] = None
    pose: Annotated[Path | None, Arg(tr('where to start: a JSON file {"matrix": 4 rows of 4}'))] = None
    at: Annotated[str | None, Arg(tr("where to start: the origin of its own frame at x,y,z, LPS mm, unturned"))] = None
    tolerance_mm: Annotated[float, Arg(tr("what counts as contact"), unit="mm")] = Field(default=1.0, gt=0.0, le=10.0)
    avoid: Annotated[tuple[str, ...], Arg(tr("a structure to keep clear of"))] = ()
    folder: Annotated[tuple[Path, ...], Arg(tr("a folder of manifests (JSON) and meshes"))] = ()

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

        def compute(ctx: Context) -> Document:
            items = open_library(self.folder, ctx.part(0.0, 0.1)).of_family(self.family)
            if not items:
                raise BadInput(tr("The library has no family “{name}”.").format(name=self.family))
            made = meshes_of(frozen, ctx.part(0.1, 0.3))
            meshes = {entry.segment.id: one.mesh for entry, one in zip(frozen, made, strict=True)} | given
            rows = []
            for number, item in enumerate(items):
                part = ctx.part(0.3 + 0.7 * number / len(items), 0.3 + 0.7 * (number + 1) / len(items))
                task = FitTask(
                    item=item.model, mesh=item.described().mesh, pose=pose, bone=meshes[targets[0].id],
                    bone_name=targets[0].name, avoid=tuple((one.name, meshes[one.id]) for one in targets[1:]),
                    tolerance_mm=self.tolerance_mm, reach_mm=5.0, surface="facing", register="icp", pairs=(),
                    side=None, pelvis={}, pedicle_mm=None, voxel_mm=None,
                )  # fmt: skip
                rows.append(_row(task, part))
            rows.sort(key=_rank)
            return {
                "family": self.family,
                "onto": targets[0].name,
                "tolerance_mm": self.tolerance_mm,
                "rule": RULE,
                "automatic": True,
                "sizes": [{"rank": n + 1 if row["refused"] is None else None, **row} for n, row in enumerate(rows)],
                "warnings": [],
            }

        return Work(compute, lambda document: document)


def _row(task: FitTask, ctx: Context) -> Document:
    """One size; one that finds no rest is in the table with the reason, and has no rank."""
    row: Document = {"item": task.item.id, "size": task.item.size, "refused": None}
    try:
        pose, found = ctx.apart(fitted, task)
    except BadInput as error:
        return row | {"refused": str(error), "contact_percent": None, "collides": None, "gap_mm": None,
                      "penetration_mm": None, "registration": None, "matrix": None}  # fmt: skip
    return row | {
        "contact_percent": found["contact_percent"],
        "collides": any(one["collides"] for one in found["collisions"]),
        "gap_mm": found["gap_mm"],
        "penetration_mm": found["penetration_mm"],
        "registration": found["registration"],
        "matrix": pose.tolist(),
    }


def _rank(row: Document) -> tuple[Any, ...]:
    if row["refused"] is not None:
        return (2,)
    return (int(row["collides"]), -(row["contact_percent"] or 0.0), row["penetration_mm"]["p95"])
