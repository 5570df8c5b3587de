"""NIfTI, NRRD and MetaImage: sides, spacing and values, and honest doubt where a file leaves them open."""

from __future__ import annotations

import bz2
import gzip
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from imaging_phantoms import ramp
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import lps_to_ras
from surgitwin.imaging import list_series, load_series

# Rotated, mirrored and with three different spacings, in LPS.
ROTATION = np.array([[2 / 3, -2 / 3, 1 / 3], [2 / 3, 1 / 3, -2 / 3], [-1 / 3, -2 / 3, -2 / 3]])


def oblique_affine(left_handed: bool = False) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3, :3] = ROTATION * (0.8, 1.1, 2.3) * (1, 1, -1 if left_handed else 1)
    affine[:3, 3] = (12.5, -30.0, 4.0)
    return affine


def write_nifti(
    path: Path, voxels: NDArray, affine_lps: NDArray, sform: int = 1, qform: int = 1, qform_lps: NDArray | None = None
) -> Path:
    """``voxels`` [k, j, i], or [n, k, j, i] for four dimensions."""
    image = nibabel.Nifti1Image(voxels.T, lps_to_ras(affine_lps))
    image.set_sform(lps_to_ras(affine_lps), sform)
    image.set_qform(lps_to_ras(affine_lps if qform_lps is None else qform_lps), qform)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("left_handed", [False, True])
def test_nifti_is_turned_from_ras_to_lps(tmp_path: Path, ending: str, left_handed: bool) -> None:
    voxels, affine = ramp(), oblique_affine(left_handed)
    path = write_nifti(tmp_path / f"image{ending}", voxels, affine)

    volume = load_series(path)

    assert np.array_equal(volume.voxels, voxels)
    assert np.allclose(volume.geometry.affine_lps, affine, atol=1e-4)
    assert volume.side_known
    assert volume.name == "image"
    assert [notice.code for notice in volume.notices] == []


def test_the_qform_counts_where_there_is_no_sform(tmp_path: Path) -> None:
    affine = oblique_affine()
    path = write_nifti(tmp_path / "image.nii", ramp(), np.eye(4), sform=0, qform=1, qform_lps=affine)

    volume = load_series(path)

    assert np.allclose(volume.geometry.affine_lps, affine, atol=1e-4)
    assert volume.side_known


def test_no_orientation_code_leaves_the_side_unknown(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "image.nii", ramp(), np.diag([0.8, 1.1, 2.3, 1.0]), sform=0, qform=0)

    volume = load_series(path)

    assert not volume.side_known
    assert [notice.code for notice in volume.notices] == ["unknown-side"]
    assert np.allclose(volume.geometry.spacing_mm, (0.8, 1.1, 2.3))


def test_conflicting_orientations_leave_the_side_unknown(tmp_path: Path) -> None:
    mirrored = np.diag([-1.0, 1.0, 1.0, 1.0])
    path = write_nifti(tmp_path / "image.nii", ramp(), np.eye(4), qform_lps=mirrored)

    volume = load_series(path)

    assert not volume.side_known
    assert [notice.code for notice in volume.notices] == ["conflicting-orientation"]
    assert np.allclose(volume.geometry.affine_lps, np.eye(4), atol=1e-6)


def test_each_volume_of_a_four_dimensional_nifti_is_listed_and_loaded(tmp_path: Path) -> None:
    voxels = np.stack([ramp(seed=n) for n in range(3)])
    path = write_nifti(tmp_path / "dynamic.nii.gz", voxels, oblique_affine())

    infos = list_series(path)

    assert [info.series_uid for info in infos] == ["dynamic.nii.gz", "dynamic.nii.gz#2", "dynamic.nii.gz#3"]
    with pytest.raises(BadInput, match="3 volumes"):
        load_series(path)
    for n, info in enumerate(infos):
        assert np.array_equal(load_series(path, info.series_uid).voxels, voxels[n])


def test_nifti_scaling_is_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(ramp().T, np.eye(4))
    image.header.set_slope_inter(0.5, 3.0)
    nibabel.save(image, tmp_path / "scaled.nii")
    stored = np.asarray(nibabel.load(tmp_path / "scaled.nii").dataobj.get_unscaled())
    slope, intercept = nibabel.load(tmp_path / "scaled.nii").dataobj.slope, nibabel.load(
        tmp_path / "scaled.nii"
    ).dataobj.inter  # fmt: skip

    volume = load_series(tmp_path / "scaled.nii")

    assert np.allclose(volume.voxels, (stored * slope + intercept).T)


