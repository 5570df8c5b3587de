"""The hand in 3D: an implant follows the mouse on the screen, an arrow slides it along its axis, a ring turns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QMouseEvent

from surgitwin.gui.implant_gizmo import COLOURED, NAMES, PREFIX
from surgitwin.gui.implant_hand import ImplantHand
from surgitwin.render.camera import millimetres_per_pixel, screen_axes, to_screen

if TYPE_CHECKING:
    from surgitwin.gui.views.view3d import View3D

EDGE_ON = 0.15
DEG_PER_PX = 0.5


class ImplantHand3D:
    """Grabs the chosen implant and its handles in one 3D view."""

    def __init__(self, view: View3D, interactor: Any, hand: ImplantHand) -> None:
        self._view, self._interactor, self._hand = view, interactor, hand
        self._grip: tuple[str, int] | None = None
        self._start = QPointF()

    @property
    def dragging(self) -> bool:
        return self._grip is not None

    def press(self, event: QMouseEvent) -> bool:
        """True if the hand has closed on something."""
        node = self._hand.chosen
        if self._view.scene is None:
            return False
        if self._hand.placing:
            point = self._view.pick(event.position())
            if point is not None:
                self._hand.placed.emit(point, True)
            return point is not None
        if node is None:
            return False
        found = self._under(event.position())
        if found in (node.id, f"{node.id}/{COLOURED}"):
            turns = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
            self._grip = ("spin" if turns else "carry", 0)
        elif found.startswith(PREFIX):
            _, kind, axis = found.split(":")
            self._grip = (kind, NAMES.index(axis))
        else:
            return False
        self._start = event.position()
        self._hand.begin()
        return True

    def drag(self, at: QPointF) -> None:
        hand, grip, pose = self._hand, self._grip, self._hand.pose
        if grip is None or pose is None:
            return
        right, up, towards = screen_axes(self._view.scene.renderer)
        step = self._step(at)
        kind, number = grip
        axis = pose[:3, number]
        if kind == "carry":
            hand.shift(step[0] * right + step[1] * up)
        elif kind == "move":
            shown = np.array([axis @ right, axis @ up])
            length = float(shown @ shown)
            hand.shift((float(step @ shown) / length if length > EDGE_ON**2 else float(step[1])) * axis)
        elif kind == "spin":
            # About the axis across the mouse's way, as if the implant were a ball under it.
            across = step[0] * up - step[1] * right
            size = float(np.linalg.norm(across))
            if size > 1e-9:
                hand.rotate(across / size, size / self._mm_per_px() * DEG_PER_PX)
        else:
            hand.rotate(axis, self._angle(at, pose, axis, towards))

    def finish(self) -> bool:
        """The button came up: true if something was held."""
        was, self._grip = self._grip is not None, None
        if was:
            self._hand.drop()
        return was

    def abort(self) -> bool:
        was, self._grip = self._grip is not None, None
        return self._hand.abort() or was

    # ---- on the screen -----------------------------------------------------------------------------------------

    def _mm_per_px(self) -> float:
        return float(millimetres_per_pixel(self._view.scene.renderer) * self._interactor.devicePixelRatioF())

    def _step(self, at: QPointF) -> Any:
        """Millimetres to the right and up since the hand closed."""
        return np.array([at.x() - self._start.x(), self._start.y() - at.y()]) * self._mm_per_px()

    def _angle(self, at: QPointF, pose: Any, axis: Any, towards: Any) -> float:
        """How far the mouse went around the anchor's picture, as a turn about the axis, degrees."""
        from surgitwin.implants.placement import anchor
        from surgitwin.implants.poses import moved

        node = self._hand.chosen
        assert node is not None
        facing = float(axis @ towards)
        if abs(facing) < EDGE_ON:
            return (at.x() - self._start.x() + self._start.y() - at.y()) * DEG_PER_PX
        ratio = self._interactor.devicePixelRatioF()
        x, y = to_screen(self._view.scene.renderer, moved(anchor(node.item), pose))[:2] / ratio
        one, two = ((p.x() - x, y - p.y()) for p in (self._start, at))  # y up
        angle = np.degrees(np.arctan2(one[0] * two[1] - one[1] * two[0], one[0] * two[0] + one[1] * two[1]))
        return float(angle * np.sign(facing))

    def _under(self, at: QPointF) -> str:
        """The id of the surface under a logical pixel; handles come before what lies in front of them."""
        from vtkmodules.vtkRenderingCore import vtkCellPicker

        scene, ratio = self._view.scene, self._interactor.devicePixelRatioF()
        owners = scene.pickable_surfaces()
        height = scene.renderer.GetSize()[1]
        handles = [(name, actor) for name, actor in owners if name.startswith(PREFIX)]
        for some, tolerance in ((handles, 0.006), (owners, 0.0)):
            picker = vtkCellPicker()
            picker.SetTolerance(tolerance)
            picker.PickFromListOn()
            for _, actor in some:
                picker.AddPickList(actor)
            if some and picker.Pick(at.x() * ratio, height - 1 - at.y() * ratio, 0.0, scene.renderer):
                hit = picker.GetActor()
                return next((name for name, actor in some if actor is hit), "")
        return ""
