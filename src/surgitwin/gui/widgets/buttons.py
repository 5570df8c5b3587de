"""Buttons that are an icon and nothing else until the mouse is over them."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QToolButton, QWidget

from surgitwin.gui.theme import Theme


class FlatIconButton(QToolButton):
    """An icon with a tooltip; the tooltip is also its name for screen readers."""

    def __init__(
        self, theme: Theme, icon: QIcon, tip: str, checkable: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        side = theme.tokens.sizes["control"]
        self.setIcon(icon)
        self.setIconSize(QSize(side - 12, side - 12))
        self.setFixedSize(QSize(side, side))
        self.setToolTip(tip)
        self.setAccessibleName(tip)
        self.setCheckable(checkable)
        self.setAutoRaise(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
