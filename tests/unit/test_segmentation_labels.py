"""Label maps and label tables: where the voxels lie, what they are called, and what is refused."""

import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry, lps_to_ras
from surgitwin.segmentation.label_tables import read_label_table
from surgitwin.segmentation.labelmaps import labels_from_array, read_labelmap, resample_labels

ANGLE = np.deg2rad(17)
TURN = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1.0]])
TILT = np.array([[1, 0, 0], [0, np.cos(ANGLE), -np.sin(ANGLE)], [0, np.sin(ANGLE), np.cos(ANGLE)]])
DIRECTIONS = {
    "straight": np.eye(3),
    "flipped i and j": np.diag([-1.0, -1.0, 1.0]),
    "left-handed": np.diag([1.0, 1.0, -1.0]),
    "sagittal": np.array([[0, 0, 1.0], [1, 0, 0], [0, -1, 0]]),
    "oblique": TURN @ TILT,
    "oblique and left-handed": TURN @ TILT @ np.diag([1.0, -1.0, 1.0]),
}


def geometry_of(direction: NDArray[np.float64]) -> Geometry:
    return Geometry.from_parts((9, 7, 5), (0.8, 1.7, 3.1), (-33.25, 12.5, 871.0), direction)


def some_labels(dtype: type = np.uint8) -> NDArray[np.generic]:
    labels = np.zeros((5, 7, 9), dtype=dtype)
    labels[1:3, 2:5, 3:7] = 1
    labels[4, 6, 8] = 5
    return labels


def write_nifti(path: Path, labels: NDArray[np.generic], geometry: Geometry, s_code: int = 1, q_code: int = 1) -> Path:
    affine = lps_to_ras(geometry.affine_lps)
    image = nib.Nifti1Image(labels.T, affine)
    image.set_sform(affine, s_code)
    image.set_qform(affine, q_code)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path


def itk_image(labels: NDArray[np.generic], geometry: Geometry) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(labels)
    image.SetSpacing(geometry.spacing_mm)
    image.SetOrigin(geometry.origin_mm)
    image.SetDirection(geometry.direction.ravel().tolist())
    return image


@pytest.mark.parametrize("name", list(DIRECTIONS))
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_a_label_map_lies_where_an_independent_program_put_it(tmp_path: Path, name: str, suffix: str) -> None:
    geometry = geometry_of(DIRECTIONS[name])
    path = tmp_path / f"map{suffix}"
    SimpleITK.WriteImage(itk_image(some_labels(), geometry), str(path))
    read = read_labelmap(path)
    assert np.abs(read.geometry.affine_lps - geometry.affine_lps).max() < 1e-4
    assert np.array_equal(read.layers[0], some_labels())
    assert read.layers[0].dtype == np.uint8 and read.layers[0].flags.c_contiguous
    assert read.side_known and read.names == {(0, 1): "Label 1", (0, 5): "Label 5"}


@pytest.mark.parametrize("name", list(DIRECTIONS))
def test_nifti_as_nibabel_writes_it_agrees_with_simpleitk_point_by_point(tmp_path: Path, name: str) -> None:
    path = write_nifti(tmp_path / "map.nii.gz", some_labels(), geometry_of(DIRECTIONS[name]))
    read, other = read_labelmap(path), SimpleITK.ReadImage(str(path))
    for index in ((0, 0, 0), (8, 6, 4), (3, 2, 1)):
        assert np.allclose(read.geometry.to_lps(index), other.TransformIndexToPhysicalPoint(index), atol=1e-3)
    assert np.array_equal(read.layers[0], SimpleITK.GetArrayFromImage(other))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.int32, np.uint16])
def test_whole_numbers_of_any_type_become_small_labels(tmp_path: Path, dtype: type) -> None:
    path = write_nifti(tmp_path / "map.nii.gz", some_labels(dtype), geometry_of(np.eye(3)))
    assert read_labelmap(path).layers[0].dtype == np.uint8


