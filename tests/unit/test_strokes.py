"""Brush strokes: every voxel that the brush passes over, no other, and no gap, on any grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.segmentation.strokes import slice_spacing_mm, stroke

STRAIGHT = Geometry.from_parts((40, 36, 20), (0.7, 0.9, 2.5), (-10.0, 20.0, -300.0))
_TURN = np.linalg.qr(np.array([[1.0, 0.2, 0.1], [-0.15, 1.0, 0.3], [0.05, -0.25, 1.0]]))[0]


def oblique(flip: bool) -> Geometry:
    affine = np.eye(4)
    affine[:3, :3] = _TURN @ np.diag([0.8, 1.1 * (-1 if flip else 1), 2.0])
    affine[:3, 3] = (5.0, -40.0, 12.0)
    return Geometry.from_affine((36, 40, 18), affine)


GRIDS = [STRAIGHT, oblique(False), oblique(True)]


def whole(geometry: Geometry, box: object, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found = np.zeros(geometry.shape_kji, dtype=np.bool_)
    found[box.slices] = mask  # type: ignore[attr-defined]
    return found


def centres(geometry: Geometry) -> NDArray[np.float64]:
    k, j, i = np.indices(geometry.shape_kji)
    return geometry.to_lps(np.stack([i, j, k], axis=-1).reshape(-1, 3))


def distances(points: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    way = b - a
    along = np.clip((points - a) @ way / max(way @ way, 1e-30), 0, 1)
    return np.asarray(np.linalg.norm(points - a - along[:, None] * way, axis=1))


@pytest.mark.parametrize("geometry", GRIDS)
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_a_ball_takes_just_the_voxels_within_its_radius_of_the_way(geometry: Geometry, seed: int) -> None:
    random = np.random.default_rng(seed)
    points = geometry.to_lps(random.uniform(-4, np.asarray(geometry.size_ijk) + 3, (random.integers(1, 5), 3)))
    radius = random.uniform(0.3, 9)
    found = whole(geometry, *stroke(geometry, points, radius)).reshape(-1)
    voxels = centres(geometry)
    pairs = zip(points, points[1:] if len(points) > 1 else points, strict=False)
    distance = np.min([distances(voxels, a, b) for a, b in pairs], axis=0)
    assert found[distance < radius - 1e-6].all()
    # Beyond the radius only voxels that the way itself crosses.
    assert distance[found & (distance > radius + 1e-6)].max(initial=0.0) <= np.linalg.norm(geometry.spacing_mm) / 2


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_disk_stays_in_one_slice_of_its_view(axis: int) -> None:
    centre = STRAIGHT.to_lps((20, 18, 10))
    found = whole(STRAIGHT, *stroke(STRAIGHT, [centre], 5.0, "disk", axis))
    voxels = centres(STRAIGHT)[found.reshape(-1)]
    assert np.ptp(voxels[:, axis]) < 1e-9 and abs(voxels[0, axis] - centre[axis]) < 1e-9
    across = np.delete(centres(STRAIGHT) - centre, axis, axis=1)
    same = np.abs(centres(STRAIGHT)[:, axis] - centre[axis]) < 1e-9
    np.testing.assert_array_equal(found.reshape(-1), same & (np.linalg.norm(across, axis=1) <= 5.0))


@pytest.mark.parametrize("geometry", GRIDS)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2))
@settings(max_examples=25, deadline=None)
def test_a_stroke_with_a_disk_takes_just_the_voxels_of_its_slice_within_the_radius(
    geometry: Geometry, seed: int, axis: int
) -> None:
    random = np.random.default_rng(seed)
    points = geometry.to_lps(random.uniform(-4, np.asarray(geometry.size_ijk) + 3, (random.integers(1, 4), 3)))
    points[:, axis] = points[0, axis]  # a hand stays in the slice
    radius, half = random.uniform(0.3, 9), slice_spacing_mm(geometry, axis) / 2
    found = whole(geometry, *stroke(geometry, points, radius, "disk", axis)).reshape(-1)
    off = centres(geometry)[:, axis] - points[0, axis]
    voxels = centres(geometry)
    voxels[:, axis] = points[0, axis]
    pairs = zip(points, points[1:] if len(points) > 1 else points, strict=False)
    distance = np.min([distances(voxels, a, b) for a, b in pairs], axis=0)
    assert found[(distance < radius - 1e-6) & (np.abs(off) < half - 1e-6)].all()
    # Beside these only voxels that the way itself crosses.
    rest = found & ((distance > radius + 1e-6) | (np.abs(off) > half + 1e-6))
    reach = np.linalg.norm(geometry.spacing_mm) / 2
    assert np.hypot(distance, off)[rest].max(initial=0.0) <= reach


def test_voxels_on_the_rim_belong_to_the_brush() -> None:
    geometry = Geometry.from_parts((21, 21, 21), (1.0, 1.0, 2.5), (-10.0, -10.0, -25.0))
    for radius in (3.0, 5.0, 7.5):
        found = whole(geometry, *stroke(geometry, [(0.0, 0.0, 0.0)], radius)).reshape(-1)
        np.testing.assert_array_equal(found, np.sum(centres(geometry) ** 2, axis=1) <= radius**2)


def test_disks_of_neighbouring_slices_share_no_voxel_and_leave_none_out_on_an_oblique_grid() -> None:
    geometry, step = oblique(False), 2.0
    at = geometry.centre_mm
    taken = np.zeros(geometry.shape_kji, dtype=int)
    for number in range(-3, 4):
        taken += whole(geometry, *stroke(geometry, [at + np.array([0, 0, number * step])], 6.0, "disk", 2))
    # The voxel under a point belongs to its disk whatever the slices say, so a few may be taken twice.
    assert np.count_nonzero(taken > 1) <= 7
    voxels = centres(geometry) - at
    core = (np.hypot(voxels[:, 0], voxels[:, 1]) < 5.9) & (np.abs(voxels[:, 2]) < 3 * step)
    assert taken.reshape(-1)[core].all()


@pytest.mark.parametrize("geometry", GRIDS)
def test_a_quick_stroke_with_a_tiny_brush_has_no_gap(geometry: Geometry) -> None:
    from scipy.ndimage import label

    ends = geometry.to_lps([(2, 3, 1), (33, 30, 16)])
    found = whole(geometry, *stroke(geometry, ends, 0.05))
    assert found.any() and label(found, np.ones((3, 3, 3)))[1] == 1


def test_a_brush_outside_the_image_takes_nothing() -> None:
    box, mask = stroke(STRAIGHT, [(1000.0, 0.0, 0.0)], 5.0)
    assert box.empty and mask.size == 0


def test_the_box_is_as_small_as_the_stroke() -> None:
    box, mask = stroke(STRAIGHT, [STRAIGHT.to_lps((20, 18, 10))], 3.0)
    assert mask.size <= np.prod(np.ceil(2 * 3.0 / np.asarray(STRAIGHT.spacing_mm)) + 3)
    assert box.size_ijk[::-1] == mask.shape


@pytest.mark.parametrize(
    ("points", "radius", "said"),
    [([], 3.0, "at least one point"), ([(np.nan, 0, 0)], 3.0, "number"), ([(0, 0, 0)], 0.0, "above 0 mm, not 0")],
)
def test_a_stroke_that_makes_no_sense_is_refused(points: list[tuple[float, ...]], radius: float, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        stroke(STRAIGHT, points, radius)
