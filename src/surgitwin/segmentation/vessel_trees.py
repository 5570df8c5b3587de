"""Part one vessel mask into two trees that touch, from a few points on each.

Two trees in an organ cross and touch in many places, and a mask joins them there. On the graph of the mask's centre
lines the way from each stretch back to either tree's points is compared: where vessels truly branch, a way goes on
with little turning and never into a wider vessel; where two vessels merely touch, it turns sharply, widens, narrows
to less than half at once, or leaves a vessel that has a better continuation on the other side of the contact. Where
four vessels or more meet, all of them are explained together, as vessels that go through, branch or end: of two that
cross each has its own continuation, and neither may take the other's. The tree whose way is the more likely gets the
stretch, and every voxel goes with the stretch in whose vessel it lies.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.runs import Mask
from surgitwin.segmentation.vessel_graph import VesselGraph, vessel_graph
from surgitwin.segmentation.vessel_points import voxels_at

POINT_REACH_MM = 3.0
_NEAREST = 16
_LOOK_MM, _OUTSIDE = 10.0, 1.4
_NECK = 0.75
_PER_MM = 0.002
_UNLIKE, _FOREIGN, _POWER, _STEP_MOST = 0.3, 1.5, 2.0, 0.5
_CLIMB, _CLIMB_FREE = 4.0, 0.15
_DROP, _DROP_FREE = 1.0, 0.7
_NEVER = 9.0
_FEWEST_TOGETHER, _MOST_TOGETHER, _LARGEST_GROUP = 4, 8, 4  # arms
_ENDING = 1.0  # as dear as a vessel that turns back on itself
_CERTAIN = 1.5  # three of the dearest turns
_LEAST_RADIUS_MM = 0.3
_LONG = 3.0
_SLACK = 1.15
_HOST = 0.65
FloatArray = NDArray[np.float64]


def split_trees(
    mask: Mask,
    geometry: Geometry,
    points_mm: Sequence[Sequence[Sequence[float]]],
    names: Sequence[str],
    ctx: Context | None = None,
) -> NDArray[np.uint8]:
    """Which tree each voxel of ``mask`` belongs to.

    Parameters
    ----------
    mask
        [k, j, i].
    points_mm
        For each tree its points, LPS mm.
    names
        What the trees are called in complaints.

    Returns
    -------
    uint8, [k, j, i]: the number of the tree, from 1; 0 outside the mask and in pieces that hold no point.

    Raises
    ------
    BadInput
        If the mask is empty, a tree has no point, a point lies on no vessel, or two trees share a point.
    """
    ctx = ctx or Context()
    if not mask.any():
        raise BadInput(tr("The vessels are empty: segment them before they are split."))
    box = Box.of_mask(mask)
    seeds = _seeds(mask, geometry, points_mm, names)
    part = np.ascontiguousarray(mask[box.slices])
    spacing = np.array(geometry.spacing_mm[::-1])
    graph = vessel_graph(part, spacing, ctx.part(0.0, 0.5))
    ctx.progress(0.5, tr("Following each tree"))
    net = _Net.of(graph, part, spacing)
    ctx.progress(0.7, tr("Following each tree"))
    local = [own - np.array(box.start[::-1]) for own in seeds]
    starts = [[net.point_at(voxel) for voxel in own] for own in local]
    costs = _costs(net, [[int(net.stretch[point]) for point in own] for own in starts])
    trees = _tree_of_points(graph, net, costs, starts, names)
    ctx.progress(0.9, tr("Following each tree"))
    labels = np.zeros(mask.shape, dtype=np.uint8)
    inner = np.zeros(part.shape, dtype=np.uint8)
    inner[part] = trees[net.owner]
    labels[box.slices] = inner
    return labels


def _seeds(
    mask: Mask, geometry: Geometry, points_mm: Sequence[Sequence[Sequence[float]]], names: Sequence[str]
) -> list[NDArray[np.int64]]:
    seeds = []
    taken: dict[tuple[int, ...], str] = {}
    for points, name in zip(points_mm, names, strict=True):
        if len(points) == 0:
            raise BadInput(tr("The {name} tree needs at least one point on it.").format(name=name))
        own = voxels_at(mask, geometry, points, tr("{name} point").format(name=name), POINT_REACH_MM)
        for voxel in map(tuple, own.tolist()):
            if taken.setdefault(voxel, name) != name:
                message = tr("The {one} and the {other} tree have a point in the same place; move one of them.")
                raise BadInput(message.format(one=taken[voxel], other=name))
        seeds.append(own)
    return seeds


@dataclass(frozen=True, eq=False)
class _Net:
    """The graph with what a way along it costs.

    Attributes
    ----------
    nodes
        For each stretch the junctions at its two ends; -1 for a free end. Junctions that a vessel's own width joins
        are one.
    lengths
        Of each stretch, mm.
    ways
        For each (stretch, end): the stretches that go on there, as (stretch, end that is entered, cost).
    stretch, position
        For each point of the middle lines that owns voxels: its stretch, and which of the stretch's points it is.
    owner
        The point that owns each voxel of the mask, in memory order.
    """

    nodes: NDArray[np.int64]
    lengths: FloatArray
    ways: dict[tuple[int, int], list[tuple[int, int, float]]]
    stretch: NDArray[np.int64]
    position: NDArray[np.int64]
    owner: NDArray[np.int64]
    mask: Mask

    @staticmethod
    def of(graph: VesselGraph, mask: Mask, spacing: FloatArray) -> _Net:
        own = _own_points(graph, spacing)
        stretch = np.repeat(np.arange(len(own)), [np.count_nonzero(kept) for kept in own])
        position = np.concatenate([np.flatnonzero(kept) for kept in own])
        owner = _owners(graph, own, mask, spacing)
        lengths = np.array([_length(one.points * spacing) for one in graph.stretches])
        volumes = np.bincount(stretch[owner], minlength=len(lengths)) * float(np.prod(spacing))
        radii = _radii(graph, own, volumes, spacing)
        nodes = _junctions(graph, lengths)
        ways = _ways(graph, nodes, lengths, radii, spacing)
        return _Net(nodes, lengths, ways, stretch, position, owner, mask)

    def point_at(self, voxel: NDArray[np.int64]) -> int:
        """The point that owns a voxel of the mask."""
        before = np.count_nonzero(self.mask.reshape(-1)[: np.ravel_multi_index(tuple(voxel), self.mask.shape)])
        return int(self.owner[before])

    def spread(self, seeds: Sequence[int]) -> FloatArray:
        """What the likeliest way from ``seeds`` (stretches) to each stretch costs; infinite where none leads."""
        best: dict[tuple[int, int], float] = {}
        waiting = [start for seed in seeds for start in self._starts(seed)]
        heapq.heapify(waiting)
        while waiting:
            cost, stretch, leaving = heapq.heappop(waiting)
            if best.get((stretch, leaving), np.inf) <= cost:
                continue
            best[stretch, leaving] = cost
            for other, entered, step in self.ways.get((stretch, leaving), ()):
                total = cost + step + _PER_MM * self.lengths[other]
                if total < best.get((other, 1 - entered), np.inf):
                    heapq.heappush(waiting, (total, other, 1 - entered))
        found = np.full(len(self.lengths), np.inf)
        for (stretch, _), cost in best.items():
            found[stretch] = min(found[stretch], cost)
        return self._with_short_ones(found)

    def _starts(self, stretch: int) -> list[tuple[float, int, int]]:
        """Both ways along a stretch; from one inside a junction, the ways along all that meet there."""
        if (stretch, 0) in self.ways or (stretch, 1) in self.ways or self.nodes[stretch].max() < 0:
            return [(0.0, stretch, 0), (0.0, stretch, 1)]
        node = int(self.nodes[stretch].max())
        arms = np.argwhere(self.nodes == node)
        return [(0.0, int(arm), 1 - int(end)) for arm, end in arms if (int(arm), int(end)) in self.ways]

    def _with_short_ones(self, found: FloatArray) -> FloatArray:
        """Give stretches inside a junction the least cost that reaches the junction."""
        at: dict[int, float] = {}
        for stretch in np.flatnonzero(np.isfinite(found)):
            for node in self.nodes[stretch]:
                if node >= 0:
                    at[int(node)] = min(at.get(int(node), np.inf), float(found[stretch]))
        result = found.copy()
        for lost in np.flatnonzero(~np.isfinite(found)):
            result[lost] = min(at.get(int(node), np.inf) for node in self.nodes[lost])
        return result


def _costs(net: _Net, seeds: list[list[int]]) -> FloatArray:
    """What the likeliest way from each tree's ``seeds`` to each stretch costs, (trees, stretches).

    What a way cost up to a stretch that is certainly of its tree says nothing about what follows: from there ways start
    anew, or the tree that takes the sharper turns near its trunk would lose every contact behind them.
    """
    costs = np.stack([net.spread(own) for own in seeds])
    if len(seeds) < 2:
        return costs
    best, second = np.sort(costs, axis=0)[:2]
    certain = np.isfinite(best) & (second >= best + _CERTAIN)
    tree = np.argmin(costs, axis=0)
    more = [np.flatnonzero(certain & (tree == number)).tolist() for number in range(len(seeds))]
    return np.stack([net.spread(sorted({*own, *sure})) for own, sure in zip(seeds, more, strict=True)])


def _tree_of_points(
    graph: VesselGraph, net: _Net, costs: FloatArray, starts: list[list[int]], names: Sequence[str]
) -> NDArray[np.uint8]:
    """The tree of each point that owns voxels, from 1; 0 where no way leads.

    A stretch belongs to one tree. Only one that has points of two is cut, at the neck between them.
    """
    tree = np.where(np.isfinite(costs).any(axis=0), np.argmin(costs, axis=0) + 1, 0)
    result = tree[net.stretch].astype(np.uint8)
    seeded: dict[int, dict[int, list[int]]] = {}
    for number, own in enumerate(starts, 1):
        for point in own:
            seeded.setdefault(int(net.stretch[point]), {}).setdefault(number, []).append(int(net.position[point]))
    for stretch, here in seeded.items():
        if len(here) < 2:
            continue
        (first, before), (last, after) = sorted(here.items(), key=lambda item: min(item[1]))[:2]
        neck = _neck(graph.stretches[stretch].radii_mm, max(before), min(after))
        if neck is None:
            message = tr("The {one} and the {other} tree have points on one vessel with no narrow place between them.")
            raise BadInput(message.format(one=names[first - 1], other=names[last - 1]))
        own_points = net.stretch == stretch
        result[own_points] = np.where(net.position[own_points] < neck, first, last)
    return result


def _neck(radii: FloatArray, low: int, high: int) -> int | None:
    """The narrowest point between two points of a stretch, if it is much narrower than what lies on both its sides."""
    if high - low < 2:
        return None
    neck = low + 1 + int(np.argmin(radii[low + 1 : high]))
    beside = min(float(radii[low:neck].max()), float(radii[neck + 1 : high + 1].max()))
    return neck if radii[neck] < _NECK * beside else None


def _length(points_mm: FloatArray) -> float:
    return float(np.sum(np.linalg.norm(np.diff(points_mm, axis=0), axis=1)))


def _owners(graph: VesselGraph, inner: list[NDArray[np.bool_]], mask: Mask, spacing: FloatArray) -> NDArray[np.int64]:
    """The point (of those in ``inner``, counted on) in whose vessel each voxel of ``mask`` lies: the nearest wall."""
    from scipy.spatial import cKDTree

    points = np.concatenate([one.points[own] for one, own in zip(graph.stretches, inner, strict=True)]) * spacing
    radii = np.concatenate([one.radii_mm[own] for one, own in zip(graph.stretches, inner, strict=True)])
    voxels = np.argwhere(mask) * spacing
    count = min(_NEAREST, len(points))
    gap, nearest = cKDTree(points).query(voxels, k=list(range(1, count + 1)))
    choice = np.argmin(gap - radii[nearest], axis=1)
    return np.asarray(nearest[np.arange(len(voxels)), choice], dtype=np.int64)


def _own_points(graph: VesselGraph, spacing: FloatArray) -> list[NDArray[np.bool_]]:
    """Which points of each stretch lie in its own vessel, not in the wider one that it leaves or touches."""
    result = []
    for one in graph.stretches:
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(one.points * spacing, axis=0), axis=1))])
        own = np.ones(len(along), dtype=np.bool_)
        for end, away, radii in ((0, along, one.radii_mm), (1, along[-1] - along[::-1], one.radii_mm[::-1])):
            if one.ends[end] < 0:
                continue
            host = float(radii[0])
            if float(np.interp(min(host, away[-1]), away, radii)) < _HOST * host:
                inside = away < host
                own &= ~(inside if end == 0 else inside[::-1])
        result.append(own)
    if not any(own.any() for own in result):
        return [np.ones(len(one.points), dtype=np.bool_) for one in graph.stretches]
    return result


def _radii(graph: VesselGraph, own: list[NDArray[np.bool_]], volumes: NDArray[Any], spacing: FloatArray) -> FloatArray:
    """The radius of each stretch, mm: the geometric mean of its depth, which is coarse, and that of its volume."""
    depth = np.array(
        [
            float(np.median(one.radii_mm[kept]) if kept.any() else one.radii_mm.min())
            for one, kept in zip(graph.stretches, own, strict=True)
        ]
    )
    depth = np.maximum(depth, _LEAST_RADIUS_MM)
    free = np.array([_length(one.points[kept] * spacing) for one, kept in zip(graph.stretches, own, strict=True)])
    by_volume = np.sqrt(volumes / (np.pi * np.maximum(free, _LEAST_RADIUS_MM)))
    # Where little of it lies outside its neighbours, the volume says nothing.
    long = free >= _LONG * depth
    return np.asarray(np.maximum(np.where(long, np.sqrt(by_volume * depth), depth), _LEAST_RADIUS_MM))


def _ways(
    graph: VesselGraph, nodes: NDArray[np.int64], lengths: FloatArray, radii: FloatArray, spacing: FloatArray
) -> dict[tuple[int, int], list[tuple[int, int, float]]]:
    """For each (stretch, end) where one can go on, and what that costs."""
    arms: dict[int, list[tuple[int, int]]] = {}
    for stretch, ends in enumerate(nodes):
        if ends[0] == ends[1] and lengths[stretch] < _short(graph, stretch):
            continue  # inside a junction
        for end in (0, 1):
            if ends[end] >= 0:
                arms.setdefault(int(ends[end]), []).append((stretch, end))
    ways: dict[tuple[int, int], list[tuple[int, int, float]]] = {}
    for members in arms.values():
        directions = np.stack([_direction(graph, spacing, *arm) for arm in members])
        costs = _transition_costs(directions, radii[[stretch for stretch, _ in members]])
        for a, arm in enumerate(members):
            ways[arm] = [(*members[b], float(costs[a, b])) for b in range(len(members)) if b != a]
    return ways


def _short(graph: VesselGraph, stretch: int) -> float:
    """A stretch between two forks that is shorter than this runs inside the vessels that meet."""
    radii = graph.stretches[stretch].radii_mm
    return float(max(radii[0], radii[-1])) * _SLACK + 0.5


def _junctions(graph: VesselGraph, lengths: FloatArray) -> NDArray[np.int64]:
    """The junction at both ends of each stretch, forks less than a vessel's width apart being one."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ends = np.array([one.ends for one in graph.stretches], dtype=np.int64).reshape(-1, 2)
    short = np.array([lengths[n] < _short(graph, n) for n in range(len(lengths))], dtype=np.bool_)
    joins = ends[short & (ends >= 0).all(axis=1)]
    count = max(len(graph.forks), 1)
    matrix = coo_matrix((np.ones(len(joins)), (joins[:, 0], joins[:, 1])), shape=(count, count))
    _, group = connected_components(matrix, directed=False)
    return np.where(ends >= 0, group[np.maximum(ends, 0)], -1)


