"""Simulating in the real window: the panel, the pressure that follows a cut, occluded territories, stale results."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget
from pytestqt.qtbot import QtBot
from tests.gui.steps import Hand, close_window, open_window

from aneurysms import GRIDS, sac_on, write_case
from surgitwin.core.progress import Context
from surgitwin.gui.panels.pressure_charts import FRAMES
from surgitwin.gui.panels.simulation_form import SimulationForm
from surgitwin.gui.panels.territories import PART_ROLE
from surgitwin.gui.theme import Theme
from surgitwin.gui.tree import DETAIL_ROLE, NAME
from surgitwin.gui.widgets.chart import ChartContent, Line, spans_of, ticks
from surgitwin.render.content import LabelLayer, PlaneContent
from surgitwin.render.lost import STYLES
from surgitwin.samples.phantom import PhantomSettings, write_liver_phantom
from surgitwin.scene.nodes import PlanNode, SimulationNode
from surgitwin.session import Session
from surgitwin.simulators.registry import simulator_named, simulator_names

SETTINGS = PhantomSettings(size_ijk=(110, 100, 80), seed=3, portal_terminals=40, hepatic_terminals=40)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small liver phantom with both trees, its territories, and two plans."""
    folder = tmp_path_factory.mktemp("liver")
    write_liver_phantom(folder / "in", SETTINGS, Context())
    path = folder / "Case S.twin"
    with Session() as session:
        session.save_as(path)
        session.run("new", path=folder / "in" / "dicom", pseudonym="Case S")
        for name in ("labels", "vessels_tumors"):
            labels = folder / "in" / f"{name}.nii.gz"
            session.run("add", path=labels, **{"as": "labelmap"}, labels=folder / "in" / f"{name}.json")
        for vessel in ("Portal vein", "Hepatic veins"):
            session.run("vessels", segment=vessel)
        session.run("territories", organ="Liver", vessels="Portal vein")
        middle = next(s for s in session.run("stats")["segments"] if s["name"] == "Liver")["centroid_mm"]
        for name, shift in (("Plan A", 60.0), ("Plan B", 42.0)):
            plane = (middle[0] + shift, middle[1], middle[2], 1.0, 0.0, 0.0)
            session.run("plan", name=name, organ="Liver", plane=(plane,))
    return path


@pytest.fixture
def hand(qtbot: QtBot, qapp: QApplication, made: Path, tmp_path: Path) -> Iterator[Hand]:
    copy = Path(shutil.copy(made, tmp_path))
    found = open_window(qtbot, qapp, "simulate")
    found.window.opener.open(copy)
    found.wait(lambda: found.desk.volume is not None)
    found.wait_for_3d()
    yield found
    close_window(found)


def field(hand: Hand, name: str) -> QLineEdit:
    form = hand.window.simulate.form
    assert form is not None
    holder = form.findChild(QWidget, f"form-{name}")
    assert holder is not None
    line = holder.findChild(QLineEdit)
    assert line is not None
    return line


def results(hand: Hand) -> list[SimulationNode]:
    return hand.desk.scene.of_type(SimulationNode)


