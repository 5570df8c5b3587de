"""The steady state of a network: which flow and which pressure there is everywhere.

At every node flows sum up to nothing. Pressures and flows are unknowns together; eliminating the flows gives the
Laplacian of the conductances, but keeping them allows elements without resistance, and flows sum up exactly even where
resistances differ by many orders. The quadratic loss is solved by Newton's method with halved steps. Whether it worked
is read from the residuals of the equations, never from what the solver says of itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.text import tr
from surgitwin.simulators.base import NoConvergence
from surgitwin.simulators.vessel_flow.network import InletFlow, InletPressure, Network, OutletPressure, OutletResistance

if TYPE_CHECKING:
    from scipy.sparse import csc_array

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

TOLERANCE = 1e-10
"""How exactly flows must sum up at each node, and pressure losses fit, relative to what flows and to the pressures."""

MOST_ROUNDS = 60
_AIM = 1e-14
_HALVINGS = 30
_LEAST_THROUGHPUT = 1e-6
"""A node is measured by the flow through it, or by this share of the network's largest flow, whichever is more."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Flows and pressures that fulfil the equations.

    Attributes
    ----------
    pressures_mmhg
        Of each node, in the order of `Network.nodes`.
    flows_ml_s
        Of each element, in the order of `Network.elements`.
    boundary_flows_ml_s
        Into the network through each boundary (negative: out of it), in their order.
    imbalance
        The largest sum of flows at a node, relative to what flows through it.
    misfit
        The largest error of an element's pressure loss, relative to the largest pressure.
    """

    network: Network
    pressures_mmhg: FloatArray
    flows_ml_s: FloatArray
    boundary_flows_ml_s: FloatArray
    imbalance: float
    misfit: float
    rounds: int

    def pressure_mmhg(self, node: str) -> float:
        return float(self.pressures_mmhg[self.network.row_of[node]])


@dataclass(frozen=True, eq=False)
class Equations:
    """A network as arrays, with an element and a node more for each outlet with a resistance, after all others.

    Attributes
    ----------
    start, end, linear, quadratic
        (elements,): the rows of their nodes, and the factors of Q and Q|Q| in their losses.
    injected, fixed, held
        (nodes,): given inflow, whether the pressure is given, and which.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    linear: FloatArray
    quadratic: FloatArray
    injected: FloatArray
    fixed: BoolArray
    held: FloatArray

    @classmethod
    def of(cls, network: Network) -> Equations:
        outlets = [b for b in network.boundaries if isinstance(b, OutletResistance)]
        row_of, own = network.row_of, len(network.nodes)
        start = [row_of[e.start] for e in network.elements] + [row_of[b.node] for b in outlets]
        end = [row_of[e.end] for e in network.elements] + [own + n for n in range(len(outlets))]
        linear = [e.resistance_mmhg_s_ml for e in network.elements] + [b.resistance_mmhg_s_ml for b in outlets]
        quadratic = [e.quadratic_mmhg_s2_ml2 for e in network.elements] + [0.0] * len(outlets)
        injected, held = np.zeros(own + len(outlets)), np.zeros(own + len(outlets))
        fixed = np.zeros(own + len(outlets), dtype=np.bool_)
        fixed[own:] = True
        held[own:] = [b.distal_mmhg for b in outlets]
        for boundary in network.boundaries:
            row = row_of[boundary.node]
            if isinstance(boundary, InletFlow):
                injected[row] = boundary.flow_ml_s
            elif isinstance(boundary, InletPressure | OutletPressure):
                fixed[row], held[row] = True, boundary.pressure_mmhg
        return cls(np.array(start), np.array(end), np.array(linear), np.array(quadratic), injected, fixed, held)

    def net_inflow(self, flows: FloatArray) -> FloatArray:
        """What flows into each node, less what leaves it, without what is injected."""
        size = len(self.fixed)
        found = np.bincount(self.end, flows, size) - np.bincount(self.start, flows, size)
        return np.asarray(found, dtype=np.float64)

    def loss(self, flows: FloatArray) -> FloatArray:
        return self.linear * flows + self.quadratic * flows * np.abs(flows)

    def residual(self, x: FloatArray) -> FloatArray:
        """(nodes + elements,): of the nodes' balances or pressures, and of the elements' losses."""
        pressures, flows = x[: len(self.fixed)], x[len(self.fixed) :]
        nodes = np.where(self.fixed, pressures - self.held, self.net_inflow(flows) + self.injected)
        return np.concatenate([nodes, pressures[self.start] - pressures[self.end] - self.loss(flows)])

    def matrix(self, slope: FloatArray) -> csc_array:
        """The equations' derivative where an element loses ``slope`` per flow."""
        from scipy.sparse import coo_array

        nodes, count = len(self.fixed), len(self.start)
        flow_rows = nodes + np.arange(count)
        held = np.flatnonzero(self.fixed)
        into, out = ~self.fixed[self.end], ~self.fixed[self.start]
        rows = [held, self.end[into], self.start[out], flow_rows, flow_rows, flow_rows]
        columns = [held, flow_rows[into], flow_rows[out], self.start, self.end, flow_rows]
        ones = np.ones(count)
        values = [np.ones(len(held)), ones[into], -ones[out], ones, -ones, -slope]
        places = (np.concatenate(rows), np.concatenate(columns))
        return coo_array((np.concatenate(values), places), shape=(nodes + count,) * 2).tocsc()

    def largest_pressure(self, x: FloatArray) -> float:
        """Of the nodes and of the losses."""
        nodes = len(self.fixed)
        return max(float(np.abs(x[:nodes]).max()), float(np.abs(self.loss(x[nodes:])).max()))

    def errors(self, x: FloatArray, pressure: float | None = None) -> tuple[float, float]:
        """Imbalance and misfit as `Solution` tells them; the misfit relative to ``pressure`` if it is given."""
        nodes = len(self.fixed)
        pressure = self.largest_pressure(x) if pressure is None else pressure
        found = np.abs(self.residual(x))
        size = np.abs(x[nodes:])
        through = np.bincount(self.end, size, nodes) + np.bincount(self.start, size, nodes) + np.abs(self.injected)
        half: FloatArray = np.asarray(through / 2.0, dtype=np.float64)
        scale: FloatArray = np.maximum(half, _LEAST_THROUGHPUT * float(half.max()))
        free = ~self.fixed
        imbalance = float(_share(found[:nodes][free], scale[free]).max(initial=0.0))
        misfit = np.concatenate([found[nodes:], found[:nodes][self.fixed]])
        return imbalance, float(_share(misfit, np.full(len(misfit), pressure)).max())


