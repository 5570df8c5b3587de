"""What limits need to know of the patient: asked for, suggested by the images, confirmed by a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from PySide6.QtWidgets import QDoubleSpinBox, QFormLayout, QVBoxLayout, QWidget

from surgitwin.commands.properties import ConfirmPatient, Formula, LiverQuality
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.panels.parts import Choice, button, note_label
from surgitwin.scene.nodes import CaseNode


class PatientForm(QWidget):
    """Height, weight, liver tissue, formula, disease; nothing of it counts before it was confirmed."""

    def __init__(self, desk: Desk, confirmed: Callable[[], None]) -> None:
        super().__init__()
        self._desk, self._confirmed = desk, confirmed
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self.note = note_label("")
        column.addWidget(self.note)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        self.height_box = _number(40, 250, tr("cm"))
        self.weight_box = _number(2, 400, tr("kg"))
        self.quality = Choice()
        self.quality.addItem(tr("not said"), None)
        for quality in get_args(LiverQuality):
            self.quality.addItem(tr(quality), quality)
        self.formula = Choice()
        self.formula.addItem(tr("not chosen"), None)
        for formula in get_args(Formula):
            self.formula.addItem(formula.capitalize(), formula)
        form.addRow(tr("Height"), self.height_box)
        form.addRow(tr("Weight"), self.weight_box)
        form.addRow(tr("Liver tissue"), self.quality)
        form.addRow(tr("Standard volume by"), self.formula)
        self.disease = Choice()
        for title, disease in ((tr("not said"), None), (tr("HCC"), "hcc"), (tr("other"), "other")):
            self.disease.addItem(title, disease)
        form.addRow(tr("Operated for"), self.disease)
        self.icg_box = _number(0, 100, "%")
        form.addRow(tr("ICG-R15"), self.icg_box)
        column.addLayout(form)
        self.confirm_button = button(tr("Confirm"), self.confirm)
        column.addWidget(self.confirm_button)

    def confirm(self) -> None:
        """Take what is entered as confirmed by a person."""
        height, weight = self.height_box.value(), self.weight_box.value()
        given: dict[str, Any] = {"quality": self.quality.currentData(), "formula": self.formula.currentData()}
        if height > self.height_box.minimum():
            given["height"] = height
        if weight > self.weight_box.minimum():
            given["weight"] = weight
        given["disease"] = self.disease.currentData()
        if self.icg_box.value() > self.icg_box.minimum():
            given["icg_r15"] = self.icg_box.value()
        if self._desk.do_now(ConfirmPatient(**given)) is not None:
            self._confirmed()

    def show_case(self, case: CaseNode) -> None:
        suggested = []
        if case.height_cm is None and case.patient.height_cm:
            suggested.append(tr("{value:.0f} cm").format(value=case.patient.height_cm))
            self.height_box.setValue(case.patient.height_cm)
        if case.weight_kg is None and case.patient.weight_kg:
            suggested.append(tr("{value:.0f} kg").format(value=case.patient.weight_kg))
            self.weight_box.setValue(case.patient.weight_kg)
        if suggested:
            message = tr("The images suggest {values}. Check and confirm.")
            self.note.setText(message.format(values=", ".join(suggested)))
        elif case.height_cm is None or case.weight_kg is None:
            self.note.setText(tr("Without confirmed height and weight the limits are not assessed."))
        else:
            message = tr("Confirmed: {height:.0f} cm, {weight:.0f} kg.")
            self.note.setText(message.format(height=case.height_cm, weight=case.weight_kg))
            self.height_box.setValue(case.height_cm)
            self.weight_box.setValue(case.weight_kg)
        self.disease.setCurrentIndex(max(self.disease.findData(case.disease or None), 0))
        if case.icg_r15_percent is not None:
            self.icg_box.setValue(case.icg_r15_percent)
        self.quality.setCurrentIndex(max(self.quality.findData(case.liver_quality or None), 0))
        self.formula.setCurrentIndex(max(self.formula.findData(case.liver_formula or None), 0))


def _number(low: float, high: float, unit: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low - 1, high)
    box.setDecimals(0)
    box.setSpecialValueText(tr("not known"))
    box.setSuffix(f" {unit}")
    box.setValue(low - 1)
    return box
