"""Print: a file that a printer can make, held against the segments, accepted by a person, with its sheet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from surgitwin.commands.base import Arg, Bench, Command, Document, Work
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.mesh_files import check_target, cut_off_warning
from surgitwin.commands.sharing import SegmentInput, freeze_segments, frozen_scene, meshes_of
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import ImplantNode, Node, PrintedNode, Provenance, SegmentNode, SignOff, SurfaceNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.commands.print_parts import Examined, PrintPart
    from surgitwin.exchange.printers import PrintProcess

PRINT_SUFFIXES = (".stl", ".3mf")
Printable = SegmentNode | SurfaceNode | ImplantNode


@dataclass(frozen=True, eq=False)
class PrintOutline:
    """A partial result: the mesh as it was read back, to be drawn over the slices."""

    mesh: Mesh


class PrintModel(Command):
    """Repair, check and write structures for a 3D printer, with a print sheet."""

    name: ClassVar[str] = "print"
    title: ClassVar[str] = tr("Print")
    summary: ClassVar[str] = tr("Repair, check and write structures for a 3D printer (STL, 3MF), with a print sheet.")

    out: Annotated[Path, Arg(tr("the file to write, .stl or .3mf; the sheet lies beside it as .pdf"), positional=True)]
    segment: Annotated[tuple[str, ...], Arg(tr("segment, surface or implant to print"))] = Field(min_length=1)
    process: Annotated[str, Arg(tr("printing process: FDM, SLA, SLS, MJF, metal, or one of --process-file"))] = ""
    material: Annotated[str, Arg(tr("what it is printed in; stands on the sheet"))] = Field(default="", max_length=80)
    process_file: Annotated[Path | None, Arg(tr("JSON file with printing processes of your own"))] = None
    check_only: Annotated[bool, Arg(tr("repair, check and compare, and write nothing"))] = False
    preview: Annotated[
        Path | None, Arg(tr("PNG to write with the outline over the slices; nothing else is written then"))
    ] = None
    accept_by: Annotated[str | None, Arg(tr("who looked at the outlines and accepts them"))] = Field(
        default=None, max_length=80
    )
    seen: Annotated[str | None, Arg(tr("SHA-256 that the preview told; another file is refused"))] = None
    force: Annotated[bool, Arg(tr("write it although the check failed; the file and the sheet say so"))] = False
    hole_mm: Annotated[float, Arg(tr("close holes up to so far across"), unit="mm")] = Field(default=5.0, ge=0, le=50)
    debris_mm3: Annotated[float, Arg(tr("remove loose specks up to this volume"), unit="mm³")] = Field(
        default=5.0, ge=0, le=10_000
    )
    identity: Annotated[bool, Arg(tr("name the patient and the series on the sheet"))] = False
    overwrite: Annotated[bool, Arg(tr("replace files that exist"))] = False

    @property
    def changes_case(self) -> bool:
        """An acceptance stays in the case."""
        return self.accept_by is not None

    def start(self, bench: Bench) -> Work[Any]:
        from surgitwin.commands.print_outline import shown_alone
        from surgitwin.commands.print_parts import Limits
        from surgitwin.commands.print_record import PrintRecord
        from surgitwin.exchange.printers import process_named

        process = process_named(self.process, self.process_file)
        who = self._acceptor()
        check_target(self.out, PRINT_SUFFIXES, self.overwrite or not self._writes)
        sheet = self.out.with_suffix(".pdf")
        if self._writes:
            check_target(sheet, (".pdf",), self.overwrite)
        if self.preview is not None:
            check_target(self.preview, (".png",), self.overwrite)
        scene = bench.scene
        wanted = [printable(scene, name) for name in self.segment]
        gather = _gathered(scene, wanted)
        limits = Limits(process, self.hole_mm, self.debris_mm3, self.force)
        record = PrintRecord.of(scene, wanted, process, self.material.strip(), self.identity)
        made_from = provenance(bench, "print", list(wanted), process=process.name, material=self.material.strip())
        still = shown_alone(frozen_scene(scene, self.identity), {node.id for node in wanted})

        def compute(ctx: Context) -> Document:
            from surgitwin.commands.print_outline import outline_picture
            from surgitwin.commands.print_parts import examine

            parts, cut_off = gather(ctx.part(0.0, 0.3))
            found = ctx.part(0.3, 0.85).apart(examine, parts, self.out.name, limits)
            ctx.partial(PrintOutline(found.read_back))
            self._refuse(found, process)
            accepted = SignOff(by=who, content_hash=found.sha256) if who else None
            files: list[Path] = []
            if self.preview is not None:
                picture = outline_picture(still, found.read_back, found.deviation, ctx.part(0.85, 1.0))
                files = _write(self.preview, {self.preview: picture})
            elif self._writes:
                pdf = record.sheet(self.out.name, found, accepted, ctx)
                files = _write(self.out, {self.out: found.data, sheet: pdf})
            return {
                "files": [str(file) for file in files],
                "sha256": found.sha256,
                "process": process.model_dump(mode="json"),
                "material": self.material.strip() or None,
                "check": found.check,
                "repairs": list(found.repairs),
                "problems": list(found.problems),
                "printable": not found.problems,
                "forced": bool(found.problems) and bool(files) and self._writes,
                "deviation": found.deviation,
                "accepted": {"by": who, "at": accepted.at, "sha256": found.sha256} if accepted is not None else None,
                "warnings": [cut_off_warning(name) for name in cut_off] + self._warnings(found, record.notices, who),
            }

        def commit(document: Document) -> Document:
            document["kept"] = None
            if document["accepted"] is not None:
                try:
                    document["kept"] = self._keep(bench, wanted, made_from, document)
                except BadInput as error:
                    message = tr("The files were written, but the acceptance was not kept in the case: {why}")
                    found = Notice("print-not-kept", message.format(why=error))
                    document["warnings"].append(found.as_json())
            return document

        return Work(compute, commit)

    def _keep(self, bench: Bench, wanted: list[Printable], made_from: Provenance, document: Document) -> Document:
        """The acceptance in the case; one of the same file is replaced."""
        scene, deviation = bench.scene, document["deviation"]
        for node in wanted:
            if node.id not in scene or scene.node(node.id).revision != made_from.inputs[node.id]:
                raise BadInput(tr("“{name}” was changed meanwhile; print it again.").format(name=node.name))
        accepted = document["accepted"]
        values: dict[str, Any] = {
            "file_name": self.out.name,
            "accepted": SignOff(by=accepted["by"], at=accepted["at"], content_hash=accepted["sha256"]),
            "parts": tuple(node.name for node in wanted),
            "process": document["process"]["name"],
            "material": document["material"] or "",
            "p95_mm": deviation["p95_mm"],
            "max_mm": deviation["max_mm"],
            "against": deviation["against"],
            "forced": document["forced"],
            "provenance": made_from,
        }
        name = tr("Print of {names}").format(names=", ".join(values["parts"]))[:200]
        old = next((one for one in scene.of_type(PrintedNode) if one.file_name == self.out.name), None)
        with bench.transaction(tr("Accept the print {file}").format(file=self.out.name)) as tx:
            if old is not None:
                tx.set(old.id, name=name, **values)
                return describe(scene.node(old.id))
            kept = PrintedNode(name=name, parent=scene.case.id, **values)
            tx.add(kept)
        return describe(kept)

    @property
    def _writes(self) -> bool:
        return not self.check_only and self.preview is None

    def _acceptor(self) -> str:
        """Who accepts; nobody may accept what is only looked at."""
        if self.accept_by is None:
            return ""
        who = self.accept_by.strip()
        if not who:
            raise BadInput(tr("Say who accepts the outlines: --accept-by and a name."))
        if not self._writes:
            raise BadInput(tr("Look at the outlines first; accept them with --accept-by when the file is written."))
        return who

    def _refuse(self, found: Examined, process: PrintProcess) -> None:
        if not self._writes:
            return
        if self.seen is not None and self.seen.strip().lower() != found.sha256:
            message = tr(
                "What would be written is not what was looked at: the segments or settings changed since. "
                "Nothing was written; look at the outlines again."
            )
            raise BadInput(message)
        if found.problems and not self.force:
            message = tr("{file} was not written, as it should not be printed by {process}: {problems} {how}")
            how = tr("Use --force to write it all the same, marked as forced.")
            problems = " ".join(found.problems)
            raise BadInput(message.format(file=self.out.name, process=process.name, problems=problems, how=how))

    def _warnings(self, found: Examined, known: tuple[Notice, ...], who: str) -> list[Document]:
        notices = [*known, *found.notices]
        if found.problems and self._writes:
            text = tr("The check failed and the file was written all the same; it is marked FORCED.")
            notices.append(Notice("forced-print", text))
        if not who and self._writes:
            text = tr("Nobody has accepted the outlines of this file over the slices; the sheet says so.")
            notices.append(Notice("print-not-accepted", text))
        return [notice.as_json() for notice in notices]


def printable(scene: Scene, name: str) -> Printable:
    """The segment, the surface from a file or the implant of this name or id."""
    nodes: list[Printable] = [*scene.of_type(SegmentNode), *scene.of_type(ImplantNode)]
    nodes += [surface for surface in scene.of_type(SurfaceNode) if surface.segment is None]
    for hits in (
        [node for node in nodes if node.id == name],
        [node for node in nodes if node.name.casefold() == name.casefold()],
    ):
        if len(hits) == 1:
            return hits[0]
    found = scene.resolve(name, Node)
    if isinstance(found, SegmentNode | ImplantNode) or (isinstance(found, SurfaceNode) and found.segment is None):
        return found
    raise BadInput(tr("“{name}” is no segment, surface or implant, so it cannot be printed.").format(name=found.name))


def _gathered(scene: Scene, wanted: list[Printable]) -> Callable[[Context], tuple[list[PrintPart], list[str]]]:
    """Freezes what is wanted; the function that it returns makes the parts and names those that are cut off."""
    segments = freeze_segments(scene, [node for node in wanted if isinstance(node, SegmentNode)])
    others = {node.id: _frozen(node) for node in wanted if not isinstance(node, SegmentNode)}

    def parts(ctx: Context) -> tuple[list[PrintPart], list[str]]:
        meshes = meshes_of(segments, ctx) if segments else []
        made = {entry.segment.id: _part(entry, named) for entry, named in zip(segments, meshes, strict=True)}
        found = [made[node.id] if isinstance(node, SegmentNode) else others[node.id] for node in wanted]
        return found, [named.name for named in meshes if named.cut_off]

    return parts


def _part(entry: SegmentInput, named: Any) -> PrintPart:
    from surgitwin.commands.print_parts import PrintPart

    mask = entry.labels == entry.segment.value
    box = Box.of_mask(mask)
    cut = np.ascontiguousarray(mask[box.slices])
    return PrintPart(
        named.name,
        named.mesh,
        named.color,
        named.opacity,
        mask=cut,
        geometry=entry.geometry.cropped(box),
        voxel_ml=named.voxel_volume_ml,
    )


def _frozen(node: SurfaceNode | ImplantNode) -> PrintPart:
    from surgitwin.commands.export_presets import implant_mesh, remark_of
    from surgitwin.commands.print_parts import PrintPart
    from surgitwin.commands.print_record import surface_remark

    if isinstance(node, ImplantNode):
        remark = "; ".join(part for part in (remark_of(node.item), "MIRRORED" if node.mirrored else "") if part)
        return PrintPart(node.name, implant_mesh(node), node.color, node.opacity, remark)
    mesh = Mesh(node.points.frozen(), node.triangles.frozen())
    return PrintPart(node.name, mesh, node.color, node.opacity, surface_remark(node))


def _write(first: Path, contents: dict[Path, bytes]) -> list[Path]:
    from surgitwin.exchange.atomic import write_together

    def writer(data: bytes) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            path.write_bytes(data)

        return write

    return write_together({path: writer(data) for path, data in contents.items()})
