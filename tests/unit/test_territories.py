"""An organ divided by vessel branches: every voxel in one part, borders where the formulas put them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.vessels.supply import attach
from surgitwin.vessels.territories import METHODS, divide, groups_below, groups_by_branch, groups_by_name, taken
from surgitwin.vessels.tree import Branch, VesselTree

TURN = np.linalg.qr(np.array([[0.8, -0.5, 0.2], [0.5, 0.7, -0.1], [-0.1, 0.3, -0.9]]))[0]
GRIDS = {
    "odd spacing": Geometry.from_parts((60, 50, 30), (0.9, 1.1, 2.3), (-27.0, -27.0, -34.0), np.eye(3)),
    "flipped": Geometry.from_parts((60, 50, 30), (0.9, 1.1, 2.3), (27.0, 27.0, -34.0), np.diag([-1.0, -1.0, 1.0])),
    "oblique": Geometry.from_parts((60, 50, 40), (1.0, 1.2, 1.7), tuple(-TURN @ [30.0, 30.0, 34.0]), TURN),
}


def centres(grid: Geometry) -> NDArray[np.float64]:
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape_kji), indexing="ij")
    return grid.to_lps(np.stack([i, j, k], axis=-1))


def pair(apart: float, radii: tuple[float, float], half: float = 40.0) -> VesselTree:
    """Two straight vessels along z, at x = -apart/2 and x = +apart/2, of one trunk far below."""
    z = np.arange(-half, half + 0.1, 0.5)
    one, other = (np.column_stack([np.full_like(z, x), np.zeros_like(z), z]) for x in (-apart / 2, apart / 2))
    points = np.concatenate([[[0.0, 0.0, -half - 20.0]], one, other])
    n = len(z)
    parent = np.array([-1, 0, *range(1, n), 0, *range(n + 1, 2 * n)], dtype=np.int32)
    branch = np.array([0] + [1] * n + [2] * n, dtype=np.int32)
    widths = np.array([5.0] + [radii[0]] * n + [radii[1]] * n)
    branches = (Branch(0, "Trunk"), Branch(1, "Right"), Branch(2, "Left"))
    return VesselTree(points, widths, parent, branch, branches)


@pytest.mark.parametrize("name", GRIDS)
def test_two_equal_parallel_vessels_halve_an_organ_by_every_method(name: str) -> None:
    grid = GRIDS[name]
    organ = np.linalg.norm(centres(grid), axis=-1) <= 20.0
    tree = pair(16.0, (2.0, 2.0))

    found = divide(organ, grid.full_box, grid, tree, {"Right": [1], "Left": [2]})

    x = centres(grid)[organ][:, 0]
    for method in METHODS:
        # Of the voxels whose straight way leaves the organ's stair-cased surface, those on the border may change side.
        slack = 0.05 if method == "geodesic" else 1e-6
        assert ((found.labels[method] == 2) == (x > 0))[np.abs(x) > slack].all()
    assert found.disagreement_percent < 0.5


@pytest.mark.parametrize("name", GRIDS)
def test_by_radius_the_border_moves_away_from_the_thicker_vessel_as_far_as_the_formula_says(name: str) -> None:
    grid = GRIDS[name]
    organ = np.linalg.norm(centres(grid), axis=-1) <= 20.0
    tree = pair(14.0, (6.0, 1.0))

    found = divide(organ, grid.full_box, grid, tree, {"Right": [1], "Left": [2]})

    border = (6.0**2 - 1.0**2) / (2 * 14.0)
    x = centres(grid)[organ][:, 0]
    clear = np.abs(x - border) > 0.02
    assert ((found.labels["weighted"] == 2) == (x > border))[clear].all()
    between = (x > 0.1) & (x < border - 0.1)
    assert found.unsure[between].all() and between.any()


@pytest.mark.parametrize("name", GRIDS)
def test_every_voxel_of_the_organ_is_in_exactly_one_territory_by_every_method(name: str) -> None:
    grid = GRIDS[name]
    places = centres(grid)
    organ = (np.linalg.norm(places, axis=-1) <= 19.0) | (np.linalg.norm(places - [0, 22.0, 0], axis=-1) <= 2.0)
    box = Box.of_mask(organ)
    tree = pair(16.0, (2.0, 3.0))

    found = divide(organ[box.slices], box, grid, tree, {"Right": [1], "Left": [2]})

    for method in METHODS:
        assert len(found.labels[method]) == organ.sum()
        assert set(np.unique(found.labels[method])) == {1, 2}
        assert sum(found.voxels(method)) == organ.sum()


def test_an_island_that_no_way_leads_to_goes_to_the_nearest_branch_and_is_said() -> None:
    grid = GRIDS["odd spacing"]
    places = centres(grid)
    island = np.linalg.norm(places - np.array([8.0, 22.0, 0]), axis=-1) <= 2.5
    organ = (np.linalg.norm(places, axis=-1) <= 14.0) | island

    found = divide(organ, grid.full_box, grid, pair(16.0, (2.0, 2.0)), {"Right": [1], "Left": [2]})

    assert (found.labels["geodesic"][island[organ]] == 2).all()
    (notice,) = found.notices
    assert notice.code == "territory-unreached"
    assert notice.details["unreached_ml"] == pytest.approx(island.sum() * grid.voxel_volume_mm3 / 1000)


def test_where_the_organ_folds_the_shortest_way_inside_decides() -> None:
    """A horseshoe: the tip of its left arm is straight across from the right one, but far by the way round."""
    grid = Geometry.from_parts((80, 80, 8), (1.0, 1.0, 1.0), (-40.0, -40.0, -4.0), np.eye(3))
    places = centres(grid)
    x, y = places[..., 0], places[..., 1]
    organ = (np.abs(x) < 20) & (np.abs(x) > 4) & (y > -30) & (y < 30) | ((np.abs(x) < 20) & (y > 20) & (y < 30))
    right = np.array([[-8.0, v, 0.0] for v in np.arange(-28.0, 10.0)])
    left = np.array([[12.0, v, 0.0] for v in np.arange(10.0, 28.0)])
    points = np.concatenate([[[0.0, 25.0, 0.0]], right, left])
    parent = np.array([-1, *range(len(right)), 0, *range(len(right) + 1, len(right) + len(left))], dtype=np.int32)
    branch = np.array([0] + [1] * len(right) + [2] * len(left), dtype=np.int32)
    names = (Branch(0, "Trunk"), Branch(1, "Right"), Branch(2, "Left"))
    tree = VesselTree(points, np.full(len(points), 1.0), parent, branch, names)

    found = divide(organ, grid.full_box, grid, tree, {"Right": [1], "Left": [2]})

    tip = (x[organ] > 4) & (y[organ] < -25) & (x[organ] < 8)
    assert (found.labels["nearest"][tip] == 1).all()
    assert (found.labels["geodesic"][tip] == 2).all()
    assert found.unsure[tip].all()


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.8, 1.5)])
def test_a_narrow_fissure_parts_what_lies_on_its_sides(spacing: tuple[float, float, float]) -> None:
    """Two slabs 2 mm apart, joined at one end; one vessel runs 1 mm from the fissure, the other far from it.

    An island beyond the fissure, too, hangs together with no branch, however near one is.
    """
    size = tuple(int(80 / step) for step in spacing[:2])
    grid = Geometry.from_parts((*size, 8), spacing, (-40.0, -40.0, -4 * spacing[2]), np.eye(3))
    x, y = centres(grid)[..., 0], centres(grid)[..., 1]
    organ = (np.abs(x) < 20) & (np.abs(y) < 30) & ((np.abs(x) > 1.0) | (y > 20))
    island = (np.abs(x + 21.8) < 0.9) & (np.abs(y) < 5)  # 0.9 mm left of the left slab
    lines = [[(-2.0, v, 0.0) for v in range(-28, 15)], [(14.0, v, 0.0) for v in range(10, 28)]]
    lines.append([(-18.0, v, 0.0) for v in range(-28, 15)])
    points = np.array([(0.0, 25.0, 0.0), *(point for line in lines for point in line)])
    parent, branch = [-1], [0]
    for number, line in enumerate(lines, start=1):
        parent += [0, *range(len(parent), len(parent) + len(line) - 1)]
        branch += [number] * len(line)
    names = tuple(Branch(n, name) for n, name in enumerate(("Trunk", "Fissure", "Right", "Edge")))
    tree = VesselTree(points, np.ones(len(points)), np.array(parent, np.int32), np.array(branch, np.int32), names)
    groups = {"Left": [1, 3], "Right": [2]}

    found = divide(organ | island, grid.full_box, grid, tree, groups)

    here = organ | island
    tip = ((x > 1) & (y < -10) & organ)[here]
    assert (found.labels["nearest"][tip & (x[here] < 6)] == 1).all()
    assert np.mean(found.labels["geodesic"][tip] == 2) > 0.99  # but for voxels that a step along the fissure reaches
    assert (found.labels["geodesic"][((x < -1) & organ)[here] & (y[here] < 5)] == 1).all()
    (notice,) = found.notices
    assert notice.details["unreached_ml"] == pytest.approx(island.sum() * grid.voxel_volume_mm3 / 1000)


@pytest.mark.parametrize("name", GRIDS)
def test_behind_a_wall_the_border_lies_where_the_way_round_its_edge_is_as_long_as_the_other(name: str) -> None:
    """Vessels along z on both sides of a wall |x| < 1.5, y < 0; the way round goes by its edges at (±1.5, 0)."""
    grid = GRIDS[name]
    places = centres(grid)
    x, y = places[..., 0], places[..., 1]
    organ = (np.hypot(x, y) < 22) & (np.abs(places[..., 2]) < 12) & ((np.abs(x) > 1.5) | (y > 0))
    tree = pair(2.0, (1.0, 1.0))
    line = tree.points_mm.copy()
    one, other = (-5.0, -3.0), (14.0, -16.0)
    line[tree.branch == 1, :2], line[tree.branch == 2, :2] = one, other
    tree = VesselTree(line, tree.radii_mm, tree.parent, tree.branch, tree.branches)

    found = divide(organ, grid.full_box, grid, tree, {"Right": [1], "Left": [2]})

    x, y = x[organ], y[organ]
    behind = (x > 1.5) & (y < 0)
    way_round = np.hypot(one[0] + 1.5, one[1]) + 3.0 + np.hypot(x - 1.5, y)
    straight = np.hypot(x - other[0], y - other[1])
    clear = behind & (np.abs(way_round - straight) > 3.0)  # sweeps and voxels: two voxels
    expected = np.where(way_round < straight, 1, 2)
    assert (found.labels["geodesic"][clear] == expected[clear]).all()
    # The wall matters: by straight distance much of it would be the other's, and both have a part.
    assert np.mean(found.labels["nearest"][clear] != expected[clear]) > 0.03
    assert set(np.unique(expected[clear])) == {1, 2}


def test_a_vessel_that_the_organs_label_leaves_out_still_feeds_what_is_around_it() -> None:
    """Parenchyma without the vessels in it, by every method and without a notice."""
    grid = GRIDS["odd spacing"]
    places = centres(grid)
    holes = np.hypot(np.abs(places[..., 0]) - 8.0, places[..., 1]) < 3.0
    organ = (np.linalg.norm(places, axis=-1) <= 20.0) & ~holes

    found = divide(organ, grid.full_box, grid, pair(16.0, (3.0, 3.0)), {"Right": [1], "Left": [2]})

    x = places[organ][:, 0]
    assert found.notices == ()
    for method in METHODS:
        assert ((found.labels[method] == 2) == (x > 0))[np.abs(x) > max(grid.spacing_mm)].all()


def test_geodesic_distances_are_straight_ones_in_a_convex_organ() -> None:
    """A single source in a ball: the sweeps give its distance to within the scheme's first-order error."""
    from surgitwin.vessels.territory_kernels import sweep

    grid = GRIDS["odd spacing"]
    away = np.linalg.norm(centres(grid) - grid.to_lps(np.array([30.0, 25.0, 15.0])), axis=-1)
    inside = np.ascontiguousarray(away < 24.0, dtype=np.uint8)
    time, label = np.full(inside.shape, 1e30, np.float32), np.zeros(inside.shape, np.uint8)
    time[away < 4.0], label[away < 4.0] = away[away < 4.0], 1
    hi, hj, hk = grid.spacing_mm

    for _ in range(3):
        changed = sum(sweep(time, label, inside, hk, hj, hi, way) for way in range(8))

    assert changed == 0
    error = time[inside == 1] - away[inside == 1]
    assert np.abs(error).max() < 0.09 * 24.0 and np.abs(error).mean() < 1.0
    assert (label[inside == 1] == 1).all()


