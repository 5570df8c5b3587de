"""What remains of a liver, held against the limits that were published for such a liver.

A limit is compared only with the ratio it was published for and only for its population; both are named with every
verdict. What cannot be compared is "not assessed", with the reason.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from surgitwin.core.errors import BadInput
from surgitwin.core.liver_volume import WEIGHT_KG, Body, Formula, Tag, formula, in_range
from surgitwin.core.text import tr
from surgitwin.resection.partition import CutNumbers

_FILE = Path(__file__).parent.parent / "resources" / "thresholds.json"

RatioKind = Literal["standard", "ct", "weight", "bsa"]
Verdict = Literal["meets", "below", "not assessed"]

QUALITIES = ("healthy", "chemotherapy", "steatosis", "cholestasis", "cirrhosis")
"""States of the liver tissue; `cirrhosis` stands for fibrosis, cirrhosis and chronic hepatitis."""

OPERATIONS = (
    "right hepatectomy",
    "left hepatectomy",
    "extended right hepatectomy",
    "extended left hepatectomy",
    "other",
)
"""Kinds of operation that limits were published for, and their neighbours."""


@dataclass(frozen=True)
class Patient:
    """What limits need to know; None where nobody said.

    Attributes
    ----------
    height_cm, weight_kg
        Confirmed by a person; what an image header suggests does not belong here.
    liver_quality
        One of `QUALITIES`.
    formula
        Id of the formula for the standard liver volume that the user chose.
    operation
        One of `OPERATIONS`.
    disease
        ``hcc`` for hepatocellular carcinoma, ``other`` for anything else.
    icg_r15_percent
        Indocyanine green retention at 15 minutes.
    """

    height_cm: float | None = None
    weight_kg: float | None = None
    liver_quality: str | None = None
    formula: str | None = None
    operation: str | None = None
    disease: Literal["hcc", "other"] | None = None
    icg_r15_percent: float | None = None
    age_years: float | None = None
    thoracic_width_cm: float | None = None
    asian: bool | None = None

    @property
    def body(self) -> Body:
        return Body(self.height_cm, self.weight_kg, self.age_years, self.thoracic_width_cm, self.asian)


@dataclass(frozen=True)
class Ratios:
    """What remains of a liver against four measures; None where it cannot be known.

    Attributes
    ----------
    standard_percent
        Tumour-free remnant / ``standard_ml``, the standard volume by the chosen formula.
    ct_percent
        Tumour-free remnant / tumour-free liver in the image.
    weight_percent
        Tumour-free remnant / body weight, 1 ml counted as 1 g.
    ml_per_m2
        Tumour-free remnant / body surface.
    reasons
        Why a ratio is None, by its kind.
    """

    standard_ml: float | None
    bsa_m2: float | None
    standard_percent: float | None
    ct_percent: float | None
    weight_percent: float | None
    ml_per_m2: float | None
    reasons: dict[str, str]

    def of(self, kind: RatioKind) -> float | None:
        return {
            "standard": self.standard_percent,
            "ct": self.ct_percent,
            "weight": self.weight_percent,
            "bsa": self.ml_per_m2,
        }[kind]


@dataclass(frozen=True)
class Limit:
    """One published limit, as `resources/thresholds.json` holds it."""

    id: str
    author: str
    ratio: RatioKind
    formula: str | None
    value: float
    liver: tuple[str, ...] | None
    disease: str | None
    operation: str | None
    icg_r15_percent: tuple[float, float] | None
    population: str
    citation: str
    read_in: str
    tag: Tag
    recalled: tuple[str, ...]

    @property
    def unit(self) -> str:
        return "ml/m²" if self.ratio == "bsa" else "%"

    @property
    def ratio_name(self) -> str:
        """What the limit is a share of, the formula's name with it."""
        if self.ratio == "standard":
            name = formula(self.formula).name if self.formula else ""
            return tr("of the standard liver volume by {name}").format(name=name)
        return {
            "ct": tr("of the tumour-free liver in the image"),
            "weight": tr("of body weight"),
            "bsa": tr("of body surface"),
        }[self.ratio]

    @property
    def label(self) -> str:
        """Value, ratio, population and source in one line."""
        text = tr("at least {value:g} {unit} {ratio} ({author}: {population})")
        return text.format(
            value=self.value, unit=self.unit, ratio=self.ratio_name, author=self.author, population=self.population
        )


