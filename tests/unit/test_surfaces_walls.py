"""Smallest walls are held against shapes whose wall is known, and the plate against boxes."""

from __future__ import annotations

import numpy as np
import pytest

from surgitwin.core.mesh import Mesh
from surgitwin.surfaces import solids
from surgitwin.surfaces.walls import find_walls, oriented_to_fit


def turned() -> np.ndarray:
    """An oblique place far from the origin."""
    return solids.standing((180.0, -240.0, 900.0), (0.3, 0.5, 0.8), (1.0, 0.2, 0.0))


def mesh_of(solid: solids.Solid) -> Mesh:
    return solid.moved(turned()).mesh()


@pytest.mark.parametrize("thickness", [0.4, 1.0, 3.7])
def test_the_wall_of_a_slab_is_its_thickness(thickness: float) -> None:
    walls = find_walls(mesh_of(solids.box((0, 0, 0), (30, 20, thickness))), samples=4000)
    assert walls.thinnest_mm == pytest.approx(thickness, abs=1e-3)
    assert walls.too_thin_percent is None


def test_the_wall_of_a_tube_and_of_a_shell_is_the_difference_of_their_radii() -> None:
    tube = solids.cylinder((0, 0, 0), (0, 0, 30), 8.0) - solids.cylinder((0, 0, -1), (0, 0, 31), 7.2)
    # The polygons of the two circles have corners at different angles, each within 0.01 mm of its circle.
    assert find_walls(mesh_of(tube), samples=8000).thinnest_mm == pytest.approx(0.8, abs=0.012)
    shell = solids.sphere((0, 0, 0), 10.0, sides=160) - solids.sphere((0, 0, 0), 9.5, sides=160)
    assert find_walls(mesh_of(shell), samples=20_000).thinnest_mm == pytest.approx(0.5, abs=0.006)


def test_a_wedge_is_as_thick_as_the_sphere_that_fits_in_it() -> None:
    # A prism of 15 degrees whose edge is cut off where a sphere of 2 mm diameter still fits.
    angle = np.radians(15.0)
    near = 1.0 / np.tan(angle / 2)
    ring = [(near, 0.0), (60.0, 0.0), (60.0, 60.0 * np.tan(angle)), (near, near * np.tan(angle))]
    walls = find_walls(mesh_of(solids.extrude([ring], 40.0)), samples=40_000)
    assert walls.thinnest_mm == pytest.approx(2.0, rel=0.02)


def test_the_edges_of_a_box_are_not_walls() -> None:
    assert find_walls(mesh_of(solids.box((0, 0, 0), (10, 20, 30))), samples=5000).thinnest_mm == pytest.approx(10.0)


def test_the_thinnest_place_is_named_and_its_share_of_the_surface() -> None:
    # A block of 10 mm with a blind hole of 4 mm across that leaves 0.6 mm at its floor.
    block = solids.box((0, 0, 0), (20, 20, 10)) - solids.cylinder((14, 6, 0.6), (14, 6, 11), 2.0)
    walls = find_walls(block.mesh(), 1.0, samples=20_000)
    assert walls.thinnest_mm == pytest.approx(0.6, abs=1e-3)
    assert walls.at_mm is not None
    x, y, z = walls.at_mm
    assert np.hypot(x - 14, y - 6) < 2.1 and z == pytest.approx(0.3, abs=0.01)
    both_sides = 2 * np.pi * 4 / block.mesh().area_mm2 * 100
    assert walls.too_thin_percent == pytest.approx(both_sides, rel=0.15)
    assert walls.spacing_mm == pytest.approx(np.sqrt(block.mesh().area_mm2 / 20_000))


def test_a_mesh_that_is_inside_out_or_empty_has_no_wall_instead_of_a_thin_one() -> None:
    box = solids.box((0, 0, 0), (10, 20, 30)).mesh()
    assert find_walls(Mesh(box.points, box.triangles[:, ::-1].copy()), samples=500).thinnest_mm is None
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert find_walls(empty).thinnest_mm is None


def box_of(*size: float) -> Mesh:
    return solids.box((7.0, -20.0, 300.0), (7.0 + size[0], size[1] - 20.0, 300.0 + size[2])).mesh()


def test_a_part_fits_as_it_lies_or_with_another_axis_upright_or_not_at_all() -> None:
    found = oriented_to_fit(box_of(100, 50, 20), (250, 210, 220))
    assert found is not None and (found.up, found.turned_deg) == (2, 0.0) and np.allclose(found.matrix, np.eye(3))
    found = oriented_to_fit(box_of(100, 50, 300), (145, 320, 185))
    assert found is not None and found.up != 2 and found.size_mm[1] == pytest.approx(300.0)
    assert oriented_to_fit(box_of(100, 50, 300), (145, 145, 185)) is None


def test_a_part_longer_than_the_plate_fits_from_corner_to_corner_and_the_matrix_says_how() -> None:
    # A bar of 10 mm fits a square of 100 mm from corner to corner up to 100 sqrt(2) - 10 mm.
    bar = box_of(130, 10, 10)
    found = oriented_to_fit(bar, (100.0, 100.0, 50.0))
    assert found is not None and found.turned_deg not in (0.0, 90.0)
    assert np.linalg.det(found.matrix) == pytest.approx(1.0) and np.allclose(found.matrix @ found.matrix.T, np.eye(3))
    size = np.ptp(bar.points.astype(float) @ found.matrix.T, axis=0)
    assert size == pytest.approx(found.size_mm, abs=1e-3) and (size <= [100.0, 100.0, 50.0]).all()
    assert oriented_to_fit(box_of(132.5, 10, 10), (100.0, 100.0, 50.0)) is None
