"""Masks, label maps and volumes out: the affine, the values, the names; read back by independent programs."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Geometry, lps_to_ras
from surgitwin.core.progress import Context
from surgitwin.exchange import labelmap_out
from surgitwin.exchange.labelmap_out import write_labels, write_mask, write_volume
from surgitwin.imaging.files import FileRef
from surgitwin.imaging.nifti import open_nifti
from surgitwin.segmentation.labelmaps import read_labelmap

ANGLE = np.deg2rad(31)
TURN = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1.0]])
GRIDS = {
    "straight": Geometry.from_parts((9, 7, 5), (0.7, 1.1, 3.3), (-123.456789, 45.5, 1000.123)),
    "oblique": Geometry.from_parts((9, 7, 5), (0.7, 1.1, 3.3), (-123.456789, 45.5, 1000.123), TURN),
    "flipped": Geometry.from_parts((9, 7, 5), (0.7, 1.1, 3.3), (3, 4, 5), TURN @ np.diag([1.0, -1.0, -1.0])),
    "left-handed": Geometry.from_parts((9, 7, 5), (0.7, 1.1, 3.3), (3, 4, 5), TURN @ np.diag([1.0, 1.0, -1.0])),
}
SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


def values(dtype: type = np.int16) -> NDArray[np.generic]:
    return np.random.default_rng(0).integers(-1000, 3000, (5, 7, 9)).astype(dtype)


@pytest.mark.parametrize("grid", list(GRIDS))
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_volume_comes_back_with_its_voxels_and_its_place(tmp_path: Path, grid: str, suffix: str) -> None:
    geometry = GRIDS[grid]
    path = write_volume(tmp_path / f"ct{suffix}", values(), geometry)
    image = SimpleITK.ReadImage(str(path))
    assert np.array_equal(SimpleITK.GetArrayFromImage(image), values())
    assert image.GetPixelID() == SimpleITK.sitkInt16
    for index in ((0, 0, 0), (8, 6, 4), (1, 2, 3)):
        assert np.allclose(image.TransformIndexToPhysicalPoint(index), geometry.to_lps(index), atol=2e-4)


@pytest.mark.parametrize("grid", list(GRIDS))
def test_nrrd_and_metaimage_keep_every_digit_of_the_affine(tmp_path: Path, grid: str) -> None:
    geometry = GRIDS[grid]
    for suffix in (".nrrd", ".mha"):
        image = SimpleITK.ReadImage(str(write_volume(tmp_path / f"ct{suffix}", values(), geometry)))
        assert np.allclose(image.GetOrigin(), geometry.origin_mm, rtol=0, atol=1e-9)
        assert np.allclose(image.GetSpacing(), geometry.spacing_mm, rtol=0, atol=1e-9)
        assert np.allclose(np.array(image.GetDirection()).reshape(3, 3), geometry.direction, rtol=0, atol=1e-9)


@pytest.mark.parametrize("grid", list(GRIDS))
def test_nifti_of_an_image_whose_side_is_unknown_claims_no_scanner_coordinates(tmp_path: Path, grid: str) -> None:
    geometry = GRIDS[grid]
    path = write_volume(tmp_path / "ct.nii.gz", values(), geometry, side_known=False)
    image = nib.load(path)
    assert int(image.header["qform_code"]) == 0 and int(image.header["sform_code"]) in (0, 2)
    assert b"SIDE UNKNOWN" in bytes(image.header["descrip"])
    read = open_nifti(FileRef(path.name, path, path.stat().st_size))
    assert not read.side_known and [notice.code for notice in read.notices] == ["unknown-side"]
    assert np.allclose(read.geometry.affine_lps, geometry.affine_lps, atol=1e-3)


def test_a_plain_nifti_whose_side_is_unknown_goes_out_without_codes_as_it_came(tmp_path: Path) -> None:
    plain = Geometry.from_affine((9, 7, 5), lps_to_ras(np.diag([0.7, 0.8, 1.5, 1.0])))
    path = write_mask(tmp_path / "mask.nii", np.ones((5, 7, 9), bool), plain, "Liver", side_known=False)
    header = nib.load(path).header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (0, 0)
    read = open_nifti(FileRef(path.name, path, path.stat().st_size))
    assert not read.side_known and np.allclose(read.geometry.affine_lps, plain.affine_lps, atol=1e-6)


@pytest.mark.parametrize("grid", list(GRIDS))
def test_nifti_sets_both_codes_and_both_transforms_agree(tmp_path: Path, grid: str) -> None:
    geometry = GRIDS[grid]
    image = nib.load(write_volume(tmp_path / "ct.nii.gz", values(), geometry))
    sform, s_code = image.get_sform(coded=True)
    qform, q_code = image.get_qform(coded=True)
    assert (s_code, q_code) == (1, 1)
    assert np.array_equal(sform, lps_to_ras(geometry.affine_lps).astype(np.float32))
    assert np.abs(sform - qform).max() < 1e-4
    assert image.header.get_xyzt_units()[0] == "mm" and np.array_equal(np.asarray(image.dataobj).T, values())


def test_a_sheared_grid_is_written_by_its_sform_alone(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[0, 2] = 0.4
    image = nib.load(write_volume(tmp_path / "ct.nii", values(), Geometry.from_affine((9, 7, 5), affine)))
    assert image.get_sform(coded=True)[1] == 1 and image.get_qform(coded=True)[1] == 0
    assert np.allclose(image.affine, lps_to_ras(affine))


@pytest.mark.parametrize(
    "dtype",
    [
        np.bool_,
        np.uint8,
        np.int8,
        np.uint16,
        np.int16,
        np.int32,
        np.uint32,
        np.int64,
        np.float16,
        np.float32,
        np.float64,
        ">i2",
    ],
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_value_of_any_type_is_changed(tmp_path: Path, dtype: type, suffix: str) -> None:
    voxels = (np.arange(315).reshape(5, 7, 9) % 120).astype(dtype)
    path = write_volume(tmp_path / f"a{suffix}", voxels, GRIDS["straight"])
    assert np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))), voxels.astype(np.float64))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".seg.nrrd"])
def test_a_label_map_comes_back_with_names_and_colours(tmp_path: Path, suffix: str) -> None:
    labels = np.zeros((5, 7, 9), dtype=np.uint8)
    labels[1:3, 2:5, 3:7], labels[4] = 1, 7
    names, colors = {1: "Liver & <co>", 7: "Tumor 1"}, {1: (221, 130, 101), 7: (242, 206, 48)}
    path = write_labels(tmp_path / f"all{suffix}", labels, GRIDS["oblique"], names, colors)
    read = read_labelmap(path)
    assert read.names == {(0, 1): "Liver & <co>", (0, 7): "Tumor 1"}
    assert read.colors == {(0, 1): (221, 130, 101), (0, 7): (242, 206, 48)}
    assert np.array_equal(read.layers[0], labels)
    assert read.side_known and read.notices == ()
    assert read.geometry.same_grid(GRIDS["oblique"])


def test_the_extent_of_a_segment_is_the_same_however_the_image_is_cut_into_slabs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.random.default_rng(1).choice([0, 0, 0, 1, 300], (5, 7, 9)).astype(np.uint16)
    labels[0], labels[:, 0], labels[:, :, -1] = 0, 0, 0
    for slab in (10**9, 1):
        monkeypatch.setattr(labelmap_out, "_SLAB_VOXELS", slab)
        path = write_labels(tmp_path / "a.seg.nrrd", labels, GRIDS["straight"], {1: "One", 300: "Many", 2: "None"})
        header = path.read_bytes().split(b"\n\n")[0].decode()
        for number, value in enumerate((1, 300)):
            where = np.argwhere(labels == value)[:, ::-1]
            ends = " ".join(f"{a} {b}" for a, b in zip(where.min(axis=0), where.max(axis=0), strict=True))
            assert f"Segment{number}_Extent:={ends}\n" in header
        assert "Segment2_Extent:=0 -1 0 -1 0 -1" in header


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_mask_is_written_on_its_own_grid_as_zero_and_one(tmp_path: Path, suffix: str) -> None:
    mask = np.zeros((5, 7, 9), dtype=bool)
    mask[2, 3, 4] = True
    read = read_labelmap(write_mask(tmp_path / f"liver{suffix}", mask, GRIDS["flipped"], "Liver", (1, 2, 3)))
    assert np.array_equal(read.layers[0], mask) and read.geometry.same_grid(GRIDS["flipped"])
    assert read.names[0, 1] in ("Liver", "liver")


def test_the_same_volume_gives_the_same_file_bit_for_bit(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        contents = [
            write_volume(tmp_path / f"{name}{suffix}", values(), GRIDS["oblique"]).read_bytes() for name in "ab"
        ]
        assert contents[0] == contents[1]


def test_what_cannot_be_written_is_refused_and_nothing_appears(tmp_path: Path) -> None:
    grid = GRIDS["straight"]
    with pytest.raises(BadInput, match="'Tumor 1' is empty"):
        write_mask(tmp_path / "a.nii.gz", np.zeros((5, 7, 9), bool), grid, "Tumor 1")
    with pytest.raises(BadInput, match=r"a\.jpg.*\.nii\.gz"):
        write_volume(tmp_path / "a.jpg", values(), grid)
    with pytest.raises(BadInput, match="different sizes"):
        write_volume(tmp_path / "a.nii", np.zeros((2, 2, 2)), grid)
    with pytest.raises(BadInput, match="complex64"):
        write_volume(tmp_path / "a.nii", values(np.complex64), grid)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="beyond 32 bits"):
        write_volume(tmp_path / "a.nii", values(np.int64) * 10**9, grid)  # type: ignore[operator]
    long = Geometry.from_parts((40000, 1, 1))
    with pytest.raises(BadInput, match="32767"):
        write_volume(tmp_path / "a.nii", np.zeros((1, 1, 40000), np.uint8), long)
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_export_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_text("old")
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        write_volume(path, values(), GRIDS["straight"], ctx)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1
