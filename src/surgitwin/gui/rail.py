"""The workflow rail: the steps from the study to what is handed on."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QToolButton, QVBoxLayout, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.icons import icon
from surgitwin.gui.theme import Theme, set_role

STEPS = (
    ("study", tr("Study")),
    ("segment", tr("Segment")),
    ("plan", tr("Plan")),
    ("simulate", tr("Simulate")),
    ("fit", tr("Fit")),
    ("deliver", tr("Deliver")),
)


class Rail(QWidget):
    step_chosen = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_role(self, "panel")
        self.setFixedWidth(76)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 8, 4, 8)
        column.setSpacing(4)
        self._group = QButtonGroup(self)
        self.buttons: dict[str, QToolButton] = {}
        for number, (name, title) in enumerate(STEPS, start=1):
            button = QToolButton()
            button.setText(title)
            button.setIcon(icon(name, theme.colour("text-muted"), 20))
            button.setIconSize(QSize(20, 20))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setCheckable(True)
            button.setFixedSize(68, 54)
            button.setFont(theme.font("font-small", "medium"))
            button.setToolTip(tr("{title} (Ctrl+{number})").format(title=title, number=number))
            button.setObjectName(f"step-{name}")
            set_role(button, "step")
            button.clicked.connect(lambda _=False, chosen=name: self.step_chosen.emit(chosen))
            self._group.addButton(button)
            self.buttons[name] = button
            column.addWidget(button)
        column.addStretch(1)
        self.show_step("study")

    def show_step(self, name: str) -> None:
        self.buttons[name].setChecked(True)
