"""One orthogonal slice in the window: numpy and QPainter, no OpenGL."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QEnterEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from surgitwin.core.text import tr
from surgitwin.gui.theme import Theme
from surgitwin.gui.tools.tool import SliceTool
from surgitwin.gui.views.slice_input import SliceInput
from surgitwin.gui.views.slice_painting import SlicePainter
from surgitwin.render.content import (
    ImageContent,
    LabelLayer,
    MarkerContent,
    PatchContent,
    PlaneContent,
    SliceContent,
    Vec3,
    vec3,
)
from surgitwin.render.measures import SliceMeasure
from surgitwin.render.overlay import OverlayLook
from surgitwin.render.placement import Placement, Point
from surgitwin.render.slice_picture import Slab, SlicePicture
from surgitwin.render.slicing import Orientation
from surgitwin.render.windowing import Window

FIT_MARGIN_PX = 4.0
OVERLAY_PIXELS = 1_000_000


class SliceView(QWidget):
    """Shows the slice through a focus point that all views share.

    The view changes nothing but itself: it asks by signals, and shows what it is given. A plane that is dragged moves
    here at once and is sent along; the owner hands the changed planes to all views.

    Signals
    -------
    focus_moved(Vec3)
        The user chose another point (slice or crosshair), LPS millimetres.
    hovered(Vec3 or None, float or None)
        The point under the cursor and the image's value there.
    picked(Vec3)
        A click without a drag.
    window_changed(Window), overlay_toggled(bool), maximise_requested(), menu_requested(QPoint)
        As they say; `menu_requested` carries the global position of a right click.
    plane_drag_started(str), plane_dragged(PlaneContent), plane_drag_finished(PlaneContent), plane_drag_cancelled(str)
        The id, or the plane where it is now.
    patch_drag_started(str), patch_dragged(PatchContent), patch_drag_finished(PatchContent), patch_drag_cancelled(str)
        The same of a Bézier patch.
    """

    focus_moved = Signal(object)
    hovered = Signal(object, object)
    picked = Signal(object)
    window_changed = Signal(object)
    overlay_toggled = Signal(bool)
    maximise_requested = Signal()
    menu_requested = Signal(object)
    plane_drag_started = Signal(str)
    plane_dragged = Signal(object)
    plane_drag_finished = Signal(object)
    plane_drag_cancelled = Signal(str)
    patch_drag_started = Signal(str)
    patch_dragged = Signal(object)
    patch_drag_finished = Signal(object)
    patch_drag_cancelled = Signal(str)

    def __init__(self, theme: Theme, orientation: Orientation, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.orientation = orientation
        self.picture = SlicePicture(orientation)
        self.focus: Vec3 = (0.0, 0.0, 0.0)
        self.window_level = Window()
        self.slab = Slab()
        self.look = OverlayLook(fill=theme.tokens.alphas["overlay-fill"])
        self.overlay_visible = True
        self.crosshair_visible = True
        self.interpolated = True
        self.placement = Placement(1.0, 1.0, 1.0, (0.0, 0.0))
        self.tool: SliceTool | None = None
        self._fitted = True
        self._painter = SlicePainter(self)
        self._input = SliceInput(self)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.update)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.WheelFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(96, 96)
        self.setAccessibleName(
            {
                Orientation.AXIAL: tr("Axial slice"),
                Orientation.CORONAL: tr("Coronal slice"),
                Orientation.SAGITTAL: tr("Sagittal slice"),
            }[orientation]
        )

    # What is shown ---------------------------------------------------------------------------------------------

    @property
    def content(self) -> SliceContent:
        return self.picture.content

    def set_content(self, content: SliceContent, paint_in_ms: int = 0) -> None:
        """Show other things; the zoom is kept as long as the grid stays the same.

        Parameters
        ----------
        paint_in_ms
            Leave the window so long for other things before this view is painted.
        """
        if self.picture.set_content(content):
            self.reset_view()
        self.update_in(paint_in_ms)

    def update_in(self, milliseconds: int) -> None:
        """Paint anew, but leave the window so long for other things before; 0 is at once.

        Views that are painted together hold the window as long as all of them take.
        """
        if milliseconds <= 0:
            self.update()
        elif not self._soon.isActive():
            self._soon.start(milliseconds)

    def set_image(self, image: ImageContent | None) -> None:
        self.set_content(replace(self.content, image=image))

    def set_layers(self, layers: tuple[LabelLayer, ...]) -> None:
        self.set_content(replace(self.content, layers=layers))

    def set_planes(self, planes: tuple[PlaneContent, ...]) -> None:
        self.set_content(replace(self.content, planes=planes))

    def set_patches(self, patches: tuple[PatchContent, ...]) -> None:
        self.set_content(replace(self.content, patches=patches))

    @property
    def hot_knob(self) -> tuple[str, tuple[int, int]] | None:
        """The patch and its control point that are held or under the mouse."""
        return self._input.patches.hot

    def set_markers(self, markers: tuple[MarkerContent, ...]) -> None:
        self.set_content(replace(self.content, markers=markers))

    def draw_measures(self, painter: QPainter, measures: list[SliceMeasure]) -> None:
        """For a tool: draw what is being measured as what was measured is drawn."""
        self._painter.measures(painter, measures)

    def refresh(self) -> None:
        """Draw anew after voxels of a shown array were changed in place."""
        self.picture.invalidate()
        self.update()

    def refresh_growing(self, paint_in_ms: int = 0) -> None:
        """Draw anew after a label layer that grows while it is shown has grown."""
        self.picture.invalidate_growing()
        self.update_in(paint_in_ms)

    def set_focus_point(self, point: Vec3, paint_in_ms: int = 0) -> None:
        """Show the slice through an LPS point and put the crosshair there."""
        if point != self.focus:
            self.focus = vec3(point)
            self.update_in(paint_in_ms)

    def set_window_level(self, window: Window) -> None:
        if window != self.window_level:
            self.window_level = window
            self.update()

    def set_slab(self, slab: Slab, paint_in_ms: int = 0) -> None:
        self.slab = slab
        self.update_in(paint_in_ms)

    def set_overlay(self, visible: bool, look: OverlayLook | None = None) -> None:
        self.overlay_visible = visible
        self.look = self.look if look is None else look
        self.update()

    def set_crosshair_visible(self, visible: bool) -> None:
        self.crosshair_visible = visible
        self.update()

    def set_interpolated(self, interpolated: bool) -> None:
        """Smooth pixels and smooth label edges, or the voxels as they are."""
        self.interpolated = interpolated
        self.look = replace(self.look, smooth=interpolated)
        self.update()

    def set_tool(self, tool: SliceTool | None) -> None:
        """Give the left mouse button to a tool, or back to window and level."""
        if self.tool is not None:
            self.tool.changed.disconnect(self.update)
        self.tool = tool
        if tool is not None:
            tool.changed.connect(self.update)
        else:
            self.unsetCursor()
        self.update()

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        self._painter = SlicePainter(self)
        self.update()

    # Where it is shown -----------------------------------------------------------------------------------------

    @property
    def index(self) -> int:
        """The number of the slice shown, from 0."""
        return self.picture.index_at(self.focus)

    def reset_view(self) -> None:
        """Fit the whole slice into the view."""
        self._fitted = True
        grid = self.picture.grid
        if grid is not None:
            self.placement = Placement.fit(grid, self.width(), self.height(), FIT_MARGIN_PX)
        self.update()

    def set_placement(self, placement: Placement) -> None:
        """Zoom and pan by hand: from now on a new size of the view keeps the scale."""
        self._fitted = False
        self.placement = placement
        self.update()

    def point_at(self, position: QPointF) -> Vec3:
        """The LPS point under a pixel, on the slice that is shown."""
        u, v = self.placement.to_view((position.x(), position.y()))
        return vec3(self.orientation.to_lps((u, v, self.picture.position_at(self.focus))))

    def pixel_of(self, point: Vec3) -> QPointF:
        """Where an LPS point is drawn."""
        x, y = self.picture.crosshair(point, self.placement)
        return QPointF(x, y)

    def step(self, slices: int) -> None:
        """Go ``slices`` further towards superior, posterior or left, as far as the volume reaches."""
        self.go_to(self.index + slices)

    def go_to(self, index: int) -> None:
        """Show slice ``index``, from 0; kept inside the volume."""
        grid = self.picture.grid
        if grid is None:
            return
        point = list(self.focus)
        point[self.orientation.axis] = grid.position_of(grid.clamp(index))
        self.move_focus(vec3(point))

    def move_focus(self, point: Vec3) -> None:
        """Move the focus here and tell the others."""
        if point != self.focus:
            self.set_focus_point(point)
            self.focus_moved.emit(self.focus)

    def overlay_placement(self) -> tuple[Placement, float]:
        """The placement in the pixels of the overlay, and how many of them make a logical pixel.

        Device pixels, or half as many on a large screen of high density: a line of two of its pixels looks the same,
        and a slice with 60 segments is still drawn within a frame.
        """
        ratio = self.devicePixelRatioF()
        if self.width() * self.height() * ratio**2 > OVERLAY_PIXELS and ratio >= 2:
            ratio /= 2
        place = self.placement
        width, height = float(round(self.width() * ratio)), float(round(self.height() * ratio))
        return Placement(width, height, place.pixels_per_mm * ratio, place.centre), ratio

    def crosshair_point(self, position: QPointF) -> Vec3:
        """The LPS point for a crosshair at a pixel, kept inside the volume's box."""
        grid = self.picture.grid
        u, v = (float(x) for x in self.placement.to_view((position.x(), position.y())))
        if grid is not None:
            (u0, v0, _), (du, dv, _), (nu, nv, _) = grid.origin, grid.spacing, grid.size
            u = float(np.clip(u, u0, u0 + (nu - 1) * du))
            v = float(np.clip(v, v0, v0 + (nv - 1) * dv))
        return vec3(self.orientation.to_lps((u, v, self.picture.position_at(self.focus))))

    def lines(self) -> list[Point]:
        """The centres of the cut lines that are shown, for tests and hints."""
        return [line.centre for line in self.picture.lines(self.picture.position_at(self.focus), self.placement)]

    # Qt --------------------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:
        return QSize(480, 400)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._painter.paint(painter)
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        if self._fitted:
            self.reset_view()
        else:
            self.placement = self.placement.resized(self.width(), self.height())

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._input.wheel(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._input.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._input.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._input.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._input.double_click(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._input.key(event):
            super().keyPressEvent(event)

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        self.hovered.emit(None, None)
        self._input.leave()
        if self.tool is not None:
            self.tool.leave(self)
        super().leaveEvent(event)
        self.update()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()
