"""Images to a surface in one go: the same file, numbers and warnings as by the three commands with a case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from terminal import HU, LIVER, Phantom, done, make_phantom, surgitwin, write_nifti

RANGE = ("--low", str(HU["Liver"] - 10), "--high", "3000")


@pytest.fixture(scope="module", params=[False, True], ids=["right-handed", "left-handed"])
def phantom(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return make_phantom(tmp_path_factory.mktemp("phantom"), left_handed=request.param)


@pytest.mark.parametrize("ending", [".stl", ".ply"])
def test_it_writes_what_the_three_commands_write(phantom: Phantom, tmp_path: Path, ending: str) -> None:
    case, long, short = tmp_path / "c.twin", tmp_path / f"long{ending}", tmp_path / f"short{ending}"
    made = done("new", case, phantom.ct)
    low, high = RANGE[1], RANGE[3]
    found = done("segment", case, "threshold", "--into", "Bright", "--set", f"low={low}", f"high={high}")
    written = done("export", case, long, "--segment", "Bright")

    document = done("quick", phantom.ct, short, *RANGE, "--name", "Bright")

    assert short.read_bytes() == long.read_bytes()
    assert document["files"] == [str(short)] and document["check"] == written["check"]
    assert document["check"]["closed"] and document["check"]["outward"]
    assert (document["voxels"], document["volume_ml"]) == (found["voxels"], found["volume_ml"])
    assert [document[key] for key in ("affine_lps", "size_ijk")] == [made[key] for key in ("affine_lps", "size_ijk")]
    said = [*made["warnings"], *found["warnings"], *written["warnings"]]
    assert all(warning in said for warning in document["warnings"]) and document["side_known"] is True
    assert {warning["code"] for warning in document["warnings"]} == {warning["code"] for warning in said}
    assert document["warnings"]  # the kidney is cut off, and that is said once
    assert [w["code"] for w in document["warnings"]].count("cut-off") == 1


def test_it_leaves_nothing_but_the_file_and_says_in_words_what_it_is(phantom: Phantom, tmp_path: Path) -> None:
    answer = surgitwin("quick", phantom.ct, tmp_path / "s.stl", *RANGE)

    assert answer.status == 0 and [path.name for path in tmp_path.iterdir()] == ["s.stl"]
    assert all(word in answer.out for word in ("voxels of", "In the range", "s.stl", "closed and manifold", "LPS"))


def test_an_image_without_a_known_side_is_said_to_be_one(phantom: Phantom, tmp_path: Path) -> None:
    values = np.zeros(phantom.geometry.shape_kji, np.int16)
    values[LIVER] = 500
    # Neither code says that the grid is the patient's.
    image = write_nifti(tmp_path / "image.nii.gz", values, phantom.geometry, code=0)

    document = done("quick", image, tmp_path / "s.stl", "--low", "200")

    assert document["side_known"] is False
    assert "side-unknown" in {warning["code"] for warning in document["warnings"]}


def test_a_range_that_holds_nothing_is_refused_and_nothing_is_written(phantom: Phantom, tmp_path: Path) -> None:
    answer = surgitwin("quick", phantom.ct, tmp_path / "s.stl", "--low", "2900")

    assert answer.status == 3 and "2900" in answer.err and list(tmp_path.iterdir()) == []
