"""Grow from seeds: shortest paths as a plain Dijkstra finds them, and updates equal to a run from nothing."""

import heapq
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.segmentation.seeds import STEEPEST, STEP_COST, SeedGrowth, grow_from_seeds, prepared

SHAPE = (6, 7, 8)
Labels = NDArray[np.uint8]


def dijkstra(image: NDArray[np.int16], seeds: Labels, corners: bool) -> Labels:
    """The same by the textbook: the smallest (distance, label) of all paths."""
    best: dict[tuple[int, ...], tuple[int, int]] = {}
    heap = [(0, int(seeds[at]), tuple(map(int, at))) for at in zip(*np.nonzero(seeds), strict=True)]
    heapq.heapify(heap)
    while heap:
        distance, label, at = heapq.heappop(heap)
        if at in best:
            continue
        best[at] = (distance, label)
        for way in itertools.product((-1, 0, 1), repeat=3):
            place = tuple(a + b for a, b in zip(at, way, strict=True))
            inside = all(0 <= a < n for a, n in zip(place, image.shape, strict=True))
            if inside and any(way) and (corners or sum(map(abs, way)) == 1):
                steep = min(abs(int(image[place]) - int(image[at])), STEEPEST)
                heapq.heappush(heap, (distance + STEP_COST + steep, label, place))
    labels = np.zeros(image.shape, dtype=np.uint8)
    for at, (_, label) in best.items():
        labels[at] = label
    return labels


def random_image(random: np.random.Generator) -> NDArray[np.int16]:
    coarse = random.integers(0, 4, SHAPE) * random.choice([1, 40, 400])
    return (coarse + random.integers(0, 3, SHAPE)).astype(np.int16)


def random_seeds(random: np.random.Generator) -> Labels:
    return np.asarray((random.random(SHAPE) < 0.05) * random.integers(1, 4, SHAPE), dtype=np.uint8)


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=40, deadline=None)
def test_every_voxel_goes_to_the_nearest_seed_as_a_textbook_dijkstra_finds_it(seed: int, corners: bool) -> None:
    random = np.random.default_rng(seed)
    image, seeds = random_image(random), random_seeds(random)
    np.testing.assert_array_equal(SeedGrowth(image, seeds, corners=corners).run(), dijkstra(image, seeds, corners))


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=60, deadline=None)
def test_an_update_after_any_edits_of_the_seeds_equals_a_run_from_nothing(seed: int, corners: bool) -> None:
    random = np.random.default_rng(seed)
    image, seeds = random_image(random), random_seeds(random)
    growth = SeedGrowth(image, seeds, corners=corners)
    growth.run()
    for _ in range(4):
        edited = random.random(SHAPE) < random.choice([0.01, 0.1, 0.5])
        seeds = np.where(edited, random_seeds(random), seeds).astype(np.uint8)
        np.testing.assert_array_equal(growth.update(seeds), SeedGrowth(image, seeds, corners=corners).run())


def test_a_large_queue_and_many_small_steps_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    image = random.integers(-100, 200, (40, 50, 60)).astype(np.int16)
    seeds = np.zeros(image.shape, np.uint8)
    seeds[::9, ::9, ::9] = random.integers(1, 200, seeds[::9, ::9, ::9].shape)
    whole = SeedGrowth(image, seeds).run().copy()
    monkeypatch.setattr("surgitwin.segmentation.seeds.BUDGET", 700)
    np.testing.assert_array_equal(SeedGrowth(image, seeds).run(), whole)


def ball_image() -> tuple[NDArray[np.int16], Labels, Geometry, NDArray[np.bool_]]:
    geometry = Geometry.from_parts((60, 50, 24), (0.9, 1.1, 2.5))
    k, j, i = np.indices(geometry.shape_kji)
    points = geometry.to_lps(np.stack([i, j, k], axis=-1).reshape(-1, 3)) - geometry.centre_mm
    ball = (np.linalg.norm(points, axis=1) < 17).reshape(geometry.shape_kji)
    noise = np.random.default_rng(2).normal(0, 12, ball.shape)
    voxels = (np.where(ball, 120, 40) + noise).astype(np.int16)
    seeds = np.zeros(ball.shape, np.uint8)
    seeds[12, 22:28, 28] = 1
    seeds[12, 3, 5:55] = seeds[2, 25, 5:55] = seeds[21, 25, 5:55] = 2
    return voxels, seeds, geometry, ball


def test_a_noisy_ball_is_found_from_two_strokes() -> None:
    voxels, seeds, geometry, ball = ball_image()
    found = grow_from_seeds(voxels, seeds, geometry) == 1
    assert 2 * (found & ball).sum() / (found.sum() + ball.sum()) > 0.9


def test_a_large_image_is_grown_coarse_first_and_its_borders_at_full_resolution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("surgitwin.segmentation.seeds.COARSE_FROM", 1000)
    voxels, seeds, geometry, ball = ball_image()
    found = grow_from_seeds(voxels[:, :-1], seeds[:, :-1], geometry.cropped(Box((0, 0, 0), (60, 49, 24))))
    assert found.all() and (found[seeds[:, :-1] != 0] == seeds[:, :-1][seeds[:, :-1] != 0]).all()
    inside = found == 1
    assert 2 * (inside & ball[:, :-1]).sum() / (inside.sum() + ball[:, :-1].sum()) > 0.93


def test_growth_stays_within_its_margin_around_the_seeds() -> None:
    voxels, seeds, geometry, _ = ball_image()
    seeds[...] = 0
    seeds[10:14, 20:30, 25], seeds[10:14, 20:30, 35] = 1, 2
    found = grow_from_seeds(voxels, seeds, geometry, margin_mm=5.0)
    k, j, i = np.nonzero(found)
    assert (i.min(), i.max(), k.min(), k.max()) == (25 - 6, 35 + 6, 10 - 2, 13 + 2)
    assert (j.min(), j.max()) == (20 - 5, 29 + 5)


def test_an_image_without_hu_is_scaled_by_its_own_range() -> None:
    voxels = np.random.default_rng(0).normal(0.2, 0.05, (10, 10, 10)).astype(np.float32)
    assert 900 < np.ptp(prepared(voxels, in_hu=False)) <= 1000


def test_seeds_that_make_no_sense_are_refused() -> None:
    voxels, seeds, geometry, _ = ball_image()
    for wrong, said in (
        (np.zeros_like(seeds), "seeds are empty"),
        ((seeds == 1).astype(np.uint8), "one seed only"),
        (seeds.astype(np.uint16) * 200, "up to 255, not 400"),
        (seeds[1:], "image's grid"),
    ):
        with pytest.raises(BadInput, match=said):
            grow_from_seeds(voxels, wrong, geometry)
    with pytest.raises(BadInput, match="one value everywhere"):
        grow_from_seeds(np.zeros_like(voxels), seeds, geometry, in_hu=False)


def test_a_cancelled_growth_stops() -> None:
    voxels, seeds, geometry, _ = ball_image()
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        grow_from_seeds(voxels, seeds, geometry, ctx=ctx)