def _share(error: FloatArray, of: FloatArray) -> FloatArray:
    """``error / of``, where nothing of nothing is none."""
    safe = np.where(of > 0.0, of, np.finfo(np.float64).tiny)
    return np.asarray(np.where(error == 0.0, 0.0, error / safe), dtype=np.float64)


def solve(network: Network, most_rounds: int = MOST_ROUNDS) -> Solution:
    """The steady state.

    Raises
    ------
    NoConvergence
        If flows at some node do not sum up within `TOLERANCE` of what flows through it, or a pressure loss does not
        fit its flow.
    """
    equations = Equations.of(network)
    x, rounds = solve_equations(equations, most_rounds)
    imbalance, misfit = equations.errors(x)
    nodes = len(equations.fixed)
    return Solution(
        network,
        x[: len(network.nodes)],
        x[nodes : nodes + len(network.elements)],
        _boundary_flows(network, equations, x[nodes:]),
        imbalance,
        misfit,
        rounds,
    )


def solve_equations(equations: Equations, most_rounds: int = MOST_ROUNDS) -> tuple[FloatArray, int]:
    """Pressures and flows in one array, and the rounds that it took.

    Raises
    ------
    NoConvergence
        As `solve`.
    """
    x = _linear(equations)
    rounds = 0
    while rounds < most_rounds and max(equations.errors(x)) > _AIM:
        better = _newton(equations, x)
        if better is None:
            break
        x = better
        rounds += 1
    imbalance, misfit = equations.errors(x)
    if not (imbalance <= TOLERANCE and misfit <= TOLERANCE):
        message = tr(
            "No steady flow was found: after {rounds} rounds the flows at a node still differ by {imbalance:.2g} of"
            " what flows through it and a pressure by {misfit:.2g}; both must be below {limit:g}. Look for vessels"
            " without any resistance that form a loop, or values many orders apart."
        )
        raise NoConvergence(message.format(rounds=rounds, imbalance=imbalance, misfit=misfit, limit=TOLERANCE))
    return x, rounds


def _linear(equations: Equations) -> FloatArray:
    """The solution with a linear loss in place of each quadratic one, not below it: flows begin too small, if anything.

    For a flow Q at most, ``S Q|Q| <= (S Q) Q``; for a pressure difference p at most, ``S Q|Q| <= sqrt(S p) Q``.
    """
    quadratic = equations.quadratic
    most_flow = float(np.abs(equations.injected).sum())
    held = equations.held[equations.fixed]
    most_pressure = float(np.ptp(held)) if len(held) else 0.0
    slope = equations.linear + quadratic * most_flow + np.sqrt(quadratic * most_pressure)
    right = np.concatenate([np.where(equations.fixed, equations.held, -equations.injected), np.zeros(len(slope))])
    return _solved(equations.matrix(slope), right)


def _newton(equations: Equations, x: FloatArray) -> FloatArray | None:
    """A step of Newton's method, halved until the errors fall; None if they do not."""
    flows = x[len(equations.fixed) :]
    slope = equations.linear + 2.0 * equations.quadratic * np.abs(flows)
    step = _solved(equations.matrix(slope), -equations.residual(x))
    pressure = equations.largest_pressure(x)
    size = max(equations.errors(x, pressure))
    for _ in range(_HALVINGS):
        if max(equations.errors(x + step, pressure)) < size:
            return x + step
        step = step / 2.0
    return None


def _solved(matrix: csc_array, right: FloatArray) -> FloatArray:
    """``matrix x = right``.

    Raises
    ------
    NoConvergence
        If the matrix is singular.
    """
    from scipy.sparse.linalg import splu

    message = tr(
        "The flow is not determined: some vessels without any resistance form a loop, or join places whose pressures"
        " are both given. Give each a resistance above 0."
    )
    try:
        found = np.asarray(splu(matrix).solve(right), dtype=np.float64)
    except RuntimeError as error:  # SuperLU says so of a singular matrix
        raise NoConvergence(message) from error
    if not np.isfinite(found).all():
        raise NoConvergence(message)
    return found


def _boundary_flows(network: Network, equations: Equations, flows: FloatArray) -> FloatArray:
    """What comes in through each boundary: what is injected, or what leaves a held node inwards."""
    outside = -equations.net_inflow(flows)
    found = []
    resistances = iter(flows[len(network.elements) :])
    for boundary in network.boundaries:
        row = network.row_of[boundary.node]
        if isinstance(boundary, OutletResistance):
            found.append(-float(next(resistances)))
        else:
            found.append(float(equations.injected[row] if isinstance(boundary, InletFlow) else outside[row]))
    return np.array(found)
