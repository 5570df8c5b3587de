"""The area within a loop on a surface: spherical polygons, caps, unrolled cylinders, planes; and loops that enclose
nothing."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.measuring.surface_patches import area_within

RADIUS = 30.0


def mesh_of(body: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(body.vertices, np.float32), np.asarray(body.faces, np.int32))


@pytest.fixture(scope="module")
def ball() -> Mesh:
    body = trimesh.creation.icosphere(6, RADIUS)
    body.apply_transform(trimesh.transformations.random_rotation_matrix(np.array([0.3, 0.7, 0.2])))
    return mesh_of(body)


def on_ball(polar_deg: np.ndarray | float, around_deg: np.ndarray) -> np.ndarray:
    polar, around = np.radians(polar_deg), np.radians(around_deg)
    return RADIUS * np.stack(
        np.broadcast_arrays(np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)), axis=-1
    )


def excess(corners: np.ndarray) -> float:
    """The area of a spherical polygon: the sum of its angles less that of a flat one (Girard)."""
    unit = corners / np.linalg.norm(corners, axis=1)[:, None]
    total = 0.0
    for before, here, after in zip(np.roll(unit, 1, axis=0), unit, np.roll(unit, -1, axis=0), strict=True):
        one, other = before - (before @ here) * here, after - (after @ here) * here
        total += np.arccos(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
    return float(RADIUS**2 * (total - (len(unit) - 2) * np.pi))


@pytest.mark.parametrize("polar", [8.0, 35.0, 70.0])
@pytest.mark.parametrize("corners", [3, 5, 40])
def test_a_polygon_on_a_sphere_has_its_spherical_excess(ball: Mesh, polar: float, corners: int) -> None:
    placed = on_ball(polar, np.arange(corners) * 360 / corners + 11.0)
    found = area_within(ball, placed)
    # The icosphere of 81,920 flat triangles has 0.02 % less area than the sphere.
    assert found.area_mm2 == pytest.approx(excess(placed), rel=6e-4)
    assert found.area_mm2 + found.other_mm2 == pytest.approx(ball.area_mm2, rel=1e-9)


def test_a_loop_of_many_points_around_a_cap_has_the_caps_area(ball: Mesh) -> None:
    height = RADIUS * (1 - np.cos(np.radians(50.0)))
    found = area_within(ball, on_ball(50.0, np.arange(120) * 3.0))
    assert found.area_mm2 == pytest.approx(2 * np.pi * RADIUS * height, rel=1e-3)
    wide = area_within(ball, on_ball(130.0, np.arange(120) * 3.0))  # the same cap, seen from the other pole
    assert wide.area_mm2 == pytest.approx(found.area_mm2, rel=1e-3)


def test_a_polygon_on_a_cylinder_has_the_area_that_it_has_unrolled() -> None:
    sections, radius = 720, 20.0
    body = trimesh.creation.cylinder(radius, 100.0, sections=sections)
    body = body.subdivide_to_size(8.0)
    flat = np.array([(-12.0, -20.0), (18.0, -14.0), (22.0, 9.0), (3.0, 2.0), (-9.0, 24.0)])  # along the girth, up
    placed = np.column_stack([radius * np.cos(flat[:, 0] / radius), radius * np.sin(flat[:, 0] / radius), flat[:, 1]])
    x, y = flat.T
    unrolled = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
    found = area_within(mesh_of(body), placed)
    assert found.area_mm2 == pytest.approx(unrolled, rel=1e-4)
    # Its picture on a plane, which was all that there was before, is smaller.
    from surgitwin.measuring.polygons import outline

    assert outline(placed).area_mm2 < 0.95 * unrolled


def test_on_a_plane_it_is_that_of_the_flat_outline_also_along_sides_and_through_corners() -> None:
    box = mesh_of(trimesh.creation.box((40, 40, 40)).subdivide().subdivide().subdivide())
    for placed in (
        [(-10, -10, 20), (10, -10, 20), (10, 10, 20), (-10, 10, 20)],  # corners and sides of triangles
        [(-10, -10, 20), (10, -10, 20), (10, 10, 20)],  # along a diagonal
        [(-11.3, -4.1, 20), (13.7, -9.2, 20), (2.4, 15.5, 20)],
        [(-15, -15, 20), (15, -15, 20), (15, 15, 20), (0, 0, 20), (-15, 15, 20)],
    ):
        x, y, _ = np.array(placed).T
        exact = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
        assert area_within(box, placed).area_mm2 == pytest.approx(exact, rel=1e-6)


def test_over_an_edge_both_faces_count() -> None:
    box = mesh_of(trimesh.creation.box((40, 40, 40)).subdivide().subdivide())
    found = area_within(box, [(5, -8, 20), (20, -8, 8), (20, 8, 8), (5, 8, 20)])
    assert found.area_mm2 == pytest.approx(16 * 15 + 16 * 12, rel=1e-6)


def test_points_beside_the_surface_are_moved_onto_it(ball: Mesh) -> None:
    placed = on_ball(30.0, np.arange(6) * 60.0)
    found = area_within(ball, placed * 1.05)
    assert found.area_mm2 == pytest.approx(excess(placed), rel=6e-4)
    assert found.loop.away_mm == pytest.approx(0.05 * RADIUS, abs=0.02)


@pytest.mark.parametrize(
    ("order", "told"),
    [((0, 2, 1, 3), "crosses or touches itself"), ((0, 1), "three points"), ((0, 0, 0), "at one place")],
)
def test_a_loop_that_encloses_nothing_clear_is_refused_in_words(ball: Mesh, order: tuple[int, ...], told: str) -> None:
    corners = on_ball(30.0, np.array([0.0, 90.0, 180.0, 270.0]))
    with pytest.raises(BadInput, match=told):
        area_within(ball, corners[list(order)])


def test_a_loop_around_a_tunnel_is_refused_in_words() -> None:
    ring = trimesh.creation.torus(20.0, 6.0, major_sections=120, minor_sections=60)
    angles = np.radians([0.0, 120.0, 240.0])
    around = np.column_stack([20 + 6 * np.cos(angles), np.zeros(3), 6 * np.sin(angles)])
    with pytest.raises(BadInput, match="around a tunnel"):
        area_within(mesh_of(ring), around)


@pytest.mark.parametrize("seed", range(12))
def test_the_parts_of_random_loops_make_up_the_whole(ball: Mesh, seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(3, 12))
    around = np.sort(random.uniform(0, 360, count))
    while np.diff(np.append(around, around[0] + 360)).max() > 150:
        around = np.sort(random.uniform(0, 360, count + 3))
    placed = on_ball(random.uniform(20, 60, len(around)), around)
    found = area_within(ball, placed)
    assert found.area_mm2 + found.other_mm2 == pytest.approx(ball.area_mm2, rel=1e-9)
    inner = excess_of_star(placed)
    assert found.area_mm2 == pytest.approx(min(inner, 4 * np.pi * RADIUS**2 - inner), rel=1e-3)


def excess_of_star(placed: np.ndarray) -> float:
    """A polygon around the pole as spherical triangles from it (Oosterom and Strackee)."""
    unit = placed / np.linalg.norm(placed, axis=1)[:, None]
    pole = np.array([0.0, 0.0, 1.0])
    total = 0.0
    for one, other in zip(unit, np.roll(unit, -1, axis=0), strict=True):
        over = pole @ np.cross(one, other)
        total += 2 * np.arctan2(over, 1 + pole @ one + one @ other + other @ pole)
    return float(RADIUS**2 * total)
