"""The print sheet: one page at scale 1:1 that goes with a file to the printer."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.exchange.report_page import disclaimer
from surgitwin.exchange.report_style import Style
from surgitwin.exchange.report_tables import quiet_table
from surgitwin.exchange.silhouette import silhouette

MM = 72.0 / 25.4
BAR_MM = 100.0
_MARGIN_MM = 14.0
_TABLE_MM = 112.0  # what facts and marks may take of the page's height
_VIEWS: tuple[tuple[tuple[int, int], str, tuple[str, str, str, str]], ...] = (
    # Axes to the right and up, the view's name, letters left, right, bottom, top.
    ((0, 2), tr("from the front"), ("R", "L", "I", "S")),
    ((0, 1), tr("from above"), ("R", "L", "A", "P")),
    ((1, 2), tr("from the left"), ("A", "P", "I", "S")),
)


@dataclass(frozen=True)
class Mark:
    """Something that must not be overlooked, such as DRAFT; ``kind`` is ``bad``, ``caution`` or ``good``."""

    text: str
    kind: Literal["bad", "caution", "good"] = "caution"


@dataclass(frozen=True, eq=False)
class PrintSheet:
    """What stands on the sheet.

    Attributes
    ----------
    file, sha256
        The file that it belongs to.
    facts
        Label and text of each line.
    side_known
        Without it the outline has no letters for left and right.
    """

    file: str
    sha256: str
    mesh: Mesh
    facts: tuple[tuple[str, str], ...]
    marks: tuple[Mark, ...] = ()
    side_known: bool = True


def sheet_pdf(sheet: PrintSheet, page_size: Literal["A4", "letter"] = "A4") -> bytes:
    """The sheet as the bytes of a PDF of one page."""
    from reportlab.lib.pagesizes import A4, LETTER
    from reportlab.pdfgen.canvas import Canvas

    style = Style()
    page = A4 if page_size == "A4" else LETTER
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=page, initialFontName=style.fonts.regular)
    canvas.setTitle(tr("Print sheet"))
    canvas.setAuthor("Surgitwin")
    canvas.setSubject(disclaimer())
    left, width = _MARGIN_MM * MM, page[0] - 2 * _MARGIN_MM * MM
    y = page[1] - _MARGIN_MM * MM
    y = _down(canvas, style.paragraph(tr("Print sheet"), "title"), left, y, width)
    y = _down(canvas, style.paragraph(disclaimer(), "subtitle"), left, y, width)
    for mark in sheet.marks:
        y = _down(canvas, _mark(style, mark), left, y, width) - 2
    y = _down(canvas, _facts(style, sheet, width, y - 105 * MM), left, y - 4, width) - 8
    bar = _MARGIN_MM * MM + 30
    _outline(canvas, style, sheet, (left, bar + 26, width, y - bar - 26))
    _scale_bar(canvas, style, left, bar, width)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _down(canvas: Any, flowable: Any, x: float, y: float, width: float) -> float:
    """Draw it below ``y`` and return where it ends."""
    _, height = flowable.wrapOn(canvas, width, y)
    flowable.drawOn(canvas, x, y - height)
    return float(y - height)


def _mark(style: Style, mark: Mark) -> Any:
    symbol = {"bad": "✕x", "caution": "▲!", "good": "✓+"}[mark.kind]
    shown = next((one for one in symbol if style.fonts.has(one)), "!")
    colour = style.hex(mark.kind)
    text = style.fonts.markup(mark.text)
    return style.marked(f'<font name="{style.fonts.semibold}" color="{colour}">{shown}\u00a0 {text}</font>', "body")


def _facts(style: Style, sheet: PrintSheet, width: float, room: float) -> Any:
    """The table, its longest texts shortened until it leaves room for the outline."""
    rows = [*sheet.facts, (tr("File"), sheet.file), ("SHA-256", sheet.sha256)]
    for most in (400, 200, 100, 60):
        cells = [
            [style.paragraph(label, "muted"), style.paragraph(_short(text, max(most, 64)), "cell")]
            for label, text in rows
        ]
        table = quiet_table(style, cells, [34 * MM, width - 34 * MM], head=False, ruled=False, pad=0.6)
        if table.wrap(width, 2000)[1] <= room:
            break
    return table


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _outline(canvas: Any, style: Style, sheet: PrintSheet, area: tuple[float, float, float, float]) -> None:
    """The silhouette at its true size in ``area`` (left, bottom, width, height in points), cut where it is larger."""
    left, bottom, width, height = area
    extent = np.ptp(sheet.mesh.points.astype(np.float64), axis=0) * MM
    fitting = [view for view in _VIEWS if extent[view[0][0]] <= width - 24 and extent[view[0][1]] <= height - 40]
    chosen = max(fitting or _VIEWS, key=lambda view: float(extent[view[0][0]] * extent[view[0][1]]))
    axes, name, letters = chosen
    rings, step = silhouette(sheet.mesh, axes)
    says = tr("Outline at scale 1:1, seen {view}, to {step:.1f} mm; print this page without scaling.")
    lines = [says.format(view=name, step=step)]
    if not fitting:
        shown = f"{width / MM:.0f} × {(height - 28) / MM:.0f} mm"
        lines.append(tr("The part is larger than the page: the middle {shown} of it are shown.").format(shown=shown))
    caption = style.paragraph("\n".join(lines), "foot")
    y = _down(canvas, caption, left, bottom + height, width) - 4
    room = y - bottom
    low, high = _bounds(rings, sheet.mesh, axes)
    origin = (left + width / 2 - (low[0] + high[0]) / 2 * MM, bottom + room / 2 - (low[1] + high[1]) / 2 * MM)
    canvas.saveState()
    frame = canvas.beginPath()
    frame.rect(left, bottom, width, room)
    canvas.clipPath(frame, stroke=0, fill=0)
    path = canvas.beginPath()
    for ring in rings:
        at = ring * MM + np.array(origin)
        path.moveTo(*at[0])
        for point in at[1:]:
            path.lineTo(*point)
        path.close()
    canvas.setStrokeColor(style.colour("text"))
    canvas.setFillColor(style.tinted("text-muted"))
    canvas.setLineWidth(0.6)
    canvas.drawPath(path, stroke=1, fill=1, fillMode=0)
    canvas.restoreState()
    _letters(canvas, style, sheet.side_known, axes, letters, (left, bottom, width, room))


def _bounds(
    rings: Sequence[NDArray[np.float64]], mesh: Mesh, axes: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points = np.concatenate(list(rings)) if rings else mesh.points[:, list(axes)].astype(np.float64)
    return points.min(axis=0), points.max(axis=0)


def _letters(
    canvas: Any,
    style: Style,
    side_known: bool,
    axes: tuple[int, int],
    letters: tuple[str, str, str, str],
    area: tuple[float, float, float, float],
) -> None:
    left, bottom, width, height = area
    across, along = (letters[:2] if side_known or axes[0] != 0 else ("?", "?")), letters[2:]
    canvas.setFont(style.fonts.semibold, 8)
    canvas.setFillColor(style.colour("text-muted"))
    canvas.drawString(left, bottom + height / 2, across[0])
    canvas.drawRightString(left + width, bottom + height / 2, across[1])
    canvas.drawCentredString(left + width / 2, bottom + 2, along[0])
    canvas.drawCentredString(left + width / 2, bottom + height - 8, along[1])


def _scale_bar(canvas: Any, style: Style, left: float, y: float, width: float) -> None:
    """A line of 100 mm with a tick each 10 mm, to check what the printer made of the page."""
    canvas.setStrokeColor(style.colour("text"))
    canvas.setLineWidth(0.8)
    canvas.line(left, y, left + BAR_MM * MM, y)
    for tick in range(11):
        high = 6 if tick in (0, 5, 10) else 3
        canvas.line(left + tick * 10 * MM, y, left + tick * 10 * MM, y + high)
    canvas.setFillColor(style.colour("text"))
    canvas.setFont(style.fonts.regular, 7.5)
    canvas.drawString(left, y + 9, "0")
    canvas.drawCentredString(left + BAR_MM * MM, y + 9, "100 mm")
    text = tr("Measure this bar: if it is not 100 mm long, this page was scaled and the outline is not true to size.")
    _down(canvas, style.paragraph(text, "foot"), left, y - 2, width)
