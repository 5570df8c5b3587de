"""What is mended of a mesh, what is refused, and how far a mesh lies from its segment."""

from __future__ import annotations

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.surfaces import mask_surface, solids
from surgitwin.surfaces.check import check_mesh, is_closed
from surgitwin.surfaces.deviation import deviation, voxel_faces
from surgitwin.surfaces.fields import Field
from surgitwin.surfaces.repair import Repaired, boundary_loops, repair
from surgitwin.surfaces.winding import winding

BALL = solids.sphere((40.0, -70.0, 300.0), 12.0, sides=40).mesh()
COS, SIN = np.cos(0.4), np.sin(0.4)
FLIPPED = np.array([[COS, -SIN, 0.0], [SIN, COS, 0.0], [0.0, 0.0, -1.0]])  # left-handed


def together(*meshes: Mesh) -> Mesh:
    offsets = np.cumsum([0, *(len(mesh.points) for mesh in meshes)])
    triangles = [mesh.triangles + int(offset) for mesh, offset in zip(meshes, offsets[:-1], strict=True)]
    return Mesh(np.concatenate([mesh.points for mesh in meshes]), np.concatenate(triangles).astype(np.int32))


def without_cap(mesh: Mesh, height_mm: float) -> Mesh:
    top = mesh.points[mesh.triangles][:, :, 2].min(axis=1) > mesh.points[:, 2].max() - height_mm
    return Mesh(mesh.points, mesh.triangles[~top])


def codes(repaired: Repaired) -> list[str]:
    return [step.code for step in repaired.steps]


def test_a_sound_mesh_is_left_as_it_is() -> None:
    repaired = repair(BALL)
    assert repaired.steps == () and repaired.problems == ()
    assert repaired.mesh.volume_mm3 == pytest.approx(BALL.volume_mm3, rel=1e-6)


def test_loose_triangles_turned_ones_and_doubled_ones_become_a_closed_ball_again() -> None:
    loose = BALL.points[BALL.triangles].reshape(-1, 3)
    triangles = np.arange(len(loose), dtype=np.int32).reshape(-1, 3)
    triangles[5:200] = triangles[5:200, ::-1]
    triangles = np.concatenate((triangles, triangles[20:25], [[0, 0, 1]])).astype(np.int32)
    repaired = repair(Mesh(loose, triangles))
    assert codes(repaired) == ["merged-points", "dropped-faces", "turned-faces"]
    assert [step.count for step in repaired.steps] == [len(loose) - len(BALL.points), 6, 195]
    assert repaired.problems == () and is_closed(repaired.mesh)
    assert repaired.mesh.volume_mm3 == pytest.approx(BALL.volume_mm3, rel=1e-6)


def test_small_holes_are_closed_and_a_large_one_is_refused_with_its_size() -> None:
    small = without_cap(BALL, 0.5)
    (rim,) = boundary_loops(small)
    assert repair(small).problems  # 6.8 mm across
    repaired = repair(small, hole_mm=8.0)
    assert codes(repaired) == ["filled-holes"] and repaired.problems == () and repaired.check.closed
    assert repaired.mesh.volume_mm3 == pytest.approx(BALL.volume_mm3, rel=0.01)
    large = repair(without_cap(BALL, 6.0))
    (problem,) = large.problems
    assert "It is open: 1 holes are left, the largest 2" in problem  # a circle 6 mm below the top is 20.8 mm across
    assert len(rim) > 3


def test_specks_go_but_a_small_part_alone_stays() -> None:
    specks = [solids.sphere((x, -70.0, 300.0), 0.8, sides=24).mesh() for x in (60.0, 70.0)]
    repaired = repair(together(BALL, *specks))
    assert codes(repaired) == ["dropped-shells"] and repaired.check.shells == 1
    assert repaired.steps[0].count == 2
    assert repair(specks[0]).check.shells == 1


