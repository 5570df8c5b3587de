"""Planning a liver in the real window: a standard hepatectomy, a curved surface under the hand, plans side by side."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from tests.gui.steps import Hand, close_window, open_window

from surgitwin.core.progress import Context
from surgitwin.gui.panels.plan_numbers import NOT_ASSESSED
from surgitwin.gui.plan_picture import SPECIMEN
from surgitwin.gui.tree import EYE, NAME
from surgitwin.render.content import MarginClass
from surgitwin.resection.hepatectomies import hepatectomy
from surgitwin.samples.phantom import PhantomSettings, write_liver_phantom
from surgitwin.scene.nodes import CutModel, PlanNode, SegmentNode, TerritoriesNode, VesselTreeNode
from surgitwin.session import Session

RECURSIVE = Qt.MatchFlag.MatchRecursive
SETTINGS = PhantomSettings(size_ijk=(110, 100, 80), seed=3, portal_terminals=40, hepatic_terminals=40)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small liver phantom with trees, territories and the surfaces that planning looks at."""
    folder = tmp_path_factory.mktemp("liver")
    write_liver_phantom(folder / "in", SETTINGS, Context())
    path = folder / "Case L.twin"
    with Session() as session:
        session.save_as(path)
        session.run("new", path=folder / "in" / "dicom", pseudonym="Case L")
        for name in ("labels", "vessels_tumors"):
            labels = folder / "in" / f"{name}.nii.gz"
            session.run("add", path=labels, **{"as": "labelmap"}, labels=folder / "in" / f"{name}.json")
        for vessel in ("Portal vein", "Hepatic veins"):
            session.run("vessels", segment=vessel)
        session.run("territories", organ="Liver", vessels="Portal vein")
        session.run("mesh", segment=("Liver", "Portal vein", "Hepatic veins", "Tumor 1", "Tumor 2"))
    return path


@pytest.fixture
def hand(qtbot: QtBot, qapp: QApplication, made: Path, tmp_path: Path) -> Iterator[Hand]:
    copy = Path(shutil.copy(made, tmp_path))
    found = open_window(qtbot, qapp, "liver")
    found.window.opener.open(copy)
    found.wait(lambda: found.desk.volume is not None)
    found.wait_for_3d()
    found.window.show_step("plan")
    found.choose(found.window.plan.organ, "Liver")
    found.rest()
    yield found
    close_window(found)


def at_rest(hand: Hand) -> None:
    """The plan is ready under the hand, and drawn."""
    window = hand.window
    hand.wait(lambda: window.live.ready and window.planning.picture.found is not None, 60_000)
    hand.rest()


def cut_standard(hand: Hand, word: str) -> PlanNode:
    box = hand.window.plan.hepatectomy
    box.ask(hepatectomy(word))
    assert not box.cut_button.isEnabled()  # nothing is assumed of segment 1 and the middle hepatic vein
    box.segment_1.buttons["keep"].click()
    box.middle_vein.buttons["keep"].click()
    name = hepatectomy(word).name
    box.cut_button.click()
    hand.wait(lambda: hand.desk.plan is not None and hand.desk.plan.name == name, 60_000)
    at_rest(hand)
    plan = hand.desk.plan
    assert plan is not None
    return plan


def test_a_standard_hepatectomy_is_one_click_and_two_answers_away(hand: Hand) -> None:
    plan = cut_standard(hand, "right")

    rows = hand.window.plan.numbers.rows
    assert plan.operation == "right hepatectomy" and "H5678" in plan.cuts[0].name
    assert "ml" in rows["outflow"].text() and rows["artery"].text() == NOT_ASSESSED
    hand.picture("hepatectomy")
    hand.window.plan.wish.setValue(20)
    hand.window.plan.wish.editingFinished.emit()
    hand.wait(lambda: hand.desk.plan.wish_mm == 20, 60_000)
    at_rest(hand)
    hand.wait(lambda: bool(hand.window.planning.picture.found.margins), 60_000)
    hand.rest()
    drawn = {surface.id: surface for surface in hand.window.stage.view3d.content.cut_surfaces}
    assert set(np.unique(drawn["margin:0"].classes)) == {MarginClass.SAFE, MarginClass.UNCERTAIN, MarginClass.BELOW}
    assert "% of the cut below the wish" in hand.window.planning.map.summary()
    section = hand.window.planning.map_section
    section.header.click()
    hand.rest()
    hand.window.plan.ensureWidgetVisible(section)
    hand.rest()
    hand.picture("margins-of-territories")
    lost = [surface for surface in hand.window.stage.view3d.content.surfaces if surface.id.startswith("lost:")]
    assert lost and all(surface.hatched and surface.visible and not surface.mesh.empty for surface in lost)
    hand.window.plan.sensitivity_button.click()
    hand.wait(lambda: "Cut 5 mm into the remnant" in hand.window.plan.sensitivity.text(), 60_000)
    at_rest(hand)
    hand.window.planning.parts.setChecked(True)
    hand.wait(lambda: bool(hand.window.planning.picture.found and hand.window.planning.picture.found.parts), 60_000)
    hand.window.planning.aside.setValue(40)
    hand.rest()
    moved = {surface.id: surface.offset_mm for surface in hand.window.stage.view3d.content.surfaces}
    assert np.linalg.norm(moved[SPECIMEN]) == pytest.approx(40.0)
    hand.picture("specimen-aside")