@dataclass(frozen=True)
class Assessment:
    """One limit held against one remnant.

    Attributes
    ----------
    value
        The ratio that was compared; None if not assessed.
    reason
        Why it was not assessed; empty otherwise.
    fits
        False if the limit was published for another population than this liver's.
    """

    limit: Limit
    verdict: Verdict
    value: float | None
    reason: str
    fits: bool

    def as_json(self) -> dict[str, Any]:
        limit = self.limit
        return {
            "id": limit.id,
            "label": limit.label,
            "author": limit.author,
            "verdict": self.verdict,
            "value": self.value,
            "limit": limit.value,
            "unit": limit.unit,
            "ratio": limit.ratio_name,
            "population": limit.population,
            "reason": self.reason,
            "citation": limit.citation,
            "provenance": provenance_text(limit.tag, limit.recalled),
        }


def provenance_text(tag: Tag, recalled: tuple[str, ...]) -> str:
    """What a user must know of a published number's origin; empty if all of it was read."""
    if tag == "M":
        return tr("recalled, not re-read")
    return tr("{parts} recalled, not re-read").format(parts=", ".join(recalled)) if recalled else ""


@lru_cache(maxsize=1)
def published_limits() -> tuple[Limit, ...]:
    """All limits of `resources/thresholds.json`, checked against the fields of `Limit`."""
    entries = json.loads(_FILE.read_text(encoding="utf-8"))["limits"]
    return TypeAdapter(tuple[Limit, ...]).validate_python(entries)


def chosen_formula(patient: Patient) -> Formula | None:
    return formula(patient.formula) if patient.formula else None


def ratios(numbers: CutNumbers, patient: Patient) -> Ratios:
    """The remnant against all four measures.

    Raises
    ------
    BadInput
        If a given height, weight or other measure is impossible.
    """
    remnant = numbers.remnant_tumour_free_ml
    body, reasons = patient.body, {}
    bsa = body.bsa_m2
    whole = numbers.percentages and numbers.is_liver
    standard: float | None = None
    chosen = chosen_formula(patient)
    if chosen is None:
        reasons["standard"] = tr("no formula for the standard liver volume is chosen")
    elif missing := chosen.missing(body):
        reasons["standard"] = _unconfirmed(missing)
    else:
        try:
            standard = chosen.volume_ml(body)
        except BadInput as error:
            reasons["standard"] = str(error)
    weight = None if patient.weight_kg is None else in_range(patient.weight_kg, WEIGHT_KG, tr("weight"), "kg")
    if weight is None:
        reasons["weight"] = _unconfirmed(("weight_kg",))
    if bsa is None:
        reasons["bsa"] = _unconfirmed(body_gaps(body))
    if numbers.remnant_tumour_free_percent is None and whole:
        reasons["ct"] = tr("no part of the liver is free of tumour")
    if not whole:
        reasons = dict.fromkeys(("standard", "ct", "weight", "bsa"), _unfit(numbers))
    return Ratios(
        standard_ml=standard if numbers.is_liver else None,
        bsa_m2=bsa,
        standard_percent=100.0 * remnant / standard if standard and whole else None,
        ct_percent=numbers.remnant_tumour_free_percent if whole else None,
        weight_percent=100.0 * remnant / (1000.0 * weight) if weight and whole else None,
        ml_per_m2=remnant / bsa if bsa and whole else None,
        reasons=reasons,
    )


def body_gaps(body: Body) -> tuple[str, ...]:
    return tuple(field for field in ("height_cm", "weight_kg") if getattr(body, field) is None)