def test_a_plan_is_simulated_compared_and_followed_while_its_cut_moves(hand: Hand) -> None:
    window, panel = hand.window, hand.window.simulate
    window.rail.buttons["simulate"].click()
    hand.rest()
    assert panel.title.text() == "Portal pressure after hepatectomy"
    assert field(hand, "cvp_mmhg").placeholderText() == "5±1.5"
    hand.picture("before")

    field(hand, "pvp_mmhg").setText("9±1")
    field(hand, "cvp_mmhg").setText("4±1")
    panel.run_button.click()
    hand.wait(lambda: len(results(hand)) == 1, 60)
    hand.rest()
    document = results(hand)[0].document
    assert document is not None
    pvp = document["outputs"]["pvp_mmhg"]
    card = panel.result.cards[0]
    assert f"{pvp['value']:.1f}" in card.accessibleName() and "SIMULATED" in card.accessibleName()
    assert panel.charts.curve.content is not None and len(panel.charts.curve.content.dots) == 1
    hand.picture("result")

    panel.all_button.click()
    hand.wait(lambda: len(results(hand)) == 2, 60)
    hand.rest()
    assert len(panel.charts.curve.content.dots) == 2
    assert {node.settings["pvp_mmhg"] for node in results(hand)} == {"9±1"}
    shown = [hand.window.tree.topLevelItem(row) for row in range(hand.window.tree.topLevelItemCount())]
    listed = next(item for item in shown if item is not None and item.text(NAME) == "Results")
    assert "mmHg" in str(listed.child(0).data(NAME, DETAIL_ROLE))

    # The Plan step shows the stored result, and follows a moving cut by the table.
    window.show_step("plan")
    hand.wait(lambda: window.live.ready and window.planning.pressure.calibrated, 60)
    hand.rest()
    pressure = window.plan.numbers.pressure_card
    plan = hand.desk.plan
    assert plan is not None
    own = next(node.document for node in results(hand) if node.plan == plan.id)
    assert own is not None
    assert f"{own['outputs']['pvp_mmhg']['value']:.1f}" in pressure.accessibleName()
    assert "≈" not in pressure.accessibleName()
    plane = plan.cuts[0].planes[0]
    x, y, z = plane.point_mm
    window.live.drag([PlaneContent(id="0:0", point=(x + 5, y, z), normal=plane.normal)])
    assert "≈" in pressure.accessibleName()
    away = pressure.accessibleName()
    window.live.drag([PlaneContent(id="0:0", point=(x + 15, y, z), normal=plane.normal)])
    assert pressure.accessibleName() != away
    dots = window.planning.curve.content.dots
    assert dots[0].label == plan.name
    hand.picture("moving")
    window.live.drop([PlaneContent(id="0:0", point=(x + 15, y, z), normal=plane.normal)])
    hand.wait(lambda: hand.desk.scene.is_stale(next(n for n in results(hand) if n.plan == plan.id)), 60)
    window.show_step("simulate")
    hand.rest()
    assert panel.stale_badge.isVisible()
    assert "STALE" in panel.result.cards[0].accessibleName()


def test_what_cannot_be_simulated_is_said_in_the_banner_and_nothing_is_kept(hand: Hand) -> None:
    panel = hand.window.simulate
    hand.window.show_step("simulate")
    hand.rest()
    field(hand, "pvp_mmhg").setText("3")
    panel.run_button.click()
    hand.wait(lambda: "PVP (3" in hand.banner, 30)
    assert results(hand) == []


def test_a_ticked_territory_is_marked_as_occluded_and_the_result_says_so(hand: Hand) -> None:
    window = hand.window
    window.show_step("plan")
    box = window.planning.territories
    box.set_opened(True)
    hand.rest()
    item = next(box.parts.item(row) for row in range(box.parts.count()) if "8" in box.parts.item(row).text())
    assert item.data(PART_ROLE)
    item.setCheckState(Qt.CheckState.Checked)
    hand.rest()
    assert hand.desk.session.history.next_undo().name == "Portal branch of Couinaud 8 occluded"
    window.show_step("simulate")
    hand.rest()
    window.simulate.run_button.click()
    hand.wait(lambda: len(results(hand)) == 1, 60)
    document = results(hand)[0].document
    assert document is not None and document["details"]["portal_occluded"] == ["Couinaud 8"]


def test_the_way_after_clamping_plays_to_its_end_and_stops_when_it_is_hidden(hand: Hand) -> None:
    window, panel = hand.window, hand.window.simulate
    window.show_step("simulate")
    hand.rest()
    panel.run_button.click()
    hand.wait(lambda: len(results(hand)) == 1, 60)
    charts = panel.charts
    charts.way_section.set_opened(True)
    hand.rest()
    charts.play.click()
    assert charts.moment.value() < FRAMES
    hand.wait(lambda: charts.moment.value() > 3, 10)
    window.show_step("study")
    stopped = charts.moment.value()
    hand.rest()
    assert charts.moment.value() == stopped and charts.play.text() == "Play"


def test_a_chart_marks_round_numbers_and_leaves_air_around_what_it_shows() -> None:
    assert ticks(0.0, 10.0) == [0, 5, 10]
    assert ticks(9.3, 31.0) == [10, 20, 30]
    assert ticks(-0.4, 0.4) == [-0.4, -0.2, 0.0, 0.2, 0.4]
    content = ChartContent("x", "y", lines=(Line([1.0, 3.0], [10.0, 20.0]),))
    left, right, bottom, top = spans_of(content)
    assert (left, right) == (1, 3) and bottom < 10 and top > 20
    flat = spans_of(ChartContent("x", "y", lines=(Line([1.0, 1.0], [4.0, 4.0]),)))
    assert flat[0] < flat[1] and flat[2] < flat[3]


