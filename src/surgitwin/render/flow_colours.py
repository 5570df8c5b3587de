"""Vessel branches coloured by what a simulator found in them: flow, pressure or wall shear, on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from surgitwin.core.text import tr
from surgitwin.render.colour_scale import MISSING, ColourScale
from surgitwin.render.content import Rgb, SceneContent, TreeContent

FAINT = 0.12
FIELDS: Mapping[str, tuple[str, ...]] = {
    "flow": ("flow_ml_min",),
    "pressure": ("pressure_in_mmhg", "pressure_out_mmhg"),
    "wall-shear": ("wall_shear_mean_pa",),
}


def flow_scale(details: Mapping[str, Any], shown: str) -> ColourScale:
    """The scale of one quantity: the same before and after something is clamped or stented."""
    points = details["points"][shown]
    return ColourScale(points["title"], points["unit"], points["low"], points["high"])


def branch_values(details: Mapping[str, Any], shown: str) -> dict[int, float | None]:
    """One value for each branch; of pressures the mean of both ends. None where nothing flows."""
    found: dict[int, float | None] = {}
    for branch in details["branches"]:
        values = [branch[field] for field in FIELDS[shown]]
        found[branch["id"]] = None if any(value is None for value in values) else float(np.mean(values))
    return found


@dataclass(frozen=True)
class Painted:
    """A tree in the colours of a result.

    Attributes
    ----------
    colours
        Of each branch by its number; branches that came since are grey.
    """

    tree: str
    colours: Mapping[int, Rgb]


def painted_tree(tree: str, details: Mapping[str, Any], shown: str) -> Painted:
    scale = flow_scale(details, shown)
    return Painted(tree, {branch: scale.colour(value) for branch, value in branch_values(details, shown).items()})


def with_painted(content: SceneContent, painted: Painted | None) -> SceneContent:
    """The same with one tree painted, everything else faint and no cut, so that it can be seen."""
    if painted is None or all(tree.id != painted.tree for tree in content.trees):
        return content
    faint = tuple(replace(one, opacity=min(one.opacity, FAINT)) for one in content.surfaces)
    trees = _trees(content.trees, painted)
    return replace(content, surfaces=faint, trees=trees, planes=(), patches=(), cut_surfaces=())


def _trees(trees: Sequence[TreeContent], painted: Painted) -> tuple[TreeContent, ...]:
    return tuple(
        replace(one, colours=tuple(painted.colours.get(branch.id, MISSING) for branch in one.tree.branches))
        if one.id == painted.tree
        else replace(one, visible=False)
        for one in trees
    )


def changes_text(details: Mapping[str, Any], most: int = 6) -> str:
    """What a clamp or a stent changed, the largest first."""
    changed = [one for one in details.get("changes", ()) if one.get("flow_change_ml_min")]
    changed.sort(key=lambda one: -abs(one["flow_change_ml_min"]))
    text, unnamed = tr("{name}: {change:+.0f} ml/min"), tr("branch {number}")
    lines = [
        text.format(name=one["name"] or unnamed.format(number=one["branch"]), change=one["flow_change_ml_min"])
        for one in changed[:most]
    ]
    if len(changed) > most:
        lines.append(tr("and {count} more").format(count=len(changed) - most))
    return "\n".join(lines)
