"""Patient-specific parts, and what was shaped for print, as people read them."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from surgitwin.cli.wording import number
from surgitwin.core.text import tr

Document = dict[str, Any]


def show_custom(document: Document, out: Console) -> None:
    """What was made from what, its size, its thickness and its gap."""
    out.print(document["node"]["name"], style="bold", markup=False)
    kinds = {"patch": tr("skull patch"), "plate": tr("plate"), "guide": tr("cutting guide")}
    made = tr("{kind} for {bone}, {volume} ml, {triangles} triangles, closed")
    _line(
        out,
        made.format(
            kind=kinds[document["kind"]],
            bone=document["of"]["name"],
            volume=number(document["volume_ml"], 2),
            triangles=document["triangles"],
        ),
    )
    for row in (_thickness(document), _gap(document), _mirror(document), _more(document)):
        if row:
            _line(out, row)
    _line(out, document["note"])


def show_shape(document: Document, out: Console) -> None:
    """The new surfaces, and what was done to them."""
    for surface in document["surfaces"]:
        out.print(surface["name"], style="bold", markup=False)
        size = " × ".join(f"{value:.1f}" for value in surface["size_mm"])
        text = tr("{size} mm, {volume} ml, {triangles} triangles, closed")
        _line(out, text.format(size=size, volume=number(surface["volume_ml"], 2), triangles=surface["triangles"]))
    _line(
        out, tr("made from {name}, version {version}").format(name=document["of"]["name"], version=document["version"])
    )
    if document["mirrored"]:
        _line(out, tr("MIRRORED: left and right are exchanged"))
    if document["side"] is not None:
        _line(out, tr("marked as {side}").format(side=tr(document["side"])))
    if "saved_ml" in document:
        hollow = tr("hollow: {saved} ml saved, {count} drains, {trapped} ml that no drain reaches")
        _line(
            out,
            hollow.format(
                saved=number(document["saved_ml"], 1),
                count=len(document["drains_mm"]),
                trapped=number(document["trapped_ml"], 2),
            ),
        )
    letters = [value for value in document.get("letters_mm", ()) if value is not None]
    if letters:
        _line(out, tr("letters from {mm} mm").format(mm=number(min(letters), 1)))


def _line(out: Console, text: str) -> None:
    out.print("  " + text, markup=False, soft_wrap=True)


def _thickness(document: Document) -> str:
    found = document.get("thickness_mm")
    if found is None:
        return ""
    names = {
        "p05": tr("5 % thinner than {mm} mm"),
        "min": tr("from {mm} mm"),
        "median": tr("median {mm} mm"),
        "max": tr("largest {mm} mm"),
    }
    words = [text.format(mm=number(found[key], 1)) for key, text in names.items() if key in found]
    return tr("thickness: {words}").format(words=", ".join(words))


def _gap(document: Document) -> str:
    found = document.get("gap_mm") or document.get("clearance_mm")
    if found is None:
        return ""
    text = tr("smallest gap to the bone {mm} mm; {asked} mm were asked for")
    return text.format(mm=number(found["min"], 2), asked=number(found["asked"], 2))


def _mirror(document: Document) -> str:
    plane = document.get("mirror_plane")
    if plane is None:
        return ""
    how = tr("found") if plane["automatic"] else tr("given")
    text = tr(
        "mirror plane ({how}): {percent} % of the bone has a fellow within 5 mm, {mean} mm off in the mean; the "
        "mirrored bone was moved by {moved} mm at the defect"
    )
    return text.format(
        how=how,
        percent=number(plane["alike_percent"], 0),
        mean=number(plane["mean_mm"], 1),
        moved=number(document["refit_moved_mm"], 1),
    )


def _more(document: Document) -> str:
    words = []
    if document.get("holes"):
        words.append(tr("{count} holes").format(count=document["holes"]))
    if document.get("pin_holes"):
        words.append(tr("{count} pin holes").format(count=document["pin_holes"]))
    if document.get("slot_mm") is not None:
        words.append(tr("slot of {mm} mm in the planned plane").format(mm=number(document["slot_mm"], 1)))
    if document.get("letters_mm") is not None:
        words.append(tr("letters of {mm} mm").format(mm=number(document["letters_mm"], 1)))
    return ", ".join(words)
