"""Body surface and the standard (expected) volume of a liver, by published formulas.

A formula's tag says how its coefficients were checked: R, read in the source named; M, recalled and not re-read,
which is told to the user beside the number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

Tag = Literal["R", "M"]

HEIGHT_CM = (40.0, 250.0)
WEIGHT_KG = (2.0, 400.0)
AGE_YEARS = (0.0, 120.0)
THORAX_CM = (10.0, 60.0)
ADULT_BSA_M2 = 1.2
"""Below this the formulas for adults are not used; our own guard, no publication behind it."""


def in_range(value: float, bounds: tuple[float, float], what: str, unit: str) -> float:
    """``value`` if it is finite and within ``bounds``.

    Raises
    ------
    BadInput
        Otherwise; the sentence names the value and the range.
    """
    low, high = bounds
    if not (math.isfinite(value) and low <= value <= high):
        message = tr("The {what} of {value:g} {unit} is not possible; give {low:g} to {high:g} {unit}.")
        raise BadInput(message.format(what=what, value=value, unit=unit, low=low, high=high))
    return value


def body_surface_m2(height_cm: float, weight_kg: float) -> float:
    """Body surface area: 0.007184 * height^0.725 * weight^0.425.

    Du Bois D, Du Bois EF. Arch Intern Med 1916;17:863-871. Tag R: constants read in two packages' documentation that
    cite the paper. 175 cm and 75 kg give 1.903 m2.

    Raises
    ------
    BadInput
        If height or weight is outside what a person can have (40 to 250 cm, 2 to 400 kg).
    """
    height = in_range(height_cm, HEIGHT_CM, tr("height"), "cm")
    weight = in_range(weight_kg, WEIGHT_KG, tr("weight"), "kg")
    return 0.007184 * math.pow(height, 0.725) * math.pow(weight, 0.425)


@dataclass(frozen=True)
class Body:
    """What formulas take; height and weight are those that a person confirmed, None where nobody did."""

    height_cm: float | None = None
    weight_kg: float | None = None
    age_years: float | None = None
    thoracic_width_cm: float | None = None
    asian: bool | None = None

    @property
    def bsa_m2(self) -> float | None:
        """Body surface area; None without height and weight."""
        if self.height_cm is None or self.weight_kg is None:
            return None
        return body_surface_m2(self.height_cm, self.weight_kg)


@dataclass(frozen=True)
class Formula:
    """One formula for the standard volume of a liver.

    Attributes
    ----------
    needs
        Fields of `Body` that it takes.
    equation, population, citation
        For the user to read.
    recalled
        Parts of this entry that were recalled and not re-read.
    """

    id: str
    name: str
    needs: tuple[str, ...]
    equation: str
    population: str
    citation: str
    tag: Tag
    adults_only: bool
    compute: Callable[[Body], float]
    recalled: tuple[str, ...] = ()

    def missing(self, body: Body) -> tuple[str, ...]:
        """Which needed fields of the body are not given."""
        return tuple(field for field in self.needs if getattr(body, field) is None)

    def volume_ml(self, body: Body) -> float:
        """The standard liver volume.

        Raises
        ------
        BadInput
            If something that the formula needs is missing or impossible, or the body is too small for a formula that
            was made from adults.
        """
        missing = self.missing(body)
        if missing:
            message = tr("The standard liver volume of {name} needs {missing}.")
            raise BadInput(message.format(name=self.name, missing=", ".join(field_name(field) for field in missing)))
        bsa = body.bsa_m2
        if self.adults_only and bsa is not None and bsa < ADULT_BSA_M2:
            message = tr(
                "The formula of {name} was made from adults; a body surface of {bsa:.2f} m² is too small for it."
            )
            raise BadInput(message.format(name=self.name, bsa=bsa))
        return self.compute(body)


def field_name(field: str) -> str:
    """How a person calls a field of `Body`."""
    return {
        "height_cm": tr("a confirmed height"),
        "weight_kg": tr("a confirmed weight"),
        "age_years": tr("the age"),
        "thoracic_width_cm": tr("the width of the chest"),
        "asian": tr("the population (Asian or Caucasian)"),
    }[field]


def _by_surface(slope: float, constant: float) -> Callable[[Body], float]:
    def compute(body: Body) -> float:
        surface = body.bsa_m2
        assert surface is not None  # `Formula.missing` was asked before
        return slope * surface + constant

    return compute


def _kokudo(body: Body) -> float:
    assert body.age_years is not None and body.thoracic_width_cm is not None
    age = in_range(body.age_years, AGE_YEARS, tr("age"), tr("years"))
    width = in_range(body.thoracic_width_cm, THORAX_CM, tr("width of the chest"), "cm")
    return 203.3 - 3.61 * age + 58.7 * width - (463.7 if body.asian else 0.0)


_SURFACE = ("height_cm", "weight_kg")

FORMULAS: tuple[Formula, ...] = (
    Formula(
        id="urata",
        name="Urata",
        needs=_SURFACE,
        equation="706.2 × BSA + 2.4",
        population=tr("Japanese children and adults"),
        citation="Urata K, et al. Hepatology 1995;21:1317-1321",
        tag="R",
        adults_only=False,
        compute=_by_surface(706.2, 2.4),
        recalled=("population", "citation"),
    ),
    Formula(
        id="vauthey",
        name="Vauthey",
        needs=_SURFACE,
        equation="1267.28 × BSA − 794.41",
        population=tr("Western adults"),
        citation="Vauthey JN, et al. Liver Transpl 2002;8:233-240",
        tag="R",
        adults_only=True,
        compute=_by_surface(1267.28, -794.41),
        recalled=("population", "citation"),
    ),
    Formula(
        id="korean",
        name=tr("Korean"),
        needs=_SURFACE,
        equation="908.204 × BSA − 464.728",
        population=tr("Korean living donors, n = 1000"),
        citation="Korean J Hepatobiliary Pancreat Surg 2015 (PMID 26693231)",
        tag="R",
        adults_only=True,
        compute=_by_surface(908.204, -464.728),
    ),
    Formula(
        id="chinese",
        name=tr("Chinese"),
        needs=_SURFACE,
        equation="758.259 × BSA − 124.272",
        population=tr("Chinese adults, n = 369, R² 0.30; too high above 70 years"),
        citation="Feng LM, et al. World J Gastroenterol 2017;23:4968-4977",
        tag="R",
        adults_only=True,
        compute=_by_surface(758.259, -124.272),
    ),
    Formula(
        id="japanese-swiss",
        name=tr("Japanese-Swiss"),
        needs=("age_years", "thoracic_width_cm", "asian"),
        equation="203.3 − 3.61 × age + 58.7 × thoracic width (cm) − 463.7 if Asian",
        population=tr("180 Japanese donor candidates and 160 Swiss patients with normal livers"),
        citation="J Hepatol 2015;63:848-854",
        tag="R",
        adults_only=True,
        compute=_kokudo,
    ),
)


def formula(formula_id: str) -> Formula:
    """The formula with this id.

    Raises
    ------
    BadInput
        If there is none; the sentence lists those there are.
    """
    for known in FORMULAS:
        if known.id == formula_id:
            return known
    message = tr("There is no standard-volume formula “{id}”; choose one of {known}.")
    raise BadInput(message.format(id=formula_id, known=", ".join(known.id for known in FORMULAS)))
