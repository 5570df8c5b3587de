"""A label map on another grid: the nearest label, and what was lost on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.counting import value_counts
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

Labels = NDArray[Any]
_EDGE = 1e-6


def resample_labels(
    labels: Labels, geometry: Geometry, to: Geometry, ctx: Context | None = None
) -> tuple[Labels, list[Notice]]:
    """Bring labels to the grid ``to``: every voxel takes the label of the nearest voxel centre.

    Parameters
    ----------
    labels
        Whole numbers, [k, j, i], on ``geometry``.

    Returns
    -------
    labels, notices
        The array itself if both grids are the same. Notices: ``labels-outside`` (ml beyond the new grid) and
        ``labels-lost`` (labels that lie inside it but fell between its voxels).

    Raises
    ------
    BadInput
        If no labelled voxel lies inside the new grid.
    """
    ctx = ctx or Context()
    if labels.shape != geometry.shape_kji:
        raise BadInput(tr("The label map and its geometry have different sizes."))
    if geometry.same_grid(to):
        return labels, []
    box = Box.of_mask(labels != 0)
    if box.empty:
        return np.zeros(to.shape_kji, dtype=labels.dtype), []
    _require_overlap(geometry.cropped(box), to)
    outside = _outside(labels[box.slices], geometry.cropped(box), to, ctx.part(0.0, 0.4))
    total = value_counts(labels[box.slices])
    if outside[1:].sum() == total[1:].sum():
        raise BadInput(_no_overlap(geometry.cropped(box), to))
    placed = _nearest(labels, geometry, to, ctx.part(0.4, 1.0))
    return placed, _losses(total, outside, placed, geometry.voxel_volume_mm3 / 1000.0)


def _require_overlap(labelled: Geometry, to: Geometry) -> None:
    """Quick refusal: the boxes of both in LPS do not even touch."""
    low, high = labelled.bounds_mm()
    to_low, to_high = to.bounds_mm()
    if np.any(low > to_high) or np.any(high < to_low):
        raise BadInput(_no_overlap(labelled, to))


def _no_overlap(labelled: Geometry, to: Geometry) -> str:
    message = tr(
        "The label map and the image do not overlap in space: the labels lie around ({labels}) mm, "
        "the image around ({image}) mm; they belong to different scans or frames of reference."
    )
    return message.format(labels=_numbers(labelled.centre_mm), image=_numbers(to.centre_mm))


def _numbers(point: NDArray[np.float64]) -> str:
    return ", ".join(f"{v:.0f}" for v in point)


def _map(first: Geometry, second: Geometry) -> NDArray[np.float64]:
    """4x4: voxel index (i, j, k) of ``first`` to fractional index of ``second``."""
    return np.asarray(second.inverse @ first.affine_lps, dtype=np.float64)


def _inside(index: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    return np.asarray((index >= -0.5 - _EDGE) & (index <= count - 0.5 + _EDGE))


def _outside(labels: Labels, geometry: Geometry, to: Geometry, ctx: Context) -> NDArray[np.int64]:
    """How many voxels of each value have their centre outside ``to``."""
    matrix = _map(geometry, to)
    count = int(labels.max()) + 1
    corners = geometry.corners_ijk() @ matrix[:3, :3].T + matrix[:3, 3]
    if all(_inside(corners[:, axis], to.size_ijk[axis]).all() for axis in range(3)):
        return np.zeros(count, dtype=np.int64)
    lost = np.zeros(count, dtype=np.int64)
    i, j = np.arange(labels.shape[2], dtype=np.float64), np.arange(labels.shape[1], dtype=np.float64)
    for k in range(labels.shape[0]):
        ctx.progress(k / labels.shape[0], tr("Comparing grids"))
        inside = np.ones(labels.shape[1:], dtype=np.bool_)
        for axis in range(3):
            a, b, c, d = matrix[axis]
            inside &= _inside(a * i[None, :] + b * j[:, None] + (c * k + d), to.size_ijk[axis])
        lost += np.bincount(labels[k][~inside], minlength=count)
    return lost


def _nearest(labels: Labels, geometry: Geometry, to: Geometry, ctx: Context) -> Labels:
    matrix = _map(to, geometry)
    turned = np.abs(matrix[:3, :3]) > 1e-9 * np.abs(matrix[:3, :3]).max()
    if np.all(turned.sum(axis=0) == 1) and np.all(turned.sum(axis=1) == 1):
        return _nearest_along_axes(labels, matrix, turned, to)
    return _nearest_oblique(labels, matrix, to, ctx)


def _nearest_along_axes(labels: Labels, matrix: NDArray[np.float64], turned: NDArray[np.bool_], to: Geometry) -> Labels:
    """Axes of both grids are parallel: one list of source indices an axis."""
    source_of = [int(np.argmax(turned[:, axis])) for axis in range(3)]  # target axis -> source axis, ijk
    # The source array with its axes in the target's order.
    ordered = labels.transpose([2 - source_of[2 - axis] for axis in range(3)])
    picks: list[NDArray[np.int64]] = []
    valid: list[NDArray[np.bool_]] = []
    for axis in (2, 1, 0):  # k, j, i
        source = source_of[axis]
        position = matrix[source, axis] * np.arange(to.size_ijk[axis]) + matrix[source, 3]
        last = labels.shape[2 - source] - 1
        valid.append(_inside(position, last + 1))
        picks.append(np.clip(_round(position), 0, last))
    placed = np.ascontiguousarray(ordered[np.ix_(*picks)])
    for axis, inside in enumerate(valid):
        if not inside.all():
            placed[(slice(None),) * axis + (~inside,)] = 0
    return placed


def _nearest_oblique(labels: Labels, matrix: NDArray[np.float64], to: Geometry, ctx: Context) -> Labels:
    ni, nj, nk = to.size_ijk
    placed = np.zeros(to.shape_kji, dtype=labels.dtype)
    i, j = np.arange(ni, dtype=np.float64), np.arange(nj, dtype=np.float64)
    for k in range(nk):
        ctx.progress(k / nk, tr("Placing labels"))
        picks: list[NDArray[np.int64]] = []
        inside = np.ones((nj, ni), dtype=np.bool_)
        for axis in range(3):
            a, b, c, d = matrix[axis]
            position = a * i[None, :] + b * j[:, None] + (c * k + d)
            last = labels.shape[2 - axis] - 1
            inside &= _inside(position, last + 1)
            picks.append(np.clip(_round(position), 0, last))
        placed[k][inside] = labels[picks[2][inside], picks[1][inside], picks[0][inside]]
    return placed


def _round(position: NDArray[np.float64]) -> NDArray[np.int64]:
    """To the nearest index; half-way goes up, whatever the rounding error of the affine."""
    return np.asarray(np.floor(position + 0.5 + _EDGE), dtype=np.int64)


def _losses(total: NDArray[np.int64], outside: NDArray[np.int64], placed: Labels, voxel_ml: float) -> list[Notice]:
    notices: list[Notice] = []
    beyond = {str(value): float(outside[value] * voxel_ml) for value in np.flatnonzero(outside) if value}
    if beyond:
        lost_ml = sum(beyond.values())
        message = tr("{ml:.3g} ml of the label map ({percent:.3g} %) lie outside the image and are left out.")
        percent = 100.0 * float(outside[1:].sum()) / float(total[1:].sum())
        details = {"lost_ml": lost_ml, "lost_percent": percent, "lost_ml_by_label": beyond}
        notices.append(Notice("labels-outside", message.format(ml=lost_ml, percent=percent), details))
    kept = value_counts(placed, total.size)
    gone = [int(value) for value in np.flatnonzero(total) if value and kept[value] == 0]
    if gone:
        message = tr("{count} labels have no voxel left on the image's grid, among them {value} ({ml:.2g} ml).")
        text = message.format(count=len(gone), value=gone[0], ml=float(total[gone[0]] * voxel_ml))
        notices.append(Notice("labels-lost", text, {"labels": gone}))
    return notices
