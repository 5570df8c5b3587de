"""Outlines that find the edge by themselves: live-wire between clicks, and the contour of equal value at a point.

Both work in one slice, an array [row, column] with its pixel spacing; coordinates are fractional (row, column).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
SIGMA_PX = 1.0
FLAT_COST = 0.05  # of a step along the strongest edge, against 1 where there is none
REACH_PX = 40  # a wire may leave the rectangle of its two clicks by so much at least
NEAR_PX = 1.5  # a contour of the value at a place runs through its pixel
TILE_PX = 64  # the part of the slice that is searched ends at multiples of this
_KEPT = 4  # searches


class LiveWire:
    """Paths that follow the edges of one slice (E. N. Mortensen and W. A. Barrett, SIGGRAPH 1995: intelligent scissors,
    with the gradient's strength as the only cost).

    Parameters
    ----------
    pixels
        [row, column].
    spacing_mm
        Of rows and of columns.
    """

    def __init__(self, pixels: NDArray[np.generic], spacing_mm: tuple[float, float]) -> None:
        from scipy.ndimage import gaussian_gradient_magnitude

        image = np.asarray(pixels, dtype=np.float32)
        finest = min(spacing_mm)
        sigmas = [SIGMA_PX * finest / step for step in spacing_mm]
        strength = gaussian_gradient_magnitude(image, sigmas)
        # A few very strong edges, such as metal, must not make all others alike.
        top = float(np.percentile(strength, 98)) or 1.0
        self._cost = (FLAT_COST + (1 - FLAT_COST) * (1 - np.minimum(strength / top, 1.0))).astype(np.float64)
        self._spacing = spacing_mm
        self._searches: dict[tuple[int, ...], Any] = {}

    def path(self, start: tuple[float, float], stop: tuple[float, float]) -> FloatArray:
        """The way of least cost between two places, (n, 2); both ends are the places themselves.

        From one start to places in the same part of the slice the search is done once, so that the way to a mouse that
        moves takes no time.

        Raises
        ------
        BadInput
            If a place lies outside the slice.
        """
        ends = np.array([start, stop], dtype=np.float64)
        pixels = np.floor(ends + 0.5).astype(int)
        if np.any(pixels < 0) or np.any(pixels >= self._cost.shape):
            raise BadInput(tr("The point lies outside the slice."))
        low = np.maximum((pixels.min(axis=0) - REACH_PX) // TILE_PX * TILE_PX, 0)
        high = np.minimum(-(-(pixels.max(axis=0) + REACH_PX + 1) // TILE_PX) * TILE_PX, self._cost.shape)
        last = tuple(int(n) for n in pixels[1] - low)
        way = np.asarray(self._search(pixels[0], low, high).traceback(last), dtype=np.float64) + low
        return np.concatenate([ends[:1], way[1:-1], ends[1:]])

    def _search(self, start: IntArray, low: IntArray, high: IntArray) -> Any:
        """The cost of the way from a pixel to every pixel of a part of the slice."""
        from skimage.graph import MCP_Geometric

        key = tuple(int(number) for number in (*start, *low, *high))
        found = self._searches.pop(key, None)
        if found is None:
            part = self._cost[low[0] : high[0], low[1] : high[1]]
            found = MCP_Geometric(part, sampling=self._spacing)
            found.find_costs([tuple(int(number) for number in start - low)])
            while len(self._searches) >= _KEPT:
                del self._searches[next(iter(self._searches))]
        self._searches[key] = found
        return found


def wire_outline(
    pixels: NDArray[np.generic], spacing_mm: tuple[float, float], clicks: Sequence[tuple[float, float]]
) -> FloatArray:
    """The closed outline through the clicks along edges, (n, 2).

    Raises
    ------
    BadInput
        If there are fewer than two clicks, or one lies outside.
    """
    if len(clicks) < 2:
        raise BadInput(tr("An outline along edges needs at least two clicks."))
    wire = LiveWire(pixels, spacing_mm)
    pairs = zip(clicks, [*clicks[1:], clicks[0]], strict=True)
    return np.concatenate([wire.path(a, b)[:-1] for a, b in pairs])


def level_outline(pixels: NDArray[np.generic], at: tuple[float, float]) -> FloatArray:
    """The closed contour of the value at a place that passes through it, (n, 2).

    Raises
    ------
    BadInput
        If the place lies outside the slice, or no closed contour of its value goes round it.
    """
    from scipy.ndimage import map_coordinates
    from skimage.measure import find_contours

    image = np.asarray(pixels, dtype=np.float64)
    row, column = at
    if not (0 <= row <= image.shape[0] - 1 and 0 <= column <= image.shape[1] - 1):
        raise BadInput(tr("The point lies outside the slice."))
    level = float(map_coordinates(image, [[row], [column]], order=1)[0])
    # What reaches the edge is closed along it.
    padded = np.pad(image, 1, constant_values=float(image.min()) - 1.0)
    part, corner = _border_near(padded, level, (row + 1, column + 1))
    best: FloatArray | None = None
    nearest = np.inf
    for contour in find_contours(part, level):  # type: ignore[no-untyped-call]
        contour = contour + corner - 1.0
        if len(contour) < 4 or not np.array_equal(contour[0], contour[-1]):
            continue
        distance = float(np.hypot(*(contour - (row, column)).T).min())
        if distance < nearest:
            best, nearest = contour[:-1], distance
    if best is None or nearest > NEAR_PX:
        message = tr("No closed contour of the value {value:.0f} passes here. Point at the border of a structure.")
        raise BadInput(message.format(value=level))
    return np.asarray(np.clip(best, 0, np.asarray(image.shape) - 1.0))


def _border_near(image: FloatArray, level: float, at: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """A part of an image in which the only contours of a value are those near a place, and its first (row, column).

    Contours run between a region above the value, whose pixels touch by their sides, and one below it, whose pixels
    touch by their corners too (as `skimage.measure.find_contours` has it): every region that has no pixel near the
    place is taken to the other side, and noise far away costs no time.
    """
    from scipy.ndimage import label

    reach = int(np.ceil(NEAR_PX)) + 1
    near = tuple(slice(max(round(place) - reach, 0), round(place) + reach + 1) for place in at)
    high = image > level
    tops, _ = label(high)
    here = np.unique(tops[near])
    kept = np.isin(tops, here[here > 0])
    pits, count = label(~kept, structure=np.ones((3, 3)))
    below = np.zeros(count + 1, dtype=np.bool_)
    below[np.unique(pits[near])] = True
    below[0] = False
    solid = ~below[pits]
    part = np.where(solid, np.maximum(image, np.nextafter(level, np.inf)), np.minimum(image, level))
    rows, columns = (np.flatnonzero(solid.any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return part[:2, :2], np.zeros(2)  # without a contour
    top, left = max(int(rows[0]) - 1, 0), max(int(columns[0]) - 1, 0)
    return part[top : rows[-1] + 2, left : columns[-1] + 2], np.array([top, left], dtype=np.float64)