def test_a_body_inside_out_is_turned_and_a_cavity_is_left() -> None:
    turned = Mesh(BALL.points, BALL.triangles[:, ::-1].copy())
    assert repair(turned).mesh.volume_mm3 == pytest.approx(BALL.volume_mm3, rel=1e-6)
    cavity = solids.sphere((40.0, -70.0, 300.0), 6.0, sides=40).mesh()
    shell = together(turned, cavity)  # both the wrong way round
    repaired = repair(shell)
    assert codes(repaired) == ["turned-shells"] and repaired.steps[0].count == 2
    assert repaired.mesh.volume_mm3 == pytest.approx(BALL.volume_mm3 - cavity.volume_mm3, rel=1e-6)
    assert repair(repaired.mesh).steps == ()


def test_shells_that_cross_are_united() -> None:
    other = solids.sphere((50.0, -70.0, 300.0), 12.0, sides=40).mesh()
    assert check_mesh(together(BALL, other)).self_intersections
    repaired = repair(together(BALL, other))
    assert codes(repaired) == ["united-shells"]
    assert repaired.check.self_intersections == 0 and repaired.check.shells == 1 and repaired.problems == ()
    # Two balls of radius r whose centres lie d apart: V = 4/3 pi r^3 + pi d (r^2 - d^2 / 12).
    expected = 4 / 3 * np.pi * 12**3 + np.pi * 10 * (12**2 - 100 / 12)
    assert repaired.mesh.volume_mm3 == pytest.approx(expected, rel=0.015)  # of 40 sides


def coil(turns_deg: float, size: float = 1.0) -> Mesh:
    """A closed tube of radius 5 mm bent to a ring of radius 20 mm and on, so that its end lies in its start."""
    angles, round_ = np.linspace(0, np.radians(turns_deg), 97), np.linspace(0, 2 * np.pi, 24, endpoint=False)
    s, t = (one.ravel() for one in np.meshgrid(angles, round_, indexing="ij"))
    points = np.column_stack(((20 + 5 * np.cos(t)) * np.cos(s), (20 + 5 * np.cos(t)) * np.sin(s), 5 * np.sin(t)))
    points = np.vstack((points, [[20, 0, 0], [20 * np.cos(angles[-1]), 20 * np.sin(angles[-1]), 0]])) * size
    rows = np.arange(97 * 24).reshape(97, 24)
    p, q, u, v = rows[:-1], rows[1:], np.roll(rows[1:], -1, axis=1), np.roll(rows[:-1], -1, axis=1)
    first, last = len(points) - 2, len(points) - 1
    sides = [np.stack(three, axis=-1).reshape(-1, 3) for three in ((p, q, u), (p, u, v))]
    ends = zip(rows[0], np.roll(rows[0], -1), rows[-1], np.roll(rows[-1], -1), strict=True)
    caps = [[[first, a, b], [last, d, c]] for a, b, c, d in ends]
    triangles = np.concatenate((*sides, np.reshape(caps, (-1, 3)))).astype(np.int32)
    mesh = Mesh(points.astype(np.float32), triangles)
    return mesh if mesh.volume_mm3 > 0 else Mesh(mesh.points, np.ascontiguousarray(triangles[:, ::-1]))


def test_a_shell_that_crosses_itself_is_made_anew_around_all_that_it_encloses() -> None:
    crossed = coil(375.0)
    check = check_mesh(crossed)
    assert check.closed and check.manifold and check.self_intersections and check.shells == 1
    repaired = repair(crossed)
    assert codes(repaired) == ["made-anew"] and repaired.problems == ()
    assert repaired.check.self_intersections == 0 and repaired.check.shells == 1
    # What both ends share counts once: a whole torus, V = 2 pi^2 R r^2, here of 24 by 97 sides.
    outline = 12 * np.sin(2 * np.pi / 24) * 25.0
    assert repaired.mesh.volume_mm3 == pytest.approx(outline * 2 * np.pi * 20.0, rel=0.01)
    assert "lies up to 0." in repaired.steps[-1].message


def test_a_shell_that_crosses_itself_and_is_too_large_to_be_made_anew_is_refused() -> None:
    (problem,) = repair(coil(375.0, size=8.0)).problems
    assert "crosses itself" in problem


