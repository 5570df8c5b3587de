"""How pressures and flows settle after clamping, for the point values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from surgitwin.core.progress import Context
from surgitwin.simulators.base import Known
from surgitwin.simulators.portal_pressure.circulation import (
    Baseline,
    Change,
    Circulation,
    Compliances,
    State,
    Territory,
)
from surgitwin.simulators.portal_pressure.samples import Kept, Patients

TIMES_S = np.concatenate([np.arange(0.0, 30.0, 0.5), np.arange(30.0, 120.0, 2.0), np.arange(120.0, 301.0, 10.0)])


def circulation_of(point: Patients, kept: Kept, *, rigid: bool = False) -> Circulation:
    """The written-down model for one patient's point values."""
    value = {name: float(values[0]) for name, values in point.columns.items()}
    base = Baseline(
        map_mmhg=value["map_mmhg"],
        cvp_mmhg=value["cvp_mmhg"],
        cardiac_output_l_min=value["cardiac_output_l_min"],
        portal_flow_l_min=value["portal_flow_l_min"],
        hepatic_artery_flow_l_min=value["hepatic_artery_flow_l_min"],
        pvp_mmhg=value["pvp_mmhg"],
        presinusoidal_share=value["alpha"],
        compliance_per_mmhg=0.0 if rigid else value["kappa_per_mmhg"],
        shared_artery_share=value["beta"],
        habr_gain=value["habr_gain"],
        frank_starling_l_min_mmhg=value["frank_starling_l_min_mmhg"],
        collateral_l_min_mmhg=value["collateral_l_min_mmhg"],
        compliances=Compliances(
            value["arterial_ml_mmhg"], value["portal_ml_mmhg"], value["liver_ml_mmhg"], value["venous_ml_mmhg"]
        ),
    )
    opened = value["open_share"]
    territories = [Territory(opened, min(kept.open / opened, 1.0))]
    if opened < 1.0:
        territories.append(Territory(1.0 - opened, min(kept.occluded / (1.0 - opened), 1.0), portal_open=False))
    return Circulation(base, territories, Change(value["volume_change_ml"], value["shunt_l_min_mmhg"]))


def transient(quantities: Mapping[str, Known], point: Patients, kept: Kept, ctx: Context) -> dict[str, Any]:
    """Pressures (mmHg) and flows (L/min) over the first five minutes, compliant and rigid."""
    ctx.check()
    found: dict[str, Any] = {"time_s": [float(t) for t in TIMES_S]}
    for name, rigid in (("compliant", False), ("rigid", True)):
        states = circulation_of(point, kept, rigid=rigid).transient(TIMES_S)
        found[name] = {key: [value(state) for state in states] for key, value in _SERIES.items()}
    return found


_SERIES: Mapping[str, Callable[[State], float]] = {
    "pvp_mmhg": lambda s: s.pvp_mmhg,
    "pcg_mmhg": lambda s: s.pvp_mmhg - s.cvp_mmhg,
    "cvp_mmhg": lambda s: s.cvp_mmhg,
    "map_mmhg": lambda s: s.map_mmhg,
    "portal_flow_l_min": lambda s: s.portal_flow_l_min,
    "hepatic_artery_flow_l_min": lambda s: s.hepatic_artery_flow_l_min,
}
