"""From a net without loops to a vessel tree: its parts, their roots, and the order of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.vessels.net import Edge, Net
from surgitwin.vessels.tree import Branch, Break, VesselTree

FloatArray = NDArray[np.float64]
PICK_REACH_MM = 10.0
"""How far outside every vessel a picked root may lie."""
_END_MM = 10.0
_TRUNK = 0.6


@dataclass(frozen=True, eq=False)
class Part:
    """Edges that hang together; ``net`` knows all of them."""

    net: Net
    edges: tuple[int, ...]

    @property
    def length_mm(self) -> float:
        return sum(self.net.edges[number].length_mm for number in self.edges)

    @property
    def volume_mm3(self) -> float:
        own = [self.net.edges[number] for number in self.edges]
        return float(sum(np.pi * edge.length_mm * float(np.mean(edge.radii_mm**2)) for edge in own))

    @property
    def widest_mm(self) -> float:
        return max(float(self.net.edges[number].radii_mm.max()) for number in self.edges)

    @property
    def points_mm(self) -> FloatArray:
        return np.concatenate([self.net.edges[number].points_mm for number in self.edges])

    @property
    def radii_mm(self) -> FloatArray:
        return np.concatenate([self.net.edges[number].radii_mm for number in self.edges])

    def ends(self) -> list[End]:
        found = []
        for number in self.edges:
            for node in self.net.edges[number].nodes:
                if self.net.degree(node) == 1:
                    edge = self.net.edges[number].leaving(node)
                    found.append(End(node, edge.points_mm[0], float(edge.radii_mm[0]), _width_at_end(self.net, edge)))
        return found


@dataclass(frozen=True, eq=False)
class End:
    """A free end: its node, place and radius, and how wide the vessel behind it is."""

    node: int
    place_mm: FloatArray
    radius_mm: float
    width_mm: float


def _width_at_end(net: Net, edge: Edge) -> float:
    """The median radius of the last stretch before an edge's first node, of what lies outside the vessel it leaves."""
    from_end = np.linalg.norm(edge.points_mm - edge.points_mm[0], axis=1)
    own = from_end <= _END_MM
    if net.degree(edge.nodes[1]) > 1:
        own &= np.linalg.norm(edge.points_mm - edge.points_mm[-1], axis=1) > edge.radii_mm[-1]
    return float(np.median(edge.radii_mm[own])) if own.any() else float(edge.radii_mm.min())


def parts_of(net: Net) -> list[Part]:
    """The parts of a net, the largest first."""
    seen: set[int] = set()
    parts = []
    for start in net.edges:
        if start in seen:
            continue
        seen.add(start)
        found, waiting = [], [start]
        while waiting:
            number = waiting.pop()
            found.append(number)
            for node in net.edges[number].nodes:
                new = [other for other in net.at[node] if other not in seen]
                seen.update(new)
                waiting += new
        parts.append(Part(net, tuple(found)))
    return sorted(parts, key=lambda part: -part.volume_mm3)


def picked_first(parts: Sequence[Part], root_mm: Sequence[float] | NDArray[np.float64]) -> tuple[list[Part], int]:
    """The parts, the one that a person pointed at first, and its free end nearest to that point.

    Raises
    ------
    BadInput
        If the point lies farther than `PICK_REACH_MM` outside every vessel.
    """
    place = np.asarray(root_mm, dtype=np.float64)
    if place.shape != (3,) or not np.isfinite(place).all():
        raise BadInput(tr("The tree's root must be three numbers: x, y, z in LPS millimetres."))
    away = [float(np.min(np.linalg.norm(part.points_mm - place, axis=1) - part.radii_mm)) for part in parts]
    nearest = int(np.argmin(away))
    if away[nearest] > PICK_REACH_MM:
        message = tr(
            "The picked root lies {away:.1f} mm outside the nearest vessel; pick a point on the vessel itself."
        )
        raise BadInput(message.format(away=away[nearest]))
    ends = [*parts[nearest].ends(), *_marked(parts[nearest])]
    node = min(ends, key=lambda end: float(np.linalg.norm(end.place_mm - place))).node
    return [parts[nearest], *(part for n, part in enumerate(parts) if n != nearest)], node


@dataclass(frozen=True)
class Link:
    """Where a part begins, and the nearest place of the parts linked before it."""

    node: int
    towards_mm: tuple[float, float, float]
    gap_mm: float


def link_parts(parts: Sequence[Part], first: int, near_mm: float, least_mm: float) -> list[Link | None]:
    """The root of each part and the way from it to the others, None for the first part.

    The parts are linked in the order of their gaps. A part begins at its widest end; of ends whose widths differ by
    less than ``near_mm``, at the one nearest to what is linked already. Gaps run from wall to wall, and are at least
    ``least_mm`` wide: spheres reach to the first voxel outside, so that those on both sides may touch.
    """
    candidates = [_candidates(part, near_mm) for part in parts]
    best: list[Link | None] = [None] * len(parts)
    waiting = set(range(1, len(parts)))
    newest = 0
    while waiting:
        points, radii = parts[newest].points_mm, parts[newest].radii_mm
        for n in waiting:
            for end in candidates[n]:
                gaps = np.linalg.norm(points - end.place_mm, axis=1) - radii - end.radius_mm
                least = int(np.argmin(gaps))
                gap, known = max(float(gaps[least]), least_mm), best[n]
                if known is None or gap < known.gap_mm:
                    x, y, z = (float(v) for v in points[least])
                    best[n] = Link(end.node, (x, y, z), gap)
        newest = min(waiting, key=lambda n: _gap(best[n]))
        waiting.remove(newest)
    best[0] = Link(first, (0.0, 0.0, 0.0), 0.0)
    return best


