"""The compiled part of growing from seeds: shortest paths from many seeds at once, by a bucket queue.

Dial's algorithm: costs are small whole numbers, so that the queue is a ring of buckets, one for each distance. Import
this module only where it is needed: it compiles, or loads what was compiled.

A voxel's *key* is its distance times 256 plus its label, so that one comparison finds the smallest distance and, of
equal ones, the smallest label. The grid has a rim of voxels with the key 0, which nothing can lower: no step leaves it.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from surgitwin.segmentation.compiled import compiled

UNREACHED = 2**32 - 1
BLOCK = 256  # entries of the queue that are kept together
# State, between calls: distance reached, entries in the queue, next of the sorted entries, free block, blocks used.
AT, COUNT, NEXT, FREE, USED = range(5)

_I16 = numba.int16[::1]
_I32 = numba.int32[::1]
_I64 = numba.int64[::1]
_U8 = numba.uint8[::1]
_U32 = numba.uint32[::1]
_QUEUE = (numba.int32[:, ::1], _I32, _I32, _I32, _I64)


@compiled(numba.void(numba.int32, numba.int64, *_QUEUE))
def push(
    voxel: Any, distance: Any, entries: Any, links: Any, heads: Any, fills: Any, state: Any
) -> None:  # pragma: no cover
    """Add a voxel to the bucket of a distance; blocks come from the free list, or are new."""
    bucket = distance & 255
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


@compiled(numba.boolean(_I16, _U32, _I64, _I32, numba.int64, numba.int64, numba.int64, numba.int64, *_QUEUE))
def grow(
    image: Any,
    keys: Any,
    steps: Any,
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

    It stops early when the queue needs more than ``room`` blocks.

    Parameters
    ----------
    image, keys
        Flat, of one grid with its rim.
    steps
        What leads from a voxel to its neighbours.
    later
        Voxels that enter when their distance is reached, sorted by it.
    step_cost
        Cost of a step without any difference; at least 1.
    steepest
        Largest difference that counts; the rest of a steeper step is free.
    """
    distance = state[0]
    taken = 0
    while state[1] > 0 or state[2] < later.size:
        if taken >= budget or state[4] + 8 >= room:
            state[0] = distance
            return False
        if state[1] == 0:
            distance = max(distance, np.int64(keys[later[state[2]]] >> 8))
        while state[2] < later.size and np.int64(keys[later[state[2]]] >> 8) <= distance:
            if state[4] + 8 >= room:
                state[0] = distance
                return False
            push(later[state[2]], distance, entries, links, heads, fills, state)
            state[2] += 1
        bucket = distance & 255
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
        key = np.int64(keys[voxel])
        if key >> 8 != distance:
            continue  # it was reached on a shorter way since
        taken += 1
        value = np.int64(image[voxel])
        least = key + (step_cost << 8)
        for way in range(steps.size):
            other = voxel + steps[way]
            known = np.int64(keys[other])
            if known <= least:
                continue
            step = np.int64(image[other]) - value
            if step < 0:
                step = -step
            if step > steepest:
                step = steepest
            reached = least + (step << 8)
            if reached < known:
                keys[other] = np.uint32(reached)
                push(np.int32(other), reached >> 8, entries, links, heads, fills, state)
    state[0] = distance
    return True


@compiled(numba.int64(_I16, _U32, _I64, _I32, numba.int64, numba.int64, numba.int64))
def forget(
    image: Any, keys: Any, steps: Any, lost: Any, count: Any, step_cost: Any, steepest: Any
) -> int:  # pragma: no cover
    """Clear every voxel whose path may come through one of the first ``count`` voxels of ``lost``, those included.

    ``lost`` has room for every voxel; the ones found are added to it. A path may come through a neighbour if the keys
    say that the step from there is the last of a shortest one. Returns how many there are in all.
    """
    old = np.empty(lost.size, dtype=np.uint32)
    for n in range(count):
        old[n] = keys[lost[n]]
        keys[lost[n]] = np.uint32(2**32 - 1)
    at = 0
    while at < count:
        voxel = lost[at]
        key = np.int64(old[at])
        at += 1
        value = np.int64(image[voxel])
        for way in range(steps.size):
            other = voxel + steps[way]
            known = np.int64(keys[other])
            if known == 2**32 - 1 or known <= key:
                continue
            step = np.int64(image[other]) - value
            if step < 0:
                step = -step
            if step > steepest:
                step = steepest
            if known == key + ((step_cost + step) << 8):
                old[count] = keys[other]
                keys[other] = np.uint32(2**32 - 1)
                lost[count] = np.int32(other)
                count += 1
    return count  # type: ignore[no-any-return]


@compiled(numba.int64(_U32, _I64, _I32, numba.int64, _U8, _I32))
def rim(keys: Any, steps: Any, lost: Any, count: Any, seen: Any, found: Any) -> int:  # pragma: no cover
    """The voxels that are reached beside the first ``count`` of ``lost``, each once; returns how many.

    ``seen`` is all zero, and is left so.
    """
    total = 0
    for n in range(count):
        voxel = lost[n]
        for way in range(steps.size):
            other = voxel + steps[way]
            known = keys[other]
            if known != 0 and known != 2**32 - 1 and seen[other] == 0:
                seen[other] = 1
                found[total] = np.int32(other)
                total += 1
    for n in range(total):
        seen[found[n]] = 0
    return total
