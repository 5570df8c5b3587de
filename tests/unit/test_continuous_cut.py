"""Minimal cuts in the continuum: balls and plates whose cheapest surface is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.core.errors import Cancelled
from surgitwin.core.progress import Context
from surgitwin.segmentation.continuous_cut import continuous_cut

SPACING = (2.0, 1.0, 1.3)  # k, j, i


def ball(radius_mm: float, shape: tuple[int, int, int] = (22, 44, 34)) -> NDArray[np.bool_]:
    places = [
        (np.arange(n) - (n - 1) / 2) * h
        for n, h in zip(shape, SPACING, strict=True)
    ]  # fmt: skip
    z, y, x = np.meshgrid(*places, indexing="ij")
    return np.asarray(z**2 + y**2 + x**2 <= radius_mm**2)


@pytest.mark.parametrize(("radius_mm", "weight", "stays"), [(9.0, 2.0, True), (9.0, 4.0, False), (15.0, 3.0, True)])
def test_a_ball_stays_if_its_volume_is_worth_more_than_its_surface(
    radius_mm: float, weight: float, stays: bool
) -> None:
    # Inside -1 per mm3, outside 2: 4/3 pi r3 against weight times 4 pi r2, so it stays if r > 3 weights.
    inside = ball(radius_mm)
    cost = np.where(inside, -1.0, 2.0).astype(np.float32)
    region = continuous_cut(cost, weight, SPACING, rounds=600) > 0.5
    assert region.any() == stays
    if stays:
        assert 0.93 < np.count_nonzero(region) / np.count_nonzero(inside) < 1.02


def test_noise_twice_the_signal_does_not_move_the_border() -> None:
    inside = ball(15.0)
    noise = np.random.default_rng(3).normal(0, 2, inside.shape)
    cost = (np.where(inside, -1.0, 1.0) + noise).astype(np.float32)
    region = continuous_cut(cost, 2.0, SPACING) > 0.5
    assert 2 * np.count_nonzero(region & inside) / (region.sum() + inside.sum()) > 0.96


def test_the_border_runs_where_surface_is_cheap() -> None:
    weight = np.full((5, 6, 40), 3.0, dtype=np.float32)
    weight[:, :, 23] = 0.1
    cost = np.zeros(weight.shape, dtype=np.float32)
    cost[:, :, 0], cost[:, :, -1] = -1e3, 1e3
    region = continuous_cut(cost, weight, (1.0, 1.0, 1.0), rounds=800) > 0.5
    np.testing.assert_array_equal(np.flatnonzero(region[2, 3]), np.arange(24))


def test_a_fixed_voxel_stays_on_its_side() -> None:
    cost = np.ones((9, 9, 9), dtype=np.float32)
    cost[4, 4, 4] = -1e3
    region = continuous_cut(cost, 1.0, (1.0, 1.0, 1.0)) > 0.5
    assert region[4, 4, 4] and np.count_nonzero(region) == 1


def test_it_can_be_cancelled() -> None:
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        continuous_cut(np.ones((4, 4, 4), dtype=np.float32), 1.0, (1.0, 1.0, 1.0), ctx)
