"""What the export command has written, as people read it."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from surgitwin.cli.wording import number
from surgitwin.core.text import tr

Document = dict[str, Any]


def show_preset(told: Document, out: Console) -> None:
    """How many triangles are left of a device's budget, and how far each surface is off."""
    text = tr("for {preset}: {triangles} triangles, fewer than {budget}")
    counted = text.format(preset=told["name"], triangles=told["triangles"], budget=told["budget_triangles"])
    reduced = [row for row in told["meshes"] if row["triangles"] < row["triangles_before"]]
    if not reduced:
        out.print("  " + tr("{counted}; nothing was reduced").format(counted=counted), markup=False)
        return
    out.print("  " + counted, markup=False)
    table = Table(box=SIMPLE_HEAD)
    table.add_column(tr("Reduced"))
    for column in (tr("triangles before"), tr("triangles now"), tr("95 % are off by less than"), tr("off at most")):
        table.add_column(column, justify="right")
    for row in reduced:
        off = row["deviation_mm"] or {"p95": None, "max": None}
        table.add_row(
            row["name"],
            str(row["triangles_before"]),
            str(row["triangles"]),
            number(off["p95"], 2, "mm"),
            number(off["max"], 2, "mm"),
        )
    out.print(table)


def show_labels(rows: list[Document], out: Console) -> None:
    """Which value of a label map is which segment."""
    layered = any(row["layer"] for row in rows)
    for row in rows:
        text = tr("{value}: {name}, layer {layer}") if layered else tr("{value}: {name}")
        out.print("  " + text.format(value=row["value"], name=row["name"], layer=row["layer"] + 1), markup=False)