def test_micrometres_and_metres_become_millimetres(tmp_path: Path) -> None:
    for unit, factor in (("micron", 1000.0), ("meter", 0.001)):
        image = nibabel.Nifti1Image(ramp().T, np.diag([0.8 * factor, 0.9 * factor, 2 * factor, 1]))
        image.header.set_xyzt_units(unit)
        image.set_sform(image.affine, 1)
        nibabel.save(image, tmp_path / "units.nii")

        assert np.allclose(load_series(tmp_path / "units.nii").geometry.spacing_mm, (0.8, 0.9, 2.0))


def test_a_sheared_nifti_is_resampled_to_right_angles_and_keeps_places(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[:3, :3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.6], [0.0, 0.0, 2.0]]
    k, j, i = np.mgrid[:10, :20, :12]
    points = np.stack([i, j, k], axis=-1) @ affine[:3, :3].T
    voxels = np.rint(points @ (1.0, 2.0, 3.0) + 50).astype(np.int16)
    path = write_nifti(tmp_path / "tilted.nii", voxels, affine, qform=0)

    volume = load_series(path)

    assert [notice.code for notice in volume.notices] == ["sheared-grid"]
    axes = volume.geometry.direction
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-9)
    assert volume.geometry.spacing_mm == pytest.approx((1.0, 1.0, 2.0))
    k, j, i = np.mgrid[tuple(slice(n) for n in volume.geometry.shape_kji)]
    places = volume.geometry.to_lps(np.stack([i, j, k], axis=-1))
    inside = np.all((np.rint(places @ np.linalg.inv(affine[:3, :3]).T) >= 1)
                    & (places @ np.linalg.inv(affine[:3, :3]).T <= np.array([11, 19, 9])), axis=-1)  # fmt: skip
    assert inside.sum() > 1000
    assert np.max(np.abs(volume.voxels - (places @ (1.0, 2.0, 3.0) + 50))[inside]) <= 1.01


def test_an_incomplete_nifti_is_refused_by_name(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "cut.nii", ramp((20, 20, 20)), np.eye(4))
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(BadInput, match=r"cut\.nii"):
        load_series(path)

    (tmp_path / "bad.nii.gz").write_bytes(b"not gzip at all")
    with pytest.raises(BadInput, match=r"bad\.nii\.gz"):
        load_series(tmp_path / "bad.nii.gz")


def body_hu() -> NDArray[np.int16]:
    volume = np.full((8, 40, 40), -1000, np.int16)
    volume[:, 10:30, 10:30] = 45
    volume[:, 18:22, 18:22] = 700
    return volume


def test_a_nifti_that_looks_like_ct_is_taken_for_hu_and_says_so(tmp_path: Path) -> None:
    ct = load_series(write_nifti(tmp_path / "ct.nii", body_hu(), np.eye(4)))
    mr = load_series(write_nifti(tmp_path / "mr.nii", np.abs(body_hu()), np.eye(4)))
    labels = load_series(write_nifti(tmp_path / "labels.nii", (body_hu() > 0).astype(np.uint8), np.eye(4)))

    assert (ct.unit, ct.identity.modality, [n.code for n in ct.notices]) == ("HU", "CT", ["modality-guessed"])
    assert (mr.unit, labels.unit) == ("", "")


def test_files_inside_a_zip_archive_are_read(tmp_path: Path) -> None:
    voxels = ramp()
    write_nifti(tmp_path / "a.nii.gz", voxels, oblique_affine())
    image = SimpleITK.GetImageFromArray(voxels)
    SimpleITK.WriteImage(image, str(tmp_path / "b.nrrd"))
    SimpleITK.WriteImage(image, str(tmp_path / "c.mha"))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in ("a.nii.gz", "b.nrrd", "c.mha"):
            archive.write(tmp_path / name, f"images/{name}")

    infos = list_series(tmp_path / "all.zip")

    assert [info.series_uid for info in infos] == ["images/a.nii.gz", "images/b.nrrd", "images/c.mha"]
    for info in infos:
        assert np.array_equal(load_series(info).voxels, voxels)


