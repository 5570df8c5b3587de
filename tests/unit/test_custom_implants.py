"""Plates, guides and patches on bones whose shape is known."""

from __future__ import annotations

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.implants.custom.guide import GuideSettings, make_guide
from surgitwin.implants.custom.patch import PatchSettings, make_patch
from surgitwin.implants.custom.plate import PlateSettings, make_plate
from surgitwin.implants.custom.symmetry import judged, plane_of_landmarks, symmetry_plane
from surgitwin.surfaces import check_mesh
from surgitwin.surfaces.solids import Solid, box, cylinder, sphere, standing

FAR = np.array([-112.4, 87.9, 604.6])


def fit_to_print(mesh: Mesh) -> bool:
    check = check_mesh(mesh)
    return check.closed and check.manifold and check.outward and not check.self_intersections


def test_a_plate_on_a_ball_has_its_thickness_and_keeps_its_gap() -> None:
    bone = sphere(FAR, 40.0, sides=96).mesh()
    patch = sphere(FAR + np.array([0, 0, 40]), 10.0).mesh()
    made = make_plate(bone, patch, PlateSettings(thickness_mm=2.0, gap_mm=0.3, holes=0), reach_mm=0.0, ctx=Context())
    radii = np.linalg.norm(made.mesh.points - FAR, axis=1)
    assert radii.min() == pytest.approx(40.3, abs=0.05) and radii.max() == pytest.approx(42.3, abs=0.05)
    assert made.numbers["thickness_mm"]["min"] == pytest.approx(2.0, abs=0.08)  # type: ignore[index]
    assert made.numbers["gap_mm"]["min"] >= 0.29  # type: ignore[index]
    assert fit_to_print(made.mesh)


def test_a_plate_on_a_flat_bone_has_the_volume_of_a_slab_with_a_round_rim_and_holes() -> None:
    bone = box([-40, -30, -10], [40, 30, 0], "bone").mesh()
    patch = box([-25, -8, -2], [25, 8, 2]).mesh()
    plain = make_plate(bone, patch, PlateSettings(holes=0), reach_mm=0.0, ctx=Context())
    t, w, d = 2.0, 50.0, 16.0
    slab = w * d * t + np.pi / 4 * t**2 * (w + d) + np.pi / 6 * t**3
    low, high = plain.mesh.points.min(axis=0), plain.mesh.points.max(axis=0)
    assert low == pytest.approx([-26, -9, 0.2], abs=0.12) and high == pytest.approx([26, 9, 2.2], abs=0.12)
    assert plain.mesh.volume_mm3 == pytest.approx(slab, rel=0.03)  # what the words took is in there
    holed = make_plate(bone, patch, PlateSettings(holes=3, hole_mm=3.0), reach_mm=0.0, ctx=Context())
    holes = [point for name, point in holed.points_mm.items() if name.startswith("hole")]
    assert sorted(round(x) for x, _, _ in holes) == pytest.approx([-17, 0, 17], abs=1)
    for x, y, _ in holes:
        near = np.linalg.norm(holed.mesh.points[:, :2] - [x, y], axis=1)
        assert near.min() == pytest.approx(1.5, abs=0.03)
    assert fit_to_print(holed.mesh) and check_mesh(holed.mesh).shells == 1


def test_a_plate_is_refused_where_its_patch_is_off_the_bone() -> None:
    bone = box([-40, -30, -10], [40, 30, 0], "bone").mesh()
    with pytest.raises(BadInput, match="does not lie on the bone"):
        make_plate(bone, sphere([0, 0, 60], 5).mesh(), PlateSettings(), ctx=Context())


