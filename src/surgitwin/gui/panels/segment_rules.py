"""Rules that every tool obeys: where it may edit, which values, and which segments give way."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox, QFormLayout, QHBoxLayout, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.panels.parts import Choice
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.sections import Section
from surgitwin.scene.nodes import SegmentNode

VALUES = (-32768.0, 32767.0)
OVERWRITE = (
    ("none", tr("no other segment")),
    ("visible", tr("visible segments")),
    ("all", tr("all other segments")),
)


class RulesBox(Section):
    """``values()`` are fields of a `RuledCommand`."""

    changed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, tr("Rules"), opened=False)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        self.area = Choice()
        self.area.setToolTip(tr("Where tools may change voxels"))
        self.area.setAccessibleName(tr("Edit"))
        form.addRow(tr("Edit"), self.area)
        self.limited = QCheckBox(tr("only values in a range"))
        form.addRow("", self.limited)
        self.lowest, self.highest = self._number(-100.0), self._number(300.0)
        self.range = QWidget()
        row = QHBoxLayout(self.range)
        row.setContentsMargins(0, 0, 0, 0)
        for box, name in ((self.lowest, tr("Lowest value")), (self.highest, tr("Highest value"))):
            box.setAccessibleName(name)
            box.setToolTip(name)
            row.addWidget(box)
        form.addRow(tr("Range"), self.range)
        self._form = form
        self.overwrite = Choice()
        for word, title in OVERWRITE:
            self.overwrite.addItem(title, word)
        self.overwrite.setToolTip(tr("Which segments lose the voxels that the edited one gets"))
        self.overwrite.setAccessibleName(tr("Overwrite"))
        form.addRow(tr("Overwrite"), self.overwrite)
        self.body.addLayout(form)
        self._filled: list[tuple[str, str]] = [("", "")]
        self.fill([])
        self.limited.toggled.connect(lambda on: self._form.setRowVisible(self.range, on))
        self._form.setRowVisible(self.range, False)
        for signal in (self.area.currentIndexChanged, self.overwrite.currentIndexChanged, self.limited.toggled):
            signal.connect(lambda _: self._tell())
        for box in (self.lowest, self.highest):
            box.valueChanged.connect(lambda _: self._tell())

    def fill(self, segments: list[SegmentNode]) -> None:
        """Offer the segments that there are now."""
        wanted = [(segment.id, segment.name) for segment in segments]
        if wanted == self._filled:
            return
        self._filled = [(str(node_id), name) for node_id, name in wanted]
        before = self.area.currentData()
        self.area.blockSignals(True)
        self.area.clear()
        self.area.addItem(tr("everywhere"), None)
        for node_id, name in wanted:
            self.area.addItem(tr("inside {name}").format(name=name), ("inside", node_id))
        for node_id, name in wanted:
            self.area.addItem(tr("outside {name}").format(name=name), ("outside", node_id))
        rows = [row for row in range(self.area.count()) if self.area.itemData(row) == before]
        self.area.setCurrentIndex(rows[0] if rows else 0)
        self.area.blockSignals(False)

    def values(self) -> dict[str, Any]:
        """The fields that differ from “no rule at all”."""
        found: dict[str, Any] = {}
        area = self.area.currentData()
        if area is not None:
            found[area[0]] = (area[1],)
        if self.limited.isChecked():
            found["range_"] = (self.lowest.value(), self.highest.value())
        if self.overwrite.currentData() != "none":
            found["overwrite"] = self.overwrite.currentData()
        return found

    def _tell(self) -> None:
        """A rule that is in force shows even while the section is folded."""
        count = len(self.values())
        self.header.set_count(tr("{count} in force").format(count=count) if count else "")
        self.changed.emit()

    def _number(self, value: float) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        box.setRange(*VALUES)
        box.setDecimals(0)
        box.setSingleStep(10)
        box.setValue(value)
        return box
