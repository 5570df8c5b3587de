"""Measuring in the real window: place a ruler, see its value, drag an end, undo, measure a region, place in 3D."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from steps import LEFT, LESION_AT, NONE, PLAIN, SMALL, Hand, close_window, open_window, write_small_study

from surgitwin.render.camera import to_screen
from surgitwin.scene.nodes import MeasurementNode
from surgitwin.session import Session


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measure")
    study = write_small_study(folder / "study")
    path = folder / "case.twin"
    from terminal import done

    done("new", path, study)
    with Session.open(path) as session:
        session.run("segment", method="threshold", into="Lesion", settings={"low": 150, "high": 300})
        session.run("mesh", segment="Lesion")
    return path


@pytest.fixture
def hand(qtbot: QtBot, qapp: QApplication, case: Path, tmp_path: Path) -> Iterator[Hand]:
    copy = tmp_path / "case.twin"
    copy.write_bytes(case.read_bytes())
    made = open_window(qtbot, qapp, "measuring")
    made.window.opener.open(copy)
    made.wait(lambda: made.desk.session is not None and made.desk.volume is not None)
    made.rest()
    yield made
    close_window(made)


def measurements(hand: Hand) -> list[MeasurementNode]:
    return list(hand.scene.of_type(MeasurementNode))


def tap(hand: Hand, at: QPointF) -> None:
    view = hand.window.stage.axial
    hand.move(view, at)
    hand.grab(view, at)
    hand.let_go(view, at)


def test_a_ruler_is_placed_seen_dragged_and_undone(hand: Hand) -> None:
    window, view = hand.window, hand.window.stage.axial
    panel = window.measure
    hand.press_button("Measure")
    assert panel.isVisible()
    hand.click(panel.kinds["ruler"])
    start, stop = (-60.0, -20.0, 0.0), (-20.0, 10.0, 0.0)
    tap(hand, view.pixel_of(start))
    hand.move(view, view.pixel_of(stop))
    shown = panel.tool._shown()
    assert shown is not None and shown.label.startswith("≈ 50.")
    tap(hand, view.pixel_of(stop))
    hand.wait(lambda: measurements(hand))
    (ruler,) = measurements(hand)
    assert ruler.document is not None
    assert ruler.document["length_mm"] == pytest.approx(50.0, abs=1.5)  # a pixel is that large here
    hand.rest()
    assert panel.list.item(0).text().startswith("Ruler 1: 50.")
    hand.key(Qt.Key.Key_Escape, view)
    assert not panel.tool.placing

    before = view.pixel_of(ruler.points_mm[1])
    hand.grab(view, before)
    hand.move(view, before + QPointF(20, 0))
    hand.let_go(view, before + QPointF(20, 0))
    hand.wait(lambda: measurements(hand)[0].points_mm != ruler.points_mm)
    assert hand.desk.session.history.undo_names[0] == "Measure again: Ruler 1"
    hand.desk.undo()
    hand.wait(lambda: measurements(hand)[0].points_mm == ruler.points_mm)
    hand.rest()
    hand.picture("a-ruler-in-the-slices")

    panel.list.setCurrentRow(0)
    hand.press_button("Copy as CSV")
    assert "Ruler 1,ruler,5" in QApplication.clipboard().text()
    hand.press_button("Remove", panel)
    hand.wait(lambda: not measurements(hand))


def test_a_sphere_has_the_values_of_the_lesion_and_a_ruler_is_placed_on_its_surface_in_3d(hand: Hand) -> None:
    window, view = hand.window, hand.window.stage.axial
    panel = window.measure
    x, y, z = (float(v) for v in LESION_AT)
    hand.desk.move_crosshair((x, y, z))
    hand.key(Qt.Key.Key_M, modifiers=Qt.KeyboardModifier.ControlModifier)
    hand.wait(panel.isVisible)
    hand.click(panel.kinds["sphere"])
    tap(hand, view.pixel_of((x, y, z)))
    hand.wait(lambda: measurements(hand))
    document = measurements(hand)[0].document
    assert document is not None and document["hu"]["mean"] == pytest.approx(190.0)

    hand.click(panel.kinds["ruler"])
    hand.wait_for_3d()
    hand.rest()
    view3d = window.stage.view3d
    ends = LESION_AT + np.array([(-9, -10, 0), (9, -10, 0)])
    ratio = view3d.devicePixelRatioF()
    places = to_screen(view3d.scene.renderer, ends)[:, :2] / ratio
    target = view3d._input._interactor
    for place in places:
        at = QPointF(*place)
        hand.mouse(target, QEvent.Type.MouseButtonPress, at)
        hand.mouse(target, QEvent.Type.MouseButtonRelease, at)
    hand.wait(lambda: len(measurements(hand)) == 2)
    ruler = measurements(hand)[1]
    assert np.linalg.norm(np.asarray(ruler.points_mm) - LESION_AT, axis=1) == pytest.approx([14, 14], abs=2.0)
    assert ruler.document is not None and ruler.document["length_mm"] == pytest.approx(18.0, abs=1.5)
    hand.rest()
    hand.picture("sphere-and-ruler-in-3d")

    hand.key(Qt.Key.Key_Escape, view)
    start, stop = QPointF(*places[1]), QPointF(*places[1]) - QPointF(0, 20)
    hand.mouse(target, QEvent.Type.MouseButtonPress, start)
    event = QMouseEvent(QEvent.Type.MouseMove, stop, stop, NONE, LEFT, PLAIN)
    QApplication.sendEvent(target, event)
    hand.mouse(target, QEvent.Type.MouseButtonRelease, stop)
    hand.wait(lambda: measurements(hand)[1].points_mm != ruler.points_mm)
    moved = measurements(hand)[1]
    assert np.linalg.norm(np.asarray(moved.points_mm[1]) - LESION_AT) == pytest.approx(14, abs=2.0)
    assert moved.points_mm[1][2] > ruler.points_mm[1][2] + 1.0
    assert hand.desk.session.history.undo_names[0] == "Measure again: Ruler 1"
    window.show_step("study")
    assert view.tool is None
    assert not view3d.gives_places
    assert SMALL.contains(ruler.points_mm[0])


def near_lesion(points: object) -> np.ndarray:
    return np.linalg.norm(np.asarray(points) - LESION_AT, axis=-1)


def test_points_are_on_the_surface_while_they_are_placed_and_where_they_are_taken(hand: Hand) -> None:
    panel, view = hand.window.measure, hand.window.stage.axial
    hand.desk.move_crosshair(tuple(float(v) for v in LESION_AT))
    hand.press_button("Measure")
    hand.click(panel.kinds["ruler"])
    panel.snap.setChecked(True)
    hand.choose(panel.first, "Lesion")
    inside = np.add(LESION_AT, (-8.0, 0.0, 0.0))
    hand.move(view, view.pixel_of(tuple(inside)))
    hand.wait(lambda: near_lesion(panel.tool._shown().points[-1]) > 12.0)
    shown = panel.tool._shown().points[-1]
    tap(hand, view.pixel_of(tuple(inside)))
    assert panel.tool.points[0] == pytest.approx(shown, abs=1e-9)
    hand.move(view, view.pixel_of(tuple(np.add(LESION_AT, (8.0, 0.0, 0.0)))))
    ends = panel.tool._shown().points
    hand.picture("snapped-while-placing")
    tap(hand, view.pixel_of(tuple(np.add(LESION_AT, (8.0, 0.0, 0.0)))))
    hand.wait(lambda: measurements(hand))
    (ruler,) = measurements(hand)
    assert np.allclose(ruler.points_mm, ends, atol=1e-6)
    assert near_lesion(ruler.points_mm) == pytest.approx(14.0, abs=2.5)


def test_a_ruler_and_an_area_are_placed_by_keys_alone(hand: Hand) -> None:
    panel, view = hand.window.measure, hand.window.stage.axial
    x, y, z = float(LESION_AT[0]), float(LESION_AT[1]), 12.5  # on a slice
    hand.key(Qt.Key.Key_M, modifiers=Qt.KeyboardModifier.ControlModifier)
    hand.wait(panel.isVisible)
    hand.key(Qt.Key.Key_Space, panel.kinds["ruler"])
    view.setFocus()
    hand.desk.move_crosshair((x, y, z))
    hand.key(Qt.Key.Key_Return, view)
    assert panel.tool.points == [(x, y, z)]
    hand.key(Qt.Key.Key_PageUp, view)  # ten slices of 5 mm
    hand.key(Qt.Key.Key_Return, view)
    hand.wait(lambda: measurements(hand))
    document = measurements(hand)[0].document
    assert document is not None and document["length_mm"] == pytest.approx(50.0)

    hand.key(Qt.Key.Key_Space, panel.kinds["area"])
    for corner in ((0, 0, 0), (30, 0, 0), (30, 20, 0), (0, 20, 0)):
        hand.desk.move_crosshair((x + corner[0], y + corner[1], z))
        hand.key(Qt.Key.Key_Space, view)
    assert len(panel.tool.points) == 4
    hand.key(Qt.Key.Key_Return, view)
    hand.wait(lambda: len(measurements(hand)) == 2)
    document = measurements(hand)[1].document
    assert document is not None and document["area_mm2"] == pytest.approx(600.0)


def test_an_area_with_a_structure_is_that_of_its_surface_also_after_a_drag(hand: Hand) -> None:
    panel, view = hand.window.measure, hand.window.stage.axial
    hand.press_button("Measure")
    hand.click(panel.kinds["area"])
    hand.choose(panel.first, "Lesion")
    assert not panel.snap.isVisible() and not panel.end_button.isEnabled()
    height = 14.0 * np.cos(np.radians(60.0))
    hand.desk.move_crosshair((*(float(v) for v in LESION_AT[:2]), float(LESION_AT[2]) + height))
    ring = 14.0 * np.sin(np.radians(60.0))
    places = [
        np.add(LESION_AT, (ring * np.cos(a), ring * np.sin(a), height)) for a in np.radians(np.arange(0, 360, 45))
    ]
    for at in places:
        hand.desk.move_crosshair(tuple(float(v) for v in at))
        hand.click(panel.take_button)
    shown = panel.tool._shown()
    assert shown is not None and shown.label == "along the surface …"  # no number that would be too small
    hand.click(panel.end_button)
    hand.wait(lambda: measurements(hand))
    hand.rest()
    (area,) = measurements(hand)
    cap = 2 * np.pi * 14.0**2 * (1 - np.cos(np.radians(60.0)))
    assert area.document is not None and area.document["on_surface"]
    assert area.document["area_mm2"] == pytest.approx(cap, rel=0.15)  # voxels of 4 and 5 mm
    hand.desk.move_crosshair(tuple(float(v) for v in np.add(LESION_AT, (0, 0, height))))
    hand.key(Qt.Key.Key_Escape, view)
    hand.rest()
    hand.picture("area-on-a-surface")
    at = view.pixel_of(area.points_mm[0])
    hand.grab(view, at)
    hand.move(view, at - QPointF(15, 0))
    hand.let_go(view, at - QPointF(15, 0))
    hand.wait(lambda: measurements(hand)[0].points_mm != area.points_mm)
    again = measurements(hand)[0].document
    assert again is not None and again["on_surface"]
