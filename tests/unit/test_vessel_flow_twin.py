"""What the flow simulator reads of a twin: volumes of ends on any grid, and branches by name."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from liver_trees import phantom_trees, tree_of
from surgitwin.core.errors import Ambiguous, BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.scene.nodes import CaseNode
from surgitwin.simulators.vessel_flow.conditions import Clamp, Stent
from surgitwin.simulators.vessel_flow.from_twin import (
    Organ,
    Twin,
    branch_named,
    branches_named,
    edits_of,
    volumes_of_ends,
)
from surgitwin.simulators.vessel_flow.params import VesselFlowParams
from surgitwin.simulators.vessel_flow.simulator import FlowInputs
from surgitwin.vessels.tree import VesselTree

SIZE, SPACING = (40, 30, 24), (0.9, 1.3, 1.7)


def oblique(flip: bool) -> Geometry:
    a = 0.4
    direction = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])
    if flip:
        direction[:, 2] *= -1
    return Geometry.from_parts(SIZE, SPACING, (-31.0, 12.0, 205.0), direction)


def forked(geometry: Geometry, split_i: float) -> VesselTree:
    """A trunk that divides into two lines along k, as far to either side of ``split_i``, and a third end far away."""

    def at(i: float, j: float, k: float) -> tuple[float, float, float]:
        x, y, z = geometry.to_lps(np.array([i, j, k]))
        return float(x), float(y), float(z)

    rows = [
        (0, -1, [at(split_i, -9, 0), at(split_i, -5, 0)], [3.0, 3.0]),
        (1, 0, [at(split_i - 6, 15, float(k)) for k in range(SIZE[2])], [2.0] * SIZE[2]),
        (2, 0, [at(split_i + 6, 15, float(k)) for k in range(SIZE[2])], [2.0] * SIZE[2]),
        (3, 0, [at(split_i, -90, 10), at(split_i, -140, 10)], [2.0, 2.0]),
    ]
    return tree_of(rows, {0: "Trunk", 1: "Right", 2: "Left", 3: "Splenic vein"})


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("split_i", [19.5, 11.5])
def test_each_end_gets_the_side_of_the_organ_that_is_nearest_to_it_and_a_tributary_none(
    flip: bool, split_i: float
) -> None:
    geometry = oblique(flip)
    labels = np.full(SIZE[::-1], 7, dtype=np.uint8)
    labels[0] = 0
    tree = forked(geometry, split_i)

    found = volumes_of_ends(tree, [1, 2, 3], Organ("Liver", labels, 7, geometry), Context())

    column = SIZE[1] * (SIZE[2] - 1) * np.prod(SPACING) / 1000
    assert found[1] == pytest.approx((split_i + 0.5) * column)
    assert found[2] == pytest.approx((SIZE[0] - split_i - 0.5) * column)
    assert found[3] == 0.0


def test_an_organ_without_a_voxel_or_far_from_every_end_is_refused() -> None:
    geometry = oblique(False)
    tree = forked(geometry, 19.5)
    empty = Organ("Liver", np.zeros(SIZE[::-1], dtype=np.uint8), 7, geometry)
    with pytest.raises(BadInput, match="“Liver” has no voxel"):
        volumes_of_ends(tree, [1, 2], empty, Context())
    whole = Organ("Spleen", np.ones(SIZE[::-1], dtype=np.uint8), 1, geometry)
    with pytest.raises(BadInput, match="No end of the vessel tree comes near “Spleen”"):
        volumes_of_ends(tree, [3], whole, Context())


def test_a_branch_is_named_by_its_number_or_by_the_name_that_begins_there() -> None:
    tree = phantom_trees()[0]
    left = next(branch.id for branch in tree.branches if branch.name == "Left portal vein")
    assert branches_named(tree, "left portal vein") == (left,)
    assert branches_named(tree, str(left)) == (left,)
    two = tree_of([(0, -1, [(0, 0, 0), (0, 0, 5)], [3, 3]), (1, 0, [(0, 5, 5)], [2]), (2, 0, [(5, 0, 5)], [2])], {})
    apart = VesselTree(
        two.points_mm,
        two.radii_mm,
        two.parent,
        two.branch,
        tuple(type(one)(one.id, "P8" if one.id else "Main") for one in two.branches),
    )
    assert branches_named(apart, "P8") == (1, 2)
    with pytest.raises(Ambiguous, match="2 branches called “P8” begin apart: 1, 2"):
        branch_named(apart, "P8")
    with pytest.raises(BadInput, match=r"no branch “P9”.*Main, P8"):
        branches_named(apart, "P9")


def test_edits_are_read_from_words_between_commas() -> None:
    tree = forked(oblique(False), 19.5)
    params = VesselFlowParams(clamp=" Right ,1", stent="left:4.5, Trunk")
    assert edits_of(tree, params) == (Clamp(1), Stent(2, 4.5), Stent(0, None))
    with pytest.raises(BadInput, match="“Left:x” has no radius in mm"):
        edits_of(tree, VesselFlowParams(stent="Left:x"))


def test_inputs_travel_to_another_process_without_the_nodes_that_they_were_read_from() -> None:
    twin = Twin(forked(oblique(False), 19.5), "Portal vein", "portal", None, ())
    inputs = FlowInputs({}, (CaseNode(name="Case", pseudonym="P"),), (), twin, (Clamp(1),))
    again = pickle.loads(pickle.dumps(inputs))
    assert again.nodes == () and len(inputs.nodes) == 1
    assert again.edits == (Clamp(1),) and np.array_equal(again.twin.tree.points_mm, twin.tree.points_mm)
