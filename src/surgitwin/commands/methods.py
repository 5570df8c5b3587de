"""Every method that makes segments: those of `segmentation`, and those that need what `segmentation` may not import."""

from __future__ import annotations

from typing import Any

from surgitwin.core.errors import BadInput
from surgitwin.core.text import tr
from surgitwin.segmentation.methods import SegmentMethod, find_method
from surgitwin.segmentation.methods import all_methods as computed


def all_methods() -> dict[str, SegmentMethod[Any]]:
    """Every method by its name, in the order in which they are listed."""
    from surgitwin.segmenters.method import METHODS as BY_NETWORKS

    return {**computed(), **{method.name: method for method in BY_NETWORKS}}


def method_named(name: str) -> SegmentMethod[Any]:
    """The method of this name.

    Raises
    ------
    BadInput
        If there is none; the sentence lists those there are.
    """
    method = find_method(name) or all_methods().get(name)
    if method is None:
        message = tr("There is no method “{name}”. There are: {names}.")
        raise BadInput(message.format(name=name, names=", ".join(all_methods())))
    return method
