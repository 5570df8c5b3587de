"""A finished vessel tree: named branches with centrelines and radii, as the truth is published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import FloatArray
from surgitwin.samples.phantom.growth import Tree
from surgitwin.samples.phantom.raster import Capsules

STEP_MM = 1.0
TAPER_PER_MM = 0.001
"""A branch narrows by this share of its radius per millimetre between two bifurcations."""
DECIMALS = 4
"""Places of a published coordinate; the rounded points are the truth that everything else is made from."""


@dataclass(frozen=True)
class Branch:
    """One unbranched stretch of a vessel, from where it leaves its parent to its end or next bifurcation.

    Attributes
    ----------
    parent
        Index of the parent branch in the tree; -1 for a root.
    territory
        What it feeds or drains: the number of a Couinaud segment or of a venous territory; 0 for a trunk.
    ends
        How many end branches hang on it.
    points_mm, radii_mm
        Centreline (n, 3), LPS, in the direction away from the root, and radius (n,).
    """

    id: int
    parent: int
    name: str
    territory: int
    ends: int
    points_mm: FloatArray
    radii_mm: FloatArray

    @property
    def length_mm(self) -> float:
        return float(np.sum(np.linalg.norm(np.diff(self.points_mm, axis=0), axis=1)))

    @property
    def capsules(self) -> Capsules:
        return Capsules.along(self.points_mm, self.radii_mm)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "parent": None if self.parent < 0 else self.parent,
            "territory": self.territory,
            "ends": self.ends,
            "length_mm": self.length_mm,
            "mean_radius_mm": float(np.mean(self.radii_mm)),
            "points_mm": [[round(float(v), DECIMALS) for v in point] for point in self.points_mm],
            "radii_mm": [float(r) for r in self.radii_mm],
        }


@dataclass(frozen=True)
class VesselTree:
    """All branches of one system; several roots where several trunks meet a larger vessel on their own."""

    name: str
    territory_names: dict[int, str]
    branches: tuple[Branch, ...]

    @property
    def roots(self) -> tuple[int, ...]:
        return tuple(b.id for b in self.branches if b.parent < 0)

    def children(self, branch: int) -> list[Branch]:
        return [b for b in self.branches if b.parent == branch]

    @property
    def capsules(self) -> Capsules:
        return Capsules.joined([b.capsules for b in self.branches])

    def labelled_points(self) -> tuple[FloatArray, NDArray[np.uint8]]:
        """Centreline points of all branches that have a territory, (n, 3), and that territory, (n,)."""
        own = [b for b in self.branches if b.territory]
        points = np.concatenate([b.points_mm for b in own])
        return points, np.concatenate([np.full(len(b.points_mm), b.territory, dtype=np.uint8) for b in own])

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "frame": "LPS",
            "unit": "mm",
            "roots": list(self.roots),
            "territories": {str(number): name for number, name in self.territory_names.items()},
            "branches": [b.as_json() for b in self.branches],
        }


CourseCheck = Callable[[FloatArray, float, int], bool]
"""Whether a course (points, radius, region) keeps clear of everything it must not touch."""


@dataclass
class _Chain:
    """Nodes of one branch, from the node it leaves to its last."""

    nodes: list[int]
    parent: int


def branches_of(
    tree: Tree, trunk_names: dict[int, str], stem_names: dict[int, str], clear: CourseCheck
) -> tuple[Branch, ...]:
    """Cut a grown tree at its bifurcations, give the branches smooth courses and tapered radii.

    Parameters
    ----------
    trunk_names
        Names of the branches that serve no single region, by their last node.
    stem_names
        Name of the first branch of each region; those behind it are numbered, 1 for the wider: ``P8.1.2``.
    clear
        A branch whose curved course is not clear stays straight.
    """
    branches: list[Branch] = []
    for number, chain in enumerate(_chains(tree)):
        first, last = chain.nodes[1], chain.nodes[-1]
        # No child is wider than its parent's end, by exactly the share of the flow that it takes.
        above = branches[chain.parent] if chain.parent >= 0 else None
        ends = int(tree.flow[first])
        share = ends / above.ends if above is not None else 1.0
        start = float(above.radii_mm[-1]) * share ** (1 / 3) if above is not None else tree.radius(ends)
        course = _course(tree, chain, curved=True)
        region = int(tree.region[last])
        if not clear(course, start, region):
            course = _course(tree, chain, curved=False)
        if above is not None:
            course[0] = above.points_mm[-1]
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(course, axis=0), axis=1))])
        radii = start * (1 - along * (1 - np.exp(-TAPER_PER_MM * along[-1])) / max(float(along[-1]), 1e-9))
        if region == 0:
            name = trunk_names[last]
        elif above is None or above.territory != region:
            name = stem_names[region]
        else:
            name = f"{above.name}.{1 + sum(b.parent == chain.parent for b in branches)}"
        branches.append(Branch(number, chain.parent, name, region, ends, course, radii))
    return tuple(branches)


def _live(tree: Tree, node: int) -> list[int]:
    """Children that carry flow, the widest first."""
    return sorted((n for n in tree.children[node] if tree.flow[n] > 0), key=lambda n: (-tree.flow[n], n))


def _chains(tree: Tree) -> list[_Chain]:
    chains: list[_Chain] = []
    waiting = [(n, child, -1) for n in range(tree.count) if tree.parent[n] < 0 for child in _live(tree, n)]
    while waiting:
        top, node, parent = waiting.pop(0)
        nodes = [top, node]
        while len(below := _live(tree, node)) == 1 and tree.region[below[0]] == tree.region[node]:
            node = below[0]
            nodes.append(node)
        chains.append(_Chain(nodes, parent))
        waiting += [(node, child, len(chains) - 1) for child in _live(tree, node)]
    return chains


def _course(tree: Tree, chain: _Chain, curved: bool) -> FloatArray:
    """Points at most `STEP_MM` apart through the chain's nodes: straight, or cubic Hermite pieces."""
    places = tree.position[chain.nodes]
    tangents = np.array([_tangent(tree, chain, n) for n in range(len(places))])
    pieces: list[FloatArray] = []
    for n in range(len(places) - 1):
        a, b = places[n], places[n + 1]
        length = float(np.linalg.norm(b - a))
        t = np.linspace(0, 1, max(2, int(np.ceil(1.1 * length / STEP_MM)) + 1))[:-1, None]
        if curved:
            ta, tb = tangents[n] * length, tangents[n + 1] * length
            piece = (
                (2 * t**3 - 3 * t**2 + 1) * a
                + (t**3 - 2 * t**2 + t) * ta
                + (3 * t**2 - 2 * t**3) * b
                + (t**3 - t**2) * tb
            )
        else:
            piece = a + t * (b - a)
        pieces.append(piece)
    return np.round(np.concatenate([*pieces, places[-1:]]), DECIMALS)


def _tangent(tree: Tree, chain: _Chain, n: int) -> FloatArray:
    """Unit direction of the vessel at the chain's n-th node: along the way from its parent to its widest child."""
    node = chain.nodes[n]
    up, below = int(tree.parent[node]), _live(tree, node)
    own = chain.nodes[n + 1] if n + 1 < len(chain.nodes) else None
    before = tree.position[node] - tree.position[up] if up >= 0 else None
    widest = below[0] if below else None
    ahead = tree.position[widest] - tree.position[node] if widest is not None else None
    through = _unit(*(v for v in (before, ahead) if v is not None))
    if n == 0 and own is not None and own != widest:
        # A side branch leaves at its own angle, drawn a little towards the parent's course.
        return _unit(tree.position[own] - tree.position[node], 0.4 * through)
    return through


def _unit(*vectors: FloatArray) -> FloatArray:
    parts = [v / max(float(np.linalg.norm(v)), 1e-9) for v in vectors]
    total = np.sum(parts, axis=0)
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-9))
