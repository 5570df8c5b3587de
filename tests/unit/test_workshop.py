"""Bodies made ready for the printer: walls, drains, pegs, marks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.surfaces import check_mesh
from surgitwin.surfaces.solids import box, circle_sides, sphere
from surgitwin.surfaces.workshop import hollow, mark_text, on_base_plate, part_with_pegs


def test_a_hollow_ball_has_the_volume_of_its_shell_and_two_drains_that_open_its_cavity() -> None:
    ball = sphere([5, 6, 7], 25.0, sides=120)
    made = hollow(ball, 3.0, 5.0)
    shell = 4 / 3 * math.pi * (25**3 - 22**3)
    assert made.solid.volume_mm3 == pytest.approx(shell - 2 * math.pi * 2.5**2 * 3.0, rel=0.01)
    assert len(made.drains_mm) == 2 and made.trapped_ml == 0.0
    assert made.drains_mm[0] == pytest.approx([5, 6, -18], abs=1.5)
    check = check_mesh(made.solid.mesh())
    assert check.closed and check.manifold and check.shells == 1


def test_what_is_too_thin_to_be_hollow_is_refused() -> None:
    with pytest.raises(BadInput, match="nowhere thicker"):
        hollow(box([0, 0, 0], [30, 30, 4]), 2.5, 4.0)


def test_parts_have_pegs_and_sockets_with_the_clearance_and_fit_together() -> None:
    bar = box([0, 0, 0], [60, 20, 20], "bar")
    made = part_with_pegs(bar, [30, 0, 0], [1, 0, 0], 5.0, 0.25)
    sides = circle_sides(2.5)
    area = sides / 2 * math.sin(2 * math.pi / sides)
    assert len(made.places_mm) == 2 and made.notices == ()
    assert made.pegs.volume_mm3 == pytest.approx(12000 + 2 * area * 2.5**2 * 5.0, rel=1e-3)
    assert made.sockets.volume_mm3 == pytest.approx(12000 - 2 * area * 2.75**2 * 5.25, rel=1e-3)
    assert (made.pegs & made.sockets).volume_mm3 < 1e-6
    for part in (made.pegs, made.sockets):
        check = check_mesh(part.mesh())
        assert check.closed and check.manifold and not check.self_intersections
    with pytest.raises(BadInput, match="does not cut “bar”"):
        part_with_pegs(bar, [90, 0, 0], [1, 0, 0], 5.0, 0.25)


def test_a_cut_without_room_for_pegs_says_so() -> None:
    thin = part_with_pegs(box([0, 0, 0], [60, 20, 4]), [30, 0, 0], [1, 0, 0], 5.0, 0.2)
    assert [one.code for one in thin.notices] == ["no-room-for-pegs"] and not thin.places_mm


def test_a_base_plate_lies_below_and_holds_the_part() -> None:
    stood = on_base_plate(sphere([0, 0, 50], 10.0))
    low, high = stood.box_mm
    assert low == pytest.approx([-15, -15, 38], abs=0.01) and high[2] == pytest.approx(60, abs=0.01)
    assert len(stood.pieces()) == 1 and check_mesh(stood.mesh()).closed


def test_a_mark_names_the_side_only_if_it_is_known_and_says_mirrored() -> None:
    assert mark_text("Case 7", "left", "a1b2c3", mirrored=False) == "Case 7 L\na1b2c3"
    assert mark_text("Case 7", None, "a1b2c3", mirrored=False) == "Case 7\na1b2c3"
    assert mark_text("Case 7", "right", "a1b2c3", mirrored=True, part="1/2") == "Case 7 R\nMIRRORED a1b2c3 1/2"
    assert np.all(["L" not in mark_text("Case 7", None, "0", mirrored=False)])
