"""A value together with how well it is known: certain, normally spread, or anywhere between two limits."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.text import tr

Kind = Literal["exact", "normal", "uniform"]
FloatArray = NDArray[np.float64]

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_EXACT = re.compile(rf"\s*({_NUMBER})\s*")
_NORMAL = re.compile(rf"\s*({_NUMBER})\s*(?:±|\+-|\+/-)\s*({_NUMBER})\s*(%?)\s*")
_UNIFORM = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*")


@dataclass(frozen=True)
class Spread:
    """What is known of a quantity.

    Attributes
    ----------
    kind
        ``exact``: `first`. ``normal``: mean `first`, standard deviation `second`, cut off at the quantity's valid
        range. ``uniform``: anything from `first` to `second`.
    """

    kind: Kind
    first: float
    second: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.first) and math.isfinite(self.second)):
            raise ValueError(tr("a value must be a finite number"))
        if self.kind == "normal" and self.second <= 0:
            raise ValueError(tr("the standard deviation after ± must be above 0"))
        if self.kind == "uniform" and self.second <= self.first:
            raise ValueError(tr("LOW..HIGH needs the smaller number first"))

    @property
    def centre(self) -> float:
        """The median."""
        return 0.5 * (self.first + self.second) if self.kind == "uniform" else self.first

    @property
    def ends(self) -> tuple[float, float]:
        """What must lie in the valid range: the limits of a uniform spread, else the centre."""
        return (self.first, self.second) if self.kind == "uniform" else (self.first, self.first)

    def interval(self, low: float, high: float) -> tuple[float, float]:
        """The central 90 %, cut off at the valid range from ``low`` to ``high``."""
        if self.kind == "exact":
            return self.first, self.first
        if self.kind == "uniform":
            return tuple(self.first + p * (self.second - self.first) for p in (0.05, 0.95))  # type: ignore[return-value]
        found = self._truncated(np.array([0.05, 0.95]), low, high)
        return float(found[0]), float(found[1])

    def at(self, uniform: FloatArray, low: float, high: float) -> FloatArray:
        """Samples from numbers that are uniform in (0, 1), cut off at the valid range from ``low`` to ``high``."""
        if self.kind == "exact":
            return np.full(uniform.shape, self.first)
        if self.kind == "uniform":
            return np.asarray(self.first + uniform * (self.second - self.first))
        return self._truncated(uniform, low, high)

    def _truncated(self, uniform: FloatArray, low: float, high: float) -> FloatArray:
        from scipy.special import ndtr, ndtri

        below, above = (ndtr((end - self.first) / self.second) for end in (low, high))
        inside = np.asarray(self.first + self.second * ndtri(below + uniform * (above - below)), dtype=np.float64)
        return np.clip(inside, low, high)

    def text(self) -> str:
        """As it is typed."""
        if self.kind == "exact":
            return f"{self.first:.6g}"
        return f"{self.first:.6g}{'±' if self.kind == 'normal' else '..'}{self.second:.6g}"


def exactly(value: float) -> Spread:
    return Spread("exact", value)


def normal(mean: float, sd: float) -> Spread:
    return Spread("normal", mean, sd)


def uniform(low: float, high: float) -> Spread:
    return Spread("uniform", low, high)


def parse_spread(value: Any) -> Any:
    """A `Spread` from a number, ``MEAN±SD`` (also ``+-``; with ``%`` of the mean) or ``LOW..HIGH``.

    Raises
    ------
    ValueError
        If it reads as none of these.
    """
    if isinstance(value, Spread) or value is None:
        return value
    if isinstance(value, bool):
        raise ValueError(tr("a number is wanted"))
    if isinstance(value, int | float):
        return exactly(float(value))
    text = str(value)
    if match := _EXACT.fullmatch(text):
        return exactly(float(match[1]))
    if match := _NORMAL.fullmatch(text):
        mean, sd = float(match[1]), float(match[2])
        return normal(mean, abs(mean) * sd / 100.0 if match[3] else sd)
    if match := _UNIFORM.fullmatch(text):
        return uniform(float(match[1]), float(match[2]))
    raise ValueError(tr("write a number, MEAN±SD (or MEAN+-SD) or LOW..HIGH"))
