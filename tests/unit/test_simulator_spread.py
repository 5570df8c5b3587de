"""What is known of a value: how it is written, sampled and summed up."""

import numpy as np
import pytest

from surgitwin.simulators.base import Known
from surgitwin.simulators.sampling import draw, drivers, quantiles, summarise
from surgitwin.simulators.spread import Spread, exactly, normal, parse_spread, uniform


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("12", exactly(12)),
        (12, exactly(12)),
        ("-1.5e1", exactly(-15)),
        ("12±2", normal(12, 2)),
        ("12 +- 2", normal(12, 2)),
        ("12+/-2", normal(12, 2)),
        ("200±10%", normal(200, 20)),
        ("0.2..0.6", uniform(0.2, 0.6)),
        ("-3..-1", uniform(-3, -1)),
    ],
)
def test_a_value_is_written_as_a_number_with_its_deviation_or_between_two_limits(text: object, wanted: Spread) -> None:
    assert parse_spread(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "abc", "1,5", "12±", "12±0", "12±-1", "5..2", "5..5", "nan", "inf", "1..inf", True]
)
def test_what_is_no_value_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_spread(text)


def test_written_and_read_again_a_spread_is_the_same() -> None:
    for spread in (exactly(1.25), normal(12, 0.5), uniform(0.1, 0.2)):
        assert parse_spread(spread.text()) == spread


def test_a_normal_spread_has_its_mean_and_deviation_and_stays_in_the_valid_range() -> None:
    even = (np.arange(200_000) + 0.5) / 200_000
    free = normal(10, 2).at(even, -1e9, 1e9)
    assert free.mean() == pytest.approx(10, abs=1e-3)
    assert free.std() == pytest.approx(2, abs=1e-3)
    held = normal(10, 2).at(even, 9, 30)
    # The mean of a normal distribution cut off below at a: m + s φ(z) / (1 - Φ(z)), z = (a - m) / s = -0.5.
    assert held.mean() == pytest.approx(10 + 2 * 0.3520653267642995 / 0.6914624612740131, abs=1e-3)
    assert held.min() >= 9


def test_the_interval_holds_the_central_nine_tenths() -> None:
    assert uniform(0, 1).interval(0, 1) == pytest.approx((0.05, 0.95))
    assert normal(0, 1).interval(-99, 99) == pytest.approx((-1.6448536, 1.6448536))
    assert exactly(3).interval(0, 9) == (3, 3)


def _known(name: str, spread: Spread) -> Known:
    return Known(name, name, "", spread, -100, 100, "given", spread.centre)


def test_two_draws_that_differ_in_one_value_share_the_random_numbers_of_all_others() -> None:
    one = draw({"a": _known("a", normal(0, 1)), "b": _known("b", uniform(0, 1))}, 50, 7)
    other = draw({"a": _known("a", exactly(3)), "b": _known("b", uniform(0, 1))}, 50, 7)
    assert (one["b"] == other["b"]).all()
    assert (other["a"] == 3).all()


def test_weighted_quantiles_are_those_of_samples_repeated_as_often_as_they_weigh() -> None:
    random = np.random.default_rng(2)
    values, weights = random.normal(size=4000), random.integers(1, 6, size=4000)
    repeated = np.repeat(values, weights)
    for share in (0.05, 0.5, 0.95):
        found = quantiles(values, (share,), weights.astype(float))[0]
        assert found == pytest.approx(np.quantile(repeated, share), abs=0.005)
    heavy = np.where(values > 0, 1000.0, 1.0)
    assert quantiles(values, (0.05,), heavy)[0] > 0 > quantiles(values, (0.05,))[0]
    assert quantiles(np.arange(1001.0), (0.05, 0.5), np.full(1001, 2.0)) == pytest.approx((50.05, 500), abs=1)


def test_an_output_has_its_median_and_nine_tenths_or_its_point_only() -> None:
    with_samples = summarise("x", "X", "mmHg", 7.0, np.arange(101.0))
    assert (with_samples.low, with_samples.value, with_samples.high, with_samples.point) == (5, 50, 95, 7)
    without = summarise("x", "X", "mmHg", 7.0)
    assert (without.low, without.value, without.high) == (None, 7, None)


def test_the_shares_of_a_sum_are_those_of_its_variances() -> None:
    random = np.random.default_rng(3)
    a, b, c = random.normal(size=(3, 200_000))
    found = drivers("y", 3 * a - 4 * b, {"a": a, "b": b, "c": c, "d": np.zeros(len(a))}, dict.fromkeys("abcd", ""))
    assert [(one.input, one.rises) for one in found] == [("b", False), ("a", True)]
    # Rank correlation of normals: (6/pi) asin(r/2).
    assert found[0].share_percent == pytest.approx(100 * (6 / np.pi * np.arcsin(0.4)) ** 2, abs=0.5)
    assert found[1].share_percent == pytest.approx(100 * (6 / np.pi * np.arcsin(0.3)) ** 2, abs=0.5)
