"""A message in the window that blocks nothing: what happened, and buttons for what to do next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.theme import Theme, restyle, set_role
from surgitwin.gui.widgets.cards import draw_mark

BannerLevel = Literal["info", "good", "caution", "bad"]


class _Mark(QWidget):
    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.level: str = "info"
        self.setFixedSize(QSize(16, 18))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        draw_mark(painter, self.level, QPointF(8, 9), self._theme)
        painter.end()


class Banner(QFrame):
    """Hidden until `show_message`; emits ``closed()`` when its reader puts it away."""

    closed = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_role(self, "banner")
        self._mark = _Mark(theme)
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._actions = QHBoxLayout()
        self._actions.setSpacing(8)
        self._close = QToolButton()
        self._close.setText("×")
        self._close.setToolTip(tr("Close this message"))
        self._close.setAccessibleName(tr("Close this message"))
        self._close.clicked.connect(self.dismiss)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 6, 6, 6)
        row.setSpacing(8)
        row.addWidget(self._mark)
        row.addWidget(self._text, stretch=1)
        row.addLayout(self._actions)
        row.addWidget(self._close)
        self.hide()

    @property
    def text(self) -> str:
        return self._text.text()

    def show_message(
        self, text: str, level: BannerLevel = "info", actions: tuple[tuple[str, Callable[[], object]], ...] = ()
    ) -> None:
        """Show a sentence; each action is a button's text and what it does, after which the banner goes."""
        self._text.setText(text)
        self.setAccessibleName(text)
        self._mark.level = level
        self._mark.update()
        self.setProperty("level", level)
        restyle(self)
        self._clear_actions()
        for label, action in actions:
            button = QPushButton(label)
            button.clicked.connect(lambda _=False, action=action: self._run(action))
            self._actions.addWidget(button)
        self.show()

    def dismiss(self) -> None:
        """Put the message away."""
        self.hide()
        self.closed.emit()

    def _run(self, action: Callable[[], object]) -> None:
        self.dismiss()
        action()

    def _clear_actions(self) -> None:
        while (item := self._actions.takeAt(0)) is not None:
            button = item.widget()
            if button is not None:
                button.hide()
                button.deleteLater()
