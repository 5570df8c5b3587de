"""Bone in CT."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.ct_body import as_hu, body
from surgitwin.segmentation.intensity import threshold
from surgitwin.segmentation.islands import occupied_box
from surgitwin.segmentation.morphology import closed
from surgitwin.segmentation.runs import Mask, Runs

_LOW_HU = (120.0, 250.0)
CORTEX_HU = 350.0
_MIN_ML = 0.5
_MARROW_ML = 100.0


def bone(
    voxels: NDArray[Any],
    geometry: Geometry,
    low: float | None = None,
    cortex: float = CORTEX_HU,
    marrow_mm: float = 4.0,
    ctx: Context | None = None,
) -> Mask:
    """Bone in CT: dense islands inside the body that hold cortex, with their marrow.

    Islands above ``low`` of at least 0.5 ml are kept where at least 2 % of them lie above ``cortex``: calcified bone
    does, organs and vessels with a moderate contrast filling do not. Metal in bone counts as bone. Strongly
    contrasted vessels that touch bone cannot be told from it by density; raise ``low`` above them.

    Parameters
    ----------
    voxels
        HU, [k, j, i].
    low
        HU; None takes 2.5 robust standard deviations above the median of this patient's soft tissue (-20 to 150 HU),
        between 120 and 250 HU: trabecular bone of the elderly is hardly denser than contrasted liver of others.
    cortex
        HU.
    marrow_mm
        Gaps are closed with a ball of this radius and enclosed cavities up to 100 ml filled; 0 leaves both open.

    Raises
    ------
    BadInput
        If the image cannot be CT in HU, the thresholds contradict, or no bone is found.
    """
    ctx = ctx or Context()
    voxels = as_hu(voxels)
    inside = body(voxels, geometry, ctx.part(0.0, 0.5))
    box = occupied_box(inside)
    part = voxels[box.slices]
    low = _above_soft_tissue(part, inside[box.slices]) if low is None else low
    if cortex < low:
        message = tr("The cortex threshold {cortex:g} HU lies below the bone threshold {low:g} HU; raise it.")
        raise BadInput(message.format(cortex=cortex, low=low))
    dense = threshold(part, low, np.inf, ctx.part(0.5, 0.6)) & inside[box.slices]
    ctx.progress(0.6, tr("Finding bones"))
    found = _with_cortex(part, dense, geometry.voxel_volume_mm3, cortex)
    if not found.any():
        message = tr("No bone was found: nothing in the body lies above {low:g} HU with a cortex above {cortex:g} HU.")
        raise BadInput(message.format(low=low, cortex=cortex))
    if marrow_mm > 0:
        found = _with_marrow(found, geometry.cropped(box), marrow_mm, ctx.part(0.7, 1.0)) & inside[box.slices]
    mask = np.zeros(voxels.shape, dtype=np.bool_)
    mask[box.slices] = found
    return mask


def _above_soft_tissue(voxels: NDArray[Any], inside: Mask) -> float:
    step = max(1, round((inside.size / 2e6) ** (1 / 3)))
    thinned = (slice(None, None, step),) * 3
    values = voxels[thinned][inside[thinned]]
    values = values[(values > -20) & (values < 150)].astype(np.float64)
    if values.size == 0:
        return _LOW_HU[0]
    median = float(np.median(values))
    deviation = 1.4826 * float(np.median(np.abs(values - median)))
    return float(np.clip(median + 2.5 * deviation, *_LOW_HU))


def _with_cortex(voxels: NDArray[Any], dense: Mask, voxel_mm3: float, cortex: float) -> Mask:
    runs = Runs.of(dense)
    if runs.start.size == 0:
        return dense
    labels = runs.components()
    sizes = runs.sizes(labels)
    hard = np.repeat(labels, runs.lengths)[voxels[dense] >= cortex]
    keep = (sizes * voxel_mm3 >= _MIN_ML * 1000.0) & (np.bincount(hard, minlength=sizes.size) >= 0.02 * sizes)
    return runs.mask(keep[labels])


def _with_marrow(found: Mask, geometry: Geometry, marrow_mm: float, ctx: Context) -> Mask:
    """Close small gaps, then fill cavities; the image's ends count as closed, so cut shafts are filled too.

    The limit in ml keeps the inside of a cut skull, and the spinal canal opens to the outside between the vertebrae.
    """
    solid = closed(found, geometry, marrow_mm, ctx)
    runs = Runs.of(~solid)
    if runs.start.size == 0:
        return solid
    labels = runs.components()
    sizes = runs.sizes(labels)
    cavity = sizes * geometry.voxel_volume_mm3 <= _MARROW_ML * 1000.0
    cavity[np.argmax(sizes)] = False
    return solid | runs.mask(cavity[labels])
