"""A place on the centre line of a vessel: where it is, how wide the vessel is there, and which way it runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.vessels.tree import VesselTree

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class CentrePlace:
    """The place of a centre line nearest to a given one.

    Attributes
    ----------
    radius_mm
        Of the largest sphere inside the vessel, between those of the tree's points on both sides.
    direction
        Unit vector along the vessel, away from the root.
    branch
        `vessels.tree.Branch.id`.
    away_mm
        How far the given place was from it.
    """

    point_mm: tuple[float, float, float]
    radius_mm: float
    direction: tuple[float, float, float]
    branch: int
    away_mm: float


def place_on_tree(tree: VesselTree, place_mm: ArrayLike) -> CentrePlace:
    """The nearest place on the centre lines, anywhere between their points too.

    The direction is from the place one radius before it to the place one radius after it along the same branch, so that
    steps of the centre line do not tilt a section.

    Raises
    ------
    BadInput
        If the tree has no line.
    """
    place = np.asarray(place_mm, dtype=np.float64)
    child = np.flatnonzero(tree.parent >= 0)
    if not child.size:
        raise BadInput(tr("The vessel tree has no centre line to measure on."))
    stop, start = tree.points_mm[child], tree.points_mm[tree.parent[child]]
    along = stop - start
    square = np.maximum((along**2).sum(axis=1), 1e-12)
    share = np.clip(((place - start) * along).sum(axis=1) / square, 0.0, 1.0)
    nearest = start + share[:, None] * along
    away = np.linalg.norm(nearest - place, axis=1)
    row = int(np.argmin(away))
    point, radii = int(child[row]), tree.radii_mm
    radius = float((1 - share[row]) * radii[tree.parent[point]] + share[row] * radii[point])
    branch = int(tree.branch[point])
    x, y, z = nearest[row].tolist()
    return CentrePlace((x, y, z), radius, _direction(tree, branch, point, float(share[row]), radius), branch, away[row])


def _direction(tree: VesselTree, branch: int, point: int, share: float, radius: float) -> tuple[float, float, float]:
    own = tree.points_of(branch)
    points = tree.points_mm[own]
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = int(np.flatnonzero(own == point)[0])
    here = along[at - 1] + share * (along[at] - along[at - 1])
    # As far to both sides, so that a bend tilts nothing; near an end at least to the end.
    reach = max(radius, float(along[-1]) / max(len(own) - 1, 1))
    reach = max(min(reach, here, float(along[-1]) - here), 1e-3 * reach)
    ends = [np.array([np.interp(s, along, points[:, axis]) for axis in range(3)]) for s in (here - reach, here + reach)]
    step = ends[1] - ends[0]
    if not np.any(step):
        step = points[at] - points[at - 1]
    x, y, z = (step / np.linalg.norm(step)).tolist()
    return x, y, z
