"""From masks of tubes with known axes to trees: lines, radii, loops, spurs, gaps and roots."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.vessels.build import Built, TreeSettings, build_tree
from surgitwin.vessels.thinning import Padded, thinned
from surgitwin.vessels.tree import VesselTree

Point = tuple[float, float, float]
Tube = tuple[NDArray[np.float64], float]
Mask = NDArray[np.bool_]
TURN = np.linalg.qr(np.array([[0.8, -0.5, 0.2], [0.5, 0.7, -0.1], [-0.1, 0.3, -0.9]]))[0]


def centred(spacing: Sequence[float], direction: NDArray[np.float64], half_mm: float) -> Geometry:
    """A grid around the origin."""
    steps = np.asarray(spacing, dtype=np.float64)
    size = np.ceil(2 * half_mm / steps).astype(int)
    return Geometry.from_parts(size.tolist(), steps, -direction @ ((size - 1) / 2 * steps), direction)


GRIDS = {
    "even": ((1.0, 1.0, 1.0), np.eye(3)),
    "odd": ((0.7, 0.9, 1.6), np.eye(3)),
    "flipped": ((1.0, 0.9, 1.3), np.diag([-1.0, 1.0, -1.0])),
    "oblique": ((0.8, 0.8, 1.5), TURN),
}


def line(*points: Point, radius: float) -> Tube:
    ends = np.array(points, dtype=np.float64)
    pieces = [np.linspace(a, b, 200)[:-1] for a, b in pairwise(ends)]
    return np.concatenate([*pieces, ends[-1:]]), radius


def drawn(geometry: Geometry, *tubes: Tube) -> Mask:
    """The voxels whose centres lie within a tube's radius of its axis."""
    from scipy.spatial import cKDTree

    inside = np.zeros(geometry.shape_kji, dtype=np.bool_)
    for axis, radius in tubes:
        ends, reach = geometry.to_index(axis), radius / np.array(geometry.spacing_mm) + 1
        low = np.clip(np.floor(ends.min(axis=0) - reach), 0, geometry.size_ijk).astype(int)
        high = np.clip(np.ceil(ends.max(axis=0) + reach) + 1, 0, geometry.size_ijk).astype(int)
        part = tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1], strict=True))
        index = np.indices(tuple((high - low)[::-1])).reshape(3, -1).T[:, ::-1] + low
        away, _ = cKDTree(axis).query(geometry.to_lps(index), distance_upper_bound=radius)
        inside[part] |= (away <= radius).reshape(inside[part].shape)
    return inside


def built(geometry: Geometry, *tubes: Tube, **choices: object) -> Built:
    return build_tree(drawn(geometry, *tubes), geometry.full_box, geometry, **choices)  # type: ignore[arg-type]


def checked(tree: VesselTree) -> VesselTree:
    """The tree, which must keep what `VesselTree` promises."""
    assert np.all(tree.parent < np.arange(len(tree.parent)))
    assert sorted(tree.row_of) == sorted(set(tree.branch.tolist()))
    firsts = [int(np.flatnonzero(tree.branch == one.id)[0]) for one in tree.branches]
    assert firsts == sorted(firsts)
    for one in tree.branches:
        own = np.flatnonzero(tree.branch == one.id)
        assert np.array_equal(own, np.arange(own[0], own[-1] + 1)) and np.array_equal(tree.parent[own[1:]], own[:-1])
        inner = np.isin(tree.parent, own[:-1])
        assert np.array_equal(np.flatnonzero(inner), own[1:])  # nothing leaves it but at its end
    return tree


def total_mm(tree: VesselTree) -> float:
    return sum(tree.length_mm(one.id) for one in tree.branches)


def codes(result: Built) -> set[str]:
    return {notice.code for notice in result.notices}


# ---- thinning ---------------------------------------------------------------------------------------------------


def noise(seed: int, level: float = 0.0, smooth: float = 1.5) -> Mask:
    values = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(26, 31, 29)), smooth)
    return np.asarray(values > level * values.std())


