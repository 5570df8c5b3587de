"""Bodies against volumes that are known, and surfaces that stay closed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.surfaces import check_mesh, is_closed, merge_vertices
from surgitwin.surfaces.solids import (
    Solid,
    box,
    circle_sides,
    cylinder,
    difference,
    extrude,
    intersection,
    rounded_plate,
    sphere,
    standing,
    union,
)

FAR = np.array([-312.4, 187.9, 1204.6])  # where a patient may lie in a scanner's frame


def at(*mm: float) -> np.ndarray:
    return FAR + np.array(mm)


def prism(radius: float, height: float) -> float:
    """The volume of a cylinder's polygon."""
    sides = circle_sides(radius)
    return sides / 2 * math.sin(2 * math.pi / sides) * radius**2 * height


def holds(solid: Solid) -> Mesh:
    """The mesh of a solid, which must be closed, manifold and outwards, and stay so where equal points are merged."""
    mesh = solid.mesh()
    again = merge_vertices(
        Mesh(
            mesh.points[mesh.triangles].reshape(-1, 3),
            np.arange(3 * len(mesh.triangles), dtype=np.int32).reshape(-1, 3),
        )
    )
    for one in (mesh, again):
        check = check_mesh(one)
        assert check.closed and check.manifold and check.outward and is_closed(one)
        assert check.self_intersections == 0
    assert mesh.volume_mm3 == pytest.approx(solid.volume_mm3, rel=1e-4)
    return mesh


def test_simple_bodies_have_their_analytic_volumes_wherever_the_patient_lies() -> None:
    assert box(FAR, at(10, 20, 30)).volume_mm3 == pytest.approx(6000.0)
    assert cylinder(FAR, at(10, 20, 5), 3.0).volume_mm3 == pytest.approx(prism(3.0, math.hypot(10, 20, 5)))
    assert prism(3.0, 1.0) == pytest.approx(math.pi * 9.0, rel=0.007)
    cone = cylinder(FAR, at(0, 0, 12), 6.0, 3.0).volume_mm3
    assert cone == pytest.approx(math.pi * 12 / 3 * (36 + 18 + 9), rel=0.005)
    assert sphere(FAR, 20.0, sides=200).volume_mm3 == pytest.approx(4 / 3 * math.pi * 8000, rel=0.002)
    assert rounded_plate((40.0, 20.0), 2.0, 4.0).volume_mm3 == pytest.approx(2 * (800 - (4 - math.pi) * 16), rel=1e-3)
    for solid in (box(FAR, FAR + 10.0), cylinder(FAR, at(3, 4, 5), 2.0), sphere(FAR, 8.0)):
        holds(solid)


def test_a_cylinder_lies_between_its_two_points() -> None:
    low, high = cylinder([1, 2, 3], [1, 2, 13], 2.0).box_mm
    assert low == pytest.approx([-1, 0, 3]) and high == pytest.approx([3, 4, 13])
    low, high = cylinder([0, 0, 0], [-10, 0, 0], 1.0).box_mm
    assert low == pytest.approx([-10, -1, -1]) and high == pytest.approx([0, 1, 1])


def test_union_difference_and_intersection_have_their_analytic_volumes() -> None:
    one, two = box(FAR, FAR + 10.0), box(at(5.0, 2.0, 1.0), at(15.0, 12.0, 11.0))
    common = 5.0 * 8.0 * 9.0
    for solid, volume in (
        (union([one, two]), 2000 - common),
        (one + two, 2000 - common),
        (difference(one, [two]), 1000 - common),
        (one - two, 1000 - common),
        (intersection([one, two]), common),
        (one & two, common),
    ):
        assert solid.volume_mm3 == pytest.approx(volume, rel=1e-9)
        holds(solid)
    drilled = difference(one, [cylinder(at(5, 5, -1), at(5, 5, 11), 2.0)])
    assert drilled.volume_mm3 == pytest.approx(1000 - prism(2.0, 10.0), rel=1e-9)
    holds(drilled)


def test_two_spheres_have_in_common_the_lens_that_the_formula_gives() -> None:
    r, d = 10.0, 12.0
    lens = math.pi * (4 * r + d) * (2 * r - d) ** 2 / 12
    both = sphere([0, 0, 0], r, sides=256) & sphere([d, 0, 0], r, sides=256)
    assert both.volume_mm3 == pytest.approx(lens, rel=0.005)


