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
    core = _core(scene, inside, outside)
    nearer = _nearer_outside(scene, core | inside, outside, ctx.part(0.35, 0.6))
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
    """What is thick, of the strokes' values and joined to a stroke inside."""
    geometry = scene.grid.geometry
    value = float(np.median(scene.quiet[inside]))
    if not -20.0 <= value <= 250.0:
        message = tr("The strokes inside lie on {value:.0f} HU, which is no liver; mark the liver's inside.")
        raise BadInput(message.format(value=value))
    clear = ~dilate(outside, geometry, _CLEAR_OF_OUTSIDE_MM)
    even = (np.abs(scene.quiet - value) < _WINDOW_HU) & scene.body & clear
    for thickness in _THICK_MM:
        runs = Runs.of(opened(even, geometry, thickness))
        if runs.start.size == 0:
            continue
        labels = runs.components()
        at = runs.at(np.flatnonzero(inside).astype(np.int64))
        piece = runs.mask(np.isin(labels, np.unique(labels[at[at >= 0]])))
        if np.count_nonzero(piece) * geometry.voxel_volume_mm3 >= 1000 * _LEAST_CORE_ML:
            return piece
    return dilate(inside, geometry, WORK_MM) & ~outside


def _nearer_outside(scene: Scene, inside: Mask, outside: Mask, ctx: Context) -> Field | None:
    """From 0 (nearer to the inside) to 1 (nearer to strokes outside), by the length of paths that avoid edges.

    Paths run along the grid's axes: how far they are off weighs less than which side they are on.
    """
    if not outside.any():
        return None
    from scipy import ndimage
    from skimage.graph import MCP_Geometric

    spacing = scene.spacing_kji
    box = Box.of_mask(ndimage.distance_transform_edt(~inside, sampling=spacing) < _REACH_MM)
    value = float(np.median(scene.soft[inside]))
    noise = max(1.4826 * float(np.median(np.abs(scene.soft[inside] - value))), 2.0)
    edge = ndimage.gaussian_gradient_magnitude(scene.hu[box.slices], 1.0)
    toll = 1.0 + np.minimum((edge / noise) ** 2, 50.0)
    lengths = []
    for number, start in enumerate((inside, outside)):
        ctx.progress(number / 2, tr("Comparing inside and outside"))
        places = np.argwhere(start[box.slices])
        if len(places) == 0:
            return None
        found, _ = MCP_Geometric(toll, fully_connected=False, sampling=spacing).find_costs(places)
        lengths.append(found)
    nearer = np.zeros(inside.shape, dtype=np.float32)
    nearer[box.slices] = _COMPETITION * np.maximum(0, np.tanh((lengths[0] - lengths[1]) / _BALANCE_MM))
    return nearer
