"""What pressures measured during or after the operation teach about what could not be measured before.

Importance sampling: each sample of the patient is weighted by how likely its pressures make what was measured. The
samples themselves stay, so that prior and posterior can be shown side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.simulators.base import Known
from surgitwin.simulators.sampling import INTERVAL, quantiles
from surgitwin.simulators.spread import Spread

FloatArray = NDArray[np.float64]
FEWEST = 30.0
LEARNT = (
    "kappa_per_mmhg",
    "alpha",
    "beta",
    "habr_gain",
    "frank_starling_l_min_mmhg",
    "portal_flow_l_min",
    "pvp_mmhg",
    "hvpg_mmhg",
    "pcg_mmhg",
)
"""What is shown before and after learning, where it is uncertain."""


@dataclass(frozen=True)
class Measurement:
    """A value measured after the operation.

    Attributes
    ----------
    output
        The output that it is a measurement of.
    sd
        Standard deviation of the measurement.
    """

    name: str
    output: str
    value: float
    sd: float
    unit: str


def measurement(name: str, output: str, spread: Spread, unit: str, usual_sd: float) -> Measurement:
    """A measured value; where no uncertainty was given the device's usual one is taken, and said."""
    if spread.kind == "normal":
        return Measurement(name, output, spread.first, spread.second, unit)
    if spread.kind == "uniform":
        return Measurement(name, output, spread.centre, (spread.second - spread.first) / np.sqrt(12.0), unit)
    return Measurement(name, output, spread.first, usual_sd, unit)


def weights_of(measured: list[Measurement], found: Mapping[str, FloatArray]) -> tuple[FloatArray, float]:
    """Weights of the samples, summing to 1, and how many equally weighted samples they are worth.

    Parameters
    ----------
    found
        (n,) of each output at the state that was measured.

    Raises
    ------
    BadInput
        If hardly any sample agrees with what was measured.
    """
    misfit = sum(((found[one.output] - one.value) / one.sd) ** 2 for one in measured)
    log = -0.5 * np.asarray(misfit)
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    worth = float(1.0 / np.sum(weights**2))
    if worth < FEWEST or float(np.min(misfit)) > 9.0 * len(measured):
        said = "; ".join(
            tr("{name} {value:g} ± {sd:.2g} {unit}, predicted {low:.1f} to {high:.1f}").format(
                name=one.name,
                value=one.value,
                sd=one.sd,
                unit=one.unit,
                low=float(np.quantile(found[one.output], INTERVAL[0])),
                high=float(np.quantile(found[one.output], INTERVAL[1])),
            )
            for one in measured
        )
        message = tr(
            "What was measured fits too few of the samples to learn from ({worth:.0f} of {count}): {said}. Check the"
            " values, give a wider ±, or more samples."
        )
        raise BadInput(message.format(worth=worth, count=len(weights), said=said))
    return weights, worth


def learnt(
    quantities: Mapping[str, Known], drawn: Mapping[str, FloatArray], weights: FloatArray
) -> list[dict[str, Any]]:
    """Prior and posterior of each parameter that was uncertain: median and 90 % interval."""
    found: list[dict[str, Any]] = []
    shares = (INTERVAL[0], 0.5, INTERVAL[1])
    for name in LEARNT:
        values = drawn.get(name)
        if values is None or np.ptp(values) == 0.0:
            continue
        before, after = quantiles(values, shares), quantiles(values, shares, weights)
        found.append(
            {
                "name": name,
                "title": quantities[name].title if name in quantities else name,
                "unit": quantities[name].unit if name in quantities else "",
                "prior": dict(zip(("low", "value", "high"), map(float, before), strict=True)),
                "posterior": dict(zip(("low", "value", "high"), map(float, after), strict=True)),
            }
        )
    return found
