"""What a cut does to an organ's vessels: which it crosses, and what of the remnant they feed or drain no more.

Each voxel of the organ is fed (or drained) by its nearest point of the tree's centre lines. Under a cut a point is lost
if it lies in removed organ, or if the way from it to its root leads through such a point. What is kept of the organ but
fed by a lost point has lost its inflow; with the hepatic veins its outflow. A point of the tree counts as removed with
the organ's voxel that is nearest to it; one that no voxel of the organ is near, such as the trunk before the hilum, is
never removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.vessels.nearest import nearest_points
from surgitwin.vessels.tree import System, VesselTree

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.int32]

NEAR_VOXELS = 2.0
"""How far beyond a vessel's wall its point may lie from the organ and still go with it, in voxels."""


LITTLE_OF_BRANCH, LITTLE_OF_ORGAN = 0.05, 0.005
"""A vessel is not needed if less than both shares of what it feeds, and of the organ, is kept."""


GOOD_SHARE = 0.1


@dataclass(frozen=True)
class Crossing:
    """Where a cut crosses a vessel.

    Attributes
    ----------
    diameter_mm
        Twice the radius, midway between the point that stays and the one that goes.
    position_mm
        LPS, midway between them.
    generation
        How many forks lie between the branch and its root.
    outwards
        True where the way from the root leads out of what is kept; False where it leads back into it: the stump beyond
        a removed stretch, or of a vein whose mouth is removed.
    """

    system: System
    branch: int
    name: str
    diameter_mm: float
    position_mm: tuple[float, float, float]
    generation: int = 0
    outwards: bool = True


@dataclass(frozen=True, eq=False)
class Supply:
    """A vessel tree attached to an organ; made by `attach`.

    Attributes
    ----------
    feeding
        For each voxel of the organ, in the order of its mask, the nearest point of the tree.
    away_mm
        How far that point is from the voxel's centre.
    voxel
        For each point of the tree the number of the organ's voxel that it goes with; -1 if none is near.
    """

    system: System
    tree: VesselTree
    feeding: IndexArray
    away_mm: NDArray[np.float32]
    voxel: IndexArray

    def removed_points(self, removed: BoolArray) -> BoolArray:
        """Which points lie in removed organ; ``removed`` tells it of each voxel of the organ."""
        return np.asarray((self.voxel >= 0) & removed[np.maximum(self.voxel, 0)])

    def lost_points(self, removed: BoolArray) -> BoolArray:
        """Which points are removed or reached only through removed ones."""
        return lost_points(self.tree, self.removed_points(removed))

    def lost_voxels(self, removed: BoolArray) -> BoolArray:
        """Which voxels of the organ are kept but have lost what feeds or drains them."""
        return np.asarray(self.lost_points(removed)[self.feeding] & ~removed)

    def crossings(self, removed: BoolArray) -> list[Crossing]:
        """Where the cut crosses the tree, from the root outwards."""
        return crossings(self.tree, self.removed_points(removed), self.system)

    def needed(self, removed: BoolArray) -> BoolArray:
        """Which points lead to what stays: from each root on until next to nothing beyond is kept.

        For regions taken by what vessels feed, such as territories: there a vessel that leads to what stays must not go
        with the region that it happens to run through. "Next to nothing" (`LITTLE_OF_BRANCH` of what the vessel feeds
        and `LITTLE_OF_ORGAN`) allows for borders that were drawn by another method or by hand.
        """
        from surgitwin.vessels.nearest_kernels import carry_outwards, sum_inwards

        count = len(self.tree.parent)
        parent = np.array(self.tree.parent, dtype=np.int32)
        fed = np.bincount(self.feeding, minlength=count).astype(np.int64)
        kept = np.bincount(self.feeding[~removed], minlength=count).astype(np.int64)
        sum_inwards(parent, fed)
        sum_inwards(parent, kept)
        goes = (kept <= LITTLE_OF_BRANCH * fed) & (kept <= LITTLE_OF_ORGAN * len(removed))
        carry_outwards(parent, goes)
        return ~goes

    def without_trunks(self, removed: BoolArray) -> BoolArray:
        """What goes, less the lumen of each vessel that leads through it to what stays (`needed`)."""
        return np.asarray(removed & ~self.lumen(self.needed(removed)))

    def lumen(self, points: BoolArray) -> BoolArray:
        """The organ's voxels in the vessel around some points of the tree, and those that these points go with.

        ``removed & ~lumen(points)`` keeps a vessel that runs through what is removed, such as a portal trunk on the
        way to what stays, or a hepatic vein in the border; ``removed | lumen(points)`` takes it.
        """
        inside = points[self.feeding] & (self.away_mm <= self.tree.radii_mm.astype(np.float32)[self.feeding])
        own = self.voxel[points]
        inside[own[own >= 0]] = True
        return np.asarray(inside)


