"""A graft in its recipient: its size, its pressure and flow, its limits, and MELD 3.0."""

from __future__ import annotations

from typing import Any

import pytest

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.simulators.base import Result
from surgitwin.simulators.meld import meld_3
from surgitwin.simulators.registry import simulator_named

GIVEN: dict[str, Any] = {
    "graft_volume_ml": 600,
    "standard_liver_volume_ml": 1200,
    "recipient_weight_kg": 70,
    "liver_density_g_ml": 1.05,
    "portal_flow_l_min": 1.8,
    "cardiac_output_l_min": 8,
    "hepatic_artery_flow_l_min": 0.3,
    "pvp_mmhg": 12,
    "cvp_mmhg": 5,
    "map_mmhg": 85,
    "alpha": 0.35,
    "beta": 0.4,
    "kappa_per_mmhg": 0.02,
    "habr_gain": 0,
    "frank_starling_l_min_mmhg": 0.35,
    "volume_change_ml": 0,
    "samples": 0,
}
BLOOD = {"bilirubin_mg_dl": 2.5, "sodium_mmol_l": 135, "inr": 1.5, "creatinine_mg_dl": 1.2, "albumin_g_dl": 3.0}


def simulate(name: str = "graft-pressure", **settings: Any) -> Result:
    simulator = simulator_named(name)
    params = simulator.parse(settings)
    return simulator.solve(simulator.gather(None, None, params), params, Context())  # type: ignore[no-any-return]


def numbers(result: Result) -> dict[str, float | None]:
    return {output.name: output.value for output in result.outputs}


def test_a_graft_of_half_a_liver_has_the_pressure_of_a_resection_to_one_half() -> None:
    graft = numbers(simulate(**GIVEN))
    own = ("graft_volume_ml", "standard_liver_volume_ml", "recipient_weight_kg")
    rest = {key: value for key, value in GIVEN.items() if key not in own}
    resected = numbers(simulate("portal-pressure", **rest, remnant_fraction=0.5, liver_volume_ml=1200))

    for name in ("pvp_mmhg", "pcg_mmhg", "portal_flow_l_min", "portal_flow_ml_min_100g"):
        assert graft[name] == pytest.approx(resected[name])
    # 600 ml of 1.05 g/ml are 630 g.
    assert graft["portal_flow_ml_min_100g"] == pytest.approx(1000 * (graft["portal_flow_l_min"] or 0) / 6.30)


def test_the_ratios_are_those_of_weight_and_standard_volume() -> None:
    found = numbers(simulate(**GIVEN))
    lighter = numbers(simulate(**GIVEN, blood_factor=0.85))

    assert found["grwr_percent"] == pytest.approx(100 * 0.630 / 70)
    assert found["gv_slv_percent"] == pytest.approx(50)
    assert lighter["grwr_percent"] == pytest.approx(0.85 * 0.9)
    flow = found["portal_flow_ml_min_100g"] or 0
    assert lighter["portal_flow_ml_min_100g"] == pytest.approx(flow / 0.85)


def test_without_a_standard_volume_it_comes_from_height_and_weight_by_urata() -> None:
    settings = {key: value for key, value in GIVEN.items() if key != "standard_liver_volume_ml"}
    result = simulate(**{**settings, "recipient_height_cm": 175, "recipient_weight_kg": 75})

    assert result.details["standard_liver_ml"] == pytest.approx(1346, abs=1)


def test_limits_are_those_of_grafts_and_none_of_hepatectomies() -> None:
    result = simulate(**GIVEN, steatosis_percent=40)
    held = {(limit["author"], limit["output"]): limit["verdict"] for limit in result.thresholds}

    assert ("ILTS-iLDLT-LTSI 2023", "pvp_mmhg") in held
    assert ("ILTS-iLDLT-LTSI 2023", "portal_flow_ml_min_100g") in held
    assert held["ILTS-iLDLT-LTSI 2023", "grwr_percent"] == "reached"
    assert held["ILTS-iLDLT-LTSI 2023", "gv_slv_percent"] == "reached"
    assert held["Gonzalez 2010", "steatosis_percent"] == "reached"
    assert not any(author in ("Allard 2013", "Carrapita 2019") for author, _ in held)
    small = simulate(**{**GIVEN, "graft_volume_ml": 400})
    verdicts = {limit["output"]: limit["verdict"] for limit in small.thresholds}
    assert verdicts["grwr_percent"] == "below" and verdicts["gv_slv_percent"] == "below"


