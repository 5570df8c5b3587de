"""Paints a slice view: image, segments, cuts, crosshair, lesion numbers and the texts around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen, QPolygonF

from surgitwin.core.text import tr
from surgitwin.gui.views.slice_curves import CurvePainter, draw_arrow
from surgitwin.render.cutting import CutLine
from surgitwin.render.measures import SliceMeasure, label_boxes
from surgitwin.render.placement import scale_bar
from surgitwin.render.slice_picture import SliceNotes
from surgitwin.render.slicing import Orientation

if TYPE_CHECKING:
    from surgitwin.gui.views.slice_view import SliceView

PAD = 10.0
NARROW_PX = 260
CROSSHAIR_GAP = 10.0
SCALE_BAR_PX = 110.0


class SlicePainter:
    """Paints one `SliceView`; fonts and colours are looked up once per theme."""

    def __init__(self, view: SliceView) -> None:
        self._view = view
        theme = view.theme
        self._text_font = theme.font("font-small")
        self._title_font = theme.font("font-small", "medium")
        self._letter_font = theme.font("font", "semibold")
        self._text = theme.colour("annotation")
        self._shadow = theme.colour("annotation-shadow", 0.85)
        self._plate = theme.colour("annotation-shadow", 0.5)
        self._cut = theme.colour("cut")
        self._canvas = theme.colour("canvas")
        self._curves = CurvePainter(theme)
        self._edge = theme.colour(f"view-{view.orientation}")
        self._line_height = QFontMetricsF(self._text_font).height()

    def paint(self, painter: QPainter) -> None:
        view = self._view
        painter.fillRect(view.rect(), self._canvas)
        if view.picture.grid is None:
            self._empty(painter)
        else:
            self._image(painter)
            if view.overlay_visible:
                self._overlay(painter)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            for line in view.picture.lines(view.picture.position_at(view.focus), view.placement):
                self._cut_line(painter, line)
            for curve in view.picture.curves(view.picture.position_at(view.focus), view.placement):
                self._curves.paint(painter, curve, view.hot_knob)
            if view.crosshair_visible:
                self._crosshair(painter)
            self._markers(painter)
            self.measures(painter, view.picture.measures(view.picture.position_at(view.focus), view.placement))
            if view.tool is not None:
                view.tool.draw(view, painter)
            self._notes(painter, view.picture.notes(view.focus, view.window_level, view.slab))
        self._top_edge(painter)

    def _empty(self, painter: QPainter) -> None:
        names = {
            Orientation.AXIAL: tr("Axial"),
            Orientation.CORONAL: tr("Coronal"),
            Orientation.SAGITTAL: tr("Sagittal"),
        }
        self._write(painter, PAD, PAD, names[self._view.orientation], self._title_font)
        painter.setPen(self._view.theme.colour("text-faint"))
        painter.setFont(self._text_font)
        painter.drawText(self._view.rect(), Qt.AlignmentFlag.AlignCenter, tr("No image"))

    # Pixels ----------------------------------------------------------------------------------------------------

    def _image(self, painter: QPainter) -> None:
        view = self._view
        pixels = view.picture.pixels(view.index, view.window_level, view.slab)
        grid = view.picture.grid
        if pixels is None or grid is None:
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, view.interpolated)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
        painter.drawImage(QRectF(*view.placement.rectangle(grid)), image_of(pixels, QImage.Format.Format_RGB32))
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceOver)

    def _overlay(self, painter: QPainter) -> None:
        view = self._view
        placement, ratio = view.overlay_placement()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, view.interpolated)
        for patch in view.picture.patches(view.picture.position_at(view.focus), placement, view.look):
            image = image_of(patch.argb, QImage.Format.Format_ARGB32_Premultiplied)
            image.setDevicePixelRatio(ratio)
            painter.drawImage(QPointF(patch.left / ratio, patch.top / ratio), image)

    # Lines -----------------------------------------------------------------------------------------------------

    def _cut_line(self, painter: QPainter, line: CutLine) -> None:
        faint = QColor(self._cut)
        faint.setAlphaF(0.45)
        if line.cutting != line.line:
            painter.setPen(QPen(faint, 1.2, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(*line.line[0]), QPointF(*line.line[1]))
        if line.cutting is not None:
            painter.setPen(QPen(self._cut, 2.0))
            painter.drawLine(QPointF(*line.cutting[0]), QPointF(*line.cutting[1]))
        self._removed_arrow(painter, line)
        if line.plane.editable:
            painter.setPen(QPen(self._cut, 1.6))
            painter.setBrush(self._canvas)
            for end in line.ends:
                painter.drawEllipse(QPointF(*end), 4.5, 4.5)
            painter.setBrush(self._cut)
            painter.drawEllipse(QPointF(*line.centre), 3.5, 3.5)
            painter.setBrush(Qt.BrushStyle.NoBrush)

    def _removed_arrow(self, painter: QPainter, line: CutLine) -> None:
        """A short arrow towards the side that goes."""
        draw_arrow(painter, self._cut, np.asarray(line.centre), np.asarray(line.removed))

    def _crosshair(self, painter: QPainter) -> None:
        view = self._view
        at = view.pixel_of(view.focus)
        # On whole pixels a one pixel line stays one pixel wide.
        x, y = round(at.x()) + 0.5, round(at.y()) + 0.5
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(view.theme.colour("crosshair", view.theme.tokens.alphas["crosshair"]), 1.0))
        painter.drawLines(
            [
                QLineF(0, y, x - CROSSHAIR_GAP, y),
                QLineF(x + CROSSHAIR_GAP, y, view.width(), y),
                QLineF(x, 0, x, y - CROSSHAIR_GAP),
                QLineF(x, y + CROSSHAIR_GAP, x, view.height()),
            ]
        )
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)

    def _markers(self, painter: QPainter) -> None:
        view = self._view
        painter.setFont(self._title_font)
        metrics = QFontMetricsF(self._title_font)
        for spot in view.picture.markers(view.picture.position_at(view.focus), view.placement):
            _, top, right, _ = spot.box
            height = metrics.height() + 2
            width = max(height, metrics.horizontalAdvance(spot.text) + 8)
            badge = QRectF(right + 2, top - height, width, height)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(view.theme.colour("lesion"))
            painter.drawRoundedRect(badge, height / 2, height / 2)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(view.theme.colour("on-lesion"))
            painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, spot.text)

    def measures(self, painter: QPainter, measures: list[SliceMeasure]) -> None:
        """Lines, handles and labels of measurements; what lies off the slice is faded and has no label."""
        for one in measures:
            colour, dark = QColor(*one.content.colour), QColor(self._shadow)
            colour.setAlphaF(one.opacity)
            dark.setAlphaF(0.6 * one.opacity)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for pen in (QPen(dark, 4.0), QPen(colour, 2.0)):
                painter.setPen(pen)
                for line in one.lines:
                    painter.drawPolyline(QPolygonF([QPointF(*point) for point in line]))
            painter.setPen(QPen(colour, 1.6))
            painter.setBrush(self._canvas)
            for _, place, on_slice in one.handles:
                painter.drawEllipse(QPointF(*place), *((4.0, 4.0) if on_slice else (2.5, 2.5)))
            painter.setBrush(Qt.BrushStyle.NoBrush)
        metrics = QFontMetricsF(self._title_font)
        labelled = [one for one in measures if one.opacity == 1.0]
        high = metrics.height() + 2
        sizes = [(one.label_at, metrics.horizontalAdvance(one.content.label) + 8, high) for one in labelled]
        painter.setFont(self._title_font)
        for one, box in zip(labelled, label_boxes(sizes, self._view.width(), self._view.height()), strict=True):
            plate = QRectF(box[0], box[1], box[2] - box[0], box[3] - box[1])
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._shadow)
            painter.drawRoundedRect(plate, 3, 3)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QColor(*one.content.colour))
            painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, one.content.label)

    # Texts -----------------------------------------------------------------------------------------------------

    def _notes(self, painter: QPainter, notes: SliceNotes) -> None:
        view = self._view
        width, height, line = view.width(), view.height(), self._line_height
        self._write(painter, PAD, PAD, notes.title, self._title_font)
        self._letters(painter, notes.letters)
        if width >= NARROW_PX:
            for row, text in enumerate(notes.top_right):
                self._write_right(painter, width - PAD, PAD + row * line, self._fitted(text, width / 2 - 40))
        self._scale_bar(painter, height - PAD - line - 10)
        for row, text in enumerate(reversed(notes.bottom_left)):
            self._write(painter, PAD, height - PAD - line * (row + 1), text)
        self._write_right(painter, width - PAD, height - PAD - line, notes.index)
        if notes.banner:
            self._banner(painter, notes.banner)

    def _letters(self, painter: QPainter, letters: tuple[str, str, str, str]) -> None:
        view = self._view
        left, right, top, bottom = letters
        metrics = QFontMetricsF(self._letter_font)
        middle_x, middle_y = view.width() / 2, view.height() / 2 - metrics.height() / 2
        font = self._letter_font
        self._write(painter, PAD, middle_y, left, font)
        self._write_right(painter, view.width() - PAD, middle_y, right, font)
        self._write(painter, middle_x - metrics.horizontalAdvance(top) / 2, PAD, top, font)
        at = view.height() - PAD - metrics.height()
        self._write(painter, middle_x - metrics.horizontalAdvance(bottom) / 2, at, bottom, font)

    def _scale_bar(self, painter: QPainter, y: float) -> None:
        view = self._view
        millimetres, text = scale_bar(view.placement.pixels_per_mm, min(SCALE_BAR_PX, view.width() / 4))
        length = millimetres * view.placement.pixels_per_mm
        right = view.width() - PAD
        for pen in (QPen(self._shadow, 4.0), QPen(self._text, 2.0)):
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            painter.setPen(pen)
            painter.drawLine(QPointF(right - length, y), QPointF(right, y))
        advance = QFontMetricsF(self._text_font).horizontalAdvance(text)
        left = min(right - length / 2 - advance / 2, right - advance)
        self._write(painter, left, y - self._line_height - 2, text)

    def _banner(self, painter: QPainter, text: str) -> None:
        view = self._view
        metrics = QFontMetricsF(self._title_font)
        text = metrics.elidedText("⚠ " + text, Qt.TextElideMode.ElideRight, view.width() - 4 * PAD)
        width, height = metrics.horizontalAdvance(text) + 16, metrics.height() + 8
        box = QRectF((view.width() - width) / 2, PAD + 3 * self._line_height, width, height)
        painter.setPen(QPen(view.theme.colour("caution"), 1.0))
        painter.setBrush(view.theme.colour("canvas", 0.8))
        painter.drawRoundedRect(box, view.theme.tokens.sizes["radius"], view.theme.tokens.sizes["radius"])
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(view.theme.colour("caution"))
        painter.setFont(self._title_font)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _top_edge(self, painter: QPainter) -> None:
        view = self._view
        thickness = view.theme.tokens.sizes["view-edge"] + (1 if view.hasFocus() else 0)
        painter.fillRect(QRectF(0, 0, view.width(), thickness), self._edge)

    def _fitted(self, text: str, width: float) -> str:
        return QFontMetricsF(self._text_font).elidedText(text, Qt.TextElideMode.ElideRight, max(width, 40.0))

    def _write_right(self, painter: QPainter, right: float, top: float, text: str, font: QFont | None = None) -> None:
        advance = QFontMetricsF(font or self._text_font).horizontalAdvance(text)
        self._write(painter, right - advance, top, text, font)

    def _write(self, painter: QPainter, left: float, top: float, text: str, font: QFont | None = None) -> None:
        font = font or self._text_font
        painter.setFont(font)
        metrics = QFontMetricsF(font)
        baseline = top + metrics.ascent()
        # Bone, contrast agent and the crosshair may lie behind it.
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._plate)
        painter.drawRoundedRect(QRectF(left - 2, top, metrics.horizontalAdvance(text) + 4, metrics.height()), 2, 2)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(self._shadow)
        for dx, dy in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
            painter.drawText(QPointF(left + dx, baseline + dy), text)
        painter.setPen(self._text)
        painter.drawText(QPointF(left, baseline), text)


def image_of(pixels: NDArray[np.uint32], form: QImage.Format) -> QImage:
    """A QImage on the memory of a [row, column] uint32 array; drawn at once, so the array outlives it."""
    pixels = np.ascontiguousarray(pixels)
    image = QImage(pixels.data, pixels.shape[1], pixels.shape[0], pixels.shape[1] * 4, form)
    # The image does not keep its buffer alive by itself.
    image.pixels = pixels  # type: ignore[attr-defined]
    return image
