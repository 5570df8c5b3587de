"""Methods for one organ or what lies in it: the liver, a lesion."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import model_validator

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.ct_liver import liver_auto
from surgitwin.segmentation.lesion import LARGEST_RADIUS_MM, lesion_across, lesion_at
from surgitwin.segmentation.liver_strokes import INSIDE, OUTSIDE, liver_from_strokes
from surgitwin.segmentation.methods.base import (
    Inputs,
    MethodParams,
    PointMm,
    PointsMm,
    SeededParams,
    Seeds,
    SegmentMethod,
    setting,
)
from surgitwin.segmentation.runs import Mask


class LiverParams(SeededParams):
    """No settings but the seeds."""


class LesionParams(MethodParams):
    at: PointMm | None = setting(None, "mm", tr("A point in the lesion, best its middle: x, y, z in LPS."))
    radius_mm: float | None = setting(
        None, "mm", tr("How far the lesion reaches from the point, roughly."), gt=0, le=LARGEST_RADIUS_MM
    )
    line: PointsMm | None = setting(
        None, "mm", tr("Instead: the ends of a line across the lesion, x,y,z;x,y,z in LPS.")
    )

    @model_validator(mode="after")
    def _one_way(self) -> LesionParams:
        point = (self.at is not None, self.radius_mm is not None)
        if self.line is None and not all(point):
            raise BadInput(tr("A lesion needs 'at' and 'radius_mm', or a 'line' across it."))
        if self.line is not None and any(point):
            raise BadInput(tr("A lesion takes either 'at' and 'radius_mm' or a 'line', not both."))
        if self.line is not None and len(self.line) != 2:
            message = tr("The line across a lesion needs two points, x,y,z;x,y,z; {count} were given.")
            raise BadInput(message.format(count=len(self.line)))
        return self


def _liver(inputs: Inputs, params: LiverParams, ctx: Context) -> Mask:
    if inputs.seeds is None:
        return liver_auto(inputs.voxels, inputs.geometry, ctx)
    return liver_from_strokes(inputs.voxels, inputs.geometry, _strokes(inputs.seeds), ctx)


def _strokes(seeds: Seeds) -> Any:
    """Seeds as 1 inside and 2 outside; one that is named Background is outside, whatever its value."""
    background = seeds.background()
    if background is None:
        return seeds.labels
    strokes = np.zeros(seeds.labels.shape, dtype=np.uint8)
    others = [value for value in seeds.names if value != background]
    if len(others) > 1:
        message = tr("The liver's seeds may be two, inside and outside; there are also “{names}”.")
        raise BadInput(message.format(names="”, “".join(seeds.names[value] for value in others[1:])))
    strokes[seeds.labels != 0] = INSIDE
    strokes[seeds.labels == background] = OUTSIDE
    return strokes


def _lesion(inputs: Inputs, params: LesionParams, ctx: Context) -> Mask:
    if params.line is not None:
        return lesion_across(inputs.voxels, inputs.geometry, params.line[0], params.line[1], ctx)
    assert params.at is not None and params.radius_mm is not None
    return lesion_at(inputs.voxels, inputs.geometry, params.at, params.radius_mm, ctx)


METHODS: tuple[SegmentMethod[Any], ...] = (
    SegmentMethod(
        "liver",
        tr("Liver"),
        tr("The liver with its vessels and lesions, in CT: by itself, or from strokes inside (1) and outside (2)."),
        LiverParams,
        _liver,
        ct_only=True,
        seeds="optional",
    ),
    SegmentMethod(
        "lesion",
        tr("Lesion"),
        tr("A lesion from a point and a radius, or from a line across it."),
        LesionParams,
        _lesion,
    ),
)
