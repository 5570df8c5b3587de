"""From a vessel tree to a network: tubes, what each end feeds, and what a clamp or a stent changes.

Every branch is one element: Poiseuille along its taper, and a quadratic loss at a narrowing. Every end branch goes on
into tissue through a resistance ``R_i = R_total V_total / V_i`` by the volume V that it feeds, or by Murray's law
(``q_i = r_i³ / sum r³``) where the volume is unknown. All roots of a vein hang on one pressure, as does the tissue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.simulators.vessel_flow.conditions import STENT_MM, Conditions, Edit, Parts, Stent, within
from surgitwin.simulators.vessel_flow.ends import Terminal, shares
from surgitwin.simulators.vessel_flow.network import (
    Boundary,
    Element,
    InletFlow,
    InletPressure,
    Network,
    OutletPressure,
    OutletResistance,
)
from surgitwin.simulators.vessel_flow.tube import Tube
from surgitwin.vessels.tree import VesselTree

FloatArray = NDArray[np.float64]
Blocked = Literal["", "clamped", "beyond-clamp", "feeds-nothing", "left-out"]

ROOT, TISSUE = "root", "tissue"


@dataclass(frozen=True, eq=False)
class TreeModel:
    """A tree with its edits as tubes and ends.

    Attributes
    ----------
    tubes
        Of each branch of the tree by id, from the fork that it leaves on.
    terminals
        The end branches of the parts that are looked at.
    blocked
        Why nothing flows through a branch, by id; empty for one that is open.
    """

    tree: VesselTree
    conditions: Conditions
    tubes: Mapping[int, Tube]
    terminals: tuple[Terminal, ...]
    blocked: Mapping[int, Blocked]
    edits: tuple[Edit, ...] = ()

    @cached_property
    def open(self) -> tuple[int, ...]:
        """The branches that blood flows through."""
        return tuple(branch.id for branch in self.tree.branches if not self.blocked[branch.id])

    @cached_property
    def roots(self) -> tuple[int, ...]:
        """The open branches that begin at a root."""
        return tuple(branch for branch in self.open if self.tree.parents[branch] < 0)

    def start_of(self, branch: int) -> str:
        """The name of the node that a branch leaves from."""
        before = self.tree.parents[branch]
        return (ROOT if len(self.roots) == 1 else f"{ROOT} {branch}") if before < 0 else end_of(before)

    def network(self, resistance_mmhg_s_ml: float) -> Network:
        """The network whose ends together have this resistance (those of the tree without its edits).

        Elements run as blood should: from the root outwards, or in veins towards it.
        """
        conditions = self.conditions
        elements = list(self._vessels)
        if len(self.roots) > 1:
            elements += [Element(f"{ROOT} to {branch}", ROOT, self.start_of(branch), 0.0) for branch in self.roots]
        ends = [(t.branch, resistance_mmhg_s_ml / t.share) for t in self.terminals if not self.blocked[t.branch]]
        source, pressure = (ROOT, conditions.root_mmhg) if conditions.outwards else (TISSUE, conditions.tissue_mmhg)
        inlet: Boundary = (
            InletFlow(source, conditions.flow_ml_s) if conditions.held == "flow" else InletPressure(source, pressure)
        )
        if conditions.outwards:
            outlets = [OutletResistance(end_of(branch), value, conditions.tissue_mmhg) for branch, value in ends]
            return Network(tuple(elements), (inlet, *outlets))
        elements += [Element(f"{TISSUE} to {branch}", end_of(branch), TISSUE, value) for branch, value in ends]
        turned = tuple(replace(element, start=element.end, end=element.start) for element in elements)
        return Network(turned, (inlet, OutletPressure(ROOT, conditions.root_mmhg)))

    @cached_property
    def _vessels(self) -> tuple[Element, ...]:
        """The open branches, from the root outwards."""
        blood, found = self.conditions.blood, []
        for branch in self.open:
            tube = self.tubes[branch]
            losses = tube.resistance(blood), tube.quadratic(blood) if self.conditions.stenoses else 0.0
            found.append(Element(element_of(branch), self.start_of(branch), end_of(branch), *losses))
        return tuple(found)


def element_of(branch: int) -> str:
    return f"branch {branch}"


def end_of(branch: int) -> str:
    """The node that a branch leads to."""
    return f"end of branch {branch}"


def tree_model(
    tree: VesselTree,
    conditions: Conditions,
    volumes_ml: Mapping[int, float] | None = None,
    edits: Sequence[Edit] = (),
) -> TreeModel:
    """A vessel tree as a network, with clamps and stents.

    Parameters
    ----------
    volumes_ml
        What each end branch feeds or drains, by its id, as far as known; 0 for one that feeds nothing.

    Raises
    ------
    BadInput
        If the tree has no root, lies in parts that nobody allowed, has a point without a radius, or an edit or a volume
        does not fit it; or if nothing is left for blood to flow through.
    """
    _check_tree(tree)
    modelled = _modelled(tree, conditions.parts)
    ends = ends_of(tree, conditions.parts)
    terminals = shares(tree, ends, volumes_ml or {})
    tubes = {branch.id: _tube(tree, branch.id) for branch in tree.branches}
    blocked: dict[int, Blocked] = {branch.id: "" for branch in tree.branches}
    blocked.update({one: "left-out" for one in blocked if one not in set(modelled)})
    _check_edits(tree, blocked, edits)
    for edit in edits:
        if isinstance(edit, Stent):
            tubes[edit.branch] = stented(tubes[edit.branch], edit.radius_mm)
        else:
            blocked.update({one: "beyond-clamp" for one in tree.subtree(edit.branch) if blocked[one] != "clamped"})
            blocked[edit.branch] = "clamped"
    open_ends = {t.branch for t in terminals if t.share > 0.0 and not blocked[t.branch]}
    if not open_ends:
        message = tr(
            "Nothing is left for the flow of {flow:g} ml/min to leave by: every end is clamped or feeds nothing."
        )
        raise BadInput(message.format(flow=conditions.flow_ml_min))
    used = {one for end in open_ends for one in _way_to(tree, end)}
    for one, why in blocked.items():
        if not why and one not in used:
            blocked[one] = _why_unused(tree, one, blocked)
    return TreeModel(tree, conditions, tubes, terminals, blocked, tuple(edits))


def ends_of(tree: VesselTree, parts: Parts) -> list[int]:
    """The end branches of the parts that are looked at.

    Raises
    ------
    BadInput
        If the tree lies in parts that nobody allowed.
    """
    return [one for one in _modelled(tree, parts) if not tree.children[one]]


def _why_unused(tree: VesselTree, branch: int, blocked: Mapping[int, Blocked]) -> Blocked:
    """A branch that leads to clamps only is as closed as what lies beyond one."""
    below = [blocked[one] for one in tree.subtree(branch)]
    return "beyond-clamp" if "clamped" in below else "feeds-nothing"


def _way_to(tree: VesselTree, branch: int) -> list[int]:
    way = []
    while branch >= 0:
        way.append(branch)
        branch = tree.parents[branch]
    return way


def _check_tree(tree: VesselTree) -> None:
    if len(tree.points_mm) == 0:
        raise BadInput(tr("The vessel tree has no point; extract the vessels first."))
    if len(tree.roots) == 0:
        message = tr(
            "The vessel tree has no root: each of its {count} points hangs on another one. Mark where it begins."
        )
        raise BadInput(message.format(count=len(tree.points_mm)))
    if not (tree.parent < np.arange(len(tree.parent))).all():
        raise BadInput(tr("The vessel tree runs in a circle: a point comes after one that it feeds. Extract it again."))
    bad = np.flatnonzero(~(np.isfinite(tree.radii_mm) & (tree.radii_mm > 0.0)))
    if len(bad):
        message = tr("Branch {branch} has a radius of {value:g} mm at point {point}; every radius must be above 0 mm.")
        point = int(bad[0])
        raise BadInput(message.format(branch=int(tree.branch[point]), value=tree.radii_mm[point], point=point))
    for branch in tree.branches:
        fork = int(tree.parent[np.flatnonzero(tree.branch == branch.id)[0]])
        if fork >= 0 and fork != np.flatnonzero(tree.branch == tree.branch[fork])[-1]:
            message = tr(
                "Branch {branch} leaves from the middle of another one; a branch must leave from another's end."
            )
            raise BadInput(message.format(branch=branch.id))
    if sum(tree.length_mm(branch.id) for branch in tree.branches) == 0.0:
        raise BadInput(tr("The vessel tree has a length of 0 mm; it needs at least two points."))


def _modelled(tree: VesselTree, parts: Parts) -> list[int]:
    """The branches of the parts that are looked at, in the tree's order."""
    tops = [branch.id for branch in tree.branches if tree.parents[branch.id] < 0]
    if len(tops) > 1 and parts == "one":
        gaps = [f"{one.gap_mm:.1f} mm" for one in tree.breaks]
        message = tr(
            "The vessel tree lies in {count} parts{gaps}, and nothing says how blood gets from one to the next; join"
            " them, or choose to leave all but the first out (first) or to feed each at its own root (each)."
        )
        apart = tr(" ({gaps} apart)").format(gaps=", ".join(gaps[:5])) if gaps else ""
        raise BadInput(message.format(count=len(tops), gaps=apart))
    wanted = {one for top in (tops if parts == "each" else tops[:1]) for one in tree.subtree(top)}
    return [branch.id for branch in tree.branches if branch.id in wanted]


