"""The liver in CT, found without help."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import FloatArray, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.ct_body import as_hu, body
from surgitwin.segmentation.liver_cut import WORK_MM, Evidence, Scene, on_full_grid, whole_liver
from surgitwin.segmentation.morphology import dilate, erode, opened
from surgitwin.segmentation.runs import Mask, Runs

_TISSUE_HU = (30.0, 200.0)
_STEP_HU = 6.0
_WINDOW_HU = 12.0
_THICK_MM = 9.0
_LEAST_ML = 250.0
_BONE_HU = 130.0
_RIGHT_SHARE = 0.5


def liver_auto(voxels: NDArray[Any], geometry: Geometry, ctx: Context | None = None) -> Mask:
    """The liver in CT: the whole organ with the vessels and lesions in it, without gallbladder and vena cava.

    The largest thick, even piece of soft tissue on the patient's right is taken for the liver's core: for each value
    from 30 to 200 HU, what lies within 12 HU of it and holds a ball of 9 mm. From there `liver_cut.whole_liver` finds
    the organ. It does best with contrast; without, the chest wall, the vena cava and the stomach may be as dense as
    the liver, and strokes (`liver_strokes`) help.

    Parameters
    ----------
    voxels
        HU, [k, j, i].

    Raises
    ------
    BadInput
        If the image cannot be CT in HU, or holds no such piece of at least 250 ml.
    """
    ctx = ctx or Context()
    voxels = as_hu(voxels)
    inside = body(voxels, geometry, ctx.part(0.0, 0.25))
    scene = Scene.of(voxels, geometry, inside, ctx.part(0.25, 0.35))
    core = _core(scene, ctx.part(0.35, 0.55))
    sure = erode(core, scene.grid.geometry, WORK_MM)
    bones = dilate(scene.hu > float(np.median(scene.hu[core])) + _BONE_HU, scene.grid.geometry, WORK_MM) & ~core
    region, tissue = whole_liver(scene, Evidence(core, sure, bones), ctx.part(0.55, 0.85))
    return on_full_grid(voxels, geometry, region, scene, tissue, ctx.part(0.85, 1.0)) & inside


def _core(scene: Scene, ctx: Context) -> Mask:
    """The piece of soft tissue that must be liver, on the working grid."""
    geometry = scene.grid.geometry
    right = _right_of_middle(scene)
    best: tuple[float, Mask] | None = None
    values = np.arange(*_TISSUE_HU, _STEP_HU)
    for done, value in enumerate(values):
        ctx.progress(done / len(values), tr("Looking for the liver"))
        even = (np.abs(scene.quiet - value) < _WINDOW_HU) & scene.body
        if np.count_nonzero(even) * geometry.voxel_volume_mm3 < _LEAST_ML * 1000:
            continue
        runs = Runs.of(opened(even, geometry, _THICK_MM))
        if runs.start.size == 0:
            continue
        labels = runs.components()
        piece = runs.mask(labels == np.argmax(runs.sizes(labels)))
        volume_ml = np.count_nonzero(piece) * geometry.voxel_volume_mm3 / 1000
        share = float(np.mean(right[piece]))
        if volume_ml >= _LEAST_ML and share > _RIGHT_SHARE and (best is None or volume_ml * share > best[0]):
            best = (volume_ml * share, piece)
    if best is None:
        message = tr(
            "No liver was found: no even soft tissue of {low:g} to {high:g} HU and at least {ml:g} ml lies on the "
            "patient's right; mark the liver with a few strokes instead."
        )
        raise BadInput(message.format(low=_TISSUE_HU[0], high=_TISSUE_HU[1], ml=_LEAST_ML))
    return best[1]


def _right_of_middle(scene: Scene) -> Mask:
    """Voxels on the patient's right of the body's middle."""
    k, j, i = np.nonzero(scene.body)
    middle = float(np.median(scene.grid.geometry.to_lps(np.stack([i, j, k], axis=1)[::7])[:, 0]))
    x = _left_mm(scene.grid.geometry)
    return np.asarray(x < middle)


def _left_mm(geometry: Geometry) -> FloatArray:
    """The LPS x of every voxel, [k, j, i]."""
    i, j, k = (np.arange(n, dtype=np.float64) for n in geometry.size_ijk)
    row = geometry.affine_lps[0]
    x = row[0] * i[None, None, :] + row[1] * j[None, :, None] + row[2] * k[:, None, None] + row[3]
    return np.asarray(x, dtype=np.float64)
