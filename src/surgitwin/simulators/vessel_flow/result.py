"""Flow, pressure and wall shear in every branch of a vessel tree, and what a clamp or a stent changes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from surgitwin.core.errors import BadInput
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.simulators.vessel_flow.conditions import Conditions, Edit, Stent
from surgitwin.simulators.vessel_flow.ends import SharedBy
from surgitwin.simulators.vessel_flow.from_tree import ROOT, TISSUE, Blocked, TreeModel, element_of, end_of, tree_model
from surgitwin.simulators.vessel_flow.network import S_PER_MIN
from surgitwin.simulators.vessel_flow.notices import notices_of
from surgitwin.simulators.vessel_flow.steady import Solution, solve
from surgitwin.simulators.vessel_flow.tube import LAMINAR_BELOW, Tube, entry_length_mm
from surgitwin.vessels.tree import VesselTree

_LEAST_RESISTANCE = 1e-6
_RELATIVE = 1e-13


@dataclass(frozen=True)
class BranchFlow:
    """One branch. What cannot be said of a branch without flow is None.

    Attributes
    ----------
    blocked
        Why nothing flows: ``clamped``, ``beyond-clamp``, ``feeds-nothing`` or ``left-out``; empty where it flows.
    flow_ml_min
        In the direction in which blood should run; None in a part that is left out.
    pressure_in_mmhg, pressure_out_mmhg
        Where blood comes in and where it leaves.
    narrowing_loss_mmhg
        What of the drop a narrowing adds to Poiseuille's loss.
    reynolds
        At the narrowest place.
    laminar
        Whether Poiseuille may be used at all: the Reynolds number is below 2000.
    entry_length_mm
        How far laminar flow needs to take its shape; in a shorter branch the true loss is higher.
    """

    id: int
    name: str
    blocked: Blocked
    stented: bool
    length_mm: float
    mean_radius_mm: float
    min_radius_mm: float
    resistance_mmhg_s_ml: float
    flow_ml_min: float | None
    pressure_in_mmhg: float | None = None
    pressure_out_mmhg: float | None = None
    drop_mmhg: float | None = None
    narrowing_loss_mmhg: float | None = None
    wall_shear_mean_pa: float | None = None
    wall_shear_min_pa: float | None = None
    wall_shear_max_pa: float | None = None
    reynolds: float | None = None
    laminar: bool | None = None
    entry_length_mm: float | None = None

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class TerminalFlow:
    """What leaves (or enters) the tree at an end.

    Attributes
    ----------
    shared_by
        Whether its share comes from the volume that it feeds or from Murray's law.
    share_percent
        Of the flow before anything is clamped, as its resistance asks for; the tree's own resistance moves it a little.
    resistance_mmhg_s_ml
        None for an end that feeds nothing.
    """

    branch: int
    name: str
    shared_by: SharedBy
    volume_ml: float | None
    share_percent: float
    resistance_mmhg_s_ml: float | None
    flow_ml_min: float

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Change:
    """What an edit changed of a branch, after minus before; None where there is nothing to compare."""

    branch: int
    name: str
    flow_ml_min: float
    pressure_in_mmhg: float | None
    drop_mmhg: float | None
    wall_shear_mean_pa: float | None

    def as_json(self) -> dict[str, Any]:
        return {
            "branch": self.branch,
            "name": self.name,
            "flow_change_ml_min": self.flow_ml_min,
            "pressure_in_change_mmhg": self.pressure_in_mmhg,
            "drop_change_mmhg": self.drop_mmhg,
            "wall_shear_mean_change_pa": self.wall_shear_mean_pa,
        }


@dataclass(frozen=True, eq=False)
class TreeFlow:
    """The state of a whole tree.

    Attributes
    ----------
    flow_ml_min
        Through the whole tree.
    root_mmhg, tissue_mmhg
        The pressures between which it flows; one of them moves when the flow is held and something is clamped.
    terminal_resistance_mmhg_s_ml
        Of all ends together, as they are without edits.
    tree_loss_mmhg
        What the segmented vessels lose on the way to the end that loses most.
    before
        The same tree without the edits; None if there are none.
    """

    model: TreeModel
    solution: Solution
    flow_ml_min: float
    root_mmhg: float
    tissue_mmhg: float
    terminal_resistance_mmhg_s_ml: float
    branches: tuple[BranchFlow, ...]
    terminals: tuple[TerminalFlow, ...]
    tree_loss_mmhg: float
    notices: tuple[Notice, ...] = ()
    before: TreeFlow | None = None

    @property
    def tree_share_percent(self) -> float:
        """The tree's part of the pressure difference between root and tissue."""
        return 100.0 * self.tree_loss_mmhg / abs(self.root_mmhg - self.tissue_mmhg)

    @cached_property
    def branch(self) -> dict[int, BranchFlow]:
        """By id."""
        return {one.id: one for one in self.branches}

    @cached_property
    def terminal(self) -> dict[int, TerminalFlow]:
        """By the id of the end branch."""
        return {one.branch: one for one in self.terminals}

    def changes(self) -> tuple[Change, ...]:
        """What the edits changed, the largest change of flow first; nothing without edits."""
        if self.before is None:
            return ()
        pairs = [(self.before.branch[one.id], one) for one in self.branches if one.blocked != "left-out"]
        found = [
            Change(
                after.id,
                after.name,
                (after.flow_ml_min or 0.0) - (before.flow_ml_min or 0.0),
                _difference(after.pressure_in_mmhg, before.pressure_in_mmhg),
                _difference(after.drop_mmhg, before.drop_mmhg),
                _difference(after.wall_shear_mean_pa, before.wall_shear_mean_pa),
            )
            for before, after in pairs
        ]
        return tuple(sorted(found, key=lambda change: -abs(change.flow_ml_min)))


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def flow_in_tree(
    tree: VesselTree,
    conditions: Conditions,
    volumes_ml: Mapping[int, float] | None = None,
    edits: Sequence[Edit] = (),
) -> TreeFlow:
    """The steady flow in a vessel tree.

    The resistance of the ends is set so that the tree without edits has the flow and the pressures of ``conditions``;
    so the pressures go in, and are not predicted. With edits it is kept, and the flow or the inlet's pressure is held.

    Parameters
    ----------
    volumes_ml
        What each end branch feeds or drains, by its id, as far as known.

    Raises
    ------
    BadInput
        If the tree, a volume or an edit cannot be, or the tree alone would lose more pressure than there is.
    NoConvergence
        If no steady flow was found.
    """
    model = tree_model(tree, conditions, volumes_ml)
    resistance = end_resistance(model)
    before = _state(model, resistance)
    if not edits:
        return replace(before, notices=notices_of(before))
    changed = tree_model(tree, conditions, volumes_ml, edits)
    after = replace(_state(changed, resistance), before=before)
    return replace(after, notices=notices_of(after))


