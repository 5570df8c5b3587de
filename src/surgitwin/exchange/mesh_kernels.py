"""Loops over the points and triangles of large surfaces: normals, and the text of a 3MF file. Compiled.

Import this module only where it is needed: it compiles, or loads what was compiled.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from surgitwin.core.compiled import compiled

DECIMALS = 4  # of a millimetre, in a 3MF file
ROW_BYTES = 80  # at most, of one line
_SCALE = 10**DECIMALS

_POINTS = numba.types.Array(numba.float32, 2, "C", readonly=True)
_TRIANGLES = numba.types.Array(numba.int32, 2, "C", readonly=True)
_TEXT = numba.uint8[::1]
_WORD = numba.types.Array(numba.uint8, 1, "C", readonly=True)


@compiled(numba.void(_POINTS, _TRIANGLES, numba.float64[:, ::1], numba.float32[:, ::1]))
def point_normals(points: Any, triangles: Any, total: Any, normals: Any) -> None:  # pragma: no cover
    """Unit normals of the points into ``normals``, triangles weighted by area; ``total`` is zeros of the same shape."""
    for n in range(triangles.shape[0]):
        a, b, c = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        ax, ay, az = np.float64(points[a, 0]), np.float64(points[a, 1]), np.float64(points[a, 2])
        ux, uy, uz = points[b, 0] - ax, points[b, 1] - ay, points[b, 2] - az
        vx, vy, vz = points[c, 0] - ax, points[c, 1] - ay, points[c, 2] - az
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in range(3):
            at = triangles[n, corner]
            total[at, 0] += x
            total[at, 1] += y
            total[at, 2] += z
    for n in range(points.shape[0]):
        x, y, z = total[n, 0], total[n, 1], total[n, 2]
        length = np.sqrt(x * x + y * y + z * z)
        if length > 0:
            normals[n, 0], normals[n, 1], normals[n, 2] = x / length, y / length, z / length
        else:
            normals[n, 0], normals[n, 1], normals[n, 2] = 0.0, 0.0, 1.0


@compiled(numba.int64(_TEXT, numba.int64, _WORD))
def _put_word(text: Any, at: Any, word: Any) -> Any:  # pragma: no cover
    for n in range(word.shape[0]):
        text[at + n] = word[n]
    return at + word.shape[0]


@compiled(numba.int64(_TEXT, numba.int64, numba.uint64))
def _put_whole(text: Any, at: Any, value: Any) -> Any:  # pragma: no cover
    ten, limit = np.uint64(10), np.uint64(10)  # numbers without a sign divide much faster
    digits = 1
    while value >= limit:
        limit *= ten
        digits += 1
    for n in range(digits):
        rest = value // ten
        text[at + digits - 1 - n] = np.uint8(np.uint64(48) + value - ten * rest)
        value = rest
    return at + digits


@compiled(numba.int64(_TEXT, numba.int64, numba.float64))
def _put_fixed(text: Any, at: Any, value: Any) -> Any:  # pragma: no cover
    """A number with `DECIMALS`, without zeros at its end; the nearest one, and never -0."""
    parts = np.uint64(np.int64(np.floor(np.abs(value) * _SCALE + 0.5)))
    if value < 0 and parts > np.uint64(0):
        text[at] = 45
        at += 1
    whole = parts // np.uint64(_SCALE)
    at = _put_whole(text, at, whole)
    rest = parts - whole * np.uint64(_SCALE)
    if rest == np.uint64(0):
        return at
    text[at] = 46
    ten = np.uint64(10)
    for n in range(DECIMALS):
        less = rest // ten
        text[at + DECIMALS - n] = np.uint8(np.uint64(48) + rest - ten * less)
        rest = less
    at += DECIMALS
    while text[at] == 48:
        at -= 1
    return at + 1


@compiled(numba.int64(_POINTS, _WORD, _WORD, _WORD, _WORD, _TEXT))
def vertex_text(points: Any, x: Any, y: Any, z: Any, end: Any, text: Any) -> Any:  # pragma: no cover
    """Put the points' lines into ``text`` and return its length: words before the numbers, and behind the last."""
    at = 0
    for n in range(points.shape[0]):
        at = _put_fixed(text, _put_word(text, at, x), points[n, 0])
        at = _put_fixed(text, _put_word(text, at, y), points[n, 1])
        at = _put_fixed(text, _put_word(text, at, z), points[n, 2])
        at = _put_word(text, at, end)
    return at


@compiled(numba.int64(_TRIANGLES, _WORD, _WORD, _WORD, _WORD, _TEXT))
def triangle_text(triangles: Any, a: Any, b: Any, c: Any, end: Any, text: Any) -> Any:  # pragma: no cover
    """As `vertex_text`, for triangles."""
    at = 0
    for n in range(triangles.shape[0]):
        at = _put_whole(text, _put_word(text, at, a), np.uint64(triangles[n, 0]))
        at = _put_whole(text, _put_word(text, at, b), np.uint64(triangles[n, 1]))
        at = _put_whole(text, _put_word(text, at, c), np.uint64(triangles[n, 2]))
        at = _put_word(text, at, end)
    return at
