"""Around which places a surface that crosses itself winds, and a surface made anew around all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.mesh import Mesh
from surgitwin.surfaces.check import check_mesh
from surgitwin.surfaces.fields import Field, closest_mm, from_mask, grid_around, surface

_AT_ONCE = 4_000_000
FINEST_MM, COARSEST_MM = 0.3, 0.6
_NODES = 6_000_000
# In nodes; a little evens out where the old surface's sheets lie nearer together than the grid can tell.
_BLURS = (0.5, 1.0)
# The grid lies beside the points of surfaces, which like round numbers, so that no line of it runs through an edge.
_BESIDE_MM = np.array([3.14159e-4, 2.71828e-4, 1.61803e-4])


def winding(mesh: Mesh, grid: Field) -> NDArray[np.int32]:
    """How many times a closed surface winds around each node, [k, j, i]: 0 outside, 1 inside, 2 where it overlaps.

    Counted along lines of the grid from below: a face that looks down adds one, a face that looks up takes one.
    """
    step = grid.spacing_mm
    nk, nj, ni = grid.values.shape
    corners = (mesh.points.astype(np.float64)[mesh.triangles] - grid.origin_mm - _BESIDE_MM) / step
    change = np.zeros((nk + 1, nj, ni), np.int32)
    low = np.maximum(np.ceil(corners[:, :, :2].min(axis=1)), 0).astype(np.int64)
    high = np.minimum(np.floor(corners[:, :, :2].max(axis=1)), (ni - 1, nj - 1)).astype(np.int64)
    wide, deep = np.maximum(high - low + 1, 0).T
    count = wide * deep
    start = 0
    while start < len(count):
        total = np.cumsum(count[start:])
        stop = start + max(int(np.searchsorted(total, _AT_ONCE)), 1)
        some = slice(start, stop)
        owner = np.repeat(np.arange(start, stop), count[some])
        within = np.arange(len(owner)) - np.repeat(np.cumsum(count[some]) - count[some], count[some])
        _count(change, corners, owner, low[owner, 0] + within % wide[owner], low[owner, 1] + within // wide[owner])
        start = stop
    return np.asarray(np.cumsum(change[:-1], axis=0), np.int32)


def _count(
    change: NDArray[np.int32],
    corners: NDArray[np.float64],
    owner: NDArray[np.int64],
    i: NDArray[np.int64],
    j: NDArray[np.int64],
) -> None:
    """Where lines of the grid cross their triangles, one more or one less from there up."""
    a, b, c = (corners[owner, n] for n in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    way = np.sign(area)
    shares = [
        ((q[:, 0] - p[:, 0]) * (j - p[:, 1]) - (q[:, 1] - p[:, 1]) * (i - p[:, 0])) * way
        for p, q in ((b, c), (c, a), (a, b))
    ]
    hit = (area != 0) & (shares[0] >= 0) & (shares[1] >= 0) & (shares[2] >= 0)
    size = np.abs(area[hit])
    z = sum(share[hit] / size * corner[hit, 2] for share, corner in zip(shares, (a, b, c), strict=True))
    k = np.clip(np.ceil(z), 0, len(change) - 1).astype(np.int64)
    np.add.at(change, (k, j[hit], i[hit]), -way[hit].astype(np.int32))


def made_anew(mesh: Mesh) -> tuple[Mesh, float, float] | None:
    """A surface without crossings around all that a closed one winds around.

    None if the grid would be too coarse, or nothing is left, or crossings stay.

    Returns
    -------
    The surface, the grid's spacing, and how far the new surface is from the old one at most, mm.
    """
    size = np.ptp(mesh.points.astype(np.float64), axis=0)
    step = max(FINEST_MM, float(np.cbrt(np.prod(size) / _NODES)))
    if step > COARSEST_MM:
        return None
    grid = grid_around(mesh, step)
    within = winding(mesh, grid) > 0
    if not within.any():
        return None
    field = from_mask(within, grid)
    near = np.abs(field.values) <= 2.0 * step
    exact = closest_mm(mesh, grid.points(near), step)
    # What of the old surface lies inside of the new one does not count: nodes there are deeper than it is near.
    size_there = np.maximum(exact, np.abs(field.values[near]) - step)
    values = field.values.copy()
    values[near] = np.where(within[near], -size_there, size_there)
    from scipy.ndimage import gaussian_filter

    for blur in _BLURS:
        made = surface(field.with_values(gaussian_filter(values, blur)))
        if not check_mesh(made, intersections_up_to=None).self_intersections:
            return made, step, float(closest_mm(mesh, made.points.astype(np.float64), step).max())
    return None
