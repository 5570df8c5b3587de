"""Label maps with their table: read back by SimpleITK and by our own `add`, on odd grids, both files or none."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from tests.exporting import COLORS, GRIDS, VALUES, export_case, mask
from tests.terminal import done, surgitwin

from surgitwin.core import durable
from surgitwin.exchange import atomic
from surgitwin.scene.nodes import SegmentNode
from surgitwin.session import Session

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("labels")
    return {grid: export_case(folder / f"{grid}.twin", grid) for grid in GRIDS}


def written(case: Path, out: Path, *segments: str) -> tuple[Path, Path, Any]:
    table = out.with_name("table.json")
    chosen = [word for name in segments for word in ("--segment", name)]
    document = done("export", case, out, "--labels", table, *chosen)
    assert document["files"] == [str(out), str(table)]
    return out, table, document


@pytest.mark.parametrize("grid", list(GRIDS))
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_label_map_lies_where_the_segments_lie(
    cases: dict[str, Path], tmp_path: Path, grid: str, suffix: str
) -> None:
    out, table, _ = written(cases[grid], tmp_path / f"all{suffix}", "Liver", "Kidney")
    image = SimpleITK.ReadImage(str(out))
    expected = VALUES["Liver"] * mask("Liver") + VALUES["Kidney"] * mask("Kidney")
    assert np.array_equal(SimpleITK.GetArrayFromImage(image), expected)
    for index in ((0, 0, 0), (25, 21, 17), (3, 1, 2)):
        assert np.allclose(image.TransformIndexToPhysicalPoint(index), GRIDS[grid].to_lps(index), atol=2e-4)
    rows = json.loads(table.read_text())["labels"]
    assert [(row["value"], row["name"], tuple(row["color"])) for row in rows] == [
        (VALUES[name], name, COLORS[name]) for name in ("Liver", "Kidney")
    ]


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".seg.nrrd"])
def test_what_was_exported_comes_back_by_add(cases: dict[str, Path], tmp_path: Path, suffix: str) -> None:
    names = ("Liver", "Kidney", "Tumour") if suffix == ".seg.nrrd" else ("Kidney", "Tumour")
    out, table, _ = written(cases["oblique"], tmp_path / f"all{suffix}", *names)
    case = tmp_path / "again.twin"
    done("export", cases["oblique"], tmp_path / "ct.nrrd")
    done("new", case, tmp_path / "ct.nrrd")
    done("add", case, out, "--as", "labelmap", "--labels", table)
    with Session.open(case, read_only=True) as session:
        found = {segment.name: segment for segment in session.scene.of_type(SegmentNode)}
        assert sorted(found) == sorted(names)
        for name, segment in found.items():
            labels = session.scene.layer_of(segment).labels.read()
            assert np.array_equal(labels == segment.value, mask(name)) and segment.color == COLORS[name]


def test_segments_that_overlap_are_refused_with_their_names(cases: dict[str, Path], tmp_path: Path) -> None:
    answer = surgitwin(
        "export", cases["oblique"], tmp_path / "a.nii.gz", "--labels", tmp_path / "a.json",
        "--segment", "Liver", "--segment", "Tumour",
    )  # fmt: skip
    assert answer.status == 3 and "“Liver” and “Tumour” overlap" in answer.err and ".seg.nrrd" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_segments_that_overlap_go_into_layers_as_3d_slicer_has_them(cases: dict[str, Path], tmp_path: Path) -> None:
    out, _, document = written(cases["flipped"], tmp_path / "a.seg.nrrd", "Liver", "Kidney", "Tumour")
    image = SimpleITK.ReadImage(str(out))
    voxels = SimpleITK.GetArrayFromImage(image)
    assert image.GetNumberOfComponentsPerPixel() == 2
    assert np.allclose(image.TransformIndexToPhysicalPoint((3, 1, 2)), GRIDS["flipped"].to_lps((3, 1, 2)))
    for number, row in enumerate(document["labels"]):
        assert image.GetMetaData(f"Segment{number}_Name") == row["name"]
        assert image.GetMetaData(f"Segment{number}_Layer") == str(row["layer"])
        assert np.array_equal(voxels[..., row["layer"]] == row["value"], mask(row["name"]))
        extent = [int(word) for word in image.GetMetaData(f"Segment{number}_Extent").split()]
        where = np.argwhere(mask(row["name"]))[:, ::-1]
        assert extent == [int(v) for pair in zip(where.min(axis=0), where.max(axis=0), strict=True) for v in pair]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a.nii.gz", "--labels", "a.json"), "'Empty' is empty"),
        (("a.stl", "--labels", "a.json"), "--labels is for label maps"),
        (("a.nrrd", "--labels", "a.txt"), "a.txt should end in .json"),
        (("a.nrrd", "--labels", "nowhere/a.json"), "no folder"),
        (("a.nrrd", "--labels", "a.json", "--volume", "CT"), "leave --volume and --implant out"),
        (("a.nrrd", "--segment", "Liver", "--segment", "Kidney"), "--labels TABLE.json"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_label_map_is_refused_and_nothing_is_written(
    cases: dict[str, Path], tmp_path: Path, words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = surgitwin("export", cases["oblique"], *words)
    assert answer.status == 3 and said in answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", [0, 1])
def test_the_label_map_and_its_table_are_both_replaced_or_neither(
    cases: dict[str, Path], tmp_path: Path, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, table = tmp_path / "a.nrrd", tmp_path / "a.json"
    out.write_text("old map")
    table.write_text("old table")
    real, calls = durable.sync_file, iter(range(9))

    def full(path: Path) -> None:
        if next(calls) == failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path)

    monkeypatch.setattr(atomic, "sync_file", full)
    answer = surgitwin("export", cases["oblique"], out, "--labels", table, "--segment", "Liver", "--overwrite")
    assert answer.status == 3 and "No space left" in answer.err
    assert (out.read_text(), table.read_text(), len(list(tmp_path.iterdir()))) == ("old map", "old table", 2)


def test_values_are_kept_unless_two_segments_share_one(cases: dict[str, Path], tmp_path: Path) -> None:
    _, _, document = written(cases["oblique"], tmp_path / "a.nrrd", "Kidney", "Tumour")
    assert [row["value"] for row in document["labels"]] == [7, 1]
    (tmp_path / "table.json").unlink()
    _, _, document = written(cases["oblique"], tmp_path / "b.seg.nrrd", "Liver", "Tumour")
    assert [row["value"] for row in document["labels"]] == [1, 2]