def test_the_twin_lists_vessel_trees_and_territories_and_its_eyes_show_and_hide_them(hand: Hand) -> None:
    tree = hand.window.tree
    (made,) = hand.desk.scene.of_type(TerritoriesNode)
    vessels = hand.desk.scene.of_type(VesselTreeNode)
    rows = {item.text(NAME): item for item in tree.findItems("", Qt.MatchFlag.MatchContains | RECURSIVE)}
    assert {made.name, *(node.name for node in vessels)} <= set(rows)

    tree.itemClicked.emit(rows[made.name], EYE)
    hand.rest()
    assert not any(hand.desk.scene.expect(part, SegmentNode).visible for part in made.territories)
    hand.picture("territories-hidden")
    hand.desk.undo()
    hand.rest()
    assert all(hand.desk.scene.expect(part, SegmentNode).visible for part in made.territories)


def test_a_surface_around_a_lesion_follows_the_hand_and_undo_brings_it_back(hand: Hand) -> None:
    window = hand.window
    window.plan.new_button.click()
    hand.wait(lambda: hand.desk.plan is not None, 60_000)
    at_rest(hand)
    hand.wait(lambda: bool(window.stage.view3d.content.cut_surfaces), 60_000)
    (plane,) = window.stage.axial.content.planes
    window.stage.axial.plane_dragged.emit(replace(plane, point=(plane.point[0] + 3, *plane.point[1:])))
    assert not window.stage.view3d.content.cut_surfaces  # the margins were those of where the plane was
    window.stage.axial.plane_drag_cancelled.emit(plane.id)
    hand.rest()
    assert [surface.id for surface in window.stage.axial.content.cut_surfaces] == ["margin:0:0"]
    window.plan.starts._ask("patch-lesion")
    hand.choose(window.plan.starts.lesion, "Tumor 1")
    window.plan.starts.done_button.click()
    hand.wait(lambda: len(hand.desk.plan.cuts) == 2, 60_000)
    window.plan.cuts.list.item(0).setCheckState(Qt.CheckState.Unchecked)
    hand.wait(lambda: not hand.desk.plan.cuts[0].enabled, 60_000)
    at_rest(hand)
    hand.wait(lambda: window.planning.picture.found.margins.get(1) is not None, 60_000)
    before = hand.desk.plan
    shown = window.plan.removed_card.accessibleName()
    hand.picture("surface")
    (patch,) = window.stage.view3d.content.patches
    assert patch.classes is not None and patch.editable

    moved = patch.with_points(patch.control_points + np.array([0.0, 0.0, -6.0]))
    window.stage.patch_dragged.emit(moved)
    hand.rest()
    assert window.plan.removed_card.accessibleName() != shown and hand.desk.plan.cuts == before.cuts
    window.stage.patch_dropped.emit(moved)
    hand.wait(lambda: hand.desk.plan.cuts != before.cuts, 60_000)
    at_rest(hand)
    assert "Move cut" in hand.desk.session.history.undo_names[0]

    hand.desk.undo()
    hand.rest()
    assert hand.desk.plan.cuts == before.cuts
    assert window.plan.removed_card.accessibleName() == shown


def test_a_surface_that_cannot_be_is_refused_in_words_and_the_plan_keeps_its_last_good_state(hand: Hand) -> None:
    window = hand.window
    x, y = np.meshgrid(np.linspace(-60, 60, 6), np.linspace(-60, 60, 6), indexing="ij")
    points = np.stack([x - 60.0, y, 0 * x + 20.0], axis=-1)
    window.plan.add_cut(CutModel(kind="patch", control_points_mm=points.tolist(), remove_point_mm=(0.0, 0.0, 90.0)))
    hand.wait(lambda: hand.desk.plan is not None, 60_000)
    at_rest(hand)
    before = hand.desk.plan
    (patch,) = window.stage.view3d.content.patches
    loop = np.array(patch.control_points)
    loop[2, :, 0], loop[3, :, 0] = 250.0, -370.0
    loop[2:4, :, 2] += 40.0

    window.stage.patch_dragged.emit(patch.with_points(loop))
    hand.rest()
    assert "folds over itself" in window.plan.refusal.text() and window.plan.refusal.isVisibleTo(window.plan)
    hand.picture("refused")
    window.stage.patch_dropped.emit(patch.with_points(loop))
    hand.rest()

    assert hand.desk.plan.cuts == before.cuts and hand.desk.plan.numbers == before.numbers


def test_two_plans_are_seen_side_by_side_and_turned_together(hand: Hand) -> None:
    cut_standard(hand, "right")
    cut_standard(hand, "left")
    window = hand.window

    window.plan.side_button.click()
    beside = window.planning.beside
    assert beside is not None
    hand.wait(lambda: all(view.attached for view in beside.views.values()), 60_000)
    hand.rest()
    one, other = beside.views.values()
    one.look_from("left")
    hand.wait(lambda: one.scene.camera == other.scene.camera, 20_000)
    labels = [beside.table.item(row, 0).text() for row in range(beside.table.rowCount())]
    assert "FLR" in labels and beside.table.columnCount() == 3
    beside.close()
    hand.rest()
    assert window.planning.beside is None