def lost_to_all(supplies: Sequence[Supply], removed: BoolArray) -> BoolArray:
    """Which kept voxels have lost one vessel system that comes as several trees: the nearest of them feeds a voxel."""
    lost = supplies[0].lost_voxels(removed)
    away = supplies[0].away_mm
    for supply in supplies[1:]:
        nearer = supply.away_mm < away
        lost = np.where(nearer, supply.lost_voxels(removed), lost)
        away = np.where(nearer, supply.away_mm, away)
    return lost


def lost_points(tree: VesselTree, removed: BoolArray) -> BoolArray:
    """Which points are removed, or have a removed one on the way to their root."""
    from surgitwin.vessels.nearest_kernels import carry_outwards

    lost = np.array(removed, dtype=np.bool_)
    carry_outwards(np.array(tree.parent, dtype=np.int32), lost)
    return lost


def way_from_root(tree: VesselTree, points: BoolArray) -> BoolArray:
    """These points, and all that lie on the way from a root to one of them."""
    from surgitwin.vessels.nearest_kernels import carry_inwards

    needed = np.array(points, dtype=np.bool_)
    carry_inwards(np.array(tree.parent, dtype=np.int32), needed)
    return needed


def fed_beyond(supply: Supply, voxels: BoolArray) -> NDArray[np.int64]:
    """How many of some voxels of the organ each point and all beyond it feed or drain."""
    from surgitwin.vessels.nearest_kernels import sum_inwards

    parent = np.array(supply.tree.parent, dtype=np.int32)
    fed = np.bincount(supply.feeding[voxels], minlength=len(parent)).astype(np.int64)
    sum_inwards(parent, fed)
    return fed


def trunks_to_keep(supply: Supply, removed: BoolArray) -> BoolArray:
    """Points that lie in removed organ but lead to a good part of what stays.

    A part is good if it is at least a tenth of the remnant: what a small branch feeds that runs back into the remnant
    counts as lost instead.

    Parameters
    ----------
    removed
        Whether each voxel of the organ goes, in the order of its mask.
    """
    enough = GOOD_SHARE * np.count_nonzero(~removed)
    return np.asarray(supply.removed_points(removed) & (fed_beyond(supply, ~removed) >= enough))


def tributaries_to_keep(supply: Supply, branch: int, removed: BoolArray) -> BoolArray:
    """Points of a vein on the border that stay with it when it is spared: those that mostly drain what stays."""
    own = np.isin(supply.tree.branch, supply.tree.subtree(branch))
    return np.asarray(own & (fed_beyond(supply, ~removed) >= fed_beyond(supply, removed)))


def crossings(tree: VesselTree, removed: BoolArray, system: System) -> list[Crossing]:
    """Where the way outwards leads from a point that stays to one that goes, or back.

    A branch that the cut grazes is crossed once: crossings that follow each other within its width count as one.
    """
    inner = np.maximum(tree.parent, 0)
    edges = np.flatnonzero((tree.parent >= 0) & (removed != removed[inner]))
    found: list[Crossing] = []
    last: dict[int, FloatArray] = {}  # where each branch was crossed before
    for outer in edges.tolist():
        before, branch = int(tree.parent[outer]), int(tree.branch[outer])
        middle = (tree.points_mm[before] + tree.points_mm[outer]) / 2
        diameter = _diameter(tree, before, outer)
        grazes = branch in last and float(np.linalg.norm(last[branch] - middle)) < diameter
        last[branch] = middle
        if grazes:
            continue
        place = (float(middle[0]), float(middle[1]), float(middle[2]))
        generation, outwards = tree.generation(branch), bool(removed[outer])
        found.append(Crossing(system, branch, tree.name_of(branch), diameter, place, generation, outwards))
    return found


