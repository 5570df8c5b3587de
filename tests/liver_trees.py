"""The phantom's vessel trees as `vessels.tree.VesselTree`, and small trees made by hand, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from surgitwin.core.progress import Context
from surgitwin.samples.phantom.branches import VesselTree as PhantomTree
from surgitwin.samples.phantom.settings import PhantomSettings
from surgitwin.samples.phantom.trees import grow_liver_content
from surgitwin.vessels.tree import Branch, VesselTree

Row = tuple[int, int, Sequence[tuple[float, float, float]], Sequence[float]]


def tree_of(rows: Sequence[Row], names: dict[int, str] | None = None) -> VesselTree:
    """A tree from rows of branch id, parent id (-1: a root), own points, own radii; parents come first."""
    points: list[tuple[float, float, float]] = []
    radii: list[float] = []
    parents: list[int] = []
    owner: list[int] = []
    last: dict[int, int] = {-1: -1}
    for branch, parent, places, widths in rows:
        before = last[parent]
        for place, width in zip(places, widths, strict=True):
            points.append(place)
            radii.append(width)
            parents.append(before)
            owner.append(branch)
            before = len(points) - 1
        last[branch] = before
    return VesselTree(
        np.array(points, dtype=np.float64).reshape(-1, 3),
        np.array(radii, dtype=np.float64),
        np.array(parents, dtype=np.int32),
        np.array(owner, dtype=np.int32),
        tuple(Branch(row[0], (names or {}).get(row[0], "")) for row in rows),
    )


@cache
def phantom_trees(portal_terminals: int = 60, hepatic_terminals: int = 50) -> tuple[VesselTree, VesselTree]:
    """The portal tree and the hepatic veins (in three parts) of a phantom of few branches."""
    settings = PhantomSettings(portal_terminals=portal_terminals, hepatic_terminals=hepatic_terminals)
    content = grow_liver_content(settings, Context())
    return _converted(content.portal), _converted(content.hepatic)


def _converted(tree: PhantomTree) -> VesselTree:
    rows: list[Row] = []
    for branch in tree.branches:
        first = 1 if branch.parent >= 0 else 0  # the fork belongs to the branch that leads to it
        places = [(float(x), float(y), float(z)) for x, y, z in branch.points_mm[first:]]
        rows.append((branch.id, branch.parent, places, [float(r) for r in branch.radii_mm[first:]]))
    return tree_of(rows, {branch.id: branch.name for branch in tree.branches})
