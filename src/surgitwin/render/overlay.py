"""Segments over a slice: label numbers to premultiplied ARGB pixels at the picture's own resolution.

Working at the picture's resolution keeps outlines one line thin at any zoom. Where voxels are large on the screen a
pixel takes the label that weighs most among the voxels around it, so that edges run like those of the surfaces
instead of in stairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.render.content import SegmentStyle
from surgitwin.render.placement import Placement
from surgitwin.render.slicing import SliceGrid

Array = NDArray[Any]
SMOOTH_FROM_PIXELS = 1.5
"""Voxels at least this large on the screen get smoothed edges."""
STRIPE_PX = 4
"""Width of the stripes of a hatched segment, and of the gaps between them, for each pixel of outline."""


@dataclass(frozen=True)
class OverlayLook:
    """How all segments are drawn: ``fill`` scales their own opacity, outlines have ``outline_px`` pixels (0: none)."""

    fill: float = 0.5
    outline_px: int = 1
    smooth: bool = True


@dataclass(frozen=True)
class Patch:
    """Pixels to draw at (``left``, ``top``) of the picture: uint32 0xAARRGGBB, premultiplied, [row, column]."""

    left: int
    top: int
    argb: NDArray[np.uint32]


def overlay_patch(
    labels: Array, grid: SliceGrid, styles: tuple[SegmentStyle, ...], placement: Placement, look: OverlayLook
) -> Patch | None:
    """Colour one slice of a label layer.

    Parameters
    ----------
    labels
        [row, column], as `Slicer.slice` gives them.
    placement
        Of a picture in device pixels.

    Returns
    -------
    None if nothing of it can be seen in the picture.
    """
    fill, line = colour_tables(styles, look.fill, 256 if labels.dtype.itemsize == 1 else 65536)
    if not fill.any() and not line.any():
        return None
    labels = np.ascontiguousarray(labels.view(np.uint8) if labels.dtype == np.bool_ else labels)
    window = _pixel_window(labels, grid, placement)
    if window is None:
        return None
    left, top, right, bottom = window
    columns = _pixel_centres(left, right, placement.width, placement.centre[0], placement.pixels_per_mm)
    rows = _pixel_centres(top, bottom, placement.height, placement.centre[1], placement.pixels_per_mm)
    columns = (columns - grid.origin[0]) / grid.spacing[0]
    rows = (rows - grid.origin[1]) / grid.spacing[1]
    smooth = look.smooth and min(grid.spacing[:2]) * placement.pixels_per_mm >= SMOOTH_FROM_PIXELS
    shown = smooth_labels(labels, rows, columns) if smooth else nearest_labels(labels, rows, columns)
    # Pixels just outside the volume carry nothing, though the nearest voxel does.
    shown[(rows < -0.5) | (rows > labels.shape[0] - 0.5)] = 0
    shown[:, (columns < -0.5) | (columns > labels.shape[1] - 0.5)] = 0
    argb = np.take(fill, shown)
    hatched = [style.value for style in styles if style.hatched and style.visible]
    if hatched:
        width = STRIPE_PX * max(look.outline_px, 1)
        row, column = np.ogrid[top : top + shown.shape[0], left : left + shown.shape[1]]
        argb[((row + column) // width % 2 == 1) & np.isin(shown, hatched)] = 0
    if look.outline_px > 0:
        border = outline(shown, look.outline_px)
        argb[border] = np.take(line, shown[border])
    return Patch(left, top, argb)


def nearest_labels(labels: Array, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Array:
    """The label under every pixel; ``rows`` and ``columns`` are fractional voxel indices."""
    row, column = (_nearest(at, size) for at, size in zip((rows, columns), labels.shape, strict=True))
    return np.take(np.take(labels, row, axis=0), column, axis=1)


def smooth_labels(labels: Array, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Array:
    """The label that weighs most at every pixel among the nine voxels around it, by quadratic B-spline weights.

    A single voxel keeps more than half of the weight at its centre, so that nothing that is there disappears.
    """
    row, column = (_nearest(at, size) for at, size in zip((rows, columns), labels.shape, strict=True))
    padded = np.pad(labels, 1, mode="edge")
    shown = np.take(np.take(labels, row, axis=0), column, axis=1)
    mixed = np.take(np.take(_mixed(padded), row, axis=0), column, axis=1)
    at_row, at_column = np.nonzero(mixed)
    if at_row.size:
        down = np.clip(rows - row, -0.5, 0.5).astype(np.float32)[at_row]
        right = np.clip(columns - column, -0.5, 0.5).astype(np.float32)[at_column]
        shown[at_row, at_column] = _heaviest(padded, row[at_row] + 1, column[at_column] + 1, down, right)
    return shown


def outline(labels: Array, thickness: int) -> NDArray[np.bool_]:
    """The pixels within ``thickness`` of another label, seen from inside each label."""
    border = np.zeros(labels.shape, dtype=bool)
    for step in range(1, thickness + 1):
        vertical = labels[step:] != labels[:-step]
        horizontal = labels[:, step:] != labels[:, :-step]
        border[step:] |= vertical
        border[:-step] |= vertical
        border[:, step:] |= horizontal
        border[:, :-step] |= horizontal
    return border


def colour_tables(
    styles: tuple[SegmentStyle, ...], fill: float, entries: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The premultiplied colour of every label number: for its inside and for its outline."""
    return _colour_tables(styles, round(fill, 3), entries)


