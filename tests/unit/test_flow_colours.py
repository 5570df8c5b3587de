"""Vessel branches in the colours of a result: the scale, what has no flow, and what else is shown then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from surgitwin.render.colour_scale import MISSING, VIRIDIS, ColourScale
from surgitwin.render.content import SceneContent, SurfaceContent, TreeContent
from surgitwin.render.flow_colours import (
    FAINT,
    branch_values,
    changes_text,
    flow_scale,
    painted_tree,
    with_painted,
)
from surgitwin.vessels.tree import Branch, VesselTree

DETAILS: dict[str, Any] = {
    "points": {
        "flow": {"title": "Flow", "unit": "ml/min", "low": 0.0, "high": 1000.0, "values": []},
        "pressure": {"title": "Pressure", "unit": "mmHg", "low": 8.0, "high": 10.0, "values": []},
    },
    "branches": [
        {"id": 0, "flow_ml_min": 1000.0, "pressure_in_mmhg": 10.0, "pressure_out_mmhg": 9.0},
        {"id": 1, "flow_ml_min": 0.0, "pressure_in_mmhg": 9.0, "pressure_out_mmhg": 8.0},
        {"id": 2, "flow_ml_min": None, "pressure_in_mmhg": None, "pressure_out_mmhg": None},
    ],
    "changes": [
        {"branch": 1, "name": "", "flow_change_ml_min": 40.0},
        {"branch": 2, "name": "Right", "flow_change_ml_min": -400.0},
        {"branch": 0, "name": "Main", "flow_change_ml_min": None},
    ],
}


def tree() -> VesselTree:
    points = np.array([[0.0, 0, 0], [0, 0, 10], [5, 0, 20], [-5, 0, 20]])
    return VesselTree(
        points_mm=points,
        radii_mm=np.ones(4),
        parent=np.array([-1, 0, 1, 1], dtype=np.int32),
        branch=np.array([0, 0, 1, 2], dtype=np.int32),
        branches=(Branch(0, "Main"), Branch(1), Branch(2, "Right")),
    )


def test_the_ends_of_the_scale_have_its_first_and_last_colour_and_the_middle_the_middle_one() -> None:
    scale = flow_scale(DETAILS, "flow")

    assert [scale.colour(value) for value in (0.0, 500.0, 1000.0)] == [VIRIDIS[0], VIRIDIS[2], VIRIDIS[4]]
    assert scale.colour(-5.0) == VIRIDIS[0] and scale.colour(5000.0) == VIRIDIS[4]
    assert ColourScale("x", "", 3.0, 3.0).colour(3.0) == VIRIDIS[2]


def test_where_nothing_flows_a_branch_is_grey() -> None:
    painted = painted_tree("t", DETAILS, "flow")

    assert painted.colours == {0: VIRIDIS[4], 1: VIRIDIS[0], 2: MISSING}


def test_a_branch_has_the_mean_of_the_pressures_at_its_ends() -> None:
    assert branch_values(DETAILS, "pressure") == {0: 9.5, 1: 8.5, 2: None}


def test_the_painted_tree_is_seen_through_everything_else() -> None:
    mesh: Any = None
    surface = SurfaceContent("s", mesh, (1, 2, 3), 1.0, True, "Liver")
    own, other = TreeContent("t", tree(), ((1, 1, 1),) * 3), TreeContent("u", tree(), ((1, 1, 1),) * 3)
    content = SceneContent(surfaces=(surface,), trees=(own, other))

    shown = with_painted(content, painted_tree("t", DETAILS, "flow"))
    assert shown.trees[0].colours == (VIRIDIS[4], VIRIDIS[0], MISSING)
    assert not shown.trees[1].visible
    assert shown.surfaces[0].opacity == FAINT
    assert with_painted(content, None) is content
    assert with_painted(content, painted_tree("gone", DETAILS, "flow")) is content


def test_what_a_clamp_changed_is_told_the_largest_first() -> None:
    assert changes_text(DETAILS).splitlines() == ["Right: -400 ml/min", "branch 1: +40 ml/min"]
    assert changes_text(DETAILS, most=1).splitlines()[-1] == "and 1 more"


@pytest.mark.parametrize("shown", ["flow", "pressure"])
def test_the_scale_says_what_it_shows_in_which_unit(shown: str) -> None:
    scale = flow_scale(DETAILS, shown)

    assert scale.title and scale.unit and scale.low < scale.high
