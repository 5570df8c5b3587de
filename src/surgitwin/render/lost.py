"""Remnant that loses its inflow or outflow, as slices and the 3D view show it: hatched over what it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.render.content import LabelLayer, SegmentStyle, SurfaceContent
from surgitwin.render.vessel_props import SYSTEM_COLOURS

DEVASCULARISED, CONGESTED, BOTH = 1, 2, 3
BOTH_COLOUR = (233, 180, 76)
OPACITY_3D = 0.65
STYLES = (
    SegmentStyle(DEVASCULARISED, SYSTEM_COLOURS["portal"], name=tr("no inflow"), hatched=True),
    SegmentStyle(CONGESTED, SYSTEM_COLOURS["hepatic"], name=tr("no outflow"), hatched=True),
    SegmentStyle(BOTH, BOTH_COLOUR, name=tr("neither inflow nor outflow"), hatched=True),
)


def lost_layer(
    devascularised: NDArray[np.bool_] | None,
    congested: NDArray[np.bool_] | None,
    geometry: Geometry,
    bounds: Callable[[], Box | None] | None = None,
) -> LabelLayer | None:
    """The layer to lay over the slices.

    Parameters
    ----------
    devascularised, congested
        [k, j, i] of the whole grid; None where it was not assessed.
    bounds
        As in `LabelLayer`.

    Returns
    -------
    None if nothing was assessed.
    """
    if devascularised is None and congested is None:
        return None
    labels = np.zeros(geometry.shape_kji, dtype=np.uint8)
    for value, mask in ((DEVASCULARISED, devascularised), (CONGESTED, congested)):
        if mask is not None:
            labels |= np.where(mask, np.uint8(value), np.uint8(0))
    return LabelLayer(labels, geometry, STYLES, bounds)


def lost_surfaces(layer: LabelLayer, box: Box, ctx: Context) -> tuple[SurfaceContent, ...]:
    """The same in 3D: a hatched surface around each kind of loss that there is.

    Parameters
    ----------
    box
        What lies outside of it is not looked at.
    """
    from surgitwin.surfaces import surfaces_from_labels

    wide = box.grown(1, layer.geometry.size_ijk)
    labels = np.ascontiguousarray(layer.array[wide.slices])
    values = [style.value for style in layer.styles if (labels == style.value).any()]
    made = surfaces_from_labels(labels, layer.geometry.cropped(wide), values, ctx=ctx)
    return tuple(
        SurfaceContent(
            f"lost:{style.value}", made[style.value].mesh, style.colour, OPACITY_3D, True, style.name, hatched=True
        )
        for style in layer.styles
        if style.value in made
    )