def test_a_recipient_of_whom_nothing_was_measured_gets_a_hyperdynamic_inflow_with_its_spread() -> None:
    result = simulate(graft_volume_ml="600±5%", standard_liver_volume_ml=1200, recipient_weight_kg=70, samples=3000)
    by_name = {output.name: output for output in result.outputs}

    assert result.details["baseline"]["portal_flow_l_min"] == pytest.approx(2.0)
    # The gradient of a whole healthy liver rises with what flows through it: 5 mmHg for each L/min.
    assert result.details["baseline"]["pcg_mmhg"] == pytest.approx(10.0)
    for name in ("pvp_mmhg", "grwr_percent", "gv_slv_percent", "portal_flow_ml_min_100g"):
        output = by_name[name]
        assert output.low is not None and output.high is not None and output.value is not None
        assert output.low < output.value < output.high
    assert by_name["gv_slv_percent"].value == pytest.approx(50, abs=0.3)
    assert by_name["gv_slv_percent"].high == pytest.approx(50 * 1.082, abs=0.4)


def test_without_the_recipients_weight_the_ratio_to_it_is_not_assessed() -> None:
    settings = {key: value for key, value in GIVEN.items() if key != "recipient_weight_kg"}
    result = simulate(**settings)

    assert numbers(result)["grwr_percent"] is None
    assert next(x for x in result.thresholds if x["output"] == "grwr_percent")["verdict"] == "not assessed"


@pytest.mark.parametrize(("female", "exact", "score"), [(False, 17.853, 18), (True, 19.183, 19)])
def test_meld_3_gives_the_published_vectors(female: bool, exact: float, score: int) -> None:
    found = meld_3(*BLOOD.values(), female=female)

    assert found.exact == pytest.approx(exact, abs=5e-4)
    assert found.score == score


def test_meld_3_is_6_where_all_is_normal_and_holds_its_values_within_their_bounds() -> None:
    assert meld_3(1.0, 137, 1.0, 1.0, 3.5, female=False).score == 6
    assert meld_3(0.3, 145, 0.8, 0.5, 5.0, female=False).exact == 6.0
    low = meld_3(5, 110, 2, 8, 1.0, female=False)
    assert low.exact == meld_3(5, 125, 2, 3, 1.5, female=False).exact
    assert meld_3(5, 125, 2, 1, 2, female=False, dialysis=True).exact == meld_3(5, 125, 2, 3, 2, female=False).exact
    boy = meld_3(*BLOOD.values(), female=False, age_years=14)
    assert boy.exact == pytest.approx(meld_3(*BLOOD.values(), female=True).exact)
    assert meld_3(*BLOOD.values(), female=False, age_years=18).score == 18


def test_meld_3_stands_with_the_result_where_its_values_were_given() -> None:
    assert simulate(**GIVEN).details["meld"] is None
    assert simulate(**GIVEN, **BLOOD, sex="male").details["meld"]["score"] == 18


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"graft_volume_ml": None}, ("graft_volume_ml", "--plan")),
        ({"standard_liver_volume_ml": None}, ("standard_liver_volume_ml", "recipient_height_cm")),
        ({"graft_volume_ml": 3000, "standard_liver_volume_ml": 1000}, ("300 %", "5 to 150")),
        ({"remnant_fraction": 0.4}, ("remnant_fraction",)),
        ({"graft_volume_ml": 10}, ("graft_volume_ml", "50 to 3000")),
        ({"inr": 1.5}, ("MELD", "bilirubin_mg_dl", "sex")),
        ({**BLOOD, "sex": "male", "bilirubin_mg_dl": 300}, ("bilirubin_mg_dl", "300", "80")),
        ({"pvp_mmhg": 4}, ("PVP (4", "CVP (5")),
    ],
)
def test_what_cannot_be_is_refused_with_the_value_and_what_would_be_right(
    settings: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises(BadInput) as refusal:
        simulate(**{**GIVEN, **settings})

    assert all(word in str(refusal.value) for word in words), str(refusal.value)
