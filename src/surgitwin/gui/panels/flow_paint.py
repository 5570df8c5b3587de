"""Flow on the anatomy: which quantity colours the vessel tree, and what the colours stand for."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal

from surgitwin.core.text import tr
from surgitwin.gui.panels.parts import Choice, note_label
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.scale_bar import ScaleBar
from surgitwin.gui.widgets.sections import Section
from surgitwin.render.flow_colours import changes_text, flow_scale, painted_tree


class FlowPaint(Section):
    """Signals: the tree is to be drawn in these colours, or as usual (None)."""

    painted = Signal(object)

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, tr("On the anatomy"))
        self._details: dict[str, Any] | None = None
        self._tree: str | None = None
        self.choice = Choice()
        for word, title in (
            ("flow", tr("Flow")),
            ("pressure", tr("Pressure")),
            ("wall-shear", tr("Wall shear stress")),
            ("", tr("Colours of the tree")),
        ):
            self.choice.addItem(title, word)
        self.choice.setAccessibleName(tr("What colours the vessels"))
        self.choice.activated.connect(lambda _: self._paint())
        self.body.addWidget(self.choice)
        self.bar = ScaleBar(theme)
        self.body.addWidget(self.bar)
        self.body.addWidget(note_label(tr("Grey: nothing flows. SIMULATED.")))
        self.changes = note_label()
        self.body.addWidget(self.changes)
        self.hide()

    def show_document(self, document: dict[str, Any] | None, tree: str | None) -> None:
        """Offer the colours of a result that has branches; ``tree`` is the tree it was computed on."""
        details = document["details"] if document is not None else {}
        self._details = details if tree is not None and "branches" in details and "points" in details else None
        self._tree = tree
        self.setVisible(self._details is not None)
        if self._details is not None:
            self.changes.setText(changes_text(self._details))
            self.changes.setVisible(bool(self.changes.text()))
        self._paint()

    def _paint(self) -> None:
        shown = str(self.choice.currentData())
        if self._details is None or self._tree is None or not shown:
            self.bar.setVisible(False)
            self.painted.emit(None)
            return
        self.bar.setVisible(True)
        self.bar.show_scale(flow_scale(self._details, shown))
        self.painted.emit(painted_tree(self._tree, self._details, shown))
