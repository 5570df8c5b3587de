"""Samples of the flow against the same flow computed from the start, and what the simulator assumes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from liver_trees import phantom_trees
from surgitwin.core.progress import Context
from surgitwin.simulators.base import NoConvergence
from surgitwin.simulators.registry import simulator_named
from surgitwin.simulators.vessel_flow.conditions import Clamp, Conditions, Edit, Held, Stent
from surgitwin.simulators.vessel_flow.params import ASSUMED, assumed
from surgitwin.simulators.vessel_flow.result import flow_in_tree
from surgitwin.simulators.vessel_flow.samples import BRANCH_VALUES, sampled
from surgitwin.simulators.vessel_flow.tube import Blood

DRAWN = {
    "flow_ml_min": np.array([1000.0, 700.0, 1300.0]),
    "gradient_mmhg": np.array([5.0, 4.0, 7.0]),
    "downstream_mmhg": np.array([5.0, 3.0, 9.0]),
    "viscosity_mpa_s": np.array([3.5, 4.2, 3.0]),
    "density_kg_m3": np.array([1060.0, 1050.0, 1070.0]),
    "radius_error_percent": np.array([0.0, -4.0, 6.0]),
}


def narrowed_portal():  # type: ignore[no-untyped-def]
    tree = phantom_trees()[0]
    radii = tree.radii_mm.copy()
    own = np.flatnonzero(tree.branch == 2)
    radii[own[len(own) // 2]] *= 0.4
    return replace(tree, radii_mm=radii)


@pytest.mark.parametrize("held", ["flow", "pressure"])
@pytest.mark.parametrize("system", ["portal", "hepatic"])
@pytest.mark.parametrize("edits", [(), (Clamp(1),), (Stent(2),)])
def test_a_sample_is_the_flow_that_its_numbers_give_from_the_start(
    held: Held, system: str, edits: tuple[Edit, ...]
) -> None:
    tree = narrowed_portal() if system == "portal" else phantom_trees()[1]

    def flow(row: int):  # type: ignore[no-untyped-def]
        values = {name: float(column[row]) for name, column in DRAWN.items()}
        low, high = values["downstream_mmhg"], values["downstream_mmhg"] + values["gradient_mmhg"]
        root, tissue = (high, low) if system == "portal" else (low, high)
        blood = Blood(values["viscosity_mpa_s"] / 1000, values["density_kg_m3"])
        conditions = Conditions(values["flow_ml_min"], root, tissue, held, "each", True, blood)
        wider = replace(tree, radii_mm=tree.radii_mm * (1 + values["radius_error_percent"] / 100))
        return flow_in_tree(wider, conditions, edits=edits)

    found = sampled(flow(0), DRAWN, 0.0, Context())
    assert found.stand.all()
    for row in range(3):
        whole = flow(row)
        assert found.outputs["root_mmhg"][row] == pytest.approx(whole.root_mmhg, rel=1e-7)
        assert found.outputs["tree_loss_mmhg"][row] == pytest.approx(whole.tree_loss_mmhg, rel=1e-7)
        assert found.outputs["flow_ml_min"][row] == pytest.approx(whole.flow_ml_min, rel=1e-7)
        gradient = abs(whole.root_mmhg - whole.tissue_mmhg)
        assert found.outputs["gradient_after_mmhg"][row] == pytest.approx(gradient, rel=1e-7)
        for column, branch in enumerate(whole.model.open):
            for name in BRANCH_VALUES:
                expected = getattr(whole.branch[branch], name)
                assert found.branches[name][row, column] == pytest.approx(expected, rel=1e-6, abs=1e-9), (branch, name)


def test_an_error_of_the_radii_that_is_part_of_the_point_values_is_not_counted_twice() -> None:
    tree = phantom_trees()[0]
    wider = replace(tree, radii_mm=tree.radii_mm * 1.06)
    point = flow_in_tree(wider, Conditions(1000.0, 10.0, 5.0))
    drawn = {name: column[:1] for name, column in DRAWN.items()} | {"radius_error_percent": np.array([6.0])}
    found = sampled(point, drawn, 6.0, Context())
    assert found.outputs["tree_loss_mmhg"][0] == pytest.approx(point.tree_loss_mmhg, rel=1e-7)


def test_a_stent_of_a_given_radius_is_that_wide_however_wide_the_vessels_are() -> None:
    tree = phantom_trees()[0]
    conditions = Conditions(1000.0, 10.0, 5.0)
    point = flow_in_tree(tree, conditions, edits=[Stent(2, 5.0)])
    drawn = {name: column[:1] for name, column in DRAWN.items()} | {"radius_error_percent": np.array([6.0])}
    found = sampled(point, drawn, 0.0, Context())
    wider = replace(tree, radii_mm=tree.radii_mm * 1.06)
    whole = flow_in_tree(wider, conditions, edits=[Stent(2, 5.0)])
    column = whole.model.open.index(2)
    shear = whole.branch[2].wall_shear_mean_pa
    assert found.branches["wall_shear_mean_pa"][0, column] == pytest.approx(shear, rel=1e-6)


def test_samples_in_which_the_vessels_alone_lose_too_much_are_left_out_and_none_at_all_is_an_error() -> None:
    point = flow_in_tree(phantom_trees()[0], Conditions(1000.0, 10.0, 5.0))
    drawn = DRAWN | {"gradient_mmhg": np.array([5.0, 0.05, 7.0])}
    found = sampled(point, drawn, 0.0, Context())
    assert found.stand.tolist() == [True, False, True] and len(found.outputs["root_mmhg"]) == 2
    with pytest.raises(NoConvergence, match="In none of 3 samples"):
        sampled(point, DRAWN | {"gradient_mmhg": np.full(3, 0.01)}, 0.0, Context())


def test_what_is_assumed_of_a_system_lies_in_the_valid_range_and_says_how_it_was_checked() -> None:
    assert set(ASSUMED) == {"portal", "hepatic", "arterial"} and assumed("biliary") == {}
    for system in ASSUMED:
        for known in assumed(system).values():
            assert known.low <= known.point <= known.high and known.source and known.tag in ("M", "D")
            assert known.origin == "prior"


def test_the_simulator_can_be_asked_for_by_name() -> None:
    assert simulator_named("vessel-flow").name == "vessel-flow"
