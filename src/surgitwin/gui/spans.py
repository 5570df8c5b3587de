"""Volume and place of every segment, counted by a job whenever segments change."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from surgitwin.core.geometry import Geometry
from surgitwin.core.ids import NodeId, Revision
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.gui.desk import Desk
from surgitwin.render.twin import Span, span_of
from surgitwin.scene.nodes import LabelLayerNode, SegmentationNode, SegmentNode

Key = tuple[NodeId, Revision]
QUIET_MS = 200  # after the last change: steps of an undo or strokes that follow each other are counted once


class SegmentSpans(QObject):
    """Keeps millilitres and LPS boxes by (segment id, revision)."""

    changed = Signal()

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.spans: dict[Key, Span] = {}
        self.volumes_ml: dict[Key, float] = {}
        self._running = False
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(QUIET_MS)
        self._later.timeout.connect(self._count)
        desk.session_changed.connect(lambda _: self._restart())
        desk.scene_changed.connect(lambda _: self._later.start())

    def of(self, segment: SegmentNode) -> Span | None:
        return self.spans.get((segment.id, segment.revision))

    def _restart(self) -> None:
        self.spans, self.volumes_ml = {}, {}
        self._running = False
        self._later.start()

    def _count(self) -> None:
        session = self._desk.session
        if session is None or self._running:
            return
        scene = session.scene
        wanted: list[tuple[Any, Geometry, list[SegmentNode]]] = []
        for layer in scene.of_type(LabelLayerNode):
            segments = [s for s in scene.segments_of_layer(layer.id) if (s.id, s.revision) not in self.volumes_ml]
            segmentation = scene.get(layer.parent, SegmentationNode)
            if segments and segmentation is not None:
                wanted.append((layer.labels, segmentation.geometry, segments))
        if not wanted:
            return
        self._running = True
        frozen = [(labels.frozen(), geometry, segments) for labels, geometry, segments in wanted]

        def work(ctx: Context) -> list[tuple[Key, float, Span | None]]:
            from surgitwin.surfaces.statistics import box_of_labels, label_statistics

            found: list[tuple[Key, float, Span | None]] = []
            for labels, geometry, segments in frozen:
                ctx.check()
                values = [segment.value for segment in segments]
                box = box_of_labels(labels, values, ctx)
                part = np.ascontiguousarray(labels[box.slices])
                counted = ctx.apart(label_statistics, part, None, geometry, values, box)
                for segment in segments:
                    numbers = counted[segment.value]
                    span = span_of(geometry, numbers.box) if numbers.voxels else None
                    found.append(((segment.id, segment.revision), numbers.volume_ml, span))
            return found

        def done(found: list[tuple[Key, float, Span | None]]) -> None:
            self._running = False
            if self._desk.session is not session:
                return
            for key, volume_ml, span in found:
                self.volumes_ml[key] = volume_ml
                if span is not None:
                    self.spans[key] = span
            self.changed.emit()
            self._later.start()

        def failed(error: BaseException) -> None:
            self._running = False
            self._desk.report(error)

        session.runner.submit(tr("Counting voxels"), work, done, failed)
