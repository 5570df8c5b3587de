"""The middle lines of a mask while a tree is made of them: nodes, edges, and what is taken from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from surgitwin.vessels.chains import Chains

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Edge:
    """A vessel between two nodes; ``points_mm`` (n, 3) and ``radii_mm`` (n,) include both, n at least 2."""

    nodes: tuple[int, int]
    points_mm: FloatArray
    radii_mm: FloatArray

    @property
    def length_mm(self) -> float:
        return float(np.linalg.norm(np.diff(self.points_mm, axis=0), axis=1).sum())

    @property
    def turned(self) -> Edge:
        return Edge((self.nodes[1], self.nodes[0]), self.points_mm[::-1], self.radii_mm[::-1])

    def leaving(self, node: int) -> Edge:
        """This edge from ``node`` on."""
        return self if self.nodes[0] == node else self.turned


@dataclass(frozen=True)
class Opened:
    """A place where a loop was opened: its narrowest."""

    point_mm: tuple[float, float, float]
    radius_mm: float


@dataclass(eq=False)
class Net:
    """Edges by number; ``at`` says which meet at a node, ``trunks`` where parts begin that have no free end for it.

    Changed in place while a tree is made.
    """

    edges: dict[int, Edge] = field(default_factory=dict)
    at: dict[int, list[int]] = field(default_factory=dict)
    trunks: set[int] = field(default_factory=set)
    count: int = 0

    def node(self) -> int:
        self.count += 1
        return self.count - 1

    def add(self, edge: Edge) -> int:
        number = max(self.edges, default=-1) + 1 if not self.edges else next(reversed(self.edges)) + 1
        self.edges[number] = edge
        for node in edge.nodes:
            self.at.setdefault(node, []).append(number)
        return number

    def take(self, number: int) -> Edge:
        edge = self.edges.pop(number)
        for node in edge.nodes:
            self.at[node].remove(number)
        return edge

    def degree(self, node: int) -> int:
        return len(self.at.get(node, ()))

    def free_ends(self) -> Iterator[tuple[int, int]]:
        """Edges with one free end, each with the node that it leaves from."""
        for number, edge in list(self.edges.items()):
            a, b = (self.degree(node) for node in edge.nodes)
            if min(a, b) == 1 and max(a, b) > 1:
                yield number, edge.nodes[0] if a > 1 else edge.nodes[1]

    def join_through(self, node: int) -> None:
        """Make one edge of two that meet where nothing leaves any more."""
        if self.degree(node) != 2 or self.at[node][0] == self.at[node][1]:
            return
        one, two = (self.take(number) for number in list(self.at[node]))
        first, last = one.leaving(node).turned, two.leaving(node)
        points = np.concatenate([first.points_mm, last.points_mm[1:]])
        radii = np.concatenate([first.radii_mm, last.radii_mm[1:]])
        self.add(Edge((first.nodes[0], last.nodes[1]), points, radii))


def net_of(lines: Chains, to_mm: Callable[[FloatArray], FloatArray], radius: Callable[[FloatArray], FloatArray]) -> Net:
    """The net of sorted line voxels.

    Parameters
    ----------
    to_mm
        From [k, j, i] to LPS mm.
    radius
        The radius at places in LPS mm.
    """
    net = Net()
    group = _same_forks(lines)
    count = int(group.max(initial=-1)) + 1
    weight = np.bincount(group, minlength=count)
    middle = np.zeros((count, 3))
    np.add.at(middle, group, lines.forks)
    middle /= np.maximum(weight, 1)[:, None]
    net.count = count
    for chain, (first, last) in zip(lines.chains, lines.touches, strict=True):
        places = lines.points[chain].astype(np.float64)
        nodes = []
        for touched, before in ((first, True), (last, False)):
            if touched.size == 0:
                nodes.append(net.node())
                continue
            nodes.append(int(group[touched[0]]))
            place = middle[nodes[-1]][None]
            places = np.concatenate([place, places] if before else [places, place])
        if len(places) > 1:
            points = to_mm(places)
            net.add(Edge((nodes[0], nodes[1]), points, radius(points)))
    return net


def _same_forks(lines: Chains) -> NDArray[np.int64]:
    """Forks that one end of a chain touches are one."""
    from surgitwin.core.groups import linked_groups

    pairs = [(int(touched[0]), int(other)) for ends in lines.touches for touched in ends for other in touched[1:]]
    one, two = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return linked_groups(one, two, len(lines.forks))


def open_loops(net: Net, step_mm: float) -> list[Opened]:
    """Cut each loop where it is narrowest; returns the places, those of loops inside a vessel's own width left out.

    What remains is the spanning forest whose vessels are widest.
    """
    order = sorted(net.edges, key=lambda number: -float(net.edges[number].radii_mm.min()))
    above = list(range(net.count))

    def top(node: int) -> int:
        while above[node] != node:
            above[node] = above[above[node]]
            node = above[node]
        return node

    opened = []
    for number in order:
        a, b = (top(node) for node in net.edges[number].nodes)
        if a != b:
            above[a] = b
            continue
        edge = net.take(number)
        narrow = int(np.argmin(edge.radii_mm))
        # One with little way around, as where three vessels meet, is no loop that anybody would see.
        if edge.length_mm > 2.0 * float(max(edge.radii_mm[0], edge.radii_mm[-1])) + 2.0 * step_mm:
            x, y, z = (float(v) for v in edge.points_mm[narrow])
            opened.append(Opened((x, y, z), float(edge.radii_mm[narrow])))
        for end, half in ((edge.nodes[0], slice(0, narrow)), (edge.nodes[1], slice(None, narrow, -1))):
            if len(edge.points_mm[half]) > 1:
                net.add(Edge((end, net.node()), edge.points_mm[half], edge.radii_mm[half]))
    return opened


def open_rings(lines: Chains, radius: FloatArray, reach: float = 1.8) -> list[int]:
    """Chains that run back into themselves: each is made to begin where it is narrowest.

    Parameters
    ----------
    radius
        At each of the lines' points.

    Returns
    -------
    The lines' points at which rings were opened.
    """
    opened = []
    for number, (chain, (first, last)) in enumerate(zip(lines.chains, lines.touches, strict=True)):
        if first.size or last.size or len(chain) < 4:
            continue
        if np.linalg.norm(lines.points[chain[0]] - lines.points[chain[-1]]) < reach:
            narrow = int(np.argmin(radius[chain]))
            opened.append(int(chain[narrow]))
            lines.chains[number] = np.roll(chain, -narrow)[1:]
    return opened


def shrink_junctions(net: Net, step_mm: float) -> None:
    """Make one fork of two that lie within a voxel and a half, or within half the vessel's radius."""
    for number in sorted(net.edges, key=lambda n: net.edges[n].length_mm):
        edge = net.edges.get(number)
        if edge is None or min(net.degree(node) for node in edge.nodes) < 3:
            continue
        if edge.length_mm > max(1.5 * step_mm, 0.5 * float(edge.radii_mm.min())):
            continue
        net.take(number)
        kept, gone = edge.nodes
        middle = (edge.points_mm[0] + edge.points_mm[-1]) / 2
        size = float(max(edge.radii_mm[0], edge.radii_mm[-1]))
        for node in (kept, gone):
            for other in list(net.at[node]):
                _reset(net, other, node, kept, middle, size)


