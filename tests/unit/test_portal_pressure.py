"""The portal pressure simulator: what it assumes, what it refuses, what it learns, and its published figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.simulators.base import Result
from surgitwin.simulators.portal_pressure.limits import population_risk
from surgitwin.simulators.portal_pressure.samples import Kept, sample_patients
from surgitwin.simulators.portal_pressure.table import pressure_table
from surgitwin.simulators.portal_pressure.validation import STUDY as REFERENCE
from surgitwin.simulators.registry import simulator_named

BASE: dict[str, Any] = {
    "map_mmhg": 85,
    "cvp_mmhg": 5,
    "cardiac_output_l_min": 5.5,
    "portal_flow_l_min": 1.0,
    "hepatic_artery_flow_l_min": 0.35,
    "pvp_mmhg": 10,
    "alpha": 0.35,
    "beta": 0.4,
    "kappa_per_mmhg": 0.02,
    "habr_gain": 0,
    "frank_starling_l_min_mmhg": 0.35,
    "volume_change_ml": 0,
    "remnant_fraction": 0.4,
    "samples": 0,
}


def simulate(**settings: Any) -> Result:
    simulator = simulator_named("portal-pressure")
    params = simulator.parse(settings)
    return simulator.solve(simulator.gather(None, None, params), params, Context())  # type: ignore[no-any-return]


def numbers(result: Result) -> dict[str, float | None]:
    return {output.name: output.value for output in result.outputs}


def test_with_everything_given_the_point_is_that_of_the_reference_table() -> None:
    found = numbers(simulate(**BASE, liver_volume_ml=1400, liver_density_g_ml=1.0))

    assert found["pvp_mmhg"] == pytest.approx(13.836, abs=1e-3)
    assert found["pcg_mmhg"] == pytest.approx(9.655, abs=1e-3)
    assert found["portal_flow_l_min"] == pytest.approx(0.928, abs=1e-3)
    assert found["hepatic_artery_flow_l_min"] == pytest.approx(0.174, abs=1e-3)
    # The table has 166 ml/min for each 100 g of a liver of 1400 g.
    assert found["portal_flow_ml_min_100g"] == pytest.approx(166, abs=0.5)
    assert found["pvp_rise_mmhg"] == pytest.approx(3.836, abs=1e-3)


def test_a_rigid_portal_tree_stands_beside_the_widening_one_and_gives_more() -> None:
    result = simulate(**BASE | {"beta": 0})
    rigid = result.details["rigid"]["pvp_mmhg"]["value"]

    assert rigid == pytest.approx(14.46, abs=0.01)
    assert rigid > (numbers(result)["pvp_mmhg"] or 0)


def test_without_a_liver_volume_flow_for_each_100_g_is_not_assessed() -> None:
    result = simulate(**BASE)

    assert numbers(result)["portal_flow_ml_min_100g"] is None


def test_a_limit_says_how_many_samples_reach_it() -> None:
    result = simulate(**REFERENCE, samples=20000)

    at_22 = next(limit for limit in result.thresholds if limit["limit"] == 22.0)
    assert at_22["probability_percent"] == pytest.approx(1.1, abs=0.6)
    assert at_22["verdict"] == "below"


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    first, again, other = (numbers(simulate(**REFERENCE, samples=300, seed=seed)) for seed in (1, 1, 2))

    assert first == again
    assert first["pvp_mmhg"] != other["pvp_mmhg"]


def test_what_was_not_given_is_assumed_and_says_so_with_its_source() -> None:
    simulator = simulator_named("portal-pressure")
    params = simulator.parse({"remnant_fraction": 0.4, "map_mmhg": 90, "cardiac_output_l_min": 8})
    inputs = simulator.gather(None, None, params)
    known = {name: one.as_json() for name, one in inputs.quantities.items()}

    assert known["map_mmhg"]["origin"] == "given"
    assert known["cvp_mmhg"]["origin"] == "prior" and known["cvp_mmhg"]["checked"] == "M"
    assert known["portal_flow_l_min"]["relative_to"] == "cardiac_output_l_min"
    # Shares of the cardiac output are told as what they are for this one: 0.19 ± 0.038 of 8 L/min.
    flow = known["portal_flow_l_min"]
    assert (flow["value"], flow["unit"]) == (pytest.approx(1.52), "L/min")
    assert (flow["low"], flow["high"]) == pytest.approx(
        (8 * (0.19 - 1.6449 * 0.038), 8 * (0.19 + 1.6449 * 0.038)), abs=2e-3
    )
    assert all(one["source"] for one in known.values() if one["origin"] == "prior")
    assert "portal-pressure-assumed" in [notice.code for notice in inputs.notices]
    found = simulator.solve(inputs, simulator.parse({"samples": 0}), Context())
    assert found.details["baseline"]["portal_flow_l_min"] == pytest.approx(0.19 * 8)
    assert found.details["baseline"]["hepatic_artery_flow_l_min"] == pytest.approx(0.06 * 8)


def test_a_certain_input_drives_nothing_and_the_strongest_driver_comes_first() -> None:
    result = simulate(**BASE | {"samples": 3000, "pvp_mmhg": "10±2", "kappa_per_mmhg": "0..0.05"})
    driving = [driver for driver in result.drivers if driver.output == "pvp_mmhg"]

    assert [driver.input for driver in driving] == ["pvp_mmhg", "kappa_per_mmhg"]
    assert driving[0].rises and not driving[1].rises
    assert sum(driver.share_percent for driver in driving) == pytest.approx(100, abs=6)


def test_only_hvpg_gives_a_lower_bound_and_pvp_with_hvpg_gives_the_presinusoidal_share() -> None:
    lower = simulate(**{**BASE, "pvp_mmhg": None, "hvpg_mmhg": 5})
    both = simulate(**{**BASE, "alpha": None, "hvpg_mmhg": 3.25})

    assert "pvp-from-hvpg" in [notice.code for notice in lower.notices]
    assert numbers(lower)["pvp_mmhg"] == pytest.approx(numbers(simulate(**BASE))["pvp_mmhg"])
    assert both.details["baseline"]["alpha"] == pytest.approx(0.35)


def test_a_limit_is_held_only_against_the_quantity_it_was_published_for() -> None:
    result = simulate(**BASE)

    assert {(limit["author"], limit["output"]) for limit in result.thresholds} == {
        ("Allard 2013", "pvp_mmhg"),
        ("Carrapita 2019", "pvp_rise_mmhg"),
        ("Baveno VII", "hvpg_mmhg"),
        ("", "pcg_mmhg"),
    }
    assert all("CVP 5 mmHg" in limit["cvp_assumed"] for limit in result.thresholds)
    of_pcg = next(limit for limit in result.thresholds if limit["output"] == "pcg_mmhg")
    assert of_pcg["verdict"] == "not assessed"


@pytest.mark.parametrize(
    ("pvp", "risk"),
    [(8, (0, 0)), (10, (0, 0)), (15, (6.5, 8)), (20, (13, 16)), (25, (18.5, 24.5)), (30, (24, 33)), (30.1, None)],
)
def test_the_population_risk_is_that_of_the_paper_and_none_beyond_it(
    pvp: float, risk: tuple[float, float] | None
) -> None:
    assert population_risk(pvp) == (None if risk is None else pytest.approx(risk))


def test_a_measured_pressure_teaches_what_could_not_be_measured_before() -> None:
    unknown = {**BASE, "samples": 8000, "kappa_per_mmhg": "0..0.05", "remnant_fraction": "0.3±0.001"}
    truth = numbers(simulate(**BASE | {"kappa_per_mmhg": 0.045, "remnant_fraction": 0.3}))["pvp_mmhg"]
    prior = simulate(**unknown)
    taught = simulate(**unknown, measured_pvp_mmhg=f"{truth}±0.2")

    before, after = prior.outputs[0], taught.outputs[0]
    assert None not in (before.high, before.low, after.high, after.low)
    assert (after.high - after.low) < 0.5 * (before.high - before.low)  # type: ignore[operator]
    assert after.value == pytest.approx(truth, abs=0.15)
    learnt = {one["name"]: one for one in taught.details["learning"]["parameters"]}["kappa_per_mmhg"]
    assert learnt["prior"]["value"] == pytest.approx(0.025, abs=0.002)
    assert learnt["posterior"]["value"] == pytest.approx(0.045, abs=0.006)
    assert taught.details["learning"]["prior_outputs"]["pvp_mmhg"]["value"] == pytest.approx(before.value)


def test_what_a_trial_clamp_taught_holds_for_another_resection() -> None:
    unknown = {**BASE, "samples": 8000, "kappa_per_mmhg": "0..0.05", "remnant_fraction": 0.25}
    clamp = numbers(simulate(**BASE | {"kappa_per_mmhg": 0.01, "remnant_fraction": 0.45}))["pvp_mmhg"]
    wanted = numbers(simulate(**BASE | {"kappa_per_mmhg": 0.01, "remnant_fraction": 0.25}))["pvp_mmhg"]

    taught = simulate(**unknown, measured_pvp_mmhg=f"{clamp}±0.05", measured_remnant_fraction=0.45)

    assert taught.outputs[0].value == pytest.approx(wanted, abs=0.2)


def test_the_posterior_of_a_linear_normal_case_is_that_of_the_textbook() -> None:
    from surgitwin.simulators.portal_pressure.learning import Measurement, weights_of
    from surgitwin.simulators.sampling import quantiles

    x = np.random.default_rng(1).normal(10, 2, 200_000)
    weights, worth = weights_of([Measurement("m", "y", 13.0, 1.0, "mmHg")], {"y": x})

    mean, sd = (10 / 4 + 13 / 1) / (1 / 4 + 1), (1 / (1 / 4 + 1)) ** 0.5
    found = quantiles(x, (0.05, 0.5, 0.95), weights)
    assert found == pytest.approx((mean - 1.6449 * sd, mean, mean + 1.6449 * sd), abs=0.03)
    assert 1000 < worth < len(x)


def test_the_table_for_a_moving_cut_gives_what_the_samples_give() -> None:
    simulator = simulator_named("portal-pressure")
    params = simulator.parse({**REFERENCE, "portal_open_fraction": 0.8})
    inputs = simulator.gather(None, None, params)
    patients = sample_patients(inputs.quantities, 2000, 1)
    table = pressure_table(patients, 0.8, Context())

    from surgitwin.simulators.portal_pressure.samples import after_operation

    for kept in (Kept(0.8, 0.2), Kept(0.37, 0.0), Kept(0.23, 0.11), Kept(0.12, 0.2)):
        exact = after_operation(patients, kept)
        found = table.at(kept)
        assert found is not None
        for name in ("pvp_mmhg", "pcg_mmhg"):
            wanted = np.quantile(exact[name], (0.05, 0.5, 0.95))
            assert found[name] == pytest.approx(tuple(wanted), abs=0.06)
    assert table.at(Kept(0.05)) is None
    assert table.at(Kept(0.0)) is None


def test_the_curve_falls_as_more_stays_and_the_rigid_one_lies_above_it() -> None:
    curve = simulate(**REFERENCE, samples=500).details["curve"]
    pvp = curve["pvp_mmhg"]

    assert len(curve["remnant_fraction"]) == len(pvp["value"]) == len(pvp["low"]) == len(curve["rigid_pvp_mmhg"])
    assert pvp["value"] == sorted(pvp["value"], reverse=True)
    assert all(low < value < high for low, value, high in zip(pvp["low"], pvp["value"], pvp["high"], strict=True))
    # Where hardly anything goes, lost blood may lower the pressure, and a soft tree is then the narrower one.
    triples = zip(curve["remnant_fraction"], curve["rigid_pvp_mmhg"], pvp["value"], strict=True)
    assert all(stiff > value for share, stiff, value in triples if share < 0.9)


def test_the_way_to_the_steady_state_starts_before_the_operation_and_ends_in_it() -> None:
    result = simulate(**BASE)
    way = result.details["transient"]

    assert way["compliant"]["pvp_mmhg"][0] == pytest.approx(10)
    assert way["compliant"]["pvp_mmhg"][-1] == pytest.approx(numbers(result)["pvp_mmhg"], abs=0.02)
    assert way["rigid"]["pvp_mmhg"][-1] == pytest.approx(result.details["rigid"]["pvp_mmhg"]["value"], abs=0.02)
    assert len(way["time_s"]) == len(way["compliant"]["map_mmhg"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"map_mmhg": 31, "cvp_mmhg": 4, "pvp_mmhg": 35}, ("MAP (31", "PVP (35")),
        ({"map_mmhg": 30, "cvp_mmhg": 30, "pvp_mmhg": 40}, ("MAP (30", "CVP (30")),
        ({"pvp_mmhg": 5}, ("PVP (5", "CVP (5", "above")),
        ({"portal_flow_l_min": 4, "hepatic_artery_flow_l_min": 2}, ("Portal flow (4)", "cardiac output", "5.5")),
        ({"collateral_l_min_mmhg": 1.0}, ("collateral flow (5)", "cardiac output")),
        ({"map_mmhg": 400}, ("map_mmhg", "400", "30 to 160")),
        ({"map_mmhg": "20..90"}, ("map_mmhg", "20", "30 to 160")),
        ({"alpha": 1}, ("alpha", "0.01 to 0.95")),
        ({"alpha": None, "hvpg_mmhg": 9}, ("HVPG (9", "gradient")),
        ({"remnant_fraction": 0}, ("remnant_fraction", "0.02 to 1")),
        ({"remnant_fraction": None}, ("--plan", "remnant_fraction")),
        ({"portal_occluded": "Right"}, ("portal_occluded", "portal_open_fraction")),
        ({"samples": -1}, ("samples", "-1")),
        ({"samples": 2_000_000}, ("samples",)),
        ({"seed": "x"}, ("seed", "x")),
        ({"pvp": 10}, ("pvp", "pvp_mmhg")),
        ({"pvp_mmhg": "ten"}, ("pvp_mmhg", "ten", "MEAN±SD")),
        ({"pvp_mmhg": "9..7"}, ("pvp_mmhg", "smaller number first")),
        ({"measured_pvp_mmhg": 14}, ("samples", "Learning")),
        ({"samples": 500, "pvp_mmhg": "5.2±3"}, ("% of the samples contradict", "above CVP")),
        ({"samples": 500, "measured_pvp_mmhg": "30±0.2"}, ("measured_pvp_mmhg 30", "predicted")),
    ],
)
def test_what_cannot_be_is_refused_with_the_value_and_what_would_be_right(
    settings: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises(BadInput) as refusal:
        simulate(**{**BASE, **settings})

    assert all(word in str(refusal.value) for word in words), str(refusal.value)


def test_with_pvp_and_hvpg_both_uncertain_only_what_was_given_or_assumed_drives_the_result() -> None:
    result = simulate(**BASE | {"pvp_mmhg": "12±1", "hvpg_mmhg": "4±0.5", "alpha": None, "samples": 500})

    assert {driver.input for driver in result.drivers} == {"pvp_mmhg", "hvpg_mmhg"}
