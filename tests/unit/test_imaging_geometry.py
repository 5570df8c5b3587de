"""Slices become a grid whose every voxel lies where the headers put it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from imaging_phantoms import AXIAL, CORONAL, OBLIQUE, SAGITTAL, normal_of, ramp, write_series
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.imaging import LoadedVolume, list_series, load_series

GRADIENT = np.array([1.5, -2.0, 3.0])


def field(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A linear function of position: interpolation reproduces it exactly, a displacement does not."""
    return points @ GRADIENT + 100


def field_slices(
    positions: Sequence[NDArray[np.float64]],
    orientation: Sequence[float],
    spacing_ij: tuple[float, float],
    shape: tuple[int, int] = (16, 18),
) -> NDArray[np.int16]:
    """The function sampled on slices at ``positions``."""
    row, column = np.array(orientation[:3]) * spacing_ij[0], np.array(orientation[3:]) * spacing_ij[1]
    j, i = np.mgrid[: shape[0], : shape[1]]
    planes = [position + i[..., None] * row + j[..., None] * column for position in positions]
    return np.rint(field(np.array(planes))).astype(np.int16)


def field_on(geometry: Geometry) -> NDArray[np.float64]:
    k, j, i = np.mgrid[tuple(slice(n) for n in geometry.shape_kji)]
    return field(geometry.to_lps(np.stack([i, j, k], axis=-1)))


def assert_field(volume: LoadedVolume, within: float = 2.0, share: float = 0.6) -> None:
    """Where the volume is covered by slices, it shows the function at the place its geometry claims."""
    inside = volume.voxels > -1000
    inside &= field_on(volume.geometry) > -1000
    error = np.abs(volume.voxels - field_on(volume.geometry))[inside]
    assert np.mean(inside) > share
    # At the rim a voxel may lie half outside its slice.
    assert np.quantile(error, 0.85) <= within


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, CORONAL, OBLIQUE, (-1, 0, 0, 0, -1, 0), (0, 0, 1, 1, 0, 0)])
def test_a_stack_in_any_orientation_keeps_its_voxels_and_places_them(tmp_path: Path, orientation: tuple) -> None:
    voxels = ramp()
    write_series(tmp_path, voxels, orientation=orientation, spacing_ij=(0.7, 0.9), step=2.5)

    volume = load_series(tmp_path)

    assert np.array_equal(volume.voxels, voxels)
    assert volume.voxels.dtype == np.int16
    assert np.allclose(volume.geometry.spacing_mm, (0.7, 0.9, 2.5))
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    expected = np.array([-31.0, 17.0, 102.0]) + 3 * 0.7 * row + 2 * 0.9 * column + 4 * 2.5 * normal_of(orientation)
    assert np.allclose(volume.geometry.to_lps((3, 2, 4)), expected, atol=1e-6)
    assert volume.notices == ()
    assert not volume.geometry.left_handed
    assert volume.side_known


def test_slices_are_sorted_by_position_even_when_they_run_downwards(tmp_path: Path) -> None:
    voxels = ramp()
    positions = [np.array([0.0, 0.0, 50.0 - 2.0 * k]) for k in range(len(voxels))]
    write_series(tmp_path, voxels, positions=positions)

    volume = load_series(tmp_path)

    assert np.array_equal(volume.voxels, voxels[::-1])
    assert volume.geometry.origin_mm == (0.0, 0.0, 40.0)


def test_spacing_comes_from_positions_and_not_from_slice_thickness(tmp_path: Path) -> None:
    def lie(dataset: Dataset, _k: int) -> None:
        dataset.SliceThickness = 5.0
        dataset.SpacingBetweenSlices = 5.0

    write_series(tmp_path, ramp(), step=1.25, edit=lie)

    assert load_series(tmp_path).geometry.spacing_mm[2] == pytest.approx(1.25)
    assert list_series(tmp_path)[0].spacing_mm == (0.7, 0.9, 1.25)


def test_positions_rounded_in_the_header_are_not_a_defect(tmp_path: Path) -> None:
    positions = [np.array([0.0, 0.0, round(0.625 * k, 1)]) for k in range(20)]
    write_series(tmp_path, ramp((20, 4, 4)), positions=positions)

    volume = load_series(tmp_path)

    assert volume.notices == ()
    assert volume.geometry.spacing_mm[2] == pytest.approx(0.625, abs=0.005)


