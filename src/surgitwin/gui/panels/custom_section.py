"""Parts made for this patient, in the Fit panel: a skull patch, a plate on painted bone, a cutting guide."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox, QFormLayout

from surgitwin.commands.base import build
from surgitwin.commands.custom_implants import MakeCustomImplant
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.panels.parts import Choice, NodeChoice, Offer, WarningList, button, note_label, number_box
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.sections import Section
from surgitwin.scene.nodes import Node, PlanNode, SegmentNode, SurfaceNode

PATCH, PLATE, GUIDE = "patch", "plate", "guide"
KINDS = ((PATCH, tr("Skull patch")), (PLATE, tr("Plate on painted bone")), (GUIDE, tr("Cutting guide")))
# The lengths that people change: name, title, usual value, least, most, digits; the usual ones are the command's.
LENGTHS: dict[str, tuple[tuple[str, str, float, float, float, int], ...]] = {
    PATCH: (
        ("gap_mm", tr("Gap to the bone"), 0.5, 0.0, 5.0, 1),
        ("thinnest_mm", tr("At least so thick"), 2.0, 0.5, 10.0, 1),
        ("hole_mm", tr("Perforations, 0: none"), 0.0, 0.0, 10.0, 1),
    ),
    PLATE: (
        ("thickness_mm", tr("Thickness"), 2.0, 0.5, 10.0, 1),
        ("gap_mm", tr("Gap to the bone"), 0.2, 0.0, 5.0, 1),
        ("hole_mm", tr("Screw holes"), 2.7, 0.0, 10.0, 1),
        ("holes", tr("How many holes"), 4, 0, 30, 0),
    ),
    GUIDE: (
        ("slot_mm", tr("Saw blade with its play"), 1.2, 0.3, 5.0, 1),
        ("clearance_mm", tr("Clearance to the bone"), 0.2, 0.0, 3.0, 1),
        ("pin_mm", tr("Pin holes, 0: none"), 2.0, 0.0, 8.0, 1),
    ),
}


class CustomSection(Section):
    """Signals: the id of the part that was made."""

    made = Signal(str)

    def __init__(self, desk: Desk, theme: Theme) -> None:
        super().__init__(theme, tr("Made for this patient"), opened=False)
        self._desk = desk
        self.body.addWidget(note_label(tr("Planning models, not for use in a patient; the words are engraved.")))
        self._form = QFormLayout()
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self.kind = Choice()
        for name, title in KINDS:
            self.kind.addItem(title, name)
        self.kind.activated.connect(lambda _: self._show_kind())
        self.bone, self.patch, self.plan = NodeChoice(), NodeChoice(), NodeChoice()
        self._form.addRow(tr("Part"), self.kind)
        self._form.addRow(tr("Bone"), self.bone)
        self._form.addRow(tr("Painted place"), self.patch)
        self._form.addRow(tr("Plan with the cut"), self.plan)
        self.lengths: dict[str, dict[str, QDoubleSpinBox]] = {name: self._lengths(name) for name, _ in KINDS}
        self.here = QCheckBox(tr("At the crosshair"))
        self._form.addRow("", self.here)
        self.body.addLayout(self._form)
        self.make_button = button(tr("Make"), self.make, tip=tr("As one step that can be undone"))
        self.body.addWidget(self.make_button)
        self.told = note_label()
        self.body.addWidget(self.told)
        self.warnings = WarningList(theme)
        self.body.addWidget(self.warnings)
        self.warnings.hide()
        self.told.hide()
        self._show_kind()

    def _lengths(self, kind: str) -> dict[str, QDoubleSpinBox]:
        boxes: dict[str, QDoubleSpinBox] = {}
        for name, title, usual, low, high, digits in LENGTHS[kind]:
            box = number_box(usual, low, high, " mm" if digits else "", digits=digits, name=title)
            self._form.addRow(title, box)
            boxes[name] = box
        return boxes

    @property
    def chosen(self) -> str:
        return str(self.kind.currentData())

    def _show_kind(self) -> None:
        for name, boxes in self.lengths.items():
            for box in boxes.values():
                self._form.setRowVisible(box, name == self.chosen)
        self._form.setRowVisible(self.patch, self.chosen == PLATE)
        self._form.setRowVisible(self.plan, self.chosen == GUIDE)
        self._form.setRowVisible(self.here, self.chosen != PLATE)
        tips = {
            PATCH: tr("The defect nearest to the crosshair; off: the largest"),
            GUIDE: tr("Where the cut meets the bone nearest to the crosshair; off: its middle"),
        }
        self.here.setToolTip(tips.get(self.chosen, ""))

    def refresh(self) -> None:
        """Offer what there is now."""
        scene = self._desk.scene
        segments: list[Node] = list(scene.of_type(SegmentNode))
        loose = [surface for surface in scene.of_type(SurfaceNode) if surface.segment is None]
        self.bone.fill([*segments, *loose])
        self.patch.fill(segments)
        self.plan.fill([plan for plan in scene.of_type(PlanNode) if any(cut.planes for cut in plan.cuts)])
        self.make_button.setEnabled(bool(segments or loose))

    def make(self) -> None:
        """Start the work."""
        values: dict[str, Any] = {"kind": self.chosen, "of": self.bone.node_id()}
        values["settings"] = {name: box.value() for name, box in self.lengths[self.chosen].items()}
        if self.chosen == PLATE:
            values["patch"] = self.patch.node_id()
        if self.chosen == GUIDE:
            if self.plan.node_id() is None:
                self._desk.say(tr("A guide carries the plane of a plan: make one with a plane first."), "caution")
                return
            values["plan"] = self.plan.node_id()
        if self.chosen != PLATE and self.here.isChecked():
            values["at"] = ",".join(f"{value:.3f}" for value in self._desk.crosshair)
        try:
            command = build(MakeCustomImplant, values)
        except SurgitwinError as error:
            self._desk.report(error)
            return
        self.warnings.hide()
        self.told.hide()
        self._desk.do(command, self._done)

    def _done(self, document: dict[str, Any]) -> None:
        found: list[tuple[str, Offer | None]] = [(warning["message"], None) for warning in document["warnings"]]
        self.warnings.show_warnings(found)
        self.warnings.setVisible(bool(found))
        text = tr("{name}: {ml:.1f} ml, closed. {note}")
        self.told.setText(text.format(name=document["node"]["name"], ml=document["volume_ml"], note=document["note"]))
        self.told.show()
        self.made.emit(str(document["node"]["id"]))
