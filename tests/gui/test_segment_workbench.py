"""Segmenting in the real window: brush, outlines, scissors, rules, previews, sign-off, as a radiologist does it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from steps import LESION_AT, LIVER_AT, SMALL, Hand, close_window, open_window, write_small_study

from surgitwin.scene.nodes import SegmentNode


@pytest.fixture
def hand(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> Iterator[Hand]:
    hand = open_window(qtbot, qapp, "workbench")
    hand.window.opener.load(write_small_study(tmp_path / "study"), None)
    hand.wait(lambda: hand.desk.volume is not None)
    hand.rest()
    hand.window.show_step("segment")
    hand.rest()
    yield hand
    close_window(hand)


def look_at(hand: Hand, point: NDArray[np.float64]) -> None:
    x, y, z = (float(value) for value in SMALL.to_lps(np.round(SMALL.to_index(point))))
    hand.desk.move_crosshair((x, y, z))
    hand.rest()


def drag(hand: Hand, *places: QPointF) -> None:
    view = hand.window.stage.axial
    hand.grab(view, places[0])
    for place in places[1:]:
        hand.move(view, place)
    hand.let_go(view, places[-1])
    hand.rest()


def click(hand: Hand, place: QPointF) -> None:
    hand.grab(hand.window.stage.axial, place)
    hand.let_go(hand.window.stage.axial, place)


def around(hand: Hand, radius_px: float, count: int = 24) -> list[QPointF]:
    view = hand.window.stage.axial
    middle = view.pixel_of(view.focus)
    turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return [middle + QPointF(radius_px * np.cos(t), radius_px * np.sin(t)) for t in turns]


def shift_wheel(hand: Hand, notches: int) -> None:
    view = hand.window.stage.axial
    at = QPointF(view.width() / 2, view.height() / 2)
    event = QWheelEvent(
        at,
        view.mapToGlobal(at),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.ShiftModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, event)


def test_a_stroke_is_one_edit_that_undo_takes_back(hand: Hand) -> None:
    panel, view = hand.window.segment, hand.window.stage.axial
    look_at(hand, LIVER_AT)
    hand.click(panel.hand.buttons["paint"])
    hand.picture("brush")
    start = view.pixel_of(view.focus)
    hand.grab(view, start)
    hand.move(view, start + QPointF(20, 0))
    assert view.content.layers[-1].array.any() and not hand.scene.of_type(SegmentNode)  # shown, not made
    hand.picture("stroke")
    hand.move(view, start + QPointF(40, 0))
    hand.let_go(view, start + QPointF(40, 0))
    hand.rest()
    painted = hand.mask("Segment 1")
    assert painted[tuple(np.round(SMALL.to_index(LIVER_AT)).astype(int)[::-1])]
    assert hand.desk.session.history.undo_names[0] == "Paint: Segment 1"
    drag(hand, start + QPointF(0, 30), start + QPointF(30, 30))
    assert hand.mask("Segment 1").sum() > painted.sum()
    hand.desk.undo()
    np.testing.assert_array_equal(hand.mask("Segment 1"), painted)
    hand.click(panel.hand.buttons["erase"])
    drag(hand, start)
    assert hand.mask("Segment 1").sum() < painted.sum()
    hand.picture("erased")


def test_escape_drops_a_stroke_and_leaves_no_undo_entry(hand: Hand) -> None:
    view = hand.window.stage.axial
    hand.click(hand.window.segment.hand.buttons["paint"])
    start = view.pixel_of(view.focus)
    hand.grab(view, start)
    hand.move(view, start + QPointF(30, 0))
    hand.key(Qt.Key.Key_Escape, view)
    hand.rest()
    assert not view.content.layers
    hand.let_go(view, start + QPointF(40, 0))
    hand.rest()
    assert not hand.scene.of_type(SegmentNode) and hand.desk.session.history.undo_names == ["New case"]


def test_shift_and_wheel_change_the_size_of_the_brush_and_not_the_slice(hand: Hand) -> None:
    panel, view = hand.window.segment, hand.window.stage.axial
    hand.click(panel.hand.buttons["paint"])
    before, index = panel.hand.brush.radius_mm, view.index
    shift_wheel(hand, 2)
    assert panel.hand.brush.radius_mm == pytest.approx(before * 1.15**2)
    assert panel.hand.radius.value() == pytest.approx(panel.hand.brush.radius_mm, abs=0.06)
    assert view.index == index


def test_an_outline_is_filled_by_dragging_or_by_clicks(hand: Hand) -> None:
    panel = hand.window.segment
    look_at(hand, LIVER_AT)
    hand.click(panel.hand.buttons["draw"])
    ring = around(hand, 40)
    drag(hand, *ring)
    drawn = hand.mask("Segment 1")
    assert drawn.any(axis=(1, 2)).sum() == 1  # one slice
    hand.choose(panel.target, "New segment")
    for place in ring[::4]:
        click(hand, place)
    hand.key(Qt.Key.Key_Return, hand.window.stage.axial)
    hand.rest()
    clicked = hand.mask("Segment 2")
    assert 0.7 < clicked.sum() / drawn.sum() < 1.0  # a hexagon in the circle
    hand.picture("outlines")


def test_scissors_cut_through_all_slices(hand: Hand) -> None:
    panel = hand.window.segment
    threshold_the_liver(hand)
    liver = hand.mask("Liver")
    look_at(hand, LIVER_AT)
    hand.click(panel.hand.buttons["scissors"])
    drag(hand, *around(hand, 25))
    cut = hand.mask("Liver")
    assert 0 < cut.sum() < liver.sum() and not (cut & ~liver).any()
    assert (liver & ~cut).any(axis=(1, 2)).sum() > 10
    hand.picture("scissors")
    hand.desk.undo()
    np.testing.assert_array_equal(hand.mask("Liver"), liver)


def test_level_tracing_and_live_wire_find_the_border_of_the_lesion(hand: Hand) -> None:
    panel, view = hand.window.segment, hand.window.stage.axial
    look_at(hand, LESION_AT)
    rim = around(hand, 14.0 * view.placement.pixels_per_mm, 8)
    hand.click(panel.hand.buttons["level"])
    hand.move(view, rim[0])
    hand.picture("level")
    click(hand, rim[0])
    hand.rest()
    hand.choose(panel.target, "New segment")
    hand.click(panel.hand.buttons["live-wire"])
    for place in rim[::2]:
        click(hand, place)
    hand.key(Qt.Key.Key_Return, view)
    hand.rest()
    expected = np.pi * 14.0**2 / (4.0 * 4.0)
    for name in ("Segment 1", "Segment 2"):  # of a lesion seven voxels wide, half a voxel at the rim is a third of it
        assert hand.mask(name).sum() == pytest.approx(expected, rel=0.36)


def threshold_the_liver(hand: Hand) -> None:
    panel = hand.window.segment
    hand.choose(panel.method, "Grow from a point")
    look_at(hand, LIVER_AT + np.array([20.0, 0.0, 0.0]))
    click(hand, hand.window.stage.axial.pixel_of(hand.window.stage.axial.focus))
    panel.into.setText("Liver")
    hand.wait(lambda: panel.shown.ready is not None)
    hand.press_button("Apply")
    hand.wait(lambda: hand.scene.of_type(SegmentNode))
    hand.rest()


def test_a_preview_is_taken_as_it_is_shown_and_escape_drops_it(hand: Hand) -> None:
    panel, view = hand.window.segment, hand.window.stage.axial
    hand.choose(panel.method, "Threshold")
    panel.form.set_value("lower", 100.0)
    hand.wait(lambda: panel.shown.ready is not None and panel.shown.ready.command.settings["lower"] == 100.0)
    hand.rest()
    shown = view.content.layers[-1].array.astype(bool).copy()
    hand.key(Qt.Key.Key_Escape, panel)
    hand.rest()
    assert not view.content.layers and not hand.scene.of_type(SegmentNode)
    panel.form.set_value("lower", 99.0)
    hand.wait(lambda: panel.shown.ready is not None)
    panel.into.setText("Bright")
    hand.wait(lambda: panel.shown.ready is not None and panel.shown.ready.command.into == "Bright")
    hand.press_button("Apply")
    hand.rest()
    np.testing.assert_array_equal(hand.mask("Bright"), shown)
    assert hand.desk.session.history.undo_names[0] == "Threshold: Bright"


def test_rules_limit_the_brush(hand: Hand) -> None:
    panel, view = hand.window.segment, hand.window.stage.axial
    look_at(hand, LESION_AT)
    panel.rules.set_opened(True)
    panel.rules.limited.setChecked(True)
    panel.rules.lowest.setValue(150)
    hand.click(panel.hand.buttons["paint"])
    panel.hand.radius.setValue(30.0)
    drag(hand, view.pixel_of(view.focus))
    hand.picture("rules")
    voxels = hand.desk.volume.voxels.read()
    assert (voxels[hand.mask("Segment 1")] >= 150).all()


def test_a_reader_signs_a_segment_and_the_next_stroke_makes_it_a_draft(hand: Hand) -> None:
    panel, view = hand.window.segment, hand.window.stage.axial
    threshold_the_liver(hand)
    panel.sign_off.set_opened(True)
    panel.sign_off.by.setText("Dr. Reader")
    hand.click(panel.sign_off.approved)
    hand.rest()
    assert hand.segment("Liver").status == "approved"
    assert "Dr. Reader" in panel.sign_off.state.text()
    hand.picture("approved")
    hand.click(panel.hand.buttons["erase"])
    drag(hand, view.pixel_of(view.focus))
    assert hand.segment("Liver").status == "draft"
    hand.desk.undo()
    hand.rest()
    assert hand.segment("Liver").status == "approved"


def test_nothing_in_the_panel_is_cut_off(hand: Hand) -> None:
    panel = hand.window.segment
    panel.rules.set_opened(True)
    panel.sign_off.set_opened(True)
    for row in range(panel.method.count()):
        panel.method.setCurrentIndex(row)
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        hand.rest()
        assert not hand.cut_off_texts(), panel.method.currentText()


def test_the_3d_surface_follows_the_brush_and_undo(hand: Hand) -> None:
    panel, view, window = hand.window.segment, hand.window.stage.axial, hand.window
    hand.wait_for_3d()
    look_at(hand, LIVER_AT)
    hand.click(panel.hand.buttons["paint"])
    panel.hand.radius.setValue(20.0)
    start = view.pixel_of(view.focus)
    drag(hand, start, start + QPointF(30, 0))
    first = live_volume_ml(hand)
    voxel_ml = 4 * 4 * 5 / 1000
    assert first == pytest.approx(hand.mask("Segment 1").sum() * voxel_ml, rel=0.05)
    hand.picture("live-3d")
    drag(hand, start + QPointF(0, 40), start + QPointF(30, 40))
    assert live_volume_ml(hand) > 1.2 * first
    hand.desk.undo()
    hand.wait(lambda: not window.edited.busy)
    assert live_volume_ml(hand) == pytest.approx(first)


def live_volume_ml(hand: Hand) -> float:
    """What the surfaces in the 3D view enclose; pieces meet, so their volumes by the divergence theorem add up."""
    hand.wait(lambda: not hand.window.edited.busy)
    hand.rest()
    return sum(surface.mesh.volume_mm3 for surface in hand.window.stage.view3d.content.surfaces) / 1000


def test_scissors_cut_in_3d_what_the_line_goes_round(hand: Hand) -> None:
    panel, window = hand.window.segment, hand.window
    threshold_the_liver(hand)
    panel.make_surfaces()
    hand.wait(lambda: window.stage.view3d.content.surfaces)
    hand.wait_for_3d()
    hand.rest()
    liver = hand.mask("Liver")
    hand.click(panel.hand.buttons["scissors"])
    view3d = window.stage.view3d
    widget = view3d.interactor
    middle = QPointF(widget.width() / 2, widget.height() / 2)
    turns = np.linspace(0, 2 * np.pi, 24)
    ring = [middle + QPointF(40 * np.cos(t), 40 * np.sin(t)) for t in turns]
    hand.grab(widget, ring[0])
    for place in ring[1:]:
        hand.move(widget, place)
    hand.picture("lasso")
    hand.let_go(widget, ring[-1])
    hand.rest()
    cut = hand.mask("Liver")
    assert 0 < cut.sum() < liver.sum() and not (cut & ~liver).any()
    gone = np.argwhere(liver & ~cut)
    assert np.ptp(gone[:, 1]) > 10  # seen from the front, a hole from front to back
    hand.wait(lambda: not window.edited.busy)
    hand.picture("cut-3d")
