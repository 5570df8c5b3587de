"""Published cut-offs of the shape indices, each with its population and how it was checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.text import tr
from surgitwin.simulators.base import TAG_TEXTS, Output, Tag

FloatArray = NDArray[np.float64]
UIATS = tr("unruptured aneurysms; agreed upon by specialists (recalled), not a risk of rupture")


@dataclass(frozen=True)
class CutOff:
    """One published cut-off: above it a shape counts as unfavourable."""

    author: str
    output: str
    limit: float
    text: str
    population: str
    tag: Tag


CUT_OFFS = (
    CutOff("UIATS (Etminan 2015)", "aspect_ratio", 1.6, tr("above it counted for treatment"), UIATS, "R"),
    CutOff("UIATS (Etminan 2015)", "size_ratio", 3.0, tr("above it counted for treatment"), UIATS, "R"),
    CutOff(
        tr("often quoted"),
        "size_ratio",
        2.0,
        tr("lower end of the cut-offs that are often quoted (2 to 3)"),
        tr("populations differ between studies"),
        "M",
    ),
)


def thresholds(outputs: Sequence[Output], samples: Mapping[str, FloatArray]) -> list[dict[str, Any]]:
    """Each cut-off, with where the result stands against it and in which share of the samples it is exceeded."""
    by_name = {output.name: output for output in outputs}
    return [_against(one, by_name[one.output], samples.get(one.output)) for one in CUT_OFFS]


def _against(one: CutOff, output: Output, samples: FloatArray | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "author": one.author,
        "output": one.output,
        "title": output.title,
        "limit": one.limit,
        "unit": output.unit,
        "text": one.text,
        "population": one.population,
        "checked": one.tag,
        "note": TAG_TEXTS[one.tag],
        "value": output.value,
        "low": output.low,
        "high": output.high,
        "probability_percent": None,
        "reason": "",
    }
    if output.value is None:
        return entry | {"verdict": "not assessed", "reason": tr("the diameter of the parent vessel is not known")}
    if samples is not None:
        entry["probability_percent"] = 100.0 * float(np.mean(samples > one.limit))
    if output.low is not None and output.high is not None and output.low <= one.limit < output.high:
        return entry | {"verdict": "uncertain"}
    return entry | {"verdict": "reached" if output.value > one.limit else "below"}
