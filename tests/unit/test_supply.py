"""What a cut does to an organ's vessels, against answers worked out by hand and by walking to the root."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_resection_kinds import GRIDS, ball, centres

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.resection import LiveCut, Plane, PlaneCut, Structure, prepare
from surgitwin.vessels.supply import attach, crossings, feeding_points, lost_points, way_from_root
from surgitwin.vessels.tree import Branch, VesselTree


def fork(turn: NDArray[np.float64] | None = None) -> VesselTree:
    """A trunk that comes from below and forks at the origin into a right (-x) and a left (+x) branch."""
    trunk = [[0.0, 0.0, z] for z in np.arange(-30.0, 0.5, 1.0)]
    right = [[-x, 0.0, 0.0] for x in np.arange(1.0, 18.0)]
    left = [[x, 0.0, 0.0] for x in np.arange(1.0, 18.0)]
    points = np.array([*trunk, *right, *left])
    n, m = len(trunk), len(right)
    parent = [-1, *range(n - 1), n - 1, *range(n, n + m - 1), n - 1, *range(n + m, n + 2 * m - 1)]
    branch = [0] * n + [1] * m + [2] * m
    names = (Branch(0, "Portal vein"), Branch(1, "Right portal vein"), Branch(2, "Left portal vein"))
    radii = np.array([4.0] * n + [3.0] * m + [2.5] * m)
    turned = points if turn is None else points @ turn.T
    return VesselTree(turned, radii, np.array(parent, np.int32), np.array(branch, np.int32), names)


def cut_at(grid: Geometry, plane: Plane, tree: VesselTree, lesion: bool = False):  # type: ignore[no-untyped-def]
    organ = ball(grid, (0.0, 0.0, 0.0), 20.0)
    lesions = [Structure("T", ball(grid, (12.0, 0.0, 6.0), 3.0))] if lesion else []
    prepared = prepare(
        Structure("Liver", organ), grid, Context(), lesions=lesions, trees=[("portal", tree)], is_liver=True
    )
    live = LiveCut(prepared)
    return organ, live, live.evaluate([PlaneCut.of(plane)])


@pytest.mark.parametrize("name", GRIDS)
def test_a_cut_through_one_branch_names_it_with_its_diameter_and_place(name: str) -> None:
    _, _, numbers = cut_at(GRIDS[name], Plane((8.3, 0, 0), (1.0, 0, 0)), fork())

    assert numbers.crossings is not None
    (crossing,) = numbers.crossings
    assert crossing.name == "Left portal vein" and crossing.branch == 2
    assert crossing.diameter_mm == pytest.approx(5.0)
    assert crossing.position_mm == pytest.approx((8.3, 0.0, 0.0), abs=max(GRIDS[name].spacing_mm))


@pytest.mark.parametrize("name", GRIDS)
def test_what_a_removed_stretch_fed_beyond_the_cut_is_lost(name: str) -> None:
    """A slab through the left branch is taken: what lies to the left of it stays, but nothing feeds it."""
    grid = GRIDS[name]
    organ = ball(grid, (0.0, 0.0, 0.0), 20.0)
    tree = fork()
    live = LiveCut(prepare(Structure("Liver", organ), grid, Context(), trees=[("portal", tree)]))
    slab = PlaneCut.of(Plane((5.0, 0, 0), (1.0, 0, 0)), Plane((10.0, 0, 0), (-1.0, 0, 0)))

    numbers = live.evaluate([slab])

    x = centres(grid)[..., 0]
    places = centres(grid)[organ]
    fed = np.argmin(np.linalg.norm(places[:, None] - tree.points_mm[None], axis=2), axis=1)
    removed = (x[organ] > 5.0) & (x[organ] < 10.0)
    lost = (tree.points_mm[:, 0] > 5.0)[fed] & ~removed
    slack = int(np.count_nonzero(np.abs(x[organ] - 5.5) < max(grid.spacing_mm)))
    assert numbers.lost_voxels["portal"] == pytest.approx(int(np.count_nonzero(lost)), abs=slack)
    assert numbers.lost_voxels["portal"] > 0.1 * organ.sum()
    mask = live.lost([slab])["portal"]
    assert np.count_nonzero(mask) == numbers.lost_voxels["portal"]
    where = centres(grid)[live.prepared.box.slices][mask]
    assert where[:, 0].min() > 5.0 - 3 * max(grid.spacing_mm)


def test_a_cut_that_takes_a_whole_side_leaves_only_a_rim_without_inflow() -> None:
    grid = GRIDS["odd spacing"]
    organ, _, numbers = cut_at(grid, Plane((0.6, 0, 0), (1.0, 0, 0)), fork())

    assert numbers.lost_voxels["portal"] < 0.02 * organ.sum()


def test_the_trunk_outside_the_organ_is_never_removed() -> None:
    """A plane below the organ would take the trunk; the cut ends with the organ."""
    _, _, numbers = cut_at(GRIDS["oblique"], Plane((0, 0, 12.0), (0, 0, 1.0)), fork())

    assert numbers.crossings == ()
    low = fork()
    above = VesselTree(low.points_mm * [1, 1, -1], low.radii_mm, low.parent, low.branch, low.branches)
    _, _, numbers = cut_at(GRIDS["oblique"], Plane((0, 0, 25.0), (0, 0, 1.0)), above)
    assert numbers.crossings == ()


def test_where_the_root_enters_removed_organ_all_is_lost() -> None:
    grid = GRIDS["odd spacing"]
    organ, _, numbers = cut_at(grid, Plane((0, 0, -6.0), (0, 0, -1.0)), fork())

    assert numbers.lost_voxels["portal"] == numbers.remnant_voxels
    assert organ.sum() == numbers.organ_voxels
    found = [(one.name, one.outwards) for one in numbers.crossings or ()]
    assert found == [("Portal vein", True), ("Portal vein", False)]  # where it enters, and its stump in the remnant
    assert numbers.perfused_voxels == 0


def test_without_a_tree_nothing_is_said_instead_of_nothing_being_lost() -> None:
    grid = GRIDS["odd spacing"]
    live = LiveCut(prepare(Structure("Liver", ball(grid, (0, 0, 0), 20.0)), grid, Context()))

    document = live.evaluate([PlaneCut.of(Plane((0, 0, 0), (1.0, 0, 0)))]).as_json()

    for key in ("crossed_vessels", "devascularised_ml", "congested_ml", "arterial_lost_ml", "remnant_perfused_ml"):
        assert document[key] is None
    assert not any(document["assessed"].values())


def test_perfused_remnant_leaves_out_lesions_and_what_has_lost_its_inflow() -> None:
    grid = GRIDS["odd spacing"]
    _, live, numbers = cut_at(grid, Plane((-9.0, 0, 0), (-1.0, 0, 0)), fork(), lesion=True)

    tumour = int(live.prepared.tumour.sum())
    assert tumour > 0 and numbers.perfused_voxels is not None
    lost = numbers.lost_voxels["portal"]
    assert numbers.perfused_voxels == numbers.remnant_voxels - tumour - lost  # none of the lesion has lost its inflow


def test_two_trees_of_one_system_share_the_organ_between_them() -> None:
    """Two hepatic veins: with one of them gone at its root, its half is congested, the other's is not."""
    grid = GRIDS["odd spacing"]
    organ = ball(grid, (0.0, 0.0, 0.0), 20.0)

    def vein(x: float, name: str) -> VesselTree:
        points = np.array([[x, 0.0, z] for z in np.arange(25.0, -18.0, -1.0)])
        n = len(points)
        return VesselTree(
            points, np.full(n, 2.0), np.arange(-1, n - 1, dtype=np.int32), np.zeros(n, np.int32), (Branch(0, name),)
        )

    trees = [("hepatic", vein(-8.0, "Right hepatic vein")), ("hepatic", vein(8.0, "Left hepatic vein"))]
    live = LiveCut(prepare(Structure("Liver", organ), grid, Context(), trees=trees))  # type: ignore[arg-type]
    corner = PlaneCut.of(Plane((0.0, 0, 0), (1.0, 0, 0)), Plane((0, 0, 10.0), (0, 0, 1.0)))

    numbers = live.evaluate([corner])

    x, z = centres(grid)[organ][:, 0], centres(grid)[organ][:, 2]
    assert numbers.lost_voxels["hepatic"] == pytest.approx(np.count_nonzero((x > 0) & (z < 10.0)), rel=0.02)
    # Its root itself is gone: what is left of the vein begins at the cut.
    (stump,) = numbers.crossings or ()
    assert (stump.name, stump.outwards, stump.generation) == ("Left hepatic vein", False, 0)
    assert stump.position_mm == pytest.approx((8.0, 0.0, 10.0), abs=max(grid.spacing_mm))


