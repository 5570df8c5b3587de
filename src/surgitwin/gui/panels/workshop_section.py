"""Workshop, in the Deliver panel: hollow, cut into parts with pegs, engrave, put on a base plate."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from surgitwin.commands.base import build
from surgitwin.commands.shaping import ShapeForPrint
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.form import Form
from surgitwin.gui.panels.parts import Choice, NodePicks, Offer, WarningList, button, note_label
from surgitwin.gui.theme import Theme

# Normals of the planes through the crosshair that a part may be cut by, LPS.
CUTS = (
    (tr("No cut"), None),
    (tr("Across, at the crosshair"), (0, 0, 1)),
    (tr("Front to back, at the crosshair"), (0, 1, 0)),
    (tr("Left to right, at the crosshair"), (1, 0, 0)),
)


class WorkshopSection(QWidget):
    """Shapes what is ticked in ``parts``, one structure at a time; the new surfaces are ticked then.

    Signals: the names of the new surfaces.
    """

    shaped = Signal(object)

    def __init__(self, desk: Desk, theme: Theme, parts: NodePicks) -> None:
        super().__init__()
        self._desk, self._parts = desk, parts
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self.note = note_label(tr("Makes new surfaces of the one structure that is ticked; the structure stays."))
        column.addWidget(self.note)
        self.form = Form(ShapeForPrint, skip=("of", "cut_plane", "name_"))
        column.addWidget(self.form)
        cut = QFormLayout()
        cut.setContentsMargins(0, 0, 0, 0)
        self.cut = Choice()
        for title, normal in CUTS:
            self.cut.addItem(title, normal)
        cut.addRow(tr("Cut"), self.cut)
        column.addLayout(cut)
        self.shape_button = button(tr("Shape"), self.shape, tip=tr("As one step that can be undone"))
        column.addWidget(self.shape_button)
        self.warnings = WarningList(theme)
        column.addWidget(self.warnings)
        self.warnings.setVisible(False)

    def shape(self) -> None:
        """Start the work on the one structure that is ticked."""
        chosen = self._parts.node_ids()
        if len(chosen) != 1:
            self._desk.say(tr("Tick the one structure that is to be shaped."), "caution")
            return
        values: dict[str, Any] = {**self.form.values(), "of": chosen[0]}
        normal = self.cut.currentData()
        if normal is not None:
            values["cut_plane"] = (",".join(f"{value:g}" for value in (*self._desk.crosshair, *normal)),)
        try:
            command = build(ShapeForPrint, values)
        except SurgitwinError as error:
            self._desk.report(error)
            return
        self.warnings.setVisible(False)
        self._desk.do(command, self._made)

    def _made(self, document: dict[str, Any]) -> None:
        found: list[tuple[str, Offer | None]] = [(warning["message"], None) for warning in document.get("warnings", [])]
        self.warnings.show_warnings(found)
        self.warnings.setVisible(bool(found))
        self.shaped.emit(document)
