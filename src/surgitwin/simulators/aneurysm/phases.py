"""The PHASES score: five-year risk that an unruptured intracranial aneurysm ruptures.

Greving JP, et al. Lancet Neurol 2014;13:59-66 (six cohorts, 8382 patients). The points and the table of risks below
were recalled and not checked against the paper; totals 0, 7 and 22 agree with one public test suite that was read. They
are shown with that mark. Wrong tables circulate: check the paper before this one is changed.

Not shipped, because no table of theirs was read: UCAS (points), ELAPSS (points not verified), UIATS, Suzuki 2020, the
models of Detmer and Xiang (coefficients). A user who has a published logistic model can load it, see `logistic`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.simulators.base import TAG_TEXTS, Tag

SOURCE = "Greving 2014, Lancet Neurol 13:59"
POPULATION_TEXT = tr("six cohorts, 8382 patients with unruptured aneurysms")
TAG: Tag = "M"

Population = Literal["north-america", "europe", "japan", "finland"]
Site = Literal["ica", "mca", "aca", "pcom", "posterior"]

POPULATION_POINTS: dict[Population, int] = {"north-america": 0, "europe": 0, "japan": 3, "finland": 5}
SITE_POINTS: dict[Site, int] = {"ica": 0, "mca": 2, "aca": 4, "pcom": 4, "posterior": 4}
POPULATION_TEXTS: dict[Population, str] = {
    "north-america": tr("North America"),
    "europe": tr("Europe other than Finland"),
    "japan": tr("Japan"),
    "finland": tr("Finland"),
}
SITE_TEXTS: dict[Site, str] = {
    "ica": tr("internal carotid artery"),
    "mca": tr("middle cerebral artery"),
    "aca": tr("anterior cerebral or anterior communicating artery"),
    "pcom": tr("posterior communicating artery"),
    "posterior": tr("posterior circulation"),
}
SIZE_POINTS = ((7.0, 0), (10.0, 3), (20.0, 6), (math.inf, 10))
"""Below the first number of each pair (mm), so many points."""
OLD_YEARS = 70
AGE_YEARS = (18.0, 120.0)
SIZE_MM = (0.5, 80.0)
RISK_PERCENT = (0.4, 0.4, 0.4, 0.7, 0.9, 1.3, 1.7, 2.4, 3.2, 4.3, 5.3, 7.2, 17.8)
"""Five-year risk by points 0 to 11, and last from 12 on."""


@dataclass(frozen=True)
class PhasesAnswers:
    """What PHASES asks; None is not known.

    Attributes
    ----------
    earlier_sah
        Subarachnoid haemorrhage earlier from another aneurysm.
    size_from
        Where the size comes from: ``given`` or ``twin``.
    ruptured
        This aneurysm has ruptured: PHASES does not hold for it.
    """

    population: Population | None = None
    hypertension: bool | None = None
    age_years: float | None = None
    size_mm: float | None = None
    earlier_sah: bool | None = None
    site: Site | None = None
    size_from: Literal["given", "twin"] = "given"
    ruptured: bool = False


@dataclass(frozen=True)
class PhasesItem:
    """One item: what was answered, its points, and where the answer and the points come from."""

    name: str
    title: str
    answer: str
    points: int | None
    origin: str

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "answer": self.answer,
            "points": self.points,
            "origin": self.origin,
            "source": SOURCE,
            "checked": TAG,
            "note": TAG_TEXTS[TAG],
        }


@dataclass(frozen=True)
class Phases:
    """The score; total and risk are None where an item is not known."""

    items: tuple[PhasesItem, ...]
    total: int | None
    risk_percent: float | None
    missing: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "items": [item.as_json() for item in self.items],
            "total": self.total,
            "risk_5_years_percent": self.risk_percent,
            "missing": list(self.missing),
            "source": SOURCE,
            "population": POPULATION_TEXT,
            "checked": TAG,
            "note": TAG_TEXTS[TAG],
            "text": tr("share of that population whose aneurysm ruptured within 5 years, not this patient's risk"),
        }


def phases(answers: PhasesAnswers) -> Phases:
    """The PHASES score with every item.

    Raises
    ------
    BadInput
        If the aneurysm has ruptured, or an answer is impossible.
    """
    _check(answers)
    items = (
        _item("population", tr("Population"), answers.population, POPULATION_TEXTS, POPULATION_POINTS),
        _yes_no("hypertension", tr("Hypertension"), answers.hypertension),
        _age(answers.age_years),
        _size(answers.size_mm, answers.size_from),
        _yes_no("earlier_sah", tr("Earlier subarachnoid haemorrhage from another aneurysm"), answers.earlier_sah),
        _item("site", tr("Site"), answers.site, SITE_TEXTS, SITE_POINTS),
    )
    missing = tuple(item.name for item in items if item.points is None)
    if missing:
        return Phases(items, None, None, missing)
    total = sum(item.points for item in items if item.points is not None)
    return Phases(items, total, risk_percent(total))


def size_points(size_mm: float) -> int:
    """Points for the largest diameter: below 7 mm 0, below 10 mm 3, below 20 mm 6, else 10 (recalled)."""
    return next(points for below, points in SIZE_POINTS if size_mm < below)


def risk_percent(total: int) -> float:
    """Five-year risk of rupture for a total of 0 to 22 points, percent (recalled).

    Raises
    ------
    BadInput
        If the total is not one that PHASES can give.
    """
    if not 0 <= total <= 22:
        raise BadInput(tr("PHASES gives 0 to 22 points, not {total}.").format(total=total))
    return RISK_PERCENT[min(total, len(RISK_PERCENT) - 1)]


def _check(answers: PhasesAnswers) -> None:
    if answers.ruptured:
        raise BadInput(
            tr("PHASES is for aneurysms that have not ruptured; it says nothing of this one. Leave its items out.")
        )
    for value, (low, high), name, unit in (
        (answers.age_years, AGE_YEARS, "age_years", tr("years")),
        (answers.size_mm, SIZE_MM, "size_mm", "mm"),
    ):
        if value is not None and not (math.isfinite(value) and low <= value <= high):
            message = tr("PHASES: {name} cannot be {value:g} {unit}; give {low:g} to {high:g} {unit}.")
            raise BadInput(message.format(name=name, value=value, unit=unit, low=low, high=high))
    for name, answer, known in (
        ("population", answers.population, list(POPULATION_POINTS)),
        ("site", answers.site, list(SITE_POINTS)),
    ):
        _check_known(name, answer, known)


def _check_known(name: str, answer: str | None, known: Sequence[str]) -> None:
    if answer is not None and answer not in known:
        message = tr("PHASES knows no {name} “{answer}”; it was made for: {known}.")
        raise BadInput(message.format(name=name, answer=answer, known=", ".join(known)))


def _item(name: str, title: str, answer: Any, texts: dict[Any, str], points: dict[Any, int]) -> PhasesItem:
    if answer is None:
        return _unknown(name, title)
    return PhasesItem(name, title, texts[answer], points[answer], "given")


def _yes_no(name: str, title: str, answer: bool | None) -> PhasesItem:
    if answer is None:
        return _unknown(name, title)
    return PhasesItem(name, title, tr("yes") if answer else tr("no"), int(answer), "given")


def _age(years: float | None) -> PhasesItem:
    title = tr("Age 70 years or more")
    if years is None:
        return _unknown("age_years", title)
    return PhasesItem("age_years", title, tr("{years:g} years").format(years=years), int(years >= OLD_YEARS), "given")


def _size(size_mm: float | None, origin: Literal["given", "twin"]) -> PhasesItem:
    title = tr("Size (largest diameter)")
    if size_mm is None:
        return _unknown("size_mm", title)
    text = tr("{size:.1f} mm").format(size=size_mm)
    return PhasesItem("size_mm", title, text, size_points(size_mm), origin)


def _unknown(name: str, title: str) -> PhasesItem:
    return PhasesItem(name, title, tr("not known"), None, "not given")
