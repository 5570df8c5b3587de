"""Filling between slices, against solids whose sections are known, and watershed from seeds."""

import numpy as np
import pytest
from numpy.typing import NDArray
from test_seeds import ball_image

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.segmentation.between_slices import fill_between_slices
from surgitwin.segmentation.watershed import watershed_from_seeds

GRID = Geometry.from_parts((70, 60, 31), (0.8, 1.1, 2.0))
Mask = NDArray[np.bool_]


def places() -> NDArray[np.float64]:
    k, j, i = np.indices(GRID.shape_kji)
    return (GRID.to_lps(np.stack([i, j, k], axis=-1).reshape(-1, 3)) - GRID.centre_mm).reshape(*GRID.shape_kji, 3)


def disc(centre_x: NDArray[np.float64] | float, radius: NDArray[np.float64] | float) -> Mask:
    at = places()
    return np.asarray(np.hypot(at[..., 0] - centre_x, at[..., 1]) < radius)


def every(mask: Mask, step: int) -> Mask:
    drawn = np.zeros_like(mask)
    drawn[::step] = mask[::step]
    return drawn


def dice(a: Mask, b: Mask) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_a_cone_drawn_in_every_sixth_slice_is_a_cone_again() -> None:
    cone = disc(0.0, 12.0 + places()[..., 2] * 0.3)
    filled = fill_between_slices(every(cone, 6), GRID)
    np.testing.assert_array_equal(filled[::6], cone[::6])
    assert dice(filled, cone) > 0.97


def test_a_disc_that_moves_on_without_overlap_is_carried_along() -> None:
    moving = disc(places()[..., 2] * 0.7, 4.0)
    drawn = np.zeros_like(moving)
    drawn[[8, 22]] = moving[[8, 22]]
    filled = fill_between_slices(drawn, GRID)
    assert dice(filled[8:23], moving[8:23]) > 0.85
    assert not filled[:8].any() and not filled[23:].any()


def test_a_structure_that_branches_has_both_branches() -> None:
    at = places()
    trunk = np.hypot(at[..., 0], at[..., 1]) < 9
    left, right = (np.hypot(at[..., 0] - x, at[..., 1]) < 5 for x in (-8, 8))
    drawn = np.zeros_like(trunk)
    drawn[10], drawn[18] = trunk[10], (left | right)[18]
    filled = fill_between_slices(drawn, GRID)
    assert all(filled[k].any() for k in range(10, 19))
    middle = filled[17]
    assert middle[:, at[17, 0, :, 0] < -4].any() and middle[:, at[17, 0, :, 0] > 4].any()


@pytest.mark.parametrize("along", [1, 2])
def test_the_axis_with_gaps_is_found(along: int) -> None:
    ball = np.linalg.norm(places(), axis=-1) < 20
    drawn = np.zeros_like(ball)
    index = [slice(None)] * 3
    index[along] = slice(None, None, 5)
    drawn[tuple(index)] = ball[tuple(index)]
    assert dice(fill_between_slices(drawn, GRID), ball) > 0.95


def test_nothing_to_fill_is_refused() -> None:
    with pytest.raises(BadInput, match="empty"):
        fill_between_slices(np.zeros(GRID.shape_kji, np.bool_), GRID)
    with pytest.raises(BadInput, match="no gap"):
        fill_between_slices(disc(0.0, 9.0), GRID)
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        fill_between_slices(every(disc(0.0, 9.0), 3), GRID, ctx=ctx)


def test_a_watershed_meets_at_the_edge_of_a_ball_and_leaves_no_line_between() -> None:
    voxels, seeds, geometry, ball = ball_image()
    flooded = watershed_from_seeds(voxels, seeds, geometry, sigma_mm=1.5)
    assert set(np.unique(flooded)) == {1, 2}
    assert dice(flooded == 1, ball) > 0.9
    with pytest.raises(BadInput, match="two seeds"):
        watershed_from_seeds(voxels, (seeds == 1).astype(np.uint8), geometry)
