"""Methods that start from seeds of several structures at once, and filling between drawn slices."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.between_slices import Axis, fill_between_slices
from surgitwin.segmentation.methods.base import (
    Inputs,
    MethodParams,
    Parts,
    SeededParams,
    Seeds,
    SegmentMethod,
    setting,
)
from surgitwin.segmentation.runs import Mask
from surgitwin.segmentation.seeds import SeedFollower
from surgitwin.segmentation.watershed import watershed_from_seeds


class GrowSeedsParams(SeededParams):
    margin_mm: float | None = setting(
        30.0, "mm", tr("Grow no farther beyond the box around all seeds than this; none: to the image's edge."), ge=0
    )


class WatershedParams(SeededParams):
    sigma_mm: float = setting(1.0, "mm", tr("Smooth by this before edges are looked for."), ge=0, le=20)
    margin_mm: float | None = setting(
        30.0, "mm", tr("Flood no farther beyond the box around all seeds than this; none: to the image's edge."), ge=0
    )


class InterpolateParams(MethodParams):
    axis: Axis | None = setting(
        None, "", tr("Grid axis across which the slices were drawn; found by itself if not given.")
    )


def _seeds(inputs: Inputs) -> Seeds:
    assert inputs.seeds is not None
    return inputs.seeds


def _parts(labels: Any, seeds: Seeds) -> Parts:
    """The segments that a user wants: all but the background."""
    background = seeds.background()
    names = {value: name for value, name in seeds.names.items() if value != background}
    if not names:
        raise BadInput(tr("There is a background seed only. Mark a structure as well."))
    return Parts(labels, names)


def _grow(inputs: Inputs, params: GrowSeedsParams, ctx: Context) -> Parts:
    return FollowedSeeds().apply(inputs, params, ctx)


class FollowedSeeds:
    """The method "seeds", again and again while its seeds are edited; from any thread, one run at a time.

    Attributes
    ----------
    updates
        How many edits were followed up since the last run from nothing.
    """

    def __init__(self) -> None:
        self._follower = SeedFollower()
        self._working = Lock()

    @property
    def updates(self) -> int:
        return self._follower.updates

    def apply(self, inputs: Inputs, params: MethodParams, ctx: Context) -> Parts:
        """What the method finds, bit for bit; after an edit by the work that the edit needs."""
        assert isinstance(params, GrowSeedsParams)
        seeds = _seeds(inputs)
        with self._working:
            labels = self._follower.grow(
                inputs.voxels, seeds.labels, inputs.geometry, in_hu=inputs.in_hu, margin_mm=params.margin_mm, ctx=ctx
            )
        return _parts(labels, seeds)


def _watershed(inputs: Inputs, params: WatershedParams, ctx: Context) -> Parts:
    seeds = _seeds(inputs)
    labels = watershed_from_seeds(
        inputs.voxels,
        seeds.labels,
        inputs.geometry,
        sigma_mm=params.sigma_mm,
        margin_mm=params.margin_mm,
        ctx=ctx,
    )
    return _parts(labels.astype(np.uint16), seeds)


def _interpolate(inputs: Inputs, params: InterpolateParams, ctx: Context) -> Mask:
    return fill_between_slices(inputs.segment(), inputs.geometry, params.axis, ctx)


METHODS: tuple[SegmentMethod[Any], ...] = (
    SegmentMethod(
        "seeds",
        tr("Grow from seeds"),
        tr("Several segments at once from a few strokes in each; one called Background competes and is not kept."),
        GrowSeedsParams,
        _grow,
        seeds="needed",
        makes_parts=True,
    ),
    SegmentMethod(
        "watershed",
        tr("Watershed"),
        tr("Several segments at once: the seeds flood the image until they meet at its edges."),
        WatershedParams,
        _watershed,
        seeds="needed",
        makes_parts=True,
    ),
    SegmentMethod(
        "interpolate",
        tr("Fill between slices"),
        tr("Shape a segment that was drawn in some slices in the slices between them."),
        InterpolateParams,
        _interpolate,
        needs_segment=True,
    ),
)