@pytest.mark.parametrize("name", GRIDS)
def test_the_nearest_branch_is_that_of_brute_force(name: str) -> None:
    grid = GRIDS[name]
    organ = np.linalg.norm(centres(grid), axis=-1) <= 12.0
    rng = np.random.default_rng(4)
    points = rng.normal(0, 9, (30, 3))
    branch = np.arange(30, dtype=np.int32)
    tree = VesselTree(
        points, np.full(30, 1.0), np.arange(-1, 29, dtype=np.int32), branch, tuple(Branch(n) for n in range(30))
    )
    groups = {f"T{n}": list(range(n, 30, 3)) for n in range(3)}

    found = divide(organ, grid.full_box, grid, tree, groups)

    nearest = np.linalg.norm(centres(grid)[organ][:, None] - points[None], axis=2).argmin(axis=1)
    assert np.array_equal(found.labels["nearest"], nearest % 3 + 1)


def named() -> VesselTree:
    """A trunk of two names with side branches, then three named territories; one of them with a named part."""
    parents = [-1, 0, 1, 1, 0, 4, 4, 2, 2, 3, 3, 5, 5, 6, 6, 4, 11, 11]
    names = {0: "Main", 1: "Right", 2: "5", 3: "8", 4: "Left", 5: "2", 6: "3", 11: "2 dorsal"}
    count = len(parents)
    points = np.arange(count * 3, dtype=np.float64).reshape(count, 3)
    branches = tuple(Branch(n, names.get(n, "")) for n in range(count))
    return VesselTree(points, np.ones(count), np.array(parents, np.int32), np.arange(count, dtype=np.int32), branches)


