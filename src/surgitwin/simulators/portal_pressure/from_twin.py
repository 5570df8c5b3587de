"""What the twin says of an operation: how much perfused liver stays, and where portal branches were occluded before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from surgitwin.core.errors import BadInput
from surgitwin.core.ids import NodeId
from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.scene.nodes import Node, PlanNode, SegmentNode, TerritoriesNode, VesselTreeNode
from surgitwin.scene.scene import Scene
from surgitwin.simulators.base import Known, twin_value
from surgitwin.simulators.portal_pressure.params import PortalPressureParams
from surgitwin.simulators.portal_pressure.samples import Kept
from surgitwin.simulators.spread import exactly, normal

SHARE_SD = 0.03
LEAST_SHARE = 0.02


@dataclass(frozen=True, eq=False)
class Twin:
    """What was read; see `simulator.PortalInputs`."""

    quantities: Mapping[str, Known] = field(default_factory=dict)
    nodes: tuple[Node, ...] = ()
    notices: tuple[Notice, ...] = ()
    kept: Kept | None = None
    kept_congested_counted: Kept | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def read_twin(scene: Scene | None, plan: PlanNode | None, params: PortalPressureParams) -> Twin:
    """What a plan's numbers and the marked territories say.

    Raises
    ------
    BadInput
        If the plan is not of a liver, is stale, keeps nothing, or lacks what the marked territories need.
    """
    if scene is None or plan is None:
        if params.portal_occluded:
            raise BadInput(
                tr(
                    "portal_occluded names territories of a case and needs a plan; without one give"
                    " portal_open_fraction."
                )
            )
        return Twin()
    numbers = _numbers_of(scene, plan)
    whole = float(numbers["organ_tumour_free_ml"])
    notices: list[Notice] = []
    perfused, drained = _perfused(numbers, notices)
    occluded = occluded_territories(scene, plan, params.portal_occluded)
    open_fraction, kept, counted = _split(numbers, perfused, drained, whole, occluded)
    if params.portal_open_fraction is not None and occluded:
        raise BadInput(
            tr(
                "Occluded territories are marked on the twin or named, so portal_open_fraction is known."
                " Give one of both."
            )
        )
    if kept.total < LEAST_SHARE and params.remnant_fraction is None:
        message = tr(
            "The plan “{name}” keeps {percent:.1f} % of the liver perfused: there is no portal pressure to predict."
        )
        raise BadInput(message.format(name=plan.name, percent=100 * kept.total))
    source = tr("plan “{name}”, ± {sd:g} for the segmentation").format(name=plan.name, sd=SHARE_SD)
    share = max(kept.total, LEAST_SHARE)
    known = {
        "remnant_fraction": twin_value(type(params), "remnant_fraction", normal(share, SHARE_SD), source, "D"),
        "liver_volume_ml": twin_value(type(params), "liver_volume_ml", whole, tr("tumour-free volume in the image")),
    }
    if occluded:
        names = ", ".join(segment.name for segment in occluded)
        text = tr("all but {names}, occluded before").format(names=names)
        known["portal_open_fraction"] = twin_value(type(params), "portal_open_fraction", exactly(open_fraction), text)
    return Twin(
        known,
        _nodes(scene, plan, occluded),
        tuple(notices),
        kept,
        counted if counted != kept else None,
        {"plan": plan.name, "portal_occluded": [segment.name for segment in occluded]},
    )


def _numbers_of(scene: Scene, plan: PlanNode, instead: str = "remnant_fraction") -> dict[str, Any]:
    organ = scene.get(plan.organ, SegmentNode)
    if organ is None or organ.term.casefold() != "liver":
        message = tr("“{name}” is no resection of a liver; portal pressure is predicted for livers only.")
        raise BadInput(message.format(name=plan.name))
    if plan.numbers is None or scene.is_stale(plan):
        raise BadInput(tr("The plan “{name}” is stale. Plan it again first.").format(name=plan.name))
    if plan.numbers["flr_tumour_free_percent"] is None:
        message = tr("The image cuts off “{organ}”, so that no share of it is known. Give {setting} instead.")
        raise BadInput(message.format(organ=organ.name, setting=instead))
    return plan.numbers


def _perfused(numbers: Mapping[str, Any], notices: list[Notice]) -> tuple[float, float]:
    """Tumour-free remnant that is perfused, and that is perfused and drained, ml; what nobody assessed is told."""
    perfused = numbers["remnant_perfused_ml"]
    if perfused is None:
        perfused = numbers["remnant_tumour_free_ml"]
        text = tr("There is no portal vein tree: remnant that loses its inflow is not assessed and counts as perfused.")
        notices.append(Notice("inflow-not-assessed", text))
    drained = numbers["remnant_perfused_drained_ml"]
    if numbers["congested_ml"] is None:
        text = tr(
            "There is no hepatic vein tree: remnant that loses its outflow is not assessed and counts as drained."
        )
        notices.append(Notice("outflow-not-assessed", text))
        drained = perfused
    elif drained is None:  # no portal tree: what is congested has lost its outflow, whatever its inflow
        drained = max(perfused - numbers["congested_ml"], 0.0)
    return float(perfused), float(drained)


@dataclass(frozen=True, eq=False)
class PlanVolumes:
    """Tumour-free volumes of a plan, ml, and what they were read from."""

    whole_ml: float
    removed_ml: float
    remnant_ml: float
    nodes: tuple[Node, ...]


def plan_volumes(scene: Scene, plan: PlanNode) -> PlanVolumes:
    """The parts of a donor's liver.

    Raises
    ------
    BadInput
        If the plan is not of a liver, is stale, or the image cuts the liver off.
    """
    numbers = _numbers_of(scene, plan, "graft_volume_ml")
    whole, remnant = float(numbers["organ_tumour_free_ml"]), float(numbers["remnant_tumour_free_ml"])
    return PlanVolumes(whole, whole - remnant, remnant, _nodes(scene, plan, []))


def kept_while_moving(numbers: Mapping[str, Any]) -> Kept | None:
    """What stays while a cut moves, from the numbers that follow it; None if no share of the liver is known.

    Occluded remnant is not asked for its outflow until the plan is written.
    """
    whole = numbers["organ_tumour_free_ml"]
    if numbers["flr_tumour_free_percent"] is None or whole <= 0:
        return None
    _, drained = _perfused(numbers, [])
    occluded = numbers.get("portal_occluded_kept_ml") or 0.0
    return Kept(max(drained - occluded, 0.0) / whole, occluded / whole)


def occluded_territories(scene: Scene, plan: PlanNode, named: str) -> list[SegmentNode]:
    """The territories of the plan's liver whose portal branch was occluded before: marked on the twin, or named.

    Raises
    ------
    BadInput
        If a name fits no territory.
    """
    sets = portal_territories(scene, plan.organ)
    marked = [key for node in sets for key in node.portal_occluded]
    known = [scene.get(key, SegmentNode) for node in sets for key in node.territories]
    segments = [segment for segment in known if segment is not None]
    for name in (part.strip() for part in named.split(",") if part.strip()):
        hits = [s for s in segments if name in (s.id, s.name) or name.casefold() == s.name.casefold()]
        if len(hits) != 1:
            message = tr("portal_occluded: there is no portal territory “{name}”. There are: {names}.")
            names = ", ".join(segment.name for segment in segments) or tr("none")
            raise BadInput(message.format(name=name, names=names))
        marked.append(hits[0].id)
    return sorted((segment for segment in segments if segment.id in marked), key=lambda segment: segment.name)


def portal_territories(scene: Scene, organ: NodeId) -> list[TerritoriesNode]:
    """The divisions of an organ by its portal vein."""
    found = [node for node in scene.of_type(TerritoriesNode) if node.organ == organ]
    trees = {node.id: scene.get(node.tree, VesselTreeNode) for node in found}
    return [node for node in found if (tree := trees[node.id]) is not None and tree.system == "portal"]


def _split(
    numbers: Mapping[str, Any], perfused: float, drained: float, whole: float, occluded: list[SegmentNode]
) -> tuple[float, Kept, Kept]:
    """Share that is open before, and what stays of open and occluded territories: congested not counted, counted.

    Raises
    ------
    BadInput
        If the plan's numbers do not tell the territories apart.
    """
    if not occluded:
        return 1.0, Kept(drained / whole), Kept(perfused / whole)
    entries = {entry["id"]: entry for entry in numbers.get("territories") or ()}
    missing = [s.name for s in occluded if s.id not in entries or entries[s.id]["revision"] != s.revision]
    if missing:
        message = tr("The plan was made before the territories {names} were as they are now. Plan it again first.")
        raise BadInput(message.format(names=", ".join(missing)))
    chosen = [entries[segment.id] for segment in occluded]
    before = sum(entry["tumour_free_ml"] for entry in chosen)
    kept = sum(entry["kept_perfused_ml"] for entry in chosen)
    kept_drained = sum(entry["kept_drained_ml"] for entry in chosen)
    return (
        1.0 - before / whole,
        Kept((drained - kept_drained) / whole, kept_drained / whole),
        Kept((perfused - kept) / whole, kept / whole),
    )


def _nodes(scene: Scene, plan: PlanNode, occluded: list[SegmentNode]) -> tuple[Node, ...]:
    """Everything that the result depends on: the plan, what its numbers were counted from, and the marks."""
    made_from = plan.provenance.inputs if plan.provenance is not None else {}
    read = [scene.get(key, Node) for key in made_from]
    sets = portal_territories(scene, plan.organ)
    every = [plan, *(node for node in read if node is not None), *sets, *occluded]
    return tuple({node.id: node for node in every}.values())