def test_a_missing_slice_is_named_by_its_position_and_filled_between_its_neighbours(tmp_path: Path) -> None:
    positions = [np.array([-5.0, 3.0, 10.0 + 2.5 * k]) for k in (0, 1, 2, 4, 5)]
    write_series(tmp_path, field_slices(positions, AXIAL, (0.7, 0.9)), positions=positions)

    volume = load_series(tmp_path)

    (notice,) = volume.notices
    assert notice.code == "missing-slice"
    assert "z = 17.5 mm" in notice.message
    assert notice.details["positions_mm"] == [[-5.0, 3.0, 17.5]]
    assert volume.geometry.size_ijk[2] == 6
    assert np.max(np.abs(volume.voxels - field_on(volume.geometry))) <= 1.0
    assert volume.identity.sop_instance_uids == ()
    assert len(volume.identity.source_sop_instance_uids) == 5


def test_a_missing_slice_of_a_sagittal_stack_is_named_along_x(tmp_path: Path) -> None:
    normal = normal_of(SAGITTAL)
    positions = [np.array([12.0, 3.0, 10.0]) + normal * 3.0 * k for k in (0, 1, 3, 4)]
    write_series(tmp_path, ramp((4, 5, 6)), orientation=SAGITTAL, positions=positions)

    (notice,) = load_series(tmp_path).notices

    assert f"x = {12.0 + normal[0] * 6.0:.1f} mm" in notice.message


def test_a_long_gap_splits_the_series_instead_of_inventing_anatomy(tmp_path: Path) -> None:
    heights = [0, 5, 10, 15, 115, 120, 125]
    write_series(tmp_path, ramp((7, 4, 4)), positions=[np.array([0.0, 0.0, h]) for h in heights], series_uid="1.2.3")

    infos = list_series(tmp_path)

    assert [info.series_uid for info in infos] == ["1.2.3", "1.2.3#2"]
    assert [info.images for info in infos] == [4, 3]
    assert all("missing-slice" in [notice.code for notice in info.notices] for info in infos)
    assert np.allclose(load_series(tmp_path, "1.2.3#2").geometry.origin_mm, (0, 0, 115))
    with pytest.raises(BadInput, match=r"1\.2\.3#2"):
        load_series(tmp_path)


def test_uneven_distances_are_resampled_and_named(tmp_path: Path) -> None:
    heights = [0.0, 2.0, 4.0, 6.0, 9.0, 12.0, 15.1]
    positions = [np.array([4.0, 5.0, h]) for h in heights]
    write_series(tmp_path, field_slices(positions, AXIAL, (0.7, 0.9)), positions=positions)

    volume = load_series(tmp_path)

    (notice,) = volume.notices
    assert notice.code == "irregular-spacing"
    assert notice.details["min_mm"] == pytest.approx(2.0)
    assert notice.details["max_mm"] == pytest.approx(3.1)
    assert np.max(np.abs(volume.voxels - field_on(volume.geometry))) <= 1.0
    first, last = volume.geometry.to_lps([(0, 0, 0), (0, 0, volume.geometry.size_ijk[2] - 1)])
    assert first[2] == pytest.approx(0.0)
    assert last[2] == pytest.approx(15.1)


@pytest.mark.parametrize("degrees", [-22.0, 8.0, 14.0])
def test_gantry_tilt_is_found_without_its_tag_and_straightened(tmp_path: Path, degrees: float) -> None:
    angle = np.radians(degrees)
    tilted = (1.0, 0.0, 0.0, 0.0, float(np.cos(angle)), float(np.sin(angle)))
    positions = [np.array([-9.0, 4.0, 30.0 + 4.0 * k]) for k in range(9)]
    write_series(
        tmp_path,
        field_slices(positions, tilted, (0.8, 0.8), (40, 24)),
        positions=positions,
        orientation=tilted,
        spacing_ij=(0.8, 0.8),
    )

    volume = load_series(tmp_path)

    (notice,) = volume.notices
    assert notice.code == "gantry-tilt"
    assert notice.details["angle_degrees"] == pytest.approx(abs(degrees), abs=0.01)
    assert volume.geometry.spacing_mm[2] == pytest.approx(4.0 * np.cos(angle))
    axes = volume.geometry.direction
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-9)
    assert_field(volume)
    assert volume.identity.sop_instance_uids == ()
    assert len(volume.identity.source_sop_instance_uids) == 9