NRRD_TYPES = {np.dtype("i2"): "short", np.dtype("u1"): "uchar", np.dtype("f4"): "float", np.dtype("i4"): "int"}


def write_nrrd(path: Path, voxels: NDArray, fields: str, encoding: str = "raw", endian: str = "little") -> Path:
    """A file as other programs write it, header lines given."""
    order = ">" if endian == "big" else "<"
    data = voxels.astype(voxels.dtype.newbyteorder(order)).tobytes()
    if encoding == "gzip":
        data = gzip.compress(data)
    elif encoding == "bzip2":
        data = bz2.compress(data)
    elif encoding == "text":
        data = " ".join(str(v) for v in voxels.ravel()).encode()
    header = (
        f"NRRD0004\n# a comment\ntype: {NRRD_TYPES[voxels.dtype]}\ndimension: {voxels.ndim}\n"
        f"sizes: {' '.join(str(n) for n in reversed(voxels.shape))}\n"
        f"encoding: {encoding}\nendian: {endian}\n{fields}\n\n"
    )
    path.write_bytes(header.encode() + data)
    return path


def space_fields(space: str, affine: NDArray, none: str = "") -> str:
    columns = " ".join(f"({','.join(repr(float(v)) for v in affine[:3, axis])})" for axis in range(3))
    origin = ",".join(repr(float(v)) for v in affine[:3, 3])
    return f"space: {space}\nspace directions: {none}{columns}\nspace origin: ({origin})"


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (1, 1, 1)),
        ("LPS", (1, 1, 1)),
        ("right-anterior-superior", (-1, -1, 1)),
        ("RAS", (-1, -1, 1)),
        ("left-anterior-superior", (1, -1, 1)),
    ],
)
def test_nrrd_space_names_are_respected(tmp_path: Path, space: str, signs: tuple[int, int, int]) -> None:
    voxels, affine = ramp(), oblique_affine()
    path = write_nrrd(tmp_path / "image.nrrd", voxels, space_fields(space, np.diag([*signs, 1]) @ affine))

    volume = load_series(path)

    assert np.array_equal(volume.voxels, voxels)
    assert np.allclose(volume.geometry.affine_lps, affine)
    assert volume.side_known
    oracle = SimpleITK.ReadImage(str(path))
    assert np.allclose(oracle.GetOrigin(), volume.geometry.origin_mm)
    assert np.allclose(np.reshape(oracle.GetDirection(), (3, 3)), volume.geometry.direction)


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "text"])
@pytest.mark.parametrize("endian", ["little", "big"])
def test_nrrd_encodings_and_byte_orders_give_the_same_voxels(tmp_path: Path, encoding: str, endian: str) -> None:
    voxels = ramp()
    path = write_nrrd(tmp_path / "image.nrrd", voxels, space_fields("LPS", np.eye(4)), encoding, endian)

    assert np.array_equal(load_series(path).voxels, voxels)


def test_nrrd_without_a_patient_space_leaves_the_side_unknown(tmp_path: Path) -> None:
    for fields in ("spacings: 0.8 0.9 2.0", space_fields("scanner-xyz", np.diag([0.8, 0.9, 2.0, 1.0]))):
        volume = load_series(write_nrrd(tmp_path / "image.nrrd", ramp(), fields))

        assert not volume.side_known
        assert [notice.code for notice in volume.notices] == ["unknown-side"]
        assert np.allclose(volume.geometry.spacing_mm, (0.8, 0.9, 2.0))


def test_the_list_axis_of_a_segmentation_nrrd_becomes_volumes(tmp_path: Path) -> None:
    layers = np.stack([ramp(seed=n) for n in range(2)], axis=-1)
    fields = space_fields("LPS", oblique_affine(), none="none ") + "\nkinds: list domain domain domain"
    path = write_nrrd(tmp_path / "two.seg.nrrd", layers, fields)

    infos = list_series(path)

    assert [info.size_ijk for info in infos] == [(5, 7, 6)] * 2
    assert infos[0].description == "two, volume 1"
    for n, info in enumerate(infos):
        volume = load_series(info)
        assert np.array_equal(volume.voxels, layers[..., n])
        assert np.allclose(volume.geometry.affine_lps, oblique_affine())


