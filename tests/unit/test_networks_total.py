"""TotalSegmentator through its Python interface, with a package that behaves like it: the real weights are not run."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from test_terminology import LATER_CLASSES, TOTALSEGMENTATOR

from networks import fake_total
from surgitwin.core.errors import BadInput, Cancelled, SurgitwinError
from surgitwin.core.geometry import Geometry, lps_to_ras
from surgitwin.core.progress import Context, Progress
from surgitwin.segmentation.terminology import match_term
from surgitwin.segmenters.base import Found, Request
from surgitwin.segmenters.naming import segment_names
from surgitwin.segmenters.total_engine import TotalSegmentatorEngine

DIRECTION = np.array([[0.0, -0.8, 0.6], [1.0, 0.0, 0.0], [0.0, 0.6, 0.8]])
GRID = Geometry.from_parts((9, 7, 5), (0.9, 1.3, 2.7), (-12.5, 30.0, 100.25), DIRECTION)


class Installed:
    """A made-up TotalSegmentator on the path of this process and of those it starts."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, weights: tuple[int, ...]) -> None:
        self.calls = folder / "calls"
        self.weights = folder / "weights"
        self._patch = monkeypatch
        monkeypatch.syspath_prepend(str(folder / "site"))
        for name, value in fake_total(folder, weights).items():
            monkeypatch.setenv(name, value)

    def does(self, what: str) -> None:
        self._patch.setenv("FAKE_DOES", what)

    @property
    def call(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.calls / "call.json").read_text(encoding="utf-8"))
        return found

    def noted(self, name: str) -> bool:
        return (self.calls / name).exists()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    return Installed(tmp_path, monkeypatch, (291, 292))


@pytest.fixture
def without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    return Installed(tmp_path, monkeypatch, ())


def voxels() -> NDArray[np.int16]:
    return np.random.default_rng(2).integers(-200, 300, GRID.shape_kji).astype(np.int16)


def segment(ctx: Context | None = None, **request: Any) -> Found:
    wanted = Request(**{"modality": "CT", "check_memory": False, **request})
    return TotalSegmentatorEngine().segment(voxels(), GRID, wanted, ctx or Context())


def test_labels_come_back_on_the_image_s_grid_with_names_of_the_terminology(installed: Installed) -> None:
    found = segment()

    image = voxels()
    assert np.array_equal(found.labels, np.where(image > 170, 1, np.where(image > 100, 5, 0)))
    assert found.names == {1: "Spleen", 2: "Right kidney", 5: "Liver", 6: found.names[6]}
    assert np.allclose(installed.call["affine"], lps_to_ras(GRID.affine_lps))
    asked = {key: installed.call[key] for key in ("ml", "task", "fast", "device", "type")}
    assert asked == {"ml": True, "task": "total", "fast": False, "device": "cpu", "type": "Nifti1Image"}


def test_it_runs_in_a_process_of_its_own_whose_files_are_gone_afterwards(installed: Installed) -> None:
    segment()

    assert installed.call["pid"] != os.getpid()
    assert installed.call["temporary"] and not Path(installed.call["temporary"]).exists()


def test_the_hash_is_that_of_the_weights_of_every_network_used(installed: Installed) -> None:
    before = segment().model
    (installed.weights / "Dataset292_made_up" / "checkpoint_final.pth").write_bytes(b"others")
    after = segment().model

    assert before.name == "TotalSegmentator total"
    assert len(before.weights_sha256) == 64 and before.weights_sha256 != after.weights_sha256


def test_nothing_is_reported_and_nothing_downloaded_unasked(installed: Installed) -> None:
    segment()

    assert not installed.noted("reported") and not installed.noted("downloaded")


def test_missing_weights_are_not_fetched_but_said(without_weights: Installed) -> None:
    with pytest.raises(BadInput, match=r"task “total” are not on this computer .* download=true"):
        segment()

    assert not without_weights.noted("downloaded")


def test_weights_are_fetched_when_asked_for(without_weights: Installed) -> None:
    found = segment(download=True)

    assert without_weights.noted("downloaded") and not without_weights.noted("reported")
    assert found.labels.any()


