"""The tables of a report: plans side by side, volumes, warnings, provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from surgitwin.core.text import tr
from surgitwin.exchange.report_content import (
    ImplantRow,
    MeasurementRow,
    PlanLesion,
    PlanLimit,
    PlanPart,
    PrintRow,
    ProvenanceRow,
    Quantity,
    ReportContent,
    Status,
    VolumeRow,
)
from surgitwin.exchange.report_style import Style

PLANS_A_TABLE = 3
_LABEL_MM = 62.0


def facts(style: Style, content: ReportContent, width: float) -> Any:
    """Who, what and when, in two columns of label and text."""
    rows: list[tuple[str, str]] = [(tr("Case"), content.case)]
    patient = content.patient
    if patient is not None:
        rows.append((tr("Patient"), patient.name))
        rows += [
            (label, text)
            for label, text in (
                (tr("Patient ID"), patient.patient_id),
                (tr("Birth date"), patient.birth_date),
                (tr("Sex"), patient.sex),
            )
            if text
        ]
    for study in content.studies:
        words = [study.date or tr("date unknown"), study.modality, study.phase or tr("phase unknown")]
        rows.append((tr("Study"), ", ".join(word for word in words if word)))
        if study.description:
            rows.append((tr("Series"), study.description))
    rows += content.facts
    rows.append((tr("Report made"), content.created))
    if content.author:
        rows.append((tr("Made by"), content.author))
    cells = [[style.paragraph(label, "muted"), style.paragraph(text, "cell")] for label, text in rows]
    return quiet_table(style, cells, [26 * _mm(), width - 26 * _mm()], head=False, ruled=False, pad=1.5)


def plan_tables(style: Style, plans: Sequence[PlanPart], width: float) -> list[Any]:
    """All plans, at most three to a table, lined up by what is counted."""
    starts = range(0, len(plans), PLANS_A_TABLE)
    return [_plan_table(style, plans[at : at + PLANS_A_TABLE], width) for at in starts]


def _plan_table(style: Style, plans: Sequence[PlanPart], width: float) -> Any:
    label_width = _LABEL_MM * _mm()
    heads = [style.marked(style.fonts.markup(tr("Plan")), "head")]
    for plan in plans:
        badges = style.badges(plan.statuses)
        heads.append(style.marked(f"{style.fonts.markup(plan.name)} {badges}", "head-number"))
    rows = [heads]
    subheads: list[int] = []

    def section(title: str) -> None:
        subheads.append(len(rows))
        rows.append([style.paragraph(title, "head"), *[""] * len(plans)])

    def add(label: str, cells: Iterable[str], note: str = "") -> None:
        text = style.fonts.markup(label) + _small(style, note)
        rows.append([style.marked(text, "cell"), *[style.marked(cell, "number") for cell in cells]])

    add(tr("Organ"), [style.fonts.markup(plan.organ) for plan in plans])
    for label in _labels(label for plan in plans for label, _ in plan.figures):
        values = [dict(plan.figures).get(label, Quantity(None)) for plan in plans]
        add(label, [style.quantity(value, strong=True) for value in values])
    if any(plan.limits for plan in plans):
        add(tr("Published limits (see below)"), [_limits_in_short(style, plan) for plan in plans])
    lesions = _labels(lesion.name for plan in plans for lesion in plan.lesions)
    if lesions:
        section(tr("Lesions: smallest margin to the cut"))
    for name in lesions:
        found = [next((x for x in plan.lesions if x.name == name), None) for plan in plans]
        size = next((x.volume for x in found if x is not None), Quantity(None))
        note = f"{size.formatted()}" if size.assessed else ""
        add(name, [_lesion(style, lesion) for lesion in found], note)
    rest = (width - label_width) / len(plans)
    return quiet_table(style, rows, [label_width, *[rest] * len(plans)], subheads=subheads)


def limit_tables(style: Style, plans: Sequence[PlanPart], width: float) -> list[Any]:
    """The published limits, each with ratio, population and source, held against the plans."""
    starts = range(0, len(plans), PLANS_A_TABLE)
    groups = [plans[at : at + PLANS_A_TABLE] for at in starts]
    return [_limit_table(style, group, width) for group in groups if any(plan.limits for plan in group)]


def _limit_table(style: Style, plans: Sequence[PlanPart], width: float) -> Any:
    label_width = (_LABEL_MM + 12) * _mm()
    rows = [[style.paragraph(tr("Limit"), "head"), *[style.paragraph(plan.name, "head-number") for plan in plans]]]
    for limit_id in _labels(limit.id for plan in plans for limit in plan.limits):
        held = [next((x for x in plan.limits if x.id == limit_id), None) for plan in plans]
        first = next(x for x in held if x is not None)
        label = (first.label[:1].upper() + first.label[1:]).replace("n = ", "n\u00a0=\u00a0")
        text = style.fonts.markup(label) + _small(style, first.note)
        rows.append([style.marked(text, "cell"), *[style.marked(_limit(style, limit), "number") for limit in held]])
    rest = (width - label_width) / len(plans)
    return quiet_table(style, rows, [label_width, *[rest] * len(plans)])


def _small(style: Style, note: str) -> str:
    """A note on a line of its own below a cell's text; markup, empty if there is none."""
    if not note:
        return ""
    return f'<br/><font size="6.5" color="{style.hex("text-muted")}">{style.fonts.markup(note)}</font>'


