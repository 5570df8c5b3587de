"""What a simulator found, as a person reads it on a terminal."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from surgitwin.core.numbers_in_words import chance_text, number_text
from surgitwin.core.text import tr

Document = dict[str, Any]
SHOWN_DRIVERS = 3
VERDICTS = {
    "below": tr("below"),
    "reached": tr("reached"),
    "uncertain": tr("within the interval"),
    "not assessed": tr("not assessed"),
}


def show_simulation(document: Document, out: Console) -> None:
    """Outputs with their interval, limits, what drives the result, and what was assumed."""
    table = Table(box=SIMPLE_HEAD, title_justify="left")
    of_plan = f": {document['plan']}" if document["plan"] else ""
    table.title = tr("{title}{plan} (SIMULATED)").format(title=document["title"], plan=of_plan)
    table.add_column("")
    table.add_column(tr("median"), justify="right")
    table.add_column(tr("90 % interval"), justify="right")
    table.add_column("")
    for output in document["outputs"].values():
        low, high = output["low"], output["high"]
        band = f"{number_text(low)} – {number_text(high)}" if low is not None else ""
        table.add_row(output["title"], number_text(output["value"]), band, output["unit"])
    out.print(table)
    for limit in document["thresholds"]:
        _show_limit(limit, out)
    meld = document["details"].get("meld")
    if meld:
        out.print("  " + tr("MELD 3.0: {score} ({source}; {note})").format(**meld), markup=False)
    main = document["main"][0] if document["main"] else ""
    driving = [driver for driver in document["drivers"] if driver["output"] == main][:SHOWN_DRIVERS]
    if driving:
        names = ", ".join(f"{driver['title']} ({driver['share_percent']:.0f} %)" for driver in driving)
        out.print(tr("Driven by: {names}").format(names=names), markup=False)
    assumed = [
        known["title"]
        for known in document["inputs"].values()
        if known["origin"] == "prior" and known["low"] != known["high"]
    ]
    if assumed:
        out.print(tr("Not measured, assumed: {names}").format(names=", ".join(assumed)), markup=False)


def _show_limit(limit: Document, out: Console) -> None:
    if limit.get("limit") is None:
        text = tr("{title}: {text}").format(**limit)
    else:
        text = tr("{title} {limit:g} {unit} ({author}): {verdict}; {text}").format(
            **{**limit, "verdict": VERDICTS[limit["verdict"]]}
        )
    if limit.get("probability_percent") is not None:
        text += tr("; reached in {chance} of samples").format(chance=chance_text(limit["probability_percent"]))
    out.print(f"  {text}", markup=False)
