"""Cuts along Bézier patches: evaluation, extension past the organ, and what makes one unfit.

A patch of r by c control points is P(u, v) = sum over i, j of B_i(u) B_j(v) p_ij, B being the Bernstein polynomials of
degree r - 1 and c - 1 (Farin, Curves and Surfaces for CAGD). It is applied as triangles: as many cells over the patch
as keep the triangles within `CHORD_MM` of it, at least 64 and at most 128 along each side, then straight on along its
edges' tangents, beyond the organ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import comb
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.text import tr
from surgitwin.resection.patch_check import as_floats, check_places, check_side
from surgitwin.resection.surface_cut import SurfaceCut

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

LEAST, MOST = 4, 6
STEPS = (64, 96, 128)
CHORD_MM = 0.02
RIM = 6  # cells around the patch on each side
_FLAT = 1e-9


_PROBES = np.linspace(0.0, 1.0, 9)


@dataclass(frozen=True, eq=False)
class BezierPatch:
    """Control points, (rows, columns, 3), LPS mm; 4 to 6 of each.

    Raises
    ------
    BadInput
        If there are too few or too many, rows of different lengths, or places that are not finite numbers.
    """

    control_points_mm: FloatArray

    @staticmethod
    def of(control_points_mm: Any) -> BezierPatch:
        """From nested lists, checked."""
        points = as_floats(control_points_mm)
        if (
            points is None
            or points.ndim != 3
            or points.shape[2] != 3
            or not all(LEAST <= n <= MOST for n in points.shape[:2])
        ):
            raise BadInput(
                tr(
                    "A Bézier patch needs 4 to 6 rows of 4 to 6 control points each, every one x, y, z in LPS mm;"
                    " all rows equally long."
                )
            )
        check_places(points, tr("A control point of the Bézier patch"))
        return BezierPatch(points)

    def at(self, u: FloatArray, v: FloatArray) -> FloatArray:
        """Places on the grid of parameters u by v (each 0 to 1), (len(u), len(v), 3)."""
        rows, columns = self.control_points_mm.shape[:2]
        return _mixed(bernstein(rows - 1, u), self.control_points_mm, bernstein(columns - 1, v))

    def slopes(self, u: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Derivatives by u and by v on the same grid."""
        points = self.control_points_mm
        rows, columns = points.shape[:2]
        by_u = (rows - 1) * np.diff(points, axis=0)
        by_v = (columns - 1) * np.diff(points, axis=1)
        return (
            _mixed(bernstein(rows - 2, u), by_u, bernstein(columns - 1, v)),
            _mixed(bernstein(rows - 1, u), by_v, bernstein(columns - 2, v)),
        )

    def bend(self, u: FloatArray, v: FloatArray) -> FloatArray:
        """How fast triangles over cells of width h in u and v leave the patch: by this times h squared, mm; same grid.

        Filip, Magedson and Markot (1986): |P_uu| / 8 + |P_uv| / 4 + |P_vv| / 8, here of what is along the normal.
        """
        points = self.control_points_mm
        r, c = points.shape[0] - 1, points.shape[1] - 1
        by_u, by_v = self.slopes(u, v)
        normal = np.cross(by_u, by_v)
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-300)
        uu = _mixed(bernstein(r - 2, u), r * (r - 1) * np.diff(points, 2, axis=0), bernstein(c, v))
        vv = _mixed(bernstein(r, u), c * (c - 1) * np.diff(points, 2, axis=1), bernstein(c - 2, v))
        uv = _mixed(bernstein(r - 1, u), r * c * np.diff(np.diff(points, axis=0), axis=1), bernstein(c - 1, v))
        along = [np.abs(np.sum(one * normal, axis=-1)) for one in (uu, uv, vv)]
        return np.asarray(along[0] / 8.0 + along[1] / 4.0 + along[2] / 8.0)

    def steps(self) -> int:
        """How many cells along each side it is cut into."""
        bend = float(self.bend(_PROBES, _PROBES).max())
        return next((steps for steps in STEPS if bend <= CHORD_MM * steps**2), STEPS[-1])

    def elevated(self, rows: int, columns: int) -> BezierPatch:
        """The same surface with more control points (never fewer)."""
        points = self.control_points_mm
        for axis, wanted in ((0, rows), (1, columns)):
            while points.shape[axis] < wanted:
                points = _elevated(points, axis)
        return BezierPatch(points)

    def moved(self, by_mm: ArrayLike) -> BezierPatch:
        return BezierPatch(self.control_points_mm + np.asarray(by_mm, dtype=np.float64))