def _check_edits(tree: VesselTree, blocked: Mapping[int, Blocked], edits: Sequence[Edit]) -> None:
    seen: set[int] = set()
    for edit in edits:
        if edit.branch not in blocked:
            known = ", ".join(str(branch.id) for branch in tree.branches[:12])
            message = tr("The tree has no branch {branch} to clamp or stent; its branches are {known}{more}.")
            more = " …" if len(tree.branches) > 12 else ""
            raise BadInput(message.format(branch=edit.branch, known=known, more=more))
        if blocked[edit.branch] == "left-out":
            message = tr("Branch {branch} lies in a part that is left out; take each part in to clamp or stent it.")
            raise BadInput(message.format(branch=edit.branch))
        if edit.branch in seen:
            message = tr("Branch {branch} is clamped or stented twice; give one of them.")
            raise BadInput(message.format(branch=edit.branch))
        seen.add(edit.branch)
        if isinstance(edit, Stent) and edit.radius_mm is not None:
            within(edit.radius_mm, STENT_MM, tr("radius of the stent"), "mm")


def _tube(tree: VesselTree, branch: int) -> Tube:
    """The branch from the fork on, there as wide as at its own first point: the fork's radius is another vessel's."""
    points = tree.points_of(branch)
    radii = np.array(tree.radii_mm[points], dtype=np.float64)
    if tree.parents[branch] >= 0:
        radii[0] = radii[1]
    steps = np.linalg.norm(np.diff(tree.points_mm[points], axis=0), axis=1)
    return Tube(radii, np.asarray(steps, dtype=np.float64))


def stented(tube: Tube, radius_mm: float | None) -> Tube:
    """The tube at least as wide as a stent; without a radius, its narrowings as wide as the vessel beside them."""
    wanted = tube.healthy_radii_mm() if radius_mm is None else np.maximum(tube.radii_mm, radius_mm)
    return Tube(np.asarray(wanted, dtype=np.float64), tube.steps_mm)