def test_a_connection_that_nobody_asked_for_is_refused(installed: Installed) -> None:
    installed.does("connect")

    with pytest.raises(BadInput, match="may not fetch it: allow it once with download=true"):
        segment()


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ("licence", BadInput, "refused the task “total”: it needs a licence number"),
        ("fail", SurgitwinError, "TotalSegmentator failed: CUDA is upset. Nothing was changed"),
        ("crash", SurgitwinError, r"crashed \(exit status 7\); nothing was changed"),
        ("grid", SurgitwinError, "another grid than the image's"),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    installed: Installed, what: str, kind: type[SurgitwinError], words: str
) -> None:
    installed.does(what)

    with pytest.raises(kind, match=words) as caught:
        segment()

    assert "\n" not in str(caught.value)


def test_cancelling_ends_the_process_and_what_it_started(installed: Installed) -> None:
    installed.does("hang")  # for ten minutes, longer than a test may take
    ctx = Context()
    started = installed.calls / "child"

    def cancel() -> None:
        while not started.exists():
            time.sleep(0.02)
        ctx.cancel()

    threading.Thread(target=cancel, daemon=True).start()
    with pytest.raises(Cancelled):
        segment(ctx)

    for number in (installed.call["pid"], int(started.read_text(encoding="utf-8"))):
        gone, alive = psutil.wait_procs(_process(number), timeout=5)
        assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE], gone


def _process(number: int) -> list[psutil.Process]:
    return [psutil.Process(number)] if psutil.pid_exists(number) else []


def test_the_estimate_comes_first_and_says_that_it_is_rough(installed: Installed) -> None:
    reports: list[Progress] = []

    segment(Context(reports.append))

    assert reports[0].message.startswith("TotalSegmentator: roughly ")


def test_the_estimate_follows_patches_networks_and_device() -> None:
    engine, ctx = TotalSegmentatorEngine(), Context()
    ct = Geometry.from_parts((512, 512, 366), (0.75, 0.75, 1.0))

    slow, quick = (engine.estimate(ct, Request(device=device), ctx) for device in ("cpu", "gpu"))  # type: ignore[arg-type]
    fast = engine.estimate(ct, Request(fast=True), ctx)

    # Others measured 40 to 50 minutes on a processor and 82 s on a graphics card for an image of this size.
    assert 40 * 60 < slow.seconds < 50 * 60
    assert 70 < quick.seconds < 120
    assert fast.seconds < slow.seconds / 10 and fast.bytes < slow.bytes * 2


def test_too_little_memory_is_said_before_the_start(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surgitwin.segmenters.total_engine.free_bytes", lambda: 1_500_000_000)

    with pytest.raises(BadInput, match=r"needs about 3\.0 GB of memory and only 1\.5 GB is free: .* fast=true"):
        segment(check_memory=True)

    assert not installed.noted("call.json")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"modality": "MR"}, "“total” is meant for CT images, but this one is MR"),
        ({"model": "total_mr"}, "“total_mr” is meant for MR images, but this one is CT"),
        ({"model": "everything"}, "no task “everything” here. There are: total,"),
        ({"model": "liver_vessels", "fast": True}, "has no coarser network"),
    ],
)
def test_what_a_task_cannot_do_is_refused(installed: Installed, request_: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        segment(**request_)

    assert not installed.noted("call.json")


def test_a_missing_package_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(BadInput, match=r"pip install surgitwin\[ai\]"):
        segment()


def test_a_package_without_its_interface_is_said(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "site" / "totalsegmentator" / "python_api.py").write_text("import torch_is_missing")

    with pytest.raises(BadInput, match="installed, but not whole"):
        segment()


def test_every_class_gets_the_terminology_s_name_and_no_two_the_same() -> None:
    classes = dict(enumerate(dict.fromkeys([*TOTALSEGMENTATOR, *LATER_CLASSES]), start=1))

    names = segment_names(classes)
    by_class = {classes[value]: name for value, name in names.items()}

    assert len({name.casefold() for name in names.values()}) == len(classes) > 117
    assert not [name for name in names.values() if match_term(name) is None]
    wanted = {"kidney_left": "Left kidney", "iliac_vena_right": "Right iliac vein", "liver_tumor": "Liver tumor"}
    assert {name: by_class[name] for name in wanted} == wanted


def test_labels_that_mean_one_structure_keep_their_own_names() -> None:
    assert segment_names({1: "vein_1", 2: "vein_2", 3: "SPLEEN"}) == {1: "Vein 1", 2: "Vein 2", 3: "Spleen"}
