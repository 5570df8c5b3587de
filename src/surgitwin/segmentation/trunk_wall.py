"""The wall of chest and belly: ribs, and the muscles at their depth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Geometry
from surgitwin.segmentation.ct_body import long_axis
from surgitwin.segmentation.morphology import closed, opened
from surgitwin.segmentation.runs import Mask, Runs

Field = NDArray[np.float32]

_FAT_HU = -30.0
_GAS_HU = -300.0
_SKIN_MM = 4.0
_GAP_MM = 20.0
_RIB_DEPTH_MM = 20.0
_LEAST_RIB_ML = 3.0
_DEPTH_LIMITS_MM = (5.0, 15.0)


def trunk_wall(hu: Field, body: Mask, geometry: Geometry, bone_hu: float) -> Mask:
    """The layer below the skin's fat that is as deep as the ribs reach, [k, j, i]; empty where no ribs are seen.

    Muscle between ribs may be as dense as the liver behind it; that the ribs lie in it tells how thick it is.

    Parameters
    ----------
    hu
        HU on a grid of a few millimetres.
    bone_hu
        What is above this is bone.
    """
    from scipy import ndimage

    spacing = geometry.spacing_mm[::-1]
    # Lungs and bowel gas count as firm: what is sought is the inner border of the skin's fat.
    firm = opened(((hu > _FAT_HU) | (hu < _GAS_HU)) & body, geometry, _SKIN_MM)
    trunk = _solid(closed(firm, geometry, _GAP_MM) & body, long_axis(geometry))
    # Beyond the image's end the trunk goes on: only what lies in the image counts as outside.
    depth = ndimage.distance_transform_edt(trunk, sampling=spacing)
    ribs = (hu > bone_hu) & trunk & (depth < _RIB_DEPTH_MM)
    if np.count_nonzero(ribs) * geometry.voxel_volume_mm3 < 1000 * _LEAST_RIB_ML:
        return np.zeros_like(body)
    reach = float(np.percentile(depth[ribs], 70)) + 0.5 * min(spacing)
    return np.asarray(trunk & (depth <= np.clip(reach, *_DEPTH_LIMITS_MM)))


def _solid(mask: Mask, axis: int) -> Mask:
    """The largest piece of ``mask`` with the holes of each slice across ``axis`` filled."""
    from scipy import ndimage

    runs = Runs.of(mask)
    if runs.start.size == 0:
        return mask
    labels = runs.components()
    piece = runs.mask(labels == np.argmax(runs.sizes(labels)))
    slices = [ndimage.binary_fill_holes(part) for part in np.moveaxis(piece, axis, 0)]
    return np.ascontiguousarray(np.moveaxis(np.stack(slices), 0, axis))