def _gap(link: Link | None) -> float:
    return np.inf if link is None else link.gap_mm


def mark_trunks(net: Net) -> None:
    """Give each part that has no end as wide as a trunk a node in the middle of its widest place, to begin at.

    Where trunks run into one another at their ends, none of them has a free end.
    """
    for part in parts_of(net):
        if max(end.width_mm for end in part.ends()) >= _TRUNK * part.widest_mm:
            continue
        number = max(part.edges, key=lambda one: float(net.edges[one].radii_mm.max()))
        edge = net.edges[number]
        at = int(np.argmax(edge.radii_mm))
        if at in (0, len(edge.radii_mm) - 1):
            net.trunks.add(edge.nodes[0 if at == 0 else 1])
            continue
        net.take(number)
        node = net.node()
        net.trunks.add(node)
        net.add(Edge((edge.nodes[0], node), edge.points_mm[: at + 1], edge.radii_mm[: at + 1]))
        net.add(Edge((node, edge.nodes[1]), edge.points_mm[at:], edge.radii_mm[at:]))


def _marked(part: Part) -> list[End]:
    """The part's trunk, if `mark_trunks` gave it one."""
    for number in part.edges:
        for node in part.net.edges[number].nodes:
            if node in part.net.trunks:
                edge = part.net.edges[number].leaving(node)
                return [End(node, edge.points_mm[0], float(edge.radii_mm[0]), float(edge.radii_mm[0]))]
    return []


def _candidates(part: Part, near_mm: float) -> list[End]:
    """The ends that a part may begin at: its trunk, if one was marked, or the widest and those hardly narrower."""
    marked = _marked(part)
    if marked:
        return marked
    ends = part.ends()
    widest = max(end.width_mm for end in ends)
    return [end for end in ends if end.width_mm >= widest - near_mm]


def trunk_end(part: Part) -> int:
    """The node that a part begins at."""
    return max(_candidates(part, 0.0), key=lambda end: end.width_mm).node


def assembled(parts: Sequence[Part], links: Sequence[Link | None]) -> VesselTree:
    """The tree of all parts in their order; at each fork the widest branch comes first."""
    rows = _Rows([], [], [], [])
    roots = []
    for part, link in zip(parts, links, strict=True):
        assert link is not None
        roots.append(rows.count)
        rows.lay(part.net, link.node)
    points = np.concatenate(rows.points)
    breaks = []
    for root, link in list(zip(roots, links, strict=True))[1:]:
        assert link is not None
        towards = int(np.argmin(np.linalg.norm(points - np.array(link.towards_mm), axis=1)))
        breaks.append(Break(root, towards, link.gap_mm))
    sizes = [len(own) for own in rows.points]
    return VesselTree(
        points_mm=points,
        radii_mm=np.concatenate(rows.radii),
        parent=np.concatenate(rows.parents).astype(np.int32),
        branch=np.repeat(np.arange(len(sizes)), sizes).astype(np.int32),
        branches=tuple(Branch(number) for number in range(len(sizes))),
        breaks=tuple(sorted(breaks, key=lambda one: one.root)),
    )


@dataclass(eq=False)
class _Rows:
    """What has been laid down so far, a branch at a time."""

    points: list[FloatArray]
    radii: list[FloatArray]
    parents: list[NDArray[np.int64]]
    sizes: list[int]

    @property
    def count(self) -> int:
        return sum(self.sizes)

    def lay(self, net: Net, root: int) -> None:
        """Lay down all that hangs on ``root``."""
        before = -1
        if net.degree(root) > 1:
            # A root where branches meet is a branch of one point: none of them leads to the others.
            edge = net.edges[net.at[root][0]].leaving(root)
            before = self.count
            self._add(edge.points_mm[:1], edge.radii_mm[:1], -1)
        waiting: list[tuple[int, int, int]] = [(number, root, before) for number in net.at[root]]
        while waiting:
            number, node, before = waiting.pop()
            edge = net.edges[number].leaving(node)
            skipped = 0 if before < 0 else 1
            self._add(edge.points_mm[skipped:], edge.radii_mm[skipped:], before)
            below = [other for other in net.at[edge.nodes[1]] if other != number]
            below.sort(key=lambda other: _width(net.edges[other]))
            waiting += [(other, edge.nodes[1], self.count - 1) for other in below]

    def _add(self, points: FloatArray, radii: FloatArray, before: int) -> None:
        start, size = self.count, len(points)
        self.points.append(points)
        self.radii.append(radii)
        self.parents.append(np.concatenate([[before], np.arange(start, start + size - 1)]))
        self.sizes.append(size)


def _width(edge: Edge) -> float:
    return float(np.median(edge.radii_mm))
