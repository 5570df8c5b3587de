"""Cases of the 0D flow solver svZeroD as Surgitwin's steady networks, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from surgitwin.simulators.vessel_flow.network import (
    Boundary,
    Element,
    InletFlow,
    InletPressure,
    Network,
    OutletPressure,
    outlet_coronary,
    outlet_rcr,
)
from surgitwin.simulators.vessel_flow.network import OutletResistance as Outlet

Place = tuple[str, str]


class NotSteady(Exception):
    """The case has no steady state that a network of resistances could have; the message says why."""


def network_of(config: dict[str, Any], mean: bool = False) -> Network:
    """The steady network of a case, its elements named as its vessels.

    Capacities and inductances have no effect in a steady state. ``mean`` takes what varies over a cycle by its mean,
    which gives the mean of flows and pressures over a cycle if no loss is quadratic.

    Raises
    ------
    NotSteady
    """
    if config.get("closed_loop_blocks") or config.get("valves") or config.get("chambers"):
        raise NotSteady("a heart with valves drives it: nothing in it is steady")
    vessels = {vessel["vessel_name"]: vessel for vessel in config["vessels"]}
    by_id = {vessel["vessel_id"]: name for name, vessel in vessels.items()}
    node: dict[Place, str] = {(name, end): f"{name}:{end}" for name in vessels for end in ("in", "out")}
    elements: list[Element] = []
    for junction in config.get("junctions", []):
        inlets = junction.get("inlet_blocks") or [by_id[n] for n in junction["inlet_vessels"]]
        outlets = junction.get("outlet_blocks") or [by_id[n] for n in junction["outlet_vessels"]]
        name = junction["junction_name"]
        for vessel in inlets:
            node[vessel, "out"] = name
        values = junction.get("junction_values")
        for row, vessel in enumerate(outlets):
            if values is None:
                node[vessel, "in"] = name
                continue
            losses = (values["R_poiseuille"][row], values["stenosis_coefficient"][row])
            elements.append(Element(f"{name}:{vessel}", name, node[vessel, "in"], *map(float, losses)))
    conditions = {one["bc_name"]: one for one in config["boundary_conditions"]}
    boundaries: list[Boundary] = []
    for name, vessel in vessels.items():
        values = vessel["zero_d_element_values"]
        losses = (float(values.get("R_poiseuille", 0.0)), float(values.get("stenosis_coefficient", 0.0)))
        elements.append(Element(name, node[name, "in"], node[name, "out"], *losses))
        for end, condition in vessel.get("boundary_conditions", {}).items():
            place = node[name, "in" if end == "inlet" else "out"]
            boundaries.append(_boundary(place, conditions[condition], end == "inlet", mean))
    return Network(tuple(elements), tuple(boundaries))


def _boundary(node: str, condition: dict[str, Any], inlet: bool, mean: bool) -> Boundary:
    values, kind = condition["bc_values"], condition["bc_type"]

    def steady(key: str) -> float:
        series = np.atleast_1d(np.asarray(values[key], dtype=np.float64))
        if np.ptp(series) == 0.0:
            return float(series[0])
        if not mean:
            raise NotSteady(f"{key} of {condition['bc_name']} varies over the cycle: only its mean is steady")
        times = np.asarray(values["t"], dtype=np.float64)
        return float(np.trapezoid(series, times) / (times[-1] - times[0]))

    if kind == "FLOW":
        return InletFlow(node, steady("Q"))
    if kind == "PRESSURE":
        return InletPressure(node, steady("P")) if inlet else OutletPressure(node, steady("P"))
    if kind == "RESISTANCE":
        return Outlet(node, steady("R"), steady("Pd"))
    if kind == "RCR":
        return outlet_rcr(node, values["Rp"], values["Rd"], values["Pd"])
    if kind == "CORONARY":
        steady("Pim")
        return outlet_coronary(node, values["Ra1"], values["Ra2"], values["Rv1"], values["P_v"])
    raise NotSteady(f"the condition {kind} has no steady form")