@pytest.mark.parametrize("seed", range(4))
def test_without_its_own_order_thinning_gives_the_lines_of_another_program(seed: int) -> None:
    from skimage.morphology import skeletonize

    mask = noise(seed, 0.1 * seed)
    lines = np.zeros_like(mask)
    lines[tuple(thinned(Padded.of(mask), even=False).T)] = True
    assert np.array_equal(lines, np.asarray(skeletonize(mask, method="lee"), dtype=np.bool_))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("size", [(1, 2), (2, 2), (3, 4), (4, 4), (6, 6), (5, 8)])
def test_a_straight_vessel_of_any_width_keeps_its_length(axis: int, size: tuple[int, int]) -> None:
    shape = list(size)
    shape.insert(axis, 40)
    places = thinned(Padded.of(np.ones(shape, dtype=np.bool_)))
    along = np.sort(places[:, axis])
    assert along[0] <= max(size) // 2 and along[-1] >= 39 - max(size) // 2
    assert np.all(np.diff(along) <= 1) and len(places) <= along[-1] - along[0] + 3


@pytest.mark.parametrize("seed", range(4))
def test_lines_are_a_part_of_the_mask_with_a_piece_for_each_of_its_pieces(seed: int) -> None:
    mask = noise(seed, 0.8)
    lines = np.zeros_like(mask)
    lines[tuple(thinned(Padded.of(mask)).T)] = True
    corners = np.ones((3, 3, 3))
    labels, count = ndimage.label(mask, corners)
    assert not (lines & ~mask).any()
    assert ndimage.label(lines, corners)[1] == count > 3
    assert set(np.unique(labels[lines])) == set(range(1, count + 1))


@pytest.mark.parametrize("seed", range(4))
def test_cavities_are_filled_as_another_program_fills_them(seed: int) -> None:
    mask = noise(seed, -0.7, smooth=1.0)
    expected = ndimage.binary_fill_holes(mask)
    filled, count = Padded.of(mask).without_cavities()
    assert np.array_equal(filled.flat.reshape(filled.shape)[1:-1, 1:-1, 1:-1] != 0, expected)
    assert np.array_equal(filled.voxels, np.flatnonzero(filled.flat))
    assert count == np.count_nonzero(expected & ~mask) > 0


def test_a_bent_cavity_and_one_that_a_narrow_way_opens_are_told_apart() -> None:
    mask = np.ones((7, 9, 9), dtype=np.bool_)
    mask[2, 2, 2:6] = mask[2, 2:6, 5] = mask[2:5, 5, 5] = False
    assert Padded.of(mask).without_cavities()[1] == 9
    mask[4, 5, 5:] = False
    assert Padded.of(mask).without_cavities()[1] == 0


def test_the_background_voxel_nearest_to_any_point_of_a_mask_is_in_its_wall() -> None:
    from scipy.spatial import cKDTree

    steps = np.array([2.3, 0.7, 1.1])
    mask = noise(3, 0.3)
    exact = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=steps)[1:-1, 1:-1, 1:-1]
    away, _ = cKDTree(Padded.of(mask).wall() * steps).query(np.argwhere(mask) * steps)
    assert np.allclose(away, exact[mask])


# ---- lines and radii --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("radius", [1.7, 4.76])
def test_a_straight_tube_has_its_radius_and_its_length(name: str, radius: float) -> None:
    geometry = centred(*GRIDS[name], 30)
    a, b = (-21.0, -13.3, -11.9), (22.4, 12.1, 14.2)
    tree = checked(built(geometry, line(a, b, radius=radius)).tree)
    voxel = geometry.voxel_volume_mm3 ** (1 / 3)
    assert len(tree.branches) == 1 and not tree.breaks
    assert np.median(np.abs(tree.radii_mm - radius)) < 0.25 * voxel
    assert total_mm(tree) == pytest.approx(float(np.linalg.norm(np.subtract(b, a))), rel=0.02)
    way = np.subtract(b, a) / np.linalg.norm(np.subtract(b, a))
    off = (tree.points_mm - a) - ((tree.points_mm - a) @ way)[:, None] * way
    assert np.max(np.linalg.norm(off, axis=1)) < 0.6 * voxel


