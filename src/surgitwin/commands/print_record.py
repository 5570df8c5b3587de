"""What a print sheet says of the case: series, parts, side, sign-off, process, checks and who accepted it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from surgitwin import __version__
from surgitwin.commands.base import Document
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.exchange.printers import PrintProcess
from surgitwin.scene.nodes import ImplantNode, Node, SegmentNode, SignOff, SurfaceNode, VolumeNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.commands.print_parts import Examined
    from surgitwin.exchange.print_sheet import Mark

Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class PrintRecord:
    """Frozen facts of the case.

    Attributes
    ----------
    about
        Label and text of each line on whose case it is.
    drafts
        Segments that nobody has reviewed.
    remarks
        What must be said of the parts, such as “planning model, not for use in a patient”, or that one is mirrored.
    """

    about: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    signed: str
    process: PrintProcess
    material: str
    drafts: tuple[str, ...]
    remarks: tuple[str, ...]
    side_known: bool
    notices: tuple[Notice, ...]

    @staticmethod
    def of(
        scene: Scene,
        wanted: list[SegmentNode | SurfaceNode | ImplantNode],
        process: PrintProcess,
        material: str,
        identity: bool,
    ) -> PrintRecord:
        drafts = tuple(node.name for node in wanted if isinstance(node, SegmentNode) and node.status == "draft")
        side_known = all(_side_known(scene, node) for node in wanted)
        notices: list[Notice] = []
        if not side_known:
            text = tr("Left and right of {names} were not confirmed; the sheet says that the side is unknown.")
            notices.append(Notice("unknown-side", text.format(names=", ".join(node.name for node in wanted))))
        if drafts:
            text = tr("Nobody has reviewed {names}; the sheet says DRAFT.").format(names=", ".join(drafts))
            notices.append(Notice("draft-print", text))
        return PrintRecord(
            tuple(_about(scene, wanted, identity)),
            tuple(node.name for node in wanted),
            "; ".join(_signed(node) for node in wanted if isinstance(node, SegmentNode)),
            process,
            material,
            drafts,
            tuple(dict.fromkeys(remark for node in wanted if (remark := remark_of_node(node)))),
            side_known,
            tuple(notices),
        )

    def sheet(self, file: str, found: Examined, accepted: SignOff | None, ctx: Context) -> bytes:
        """The page."""
        from surgitwin.exchange.print_sheet import PrintSheet, sheet_pdf

        ctx.progress(0.9, tr("Making the print sheet"))
        facts = (*self.about, *self._print_facts(found, accepted))
        marks = tuple(self._marks(found, accepted))
        return sheet_pdf(PrintSheet(file, found.sha256, found.read_back, facts, marks, self.side_known))

    def _print_facts(self, found: Examined, accepted: SignOff | None) -> Rows:
        check, process = found.check, self.process
        box = tr("{x:.1f} × {y:.1f} × {z:.1f} mm (right-left, front-back, feet-head)")
        x, y, z = check["size_mm"]
        error = check["volume_error_percent"]
        volume = f"{check['volume_ml']:.2f} ml"
        if error is not None:
            volume += tr(", {error:+z.2f} % against the voxels").format(error=error)
        limit = tr("{title} ({name}); walls of {wall:g} mm or more ({source})")
        wall = check["min_wall_mm"]
        thinnest = f"{wall:.2f} mm" if wall is not None else tr("not assessed")
        if wall is not None:
            thinnest += tr(" at {place}").format(place=", ".join(f"{v:.1f}" for v in check["min_wall_at_mm"]))
        return [
            (tr("Parts"), ", ".join(self.names)),
            (tr("Box"), box.format(x=x, y=y, z=z)),
            (tr("Volume"), volume),
            (
                tr("Process"),
                limit.format(
                    title=process.title or process.name, name=process.name, wall=process.wall_mm, source=process.source
                ),
            ),
            (tr("Material"), self.material or tr("not stated")),
            (tr("Thinnest wall"), thinnest),
            (tr("Check"), _checked(check)),
            (tr("Repairs"), " ".join(step["message"] for step in found.repairs) or tr("none needed")),
            (tr("Deviation"), _deviated(found.deviation)),
            (tr("Segments signed"), self.signed or tr("no segments")),
            (tr("Outlines accepted"), _accepted(accepted)),
            (tr("Sterilisation"), tr("per local validation")),
            (
                tr("Unit, axes, side"),
                tr("mm, LPS; {side}").format(
                    side=tr("side as in the image") if self.side_known else tr("side unknown")
                ),
            ),
            (tr("Made"), f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Surgitwin {__version__}"),
        ]

    def _marks(self, found: Examined, accepted: SignOff | None) -> list[Mark]:
        from surgitwin.exchange.print_sheet import Mark

        marks: list[Mark] = []
        if found.problems:
            marks.append(
                Mark(tr("FORCED: the check failed. {problems}").format(problems=" ".join(found.problems)), "bad")
            )
        if accepted is None:
            marks.append(
                Mark(tr("NOT ACCEPTED: nobody has compared the outlines of this file with the slices."), "bad")
            )
        if self.drafts:
            marks.append(Mark(tr("DRAFT: not reviewed: {names}.").format(names=", ".join(self.drafts))))
        if not self.side_known:
            marks.append(Mark(tr("SIDE UNKNOWN: left and right may be swapped.")))
        return marks + [Mark(remark[:1].upper() + remark[1:] + ".", "caution") for remark in self.remarks]


def _signed(node: SegmentNode) -> str:
    """Who reviewed or approved a segment."""
    if node.sign_off is None or node.status == "draft":
        return tr("{name}: nobody").format(name=node.name)
    word = tr("approved") if node.status == "approved" else tr("reviewed")
    text = tr("{name}: {word} by {who}, {day}")
    return text.format(name=node.name, word=word, who=node.sign_off.by, day=node.sign_off.at[:10])


def _side_known(scene: Scene, node: Node) -> bool:
    if isinstance(node, SegmentNode):
        return scene.segmentation_of(node).side_known
    if isinstance(node, SurfaceNode):
        return node.side_known
    onto = scene.get(node.onto, Node) if isinstance(node, ImplantNode) else None
    return onto is None or _side_known(scene, onto)


def surface_remark(node: SurfaceNode) -> str:
    """What a file must say of a surface that was shaped from an implant: the same as of the implant."""
    said = node.provenance.parameters.get("remark") if node.provenance is not None else None
    return said if isinstance(said, str) else ""


def remark_of_node(node: Node) -> str:
    """What must be said of a part wherever it goes: no product, a planning model, mirrored."""
    from surgitwin.commands.export_presets import remark_of

    if isinstance(node, SurfaceNode):
        turned = node.provenance is not None and bool(node.provenance.parameters.get("mirrored"))
        mirrored = tr("MIRRORED: {name}").format(name=node.name) if turned else ""
        return "; ".join(part for part in (surface_remark(node), mirrored) if part)
    if not isinstance(node, ImplantNode):
        return ""
    mirrored = tr("MIRRORED: {name}").format(name=node.name) if node.mirrored else ""
    return "; ".join(part for part in (remark_of(node.item), mirrored) if part)


def _about(scene: Scene, wanted: list[SegmentNode | SurfaceNode | ImplantNode], identity: bool) -> Rows:
    rows: Rows = [(tr("Case"), scene.case.pseudonym)]
    patient = scene.case.patient
    if identity:
        who = ", ".join(text for text in (patient.name, patient.patient_id, patient.birth_date) if text)
        rows.append((tr("Patient"), who or tr("not stated")))
    images = [scene.segmentation_of(node).volume for node in wanted if isinstance(node, SegmentNode)]
    volumes = [scene.get(image, VolumeNode) for image in dict.fromkeys(images)] or list(scene.of_type(VolumeNode))
    for volume in volumes:
        if volume is not None:
            known = volume.identity
            words = [known.modality, known.study_date or tr("date unknown"), known.phase]
            if identity:
                words.append(known.series_description)
            rows.append((tr("Series"), ", ".join(word for word in words if word)))
    return rows


def _checked(check: Document) -> str:
    crossings = check["self_intersections"]
    return ", ".join(
        (
            tr("closed") if check["closed"] else tr("OPEN"),
            tr("manifold") if check["manifold"] else tr("NOT MANIFOLD"),
            tr("facing outwards") if check["outward"] else tr("NOT FACING OUTWARDS"),
            tr("crossings not assessed") if crossings is None else tr("crossings: {count}").format(count=crossings),
            tr("shells: {count}").format(count=check["shells"]),
            tr("triangles: {count}").format(count=check["triangles"]),
            _on_plate(check),
        )
    )


def _on_plate(check: Document) -> str:
    from surgitwin.commands.print_parts import turned_in_words

    if not check["fits_plate"]:
        return tr("DOES NOT FIT THE PLATE")
    way = check["orientation"]
    if way is None:
        return tr("its pieces fit the plate one by one")
    if way["up"] == "feet-head" and not way["turned_deg"]:
        return tr("fits the plate")
    return tr("fits the plate with {how}").format(how=turned_in_words(way))


def _deviated(deviation: Document) -> str:
    text = tr("of the file, read back, from the {against}: p95 {p95:.2f} mm, largest {most:.2f} mm")
    against = tr("faces of the voxels") if deviation["against"] == "voxels" else tr("surface")
    return text.format(against=against, p95=deviation["p95_mm"], most=deviation["max_mm"])


def _accepted(accepted: SignOff | None) -> str:
    if accepted is None:
        return tr("nobody")
    when = str(accepted.at)[:16].replace("T", " ")
    return tr("{who}, {when} UTC, for the file with the SHA-256 below").format(who=accepted.by, when=when)
