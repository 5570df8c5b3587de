"""The sample case abdomen-ct, from the installed files to the folder that a user opens."""

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK

from surgitwin.core.geometry import Box, FloatArray
from surgitwin.core.progress import Context
from surgitwin.samples import SAMPLES
from surgitwin.samples.abdomen_ct import RESOURCES, AbdomenCT, load_abdomen_ct
from surgitwin.samples.files import read_nifti
from surgitwin.segmentation.terminology import match_term


@pytest.fixture(scope="module")
def case() -> AbdomenCT:
    return load_abdomen_ct()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample") / "abdomen"
    SAMPLES["abdomen-ct"].write(out, Context())
    return out


def centroid(case: AbdomenCT, name: str) -> FloatArray:
    value = next(v for v, n in case.names.items() if n == name)
    return np.asarray(case.geometry.to_lps(np.argwhere(case.labels == value)[:, ::-1].mean(axis=0)))


def test_right_is_right_and_up_is_up(case: AbdomenCT) -> None:
    spine = centroid(case, "vertebrae_L1")
    assert centroid(case, "liver")[0] < spine[0] < centroid(case, "spleen")[0]
    for name in ("kidney", "femur", "hip", "rib", "iliopsoas"):
        ending = "_9" if name == "rib" else ""
        assert centroid(case, f"{name}_right{ending}")[0] < spine[0] < centroid(case, f"{name}_left{ending}")[0]
    assert centroid(case, "vertebrae_L5")[2] < spine[2] < centroid(case, "vertebrae_T12")[2]
    assert centroid(case, "urinary_bladder")[1] < centroid(case, "sacrum")[1]


def test_image_and_labels_are_the_published_ones(case: AbdomenCT) -> None:
    for name, array in (("example_ct", case.ct), ("example_seg_61_labels", case.labels)):
        original = SimpleITK.ReadImage(str(RESOURCES / f"{name}.nii.gz"))
        published = SimpleITK.GetArrayFromImage(original)
        for i, j, k in ((60, 50, 56), (30, 60, 84), (90, 62, 90)):
            at = original.TransformPhysicalPointToIndex([float(v) for v in case.geometry.to_lps((i, j, k))])
            assert array[k, j, i] == published[at[2], at[1], at[0]]
        assert np.array_equal(np.sort(array, axis=None), np.sort(published, axis=None))


def test_the_table_names_exactly_the_values_that_occur_and_the_terminology_knows_them(case: AbdomenCT) -> None:
    assert set(case.names) == set(np.unique(case.labels).tolist()) - {0}
    for value, name in case.names.items():
        term = match_term(name)
        assert term is not None and term.name == case.plain_names[value]


def test_labels_lie_where_the_image_says(case: AbdomenCT) -> None:
    means = {name: float(case.ct[case.labels == value].mean()) for value, name in case.names.items()}
    assert 30 < means["liver"] < 70 and 0 < means["urinary_bladder"] < 40
    assert means["lung_lower_lobe_right"] < -600 and means["hip_left"] > 200


def test_both_kidneys_lie_whole_in_the_image_and_the_liver_does_not(case: AbdomenCT) -> None:
    def cut_off(name: str) -> bool:
        value = next(v for v, n in case.names.items() if n == name)
        return Box.of_mask(case.labels == value).touches_edge(case.geometry.size_ijk)

    assert not cut_off("kidney_left") and not cut_off("kidney_right") and cut_off("liver")


def test_the_written_series_is_the_image_and_the_label_map_lies_on_its_grid(folder: Path, case: AbdomenCT) -> None:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder / "dicom")))
    image = reader.Execute()
    assert np.array_equal(SimpleITK.GetArrayFromImage(image), case.ct)
    labels, grid = read_nifti(folder / "labels.nii.gz")
    assert np.array_equal(labels, case.labels) and grid.same_grid(case.geometry)
    assert np.allclose(image.GetOrigin(), grid.origin_mm, atol=1e-6) and np.allclose(image.GetSpacing(), 3)
    assert json.loads((folder / "labels.json").read_text("utf-8"))["5"] == "liver"


def test_licence_and_source_lie_beside_it_and_no_real_patient_is_named(folder: Path) -> None:
    assert "Apache License" in (folder / "LICENSE").read_text("utf-8")
    assert "TotalSegmentator" in (folder / "SOURCE.md").read_text("utf-8")
    header = pydicom.dcmread(next((folder / "dicom").iterdir()), stop_before_pixels=True)
    assert (str(header.PatientName), header.PatientID) == ("Sample^Abdomen", "SAMPLE-ABDOMEN-CT")
    assert "ContrastBolusAgent" not in header


def test_the_demo_plans_cut_the_right_kidney_in_two(case: AbdomenCT) -> None:
    kidney = np.argwhere(case.labels == 2)[:, ::-1]
    for plan in SAMPLES["abdomen-ct"].plans:
        assert plan.organ == "Right kidney"
        point, normal = np.array(plan.planes[0][:3]), np.array(plan.planes[0][3:])
        removed = np.count_nonzero((case.geometry.to_lps(kidney) - point) @ normal > 0) / len(kidney)
        assert 0.15 < removed < 0.5
        assert np.linalg.norm(normal) == pytest.approx(1, abs=1e-3)
