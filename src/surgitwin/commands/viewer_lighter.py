"""Fewer triangles for the HTML viewer: within the web budget, unless a surface would then show another shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surgitwin.commands.export_presets import BUDGETS, largest_first, shares
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

BUDGET = BUDGETS["web"]
LIMIT_MM = 0.5
# The skin says where the patient is; nobody plans on it.
LIMITS_MM = {"body": 2.0}
_FLOOR = 2_000


@dataclass(frozen=True, eq=False)
class Lighter:
    """A surface as the page shows it; ``deviation_mm`` is None where it was left as it is."""

    mesh: Mesh
    deviation_mm: float | None = None


def lighter(surfaces: Sequence[tuple[str, str, Mesh]], ctx: Context, *, budget: int = BUDGET) -> list[Lighter]:
    """The surfaces with about ``budget`` triangles in all, none further off than its limit.

    Parameters
    ----------
    surfaces
        Group (`LIMITS_MM`, else `LIMIT_MM`), name and mesh. Open meshes stay as they are.

    Returns
    -------
    In the same order. More triangles than ``budget`` are left where fewer would move a surface beyond its limit.
    """
    from surgitwin.surfaces.decimate import bending_mm

    counts = [len(mesh.triangles) for _, _, mesh in surfaces]
    if sum(counts) <= budget:
        return [Lighter(mesh) for _, _, mesh in surfaces]
    limits = [LIMITS_MM.get(group, LIMIT_MM) for group, _, _ in surfaces]
    needs = [bending_mm(mesh) / limit for (_, _, mesh), limit in zip(surfaces, limits, strict=True)]
    quotas = shares(counts, needs, budget)

    def within(place: int, quiet: Context) -> Lighter:
        return _within(surfaces[place][2], quotas[place], limits[place], quiet)

    found = largest_first(within, counts, [name for _, name, _ in surfaces], ctx.part(0.0, 0.8))
    return _give_way(surfaces, found, budget, ctx.part(0.8, 1.0))


def _within(mesh: Mesh, quota: int, limit_mm: float, ctx: Context) -> Lighter:
    """At least ``quota`` triangles, and so many more that it is not off by more than the limit."""
    from surgitwin.surfaces import is_closed

    if quota >= len(mesh.triangles) or not is_closed(mesh):
        return Lighter(mesh)
    while quota < len(mesh.triangles):
        made = _reduced(mesh, mesh, quota, ctx)
        if made.deviation_mm is not None and made.deviation_mm <= limit_mm:
            return made
        quota = 2 * quota
    return Lighter(mesh)


def _reduced(mesh: Mesh, start: Mesh, quota: int, ctx: Context) -> Lighter:
    from surgitwin.surfaces import decimate
    from surgitwin.surfaces.deviation import deviation

    made = decimate(start, quota, ctx)
    return Lighter(made, deviation(made, mesh).max_mm)


def _give_way(
    surfaces: Sequence[tuple[str, str, Mesh]], found: list[Lighter], budget: int, ctx: Context
) -> list[Lighter]:
    """Where thin structures needed more than their share, those that are least off for their limit give it back."""
    limits = [LIMITS_MM.get(group, LIMIT_MM) for group, _, _ in surfaces]
    found = list(found)

    def surplus() -> int:
        return sum(len(one.mesh.triangles) for one in found) - budget

    share = [(one.deviation_mm or 0.0) / limit for one, limit in zip(found, limits, strict=True)]
    for place in np.argsort(share, kind="stable"):
        ctx.check()
        over, one = surplus(), found[place]
        if over <= 0:
            break
        count = len(one.mesh.triangles)
        if one.deviation_mm is None or count <= _FLOOR:
            continue
        made = _reduced(surfaces[place][2], one.mesh, max(_FLOOR, count // 2, count - over), Context())
        if made.deviation_mm is not None and made.deviation_mm <= limits[place]:
            found[place] = made
    return found


def over_budget(triangles: int, *, budget: int = BUDGET) -> list[Notice]:
    """What to say of a page with more triangles than were aimed at."""
    if triangles <= budget:
        return []
    message = tr(
        "The page holds {count} triangles, more than the {budget} aimed at, so that no surface is off by more than "
        "{mm:g} mm. A phone may turn it slowly; export fewer structures with --segment."
    )
    return [Notice("many-triangles", message.format(count=triangles, budget=budget, mm=LIMIT_MM))]
