"""The steady network against svZeroD: every case of its own that has a steady state, its stored results, a liver."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liver_trees import phantom_trees
from steady_svzerod import NotSteady, network_of
from surgitwin.simulators.vessel_flow.conditions import Clamp, Conditions
from surgitwin.simulators.vessel_flow.network import Network
from surgitwin.simulators.vessel_flow.result import flow_in_tree
from surgitwin.simulators.vessel_flow.steady import Solution, solve
from surgitwin.simulators.vessel_flow.svzerod_json import svzerod_case

CASES = Path(__file__).parent.parent / "data" / "svzerod"
RELATIVE = 1e-6
STEADY = (
    "steadyFlow_RC_R",
    "steadyFlow_RLC_R",
    "steadyFlow_RL_R",
    "steadyFlow_R_R",
    "steadyFlow_R_RCR",
    "steadyFlow_R_coronary",
    "steadyFlow_R_steadyPressure",
    "steadyFlow_bifurcationR_R1",
    "steadyFlow_bifurcationR_R1_blockNames",
    "steadyFlow_bifurcationR_R2",
    "steadyFlow_blood_vessel_junction",
    "steadyFlow_confluenceR_R",
    "steadyFlow_stenosis_R",
)
NOT_STEADY = {
    "closedLoopHeart_singleVessel": "a heart with valves drives it: nothing in it is steady",
    "pulsatileFlow_R_RCR": "Q of INFLOW varies over the cycle: only its mean is steady",
}
CALIBRATION = "steadyFlow_calibration"  # fits a resistance; the case that it is fitted to is steady
ENDS = ("flow_in", "flow_out", "pressure_in", "pressure_out")
Table = dict[str, dict[str, float]]


def config_of(case: str) -> dict[str, Any]:
    return dict(json.loads((CASES / f"{case}.json").read_text(encoding="utf-8")))


def ours(solution: Solution) -> Table:
    """By vessel what svZeroD tells of it."""
    found: Table = {}
    for element, flow in zip(solution.network.elements, solution.flows_ml_s, strict=True):
        pressures = solution.pressure_mmhg(element.start), solution.pressure_mmhg(element.end)
        found[element.name] = dict(zip(ENDS, (float(flow), float(flow), *pressures), strict=True))
    return found


def stored(case: str) -> Table:
    """The last moment of svZeroD's stored result."""
    columns = json.loads((CASES / "results" / f"result_{case}.json").read_text(encoding="utf-8"))
    found: Table = {}
    for row, name in columns["name"].items():  # in the order of time
        found[name] = {end: columns[end][row] for end in ENDS}
    return found


def run_svzerod(config: dict[str, Any], mean: bool = False) -> Table:
    """The last moment of what svZeroD finds now, or the mean over the last cycle."""
    svzerod = pytest.importorskip("svzerod")
    rows = svzerod.simulate(config).to_dict("records")
    series: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        series[row["name"]].append(row)
    if not mean:
        return {name: {end: own[-1][end] for end in ENDS} for name, own in series.items()}
    last = config["simulation_parameters"]["number_of_time_pts_per_cardiac_cycle"]
    cycle = {name: own[-last:] for name, own in series.items()}
    return {
        name: {end: _mean([row[end] for row in own], [row["time"] for row in own]) for end in ENDS}
        for name, own in cycle.items()
    }


def _mean(values: list[float], times: list[float]) -> float:
    return float(np.trapezoid(values, times) / (times[-1] - times[0]))


def assert_agree(found: Table, expected: Table, relative: float = RELATIVE) -> None:
    compared = [name for name in expected if not name.startswith(("inlet ", "outlet "))]  # the writer's own additions
    assert compared
    for name in compared:
        assert found[name] == pytest.approx(expected[name], rel=relative, abs=0.0), name


def test_every_case_is_either_compared_or_has_a_reason_not_to_be() -> None:
    listed = {*STEADY, *NOT_STEADY, CALIBRATION}
    assert listed == {path.stem for path in CASES.glob("*.json")}


@pytest.mark.parametrize("case", STEADY)
def test_a_steady_case_agrees_with_the_stored_result_of_svzerod(case: str) -> None:
    assert_agree(ours(solve(network_of(config_of(case)))), stored(case))


@pytest.mark.parametrize("case", STEADY)
def test_a_steady_case_agrees_with_svzerod_run_now(case: str) -> None:
    config = config_of(case)
    assert_agree(ours(solve(network_of(config))), run_svzerod(config))


