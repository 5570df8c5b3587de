"""Counting values of large label arrays without a copy of eight times their size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PIECE = 1 << 20


def value_counts(labels: NDArray[Any], minlength: int = 0) -> NDArray[np.int64]:
    """How often each value occurs, as `numpy.bincount` says.

    `numpy.bincount` turns what it is given into 64-bit numbers first: 800 MB for 100 million voxels. This does it piece
    by piece.

    Parameters
    ----------
    labels
        Unsigned integers of any shape, contiguous.
    minlength
        The result is at least this long.
    """
    flat = labels.reshape(-1)
    longest = int(flat.max()) + 1 if flat.size else 0
    counts = np.zeros(max(longest, minlength), dtype=np.int64)
    for start in range(0, flat.size, PIECE):
        part = np.bincount(flat[start : start + PIECE])
        counts[: len(part)] += part
    return counts