def _mixed(by_u: FloatArray, points: FloatArray, by_v: FloatArray) -> FloatArray:
    """Points weighted along rows and columns, (len(u), len(v), 3)."""
    along = by_u @ points.reshape(len(points), -1)
    return np.asarray(by_v @ along.reshape(len(by_u), points.shape[1], 3))


def bernstein(degree: int, t: FloatArray) -> FloatArray:
    """The Bernstein polynomials of a degree at parameters from 0 to 1, (len(t), degree + 1)."""
    return _basis(degree, tuple(np.asarray(t, dtype=np.float64).tolist()))


@cache
def _basis(degree: int, t: tuple[float, ...]) -> FloatArray:
    """The Bernstein polynomials at these parameters, (len(t), degree + 1)."""
    at = np.array(t)[:, None]
    i = np.arange(degree + 1)
    binomial = np.array([comb(degree, one) for one in i], dtype=np.float64)
    return np.asarray(binomial * at**i * (1.0 - at) ** (degree - i))


def _elevated(points: FloatArray, axis: int) -> FloatArray:
    """One degree more along an axis: q_i = (i / n) p_(i-1) + (1 - i / n) p_i, n control points before."""
    points = np.moveaxis(points, axis, 0)
    n = len(points)
    weight = (np.arange(n + 1) / n)[:, None, None]
    before = np.concatenate([points[:1], points])
    after = np.concatenate([points, points[-1:]])
    return np.moveaxis(weight * before + (1.0 - weight) * after, 0, axis)


@cache
def _cells(steps: int) -> tuple[IntArray, int]:
    """Triangles of the patch's cells, then of those around it, and how many the patch's are."""
    side = steps + 1 + 2 * RIM
    number = np.arange(side * side).reshape(side, side)
    inner = np.zeros((side - 1, side - 1), dtype=np.bool_)
    inner[RIM:-RIM, RIM:-RIM] = True
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    both = np.stack([np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)], axis=2)
    triangles = np.concatenate([both[inner].reshape(-1, 3), both[~inner].reshape(-1, 3)]).astype(np.int32)
    return triangles, 2 * int(inner.sum())


def surface_cut(
    patch: BezierPatch, box: Box, geometry: Geometry, remove_point_mm: Sequence[float], *, checked: bool = True
) -> SurfaceCut:
    """The patch as triangles, extended past a box along its edge tangents.

    Parameters
    ----------
    box
        Where it must divide: the organ's, on the grid ``geometry``.
    checked
        False leaves out whether the surface crosses itself, and whether the given point lies on it.

    Raises
    ------
    BadInput
        If it crosses itself in the box, has no area, its extension does not leave the box, or the point that says
        which side goes lies on it.
    """
    x, y, z = (float(value) for value in remove_point_mm)
    _check_extent(patch.control_points_mm)
    corners = geometry.to_lps(_corners(box))
    points = _extended(patch, corners)
    triangles, drawn = _cells(len(points) - 1 - 2 * RIM)
    _check_border(points, box, geometry)
    cut = SurfaceCut(points.reshape(-1, 3), triangles, (x, y, z), drawn)
    if not checked:
        return cut
    if _folds(points, box, geometry):
        message = tr("The cut surface folds over itself. Move its control points apart, or put them back in order.")
        raise BadInput(message)
    return check_side(cut)


def _check_extent(control_points_mm: FloatArray) -> None:
    """Refuse control points that all lie on one line, or on one place."""
    points = control_points_mm.reshape(-1, 3)
    extents = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if extents[1] <= _FLAT * extents[0] or extents[0] <= _FLAT:
        raise BadInput(
            tr("The control points of the cut surface all lie on one line: it has no area. Move them apart.")
        )