def random_tree(seed: int, count: int) -> VesselTree:
    rng = np.random.default_rng(seed)
    parent = np.array(
        [-1, *(int(rng.integers(-1, n)) if rng.random() < 0.9 else -1 for n in range(1, count))], np.int32
    )
    points = rng.normal(0, 10, (count, 3))
    branches = tuple(Branch(n) for n in range(count))
    return VesselTree(points, np.full(count, 1.0), parent, np.arange(count, dtype=np.int32), branches)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000), st.integers(1, 60))
def test_a_point_is_lost_exactly_if_a_removed_one_is_on_its_way_to_the_root(seed: int, count: int) -> None:
    tree = random_tree(seed, count)
    removed = np.random.default_rng(seed + 1).random(count) < 0.2

    lost = lost_points(tree, removed)

    for point in range(count):
        way, here = [], point
        while here >= 0:
            way.append(here)
            here = int(tree.parent[here])
        assert lost[point] == any(removed[one] for one in way)


def test_a_branch_that_is_grazed_is_crossed_once() -> None:
    points = np.array([[x, 0.0, 0.0] for x in np.arange(0.0, 12.0)])
    tree = VesselTree(
        points, np.full(12, 2.0), np.arange(-1, 11, dtype=np.int32), np.zeros(12, np.int32), (Branch(0, "A"),)
    )
    grazed = np.array([0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0], dtype=bool)
    twice = np.array([0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1], dtype=bool)

    assert len(crossings(tree, grazed, "portal")) == 1
    assert [one.position_mm[0] for one in crossings(tree, twice, "portal")] == [1.5, 8.5]


