"""Outlines in a slice: drawn by hand, along edges between clicks, of one value; filled, or cut with as scissors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QPointF, Qt
from PySide6.QtGui import QKeyEvent, QPainter, QPen, QPolygonF

from surgitwin.commands.drawing import CutWithScissors, DrawOutline
from surgitwin.core.text import tr
from surgitwin.gui.tools.tool import SliceTool
from surgitwin.gui.tools.tracing import Latest, LevelTracer, WireTracer
from surgitwin.gui.tools.workbench import Target, Workbench
from surgitwin.scene.nodes import VolumeNode

if TYPE_CHECKING:
    from surgitwin.gui.views.slice_view import SliceView

Vec3 = tuple[float, float, float]
CLOSE_PX, DRAG_PX = 9.0, 4.0


@dataclass(frozen=True)
class Chosen:
    """The view an outline was drawn in, what it edits, and the image it lies on."""

    view: str
    target: Target
    volume: VolumeNode


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

    @property
    def sure(self) -> Chosen | None:
        """What an outline is for, as it is chosen now; None if nothing is."""
        view, target, volume = self._view, self._bench.target, self._bench.volume
        if view is None or target is None or volume is None:
            return None
        return Chosen(view.orientation.value, target, volume)

    def finish(self) -> None:
        """Close the outline and make the edit."""
        corners, sure = list(self._corners), self.sure
        self.abort()
        if sure is not None:
            self.close(corners, sure)

    def close(self, corners: list[Vec3], sure: Chosen) -> None:
        """Make the edit of a closed outline, unless its case is gone meanwhile."""
        if self._bench.volume is None or self._bench.volume.id != sure.volume.id:
            return
        if len(corners) < 3:
            self._bench.hinted.emit(tr("An outline needs at least three corners."))
            return
        self.make(sure.view, corners, sure.target.segment, {"onto": sure.volume.id, **sure.target.rules})

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
    """Follows the edges between clicks; the ways are found on a thread and are straight until then."""

    hint = tr("Click along the border: the line finds the edge. Enter closes, Backspace takes a click back, Esc drops.")

    def __init__(self, bench: Workbench, parent: QObject | None = None) -> None:
        super().__init__(bench, parent)
        self._pieces: list[list[Vec3]] = []
        self._tracer: WireTracer | None = None
        self._hovered: tuple[Vec3, Vec3, list[Vec3]] | None = None  # from, to, and the way between
        self._asked: tuple[Vec3, Vec3] | None = None
        self._mouse: Latest[tuple[Vec3, Vec3, list[Vec3]]] = Latest(bench.background, self._take_hovered)

    @property
    def _freehand(self) -> bool:
        return False

    def _add(self, view: SliceView, at: QPointF) -> None:
        volume = self._bench.volume
        if volume is None:
            return
        if not self._corners:
            self._begin(WireTracer(volume, view.orientation.value, view.picture.position_at(view.focus)))
        else:
            stop = view.point_at(at)
            piece = [stop]
            self._pieces.append(piece)
            self._trace(self._corners[-1], stop, piece)
        super()._add(view, at)

    def _begin(self, tracer: WireTracer) -> None:
        self._pieces, self._hovered, self._tracer = [], None, tracer

        def begun(problem: str) -> None:
            if problem and self._tracer is tracer:
                self.abort()
                self._bench.hinted.emit(problem)

        self._bench.background.submit(tracer.begin, begun)

    def _trace(self, start: Vec3, stop: Vec3, piece: list[Vec3]) -> None:
        """Find the way of a piece; everything that is asked for later is answered later."""
        tracer = self._tracer
        if tracer is None:
            return

        def found(way: list[Vec3]) -> None:
            piece[:] = way
            self.changed.emit()

        self._bench.background.submit(lambda: tracer.way(start, stop), found)

    def _take_hovered(self, found: tuple[Vec3, Vec3, list[Vec3]]) -> None:
        self._hovered = found
        if self._corners:
            self.changed.emit()

    def _take_back(self) -> None:
        super()._take_back()
        if self._pieces:
            self._pieces.pop()

    def abort(self) -> bool:
        self._pieces, self._tracer, self._hovered, self._asked = [], None, None, None
        self._mouse.forget()
        return super().abort()

    def line_so_far(self) -> list[Vec3]:
        return [*self._corners[:1], *(point for piece in self._pieces for point in piece)]

    def line_to(self, view: SliceView, at: QPointF) -> list[Vec3]:
        """The way to the mouse, or to where it was a moment ago."""
        tracer, start, stop = self._tracer, self._corners[-1], view.point_at(at)
        if tracer is not None and self._asked != (start, stop):
            self._asked = (start, stop)
            self._mouse.ask(lambda: (start, stop, tracer.way(start, stop)))
        if self._hovered is not None and self._hovered[0] == start:
            return self._hovered[2]
        return [stop]

    def finish(self) -> None:
        """Find the way back to the first corner, close the outline with it and make the edit."""
        sure = self.sure
        if len(self._corners) < 2 or self._tracer is None or sure is None:
            super().finish()
            return
        corners, pieces, tracer = self._corners, self._pieces, self._tracer
        self.abort()

        def found(way: list[Vec3]) -> None:
            # The pieces were asked for before, and are all found by now.
            self.close([*corners[:1], *(point for piece in pieces for point in piece), *way[:-1]], sure)

        self._bench.background.submit(lambda: tracer.way(corners[-1], corners[0]), found)


class LevelTool(OutlineTool):
    """Shows the contour of the value under the mouse, as soon as it is found; a click takes it."""

    hint = tr("Point at the border of a structure: the contour of its value shows. A click takes it.")

    def __init__(self, bench: Workbench, parent: QObject | None = None) -> None:
        super().__init__(bench, parent)
        self._tracer = LevelTracer()
        self._over = False
        self._mouse: Latest[list[Vec3]] = Latest(bench.background, self._take)

    def hover(self, view: SliceView, at: QPointF) -> None:
        self._view, self._at, self._over = view, at, True
        work = self._contour(view, at)
        if work is not None:
            self._mouse.ask(work)

    def press(self, view: SliceView, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        self._view = view
        sure, work = self.sure, self._contour(view, at)
        if sure is None or work is None:
            return

        def found(corners: list[Vec3]) -> None:
            if corners:
                self.abort()
                self.close(corners, sure)
            else:
                self._bench.hinted.emit(tr("No closed contour here. Point at the border of a structure."))

        self._bench.background.submit(work, found)

    def move(self, view: SliceView, at: QPointF) -> None:
        return

    def double_click(self, view: SliceView, at: QPointF) -> bool:
        return True

    def leave(self, view: SliceView) -> None:
        self.abort()

    def abort(self) -> bool:
        self._over = False
        self._mouse.forget()
        return super().abort()

    def line_to(self, view: SliceView, at: QPointF) -> list[Vec3]:
        return self._corners[:1]

    def _take(self, corners: list[Vec3]) -> None:
        if self._over:
            self._corners = corners
            self.changed.emit()

    def _contour(self, view: SliceView, at: QPointF) -> Callable[[], list[Vec3]] | None:
        volume = self._bench.volume
        if volume is None:
            return None
        name, position, point = view.orientation.value, view.picture.position_at(view.focus), view.point_at(at)
        return lambda: self._tracer.contour(volume, name, position, point)
