"""Screws at known offsets in a synthetic vertebra: every grade, every direction, both sides, oblique."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.implant_shapes import block, meshed

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.implants.distance import DistanceTo
from surgitwin.implants.pedicle import ScrewFit, canal_middle, grade_of, screw_fit
from surgitwin.implants.poses import moved, placed, turn

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = turn((0.4, 0.2, 1.0), 0.5)
OBLIQUE[:3, 3] = (30.0, -200.0, 900.0)
HALF_WIDE = 6.0  # of the pedicle, medial to lateral; 9 from caudal to cranial
RADIUS = 3.0


def vertebra() -> Mesh:
    """Body (40 x 30 x 26), pedicles (12 x 14 x 18) and a block behind them; y runs back."""
    import trimesh

    def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> trimesh.Trimesh:
        return trimesh.creation.box(bounds=(low, high))

    parts = [box((-22, -30, -13), (22, 0, 13)), box((-23, 13, -13), (23, 27, 13))]
    parts += [box((side * 14 - HALF_WIDE, -1, -9), (side * 14 + HALF_WIDE, 14, 9)) for side in (-1, 1)]
    return meshed(trimesh.boolean.union(parts, engine="manifold"))


@pytest.fixture(scope="module")
def bones() -> dict[str, DistanceTo]:
    whole = vertebra()
    return {"straight": DistanceTo(whole), "oblique": DistanceTo(placed(whole, OBLIQUE))}


def screw(bones: dict[str, DistanceTo], x: float, z: float = 0.0, pose: str = "straight", **more: object) -> ScrewFit:
    """A screw of 6 mm from behind straight through the pedicle, at x and z."""
    ends = np.array([[x, 27.0, z], [x, -15.0, z]])
    up = (0.0, 0.0, 1.0)
    if pose == "oblique":
        ends, up = moved(ends, OBLIQUE), tuple(OBLIQUE[:3, 2])
    return screw_fit(bones[pose], *ends, RADIUS, voxel_mm=0.5, up=up, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("pose", ["straight", "oblique"])
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize(
    ("off", "grade"), [(0.0, "A"), (3.0, "A"), (4.5, "B"), (5.0, "C"), (6.9, "C"), (8.0, "D"), (9.5, "E")]
)
def test_a_screw_at_a_known_offset_has_its_breach_and_grade(
    bones: dict[str, DistanceTo], pose: str, side: int, off: float, grade: str
) -> None:
    found = screw(bones, side * (14 - off), pose=pose)
    breach = max(0.0, off + RADIUS - HALF_WIDE)
    assert found.breach_mm == pytest.approx(breach, abs=2e-4)
    assert found.grade == grade
    assert found.found_by == "narrowest"
    assert found.pedicle_mm == pytest.approx((14.0, 27.0), abs=0.51)
    if off:
        assert found.direction == "medial"


@pytest.mark.parametrize(
    ("x", "z", "way"), [(19.0, 0.0, "lateral"), (9.0, 0.0, "medial"), (14.0, 8.0, "cranial"), (14.0, -8.0, "caudal")]
)
@pytest.mark.parametrize("pose", ["straight", "oblique"])
@pytest.mark.parametrize("side", [-1, 1])
def test_the_breach_has_a_direction(
    bones: dict[str, DistanceTo], pose: str, side: int, x: float, z: float, way: str
) -> None:
    found = screw(bones, side * x, z, pose)
    assert found.direction == way
    assert found.breach_mm == pytest.approx(2.0, abs=2e-4)


def test_what_is_left_of_the_wall_is_told_where_nothing_is_breached(bones: dict[str, DistanceTo]) -> None:
    found = screw(bones, 13.0)
    assert found.wall_mm == pytest.approx(2.0, abs=1e-5)
    assert found.grades_possible == ("A",)


def test_a_breach_near_a_limit_says_which_grades_are_possible(bones: dict[str, DistanceTo]) -> None:
    assert screw(bones, 14 - 4.9).grades_possible == ("B", "C")


def test_the_tip_and_the_entry_are_told_apart_and_not_graded(bones: dict[str, DistanceTo]) -> None:
    found = screw_fit(bones["straight"], (14, 27, 0), (14, -34, 0), RADIUS, voxel_mm=0.5)
    assert found.grade == "A"
    assert found.tip_breach_mm == pytest.approx(4.0, abs=1e-5)
    assert found.entry_breach_mm is not None and found.entry_breach_mm >= 3.0 - 1e-6  # half the screw is out there


def test_without_a_waist_nothing_is_graded_unless_it_is_given(bones: dict[str, DistanceTo]) -> None:
    ends = ((0.0, 5.0, 0.0), (0.0, -25.0, 0.0))
    lost = screw_fit(bones["straight"], *ends, RADIUS, voxel_mm=0.5)
    assert lost.grade is None and lost.breach_mm is None and lost.found_by == "not found"
    given = screw_fit(bones["straight"], *ends, RADIUS, voxel_mm=0.5, pedicle_mm=(10.0, 20.0))
    assert given.grade == "A" and given.found_by == "given"
    with pytest.raises(BadInput, match="is not on the screw"):
        screw_fit(bones["straight"], *ends, RADIUS, voxel_mm=0.5, pedicle_mm=(50.0, 60.0))


def test_exactly_two_millimetres_is_c() -> None:
    grades = [grade_of(breach) for breach in (0.0, 1e-3, 1.999, 2.0, 3.999, 4.0, 5.999, 6.0, 20.0)]
    assert grades == ["A", "B", "B", "C", "C", "D", "D", "E", "E"]


@pytest.mark.parametrize("side", [-1, 1])
def test_medial_is_towards_the_canal_at_the_screws_height_when_it_is_given(
    bones: dict[str, DistanceTo], side: int
) -> None:
    """A canal that leans: beside the screw at its height, across the middle line far above."""
    import trimesh

    # Lateral to both pedicles at z = 0, which no canal is, so that it must overrule the vertebra's middle.
    leaning = np.array([[side * 40.0, 7.0, 0.0], [-side * 200.0, 7.0, 60.0]])
    tube = meshed(trimesh.creation.cylinder(6.0, segment=leaning + (leaning[0] - leaning[1]) * [[0.3], [0.0]]))
    middle = canal_middle(tube, (side * 19.0, 7.0, 0.0), (0.0, 0.0, 1.0))
    assert middle == pytest.approx(leaning[0], abs=0.1)
    without, given = screw(bones, side * 19.0), screw(bones, side * 19.0, canal=tube)
    assert (without.direction, given.direction) == ("lateral", "medial")
    assert given.breach_mm == without.breach_mm


def test_a_canal_that_does_not_reach_the_screw_counts_as_a_whole() -> None:
    assert canal_middle(block(4, 4, 4), (10, 0, 50), (0, 0, 1)) == pytest.approx((0, 0, 0), abs=1e-6)
    with pytest.raises(BadInput, match="no surface"):
        canal_middle(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)), (0, 0, 0), (0, 0, 1))


def test_a_screw_without_length_is_refused(bones: dict[str, DistanceTo]) -> None:
    with pytest.raises(BadInput, match="no length"):
        screw_fit(bones["straight"], (0, 0, 0), (0, 0, 0), RADIUS, voxel_mm=0.5)
