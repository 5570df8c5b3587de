"""Flow in segmented vessels: flow, pressure and wall shear in every branch, and what a clamp or a stent changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import PlanNode
from surgitwin.scene.scene import Scene
from surgitwin.simulators.base import Inputs, PlanUse, Result, Simulator
from surgitwin.simulators.checks import Check
from surgitwin.simulators.sampling import INTERVAL, draw, drivers, summarise
from surgitwin.simulators.vessel_flow.conditions import Conditions, Edit, Parts, Stent
from surgitwin.simulators.vessel_flow.from_tree import ends_of
from surgitwin.simulators.vessel_flow.from_twin import Twin, edits_of, read_twin, volumes_of_ends
from surgitwin.simulators.vessel_flow.paint import SHOWN, Shown, values_at_points
from surgitwin.simulators.vessel_flow.params import ASSUMED, VesselFlowParams, assumed
from surgitwin.simulators.vessel_flow.result import TreeFlow, flow_in_tree
from surgitwin.simulators.vessel_flow.samples import OUTPUTS, Sampled, sampled
from surgitwin.simulators.vessel_flow.tube import Blood
from surgitwin.vessels.tree import System, VesselTree

FloatArray = NDArray[np.float64]

TITLES: Mapping[str, tuple[str, str]] = {
    "flow_ml_min": (tr("Flow through the tree"), "ml/min"),
    "root_mmhg": (tr("Pressure at the tree's root (from what was given, not predicted)"), "mmHg"),
    "gradient_after_mmhg": (tr("Pressure difference between root and tissue"), "mmHg"),
    "tree_loss_mmhg": (tr("What the segmented vessels lose at most"), "mmHg"),
    "tree_share_percent": (tr("The segmented vessels' part of the difference"), "%"),
    "wall_shear_highest_pa": (tr("Highest mean wall shear stress of a branch"), "Pa"),
    "reynolds_highest": (tr("Highest Reynolds number"), ""),
}
MAIN = ("wall_shear_highest_pa", "tree_loss_mmhg", "flow_ml_min", "reynolds_highest")
DRIVEN = ("tree_loss_mmhg", "wall_shear_highest_pa", "reynolds_highest")
NEEDED = ("flow_ml_min", "gradient_mmhg", "downstream_mmhg")
SPREAD = ("flow_ml_min", "drop_mmhg", "wall_shear_mean_pa")
DIGITS = 6


@dataclass(frozen=True, eq=False)
class FlowInputs(Inputs):
    """The tree, what it feeds or drains, and what is done to it."""

    twin: Twin | None = None
    edits: tuple[Edit, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """To another process without the nodes, whose arrays are read from the case file there and then."""
        return self.__dict__ | {"nodes": ()}


class VesselFlow(Simulator[VesselFlowParams, FlowInputs]):
    """Computes the steady flow in a vessel tree as a network of resistances."""

    name: ClassVar[str] = "vessel-flow"
    title: ClassVar[str] = tr("Flow in segmented vessels")
    summary: ClassVar[str] = tr(
        "Flow, pressure and wall shear in every branch of a vessel tree; clamp or stent branches and see what changes."
    )
    references: ClassVar[tuple[str, ...]] = (
        "Poiseuille's law along every taper, Murray CD. Proc Natl Acad Sci 1926;12:207-214 (recalled)",
        "Young DF, Tsai FY. J Biomech 1973;6:395-410 (recalled)",
        "Compared with svZeroDSolver (SimVascular) 3.2",
    )
    Params = VesselFlowParams
    plan: ClassVar[PlanUse] = "no"

    @classmethod
    def checks(cls) -> Sequence[Check]:
        from surgitwin.simulators.vessel_flow.validation import vessel_flow_checks

        return vessel_flow_checks()

    def gather(self, scene: Scene | None, plan: PlanNode | None, params: VesselFlowParams) -> FlowInputs:
        twin = read_twin(scene, params)
        known = params.known(**assumed(twin.system))
        missing = [name for name in NEEDED if name not in known]
        if missing:
            message = tr("Nothing is assumed of “{tree}”, which is no {systems} tree: give {missing} with --set.")
            systems = ", ".join(ASSUMED)
            raise BadInput(message.format(tree=twin.name, systems=systems, missing=", ".join(missing)))
        return FlowInputs(known, twin.nodes, twin.notices, replace(twin, nodes=()), edits_of(twin.tree, params))

    def solve(self, inputs: FlowInputs, params: VesselFlowParams, ctx: Context) -> Result:
        flow, volumes = tree_flow(inputs, params, ctx.part(0.0, 0.3))
        drawn = draw(inputs.quantities, params.samples, params.seed) if params.samples else None
        wider = inputs.quantities["radius_error_percent"].point
        found = sampled(flow, drawn, wider, ctx.part(0.3, 1.0)) if drawn is not None else None
        point = _point(flow)
        outputs = [
            summarise(name, *TITLES[name], point[name], found.outputs[name] if found is not None else None)
            for name in OUTPUTS
        ]
        driving = []
        if found is not None and drawn is not None:
            kept = {name: values[found.stand] for name, values in drawn.items()}
            titles = {name: known.title for name, known in inputs.quantities.items()}
            driving = [one for name in DRIVEN for one in drivers(name, found.outputs[name], kept, titles)]
        notices = (_simulated(), *inputs.notices, *flow.notices, *_left_out(found))
        return Result(outputs, MAIN, driving, (), notices, _details(inputs, params, flow, found, volumes))

    def sampled(
        self, inputs: FlowInputs, params: VesselFlowParams, count: int, seed: int, ctx: Context
    ) -> Mapping[str, FloatArray]:
        flow, _ = tree_flow(inputs, params, ctx.part(0.0, 0.3))
        wider = inputs.quantities["radius_error_percent"].point
        return sampled(flow, draw(inputs.quantities, count, seed), wider, ctx.part(0.3, 1.0)).outputs


def tree_flow(inputs: FlowInputs, params: VesselFlowParams, ctx: Context) -> tuple[TreeFlow, Mapping[int, float]]:
    """The flow for the point values of all inputs, and what each end feeds or drains, ml.

    Raises
    ------
    BadInput, NoConvergence
        As `result.flow_in_tree`.
    Cancelled
    """
    twin = inputs.twin
    assert twin is not None
    conditions = _conditions(inputs, params, twin.system)
    volumes: Mapping[int, float] = {}
    if twin.organ is not None:
        ctx.progress(0.0, tr("Finding what each end branch feeds"))
        volumes = volumes_of_ends(twin.tree, ends_of(twin.tree, conditions.parts), twin.organ, ctx.part(0.0, 0.9))
    ctx.progress(0.9, tr("Computing the flow"))
    wider = 1.0 + inputs.quantities["radius_error_percent"].point / 100.0
    tree = replace(twin.tree, radii_mm=twin.tree.radii_mm * wider)
    return flow_in_tree(tree, conditions, volumes, inputs.edits), volumes


def _conditions(inputs: FlowInputs, params: VesselFlowParams, system: System) -> Conditions:
    point = {name: known.point for name, known in inputs.quantities.items()}
    inwards = params.direction == "inwards" or (params.direction == "auto" and system == "hepatic")
    each: Parts = "each" if system == "hepatic" else "one"
    low = point["downstream_mmhg"]
    high = low + point["gradient_mmhg"]
    return Conditions(
        point["flow_ml_min"],
        low if inwards else high,
        high if inwards else low,
        params.hold,
        each if params.parts == "auto" else params.parts,
        params.narrowings,
        Blood(point["viscosity_mpa_s"] / 1000.0, point["density_kg_m3"]),
    )


def _point(flow: TreeFlow) -> dict[str, float]:
    open_branches = [flow.branch[branch] for branch in flow.model.open]
    return {
        "flow_ml_min": flow.flow_ml_min,
        "root_mmhg": flow.root_mmhg,
        "gradient_after_mmhg": abs(flow.root_mmhg - flow.tissue_mmhg),
        "tree_loss_mmhg": flow.tree_loss_mmhg,
        "tree_share_percent": flow.tree_share_percent,
        "wall_shear_highest_pa": max(one.wall_shear_mean_pa or 0.0 for one in open_branches),
        "reynolds_highest": max(one.reynolds or 0.0 for one in open_branches),
    }


def _simulated() -> Notice:
    message = tr("Simulated, and not validated on patients: it supports a decision, and makes none.")
    return Notice("simulated", message)


def _left_out(found: Sampled | None) -> list[Notice]:
    if found is None or found.stand.mean() >= 0.99:
        return []
    message = tr(
        "In {percent:.0f} % of the samples the vessels alone would lose more pressure than there is: left out."
    )
    return [Notice("samples-left-out", message.format(percent=100.0 * (1.0 - float(found.stand.mean()))))]


def _details(
    inputs: FlowInputs,
    params: VesselFlowParams,
    flow: TreeFlow,
    found: Sampled | None,
    volumes: Mapping[int, float],
) -> dict[str, Any]:
    twin = inputs.twin
    assert twin is not None
    intervals = _intervals(flow, found)
    before = flow.before
    return {
        "tree": twin.name,
        "system": twin.system,
        "organ": twin.organ.name if twin.organ is not None else None,
        "organ_ml": sum(volumes.values()) if volumes else None,
        "held": params.hold,
        "edits": [_edit(twin.tree, edit) for edit in inputs.edits],
        "branches": [_rounded(one.as_json() | intervals.get(one.id, {})) for one in flow.branches],
        "terminals": [_rounded(one.as_json()) for one in flow.terminals],
        "terminal_resistance_mmhg_s_ml": flow.terminal_resistance_mmhg_s_ml,
        "imbalance": flow.solution.imbalance,
        "before": None
        if before is None
        else {**_point(before), "branches": [_rounded(one.as_json()) for one in before.branches]},
        "changes": [_rounded(one.as_json()) for one in flow.changes()],
        "points": {shown: _points(flow, shown) for shown in SHOWN},
    }


def _edit(tree: VesselTree, edit: Edit) -> dict[str, Any]:
    kind = {"edit": "stent", "radius_mm": edit.radius_mm} if isinstance(edit, Stent) else {"edit": "clamp"}
    return {**kind, "branch": edit.branch, "name": tree.name_of(edit.branch)}


def _intervals(flow: TreeFlow, found: Sampled | None) -> dict[int, dict[str, float]]:
    """The central 90 % of what the samples say of each open branch."""
    if found is None:
        return {}
    ends = {name: np.quantile(found.branches[name], INTERVAL, axis=0) for name in SPREAD}
    return {
        branch: {
            f"{name}_{side}": float(ends[name][row, column])
            for name in SPREAD
            for row, side in enumerate(("low", "high"))
        }
        for column, branch in enumerate(flow.model.open)
    }


def _points(flow: TreeFlow, shown: Shown) -> dict[str, Any]:
    """What to colour the tree by, one value for each point of its centre lines; None where nothing flows."""
    found = values_at_points(flow, shown)
    values = [_short(float(value)) if np.isfinite(value) else None for value in found.values]
    return {"title": found.title, "unit": found.unit, "low": found.low, "high": found.high, "values": values}


def _rounded(document: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers with the digits that mean something, for there are many of them."""
    return {key: _short(value) if isinstance(value, float) else value for key, value in document.items()}


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
