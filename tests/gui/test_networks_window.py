"""A network in the real window: its segments, and Cancel while it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from steps import Hand, close_window, open_window, small_ct, write_small_study

pytest.importorskip("onnxruntime", reason="onnxruntime has no wheels for this computer")

import networks
from surgitwin.scene.nodes import SegmentNode


@pytest.fixture
def hand(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> Iterator[Hand]:
    hand = open_window(qtbot, qapp, "networks")
    hand.window.opener.load(write_small_study(tmp_path / "study"), None)
    hand.wait(lambda: hand.desk.volume is not None)
    hand.rest()
    hand.window.show_step("segment")
    hand.choose(hand.window.segment.method, "Network")
    hand.rest()
    yield hand
    close_window(hand)


def test_a_network_s_segments_come_as_one_step_of_undo(hand: Hand, tmp_path: Path) -> None:
    panel = hand.window.segment
    model = networks.steps(tmp_path / "bright.onnx", [100.5, 150.5])
    patches = {"spacing_mm": None, "patch_size": [32, 32, 32]}
    manifest = networks.manifest(model, labels={"1": "liver", "2": "liver_tumor"}, input=patches)
    hand.wait(lambda: "Name the model" in panel.cost.text)
    panel.form.set_value("model", str(manifest))
    hand.wait(lambda: panel.cost.text.startswith("Estimate: about "))
    assert re.fullmatch(r"Estimate: about \d+ (s|min) and [\d.]+ [MG]B of memory.", panel.cost.text)
    hand.picture("form")

    hand.click(panel.apply_button)
    hand.wait(lambda: len(hand.scene.of_type(SegmentNode)) == 2)
    hand.rest()

    voxels = small_ct()
    node = hand.scene.resolve("Liver", SegmentNode)
    found = hand.scene.layer_of(node).labels.read() == node.value
    assert int(found.sum()) == int(((voxels > 100) & (voxels < 150)).sum()) > 0
    assert node.status == "draft" and node.provenance.parameters["network"]["name"] == "Small network"
    hand.picture("segments")
    hand.desk.undo()
    assert hand.scene.of_type(SegmentNode) == []


def test_cancel_ends_the_network_and_changes_nothing(
    hand: Hand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, started = hand.window.segment, tmp_path / "calls" / "child"
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for name, value in {**networks.fake_total(tmp_path, (291, 292)), "FAKE_DOES": "hang"}.items():
        monkeypatch.setenv(name, value)
    panel.form.set_value("engine", "totalsegmentator")
    panel.form.set_value("model", "total")
    panel.form.set_value("check_memory", False)
    hand.wait(lambda: panel.cost.text.startswith("Estimate: roughly "))
    hand.picture("total")
    hand.click(panel.apply_button)
    hand.wait(started.exists)

    hand.click(hand.window.status.cancel)

    child = int(started.read_text(encoding="utf-8"))
    hand.wait(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
    hand.rest()
    assert hand.scene.of_type(SegmentNode) == []
    assert hand.desk.session.history.undo_names == ["New case"]
    assert np.array_equal(hand.desk.volume.voxels.read(), small_ct())