def _limits_in_short(style: Style, plan: PlanPart) -> str:
    """How many of the limits that could be assessed the plan is below; markup."""
    assessed = [limit for limit in plan.limits if limit.verdict != "not assessed"]
    below = sum(limit.verdict == "below" for limit in assessed)
    if not assessed:
        return style.verdict("not assessed", tr("not assessed"))
    if below:
        return style.verdict("below", tr("below {below} of {all} assessed").format(below=below, all=len(assessed)))
    return style.verdict("meets", tr("meets all {all} assessed").format(all=len(assessed)))


def _lesion(style: Style, lesion: PlanLesion | None) -> str:
    if lesion is None:
        return style.quantity(Quantity(None))
    text = style.quantity(lesion.margin, strong=True)
    if lesion.band.assessed:
        text += "<br/>" + style.quantity(lesion.band)
    if lesion.left_behind.assessed:
        text += "<br/>" + style.fonts.markup(tr("stays behind:")) + " " + style.quantity(lesion.left_behind)
    return text


def _limit(style: Style, limit: PlanLimit | None) -> str:
    if limit is None:
        return style.verdict("not assessed", tr("not assessed"))
    text = style.verdict(limit.verdict, tr(limit.verdict))
    if limit.verdict != "not assessed":
        return f"{text}<br/>{style.quantity(limit.value)}"
    return text + _small(style, limit.reason)


def _labels(labels: Iterable[str]) -> list[str]:
    """Each label once, in the order they first come."""
    return list(dict.fromkeys(labels))


def cut_lines(style: Style, plans: Sequence[PlanPart]) -> list[Any]:
    """What each plan cuts, in words, and its notes."""
    result: list[Any] = []
    for plan in plans:
        if not plan.cuts and not plan.notes:
            continue
        result.append(style.paragraph(plan.name, "h2"))
        result += [style.paragraph(line, "muted") for line in plan.cuts]
        if plan.notes:
            result.append(style.paragraph(plan.notes, "body"))
    return result


def volume_table(style: Style, rows: Sequence[VolumeRow], width: float) -> Any:
    """Name, ml by voxels and by surface, mean HU; what the image cuts off is marked."""
    heads = [
        style.paragraph(tr("Structure"), "head"),
        style.paragraph(tr("Volume by voxels"), "head-number"),
        style.paragraph(tr("Volume by surface"), "head-number"),
        style.paragraph(tr("HU, mean ± SD"), "head-number"),
    ]
    cells = [heads]
    for row in rows:
        extra = (Status.CUT_OFF,) if row.cut_off else ()
        name = f"{style.swatch(row.color)} {style.fonts.markup(row.name)} {style.badges(extra)}"
        numbers = [style.marked(style.quantity(q), "number") for q in (row.voxels, row.surface, row.hu)]
        cells.append([style.marked(name, "cell"), *numbers])
    number, hu = 39 * _mm(), 46 * _mm()
    return quiet_table(style, cells, [width - 2 * number - hu, number, number, hu])


def status_lines(style: Style, statuses: Sequence[Status]) -> list[Any]:
    """What the statuses in this report mean."""
    return [
        style.marked(f"{style.badge(status)} {style.fonts.markup(status.meaning)}.", "status") for status in statuses
    ]


def warning_table(style: Style, content: ReportContent, width: float) -> Any:
    """Every warning, marked by a sign and not by colour alone."""
    sign = "▲" if style.fonts.has("▲") else "!"
    mark = f'<font name="{style.fonts.semibold}" color="{style.hex("caution")}">{sign}</font>'
    rows = []
    for warning in content.warnings:
        about = f'<font name="{style.fonts.semibold}">{style.fonts.markup(warning.about)}:</font> '
        text = (about if warning.about else "") + style.fonts.markup(warning.message)
        rows.append([style.marked(mark, "cell"), style.marked(text, "cell")])
    return quiet_table(style, rows, [6 * _mm(), width - 6 * _mm()], head=False)


