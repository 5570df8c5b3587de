"""What the portal pressure simulator may be told, what it assumes of the rest, and what cannot be."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from surgitwin.core.text import tr
from surgitwin.simulators.base import Quantity, SimulatorParams, Uncertain
from surgitwin.simulators.spread import exactly, normal, uniform

ADULT = tr("usual in adults")
DESIGN = tr("range assumed for this program")
MEASURED_BEFORE = tr("Measured before the operation")
LIVER = tr("Liver")
OPERATION = tr("Operation")
LEARNING = tr("Measured during or after the operation")
MODEL = tr("Model")
TRANSDUCER_MMHG = 1.5
FLOW_METER_PERCENT = 10.0


class PortalPressureParams(SimulatorParams):
    """Before the operation, unless a name says otherwise; what is not given is assumed and shown as assumed.

    What was measured may be from a trial clamp: then `measured_remnant_fraction` is what stayed perfused during it.
    """

    headings: ClassVar[tuple[str, ...]] = (MEASURED_BEFORE, LIVER, OPERATION, LEARNING, MODEL)

    map_mmhg: Annotated[
        Uncertain,
        Quantity(
            tr("mean arterial pressure"), "mmHg", 30, 160, normal(85, 5), source=ADULT, tag="M", group=MEASURED_BEFORE
        ),
    ] = None
    cvp_mmhg: Annotated[
        Uncertain,
        Quantity(
            tr("central venous pressure"), "mmHg", 0, 30, normal(5, 1.5), source=ADULT, tag="M", group=MEASURED_BEFORE
        ),
    ] = None
    cardiac_output_l_min: Annotated[
        Uncertain,
        Quantity(tr("cardiac output"), "L/min", 1, 20, normal(5.5, 0.55), source=ADULT, tag="M", group=MEASURED_BEFORE),
    ] = None
    portal_flow_l_min: Annotated[
        Uncertain,
        Quantity(
            tr("portal flow"),
            "L/min",
            0.05,
            6,
            normal(0.19, 0.038),
            source=tr("18 to 20 % of the cardiac output, ± 20 %"),
            tag="D",
            relative_to="cardiac_output_l_min",
            group=MEASURED_BEFORE,
        ),
    ] = None
    hepatic_artery_flow_l_min: Annotated[
        Uncertain,
        Quantity(
            tr("hepatic artery flow"),
            "L/min",
            0.02,
            3,
            normal(0.06, 0.015),
            source=tr("6 % of the cardiac output, ± 25 %"),
            tag="D",
            relative_to="cardiac_output_l_min",
            group=MEASURED_BEFORE,
        ),
    ] = None
    pvp_mmhg: Annotated[Uncertain, Quantity(tr("portal venous pressure"), "mmHg", 1, 60, group=MEASURED_BEFORE)] = None
    hvpg_mmhg: Annotated[
        Uncertain, Quantity(tr("hepatic venous pressure gradient"), "mmHg", 0.5, 50, group=MEASURED_BEFORE)
    ] = None
    pcg_mmhg: Annotated[
        Uncertain,
        Quantity(
            tr("gradient, if no pressure is given"),
            "mmHg",
            0.5,
            50,
            normal(5, 1),
            source=tr("upper end of normal, ± 20 %"),
            tag="D",
            group=MODEL,
        ),
    ] = None
    alpha: Annotated[
        Uncertain,
        Quantity(
            tr("presinusoidal share of the gradient"),
            "",
            0.01,
            0.95,
            uniform(0.2, 0.6),
            0.35,
            source=DESIGN,
            tag="D",
            group=MODEL,
        ),
    ] = None
    beta: Annotated[
        Uncertain,
        Quantity(
            tr("shared part of arterial resistance"),
            "",
            0,
            0.95,
            uniform(0, 0.8),
            0.4,
            source=DESIGN,
            tag="D",
            group=MODEL,
        ),
    ] = None
    kappa_per_mmhg: Annotated[
        Uncertain,
        Quantity(
            tr("widening of the portal tree"),
            "1/mmHg",
            0,
            0.4,
            uniform(0, 0.05),
            0.02,
            DESIGN,
            "D",
            group=MODEL,
        ),
    ] = None
    habr_gain: Annotated[
        Uncertain,
        Quantity(
            tr("gain of the arterial buffer response"),
            "",
            0,
            1,
            uniform(0, 1),
            0.0,
            source=DESIGN,
            tag="D",
            group=MODEL,
        ),
    ] = None
    frank_starling_l_min_mmhg: Annotated[
        Uncertain,
        Quantity(
            tr("cardiac output for each mmHg of CVP"),
            "L/min/mmHg",
            0,
            2,
            uniform(0.2, 0.6),
            0.35,
            source=DESIGN,
            tag="D",
            group=MODEL,
        ),
    ] = None
    collateral_l_min_mmhg: Annotated[
        Uncertain,
        Quantity(
            tr("collaterals before the operation"),
            "L/min/mmHg",
            0,
            2,
            exactly(0),
            source=tr("none"),
            tag="D",
            group=OPERATION,
        ),
    ] = None
    shunt_l_min_mmhg: Annotated[
        Uncertain,
        Quantity(
            tr("new portosystemic shunt"),
            "L/min/mmHg",
            0,
            1000,
            exactly(0),
            source=tr("none"),
            tag="D",
            group=OPERATION,
        ),
    ] = None
    volume_change_ml: Annotated[
        Uncertain,
        Quantity(
            tr("infusion minus blood loss"), "ml", -3000, 5000, normal(0, 150), source=DESIGN, tag="D", group=OPERATION
        ),
    ] = None
    arterial_compliance_ml_mmhg: Annotated[
        Uncertain,
        Quantity(tr("arterial compliance"), "ml/mmHg", 0.1, 20, exactly(1.5), source=DESIGN, tag="D", group=MODEL),
    ] = None
    portal_compliance_ml_mmhg: Annotated[
        Uncertain,
        Quantity(tr("portal compliance"), "ml/mmHg", 0.5, 200, exactly(15), source=DESIGN, tag="D", group=MODEL),
    ] = None
    liver_compliance_ml_mmhg: Annotated[
        Uncertain,
        Quantity(tr("compliance of the liver"), "ml/mmHg", 0.5, 200, exactly(10), source=DESIGN, tag="D", group=MODEL),
    ] = None
    venous_compliance_ml_mmhg: Annotated[
        Uncertain,
        Quantity(tr("venous compliance"), "ml/mmHg", 5, 500, exactly(80), source=DESIGN, tag="D", group=MODEL),
    ] = None
    remnant_fraction: Annotated[Uncertain, Quantity(tr("perfused share that stays"), "", 0.02, 1, group=LIVER)] = None
    portal_open_fraction: Annotated[
        Uncertain,
        Quantity(
            tr("share with an open portal branch"),
            "",
            0.05,
            1,
            exactly(1),
            source=tr("no branch is marked as occluded"),
            tag="D",
            group=LIVER,
        ),
    ] = None
    portal_occluded: str = Field(
        default="",
        description=tr("territories whose portal branch was occluded before the operation, commas between them"),
    )
    liver_volume_ml: Annotated[
        Uncertain, Quantity(tr("tumour-free liver before the operation"), "ml", 100, 6000, group=LIVER)
    ] = None
    liver_density_g_ml: Annotated[
        Uncertain,
        Quantity(
            tr("density of the liver"),
            "g/ml",
            0.9,
            1.3,
            normal(1.05, 0.01),
            source=tr("1.04 to 1.06 g/ml in healthy livers; cirrhotic ones 1.1"),
            tag="M",
            group=LIVER,
        ),
    ] = None
    measured_pvp_mmhg: Annotated[Uncertain, Quantity(tr("measured portal pressure"), "mmHg", 1, 60, group=LEARNING)] = (
        None
    )
    measured_cvp_mmhg: Annotated[
        Uncertain, Quantity(tr("measured central venous pressure"), "mmHg", 0, 30, group=LEARNING)
    ] = None
    measured_map_mmhg: Annotated[
        Uncertain, Quantity(tr("measured mean arterial pressure"), "mmHg", 30, 160, group=LEARNING)
    ] = None
    measured_portal_flow_l_min: Annotated[
        Uncertain, Quantity(tr("measured portal flow"), "L/min", 0.05, 6, group=LEARNING)
    ] = None
    measured_hepatic_artery_flow_l_min: Annotated[
        Uncertain, Quantity(tr("measured hepatic artery flow"), "L/min", 0.01, 3, group=LEARNING)
    ] = None
    measured_remnant_fraction: Annotated[
        Uncertain,
        Quantity(
            tr("perfused share at the measurement"),
            "",
            0.02,
            1,
            group=LEARNING,
        ),
    ] = None


MEASURED = {
    "measured_pvp_mmhg": "pvp_mmhg",
    "measured_cvp_mmhg": "cvp_mmhg",
    "measured_map_mmhg": "map_mmhg",
    "measured_portal_flow_l_min": "portal_flow_l_min",
    "measured_hepatic_artery_flow_l_min": "hepatic_artery_flow_l_min",
}
"""What may be measured after the operation, and the output that it is a measurement of."""
