"""What is said of cuts that miss the organ or leave nothing of it, and of lesions that stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.resection.cuts import Cut, PlaneCut
from surgitwin.resection.prepare import PartitionInput

if TYPE_CHECKING:
    from surgitwin.resection.partition import LesionNumbers

LEAST_ENCLOSED_ML = 0.5
"""Less than this within the remnant is the roughness of voxels."""


def cut_notices(prepared: PartitionInput, cuts: Sequence[Cut], removed: int, idle: Sequence[int]) -> list[Notice]:
    """Cuts that miss the organ, and cuts that leave nothing of it.

    Parameters
    ----------
    removed
        Voxels that all cuts together remove.
    idle
        Numbers, from 1, of the cuts that remove nothing by themselves.
    """
    organ = prepared.name
    if removed == 0:
        message = tr("The cut removes nothing of {organ}: none of it lies on the side that goes.")
        if all(isinstance(cut, PlaneCut) for cut in cuts):
            message = tr(
                "The cut removes nothing of {organ}: no voxel lies on the side that the plane's normal points to."
            )
        return [Notice("nothing-removed", message.format(organ=organ))]
    message = tr("Cut {number} of the {count} that are on removes nothing of {organ}.")
    found = [
        Notice("cut-misses", message.format(number=number, count=len(cuts), organ=organ), {"cut": number})
        for number in idle
    ]
    if removed == prepared.organ_voxels:
        message = tr("The cut removes all of {organ}: nothing is kept.")
        found.append(Notice("nothing-kept", message.format(organ=organ)))
    return found


def lesion_notices(lesions: Sequence[LesionNumbers]) -> list[Notice]:
    """Lesions that the cut goes through, or leaves."""
    notices: list[Notice] = []
    for lesion in lesions:
        if not lesion.left_behind or lesion.left_behind_ml is None:
            continue
        details = {"segment": lesion.name, "left_behind_ml": lesion.left_behind_ml}
        if lesion.cut_through:
            message = tr("The cut goes through {name}: {ml:.1f} ml of it stay behind.")
            text = message.format(name=lesion.name, ml=lesion.left_behind_ml)
            notices.append(Notice("lesion-cut-through", text, details))
        else:
            notices.append(Notice("lesion-left-behind", tr("{name} stays behind.").format(name=lesion.name), details))
    return notices


def enclosed_notices(
    organ: NDArray[np.bool_], removed: NDArray[np.bool_], voxel_ml: float, ctx: Context
) -> list[Notice]:
    """What goes but lies wholly within what stays, as a wedge around a deep lesion: no cut leads to it.

    Parameters
    ----------
    organ, removed
        [k, j, i] over the organ's box; holes in the organ's label count as organ.
    """
    from scipy import ndimage

    outside = np.pad(~organ, 1, constant_values=True)
    parts = ndimage.label(outside)[0]
    near = ndimage.binary_dilation(parts == parts[0, 0, 0])[1:-1, 1:-1, 1:-1]
    ctx.check()
    pieces, count = ndimage.label(organ & removed)
    sizes = np.bincount(pieces.reshape(-1), minlength=count + 1)
    open_ones = np.unique(pieces[near])
    sizes[0] = 0
    sizes[open_ones] = 0
    ml = float(sizes[sizes * voxel_ml >= LEAST_ENCLOSED_ML].sum()) * voxel_ml
    if ml == 0.0:
        return []
    message = tr(
        "{ml:.1f} ml of what goes lie wholly within what stays: nothing leads there from the organ's surface. Take a"
        " larger margin, or add a cut that opens the way."
    )
    return [Notice("specimen-enclosed", message.format(ml=ml), {"enclosed_ml": ml})]
