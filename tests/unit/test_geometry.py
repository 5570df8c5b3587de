"""Voxel indices and LPS millimetres, with odd spacings, oblique and flipped axes."""

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry, letter_of, lps_to_ras


def oblique(flip: bool = False) -> Geometry:
    angle = np.deg2rad(20)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    if flip:
        turn = turn @ np.diag([1, 1, -1])
    return Geometry.from_parts((7, 5, 3), (0.7, 1.3, 3.1), (-12.5, 40.0, 99.0), turn)


@pytest.mark.parametrize("flip", [False, True])
def test_an_index_survives_the_way_to_millimetres_and_back(flip: bool) -> None:
    geometry = oblique(flip)
    points = np.array([[0, 0, 0], [6, 4, 2], [1.5, 2.25, 0.1]])
    assert np.allclose(geometry.to_index(geometry.to_lps(points)), points, atol=1e-12)


def test_spacing_and_direction_come_back_from_the_affine() -> None:
    geometry = oblique(flip=True)
    assert np.allclose(geometry.spacing_mm, (0.7, 1.3, 3.1))
    assert geometry.left_handed
    assert np.allclose(geometry.direction.T @ geometry.direction, np.eye(3))


def test_a_crop_keeps_every_voxel_where_it_is() -> None:
    geometry = oblique()
    box = Box((2, 1, 1), (6, 4, 3))
    assert np.allclose(geometry.cropped(box).to_lps((0, 0, 0)), geometry.to_lps((2, 1, 1)))
    assert geometry.cropped(box).size_ijk == (4, 3, 2)


def test_the_box_of_a_mask_is_tight_and_in_ijk_order() -> None:
    mask = np.zeros((3, 5, 7), dtype=bool)
    mask[1, 2, 3] = mask[2, 4, 6] = True
    box = Box.of_mask(mask)
    assert box == Box((3, 2, 1), (7, 5, 3))
    assert mask[box.slices].sum() == 2
    assert box.touches_edge((7, 5, 3))


def test_a_degenerate_grid_is_refused_in_words() -> None:
    with pytest.raises(BadInput, match="degenerate"):
        Geometry.from_parts((2, 2, 2), (1, 0, 1))


def test_ras_and_lps_differ_in_the_sign_of_x_and_y() -> None:
    assert np.allclose(lps_to_ras(np.eye(4)) @ [1, 2, 3, 1], [-1, -2, 3, 1])


def test_letters_name_the_side_that_an_axis_points_to() -> None:
    assert Geometry.from_parts((2, 2, 2)).axis_letters() == "LPS"
    assert [letter_of(v) for v in ((-1, 0, 0), (0, -1, 0.2), (0, 0, -1))] == ["R", "A", "I"]
