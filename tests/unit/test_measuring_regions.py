import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.measuring.regions import box_values, sphere_values

OBLIQUE, _ = np.linalg.qr(np.array([[1.0, 0.3, -0.2], [-0.1, 1.0, 0.4], [0.3, -0.2, 1.0]]))
GRIDS = {
    "straight": Geometry.from_parts((60, 50, 40), (0.7, 0.9, 1.6), (-20, 30, -400)),
    "flipped": Geometry.from_parts((60, 50, 40), (0.7, 0.9, 1.6), (20, 30, 5), np.diag([-1, 1, -1])),
    "left-handed": Geometry.from_parts((60, 50, 40), (0.7, 0.9, 1.6), (20, 30, 5), np.diag([1, 1, -1])),
    "oblique": Geometry.from_parts((60, 50, 40), (0.7, 0.9, 1.6), (11, -7, 5), OBLIQUE),
}


def centres(grid: Geometry):
    k, j, i = np.indices(grid.shape_kji)
    return grid.to_lps(np.stack([i, j, k], axis=-1))


@pytest.mark.parametrize("name", GRIDS)
def test_a_sphere_counts_the_voxels_whose_centre_is_in_it_on_any_grid(name) -> None:
    grid = GRIDS[name]
    values = np.random.default_rng(1).normal(40, 20, grid.shape_kji)
    middle = grid.centre_mm + np.array([1.3, -2.1, 0.7])
    mine = values[np.linalg.norm(centres(grid) - middle, axis=-1) <= 9.3]
    found = sphere_values(values, grid, middle, 9.3)
    assert found.voxels == mine.size
    assert found.inside_percent == 100.0
    assert (found.mean, found.sd) == pytest.approx((mine.mean(), mine.std()))
    assert (found.minimum, found.maximum, found.median) == pytest.approx((mine.min(), mine.max(), np.median(mine)))
    assert found.volume_ml == pytest.approx(4 / 3 * np.pi * 9.3**3 / 1000, rel=0.02)


@pytest.mark.parametrize("name", GRIDS)
def test_a_ramp_has_its_value_at_the_centre_as_mean_and_its_known_spread(name) -> None:
    grid = GRIDS[name]
    values = (centres(grid) @ np.array([1.0, -2.0, 0.5])).astype(np.float32)
    middle = grid.centre_mm
    found = sphere_values(values, grid, middle, 12.0)
    assert found.mean == pytest.approx(float(middle @ (1.0, -2.0, 0.5)), abs=0.1)
    # The variance of a coordinate over a ball is R²/5.
    assert found.sd == pytest.approx(12.0 * np.sqrt((1 + 4 + 0.25) / 5), rel=0.02)


@pytest.mark.parametrize("name", GRIDS)
def test_a_box_lies_along_the_patients_axes_on_any_grid(name) -> None:
    grid = GRIDS[name]
    values = np.random.default_rng(2).integers(-100, 300, grid.shape_kji).astype(np.int16)
    middle, size = grid.centre_mm + 0.2, np.array([12.0, 9.0, 15.0])
    away = centres(grid) - middle
    mine = values[np.all((away >= -size / 2) & (away < size / 2), axis=-1)]
    found = box_values(values, grid, middle, size)
    assert found.voxels == mine.size
    assert found.mean == pytest.approx(mine.mean())


def test_a_box_on_the_borders_of_voxels_holds_as_many_wherever_the_origin_is() -> None:
    for origin in (0.0, 0.1, -377.3, 1234.567):
        grid = Geometry.from_parts((40, 40, 40), (0.1, 1.0, 1.0), (origin,) * 3)
        # The box begins and ends at the centre of a voxel: one of the two counts.
        found = box_values(
            np.zeros(grid.shape_kji), grid, np.array([origin + 1.5, origin + 10, origin + 10]), (1, 4, 6)
        )
        assert found.voxels == 10 * 4 * 6


def test_a_region_partly_outside_the_image_says_how_much_of_it_was_counted() -> None:
    grid = GRIDS["straight"]
    corner = grid.to_lps((-0.5, 20, 20))
    found = box_values(np.ones(grid.shape_kji), grid, corner, (14.0, 9.0, 16.0))
    assert found.inside_percent == pytest.approx(50.0)
    assert found.voxels == 10 * 10 * 10


def test_a_region_without_any_voxel_is_refused_with_the_reason() -> None:
    grid = GRIDS["straight"]
    with pytest.raises(BadInput, match="outside the image"):
        sphere_values(np.zeros(grid.shape_kji), grid, grid.to_lps((-40, 5, 5)), 5.0)
    with pytest.raises(BadInput, match="so small"):
        sphere_values(np.zeros(grid.shape_kji), grid, grid.to_lps((10.5, 10.5, 10.5)), 0.2)


def test_voxels_without_a_number_are_left_out_and_counted() -> None:
    grid = GRIDS["straight"]
    values = np.full(grid.shape_kji, 7.0, np.float32)
    values[20, 25, 30] = np.nan
    found = sphere_values(values, grid, grid.to_lps((30, 25, 20)), 3.0)
    assert (found.mean, found.not_numbers) == (7.0, 1)
