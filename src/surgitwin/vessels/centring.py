"""Even, smooth middle lines, and the spheres that a vessel holds around their points."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from surgitwin.vessels.net import Edge, Net

FloatArray = NDArray[np.float64]


def threads() -> int:
    """How many threads a search uses: the processor's cores, eight at most."""
    return min(os.cpu_count() or 1, 8)


class Spheres:
    """The largest sphere around a point that holds no background voxel's centre."""

    def __init__(self, wall_mm: FloatArray) -> None:
        from scipy.spatial import cKDTree

        self._search = cKDTree(wall_mm)

    def __call__(self, points_mm: FloatArray) -> FloatArray:
        """Radius around each of ``points_mm`` (n, 3), mm."""
        return np.asarray(self._search.query(points_mm)[0], dtype=np.float64)


def smoothed(net: Net, stiffness: float, trust: dict[int, FloatArray] | None = None) -> dict[int, Edge]:
    """The edges with their voxel steps taken out; forks stay common to all that meet there.

    The least sum of squared moves and of ``stiffness`` times the squared second differences (Whittaker 1923), along
    each edge and through each fork along the two widest vessels. Bends of many points stay as they are.

    Parameters
    ----------
    trust
        How much a move of each point of each edge counts; 1 if left out.
    """
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import splu

    own, places = _numbered(net)
    weights = np.ones(len(places))
    for number, row in own.items() if trust is not None else ():
        weights[row] = (trust or {})[number]
    triples = [np.stack([row[:-2], row[1:-1], row[2:]], axis=1) for row in own.values()]
    triples.append(_through(net, own))
    every = np.concatenate(triples)
    rows = np.repeat(np.arange(len(every)), 3)
    shares = np.tile([1.0, -2.0, 1.0], len(every))
    bend = coo_matrix((shares, (rows, every.reshape(-1))), shape=(len(every), len(places))).tocsr()
    system = (diags(weights) + stiffness * (bend.T @ bend)).tocsc()
    moved = splu(system).solve(weights[:, None] * places)
    return {
        number: Edge(net.edges[number].nodes, moved[row], net.edges[number].radii_mm) for number, row in own.items()
    }


def recentred(net: Net, voxels_mm: FloatArray) -> tuple[dict[int, Edge], dict[int, FloatArray]]:
    """The edges with their points moved to the middle of the vessel, and how far each may be trusted.

    A point moves, at right angles to its line, to the centre of the voxels nearest to it and its four neighbours.
    Inside the sphere of a fork, where vessels share their voxels, points stay and are trusted little.

    Parameters
    ----------
    voxels_mm
        The mask's voxels, LPS mm.
    """
    from scipy.spatial import cKDTree

    sizes = np.array([len(edge.points_mm) for edge in net.edges.values()])
    first = np.cumsum(sizes) - sizes
    points = np.concatenate([edge.points_mm for edge in net.edges.values()])
    nearest = cKDTree(points).query(voxels_mm, workers=threads())[1]
    count = np.bincount(nearest, minlength=len(points)).astype(np.float64)
    total = np.stack(
        [np.bincount(nearest, voxels_mm[:, axis], len(points)).astype(np.float64) for axis in range(3)], axis=1
    )
    edges, trust = {}, {}
    for (number, edge), start in zip(net.edges.items(), first, strict=True):
        own = slice(start, start + len(edge.points_mm))
        held, sums = _window(count[own]), np.stack([_window(total[own, axis]) for axis in range(3)], axis=1)
        at = np.stack([_window(count[own] * edge.points_mm[:, axis]) for axis in range(3)], axis=1)
        move = (sums - at) / np.maximum(held, 1.0)[:, None]
        along = np.gradient(edge.points_mm, axis=0)
        along /= np.maximum(np.linalg.norm(along, axis=1), 1e-9)[:, None]
        move -= np.sum(move * along, axis=1)[:, None] * along
        free = (held > 0) & ~_in_forks(net, edge)
        edges[number] = Edge(edge.nodes, edge.points_mm + np.where(free[:, None], move, 0.0), edge.radii_mm)
        trust[number] = np.where(free, 1.0, 0.1)
    return _with_common_nodes(net, edges), trust


def _window(values: FloatArray) -> FloatArray:
    """Sums over each value and its two neighbours to either side."""
    return np.convolve(values, np.ones(5))[2:-2]


def _in_forks(net: Net, edge: Edge) -> NDArray[np.bool_]:
    inside = np.zeros(len(edge.points_mm), dtype=np.bool_)
    for end in (0, -1):
        if net.degree(edge.nodes[end]) > 1:
            inside |= np.linalg.norm(edge.points_mm - edge.points_mm[end], axis=1) <= 1.2 * edge.radii_mm[end]
    return inside


def _with_common_nodes(net: Net, edges: dict[int, Edge]) -> dict[int, Edge]:
    """Forks lie where they lay, whatever the single edges say."""
    for number, edge in edges.items():
        for end in (0, -1):
            if net.degree(edge.nodes[end]) > 1:
                edge.points_mm[end] = net.edges[number].points_mm[end]
    return edges


