"""Measure in every step: choose a kind, click its points in slices or 3D, and see what was measured."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QInputDialog,
    QListWidget,
    QListWidgetItem,
    QPushButton,
)

from surgitwin.commands.base import Document, build
from surgitwin.commands.measured import TITLES, Task, measured
from surgitwin.commands.measuring import (
    MEASUREMENT_COLUMNS,
    PLACED,
    ListMeasurements,
    MeasureTwin,
    measurement_document,
    measurement_row,
    table_text,
)
from surgitwin.commands.properties import EditNode, RemoveNode
from surgitwin.core.errors import BadInput
from surgitwin.core.ids import NodeId
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.measure_snap import SurfaceSnap
from surgitwin.gui.panels.parts import Choice, Panel, button
from surgitwin.gui.theme import Theme
from surgitwin.gui.tools.measure import MeasureTool, Point
from surgitwin.render.measures import MeasureContent, content_of, region_content
from surgitwin.scene.nodes import MeasurementKind, MeasurementNode, SegmentNode, SurfaceNode, VesselTreeNode

ID_ROLE = Qt.ItemDataRole.UserRole
HINTS: dict[MeasurementKind, str] = {
    "ruler": tr("Click the two ends."),
    "angle": tr("Click an end, the apex, and the other end."),
    "cobb": tr("Click two points on one line, then two on the other, both in the same direction."),
    "curve": tr("Click along the curve; Enter or a double click ends it."),
    "area": tr(
        "Click around the area; Enter or a double click ends it. With a structure: the area of its surface within the "
        "loop."
    ),
    "sphere": tr("Click the centre."),
    "box": tr("Click the centre."),
    "diameter": tr("Choose the vessel, then click a place on it."),
    "distance": tr("Choose the two structures."),
}
VIEWS = (
    ("3d", tr("in space")),
    ("axial", tr("as seen in axial")),
    ("coronal", tr("as seen in coronal")),
    ("sagittal", tr("as seen in sagittal")),
)
FIXED = ("distance",)  # their points follow from the structures
OF_STRUCTURE = ("distance", "diameter", "curve", "area")
SNAPPING = ("ruler", "angle", "cobb", "area")


class MeasurePanel(Panel):
    """Signals: the tool for the left button (None: none of this panel's any more), and whether 3D gives points."""

    tool_changed = Signal(object)
    left = Signal()
    places_wanted = Signal(bool)

    def __init__(self, desk: Desk, theme: Theme) -> None:
        super().__init__(theme, tr("Measure"), tr("Measurements"))
        self._desk = desk
        self._kind: MeasurementKind | None = None
        self._surfaces = SurfaceSnap(desk, self)
        self.tool = MeasureTool(self._preview, self._movable, self._snapped, lambda: desk.crosshair, self)
        self._surfaces.ready.connect(self.tool.changed)
        self.tool.placed.connect(self._measure)
        self.tool.dragged.connect(self._measure_again)
        self.tool.progressed.connect(self._show_progress)
        self._show_kinds()
        self._show_settings()
        self.hint = self.note()
        self.measure_button = button(tr("Measure distance"), lambda: self._measure([]), "primary")
        self.take_button = button(
            tr("Take the crosshair"),
            lambda: self.tool.place(desk.crosshair),
            tip=tr("A point where the crosshair is; in a slice the space bar does that"),
        )
        self.end_button = button(tr("End here"), self.tool.finish, tip=tr("Measure with the points so far (Enter)"))
        self.buttons(self.measure_button, self.take_button, self.end_button)
        self._show_list()
        self.column.addStretch(1)
        desk.session_changed.connect(lambda _: self._restart())
        desk.scene_changed.connect(lambda _: desk.unseen.refresh(self, self.refresh))
        self._show_progress()

    # ---- what it is made of ------------------------------------------------------------------------------------

    def _show_kinds(self) -> None:
        grid = QGridLayout()
        grid.setSpacing(6)
        self.kinds: dict[MeasurementKind, QPushButton] = {}
        for number, (kind, title) in enumerate(TITLES.items()):
            one = QPushButton(title)
            one.setCheckable(True)
            one.setToolTip(HINTS[kind])
            one.clicked.connect(partial(self._choose, kind))
            self.kinds[kind] = one
            grid.addWidget(one, number // 3, number % 3)
        self.column.addLayout(grid)

    def _show_settings(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        self.form = form
        self.radius = _spin(tr("Radius"), 5.0)
        self.edge = _spin(tr("Edge"), 10.0)
        self.first, self.second, self.plane = Choice(), Choice(), Choice()
        for key, title in VIEWS:
            self.plane.addItem(title, key)
        self.snap = QCheckBox(tr("Snap to the surface"))
        self.snap.setToolTip(tr("Move the points onto the nearest surface; of the structure, if one is chosen"))
        self.snap.toggled.connect(lambda _: self._show_progress())
        for choice, title in ((self.first, tr("Structure")), (self.second, tr("To")), (self.plane, tr("Angle"))):
            choice.setAccessibleName(title)
            choice.activated.connect(lambda _: self._show_progress())
            form.addRow(title, choice)
        form.addRow(tr("Radius"), self.radius)
        form.addRow(tr("Edge"), self.edge)
        form.addRow("", self.snap)
        self.column.addLayout(form)

    def _show_list(self) -> None:
        self.section(tr("Measured"))
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setMinimumHeight(180)
        self.list.setAccessibleName(tr("Measurements"))
        self.list.itemChanged.connect(self._ticked)
        self.list.itemDoubleClicked.connect(lambda _: self.jump())
        self.list.currentItemChanged.connect(lambda *_: self._show_details())
        self.add(self.list)
        self.details = self.note()
        self.warning = self.note(role="caution")
        self.buttons(
            button(tr("Go to"), self.jump, "plain", tr("Bring the crosshair there")),
            button(tr("Rename"), self.rename),
            button(tr("Remove"), self.remove),
        )
        self.buttons(
            button(tr("Copy as CSV"), self.copy),
            button(tr("Save CSV"), self.save),
        )

    # ---- placing -----------------------------------------------------------------------------------------------

    def _choose(self, kind: MeasurementKind, checked: bool = True) -> None:
        self._kind = kind if checked else None
        if self._kind is None or kind in FIXED:
            self.tool.stop()
        else:
            self.tool.begin(*PLACED[kind])
        self._show_progress()

    def _restart(self) -> None:
        self._kind = None
        self.tool.stop()
        self.refresh()

    def _show_progress(self) -> None:
        if not self.tool.placing and self._kind is not None and self._kind not in FIXED:
            self._kind = None
        kind = self._kind
        for key, one in self.kinds.items():
            one.setChecked(key == kind)
        shown = {
            self.first: kind in OF_STRUCTURE or (kind in SNAPPING and self.snap.isChecked()),
            self.second: kind == "distance",
            self.plane: kind in ("angle", "cobb"),
            self.radius: kind == "sphere",
            self.edge: kind == "box",
            self.snap: kind in SNAPPING and not (kind == "area" and self.first.currentData()),
        }
        for widget, wanted in shown.items():
            self.form.setRowVisible(widget, wanted)
        self.measure_button.setVisible(kind == "distance")
        self.take_button.setVisible(self.tool.placing)
        self.end_button.setVisible(self.tool.placing and self.tool.most == -1)
        self.end_button.setEnabled(len(self.tool.points) >= self.tool.least)
        count = len(self.tool.points)
        more = tr(" {count} placed; Backspace takes one back, Esc all.").format(count=count) if count else ""
        self.hint.setText(HINTS[kind] + more if kind is not None else tr("Choose what to measure, or drag a handle."))
        self.places_wanted.emit(self.tool.placing and self.isVisible())

    def _fields(self, kind: MeasurementKind) -> dict[str, Any]:
        chosen = self.first.currentData()
        of = [chosen] if chosen and (kind in OF_STRUCTURE or (kind in SNAPPING and self.snap.isChecked())) else []
        if kind == "distance" and self.second.currentData():
            of.append(self.second.currentData())
        edge = self.edge.value()
        volume = self._desk.volume
        return {
            "kind": kind,
            "of": of,
            "on": volume.id if volume is not None else None,
            "radius_mm": self.radius.value() if kind == "sphere" else None,
            "size_mm": (edge, edge, edge) if kind == "box" else None,
            "plane": self.plane.currentData() if kind in ("angle", "cobb") else "3d",
            # An area of a structure lies along its surface, where its points are moved to anyway.
            "snap": self.snap.isChecked() and kind in SNAPPING and not (kind == "area" and of),
        }

    def _snapped(self, point: Point, key: str) -> Point:
        """Where the measure command will move a point."""
        node = self._desk.scene.get(NodeId(key), MeasurementNode) if key else None
        if node is not None:
            fields = _again(node)
            kind, of, snap = node.kind, fields["of"], fields["snap"]
        elif self._kind is not None:
            fields = self._fields(self._kind)
            kind, of, snap = self._kind, fields["of"], fields["snap"]
        else:
            return point
        along = kind in ("curve", "area") and bool(of)
        return self._surfaces.placed(point, of) if snap or along else point

    def _measure(self, points: list[Point]) -> None:
        kind = self._kind
        if kind is None:
            return
        self._run({**self._fields(kind), "at": points})
        if kind not in FIXED:
            self.tool.begin(*PLACED[kind])  # the next one of this kind

    def _measure_again(self, key: str, points: list[Point]) -> None:
        node = self._desk.scene.get(NodeId(key), MeasurementNode)
        if node is None:
            return
        self._run({**_again(node), "at": points})

    def _run(self, fields: dict[str, Any]) -> None:
        def done(document: Document) -> None:
            self.refresh()
            self._select(document["node"]["id"])
            for warning in document["warnings"]:
                self._desk.say(warning["message"], "caution")

        try:
            command = build(MeasureTwin, fields)
        except BadInput as error:
            self._desk.report(error)
            return
        self._desk.do(command, done)

    def _movable(self, key: str) -> bool:
        node = self._desk.scene.get(NodeId(key), MeasurementNode)
        return node is not None and node.kind not in FIXED and node.visible

    def _preview(self, points: list[Point], key: str) -> MeasureContent | None:
        """The points with a value that is not kept yet; ≈ says that it may still change."""
        node = self._desk.scene.get(NodeId(key), MeasurementNode) if key else None
        kind = node.kind if node is not None else self._kind
        if kind is None:
            return None
        label, document = self._value(kind, points, node)
        fields = _again(node) if node is not None else self._fields(kind)
        if kind == "area" and fields["of"] and not fields["snap"]:
            # The flat outline's area would be too small; that of the surface is known once all points are there.
            label, document = tr("along the surface …"), {"line_mm": [[*points, points[0]]]}
        if kind in ("sphere", "box"):
            edge = self.edge.value() / 2
            reach = (self.radius.value(),) * 3 if kind == "sphere" else (edge, edge, edge)
            if node is not None and kind == "sphere":
                reach = (node.radius_mm or 1.0,) * 3
            elif node is not None and node.size_mm is not None:
                x, y, z = (size / 2 for size in node.size_mm)
                reach = (x, y, z)
            return region_content("preview", kind, points[0], reach, label)
        shown = MeasurementNode(name="preview", kind=kind, points_mm=tuple(points), document=document)
        return content_of(shown, label)

    def _value(self, kind: MeasurementKind, points: list[Point], node: MeasurementNode | None) -> tuple[str, Any]:
        least, most = PLACED[kind]
        if len(points) < least or kind == "diameter":
            return "", None
        volume = self._desk.volume
        valued = volume if kind in ("sphere", "box") else None
        edge = self.edge.value()
        task = Task(
            kind=kind,
            points=np.asarray(points[:most] if most else points, dtype=np.float64),
            voxels=valued.voxels.read() if valued is not None else None,
            grid=valued.geometry if valued is not None else None,
            in_hu=valued is None or valued.unit == "HU",
            radius_mm=node.radius_mm if node is not None else self.radius.value(),
            size_mm=node.size_mm if node is not None and node.size_mm else (edge, edge, edge),
            plane=node.plane if node is not None else self.plane.currentData(),
        )
        try:
            document = measured(task, Context()).document
        except BadInput:
            return "", None
        return f"≈ {document['text']}", document

    # ---- the list ----------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the measurements and structures that there are."""
        scene = self._desk.scene
        keep = self._selected_id()
        self.list.blockSignals(True)
        self.list.clear()
        for node in scene.of_type(MeasurementNode):
            stale = tr("  STALE") if scene.is_stale(node) else ""
            item = QListWidgetItem(f"{node.name}: {(node.document or {}).get('text', tr('not assessed'))}{stale}")
            item.setData(ID_ROLE, node.id)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if node.visible else Qt.CheckState.Unchecked)
            item.setToolTip(tr("The tick shows or hides it; a double click goes there"))
            self.list.addItem(item)
        self.list.blockSignals(False)
        for choice in (self.first, self.second):
            chosen = choice.currentData()
            choice.clear()
            choice.addItem(tr("none"), "")
            for one in (*scene.of_type(SegmentNode), *scene.of_type(VesselTreeNode), *scene.of_type(SurfaceNode)):
                if not (isinstance(one, SurfaceNode) and one.segment is not None):
                    choice.addItem(one.name, one.id)
            choice.setCurrentIndex(max(choice.findData(chosen), 0))
        self._select(keep)

    def _select(self, key: str | None) -> None:
        for row in range(self.list.count()):
            if self.list.item(row).data(ID_ROLE) == key:
                self.list.setCurrentRow(row)
        self._show_details()

    def _selected_id(self) -> str | None:
        row = self.list.currentRow()
        return str(self.list.item(row).data(ID_ROLE)) if row >= 0 else None

    def _selected(self) -> MeasurementNode | None:
        key = self._selected_id()
        return self._desk.scene.get(NodeId(key), MeasurementNode) if key else None

    def _show_details(self) -> None:
        node = self._selected()
        document = (node.document or {}) if node is not None else {}
        spread = document.get("uncertainty")
        parts = [document.get("how", "")]
        if spread is not None:
            parts.append(tr("± {spread:.1f} {unit} by the voxels").format(spread=spread, unit=document["unit"]))
        self.details.setText("; ".join(part for part in parts if part))
        self.warning.setText("\n".join(warning["message"] for warning in document.get("warnings", [])))
        self.warning.setVisible(bool(document.get("warnings")))

    def _ticked(self, item: QListWidgetItem) -> None:
        node = self._desk.scene.get(NodeId(item.data(ID_ROLE)), MeasurementNode)
        shown = item.checkState() == Qt.CheckState.Checked
        if node is not None and node.visible != shown:
            self._desk.do_now(EditNode(node=node.id, visible=shown))

    def jump(self) -> None:
        node = self._selected()
        if node is not None and node.points_mm:
            x, y, z = (float(v) for v in np.mean(np.asarray(node.points_mm), axis=0))
            self._desk.move_crosshair((x, y, z))

    def rename(self) -> None:
        node = self._selected()
        if node is None:
            return
        name, agreed = QInputDialog.getText(self, tr("Rename"), tr("Name"), text=node.name)
        if agreed and name.strip():
            self._desk.do_now(EditNode(node=node.id, rename=name.strip()))

    def remove(self) -> None:
        node = self._selected()
        if node is not None:
            self._desk.do(RemoveNode(node=node.id))

    def copy(self) -> None:
        """Put all measurements on the clipboard, as a table."""
        scene = self._desk.scene
        rows = [measurement_row(measurement_document(scene, node)) for node in scene.of_type(MeasurementNode)]
        QApplication.clipboard().setText(table_text(MEASUREMENT_COLUMNS, rows))

    def save(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self, tr("Save measurements"), "measurements.csv", "CSV (*.csv)")
        if chosen:
            self._desk.do(ListMeasurements(csv=Path(chosen).with_suffix(".csv"), overwrite=True))

    # ---- coming and going --------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh()
        self.tool_changed.emit(self.tool)
        self._show_progress()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.tool.stop()
        self.places_wanted.emit(False)
        self.left.emit()

    def close_surfaces(self) -> None:
        """End what is being made ready to snap to."""
        self._surfaces.close()


def _again(node: MeasurementNode) -> dict[str, Any]:
    """The fields of the command that measures something once more, without its points."""
    snapped = bool(node.provenance is not None and node.provenance.parameters.get("snapped"))
    # A flat area that only names a structure stays flat: naming it now would measure along its surface.
    flat = node.kind == "area" and not snapped and not (node.document or {}).get("on_surface")
    return {
        "kind": node.kind,
        "name": node.id,
        "of": [] if flat else list(node.of),
        "on": node.volume,
        "radius_mm": node.radius_mm,
        "size_mm": node.size_mm,
        "plane": node.plane,
        "snap": snapped,
    }


def _spin(name: str, value: float) -> QDoubleSpinBox:
    spin = QDoubleSpinBox()
    spin.setRange(0.5, 200.0)
    spin.setDecimals(1)
    spin.setSuffix(" mm")
    spin.setValue(value)
    spin.setAccessibleName(name)
    return spin