def _direction(graph: VesselGraph, spacing: FloatArray, stretch: int, end: int) -> FloatArray:
    """The unit direction in which a stretch leaves its fork, seen from outside the vessels that meet there."""
    one = graph.stretches[stretch]
    points, radii = one.points * spacing, one.radii_mm
    if end == 1:
        points, radii = points[::-1], radii[::-1]
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    first = min(_OUTSIDE * float(radii[0]), 0.5 * along[-1])
    last = min(first + _LOOK_MM, float(along[-1]))
    near, far = (np.array([np.interp(at, along, points[:, axis]) for axis in range(3)]) for at in (first, last))
    way = far - near
    return np.asarray(way / max(float(np.linalg.norm(way)), 1e-9))


def _transition_costs(directions: FloatArray, radii: FloatArray) -> FloatArray:
    """What it costs to go from arm a to arm b of a junction, (n, n).

    Parameters
    ----------
    directions
        Unit vectors away from the junction, (n, 3).
    radii
        Of the arms, mm.
    """
    turn = (1 + directions @ directions.T) / 2  # 0 straight on, 1 back
    climb = np.log(radii[None] / radii[:, None])
    widening, narrowing = np.maximum(climb - _CLIMB_FREE, 0), np.maximum(-climb - _DROP_FREE, 0)
    change = _CLIMB * widening + _DROP * narrowing
    if _FEWEST_TOGETHER <= len(radii) <= _MOST_TOGETHER:
        step = turn**2 + _against_the_rest(turn**2 + change)
    else:
        pair = turn + _UNLIKE * np.abs(climb)
        np.fill_diagonal(pair, _NEVER)
        foreign = np.minimum(pair - pair.min(axis=0)[None], pair - pair.min(axis=1)[:, None])
        step = (turn + _FOREIGN * foreign) ** _POWER
    return np.asarray(np.minimum(step, _STEP_MOST) + change)


