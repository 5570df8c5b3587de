"""What a person must know of a computed flow: what it does not say, and where its law does not hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.simulators.vessel_flow.tube import ENTRY_LENGTH, LAMINAR_BELOW, STENOSIS_K, STENOSIS_RATIO

if TYPE_CHECKING:
    from surgitwin.simulators.vessel_flow.result import BranchFlow, TreeFlow

_MOST_NAMED = 6


def notices_of(flow: TreeFlow) -> tuple[Notice, ...]:
    """All that a result deserves, the most important first."""
    rules = (_held, _turbulent, _narrow, _entry, _shared, _parts)
    return (_scale(flow), *(notice for rule in rules for notice in rule(flow)))


def _scale(flow: TreeFlow) -> Notice:
    message = tr(
        "The segmented vessels themselves lose at most {loss:.2g} mmHg of the {gradient:.3g} mmHg between root and"
        " tissue ({share:.2g} %); the rest is the small vessels' beyond their ends, set so that the pressures and the"
        " flow are those that were given. The tree shows how flow divides, and does not predict the pressure there."
    )
    gradient = abs(flow.root_mmhg - flow.tissue_mmhg)
    details = {
        "tree_loss_mmhg": flow.tree_loss_mmhg,
        "gradient_mmhg": gradient,
        "tree_share_percent": flow.tree_share_percent,
    }
    text = message.format(loss=flow.tree_loss_mmhg, gradient=gradient, share=flow.tree_share_percent)
    return Notice("pressure-not-predicted", text, details)


def _held(flow: TreeFlow) -> list[Notice]:
    if flow.before is None:
        return []
    conditions = flow.model.conditions
    if conditions.held == "flow":
        message = tr(
            "The flow of {flow:.0f} ml/min is held as if it did not give way; the pressure difference between root and"
            " tissue goes from {before:.3g} to {after:.3g} mmHg with it. For the pressure after an operation use"
            " portal-pressure, which lets the inflow fall."
        )
        before = abs(flow.before.root_mmhg - flow.before.tissue_mmhg)
        after = abs(flow.root_mmhg - flow.tissue_mmhg)
        details = {"gradient_before_mmhg": before, "gradient_after_mmhg": after}
        return [Notice("flow-held", message.format(flow=flow.flow_ml_min, before=before, after=after), details)]
    message = tr(
        "The pressures at root and in the tissue are held as if nothing else gave way; the flow goes from {before:.0f}"
        " to {after:.0f} ml/min with it."
    )
    text = message.format(before=flow.before.flow_ml_min, after=flow.flow_ml_min)
    details = {"flow_before_ml_min": flow.before.flow_ml_min, "flow_after_ml_min": flow.flow_ml_min}
    return [Notice("pressure-held", text, details)]


def _turbulent(flow: TreeFlow) -> list[Notice]:
    found = [one for one in flow.branches if one.laminar is False]
    if not found:
        return []
    worst = max(found, key=lambda one: one.reynolds or 0.0)
    message = tr(
        "Poiseuille's law does not hold in {branches}: the Reynolds number is above {limit:.0f} (up to {worst:.0f}),"
        " the flow need not be laminar, and the true loss and wall shear there are higher."
    )
    text = message.format(branches=named(found), limit=LAMINAR_BELOW, worst=worst.reynolds)
    return [Notice("not-laminar", text, {"branches": [one.id for one in found], "reynolds": worst.reynolds})]


def _narrow(flow: TreeFlow) -> list[Notice]:
    if not flow.model.conditions.stenoses:
        return []
    found = [one for one in flow.branches if (one.narrowing_loss_mmhg or 0.0) > 0.0]
    if not found:
        return []
    loss = max(one.narrowing_loss_mmhg or 0.0 for one in found)
    message = tr(
        "Narrowed to less than {ratio:.0f} % of the width beside it: {branches}. Each such narrowing adds a loss by the"
        " formula of Young and Tsai (up to {loss:.2g} mmHg); its factor K = {k} is recalled, not checked against the"
        " paper, and a narrowing may be an error of the segmentation: look at it."
    )
    text = message.format(ratio=100 * STENOSIS_RATIO, branches=named(found), loss=loss, k=STENOSIS_K)
    details = {"branches": [one.id for one in found], "most_mmhg": loss, "checked": "M"}
    return [Notice("narrowing", text, details)]


def _entry(flow: TreeFlow) -> list[Notice]:
    open_branches = [one for one in flow.branches if one.entry_length_mm is not None]
    found = [one for one in open_branches if (one.entry_length_mm or 0.0) > one.length_mm > 0.0]
    if not found:
        return []
    found.sort(key=lambda one: -(one.entry_length_mm or 0.0))
    message = tr(
        "In {count} of {all} branches ({branches}) the flow has not taken its laminar shape by the branch's end"
        " ({factor:g} × Reynolds number × diameter; recalled, not checked against the paper): their true loss and wall"
        " shear are somewhat higher."
    )
    text = message.format(count=len(found), all=len(open_branches), branches=named(found), factor=ENTRY_LENGTH)
    return [Notice("entry-length", text, {"branches": [one.id for one in found], "checked": "M"})]


def _shared(flow: TreeFlow) -> list[Notice]:
    counts = {how: [t for t in flow.terminals if t.shared_by == how] for how in ("volume", "murray", "nothing")}
    found = []
    if counts["murray"]:
        percent = sum(t.share_percent for t in counts["murray"])
        message = tr(
            "{count} of {all} ends ({percent:.0f} % of the flow) share it by the cube of their radius (Murray), because"
            " the volume that they feed is unknown."
        )
        text = message.format(count=len(counts["murray"]), all=len(flow.terminals), percent=percent)
        found.append(Notice("shared-by-radius", text, {"branches": [t.branch for t in counts["murray"]]}))
    if counts["nothing"]:
        message = tr(
            "{count} of {all} ends feed nothing of the organ and get no flow; a tributary among them, such as the"
            " splenic vein, is not modelled as one."
        )
        text = message.format(count=len(counts["nothing"]), all=len(flow.terminals))
        found.append(Notice("feeds-nothing", text, {"branches": [t.branch for t in counts["nothing"]]}))
    return found


def _parts(flow: TreeFlow) -> list[Notice]:
    tree = flow.model.tree
    tops = [one for one in flow.branches if tree.parents[one.id] < 0]
    if len(tops) == 1:
        return []
    if flow.model.conditions.parts == "first":
        out = [one for one in flow.branches if one.blocked == "left-out"]
        message = tr(
            "The tree lies in {parts} parts; only the first is looked at. The others (branches in them: {count}) are"
            " left out, and what they feed gets no flow here."
        )
        text = message.format(parts=len(tops), count=len(out))
        return [Notice("parts-left-out", text, {"branches": [one.id for one in out]})]
    message = tr(
        "The tree lies in {parts} parts; each is taken to begin at the root's pressure, whatever lies between: right"
        " for veins that open into the vena cava, and a guess across a gap of the segmentation."
    )
    return [Notice("parts-at-root", message.format(parts=len(tops)), {"branches": [one.id for one in tops]})]


def named(branches: Sequence[BranchFlow]) -> str:
    """Some branches in words, the first few of many."""
    words = [
        tr("{name} (branch {id})").format(name=one.name, id=one.id) if one.name else tr("branch {id}").format(id=one.id)
        for one in branches[:_MOST_NAMED]
    ]
    more = len(branches) - len(words)
    return ", ".join(words) + (tr(" and {count} more").format(count=more) if more > 0 else "")
