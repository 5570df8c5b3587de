"""What to colour a vessel tree by: flow, pressure or wall shear at every point of its centre lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.simulators.vessel_flow.network import S_PER_MIN
from surgitwin.simulators.vessel_flow.result import TreeFlow

FloatArray = NDArray[np.float64]
Shown = Literal["flow", "pressure", "wall-shear"]
SHOWN: tuple[Shown, ...] = get_args(Shown)


@dataclass(frozen=True, eq=False)
class PointValues:
    """A value for every point of a tree, and the ends of its scale.

    Attributes
    ----------
    values
        (n,), in the order of the tree's points; NaN where nothing flows.
    low, high
        The scale: the least and the largest value, and before an edit and after it the same.
    """

    shown: Shown
    title: str
    unit: str
    values: FloatArray
    low: float
    high: float


def values_at_points(flow: TreeFlow, shown: Shown) -> PointValues:
    """Flow (ml/min), pressure (mmHg) or wall shear (Pa) at every point of the tree.

    A fork has the values of the branch that leads to it. The pressure falls along a branch as Poiseuille's loss does,
    and at once where it is narrowest by what a narrowing adds.

    Raises
    ------
    BadInput
        If there is no such quantity to show.
    """
    if shown not in SHOWN:
        message = tr("A tree cannot be coloured by “{shown}”; choose one of {known}.")
        raise BadInput(message.format(shown=shown, known=", ".join(SHOWN)))
    values = _values(flow, shown)
    seen = [values] if flow.before is None else [values, _values(flow.before, shown)]
    finite = np.concatenate([one[np.isfinite(one)] for one in seen])
    titles = {"flow": tr("Flow"), "pressure": tr("Pressure"), "wall-shear": tr("Wall shear stress")}
    units = {"flow": "ml/min", "pressure": "mmHg", "wall-shear": "Pa"}
    return PointValues(shown, titles[shown], units[shown], values, float(finite.min()), float(finite.max()))


def _values(flow: TreeFlow, shown: Shown) -> FloatArray:
    tree, blood = flow.model.tree, flow.model.conditions.blood
    values = np.full(len(tree.points_mm), np.nan)
    for branch in flow.model.open:
        one, tube = flow.branch[branch], flow.model.tubes[branch]
        points = tree.points_of(branch)
        own = tree.branch[points] == branch
        assert one.flow_ml_min is not None
        if shown == "flow":
            along = np.full(len(points), one.flow_ml_min)
        elif shown == "wall-shear":
            along = tube.wall_shear_pa(one.flow_ml_min / S_PER_MIN, blood)
        else:
            along = _pressure_along(flow, branch)
        values[points[own]] = along[own]
    return values


def _pressure_along(flow: TreeFlow, branch: int) -> FloatArray:
    """From the root's side outwards."""
    model, one, tube = flow.model, flow.branch[branch], flow.model.tubes[branch]
    assert one.flow_ml_min is not None and one.narrowing_loss_mmhg is not None
    sign = 1.0 if model.conditions.outwards else -1.0
    lost = np.concatenate([[0.0], np.cumsum(tube.losses_per_flow(model.conditions.blood))])
    lost = lost * one.flow_ml_min / S_PER_MIN
    narrow = tube.narrowest()
    if narrow is not None:
        lost[narrow:] += one.narrowing_loss_mmhg
    return np.asarray(flow.solution.pressure_mmhg(model.start_of(branch)) - sign * lost)
