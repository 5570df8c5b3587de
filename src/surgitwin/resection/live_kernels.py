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


_BOOL, _BOOL_3D, _F64, _F64_2D = (
    _given(numba.boolean, 1),
    _given(numba.boolean, 3),
    _given(numba.float64, 1),
    _given(numba.float64, 2),
)
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


@compiled([numba.void(_BOOL, kind, _BOOL, numba.boolean[::1]) for kind in (_U16, _I32)])
def mark_lost(gone: Any, feeding: Any, lost: Any, found: Any) -> None:  # pragma: no cover
    """Mark the voxels that are kept but fed by a lost point."""
    for voxel in range(gone.shape[0]):
        found[voxel] = lost[feeding[voxel]] and not gone[voxel]


@compiled(numba.int64(_BOOL_3D, numba.int64, numba.int64[::1], numba.int64[::1], numba.int64[::1]))
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
            changes = 0  # counted first, many voxels at a time: most rows have few
            for i in range(1, wide):
                changes += mask[k, j, i] != mask[k, j, i - 1]
            inside = wide > 0 and mask[k, j, 0]
            if inside and count < room:
                low[count] = origin
            i = 1
            while changes > 0:
                if mask[k, j, i] != inside:
                    changes -= 1
                    if inside:
                        if count < room:
                            high[count] = origin + i
                        count += 1
                    elif count < room:
                        low[count] = origin + i
                    inside = not inside
                i += 1
            if inside:
                if count < room:
                    high[count] = origin + wide
                count += 1
    first[row] = count
    return count


@compiled(numba.int64(_BOOL_3D, _BOOL_3D, _I64, _I64, numba.int64[:, ::1]))
def borders(organ: Any, gone: Any, low: Any, high: Any, found: Any) -> Any:  # pragma: no cover
    """Faces between a removed voxel of the organ and a kept one beside it, both with ``low`` <= (i, j, k) < ``high``.

    Writes i, j, k of the removed one and of the kept one as far as there is room, and returns how many there are.
    """
    count = 0
    room = found.shape[0]
    for axis in range(3):
        di, dj, dk = int(axis == 0), int(axis == 1), int(axis == 2)
        for k in range(low[2], high[2] - dk):
            for j in range(low[1], high[1] - dj):
                last = high[0] - di
                some = 0  # counted first, many voxels at a time: most rows have few
                for i in range(low[0], last):
                    both = organ[k, j, i] & organ[k + dk, j + dj, i + di]
                    some += both & (gone[k, j, i] ^ gone[k + dk, j + dj, i + di])
                i = low[0]
                while some > 0:
                    if organ[k, j, i] and organ[k + dk, j + dj, i + di]:
                        here = gone[k, j, i]
                        if gone[k + dk, j + dj, i + di] != here:
                            some -= 1
                            if count < room:
                                one, other = (0, 3) if here else (3, 0)
                                found[count, one], found[count, one + 1], found[count, one + 2] = i, j, k
                                found[count, other], found[count, other + 1], found[count, other + 2] = (
                                    i + di,
                                    j + dj,
                                    k + dk,
                                )
                            count += 1
                    i += 1
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