def test_an_oblique_plane_halves_a_sphere_and_the_normal_says_which_half_comes_first() -> None:
    ball = sphere(FAR, 15.0)
    normal = np.array([1.0, -2.0, 0.5])
    front, back = ball.split(FAR, normal)
    assert front.volume_mm3 == pytest.approx(back.volume_mm3, rel=1e-3)
    assert front.volume_mm3 + back.volume_mm3 == pytest.approx(ball.volume_mm3, rel=1e-9)
    sides = (holds(front).points - FAR) @ normal / np.linalg.norm(normal)
    assert sides.min() == pytest.approx(0.0, abs=1e-3) and sides.max() == pytest.approx(15.0, abs=0.05)
    nothing, all_of_it = ball.split(FAR + 40.0 * normal, normal)
    assert nothing.empty and all_of_it.volume_mm3 == pytest.approx(ball.volume_mm3)
    with pytest.raises(BadInput, match="Nothing is left of “sphere”"):
        nothing.mesh()


def test_an_outline_with_a_hole_is_pulled_up_to_its_height() -> None:
    square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]])
    hole = np.array([[3, 3], [3, 6], [6, 6], [6, 3]])
    assert extrude([square, hole], 2.0).volume_mm3 == pytest.approx(2 * (100 - 9))
    assert extrude([square, hole[::-1]], 2.0, rule="even-odd").volume_mm3 == pytest.approx(2 * (100 - 9))
    holds(extrude([square, hole], 2.0))


def test_a_body_can_be_moved_and_mirrored_and_stays_the_right_way_out() -> None:
    part = box([0, 0, 0], [1, 2, 3]) + box([0.5, 0.3, 0.4], [4, 1, 1])
    for scale in (1.0, -1.0):
        matrix = standing([5, 6, 7], [1, 1, 0.3]) @ np.diag([scale, 1, 1, 1])
        moved = part.moved(matrix)
        assert moved.volume_mm3 == pytest.approx(part.volume_mm3)
        mesh = holds(moved)
        expected = part.mesh().points.astype(float) @ matrix[:3, :3].T + matrix[:3, 3]
        assert mesh.points.min(axis=0) == pytest.approx(expected.min(axis=0), abs=1e-4)


def test_a_frame_is_right_handed_and_points_up() -> None:
    for up in ([0, 0, 1], [1, -2, 0.5], [0, -1, 0]):
        matrix = standing([1, 2, 3], up)
        assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1.0)
        assert matrix[:3, 2] == pytest.approx(np.array(up) / np.linalg.norm(up))
    assert standing([0, 0, 0], [0, 0, 1], right=[1, 0.2, 5])[:3, 0] == pytest.approx(
        np.array([1, 0.2, 0]) / math.hypot(1, 0.2)
    )


def test_bodies_that_touch_in_a_face_an_edge_or_a_corner_give_a_closed_surface() -> None:
    cube = box([0, 0, 0], [10, 10, 10])
    assert holds(cube + box([10, 0, 0], [20, 10, 10])).volume_mm3 == pytest.approx(2000.0, rel=1e-4)
    holds(cube + box([10, 10, 0], [20, 20, 10]))
    holds(cube + box([10, 10, 10], [20, 20, 20]))


def test_a_cavity_stays_with_what_surrounds_it_when_a_body_falls_into_pieces() -> None:
    hollow = box([0, 0, 0], [20, 20, 20]) - box([5, 5, 5], [15, 15, 15])
    apart = hollow + box([30, 0, 0], [35, 5, 5])
    pieces = apart.pieces()
    assert [one.volume_mm3 for one in pieces] == pytest.approx([7000.0, 125.0])
    assert check_mesh(pieces[0].mesh()).shells == 2


def test_a_mesh_makes_the_round_trip_and_one_inside_out_is_turned_over() -> None:
    mesh = sphere(FAR, 12.0).mesh()
    back = Solid.of(mesh, "ball")
    assert back.volume_mm3 == pytest.approx(mesh.volume_mm3, rel=1e-6)
    inside_out = Mesh(mesh.points, np.ascontiguousarray(mesh.triangles[:, ::-1]))
    assert Solid.of(inside_out, "ball").volume_mm3 == pytest.approx(mesh.volume_mm3, rel=1e-6)


def test_what_is_no_body_is_refused_by_name() -> None:
    mesh = box([0, 0, 0], [1, 1, 1]).mesh()
    for triangles, says in (
        (mesh.triangles[1:], "“femur” is open"),
        (np.concatenate([mesh.triangles[:1, ::-1], mesh.triangles[1:]]), "faces of “femur” do not agree"),
        (np.concatenate([mesh.triangles, mesh.triangles[:1]]), "surface of “femur” meets itself"),
        (mesh.triangles[:0], "“femur” has no surface"),
    ):
        with pytest.raises(BadInput, match=says):
            Solid.of(Mesh(mesh.points, np.ascontiguousarray(triangles)), "femur")
    torn = mesh.points.copy()
    torn[0, 0] = np.nan
    with pytest.raises(BadInput, match="not numbers"):
        Solid.of(Mesh(torn, mesh.triangles), "femur")
