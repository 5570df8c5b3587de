"""What a tool is: it gets the left mouse button of the slices, and draws over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter

if TYPE_CHECKING:
    from surgitwin.gui.views.slice_view import SliceView


class SliceTool(QObject):
    """Does nothing; a tool overrides what it needs. Positions are pixels of the view.

    Signals
    -------
    changed
        What the tool draws looks different: the views paint anew.
    hinted(str)
        One short sentence on what to do next.
    """

    changed = Signal()
    hinted = Signal(str)
    cursor = Qt.CursorShape.CrossCursor

    def press(self, view: SliceView, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """The left button went down."""

    def move(self, view: SliceView, at: QPointF) -> None:
        """The mouse moved with the left button down."""

    def release(self, view: SliceView, at: QPointF) -> None:
        """The left button came up."""

    def hover(self, view: SliceView, at: QPointF) -> None:
        """The mouse moved without a button."""

    def leave(self, view: SliceView) -> None:
        """The mouse left the view."""

    def double_click(self, view: SliceView, at: QPointF) -> bool:
        """True if it meant something, so that the view is not maximised."""
        return False

    def wheel(self, notches: float) -> bool:
        """The wheel was turned with Shift held; true if it meant something."""
        return False

    def key(self, event: QKeyEvent) -> bool:
        """True if the key meant something; Escape aborts what is unfinished."""
        return event.key() == Qt.Key.Key_Escape and self.abort()

    def abort(self) -> bool:
        """Drop what is unfinished; true if there was something."""
        return False

    def draw(self, view: SliceView, painter: QPainter) -> None:
        """Draw over a slice: the brush, the outline so far."""

    def put_away(self) -> None:
        """Another tool was chosen, or the case was closed."""
        self.abort()
