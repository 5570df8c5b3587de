"""Outlines drawn over a view: closed curves in a slice, and scissors in slices and in 3D.

An outline is a polygon in the plane of a view. A *lens* says where a voxel appears in that plane: along an axis of the
patient for slices, through a camera for 3D. Which voxels of a mask appear inside is found in `scissors`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr

FloatArray = NDArray[np.float64]
States = NDArray[np.uint8]
OUTSIDE, INSIDE, MIXED = 0, 1, 2
CELLS = 512  # of the picture of an outline, along its longer side
_EDGE = 1e-9  # mm: a voxel centre on the border between two slices belongs to the one above
_FAR = 1e6  # cells: what projects farther away is no farther


@dataclass(frozen=True, eq=False)
class Limit:
    """What can be seen: where ``row`` . (x, y, z, 1) is above ``low`` and not above ``high``."""

    row: FloatArray
    low: float
    high: float = np.inf


@dataclass(frozen=True, eq=False)
class Projection:
    """Where LPS points appear: (u / w, v / w), each a ``row`` . (x, y, z, 1), within limits.

    Attributes
    ----------
    rows
        3x4: u, v and w. Where every limit is met, w is positive.
    """

    rows: FloatArray
    limits: tuple[Limit, ...]


class Lens(Protocol):
    """Where points appear in a view."""

    def projection(self) -> Projection: ...


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

    def projection(self) -> Projection:
        rows = np.eye(4)[[*(axis for axis in range(3) if axis != self.axis), 3]]
        if self.thickness_mm is None:
            return Projection(rows, ())
        off = np.eye(4)[self.axis]
        off[3] = -self.centre_mm
        half = self.thickness_mm / 2
        return Projection(rows, (Limit(off, -half + _EDGE, half + _EDGE),))


@dataclass(frozen=True, eq=False)
class CameraLens:
    """Looks through a camera, with perspective or parallel; what lies behind its near plane does not appear.

    Attributes
    ----------
    world_to_clip
        4x4, LPS mm to clip coordinates (x and y from -1 to 1 where seen, -1 at the near plane, w positive in front).
    size_px
        Width and height of the view; pixel (0, 0) is its upper left corner.
    """

    world_to_clip: FloatArray
    size_px: tuple[float, float]

    def projection(self) -> Projection:
        x, y, z, w = np.asarray(self.world_to_clip, dtype=np.float64)
        width, height = self.size_px
        rows = np.stack([(w + x) * (width / 2), (w - y) * (height / 2), w])
        return Projection(rows, (Limit(w, 1e-12), Limit(z + w, -1e-9)))


class Outline:
    """A closed polygon that is asked for many points.

    A picture of it tells for each of its cells whether it lies wholly inside or outside; the exact rule is needed in
    the cells that an edge crosses only.

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
        self._inside_sums, self._touched_sums = _sums(self._picture == INSIDE), _sums(self._picture != OUTSIDE)

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest coordinates."""
        return self._low, self.corners.max(axis=0)

    def contains(self, points: FloatArray) -> NDArray[np.bool_]:
        """Whether each point, (n, 2), lies inside by the even-odd rule."""
        cells = self._cells(points)
        near = np.all((cells >= 0) & (cells < self._size), axis=1)
        inside = np.zeros(len(points), dtype=np.bool_)
        index = cells[near]
        found = self._picture[index[:, 0], index[:, 1]]
        inside[near] = found == INSIDE
        unsure = np.flatnonzero(near)[found == MIXED]
        if unsure.size:
            inside[unsure] = even_odd(points[unsure], self.corners)
        return inside

    def rectangles(self, low: FloatArray, high: FloatArray) -> States:
        """For each rectangle, corners (n, 2): `INSIDE` or `OUTSIDE` if all of it surely is, else `MIXED`."""
        first, last = self._cells(low), self._cells(high)
        within = np.all((first >= 0) & (last < self._size), axis=1)
        a = np.clip(first, 0, self._size)
        b = np.maximum(np.clip(last + 1, 0, self._size), a)
        states = np.full(len(low), MIXED, dtype=np.uint8)
        states[_in_rectangles(self._touched_sums, a, b) == 0] = OUTSIDE
        states[within & (_in_rectangles(self._inside_sums, a, b) == np.prod(b - a, axis=1))] = INSIDE
        return states

    def _cells(self, points: FloatArray) -> NDArray[np.int64]:
        return np.asarray(np.floor(np.clip((points - self._low) / self._cell, -_FAR, _FAR)), dtype=np.int64)

    def _drawn(self) -> States:
        """For each cell: wholly inside, wholly outside, or maybe crossed by an edge."""
        start = (self.corners - self._low) / self._cell
        way = np.roll(start, -1, axis=0) - start
        # Half-cell steps along the edges, and the neighbours of every cell met: no cell that is touched is missed.
        steps = np.ceil(np.abs(way).max(axis=1) * 2).astype(int) + 1
        edge = np.repeat(np.arange(len(start)), steps)
        along = (np.arange(len(edge)) - np.repeat(np.cumsum(steps) - steps, steps)) / np.maximum(steps[edge] - 1, 1)
        at = np.clip(np.floor(start[edge] + way[edge] * along[:, None]).astype(int), 0, self._size - 1)
        met = np.zeros(self._size + 2, dtype=np.bool_)
        for du in (0, 1, 2):
            for dv in (0, 1, 2):
                met[at[:, 0] + du, at[:, 1] + dv] = True
        picture = np.where(met[1:-1, 1:-1], MIXED, OUTSIDE).astype(np.uint8)
        free = np.argwhere(picture == OUTSIDE)
        hits = free[even_odd(self._low + (free + 0.5) * self._cell, self.corners)]
        picture[hits[:, 0], hits[:, 1]] = INSIDE
        return picture


def even_odd(points: FloatArray, corners: FloatArray) -> NDArray[np.bool_]:
    """Whether a ray from each point, (n, 2), crosses the polygon's edges an odd number of times."""
    y = points[:, 1]
    low, high = float(corners[:, 1].min()), float(corners[:, 1].max())
    # Sorted into rows, each edge is held against the points of its own rows only.
    row = np.clip(_row(y, low, high), 0, _ROWS - 1).astype(np.uint16)
    order = np.argsort(row, kind="stable")
    begin = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=_ROWS))])
    x, y = points[order, 0], y[order]
    odd = np.zeros(len(points), dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(corners.tolist(), np.roll(corners, -1, axis=0).tolist(), strict=True):
        if y0 == y1:
            continue
        first, last = (int(_row(np.float64(end), low, high)) for end in (min(y0, y1), max(y0, y1)))
        part = slice(begin[max(first - 1, 0)], begin[min(last + 2, _ROWS)])  # a row to spare, for rounding
        here = y[part]
        crossed = ((y0 > here) != (y1 > here)) & (x[part] < x0 + (here - y0) * ((x1 - x0) / (y1 - y0)))
        odd[part] ^= crossed
    inside = np.empty_like(odd)
    inside[order] = odd
    return inside


_ROWS = 4096


def _row(y: FloatArray | np.float64, low: float, high: float) -> FloatArray:
    if high <= low:
        return np.zeros_like(y, dtype=np.float64)
    return np.floor(np.clip((y - low) / (high - low), -1.0, 2.0) * (_ROWS - 1))


def _sums(cells: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The number of true cells below and left of each corner of a cell (F. C. Crow, SIGGRAPH 1984)."""
    return np.pad(np.cumsum(np.cumsum(cells, axis=0, dtype=np.int64), axis=1), ((1, 0), (1, 0)))


def _in_rectangles(sums: NDArray[np.int64], a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    corners = sums[b[:, 0], b[:, 1]] - sums[a[:, 0], b[:, 1]] - sums[b[:, 0], a[:, 1]] + sums[a[:, 0], a[:, 1]]
    return np.asarray(corners)
