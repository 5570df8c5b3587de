"""Seeds from a file and from segments of the case, on the terminal and in scripts."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.scene.nodes import SegmentNode, VolumeNode
from surgitwin.session import Session
from terminal import Phantom, done, make_case, make_phantom, surgitwin, write_nifti


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return make_phantom(tmp_path_factory.mktemp("in"))


@pytest.fixture
def case(phantom: Phantom, tmp_path: Path) -> Path:
    return make_case(phantom, tmp_path / "case.twin")


def names_in(case: Path) -> set[str]:
    with Session.open(case, read_only=True) as session:
        return {segment.name for segment in session.scene.of_type(SegmentNode)}


def seeds_of(phantom: Phantom) -> NDArray[np.uint8]:
    """A few voxels inside of the two largest structures, and some far from both."""
    labels = phantom.labels if phantom.labels.ndim == 3 else phantom.labels[0]
    seeds = np.zeros(labels.shape, np.uint8)
    for number, value in enumerate((1, 3), start=1):
        places = np.argwhere(labels == value)
        seeds[tuple(places[:: max(1, len(places) // 40)].T)] = number
    seeds[0, ::5, ::5] = seeds[-1, ::5, ::5] = seeds[:, 0, ::5] = 3
    return seeds


def seeds_file(phantom: Phantom, folder: Path) -> Path:
    return write_nifti(folder / "seeds.nii.gz", seeds_of(phantom), phantom.geometry)


def table(folder: Path, third: str = "Background") -> Path:
    path = folder / "names.json"
    path.write_text(json.dumps({"1": "First", "2": "Second", "3": third}), encoding="utf-8")
    return path


@pytest.mark.parametrize("method", ["seeds", "watershed"])
def test_every_label_of_a_seeds_file_becomes_a_segment_but_the_background(
    phantom: Phantom, case: Path, tmp_path: Path, method: str
) -> None:
    before = names_in(case)
    words = ("--set", f"seeds={seeds_file(phantom, tmp_path)}", "--labels", table(tmp_path))
    document = done("segment", case, method, "--into", "all", *words)
    assert [entry["node"]["name"] for entry in document["segments"]] == ["First", "Second"]
    assert names_in(case) == before | {"First", "Second"}
    with Session.open(case, read_only=True) as session:
        for number, name in enumerate(("First", "Second"), start=1):
            segment = session.scene.resolve(name, SegmentNode)
            grown = session.scene.layer_of(segment).labels.read() == segment.value
            assert grown[seeds_of(phantom) == number].all()
            assert not grown[(seeds_of(phantom) != number) & (seeds_of(phantom) != 0)].any()
            assert segment.provenance is not None and segment.provenance.parameters["seeds"] == "seeds.nii.gz"


def test_one_segment_of_several_can_be_named(phantom: Phantom, case: Path, tmp_path: Path) -> None:
    words = ("--set", f"seeds={seeds_file(phantom, tmp_path)}", "--labels", table(tmp_path))
    document = done("segment", case, "seeds", "--into", "second", *words)
    assert document["node"]["name"] == "Second" and "First" not in names_in(case)
    answer = surgitwin("segment", case, "seeds", "--into", "Third", *words)
    assert answer.status == 3 and "“First”, “Second”" in answer.err


def test_segments_of_the_case_grow_in_place_and_undo_brings_them_back(case: Path) -> None:
    with Session.open(case) as session:
        for name, at in (("In", 0.5), ("Background", 0.05)):
            grid = session.scene.of_type(VolumeNode)[0].geometry
            point = grid.to_lps(np.asarray(grid.size_ijk) * at)
            session.run("paint", segment=name, at=[tuple(point)], radius_mm=3)
        digest = session.scene.digest()
        document = session.run("segment", method="seeds", into="all", settings={"segments": "In,Background"})
        assert [node["name"] for node in document["nodes"]] == ["In"]
        session.undo()
        assert session.scene.digest() == digest


def test_seeds_that_cannot_be_used_are_refused_and_change_nothing(phantom: Phantom, case: Path, tmp_path: Path) -> None:
    grid = phantom.geometry
    empty = write_nifti(tmp_path / "empty.nii.gz", np.zeros(grid.shape_kji, np.uint8), grid)
    shifted = Geometry.from_affine(grid.size_ijk, grid.affine_lps + np.outer((1, 0, 0, 0), (0, 0, 0, 3.0)))
    elsewhere = write_nifti(tmp_path / "elsewhere.nii.gz", seeds_of(phantom), shifted)
    smaller = grid.cropped(Box((0, 0, 0), (10, 10, 10)))
    small = write_nifti(tmp_path / "small.nii.gz", seeds_of(phantom)[:10, :10, :10], smaller)
    one = write_nifti(tmp_path / "one.nii.gz", (seeds_of(phantom) == 1).astype(np.uint8), grid)
    before = case.read_bytes()
    for setting, said in (
        (f"seeds={empty}", "empty"),
        (f"seeds={elsewhere}", "another grid"),
        (f"seeds={small}", "another grid"),
        (f"seeds={one}", "one seed only"),
        (f"seeds={tmp_path / 'missing.nii.gz'}", "missing.nii.gz"),
        ("segments=Liver,Nowhere", "Nowhere"),
        ("margin_mm=5", "needs seeds"),
    ):
        answer = surgitwin("segment", case, "seeds", "--into", "all", "--set", setting)
        assert answer.status == 3 and said in answer.err and answer.err.count("\n") == 1, answer
    assert case.read_bytes() == before


def test_names_without_seeds_are_refused(case: Path, tmp_path: Path) -> None:
    with Session.open(case) as session, pytest.raises(BadInput, match="takes none"):
        session.run("segment", method="body", into="Body", labels=table(tmp_path))
