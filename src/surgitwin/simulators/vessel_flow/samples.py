"""The same tree many times over, with everything that is not known exactly drawn anew each time.

Poiseuille's loss scales with ``mu / r⁴`` and a narrowing's with ``rho / r⁴`` when all radii change by one factor, so a
sample is the network with other numbers in it; the ends' resistance is set anew for the flow and pressures of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.simulators.base import NoConvergence
from surgitwin.simulators.vessel_flow.conditions import Stent
from surgitwin.simulators.vessel_flow.from_tree import ROOT, TISSUE, TreeModel, element_of, end_of
from surgitwin.simulators.vessel_flow.network import S_PER_MIN
from surgitwin.simulators.vessel_flow.result import TreeFlow
from surgitwin.simulators.vessel_flow.steady import Equations, solve_equations

FloatArray = NDArray[np.float64]
_ROUNDS = 30
_NEAR = 1e-9

OUTPUTS = (
    "flow_ml_min",
    "root_mmhg",
    "gradient_after_mmhg",
    "tree_loss_mmhg",
    "tree_share_percent",
    "wall_shear_highest_pa",
    "reynolds_highest",
)
BRANCH_VALUES = ("flow_ml_min", "pressure_in_mmhg", "drop_mmhg", "wall_shear_mean_pa", "reynolds")


@dataclass(frozen=True, eq=False)
class Sampled:
    """What the samples that stand give.

    Attributes
    ----------
    outputs
        `OUTPUTS`, (n,) each.
    branches
        `BRANCH_VALUES`, (n, open branches) each, in the order of `TreeModel.open`.
    stand
        (m,): which of those drawn stand; in the others the vessels alone would lose more pressure than there is.
    """

    outputs: Mapping[str, FloatArray]
    branches: Mapping[str, FloatArray]
    stand: NDArray[np.bool_]


@dataclass(frozen=True)
class Draw:
    """One sample of what is uncertain: flow and pressures before an edit, and how much wider all vessels are."""

    flow_ml_s: float
    gradient_mmhg: float
    downstream_mmhg: float
    viscosity_pa_s: float
    density_kg_m3: float
    wider: float


def draws_of(drawn: Mapping[str, FloatArray], point_percent: float = 0.0) -> list[Draw]:
    """Samples from the quantities of `params.VesselFlowParams`, (m,) each; ``point_percent`` as `sampled` takes it."""
    columns = (
        drawn["flow_ml_min"] / S_PER_MIN,
        drawn["gradient_mmhg"],
        drawn["downstream_mmhg"],
        drawn["viscosity_mpa_s"] / 1000.0,
        drawn["density_kg_m3"],
        (1.0 + drawn["radius_error_percent"] / 100.0) / (1.0 + point_percent / 100.0),
    )
    return [Draw(*(float(value) for value in row)) for row in zip(*columns, strict=True)]


@dataclass(frozen=True, eq=False)
class _State:
    """One state of the tree as equations in which numbers are exchanged.

    Attributes
    ----------
    inlet
        The node where blood comes in.
    vessels, ends
        The rows of the open branches and of the ends' resistances.
    fixed_width
        Which of the open branches are as wide as a stent, however wide the others are.
    near, far
        The nodes of the open branches where blood enters and leaves.
    tips
        The nodes that the open ends lead to, and ``root`` the root's.
    """

    equations: Equations
    held_flow: bool
    inlet: int
    vessels: NDArray[np.intp]
    ends: NDArray[np.intp]
    shares: FloatArray
    fixed_width: NDArray[np.bool_]
    near: NDArray[np.intp]
    far: NDArray[np.intp]
    tips: NDArray[np.intp]
    root: int
    viscosity_pa_s: float
    density_kg_m3: float

    @classmethod
    def of(cls, model: TreeModel) -> _State:
        network = model.network(1.0)
        equations = Equations.of(network)
        row_of = {element.name: row for row, element in enumerate(network.elements)}
        vessels = np.array([row_of[element_of(branch)] for branch in model.open])
        terminals = [t for t in model.terminals if not model.blocked[t.branch]]
        outwards = model.conditions.outwards
        own = np.arange(len(network.elements), len(equations.linear))
        stents = {e.branch for e in model.edits if isinstance(e, Stent) and e.radius_mm is not None}
        return cls(
            equations,
            model.conditions.held == "flow",
            network.row_of[ROOT if outwards else TISSUE],
            vessels,
            own if outwards else np.array([row_of[f"{TISSUE} to {t.branch}"] for t in terminals]),
            np.array([t.share for t in terminals]),
            np.array([branch in stents for branch in model.open]),
            equations.start[vessels],
            equations.end[vessels],
            np.array([network.row_of[end_of(t.branch)] for t in terminals]),
            network.row_of[ROOT],
            model.conditions.blood.viscosity_pa_s,
            model.conditions.blood.density_kg_m3,
        )

    def widths(self, draw: Draw) -> FloatArray:
        """How much wider each open branch is."""
        return np.where(self.fixed_width, 1.0, draw.wider)

    def solved(self, draw: Draw, resistance: float) -> FloatArray:
        """Pressures of the nodes, then flows of the elements."""
        base, thinner = self.equations, self.widths(draw) ** -4
        linear, quadratic = base.linear.copy(), base.quadratic.copy()
        linear[self.vessels] *= thinner * draw.viscosity_pa_s / self.viscosity_pa_s
        quadratic[self.vessels] *= thinner * draw.density_kg_m3 / self.density_kg_m3
        linear[self.ends] = resistance / self.shares
        held = np.where(base.fixed, draw.downstream_mmhg, 0.0)
        injected = np.zeros_like(base.injected)
        if self.held_flow:
            injected[self.inlet] = draw.flow_ml_s
        else:
            held[self.inlet] = draw.downstream_mmhg + draw.gradient_mmhg
        return solve_equations(replace(base, linear=linear, quadratic=quadratic, held=held, injected=injected))[0]

    def resistance(self, draw: Draw) -> float | None:
        """The ends' resistance for the sample's flow and pressures; None if the vessels alone lose more."""
        assert self.held_flow

        def excess(resistance: float) -> float:
            return float(self.solved(draw, resistance)[self.inlet]) - draw.downstream_mmhg - draw.gradient_mmhg

        before = draw.gradient_mmhg / draw.flow_ml_s
        wrong = excess(before)
        now = before - wrong / draw.flow_ml_s
        for _ in range(_ROUNDS):
            if now <= 0.0:
                return None
            error = excess(now)
            if abs(error) <= _NEAR * draw.gradient_mmhg:
                return now
            if error == wrong:
                break
            before, now, wrong = now, now - error * (now - before) / (error - wrong), error
        raise NoConvergence(tr("No resistance of the small vessels was found for a sample of the flow."))


def sampled(flow: TreeFlow, drawn: Mapping[str, FloatArray], point_percent: float, ctx: Context) -> Sampled:
    """The samples of a tree's flow.

    Parameters
    ----------
    flow
        The state for the point values, with its edits.
    drawn
        (m,) each of the quantities of `params.VesselFlowParams`.
    point_percent
        The error of the radii that ``flow`` was computed with.

    Raises
    ------
    NoConvergence
        If a sample that should stand has no solution.
    Cancelled
    """
    unedited = (flow.before or flow).model
    held = replace(unedited, conditions=replace(unedited.conditions, held="flow"))
    before, after = _State.of(held), _State.of(flow.model)
    outputs: dict[str, list[float]] = {name: [] for name in OUTPUTS}
    branches: dict[str, list[FloatArray]] = {name: [] for name in BRANCH_VALUES}
    draws = draws_of(drawn, point_percent)
    stand = np.zeros(len(draws), dtype=np.bool_)
    for number, draw in enumerate(draws):
        ctx.progress(number / len(draws), tr("Samples of the flow"))
        resistance = before.resistance(draw)
        if resistance is None:
            continue
        stand[number] = True
        x = after.solved(draw, resistance)
        values = _branch_values(flow, after, draw, x)
        for name in BRANCH_VALUES:
            branches[name].append(values[name])
        for name, value in _outputs(after, x, values).items():
            outputs[name].append(value)
    if not stand.any():
        message = tr(
            "In none of {count} samples can the flow pass between the pressures: the vessels alone would lose more."
        )
        raise NoConvergence(message.format(count=len(draws)))
    return Sampled(
        {name: np.array(found) for name, found in outputs.items()},
        {name: np.array(found) for name, found in branches.items()},
        stand,
    )


def _branch_values(flow: TreeFlow, state: _State, draw: Draw, x: FloatArray) -> dict[str, FloatArray]:
    """Of the open branches. Wall shear and Reynolds number scale from those of the point values."""
    flows = x[len(state.equations.fixed) :][state.vessels] * S_PER_MIN
    point = [flow.branch[branch] for branch in flow.model.open]
    ratio = np.abs(flows) / np.array([abs(one.flow_ml_min or 0.0) for one in point])
    thicker, wider = draw.viscosity_pa_s / state.viscosity_pa_s, state.widths(draw)
    shear = np.array([one.wall_shear_mean_pa for one in point], dtype=np.float64)
    number = np.array([one.reynolds for one in point], dtype=np.float64)
    return {
        "flow_ml_min": flows,
        "pressure_in_mmhg": x[state.near],
        "drop_mmhg": x[state.near] - x[state.far],
        "wall_shear_mean_pa": shear * ratio * thicker / wider**3,
        "reynolds": number * ratio * draw.density_kg_m3 / state.density_kg_m3 / thicker / wider,
    }


def _outputs(state: _State, x: FloatArray, values: Mapping[str, FloatArray]) -> dict[str, float]:
    flows = x[len(state.equations.fixed) :]
    root = float(x[state.root])
    loss = float(np.abs(root - x[state.tips]).max())
    downstream = float(x[np.flatnonzero(state.equations.fixed)].min())
    gradient = float(x[state.inlet]) - downstream
    return {
        "flow_ml_min": float(flows[state.ends].sum()) * S_PER_MIN,
        "root_mmhg": root,
        "gradient_after_mmhg": gradient,
        "tree_loss_mmhg": loss,
        "tree_share_percent": 100.0 * loss / gradient,
        "wall_shear_highest_pa": float(values["wall_shear_mean_pa"].max()),
        "reynolds_highest": float(values["reynolds"].max()),
    }
