"""Every method that makes segments: those of `segmentation`, and those that need what `segmentation` may not import."""

from __future__ import annotations

from typing import Any

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.segmentation.methods import METHODS as COMPUTED
from surgitwin.segmentation.methods import OTHER_NAMES, SegmentMethod
from surgitwin.segmenters.method import METHODS as BY_NETWORKS

METHODS: dict[str, SegmentMethod[Any]] = {**COMPUTED, **{method.name: method for method in BY_NETWORKS}}


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
