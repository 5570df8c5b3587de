"""The cuts of a plan in their order: each on or off, moved, renamed, taken away; and how new ones begin."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.panels.parts import button, note_label
from surgitwin.scene.nodes import CutModel

ROW_HEIGHT = 26
MOST_ROWS = 6
_KINDS = {
    "planes": tr("Plane"),
    "patch": tr("Curved surface"),
    "curve": tr("Drawn line"),
    "territories": tr("Territories"),
    "wedge": tr("Wedge"),
}


class CutList(QWidget):
    """Signals: the cuts are to be these; the cut of this number was chosen."""

    changed = Signal(object)  # tuple of CutModel
    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._cuts: tuple[CutModel, ...] = ()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.empty = note_label(tr("No cut yet. Add one: nothing is removed until then."))
        column.addWidget(self.empty)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Cuts of the plan"))
        self.list.itemChanged.connect(self._edited)
        self.list.currentRowChanged.connect(self._choose)
        column.addWidget(self.list)
        row = QHBoxLayout()
        row.setSpacing(8)
        self.up = button(tr("Up"), lambda: self._move(-1), tip=tr("Earlier in the order"))
        self.down = button(tr("Down"), lambda: self._move(1), tip=tr("Later in the order"))
        self.remove = button(tr("Remove cut"), self._remove)
        for one in (self.up, self.down, self.remove):
            row.addWidget(one)
        row.addStretch(1)
        column.addLayout(row)

    @property
    def current(self) -> int:
        """The number of the chosen cut; -1 if there is none."""
        return self.list.currentRow()

    def show_cuts(self, cuts: tuple[CutModel, ...]) -> None:
        """List these cuts; the choice stays where it was as far as it can."""
        self.empty.setVisible(not cuts)
        self.list.setVisible(bool(cuts))
        if cuts != self._cuts or self.list.count() != len(cuts):
            grown = len(cuts) > len(self._cuts)
            before = len(cuts) - 1 if grown else min(max(self.current, 0), len(cuts) - 1)
            self._cuts = cuts
            self.list.blockSignals(True)
            self.list.clear()
            for number, cut in enumerate(cuts, start=1):
                item = QListWidgetItem(cut_title(cut, number))
                flags = item.flags() | Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEditable
                item.setFlags(flags)
                item.setCheckState(Qt.CheckState.Checked if cut.enabled else Qt.CheckState.Unchecked)
                item.setToolTip(tr("{kind}. Untick to leave it out, F2 to rename.").format(kind=_KINDS[cut.kind]))
                self.list.addItem(item)
            self.list.setCurrentRow(before)
            self.list.blockSignals(False)
            row = max(self.list.sizeHintForRow(0), ROW_HEIGHT)
            self.list.setFixedHeight(row * min(max(len(cuts), 1), MOST_ROWS) + 2 * self.list.frameWidth() + 4)
            self.chosen.emit(self.current)
        self._enable()

    def _enable(self) -> None:
        self.up.setEnabled(self.current > 0)
        self.down.setEnabled(0 <= self.current < len(self._cuts) - 1)
        self.remove.setEnabled(self.current >= 0)

    def _choose(self, row: int) -> None:
        self._enable()
        self.chosen.emit(row)

    def _edited(self, item: QListWidgetItem) -> None:
        row = self.list.row(item)
        cut = self._cuts[row]
        enabled = item.checkState() == Qt.CheckState.Checked
        title = item.text().strip()
        name = cut.name if title == cut_title(cut, row + 1) or not title else title
        self._emit(lambda cuts: cuts.__setitem__(row, cut.model_copy(update={"enabled": enabled, "name": name})))

    def _move(self, step: int) -> None:
        row = self.current
        if 0 <= row + step < len(self._cuts):
            self._emit(lambda cuts: cuts.insert(row + step, cuts.pop(row)))
            self.list.setCurrentRow(row + step)

    def _remove(self) -> None:
        row = self.current
        if row >= 0:
            self._emit(lambda cuts: cuts.pop(row))

    def _emit(self, edit: Callable[[list[CutModel]], object]) -> None:
        cuts = list(self._cuts)
        edit(cuts)
        if tuple(cuts) != self._cuts:
            self.changed.emit(tuple(cuts))


def cut_title(cut: CutModel, number: int) -> str:
    """What a cut is called: its own name, or its place and kind."""
    if cut.name:
        return cut.name
    if cut.kind == "planes" and len(cut.planes) != 1:
        return tr("Cut {number}: {count} planes").format(number=number, count=len(cut.planes))
    return tr("Cut {number}: {kind}").format(number=number, kind=_KINDS[cut.kind].lower())