def end_resistance(model: TreeModel) -> float:
    """The resistance of all ends together with which the tree has its flow between its pressures, mmHg s/ml.

    Raises
    ------
    BadInput
        If the vessels alone would lose more than the pressure difference.
    NoConvergence
    """
    from scipy.optimize import brentq

    conditions = model.conditions
    held = replace(model, conditions=replace(conditions, held="flow"))
    most = conditions.gradient_mmhg / conditions.flow_ml_s

    def excess(resistance: float) -> float:
        solution = solve(held.network(resistance))
        if conditions.outwards:
            return solution.pressure_mmhg(ROOT) - conditions.root_mmhg
        return solution.pressure_mmhg(TISSUE) - conditions.tissue_mmhg

    least = _LEAST_RESISTANCE * most
    lost = excess(least)
    if lost >= 0.0:
        message = tr(
            "At {flow:g} ml/min the segmented vessels alone would lose {loss:.3g} mmHg, but between {root:g} mmHg at"
            " the root and {tissue:g} mmHg in the tissue there are only {gradient:.3g}; check the flow, the pressures,"
            " and the radii of the narrowest branches."
        )
        raise BadInput(
            message.format(
                flow=conditions.flow_ml_min,
                loss=conditions.gradient_mmhg + lost,
                root=conditions.root_mmhg,
                tissue=conditions.tissue_mmhg,
                gradient=conditions.gradient_mmhg,
            )
        )
    if excess(most) <= 0.0:
        return most
    return float(brentq(excess, least, most, xtol=_RELATIVE * most, rtol=4 * _RELATIVE))


