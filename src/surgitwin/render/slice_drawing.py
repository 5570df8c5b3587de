"""Draws a `SlicePicture` with numpy and Pillow; the window's `SlicePainter` draws the same with Qt."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.render.content import MarginClass, Vec3
from surgitwin.render.cut_surface import MARGIN_TOKENS
from surgitwin.render.cutting import CutLine
from surgitwin.render.measures import SliceMeasure, label_boxes
from surgitwin.render.overlay import OverlayLook, Patch
from surgitwin.render.placement import Placement, Point, scale_bar
from surgitwin.render.slice_curve import MARGIN_DASHES, SliceCurve, dashed
from surgitwin.render.slice_picture import Slab, SliceNotes, SlicePicture
from surgitwin.render.tokens import FONT_FILES, Rgb, Tokens
from surgitwin.render.windowing import Window

PAD, TEXT_PX, LETTER_PX, BAR_PX = 10.0, 11.0, 13.0, 110.0
LINE_OVERSAMPLING = 3
Paint = Callable[[Any, Callable[[Point], Point], int], None]


class SliceDrawing:
    """One picture of one slice.

    Parameters
    ----------
    placement
        Of the whole picture, in its pixels.
    pixel_ratio
        Pixels of the picture to one of the sizes in the tokens.
    """

    def __init__(self, picture: SlicePicture, placement: Placement, tokens: Tokens, pixel_ratio: float) -> None:
        from PIL import Image

        self._picture, self._placement = picture, placement
        self._tokens, self._ratio = tokens, pixel_ratio
        self._width, self._height = round(placement.width), round(placement.height)
        self._image: Any = Image.new("RGB", (self._width, self._height), tokens.rgb("canvas"))

    def draw(self, focus: Vec3, window: Window, slab: Slab, look: OverlayLook, crosshair: bool) -> NDArray[np.uint8]:
        """The picture of the slice through ``focus``, RGB of shape (height, width, 3)."""
        picture, position = self._picture, self._picture.position_at(focus)
        self._grey(picture.pixels(picture.index_at(focus), window, slab))
        pixels = np.asarray(self._image, dtype=np.uint8).copy()
        for patch in picture.patches(position, self._placement, look):
            _blend(pixels, patch)
        self._replace(pixels)
        for line in picture.lines(position, self._placement):
            self._cut_line(line)
        for curve in picture.curves(position, self._placement):
            self._cut_curve(curve)
        if crosshair:
            self._crosshair(picture.crosshair(focus, self._placement))
        for spot in picture.markers(position, self._placement):
            self._badge(spot.text, (spot.box[2], spot.box[1]))
        self._measures(picture.measures(position, self._placement))
        self._notes(picture.notes(focus, window, slab))
        self._edge()
        return np.asarray(self._image, dtype=np.uint8)

    # Pixels ----------------------------------------------------------------------------------------------------

    def _grey(self, argb: NDArray[np.uint32] | None) -> None:
        from PIL import Image

        grid = self._picture.grid
        if argb is None or grid is None:
            return
        grey = Image.fromarray((argb & 0xFF).astype(np.uint8))
        # Pillow maps picture pixels to slice pixels: column = a x + b y + c, counted from pixel corners.
        place, (du, dv, _) = self._placement, grid.spacing
        left, top, _, _ = grid.bounds()
        across, down = 1 / (place.pixels_per_mm * du), 1 / (place.pixels_per_mm * dv)
        u0, v0 = place.to_view((0.0, 0.0))
        matrix = (across, 0.0, (u0 - left) / du, 0.0, down, (v0 - top) / dv)
        size = (self._width, self._height)
        scaled = grey.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
        self._image.paste(scaled.convert("RGB"))

    def _replace(self, pixels: NDArray[np.uint8]) -> None:
        from PIL import Image

        self._image = Image.fromarray(pixels)

    # Lines -----------------------------------------------------------------------------------------------------

    def _cut_line(self, line: CutLine) -> None:
        cut = self._tokens.rgb("cut")
        if line.cutting != line.line:
            self._stroke(_dashes(line.line, 6 * self._ratio), cut, 1.2, 0.55)
        if line.cutting is not None:
            self._stroke([line.cutting], cut, 2.0)
        self._arrow(np.asarray(line.centre), np.asarray(line.removed))

    def _cut_curve(self, curve: SliceCurve) -> None:
        cut = curve.content.colour or self._tokens.rgb("cut")
        for run in curve.runs:
            for margin, points in run.parts():
                if margin != MarginClass.NOTHING:
                    pattern = [length * self._ratio for length in MARGIN_DASHES[margin]]
                    lines = [_links(piece) for piece in dashed(points, pattern)]
                    self._stroke(list(chain.from_iterable(lines)), self._tokens.rgb(MARGIN_TOKENS[margin]), 6.0)
            self._stroke(_links(run.points), cut, 2.0)
        if curve.arrow is not None:
            start, end = np.asarray(curve.arrow[0]), np.asarray(curve.arrow[1])
            self._arrow(start, (end - start) / np.linalg.norm(end - start))

    def _arrow(self, centre: NDArray[np.float64], way: NDArray[np.float64]) -> None:
        """To the side that goes."""
        cut = self._tokens.rgb("cut")
        back, tip = centre + 13 * self._ratio * way, centre + 20 * self._ratio * way
        across = np.array([-way[1], way[0]]) * 4 * self._ratio
        self._stroke([(_pt(centre), _pt(back))], cut, 1.6)
        self._fill([_pt(tip), _pt(back + across), _pt(back - across)], cut)

    def _crosshair(self, at: Point) -> None:
        x, y, gap = at[0], at[1], 10 * self._ratio
        lines = [
            ((0.0, y), (x - gap, y)),
            ((x + gap, y), (float(self._width), y)),
            ((x, 0.0), (x, y - gap)),
            ((x, y + gap), (x, float(self._height))),
        ]
        self._stroke(lines, self._tokens.rgb("crosshair"), 1.0, self._tokens.alphas["crosshair"])

    def _stroke(self, lines: list[tuple[Point, Point]], colour: Rgb, width: float, opacity: float = 1.0) -> None:
        thickness = width * self._ratio

        def paint(draw: Any, at: Callable[[Point], Point], scale: int) -> None:
            for start, end in lines:
                draw.line([*at(start), *at(end)], fill=255, width=max(1, round(thickness * scale)))

        self._smooth(paint, [point for line in lines for point in line], thickness, colour, opacity)

    def _fill(self, polygon: list[Point], colour: Rgb) -> None:
        def paint(draw: Any, at: Callable[[Point], Point], scale: int) -> None:
            draw.polygon([at(point) for point in polygon], fill=255)

        self._smooth(paint, polygon, 1.0, colour, 1.0)

    def _smooth(self, paint: Paint, points: list[Point], margin: float, colour: Rgb, opacity: float) -> None:
        """Draw with smooth edges: Pillow's own have stairs, so a mask is drawn larger and averaged."""
        from PIL import Image, ImageDraw

        if not points:
            return
        low = np.maximum(np.floor(np.min(points, axis=0) - margin - 1), 0).astype(int)
        high = np.minimum(np.ceil(np.max(points, axis=0) + margin + 1), (self._width, self._height)).astype(int)
        if np.any(high <= low):
            return
        scale = LINE_OVERSAMPLING
        (left, top), (width, height) = (int(v) for v in low), (int(v) for v in high - low)
        mask = Image.new("L", (width * scale, height * scale), 0)
        paint(ImageDraw.Draw(mask), lambda p: ((p[0] - left) * scale, (p[1] - top) * scale), scale)
        mask = mask.reduce(scale)
        if opacity < 1.0:
            mask = mask.point([round(level * opacity) for level in range(256)])
        self._image.paste(colour, (left, top), mask)

    # Texts -----------------------------------------------------------------------------------------------------

    def _badge(self, text: str, at: Point) -> None:
        from PIL import ImageDraw

        draw = ImageDraw.Draw(self._image)
        font = self._font("semibold", TEXT_PX)
        width, height = draw.textlength(text, font=font), TEXT_PX * self._ratio
        pad = 4 * self._ratio
        box = (at[0], at[1] - height - pad, at[0] + max(width + 2 * pad, height + pad), at[1])
        draw.rounded_rectangle(box, radius=(height + pad) / 2, fill=self._tokens.rgb("lesion"))
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        draw.text(middle, text, font=font, fill=self._tokens.rgb("on-lesion"), anchor="mm")

    def _measures(self, measures: list[SliceMeasure]) -> None:
        from PIL import ImageDraw

        for one in measures:
            links = [link for line in one.lines for link in pairwise(line)]
            self._stroke(links, self._tokens.rgb("annotation-shadow"), 4.0, 0.6 * one.opacity)
            self._stroke(links, one.content.colour, 2.0, one.opacity)
        font, pad = self._font("semibold", TEXT_PX), 4 * self._ratio
        high = (TEXT_PX + 6) * self._ratio
        draw = ImageDraw.Draw(self._image)
        labelled = [one for one in measures if one.opacity == 1.0]
        sizes = [(one.label_at, draw.textlength(one.content.label, font=font) + 2 * pad, high) for one in labelled]
        for one, box in zip(labelled, label_boxes(sizes, self._width, self._height), strict=True):
            draw.rounded_rectangle(box, radius=3 * self._ratio, fill=self._tokens.rgb("annotation-shadow"))
            middle = (box[0] + pad, (box[1] + box[3]) / 2)
            draw.text(middle, one.content.label, font=font, fill=one.content.colour, anchor="lm")

    def _notes(self, notes: SliceNotes) -> None:
        width, height, pad = self._width, self._height, PAD * self._ratio
        line = (TEXT_PX + 4) * self._ratio
        self._write((pad, pad), notes.title, "la", "medium")
        for row, text in enumerate(notes.top_right):
            self._write((width - pad, pad + row * line), text, "ra")
        for row, text in enumerate(reversed(notes.bottom_left)):
            self._write((pad, height - pad - row * line), text, "ld")
        self._write((width - pad, height - pad), notes.index, "rd")
        left, right, top, bottom = notes.letters
        self._write((pad, height / 2), left, "lm", "semibold", LETTER_PX)
        self._write((width - pad, height / 2), right, "rm", "semibold", LETTER_PX)
        self._write((width / 2, pad), top, "ma", "semibold", LETTER_PX)
        self._write((width / 2, height - pad), bottom, "md", "semibold", LETTER_PX)
        if notes.banner:
            colour = self._tokens.rgb("caution")
            self._write((width / 2, pad + 2.5 * line), notes.banner, "ma", "semibold", TEXT_PX, colour)
        if notes.index:
            self._scale_bar(height - pad - line - 4 * self._ratio)

    def _scale_bar(self, y: float) -> None:
        longest = min(BAR_PX * self._ratio, self._width / 4)
        millimetres, text = scale_bar(self._placement.pixels_per_mm, longest)
        right = self._width - PAD * self._ratio
        left = right - millimetres * self._placement.pixels_per_mm
        self._stroke([((left, y), (right, y))], self._tokens.rgb("annotation-shadow"), 4.0)
        self._stroke([((left, y), (right, y))], self._tokens.rgb("annotation"), 2.0)
        self._write(((left + right) / 2, y - 3 * self._ratio), text, "md")

    def _edge(self) -> None:
        from PIL import ImageDraw

        thickness = round(self._tokens.sizes["view-edge"] * self._ratio)
        colour = self._tokens.rgb(f"view-{self._picture.orientation}")
        ImageDraw.Draw(self._image).rectangle((0, 0, self._width, thickness - 1), fill=colour)

    def _write(
        self,
        at: tuple[float, float],
        text: str,
        anchor: str,
        weight: str = "regular",
        size: float = TEXT_PX,
        colour: Rgb | None = None,
    ) -> None:
        from PIL import ImageDraw

        ImageDraw.Draw(self._image).text(
            at,
            text,
            font=self._font(weight, size),
            fill=colour or self._tokens.rgb("annotation"),
            anchor=anchor,
            stroke_width=max(1, round(self._ratio)),
            stroke_fill=self._tokens.rgb("annotation-shadow"),
        )

    def _font(self, weight: str, size: float) -> Any:
        return _font(weight, round(size * self._ratio))


def _blend(pixels: NDArray[np.uint8], patch: Patch) -> None:
    """Put premultiplied ARGB over RGB, in place."""
    height, width = patch.argb.shape
    under = pixels[patch.top : patch.top + height, patch.left : patch.left + width]
    rest = 255 - (patch.argb >> 24)
    for channel, shift in enumerate((16, 8, 0)):
        colour = (patch.argb >> shift) & 0xFF
        under[..., channel] = colour + (under[..., channel].astype(np.uint32) * rest + 127) // 255


def _dashes(line: tuple[Point, Point], length: float) -> list[tuple[Point, Point]]:
    start, end = np.asarray(line[0]), np.asarray(line[1])
    total = float(np.linalg.norm(end - start))
    way = (end - start) / max(total, 1e-9)
    starts = np.arange(0.0, total, 2 * length)
    return [(_pt(start + s * way), _pt(start + min(s + length, total) * way)) for s in starts]


def _links(points: NDArray[np.float64]) -> list[tuple[Point, Point]]:
    return [(_pt(a), _pt(b)) for a, b in pairwise(points)]


def _pt(values: NDArray[np.float64]) -> Point:
    return float(values[0]), float(values[1])


@cache
def _font(weight: str, size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(str(FONT_FILES[weight]), size)
