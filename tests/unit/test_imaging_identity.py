"""Who an image belongs to, what later objects must repeat, and which phase it shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from imaging_phantoms import ramp, write_series
from surgitwin.core.identity import ImageIdentity, PatientIdentity
from surgitwin.imaging import check_same_patient, list_series, load_series
from surgitwin.imaging.phase import guess_phase
from surgitwin.imaging.siemens_csa import read_csa


def test_a_volume_keeps_what_later_objects_must_repeat(tmp_path: Path) -> None:
    def complete(dataset: Dataset, k: int) -> None:
        dataset.SOPInstanceUID = f"1.2.3.4.{k + 1}"
        dataset.StudyID, dataset.AccessionNumber, dataset.SeriesNumber = "S7", "A9", 4
        dataset.StationName, dataset.SoftwareVersions = "CT1", ["a", "b"]
        dataset.PatientPosition, dataset.PositionReferenceIndicator = "HFS", ""
        dataset.PatientSize, dataset.PatientWeight = "1.82", "79.5"
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "L", "CT abdomen"
        dataset.ProcedureCodeSequence = [code]

    write_series(tmp_path, ramp(), series_uid="1.2.5", study_uid="1.2.6", edit=complete)

    volume = load_series(tmp_path)
    identity, header = volume.identity, json.loads(json.dumps(volume.identity.header))

    assert identity.sop_instance_uids == tuple(f"1.2.3.4.{k + 1}" for k in range(6))
    assert (identity.series_uid, identity.study_uid, identity.modality) == ("1.2.5", "1.2.6", "CT")
    assert identity.sop_class_uid == "1.2.840.10008.5.1.4.1.1.2"
    assert identity.frame_of_reference_uid == header["FrameOfReferenceUID"]
    assert (identity.study_date, identity.acquisition_time) == ("2024-02-29", "10:11:12")
    assert header["SoftwareVersions"] == ["a", "b"]
    assert header["SeriesNumber"] == 4
    assert header["ProcedureCodeSequence"] == [
        {"CodeValue": "1", "CodingSchemeDesignator": "L", "CodeMeaning": "CT abdomen"}
    ]
    assert volume.patient == PatientIdentity("ID-1", "Test^Person", "1950-01-31", "F", 182.0, 79.5)


@pytest.mark.parametrize(("stored", "read"), [("182", 182.0), ("0", None), ("17", None), ("1.05", 105.0)])
def test_an_implausible_height_is_no_suggestion(tmp_path: Path, stored: str, read: float | None) -> None:
    def tall(dataset: Dataset, _k: int) -> None:
        dataset.PatientSize = stored

    write_series(tmp_path, ramp((1, 3, 3)), edit=tall)

    assert load_series(tmp_path).patient.height_cm == read


@pytest.mark.parametrize(
    ("words", "contrast", "delay", "phase"),
    [
        ("Abdomen arterial 1.0 B30f", "", None, "arterial"),
        ("ABD_ART_1.0", "", None, "arterial"),
        ("late arterial liver", "", None, "arterial"),
        ("Leber portalvenös 3mm", "", None, "portal venous"),
        ("Portal Venous Phase", "", None, "portal venous"),
        ("TAP PV 70s", "", None, "portal venous"),
        ("Liver venous", "", None, "portal venous"),
        ("5 min delayed", "", None, "delayed"),
        ("Abdomen native", "", None, "unenhanced"),
        ("Non-contrast head", "", None, "unenhanced"),
        ("CT w/o contrast", "", None, "unenhanced"),
        ("C-spine 2.0 bone", "", None, ""),
        ("HEART 0.6", "", None, ""),
        ("Body 3.0", "Iohexol", 25.0, "arterial"),
        ("Body 3.0", "Iohexol", 96.0, "portal venous"),
        ("Body 3.0", "Iohexol", 300.0, "delayed"),
        ("Body 3.0", "Iohexol", -50.0, ""),
        ("Body 3.0", "", 96.0, ""),
        ("Body 3.0", "NONE", None, "unenhanced"),
    ],
)
def test_the_phase_is_guessed_from_words_and_timing(words: str, contrast: str, delay: float | None, phase: str) -> None:
    assert guess_phase(words, contrast, delay) == phase


def test_each_phase_of_a_dynamic_series_gets_its_own_time_and_guess(tmp_path: Path) -> None:
    def time(dataset: Dataset, k: int) -> None:
        dataset.ContrastBolusAgent, dataset.ContrastBolusStartTime = "Iohexol", "101000"
        dataset.AcquisitionTime = "101030" if k % 2 == 0 else "101110"

    positions = [(0.0, 0.0, 3.0 * (k // 2)) for k in range(8)]
    write_series(tmp_path, ramp((8, 3, 3)), positions=positions, edit=time)

    infos = list_series(tmp_path)

    assert [(info.acquisition_time, info.phase) for info in infos] == [
        ("10:10:30", "arterial"),
        ("10:11:10", "portal venous"),
    ]
    assert [load_series(info).identity.phase for info in infos] == ["arterial", "portal venous"]
    assert infos[0].contrast == "Iohexol"


PATIENT = PatientIdentity(patient_id="A1", birth_date="1950-01-31")
IMAGE = ImageIdentity(frame_of_reference_uid="1.2.3")


@pytest.mark.parametrize(
    ("patient", "image", "codes"),
    [
        (PATIENT, IMAGE, []),
        (PatientIdentity(), ImageIdentity(), []),
        (replace(PATIENT, patient_id="a1 "), IMAGE, []),
        (replace(PATIENT, patient_id="B2"), IMAGE, ["different-patient-id"]),
        (replace(PATIENT, birth_date="1950-01-13"), IMAGE, ["different-birth-date"]),
        (PATIENT, replace(IMAGE, frame_of_reference_uid="1.2.4"), ["different-frame-of-reference"]),
        (
            PatientIdentity(patient_id="B2", birth_date="1951-01-01"),
            ImageIdentity(frame_of_reference_uid="9"),
            ["different-patient-id", "different-birth-date", "different-frame-of-reference"],
        ),
    ],
)
def test_images_of_another_patient_or_frame_are_noticed(
    patient: PatientIdentity, image: ImageIdentity, codes: list[str]
) -> None:
    notices = check_same_patient((PATIENT, IMAGE), (patient, image))

    assert [notice.code for notice in notices] == codes
    for notice in notices:
        assert not any(secret in notice.message for secret in ("A1", "B2", "1950", "1951"))


@pytest.mark.parametrize("stored", [b"", b"SV10", b"\x00" * 50, b"SV10\x04\x03\x02\x01" + b"\xff" * 40])
def test_a_damaged_private_header_of_siemens_is_an_empty_table(stored: bytes) -> None:
    assert read_csa(stored) == {}
