"""What ``new``, ``add`` and ``export`` take and give: label maps in every form, other patients, exact geometry."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgitwin.core.geometry import Geometry, lps_to_ras
from surgitwin.core.progress import Context
from surgitwin.samples.dicom_writer import write_ct_series
from surgitwin.session import Session
from terminal import (
    LABELS,
    LIVER,
    TUMOUR,
    Phantom,
    copy_of,
    done,
    fingerprint,
    header,
    make_phantom,
    surgitwin,
    write_nifti,
)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return make_phantom(tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="module")
def image_only(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    case = tmp_path_factory.mktemp("case") / "case.twin"
    done("new", case, phantom.ct)
    return case


@pytest.fixture
def case(image_only: Path, tmp_path: Path) -> Path:
    return copy_of(image_only, tmp_path)


def names_of(case: Path) -> list[str]:
    return [node["name"] for node in done("tree", case)["nodes"] if node["type"] == "segment"]


def voxels_of(case: Path) -> dict[str, int]:
    return {segment["name"]: segment["voxels"] for segment in done("stats", case)["segments"]}


def count(labels: Any) -> int:
    return int(np.count_nonzero(labels))


def refused(case: Path, *words: object) -> str:
    before = case.read_bytes()
    answer = surgitwin(*words, "--json")
    assert answer.status == 3 and answer.out == "" and answer.err.count("\n") == 1, answer
    assert case.read_bytes() == before
    return answer.err


# Label maps


def test_with_a_table_each_value_is_a_segment_with_its_name(case: Path, phantom: Phantom) -> None:
    document = done("add", case, phantom.label_map, "--as", "labelmap", "--labels", phantom.table)

    assert [node["name"] for node in document["nodes"]] == list(LABELS.values())
    assert {node["type"] for node in document["nodes"]} == {"segment"}
    assert voxels_of(case) == {name: count(phantom.labels == value) for value, name in LABELS.items()}


def test_with_a_name_all_that_is_not_zero_is_one_segment(case: Path, phantom: Phantom) -> None:
    done("add", case, phantom.label_map, "--as", "labelmap", "--name", "Everything")

    assert voxels_of(case) == {"Everything": count(phantom.labels)}


def test_with_neither_every_value_is_its_own_segment(case: Path, phantom: Phantom) -> None:
    document = done("add", case, phantom.label_map, "--as", "labelmap")

    assert len(document["nodes"]) == 3
    assert sorted(voxels_of(case).values()) == sorted(count(phantom.labels == value) for value in LABELS)


def test_a_dicom_series_is_a_label_map_too(case: Path, phantom: Phantom, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    write_ct_series(masks, (phantom.labels == 1) * np.int16(255), phantom.geometry, header("mask"), Context())

    # Another series of the same writer has a frame of reference of its own: worth a warning, not a refusal.
    document = done("add", case, masks, "--as", "labelmap", "--name", "Liver")

    assert [node["name"] for node in document["nodes"]] == ["Liver"]
    assert voxels_of(case) == {"Liver": count(phantom.labels == 1)}


def test_a_dicom_series_with_a_table_is_a_segment_for_each_value(case: Path, phantom: Phantom, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    write_ct_series(masks, phantom.labels.astype(np.int16), phantom.geometry, header("mask"), Context())

    done("add", case, masks, "--as", "labelmap", "--labels", phantom.table)

    assert voxels_of(case) == {name: count(phantom.labels == value) for value, name in LABELS.items()}


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_other_formats_of_label_maps_give_the_same(case: Path, phantom: Phantom, tmp_path: Path, suffix: str) -> None:
    done("add", case, phantom.label_map, "--as", "labelmap", "--labels", phantom.table)
    exported = tmp_path / f"liver{suffix}"
    done("export", case, exported, "--segment", "Liver")

    done("add", case, exported, "--as", "labelmap", "--name", "Again")

    assert voxels_of(case)["Again"] == count(phantom.labels == 1)


def test_overlapping_segments_leave_each_other_alone(case: Path, phantom: Phantom) -> None:
    done("add", case, phantom.label_map, "--as", "labelmap", "--labels", phantom.table)
    done("add", case, phantom.tumour_map, "--as", "labelmap", "--name", "Tumour 1")

    assert voxels_of(case)["Liver"] == count(phantom.labels == 1)
    kinds = {segment["name"]: segment["kind"] for segment in done("stats", case)["segments"]}
    assert kinds == {"Liver": "organ", "Portal vein": "vessel", "Right kidney": "organ", "Tumour 1": "lesion"}


def test_the_type_that_is_given_wins_over_the_name(case: Path, phantom: Phantom) -> None:
    done("add", case, phantom.tumour_map, "--as", "labelmap", "--name", "Liver part", "--type", "lesion")

    assert done("stats", case)["segments"][0]["kind"] == "lesion"


def test_a_label_map_on_another_grid_is_brought_onto_that_of_the_image(
    case: Path, phantom: Phantom, tmp_path: Path
) -> None:
    geometry = phantom.geometry
    finer = Geometry.from_parts(
        tuple(2 * n for n in geometry.size_ijk),
        tuple(s / 2 for s in geometry.spacing_mm),
        geometry.to_lps((-0.25, -0.25, -0.25)),
        geometry.direction,
    )
    labels = np.repeat(np.repeat(np.repeat(phantom.labels, 2, 0), 2, 1), 2, 2)
    path = write_nifti(tmp_path / "fine.nii.gz", labels, finer)

    done("add", case, path, "--as", "labelmap", "--labels", phantom.table)

    assert voxels_of(case)["Liver"] == count(phantom.labels == 1)


def test_label_maps_that_cannot_be_right_are_refused(case: Path, phantom: Phantom, tmp_path: Path) -> None:
    geometry, labels = phantom.geometry, phantom.labels
    empty = write_nifti(tmp_path / "empty.nii.gz", np.zeros_like(labels), geometry)
    far = Geometry.from_parts(geometry.size_ijk, geometry.spacing_mm, (9000.0, 0.0, 0.0), geometry.direction)
    elsewhere = write_nifti(tmp_path / "elsewhere.nii.gz", labels, far)
    negative = write_nifti(tmp_path / "negative.nii.gz", labels.astype(np.int16) - 1, geometry)
    halves = write_nifti(tmp_path / "halves.nii.gz", labels * np.float32(0.5), geometry)
    table = tmp_path / "short.json"
    table.write_text(json.dumps({"1": "Liver", "3": "Portal vein"}))
    words = tmp_path / "words.json"
    words.write_text(json.dumps({"one": "Liver"}))
    broken = tmp_path / "broken.json"
    broken.write_text('{"1": "Liver"')
    add = ("add", case)

    assert "empty.nii.gz" in refused(case, *add, empty, "--as", "labelmap")
    assert "elsewhere.nii.gz" in (said := refused(case, *add, elsewhere, "--as", "labelmap")) or "overlap" in said
    assert "negative.nii.gz" in refused(case, *add, negative, "--as", "labelmap")
    assert "halves.nii.gz" in refused(case, *add, halves, "--as", "labelmap")
    said = refused(case, *add, phantom.label_map, "--as", "labelmap", "--labels", table)
    assert "4" in said and "organs.nii.gz" in said
    assert "words.json" in refused(case, *add, phantom.label_map, "--as", "labelmap", "--labels", words)
    assert "broken.json" in refused(case, *add, phantom.label_map, "--as", "labelmap", "--labels", broken)
    assert "missing.json" in refused(case, *add, phantom.label_map, "--as", "labelmap", "--labels", "missing.json")
    assert "--labels" in refused(case, *add, phantom.ct, "--as", "volume", "--labels", phantom.table)
    both = ("--labels", phantom.table, "--name", "Liver")
    assert "--name" in refused(case, *add, phantom.label_map, "--as", "labelmap", *both)
    assert names_of(case) == []


def test_a_name_that_is_taken_is_refused_and_a_table_may_name_two_values_alike(
    case: Path, phantom: Phantom, tmp_path: Path
) -> None:
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"1": "Part", "3": "Part", "4": "Rest"}))
    done("add", case, phantom.label_map, "--as", "labelmap", "--labels", table)

    assert names_of(case) == ["Part", "Part (2)", "Rest"]
    assert "PART" in refused(case, "add", case, phantom.tumour_map, "--as", "labelmap", "--name", "PART")


def test_a_label_map_that_does_not_name_its_side_makes_the_side_unknown_until_confirmed(
    case: Path, phantom: Phantom, tmp_path: Path
) -> None:
    path = write_nifti(tmp_path / "nowhere.nii.gz", phantom.labels, phantom.geometry, code=0)

    answer = surgitwin("add", case, path, "--as", "labelmap", "--labels", phantom.table, "--json")

    assert answer.status == 3 or "unknown-side" in answer.codes()


# Images


def another(phantom: Phantom, folder: Path, **changes: Any) -> Path:
    write_ct_series(folder, phantom.voxels, phantom.geometry, replace(header("other"), **changes), Context())
    return folder


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"patient_id": "P-2"}, ["different-patient-id", "different-frame-of-reference"]),
        ({"birth_date": "19600101"}, ["different-birth-date", "different-frame-of-reference"]),
        ({}, ["different-frame-of-reference"]),
    ],
)
def test_images_that_may_not_belong_here_are_refused_or_confirmed_and_logged(
    case: Path, phantom: Phantom, tmp_path: Path, changes: dict[str, str], codes: list[str]
) -> None:
    folder = another(phantom, tmp_path / "other", **changes)
    said = refused(case, "add", case, folder, "--as", "volume")
    assert "--confirm" in said
    assert "P-2" not in said and "1960" not in said

    document = done("add", case, folder, "--as", "volume", "--confirm", "--name", "Second")

    assert [warning["code"] for warning in document["warnings"]] == codes
    with Session.open(case, read_only=True) as session:
        assert session.scene.case.log_confirmations == tuple(f"{code}: Second" for code in codes)


def test_images_of_the_same_examination_need_no_confirmation(case: Path, phantom: Phantom) -> None:
    document = done("add", case, phantom.ct, "--as", "volume", "--name", "Again")

    assert document["warnings"] == [] and document["nodes"][0]["name"] == "Again"
    assert document["size_ijk"] == list(phantom.geometry.size_ijk)


def test_a_label_map_of_another_patient_is_refused_unless_confirmed(
    case: Path, phantom: Phantom, tmp_path: Path
) -> None:
    masks = tmp_path / "masks"
    other = header("mask", patient="P-2")
    write_ct_series(masks, (phantom.labels == 1).astype(np.int16), phantom.geometry, other, Context())

    assert "--confirm" in refused(case, "add", case, masks, "--as", "labelmap", "--name", "Liver")

    document = done("add", case, masks, "--as", "labelmap", "--name", "Liver", "--confirm")
    assert "different-patient-id" in [warning["code"] for warning in document["warnings"]]


def test_a_folder_with_several_volumes_is_refused_with_the_list(phantom: Phantom, tmp_path: Path) -> None:
    both = tmp_path / "both"
    write_ct_series(both / "one", phantom.voxels, phantom.geometry, header("one"), Context())
    written = write_ct_series(both / "two", phantom.voxels, phantom.geometry, header("two"), Context())
    listed = {series["series_uid"] for series in done("series", both)}
    before = fingerprint(tmp_path)

    answer = surgitwin("new", tmp_path / "case.twin", both)

    assert (answer.status, answer.out) == (3, "") and answer.err.count("\n") == 1
    assert len(listed) == 2 and all(uid in answer.err for uid in listed) and "--series" in answer.err
    assert fingerprint(tmp_path) == before

    document = done("new", tmp_path / "case.twin", both, "--series", written.series_uid)
    assert document["size_ijk"] == list(phantom.geometry.size_ijk)
    answer = surgitwin("new", tmp_path / "other.twin", both, "--series", "1.2.3")
    assert answer.status == 3 and "1.2.3" in answer.err


def test_one_bad_file_in_a_folder_does_not_keep_the_rest_out(phantom: Phantom, tmp_path: Path) -> None:
    folder = tmp_path / "ct"
    write_ct_series(folder, phantom.voxels, phantom.geometry, header(), Context())
    (folder / "notes.txt").write_text("Not an image.")
    slices = sorted(folder.glob("*.dcm"))
    slices[-1].write_bytes(slices[-1].read_bytes()[:3000])

    document = done("new", tmp_path / "case.twin", folder)

    assert document["size_ijk"][2] == phantom.geometry.size_ijk[2] - 1
    assert "truncated-file" in [warning["code"] for warning in document["warnings"]]


def test_a_zip_archive_is_a_folder_and_what_is_damaged_in_it_is_left_out(phantom: Phantom, tmp_path: Path) -> None:
    archive = tmp_path / "ct.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        for path in sorted(phantom.ct.iterdir()):
            writer.write(path, path.name)
    whole = archive.read_bytes()

    document = done("new", tmp_path / "whole.twin", archive)
    assert document["size_ijk"] == list(phantom.geometry.size_ijk) and document["warnings"] == []

    last = whole.rindex(b"DICM")  # in the preamble's end of the last slice
    archive.write_bytes(whole[: last + 600] + bytes([whole[last + 600] ^ 0xFF]) + whole[last + 601 :])
    document = done("new", tmp_path / "part.twin", archive)
    assert document["size_ijk"][2] == phantom.geometry.size_ijk[2] - 1
    assert "unreadable-file" in [warning["code"] for warning in document["warnings"]]

    archive.write_bytes(whole[: len(whole) // 2])
    answer = surgitwin("new", tmp_path / "no.twin", archive)
    assert answer.status == 3 and "ct.zip" in answer.err and answer.err.count("\n") == 1


def test_a_case_gets_a_pseudonym_and_never_the_name_of_the_patient(phantom: Phantom, tmp_path: Path) -> None:
    answers = [
        surgitwin("new", tmp_path / "case.twin", phantom.ct, "--json"),
        surgitwin("tree", tmp_path / "case.twin", "--json"),
        surgitwin("series", phantom.ct, "--json"),
    ]

    for answer in answers:
        assert answer.status == 0
        assert "Doe" not in answer.out + answer.err and "P-1" not in answer.out + answer.err


# Surfaces


def test_a_surface_from_a_file_is_added_and_exported_with_the_segments(
    case: Path, phantom: Phantom, tmp_path: Path
) -> None:
    done("add", case, phantom.label_map, "--as", "labelmap", "--labels", phantom.table)
    done("export", case, tmp_path / "liver.stl", "--segment", "Liver")

    document = done("add", case, tmp_path / "liver.stl", "--as", "surface", "--name", "Template")

    assert document["nodes"][0] | {"id": ""} == {"id": "", "type": "surface", "name": "Template"}
    assert document["warnings"] == []  # the frame is named in the header
    check = done("export", case, tmp_path / "all.glb")["check"]
    assert [mesh["name"] for mesh in check["meshes"]] == [*LABELS.values(), "Template"]


# Export


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_the_exported_image_and_mask_lie_where_the_slices_lie(
    case: Path, phantom: Phantom, tmp_path: Path, suffix: str
) -> None:
    done("add", case, phantom.label_map, "--as", "labelmap", "--labels", phantom.table)
    image, mask = tmp_path / f"image{suffix}", tmp_path / f"mask{suffix}"

    document = done("export", case, image)
    assert done("export", case, mask, "--segment", "Liver")["files"] == [str(mask)]

    assert document["files"] == [str(image)]
    for path, voxels in ((image, phantom.voxels), (mask, phantom.labels == 1)):
        read, affine = read_independently(path)
        assert affine == pytest.approx(phantom.geometry.affine_lps, abs=1e-3)
        assert np.array_equal(read, voxels)


def read_independently(path: Path) -> tuple[Any, Any]:
    """Voxels [k, j, i] and the affine in LPS, by nibabel for NIfTI and by SimpleITK for the others."""
    if ".nii" in path.suffixes:
        import nibabel

        image = nibabel.load(path)
        assert image.header["sform_code"] > 0 and image.header["qform_code"] > 0
        assert image.get_qform() == pytest.approx(image.get_sform(), abs=1e-3)
        return np.asanyarray(image.dataobj).transpose(2, 1, 0), lps_to_ras(image.affine)
    import SimpleITK

    image = SimpleITK.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image), affine


def test_a_mask_of_one_segment_holds_what_it_shares_with_others(case: Path, phantom: Phantom, tmp_path: Path) -> None:
    done("add", case, phantom.label_map, "--as", "labelmap", "--labels", phantom.table)
    done("add", case, phantom.tumour_map, "--as", "labelmap", "--name", "Tumour 1")

    for name, box in (("Liver", LIVER), ("Tumour 1", TUMOUR)):
        done("export", case, tmp_path / "mask.nii.gz", "--segment", name, "--overwrite")
        expected = np.zeros(phantom.labels.shape, bool)
        expected[box] = True
        assert np.array_equal(read_independently(tmp_path / "mask.nii.gz")[0], expected)


def test_overwrite_replaces_and_no_part_of_a_file_is_left_beside(case: Path, phantom: Phantom, tmp_path: Path) -> None:
    done("add", case, phantom.label_map, "--as", "labelmap", "--labels", phantom.table)
    out = tmp_path / "out"
    out.mkdir()
    (out / "liver.stl").write_text("old")

    document = done("export", case, out / "liver.stl", "--segment", "Liver", "--overwrite")

    assert document["files"] == [str(out / "liver.stl")]
    assert [path.name for path in out.iterdir()] == ["liver.stl"]
    assert b"LPS" in (out / "liver.stl").read_bytes()[:80]


# Replacing


def test_into_an_existing_name_replaces_the_segment_and_can_be_undone(case: Path, phantom: Phantom) -> None:
    done("add", case, phantom.label_map, "--as", "labelmap", "--labels", phantom.table)
    with Session.open(case) as session:
        before = session.scene.digest()
        ids = {node["name"]: node["id"] for node in session.run("tree")["nodes"]}
        document = session.run("segment", method="threshold", into="liver", settings={"low": 170})
        assert document["node"]["id"] == ids["Liver"] and document["node"]["name"] == "Liver"
        assert document["voxels"] == count(phantom.voxels >= 170)
        assert session.undo() is not None
        assert session.scene.digest() == before
        session.redo()
    assert names_of(case) == list(LABELS.values())
    assert voxels_of(case)["Liver"] == count(phantom.voxels >= 170)
    assert voxels_of(case)["Portal vein"] == count(phantom.labels == 3)


def test_a_plan_of_an_existing_name_is_replaced(case: Path, phantom: Phantom) -> None:
    done("add", case, phantom.label_map, "--as", "labelmap", "--labels", phantom.table)
    first = done("plan", case, "P", "--organ", "Liver", "--plane", phantom.plane_between(20))
    second = done("plan", case, "P", "--organ", "Liver", "--plane", phantom.plane_between(10))

    assert first["node"] == second["node"] and first["voxels"] != second["voxels"]
    assert [plan["name"] for plan in done("compare", case)["plans"]] == ["P"]
