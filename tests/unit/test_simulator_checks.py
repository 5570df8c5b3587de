"""A number against what it should be: met, missed, known to be missed, or not assessed."""

import json
import math

import pytest

from surgitwin.simulators.checks import Check, error_below, near


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (1.0, 0.5, 1.5, "met"),
        (0.5, 0.5, 1.5, "met"),
        (1.5, 0.5, 1.5, "met"),
        (1.5000001, 0.5, 1.5, "not met"),
        (0.4999999, 0.5, 1.5, "not met"),
        (9.0, 0.5, None, "met"),
        (-9.0, None, 1.5, "met"),
        (math.nan, 0.5, 1.5, "not met"),
        (math.nan, None, None, "not met"),
        (math.inf, None, 1.5, "not met"),
        (None, 0.5, 1.5, "not assessed"),
    ],
)
def test_a_value_is_met_within_its_span_and_what_is_no_number_is_never_met(
    value: float | None, low: float | None, high: float | None, verdict: str
) -> None:
    assert Check("x", value, low, high, "mmHg", "analytic", "paper").verdict == verdict


def test_what_is_known_to_be_missed_says_so_only_while_it_is_missed() -> None:
    def known(value: float) -> str:
        return Check("x", value, 1.0, 2.0, "", "published", "paper", known_miss=True).verdict

    assert known(3.0) == "known miss"
    assert known(1.5) == "met"


def test_a_page_shows_rounding_errors_by_their_bound_and_other_values_rounded() -> None:
    assert error_below("x", -3e-14, 1e-9, "mmHg", "analytic", "paper").value_text == "< 1e-09"
    assert error_below("x", -3e-4, 1e-9, "mmHg", "analytic", "paper").value_text == "3.0e-04"
    assert near("x", 12.3456, 12.0, 0.5, "mmHg", "analytic", "paper").value_text == "12.35"
    assert near("x", 12.3456, 12.0, 0.5, "mmHg", "analytic", "paper").allowed_text == "± 0.5"
    assert Check("x", 1.0, 13.5, 16.0, "mmHg", "published", "paper", 15.23).allowed_text == "13.5 to 16"
    assert Check("x", 1.0, 0.0, None, "mmHg", "published", "paper").allowed_text == "at least 0"
    assert Check("x", None, None, None, "", "published", "paper").value_text == "–"


def test_a_check_holds_no_number_that_is_not_json() -> None:
    found = Check("x", math.nan, None, 1.0, "mmHg", "analytic", "paper").as_json()

    json.dumps(found, allow_nan=False)
    assert found["value"] is None and found["verdict"] == "not met"
