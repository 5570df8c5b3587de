"""Slices along the patient's axes: the right voxel on the right side of the screen, whatever the grid."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.render.placement import Placement
from surgitwin.render.slicing import Orientation, SliceGrid, Slicer, is_aligned, patient_view, slab_range

# A left-superior-anterior blob: voxels within 6 mm of this LPS point are 1000, the rest -1000.
BLOB = np.array([18.0, -25.0, 31.0])
PERMUTATIONS = list(itertools.permutations(range(3)))
FLIPS = list(itertools.product((1.0, -1.0), repeat=3))


def grid_with(direction: NDArray[np.float64], spacing: tuple[float, float, float] = (1.1, 1.7, 2.3)) -> Geometry:
    """A grid around the origin with an extent of about 100 mm in each direction."""
    size = tuple(round(100 / s) for s in spacing)
    centre = direction @ (np.asarray(spacing) * (np.asarray(size) - 1) / 2)
    return Geometry.from_parts(size, spacing, -centre, direction)


def blob(geometry: Geometry) -> NDArray[np.int16]:
    k, j, i = np.indices(geometry.shape_kji)
    points = geometry.to_lps(np.stack([i, j, k], axis=-1))
    return np.where(np.linalg.norm(points - BLOB, axis=-1) < 6.0, 1000, -1000).astype(np.int16)


def turned(degrees: float, axis: int = 2) -> NDArray[np.float64]:
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    a, b = [x for x in range(3) if x != axis]
    turn = np.eye(3)
    turn[a, a], turn[a, b], turn[b, a], turn[b, b] = c, -s, s, c
    return turn


def screen_position(geometry: Geometry, orientation: Orientation) -> tuple[float, float, float]:
    """Where the blob appears: fractions of the picture from the left and the top, and the slice's position in mm."""
    slicer = Slicer(blob(geometry), geometry, orientation)
    index = slicer.grid.index_of(float(BLOB[orientation.axis]))
    plane = slicer.slice(index)
    assert plane is not None
    rows, columns = np.nonzero(plane > 0)
    uv = np.array(
        [
            slicer.grid.origin[0] + columns.mean() * slicer.grid.spacing[0],
            slicer.grid.origin[1] + rows.mean() * slicer.grid.spacing[1],
        ]
    )
    x, y = Placement.fit(slicer.grid, 400, 400).to_pixels(uv) / 400
    return float(x), float(y), slicer.grid.position_of(index)


@pytest.mark.parametrize("permutation", PERMUTATIONS)
@pytest.mark.parametrize("flip", FLIPS)
def test_a_structure_on_the_left_in_front_and_above_appears_on_its_side_for_every_grid(
    permutation: tuple[int, int, int], flip: tuple[float, float, float]
) -> None:
    geometry = grid_with(np.eye(3)[:, permutation] * flip)
    x, y, _ = screen_position(geometry, Orientation.AXIAL)
    assert x > 0.6 and y < 0.35, "left side on the screen's right, front up"
    x, y, _ = screen_position(geometry, Orientation.CORONAL)
    assert x > 0.6 and y < 0.3, "left side on the screen's right, superior up"
    x, y, _ = screen_position(geometry, Orientation.SAGITTAL)
    assert x < 0.35 and y < 0.3, "front on the screen's left, superior up"


@pytest.mark.parametrize("orientation", list(Orientation))
@pytest.mark.parametrize(
    "direction",
    [turned(20) @ turned(-13, 0), turned(35, 1) @ np.diag([1.0, -1.0, 1.0]), np.eye(3)[:, [2, 0, 1]] @ turned(9, 0)],
)
def test_an_oblique_grid_shows_a_structure_at_its_true_millimetre(
    orientation: Orientation, direction: NDArray[np.float64]
) -> None:
    geometry = grid_with(direction)
    slicer = Slicer(blob(geometry), geometry, orientation)
    index = slicer.grid.index_of(float(BLOB[orientation.axis]))
    plane = slicer.slice(index)
    assert plane is not None and not slicer.grid.aligned
    rows, columns = np.nonzero(plane > 0)
    found = orientation.to_lps(
        (
            slicer.grid.origin[0] + columns.mean() * slicer.grid.spacing[0],
            slicer.grid.origin[1] + rows.mean() * slicer.grid.spacing[1],
            slicer.grid.position_of(index),
        )
    )
    off = np.delete(found - BLOB, orientation.axis)
    assert np.abs(off).max() < 1.0


def test_an_aligned_slice_is_the_voxels_themselves_without_a_copy() -> None:
    geometry = grid_with(np.diag([-1.0, 1.0, -1.0]))
    array = np.random.default_rng(1).integers(-1000, 1000, geometry.shape_kji, dtype=np.int16)
    for orientation in Orientation:
        plane = Slicer(array, geometry, orientation).slice(3)
        assert plane is not None and np.shares_memory(plane, array)


