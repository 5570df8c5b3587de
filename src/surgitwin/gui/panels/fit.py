"""Fit: choose an implant, put it on the twin, move it, and read how it fits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
)

from surgitwin.commands.implanting import PlaceImplant
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.fit_tints import tinted_bone, tinted_parts
from surgitwin.gui.implant_hand import FitShown, ImplantHand
from surgitwin.gui.panels.custom_section import CustomSection
from surgitwin.gui.panels.fit_result import FitResult, cup_rows, sweep_rows
from surgitwin.gui.panels.parts import USER_ROLE, Choice, NodeChoice, NodePicks, Panel, WarningList, button, number_box
from surgitwin.gui.settings import Settings, save_settings
from surgitwin.gui.theme import Theme
from surgitwin.gui.tools.implant import ImplantTool
from surgitwin.gui.widgets.cards import DecisionCard, Status, StatusBadge
from surgitwin.render.content import SurfaceContent
from surgitwin.scene.nodes import FitNode, ImplantNode, LandmarkNode, Node, SegmentNode, SurfaceNode

if TYPE_CHECKING:
    from surgitwin.implants.library import Item, Library

ROWS = 7
CONSTRAINTS = (
    ("free", tr("Free")),
    ("slide", tr("Slide along its axis")),
    ("turn", tr("Turn about its axis")),
)


class FitPanel(Panel):
    """Signals: the tool of the slices or None; the hand of the views or None; parts of the implant in their colours."""

    tool_changed = Signal(object)
    holding_changed = Signal(object)
    tinted = Signal(object)

    def __init__(self, desk: Desk, theme: Theme, settings: Settings) -> None:
        super().__init__(theme, tr("Fit"), tr("No implant chosen"))
        self._desk, self._theme, self._settings = desk, theme, settings
        self._library: Library | None = None
        self.hand = ImplantHand(desk, self)
        self.tool = ImplantTool(self.hand, self)
        self.hand.placed.connect(self._place_at)
        self.about = self.note()
        self._chooser()
        self._numbers()
        self._moving_part()
        self._library_part()
        self.custom = CustomSection(desk, theme)
        self.custom.made.connect(self.choose)
        self.add(self.custom)
        self.column.addStretch(1)
        desk.session_changed.connect(lambda _: self.refresh())
        desk.scene_changed.connect(lambda _: self.refresh())
        self.hand.chosen_changed.connect(self.refresh)
        self.hand.fit_changed.connect(self._show_fit)
        self.hand.moved.connect(self._show_angles)
        self.hand.chosen_changed.connect(lambda: self.sizes.show_rows([], ""))
        self.refresh()

    # ---- parts -------------------------------------------------------------------------------------------------

    def _chooser(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        self.implants = NodeChoice()
        self.implants.activated.connect(lambda _: self.hand.choose(self.implants.node_id()))
        form.addRow(tr("Implant"), self.implants)
        self.onto = NodeChoice()
        self.onto.activated.connect(lambda _: self._set_onto())
        form.addRow(tr("Fitted to"), self.onto)
        self.column.addLayout(form)

    def _numbers(self) -> None:
        with self.group() as self.fit_group:
            grid = QGridLayout()
            grid.setSpacing(8)
            self.contact = DecisionCard(self._theme, tr("Contact"))
            self.gap = DecisionCard(self._theme, tr("Gap"))
            self.penetration = DecisionCard(self._theme, tr("Deepest inside"))
            self.share = DecisionCard(self._theme, tr("Area inside"))
            for number, card in enumerate((self.contact, self.gap, self.penetration, self.share)):
                grid.addWidget(card, number // 2, number % 2)
            grid.setColumnStretch(0, 1)
            grid.setColumnStretch(1, 1)
            self.column.addLayout(grid)
            self.fit_note = self.note()
            form = QFormLayout()
            form.setContentsMargins(0, 0, 0, 0)
            self.side = Choice()
            for name, title in (("", tr("Not said")), ("left", tr("Left")), ("right", tr("Right"))):
                self.side.addItem(title, name)
            self._side_form = form
            form.addRow(tr("Hip"), self.side)
            self.side.activated.connect(lambda _: self._show_angles())
            self.column.addLayout(form)
            self.angles = FitResult()
            self.add(self.angles)
            self.note(tr("Keep clear of"))
            self.avoid = NodePicks()
            self.add(self.avoid)
            self.measure_button = button(
                tr("Measure in full"),
                lambda: self.measure(None),
                "primary",
                tr("Volumes, overhang, collisions, a cup's angles, a screw's grade; kept with the implant"),
            )
            self.icp_button = button(
                tr("Fit to surface (ICP)"),
                lambda: self.measure("icp"),
                tip=tr("Move it until its surface rests on the other one, and measure it there"),
            )
            self.buttons(self.measure_button, self.icp_button)
            self.stale = StatusBadge(self._theme, Status.STALE)
            self.add(self.stale)
            self.result = FitResult()
            self.add(self.result)
            self.sweep_button = button(
                tr("Compare sizes"), self.compare_sizes, tip=tr("Every size of its family from this place, ranked")
            )
            self.buttons(self.sweep_button)
            self.sizes = FitResult()
            self.add(self.sizes)

    def _moving_part(self) -> None:
        with self.group() as self.move_group:
            self.section(tr("Move"))
            form = QFormLayout()
            form.setContentsMargins(0, 0, 0, 0)
            self.constraint = Choice()
            for name, title in CONSTRAINTS:
                self.constraint.addItem(title, name)
            self.constraint.activated.connect(lambda _: self._set_constraint())
            form.addRow(tr("May"), self.constraint)
            self.step_mm, self.step_deg = number_box(0.5, 0.1, 20.0, " mm"), number_box(1.0, 0.1, 45.0, " °")
            for box in (self.step_mm, self.step_deg):
                box.valueChanged.connect(lambda _: self._set_steps())
            form.addRow(tr("Step"), self.step_mm)
            form.addRow(tr("Turn step"), self.step_deg)
            self.mirrored = QCheckBox(tr("Mirror image of the library's"))
            self.mirrored.clicked.connect(lambda on: self._change(mirrored=bool(on)))
            form.addRow(self.mirrored)
            self.column.addLayout(form)
            self.buttons(
                button(tr("− slide"), lambda: self._slide(-1), tip=tr("Back along its main axis by a step")),
                button(tr("+ slide"), lambda: self._slide(1), tip=tr("On along its main axis by a step")),
                button(tr("− turn"), lambda: self._turn(-1), tip=tr("Turn about its main axis by a step")),
                button(tr("+ turn"), lambda: self._turn(1), tip=tr("Turn about its main axis by a step")),
            )
            self.snap_button = button(
                tr("Lay on surface"), self._snap, tip=tr("Onto the nearest place of the surface, along its normal")
            )
            self.other_side = button(
                tr("To the other side"),
                lambda: self._change(across="image"),
                tip=tr("Mirror it, and its place, across the middle plane of the image"),
            )
            self.buttons(self.snap_button, self.other_side)
            self.buttons(
                button(tr("To the crosshair"), self._to_crosshair, tip=tr("Its entry or centre to the crosshair")),
            )
            self.note(
                tr(
                    "Drag it or its ring in a slice; drag it, an arrow or a ring in 3D (Ctrl: tumble). "
                    "Alt+arrow keys move it by a step in a slice, with Shift they turn it."
                )
            )

    def _library_part(self) -> None:
        self.section(tr("Library"))
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search: name, size, maker"))
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName(tr("Search the library"))
        self.search.textChanged.connect(lambda _: self._fill_items())
        self.add(self.search)
        self.family = Choice()
        self.family.setAccessibleName(tr("Family"))
        self.family.activated.connect(lambda _: self._fill_items())
        self.add(self.family)
        self.items = QListWidget()
        self.items.setAccessibleName(tr("Library"))
        self.items.currentItemChanged.connect(lambda *_: self._tell_item())
        self.items.itemDoubleClicked.connect(lambda _: self.place())
        self.add(self.items)
        self.item_note = self.note()
        self.place_button = button(tr("Place"), self.place, "primary", tr("Put it at the crosshair"))
        self.click_button = button(
            tr("Place by click"),
            self._toggle_placing,
            tip=tr("The next click in a slice or on a surface in 3D places it"),
        )
        self.click_button.setCheckable(True)
        self.exchange_button = button(
            tr("Exchange"), self.exchange, tip=tr("Put it in the place of the chosen implant, as for another size")
        )
        self.buttons(self.place_button, self.click_button, self.exchange_button)
        self.folder_button = button(tr("Add folder …"), self.add_folder, tip=tr("A folder of manifests and meshes"))
        self.forget_button = button(tr("Forget folders"), self.forget_folders)
        self.buttons(self.folder_button, self.forget_button)
        self.bad = WarningList(self._theme)
        self.add(self.bad)

    # ---- the library -------------------------------------------------------------------------------------------

    def load_library(self) -> None:
        """Read the built-in families at once and the user's folders on a thread."""
        from surgitwin.implants.library import BadFile, Library, open_library

        folders = [folder for folder in self._settings.implant_folders if folder.is_dir()]
        gone = [folder for folder in self._settings.implant_folders if not folder.is_dir()]
        if self._library is None:
            self._take_library(open_library())

        def done(found: Library) -> None:
            missing = tuple(
                BadFile(one, tr("The folder {name} is not there any more.").format(name=one.name)) for one in gone
            )
            self._take_library(Library(found.items, (*found.bad, *missing)))

        if folders or gone:
            self.hand.background.submit(lambda: open_library(folders), done)
        else:
            self._take_library(open_library())

    def _take_library(self, library: Library) -> None:
        self._library = library
        chosen = self.family.currentData()
        self.family.clear()
        self.family.addItem(tr("All families"), "")
        names: dict[str, str] = {}
        for item in library.items:
            names.setdefault(item.model.family, item.model.name if item.model.generic else item.model.family)
        for family, title in names.items():
            self.family.addItem(title, family)
        self.family.setCurrentIndex(max(self.family.findData(chosen), 0))
        self.forget_button.setVisible(bool(self._settings.implant_folders))
        self.bad.show_warnings([(bad.reason, None) for bad in library.bad])
        self.bad.setVisible(bool(library.bad))
        self._fill_items()

    def _fill_items(self) -> None:
        from surgitwin.implants.library import maker_text

        if self._library is None:
            return
        words = self.search.text().casefold().split()
        family = self.family.currentData()
        before = self.item_id
        self.items.clear()
        for item in self._library.items:
            model = item.model
            text = f"{model.name} {model.size}"
            searched = " ".join((text, model.family, model.maker, model.material, maker_text(model))).casefold()
            if (family and model.family != family) or not all(word in searched for word in words):
                continue
            row = QListWidgetItem(text)
            row.setData(USER_ROLE, item.id)
            self.items.addItem(row)
            if item.id == before:
                self.items.setCurrentItem(row)
        if self.items.currentItem() is None and self.items.count():
            self.items.setCurrentRow(0)
        height = max(self.items.sizeHintForRow(0), 20) if self.items.count() else 20
        self.items.setFixedHeight(height * ROWS + 2 * self.items.frameWidth() + 2)
        self._tell_item()

    @property
    def item_id(self) -> str | None:
        row = self.items.currentRow()
        return str(self.items.item(row).data(USER_ROLE)) if row >= 0 else None

    def _item(self) -> Item | None:
        wanted = self.item_id
        items = self._library.items if self._library is not None else ()
        return next((item for item in items if item.id == wanted), None)

    def _tell_item(self) -> None:
        from surgitwin.implants.library import maker_text

        item = self._item()
        ready = item is not None
        for one in (self.place_button, self.click_button):
            one.setEnabled(ready)
        self.exchange_button.setEnabled(ready and self.hand.chosen is not None)
        if item is None:
            self.item_note.setText(tr("Nothing in the library fits the search."))
            return
        model = item.model
        sizes = ", ".join(f"{name} {value:g} mm" for name, value in model.dimensions_mm.items())
        lines = (maker_text(model), model.material, sizes.replace("_", " "), model.note)
        self.item_note.setText("\n".join(line for line in lines if line))

    def add_folder(self, folder: Path | None = None) -> None:
        """Take the implants of a folder into the library, from now on."""
        if folder is None:
            chosen = QFileDialog.getExistingDirectory(self, tr("Add a folder of implants"))
            if not chosen:
                return
            folder = Path(chosen)
        if folder not in self._settings.implant_folders:
            self._settings.implant_folders = [*self._settings.implant_folders, folder]
            save_settings(self._settings)
        self.load_library()

    def forget_folders(self) -> None:
        """Leave out the user's folders from now on; nothing in them is touched."""
        self._settings.implant_folders = []
        save_settings(self._settings)
        self.load_library()

    # ---- what the user does ------------------------------------------------------------------------------------

    def choose(self, implant: str) -> None:
        """Choose an implant of the case by its id."""
        self.hand.choose(NodeId(implant))

    def place(self) -> None:
        """Put the chosen item at the crosshair."""
        self._place_at(self._desk.crosshair)

    def _place_at(self, point: Any, on_surface: bool = False) -> None:
        self._stop_placing()
        wanted = self.item_id
        if wanted is None:
            return
        onto = self.onto.node_id()
        command = self._command(item=wanted, at=point, onto=onto, snap=on_surface and onto is not None)
        if command is not None:
            self._desk.do(command, lambda document: self.hand.choose(NodeId(document["node"]["id"])))

    def exchange(self) -> None:
        """Another item in the place of the chosen implant."""
        node, wanted = self.hand.chosen, self.item_id
        if node is not None and wanted is not None:
            self._do(item=wanted, name_=node.id)

    def _command(self, **values: Any) -> PlaceImplant | None:
        from surgitwin.commands.base import build

        folders = tuple(folder for folder in self._settings.implant_folders if folder.is_dir())
        try:
            made = build(PlaceImplant, {"folder": folders, **values})
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
        values: dict[str, Any] = {"implant": node.id, "avoid": tuple(self.avoid.node_ids())}
        if node.item.kind == "cup" and self.side.currentData():
            values["side"] = self.side.currentData()
        if register is not None:
            values["register"] = register
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
        folders = tuple(folder for folder in self._settings.implant_folders if folder.is_dir())
        values = {"family": node.item.family, "onto": node.onto, "start": node.id, "folder": folders}
        try:
            command = build(SweepSizes, {**values, "avoid": tuple(self.avoid.node_ids())})
        except SurgitwinError as error:
            self._desk.report(error)
            return

        def done(document: dict[str, Any]) -> None:
            if self.hand.chosen is not None and self.hand.chosen.id == node.id:
                self.sizes.show_rows(sweep_rows(document), tr("Ranked by: {rule}").format(rule=document["rule"]))

        self._desk.do(command, done)

    def _show_angles(self) -> None:
        """A cup's angles where the hand has it."""
        node, pose, side = self.hand.chosen, self.hand.pose, self.side.currentData()
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

    def _snap(self) -> None:
        self._change(snap=True)

    def _to_crosshair(self) -> None:
        x, y, z = self._desk.crosshair
        self._change(at=f"{x!r},{y!r},{z!r}")

    def _slide(self, sign: int) -> None:
        self._change(slide=sign * self.step_mm.value())

    def _turn(self, sign: int) -> None:
        self._change(turn=sign * self.step_deg.value())

    def _set_constraint(self) -> None:
        self.hand.constraint = self.constraint.currentData()
        self.tool.changed.emit()

    def _set_steps(self) -> None:
        self.tool.step_mm, self.tool.step_deg = self.step_mm.value(), self.step_deg.value()

    def _toggle_placing(self) -> None:
        self.hand.placing = self.click_button.isChecked()
        self.tool.changed.emit()

    def _stop_placing(self) -> None:
        self.click_button.setChecked(False)
        self._toggle_placing()

    # ---- what it shows -----------------------------------------------------------------------------------------

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        if self._library is None:
            self.load_library()
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
        self.move_group.setVisible(node is not None)
        self.fit_group.setVisible(node is not None)
        self.exchange_button.setEnabled(node is not None and self.item_id is not None)
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
        self.mirrored.setChecked(node.mirrored)
        for one in (self.snap_button, self.icp_button, self.measure_button):
            one.setEnabled(node.onto is not None)
        self.sweep_button.setEnabled(node.onto is not None)
        self._show_angles()
        self._side_form.setRowVisible(self.side, node.item.kind == "cup")
        scene = self._desk.scene
        self.avoid.fill([one for one in scene.of_type(SegmentNode) if one.id != node.onto])
        kept = [one for one in scene.of_type(FitNode) if one.implant == node.id and one.onto == node.onto]
        self.stale.setVisible(bool(kept) and scene.is_stale(kept[0]))
        self.result.show_document(kept[0].document if kept else None)

    def _show_fit(self, shown: FitShown) -> None:
        fit = shown.fit
        statuses = (Status.APPROXIMATE,) if shown.moving else ()
        self._show_card(self.contact, None if fit is None else fit.contact_percent, "%", statuses, 0)
        gap = None if fit is None else fit.gap_mm
        self._show_card(self.gap, None if gap is None else gap.mean, "mm", statuses, detail=_spread(gap))
        deep = None if fit is None else fit.penetration_mm
        self._show_card(self.penetration, None if deep is None else deep.max, "mm", statuses, detail=_deep(deep))
        self._show_card(self.share, None if fit is None else fit.inside_percent, "%", statuses)
        if shown.refused:
            self.fit_note.setText(shown.refused)
        elif fit is None or shown.live is None:
            self.fit_note.setText(tr("Choose what it is fitted to, and how it fits is measured."))
        else:
            text = tr(
                "On {name}; contact is within {mm:.1f} mm. Green: contact, red: deeper inside, grey: apart; "
                "on the implant and on what it is fitted to."
            )
            self.fit_note.setText(text.format(name=shown.onto, mm=shown.live.tolerance_mm))
        node = self.hand.chosen
        parts: tuple[SurfaceContent, ...] = ()
        if fit is not None and shown.live is not None and node is not None and self.isVisible():
            live = shown.live
            on_implant = tinted_parts(node, live.shape.mesh, fit, live.tolerance_mm)
            parts = (*on_implant, *tinted_bone(node, live.bone.mesh, fit, live.tolerance_mm))
        self.tinted.emit(parts)

    def _show_card(
        self,
        card: DecisionCard,
        value: float | None,
        unit: str,
        statuses: tuple[Status, ...],
        digits: int = 1,
        detail: str = "",
    ) -> None:
        card.set_value(None if value is None else f"{value:.{digits}f}", unit, detail, statuses)


def _spread(gap: Any) -> str:
    return "" if gap is None else tr("p95 {p95:.1f}, most {most:.1f}").format(p95=gap.p95, most=gap.max)


def _deep(deep: Any) -> str:
    return "" if deep is None else tr("mean {mean:.1f}").format(mean=deep.mean)
