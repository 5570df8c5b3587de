"""The table of segmentation methods: what the command line and the panels are built from."""

from __future__ import annotations

from typing import Any

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.methods import automatic, intensity, organs, seeded, shape, vessels
from surgitwin.segmentation.methods.base import (
    BACKGROUND,
    Inputs,
    MethodParams,
    Parts,
    PointMm,
    PointsMm,
    SeededParams,
    Seeds,
    SegmentMethod,
    SegmentName,
    SegmentNames,
    count_voxels,
)
from surgitwin.segmentation.runs import Mask

__all__ = [
    "BACKGROUND",
    "METHODS",
    "Inputs",
    "MethodParams",
    "Parts",
    "PointMm",
    "PointsMm",
    "SeededParams",
    "Seeds",
    "SegmentMethod",
    "SegmentName",
    "SegmentNames",
    "applied",
    "count_voxels",
    "method_named",
]

_TABLES = (
    intensity.METHODS,
    seeded.METHODS,
    automatic.METHODS,
    organs.METHODS,
    vessels.METHODS,
    shape.METHODS,
)  # in the order in which they are listed
METHODS: dict[str, SegmentMethod[Any]] = {method.name: method for table in _TABLES for method in table}
OTHER_NAMES = {"region-grow": "grow", "largest-island": "islands"}  # names that scripts may still use


def method_named(name: str) -> SegmentMethod[Any]:
    """The method of this name.

    Raises
    ------
    BadInput
        If there is none; the sentence lists those there are.
    """
    method = METHODS.get(OTHER_NAMES.get(name, name))
    if method is None:
        message = tr("There is no method “{name}”. There are: {names}.")
        raise BadInput(message.format(name=name, names=", ".join(METHODS)))
    return method


def applied(name: str, inputs: Inputs, params: MethodParams, *, ctx: Context) -> Mask | Parts:
    """What the method of this name makes of ``inputs``; for `Context.apart`, in whose process it is found by name."""
    return method_named(name).apply(inputs, params, ctx)
