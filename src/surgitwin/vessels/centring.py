"""Even, smooth middle lines, and the spheres that a vessel holds around their points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surgitwin.vessels.net import Edge, Net

FloatArray = NDArray[np.float64]


class Spheres:
    """The largest sphere around a point that holds no background voxel's centre."""

    def __init__(self, wall_mm: FloatArray) -> None:
        from scipy.spatial import cKDTree

        self._search = cKDTree(wall_mm)

    def __call__(self, points_mm: FloatArray) -> FloatArray:
        """Radius around each of ``points_mm`` (n, 3), mm."""
        return np.asarray(self._search.query(points_mm)[0], dtype=np.float64)


def smoothed(net: Net, stiffness: float) -> dict[int, Edge]:
    """The edges with their voxel steps taken out; forks stay common to all that meet there.

    The least sum of squared moves and of ``stiffness`` times the squared second differences (Whittaker 1923), along
    each edge and through each fork along the two widest vessels. Bends of many points stay as they are.
    """
    from scipy.sparse import coo_matrix, identity
    from scipy.sparse.linalg import splu

    own, places = _numbered(net)
    triples = [np.stack([row[:-2], row[1:-1], row[2:]], axis=1) for row in own.values()]
    triples.append(_through(net, own))
    every = np.concatenate(triples)
    rows = np.repeat(np.arange(len(every)), 3)
    weights = np.tile([1.0, -2.0, 1.0], len(every))
    bend = coo_matrix((weights, (rows, every.reshape(-1))), shape=(len(every), len(places))).tocsr()
    system = (identity(len(places)) + stiffness * (bend.T @ bend)).tocsc()
    moved = splu(system).solve(places)
    return {
        number: Edge(net.edges[number].nodes, moved[row], net.edges[number].radii_mm) for number, row in own.items()
    }


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
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points_mm, axis=0), axis=1))])
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
