"""Fit: choose an implant, put it on the twin, move it, and read how it fits."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Signal

from surgitwin.commands.implanting import PlaceImplant
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.implant_hand import FitShown, ImplantHand
from surgitwin.gui.panels.custom_section import CustomSection
from surgitwin.gui.panels.fit_conditions import FitConditions
from surgitwin.gui.panels.fit_landmarks import FitLandmarks
from surgitwin.gui.panels.fit_library import FitLibrary
from surgitwin.gui.panels.fit_moving import FitMoving
from surgitwin.gui.panels.fit_numbers import FitNumbers
from surgitwin.gui.panels.fit_result import FitResult, cup_rows, sweep_rows
from surgitwin.gui.panels.parts import NodeChoice, Panel, button, plain_form
from surgitwin.gui.settings import Settings
from surgitwin.gui.theme import Theme
from surgitwin.gui.tools.implant import ImplantTool
from surgitwin.gui.widgets.cards import Status, StatusBadge
from surgitwin.scene.nodes import FitNode, ImplantNode, LandmarkNode, Node, SegmentNode, SurfaceNode


class FitPanel(Panel):
    """Signals: the tool of the slices or None; the hand of the views or None; parts of the implant in their colours."""

    tool_changed = Signal(object)
    holding_changed = Signal(object)
    tinted = Signal(object)

    def __init__(self, desk: Desk, theme: Theme, settings: Settings) -> None:
        super().__init__(theme, tr("Fit"), tr("No implant chosen"))
        self._desk, self._theme = desk, theme
        self.hand = ImplantHand(desk, self)
        self.tool = ImplantTool(self.hand, self)
        self._settings_of: NodeId | None = None
        self.about = self.note()
        self._build_chooser()
        with self.group() as self.fit_group:
            self._build_fit()
        self.moving = FitMoving(theme)
        self.landmarks = FitLandmarks(desk, theme)
        self.library = FitLibrary(theme, settings, self.hand.background)
        self.custom = CustomSection(desk, theme)
        for part in (self.moving, self.landmarks, self.library, self.custom):
            self.add(part)
        self.column.addStretch(1)
        self._connect()
        self.refresh()

    # ---- parts -------------------------------------------------------------------------------------------------

    def _build_chooser(self) -> None:
        form = plain_form()
        self.implants = NodeChoice()
        self.implants.activated.connect(lambda _: self.hand.choose(self.implants.node_id()))
        form.addRow(tr("Implant"), self.implants)
        self.onto = NodeChoice()
        self.onto.activated.connect(lambda _: self._set_onto())
        form.addRow(tr("Fitted to"), self.onto)
        self.column.addLayout(form)

    def _build_fit(self) -> None:
        self.numbers = FitNumbers(self._theme)
        self.add(self.numbers)
        self.conditions = FitConditions(self._theme)
        self.angles = FitResult()
        self.add(self.angles)
        self.add(self.conditions)
        self.measure_button = button(
            tr("Measure in full"),
            lambda: self.measure(None),
            "primary",
            tr("Volumes, overhang, collisions, a cup's angles, a screw's grade; kept with the implant"),
        )
        self.sweep_button = button(
            tr("Compare sizes"), self.compare_sizes, tip=tr("Every size of its family from this place, ranked")
        )
        self.buttons(self.measure_button, self.sweep_button)
        self.stale = StatusBadge(self._theme, Status.STALE)
        self.add(self.stale)
        self.result = FitResult()
        self.add(self.result)
        self.sizes = FitResult()
        self.add(self.sizes)

    def _connect(self) -> None:
        desk, hand = self._desk, self.hand
        desk.session_changed.connect(lambda _: self._restart())
        desk.scene_changed.connect(lambda _: desk.unseen.refresh(self, self.refresh))
        hand.placed.connect(self._place_at)
        hand.chosen_changed.connect(self.refresh)
        hand.chosen_changed.connect(lambda: self.sizes.show_rows([], ""))
        hand.fit_changed.connect(self._show_fit)
        hand.moved.connect(self._show_angles)
        self.numbers.tinting_changed.connect(self._ask)
        self.conditions.asked_changed.connect(self._ask)
        self.conditions.side_changed.connect(self._show_angles)
        self.landmarks.register_wanted.connect(self.measure)
        self.moving.wanted.connect(lambda values: self._change(**values))
        self.moving.crosshair_wanted.connect(self._to_crosshair)
        self.moving.constraint_changed.connect(self._set_constraint)
        self.moving.steps_changed.connect(self._set_steps)
        self.library.place_wanted.connect(self.place)
        self.library.click_toggled.connect(self._set_placing)
        self.library.exchange_wanted.connect(self.exchange)
        self.custom.made.connect(self.choose)

    # ---- what the user does ------------------------------------------------------------------------------------

    def choose(self, implant: str) -> None:
        """Choose an implant of the case by its id."""
        self.hand.choose(NodeId(implant))

    def place(self) -> None:
        """Put the chosen item at the crosshair."""
        self._place_at(self._desk.crosshair)

    def _place_at(self, point: Any, on_surface: bool = False) -> None:
        self._stop_placing()
        wanted = self.library.item_id
        if wanted is None:
            return
        onto = self.onto.node_id()
        command = self._command(item=wanted, at=point, onto=onto, snap=on_surface and onto is not None)
        if command is not None:
            self._desk.do(command, lambda document: self.hand.choose(NodeId(document["node"]["id"])))

    def exchange(self) -> None:
        """Another item in the place of the chosen implant."""
        node, wanted = self.hand.chosen, self.library.item_id
        if node is not None and wanted is not None:
            self._do(item=wanted, name_=node.id)

    def _command(self, **values: Any) -> PlaceImplant | None:
        from surgitwin.commands.base import build

        try:
            made = build(PlaceImplant, {"folder": self.library.folders, **values})
        except SurgitwinError as error:
            self._desk.report(error)
            return None
        return made if isinstance(made, PlaceImplant) else None

    def _do(self, **values: Any) -> None:
        command = self._command(**values)
        if command is not None:
            self._desk.do(command)

    def _change(self, **values: Any) -> None:
        """Something of the chosen implant, as one step."""
        node = self.hand.chosen
        if node is not None:
            self._desk.do(PlaceImplant(item=node.id, **values), self._changed)

    def _changed(self, document: dict[str, Any]) -> None:
        for warning in document["warnings"]:
            if warning["code"] == "mirror-plane-image":
                self._desk.say(warning["message"], "caution")

    def _set_onto(self) -> None:
        onto = self.onto.node_id()
        if onto is not None:
            self._change(onto=onto)

    def measure(self, register: str | None) -> None:
        """Run the fit command for the chosen implant."""
        from surgitwin.commands.base import build
        from surgitwin.commands.fitting import FitImplant

        node = self.hand.chosen
        if node is None:
            return
        values = self.conditions.fit_values(node)
        if register is not None:
            values |= {"register": register, "landmarks": self.landmarks.pairs}
        try:
            command = build(FitImplant, values)
        except SurgitwinError as error:
            self._desk.report(error)
            return
        self._desk.do(command)

    def compare_sizes(self) -> None:
        """Rank every size of the chosen implant's family on its surface."""
        from surgitwin.commands.base import build
        from surgitwin.commands.sweeping import SweepSizes

        node = self.hand.chosen
        if node is None or node.onto is None:
            return
        values = {"family": node.item.family, "onto": node.onto, "start": node.id, "folder": self.library.folders}
        try:
            command = build(SweepSizes, {**values, **self.conditions.sweep_values()})
        except SurgitwinError as error:
            self._desk.report(error)
            return

        def done(document: dict[str, Any]) -> None:
            if self.hand.chosen is not None and self.hand.chosen.id == node.id:
                self.sizes.show_rows(sweep_rows(document), tr("Ranked by: {rule}").format(rule=document["rule"]))

        self._desk.do(command, done)

    def _to_crosshair(self) -> None:
        x, y, z = self._desk.crosshair
        self._change(at=f"{x!r},{y!r},{z!r}")

    def _set_constraint(self) -> None:
        self.hand.constraint = self.moving.constraint.currentData()
        self.tool.changed.emit()

    def _set_steps(self) -> None:
        self.tool.step_mm, self.tool.step_deg = self.moving.step_mm.value(), self.moving.step_deg.value()

    def _set_placing(self, wanted: bool) -> None:
        self.hand.placing = wanted
        self.tool.changed.emit()

    def _stop_placing(self) -> None:
        self.library.click_button.setChecked(False)
        self._set_placing(False)

    def _ask(self) -> None:
        self.numbers.set_tolerance(self.conditions.asked.tolerance_mm)
        self.hand.ask(self.conditions.asked, self.numbers.tinting)

    # ---- what it shows -----------------------------------------------------------------------------------------

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self.library.open_once()
        self.refresh()
        self.tool_changed.emit(self.tool)
        self.holding_changed.emit(self.hand)
        self.hand.watch(True)

    def hideEvent(self, event: Any) -> None:
        self._stop_placing()
        self.hand.abort()
        self.hand.watch(False)
        self.tool_changed.emit(None)
        self.holding_changed.emit(None)
        super().hideEvent(event)

    def close_hand(self) -> None:
        """End what is being measured."""
        self.hand.close()

    def refresh(self) -> None:
        """Show the scene as it is now."""
        self.custom.refresh()
        scene = self._desk.scene
        placed = scene.of_type(ImplantNode)
        if self.hand.chosen is None and placed:
            self.hand.choose(placed[-1].id)
            return
        node = self.hand.chosen
        self.implants.fill(list(placed), none=None if placed else tr("None placed yet"))
        bones = sorted(scene.of_type(SegmentNode), key=lambda one: one.kind != "bone")
        loose = [one for one in scene.of_type(SurfaceNode) if one.segment is None]
        targets: list[Node] = [*bones, *loose]
        self.onto.fill(targets, none=tr("Not chosen"))
        self.moving.setVisible(node is not None)
        self.fit_group.setVisible(node is not None)
        self.landmarks.refresh(node)
        self.landmarks.registration.setVisible(node is not None)
        self.library.set_has_implant(node is not None)
        if node is None:
            self.title.setText(tr("No implant chosen"))
            self.about.setText(tr("Choose one below and put it on the twin."))
            return
        self._show_node(node)

    def _show_node(self, node: ImplantNode) -> None:
        from surgitwin.implants.library import maker_text

        self.implants.choose(node.id)
        self.onto.choose(node.onto or "")
        self.title.setText(node.name)
        lines = [f"{node.item.name} {node.item.size}".strip(), maker_text(node.item), node.item.material]
        self.about.setText("\n".join(line for line in lines if line))
        for one in (self.measure_button, self.sweep_button):
            one.setEnabled(node.onto is not None)
        scene = self._desk.scene
        self.moving.refresh(scene, node)
        self.conditions.refresh(scene, node)
        kept = [one for one in scene.of_type(FitNode) if one.implant == node.id and one.onto == node.onto]
        self.stale.setVisible(bool(kept) and scene.is_stale(kept[0]))
        self.result.show_document(kept[0].document if kept else None)
        if node.id != self._settings_of:
            self._settings_of = node.id
            if kept:
                self.conditions.take_settings(scene, kept[0].settings)
            else:
                self.conditions.forget_implant()
        self._show_angles()

    def _show_fit(self, shown: FitShown) -> None:
        self.numbers.show_fit(shown)
        self.tinted.emit(shown.parts if self.isVisible() else ())

    def _show_angles(self) -> None:
        """A cup's angles where the hand has it."""
        node, pose, side = self.hand.chosen, self.hand.pose, self.conditions.side.currentData()
        if node is None or pose is None or node.item.kind != "cup" or not side or "main" not in node.item.axes:
            self.angles.show_rows([], "")
            return
        from surgitwin.implants.cup import LANDMARKS, TABLE, cup_angles, pelvic_plane

        marks = {one.name.casefold(): one.position_mm for one in self._desk.scene.of_type(LandmarkNode)}
        frame = TABLE
        if all(name in marks for name in LANDMARKS):
            try:
                frame = pelvic_plane({name: marks[name] for name in LANDMARKS})
            except SurgitwinError as error:
                self.angles.show_rows([], str(error))
                return
        axis = pose[:3, :3] @ np.asarray(node.item.axes["main"])
        rows = cup_rows(cup_angles(axis, side, frame).as_json())
        mark = "≈ " if self.hand.moving else ""
        self.angles.show_rows([(label, mark + words) for label, words in rows], "")

    def _restart(self) -> None:
        self._settings_of = None
        self.refresh()
