"""Grow from seeds: shortest paths as a plain Dijkstra finds them, and updates equal to a run from nothing."""

import heapq
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.segmentation.seeds import ALIKE, NEAR_MM, SeedFollower, SeedGrowth, grow_from_seeds, prepared

SHAPE = (6, 7, 8)
Labels = NDArray[np.uint8]


def dijkstra(image: NDArray[np.int16], seeds: Labels) -> Labels:
    """The same by the textbook: the smallest (sum of differences, steps, label) of all paths."""
    best: dict[tuple[int, ...], tuple[int, int, int]] = {}
    heap = [(0, 0, int(seeds[at]), tuple(map(int, at))) for at in zip(*np.nonzero(seeds), strict=True)]
    heapq.heapify(heap)
    while heap:
        cost, steps, label, at = heapq.heappop(heap)
        if at in best:
            continue
        best[at] = (cost, steps, label)
        for way in itertools.product((-1, 0, 1), repeat=3):
            place = tuple(a + b for a, b in zip(at, way, strict=True))
            if any(way) and all(0 <= a < n for a, n in zip(place, image.shape, strict=True)):
                heapq.heappush(heap, (cost + abs(int(image[place]) - int(image[at])), steps + 1, label, place))
    labels = np.zeros(image.shape, dtype=np.uint8)
    for at, (_, _, label) in best.items():
        labels[at] = label
    return labels


def tidied(labels: Labels, image: NDArray[np.int16], seeds: Labels, reach: int, spacing: tuple[float, ...]) -> Labels:
    """One round of the vote at the borders, counted voxel by voxel."""
    result = labels.copy()
    ways = list(itertools.product((-1, 0, 1), repeat=3))
    for at in itertools.product(*map(range, labels.shape)):
        votes: dict[int, int] = {}
        beside = set()
        for way in ways:
            near = tuple(a + b for a, b in zip(at, way, strict=True))
            if all(0 <= a < n for a, n in zip(near, labels.shape, strict=True)):
                beside.add(int(labels[near]))
            place = tuple(a + reach * b for a, b in zip(at, way, strict=True))
            if not all(0 <= a < n for a, n in zip(place, labels.shape, strict=True)):
                continue
            squared = sum((reach * w * mm) ** 2 for w, mm in zip(way, spacing[::-1], strict=True))
            step = abs(int(image[place]) - int(image[at]))
            near_mm, alike = math.exp(-squared / (2 * NEAR_MM**2)), math.exp(-(step**2) / (2 * ALIKE**2))
            weight = round(256 * near_mm) * round(64 * alike)
            votes[int(labels[place])] = votes.get(int(labels[place]), 0) + weight
        if len(beside) > 1 and not seeds[at]:
            own = int(labels[at])
            most = max(votes.values())
            if votes[own] < most:
                result[at] = next(label for label, count in votes.items() if count == most)
    return result


def random_image(random: np.random.Generator) -> NDArray[np.int16]:
    coarse = random.integers(0, 4, SHAPE) * random.choice([1, 40, 400])
    return (coarse + random.integers(0, 3, SHAPE)).astype(np.int16)


def random_seeds(random: np.random.Generator) -> Labels:
    return np.asarray((random.random(SHAPE) < 0.05) * random.integers(1, 4, SHAPE), dtype=np.uint8)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_every_voxel_goes_to_the_nearest_seed_as_a_textbook_dijkstra_finds_it(seed: int) -> None:
    random = np.random.default_rng(seed)
    image, seeds = random_image(random), random_seeds(random)
    np.testing.assert_array_equal(SeedGrowth(image, seeds, reaches=()).run(), dijkstra(image, seeds))


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3]))
@settings(max_examples=12, deadline=None)
def test_borders_are_tidied_by_a_vote_of_what_is_near_and_alike(seed: int, reach: int) -> None:
    random = np.random.default_rng(seed)
    image, seeds = (random_image(random) + random.integers(0, 25, SHAPE)).astype(np.int16), random_seeds(random)
    spacing = (0.8, 1.1, 2.5)
    expected = tidied(dijkstra(image, seeds), image, seeds, reach, spacing)
    np.testing.assert_array_equal(SeedGrowth(image, seeds, spacing, reaches=(reach,)).run(), expected)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_an_update_after_any_edits_of_the_seeds_equals_a_run_from_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    image, seeds = random_image(random), random_seeds(random)
    growth = SeedGrowth(image, seeds)
    growth.run()
    for _ in range(4):
        edited = random.random(SHAPE) < random.choice([0.01, 0.1, 0.5])
        seeds = np.where(edited, random_seeds(random), seeds).astype(np.uint8)
        np.testing.assert_array_equal(growth.update(seeds), SeedGrowth(image, seeds).run())


