"""Values as colours: one scale for a tree, a surface and the bar that says what its colours stand for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.render.content import Rgb

# Five places of viridis (CC0, Smith and van der Walt), which colour-blind people tell apart and which prints in grey.
VIRIDIS: tuple[Rgb, ...] = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
MISSING: Rgb = (110, 110, 110)
STEPS = 3072
"""How finely a scale is divided; all stops of scales with up to five, seven and nine of them are hit."""


@dataclass(frozen=True)
class ColourScale:
    """What colours stand for.

    Attributes
    ----------
    low, high
        The values at the first and the last of ``stops``; beyond them the colour stays.
    stops
        Colours at equal distances, between which it runs evenly; or, ``stepped``, bands of one colour each.
    marks
        Values that the bar marks, such as a tolerance.
    bands
        With ``stepped``: the values where one colour ends and the next begins, one less than ``stops``.
    words
        What the low, the middle and the high values mean, for the bar.
    """

    title: str
    unit: str
    low: float
    high: float
    stops: tuple[Rgb, ...] = VIRIDIS
    marks: tuple[float, ...] = ()
    bands: tuple[float, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def stepped(self) -> bool:
        return bool(self.bands)

    def colours(self, values: ArrayLike) -> NDArray[np.uint8]:
        """(n, 3) colours of (n,) values; grey for what is no number."""
        given = np.asarray(values, dtype=np.float64).reshape(-1)
        known = np.isfinite(given)
        found = np.empty((len(given), 3), np.uint8)
        found[~known] = MISSING
        table = np.array(self.stops, dtype=np.float64)
        if self.stepped:
            found[known] = table[np.searchsorted(self.bands, given[known], side="left")]
            return found
        # Looked up, because it is asked for tens of thousands of points at each step of a drag.
        places = np.linspace(0.0, 1.0, len(table))
        steps = np.linspace(0.0, 1.0, STEPS + 1)
        colours = np.stack([np.rint(np.interp(steps, places, channel)) for channel in table.T], axis=1).astype(np.uint8)
        span = self.high - self.low
        share = (given[known] - self.low) / span if span > 0 else np.full(int(known.sum()), 0.5)
        found[known] = colours[np.rint(np.clip(share, 0.0, 1.0) * STEPS).astype(np.intp)]
        return found

    def colour(self, value: float | None) -> Rgb:
        """The colour of one value; grey for None and for what is no number."""
        red, green, blue = self.colours([np.nan if value is None else value])[0].tolist()
        return red, green, blue
