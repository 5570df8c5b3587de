"""Simulate: what the twin says of an operation before it is done."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFormLayout, QHBoxLayout

from surgitwin.commands.simulating import Simulate, find_simulation
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.panels.flow_paint import FlowPaint
from surgitwin.gui.panels.parts import Choice, NodeChoice, Panel, button
from surgitwin.gui.panels.pressure_charts import PressureCharts
from surgitwin.gui.panels.simulation_form import SimulationForm
from surgitwin.gui.panels.simulation_result import SimulationResult
from surgitwin.gui.theme import Theme
from surgitwin.gui.widgets.cards import Status, StatusBadge
from surgitwin.render.content import CutSurfaceContent
from surgitwin.render.neck import neck_content
from surgitwin.scene.nodes import Node, PlanNode, SegmentNode, SimulationNode, VesselTreeNode
from surgitwin.simulators.registry import AnySimulator, simulator_named, simulator_names

USUAL = "portal-pressure"


class SimulatePanel(Panel):
    """Signals: the user wants the report; the neck that an aneurysm was measured with is to be drawn, or none."""

    report_wanted = Signal()
    neck_found = Signal(object)

    def __init__(self, desk: Desk, theme: Theme) -> None:
        super().__init__(theme, tr("Simulate"), tr("Nothing simulated yet"))
        self._desk, self._theme = desk, theme
        self._simulator: AnySimulator | None = None
        self._shown: tuple[str, NodeId | None, str] | None = None
        self._neck_of: dict[str, Any] | None = None
        self._neck: CutSurfaceContent | None = None
        self.form: SimulationForm | None = None
        badges = QHBoxLayout()
        badges.setSpacing(4)
        self.badge = StatusBadge(theme, Status.SIMULATED)
        self.stale_badge = StatusBadge(theme, Status.STALE)
        for badge in (self.badge, self.stale_badge):
            badges.addWidget(badge)
        badges.addStretch(1)
        self.column.addLayout(badges)
        self.about = self.note()
        self._choose()
        self.result = SimulationResult(theme)
        self.charts = PressureCharts(theme)
        self.result.charts.addWidget(self.charts)
        self.paint = FlowPaint(theme)
        self.result.charts.addWidget(self.paint)
        self.add(self.result)
        self.column.addStretch(1)
        desk.session_changed.connect(lambda _: self.refresh())
        desk.plan_changed.connect(lambda _: self.refresh())
        self.refresh()

    def _choose(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        self.simulators = Choice()
        for name in simulator_names():
            self.simulators.addItem(name, name)
        self.simulators.setCurrentIndex(max(self.simulators.findData(USUAL), 0))
        self.simulators.activated.connect(lambda _: self._pick_simulator())
        form.addRow(tr("Simulator"), self.simulators)
        self.plans = NodeChoice()
        self.plans.activated.connect(lambda _: self._desk.look_at_plan(self.plans.node_id()))
        form.addRow(tr("Plan"), self.plans)
        self._choices = form
        self.column.addLayout(form)
        self.with_form = self.column.count()
        self.run_button = button(tr("Simulate"), self.simulate, "primary", tr("Run it for the chosen plan"))
        self.all_button = button(
            tr("All plans"), self.simulate_all, tip=tr("Run it with these values for every plan of this organ")
        )
        self.buttons(self.run_button, self.all_button)

    # ---- what the user does ------------------------------------------------------------------------------------

    def _pick_simulator(self) -> None:
        self._simulator = None
        self.refresh()

    def choose(self, simulator: str) -> None:
        """Show the simulator of this name."""
        row = self.simulators.findData(simulator)
        if row >= 0 and row != self.simulators.currentIndex():
            self.simulators.setCurrentIndex(row)
            self._pick_simulator()

    def simulate(self) -> None:
        """Run the chosen simulator for the plan that is looked at."""
        self._run(self._desk.plan)

    def simulate_all(self) -> None:
        """Run it with the same values for every plan of the same organ."""
        chosen = self._desk.plan
        for plan in self._desk.scene.of_type(PlanNode):
            if chosen is not None and plan.organ == chosen.organ:
                self._run(plan)

    def _run(self, plan: PlanNode | None) -> None:
        simulator = self._simulator
        if simulator is None or self.form is None:
            return
        named = plan.id if plan is not None and simulator.plan != "no" else None
        settings = self.form.settings()
        self._desk.do(Simulate(simulator=simulator.name, plan=named, settings=settings))

    # ---- what it shows -----------------------------------------------------------------------------------------

    @property
    def node(self) -> SimulationNode | None:
        """The kept result of what is chosen."""
        simulator = self._simulator
        if simulator is None:
            return None
        plan = self._desk.plan if simulator.plan != "no" else None
        return find_simulation(self._desk.scene, simulator.name, plan)

    def showEvent(self, event: Any) -> None:
        self.refresh()
        super().showEvent(event)

    def refresh(self) -> None:
        """Show the scene as it is now; nothing is loaded before the panel is seen."""
        if not self.isVisible() and self._simulator is None:
            return
        self._load()
        simulator, scene = self._simulator, self._desk.scene
        if simulator is None:
            return
        if self.form is not None:
            self.form.refresh_nodes()
        plans = scene.of_type(PlanNode)
        self.plans.fill(list(plans))
        if self._desk.plan is not None:
            self.plans.choose(self._desk.plan.id)
        uses = simulator.plan != "no"
        self._choices.setRowVisible(self.plans, uses and bool(plans))
        self.all_button.setVisible(uses and len(plans) > 1)
        node = self.node
        plan = self._desk.plan
        self.title.setText(simulator.title)
        of_plan = tr("Plan: {name}").format(name=plan.name) if plan is not None and uses else ""
        self.about.setText("\n".join(part for part in (of_plan, simulator.summary) if part))
        self._show_node(node)

    def _show_node(self, node: SimulationNode | None) -> None:
        stale = node is not None and self._desk.scene.is_stale(node)
        self.badge.setVisible(node is not None)
        self.stale_badge.setVisible(stale)
        document = node.document if node is not None else None
        self.result.show_document(document, (Status.STALE,) if stale else ())
        self.charts.show_document(document, self._others(node))
        self.paint.show_document(document if not stale else None, self._tree_of(node))
        details = document["details"] if document is not None and not stale else None
        if details is not self._neck_of:
            self._neck_of, self._neck = details, neck_content(details or {})
        self.neck_found.emit(self._neck)
        key = (node.simulator, node.plan, node.id) if node is not None else None
        if node is not None and key != self._shown and self.form is not None:
            self.form.show_settings(node.settings)
        self._shown = key

    def _tree_of(self, node: SimulationNode | None) -> NodeId | None:
        """The vessel tree that a result was computed on."""
        read = node.provenance.inputs if node is not None and node.provenance is not None else {}
        return next((key for key in read if self._desk.scene.get(key, VesselTreeNode) is not None), None)

    def _segments(self) -> list[Node]:
        return list(self._desk.scene.of_type(SegmentNode))

    def _others(self, node: SimulationNode | None) -> list[dict[str, Any]]:
        """Results of other plans that are current: they stand beside this one."""
        scene = self._desk.scene
        if node is None:
            return []
        return [
            other.document
            for other in scene.of_type(SimulationNode)
            if other.id != node.id
            and other.simulator == node.simulator
            and other.document is not None
            and not scene.is_stale(other)
        ]

    def _load(self) -> None:
        """Load the chosen simulator and make its form."""
        wanted = str(self.simulators.currentData())
        if self._simulator is not None and self._simulator.name == wanted:
            return
        try:
            self._simulator = simulator_named(wanted)
        except SurgitwinError as error:
            self._desk.report(error)
            self.simulators.setCurrentIndex(max(self.simulators.findData(USUAL), 0))
            self._simulator = simulator_named(str(self.simulators.currentData()))
        if self.form is not None:
            self.column.removeWidget(self.form)
            self.form.hide()
            self.form.deleteLater()
        self.form = SimulationForm(self._theme, self._simulator.Params, self._segments)
        self.column.insertWidget(self.with_form, self.form)
        self._shown = None
        self.align_forms()
