"""Vessel trees and territories as a surgeon reads them on a terminal."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from surgitwin.cli.wording import number
from surgitwin.core.text import tr

Document = dict[str, Any]
SHOWN_GAPS = 5


def show_vessels(document: Document, out: Console) -> None:
    """A row for each name: how many branches, how long and how thick; then the gaps."""
    rows: dict[str, list[Document]] = {}
    for branch in document["branches"]:
        rows.setdefault(branch["name"], []).append(branch)
    table = Table(box=SIMPLE_HEAD, title_justify="left")
    table.title = tr("{name}: {count} branches").format(name=document["name"], count=len(document["branches"]))
    for title in (tr("Name"), tr("Branches"), tr("Length"), tr("Thickest diameter")):
        table.add_column(title, justify="left" if title == tr("Name") else "right")
    for name, branches in rows.items():
        suggested = any(branch["suggested"] for branch in branches)
        title = name or tr("(no name)")
        table.add_row(
            tr("{name} (suggested)").format(name=title) if suggested else title,
            str(len(branches)),
            number(sum(branch["length_mm"] for branch in branches), 0, "mm"),
            number(max(2 * branch["mean_radius_mm"] for branch in branches), 1, "mm"),
        )
    out.print(table)
    gaps = sorted(document["breaks"], key=lambda gap: gap["gap_mm"])
    if not gaps:
        return
    out.print(tr("{count} parts lie apart; --json lists them all:").format(count=len(gaps)), markup=False)
    for gap in gaps[:SHOWN_GAPS]:
        at = ", ".join(f"{value:.1f}" for value in gap["from_mm"])
        line = tr("  branch {branch} at {at}: {mm:.1f} mm to the next part")
        out.print(line.format(branch=gap["branch"], at=at, mm=gap["gap_mm"]), markup=False)


def show_territories(document: Document, out: Console) -> None:
    """The parts of an organ with their volumes, and how far the methods agree."""
    table = Table(box=SIMPLE_HEAD, title_justify="left")
    table.title = document["node"]["name"]
    for title in (tr("Territory"), tr("Volume"), tr("Share")):
        table.add_column(title, justify="left" if title == tr("Territory") else "right")
    for part in document["territories"]:
        name = tr("{name} (suggested)").format(name=part["name"]) if part["suggested"] else part["name"]
        table.add_row(name, number(part["volume_ml"], 1, "ml"), number(part["percent"], 1, "%"))
    out.print(table)
    text = tr("The methods disagree on {percent:.1f} % of the organ; this is by {method}.")
    out.print(text.format(percent=document["disagreement_percent"], method=document["method"]), markup=False)
