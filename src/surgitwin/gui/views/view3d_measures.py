"""Dragging the handles of measurements in 3D: over the surface under the mouse, or else across the line of sight."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QMouseEvent

from surgitwin.render.camera import millimetres_per_pixel, screen_axes, to_screen
from surgitwin.render.content import Vec3, vec3
from surgitwin.render.measures import MeasureContent

if TYPE_CHECKING:
    from surgitwin.gui.views.view3d import View3D

GRAB_PX = 11.0


class MeasureHand3D:
    """Grabs handles in one `View3D` while its ``measure_tool`` is at work."""

    def __init__(self, view: View3D, interactor: Any) -> None:
        self._view, self._interactor = view, interactor
        self._held: tuple[MeasureContent, int] | None = None
        self._points: list[Vec3] = []

    @property
    def dragging(self) -> bool:
        return self._held is not None

    def find(self, at: QPointF) -> tuple[MeasureContent, int] | None:
        """The measurement and its handle under a logical pixel."""
        tool, scene = self._view.measure_tool, self._view.scene
        if tool is None or scene is None or tool.placing:
            return None
        ratio = self._interactor.devicePixelRatioF()
        best: tuple[float, MeasureContent, int] | None = None
        for content in self._view.content.measures:
            if not content.visible or not tool.movable(content.id):
                continue
            pixels = to_screen(scene.renderer, np.asarray(content.points))[:, :2] / ratio
            away = np.hypot(pixels[:, 0] - at.x(), pixels[:, 1] - at.y())
            number = int(np.argmin(away))
            if away[number] <= GRAB_PX and (best is None or away[number] < best[0]):
                best = float(away[number]), content, number
        return None if best is None else best[1:]

    def press(self, event: QMouseEvent) -> bool:
        """Take hold of what is under the mouse; False if there is nothing."""
        plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        self._held = self.find(event.position()) if plain else None
        self._points = list(self._held[0].points) if self._held is not None else []
        return self._held is not None

    def drag(self, at: QPointF) -> None:
        """Follow the mouse."""
        view, held = self._view, self._held
        if held is None or view.measure_tool is None:
            return
        content, number = held
        place = view.pick(at) or self._across(content.points[number], at)
        self._points[number] = view.measure_tool.snapped(place, content.id)
        shown = view.measure_tool.preview(self._points, content.id)
        if shown is not None:
            self._show(replace(shown, id=content.id, colour=content.colour))

    def finish(self) -> bool:
        """The button was let go; False if nothing was held."""
        held, self._held = self._held, None
        if held is not None and self._view.measure_tool is not None and self._points != list(held[0].points):
            self._view.measure_tool.dragged.emit(held[0].id, list(self._points))
        return held is not None

    def abort(self) -> bool:
        """Give back the place where the drag began; False if nothing was held."""
        held, self._held = self._held, None
        if held is not None:
            self._show(held[0])
        return held is not None

    def _across(self, point: Vec3, at: QPointF) -> Vec3:
        """The place under the mouse as far away as the handle was."""
        renderer, ratio = self._view.scene.renderer, self._interactor.devicePixelRatioF()
        right, up, _ = screen_axes(renderer)
        was = to_screen(renderer, np.asarray(point))[:2] / ratio
        scale = millimetres_per_pixel(renderer) * ratio
        return vec3(np.asarray(point) + scale * ((at.x() - was[0]) * right - (at.y() - was[1]) * up))

    def _show(self, changed: MeasureContent) -> None:
        content = self._view.content
        measures = tuple(changed if one.id == changed.id else one for one in content.measures)
        self._view.set_content(replace(content, measures=measures))
