"""Size and shape of a sac that is closed by its neck plane.

The indices are those of docs/developer/aneurysm.md (Raghavan 2005, Dhar 2008)::

    AR  = H / D_neck          SR  = H_max / D_parent     BNF = W_max / D_neck     H/W = H / W_max
    UI  = 1 - V / V_ch        EI  = 1 - (18 pi)^(1/3) V_ch^(2/3) / S_ch
    NSI = 1 - (18 pi)^(1/3) V^(2/3) / S

V and S are volume and wall of the sac, ch stands for its convex hull; neither S nor S_ch counts the neck opening. The
factor makes EI and NSI of a hemisphere 0; those of a whole sphere are 1 - 2^(-1/3) = 0.2063.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.simulators.aneurysm.closing import ClosedSac

FloatArray = NDArray[np.float64]
HEMISPHERE = math.pow(18.0 * math.pi, 1.0 / 3.0)
LEVELS = 48
IN_PLANE = 1e-6
SLIVER = 0.01


@dataclass(frozen=True)
class Shape:
    """What is measured of a closed sac.

    Attributes
    ----------
    d_neck_mm
        Diameter of the circle of the neck opening's area. It stands in AR and BNF: of the three it depends least on a
        ragged outline. (Our own choice: publications measure the neck in several ways.)
    d_neck_mean_mm
        Twice the mean distance of the outline from the opening's centroid.
    d_neck_max_mm
        Largest distance between two points of the outline.
    h_mm
        Largest height above the neck plane, at right angles to it.
    h_max_mm
        From the opening's centroid to the farthest point of the dome.
    d_max_mm
        Largest distance between two points of the sac.
    w_max_mm
        Largest distance between two points of the sac at one height above the neck plane.
    necks
        Openings that the plane makes, those below 1 % of the largest left out; more than one says that it cuts more
        than the neck.
    """

    volume_mm3: float
    area_mm2: float
    hull_volume_mm3: float
    hull_area_mm2: float
    neck_area_mm2: float
    d_neck_mm: float
    d_neck_mean_mm: float
    d_neck_max_mm: float
    h_mm: float
    h_max_mm: float
    d_max_mm: float
    w_max_mm: float
    necks: int

    @property
    def aspect_ratio(self) -> float:
        return self.h_mm / self.d_neck_mm

    @property
    def aspect_ratio_largest_neck(self) -> float:
        """The aspect ratio with the largest neck diameter, which is never larger."""
        return self.h_mm / self.d_neck_max_mm

    def size_ratio(self, parent_diameter_mm: float) -> float:
        return self.h_max_mm / parent_diameter_mm

    @property
    def bottleneck_factor(self) -> float:
        return self.w_max_mm / self.d_neck_mm

    @property
    def height_width_ratio(self) -> float:
        return self.h_mm / self.w_max_mm

    @property
    def undulation_index(self) -> float:
        return 1.0 - self.volume_mm3 / self.hull_volume_mm3

    @property
    def ellipticity_index(self) -> float:
        return 1.0 - HEMISPHERE * math.pow(self.hull_volume_mm3, 2.0 / 3.0) / self.hull_area_mm2

    @property
    def nonsphericity_index(self) -> float:
        return 1.0 - HEMISPHERE * math.pow(self.volume_mm3, 2.0 / 3.0) / self.area_mm2


def measure(sac: ClosedSac) -> Shape:
    """Size and shape of a closed sac."""
    hull_volume, hull_area = _hull(sac)
    height = sac.plane.heights(sac.points)
    centroid = sac.neck_centroid_mm
    rim = np.concatenate(sac.outlines)
    areas = [_area(sac.plane.flat(outline)) for outline in sac.outlines]
    return Shape(
        volume_mm3=sac.volume_mm3,
        area_mm2=sac.area_mm2,
        hull_volume_mm3=hull_volume,
        hull_area_mm2=hull_area,
        neck_area_mm2=sac.neck_area_mm2,
        d_neck_mm=2.0 * math.sqrt(sac.neck_area_mm2 / math.pi),
        d_neck_mean_mm=_mean_diameter(sac.outlines[0], centroid),
        d_neck_max_mm=farthest_apart(rim),
        h_mm=float(height.max()),
        h_max_mm=float(np.linalg.norm(sac.points - centroid, axis=1).max()),
        d_max_mm=farthest_apart(sac.points),
        w_max_mm=_largest_width(sac, height),
        necks=sum(area > SLIVER * max(areas) for area in areas),
    )


def farthest_apart(points_mm: FloatArray) -> float:
    """Largest distance between two of the points, (n, 3), mm.

    The extent is taken along 128 directions; the ends of the longest are then moved to the point farthest from the
    other end until nothing changes.
    The extent is taken along 128 directions; the ends of the longest are then moved to the point farthest from the
    other end until nothing changes.
    """
    directions = _half_sphere(128)
    along = points_mm @ directions.T
    ends = np.stack([along.argmax(axis=0), along.argmin(axis=0)])
    extent = np.take_along_axis(along, ends, axis=0)
    best = 0.0
    for column in np.argsort(extent[1] - extent[0])[:8]:
        one = int(ends[0, column])
        while True:
            gaps = np.linalg.norm(points_mm - points_mm[one], axis=1)
            other = int(gaps.argmax())
            if gaps[other] <= best:
                break
            best, one = float(gaps[other]), other
    return best


def _half_sphere(count: int) -> FloatArray:
    """(count, 3): directions spread evenly over a hemisphere (golden angle)."""
    z = (np.arange(count) + 0.5) / count
    turn = np.arange(count) * math.pi * (3.0 - math.sqrt(5.0))
    ring = np.sqrt(1.0 - z**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)


def _hull(sac: ClosedSac) -> tuple[float, float]:
    """Volume of the convex hull, and its area without the facets that lie in the neck plane."""
    from scipy.spatial import ConvexHull

    hull = ConvexHull(sac.points)
    corners = sac.points[hull.simplices]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2.0
    height = sac.plane.heights(sac.points)[hull.simplices]
    base = np.all(np.abs(height) < IN_PLANE * float(np.ptp(sac.points, axis=0).max()), axis=1)
    return float(hull.volume), float(areas[~base].sum())


def _largest_width(sac: ClosedSac, height: FloatArray) -> float:
    """Largest distance between two points of one section parallel to the neck plane, the neck's own included."""
    edges = np.concatenate([sac.triangles[:, [0, 1]], sac.triangles[:, [1, 2]], sac.triangles[:, [2, 0]]])
    edges = edges[edges[:, 0] < edges[:, 1]]  # each inner edge once; the rim is a section of its own
    low, high = height[edges].min(axis=1), height[edges].max(axis=1)
    places = sac.plane.flat(sac.points)
    angles = np.arange(90) * math.pi / 90
    directions = np.stack([np.cos(angles), np.sin(angles)])
    rim = sac.plane.flat(np.concatenate(sac.outlines))
    best, widest = rim, float(np.ptp(rim @ directions, axis=0).max())
    for level in (np.arange(LEVELS) + 0.5) / LEVELS * float(height.max()):
        crossing = edges[(low < level) & (high >= level)]
        if not len(crossing):
            continue
        a, b = height[crossing[:, 0]], height[crossing[:, 1]]
        section = places[crossing[:, 0]] + ((level - a) / (b - a))[:, None] * (
            places[crossing[:, 1]] - places[crossing[:, 0]]
        )
        width = float(np.ptp(section @ directions, axis=0).max())
        if width > widest:
            best, widest = section, width
    return farthest_apart(sac.plane.from_flat(best))


def _mean_diameter(outline: FloatArray, centre: FloatArray) -> float:
    """Twice the mean distance of an outline from a point, by length."""
    after = np.roll(outline, -1, axis=0)
    length = np.linalg.norm(after - outline, axis=1)
    gap = np.linalg.norm((outline + after) / 2.0 - centre, axis=1)
    return float(2.0 * np.average(gap, weights=length))


def _area(places: FloatArray) -> float:
    after = np.roll(places, -1, axis=0)
    return float((places[:, 0] * after[:, 1] - places[:, 1] * after[:, 0]).sum() / 2.0)
