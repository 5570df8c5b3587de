"""Four views side by side, with lines between them that can be dragged, and each of them large on request."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget


class FourViews(QWidget):
    """Axial and 3D above, coronal and sagittal below.

    Making one view large hides the others and never moves a widget to another parent: a 3D view would lose its OpenGL
    context. Emits ``maximised_changed(QWidget or None)``.
    """

    maximised_changed = Signal(object)

    def __init__(
        self,
        top_left: QWidget,
        top_right: QWidget,
        bottom_left: QWidget,
        bottom_right: QWidget,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.views = (top_left, top_right, bottom_left, bottom_right)
        self._maximised: QWidget | None = None
        self._rows = (_splitter(top_left, top_right), _splitter(bottom_left, bottom_right))
        self._outer = QSplitter(Qt.Orientation.Vertical)
        self._outer.setHandleWidth(1)
        self._outer.setChildrenCollapsible(False)
        for row in self._rows:
            self._outer.addWidget(row)
            row.splitterMoved.connect(self._on_moved)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._outer)
        self.even()

    @property
    def maximised(self) -> QWidget | None:
        """The view that fills all, None while all four are shown."""
        return self._maximised

    def even(self) -> None:
        """Give all views the same size."""
        for splitter in (*self._rows, self._outer):
            splitter.setSizes([1000, 1000])

    def toggle(self, view: QWidget) -> None:
        """Make ``view`` fill all, or show all four again."""
        if self._maximised is view:
            self.restore()
        else:
            self.maximise(view)

    def maximise(self, view: QWidget) -> None:
        """Show ``view`` alone."""
        if view not in self.views:
            raise ValueError("Only one of the four views can be made large.")
        self._show(view)

    def restore(self) -> None:
        """Show all four views."""
        self._show(None)

    def _show(self, alone: QWidget | None) -> None:
        if alone is self._maximised:
            return
        self._maximised = alone
        for view in self.views:
            view.setVisible(alone is None or view is alone)
        for row, pair in zip(self._rows, (self.views[:2], self.views[2:]), strict=True):
            row.setVisible(alone is None or alone in pair)
        if alone is not None:
            alone.setFocus()
        self.maximised_changed.emit(alone)

    def _on_moved(self, position: int, index: int) -> None:
        """The line between left and right is one line through both rows."""
        moved = self.sender()
        for row in self._rows:
            if row is not moved and isinstance(moved, QSplitter):
                row.setSizes(moved.sizes())


def _splitter(left: QWidget, right: QWidget) -> QSplitter:
    splitter = QSplitter(Qt.Orientation.Horizontal)
    splitter.setHandleWidth(1)
    splitter.setChildrenCollapsible(False)
    splitter.addWidget(left)
    splitter.addWidget(right)
    return splitter