@pytest.mark.parametrize("name", GRIDS)
def test_a_tube_along_an_axis_or_a_diagonal_of_the_grid_is_no_staircase(name: str) -> None:
    geometry = centred(*GRIDS[name], 26)
    for way in ((1, 0, 0), (0, 0, 1), (1, 1, 1), (0, 5, 1)):
        unit = geometry.direction @ np.array(way, dtype=np.float64)
        half = 20 * unit / np.linalg.norm(unit)
        tree = built(geometry, line(tuple(0.3 - half), tuple(0.3 + half), radius=2.2)).tree
        assert len(tree.branches) == 1
        assert total_mm(tree) == pytest.approx(40.0, rel=0.02)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("radius", [1.6, 2.8])
def test_a_helix_has_its_length(name: str, radius: float) -> None:
    geometry = centred(*GRIDS[name], 26)
    turn = np.linspace(0, 3 * np.pi, 900)
    axis = np.stack([14 * np.cos(turn), 14 * np.sin(turn), 3.6 * turn - 17], axis=1)
    tree = built(geometry, (axis, radius)).tree
    assert len(tree.branches) == 1
    assert total_mm(tree) == pytest.approx(float(np.linalg.norm(np.diff(axis, axis=0), axis=1).sum()), rel=0.03)
    assert np.median(np.abs(tree.radii_mm - radius)) < 0.25 * geometry.voxel_volume_mm3 ** (1 / 3)


# ---- forks ------------------------------------------------------------------------------------------------------

FORK = (1.0, -2.0, 0.5)
TRUNK = line((3.0, -1.0, -30.0), FORK, radius=6.0)
LEFT, RIGHT = line(FORK, (24.0, -6.0, 22.0), radius=4.76), line(FORK, (-23.0, 4.0, 24.0), radius=4.76)


@pytest.mark.parametrize("name", GRIDS)
def test_a_y_has_three_branches_of_its_radii_with_the_root_at_the_thick_end(name: str) -> None:
    geometry = centred(*GRIDS[name], 38)
    tree = checked(built(geometry, TRUNK, LEFT, RIGHT).tree)
    voxel = geometry.voxel_volume_mm3 ** (1 / 3)
    assert len(tree.branches) == 3 and tree.parents == {0: -1, 1: 0, 2: 0}
    assert np.linalg.norm(tree.points_mm[0] - (3.0, -1.0, -30.0)) < 2.5
    fork = tree.points_mm[tree.points_of(1)[0]]
    assert np.linalg.norm(fork - FORK) < 6.0  # a fork lies somewhere in its sphere
    for branch, radius in zip(tree.branches, (6.0, 4.76, 4.76), strict=True):
        own = tree.radii_mm[tree.branch == branch.id]
        assert np.median(own) == pytest.approx(radius, abs=0.5 * voxel)
    for tube in (LEFT, RIGHT):
        assert min(np.linalg.norm(tree.points_mm - tube[0][-1], axis=1)) < 2.5


def test_a_short_wart_is_left_out_and_a_short_branch_stays() -> None:
    geometry = centred((0.9, 0.9, 0.9), np.eye(3), 26)
    trunk = line((-20.0, 0.0, 0.0), (20.0, 1.0, 2.0), radius=3.5)
    wart = line((0.0, 0.0, 1.0), (0.0, 4.0, 1.0), radius=1.2)
    one = built(geometry, trunk, wart)
    assert len(checked(one.tree).branches) == 1
    branch = line((0.0, 0.0, 1.0), (0.0, 9.0, 1.0), radius=1.2)
    other = built(geometry, trunk, branch)
    assert len(checked(other.tree).branches) == 3
    assert np.min(np.linalg.norm(other.tree.points_mm - (0.0, 9.0, 1.0), axis=1)) < 1.5


