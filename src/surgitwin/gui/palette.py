"""Ctrl+K: type a few letters, get every command of the window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QDialog,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from surgitwin.core.text import tr
from surgitwin.gui.theme import Theme, set_role
from surgitwin.gui.widgets.rows import RightTexts

ACTION_ROLE = Qt.ItemDataRole.UserRole
KEYS_ROLE = Qt.ItemDataRole.UserRole + 1
MOST_ROWS = 12
ROUND_LIST_PX = 176  # what is above the list on the screen, and a little below it


@dataclass(frozen=True)
class Action:
    """One thing that the window can do.

    Attributes
    ----------
    enabled
        Asked each time the list is shown.
    """

    title: str
    run: Callable[[], object]
    shortcut: str = ""
    enabled: Callable[[], bool] = lambda: True


def matches(query: str, title: str) -> bool:
    """True if every word of the query occurs in the title, in any order, without regard to case."""
    folded = title.casefold()
    return all(word in folded for word in query.casefold().split())


class Palette(QDialog):
    """Shows the actions that fit what is typed; Enter runs the chosen one."""

    def __init__(self, actions: list[Action], theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setAccessibleName(tr("Command palette"))
        set_role(self, "popup")
        self._actions = actions
        self.setFixedWidth(520)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        self.line = QLineEdit()
        self.line.setPlaceholderText(tr("Type a command"))
        self.line.setAccessibleName(tr("Type a command"))
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Commands"))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the keys stay with the line, which moves the choice
        self.list.setItemDelegate(RightTexts(theme.colour("text-faint"), KEYS_ROLE, self.list))
        column.addWidget(self.line)
        column.addWidget(self.list)
        self.line.textChanged.connect(self._filter)
        self.line.installEventFilter(self)
        self.list.itemActivated.connect(self._run)
        self.list.itemClicked.connect(self._run)
        self._filter("")
        self.line.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            rows = self.list.count()
            if event.key() == Qt.Key.Key_Down and rows:
                self.list.setCurrentRow((self.list.currentRow() + 1) % rows)
                return True
            if event.key() == Qt.Key.Key_Up and rows:
                self.list.setCurrentRow((self.list.currentRow() - 1) % rows)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._run(self.list.currentItem())
                return True
        return super().eventFilter(watched, event)

    def _filter(self, query: str) -> None:
        self.list.clear()
        for action in self._actions:
            if matches(query, action.title) and action.enabled():
                item = QListWidgetItem(action.title)
                item.setData(ACTION_ROLE, action)
                item.setData(KEYS_ROLE, action.shortcut)
                self.list.addItem(item)
        self.list.setCurrentRow(0)
        height = max(self.list.sizeHintForRow(0), 24)
        fitting = max((self.screen().availableGeometry().height() - ROUND_LIST_PX) // height, 4)
        self.list.setFixedHeight(min(max(self.list.count(), 1), MOST_ROWS, fitting) * height + 4)
        self.adjustSize()

    def _run(self, item: QListWidgetItem | None) -> None:
        if item is None:
            return
        action = item.data(ACTION_ROLE)
        self.accept()
        action.run()
