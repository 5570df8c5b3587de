"""One HTML file that shows the twin in 3D in any browser, without a network: program, numbers and meshes are in it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin import __version__
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.exchange.atomic import write_atomically

RESOURCES = Path(__file__).parent.parent / "resources"
PROGRAM = ("data.js", "stage.js", "camera.js", "overlay.js", "panels.js", "main.js")
FRAME = "LPS"
LARGEST_ERROR_MM = 0.01
_STEPS = 65535


def packed_mesh(mesh: Mesh, *, closed: bool) -> dict[str, Any]:
    """A mesh as the page reads it: points in 65535 steps along each axis of its box, float32 where that is coarse.

    No point moves by more than `LARGEST_ERROR_MM`.
    """
    points = mesh.points.astype(np.float64)
    low = points.min(axis=0)
    step = np.maximum((points.max(axis=0) - low) / _STEPS, 1e-9)
    wide = len(points) > _STEPS
    fine = float(np.linalg.norm(step)) / 2 < LARGEST_ERROR_MM
    stored: NDArray[Any] = np.rint((points - low) / step).astype("<u2") if fine else points.astype("<f4")
    return {
        "low": low.tolist() if fine else None,
        "step": step.tolist() if fine else None,
        "points": _base64(stored),
        "triangles": _base64(mesh.triangles.astype("<u4" if wide else "<u2")),
        "wide": wide,
        "closed": closed,
        "volume_ml": abs(mesh.volume_ml),
    }


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def page_of(document: Mapping[str, Any]) -> str:
    """The whole page. Nothing in ``document`` can become a tag or a script, and the page may load nothing."""
    folder = RESOURCES / "viewer"
    three = (folder / "three.min.js").read_text(encoding="utf-8")
    program = '(() => {\n"use strict";\n' + "\n".join(_text(folder / name) for name in PROGRAM) + "\n})();"
    style = _theme() + _text(folder / "page.css")
    data = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        data = data.replace(sign, f"\\u{ord(sign):04x}")
    policy = (
        f"default-src 'none'; script-src {_hash(three)} {_hash(program)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy,
        "generator": f"Surgitwin {__version__}",
        "title": html.escape(f"{document['title']} · {document['case']}"),
        "no_script": html.escape(
            tr("This page needs JavaScript. Allow it for this file, or open it in another browser.")
        ),
        "style": style,
        "data": data,
        "three": three,
        "program": program,
    }
    page = _text(folder / "page.html")
    pieces = page.split("{{")
    found = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}}")
        found += [parts[name], rest]
    return "".join(found)


def write_html(document: Mapping[str, Any], path: Path) -> Path:
    """Write the page.

    Raises
    ------
    BadInput
        If the file cannot be written; the old one stays.
    """
    page = page_of(document)
    return write_atomically(path, lambda temporary: _write(temporary, page))


def _write(path: Path, page: str) -> None:
    path.write_text(page, encoding="utf-8", newline="\n")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"


def _theme() -> str:
    """The window's colours as CSS variables: dark, and light where the reader's system is."""
    dark, light = (json.loads(_text(RESOURCES / "theme" / f"{name}.json"))["colours"] for name in ("dark", "light"))
    return f":root{{{_variables(dark)}}}@media (prefers-color-scheme: light){{:root{{{_variables(light)}}}}}\n"


def _variables(colours: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())