def test_a_rough_wall_makes_no_branches() -> None:
    geometry = centred((1.0, 1.0, 1.0), np.eye(3), 26)
    mask = drawn(geometry, line((-20.0, 1.0, 0.0), (20.0, -3.0, 4.0), radius=5.0))
    rim = ndimage.binary_dilation(mask) & ~mask
    rng = np.random.default_rng(4)
    mask |= rim & (rng.random(mask.shape) < 0.3)
    result = build_tree(mask, geometry.full_box, geometry)
    assert len(checked(result.tree).branches) == 1
    assert "vessel-spurs-pruned" in codes(result)


# ---- loops ------------------------------------------------------------------------------------------------------


def test_a_loop_is_opened_where_it_is_narrowest_and_said() -> None:
    geometry = centred((0.8, 0.8, 0.8), np.eye(3), 26)
    tubes = [
        line((-22.0, 0.0, 0.0), (-8.0, 0.0, 0.0), radius=3.0),
        line((-8.0, 0.0, 0.0), (0.0, 10.0, 0.0), (9.0, 0.0, 0.0), radius=2.4),
        line((-8.0, 0.0, 0.0), (-4.0, -6.0, 0.0), radius=2.4),
        line((-4.0, -6.0, 0.0), (4.0, -7.0, 0.0), radius=1.0),
        line((4.0, -7.0, 0.0), (9.0, 0.0, 0.0), radius=2.4),
        line((9.0, 0.0, 0.0), (22.0, 2.0, 0.0), radius=2.4),
    ]
    result = built(geometry, *tubes)
    tree = checked(result.tree)
    (notice,) = [one for one in result.notices if one.code == "vessel-loops-opened"]
    (place,) = notice.details["places"]
    x, y, z = place["point_mm"]
    assert -4.5 < x < 4.5 and -8.0 < y < -5.0 and abs(z) < 1.0
    assert place["radius_mm"] == pytest.approx(1.0, abs=0.4)
    assert len(tree.roots) == 1
    # From the root to the far end the way leads through the wide half.
    point, way = int(np.argmin(np.linalg.norm(tree.points_mm - (22.0, 2.0, 0.0), axis=1))), []
    while point >= 0:
        way.append(tree.points_mm[point])
        point = int(tree.parent[point])
    assert np.max(np.array(way)[:, 1]) > 7.0 and np.min(np.array(way)[:, 1]) > -2.0


def test_a_ring_with_no_branch_is_opened_where_it_is_narrowest() -> None:
    geometry = centred((0.8, 0.8, 0.8), np.eye(3), 22)
    turn = np.linspace(0.3, 2 * np.pi - 0.3, 500)
    ring = np.stack([14 * np.cos(turn), 14 * np.sin(turn), 0 * turn], axis=1)
    gap = np.linspace(-0.3, 0.3, 60)
    neck = np.stack([14 * np.cos(gap), 14 * np.sin(gap), 0 * gap], axis=1)
    result = built(geometry, (ring, 2.5), (neck, 1.1))
    (notice,) = [one for one in result.notices if one.code == "vessel-loops-opened"]
    (place,) = notice.details["places"]
    assert np.linalg.norm(np.subtract(place["point_mm"], (14.0, 0.0, 0.0))) < 4.0
    assert len(checked(result.tree).branches) == 1
    assert 70 < total_mm(result.tree) < 2 * np.pi * 14


# ---- parts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GRIDS)
def test_a_gap_is_listed_with_its_width_and_its_two_sides(name: str) -> None:
    geometry = centred(*GRIDS[name], 34)
    whole = line((-30.0, 0.0, 0.0), (-2.0, 1.0, 2.0), radius=3.0)
    part = line((11.0, 1.5, 3.0), (30.0, 2.0, 4.0), radius=2.8)
    result = built(geometry, whole, part)
    tree = checked(result.tree)
    (gap,) = tree.breaks
    assert len(tree.roots) == 2 and gap.root == tree.roots[1]
    true = float(np.linalg.norm(np.subtract((11.0, 1.5, 3.0), (-2.0, 1.0, 2.0)))) - 3.0 - 2.8
    assert gap.gap_mm == pytest.approx(true, abs=1.2)
    assert np.linalg.norm(tree.points_mm[gap.root] - (11.0, 1.5, 3.0)) < 2.0
    assert np.linalg.norm(tree.points_mm[gap.towards] - (-2.0, 1.0, 2.0)) < 2.0
    assert "vessel-parts" in codes(result)


