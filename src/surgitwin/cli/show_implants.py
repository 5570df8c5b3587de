"""Implants as people read them."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from surgitwin.cli.wording import number
from surgitwin.core.text import tr

Document = dict[str, Any]


def show_implants(document: Document, out: Console) -> None:
    """The library by family; broken files follow as warnings."""
    families: dict[str, list[Document]] = {}
    for item in document["items"]:
        families.setdefault(item["family"], []).append(item)
    for family, items in families.items():
        first = items[0]
        out.print(family, style="bold", markup=False)
        words = [first["name"], first["maker"], first["material"] or "", first["licence"] or ""]
        out.print("  " + ", ".join(word for word in words if word), markup=False, soft_wrap=True)
        out.print("  " + "  ".join(item["size"] for item in items), style="dim", markup=False)


def show_implant(document: Document, out: Console) -> None:
    """Where an implant was put."""
    item = document["item"]
    out.print(document["node"]["name"], style="bold", markup=False)
    words = [item["name"], item["size"], item["maker"], item["material"] or ""]
    out.print("  " + ", ".join(word for word in words if word), markup=False)
    if document["mirrored"]:
        out.print("  " + tr("mirrored"))
    out.print("  " + tr("at {place} mm (LPS)").format(place=_numbers(document["at_mm"])), markup=False)
    if document["main_lps"] is not None:
        out.print("  " + tr("main axis {way} (LPS)").format(way=_numbers(document["main_lps"], 3)), markup=False)
    if document["onto"] is not None:
        out.print("  " + tr("on {name}").format(name=document["onto"]["name"]), markup=False)
    out.print("  " + tr("{volume} ml").format(volume=number(document["volume_ml"], 2)), markup=False)


def _numbers(values: list[float], digits: int = 1) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)
