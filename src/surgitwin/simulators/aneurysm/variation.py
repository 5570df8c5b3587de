"""How much size and shape change when the neck plane is moved and tilted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.simulators.aneurysm.closing import close_sac
from surgitwin.simulators.aneurysm.morphology import Shape, measure
from surgitwin.simulators.aneurysm.neck import Neck
from surgitwin.simulators.aneurysm.plane import NeckPlane
from surgitwin.simulators.aneurysm.stump import Stump, check_reach

FloatArray = NDArray[np.float64]

TILT_DEGREES = 5.0
SHAPE_VALUES = (
    "volume_mm3",
    "area_mm2",
    "d_neck_mm",
    "d_neck_max_mm",
    "h_mm",
    "h_max_mm",
    "d_max_mm",
    "w_max_mm",
    "aspect_ratio",
    "bottleneck_factor",
    "height_width_ratio",
    "undulation_index",
    "ellipticity_index",
    "nonsphericity_index",
)
"""Attributes of `Shape` that are outputs."""


@dataclass(frozen=True, eq=False)
class Site:
    """All that a measurement with any neck plane needs.

    Attributes
    ----------
    mesh
        Surface of sac and stump.
    """

    mesh: Mesh
    neck: Neck
    stump: Stump

    def shape(self, plane: NeckPlane) -> Shape:
        """Size and shape with this plane.

        Raises
        ------
        BadInput
            If the plane misses the sac, or lies below the stump.
        """
        sac = close_sac(self.mesh, plane, self.neck.dome_mm)
        check_reach(sac, self.neck, self.stump)
        return measure(sac)


@dataclass(frozen=True, eq=False)
class Varied:
    """Size and shape with many planes.

    Attributes
    ----------
    values
        (n,) of each of `SHAPE_VALUES`, of the planes that could be measured.
    kept
        (m,): which planes could.
    """

    values: Mapping[str, FloatArray]
    kept: NDArray[np.bool_]


def varied(site: Site, plane: NeckPlane, shift_voxels: FloatArray, tilt_degrees: FloatArray, ctx: Context) -> Varied:
    """Measure with the plane moved by so many voxels along its normal, (n,), and tilted about its point, (n, 2)."""
    shapes: list[Shape] = []
    kept = np.zeros(len(shift_voxels), np.bool_)
    for number, (shift, tilt) in enumerate(zip(shift_voxels, tilt_degrees, strict=True)):
        ctx.progress(number / len(shift_voxels), tr("Moving the neck plane"))
        moved = plane.moved(float(shift) * site.neck.step_mm, (float(tilt[0]), float(tilt[1])))
        try:
            shapes.append(site.shape(moved))
        except BadInput:  # this plane misses the sac; told by how many did
            continue
        kept[number] = True
    values = {name: np.array([getattr(shape, name) for shape in shapes]) for name in SHAPE_VALUES}
    return Varied(values, kept)


def extremes(site: Site, plane: NeckPlane, ctx: Context) -> dict[str, Any]:
    """The range of each value over planes one voxel up and down, and tilted by 5 degrees to four sides."""
    tilts = TILT_DEGREES * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]], dtype=np.float64)
    shifts = np.repeat([-1.0, 0.0, 1.0], len(tilts))
    found = varied(site, plane, shifts, np.tile(tilts, (3, 1)), ctx)
    ranges = {
        name: [float(values.min()), float(values.max())] if len(values) else None
        for name, values in found.values.items()
    }
    return {
        "shift_voxels": 1.0,
        "shift_mm": site.neck.step_mm,
        "tilt_degrees": TILT_DEGREES,
        "planes": len(found.kept),
        "planes_measured": int(found.kept.sum()),
        "ranges": ranges,
    }
