"""The circulation around the liver: a closed loop of compartments, with any number of territories in parallel.

Model of docs/developer/portal-pressure.md, whose structure follows Audebert et al., J Biomech 2017;50:202-207, and
Golse et al., J Hepatol 2021;74:661-669 (equations written anew from their description). Units inside: mmHg, ml, s.

This module is the model as it is written down, one patient at a time. `kernels` solves the same equations for
thousands of samples at once, with all open territories as one and all occluded ones as another, which changes nothing:
they share their pressures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.text import tr
from surgitwin.simulators.base import NoConvergence

FloatArray = NDArray[np.float64]
ML_S_PER_L_MIN = 1000.0 / 60.0
HABR_RANGE = (0.5, 4.0)
CO_RANGE = (0.2, 2.0)
SMALLEST_WIDENING = 0.05


@dataclass(frozen=True)
class Compliances:
    """How much volume each compartment takes up, ml/mmHg."""

    arterial: float = 1.5
    portal: float = 15.0
    liver: float = 10.0
    venous: float = 80.0


@dataclass(frozen=True)
class Baseline:
    """What was measured before the operation, and what cannot be measured.

    Attributes
    ----------
    presinusoidal_share
        Alpha: the share of the portal pressure gradient that is lost before the sinusoids.
    compliance_per_mmhg
        Kappa: how the portal tree widens with its pressure; 0 is rigid.
    shared_artery_share
        Beta: the share of the arterial resistance that all territories share.
    habr_gain
        h, the arterial buffer response; 0 is none.
    frank_starling_l_min_mmhg
        How the cardiac output follows the central venous pressure.
    collateral_l_min_mmhg
        Conductance of the collaterals that there are before the operation.
    """

    map_mmhg: float
    cvp_mmhg: float
    cardiac_output_l_min: float
    portal_flow_l_min: float
    hepatic_artery_flow_l_min: float
    pvp_mmhg: float
    presinusoidal_share: float = 0.35
    compliance_per_mmhg: float = 0.0
    shared_artery_share: float = 0.4
    habr_gain: float = 0.0
    frank_starling_l_min_mmhg: float = 0.35
    collateral_l_min_mmhg: float = 0.0
    compliances: Compliances = Compliances()


@dataclass(frozen=True)
class Territory:
    """A part of the liver.

    Attributes
    ----------
    share
        Of the perfused liver; the shares of all territories sum to 1.
    kept
        How much of it stays, 0 to 1.
    portal_open
        False if its portal branch was occluded before the operation.
    """

    share: float
    kept: float = 1.0
    portal_open: bool = True


@dataclass(frozen=True)
class Change:
    """What the operation does besides taking liver.

    Attributes
    ----------
    volume_ml
        Infusion minus blood loss.
    shunt_l_min_mmhg
        Conductance of a new portosystemic shunt.
    """

    volume_ml: float = 0.0
    shunt_l_min_mmhg: float = 0.0


@dataclass(frozen=True)
class Resistances:
    """Calibrated so that the baseline gives back what was measured; mmHg s/ml. Lobar ones are for a share of 1.

    Attributes
    ----------
    digestive, other, artery_shared, artery_lobar, portal, hepatic
        Of the digestive organs and spleen; of all other organs; of the hepatic artery's shared part; for a share of 1:
        of its lobar part, of the portal tree, of the hepatic veins.
    open_mmhg, occluded_mmhg
        Sinusoidal pressure before the operation in open and in occluded territories.
    """

    digestive: float
    other: float
    artery_shared: float
    artery_lobar: float
    portal: float
    hepatic: float
    open_mmhg: float
    occluded_mmhg: float


def calibrate(base: Baseline, open_share: float = 1.0) -> Resistances:
    """The resistances that give exactly the measured pressures and flows; no search is needed.

    Portal flow goes through the open territories only. All territories get the same lobar arterial and hepatic venous
    resistance for their share; the arterial flow splits accordingly.

    Parameters
    ----------
    open_share
        Share of the perfused liver whose portal branch is open, above 0.
    """
    flow, arterial = (q * ML_S_PER_L_MIN for q in (base.portal_flow_l_min, base.hepatic_artery_flow_l_min))
    collateral = base.collateral_l_min_mmhg * ML_S_PER_L_MIN * (base.pvp_mmhg - base.cvp_mmhg)
    cardiac = base.cardiac_output_l_min * ML_S_PER_L_MIN
    sinusoid = base.pvp_mmhg - base.presinusoidal_share * (base.pvp_mmhg - base.cvp_mmhg)
    drop = base.map_mmhg - sinusoid
    lobar = (1.0 - base.shared_artery_share) * drop
    per_share = flow / open_share
    per_open = _open_arterial_flow(arterial, per_share, lobar, sinusoid - base.cvp_mmhg, open_share)
    hepatic = (sinusoid - base.cvp_mmhg) / (per_share + per_open)
    artery_lobar = lobar / per_open
    ahead = base.map_mmhg - base.shared_artery_share * drop
    return Resistances(
        digestive=(base.map_mmhg - base.pvp_mmhg) / (flow + collateral),
        other=(base.map_mmhg - base.cvp_mmhg) / (cardiac - flow - collateral - arterial),
        artery_shared=base.shared_artery_share * drop / arterial,
        artery_lobar=artery_lobar,
        portal=(base.pvp_mmhg - sinusoid) / per_share,
        hepatic=hepatic,
        open_mmhg=sinusoid,
        occluded_mmhg=(ahead * hepatic + base.cvp_mmhg * artery_lobar) / (hepatic + artery_lobar),
    )


def _open_arterial_flow(arterial: float, portal: float, lobar: float, venous: float, open_share: float) -> float:
    """Arterial flow for each share of 1 in the open territories, ml/s.

    With x in the open and y in the occluded ones, both by share: open x + occluded y = Q, and one lobar and one hepatic
    venous resistance for both give y = (lobar + venous) / (lobar / x + venous / (portal + x)): a quadratic in x.
    """
    occluded = 1.0 - open_share
    if occluded <= 0.0:
        return arterial
    total = lobar + venous
    # (Q - o x) (lobar (p + x) + venous x) = c total x (p + x)
    a = -open_share * total - occluded * total
    b = arterial * total - open_share * lobar * portal - occluded * total * portal
    c = arterial * lobar * portal
    return (-b - math.sqrt(b * b - 4.0 * a * c)) / (2.0 * a)


@dataclass(frozen=True)
class State:
    """Pressures, mmHg, and flows, L/min.

    Attributes
    ----------
    sinusoids_mmhg
        Of each territory; NaN where nothing of it is left.
    """

    map_mmhg: float
    pvp_mmhg: float
    cvp_mmhg: float
    sinusoids_mmhg: tuple[float, ...]
    portal_flow_l_min: float
    hepatic_artery_flow_l_min: float
    cardiac_output_l_min: float
    collateral_flow_l_min: float


class Circulation:
    """The equations of one patient and one operation."""

    def __init__(self, base: Baseline, territories: Sequence[Territory], change: Change | None = None) -> None:
        self.base, self.change = base, change or Change()
        self._share = np.array([t.share for t in territories])
        self._kept = self._share * np.array([t.kept for t in territories])
        self._open = np.array([1.0 if t.portal_open else 0.0 for t in territories])
        self.resistances = calibrate(base, float(self._share @ self._open))
        r = self.resistances
        self._before = np.where(self._open > 0, r.open_mmhg, r.occluded_mmhg)
        self._per_share = (base.pvp_mmhg - r.open_mmhg) / r.portal

    @property
    def start(self) -> FloatArray:
        """Pressures before the operation: artery, portal vein, sinusoids of each territory, vein."""
        return np.array([self.base.map_mmhg, self.base.pvp_mmhg, *self._before, self.base.cvp_mmhg])

    def flows(self, y: FloatArray) -> dict[str, FloatArray]:
        """Flows in ml/s: each of the organs, and (n,) of the territories."""
        base, r = self.base, self.resistances
        pa, pp, pl, pv = y[0], y[1], y[2:-1], y[-1]
        widening = max(1.0 + base.compliance_per_mmhg * (pp - base.pvp_mmhg), SMALLEST_WIDENING) ** 4
        portal = self._kept * self._open * (pp - pl) / r.portal * widening
        tone = np.ones_like(pl)
        if base.habr_gain > 0:
            per_share = (pp - pl) / r.portal * widening / self._per_share
            tone = np.where(self._open > 0, np.clip(np.maximum(per_share, 1e-9) ** base.habr_gain, *HABR_RANGE), 1.0)
        conductance = self._kept / (r.artery_lobar * tone)
        ahead = (pa + r.artery_shared * (conductance @ pl)) / (1.0 + r.artery_shared * conductance.sum())
        cardiac = base.cardiac_output_l_min + base.frank_starling_l_min_mmhg * (pv - base.cvp_mmhg)
        least, most = (share * base.cardiac_output_l_min for share in CO_RANGE)
        cardiac = min(max(cardiac, least), most)
        shunts = base.collateral_l_min_mmhg + self.change.shunt_l_min_mmhg
        return {
            "cardiac": np.array(cardiac * ML_S_PER_L_MIN),
            "digestive": np.array((pa - pp) / r.digestive),
            "other": np.array((pa - pv) / r.other),
            "collateral": np.array(shunts * ML_S_PER_L_MIN * (pp - pv)),
            "portal": portal,
            "artery": conductance * (ahead - pl),
            "hepatic": self._kept * (pl - pv) / r.hepatic,
        }

    def balances(self, y: FloatArray) -> FloatArray:
        """Inflow minus outflow of every compartment, ml/s: artery, portal vein, each territory, vein."""
        q = self.flows(y)
        artery, portal, hepatic = q["artery"].sum(), q["portal"].sum(), q["hepatic"].sum()
        return np.array(
            [
                q["cardiac"] - q["digestive"] - q["other"] - artery,
                q["digestive"] - portal - q["collateral"],
                *(q["artery"] + q["portal"] - q["hepatic"]),
                q["other"] + hepatic + q["collateral"] - q["cardiac"],
            ]
        )

    def capacities(self) -> FloatArray:
        """Compliance of every compartment, ml/mmHg."""
        c = self.base.compliances
        return np.array([c.arterial, c.portal, *(c.liver * self._kept), c.venous])

    def volume_ml(self, y: FloatArray) -> float:
        """The volume that the compartments hold above their rest."""
        return float(self.capacities() @ y)

    def volume_after_ml(self) -> float:
        """What they hold after the operation: that of before, less what was in the removed part, and what was given."""
        return self.volume_ml(self.start) + self.change.volume_ml

    def steady(self) -> State:
        """The state that the circulation settles in.

        Raises
        ------
        NoConvergence
            If none was found: the residual is looked at, not what the solver says of itself.
        """
        from scipy.optimize import root

        left = [0, 1, *(2 + np.flatnonzero(self._kept > 0)), len(self.start) - 1]
        start = self.start

        def residual(x: FloatArray) -> FloatArray:
            y = start.copy()
            y[left] = x
            found = self.balances(y)[left]
            found[-1] = self.volume_ml(y) - self.volume_after_ml()
            return found

        solved = root(residual, start[left], method="hybr", options={"xtol": 1e-14, "maxfev": 2000})
        y = start.copy()
        y[left] = solved.x
        worst = float(np.abs(residual(solved.x)).max())
        if not worst < 1e-8:
            raise NoConvergence(no_convergence_text(worst))
        return self.state(y)

    def state(self, y: FloatArray) -> State:
        q = self.flows(y)
        sinusoids = np.where(self._kept > 0, y[2:-1], np.nan)
        per_min = {name: float(np.sum(flow)) / ML_S_PER_L_MIN for name, flow in q.items()}
        return State(
            map_mmhg=float(y[0]),
            pvp_mmhg=float(y[1]),
            cvp_mmhg=float(y[-1]),
            sinusoids_mmhg=tuple(float(p) for p in sinusoids),
            portal_flow_l_min=per_min["portal"],
            hepatic_artery_flow_l_min=per_min["artery"],
            cardiac_output_l_min=per_min["cardiac"],
            collateral_flow_l_min=per_min["collateral"],
        )

    def transient(self, times_s: FloatArray, infusion_s: float = 60.0) -> list[State]:
        """How the circulation settles after clamping at time 0.

        Parameters
        ----------
        times_s
            (n,), rising, from 0.
        infusion_s
            How long the volume change takes, at a constant rate into the vein.

        Raises
        ------
        NoConvergence
            If the integration fails.
        """
        from scipy.integrate import solve_ivp

        capacity = self.capacities()
        gone = capacity == 0.0
        rate = self.change.volume_ml / infusion_s

        def slope(t: float, y: FloatArray) -> FloatArray:
            balance = self.balances(y)
            balance[-1] += rate if t < infusion_s else 0.0
            return np.where(gone, 0.0, balance / np.where(gone, 1.0, capacity))

        found: list[FloatArray] = [self.start]
        edges = [0.0, *([infusion_s] if times_s[-1] > infusion_s else []), float(times_s[-1])]
        y = self.start
        for begin, end in pairwise(edges):
            inside = times_s[(times_s > begin) & (times_s <= end)]
            asked = inside if len(inside) and inside[-1] == end else np.append(inside, end)
            solved = solve_ivp(slope, (begin, end), y, method="LSODA", t_eval=asked, rtol=1e-11, atol=1e-12)
            if not solved.success:
                raise NoConvergence(no_convergence_text(math.nan))
            found += list(solved.y.T[: len(inside)])
            y = solved.y[:, -1]
        return [self.state(one) for one in found]


def no_convergence_text(residual: float) -> str:
    message = tr(
        "The circulation found no steady state for these values (flows do not balance by {residual:.2g} ml/s). Check"
        " the pressures and flows that were given."
    )
    return message.format(residual=residual)
