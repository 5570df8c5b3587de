"""Published logistic models that a user brings as a JSON file; this program ships none.

``p = 1 / (1 + exp(-(intercept + sum coefficient * coded value)))``. The coefficients of Detmer 2018, Xiang 2015 and
Suzuki 2020 were not read by the developers, so a model is only as good as the file: every coefficient names its source,
and the file names its publication, its population and its AUC. The form is described in docs/developer/aneurysm.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from surgitwin.core.errors import BadInput
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr

FloatArray = NDArray[np.float64]
FORMAT = "surgitwin-logistic-1"
LARGEST_FILE = 1_000_000
EMPTY_WORDS = frozenset({"", "-", "?", "n/a", "na", "none", "unknown", "todo", "tbd", "xxx"})


def _says_something(text: str) -> str:
    if text.strip().casefold().rstrip(".") in EMPTY_WORDS:
        raise ValueError(tr("it must say where the number comes from, and may not be left open"))
    return text.strip()


Said = Annotated[str, AfterValidator(_says_something)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class Intercept(_Part):
    value: float
    source: Said


class Coefficient(_Part):
    """One term of a model.

    Attributes
    ----------
    coding
        What the coefficient is multiplied with: the ``value``, its natural logarithm (``ln``), or 1 if the variable is
        ``category`` and else 0 (``is``).
    population_low, population_high
        The range of the variable in the model's population, if it was published.
    """

    variable: str = Field(min_length=1)
    unit: str = Field(min_length=1)
    coding: Literal["value", "ln", "is"]
    category: str | None = None
    value: float
    source: Said
    population_low: float | None = None
    population_high: float | None = None

    @model_validator(mode="after")
    def _whole(self) -> Coefficient:
        if (self.coding == "is") != (self.category is not None):
            raise ValueError(tr("a category belongs to the coding “is”, and to no other"))
        low, high = self.population_low, self.population_high
        if low is not None and high is not None and low > high:
            raise ValueError(tr("population_low lies above population_high"))
        return self


class ReferenceRange(_Part):
    """What a publication calls usual for a variable."""

    variable: str = Field(min_length=1)
    unit: str = Field(min_length=1)
    low: float | None = None
    high: float | None = None
    text: str = ""
    source: Said


class LogisticModel(_Part):
    """A published logistic regression model.

    Attributes
    ----------
    outcome
        What the probability is of, such as having ruptured at the time of the image.
    auc
        Area under the ROC curve in ``auc_population``; None only if none was published.
    teaching
        True for an invented example: its result is marked as such.
    """

    format: Literal["surgitwin-logistic-1"]
    name: Said
    outcome: Said
    population: Said
    citation: Said
    auc: float | None = Field(ge=0.5, le=1.0)
    auc_population: str = ""
    intercept: Intercept
    coefficients: tuple[Coefficient, ...] = Field(min_length=1, strict=False)
    reference_ranges: tuple[ReferenceRange, ...] = Field(default=(), strict=False)
    teaching: bool = False

    @model_validator(mode="after")
    def _each_once(self) -> LogisticModel:
        terms = [(one.variable, one.coding, one.category) for one in self.coefficients]
        twice = [term for term in terms if terms.count(term) > 1]
        if twice:
            raise ValueError(tr("the variable “{name}” has two coefficients").format(name=twice[0][0]))
        units: dict[str, str] = {}
        for one in self.coefficients:
            if units.setdefault(one.variable, one.unit) != one.unit:
                raise ValueError(tr("the variable “{name}” has two units").format(name=one.variable))
        return self


@dataclass(frozen=True, eq=False)
class Measured:
    """A value that a model may take: a number, samples of one (n,), or a category; with its unit, ``1`` for none."""

    value: float | str | FloatArray
    unit: str


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model says.

    Attributes
    ----------
    probability
        (n,), or (1,) if no value was given as samples.
    notices
        What lies outside the model's population.
    """

    probability: FloatArray
    notices: tuple[Notice, ...]


