"""What is said of cuts that miss the organ or leave nothing of it, and of lesions that stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.resection.cuts import Cut, PlaneCut
from surgitwin.resection.prepare import PartitionInput

if TYPE_CHECKING:
    from surgitwin.resection.partition import LesionNumbers


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
