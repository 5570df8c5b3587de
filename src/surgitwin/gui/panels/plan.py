"""Plan: one way to operate, its numbers as the cut moves, their limits, and several plans side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from surgitwin.commands.comparing import compare_document, margin_band, smallest_margin
from surgitwin.commands.plan_cuts import format_plane
from surgitwin.commands.planning import Operation, PlanResection
from surgitwin.commands.properties import ConfirmPatient, Formula, LiverQuality
from surgitwin.commands.segmenting import MakeSegment
from surgitwin.commands.segments import Unite
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.live_plan import LivePlan, PlanNumbers
from surgitwin.gui.panels.parts import Choice, NodeChoice, Offer, Panel, WarningList, button, grouped, value_row
from surgitwin.gui.panels.sign_off import SignOffBox
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.cards import DecisionCard, Status, StatusBadge, Verdict
from surgitwin.render.twin import Span
from surgitwin.scene.nodes import CutModel, PlaneModel, PlanNode, SegmentNode

SHORT = {
    tr("Remnant, share of the organ"): tr("Share"),
    tr("Future liver remnant (FLR)"): tr("FLR"),
    tr("FLR, tumour-free"): tr("FLR t.-free"),
    tr("Smallest margin"): tr("Margin"),
    tr("Lesions left behind"): tr("Left"),
}
ROW_HEIGHT = 26
SIDE_BY_SIDE = 2  # plans that share the width of the table
LEAST_COLUMN = 92  # of a plan where there are more, in pixels
DEFAULT_NORMAL = (-1.0, 0.0, 0.0)  # a new plane removes the patient's right side


class PlanPanel(Panel):
    """Signals: the user wants the report, or picked another plan."""

    report_wanted = Signal()
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
        self._show_cards(theme)
        self._show_rows()
        self.warnings = WarningList(theme)
        self.add(self.warnings)
        self.sign_off = SignOffBox(theme, desk)
        self.add(self.sign_off)
        self._ask_for_patient()
        self._show_comparison(theme)
        self.column.addStretch(1)
        live.numbers_changed.connect(self.show_numbers)
        desk.session_changed.connect(lambda _: self.refresh())
        desk.scene_changed.connect(lambda _: self.refresh())
        desk.plan_changed.connect(lambda _: self.refresh())
        self.refresh()
        self.show_numbers(PlanNumbers(None, False, False))

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
        self._choices = form
        self.column.addLayout(form)
        self.new_button = button(tr("New plan"), self.new_plan, "primary", tr("Cut the chosen organ with a plane"))
        self.add_plane_button = button(tr("Add plane"), self.add_plane, tip=tr("What all planes remove is taken"))
        self.flip_button = button(tr("Other side"), self.flip, tip=tr("Remove the other side of the last plane"))
        self.buttons(self.new_button, self.add_plane_button, self.flip_button)

    def _show_cards(self, theme: Theme) -> None:
        holder = QWidget()
        grid = QGridLayout(holder)
        grid.setContentsMargins(0, 4, 0, 4)
        grid.setSpacing(8)
        self.remnant_card = DecisionCard(theme, tr("Remnant"))
        self.removed_card = DecisionCard(theme, tr("Removed"))
        self.margin_card = DecisionCard(theme, tr("Smallest margin"))
        self.lesion_card = DecisionCard(theme, tr("Lesions left behind"))
        cards = (self.remnant_card, self.removed_card, self.margin_card, self.lesion_card)
        for number, card in enumerate(cards):
            card.setFixedWidth(140)
            grid.addWidget(card, number // 2, number % 2)
        self.add(holder)

    def _show_rows(self) -> None:
        self._rows: dict[str, QLabel] = {}
        for key, title in (
            ("organ", tr("Organ")),
            ("slv", tr("Remnant / standard volume")),
            ("weight", tr("Remnant / body weight")),
            ("vessels", tr("Vessels crossed")),
            ("inflow", tr("Loses inflow or outflow")),
            ("ducts", tr("Artery, bile duct")),
        ):
            line, self._rows[key] = value_row(title, tr("not assessed"))
            self.add(line)
        self.limits_title = self.section(tr("Published limits"))
        self.limits = self.note()

    def _ask_for_patient(self) -> None:
        self.patient_title = self.section(tr("Patient, for the limits"))
        self.patient_note = self.note()
        self._patient_form = QWidget()
        form = QFormLayout(self._patient_form)
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
        self.add(self._patient_form)
        self.confirm_button = button(tr("Confirm"), self.confirm_patient)
        self.buttons(self.confirm_button)

    def _show_comparison(self, theme: Theme) -> None:
        self.compare_title = self.section(tr("Plans side by side"))
        self.table = QTableWidget()
        self.table.setAccessibleName(tr("Plans side by side"))
        self.table.setTabKeyNavigation(False)  # Tab goes on to what follows
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.table.setShowGrid(False)
        self.table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.table.verticalHeader().setVisible(False)
        self.table.setHorizontalScrollMode(QTableWidget.ScrollMode.ScrollPerPixel)
        self.table.horizontalHeader().setTextElideMode(Qt.TextElideMode.ElideRight)
        self.table.setFont(theme.font("font-small"))
        self.table.horizontalHeader().setFont(theme.font("font-small"))
        self.table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.add(self.table)
        self.again_button = button(tr("Plan again"), self.again, tip=tr("Compute a stale plan from what there is now"))
        self.report_button = button(tr("Report"), self.report_wanted.emit)
        self.buttons(self.again_button, self.report_button)

    # ---- what the user does ------------------------------------------------------------------------------------

    def new_plan(self) -> None:
        """A plane through the middle of the chosen organ."""
        organ = self._desk.scene.get(self.organ.node_id(), SegmentNode)
        if organ is None:
            self._desk.say(tr("Make or add a segment of the organ first, then plan on it."), "caution")
            return
        taken = {plan.name for plan in self._desk.scene.of_type(PlanNode)}
        name = next(n for n in (tr("Plan {letter}").format(letter=_letter(k)) for k in range(1000)) if n not in taken)
        span = self._span_of(organ)
        point = span.centre if span is not None else self._desk.crosshair
        plane = PlaneModel(point_mm=point, normal=DEFAULT_NORMAL)
        self._desk.do(PlanResection(plan=name, organ=organ.id, plane=(format_plane(plane),)))

    def add_plane(self) -> None:
        """One more plane through the crosshair; what lies on the removing side of all planes goes."""
        plan = self._desk.plan
        if plan is None:
            return
        plane = PlaneModel(point_mm=self._desk.crosshair, normal=(0.0, 0.0, 1.0))
        first = plan.cuts[0] if plan.cuts else CutModel(planes=())
        self._live.write(plan, (CutModel(planes=(*first.planes, plane)),))

    def flip(self) -> None:
        """Remove the other side of the plan's last plane."""
        plan = self._desk.plan
        if plan is None or not plan.cuts:
            return
        planes = plan.cuts[0].planes
        x, y, z = planes[-1].normal
        turned = PlaneModel(point_mm=planes[-1].point_mm, normal=(-x, -y, -z))
        self._live.write(plan, (CutModel(planes=(*planes[:-1], turned)),))

    def again(self) -> None:
        plan = self._desk.plan
        if plan is not None:
            self._live.write(plan, plan.cuts)

    def confirm_patient(self) -> None:
        """Take height and weight as confirmed by a person."""
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
            self.again()

    def _say_operation(self) -> None:
        plan, said = self._desk.plan, self.operation.currentData()
        if plan is not None and said is not None and said != plan.operation:
            self._live.write(plan.model_copy(update={"operation": said}), plan.cuts)

    def _pick_plan(self) -> None:
        chosen = self.plans.node_id()
        if chosen is not None:
            self._desk.look_at_plan(NodeId(chosen))
            self.plan_picked.emit()

    # ---- what it shows -----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        scene = self._desk.scene
        plan = self._desk.plan
        organs = [s for s in scene.of_type(SegmentNode) if s.kind not in ("lesion", "body")]
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
        for widget in (self.add_plane_button, self.flip_button, self.again_button, self.report_button):
            widget.setEnabled(plan is not None)
        self._refresh_patient(plan)
        self._refresh_comparison(plans)

    def _refresh_patient(self, plan: PlanNode | None) -> None:
        scene = self._desk.scene
        organ = scene.get(plan.organ, SegmentNode) if plan is not None else None
        liver = organ is not None and organ.term.casefold() == "liver"
        for widget in (self.patient_title, self.patient_note, self._patient_form, self.confirm_button):
            widget.setVisible(liver)
        self._choices.setRowVisible(self.operation, liver)
        said = plan.operation if plan is not None else ""
        self.operation.setCurrentIndex(max(self.operation.findData(said or None), 0))
        for widget in (self.limits_title, self.limits):
            widget.setVisible(liver)
        self.about.setText(tr("Resection of {organ}").format(organ=organ.name) if organ is not None else "")
        if not liver:
            return
        case = scene.case
        suggested = []
        if case.height_cm is None and case.patient.height_cm:
            suggested.append(tr("{value:.0f} cm").format(value=case.patient.height_cm))
            self.height_box.setValue(case.patient.height_cm)
        if case.weight_kg is None and case.patient.weight_kg:
            suggested.append(tr("{value:.0f} kg").format(value=case.patient.weight_kg))
            self.weight_box.setValue(case.patient.weight_kg)
        if suggested:
            message = tr("The images suggest {values}. Check and confirm.")
            self.patient_note.setText(message.format(values=", ".join(suggested)))
        elif case.height_cm is None or case.weight_kg is None:
            self.patient_note.setText(tr("Without confirmed height and weight the limits are not assessed."))
        else:
            message = tr("Confirmed: {height:.0f} cm, {weight:.0f} kg.")
            self.patient_note.setText(message.format(height=case.height_cm, weight=case.weight_kg))
            self.height_box.setValue(case.height_cm)
            self.weight_box.setValue(case.weight_kg)
        self.disease.setCurrentIndex(max(self.disease.findData(case.disease or None), 0))
        if case.icg_r15_percent is not None:
            self.icg_box.setValue(case.icg_r15_percent)
        self.quality.setCurrentIndex(max(self.quality.findData(case.liver_quality or None), 0))
        self.formula.setCurrentIndex(max(self.formula.findData(case.liver_formula or None), 0))

    def _refresh_comparison(self, plans: list[PlanNode]) -> None:
        counted = [plan for plan in plans if plan.numbers is not None]
        shown = len(counted) > 1
        self.compare_title.setVisible(shown)
        self.table.setVisible(shown)
        if not shown:
            return
        document = compare_document(self._desk.scene, counted)
        rows = [row for row in document["rows"][1:] if any(value is not None for value in row["values"])]
        self.table.setRowCount(1 + len(rows))
        self.table.setColumnCount(1 + len(counted))
        statuses = [" ".join(_statuses(plan)) for plan in document["plans"]]
        self._fill_row(0, tr("Status"), tr("Status"), statuses)
        for y, row in enumerate(rows, start=1):
            label = row["label"]
            self._fill_row(y, SHORT.get(label, label), label, [_compared(v, row["unit"]) for v in row["values"]])
        self._fit_table([plan["name"] for plan in document["plans"]])

    def _fill_row(self, y: int, title: str, tip: str, texts: list[str]) -> None:
        for x, text in enumerate((title, *texts)):
            item = QTableWidgetItem(text)
            item.setToolTip(tip)
            if x:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(y, x, item)

    def _fit_table(self, names: list[str]) -> None:
        """A column for each plan: two share the width, more are reached by scrolling sideways."""
        header = self.table.horizontalHeader()
        header.setMinimumSectionSize(LEAST_COLUMN if len(names) > SIDE_BY_SIDE else 24)
        shared = QHeaderView.ResizeMode.Stretch if len(names) <= SIDE_BY_SIDE else QHeaderView.ResizeMode.Interactive
        for x, name in enumerate(("", *names)):
            head = QTableWidgetItem(name)
            head.setToolTip(name)
            head.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setHorizontalHeaderItem(x, head)
            header.setSectionResizeMode(x, shared if x else QHeaderView.ResizeMode.ResizeToContents)
            if len(names) > SIDE_BY_SIDE:
                header.resizeSection(x, LEAST_COLUMN)
        bar = self.table.horizontalScrollBar().sizeHint().height() if len(names) > SIDE_BY_SIDE else 0
        self.table.setFixedHeight(ROW_HEIGHT * self.table.rowCount() + header.sizeHint().height() + bar + 4)

    def show_numbers(self, numbers: PlanNumbers) -> None:
        """Fill the cards; called for every mouse event while a cut is dragged."""
        document = numbers.document
        statuses = tuple(
            status
            for status, holds in (
                (Status.APPROXIMATE, False),
                (Status.STALE, numbers.stale),
            )
            if holds
        )
        if document is None:
            for card in (self.remnant_card, self.removed_card, self.margin_card, self.lesion_card):
                card.set_value(None)
            self.warnings.show_warnings([])
            return
        self._show_remnant(document, statuses)
        self.removed_card.set_value(grouped(document["removed_ml"]), tr("ml"), "", statuses)
        self._show_margin(document, statuses)
        self._rows["organ"].setText(f"{grouped(document['organ_ml'])} ml")
        slv, weight = document.get("remnant_to_standard_percent"), document.get("remnant_to_weight_percent")
        self._rows["slv"].setText(f"{slv:.1f} %" if slv is not None else tr("not assessed"))
        self._rows["weight"].setText(f"{weight:.2f} %" if weight is not None else tr("not assessed"))
        self.limits.setText(limits_text(document))
        if not numbers.moving:
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

    def _show_remnant(self, document: dict[str, Any], statuses: tuple[Status, ...]) -> None:
        percent = document["flr_percent"]
        liver = percent is not None
        if percent is None:
            percent = document["remnant_percent"]
        self.remnant_card.set_title(tr("Future liver remnant") if liver else tr("Remnant"))
        detail = tr("{part} of {whole} ml").format(
            part=grouped(document["remnant_ml"]), whole=grouped(document["organ_ml"])
        )
        free = document["flr_tumour_free_percent"]
        if free is not None and document["lesions"]:
            detail += "\n" + tr("tumour-free {percent:.1f} %").format(percent=free)
        if percent is None:
            text = grouped(document["remnant_ml"])
            verdict = Verdict("caution", tr("cut off by the image"))
            self.remnant_card.set_value(text, tr("ml"), detail, statuses, verdict)
        else:
            self.remnant_card.set_value(f"{percent:.1f}", "%", detail, statuses, worst_verdict(document))

    def _show_margin(self, document: dict[str, Any], statuses: tuple[Status, ...]) -> None:
        lesions = document["lesions"]
        behind = [lesion for lesion in lesions if lesion["left_behind"]]
        margin = smallest_margin(document)
        if not lesions:
            self.margin_card.set_value(None, detail=tr("no lesion is marked"))
            self.lesion_card.set_value(None, detail=tr("no lesion is marked"))
            return
        name = next((x["name"] for x in lesions if margin is not None and x["margin_mm"] == margin), "")
        verdict = Verdict("bad", tr("below 1 mm")) if margin is not None and margin < 1.0 else None
        text = f"{margin:.1f}" if margin is not None else None
        band = margin_band(document)
        if band is not None:
            name += "\n" + tr("{low:.1f} to {high:.1f} mm by registration").format(low=band[0], high=band[1])
        elif document.get("registration") and margin:
            name += "\n" + tr("registration error not assessed")
        self.margin_card.set_value(text, tr("mm"), name, statuses, verdict)
        through = [lesion["name"] for lesion in behind if lesion["margin_mm"] == 0]
        if through:
            judged: Verdict | None = Verdict("bad", tr("cut through: {names}").format(names=", ".join(through)))
        elif behind:
            names = ", ".join(lesion["name"] for lesion in behind)
            judged = Verdict("bad", tr("left: {names}").format(names=names))
        else:
            judged = Verdict("good", tr("all are removed"))
        count = tr("of {count}").format(count=len(lesions))
        self.lesion_card.set_value(str(len(behind)), count, "", statuses, judged)


