"""Methods for vessels: find them in an organ, part one mask into two trees."""

from __future__ import annotations

from typing import Any

import numpy as np

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.methods.base import (
    Inputs,
    MethodParams,
    Parts,
    PointsMm,
    SegmentMethod,
    SegmentName,
    setting,
)
from surgitwin.segmentation.runs import Mask
from surgitwin.segmentation.vessel_mask import vessels
from surgitwin.segmentation.vessel_trees import split_trees

PORTAL, HEPATIC = 1, 2
_NOTED_SHARE = 0.001


class VesselParams(MethodParams):
    organ: SegmentName = setting(..., "", tr("The organ to look in; a segment of this case."))
    at: PointsMm | None = setting(
        None, "mm", tr("Points on vessels, x,y,z;x,y,z in LPS: keep only what hangs together with them.")
    )
    margin_mm: float = setting(0.0, "mm", tr("Look this far outside the organ too."), ge=0, le=30)
    gap_mm: float = setting(6.0, "mm", tr("Bridge gaps up to this length; 0 leaves them."), ge=0, le=20)
    sensitivity: float = setting(1.0, "", tr("Above 1 finds fainter vessels and more noise."), ge=0.3, le=2)


class SplitVesselsParams(MethodParams):
    portal_at: PointsMm = setting(..., "mm", tr("Points on the portal vein and its branches, x,y,z;x,y,z in LPS."))
    hepatic_at: PointsMm = setting(..., "mm", tr("Points on the hepatic veins, best one on each, x,y,z;x,y,z in LPS."))


def _vessels(inputs: Inputs, params: VesselParams, ctx: Context) -> Mask:
    organ = inputs.named("organ")
    if organ is None:
        raise BadInput(tr("Vessels are looked for in an organ; name its segment."))
    return vessels(
        inputs.voxels,
        inputs.geometry,
        organ,
        params.at or (),
        margin_mm=params.margin_mm,
        gap_mm=params.gap_mm,
        sensitivity=params.sensitivity,
        ctx=ctx,
    )


def _split(inputs: Inputs, params: SplitVesselsParams, ctx: Context) -> Parts:
    mask = inputs.segment()
    labels = split_trees(
        mask, inputs.geometry, (params.portal_at, params.hepatic_at), (tr("portal"), tr("hepatic")), ctx
    )
    left, total = np.count_nonzero(mask & (labels == 0)), np.count_nonzero(mask)
    notes: tuple[str, ...] = ()
    if left > _NOTED_SHARE * total:
        note = tr(
            "{ml:.1f} ml ({percent:.1f} %) of the vessels hang together with no point and belong to neither tree."
        )
        ml = left * inputs.geometry.voxel_volume_mm3 / 1000
        notes = (note.format(ml=ml, percent=100 * left / total),)
    return Parts(labels, {PORTAL: tr("Portal vein"), HEPATIC: tr("Hepatic veins")}, notes)


METHODS: tuple[SegmentMethod[Any], ...] = (
    SegmentMethod(
        "vessels",
        tr("Vessels"),
        tr("The vessels in an organ that contrast agent makes brighter than it."),
        VesselParams,
        _vessels,
    ),
    SegmentMethod(
        "split-vessels",
        tr("Split vessels"),
        tr("Part one segment of vessels into portal vein and hepatic veins, from a few points on each."),
        SplitVesselsParams,
        _split,
        needs_segment=True,
        makes_parts=True,
    ),
)
