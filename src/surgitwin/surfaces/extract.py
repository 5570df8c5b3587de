"""Surfaces of labels and masks: closed, manifold, smooth, and as large as their voxels."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.surfaces.cells import CellGrid, LabelArray, LabelCells, find_cells
from surgitwin.surfaces.fairing import Fairing, fair
from surgitwin.surfaces.pinches import split_pinches
from surgitwin.surfaces.quads import CellLookup, QuadMesh, build_quads

DEFAULT_SMOOTHING = 0.5
# The volume error above which a surface carries a notice.
VOLUME_BOUND_PERCENT = 1.0


@dataclass(frozen=True, eq=False)
class SurfaceResult:
    """The surface of one segment.

    Attributes
    ----------
    mesh
        LPS millimetres, normals outwards.
    voxels
        Number of voxels of the segment.
    voxel_volume_ml
        Their volume, the reference.
    volume_error_percent
        Volume inside the mesh against the voxels' volume; None for a segment without voxels.
    closed
        Every edge is used by exactly two triangles, once in each direction.
    touches_edge
        The segment reaches the image's first or last voxel along some axis: it is cut off there.
    """

    mesh: Mesh
    voxels: int
    voxel_volume_ml: float
    volume_error_percent: float | None
    closed: bool
    touches_edge: bool
    notices: tuple[Notice, ...] = field(default=())


def surfaces_from_labels(
    labels: LabelArray,
    geometry: Geometry,
    values: Sequence[int] | None = None,
    *,
    smoothing: float = DEFAULT_SMOOTHING,
    ctx: Context,
    threads: int | None = None,
) -> dict[int, SurfaceResult]:
    """Make a closed surface of every label, all from one pass over the image.

    Each label gets a mesh of its own, also where labels touch each other or the image's edge. The volume inside the
    mesh is that of the voxels, thin vessels included.

    Parameters
    ----------
    labels
        uint8 or uint16, shape [k, j, i] of ``geometry``; 0 is background.
    geometry
        Where the voxels are; any handedness, flipped and oblique axes too.
    values
        Labels wanted; None for all that occur. A wanted label without voxels gives an empty mesh.
    smoothing
        0 (voxel faces, evened once) to 1 (removes waves up to some 30 voxels long); at 0.5 up to some 13 voxels.
    threads
        Threads to use; None for as many as this process may run on.

    Raises
    ------
    BadInput
        If the array does not fit the geometry, or ``smoothing`` lies outside 0 to 1.
    Cancelled
        If ``ctx`` was cancelled.
    """
    if labels.shape != geometry.shape_kji:
        raise BadInput(
            tr("The labels have the shape {shape} but the image's grid is {grid} (slices, rows, columns).").format(
                shape=labels.shape, grid=geometry.shape_kji
            )
        )
    return _surfaces(labels, geometry, geometry.full_box, values, smoothing, ctx, threads)


def mask_surface(
    mask: NDArray[np.bool_] | NDArray[np.uint8],
    geometry: Geometry,
    box: Box | None = None,
    *,
    smoothing: float = DEFAULT_SMOOTHING,
    ctx: Context,
    threads: int | None = None,
) -> SurfaceResult:
    """Make a closed surface of one mask; other parameters as `surfaces_from_labels`.

    Parameters
    ----------
    mask
        Boolean (or zero and non-zero), shape [k, j, i] of ``box``.
    geometry
        Of the whole image.
    box
        Where ``mask`` lies in the image; None if it is as large as the image.
    """
    box = box or geometry.full_box
    i, j, k = box.size_ijk
    if mask.shape != (k, j, i):
        raise BadInput(
            tr("The mask has the shape {shape} but its place in the image is {place} (slices, rows, columns).").format(
                shape=mask.shape, place=(k, j, i)
            )
        )
    inner = Box.of_mask(mask)
    labels = np.ascontiguousarray(mask[inner.slices] != 0).view(np.uint8)
    place = _inside(box, inner)
    return _surfaces(labels, geometry, place, [1], smoothing, ctx, threads)[1]


def _inside(outer: Box, inner: Box) -> Box:
    """``inner``, given within ``outer``, in the indices of the image."""
    i, j, k = outer.start
    (i0, j0, k0), (i1, j1, k1) = inner.start, inner.stop
    return Box((i + i0, j + j0, k + k0), (i + i1, j + j1, k + k1))


def _surfaces(
    labels: LabelArray,
    geometry: Geometry,
    place: Box,
    values: Sequence[int] | None,
    smoothing: float,
    ctx: Context,
    threads: int | None,
) -> dict[int, SurfaceResult]:
    """Surfaces of the part ``place`` of an image, whose labels are ``labels``."""
    if not 0.0 <= smoothing <= 1.0:
        raise BadInput(tr("Smoothing must lie between 0 and 1, not {value}.").format(value=smoothing))
    results: dict[int, SurfaceResult] = {int(value): _nothing() for value in values or ()}
    if place.empty:
        return results
    with ThreadPoolExecutor(threads or available_threads(), "surfaces") as pool:
        found = find_cells(labels, values, pool, ctx.part(0.0, 0.3))
        # The largest first, so that no thread is left alone with a large one at the end.
        found.sort(key=lambda label: -label.cells.size)
        total = sum(label.cells.size for label in found)
        maker = _Maker(geometry, place, Fairing.of(smoothing), ctx)
        done = 0
        for label, result in zip(found, pool.map(maker, found), strict=True):
            results[label.value] = result
            done += label.cells.size
            ctx.progress(0.3 + 0.7 * done / total, tr("Making surfaces"))
    return dict(sorted(results.items()))


def _nothing() -> SurfaceResult:
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    notice = Notice("empty-segment", tr("The segment has no voxels, so it has no surface."))
    return SurfaceResult(empty, 0, 0.0, None, False, False, (notice,))


class _Maker:
    """Turns the cells of one label into its surface; called from several threads."""

    def __init__(self, geometry: Geometry, place: Box, fairing: Fairing | None, ctx: Context) -> None:
        self._geometry = geometry
        self._place = place
        self._grid = CellGrid(place.size_ijk)
        self._fairing = fairing
        self._ctx = ctx
        self._local = threading.local()

    def __call__(self, label: LabelCells) -> SurfaceResult:
        self._ctx.check()
        if not hasattr(self._local, "lookup"):
            self._local.lookup = CellLookup(self._grid)
        quads = build_quads(label.sorted, self._grid, self._local.lookup)
        self._ctx.check()
        fairer = fair(quads, self._fairing)
        mended = split_pinches(quads, self._grid, fairer.points, triangles_of(fairer.quads, self._geometry))
        mesh = Mesh(in_mm(mended.points, self._geometry.cropped(self._place)), mended.triangles)
        volume = mesh.volume_mm3 / self._geometry.voxel_volume_mm3 if mended.edges.size else fairer.volume
        return self._result(quads, mesh, volume)

    def _result(self, quads: QuadMesh, mesh: Mesh, volume: float) -> SurfaceResult:
        error = 100.0 * (volume / quads.voxels - 1.0)
        voxel_ml = self._geometry.voxel_volume_mm3 / 1000.0
        notices: list[Notice] = []
        edge = self._extent(quads).touches_edge(self._geometry.size_ijk)
        if edge:
            message = tr("The segment reaches the edge of the image: it is cut off there, and its surface closed.")
            notices.append(Notice("cut-off", message))
        if abs(error) > VOLUME_BOUND_PERCENT:
            message = tr("The surface's volume differs from that of the voxels by {error:.1f} %.").format(error=error)
            notices.append(Notice("surface-volume-differs", message, {"volume_error_percent": error}))
        return SurfaceResult(mesh, quads.voxels, quads.voxels * voxel_ml, error, True, edge, tuple(notices))

    def _extent(self, quads: QuadMesh) -> Box:
        """The box around the segment's voxels, in the image's indices."""
        low, high = quads.corners.min(axis=1) + 0.5, quads.corners.max(axis=1) + 0.5
        i0, j0, k0 = (int(a) for a in low)
        i1, j1, k1 = (int(b) for b in high)
        return _inside(self._place, Box((i0, j0, k0), (i1, j1, k1)))


def triangles_of(quads: NDArray[np.int64], geometry: Geometry) -> NDArray[np.int32]:
    """Two triangles for each quad, shape (2 m, 3), with their outside outside in LPS too."""
    a, b, c, d = quads
    triangles = np.empty((quads.shape[1], 6), np.int32)
    for column, corner in enumerate((a, c, b, a, d, c) if geometry.left_handed else (a, b, c, a, c, d)):
        triangles[:, column] = corner
    return triangles.reshape(-1, 3)


def in_mm(points: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """Index coordinates, shape (3, n), to LPS millimetres, shape (n, 3)."""
    # Not a matrix product: that would start a thread pool of its own inside each of the threads that call this.
    affine = geometry.affine_lps.astype(np.float32)
    result = np.empty((points.shape[1], 3), np.float32)
    for row in range(3):
        column = points[0] * affine[row, 0]
        column += points[1] * affine[row, 1]
        column += points[2] * affine[row, 2]
        column += affine[row, 3]
        result[:, row] = column
    return result


def available_threads() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