def _statuses(plan: dict[str, Any]) -> list[str]:
    """What a reader must know of a plan in the comparison before trusting its numbers."""
    said = [tr("DRAFT")] if plan["status"] == "draft" else [tr(str(plan["status"]))]
    return [*said, tr("STALE")] if plan["stale"] else said


def _compared(value: float | None, unit: str) -> str:
    """A number of the comparison with its unit; n. a. where there is none."""
    if value is None:
        return tr("n. a.")
    if not unit:
        return str(value)
    return f"{grouped(value) if unit == 'ml' else f'{value:.1f}'} {unit}"


def limits_text(document: dict[str, Any]) -> str:
    """Each published limit in a line: shape, what was compared, for whom it holds."""
    marks = {"meets": "✓", "below": "✕"}
    limits = document.get("limits", [])
    lines = [
        tr("{mark} {value} {unit}: {verdict}, {label}").format(mark=marks[limit["verdict"]], **_texts(limit))
        for limit in limits
        if limit["verdict"] in marks
    ]
    reasons: dict[str, list[str]] = {}
    for limit in limits:
        if limit["verdict"] not in marks:
            reasons.setdefault(limit["reason"], []).append(limit["author"])
    for reason, authors in reasons.items():
        lines.append(tr("– not assessed, {reason} ({authors})").format(reason=reason, authors=", ".join(authors)))
    return "\n".join(lines) or tr("not assessed")


def _texts(limit: dict[str, Any]) -> dict[str, Any]:
    digits = 2 if limit["limit"] < 1 else 1  # limits below 1 % are told apart by their second decimal
    return {"value": f"{limit['value']:.{digits}f}", **{key: limit[key] for key in ("unit", "verdict", "label")}}


def worst_verdict(document: dict[str, Any]) -> Verdict | None:
    """The most serious of the assessed limits."""
    assessed = [limit for limit in document.get("limits", []) if limit["verdict"] != "not assessed"]
    if not assessed:
        return None
    below = [limit for limit in assessed if limit["verdict"] == "below"]
    chosen = (below or assessed)[0]
    text = tr("below {limit:g} {unit}: {author}") if below else tr("above {limit:g} {unit}: {author}")
    text = text.format(limit=chosen["limit"], unit=chosen["unit"], author=chosen["author"])
    return Verdict("bad" if below else "good", text)


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number)


def _number(low: float, high: float, unit: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low - 1, high)
    box.setDecimals(0)
    box.setSpecialValueText(tr("not known"))
    box.setSuffix(f" {unit}")
    box.setValue(low - 1)
    return box
