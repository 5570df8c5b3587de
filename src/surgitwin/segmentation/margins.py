"""Margins and shells: a segment grown or shrunk by millimetres, and its wall."""

from __future__ import annotations

from typing import Literal

import numpy as np

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.islands import occupied_box
from surgitwin.segmentation.morphology import dilate, erode, reach_ijk
from surgitwin.segmentation.runs import Mask

Wall = Literal["inside", "outside", "middle"]


def with_margin(mask: Mask, geometry: Geometry, mm: float, ctx: Context | None = None) -> Mask:
    """A mask grown by ``mm``, or shrunk if ``mm`` is negative; distances between voxel centres, in any direction.

    Raises
    ------
    BadInput
        If the mask is empty, nothing would be left, or ``mm`` reaches no neighbouring voxel.
    """
    occupied_box(mask)
    _check_reach(geometry, abs(mm), tr("A margin"))
    if mm > 0:
        return dilate(mask, geometry, mm, ctx)
    shrunk = erode(mask, geometry, -mm, ctx)
    if not shrunk.any():
        raise BadInput(tr("Shrinking by {mm:g} mm would leave nothing; give less.").format(mm=-mm))
    return shrunk


def hollow(mask: Mask, geometry: Geometry, mm: float, wall: Wall = "inside", ctx: Context | None = None) -> Mask:
    """The shell of a mask, ``mm`` thick.

    Parameters
    ----------
    wall
        ``inside``: the mask is the outer surface. ``outside``: it is the inner surface. ``middle``: half to each side.

    Raises
    ------
    BadInput
        If the mask is empty, or the wall is thinner than a voxel.
    """
    ctx = ctx or Context()
    occupied_box(mask)
    reach = mm / 2 if wall == "middle" else mm
    _check_reach(geometry, reach, tr("A wall"), per_voxel=2 if wall == "middle" else 1)
    outer = dilate(mask, geometry, reach, ctx.part(0.0, 0.5)) if wall != "inside" else mask
    inner = erode(mask, geometry, reach, ctx.part(0.5, 1.0)) if wall != "outside" else mask
    return np.asarray(outer & ~inner)


def _check_reach(geometry: Geometry, mm: float, what: str, per_voxel: int = 1) -> None:
    if not np.isfinite(mm) or not any(reach_ijk(geometry, mm)):
        size = " x ".join(f"{v:.2g}" for v in geometry.spacing_mm)
        message = tr("{what} of {mm:g} mm changes nothing: the voxels are {size} mm; give at least {least:.2g} mm.")
        least = min(geometry.spacing_mm) * per_voxel
        raise BadInput(message.format(what=what, mm=mm * per_voxel, size=size, least=least))
