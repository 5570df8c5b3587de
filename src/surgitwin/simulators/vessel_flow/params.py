"""What the flow simulator may be told, and what it assumes of a vessel system when nobody says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from surgitwin.core.text import tr
from surgitwin.simulators.base import Known, Quantity, SegmentText, SimulatorParams, Tag, Uncertain
from surgitwin.simulators.spread import Spread, normal, uniform
from surgitwin.simulators.vessel_flow.conditions import FLOW_ML_MIN, Held
from surgitwin.vessels.tree import System

PartsChoice = Literal["auto", "one", "first", "each"]
Direction = Literal["auto", "outwards", "inwards"]
Share = Literal["volume", "radius"]


class VesselFlowParams(SimulatorParams):
    """Which tree, what flows through it between which pressures, and what is clamped or stented."""

    samples: int = Field(
        default=200,
        ge=0,
        le=20_000,
        description=tr("how many samples the interval is made from; 0 gives the point value only"),
    )
    vessels: str = Field(
        default="",
        title=tr("Vessel tree"),
        description=tr("the vessel tree, or its segment; the portal one if not given"),
    )
    organ: SegmentText = Field(
        default="",
        title=tr("Organ"),
        description=tr("what the tree feeds or drains, to weigh its ends by volume; the liver if not given"),
    )
    share: Share = Field(
        default="volume",
        description=tr("how ends share the flow: by the volume nearest to each (volume), or by Murray's law (radius)"),
    )
    clamp: str = Field(
        default="",
        description=tr("branches to clamp: numbers, or names with all of their vessels, commas between them"),
    )
    stent: str = Field(
        default="",
        description=tr(
            "branches to stent: names or numbers, commas between them; NAME:MM opens to a radius of MM, NAME alone to"
            " the width beside its narrowings"
        ),
    )
    hold: Held = Field(
        default="flow",
        description=tr("what stays when something is clamped: the flow through the tree, or the pressures at its ends"),
    )
    parts: PartsChoice = Field(
        default="auto",
        description=tr(
            "what to do with parts that lie apart: refuse them (one), leave all but the first out (first), or begin"
            " each at the root's pressure (each); auto takes each for hepatic veins, else one"
        ),
    )
    direction: Direction = Field(
        default="auto",
        description=tr("where blood runs: from the root outwards, or inwards to it; auto: inwards in hepatic veins"),
    )
    narrowings: bool = Field(default=True, description=tr("whether narrowings lose more than Poiseuille's law says"))
    flow_ml_min: Annotated[Uncertain, Quantity(tr("flow through the tree before"), "ml/min", *FLOW_ML_MIN)] = None
    gradient_mmhg: Annotated[Uncertain, Quantity(tr("pressure from root to tissue before"), "mmHg", 0.5, 200)] = None
    downstream_mmhg: Annotated[Uncertain, Quantity(tr("pressure behind the small vessels"), "mmHg", 0, 40)] = None
    viscosity_mpa_s: Annotated[
        Uncertain,
        Quantity(
            tr("viscosity of blood"),
            "mPa·s",
            1,
            20,
            normal(3.5, 0.4),
            source=tr("usual value for large vessels; the spread is our own choice"),
            tag="M",
        ),
    ] = None
    density_kg_m3: Annotated[
        Uncertain,
        Quantity(tr("density of blood"), "kg/m³", 990, 1100, normal(1060, 5), source=tr("usual value"), tag="M"),
    ] = None
    radius_error_percent: Annotated[
        Uncertain,
        Quantity(
            tr("how much wider all vessels are than segmented"),
            "%",
            -30,
            30,
            normal(0, 5),
            source=tr("spread of a segmentation, our own choice"),
            tag="D",
        ),
    ] = None


@dataclass(frozen=True)
class Assumed:
    """What is taken of a system when nobody measured it."""

    spread: Spread
    source: str
    tag: Tag


CVP = Assumed(normal(5, 1.5), tr("central venous pressure, usual in adults"), "M")
ASSUMED: Mapping[System, Mapping[str, Assumed]] = {
    "portal": {
        "flow_ml_min": Assumed(normal(1000, 200), tr("portal flow, usual in adults (750 to 1200 ml/min)"), "M"),
        "gradient_mmhg": Assumed(normal(5, 1), tr("portocaval gradient, upper end of normal, ± 20 %"), "D"),
        "downstream_mmhg": CVP,
    },
    "hepatic": {
        "flow_ml_min": Assumed(normal(1350, 270), tr("portal and arterial flow of the liver, usual in adults"), "M"),
        "gradient_mmhg": Assumed(
            uniform(2, 4), tr("what of the portocaval gradient is lost behind the sinusoids (40 to 80 % of 5)"), "D"
        ),
        "downstream_mmhg": CVP,
    },
    "arterial": {
        "flow_ml_min": Assumed(normal(350, 90), tr("hepatic artery flow, usual in adults"), "M"),
        "gradient_mmhg": Assumed(normal(77, 6), tr("from the mean arterial pressure to the sinusoids"), "M"),
        "downstream_mmhg": Assumed(normal(8, 1.5), tr("pressure in the sinusoids, usual in adults"), "M"),
    },
}
"""Nothing is assumed of bile ducts and other vessels."""


def assumed(system: System) -> dict[str, Known]:
    """What is assumed of a system, as quantities."""
    marks = VesselFlowParams.quantities()
    found = {}
    for name, one in ASSUMED.get(system, {}).items():
        mark, spread = marks[name], one.spread
        found[name] = Known(
            name, mark.title, mark.unit, spread, mark.low, mark.high, "prior", spread.centre, one.source, one.tag
        )
    return found