def test_values_above_255_need_two_bytes() -> None:
    labels = some_labels(np.int32)
    labels[0, 0, 0] = 40000  # type: ignore[call-overload]
    read = labels_from_array(labels, geometry_of(np.eye(3)), "map")
    assert read.layers[0].dtype == np.uint16 and read.voxels((0, 40000)).sum() == 1


def test_a_single_structure_is_named_after_its_file(tmp_path: Path) -> None:
    labels = np.minimum(some_labels(), 1)  # type: ignore[call-overload]
    assert read_labelmap(write_nifti(tmp_path / "liver.nii.gz", labels, geometry_of(np.eye(3)))).names == {
        (0, 1): "liver"
    }


def test_names_and_colours_in_a_nifti_extension_are_used() -> None:
    data = Path(__file__).parent.parent / "data" / "abdomen-3mm" / "labels.nii.gz"
    read = read_labelmap(data)
    assert read.names[0, 5] == "liver" and read.names[0, 1] == "spleen"
    assert read.colors[0, 1] == (0, 255, 0)
    assert len(read.names) == len(set(np.unique(read.layers[0])) - {0})


@pytest.mark.parametrize(
    ("s_code", "q_code", "known"), [(1, 1, True), (2, 0, True), (0, 1, True), (4, 1, True), (0, 0, False)]
)
def test_a_side_is_known_if_the_file_has_an_orientation_code(
    tmp_path: Path, s_code: int, q_code: int, known: bool
) -> None:
    geometry = geometry_of(DIRECTIONS["oblique"])
    read = read_labelmap(write_nifti(tmp_path / "map.nii", some_labels(), geometry, s_code, q_code))
    assert read.side_known is known
    assert [notice.code for notice in read.notices] == ([] if known else ["unknown-side"])
    if known:
        assert np.abs(read.geometry.affine_lps - geometry.affine_lps).max() < 1e-3


def test_conflicting_sform_and_qform_leave_the_side_unknown_and_are_measured(tmp_path: Path) -> None:
    affine = lps_to_ras(geometry_of(np.eye(3)).affine_lps)
    image = nib.Nifti1Image(some_labels().T, affine)
    image.set_sform(affine, 1)
    mirrored = affine.copy()
    mirrored[0, 0] *= -1
    image.set_qform(mirrored, 1)
    nib.save(image, tmp_path / "map.nii")
    read = read_labelmap(tmp_path / "map.nii")
    assert not read.side_known
    (notice,) = read.notices
    assert notice.code == "conflicting-orientation"
    assert notice.details["difference_mm"] == pytest.approx(2 * 8 * 0.8, abs=1e-3)


def test_lengths_in_metres_become_millimetres(tmp_path: Path) -> None:
    affine = np.diag([0.001, 0.002, 0.003, 1.0])
    image = nib.Nifti1Image(some_labels().T, affine)
    image.header.set_xyzt_units("meter")
    nib.save(image, tmp_path / "map.nii")
    assert np.allclose(read_labelmap(tmp_path / "map.nii").geometry.spacing_mm, (1, 2, 3), atol=1e-4)


def write_seg_nrrd(path: Path, layers: NDArray[np.uint8], geometry: Geometry, fields: dict[str, str]) -> Path:
    """As 3D Slicer writes it: the layers run fastest, the directions are in LPS."""
    axes = " ".join(f"({','.join(repr(float(v)) for v in geometry.affine_lps[:3, axis])})" for axis in range(3))
    header = [
        "NRRD0004", "type: uint8", "dimension: 4", "space: left-posterior-superior",
        "sizes: " + " ".join(str(n) for n in (len(layers), *geometry.size_ijk)),
        f"space directions: none {axes}", "kinds: list domain domain domain", "encoding: gzip",
        f"space origin: ({','.join(repr(v) for v in geometry.origin_mm)})",
        *(f"{key}:={value}" for key, value in fields.items()),
    ]  # fmt: skip
    data = np.moveaxis(layers, 0, -1).tobytes()
    path.write_bytes("\n".join(header).encode() + b"\n\n" + gzip.compress(data))
    return path


