"""What a fit is measured against and by which rules: the options of the fit command, as the window offers them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from surgitwin.commands.fit_screws import is_pedicle_screw
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.gui.implant_hand import FitAsked
from surgitwin.gui.panels.parts import Choice, NodeChoice, NodePicks, note_label, number_box, plain_form
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.sections import Section
from surgitwin.scene.nodes import ImplantNode, Node, SegmentNode, SurfaceNode
from surgitwin.scene.scene import Scene

SIDES = (("", tr("Not said")), ("left", tr("Left")), ("right", tr("Right")))
SURFACES = (("facing", tr("Facing the bone")), ("all", tr("All of it")))


class FitConditions(QWidget):
    """Structures near the implant, the side of a hip, the tolerance and what belongs to it.

    Signals
    -------
    asked_changed
        The fit is to be measured anew while it moves.
    side_changed
        The hip is another one.
    """

    asked_changed = Signal()
    side_changed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self._side_form = plain_form()
        self.side = Choice()
        for name, title in SIDES:
            self.side.addItem(title, name)
        self.side.activated.connect(lambda _: self.side_changed.emit())
        self._side_form.addRow(tr("Hip"), self.side)
        column.addLayout(self._side_form)
        self.near = Section(theme, tr("Structures near it"), opened=False)
        self._build_near()
        column.addWidget(self.near)
        self.rules = Section(theme, tr("How it is measured"), opened=False)
        self._build_rules()
        column.addWidget(self.rules)

    def _build_near(self) -> None:
        form = plain_form()
        self.canal = NodeChoice()
        self.canal.setToolTip(tr("How far it is; and medial, of a screw that breaches, is towards it"))
        self.canal.activated.connect(lambda _: self._show_count())
        form.addRow(tr("Spinal canal"), self.canal)
        self.near.body.addLayout(form)
        self.vessels, self.avoid = NodePicks(), NodePicks()
        for picks, title in ((self.vessels, tr("Vessels")), (self.avoid, tr("Keep clear of"))):
            self.near.body.addWidget(note_label(title))
            picks.setAccessibleName(title)
            picks.changed.connect(self._show_count)
            self.near.body.addWidget(picks)

    def _build_rules(self) -> None:
        form = self._rules_form = plain_form(wrap=True)
        self.tolerance_mm = number_box(1.0, 0.1, 10.0, " mm")
        self.tolerance_mm.setToolTip(tr("What counts as contact, on either side of the surface"))
        self.reach_mm = number_box(5.0, 0.5, 50.0, " mm")
        self.reach_mm.setToolTip(tr("How far bone counts: wider gaps have no volume"))
        self.surface = Choice()
        for name, title in SURFACES:
            self.surface.addItem(title, name)
        for box in (self.tolerance_mm, self.reach_mm):
            box.valueChanged.connect(lambda _: self.asked_changed.emit())
        self.surface.activated.connect(lambda _: self.asked_changed.emit())
        form.addRow(tr("Tolerance"), self.tolerance_mm)
        form.addRow(tr("Reach"), self.reach_mm)
        form.addRow(tr("Fitting surface"), self.surface)
        self.own_pedicle = QCheckBox(tr("I say where the pedicle is"))
        self.own_pedicle.setToolTip(tr("Otherwise it is looked for along the screw"))
        self.own_pedicle.toggled.connect(lambda _: self._show_pedicle())
        self.pedicle_from = number_box(10.0, 0.0, 150.0, " mm")
        self.pedicle_to = number_box(20.0, 0.0, 150.0, " mm")
        form.addRow(self.own_pedicle)
        form.addRow(tr("From the entry"), self.pedicle_from)
        form.addRow(tr("to"), self.pedicle_to)
        self.rules.body.addLayout(form)
        self._screw = False
        self._show_pedicle()

    # ---- what is asked -----------------------------------------------------------------------------------------

    @property
    def asked(self) -> FitAsked:
        """What the live fit needs of it."""
        return FitAsked(self.tolerance_mm.value(), self.reach_mm.value(), self.surface.currentData())

    def fit_values(self, node: ImplantNode) -> dict[str, Any]:
        """The fields of the fit command for an implant."""
        values: dict[str, Any] = {
            "implant": node.id,
            "avoid": tuple(self.avoid.node_ids()),
            "vessel": tuple(self.vessels.node_ids()),
            "canal": self.canal.node_id(),
            **vars(self.asked),
        }
        if node.item.kind == "cup" and self.side.currentData():
            values["side"] = self.side.currentData()
        if is_pedicle_screw(node.item) and self.own_pedicle.isChecked():
            values["pedicle"] = (self.pedicle_from.value(), self.pedicle_to.value())
        return values

    def sweep_values(self) -> dict[str, Any]:
        """The fields of the command that compares sizes."""
        return {"avoid": tuple(self.avoid.node_ids()), "tolerance_mm": self.tolerance_mm.value()}

    # ---- what it shows -----------------------------------------------------------------------------------------

    def refresh(self, scene: Scene, node: ImplantNode) -> None:
        """Offer the structures that there are, and what belongs to this kind of implant."""
        loose = [one for one in scene.of_type(SurfaceNode) if one.segment is None]
        others: list[Node] = [one for one in (*scene.of_type(SegmentNode), *loose) if one.id != node.onto]
        self.avoid.fill(others)
        self.vessels.fill(others)
        self.canal.fill(others, none=tr("Not chosen"))
        self._side_form.setRowVisible(self.side, node.item.kind == "cup")
        if is_pedicle_screw(node.item) and not self._screw:
            self.near.set_opened(True)  # its canal and vessels are not assessed unless they are chosen
        self._screw = is_pedicle_screw(node.item)
        self._show_count()
        self._rules_form.setRowVisible(self.own_pedicle, self._screw)
        self._show_pedicle()

    def take_settings(self, scene: Scene, settings: Mapping[str, Any]) -> None:
        """Choose what a kept fit was measured with."""
        known = {key: one.id for one in scene for key in (one.id, one.name.casefold())}

        def ids(names: Iterable[str]) -> list[NodeId]:
            return [known[key] for name in names for key in (name, name.casefold()) if key in known]

        self.avoid.choose(ids(settings.get("avoid", ())))
        self.vessels.choose(ids(settings.get("vessel", ())))
        self.canal.choose(next(iter(ids([settings.get("canal", "")])), ""))
        self.side.setCurrentIndex(max(self.side.findData(settings.get("side", "")), 0))
        pedicle = settings.get("pedicle")
        self.own_pedicle.setChecked(pedicle is not None)
        if pedicle is not None:
            self.pedicle_from.setValue(pedicle[0])
            self.pedicle_to.setValue(pedicle[1])
        self.tolerance_mm.setValue(settings.get("tolerance_mm", 1.0))
        self.reach_mm.setValue(settings.get("reach_mm", 5.0))
        self.surface.setCurrentIndex(max(self.surface.findData(settings.get("surface", "facing")), 0))
        self.asked_changed.emit()

    def forget_implant(self) -> None:
        """Another implant: what holds for one of them only is not carried over to it."""
        self.side.setCurrentIndex(0)
        self.own_pedicle.setChecked(False)

    def _show_count(self) -> None:
        chosen = {*self.avoid.node_ids(), *self.vessels.node_ids(), self.canal.node_id()} - {None}
        self.near.header.set_count(tr("{count} chosen").format(count=len(chosen)) if chosen else "")

    def _show_pedicle(self) -> None:
        own = self._screw and self.own_pedicle.isChecked()
        for box in (self.pedicle_from, self.pedicle_to):
            self._rules_form.setRowVisible(box, own)
