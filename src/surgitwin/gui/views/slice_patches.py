"""Holding Bézier patches by mouse in a slice view: a control point, or the arrow that moves the whole patch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt

from surgitwin.render.content import PatchContent
from surgitwin.render.patch_cutting import patch_moved, point_moved

if TYPE_CHECKING:
    from surgitwin.gui.views.slice_view import SliceView

GRAB_PX = 9.0


@dataclass(frozen=True, eq=False)
class Hold:
    """What a patch is held by: the row and column of a control point, or the whole of it."""

    patch: PatchContent
    knob: tuple[int, int] | None

    @property
    def cursor(self) -> Qt.CursorShape:
        return Qt.CursorShape.SizeAllCursor if self.knob is None else Qt.CursorShape.PointingHandCursor


class SlicePatchHand:
    """Moves the patches of one `SliceView`; they move in the slice's plane."""

    def __init__(self, view: SliceView) -> None:
        self._view = view
        self._hold: Hold | None = None
        self._hot: tuple[str, tuple[int, int]] | None = None
        self._start = QPointF()

    @property
    def dragged_patch(self) -> str | None:
        """The id of the patch that is being dragged."""
        return None if self._hold is None else self._hold.patch.id

    @property
    def hot(self) -> tuple[str, tuple[int, int]] | None:
        """The patch and its control point that are held or under the mouse."""
        if self._hold is not None and self._hold.knob is not None:
            return self._hold.patch.id, self._hold.knob
        return self._hot

    def find(self, at: QPointF, keys: Qt.KeyboardModifier) -> Hold | None:
        """What can be held under a pixel; with Ctrl a patch is held as a whole by any part of it."""
        view, point = self._view, (at.x(), at.y())
        if keys & Qt.KeyboardModifier.ShiftModifier:
            return None  # a drag with Shift moves the picture
        whole = bool(keys & Qt.KeyboardModifier.ControlModifier)
        best: tuple[float, Hold] | None = None
        for curve in view.picture.curves(view.picture.position_at(view.focus), view.placement):
            patch = curve.content
            if not isinstance(patch, PatchContent) or not patch.editable:
                continue
            for knob in curve.knobs:
                away = ((knob.at[0] - point[0]) ** 2 + (knob.at[1] - point[1]) ** 2) ** 0.5
                if away <= GRAB_PX and (best is None or away < best[0]):
                    best = away, Hold(patch, None if whole else (knob.row, knob.column))
            if best is None and (
                curve.arrow_px(point) <= GRAB_PX * 0.7 or (whole and curve.distance_px(point) <= GRAB_PX * 0.7)
            ):
                best = GRAB_PX, Hold(patch, None)
        return None if best is None else best[1]

    def hover(self, hold: Hold | None) -> None:
        """Mark the control point under the mouse."""
        hot = (hold.patch.id, hold.knob) if hold is not None and hold.knob is not None else None
        if hot != self._hot:
            self._hot = hot
            self._view.update()

    def start(self, hold: Hold, at: QPointF) -> None:
        self._hold, self._start = hold, at
        self._view.patch_drag_started.emit(hold.patch.id)
        self._view.update()

    def drag(self, at: QPointF) -> None:
        """Follow the mouse: always from where the drag began, so that nothing adds up."""
        view, hold = self._view, self._hold
        if hold is None:
            return
        scale = view.placement.pixels_per_mm
        step = at - self._start
        by = view.orientation.to_lps((step.x() / scale, step.y() / scale, 0.0))
        changed = patch_moved(hold.patch, by) if hold.knob is None else point_moved(hold.patch, *hold.knob, by)
        self._show(changed)
        view.patch_dragged.emit(changed)

    def finish(self) -> bool:
        """The button was let go; False if nothing was held."""
        hold, view = self._hold, self._view
        if hold is None:
            return False
        self._hold = None
        current = next((patch for patch in view.content.patches if patch.id == hold.patch.id), hold.patch)
        view.patch_drag_finished.emit(current)
        return True

    def abort(self) -> bool:
        """Give back the place where the drag began; False if nothing was held."""
        hold, view = self._hold, self._view
        if hold is None:
            return False
        self._hold = None
        self._show(hold.patch)
        view.patch_drag_cancelled.emit(hold.patch.id)
        return True

    def _show(self, changed: PatchContent) -> None:
        view = self._view
        view.set_patches(tuple(changed if patch.id == changed.id else patch for patch in view.content.patches))