def test_names_with_end_branches_of_their_own_make_territories_and_trunks_make_none() -> None:
    groups = groups_by_name(named())

    assert set(groups) == {"5", "8", "2", "3", "2 dorsal"}
    assert groups["5"] == (2, 7, 8) and groups["2"] == (5, 12) and groups["2 dorsal"] == (11, 16, 17)


def test_a_tree_without_names_cannot_be_divided_by_name() -> None:
    with pytest.raises(BadInput, match="Name at least two branches"):
        groups_by_name(pair_without_names())


def pair_without_names() -> VesselTree:
    tree = pair(10.0, (1.0, 1.0))
    return VesselTree(tree.points_mm, tree.radii_mm, tree.parent, tree.branch, tuple(Branch(n) for n in range(3)))


def test_each_branch_of_the_first_generation_makes_a_territory() -> None:
    assert groups_by_branch(pair_without_names()) == {"Branch 1": (1,), "Branch 2": (2,)}
    assert groups_by_branch(pair(10.0, (1.0, 1.0))) == {"Right": (1,), "Left": (2,)}


def test_chosen_branches_make_territories_with_all_beyond_them_that_no_other_leads_to() -> None:
    groups = groups_below(named(), [4, 2, 5])

    assert {name: set(branches) for name, branches in groups.items()} == {
        "Left": {4, 6, 13, 14, 15},
        "5": {2, 7, 8},
        "2": {5, 11, 12, 16, 17},
    }
    with pytest.raises(BadInput, match="no branch 99"):
        groups_below(named(), [99])


