"""Poses: a point and a direction, slides and turns, a surface's normal, and the other side."""

from __future__ import annotations

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.implants import placement as pl
from surgitwin.implants.parametric.joints import AcetabularCup, FemoralStem
from surgitwin.implants.parametric.plain import Sphere
from surgitwin.implants.parametric.plates import StraightPlate
from surgitwin.implants.parametric.screws import PedicleScrew
from surgitwin.implants.poses import moved, rigid

SCREW = PedicleScrew().model()
WAYS = [(0, 0, 1), (0, 0, -1), (1, 0, 0), (-0.3, 2.0, 0.7), (1e-9, 0, -1)]


@pytest.mark.parametrize("way", WAYS)
def test_an_aimed_screw_has_its_entry_at_the_point_and_its_tip_along_the_direction(way: tuple[float, ...]) -> None:
    pose = rigid(pl.aimed(SCREW, (10, -20, 30), way))
    unit = np.asarray(way) / np.linalg.norm(way)
    assert moved(SCREW.reference_points_mm["entry"], pose) == pytest.approx((10, -20, 30))
    assert moved(SCREW.reference_points_mm["tip"], pose) == pytest.approx(np.array([10, -20, 30]) + 45 * unit)


def test_no_direction_is_refused() -> None:
    with pytest.raises(BadInput, match="direction"):
        pl.aimed(SCREW, (0, 0, 0), (0, 0, 0))
    with pytest.raises(BadInput, match="no axis “neck”; it has: main"):
        pl.axis_of(SCREW, "neck")


def test_sliding_and_turning_keep_to_their_axis() -> None:
    pose = pl.aimed(SCREW, (1, 2, 3), (0, 3, 4))
    slid = pl.slid(SCREW, pose, 5.0)
    assert slid[:3, 3] - pose[:3, 3] == pytest.approx((0, 3, 4))
    turned = pl.turned(SCREW, slid, 90.0)
    assert turned[:3, 2] == pytest.approx(slid[:3, 2]) and turned[:3, 0] == pytest.approx(slid[:3, 1])
    stem = FemoralStem().model()
    once = pl.turned(stem, np.eye(4), 30.0, "side")
    assert moved(pl.anchor(stem), once) == pytest.approx(pl.anchor(stem))  # about the centre of the head
    assert pl.turned(stem, once, -30.0, "side") == pytest.approx(np.eye(4))
    about_left = pl.turned(SCREW, np.eye(4), 90.0, (1.0, 0.0, 0.0))
    assert about_left[:3, 2] == pytest.approx((0, -1, 0))  # right-handed: superior goes to anterior


@pytest.mark.parametrize(
    ("item", "axis", "sign"),
    [(SCREW, "main", -1), (StraightPlate().model(), "out", 1), (AcetabularCup().model(), "main", 1)],
)
def test_what_is_laid_on_a_surface_points_away_from_bone(item: pl.ImplantModel, axis: str, sign: int) -> None:
    normal = np.array([0.6, 0.0, 0.8])
    pose = rigid(pl.laid_on(item, pl.aimed(item, (0, 0, 0), (1, 2, 3)), (4, 5, 6), normal))
    assert pose[:3, :3] @ pl.axis_of(item, axis) == pytest.approx(sign * normal)
    assert moved(pl.anchor(item), pose) == pytest.approx((4, 5, 6))


def test_a_screw_snaps_to_the_nearest_place_of_a_sphere_and_looks_to_its_centre() -> None:
    ball = Sphere(diameter_mm=60.0).mesh()
    pose = pl.snapped(SCREW, pl.aimed(SCREW, (0, 50, 0), (1, 1, 0)), ball)
    assert moved(pl.anchor(SCREW), pose) == pytest.approx((0, 30, 0), abs=0.05)
    assert pose[:3, 2] == pytest.approx((0, -1, 0), abs=0.05)


def test_the_other_side_is_the_mirror_image_to_the_point() -> None:
    stem = FemoralStem()
    item, mesh = stem.model(), stem.mesh()
    pose = pl.aimed(item, (30, -10, 5), (0.2, 0.3, -1))
    point, normal = np.array([3.0, 0, 0]), np.array([1.0, 0.1, 0.0])
    other = pl.on_other_side(pose, point, normal)
    mirrored = pl.mirrored_mesh(mesh)
    n = normal / np.linalg.norm(normal)
    there = moved(mesh.points, pose)
    image = there - 2 * ((there - point) @ n)[:, None] * n
    assert moved(mirrored.points, other) == pytest.approx(image, abs=1e-4)
    assert mirrored.volume_mm3 == pytest.approx(mesh.volume_mm3, rel=1e-6)  # its normals point outwards still
    head = pl.mirrored_model(item).reference_points_mm["centre"]
    was = moved(item.reference_points_mm["centre"], pose)
    assert moved(head, other) == pytest.approx(was - 2 * ((was - point) @ n) * n)


def test_a_plane_goes_through_its_landmarks_and_three_in_a_row_are_refused() -> None:
    place, normal = pl.plane_through([(2, 0, 0), (2, 5, 0), (2, 0, 7), (2, 3, 3)])
    assert abs(normal @ (1, 0, 0)) == pytest.approx(1.0) and place[0] == pytest.approx(2.0)
    with pytest.raises(BadInput, match="on one line"):
        pl.plane_through([(0, 0, 0), (1, 0, 0), (2, 0, 0)])
    with pytest.raises(BadInput, match="at least three"):
        pl.plane_through([(0, 0, 0), (1, 0, 0)])