def _against_the_rest(costs: FloatArray) -> FloatArray:
    """How much dearer the cheapest explanation of a junction becomes if arm a feeds arm b, (n, n).

    An explanation parts the arms into vessels: each of them ends, or goes on as one other arm, or as up to three.

    Parameters
    ----------
    costs
        Of going from arm a to arm b, whatever the others do, (n, n).
    """
    count = len(costs)
    every = (1 << count) - 1
    vessels: dict[int, dict[int, float]] = {}  # arms as bits: what they cost together, by the one that feeds the others
    for size in range(1, min(_LARGEST_GROUP, count) + 1):
        for arms in combinations(range(count), size):
            fed = {a: sum(float(costs[a, b]) for b in arms if b != a) for a in arms}
            vessels[sum(1 << a for a in arms)] = fed if size > 1 else {arms[0]: _ENDING}
    cheapest = {arms: min(fed.values()) for arms, fed in vessels.items()}

    @cache
    def explained(left: int) -> float:
        if not left:
            return 0.0
        first = left & -left
        fitting = [arms for arms in cheapest if arms & first and not arms & ~left]
        return min(cheapest[arms] + explained(left ^ arms) for arms in fitting)

    excess = np.full(costs.shape, np.inf)
    for together, fed in vessels.items():
        beside = explained(every ^ together) - explained(every)
        for a, cost in fed.items():
            for b in range(count):
                if together >> b & 1:
                    excess[a, b] = min(excess[a, b], cost + beside)
    return excess
