"""Measurements as people read them on the terminal."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from surgitwin.core.text import tr

Document = dict[str, Any]


def show_measured(document: Document, out: Console) -> None:
    text = tr("{name}: {value}{spread}, {how}.").format(
        name=document["name"], value=document["text"], spread=_spread(document), how=document["how"]
    )
    out.print(text, markup=False)
    section = document.get("cross_section")
    if section is not None:
        text = tr(
            "  cross-section {area_mm2:.1f} mm², {min_mm:.1f} to {max_mm:.1f} mm wide; largest sphere {ball:.1f} mm"
        )
        out.print(text.format(ball=document["inscribed_diameter_mm"], **section), markup=False)
    values = document.get("hu") or document.get("intensity")
    if values is not None:
        text = tr("  {min:.0f} to {max:.0f}, median {median:.1f}; {voxels} voxels, {ml:.2f} ml")
        out.print(text.format(voxels=document["voxels"], ml=document["volume_ml"], **values), markup=False)


def show_measurements(document: Document, out: Console) -> None:
    if not document["measurements"] and not document["files"]:
        out.print(tr("The case holds no measurements yet. Make one with “measure”."))
    if document["measurements"]:
        table = Table(box=SIMPLE_HEAD)
        for title in (tr("Measurement"), tr("Value"), tr("How"), ""):
            table.add_column(title)
        for one in document["measurements"]:
            stale = tr("STALE") if one["stale"] else ""
            table.add_row(one["name"], one.get("text", "") + _spread(one), one.get("how", ""), stale)
        out.print(table)
    for file in document["files"]:
        out.print(tr("Wrote {path}").format(path=file), markup=False, soft_wrap=True)


def _spread(document: Document) -> str:
    spread = document.get("uncertainty")
    return "" if spread is None else tr(" (± {spread:.1f} by the voxels)").format(spread=spread)
