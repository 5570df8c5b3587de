"""A cup's angles in the three definitions, in frames that are tilted, on both sides."""

from __future__ import annotations

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.implants.cup import TABLE, Angles, axis_of, cup_angles, pelvic_plane
from surgitwin.implants.poses import turn

PELVIS = {
    "asis_right": (-120.0, -80.0, 60.0),
    "asis_left": (120.0, -80.0, 60.0),
    "pubic_tubercle_right": (-25.0, -80.0, -30.0),
    "pubic_tubercle_left": (25.0, -80.0, -30.0),
}


def tilted(angle_deg: float, axis: tuple[float, float, float] = (1.0, 0.0, 0.0)) -> dict[str, np.ndarray]:
    return {name: turn(axis, np.radians(angle_deg)) @ np.array(place) for name, place in PELVIS.items()}


def test_a_cup_of_40_and_15_radiographic_has_murrays_other_angles() -> None:
    found = cup_angles(axis_of(Angles(40.0, 15.0), "right", TABLE), "right", TABLE)
    assert (found.radiographic.inclination_deg, found.radiographic.anteversion_deg) == pytest.approx((40.0, 15.0))
    sin, cos, tan = (lambda d, f=f: f(np.radians(d)) for f in (np.sin, np.cos, np.tan))
    # Murray 1993: sin OI = sin RI cos RA, tan OA = tan RA / cos RI; cos AI = cos RI cos RA, tan AA = tan RA / sin RI.
    assert sin(found.operative.inclination_deg) == pytest.approx(sin(40) * cos(15))
    assert tan(found.operative.anteversion_deg) == pytest.approx(tan(15) / cos(40))
    assert cos(found.anatomic.inclination_deg) == pytest.approx(cos(40) * cos(15))
    assert tan(found.anatomic.anteversion_deg) == pytest.approx(tan(15) / sin(40))
    assert found.operative.as_json() == pytest.approx({"inclination_deg": 38.38, "anteversion_deg": 19.28}, abs=0.01)
    assert found.anatomic.as_json() == pytest.approx({"inclination_deg": 42.27, "anteversion_deg": 22.63}, abs=0.01)
    assert found.in_safe_zone


@pytest.mark.parametrize("inclination", [25.0, 45.0, 60.0])
@pytest.mark.parametrize("anteversion", [-10.0, 0.0, 30.0])
def test_angles_come_back_in_an_oblique_frame_on_both_sides(inclination: float, anteversion: float) -> None:
    frame = pelvic_plane(tilted(37.0, (0.5, -0.4, 1.0)))
    for side in ("left", "right"):
        axis = axis_of(Angles(inclination, anteversion), side, frame)
        found = cup_angles(3.0 * axis, side, frame).radiographic
        assert (found.inclination_deg, found.anteversion_deg) == pytest.approx((inclination, anteversion))


def test_the_left_cup_has_the_angles_of_its_mirror_image() -> None:
    axis = np.array([-0.6, -0.25, -0.7])
    right, left = cup_angles(axis, "right", TABLE), cup_angles(axis * (-1, 1, 1), "left", TABLE)
    assert right.operative == left.operative and right.anatomic == left.anatomic
    assert cup_angles(axis, "left", TABLE).radiographic.inclination_deg < 0


@pytest.mark.parametrize("tilt", [-15.0, 0.0, 12.0])
def test_the_pelvic_tilt_is_told_and_changes_the_table_angles_only(tilt: float) -> None:
    # About the x axis, to the left, a positive turn takes the top (z) forward (-y).
    frame = pelvic_plane(tilted(tilt))
    assert frame.tilt_deg == pytest.approx(tilt)
    axis = axis_of(Angles(45.0, 20.0), "right", frame)
    assert cup_angles(axis, "right", frame).radiographic.anteversion_deg == pytest.approx(20.0)
    on_table = cup_angles(axis, "right", TABLE).operative.anteversion_deg
    # Tilting a pelvis forward by one degree takes one degree off the operative anteversion.
    assert on_table == pytest.approx(cup_angles(axis, "right", frame).operative.anteversion_deg - tilt)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"asis_left": None}, "missing: asis_left"),
        ({"asis_left": (-119.0, -80.0, 60.0)}, "20 mm"),
        ({"asis_left": PELVIS["asis_right"], "asis_right": PELVIS["asis_left"]}, "do not agree"),
        ({"pubic_tubercle_left": (25, -80, 55), "pubic_tubercle_right": (-25, -80, 60)}, "on a line"),
        ({"asis_left": (np.nan, 0, 0)}, "not a place"),
    ],
)
def test_landmarks_that_make_no_pelvis_are_refused(change: dict, words: str) -> None:
    given = {name: place for name, place in {**PELVIS, **change}.items() if place is not None}
    with pytest.raises(BadInput, match=words):
        pelvic_plane(given)


def test_a_cup_without_an_axis_is_refused() -> None:
    with pytest.raises(BadInput, match="no axis"):
        cup_angles((0, 0, 0), "left", TABLE)
