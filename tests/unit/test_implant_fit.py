"""Signed distances, contact, gap and penetration of an implant on a bone, against analytic answers and VTK."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.implant_shapes import ball, block, bone, pose, socket

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.implants.distance import DistanceTo
from surgitwin.implants.fit import LiveFit, share_below
from surgitwin.implants.poses import rigid, turn
from surgitwin.implants.shape import Shape, divided
from surgitwin.measuring.gaps import winding
from surgitwin.surfaces.check import is_closed


@pytest.fixture(scope="module")
def lump() -> Mesh:
    return bone()


def test_signed_distances_are_those_of_vtk_and_their_side_that_of_the_solid_angle(lump: Mesh) -> None:
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkFiltersCore import vtkImplicitPolyDataDistance

    points = np.random.default_rng(1).uniform(-45, 45, (1500, 3))
    ours = DistanceTo(lump).of(points)

    poly, vertices, cells = vtkPolyData(), vtkPoints(), vtkCellArray()
    corners = lump.points.astype(np.float64)
    vertices.SetData(numpy_to_vtk(corners))
    offsets = np.arange(0, 3 * len(lump.triangles) + 1, 3, dtype=np.int64)
    connections = lump.triangles.astype(np.int64).reshape(-1)
    cells.SetData(numpy_to_vtkIdTypeArray(offsets), numpy_to_vtkIdTypeArray(connections))
    poly.SetPoints(vertices)
    poly.SetPolys(cells)
    implicit = vtkImplicitPolyDataDistance()
    implicit.SetInput(poly)
    theirs = np.array([implicit.FunctionValue(point) for point in points])
    assert np.abs(ours.distance_mm - theirs).max() < 1e-6

    inside = [winding(lump, point) > 0.5 for point in points[:200]]
    assert np.array_equal(ours.distance_mm[:200] < 0, inside)


def test_points_beyond_the_limit_have_no_distance_and_the_others_the_same(lump: Mesh) -> None:
    solid = DistanceTo(lump)
    points = np.random.default_rng(2).uniform(-60, 60, (500, 3))
    free, bound = solid.of(points).distance_mm, solid.of(points, limit_mm=5.0).distance_mm
    near = np.abs(free) < 5.0
    assert near.any() and not near.all()
    assert np.array_equal(np.isnan(bound), ~near)
    assert np.allclose(bound[near], free[near])


def test_a_ray_meets_a_ball_where_it_should() -> None:
    length = DistanceTo(ball(10.0, 5)).along(
        np.array([[0.0, 0, 30], [3.0, 0, 30], [20.0, 0, 30]]), -np.eye(3)[2], reach_mm=50
    )
    assert np.allclose(length[:2], [20.0, 30 - np.sqrt(91)], atol=0.02)
    assert length[2] == np.inf


def test_dividing_long_sides_leaves_a_mesh_closed_and_of_the_same_area_and_volume() -> None:
    coarse = block(40, 12, 3)
    fine = divided(coarse, 1.0, 50_000)
    assert is_closed(fine)
    assert fine.area_mm2 == pytest.approx(coarse.area_mm2, rel=1e-6)
    assert fine.volume_mm3 == pytest.approx(coarse.volume_mm3, rel=1e-6)
    corners = fine.points[fine.triangles]
    assert np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max() <= 1.0 + 1e-6
    assert np.array_equal(fine.points[: len(coarse.points)], coarse.points)


def test_the_share_of_a_triangle_below_a_level_is_that_of_many_points_in_it() -> None:
    rng = np.random.default_rng(3)
    corners = np.vstack([rng.uniform(-2, 2, (20, 3)), [[1, 1, 1], [0, 0, 1], [0, 1, 1], [-1, -1, -1]]])
    u, v = rng.random((2, 20_000))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    values = corners[:, :1] * (1 - u - v) + corners[:, 1:2] * u + corners[:, 2:] * v
    for level in (-0.5, 0.3, 1.0):
        assert np.allclose(share_below(corners, level), (values <= level).mean(axis=1), atol=0.02)


def test_a_ball_in_a_socket_has_the_gap_between_their_radii() -> None:
    live = LiveFit(ball(29.4, 5), socket(30.0), tolerance_mm=0.7)
    fit = live.at(np.eye(4))
    assert fit.gap_mm is not None and fit.contact_percent is not None
    assert fit.gap_mm.mean == pytest.approx(0.6, abs=0.02)
    assert fit.penetration_mm.max == 0.0
    assert fit.inside_percent == 0.0
    # The half of the ball that lies in the socket faces it.
    assert fit.fitting_mm2 == pytest.approx(2 * np.pi * 29.4**2, rel=0.05)
    assert fit.contact_percent > 95.0
    assert LiveFit(live.shape, live.bone, tolerance_mm=0.5).at(np.eye(4)).contact_percent == pytest.approx(0.0, abs=0.5)


def test_a_ball_pressed_into_a_socket_penetrates_by_the_shift_and_gapes_by_none_at_the_pole() -> None:
    fit = LiveFit(ball(29.5, 5), socket(30.0), tolerance_mm=0.5).at(pose(at=(0, 0, -0.8)))
    assert fit.penetration_mm.max == pytest.approx(0.3, abs=0.03)
    # By the angle from the pole the gap is 0.5 - 0.8 cos: 0.3 inside at the pole, outside from 51.3 degrees on.
    inside = 0.5 * (1 - 0.5 / 0.8)
    assert fit.inside_percent == pytest.approx(100 * inside, abs=1.5)


def test_only_the_underside_of_a_plate_is_its_fitting_surface() -> None:
    at = pose(turn((0.3, 1.0, -0.2), 0.7))
    slab = Mesh((block(100, 100, 20).points @ at[:3, :3].T).astype(np.float32), block(100, 100, 20).triangles)
    lifted = at @ pose(at=(0, 0, 10 + 1.5 + 0.4))
    fit = LiveFit(block(40, 10, 3), slab).at(lifted)
    assert fit.contact_percent == pytest.approx(100.0, abs=1e-3)
    assert fit.fitting_mm2 == pytest.approx(400.0, rel=1e-4)
    assert fit.gap_mm is not None
    assert (fit.gap_mm.mean, fit.gap_mm.p95, fit.gap_mm.max) == pytest.approx((0.4, 0.4, 0.4), abs=1e-4)
    everywhere = LiveFit(block(40, 10, 3), slab, surface="all").at(lifted)
    assert everywhere.fitting_mm2 == pytest.approx(1100.0, rel=1e-4)


def test_a_screw_deep_in_bone_faces_nothing_and_contact_is_not_assessed() -> None:
    fit = LiveFit(ball(3.0, 3), block(60, 60, 60)).at(np.eye(4))
    assert fit.contact_percent is None and fit.gap_mm is None
    assert fit.inside_percent == pytest.approx(100.0)
    # Deepest on the diagonals of the block, from where all its sides are equally far.
    assert fit.penetration_mm.max == pytest.approx(30.0 - 3.0 / np.sqrt(3.0), abs=0.25)


def test_the_bone_is_coloured_within_reach_with_the_same_sign() -> None:
    slab = divided(block(60, 60, 10), 2.0, 50_000)
    live = LiveFit(ball(8.0, 5), slab, reach_mm=4.0)
    fit = live.at(pose(at=(0, 0, 5 + 8 - 1.0)))
    top = np.argmin(np.linalg.norm(slab.points - (0, 0, 5), axis=1))
    assert fit.bone_mm[top] == pytest.approx(-1.0, abs=0.4)
    far = np.linalg.norm(slab.points - (0, 0, 12), axis=1) > 12.5
    assert np.isnan(fit.bone_mm[far]).all()
    assert np.isfinite(fit.bone_mm).sum() > 100


def test_an_open_or_empty_or_inverted_mesh_is_refused_with_a_sentence(lump: Mesh) -> None:
    with pytest.raises(BadInput, match="“Tibia” is open"):
        DistanceTo(Mesh(lump.points, lump.triangles[1:]), name="Tibia")
    with pytest.raises(BadInput, match="is empty"):
        Shape.of(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)))
    with pytest.raises(BadInput, match="inside out"):
        DistanceTo(Mesh(lump.points, lump.triangles[:, ::-1].copy()))


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.diag([2.0, 2, 2, 1]), "stretches"),
        (np.diag([-1.0, 1, 1, 1]), "mirrors"),
        (np.full((4, 4), np.nan), "4 x 4"),
        (np.eye(3), "4 x 4"),
        (np.ones((4, 4)), "last row"),
    ],
)
def test_a_pose_that_is_not_rigid_is_refused(matrix: np.ndarray, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        rigid(matrix)