def test_overlapping_segments_of_slicer_keep_their_names_colours_and_layers(tmp_path: Path) -> None:
    geometry = geometry_of(DIRECTIONS["oblique"])
    layers = np.zeros((2, 5, 7, 9), dtype=np.uint8)
    layers[0, :, 2:5, :] = 1
    layers[0, 0, 0, 0] = 2
    layers[1, 1:4, 3:6, 4:8] = 1
    fields = {
        "Segment0_Name": "Liver", "Segment0_LabelValue": "1", "Segment0_Layer": "0", "Segment0_Color": "0.5 0.25 1",
        "Segment1_Name": "Tumor 1", "Segment1_LabelValue": "1", "Segment1_Layer": "1", "Segment1_Color": "1 1 0",
        "Segment2_Name": "Vein", "Segment2_LabelValue": "2", "Segment2_Layer": "0", "Segment2_Color": "0 0 1",
    }  # fmt: skip
    read = read_labelmap(write_seg_nrrd(tmp_path / "all.seg.nrrd", layers, geometry, fields))
    assert read.names == {(0, 1): "Liver", (0, 2): "Vein", (1, 1): "Tumor 1"}
    assert read.colors[0, 1] == (128, 64, 255) and read.colors[1, 1] == (255, 255, 0)
    assert np.array_equal(read.layers[0], layers[0]) and np.array_equal(read.layers[1], layers[1])
    assert np.abs(read.geometry.affine_lps - geometry.affine_lps).max() < 1e-9
    assert read.side_known


def test_nrrd_in_ras_is_turned_and_nrrd_without_a_space_has_no_side(tmp_path: Path) -> None:
    header = "NRRD0004\ntype: uint8\ndimension: 3\nspace: right-anterior-superior\nsizes: 9 7 5\nencoding: raw\n"
    placed = "space directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (10,20,30)\n\n"
    path = tmp_path / "map.nrrd"
    path.write_bytes((header + placed).encode() + some_labels().tobytes())
    read = read_labelmap(path)
    assert np.allclose(read.geometry.to_lps((1, 1, 1)), (-12, -23, 34)) and read.side_known
    bare = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 9 7 5\nspacings: 2 3 4\nencoding: raw\n\n"
    path.write_bytes(bare.encode() + some_labels().tobytes())
    read = read_labelmap(path)
    assert not read.side_known and read.notices[0].code == "unknown-side"
    assert np.allclose(read.geometry.spacing_mm, (2, 3, 4))


# ---- what is refused ----


def test_a_text_file_named_nifti_is_refused(tmp_path: Path) -> None:
    for name in ("liver.nii.gz", "liver.nii"):
        path = tmp_path / name
        path.write_text("This is a letter, not an image. " * 40)
        with pytest.raises(BadInput, match=f"{name} is not a NIfTI file"):
            read_labelmap(path)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("keep", [0.9, 0.5])
def test_a_file_that_is_cut_short_is_refused_by_name(tmp_path: Path, suffix: str, keep: float) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (20, 20, 20)).astype(np.uint8)
    path = tmp_path / f"map{suffix}"
    SimpleITK.WriteImage(itk_image(labels, Geometry.from_parts((20, 20, 20))), str(path), suffix == ".nrrd")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(BadInput, match=f"map{suffix}"):
        read_labelmap(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".seg.nrrd"])
def test_a_text_file_under_another_name_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"map{suffix}"
    path.write_text("Dear colleague,\n")
    with pytest.raises(BadInput, match=f"map{suffix}") as caught:
        read_labelmap(path)
    assert "\n" not in str(caught.value) and "/" not in str(caught.value)


def test_fractions_are_refused_by_name_voxel_and_value(tmp_path: Path) -> None:
    labels = some_labels(np.float32)
    labels[2, 3, 4] = 0.37  # type: ignore[call-overload]
    path = write_nifti(tmp_path / "prob.nii.gz", labels, geometry_of(np.eye(3)))
    with pytest.raises(BadInput, match=r"prob.nii.gz.*\(4, 3, 2\).*0\.37"):
        read_labelmap(path)


