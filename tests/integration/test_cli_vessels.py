"""Vessels and their trees through the command line, on an oblique grid of odd spacing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.samples.dicom_writer import write_ct_series
from terminal import done, header, surgitwin, write_nifti
from tubes import ENDS_A, ENDS_B, A, B, at, dice, drawn, grid, organ_of, scanned

SPLIT = ("split-vessels", "--of", "Vessels", "--into", "all", "--set")
LOOSE = ((8.0, 6.0, 8.0), (24.0, 7.0, 9.0), 1.9)


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case with two touching trees and a loose vessel in a segment “Liver”."""
    folder = tmp_path_factory.mktemp("vessels")
    geometry = grid()
    write_ct_series(folder / "ct", scanned(geometry, [*A, *B, LOOSE], noise=6.0), geometry, header(), Context())
    write_nifti(folder / "liver.nii.gz", organ_of(geometry).astype(np.uint8), geometry)
    case = folder / "case.twin"
    done("new", case, folder / "ct", "--pseudonym", "Case V")
    done("add", case, folder / "liver.nii.gz", "--as", "labelmap", "--name", "Liver")
    done("segment", case, "vessels", "--into", "Vessels", "--set", "organ=Liver")
    return case


@pytest.fixture
def case(master: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(master, tmp_path / "case.twin"))


def typed(geometry: Geometry, points: Sequence[tuple[float, float, float]]) -> str:
    return ";".join(",".join(f"{value:.3f}" for value in at(geometry, point)) for point in points)


def mask_of(case: Path, name: str) -> NDArray[np.bool_]:
    out = case.parent / "out.nii.gz"
    done("export", case, out, "--segment", name, "--overwrite")
    return np.asarray(nibabel.load(out).dataobj).transpose(2, 1, 0) > 0


def names(case: Path) -> list[str]:
    return [node["name"] for node in done("tree", case)["nodes"] if node["type"] == "segment"]


def test_vessels_of_an_organ_are_found_and_split_into_two_named_segments(case: Path) -> None:
    geometry = grid()
    whole = drawn(geometry, [*A, *B, LOOSE]) & organ_of(geometry)
    assert dice(mask_of(case, "Vessels"), whole) > 0.88
    document = done(
        "segment", case, "split-vessels", "--of", "Vessels", "--into", "all",
        "--set", f"portal_at={typed(geometry, [ENDS_A])}", "--set", f"hepatic_at={typed(geometry, [ENDS_B])}",
    )  # fmt: skip
    assert [entry["node"]["name"] for entry in document["segments"]] == ["Portal vein", "Hepatic veins"]
    first, second = drawn(geometry, A) & organ_of(geometry), drawn(geometry, B) & organ_of(geometry)
    portal, hepatic = mask_of(case, "Portal vein"), mask_of(case, "Hepatic veins")
    assert dice(portal, first & ~second) > 0.85 and dice(hepatic, second & ~first) > 0.85
    assert not (portal & hepatic).any()
    left = mask_of(case, "Vessels") & ~portal & ~hepatic
    ml = np.count_nonzero(left) * geometry.voxel_volume_mm3 / 1000
    notes = [warning["message"] for warning in document["warnings"] if warning["code"] == "segmentation-note"]
    assert len(notes) == 1 and f"{ml:.1f} ml" in notes[0] and "neither tree" in notes[0]


def test_a_point_keeps_only_the_vessel_that_it_lies_on(case: Path) -> None:
    geometry = grid()
    done(
        "segment", case, "vessels", "--into", "One", "--set", "organ=Liver",
        "--set", f"at={typed(geometry, [(16.0, 6.5, 8.5)])}",
    )  # fmt: skip
    assert dice(mask_of(case, "One"), drawn(geometry, [LOOSE]) & organ_of(geometry)) > 0.8


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["vessels", "--into", "X"], "needs the setting 'organ'"),
        (["vessels", "--into", "X", "--set", "organ=Spleen"], "Spleen"),
        (["vessels", "--into", "X", "--set", "organ=Liver", "--set", "at=900,0,0"], "outside the image"),
        (["vessels", "--into", "X", "--set", "organ=Liver", "--set", "at={off}"], "mm away"),
        ([*SPLIT, "portal_at={portal}"], "'hepatic_at'"),
        (
            [*SPLIT, "portal_at={portal}", "--set", "hepatic_at={off}"],
            "hepatic point",
        ),
        (
            [*SPLIT, "portal_at={portal}", "--set", "hepatic_at=;"],
            "needs at least one point",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said_in_one_sentence_and_nothing_changes(
    case: Path, words: list[str], sentence: str
) -> None:
    geometry = grid()
    places = {"off": typed(geometry, [(12.0, 38.0, 50.0)]), "portal": typed(geometry, [ENDS_A])}
    before = names(case)
    answer = surgitwin("segment", case, *(word.format(**places) for word in words))
    assert answer.status == 3 and sentence in answer.err and len(answer.err.strip().splitlines()) == 1
    assert names(case) == before
