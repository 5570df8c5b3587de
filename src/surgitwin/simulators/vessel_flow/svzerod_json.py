"""A network as a case of svZeroDSolver (https://github.com/SimVascular/svZeroDSolver), to go on with it there.

Its 0D solver knows no units: resistances are written in mmHg s/ml, flows in ml/s and pressures in mmHg. Every element
becomes a `BloodVessel` of its name; a place with a condition that does not lie at the end of a single vessel gets a
vessel without resistance.
"""

from __future__ import annotations

from typing import Any

from surgitwin.simulators.vessel_flow.network import Boundary, InletFlow, InletPressure, Network, OutletPressure

_CYCLE = [0.0, 1.0]


def svzerod_case(network: Network) -> dict[str, Any]:
    """The case as it is written to JSON.

    The direction of elements must be that of the case: inlets where elements begin, outlets where they end.
    """
    vessels: list[dict[str, Any]] = []
    leaving: dict[str, list[int]] = {node: [] for node in network.nodes}
    arriving: dict[str, list[int]] = {node: [] for node in network.nodes}

    def add(name: str, linear: float, quadratic: float) -> int:
        values = {"R_poiseuille": linear, "stenosis_coefficient": quadratic}
        vessels.append(
            {
                "vessel_id": len(vessels),
                "vessel_name": name,
                "vessel_length": 1.0,
                "zero_d_element_type": "BloodVessel",
                "zero_d_element_values": values,
            }
        )
        return len(vessels) - 1

    for element in network.elements:
        number = add(element.name, element.resistance_mmhg_s_ml, element.quadratic_mmhg_s2_ml2)
        leaving[element.start].append(number)
        arriving[element.end].append(number)
    conditions = []
    for boundary in network.boundaries:
        node, inlet = boundary.node, isinstance(boundary, InletFlow | InletPressure)
        own, other = (leaving, arriving) if inlet else (arriving, leaving)
        if len(own[node]) != 1 or other[node]:
            # Read backwards: the vessel in between leads to the node if it is an inlet, and away from it if an outlet.
            number = add(f"{'inlet' if inlet else 'outlet'} {node}", 0.0, 0.0)
            other[node].append(number)
        else:
            number = own[node][0]
        vessels[number].setdefault("boundary_conditions", {})["inlet" if inlet else "outlet"] = f"at {node}"
        conditions.append(_condition(boundary))
    return {
        "simulation_parameters": {
            "number_of_cardiac_cycles": 2,
            "number_of_time_pts_per_cardiac_cycle": 5,
            "absolute_tolerance": 1e-9,
        },
        "boundary_conditions": conditions,
        "junctions": [
            {
                "junction_name": f"junction {node}",
                "junction_type": "NORMAL_JUNCTION",
                "inlet_vessels": arriving[node],
                "outlet_vessels": leaving[node],
            }
            for node in network.nodes
            if arriving[node] and leaving[node]
        ],
        "vessels": vessels,
    }


def _condition(boundary: Boundary) -> dict[str, Any]:
    values: dict[str, Any]
    if isinstance(boundary, InletFlow):
        kind, values = "FLOW", {"Q": [boundary.flow_ml_s] * 2, "t": _CYCLE}
    elif isinstance(boundary, InletPressure | OutletPressure):
        kind, values = "PRESSURE", {"P": [boundary.pressure_mmhg] * 2, "t": _CYCLE}
    else:
        kind, values = "RESISTANCE", {"R": boundary.resistance_mmhg_s_ml, "Pd": boundary.distal_mmhg}
    return {"bc_name": f"at {boundary.node}", "bc_type": kind, "bc_values": values}