def test_a_tilted_stack_with_a_missing_slice_is_put_right_in_both_ways(tmp_path: Path) -> None:
    angle = np.radians(12.0)
    tilted = (1.0, 0.0, 0.0, 0.0, float(np.cos(angle)), float(np.sin(angle)))
    positions = [np.array([-9.0, 4.0, 30.0 + 4.0 * k]) for k in (0, 1, 2, 4, 5, 6)]
    write_series(tmp_path, field_slices(positions, tilted, (0.8, 0.8), (40, 24)), positions=positions,
                 orientation=tilted, spacing_ij=(0.8, 0.8))  # fmt: skip

    volume = load_series(tmp_path)

    assert {notice.code for notice in volume.notices} == {"gantry-tilt", "missing-slice"}
    assert volume.geometry.size_ijk[2] == 7
    assert_field(volume)


def test_slices_shifted_within_their_plane_are_moved_back(tmp_path: Path) -> None:
    shifts = [0.0, 3.0, -2.0, 1.0, 4.0]
    positions = [np.array([shift, 0.0, 3.0 * k]) for k, shift in enumerate(shifts)]
    write_series(tmp_path, field_slices(positions, AXIAL, (1.0, 1.0)), positions=positions, spacing_ij=(1.0, 1.0))

    volume = load_series(tmp_path)

    assert [notice.code for notice in volume.notices] == ["shifted-slices"]
    assert volume.geometry.origin_mm[0] == pytest.approx(-2.0)
    inside = volume.voxels > -1000
    assert np.max(np.abs(volume.voxels - field_on(volume.geometry))[inside]) <= 1.0


def test_one_slice_stored_twice_is_used_once_and_named(tmp_path: Path) -> None:
    voxels = ramp((6, 5, 5))
    positions = [np.array([0.0, 0.0, 2.0 * k]) for k in (0, 1, 2, 2, 3, 4)]
    write_series(tmp_path, voxels, positions=positions)

    volume = load_series(tmp_path)

    (notice,) = volume.notices
    assert notice.code == "duplicate-slice"
    assert "z = 4.0 mm" in notice.message
    assert volume.geometry.size_ijk[2] == 5


def test_a_folder_copied_into_itself_gives_each_slice_once(tmp_path: Path) -> None:
    voxels = ramp()
    for path in write_series(tmp_path, voxels):
        (tmp_path / "copy").mkdir(exist_ok=True)
        (tmp_path / "copy" / path.name).write_bytes(path.read_bytes())

    volume = load_series(tmp_path)

    assert np.array_equal(volume.voxels, voxels)
    (notice,) = volume.notices
    assert notice.code == "duplicate-slice"
    assert notice.details == {"count": 6, "same_object": True}


def test_orientations_mixed_in_one_series_become_a_volume_each(tmp_path: Path) -> None:
    axial, sagittal = ramp((6, 7, 5), 1), ramp((4, 7, 5), 2)
    write_series(tmp_path / "a", axial, series_uid="1.2.9", study_uid="1.2")
    write_series(tmp_path / "b", sagittal, series_uid="1.2.9", study_uid="1.2", orientation=SAGITTAL, start=100)

    infos = list_series(tmp_path)

    assert [info.images for info in infos] == [6, 4]
    assert [info.description for info in infos] == ["Abdomen, axial", "Abdomen, sagittal"]
    assert all("mixed-orientation" in [notice.code for notice in info.notices] for info in infos)
    assert np.array_equal(load_series(tmp_path, "1.2.9#2").voxels, sagittal)


def test_a_skewed_orientation_is_refused_by_file(tmp_path: Path) -> None:
    write_series(tmp_path, ramp(), orientation=(1, 0, 0, 0.5, 0.5, 0))

    with pytest.raises(BadInput, match="perpendicular"):
        load_series(tmp_path)


def test_a_lone_slice_says_that_its_depth_is_only_claimed(tmp_path: Path) -> None:
    write_series(tmp_path, ramp((1, 5, 5)))

    volume = load_series(tmp_path)

    assert volume.geometry.size_ijk == (5, 5, 1)
    assert volume.geometry.spacing_mm[2] == 9.0
    assert [notice.code for notice in volume.notices] == ["single-slice"]
