"""Laminar flow in one vessel: pressure loss, wall shear and Reynolds number along a tube whose radius changes.

Poiseuille holds at every place for its own radius: ``dp/ds = 8 mu Q / (pi r^4)``, wall shear ``4 mu |Q| / (pi r^3)``,
Reynolds number ``2 rho |Q| / (pi mu r)``. Between two points of the centre line the radius runs evenly, and the
integrals are exact. Lengths and radii in mm, flows in ml/s, pressures in mmHg.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.simulators.vessel_flow.network import ML_PER_M3, PA_PER_MMHG

FloatArray = NDArray[np.float64]

MM = 1e-3
STENOSIS_K = 1.52
"""Of the loss at a narrowing, ``K rho Q|Q| / 2 (1/A_s - 1/A_0)^2`` (Young and Tsai); recalled, not checked."""

STENOSIS_RATIO = 0.5
"""A place is a narrowing if its radius is below this share of the vessel's on both sides; our own choice."""

LAMINAR_BELOW = 2000.0
ENTRY_LENGTH = 0.06
"""Flow needs this times the Reynolds number times the diameter to become laminar again behind a fork; recalled."""


@dataclass(frozen=True)
class Blood:
    """Viscosity in Pa s and density in kg/m³."""

    viscosity_pa_s: float = 3.5e-3
    density_kg_m3: float = 1060.0


@dataclass(frozen=True, eq=False)
class Tube:
    """A vessel's centre line.

    Attributes
    ----------
    radii_mm
        (n,), n >= 1.
    steps_mm
        (n - 1,): the way between neighbouring points.
    """

    radii_mm: FloatArray
    steps_mm: FloatArray

    @property
    def length_mm(self) -> float:
        return float(self.steps_mm.sum())

    def losses_per_flow(self, blood: Blood) -> FloatArray:
        """What each piece loses by Poiseuille, (n - 1,), mmHg s/ml.

        Exact for a radius that runs evenly from a to b: the integral of 1/r^4 is ``L (a² + ab + b²) / (3 a³ b³)``.
        """
        a, b = self.radii_mm[:-1] * MM, self.radii_mm[1:] * MM
        integral = self.steps_mm * MM * (a * a + a * b + b * b) / (3.0 * a**3 * b**3)
        return np.asarray(8.0 * blood.viscosity_pa_s / math.pi * integral / (PA_PER_MMHG * ML_PER_M3))

    def resistance(self, blood: Blood) -> float:
        """Poiseuille's, mmHg s/ml."""
        return float(self.losses_per_flow(blood).sum())

    def wall_shear_pa(self, flow_ml_s: float, blood: Blood) -> FloatArray:
        """Wall shear stress at each point, Pa."""
        return wall_shear_pa(abs(flow_ml_s), self.radii_mm, blood)

    def mean_wall_shear_pa(self, flow_ml_s: float, blood: Blood) -> float:
        """Wall shear stress along the way; the integral of 1/r^3 over a piece is ``L (a + b) / (2 a² b²)``."""
        if self.length_mm == 0.0:
            return float(self.wall_shear_pa(flow_ml_s, blood).mean())
        a, b = self.radii_mm[:-1], self.radii_mm[1:]
        inverse = float((self.steps_mm * (a + b) / (2.0 * a * a * b * b)).sum()) / self.length_mm
        return float(wall_shear_pa(abs(flow_ml_s), np.array([inverse ** (-1.0 / 3.0)]), blood)[0])

    def reynolds(self, flow_ml_s: float, blood: Blood) -> float:
        """At the narrowest place, where it is largest."""
        return reynolds(flow_ml_s, float(self.radii_mm.min()), blood)

    def healthy_radii_mm(self) -> FloatArray:
        """The radii with every narrowing filled up to the narrower of its two sides."""
        return healthy_radii_mm(self.radii_mm)

    def narrowest(self) -> int | None:
        """The point of the tightest narrowing (`STENOSIS_RATIO`); None if there is none."""
        share = self.radii_mm / self.healthy_radii_mm()
        point = int(np.argmin(share))
        return point if share[point] < STENOSIS_RATIO else None

    def quadratic(self, blood: Blood) -> float:
        """The factor of Q|Q| in the loss at the tightest narrowing, mmHg s²/ml²; 0 without one."""
        point = self.narrowest()
        if point is None:
            return 0.0
        return stenosis_quadratic(float(self.radii_mm[point]), float(self.healthy_radii_mm()[point]), blood)


def wall_shear_pa(flow_ml_s: float, radii_mm: FloatArray, blood: Blood) -> FloatArray:
    """``4 mu Q / (pi r^3)``, Pa."""
    return np.asarray(4.0 * blood.viscosity_pa_s * flow_ml_s / ML_PER_M3 / (math.pi * (radii_mm * MM) ** 3))


def reynolds(flow_ml_s: float, radius_mm: float, blood: Blood) -> float:
    """``2 rho |Q| / (pi mu r)``."""
    return 2.0 * blood.density_kg_m3 * abs(flow_ml_s) / ML_PER_M3 / (math.pi * blood.viscosity_pa_s * radius_mm * MM)


def healthy_radii_mm(radii_mm: FloatArray) -> FloatArray:
    """What a narrowing would be without it: at each point the narrower of the widest places before and behind it."""
    before = np.maximum.accumulate(radii_mm)
    behind = np.maximum.accumulate(radii_mm[::-1])[::-1]
    return np.asarray(np.minimum(before, behind))


def stenosis_quadratic(narrow_mm: float, healthy_mm: float, blood: Blood) -> float:
    """``K rho / 2 (1/A_s - 1/A_0)^2`` for radii in mm, mmHg s²/ml²; K is recalled (`STENOSIS_K`)."""
    inverse = (1.0 / narrow_mm**2 - 1.0 / healthy_mm**2) / (math.pi * MM**2)
    return STENOSIS_K * blood.density_kg_m3 / 2.0 * inverse**2 / (PA_PER_MMHG * ML_PER_M3**2)


def entry_length_mm(flow_ml_s: float, radius_mm: float, blood: Blood) -> float:
    """How far behind a fork laminar flow takes its shape (`ENTRY_LENGTH`)."""
    return ENTRY_LENGTH * reynolds(flow_ml_s, radius_mm, blood) * 2.0 * radius_mm