def many_seeds() -> tuple[NDArray[np.int16], Labels]:
    random = np.random.default_rng(5)
    image = random.integers(-100, 200, (40, 50, 60)).astype(np.int16)
    seeds = np.zeros(image.shape, np.uint8)
    seeds[::9, ::9, ::9] = random.integers(1, 200, seeds[::9, ::9, ::9].shape)
    return image, seeds


def test_the_result_does_not_depend_on_how_the_image_is_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    image, seeds = many_seeds()
    monkeypatch.setattr("surgitwin.segmentation.seeds.THREADS", 1)
    monkeypatch.setattr("surgitwin.segmentation.seeds.SLAB", 1000)
    whole = SeedGrowth(image, seeds).run()
    monkeypatch.setattr("surgitwin.segmentation.seeds.THREADS", 3)
    for slab in (2, 7, 13):
        monkeypatch.setattr("surgitwin.segmentation.seeds.SLAB", slab)
        np.testing.assert_array_equal(SeedGrowth(image, seeds).run(), whole)


def test_an_edit_in_a_large_image_changes_what_a_run_from_nothing_changes() -> None:
    image, seeds = many_seeds()
    growth = SeedGrowth(image, seeds)
    first = growth.run()
    edited = seeds.copy()
    edited[18, 18, 18:40], edited[27, 27, 27], edited[0, 0, 0] = 7, 0, 9
    np.testing.assert_array_equal(growth.update(edited), SeedGrowth(image, edited).run())
    np.testing.assert_array_equal(growth.update(seeds), first)


def test_equal_ways_go_to_the_nearer_seed_and_then_to_the_smaller_label() -> None:
    image = np.zeros((3, 3, 9), np.int16)
    seeds = np.zeros(image.shape, np.uint8)
    seeds[1, 1, 0], seeds[1, 1, 8] = 5, 3
    found = SeedGrowth(image, seeds, reaches=()).run()
    assert found[1, 1].tolist() == [5, 5, 5, 5, 3, 3, 3, 3, 3]


def test_the_steepest_images_are_grown_to_their_last_voxel() -> None:
    k, j, i = np.indices((30, 31, 33))
    image = np.where((k + j + i) % 2, 3071, -1024).astype(np.int16)
    seeds = np.zeros(image.shape, np.uint8)
    seeds[0, 0, 0], seeds[0, 0, 1] = 1, 2
    np.testing.assert_array_equal(SeedGrowth(image, seeds, reaches=()).run() == 1, image == image[0, 0, 0])


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


def test_seeds_are_followed_bit_for_bit_and_anew_where_their_box_is_another() -> None:
    voxels, seeds, geometry, _ = ball_image()
    follower = SeedFollower()
    for number, (label, place) in enumerate(
        ((1, np.s_[12, 25, 20:30]), (2, np.s_[14, 20, 10:40]), (0, np.s_[12, 22:25, 28]), (2, np.s_[12, 22:25, 28]))
    ):
        seeds[place] = label
        found = follower.grow(voxels, seeds, geometry, margin_mm=8.0)
        np.testing.assert_array_equal(found, grow_from_seeds(voxels, seeds, geometry, margin_mm=8.0))
        assert follower.updates == number
    seeds[12, 48, 30] = 2  # outside of the box until now
    np.testing.assert_array_equal(
        follower.grow(voxels, seeds, geometry, margin_mm=8.0), grow_from_seeds(voxels, seeds, geometry, margin_mm=8.0)
    )
    assert follower.updates == 0


def test_another_image_or_setting_is_grown_from_nothing_and_so_is_one_that_was_cancelled() -> None:
    voxels, seeds, geometry, _ = ball_image()
    follower = SeedFollower()
    follower.grow(voxels, seeds, geometry)
    follower.grow(voxels, seeds, geometry)
    assert follower.updates == 1
    other = (voxels[::-1] * 2).astype(np.int16)
    np.testing.assert_array_equal(follower.grow(other, seeds, geometry), grow_from_seeds(other, seeds, geometry))
    assert follower.updates == 0
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        follower.grow(other, seeds, geometry, ctx=ctx)
    follower.grow(other, seeds, geometry)
    assert follower.updates == 0
