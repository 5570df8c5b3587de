"""The parts of the window that are always at hand: palette, keys, tree, and that all of it can be read and reached."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractButton, QApplication, QColorDialog, QDialog, QLineEdit, QTabBar, QWidget
from pytestqt.qtbot import QtBot
from steps import PICTURES, Hand, close_window, open_window, write_small_study

from surgitwin import __version__
from surgitwin.gui.palette import Palette
from surgitwin.gui.settings import Settings
from surgitwin.gui.tree import EYE
from surgitwin.scene.nodes import PlanNode, SegmentNode
from surgitwin.session import Session

CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case with two segments, their surfaces and two plans."""
    folder = tmp_path_factory.mktemp("case")
    write_small_study(folder / "study")
    with Session() as session:
        session.save_as(folder / "Case 7F3A.twin")
        session.run("new", path=folder / "study", pseudonym="Case 7F3A")
        session.run("segment", method="threshold", into="Liver", settings={"low": 90, "high": 250})
        session.run("segment", method="threshold", into="Tumour", settings={"low": 170, "high": 250})
        session.run("mesh")
        session.run("plan", plan="Right", organ="Liver", plane=("-35,0,0,-1,0,0",))
        session.run("plan", plan="Upper part", organ="Liver", plane=("-35,0,0,0,0,1",))
    return folder / "Case 7F3A.twin"


@pytest.fixture
def case(made: Path, tmp_path: Path) -> Path:
    copy = tmp_path / made.name
    copy.write_bytes(made.read_bytes())
    return copy


@pytest.fixture
def hand(request: pytest.FixtureRequest, qtbot: QtBot, qapp: QApplication, case: Path) -> Iterator[Hand]:
    """A window with the case open; a theme's name may be given as an indirect parameter."""
    settings = Settings(theme=getattr(request, "param", "dark"))
    opened = open_window(qtbot, qapp, request.node.originalname.removeprefix("test_"), settings)
    opened.window.opener.open(case)
    opened.wait(lambda: opened.desk.volume is not None)
    opened.rest()
    yield opened
    opened.rest()
    close_window(opened)


def test_the_palette_finds_a_command_by_a_few_letters_and_runs_it(hand: Hand) -> None:
    hand.window.activateWindow()
    hand.key(Qt.Key.Key_K, modifiers=CTRL)
    hand.wait(lambda: isinstance(QApplication.activePopupWidget(), Palette))
    palette = QApplication.activePopupWidget()
    assert isinstance(palette, Palette) and palette.list.count() > 20
    hand.picture("all")
    hand.qtbot.keyClicks(palette.line, "step pl")
    assert [palette.list.item(row).text() for row in range(palette.list.count())] == ["Step: Plan"]
    hand.picture("found")
    hand.key(Qt.Key.Key_Return, palette.line)
    assert hand.window.panels.currentWidget() is hand.window.plan
    assert hand.window.rail.buttons["plan"].isChecked()
    hand.key(Qt.Key.Key_K, modifiers=CTRL)
    hand.wait(lambda: isinstance(QApplication.activePopupWidget(), Palette))
    hand.key(Qt.Key.Key_Escape, QApplication.activePopupWidget())
    hand.wait(lambda: QApplication.activePopupWidget() is None)


def test_keys_and_version_are_a_key_away(hand: Hand) -> None:
    hand.key(Qt.Key.Key_F1)
    hand.wait(lambda: QApplication.activeModalWidget() is not None)
    page = QApplication.activeModalWidget()
    assert isinstance(page, QDialog)
    texts = " ".join(label.text() for label in page.findChildren(type(hand.window.status.position)))
    assert all(action.shortcut in texts for action in hand.window.actions_list)
    hand.picture("keys")
    hand.key(Qt.Key.Key_Escape, page)
    hand.wait(lambda: QApplication.activeModalWidget() is None)
    next(action for action in hand.window.actions_list if action.title == "About Surgitwin").run()
    hand.wait(lambda: QApplication.activeModalWidget() is not None)
    about = QApplication.activeModalWidget()
    assert isinstance(about, QDialog)
    text = " ".join(label.text() for label in about.findChildren(type(hand.window.status.position)))
    assert __version__ in text and "not a medical device" in text
    hand.picture("about")
    about.reject()
    hand.wait(lambda: QApplication.activeModalWidget() is None)


