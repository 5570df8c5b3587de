"""Implants in the real window: placed from the library, dragged in a slice and in 3D, measured, taken back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from steps import Hand, close_window, open_window, write_small_study

from surgitwin.gui.panels.custom_section import LENGTHS
from surgitwin.implants.custom.guide import GuideSettings
from surgitwin.implants.custom.patch import PatchSettings
from surgitwin.implants.custom.plate import PlateSettings
from surgitwin.implants.placement import pose_of
from surgitwin.render.camera import to_screen
from surgitwin.scene.nodes import ImplantNode
from surgitwin.session import Session


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    path = folder / "Case F.twin"
    with Session() as session:
        session.save_as(path)
        session.run("new", path=write_small_study(folder / "in"), pseudonym="Case F")
        session.run("segment", method="threshold", into="Bone", settings={"low": 300})
        session.run("edit", node="Bone", type="bone")
        session.run("mesh", segment="Bone")
    return path


@pytest.fixture
def hand(qtbot: QtBot, qapp: QApplication, made: Path, tmp_path: Path) -> Iterator[Hand]:
    copy = Path(shutil.copy(made, tmp_path))
    found = open_window(qtbot, qapp, "fit")
    found.window.opener.open(copy)
    found.wait(lambda: found.desk.volume is not None)
    found.wait_for_3d()
    found.click(found.window.rail.buttons["fit"])
    found.rest()
    yield found
    close_window(found)


def implants(hand: Hand) -> list[ImplantNode]:
    return list(hand.scene.of_type(ImplantNode))


def drag(hand: Hand, widget: object, start: QPointF, by: tuple[float, float]) -> None:
    kinds = QEvent.Type
    hand.mouse(widget, kinds.MouseMove, start, Qt.MouseButton.NoButton)
    hand.mouse(widget, kinds.MouseButtonPress, start)
    for share in (0.3, 0.6, 1.0):
        hand.mouse(widget, kinds.MouseMove, QPointF(start.x() + by[0] * share, start.y() + by[1] * share))
    hand.mouse(widget, kinds.MouseButtonRelease, QPointF(start.x() + by[0], start.y() + by[1]))


def test_an_implant_is_placed_dragged_in_a_slice_and_measured_and_each_drag_is_one_step(hand: Hand) -> None:
    panel, axial = hand.window.fit, hand.window.stage.axial
    panel.library.search.setText("sphere 32")
    assert "generic, not a product" in panel.library.item_note.text()
    hand.click(panel.library.place_button)
    hand.wait(lambda: panel.hand.chosen is not None)
    (node,) = implants(hand)
    assert pose_of(node)[:3, 3] == pytest.approx(hand.desk.crosshair)
    hand.choose(panel.onto, "Bone")
    hand.wait(lambda: panel.numbers.contact._value.text() != "not assessed")
    hand.rest()
    steps = len(hand.desk.session.history.undo_names)
    scale = axial.placement.pixels_per_mm
    drag(hand, axial, axial.pixel_of(tuple(pose_of(node)[:3, 3])), (30.0, 12.0))
    hand.rest()
    moved = pose_of(implants(hand)[0])[:3, 3] - pose_of(node)[:3, 3]
    assert moved == pytest.approx(axial.orientation.to_lps((30.0 / scale, 12.0 / scale, 0.0)), abs=0.6 / scale)
    assert len(hand.desk.session.history.undo_names) == steps + 1
    assert "≈" not in panel.numbers.contact._value.text()
    hand.click(panel.measure_button)
    hand.rest()
    labels = [label for label, _ in panel.result.rows]
    assert labels[:4] == ["Contact", "Gap", "Inside", "Overhang"]
    assert hand.cut_off_texts() == []
    hand.desk.undo()
    hand.desk.undo()
    hand.rest()
    assert panel.result.rows == []
    assert pose_of(implants(hand)[0]) == pytest.approx(pose_of(node))
    assert [hand.window.tree.topLevelItem(n).text(0) for n in range(hand.window.tree.topLevelItemCount())].count(
        "Implants"
    ) == 1


def test_an_arrow_in_3d_slides_the_implant_along_its_axis(hand: Hand) -> None:
    panel, view = hand.window.fit, hand.window.stage.view3d
    panel.library.search.setText("cylinder 8x40")
    hand.click(panel.library.place_button)
    hand.wait(lambda: panel.hand.chosen is not None)
    hand.rest()
    before = pose_of(implants(hand)[0])
    # Seen from the front, z of a cylinder that stands as it was placed points up on the screen.
    tip = before[:3, 3] + before[:3, :3] @ (0.0, 0.0, 1.6 * 20.0)
    ratio = view.interactor.devicePixelRatioF()
    x, y = to_screen(view.scene.renderer, tip)[:2] / ratio
    drag(hand, view.interactor, QPointF(float(x), float(y)), (14.0, -25.0))
    hand.rest()
    by = pose_of(implants(hand)[0])[:3, 3] - before[:3, 3]
    assert by[2] > 2.0 and np.abs(by[:2]) == pytest.approx((0.0, 0.0), abs=1e-6)
    assert pose_of(implants(hand)[0])[:3, :3] == pytest.approx(before[:3, :3])


def test_a_folder_is_added_its_bad_files_are_told_and_the_panel_holds_its_text(hand: Hand, tmp_path: Path) -> None:
    panel = hand.window.fit
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "half.json").write_text(json.dumps({"maker": "Example Works"}))
    panel.library.add_folder(folder)
    hand.rest()
    hand.wait(lambda: panel.library.bad.isVisible())
    assert panel.library.bad.texts == ["half.json: the key “name” is missing."]
    assert hand.window.settings.implant_folders == [folder]
    panel.library.search.setText("cup 54")
    hand.click(panel.library.place_button)
    hand.wait(lambda: panel.hand.chosen is not None)
    hand.choose(panel.conditions.side, "Left")
    assert [words[:12] for _, words in panel.angles.rows[:1]] == ["inclination "]
    assert panel.angles.rows[0][0] == "radiographic, CT table, left"
    hand.window.resize(900, 480)
    hand.rest()
    assert hand.cut_off_texts() == [] and hand.out_of_window() == []


def test_a_plate_is_made_on_painted_bone_and_chosen(hand: Hand) -> None:
    assert hand.desk.session is not None
    hand.desk.session.run("paint", segment="Place", at=[(0.0, 44.0, 0.0)], radius_mm=14)
    section = hand.window.fit.custom
    section.header.click()
    section.kind.setCurrentIndex(section.kind.findData("plate"))
    section.kind.activated.emit(1)
    hand.rest()
    section.bone.setCurrentText("Bone")
    section.patch.setCurrentText("Place")
    assert section.lengths["plate"]["thickness_mm"].isVisible() and not section.lengths["guide"]["slot_mm"].isVisible()
    hand.click(section.make_button)
    hand.wait(lambda: len(implants(hand)) == 1, 120)
    plate = implants(hand)[0]

    assert plate.item.patient_specific and plate.item.kind == "plate"
    assert "not for use in a patient" in section.told.text()
    hand.wait(lambda: hand.window.fit.hand.chosen is not None)
    hand.picture("plate")
    hand.desk.undo()
    hand.wait(lambda: not implants(hand))


def test_the_lengths_on_offer_begin_at_those_of_the_command() -> None:
    for kind, settings in (("patch", PatchSettings()), ("plate", PlateSettings()), ("guide", GuideSettings())):
        for name, _, usual, low, high, _ in LENGTHS[kind]:
            assert usual == getattr(settings, name) and low <= usual <= high