@pytest.mark.parametrize("case", NOT_STEADY)
def test_a_case_without_a_steady_state_is_refused_with_the_reason(case: str) -> None:
    with pytest.raises(NotSteady) as refused:
        network_of(config_of(case))
    assert str(refused.value) == NOT_STEADY[case]


def test_the_mean_of_a_pulsatile_case_over_a_cycle_is_the_steady_state_of_its_mean_flow() -> None:
    config = config_of("pulsatileFlow_R_RCR")
    assert_agree(ours(solve(network_of(config, mean=True))), run_svzerod(config, mean=True))


def test_the_case_that_svzerod_calibrates_agrees_as_a_network_with_what_it_was_calibrated_to() -> None:
    config = config_of(CALIBRATION)
    found = ours(solve(network_of(config)))
    observed = {name: values[-1] for name, values in config["y"].items()}
    vessel = found["branch0_seg0"]
    assert observed["flow:INFLOW:branch0_seg0"] == pytest.approx(vessel["flow_in"], rel=RELATIVE)
    assert observed["pressure:INFLOW:branch0_seg0"] == pytest.approx(vessel["pressure_in"], rel=RELATIVE)
    run = {key: config[key] for key in ("boundary_conditions", "junctions", "vessels")}
    run["simulation_parameters"] = config_of("steadyFlow_RLC_R")["simulation_parameters"]
    assert_agree(found, run_svzerod(run))


def test_the_comparison_fails_when_one_resistance_differs_by_a_hundred_thousandth() -> None:
    config = config_of("steadyFlow_bifurcationR_R2")
    network = network_of(config)
    first = network.elements[0]
    moved = type(first)(first.name, first.start, first.end, first.resistance_mmhg_s_ml * (1 + 1e-5))
    with pytest.raises(AssertionError):
        assert_agree(
            ours(solve(Network((moved, *network.elements[1:]), network.boundaries))),
            stored("steadyFlow_bifurcationR_R2"),
        )


def test_the_portal_tree_of_a_liver_agrees_with_svzerod_in_its_linear_limit() -> None:
    conditions = Conditions(1000.0, 10.0, 5.0, stenoses=False)
    found = flow_in_tree(phantom_trees()[0], conditions).solution
    assert len(found.network.elements) > 90
    assert_agree(ours(found), run_svzerod(svzerod_case(found.network)))


def test_hepatic_veins_in_three_parts_agree_with_svzerod_in_their_linear_limit() -> None:
    conditions = Conditions(1350.0, 5.0, 8.0, parts="each", stenoses=False)
    found = flow_in_tree(phantom_trees()[1], conditions).solution
    assert sum(element.start.startswith("root") or element.end == "root" for element in found.network.elements) == 3
    assert_agree(ours(found), run_svzerod(svzerod_case(found.network)))


def test_a_clamped_portal_tree_between_given_pressures_agrees_with_svzerod() -> None:
    tree = phantom_trees()[0]
    clamped = next(branch.id for branch in tree.branches if branch.name == "Right portal vein")
    conditions = Conditions(1000.0, 10.0, 5.0, held="pressure", stenoses=False)
    found = flow_in_tree(tree, conditions, edits=[Clamp(clamped)]).solution
    assert 20 < len(found.network.elements) < 90
    assert_agree(ours(found), run_svzerod(svzerod_case(found.network)))


def test_a_portal_tree_with_narrowings_agrees_with_svzerod() -> None:
    tree = phantom_trees()[0]
    radii = tree.radii_mm.copy()
    for branch, share in ((0, 0.42), (2, 0.35)):
        own = np.flatnonzero(tree.branch == branch)
        radii[own[len(own) // 2]] *= share
    found = flow_in_tree(replace(tree, radii_mm=radii), Conditions(1000.0, 14.0, 5.0))
    assert (found.branch[0].narrowing_loss_mmhg or 0.0) > 0.5 and (found.branch[2].narrowing_loss_mmhg or 0.0) > 0.5
    assert_agree(ours(found.solution), run_svzerod(svzerod_case(found.solution.network)))


def test_every_case_of_svzerod_comes_back_from_our_network_as_the_same_flow() -> None:
    for case in STEADY:
        network = network_of(config_of(case))
        again = network_of(svzerod_case(network))
        mine, back = ours(solve(network)), ours(solve(again))
        assert_agree({name: back[name] for name in mine}, mine, 1e-12)