def _diameter(tree: VesselTree, before: int, outer: int) -> float:
    """Of the vessel between two neighbouring points; where it leaves another one, that one's width is not its own."""
    if tree.branch[before] == tree.branch[outer]:
        return float(tree.radii_mm[before] + tree.radii_mm[outer])
    return 2.0 * min(float(tree.radii_mm[outer]), tree.mean_radius_mm(int(tree.branch[outer])))


def attach(
    tree: VesselTree, system: System, organ: BoolArray, box: Box, geometry: Geometry, ctx: Context | None = None
) -> Supply:
    """Find which point feeds each voxel of an organ, and which voxel each point goes with; takes seconds.

    Parameters
    ----------
    organ
        [k, j, i] over ``box`` of the grid ``geometry``.
    """
    ctx = ctx or Context()
    ctx.progress(0.0, tr("Finding what each branch feeds"))
    feeding, away_mm = feeding_points(tree, organ, box, geometry, ctx)
    return Supply(system, tree, feeding, away_mm, own_voxels(tree.points_mm, tree.radii_mm, organ, box, geometry))


def feeding_points(
    tree: VesselTree, organ: BoolArray, box: Box, geometry: Geometry, ctx: Context | None = None
) -> tuple[IndexArray, NDArray[np.float32]]:
    """The nearest point of the tree for each voxel of the organ, in the order of its mask, and how far it is, mm.

    Exact; of equally near points the one of the smaller index.

    Raises
    ------
    BadInput
        If the tree has no point.
    Cancelled
    """
    return nearest_points(tree.points_mm, organ, box, geometry, ctx or Context())


def reach_mm(radii_mm: FloatArray, geometry: Geometry) -> FloatArray:
    """How far from the organ's label a point of a vessel may lie and still belong to it (`NEAR_VOXELS`)."""
    return np.asarray(radii_mm + NEAR_VOXELS * max(geometry.spacing_mm), dtype=np.float64)


def own_voxels(
    points_mm: FloatArray, radii_mm: FloatArray, organ: BoolArray, box: Box, geometry: Geometry
) -> IndexArray:
    """The organ's voxel nearest to each point of a vessel, by its number in the mask; -1 if none is near (`attach`)."""
    number = np.cumsum(organ.reshape(-1), dtype=np.int32).reshape(organ.shape) - 1
    spacing = np.asarray(geometry.spacing_mm)
    at = geometry.to_index(points_mm) - np.asarray(box.start)
    size = np.asarray(box.size_ijk)
    found = np.full(len(at), -1, dtype=np.int32)
    # The grid's axes are orthogonal, so that the voxel around a point is also the nearest.
    around = np.rint(at).astype(np.int64)
    within = np.all((around >= 0) & (around < size), axis=1)
    i, j, k = around[within].T
    found[within] = np.where(organ[k, j, i], number[k, j, i], -1)
    reaches = reach_mm(radii_mm, geometry)
    for point in np.flatnonzero(found < 0).tolist():
        place, reach = at[point], float(reaches[point])
        low = np.clip(np.floor(place - reach / spacing), 0, size).astype(int)
        high = np.clip(np.ceil(place + reach / spacing) + 1, 0, size).astype(int)
        kji = np.argwhere(organ[low[2] : high[2], low[1] : high[1], low[0] : high[0]])
        if len(kji) == 0:
            continue
        ijk = kji[:, ::-1] + low
        away = (((ijk - place) * spacing) ** 2).sum(axis=1)
        best = int(away.argmin())
        if away[best] <= reach**2:
            i, j, k = ijk[best]
            found[point] = number[k, j, i]
    return found
