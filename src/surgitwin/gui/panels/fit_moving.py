"""Moving the chosen implant by steps, by what it may do, onto its surface, and to the patient's other side."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.panels.parts import Choice, NodePicks, button, button_row, note_label, number_box, plain_form
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.sections import Section
from surgitwin.scene.nodes import ImplantNode, LandmarkNode
from surgitwin.scene.scene import Scene

CONSTRAINTS = (
    ("free", tr("Free")),
    ("slide", tr("Slide along its axis")),
    ("turn", tr("Turn about its axis")),
)
ACROSS = (("image", tr("Image's middle")), ("landmarks", tr("Landmarks")))
LEAST_MARKS = 3


class FitMoving(Section):
    """Signals: fields of the command that moves the implant; what it may do, or by which steps, has changed."""

    wanted = Signal(dict)
    constraint_changed = Signal()
    steps_changed = Signal()
    crosshair_wanted = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, tr("Move"))
        form = plain_form()
        self.constraint = Choice()
        for name, title in CONSTRAINTS:
            self.constraint.addItem(title, name)
        self.constraint.activated.connect(lambda _: self.constraint_changed.emit())
        form.addRow(tr("May"), self.constraint)
        self.step_mm, self.step_deg = number_box(0.5, 0.1, 20.0, " mm"), number_box(1.0, 0.1, 45.0, " °")
        for box in (self.step_mm, self.step_deg):
            box.valueChanged.connect(lambda _: self.steps_changed.emit())
        form.addRow(tr("Step"), self.step_mm)
        form.addRow(tr("Turn step"), self.step_deg)
        self.mirrored = QCheckBox(tr("Mirror image of the library's"))
        self.mirrored.clicked.connect(lambda on: self.wanted.emit({"mirrored": bool(on)}))
        form.addRow(self.mirrored)
        self.body.addLayout(form)
        self.body.addLayout(
            button_row(
                button(tr("− slide"), lambda: self._slide(-1), tip=tr("Back along its main axis by a step")),
                button(tr("+ slide"), lambda: self._slide(1), tip=tr("On along its main axis by a step")),
                button(tr("− turn"), lambda: self._turn(-1), tip=tr("Turn about its main axis by a step")),
                button(tr("+ turn"), lambda: self._turn(1), tip=tr("Turn about its main axis by a step")),
            )
        )
        self.snap_button = button(
            tr("Lay on surface"),
            lambda: self.wanted.emit({"snap": True}),
            tip=tr("Onto the nearest place of the surface, along its normal"),
        )
        to_crosshair = button(
            tr("To the crosshair"), self.crosshair_wanted.emit, tip=tr("Its entry or centre to the crosshair")
        )
        self.body.addLayout(button_row(self.snap_button, to_crosshair))
        self._build_other_side()
        self.body.addWidget(
            note_label(
                tr(
                    "Drag it or its ring in a slice; drag it, an arrow or a ring in 3D (Ctrl: tumble). "
                    "Alt+arrow keys move it by a step in a slice, with Shift they turn it."
                )
            )
        )

    def _build_other_side(self) -> None:
        form = plain_form()
        self.across = Choice()
        for name, title in ACROSS:
            self.across.addItem(title, name)
        self.across.activated.connect(lambda _: self._show_across())
        form.addRow(tr("Mirror across"), self.across)
        self.body.addLayout(form)
        self._other = QWidget()
        column = QVBoxLayout(self._other)
        column.setContentsMargins(0, 0, 0, 0)
        self.marks = NodePicks()
        self.marks.setAccessibleName(tr("Landmarks of the middle plane"))
        self.marks.changed.connect(self._show_across)
        self.across_note = note_label()
        column.addWidget(self.marks)
        column.addWidget(self.across_note)
        self.body.addWidget(self._other)
        self.other_side = button(
            tr("To the other side"), self._to_other_side, tip=tr("Mirror it, and its place, across this plane")
        )
        self.body.addLayout(button_row(self.other_side))
        self._show_across()

    def refresh(self, scene: Scene, node: ImplantNode) -> None:
        """Show what the chosen implant can do in this case."""
        self.mirrored.setChecked(node.mirrored)
        self.snap_button.setEnabled(node.onto is not None)
        self.marks.fill(list(scene.of_type(LandmarkNode)))
        self._show_across()

    def _slide(self, sign: int) -> None:
        self.wanted.emit({"slide": sign * self.step_mm.value()})

    def _turn(self, sign: int) -> None:
        self.wanted.emit({"turn": sign * self.step_deg.value()})

    def _to_other_side(self) -> None:
        by_marks = self.across.currentData() == "landmarks"
        self.wanted.emit({"across": ",".join(self.marks.node_ids()) if by_marks else "image"})

    def _show_across(self) -> None:
        by_marks = self.across.currentData() == "landmarks"
        self._other.setVisible(by_marks)
        self.marks.setVisible(self.marks.count() > 0)
        ticked = len(self.marks.node_ids())
        self.other_side.setEnabled(not by_marks or ticked >= LEAST_MARKS)
        self.across_note.setText(
            tr("{count} of the middle plane's landmarks ticked; three or more are needed, not on one line.").format(
                count=ticked
            )
            if self.marks.count()
            else tr("No landmarks yet: mark three or more of the middle plane, below “Landmarks”.")
        )
