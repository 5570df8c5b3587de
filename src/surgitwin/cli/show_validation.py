"""What the simulators are held against, as a person reads it on a terminal."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from surgitwin.commands.validating import KIND_TITLES, VERDICT_TEXTS, reference_text, source_text, summary_of
from surgitwin.core.text import tr

Document = dict[str, Any]
COLOURS = {"met": "green", "not met": "bold red", "known miss": "yellow", "not assessed": "dim"}
MARKS = {"met": "✓", "not met": "✕", "known miss": "▲", "not assessed": "–"}


def show_validation(document: Document, out: Console) -> None:
    """A table for each simulator and kind; where a number is not met, its source below it."""
    for one in document["simulators"]:
        out.print(f"{one['title']}: {summary_of(one)}", style="bold", markup=False)
        for kind, title in KIND_TITLES.items():
            rows = [check for check in one["checks"] if check["kind"] == kind]
            if rows:
                out.print(_table(title, rows))
        for check in one["checks"]:
            if check["verdict"] != "met":
                line = f"{VERDICT_TEXTS[check['verdict']]}: {check['quantity']} ({source_text(check)})"
                out.print(f"{MARKS[check['verdict']]} {line}", style=COLOURS[check["verdict"]], markup=False)


def _table(title: str, checks: list[Document]) -> Table:
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("")
    table.add_column("")
    table.add_column(tr("value"), justify="right", no_wrap=True)
    table.add_column(tr("wanted"), justify="right")
    for check in checks:
        mark = Text(MARKS[check["verdict"]], style=COLOURS[check["verdict"]])
        value = f"{check['shown']} {check['unit']}".rstrip()
        reference = reference_text(check)
        symmetric = reference and check["allowed"].startswith("±")
        wanted = f"{reference} {check['allowed']}" if symmetric else check["allowed"]
        table.add_row(mark, Text(check["quantity"]), Text(value), Text(wanted))
    return table
