"""Changes to vessel trees by hand: what they do, and what no change may break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surgitwin.core.errors import BadInput
from surgitwin.vessels.edit import (
    confirm,
    cut_at,
    delete_beyond,
    delete_branch,
    join,
    look_of,
    nearest_point,
    part_of,
    recolor,
    rename,
    reroot,
)
from surgitwin.vessels.tree import Branch, Break, VesselTree


def tree_of(rows: list[tuple[int, int, tuple[float, float, float], float]], **names: Branch) -> VesselTree:
    """A tree from (branch, parent point, place, radius) of each point."""
    ids = list(dict.fromkeys(row[0] for row in rows))
    return VesselTree(
        points_mm=np.array([row[2] for row in rows], dtype=np.float64),
        radii_mm=np.array([row[3] for row in rows], dtype=np.float64),
        parent=np.array([row[1] for row in rows], dtype=np.int32),
        branch=np.array([row[0] for row in rows], dtype=np.int32),
        branches=tuple(names.get(f"b{number}", Branch(number)) for number in ids),
    )


def example() -> VesselTree:
    """Trunk 0 divides into 1 and 2, and 1 into 5 and 7; branch 9 lies apart."""
    rows = [(0, n - 1, (0.0, 0.0, float(n)), 5.0) for n in range(5)]
    rows += [(1, 4, (1.0, 0.0, 5.0), 4.0), (1, 5, (2.0, 0.0, 6.0), 4.0), (1, 6, (3.0, 0.0, 7.0), 4.0)]
    rows += [(5, 7, (4.0, 0.0, 8.0), 2.0), (5, 8, (5.0, 0.0, 9.0), 2.0)]
    rows += [(7, 7, (4.0, 1.0, 7.0), 3.0), (7, 10, (5.0, 2.0, 7.0), 3.0)]
    rows += [(2, 4, (-1.0, 0.0, 5.0), 4.0), (2, 12, (-2.0, 0.0, 6.0), 4.0)]
    rows += [(9, -1, (-8.0, 0.0, 10.0), 2.0), (9, 14, (-7.0, 0.0, 10.0), 1.8), (9, 15, (-6.0, 0.0, 10.0), 1.6)]
    tree = tree_of(
        rows,
        b0=Branch(0, "Main", (1, 2, 3), True),
        b1=Branch(1, "Right", (4, 5, 6), True),
        b5=Branch(5, "P5", None, True),
    )
    return replace(tree, breaks=(Break(14, 13, 3.7),))


def checked(tree: VesselTree) -> VesselTree:
    """The tree, which must keep what `VesselTree` promises."""
    assert np.all(tree.parent < np.arange(len(tree.parent)))
    assert set(tree.row_of) == set(tree.branch.tolist()) and len(tree.row_of) == len(tree.branches)
    firsts = [int(np.flatnonzero(tree.branch == one.id)[0]) for one in tree.branches]
    assert firsts == sorted(firsts)
    for one in tree.branches:
        own = np.flatnonzero(tree.branch == one.id)
        assert np.array_equal(tree.parent[own[1:]], own[:-1])
        assert np.array_equal(np.flatnonzero(np.isin(tree.parent, own[:-1])), own[1:])
        assert len(tree.children[one.id]) != 1  # else it would go on as the same branch
    parts = part_of(tree)
    assert {one.root for one in tree.breaks} == set(tree.roots.tolist()[1:])
    assert all(parts[one.root] != parts[one.towards] and one.gap_mm >= 0 for one in tree.breaks)
    return tree


def links(tree: VesselTree) -> set[frozenset[tuple[float, ...]]]:
    """Which places hang together, whatever the directions."""
    places = [tuple(place) for place in tree.points_mm.tolist()]
    return {frozenset((places[n], places[before])) for n, before in enumerate(tree.parent.tolist()) if before >= 0}


def names(tree: VesselTree) -> dict[int, str]:
    return {one.id: tree.name_of(one.id) for one in tree.branches}


def test_deleting_a_branch_takes_all_beyond_it_and_makes_one_of_what_goes_on() -> None:
    tree = checked(delete_branch(example(), 1))
    assert [one.id for one in tree.branches] == [0, 9]
    assert tree.points_mm[:7].tolist() == [[0, 0, n] for n in range(5)] + [[-1, 0, 5], [-2, 0, 6]]
    assert names(tree) == {0: "Main", 9: ""}
    (gap,) = tree.breaks
    assert tree.points_mm[gap.towards].tolist() == [-2, 0, 6] and gap.gap_mm == 3.7


def test_a_branch_that_goes_on_keeps_its_name_where_the_longer_half_had_none() -> None:
    tree = checked(delete_branch(example(), 5))
    assert set(tree.row_of) == {0, 1, 2, 9}
    assert tree.name_of(1) == "Right" and len(np.flatnonzero(tree.branch == 1)) == 5


def test_of_two_branches_that_become_one_the_longer_gives_the_id_and_the_nearer_the_name() -> None:
    rows = [(0, n - 1, (0.0, 0.0, float(n)), 5.0) for n in range(3)]
    rows += [(1, 2, (1.0, 0.0, 3.0), 4.0), (2, 2, (-1.0, 0.0, 3.0), 4.0)]
    rows += [(3, 3, (2.0, 1.0, 4.0), 3.0), *((4, 3 if n == 0 else n + 5, (2.0 + n, 0.0, 4.0), 3.0) for n in range(4))]
    before = tree_of(rows, b0=Branch(0, "Main"), b1=Branch(1, "Right", (4, 5, 6), True))
    tree = checked(delete_branch(checked(before), 3))
    assert set(tree.row_of) == {0, 2, 4}
    assert look_of(tree, 4) == Branch(4, "Right", (4, 5, 6), True)


def test_deleting_beyond_a_point_shortens_its_branch() -> None:
    tree = checked(delete_beyond(example(), 6))
    assert set(tree.row_of) == {0, 1, 2, 9} and np.count_nonzero(tree.branch == 1) == 1
    assert links(tree) < links(example())


def test_a_cut_makes_what_lies_beyond_a_part_that_keeps_its_names() -> None:
    before = example()
    tree = checked(cut_at(before, 6))
    assert len(tree.roots) == 3 and len(tree.points_mm) == len(before.points_mm)
    assert links(before) - links(tree) == {frozenset(((1.0, 0.0, 5.0), (2.0, 0.0, 6.0)))}
    root = int(tree.roots[2])
    assert tree.points_mm[root].tolist() == [2.0, 0.0, 6.0]
    assert tree.branch[root] == 1 and names(tree)[7] == "Right" and names(tree)[5] == "P5"
    (new,) = set(tree.row_of) - set(before.row_of)
    assert tree.name_of(new) == "Right" and tree.parents[new] == 0
    assert np.all(tree.points_mm[tree.branch == new] == (1.0, 0.0, 5.0))


def test_a_part_is_joined_by_a_straight_stretch_and_turned_round_where_it_must_be() -> None:
    before = example()
    tree = checked(join(before, 16, 13))
    assert len(tree.roots) == 1 and not tree.breaks
    assert set(tree.row_of) <= set(before.row_of) | {10}
    joined = tree.points_mm[tree.branch == 9]
    assert joined[-3:].tolist() == [[-6, 0, 10], [-7, 0, 10], [-8, 0, 10]]
    # Branch 2 goes on as branch 9: what is drawn anew lies on the line between the two points.
    new = [tuple(p) for p in tree.points_mm.tolist() if tuple(p) not in {tuple(q) for q in before.points_mm.tolist()}]
    a, b = np.array((-2.0, 0.0, 6.0)), np.array((-6.0, 0.0, 10.0))
    assert len(new) == 3
    for n, place in enumerate(new, 1):
        assert np.allclose(place, a + n / 4 * (b - a))
        radius = tree.radii_mm[np.flatnonzero((tree.points_mm == place).all(axis=1))[0]]
        assert radius == pytest.approx(4.0 + n / 4 * (1.6 - 4.0))


def test_joining_to_the_middle_of_a_branch_divides_it() -> None:
    before = example()
    tree = checked(join(before, 14, 2))
    assert len(tree.roots) == 1
    assert np.count_nonzero(tree.branch == 0) == 3
    (new,) = set(tree.row_of) - set(before.row_of)
    assert tree.parents[new] == 0 and tree.parents[9] == 0 and tree.parents[1] == new
    assert names(tree) == {0: "Main", new: "Main", 1: "Right", 5: "P5", 7: "Right", 2: "Main", 9: "Main"}
    assert tree.branches[tree.row_of[new]].name == ""  # it takes it over


def test_joining_within_a_part_would_close_a_loop() -> None:
    with pytest.raises(BadInput, match="close a loop"):
        join(example(), 9, 13)


@pytest.mark.parametrize("point", [9, 13, 16])
def test_a_new_root_turns_its_part_round_and_leaves_the_others(point: int) -> None:
    before = example()
    place = before.points_mm[point].tolist()
    tree = checked(reroot(before, point))
    assert links(tree) == links(before) and len(tree.roots) == 2
    assert place in tree.points_mm[tree.roots].tolist()
    assert names(tree) == {**names(before)} and set(tree.row_of) == set(before.row_of)
    again = checked(reroot(tree, nearest_point(tree, before.points_mm[part_of(before)[point]])))
    assert links(again) == links(before) and names(again) == names(before)


def test_a_root_where_branches_meet_is_a_branch_of_one_point() -> None:
    tree = checked(reroot(example(), 7))
    assert np.count_nonzero(tree.branch == tree.branch[0]) == 1
    assert sorted(tree.children[int(tree.branch[0])]) == [1, 5, 7]


def test_a_name_holds_for_all_beyond_and_clears_theirs() -> None:
    tree = rename(example(), 1, "Right anterior", (9, 9, 9))
    assert names(tree) == {0: "Main", 1: "Right anterior", 5: "Right anterior", 7: "Right anterior", 2: "Main", 9: ""}
    assert not tree.branches[tree.row_of[1]].suggested and tree.branches[tree.row_of[0]].suggested
    assert look_of(tree, 5).color == (9, 9, 9) and look_of(tree, 2).color == (1, 2, 3)
    assert names(rename(tree, 1, " "))[5] == "Main"


def test_a_colour_holds_for_all_beyond_and_leaves_names() -> None:
    tree = recolor(example(), 0, (7, 7, 7))
    assert names(tree) == names(example())
    assert {look_of(tree, one).color for one in (0, 1, 2, 5, 7)} == {(7, 7, 7)} and look_of(tree, 9).color is None


def test_suggested_names_are_confirmed_one_by_one_or_all() -> None:
    one = confirm(example(), [1])
    assert [branch.id for branch in one.branches if branch.suggested] == [0, 5]
    assert not any(branch.suggested for branch in confirm(example()).branches)
    assert names(one) == names(example())


def test_what_cannot_be_done_is_refused_in_words() -> None:
    tree = example()
    refused: list[tuple[Callable[[], VesselTree], str]] = [
        (lambda: cut_at(tree, 0), "is a root"),
        (lambda: cut_at(tree, 99), "no point 99"),
        (lambda: delete_branch(tree, 3), "no branch 3"),
        (lambda: reroot(tree, -1), "no point -1"),
        (lambda: join(tree, 17, 0), "no point 17"),
        (lambda: rename(tree, 4, "x"), "no branch 4"),
        (lambda: confirm(tree, [0, 44]), "no branch 44"),
        (lambda: delete_branch(delete_branch(tree, 0), 9), "last branch"),
        (lambda: delete_beyond(delete_branch(tree, 9), 0), "whole tree"),
    ]
    for action, sentence in refused:
        with pytest.raises(BadInput, match=sentence):
            action()


def test_the_nearest_point_is_that_of_the_nearest_wall() -> None:
    assert nearest_point(example(), (2.4, 0.0, 4.6)) in (3, 4, 5)
    assert nearest_point(example(), (-7.4, 0.0, 10.2)) in (14, 15)


# ---- whatever is done -------------------------------------------------------------------------------------------


def grown(seed: int, parts: int) -> VesselTree:
    """A random forest with random names."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[int, int, tuple[float, float, float], float]] = []
    labels: dict[str, Branch] = {}
    number = 0

    def grow(before: int, place: np.ndarray, radius: float, depth: int) -> None:
        nonlocal number
        own, number = number, number + int(rng.integers(1, 4))
        if rng.random() < 0.5:
            labels[f"b{own}"] = Branch(own, f"name {own}" if rng.random() < 0.8 else "", (own, 0, 0), True)
        for _ in range(int(rng.integers(1, 6)) + (before < 0)):
            place = place + rng.normal(size=3)
            x, y, z = (float(v) for v in place)
            rows.append((own, before, (x, y, z), radius))
            before = len(rows) - 1
        if depth:
            for _ in range(int(rng.choice([0, 2, 2, 3]))):
                grow(before, place, 0.8 * radius, depth - 1)

    for _ in range(parts):
        grow(-1, 20 * rng.normal(size=3), 4.0, 3)
    tree = tree_of(rows, **labels)
    return reroot(tree, 0)  # lists the parts' gaps


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), steps=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 999)), max_size=6))
def test_no_change_breaks_a_tree_or_touches_what_it_does_not_concern(seed: int, steps: list[tuple[int, int]]) -> None:
    tree = checked(grown(seed, 3))
    for kind, draw in steps:
        before, point = tree, draw % len(tree.parent)
        parts = part_of(before)
        concerned = set(before.branch[parts == parts[point]].tolist())
        try:
            if kind == 0:
                tree = cut_at(before, point)
            elif kind == 1:
                tree = delete_branch(before, int(before.branch[point]))
            elif kind == 2:
                tree = reroot(before, point)
            elif kind == 3:
                to = (draw * 7) % len(before.parent)
                concerned |= set(before.branch[parts == parts[to]].tolist())
                tree = join(before, point, to)
            else:
                tree = delete_beyond(before, point)
        except BadInput:
            continue
        checked(tree)
        if kind in (0, 2):
            assert sorted(map(tuple, tree.points_mm.tolist())) == sorted(map(tuple, before.points_mm.tolist()))
            assert len(links(before) ^ links(tree)) == (1 if kind == 0 else 0)
        if kind in (1, 4):
            assert links(tree) < links(before) or len(tree.points_mm) == len(before.points_mm) - 1
        if kind == 3:
            assert links(before) < links(tree) and len(tree.roots) == len(before.roots) - 1
        for one in set(before.row_of) - concerned:
            same = np.array_equal(tree.points_mm[tree.branch == one], before.points_mm[before.branch == one])
            assert same and tree.name_of(one) == before.name_of(one) and look_of(tree, one) == look_of(before, one)
        for one in set(before.row_of) & set(tree.row_of):
            kept = {tuple(p) for p in tree.points_mm[tree.branch == one].tolist()}
            if kept == {tuple(p) for p in before.points_mm[before.branch == one].tolist()} and before.name_of(one):
                assert tree.name_of(one) == before.name_of(one)
