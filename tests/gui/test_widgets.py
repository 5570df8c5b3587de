"""The small widgets: what they say, what they emit, and that a verdict can be read without its colour."""

from __future__ import annotations

import gc
import re

import pytest
from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from surgitwin.gui.panels.plan import exactness_text
from surgitwin.gui.theme import Theme, apply_theme, inter, set_role
from surgitwin.gui.unseen import Unseen
from surgitwin.gui.warming import Warming
from surgitwin.gui.widgets.banner import Banner
from surgitwin.gui.widgets.cards import DecisionCard, Status, StatusBadge, Verdict, VerdictPill, draw_mark
from surgitwin.gui.widgets.four_views import FourViews
from surgitwin.gui.widgets.progress import ProgressRow
from surgitwin.gui.widgets.sections import Section
from surgitwin.gui.widgets.swatch import ColourSwatch
from surgitwin.render.tokens import RESOURCES, theme_names
from surgitwin.scene.nodes import CutModel, PlaneModel


@pytest.fixture
def theme(qapp: QApplication) -> Theme:
    return apply_theme(qapp)


@pytest.mark.parametrize("name", theme_names())
def test_a_theme_leaves_no_placeholder_and_names_only_token_colours(qapp: QApplication, name: str) -> None:
    theme = Theme.load(name)
    sheet = theme.stylesheet()
    assert "@" not in sheet.split("*/", 1)[1]
    used = set(re.findall(r"#[0-9a-fA-F]{6}", sheet))
    used |= {c for p in (RESOURCES / "theme").glob(f"*-{name}.svg") for c in re.findall(r"#[0-9a-f]{6}", p.read_text())}
    assert used <= set(theme.tokens.colours.values())


