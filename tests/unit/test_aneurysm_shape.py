"""Shape indices of a closed sac against analytic answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from aneurysms import ball, ellipsoid, turned
from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.simulators.aneurysm.closing import close_sac
from surgitwin.simulators.aneurysm.morphology import HEMISPHERE, Shape, farthest_apart, measure
from surgitwin.simulators.aneurysm.plane import NeckPlane
from surgitwin.surfaces import is_closed

UP = (0.0, 0.0, 1.0)
FULL_SPHERE = 1.0 - 2.0 ** (-1.0 / 3.0)  # 0.2063


def at_height(z: float) -> NeckPlane:
    return NeckPlane.of((0.0, 0.0, z), UP)


def revolved(profile: list[tuple[float, float]], sections: int = 360) -> Mesh:
    """A body of revolution around z from (radius, z) pairs that begin and end on the axis."""
    import trimesh

    body = trimesh.creation.revolve(np.array(profile), sections=sections)
    return Mesh(np.asarray(body.vertices).astype(np.float32), np.asarray(body.faces).astype(np.int32))


def cap(radius: float, height: float) -> tuple[float, float, float]:
    """Volume, wall and neck diameter of a spherical cap."""
    neck = 2.0 * math.sqrt(height * (2.0 * radius - height))
    return math.pi * height**2 * (3.0 * radius - height) / 3.0, 2.0 * math.pi * radius * height, neck


def test_a_hemisphere_has_no_ellipticity_no_nonsphericity_and_no_undulation() -> None:
    shape = measure(close_sac(ball(), at_height(0.0)))

    assert shape.nonsphericity_index == pytest.approx(0.0, abs=2e-4)
    assert shape.ellipticity_index == pytest.approx(0.0, abs=2e-4)
    assert shape.undulation_index == pytest.approx(0.0, abs=1e-6)
    assert shape.aspect_ratio == pytest.approx(0.5, rel=1e-3)


def test_a_whole_sphere_reaches_the_published_limit_as_its_neck_closes() -> None:
    indices = [measure(close_sac(ball(3.0, 6), at_height(z))).nonsphericity_index for z in (-2.9, -2.99, -2.999)]

    assert indices == sorted(indices)
    assert pytest.approx(0.2063, abs=5e-5) == FULL_SPHERE
    assert indices[-1] == pytest.approx(FULL_SPHERE, abs=3e-4)


@pytest.mark.parametrize("height", [0.8, 2.0, 3.0, 4.4, 5.7])
def test_spherical_caps_have_their_known_size(height: float) -> None:
    volume, wall, neck = cap(3.0, height)
    shape = measure(close_sac(ball(), at_height(3.0 - height)))

    assert shape.volume_mm3 == pytest.approx(volume, rel=2e-3)
    assert shape.area_mm2 == pytest.approx(wall, rel=1e-3)
    for found in (shape.d_neck_mm, shape.d_neck_mean_mm, shape.d_neck_max_mm):
        assert found == pytest.approx(neck, rel=3e-3)
    assert shape.h_mm == pytest.approx(height, abs=1e-5)
    assert shape.h_max_mm == pytest.approx(max(height, neck / 2), rel=1e-3)
    assert shape.w_max_mm == pytest.approx(6.0 if height > 3.0 else neck, rel=2e-3)
    assert shape.d_max_mm == pytest.approx(6.0 if height > 3.0 else neck, rel=2e-3)
    assert shape.nonsphericity_index == pytest.approx(1 - HEMISPHERE * volume ** (2 / 3) / wall, abs=1e-3)
    assert shape.aspect_ratio == pytest.approx(height / neck, rel=3e-3)
    assert shape.necks == 1


def test_half_an_ellipsoid_has_its_axes_and_an_elliptic_neck() -> None:
    shape = measure(close_sac(ellipsoid((2.0, 3.0, 5.0)), at_height(0.0)))

    assert shape.volume_mm3 == pytest.approx(2 / 3 * math.pi * 30.0, rel=2e-3)
    assert (shape.h_mm, shape.h_max_mm) == pytest.approx((5.0, 5.0), rel=1e-4)
    assert shape.w_max_mm == pytest.approx(6.0, rel=1e-3)
    assert shape.d_max_mm == pytest.approx(6.25, rel=1e-3)  # (3 + 3 cos t)^2 + (5 sin t)^2 at cos t = 18/32
    assert shape.d_neck_mm == pytest.approx(2.0 * math.sqrt(6.0), rel=1e-3)
    assert shape.d_neck_max_mm == pytest.approx(6.0, rel=1e-3)
    assert shape.bottleneck_factor == pytest.approx(6.0 / (2.0 * math.sqrt(6.0)), rel=2e-3)
    assert shape.height_width_ratio == pytest.approx(5.0 / 6.0, rel=2e-3)
    assert shape.size_ratio(2.5) == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("long", [2.0, 5.0])
def test_half_a_prolate_spheroid_has_the_nonsphericity_of_its_formula(long: float) -> None:
    eccentricity = math.sqrt(1.0 - 1.0 / long**2)
    wall = math.pi * (1.0 + long / eccentricity * math.asin(eccentricity))
    expected = 1.0 - HEMISPHERE * (2 / 3 * math.pi * long) ** (2 / 3) / wall
    shape = measure(close_sac(ellipsoid((1.0, 1.0, long)), at_height(0.0)))

    assert shape.nonsphericity_index == pytest.approx(expected, abs=5e-4)
    assert shape.ellipticity_index == pytest.approx(expected, abs=5e-4)
    assert expected > 0.02


def test_the_largest_height_is_from_the_middle_of_the_neck_whatever_point_the_plane_was_given_by() -> None:
    far = NeckPlane.of((80.0, -45.0, 0.0), UP)
    shape = measure(close_sac(ellipsoid((2.0, 3.0, 5.0)), far))

    assert shape.h_max_mm == pytest.approx(5.0, rel=1e-3)
    assert shape.d_neck_mean_mm == pytest.approx(4.93, abs=0.15)  # between the axes of 4 and 6 mm


def test_a_waist_undulates_by_the_volume_that_the_hull_adds() -> None:
    profile = [(0, -1), (3, -1), (3, 2), (2, 2), (2, 3), (3, 3), (3, 5), (0, 5)]
    shape = measure(close_sac(revolved(profile), at_height(0.0)))

    assert shape.undulation_index == pytest.approx((9 - 4) / (9 * 5), rel=1e-6)
    hull = 1.0 - HEMISPHERE * (45 * math.pi) ** (2 / 3) / (30 * math.pi + 9 * math.pi)
    assert shape.ellipticity_index == pytest.approx(hull, abs=1e-4)
    wall = 2 * math.pi * (3 * 2 + 2 * 1 + 3 * 2) + 2 * 5 * math.pi + 9 * math.pi
    assert shape.area_mm2 == pytest.approx(wall, rel=1e-4)
    assert shape.nonsphericity_index > shape.ellipticity_index


def test_a_sac_that_is_narrow_at_its_neck_has_its_width_above_and_a_bottleneck() -> None:
    profile = [(0, -1), (1, -1), (1, 1), (4, 3), (4, 4), (0, 6)]
    shape = measure(close_sac(revolved(profile), at_height(0.0)))

    assert shape.bottleneck_factor == pytest.approx(4.0, rel=1e-4)
    assert shape.w_max_mm == pytest.approx(8.0, rel=1e-4)


def every(shape: Shape) -> dict[str, float]:
    names = ("aspect_ratio", "bottleneck_factor", "height_width_ratio")
    indices = ("undulation_index", "ellipticity_index", "nonsphericity_index")
    return {name: getattr(shape, name) for name in (*names, *indices)} | {"SR": shape.size_ratio(shape.d_neck_mm)}


@pytest.mark.parametrize("scale", [1.0, 0.1, 40.0])
@pytest.mark.parametrize("flip", [False, True])
def test_indices_do_not_change_with_turns_flips_places_or_size(scale: float, flip: bool) -> None:
    mesh, plane = ellipsoid((2.0, 3.0, 5.0), 4), NeckPlane.of((0.1, -0.2, -2.0), (0.3, 0.2, 1.0))
    turn, away = turned(flip=flip), np.array([31.0, -212.0, 95.0])

    def carried(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(points @ turn.T) * scale + away

    points = carried(mesh.points.astype(np.float64)).astype(np.float32)
    moved = Mesh(points, mesh.triangles[:, ::-1] if flip else mesh.triangles)
    there = NeckPlane.of(carried(np.array(plane.point_mm)), turn @ np.array(plane.normal))
    before, after = measure(close_sac(mesh, plane)), measure(close_sac(moved, there))

    assert every(after) == pytest.approx(every(before), rel=3e-4, abs=3e-4)
    assert after.volume_mm3 == pytest.approx(before.volume_mm3 * scale**3, rel=1e-3)


def test_a_mesh_that_is_inside_out_gives_the_same_sac() -> None:
    mesh = ball(3.0, 3)
    turned_over = Mesh(mesh.points, mesh.triangles[:, ::-1].copy())

    assert every(measure(close_sac(turned_over, at_height(1.0)))) == pytest.approx(
        every(measure(close_sac(mesh, at_height(1.0))))
    )


def test_a_plane_through_vertices_gives_the_limit_of_planes_beside_them() -> None:
    mesh = revolved([(0, -1), (2, -1), (2, 0), (2, 3), (0, 3)])
    through, beside = (measure(close_sac(mesh, at_height(z))) for z in (0.0, 1e-7))

    assert every(through) == pytest.approx(every(beside), rel=1e-5, abs=1e-6)
    assert through.volume_mm3 == pytest.approx(12 * math.pi, rel=1e-3)


@pytest.mark.parametrize("z", [-2.5, 0.37, 2.0])
def test_the_capped_sac_is_closed_and_holds_the_same_volume(z: float) -> None:
    sac = close_sac(ellipsoid((2.0, 3.0, 3.0), 4), NeckPlane.of((0.0, 0.0, z), (0.1, 0.2, 1.0)))
    capped = sac.capped()

    assert is_closed(capped)
    assert capped.volume_mm3 == pytest.approx(sac.volume_mm3, rel=1e-5)
    assert capped.area_mm2 == pytest.approx(sac.area_mm2 + sac.neck_area_mm2, rel=1e-4)


def test_a_cut_through_a_ring_counts_two_openings_and_both_their_areas() -> None:
    import trimesh

    ring = trimesh.creation.torus(4.0, 1.0, major_sections=180, minor_sections=90)
    mesh = Mesh(np.asarray(ring.vertices).astype(np.float32), np.asarray(ring.faces).astype(np.int32))
    sac = close_sac(mesh, NeckPlane.of((0.0, 0.0, 0.0), (0.0, 1.0, 0.0)))
    shape = measure(sac)

    assert shape.necks == 2
    assert shape.neck_area_mm2 == pytest.approx(2 * math.pi, rel=3e-3)
    assert shape.volume_mm3 == pytest.approx(math.pi**2 * 4.0, rel=3e-3)
    assert is_closed(sac.capped())


def test_a_hole_within_the_neck_is_taken_off_its_area() -> None:
    profile = [(1, -2), (3, -2), (3, 2), (1, 2), (1, -2)]
    shape = measure(close_sac(revolved(profile), at_height(0.0)))

    assert shape.necks == 1
    assert shape.neck_area_mm2 == pytest.approx(8 * math.pi, rel=1e-3)


def test_of_several_parts_above_the_plane_the_one_at_the_given_point_is_the_sac() -> None:
    small, large = ball(1.0, 3), ball(3.0, 3)
    both = Mesh(
        np.concatenate([small.points, large.points + np.float32(10.0)]),
        np.concatenate([small.triangles, large.triangles + len(small.points)]).astype(np.int32),
    )
    plane = NeckPlane.of((0.0, 0.0, 0.0), (0.3, 0.3, 0.2))

    sac = close_sac(both, plane, np.array([0.5, 0.5, 0.5]))
    assert sac.volume_mm3 == pytest.approx(2 / 3 * math.pi, rel=0.03)


@pytest.mark.parametrize(("z", "word"), [(3.5, "below"), (-3.5, "above")])
def test_a_plane_that_misses_the_sac_is_refused(z: float, word: str) -> None:
    with pytest.raises(BadInput, match=f"misses the sac: all of it lies {word} the plane"):
        close_sac(ball(3.0, 3), at_height(z))


def test_an_open_mesh_is_refused_with_the_number_of_open_edges() -> None:
    mesh = ball(3.0, 3)
    with pytest.raises(BadInput, match="not closed \\(3 edges have no partner\\)"):
        close_sac(Mesh(mesh.points, mesh.triangles[1:]), at_height(0.0))


def test_an_empty_surface_is_refused() -> None:
    with pytest.raises(BadInput, match="its segment is empty"):
        close_sac(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)), at_height(0.0))


@pytest.mark.parametrize(
    ("point", "normal", "says"),
    [((0, 0, 0), (0, 0, 0), "0,0,0"), ((0, 0, math.nan), UP, "finite"), ((0, 0), UP, "three finite")],
)
def test_a_plane_needs_a_point_and_a_direction(point: tuple[float, ...], normal: tuple[float, ...], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        NeckPlane.of(point, normal)


def test_a_moved_plane_goes_along_its_normal_and_tilts_by_the_angle() -> None:
    plane = NeckPlane.of((1.0, 2.0, 3.0), (2.0, -1.0, 2.0))
    moved = plane.moved(1.5, (3.0, 4.0))

    assert np.array(moved.point_mm) - plane.point_mm == pytest.approx(1.5 * np.array(plane.normal))
    assert math.degrees(math.acos(np.dot(plane.normal, moved.normal))) == pytest.approx(5.0)
    assert plane.facing(np.array([-9.0, 0.0, 0.0])).normal == pytest.approx(-np.array(plane.normal))
    assert np.linalg.norm(moved.normal) == pytest.approx(1.0, abs=1e-12)
    assert np.cross(*plane.axes) == pytest.approx(np.array(plane.normal))


def test_the_farthest_points_of_a_cloud_are_found() -> None:
    points = np.random.default_rng(4).normal(size=(900, 3)) * (1.0, 4.0, 2.0)
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)

    assert farthest_apart(points) == pytest.approx(gaps.max())
