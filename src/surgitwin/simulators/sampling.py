"""Samples of what is known, and what they say of a result: median, 90 % interval, and which input drives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from surgitwin.simulators.base import Driver, Known, Output

FloatArray = NDArray[np.float64]
INTERVAL = (0.05, 0.95)
MIN_SHARE_PERCENT = 1.0


def draw(quantities: Mapping[str, Known], count: int, seed: int) -> dict[str, FloatArray]:
    """Independent samples of every quantity, (count,) each.

    A quantity's samples depend on the seed and on its place in ``quantities`` only, not on how the others are spread:
    two calculations that differ in one value share all other random numbers.
    """
    random = np.random.default_rng(seed).random((len(quantities), count))
    found: dict[str, FloatArray] = {}
    for row, (name, known) in zip(random, quantities.items(), strict=True):
        # The valid range is that of the quantity, and a share is of the whole.
        found[name] = known.spread.at(row, known.low / known.whole, known.high / known.whole)
    return found


def points(quantities: Mapping[str, Known]) -> dict[str, FloatArray]:
    """The point value of every quantity, (1,) each."""
    return {name: np.array([known.point]) for name, known in quantities.items()}


def quantiles(values: FloatArray, shares: Sequence[float], weights: FloatArray | None = None) -> FloatArray:
    """Quantiles of samples, weighted if weights are given: by the middle of each sample's share."""
    if weights is None:
        return np.asarray(np.quantile(values, shares), dtype=np.float64)
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    middle = (reached - 0.5 * weights[order]) / reached[-1]
    return np.asarray(np.interp(shares, middle, values[order]), dtype=np.float64)


def summarise(
    name: str,
    title: str,
    unit: str,
    point: float | None,
    samples: FloatArray | None = None,
    weights: FloatArray | None = None,
) -> Output:
    """An output with its median and 90 % interval; without samples with its point value only."""
    if samples is None or len(samples) == 0:
        return Output(name, title, unit, point, None, None, point)
    low, median, high = quantiles(samples, (INTERVAL[0], 0.5, INTERVAL[1]), weights)
    return Output(name, title, unit, float(median), float(low), float(high), point)


def drivers(
    output: str, values: FloatArray, inputs: Mapping[str, FloatArray], titles: Mapping[str, str]
) -> list[Driver]:
    """Which inputs make the spread of an output, the strongest first, by squared rank correlation (Spearman).

    For independent inputs and an output that rises or falls with each, the shares sum to about 100 %.
    """
    from scipy.stats import rankdata

    if len(values) < 3 or np.ptp(values) == 0.0:
        return []
    ranks = rankdata(values)
    found: list[Driver] = []
    for name, samples in inputs.items():
        if np.ptp(samples) == 0.0:
            continue
        correlation = float(np.corrcoef(ranks, rankdata(samples))[0, 1])
        share = 100.0 * correlation**2
        if share >= MIN_SHARE_PERCENT:
            found.append(Driver(output, name, titles[name], share, correlation > 0))
    return sorted(found, key=lambda driver: -driver.share_percent)
