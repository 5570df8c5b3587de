"""Outlines in a slice: drawn by hand, along edges between clicks, of one value; filled, or cut with as scissors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, QPointF, Qt
from PySide6.QtGui import QKeyEvent, QPainter, QPen, QPolygonF

from surgitwin.commands.drawing import CutWithScissors, DrawOutline, SlicePlane
from surgitwin.core.errors import SurgitwinError
from surgitwin.core.text import tr
from surgitwin.gui.tools.tool import SliceTool
from surgitwin.gui.tools.workbench import Workbench

if TYPE_CHECKING:
    from surgitwin.gui.views.slice_view import SliceView
    from surgitwin.segmentation.edges import LiveWire

Vec3 = tuple[float, float, float]
CLOSE_PX, DRAG_PX = 9.0, 4.0


class OutlineTool(SliceTool):
    """Collects corners: a drag draws freely, clicks set corners; a double click, Enter, or a click on the first corner
    closes the outline. Backspace takes the last corner back, Escape drops all.
    """

    hint = tr("Drag to draw, or click corners; Enter or a double click closes, Backspace takes back, Esc drops.")

    def __init__(self, bench: Workbench, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bench = bench
        self.erase = False
        self._view: SliceView | None = None
        self._corners: list[Vec3] = []
        self._at: QPointF | None = None
        self._pressed = QPointF()
        self._dragging = False

    # Corners ---------------------------------------------------------------------------------------------------

    def press(self, view: SliceView, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        if self._bench.volume is None or self._bench.target is None:
            return
        if self._view is not view or not self._same_slice(view):
            self._corners = []
        self._view, self._pressed, self._dragging = view, at, False
        if len(self._corners) >= 3 and self._near_first(view, at):
            self.finish()
            return
        self._add(view, at)

    def move(self, view: SliceView, at: QPointF) -> None:
        self._at = at
        if not self._dragging and (at - self._pressed).manhattanLength() > DRAG_PX:
            self._dragging = True
        drawing = self._dragging and self._freehand and bool(self._corners)
        if drawing and (at - view.pixel_of(self._corners[-1])).manhattanLength() > 2:
            self._corners.append(view.point_at(at))
        self.changed.emit()

    def release(self, view: SliceView, at: QPointF) -> None:
        if self._dragging and self._freehand and len(self._corners) >= 3:
            self.finish()
        self._dragging = False

    def hover(self, view: SliceView, at: QPointF) -> None:
        self._at = at
        if self._corners and self._view is view:
            self.changed.emit()

    def double_click(self, view: SliceView, at: QPointF) -> bool:
        if len(self._corners) >= 3:
            self.finish()
        return True

    def key(self, event: QKeyEvent) -> bool:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._corners:
            self.finish()
            return True
        if event.key() == Qt.Key.Key_Backspace and self._corners:
            self._take_back()
            self.changed.emit()
            return True
        return super().key(event)

    def abort(self) -> bool:
        something = bool(self._corners)
        self._corners, self._dragging = [], False
        self.changed.emit()
        return something

    @property
    def _freehand(self) -> bool:
        return True

    def _add(self, view: SliceView, at: QPointF) -> None:
        self._corners.append(view.point_at(at))
        self.changed.emit()

    def _take_back(self) -> None:
        self._corners.pop()

    def _near_first(self, view: SliceView, at: QPointF) -> bool:
        return (view.pixel_of(self._corners[0]) - at).manhattanLength() <= CLOSE_PX

    def _same_slice(self, view: SliceView) -> bool:
        if not self._corners:
            return True
        here = view.picture.position_at(view.focus)
        return abs(self._corners[0][view.orientation.axis] - here) < 1e-6

    # What becomes of it ----------------------------------------------------------------------------------------

    def outline(self) -> list[Vec3]:
        """The corners of the closed outline."""
        return self._corners

    def finish(self) -> None:
        """Close the outline and make the edit."""
        view, target, volume = self._view, self._bench.target, self._bench.volume
        corners = list(self.outline())
        self.abort()
        if view is None or target is None or volume is None:
            return
        if len(corners) < 3:
            self._bench.hinted.emit(tr("An outline needs at least three corners."))
            return
        self.make(view.orientation.value, corners, target.segment, {"onto": volume.id, **target.rules})

    def make(self, view: str, corners: list[Vec3], segment: str, rest: dict[str, Any]) -> None:
        """The edit itself."""
        self._bench.edit(DrawOutline(segment=segment, outline=corners, view=view, erase=self.erase, **rest))

    # Drawing ---------------------------------------------------------------------------------------------------

    def draw(self, view: SliceView, painter: QPainter) -> None:
        if self._view is not view or not self._corners or not self._same_slice(view):
            return
        places = [view.pixel_of(corner) for corner in self.line_so_far()]
        if self._at is not None and not self._dragging:
            places += [view.pixel_of(corner) for corner in self.line_to(view, self._at)]
        colour = view.theme.colour("bad") if self.erase else view.theme.colour("accent")
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in (QPen(view.theme.colour("annotation-shadow", 0.85), 3.5), QPen(colour, 1.8)):
            painter.setPen(pen)
            painter.drawPolyline(QPolygonF(places))
        painter.drawEllipse(places[0], CLOSE_PX / 2, CLOSE_PX / 2)

    def line_so_far(self) -> list[Vec3]:
        return self._corners

    def line_to(self, view: SliceView, at: QPointF) -> list[Vec3]:
        """From the last corner to the mouse."""
        return [view.point_at(at)]


class ScissorsTool(OutlineTool):
    """Cuts the segment along the outline."""

    def __init__(self, bench: Workbench, parent: QObject | None = None) -> None:
        super().__init__(bench, parent)
        self.erase = True
        self.keep = False
        self.outside = False
        self.depth_mm: float | None = None

    def cut_in_3d(self, corners: Any, camera: Any, size_px: Any) -> None:
        """Cut along an outline drawn over the 3D view."""
        target, volume = self._bench.target, self._bench.volume
        if target is not None and volume is not None:
            rest = {"onto": volume.id, "camera": camera, "size_px": size_px, **target.rules}
            self.make("3d", corners, target.segment, rest)

    def make(self, view: str, corners: list[Any], segment: str, rest: dict[str, Any]) -> None:
        self._bench.edit(
            CutWithScissors(
                segment=segment,
                outline=corners,
                view=view,
                side="outside" if self.outside else "inside",
                mode="keep" if self.keep else "cut",
                depth_mm=self.depth_mm if view != "3d" else None,
                **rest,
            )
        )


class LiveWireTool(OutlineTool):
    """Follows the edges between clicks."""

    hint = tr("Click along the border: the line finds the edge. Enter closes, Backspace takes a click back, Esc drops.")

    def __init__(self, bench: Workbench, parent: QObject | None = None) -> None:
        super().__init__(bench, parent)
        self._pieces: list[list[Vec3]] = []
        self._wire: LiveWire | None = None
        self._plane: SlicePlane | None = None

    @property
    def _freehand(self) -> bool:
        return False

    def _add(self, view: SliceView, at: QPointF) -> None:
        from surgitwin.segmentation.edges import LiveWire

        volume = self._bench.volume
        if volume is None:
            return
        if not self._corners:
            position = view.picture.position_at(view.focus)
            try:
                self._plane = SlicePlane.of(volume, view.orientation.value, position)
            except SurgitwinError as error:
                self._bench.hinted.emit(str(error))
                return
            self._wire = LiveWire(self._plane.pixels, self._plane.spacing_mm)
            self._pieces = []
        else:
            self._pieces.append(self._way(self._corners[-1], view.point_at(at)))
        super()._add(view, at)

    def _take_back(self) -> None:
        super()._take_back()
        if self._pieces:
            self._pieces.pop()

    def _way(self, start: Vec3, stop: Vec3) -> list[Vec3]:
        """Points along edges, without the first."""
        if self._wire is None or self._plane is None:
            return [stop]
        ends = self._plane.pixels_of(np.array([start, stop]))
        try:
            path = self._wire.path((ends[0, 0], ends[0, 1]), (ends[1, 0], ends[1, 1]))
        except SurgitwinError:
            return [stop]
        return [(float(x), float(y), float(z)) for x, y, z in self._plane.points_of(path)[1:]]

    def line_so_far(self) -> list[Vec3]:
        return [*self._corners[:1], *(point for piece in self._pieces for point in piece)]

    def line_to(self, view: SliceView, at: QPointF) -> list[Vec3]:
        return self._way(self._corners[-1], view.point_at(at))

    def outline(self) -> list[Vec3]:
        if len(self._corners) < 2:
            return self._corners
        return [*self.line_so_far(), *self._way(self._corners[-1], self._corners[0])[:-1]]


class LevelTool(OutlineTool):
    """Shows the contour of the value under the mouse; a click takes it."""

    hint = tr("Point at the border of a structure: the contour of its value shows. A click takes it.")

    def __init__(self, bench: Workbench, parent: QObject | None = None) -> None:
        super().__init__(bench, parent)
        self._plane: SlicePlane | None = None
        self._plane_of: tuple[Any, ...] = ()

    def hover(self, view: SliceView, at: QPointF) -> None:
        self._view, self._at = view, at
        self._corners = self._contour(view, at)
        self.changed.emit()

    def press(self, view: SliceView, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self._view = view
        self._corners = self._contour(view, at)
        if not self._corners:
            self._bench.hinted.emit(tr("No closed contour here. Point at the border of a structure."))
            return
        self.finish()

    def move(self, view: SliceView, at: QPointF) -> None:
        return

    def double_click(self, view: SliceView, at: QPointF) -> bool:
        return True

    def leave(self, view: SliceView) -> None:
        self.abort()

    def line_to(self, view: SliceView, at: QPointF) -> list[Vec3]:
        return self._corners[:1]

    def _contour(self, view: SliceView, at: QPointF) -> list[Vec3]:
        from surgitwin.segmentation.edges import level_outline

        volume = self._bench.volume
        if volume is None:
            return []
        position = view.picture.position_at(view.focus)
        try:
            key = (volume.id, volume.revision, view.orientation, position)
            if key != self._plane_of:
                self._plane, self._plane_of = SlicePlane.of(volume, view.orientation.value, position), key
            assert self._plane is not None
            row, column = self._plane.pixels_of(np.array([view.point_at(at)]))[0]
            found = self._plane.points_of(level_outline(self._plane.pixels, (float(row), float(column))))
        except SurgitwinError:
            return []
        return [(float(x), float(y), float(z)) for x, y, z in found]
