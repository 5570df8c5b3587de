"""Signed distances on a grid around a closed surface, and surfaces at a distance: bodies grow and shrink."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.surfaces.solids import Solid

FloatArray = NDArray[np.float64]

MAX_NODES = 12_000_000
# Nodes so far from a level, in spacings, may have a distance that is only about right.
_BAND = 2.0


@dataclass(frozen=True, eq=False)
class Field:
    """Signed distances, negative inside, on a grid along the axes of LPS.

    Attributes
    ----------
    values
        float32, [k, j, i], mm.
    """

    origin_mm: FloatArray
    spacing_mm: float
    values: NDArray[np.float32]

    @staticmethod
    def over(low_mm: ArrayLike, high_mm: ArrayLike, spacing_mm: float) -> Field:
        """An empty grid over a box; coarser than wished for where it would be too large."""
        low, size = np.asarray(low_mm, np.float64), np.asarray(high_mm, np.float64) - np.asarray(low_mm, np.float64)
        spacing = max(spacing_mm, float(np.cbrt(np.prod(np.maximum(size, spacing_mm)) / MAX_NODES)))
        counts = np.ceil(size / spacing).astype(int) + 1
        return Field(low, spacing, np.full(tuple(counts[::-1]), np.inf, np.float32))

    @property
    def box_mm(self) -> tuple[FloatArray, FloatArray]:
        """The first and the last node."""
        return self.origin_mm, self.origin_mm + self.spacing_mm * (np.array(self.values.shape[::-1]) - 1)

    def points(self, chosen: NDArray[np.bool_]) -> FloatArray:
        """Where the chosen nodes lie, shape (n, 3)."""
        places = np.argwhere(chosen)[:, ::-1]
        return self.origin_mm + places * self.spacing_mm

    def at(self, points_mm: ArrayLike) -> FloatArray:
        """The values at points, interpolated; those of the border beyond it."""
        from scipy.ndimage import map_coordinates

        places = (np.asarray(points_mm, np.float64) - self.origin_mm) / self.spacing_mm
        found = map_coordinates(self.values, places.reshape(-1, 3)[:, ::-1].T, order=1, mode="nearest")
        return np.asarray(found, np.float64).reshape(places.shape[:-1])

    def with_values(self, values: NDArray[Any]) -> Field:
        return replace(self, values=np.asarray(values, np.float32))


def distances(mesh: Mesh, grid: Field, levels: tuple[float, ...] = (0.0,), ctx: Context | None = None) -> Field:
    """Signed distances to a closed mesh: exact near each of ``levels``, within a spacing of it elsewhere."""
    ctx = ctx or Context()
    within = inside(mesh, grid)
    ctx.check()
    values = _coarse(within, grid.spacing_mm)
    near = np.zeros(within.shape, bool)
    for level in levels:
        near |= np.abs(values - level) <= _BAND * grid.spacing_mm
    ctx.check()
    # Where the nearest triangles of these nodes are: what lies further off the grid need not be looked at.
    around = max(abs(level) for level in levels) + 2.0 * _BAND * grid.spacing_mm
    exact = closest_mm(cropped(mesh, grid, around), grid.points(near), grid.spacing_mm)
    values[near] = np.where(within[near], -exact, exact)
    return grid.with_values(values)


def unsigned(mesh: Mesh, grid: Field, level: float) -> Field:
    """Distances to a surface that may be open: exact near ``level`` and below it, too large further away."""
    from scipy.spatial import cKDTree

    everywhere = grid.points(np.ones(grid.values.shape, bool))
    tree = cKDTree(samples(mesh, grid.spacing_mm)[0])
    reach = level + (_BAND + 1.0) * grid.spacing_mm
    rough, _ = tree.query(everywhere, distance_upper_bound=reach)
    near = np.isfinite(rough)
    values = np.full(len(everywhere), reach)
    values[near] = np.minimum(closest_mm(mesh, everywhere[near], grid.spacing_mm), reach)
    return grid.with_values(values.reshape(grid.values.shape))


def cropped(mesh: Mesh, grid: Field, margin_mm: float) -> Mesh:
    """The triangles, of the same points, that come within ``margin_mm`` of a grid's box; all if none does."""
    margin = np.float32(margin_mm)
    low, high = grid.box_mm
    near = np.ones(len(mesh.triangles), bool)
    for axis in range(3):
        along = np.ascontiguousarray(mesh.points[:, axis])
        below, above = along < np.float32(low[axis]) - margin, along > np.float32(high[axis]) + margin
        a, b, c = mesh.triangles.T
        near &= ~((below[a] & below[b] & below[c]) | (above[a] & above[b] & above[c]))
    return Mesh(mesh.points, np.ascontiguousarray(mesh.triangles[near])) if near.any() else mesh


