"""The patient's body in CT: skin and all within it, without table, mattress, blankets and the air around."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.coarse import Coarse
from surgitwin.segmentation.morphology import dilate, erode, opened
from surgitwin.segmentation.runs import IntArray, Mask, Runs
from surgitwin.segmentation.slabs import each_slab

SKIN_HU = -350.0
# Air around a patient is -1000 HU; lung that a tight field of view cuts open is denser, even when emphysematous.
_OPEN_AIR_HU = -940.0
_WORK_MM = 4.0
_CORE_MM = 8.0
_PASSAGE_MM = 5.0
_BAND_MM = 6.0
_LUNG_ML = 20.0
_PADDING_HU = -1024.0
_AIR, _BAND, _INSIDE = 0, 1, 2


def body(voxels: NDArray[Any], geometry: Geometry, ctx: Context | None = None) -> Mask:
    """The body in CT, solid: lungs, bowel gas and airways are part of it.

    On a grid of about 4 mm, what a ball of 8 mm fits into is the body's core, lungs counted as solid; tables, tubes
    and blankets are thinner.
    Everything that open air reaches from the sides of the image through passages wider than 10 mm is outside; air that
    touches a side but is denser than open air is lung, cut by a small field of view. The skin is then drawn on the
    full grid at -350 HU.

    Parameters
    ----------
    voxels
        HU, [k, j, i].

    Raises
    ------
    BadInput
        If the image cannot be CT in HU or holds nothing thick enough to be a body.
    """
    ctx = ctx or Context()
    voxels = as_hu(voxels)
    grid = Coarse.of(geometry, _WORK_MM)
    hu = grid.mean(voxels, ctx.part(0.0, 0.3))
    core = _core(_with_lungs(hu > SKIN_HU, hu, grid.geometry), grid.geometry, ctx)
    outside = _open_air(~core, hu, grid.geometry, ctx)
    ctx.progress(0.45, tr("Drawing the skin"))
    code = np.full(outside.shape, _BAND, dtype=np.uint8)
    code[erode(outside, grid.geometry, _BAND_MM)] = _AIR
    code[erode(~outside, grid.geometry, _BAND_MM)] = _INSIDE
    # Tissue near the skin counts only where the coarse body is: a blanket one voxel away does not.
    code[(code == _BAND) & ~dilate(core | ~outside, grid.geometry, _WORK_MM)] = _AIR
    if not np.any(code == _INSIDE):
        raise BadInput(_nothing())
    return _at_skin(voxels, code, grid, ctx.part(0.5, 1.0))


def as_hu(voxels: NDArray[Any]) -> NDArray[Any]:
    """The voxels with air where they are no number; refuse images that cannot be CT.

    Air, fat and noise make every CT reach below 0 HU.
    """
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        voxels = np.nan_to_num(voxels, nan=_PADDING_HU, posinf=3071.0, neginf=_PADDING_HU)
    lowest = float(voxels.min()) if voxels.size else 0.0
    if not lowest < -10:
        message = tr(
            "This method needs CT in HU, but the image holds no value below {lowest:g}; choose another method."
        )
        raise BadInput(message.format(lowest=lowest))
    return voxels


def long_axis(geometry: Geometry) -> int:
    """The array axis (0 for k, 1 for j, 2 for i) that runs nearest to the patient's head-feet axis."""
    return 2 - int(np.argmax(np.abs(geometry.direction[2])))


def _nothing() -> str:
    return tr("No body was found: nothing above {hu:g} HU is at least {mm:g} mm thick.").format(
        hu=SKIN_HU, mm=2 * _CORE_MM
    )


def _with_lungs(tissue: Mask, hu: NDArray[np.float32], geometry: Geometry) -> Mask:
    """``tissue`` with the lungs, so that a chest wall thinner than the ball survives.

    An enclosed space is lung if it is denser than open air and not flat; foam in a table is flat.
    """
    runs = Runs.of(~tissue)
    if runs.start.size == 0:
        return tissue
    labels = runs.components()
    large = np.flatnonzero(runs.sizes(labels) * geometry.voxel_volume_mm3 >= _LUNG_ML * 1000.0)
    voxel_labels, values = np.repeat(labels, runs.lengths), hu[~tissue]
    lung = np.zeros(int(labels.max()) + 1, dtype=np.bool_)
    for label in large:
        if np.median(values[voxel_labels == label]) > _OPEN_AIR_HU:
            lung[label] = not _flat(runs, labels == label, geometry)
    return tissue | runs.mask(lung[labels])