def test_several_trunks_each_begin_at_their_thickest_end() -> None:
    geometry = centred((1.0, 1.0, 1.0), np.eye(3), 32)
    tubes = [
        line((-20.0, 0.0, 28.0), (-20.0, 0.0, 0.0), radius=4.5),
        line((-20.0, 0.0, 0.0), (-26.0, 0.0, -26.0), radius=2.5),
        line((-20.0, 0.0, 0.0), (-12.0, 0.0, -26.0), radius=2.5),
        line((12.0, 0.0, 28.0), (14.0, 0.0, 4.0), radius=3.8),
        line((14.0, 0.0, 4.0), (10.0, 0.0, -24.0), radius=2.0),
        line((14.0, 0.0, 4.0), (24.0, 0.0, -24.0), radius=2.0),
    ]
    tree = checked(built(geometry, *tubes).tree)
    assert len(tree.roots) == 2
    for root, place in zip(tree.roots, ((-20.0, 0.0, 28.0), (12.0, 0.0, 28.0)), strict=True):
        assert np.linalg.norm(tree.points_mm[root] - place) < 2.0


def test_trunks_that_run_into_one_another_begin_where_they_meet() -> None:
    geometry = centred((1.0, 1.0, 1.0), np.eye(3), 34)
    turn = np.linspace(0, np.pi, 300)
    arch = np.stack([16 * np.cos(turn), 0 * turn, 16 * np.sin(turn)], axis=1)
    tubes = [
        (arch, 4.5),
        (arch[130:170], 5.5),
        line((16.0, 0.0, 0.0), (22.0, 0.0, -14.0), radius=3.0),
        line((22.0, 0.0, -14.0), (27.0, 0.0, -30.0), radius=2.0),
        line((22.0, 0.0, -14.0), (14.0, 0.0, -30.0), radius=2.0),
        line((-16.0, 0.0, 0.0), (-18.0, 0.0, -14.0), radius=3.0),
        line((-18.0, 0.0, -14.0), (-27.0, 0.0, -30.0), radius=2.0),
        line((-18.0, 0.0, -14.0), (-12.0, 0.0, -30.0), radius=2.0),
    ]
    tree = checked(built(geometry, *tubes).tree)
    assert len(tree.roots) == 1 and len(tree.branches) == 7
    assert np.linalg.norm(tree.points_mm[0] - (0.0, 0.0, 16.0)) < 4.0
    assert np.count_nonzero(tree.branch == 0) == 1 and len(tree.children[0]) == 2
    picked = checked(built(geometry, *tubes, root_mm=(3.0, 1.0, 17.0)).tree)
    assert np.array_equal(picked.points_mm, tree.points_mm)


def test_crumbs_are_left_out_and_counted() -> None:
    geometry = centred((1.0, 1.0, 1.0), np.eye(3), 26)
    mask = drawn(geometry, line((-20.0, 0.0, 0.0), (20.0, 0.0, 3.0), radius=2.5))
    mask[4, 4, 4:7] = mask[40, 40, 40:44] = True
    mask[44, 4, 4:20] = True
    result = build_tree(mask, geometry.full_box, geometry)
    (notice,) = [one for one in result.notices if one.code == "vessel-fragments-dropped"]
    assert notice.details["count"] == 2
    assert len(result.tree.roots) == 2
    every = build_tree(mask, geometry.full_box, geometry, settings=TreeSettings(least_part_mm=0.0))
    assert len(every.tree.roots) > 2


