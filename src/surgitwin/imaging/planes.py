"""Moving slices within their own plane by parts of a pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from surgitwin.imaging.volume import Voxels


def move_plane(plane: Voxels, shift_ij: Sequence[float], size_ij: Sequence[int], fill: float) -> Voxels:
    """Put a slice onto a larger one, interpolating linearly; integers are rounded.

    Parameters
    ----------
    plane
        Shape [j, i].
    shift_ij
        Where its pixel (0, 0) comes to lie, in pixels, not negative.
    size_ij
        Size of the result.
    fill
        Value where the slice does not reach.

    Returns
    -------
    Shape [j, i], of the type of ``plane``.
    """
    values = plane.astype(np.float32)
    for axis, (shift, size) in enumerate(zip(reversed(list(shift_ij)), reversed(list(size_ij)), strict=True)):
        values = _move_axis(values, axis, float(shift), int(size), fill)
    if plane.dtype.kind in "iu":
        values = np.rint(values)
    return values.astype(plane.dtype)


def _move_axis(values: Voxels, axis: int, shift: float, size: int, fill: float) -> Voxels:
    whole = math.floor(shift + 1e-6)
    part = max(shift - whole, 0.0)
    count = values.shape[axis]
    shape = list(values.shape)
    shape[axis] = size
    moved = np.full(shape, fill, dtype=np.float32)
    source, target = np.moveaxis(values, axis, 0), np.moveaxis(moved, axis, 0)
    if part < 1e-6:
        target[whole : whole + count] = source
        return moved
    # Pixel x of the result lies between pixels x - whole - 1 and x - whole of the source.
    target[whole + 1 : whole + count] = (1 - part) * source[1:] + part * source[:-1]
    target[whole] = (1 - part) * source[0] + part * fill
    target[whole + count] = (1 - part) * fill + part * source[-1]
    return moved
