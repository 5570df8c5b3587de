"""Distances, ways along surfaces and cross-sections, against shapes whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.triangle_tree import TriangleTree
from surgitwin.measuring.centrelines import place_on_tree
from surgitwin.measuring.gaps import gap_between, winding
from surgitwin.measuring.geodesics import shortest_way
from surgitwin.measuring.sections import cross_section
from surgitwin.vessels.tree import Branch, VesselTree

AXES, _ = np.linalg.qr(np.array([[1.0, 0.4, -0.2], [-0.3, 1.0, 0.5], [0.2, -0.3, 1.0]]))
AT = np.array([120.5, -310.25, 44.0])


def mesh_of(shape: trimesh.Trimesh, axes: np.ndarray = AXES, at: np.ndarray = AT) -> Mesh:
    """The shape, turned and moved to where an oblique image may be."""
    points = np.asarray(shape.vertices) @ axes.T + at
    return Mesh(points.astype(np.float32), np.asarray(shape.faces, np.int32))


def moved(points: np.ndarray) -> np.ndarray:
    return np.asarray(points, float) @ AXES.T + AT


def ball(radius: float, at: tuple[float, float, float] = (0, 0, 0), subdivisions: int = 5) -> trimesh.Trimesh:
    shape = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return shape.apply_translation(at)


# ---- distances ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [0.0003, 0.7, 25.0])
def test_spheres_are_as_far_apart_as_their_centres_less_their_radii(gap: float) -> None:
    away = np.array([0.6, -0.48, 0.64]) * (20 + 12 + gap)
    found = gap_between(mesh_of(ball(20)), mesh_of(ball(12, tuple(away))))
    assert found.relation == "apart"
    # Flat triangles lie up to 0.02 mm inside these spheres.
    assert found.distance_mm == pytest.approx(gap, abs=0.05)
    assert np.linalg.norm(np.subtract(*found.points_mm)) == pytest.approx(found.distance_mm, abs=1e-9)


def test_the_distance_is_between_edges_where_no_corner_is_near() -> None:
    bar = trimesh.creation.box((100, 2, 2))
    other = trimesh.creation.box((2, 100, 2))
    turn = trimesh.transformations.rotation_matrix(np.pi / 4, (1, 0, 0))
    over = trimesh.transformations.rotation_matrix(np.pi / 4, (0, 1, 0))
    bar.apply_transform(turn)
    other.apply_transform(over)
    other.apply_translation((13, 17, 10))
    # Two edges, one along x and one along y, at heights sqrt(2) and 10 - sqrt(2).
    found = gap_between(mesh_of(bar), mesh_of(other))
    assert found.distance_mm == pytest.approx(10 - 2 * np.sqrt(2), abs=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_the_distance_is_that_of_all_pairs_of_densely_sampled_triangles(seed: int) -> None:
    random = np.random.default_rng(seed)
    one = trimesh.convex.convex_hull(random.normal(size=(12, 3)) * 8)
    two = trimesh.convex.convex_hull(random.normal(size=(9, 3)) * 5 + [14, 9, 6])
    found = gap_between(mesh_of(one), mesh_of(two))
    steps = np.linspace(0, 1, 41)
    a, b = np.meshgrid(steps, steps)
    shares = np.column_stack([a[a + b <= 1], b[a + b <= 1]])
    from scipy.spatial import KDTree

    def dense(shape: trimesh.Trimesh) -> np.ndarray:
        corners = np.asarray(shape.triangles)
        sides = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], axis=1)
        return (corners[:, None, 0] + np.einsum("sk,tkx->tsx", shares, sides)).reshape(-1, 3)

    brute = KDTree(dense(two)).query(dense(one))[0].min()
    if found.relation == "apart":
        assert brute - 0.1 <= found.distance_mm <= brute + 1e-4
    else:
        assert brute < 0.5


def test_structures_that_overlap_are_0_apart_and_share_the_place_that_is_drawn() -> None:
    found = gap_between(mesh_of(ball(20)), mesh_of(ball(20, (25, 0, 0))))
    assert (found.distance_mm, found.relation) == (0.0, "touching")
    place = (np.array(found.points_mm[0]) - AT) @ AXES
    assert np.linalg.norm(place) == pytest.approx(20, abs=0.1)
    assert np.linalg.norm(place - (25, 0, 0)) == pytest.approx(20, abs=0.1)


def test_boxes_with_a_common_face_touch() -> None:
    one, two = trimesh.creation.box((10, 10, 10)), trimesh.creation.box((4, 4, 4)).apply_translation((7, 0, 0))
    found = gap_between(mesh_of(one, np.eye(3), np.zeros(3)), mesh_of(two, np.eye(3), np.zeros(3)))
    assert (found.distance_mm, found.relation) == (0.0, "touching")


def test_a_structure_within_another_is_0_apart_and_the_depth_below_the_surface_is_told() -> None:
    inner, outer = mesh_of(ball(5, (8, 0, 0))), mesh_of(ball(30))
    found = gap_between(inner, outer)
    assert (found.distance_mm, found.relation) == (0.0, "inside")
    assert found.surfaces_mm == pytest.approx(17.0, abs=0.1)
    assert gap_between(outer, inner).relation == "around"


def test_one_part_of_several_lying_within_is_found() -> None:
    both = trimesh.util.concatenate([ball(3, (60, 0, 0), 3), ball(3, (0, 0, 0), 3)])
    assert gap_between(mesh_of(both), mesh_of(ball(30))).relation == "inside"
    assert winding(mesh_of(ball(30)), moved(np.array([[29.0, 0, 0]]))[0]) == pytest.approx(1.0, abs=1e-6)
    assert winding(mesh_of(ball(30)), moved(np.array([[31.0, 0, 0]]))[0]) == pytest.approx(0.0, abs=1e-6)


def test_an_empty_surface_is_refused() -> None:
    nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    with pytest.raises(BadInput, match="empty"):
        gap_between(mesh_of(ball(3, subdivisions=1)), nothing)


def test_the_nearest_place_of_a_surface_is_exact() -> None:
    box = mesh_of(trimesh.creation.box((10, 20, 30)))
    found = TriangleTree.of(box).nearest(moved(np.array([[9.0, 1, 2], [6, 12, 18], [0.5, 9.5, 0]])))
    assert np.allclose(found.points_mm, moved(np.array([[5.0, 1, 2], [5, 10, 15], [0.5, 10, 0]])), atol=1e-4)
    assert found.away_mm == pytest.approx([4.0, np.sqrt(1 + 4 + 9), 0.5], abs=1e-4)


# ---- ways along surfaces -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_way_over_a_sphere_is_its_great_circle(seed: int) -> None:
    ends = np.random.default_rng(seed).normal(size=(2, 3))
    ends *= 50 / np.linalg.norm(ends, axis=1, keepdims=True)
    way = shortest_way(mesh_of(ball(50, subdivisions=6)), moved(ends))
    assert way.length_mm == pytest.approx(50 * np.arccos(ends[0] @ ends[1] / 2500), abs=0.1)


def test_the_way_over_a_cylinder_is_its_helix() -> None:
    pipe = trimesh.creation.cylinder(radius=20, height=100, sections=720).subdivide_to_size(8.0, max_iter=12)
    ends = np.array([[20.0, 0, -31], [20 * np.cos(2.5), 20 * np.sin(2.5), 24]])
    way = shortest_way(mesh_of(pipe), moved(ends))
    assert way.length_mm == pytest.approx(np.hypot(20 * 2.5, 55), abs=0.1)


def test_the_way_in_a_plane_is_straight_and_not_along_edges() -> None:
    slab = trimesh.creation.box((100, 100, 4)).subdivide().subdivide().subdivide()
    ends = np.array([[-43.2, -17.9, 2], [38.8, 44.4, 2]])
    way = shortest_way(mesh_of(slab), moved(ends))
    assert way.length_mm == pytest.approx(np.linalg.norm(ends[1] - ends[0]), abs=1e-3)


def test_the_way_around_the_corner_of_a_box_is_that_of_its_unfolded_faces() -> None:
    box = mesh_of(trimesh.creation.box((40, 40, 40)))
    ends = np.array([[20, 3, 11], [-5, 20, -2]])
    assert shortest_way(box, moved(ends)).length_mm == pytest.approx(np.hypot(17 + 25, 13), abs=1e-3)


def test_a_way_goes_through_every_placed_point_in_turn_also_two_in_one_triangle() -> None:
    slab = mesh_of(trimesh.creation.box((100, 100, 4)))
    places = np.array([[-40, -10, 2], [-30, -20, 2], [-10, -45, 2], [30, 0, 2], [0, 0, 2]])
    way = shortest_way(slab, moved(places))
    assert np.allclose(way.placed_mm, moved(places), atol=1e-4)
    assert way.length_mm == pytest.approx(np.linalg.norm(np.diff(places, axis=0), axis=1).sum(), abs=1e-3)
    assert np.allclose([leg[0] for leg in way.legs], moved(places[:-1]), atol=1e-3)
    around = shortest_way(slab, moved(places), closed=True)
    assert around.length_mm == pytest.approx(way.length_mm + np.linalg.norm(places[0] - places[-1]), abs=1e-3)


def test_points_off_the_surface_are_moved_onto_it_and_that_is_told() -> None:
    way = shortest_way(mesh_of(ball(50)), moved(np.array([[53.0, 0, 0], [0, 49, 0]])))
    assert way.away_mm == pytest.approx([3.0, 1.0], abs=0.1)
    assert way.length_mm == pytest.approx(25 * np.pi, abs=0.1)


def test_no_way_leads_to_another_part_of_a_surface() -> None:
    both = trimesh.util.concatenate([ball(5, (0, 0, 0), 2), ball(5, (30, 0, 0), 2)])
    with pytest.raises(BadInput, match="not joined"):
        shortest_way(mesh_of(both), moved(np.array([[5.0, 0, 0], [25, 0, 0]])))


def test_a_surface_with_three_faces_on_an_edge_is_refused_in_words() -> None:
    points = np.array([[0, 0, 0], [10, 0, 0], [5, 9, 0], [5, -9, 0], [5, 0, 9]], np.float32)
    fins = Mesh(points, np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4]], np.int32))
    with pytest.raises(BadInput, match="not joined cleanly"):
        shortest_way(fins, points[[2, 3]])


# ---- cross-sections ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wide", "narrow"), [(5.0, 5.0), (6.0, 2.5)])
def test_the_cross_section_of_a_pipe_is_its_ellipse(wide: float, narrow: float) -> None:
    pipe = trimesh.creation.cylinder(radius=1, height=80, sections=256).apply_scale([wide, narrow, 1])
    found = cross_section(mesh_of(pipe), moved(np.array([[0.4, 0.1, 7.7]]))[0], AXES @ (0, 0, 1))
    assert found is not None and found.holds_place
    assert found.area_mm2 == pytest.approx(np.pi * wide * narrow, abs=0.1)
    assert (found.min_mm, found.max_mm) == pytest.approx((2 * narrow, 2 * wide), abs=0.01)
    assert found.equivalent_mm == pytest.approx(2 * np.sqrt(wide * narrow), abs=0.01)


def test_of_two_pipes_side_by_side_the_one_around_the_place_is_measured() -> None:
    pipes = [
        trimesh.creation.cylinder(radius=r, height=60, sections=128).apply_translation((x, 0, 0))
        for r, x in ((4, 0), (2, 9))
    ]
    both = mesh_of(trimesh.util.concatenate(pipes))
    found = cross_section(both, moved(np.array([[9.5, 0, 0]]))[0], AXES @ (0, 0, 1))
    assert found is not None and found.equivalent_mm == pytest.approx(4.0, abs=0.02)
    beside = cross_section(both, moved(np.array([[5.5, 0, 0]]))[0], AXES @ (0, 0, 1))
    assert beside is not None and not beside.holds_place
    assert cross_section(both, moved(np.array([[0, 0, 31.0]]))[0], AXES @ (0, 0, 1)) is None


def test_a_plane_through_corners_of_the_mesh_cuts_it_like_any_other() -> None:
    box = mesh_of(trimesh.creation.box((10, 20, 30)).subdivide(), np.eye(3), np.zeros(3))
    found = cross_section(box, np.zeros(3), np.array([0, 0, 1.0]))
    assert found is not None and found.area_mm2 == pytest.approx(200.0, abs=1e-6)


def bent_tree(radius: float = 30.0, step_deg: float = 4.0) -> VesselTree:
    """A quarter of a circle that starts at its root; the vessel narrows from 5 to 3 mm."""
    t = np.radians(np.arange(0, 90 + step_deg, step_deg))
    points = moved(np.column_stack([radius * np.cos(t), radius * np.sin(t), 0 * t]))
    count = len(points)
    return VesselTree(
        points,
        np.linspace(5, 3, count),
        np.arange(-1, count - 1, dtype=np.int32),
        np.ones(count, np.int32),
        (Branch(1, "main"),),
    )


def test_a_place_on_a_centre_line_has_the_radius_and_direction_there_between_its_points_too() -> None:
    tree = bent_tree()
    t = np.radians(41.3)
    found = place_on_tree(tree, moved(np.array([[33 * np.cos(t), 33 * np.sin(t), 1.0]]))[0])
    assert np.allclose(found.point_mm, moved(np.array([[30 * np.cos(t), 30 * np.sin(t), 0]]))[0], atol=0.1)
    assert found.radius_mm == pytest.approx(5 - 2 * 41.3 / 92, abs=0.05)
    assert found.away_mm == pytest.approx(np.hypot(3, 1), abs=0.05)
    along = AXES @ (-np.sin(t), np.cos(t), 0)
    assert np.degrees(np.arccos(np.clip(np.dot(found.direction, along), -1, 1))) < 1.0
    assert found.branch == 1


def test_a_place_beyond_the_end_of_a_tree_is_its_end() -> None:
    tree = bent_tree()
    found = place_on_tree(tree, tree.points_mm[0] + AXES @ (0, -4.0, 0))
    assert np.allclose(found.point_mm, tree.points_mm[0])
    assert np.isfinite(found.direction).all()
