"""Offsets against spheres, and words that are read from outside."""

from __future__ import annotations

import numpy as np
import pytest

from surgitwin.surfaces import check_mesh
from surgitwin.surfaces.fields import Field, distances, grid_around, offset
from surgitwin.surfaces.lettering import engrave, text_size, text_solid
from surgitwin.surfaces.solids import box, sphere, standing

FAR = np.array([-112.4, 87.9, 604.6])


@pytest.mark.parametrize("by", [-4.0, 0.3, 3.0])
def test_a_sphere_grown_or_shrunk_is_the_sphere_of_the_other_radius(by: float) -> None:
    grown = offset(sphere(FAR, 20.0, sides=160).mesh(), by, spacing_mm=0.8)
    radii = np.linalg.norm(grown.points - FAR, axis=1)
    assert radii.min() > 20 + by - 0.06 and radii.max() < 20 + by + 0.06
    check = check_mesh(grown)
    assert check.closed and check.manifold and check.outward


def test_distances_are_those_of_a_box_inside_and_out() -> None:
    mesh = box([0, 0, 0], [20, 12, 8]).mesh()
    field = distances(mesh, grid_around(mesh, 0.7, 3.0), (0.0, 2.0, -2.0))
    for point, expected in (([10, 6, 10], 2.0), ([10, 6, 6], -2.0), ([22, 6, 4], 2.0), ([10, 14, 4], 2.0)):
        assert float(field.at(point)) == pytest.approx(expected, abs=0.02)


def test_a_grid_that_would_be_too_large_is_made_coarser() -> None:
    assert Field.over([0, 0, 0], [1000, 1000, 1000], 0.1).values.size < 14_000_000


def test_letters_stand_upright_and_are_not_mirrored_seen_from_above() -> None:
    letter = text_solid("L", 10.0, 1.0).mesh()
    width, height = text_size("L", 10.0)
    assert height == 10.0 and 4.0 < width < 9.0
    low = letter.points[letter.points[:, 1] < -4.0]
    high = letter.points[letter.points[:, 1] > 4.0]
    assert np.ptp(low[:, 0]) > 2.5 * np.ptp(high[:, 0])  # the foot of an L is below
    assert high[:, 0].max() < low[:, 0].mean()  # and its stem on the left


@pytest.mark.parametrize("outward", [[0, 0, 1], [0, 0, -1], [1, 0, 0], [0, -1, 0], [1, 2, -0.5]])
@pytest.mark.parametrize("raised", [False, True])
def test_words_on_any_side_of_a_body_are_read_from_outside(outward: list[float], raised: bool) -> None:
    frame = standing(FAR, outward)
    block = box([-20, -10, -3], [20, 10, 3], "block").moved(frame)
    words = engrave(block, "LF", facing=outward, depth_mm=0.8, raised=raised)
    change = (words.solid - block) if raised else (block - words.solid)
    assert words.place is not None and words.letters_mm is not None
    flat = text_solid("LF", words.letters_mm, 0.8)
    assert change.volume_mm3 == pytest.approx(flat.volume_mm3, rel=0.01)
    # Seen from outside, with right and up as they are read, what changed is the words as they are drawn.
    seen = change.moved(np.linalg.inv(standing(words.place.at_mm, words.place.outward, words.place.right)))
    drawn = flat.moved(np.eye(4) + np.outer(np.eye(4)[2], np.eye(4)[3]) * (0.0 if raised else -0.8))
    assert (seen & drawn).volume_mm3 == pytest.approx(flat.volume_mm3, rel=0.02)
    assert check_mesh(words.solid.mesh()).closed


def test_words_on_a_ball_have_one_depth() -> None:
    ball = sphere([0, 0, 0], 30.0, sides=120)
    words = engrave(ball, "AB 12", facing=[0, 0, 1], depth_mm=0.6)
    radii = np.linalg.norm((ball - words.solid).mesh().points, axis=1)
    assert radii.min() > 30 - 0.65 and words.notices == ()


def test_words_too_long_for_their_place_are_wrapped_made_smaller_and_said_to_be_small() -> None:
    words = engrave(box([0, 0, 0], [22, 14, 3]), "planning model, not for use in a patient", facing=[0, 0, 1])
    assert len(words.lines) > 1 and words.letters_mm is not None and words.letters_mm < 3.0
    assert [one.code for one in words.notices] == ["text-small"]


def test_words_that_fit_nowhere_are_left_out_and_it_is_said() -> None:
    cube = box([0, 0, 0], [2, 2, 2])
    words = engrave(cube, "planning model")
    assert [one.code for one in words.notices] == ["text-no-place"] and words.solid is cube
