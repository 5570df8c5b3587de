"""Is a graft large enough: against the recipient's weight and a standard liver, and what is left to the donor.

The limits are those of the ILTS-iLDLT-LTSI consensus 2023 (Kow and others) and of Gonzalez 2010, as they were read in
their abstracts. A remnant after a hepatectomy is never held against them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.text import tr
from surgitwin.simulators.base import Known, Output
from surgitwin.simulators.portal_pressure.samples import point_patient, sample_patients
from surgitwin.simulators.sampling import summarise
from surgitwin.simulators.spread import normal

FloatArray = NDArray[np.float64]
LEAST_GRWR_PERCENT, LEAST_OF_STANDARD_PERCENT = 0.8, 40.0
LEAST_DONOR_PERCENT, DONOR_SD_PERCENT = 35.0, 3.0
STEATOSIS_PERCENT = 30.0
CONSENSUS = "ILTS-iLDLT-LTSI 2023"
LIVING = tr("consensus, grafts of living donors")
RISK = tr("below it a risk factor for a small-for-size syndrome")
TITLES = {
    "grwr_percent": tr("Graft to recipient weight (GRWR)"),
    "gv_slv_percent": tr("Graft to standard liver volume"),
    "donor_remnant_percent": tr("Remnant of the donor"),
}


def ratios(drawn: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Graft to recipient weight (without a weight none) and graft to standard volume, percent, (n,) each.

    The graft weighs volume (ml) x density (g/ml) x the share of it that is no blood.
    """
    found = {"gv_slv_percent": 100.0 * drawn["graft_volume_ml"] / drawn["liver_volume_ml"]}
    if "recipient_weight_kg" in drawn:
        grams = drawn["graft_volume_ml"] * drawn["liver_density_g_ml"] * drawn["blood_factor"]
        found["grwr_percent"] = 100.0 * grams / (1000.0 * drawn["recipient_weight_kg"])
    return found


def size_samples(quantities: Mapping[str, Known], samples: int, seed: int) -> dict[str, FloatArray]:
    """The ratios of the same samples that the pressure is made from; empty without samples."""
    return ratios(sample_patients(quantities, samples, seed).drawn) if samples else {}


def size_outputs(quantities: Mapping[str, Known], samples: Mapping[str, FloatArray]) -> list[Output]:
    point = {name: float(values[0]) for name, values in ratios(point_patient(quantities).drawn).items()}
    names = ("grwr_percent", "gv_slv_percent")
    return [summarise(name, TITLES[name], "%", point.get(name), samples.get(name)) for name in names]


def size_limits(
    sizes: Sequence[Output],
    samples: Mapping[str, FloatArray],
    donor_percent: float | None,
    steatosis_percent: float | None,
) -> list[dict[str, Any]]:
    """Where the sizes stand against what is published for grafts.

    Parameters
    ----------
    donor_percent
        What stays in the donor, of the tumour-free liver; None without a plan.
    steatosis_percent
        Fat in the graft; None if it is not known.
    """
    grwr, of_standard = sizes
    weights, volumes = samples.get("grwr_percent"), samples.get("gv_slv_percent")
    either = tr("at least this, or {other}: the consensus asks for one of both")
    found = [
        _at_least(
            grwr,
            LEAST_GRWR_PERCENT,
            CONSENSUS,
            either.format(other=tr("40 % of the standard liver volume")),
            LIVING,
            weights,
        ),
        _at_least(
            of_standard,
            LEAST_OF_STANDARD_PERCENT,
            CONSENSUS,
            either.format(other=tr("a GRWR of 0.8 %")),
            LIVING,
            volumes,
        ),
        _at_least(grwr, LEAST_GRWR_PERCENT, "Gonzalez 2010", RISK, "", weights),
    ]
    if donor_percent is not None:
        spread = normal(donor_percent, DONOR_SD_PERCENT).at((np.arange(1000) + 0.5) / 1000, 0.0, 100.0)
        name, held = "donor_remnant_percent", (spread if samples else None)
        donor = summarise(name, TITLES[name], "%", donor_percent, held)
        text = tr("at least this stayed in the donors of that series")
        entry = _at_least(donor, LEAST_DONOR_PERCENT, "Khalil 2021", text, tr("30 right-lobe donors, Cairo"), held)
        found.append(entry)
    if steatosis_percent is not None:
        fat = summarise("steatosis_percent", tr("Fat in the graft"), "%", steatosis_percent)
        entry = _entry(
            fat, STEATOSIS_PERCENT, "Gonzalez 2010", tr("above it a risk factor, as a long ischaemia is"), ""
        )
        found.append(entry | {"verdict": "reached" if steatosis_percent > STEATOSIS_PERCENT else "below"})
    return found


def _entry(output: Output, limit: float, author: str, text: str, population: str) -> dict[str, Any]:
    return {
        "author": author,
        "output": output.name,
        "title": output.title,
        "limit": limit,
        "unit": output.unit,
        "text": text,
        "population": population,
        "cvp_assumed": "",
        "checked": "R",
        "note": "",
        "value": output.value,
        "low": output.low,
        "high": output.high,
        "probability_percent": None,
        "reason": "",
    }


def _at_least(
    output: Output, limit: float, author: str, text: str, population: str, samples: FloatArray | None
) -> dict[str, Any]:
    """A size that should be at least ``limit``: ``reached`` is good here, which ``at_least`` says."""
    entry = _entry(output, limit, author, text, population) | {"at_least": True}
    if output.value is None:
        return entry | {"verdict": "not assessed", "reason": tr("the recipient's weight is not known")}
    if samples is not None:
        entry["probability_percent"] = 100.0 * float(np.mean(samples >= limit))
    if output.low is not None and output.high is not None and output.low < limit <= output.high:
        return entry | {"verdict": "uncertain"}
    return entry | {"verdict": "reached" if output.value >= limit else "below"}