def test_colours_are_written_nowhere_but_in_the_tokens() -> None:
    folder = RESOURCES.parent
    files = [*(folder / "render").glob("*.py"), *(folder / "gui" / "views").glob("*.py")]
    files += [
        *(folder / "gui" / "widgets").glob("*.py"),
        folder / "gui" / "theme.py",
        RESOURCES / "theme" / "window.qss",
    ]
    found = [
        p.name for p in files if re.search(r"#[0-9a-fA-F]{6}\b", re.sub("#35c2b0", "", p.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_figures_are_equally_wide_and_the_font_is_inter(qapp: QApplication) -> None:
    from PySide6.QtGui import QFontInfo, QFontMetricsF

    for weight in ("regular", "medium", "semibold"):
        font = inter(13, weight)  # type: ignore[arg-type]
        assert QFontInfo(font).family() == "Inter"
        assert len({QFontMetricsF(font).horizontalAdvance(d * 10) for d in "0123456789"}) == 1
    assert QFontInfo(inter(13, "semibold")).weight() == QFont.Weight.DemiBold


def test_a_font_survives_a_change_of_role(qtbot: QtBot, theme: Theme) -> None:
    parent = QWidget()
    label = QLabel("12", parent)
    qtbot.addWidget(parent)
    set_role(label, "muted")
    label.setFont(theme.font("font-value", "semibold"))
    parent.show()
    set_role(label, "faint")
    assert label.font().pixelSize() == theme.tokens.sizes["font-value"]


def test_a_card_says_everything_it_shows(qtbot: QtBot, theme: Theme) -> None:
    card = DecisionCard(theme, "Future liver remnant")
    qtbot.addWidget(card)
    card.set_value("38.5", "%", "594 of 1 541 ml", (Status.DRAFT, Status.STALE), Verdict("good", "limit 30 %"))
    card.show()
    assert card.accessibleName() == "Future liver remnant, 38.5, %, DRAFT, STALE, 594 of 1 541 ml"
    assert [badge.status for badge in card.findChildren(StatusBadge)] == [Status.DRAFT, Status.STALE]
    pill = card.findChild(VerdictPill)
    assert pill is not None and pill.isVisible() and pill.accessibleName() == "Good: limit 30 %"


def test_an_unknown_number_reads_not_assessed_and_has_no_verdict(qtbot: QtBot, theme: Theme) -> None:
    card = DecisionCard(theme, "Loses outflow")
    qtbot.addWidget(card)
    card.set_value(None, "ml", verdict=Verdict("bad", "too much"))
    card.show()
    texts = [label.text() for label in card.findChildren(QLabel)]
    assert "not assessed" in texts and "ml" not in texts and "0" not in texts
    pill = card.findChild(VerdictPill)
    assert pill is not None and not pill.isVisible()


def test_a_number_is_marked_as_approximate_while_dragging_and_loses_the_mark_afterwards(
    qtbot: QtBot, theme: Theme
) -> None:
    card = DecisionCard(theme, "Remnant")
    qtbot.addWidget(card)
    card.set_value("594", "ml", statuses=(Status.APPROXIMATE, Status.DRAFT))
    assert "≈ 594" in [label.text() for label in card.findChildren(QLabel)]
    card.set_value("594", "ml", statuses=(Status.DRAFT,))
    assert "594" in [label.text() for label in card.findChildren(QLabel)]


def test_verdicts_differ_in_shape_and_not_only_in_colour(qapp: QApplication, theme: Theme) -> None:
    shapes = []
    for level in ("good", "caution", "bad", "info"):
        image = QImage(24, 24, QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(QColor(0, 0, 0, 0))
        painter = QPainter(image)
        draw_mark(painter, level, QPointF(12, 12), theme)
        painter.end()
        shapes.append({(x, y) for x in range(24) for y in range(24) if image.pixelColor(x, y).alpha() > 127})
    for one in range(4):
        for other in range(one):
            assert len(shapes[one] ^ shapes[other]) > 15


def test_a_section_folds_its_body_by_mouse_and_keyboard(qtbot: QtBot, theme: Theme) -> None:
    section = Section(theme, "Vessels crossed")
    inside = QLabel("RPV 11 mm")
    section.body.addWidget(inside)
    qtbot.addWidget(section)
    section.show()
    assert inside.isVisible()
    with qtbot.waitSignal(section.toggled):
        qtbot.mouseClick(section.header, Qt.MouseButton.LeftButton)
    assert not inside.isVisible() and not section.opened
    qtbot.keyClick(section.header, Qt.Key.Key_Space)
    assert inside.isVisible()


def test_progress_shows_per_cent_and_cancels_once(qtbot: QtBot, theme: Theme) -> None:
    row = ProgressRow(theme, "Vessel graph")
    qtbot.addWidget(row)
    row.show()
    row.set_progress(0.624, "Slice 240 of 600")
    texts = [label.text() for label in row.findChildren(QLabel)]
    assert "62 %" in texts and "Slice 240 of 600" in texts
    cancelled: list[bool] = []
    row.cancelled.connect(lambda: cancelled.append(True))
    button = row.findChild(QPushButton)
    assert button is not None
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert cancelled == [True]


def test_a_banner_runs_its_action_and_goes(qtbot: QtBot, theme: Theme) -> None:
    banner = Banner(theme)
    qtbot.addWidget(banner)
    done: list[str] = []
    banner.show_message("A slice is missing.", "caution", (("Show", lambda: done.append("show")),))
    assert banner.isVisible() and banner.text == "A slice is missing."
    button = banner.findChild(QPushButton)
    assert button is not None
    with qtbot.waitSignal(banner.closed):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert done == ["show"] and not banner.isVisible()
    banner.show_message("Another.", "bad")
    assert [b for b in banner.findChildren(QPushButton) if b.isVisible()] == []


def test_a_swatch_tells_the_chosen_colour(qtbot: QtBot, theme: Theme) -> None:
    swatch = ColourSwatch(theme, (10, 20, 30), "Liver")
    qtbot.addWidget(swatch)
    swatch.show()
    assert swatch.accessibleName() == "Colour of Liver: #0a141e"
    swatch.choose()
    dialog = swatch.findChild(QWidget)
    assert dialog is not None
    with qtbot.waitSignal(swatch.colour_changed) as changed:
        dialog.setCurrentColor(QColor(1, 2, 3))  # type: ignore[attr-defined]
        dialog.accept()  # type: ignore[attr-defined]
    assert changed.args == [(1, 2, 3)] and swatch.colour == (1, 2, 3)


def four() -> tuple[FourViews, list[QWidget]]:
    views = [QWidget() for _ in range(4)]
    return FourViews(*views), views


def test_each_view_fills_all_and_comes_back_to_its_place(qtbot: QtBot, theme: Theme) -> None:
    grid, views = four()
    qtbot.addWidget(grid)
    grid.resize(800, 600)
    grid.show()
    before = [QRect(v.mapTo(grid, QPoint(0, 0)), v.size()) for v in views]
    parents = [view.parentWidget() for view in views]
    for view in views:
        with qtbot.waitSignal(grid.maximised_changed):
            grid.toggle(view)
        qtbot.waitUntil(lambda view=view: view.width() == 800 and view.height() == 600)
        assert [v.isVisible() for v in views] == [v is view for v in views]
        grid.toggle(view)
        qtbot.waitUntil(lambda: all(v.isVisible() for v in views))
    assert [view.parentWidget() for view in views] == parents
    qtbot.waitUntil(lambda: [QRect(v.mapTo(grid, QPoint(0, 0)), v.size()) for v in views] == before)


def test_the_line_between_left_and_right_goes_through_both_rows(qtbot: QtBot, theme: Theme) -> None:
    grid, views = four()
    qtbot.addWidget(grid)
    grid.resize(800, 600)
    grid.show()
    row = views[0].parentWidget()
    row.moveSplitter(250, 1)  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: abs(views[0].width() - 250) <= 2 and views[2].width() == views[0].width())


def test_only_one_of_the_four_can_fill_all(qtbot: QtBot, theme: Theme) -> None:
    grid, _ = four()
    stranger = QLabel()
    qtbot.addWidget(grid)
    qtbot.addWidget(stranger)
    with pytest.raises(ValueError, match="four views"):
        grid.maximise(stranger)


def test_python_looks_for_garbage_again_when_all_is_warm_or_the_window_closes(qtbot: QtBot) -> None:
    widget = QWidget()
    qtbot.addWidget(widget)
    warming = Warming(widget, idle=lambda: False)
    try:
        warming._start()
        assert not gc.isenabled()
        qtbot.waitUntil(gc.isenabled, timeout=60_000)
        warming._start()
        warming.stop()
        assert gc.isenabled()
    finally:
        gc.enable()


def test_the_window_says_of_which_cuts_the_numbers_are_exact_while_one_moves() -> None:
    plane = CutModel(kind="planes", planes=(PlaneModel(point_mm=(0.0, 0.0, 0.0), normal=(1.0, 0.0, 0.0)),))
    patch = CutModel(kind="patch")
    off = patch.model_copy(update={"enabled": False})
    territories = CutModel(kind="territories")
    assert exactness_text((plane, territories, off), 0) == "While a plane moves every number without ≈ is exact."
    for curved in (patch, CutModel(kind="curve")):
        assert "exact" not in exactness_text((plane, curved), 0)
        assert "margins are ≈ until the hand rests" in exactness_text((plane, curved), 0)
        assert "margins are ≈ until the hand rests" in exactness_text((territories, curved), 0)
    assert "margins are ≈ until the hand rests" in exactness_text((plane, patch), 1)


def test_a_part_on_screen_is_refreshed_at_once_and_a_hidden_one_later_and_once(qtbot: QtBot) -> None:
    seen, first, second = QWidget(), QWidget(), QWidget()
    for widget in (seen, first, second):
        qtbot.addWidget(widget)
    seen.show()
    told: list[str] = []
    unseen = Unseen(seen)
    unseen.refresh(seen, lambda: told.append("seen"))
    for _ in range(3):
        unseen.refresh(first, lambda: told.append("first"))
    unseen.refresh(second, lambda: told.append("second"))

    assert told == ["seen"]
    qtbot.waitUntil(lambda: len(told) == 3)
    qtbot.wait(200)
    assert told == ["seen", "first", "second"]


def test_a_part_that_comes_on_screen_before_its_turn_is_refreshed_once(qtbot: QtBot) -> None:
    part, parent = QWidget(), QWidget()
    qtbot.addWidget(part)
    qtbot.addWidget(parent)
    told: list[str] = []
    unseen = Unseen(parent)
    unseen.refresh(part, lambda: told.append("later"))
    part.show()
    unseen.refresh(part, lambda: told.append("now"))

    qtbot.wait(300)
    assert told == ["now"]


def test_what_waits_goes_with_the_case(qtbot: QtBot) -> None:
    part = QWidget()
    qtbot.addWidget(part)
    told: list[str] = []
    unseen = Unseen(part)
    unseen.refresh(part, lambda: told.append("of the old case"))
    unseen.clear()

    qtbot.wait(300)
    assert told == []
