"""The nearest of many points, such as those of a vessel's centre lines, for each voxel of an organ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.int32]

BLOCK_MM = 4.0
"""About how large the blocks of voxels are that share their candidates."""


def nearest_points(
    points_mm: FloatArray,
    organ: BoolArray,
    box: Box,
    geometry: Geometry,
    ctx: Context,
    beyond_mm: FloatArray | None = None,
) -> tuple[IndexArray, NDArray[np.float32]]:
    """Which point is nearest to each voxel's centre, and how far it is; exact, also on oblique grids.

    Parameters
    ----------
    points_mm
        (n, 3), LPS; may lie outside of the organ.
    organ
        [k, j, i] over ``box`` of the grid ``geometry``.
    beyond_mm
        (n,): a distance at right angles to space that each point has from all voxels. With sqrt(R² - r²), where R is
        the largest of the radii r, the nearest point is that of the power distance d² - r².

    Returns
    -------
    nearest
        For each voxel of the organ, in the order of its mask. Of equally near points the one of the smaller index.
    away_mm
        Its distance, ``beyond_mm`` included.

    Raises
    ------
    BadInput
        If there is no point.
    Cancelled
    """
    from surgitwin.vessels.nearest_kernels import INNER, nearest_of_layer

    if len(points_mm) == 0:
        raise BadInput(tr("The vessel tree has no points."))
    mask = np.ascontiguousarray(organ, dtype=np.uint8)
    rows = np.count_nonzero(organ, axis=2).astype(np.int64)
    cursor = (np.cumsum(rows) - rows.reshape(-1)).reshape(rows.shape)
    nearest, squares = np.empty(rows.sum(), np.int32), np.empty(rows.sum(), np.float32)
    far = np.zeros(len(points_mm)) if beyond_mm is None else beyond_mm
    # Distances are taken from the middle of the points, so that far-off origins cost no digits.
    middle = points_mm.mean(axis=0)
    points = np.ascontiguousarray(np.column_stack([points_mm - middle, far]), dtype=np.float64)
    affine = np.ascontiguousarray(geometry.cropped(box).affine_lps[:3] - np.column_stack([np.zeros((3, 3)), middle]))
    edge = np.array([max(1, round(BLOCK_MM / step)) for step in geometry.spacing_mm], dtype=np.int64)
    layers = range(0, len(mask), int(INNER * edge[2]))
    for done, first in enumerate(layers):
        ctx.progress(done / len(layers))
        nearest_of_layer(mask, points, affine, edge, first, cursor, nearest, squares)
    ctx.check()
    return nearest, np.sqrt(squares)
