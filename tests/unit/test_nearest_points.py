"""The nearest point of a vessel for each voxel, against all distances computed one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.vessels.nearest import nearest_points

TURN = np.linalg.qr(np.array([[0.8, -0.5, 0.2], [0.5, 0.7, -0.1], [-0.1, 0.3, -0.9]]))[0]
GRIDS = {
    "odd spacing": Geometry.from_parts((37, 41, 19), (0.9, 1.1, 2.3), (900.0, -1500.0, 340.0), np.eye(3)),
    "flipped": Geometry.from_parts((37, 41, 19), (0.9, 1.1, 2.3), (27.0, 27.0, -34.0), np.diag([-1.0, -1.0, 1.0])),
    "oblique": Geometry.from_parts((37, 41, 19), (0.6, 1.2, 5.0), (-30.0, 10.0, 4.0), TURN),
    "sheared": Geometry.from_affine(
        (37, 41, 19), [[1.0, 0.2, 0.4, 5], [0, 1.1, -0.3, 6], [0.1, 0, 2.0, 7], [0, 0, 0, 1]]
    ),
}


def centres(grid: Geometry) -> NDArray[np.float64]:
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape_kji), indexing="ij")
    return grid.to_lps(np.stack([i, j, k], axis=-1))


def blob(grid: Geometry, seed: int) -> NDArray[np.bool_]:
    rng = np.random.default_rng(seed)
    away = np.linalg.norm(centres(grid) - grid.centre_mm, axis=-1)
    return (away < rng.uniform(8, 25)) & (rng.random(grid.shape_kji) < rng.uniform(0.1, 1.0))


@pytest.mark.parametrize("name", GRIDS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 100_000), count=st.integers(1, 300))
def test_the_nearest_point_is_that_of_brute_force(name: str, seed: int, count: int) -> None:
    """Also for points outside of the organ and of the image, and with a distance beyond space."""
    grid = GRIDS[name]
    organ = blob(grid, seed)
    box = Box.of_mask(organ)
    rng = np.random.default_rng(seed + 1)
    points = grid.centre_mm + rng.normal(0, rng.uniform(1, 40), (count, 3))
    beyond = rng.uniform(0, 9, count) if seed % 2 else None

    nearest, away = nearest_points(points, organ[box.slices], box, grid, Context(), beyond)

    squares = ((centres(grid)[organ][:, None] - points[None]) ** 2).sum(axis=2)
    squares = squares if beyond is None else squares + beyond**2
    assert len(nearest) == organ.sum()
    assert np.allclose(away, np.sqrt(squares.min(axis=1)), rtol=1e-5)
    ordered = np.sort(squares, axis=1)
    clear = np.ones(len(squares), bool) if count == 1 else ordered[:, 1] - ordered[:, 0] > 1e-6
    assert np.array_equal(nearest[clear], squares.argmin(axis=1)[clear])
    assert np.allclose(squares[np.arange(len(nearest)), nearest], squares.min(axis=1), atol=1e-6)


@pytest.mark.parametrize("name", GRIDS)
def test_of_equally_near_points_the_first_is_taken_however_the_grid_lies(name: str) -> None:
    """Two points mirrored at the middle between two voxels' planes, each given twice, in both orders."""
    grid = GRIDS[name]
    organ = np.ones(grid.shape_kji, dtype=bool)
    at = grid.to_lps([[18.0, 20.0, 9.0], [20.0, 20.0, 9.0]])
    squares = ((centres(grid).reshape(-1, 3)[:, None] - at[None]) ** 2).sum(axis=2)
    equal = np.abs(squares[:, 0] - squares[:, 1]) < 1e-9
    assert equal.sum() >= 19 * 41 or name == "sheared"

    for points in (at, at[::-1]):
        nearest, _ = nearest_points(np.repeat(points, 2, axis=0), organ, grid.full_box, grid, Context())

        assert set(np.unique(nearest)) == {0, 2}
        assert (nearest[equal] == 0).all()


def test_an_organ_may_have_a_single_voxel_and_a_tree_a_single_point() -> None:
    grid = GRIDS["oblique"]
    box = Box((5, 6, 7), (6, 7, 8))

    nearest, away = nearest_points(
        grid.to_lps([[5.0, 6.0, 7.0]]) + np.array([0.0, 3.0, 4.0]), np.ones((1, 1, 1), bool), box, grid, Context()
    )

    assert nearest.tolist() == [0] and away.tolist() == pytest.approx([5.0])


def test_a_tree_without_points_is_refused_and_cancelled_work_stops() -> None:
    grid = GRIDS["oblique"]
    organ = np.ones(grid.shape_kji, dtype=bool)
    with pytest.raises(BadInput, match="no points"):
        nearest_points(np.zeros((0, 3)), organ, grid.full_box, grid, Context())
    stopped = Context()
    stopped.cancel()
    with pytest.raises(Cancelled):
        nearest_points(np.zeros((1, 3)), organ, grid.full_box, grid, stopped)
