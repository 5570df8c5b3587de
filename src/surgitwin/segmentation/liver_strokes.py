"""The liver in CT from a few strokes: some inside it, some outside."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.coarse import Coarse
from surgitwin.segmentation.ct_body import as_hu, body
from surgitwin.segmentation.liver_cut import WORK_MM, Evidence, Field, Scene, on_full_grid, whole_liver
from surgitwin.segmentation.morphology import dilate, opened
from surgitwin.segmentation.runs import Mask, Runs

INSIDE, OUTSIDE = 1, 2
_WINDOW_HU = 12.0
_LIVER_HU = (-20.0, 250.0)
_THICK_MM = (9.0, 6.0, 3.0)
_LEAST_CORE_ML = 20.0
_STROKE_MM = 2.0
_CLEAR_OF_OUTSIDE_MM = 9.0
_REACH_MM = 63.0
_COMPETITION = 1.0
_BALANCE_MM = 25.0


def liver_from_strokes(
    voxels: NDArray[Any], geometry: Geometry, strokes: NDArray[Any], ctx: Context | None = None
) -> Mask:
    """The liver around the strokes: the whole organ with the vessels and lesions in it.

    The thick, even tissue that the strokes inside run through is the liver's core. Strokes outside claim what is
    nearer to them than to the core along paths that cross no edges (geodesic distance); the organ is then found by
    `liver_cut.whole_liver`. A voxel marked outside is never part of the result, one marked inside always is.

    Parameters
    ----------
    voxels
        HU, [k, j, i].
    strokes
        1 inside the liver, 2 outside, 0 undecided; [k, j, i]. Strokes outside may be missing.

    Raises
    ------
    BadInput
        If the image cannot be CT in HU, no stroke is inside, one holds another value, or those inside lie in air,
        fat or bone.
    """
    ctx = ctx or Context()
    voxels = as_hu(voxels)
    _check(strokes, geometry)
    in_body = body(voxels, geometry, ctx.part(0.0, 0.2))
    scene = Scene.of(voxels, geometry, in_body, ctx.part(0.2, 0.3))
    inside = _on_working_grid(strokes == INSIDE, scene.grid)
    outside = _on_working_grid(strokes == OUTSIDE, scene.grid) & ~inside
    ctx.progress(0.3, tr("Looking at the strokes"))
    core, nearer = _core(scene, inside, outside), None
    if outside.any():
        # First the strokes alone decide what of the core may be theirs, then the core stands for those inside.
        lead = _lead(scene, inside, outside, 2, ctx.part(0.35, 0.4))
        core = _joined(core & (lead < 0), inside) if (core & (lead < 0)).any() else inside
        lead = _lead(scene, core | inside, outside, 1, ctx.part(0.4, 0.6))
        nearer = (_COMPETITION * np.maximum(0, np.tanh(lead / _BALANCE_MM))).astype(np.float32)
    region, tissue = whole_liver(scene, Evidence(core, inside, outside, nearer), ctx.part(0.6, 0.85))
    mask = on_full_grid(voxels, geometry, region, scene, tissue, ctx.part(0.85, 1.0)) & in_body
    mask |= strokes == INSIDE
    mask &= strokes != OUTSIDE
    return mask


def _check(strokes: NDArray[Any], geometry: Geometry) -> None:
    if strokes.shape != geometry.shape_kji:
        raise BadInput(tr("The strokes are on another grid than the image."))
    values = [int(value) for value in np.unique(strokes)]
    if INSIDE not in values:
        raise BadInput(tr("No stroke is inside the liver; mark its inside with 1 and its surroundings with 2."))
    other = [value for value in values if value not in (0, INSIDE, OUTSIDE)]
    if other:
        message = tr("The strokes hold the value {value}; use 1 for inside the liver, 2 for outside and 0 elsewhere.")
        raise BadInput(message.format(value=other[0]))


def _on_working_grid(marked: Mask, grid: Coarse) -> Mask:
    """The blocks that hold a marked voxel."""
    found = np.zeros(grid.geometry.shape_kji, dtype=np.bool_)
    k, j, i = np.nonzero(marked)
    fk, fj, fi = grid.factors
    found[k // fk, j // fj, i // fi] = True
    return found


def _core(scene: Scene, inside: Mask, outside: Mask) -> Mask:
    """What is thick, of the values of a stroke inside, and joined to it.

    Each stroke has its own value: a liver's values vary from place to place.
    """
    runs = Runs.of(inside)
    labels = runs.components("corners")
    core = np.zeros_like(inside)
    for label in range(int(labels.max()) + 1):
        core |= _around_stroke(scene, runs.mask(labels == label), outside)
    return core


def _around_stroke(scene: Scene, stroke: Mask, outside: Mask) -> Mask:
    geometry = scene.grid.geometry
    value = float(np.median(scene.quiet[stroke]))
    if not _LIVER_HU[0] <= value <= _LIVER_HU[1]:
        message = tr("A stroke inside lies on {value:.0f} HU, which is no liver; mark the liver's inside.")
        raise BadInput(message.format(value=value))
    clear = ~dilate(outside, geometry, _CLEAR_OF_OUTSIDE_MM)
    even = (np.abs(scene.quiet - value) < _WINDOW_HU) & scene.body & clear
    for thickness in _THICK_MM:
        piece = _joined(opened(even, geometry, thickness), stroke)
        if np.count_nonzero(piece) * geometry.voxel_volume_mm3 >= 1000 * _LEAST_CORE_ML:
            return piece
    return dilate(stroke, geometry, WORK_MM) & ~outside


def _joined(mask: Mask, seeds: Mask) -> Mask:
    """The islands of ``mask`` that share a voxel with ``seeds``."""
    runs = Runs.of(mask)
    if runs.start.size == 0:
        return mask
    labels = runs.components()
    at = runs.at(np.flatnonzero(seeds).astype(np.int64))
    return runs.mask(np.isin(labels, np.unique(labels[at[at >= 0]])))


def _lead(scene: Scene, inside: Mask, outside: Mask, step: int, ctx: Context) -> Field:
    """How much longer the way from ``inside`` is than that from ``outside``, mm; 0 beyond reach of the inside.

    Ways are geodesic: what they cross is dear where the image has edges. They run along the axes of every ``step``-th
    voxel: how far they are off weighs less than which side they are on.
    """
    from scipy import ndimage
    from skimage.graph import MCP_Geometric

    spacing = scene.spacing_kji
    near = ndimage.distance_transform_edt(~inside, sampling=spacing) < _REACH_MM
    box = Box.of_mask(near | outside)
    value = float(np.median(scene.soft[inside]))
    noise = max(1.4826 * float(np.median(np.abs(scene.soft[inside] - value))), 2.0)
    edge = ndimage.gaussian_gradient_magnitude(scene.hu[box.slices], 1.0)
    edge = ndimage.uniform_filter(edge, step)[::step, ::step, ::step] if step > 1 else edge
    toll = 1.0 + np.minimum((edge / noise) ** 2, 50.0)
    lengths = []
    for number, start in enumerate((inside, outside)):
        ctx.progress(number / 2, tr("Comparing inside and outside"))
        places = np.unique(np.argwhere(start[box.slices]) // step, axis=0)
        ways = MCP_Geometric(toll, fully_connected=False, sampling=[step * s for s in spacing])
        lengths.append(ways.find_costs(places)[0])
    lead = lengths[0] - lengths[1]
    for axis in range(3):
        lead = np.repeat(lead, step, axis=axis).take(range(near[box.slices].shape[axis]), axis=axis)
    whole = np.zeros(inside.shape, dtype=np.float32)
    whole[box.slices] = lead
    whole[~near] = 0
    return whole
