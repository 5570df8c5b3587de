"""Smoothing that keeps the volume, on the quad mesh of one label, in voxel units.

Every pass is the average over the quads around a vertex, ``M``: on a flat grid the kernel (1/4, 1/2, 1/4) squared,
which has no negative or oscillating part. Two passes on the positions even the mesh out. After that vertices move along
their (averaged) normals only, so that the rest is a linear problem for one height per vertex:

1. ``h`` flattens the roughness ``b = (M p - p) . n``: the solution of ``(1 - M) h = b``, by Chebyshev's iteration,
   which removes every wave shorter than a cut-off and leaves longer ones alone.
2. Smoothing shrinks whatever is curved, thin vessels most. The shrinkage is the slowly varying part of the
   displacement from the voxel faces, close to ``M^k (d + h)``, and is taken back. A terrace moves in and out in turn
   and stays flat; a vessel moves inwards all around and gets its radius again.
3. No vertex may move much farther than to the border of its cell, which keeps neighbouring sheets apart.
4. What is left of the volume's error, usually far below 1 %, goes in an even offset along the normals.

Steps 1 to 3 are `shape`, and local: where a vertex goes depends, to the last bit, on the cells within `Fairing.reach`
of its own, and not on where the rest of the mesh lies. The surface that is shown while a segment is edited stops there
(see `incremental`); step 4 looks at the whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.surfaces.quads import QuadMesh
from surgitwin.surfaces.sparse_loops import sparse_loops
from surgitwin.surfaces.tables import corner_tables

FloatRow = NDArray[np.float32]

# How far a vertex may move from its cell's centre, in extents of the cell along the normal. One half is the cell
# itself, which every surface between the voxel centres runs through; a little more lets shallow steps vanish, and a
# little less keeps the two sides of a wall or a gap of one voxel apart.
_CELL_SHARE = 0.75
_THIN_CELL_SHARE = 0.45
# Displacements are rounded to this before they are added to the vertices' places: the sums are then exact in float32 in
# images of up to 8192 voxels along an axis, and the same wherever the origin is.
_GRAIN = 1 / 2048
# Normals are averaged so often: neighbours that move along nearly the same direction do not cross.
_NORMAL_PASSES = 2
# Cosine between a face's direction and the averaged normal above which the surface there really looks that way.
_LOOKS_ALONG = 0.35
_LONG_STEPS = (2.2, 2.0, 1.6)
# Voxels from a shared cell's centre to each of its vertices, at least; far more than a file format rounds off.
_APART = 0.05
# The same two where the volume cannot be reached otherwise.
_MOST_ROOM = 0.499
_LEAST_APART = 0.002
# Two averages of the positions, the quads around a vertex, and the passes of the normals.
REACH_OF_NORMALS = 2 + 1 + _NORMAL_PASSES
_VOLUME_TOLERANCE = 2e-4
_VOLUME_ENOUGH = 5e-3
_MATCH_STEPS = 8
_LONGEST_STEP = 0.25


@dataclass(frozen=True)
class Fairing:
    """How strongly to smooth.

    Attributes
    ----------
    cutoff
        Waves whose (1 - M) eigenvalue lies above are removed; about ``(pi / wavelength in voxels) ** 2``.
    solve_steps
        Steps of Chebyshev's iteration.
    slow_sweeps
        Sweeps that find the slowly varying part of a displacement.
    """

    cutoff: float
    solve_steps: int
    slow_sweeps: int

    @staticmethod
    def of(smoothing: float) -> Fairing | None:
        """From a strength between 0 and 1; None for 0, which leaves the evened voxel faces."""
        if smoothing <= 0:
            return None
        cutoff = 0.36 * (1 / 36) ** min(smoothing, 1.0)
        steps = max(2, round(3.0 / math.acosh((1 + cutoff) / (1 - cutoff))))
        return Fairing(cutoff, steps, max(0, round(0.35 / math.sqrt(cutoff) - 0.4)))

    @property
    def reach(self) -> int:
        """How many cells away, along any axis, a cell can be that has a say in where a vertex goes.

        Each average reaches one cell: those of the roughness and of the first displacements, the solver's, and those of
        the slow part.
        """
        return REACH_OF_NORMALS + 1 + (self.solve_steps - 1) + 2 + len(_LONG_STEPS) * self.slow_sweeps


class QuadAverage:
    """The averaging operator ``M`` of a closed quad mesh."""

    def __init__(self, quads: NDArray[np.int64], vertices: int) -> None:
        self._loops = sparse_loops()
        self._vertices, self._count = vertices, quads.shape[1]
        corners = np.empty((self._count, 4), np.int32)
        corners[:] = quads.T
        self._corners = corners.reshape(-1)
        self._ones = np.ones(corners.size, np.float32)
        self._starts = np.arange(0, corners.size + 1, 4, dtype=np.int32)
        valence = self.scatter(np.ones(self._count, np.float32))
        self._weight = np.float32(0.25) / np.maximum(valence, 1)
        self._share = np.float32(4) * valence

    def __call__(self, row: FloatRow) -> FloatRow:
        """Average of one number per vertex over the quads around each vertex."""
        result = self.scatter(self._gather(row))
        result *= self._weight
        return result

    def change(self, row: FloatRow) -> FloatRow:
        """How far the average is from what it is taken of, ``M row - row``; the sums are exact for multiples of 1/2."""
        result = self.scatter(self._gather(row))
        result -= self._share * row
        result *= self._weight
        return result

    def scatter(self, row: FloatRow) -> FloatRow:
        """Sum of one number per quad over the quads around each vertex."""
        result: FloatRow = np.zeros(self._vertices, np.float32)
        given = np.ascontiguousarray(row, np.float32)
        # The rows of a matrix are the columns of its transpose.
        self._loops.csc_matvec(self._vertices, self._count, self._starts, self._corners, self._ones, given, result)
        return result

    def _gather(self, row: FloatRow) -> FloatRow:
        """Sum of one number per vertex over the corners of each quad."""
        result: FloatRow = np.zeros(self._count, np.float32)
        given = np.ascontiguousarray(row, np.float32)
        self._loops.csr_matvec(self._count, self._vertices, self._starts, self._corners, self._ones, given, result)
        return result


def _take(points: FloatRow, vertices: NDArray[np.int64]) -> FloatRow:
    """Columns of ``points``; faster than fancy indexing (the indices are known to be valid)."""
    result = np.empty((3, vertices.size), np.float32)
    for axis in range(3):
        np.take(points[axis], vertices, out=result[axis], mode="clip")
    return result


def _cross(a: FloatRow, b: FloatRow) -> FloatRow:
    """Cross product of columns."""
    result = np.empty_like(a)
    for axis, (u, v) in enumerate(((1, 2), (2, 0), (0, 1))):
        np.multiply(a[u], b[v], out=result[axis])
        result[axis] -= a[v] * b[u]
    return result


def _dot(a: FloatRow, b: FloatRow) -> FloatRow:
    """Dot product of columns."""
    result: FloatRow = a[0] * b[0]
    result += a[1] * b[1]
    result += a[2] * b[2]
    return result


@dataclass(frozen=True, eq=False)
class FairMesh:
    """A smoothed quad mesh.

    Attributes
    ----------
    points
        float32, shape (3, n), index coordinates (i, j, k).
    quads
        int64, shape (4, m), turned so that each is to be cut from its first to its third vertex.
    volume
        Volume inside, in voxels.
    """

    points: FloatRow
    quads: NDArray[np.int64]
    volume: float


@dataclass(frozen=True, eq=False)
class Shape:
    """A smoothed quad mesh before its volume is matched; vertex by vertex a matter of the cells around.

    Attributes
    ----------
    start
        float32, shape (3, n): where the vertices' cells have their centres, less some whole number of voxels.
    way
        float32, shape (3, n): where the vertices are, from there.
    normals
        float32, shape (3, n): unit normals, averaged; index space.
    quads
        int64, shape (4, m), turned so that each is to be cut from its first to its third vertex.
    area
        Of all quads.
    """

    start: FloatRow
    way: FloatRow
    normals: FloatRow
    quads: NDArray[np.int64]
    area: float
    apart: _Apart


def shape(mesh: QuadMesh, fairing: Fairing | None) -> Shape:
    """Smooth a label's quad mesh without a look at its volume (steps 1 to 3 of the module's text).

    A mesh with a border (see `quads.open_quads`) is as good as the whole one from `Fairing.reach` cells inwards.
    """
    # Coordinates near zero lose least to float32.
    start = mesh.corners - mesh.corners.min(axis=1, keepdims=True)
    average = QuadAverage(mesh.quads, start.shape[1])
    once = np.stack([average.change(row) for row in start])
    last = np.stack([average(row) for row in once])
    way = np.rint((once + last) * np.float32(1 / _GRAIN)) * np.float32(_GRAIN)
    quads, normals, area = _cut_and_normals(start + way, mesh.quads, average)
    thin = _thin(mesh, normals)
    if fairing is not None:
        height = _heights(average, thin, way, last, normals, fairing)
        for axis in range(3):
            way[axis] += height * normals[axis]
    apart = _Apart.of(mesh, thin)
    apart.push(way, _THIN_CELL_SHARE, _APART)
    return Shape(start, way, normals, quads, area, apart)


def fair(mesh: QuadMesh, fairing: Fairing | None) -> FairMesh:
    """Smooth a label's quad mesh and keep its volume (see the module's text)."""
    found = shape(mesh, fairing)
    volume = _match_volume(found, mesh.voxels)
    points = found.start + found.way
    points += mesh.corners.min(axis=1, keepdims=True)
    return FairMesh(points, found.quads, volume)


def _match_volume(shape: Shape, wanted: int) -> float:
    """Move the vertices, in place, evenly along their normals until the volume is right; return what they hold."""
    volume = 0.0
    # Where voxels hang together by edges only, they need nearly all of their room to have their volume.
    for room, distance in ((_THIN_CELL_SHARE, _APART), (_MOST_ROOM, _LEAST_APART)):
        slope = shape.area
        shape.apart.push(shape.way, room, distance)
        volume = quads_volume(shape.start + shape.way, shape.quads)
        for _ in range(_MATCH_STEPS):
            if abs(wanted - volume) <= _VOLUME_TOLERANCE * wanted:
                break
            step = float(np.clip((wanted - volume) / slope, -_LONGEST_STEP, _LONGEST_STEP))
            for axis in range(3):
                shape.way[axis] += np.float32(step) * shape.normals[axis]
            shape.apart.push(shape.way, room, distance)
            before, volume = volume, quads_volume(shape.start + shape.way, shape.quads)
            # The secant of the last two volumes, unless vertices were held back and it means nothing.
            slope = max((volume - before) / step, 0.25 * shape.area)
        if abs(wanted - volume) <= _VOLUME_ENOUGH * wanted:
            break
    return volume


def _heights(
    average: QuadAverage,
    thin: NDArray[np.bool_],
    way: FloatRow,
    last_way: FloatRow,
    normals: FloatRow,
    fairing: Fairing,
) -> FloatRow:
    """How far each vertex moves along its normal, in voxels.

    It has come the ``way`` from its cell's centre, ``last_way`` of it in the last pass. The next pass would bring it
    about the average of the latter.
    """
    moved = _dot(way, normals)
    rough = average(_dot(last_way, normals))
    height = _solve(average, rough, fairing)
    shrinkage = _slow_part(average, height + moved, fairing)
    limit = _limits(average, thin) * np.abs(normals).sum(axis=0)
    result: FloatRow = np.clip(height + moved - shrinkage, -limit, limit) - moved
    return result


def _slow_part(average: QuadAverage, row: FloatRow, fairing: Fairing) -> FloatRow:
    """The slowly varying part of ``row``: like ``M`` to the power of two and about six times ``slow_sweeps``.

    Two plain passes remove what is rough; on the rest longer steps ``1 + w (M - 1)`` with w up to about 2 do no harm.
    """
    result = average(average(row))
    for _ in range(fairing.slow_sweeps):
        for weight in _LONG_STEPS:
            change = average(result)
            change -= result
            change *= np.float32(weight)
            result += change
    return result


def _thin(mesh: QuadMesh, normals: FloatRow) -> NDArray[np.bool_]:
    """Vertices of walls and gaps of one voxel; a single voxel that stands out, whose sides look away, is none."""
    thin = np.zeros(normals.shape[1], np.bool_)
    for axis in range(3):
        if mesh.facing[axis].any():
            thin |= mesh.facing[axis] * normals[axis] > _LOOKS_ALONG
    return thin


def _limits(average: QuadAverage, thin: NDArray[np.bool_]) -> FloatRow:
    """How far each vertex may be from its cell's centre in the end, with a soft border around thin places."""
    limits = np.full(thin.size, _CELL_SHARE, np.float32)
    if thin.any():
        near = average(thin.astype(np.float32))
        limits -= np.float32(_CELL_SHARE - _THIN_CELL_SHARE) * np.minimum(2 * near, 1)
    return limits


