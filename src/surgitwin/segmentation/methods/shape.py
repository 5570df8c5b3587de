"""Methods that act on the shape of a segment, whatever the image shows: islands, holes, smoothing."""

from __future__ import annotations

from typing import Any

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.islands import fill_holes, keep_islands, largest_island
from surgitwin.segmentation.methods.base import Inputs, MethodParams, SegmentMethod, setting
from surgitwin.segmentation.runs import Connectivity, Mask
from surgitwin.segmentation.smoothing import SmoothMethod, smooth


class IslandParams(MethodParams):
    min_ml: float | None = setting(
        None, "ml", tr("Keep every island of at least this volume instead of the largest alone."), gt=0
    )
    connectivity: Connectivity = setting(
        "faces", "", tr("Voxels hang together across faces only, or across corners too.")
    )


class FillHolesParams(MethodParams):
    max_ml: float | None = setting(None, "ml", tr("Leave holes larger than this; all are filled if not given."), ge=0)


class SmoothParams(MethodParams):
    mm: float = setting(
        2.0, "mm", tr("Radius (median, opening, closing) or standard deviation (gaussian)."), gt=0, le=50
    )
    method: SmoothMethod = setting("median", "", tr("Kind of smoothing."))


def _islands(inputs: Inputs, params: IslandParams, ctx: Context) -> Mask:
    mask = inputs.segment()
    if params.min_ml is None:
        return largest_island(mask, params.connectivity, ctx)
    kept = keep_islands(mask, inputs.geometry, params.min_ml, params.connectivity, ctx)
    if not kept.any():
        raise BadInput(tr("No island of the segment holds {ml:g} ml; give a smaller volume.").format(ml=params.min_ml))
    return kept


def _fill_holes(inputs: Inputs, params: FillHolesParams, ctx: Context) -> Mask:
    return fill_holes(inputs.segment(), inputs.geometry, params.max_ml, ctx)


def _smooth(inputs: Inputs, params: SmoothParams, ctx: Context) -> Mask:
    return smooth(inputs.segment(), inputs.geometry, params.mm, params.method, ctx)


METHODS: tuple[SegmentMethod[Any], ...] = (
    SegmentMethod(
        "largest-island",
        tr("Largest island"),
        tr("Keep the largest connected part of a segment, or all above a volume."),
        IslandParams,
        _islands,
        needs_segment=True,
    ),
    SegmentMethod(
        "fill-holes",
        tr("Fill holes"),
        tr("Fill what a segment encloses."),
        FillHolesParams,
        _fill_holes,
        needs_segment=True,
    ),
    SegmentMethod(
        "smooth", tr("Smooth"), tr("Smooth the border of a segment."), SmoothParams, _smooth, needs_segment=True
    ),
)
