"""Connected groups of things that are linked in pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def linked_groups(one: NDArray[np.integer], two: NDArray[np.integer], size: int) -> IntArray:
    """The group of each of ``size`` things, numbered from 0 in the order of their first members.

    In every round each thing joins its smallest neighbour, and every tree that comes of it becomes one thing (Borůvka's
    contraction). All of it is sorting and looking up, during which numpy lets other threads run; scipy's search holds
    Python's lock to its end.

    Parameters
    ----------
    one, two
        Shape (n,): thing ``one[k]`` and thing ``two[k]`` belong together.
    """
    label = np.arange(size, dtype=np.int64)
    low, high = (part.astype(np.int64) for part in (np.minimum(one, two), np.maximum(one, two)))
    while True:
        apart = low != high
        low, high = low[apart], high[apart]
        if not low.size:
            break
        order = np.argsort(high, kind="stable")
        child, other = high[order], low[order]
        first = np.flatnonzero(np.concatenate(([True], child[1:] != child[:-1])))
        parent = np.arange(size, dtype=np.int64)
        parent[child[first]] = np.minimum.reduceat(other, first)
        # Parents are always smaller, so that the jumps end at the smallest thing of each tree.
        while True:
            above = parent[parent]
            if np.array_equal(above, parent):
                break
            parent = above
        label = parent[label]
        one_root, two_root = parent[low], parent[high]
        low, high = np.minimum(one_root, two_root), np.maximum(one_root, two_root)
    # A group's label is its first member.
    # A sum that converts on its way keeps Python's lock until it is over; a sum of numbers of its own kind does not.
    number = np.cumsum((label == np.arange(size)).astype(np.int64)) - 1
    return np.asarray(number[label], dtype=np.int64)
