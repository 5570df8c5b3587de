"""The pictures of a report with captions and legends, in rows that keep together."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.exchange.report_content import LegendEntry, Picture
from surgitwin.exchange.report_style import Style

_GAP = 9.0
_MAX_HEIGHT = 330.0


def picture_rows(style: Style, pictures: Sequence[Picture], width: float) -> list[Any]:
    """3D pictures first and large, slices two or three to a row."""
    solids = [picture for picture in pictures if picture.kind == "3d"]
    slices = [picture for picture in pictures if picture.kind == "slice"]
    rows: list[Any] = []
    for group, most in ((solids, 2), (slices, 3)):
        across = min(most, len(group))
        if len(group) == 4:
            across = 2
        rows += [_row(style, group[at : at + across], across, width) for at in range(0, len(group), max(across, 1))]
    return rows


def _row(style: Style, pictures: Sequence[Picture], across: int, width: float) -> Any:
    from reportlab.platypus import Table, TableStyle

    cell = (width - _GAP * (across - 1)) / across
    columns: list[Any] = []
    widths: list[float] = []
    for number in range(across):
        if number:
            columns.append("")
            widths.append(_GAP)
        columns.append(_picture(style, pictures[number], cell) if number < len(pictures) else "")
        widths.append(cell)
    commands = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
    ]
    return Table([columns], colWidths=widths, style=TableStyle(commands), hAlign="LEFT")


def _picture(style: Style, picture: Picture, width: float) -> list[Any]:
    from reportlab.platypus import Image

    pixels_wide, pixels_high = _size(picture)
    scale = min(width / pixels_wide, _MAX_HEIGHT / pixels_high)
    image = Image(io.BytesIO(picture.png), pixels_wide * scale, pixels_high * scale, hAlign="LEFT")
    parts = [image, style.paragraph(picture.caption, "caption")]
    if picture.legend:
        # A colour and its name stay on one line.
        entries = "\u2003 ".join(_legend(style, entry) for entry in picture.legend)
        parts.append(style.marked(entries, "legend"))
    return parts


def _legend(style: Style, entry: LegendEntry) -> str:
    red, green, blue = entry.color
    colour = f"#{red:02x}{green:02x}{blue:02x}"
    label = style.fonts.markup(entry.label).replace(" ", "\u00a0")
    if entry.line:
        # A line is drawn as a line: long and thin, where an area is a square.
        dash = "—" if style.fonts.has("—") else "-"
        return f'<font name="{style.fonts.semibold}" color="{colour}">{dash}{dash}</font>\u00a0{label}'
    return f"{style.swatch(entry.color)}\u00a0{label}"


def _size(picture: Picture) -> tuple[int, int]:
    """Width and height in pixels.

    Raises
    ------
    BadInput
        If the bytes are no picture that can be read.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(picture.png)) as image:
            image.verify()
            width, height = image.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        message = tr("The picture “{caption}” cannot be read as PNG.")
        raise BadInput(message.format(caption=picture.caption)) from error
    return width, height
