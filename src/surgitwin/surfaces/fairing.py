"""Smoothing that keeps the volume, on the quad mesh of one label, in voxel units.

Every pass is the average over the quads around a vertex, ``M``: on a flat grid the kernel (1/4, 1/2, 1/4) squared, which
has no negative or oscillating part. Two passes on the positions even the mesh out. After that vertices move along
their normals only, so that the rest is a linear problem for one height per vertex:

1. ``h`` flattens the roughness ``b = (M p - p) . n``: the solution of ``(1 - M) h = b``, by Chebyshev's iteration, which
   removes every wave shorter than a cut-off and leaves longer ones alone.
2. Smoothing shrinks whatever is curved, thin vessels most. The shrinkage is the slowly varying part of the
   displacement from the voxel faces, ``M^k (d + h)``, and is taken back. A terrace moves in and out in turn and stays
   flat; a vessel moves inwards all around and gets its radius again.
3. No vertex may leave its cell by more than its cell's extent along the normal, which keeps neighbouring sheets apart.
4. What is left of the volume's error, usually far below 1 %, goes in an even offset along the normals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.surfaces.quads import QuadMesh
from surgitwin.surfaces.tables import corner_tables

FloatRow = NDArray[np.float32]

# Share of a cell that a vertex may move in; below one half, two sheets that are one voxel apart do not meet.
_CELL_SHARE = 0.45
# Voxels from a shared cell's centre to each of its vertices, at least; far more than float32 or a file format rounds off.
_APART = 0.05
_VOLUME_TOLERANCE = 2e-4
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
    shrink_passes
        Passes that find the slowly varying part of a displacement.
    """

    cutoff: float
    solve_steps: int
    shrink_passes: int

    @staticmethod
    def of(smoothing: float) -> Fairing | None:
        """From a strength between 0 and 1; None for 0, which leaves the evened voxel faces."""
        if smoothing <= 0:
            return None
        cutoff = 0.36 * (1 / 36) ** min(smoothing, 1.0)
        steps = max(2, round(3.0 / math.acosh((1 + cutoff) / (1 - cutoff))))
        return Fairing(cutoff, steps, round(2 / math.sqrt(cutoff)))


class QuadAverage:
    """The averaging operator ``M`` of a closed quad mesh, and the mesh's normals and volume."""

    def __init__(self, quads: NDArray[np.int32], vertices: int) -> None:
        from scipy.sparse import csr_array

        self.quads = quads
        ones = np.ones(quads.size, np.float32)
        starts = np.arange(0, quads.size + 1, 4, dtype=np.int32)
        self._gather = csr_array((ones, quads.reshape(-1), starts), shape=(len(quads), vertices))
        self._scatter = self._gather.T
        valence = np.bincount(quads.reshape(-1), minlength=vertices)
        self._weight = (0.25 / np.maximum(valence, 1)).astype(np.float32)

    def __call__(self, row: FloatRow) -> FloatRow:
        """Average of one number per vertex over the quads around each vertex."""
        result: FloatRow = self._scatter @ (self._gather @ row)
        result *= self._weight
        return result

    def normals(self, points: FloatRow) -> FloatRow:
        """Outward unit normals of the vertices, shape (3, n), weighted by area."""
        a, b, c, d = (points[:, self.quads[:, corner]] for corner in range(4))
        areas = _cross(c - a, d - b)
        normals = np.stack([self._scatter @ row for row in areas])
        length = np.sqrt(np.einsum("ij,ij->j", normals, normals))
        normals /= np.maximum(length, np.float32(1e-12))
        return normals


def _cross(a: FloatRow, b: FloatRow) -> FloatRow:
    """Cross product of columns."""
    result = np.empty_like(a)
    for axis, (u, v) in enumerate(((1, 2), (2, 0), (0, 1))):
        np.multiply(a[u], b[v], out=result[axis])
        result[axis] -= a[v] * b[u]
    return result


@dataclass(frozen=True, eq=False)
class FairMesh:
    """A smoothed quad mesh.

    Attributes
    ----------
    points
        float32, shape (3, n), index coordinates (i, j, k).
    quads
        int32, shape (m, 4), turned so that each is to be cut from its first to its third vertex.
    volume
        Volume inside, in voxels.
    """

    points: FloatRow
    quads: NDArray[np.int32]
    volume: float


