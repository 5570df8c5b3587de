"""Segment: make segments by a method or by hand, bring label maps in, sign off, make surfaces, read volumes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox, QFormLayout, QLineEdit, QVBoxLayout, QWidget

from surgitwin.commands.segmenting import EVERY_PART, MakeSegment
from surgitwin.commands.segments import MakeSurfaces
from surgitwin.commands.volumes import CropVolume, MaskVolume
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.ids import NodeId
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.form import Form
from surgitwin.gui.live_seeds import LiveSeeds
from surgitwin.gui.panels.cost_note import CostNote
from surgitwin.gui.panels.hand_tools import HandTools
from surgitwin.gui.panels.parts import Choice, NodeChoice, Panel, button
from surgitwin.gui.panels.segment_numbers import SegmentNumbers
from surgitwin.gui.panels.segment_rules import RulesBox
from surgitwin.gui.panels.sign_off import SignOffBox
from surgitwin.gui.previewing import Preview
from surgitwin.gui.theme import Theme
from surgitwin.gui.tools.point import PointTool
from surgitwin.gui.tools.workbench import Target, Workbench
from surgitwin.scene.nodes import Node, SegmentNode

PREVIEW_DELAY_MS = 150
# Quick enough to follow a slider; the others are looked at when asked for.
QUICK = frozenset({"threshold", "local-threshold", "grow", "lesion", "margin", "hollow", "islands", "fill-holes"})
START: dict[str, dict[str, Any]] = {"threshold": {"lower": 150.0}, "grow": {"tolerance": 60.0}}
FILE_SETTINGS = ("seeds",)  # in the window the seeds are segments of the case


class SegmentPanel(Panel):
    """Signals: what a method found, to be shown before it is taken, or None; a tool for the slices, or None; a label
    map to look for.
    """

    preview_changed = Signal(object)  # Parts or None
    tool_changed = Signal(object)  # SliceTool or None
    label_map_wanted = Signal()

    def __init__(self, desk: Desk, theme: Theme) -> None:
        super().__init__(theme, tr("Segment"), tr("Make a segment"))
        from surgitwin.commands.methods import all_methods

        self._desk = desk
        self._methods = all_methods()
        self.form: Form | None = None
        self._given_name = ""
        self.shown = Preview(desk, self)
        self.live = LiveSeeds(desk, self.shown, self)
        self.bench = Workbench(desk, self)
        self.hand = HandTools(theme, self.bench)
        self.points = PointTool(lambda: self.form.point_values() if self.form is not None else [], self)
        self._build_method()
        self.rules = RulesBox(theme)
        self.add(self.rules)
        self.sign_off = SignOffBox(theme, desk)
        self.add(self.sign_off)
        self._build_rest()
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(PREVIEW_DELAY_MS)
        self._later.timeout.connect(self._follow)
        self._connect()
        self._show_method()
        self.refresh()

    def _build_method(self) -> None:
        top = QFormLayout()
        top.setContentsMargins(0, 0, 0, 0)
        self.target = NodeChoice(none=tr("New segment"))
        self.target.setToolTip(tr("The segment that is edited"))
        top.addRow(tr("Segment"), self.target)
        self.into = QLineEdit()
        self.into.setPlaceholderText(tr("Name, for example Liver"))
        top.addRow(tr("Name"), self.into)
        self._top = top
        self.column.addLayout(top)
        self.section(tr("By hand"))
        self.add(self.hand)
        with self.group() as self._by_method:
            self._build_by_method()

    def _build_by_method(self) -> None:
        self.section(tr("By a method"))
        chooser = QFormLayout()
        chooser.setContentsMargins(0, 0, 0, 0)
        self.method = Choice()
        for name, method in self._methods.items():
            self.method.addItem(method.title, name)
        chooser.addRow(tr("Method"), self.method)
        self.source = NodeChoice()
        chooser.addRow(tr("Start from"), self.source)
        self._chooser = chooser
        self.column.addLayout(chooser)
        self.about = self.note()
        self._form_holder = QWidget()
        self._form_column = QVBoxLayout(self._form_holder)
        self._form_column.setContentsMargins(0, 0, 0, 0)
        self.add(self._form_holder)
        self.preview = QCheckBox(tr("Preview in the slices"))
        self.preview.setChecked(True)
        self.add(self.preview)
        self.cost = CostNote(self._desk)
        self.add(self.cost)
        self.complaint = self.note(role="caution")
        self.complaint.setVisible(False)
        self.apply_button = button(tr("Apply"), self.apply, "primary")
        self.look_button = button(tr("Preview"), self.look, tip=tr("Show what the method finds; nothing is changed"))
        self.drop_button = button(tr("Discard"), self.discard, "quiet", tr("Take the preview away (Esc)"))
        self.buttons(self.apply_button, self.look_button, self.drop_button)

    def _build_rest(self) -> None:
        self.section(tr("From a file"))
        self.buttons(button(tr("Add label map …"), self.label_map_wanted.emit))
        self.section(tr("Image"))
        self.crop_button = button(tr("Crop"), self.crop, tip=tr("Make a smaller image around the segment, 10 mm wider"))
        self.mask_button = button(tr("Mask"), self.mask_image, tip=tr("Make an image of the segment alone"))
        self.buttons(self.crop_button, self.mask_button)
        self.section(tr("Surfaces"))
        surfaces = QFormLayout()
        surfaces.setContentsMargins(0, 0, 0, 0)
        self.smooth = QDoubleSpinBox()
        self.smooth.setRange(0.0, 1.0)
        self.smooth.setSingleStep(0.1)
        self.smooth.setValue(0.5)
        self.smooth.setToolTip(tr("0 keeps the voxels' steps, 1 is smoothest; the volume is kept within 1 %"))
        surfaces.addRow(tr("Smoothing"), self.smooth)
        self.column.addLayout(surfaces)
        self.mesh_button = button(tr("Make all surfaces"), self.make_surfaces)
        self.buttons(self.mesh_button)
        self.numbers = SegmentNumbers(self._desk, self.section(tr("Selected segment")))
        self.add(self.numbers)
        self.column.addStretch(1)

    def _connect(self) -> None:
        self.method.currentIndexChanged.connect(lambda _: self._show_method())
        self.preview.toggled.connect(lambda _: self._preview_wanted())
        self.source.currentIndexChanged.connect(lambda _: self._changed())
        self.target.currentIndexChanged.connect(lambda _: self._target_chosen())
        self.rules.changed.connect(self._changed)
        self.points.clicked.connect(self._point_clicked)
        self.hand.chosen.connect(lambda _: self._tool_chosen())
        self.into.textChanged.connect(lambda _: self._changed())
        self.bench.made.connect(self._painted)
        self.bench.hinted.connect(self._desk.say)
        self.shown.shown.connect(self._show_found)
        self.shown.ended.connect(self._show_buttons)
        self.shown.failed.connect(self._complain)
        self._desk.session_changed.connect(lambda _: self.refresh())
        self._desk.scene_changed.connect(lambda _: self._desk.unseen.refresh(self, self._scene_changed))

    # ---- the method --------------------------------------------------------------------------------------------

    @property
    def _chosen(self) -> Any:
        return self._methods[self.method.currentData()]

    def _segments(self) -> list[Node]:
        """The segments on the image that is looked at."""
        volume, scene = self._desk.volume, self._desk.scene
        if volume is None:
            return []
        return [s for s in scene.of_type(SegmentNode) if scene.segmentation_of(s).volume == volume.id]

    def _show_method(self) -> None:
        method = self._chosen
        if self.form is not None:
            self._form_column.removeWidget(self.form)
            self.form.deleteLater()
        self.shown.clear()
        self.form = Form(method.Params, FILE_SETTINGS, lambda: self._desk.crosshair, self._segments)
        for name, value in START.get(method.name, {}).items():
            self.form.set_value(name, value)
        self.form.changed.connect(self._changed)
        self._form_column.addWidget(self.form)
        self.about.setText(method.help)
        self.preview.setVisible(method.name in QUICK)
        self.align_forms()
        for first, second in pairwise((self.into, self.method, self.source, *self.form.fields, self.preview)):
            self.setTabOrder(first, second)
        self._show_rows()
        self._give_tool()
        self._changed()

    def _show_rows(self) -> None:
        method, new = self._chosen, self.target.node_id() is None
        parts = method.makes_parts and self.hand.tool is None
        self._chooser.setRowVisible(self.source, method.needs_segment and new)
        self._top.setRowVisible(self.target, not parts or method.needs_segment)
        self._top.setRowVisible(self.into, new and not parts)
        for each in (self.crop_button, self.mask_button):
            each.setEnabled(not new)
        replaces = not new and not method.needs_segment and not method.makes_parts
        self.apply_button.setText(tr("Replace") if replaces else tr("Apply"))
        self._set_target()
        if self._untouched():
            name = self._free_name() if self.hand.tool is not None else "" if method.needs_segment else method.title
            self.into.setText(name)
            self._given_name = name

    def _target_chosen(self) -> None:
        self._show_rows()
        target = self._desk.scene.get(self.target.node_id(), SegmentNode)
        self.sign_off.show_node(target)
        self._changed()

    def command(self) -> MakeSegment:
        """The command that Apply runs."""
        method = self._chosen
        assert self.form is not None
        volume = self._desk.volume
        target = self.target.node_id()
        source = (target or self.source.node_id()) if method.needs_segment else None
        into = self.into.text().strip() or method.title
        return MakeSegment(
            method=method.name,
            into=EVERY_PART if method.makes_parts else target or into,
            of=source,
            onto=volume.id if volume is not None else None,
            settings=self.form.values(),
            **self.rules.values(),
        )

    def apply(self) -> None:
        if self._desk.session is None:
            self._desk.say(tr("Open a study first."), "caution")
            return
        self._later.stop()
        self.shown.take(self.command(), self._applied)

    def _applied(self, document: dict[str, Any]) -> None:
        """Go on with the segment that was just made."""
        for warning in document["warnings"]:
            if warning["code"] == "segmentation-note":
                self._desk.say(warning["message"], "caution")
        if len(document["nodes"]) == 1:
            self.target.fill(self._segments())
            self.target.choose(NodeId(document["nodes"][0]["id"]))
            self._target_chosen()

    def crop(self) -> None:
        """A smaller image around the segment."""
        target, volume = self.target.node_id(), self._desk.volume
        if target is not None and volume is not None:
            self._desk.do(CropVolume(around=target, of=volume.id))

    def mask_image(self) -> None:
        """An image with nothing but the segment in it."""
        target, volume = self.target.node_id(), self._desk.volume
        if target is not None and volume is not None:
            self._desk.do(MaskVolume(segment=target, of=volume.id))

    def make_surfaces(self) -> None:
        self._desk.do(MakeSurfaces(smooth=self.smooth.value()))

    # ---- by hand -----------------------------------------------------------------------------------------------

    def _tool_chosen(self) -> None:
        by_hand = self.hand.tool is not None
        self._by_method.setVisible(not by_hand)
        if by_hand and not self.live.following:  # who paints on the seeds looks at what they grow to
            self.discard()
        self._show_rows()
        self._give_tool()

    def _set_target(self) -> None:
        """Tell the tools what they edit, and by which rules."""
        node = self._desk.scene.get(self.target.node_id(), SegmentNode)
        if self._desk.volume is None:
            self.bench.target = None
        elif node is not None:
            self.bench.target = Target(node.id, node.color, self.rules.values())
            if self.hand.tool is not None:
                self.bench.targeted.emit(node.id)
        else:
            name = self.into.text().strip() or self._free_name()
            self.bench.target = Target(name, self.theme.tokens.rgb("accent"), self.rules.values())

    def _untouched(self) -> bool:
        """True as long as nobody typed a name of their own."""
        return self.into.text() in ("", self._given_name)

    def _free_name(self) -> str:
        """A name for a segment that was painted without one."""
        taken = {node.name.casefold() for node in self._segments()}
        number = 1
        while tr("Segment {number}").format(number=number).casefold() in taken:
            number += 1
        return tr("Segment {number}").format(number=number)

    def _painted(self, document: dict[str, Any]) -> None:
        """Go on with the segment that was just begun."""
        if document["node"] is not None and self.target.node_id() != document["node"]["id"]:
            self.target.fill(self._segments())
            self.target.choose(NodeId(document["node"]["id"]))

    # ---- points ------------------------------------------------------------------------------------------------

    def _give_tool(self) -> None:
        wanted = self.form is not None and bool(self.form.points)
        tool = self.hand.tool or (self.points if wanted else None)
        self.tool_changed.emit(tool if self.isVisible() else None)

    def _point_clicked(self, point: Any) -> None:
        if self.form is not None:
            self.form.take_point(point)

    # ---- the preview -------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        """A setting is another: what was found by the old ones may stay until the new ones have found something."""
        self._complain("")
        self._set_target()
        self.points.changed.emit()
        self._tell_cost()
        if self._chosen.name in QUICK:
            self._later.start()
        elif self.form is None or not self.live.follows(self.command()):
            self.shown.clear()

    def _tell_cost(self) -> None:
        if self.form is not None and self.isVisible() and self.hand.tool is None:
            self.cost.ask(self._chosen, self.form.values())
        else:
            self.cost.clear()

    def _preview_wanted(self) -> None:
        if not self.preview.isChecked():
            self.shown.clear()
        self._later.start()

    def _follow(self) -> None:
        """Show what a quick method finds with the settings as they are."""
        by_method = self.hand.tool is None and self.isVisible()
        if by_method and self.preview.isChecked() and self._chosen.name in QUICK:
            self.look(quietly=True)

    def look(self, quietly: bool = False) -> None:
        """Show what the method finds, and change nothing."""
        if self._desk.session is None or self._desk.volume is None or self.form is None:
            return
        command = self.command()
        try:
            self._chosen.parse(self.form.values())
        except SurgitwinError as error:
            if not quietly:
                self._complain(str(error))
            return
        if quietly and self._chosen.needs_segment and command.of is None:
            return
        if self.live.wants(command):
            self.live.start(command)
        else:
            self.shown.start(command)
        self._show_buttons()

    def _complain(self, text: str) -> None:
        self.complaint.setText(text)
        self.complaint.setVisible(bool(text))

    def discard(self) -> None:
        """Take the preview away."""
        self._later.stop()
        self.shown.clear()

    def _show_found(self, found: Any) -> None:
        self.preview_changed.emit(found)
        if found is not None:
            self._complain("")
        self._show_buttons(found is not None)

    def _show_buttons(self, found: bool | None = None) -> None:
        something = self.shown.ready is not None if found is None else found
        self.drop_button.setVisible(something or self.shown.running)
        self.look_button.setVisible(self._chosen.name not in QUICK and not self.drop_button.isVisibleTo(self))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.hand.tool is not None:
            if not self.hand.tool.abort():
                if self.live.busy:
                    self.discard()
                else:
                    self.hand.choose(None)
            return
        if event.key() == Qt.Key.Key_Escape and self.drop_button.isVisible():
            self.discard()
            return
        super().keyPressEvent(event)

    def hideEvent(self, event: Any) -> None:
        self._later.stop()
        self.shown.clear()
        self.tool_changed.emit(None)
        super().hideEvent(event)

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self._give_tool()
        self._later.start()
        self._tell_cost()

    # ---- the scene ---------------------------------------------------------------------------------------------

    def _scene_changed(self) -> None:
        self.refresh()
        if self._chosen.needs_segment:
            self._changed()  # it may have been computed from what is no more

    def refresh(self) -> None:
        segments = self._segments()
        self.source.fill(segments)
        self.target.fill(segments)
        self.rules.fill([segment for segment in segments if isinstance(segment, SegmentNode)])
        if self.form is not None:
            self.form.refresh_nodes()
        self.sign_off.show_node(self._desk.scene.get(self.target.node_id(), SegmentNode))
        self._show_rows()
        self.mesh_button.setEnabled(bool(segments))
        self.apply_button.setEnabled(self._desk.volume is not None)
        self._show_buttons()
        self.numbers.refresh()

    def choose_target(self, segment: SegmentNode) -> None:
        """Edit the segment that was chosen elsewhere."""
        self.target.choose(segment.id)
