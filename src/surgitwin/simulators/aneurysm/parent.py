"""The diameter of the parent vessel near the neck, from its vessel tree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.vessels.tree import VesselTree

FloatArray = NDArray[np.float64]

WINDOW_DIAMETERS = 2.0
"""How far from the neck the vessel is measured, in its own diameters; our own choice, no publication behind it."""


@dataclass(frozen=True)
class ParentBranch:
    """One branch near the neck: its name (may be empty), mean diameter, and how many points were measured."""

    branch: int
    name: str
    diameter_mm: float
    points: int


@dataclass(frozen=True)
class ParentDiameter:
    """The parent vessel near a neck.

    Attributes
    ----------
    mean_mm
        Mean over the branches, each counted once however long it is.
    sd_mm
        Standard deviation of the measured diameters, at least half a voxel.
    distance_mm
        From the neck to the nearest point of the centre line.
    window_mm
        How far along the vessel it was measured, on each side.
    """

    mean_mm: float
    sd_mm: float
    branches: tuple[ParentBranch, ...]
    distance_mm: float
    window_mm: float


def parent_diameter(tree: VesselTree, neck_mm: FloatArray, voxel_mm: float) -> ParentDiameter:
    """Mean diameter of all branches within two diameters along the vessel from the point nearest to the neck.

    At a fork every branch counts, as for a sac on a bifurcation. Points nearer to an open end than their radius are
    left out: the sphere that gives the radius does not fit there.

    Parameters
    ----------
    neck_mm
        (3,): centroid of the neck, LPS mm.

    Raises
    ------
    BadInput
        If the tree does not pass the neck, or has nothing to measure there.
    """
    distance = np.linalg.norm(tree.points_mm - neck_mm, axis=1)
    nearest = int(distance.argmin())
    radius = float(tree.radii_mm[nearest])
    if distance[nearest] > 2.0 * radius + 2.0 * voxel_mm:
        message = tr(
            "The vessel tree passes {mm:.1f} mm from the neck, and its vessel has a radius of {radius:.1f} mm there: it"
            " is not that of the parent vessel. Name the right tree, or give parent_diameter_mm."
        )
        raise BadInput(message.format(mm=distance[nearest], radius=radius))
    window = WINDOW_DIAMETERS * 2.0 * radius
    near = (_walked(tree, [nearest]) <= window) & (_walked(tree, _open_ends(tree)) > tree.radii_mm)
    if not near.any():
        raise BadInput(
            tr("The vessel tree ends at the neck, so that no diameter can be measured. Give parent_diameter_mm.")
        )
    found: list[ParentBranch] = []
    for branch in np.unique(tree.branch[near]).tolist():
        diameters = 2.0 * tree.radii_mm[near & (tree.branch == branch)]
        found.append(ParentBranch(branch, tree.name_of(branch), float(diameters.mean()), len(diameters)))
    spread = float(np.std(2.0 * tree.radii_mm[near]))
    mean = float(np.mean([one.diameter_mm for one in found]))
    return ParentDiameter(mean, max(spread, 0.5 * voxel_mm), tuple(found), float(distance[nearest]), window)


def _open_ends(tree: VesselTree) -> list[int]:
    """Points that only one other is joined to."""
    joined = np.bincount(tree.parent[tree.parent >= 0], minlength=len(tree.parent)) + (tree.parent >= 0)
    return np.flatnonzero(joined <= 1).tolist()


def _walked(tree: VesselTree, starts: list[int]) -> FloatArray:
    """Length along the tree from the nearest of some points to every point, mm; infinite in other parts."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    child = np.flatnonzero(tree.parent >= 0)
    lengths = np.linalg.norm(tree.points_mm[child] - tree.points_mm[tree.parent[child]], axis=1)
    count = len(tree.parent)
    # A length of 0 would read as "not joined".
    graph = coo_matrix((np.maximum(lengths, 1e-9), (child, tree.parent[child])), shape=(count, count))
    if not starts:
        return np.full(count, np.inf)
    return np.asarray(dijkstra(graph.tocsr(), directed=False, indices=starts, min_only=True))
