"""Loops over the voxels of an organ that run for every move of a cut: compiled.

Import this module only where it is needed: it compiles, or loads what was compiled.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from surgitwin.core.compiled import compiled


def _given(kind: Any, dimensions: int) -> Any:
    """What another process sent may not be written to."""
    return numba.types.Array(kind, dimensions, "C", readonly=True)


_BOOL, _F64 = _given(numba.boolean, 1), _given(numba.float64, 1)
_MANY = 32
_BYTES_3D = _given(numba.uint8, 3)  # masks, of which loops look at many voxels at a time
_U16, _I32, _I64 = _given(numba.uint16, 1), _given(numba.int32, 1), _given(numba.int64, 1)


@compiled([numba.void(_BOOL, _BOOL, kind, _BOOL, numba.int64[::1]) for kind in (_U16, _I32)])
def count_lost(gone: Any, tumour: Any, feeding: Any, lost: Any, counts: Any) -> None:  # pragma: no cover
    """Write how many voxels are kept but fed by a lost point, and how many of these are no tumour."""
    without, healthy = 0, 0
    for voxel in range(gone.shape[0]):  # without a branch, which takes twice as long
        found = (1 - numba.int64(gone[voxel])) & numba.int64(lost[feeding[voxel]])
        without += found
        healthy += found & (1 - numba.int64(tumour[voxel]))
    counts[0], counts[1] = without, healthy


@compiled(
    [
        numba.void(_BOOL, _BOOL, first, _BOOL, second, _BOOL, numba.int64[::1])
        for first in (_U16, _I32)
        for second in (_U16, _I32)
    ]
)
def count_lost_of_two(
    gone: Any, tumour: Any, feeding_a: Any, lost_a: Any, feeding_b: Any, lost_b: Any, counts: Any
) -> None:  # pragma: no cover
    """`count_lost` of two systems at once: all and healthy of the first, of the second, and healthy of either."""
    all_a, healthy_a, all_b, healthy_b, either = 0, 0, 0, 0, 0
    for voxel in range(gone.shape[0]):  # without a branch, which takes twice as long
        kept = 1 - numba.int64(gone[voxel])
        healthy = 1 - numba.int64(tumour[voxel])
        a = kept & numba.int64(lost_a[feeding_a[voxel]])
        b = kept & numba.int64(lost_b[feeding_b[voxel]])
        all_a += a
        all_b += b
        healthy_a += a & healthy
        healthy_b += b & healthy
        either += (a | b) & healthy
    counts[0], counts[1], counts[2], counts[3], counts[4] = all_a, healthy_a, all_b, healthy_b, either


@compiled([numba.void(_BOOL, kind, _BOOL, numba.boolean[::1]) for kind in (_U16, _I32)])
def mark_lost(gone: Any, feeding: Any, lost: Any, found: Any) -> None:  # pragma: no cover
    """Mark the voxels that are kept but fed by a lost point."""
    for voxel in range(gone.shape[0]):
        found[voxel] = lost[feeding[voxel]] and not gone[voxel]


@compiled(numba.int64(_BYTES_3D, numba.int64, numba.int64[::1], numba.int64[::1], numba.int64[::1]))
def mask_runs(mask: Any, origin: Any, first: Any, low: Any, high: Any) -> Any:  # pragma: no cover
    """The runs along i of each row of a mask: ``low`` <= i < ``high``, as far as there is room; how many there are.

    ``first`` gets the number of the first run of each row, and that of all runs at its end.
    """
    count, row = 0, 0
    room, wide = low.shape[0], mask.shape[2]
    for k in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            first[row] = count
            row += 1
            line = mask[k, j]
            inside = line[0] != 0
            if inside and count < room:
                low[count] = origin
            for begin in range(1, wide, _MANY):
                before, after = line[begin - 1 : begin + _MANY - 1], line[begin : begin + _MANY]
                changes = 0  # counted first, many voxels at a time: most pieces of a row have none
                for n in range(after.shape[0]):
                    changes += before[n] ^ after[n]
                n = 0
                while changes > 0:
                    if (after[n] != 0) != inside:
                        changes -= 1
                        if inside:
                            if count < room:
                                high[count] = origin + begin + n
                            count += 1
                        elif count < room:
                            low[count] = origin + begin + n
                        inside = not inside
                    n += 1
            if inside:
                if count < room:
                    high[count] = origin + wide
                count += 1
    first[row] = count
    return count


@compiled(numba.int64(_BYTES_3D, _BYTES_3D, _I64, _I64, _F64, _F64, numba.float64, numba.int32[:, ::1]))
def borders(
    organ: Any, gone: Any, low: Any, high: Any, centre: Any, spacing: Any, radius: Any, found: Any
) -> Any:  # pragma: no cover
    """Faces between a removed voxel of the organ and a kept one beside it, both with ``low`` <= (i, j, k) < ``high``.

    Writes i, j, k of the removed one and of the kept one as far as there is room, and returns how many there are. Only
    those are counted whose middle is within ``radius`` mm of ``centre`` (i, j, k).
    """
    count = 0
    room = found.shape[0]
    for k in range(low[2], high[2]):
        for j in range(low[1], high[1]):
            for axis in range(3):
                di, dj, dk = int(axis == 0), int(axis == 1), int(axis == 2)
                if j + dj >= high[1] or k + dk >= high[2]:
                    continue
                organ_here = organ[k, j, low[0] : high[0] - di]
                organ_there = organ[k + dk, j + dj, low[0] + di : high[0]]
                gone_here = gone[k, j, low[0] : high[0] - di]
                gone_there = gone[k + dk, j + dj, low[0] + di : high[0]]
                some = 0  # counted first, many voxels at a time: most rows have few
                for n in range(organ_here.shape[0]):
                    some += organ_here[n] & organ_there[n] & (gone_here[n] ^ gone_there[n])
                n = 0
                while some > 0:
                    if organ_here[n] & organ_there[n] & (gone_here[n] ^ gone_there[n]):
                        some -= 1
                        i = low[0] + n
                        x = (i + 0.5 * di - centre[0]) * spacing[0]
                        y = (j + 0.5 * dj - centre[1]) * spacing[1]
                        z = (k + 0.5 * dk - centre[2]) * spacing[2]
                        if x * x + y * y + z * z <= radius * radius:
                            if count < room:
                                one, other = (0, 3) if gone_here[n] else (3, 0)
                                found[count, one], found[count, one + 1], found[count, one + 2] = i, j, k
                                found[count, other], found[count, other + 1] = i + di, j + dj
                                found[count, other + 2] = k + dk
                            count += 1
                    n += 1
    return count


@compiled(
    numba.int64(_I64, _F64, _BOOL, numba.int64, numba.int64, numba.int64[::1], numba.int64[::1], numba.int64[::1])
)
def intervals_between(
    rows: Any, at: Any, goes: Any, start: Any, stop: Any, first: Any, low: Any, high: Any
) -> Any:  # pragma: no cover
    """Where rows lie on the side that goes: sides alternate from one crossing to the next.

    Parameters are the row and the place of each crossing, in any order, and whether each row begins, before voxel
    ``start``, on the side that goes. Writes the intervals ``low`` <= i < ``high``, those of row r from ``first[r]`` on,
    and returns how many there are. There must be room for one a row and one for each crossing.
    """
    count = len(goes)
    first[:] = 0
    for n in range(rows.shape[0]):
        first[rows[n] + 1] += 1
    for row in range(count):
        first[row + 1] += first[row]
    filled = np.zeros(count, dtype=np.int64)
    places = np.empty(rows.shape[0])
    for n in range(rows.shape[0]):
        row = rows[n]
        slot = first[row] + filled[row]
        filled[row] += 1
        while slot > first[row] and places[slot - 1] > at[n]:
            places[slot] = places[slot - 1]
            slot -= 1
        places[slot] = at[n]
    found, begin = 0, 0
    for row in range(count):
        end = first[row + 1]
        first[row] = found
        inside = goes[row]
        from_ = start
        for n in range(begin, end + 1):
            border = stop
            if n < end:
                # The first voxel beyond the crossing, and the first that is not before it: alike but for one on it.
                place = places[n]
                border = min(max(int(np.ceil(place)), start), stop)
                if inside and border > from_:
                    low[found], high[found] = from_, border
                    found += 1
                from_ = min(max(int(np.floor(place)) + 1, start), stop)
                inside = not inside
            elif inside and border > from_:
                low[found], high[found] = from_, border
                found += 1
        begin = end
    first[count] = found
    return found
