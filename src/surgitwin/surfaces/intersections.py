"""Counts pairs of triangles that cross each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_PAIRS_AT_ONCE = 1 << 21


def count_self_intersections(mesh: Mesh, ctx: Context) -> int:
    """Number of pairs of triangles of which an edge of one passes through the other.

    Pairs that share an edge cannot, and pairs that only touch or overlap within one plane are not counted. Candidates
    come from a grid of boxes about as large as a triangle.
    """
    if len(mesh.triangles) < 2:
        return 0
    points = mesh.points.astype(np.float64) - mesh.points.mean(axis=0, dtype=np.float64)
    corners = points[mesh.triangles]
    low, high = corners.min(axis=1), corners.max(axis=1)
    count = 0
    for first, second in _close_pairs(low, high):
        ctx.check()
        count += _crossing(corners, mesh.triangles, first, second)
    return count


def _close_pairs(low: Floats, high: Floats) -> Iterator[tuple[Ints, Ints]]:
    """Every pair of triangles with overlapping bounding boxes, once, in batches."""
    size = max(float(np.percentile((high - low).max(axis=1), 90)), 1e-9)
    origin = low.min(axis=0)
    start = ((low - origin) / size).astype(np.int64)
    stop = ((high - origin) / size).astype(np.int64)
    extent = stop.max(axis=0) + 1
    span = stop - start + 1
    # A triangle goes into every grid box that its bounding box overlaps.
    entries = span.prod(axis=1)
    triangle = np.repeat(np.arange(len(low)), entries)
    number = np.arange(triangle.size) - np.repeat(np.cumsum(entries) - entries, entries)
    x, rest = number % span[triangle, 0], number // span[triangle, 0]
    y, z = rest % span[triangle, 1], rest // span[triangle, 1]
    box = start[triangle] + np.stack((x, y, z), axis=1)
    key = (box[:, 2] * extent[1] + box[:, 1]) * extent[0] + box[:, 0]
    order = np.argsort(key, kind="stable")
    triangle, box, key = triangle[order], box[order], key[order]
    ends = np.searchsorted(key, key, side="right")
    for one, other in _pairs_in_runs(ends):
        a, b = triangle[one], triangle[other]
        overlap = np.all((low[a] <= high[b]) & (low[b] <= high[a]), axis=1)
        # Two triangles may meet in several grid boxes: count them in the first box that holds both.
        overlap &= np.all(np.maximum(start[a], start[b]) == box[one], axis=1)
        yield a[overlap], b[overlap]


def _pairs_in_runs(ends: Ints) -> Iterator[tuple[Ints, Ints]]:
    """All (p, q) with p < q < ends[p], in batches of bounded size."""
    partners = ends - np.arange(ends.size) - 1
    total = np.concatenate(([0], np.cumsum(partners)))
    begin = 0
    while begin < ends.size:
        end = int(np.searchsorted(total, total[begin] + _PAIRS_AT_ONCE, side="right")) - 1
        end = min(max(end, begin + 1), ends.size)
        share = partners[begin:end]
        one = np.repeat(np.arange(begin, end), share)
        yield one, one + 1 + np.arange(one.size) - np.repeat(np.cumsum(share) - share, share)
        begin = end


def _crossing(corners: Floats, triangles: NDArray[np.int32], first: Ints, second: Ints) -> int:
    """How many of the pairs cross."""
    keep = _planes_cut(corners, first, second) & _planes_cut(corners, second, first)
    first, second = first[keep], second[keep]
    same = triangles[first][:, :, None] == triangles[second][:, None, :]
    shared = same.sum(axis=(1, 2))
    crosses = np.zeros(first.size, np.bool_)
    for one, other, own in ((first, second, same.any(axis=2)), (second, first, same.any(axis=1))):
        for side in range(3):
            # Where a vertex is shared, only the side across from it can pass through the other triangle.
            free = (shared == 0) | ((shared == 1) & ~own[:, side] & ~own[:, (side + 1) % 3])
            at = np.flatnonzero(free & ~crosses)
            ends = corners[one[at]]
            crosses[at] = _side_crosses(ends[:, side], ends[:, (side + 1) % 3], corners[other[at]])
    return int(np.count_nonzero(crosses))


def _planes_cut(corners: Floats, first: Ints, second: Ints) -> NDArray[np.bool_]:
    """True where the plane of the first triangle has points of the second on both sides."""
    a, b, c = corners[first].transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    side = np.einsum("pcd,pd->pc", corners[second] - a[:, None, :], normal)
    return np.asarray((side.min(axis=1) < 0) & (side.max(axis=1) > 0))


def _side_crosses(tail: Floats, head: Floats, triangle: Floats) -> NDArray[np.bool_]:
    """True where the open segment passes through the triangle, its rim included (signs of five tetrahedra)."""
    a, b, c = triangle.transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    behind = np.einsum("pd,pd->p", tail - a, normal)
    before = np.einsum("pd,pd->p", head - a, normal)
    turns = [np.einsum("pd,pd->p", head - tail, np.cross(u - tail, v - tail)) for u, v in ((a, b), (b, c), (c, a))]
    positive = (turns[0] >= 0) & (turns[1] >= 0) & (turns[2] >= 0)
    negative = (turns[0] <= 0) & (turns[1] <= 0) & (turns[2] <= 0)
    return np.asarray((behind * before < 0) & (positive | negative))