def _corners(box: Box) -> FloatArray:
    low, high = np.asarray(box.start) - 1.5, np.asarray(box.stop) + 0.5
    return np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)]) * (high - low) + low


def _extended(patch: BezierPatch, corners_mm: FloatArray) -> FloatArray:
    """The patch's points with `RIM` rows of points more on each side, straight on, (n, n, 3).

    The rows lie twice as far out from one to the next, so that near the patch, where neighbours may go on in different
    directions, the cells are short.

    Raises
    ------
    BadInput
        If an edge has no direction to go on in.
    """
    steps = patch.steps()
    t, ends = _parameters(steps)
    inner = patch.at(t, t)
    by_u, _ = patch.slopes(ends, t)
    _, by_v = patch.slopes(t, ends)
    down, along = _unit(np.stack([-by_u[0], by_u[1]])), _unit(np.stack([-by_v[:, 0], by_v[:, 1]]))
    everything = np.concatenate([inner.reshape(-1, 3), corners_mm])
    far = 2.0 * float(np.linalg.norm(everything.max(axis=0) - everything.min(axis=0))) + 1.0
    out = far * 0.5 ** np.arange(RIM)[:, None, None]  # from the outermost row inwards
    n = steps + 1 + 2 * RIM
    points = np.empty((n, n, 3))
    points[RIM:-RIM, RIM:-RIM] = inner
    first, last = slice(0, RIM), slice(n - 1, n - 1 - RIM, -1)
    for rows, row, a in ((first, 0, 0), (last, -1, 1)):
        points[rows, RIM:-RIM] = inner[row] + out * down[a]
        points[RIM:-RIM, rows] = inner[:, row, None] + np.swapaxes(out, 0, 1) * along[a][:, None]
        for columns, column, b in ((first, 0, 0), (last, -1, 1)):
            sideways = np.swapaxes(out, 0, 1) * along[b][row]
            points[rows, columns] = inner[row, column] + out * down[a][column] + sideways
    return points


@cache
def _parameters(steps: int) -> tuple[FloatArray, FloatArray]:
    return np.linspace(0.0, 1.0, steps + 1), np.array([0.0, 1.0])


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if (lengths < _FLAT).any():
        raise BadInput(
            tr("The cut surface has no direction at an edge: some of its control points lie on the same place.")
        )
    return np.asarray(vectors / lengths)


def _check_border(points: FloatArray, box: Box, geometry: Geometry) -> None:
    """Refuse a surface whose border comes into the box: then both sides would hang together there."""
    border = [points[0, :-1], points[:-1, -1], points[-1, :0:-1], points[:0:-1, 0]]
    ring = geometry.to_index(np.concatenate(border))
    low, high = np.asarray(box.start) - 1.0, np.asarray(box.stop, dtype=np.float64)
    start, along = ring, np.roll(ring, -1, axis=0) - ring
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (low - start) / along, (high - start) / along
    enter = np.where(along == 0, np.where((start >= low) & (start <= high), -np.inf, np.inf), np.minimum(one, other))
    leave = np.where(along == 0, np.inf, np.maximum(one, other))
    if (np.maximum(enter.max(axis=1), 0.0) <= np.minimum(leave.min(axis=1), 1.0)).any():
        raise BadInput(
            tr("The cut surface does not divide the organ: drawn on past its edges it ends inside. Flatten its edges.")
        )


def crosses_itself(patch: BezierPatch, box: Box, geometry: Geometry) -> bool:
    """Whether the patch, drawn on past the box, meets itself or lies on itself in the box; all triangles are asked."""
    return _folds(_extended(patch, geometry.to_lps(_corners(box))), box, geometry)


def _folds(points: FloatArray, box: Box, geometry: Geometry) -> bool:
    from surgitwin.resection.fold_kernels import grid_folds

    spacing = np.asarray(geometry.spacing_mm)
    low, high = (np.asarray(box.start) - 1.0) * spacing, np.asarray(box.stop, dtype=np.float64) * spacing
    grid = geometry.to_index(points.reshape(-1, 3)) * spacing
    return bool(grid_folds(np.ascontiguousarray(grid.reshape(points.shape)), RIM, low, high))
