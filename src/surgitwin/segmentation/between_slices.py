"""Fill between slices: a structure drawn in some slices, and shaped in the slices between them.

Shape-based interpolation (S. P. Raya, J. K. Udupa, IEEE Trans Med Imaging 1990;9:32-42): the signed distance to the
outline is interpolated and its inside taken. Parts of neighbouring slices that overlap are interpolated together, so
that a structure may branch; a part that has moved on without overlap is shifted along the line between the centres.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.runs import Mask

Axis = Literal["i", "j", "k"]
_AXES: dict[Axis, int] = {"k": 0, "j": 1, "i": 2}
FloatArray = NDArray[np.float32]


def fill_between_slices(mask: Mask, geometry: Geometry, axis: Axis | None = None, ctx: Context | None = None) -> Mask:
    """``mask`` with its empty slices filled; slices that hold something of it stay as they are.

    Parameters
    ----------
    axis
        Grid axis across which the slices were drawn; None: the one with gaps, and of several the one with the fewest
        drawn slices.

    Raises
    ------
    BadInput
        If the mask is empty, or has no gap between drawn slices.
    """
    ctx = ctx or Context()
    if not mask.any():
        raise BadInput(tr("The segment is empty: draw it in at least two slices first."))
    along = _AXES[axis] if axis is not None else _axis_with_gaps(mask)
    stack = np.moveaxis(mask, along, 0)
    drawn = np.flatnonzero(stack.any(axis=(1, 2)))
    gaps = [(int(a), int(b)) for a, b in pairwise(drawn) if b - a > 1]
    if not gaps:
        raise BadInput(tr("There is no gap to fill: the segment is drawn in neighbouring slices only."))
    spacings = [s for n, s in enumerate(geometry.spacing_mm[::-1]) if n != along]
    filled = mask.copy()
    target = np.moveaxis(filled, along, 0)
    for number, (a, b) in enumerate(gaps):
        ctx.progress(number / len(gaps), tr("Filling between slices"))
        ctx.check()
        steps = np.arange(1, b - a) / (b - a)
        target[a + 1 : b] = _between(stack[a], stack[b], steps, (spacings[0], spacings[1]))
    return filled


def _axis_with_gaps(mask: Mask) -> int:
    best, fewest = None, 0
    for along in range(3):
        others = tuple(n for n in range(3) if n != along)
        drawn = np.flatnonzero(mask.any(axis=others))
        if len(drawn) > 1 and drawn[-1] - drawn[0] + 1 > len(drawn) and (best is None or len(drawn) < fewest):
            best, fewest = along, len(drawn)
    if best is None:
        raise BadInput(tr("There is no gap to fill: the segment is drawn in neighbouring slices only."))
    return best


@dataclass(frozen=True, eq=False)
class _Pair:
    """What belongs together in two slices."""

    first: Mask
    second: Mask
    shift: NDArray[np.float64]  # pixels from the first to the second, zero where they overlap


def _between(first: Mask, second: Mask, steps: NDArray[np.float64], spacing: tuple[float, float]) -> Mask:
    """The slices at fractions of the way from the first to the second."""
    from scipy.ndimage import shift as shifted

    result = np.zeros((len(steps), *first.shape), dtype=np.bool_)
    for pair in _pairs(first, second):
        inside, outside = _signed(pair.first, spacing), _signed(pair.second, spacing)
        for number, step in enumerate(steps):
            one, other = inside, outside
            if pair.shift.any():
                # Each is moved to where the structure is at this step; beyond the border it counts as far outside.
                far = -float(np.hypot(*first.shape) * max(spacing))
                one = shifted(inside, pair.shift * step, order=1, mode="constant", cval=far)
                other = shifted(outside, -pair.shift * (1 - step), order=1, mode="constant", cval=far)
            result[number] |= (1 - step) * one + step * other > 0
    return result


def _signed(mask: Mask, spacing: tuple[float, float]) -> FloatArray:
    """Distance to the outline in mm, which runs half-way between pixels: positive inside."""
    from scipy.ndimage import distance_transform_edt

    half = min(spacing) / 2
    inside = distance_transform_edt(np.pad(mask, 1), sampling=spacing)[1:-1, 1:-1]
    outside = distance_transform_edt(~mask, sampling=spacing)
    return np.asarray(np.where(mask, inside - half, half - outside), dtype=np.float32)


def _pairs(first: Mask, second: Mask) -> list[_Pair]:
    """Groups of overlapping parts; then what is left, the nearest first."""
    from scipy.ndimage import label

    near = np.ones((3, 3))
    a, count_a = label(first, near)
    b, count_b = label(second, near)
    groups = list(range(count_a + count_b))

    def root(n: int) -> int:
        while groups[n] != n:
            n = groups[n]
        return n

    both = np.unique(np.stack([a[first & second], b[first & second]], axis=1), axis=0)
    for one, other in both:
        groups[root(int(one) - 1)] = root(count_a + int(other) - 1)
    members: dict[int, tuple[list[int], list[int]]] = {}
    for n in range(count_a + count_b):
        mine, yours = members.setdefault(root(n), ([], []))
        (mine.append(n + 1) if n < count_a else yours.append(n - count_a + 1))
    none = np.zeros(2)
    pairs = [_Pair(np.isin(a, m), np.isin(b, y), none) for m, y in members.values() if m and y]
    lone_a = [np.isin(a, m) for m, y in members.values() if not y]
    lone_b = [np.isin(b, y) for m, y in members.values() if not m]
    while lone_a and lone_b:
        centres_a = [np.argwhere(m).mean(axis=0) for m in lone_a]
        centres_b = [np.argwhere(m).mean(axis=0) for m in lone_b]
        apart = np.array([[np.linalg.norm(p - q) for q in centres_b] for p in centres_a])
        n, m = (int(x) for x in np.unravel_index(int(apart.argmin()), apart.shape))
        pairs.append(_Pair(lone_a.pop(n), lone_b.pop(m), centres_b[m] - centres_a[n]))
    return pairs
