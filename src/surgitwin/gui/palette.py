"""Ctrl+K: type a few letters, get every command of the window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from surgitwin.core.text import tr


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

    def __init__(self, actions: list[Action], parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setAccessibleName(tr("Command palette"))
        self._actions = actions
        self.resize(520, 380)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        self.line = QLineEdit()
        self.line.setPlaceholderText(tr("Type a command"))
        self.list = QListWidget()
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
                text = f"{action.title}\t{action.shortcut}" if action.shortcut else action.title
                item = QListWidgetItem(text)
                item.setData(Qt.ItemDataRole.UserRole, action)
                self.list.addItem(item)
        self.list.setCurrentRow(0)

    def _run(self, item: QListWidgetItem | None) -> None:
        if item is None:
            return
        action = item.data(Qt.ItemDataRole.UserRole)
        self.accept()
        action.run()
