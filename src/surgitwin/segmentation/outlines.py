"""Voxels inside an outline drawn over a view: closed curves in a slice, and scissors in slices and in 3D.

An outline is a polygon in the plane of a view. A *lens* says where a voxel appears in that plane: along an axis of the
patient for slices, through a camera for 3D. Whether a voxel is inside is decided exactly (even-odd rule), but only for
voxels near the outline; the others are looked up in a picture of it. So the cost is that of projecting the voxels of
one segment, whatever the outline's length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.runs import Mask

FloatArray = NDArray[np.float64]
Depth = Literal["slice", "all"]
CELLS = 512  # of the picture of an outline, along its longer side
VOXELS_AT_A_TIME = 2_000_000
_EDGE = 1e-9  # mm: a voxel centre on the border between two slices belongs to the one above


class Lens(Protocol):
    """Where points appear in a view."""

    def project(self, points_mm: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Points, (n, 3) LPS mm, to the plane of the view, (n, 2), and whether they can appear in it at all."""
        ...


@dataclass(frozen=True)
class SliceLens:
    """Looks along an axis of the patient: 0 sagittal, 1 coronal, 2 axial.

    Attributes
    ----------
    centre_mm, thickness_mm
        Only what lies so near to this coordinate on the axis appears; without a thickness, everything.
    """

    axis: int
    centre_mm: float = 0.0
    thickness_mm: float | None = None

    def project(self, points_mm: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
        plane = np.delete(points_mm, self.axis, axis=1)
        if self.thickness_mm is None:
            return plane, np.ones(len(points_mm), dtype=np.bool_)
        off = points_mm[:, self.axis] - self.centre_mm
        half = self.thickness_mm / 2
        return plane, (off > -half + _EDGE) & (off <= half + _EDGE)


@dataclass(frozen=True, eq=False)
class CameraLens:
    """Looks through a camera.

    Attributes
    ----------
    world_to_clip
        4x4, LPS mm to clip coordinates (x and y from -1 to 1 where seen, w positive in front of the camera).
    size_px
        Width and height of the view; pixel (0, 0) is its upper left corner.
    """

    world_to_clip: FloatArray
    size_px: tuple[float, float]

    def project(self, points_mm: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
        matrix = np.asarray(self.world_to_clip, dtype=np.float64)
        clip = points_mm @ matrix[:, :3].T + matrix[:, 3]
        front = clip[:, 3] > 1e-12
        w = np.where(front, clip[:, 3], 1.0)
        width, height = self.size_px
        pixels = np.stack([(clip[:, 0] / w + 1) / 2 * width, (1 - clip[:, 1] / w) / 2 * height], axis=1)
        return pixels, front


class Outline:
    """A closed polygon that is asked for many points.

    Parameters
    ----------
    corners
        (n, 2), at least three, in the plane of a view; the last is joined to the first.

    Raises
    ------
    BadInput
        If it has fewer than three different corners or encloses nothing.
    """

    def __init__(self, corners: ArrayLike) -> None:
        points = np.asarray(corners, dtype=np.float64).reshape(-1, 2)
        if not np.isfinite(points).all():
            raise BadInput(tr("The outline has a corner that is not a number."))
        keep = np.any(points != np.roll(points, 1, axis=0), axis=1)
        points = points[keep]
        if len(points) < 3:
            raise BadInput(tr("An outline needs at least three different corners."))
        self.corners = points
        self._low, high = points.min(axis=0), points.max(axis=0)
        span = high - self._low
        if span.min() <= 0:
            raise BadInput(tr("The outline encloses nothing: all its corners lie on one line."))
        self._cell = float(span.max()) / CELLS
        self._size = np.ceil(span / self._cell).astype(int) + 1
        self._picture = self._drawn()

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest coordinates."""
        return self._low, self.corners.max(axis=0)

    def contains(self, points: FloatArray) -> NDArray[np.bool_]:
        """Whether each point, (n, 2), lies inside by the even-odd rule."""
        cells = np.floor((points - self._low) / self._cell)
        near = np.all((cells >= 0) & (cells < self._size), axis=1)
        inside = np.zeros(len(points), dtype=np.bool_)
        index = cells[near].astype(np.intp)
        found = self._picture[index[:, 0], index[:, 1]]
        inside[near] = found == _INSIDE
        unsure = np.flatnonzero(near)[found == _BORDER]
        if unsure.size:
            inside[unsure] = even_odd(points[unsure], self.corners)
        return inside

    def _drawn(self) -> NDArray[np.uint8]:
        """For each cell: wholly inside, wholly outside, or crossed by an edge."""
        crossed = np.zeros(self._size, dtype=np.bool_)
        start = (self.corners - self._low) / self._cell
        stop = np.roll(start, -1, axis=0)
        for a, b in zip(start, stop, strict=True):
            # Half-cell steps, and the neighbours of every cell met: no cell that the edge touches is missed.
            steps = int(np.ceil(np.abs(b - a).max() * 2)) + 1
            at = np.floor(a + (b - a) * np.linspace(0, 1, steps)[:, None]).astype(int)
            for du in (-1, 0, 1):
                for dv in (-1, 0, 1):
                    u, v = np.clip(at[:, 0] + du, 0, self._size[0] - 1), np.clip(at[:, 1] + dv, 0, self._size[1] - 1)
                    crossed[u, v] = True
        picture = np.where(crossed, _BORDER, _OUTSIDE).astype(np.uint8)
        free = np.argwhere(~crossed)
        centres = self._low + (free + 0.5) * self._cell
        hits = free[even_odd(centres, self.corners)]
        picture[hits[:, 0], hits[:, 1]] = _INSIDE
        return picture


_OUTSIDE, _INSIDE, _BORDER = 0, 1, 2


def even_odd(points: FloatArray, corners: FloatArray) -> NDArray[np.bool_]:
    """Whether a ray from each point, (n, 2), crosses the polygon's edges an odd number of times."""
    x, y = points[:, 0], points[:, 1]
    inside = np.zeros(len(points), dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        rows = (y0 > y) != (y1 > y)
        inside[rows] ^= x[rows] < x0 + (y[rows] - y0) * (x1 - x0) / (y1 - y0)
    return inside


def fill_outline(geometry: Geometry, lens: SliceLens, outline: Outline, ctx: Context | None = None) -> tuple[Box, Mask]:
    """The voxels inside an outline drawn in slices.

    Returns
    -------
    Where they lie, and the mask [k, j, i] of that box.

    Raises
    ------
    BadInput
        If no voxel's centre is inside.
    """
    box = _box_of(geometry, lens, outline)
    if box.empty:
        raise BadInput(tr("The outline lies outside the image."))
    i, j, k = box.size_ijk
    mask = inside_outline(np.ones((k, j, i), dtype=np.bool_), box, geometry, lens, outline, ctx)
    tight = Box.of_mask(mask)
    if tight.empty:
        raise BadInput(tr("The outline is smaller than a voxel; it holds no voxel's centre."))
    start = [a + b for a, b in zip(box.start, tight.start, strict=True)]
    stop = [a + b for a, b in zip(box.start, tight.stop, strict=True)]
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2])), mask[tight.slices]


