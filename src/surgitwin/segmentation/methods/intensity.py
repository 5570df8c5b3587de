"""Methods by intensity: threshold, growing from a point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import model_validator

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.intensity import check_range, found_between, region_grow
from surgitwin.segmentation.islands import island_at
from surgitwin.segmentation.local_threshold import Side, local_threshold
from surgitwin.segmentation.methods.base import Inputs, MethodParams, PointMm, SegmentMethod, setting
from surgitwin.segmentation.runs import Mask

_RANGE_NAMES = {"low": "lower", "high": "upper"}


class ThresholdParams(MethodParams):
    other_names: ClassVar[Mapping[str, str]] = _RANGE_NAMES

    lower: float = setting(..., "HU", tr("Lowest value that belongs to the segment."))
    upper: float = setting(3071.0, "HU", tr("Highest value that belongs to the segment."))

    @model_validator(mode="after")
    def _ordered(self) -> ThresholdParams:
        check_range(self.lower, self.upper)
        return self


class GrowParams(MethodParams):
    other_names: ClassVar[Mapping[str, str]] = {**_RANGE_NAMES, "seed_mm": "at"}

    at: PointMm = setting(..., "mm", tr("Point to grow from: x, y, z in LPS."))
    lower: float | None = setting(None, "HU", tr("Lowest value; or give a tolerance instead."))
    upper: float | None = setting(None, "HU", tr("Highest value; or give a tolerance instead."))
    tolerance: float | None = setting(
        None, "HU", tr("Accept values this far from the median around the seed point."), ge=0
    )
    radius_mm: float | None = setting(None, "mm", tr("Grow no farther from the seed point than this."), gt=0)

    @model_validator(mode="after")
    def _one_range(self) -> GrowParams:
        pair = (self.lower is not None, self.upper is not None)
        if self.tolerance is None and not all(pair):
            raise BadInput(tr("Growing from a point needs either 'tolerance', or both 'lower' and 'upper'."))
        if self.tolerance is not None and any(pair):
            raise BadInput(tr("Growing from a point takes either 'tolerance' or 'lower' and 'upper', not both."))
        if self.lower is not None and self.upper is not None:
            check_range(self.lower, self.upper)
        return self


class LocalThresholdParams(MethodParams):
    window_mm: float = setting(
        30.0, "mm", tr("Compare with the mean of a cube of this edge; more than the structure is wide."), gt=0, le=300
    )
    offset: float = setting(30.0, "HU", tr("Differ from that mean by more than this."), ge=0)
    side: Side = setting("brighter", "", tr("Take what is brighter, or darker, than its surroundings."))
    at: PointMm | None = setting(None, "mm", tr("Keep only what hangs together with this point: x, y, z in LPS."))


def _local_threshold(inputs: Inputs, params: LocalThresholdParams, ctx: Context) -> Mask:
    geometry = inputs.geometry
    mask = local_threshold(inputs.voxels, geometry, params.window_mm, params.offset, params.side, ctx.part(0.0, 0.8))
    if not mask.any():
        message = tr("No voxel is {side} than its surroundings by more than {offset:g}. Give a smaller offset.")
        raise BadInput(message.format(side=tr(params.side), offset=params.offset))
    return mask if params.at is None else island_at(mask, geometry, params.at, ctx=ctx.part(0.8, 1.0))


def _threshold(inputs: Inputs, params: ThresholdParams, ctx: Context) -> Mask:
    return found_between(inputs.voxels, params.lower, params.upper, ctx)


def _grow(inputs: Inputs, params: GrowParams, ctx: Context) -> Mask:
    return region_grow(
        inputs.voxels,
        inputs.geometry,
        params.at,
        params.lower,
        params.upper,
        tolerance=params.tolerance,
        radius_mm=params.radius_mm,
        ctx=ctx,
    )


METHODS: tuple[SegmentMethod[Any], ...] = (
    SegmentMethod(
        "threshold",
        tr("Threshold"),
        tr("All voxels with values in a range."),
        ThresholdParams,
        _threshold,
        light=True,
    ),
    SegmentMethod(
        "local-threshold",
        tr("Local threshold"),
        tr("What is brighter or darker than its surroundings, on an uneven background."),
        LocalThresholdParams,
        _local_threshold,
    ),
    SegmentMethod(
        "grow",
        tr("Grow from a point"),
        tr("The voxels in a range that hang together with the one at a point."),
        GrowParams,
        _grow,
    ),
)
