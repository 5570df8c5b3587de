"""Points that a person set on vessels: the mask's voxel that each one means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.text import tr
from surgitwin.segmentation.runs import Mask


def voxels_at(
    mask: Mask, geometry: Geometry, points_mm: Sequence[Sequence[float]], what: str, reach_mm: float
) -> NDArray[np.int64]:
    """For each point the nearest voxel of ``mask``, as (k, j, i) rows.

    Parameters
    ----------
    points_mm
        LPS millimetres.
    what
        What the points are called in a complaint, such as "portal point".
    reach_mm
        A point may lie this far beside the mask.

    Raises
    ------
    BadInput
        If a point is no point, lies outside the image, or farther from the mask than that; the distance is named.
    """
    found = np.zeros((len(points_mm), 3), dtype=np.int64)
    voxels: NDArray[np.int64] | None = None
    for number, given in enumerate(points_mm):
        point = np.asarray(given, dtype=np.float64)
        if point.shape != (3,) or not np.all(np.isfinite(point)):
            raise BadInput(tr("A {what} needs three numbers, x, y and z in LPS millimetres.").format(what=what))
        text = _numbers(point)
        if not geometry.contains(point):
            low, high = (_numbers(end) for end in geometry.bounds_mm())
            message = tr("The {what} ({point}) mm lies outside the image, which reaches from ({low}) to ({high}) mm.")
            raise BadInput(message.format(what=what, point=text, low=low, high=high))
        i, j, k = (int(v) for v in np.rint(geometry.to_index(point)))
        if mask[k, j, i]:
            found[number] = k, j, i
            continue
        if voxels is None:
            voxels = np.argwhere(mask)
        if len(voxels) == 0:
            raise BadInput(
                tr("The {what} ({point}) mm lies on no vessel: none was found.").format(what=what, point=text)
            )
        away = np.linalg.norm(geometry.to_lps(voxels[:, ::-1]) - point, axis=1)
        nearest = int(np.argmin(away))
        if away[nearest] > reach_mm:
            message = tr("The {what} ({point}) mm does not lie on a vessel; the nearest is {mm:.1f} mm away.")
            raise BadInput(message.format(what=what, point=text, mm=float(away[nearest])))
        found[number] = voxels[nearest]
    return found


def _numbers(point: NDArray[np.float64]) -> str:
    return ", ".join(f"{v:.1f}" for v in point)
