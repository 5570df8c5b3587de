"""The Plan step put together: panel, vessels, territories, margin map, drawing on the organ, plans side by side."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QSlider, QWidget

from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.live_plan import LivePlan
from surgitwin.gui.live_pressure import LivePressure, Pressure
from surgitwin.gui.panels.plan import PlanPanel
from surgitwin.gui.panels.pressure_charts import live_curve
from surgitwin.gui.panels.territories import TerritoriesBox
from surgitwin.gui.panels.vessels import VesselsBox
from surgitwin.gui.plan_picture import PlanPicture
from surgitwin.gui.side_by_side import SideBySide
from surgitwin.gui.spans import SegmentSpans
from surgitwin.gui.stage import Stage
from surgitwin.gui.theme import Theme, set_role
from surgitwin.gui.vessel_hand import VesselHand
from surgitwin.gui.widgets.chart import Chart
from surgitwin.gui.widgets.resectogram import ResectogramView
from surgitwin.gui.widgets.sections import Section
from surgitwin.render.content import PatchContent, SceneContent, vec3
from surgitwin.render.surface_line import line_on_surface
from surgitwin.render.twin import scene_content
from surgitwin.scene.nodes import PlanNode, SegmentNode, SurfaceNode

MOST_ASIDE_MM = 120


class PlanStep(QObject):
    """Connects what belongs to planning; the window asks it to come and go."""

    def __init__(
        self, desk: Desk, theme: Theme, live: LivePlan, stage: Stage, panel: PlanPanel, spans: SegmentSpans
    ) -> None:
        super().__init__(panel)
        self._desk, self._theme, self._live, self._stage, self._panel, self._spans = (
            desk,
            theme,
            live,
            stage,
            panel,
            spans,
        )
        self.picture = PlanPicture(desk, live, self)
        self.hand = VesselHand(desk, self)
        self.vessels = VesselsBox(theme, desk, self.hand)
        self.territories = TerritoriesBox(theme, desk, spans)
        self.map = ResectogramView(theme)
        self.beside: SideBySide | None = None
        self._drawing: bool | None = None
        self.map_section = self._map_section()
        self.pressure = LivePressure(desk, live, self)
        self.curve = Chart(theme, tr("Pressure against remnant"))
        self.curve_section = Section(theme, tr("Pressure against remnant"))
        self.curve_section.body.addWidget(self.curve)
        self.curve_section.hide()
        panel.put_before_patient(self.curve_section, self.map_section, self.vessels, self.territories)
        self._connect()

    def _map_section(self) -> Section:
        section = Section(self._theme, tr("Margin on the cut"), opened=False)
        section.body.addWidget(self.map)
        self.parts = QCheckBox(tr("Show remnant and specimen"))
        self.parts.toggled.connect(self._show_parts)
        section.body.addWidget(self.parts)
        row = QHBoxLayout()
        label = QLabel(tr("Specimen aside"))
        set_role(label, "muted")
        row.addWidget(label)
        self.aside = QSlider(Qt.Orientation.Horizontal)
        self.aside.setRange(0, MOST_ASIDE_MM)
        self.aside.setAccessibleName(tr("How far the specimen is moved aside"))
        self.aside.setEnabled(False)
        self.aside.valueChanged.connect(lambda mm: self._stage.move_aside(self.picture.move_aside(float(mm))))
        row.addWidget(self.aside, 1)
        holder = QWidget()
        row.setContentsMargins(0, 0, 0, 0)
        holder.setLayout(row)
        section.body.addWidget(holder)
        return section

    def _connect(self) -> None:
        stage, panel, desk = self._stage, self._panel, self._desk
        self.picture.changed.connect(stage.show_plan)
        self.picture.held_changed.connect(stage.show_held_lost)
        self.picture.map_changed.connect(self.map.show_map)
        panel.cuts.chosen.connect(self.picture.choose_cut)
        panel.side_by_side_wanted.connect(self.show_side_by_side)
        panel.starts.draw_wanted.connect(self._draw)
        stage.patch_dragged.connect(self._patch_moved)
        stage.patch_dropped.connect(self._patch_dropped)
        stage.patch_drag_cancelled.connect(lambda _: self._live.abort())
        stage.branch_picked.connect(self.hand.take)
        self.hand.picked_changed.connect(lambda: stage.show_picked(self.hand.picked))
        self.vessels.tool_changed.connect(stage.set_tool)
        stage.view3d.outlined.connect(self._drawn)
        self.map.pointed.connect(desk.move_crosshair)
        desk.crosshair_changed.connect(self.map.mark)
        self._live.refused.connect(panel.show_refusal)
        self.pressure.changed.connect(self._show_pressure)

    def _show_pressure(self, pressure: Pressure | None, reason: str) -> None:
        """The card and the plan's point on the curve; both follow the hand."""
        self._panel.numbers.show_pressure(pressure, reason)
        curve = self.pressure.curve() if pressure is not None else None
        self.curve_section.setVisible(curve is not None)
        if pressure is not None and curve is not None:
            name = self._desk.plan.name if self._desk.plan is not None else ""
            self.curve.show_content(live_curve(*curve, pressure, name))

    # ---- coming and going --------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Another step begins: what the mouse was given goes back."""
        self.hand.stop()
        self._panel.starts.close_question()

    def close(self) -> None:
        """Let go of everything that draws."""
        if self.beside is not None:
            self.beside.close()

    # ---- the hand ----------------------------------------------------------------------------------------------

    def _patch_moved(self, moved: PatchContent) -> None:
        self._live.drag_patch(int(moved.id), _rows(moved), moved.remove_point)

    def _patch_dropped(self, moved: PatchContent) -> None:
        self._live.drop_patch(int(moved.id), _rows(moved), moved.remove_point)

    def _draw(self, ring: bool | None) -> None:
        """Give the left mouse button of the 3D view to a line on the organ, or back."""
        self._drawing = ring
        self._stage.view3d.set_lasso(ring is not None, bool(ring))

    def _drawn(self, corners: Any, camera: Any, size: Any) -> None:
        if self._drawing is None:
            return
        organ = self._panel.chosen_organ()
        surface = self._surface_of(organ)
        if surface is None:
            self._desk.say(tr("Make the surface of the organ first (step Segment): a line is drawn on it."), "caution")
            return
        points = line_on_surface(corners, camera, size, surface.points.read())
        if len(points) < 2:
            self._desk.say(tr("The line did not meet the organ. Draw it over the organ in the 3D view."), "caution")
            return
        self._panel.starts.drawn(tuple(vec3(point) for point in points))

    def _surface_of(self, organ: SegmentNode | None) -> SurfaceNode | None:
        if organ is None:
            return None
        return next((s for s in self._desk.scene.of_type(SurfaceNode) if s.segment == organ.id), None)

    def _show_parts(self, shown: bool) -> None:
        self.aside.setEnabled(shown)
        if not shown:
            self.aside.setValue(0)
        self.picture.show_parts(shown)

    # ---- side by side ------------------------------------------------------------------------------------------

    def show_side_by_side(self) -> None:
        """Open the plans beside each other, or bring them to the front."""
        if self.beside is None:
            self.beside = SideBySide(self._desk, self._theme, self._content_of, self._panel.window())
            self.beside.destroyed.connect(self._beside_gone)
            self.beside.finished.connect(lambda _: self._beside_gone())
        self.beside.show()
        self.beside.raise_()

    def _beside_gone(self) -> None:
        self.beside = None

    def _content_of(self, plan: PlanNode) -> SceneContent:
        return scene_content(self._desk.scene, self._desk.volume, plan, self._spans.spans, ghosts=True)


def _rows(patch: PatchContent) -> list[list[tuple[float, float, float]]]:
    return [[vec3(point) for point in row] for row in patch.control_points]
