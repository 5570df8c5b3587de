"""What a print is made of: repaired, checked, written, read back, and held against the segments it came from.

Nothing here knows a scene: `examine` may run in a process of its own.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.commands.base import Document
from surgitwin.commands.export_check import worst_of
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.exchange.printers import PrintProcess

if TYPE_CHECKING:
    from surgitwin.surfaces.walls import Orientation

FORCED = "FORCED: check failed"


@dataclass(frozen=True, eq=False)
class PrintPart:
    """One structure to print, frozen.

    Attributes
    ----------
    mask, geometry
        The segment's voxels, [k, j, i], cut to their box, and the grid of that box; None for a surface or an implant.
    """

    name: str
    mesh: Mesh
    color: tuple[int, int, int] = (200, 200, 200)
    opacity: float = 1.0
    remark: str = ""
    mask: NDArray[np.bool_] | None = None
    geometry: Geometry | None = None
    voxel_ml: float | None = None


@dataclass(frozen=True)
class Limits:
    """What is repaired and what is refused."""

    process: PrintProcess
    hole_mm: float
    debris_mm3: float
    force: bool = False


@dataclass(frozen=True, eq=False)
class Examined:
    """The file as it would be written, and everything that is known of it.

    Attributes
    ----------
    read_back
        The mesh that an independent reader finds in ``data``.
    check
        As printed by ``export`` and ``print``.
    problems
        Why it should not be printed, one sentence each; empty if it may be.
    repairs
        What was done, by part.
    """

    data: bytes
    sha256: str
    read_back: Mesh
    check: Document
    problems: tuple[str, ...]
    repairs: tuple[Document, ...]
    deviation: Document
    notices: tuple[Notice, ...]


def examine(parts: Sequence[PrintPart], file_name: str, limits: Limits, *, ctx: Context) -> Examined:
    """Repair, check, write to a temporary place, read back and compare.

    Raises
    ------
    BadInput
        If a part is empty, or the file cannot be written or read back.
    """
    mended, repairs, checks, problems = _mended(parts, file_name, limits, ctx.part(0.0, 0.6))
    check = _combined(checks)
    too_large, turned = _plated(check, mended, limits.process)
    problems += too_large
    forced = bool(problems)
    data, notices = _written(mended, file_name, [FORCED] if forced else [])
    ctx.progress(0.65, tr("Reading {name} back").format(name=file_name))
    read_back = _read_back(data, file_name)
    _refuse_lost(read_back, check, file_name)
    return Examined(
        data,
        hashlib.sha256(data).hexdigest(),
        read_back,
        check,
        tuple(problems),
        tuple(repairs),
        _deviation(read_back, parts, ctx.part(0.7, 1.0)),
        (*turned, *notices),
    )


def _mended(
    parts: Sequence[PrintPart], file_name: str, limits: Limits, ctx: Context
) -> tuple[list[PrintPart], list[Document], list[Document], list[str]]:
    from surgitwin.surfaces.repair import repair
    from surgitwin.surfaces.walls import find_walls

    if len(parts) > 1 and file_name.lower().endswith(".stl"):
        parts = [_one_body(parts)]
    mended: list[PrintPart] = []
    repairs: list[Document] = []
    checks: list[Document] = []
    problems: list[str] = []
    for number, part in enumerate(parts):
        share = ctx.part(number / len(parts), (number + 1) / len(parts))
        share.progress(0.0, tr("Checking {name}").format(name=part.name))
        fixed = repair(part.mesh, hole_mm=limits.hole_mm, debris_mm3=limits.debris_mm3, ctx=share.part(0.0, 0.5))
        problems += [_of(part, problem) for problem in fixed.problems]
        repairs += [{"part": part.name, **step.as_json()} for step in fixed.steps]
        sound = fixed.check.closed and fixed.check.outward
        walls = find_walls(fixed.mesh, limits.process.wall_mm, ctx=share.part(0.5, 1.0)) if sound else None
        thinnest = walls.thinnest_mm if walls is not None else None
        error = 100.0 * (fixed.check.volume_ml / part.voxel_ml - 1.0) if part.voxel_ml else None
        checks.append(
            {
                "name": part.name,
                **fixed.check.as_json(),
                "volume_error_percent": error,
                "min_wall_mm": thinnest,
                "min_wall_at_mm": list(walls.at_mm) if walls is not None and walls.at_mm is not None else None,
                "too_thin_percent": walls.too_thin_percent if walls is not None else None,
                "wall_spacing_mm": walls.spacing_mm if walls is not None else None,
                "box_mm": [fixed.mesh.points.min(axis=0).tolist(), fixed.mesh.points.max(axis=0).tolist()],
            }
        )
        if thinnest is not None and thinnest < limits.process.wall_mm:
            problems.append(_too_thin(part, checks[-1], limits.process))
        mended.append(replace(part, mesh=fixed.mesh))
    return mended, repairs, checks, problems


def _of(part: PrintPart, problem: str) -> str:
    return tr("“{name}”: {problem}").format(name=part.name, problem=problem[:1].lower() + problem[1:])


def _too_thin(part: PrintPart, check: Document, process: PrintProcess) -> str:
    message = tr(
        "“{name}”: its thinnest wall is {wall:.2f} mm, at {place}; {process} needs {limit:g} mm, and {share:.1f} % of "
        "the surface is thinner."
    )
    place = ", ".join(f"{value:.1f}" for value in check["min_wall_at_mm"])
    return message.format(
        name=part.name,
        wall=check["min_wall_mm"],
        place=place,
        process=process.name,
        limit=process.wall_mm,
        share=check["too_thin_percent"],
    )


def _one_body(parts: Sequence[PrintPart]) -> PrintPart:
    """All parts as shells of one mesh, as an STL file holds them; what crosses is united by the repair."""
    from surgitwin.exchange.mesh_out import MeshItem, merged

    names = " + ".join(part.name for part in parts)
    remarks = list(dict.fromkeys(part.remark for part in parts if part.remark))
    same = _same_grid(parts)
    mask = _together(parts)
    voxel_ml = None
    if same and mask is not None and parts[0].geometry is not None:
        voxel_ml = float(np.count_nonzero(mask[0])) * parts[0].geometry.voxel_volume_mm3 / 1000.0
    mesh = merged([MeshItem(part.name, part.mesh) for part in parts])
    return PrintPart(names, mesh, parts[0].color, 1.0, "; ".join(remarks), voxel_ml=voxel_ml)


def _same_grid(parts: Sequence[PrintPart]) -> bool:
    spans = [part.geometry for part in parts]
    first = spans[0]
    return first is not None and all(
        one is not None and np.allclose(one.affine_lps[:3, :3], first.affine_lps[:3, :3]) for one in spans
    )


def _together(parts: Sequence[PrintPart]) -> tuple[NDArray[np.bool_], Geometry] | None:
    """The voxels of all parts on one grid; None if they do not lie on the same one."""
    from surgitwin.core.geometry import Box

    held = [(part.mask, part.geometry) for part in parts if part.mask is not None and part.geometry is not None]
    if len(held) < len(parts) or not _same_grid(parts):
        return None
    base = held[0][1]
    starts = [np.rint(base.to_index(grid.origin_mm)).astype(int) for _, grid in held]
    low = np.min(starts, axis=0)
    high = np.max([start + grid.size_ijk for start, (_, grid) in zip(starts, held, strict=True)], axis=0)
    whole = np.zeros(tuple(int(n) for n in (high - low)[::-1]), np.bool_)
    for start, (mask, grid) in zip(starts, held, strict=True):
        i, j, k = (int(value) for value in start - low)
        box = Box((i, j, k), (i + grid.size_ijk[0], j + grid.size_ijk[1], k + grid.size_ijk[2]))
        whole[box.slices] |= mask
    affine = base.affine_lps.copy()
    affine[:3, 3] = base.to_lps(low)
    return whole, Geometry.from_affine(tuple(int(n) for n in high - low), affine)


def _combined(checks: list[Document]) -> Document:
    """The worst of all parts, and each by itself."""
    low = np.min([one["box_mm"][0] for one in checks], axis=0)
    high = np.max([one["box_mm"][1] for one in checks], axis=0)
    errors = [one["volume_error_percent"] for one in checks if one["volume_error_percent"] is not None]
    return worst_of(checks) | {
        "volume_error_percent": max(errors, key=abs) if errors else None,
        "size_mm": [float(value) for value in high - low],
        "unit": "mm",
        "frame": "LPS",
        "meshes": checks,
    }


def _plated(check: Document, parts: Sequence[PrintPart], process: PrintProcess) -> tuple[list[str], tuple[Notice, ...]]:
    """How each piece fits on the plate, in the check; problems of those that do not, and what is to be turned.

    Pieces that are objects of their own, as in a 3MF file, need not fit on the plate together.
    """
    from surgitwin.exchange.mesh_out import MeshItem, merged
    from surgitwin.surfaces.walls import oriented_to_fit

    plate = " × ".join(f"{value:g}" for value in process.plate_mm)
    whole = oriented_to_fit(merged([MeshItem(part.name, part.mesh) for part in parts]), process.plate_mm)
    problems: list[str] = []
    notices: list[Notice] = []
    for one, part in zip(check["meshes"], parts, strict=True):
        found = whole if len(parts) == 1 else oriented_to_fit(part.mesh, process.plate_mm)
        size = np.ptp(part.mesh.points.astype(np.float64), axis=0)
        one["fits_plate"], one["orientation"] = found is not None, _orientation(found)
        if found is None:
            message = tr(
                "“{name}” is {size} mm large and does not fit on the plate of {plate} mm, whichever of its axes is "
                "upright and however it is turned about it; cut it into parts, or choose another process."
            )
            large = " × ".join(f"{value:.0f}" for value in size)
            problems.append(message.format(name=part.name, size=large, plate=plate))
        elif found.turned_deg or found.up != 2:
            message = tr("“{name}” fits on the plate of {plate} mm only when it is turned: {how}.")
            text = message.format(name=part.name, plate=plate, how=turned_in_words(one["orientation"]))
            notices.append(Notice("print-turned", text))
    if whole is None and not problems:
        message = tr(
            "The pieces do not fit on the plate of {plate} mm where they lie: print them one by one, or arrange them."
        )
        notices.append(Notice("print-pieces", message.format(plate=plate)))
    check["fits_plate"], check["orientation"] = not problems, _orientation(whole)
    return problems, tuple(notices)


def _orientation(found: Orientation | None) -> Document | None:
    if found is None:
        return None
    return {
        "matrix": found.matrix.tolist(),
        "size_mm": list(found.size_mm),
        "turned_deg": found.turned_deg,
        "up": ("right-left", "front-back", "feet-head")[found.up],
    }


def turned_in_words(orientation: Document) -> str:
    """How a part is to be laid on the plate."""
    axes = {"right-left": tr("right-left"), "front-back": tr("front-back"), "feet-head": tr("feet-head")}
    words = tr("{axis} upright, turned by {angle:.0f}° about it")
    return words.format(axis=axes[orientation["up"]], angle=orientation["turned_deg"])


def _written(parts: Sequence[PrintPart], name: str, remarks: list[str]) -> tuple[bytes, tuple[Notice, ...]]:
    from surgitwin.exchange.mesh_out import MeshItem, export_meshes

    items = [MeshItem(part.name, part.mesh, part.color, part.opacity, part.remark) for part in parts]
    with tempfile.TemporaryDirectory(prefix="surgitwin-print-") as folder:
        path = Path(folder) / f"part{Path(name).suffix.lower()}"
        notices = export_meshes(items, path, remarks).notices
        return path.read_bytes(), notices


def _read_back(data: bytes, name: str) -> Mesh:
    """What a reader that shares no code with the writer finds."""
    from surgitwin.exchange.mesh_in import read_surface_file
    from surgitwin.exchange.mesh_out import MeshItem, merged
    from surgitwin.exchange.threemf_in import read_3mf

    with tempfile.TemporaryDirectory(prefix="surgitwin-print-") as folder:
        path = Path(folder) / f"part{Path(name).suffix.lower()}"
        path.write_bytes(data)
        if path.suffix == ".3mf":
            found = [one.mesh for one in read_3mf(path)]
            if not found:
                raise BadInput(tr("{file} could not be read back; nothing was written.").format(file=name))
            return merged([MeshItem("part", mesh) for mesh in found])
        return read_surface_file(path).mesh


def _refuse_lost(read_back: Mesh, check: Document, name: str) -> None:
    """Refuse a file that does not hold what was meant."""
    size = np.ptp(read_back.points.astype(np.float64), axis=0)
    if len(read_back.triangles) == check["triangles"] and np.allclose(size, check["size_mm"], atol=0.01):
        return
    message = tr("Read back, {file} holds {found} triangles of {wanted}, or another size; nothing was written.")
    raise BadInput(message.format(file=name, found=len(read_back.triangles), wanted=check["triangles"]))


def _deviation(read_back: Mesh, parts: Sequence[PrintPart], ctx: Context) -> Document:
    from surgitwin.exchange.mesh_out import MeshItem, merged
    from surgitwin.surfaces.deviation import deviation, voxel_faces

    whole = _together(parts)
    references: list[Mesh] = []
    if whole is not None:
        references = [voxel_faces(*whole)]
    else:
        for part in parts:
            held = part.mask is not None and part.geometry is not None
            references.append(voxel_faces(part.mask, part.geometry) if held else part.mesh)  # type: ignore[arg-type]
    found = deviation(read_back, merged([MeshItem("part", one) for one in references]), ctx=ctx)
    against: Any = "voxels" if all(part.mask is not None for part in parts) else "surface"
    return {
        "p95_mm": found.p95_mm,
        "max_mm": found.max_mm,
        "max_at_mm": list(found.at_mm),
        "against": against,
        "samples": found.samples,
        "spacing_mm": found.spacing_mm,
    }
