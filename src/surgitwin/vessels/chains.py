"""Line voxels sorted into forks and the chains between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NEIGHBOUR = 1.8  # voxels that share a corner
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Chains:
    """Line voxels sorted into forks (three neighbours or more) and the chains between them.

    Attributes
    ----------
    points
        (n, 3) [k, j, i].
    fork_of
        The fork of each voxel, -1 on a chain.
    forks
        The middle of each fork, (f, 3).
    chains
        The voxels of each chain in order, as positions in ``points``.
    touches
        The forks at the first and at the last voxel of each chain.
    """

    points: IntArray
    fork_of: IntArray
    forks: NDArray[np.float64]
    chains: list[IntArray]
    touches: list[tuple[IntArray, IntArray]]

    @staticmethod
    def of(points: IntArray) -> Chains:
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components
        from scipy.spatial import cKDTree

        count = len(points)
        pairs = cKDTree(points).query_pairs(_NEIGHBOUR, output_type="ndarray") if count else np.zeros((0, 2), np.int64)
        degree = np.bincount(pairs.reshape(-1), minlength=count)
        is_fork = degree >= 3

        def groups(chosen: NDArray[np.bool_]) -> IntArray:
            own = pairs[chosen[pairs[:, 0]] & chosen[pairs[:, 1]]]
            matrix = coo_matrix((np.ones(len(own)), (own[:, 0], own[:, 1])), shape=(count, count))
            _, found = connected_components(matrix, directed=False)
            labels = np.full(count, -1, dtype=np.int64)
            labels[chosen] = np.unique(found[chosen], return_inverse=True)[1]
            return labels

        fork_of, chain_of = groups(is_fork), groups(~is_fork)
        fork_count = int(fork_of.max(initial=-1)) + 1
        forks = np.zeros((fork_count, 3))
        for axis in range(3):
            sums = np.bincount(fork_of[is_fork], weights=points[is_fork, axis], minlength=fork_count)
            forks[:, axis] = sums / np.maximum(np.bincount(fork_of[is_fork], minlength=fork_count), 1)
        neighbours: list[list[int]] = [[] for _ in range(count)]
        for a, b in pairs.tolist():
            neighbours[a].append(b)
            neighbours[b].append(a)
        order = np.argsort(chain_of, kind="stable")
        order = order[np.searchsorted(chain_of[order], 0) :]
        members = np.split(order, np.flatnonzero(np.diff(chain_of[order])) + 1) if order.size else []
        chains, touches = [], []
        for own in members:
            chain = _in_order(own.tolist(), neighbours, fork_of)
            chains.append(np.array(chain, dtype=np.int64))
            touches.append(_touching(chain, neighbours, fork_of))
        return Chains(points, fork_of, forks, chains, touches)


def _in_order(own: list[int], neighbours: list[list[int]], fork_of: IntArray) -> list[int]:
    """The chain's voxels from one end to the other."""
    inside = set(own)
    start = next((v for v in own if sum(n in inside for n in neighbours[v]) <= 1), own[0])
    chain, seen = [start], {start}
    while following := [n for n in neighbours[chain[-1]] if n in inside and n not in seen]:
        chain.append(following[0])
        seen.add(following[0])
    return chain


def _touching(chain: list[int], neighbours: list[list[int]], fork_of: IntArray) -> tuple[IntArray, IntArray]:
    """Forks at both ends; those of a chain of one voxel are dealt out to its two ends."""
    first, last = ({int(fork_of[n]) for n in neighbours[v] if fork_of[n] >= 0} for v in (chain[0], chain[-1]))
    if len(chain) == 1:
        every = sorted(first)
        first, last = set(every[:1]), set(every[1:])
    return np.array(sorted(first), dtype=np.int64), np.array(sorted(last), dtype=np.int64)
