"""`surgitwin segment CASE network`: segments, their provenance, undo, and what is refused without a trace."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="onnxruntime has no wheels for this computer")

import networks
from surgitwin.core.progress import Context, Progress
from surgitwin.scene.nodes import SegmentNode, VolumeNode
from surgitwin.session import Session
from terminal import Phantom, copy_of, done, fingerprint, make_phantom, surgitwin

MODEL_INPUT = {"spacing_mm": None, "orientation": "RAS", "patch_size": [20, 24, 16], "overlap": 0.25}


@pytest.fixture(scope="module", params=[False, True], ids=["right-handed", "left-handed"])
def phantom(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return make_phantom(tmp_path_factory.mktemp("networks"), left_handed=request.param)


@pytest.fixture(scope="module")
def master(phantom: Phantom) -> Path:
    case = phantom.folder / "master.twin"
    done("new", case, phantom.ct, "--pseudonym", "Case N")
    return case


@pytest.fixture
def case(master: Path, tmp_path: Path) -> Path:
    return copy_of(master, tmp_path)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A network that knows what is bright: from 100 HU on parenchyma, from 165 HU on a vessel."""
    folder = tmp_path / "Jane Doe's models"
    folder.mkdir()
    model = networks.steps(folder / "bright.onnx", [100.5, 165.5])
    labels = {"1": "liver", "2": "portal_vein"}
    return networks.manifest(model, labels=labels, input=MODEL_INPUT, sha256=networks.sha256(model))


@pytest.fixture
def session(case: Path) -> Iterator[Session]:
    with Session.open(case) as opened:
        yield opened


def test_every_label_becomes_a_segment_with_its_exact_voxels(case: Path, manifest: Path, phantom: Phantom) -> None:
    answer = done("segment", case, "network", "--into", "all", "--set", "engine=onnx", f"model={manifest}")

    liver, vein = ((phantom.voxels > 100) & (phantom.voxels < 165)), phantom.voxels > 165
    found = {entry["node"]["name"]: entry["voxels"] for entry in answer["segments"]}
    assert found == {"Liver": int(liver.sum()), "Portal vein": int(vein.sum())}
    with Session.open(case) as session:
        volume = session.scene.of_type(VolumeNode)[0]
        at = volume.geometry.to_index(phantom.geometry.to_lps(np.argwhere(liver)[:, ::-1]))  # slices may be sorted anew
        layer = session.scene.layer_of(session.scene.resolve("Liver", SegmentNode)).labels.read()
        i, j, k = np.rint(at).astype(int).T
        assert (layer[k, j, i] == session.scene.resolve("Liver", SegmentNode).value).all()


def test_the_segment_is_a_draft_that_says_which_network_made_it(session: Session, manifest: Path) -> None:
    session.run("segment", method="network", into="Liver", settings={"model": str(manifest)})

    node = session.scene.resolve("Liver", SegmentNode)
    assert node.status == "draft" and node.provenance is not None and node.provenance.automatic
    parameters = node.provenance.parameters
    assert parameters["network"] == {
        "engine": "onnx",
        "name": "Small network",
        "version": "1.2",
        "weights_sha256": networks.sha256(manifest.with_suffix(".onnx")),
        "licence": "CC0-1.0",
    }
    assert parameters["model"] == "bright.json"
    assert "Jane" not in node.provenance.model_dump_json()
    assert [segment.name for segment in session.scene.of_type(SegmentNode)] == ["Liver"]


def test_one_undo_takes_all_its_segments_away(session: Session, manifest: Path) -> None:
    session.run("segment", method="network", into="all", settings={"model": str(manifest)})
    assert len(session.scene.of_type(SegmentNode)) == 2

    session.undo()

    assert session.scene.of_type(SegmentNode) == []


def test_it_runs_as_a_job_of_the_window_with_the_estimate_first(session: Session, manifest: Path) -> None:
    from surgitwin.commands.segmenting import MakeSegment

    command = MakeSegment(method="network", into="all", settings={"model": str(manifest)})
    work = command.start(session)
    reports: list[Progress] = []
    work.commit(work.compute(Context(reports.append)))

    assert reports and "about" in next(report.message for report in reports if report.message)
    assert len(session.scene.of_type(SegmentNode)) == 2


def test_totalsegmentator_is_run_where_it_is_installed(
    case: Path, phantom: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for name, value in networks.fake_total(tmp_path, (291, 292)).items():
        monkeypatch.setenv(name, value)

    words = ("--set", "engine=totalsegmentator", "check_memory=false")
    answer = done("segment", case, "network", "--into", "all", *words)

    found = {entry["node"]["name"]: entry["voxels"] for entry in answer["segments"]}
    spleen, liver = phantom.voxels > 170, (phantom.voxels > 100) & (phantom.voxels <= 170)
    assert found == {"Spleen": int(spleen.sum()), "Liver": int(liver.sum())}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["engine=onnx"], "Name the model"),
        (["engine=onnx", "model=nowhere.json"], "no manifest nowhere.json"),
        (["engine=magic"], "no engine “magic”"),
        (["engine=onnx", "modle=x"], "has no setting 'modle'"),
        (["engine=onnx", "device=tpu"], "'device'"),
        (["engine=totalsegmentator"], "pip install surgitwin[ai]"),
    ],
)
def test_bad_settings_are_one_sentence_and_change_nothing(case: Path, settings: list[str], words: str) -> None:
    before = fingerprint(case.parent)

    answer = surgitwin("segment", case, "network", "--into", "all", "--set", *settings)

    assert answer.status == 3 and words in answer.err and answer.out == ""
    assert len(answer.err.strip().splitlines()) == 1
    assert fingerprint(case.parent) == before


def test_a_network_for_another_modality_or_of_another_hash_changes_nothing(case: Path, manifest: Path) -> None:
    document = json.loads(manifest.read_text(encoding="utf-8"))
    for entry, words in (({"modality": "MR"}, "meant for MR images"), ({"sha256": "1" * 64}, "is not the one that")):
        manifest.write_text(json.dumps({**document, **entry}), encoding="utf-8")
        before = fingerprint(case.parent)

        answer = surgitwin("segment", case, "network", "--into", "all", "--set", f"model={manifest}")

        assert answer.status == 3 and words in answer.err
        assert fingerprint(case.parent) == before


def test_a_network_that_finds_nothing_says_so(case: Path, manifest: Path) -> None:
    shutil.copy(networks.steps(manifest.parent / "blind.onnx", [5000.5, 6000.5]), manifest.with_suffix(".onnx"))
    document = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps({**document, "sha256": None}), encoding="utf-8")

    answer = surgitwin("segment", case, "network", "--into", "all", "--set", f"model={manifest}")

    assert answer.status == 3 and "found nothing" in answer.err
