"""Where things land on the screen: millimetres to pixels, plane lines, scale bars; the same for window and report."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.geometry import FloatArray
from surgitwin.render.slicing import SliceGrid

Point = tuple[float, float]
Segment = tuple[Point, Point]


@dataclass(frozen=True)
class Placement:
    """How view millimetres (u, v) map to the pixels of a picture of ``width`` x ``height``.

    Attributes
    ----------
    pixels_per_mm
        One scale for both directions, so that voxels of any spacing keep their true shape.
    centre
        The (u, v) millimetre at the middle of the picture.
    """

    width: float
    height: float
    pixels_per_mm: float
    centre: Point

    @staticmethod
    def fit(grid: SliceGrid, width: float, height: float, margin: float = 0.0) -> Placement:
        """The whole slice, centred, with ``margin`` pixels around it."""
        left, top, right, bottom = grid.bounds()
        scale = min(max(width - 2 * margin, 1) / (right - left), max(height - 2 * margin, 1) / (bottom - top))
        return Placement(width, height, scale, ((left + right) / 2, (top + bottom) / 2))

    def to_pixels(self, points_uv: ArrayLike) -> FloatArray:
        """View millimetres, shape (..., 2), to pixels; (0, 0) is the picture's top left corner."""
        points = np.asarray(points_uv, dtype=np.float64)
        return np.asarray((points - self.centre) * self.pixels_per_mm + (self.width / 2, self.height / 2))

    def to_view(self, points: ArrayLike) -> FloatArray:
        """Pixels, shape (..., 2), to view millimetres."""
        points = np.asarray(points, dtype=np.float64)
        return np.asarray((points - (self.width / 2, self.height / 2)) / self.pixels_per_mm + self.centre)

    def resized(self, width: float, height: float) -> Placement:
        """The same millimetre in the middle of a picture of another size, at the same scale."""
        return replace(self, width=width, height=height)

    def zoomed(self, factor: float, about: Point | None = None) -> Placement:
        """Larger by ``factor``; the millimetre under the pixel ``about`` stays where it is."""
        scale = min(max(self.pixels_per_mm * factor, 0.02), 200.0)
        if about is None:
            return replace(self, pixels_per_mm=scale)
        fixed = self.to_view(about)
        offset = (np.asarray(about) - (self.width / 2, self.height / 2)) / scale
        u, v = (float(x) for x in fixed - offset)
        return replace(self, pixels_per_mm=scale, centre=(u, v))

    def panned(self, right: float, down: float) -> Placement:
        """Shifted so that the picture follows a drag over ``right`` and ``down`` pixels."""
        u, v = self.centre
        return replace(self, centre=(u - right / self.pixels_per_mm, v - down / self.pixels_per_mm))

    def rectangle(self, grid: SliceGrid) -> tuple[float, float, float, float]:
        """Left, top, width and height in pixels of the whole slice of ``grid``."""
        left, top, right, bottom = grid.bounds()
        (x0, y0), (x1, y1) = self.to_pixels([(left, top), (right, bottom)])
        return float(x0), float(y0), float(x1 - x0), float(y1 - y0)


def scale_bar(pixels_per_mm: float, longest_px: float) -> tuple[float, str]:
    """The longest round length that fits in ``longest_px``: (millimetres, its text)."""
    longest_mm = longest_px / max(pixels_per_mm, 1e-9)
    power = 10.0 ** np.floor(np.log10(longest_mm))
    length = float(max(step * power for step in (1.0, 2.0, 5.0) if step * power <= longest_mm * (1 + 1e-9)))
    if length >= 1.0:
        return length, f"{length:g} mm"
    return length, f"{length * 1000:g} µm"


def plane_line(point_view: ArrayLike, normal_view: ArrayLike, position_mm: float) -> tuple[Point, Point] | None:
    """Where a plane meets a slice: a (u, v) point of the line nearest to the plane's point, and the line's direction.

    Parameters
    ----------
    point_view, normal_view
        A point and the normal of the plane in view millimetres (u, v, w).
    position_mm
        The slice's w.

    Returns
    -------
    None if the plane is parallel to the slice (to within a tenth of a degree).
    """
    point, normal = np.asarray(point_view, dtype=np.float64), np.asarray(normal_view, dtype=np.float64)
    normal = normal / np.linalg.norm(normal)
    in_slice = normal[:2]
    steepness = float(np.linalg.norm(in_slice))
    if steepness < 2e-3:
        return None
    # On the slice: in_slice . (uv - point_uv) = -normal_w (w - point_w); the nearest such uv lies along in_slice.
    shift = -normal[2] * (position_mm - point[2]) / steepness**2
    u, v = point[:2] + shift * in_slice
    across = in_slice / steepness
    return (float(u), float(v)), (float(-across[1]), float(across[0]))


def clip_line(point: ArrayLike, direction: ArrayLike, rectangle: tuple[float, float, float, float]) -> Segment | None:
    """The part of an endless line inside a rectangle (left, top, right, bottom), None if it misses it."""
    return _clip(np.asarray(point, float), np.asarray(direction, float), rectangle, -np.inf, np.inf)


def clip_to_half_planes(segment: Segment, half_planes: list[tuple[Point, Point]]) -> Segment | None:
    """The part of ``segment`` on the positive side of all ``(point, normal)`` half planes, None if there is none."""
    start, end = np.asarray(segment[0]), np.asarray(segment[1])
    low, high = 0.0, 1.0
    for point, normal in half_planes:
        at_start = float((start - point) @ np.asarray(normal))
        at_end = float((end - point) @ np.asarray(normal))
        if at_start <= 0 and at_end <= 0:
            return None
        if at_start * at_end < 0:
            crossing = at_start / (at_start - at_end)
            low, high = (max(low, crossing), high) if at_start < 0 else (low, min(high, crossing))
    if low >= high:
        return None
    return _point(start + low * (end - start)), _point(start + high * (end - start))


def _clip(
    point: NDArray[np.float64],
    direction: NDArray[np.float64],
    rectangle: tuple[float, float, float, float],
    low: float,
    high: float,
) -> Segment | None:
    left, top, right, bottom = rectangle
    for axis, (near, far) in enumerate(((left, right), (top, bottom))):
        if abs(direction[axis]) < 1e-12:
            if not near <= point[axis] <= far:
                return None
            continue
        first, second = sorted(((near - point[axis]) / direction[axis], (far - point[axis]) / direction[axis]))
        low, high = max(low, first), min(high, second)
    if not low < high or not np.isfinite(low + high):
        return None
    return _point(point + low * direction), _point(point + high * direction)


def _point(values: NDArray[np.float64]) -> Point:
    return float(values[0]), float(values[1])
