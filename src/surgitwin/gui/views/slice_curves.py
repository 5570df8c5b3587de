"""Paints cut surfaces in a slice: their curves, by margin in colour and pattern, and the control points of patches."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from surgitwin.core.geometry import FloatArray
from surgitwin.gui.theme import Theme
from surgitwin.render.content import MarginClass, PatchContent
from surgitwin.render.cut_surface import MARGIN_TOKENS
from surgitwin.render.slice_curve import MARGIN_DASHES, SliceCurve

LINE_PX, MARGIN_PX = 2.0, 6.0
KNOB_PX, HOT_PX = 4.0, 6.0


class CurvePainter:
    """Paints in the colours of a theme."""

    def __init__(self, theme: Theme) -> None:
        self._cut = theme.colour("cut")
        self._ground = theme.colour("canvas")
        self._hot = theme.colour("annotation")
        self._margins = {margin: theme.colour(name) for margin, name in MARGIN_TOKENS.items()}

    def paint(self, painter: QPainter, curve: SliceCurve, hot: tuple[str, tuple[int, int]] | None) -> None:
        """Parameters: ``hot`` is the patch and its control point that are under the mouse."""
        painter.setBrush(Qt.BrushStyle.NoBrush)
        own = curve.content.colour
        line = QColor(*own) if own is not None else self._cut
        for run in curve.runs:
            for margin, points in run.parts():
                if margin != MarginClass.NOTHING:
                    painter.setPen(_margin_pen(self._margins[margin], margin))
                    painter.drawPolyline(_polygon(points))
            painter.setPen(QPen(line, LINE_PX))
            painter.drawPolyline(_polygon(run.points))
        if curve.arrow is not None:
            start, end = np.asarray(curve.arrow[0]), np.asarray(curve.arrow[1])
            draw_arrow(painter, self._cut, start, (end - start) / np.linalg.norm(end - start))
        if isinstance(curve.content, PatchContent) and curve.content.editable:
            self._knobs(painter, curve, hot)

    def _knobs(self, painter: QPainter, curve: SliceCurve, hot: tuple[str, tuple[int, int]] | None) -> None:
        for knob in curve.knobs:
            held = hot == (curve.content.id, (knob.row, knob.column))
            colour = self._hot if held else self._cut
            painter.setPen(QPen(colour, 1.6))
            painter.setBrush(colour if knob.on_slice else self._ground)
            size = HOT_PX if held else KNOB_PX
            painter.drawEllipse(QPointF(*knob.at), size, size)
        painter.setBrush(Qt.BrushStyle.NoBrush)


def draw_arrow(painter: QPainter, colour: QColor, start: FloatArray, way: FloatArray) -> None:
    """A short arrow from a pixel along a unit direction on the screen."""
    tip, back = start + 20 * way, start + 13 * way
    across = np.array([-way[1], way[0]]) * 4
    painter.setPen(QPen(colour, 1.6))
    painter.drawLine(QPointF(*(start + 4 * way)), QPointF(*back))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    painter.drawPolygon(QPolygonF([QPointF(*tip), QPointF(*(back + across)), QPointF(*(back - across))]))
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _margin_pen(colour: QColor, margin: MarginClass) -> QPen:
    pen = QPen(colour, MARGIN_PX)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    pattern = MARGIN_DASHES[margin]
    if pattern:
        pen.setDashPattern([length / MARGIN_PX for length in pattern])  # Qt counts in widths of the pen
    return pen


def _polygon(points: FloatArray) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in points.tolist()])
