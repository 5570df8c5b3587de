"""Thresholds, growing, islands, holes and smoothing, against analytic shapes and independent programs."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.segmentation.intensity import region_grow, threshold
from surgitwin.segmentation.islands import fill_holes, keep_islands, largest_island
from surgitwin.segmentation.morphology import closed, dilate, erode, opened
from surgitwin.segmentation.runs import Runs
from surgitwin.segmentation.smoothing import smooth

Mask = NDArray[np.bool_]
ODD = (0.7, 1.3, 2.1)


def grid(shape: tuple[int, int, int], spacing: tuple[float, float, float] = ODD, turned: bool = False) -> Geometry:
    angle = np.deg2rad(25)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, -1.0]])
    return Geometry.from_parts(shape[::-1], spacing, (-31.0, 12.5, 80.0), turn if turned else None)


def blobs(seed: int, shape: tuple[int, int, int] = (17, 23, 29), level: float = 0.5) -> Mask:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 1.3)
    return np.asarray(noise > np.quantile(noise, level))


def ball(geometry: Geometry, radius_mm: float, centre_mm: NDArray[np.float64] | None = None) -> Mask:
    k, j, i = np.indices(geometry.shape_kji)
    points = geometry.to_lps(np.stack([i, j, k], axis=-1))
    centre = geometry.centre_mm if centre_mm is None else centre_mm
    return np.asarray(np.linalg.norm(points - centre, axis=-1) <= radius_mm)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("connectivity", ["faces", "corners"])
def test_components_by_runs_equal_components_by_voxels(seed: int, connectivity: str) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 9, 3))
    mask = rng.random(shape) < 0.45
    runs = Runs.of(mask)
    labels = runs.components(connectivity)  # type: ignore[arg-type]
    structure = ndimage.generate_binary_structure(3, 1 if connectivity == "faces" else 3)
    reference, count = ndimage.label(mask, structure)
    assert len(set(labels.tolist())) == count
    own = np.repeat(labels, runs.lengths)
    assert len(set(zip(own.tolist(), reference[mask].tolist(), strict=True))) == count
    assert np.array_equal(runs.mask(np.ones(labels.size, dtype=bool)), mask)
    assert np.array_equal(runs.at(np.arange(mask.size)) >= 0, mask.ravel())


def test_a_threshold_includes_both_ends_whatever_the_type_of_the_voxels() -> None:
    values = np.arange(-4, 8).reshape(1, 3, 4)
    for dtype in (np.int8, np.int16, np.int32, np.float32, np.float64):
        mask = threshold(values.astype(dtype), -2, 3)
        assert mask.sum() == 6, dtype
    assert threshold(values.astype(np.uint8), 1.2, 1.8).sum() == 0
    assert threshold(values.astype(np.int16), -np.inf, np.inf).all()
    assert threshold(values.astype(np.int16), 1e6, np.inf).sum() == 0
    assert threshold(values.astype(np.int16), -1e6, 0).sum() == 5


def test_voxels_that_are_no_number_belong_to_no_range() -> None:
    values = np.array([[[np.nan, 1.0, 2.0]]])
    assert threshold(values, -np.inf, np.inf).tolist() == [[[False, True, True]]]


def test_swapped_thresholds_are_refused_with_both_numbers() -> None:
    with pytest.raises(BadInput, match=r"300.*-200"):
        threshold(np.zeros((2, 2, 2)), 300, -200)


def test_a_cancelled_threshold_stops() -> None:
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        threshold(np.zeros((8, 8, 8)), 0, 1, ctx)


@pytest.mark.parametrize("turned", [False, True])
def test_growing_takes_the_touched_ball_and_not_the_other(turned: bool) -> None:
    geometry = grid((30, 40, 60), turned=turned)
    first, second = geometry.to_lps((15, 20, 15)), geometry.to_lps((45, 20, 15))
    one, other = ball(geometry, 8.0, first), ball(geometry, 8.0, second)
    assert not (one & other).any()
    voxels = np.where(one | other, 100, 0).astype(np.int16)
    for mask in (
        region_grow(voxels, geometry, first, 90, 110),
        region_grow(voxels, geometry, first, tolerance=5),
        region_grow(voxels, geometry, first, 90, 110, radius_mm=20),
    ):
        assert np.array_equal(mask, one)


def test_growing_stays_within_its_radius_on_an_oblique_grid() -> None:
    geometry = grid((30, 40, 60), turned=True)
    seed = geometry.to_lps((20, 18, 14))
    mask = region_grow(np.zeros(geometry.shape_kji), geometry, seed, 0, 0, radius_mm=9.5)
    assert np.array_equal(mask, ball(geometry, 9.5, seed))


def test_one_noisy_seed_voxel_does_not_move_the_range_of_a_tolerance() -> None:
    geometry = grid((9, 9, 9))
    voxels = np.full(geometry.shape_kji, 50.0)
    voxels[4, 4, 4] = 400.0
    mask = region_grow(voxels, geometry, geometry.to_lps((4, 4, 4)), tolerance=10)
    assert mask.sum() == mask.size - 1


@pytest.mark.parametrize(
    ("seed_ijk", "low", "high", "said"),
    [
        ((99, 0, 0), 0, 1, "outside the image"),
        ((1, 1, 1), 5, 9, r"value 0, outside the range 5 to 9"),
        ((1, 1, 1), 9, 5, r"9.*5"),
        ((1, 1, 1), None, 5, "tolerance"),
    ],
)
def test_growing_from_nowhere_is_refused(
    seed_ijk: tuple[int, int, int], low: float | None, high: float | None, said: str
) -> None:
    geometry = grid((5, 6, 7))
    with pytest.raises(BadInput, match=said):
        region_grow(np.zeros(geometry.shape_kji), geometry, geometry.to_lps(seed_ijk), low, high)


def test_the_largest_island_is_the_one_with_most_voxels() -> None:
    mask = blobs(3, level=0.7)
    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())[1:]
    assert count > 3
    assert np.array_equal(largest_island(mask), labels == 1 + int(np.argmax(sizes)))


def test_islands_are_kept_by_their_volume_in_millilitres() -> None:
    geometry = grid((20, 20, 20), (1.0, 1.0, 1.0))
    mask = np.zeros(geometry.shape_kji, dtype=bool)
    mask[0:10, 0:10, 0:10] = True  # exactly 1 ml
    mask[15:18, 15:18, 15:18] = True
    assert keep_islands(mask, geometry, 1.0).sum() == 1000
    assert keep_islands(mask, geometry, 0.027).sum() == 1027
    assert keep_islands(mask, geometry, 1.001).sum() == 0


def test_islands_that_touch_at_a_corner_are_two_or_one_as_asked() -> None:
    mask = np.zeros((4, 4, 4), dtype=bool)
    mask[:2, :2, :2] = mask[2, 2, 2] = True
    assert largest_island(mask).sum() == 8
    assert largest_island(mask, "corners").sum() == 9


@pytest.mark.parametrize("seed", range(4))
def test_filling_holes_agrees_with_an_independent_program(seed: int) -> None:
    mask = blobs(seed, level=0.35)
    geometry = grid(mask.shape)  # type: ignore[arg-type]
    assert np.array_equal(fill_holes(mask, geometry), ndimage.binary_fill_holes(mask))


def test_only_holes_up_to_the_given_volume_are_filled() -> None:
    geometry = grid((12, 12, 24), (1.0, 1.0, 1.0))
    mask = np.ones(geometry.shape_kji, dtype=bool)
    mask[4:6, 4:6, 4:6] = False  # 8 mm3
    mask[3:8, 3:8, 12:17] = False  # 125 mm3
    assert fill_holes(mask, geometry, 0.008).sum() == mask.size - 125
    assert fill_holes(mask, geometry).all()


def test_a_cave_open_to_the_image_edge_is_no_hole() -> None:
    geometry = grid((9, 9, 9))
    mask = np.ones(geometry.shape_kji, dtype=bool)
    mask[0:5, 4, 4] = False
    assert np.array_equal(fill_holes(mask, geometry), mask)


@pytest.mark.parametrize(
    "function", [largest_island, lambda m: fill_holes(m, grid((3, 3, 3))), lambda m: smooth(m, grid((3, 3, 3)), 2.0)]
)
def test_an_empty_segment_is_refused(function) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInput, match="empty"):
        function(np.zeros((3, 3, 3), dtype=bool))


@pytest.mark.parametrize("seed", range(6))
def test_growing_and_shrinking_by_a_ball_agree_with_exact_distances(seed: int) -> None:
    mask = blobs(seed, level=0.8)
    geometry = grid(mask.shape, turned=bool(seed % 2))  # type: ignore[arg-type]
    for radius in (0.9, 2.6, 4.4):
        outside = ndimage.distance_transform_edt(~mask, sampling=ODD[::-1])
        inside = ndimage.distance_transform_edt(mask, sampling=ODD[::-1])
        assert np.array_equal(dilate(mask, geometry, radius), outside <= radius + 1e-9)
        assert np.array_equal(erode(mask, geometry, radius), inside > radius + 1e-9)
        assert not (opened(mask, geometry, radius) & ~mask).any()
        assert not (mask & ~closed(mask, geometry, radius)).any()


def test_opening_cuts_a_bridge_and_closing_shuts_a_gap() -> None:
    geometry = grid((30, 30, 60), (1.0, 1.0, 1.0))
    mask = ball(geometry, 8.0, geometry.to_lps((14, 15, 15))) | ball(geometry, 8.0, geometry.to_lps((44, 15, 15)))
    bridge = np.zeros_like(mask)
    bridge[14:17, 14:17, 14:44] = True
    assert ndimage.label(smooth(mask | bridge, geometry, 3.0, "opening"))[1] == 2
    block = np.zeros(geometry.shape_kji, dtype=bool)
    block[5:25, 5:25, 10:50] = True
    block[5:25, 5:25, 29:31] = False
    assert smooth(block, geometry, 3.0, "closing")[8:22, 8:22, 29:31].all()


@pytest.mark.parametrize("method", ["median", "gaussian"])
def test_smoothing_a_ball_keeps_its_volume_and_a_speck_disappears(method: str) -> None:
    geometry = grid((24, 38, 70), turned=True)
    mask = ball(geometry, 16.0)
    speckled = mask.copy()
    speckled[1, 1, 1] = True
    smoothed = smooth(speckled, geometry, 1.4, method)  # type: ignore[arg-type]
    assert not smoothed[1, 1, 1]
    assert abs(smoothed.sum() / mask.sum() - 1) < 0.03
    assert np.mean(smoothed != mask) < 0.01


@pytest.mark.parametrize("method", ["median", "gaussian", "opening", "closing"])
def test_smoothing_leaves_a_slab_that_the_image_cuts_off_as_it_is(method: str) -> None:
    geometry = grid((20, 20, 20))
    mask = np.zeros(geometry.shape_kji, dtype=bool)
    mask[:, :, :11] = True
    assert np.array_equal(smooth(mask, geometry, 2.2, method), mask)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["median", "gaussian"])
def test_smoothing_slab_by_slab_equals_smoothing_at_once(method: str) -> None:
    mask = blobs(11, (40, 21, 26))
    geometry = grid(mask.shape)  # type: ignore[arg-type]
    values = mask.astype(np.float32)
    if method == "gaussian":
        average = ndimage.gaussian_filter(values, [1.5 / s for s in ODD[::-1]], truncate=3, mode="nearest")
    else:
        average = ndimage.uniform_filter(values, [2 * int(1.5 / s + 1e-6) + 1 for s in ODD[::-1]], mode="nearest")
    differing = smooth(mask, geometry, 1.5, method) != (average >= 0.5 - 1e-4)  # type: ignore[arg-type]
    assert differing.sum() <= 2  # ties of rounding


@pytest.mark.parametrize(
    ("mm", "method", "said"), [(0, "gaussian", "above 0"), (-1, "median", "above 0"), (0.2, "median", "0.7")]
)
def test_a_useless_smoothing_width_is_refused(mm: float, method: str, said: str) -> None:
    geometry = grid((9, 9, 9))
    with pytest.raises(BadInput, match=said):
        smooth(np.ones(geometry.shape_kji, dtype=bool), geometry, mm, method)  # type: ignore[arg-type]


def test_smoothing_that_leaves_nothing_is_refused() -> None:
    geometry = grid((9, 9, 9))
    mask = np.zeros(geometry.shape_kji, dtype=bool)
    mask[4, 4, 4] = True
    with pytest.raises(BadInput, match="whole segment"):
        smooth(mask, geometry, 3.0, "opening")
