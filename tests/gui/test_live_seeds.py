"""Growing from seeds in the real window: the preview follows the brush by updates, and is taken as it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from steps import LIVER_AT, SMALL, Hand, close_window, open_window, write_small_study

from surgitwin.scene.nodes import SegmentNode
from surgitwin.segmentation.seeds import SeedFollower, grow_from_seeds


@pytest.fixture
def hand(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> Iterator[Hand]:
    hand = open_window(qtbot, qapp, "live-seeds")
    hand.window.opener.load(write_small_study(tmp_path / "study"), None)
    hand.wait(lambda: hand.desk.volume is not None)
    hand.rest()
    hand.window.show_step("segment")
    x, y, z = (float(value) for value in SMALL.to_lps(np.round(SMALL.to_index(LIVER_AT))))
    hand.desk.move_crosshair((x, y, z))
    hand.rest()
    yield hand
    close_window(hand)


def at(hand: Hand, right_mm: float, down_mm: float) -> QPointF:
    """A place in the axial slice, from its middle."""
    view = hand.window.stage.axial
    x, y, z = view.focus
    middle, beside = view.pixel_of((x, y, z)), view.pixel_of((x + 10.0, y, z))
    per_mm = (beside.x() - middle.x()) / 10.0
    return middle + QPointF(right_mm * per_mm, down_mm * abs(per_mm))


def stroke(hand: Hand, *places: QPointF) -> None:
    view = hand.window.stage.axial
    hand.grab(view, places[0])
    for place in places[1:]:
        hand.move(view, place)
    hand.let_go(view, places[-1])


def paint(hand: Hand, name: str, *places: QPointF) -> None:
    """Take the brush, name the segment, or choose it, and paint one stroke."""
    panel = hand.window.segment
    if panel.hand.tool is None:
        hand.click(panel.hand.buttons["paint"])
    before = len(hand.desk.session.history.undo_names)
    known = [node for node in hand.scene.of_type(SegmentNode) if node.name == name]
    panel.target.choose(known[0].id if known else None)
    if not known:
        panel.into.setText(name)
    stroke(hand, *places)
    hand.wait(lambda: len(hand.desk.session.history.undo_names) > before)


def two_seeds(hand: Hand) -> None:
    """A liver and what is not liver, a stroke or two each, and the method with both ticked."""
    panel = hand.window.segment
    paint(hand, "Liver", at(hand, -10, 0), at(hand, 10, 0))
    paint(hand, "Background", at(hand, 80, -60), at(hand, 80, 60))
    paint(hand, "Background", at(hand, -70, -50), at(hand, -70, -60), at(hand, 80, -60))
    hand.rest()
    panel.hand.choose(None)
    hand.choose(panel.method, "Grow from seeds")
    panel.form.set_value("segments", (hand.segment("Liver").id, hand.segment("Background").id))
    hand.rest()


def shown(hand: Hand) -> NDArray[Any]:
    return np.asarray(hand.window.stage.axial.content.layers[-1].array)


def from_nothing(hand: Hand) -> NDArray[np.bool_]:
    """Where the liver is by a run of its own on the seeds as they are."""
    seeds = hand.mask("Liver") + 2 * hand.mask("Background").astype(np.uint8)
    voxels = hand.desk.volume.voxels.read()
    return grow_from_seeds(voxels, seeds, SMALL, margin_mm=30.0) == 1


def up_to_date(hand: Hand) -> bool:
    panel = hand.window.segment
    return not panel.live.busy and panel.shown.ready is not None


def test_the_preview_follows_the_brush_by_updates_and_is_taken_as_one_undo_entry(hand: Hand) -> None:
    panel = hand.window.segment
    two_seeds(hand)
    hand.press_button("Preview")
    hand.wait(lambda: up_to_date(hand))
    first = shown(hand).copy()
    np.testing.assert_array_equal(first == 1, from_nothing(hand))
    assert panel.live.seeds.updates == 0
    hand.picture("first")
    paint(hand, "Background", at(hand, 20, -30), at(hand, 20, 30))
    hand.wait(lambda: up_to_date(hand))
    assert panel.live.seeds.updates == 1
    second = shown(hand).copy()
    assert not np.array_equal(second, first)
    np.testing.assert_array_equal(second == 1, from_nothing(hand))
    hand.picture("after-a-stroke")
    hand.desk.undo()
    hand.wait(lambda: panel.live.seeds.updates == 2 and up_to_date(hand))
    np.testing.assert_array_equal(shown(hand), first)
    paint(hand, "Liver", at(hand, -30, 10), at(hand, -10, 10))
    hand.wait(lambda: panel.live.seeds.updates == 3 and up_to_date(hand))
    expected = from_nothing(hand)
    panel.hand.choose(None)
    before = list(hand.desk.session.history.undo_names)
    hand.picture("to-be-applied")
    hand.press_button("Apply")
    hand.rest()
    np.testing.assert_array_equal(hand.mask("Liver"), expected)
    assert hand.desk.session.history.undo_names[1:] == before
    assert not panel.live.following


def held_up(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Growing waits from now on until the event is set."""
    go_on, grow = Event(), SeedFollower.grow

    def slowly(self: SeedFollower, *args: Any, **kwargs: Any) -> NDArray[np.uint8]:
        go_on.wait(30)
        return grow(self, *args, **kwargs)

    monkeypatch.setattr(SeedFollower, "grow", slowly)
    return go_on


def test_strokes_during_an_update_are_caught_up_with_and_never_taken_half(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = hand.window.segment
    two_seeds(hand)
    hand.press_button("Preview")
    hand.wait(lambda: up_to_date(hand))
    go_on = held_up(monkeypatch)
    paint(hand, "Background", at(hand, 20, -30), at(hand, 20, 0))
    hand.wait(lambda: panel.live.busy)
    paint(hand, "Background", at(hand, 20, 0), at(hand, 20, 30))
    assert panel.shown.ready is None
    go_on.set()
    hand.wait(lambda: panel.live.seeds.updates == 2 and up_to_date(hand))
    np.testing.assert_array_equal(shown(hand) == 1, from_nothing(hand))


def test_escape_breaks_off_an_update_and_a_second_one_puts_the_brush_away(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = hand.window.segment
    two_seeds(hand)
    hand.press_button("Preview")
    hand.wait(lambda: up_to_date(hand))
    go_on = held_up(monkeypatch)
    paint(hand, "Background", at(hand, 20, -30), at(hand, 20, 0))
    hand.wait(lambda: panel.live.busy)
    steps = list(hand.desk.session.history.undo_names)
    hand.key(Qt.Key.Key_Escape, panel)
    assert not panel.live.following and not panel.shown.running and panel.hand.tool is not None
    go_on.set()
    hand.rest()
    assert panel.shown.ready is None and hand.desk.session.history.undo_names == steps
    assert "cancelled" not in hand.window.status.message.text()  # the window broke it off, not the user
    hand.key(Qt.Key.Key_Escape, panel)
    assert panel.hand.tool is None


def test_a_seed_that_is_removed_takes_the_preview_away(hand: Hand) -> None:
    panel = hand.window.segment
    two_seeds(hand)
    hand.press_button("Preview")
    hand.wait(lambda: up_to_date(hand))
    hand.desk.session.run("remove", node=hand.segment("Background").id)
    hand.rest()
    assert not panel.live.following and panel.shown.ready is None
