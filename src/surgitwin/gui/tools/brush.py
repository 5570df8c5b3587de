"""Paint and erase with a disk or a ball."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QPointF, Qt, Signal
from PySide6.QtGui import QPainter, QPen

from surgitwin.commands.drawing import AXES, PaintStroke
from surgitwin.gui.tools.tool import SliceTool
from surgitwin.gui.tools.workbench import Stroke, Workbench
from surgitwin.scene.nodes import VolumeNode
from surgitwin.segmentation.strokes import BrushShape, stroke

if TYPE_CHECKING:
    from surgitwin.gui.views.slice_view import SliceView

Vec3 = tuple[float, float, float]
RADIUS_MM, SMALLEST_MM, LARGEST_MM = 6.0, 0.2, 150.0
STEP = 1.15
MORE_PX = 1.5  # the mouse must move so far before another piece of the stroke is marked


class BrushTool(SliceTool):
    """Marks while the button is held; the stroke is one edit when it is let go. Escape drops it."""

    radius_changed = Signal(float)
    cursor = Qt.CursorShape.BlankCursor

    def __init__(self, bench: Workbench, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bench = bench
        self.radius_mm = RADIUS_MM
        self.shape: BrushShape = "sphere"
        self.erase = False
        self._at: QPointF | None = None
        self._view: SliceView | None = None
        self._volume: VolumeNode | None = None
        self._points: list[Vec3] = []
        self._last = QPointF()
        self._shown: Stroke | None = None

    # The stroke ------------------------------------------------------------------------------------------------

    def press(self, view: SliceView, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        volume, target = self._bench.volume, self._bench.target
        if volume is None or target is None:
            return
        color = view.theme.tokens.rgb("bad") if self.erase else target.color
        # Memory that nobody touches costs nothing: only the pages of the stroke are ever made.
        self._shown = Stroke(np.zeros(volume.geometry.shape_kji, dtype=np.uint8), color)
        self._view, self._volume, self._points = view, volume, []
        self._mark(at)

    def move(self, view: SliceView, at: QPointF) -> None:
        self._at = at
        if self._shown is not None and (at - self._last).manhattanLength() >= MORE_PX:
            self._mark(at)
        self.changed.emit()

    def release(self, view: SliceView, at: QPointF) -> None:
        shown, volume, target = self._shown, self._volume, self._bench.target
        if shown is None or volume is None or target is None:
            return
        if at != self._last:
            self._mark(at)
        self._shown = None
        if shown.box is None:
            self._bench.show_stroke(None)
            return
        command = PaintStroke(
            segment=target.segment,
            points=self._points,
            radius_mm=self.radius_mm,
            shape=self.shape,
            view=view.orientation.value,
            erase=self.erase,
            onto=volume.id,
            **target.rules,
        )
        self._bench.edit(command, (shown.box, shown.labels[shown.box.slices].astype(np.bool_)))

    def abort(self) -> bool:
        if self._shown is None:
            return False
        self._shown = None
        self._bench.show_stroke(None)
        return True

    def _mark(self, at: QPointF) -> None:
        view, volume, shown = self._view, self._volume, self._shown
        if view is None or volume is None or shown is None:
            return
        point = view.point_at(at)
        way: NDArray[np.float64] = np.array([*self._points[-1:], point])
        box, mask = stroke(volume.geometry, way, self.radius_mm, self.shape, AXES[view.orientation.value])
        self._points.append(point)
        self._last = at
        if not box.empty:
            shown.labels[box.slices] |= mask
            shown.box = box if shown.box is None else shown.box.union(box)
        self._bench.show_stroke(shown)

    # The brush -------------------------------------------------------------------------------------------------

    def hover(self, view: SliceView, at: QPointF) -> None:
        self._view, self._at = view, at
        self.changed.emit()

    def leave(self, view: SliceView) -> None:
        if self._shown is None:
            self._at = None
            self.changed.emit()

    def wheel(self, notches: float) -> bool:
        self.set_radius(self.radius_mm * STEP**notches)
        return True

    def set_radius(self, radius_mm: float) -> None:
        """Make the brush larger or smaller, within reason."""
        radius_mm = min(max(radius_mm, SMALLEST_MM), LARGEST_MM)
        if radius_mm != self.radius_mm:
            self.radius_mm = radius_mm
            self.radius_changed.emit(radius_mm)
            self.changed.emit()

    def draw(self, view: SliceView, painter: QPainter) -> None:
        if self._at is None or self._view is not view:
            return
        target = self._bench.target
        radius = self.radius_mm * view.placement.pixels_per_mm
        colour = view.theme.colour("bad") if self.erase or target is None else view.theme.colour("accent")
        painter.setBrush(Qt.BrushStyle.NoBrush)
        style = Qt.PenStyle.DashLine if self.erase else Qt.PenStyle.SolidLine
        for pen in (QPen(view.theme.colour("annotation-shadow", 0.85), 3.0), QPen(colour, 1.5, style)):
            painter.setPen(pen)
            painter.drawEllipse(self._at, radius, radius)
        painter.drawPoint(self._at)
