"""MELD 3.0: how ill a liver is, from blood values; 6 is the least.

Kim WR, et al. Gastroenterology 2021;161:1887-1895. The formula was read in sources that derive from the American
allocation policy; that creatinine is capped at 3 mg/dl was read, the other bounds are recalled and not checked against
the paper. The paper's model has no upper cap; allocation shows at most 40, which is not applied here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

ADOLESCENT_YEARS = (12.0, 18.0)
OLDEST_YEARS = 120.0
RANGES: dict[str, tuple[float, float, str]] = {
    "bilirubin_mg_dl": (0.1, 80.0, "mg/dl"),
    "sodium_mmol_l": (100.0, 180.0, "mmol/l"),
    "inr": (0.5, 20.0, ""),
    "creatinine_mg_dl": (0.1, 20.0, "mg/dl"),
    "albumin_g_dl": (0.5, 7.0, "g/dl"),
}
"""What a laboratory may report; other values are taken for slips, such as µmol/l typed as mg/dl."""


@dataclass(frozen=True)
class Meld:
    """The score as computed, and as it is written down."""

    exact: float
    score: int


def meld_3(
    bilirubin_mg_dl: float,
    sodium_mmol_l: float,
    inr: float,
    creatinine_mg_dl: float,
    albumin_g_dl: float,
    *,
    female: bool,
    dialysis: bool = False,
    age_years: float | None = None,
) -> Meld:
    """MELD 3.0.

    Parameters
    ----------
    dialysis
        Twice in the last week, or 24 hours of haemofiltration: creatinine counts as 3 mg/dl.
    age_years
        From 12 to 17 years both sexes get the 1.33 points of women; None counts as an adult.

    Raises
    ------
    BadInput
        If a value is none that a laboratory may report, or the patient is younger than 12 years.
    """
    if age_years is not None and not ADOLESCENT_YEARS[0] <= age_years <= OLDEST_YEARS:
        message = tr("MELD 3.0 is not for an age of {years:g} years: it holds from 12 to 120 years.")
        raise BadInput(message.format(years=age_years))
    given = {
        "bilirubin_mg_dl": bilirubin_mg_dl,
        "sodium_mmol_l": sodium_mmol_l,
        "inr": inr,
        "creatinine_mg_dl": creatinine_mg_dl,
        "albumin_g_dl": albumin_g_dl,
    }
    for name, value in given.items():
        low, high, unit = RANGES[name]
        if not low <= value <= high:
            message = tr("{name} cannot be {value:g} {unit}: give {low:g} to {high:g} {unit}.")
            text = message.format(name=name, value=value, unit=unit, low=low, high=high)
            raise BadInput(" ".join(text.split()).replace(" :", ":").replace(" .", "."))
    bilirubin, clotting = max(bilirubin_mg_dl, 1.0), max(inr, 1.0)
    creatinine = 3.0 if dialysis else min(max(creatinine_mg_dl, 1.0), 3.0)
    sodium = min(max(sodium_mmol_l, 125.0), 137.0)
    albumin = min(max(albumin_g_dl, 1.5), 3.5)
    young = age_years is not None and ADOLESCENT_YEARS[0] <= age_years < ADOLESCENT_YEARS[1]
    exact = (
        (1.33 if female or young else 0.0)
        + 4.56 * math.log(bilirubin)
        + 0.82 * (137.0 - sodium)
        - 0.24 * (137.0 - sodium) * math.log(bilirubin)
        + 9.09 * math.log(clotting)
        + 11.14 * math.log(creatinine)
        + 1.85 * (3.5 - albumin)
        - 1.83 * (3.5 - albumin) * math.log(creatinine)
        + 6.0
    )
    return Meld(exact, math.floor(exact + 0.5))