@lru_cache(maxsize=32)
def _colour_tables(
    styles: tuple[SegmentStyle, ...], fill: float, entries: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    inside, line = np.zeros(entries, dtype=np.uint32), np.zeros(entries, dtype=np.uint32)
    for style in styles:
        if style.visible and 0 < style.value < entries:
            inside[style.value] = premultiplied(style.colour, style.opacity * fill)
            # A faint fill still needs a line that can be followed.
            line[style.value] = premultiplied(style.colour, min(1.0, style.opacity * 0.95))
    return inside, line


def premultiplied(colour: tuple[int, int, int], opacity: float) -> int:
    """0xAARRGGBB with the colour multiplied by its opacity, as Qt's fastest format wants it."""
    alpha = round(255 * min(max(opacity, 0.0), 1.0))
    red, green, blue = (round(channel * alpha / 255) for channel in colour)
    return alpha << 24 | red << 16 | green << 8 | blue


def _mixed(padded: Array) -> NDArray[np.bool_]:
    """Which voxels have another label among their eight neighbours; ``padded`` has one voxel more on each side."""
    rows = (padded[1:] != padded[:-1])[:, 1:-1]
    columns = (padded[:, 1:] != padded[:, :-1])[1:-1]
    beside = rows[1:] | rows[:-1] | columns[:, 1:] | columns[:, :-1]
    # A neighbour across a corner differs without one beside it only if it is alone there.
    centre = padded[1:-1, 1:-1]
    for r, c in ((0, 0), (0, 2), (2, 0), (2, 2)):
        beside |= padded[r : r + centre.shape[0], c : c + centre.shape[1]] != centre
    return np.asarray(beside)


def _heaviest(padded: Array, row: Array, column: Array, down: NDArray[np.float32], right: NDArray[np.float32]) -> Array:
    """The winner at pixels that lie (``down``, ``right``) of the centre of voxel (``row``, ``column``)."""
    width = padded.shape[1]
    flat, at = padded.ravel(), row * width + column
    parts = [
        (label, wr * wc)
        for r, wr in zip((-width, 0, width), _spline(down), strict=True)
        for label, wc in ((np.take(flat, at + r + c), w) for c, w in zip((-1, 0, 1), _spline(right), strict=True))
    ]
    beside = np.where(right < 0, -1, 1)
    below = np.where(down < 0, -width, width)
    best = np.take(flat, at)
    best_weight = _weight(parts, best)
    for step in (beside, below, below + beside):
        label = np.take(flat, at + step)
        # Most pixels have two labels around them; a label that was weighed already needs no second look.
        todo = np.flatnonzero((label != best) & (best_weight <= 0.5))
        if todo.size:
            weight = _weight([(other[todo], w[todo]) for other, w in parts], label[todo])
            wins = weight > best_weight[todo]
            best[todo[wins]] = label[todo[wins]]
            best_weight[todo[wins]] = weight[wins]
    return np.asarray(best)


def _weight(parts: list[tuple[Array, NDArray[np.float32]]], label: Array) -> NDArray[np.float32]:
    total = np.zeros(len(label), dtype=np.float32)
    for other, weight in parts:
        total += weight * (other == label)
    return total


def _spline(offset: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Quadratic B-spline weights of the voxel before, at and after, for an offset of -0.5 to 0.5 voxels."""
    half = np.float32(0.5)
    weights = half * (half - offset) ** 2, np.float32(0.75) - offset**2, half * (half + offset) ** 2
    return tuple(w.astype(np.float32, copy=False) for w in weights)


def _pixel_window(labels: Array, grid: SliceGrid, placement: Placement) -> tuple[int, int, int, int] | None:
    """The pixels (left, top, right, bottom) that the box around all labels covers in the picture."""
    rows = np.flatnonzero(labels.any(axis=1))
    if rows.size == 0:
        return None
    columns = np.flatnonzero(labels[rows[0] : rows[-1] + 1].any(axis=0))
    u0 = grid.origin[0] + (columns[0] - 0.5) * grid.spacing[0]
    u1 = grid.origin[0] + (columns[-1] + 0.5) * grid.spacing[0]
    v0 = grid.origin[1] + (rows[0] - 0.5) * grid.spacing[1]
    v1 = grid.origin[1] + (rows[-1] + 0.5) * grid.spacing[1]
    (x0, y0), (x1, y1) = placement.to_pixels([(u0, v0), (u1, v1)])
    # One pixel more on each side holds the outline's outer neighbours.
    left, top = max(int(np.floor(x0)) - 1, 0), max(int(np.floor(y0)) - 1, 0)
    right = min(int(np.ceil(x1)) + 1, int(placement.width))
    bottom = min(int(np.ceil(y1)) + 1, int(placement.height))
    return (left, top, right, bottom) if left < right and top < bottom else None


def _pixel_centres(first: int, stop: int, extent: float, centre: float, pixels_per_mm: float) -> NDArray[np.float64]:
    pixels = np.arange(first, stop, dtype=np.float64)
    return np.asarray((pixels + 0.5 - extent / 2) / pixels_per_mm + centre, dtype=np.float64)


def _nearest(at: NDArray[np.float64], size: int) -> NDArray[np.intp]:
    return np.clip(np.floor(at + 0.5), 0, size - 1).astype(np.intp)