def test_a_picked_point_chooses_the_part_and_the_end_that_it_is_nearest_to() -> None:
    geometry = centred((1.0, 1.0, 1.0), np.eye(3), 38)
    for place in ((24.0, -6.0, 22.0), (-23.0, 4.0, 24.0), (3.0, -1.0, -30.0)):
        tree = checked(built(geometry, TRUNK, LEFT, RIGHT, root_mm=place).tree)
        assert np.linalg.norm(tree.points_mm[0] - place) < 2.5 and len(tree.roots) == 1
    aside = line((30.0, 28.0, -20.0), (30.0, 28.0, 4.0), radius=1.5)
    tree = checked(built(geometry, TRUNK, LEFT, RIGHT, aside, root_mm=(30.0, 27.0, 6.0)).tree)
    assert np.linalg.norm(tree.points_mm[0] - (30.0, 28.0, 4.0)) < 2.0
    with pytest.raises(BadInput, match=r"root lies (9|10|11|12)\.\d mm outside"):
        built(geometry, aside, root_mm=(30.0, 14.5, 0.0))
    with pytest.raises(BadInput, match="three numbers"):
        built(geometry, aside, root_mm=(float("nan"), 0.0, 0.0))


# ---- grids ------------------------------------------------------------------------------------------------------


def test_the_tree_does_not_depend_on_the_box_that_the_mask_came_in() -> None:
    geometry = centred((1.0, 0.9, 1.3), TURN, 34)
    mask = drawn(geometry, TRUNK, LEFT, RIGHT)
    box = Box.of_mask(mask).grown(3, geometry.size_ijk)
    whole = build_tree(mask, geometry.full_box, geometry).tree
    part = build_tree(mask[box.slices], box, geometry).tree
    assert np.array_equal(whole.points_mm, part.points_mm) and np.array_equal(whole.parent, part.parent)
    with pytest.raises(ValueError, match="cover"):
        build_tree(mask, box, geometry)


def test_a_vessel_that_the_images_border_cuts_keeps_its_radius_up_to_there() -> None:
    geometry = Geometry.from_parts((30, 30, 40), (1.0, 1.0, 1.0))
    tree = built(geometry, line((15.0, 15.0, -20.0), (15.0, 14.0, 30.0), radius=4.0)).tree
    end = int(np.argmin(tree.points_mm[:, 2]))
    assert tree.points_mm[end, 2] < 1.0 and tree.radii_mm[end] == pytest.approx(4.0, abs=0.5)
    with pytest.raises(BadInput, match="fills the whole image"):
        build_tree(np.ones(geometry.shape_kji, dtype=np.bool_), geometry.full_box, geometry)


# ---- bad input --------------------------------------------------------------------------------------------------


def test_what_has_no_branch_is_refused_in_words() -> None:
    geometry = centred((1.0, 1.0, 1.0), np.eye(3), 16)
    single = np.zeros(geometry.shape_kji, dtype=np.bool_)
    with pytest.raises(BadInput, match="no vessel branch"):
        build_tree(single, geometry.full_box, geometry)
    single[5, 6, 7] = True
    with pytest.raises(BadInput, match="no vessel branch"):
        build_tree(single, geometry.full_box, geometry)
    for radius in (2.0, 7.3, 10.0):
        with pytest.raises(BadInput, match="no vessel branch"):
            built(geometry, line((0.2, 0.0, 0.0), (0.3, 0.0, 0.0), radius=radius))
    with pytest.raises(BadInput, match="no vessel branch"):
        build_tree(np.ones((1, 1, 1), dtype=np.bool_), Box((3, 3, 3), (4, 4, 4)), geometry)


def test_what_is_too_thick_for_a_vessel_is_doubted() -> None:
    geometry = centred((3.0, 3.0, 3.0), np.eye(3), 130)
    thick, thin = (line((-80.0, 0.0, 0.0), (80.0, 9.0, 0.0), radius=radius) for radius in (32.0, 14.0))
    assert "vessel-very-wide" in codes(built(geometry, thick))
    assert "vessel-very-wide" not in codes(built(geometry, thin))


def test_a_cancelled_job_stops() -> None:
    geometry = centred((1.0, 1.0, 1.0), np.eye(3), 20)
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        build_tree(drawn(geometry, TRUNK), geometry.full_box, geometry, ctx)
