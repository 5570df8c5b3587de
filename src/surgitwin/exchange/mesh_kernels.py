"""Loops over the points and triangles of large surfaces: normals, the text of a 3MF file, and its packing. Compiled.

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
_QUOTE = 34
_LONGEST = 258  # bytes that one match of a deflate stream can stand for

_POINTS = numba.types.Array(numba.float32, 2, "C", readonly=True)
_TRIANGLES = numba.types.Array(numba.int32, 2, "C", readonly=True)
_TEXT = numba.uint8[::1]
_WORD = numba.types.Array(numba.uint8, 1, "C", readonly=True)
_CODES = numba.types.Array(numba.int64, 1, "C", readonly=True)
_types: Any = numba.types  # numba has no annotations
_SYMBOL = _types.UniTuple(numba.int64, 3)


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


@compiled(_SYMBOL(numba.int64))
def _length_symbol(length: Any) -> Any:  # pragma: no cover
    """The symbol of a match's length (3 to 258), how many further bits it has, and what they say."""
    if length == _LONGEST:
        return 285, 0, 0
    rest = max(length - 3, 0)
    more = 0
    while rest >> more >= 8:
        more += 1
    return 257 + 4 * more + (rest >> more), more, rest & ((1 << more) - 1)


@compiled(_SYMBOL(numba.int64))
def _distance_symbol(distance: Any) -> Any:  # pragma: no cover
    """The symbol of a match's distance (1 to 32768), how many further bits it has, and what they say."""
    rest = distance - 1
    more = 0
    while rest >> more >= 4:
        more += 1
    return 2 * more + (rest >> more), more, rest & ((1 << more) - 1)


@compiled(numba.int64(_WORD, _CODES, _CODES, _CODES, _CODES, _WORD, _TEXT))
def deflate_rows(
    text: Any, codes: Any, widths: Any, far_codes: Any, far_widths: Any, header: Any, packed: Any
) -> Any:  # pragma: no cover
    """Pack lines of three quoted numbers each into a block of a deflate stream (RFC 1951) that ends at a whole byte.

    What stands before a number, and the digits it shares with the number above it, is a match with the line above;
    other digits stay literals. So no table of earlier text is needed, which is what makes zlib slow.

    Parameters
    ----------
    text
        The lines. Any other text is packed rightly too, but badly.
    codes, widths
        Of the 286 literals and lengths: Huffman codes, lowest bit first, and how many bits they have.
    far_codes, far_widths
        The same of the 30 distances; those without bits are not used. Of the others none has more than 10 bits, those
        that its symbol adds included.
    header
        The block's header, a bit in each element.
    packed
        Room: twice the text and 1000 more.

    Returns
    -------
    How many bytes were written.
    """
    size = text.shape[0]
    bits, held, at = np.uint64(0), 0, 0
    for n in range(header.shape[0]):
        bits |= np.uint64(header[n]) << np.uint64(held)
        held += 1
        if held == 8:
            packed[at] = np.uint8(bits)
            bits, held, at = np.uint64(0), 0, at + 1
    place, field, quotes = 0, 0, 1
    starts = np.full(3, -1, np.int64)  # where each of the three fields began in the line above
    while place < size:
        if quotes == 3:  # at the quote behind a number
            above = starts[field]
            starts[field] = place
            field = (field + 1) % 3
            quotes, length = 0, 0
            if above >= 0:
                while length < _LONGEST and place + length < size and text[above + length] == text[place + length]:
                    if text[place + length] == _QUOTE:
                        if quotes == 2:
                            break
                        quotes += 1
                    length += 1
                symbol, more, extra = _length_symbol(length)
                far, far_more, far_extra = _distance_symbol(min(place - above, 32768))
                if length < 3 or far_widths[far] == 0 or place - above > 32768:
                    length, quotes = 0, 0
                else:
                    bits |= np.uint64(codes[symbol]) << np.uint64(held)
                    held += widths[symbol]
                    bits |= np.uint64(extra) << np.uint64(held)
                    held += more
                    bits |= np.uint64(far_codes[far]) << np.uint64(held)
                    held += far_widths[far]
                    bits |= np.uint64(far_extra) << np.uint64(held)
                    held += far_more
                    place += length
        else:
            value = text[place]
            if value == _QUOTE:
                quotes += 1
                if quotes == 3:
                    continue
            bits |= np.uint64(codes[value]) << np.uint64(held)
            held += widths[value]
            place += 1
        if held >= 32:  # what is added above has 30 bits at most
            for n in range(4):
                packed[at + n] = np.uint8(bits >> np.uint64(8 * n))
            bits >>= np.uint64(32)
            held -= 32
            at += 4
    bits |= np.uint64(codes[256]) << np.uint64(held)  # the block ends; an empty stored one fills the byte
    held += widths[256] + 3
    while held > 0:
        packed[at] = np.uint8(bits & np.uint64(255))
        bits >>= np.uint64(8)
        held -= 8
        at += 1
    packed[at], packed[at + 1], packed[at + 2], packed[at + 3] = 0, 0, 255, 255
    return at + 4