def test_an_organ_without_voxels_and_a_group_without_branches_are_refused() -> None:
    grid = GRIDS["odd spacing"]
    tree = pair(10.0, (1.0, 1.0))

    with pytest.raises(BadInput, match="no voxel"):
        divide(np.zeros(grid.shape_kji, dtype=bool), grid.full_box, grid, tree, {"Right": [1], "Left": [2]})
    with pytest.raises(BadInput, match="no branch"):
        divide(np.ones(grid.shape_kji, dtype=bool), grid.full_box, grid, tree, {"Right": [1], "Other": [7]})
    with pytest.raises(BadInput, match="in two territories, “Right” and “Left”"):
        divide(np.ones(grid.shape_kji, dtype=bool), grid.full_box, grid, tree, {"Right": [1, 2], "Left": [2]})
    with pytest.raises(BadInput, match="2 to 250"):
        divide(np.ones(grid.shape_kji, dtype=bool), grid.full_box, grid, tree, {"Right": [1]})


def crossed_trunk() -> VesselTree:
    """A trunk along x whose first branch, Near, leaves at x = -6 for y < 0 and whose second, Far, ends it at x = 6."""
    trunk = np.array([[x, 0.0, 0.0] for x in np.arange(-30.0, 6.1, 1.0)])
    near = np.array([[-6.0, y, 0.0] for y in np.arange(-1.0, -14.0, -1.0)])
    far = np.array([[6.0, y, 0.0] for y in np.arange(1.0, 14.0, 1.0)])
    n, m = len(trunk), len(near)
    fork = int(np.flatnonzero(trunk[:, 0] == -6.0)[0])
    parent = [*range(-1, n - 1), fork, *range(n, n + m - 1), n - 1, *range(n + m, n + m + len(far) - 1)]
    # The trunk is one branch up to its fork and another beyond it.
    branch = [0] * (fork + 1) + [1] * (n - fork - 1) + [2] * m + [3] * len(far)
    radii = np.array([3.0] * n + [2.0] * (m + len(far)))
    names = tuple(Branch(b, name) for b, name in enumerate(("Main", "", "Near", "Far")))
    points = np.concatenate([trunk, near, far])
    return VesselTree(points, radii, np.array(parent, np.int32), np.array(branch, np.int32), names)