def _reset(net: Net, number: int, node: int, to: int, place: FloatArray, size: float) -> None:
    """Let an edge end at node ``to``, which lies at ``place``, instead of at ``node``."""
    edge = net.edges[number]
    if node != to:
        net.at[node].remove(number)
        net.at.setdefault(to, []).append(number)
    points, radii, nodes = edge.points_mm.copy(), edge.radii_mm.copy(), list(edge.nodes)
    end = 0 if nodes[0] == node else -1
    nodes[end] = to
    points[end], radii[end] = place, size
    net.edges[number] = Edge((nodes[0], nodes[1]), points, radii)


def prune_spurs(net: Net, step_mm: float) -> int:
    """Take side branches that hardly leave the vessel they begin in; returns how many.

    A branch's spheres reach some way out of the sphere at its fork. A wall that is rough by a voxel makes branches that
    reach out by about that much, the corners of a flat end by 0.4 of its radius; a vessel reaches out by its own radius
    and more.
    """
    count = 0
    while True:
        reach = {}
        for number, fork in net.free_ends():
            edge = net.edges[number].leaving(fork)
            out = np.linalg.norm(edge.points_mm - edge.points_mm[0], axis=1) + edge.radii_mm - edge.radii_mm[0]
            own = float(np.median(edge.radii_mm[len(edge.radii_mm) // 2 :]))
            least = 0.5 * step_mm + max(own, 0.5 * float(edge.radii_mm[0]))
            reach[number] = float(out.max()) / least, fork
        spurs = sorted((share, number) for number, (share, _) in reach.items() if share < 1.0)
        if not spurs:
            return count
        touched: set[int] = set()
        for _, number in spurs:
            fork = reach[number][1]
            # The others of a fork are looked at again: two of them may now be one longer branch.
            if fork in touched:
                continue
            touched.add(fork)
            net.take(number)
            count += 1
        for fork in touched:
            net.join_through(fork)