def test_the_tree_renames_colours_fades_and_hides(hand: Hand) -> None:
    tree, scene = hand.window.tree, hand.scene

    def tumour() -> SegmentNode:
        node: SegmentNode = scene.of_type(SegmentNode)[1]
        return node

    tree.setFocus()
    tree.select(tumour().id)
    hand.key(Qt.Key.Key_F2, tree)
    editor = tree.viewport().findChild(QLineEdit)
    assert isinstance(editor, QLineEdit) and editor.hasFocus()
    editor.selectAll()
    hand.qtbot.keyClicks(editor, "Metastasis 1")
    hand.key(Qt.Key.Key_Return, editor)
    hand.rest()
    assert tumour().name == "Metastasis 1" and hand.tree_row("Metastasis 1")
    row = tree.visualItemRect(hand.tree_row("Metastasis 1"))
    eye = QPoint(tree.header().sectionPosition(EYE) + tree.header().sectionSize(EYE) // 2, row.center().y())
    hand.qtbot.mouseClick(tree.viewport(), hand.left, pos=eye)
    hand.rest()
    assert not tumour().visible
    style = hand.window.stage.axial.content.layers
    assert not any(s.visible for layer in style for s in layer.styles if s.name == "Metastasis 1")
    hand.answer(lambda dialog: set_color(dialog, QColor(10, 200, 30)))
    menu = tree.menu_for(tumour())
    next(action for action in menu.actions() if action.text().startswith("Colour")).trigger()
    assert tumour().color == (10, 200, 30)
    opacity = next(action.menu() for action in menu.actions() if action.menu() and action.text() == "Opacity")
    assert opacity is not None
    next(action for action in opacity.actions() if action.text() == "25 %").trigger()
    assert tumour().opacity == 0.25
    names = [action.text() for action in hand.window.top_bar.undo_button.menu().actions()]
    assert len(names) >= 4
    for _ in range(4):
        hand.window.desk.undo()
    hand.rest()
    assert (tumour().name, tumour().visible, tumour().opacity) == ("Tumour", True, 1.0)
    menu.deleteLater()


def set_color(dialog: Any, color: QColor) -> None:
    assert isinstance(dialog, QColorDialog)
    dialog.setCurrentColor(color)


def test_esc_takes_back_a_cut_that_is_being_dragged(hand: Hand) -> None:
    hand.click(hand.window.rail.buttons["plan"])
    hand.wait(lambda: hand.window.live.ready)
    view = hand.window.stage.sagittal
    before = hand.desk.plan.cuts
    shown = hand.window.plan.removed_card.accessibleName()
    start = hand.cut_handle(view)
    hand.grab(view, start)
    hand.move(view, start + QPoint(0, 20))
    assert hand.window.plan.removed_card.accessibleName() != shown
    hand.key(Qt.Key.Key_Escape, view)
    hand.let_go(view, start + QPoint(0, 20))
    hand.rest()
    assert hand.desk.plan.cuts == before and hand.window.plan.removed_card.accessibleName() == shown
    assert view.content.planes[0].point == before[0].planes[0].point_mm


def test_a_double_click_makes_a_view_large_and_all_four_come_back(hand: Hand) -> None:
    views = hand.window.stage.views
    hand.qtbot.mouseDClick(hand.window.stage.coronal, hand.left)
    assert views.maximised is hand.window.stage.coronal and not hand.window.stage.view3d.isVisible()
    hand.picture("coronal")
    hand.qtbot.mouseDClick(hand.window.stage.coronal, hand.left)
    assert views.maximised is None and hand.window.stage.view3d.isVisible()


def test_every_control_has_a_name_and_is_reached_by_tab(hand: Hand) -> None:
    hand.wait_for_3d()
    for step in hand.window.rail.buttons.values():
        hand.click(step)
        controls = [widget for widget in hand.window.findChildren(QWidget) if takes_focus(widget)]
        nameless = [widget for widget in controls if not words_of(widget)]
        assert not nameless, nameless
        reached: set[QWidget] = set()
        hand.window.top_bar.search.setFocus()
        for _ in range(3 * len(controls)):
            focused = QApplication.focusWidget()
            if focused in reached:
                break
            assert focused is not None
            reached.add(focused)
            hand.key(Qt.Key.Key_Tab, focused)
        unreached = [widget for widget in controls if widget not in reached and not stands_for_another(widget)]
        assert not unreached, [(type(widget).__name__, words_of(widget)) for widget in unreached]
    study = hand.window.rail.buttons["study"]
    study.setFocus()
    hand.click(study)
    hand.key(Qt.Key.Key_Down, study)
    assert hand.window.panels.currentWidget() is hand.window.segment


def takes_focus(widget: QWidget) -> bool:
    tab = bool(widget.focusPolicy().value & Qt.FocusPolicy.TabFocus.value)
    return tab and widget.isVisible() and widget.isEnabled() and not isinstance(widget, QTabBar)


def stands_for_another(widget: QWidget) -> bool:
    """The line in a number box gets the focus of the box; of several steps one has it, and arrow keys go on."""
    group = widget.group() if isinstance(widget, QAbstractButton) else None
    parent = widget.parentWidget()
    return bool(widget.focusProxy() or (parent is not None and parent.focusProxy() is widget) or group)


def words_of(widget: QWidget) -> str:
    """What a screen reader says of a control."""
    shown = getattr(widget, "text", None)
    text = widget.accessibleName() or (shown() if callable(shown) else "") or widget.toolTip()
    if text:
        return str(text)
    parent = widget.parentWidget()
    labels = [label for label in parent.findChildren(QWidget) if getattr(label, "buddy", lambda: None)() is widget]
    return labels[0].text() if labels else ""  # type: ignore[attr-defined]


@pytest.mark.parametrize("hand", ["dark", "light"], indirect=True)
def test_nothing_is_cut_off_in_the_smallest_window(hand: Hand, made: Path) -> None:
    hand.window.resize(hand.window.minimumSize())
    hand.wait_for_3d()
    assert len(hand.scene.of_type(PlanNode)) == 2
    for name, button in hand.window.rail.buttons.items():
        hand.click(button)
        hand.rest()
        panel = hand.window.panels.currentWidget()
        assert panel.widget().width() <= panel.viewport().width(), name
        assert not hand.cut_off_texts(), name
        hand.picture(f"{hand.window.settings.theme}-{name}")
        assert not hand.out_of_window(), name
    hand.window.status.show_message("Saved a file with a name that is quite long, and another one beside it.stl")
    hand.window.stage.hovered.emit((-121.4, 118.1, -1112.5), -1024.0)
    hand.picture(f"{hand.window.settings.theme}-message")
    assert not hand.cut_off_texts() and not hand.out_of_window()
    hand.window.go_home()
    hand.window.start_page.show_recent([made] * 6)
    hand.picture(f"{hand.window.settings.theme}-start")
    assert not hand.cut_off_texts() and not hand.out_of_window()


def test_nothing_is_cut_off_at_200_percent(tmp_path: Path) -> None:
    """The same at twice the density, where sizes round in another way: Qt wants a process of its own for it."""
    test = f"{Path(__file__).name}::{test_nothing_is_cut_off_in_the_smallest_window.__name__}[dark]"
    environment = os.environ | {"QT_SCALE_FACTOR": "2", "SURGITWIN_SCREENSHOTS": str(PICTURES / "at-200-percent")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'run'}", test]
    ran = subprocess.run(
        command, cwd=Path(__file__).parent, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "1 passed" in ran.stdout


def test_a_key_makes_the_view_that_has_the_keys_large(hand: Hand) -> None:
    views, sagittal = hand.window.stage.views, hand.window.stage.sagittal
    sagittal.setFocus()
    hand.key(Qt.Key.Key_F11, sagittal)
    assert views.maximised is sagittal
    hand.key(Qt.Key.Key_F11, sagittal)
    assert views.maximised is None
    hand.window.tree.setFocus()
    hand.key(Qt.Key.Key_F11, hand.window.tree)
    assert views.maximised is hand.window.stage.axial


def test_the_start_page_opens_a_folder_by_enter(hand: Hand) -> None:
    assert not hand.window.start_page.open_folder.hasFocus()
    hand.window.go_home()
    hand.wait(hand.window.start_page.open_folder.hasFocus)