def fair(mesh: QuadMesh, fairing: Fairing | None) -> FairMesh:
    """Smooth a label's quad mesh and keep its volume (see the module's text)."""
    # Coordinates near zero lose least to float32.
    origin = mesh.corners.min(axis=1, keepdims=True)
    start = mesh.corners - origin
    average = QuadAverage(mesh.quads, start.shape[1])
    points = np.stack([average(average(row)) for row in start])
    normals = average.normals(points)
    if fairing is not None:
        points += _heights(average, start, points, normals, fairing) * normals
    quads, area = _cut_short(points, mesh.quads)
    volume = _match_volume(points, normals, quads, area, mesh.voxels, _Apart.of(mesh, start))
    return FairMesh(points + origin, quads, volume)


def _match_volume(
    points: FloatRow, normals: FloatRow, quads: NDArray[np.int32], area: float, wanted: int, apart: _Apart
) -> float:
    """Move ``points``, in place, evenly along ``normals`` until they hold the wanted volume; return what they hold."""
    slope, step = area, 0.0
    apart.push(points)
    volume = quads_volume(points, quads)
    for _ in range(_MATCH_STEPS):
        if abs(wanted - volume) <= _VOLUME_TOLERANCE * wanted:
            break
        step = float(np.clip((wanted - volume) / slope, -_LONGEST_STEP, _LONGEST_STEP))
        points += np.float32(step) * normals
        apart.push(points)
        before, volume = volume, quads_volume(points, quads)
        # The secant from the last two volumes; where vertices are held back it may be useless, then the area serves.
        slope = max((volume - before) / step, 0.25 * area)
    return volume


def _heights(average: QuadAverage, start: FloatRow, points: FloatRow, normals: FloatRow, fairing: Fairing) -> FloatRow:
    """How far each vertex moves along its normal (steps 1 to 3 of the module's text), in voxels."""
    moved = np.einsum("ij,ij->j", points - start, normals)
    rough = np.zeros_like(moved)
    for axis in range(3):
        rough += (average(points[axis]) - points[axis]) * normals[axis]
    height = _solve(average, rough, fairing)
    shrinkage = height + moved
    for _ in range(fairing.shrink_passes):
        shrinkage = average(shrinkage)
    limit = _CELL_SHARE * np.abs(normals).sum(axis=0)
    result: FloatRow = np.clip(height + moved - shrinkage, -limit, limit) - moved
    return result


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


def _cut_short(points: FloatRow, quads: NDArray[np.int32]) -> tuple[NDArray[np.int32], float]:
    """Turn the quads so that their first diagonal is the shorter one; the second result is their area."""
    a, b, c, d = (points[:, quads[:, corner]] for corner in range(4))
    first, second = c - a, d - b
    turn = np.flatnonzero(np.einsum("ij,ij->j", second, second) < np.einsum("ij,ij->j", first, first))
    result = quads.copy()
    result[turn] = result[turn][:, (1, 2, 3, 0)]
    areas = _cross(first, second)
    return result, float(np.sqrt(np.einsum("ij,ij->j", areas, areas)).sum(dtype=np.float64)) / 2


def quads_volume(points: FloatRow, quads: NDArray[np.int32]) -> float:
    """Volume inside quads that are cut along their first diagonal, in voxels, by the divergence theorem.

    Triangles (a, b, c) and (a, c, d) give ``a . (b x c) + a . (c x d) = a . ((b - d) x c)``, six times their share.
    """
    a, b, c, d = (points[:, quads[:, corner]] for corner in range(4))
    return float(np.einsum("ij,ij->j", a, _cross(b - d, c)).sum(dtype=np.float64)) / 6


@dataclass(frozen=True, eq=False)
class _Apart:
    """Keeps the vertices that share a cell from falling together, where voxels touch at an edge or a corner only.

    Each of them stays on that side of the cell's centre where its own quads lie.
    """

    vertices: NDArray[np.int64]
    centres: FloatRow
    directions: FloatRow

    @staticmethod
    def of(mesh: QuadMesh, centres: FloatRow) -> _Apart:
        tables = corner_tables()
        shared = np.flatnonzero(np.take(tables.loops, mesh.cells.codes) > 1)
        vertices = np.flatnonzero(np.isin(mesh.vertex_cell, shared)) if shared.size else shared
        codes = mesh.cells.codes[mesh.vertex_cell[vertices]]
        directions = tables.direction[codes, mesh.vertex_loop[vertices]].T
        directions = directions / np.maximum(np.linalg.norm(directions, axis=0), 1e-6)
        return _Apart(vertices, centres[:, vertices], directions.astype(np.float32))

    def push(self, points: FloatRow) -> None:
        """Move, in place, those vertices that have come too close to their cell's centre or have passed it."""
        if not self.vertices.size:
            return
        height = np.einsum("ij,ij->j", points[:, self.vertices] - self.centres, self.directions)
        points[:, self.vertices] += np.maximum(np.float32(_APART) - height, 0) * self.directions
