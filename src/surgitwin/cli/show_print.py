"""The print command's document as people read it."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from surgitwin.cli.wording import number
from surgitwin.core.text import tr

Document = dict[str, Any]


def show_print(document: Document, out: Console) -> None:
    check, deviation = document["check"], document["deviation"]
    process = document["process"]
    for file in document["files"]:
        out.print(tr("Wrote {file}.").format(file=file), markup=False, soft_wrap=True)
    size = " × ".join(f"{value:.1f}" for value in check["size_mm"])
    wall = number(check["min_wall_mm"], 2, "mm")
    if check["min_wall_at_mm"] is not None:
        wall += tr(" at {place}").format(place=", ".join(f"{value:.1f}" for value in check["min_wall_at_mm"]))
    plate = " × ".join(f"{value:g}" for value in process["plate_mm"])
    accepted = document["accepted"]
    rows = [
        (tr("Process"), tr("{name}, walls from {wall:g} mm").format(name=process["name"], wall=process["wall_mm"])),
        (tr("Closed, manifold"), f"{_yes(check['closed'])}, {_yes(check['manifold'])}"),
        (tr("Facing outwards"), _yes(check["outward"])),
        (tr("Crossings"), number(check["self_intersections"])),
        (tr("Shells, triangles"), f"{check['shells']}, {check['triangles']}"),
        (tr("Thinnest wall"), wall),
        (tr("Box"), f"{size} mm; " + _fits(check["fits_plate"]).format(plate=plate)),
        (tr("Volume"), _volume(check)),
        (tr("Unit, axes"), f"{check['unit']}, {check['frame']}"),
        (tr("Deviation"), _deviation(deviation)),
        (tr("Accepted by"), accepted["by"] if accepted is not None else tr("nobody")),
        ("SHA-256", document["sha256"]),
    ]
    width = max(len(label) for label, _ in rows)
    for label, text in rows:
        out.print(f"  {label:<{width}}  {text}", markup=False, soft_wrap=True)
    if document.get("kept") is not None:
        out.print("  " + tr("The acceptance is kept in the case; it is stale once a part changes."), markup=False)
    for step in document["repairs"]:
        out.print("  " + tr("Repaired: {what}").format(what=step["message"]), markup=False, soft_wrap=True)
    for problem in document["problems"]:
        out.print("  ✕ " + problem, style="red", markup=False, soft_wrap=True)
    if not document["files"] and not document["problems"]:
        out.print("  ✓ " + tr("It can be printed by this process."), style="green", markup=False)


def _yes(value: bool) -> str:
    return tr("yes") if value else tr("NO")


def _fits(value: bool) -> str:
    return tr("fits the plate of {plate} mm") if value else tr("DOES NOT FIT the plate of {plate} mm")


def _volume(check: Document) -> str:
    error = check["volume_error_percent"]
    text = number(check["volume_ml"], 2, "ml")
    return text if error is None else text + tr(", {error:+z.2f} % against the voxels").format(error=error)


def _deviation(deviation: Document) -> str:
    against = tr("faces of the voxels") if deviation["against"] == "voxels" else tr("surface")
    text = tr("p95 {p95:.2f} mm, largest {most:.2f} mm from the {against}")
    return text.format(p95=deviation["p95_mm"], most=deviation["max_mm"], against=against)
