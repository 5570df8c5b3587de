"""Grow a vessel tree into an organ by constrained constructive optimisation.

After Schreiner and Buxbaum (IEEE Trans Biomed Eng 1993;40:482) and Karch et al. (Comput Biol Med 1999;29:19): end
points are added one by one, each to the branch where the whole tree's blood volume grows least, with the new
bifurcation where that volume is smallest. Radii follow Murray's law: a branch that serves n of N end points has the
radius R (n / N)^(1/3), so the cubed radii of the children add up to the parent's at every bifurcation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import FloatArray
from surgitwin.core.progress import Context
from surgitwin.samples.phantom.raster import Capsules

TRIED_BRANCHES = 12
CLEARANCE_MM = 0.8
SURFACE_MM = 2.0
LEAST_LENGTH_MM = 1.5

InsideValue = Callable[[FloatArray], FloatArray]


class Tree:
    """Rooted trees of straight edges. Node n's edge runs from ``parent[n]`` to n; the parent of a root is -1.

    ``flow`` counts the end points behind the edge (0: cut off), ``region`` says what the edge serves (0: a trunk, not
    to be grown from), ``fixed`` nodes keep their place.
    """

    def __init__(self, end_radius_mm: float, most_ends: int) -> None:
        room = 2 * most_ends + 200
        self.end_radius_mm = end_radius_mm
        self.count = 0
        self._position = np.zeros((room, 3))
        self._parent = np.full(room, -1, dtype=np.int64)
        self._flow = np.zeros(room, dtype=np.int64)
        self._region = np.zeros(room, dtype=np.int64)
        self.fixed: list[bool] = []
        self.children: list[list[int]] = []

    @property
    def position(self) -> FloatArray:
        return self._position[: self.count]

    @property
    def parent(self) -> NDArray[np.int64]:
        return self._parent[: self.count]

    @property
    def flow(self) -> NDArray[np.int64]:
        return self._flow[: self.count]

    @property
    def region(self) -> NDArray[np.int64]:
        return self._region[: self.count]

    def add(self, position: FloatArray, parent: int, region: int, fixed: bool = False) -> int:
        node = self.count
        self.count += 1
        self._position[node] = position
        self._parent[node] = parent
        self._region[node] = region
        self.children.append([])
        self.fixed.append(fixed)
        if parent >= 0:
            self.children[parent].append(node)
        return node

    def path(self, node: int) -> list[int]:
        """``node`` and every node above it, the root last."""
        nodes = []
        while node >= 0:
            nodes.append(node)
            node = int(self._parent[node])
        return nodes

    def add_flow(self, node: int, amount: int = 1) -> None:
        """Let ``amount`` more end points hang on ``node`` and on every edge above it."""
        self._flow[self.path(node)] += amount

    def insert(self, node: int, place: FloatArray) -> int:
        """Divide the edge to ``node`` by a new node at ``place``; returns the new one."""
        above = int(self._parent[node])
        middle = self.add(place, above, int(self._region[node]))
        self.children[above].remove(node)
        self.children[middle].append(node)
        self._parent[node] = middle
        self._flow[middle] = self._flow[node]
        return middle

    def prune(self, node: int) -> None:
        """Take the edge to ``node`` and all that hangs on it out of the tree."""
        lost = int(self._flow[node])
        waiting = [node]
        while waiting:
            below = waiting.pop()
            self._flow[below] = 0
            waiting += self.children[below]
        self.add_flow(int(self._parent[node]), -lost)

    def radius(self, flow: float) -> float:
        return float(self.end_radius_mm * flow ** (1 / 3))

    def edges(self) -> NDArray[np.int64]:
        """The nodes that have a parent and carry flow."""
        return np.flatnonzero((self.parent >= 0) & (self.flow > 0))

    def capsules(self, nodes: NDArray[np.int64] | None = None, least_flow: int = 1) -> Capsules:
        nodes = self.edges() if nodes is None else nodes
        radius = self.end_radius_mm * np.maximum(self.flow[nodes], least_flow) ** (1 / 3)
        return Capsules(self.position[self.parent[nodes]], self.position[nodes], radius, radius)


def segment_gaps(a: FloatArray, b: FloatArray, c: FloatArray, d: FloatArray) -> FloatArray:
    """Smallest distance between the segments a-b and c-d, element by element; all shaped (..., 3), broadcast.

    Closest points of two segments after Ericson, Real-Time Collision Detection (2005), 5.1.9.
    """
    d1, d2, r = b - a, d - c, a - c
    aa = np.maximum(np.sum(d1 * d1, axis=-1), 1e-12)
    ee = np.maximum(np.sum(d2 * d2, axis=-1), 1e-12)
    f, cc, bb = np.sum(d2 * r, axis=-1), np.sum(d1 * r, axis=-1), np.sum(d1 * d2, axis=-1)
    denominator = aa * ee - bb * bb
    s = np.where(denominator > 1e-9, np.clip((bb * f - cc * ee) / np.maximum(denominator, 1e-9), 0, 1), 0.0)
    t = np.clip((bb * s + f) / ee, 0, 1)
    s = np.clip((bb * t - cc) / aa, 0, 1)
    gap = r + s[..., None] * d1 - t[..., None] * d2
    return np.asarray(np.sqrt(np.sum(gap * gap, axis=-1)))


class Growth:
    """Adds end points to a tree while keeping it inside the organ and clear of obstacles."""

    def __init__(self, tree: Tree, inside: InsideValue, obstacles: Capsules) -> None:
        self.tree = tree
        self.inside = inside
        self.obstacles = obstacles

    def grow(self, ends: FloatArray, regions: NDArray[np.int64], ctx: Context) -> int:
        """Add the end points (n, 3) in their order; return how many found no way and were left out."""
        missed = 0
        for n, (end, region) in enumerate(zip(ends, regions, strict=True)):
            if n % 25 == 0:
                ctx.progress(n / len(ends), "")
            missed += not self._add_end(end, int(region))
        return missed

    def _add_end(self, end: FloatArray, region: int) -> bool:
        tree = self.tree
        nodes = np.flatnonzero((tree.region == region) & (tree.flow > 0) & (tree.parent >= 0))
        a, b = tree.position[tree.parent[nodes]], tree.position[nodes]
        along = b - a
        t = np.clip(np.sum((end - a) * along, axis=1) / np.maximum(np.sum(along * along, axis=1), 1e-12), 0, 1)
        gap = np.linalg.norm(a + t[:, None] * along - end, axis=1)
        nearest = np.argsort(gap, kind="stable")[:TRIED_BRANCHES]
        flow = tree.flow[nodes[nearest]].astype(np.float64)
        fork = best_fork(a[nearest], b[nearest], np.broadcast_to(end, (len(nearest), 3)), flow + 1, flow, 1.0)
        cost = self._cost(nodes[nearest], a[nearest], b[nearest], fork, end, flow)
        for choice in np.argsort(cost, kind="stable"):
            node = int(nodes[nearest[choice]])
            if self._fits(node, fork[choice], end):
                middle = tree.insert(node, fork[choice])
                tree.add_flow(tree.add(end, middle, region))
                return True
        return False

    def _cost(
        self,
        nodes: NDArray[np.int64],
        a: FloatArray,
        b: FloatArray,
        fork: FloatArray,
        end: FloatArray,
        flow: FloatArray,
    ) -> FloatArray:
        """Growth of the tree's volume (over pi R^2) for each way to attach ``end``."""
        upper = (flow + 1) ** (2 / 3) * np.linalg.norm(fork - a, axis=1)
        lower = flow ** (2 / 3) * (np.linalg.norm(b - fork, axis=1) - np.linalg.norm(b - a, axis=1))
        q = self.tree.flow.astype(np.float64)
        length = np.linalg.norm(self.tree.position - self.tree.position[self.tree.parent], axis=1)
        widening = np.where(self.tree.parent >= 0, ((q + 1) ** (2 / 3) - q ** (2 / 3)) * length, 0.0)
        above = np.array([widening[self.tree.path(int(node))[1:]].sum() for node in nodes])
        return np.asarray(upper + lower + np.linalg.norm(fork - end, axis=1) + above)

    def _fits(self, node: int, fork: FloatArray, end: FloatArray) -> bool:
        tree = self.tree
        top, bottom = tree.position[tree.parent[node]], tree.position[node]
        starts, stops = np.array([top, fork, fork]), np.array([fork, bottom, end])
        if np.min(np.linalg.norm(stops - starts, axis=1)) < LEAST_LENGTH_MM:
            return False
        flows = np.array([tree.flow[node] + 1, tree.flow[node], 1])
        # A young branch will carry more than now; leave room for it to widen.
        radii = tree.end_radius_mm * np.maximum(flows * 1.5, 3) ** (1 / 3)
        if not self.clear(starts, stops, radii):
            return False
        # Its own tree's other branches may come near, except those that start where the new one does.
        above = tree.parent[node]
        own = tree.edges()
        own = own[(own != node) & (own != above) & (tree.parent[own] != node) & (tree.parent[own] != above)]
        return far_from(starts[2:], stops[2:], radii[2:] * 0.8, tree.capsules(own), 0.3)

    def clear(self, starts: FloatArray, stops: FloatArray, radii: FloatArray) -> bool:
        """True if edges stay inside the organ and keep their distance from every obstacle."""
        steps = np.linspace(0, 1, 7)[None, :, None]
        points = starts[:, None, :] + steps * (stops - starts)[:, None, :]
        if np.any(self.inside(points.reshape(-1, 3)).reshape(len(starts), -1) > -(SURFACE_MM + 0.5 * radii)[:, None]):
            return False
        return far_from(starts, stops, radii, self.obstacles, CLEARANCE_MM)

    def relax(self, rounds: int, ctx: Context) -> None:
        """Move every free bifurcation to where the volume of its three branches is least, if that way is clear."""
        tree = self.tree
        for turn in range(rounds):
            ctx.progress(turn / rounds, "")
            for node, below in enumerate(tree.children):
                if tree.fixed[node] or len(below) != 2 or tree.parent[node] < 0:
                    continue
                self._move(node, below)

    def _move(self, node: int, below: list[int]) -> None:
        tree = self.tree
        top, left, right = tree.position[[int(tree.parent[node]), *below]]
        flows = tree.flow[[node, *below]].astype(np.float64)
        target = best_fork(top[None], left[None], right[None], flows[:1], flows[1:2], flows[2])[0]
        target = 0.5 * (target + tree.position[node])
        starts, stops = np.array([top, target, target]), np.array([target, left, right])
        if np.min(np.linalg.norm(stops - starts, axis=1)) < LEAST_LENGTH_MM:
            return
        if self.clear(starts, stops, tree.end_radius_mm * flows ** (1 / 3)):
            tree.position[node] = target


