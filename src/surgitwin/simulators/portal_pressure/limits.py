"""Published limits of portal pressure and flow, each held only against the very quantity it was published for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.text import tr
from surgitwin.simulators.base import TAG_TEXTS, Output, Tag

FloatArray = NDArray[np.float64]
Setting = Literal["hepatectomy", "graft", "any"]


@dataclass(frozen=True)
class Limit:
    """One published limit.

    Attributes
    ----------
    output
        The output that it was published for.
    setting
        After which operation it holds.
    """

    author: str
    output: str
    limit: float
    unit: str
    text: str
    population: str
    setting: Setting
    tag: Tag = "R"


LIMITS = (
    Limit(
        "Allard 2013",
        "pvp_mmhg",
        22.0,
        "mmHg",
        tr("best cut-off for liver failure (50-50 and ISGLS grade C)"),
        tr("277 major hepatectomies without cirrhosis, pressure at the end of the operation"),
        "hepatectomy",
    ),
    Limit(
        "Allard 2013",
        "pvp_mmhg",
        21.0,
        "mmHg",
        tr("best cut-off for bilirubin above 120 µmol/L and for death within 90 days"),
        tr("277 major hepatectomies without cirrhosis, pressure at the end of the operation"),
        "hepatectomy",
    ),
    Limit(
        "Carrapita 2019",
        "pvp_rise_mmhg",
        2.0,
        "mmHg",
        tr("rise during the operation, independent factor for major complications"),
        tr("30 hepatectomies"),
        "hepatectomy",
    ),
    Limit(
        "ILTS-iLDLT-LTSI 2023",
        "pvp_mmhg",
        15.0,
        "mmHg",
        tr("portal pressure after reperfusion, to be below"),
        tr("consensus, grafts of living donors"),
        "graft",
    ),
    Limit(
        "ILTS-iLDLT-LTSI 2023",
        "portal_flow_ml_min_100g",
        250.0,
        "ml/min/100 g",
        tr("portal flow after reperfusion, to be below"),
        tr("consensus, grafts of living donors"),
        "graft",
    ),
    Limit(
        "Baveno VII",
        "hvpg_mmhg",
        5.0,
        "mmHg",
        tr("above it portal hypertension of sinusoidal cause"),
        tr("chronic liver disease, HVPG measured by catheter"),
        "any",
    ),
    Limit(
        "Baveno VII",
        "hvpg_mmhg",
        10.0,
        "mmHg",
        tr("from it clinically significant portal hypertension"),
        tr("chronic liver disease, HVPG measured by catheter"),
        "any",
    ),
    Limit(
        "Baveno VII",
        "hvpg_mmhg",
        12.0,
        "mmHg",
        tr("from it varices may bleed"),
        tr("chronic liver disease, HVPG measured by catheter"),
        "any",
    ),
)

RISK_PVP_MMHG = (10.0, 20.0, 30.0)
RISK_LOW_PERCENT = (0.0, 13.0, 24.0)
RISK_HIGH_PERCENT = (0.0, 16.0, 33.0)
RISK_SOURCE = "Allard 2013"


def thresholds(
    outputs: Sequence[Output],
    samples: Mapping[str, FloatArray],
    weights: FloatArray | None,
    graft: bool,
    cvp_text: str,
) -> list[dict[str, Any]]:
    """Every limit that holds for this kind of operation, with where the result stands against it.

    Parameters
    ----------
    samples
        (n,) of each output; empty without samples.
    cvp_text
        The central venous pressure that the prediction assumes, in words.
    """
    by_name = {output.name: output for output in outputs}
    found = [
        _against(limit, by_name[limit.output], samples.get(limit.output), weights, cvp_text)
        for limit in LIMITS
        if limit.setting in ("any", "graft" if graft else "hepatectomy") and limit.output in by_name
    ]
    return [*found, _no_limit("pcg_mmhg", by_name["pcg_mmhg"], cvp_text, graft)]


def _against(
    limit: Limit, output: Output, samples: FloatArray | None, weights: FloatArray | None, cvp_text: str
) -> dict[str, Any]:
    """One limit, and how likely it is reached."""
    entry: dict[str, Any] = {
        "author": limit.author,
        "output": limit.output,
        "title": output.title,
        "limit": limit.limit,
        "unit": limit.unit,
        "text": limit.text,
        "population": limit.population,
        "cvp_assumed": cvp_text,
        "checked": limit.tag,
        "note": TAG_TEXTS[limit.tag],
        "value": output.value,
        "low": output.low,
        "high": output.high,
        "probability_percent": None,
        "reason": "",
    }
    if output.value is None:
        return entry | {"verdict": "not assessed", "reason": tr("the volume of the liver is not known")}
    if samples is not None:
        share = np.average(samples >= limit.limit, weights=weights)
        entry["probability_percent"] = 100.0 * float(share)
    if output.low is not None and output.high is not None and output.low < limit.limit <= output.high:
        return entry | {"verdict": "uncertain"}
    return entry | {"verdict": "reached" if output.value >= limit.limit else "below"}


def _no_limit(name: str, output: Output, cvp_text: str, graft: bool) -> dict[str, Any]:
    """A quantity for which no limit was published; said, so that nobody takes another's."""
    text = tr("no limit after hepatectomy was published for it; those of PVP and HVPG do not hold for it")
    if graft:
        text = tr("the consensus has no limit of a graft for it; those of PVP and HVPG do not hold for it")
    return {
        "author": "",
        "output": name,
        "title": output.title,
        "limit": None,
        "unit": output.unit,
        "text": text,
        "population": "",
        "cvp_assumed": cvp_text,
        "checked": "R",
        "note": "",
        "value": output.value,
        "low": output.low,
        "high": output.high,
        "probability_percent": None,
        "verdict": "not assessed",
        "reason": tr("no published limit"),
    }


def population_risk(pvp_mmhg: float) -> tuple[float, float] | None:
    """Published share of liver failure at such a portal pressure, percent, low and high; None above what was published.

    Interpolated between the three pressures of Allard et al., Ann Surg 2013: 0 at 10 mmHg and less, 13 to 16 % at 20,
    24 to 33 % at 30 (277 major hepatectomies without cirrhosis; tag R). It is the risk of that population.
    """
    if pvp_mmhg > RISK_PVP_MMHG[-1]:
        return None
    return (
        float(np.interp(pvp_mmhg, RISK_PVP_MMHG, RISK_LOW_PERCENT)),
        float(np.interp(pvp_mmhg, RISK_PVP_MMHG, RISK_HIGH_PERCENT)),
    )
