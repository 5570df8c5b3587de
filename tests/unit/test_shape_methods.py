"""Margins, shells, islands, joint smoothing, logic and local threshold, against shapes with known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_strokes import GRIDS, STRAIGHT, centres

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.segmentation.islands import island_at, split_islands
from surgitwin.segmentation.joint_smoothing import smooth_together
from surgitwin.segmentation.local_threshold import local_threshold
from surgitwin.segmentation.margins import hollow, with_margin
from surgitwin.segmentation.methods import Inputs, Parts, all_methods, count_voxels

METHODS = all_methods()

Mask = NDArray[np.bool_]


def off_centre(geometry: Geometry) -> NDArray[np.float64]:
    return (centres(geometry) - geometry.centre_mm).reshape(*geometry.shape_kji, 3)


def ball(geometry: Geometry, radius: float) -> Mask:
    return np.asarray(np.linalg.norm(off_centre(geometry), axis=-1) <= radius)


@pytest.mark.parametrize("geometry", GRIDS)
@pytest.mark.parametrize("mm", [3.0, 5.5, -3.0])
def test_a_margin_has_the_euclidean_width_it_says(geometry: Geometry, mm: float) -> None:
    from scipy.ndimage import distance_transform_edt

    mask = ball(geometry, 8.0)
    found = with_margin(mask, geometry, mm)
    spacing = geometry.spacing_mm[::-1]
    distance = distance_transform_edt(~mask if mm > 0 else mask, sampling=spacing)
    expected = distance <= mm + 1e-6 if mm > 0 else distance > -mm + 1e-6
    np.testing.assert_array_equal(found, expected)


def test_a_wall_lies_inside_outside_or_half_and_half() -> None:
    mask = ball(STRAIGHT, 10.0)
    inner, outer = hollow(mask, STRAIGHT, 3.0, "inside"), hollow(mask, STRAIGHT, 3.0, "outside")
    assert not (inner & ~mask).any() and not (outer & mask).any()
    np.testing.assert_array_equal(inner, mask & ~with_margin(mask, STRAIGHT, -3.0))
    np.testing.assert_array_equal(outer, with_margin(mask, STRAIGHT, 3.0) & ~mask)
    middle = hollow(mask, STRAIGHT, 6.0, "middle")
    np.testing.assert_array_equal(middle, with_margin(mask, STRAIGHT, 3.0) & ~with_margin(mask, STRAIGHT, -3.0))


def test_a_margin_or_wall_thinner_than_a_voxel_is_refused_and_so_is_one_that_leaves_nothing() -> None:
    mask = ball(STRAIGHT, 8.0)
    with pytest.raises(BadInput, match=r"0\.7 mm"):
        with_margin(mask, STRAIGHT, 0.3)
    with pytest.raises(BadInput, match=r"wall of 1 mm.*1.4 mm"):
        hollow(mask, STRAIGHT, 1.0, "middle")
    with pytest.raises(BadInput, match="leave nothing"):
        with_margin(mask, STRAIGHT, -30.0)
    with pytest.raises(BadInput, match="empty"):
        with_margin(np.zeros_like(mask), STRAIGHT, 3.0)


def islands() -> Mask:
    mask = np.zeros(STRAIGHT.shape_kji, dtype=np.bool_)
    mask[2:6, 2:8, 2:9] = True  # 168 voxels
    mask[10:13, 20:25, 20:26] = True  # 90
    mask[17, 30, 30] = True
    return mask


def test_splitting_gives_each_island_a_label_the_largest_first() -> None:
    labels, left = split_islands(islands(), STRAIGHT)
    assert np.bincount(labels.ravel())[1:].tolist() == [168, 90, 1] and left == 0
    labels, left = split_islands(islands(), STRAIGHT, most=2)
    assert np.bincount(labels.ravel())[1:].tolist() == [168, 90] and left == 1
    labels, left = split_islands(islands(), STRAIGHT, min_ml=0.1)
    assert np.bincount(labels.ravel())[1:].tolist() == [168, 90] and left == 1


def test_the_selected_island_is_the_one_at_the_point_or_the_nearest_one() -> None:
    mask = islands()
    at = STRAIGHT.to_lps((22, 22, 11))
    assert island_at(mask, STRAIGHT, at).sum() == 90
    beside = STRAIGHT.to_lps((22, 19, 11))
    assert island_at(mask, STRAIGHT, beside).sum() == 90
    with pytest.raises(BadInput, match="mm from the segment"):
        island_at(mask, STRAIGHT, STRAIGHT.to_lps((500, 0, 0)))


@given(st.integers(0, 2**32 - 1), st.floats(0.8, 6.0))
@settings(max_examples=20, deadline=None)
def test_smoothing_together_makes_no_gap_between_segments_and_moves_no_label_outside(seed: int, mm: float) -> None:
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(seed)
    field = gaussian_filter(random.normal(size=(20, 36, 40)), 4)
    labels = np.digitize(field, np.quantile(field, [0.5, 0.7, 0.85])).astype(np.uint8)
    found = smooth_together(labels, STRAIGHT, mm)
    whole = gaussian_filter(
        (labels != 0).astype(np.float32), [mm / s for s in (2.5, 0.9, 0.7)], truncate=3.0, mode="nearest"
    )
    np.testing.assert_array_equal(found != 0, whole >= 0.5 - 1e-4)
    assert set(np.unique(found)) <= set(np.unique(labels))


@pytest.mark.parametrize("geometry", GRIDS)
@pytest.mark.parametrize("mm", [1.5, 4.0])
def test_smoothing_together_gives_each_voxel_to_the_segment_that_weighs_most_around_it(
    geometry: Geometry, mm: float
) -> None:
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(4)
    nearest = np.linalg.norm(off_centre(geometry)[..., None, :] - random.uniform(-14, 14, (12, 3)), axis=-1)
    labels = np.where(ball(geometry, 13.0), nearest.argmin(axis=-1) + 1, 0).astype(np.uint8)
    sigmas = [mm / s for s in geometry.spacing_mm[::-1]]

    def weight(mask: Mask) -> NDArray[np.float64]:
        return np.asarray(gaussian_filter(mask.astype(np.float64), sigmas, truncate=3.0, mode="nearest"))

    weights = np.stack([weight(labels == value) for value in range(1, 13)])
    whole = weight(labels != 0)
    first, second = np.sort(weights, axis=0)[:-3:-1]
    sure = (np.abs(whole - 0.5) > 1e-3) & ((first - second > 1e-4) | (whole < 0.5))
    expected = np.where(whole >= 0.5, weights.argmax(axis=0) + 1, 0)
    found = smooth_together(labels, geometry, mm)
    assert sure.mean() > 0.9
    np.testing.assert_array_equal(found[sure], expected[sure])
    assert (found[whole > 0.501] != 0).all()


def test_smoothing_together_leaves_a_flat_border_between_two_segments_where_it_is() -> None:
    labels = np.zeros(STRAIGHT.shape_kji, dtype=np.uint8)
    labels[:, :18], labels[:, 18:] = 1, 2
    np.testing.assert_array_equal(smooth_together(labels, STRAIGHT, 3.0), labels)


def test_a_cancelled_smoothing_stops() -> None:
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        smooth_together(np.ones(STRAIGHT.shape_kji, np.uint8), STRAIGHT, 2.0, ctx)


def run(name: str, current: Mask, others: dict[str, Mask] | None = None, **values: object) -> Mask | Parts:
    method = METHODS[name]
    segments = {"other": others or {}}
    inputs = Inputs(np.zeros(STRAIGHT.shape_kji, np.int16), STRAIGHT, current, segments, name="Spot")
    if others:
        values["other"] = tuple(others)
    return method.apply(inputs, method.parse(values))


def test_logic_does_what_set_theory_says() -> None:
    random = np.random.default_rng(2)
    a, b, c = (random.random(STRAIGHT.shape_kji) < 0.4 for _ in range(3))
    for operation, expected in (
        ("add", a | b | c),
        ("subtract", a & ~b & ~c),
        ("intersect", a & b & c),
        ("copy", a),
        ("invert", ~a),
    ):
        others = None if operation in ("copy", "invert") else {"B": b, "C": c}
        np.testing.assert_array_equal(run("logic", a, others, operation=operation), expected)
    with pytest.raises(BadInput, match="result of 'subtract' is empty"):
        run("logic", a, {"A": a}, operation="subtract")
    with pytest.raises(BadInput, match="needs the setting 'other'"):
        METHODS["logic"].parse({"operation": "add"})


def test_the_islands_method_knows_what_is_meant_from_what_is_given() -> None:
    assert count_voxels(run("islands", islands())) == 168
    assert count_voxels(run("islands", islands(), min_ml=0.1)) == 258
    at = ",".join(str(value) for value in STRAIGHT.to_lps((30, 30, 17)))
    assert count_voxels(run("islands", islands(), at=at)) == 1
    parts = run("islands", islands(), keep="split", most=2)
    assert isinstance(parts, Parts) and dict(parts.names) == {1: "Spot 1", 2: "Spot 2"} and len(parts.notes) == 1
    with pytest.raises(BadInput, match="give 'at'"):
        METHODS["islands"].parse({"keep": "selected"})


def test_a_local_threshold_finds_a_small_bright_structure_on_a_ramp() -> None:
    off = off_centre(STRAIGHT)
    tube = np.hypot(off[..., 0], off[..., 1]) < 2.0
    voxels = (100 + 5 * off[..., 0] + 60 * tube).astype(np.int16)
    found = local_threshold(voxels, STRAIGHT, 16.0, 30.0)
    inner = np.abs(off[..., 2]) < 20
    np.testing.assert_array_equal(found[inner], tube[inner])
    np.testing.assert_array_equal(local_threshold(-voxels, STRAIGHT, 16.0, 30.0, "darker"), found)
    with pytest.raises(BadInput, match="no neighbour"):
        local_threshold(voxels, STRAIGHT, 0.5, 30.0)