def far_from(starts: FloatArray, stops: FloatArray, radii: FloatArray, others: Capsules, clearance: float) -> bool:
    """True if every wall of the tubes start-stop (n, 3) is at least ``clearance`` mm from every one of ``others``."""
    if len(others) == 0:
        return True
    reach = others.ra + clearance
    low, high = np.minimum(starts, stops).min(axis=0), np.maximum(starts, stops).max(axis=0)
    width = float(np.max(radii)) + reach[:, None]
    near = np.all(np.minimum(others.a, others.b) - width < high, axis=1)
    near &= np.all(np.maximum(others.a, others.b) + width > low, axis=1)
    if not np.any(near):
        return True
    others = Capsules(others.a[near], others.b[near], others.ra[near], others.rb[near])
    reach = reach[near]
    middle, half = (starts + stops) / 2, np.linalg.norm(stops - starts, axis=1) / 2
    other_middle, other_half = (others.a + others.b) / 2, np.linalg.norm(others.b - others.a, axis=1) / 2
    apart = np.linalg.norm(middle[:, None] - other_middle[None], axis=2)
    n, m = np.nonzero(apart < half[:, None] + other_half[None] + radii[:, None] + reach[None])
    if n.size == 0:
        return True
    gaps = segment_gaps(starts[n], stops[n], others.a[m], others.b[m])
    return bool(np.all(gaps > radii[n] + reach[m]))


