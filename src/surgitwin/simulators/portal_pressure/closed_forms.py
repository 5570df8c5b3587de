"""What the pressure after a resection is where parts of the circulation are held fixed: answers on paper.

They check the model, and say by how much the closed loop differs from the simple rules. Nothing here is shown as a
prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surgitwin.simulators.portal_pressure.circulation import ML_S_PER_L_MIN, Baseline, calibrate


def fixed_flow_pcg_mmhg(pcg_mmhg: float, remnant: float) -> float:
    """PCG / f: portal and arterial flow stay as they were, and all of it goes through the share f."""
    return pcg_mmhg / remnant


def fixed_portal_flow_pcg_mmhg(
    pcg_mmhg: float, remnant: float, presinusoidal_share: float, portal_l_min: float, artery_l_min: float
) -> float:
    """The portal flow stays as it was, and the arterial flow falls with the share f.

    PCG (alpha / f + (1 - alpha) (Qpv / f + Qha) / (Qpv + Qha)).
    """
    alpha, total = presinusoidal_share, portal_l_min + artery_l_min
    return pcg_mmhg * (alpha / remnant + (1 - alpha) * (portal_l_min / remnant + artery_l_min) / total)


@dataclass(frozen=True)
class OpenLoop:
    """Pressures, mmHg, and flows, L/min."""

    pvp_mmhg: float
    pcg_mmhg: float
    portal_flow_l_min: float
    hepatic_artery_flow_l_min: float


def open_loop(base: Baseline, remnant: float) -> OpenLoop:
    """MAP and CVP stay as they were, and nothing widens: two linear equations for portal vein and sinusoids."""
    r = calibrate(base)
    portal, hepatic = r.portal / remnant, r.hepatic / remnant
    artery = r.artery_shared + r.artery_lobar / remnant
    matrix = np.array(
        [[1 / r.digestive + 1 / portal, -1 / portal], [-1 / portal, 1 / portal + 1 / artery + 1 / hepatic]]
    )
    right = np.array([base.map_mmhg / r.digestive, base.map_mmhg / artery + base.cvp_mmhg / hepatic])
    pp, pl = (float(p) for p in np.linalg.solve(matrix, right))
    return OpenLoop(
        pp,
        pp - base.cvp_mmhg,
        (pp - pl) / portal / ML_S_PER_L_MIN,
        (base.map_mmhg - pl) / artery / ML_S_PER_L_MIN,
    )
