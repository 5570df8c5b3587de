"""Methods that act on the shape of segments, whatever the image shows: margin, shell, islands, smoothing, logic."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import model_validator

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.islands import fill_holes, island_at, keep_islands, largest_island, split_islands
from surgitwin.segmentation.joint_smoothing import smooth_together
from surgitwin.segmentation.margins import Wall, hollow, with_margin
from surgitwin.segmentation.methods.base import (
    Inputs,
    MethodParams,
    Parts,
    PointMm,
    SegmentMethod,
    SegmentNames,
    setting,
)
from surgitwin.segmentation.runs import Connectivity, Mask
from surgitwin.segmentation.smoothing import SmoothMethod, smooth

Keep = Literal["largest", "large", "selected", "split"]
Operation = Literal["copy", "add", "subtract", "intersect", "invert"]


class MarginParams(MethodParams):
    mm: float = setting(5.0, "mm", tr("Grow by so much in every direction; negative shrinks."), ge=-100, le=100)


class HollowParams(MethodParams):
    mm: float = setting(2.0, "mm", tr("Thickness of the wall."), gt=0, le=100)
    wall: Wall = setting("inside", "", tr("Where the wall lies: inside of the surface, outside, or half and half."))


class IslandParams(MethodParams):
    keep: Keep | None = setting(
        None,
        "",
        tr("The largest island, all large ones, the selected one, or split into a segment each; else as given below."),
    )
    min_ml: float | None = setting(None, "ml", tr("Remove islands smaller than this."), gt=0)
    at: PointMm | None = setting(None, "mm", tr("A point on the island that is selected: x, y, z in LPS."))
    most: int = setting(20, "", tr("When splitting: make so many segments at most, the largest first."), ge=1, le=255)
    connectivity: Connectivity = setting(
        "faces", "", tr("Voxels hang together across faces only, or across corners too.")
    )

    @model_validator(mode="after")
    def _complete(self) -> IslandParams:
        if self.keep == "large" and self.min_ml is None:
            raise BadInput(tr("To keep all large islands give 'min_ml', the volume below which they go."))
        if self.keep == "selected" and self.at is None:
            raise BadInput(tr("To keep the selected island give 'at', a point on it."))
        return self

    def kind(self) -> Keep:
        """What is kept, if it was not said outright."""
        if self.keep is not None:
            return self.keep
        return "selected" if self.at is not None else "large" if self.min_ml is not None else "largest"


class FillHolesParams(MethodParams):
    max_ml: float | None = setting(None, "ml", tr("Leave holes larger than this; all are filled if not given."), ge=0)


class SmoothParams(MethodParams):
    mm: float = setting(
        2.0, "mm", tr("Radius (median, opening, closing) or standard deviation (gaussian)."), gt=0, le=50
    )
    method: SmoothMethod = setting("median", "", tr("Kind of smoothing."))


class SmoothTogetherParams(MethodParams):
    segments: SegmentNames = setting(..., "", tr("The segments to smooth together; where they overlap the first wins."))
    mm: float = setting(2.0, "mm", tr("Standard deviation of the smoothing."), gt=0, le=50)


class LogicParams(MethodParams):
    operation: Operation = setting("add", "", tr("What is done with the segment; “invert” takes all other voxels."))
    other: SegmentNames | None = setting(None, "", tr("The other segments: added, subtracted or intersected with."))

    @model_validator(mode="after")
    def _complete(self) -> LogicParams:
        if self.operation in ("add", "subtract", "intersect") and not self.other:
            message = tr("'{operation}' needs the setting 'other': the segments to do it with.")
            raise BadInput(message.format(operation=self.operation))
        return self


def _margin(inputs: Inputs, params: MarginParams, ctx: Context) -> Mask:
    return with_margin(inputs.segment(), inputs.geometry, params.mm, ctx)


def _hollow(inputs: Inputs, params: HollowParams, ctx: Context) -> Mask:
    return hollow(inputs.segment(), inputs.geometry, params.mm, params.wall, ctx)


def _islands(inputs: Inputs, params: IslandParams, ctx: Context) -> Mask | Parts:
    mask, geometry, kind = inputs.segment(), inputs.geometry, params.kind()
    if kind == "selected":
        assert params.at is not None
        return island_at(mask, geometry, params.at, params.connectivity, ctx)
    if kind == "split":
        labels, left = split_islands(mask, geometry, params.most, params.min_ml or 0.0, params.connectivity, ctx)
        names = {value: f"{inputs.name} {value}" for value in range(1, int(labels.max()) + 1)}
        note = tr("{count} smaller islands got no segment; the segment itself still holds them.").format(count=left)
        return Parts(labels, names, (note,) if left else ())
    if kind == "largest" or params.min_ml is None:
        return largest_island(mask, params.connectivity, ctx)
    kept = keep_islands(mask, geometry, params.min_ml, params.connectivity, ctx)
    if not kept.any():
        raise BadInput(tr("No island of the segment holds {ml:g} ml; give a smaller volume.").format(ml=params.min_ml))
    return kept


def _fill_holes(inputs: Inputs, params: FillHolesParams, ctx: Context) -> Mask:
    return fill_holes(inputs.segment(), inputs.geometry, params.max_ml, ctx)


def _smooth(inputs: Inputs, params: SmoothParams, ctx: Context) -> Mask:
    return smooth(inputs.segment(), inputs.geometry, params.mm, params.method, ctx)


def _smooth_together(inputs: Inputs, params: SmoothTogetherParams, ctx: Context) -> Parts:
    masks = inputs.segments.get("segments", {})
    if len(masks) > 255:
        raise BadInput(tr("At most 255 segments can be smoothed together."))
    labels = np.zeros(inputs.geometry.shape_kji, dtype=np.uint8)
    for number, mask in reversed(list(enumerate(masks.values(), start=1))):
        labels[mask] = number
    names = dict(enumerate(masks, start=1))
    smoothed = smooth_together(labels, inputs.geometry, params.mm, ctx)
    gone = [name for value, name in names.items() if not (smoothed == value).any()]
    if gone:
        message = tr("Smoothing by {mm:g} mm would remove “{name}” whole; give a smaller width.")
        raise BadInput(message.format(mm=params.mm, name=gone[0]))
    return Parts(smoothed, names)


def _logic(inputs: Inputs, params: LogicParams, ctx: Context) -> Mask:
    mask = inputs.segment()
    if params.operation == "copy":
        return mask
    if params.operation == "invert":
        return np.asarray(~mask)
    result = mask.copy()
    for other in inputs.segments.get("other", {}).values():
        ctx.check()
        if params.operation == "add":
            result |= other
        elif params.operation == "subtract":
            result &= ~other
        else:
            result &= other
    if not result.any():
        raise BadInput(tr("The result of '{operation}' is empty.").format(operation=params.operation))
    return result


def _acts_on_one(name: str, title: str, text: str, params: type[MethodParams], run: Any) -> SegmentMethod[Any]:
    return SegmentMethod(name, title, text, params, run, needs_segment=True)


METHODS: tuple[SegmentMethod[Any], ...] = (
    _acts_on_one("margin", tr("Margin"), tr("Grow or shrink a segment by millimetres."), MarginParams, _margin),
    _acts_on_one("hollow", tr("Hollow"), tr("Make a shell of a segment, its wall so thick."), HollowParams, _hollow),
    _acts_on_one(
        "islands",
        tr("Islands"),
        tr("Keep the largest connected part, all large ones or the selected one; or split into a segment each."),
        IslandParams,
        _islands,
    ),
    _acts_on_one("fill-holes", tr("Fill holes"), tr("Fill what a segment encloses."), FillHolesParams, _fill_holes),
    _acts_on_one("smooth", tr("Smooth"), tr("Smooth the border of a segment."), SmoothParams, _smooth),
    SegmentMethod(
        "smooth-together",
        tr("Smooth together"),
        tr("Smooth several segments at once: those that touch go on touching, without gaps or overlaps."),
        SmoothTogetherParams,
        _smooth_together,
        makes_parts=True,
    ),
    _acts_on_one("logic", tr("Logic"), tr("Copy, add, subtract, intersect or invert segments."), LogicParams, _logic),
)
