"""From the simulator's settings to what PHASES and a logistic model take."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.simulators.aneurysm.logistic import Measured
from surgitwin.simulators.aneurysm.params import AneurysmParams, Answer
from surgitwin.simulators.aneurysm.phases import PhasesAnswers

FloatArray = NDArray[np.float64]

UNITS: Mapping[str, str] = {
    "aspect_ratio": "1",
    "size_ratio": "1",
    "nonsphericity_index": "1",
    "bottleneck_factor": "1",
    "height_width_ratio": "1",
    "undulation_index": "1",
    "ellipticity_index": "1",
    "d_max_mm": "mm",
    "d_neck_mm": "mm",
    "d_neck_max_mm": "mm",
    "h_mm": "mm",
    "h_max_mm": "mm",
    "w_max_mm": "mm",
    "parent_diameter_mm": "mm",
    "volume_mm3": "mm3",
    "area_mm2": "mm2",
}
"""What is measured, by the name that a model's file uses, and its unit there."""


def answers_of(params: AneurysmParams, d_max_mm: float | None) -> PhasesAnswers:
    """The answers to PHASES; the size is that of the segment unless one was given."""
    return PhasesAnswers(
        population=None if params.population == "unknown" else params.population,
        hypertension=_yes(params.hypertension),
        age_years=params.age_years,
        size_mm=d_max_mm if params.size_mm is None else params.size_mm,
        earlier_sah=_yes(params.earlier_sah),
        site=None if params.site == "unknown" else params.site,
        size_from="twin" if params.size_mm is None else "given",
        ruptured=params.ruptured,
    )


def _yes(answer: Answer) -> bool | None:
    return None if answer == "unknown" else answer == "yes"


def model_inputs(params: AneurysmParams, values: Mapping[str, float | FloatArray]) -> dict[str, Measured]:
    """What a model may take: measured values (or samples of them), the answers to PHASES, and what was typed."""
    found = {name: Measured(values[name], unit) for name, unit in UNITS.items() if name in values}
    if params.age_years is not None:
        found["age_years"] = Measured(params.age_years, "years")
    for name in ("hypertension", "earlier_sah"):
        yes = _yes(getattr(params, name))
        if yes is not None:
            found[name] = Measured(float(yes), "1")
    for name in ("population", "site"):
        word = getattr(params, name)
        if word != "unknown":
            found[name] = Measured(word, "1")
    typed = parse_values(params.model_values)
    known = sorted(set(typed) & set(found))
    if known:
        message = tr("model_values gives “{name}”, which is measured or given already. Give it once.")
        raise BadInput(message.format(name=known[0]))
    return found | typed


def parse_values(text: str) -> dict[str, Measured]:
    """Read ``NAME=VALUE UNIT, NAME=VALUE UNIT``; a value that is no number is a category.

    Raises
    ------
    BadInput
        Naming the part that reads otherwise.
    """
    found: dict[str, Measured] = {}
    for part in (one.strip() for one in text.split(",") if one.strip()):
        name, _, rest = part.partition("=")
        words = rest.split()
        if not name.strip() or len(words) != 2 or name.strip() in found:
            message = tr("model_values: “{part}” is not NAME=VALUE UNIT, each name once, such as max_osi=0.02 1.")
            raise BadInput(message.format(part=part[:80]))
        found[name.strip()] = Measured(_number(words[0], part), words[1])
    return found


def _number(word: str, part: str) -> float | str:
    try:
        value = float(word)
    except ValueError:
        return word
    if not math.isfinite(value):
        raise BadInput(tr("model_values: “{part}” needs a finite number.").format(part=part[:80]))
    return value
