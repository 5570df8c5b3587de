"""Checks of meshes whose faults are known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from surgitwin.core.errors import Cancelled
from surgitwin.core.geometry import Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.surfaces import check as checking
from surgitwin.surfaces import check_mesh, is_closed, mask_surface, merge_vertices

CUBE_FACES = ((0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5))


def cube(size: float = 10.0, at: tuple[float, float, float] = (0.0, 0.0, 0.0), *, inside_out: bool = False) -> Mesh:
    corners = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], np.float32)
    triangles = np.array([t for a, b, c, d in CUBE_FACES for t in ((a, b, c), (a, c, d))], np.int32)
    if inside_out:
        triangles = triangles[:, ::-1].copy()
    return Mesh(corners * np.float32(size) + np.array(at, np.float32), triangles)


def together(*meshes: Mesh) -> Mesh:
    offsets = np.cumsum([0, *(len(mesh.points) for mesh in meshes)])
    points = np.concatenate([mesh.points for mesh in meshes])
    triangles = [mesh.triangles + np.int32(offset) for mesh, offset in zip(meshes, offsets[:-1], strict=True)]
    return Mesh(points, np.concatenate(triangles))


def test_a_cube_passes_every_check_with_its_true_volume_and_area() -> None:
    check = check_mesh(cube(), reference_ml=0.8)
    assert check.closed and check.manifold and check.outward
    assert check.self_intersections == 0 and check.shells == 1 and check.triangles == 12
    assert check.volume_ml == pytest.approx(1.0)
    assert check.area_mm2 == pytest.approx(600.0)
    assert check.volume_error_percent == pytest.approx(25.0)
    assert check.min_wall_mm is None


def test_a_missing_triangle_leaves_the_mesh_open_but_manifold() -> None:
    mesh = cube()
    check = check_mesh(Mesh(mesh.points, mesh.triangles[1:]))
    assert not check.closed and check.manifold


def test_a_mesh_inside_out_is_closed_but_does_not_point_outwards() -> None:
    check = check_mesh(cube(inside_out=True))
    assert check.closed and check.manifold and not check.outward
    assert check.volume_ml == pytest.approx(-1.0)


def test_one_triangle_turned_over_is_found() -> None:
    mesh = cube()
    triangles = mesh.triangles.copy()
    triangles[4] = triangles[4, ::-1]
    check = check_mesh(Mesh(mesh.points, triangles))
    assert check.closed and check.manifold and not check.outward
    assert not is_closed(Mesh(mesh.points, triangles))


def test_an_edge_with_four_triangles_is_neither_closed_nor_manifold() -> None:
    merged = merge_vertices(together(cube(), cube(at=(10, 10, 0))))
    check = check_mesh(merged)
    assert not check.closed and not check.manifold
    assert check.shells == 1


def test_two_parts_that_share_one_vertex_are_closed_but_not_manifold() -> None:
    merged = merge_vertices(together(cube(), cube(at=(10, 10, 10))))
    check = check_mesh(merged)
    assert len(merged.points) == 15
    assert check.closed and not check.manifold
    assert check.shells == 2


def test_a_cavity_counts_as_a_shell_and_takes_its_volume_away() -> None:
    check = check_mesh(together(cube(), cube(4.0, (3, 3, 3), inside_out=True)))
    assert check.closed and check.manifold and check.outward
    assert check.shells == 2
    assert check.volume_ml == pytest.approx(1.0 - 0.064)


def test_a_triangle_that_uses_a_vertex_twice_is_not_manifold() -> None:
    mesh = cube()
    check = check_mesh(Mesh(mesh.points, np.concatenate((mesh.triangles, [[0, 1, 1]])).astype(np.int32)))
    assert not check.closed and not check.manifold


def test_points_that_no_triangle_uses_change_nothing() -> None:
    mesh = together(Mesh(np.zeros((2, 3), np.float32), np.zeros((0, 3), np.int32)), cube(), cube(at=(20, 0, 0)))
    check = check_mesh(Mesh(np.concatenate((mesh.points, mesh.points[:3])), mesh.triangles))
    assert check.closed and check.manifold and check.outward and check.shells == 2


@pytest.mark.parametrize("fault", ["none", "turned", "missing", "pinched", "twice"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_short_way_for_proper_meshes_finds_what_the_long_way_finds(
    fault: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((7, 8, 9)) < 0.4
    mesh = mask_surface(mask, Geometry.from_parts((9, 8, 7), (0.7, 0.9, 1.3)), ctx=Context()).mesh
    triangles = mesh.triangles.copy()
    two = rng.choice(len(triangles), 2, replace=False)
    if fault == "turned":
        triangles[two] = triangles[two, ::-1]
    elif fault == "missing":
        triangles = np.delete(triangles, two, axis=0)
    elif fault == "pinched":
        ends = triangles[two, 0]
        triangles[triangles == ends.max()] = ends.min()
    elif fault == "twice":
        triangles = np.concatenate((triangles, triangles[two]))
    faulty = Mesh(mesh.points, triangles)

    short = check_mesh(faulty, intersections_up_to=0)
    monkeypatch.setattr(checking, "_shells_of_proper", lambda mesh, ctx: None)
    long = check_mesh(faulty, intersections_up_to=0)

    assert short == long
    assert (short.closed and short.manifold and short.outward) == (fault == "none")


def test_cubes_that_reach_into_each_other_intersect_and_cubes_beside_each_other_do_not() -> None:
    assert check_mesh(together(cube(), cube(at=(7.1, 6.2, 5.3)))).self_intersections == 12
    assert check_mesh(together(cube(), cube(at=(10.5, 0, 0)))).self_intersections == 0


def test_a_vertex_pushed_through_the_far_side_intersects_although_its_triangles_are_connected() -> None:
    k, i = np.mgrid[0:9, 0:9]
    top = np.stack((i.ravel(), k.ravel(), np.full(81, 1.0)), axis=1).astype(np.float32)
    quads = [(9 * r + c, 9 * r + c + 1, 9 * r + c + 10, 9 * r + c + 9) for r in range(8) for c in range(8)]
    up = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], np.int32)
    sheet = together(Mesh(top, up), Mesh(top * np.float32([1, 1, 0]), up[:, ::-1].copy()))
    assert check_mesh(sheet).self_intersections == 0
    sheet.points[40, 2] = -1.0
    assert (check_mesh(sheet).self_intersections or 0) > 0


def test_intersections_are_not_assessed_above_the_limit() -> None:
    assert check_mesh(cube(), intersections_up_to=11).self_intersections is None
    assert check_mesh(cube(), intersections_up_to=None).self_intersections == 0


def test_an_empty_mesh_is_not_closed() -> None:
    check = check_mesh(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)))
    assert not check.closed and check.shells == 0 and check.volume_ml == 0.0


def test_equal_coordinates_become_one_vertex_also_with_a_negative_zero() -> None:
    points = np.array([[0.0, 0, 0], [-0.0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    merged = merge_vertices(Mesh(points, np.array([[0, 2, 3], [1, 3, 2]], np.int32)))
    assert len(merged.points) == 3
    assert np.array_equal(np.sort(merged.points[merged.triangles[0]], axis=0), np.sort(points[[0, 2, 3]], axis=0))


def test_a_check_is_json_with_unit_and_frame() -> None:
    told = json.loads(json.dumps(check_mesh(cube()).as_json()))
    assert set(told) >= {"closed", "manifold", "self_intersections", "shells", "min_wall_mm", "volume_ml"}
    assert (told["unit"], told["frame"], told["volume_error_percent"]) == ("mm", "LPS", None)


def test_a_check_can_be_cancelled() -> None:
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        check_mesh(cube(), ctx=ctx)
