"""How fast the future liver remnant grows after its other side's portal vein was occluded.

Kinetic growth rate = (%FLR after - %FLR before) / weeks, both in percent of the standard liver volume; by Shindoh et
al. 2013, recalled and not checked against the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import Node, PlanNode
from surgitwin.scene.scene import Scene
from surgitwin.simulators.base import (
    TAG_TEXTS,
    Inputs,
    Known,
    Output,
    PlanUse,
    Quantity,
    Result,
    Simulator,
    SimulatorParams,
    Uncertain,
    twin_value,
)
from surgitwin.simulators.checks import Check, near
from surgitwin.simulators.sampling import draw, drivers, points, summarise
from surgitwin.simulators.spread import normal

FloatArray = NDArray[np.float64]
VOLUMETRY_SD_PERCENT = 3.0
LIMIT_PERCENT_A_WEEK = 2.0
OUTPUTS = {
    "growth_percent_per_week": (tr("Growth of the remnant"), "%/week"),
    "hypertrophy_percent": (tr("Growth in all, of the standard volume"), "%"),
}


class KineticGrowthParams(SimulatorParams):
    """The remnant at two times; the later one may come from a plan."""

    flr_before_percent: Annotated[
        Uncertain, Quantity(tr("remnant before the occlusion, of the standard volume"), "%", 1, 150)
    ] = None
    flr_after_percent: Annotated[
        Uncertain, Quantity(tr("remnant in the later image, of the standard volume"), "%", 1, 150)
    ] = None
    weeks: Annotated[Uncertain, Quantity(tr("time from the occlusion to the later image"), "weeks", 0.5, 52)] = None


class KineticGrowth(Simulator[KineticGrowthParams, Inputs]):
    """Computes the kinetic growth rate and how certain it is."""

    name: ClassVar[str] = "kinetic-growth"
    title: ClassVar[str] = tr("Growth of the liver remnant")
    summary: ClassVar[str] = tr("How fast the remnant grew after portal vein occlusion, and how certain that is.")
    references: ClassVar[tuple[str, ...]] = ("Shindoh J, et al. 2013 (recalled, not checked)",)
    Params = KineticGrowthParams
    plan: ClassVar[PlanUse] = "optional"
    light: ClassVar[bool] = True

    def gather(self, scene: Scene | None, plan: PlanNode | None, params: KineticGrowthParams) -> Inputs:
        twin: dict[str, Known] = {}
        nodes: tuple[Node, ...] = ()
        if scene is not None and plan is not None and params.flr_after_percent is None:
            share = normal(remnant_of(scene, plan), VOLUMETRY_SD_PERCENT)
            source = tr("plan “{name}”, ± 3 % for the segmentation").format(name=plan.name)
            twin["flr_after_percent"] = twin_value(self.Params, "flr_after_percent", share, source, "D")
            nodes = read_for(scene, plan)
        known = params.known(**twin)
        missing = [name for name in self.Params.quantities() if name not in known]
        if missing:
            raise BadInput(tr("The growth needs {names}: give each with --set.").format(names=", ".join(missing)))
        return Inputs(known, nodes)

    def solve(self, inputs: Inputs, params: KineticGrowthParams, ctx: Context) -> Result:
        ctx.check()
        point = growth(points(inputs.quantities))
        drawn = draw(inputs.quantities, params.samples, params.seed) if params.samples else {}
        found = growth(drawn) if drawn else {}
        outputs = [summarise(name, *OUTPUTS[name], float(point[name][0]), found.get(name)) for name in OUTPUTS]
        first = outputs[0].name
        titles = {name: known.title for name, known in inputs.quantities.items()}
        notice = Notice("simulated", tr("Worked out from two volumes: it supports a decision, and makes none."))
        return Result(
            outputs,
            [first],
            drivers(first, found[first], drawn, titles) if found else (),
            [_against_limit(outputs[0], found.get(first))],
            (*inputs.notices, notice),
        )

    @classmethod
    def checks(cls) -> Sequence[Check]:
        given = {"flr_before_percent": 25.0, "flr_after_percent": 32.0, "weeks": 3.0}
        rate = growth({name: np.array([value]) for name, value in given.items()})["growth_percent_per_week"]
        source = tr("(32 - 25) / 3")
        return [near(tr("25 to 32 % in 3 weeks"), float(rate[0]), 7 / 3, 1e-9, "%/week", "analytic", source)]


def growth(values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """(n,) of each output, for (n,) of each input."""
    grown = values["flr_after_percent"] - values["flr_before_percent"]
    return {"growth_percent_per_week": grown / values["weeks"], "hypertrophy_percent": grown}


def remnant_of(scene: Scene, plan: PlanNode) -> float:
    """The plan's remnant in percent of the standard liver volume.

    Raises
    ------
    BadInput
        If the plan is stale, or does not say.
    """
    if plan.numbers is None or scene.is_stale(plan):
        raise BadInput(tr("The plan “{name}” is stale. Plan it again first.").format(name=plan.name))
    found = plan.numbers["remnant_to_standard_percent"]
    if found is None:
        text = tr("The plan “{name}” has no remnant in percent of the standard volume: confirm height and weight.")
        raise BadInput(text.format(name=plan.name))
    return float(found)


def read_for(scene: Scene, plan: PlanNode) -> tuple[Node, ...]:
    """The plan and what its numbers were counted from: the result turns stale with any of them."""
    made_from = plan.provenance.inputs if plan.provenance is not None else {}
    found = [scene.get(key, Node) for key in made_from]
    return (plan, *(node for node in found if node is not None and node.id != plan.id))


def _against_limit(rate: Output, samples: FloatArray | None) -> dict[str, Any]:
    """The published limit; ``at_least`` says that more is better, so that reaching it is good news."""
    low, high = (rate.value if end is None else end for end in (rate.low, rate.high))
    verdict = "reached" if rate.value is not None and rate.value >= LIMIT_PERCENT_A_WEEK else "below"
    if low is not None and high is not None and low < LIMIT_PERCENT_A_WEEK <= high:
        verdict = "uncertain"
    reached = None if samples is None else 100.0 * float(np.mean(samples >= LIMIT_PERCENT_A_WEEK))
    return {
        "author": "Shindoh 2013",
        "output": rate.name,
        "title": rate.title,
        "limit": LIMIT_PERCENT_A_WEEK,
        "at_least": True,
        "unit": rate.unit,
        "text": tr("slower growth went with a high risk ({checked})").format(checked=TAG_TEXTS["M"]),
        "population": tr("remnants after portal vein embolisation"),
        "checked": "M",
        "note": "",
        "value": rate.value,
        "low": rate.low,
        "high": rate.high,
        "probability_percent": reached,
        "verdict": verdict,
    }
