"""How the chosen implant fits where the hand has it: four numbers, and the colours in 3D with their scale."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.fit_tints import Tinting
from surgitwin.gui.implant_hand import FitShown
from surgitwin.gui.panels.parts import Choice, note_label, number_box, plain_form
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.cards import DecisionCard, Status
from surgitwin.gui.widgets.scale_bar import ScaleBar

HOW = (
    ("distance", tr("Signed distance")),
    ("classes", tr("By tolerance")),
    ("none", tr("Off")),
)
WHERE = (("both", tr("Implant and bone")), ("implant", tr("The implant")), ("bone", tr("The bone")))


class FitNumbers(QWidget):
    """Signals: other colours are wanted."""

    tinting_changed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        grid = QGridLayout()
        grid.setSpacing(8)
        self.contact = DecisionCard(theme, tr("Contact"))
        self.gap = DecisionCard(theme, tr("Gap"))
        self.penetration = DecisionCard(theme, tr("Deepest inside"))
        self.share = DecisionCard(theme, tr("Area inside"))
        for number, card in enumerate((self.contact, self.gap, self.penetration, self.share)):
            grid.addWidget(card, number // 2, number % 2)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        column.addLayout(grid)
        self.note = note_label()
        column.addWidget(self.note)
        self._form = form = plain_form()
        self.how, self.where = Choice(), Choice()
        for choice, entries in ((self.how, HOW), (self.where, WHERE)):
            for name, title in entries:
                choice.addItem(title, name)
            choice.activated.connect(lambda _: self._recolour())
        self.range_mm = number_box(3.0, 0.5, 10.0, " mm")
        self.range_mm.setToolTip(tr("The distance at both ends of the scale; bone further away is not coloured"))
        self.range_mm.valueChanged.connect(lambda _: self._recolour())
        form.addRow(tr("Colours"), self.how)
        form.addRow(tr("On"), self.where)
        form.addRow(tr("Up to ±"), self.range_mm)
        column.addLayout(form)
        self.bar = ScaleBar(theme)
        column.addWidget(self.bar)
        self._tolerance_mm = 1.0
        self._recolour()

    @property
    def tinting(self) -> Tinting:
        """How the fit is coloured."""
        return Tinting(self.how.currentData(), self.where.currentData(), self.range_mm.value())

    def set_tolerance(self, tolerance_mm: float) -> None:
        """Mark another tolerance."""
        if tolerance_mm != self._tolerance_mm:
            self._tolerance_mm = tolerance_mm
            self.bar.show_scale(self.tinting.scale(tolerance_mm))

    def show_fit(self, shown: FitShown) -> None:
        """Show the numbers; ≈ while the hand moves it."""
        fit = shown.fit
        statuses = (Status.APPROXIMATE,) if shown.moving else ()
        _show(self.contact, None if fit is None else fit.contact_percent, "%", statuses, 0)
        gap = None if fit is None else fit.gap_mm
        _show(self.gap, None if gap is None else gap.mean, "mm", statuses, detail=_spread(gap))
        deep = None if fit is None else fit.penetration_mm
        _show(self.penetration, None if deep is None else deep.max, "mm", statuses, detail=_deep(deep))
        _show(self.share, None if fit is None else fit.inside_percent, "%", statuses)
        if shown.waiting:
            self.note.setText(tr("Measuring how it fits on {name} …").format(name=shown.onto))
        elif shown.refused:
            self.note.setText(shown.refused)
        elif fit is None or shown.live is None:
            self.note.setText(tr("Choose what it is fitted to, and how it fits is measured."))
        else:
            text = tr("On {name}; contact is within {mm:.1f} mm on either side of its surface.")
            self.note.setText(text.format(name=shown.onto, mm=shown.live.tolerance_mm))

    def _recolour(self) -> None:
        scale = self.tinting.scale(self._tolerance_mm)
        self.bar.show_scale(scale)
        self.bar.setVisible(scale is not None)
        self._form.setRowVisible(self.where, scale is not None)
        self._form.setRowVisible(self.range_mm, self.tinting.how == "distance")
        self.tinting_changed.emit()


def _show(
    card: DecisionCard,
    value: float | None,
    unit: str,
    statuses: tuple[Status, ...],
    digits: int = 1,
    detail: str = "",
) -> None:
    card.set_value(None if value is None else f"{value:.{digits}f}", unit, detail, statuses)


def _spread(gap: Any) -> str:
    if gap is not None and gap.max == 0:
        return tr("all that faces it is inside")
    return "" if gap is None else tr("p95 {p95:.1f}, most {most:.1f}").format(p95=gap.p95, most=gap.max)


def _deep(deep: Any) -> str:
    return "" if deep is None else tr("mean {mean:.1f}").format(mean=deep.mean)
