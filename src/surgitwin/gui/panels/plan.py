"""Plan: one way to operate, its cuts, its numbers as a cut moves, their limits, and several plans side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDoubleSpinBox, QFormLayout, QHBoxLayout, QVBoxLayout, QWidget

from surgitwin.commands.plan_cuts import flipped, format_cut
from surgitwin.commands.planning import DuplicatePlan, Operation, PlanResection
from surgitwin.commands.properties import EditNode
from surgitwin.commands.segmenting import MakeSegment
from surgitwin.commands.segments import Unite
from surgitwin.commands.sensitivity import PlanSensitivity
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.live_plan import LivePlan, PlanNumbers
from surgitwin.gui.panels.cut_starts import CutStarts
from surgitwin.gui.panels.parts import Choice, NodeChoice, Offer, Panel, WarningList, button
from surgitwin.gui.panels.plan_cut_list import CutList
from surgitwin.gui.panels.plan_hepatectomy import HepatectomyBox
from surgitwin.gui.panels.plan_numbers import PlanNumbersView
from surgitwin.gui.panels.plan_patient import PatientForm
from surgitwin.gui.panels.plan_table import PlanTable
from surgitwin.gui.panels.sign_off import SignOffBox
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.cards import Status, StatusBadge
from surgitwin.render.twin import Span
from surgitwin.resection.hepatectomies import Hepatectomy
from surgitwin.scene.nodes import CutModel, PlaneModel, PlanNode, SegmentNode

DEFAULT_NORMAL = (-1.0, 0.0, 0.0)  # a new plane removes the patient's right side
EXACTNESS = {
    "planes": tr("While a plane moves every number without ≈ is exact."),
    "patch": tr("While a curved surface moves volumes are exact; margins are ≈ until the hand rests."),
    "curve": tr("A drawn line is cut as it was drawn; every number without ≈ is exact at rest."),
    "territories": tr("Territories are cut voxel by voxel; every number without ≈ is exact."),
    "wedge": tr("A wedge is cut voxel by voxel; every number without ≈ is exact."),
}
BESIDE_CURVED = tr("This plan also has a curved cut: while any cut moves, margins are ≈ until the hand rests.")
CURVED = ("patch", "curve")
NO_ORGANS = ("lesion", "body", "territory")


class PlanPanel(Panel):
    """Signals: the user wants the report or the plans side by side, or picked another plan."""

    report_wanted = Signal()
    side_by_side_wanted = Signal()
    plan_picked = Signal()

    def __init__(self, desk: Desk, theme: Theme, live: LivePlan, span_of: Callable[[SegmentNode], Span | None]) -> None:
        super().__init__(theme, tr("Plan"), tr("No plan yet"))
        self._desk = desk
        self._live = live
        self._span_of = span_of
        self.badge = StatusBadge(theme, Status.DRAFT)
        self.stale_badge = StatusBadge(theme, Status.STALE)
        badges = QHBoxLayout()
        badges.setSpacing(4)
        badges.addWidget(self.badge)
        badges.addWidget(self.stale_badge)
        badges.addStretch(1)
        self.column.addLayout(badges)
        self.about = self.note()
        self._choose_plan_and_organ()
        self._list_cuts()
        self.section(tr("Numbers"))
        self.numbers = PlanNumbersView(theme)
        self.add(self.numbers)
        self.exactness = self.note()
        self.warnings = WarningList(theme)
        self.add(self.warnings)
        self.sign_off = SignOffBox(theme, desk)
        self.add(self.sign_off)
        self.refusal = self.note("", "bad")
        self.refusal.hide()
        self._extras = QVBoxLayout()  # what other parts of the window add, such as the margin map
        self.column.addLayout(self._extras)
        self.patient_title = self.section(tr("Patient, for the limits"))
        self.patient = PatientForm(desk, self.again)
        self.add(self.patient)
        self._show_comparison(theme)
        self.column.addStretch(1)
        live.numbers_changed.connect(self.show_numbers)
        desk.session_changed.connect(lambda _: self.refresh())
        # Told after every change of the scene, too.
        desk.plan_changed.connect(lambda _: desk.unseen.refresh(self, self.refresh))
        self._say_exactness()
        self.refresh()
        self.show_numbers(PlanNumbers(None, False, False))

    def put_before_patient(self, *widgets: QWidget) -> None:
        """Add parts between the numbers and what is asked of the patient."""
        for widget in widgets:
            self._extras.addWidget(widget)

    def show_refusal(self, text: str) -> None:
        """Why the cut cannot be where the hand holds it; the plan keeps its last good state."""
        self.refusal.setText(f"⚠ {text}")
        self.refusal.show()

    @property
    def removed_card(self) -> QWidget:
        return self.numbers.removed_card

    @property
    def margin_card(self) -> QWidget:
        return self.numbers.margin_card

    # ---- what it is made of ------------------------------------------------------------------------------------

    def _choose_plan_and_organ(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        self.organ = NodeChoice()
        form.addRow(tr("Organ"), self.organ)
        self.plans = NodeChoice()
        self.plans.activated.connect(lambda _: self._pick_plan())
        form.addRow(tr("Plan"), self.plans)
        self.operation = Choice()
        self.operation.addItem(tr("not said"), None)
        for operation in get_args(Operation):
            self.operation.addItem(tr(operation), operation)
        self.operation.setToolTip(tr("Some limits were published for one kind of operation only"))
        self.operation.activated.connect(lambda _: self._say_operation())
        form.addRow(tr("Operation"), self.operation)
        self.wish = QDoubleSpinBox()
        self.wish.setRange(-1.0, 100.0)
        self.wish.setDecimals(0)
        self.wish.setSpecialValueText(tr("none"))
        self.wish.setSuffix(" mm")
        self.wish.setToolTip(tr("The margin you wish for; below 1 mm is always marked"))
        self.wish.editingFinished.connect(self._say_wish)
        form.addRow(tr("Wished margin"), self.wish)
        self._choices = form
        self.column.addLayout(form)
        self.new_button = button(tr("New plan"), self.new_plan, "primary", tr("Cut the chosen organ with a plane"))
        self.duplicate_button = button(tr("Duplicate"), self.duplicate, tip=tr("A second plan with the same cuts"))
        self.rename_button = button(tr("Rename"), self.rename)
        self.buttons(self.new_button, self.duplicate_button, self.rename_button)

    def _list_cuts(self) -> None:
        self.section(tr("Cuts"))
        self.hepatectomy = HepatectomyBox(self.cut_standard)
        self.add(self.hepatectomy)
        self.cuts = CutList()
        self.cuts.changed.connect(self._write_cuts)
        self.cuts.chosen.connect(lambda _: self._say_exactness())
        self.add(self.cuts)
        self.starts = CutStarts(self._desk, self.chosen_organ, self.add_cut)
        self.flip_button = button(tr("Other side"), self.flip, tip=tr("Remove the other side of the chosen cut"))
        self.buttons(self.starts.button, self.flip_button)
        self.add(self.starts)

    def _show_comparison(self, theme: Theme) -> None:
        self.compare_title = self.section(tr("Plans side by side"))
        self.table = PlanTable(theme)
        self.add(self.table)
        self.comparison_note = self.note(role="caution")
        self.again_button = button(tr("Plan again"), self.again, tip=tr("Compute a stale plan from what there is now"))
        self.side_button = button(tr("Side by side"), self.side_by_side_wanted.emit, tip=tr("Linked 3D views"))
        self.report_button = button(tr("Report"), self.report_wanted.emit)
        self.buttons(self.again_button, self.side_button, self.report_button)
        self.sensitivity_button = button(
            tr("Sensitivity"), self.test_sensitivity, tip=tr("Cut 5 mm off to either side, segments a voxel off")
        )
        self.buttons(self.sensitivity_button)
        self.sensitivity = self.note()

    # ---- what the user does ------------------------------------------------------------------------------------

    def new_plan(self) -> None:
        """A plane through the middle of the chosen organ."""
        organ = self.chosen_organ()
        if organ is None:
            return
        span = self._span_of(organ)
        point = span.centre if span is not None else self._desk.crosshair
        plane = PlaneModel(point_mm=point, normal=DEFAULT_NORMAL)
        self._desk.do(
            PlanResection(plan=self._free_name(), organ=organ.id, cut=(format_cut(CutModel(planes=(plane,))),))
        )

    def cut_standard(self, operation: Hepatectomy, segment_1: str, middle_vein: str | None) -> None:
        """A new plan for one of the standard operations."""
        organ = self.chosen_organ()
        if organ is not None:
            self._desk.do(
                PlanResection(
                    plan=self._free_name(operation.name),
                    organ=organ.id,
                    hepatectomy=operation.id,
                    segment_1=segment_1,
                    middle_hepatic_vein=middle_vein,
                )
            )

    def duplicate(self) -> None:
        if self._desk.plan is not None:
            self._desk.do(DuplicatePlan(plan=self._desk.plan.id))

    def rename(self) -> None:
        """Ask for another name, in the list of plans itself."""
        plan = self._desk.plan
        if plan is None:
            return
        self.plans.setEditable(True)
        field = self.plans.lineEdit()
        assert field is not None
        field.setText(plan.name)
        field.selectAll()
        field.setFocus()
        field.editingFinished.connect(self._renamed)

    def _renamed(self) -> None:
        plan, field = self._desk.plan, self.plans.lineEdit()
        if field is None:
            return
        name = field.text().strip()
        field.editingFinished.disconnect(self._renamed)
        self.plans.setEditable(False)
        if plan is not None and name and name != plan.name:
            self._desk.do(EditNode(node=plan.id, rename=name))

    def add_cut(self, cut: CutModel) -> None:
        """One more cut; what any cut removes goes. A plan is made if there is none yet."""
        plan = self._desk.plan
        if plan is not None:
            self._live.write(plan, (*plan.cuts, cut))
            return
        organ = self.chosen_organ()
        if organ is not None:
            self._desk.do(PlanResection(plan=self._free_name(), organ=organ.id, cut=(format_cut(cut),)))

    def flip(self) -> None:
        """Remove the other side of the chosen cut."""
        plan, number = self._desk.plan, self.cuts.current
        if plan is None or not 0 <= number < len(plan.cuts):
            return
        turned = flipped(plan.cuts[number])
        if turned is None:
            self._desk.say(tr("Only planes, curved surfaces and drawn lines have another side."), "caution")
            return
        self._write_cuts((*plan.cuts[:number], turned, *plan.cuts[number + 1 :]))

    def test_sensitivity(self) -> None:
        """How remnant and margin change when the cut or the segments are a little off."""
        if self._desk.plan is not None:
            self._desk.do(PlanSensitivity(plan=self._desk.plan.id))

    def _say_exactness(self) -> None:
        """What of the numbers is exact while the chosen cut moves."""
        plan, number = self._desk.plan, self.cuts.current
        cut = plan.cuts[number] if plan is not None and 0 <= number < len(plan.cuts) else None
        self.exactness.setText(exactness_text(plan.cuts, number) if plan is not None and cut is not None else "")
        self.exactness.setVisible(cut is not None)

    def again(self) -> None:
        plan = self._desk.plan
        if plan is not None:
            self._live.write(plan, plan.cuts)

    def _write_cuts(self, cuts: tuple[CutModel, ...]) -> None:
        if self._desk.plan is not None:
            self._live.write(self._desk.plan, cuts)

    def _say_operation(self) -> None:
        plan, said = self._desk.plan, self.operation.currentData()
        if plan is not None and said is not None and said != plan.operation:
            self._live.write(plan.model_copy(update={"operation": said}), plan.cuts)

    def _say_wish(self) -> None:
        plan = self._desk.plan
        wish = self.wish.value() if self.wish.value() > self.wish.minimum() else None
        if plan is not None and wish != plan.wish_mm:
            self._live.write(plan.model_copy(update={"wish_mm": wish}), plan.cuts)

    def _pick_plan(self) -> None:
        chosen = self.plans.node_id()
        if chosen is not None:
            self._desk.look_at_plan(NodeId(chosen))
            self.plan_picked.emit()

    def chosen_organ(self) -> SegmentNode | None:
        organ = self._desk.scene.get(self.organ.node_id(), SegmentNode)
        if organ is None:
            self._desk.say(tr("Make or add a segment of the organ first, then plan on it."), "caution")
        return organ

    def _free_name(self, wanted: str = "") -> str:
        """A name that no plan has: the one wanted, with a number if need be, or the next letter."""
        taken = {plan.name for plan in self._desk.scene.of_type(PlanNode)}
        if wanted:
            names = (wanted if k == 0 else f"{wanted} {k + 1}" for k in range(1000))
        else:
            names = (tr("Plan {letter}").format(letter=_letter(k)) for k in range(1000))
        return next(name for name in names if name not in taken)

    # ---- what it shows -----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        scene = self._desk.scene
        plan = self._desk.plan
        organs = [s for s in scene.of_type(SegmentNode) if s.kind not in NO_ORGANS]
        organs.sort(key=lambda segment: (segment.kind != "organ", segment.name.casefold()))
        self.organ.fill(list(organs))
        plans = scene.of_type(PlanNode)
        self.plans.fill(list(plans))
        if plan is not None:
            self.plans.choose(plan.id)
            self.organ.choose(plan.organ)
        self.title.setText(plan.name if plan is not None else tr("No plan yet"))
        self.badge.setVisible(plan is not None and plan.status == "draft")
        self.stale_badge.setVisible(plan is not None and scene.is_stale(plan))
        self.sign_off.show_node(plan)
        self.new_button.setEnabled(bool(organs))
        self.sensitivity.setText(sensitivity_text((plan.numbers or {}) if plan is not None else {}))
        self.sensitivity_button.setEnabled(plan is not None and plan.numbers is not None)
        for widget in (
            self.duplicate_button,
            self.rename_button,
            self.flip_button,
            self.again_button,
            self.report_button,
        ):
            widget.setEnabled(plan is not None)
        self.cuts.show_cuts(plan.cuts if plan is not None else ())
        wish = plan.wish_mm if plan is not None else None
        self.wish.setValue(self.wish.minimum() if wish is None else wish)
        self._refresh_liver(plan)
        counted = [one for one in plans if one.numbers is not None]
        self.compare_title.setVisible(len(counted) > 1)
        self.table.setVisible(len(counted) > 1)
        self.side_button.setEnabled(len(counted) > 1)
        if len(counted) > 1:
            self.comparison_note.setText("\n".join(self.table.show_plans(scene, counted)))
        self.comparison_note.setVisible(len(counted) > 1 and bool(self.comparison_note.text()))

    def _refresh_liver(self, plan: PlanNode | None) -> None:
        """What is shown for a liver only."""
        scene = self._desk.scene
        organ = scene.get(plan.organ if plan is not None else self.organ.node_id(), SegmentNode)
        liver = organ is not None and organ.term.casefold() == "liver"
        for widget in (self.patient_title, self.patient):
            widget.setVisible(liver and plan is not None)
        self.hepatectomy.setVisible(liver)
        self._choices.setRowVisible(self.operation, liver)
        said = plan.operation if plan is not None else ""
        self.operation.setCurrentIndex(max(self.operation.findData(said or None), 0))
        self.numbers.show_liver(liver)
        about = tr("Resection of {organ}").format(organ=organ.name) if organ is not None and plan is not None else ""
        self.about.setText(about)
        if liver:
            self.patient.show_case(scene.case)

    def show_numbers(self, numbers: PlanNumbers) -> None:
        """Fill the cards; called for every mouse event while a cut is dragged."""
        document = numbers.document
        self.refusal.hide()
        told = ((Status.APPROXIMATE, numbers.approximate), (Status.STALE, numbers.stale))
        statuses = tuple(status for status, holds in told if holds)
        plan = self._desk.plan
        self.numbers.show_document(document, statuses, plan.wish_mm if plan is not None else None)
        if document is None:
            self.warnings.show_warnings([])
        elif not numbers.moving:
            self.warnings.show_warnings([(w["message"], self._offer(w)) for w in document["warnings"]])

    def _offer(self, warning: dict[str, Any]) -> Offer | None:
        """What a warning offers: to add what lies outside the organ's label, never done unasked."""
        plan = self._desk.plan
        organ = self._desk.scene.get(plan.organ, SegmentNode) if plan is not None else None
        code, details = warning["code"], warning.get("details", {})
        if organ is None:
            return None
        title = tr("Add to {organ}").format(organ=organ.name)
        if code == "holes-in-organ":
            fill = MakeSegment(method="fill-holes", into=organ.id, onto=self._image_of(organ))
            return Offer(title, lambda: self._desk.do(fill))
        named = [s for s in self._desk.scene.of_type(SegmentNode) if s.name == details.get("segment")]
        lesion = code == "lesion-outside-organ"
        if len(named) != 1 or not (lesion or (code == "vessel-outside-organ" and details["surrounded_ml"] > 0)):
            return None
        unite = Unite(organ=organ.id, parts=(named[0].id,), surrounded_only=not lesion)
        return Offer(title if lesion else tr("Add the surrounded part"), lambda: self._desk.do(unite))

    def _image_of(self, organ: SegmentNode) -> NodeId | None:
        return self._desk.scene.segmentation_of(organ).volume


def exactness_text(cuts: Sequence[CutModel], number: int) -> str:
    """What is exact while cut ``number`` moves; other cuts that are on count, too: the margin is to all of them."""
    cut = cuts[number]
    if cut.kind not in CURVED and any(other.enabled and other.kind in CURVED for other in cuts):
        if cut.kind == "planes":
            return BESIDE_CURVED
        return f"{EXACTNESS[cut.kind]} {BESIDE_CURVED}"
    return EXACTNESS[cut.kind]


def sensitivity_text(numbers: dict[str, Any]) -> str:
    """One line for each change that was tested."""
    lines = []
    for entry in numbers.get("sensitivity") or ():
        remnant, margin = entry["remnant_percent"], entry["margin_mm"]
        shares = tr("remnant {percent:.1f} %").format(percent=remnant) if remnant is not None else tr("no percentage")
        margins = tr("margin {mm:.1f} mm").format(mm=margin) if margin is not None else tr("no margin")
        lines.append(f"{entry['label']}: {shares}, {margins}")
    return "\n".join(lines)


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number)
