"""Portal pressure after a hepatectomy, from the plan, what was measured, and what must be assumed.

Equations and validation: docs/developer/portal-pressure.md and docs/validation/simulators.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import PlanNode
from surgitwin.scene.scene import Scene
from surgitwin.simulators.base import Driver, Inputs, Known, Output, PlanUse, Result, Simulator
from surgitwin.simulators.checks import Check
from surgitwin.simulators.portal_pressure.from_twin import read_twin
from surgitwin.simulators.portal_pressure.learning import Measurement, learnt, measurement, weights_of
from surgitwin.simulators.portal_pressure.limits import RISK_SOURCE, population_risk, thresholds
from surgitwin.simulators.portal_pressure.params import (
    FLOW_METER_PERCENT,
    MEASURED,
    TRANSDUCER_MMHG,
    PortalPressureParams,
)
from surgitwin.simulators.portal_pressure.samples import Kept, Patients, after_operation, point_patient, sample_patients
from surgitwin.simulators.portal_pressure.table import pressure_curve
from surgitwin.simulators.portal_pressure.transient import transient
from surgitwin.simulators.sampling import drivers, summarise

FloatArray = NDArray[np.float64]

OUTPUTS: Mapping[str, tuple[str, str]] = {
    "pvp_mmhg": (tr("Portal venous pressure"), "mmHg"),
    "pcg_mmhg": (tr("Portocaval gradient (PVP − CVP)"), "mmHg"),
    "cvp_mmhg": (tr("Central venous pressure"), "mmHg"),
    "map_mmhg": (tr("Mean arterial pressure"), "mmHg"),
    "hvpg_mmhg": (tr("Hepatic venous pressure gradient"), "mmHg"),
    "pvp_rise_mmhg": (tr("Rise of the portal pressure"), "mmHg"),
    "portal_flow_l_min": (tr("Portal flow"), "L/min"),
    "hepatic_artery_flow_l_min": (tr("Hepatic artery flow"), "L/min"),
    "cardiac_output_l_min": (tr("Cardiac output"), "L/min"),
    "collateral_flow_l_min": (tr("Flow through collaterals and shunt"), "L/min"),
    "portal_flow_ml_min_100g": (tr("Portal flow for each 100 g"), "ml/min/100 g"),
    "wall_shear_ratio": (tr("Wall shear against that of before"), "×"),
}
MAIN = ("pvp_mmhg", "pcg_mmhg", "portal_flow_l_min", "portal_flow_ml_min_100g")
DRIVEN = ("pvp_mmhg", "pcg_mmhg")


@dataclass(frozen=True, eq=False)
class PortalInputs(Inputs):
    """What is known of the patient and of what stays.

    Attributes
    ----------
    kept
        What stays and has inflow and outflow: congested remnant is not counted.
    kept_congested_counted
        The same with congested remnant counted; None if there is none, or nobody knows.
    open_fraction
        Share of the liver whose portal branch is open before the operation.
    """

    kept: Kept = field(default_factory=lambda: Kept(1.0))
    kept_congested_counted: Kept | None = None
    measured: tuple[Measurement, ...] = ()
    kept_at_measurement: Kept | None = None
    graft: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def open_fraction(self) -> float:
        return self.quantities["portal_open_fraction"].point


class PortalPressure(Simulator[PortalPressureParams, PortalInputs]):
    """Predicts portal pressure and flow after a hepatectomy."""

    name: ClassVar[str] = "portal-pressure"
    title: ClassVar[str] = tr("Portal pressure after hepatectomy")
    summary: ClassVar[str] = tr("Portal pressure and flow to expect after a liver resection, with their uncertainty.")
    references: ClassVar[tuple[str, ...]] = (
        "Audebert C, et al. J Biomech 2017;50:202-207 (recalled)",
        "Golse N, et al. J Hepatol 2021;74:661-669 (recalled)",
        "Sala L, et al. Ann Biomed Eng 2023;51:270-289 (abstract and introduction read)",
    )
    Params = PortalPressureParams
    plan: ClassVar[PlanUse] = "optional"
    light: ClassVar[bool] = True

    def gather(self, scene: Scene | None, plan: PlanNode | None, params: PortalPressureParams) -> PortalInputs:
        return gathered(scene, plan, params)

    def solve(self, inputs: PortalInputs, params: PortalPressureParams, ctx: Context) -> Result:
        return predicted(inputs, params, ctx)

    def sampled(
        self, inputs: PortalInputs, params: PortalPressureParams, count: int, seed: int, ctx: Context
    ) -> Mapping[str, FloatArray]:
        return after_operation(sample_patients(inputs.quantities, count, seed), inputs.kept)

    @classmethod
    def checks(cls) -> Sequence[Check]:
        from surgitwin.simulators.portal_pressure.validation import portal_pressure_checks

        return portal_pressure_checks()


def gathered(scene: Scene | None, plan: PlanNode | None, params: PortalPressureParams) -> PortalInputs:
    """What is known, with the pressures that say the same thing twice taken out."""
    twin = read_twin(scene, plan, params)
    known = params.known(**twin.quantities)
    notices = list(twin.notices)
    if "remnant_fraction" not in known:
        raise BadInput(
            tr("Name the plan to simulate (--plan NAME), or give remnant_fraction: the perfused share that stays.")
        )
    known = patient_inputs(known, params, notices)
    kept = twin.kept
    if kept is None or params.remnant_fraction is not None:
        kept = Kept.of_total(known["remnant_fraction"].point, known["portal_open_fraction"].point)
    _check_kept(kept)
    at_measurement = kept
    if params.measured_remnant_fraction is not None:
        share = params.measured_remnant_fraction.centre
        at_measurement = Kept.of_total(share, known["portal_open_fraction"].point)
    return PortalInputs(
        known,
        twin.nodes,
        tuple(notices),
        kept,
        twin.kept_congested_counted,
        measurements(params),
        at_measurement,
        False,
        twin.facts,
    )


def patient_inputs(known: Mapping[str, Known], params: PortalPressureParams, notices: list[Notice]) -> dict[str, Known]:
    """What goes into the circulation: one description of the portal pressure, and nothing measured afterwards."""
    kept = {name: one for name, one in known.items() if name not in (*MEASURED, "measured_remnant_fraction")}
    _choose_pressures(kept, params, notices)
    return kept


def _choose_pressures(known: dict[str, Known], params: PortalPressureParams, notices: list[Notice]) -> None:
    """Keep one description of the portal pressure; with PVP and HVPG both measured, alpha follows from them."""
    if params.pvp_mmhg is not None:
        known.pop("pcg_mmhg")
        if params.hvpg_mmhg is None:
            return
        if params.alpha is None:
            known.pop("alpha")
        else:
            known.pop("hvpg_mmhg")
            notices.append(
                Notice(
                    "hvpg-not-used",
                    tr("PVP, HVPG and alpha were all given; any two say the third. HVPG was not used."),
                )
            )
    elif params.hvpg_mmhg is not None:
        known.pop("pcg_mmhg")
        message = tr(
            "Only HVPG was given: PVP is taken as CVP + HVPG, which is too low where resistance lies before the"
            " sinusoids. Read the result as a lower bound."
        )
        notices.append(Notice("pvp-from-hvpg", message))
    elif params.pcg_mmhg is None:
        message = tr(
            "The portal pressure was not measured: a portocaval gradient of {pcg} mmHg is assumed. The prediction"
            " scales with it."
        )
        notices.append(Notice("portal-pressure-assumed", message.format(pcg=known["pcg_mmhg"].spread.text())))


def _check_kept(kept: Kept) -> None:
    if kept.open < 0.02:
        message = tr(
            "Only {percent:.1f} % of the liver would keep an open portal branch and be perfused: there is no portal"
            " pressure to predict below 2 %. Keep more liver, or check which territories are marked as occluded."
        )
        raise BadInput(message.format(percent=100 * kept.open))


def measurements(params: PortalPressureParams) -> tuple[Measurement, ...]:
    """What was measured during or after the operation."""
    marks = params.quantities()
    found: list[Measurement] = []
    for name, output in MEASURED.items():
        spread = getattr(params, name)
        if spread is not None:
            flow = output.endswith("_l_min")
            usual = spread.centre * FLOW_METER_PERCENT / 100.0 if flow else TRANSDUCER_MMHG
            found.append(measurement(name, output, spread, marks[name].unit, usual))
    return tuple(found)


def predicted(inputs: PortalInputs, params: PortalPressureParams, ctx: Context) -> Result:
    """The prediction: point values, samples, learning, limits, the curve, and the way there."""
    point = point_patient(inputs.quantities)
    at_point = after_operation(point, inputs.kept)
    ctx.progress(0.05, tr("Portal pressure"))
    patients = sample_patients(inputs.quantities, params.samples, params.seed) if params.samples else None
    weights, learning = _learn(inputs, patients)
    found = after_operation(patients, inputs.kept) if patients is not None else {}
    ctx.progress(0.2, tr("Portal pressure"))
    outputs = _outputs(at_point, found, weights)
    details: dict[str, Any] = {"remnant": _remnant(inputs), "baseline": _baseline(point), **inputs.facts}
    details["rigid"] = _variant(point, patients, inputs.kept, weights, rigid=True)
    if inputs.kept_congested_counted is not None:
        details["congested_counted"] = _variant(point, patients, inputs.kept_congested_counted, weights)
    details["learning"] = learning
    details["risk"] = _risk(outputs[0], inputs.graft)
    details["transient"] = transient(inputs.quantities, point, inputs.kept, ctx)
    if patients is not None:
        details["curve"] = pressure_curve(patients, inputs.open_fraction, ctx.part(0.3, 1.0), weights)
    return Result(
        outputs,
        MAIN,
        _drivers(inputs, patients, found),
        thresholds(outputs, found, weights, inputs.graft, _cvp_text(inputs)),
        (*inputs.notices, *_notices(inputs, patients, at_point)),
        details,
    )


def calibrated(inputs: PortalInputs, params: PortalPressureParams) -> tuple[Patients, FloatArray | None]:
    """Samples of the patient, weighted by what was measured after the operation, for a table that follows a cut."""
    patients = sample_patients(inputs.quantities, params.samples or 2000, params.seed)
    return patients, _learn(inputs, patients)[0]


def _outputs(
    point: Mapping[str, FloatArray], found: Mapping[str, FloatArray], weights: FloatArray | None
) -> list[Output]:
    made: list[Output] = []
    for name, (title, unit) in OUTPUTS.items():
        value = float(point[name][0]) if name in point else None
        made.append(summarise(name, title, unit, value, found.get(name), weights))
    return made


def _learn(inputs: PortalInputs, patients: Patients | None) -> tuple[FloatArray | None, dict[str, Any] | None]:
    """Weights of the samples by what was measured, and what that teaches."""
    if not inputs.measured:
        return None, None
    if patients is None:
        raise BadInput(tr("Learning from measured values needs samples: set samples to 1000 or more."))
    assert inputs.kept_at_measurement is not None
    measured_state = after_operation(patients, inputs.kept_at_measurement)
    weights, worth = weights_of(list(inputs.measured), measured_state)
    parameters = learnt(inputs.quantities, patients.drawn, weights)
    before = after_operation(patients, inputs.kept)
    return weights, {
        "measured": [{"name": one.name, "value": one.value, "sd": one.sd, "unit": one.unit} for one in inputs.measured],
        "measured_remnant_fraction": inputs.kept_at_measurement.total,
        "samples_worth": worth,
        "parameters": parameters,
        "prior_outputs": {one.name: one.as_json() for one in _outputs({}, before, None) if one.name in MAIN},
    }


def _variant(
    point: Patients, patients: Patients | None, kept: Kept, weights: FloatArray | None, *, rigid: bool = False
) -> dict[str, Any]:
    at_point = after_operation(point, kept, rigid=rigid)
    found = after_operation(patients, kept, rigid=rigid) if patients is not None else {}
    return {one.name: one.as_json() for one in _outputs(at_point, found, weights)}


def _remnant(inputs: PortalInputs) -> dict[str, Any]:
    counted = inputs.kept_congested_counted
    return {
        "perfused_percent": 100 * inputs.kept.total,
        "perfused_open_percent": 100 * inputs.kept.open,
        "congested_counted_percent": 100 * counted.total if counted is not None else None,
        "open_before_percent": 100 * inputs.open_fraction,
    }


def _baseline(point: Patients) -> dict[str, Any]:
    """What the calibration gives back: the values before the operation."""
    columns = point.columns
    names = ("map_mmhg", "cvp_mmhg", "cardiac_output_l_min", "portal_flow_l_min", "hepatic_artery_flow_l_min")
    found = {name: float(columns[name][0]) for name in (*names, "pvp_mmhg", "alpha")}
    return found | {"pcg_mmhg": found["pvp_mmhg"] - found["cvp_mmhg"]}


def _risk(pvp: Output, graft: bool) -> dict[str, Any] | None:
    """The population's risk of liver failure at the predicted pressure."""
    if graft or pvp.value is None:
        return None
    ends = [pvp.value if end is None else end for end in (pvp.low, pvp.value, pvp.high)]
    low, middle, high = (population_risk(one) for one in ends)
    return {
        "source": RISK_SOURCE,
        "text": tr("share of that population with liver failure at such a pressure, not this patient's risk"),
        "low_percent": low[0] if low is not None else None,
        "value_percent": list(middle) if middle is not None else None,
        "high_percent": high[1] if high is not None else None,
    }


