"""The report as PDF: what the twin and its plans say, every number with its status, and where all of it came from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.exchange import report_tables as tables
from surgitwin.exchange.atomic import write_atomically
from surgitwin.exchange.report_content import ReportContent
from surgitwin.exchange.report_page import MARGIN, disclaimer, page_canvas
from surgitwin.exchange.report_pictures import picture_rows
from surgitwin.exchange.report_simulations import simulation_story
from surgitwin.exchange.report_style import Style

PageSize = Literal["A4", "letter"]


def write_report(content: ReportContent, path: Path, ctx: Context, page_size: PageSize = "A4") -> Path:
    """Write the report; the old file stays as it was until the new one is whole.

    Raises
    ------
    BadInput
        If a number is still approximate, a picture cannot be read, or the file cannot be written.
    Cancelled
        If the work was stopped.
    """
    data = report_pdf(content, ctx, page_size)

    def write(temporary: Path) -> None:
        temporary.write_bytes(data)

    return write_atomically(path, write)


def report_pdf(content: ReportContent, ctx: Context, page_size: PageSize = "A4") -> bytes:
    """The report as the bytes of a PDF.

    Raises
    ------
    BadInput
        If a number is still approximate or a picture cannot be read.
    Cancelled
        If the work was stopped.
    """
    from reportlab.lib.pagesizes import A4, LETTER
    from reportlab.platypus import SimpleDocTemplate

    content.check()
    ctx.progress(0.1, tr("Laying out the report"))
    style = Style()
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4 if page_size == "A4" else LETTER,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN + 4,
        # What a file manager shows: no name, whoever the report is about.
        title=tr("Surgical plan report"),
        author="Surgitwin",
        subject=disclaimer(),
        lang="en",
    )
    width = document.width - 12  # the frame's own padding
    story = _story(style, content, width)
    ctx.progress(0.5, tr("Setting the pages"))
    document.build(story, canvasmaker=page_canvas(style, content))
    ctx.progress(1.0, "")
    return buffer.getvalue()


def _story(style: Style, content: ReportContent, width: float) -> list[Any]:
    story = _opening(style, content, width)
    story += _plans(style, content, width)
    if content.warnings:
        story += [*style.heading(tr("Warnings")), tables.warning_table(style, content, width)]
    limits = tables.limit_tables(style, content.plans, width)
    if limits:
        story += [*style.heading(tr("Published limits")), *_spaced(limits)]
    story += simulation_story(style, content.simulations, width)
    if content.measurements:
        story += [*style.heading(tr("Measurements")), tables.measurement_table(style, content.measurements, width)]
    if content.implants:
        story += [*style.heading(tr("Implants")), tables.implant_table(style, content.implants, width)]
    if content.prints:
        story += [*style.heading(tr("Accepted prints")), tables.print_table(style, content.prints, width)]
    if content.pictures:
        rows = picture_rows(style, content.pictures, width)
        story += [_kept([style.paragraph(tr("Pictures"), "h1"), rows[0]]), *rows[1:]]
    if content.volumes:
        story += [*style.heading(tr("Volumes")), tables.volume_table(style, content.volumes, width)]
    if content.notes:
        story += [*style.heading(tr("Notes"), 60), style.paragraph(content.notes)]
    story += _origin(style, content, width)
    return story


def _opening(style: Style, content: ReportContent, width: float) -> list[Any]:
    from reportlab.platypus import Spacer

    title = content.title or tr("Surgical plan")
    story = [style.paragraph(title, "title"), style.paragraph(disclaimer(), "subtitle")]
    story.append(tables.facts(style, content, width))
    statuses = content.statuses()
    if statuses:
        story += [Spacer(1, 6), *tables.status_lines(style, statuses)]
    return story


def _plans(style: Style, content: ReportContent, width: float) -> list[Any]:
    if not content.plans:
        return []
    several = len(content.plans) > 1
    story = style.heading(tr("Plans side by side") if several else tr("Plan"), 160)
    story += _spaced(tables.plan_tables(style, content.plans, width))
    if any(plan.lesions for plan in content.plans):
        text = tr("Margin: the smallest distance from the lesion's surface to the cut between removed and kept organ.")
        story.append(style.paragraph(text, "foot"))
    cuts = tables.cut_lines(style, content.plans)
    if cuts:
        story.append(_kept([style.paragraph(tr("What is cut"), "h1"), *cuts]))
    return story


def _spaced(parts: list[Any]) -> list[Any]:
    from reportlab.platypus import Spacer

    return [piece for number, part in enumerate(parts) for piece in ([Spacer(1, 12), part] if number else [part])]


def _origin(style: Style, content: ReportContent, width: float) -> list[Any]:
    from reportlab.platypus import Spacer

    story: list[Any] = []
    if content.provenance or content.versions:
        story += style.heading(tr("Where this comes from"))
    if content.provenance:
        story += [tables.provenance_table(style, content.provenance, width), Spacer(1, 6)]
    if content.versions:
        text = ", ".join(f"{name} {version}" for name, version in content.versions)
        story.append(style.paragraph(tr("Versions: {list}").format(list=text), "muted"))
    return story


def _kept(parts: list[Any]) -> Any:
    from reportlab.platypus import KeepTogether

    return KeepTogether(parts)
