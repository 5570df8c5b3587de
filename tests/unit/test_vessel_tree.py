"""What a vessel tree says about itself."""

from __future__ import annotations

import numpy as np
import pytest

from surgitwin.vessels.tree import Branch, VesselTree

TREE = VesselTree(
    points_mm=np.array(
        [[0, 0, 0], [0, 0, 3], [0, 4, 3], [0, 4, 5], [2, 4, 5], [2, 4, 6], [0, 4, -1], [9, 9, 9], [9, 9, 11]],
        dtype=np.float64,
    ),
    radii_mm=np.array([4.0, 4.0, 3.0, 2.0, 1.5, 1.0, 2.5, 1.0, 2.0]),
    parent=np.array([-1, 0, 1, 2, 3, 4, 2, -1, 7], dtype=np.int32),
    branch=np.array([3, 3, 3, 7, 7, 7, 5, 4, 4], dtype=np.int32),
    branches=(Branch(3, "Trunk"), Branch(7), Branch(5, "Side"), Branch(4)),
)


def test_each_part_has_a_root_and_a_branch_begins_at_the_fork_that_it_leaves() -> None:
    assert TREE.roots.tolist() == [0, 7]
    assert TREE.points_of(3).tolist() == [0, 1, 2]
    assert TREE.points_of(7).tolist() == [2, 3, 4, 5]
    assert TREE.points_of(5).tolist() == [2, 6]
    assert TREE.points_of(4).tolist() == [7, 8]


def test_branches_know_what_they_leave_from_and_what_leaves_them() -> None:
    assert TREE.parents == {3: -1, 7: 3, 5: 3, 4: -1}
    assert TREE.children == {3: (7, 5), 7: (), 5: (), 4: ()}
    assert set(TREE.subtree(3)) == {3, 7, 5} and TREE.subtree(4) == (4,)
    assert [TREE.generation(branch) for branch in (3, 7, 5, 4)] == [0, 1, 1, 0]
    assert TREE.row_of == {3: 0, 7: 1, 5: 2, 4: 3}


def test_lengths_count_the_way_from_the_fork_and_radii_leave_it_out() -> None:
    assert TREE.length_mm(3) == pytest.approx(7.0)
    assert TREE.length_mm(7) == pytest.approx(5.0)
    assert TREE.length_mm(5) == pytest.approx(4.0)
    assert TREE.mean_radius_mm(7) == pytest.approx(1.5) and TREE.mean_radius_mm(5) == pytest.approx(2.5)


def test_a_branch_without_a_name_is_called_as_the_nearest_named_one_towards_the_root() -> None:
    assert [TREE.name_of(branch) for branch in (3, 7, 5, 4)] == ["Trunk", "Trunk", "Side", ""]
