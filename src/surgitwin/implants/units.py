"""In what unit a mesh probably is: said to a person, never applied unasked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from surgitwin.core.text import tr

UNITS_MM: Mapping[str, float] = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 0.001, "inch": 25.4}
PLAUSIBLE_MM = (3.0, 600.0)
_WORDS: Mapping[str, str] = {
    "mm": tr("millimetres"),
    "cm": tr("centimetres"),
    "m": tr("metres"),
    "um": tr("micrometres"),
    "inch": tr("inches"),
}
# A screw's mesh is longer than its length by the head, a stem's by the neck.
_ALIKE = (0.6, 2.2)
_TYPICAL_MM = 60.0


def word_of(unit: str) -> str:
    return _WORDS[unit]


def fitting_unit(largest: float, expected_mm: float | None) -> str | None:
    """The unit in which a body that measures ``largest`` would be as large as ``expected_mm``, or as some implant.

    None if there is none.
    """
    if largest <= 0:
        return None
    if expected_mm is None:
        fitting = [unit for unit, mm in UNITS_MM.items() if PLAUSIBLE_MM[0] <= largest * mm <= PLAUSIBLE_MM[1]]
        return min(fitting, key=lambda unit: abs(np.log(largest * UNITS_MM[unit] / _TYPICAL_MM)), default=None)
    fitting = [unit for unit, mm in UNITS_MM.items() if _ALIKE[0] <= largest * mm / expected_mm <= _ALIKE[1]]
    return min(fitting, key=lambda unit: abs(np.log(largest * UNITS_MM[unit] / expected_mm)), default=None)


def size_sentence(largest_mm: float, expected_mm: float | None, unit: str, file: str) -> str:
    """What is wrong with the size of a mesh that was read in ``unit``; empty if nothing is.

    Parameters
    ----------
    largest_mm
        Its largest extent along an axis, in mm by that unit.
    expected_mm
        The largest dimension that its description names; None if it names none.
    """
    own = largest_mm / UNITS_MM[unit]
    if expected_mm is None:
        if PLAUSIBLE_MM[0] <= largest_mm <= PLAUSIBLE_MM[1]:
            return ""
        finding = tr("{file} would be {size:.3g} mm large if it is in {unit}.")
    else:
        if _ALIKE[0] <= largest_mm / expected_mm <= _ALIKE[1]:
            return ""
        finding = tr(
            "{file} would be {size:.3g} mm large if it is in {unit}, but its dimensions say {expected:.3g} mm."
        )
    text = finding.format(file=file, size=largest_mm, unit=word_of(unit), expected=expected_mm or 0.0)
    guess = fitting_unit(own, expected_mm)
    if guess is None or guess == unit:
        return text + " " + tr("Check the file, and state its unit.")
    return (
        text
        + " "
        + tr("It looks like {guess}: state the unit “{word}” if that is so.").format(guess=word_of(guess), word=guess)
    )
