"""HU along a screw: an image that rises evenly has a mean and a spread that are known, in any grid."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.implant_shapes import block

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.implants.distance import DistanceTo
from surgitwin.implants.poses import turn
from surgitwin.implants.trajectory import CUTOFFS, CtPart, PathValues, path_values

RISE = np.array([3.0, -5.0, 2.0])  # HU per mm along x, y and z
BASE = 150.0
MIDDLE = np.array([12.0, -40.0, 700.0])
FLIPPED = np.diag([-1.0, 1.0, -1.0])
GRIDS = {
    "straight": np.eye(3),
    "flipped": FLIPPED,
    "oblique": turn((0.3, -0.5, 1.0), 0.6),
    "oblique, left-handed": turn((0.3, -0.5, 1.0), 0.6) @ np.diag([1.0, 1.0, -1.0]),
}


def image(direction: np.ndarray, size: tuple[int, int, int] = (81, 83, 47)) -> tuple[np.ndarray, Geometry]:
    """HU = base + rise . (p - middle), not rounded, in odd spacings, centred on the middle."""
    grid = Geometry.from_parts(size, (0.9, 0.8, 1.7), (0, 0, 0), direction)
    grid = Geometry.from_parts(size, (0.9, 0.8, 1.7), MIDDLE - grid.centre_mm, direction)
    k, j, i = np.indices(grid.shape_kji)
    return BASE + (grid.to_lps(np.stack([i, j, k], axis=-1)) - MIDDLE) @ RISE, grid


def at(x: float, y: float, z: float) -> np.ndarray:
    return MIDDLE + np.array([x, y, z])


def bone() -> DistanceTo:
    """A block of 30 mm around the middle."""
    cube = block(30.0, 30.0, 30.0)
    return DistanceTo(Mesh((cube.points + MIDDLE).astype(np.float32), cube.triangles))


def path(direction: np.ndarray, entry: object, tip: object, radius: float = 3.0) -> PathValues:
    voxels, grid = image(direction)
    solid = bone()
    part = CtPart.around(voxels, grid, solid.mesh.points, "CT")
    assert part is not None and part.voxels.size < voxels.size
    found = path_values(part, solid, np.asarray(entry) + MIDDLE, np.asarray(tip) + MIDDLE, radius)
    assert found is not None
    return found


@pytest.mark.parametrize("name", GRIDS)
def test_the_mean_and_spread_of_an_even_rise_are_those_of_the_cylinder(name: str) -> None:
    entry, tip = np.array([6.0, 9.0, -8.0]), np.array([-7.0, -8.0, 9.0])
    found = path(GRIDS[name], entry, tip)
    axis, length = (tip - entry) / np.linalg.norm(tip - entry), np.linalg.norm(tip - entry)
    assert found.mean == pytest.approx(BASE + RISE @ (entry + tip) / 2, abs=1e-3)
    across = np.linalg.norm(RISE - (RISE @ axis) * axis)
    # An even spread along the length has L^2 / 12, a disc across it r^2 / 4.
    assert found.sd == pytest.approx(np.sqrt((RISE @ axis * length) ** 2 / 12 + (across * 3.0) ** 2 / 4), rel=1e-3)
    assert found.in_bone_percent == 100.0 and found.in_image_percent == 100.0
    volume = np.pi * 9.0 * length
    assert volume / (0.9 * 0.8 * 1.7) < found.voxels < 2.0 * volume / (0.9 * 0.8 * 1.7)  # those at its border too


@pytest.mark.parametrize("name", GRIDS)
def test_only_what_is_inside_the_bone_counts(name: str) -> None:
    """The screw enters 10 mm above the block: what counts begins at its face, y = 15."""
    found = path(GRIDS[name], (2.0, 25.0, 1.0), (2.0, -5.0, 1.0))
    assert found.in_bone_percent == pytest.approx(100.0 * 20 / 30)
    assert found.mean == pytest.approx(BASE + RISE @ (2.0, 5.0, 1.0), abs=1e-3)


def test_a_screw_outside_the_bone_or_the_image_has_no_values_and_one_half_out_says_so() -> None:
    voxels, grid = image(np.eye(3))
    solid, radius = bone(), 2.0
    part = CtPart.around(voxels, grid, solid.mesh.points, "CT")
    assert part is not None
    assert path_values(part, solid, at(40, 0, 0), at(60, 0, 0), radius) is None
    assert CtPart.around(voxels, grid, solid.mesh.points + 500.0, "CT") is None
    # The last voxel's outer face lies at the middle: half of the path is in the image.
    half = grid.cropped(type(grid.full_box)((0, 0, 0), (40, 83, 47)))
    cut = CtPart.around(voxels[:, :, :40], half, solid.mesh.points, "CT")
    assert cut is not None
    found = path_values(cut, solid, at(-10.45, 0, 0), at(9.55, 0, 0), radius)
    assert found is not None and found.in_image_percent == pytest.approx(50.0)


def test_voxels_without_a_number_are_left_out() -> None:
    voxels, grid = image(np.eye(3))
    voxels[:23] = np.nan
    solid = bone()
    part = CtPart.around(voxels, grid, solid.mesh.points, "CT")
    assert part is not None
    found = path_values(part, solid, at(0, 0, -10), at(0, 0, 10), 2.0)
    assert found is not None and np.isfinite(found.mean) and 40.0 < found.in_image_percent < 60.0


def test_a_screw_without_thickness_is_refused() -> None:
    with pytest.raises(BadInput, match="no thickness"):
        path(np.eye(3), (0, 0, -5), (0, 0, 5), radius=0.0)


def test_every_published_threshold_names_whom_it_is_of_and_its_limits() -> None:
    assert {one["hu"] for one in CUTOFFS} == {153.5, 124.0, 116.0, 126.0}
    assert all(one["population"] and one["limits"] and one["source"] and one["outcome"] for one in CUTOFFS)
