"""The margin all over a cut, laid flat."""

from __future__ import annotations

import numpy as np
import pytest

from surgitwin.core.geometry import Box, Geometry
from surgitwin.resection.cut_map import (
    MarginClass,
    cut_map,
    margin_classes,
    margin_limits,
    plane_points,
    uncertainty_mm,
)
from surgitwin.resection.margins import LesionSurface

TURN = np.linalg.qr(np.array([[0.8, -0.5, 0.2], [0.5, 0.7, -0.1], [-0.1, 0.3, -0.9]]))[0]
GRIDS = {
    "odd": Geometry.from_parts((60, 50, 30), (0.9, 1.1, 2.3), (-27.0, -27.0, -34.0), np.eye(3)),
    "oblique": Geometry.from_parts((60, 50, 40), (1.0, 1.2, 1.7), tuple(-TURN @ [30.0, 30.0, 34.0]), TURN),
}


def ball(grid: Geometry, centre: tuple[float, float, float], radius: float) -> np.ndarray:
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape_kji), indexing="ij")
    return np.linalg.norm(grid.to_lps(np.stack([i, j, k], axis=-1)) - centre, axis=-1) <= radius


@pytest.mark.parametrize("name", GRIDS)
def test_a_plane_beside_a_ball_has_the_margin_of_the_formula_at_every_point(name: str) -> None:
    grid = GRIDS[name]
    organ, lesion = ball(grid, (0, 0, 0), 22.0), ball(grid, (0, 0, 0), 6.0)
    normal, offset = np.array([0.6, 0.0, 0.8]), -11.0
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape_kji), indexing="ij")
    removed = organ & (grid.to_lps(np.stack([i, j, k], axis=-1)) @ normal > offset)
    box = grid.full_box
    points = plane_points(offset * normal, normal, box, grid)

    found = cut_map(points, [LesionSurface.of(lesion, box, grid)], organ, removed, box, grid)

    assert np.abs(points @ normal - offset).max() < 1e-9
    truth = np.linalg.norm(points, axis=-1) - 6.0
    half_voxel = np.linalg.norm(grid.spacing_mm) / 2
    assert np.abs(found.distance_mm - truth).max() < half_voxel
    disc = np.linalg.norm(points - offset * normal, axis=-1)
    edge = np.sqrt(22.0**2 - offset**2)
    assert found.on_cut[disc < edge - 3.5].all() and not found.on_cut[disc > edge + 3.5].any()
    row, column = found.nearest or (-1, -1)
    assert disc[row, column] < 4.0
    assert found.step_mm == (pytest.approx(2.0), pytest.approx(2.0))


def test_where_the_other_side_is_removed_too_there_is_no_cut() -> None:
    grid = GRIDS["odd"]
    organ = ball(grid, (0, 0, 0), 20.0)
    points = plane_points(np.zeros(3), np.array([0.0, 1.0, 0.0]), grid.full_box, grid)

    found = cut_map(points, [], organ, organ, grid.full_box, grid)

    assert not found.on_cut.any() and found.nearest is None
    assert np.isinf(found.distance_mm).all()


def test_the_classes_are_below_unsure_and_safe_around_the_wish() -> None:
    distance = np.array([[0.5, 7.0, 9.5, 10.5, 12.0, 3.0]])
    on_cut = np.array([[True, True, True, True, True, False]])

    classes = margin_classes(distance, on_cut, margin_limits(10.0, 1.0))

    names = ["BELOW", "BELOW", "UNSURE", "UNSURE", "SAFE", "NO_CUT"]
    assert classes[0].tolist() == [MarginClass[name] for name in names]


def test_without_a_wish_only_what_may_be_below_one_millimetre_is_marked() -> None:
    distance = np.array([[0.9, 1.2, 1.6, 8.0]])

    classes = margin_classes(distance, np.ones((1, 4), dtype=bool), margin_limits(None, 0.5))

    assert classes[0].tolist() == [MarginClass.BELOW, MarginClass.UNSURE, MarginClass.SAFE, MarginClass.SAFE]


def test_below_one_millimetre_is_marked_even_where_the_uncertainty_is_large() -> None:
    assert margin_classes(np.array([[0.9]]), np.array([[True]]), margin_limits(None, 5.0))[0, 0] == MarginClass.BELOW


def test_the_uncertainty_joins_half_a_voxel_and_the_registrations_error_in_quadrature() -> None:
    grid = Geometry.from_parts((4, 4, 4), (1.0, 1.0, 6.0), (0, 0, 0), np.eye(3))

    assert uncertainty_mm(grid) == pytest.approx(3.0)
    assert uncertainty_mm(grid, 4.0) == pytest.approx(5.0)


def test_looking_along_the_normal_inferior_is_down_and_columns_run_to_the_right() -> None:
    grid = GRIDS["odd"]
    points = plane_points(np.zeros(3), np.array([0.0, 1.0, 0.0]), grid.full_box, grid)

    down, along = points[1, 0] - points[0, 0], points[0, 1] - points[0, 0]
    assert np.allclose(down, [0, 0, -2.0])
    # From the front, looking to the back, the patient's left (+x) is to the viewer's right.
    assert np.allclose(along, [2.0, 0, 0])


def test_a_cropped_box_gives_the_same_map() -> None:
    grid = GRIDS["odd"]
    organ, lesion = ball(grid, (0, 0, 0), 18.0), ball(grid, (5, 0, 0), 4.0)
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape_kji), indexing="ij")
    removed = organ & (grid.to_lps(np.stack([i, j, k], axis=-1))[..., 0] > 0)
    box = Box.of_mask(organ)
    points = plane_points(np.zeros(3), np.array([1.0, 0, 0]), box, grid)
    surface = LesionSurface.of(lesion, grid.full_box, grid)

    whole = cut_map(points, [surface], organ, removed, grid.full_box, grid)
    part = cut_map(points, [surface], organ[box.slices], removed[box.slices], box, grid)

    assert np.array_equal(whole.on_cut, part.on_cut) and np.array_equal(whole.distance_mm, part.distance_mm)