def best_fork(
    top: FloatArray, left: FloatArray, right: FloatArray, flow_top: FloatArray, flow_left: FloatArray, flow_right: float
) -> FloatArray:
    """Where three branches should meet so that their volume is least; points (n, 3), one row for each case.

    Minimises the sum of r^2 times length, with r^3 in proportion to the flow, by Weiszfeld's iteration.
    """
    weights = np.stack([flow_top, flow_left, np.full_like(flow_left, flow_right)], axis=1) ** (2 / 3)
    ends = np.stack([top, left, right], axis=1)
    fork = np.einsum("nk,nkd->nd", weights, ends) / weights.sum(axis=1, keepdims=True)
    for _ in range(12):
        share = weights / np.maximum(np.linalg.norm(ends - fork[:, None], axis=2), 0.05)
        fork = np.einsum("nk,nkd->nd", share, ends) / share.sum(axis=1, keepdims=True)
    return np.asarray(fork)


def spread_points(candidates: FloatArray, count: int, keep_from: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Choose ``count`` of ``candidates`` (n, 3), each as far as can be from those before and from ``keep_from``.

    The order runs from coarse to fine, which is the order a tree should grow in.
    """
    gap = np.full(len(candidates), np.inf)
    for place in keep_from:
        np.minimum(gap, np.sum((candidates - place) ** 2, axis=1), out=gap)
    if len(keep_from) == 0:
        gap[rng.integers(len(candidates))] = 1e18
    chosen = np.zeros((count, 3))
    for n in range(count):
        chosen[n] = candidates[int(np.argmax(gap))]
        np.minimum(gap, np.sum((candidates - chosen[n]) ** 2, axis=1), out=gap)
    return chosen
