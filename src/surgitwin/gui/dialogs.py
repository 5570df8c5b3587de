"""The few dialogs: what this program is, and its keys."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from surgitwin import __version__
from surgitwin.core.text import tr
from surgitwin.gui.palette import Action
from surgitwin.gui.panels.hand_tools import TOOLS
from surgitwin.gui.theme import set_role

VIEW_KEYS = (
    (tr("Wheel, ↑ ↓"), tr("Next or previous slice")),
    (tr("Ctrl+wheel, right drag"), tr("Zoom")),
    (tr("Middle drag, Shift+left drag"), tr("Move the picture")),
    (tr("Left drag"), tr("Window and level")),
    (tr("Shift+move"), tr("Crosshair follows the mouse")),
    (tr("Drag a ball of a curved cut"), tr("Move it; in 3D with Shift along the surface's normal")),
    (tr("Ctrl+drag a curved cut"), tr("Move all of it")),
    (tr("Double click"), tr("One view large, or all four")),
    ("1 2 3 4", tr("Window presets")),
    ("G", tr("Show or hide the segments")),
    ("R", tr("Reset the view")),
    (tr("Home, End, Page Down (3D)"), tr("From above, the front, the left; with Shift opposite")),
    ("I", tr("Invert the grey values")),
    (tr("Home, End (slices)"), tr("First or last slice")),
    (tr("Esc"), tr("Give up the drag")),
)
TOOL_KEYS = (
    *((key, title) for _, _, title, key in TOOLS),
    (tr("Shift+wheel"), tr("Size of the brush")),
    (tr("Enter, Backspace"), tr("Close the outline, take back its last corner")),
    (tr("Alt+arrows, Alt+Shift+arrows"), tr("Move the implant by a step, turn it")),
)


def show_about(parent: QWidget) -> QDialog:
    """What this is, which version, and what it is not."""
    dialog = QDialog(parent)
    dialog.setWindowTitle(tr("About Surgitwin"))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    column = QVBoxLayout(dialog)
    text = QLabel(
        tr(
            "<h3>Surgitwin {version}</h3><p>A surgical planner on the patient's digital twin.</p>"
            "<p><b>Research and planning aid, not a medical device.</b><br>Nothing it shows was validated clinically; "
            "whoever decides on it checks it first.</p><p>Apache-2.0. Sample CT: TotalSegmentator, Apache-2.0. "
            "Font: Inter, SIL Open Font License.</p>"
        ).format(version=__version__)
    )
    text.setWordWrap(True)
    text.setMinimumWidth(420)
    column.addWidget(text)
    _close_button(dialog, column)
    dialog.open()
    return dialog


def show_shortcuts(parent: QWidget, actions: list[Action]) -> QDialog:
    """Every key, in the views and in the window."""
    dialog = QDialog(parent)
    dialog.setWindowTitle(tr("Keyboard and mouse"))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.resize(_on_screen(parent, QSize(580, 640)))
    column = QVBoxLayout(dialog)
    own = [(action.shortcut, action.title) for action in actions if action.shortcut]
    gap = ("", "")
    rows = [*VIEW_KEYS, gap, *TOOL_KEYS, gap, *own, ("Ctrl+K", tr("Search commands"))]
    # Two texts, not sixty labels: they are there at once.
    body = QWidget()
    line = QHBoxLayout(body)
    line.setSpacing(24)
    for part, role in ((0, "accent"), (1, "")):
        label = QLabel("\n".join(row[part] for row in rows))
        label.setAlignment(Qt.AlignmentFlag.AlignTop)
        set_role(label, role)
        line.addWidget(label, part)
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setWidget(body)
    column.addWidget(area)
    _close_button(dialog, column)
    dialog.open()
    return dialog


def _close_button(dialog: QDialog, column: QVBoxLayout) -> None:
    box = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    box.rejected.connect(dialog.reject)
    column.addWidget(box)
    box.button(QDialogButtonBox.StandardButton.Close).setFocus()


def _on_screen(parent: QWidget, wanted: QSize) -> QSize:
    """The size, or what of it fits on the screen: at 200 % a laptop has 540 pixels from top to bottom."""
    return wanted.boundedTo(parent.screen().availableGeometry().size() - QSize(48, 64))
