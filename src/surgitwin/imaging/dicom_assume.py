"""Headers without position, orientation or pixel spacing: what may be assumed openly, and what must be refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from surgitwin.core.notices import Notice
from surgitwin.core.text import tr
from surgitwin.imaging.dicom_frames import Plane

# Without a position, other modalities' images are projections or pictures of something else.
_PLACED_BY_LOCATION = ("CT", "MR", "PT")
# Directions of rows and columns that scanners use for stacks along x, y and z.
_USUAL = {0: (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), 1: (1.0, 0.0, 0.0, 0.0, 0.0, -1.0), 2: (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)}


def complete_planes(planes: Sequence[Plane]) -> tuple[list[Plane], list[Notice], str]:
    """Fill in what is missing from the headers of one series, where that can be done honestly.

    Returns
    -------
    The planes that can be used; notices; and a sentence that refuses the series, empty if it can be loaded.
    """
    found = list(planes)
    notices: list[Notice] = []
    unspaced = [plane for plane in found if plane.spacing is None or min(plane.spacing) <= 0]
    if unspaced:
        file = unspaced[0].source.file.name
        notice = Notice(
            "no-spacing",
            tr("'{file}' does not say how large its pixels are (no Pixel Spacing).").format(file=file),
            {"count": len(unspaced)},
        )
        if len(unspaced) == len(found):
            return (
                found,
                [notice],
                tr("The series cannot be measured: '{file}' has no Pixel Spacing.").format(file=file),
            )
        notices.append(notice)
        found = [plane for plane in found if plane.spacing is not None and min(plane.spacing) > 0]
    found, placed, refusal = _with_positions(found)
    notices += placed
    if refusal:
        return found, notices, refusal
    found, turned = _with_orientation(found)
    # One remark about the unknown side is enough.
    known = {notice.code for notice in notices}
    return found, [*notices, *(notice for notice in turned if notice.code not in known)], ""


def _with_positions(planes: list[Plane]) -> tuple[list[Plane], list[Notice], str]:
    lost = [plane for plane in planes if plane.position is None]
    if not lost:
        return planes, [], _contradiction(planes)
    file = lost[0].source.file.name
    if planes[0].source.modality not in _PLACED_BY_LOCATION:
        return planes, [], tr("The images have no position in the patient: '{file}' is not a slice.").format(file=file)
    if len(lost) < len(planes):
        message = tr("'{file}' has no position; {n} such slices were left out.").format(file=file, n=len(lost))
        kept = [plane for plane in planes if plane.position is not None]
        return kept, [Notice("no-position", message, {"count": len(lost)})], ""
    locations = [plane.location for plane in planes]
    message = tr("The images have no position in the patient; only their distances are known.")
    notice = Notice("no-position", message, {"count": len(lost)})
    side = _unknown_side(tr("The images do not say where they lie in the patient, so left and right are not certain."))
    if None not in locations and (len(planes) == 1 or len(set(locations)) > 1):
        return (
            [replace(plane, position=(0.0, 0.0, float(plane.location or 0.0))) for plane in planes],
            [notice, side],
            "",
        )
    if len(planes) == 1:
        return [replace(planes[0], position=(0.0, 0.0, 0.0))], [notice, side], ""
    why = tr("The order and distance of the slices are unknown: '{file}' has no Image Position.").format(file=file)
    return planes, [notice], why


def _contradiction(planes: list[Plane]) -> str:
    """A sentence if every slice claims the same position but another slice location: the positions were overwritten."""
    if len({plane.position for plane in planes}) > 1 or len({plane.location for plane in planes}) < 2:
        return ""
    return tr("All {n} slices claim the same position but different slice locations, in '{file}' and others.").format(
        n=len(planes), file=planes[0].source.file.name
    )


def _with_orientation(planes: list[Plane]) -> tuple[list[Plane], list[Notice]]:
    lost = [plane for plane in planes if plane.orientation is None or _null(plane.orientation)]
    if not lost:
        return planes, []
    known = [plane.orientation for plane in planes if plane.orientation is not None and not _null(plane.orientation)]
    if known:
        # A stack has one orientation: slices that lack theirs may borrow it only if the others agree.
        if np.ptp(np.array(known), axis=0).max() < 1e-4:
            message = tr("{n} slices have no orientation; they were given that of the others.").format(n=len(lost))
            filled = [plane if plane not in lost else replace(plane, orientation=known[0]) for plane in planes]
            return filled, [Notice("no-orientation", message, {"count": len(lost)})]
        message = tr("{n} slices have no orientation; they were left out.").format(n=len(lost))
        return [plane for plane in planes if plane not in lost], [
            Notice("no-orientation", message, {"count": len(lost)})
        ]
    travel = np.ptp(np.array([plane.position for plane in planes]), axis=0)
    usual = _USUAL[int(np.argmax(travel)) if travel.max() > 0 else 2]
    message = tr("The images have no orientation (Image Orientation), so left and right are not certain.")
    return [replace(plane, orientation=usual) for plane in planes], [_unknown_side(message)]


def _null(orientation: tuple[float, ...]) -> bool:
    return not any(orientation)


def _unknown_side(message: str) -> Notice:
    return Notice("unknown-side", message, {})
