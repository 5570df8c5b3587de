"""Printing in the window: tick, check, look at the outline, accept, and both files are there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot
from tests.gui.steps import Hand, close_window, open_window
from tests.printing import print_case

from surgitwin.commands.properties import EditNode
from surgitwin.exchange.threemf_in import read_3mf
from surgitwin.scene.nodes import SegmentNode


@pytest.fixture
def hand(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> Iterator[Hand]:
    path = print_case(tmp_path / "Case P.twin")
    hand = open_window(qtbot, qapp, "print")
    hand.window.opener.open(path)
    hand.wait(lambda: hand.desk.volume is not None)
    hand.wait_for_3d()
    hand.click(hand.window.rail.buttons["deliver"])
    yield hand
    close_window(hand)


def choose(hand: Hand, names: set[str], process: str) -> None:
    deliver, section = hand.window.deliver, hand.window.deliver.print
    rows = range(deliver.export_what.count())
    chosen = [row for row in rows if deliver.export_what.item(row).text() in names]
    assert len(chosen) == len(names)
    deliver.export_what.choose([deliver.export_what.item(row).data(256) for row in chosen])
    section.process.setCurrentIndex(section.process.findData(process))
    section.process.activated.emit(section.process.currentIndex())


def test_a_part_is_checked_outlined_accepted_and_saved_with_its_sheet(hand: Hand, tmp_path: Path) -> None:
    section, stage = hand.window.deliver.print, hand.window.stage
    assert section.process.currentData() == ""  # nobody chose one for the user
    hand.click(section.check_button)
    assert not section.result.isVisible()  # nothing is ticked
    choose(hand, {"Block"}, "SLA")
    hand.click(section.check_button)
    hand.wait(lambda: section.result.isVisible())
    hand.rest()
    assert section.verdict.text().startswith("✓") and "95 % within" in section.deviation.text()
    assert "✓ closed" in section.lines.text() and "limit 0.5 mm" in section.lines.text()
    assert [type(one).__name__ for one in stage.axial.content.cut_surfaces] == ["CutSurfaceContent"]
    assert stage.axial.content.cut_surfaces[0].mesh is section.mesh
    assert not section.accept_button.isEnabled() and section.save_button.isEnabled()
    section.acceptor.setText("Dr. Test")
    hand.picture("print-checked")
    hand.answer_file(tmp_path / "block.stl")
    hand.click(section.accept_button)
    hand.wait((tmp_path / "block.pdf").exists)
    hand.rest()
    assert (tmp_path / "block.stl").stat().st_size > 84
    files = hand.window.deliver.files
    assert [files.item(row).text() for row in range(files.count())] == ["block.stl", "block.pdf"]
    hand.click(hand.window.rail.buttons["study"])
    hand.rest()
    assert stage.axial.content.cut_surfaces == ()


def test_a_thin_part_is_saved_only_forced_and_a_change_makes_the_check_void(hand: Hand, tmp_path: Path) -> None:
    section = hand.window.deliver.print
    choose(hand, {"Sheet"}, "FDM")
    hand.click(section.check_button)
    hand.wait(lambda: section.result.isVisible())
    hand.rest()
    assert section.verdict.text().startswith("✕") and "thinnest wall" in section.problems.texts[0]
    assert not section.save_button.isEnabled()
    hand.click(section.force)
    assert section.save_button.isEnabled()
    hand.answer_file(tmp_path / "thin.stl")
    hand.click(section.save_button)
    hand.wait((tmp_path / "thin.pdf").exists)
    hand.rest()
    assert b"FORCED" in (tmp_path / "thin.stl").read_bytes()[:80]
    sheet = next(s for s in hand.scene.of_type(SegmentNode) if s.name == "Sheet")
    hand.desk.do_now(EditNode(node=sheet.id, type_="lesion"))
    hand.rest()
    assert not section.result.isVisible() and section.mesh is None and not section.force.isChecked()


def test_the_panel_holds_its_texts_in_the_smallest_window(hand: Hand) -> None:
    deliver = hand.window.deliver
    hand.window.resize(hand.window.minimumSize())
    choose(hand, {"Sheet"}, "SLA")
    hand.click(deliver.print.check_button)
    hand.wait(lambda: deliver.print.result.isVisible())
    hand.rest()
    body = deliver.widget()
    assert body.width() <= deliver.viewport().width()
    for label in body.findChildren(QLabel):
        if label.isVisible() and not label.wordWrap():
            assert label.sizeHint().width() <= label.width() + 1, label.text()
    hand.picture("print-small")


def test_an_export_is_checked_before_it_is_written_and_ticks_say_what(hand: Hand, tmp_path: Path) -> None:
    deliver = hand.window.deliver
    choose(hand, {"Block", "Sheet"}, "SLA")
    hand.click(deliver.check_button)
    hand.wait(lambda: deliver.mesh_check.isVisible())
    hand.rest()
    text = deliver.mesh_check.text()
    assert "✓ Closed and manifold" in text and "✓ Facing outwards" in text and "thinnest wall" in text
    assert deliver.files.count() == 0
    hand.picture("export-checked")
    deliver.format.setCurrentIndex(deliver.format.findData(".3mf"))
    deliver.format.activated.emit(deliver.format.currentIndex())
    assert not deliver.mesh_check.isVisible()
    hand.answer_file(tmp_path / "two.3mf")
    hand.click(deliver.export_button)
    hand.wait((tmp_path / "two.3mf").exists)
    hand.rest()
    assert [one.name for one in read_3mf(tmp_path / "two.3mf")] == ["Block", "Sheet"]
    deliver.format.setCurrentIndex(deliver.format.findData(".nrrd"))
    deliver.format.activated.emit(deliver.format.currentIndex())
    assert not deliver.check_button.isVisible()
    hand.answer_file(tmp_path / "two.nrrd")
    hand.click(deliver.export_button)
    hand.wait((tmp_path / "two.nrrd").exists)
    hand.rest()
    table = (tmp_path / "two.json").read_text(encoding="utf-8")
    assert isinstance(json.loads(table), dict) and "Block" in table and "Sheet" in table and "Empty" not in table


def test_the_workshop_cuts_and_plates_what_is_ticked_and_ticks_what_it_made(hand: Hand) -> None:
    deliver = hand.window.deliver
    choose(hand, {"Block"}, "SLA")
    hand.click(deliver.workshop_fold.header)
    deliver.workshop.form.set_value("base_plate", True)
    deliver.workshop.form.set_value("peg", 2.0)
    deliver.workshop.cut.setCurrentIndex(1)
    block = next(s for s in hand.window.desk.scene.of_type(SegmentNode) if s.name == "Block")
    assert block is not None
    hand.desk.move_crosshair((-12.0, 26.0, 84.5))
    hand.picture("workshop")
    hand.click(deliver.workshop.shape_button)
    hand.wait(lambda: len(deliver.export_what.node_ids()) == 2)
    hand.rest()
    names = [hand.scene.node(key).name for key in deliver.export_what.node_ids()]
    assert names == ["Block for print 1", "Block for print 2"]
    hand.desk.undo()
    hand.rest()
    assert "Block for print 1" not in [node.name for node in hand.scene]