def _solve(average: QuadAverage, rough: FloatRow, fairing: Fairing) -> FloatRow:
    """Chebyshev's iteration for ``(1 - M) x = rough`` on the part of the spectrum above the cut-off.

    Source: Golub and Van Loan, Matrix Computations, section 11.2.8; the spectrum of 1 - M lies in [0, 1].
    """
    middle, half = (1 + fairing.cutoff) / 2, (1 - fairing.cutoff) / 2
    alpha = 1 / middle
    step = rough * np.float32(alpha)
    solution = step.copy()
    for number in range(1, fairing.solve_steps):
        residual = average(solution)
        residual -= solution
        residual += rough
        beta = (half * alpha / 2) ** 2 * (2 if number == 1 else 1)
        alpha = 1 / (middle - beta / alpha)
        step *= np.float32(beta)
        step += np.float32(alpha) * residual
        solution += step
    return solution


def _cut_and_normals(
    points: FloatRow, quads: NDArray[np.int64], average: QuadAverage
) -> tuple[NDArray[np.int64], FloatRow, float]:
    """Quads turned so that their first diagonal is the shorter one, unit normals of the vertices, and the area."""
    a, b, c, d = quads
    first, second = _take(points, c), _take(points, d)
    first -= _take(points, a)
    second -= _take(points, b)
    areas = _cross(first, second)
    area = float(np.sqrt(_dot(areas, areas)).sum(dtype=np.float64)) / 2
    normals = np.stack([average.scatter(row) for row in areas])
    for _ in range(_NORMAL_PASSES):
        normals = np.stack([average(row) for row in normals])
    normals /= np.maximum(np.sqrt(_dot(normals, normals)), np.float32(1e-12))
    turn = _dot(second, second) < _dot(first, first)
    turned = np.stack([np.where(turn, after, before) for before, after in ((a, b), (b, c), (c, d), (d, a))])
    return turned, normals, area


