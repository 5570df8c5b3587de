"""The main job in the real window, from a folder of DICOM files to report and meshes, on a real abdominal CT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pypdf
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from steps import ABDOMEN, PATIENT, Hand, close_window, open_window, write_abdomen_study

from surgitwin.scene.nodes import PlanNode, SegmentNode, SurfaceNode, VolumeNode


def test_a_surgeon_gets_from_a_folder_to_report_and_meshes(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> None:
    study = write_abdomen_study(tmp_path / "study")
    hand = open_window(qtbot, qapp, "journey")
    hand.picture("start")
    see_the_series(hand, study)
    load_while_looking(hand)
    threshold_with_a_preview(hand)
    add_the_organs(hand)
    make_surfaces(hand)
    plan_and_drag(hand)
    undo_and_redo(hand)
    save_and_revert(hand)
    hand_on(hand, tmp_path)
    close_and_leave_one_file(hand)


def see_the_series(hand: Hand, study: Path) -> None:
    window = hand.window
    hand.answer_file(study)
    hand.click(window.start_page.open_folder)
    hand.wait(lambda: window.study.series.count() == 2)
    texts = [window.study.series.item(row).text() for row in range(2)]
    flawed = next(row for row, text in enumerate(texts) if "sent twice" in text)
    assert "122 × 101 × 34" in texts[flawed] and "⚠ 1 warning" in texts[flawed]
    window.study.series.setCurrentRow(flawed)
    assert "A slice is missing" in window.study.series_warnings.text()
    assert "⚠" not in texts[1 - flawed]
    hand.picture("series")
    window.study.series.setCurrentRow(1 - flawed)
    assert not window.study.series_warnings.isVisible()


def load_while_looking(hand: Hand) -> None:
    """A slice is on the screen before the image is loaded."""
    window = hand.window
    seen: list[np.ndarray] = []

    def look(loading: Any) -> None:
        if loading is not None and hand.desk.volume is None and not seen:
            view = window.stage.axial
            seen.append(np.asarray(view.picture.pixels(view.index, view.window_level, view.slab)))
            hand.picture("loading", settle=False)

    hand.desk.preview_changed.connect(look)
    hand.press_button("Load as new case")
    hand.wait(lambda: hand.desk.volume is not None)
    hand.desk.preview_changed.disconnect(look)
    assert seen, "nothing was shown while the image was loading"
    hand.rest()
    hand.wait_for_3d()
    assert hand.tree_row("Abdomen 3 mm")
    assert window.stage.axial.content.image is not None
    assert "pseudonym shown" in window.top_bar.banner.text()
    assert "✓ No defects" in window.study.warnings.text()
    hand.picture("loaded")


def threshold_with_a_preview(hand: Hand) -> None:
    window = hand.window
    hand.click(window.rail.buttons["segment"])
    hand.choose(window.segment.method, "Threshold")
    hand.wait(lambda: window.stage.axial.content.layers)
    before = window.stage.axial.content.layers[-1].array.sum()
    assert window.segment.form is not None
    window.segment.form.set_value("lower", 250.0)
    hand.wait(lambda: window.stage.axial.content.layers and window.stage.axial.content.layers[-1].array.sum() < before)
    assert not hand.scene.of_type(SegmentNode)  # a preview changes nothing
    hand.picture("threshold-preview")
    window.segment.into.setText("Bone")
    hand.press_button("Apply")
    hand.wait(lambda: hand.scene.of_type(SegmentNode))
    hand.rest()
    segment = hand.scene.of_type(SegmentNode)[0]
    assert (segment.name, segment.kind) == ("Bone", "bone")
    hand.picture("threshold")


def add_the_organs(hand: Hand) -> None:
    hand.answer_file(ABDOMEN / "labels.nii.gz")
    hand.press_button("Add label map …")
    hand.wait(lambda: len(hand.scene.of_type(SegmentNode)) > 30)
    hand.rest()
    liver = hand.scene.resolve("liver", SegmentNode)
    hand.window.tree.select(liver.id)
    hand.rest()
    assert window_text(hand, "volume").endswith(" ml")
    hand.picture("organs")


def window_text(hand: Hand, key: str) -> str:
    return hand.window.segment.numbers.text(key)


def make_surfaces(hand: Hand) -> None:
    hand.press_button("Make all surfaces")
    hand.wait(lambda: hand.scene.of_type(SurfaceNode))
    hand.rest()
    view = hand.window.stage.view3d
    hand.wait(lambda: len(view.scene.content.surfaces) == len(hand.scene.of_type(SurfaceNode)))
    hand.rest()
    hand.picture("surfaces")


def plan_and_drag(hand: Hand) -> None:
    """Numbers change while the hand moves; what is stored afterwards is what was shown last."""
    window = hand.window
    hand.click(window.rail.buttons["plan"])
    hand.choose(window.plan.organ, "liver")
    hand.press_button("New plan")
    hand.wait(lambda: hand.desk.plan is not None and window.live.ready)
    hand.rest()
    hand.picture("plan")
    shown: list[dict[str, Any]] = []
    window.live.numbers_changed.connect(lambda numbers: shown.append(numbers.document) if numbers.moving else None)
    view = window.stage.coronal
    start = hand.cut_handle(view)
    before = hand.desk.plan.numbers["removed_ml"]
    texts = {window.plan.removed_card.accessibleName()}
    hand.grab(view, start)
    for step in range(1, 7):
        hand.move(view, start - QPointF(6.0 * step, 0.0))
        texts.add(window.plan.removed_card.accessibleName())
    assert len(shown) >= 5 and len(texts) >= 5
    assert hand.desk.plan.numbers["removed_ml"] == before  # nothing is written before the hand lets go
    hand.picture("dragging")
    hand.let_go(view, start - QPointF(36.0, 0.0))
    hand.wait(lambda: hand.desk.plan.numbers["removed_ml"] != before)
    hand.rest()
    stored = hand.desk.plan.numbers
    assert stored["removed_ml"] < before  # the right side goes, and the cut went to the right
    for key, value in shown[-1].items():
        assert stored[key] == value, key
    assert stored["voxels"]["removed"] + stored["voxels"]["remnant"] == stored["voxels"]["organ"]
    hand.picture("dragged")


def undo_and_redo(hand: Hand) -> None:
    bar, window = hand.window.top_bar, hand.window
    plan = hand.desk.plan
    moved = plan.cuts[0].planes[0].point_mm
    assert bar.undo_button.text() == "Undo: Move cut: Plan A"
    names = [action.text() for action in bar.undo_button.menu().actions()]
    assert names[:3] == ["Move cut: Plan A", "Plan: Plan A", "Make surfaces"]
    hand.click(bar.undo_button)
    hand.rest()
    assert hand.desk.plan.cuts[0].planes[0].point_mm != moved
    assert not hand.scene.is_stale(hand.desk.plan)
    assert bar.redo_button.toolTip() == "Redo: Move cut: Plan A"
    assert window.stage.coronal.content.planes[0].point == hand.desk.plan.cuts[0].planes[0].point_mm
    hand.picture("undone")
    hand.click(bar.redo_button)
    hand.rest()
    assert hand.desk.plan.cuts[0].planes[0].point_mm == moved


def save_and_revert(hand: Hand) -> None:
    hand.answer_text("Before the second plan")
    hand.window.save_version()
    assert "Before the second plan" in hand.window.status.message.text()
    hand.press_button("New plan")
    hand.wait(lambda: len(hand.scene.of_type(PlanNode)) == 2)
    hand.rest()
    hand.picture("two-plans")
    table = hand.window.plan.table
    heads = [table.horizontalHeaderItem(column).text() for column in range(1, table.columnCount())]
    assert table.isVisible() and heads == ["Plan A", "Plan B"]
    assert [table.item(row, 0).text() for row in range(3)] == ["Status", "Removed", "Remnant"]
    assert [table.item(0, column).text() for column in (1, 2)] == ["DRAFT", "DRAFT"]
    assert table.horizontalHeader().length() <= table.viewport().width()  # no plan is out of sight
    hand.answer_text("Before the second plan")
    hand.window.revert()
    hand.rest()
    assert [plan.name for plan in hand.scene.of_type(PlanNode)] == ["Plan A"]
    assert hand.window.top_bar.undo_button.text().startswith("Undo: Revert to Before")
    hand.picture("reverted")


def hand_on(hand: Hand, tmp_path: Path) -> None:
    """Report, STL and GLB through the panel's own buttons and file dialogs."""
    deliver = hand.window.deliver
    hand.click(hand.window.rail.buttons["deliver"])
    report, stl, glb = (tmp_path / name for name in ("report.pdf", "twin.stl", "twin.glb"))
    for path, button in ((report, deliver.report_button), (stl, deliver.stl_button), (glb, deliver.glb_button)):
        hand.answer_file(path)
        hand.click(button)
        hand.wait(path.exists, seconds=120)
        hand.rest()
    listed = [deliver.files.item(row).text() for row in range(deliver.files.count())]
    assert [name for name in listed if name in {"report.pdf", "twin.glb"}] == ["report.pdf", "twin.glb"]
    assert "Closed and manifold" in deliver.check.text()
    hand.picture("delivered")
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(report).pages)
    assert hand.scene.case.pseudonym in text and "DRAFT" in text
    assert "not a medical device" in text
    assert not any(part in text for part in (*PATIENT.split("^"), "4711"))
    assert stl.stat().st_size > 84 and glb.read_bytes()[:4] == b"glTF"


def close_and_leave_one_file(hand: Hand) -> None:
    folder = hand.desk.session.case_path.parent
    name = hand.desk.session.case_path.name
    assert hand.scene.of_type(VolumeNode)
    close_window(hand)
    assert [entry.name for entry in folder.iterdir()] == [name]
