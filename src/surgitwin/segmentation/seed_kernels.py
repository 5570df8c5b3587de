"""The compiled part of growing from seeds: shortest paths from many seeds at once, by a bucket queue.

Dial's algorithm: costs are small whole numbers, so that the queue is a ring of buckets, one for each distance. Import
this module only where it is needed: it compiles, or loads what was compiled.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from surgitwin.segmentation.compiled import compiled

FAR = np.int32(2**31 - 1)
RING = 256  # more than the largest cost of a step
BLOCK = 256  # entries of the queue that are kept together
NO_PARENT = np.uint8(255)
# State, between calls: distance reached, entries in the queue, next of the sorted entries, free block, blocks used.
AT, COUNT, NEXT, FREE, USED = range(5)

_I16 = numba.int16[::1]
_I32 = numba.int32[::1]
_I64 = numba.int64[::1]
_U8 = numba.uint8[::1]
_QUEUE = (numba.int32[:, ::1], _I32, _I32, _I32, _I64)


@compiled(numba.void(numba.int32, numba.int64, *_QUEUE))
def push(
    voxel: Any, distance: Any, entries: Any, links: Any, heads: Any, fills: Any, state: Any
) -> None:  # pragma: no cover
    """Add a voxel to the bucket of a distance; blocks come from the free list, or are new."""
    bucket = distance % 256
    block = heads[bucket]
    if block < 0 or fills[bucket] == 256:
        fresh = np.int32(state[3])
        if fresh >= 0:
            state[3] = links[fresh]
        else:
            fresh = np.int32(state[4])
            state[4] += 1
        links[fresh] = block
        heads[bucket] = fresh
        fills[bucket] = 0
        block = fresh
    entries[block, fills[bucket]] = voxel
    fills[bucket] += 1
    state[1] += 1


@compiled(numba.boolean(_I16, _U8, _I32, _U8, _I64, _I32, numba.int64, numba.int64, numba.int32, numba.int64, *_QUEUE))
def grow(
    image: Any,
    labels: Any,
    distances: Any,
    parents: Any,
    shape: Any,
    later: Any,
    budget: Any,
    room: Any,
    step_cost: Any,
    steepest: Any,
    entries: Any,
    links: Any,
    heads: Any,
    fills: Any,
    state: Any,
) -> bool:  # pragma: no cover
    """Take up to ``budget`` voxels from the queue; true once it is empty.

    A voxel gets the smallest distance, and of equal ones the smallest label: a result that no order can change. It
    stops early when the queue needs more than ``room`` blocks.

    Parameters
    ----------
    image, labels, distances, parents
        Flat, of one grid; parents are 0 to 5 for the neighbour that a path comes from, 255 for seeds.
    later
        Voxels that enter when their distance is reached, sorted by it.
    step_cost
        Cost of a step without any difference; at least 1.
    steepest
        Largest difference that counts; the rest of a steeper step is free.
    """
    ni, nj, nk = shape[0], shape[1], shape[2]
    row = ni
    plane = ni * nj
    distance = state[0]
    taken = 0
    while state[1] > 0 or state[2] < later.size:
        if taken >= budget or state[4] + 8 >= room:
            state[0] = distance
            return False
        if state[1] == 0 and state[2] < later.size:
            distance = max(distance, np.int64(distances[later[state[2]]]))
        while state[2] < later.size and distances[later[state[2]]] <= distance:
            push(later[state[2]], distance, entries, links, heads, fills, state)
            state[2] += 1
        bucket = distance % 256
        block = heads[bucket]
        if block < 0:
            distance += 1
            continue
        fills[bucket] -= 1
        voxel = entries[block, fills[bucket]]
        state[1] -= 1
        if fills[bucket] == 0:
            heads[bucket] = links[block]
            links[block] = np.int32(state[3])
            state[3] = block
            fills[bucket] = 256 if heads[bucket] >= 0 else 0
        if distances[voxel] != distance:
            continue  # it was reached on a shorter way since
        taken += 1
        label = labels[voxel]
        value = np.int64(image[voxel])
        k = voxel // plane
        rest = voxel - k * plane
        j = rest // row
        i = rest - j * row
        for way in range(6):
            if way == 0:
                if i == 0:
                    continue
                other = voxel - 1
            elif way == 1:
                if i == ni - 1:
                    continue
                other = voxel + 1
            elif way == 2:
                if j == 0:
                    continue
                other = voxel - row
            elif way == 3:
                if j == nj - 1:
                    continue
                other = voxel + row
            elif way == 4:
                if k == 0:
                    continue
                other = voxel - plane
            else:
                if k == nk - 1:
                    continue
                other = voxel + plane
            known = np.int64(distances[other])
            if known <= distance:
                continue
            step = np.int64(image[other]) - value
            if step < 0:
                step = -step
            if step > steepest:
                step = steepest
            reached = distance + step_cost + step
            if reached < known:
                distances[other] = np.int32(reached)
                labels[other] = label
                parents[other] = way ^ 1
                push(np.int32(other), reached, entries, links, heads, fills, state)
            elif reached == known and label < labels[other]:
                labels[other] = label
                parents[other] = way ^ 1
                # In an update it may have left the queue long ago; what lies behind it must hear of the label.
                push(np.int32(other), reached, entries, links, heads, fills, state)
    state[0] = distance
    return True


@compiled(numba.int64(_U8, _I32, _U8, _I64, _I32, numba.int64))
def forget(labels: Any, distances: Any, parents: Any, shape: Any, lost: Any, count: Any) -> int:  # pragma: no cover
    """Clear every voxel whose path comes through one of the first ``count`` voxels of ``lost``, those included.

    ``lost`` has room for every voxel; the ones found are added to it. Returns how many there are in all.
    """
    ni, nj, nk = shape[0], shape[1], shape[2]
    row = ni
    plane = ni * nj
    at = 0
    for n in range(count):
        distances[lost[n]] = 2**31 - 1
        labels[lost[n]] = 0
        parents[lost[n]] = 255
    while at < count:
        voxel = lost[at]
        at += 1
        k = voxel // plane
        rest = voxel - k * plane
        j = rest // row
        i = rest - j * row
        for way in range(6):
            if way == 0:
                if i == 0:
                    continue
                other = voxel - 1
            elif way == 1:
                if i == ni - 1:
                    continue
                other = voxel + 1
            elif way == 2:
                if j == 0:
                    continue
                other = voxel - row
            elif way == 3:
                if j == nj - 1:
                    continue
                other = voxel + row
            elif way == 4:
                if k == 0:
                    continue
                other = voxel - plane
            else:
                if k == nk - 1:
                    continue
                other = voxel + plane
            # The neighbour's path comes from here if its parent lies the other way.
            if parents[other] == way ^ 1 and distances[other] < 2**31 - 1:
                distances[other] = 2**31 - 1
                labels[other] = 0
                parents[other] = 255
                lost[count] = other
                count += 1
    return count  # type: ignore[no-any-return]


@compiled(numba.int64(_I32, _I64, _I32, numba.int64, _U8, _I32))
def rim(distances: Any, shape: Any, lost: Any, count: Any, seen: Any, found: Any) -> int:  # pragma: no cover
    """The voxels with a distance beside the first ``count`` of ``lost``, each once; returns how many.

    ``seen`` is all zero, and is left so.
    """
    ni, nj, nk = shape[0], shape[1], shape[2]
    row = ni
    plane = ni * nj
    total = 0
    for n in range(count):
        voxel = lost[n]
        k = voxel // plane
        rest = voxel - k * plane
        j = rest // row
        i = rest - j * row
        for way in range(6):
            if way == 0:
                if i == 0:
                    continue
                other = voxel - 1
            elif way == 1:
                if i == ni - 1:
                    continue
                other = voxel + 1
            elif way == 2:
                if j == 0:
                    continue
                other = voxel - row
            elif way == 3:
                if j == nj - 1:
                    continue
                other = voxel + row
            elif way == 4:
                if k == 0:
                    continue
                other = voxel - plane
            else:
                if k == nk - 1:
                    continue
                other = voxel + plane
            if distances[other] < 2**31 - 1 and seen[other] == 0:
                seen[other] = 1
                found[total] = other
                total += 1
    for n in range(total):
        seen[found[n]] = 0
    return total
