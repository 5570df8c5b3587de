"""The table of segmentation methods: what the command line and the panels are built from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
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
    "all_methods",
    "applied",
    "count_voxels",
    "find_method",
    "method_named",
]

OTHER_NAMES = {"region-grow": "grow", "largest-island": "islands"}  # names that scripts may still use


def _tables() -> Iterator[tuple[SegmentMethod[Any], ...]]:
    """The methods in the order in which they are listed; only those that are asked for are imported."""
    from surgitwin.segmentation.methods import intensity

    yield intensity.METHODS
    from surgitwin.segmentation.methods import seeded

    yield seeded.METHODS
    from surgitwin.segmentation.methods import automatic

    yield automatic.METHODS
    from surgitwin.segmentation.methods import organs

    yield organs.METHODS
    from surgitwin.segmentation.methods import vessels

    yield vessels.METHODS
    from surgitwin.segmentation.methods import shape

    yield shape.METHODS


def all_methods() -> dict[str, SegmentMethod[Any]]:
    """Every method by its name."""
    return {method.name: method for table in _tables() for method in table}


def find_method(name: str) -> SegmentMethod[Any] | None:
    """The method of this name, if there is one."""
    name = OTHER_NAMES.get(name, name)
    return next((method for table in _tables() for method in table if method.name == name), None)


def method_named(name: str) -> SegmentMethod[Any]:
    """The method of this name.

    Raises
    ------
    BadInput
        If there is none; the sentence lists those there are.
    """
    method = find_method(name)
    if method is None:
        message = tr("There is no method “{name}”. There are: {names}.")
        raise BadInput(message.format(name=name, names=", ".join(all_methods())))
    return method


def applied(name: str, inputs: Inputs, params: MethodParams, *, ctx: Context) -> Mask | Parts:
    """What the method of this name makes of ``inputs``; for `Context.apart`, in whose process it is found by name."""
    return method_named(name).apply(inputs, params, ctx)
