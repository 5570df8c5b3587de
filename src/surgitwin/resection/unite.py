"""An organ's label with voxels of lesions or vessels added that lie outside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.text import tr
from surgitwin.resection.prepare import BoolArray, Structure, _cropped, _overlap, _Surroundings


def united(organ: Structure, geometry: Geometry, parts: Sequence[Structure], *, surrounded_only: bool) -> BoolArray:
    """An organ's label with voxels of other structures added to it.

    Parameters
    ----------
    parts
        Lesions, vessels; all their voxels are added, or with ``surrounded_only`` those that the organ has to both
        sides along at least two axes of the grid.

    Returns
    -------
    The new label on the whole grid, [k, j, i].

    Raises
    ------
    BadInput
        If the organ is empty or a mask does not fit the grid.
    """
    mask, box = _cropped(organ, geometry)
    if box.empty:
        raise BadInput(tr("The organ {organ} has no voxel; segment it first.").format(organ=organ.name))
    surroundings = _Surroundings(mask, box)
    whole = np.zeros(geometry.shape_kji, dtype=np.bool_)
    whole[box.slices] = mask
    for item in parts:
        part, part_box = _cropped(item, geometry)
        if part_box.empty:
            continue
        if surrounded_only:
            here, there = _overlap(part_box, box)
            whole[box.slices][here] |= part[there] & surroundings.surrounded()[here]
        else:
            whole[part_box.slices] |= part
    return whole
