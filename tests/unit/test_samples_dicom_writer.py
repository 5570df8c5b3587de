"""Volumes written as a CT series, read back by SimpleITK and pydicom."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.samples.dicom_writer import SeriesHeader, uid_for, write_ct_series

HEADER = SeriesHeader("a-test", "ID-1", "Sample^Nobody", "study", "series", "20240131", "101500")


def turned(flip: bool) -> Geometry:
    angles = np.deg2rad((20, -35))
    a, b = np.cos(angles), np.sin(angles)
    about_z = np.array([[a[0], -b[0], 0], [b[0], a[0], 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, a[1], -b[1]], [0, b[1], a[1]]])
    direction = about_z @ about_x @ np.diag([1, 1, -1 if flip else 1])
    return Geometry.from_parts((9, 7, 5), (0.7, 1.3, 3.1), (-12.5, 40.25, 99.0), direction)


def volume(geometry: Geometry) -> NDArray[np.int16]:
    values = np.random.default_rng(4).integers(-1024, 3072, geometry.voxel_count)
    return values.astype(np.int16).reshape(geometry.shape_kji)


@pytest.mark.parametrize("flip", [False, True])
def test_an_oblique_series_comes_back_with_its_values_in_their_places(tmp_path: Path, flip: bool) -> None:
    geometry = turned(flip)
    array = volume(geometry)
    written = write_ct_series(tmp_path / "series", array, geometry, HEADER, Context())
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "series"), written.series_uid))
    image = reader.Execute()
    back = SimpleITK.GetArrayFromImage(image)
    for i, j, k in ((0, 0, 0), (8, 6, 4), (3, 5, 1)):
        at = image.TransformPhysicalPointToIndex([float(v) for v in geometry.to_lps((i, j, k))])
        assert back[at[2], at[1], at[0]] == array[k, j, i]
    assert sorted(back.reshape(-1)) == sorted(array.reshape(-1))
    assert np.allclose(image.GetSpacing(), geometry.spacing_mm)


@pytest.mark.parametrize("flip", [False, True])
def test_instance_numbers_rise_along_the_normal_of_the_slices(tmp_path: Path, flip: bool) -> None:
    written = write_ct_series(tmp_path, volume(turned(flip)), turned(flip), HEADER, Context())
    slices = [pydicom.dcmread(path) for path in written.files]
    assert [int(s.InstanceNumber) for s in slices] == [1, 2, 3, 4, 5]
    row, column = np.array(slices[0].ImageOrientationPatient, dtype=float).reshape(2, 3)
    heights = [float(np.array(s.ImagePositionPatient, dtype=float) @ np.cross(row, column)) for s in slices]
    assert np.allclose(np.diff(heights), 3.1)
    assert np.allclose([float(s.SliceLocation) for s in slices], heights)


def test_a_sheared_stack_keeps_its_true_positions(tmp_path: Path) -> None:
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[1, 2] = 0.5
    geometry = Geometry.from_affine((6, 5, 4), affine)
    written = write_ct_series(tmp_path, volume(geometry), geometry, HEADER, Context())
    positions = [np.array(pydicom.dcmread(p).ImagePositionPatient, dtype=float) for p in written.files]
    assert np.allclose(np.diff(positions, axis=0), (0, 0.5, 2))
    assert float(pydicom.dcmread(written.files[0]).SliceThickness) == 2.0


def test_uids_are_valid_unique_and_the_same_for_the_same_name(tmp_path: Path) -> None:
    geometry = turned(False)
    first = write_ct_series(tmp_path / "a", volume(geometry), geometry, HEADER, Context())
    again = write_ct_series(tmp_path / "b", volume(geometry), geometry, HEADER, Context())
    uids = [first.study_uid, first.series_uid, first.frame_of_reference_uid, *first.sop_instance_uids]
    assert len(set(uids)) == len(uids)
    assert all(pydicom.uid.UID(uid).is_valid for uid in uids)
    assert [p.read_bytes() for p in first.files] == [p.read_bytes() for p in again.files]
    assert uid_for("another", "series") != uid_for("a-test", "series") == first.series_uid


def test_contrast_tags_appear_only_with_a_contrast_agent(tmp_path: Path) -> None:
    geometry = turned(False)
    plain = write_ct_series(tmp_path / "a", volume(geometry), geometry, HEADER, Context())
    header = SeriesHeader(
        "b", "ID", "X", "s", "s", "20240131", "101500", contrast_agent="Agent", injection_to_scan_s=70
    )
    late = write_ct_series(tmp_path / "b", volume(geometry), geometry, header, Context())
    assert "ContrastBolusAgent" not in pydicom.dcmread(plain.files[0])
    written = pydicom.dcmread(late.files[0])
    assert (written.ContrastBolusAgent, written.ContrastBolusStartTime) == ("Agent", "101350")


def test_fractions_are_rounded_to_whole_units(tmp_path: Path) -> None:
    geometry = Geometry.from_parts((2, 1, 1))
    written = write_ct_series(tmp_path, np.array([[[-0.6, 99.4]]]), geometry, HEADER, Context())
    slice_ = pydicom.dcmread(written.files[0])
    assert (slice_.pixel_array + int(slice_.RescaleIntercept)).tolist() == [[-1, 99]]


@pytest.mark.parametrize("value", [40000.0, -40000.0, np.nan])
def test_values_that_no_ct_holds_are_refused_and_nothing_is_written(tmp_path: Path, value: float) -> None:
    array = np.zeros((1, 4, 3))
    array[0, 2, 1] = value
    with pytest.raises(BadInput, match="Hounsfield units from"):
        write_ct_series(tmp_path / "x", array, Geometry.from_parts((3, 4, 1)), HEADER, Context())
    assert not (tmp_path / "x").exists()


def test_a_wrong_shape_and_skewed_slices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="along k, j, i"):
        write_ct_series(tmp_path, np.zeros((2, 2, 2)), Geometry.from_parts((2, 2, 3)), HEADER, Context())
    skewed = np.eye(4)
    skewed[0, 1] = 0.2
    with pytest.raises(BadInput, match="perpendicular"):
        write_ct_series(tmp_path, np.zeros((2, 2, 2)), Geometry.from_affine((2, 2, 2), skewed), HEADER, Context())