def test_winding_numbers_tell_outside_inside_and_overlap() -> None:
    both = together(solids.box((0, 0, 0), (10, 10, 10)).mesh(), solids.box((5, 2, 2), (15, 8, 8)).mesh())
    grid = Field.over((-3.0, -3.0, -3.0), (18.0, 13.0, 13.0), 1.0)
    points = grid.points(np.ones(grid.values.shape, np.bool_)) + 3e-4
    expected = sum(((points > low) & (points < high)).all(axis=1).astype(int) for low, high in (
        ((0, 0, 0), (10, 10, 10)), ((5, 2, 2), (15, 8, 8))))  # fmt: skip
    assert np.array_equal(winding(both, grid).ravel(), expected)


def test_a_surface_that_meets_itself_along_an_edge_is_refused() -> None:
    one, two = solids.box((0, 0, 0), (10, 10, 10)).mesh(), solids.box((10, 10, 0), (20, 20, 10)).mesh()
    problems = repair(together(one, two)).problems
    assert problems and "meets itself along an edge" in problems[0]


def test_nothing_and_points_that_are_nowhere_are_refused() -> None:
    with pytest.raises(BadInput, match="nothing to print"):
        repair(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)))
    bad = BALL.points.copy()
    bad[3] = np.nan
    with pytest.raises(BadInput, match="not numbers"):
        repair(Mesh(bad, BALL.triangles))
    sheet = np.array([[0, 1, 2], [0, 2, 1]], np.int32)
    with pytest.raises(BadInput, match="encloses nothing"):
        repair(Mesh(np.eye(3, dtype=np.float32), sheet))


def test_the_faces_of_voxels_enclose_their_volume_on_an_oblique_flipped_grid() -> None:
    geometry = Geometry.from_parts((20, 18, 12), (0.7, 0.9, 1.6), (-31.5, 12.0, 100.0), FLIPPED)
    mask = np.zeros(geometry.shape_kji, np.bool_)
    mask[2:12, 0:15, 4:17] = True  # at two edges of the image
    faces = voxel_faces(mask, geometry)
    i, j, k = 13, 15, 10
    assert len(faces.triangles) == 4 * (i * j + j * k + k * i)
    area = 2 * (i * 0.7 * j * 0.9 + j * 0.9 * k * 1.6 + k * 1.6 * i * 0.7)
    assert faces.area_mm2 == pytest.approx(area, rel=1e-5)
    low = geometry.to_index(faces.points).min(axis=0)
    assert low == pytest.approx((3.5, -0.5, 1.5), abs=1e-3)


def test_a_surface_moved_by_a_millimetre_lies_a_millimetre_off() -> None:
    box = solids.box((0, 0, 0), (30, 20, 10)).mesh()
    moved = Mesh(box.points + np.float32([0, 0, 1.0]), box.triangles)
    found = deviation(moved, box, samples=3000)
    assert found.max_mm == pytest.approx(1.0, abs=1e-3) and found.p95_mm == pytest.approx(1.0, abs=1e-3)
    assert deviation(box, box, samples=500).max_mm == pytest.approx(0.0, abs=1e-4)


def test_the_surface_of_a_segment_lies_within_a_voxel_of_its_faces() -> None:
    geometry = Geometry.from_parts((24, 24, 16), (0.8, 0.8, 1.2), (5.0, -9.0, 40.0), FLIPPED)
    k, j, i = np.indices(geometry.shape_kji)
    centre = geometry.centre_mm
    far = np.linalg.norm(geometry.to_lps(np.stack((i, j, k), -1).reshape(-1, 3)) - centre, axis=1)
    mask = (far < 7.0).reshape(geometry.shape_kji)
    found = deviation(mask_surface(mask, geometry, ctx=Context()).mesh, voxel_faces(mask, geometry), samples=4000)
    assert 0.05 < found.p95_mm < 0.8 and found.max_mm < 1.2
