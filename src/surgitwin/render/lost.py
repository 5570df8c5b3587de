"""Remnant that loses its inflow or outflow, as slices show it: hatched over what it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.text import tr
from surgitwin.render.content import LabelLayer, SegmentStyle
from surgitwin.render.vessel_props import SYSTEM_COLOURS

DEVASCULARISED, CONGESTED, BOTH = 1, 2, 3
BOTH_COLOUR = (233, 180, 76)
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