def test_a_stretch_that_is_taken_out_of_a_branch_is_crossed_at_both_ends() -> None:
    tree = fork()
    x = tree.points_mm[:, 0]

    first, second = crossings(tree, (x > 4.5) & (x < 12.5), "portal")

    assert (first.position_mm, first.outwards) == ((4.5, 0.0, 0.0), True)
    assert (second.position_mm, second.outwards) == ((12.5, 0.0, 0.0), False)
    assert first.name == second.name == "Left portal vein"
    assert first.diameter_mm == second.diameter_mm == 5.0 and first.generation == second.generation == 1


def test_a_fork_that_is_taken_crosses_what_leads_to_it_and_both_that_leave_it() -> None:
    tree = fork()

    found = crossings(tree, np.linalg.norm(tree.points_mm, axis=1) < 5.5, "portal")

    assert [(one.branch, one.outwards) for one in found] == [(0, True), (1, False), (2, False)]
    assert [one.diameter_mm for one in found] == [8.0, 6.0, 5.0]
    assert [one.generation for one in found] == [0, 1, 1]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000), st.integers(1, 60))
def test_the_way_from_the_root_is_what_walking_to_the_root_passes(seed: int, count: int) -> None:
    tree = random_tree(seed, count)
    wanted = np.random.default_rng(seed + 1).random(count) < 0.2
    passed = np.zeros(count, dtype=bool)
    for point in np.flatnonzero(wanted).tolist():
        while point >= 0:
            passed[point] = True
            point = int(tree.parent[point])

    assert np.array_equal(way_from_root(tree, wanted), passed)