@pytest.mark.parametrize("tilt", [[1.0, 0.0, 0.0], [1.0, 0.0, 0.35]])
def test_the_slot_of_a_guide_carries_the_planned_plane(tilt: list[float]) -> None:
    frame = standing(FAR, [0.2, -0.4, 1.0])
    shaft = cylinder([-60, 0, 0], [60, 0, 0], 13.0, name="bone").moved(frame)
    normal, point = frame[:3, :3] @ np.array(tilt), (frame @ [4.0, 0.0, 0.0, 1.0])[:3]
    top = (frame @ [4.0, 0.0, 13.0, 1.0])[:3]
    settings = GuideSettings(length_mm=32.0, width_mm=24.0, slot_mm=1.2, clearance_mm=0.25, spacing_mm=0.7)
    made = make_guide(shaft.mesh(), point, normal, settings, top, Context())
    across = normal / np.linalg.norm(normal)
    heights = (made.mesh.points.astype(float) - point) @ across
    for side in (-1, 1):
        wall = made.mesh.points[np.abs(heights - side * 0.6) < 0.02].astype(float)
        assert len(wall) >= 4
        spread = np.linalg.svd(wall - wall.mean(axis=0))
        angle = np.degrees(np.arccos(min(abs(spread[2][2] @ across), 1.0)))
        assert angle < 0.05 and (wall.mean(axis=0) - point) @ across == pytest.approx(side * 0.6, abs=0.01)
    assert not (np.abs(heights) < 0.55).any() or fit_to_print(made.mesh)
    assert made.numbers["clearance_mm"]["min"] == pytest.approx(0.25, abs=0.05)  # type: ignore[index]
    assert fit_to_print(made.mesh)
    # It comes off along its way out: moved away, it meets nothing of the bone.
    way = np.array(made.axes["main"])
    for step in (1.0, 5.0, 12.0):
        away = np.eye(4)
        away[:3, 3] = step * way
        assert (Solid.of(made.mesh).moved(away) & shaft).volume_mm3 < 0.5


def test_a_guide_is_refused_where_the_plane_misses_the_bone_or_the_place_is_far_off() -> None:
    bone = sphere(FAR, 20.0).mesh()
    with pytest.raises(BadInput, match="does not meet the bone"):
        make_guide(bone, FAR + 50.0, [0, 0, 1], GuideSettings(), None, Context())
    with pytest.raises(BadInput, match="mm from where the plane meets the bone"):
        make_guide(bone, FAR, [0, 0, 1], GuideSettings(), FAR + np.array([100.0, 0, 0]), Context())


def skull(defect: Solid | None = None, more: Solid | None = None) -> Solid:
    """An ellipsoid shell, tilted, with a ridge in its midline and bumps on both sides."""
    outer = sphere([0, 0, 0], 1.0, sides=96).moved(np.diag([43.0, 56.0, 46.0, 1.0]))
    whole = outer - sphere([0, 0, 0], 1.0, sides=96).moved(np.diag([37.0, 50.0, 40.0, 1.0]))
    whole = whole + (
        box([-3, -60, -14], [3, -48, 17]) + box([-42, -21, -35], [-33, 4, -29]) + box([33, -21, -35], [42, 4, -29])
    )
    whole = whole + more if more is not None else whole
    tilted = (whole - defect if defect is not None else whole).moved(TILT)
    return tilted.called("skull")


TILT = standing([5.0, -7.0, 30.0], [0.08, -0.05, 1.0], [1.0, 0.07, 0.0])


def test_the_mirror_plane_of_a_tilted_skull_is_found_although_a_piece_is_missing() -> None:
    cut = skull(HOLE)
    plane = symmetry_plane(refined(cut))
    angle = np.degrees(np.arccos(min(abs(float(plane.normal @ TILT[:3, 0])), 1.0)))
    assert angle < 0.5 and abs(float((TILT[:3, 3] - plane.point_mm) @ plane.normal)) < 0.5
    assert plane.mean_mm < 1.5 and plane.automatic


HOLE = cylinder([20, 0, 20], [60, 0, 60], 14.0)


