"""Connected groups of things that are linked in pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def linked_groups(one: NDArray[np.integer], two: NDArray[np.integer], size: int) -> IntArray:
    """The group of each of ``size`` things, numbered from 0 in the order of their first members.

    In every round each thing joins one of its smaller neighbours, and every tree that comes of it becomes one thing of
    the next round. All of it is looking up, during which numpy lets other threads run; scipy's search holds Python's
    lock to its end.

    Parameters
    ----------
    one, two
        Shape (n,): thing ``one[k]`` and thing ``two[k]`` belong together.
    """
    index = np.dtype(np.int32 if size < np.iinfo(np.int32).max else np.int64)
    low, high = (pick(one, two).astype(index, copy=False) for pick in (np.minimum, np.maximum))
    rounds: list[NDArray[np.integer]] = []  # what each thing of a round is in the next one
    while True:
        apart = low != high
        low, high = low[apart], high[apart]
        if not low.size:
            break
        itself = np.arange(size, dtype=index)
        parent = itself.copy()
        parent[high] = low
        # Parents are always smaller, so that the jumps end at the smallest thing of each tree.
        while True:
            above = parent[parent]
            if np.array_equal(above, parent):
                break
            parent = above
        # Trees are numbered as their smallest things follow each other. A sum that converts on its way keeps Python's
        # lock until it is over; a sum of numbers of its own kind does not.
        number = np.cumsum((parent == itself).astype(index), dtype=index) - index.type(1)
        group = number[parent]
        rounds.append(group)
        size = int(number[-1]) + 1
        low, high = group[low], group[high]
        low, high = np.minimum(low, high), np.maximum(low, high)
    label = np.arange(size, dtype=np.int64)
    for group in reversed(rounds):
        label = label[group]
    return label