def test_every_pixel_of_an_aligned_slice_lies_where_its_voxel_lies() -> None:
    geometry = grid_with(np.eye(3)[:, [1, 2, 0]] * (1, -1, -1), (1.3, 2.9, 0.7))
    array = np.arange(geometry.voxel_count, dtype=np.int32).reshape(geometry.shape_kji)
    for orientation in Orientation:
        slicer = Slicer(array, geometry, orientation)
        for index, row, column in ((0, 0, 0), (2, 5, 7), (slicer.grid.count - 1, 3, 1)):
            plane = slicer.slice(index)
            assert plane is not None
            u = slicer.grid.origin[0] + column * slicer.grid.spacing[0]
            v = slicer.grid.origin[1] + row * slicer.grid.spacing[1]
            point = orientation.to_lps((u, v, slicer.grid.position_of(index)))
            i, j, k = np.rint(geometry.to_index(point)).astype(int)
            assert plane[row, column] == array[k, j, i]
            assert slicer.value_at(point) == array[k, j, i]


def test_a_circle_stays_a_circle_with_unequal_spacing() -> None:
    geometry = grid_with(np.eye(3), (0.5, 2.0, 5.0))
    placement = Placement.fit(SliceGrid.of(geometry, Orientation.CORONAL), 300, 500)
    centre = np.array([3.0, -4.0])
    circle = centre + 20 * np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
    radii = np.linalg.norm(placement.to_pixels(circle) - placement.to_pixels(centre), axis=1)
    assert np.allclose(radii, radii[0])


@pytest.mark.parametrize(("orientation", "letters"), [("axial", "RLAP"), ("coronal", "RLSI"), ("sagittal", "APSI")])
def test_orientation_letters_follow_the_radiological_convention(orientation: str, letters: str) -> None:
    assert "".join(Orientation(orientation).letters()) == letters


def test_slice_positions_are_named_by_the_side_of_the_origin() -> None:
    assert Orientation.AXIAL.position_text(112.46) == "S 112.5 mm"
    assert Orientation.AXIAL.position_text(-3.0) == "I 3.0 mm"
    assert Orientation.CORONAL.position_text(18.1) == "P 18.1 mm"
    assert Orientation.SAGITTAL.position_text(-21.4) == "R 21.4 mm"


def test_view_coordinates_come_back_to_the_same_point() -> None:
    points = np.random.default_rng(3).normal(size=(10, 3))
    for orientation in Orientation:
        assert np.allclose(orientation.to_lps(orientation.to_view(points)), points)


def test_a_slice_outside_the_volume_is_none() -> None:
    geometry = grid_with(np.eye(3))
    slicer = Slicer(blob(geometry), geometry, Orientation.AXIAL)
    assert slicer.slice(-1) is None
    assert slicer.slice(slicer.grid.count) is None


@pytest.mark.parametrize("orientation", list(Orientation))
@pytest.mark.parametrize(("mode", "function"), [("max", np.max), ("min", np.min), ("mean", np.mean)])
def test_a_slab_projects_exactly_the_slices_of_its_thickness(
    orientation: Orientation, mode: str, function: object
) -> None:
    geometry = grid_with(np.diag([1.0, -1.0, 1.0]))
    array = np.random.default_rng(2).integers(-1000, 1000, geometry.shape_kji, dtype=np.int16)
    slicer = Slicer(array, geometry, orientation)
    thickness = 5.2 * slicer.grid.spacing[2]
    first, last = slab_range(20, slicer.grid.count, slicer.grid.spacing[2], thickness)
    assert last - first == 5 and first == 18
    stack = patient_view(array, geometry, orientation)[first:last]
    expected = np.rint(function(stack, axis=0))  # type: ignore[operator]
    assert np.array_equal(slicer.slice(20, thickness, mode), expected)  # type: ignore[arg-type]


def test_a_slab_at_the_edge_keeps_to_the_volume() -> None:
    assert slab_range(0, 10, 1.0, 5.0) == (0, 3)
    assert slab_range(9, 10, 1.0, 5.0) == (7, 10)
    assert slab_range(4, 10, 3.0, 0.0) == (4, 5)


def test_a_slab_through_an_oblique_volume_finds_the_structure_beside_the_slice() -> None:
    geometry = grid_with(turned(25))
    slicer = Slicer(blob(geometry), geometry, Orientation.AXIAL)
    beside = slicer.grid.index_of(float(BLOB[2]) + 12)
    thin, thick = slicer.slice(beside), slicer.slice(beside, 30.0)
    assert thin is not None and thick is not None
    assert thin.max() < 0 < thick.max()


def test_labels_of_an_oblique_grid_are_never_mixed() -> None:
    geometry = grid_with(turned(25))
    labels = np.where(blob(geometry) > 0, 7, 2).astype(np.uint8)
    plane = Slicer(labels, geometry, Orientation.AXIAL, labels=True).slice(20)
    assert plane is not None and plane.dtype == np.uint8
    assert set(np.unique(plane)) <= {0, 2, 7}


def test_a_tilt_too_small_to_move_a_voxel_counts_as_aligned() -> None:
    assert is_aligned(grid_with(turned(0.01)))
    assert not is_aligned(grid_with(turned(1.0)))


def test_an_unknown_slab_mode_and_a_wrong_shape_are_refused_in_words() -> None:
    geometry = grid_with(np.eye(3))
    with pytest.raises(BadInput, match="maximum, minimum or mean"):
        Slicer(blob(geometry), geometry, Orientation.AXIAL).slice(5, 20.0, "sum")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="shape"):
        Slicer(np.zeros((2, 2, 2), dtype=np.int16), geometry, Orientation.AXIAL)
    with pytest.raises(BadInput, match="oblique"):
        patient_view(blob(geometry), grid_with(turned(30)), Orientation.AXIAL)