@pytest.mark.parametrize("value", [-3, 70000])
def test_values_out_of_range_are_refused(tmp_path: Path, value: int) -> None:
    labels = some_labels(np.int32)
    labels[0, 0, 0] = value  # type: ignore[call-overload]
    with pytest.raises(BadInput, match=str(value)):
        read_labelmap(write_nifti(tmp_path / "map.nii", labels, geometry_of(np.eye(3))))


def test_an_image_is_not_taken_for_a_label_map() -> None:
    voxels = np.arange(3000, dtype=np.int16).reshape(10, 10, 30)
    with pytest.raises(BadInput, match="2999 different values"):
        labels_from_array(voxels, Geometry.from_parts((30, 10, 10)), "CT")


def test_an_empty_label_map_is_refused(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "nothing.nii.gz", np.zeros((5, 7, 9), np.uint8), geometry_of(np.eye(3)))
    with pytest.raises(BadInput, match=r"nothing\.nii\.gz is empty"):
        read_labelmap(path)


def test_several_volumes_in_one_nifti_are_refused(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4, 3), np.uint8), np.eye(4)), tmp_path / "map.nii")
    with pytest.raises(BadInput, match="3 volumes"):
        read_labelmap(tmp_path / "map.nii")


def test_missing_files_and_other_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no file.*map\.nii"):
        read_labelmap(tmp_path / "map.nii")
    (tmp_path / "map.stl").write_text("solid")
    with pytest.raises(BadInput, match=r"map\.stl.*\.nii\.gz"):
        read_labelmap(tmp_path / "map.stl")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"NDims = 3", b"NDims = 12"),
        (b"NDims = 3", b"NDims = three"),
        (b"DimSize = 9 7 5", b"DimSize = 9 7"),
        (b"Offset = -33.25", b"Offset = -33.25 1"),
        (b"ElementDataFile", b"ElementDateFile"),
    ],
)
def test_a_metaimage_with_a_damaged_header_is_refused_and_does_not_reach_the_reader(
    tmp_path: Path, old: bytes, new: bytes
) -> None:
    path = tmp_path / "map.mha"
    SimpleITK.WriteImage(itk_image(some_labels(), geometry_of(np.eye(3))), str(path))
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(BadInput, match=r"map\.mha is damaged"):
        read_labelmap(path)


def test_a_nifti_with_an_impossible_quaternion_is_refused(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "map.nii", some_labels(), geometry_of(DIRECTIONS["oblique"]))
    content = bytearray(path.read_bytes())
    content[256:268] = np.array([2, 2, 2], "<f4").tobytes()  # quatern_b, c and d
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"map\.nii does not place"):
        read_labelmap(path)


def test_a_nifti_with_a_degenerate_affine_is_refused_by_name(tmp_path: Path) -> None:
    image = nib.Nifti1Image(some_labels().T, np.eye(4))
    image.header["sform_code"], image.header["qform_code"] = 1, 0
    image.header["srow_x"] = image.header["srow_y"] = (0, 0, 0, 0)
    path = tmp_path / "flat.nii"
    path.write_bytes(image.header.binaryblock + bytes(4) + some_labels().tobytes())
    with pytest.raises(BadInput, match=r"flat\.nii"):
        read_labelmap(path)


# ---- label tables ----