def _unconfirmed(fields: tuple[str, ...]) -> str:
    names = {
        "height_cm": tr("the height"),
        "weight_kg": tr("the weight"),
        "age_years": tr("the age"),
        "thoracic_width_cm": tr("the width of the chest"),
        "asian": tr("the population"),
    }
    return tr("not confirmed: {fields}").format(fields=", ".join(names[field] for field in fields))


def _unfit(numbers: CutNumbers) -> str:
    if not numbers.is_liver:
        return tr("{organ} is not a liver").format(organ=numbers.organ)
    return tr("{organ} is cut off by the edge of the image").format(organ=numbers.organ)


def assess(found: Ratios, patient: Patient) -> list[Assessment]:
    """Hold every published limit against the remnant.

    Returns
    -------
    One entry for every limit, those for other populations included (``fits`` is False, verdict "not assessed").

    Raises
    ------
    BadInput
        If the liver quality is none of `QUALITIES`.
    """
    if patient.liver_quality is not None and patient.liver_quality not in QUALITIES:
        message = tr("There is no liver quality “{quality}”; choose one of {known}.")
        raise BadInput(message.format(quality=patient.liver_quality, known=", ".join(QUALITIES)))
    return [_assess(limit, found, patient) for limit in published_limits()]


def _assess(limit: Limit, found: Ratios, patient: Patient) -> Assessment:
    fits, reason = _population(limit, patient)
    value: float | None = None
    if not reason and limit.formula is not None and patient.formula not in (None, limit.formula):
        chosen = formula(patient.formula).name if patient.formula else ""
        reason = tr("published for the formula of {published}; {chosen} is chosen").format(
            published=formula(limit.formula).name, chosen=chosen
        )
    if not reason:
        value = found.of(limit.ratio)
        reason = "" if value is not None else found.reasons.get(limit.ratio, "")
    if value is None:
        return Assessment(limit, "not assessed", None, reason, fits)
    return Assessment(limit, "meets" if value >= limit.value else "below", value, "", fits)


def _population(limit: Limit, patient: Patient) -> tuple[bool, str]:
    """Whether the patient may belong to the limit's population, and what is against it or not known."""
    if limit.liver is not None:
        if patient.liver_quality is None:
            return True, tr("the state of the liver tissue is not stated")
        if patient.liver_quality not in limit.liver:
            return False, tr("published for another liver: {population}").format(population=limit.population)
    if limit.disease is not None:
        if patient.disease is None:
            return True, tr("the disease is not stated")
        if patient.disease != limit.disease:
            return False, tr("published for another disease: {population}").format(population=limit.population)
    if limit.operation is not None:
        if patient.operation is None:
            return True, tr("the kind of operation is not stated")
        if patient.operation != limit.operation:
            return False, tr("published for another operation: {population}").format(population=limit.population)
    if limit.icg_r15_percent is not None:
        if patient.icg_r15_percent is None:
            return True, tr("the ICG-R15 is not stated")
        low, high = limit.icg_r15_percent
        if not low <= patient.icg_r15_percent < high:
            return False, tr("published for another ICG-R15: {population}").format(population=limit.population)
    return True, ""


def limits_document(numbers: CutNumbers, patient: Patient) -> dict[str, Any]:
    """The part of the `plan` document that needs the patient.

    ``limits`` leaves out what was published for another population, and is empty for an organ that is no liver.

    Raises
    ------
    BadInput
        If something given about the patient is impossible or unknown.
    """
    found = ratios(numbers, patient)
    chosen = chosen_formula(patient)
    limits = [entry.as_json() for entry in assess(found, patient) if entry.fits] if numbers.is_liver else []
    named = chosen if numbers.is_liver else None
    return {
        "body_surface_m2": found.bsa_m2,
        "standard_liver_ml": found.standard_ml,
        "standard_liver_formula": f"{named.name}: {named.equation} ({named.population})" if named else None,
        "remnant_to_standard_percent": found.standard_percent,
        "remnant_to_weight_percent": found.weight_percent,
        "remnant_per_surface_ml_m2": found.ml_per_m2,
        "limits": limits,
    }
