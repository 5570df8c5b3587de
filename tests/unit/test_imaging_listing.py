"""What a folder, archive or table of contents holds, with everything that is wrong with it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from pydicom.uid import SegmentationStorage

from imaging_phantoms import ramp, save, write_series
from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.progress import Context
from surgitwin.imaging import SeriesInfo, list_series, load_series

KEYS = {"series_uid", "modality", "description", "images", "size_ijk", "spacing_mm", "kind", "warnings"}


def codes(info: SeriesInfo) -> list[str]:
    return [notice.code for notice in info.notices]


def test_a_nested_folder_with_other_files_among_them_gives_its_series(tmp_path: Path) -> None:
    write_series(tmp_path / "a" / "b" / "c", ramp(), series_uid="1.2.1")
    write_series(tmp_path / "z", ramp((3, 4, 5)), series_uid="1.2.2", modality="MR")
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "a" / "report.pdf").write_bytes(b"%PDF-1.4\n" + bytes(300))
    (tmp_path / "a" / "._im0001.dcm").write_bytes(b"resource fork")
    (tmp_path / "empty.dcm").write_bytes(b"")

    infos = list_series(tmp_path)

    assert [(info.series_uid, info.modality, info.images) for info in infos] == [("1.2.1", "CT", 6), ("1.2.2", "MR", 3)]
    assert infos[0].size_ijk == (5, 7, 6)
    assert all(info.notices == () for info in infos)


def test_the_listing_as_json_has_the_promised_keys_and_no_identifier_of_the_patient(tmp_path: Path) -> None:
    write_series(tmp_path, ramp())

    (info,) = list_series(tmp_path)
    document = json.dumps(info.as_json())

    assert set(info.as_json()) >= KEYS | {"study_date", "acquisition_time", "contrast", "phase", "predicted_bytes"}
    assert info.as_json()["study_date"] == "2024-02-29"
    assert info.as_json()["acquisition_time"] == "10:11:12"
    for secret in ("Test^Person", "ID-1", "1950"):
        assert secret not in document
    assert info.as_json(patient=True)["patient"]["patient_id"] == "ID-1"


def test_a_zip_archive_is_read_like_a_folder(tmp_path: Path) -> None:
    voxels = ramp()
    write_series(tmp_path / "in", voxels)
    with zipfile.ZipFile(tmp_path / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((tmp_path / "in").iterdir()):
            archive.write(path, f"DICOM/{path.name}")
        archive.writestr("readme.txt", "hello")

    volume = load_series(tmp_path / "study.zip")

    assert np.array_equal(volume.voxels, voxels)
    assert volume.notices == ()


def test_a_damaged_zip_archive_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "study.zip").write_bytes(b"PK\x03\x04" + bytes(60))

    with pytest.raises(BadInput, match=r"study\.zip"):
        list_series(tmp_path / "study.zip")


def test_a_dicomdir_gives_the_files_it_names(tmp_path: Path) -> None:
    voxels = ramp()
    files = FileSet()

    def complete(dataset: Dataset, _k: int) -> None:
        dataset.StudyTime, dataset.StudyID, dataset.SeriesNumber = "101010", "1", 1

    for path in write_series(tmp_path / "in", voxels, edit=complete):
        files.add(path)
    files.write(tmp_path / "disc")

    volume = load_series(tmp_path / "disc" / "DICOMDIR")
    assert np.array_equal(volume.voxels, voxels)

    image = sorted(path for path in (tmp_path / "disc").rglob("*") if path.is_file() and path.name != "DICOMDIR")[2]
    image.unlink()
    (info,) = list_series(tmp_path / "disc" / "DICOMDIR")
    assert "missing-file" in codes(info)
    assert info.images == 5


def test_one_file_stands_for_itself_and_not_for_its_folder(tmp_path: Path) -> None:
    paths = write_series(tmp_path, ramp())

    (info,) = list_series(paths[2])

    assert (info.images, info.kind) == (1, "single-slice")


def mark(keyword: str, values: list) -> object:
    def edit(dataset: Dataset, k: int) -> None:
        setattr(dataset, keyword, values[k % len(values)])

    return edit


@pytest.mark.parametrize(
    ("keyword", "values", "words"),
    [
        ("EchoTime", [2.3, 4.6], ["echo time 2.3 ms", "echo time 4.6 ms"]),
        ("DiffusionBValue", [0.0, 800.0], ["b = 0 s/mm2", "b = 800 s/mm2"]),
        ("TemporalPositionIdentifier", [1, 2], ["time point 1", "time point 2"]),
        ("NominalPercentageOfCardiacPhase", [40.0, 75.0], ["cardiac phase 40 %", "cardiac phase 75 %"]),
        ("AcquisitionNumber", [3, 4], ["acquisition 3", "acquisition 4"]),
        (
            "ImageType",
            [["ORIGINAL", "PRIMARY", "M", "ND"], ["ORIGINAL", "PRIMARY", "P", "ND"]],
            ["M", "P"],
        ),
        ("AcquisitionTime", ["101500", "101700"], ["time point 1 of 2", "time point 2 of 2"]),
    ],
)
def test_volumes_that_share_a_series_are_told_apart(tmp_path: Path, keyword: str, values: list, words: list) -> None:
    voxels = ramp((10, 4, 5)) + 1000
    positions = [np.array([0.0, 0.0, 3.0 * (k // 2)]) for k in range(10)]
    write_series(tmp_path, voxels, positions=positions, series_uid="1.2.3", modality="MR", edit=mark(keyword, values))

    infos = list_series(tmp_path)

    assert sorted(info.series_uid for info in infos) == ["1.2.3", "1.2.3#2"]
    assert sorted(info.description for info in infos) == [f"Abdomen, {word}" for word in words]
    assert all("several-volumes" in codes(info) for info in infos)
    for info in infos:
        which = words.index(info.description.removeprefix("Abdomen, "))
        assert np.array_equal(load_series(tmp_path, info.series_uid).voxels, voxels[which::2])


def test_echoes_and_b_values_together_give_a_volume_for_each_pair(tmp_path: Path) -> None:
    pairs = [(echo, weight) for echo in (2.0, 4.0) for weight in (0.0, 500.0, 1000.0)]

    def edit(dataset: Dataset, k: int) -> None:
        dataset.EchoTime, dataset.DiffusionBValue = pairs[k % 6]

    positions = [np.array([0.0, 0.0, 3.0 * (k // 6)]) for k in range(24)]
    write_series(tmp_path, ramp((24, 3, 3)), positions=positions, modality="MR", edit=edit)

    infos = list_series(tmp_path)

    assert len(infos) == 6
    assert {info.images for info in infos} == {4}
    assert len({info.description for info in infos}) == 6


def test_repetitions_without_any_mark_are_told_apart_by_their_order(tmp_path: Path) -> None:
    voxels = ramp((8, 3, 3))

    def number(dataset: Dataset, k: int) -> None:
        dataset.InstanceNumber = k + 1

    positions = [np.array([0.0, 0.0, 3.0 * (k % 4)]) for k in range(8)]
    write_series(tmp_path, voxels, positions=positions, edit=number, series_uid="1.2.3")

    infos = list_series(tmp_path)

    assert [info.description for info in infos] == ["Abdomen, repetition 1 of 2", "Abdomen, repetition 2 of 2"]
    assert np.array_equal(load_series(tmp_path, "1.2.3").voxels, voxels[:4])
    assert np.array_equal(load_series(tmp_path, "1.2.3#2").voxels, voxels[4:])


def test_slabs_with_acquisition_numbers_of_their_own_stay_one_volume(tmp_path: Path) -> None:
    def number(dataset: Dataset, k: int) -> None:
        dataset.AcquisitionNumber = 1 if k < 5 else 2

    write_series(tmp_path, ramp((10, 3, 3)), edit=number)

    (info,) = list_series(tmp_path)

    assert (info.images, codes(info)) == (10, [])


def test_two_interleaved_acquisitions_are_not_taken_for_one_uneven_stack(tmp_path: Path) -> None:
    def number(dataset: Dataset, k: int) -> None:
        dataset.AcquisitionNumber = k % 2 + 1

    heights = [5.0 * (k // 2) + (1.2 if k % 2 else 0.0) for k in range(12)]
    write_series(tmp_path, ramp((12, 3, 3)), positions=[np.array([0.0, 0.0, h]) for h in heights], edit=number)

    infos = list_series(tmp_path)

    assert [info.images for info in infos] == [6, 6]
    assert {info.spacing_mm[2] for info in infos if info.spacing_mm} == {5.0}


def test_a_localizer_in_the_series_does_not_hide_the_volume(tmp_path: Path) -> None:
    def localize(dataset: Dataset, _k: int) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    write_series(tmp_path / "l", ramp((1, 9, 9)), series_uid="1.2.3", study_uid="1", edit=localize)
    write_series(tmp_path / "v", ramp(), series_uid="1.2.3", study_uid="1", start=50)

    infos = list_series(tmp_path)

    assert [info.kind for info in infos] == ["volume", "localizer"]
    assert load_series(tmp_path).geometry.size_ijk == (5, 7, 6)


def test_several_volumes_without_a_choice_are_refused_with_the_list(tmp_path: Path) -> None:
    write_series(tmp_path / "a", ramp(), series_uid="1.2.1")
    write_series(tmp_path / "b", ramp(), series_uid="1.2.2")

    with pytest.raises(BadInput, match=r"2 volumes.*1\.2\.1 .*1\.2\.2 "):
        load_series(tmp_path)
    with pytest.raises(BadInput, match=r"no series '9\.9'.*1\.2\.1"):
        load_series(tmp_path, "9.9")


def test_objects_that_are_no_volume_are_listed_and_refused_with_the_reason(tmp_path: Path) -> None:
    def segment(dataset: Dataset, _k: int) -> None:
        dataset.SOPClassUID, dataset.Modality = SegmentationStorage, "SEG"

    write_series(tmp_path / "seg", ramp((1, 4, 4)), series_uid="1.2.7", edit=segment)
    write_series(tmp_path / "ct", ramp(), series_uid="1.2.8")

    infos = {info.series_uid: info for info in list_series(tmp_path)}

    assert infos["1.2.7"].kind == "segmentation"
    assert not infos["1.2.7"].loadable
    with pytest.raises(BadInput, match="a segmentation"):
        load_series(tmp_path, "1.2.7")
    assert load_series(tmp_path).identity.series_uid == "1.2.8"


def test_one_truncated_file_is_named_and_the_rest_loads(tmp_path: Path) -> None:
    voxels = ramp((6, 20, 20))
    path = write_series(tmp_path, voxels)[2]
    path.write_bytes(path.read_bytes()[:-300])

    (info,) = list_series(tmp_path)
    volume = load_series(info)

    assert sorted(codes(info)) == ["missing-slice", "truncated-file"]
    assert any(path.name in notice.message for notice in info.notices)
    assert volume.geometry.size_ijk == (20, 20, 6)
    assert np.array_equal(volume.voxels[[0, 1, 3, 4, 5]], voxels[[0, 1, 3, 4, 5]])


@pytest.mark.parametrize("where", [".", "elsewhere"])
def test_one_file_of_garbage_is_named_and_the_rest_loads(tmp_path: Path, where: str) -> None:
    write_series(tmp_path, ramp())
    (tmp_path / where).mkdir(exist_ok=True)
    (tmp_path / where / "bad.dcm").write_bytes(bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\xff\xffgarbage" * 5)

    (info,) = list_series(tmp_path)

    assert codes(info) == ["unreadable-file"]
    assert "bad.dcm" in info.notices[0].message
    assert info.images == 6
    assert load_series(info).geometry.size_ijk == (5, 7, 6)


@pytest.mark.parametrize("which", [0, 3, 7])
def test_a_slice_that_cannot_be_decoded_is_named_and_the_rest_loads(tmp_path: Path, which: int) -> None:
    voxels = ramp((8, 40, 40)) // 2
    path = write_series(tmp_path, voxels, syntax=pydicom.uid.JPEG2000Lossless)[which]
    data = bytearray(path.read_bytes())
    start = data.index(b"\xff\x4f\xff\x51")
    data[start : start + 200] = bytes(200)
    path.write_bytes(data)

    volume = load_series(tmp_path)

    found = {notice.code for notice in volume.notices}
    assert "unreadable-file" in found
    assert any(path.name in notice.message for notice in volume.notices)
    if which == 3:
        assert "missing-slice" in found
        assert volume.geometry.size_ijk[2] == 8
    else:
        kept = voxels[1:] if which == 0 else voxels[:-1]
        assert np.array_equal(volume.voxels, kept)
        assert np.allclose(volume.geometry.origin_mm, (-31.0, 17.0, 104.5 if which == 0 else 102.0))


def test_a_series_that_cannot_be_decoded_at_all_is_refused_by_file(tmp_path: Path) -> None:
    for path in write_series(tmp_path, ramp((3, 40, 40)) // 2, syntax=pydicom.uid.JPEG2000Lossless):
        data = path.read_bytes()
        start = data.index(b"\xff\x4f\xff\x51")
        path.write_bytes(data[:start] + bytes(200) + data[start + 200 :])

    with pytest.raises(BadInput, match=r"im\d+\.dcm"):
        load_series(tmp_path)


def test_names_in_other_scripts_are_read(tmp_path: Path) -> None:
    def name(dataset: Dataset, _k: int) -> None:
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.PatientName = "Müller^Zoë=山田^太郎"
        dataset.SeriesDescription = "Leber venös"

    write_series(tmp_path / "Fälle 山", ramp(), edit=name)

    volume = load_series(tmp_path / "Fälle 山")

    assert volume.patient.name == "Müller^Zoë=山田^太郎"
    assert volume.identity.series_description == "Leber venös"
    assert volume.identity.phase == "portal venous"
    assert json.loads(json.dumps(volume.identity.header))["PatientName"] == "Müller^Zoë=山田^太郎"


@pytest.mark.parametrize(
    "keyword",
    [
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "StudyDate",
        "SeriesDescription",
        "FrameOfReferenceUID",
        "ImageType",
        "InstanceNumber",
        "SliceThickness",
        "RescaleSlope",
        "AcquisitionTime",
        "Manufacturer",
        "SamplesPerPixel",
        "SOPInstanceUID",
        "SeriesInstanceUID",
        "StudyInstanceUID",
        "Modality",
        "PhotometricInterpretation",
    ],
)
def test_a_missing_tag_that_geometry_does_not_need_does_not_stop_a_load(tmp_path: Path, keyword: str) -> None:
    voxels = ramp()

    def drop(dataset: Dataset, _k: int) -> None:
        if keyword == "SOPInstanceUID":
            dataset.SOPInstanceUID = "1.2.3.4"  # replaced below: the writer needs one
        elif keyword in dataset:
            del dataset[keyword]

    for path in write_series(tmp_path, voxels, edit=drop):
        if keyword == "SOPInstanceUID":
            dataset = pydicom.dcmread(path)
            del dataset["SOPInstanceUID"], dataset.file_meta["MediaStorageSOPInstanceUID"]
            dataset.save_as(path, enforce_file_format=False)

    volume = load_series(tmp_path)

    assert np.array_equal(volume.voxels, voxels)


def test_no_pixel_spacing_is_refused_by_file(tmp_path: Path) -> None:
    def drop(dataset: Dataset, _k: int) -> None:
        del dataset["PixelSpacing"]

    write_series(tmp_path, ramp(), edit=drop)

    (info,) = list_series(tmp_path)

    assert codes(info) == ["no-spacing"]
    assert info.size_ijk is None
    with pytest.raises(BadInput, match=r"im\d+\.dcm.*Pixel Spacing"):
        load_series(tmp_path)


def test_no_orientation_loads_with_the_side_unknown(tmp_path: Path) -> None:
    def drop(dataset: Dataset, _k: int) -> None:
        del dataset["ImageOrientationPatient"]

    voxels = ramp()
    write_series(tmp_path, voxels, edit=drop)

    volume = load_series(tmp_path)

    assert not volume.side_known
    assert [notice.code for notice in volume.notices] == ["unknown-side"]
    assert np.array_equal(volume.voxels, voxels)
    assert np.allclose(volume.geometry.spacing_mm, (0.7, 0.9, 2.5))


def test_no_position_but_slice_locations_loads_with_the_side_unknown(tmp_path: Path) -> None:
    def drop(dataset: Dataset, k: int) -> None:
        del dataset["ImagePositionPatient"]
        dataset.SliceLocation = 4.0 * k

    write_series(tmp_path, ramp(), edit=drop)

    volume = load_series(tmp_path)

    assert not volume.side_known
    assert {notice.code for notice in volume.notices} == {"no-position", "unknown-side"}
    assert volume.geometry.spacing_mm[2] == pytest.approx(4.0)


def test_neither_position_nor_location_is_refused(tmp_path: Path) -> None:
    def drop(dataset: Dataset, _k: int) -> None:
        del dataset["ImagePositionPatient"]

    write_series(tmp_path, ramp(), edit=drop)

    with pytest.raises(BadInput, match="order and distance"):
        load_series(tmp_path)


def test_positions_that_contradict_the_slice_locations_are_refused(tmp_path: Path) -> None:
    def overwrite(dataset: Dataset, k: int) -> None:
        dataset.ImagePositionPatient = [0.0, 0.0, 0.0]
        dataset.SliceLocation = 2.0 * k

    write_series(tmp_path, ramp(), edit=overwrite)

    with pytest.raises(BadInput, match="same position"):
        load_series(tmp_path)


def test_nothing_that_names_the_patient_shows_in_a_repr(tmp_path: Path) -> None:
    write_series(tmp_path, ramp())

    (info,) = list_series(tmp_path)

    for text in (repr(info), repr(load_series(info))):
        assert "Test^Person" not in text
        assert "ID-1" not in text


def test_files_without_their_preamble_are_read(tmp_path: Path) -> None:
    voxels = ramp()
    for path in write_series(tmp_path, voxels):
        path.write_bytes(path.read_bytes()[132:])

    assert np.array_equal(load_series(tmp_path).voxels, voxels)


def test_what_would_not_fit_into_memory_is_refused_with_both_amounts(tmp_path: Path) -> None:
    write_series(tmp_path, ramp((6, 200, 200)))

    (info,) = list_series(tmp_path)

    assert info.predicted_bytes == 6 * 200 * 200 * 2
    with pytest.raises(BadInput, match=r"0\.5 MB of memory and 0\.1 MB"):
        load_series(tmp_path, memory_limit_bytes=100_000)


def test_a_cancelled_listing_and_a_cancelled_load_stop(tmp_path: Path) -> None:
    write_series(tmp_path, ramp())
    ctx = Context()
    ctx.cancel()

    with pytest.raises(Cancelled):
        list_series(tmp_path, ctx)
    (info,) = list_series(tmp_path)
    with pytest.raises(Cancelled):
        load_series(info, ctx=ctx)


@pytest.mark.parametrize("make", ["missing", "empty", "text"])
def test_a_path_without_images_is_refused_by_name(tmp_path: Path, make: str) -> None:
    path = tmp_path / "thing"
    if make == "empty":
        path.mkdir()
    elif make == "text":
        path.write_text("hello, this is no image")

    with pytest.raises(BadInput, match="thing"):
        list_series(path)


def test_a_multi_frame_object_without_positions_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = write_series(tmp_path, ramp((1, 4, 4)))[0]
    dataset = pydicom.dcmread(path)
    dataset.NumberOfFrames = 3
    dataset.PixelData = dataset.PixelData * 3
    save(dataset, path)

    (info,) = list_series(path)

    assert info.kind == "multi-frame"
    with pytest.raises(BadInput, match="3 frames"):
        load_series(path)
