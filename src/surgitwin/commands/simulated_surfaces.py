"""Surfaces for simulators that measure one: simulators cannot make surfaces, commands hand them over."""

from __future__ import annotations

from surgitwin.core.progress import Context
from surgitwin.simulators.base import Inputs
from surgitwin.simulators.surface_wanted import WantsSurface


def with_surface(inputs: Inputs, ctx: Context) -> Inputs:
    """The same inputs, with the surface that they ask for if they ask for one.

    Raises
    ------
    BadInput
        If there is nothing to make a surface of.
    """
    if not isinstance(inputs, WantsSurface):
        return inputs
    from surgitwin.surfaces import mask_surface

    mask, geometry, box = inputs.mask_for_surface()
    return inputs.with_surface(mask_surface(mask, geometry, box, ctx=ctx).mesh)
