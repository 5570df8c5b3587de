"""An organ divided by what the branches of a vessel tree feed or drain: three methods, and where they disagree.

*Nearest*: the territory of the nearest point of the centre lines, straight (Voronoi). *Weighted*: the same by the power
distance d² - r², which gives a vessel of radius r more (Aurenhammer, SIAM J Comput 1987;16:78-96): the border between
two parallel vessels a distance D apart lies (r₁² - r₂²) / 2D from the middle. *Geodesic*: the shortest way inside the
organ (eikonal equation), which differs where the organ folds around something. None of them is the truth; where they
disagree is what a border is not to be trusted by.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.vessels.nearest import nearest_points
from surgitwin.vessels.supply import Supply, reach_mm
from surgitwin.vessels.tree import VesselTree

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
LabelArray = NDArray[np.uint8]
IndexArray = NDArray[np.int32]
Method = Literal["nearest", "geodesic", "weighted"]
METHODS: tuple[Method, ...] = get_args(Method)
MOST = 250

TRUNK_SHARE = 0.25
"""A name whose own end branches are fewer than this share of those beyond it is a trunk's, not a territory's."""

_ROUNDS = 100


@dataclass(frozen=True, eq=False)
class Territories:
    """An organ divided by three methods.

    Attributes
    ----------
    names
        Of the territories; number n is labelled n + 1.
    labels
        For each method the territory of each voxel of the organ, in the order of its mask; never 0.
    unsure
        Which voxels the methods do not all put into the same territory.
    """

    names: tuple[str, ...]
    labels: dict[Method, LabelArray]
    unsure: BoolArray
    notices: tuple[Notice, ...]

    @property
    def disagreement_percent(self) -> float:
        return 100.0 * float(np.count_nonzero(self.unsure)) / len(self.unsure)

    def voxels(self, method: Method) -> list[int]:
        """How many voxels each territory has."""
        counts = np.bincount(self.labels[method], minlength=len(self.names) + 1)
        return [int(count) for count in counts[1:]]


def groups_by_name(tree: VesselTree) -> dict[str, tuple[int, ...]]:
    """Name of each territory to the branches that make it, in the order in which the names come in the tree.

    Trunks (see `TRUNK_SHARE`) make none; what their side branches feed goes to the nearest territory.

    Raises
    ------
    BadInput
        If fewer than two territories are named.
    """
    named: dict[str, list[int]] = {}
    for branch in tree.branches:
        name = tree.name_of(branch.id)
        if name:
            named.setdefault(name, []).append(branch.id)
    found = {name: tuple(branches) for name, branches in named.items() if not _is_trunk(tree, name, branches)}
    if len(found) < 2:
        raise BadInput(tr("Name at least two branches of the tree first: territories are made by their names."))
    return found


def _is_trunk(tree: VesselTree, name: str, branches: Sequence[int]) -> bool:
    tops = [one for one in branches if tree.parents[one] < 0 or tree.name_of(tree.parents[one]) != name]
    beyond = {one for top in tops for one in tree.subtree(top)}
    ends = [one for one in beyond if not tree.children[one]]
    own = [one for one in ends if tree.name_of(one) == name]
    return len(own) < TRUNK_SHARE * len(ends)


def groups_by_branch(tree: VesselTree) -> dict[str, tuple[int, ...]]:
    """A territory for each branch of the first generation with all beyond it.

    Raises
    ------
    BadInput
        If the tree has fewer than two.
    """
    first = [branch.id for branch in tree.branches if tree.generation(branch.id) == 1]
    if len(first) < 2:
        raise BadInput(tr("The tree has no fork: it cannot divide the organ."))
    return groups_below(tree, first)


def groups_below(tree: VesselTree, branches: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """A territory for each of some branches with all beyond it, less what another of them leads to.

    Named by the branch's own name where it has one that no other of them has; else by its number among them.

    Raises
    ------
    BadInput
        If a branch is not in the tree.
    """
    found: dict[str, tuple[int, ...]] = {}
    for number, branch in enumerate(branches, start=1):
        if branch not in tree.row_of:
            raise BadInput(tr("The tree has no branch {branch}.").format(branch=branch))
        own = tree.branches[tree.row_of[branch]].name
        name = own if own and own not in found else tr("Branch {number}").format(number=number)
        below = tree.subtree(branch)
        inside = {one for other in branches if other != branch and other in below for one in tree.subtree(other)}
        found[name] = tuple(one for one in below if one not in inside)
    return found


def divide(
    organ: BoolArray,
    box: Box,
    geometry: Geometry,
    tree: VesselTree,
    groups: Mapping[str, Sequence[int]],
    ctx: Context | None = None,
) -> Territories:
    """Divide an organ between groups of branches by all methods.

    Parameters
    ----------
    organ
        [k, j, i] over ``box`` of the grid ``geometry``.
    groups
        Name of each territory to the branches that make it.

    Raises
    ------
    BadInput
        If the organ has no voxel, there are too many groups, no branch of a group has a point, or two share one.
    Cancelled
    """
    ctx = ctx or Context()
    if not organ.any():
        raise BadInput(tr("The organ has no voxel; segment it first."))
    if not 2 <= len(groups) <= MOST:
        message = tr("An organ is divided into 2 to {most} territories, not {count}.")
        raise BadInput(message.format(most=MOST, count=len(groups)))
    owner = np.zeros(len(tree.points_mm), dtype=np.uint8)
    for number, (name, branches) in enumerate(groups.items(), start=1):
        own = np.isin(tree.branch, list(branches))
        if not own.any():
            raise BadInput(tr("The territory “{name}” has no branch in this tree.").format(name=name))
        if owner[own].any():
            other = list(groups)[int(owner[own].max()) - 1]
            message = tr("A branch is in two territories, “{other}” and “{name}”; leave it in one.")
            raise BadInput(message.format(other=other, name=name))
        owner[own] = number
    chosen = np.flatnonzero(owner)
    ctx.progress(0.0, tr("Finding the nearest branches"))
    labels: dict[Method, LabelArray] = {}
    nearest, away, labels["weighted"] = _straight(tree, owner, chosen, organ, box, geometry, ctx.part(0.0, 0.7))
    labels["nearest"] = owner[chosen[nearest]]
    ctx.progress(0.7, tr("Finding the shortest ways inside the organ"))
    labels["geodesic"], unreached = _geodesic(tree, owner, chosen, organ, box, geometry, nearest, away, ctx)
    unsure = (labels["nearest"] != labels["weighted"]) | (labels["nearest"] != labels["geodesic"])
    ctx.progress(1.0)
    return Territories(tuple(groups), labels, unsure, _notices(unreached, geometry))


def taken(found: Territories, method: Method, names: Collection[str], supply: Supply) -> BoolArray:
    """Which voxels of the organ go when some territories are removed, in the order of its mask.

    Trunks belong to no territory, but the voxels around them lie in one: with these the main portal vein would go
    when segment 5 does, and nothing would feed what stays. So the lumen of each vessel that leads to what stays is
    kept (`Supply.without_trunks`).

    Parameters
    ----------
    names
        The territories that go.
    supply
        The tree that the territories were made by, attached to the organ.

    Raises
    ------
    BadInput
        If there is no territory of a name.
    """
    for name in names:
        if name not in found.names:
            message = tr("There is no territory “{name}”. There are: {listed}.")
            raise BadInput(message.format(name=name, listed=", ".join(found.names)))
    numbers = [number for number, name in enumerate(found.names, start=1) if name in names]
    return supply.without_trunks(np.isin(found.labels[method], numbers))


def _notices(unreached: int, geometry: Geometry) -> tuple[Notice, ...]:
    if not unreached:
        return ()
    ml = unreached * geometry.voxel_volume_mm3 / 1000.0
    message = tr("{ml:.1f} ml of the organ hang together with no branch; they went to the nearest one.")
    return (Notice("territory-unreached", message.format(ml=ml), {"unreached_ml": ml}),)


def _straight(
    tree: VesselTree,
    owner: LabelArray,
    chosen: NDArray[np.intp],
    organ: BoolArray,
    box: Box,
    geometry: Geometry,
    ctx: Context,
) -> tuple[IndexArray, NDArray[np.float32], LabelArray]:
    """For each voxel which of the chosen points is nearest, how far it is, and the territory by power distance.

    Power distance is a distance too, in four dimensions.
    """
    points, radii = tree.points_mm[chosen], tree.radii_mm[chosen]
    lift = np.sqrt(np.maximum(radii.max() ** 2 - radii**2, 0.0))
    nearest, away = nearest_points(points, organ, box, geometry, ctx.part(0.0, 0.4))
    power, _ = nearest_points(points, organ, box, geometry, ctx.part(0.4, 1.0), lift)
    return nearest, away, owner[chosen[power]]


def _geodesic(
    tree: VesselTree,
    owner: LabelArray,
    chosen: NDArray[np.intp],
    organ: BoolArray,
    box: Box,
    geometry: Geometry,
    nearest: IndexArray,
    straight_mm: NDArray[np.float32],
    ctx: Context,
) -> tuple[LabelArray, int]:
    """Each voxel's territory by the shortest way inside the organ, and how many no way leads to.

    Where the straight way to the nearest point stays inside, no way is shorter: there the answer is exact. The sweeps
    go on from these voxels into what lies behind a fold, with ways up to a tenth too long.
    """
    from surgitwin.vessels.territory_kernels import look_along, sweep

    points, radii, own = tree.points_mm[chosen], tree.radii_mm[chosen], owner[chosen]
    inside = np.ascontiguousarray(organ, dtype=np.uint8)
    voxels = np.flatnonzero(inside)
    within = np.ascontiguousarray(geometry.to_index(points) - np.asarray(box.start))
    seen = np.empty(len(voxels), dtype=np.bool_)
    look_along(inside, voxels, within, reach_mm(radii, geometry), nearest, straight_mm, seen)
    ctx.progress(0.75)
    time, label = np.full(organ.shape, 1e30, dtype=np.float32), np.zeros(organ.shape, dtype=np.uint8)
    time.reshape(-1)[voxels[seen]] = straight_mm[seen]
    label.reshape(-1)[voxels[seen]] = own[nearest[seen]]
    inside.reshape(-1)[voxels[seen]] = 2  # known: the sweeps leave it
    hi, hj, hk = geometry.spacing_mm
    for turn in range(_ROUNDS):
        changed = 0
        for way in range(8):
            changed += sweep(time, label, inside, hk, hj, hi, way)
            ctx.check()
        ctx.progress(0.75 + 0.25 * (turn + 1) / _ROUNDS)
        if changed == 0:
            break
    found = label.reshape(-1)[voxels]
    missing = found == 0
    return np.where(missing, own[nearest], found).astype(np.uint8), int(np.count_nonzero(missing))
