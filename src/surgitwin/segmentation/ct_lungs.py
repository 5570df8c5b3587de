"""The lungs in CT: without trachea, main bronchi, bowel gas and the air around the patient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.coarse import Coarse
from surgitwin.segmentation.ct_body import as_hu, body, long_axis
from surgitwin.segmentation.islands import occupied_box
from surgitwin.segmentation.morphology import closed, dilate, erode, opened
from surgitwin.segmentation.runs import Mask, Runs

AERATED_HU = -400.0
# Lung at full inspiration is about -870 HU on average, severe emphysema -930; gas in bowel and airways is -1000.
_LUNG_HU = (-950.0, -500.0)
_GAS_HU = -1000.0
_AIRWAY_LIMITS_HU = (-960.0, -860.0)
_WORK_MM = 2.0
_MIN_ML = 3.0
_WHOLE_ML = 100.0


def lungs(voxels: NDArray[Any], geometry: Geometry, ctx: Context | None = None) -> Mask:
    """Both lungs in CT, vessels within them included.

    On a grid of about 2 mm: aerated tissue inside the body (below -400 HU), less the airways (gas purer than this
    lung that a ball of 3 mm fits into and that soft tissue surrounds, widened by its wall), parted into islands. An
    island is lung if its median lies between -950 and -500 HU and it is larger than 100 ml, or is cut by the image's
    upper end: bowel gas is purer, stool smaller. Vessels are closed over (4 mm), then the border is drawn on the full
    grid at -400 HU.

    Parameters
    ----------
    voxels
        HU, [k, j, i].

    Raises
    ------
    BadInput
        If the image cannot be CT in HU, or holds no lung.
    """
    ctx = ctx or Context()
    voxels = as_hu(voxels)
    inside = body(voxels, geometry, ctx.part(0.0, 0.5))
    box = occupied_box(inside)
    local = geometry.cropped(box)
    part, inside = voxels[box.slices], np.ascontiguousarray(inside[box.slices])
    grid = Coarse.of(local, _WORK_MM)
    ctx.progress(0.5, tr("Finding the lungs"))
    hu = grid.mean(part, ctx.part(0.5, 0.6))
    within = grid.mean(inside.view(np.uint8), ctx.part(0.6, 0.7)) > 0.5
    aerated = within & (hu < AERATED_HU)
    airways = _airways(aerated, hu, grid.geometry)
    ctx.progress(0.75, tr("Telling lung from bowel gas"))
    found = _lung_islands(opened(aerated & ~airways, grid.geometry, _WORK_MM), hu, grid.geometry)
    if not found.any():
        raise BadInput(tr("No lung was found: no aerated tissue of lung density lies inside the body in this image."))
    solid = closed(found, grid.geometry, 2 * _WORK_MM) & within & ~airways
    mask = np.zeros(voxels.shape, dtype=np.bool_)
    mask[box.slices] = _at_border(part, inside, solid, grid, ctx)
    return mask


def _airways(aerated: Mask, hu: NDArray[np.float32], geometry: Geometry) -> Mask:
    """Trachea and main bronchi with their walls, and gas in bowel: wide pure gas that soft tissue surrounds.

    Bullae and emphysema are as pure, but lie in lung.
    """
    found = np.zeros_like(aerated)
    if not aerated.any():
        return found
    lung = float(np.median(hu[aerated]))
    limit = float(np.clip(lung + 0.4 * (_GAS_HU - lung), *_AIRWAY_LIMITS_HU))
    runs = Runs.of(opened(aerated & (hu < limit), geometry, 1.5 * _WORK_MM))
    labels = runs.components("corners")
    for label in np.flatnonzero(runs.sizes(labels) * geometry.voxel_volume_mm3 >= 1000.0):
        gas = runs.mask(labels == label)
        walled = dilate(gas, geometry, 1.5 * _WORK_MM)
        around = dilate(gas, geometry, 3 * _WORK_MM) & ~walled
        if np.count_nonzero(aerated & around) < 0.5 * np.count_nonzero(around):
            found |= walled
    return found


def _lung_islands(aerated: Mask, hu: NDArray[np.float32], geometry: Geometry) -> Mask:
    runs = Runs.of(aerated)
    if runs.start.size == 0:
        return aerated
    labels = runs.components()
    millilitres = runs.sizes(labels) * geometry.voxel_volume_mm3 / 1000.0
    at_top = np.zeros(millilitres.size, dtype=np.bool_)
    at_top[np.unique(labels[_touches_upper_end(runs, geometry)])] = True
    # The rim of every island is part wall: judge by the voxels one step inside.
    heart = erode(aerated, geometry, 1.01 * min(geometry.spacing_mm))
    voxel_labels = np.repeat(labels, runs.lengths)
    values, is_heart = hu[aerated], heart[aerated]
    keep = np.zeros(millilitres.size, dtype=np.bool_)
    for label in np.flatnonzero((millilitres >= _WHOLE_ML) | (at_top & (millilitres >= _MIN_ML))):
        own = voxel_labels == label
        core = values[own & is_heart]
        median = float(np.median(core if core.size else values[own]))
        keep[label] = _LUNG_HU[0] < median < _LUNG_HU[1]
    return runs.mask(keep[labels])


def _at_border(voxels: NDArray[Any], inside: Mask, solid: Mask, grid: Coarse, ctx: Context) -> Mask:
    """The lungs on the full grid: closed-over vessels from the coarse one, the outer border by HU."""
    ctx.progress(0.85, tr("Drawing the border"))
    spacing = max(grid.geometry.spacing_mm)
    deep = erode(solid, grid.geometry, spacing)
    near = dilate(solid, grid.geometry, spacing)
    mask = np.empty(voxels.shape, dtype=np.bool_)
    code = deep.astype(np.uint8) + near
    for first in range(0, voxels.shape[0], 16):
        ctx.check()
        slab = slice(first, min(first + 16, voxels.shape[0]))
        fine = grid.spread_slab(code, slab)
        mask[slab] = ((fine == 2) | ((fine == 1) & (voxels[slab] < AERATED_HU))) & inside[slab]
    return mask


def _touches_upper_end(runs: Runs, geometry: Geometry) -> Mask:
    """Which runs touch the end of the image that lies towards the head."""
    axis = long_axis(geometry)
    last = geometry.direction[2, 2 - axis] > 0
    k, j = runs.rows()
    if axis < 2:
        index = (k, j)[axis]
        return np.asarray(index == (runs.shape[axis] - 1 if last else 0))
    first = runs.start % runs.shape[2]
    return np.asarray(first + runs.lengths == runs.shape[2] if last else first == 0)
