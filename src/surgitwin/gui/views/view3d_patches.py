"""Holding Bézier patches by mouse in the 3D view: a control point, or the arrow that moves the whole patch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QMouseEvent

from surgitwin.core.geometry import FloatArray
from surgitwin.render.camera import from_screen, millimetres_per_pixel, screen_axes, to_screen
from surgitwin.render.content import PatchContent
from surgitwin.render.patch_cutting import (
    middle,
    nearest_handle,
    normal_at,
    patch_moved,
    point_moved,
    ray_meets,
    step_along,
    step_in_view,
)

if TYPE_CHECKING:
    from surgitwin.gui.views.view3d import View3D
    from surgitwin.render.patch_props import PatchActors

GRAB_PX = 11.0


@dataclass(frozen=True, eq=False)
class Hold:
    """What a patch is held by: the row and column of a control point, or the whole of it."""

    patch: PatchContent
    knob: tuple[int, int] | None

    @property
    def cursor(self) -> Qt.CursorShape:
        return Qt.CursorShape.SizeAllCursor if self.knob is None else Qt.CursorShape.PointingHandCursor


class PatchHand:
    """Moves the patches of one `View3D`: across the line of sight, or with Shift along the surface's normal."""

    def __init__(self, view: View3D, interactor: Any) -> None:
        self._view, self._interactor = view, interactor
        self._hold: Hold | None = None
        self._start = QPointF()

    @property
    def dragged_patch(self) -> str | None:
        return None if self._hold is None else self._hold.patch.id

    def find(self, at: QPointF, keys: Qt.KeyboardModifier) -> Hold | None:
        """What can be held under a logical pixel; with Ctrl a patch is held as a whole by any part of it."""
        renderer, ratio = self._view.scene.renderer, self._interactor.devicePixelRatioF()
        pixel = (at.x() * ratio, at.y() * ratio)
        whole = bool(keys & Qt.KeyboardModifier.ControlModifier)
        patches = [p for p in self._view.scene.patches() if p.content.editable and p.content.visible]
        best: tuple[float, Hold] | None = None
        for actors in patches:
            found = nearest_handle(to_screen(renderer, actors.handle_points()), pixel, GRAB_PX * ratio)
            if found is not None and (best is None or found[1] < best[0]):
                row, column = divmod(found[0], actors.content.control_points.shape[1])
                best = found[1], Hold(actors.content, None if whole else (row, column))
        if best is not None:
            return best[1]
        held = next((p for p in patches if self._on_arrow(p, pixel) or (whole and self._on_surface(p, pixel))), None)
        return None if held is None else Hold(held.content, None)

    def _on_arrow(self, actors: PatchActors, pixel: tuple[float, float]) -> bool:
        renderer, ratio = self._view.scene.renderer, self._interactor.devicePixelRatioF()
        places = actors.arrow_points(millimetres_per_pixel(renderer) * ratio)
        return nearest_handle(to_screen(renderer, places), pixel, 0.8 * GRAB_PX * ratio) is not None

    def _on_surface(self, actors: PatchActors, pixel: tuple[float, float]) -> bool:
        renderer = self._view.scene.renderer
        return ray_meets(actors.content.mesh, from_screen(renderer, pixel), screen_axes(renderer)[2])

    def hover(self, hold: Hold | None) -> None:
        """Mark the control point under the mouse, or the one that is held."""
        changed = False
        for actors in self._view.scene.patches():
            mine = hold is not None and hold.patch.id == actors.content.id
            changed |= actors.set_hot(hold.knob if hold is not None and mine else None)
        if changed:
            self._view.redraw()

    def press(self, event: QMouseEvent) -> bool:
        """Take hold of what is under the mouse; False if there is nothing."""
        keys = event.modifiers()
        allowed = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        hold = self.find(event.position(), keys) if not keys & ~allowed else None
        if hold is None:
            return False
        self._hold, self._start = hold, event.position()
        self.hover(hold)
        self._view.patch_drag_started.emit(hold.patch.id)
        return True

    def drag(self, at: QPointF, keys: Qt.KeyboardModifier) -> None:
        """Follow the mouse: always from where the drag began, so that nothing adds up."""
        view, hold = self._view, self._hold
        assert hold is not None
        by = self._step(hold, at, bool(keys & Qt.KeyboardModifier.ShiftModifier))
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

    def _step(self, hold: Hold, at: QPointF, along_normal: bool) -> FloatArray:
        """How far the mouse went, as an LPS vector."""
        renderer, ratio = self._view.scene.renderer, self._interactor.devicePixelRatioF()
        right, up, _ = screen_axes(renderer)
        scale = ratio * millimetres_per_pixel(renderer)
        step = ((at.x() - self._start.x()) * scale, (self._start.y() - at.y()) * scale)
        if along_normal:
            patch = hold.patch
            normal = middle(patch)[1] if hold.knob is None else normal_at(patch.control_points, *hold.knob)
            if normal is not None and np.any(normal):
                return step_along(normal, right, up, step)
        return step_in_view(right, up, step)

    def _show(self, changed: PatchContent) -> None:
        view = self._view
        view.set_patches(tuple(changed if patch.id == changed.id else patch for patch in view.content.patches))
