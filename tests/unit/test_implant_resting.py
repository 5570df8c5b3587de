"""Volumes, overhang and collisions of an implant at rest, against analytic answers."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.implant_shapes import ball, block, pose, socket

from surgitwin.core.mesh import Mesh
from surgitwin.implants.fit import LiveFit
from surgitwin.implants.poses import placed, turn
from surgitwin.implants.resting import collision, gap_ml, overhang, overlap_ml


def test_the_gap_between_a_ball_and_its_socket_has_the_volume_of_half_a_shell() -> None:
    live = LiveFit(ball(29.0, 5), socket(30.0), tolerance_mm=0.5)
    here = pose(at=(0, 0, 0.0))
    volume = gap_ml(live, here, live.distances(here), live.at(here))
    assert volume == pytest.approx(2 / 3 * np.pi * (30.0**3 - 29.0**3) / 1000, rel=0.04)


def test_two_balls_share_a_lens() -> None:
    lens = np.pi * (2 * 10 - 12) ** 2 * (12**2 + 4 * 12 * 10) / (12 * 12) / 1000
    assert overlap_ml(ball(10.0, 5), placed(ball(10.0, 5), pose(at=(12, 0, 0)))) == pytest.approx(lens, rel=0.02)


@pytest.mark.parametrize("angle", [0.0, 0.8])
def test_a_plate_past_the_edge_of_a_bone_overhangs_by_what_was_pushed(angle: float) -> None:
    spin = pose(turn((1, 2, 0.5), angle)) if angle else np.eye(4)
    live = LiveFit(block(40, 10, 3), placed(block(100, 100, 20), spin))
    # The plate's end is at 33.3 + 20 = 53.3 mm, the edge of the bone at 50.
    here = spin @ pose(at=(33.3, 0, 10 + 1.5 + 0.2))
    found = overhang(live, here, live.distances(here), live.at(here))
    assert found is not None
    assert found.overhang_mm == pytest.approx(3.3, abs=0.02)
    assert found.covered_percent == pytest.approx(100 * 36.7 / 40, abs=4)
    inside = spin @ pose(at=(0, 0, 11.7))
    assert overhang(live, inside, live.distances(inside), live.at(inside)).overhang_mm == 0.0  # type: ignore[union-attr]


def test_what_is_clear_and_what_collides_is_told_with_distance_and_volume() -> None:
    clear = collision(ball(5.0, 4), placed(block(10, 10, 10), pose(at=(0, 0, 12))), "Aorta")
    assert not clear.collides
    assert clear.distance_mm == pytest.approx(2.0, abs=0.01)
    assert clear.overlap_ml == 0.0
    hit = collision(ball(5.0, 4), placed(block(20, 20, 20), pose(at=(0, 0, 10))), "Aorta")
    assert hit.collides and hit.distance_mm == 0.0
    assert hit.overlap_ml == pytest.approx(2 / 3 * np.pi * 125 / 1000, rel=0.02)


def test_an_open_structure_has_no_overlap_volume() -> None:
    whole = block(20, 20, 20)
    assert overlap_ml(ball(5.0, 3), Mesh(whole.points, whole.triangles[1:])) is None