def _state(model: TreeModel, resistance: float) -> TreeFlow:
    conditions = model.conditions
    solution = solve(model.network(resistance))
    elements = {element.name: row for row, element in enumerate(solution.network.elements)}
    stents = {edit.branch for edit in model.edits if isinstance(edit, Stent)}
    branches = []
    for branch in model.tree.branches:
        row = elements.get(element_of(branch.id))
        flow = None if row is None else float(solution.flows_ml_s[row])
        branches.append(_branch(model, solution, branch.id, flow, branch.id in stents))
    by_id = {one.id: one for one in branches}
    terminals = tuple(
        TerminalFlow(
            t.branch,
            model.tree.name_of(t.branch),
            t.shared_by,
            t.volume_ml,
            100.0 * t.share,
            resistance / t.share if t.share > 0.0 else None,
            by_id[t.branch].flow_ml_min or 0.0,
        )
        for t in model.terminals
    )
    root = solution.pressure_mmhg(ROOT)
    losses = [
        abs(root - solution.pressure_mmhg(end_of(t.branch))) for t in model.terminals if not model.blocked[t.branch]
    ]
    return TreeFlow(
        model,
        solution,
        sum(one.flow_ml_min for one in terminals),
        root,
        conditions.tissue_mmhg if conditions.outwards else solution.pressure_mmhg(TISSUE),
        resistance,
        tuple(branches),
        terminals,
        max(losses),
    )


def _branch(model: TreeModel, solution: Solution, branch: int, flow: float | None, stented: bool) -> BranchFlow:
    """``flow`` in ml/s in the direction of blood, None where nothing flows."""
    tube, blood, blocked = model.tubes[branch], model.conditions.blood, model.blocked[branch]
    none = None if blocked == "left-out" else 0.0
    found = BranchFlow(
        id=branch,
        name=model.tree.name_of(branch),
        blocked=blocked,
        stented=stented,
        length_mm=tube.length_mm,
        mean_radius_mm=_mean_radius_mm(tube),
        min_radius_mm=float(tube.radii_mm.min()),
        resistance_mmhg_s_ml=tube.resistance(blood),
        flow_ml_min=none,
    )
    if flow is None:
        return found
    near, far = solution.pressure_mmhg(model.start_of(branch)), solution.pressure_mmhg(end_of(branch))
    entering, leaving = (near, far) if model.conditions.outwards else (far, near)
    quadratic = tube.quadratic(blood) if model.conditions.stenoses else 0.0
    shear = tube.wall_shear_pa(flow, blood)
    number = tube.reynolds(flow, blood)
    return replace(
        found,
        flow_ml_min=flow * S_PER_MIN,
        pressure_in_mmhg=entering,
        pressure_out_mmhg=leaving,
        drop_mmhg=found.resistance_mmhg_s_ml * flow + quadratic * flow * abs(flow),
        narrowing_loss_mmhg=quadratic * flow * abs(flow),
        wall_shear_mean_pa=tube.mean_wall_shear_pa(flow, blood),
        wall_shear_min_pa=float(shear.min()),
        wall_shear_max_pa=float(shear.max()),
        reynolds=number,
        laminar=number < LAMINAR_BELOW,
        entry_length_mm=entry_length_mm(flow, found.mean_radius_mm, blood),
    )


def _mean_radius_mm(tube: Tube) -> float:
    """Along the way, not over the points."""
    if tube.length_mm == 0.0:
        return float(tube.radii_mm.mean())
    return float(((tube.radii_mm[:-1] + tube.radii_mm[1:]) / 2.0 * tube.steps_mm).sum()) / tube.length_mm