@pytest.mark.parametrize("name", GRIDS)
def test_a_territory_is_taken_without_the_trunk_that_leads_through_it_to_what_stays(name: str) -> None:
    grid = GRIDS[name]
    organ = np.linalg.norm(centres(grid), axis=-1) <= 18.0
    box = Box.of_mask(organ)
    tree = crossed_trunk()
    groups = {"Near": (2,), "Far": (3,)}
    found = divide(organ[box.slices], box, grid, tree, groups)
    supply = attach(tree, "portal", organ[box.slices], box, grid)
    whole = found.labels["nearest"] == 1
    assert supply.lost_voxels(whole).sum() == (~whole).sum()  # the trunk lies in it

    removed = taken(found, "nearest", ["Near"], supply)

    assert supply.lost_voxels(removed).sum() == 0
    assert [(one.name, one.outwards) for one in supply.crossings(removed)] == [("Near", True)]
    places = centres(grid)[organ]
    spared = places[whole & ~removed]
    assert len(spared) and np.hypot(spared[:, 1], spared[:, 2]).max() <= 3.0 + max(grid.spacing_mm)
    assert not (removed & ~whole).any()
    # The other way round: the trunk beyond the fork stays as far as it feeds more than next to nothing of Near.
    other = taken(found, "nearest", ["Far"], supply)
    assert supply.lost_voxels(other).sum() < 0.01 * (~other).sum()
    (crossing,) = supply.crossings(other)
    assert crossing.outwards and crossing.branch in (1, 3) and crossing.position_mm[0] > -1.0
    assert taken(found, "nearest", ["Near", "Far"], supply).all()


def test_a_speck_that_stays_at_a_branchs_end_does_not_keep_the_branch() -> None:
    """As with borders drawn by another method than the nearest branch, or by hand."""
    grid = GRIDS["odd spacing"]
    organ = np.linalg.norm(centres(grid), axis=-1) <= 18.0
    tree = crossed_trunk()
    supply = attach(tree, "portal", organ, grid.full_box, grid)
    near = np.isin(supply.feeding, np.flatnonzero(tree.branch == 2))
    end = np.flatnonzero(near & (centres(grid)[organ][:, 1] < -15.0))
    assert 0 < len(end[:20]) < 0.005 * organ.sum()
    removed = near.copy()
    removed[end[:20]] = False

    assert not (near & ~removed & ~supply.without_trunks(removed))[supply.lumen(tree.branch == 2)].any()
    assert {one.name for one in supply.crossings(supply.without_trunks(removed))} == {"Near"}
    assert not supply.needed(removed)[tree.branch == 2][1:].any()
    # A part of some size does keep it.
    removed[near & (centres(grid)[organ][:, 1] < -8.0)] = False
    assert supply.needed(removed)[(tree.branch == 2) & (tree.points_mm[:, 1] > -8.0)].all()
    assert supply.lost_voxels(supply.without_trunks(removed)).sum() == 0


def test_a_territory_that_there_is_not_is_not_taken() -> None:
    grid = GRIDS["odd spacing"]
    organ = np.linalg.norm(centres(grid), axis=-1) <= 8.0
    tree = crossed_trunk()
    groups = {"Near": (2,), "Far": (3,)}
    found = divide(organ, grid.full_box, grid, tree, groups)

    with pytest.raises(BadInput, match="no territory “5”"):
        taken(found, "nearest", ["5"], attach(tree, "portal", organ, grid.full_box, grid))