@pytest.mark.parametrize("name", GRIDS)
def test_a_vessel_that_is_to_stay_keeps_its_way_through_what_is_removed(name: str) -> None:
    """All but the left end is removed: the trunk and the left branch go with it, unless their lumen is kept."""
    grid = GRIDS[name]
    organ = ball(grid, (0.0, 0.0, 0.0), 20.0)
    box = Box.of_mask(organ)
    tree = fork()
    supply = attach(tree, "portal", organ[box.slices], box, grid)
    places = centres(grid)[organ]
    removed = places[:, 0] < 8.0
    assert supply.lost_voxels(removed).sum() == (~removed).sum()

    staying = way_from_root(tree, (tree.branch == 2) & (tree.points_mm[:, 0] > 8.0))
    lumen = supply.lumen(staying)
    kept = removed & ~lumen

    assert supply.lost_voxels(kept).sum() == 0
    assert {one.branch for one in supply.crossings(kept)} == {1}
    # What is kept of it is the vessel: capsules of radius 4 along the trunk and 2.5 along the left branch.
    trunk = np.hypot(places[:, 0], places[:, 1]) + 1e9 * (places[:, 2] > 4.0)
    left = np.hypot(places[:, 1], places[:, 2]) + 1e9 * ((places[:, 0] < 0.0) | (places[:, 0] > 19.5))
    slack = max(grid.spacing_mm)
    assert (np.minimum(trunk - 4.0, left - 2.5)[lumen] < slack).all()
    deep = (trunk < 3.4) & (places[:, 2] < -4.0) | (left < 1.9) & (places[:, 0] > 5.0) & (places[:, 0] < 17.0)
    assert lumen[deep].all() and deep.sum() > 100


@pytest.mark.parametrize("name", GRIDS)
def test_the_feeding_point_is_the_nearest_by_brute_force(name: str) -> None:
    grid = GRIDS[name]
    organ = ball(grid, (0.0, 0.0, 0.0), 12.0)
    box = Box.of_mask(organ)
    tree = random_tree(5, 40)

    feeding, away = feeding_points(tree, organ[box.slices], box, grid)

    distance = np.linalg.norm(centres(grid)[organ][:, None] - tree.points_mm[None], axis=2)
    assert np.allclose(away, distance.min(axis=1), atol=1e-4)
    assert np.allclose(distance[np.arange(len(feeding)), feeding], distance.min(axis=1))


def test_a_point_goes_with_the_organs_voxel_nearest_to_it_and_one_far_away_with_none() -> None:
    grid = GRIDS["oblique"]
    organ = ball(grid, (0.0, 0.0, 0.0), 12.0)
    box = Box.of_mask(organ)
    points = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 13.0], [0.0, 0.0, 30.0]])
    tree = VesselTree(
        points, np.array([1.0, 1.0, 1.0]), np.array([-1, 0, 1], np.int32), np.zeros(3, np.int32), (Branch(0),)
    )

    supply = attach(tree, "portal", organ[box.slices], box, grid)

    places = centres(grid)[organ]
    for point in (0, 1):
        truth = np.linalg.norm(places - points[point], axis=1)
        assert truth[supply.voxel[point]] == pytest.approx(truth.min())
    assert supply.voxel[2] == -1


def test_arrays_that_must_not_be_written_to_are_as_good_as_others() -> None:
    """What a case holds, or another process sent, is read-only."""
    import pickle

    grid = GRIDS["odd spacing"]
    _, live, numbers = cut_at(grid, Plane((8.3, 0, 0), (1.0, 0, 0)), fork(), lesion=True)
    sealed = pickle.loads(pickle.dumps(live.prepared))
    for one in (sealed.organ_runs, sealed.tumour_runs, *sealed.supplies, sealed.supplies[0].tree, sealed.organ):
        for value in vars(one).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    again = LiveCut(sealed).evaluate([PlaneCut.of(Plane((8.3, 0, 0), (1.0, 0, 0)))])

    assert again.lost_voxels == numbers.lost_voxels and again.crossings == numbers.crossings
