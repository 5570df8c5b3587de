"""Cut surfaces to begin with: from a drawn line or ring, the border of territories, or around a lesion."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from surgitwin.commands.base import Arg, Bench, CaseUse, Command, Document, Work
from surgitwin.commands.placement import crop_of
from surgitwin.commands.plan_cuts import format_cut, margin_cut, territories_cut
from surgitwin.commands.plan_parts import parts_of
from surgitwin.commands.points import numbers_as_text, places
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import CurveModel, CutModel, SegmentNode

if TYPE_CHECKING:
    from surgitwin.resection.patch_start import PatchStart

Along = Literal["line", "ring", "curve-line", "curve-ring", "territories", "lesion"]
_NAMES = {
    "line": tr("Surface from a line"),
    "ring": tr("Surface from a ring"),
    "curve-line": tr("Line straight in"),
    "curve-ring": tr("Ring straight in"),
    "territories": tr("Surface along territories"),
    "lesion": tr("Surface around {name}"),
}


class StartSurface(Command):
    """Propose a cut surface; nothing in the case changes."""

    name: ClassVar[str] = "surface"
    title: ClassVar[str] = tr("Start a cut surface")
    summary: ClassVar[str] = tr("Propose a cut surface to drag into place; --out writes it for plan --surface.")
    case: ClassVar[CaseUse] = "read"
    unlogged: ClassVar[frozenset[str]] = frozenset({"at"})

    organ: Annotated[str, Arg(tr("the segment to cut"))] = Field(min_length=1)
    along: Annotated[
        Along,
        Arg(
            tr(
                "line or ring (drawn on the organ, a curved surface), curve-line or curve-ring (straight in), "
                "territories (along their border), lesion (around it)"
            )
        ),
    ]
    at: Annotated[tuple[str, ...], Arg(tr("points of the line or ring: x,y,z in LPS mm"))] = ()
    territories: Annotated[str, Arg(tr("for territories: those that go, commas between them"))] = ""
    margin: Annotated[str, Arg(tr("for lesion: LESION:MM, the margin to keep"))] = ""
    out: Annotated[Path | None, Arg(tr("a JSON file to write it to"))] = None

    @field_validator("at", mode="before")
    @classmethod
    def _points_as_text(cls, points: Any) -> Any:
        """Scripts may give each point as three numbers."""
        return numbers_as_text(points)

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        organ = scene.resolve(self.organ, SegmentNode)
        points = places(self.at, 3, tr("The point"))
        wanted: CutModel | None = None
        if self.along == "territories":
            wanted = territories_cut(scene, organ, self.territories)
            if wanted.branches:
                raise BadInput(tr("A surface follows territories. Make them from the branches first: territories."))
        elif self.along == "lesion":
            wanted = margin_cut(scene, organ, self.margin)
        elif len(points) < 2:
            raise BadInput(tr("Give the line with --at x,y,z, at least two points in LPS mm."))
        parts = parts_of(scene, organ, [wanted] if wanted is not None else [])
        labels = [(segment.value, scene.layer_of(segment).labels.frozen()) for segment in (organ, *parts)]
        geometry = scene.segmentation_of(organ).geometry
        margin = wanted.margin_mm if wanted is not None else None
        name = _NAMES[self.along].format(name=parts[0].name if parts else "")
        frozen = _Frozen(self.along, points, labels, geometry, margin, name)

        def commit(made: tuple[CutModel, PatchStart | None]) -> Document:
            cut, found = made
            document = _document(cut, found)
            if self.out is not None:
                _write(self.out, cut)
                document["file"] = str(self.out)
            return document

        return Work(frozen.compute, commit)


@dataclass(frozen=True, eq=False)
class _Frozen:
    """What the work needs, as no later edit can change it; the organ comes first among the labels."""

    along: Along
    points: NDArray[np.float64]
    labels: list[tuple[int, NDArray[Any]]]
    geometry: Geometry
    margin_mm: float | None
    name: str

    def compute(self, ctx: Context) -> tuple[CutModel, PatchStart | None]:
        crops = [crop_of(array, value, ctx) for value, array in self.labels]
        return ctx.apart(_started, self.along, self.points, crops, self.geometry, self.margin_mm, self.name)


Crop = tuple[NDArray[np.bool_], Box]


def _started(
    along: Along,
    points: NDArray[np.float64],
    crops: list[Crop],
    geometry: Geometry,
    margin_mm: float | None,
    name: str,
    ctx: Context,
) -> tuple[CutModel, PatchStart | None]:
    from surgitwin.resection import patch_start
    from surgitwin.resection.margins import LesionSurface

    ctx.progress(0.2, tr("Laying out the surface"))
    (organ, box), *others = crops
    if not organ.any():
        raise BadInput(tr("The organ has no voxel; segment it first."))
    if along in ("curve-line", "curve-ring"):
        return _curve(along, points, organ, box, geometry, name), None
    if along == "line":
        found = patch_start.from_line(points, organ, box, geometry)
    elif along == "ring":
        found = patch_start.from_ring(points, organ, box, geometry)
    elif along == "territories":
        removed = np.zeros_like(organ)
        for mask, part in others:
            _lay(removed, box, mask, part)
        found = patch_start.from_border(removed, organ, box, geometry)
    else:
        mask, part = others[0]
        if not mask.any():
            raise BadInput(tr("The lesion has no voxel; segment it first."))
        surface = LesionSurface.of(mask, part, geometry)
        found = patch_start.around_lesion(surface, margin_mm or 0.0, organ, box, geometry)
    rows = found.patch.control_points_mm.tolist()
    cut = CutModel(kind="patch", name=name, control_points_mm=rows, remove_point_mm=found.remove_point_mm)
    return cut, found


def _curve(
    along: Along, points: NDArray[np.float64], organ: NDArray[np.bool_], box: Box, geometry: Geometry, name: str
) -> CutModel:
    """A drawn line that goes straight in; of one across the organ the smaller part goes."""
    from surgitwin.resection.curve_cut import DrawnCurve
    from surgitwin.resection.patch_start import inward

    kji = np.argwhere(organ)
    voxels = geometry.to_lps(kji[:: max(len(kji) // 40_000, 1), ::-1] + np.asarray(box.start))
    way = inward(points, voxels)
    closed = along == "curve-ring"
    curve = DrawnCurve.of(points, closed, way)
    remove = None
    if not closed:
        middle = points.mean(axis=0)
        across = np.cross(way, points[-1] - points[0])
        across /= max(float(np.linalg.norm(across)), 1e-9)
        more = np.count_nonzero((voxels - middle) @ across > 0) * 2 > len(voxels)
        side = voxels[int(np.argmin((voxels - middle) @ across) if more else np.argmax((voxels - middle) @ across))]
        remove = (float(side[0]), float(side[1]), float(side[2]))
    drawn = CurveModel(points_mm=curve.points_mm.tolist(), closed=closed, direction=tuple(curve.direction.tolist()))
    return CutModel(kind="curve", name=name, curve=drawn, remove_point_mm=remove)


def _lay(onto: NDArray[np.bool_], box: Box, mask: NDArray[np.bool_], part: Box) -> None:
    """Set what a crop holds in an array over another box."""
    low = [max(a, b) for a, b in zip(box.start, part.start, strict=True)]
    high = [min(a, b) for a, b in zip(box.stop, part.stop, strict=True)]
    if any(a >= b for a, b in zip(low, high, strict=True)):
        return
    into, of = (
        tuple(slice(a - o, b - o) for a, b, o in zip(low, high, origin.start, strict=True))[::-1]
        for origin in (box, part)
    )
    onto[into] |= mask[of]


def _document(cut: CutModel, found: PatchStart | None) -> Document:
    document: Document = {"cut": format_cut(cut), "kind": cut.kind, "name": cut.name, "note": "", "warnings": []}
    if found is None:
        return document
    document |= {
        "control_points_mm": found.patch.control_points_mm.tolist(),
        "remove_point_mm": list(found.remove_point_mm),
        "rms_mm": found.rms_mm,
        "largest_mm": found.largest_mm,
        "margin_mm": found.margin_mm,
    }
    if found.margin_mm is not None:
        document["note"] = tr("The surface keeps {mm:.1f} mm from the lesion.").format(mm=found.margin_mm)
    elif found.largest_mm > 1.0:
        message = tr("The surface is smoother than what it follows: {rms:.1f} mm off by mean, {most:.1f} mm at most.")
        document["note"] = message.format(rms=found.rms_mm, most=found.largest_mm)
    return document


def _write(path: Path, cut: CutModel) -> None:
    """The file that `plan --surface` reads."""
    from surgitwin.exchange.atomic import write_atomically

    if cut.kind == "patch":
        document: Document = {"type": "bezier", "control_points_mm": cut.control_points_mm}
    else:
        assert cut.curve is not None
        document = {"type": "curve", **cut.curve.model_dump(exclude_none=True)}
    if cut.remove_point_mm is not None:
        document["remove_point_mm"] = cut.remove_point_mm
    text = json.dumps(document, indent=1) + "\n"

    def write(place: Path) -> None:
        place.write_text(text, encoding="utf-8")

    write_atomically(path, write)
