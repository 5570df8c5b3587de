"""Place the points of a measurement in slices or 3D, and drag those of measurements that are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter

from surgitwin.gui.tools.tool import SliceTool
from surgitwin.render.measures import MeasureContent, in_slice

if TYPE_CHECKING:
    from surgitwin.gui.views.slice_view import SliceView

Point = tuple[float, float, float]
GRAB_PX = 9.0


class MeasureTool(SliceTool):
    """Without a kind to place it only drags handles.

    Parameters
    ----------
    preview
        What the points so far look like, with their value.
    movable
        Whether the handles of a measurement can be dragged.
    snapped
        Where a point goes that the hand has here, for a new measurement ("") or one that is dragged (its id).
    crosshair
        Where the crosshair is, for those who place points by key.

    Signals
    -------
    placed(list of Point)
        All points are there.
    dragged(str, list of Point)
        The handles of a measurement (its id) were let go here.
    progressed
        A point was placed or taken back.
    """

    placed = Signal(object)
    dragged = Signal(str, object)
    progressed = Signal()

    def __init__(
        self,
        preview: Callable[[list[Point], str], MeasureContent | None],
        movable: Callable[[str], bool],
        snapped: Callable[[Point, str], Point],
        crosshair: Callable[[], Point],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.preview, self.movable, self.snapped, self.crosshair = preview, movable, snapped, crosshair
        self.least, self.most = 0, 0  # most 0: nothing is being placed; -1: as many as wanted
        self.points: list[Point] = []
        self._under: Point | None = None
        self._held: tuple[MeasureContent, int] | None = None
        self._moved: list[Point] = []

    @property
    def placing(self) -> bool:
        return self.most != 0

    def begin(self, least: int, most: int | None) -> None:
        """Wait for so many points; ``most`` None: until Enter or a double click."""
        self.least, self.most, self.points, self._under = least, -1 if most is None else most, [], None
        self.progressed.emit()
        self.changed.emit()

    def stop(self) -> None:
        """Place nothing any more."""
        self.begin(0, 0)

    def place(self, point: Point) -> None:
        """One more point, from a slice, from 3D, or where the crosshair is."""
        if not self.placing:
            return
        self.points.append(self.snapped(point, ""))
        if len(self.points) == self.most:
            self.finish()
            return
        self.progressed.emit()
        self.changed.emit()

    def finish(self) -> bool:
        """Take the points as they are; False if there are too few."""
        if not self.placing or len(self.points) < self.least:
            return False
        points, self.points, self._under = self.points, [], None
        self.placed.emit(points)
        self.progressed.emit()
        self.changed.emit()
        return True

    # ---- the mouse ---------------------------------------------------------------------------------------------

    def press(self, view: SliceView, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        if self.placing:
            self.place(view.point_at(at))
            return
        self._held = self._handle(view, at)
        self._moved = list(self._held[0].points) if self._held is not None else []

    def move(self, view: SliceView, at: QPointF) -> None:
        if self._held is None:
            return
        self._moved[self._held[1]] = self.snapped(view.point_at(at), self._held[0].id)
        self.changed.emit()

    def release(self, view: SliceView, at: QPointF) -> None:
        held, self._held = self._held, None
        if held is not None and self._moved != list(held[0].points):
            self.dragged.emit(held[0].id, list(self._moved))
        self.changed.emit()

    def hover(self, view: SliceView, at: QPointF) -> None:
        if self.placing:
            self._under = view.point_at(at)
            self.changed.emit()
            return
        over = self._handle(view, at) is not None
        view.setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)

    def leave(self, view: SliceView) -> None:
        self._under = None
        self.changed.emit()

    def double_click(self, view: SliceView, at: QPointF) -> bool:
        if not self.placing:
            return False
        if self.most == -1 and len(self.points) >= 2 and self.points[-1] == self.points[-2]:
            self.points.pop()
        self.finish()
        return True

    # ---- keys --------------------------------------------------------------------------------------------------

    def key(self, event: QKeyEvent) -> bool:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.placing and self.most == -1:
            return self.finish()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self.placing:
            self.place(self.crosshair())
            return True
        if event.key() == Qt.Key.Key_Backspace and self.points:
            self.points.pop()
            self.progressed.emit()
            self.changed.emit()
            return True
        return super().key(event)

    def abort(self) -> bool:
        if self._held is not None:
            self._held = None
        elif self.placing:
            self.stop()
        else:
            return False
        self.changed.emit()
        return True

    # ---- drawing -----------------------------------------------------------------------------------------------

    def draw(self, view: SliceView, painter: QPainter) -> None:
        shown = self._shown()
        if shown is None or view.picture.grid is None:
            return
        here = view.picture.position_at(view.focus)
        slice_mm = view.picture.grid.spacing[2]
        view.draw_measures(painter, in_slice([shown], view.orientation, here, slice_mm, view.placement))

    def _shown(self) -> MeasureContent | None:
        if self._held is not None:
            return self.preview(self._moved, self._held[0].id)
        points = [*self.points, *([self.snapped(self._under, "")] if self._under is not None else [])]
        found = self.preview(points, "") if self.placing and points else None
        return None if found is None else replace(found, points=tuple(points))

    def _handle(self, view: SliceView, at: QPointF) -> tuple[MeasureContent, int] | None:
        best: tuple[float, MeasureContent, int] | None = None
        for one in view.picture.measures(view.picture.position_at(view.focus), view.placement):
            if not self.movable(one.content.id):
                continue
            for number, (x, y), _ in one.handles:
                away = ((x - at.x()) ** 2 + (y - at.y()) ** 2) ** 0.5
                if away <= GRAB_PX and (best is None or away < best[0]):
                    best = away, one.content, number
        return None if best is None else best[1:]