def _numbered(net: Net) -> tuple[dict[int, NDArray[np.int64]], FloatArray]:
    """For each edge the numbers of its points, nodes shared; and the points."""
    nodes: dict[int, int] = {}
    places: list[FloatArray] = []
    own = {}
    for number, edge in net.edges.items():
        ends = []
        for node, place in zip(edge.nodes, (edge.points_mm[0], edge.points_mm[-1]), strict=True):
            if node not in nodes:
                nodes[node] = len(places)
                places.append(place)
            ends.append(nodes[node])
        inner = np.arange(len(places), len(places) + len(edge.points_mm) - 2)
        places += list(edge.points_mm[1:-1])
        own[number] = np.concatenate([ends[:1], inner, ends[1:]]).astype(np.int64)
    return own, np.array(places, dtype=np.float64).reshape(-1, 3)


def _through(net: Net, own: dict[int, NDArray[np.int64]]) -> NDArray[np.int64]:
    """Triples across each fork, along the two widest of its edges."""
    found = []
    for node, numbers in net.at.items():
        if len(numbers) < 2:
            continue
        wide = sorted(numbers, key=lambda n: -float(np.median(net.edges[n].radii_mm)))[:2]
        beside = []
        for number in wide:
            row = own[number] if net.edges[number].nodes[0] == node else own[number][::-1]
            beside.append((int(row[0]), int(row[1])))
        found.append((beside[0][1], beside[0][0], beside[1][1]))
    return np.array(found, dtype=np.int64).reshape(-1, 3)


def evenly(points_mm: FloatArray, step_mm: float) -> FloatArray:
    """Points about ``step_mm`` apart along a line, its two ends kept."""
    along = _along(points_mm)
    count = max(round(along[-1] / step_mm), 1) + 1
    at = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(at, along, points_mm[:, axis]) for axis in range(3)], axis=1)


def resampled(edges: dict[int, Edge], step_mm: float, spheres: Spheres) -> dict[int, Edge]:
    """The edges with even points, and their radii measured there."""
    lines = {number: evenly(edge.points_mm, step_mm) for number, edge in edges.items()}
    sizes = np.cumsum([len(line) for line in lines.values()])[:-1]
    radii: Sequence[FloatArray] = np.split(spheres(np.concatenate(list(lines.values()))), sizes)
    return {
        number: Edge(edges[number].nodes, line, own) for (number, line), own in zip(lines.items(), radii, strict=True)
    }


def fit_ends(net: Net, spheres: Spheres, inside: Callable[[FloatArray], NDArray[np.bool_]], step_mm: float) -> None:
    """Let each free end lie where the vessel's spheres begin to shrink: a radius before a flat or round end.

    Thinning leaves ends somewhere between there and the wall.

    Parameters
    ----------
    inside
        Whether places in LPS mm lie in the mask.
    """
    for number, edge in list(net.edges.items()):
        for node in edge.nodes:
            if net.degree(node) == 1:
                line = net.edges[number].leaving(node).turned
                net.edges[number] = _fitted(line, spheres, inside, step_mm)


def _fitted(edge: Edge, spheres: Spheres, inside: Callable[[FloatArray], NDArray[np.bool_]], step_mm: float) -> Edge:
    """An edge with its last point, a free end, moved along its course.

    In a wide vessel thinning runs aside into a corner of the end: the last stretch there is drawn anew, straight.
    """
    fine = 0.25 * step_mm
    points = evenly(edge.points_mm, fine)
    along = _along(points)
    wide = float(np.median(edge.radii_mm[len(edge.radii_mm) // 2 :]))
    look = max(wide, 3.0 * step_mm)
    if wide > 1.5 * step_mm:
        points = points[along <= max(along[-1] - look, 0.5 * along[-1])]
        along = _along(points)
    before = points[int(np.searchsorted(along, along[-1] - look))] if along[-1] > look else points[0]
    away = points[-1] - before
    away /= max(float(np.linalg.norm(away)), 1e-9)
    ahead = points[-1] + np.arange(1, int(np.ceil(3.0 * look / fine)))[:, None] * fine * away
    out = np.flatnonzero(~inside(ahead))
    line = np.concatenate([points, ahead[: out[0] if out.size else None]])
    radii, away_mm = spheres(line), _along(line)
    near = (away_mm >= away_mm[len(points) - 1] - look) & (away_mm <= away_mm[len(points) - 1])
    last = int(np.flatnonzero(radii >= float(np.median(radii[near])) - 0.5 * step_mm)[-1])
    # What was allowed for is taken back: two of the four steps in a voxel.
    line = evenly(line[: max(last - 1, 2)], step_mm)
    return Edge(edge.nodes, line, spheres(line))


def _along(points_mm: FloatArray) -> FloatArray:
    """How far each point lies along a line, mm."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points_mm, axis=0), axis=1))])