def quads_volume(points: FloatRow, quads: NDArray[np.int64]) -> float:
    """Volume inside quads that are cut along their first diagonal, in voxels, by the divergence theorem.

    Triangles (a, b, c) and (a, c, d) give ``a . (b x c) + a . (c x d) = a . ((b - d) x c)``, six times their share.
    """
    a, b, c, d = (_take(points, corners) for corners in quads)
    b -= d
    return float(_dot(a, _cross(b, c)).sum(dtype=np.float64)) / 6


@dataclass(frozen=True, eq=False)
class _Apart:
    """Keeps apart what lies close together.

    Vertices of walls and gaps of one voxel stay in their cells, which do not overlap. Vertices that share a cell, where
    voxels touch at an edge or a corner only, stay each on that side of the cell's centre where its own quads lie.
    """

    thin: NDArray[np.int64]
    shared: NDArray[np.int64]
    directions: FloatRow

    @staticmethod
    def of(mesh: QuadMesh, walls: NDArray[np.bool_]) -> _Apart:
        tables = corner_tables()
        thin = np.flatnonzero(walls)
        split = np.take(tables.loops, mesh.cells.codes) > 1
        shared = np.flatnonzero(split[mesh.vertex_cell]) if split.any() else np.zeros(0, np.int64)
        codes = mesh.cells.codes[mesh.vertex_cell[shared]]
        directions = tables.direction[codes, mesh.vertex_loop[shared]].T
        directions = directions / np.maximum(np.linalg.norm(directions, axis=0), 1e-6)
        return _Apart(thin, shared, directions.astype(np.float32))

    def push(self, way: FloatRow, room: float, distance: float) -> None:
        """Move, in place, those vertices that have left their place; ``way`` is from their cells' centres.

        ``room`` is what a vertex in a thin place has on each side of its cell's centre, ``distance`` what one in a
        shared cell keeps from the centre; both in voxels.
        """
        if self.thin.size:
            for axis in range(3):
                way[axis, self.thin] = np.clip(way[axis, self.thin], np.float32(-room), np.float32(room))
        if self.shared.size:
            height = _dot(way[:, self.shared], self.directions)
            way[:, self.shared] += np.maximum(np.float32(distance) - height, 0) * self.directions
