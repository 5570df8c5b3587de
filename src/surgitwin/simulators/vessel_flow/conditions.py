"""What flows through a vessel tree and between which pressures, and what is clamped or stented."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.simulators.vessel_flow.network import S_PER_MIN
from surgitwin.simulators.vessel_flow.tube import Blood

Parts = Literal["one", "first", "each"]
Held = Literal["flow", "pressure"]

FLOW_ML_MIN = (1.0, 10_000.0)
PRESSURE_MMHG = (-10.0, 250.0)
VISCOSITY_PA_S = (1e-3, 2e-2)
DENSITY_KG_M3 = (990.0, 1100.0)
STENT_MM = (0.5, 20.0)
BLOOD = Blood()


@dataclass(frozen=True)
class Clamp:
    """Nothing flows through a branch any more, nor through what it alone leads to."""

    branch: int


@dataclass(frozen=True)
class Stent:
    """A branch is opened to at least a radius; without one, its narrowings to the width beside them."""

    branch: int
    radius_mm: float | None = None


Edit = Clamp | Stent


@dataclass(frozen=True)
class Conditions:
    """What flows, and between which pressures, before anything is clamped or stented.

    Attributes
    ----------
    flow_ml_min
        Through the whole tree.
    root_mmhg
        At the root. Above the tissue's, blood runs outwards from the root (portal vein, artery); below it, towards the
        root (hepatic veins).
    tissue_mmhg
        Beyond the resistance of every end.
    held
        Whether the flow stays when something is clamped, or the pressure at the inlet.
    parts
        What to do with parts that lie apart: refuse them, leave all but the first out, or hang each on the root's
        pressure.
    stenoses
        Whether narrowings lose more than Poiseuille says.
    """

    flow_ml_min: float
    root_mmhg: float
    tissue_mmhg: float
    held: Held = "flow"
    parts: Parts = "one"
    stenoses: bool = True
    blood: Blood = BLOOD

    def __post_init__(self) -> None:
        within(self.flow_ml_min, FLOW_ML_MIN, tr("flow through the tree"), "ml/min")
        within(self.root_mmhg, PRESSURE_MMHG, tr("pressure at the root"), "mmHg")
        within(self.tissue_mmhg, PRESSURE_MMHG, tr("pressure in the tissue"), "mmHg")
        within(self.blood.viscosity_pa_s, VISCOSITY_PA_S, tr("viscosity"), "Pa·s")
        within(self.blood.density_kg_m3, DENSITY_KG_M3, tr("density"), "kg/m³")
        if self.root_mmhg == self.tissue_mmhg:
            message = tr(
                "The pressures at the root and in the tissue are both {value:g} mmHg, so that nothing would flow; give"
                " two pressures that differ."
            )
            raise BadInput(message.format(value=self.root_mmhg))

    @property
    def outwards(self) -> bool:
        """Whether blood runs from the root to the tissue."""
        return self.root_mmhg > self.tissue_mmhg

    @property
    def gradient_mmhg(self) -> float:
        return abs(self.root_mmhg - self.tissue_mmhg)

    @property
    def flow_ml_s(self) -> float:
        return self.flow_ml_min / S_PER_MIN


def within(value: float, bounds: tuple[float, float], what: str, unit: str) -> None:
    low, high = bounds
    if not (math.isfinite(value) and low <= value <= high):
        message = tr("The {what} cannot be {value:g} {unit}; give {low:g} to {high:g} {unit}.")
        raise BadInput(message.format(what=what, value=value, unit=unit, low=low, high=high))
