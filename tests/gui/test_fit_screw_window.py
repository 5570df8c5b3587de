"""The Fit step on a vertebra: what it is kept clear of, grade and direction, colours by distance, landmarks."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from steps import Hand, close_window, open_window
from tests.integration.test_fit_command import place_screw, shown, spine
from tests.unit.test_implant_cup import tilted

from surgitwin.gui.panels.parts import NodePicks
from surgitwin.implants.cup import Angles, axis_of, pelvic_plane
from surgitwin.implants.placement import pose_of
from surgitwin.scene.nodes import FitNode, ImplantNode, LandmarkNode


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("screw") / "Case V.twin"
    with spine() as session:
        place_screw(session, "Screw", 19.75)
        session.save_as(path)
    return path


@pytest.fixture
def hand(qtbot: QtBot, qapp: QApplication, made: Path, tmp_path: Path) -> Iterator[Hand]:
    copy = Path(shutil.copy(made, tmp_path))
    found = open_window(qtbot, qapp, "fit-screw")
    found.window.opener.open(copy)
    found.wait(lambda: found.desk.volume is not None)
    found.wait_for_3d()
    found.click(found.window.rail.buttons["fit"])
    found.wait(lambda: found.window.fit.numbers.contact._value.text() != "not assessed")
    found.rest()
    yield found
    close_window(found)


def tick(picks: NodePicks, *names: str) -> None:
    for row in range(picks.count()):
        item = picks.item(row)
        item.setCheckState(Qt.CheckState.Checked if item.text() in names else Qt.CheckState.Unchecked)


def chosen(hand: Hand) -> ImplantNode:
    node = hand.window.fit.hand.chosen
    assert node is not None
    return node


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+\.\d+|\d+", text))


def test_the_window_says_of_a_screw_all_that_the_terminal_says(hand: Hand) -> None:
    panel = hand.window.fit
    hand.choose(panel.conditions.canal, "Canal")
    tick(panel.conditions.vessels, "Aorta")
    tick(panel.conditions.avoid, "Canal")
    hand.click(panel.measure_button)
    hand.rest()
    (kept,) = hand.scene.of_type(FitNode)
    document = kept.document
    rows = dict(panel.result.rows)
    grade = re.match(r"grade C, breach ([0-9.]+) mm .*, lateral", rows["Gertzbein-Robbins"])
    assert grade is not None and float(grade[1]) == pytest.approx(5.75 + 3.25 - 6.0, abs=0.3)  # voxels of 0.8 mm
    # What faces the bone lies inside it: 0.0 mm would read as if it lay on its surface.
    assert rows["Gap"] == "none" and "inside" in panel.numbers.gap._detail.text()
    assert rows["Spinal canal"].startswith("Canal: ✓ clear by") and rows["Vessel Aorta"].startswith("✓ clear by")
    told = " ".join(f"{label} {words}" for label, words in panel.result.rows)
    told += " " + " ".join(one["message"] for one in document["warnings"])
    missing = numbers(shown(document)) - numbers(told)
    assert not missing - {"45", "6.5"}, missing  # the screw's size stands above, beside its name
    assert hand.cut_off_texts() == []
    panel.ensureWidgetVisible(panel.result)
    hand.rest()
    hand.picture("a-breach")

    # Another look at the implant finds what its fit was measured with.
    panel.conditions.canal.setCurrentIndex(0)
    tick(panel.conditions.vessels)
    panel._settings_of = None
    panel.refresh()
    assert panel.conditions.canal.currentText() == "Canal"
    assert [node.name for node in map(hand.scene.node, panel.conditions.vessels.node_ids())] == ["Aorta"]


def test_the_colours_are_the_signed_distances_and_follow_the_drag(hand: Hand) -> None:
    panel, view = hand.window.fit, hand.window.stage.view3d
    found: list[tuple[bool, tuple[str, ...]]] = []
    panel.hand.fit_changed.connect(lambda fit: found.append((fit.moving, tuple(part.id for part in fit.parts))))
    node = chosen(hand)
    drawn = {surface.id: surface for surface in view.content.surfaces if surface.colours is not None}
    assert set(drawn) == {f"{node.id}/fit", f"{node.id}/bone-fit"}
    hand.picture("distances")
    axial = hand.window.stage.axial
    start = axial.pixel_of(tuple(pose_of(node)[:3, 3]))
    kinds = QEvent.Type
    hand.grab(axial, start)
    before = drawn[f"{node.id}/fit"]
    hand.mouse(axial, kinds.MouseMove, start + QPointF(30, 0))
    hand.wait(lambda: any(moving for moving, _ in found))
    assert panel.numbers.contact._value.text().startswith("≈")
    hand.wait(lambda: next(s for s in view.content.surfaces if s.id == before.id).colours is not before.colours)
    after = next(surface for surface in view.content.surfaces if surface.id == before.id)
    assert after.mesh is before.mesh  # only colours and place go to where it is drawn from
    hand.picture("distances-while-it-moves")
    hand.let_go(axial, start + QPointF(30, 0))
    hand.rest()

    hand.choose(panel.numbers.how, "By tolerance")
    hand.wait(lambda: len(np.unique(next(s for s in view.content.surfaces if s.id == before.id).colours, axis=0)) <= 3)
    hand.rest()
    hand.picture("classes")
    hand.choose(panel.numbers.how, "Off")
    hand.wait(lambda: all(surface.colours is None for surface in view.content.surfaces))
    assert not panel.numbers.bar.isVisible()
    assert next(surface for surface in view.content.surfaces if surface.id == node.id).visible


def test_a_wider_tolerance_counts_more_as_contact_at_once(hand: Hand) -> None:
    panel = hand.window.fit
    panel.conditions.rules.set_opened(True)
    narrow = float(panel.numbers.contact._value.text())
    panel.conditions.tolerance_mm.setValue(3.0)
    hand.wait(lambda: float(panel.numbers.contact._value.text()) > narrow)
    assert "within 3.0 mm" in panel.numbers.note.text()
    panel.ensureWidgetVisible(panel.conditions.rules)
    hand.rest()
    assert hand.cut_off_texts() == []
    hand.picture("rules")


def mark(hand: Hand, name: str, at: tuple[float, float, float]) -> None:
    landmarks = hand.window.fit.landmarks
    hand.desk.move_crosshair(at)
    landmarks.name.setCurrentText(name)
    count = len(hand.scene.of_type(LandmarkNode))
    hand.click(landmarks.mark_button)
    hand.wait(lambda: len(hand.scene.of_type(LandmarkNode)) == count + 1)


def test_landmarks_of_the_pelvis_are_marked_and_give_the_cups_angles_their_plane(hand: Hand) -> None:
    panel = hand.window.fit
    panel.landmarks.marks.set_opened(True)
    hand.rest()
    pelvis = tilted(12.0)
    assert "asis_right, asis_left" in panel.landmarks.pelvis.text()
    for name, at in pelvis.items():
        mark(hand, name, tuple(float(v) for v in at))
    assert "is known" in panel.landmarks.pelvis.text()
    axis = axis_of(Angles(42.0, 18.0), "left", pelvic_plane(pelvis))
    assert hand.desk.session is not None
    hand.desk.session.run(
        "implant", item="acetabular-cup/54", name="Cup", at="0,0,0", along=",".join(map(str, axis)), onto="Vertebra"
    )
    panel.choose(hand.scene.resolve("Cup", ImplantNode).id)
    hand.choose(panel.conditions.side, "Left")
    rows = dict(panel.angles.rows)
    assert rows["radiographic, anterior pelvic plane, left"] == "inclination 42.0°, anteversion 18.0°"
    assert rows["Pelvic tilt, anterior pelvic plane"] == "12.0 °"
    hand.click(panel.measure_button)
    hand.rest()
    assert dict(panel.result.rows)["radiographic, anterior pelvic plane, left"] == (
        "inclination 42.0°, anteversion 18.0°"
    )
    panel.ensureWidgetVisible(panel.landmarks)
    hand.rest()
    hand.picture("landmarks")
    assert hand.cut_off_texts() == []


def test_the_other_side_is_across_a_plane_of_landmarks(hand: Hand) -> None:
    panel = hand.window.fit
    assert hand.desk.session is not None
    # The middle plane is x = 3, which is not the middle of the image.
    for name, at in (("nasion", "3,-40,0"), ("basion", "3,20,5"), ("apex", "3,0,60")):
        hand.desk.session.run("mark", name=name, at=at)
    hand.rest()
    before = pose_of(chosen(hand))
    hand.choose(panel.moving.across, "Landmarks")
    assert not panel.moving.other_side.isEnabled()
    tick(panel.moving.marks, "nasion", "basion")
    assert not panel.moving.other_side.isEnabled()
    tick(panel.moving.marks, "nasion", "basion", "apex")
    panel.ensureWidgetVisible(panel.moving.other_side)
    hand.rest()
    hand.picture("other-side")
    hand.click(panel.moving.other_side)
    hand.wait(lambda: chosen(hand).mirrored)
    hand.rest()
    after = pose_of(chosen(hand))
    assert after[:3, 3] == pytest.approx((6.0 - before[0, 3], before[1, 3], before[2, 3]))
    tip = np.array([0.0, 0.0, 45.0])  # on the screw's axis, so its own mirror image
    there, here = after[:3, :3] @ tip + after[:3, 3], before[:3, :3] @ tip + before[:3, 3]
    assert there == pytest.approx((6.0 - here[0], here[1], here[2]))
    assert hand.banner == ""


def test_an_implant_is_moved_onto_its_landmarks(hand: Hand) -> None:
    panel = hand.window.fit
    assert hand.desk.session is not None
    hand.desk.session.run("implant", item="femoral-stem/20x115", name="Stem", at="0,0,0", onto="Vertebra")
    stem = hand.scene.resolve("Stem", ImplantNode)
    places = {name: np.add(at, (4.0, -7.0, 2.5)) for name, at in stem.item.reference_points_mm.items()}
    for name, at in places.items():
        hand.desk.session.run("mark", name=f"P {name}", at=",".join(str(float(v)) for v in at))
    panel.choose(stem.id)
    panel.landmarks.registration.set_opened(True)
    hand.rest()
    assert not panel.landmarks.landmark_button.isEnabled()
    for name, choice in panel.landmarks.points.items():
        hand.choose(choice, f"P {name}")
    panel.ensureWidgetVisible(panel.landmarks.registration)
    hand.rest()
    hand.picture("registration")
    hand.click(panel.landmarks.landmark_button)
    hand.wait(lambda: hand.scene.of_type(FitNode))
    hand.rest()
    moved = pose_of(hand.scene.resolve("Stem", ImplantNode))
    assert moved[:3, 3] == pytest.approx((4.0, -7.0, 2.5), abs=1e-6) and moved[:3, :3] == pytest.approx(np.eye(3))
    assert dict(panel.result.rows)["Registration"].startswith("RMS 0.00 mm")