TABLES = {
    "value to name.json": '{"0": "background", "1": "liver", "5": "spleen"}',
    "name to value.json": '{"background": 0, "liver": 1, "spleen": 5}',
    "dataset.json": '{"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1, "spleen": 5}}',
    "objects.json": '[{"value": 1, "name": "liver", "color": [255, 0, 10]}, {"value": 5, "name": "spleen"}]',
    "rich.json": '{"labels": {"1": {"name": "liver", "color": "#ff000a"}, "5": {"name": "spleen"}}}',
    "header.csv": "Label ID,Structure,r,g,b\n1,liver,255,0,10\n5,spleen,1,2,3\n",
    "bare.csv": "1,liver\n5,spleen\n",
    "german.csv": "value;name\n1;liver\n5;spleen\n",
    "tabs.tsv": "name\tvalue\nliver\t1\nspleen\t5\n",
    "snap.txt": '# ITK-SnAP\n 0  0 0 0  0 0 0 "Clear Label"\n 1 255 0 10 1 1 1 "liver"\n 5 1 2 3 0.5 1 1 "spleen"\n',
    "slicer.ctbl": "# Color table\n0 Background 0 0 0 0\n1 liver 255 0 10 255\n5 spleen 1 2 3 255\n",
    "lines.txt": "1 liver\n5 spleen\n",
    "colon.txt": "1: liver\n5: spleen\n",
    "markdown.md": "|Index|Name|\n|:-----|:-----|\n| 1 | liver |\n| 5 | spleen |\n",
}


@pytest.mark.parametrize("name", list(TABLES))
def test_label_tables_of_many_programs_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(TABLES[name], encoding="utf-8-sig" if name == "bare.csv" else "utf-8")
    table = read_label_table(path)
    assert table.names == {1: "liver", 5: "spleen"}
    if "255" in TABLES[name] or "#ff" in TABLES[name]:
        assert table.colors[1] == (255, 0, 10)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"1": "liver"', "not valid JSON"),
        ('{"1": "liver", "x": "spleen"}', "spleen"),
        ('{"1.5": "liver"}', "1.5"),
        ('{"-2": "liver"}', "-2"),
        ('{"1": ["a"]}', "1"),
        ('[["1", "liver"]]', "object"),
        ("{}", "names no value"),
        ('{"0": "background"}', "names no value"),
        ('[{"value": 1, "name": "liver"}, {"value": 1, "name": "spleen"}]', "two names.*liver.*spleen"),
    ],
)
def test_wrong_json_tables_are_refused_in_words(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "table.json"
    path.write_text(content)
    with pytest.raises(BadInput, match=said) as caught:
        read_label_table(path)
    assert "table.json" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("once upon a time\n", "once upon"),
        ("organ,colour\nliver,red\n", "columns"),
        ("", "names no value"),
        ("1,liver\n2\n", "2"),
    ],
)
def test_wrong_text_tables_are_refused_in_words(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(BadInput, match=said):
        read_label_table(path)


def test_a_binary_file_is_no_label_table(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(BadInput, match=r"table\.json is not text"):
        read_label_table(path)
    with pytest.raises(BadInput, match=r"none\.json cannot be read"):
        read_label_table(tmp_path / "none.json")


def test_a_table_takes_the_place_of_other_names_and_says_what_is_absent(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "map.nii.gz", some_labels(), geometry_of(np.eye(3)))
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"1": "liver", "5": "spleen", "9": "heart"}))
    read = read_labelmap(path, table=table)
    assert read.names == {(0, 1): "liver", (0, 5): "spleen"}
    (notice,) = read.notices
    assert notice.code == "labels-absent" and "heart" in notice.message


def test_a_table_that_does_not_name_a_value_is_refused(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "map.nii.gz", some_labels(), geometry_of(np.eye(3)))
    table = tmp_path / "table.json"
    table.write_text('{"1": "liver"}')
    with pytest.raises(BadInput, match=r"no name to the value 5.*map\.nii\.gz"):
        read_labelmap(path, table=table)


# ---- onto another grid ----


def ball(geometry: Geometry, radius_mm: float, centre: NDArray[np.float64]) -> NDArray[np.uint8]:
    k, j, i = np.indices(geometry.shape_kji)
    points = geometry.to_lps(np.stack([i, j, k], axis=-1))
    return (np.linalg.norm(points - centre, axis=-1) <= radius_mm).astype(np.uint8)


def test_the_same_grid_needs_no_resampling() -> None:
    labels, geometry = some_labels(), geometry_of(TURN)
    placed, notices = resample_labels(labels, geometry, geometry_of(TURN))
    assert placed is labels and not notices