def test_the_plan_that_is_shown_is_the_one_whose_result_is_shown(hand: Hand) -> None:
    window = hand.window
    window.show_step("simulate")
    hand.rest()
    window.simulate.all_button.click()
    hand.wait(lambda: len(results(hand)) == 2, 60)
    for plan in hand.desk.scene.of_type(PlanNode):
        hand.desk.look_at_plan(plan.id)
        hand.rest()
        node = window.simulate.node
        assert node is not None and node.plan == plan.id
        assert plan.name in window.simulate.about.text()


def test_flow_in_a_tree_colours_it_in_3d_as_long_as_the_step_is_in_front(hand: Hand) -> None:
    window, panel = hand.window, hand.window.simulate
    window.show_step("simulate")
    hand.rest()
    panel.choose("vessel-flow")
    hand.rest()
    assert panel.form is not None
    for form in panel.form.forms:
        if "parts" in form.names:
            form.set_value("parts", "first")
            form.set_value("samples", 20)
    usual = {tree.id: tree.colours for tree in window.stage.view3d.content.trees}
    panel.run_button.click()
    hand.wait(lambda: len(results(hand)) == 1, 60)
    hand.wait(lambda: any(t.colours != usual[t.id] for t in window.stage.view3d.content.trees), 30)
    assert panel.paint.isVisible() and "ml/min" in panel.paint.bar.accessibleName()
    hand.picture("flow")
    window.show_step("study")
    hand.wait(lambda: all(t.colours == usual[t.id] for t in window.stage.view3d.content.trees), 30)


@pytest.mark.parametrize("name", simulator_names())
def test_a_form_shows_what_an_earlier_result_was_given_and_the_defaults_for_the_rest(name: str, qtbot: QtBot) -> None:
    form = SimulationForm(Theme.load("dark"), simulator_named(name).Params, segments=list)
    qtbot.addWidget(form)

    form.show_settings({})
    assert form.settings() == {}
    form.show_settings({"seed": 7})
    assert form.settings() == {"seed": 7}


def test_an_aneurysms_neck_is_drawn_as_long_as_its_result_is_in_front(
    qtbot: QtBot, qapp: QApplication, tmp_path: Path
) -> None:
    case = write_case(tmp_path, sac_on(GRIDS["oblique, flipped"], vessel_radius_mm=2.0))
    hand = open_window(qtbot, qapp, "aneurysm")
    try:
        hand.window.opener.open(case)
        hand.wait(lambda: hand.desk.volume is not None)
        hand.wait_for_3d()
        hand.window.show_step("simulate")
        panel = hand.window.simulate
        panel.choose("aneurysm")
        assert panel.form is not None
        panel.form.show_settings({"sac": "Sac", "parent": "Carotid", "samples": 5})
        panel.simulate()
        hand.wait(lambda: panel.node is not None)

        def necks() -> int:
            shown = (view.content.cut_surfaces for view in (hand.window.stage.axial, hand.window.stage.view3d))
            return sum(one.id == "aneurysm-neck" for surfaces in shown for one in surfaces)

        hand.wait(lambda: necks() == 2)
        assert panel.node is not None and panel.node.document is not None
        hand.desk.move_crosshair(tuple(panel.node.document["details"]["neck"]["point_mm"]))
        hand.picture("neck")
        hand.window.show_step("study")
        hand.wait(lambda: necks() == 0)
    finally:
        close_window(hand)


def test_what_a_held_cut_takes_the_blood_from_is_hatched_until_it_moves_on(hand: Hand) -> None:
    window = hand.window
    window.show_step("plan")
    hand.wait(lambda: window.live.ready, 60)
    hand.rest()
    plan = hand.desk.plan
    assert plan is not None
    plane = plan.cuts[0].planes[0]
    x, y, z = plane.point_mm

    def hatched() -> list[LabelLayer]:
        return [one for one in window.stage.axial.content.layers if one.styles == STYLES]

    def hold(shift: float) -> LabelLayer:
        before = hatched()
        moved = PlaneContent(id="0:0", point=(x + shift, y, z), normal=plane.normal)
        window.stage.axial.plane_dragged.emit(moved)
        hand.wait(lambda: len(hatched()) == 1 and all(hatched()[0] is not one for one in before), 20)
        return hatched()[0]

    held = hold(-20.0)
    lost_ml = np.count_nonzero((held.array == 1) | (held.array == 3)) * held.geometry.voxel_volume_mm3 / 1000
    exact = window.live.prepared.live.evaluate(window.live.prepared.cuts(window.live.held))
    assert lost_ml > 1.0 and lost_ml == pytest.approx(exact.lost_ml("portal"))
    hold(-24.0)
    hand.picture("held")

    window.live.abort()
    hand.wait(lambda: held not in hatched(), 10)