def provenance_table(style: Style, rows: Sequence[ProvenanceRow], width: float) -> Any:
    """What came from where: maker, version, revision, date."""
    columns: tuple[tuple[str, Callable[[ProvenanceRow], str], float], ...] = (
        (tr("What"), lambda row: row.what, 0.26),
        (tr("Made by"), lambda row: row.made_by, 0.28),
        (tr("Version"), lambda row: row.version, 0.10),
        (tr("Revision"), lambda row: row.revision, 0.18),
        (tr("Date"), lambda row: row.date, 0.18),
    )
    cells = [[style.paragraph(title, "head") for title, _, _ in columns]]
    cells += [[style.paragraph(read(row), "cell") for _, read, _ in columns] for row in rows]
    return quiet_table(style, cells, [width * share for _, _, share in columns])


def _mm() -> float:
    return 72.0 / 25.4


def measurement_table(style: Style, rows: Sequence[MeasurementRow], width: float) -> Any:
    """Every measurement with its value, what half a voxel makes uncertain, how it was measured, and its marks."""
    titles = (tr("Measurement"), tr("Value"), tr("How"), "")
    cells = [[style.paragraph(title, "head") for title in titles]]
    for row in rows:
        about = row.how + (tr("; of {names}").format(names=row.of) if row.of else "")
        line = [style.paragraph(text, "cell") for text in (f"{row.name} ({row.kind})", row.value.formatted(), about)]
        cells.append([*line, style.marked(style.badges(row.statuses), "cell")])
    return quiet_table(style, cells, [width * share for share in (0.26, 0.24, 0.34, 0.16)], pad=2.0)


def implant_table(style: Style, rows: Sequence[ImplantRow], width: float) -> Any:
    """Every implant with its maker, material, place and fit; a built-in one says that it is no product."""
    titles = (tr("Implant"), tr("Maker, material"), tr("Where (LPS)"), tr("Fit"), "")
    cells = [[style.paragraph(title, "head") for title in titles]]
    for row in rows:
        texts = (
            f"{row.name}: {row.what}",
            ", ".join(text for text in (row.maker, row.material) if text),
            row.place,
            row.fit or tr("not assessed"),
        )
        line = [style.paragraph(text, "cell") for text in texts]
        cells.append([*line, style.marked(style.badges(row.statuses), "cell")])
    return quiet_table(style, cells, [width * share for share in (0.22, 0.18, 0.24, 0.22, 0.14)], pad=2.0)


def print_table(style: Style, rows: Sequence[PrintRow], width: float) -> Any:
    """Every accepted print with its file's hash, by which the file can be known."""
    titles = (tr("File"), tr("Parts, process"), tr("Deviation"), tr("Accepted by"), "")
    cells = [[style.paragraph(title, "head") for title in titles]]
    for row in rows:
        spaced = " ".join(row.sha256[start : start + 16] for start in range(0, len(row.sha256), 16))
        file = tr("{name}, SHA-256 {hash}").format(name=row.file, hash=spaced)
        texts = (file, f"{row.parts}; {row.process}", row.deviation, row.accepted)
        line = [style.paragraph(text, "cell") for text in texts]
        cells.append([*line, style.marked(style.badges(row.statuses), "cell")])
    return quiet_table(style, cells, [width * share for share in (0.28, 0.24, 0.20, 0.18, 0.10)], pad=2.0)


def quiet_table(
    style: Style,
    cells: list[list[Any]],
    widths: list[float],
    *,
    head: bool = True,
    ruled: bool = True,
    subheads: Sequence[int] = (),
    pad: float = 3.0,
) -> Any:
    """A quiet table: thin rules below rows, the head repeated on every page."""
    from reportlab.platypus import Table, TableStyle

    line = style.colour("line")
    commands: list[tuple[Any, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), pad),
        ("BOTTOMPADDING", (0, 0), (-1, -1), pad),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
    ]
    if ruled:
        commands.append(("LINEBELOW", (0, 0), (-1, -1), 0.35, line))
    if head:
        commands.append(("LINEBELOW", (0, 0), (-1, 0), 0.9, style.colour("text-muted")))
    for row in subheads:
        commands += [
            ("SPAN", (0, row), (-1, row)),
            ("TOPPADDING", (0, row), (-1, row), 8),
            ("NOSPLIT", (0, row), (-1, min(row + 1, len(cells) - 1))),
        ]
    return Table(cells, colWidths=widths, repeatRows=1 if head else 0, style=TableStyle(commands), hAlign="LEFT")
