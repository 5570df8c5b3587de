"""Flow in a vessel tree: published and analytic values, how ends share it, clamps, stents, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from liver_trees import phantom_trees, tree_of
from surgitwin.core.errors import BadInput
from surgitwin.simulators.vessel_flow.conditions import Clamp, Conditions, Stent
from surgitwin.simulators.vessel_flow.paint import SHOWN, values_at_points
from surgitwin.simulators.vessel_flow.result import TreeFlow, flow_in_tree
from surgitwin.simulators.vessel_flow.tube import (
    STENOSIS_K,
    Blood,
    Tube,
    healthy_radii_mm,
    reynolds,
    stenosis_quadratic,
    wall_shear_pa,
)
from surgitwin.vessels.tree import VesselTree

BLOOD = Blood()
PORTAL = Conditions(1000.0, 10.0, 5.0)
MURRAY = tuple(6.0 * share ** (1 / 3) for share in (0.65, 0.35))


Point = tuple[float, float, float]


def along(direction: Point, start: Point, length: float, count: int) -> list[Point]:
    """Points of a straight line, the first one step away from its start."""
    unit = np.array(direction) / np.linalg.norm(direction)
    return [tuple(np.array(start) + unit * length * (n + 1) / count) for n in range(count)]


TRUNK = along((2.0, -3.0, 7.5), (0.0, 0.0, 0.0), 80.0, 8)
FORKED = tree_of(
    [
        (4, -1, [(0.0, 0.0, 0.0), *TRUNK], [6.0] * 9),
        (7, 4, along((1, 0, 0), TRUNK[-1], 33.0, 5), [MURRAY[0]] * 5),
        (2, 4, along((-1, 2, 0), TRUNK[-1], 21.0, 3), [MURRAY[1]] * 3),
    ],
    {4: "Main", 7: "Right", 2: "Left"},
)


def test_the_main_portal_vein_loses_what_poiseuille_says() -> None:
    trunk = Tube(np.array([6.0, 6.0]), np.array([80.0]))
    flow = 1000.0 / 60.0
    assert trunk.resistance(BLOOD) * flow == pytest.approx(0.069, abs=5e-4)
    assert trunk.resistance(BLOOD) == pytest.approx(8 * 3.5e-3 * 0.08 / (math.pi * 0.006**4) / 133.322e6, rel=1e-12)
    assert reynolds(flow, 6.0, BLOOD) == pytest.approx(536, abs=0.5)
    assert trunk.mean_wall_shear_pa(flow, BLOOD) == pytest.approx(0.34, abs=5e-3)
    found = flow_in_tree(FORKED, PORTAL).branch[4]
    assert found.drop_mmhg == pytest.approx(0.069, abs=5e-4)
    assert found.pressure_in_mmhg == pytest.approx(10.0) and found.flow_ml_min == pytest.approx(1000.0)
    assert found.reynolds == pytest.approx(536, abs=0.5) and found.laminar
    assert found.length_mm == pytest.approx(80.0)


@given(st.lists(st.floats(0.3, 9.0), min_size=2, max_size=8), st.floats(0.2, 5.0))
def test_a_tapered_tube_agrees_with_numerical_quadrature(radii: list[float], step: float) -> None:
    tube = Tube(np.array(radii), np.full(len(radii) - 1, step))
    places = np.arange(len(radii)) * step
    end = places[-1]
    total = [
        quad(lambda s, power=power: np.interp(s, places, radii) ** -power, 0, end, points=places, epsrel=1e-11)[0]
        for power in (4, 3)
    ]
    resistance = 8 * BLOOD.viscosity_pa_s / math.pi * total[0] * 1e9 / 133.322e6
    assert tube.resistance(BLOOD) == pytest.approx(resistance, rel=1e-8)
    shear = 4 * BLOOD.viscosity_pa_s * 2e-6 / math.pi * total[1] * 1e9 / places[-1]
    assert tube.mean_wall_shear_pa(2.0, BLOOD) == pytest.approx(shear, rel=1e-8)
    low, high = tube.wall_shear_pa(2.0, BLOOD).min(), tube.wall_shear_pa(2.0, BLOOD).max()
    assert low * (1 - 1e-12) <= tube.mean_wall_shear_pa(2.0, BLOOD) <= high * (1 + 1e-12)


def test_murrays_law_gives_both_branches_of_a_fork_the_same_wall_shear() -> None:
    assert pytest.approx((5.197, 4.228), abs=5e-4) == MURRAY
    shears = [
        float(wall_shear_pa(share * 1000 / 60, np.array([r]), BLOOD)[0])
        for share, r in zip((0.65, 0.35), MURRAY, strict=True)
    ]
    assert shears == pytest.approx([0.344, 0.344], abs=5e-4) and shears[0] == pytest.approx(shears[1], rel=1e-12)
    found = flow_in_tree(FORKED, PORTAL)
    assert [found.terminal[end].share_percent for end in (7, 2)] == pytest.approx([65.0, 35.0], rel=1e-12)
    assert {found.terminal[end].shared_by for end in (7, 2)} == {"murray"}
    # The branches' own resistance is small, but not nothing.
    assert found.terminal[7].flow_ml_min == pytest.approx(650.0, rel=2e-3)
    assert found.terminal[7].flow_ml_min != pytest.approx(650.0, rel=1e-6)


def test_ends_share_by_volume_where_it_is_known_and_by_radius_where_it_is_not() -> None:
    both = flow_in_tree(FORKED, PORTAL, {7: 300.0, 2: 900.0})
    assert [both.terminal[end].share_percent for end in (7, 2)] == pytest.approx([25.0, 75.0])
    assert [both.terminal[end].shared_by for end in (7, 2)] == ["volume", "volume"]
    total = both.terminal_resistance_mmhg_s_ml
    assert both.terminal[7].resistance_mmhg_s_ml == pytest.approx(total * 1200.0 / 300.0, rel=1e-12)
    one = flow_in_tree(FORKED, PORTAL, {2: 900.0})
    assert [one.terminal[end].share_percent for end in (7, 2)] == pytest.approx([65.0, 35.0])
    assert [one.terminal[end].shared_by for end in (7, 2)] == ["murray", "volume"]
    assert [n.details["branches"] for n in one.notices if n.code == "shared-by-radius"] == [[7]]


def test_an_end_that_feeds_nothing_gets_nothing() -> None:
    found = flow_in_tree(FORKED, PORTAL, {7: 0.0, 2: 900.0})
    assert found.branch[7].blocked == "feeds-nothing" and found.branch[7].flow_ml_min == 0.0
    assert found.branch[7].pressure_in_mmhg is None and found.terminal[7].resistance_mmhg_s_ml is None
    assert found.terminal[2].flow_ml_min == pytest.approx(1000.0)
    half = flow_in_tree(FORKED, PORTAL, {7: 0.0})
    assert half.terminal[2].share_percent == pytest.approx(100.0) and half.terminal[2].shared_by == "murray"


@pytest.mark.parametrize("held", ["flow", "pressure"])
def test_the_tree_has_exactly_the_flow_and_the_pressures_that_were_given(held: str) -> None:
    found = flow_in_tree(phantom_trees()[0], Conditions(1000.0, 10.0, 5.0, held=held))  # type: ignore[arg-type]
    assert found.flow_ml_min == pytest.approx(1000.0, rel=1e-10)
    assert found.root_mmhg == pytest.approx(10.0, rel=1e-11) and found.tissue_mmhg == 5.0


def test_mass_is_kept_at_every_fork_of_a_liver() -> None:
    tree = phantom_trees()[0]
    found = flow_in_tree(tree, PORTAL)
    for branch in tree.branches:
        below = tree.children[branch.id]
        if below:
            total = math.fsum(found.branch[one].flow_ml_min or 0.0 for one in below)
            assert total == pytest.approx(found.branch[branch.id].flow_ml_min, rel=1e-10)
    assert found.solution.imbalance < 1e-10 and found.solution.misfit < 1e-10
    assert math.fsum(t.flow_ml_min for t in found.terminals) == pytest.approx(1000.0, rel=1e-10)
    for one in found.branches:
        assert one.pressure_in_mmhg - one.pressure_out_mmhg == pytest.approx(one.drop_mmhg, rel=1e-6)  # type: ignore[operator]


def test_a_vein_is_an_artery_turned_round() -> None:
    out = flow_in_tree(FORKED, Conditions(1000.0, 10.0, 5.0))
    back = flow_in_tree(FORKED, Conditions(1000.0, 5.0, 10.0))
    for one, other in zip(out.branches, back.branches, strict=True):
        assert one.flow_ml_min == pytest.approx(other.flow_ml_min, rel=1e-10)
        assert one.wall_shear_mean_pa == pytest.approx(other.wall_shear_mean_pa, rel=1e-10)
        assert 15.0 - one.pressure_in_mmhg == pytest.approx(other.pressure_out_mmhg, rel=1e-10)  # type: ignore[operator]
    clamped = flow_in_tree(FORKED, Conditions(1000.0, 5.0, 10.0), edits=[Clamp(7)])
    assert clamped.root_mmhg == pytest.approx(5.0) and clamped.tissue_mmhg > 15.0
    assert clamped.branch[2].flow_ml_min == pytest.approx(1000.0)


def test_a_clamp_sends_all_flow_elsewhere_when_the_flow_is_held() -> None:
    tree = phantom_trees()[0]
    clamped = next(b.id for b in tree.branches if b.name == "Right portal vein")
    found = flow_in_tree(tree, PORTAL, edits=[Clamp(clamped)])
    assert found.before is not None
    below = set(tree.subtree(clamped))
    assert {one.id for one in found.branches if one.blocked} == below
    assert found.branch[clamped].blocked == "clamped"
    assert all(found.branch[one].flow_ml_min == 0.0 for one in below)
    assert all(found.terminal[t.branch].flow_ml_min == 0.0 for t in found.terminals if t.branch in below)
    assert found.flow_ml_min == pytest.approx(1000.0, rel=1e-10)
    changes = {change.branch: change for change in found.changes()}
    lost = -changes[clamped].flow_ml_min
    left = next(b.id for b in tree.branches if b.name == "Left portal vein")
    assert lost == pytest.approx(found.before.branch[clamped].flow_ml_min) and lost > 500.0
    assert changes[left].flow_ml_min == pytest.approx(lost, rel=1e-9)
    assert changes[clamped].pressure_in_mmhg is None
    assert found.root_mmhg > found.before.root_mmhg + 1.0
    assert {"flow-held", "pressure-not-predicted"} <= {notice.code for notice in found.notices}


def test_a_clamp_with_the_pressure_held_takes_the_flow_away_and_leaves_the_other_side_nearly_alone() -> None:
    found = flow_in_tree(FORKED, replace(PORTAL, held="pressure"), edits=[Clamp(7)])
    assert found.root_mmhg == pytest.approx(10.0, rel=1e-12)
    assert found.flow_ml_min == pytest.approx(350.0, rel=0.02) and found.flow_ml_min > 350.0
    assert "pressure-held" in {notice.code for notice in found.notices}


def test_clamping_every_arm_of_a_branch_closes_the_branch() -> None:
    tree = tree_of(
        [
            (0, -1, [(0, 0, 0), (0, 0, 9)], [5, 5]),
            (1, 0, [(0, 5, 9)], [3]),
            (2, 0, [(0, -5, 9)], [3]),
            (3, 2, [(2, -9, 9)], [2]),
            (4, 2, [(-2, -9, 9)], [2]),
        ]
    )
    found = flow_in_tree(tree, PORTAL, edits=[Clamp(3), Clamp(4)])
    assert {one.id: one.blocked for one in found.branches} == {
        0: "",
        1: "",
        2: "beyond-clamp",
        3: "clamped",
        4: "clamped",
    }
    with pytest.raises(BadInput, match="Nothing is left for the flow of 1000 ml/min to leave by"):
        flow_in_tree(tree, PORTAL, edits=[Clamp(0)])


def narrowed(narrow_mm: float) -> TreeFlow:
    return flow_in_tree(_narrow_tree(narrow_mm), PORTAL)


def _narrow_tree(narrow_mm: float) -> VesselTree:
    rows = [
        (4, -1, [(0.0, 0.0, 0.0), *TRUNK], [6.0, 6.0, 6.0, 6.0, narrow_mm, 6.0, 6.0, 6.0, 6.0]),
        (7, 4, along((1, 0, 0), TRUNK[-1], 33.0, 5), [MURRAY[0]] * 5),
        (2, 4, along((-1, 2, 0), TRUNK[-1], 21.0, 3), [MURRAY[1]] * 3),
    ]
    return tree_of(rows)


def test_a_narrowing_adds_the_loss_of_young_and_tsai_and_says_so() -> None:
    area = [math.pi * (r * 1e-3) ** 2 for r in (2.7, 6.0)]
    loss_pa = STENOSIS_K * 1060.0 * (1e-3 / 60) ** 2 / 2 * (1 / area[0] - 1 / area[1]) ** 2
    found = narrowed(2.7)
    assert found.branch[4].narrowing_loss_mmhg == pytest.approx(loss_pa / 133.322, rel=1e-10)
    assert found.branch[4].narrowing_loss_mmhg > 1.0  # type: ignore[operator]
    notice = next(notice for notice in found.notices if notice.code == "narrowing")
    assert notice.details["branches"] == [4] and "recalled, not checked" in notice.message
    without = flow_in_tree(_narrow_tree(2.7), replace(PORTAL, stenoses=False))
    assert without.branch[4].narrowing_loss_mmhg == 0.0 and not any(n.code == "narrowing" for n in without.notices)


def test_only_a_place_narrower_than_half_of_both_sides_counts_as_a_narrowing() -> None:
    assert narrowed(3.1).branch[4].narrowing_loss_mmhg == 0.0
    assert narrowed(2.9).branch[4].narrowing_loss_mmhg > 0.0  # type: ignore[operator]
    assert healthy_radii_mm(np.array([5.0, 2, 4, 1, 3, 2])).tolist() == [5, 4, 4, 3, 3, 2]
    assert Tube(np.array([6.0, 2.0, 1.0]), np.ones(2)).narrowest() is None
    assert stenosis_quadratic(6.0, 6.0, BLOOD) == 0.0


@pytest.mark.parametrize("radius", [None, 6.0])
def test_a_stent_restores_the_flow_of_the_vessel_without_its_narrowing(radius: float | None) -> None:
    conditions = replace(PORTAL, held="pressure")
    narrow = _narrow_tree(2.7)
    found = flow_in_tree(narrow, conditions, edits=[Stent(4, radius)])
    assert found.before is not None and found.branch[4].stented
    assert found.flow_ml_min > found.before.flow_ml_min * 1.2
    trunk = found.branch[4]
    assert trunk.narrowing_loss_mmhg == 0.0 and trunk.min_radius_mm == 6.0
    assert trunk.resistance_mmhg_s_ml == pytest.approx(flow_in_tree(FORKED, PORTAL).branch[4].resistance_mmhg_s_ml)
    # With the flow held, the healthy tree's drop comes back.
    held = flow_in_tree(narrow, PORTAL, edits=[Stent(4, radius)])
    assert held.branch[4].drop_mmhg == pytest.approx(flow_in_tree(FORKED, PORTAL).branch[4].drop_mmhg, rel=1e-10)


def test_a_stent_never_narrows_a_vessel() -> None:
    found = flow_in_tree(FORKED, PORTAL, edits=[Stent(4, 3.0)])
    assert found.branch[4].min_radius_mm == 6.0
    assert all(change.flow_ml_min == pytest.approx(0.0, abs=1e-9) for change in found.changes())


def test_where_poiseuille_does_not_hold_the_branch_is_named() -> None:
    fast = flow_in_tree(FORKED, Conditions(5000.0, 60.0, 5.0))
    notice = next(notice for notice in fast.notices if notice.code == "not-laminar")
    assert notice.details["branches"] == [4, 7] and "Main (branch 4), Right (branch 7)" in notice.message
    assert fast.branch[4].laminar is False and fast.branch[2].laminar is True
    slow = flow_in_tree(FORKED, PORTAL)
    assert not any(notice.code == "not-laminar" for notice in slow.notices)
    assert 4 in next(notice for notice in slow.notices if notice.code == "entry-length").details["branches"]
    assert slow.branch[4].entry_length_mm == pytest.approx(0.06 * 535.9 * 12.0, rel=1e-3)


def test_every_result_says_that_the_pressure_was_given_and_not_predicted() -> None:
    found = flow_in_tree(FORKED, PORTAL)
    assert found.notices[0].code == "pressure-not-predicted"
    assert found.notices[0].details["tree_loss_mmhg"] == pytest.approx(found.tree_loss_mmhg)
    assert 0.069 < found.tree_loss_mmhg < 0.2 and found.tree_share_percent == pytest.approx(20 * found.tree_loss_mmhg)


def test_a_tree_in_parts_is_refused_unless_it_is_said_what_to_do() -> None:
    veins = phantom_trees()[1]
    conditions = Conditions(1350.0, 5.0, 8.0)
    with pytest.raises(BadInput, match="lies in 3 parts"):
        flow_in_tree(veins, conditions)
    each = flow_in_tree(veins, replace(conditions, parts="each"))
    tops = [branch.id for branch in veins.branches if veins.parents[branch.id] < 0]
    assert [each.branch[top].pressure_out_mmhg for top in tops] == pytest.approx([5.0] * 3, rel=1e-12)
    assert math.fsum(each.branch[top].flow_ml_min or 0 for top in tops) == pytest.approx(1350.0, rel=1e-10)
    assert "parts-at-root" in {notice.code for notice in each.notices}
    first = flow_in_tree(veins, replace(conditions, parts="first"))
    assert first.branch[tops[0]].flow_ml_min == pytest.approx(1350.0)
    assert first.branch[tops[1]].blocked == "left-out" and first.branch[tops[1]].flow_ml_min is None
    assert {t.branch for t in first.terminals} <= set(veins.subtree(tops[0]))
    assert "parts-left-out" in {notice.code for notice in first.notices}


def test_a_root_where_branches_meet_is_a_branch_of_one_point_and_loses_nothing() -> None:
    tree = tree_of([(0, -1, [(0, 0, 0)], [5]), (1, 0, [(0, 9, 0)], [3]), (2, 0, [(0, -9, 0)], [3])])
    found = flow_in_tree(tree, PORTAL)
    assert found.branch[0].drop_mmhg == 0.0 and found.branch[0].flow_ml_min == pytest.approx(1000.0)
    assert found.branch[1].flow_ml_min == pytest.approx(500.0)


def test_points_are_coloured_by_the_branch_that_they_belong_to() -> None:
    flow = flow_in_tree(_narrow_tree(2.7), PORTAL)
    by = {shown: values_at_points(flow, shown) for shown in SHOWN}
    fork = 8
    assert by["flow"].values[: fork + 1] == pytest.approx(np.full(9, 1000.0)) and by["flow"].unit == "ml/min"
    pressure = by["pressure"].values
    assert pressure[0] == pytest.approx(10.0) and pressure[fork] == pytest.approx(flow.branch[4].pressure_out_mmhg)
    assert pressure[13] == pytest.approx(flow.branch[7].pressure_out_mmhg)
    falls = -np.diff(pressure[: fork + 1])
    assert (falls > 0).all() and falls.argmax() == 3 and falls[3] > flow.branch[4].narrowing_loss_mmhg
    shear = by["wall-shear"].values
    assert shear[4] == pytest.approx(flow.branch[4].wall_shear_max_pa) and shear.max() == by["wall-shear"].high
    assert by["flow"].low == pytest.approx(min(t.flow_ml_min for t in flow.terminals))
    with pytest.raises(BadInput, match="“colour”"):
        values_at_points(flow, "colour")  # type: ignore[arg-type]


def test_a_clamped_branch_has_no_colour_and_both_states_share_the_scale() -> None:
    after = flow_in_tree(FORKED, PORTAL, edits=[Clamp(7)])
    found = values_at_points(after, "pressure")
    assert np.isnan(found.values[FORKED.branch == 7]).all() and np.isfinite(found.values[FORKED.branch != 7]).all()
    assert after.before is not None
    assert found.low == values_at_points(after.before, "pressure").low and found.high == pytest.approx(after.root_mmhg)


def test_pressures_along_a_vein_rise_from_its_root() -> None:
    found = values_at_points(flow_in_tree(_narrow_tree(2.7), Conditions(1000.0, 5.0, 10.0)), "pressure").values
    assert found[0] == pytest.approx(5.0) and (np.diff(found[:9]) > 0).all()


EMPTY = tree_of([])
ROOTLESS = replace(FORKED, parent=np.zeros(len(FORKED.parent), dtype=np.int32))
HOLLOW = replace(FORKED, radii_mm=np.where(np.arange(17) == 10, 0.0, FORKED.radii_mm))


@pytest.mark.parametrize(
    ("tree", "conditions", "volumes", "edits", "words"),
    [
        (EMPTY, {}, {}, (), "has no point"),
        (ROOTLESS, {}, {}, (), "has no root: each of its 17 points"),
        (HOLLOW, {}, {}, (), "Branch 7 has a radius of 0 mm at point 10; every radius must be above 0 mm"),
        (FORKED, {"flow_ml_min": -5.0}, {}, (), "cannot be -5 ml/min; give 1 to 10000 ml/min"),
        (FORKED, {"flow_ml_min": math.nan}, {}, (), "cannot be nan ml/min"),
        (FORKED, {"root_mmhg": 900.0}, {}, (), "pressure at the root cannot be 900 mmHg; give -10 to 250"),
        (FORKED, {"tissue_mmhg": 10.0}, {}, (), "both 10 mmHg"),
        (FORKED, {"blood": Blood(3.5)}, {}, (), "viscosity cannot be 3.5 Pa.s; give 0.001 to 0.02"),
        (FORKED, {"blood": Blood(density_kg_m3=1.06)}, {}, (), "density cannot be 1.06 kg/m³; give 990 to 1100"),
        (FORKED, {}, {4: 100.0}, (), "branch 4, which is no end branch of the tree; the ends are 7, 2"),
        (FORKED, {}, {7: -1.0}, (), "Branch 7 cannot feed a volume of -1 ml; give 0 or more"),
        (FORKED, {}, {7: 0.0, 2: 0.0}, (), "volume of 0 ml: none feeds anything"),
        (FORKED, {}, {}, (Clamp(99),), "no branch 99 to clamp or stent; its branches are 4, 7, 2"),
        (FORKED, {}, {}, (Clamp(7), Stent(7)), "Branch 7 is clamped or stented twice"),
        (FORKED, {}, {}, (Stent(7, 0.1),), "radius of the stent cannot be 0.1 mm; give 0.5 to 20 mm"),
        (FORKED, {"root_mmhg": 5.05}, {}, (), "At 1000 ml/min the segmented vessels alone would lose"),
    ],
)
def test_bad_input_is_refused_with_the_value_and_what_would_be_valid(  # type: ignore[no-untyped-def]
    tree, conditions, volumes, edits, words
) -> None:
    with pytest.raises(BadInput, match=words):
        flow_in_tree(tree, replace(PORTAL, **conditions), volumes, edits)
