"""Files that were written and what must be said of them; in a pipe without rich, which takes long to import."""

from __future__ import annotations

import os
import sys
from typing import Any, Protocol

from surgitwin.cli.wording import number, shortened
from surgitwin.core.text import tr

Document = dict[str, Any]
SHOWN_OF_A_KIND = 3


class Lines(Protocol):
    """Where lines are printed: a `rich.console.Console`, or `PlainLines`."""

    def print(self, text: str, /, *, markup: bool, soft_wrap: bool = ...) -> None: ...


class PlainLines:
    """Lines as they are, on standard output."""

    def print(self, text: str, /, *, markup: bool, soft_wrap: bool = True) -> None:
        sys.stdout.write(text + "\n")


def shown_plainly(name: str, document: Document) -> bool:
    """Print a command's document where nobody sees colours; False where it is for `show` to do."""
    colored = any(os.environ.get(word) for word in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"))
    if name != "quick" or colored or sys.stdout.isatty() or sys.stderr.isatty():
        return False
    show_quick(document, PlainLines())
    sys.stdout.flush()
    for line in warning_lines(document):
        sys.stderr.write(line + "\n")
    return True


def warning_lines(document: Document) -> list[str]:
    """A line for each warning; many of one kind are summed up."""
    by_code: dict[str, list[dict[str, Any]]] = {}
    for warning in _warnings(document):
        by_code.setdefault(warning["code"], []).append(warning)
    return [f"⚠ {sentence}" for code, alike in by_code.items() for sentence in _summed_up(code, alike)]


def _warnings(document: Document) -> list[dict[str, Any]]:
    found = document.get("warnings")
    return [w for w in found if isinstance(w, dict) and "message" in w] if isinstance(found, list) else []


def _summed_up(code: str, alike: list[dict[str, Any]]) -> list[str]:
    messages = [warning["message"] for warning in alike]
    if len(messages) <= SHOWN_OF_A_KIND:
        return messages
    if code == "cut-off":
        text = tr(
            "{count} segments reach the image's edge and are cut off there, volumes are of the part in view: {names}."
        )
        names = shortened([str(warning.get("segment", "")) for warning in alike])
        return [text.format(count=len(alike), names=names)]
    more = tr("… and {count} more like this; --json lists them all.").format(count=len(messages) - SHOWN_OF_A_KIND)
    return [*messages[:SHOWN_OF_A_KIND], more]


def grid(document: Document) -> str:
    """How many voxels an image has, and their size."""
    size = " × ".join(str(n) for n in document["size_ijk"])
    spacing = " × ".join(f"{s:.2f}" for s in document["spacing_mm"])
    return tr("{size} voxels of {spacing} mm").format(size=size, spacing=spacing)


def show_files(document: Document, out: Lines) -> None:
    """What was written, and what the check of it found."""
    for file in document["files"]:
        out.print(tr("Wrote {path}").format(path=file), markup=False, soft_wrap=True)
    check = document.get("check")
    if check is not None:
        closed = tr("closed and manifold") if check["closed"] and check["manifold"] else tr("NOT closed everywhere")
        facts = [closed, tr("{count} triangles").format(count=check["triangles"])]
        error = check["volume_error_percent"]
        if error is not None:
            facts.append(tr("largest volume error {error:.2f} %").format(error=error))
        if check.get("min_wall_mm") is not None:
            facts.append(tr("thinnest wall {wall:.2f} mm").format(wall=check["min_wall_mm"]))
        if check.get("size_mm") is not None:
            facts.append(" × ".join(f"{value:.1f}" for value in check["size_mm"]) + " mm")
        facts += [tr("unit {unit}").format(unit=check["unit"]), check["frame"]]
        out.print("  " + ", ".join(facts), markup=False, soft_wrap=True)


def show_quick(document: Document, out: Lines) -> None:
    """What the quick command has made."""
    out.print(f"{document['image']}: {grid(document)}", markup=False)
    text = tr("In the range: {volume} ml ({voxels} voxels).")
    out.print("  " + text.format(volume=number(document["volume_ml"]), voxels=document["voxels"]), markup=False)
    show_files(document, out)
