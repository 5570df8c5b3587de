"""The steady network: analytic answers, balances, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surgitwin.core.errors import BadInput
from surgitwin.simulators.base import NoConvergence
from surgitwin.simulators.vessel_flow.network import (
    Boundary,
    Element,
    InletFlow,
    InletPressure,
    Network,
    OutletPressure,
    OutletResistance,
    outlet_coronary,
    outlet_rcr,
)
from surgitwin.simulators.vessel_flow.steady import TOLERANCE, Solution, solve

A, B, C = Element("a", "in", "fork", 3.0), Element("b", "fork", "left", 4.0), Element("c", "fork", "right", 5.0)
FORK = (A, B, C)
ENDS = (OutletResistance("left", 1.0, 0.5), OutletResistance("right", 10.0, 2.0))


def net(elements: tuple[Element, ...], *boundaries: Boundary) -> Network:
    return Network(elements, boundaries)


def flow_of(solution: Solution, name: str) -> float:
    names = [element.name for element in solution.network.elements]
    return float(solution.flows_ml_s[names.index(name)])


def test_a_fork_divides_flow_by_conductance_to_different_pressures() -> None:
    found = solve(net(FORK, InletFlow("in", 5.0), *ENDS))
    # (p - 0.5) / 5 + (p - 2) / 15 = 5
    fork = (5.0 + 0.5 / 5 + 2 / 15) / (1 / 5 + 1 / 15)
    assert found.pressure_mmhg("fork") == pytest.approx(fork, rel=1e-14)
    assert found.pressure_mmhg("in") == pytest.approx(fork + 15.0, rel=1e-14)
    assert flow_of(found, "b") == pytest.approx((fork - 0.5) / 5, rel=1e-13)
    assert found.boundary_flows_ml_s == pytest.approx([5.0, -(fork - 0.5) / 5, -(fork - 2) / 15], rel=1e-13)


def test_a_given_inlet_pressure_drives_the_flow_that_would_need_that_pressure() -> None:
    by_flow = solve(net(FORK, InletFlow("in", 5.0), *ENDS))
    by_pressure = solve(net(FORK, InletPressure("in", by_flow.pressure_mmhg("in")), *ENDS))
    assert by_pressure.flows_ml_s == pytest.approx(by_flow.flows_ml_s, rel=1e-13)
    assert by_pressure.boundary_flows_ml_s[0] == pytest.approx(5.0, rel=1e-13)


def test_turning_every_element_round_turns_every_flow_round_and_nothing_else() -> None:
    forth = solve(net((*FORK, Element("d", "left", "right", 0.5, 2.0)), InletFlow("in", 5.0), *ENDS))
    turned = tuple(
        Element(e.name, e.end, e.start, e.resistance_mmhg_s_ml, e.quadratic_mmhg_s2_ml2) for e in forth.network.elements
    )
    back = solve(net(turned, InletFlow("in", 5.0), *ENDS))
    assert back.flows_ml_s == pytest.approx(-forth.flows_ml_s, rel=1e-12)
    for node in forth.network.nodes:
        assert back.pressure_mmhg(node) == pytest.approx(forth.pressure_mmhg(node), rel=1e-12)


def test_turning_the_pressures_round_turns_the_flow_round_through_a_stenosis() -> None:
    tube = (Element("a", "x", "y", 0.3, 0.7),)
    forth = solve(net(tube, InletPressure("x", 9.0), OutletPressure("y", 2.0)))
    back = solve(net(tube, InletPressure("x", 2.0), OutletPressure("y", 9.0)))
    assert flow_of(back, "a") == pytest.approx(-flow_of(forth, "a"), rel=1e-14)


@pytest.mark.parametrize(("linear", "quadratic"), [(0.0, 2.5), (0.3, 0.7), (4.0, 1e-6), (1e-9, 1e3)])
def test_the_flow_through_a_stenosis_is_the_root_of_its_quadratic_equation(linear: float, quadratic: float) -> None:
    drop = 7.0
    found = solve(net((Element("a", "x", "y", linear, quadratic),), InletPressure("x", 9.0), OutletPressure("y", 2.0)))
    root = 2.0 * drop / (linear + math.sqrt(linear**2 + 4.0 * quadratic * drop))
    assert flow_of(found, "a") == pytest.approx(root, rel=1e-9)


def test_two_stenoses_side_by_side_divide_flow_by_the_roots_of_their_factors() -> None:
    sides = (Element("a", "x", "y", 0.0, 1.0), Element("b", "x", "y", 0.0, 9.0))
    found = solve(net(sides, InletFlow("x", 8.0), OutletPressure("y", 0.0)))
    assert (flow_of(found, "a"), flow_of(found, "b")) == pytest.approx((6.0, 2.0), rel=1e-10)
    assert found.pressure_mmhg("x") == pytest.approx(36.0, rel=1e-10)


def test_a_windkessel_and_a_coronary_outlet_are_their_resistances_in_series() -> None:
    tube = (Element("a", "x", "y", 100.0),)
    rcr = solve(net(tube, InletFlow("x", 5.0), outlet_rcr("y", 1000.0, 500.0, 3.0)))
    assert rcr.pressure_mmhg("y") == pytest.approx(5.0 * 1500.0 + 3.0, rel=1e-14)
    coronary = solve(net(tube, InletFlow("x", 5.0), outlet_coronary("y", 100.0, 200.0, 300.0, 7.0)))
    assert coronary.pressure_mmhg("x") == pytest.approx(5.0 * 700.0 + 7.0, rel=1e-14)


def test_an_element_without_resistance_joins_its_ends() -> None:
    joined = (Element("a", "in", "m", 2.0), Element("j", "m", "n", 0.0), Element("b", "n", "out", 3.0))
    found = solve(net(joined, InletFlow("in", 4.0), OutletPressure("out", 1.0)))
    assert found.pressure_mmhg("m") == found.pressure_mmhg("n") == pytest.approx(13.0)


def test_no_flow_at_all_is_a_state_too() -> None:
    found = solve(net(FORK, InletFlow("in", 0.0), OutletPressure("left", 0.0), OutletPressure("right", 0.0)))
    assert not found.flows_ml_s.any() and not found.pressures_mmhg.any() and found.imbalance == 0.0


@given(
    st.lists(st.tuples(st.floats(-5, 2), st.floats(-6, 1), st.integers(0, 10**6)), min_size=3, max_size=60),
    st.floats(0.01, 200),
)
def test_flows_sum_up_at_every_node_of_any_tree_with_resistances_many_orders_apart(
    rows: list[tuple[float, float, int]], flow: float
) -> None:
    elements, parent = [], ["root"]
    for row, (linear, quadratic, place) in enumerate(rows):
        element = Element(f"e{row}", parent[place % len(parent)], f"n{row}", 10**linear, 10**quadratic)
        elements.append(element)
        parent.append(element.end)
    inner = {element.start for element in elements}
    ends = [OutletResistance(e.end, 50.0 + n, 5.0) for n, e in enumerate(elements) if e.end not in inner]
    found = solve(Network(tuple(elements), (InletFlow("root", flow), *ends)))
    sums = dict.fromkeys(found.network.nodes, 0.0)
    through = dict.fromkeys(found.network.nodes, 0.0)
    for element, q in zip(elements, found.flows_ml_s, strict=True):
        for node, sign in ((element.start, -1.0), (element.end, 1.0)):
            sums[node] += sign * q
            through[node] += abs(q)
    for boundary, q in zip(found.network.boundaries, found.boundary_flows_ml_s, strict=True):
        sums[boundary.node] += q
    for node in sums:
        assert abs(sums[node]) <= 1e-10 * max(through[node], 1e-6 * flow)
    for element, q in zip(elements, found.flows_ml_s, strict=True):
        drop = found.pressure_mmhg(element.start) - found.pressure_mmhg(element.end)
        loss = element.resistance_mmhg_s_ml * q + element.quadratic_mmhg_s2_ml2 * q * abs(q)
        assert drop == pytest.approx(loss, rel=1e-8, abs=1e-9 * float(found.pressures_mmhg.max()))
    assert found.imbalance <= TOLERANCE and found.misfit <= TOLERANCE


NARROW = (Element("a", "in", "fork", 0.1, 5.0), B, C)


def test_a_state_that_was_not_reached_is_an_error_and_no_number() -> None:
    network = net(NARROW, InletPressure("in", 90.0), *ENDS)
    with pytest.raises(NoConvergence, match="No steady flow was found: after 1 rounds"):
        solve(network, most_rounds=1)
    assert solve(network).rounds > 1


def test_a_loop_without_any_resistance_has_no_determined_flow() -> None:
    loop = (Element("a", "x", "y", 0.0), Element("b", "x", "y", 0.0), Element("c", "y", "z", 1.0))
    with pytest.raises(NoConvergence, match="without any resistance form a loop"):
        solve(net(loop, InletFlow("x", 1.0), OutletPressure("z", 0.0)))


@pytest.mark.parametrize(
    ("elements", "boundaries", "words"),
    [
        ((), (), "no vessel"),
        (FORK, (InletFlow("in", 5.0), ENDS[0]), "“c” is open: nothing is connected at its end “right”"),
        (FORK, ENDS, "“a” is open: nothing is connected at its end “in”"),
        (FORK[1:], ENDS, "have no root"),
        (FORK, (InletFlow("in", 5.0), InletFlow("left", 1.0), InletFlow("right", 1.0)), "no outlet"),
        ((*FORK, A), (InletFlow("in", 5.0), *ENDS), "Two vessels are called “a”"),
        (FORK, (InletFlow("in", 5.0), InletPressure("in", 5.0), *ENDS), "Two conditions are set at “in”"),
        (FORK, (InletFlow("elsewhere", 5.0), *ENDS), "“elsewhere”, where no vessel begins or ends"),
        ((Element("a", "in", "fork", -3.0), B, C), (InletFlow("in", 5.0), *ENDS), "cannot be -3 mmHg·s/ml"),
        ((Element("a", "in", "fork", math.nan), B, C), (InletFlow("in", 5.0), *ENDS), "cannot be nan mmHg·s/ml"),
        ((Element("a", "in", "fork", 1.0, -2.0), B, C), (InletFlow("in", 5.0), *ENDS), "cannot be -2 mmHg·s²/ml²"),
        ((Element("a", "in", "in", 1.0), B, C), (InletFlow("in", 5.0), *ENDS), "begins and ends at “in”"),
        (FORK, (InletFlow("in", math.inf), *ENDS), "no number: inf"),
        (FORK, (InletFlow("in", 5.0), OutletResistance("left", -1.0, 0.0), ENDS[1]), "resistance of -1"),
    ],
)
def test_what_cannot_be_a_network_is_refused_with_the_place_and_the_value(
    elements: tuple[Element, ...], boundaries: tuple[Boundary, ...], words: str
) -> None:
    with pytest.raises(BadInput, match=words.replace("·", ".")):
        Network(elements, boundaries)


def test_the_residual_notices_a_wrong_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    from surgitwin.simulators.vessel_flow import steady

    right = steady._solved
    monkeypatch.setattr(steady, "_solved", lambda matrix, given: right(matrix, given) * (1.0 + 1e-8))
    monkeypatch.setattr(steady, "_newton", lambda *_: None)
    with pytest.raises(NoConvergence):
        solve(net(FORK, InletFlow("in", 5.0), *ENDS))


def test_a_network_of_a_thousand_vessels_is_solved_as_exactly_as_a_small_one() -> None:
    elements = [Element("e1", "n0", "n1", 1e-4)]
    elements += [Element(f"e{n}", f"n{n // 2}", f"n{n}", 1e-4 * 2 ** (n.bit_length() * 1.3)) for n in range(2, 1024)]
    ends = [OutletResistance(f"n{n}", 512.0 * 0.3, 5.0) for n in range(512, 1024)]
    found = solve(Network(tuple(elements), (InletFlow("n0", 50 / 3), *ends)))
    assert found.imbalance < 1e-12
    assert found.boundary_flows_ml_s[1:] == pytest.approx(np.full(512, -50 / 3 / 512), rel=1e-12)