def _drivers(inputs: PortalInputs, patients: Patients | None, found: Mapping[str, FloatArray]) -> list[Driver]:
    if patients is None:
        return []
    titles = {name: known.title for name, known in inputs.quantities.items()}
    return [driver for name in DRIVEN for driver in drivers(name, found[name], patients.independent, titles)]


def _cvp_text(inputs: PortalInputs) -> str:
    known = inputs.quantities["cvp_mmhg"]
    text = tr("CVP {value} mmHg before the operation, {origin}")
    origin = tr("given") if known.origin == "given" else tr("assumed")
    return text.format(value=known.spread.text(), origin=origin)


def _notices(inputs: PortalInputs, patients: Patients | None, point: Mapping[str, FloatArray]) -> list[Notice]:
    found = [
        Notice(
            "simulated",
            tr("Simulated, and not validated on patients of this hospital: it supports a decision, and makes none."),
        )
    ]
    if patients is not None and patients.refused > 0.01:
        message = tr("{percent:.1f} % of the samples contradicted themselves and were left out.")
        found.append(Notice("samples-left-out", message.format(percent=100 * patients.refused)))
    if float(point["cvp_mmhg"][0]) < 0:
        message = tr(
            "The predicted CVP is below 0 mmHg: the blood loss that was given is more than the model holds for."
        )
        found.append(Notice("cvp-below-zero", message))
    return found
