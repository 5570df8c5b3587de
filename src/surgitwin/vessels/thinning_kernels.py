"""The compiled part of thinning: voxels are taken from the outside of a mask while it hangs together as it did.

A voxel's 26 neighbours are the bits of one number, in memory order without the voxel itself, so that what may go is
found by a few operations on bits.

Import this module only where it is needed: it compiles, or loads what was compiled.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from surgitwin.core.compiled import compiled

PLACES: list[tuple[int, int, int]] = [
    (k, j, i) for k in (-1, 0, 1) for j in (-1, 0, 1) for i in (-1, 0, 1) if (k, j, i) != (0, 0, 0)
]


def _bits(chosen: list[bool]) -> int:
    return sum(1 << bit for bit, one in enumerate(chosen) if one)


def _sharing(cell: tuple[int, int, int]) -> int:
    """The neighbours that share a face, edge or corner; a zero in ``cell`` means all along that axis."""
    return _bits([all(p == 0 or p == c for p, c in zip(place, cell, strict=True)) for place in PLACES])


def _cells(zeros: int) -> list[int]:
    every = [(k, j, i) for k in (-1, 0, 1) for j in (-1, 0, 1) for i in (-1, 0, 1)]
    return [_sharing(cell) for cell in every if cell.count(0) == zeros]


_FACES, _EDGES, _CORNERS = (np.array(_cells(zeros), dtype=np.int64) for zeros in (2, 1, 0))
_NEXT = np.array(
    [_bits([max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 1 for other in PLACES]) for one in PLACES],
    dtype=np.int64,
)
_BIT = np.full(37, -1, dtype=np.int64)  # powers of two differ modulo 37
for _number in range(26):
    _BIT[(1 << _number) % 37] = _number
_PREVIOUS_ROW, _PREVIOUS_PLANE = PLACES.index((0, -1, 0)), PLACES.index((-1, 0, 0))
_SIDES = np.array([PLACES.index(p) for p in ((0, -1, 0), (0, 1, 0), (0, 0, 1), (0, 0, -1), (1, 0, 0), (-1, 0, 0))])

_I64 = numba.int64
_U8 = numba.uint8[::1]
_LIST = numba.int64[::1]


@compiled(numba.int64(_U8, _I64, _LIST))
def around(mask: Any, voxel: Any, offsets: Any) -> Any:  # pragma: no cover
    """The bits of a voxel's neighbours that are set."""
    bits = 0
    for n in range(26):
        if mask[voxel + offsets[n]] != 0:
            bits |= 1 << n
    return bits


@compiled(numba.boolean(_I64))
def keeps_holes(bits: Any) -> Any:  # pragma: no cover
    """True if taking the voxel leaves the Euler number: of its corners, edges and faces as many pairs go as must."""
    lost = -1
    for n in range(6):
        if bits & _FACES[n] == 0:
            lost += 1
    for n in range(12):
        if bits & _EDGES[n] == 0:
            lost -= 1
    for n in range(8):
        if bits & _CORNERS[n] == 0:
            lost += 1
    return lost == 0


@compiled(numba.boolean(_I64))
def in_one_piece(bits: Any) -> Any:  # pragma: no cover
    """True if the neighbours hang together without the voxel, across faces, edges and corners."""
    waiting = bits & -bits
    seen = waiting
    while waiting != 0:
        one = waiting & -waiting
        waiting ^= one
        new = _NEXT[_BIT[one % 37]] & bits & ~seen
        seen |= new
        waiting |= new
    return seen == bits


@compiled(numba.int64(_U8, _LIST, _LIST, numba.boolean, _LIST))
def peel(mask: Any, voxels: Any, offsets: Any, even: Any, found: Any) -> Any:  # pragma: no cover
    """Take one layer from each of the six sides in turn; returns how many sides had nothing to take.

    Parameters
    ----------
    mask
        Flat, 0 or 1, with an empty rim; what is taken becomes 0.
    voxels
        The set voxels of ``mask``, in memory order; those taken may still be among them.
    offsets
        From a voxel to its 26 neighbours, in memory order.
    even
        Take every second voxel along each axis first, and no ends that arise on the way: in memory order a layer
        that is two voxels wide is eaten up from its end.
    found
        Room for as many as ``voxels``.
    """
    idle = 0
    row, plane = -offsets[_PREVIOUS_ROW], -offsets[_PREVIOUS_PLANE]
    for side in range(6):
        beside = offsets[_SIDES[side]]
        count = 0
        for n in range(voxels.size):
            voxel = voxels[n]
            if mask[voxel] == 0 or mask[voxel + beside] != 0:
                continue
            bits = around(mask, voxel, offsets)
            if bits & (bits - 1) != 0 and keeps_holes(bits) and in_one_piece(bits):
                inside = voxel % plane
                kind = (voxel // plane % 2) * 4 + (inside // row % 2) * 2 + inside % row % 2
                found[count] = voxel * 8 + kind
                count += 1
        taken = 0
        for turn in range(8 if even else 1):
            for n in range(count):
                if even and found[n] & 7 != turn:
                    continue
                voxel = found[n] >> 3
                bits = around(mask, voxel, offsets)
                if even and bits & (bits - 1) == 0:
                    continue
                if in_one_piece(bits):
                    mask[voxel] = 0
                    taken += 1
        if taken == 0:
            idle += 1
    return idle
