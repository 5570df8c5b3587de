"""What the themes promise to tired eyes: enough contrast everywhere, nothing shortened without saying so."""

from __future__ import annotations

import itertools

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor, QHelpEvent
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from surgitwin.gui.panels.parts import Choice, grouped
from surgitwin.gui.theme import Theme, apply_theme
from surgitwin.render.tokens import theme_names

READABLE = 4.5  # WCAG 2.2, 1.4.3, level AA, for text of any size
VISIBLE = 3.0  # WCAG 2.2, 1.4.11: what tells where the focus is
TEXTS = ("text", "text-muted", "text-faint", "accent", "good", "caution", "bad")
GROUNDS = ("background", "surface", "raised", "field")


def luminance(colour: QColor) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.getRgbF()[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: QColor, other: QColor) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def over(top: QColor, ground: QColor) -> QColor:
    """A translucent colour as it looks on an opaque one."""
    alpha = top.alphaF()
    parts = zip(top.getRgbF()[:3], ground.getRgbF()[:3], strict=True)
    return QColor.fromRgbF(*(a * alpha + b * (1 - alpha) for a, b in parts))


def test_contrast_is_counted_as_wcag_counts_it() -> None:
    assert contrast(QColor("black"), QColor("white")) == pytest.approx(21.0)
    assert contrast(QColor(0x77, 0x77, 0x77), QColor("white")) == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("name", theme_names())
def test_every_text_can_be_read_on_every_ground(qapp: QApplication, name: str) -> None:
    theme = Theme.load(name)
    pairs = {
        f"{text} on {ground}": contrast(theme.colour(text), theme.colour(ground))
        for text, ground in itertools.product(TEXTS, GROUNDS)
    }
    pairs |= {f"{text} on hover": contrast(theme.colour(text), theme.colour("hover")) for text in TEXTS[:2]}
    pairs |= {f"on-accent on {g}": contrast(theme.colour("on-accent"), theme.colour(g)) for g in TEXTS[3:4]}
    pairs["on-accent on accent-hover"] = contrast(theme.colour("on-accent"), theme.colour("accent-hover"))
    pairs["on-lesion on lesion"] = contrast(theme.colour("on-lesion"), theme.colour("lesion"))
    pairs["annotation on canvas"] = contrast(theme.colour("annotation"), theme.colour("canvas"))
    pairs["scene-text on scene"] = contrast(theme.colour("scene-text"), theme.colour("scene"))
    assert {pair: ratio for pair, ratio in pairs.items() if ratio < READABLE} == {}


@pytest.mark.parametrize("name", theme_names())
def test_verdicts_and_chosen_rows_can_be_read_on_their_tint(qapp: QApplication, name: str) -> None:
    theme = Theme.load(name)
    pairs: dict[str, float] = {}
    for level, ground in itertools.product(("good", "caution", "bad"), ("surface", "raised")):
        pairs[f"{level} on {ground}"] = contrast(theme.colour(level), over(theme.tint(level), theme.colour(ground)))
    for text, ground in itertools.product(("text", "text-muted", "text-faint"), ("surface", "field")):
        chosen = over(theme.tint("accent"), theme.colour(ground))
        pairs[f"{text} in a chosen row on {ground}"] = contrast(theme.colour(text), chosen)
    assert {pair: ratio for pair, ratio in pairs.items() if ratio < READABLE} == {}


@pytest.mark.parametrize("name", theme_names())
def test_the_focus_stands_out(qapp: QApplication, name: str) -> None:
    theme = Theme.load(name)
    rings = {ground: contrast(theme.colour("accent"), theme.colour(ground)) for ground in (*GROUNDS, "hover", "line")}
    rings["accent"] = contrast(theme.colour("text"), theme.colour("background"))  # the ring of a primary button
    assert {ground: ratio for ground, ratio in rings.items() if ratio < VISIBLE} == {}


def test_a_long_entry_of_a_list_is_shortened_with_dots_and_said_in_the_tool_tip(
    qtbot: QtBot, qapp: QApplication
) -> None:
    apply_theme(qapp)
    box = Choice()
    qtbot.addWidget(box)
    box.addItems(["Extended right hepatectomy", "Left"])
    box.setToolTip("Which plan")
    box.resize(130, box.sizeHint().height())
    box.show()
    assert box.shown_text().endswith("…") and box.shown_text()[:-1] in box.currentText()
    event = QHelpEvent(QHelpEvent.Type.ToolTip, QPoint(5, 5), box.mapToGlobal(QPoint(5, 5)))
    QApplication.sendEvent(box, event)
    assert QToolTip.text() == "Extended right hepatectomy\nWhich plan"
    box.setCurrentIndex(1)
    assert box.shown_text() == "Left"
    QToolTip.hideText()


def test_thousands_stand_apart_and_stay_on_one_line() -> None:
    assert grouped(1647.6) == "1\N{NO-BREAK SPACE}648" and grouped(58.2) == "58"
