"""The numbers of one segment, read as a job once it has not changed for a moment."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from surgitwin.commands.look import ShowStatistics
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.gui.panels.parts import note_label, value_row
from surgitwin.jobs import Job
from surgitwin.scene.nodes import SegmentNode

QUIET_MS = 500  # strokes that follow each other are measured once


class SegmentNumbers(QWidget):
    """Volume, area and HU; what is no longer true is taken away at once."""

    def __init__(self, desk: Desk, title: QLabel) -> None:
        super().__init__()
        self._desk, self._title = desk, title
        self._shown: SegmentNode | None = None
        self._job: Job | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self._values: dict[str, QLabel] = {}
        for key, text in (
            ("volume", tr("Volume by voxels")),
            ("surface", tr("Volume by surface")),
            ("area", tr("Surface area")),
            ("hu", tr("HU, mean ± SD")),
            ("range", tr("HU, 5th to 95th percentile")),
        ):
            line, self._values[key] = value_row(text)
            column.addWidget(line)
        self._note = note_label(role="caution")
        column.addWidget(self._note)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._read)

    def show_segment(self, segment: SegmentNode | None) -> None:
        """Show another segment, or the same after it changed."""
        before = self._shown
        if segment is not None and before is not None and segment.revision == before.revision:
            return
        self._shown = segment
        self._title.setText((segment.name if segment is not None else tr("Selected segment")).upper())
        for label in self._values.values():
            label.setText("–")
        self._note.setText("")
        if self._job is not None:
            self._job.context.cancel()
            self._job = None
        changed = segment is not None and before is not None and segment.id == before.id
        if segment is not None:
            self._later.start(QUIET_MS if changed else 0)
        else:
            self._later.stop()

    def text(self, key: str) -> str:
        """What is shown under a key: volume, surface, area, hu or range."""
        return str(self._values[key].text())

    def refresh(self) -> None:
        """The scene has changed."""
        if self._shown is not None:
            self.show_segment(self._desk.scene.get(self._shown.id, SegmentNode))

    def _read(self) -> None:
        segment = self._shown
        if segment is not None and segment.id in self._desk.scene:
            command = ShowStatistics(segment=(segment.id,))
            self._job = self._desk.do(command, lambda document: self._fill(segment, document["segments"][0]))

    def _fill(self, segment: SegmentNode, entry: dict[str, Any]) -> None:
        if self._shown is None or (self._shown.id, self._shown.revision) != (segment.id, segment.revision):
            return
        self._job = None
        values, surface, area, hu = self._values, entry["surface_volume_ml"], entry["area_mm2"], entry["hu"]
        values["volume"].setText(f"{entry['volume_ml']:.1f} ml")
        values["surface"].setText(f"{surface:.1f} ml" if surface is not None else tr("not assessed"))
        values["area"].setText(f"{area / 100:.1f} cm²" if area is not None else tr("not assessed"))
        values["hu"].setText(f"{hu['mean']:.0f} ± {hu['sd']:.0f} HU" if hu else tr("not assessed"))
        values["range"].setText(f"{hu['p05']:.0f} … {hu['p95']:.0f} HU" if hu else tr("not assessed"))
        if entry["cut_off"]:
            self._note.setText(tr("⚠ Cut off by the image's edge: this is the volume of the part in view."))
