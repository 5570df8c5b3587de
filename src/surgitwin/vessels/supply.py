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


@dataclass(frozen=True)
class Crossing:
    """Where a cut crosses a vessel, going outwards from its root.

    Attributes
    ----------
    position_mm
        LPS, midway between the last point that stays and the first that goes.
    """

    system: System
    branch: int
    name: str
    diameter_mm: float
    position_mm: tuple[float, float, float]


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
    lost = removed.copy()
    above = np.where(tree.parent < 0, np.arange(len(tree.parent)), tree.parent)
    # Every round looks twice as far towards the root.
    while True:
        lost |= lost[above]
        further = above[above]
        if np.array_equal(further, above):
            return lost
        above = further


def crossings(tree: VesselTree, removed: BoolArray, system: System) -> list[Crossing]:
    """Where the way outwards leads from a point that stays to one that goes.

    A branch that the cut grazes is crossed once: crossings nearer together than the vessel is wide count as one.
    """
    inner = np.maximum(tree.parent, 0)
    edges = np.flatnonzero((tree.parent >= 0) & removed & ~removed[inner])
    found: list[Crossing] = []
    for outer in edges.tolist():
        before = int(tree.parent[outer])
        middle = (tree.points_mm[before] + tree.points_mm[outer]) / 2
        x, y, z = (float(value) for value in middle)
        diameter = float(tree.radii_mm[before] + tree.radii_mm[outer])
        branch = int(tree.branch[outer])
        near = any(
            one.branch == branch and np.linalg.norm(np.asarray(one.position_mm) - middle) < diameter for one in found
        )
        if not near:
            found.append(Crossing(system, branch, tree.name_of(branch), diameter, (x, y, z)))
    return found


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


def own_voxels(
    points_mm: FloatArray, radii_mm: FloatArray, organ: BoolArray, box: Box, geometry: Geometry
) -> IndexArray:
    """The organ's voxel nearest to each point of a vessel, by its number in the mask; -1 if none is near (`attach`)."""
    number = np.cumsum(organ.reshape(-1), dtype=np.int32) - 1
    spacing = np.asarray(geometry.spacing_mm)
    at = geometry.to_index(points_mm) - np.asarray(box.start)
    size = np.asarray(box.size_ijk)
    found = np.full(len(at), -1, dtype=np.int32)
    _, nj, ni = organ.shape
    for point, (place, radius) in enumerate(zip(at, radii_mm, strict=True)):
        reach = radius + NEAR_VOXELS * float(spacing.max())
        low = np.clip(np.floor(place - reach / spacing), 0, size).astype(int)
        high = np.clip(np.ceil(place + reach / spacing) + 1, 0, size).astype(int)
        window = organ[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
        kji = np.argwhere(window)
        if len(kji) == 0:
            continue
        ijk = kji[:, ::-1] + low
        away = (((ijk - place) * spacing) ** 2).sum(axis=1)
        best = int(away.argmin())
        if away[best] <= reach**2:
            i, j, k = ijk[best]
            found[point] = number[(k * nj + j) * ni + i]
    return found
