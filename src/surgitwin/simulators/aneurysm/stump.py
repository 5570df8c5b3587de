"""The sac continued into the parent vessel by a stump, as its wall runs where it meets the vessel.

The surface of the sac alone is rounded where it was cut from its vessel, just at the neck (measured on spheres on flat
parents: D_neck too small by a millimetre). Continued by a stump it runs through the neck plane as the wall does, also
when the plane is moved by a voxel or tilted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.text import tr
from surgitwin.simulators.aneurysm.closing import ClosedSac
from surgitwin.simulators.aneurysm.neck import Neck

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

DEPTH_VOXELS = 4.0
TILT_DEGREES = 6.0  # the stump reaches below planes that are tilted by up to this
STEP_VOXELS = 0.25
FIT_VOXELS = (1, 7)
CONTINUED_VOXELS = 1.5
LEAST_SHARE, MOST_SHARE = 0.4, 1.5


@dataclass(frozen=True, eq=False)
class Stump:
    """Sac and stump as one mask.

    Attributes
    ----------
    mask
        [k, j, i] of ``box``.
    box
        Where it lies in the image.
    depth_mm
        How far below the neck plane the stump reaches.
    """

    mask: Mask
    box: Box
    depth_mm: float


def with_stump(sac: Mask, parent: Mask, geometry: Geometry, neck: Neck, box: Box | None = None) -> Stump:
    """The sac, and those voxels of the parent that continue it below its neck.

    Parameters
    ----------
    sac, parent, geometry, box
        As for `neck.find_neck`.
    """
    place = box or geometry.full_box
    voxel = max(geometry.spacing_mm)
    radius = math.sqrt(neck.projected_mm2 / math.pi)
    depth = DEPTH_VOXELS * voxel + radius * math.tan(math.radians(TILT_DEGREES))
    around = Box.of_mask(sac).grown(math.ceil(depth / min(geometry.spacing_mm)) + 2, place.size_ijk)
    local = geometry.cropped(place).cropped(around)
    mask = sac[around.slices].astype(np.bool_)
    ground = _Ground(mask.copy(), parent[around.slices] & ~mask, local, neck)
    cells = np.argwhere(ground.parent)
    height = neck.plane.heights(local.to_lps(cells[:, ::-1]))
    # First what the plane cuts off the vessel inside the neck, where sac and vessel meet in a saddle.
    ridge = cells[(height > 0) & (height <= ground.top_mm)]
    mask[tuple(ridge[ground.leads_into_sac(local.to_lps(ridge[:, ::-1]))].T)] = True
    below = (height > -depth) & (height <= 0)
    cells, height = cells[below], height[below]
    widths = _widths_below(mask, local, neck, -height)
    places = local.to_lps(cells[:, ::-1])
    flat = neck.plane.flat(places)
    widened = places + (flat / widths[:, None] - flat) @ neck.plane.axes
    mask[tuple(cells[ground.leads_into_sac(widened)].T)] = True
    return Stump(mask, around.moved(place.start), depth)


def _widths_below(sac: Mask, geometry: Geometry, neck: Neck, depth_mm: FloatArray) -> FloatArray:
    """How wide the sac would be below its neck plane if it went on as it does above, as a share of the neck's width.

    Sections are fitted by a quadratic in height, which they are for spheres, ellipsoids, cones and cylinders. The
    wall is continued for some voxels only, for what lies deeper is not the sac's.
    """
    height = neck.plane.heights(geometry.to_lps(np.argwhere(sac)[:, ::-1])) / neck.step_mm
    levels = np.arange(FIT_VOXELS[0], min(FIT_VOXELS[1], math.floor(height.max()) - 1))
    if len(levels) < 4:
        return np.ones(len(depth_mm))
    areas = np.histogram(height, np.append(levels, levels[-1] + 1))[0].astype(np.float64)
    fit = np.polynomial.Polynomial.fit(levels + 0.5, areas, 2)
    at_neck = max(float(fit(0.0)), 1e-9)
    share = fit(-np.minimum(depth_mm / neck.step_mm, CONTINUED_VOXELS)) / at_neck
    return np.asarray(np.sqrt(np.clip(share, LEAST_SHARE, MOST_SHARE)))


@dataclass(frozen=True, eq=False)
class _Ground:
    """Where the sac and its parent are around the neck, [k, j, i] each."""

    sac: Mask
    parent: Mask
    geometry: Geometry
    neck: Neck

    @property
    def top_mm(self) -> float:
        """The highest place at which sac and parent meet, above the plane."""
        return float(self.neck.plane.heights(self.neck.faces_mm).max())

    def leads_into_sac(self, places_mm: FloatArray) -> NDArray[np.bool_]:
        """From which places (n, 3) the way along the normal reaches the sac through the parent alone."""
        index = self.geometry.to_index(places_mm)[:, ::-1]
        step = STEP_VOXELS * self.neck.step_mm * np.array(self.neck.plane.normal)
        along = (self.geometry.inverse[:3, :3] @ step)[::-1]
        found = np.zeros(len(index), np.bool_)
        under_way = np.arange(len(index))
        last = np.array(self.sac.shape) - 1
        lowest = min(float(self.neck.plane.heights(places_mm).min(initial=0.0)), 0.0)
        reach = (self.top_mm - lowest) / self.neck.step_mm + 2.0
        for number in range(math.ceil(reach / STEP_VOXELS)):
            at = np.rint(index[under_way] + number * along).astype(np.int64)
            within = np.all((at >= 0) & (at <= last), axis=1)
            under_way, at = under_way[within], at[within]
            arrived = self.sac[tuple(at.T)]
            found[under_way[arrived]] = True
            under_way = under_way[~arrived & self.parent[tuple(at.T)]]
            if not under_way.size:
                break
        return found


def check_reach(sac: ClosedSac, neck: Neck, stump: Stump) -> None:
    """See that a plane does not cut below the stump, where nothing says what the sac is.

    Raises
    ------
    BadInput
        If it does.
    """
    lowest = min(float(neck.plane.heights(outline).min()) for outline in sac.outlines[:1])
    allowed = stump.depth_mm - 1.5 * neck.step_mm
    if lowest < -allowed:
        message = tr(
            "The neck plane reaches {mm:.1f} mm into the parent vessel, seen from where it meets the sac; at most"
            " {most:.1f} mm can be measured. Move it towards the sac."
        )
        raise BadInput(message.format(mm=-lowest, most=allowed))
