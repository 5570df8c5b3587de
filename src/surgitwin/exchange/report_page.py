"""What stands on every page: whose case, when, the disclaimer, and page x of y."""

from __future__ import annotations

from typing import Any

from surgitwin.core.text import tr
from surgitwin.exchange.report_content import ReportContent
from surgitwin.exchange.report_style import Style

MARGIN = 51.0
"""Space around the text, points (18 mm)."""


def disclaimer() -> str:
    return tr("Research and planning aid, not a medical device")


def page_canvas(style: Style, content: ReportContent) -> Any:
    """A canvas class that writes head and foot once the number of pages is known."""
    from reportlab.pdfgen.canvas import Canvas

    class NumberedCanvas(Canvas):  # type: ignore[misc]  # reportlab has no types
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._finished: list[dict[str, Any]] = []

        def showPage(self) -> None:
            self._finished.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, state in enumerate(self._finished, 1):
                self.__dict__.update(state)
                _furniture(self, style, content, number, len(self._finished))
                super().showPage()
            super().save()

    return NumberedCanvas


def _furniture(canvas: Any, style: Style, content: ReportContent, page: int, pages: int) -> None:
    width, height = canvas._pagesize
    canvas.saveState()
    canvas.setStrokeColor(style.colour("line"))
    canvas.setLineWidth(0.5)
    top, bottom = height - MARGIN + 12, MARGIN - 12
    canvas.line(MARGIN, top, width - MARGIN, top)
    canvas.line(MARGIN, bottom, width - MARGIN, bottom)
    studies = [study.date for study in content.studies if study.date]
    right = ", ".join(dict.fromkeys(studies))
    _text(canvas, style, _who(content), MARGIN, top + 5, width - 2 * MARGIN - 110)
    _text(canvas, style, tr("Study {date}").format(date=right) if right else "", width - MARGIN, top + 5, 110, True)
    _text(canvas, style, disclaimer(), MARGIN, bottom - 11, width - 2 * MARGIN - 110, token="text")
    counted = tr("Page {page} of {pages}").format(page=page, pages=pages)
    _text(canvas, style, counted, width - MARGIN, bottom - 11, 110, True)
    canvas.restoreState()


def _who(content: ReportContent) -> str:
    """The pseudonym, or the patient where the user asked for that: a loose page must be told apart."""
    patient = content.patient
    if patient is None:
        return content.case
    return ", ".join(text for text in (patient.name, patient.patient_id, patient.birth_date) if text)


def _text(
    canvas: Any, style: Style, text: str, x: float, y: float, width: float, right: bool = False, token: str = ""
) -> None:
    """One line, set as a Paragraph so that every character finds a font, cut short with an ellipsis if too long."""
    from reportlab.lib.enums import TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    if not text:
        return
    look = ParagraphStyle(
        "furniture",
        fontName=style.fonts.regular,
        fontSize=7.5,
        leading=9,
        textColor=style.colour(token or "text-muted"),
        alignment=TA_RIGHT if right else 0,
    )
    shown = text
    while len(shown) > 1:
        paragraph = Paragraph(style.fonts.markup(shown if shown == text else shown + "…"), look)
        _, needed = paragraph.wrap(width, 100)
        if needed <= look.leading:
            break
        shown = shown[: int(len(shown) * 0.9)]
    paragraph.drawOn(canvas, x - width if right else x, y - 2)
