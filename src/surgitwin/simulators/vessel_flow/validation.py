"""Flow in vessels against answers on paper; whole trees are compared with svZeroD by the tests."""

from __future__ import annotations

import numpy as np

from surgitwin.core.text import tr
from surgitwin.simulators.checks import Check, near
from surgitwin.simulators.vessel_flow.tube import Blood, Tube, reynolds, wall_shear_pa

PAPER = tr("answer on paper")
FLOW_ML_S = 1000.0 / 60.0


def vessel_flow_checks() -> tuple[Check, ...]:
    """A main portal vein, a taper, and a fork by Murray's law."""
    blood = Blood()
    trunk = Tube(np.array([6.0, 6.0]), np.array([80.0]))
    taper = Tube(np.array([6.0, 3.0]), np.array([50.0]))
    # Fine enough that the sum over short cylinders is the integral to more than six digits.
    middles = np.linspace(6.0, 3.0, 2001)[:-1] - 0.5 * 3.0 / 2000
    cylinders = sum(Tube(np.array([r, r]), np.array([50.0 / 2000])).resistance(blood) for r in middles)
    radii = 6.0 * np.array([0.65, 0.35]) ** (1.0 / 3.0)
    flows = np.array([0.65, 0.35]) * FLOW_ML_S
    shears = [float(wall_shear_pa(float(q), np.array([r]), blood)[0]) for q, r in zip(flows, radii, strict=True)]
    portal = tr("main portal vein of 6 mm radius, 80 mm, 1 L/min")
    fork = tr("fork of 6 mm, 65 and 35 % of the flow, Murray's law")
    return (
        near(
            tr("Pressure loss, {of}").format(of=portal),
            trunk.resistance(blood) * FLOW_ML_S,
            0.069,
            5e-4,
            "mmHg",
            "analytic",
            PAPER,
            decimals=3,
        ),
        near(
            tr("Reynolds number, {of}").format(of=portal),
            reynolds(FLOW_ML_S, 6.0, blood),
            536.0,
            0.5,
            "",
            "analytic",
            PAPER,
            decimals=0,
        ),
        near(
            tr("Wall shear, {of}").format(of=portal),
            trunk.mean_wall_shear_pa(FLOW_ML_S, blood),
            0.344,
            5e-4,
            "Pa",
            "analytic",
            PAPER,
            decimals=3,
        ),
        near(
            tr("Resistance of a taper from 6 to 3 mm over that of its short cylinders"),
            taper.resistance(blood) / float(cylinders),
            1.0,
            1e-6,
            "",
            "consistency",
            tr("summed numerically"),
        ),
        near(
            tr("Wider branch, {of}").format(of=fork), float(radii[0]), 5.197, 5e-4, "mm", "analytic", PAPER, decimals=3
        ),
        near(
            tr("Narrower branch, {of}").format(of=fork),
            float(radii[1]),
            4.228,
            5e-4,
            "mm",
            "analytic",
            PAPER,
            decimals=3,
        ),
        near(
            tr("Shear of one branch over that of the other, {of}").format(of=fork),
            shears[0] / shears[1],
            1.0,
            1e-12,
            "",
            "analytic",
            PAPER,
        ),
    )