def test_a_defect_cut_from_a_skull_is_restored() -> None:
    whole, cut = skull(), skull(HOLE)
    mesh = refined(cut)
    plane = judged(mesh, TILT[:3, 3], TILT[:3, 0], automatic=False)
    made = make_patch(
        mesh, plane, PatchSettings(gap_mm=0.5, hole_mm=1.5, hole_every_mm=6.0, spacing_mm=0.7), None, Context()
    )
    removed = whole - cut
    patch = Solid.of(made.mesh)
    assert fit_to_print(made.mesh) and check_mesh(made.mesh).shells == 1
    assert (patch & removed).volume_mm3 > 0.97 * patch.volume_mm3
    gap = np.pi * 2 * 14.0 * 6.0 * 0.5
    assert removed.volume_mm3 - patch.volume_mm3 < gap + 0.12 * removed.volume_mm3
    assert made.numbers["gap_mm"]["min"] >= 0.45  # type: ignore[index]
    assert 0.45 <= nearest(made.mesh, mesh) < 0.75
    assert made.numbers["to_mirrored_mm"]["mean"] < 0.15  # type: ignore[index]
    assert made.numbers["holes"] > 2  # type: ignore[operator]
    assert not {"defect-unsure", "patch-thin", "patch-gap"} & {notice.code for notice in made.notices}


def nearest(one: Mesh, other: Mesh) -> float:
    """By VTK: the smallest distance of one's corners to the other."""
    import pyvista

    there = pyvista.PolyData(one.points)
    skin = pyvista.PolyData.from_regular_faces(other.points, other.triangles)
    return float(np.abs(there.compute_implicit_distance(skin)["implicit_distance"]).min())


def test_what_the_healthy_side_has_more_of_is_left_out_where_the_skull_has_bone() -> None:
    # A lump inside the healthy side's wall that reaches from where the other side's hole is to a good way beyond.
    lump = sphere([-34.0, 13.0, 25.0], 10.0, sides=40) & sphere([0, 0, 0], 1.0).moved(np.diag([41.0, 54.0, 44.0, 1.0]))
    mesh = refined(skull(HOLE, lump))
    plane = judged(mesh, TILT[:3, 3], TILT[:3, 0], automatic=False)
    coarse = PatchSettings(refit_mm=0.0, spacing_mm=1.0)
    made = make_patch(mesh, plane, coarse, None, Context())
    upright = np.linalg.inv(TILT)
    points = made.mesh.points.astype(float) @ upright[:3, :3].T + upright[:3, 3]
    axis = np.array([1.0, 0.0, 1.0]) / np.sqrt(2.0)
    off = np.linalg.norm(points - (points @ axis)[:, None] * axis, axis=1)
    assert 13.0 < off.max() < 14.3


def test_a_hole_in_thin_bone_is_found() -> None:
    thin = sphere([0, 0, 0], 1.0, sides=80).moved(np.diag([43.0, 56.0, 46.0, 1.0]))
    thin = thin - sphere([0, 0, 0], 1.0, sides=80).moved(np.diag([41.2, 54.2, 44.2, 1.0]))
    mesh = refined((thin - HOLE).called("skull"))
    plane = judged(mesh, [0.0, 0.0, 0.0], [1.0, 0.0, 0.0], automatic=False)
    made = make_patch(mesh, plane, PatchSettings(refit_mm=0.0, spacing_mm=0.7), None, Context())
    # The bone is 1.8 mm thick, the patch as thick as the thinnest that was asked for.
    assert made.mesh.volume_mm3 == pytest.approx(np.pi * 13.5**2 * 2.0, rel=0.15)
    assert made.numbers["thickness_mm"]["median"] == pytest.approx(2.0, abs=0.2)  # type: ignore[index]
    assert made.numbers["gap_mm"]["min"] >= 0.45  # type: ignore[index]


def test_a_skull_without_a_defect_is_refused() -> None:
    mesh = refined(skull())
    with pytest.raises(BadInput, match="No defect was found"):
        make_patch(mesh, judged(mesh, TILT[:3, 3], TILT[:3, 0], automatic=False), PatchSettings(), None, Context())
    with pytest.raises(BadInput, match="three places"):
        plane_of_landmarks(mesh, [[0, 0, 0], [0, 1, 0]])
    with pytest.raises(BadInput, match="on one line"):
        plane_of_landmarks(mesh, [[0, 0, 0], [0, 10, 0], [0, 20, 0]])


def refined(solid: Solid) -> Mesh:
    """Points everywhere, as surfaces of images have them."""
    return Solid(solid.body.refine_to_length(4.0), solid.name).mesh()
