"""Landmarks for implants: marked at the crosshair, paired with an implant's own points, and what they make possible."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from surgitwin.commands.marking import MarkPlace
from surgitwin.commands.properties import RemoveNode
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.panels.parts import (
    USER_ROLE,
    Choice,
    NodeChoice,
    button,
    button_row,
    note_label,
    plain_form,
)
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.sections import Section
from surgitwin.scene.nodes import ImplantNode, LandmarkNode

LEAST_PAIRS = 3
ROWS = 5


class FitLandmarks(QWidget):
    """Signals: the implant is to be moved, ``icp`` or ``landmarks``, and measured there."""

    register_wanted = Signal(str)

    def __init__(self, desk: Desk, theme: Theme) -> None:
        super().__init__()
        self._desk = desk
        self._points: dict[str, NodeChoice] = {}
        self._listed: list[tuple[str, NodeId, str]] = []
        self._has_bone = False
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.marks = Section(theme, tr("Landmarks"), opened=False)
        self.registration = Section(theme, tr("Move it by registration"), opened=False)
        column.addWidget(self.marks)
        column.addWidget(self.registration)
        self._build_marks()
        self._build_registration()

    def _build_marks(self) -> None:
        form = plain_form()
        self.name = Choice()
        self.name.setEditable(True)
        self.name.setInsertPolicy(Choice.InsertPolicy.NoInsert)
        self.name.setAccessibleName(tr("Name of the landmark"))
        form.addRow(tr("Name"), self.name)
        self.marks.body.addLayout(form)
        self.mark_button = button(
            tr("Mark at the crosshair"), self.mark, tip=tr("A landmark of that name that is there is moved")
        )
        self.marks.body.addLayout(button_row(self.mark_button))
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Landmarks"))
        self.list.itemDoubleClicked.connect(lambda _: self.jump())
        self.marks.body.addWidget(self.list)
        self.marks.body.addLayout(
            button_row(
                button(tr("Go to"), self.jump, tip=tr("Bring the crosshair there")),
                button(tr("Remove"), self.remove, tip=tr("Take the landmark out of the case")),
            )
        )
        self.pelvis = note_label()
        self.marks.body.addWidget(self.pelvis)

    def _build_registration(self) -> None:
        self.surface_button = button(
            tr("Fit to surface (ICP)"),
            lambda: self.register_wanted.emit("icp"),
            tip=tr("Move it until its surface rests on the other one, and measure it there"),
        )
        self.landmark_button = button(
            tr("Fit by landmarks"),
            lambda: self.register_wanted.emit("landmarks"),
            tip=tr("Move its points onto their landmarks, three or more, and measure it there"),
        )
        body = self.registration.body
        self.about = note_label()
        body.addWidget(self.about)
        self._pairs = plain_form(wrap=True)
        body.addLayout(self._pairs)
        body.addLayout(button_row(self.surface_button, self.landmark_button))

    # ---- what is chosen ----------------------------------------------------------------------------------------

    @property
    def pairs(self) -> dict[str, NodeId]:
        """The landmark of each of the implant's points that has one."""
        chosen = {name: choice.node_id() for name, choice in self._points.items()}
        return {name: mark for name, mark in chosen.items() if mark is not None}

    @property
    def points(self) -> dict[str, NodeChoice]:
        """The choice of a landmark for each of the implant's points."""
        return dict(self._points)

    # ---- what the user does ------------------------------------------------------------------------------------

    def mark(self) -> None:
        """Put a landmark at the crosshair."""
        from surgitwin.commands.base import build
        from surgitwin.core.errors import SurgitwinError

        x, y, z = self._desk.crosshair
        try:
            command = build(MarkPlace, {"name": self.name.currentText(), "at": f"{x!r},{y!r},{z!r}"})
        except SurgitwinError as error:
            self._desk.report(error)
            return
        self._desk.do(command, self._marked)

    def _marked(self, document: dict[str, Any]) -> None:
        """Offer the next one of the pelvis."""
        missing = self._missing()
        if missing:
            self.name.setCurrentText(missing[0])

    def jump(self) -> None:
        node = self._selected()
        if node is not None:
            self._desk.move_crosshair(node.position_mm)

    def remove(self) -> None:
        node = self._selected()
        if node is not None:
            self._desk.do(RemoveNode(node=node.id))

    def _selected(self) -> LandmarkNode | None:
        row = self.list.currentRow()
        return self._desk.scene.get(NodeId(self.list.item(row).data(USER_ROLE)), LandmarkNode) if row >= 0 else None

    # ---- what it shows -----------------------------------------------------------------------------------------

    def refresh(self, node: ImplantNode | None) -> None:
        """Show the landmarks of the case and the points of the chosen implant."""
        marks = self._desk.scene.of_type(LandmarkNode)
        self._fill_list(list(marks))
        self._fill_names([one.name for one in marks])
        missing = self._missing()
        self.pelvis.setText(
            tr("The anterior pelvic plane is known: all four of its landmarks are there.")
            if not missing
            else tr("For the anterior pelvic plane these are missing: {names}.").format(names=", ".join(missing))
        )
        points = () if node is None else tuple(node.item.reference_points_mm)
        if points != tuple(self._points):
            while self._pairs.rowCount():
                self._pairs.removeRow(0)
            self._points = {name: NodeChoice() for name in points}
            for name, choice in self._points.items():
                choice.activated.connect(lambda _: self._show_ready())
                self._pairs.addRow(name.replace("_", " "), choice)
        for choice in self._points.values():
            choice.fill(list(marks), none=tr("No landmark"))
        self._has_bone = node is not None and node.onto is not None
        self._show_ready()

    def _show_ready(self) -> None:
        self.surface_button.setEnabled(self._has_bone)
        self.landmark_button.setEnabled(self._has_bone and len(self.pairs) >= LEAST_PAIRS)
        count = len(self._points)
        if count < LEAST_PAIRS:
            text = tr(
                "This implant names {count} of its points; with three or more it can be fitted by landmarks. Those "
                "that have one are checked after it is fitted to a surface."
            )
        else:
            text = tr(
                "Choose the landmark of each of its points: three or more move it; after it is fitted to a surface "
                "they are the check."
            )
        self.about.setText(text.format(count=count))

    def _missing(self) -> list[str]:
        from surgitwin.implants.cup import LANDMARKS

        there = {one.name.casefold() for one in self._desk.scene.of_type(LandmarkNode)}
        return [name for name in LANDMARKS if name not in there]

    def _fill_names(self, known: list[str]) -> None:
        from surgitwin.implants.cup import LANDMARKS

        wanted = list(dict.fromkeys([*LANDMARKS, *known]))
        if wanted != [self.name.itemText(row) for row in range(self.name.count())]:
            typed = self.name.currentText()
            self.name.clear()
            self.name.addItems(wanted)
            self.name.setCurrentText(typed or wanted[0])

    def _fill_list(self, marks: list[LandmarkNode]) -> None:
        wanted = [(one.name, one.id, _place(one)) for one in marks]
        if wanted == self._listed:
            return
        self._listed = wanted
        kept = self.list.currentRow()
        self.list.clear()
        for text, node_id, place in wanted:
            item = QListWidgetItem(text)
            item.setData(USER_ROLE, node_id)
            item.setToolTip(place)
            self.list.addItem(item)
        self.list.setCurrentRow(min(kept, self.list.count() - 1))
        self.list.setVisible(bool(wanted))
        rows = min(max(self.list.count(), 1), ROWS)
        height = max(self.list.sizeHintForRow(0), 20)
        self.list.setFixedHeight(height * rows + 2 * self.list.frameWidth() + 2)


def _place(mark: LandmarkNode) -> str:
    x, y, z = mark.position_mm
    return tr("L {x:.1f}, P {y:.1f}, S {z:.1f} mm").format(x=x, y=y, z=z)