def load_model(path: Path) -> LogisticModel:
    """Read a model.

    Raises
    ------
    BadInput
        If the file cannot be read, is no such model, has no citation, or a coefficient has no source.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BadInput(tr("“{file}” is too large to be a logistic model.").format(file=path.name))
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or tr("it is no text")
        raise BadInput(tr("The model “{file}” cannot be read: {reason}.").format(file=path, reason=reason)) from None
    return parse_model(text, path.name)


def parse_model(text: str, name: str) -> LogisticModel:
    """A model from the text of its file; ``name`` is for messages. Raises as `load_model`."""
    try:
        return LogisticModel.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = tr("The model “{file}” cannot be used: {where}: {reason}.")
        where = ".".join(str(part) for part in first["loc"]) or tr("the file")
        reason = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
        raise BadInput(message.format(file=name, where=where, reason=reason[:1].lower() + reason[1:])) from None


def evaluate(model: LogisticModel, values: Mapping[str, Measured]) -> Evaluation:
    """The model's probability for a patient.

    Parameters
    ----------
    values
        By the variable's name; more than the model takes may be given.

    Raises
    ------
    BadInput
        If a variable is missing, has another unit, or cannot be coded (a logarithm of 0 or less, text for a number).
    """
    score: FloatArray = np.array([model.intercept.value])
    for one in model.coefficients:
        score = score + one.value * _coded(model, one, values)
    # Written so that a large score of either sign cannot overflow.
    probability = np.exp(-np.logaddexp(0.0, -score))
    return Evaluation(np.asarray(probability, dtype=np.float64), tuple(_outside(model, values)))


def _coded(model: LogisticModel, one: Coefficient, values: Mapping[str, Measured]) -> FloatArray:
    measured = values.get(one.variable)
    if measured is None:
        message = tr(
            "The model “{model}” needs “{variable}” ({unit}), which is not known. Give it with model_values, or use"
            " another model."
        )
        raise BadInput(message.format(model=model.name, variable=one.variable, unit=one.unit))
    if measured.unit != one.unit:
        message = tr(
            "The model “{model}” takes “{variable}” in {wanted}, but it is known in {unit}; nothing was converted."
        )
        raise BadInput(
            message.format(model=model.name, variable=one.variable, wanted=one.unit, unit=measured.unit or "1")
        )
    if one.coding == "is":
        if not isinstance(measured.value, str):
            message = tr("The model “{model}” takes “{variable}” as a word, such as “{category}”, not as a number.")
            raise BadInput(message.format(model=model.name, variable=one.variable, category=one.category))
        return np.array([1.0 if measured.value.casefold() == str(one.category).casefold() else 0.0])
    if isinstance(measured.value, str):
        message = tr("The model “{model}” takes “{variable}” as a number, not as “{value}”.")
        raise BadInput(message.format(model=model.name, variable=one.variable, value=measured.value))
    numbers = np.atleast_1d(np.asarray(measured.value, dtype=np.float64))
    if one.coding == "value":
        return numbers
    if np.any(numbers <= 0):
        message = tr("The model “{model}” takes the logarithm of “{variable}”, which must be above 0.")
        raise BadInput(message.format(model=model.name, variable=one.variable))
    return np.asarray(np.log(numbers))


def _outside(model: LogisticModel, values: Mapping[str, Measured]) -> list[Notice]:
    """A notice for each variable whose value (or median) lies outside the model's population."""
    found: list[Notice] = []
    for one in model.coefficients:
        value = values[one.variable].value
        if isinstance(value, str) or one.coding == "is":
            continue
        middle = float(np.median(np.atleast_1d(value)))
        low = -math.inf if one.population_low is None else one.population_low
        high = math.inf if one.population_high is None else one.population_high
        if not low <= middle <= high:
            message = tr(
                "“{variable}” is {value:.3g} {unit}, outside the population that “{model}” was made from ({low:g} to"
                " {high:g} {unit}): its probability does not hold there."
            )
            text = message.format(
                variable=one.variable, value=middle, unit=one.unit, model=model.name, low=low, high=high
            )
            found.append(Notice("outside-model-population", text, {"variable": one.variable, "value": middle}))
    return found


def model_document(model: LogisticModel) -> dict[str, Any]:
    """The model as the result shows it, every coefficient with its source."""
    return model.model_dump(mode="json")
