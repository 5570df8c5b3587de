"""Cut surfaces in files: JSON with a Bézier patch or a drawn curve, LPS mm."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.resection.bezier import BezierPatch
from surgitwin.resection.curve_cut import DrawnCurve
from surgitwin.resection.patch_check import as_floats, check_places

Point = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class SurfaceFile:
    """What a file says: one of ``patch`` and ``curve``, and a point on the side that goes (None for a ring: inside)."""

    kind: Literal["bezier", "curve"]
    patch: BezierPatch | None
    curve: DrawnCurve | None
    remove_point_mm: Point | None


def read_surface_file(path: Path) -> SurfaceFile:
    """Read a cut surface.

    Raises
    ------
    BadInput
        Naming the file and what is wrong with it.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadInput(tr("{file} cannot be read: {why}.").format(file=path.name, why=error.strerror)) from None
    except (ValueError, RecursionError):
        raise BadInput(tr("{file} is no JSON file with a cut surface.").format(file=path.name)) from None
    try:
        return _surface(document)
    except BadInput as error:
        raise BadInput(tr("{file}: {why}").format(file=path.name, why=error)) from None


def _surface(document: Any) -> SurfaceFile:
    kind = document.get("type") if isinstance(document, dict) else None
    for key in ("control_points_mm", "points_mm", "remove_point_mm", "direction"):
        if kind is not None and _holds_truth(document.get(key)):
            raise BadInput(tr("“{key}” holds true or false where numbers belong.").format(key=key))
    if kind == "bezier":
        patch = BezierPatch.of(document.get("control_points_mm"))
        return SurfaceFile("bezier", patch, None, _point(document.get("remove_point_mm")))
    if kind == "curve":
        closed = document.get("closed", False)
        if not isinstance(closed, bool):
            raise BadInput(tr("“closed” must be true or false."))
        direction, depth = document.get("direction"), document.get("depth_mm")
        curve = DrawnCurve.of(document.get("points_mm"), closed, direction, depth)
        given = document.get("remove_point_mm")
        return SurfaceFile("curve", None, curve, None if given is None and closed else _point(given))
    raise BadInput(tr("“type” must be “bezier” or “curve”."))


def _holds_truth(value: Any) -> bool:
    """Whether nested lists hold true or false, which would pass for 1 and 0."""
    return isinstance(value, bool) or (isinstance(value, list) and any(_holds_truth(one) for one in value))


def _point(value: Any) -> Point:
    numbers = as_floats(value)
    if numbers is None or numbers.shape != (3,) or not np.isfinite(numbers).all():
        raise BadInput(tr("“remove_point_mm” must be x, y, z in LPS mm: a point on the side that goes."))
    check_places(numbers, tr("“remove_point_mm”"))
    x, y, z = (float(number) for number in numbers)
    return x, y, z
