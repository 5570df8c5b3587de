"""Landmarks and ICP find known poses again, and say what they cannot know."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.implant_shapes import ball, block, bone, meshed, pose, socket

from surgitwin.core.errors import BadInput
from surgitwin.implants.distance import DistanceTo
from surgitwin.implants.poses import inverse, moved, placed, turn
from surgitwin.implants.registration import by_landmarks, by_surface, with_targets
from surgitwin.implants.shape import Shape

KNOWN = pose(turn((0.4, -1.0, 0.3), 0.9), (31.0, -12.0, 140.0))


def test_landmarks_find_a_known_pose_and_are_missed_by_nothing() -> None:
    places = np.random.default_rng(4).uniform(-40, 40, (5, 3))
    found = by_landmarks(places, moved(places, KNOWN), weights=[1, 2, 3, 1, 1])
    assert np.allclose(found.matrix, KNOWN, atol=1e-9)
    assert found.max_mm < 1e-9
    assert found.tre_mm is not None and found.tre_mm < 1e-9
    assert found.tre_from == "leave-one-out"


def test_a_heavy_landmark_is_met_more_closely() -> None:
    places = np.array([[0.0, 0, 0], [50, 0, 0], [0, 50, 0], [0, 0, 50]])
    targets = places + np.array([[2.0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    light, heavy = by_landmarks(places, targets), by_landmarks(places, targets, weights=[50, 1, 1, 1])
    missed = [np.linalg.norm(moved(places[0], one.matrix) - targets[0]) for one in (light, heavy)]
    assert missed[1] < 0.2 * missed[0]


def test_three_landmarks_leave_no_error_to_tell() -> None:
    places = np.array([[0.0, 0, 0], [50, 0, 0], [0, 50, 0]])
    assert by_landmarks(places, moved(places, KNOWN)).tre_mm is None


def test_too_few_or_collinear_landmarks_are_refused() -> None:
    line = np.array([[0.0, 0, 0], [10, 10, 10], [20, 20, 20], [35, 35, 35]])
    with pytest.raises(BadInput, match="too few"):
        by_landmarks(line[:2], line[:2])
    with pytest.raises(BadInput, match="on a line"):
        by_landmarks(line, line)


@pytest.mark.parametrize("angle", [0.05, 0.25])
def test_icp_finds_a_known_pose_of_the_same_surface(angle: float) -> None:
    lump = bone()
    fixed = DistanceTo(placed(lump, KNOWN))
    start = KNOWN @ pose(turn((1, 2, -1), angle), (2.0, -1.5, 1.0))
    found = by_surface(Shape.of(lump), fixed, start, match="same", within_mm=30.0)
    assert np.abs(moved(lump.points, found.matrix) - moved(lump.points, KNOWN)).max() < 0.02
    assert found.rms_mm < 0.01
    assert found.loose == ()
    targets = lump.points[[5, 300, 900]]
    told = with_targets(found, targets, moved(targets, KNOWN) + np.array([0.0, 0.0, 1.5]))
    assert told.tre_mm == pytest.approx(1.5, abs=0.02)
    assert told.tre_from == "unused"


def test_icp_ignores_a_part_that_the_other_surface_lacks() -> None:
    import trimesh

    body = meshed(
        trimesh.util.concatenate(
            [
                trimesh.Trimesh(bone().points, bone().triangles),
                trimesh.creation.icosphere(3, 4).apply_translation((0, 0, 60)),
            ]
        )
    )
    start = KNOWN @ pose(turn((0, 1, 1), 0.1), (1.0, 1.0, -1.0))
    found = by_surface(Shape.of(body), DistanceTo(placed(bone(), KNOWN)), start, match="same", within_mm=8.0)
    assert np.abs(found.matrix - KNOWN).max() < 0.05
    assert found.paired_percent is not None and found.paired_percent < 99.0


def test_a_ball_in_a_socket_finds_its_centre_and_says_that_it_can_turn() -> None:
    found = by_surface(Shape.of(ball(20.0, 4)), DistanceTo(socket(20.3)), pose(at=(1.5, -1.0, 1.0)))
    assert np.abs(found.matrix[:2, 3]).max() < 0.05
    # Least squares of 0.3 - s cos over half a ball: s = 0.3 mean(cos) / mean(cos^2) = 0.3 (1/2) / (1/3).
    assert found.matrix[2, 3] == pytest.approx(-0.45, abs=0.04)
    assert sorted(one.kind for one in found.loose) == ["turn", "turn", "turn"]
    assert found.notices()[0].code == "registration-loose"


def test_a_plate_on_a_flat_bone_can_slide_two_ways_and_turn_one() -> None:
    found = by_surface(Shape.of(block(40, 10, 3)), DistanceTo(block(120, 120, 20)), pose(at=(4.0, 3.0, 14.0)))
    assert found.matrix[2, 3] == pytest.approx(11.5, abs=1e-3)
    assert found.matrix[:2, 3] == pytest.approx((4.0, 3.0), abs=1e-3)
    assert sorted(one.kind for one in found.loose) == ["slide", "slide", "turn"]
    turns = [one.direction for one in found.loose if one.kind == "turn"]
    assert abs(turns[0][2]) == pytest.approx(1.0, abs=1e-3)


def test_icp_far_from_the_bone_is_refused() -> None:
    with pytest.raises(BadInput, match="Place it nearer"):
        by_surface(Shape.of(block(40, 10, 3)), DistanceTo(block(120, 120, 20)), pose(at=(0, 0, 200)))


def test_the_inverse_of_a_pose_undoes_it() -> None:
    assert np.allclose(inverse(KNOWN) @ KNOWN, np.eye(4), atol=1e-12)