def from_mask(within: NDArray[np.bool_], grid: Field) -> Field:
    """Distances to the border of a mask, within half a spacing."""
    return grid.with_values(_coarse(within, grid.spacing_mm))


def regrown(field: Field, level: float) -> Field:
    """Distances to the surface where ``field`` has ``level``: for a second step of growing or shrinking."""
    mesh = surface(field, level)
    return distances(mesh, field)


def inside(mesh: Mesh, grid: Field) -> NDArray[np.bool_]:
    """Which nodes lie in a closed mesh."""
    from vtkmodules.util import numpy_support
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkImagingStencil import vtkImageStencilToImage, vtkPolyDataToImageStencil

    nk, nj, ni = grid.values.shape
    triangles = _sliced(mesh, grid)
    if not len(triangles):
        return np.zeros(grid.values.shape, np.bool_)
    arrays: Any = numpy_support
    points, cells, body = vtkPoints(), vtkCellArray(), vtkPolyData()
    points.SetData(arrays.numpy_to_vtk(np.ascontiguousarray(mesh.points - grid.origin_mm), deep=True))
    cells.SetData(3, arrays.numpy_to_vtkIdTypeArray(triangles.astype(np.int64).reshape(-1), deep=True))
    body.SetPoints(points)
    body.SetPolys(cells)
    stencil = vtkPolyDataToImageStencil()
    stencil.SetInputData(body)
    stencil.SetOutputOrigin(0.0, 0.0, 0.0)
    stencil.SetOutputSpacing((grid.spacing_mm,) * 3)
    stencil.SetOutputWholeExtent(0, ni - 1, 0, nj - 1, 0, nk - 1)
    stencil.SetTolerance(0.0)
    image = vtkImageStencilToImage()
    image.SetInputConnection(stencil.GetOutputPort())
    image.SetInsideValue(1)
    image.SetOutsideValue(0)
    image.SetOutputScalarTypeToUnsignedChar()
    image.Update()
    found = arrays.vtk_to_numpy(image.GetOutput().GetPointData().GetScalars())
    return np.asarray(found, np.bool_).reshape(nk, nj, ni)


def _sliced(mesh: Mesh, grid: Field) -> NDArray[np.int32]:
    """The triangles that slices of the grid can cut: each slice is filled by itself."""
    (_, _, low), (_, _, high) = grid.box_mm
    height = mesh.points[:, 2][mesh.triangles]
    near = (height.max(axis=1) >= low - 1.0) & (height.min(axis=1) <= high + 1.0)
    return np.asarray(mesh.triangles[near], np.int32)


def surface(field: Field, level: float = 0.0, name: str = "part") -> Mesh:
    """The closed surface where a field has a value; it must lie within the grid.

    Raises
    ------
    BadInput
        If there is none.
    """
    return body(field, level, name).mesh()


def body(field: Field, level: float = 0.0, name: str = "part") -> Solid:
    """What a field's values below ``level`` fill.

    Raises
    ------
    BadInput
        If that is nothing.
    """
    mesh = contour(field, level)
    if mesh.empty:
        raise BadInput(tr("Nothing is left of “{name}”.").format(name=name))
    return Solid.of(mesh, name)


def contour(field: Field, level: float = 0.0) -> Mesh:
    """The triangles where a field has a value, closed also at the grid's border; which way they look is not settled."""
    from skimage import measure

    measuring: Any = measure
    values = np.pad(field.values - np.float32(level), 1, constant_values=field.spacing_mm)
    # A node that lies exactly on the surface makes triangles without area.
    values[np.abs(values) < 1e-4 * field.spacing_mm] = 1e-4 * field.spacing_mm
    if not (values < 0).any():
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    points, triangles, _, _ = measuring.marching_cubes(values, 0.0, allow_degenerate=False)
    # Rows of [k, j, i] turned to x, y, z are a mirror image, which `Solid.of` turns the right way out.
    lps = field.origin_mm + (points[:, ::-1].astype(np.float64) - 1.0) * field.spacing_mm
    return Mesh(np.ascontiguousarray(lps, np.float32), np.ascontiguousarray(triangles, np.int32))


def offset(mesh: Mesh, by_mm: float, *, spacing_mm: float | None = None, ctx: Context | None = None) -> Mesh:
    """The surface ``by_mm`` outside of a closed one, or inside it where negative.

    Raises
    ------
    BadInput
        If nothing of the body is as thick.
    """
    grid = grid_around(mesh, spacing_mm or max(0.25, min(1.0, abs(by_mm) / 3)), max(by_mm, 0.0))
    return surface(distances(mesh, grid, (by_mm,), ctx), by_mm)


