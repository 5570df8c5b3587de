"""From a sheared grid to a rectangular one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Geometry
from surgitwin.imaging.volume import Voxels

# Cosine between two axes up to which they count as perpendicular (0.06 degrees): rounding in the header.
_PERPENDICULAR = 1e-3


def is_orthogonal(geometry: Geometry) -> bool:
    """True if the three axes are perpendicular to 0.06 degrees."""
    axes = geometry.direction
    return bool(np.max(np.abs(axes.T @ axes - np.eye(3))) < _PERPENDICULAR)


def orthogonal_grid(geometry: Geometry) -> Geometry:
    """The rectangular grid around a sheared one: i keeps its direction, k becomes the normal of the i-j plane.

    Spacings are those of the sheared grid measured along the new axes, so a stack that is sheared in its planes only
    (gantry tilt) keeps its slices.
    """
    affine = geometry.affine_lps[:3, :3]
    first = affine[:, 0] / np.linalg.norm(affine[:, 0])
    second = affine[:, 1] - (affine[:, 1] @ first) * first
    second = second / np.linalg.norm(second)
    third = np.cross(first, second)
    if third @ affine[:, 2] < 0:
        third = -third
    axes = np.column_stack([first, second, third])
    spacing = np.abs(np.einsum("xa,xa->a", axes, affine))
    corners = (geometry.to_lps(geometry.corners_ijk()) @ axes) / spacing
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = np.ceil(high - low - 1e-6).astype(int) + 1
    return Geometry.from_parts(size, spacing, axes @ (low * spacing), axes)


def resample(voxels: Voxels, geometry: Geometry, target: Geometry) -> Voxels:
    """Values on another grid, interpolated linearly; the lowest value where the image does not reach.

    Parameters
    ----------
    voxels
        Shape [k, j, i] on ``geometry``.

    Returns
    -------
    Shape [k, j, i] on ``target``, of the same type; integers are rounded.
    """
    from scipy import ndimage

    to_source: NDArray[np.float64] = geometry.inverse @ target.affine_lps
    flipped = to_source[2::-1, 2::-1]
    result = ndimage.affine_transform(
        voxels.astype(np.float32),
        flipped,
        offset=to_source[2::-1, 3],
        output_shape=target.shape_kji,
        order=1,
        mode="constant",
        cval=float(voxels.min()),
    )
    if voxels.dtype.kind in "iu":
        result = np.rint(result)
    return np.asarray(result).astype(voxels.dtype)
