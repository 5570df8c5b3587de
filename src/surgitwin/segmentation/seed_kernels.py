"""The compiled part of growing from seeds: shortest paths from many seeds at once, by sweeps over rows of voxels.

Dijkstra's order costs a cache miss for nearly every neighbour. Here each row takes over whatever is shorter through
its eight neighbouring rows, many voxels at a time, then along itself, until no row changes any more (Bellman and Ford).
A row looks only at neighbours that changed since. The shortest distances do not depend on the order, so that rows may
be worked on by several threads, and after an edit only where something changes.

A voxel's *key* is its distance times 256 plus its label, so that one comparison finds the smallest distance and, of
equal ones, the smallest label. All grids have a rim of one voxel whose keys are `UNREACHED`: no path comes from there.

Import this module only where it is needed: it compiles, or loads what was compiled.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from surgitwin.core.compiled import compiled

UNREACHED = 0xC0000000  # so high that the cost of a step can be added without an overflow; its label is 0
# Of a row: nine flags for the neighbouring rows that changed (its own, the fifth, is not used), and two more.
WAITING, ALONG, FLAGS = 9, 10, 16
PART = 32  # voxels of a row whose labels are looked at, or left alone, together

_I16 = numba.int16[::1]
_I32 = numba.int32[::1]
_I64 = numba.int64[::1]
_U8 = numba.uint8[::1]
_U32 = numba.uint32[::1]
_VOLUME = numba.uint8[:, :, ::1]


@compiled(numba.void(_U32, _I16, _U32, _I16, numba.int64, numba.int32))
def pull(best: Any, values: Any, keys: Any, image: Any, count: Any, scale: Any) -> None:  # pragma: no cover
    """Shorten the ``best`` keys of a row by steps from another; ``keys`` and ``image`` begin one voxel earlier."""
    for x in range(count):
        value = np.int32(values[x])
        key = best[x]
        a, b, c = np.int32(image[x] - value), np.int32(image[x + 1] - value), np.int32(image[x + 2] - value)
        key = min(key, np.uint32(keys[x] + np.uint32(np.int32(max(a, np.int32(-a)) * scale) + 256)))
        key = min(key, np.uint32(keys[x + 1] + np.uint32(np.int32(max(b, np.int32(-b)) * scale) + 256)))
        key = min(key, np.uint32(keys[x + 2] + np.uint32(np.int32(max(c, np.int32(-c)) * scale) + 256)))
        best[x] = key


@compiled(numba.void(_U32, _I16, numba.int64, numba.int32))
def along(best: Any, values: Any, count: Any, scale: Any) -> None:  # pragma: no cover
    """Shorten the keys of a row by steps within it, forwards and back."""
    key, before = best[0], np.int32(values[0])
    for x in range(1, count):
        value = np.int32(values[x])
        step = np.int32(value - before)
        key = min(best[x], np.uint32(key + np.uint32(np.int32(max(step, np.int32(-step)) * scale) + 256)))
        best[x] = key
        before = value
    for x in range(count - 2, -1, -1):
        value = np.int32(values[x])
        step = np.int32(value - before)
        key = min(best[x], np.uint32(key + np.uint32(np.int32(max(step, np.int32(-step)) * scale) + 256)))
        best[x] = key
        before = value


@compiled(numba.boolean(_U32, _U32, numba.int64))
def differs(first: Any, second: Any, count: Any) -> bool:  # pragma: no cover
    """Whether two rows differ."""
    bits = np.uint32(0)
    for x in range(count):
        bits |= first[x] ^ second[x]
    return bits != 0  # type: ignore[no-any-return]


@compiled(numba.void(_I16, _U32, _VOLUME, numba.int64, numba.int64, numba.int64, numba.int64, _U32, numba.int32))
def sweep(
    image: Any, keys: Any, flags: Any, stride: Any, count: Any, start: Any, stop: Any, best: Any, scale: Any
) -> None:  # pragma: no cover
    """Sweep the planes from ``start`` up to ``stop``, and back; what changes is flagged, in the planes beside too.

    Parameters
    ----------
    image, keys
        Flat, of one grid with its rim; rows are ``stride`` apart and have ``count`` voxels within the rim.
    best
        Room for one row.
    scale
        What a difference of 1 adds to a key.
    """
    rows = flags.shape[1]
    for turn in range(2):
        for at in range(start, stop):
            k = at if turn == 0 else start + stop - 1 - at
            for way in range(2):
                for n in range(1, rows - 1):
                    j = n if way == 0 else rows - 1 - n
                    if flags[k, j, 9] == 0:
                        continue
                    flags[k, j, 9] = 0
                    first = (k * rows + j) * stride
                    row, values = keys[first + 1 : first + 1 + count], image[first + 1 : first + 1 + count]
                    for x in range(count):
                        best[x] = row[x]
                    for side in range(9):
                        if flags[k, j, side]:
                            flags[k, j, side] = 0
                            other = first + ((side // 3 - 1) * rows + side % 3 - 1) * stride
                            end = other + count + 2
                            pull(best, values, keys[other:end], image[other:end], count, scale)
                    if flags[k, j, 10] == 0 and not differs(best, row, count):
                        continue
                    flags[k, j, 10] = 0
                    along(best, values, count, scale)
                    for x in range(count):
                        row[x] = best[x]
                    for side in range(9):
                        if side != 4:
                            flags[k + side // 3 - 1, j + side % 3 - 1, 8 - side] = 1
                            flags[k + side // 3 - 1, j + side % 3 - 1, 9] = 1


@compiled(numba.int64(_I16, _U32, _VOLUME, numba.int64, _I64, _I64, numba.int64, numba.int32))
def forget(
    image: Any, keys: Any, flags: Any, stride: Any, steps: Any, lost: Any, count: Any, scale: Any
) -> int:  # pragma: no cover
    """Clear every voxel whose path may come through one of the first ``count`` voxels of ``lost``, those included.

    ``lost`` has room for every voxel; the ones found are added to it. A path may come through a neighbour if the keys
    say that the step from there is the last of a shortest one. The rows of all are flagged. Returns how many there are.
    """
    old = np.empty(lost.size, dtype=np.uint32)
    rows = flags.shape[1]
    for n in range(count):
        old[n] = keys[lost[n]]
        keys[lost[n]] = np.uint32(0xC0000000)
    at = 0
    while at < count:
        voxel = lost[at]
        key = np.int64(old[at])
        at += 1
        value = np.int64(image[voxel])
        row = voxel // stride
        for flag in range(11):
            flags[row // rows, row % rows, flag] = 1
        for way in range(steps.size):
            other = voxel + steps[way]
            known = np.int64(keys[other])
            if known == 0xC0000000 or known <= key:
                continue
            if known == key + 256 + abs(np.int64(image[other]) - value) * scale:
                old[count] = keys[other]
                keys[other] = np.uint32(0xC0000000)
                lost[count] = other
                count += 1
    return count  # type: ignore[no-any-return]


@compiled(numba.void(_U32, _VOLUME, numba.int64, _VOLUME, _VOLUME, numba.int64, numba.int64))
def read(
    keys: Any, flags: Any, stride: Any, labels: Any, changed: Any, start: Any, stop: Any
) -> None:  # pragma: no cover
    """Bring the planes of ``labels`` up to date, and mark the parts of their rows that changed."""
    rows = flags.shape[1]
    for k in range(start, stop):
        for j in range(labels.shape[1]):
            first = ((k + 1) * rows + j + 1) * stride + 1
            row = keys[first : first + labels.shape[2]]
            mine = labels[k, j]
            for part in range(changed.shape[2]):
                bits = np.uint8(0)
                for x in range(part * 32, min(part * 32 + 32, labels.shape[2])):
                    label = np.uint8(row[x])
                    bits |= label ^ mine[x]
                    mine[x] = label
                if bits != 0:
                    changed[k, j, part] = 1


@compiled(numba.int64(_I16, numba.int64, numba.int64, numba.int64, numba.int64))
def steepest(image: Any, rows: Any, stride: Any, count: Any, step: Any) -> int:  # pragma: no cover
    """The largest sum of differences along a line with ``step`` between its voxels, of those that go through an image.

    The image lies flat, with its rim; its last axis has ``count`` voxels.
    """
    planes = image.size // (rows * stride)
    sums = np.zeros(rows * stride if step == rows * stride else stride, dtype=np.int64)
    most: Any = np.int64(0)
    if step == 1:
        for row in range(rows * planes):
            total = np.int64(0)
            first = row * stride + 1
            for x in range(1, count):
                total += abs(np.int64(image[first + x]) - np.int64(image[first + x - 1]))
            most = max(most, total)
    elif step == stride:
        for k in range(1, planes - 1):
            sums[:] = 0
            for j in range(2, rows - 1):
                first = (k * rows + j) * stride
                for x in range(1, count + 1):
                    sums[x] += abs(np.int64(image[first + x]) - np.int64(image[first + x - stride]))
            most = max(most, sums.max())
    else:
        for k in range(2, planes - 1):
            for j in range(1, rows - 1):
                first = (k * rows + j) * stride
                for x in range(1, count + 1):
                    sums[j * stride + x] += abs(np.int64(image[first + x]) - np.int64(image[first + x - step]))
        most = sums.max()
    return most  # type: ignore[no-any-return]


@compiled(
    numba.void(
        *(_VOLUME, _VOLUME, _I16, numba.int64, _VOLUME, numba.int64[:, ::1], _I32, _VOLUME, _VOLUME),
        *(numba.int64, numba.int64),
    )
)
def vote(
    labels: Any,
    seeds: Any,
    image: Any,
    stride: Any,
    wanted: Any,
    asked: Any,
    alike: Any,
    result: Any,
    changed: Any,
    start: Any,
    stop: Any,
) -> None:  # pragma: no cover
    """Give each voxel at a border, in the ``wanted`` parts of rows of some planes, the label that prevails around it.

    Parameters
    ----------
    asked
        Of each voxel that is asked: where it lies from the voxel, along k, j, i, and what it counts, more than 0.
    alike
        What a voxel counts by its difference, more than 0; where it ends, the rest counts nothing.
    result, changed
        Brought up to date, and the parts of rows marked that changed. Seeds keep their labels.
    """
    planes, rows, count = labels.shape
    votes = np.zeros(256, dtype=np.int64)
    present = np.empty(256, dtype=np.int64)
    other = np.empty(count, dtype=np.uint8)
    flat = labels.reshape(-1)
    reach = 0
    in_labels, in_image = np.empty(len(asked), dtype=np.int64), np.empty(len(asked), dtype=np.int64)
    for n in range(len(asked)):
        reach = max(reach, abs(asked[n, 0]), abs(asked[n, 1]), abs(asked[n, 2]))
        in_labels[n] = (asked[n, 0] * rows + asked[n, 1]) * count + asked[n, 2]
        in_image[n] = (asked[n, 0] * (rows + 2) + asked[n, 1]) * stride + asked[n, 2]
    for k in range(start, stop):
        for j in range(rows):
            any_wanted = np.uint8(0)
            for part in range(wanted.shape[2]):
                any_wanted |= wanted[k, j, part]
            if any_wanted == 0:
                continue
            own, fixed, made = labels[k, j], seeds[k, j], result[k, j]
            other[:] = 0
            for kk in range(max(k - 1, 0), min(k + 2, planes)):
                for jj in range(max(j - 1, 0), min(j + 2, rows)):
                    beside = labels[kk, jj]
                    for x in range(count):
                        other[x] |= own[x] ^ beside[x]
            inside = reach <= k < planes - reach and reach <= j < rows - reach
            for i in range(count):
                if wanted[k, j, i // 32] == 0:
                    continue
                low, high = max(i - 1, 0), min(i + 1, count - 1)
                label = own[i]
                at_border = other[low] | other[i] | other[high] | (own[low] ^ label) | (own[high] ^ label)
                if at_border != 0 and fixed[i] == 0:
                    place, voxel = (k * rows + j) * count + i, ((k + 1) * (rows + 2) + j + 1) * stride + i + 1
                    value = np.int64(image[voxel])
                    safe = inside and reach <= i < count - reach
                    total = 0
                    for n in range(len(asked)):
                        if not safe:
                            kk, jj, ii = k + asked[n, 0], j + asked[n, 1], i + asked[n, 2]
                            if not (0 <= kk < planes and 0 <= jj < rows and 0 <= ii < count):
                                continue
                        step = abs(np.int64(image[voxel + in_image[n]]) - value)
                        if step < alike.size:
                            party = flat[place + in_labels[n]]
                            if votes[party] == 0:
                                present[total] = party
                                total += 1
                            votes[party] += asked[n, 3] * alike[step]
                    best = np.int64(label)
                    for n in range(total):
                        if votes[present[n]] > votes[best]:
                            best = present[n]
                    for n in range(total):
                        votes[present[n]] = 0
                    label = np.uint8(best)
                if made[i] != label:
                    made[i] = label
                    changed[k, j, i // 32] = 1
