"""The standard hepatectomies by one click each; segment 1 and the middle hepatic vein are asked every time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QMenu, QPushButton, QRadioButton, QVBoxLayout, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.panels.parts import button, note_label
from surgitwin.gui.theme import set_role
from surgitwin.resection.hepatectomies import HEPATECTOMIES, Hepatectomy, notation

FATES = ((tr("stays"), "keep"), (tr("goes"), "remove"))


class _Question(QWidget):
    """One thing that stays or goes; nothing is chosen until somebody chose it."""

    def __init__(self, text: str, answered: Callable[[], None]) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel(text), 1)
        self._group = QButtonGroup(self)
        self.buttons: dict[str, QRadioButton] = {}
        for title, fate in FATES:
            one = QRadioButton(title)
            one.setAccessibleName(f"{text}: {title}")
            one.toggled.connect(lambda _: answered())
            self._group.addButton(one)
            self.buttons[fate] = one
            row.addWidget(one)

    @property
    def fate(self) -> str | None:
        return next((fate for fate, one in self.buttons.items() if one.isChecked()), None)

    def ask_again(self) -> None:
        self._group.setExclusive(False)
        for one in self.buttons.values():
            one.setChecked(False)
        self._group.setExclusive(True)


class HepatectomyBox(QWidget):
    """A menu of operations, then the two questions, then the cut."""

    def __init__(self, wanted: Callable[[Hepatectomy, str, str | None], None]) -> None:
        super().__init__()
        self._wanted = wanted
        self._operation: Hepatectomy | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.menu_button = QPushButton(tr("Standard hepatectomy"))
        set_role(self.menu_button, "plain")
        menu = QMenu(self.menu_button)
        for operation in HEPATECTOMIES:
            title = f"{operation.name}\t{notation(operation.segments)}"
            menu.addAction(title, partial(self.ask, operation))
        self.menu_button.setMenu(menu)
        column.addWidget(self.menu_button)
        self.questions = QWidget()
        asked = QVBoxLayout(self.questions)
        asked.setContentsMargins(0, 4, 0, 4)
        asked.setSpacing(4)
        self.title = note_label("", "")
        asked.addWidget(self.title)
        self.segment_1 = _Question(tr("Segment 1"), self._enable)
        self.middle_vein = _Question(tr("Middle hepatic vein"), self._enable)
        asked.addWidget(self.segment_1)
        asked.addWidget(self.middle_vein)
        row = QHBoxLayout()
        self.cut_button = button(tr("Cut"), self._cut, "primary")
        row.addWidget(self.cut_button)
        row.addWidget(button(tr("Cancel"), self.close_questions))
        row.addStretch(1)
        asked.addLayout(row)
        column.addWidget(self.questions)
        self.questions.hide()

    def ask(self, operation: Hepatectomy) -> None:
        """Show the questions for one operation, unanswered."""
        self._operation = operation
        self.title.setText(f"{operation.name} ({notation(operation.segments)})")
        self.segment_1.ask_again()
        self.middle_vein.ask_again()
        self.middle_vein.setVisible(operation.along_middle_vein)
        self.questions.show()
        self._enable()

    def close_questions(self) -> None:
        self._operation = None
        self.questions.hide()

    def _enable(self) -> None:
        asked = self._operation is not None and self._operation.along_middle_vein
        answered = self.segment_1.fate is not None and (not asked or self.middle_vein.fate is not None)
        self.cut_button.setEnabled(answered)
        self.cut_button.setToolTip("" if answered else tr("Say first what happens to each of them"))

    def _cut(self) -> None:
        operation, segment_1 = self._operation, self.segment_1.fate
        if operation is None or segment_1 is None:
            return
        vein = self.middle_vein.fate if operation.along_middle_vein else None
        self.close_questions()
        self._wanted(operation, segment_1, vein)