def inside_outline(
    mask: Mask, box: Box, geometry: Geometry, lens: Lens, outline: Outline, ctx: Context | None = None
) -> Mask:
    """Which voxels of a mask appear inside an outline.

    Parameters
    ----------
    mask
        [k, j, i], of ``box``.

    Returns
    -------
    Boolean, of the mask's shape; a part of it.
    """
    ctx = ctx or Context()
    found = np.zeros_like(mask)
    for piece, done in _pieces(mask.shape):
        ctx.progress(done, tr("Looking along the outline"))
        ctx.check()
        index = np.argwhere(mask[piece])
        if not len(index):
            continue
        index[:, 0] += piece.start
        points = geometry.to_lps(index[:, ::-1] + np.asarray(box.start))
        plane, seen = lens.project(points)
        index = index[seen]
        index = index[outline.contains(plane[seen])]
        found[index[:, 0], index[:, 1], index[:, 2]] = True
    return found


def _pieces(shape: Sequence[int]) -> Iterator[tuple[slice, float]]:
    slices = max(1, VOXELS_AT_A_TIME // max(shape[1] * shape[2], 1))
    for start in range(0, shape[0], slices):
        yield slice(start, min(start + slices, shape[0])), start / max(shape[0], 1)


def _box_of(geometry: Geometry, lens: SliceLens, outline: Outline) -> Box:
    """The part of the grid where the outline's prism can have voxels."""
    low, high = outline.bounds
    lowest, highest = geometry.bounds_mm()
    half = None if lens.thickness_mm is None else lens.thickness_mm / 2
    along = (lowest[lens.axis], highest[lens.axis]) if half is None else (lens.centre_mm - half, lens.centre_mm + half)
    corners = np.array(
        [np.insert(np.array([u, v]), lens.axis, w) for u in (low[0], high[0]) for v in (low[1], high[1]) for w in along]
    )
    index = geometry.to_index(corners)
    start = np.clip(np.floor(index.min(axis=0)).astype(int), 0, geometry.size_ijk)
    stop = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, geometry.size_ijk)
    if np.any(stop <= start):
        return Box((0, 0, 0), (0, 0, 0))
    return Box((int(start[0]), int(start[1]), int(start[2])), (int(stop[0]), int(stop[1]), int(stop[2])))
