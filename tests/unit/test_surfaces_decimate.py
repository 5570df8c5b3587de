"""Decimated meshes: fewer triangles, still closed, the same volume and shape."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.surfaces import check_mesh, decimate, is_closed, mask_surface, merge_vertices
from surgitwin.surfaces.decimate import bending_mm


def ball(radius: float = 14.0) -> Mesh:
    size = int(2 * radius) + 5
    k, j, i = np.indices((size, size, size)) - size // 2
    mask = np.sqrt(i**2 + j**2 + k**2) <= radius
    return mask_surface(mask, Geometry.from_parts((size, size, size)), ctx=Context()).mesh


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_a_decimated_sphere_has_the_wanted_triangles_is_closed_and_keeps_its_volume(share: float) -> None:
    mesh = ball()
    wanted = int(share * len(mesh.triangles))
    fewer = decimate(mesh, wanted, Context())
    assert wanted - 2 <= len(fewer.triangles) <= wanted
    check = check_mesh(fewer, reference_ml=mesh.volume_ml)
    assert check.closed and check.manifold and check.outward and check.self_intersections == 0
    assert abs(check.volume_error_percent or 0.0) < 0.1
    assert is_closed(merge_vertices(fewer))


def test_a_decimated_sphere_stays_round() -> None:
    mesh = ball()
    fewer = decimate(mesh, 600, Context())
    centre = mesh.points.mean(axis=0)
    distance = np.linalg.norm(fewer.points - centre, axis=1)
    assert distance.std() < 0.2
    assert distance.mean() == pytest.approx(14.0, abs=0.3)


def test_random_voxels_stay_closed_and_manifold_with_all_their_shells_and_handles() -> None:
    mask = np.random.default_rng(2).random((12, 12, 12)) < 0.4
    mesh = mask_surface(mask, Geometry.from_parts((12, 12, 12)), ctx=Context()).mesh
    fewer = decimate(mesh, len(mesh.triangles) // 3, Context())
    assert len(fewer.triangles) < 0.5 * len(mesh.triangles)
    before, after = check_mesh(mesh, intersections_up_to=0), check_mesh(fewer, intersections_up_to=0)
    assert after.closed and after.manifold
    assert after.shells == before.shells
    euler = [len(m.points) - len(m.triangles) // 2 for m in (mesh, fewer)]
    assert euler[0] == euler[1]


def test_a_shape_that_cannot_shrink_further_is_returned_closed() -> None:
    mesh = decimate(ball(4.0), 4, Context())
    assert is_closed(mesh) and 4 <= len(mesh.triangles) <= 12


def test_a_mesh_that_is_small_enough_is_returned_as_it_is() -> None:
    mesh = ball(4.0)
    assert decimate(mesh, len(mesh.triangles), Context()) is mesh


def test_an_open_mesh_and_too_few_triangles_are_refused() -> None:
    mesh = ball(4.0)
    with pytest.raises(BadInput, match="closed"):
        decimate(Mesh(mesh.points, mesh.triangles[1:]), 100, Context())
    with pytest.raises(BadInput, match="at least 4"):
        decimate(mesh, 3, Context())


def test_decimation_can_be_cancelled() -> None:
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        decimate(ball(4.0), 50, ctx)


def test_the_bending_of_a_ball_and_of_a_pipe_is_their_curvature_times_their_area() -> None:
    ball = trimesh.creation.icosphere(subdivisions=5, radius=20.0).apply_translation((300, -900, 40))
    ring = trimesh.creation.torus(60.0, 2.0, major_sections=800, minor_sections=48)
    for shape, expected in ((ball, 4 * np.pi * 20.0), (ring, 2 * np.pi * (2 * np.pi * 60.0))):
        mesh = Mesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int32))
        assert bending_mm(mesh) == pytest.approx(expected, rel=0.02)
