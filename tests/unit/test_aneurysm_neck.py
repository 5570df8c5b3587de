"""The neck of a sac on its vessel, found on straight, oblique and flipped grids of odd spacing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aneurysms import GRIDS, Phantom, sac_on, sac_on_fork
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.simulators.aneurysm.closing import close_sac
from surgitwin.simulators.aneurysm.morphology import HEMISPHERE, measure
from surgitwin.simulators.aneurysm.neck import Neck, find_neck
from surgitwin.simulators.aneurysm.parent import parent_diameter
from surgitwin.simulators.aneurysm.plane import NeckPlane
from surgitwin.simulators.aneurysm.stump import with_stump
from surgitwin.simulators.aneurysm.variation import SHAPE_VALUES, Site, extremes, varied
from surgitwin.surfaces import mask_surface
from surgitwin.vessels.tree import Branch, VesselTree


def neck_of(phantom: Phantom) -> Neck:
    return find_neck(phantom.sac, phantom.parent, phantom.geometry)


def site_of(phantom: Phantom) -> Site:
    neck = neck_of(phantom)
    stump = with_stump(phantom.sac, phantom.parent, phantom.geometry, neck)
    mesh = mask_surface(stump.mask, phantom.geometry, stump.box, ctx=Context()).mesh
    return Site(mesh, neck, stump)


def degrees_between(neck: Neck, direction: object) -> float:
    return math.degrees(math.acos(min(1.0, float(np.dot(neck.plane.normal, np.asarray(direction))))))


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("radius", [2.0, 4.0])
def test_the_plane_of_a_flat_neck_lies_where_it_is_and_points_into_the_sac(name: str, radius: float) -> None:
    phantom = sac_on(GRIDS[name], vessel_radius_mm=None, radius_mm=radius, centre_up_mm=0.55 * radius)
    neck = neck_of(phantom)
    voxel = max(phantom.geometry.spacing_mm)

    assert degrees_between(neck, phantom.up) < 3.0
    assert abs((np.array(neck.plane.point_mm) - phantom.base_mm) @ phantom.up) < 0.25 * voxel
    sideways = np.array(neck.plane.point_mm) - phantom.base_mm
    assert np.linalg.norm(sideways - sideways @ phantom.up * phantom.up) < 0.5 * voxel
    assert neck.rms_mm < 0.35 * voxel
    assert 2 * math.sqrt(neck.projected_mm2 / math.pi) == pytest.approx(2 * phantom.neck_radius_mm, abs=0.6 * voxel)
    assert neck.plane.heights(neck.dome_mm[None])[0] == pytest.approx(phantom.height_mm, abs=voxel)
    assert neck.notices == ()


@pytest.mark.parametrize("name", GRIDS)
def test_the_neck_on_a_round_vessel_points_away_from_its_axis(name: str) -> None:
    phantom = sac_on(GRIDS[name], vessel_radius_mm=2.0)
    neck = neck_of(phantom)

    assert degrees_between(neck, phantom.up) < 6.0
    assert neck.rms_mm > 0.2  # a saddle, as the vessel is round
    assert -2.0 < (np.array(neck.plane.point_mm) - phantom.base_mm) @ phantom.up < 0.1


@pytest.mark.parametrize("name", GRIDS)
def test_the_neck_at_a_fork_lies_across_the_sac_and_is_told_to_be_no_plane(name: str) -> None:
    phantom = sac_on_fork(name)
    site = site_of(phantom)

    assert degrees_between(site.neck, phantom.up) < 6.0
    assert [notice.code for notice in site.neck.notices] == ["neck-not-flat"]
    shape = site.shape(site.neck.plane)
    assert shape.necks == 1
    assert shape.aspect_ratio == pytest.approx(0.84, abs=0.04)
    voxels = np.count_nonzero(phantom.sac) * phantom.geometry.voxel_volume_mm3
    assert 0.93 * voxels < shape.volume_mm3 < voxels  # what hangs down beside the branches lies below the plane


def test_one_voxel_along_the_normal_is_the_spacing_of_the_axis_that_it_follows() -> None:
    sac, parent = np.zeros((12, 10, 9), np.bool_), np.zeros((12, 10, 9), np.bool_)
    sac[6:10, 2:8, 2:7], parent[2:6, 1:9, 1:8] = True, True
    geometry = Geometry.from_parts((9, 10, 12), (0.4, 0.5, 0.9), (3.0, 4.0, 5.0))
    neck = find_neck(sac, parent, geometry)

    assert neck.step_mm == pytest.approx(0.9)
    assert neck.plane.normal == pytest.approx((0, 0, 1))
    assert neck.plane.point_mm == pytest.approx((3 + 4 * 0.4, 4 + 4.5 * 0.5, 5 + 5.5 * 0.9))
    assert neck.projected_mm2 == pytest.approx(5 * 0.4 * 6 * 0.5)
    assert neck.rms_mm == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize(("radius", "up"), [(4.0, 2.2), (3.0, 1.5), (2.0, 1.2), (4.0, 0.0)])
def test_a_sac_closed_at_its_neck_is_the_cap_that_it_is(name: str, radius: float, up: float) -> None:
    phantom = sac_on(GRIDS[name], vessel_radius_mm=None, radius_mm=radius, centre_up_mm=up)
    site = site_of(phantom)
    shape = site.shape(site.neck.plane)
    height, neck, voxel = phantom.height_mm, 2 * phantom.neck_radius_mm, max(phantom.geometry.spacing_mm)
    volume, wall = math.pi * height**2 * (3 * radius - height) / 3, 2 * math.pi * radius * height

    assert shape.d_neck_mm == pytest.approx(neck, abs=0.6 * voxel)
    assert shape.h_mm == pytest.approx(height, abs=0.35 * voxel)
    assert shape.aspect_ratio == pytest.approx(height / neck, rel=0.05)
    assert shape.volume_mm3 == pytest.approx(volume, rel=0.04)
    assert shape.area_mm2 == pytest.approx(wall, rel=0.03)
    index = 1 - HEMISPHERE * volume ** (2 / 3) / wall
    assert shape.nonsphericity_index == pytest.approx(index, abs=0.01)
    assert shape.undulation_index < 0.003


def test_without_the_stump_the_rounded_rim_would_narrow_the_neck() -> None:
    phantom = sac_on(GRIDS["oblique"], vessel_radius_mm=None)
    site, alone = site_of(phantom), mask_surface(phantom.sac, phantom.geometry, ctx=Context()).mesh
    rounded = measure(close_sac(alone, site.neck.plane, site.neck.dome_mm)).d_neck_mm
    found, true = site.shape(site.neck.plane).d_neck_mm, 2 * phantom.neck_radius_mm

    assert true - rounded > 0.8
    assert abs(found - true) < 0.2


def test_flipping_the_grid_changes_nothing_in_mm() -> None:
    plain, flipped = (site_of(sac_on(GRIDS[name], vessel_radius_mm=2.0)) for name in ("oblique", "oblique, flipped"))
    one, two = plain.shape(plain.neck.plane), flipped.shape(flipped.neck.plane)

    for name in SHAPE_VALUES:
        assert getattr(two, name) == pytest.approx(getattr(one, name), rel=2e-3, abs=2e-3)


def test_voxels_that_are_in_both_segments_count_as_sac() -> None:
    phantom = sac_on(GRIDS["odd spacing"], vessel_radius_mm=2.0)
    apart, together = neck_of(phantom), find_neck(phantom.sac, phantom.parent | phantom.sac, phantom.geometry)

    assert together.plane == apart.plane


def test_masks_may_be_given_as_a_part_of_the_image() -> None:
    phantom = sac_on(GRIDS["oblique"], vessel_radius_mm=2.0)
    box = Box.of_mask(phantom.sac).grown(9, phantom.geometry.size_ijk)
    sac, parent = phantom.sac[box.slices], phantom.parent[box.slices]
    part, whole = find_neck(sac, parent, phantom.geometry, box), neck_of(phantom)

    assert part.plane.point_mm == pytest.approx(whole.plane.point_mm)
    one = with_stump(sac, parent, phantom.geometry, part, box)
    two = with_stump(phantom.sac, phantom.parent, phantom.geometry, whole)
    voxels = [np.argwhere(stump.mask) + stump.box.start[::-1] for stump in (one, two)]
    assert np.array_equal(*voxels) and len(voxels[0]) > np.count_nonzero(phantom.sac)


def test_a_vessel_that_touches_the_dome_is_told_and_does_not_become_the_neck() -> None:
    phantom = sac_on(GRIDS["straight"], vessel_radius_mm=2.0)
    alone = neck_of(phantom)
    k, j, i = np.indices(phantom.geometry.shape_kji)
    places = phantom.geometry.to_lps(np.stack((i, j, k), axis=-1))
    kissing = np.linalg.norm(places - (alone.dome_mm + 0.6 * phantom.up), axis=-1) < 0.9
    neck = find_neck(phantom.sac, phantom.parent | kissing, phantom.geometry)

    assert [notice.code for notice in neck.notices] == ["several-contacts"]
    assert neck.plane.point_mm == pytest.approx(alone.plane.point_mm, abs=0.05)


def test_a_neck_that_is_not_flat_is_told_with_how_far_it_is_off() -> None:
    geometry = Geometry.from_parts((30, 30, 30), (0.5, 0.5, 0.5))
    k, j, i = np.indices((30, 30, 30))
    ball = (i - 15) ** 2 + (j - 15) ** 2 + (k - 15) ** 2 <= 100
    wedge = k < 9 + np.abs(i - 15) * 1.2  # a deep valley that the sac lies in
    neck = find_neck(ball & ~wedge, ball & wedge, geometry)

    assert "neck-not-flat" in [notice.code for notice in neck.notices]
    assert neck.rms_mm > 1.0 and neck.deepest_mm > neck.rms_mm


def test_a_sac_that_does_not_touch_its_parent_is_refused() -> None:
    phantom = sac_on(GRIDS["straight"], vessel_radius_mm=2.0)
    lifted = phantom.sac.copy()
    for face in neck_of(phantom).faces_mm:
        k, j, i = np.rint(phantom.geometry.to_index(face)).astype(int)[::-1]
        lifted[k - 1 : k + 2, j - 1 : j + 2, i - 1 : i + 2] = False
    with pytest.raises(BadInput, match="“Sac” does not touch “Carotid”"):
        find_neck(lifted, phantom.parent, phantom.geometry, names=("Sac", "Carotid"))


def test_two_segments_that_touch_at_a_corner_have_no_plane() -> None:
    sac, parent = np.zeros((8, 8, 8), np.bool_), np.zeros((8, 8, 8), np.bool_)
    sac[4:7, 3, 3], parent[1:4, 3, 3] = True, True
    with pytest.raises(BadInput, match="touch in 1 voxel faces only"):
        find_neck(sac, parent, Geometry.from_parts((8, 8, 8)))


def test_a_sac_within_its_parent_has_no_neck() -> None:
    sac, parent = np.zeros((9, 9, 9), np.bool_), np.ones((9, 9, 9), np.bool_)
    sac[3:6, 3:6, 3:6] = True
    with pytest.raises(BadInput, match="surrounds the sac on all sides"):
        find_neck(sac, parent, Geometry.from_parts((9, 9, 9)))


@pytest.mark.parametrize("empty", ["sac", "parent"])
def test_an_empty_segment_is_refused_by_name(empty: str) -> None:
    phantom = sac_on(GRIDS["straight"], vessel_radius_mm=2.0)
    nothing = np.zeros_like(phantom.sac)
    masks = (nothing, phantom.parent) if empty == "sac" else (phantom.sac, nothing)
    with pytest.raises(BadInput, match=f"“The {empty}” is empty"):
        find_neck(*masks, phantom.geometry, names=("The sac", "The parent"))


def test_masks_of_different_grids_are_refused() -> None:
    phantom = sac_on(GRIDS["straight"], vessel_radius_mm=2.0)
    with pytest.raises(BadInput, match="one grid"):
        find_neck(phantom.sac, phantom.parent[1:], phantom.geometry)


def test_a_plane_that_misses_the_sac_or_lies_deep_in_the_vessel_is_refused() -> None:
    phantom = sac_on(GRIDS["oblique"], vessel_radius_mm=None)
    site = site_of(phantom)

    with pytest.raises(BadInput, match="misses the sac"):
        site.shape(site.neck.plane.moved(phantom.height_mm + 2.0))
    with pytest.raises(BadInput, match=r"reaches \d\.\d mm into the parent vessel"):
        site.shape(site.neck.plane.moved(-2.2))


def test_planes_one_voxel_off_and_tilted_give_ranges_around_the_truth() -> None:
    phantom = sac_on(GRIDS["oblique"], vessel_radius_mm=None)
    site = site_of(phantom)
    swing = extremes(site, site.neck.plane, Context())
    truth = {
        "d_neck_mm": 2 * phantom.neck_radius_mm,
        "h_mm": phantom.height_mm,
        "aspect_ratio": phantom.height_mm / (2 * phantom.neck_radius_mm),
        "volume_mm3": math.pi * phantom.height_mm**2 * (3 * phantom.radius_mm - phantom.height_mm) / 3,
    }

    assert swing["planes"] == swing["planes_measured"] == 15
    for name, value in truth.items():
        low, high = swing["ranges"][name]
        assert low < value < high
    low, high = swing["ranges"]["h_mm"]
    assert high - low == pytest.approx(2 * site.neck.step_mm, rel=0.6)


def test_moving_the_plane_into_the_sac_takes_away_as_much_height() -> None:
    phantom = sac_on(GRIDS["odd spacing"], vessel_radius_mm=None)
    site = site_of(phantom)
    steps = np.array([-1.0, 0.0, 1.0, 2.0])
    found = varied(site, site.neck.plane, steps, np.zeros((4, 2)), Context())

    assert found.kept.all()
    assert np.diff(found.values["h_mm"]) == pytest.approx([-site.neck.step_mm] * 3, rel=1e-4)
    true = [2 * math.sqrt(16 - (2.2 - step * site.neck.step_mm) ** 2) for step in steps[1:]]
    assert found.values["d_neck_mm"][1:] == pytest.approx(true, abs=0.2)


def test_planes_that_miss_the_sac_are_left_out_and_counted() -> None:
    site = site_of(sac_on(GRIDS["odd spacing"], vessel_radius_mm=None))
    found = varied(site, site.neck.plane, np.array([0.0, 90.0, 1.0]), np.zeros((3, 2)), Context())

    assert found.kept.tolist() == [True, False, True]
    assert len(found.values["h_mm"]) == 2


def tree(radii: tuple[float, float, float] = (2.0, 1.5, 1.0)) -> VesselTree:
    """A trunk along x from -20 to 0, and two branches from there."""
    steps = np.arange(1, 21)[:, None]
    trunk = np.array([[-20.0 + x, 0, 0] for x in range(21)])
    one, two = steps * np.array([0.6, 0.8, 0.0]), steps * np.array([0.6, -0.8, 0.0])
    parent = np.concatenate([np.arange(-1, 20), [20], np.arange(21, 40), [20], np.arange(41, 60)])
    branch = np.repeat([0, 1, 2], [21, 20, 20])
    return VesselTree(
        np.concatenate([trunk, one, two]),
        np.array(radii)[branch],
        parent.astype(np.int32),
        branch.astype(np.int32),
        (Branch(0, "Carotid"), Branch(1), Branch(2, "A1")),
    )


def test_the_parent_of_a_sac_at_a_side_wall_is_the_one_vessel() -> None:
    found = parent_diameter(tree(), np.array([-11.0, 0.0, 2.0]), 0.4)

    assert found.mean_mm == pytest.approx(4.0)
    assert [(one.name, one.diameter_mm) for one in found.branches] == [("Carotid", pytest.approx(4.0))]
    assert found.sd_mm == pytest.approx(0.2)  # half a voxel at least
    assert (found.distance_mm, found.window_mm) == pytest.approx((2.0, 8.0))


def test_at_a_fork_the_parent_is_the_mean_of_all_branches() -> None:
    found = parent_diameter(tree(), np.array([1.0, 0.0, 0.0]), 0.4)

    assert found.mean_mm == pytest.approx((4.0 + 3.0 + 2.0) / 3)
    assert [one.name for one in found.branches] == ["Carotid", "Carotid", "A1"]
    assert found.sd_mm > 0.5


def test_points_nearer_to_an_open_end_than_their_radius_are_not_measured() -> None:
    base = tree()
    radii = np.array(base.radii_mm)
    radii[:3] = (0.5, 1.2, 1.6)  # the sphere at the third point, 2 mm from the end, does fit
    narrowed = VesselTree(base.points_mm, radii, base.parent, base.branch, base.branches)
    found = parent_diameter(narrowed, np.array([-16.0, 0.0, 2.0]), 0.4)

    assert found.branches[0].points == 11
    assert found.mean_mm == pytest.approx((10 * 4.0 + 3.2) / 11)


def test_a_tree_elsewhere_is_refused() -> None:
    with pytest.raises(BadInput, match=r"passes 9\.0 mm from the neck"):
        parent_diameter(tree(), np.array([-10.0, 0.0, 9.0]), 0.4)


def test_a_plane_given_by_hand_is_turned_towards_the_dome() -> None:
    phantom = sac_on(GRIDS["oblique"], vessel_radius_mm=2.0)
    neck = neck_of(phantom)
    wrong_way = NeckPlane.of(neck.plane.point_mm, -np.array(neck.plane.normal))

    assert wrong_way.facing(neck.dome_mm).normal == pytest.approx(neck.plane.normal)