def _core(tissue: Mask, geometry: Geometry, ctx: Context) -> Mask:
    """Body tissue on the coarse grid: thick parts, and what hangs on them within the same distance."""
    ctx.progress(0.32, tr("Finding the body"))
    thick = opened(tissue, geometry, _CORE_MM)
    runs = Runs.of(thick)
    if runs.start.size == 0:
        raise BadInput(_nothing())
    labels = runs.components()
    kept = runs.mask(_bodies(runs, labels, geometry)[labels])
    near = dilate(kept, geometry, _CORE_MM + _WORK_MM) & tissue
    near_runs = Runs.of(near)
    near_labels = near_runs.components()
    hit = near_runs.at(np.flatnonzero(kept).astype(np.int64))
    return near_runs.mask(np.isin(near_labels, near_labels[hit[hit >= 0]]))


def _bodies(runs: Runs, labels: IntArray, geometry: Geometry) -> Mask:
    """Which thick parts are body: the largest, and limbs beside it, but not flat things (a solid table)."""
    sizes = runs.sizes(labels)
    keep = sizes >= 0.02 * sizes.max()
    for label in np.flatnonzero(keep):
        if sizes[label] < sizes.max():
            keep[label] = not _flat(runs, labels == label, geometry)
    return np.asarray(keep)


def _flat(runs: Runs, chosen: Mask, geometry: Geometry) -> bool:
    """Whether the box around the ``chosen`` runs is four times as wide as high across the patient's long axis."""
    k, j = runs.rows()
    along = runs.start % runs.shape[2]
    ends = [(k, k + 1), (j, j + 1), (along, along + runs.lengths)]
    width = [
        float((ends[axis][1][chosen].max() - ends[axis][0][chosen].min()) * geometry.spacing_mm[2 - axis])
        for axis in range(3)
        if axis != long_axis(geometry)
    ]
    return max(width) > 4 * min(width)


def _open_air(empty: Mask, hu: NDArray[np.float32], geometry: Geometry, ctx: Context) -> Mask:
    """The part of ``empty`` that open air fills, table and blankets in it included."""
    ctx.progress(0.4, tr("Finding the air around"))
    wide = erode(empty, geometry, _PASSAGE_MM)
    runs = Runs.of(wide)
    if runs.start.size == 0:
        return np.zeros_like(empty)
    labels = runs.components()
    k, j = runs.rows()
    nk, nj, ni = runs.shape
    along = runs.start % ni
    sides = {0: (k == 0) | (k == nk - 1), 1: (j == 0) | (j == nj - 1), 2: (along == 0) | (along + runs.lengths == ni)}
    at_side = np.logical_or.reduce([touch for axis, touch in sides.items() if axis != long_axis(geometry)])
    open_air = np.zeros(int(labels.max()) + 1, dtype=np.bool_)
    voxel_labels = np.repeat(labels, runs.lengths)
    values = hu[wide]
    for label in np.unique(labels[at_side]):
        open_air[label] = np.median(values[voxel_labels == label]) < _OPEN_AIR_HU
    return dilate(runs.mask(open_air[labels]), geometry, _PASSAGE_MM) & empty


def _at_skin(voxels: NDArray[Any], code: NDArray[np.uint8], grid: Coarse, ctx: Context) -> Mask:
    """The body on the full grid: inside as found, in the band by HU, in one piece and without holes."""
    mask = np.empty(voxels.shape, dtype=np.bool_)

    def work(slab: slice) -> None:
        fine = grid.spread_slab(code, slab)
        mask[slab] = (fine == _INSIDE) | ((fine == _BAND) & (voxels[slab] > SKIN_HU))

    each_slab(voxels.shape[0], work, ctx.part(0.0, 0.4), tr("Drawing the skin"))
    mask = _with_points(mask, grid.centres(code == _INSIDE), ctx.part(0.4, 0.7))
    air = grid.centres(code == _AIR)
    if air.size == 0:
        return np.ones_like(mask)
    return ~_with_points(~mask, air, ctx.part(0.7, 1.0))


def _with_points(mask: Mask, points: IntArray, ctx: Context) -> Mask:
    """The islands of ``mask`` that hold one of ``points`` (positions in the flattened array)."""
    runs = Runs.of(mask, ctx)
    labels = runs.components()
    at = runs.at(points)
    keep = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.bool_)
    keep[labels[at[at >= 0]]] = True
    return runs.mask(keep[labels])