def grid_around(mesh: Mesh, spacing_mm: float, margin_mm: float = 0.0) -> Field:
    """An empty grid over a mesh and ``margin_mm`` around it."""
    margin = margin_mm + 3.0 * spacing_mm
    return Field.over(mesh.points.min(axis=0) - margin, mesh.points.max(axis=0) + margin, spacing_mm)


def samples(mesh: Mesh, step_mm: float) -> tuple[FloatArray, NDArray[np.int64]]:
    """Points on a mesh at most about ``step_mm`` apart, and the triangle of each."""
    corners = mesh.points[mesh.triangles].astype(np.float64)
    lengths = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
    first = np.argmax(lengths, axis=1)
    base, apex, tip = (corners[np.arange(len(corners)), (first + n) % 3] for n in range(3))
    longest = lengths.max(axis=1)
    height = np.linalg.norm(np.cross(apex - base, tip - base), axis=1) / np.where(longest > 0, longest, 1.0)
    # Rows along the longest side, so that slivers do not get as many points as squares of their length.
    parts = np.maximum(np.ceil(np.column_stack((longest, height)) / step_mm).astype(int), 1)
    points, owner = [], []
    base_of = int(parts[:, 1].max(initial=0)) + 1
    kinds = parts[:, 0] * base_of + parts[:, 1]
    order = np.argsort(kinds, kind="stable")
    starts = np.flatnonzero(np.diff(kinds[order], prepend=-1))
    for chosen in np.split(order, starts[1:]):
        along, rows = parts[chosen[0]]
        t, f = (one.ravel() for one in np.meshgrid((np.arange(along) + 0.5) / along, (np.arange(rows) + 0.5) / rows))
        weights = np.column_stack(((1 - f) * (1 - t), (1 - f) * t, f))
        three = np.stack((base[chosen], apex[chosen], tip[chosen]), axis=1)
        points.append(np.einsum("wc,tcx->twx", weights, three).reshape(-1, 3))
        owner.append(np.repeat(chosen, len(weights)))
    return np.concatenate(points), np.concatenate(owner)


def _coarse(within: NDArray[np.bool_], spacing: float) -> NDArray[np.float32]:
    from scipy.ndimage import distance_transform_edt

    if not within.any():
        return np.full(within.shape, np.float32(spacing * max(within.shape)))
    out = distance_transform_edt(~within).astype(np.float32)
    out -= distance_transform_edt(within).astype(np.float32)
    return np.asarray((out - np.sign(out) * 0.5) * spacing, np.float32)


def closest_mm(mesh: Mesh, points: FloatArray, step_mm: float) -> FloatArray:
    """Distances to the triangles that the six nearest samples lie on."""
    from scipy.spatial import cKDTree

    if not len(points):
        return np.zeros(0)
    places, owner = samples(mesh, 0.7 * step_mm)
    tree = cKDTree(places)
    best = np.full(len(points), np.inf)
    for start in range(0, len(points), 400_000):
        part = slice(start, start + 400_000)
        _, found = tree.query(points[part], k=min(6, len(places)))
        for column in found.reshape(len(found), -1).T:
            best[part] = np.minimum(best[part], _to_triangles(points[part], mesh, owner[column]))
    return best


def _to_triangles(points: FloatArray, mesh: Mesh, triangles: NDArray[np.int64]) -> FloatArray:
    """Distance of each point to its triangle, shape (n,)."""
    a, b, c = np.moveaxis(mesh.points[mesh.triangles[triangles]].astype(np.float64), 1, 0)
    normal = np.cross(b - a, c - a)
    square = np.einsum("ij,ij->i", normal, normal)
    away = np.abs(np.einsum("ij,ij->i", points - a, normal)) / np.sqrt(np.where(square > 0, square, 1.0))
    over = square > 0
    nearest = np.full(len(points), np.inf)
    for one, two in ((a, b), (b, c), (c, a)):
        side = two - one
        over &= np.einsum("ij,ij->i", np.cross(side, points - one), normal) >= 0
        length = np.einsum("ij,ij->i", side, side)
        along = np.einsum("ij,ij->i", points - one, side) / np.where(length > 0, length, 1.0)
        foot = one + np.clip(along, 0.0, 1.0)[:, None] * side
        nearest = np.minimum(nearest, np.linalg.norm(points - foot, axis=1))
    return np.where(over, away, nearest)
