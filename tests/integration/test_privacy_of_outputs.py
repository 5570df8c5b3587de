"""What leaves the program says nothing of the patient, and its pictures show what it speaks of."""

from __future__ import annotations

import io
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from surgitwin.core.anonymous import anonymous_name, without_file_names
from surgitwin.core.identity import ImageIdentity
from surgitwin.core.progress import Context
from surgitwin.samples.dicom_writer import write_ct_series
from surgitwin.session import Session
from terminal import Phantom, done, header, make_phantom, surgitwin, write_nifti

SECRET = "Doe Jane liver"


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return make_phantom(tmp_path_factory.mktemp("phantom"))


@pytest.fixture
def case(phantom: Phantom, tmp_path: Path) -> Path:
    """A planned liver without surfaces, whose series description names the patient."""
    ct, case = tmp_path / "ct", tmp_path / "case.twin"
    named = replace(header("named"), series_description=SECRET)
    write_ct_series(ct, phantom.voxels, phantom.geometry, named, Context())
    done("new", case, ct)
    done("add", case, phantom.label_map, "--as", "labelmap", "--labels", phantom.table)
    done("plan", case, "Right", "--organ", "Liver", f"--plane={phantom.plane_between(20)}")
    return case


def text_of(pdf: Path) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(pdf).pages).split())


def test_a_report_names_the_series_only_when_it_names_the_patient(case: Path, tmp_path: Path) -> None:
    done("report", case, tmp_path / "plain.pdf")
    done("report", case, tmp_path / "named.pdf", "--identity")

    plain, named = text_of(tmp_path / "plain.pdf"), text_of(tmp_path / "named.pdf")
    assert "Doe" not in plain
    assert "CT 2024-01-31" in plain
    assert SECRET in named


def test_a_print_names_the_series_only_when_it_names_the_patient(case: Path, tmp_path: Path) -> None:
    words = ("--segment", "Liver", "--process", "MJF", "--force")
    done("print", case, tmp_path / "plain.stl", *words)
    done("print", case, tmp_path / "named.stl", *words, "--identity")

    plain, named = text_of(tmp_path / "plain.pdf"), text_of(tmp_path / "named.pdf")
    assert "Doe" not in plain and "CT, 2024-01-31" in plain
    assert SECRET in named
    assert b"Doe" not in (tmp_path / "plain.stl").read_bytes() + (tmp_path / "plain.pdf").read_bytes()


def test_a_report_says_what_its_limits_rest_on(case: Path, tmp_path: Path) -> None:
    done("report", case, tmp_path / "before.pdf")
    done("patient", case, "--height", 171.5, "--weight", 64, "--quality", "chemotherapy", "--formula", "urata")
    done("report", case, tmp_path / "after.pdf")

    assert "Confirmed" not in text_of(tmp_path / "before.pdf")
    for fact in ("Confirmed 171.5 cm, 64 kg", "Liver tissue chemotherapy", "Formula urata"):
        assert fact in text_of(tmp_path / "after.pdf")


def test_a_report_on_a_file_named_after_the_patient_does_not_name_the_file(phantom: Phantom, tmp_path: Path) -> None:
    source = write_nifti(tmp_path / "Doe_Jane.nii.gz", phantom.voxels, phantom.geometry, code=0)
    done("new", tmp_path / "case.twin", source)

    done("report", tmp_path / "case.twin", tmp_path / "report.pdf")

    text = text_of(tmp_path / "report.pdf")
    assert "Doe" not in text
    assert "the side is unknown" in text


def test_a_copy_for_sharing_keeps_no_name_that_the_scanner_gave(case: Path, tmp_path: Path) -> None:
    with Session.open(case) as session:
        session.save_copy(tmp_path / "shared.twin", for_sharing=True)

    with sqlite3.connect(tmp_path / "shared.twin") as db:
        volumes = [text for (text,) in db.execute("SELECT json FROM nodes WHERE type='volume'")]
    assert ['"name":"CT' in text for text in volumes] == [True]
    assert b"Doe" not in (tmp_path / "shared.twin").read_bytes()


def test_pictures_show_the_planned_organ_though_the_case_has_no_surfaces(case: Path, tmp_path: Path) -> None:
    before = done("tree", case)
    done("report", case, tmp_path / "report.pdf")

    counts = [liver_colours(picture) for picture in pictures_of(tmp_path / "report.pdf")]
    assert len(counts) == 4
    assert all(count > 10_000 for count in counts)  # 3D and three slices
    assert done("tree", case) == before
    legend = text_of(tmp_path / "report.pdf")
    assert "Portal vein" in legend

    done("snapshot", case, tmp_path / "view.png")
    assert liver_colours(Image.open(tmp_path / "view.png")) > 10_000


def pictures_of(pdf: Path) -> list[Image.Image]:
    return [Image.open(io.BytesIO(image.data)) for page in PdfReader(pdf).pages for image in page.images]


def liver_colours(picture: Image.Image) -> int:
    """Pixels of a reddish brown, as nothing but the liver has it; the cut is pink."""
    red, green, blue = np.moveaxis(np.asarray(picture.convert("RGB")).astype(int), -1, 0)
    return int(np.count_nonzero((red > 90) & (red > green + 25) & (green > blue + 5)))


def test_images_of_a_frame_that_was_confirmed_come_in_without_asking_again(
    case: Path, phantom: Phantom, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    write_ct_series(other, phantom.voxels, phantom.geometry, header("other"), Context())
    assert surgitwin("add", case, other, "--as", "volume").status == 3
    done("add", case, other, "--as", "volume", "--confirm")

    done("add", case, other, "--as", "volume")
    done("add", case, tmp_path / "ct", "--as", "volume")


def test_only_names_from_scanners_and_files_are_replaced() -> None:
    identity = ImageIdentity(modality="CT", series_description="Doe", study_date="2024-01-31", phase="arterial")
    assert anonymous_name("Doe", identity) == anonymous_name("Doe, volume 2", identity) == "CT 2024-01-31 arterial"
    assert anonymous_name("Before chemotherapy", identity) == "Before chemotherapy"
    assert anonymous_name("Acquisition 2", ImageIdentity()) == "Acquisition 2"
    assert anonymous_name("doe", ImageIdentity(series_description="Doe")) == "Image"


def test_file_names_leave_a_sentence_but_apostrophes_stay() -> None:
    sentence = "'a b/Doe.nii.gz' has no orientation code; the image's edge and the organ's are near."
    assert without_file_names(sentence) == ("‘…’ has no orientation code; the image's edge and the organ's are near.")
