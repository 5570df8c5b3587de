"""Published DICOM series become the NIfTI files that their publishers say they should become."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from numpy.typing import NDArray

from surgitwin.core.geometry import Geometry, lps_to_ras
from surgitwin.imaging import LoadedVolume, list_series, load_series
from surgitwin.imaging.siemens_csa import mosaic_facts

HERE = Path(__file__).parent.parent / "data" / "imaging"
EVERYTHING = Path(os.environ["SURGITWIN_TEST_DATA"]) if "SURGITWIN_TEST_DATA" in os.environ else None


def needs(path: str) -> Path:
    """A file of the whole collections, which are not part of the project."""
    if EVERYTHING is None or not (EVERYTHING / path).exists():
        pytest.skip(f"needs {path} of the whole collection; SURGITWIN_TEST_DATA names the folder that holds it")
    return EVERYTHING / path


def in_common_order(voxels: NDArray, geometry: Geometry) -> tuple[NDArray, Geometry]:
    """The same image with axes permuted and flipped so that i, j and k run as nearly as possible to L, P and S."""
    direction = geometry.direction
    order = [int(np.argmax(np.abs(direction[axis]))) for axis in range(3)]
    assert sorted(order) == [0, 1, 2]
    affine = np.array(geometry.affine_lps)
    turned = np.transpose(voxels, [2 - order[2 - axis] for axis in range(3)])
    columns, origin = affine[:3, order], affine[:3, 3].copy()
    for axis in range(3):
        if columns[axis, axis] < 0:
            origin += columns[:, axis] * (turned.shape[2 - axis] - 1)
            columns[:, axis] *= -1
            turned = np.flip(turned, 2 - axis)
    whole = np.eye(4)
    whole[:3, :3], whole[:3, 3] = columns, origin
    return turned, Geometry.from_affine(tuple(reversed(turned.shape)), whole)


def truth_of(path: Path, volume: int = 0) -> tuple[NDArray, Geometry]:
    image = nibabel.load(path)
    data = np.asarray(image.dataobj)
    data = data[..., volume] if data.ndim == 4 else data
    return in_common_order(data.T, Geometry.from_affine(data.shape, lps_to_ras(image.affine)))


def assert_reproduces(volume: LoadedVolume, truth: Path, number: int = 0) -> None:
    voxels, geometry = in_common_order(volume.voxels, volume.geometry)
    expected, expected_geometry = truth_of(truth, number)
    assert voxels.shape == expected.shape
    corners = geometry.corners_ijk()
    assert np.max(np.abs(geometry.to_lps(corners) - expected_geometry.to_lps(corners))) < 1e-3
    assert np.allclose(geometry.affine_lps, expected_geometry.affine_lps, atol=1e-3)
    if expected.dtype.kind in "iu":
        assert np.array_equal(voxels, expected)
    else:
        assert np.allclose(voxels, expected, rtol=1e-6)


PAIRS = [
    ("generic/compressed_rle/001", "generic/001_ground_truth.nii.gz"),
    ("generic/compressed_j2k/001", "generic/001_ground_truth.nii.gz"),
    ("generic/compressed_jpegls/001", "generic/001_ground_truth.nii.gz"),
    ("hitachi/anatomical/001", "hitachi/anatomical/001_ground_truth.nii.gz"),
    ("hitachi/anatomical/001_implicit", "hitachi/anatomical/001_implicit_ground_truth.nii.gz"),
    ("philips/anatomical/001", "philips/anatomical/001_ground_truth.nii.gz"),
    ("philips_enhanced/anatomical/001", "philips_enhanced/anatomical/001_ground_truth.nii.gz"),
]
WHOLE_PAIRS = [
    "generic/compressed_rle/001",
    "generic/compressed_j2k/001",
    "generic/compressed_jpegls/001",
    "hitachi/anatomical/001",
    "hitachi/anatomical/001_implicit",
    "philips/anatomical/001",
    "philips/anatomical/001_implicit",
    "philips_enhanced/anatomical/001",
    "philips_enhanced/anatomical/001_implicit",
    "siemens/anatomical/001",
    "siemens/anatomical/001_implicit",
]


@pytest.mark.parametrize(("series", "truth"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_a_published_series_becomes_its_published_nifti(series: str, truth: str) -> None:
    volume = load_series(HERE / "dicom2nifti" / series)

    assert_reproduces(volume, HERE / "dicom2nifti" / truth)
    assert volume.notices == ()


@pytest.mark.parametrize("series", WHOLE_PAIRS)
@pytest.mark.parametrize("kind", ["", "_reoriented"])
def test_every_series_of_the_whole_collection_becomes_its_nifti(series: str, kind: str) -> None:
    folder = needs(f"dicom2nifti/{series}")
    truth = needs(f"dicom2nifti/{series}_ground_truth{kind}.nii.gz")

    assert_reproduces(load_series(folder), truth)


@pytest.mark.parametrize("number", [0, 1])
def test_a_siemens_mosaic_becomes_its_time_points_where_the_scan_protocol_puts_them(number: int) -> None:
    """The published NIfTI has these voxels and axes, but its first slice where the scanner's last slice is.

    The scan protocol inside the DICOM files lists the centre of every slice, and the files' own position agrees with
    it; the published origin lies 49 slices further up. The protocol is the reference here: docs/adr/0016.
    """
    folder = HERE / "dicom2nifti" / "siemens" / "fmri" / "001"
    infos = list_series(folder)
    volume = load_series(infos[number])
    voxels, geometry = in_common_order(volume.voxels, volume.geometry)
    expected, expected_geometry = truth_of(folder.parent / "001_ground_truth.nii.gz", number)

    assert [info.size_ijk for info in infos] == [(80, 80, 50)] * 2
    assert np.array_equal(voxels, expected)
    assert np.allclose(geometry.affine_lps[:3, :3], expected_geometry.affine_lps[:3, :3], atol=1e-3)
    apart = expected_geometry.affine_lps[:3, 3] - geometry.affine_lps[:3, 3]
    assert np.allclose(apart, 49 * geometry.affine_lps[:3, 2], atol=5e-3)

    header = pydicom.dcmread(folder / "IM-0001-0001.dcm", stop_before_pixels=True)
    ends = mosaic_facts(b"", header[0x0029, 0x1020].value).ends_mm
    assert ends is not None
    middle = (np.array(geometry.size_ijk[:2]) - 1) / 2
    for end, k in zip(ends, (0, 49), strict=True):
        offset = geometry.to_lps((*middle, k)) - np.array(end)
        assert abs(offset @ geometry.direction[:, 2]) < 0.1
        # The protocol gives the centre of the field, half a pixel from the centre of the middle pixels.
        assert np.linalg.norm(offset) < 2.0


def test_diffusion_weightings_of_ge_are_told_apart_by_its_private_tag() -> None:
    infos = list_series(HERE / "dicom2nifti" / "ge" / "dti" / "001")

    assert [info.description for info in infos] == ["b = 0 s/mm2", "b = 1000 s/mm2"]
    assert [info.images for info in infos] == [4, 4]


def test_a_gantry_tilt_without_its_tag_is_found_and_straightened() -> None:
    volume = load_series(HERE / "dicom2nifti" / "failing" / "gantrytilting.zip")

    (notice,) = volume.notices
    assert notice.code == "gantry-tilt"
    assert notice.details["angle_degrees"] == pytest.approx(14.0, abs=0.01)
    assert volume.geometry.spacing_mm == pytest.approx((0.41796875, 0.41796875, 5 * np.cos(np.radians(14))), abs=1e-5)
    axes = volume.geometry.direction
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-9)


def test_a_published_missing_slice_is_named_where_it_is() -> None:
    volume = load_series(HERE / "dicom2nifti" / "failing" / "sliceincrement.zip")

    (notice,) = volume.notices
    assert notice.code == "missing-slice"
    assert "z = 33.1 mm" in notice.message
    assert volume.geometry.size_ijk == (512, 512, 5)
    assert volume.geometry.spacing_mm[2] == pytest.approx(5.0, abs=1e-5)
    between = (volume.voxels[2].astype(float) + volume.voxels[4]) / 2
    assert np.max(np.abs(volume.voxels[3] - between)) <= 0.5


def test_two_volumes_of_philips_in_one_series_are_split_into_magnitude_and_phase() -> None:
    infos = list_series(needs("dicom2nifti/philips/anatomical/002"))

    assert [info.images for info in infos] == [4, 4]
    assert "_M" in infos[0].description
    assert "_P" in infos[1].description
    assert infos[0].spacing_mm == infos[1].spacing_mm


def test_the_distance_of_slices_is_not_their_thickness() -> None:
    volume = load_series(HERE / "totalsegmentator" / "example_ct_dicom")

    assert volume.geometry.spacing_mm == pytest.approx((0.9765625, 0.9765625, 2.0))
    assert volume.geometry.origin_mm == pytest.approx((-249.51171875, -437.51171875, -772.5))
    assert (volume.unit, volume.identity.phase, volume.identity.contrast) == ("HU", "portal venous", "APPLIED")


def test_a_published_ct_lies_on_the_grid_of_its_published_segmentation() -> None:
    volume = load_series(needs("totalsegmentator/example_ct_dicom"))
    labels = load_series(needs("totalsegmentator/example_seg_dicom.nii.gz"))

    _, one = in_common_order(volume.voxels, volume.geometry)
    _, other = in_common_order(labels.voxels, labels.geometry)
    assert one.same_grid(other)


def test_single_slices_and_their_multi_frame_object_are_the_same_volume() -> None:
    folder = HERE / "dcmqi" / "24x38x3"
    slices, frames = load_series(folder / "image"), load_series(folder / "multiframe" / "mf.dcm")

    assert np.array_equal(slices.voxels, frames.voxels)
    assert slices.geometry.same_grid(frames.geometry)
    assert frames.identity.frame_numbers == (1, 2, 3)
    assert load_series(folder / "nrrd" / "label.nrrd").geometry.same_grid(slices.geometry)


def test_a_folder_of_mixed_objects_lists_each_as_what_it_is() -> None:
    kinds = {info.kind for info in list_series(HERE / "highdicom")}

    assert kinds == {"single-slice", "segmentation", "report"}


SERIES = ["totalsegmentator/example_ct_dicom", "dicom2nifti/philips/anatomical/001", "dcmqi/24x38x3/image"]


@pytest.mark.parametrize("series", SERIES)
def test_an_independent_reader_sees_the_same_volume(series: str) -> None:
    folder = HERE / series
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    oracle = reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(oracle.GetDirection(), (3, 3)) * oracle.GetSpacing()
    affine[:3, 3] = oracle.GetOrigin()
    expected, grid = in_common_order(
        SimpleITK.GetArrayFromImage(oracle), Geometry.from_affine(oracle.GetSize(), affine)
    )

    volume = load_series(folder)
    voxels, geometry = in_common_order(volume.voxels, volume.geometry)

    assert np.array_equal(voxels, expected)
    assert geometry.same_grid(grid)
