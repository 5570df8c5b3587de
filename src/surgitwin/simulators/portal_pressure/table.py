"""Predicted pressure and its band over the perfused share that stays: a curve to look at, a table for a moving cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.simulators.base import NoConvergence
from surgitwin.simulators.portal_pressure.samples import Kept, Patients, after_operation
from surgitwin.simulators.sampling import INTERVAL, quantiles

FloatArray = NDArray[np.float64]
SHOWN = ("pvp_mmhg", "pcg_mmhg")
LEAST_SHARE = 0.1
CURVE_POINTS = 19
TABLE_OPEN, TABLE_OCCLUDED = 41, 5
TABLE_SAMPLES = 2000
QUANTILES = (INTERVAL[0], 0.5, INTERVAL[1])


@dataclass(frozen=True, eq=False)
class PressureTable:
    """The prediction over what stays, for one calibration; between its places straight in 1 / share.

    Attributes
    ----------
    load
        (m,), rising: 1 / share of the liver that stays and is open.
    occluded
        (n,), rising: share of the liver that stays and whose portal branch was occluded before.
    values
        (m, n, 2, 3): of PVP and PCG (mmHg) the 5 % quantile, the median and the 95 % quantile.
    """

    load: FloatArray
    occluded: FloatArray
    values: FloatArray

    def at(self, kept: Kept) -> dict[str, tuple[float, float, float]] | None:
        """(low, median, high) of each of `SHOWN`, mmHg; None where less stays than the table holds."""
        if kept.open <= 0.0 or 1.0 / kept.open > self.load[-1] + 1e-9:
            return None
        rows = _between(self.values, self.load, 1.0 / kept.open)
        found = _between(rows, self.occluded, kept.occluded)
        return {name: (float(q[0]), float(q[1]), float(q[2])) for name, q in zip(SHOWN, found, strict=True)}


def _between(values: FloatArray, places: FloatArray, place: float) -> FloatArray:
    """``values`` at ``place`` along their first axis, straight between neighbours."""
    if len(places) == 1:
        return np.asarray(values[0])
    right = int(np.clip(np.searchsorted(places, place), 1, len(places) - 1))
    share = np.clip((place - places[right - 1]) / (places[right] - places[right - 1]), 0.0, 1.0)
    return np.asarray(values[right - 1] * (1.0 - share) + values[right] * share)


def pressure_table(
    patients: Patients, open_fraction: float, ctx: Context, weights: FloatArray | None = None
) -> PressureTable:
    """The table of one calibration, from at most `TABLE_SAMPLES` of its samples.

    Parameters
    ----------
    open_fraction
        Share of the liver whose portal branch is open before the operation.
    weights
        (n,) of the samples, where the twin has learnt.
    """
    few = patients.first(TABLE_SAMPLES)
    few_weights = None if weights is None else weights[: few.count]
    load = np.linspace(1.0 / open_fraction, 1.0 / LEAST_SHARE, TABLE_OPEN)
    occluded = np.linspace(0.0, 1.0 - open_fraction, TABLE_OCCLUDED) if open_fraction < 1.0 else np.zeros(1)
    values = np.empty((len(load), len(occluded), len(SHOWN), len(QUANTILES)))
    rows = 0
    try:
        for i, one in enumerate(load):
            ctx.progress(i / len(load), tr("Portal pressure over the remnant"))
            for j, closed in enumerate(occluded):
                found = after_operation(few, Kept(1.0 / one, float(closed)))
                for k, name in enumerate(SHOWN):
                    values[i, j, k] = quantiles(found[name], QUANTILES, few_weights)
            rows = i + 1
    except NoConvergence:
        # So little liver that some samples have no steady state: the table ends before, and says nothing there.
        if rows == 0:
            raise
    return PressureTable(load[:rows], occluded, values[:rows])


def pressure_curve(
    patients: Patients, open_fraction: float, ctx: Context, weights: FloatArray | None = None
) -> dict[str, Any]:
    """PVP and PCG over the share that stays, with the 90 % band; open territories stay before occluded ones."""
    few = patients.first(TABLE_SAMPLES)
    few_weights = None if weights is None else weights[: few.count]
    shares: list[float] = []
    bands: dict[str, list[list[float]]] = {name: [] for name in SHOWN}
    rigid: list[float] = []
    for i, share in enumerate(np.linspace(1.0, LEAST_SHARE, CURVE_POINTS)):
        ctx.progress(i / CURVE_POINTS, tr("Portal pressure over the remnant"))
        kept = Kept.of_total(float(share), open_fraction)
        try:
            found, stiff = after_operation(few, kept), after_operation(few, kept, rigid=True)
        except NoConvergence:
            break  # the curve ends where so little liver has no steady state in some samples
        shares.append(float(share))
        for name in SHOWN:
            bands[name].append([float(q) for q in quantiles(found[name], QUANTILES, few_weights)])
        rigid.append(float(quantiles(stiff["pvp_mmhg"], (0.5,), few_weights)[0]))
    curve: dict[str, Any] = {"remnant_fraction": shares[::-1], "rigid_pvp_mmhg": rigid[::-1]}
    for name in SHOWN:
        low, value, high = (list(column) for column in zip(*reversed(bands[name]), strict=True))
        curve[name] = {"low": low, "value": value, "high": high}
    return curve