@pytest.mark.parametrize("source", list(DIRECTIONS))
@pytest.mark.parametrize("target", ["straight", "sagittal", "oblique and left-handed"])
def test_resampling_agrees_with_an_independent_program(source: str, target: str) -> None:
    first = Geometry.from_parts((40, 35, 20), (1.1, 1.3, 2.4), (5.03, -7.01, 40.07), DIRECTIONS[source])
    labels = np.random.default_rng(1).integers(0, 5, first.shape_kji).astype(np.uint8)
    axes = DIRECTIONS[target]
    # A little off the centre: where two centres are equally near, either label is right.
    corner = first.centre_mm - axes @ (np.array([30, 28, 25]) * (0.9, 1.0, 1.6) / 2) + (0.1137, 0.0713, 0.0519)
    to = Geometry.from_parts((30, 28, 25), (0.9, 1.0, 1.6), corner, axes)
    placed, _ = resample_labels(labels, first, to)
    grid = itk_image(np.zeros(to.shape_kji, np.uint8), to)
    nearest = SimpleITK.sitkNearestNeighbor
    other = SimpleITK.Resample(itk_image(labels, first), grid, SimpleITK.Transform(), nearest)
    differing = np.mean(placed != SimpleITK.GetArrayFromImage(other))
    assert differing < 0.002
    assert placed.shape == to.shape_kji and placed.dtype == np.uint8


def test_a_ball_keeps_its_volume_on_a_finer_oblique_grid() -> None:
    first = Geometry.from_parts((40, 40, 30), (1.5, 1.5, 2.0), (-30, -30, -30))
    to = Geometry.from_parts((90, 90, 80), (0.7, 0.7, 0.8), (-35.0, -40.0, -30.0), TURN)
    labels = ball(first, 18.0, first.centre_mm)
    placed, notices = resample_labels(labels, first, to)
    volume = placed.sum() * to.voxel_volume_mm3
    assert not notices
    assert volume == pytest.approx(labels.sum() * first.voxel_volume_mm3, rel=0.01)


def test_what_lies_outside_the_image_is_counted_in_millilitres() -> None:
    first = Geometry.from_parts((20, 20, 20), (1.0, 2.0, 3.0))
    labels = np.zeros(first.shape_kji, dtype=np.uint8)
    labels[5:15, 5:15, 0:10] = 1
    labels[5:15, 5:15, 10:20] = 2
    to = first.cropped(Box((5, 0, 0), (15, 20, 20)))
    placed, notices = resample_labels(labels, first, to)
    assert np.array_equal(placed, labels[:, :, 5:15])
    (notice,) = notices
    assert notice.code == "labels-outside"
    assert notice.details["lost_ml"] == pytest.approx(2 * 5 * 100 * 6 / 1000)
    assert notice.details["lost_percent"] == pytest.approx(50.0)
    assert notice.details["lost_ml_by_label"] == {"1": pytest.approx(3.0), "2": pytest.approx(3.0)}


def test_a_label_too_small_for_the_new_grid_is_reported() -> None:
    first = Geometry.from_parts((16, 16, 16))
    labels = np.zeros(first.shape_kji, dtype=np.uint8)
    labels[4:12, 4:12, 4:12] = 1
    labels[1, 1, 1] = 7
    _, notices = resample_labels(labels, first, Geometry.from_parts((4, 4, 4), (4, 4, 4), (2, 2, 2)))
    assert [notice.code for notice in notices] == ["labels-lost"] and notices[0].details["labels"] == [7]


@pytest.mark.parametrize("shift", [500.0, 25.0])
def test_labels_that_do_not_overlap_the_image_are_refused(shift: float) -> None:
    first = Geometry.from_parts((20, 20, 20))
    to = Geometry.from_parts((20, 20, 20), (1, 1, 1), (shift, 0, 0), TURN)
    labels = np.zeros(first.shape_kji, dtype=np.uint8)
    labels[2:5, 2:5, 2:5] = 3
    with pytest.raises(BadInput, match="do not overlap in space"):
        resample_labels(labels, first, to)