def test_a_time_axis_at_the_end_of_an_nrrd_becomes_volumes(tmp_path: Path) -> None:
    frames = np.stack([ramp(seed=n) for n in range(3)])
    columns = space_fields("LPS", np.eye(4)).replace("(0.0,0.0,1.0)", "(0.0,0.0,1.0) none")
    path = write_nrrd(tmp_path / "time.nrrd", frames, columns + "\nkinds: space space space time")

    infos = list_series(path)

    assert len(infos) == 3
    assert np.array_equal(load_series(infos[2]).voxels, frames[2])


def test_a_detached_nrrd_header_finds_its_voxels_beside_it_and_nowhere_else(tmp_path: Path) -> None:
    voxels = ramp()
    (tmp_path / "image.raw").write_bytes(voxels.astype("<i2").tobytes())
    path = write_nrrd(tmp_path / "image.nhdr", voxels[:0].reshape(0, 7, 5), "")
    head = "NRRD0004\ntype: short\ndimension: 3\nsizes: 5 7 6\nencoding: raw\nendian: little\n"
    path.write_text(head + space_fields("LPS", np.eye(4)) + "\ndata file: image.raw\n")
    assert np.array_equal(load_series(path).voxels, voxels)

    path.write_text(head + space_fields("LPS", np.eye(4)) + "\ndata file: /etc/hostname\n")
    with pytest.raises(BadInput, match="hostname"):
        load_series(path)


@pytest.mark.parametrize("broken", ["sizes: 5 7", "dimension: x", "type: block"])
def test_a_damaged_nrrd_is_refused_by_name(tmp_path: Path, broken: str) -> None:
    path = write_nrrd(tmp_path / "image.nrrd", ramp(), space_fields("LPS", np.eye(4)))
    name = broken.partition(":")[0].encode()
    lines = [broken.encode() if line.startswith(name + b":") else line for line in path.read_bytes().split(b"\n")]
    path.write_bytes(b"\n".join(lines))

    with pytest.raises(BadInput, match=r"image\.nrrd"):
        load_series(path)


def test_an_incomplete_nrrd_is_refused_by_name(tmp_path: Path) -> None:
    for encoding in ("raw", "gzip"):
        path = write_nrrd(tmp_path / "image.nrrd", ramp((9, 9, 9)), space_fields("LPS", np.eye(4)), encoding)
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(BadInput, match=r"image\.nrrd.*incomplete"):
            load_series(path)


@pytest.mark.parametrize("ending", [".mha", ".mhd"])
def test_metaimage_is_read_as_it_states(tmp_path: Path, ending: str) -> None:
    voxels, affine = ramp(), oblique_affine()
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing((0.8, 1.1, 2.3))
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection(ROTATION.ravel().tolist())
    SimpleITK.WriteImage(image, str(tmp_path / f"image{ending}"))

    volume = load_series(tmp_path / f"image{ending}")

    assert np.array_equal(volume.voxels, voxels)
    assert np.allclose(volume.geometry.affine_lps, affine)
    assert volume.side_known


def test_a_metaimage_without_orientation_leaves_the_side_unknown(tmp_path: Path) -> None:
    voxels = ramp()
    head = "ObjectType = Image\nNDims = 3\nDimSize = 5 7 6\nElementType = MET_SHORT\nElementSpacing = 0.8 0.9 2\n"
    path = tmp_path / "plain.mha"
    path.write_bytes(head.encode() + b"ElementDataFile = LOCAL\n" + voxels.astype("<i2").tobytes())

    volume = load_series(path)

    assert np.array_equal(volume.voxels, voxels)
    assert not volume.side_known
    assert np.allclose(volume.geometry.spacing_mm, (0.8, 0.9, 2.0))


def test_a_metaimage_whose_voxels_are_missing_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "plain.mhd"
    path.write_text("NDims = 3\nDimSize = 5 7 6\nElementType = MET_SHORT\nElementDataFile = gone.raw\n")

    with pytest.raises(BadInput, match=r"plain\.mhd"):
        load_series(path)


def test_colours_are_refused(tmp_path: Path) -> None:
    image = SimpleITK.GetImageFromArray(np.zeros((4, 4, 4, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(image, str(tmp_path / "rgb.mha"))

    with pytest.raises(BadInput, match="colours"):
        load_series(tmp_path / "rgb.mha")
