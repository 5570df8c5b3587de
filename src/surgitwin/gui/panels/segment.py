"""Segment: make segments by a method, bring label maps in, make surfaces, read volumes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox, QFormLayout, QLineEdit, QVBoxLayout, QWidget

from surgitwin.commands.look import ShowStatistics
from surgitwin.commands.segmenting import MakeSegment
from surgitwin.commands.segments import MakeSurfaces
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.form import Form
from surgitwin.gui.panels.parts import Choice, NodeChoice, Panel, button, value_row
from surgitwin.gui.theme import Theme
from surgitwin.scene.nodes import SegmentNode

PREVIEW_DELAY_MS = 150
PREVIEWED = ("threshold",)  # quick enough to follow a slider
START = {"threshold": {"lower": 150.0}, "grow": {"tolerance": 60.0}}


class SegmentPanel(Panel):
    """Signals: a mask to show before it is taken, or None to take it away; a label map to look for."""

    preview_changed = Signal(object)  # bool array [k, j, i] or None
    label_map_wanted = Signal()

    def __init__(self, desk: Desk, theme: Theme) -> None:
        super().__init__(theme, tr("Segment"), tr("Make a segment"))
        from surgitwin.segmentation.methods import METHODS

        self._desk = desk
        self._methods = METHODS
        self._preview_job: Any = None
        self._shown_stats: SegmentNode | None = None
        top = QFormLayout()
        top.setContentsMargins(0, 0, 0, 0)
        self.method = Choice()
        for name, method in METHODS.items():
            self.method.addItem(method.title, name)
        top.addRow(tr("Method"), self.method)
        self.source = NodeChoice()
        self.source_label = tr("Start from")
        top.addRow(self.source_label, self.source)
        self.into = QLineEdit()
        self.into.setPlaceholderText(tr("Name, for example Liver"))
        top.addRow(tr("Into"), self.into)
        self._top = top
        self.column.addLayout(top)
        self._form_holder = QWidget()
        self._form_column = QVBoxLayout(self._form_holder)
        self._form_column.setContentsMargins(0, 0, 0, 0)
        self.add(self._form_holder)
        self.form: Form | None = None
        self.preview = QCheckBox(tr("Preview in the slices"))
        self.preview.setChecked(True)
        self.add(self.preview)
        self.apply_button = button(tr("Apply"), self.apply, "primary")
        self.buttons(self.apply_button)
        self.section(tr("From a file"))
        self.buttons(button(tr("Add label map …"), self.label_map_wanted.emit))
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
        self.stats_title = self.section(tr("Selected segment"))
        self._stats: dict[str, Any] = {}
        for key, title in (
            ("volume", tr("Volume by voxels")),
            ("surface", tr("Volume by surface")),
            ("area", tr("Surface area")),
            ("hu", tr("HU, mean ± SD")),
            ("range", tr("HU, 5th to 95th percentile")),
        ):
            line, self._stats[key] = value_row(title)
            self.add(line)
        self.stats_note = self.note(role="caution")
        self.column.addStretch(1)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(PREVIEW_DELAY_MS)
        self._later.timeout.connect(self._start_preview)
        self.method.currentIndexChanged.connect(lambda _: self._show_method())
        self.preview.toggled.connect(lambda _: self._later.start())
        self.source.currentIndexChanged.connect(lambda _: self._source_chosen())
        desk.session_changed.connect(lambda _: self.refresh())
        desk.scene_changed.connect(lambda _: self.refresh())
        self._show_method()
        self.refresh()

    # ---- the method --------------------------------------------------------------------------------------------

    def _show_method(self) -> None:
        method = self._methods[self.method.currentData()]
        if self.form is not None:
            self._form_column.removeWidget(self.form)
            self.form.deleteLater()
        self.form = Form(method.Params, point=lambda: self._desk.crosshair)
        for name, value in START.get(method.name, {}).items():
            self.form.set_value(name, value)
        self.form.changed.connect(self._later.start)
        self._form_column.addWidget(self.form)
        self.align_forms()
        for first, second in pairwise((self.into, *self.form.fields, self.preview)):
            self.setTabOrder(first, second)
        self._top.setRowVisible(self.source, method.needs_segment)
        untouched = self.into.text() in {"", *(other.title for other in self._methods.values())}
        if not method.needs_segment and untouched:
            self.into.setText(method.title)
        self._source_chosen()
        self._later.start()

    def _source_chosen(self) -> None:
        if self._methods[self.method.currentData()].needs_segment:
            self.into.setText(self.source.currentText())

    def command(self) -> MakeSegment:
        """The command that Apply runs."""
        method = self._methods[self.method.currentData()]
        assert self.form is not None
        volume = self._desk.volume
        source = self.source.node_id() if method.needs_segment else None
        return MakeSegment(
            method=self.method.currentData(),
            into=self.into.text().strip() or method.title,
            of=source,
            onto=volume.id if volume is not None else None,
            settings=self.form.values(),
        )

    def apply(self) -> None:
        if self._desk.session is None:
            self._desk.say(tr("Open a study first."), "caution")
            return
        self._stop_preview()
        self._desk.do(self.command())

    def make_surfaces(self) -> None:
        self._desk.do(MakeSurfaces(smooth=self.smooth.value()))

    # ---- the preview -------------------------------------------------------------------------------------------

    def _start_preview(self) -> None:
        self._stop_preview()
        method = self._methods[self.method.currentData()]
        volume = self._desk.volume
        session = self._desk.session
        if not (self.preview.isChecked() and self.isVisible() and volume is not None and session is not None):
            return
        if method.name not in PREVIEWED or self.form is None:
            return
        try:
            params = method.parse(self.form.values())
        except SurgitwinError:
            return
        from surgitwin.segmentation.methods import Inputs

        voxels, geometry = volume.voxels, volume.geometry

        def work(ctx: Context) -> Any:
            return method.apply(Inputs(voxels.frozen(), geometry), params, ctx)

        self._preview_job = session.runner.submit(
            tr("Preview"), work, self.preview_changed.emit, lambda error: self.preview_changed.emit(None)
        )

    def _stop_preview(self) -> None:
        if self._preview_job is not None:
            self._preview_job.context.cancel()
            self._preview_job = None
        self.preview_changed.emit(None)

    def hideEvent(self, event: Any) -> None:
        self._stop_preview()
        super().hideEvent(event)

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self._later.start()

    # ---- statistics --------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        segments = self._desk.scene.of_type(SegmentNode)
        self.source.fill(list(segments))
        self.mesh_button.setEnabled(bool(segments))
        self.apply_button.setEnabled(self._desk.volume is not None)
        if self._shown_stats is not None:
            self.show_segment(self._desk.scene.get(self._shown_stats.id, SegmentNode))

    def show_segment(self, segment: SegmentNode | None) -> None:
        """Read the numbers of one segment, as a job."""
        if segment is not None and self._shown_stats is not None and segment.revision == self._shown_stats.revision:
            return
        self._shown_stats = segment
        self.stats_title.setText((segment.name if segment is not None else tr("Selected segment")).upper())
        for label in self._stats.values():
            label.setText("–")
        self.stats_note.setText("")
        if segment is not None:
            wanted = segment
            self._desk.do(
                ShowStatistics(segment=(segment.id,)),
                lambda document: self._fill_stats(wanted, document["segments"][0]),
            )

    def _fill_stats(self, segment: SegmentNode, entry: dict[str, Any]) -> None:
        if self._shown_stats is None or self._shown_stats.id != segment.id:
            return
        surface, area, hu = entry["surface_volume_ml"], entry["area_mm2"], entry["hu"]
        self._stats["volume"].setText(f"{entry['volume_ml']:.1f} ml")
        self._stats["surface"].setText(f"{surface:.1f} ml" if surface is not None else tr("not assessed"))
        self._stats["area"].setText(f"{area / 100:.1f} cm²" if area is not None else tr("not assessed"))
        self._stats["hu"].setText(f"{hu['mean']:.0f} ± {hu['sd']:.0f} HU" if hu else tr("not assessed"))
        self._stats["range"].setText(f"{hu['p05']:.0f} … {hu['p95']:.0f} HU" if hu else tr("not assessed"))
        if entry["cut_off"]:
            self.stats_note.setText(tr("⚠ Cut off by the image's edge: this is the volume of the part in view."))
