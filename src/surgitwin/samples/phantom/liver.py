"""The liver's shape and the planes that divide it, as functions of place (LPS mm)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import FloatArray
from surgitwin.samples.phantom.canvas import Field, ellipsoid, smooth_max, smooth_min
from surgitwin.samples.phantom.trunk import cavity, diaphragm_height

SEGMENTS = (1, 2, 3, 4, 5, 6, 7, 8)

# The inferior vena cava's course and radius; the groove it lies in is cut from the liver.
CAVA_POINTS = np.array(
    [[-26, 24, -160], [-26, 22, -60], [-25, 23, 0], [-24, 24, 50], [-22, 20, 92], [-18, 8, 116], [-16, 0, 160]], float
)
CAVA_RADII = np.array([9.5, 10.0, 10.5, 11.0, 11.5, 11.5, 11.5])
CAVA_AXIS = (-24.0, 24.0)
AORTA_AXIS = (6.0, 26.5)

# Gallbladder: a tapered tube from neck to fundus, in its fossa between segments 4 and 5.
GALLBLADDER_POINTS = np.array([[-36, -22, -2], [-42, -36, -16], [-49, -52, -27], [-53, -62, -33]], float)
GALLBLADDER_RADII = np.array([4.0, 9.0, 14.0, 13.0])

_CAUDATE = ((-9.0, 13.0, 32.0), (20.0, 16.0, 29.0))


def liver_value(x: Field, y: Field, z: Field) -> Field:
    """Negative inside the liver (parenchyma, vessels and tumours), about mm near its surface.

    Three ellipsoids (right lobe, medial, left lateral), bounded below by the oblique visceral surface, by the
    impressions of the right kidney and the stomach, behind by the spine, aorta and vena cava, outside by the wall and
    the diaphragm; the caudate lobe is added behind the hilum.
    """
    shape = smooth_min(
        ellipsoid(x, y, z, (-72, 2, 20), (62, 78, 80)), ellipsoid(x, y, z, (-18, -28, 47), (56, 45, 42)), 22
    )
    shape = smooth_min(shape, ellipsoid(x, y, z, (38, -40, 58), (56, 34, 23)), 16)
    # The visceral surface faces down, left and back.
    visceral = (0.50 * (x + 40) + 0.30 * (y + 10) - (z + 2)) / np.float32(np.sqrt(0.25 + 0.09 + 1))
    shape = smooth_max(shape, visceral, 14)
    shape = smooth_min(shape, ellipsoid(x, y, z, (-104, -4, -18), (25, 52, 56)), 18)
    shape = smooth_max(shape, -ellipsoid(x, y, z, (-62, 62, -36), (33, 31, 60)), 8)
    shape = smooth_max(shape, -ellipsoid(x, y, z, (66, 4, 38), (46, 46, 42)), 10)
    spine = np.sqrt(x**2 + ((y - 54) / 0.9) ** 2) - 38
    shape = smooth_max(shape, -spine, 8)
    shape = smooth_min(shape, ellipsoid(x, y, z, *_CAUDATE), 5)
    cava = np.sqrt((x - CAVA_AXIS[0]) ** 2 + (y - CAVA_AXIS[1]) ** 2) - 12.5
    shape = smooth_max(shape, -cava, 4)
    aorta = np.sqrt((x - AORTA_AXIS[0]) ** 2 + (y - AORTA_AXIS[1]) ** 2) - 13.5
    shape = smooth_max(shape, -aorta, 4)
    shape = smooth_max(shape, -_gallbladder(x, y, z), 4)
    shape = smooth_max(shape, cavity(x, y, z) + 1, 6)
    return smooth_max(shape, z - diaphragm_height(x, y) + 4, 8)


def _gallbladder(x: Field, y: Field, z: Field) -> Field:
    """The fossa: a tapered tube about 1.5 mm wider than the gallbladder."""
    value: Field | None = None
    pieces = zip(
        GALLBLADDER_POINTS[:-1], GALLBLADDER_POINTS[1:], GALLBLADDER_RADII[:-1], GALLBLADDER_RADII[1:], strict=True
    )
    for a, b, ra, rb in pieces:
        along = (b - a).astype(np.float32)
        dx, dy, dz = x - np.float32(a[0]), y - np.float32(a[1]), z - np.float32(a[2])
        t = np.clip((dx * along[0] + dy * along[1] + dz * along[2]) / np.float32(along @ along), 0, 1)
        gap = np.sqrt((dx - t * along[0]) ** 2 + (dy - t * along[1]) ** 2 + (dz - t * along[2]) ** 2)
        piece = gap - np.float32(ra + 1.5) - t * np.float32(rb - ra)
        value = piece if value is None else np.minimum(value, piece)
    assert value is not None
    return value


class LiverDepth:
    """`liver_value` at single places, interpolated from a 3 mm lattice: quick, and good to about a tenth of a mm."""

    LOW_MM = (-150.0, -100.0, -100.0)
    HIGH_MM = (120.0, 100.0, 130.0)
    STEP_MM = 3.0

    def __init__(self) -> None:
        x, y, z = (
            np.arange(low, high + self.STEP_MM, self.STEP_MM, dtype=np.float32)
            for low, high in zip(self.LOW_MM, self.HIGH_MM, strict=True)
        )
        self._lattice = liver_value(x[None, None, :], y[None, :, None], z[:, None, None])

    def __call__(self, points: FloatArray) -> FloatArray:
        """Values at points (n, 3), LPS mm; far outside the lattice they are those of its edge."""
        from scipy.ndimage import map_coordinates

        index = (points - np.asarray(self.LOW_MM)) / self.STEP_MM
        return np.asarray(map_coordinates(self._lattice, index[:, ::-1].T, order=1, mode="nearest"), dtype=np.float64)


def side_of(points: FloatArray, through: Sequence[float], towards: Sequence[float]) -> FloatArray:
    """Signed distance from the upright plane through two (x, y) places; positive on the patient's left of it."""
    direction = np.asarray(towards, dtype=np.float64) - np.asarray(through, dtype=np.float64)
    normal = np.array([-direction[1], direction[0]]) / np.hypot(*direction)
    return np.asarray((points[..., :2] - np.asarray(through)) @ normal)


# Upright planes, as two (x, y) places each: from the vena cava (or the fissure's back) to the front.
CANTLIE = ((-24.0, 24.0), (-50.0, -58.0))
UMBILICAL = ((-14.0, 12.0), (10.0, -62.0))
RIGHT_HEPATIC = ((-24.0, 24.0), (-104.0, -7.0))
PORTAL_LEVEL_RIGHT_MM = 24.0


def planned_segment(points: FloatArray) -> NDArray[np.int64]:
    """The Couinaud segment that each point (n, 3) is meant for, before the portal tree decides.

    Middle hepatic vein and gallbladder (Cantlie's plane) part right from left, the right hepatic vein's plane parts
    5 and 8 from 6 and 7, the level of the portal bifurcation upper from lower, the umbilical fissure 4 from 2 and 3.
    """
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    right = side_of(points, *CANTLIE) < 0
    posterior = side_of(points, *RIGHT_HEPATIC) < 0
    lateral = side_of(points, *UMBILICAL) > 0
    upper = z > PORTAL_LEVEL_RIGHT_MM + 0.12 * (x + 60)
    segment = np.where(posterior, np.where(upper, 7, 6), np.where(upper, 8, 5))
    cranial = (z - 52) * 0.8 + (y + 34) * 0.6 > 0
    left = np.where(lateral, np.where(cranial, 2, 3), 4)
    segment = np.where(right, segment, left)
    (cx, cy, cz), (ax, ay, az) = _CAUDATE
    caudate = ((x - cx) / (ax + 2)) ** 2 + ((y - cy - 2) / (ay + 1)) ** 2 + ((z - cz) / (az + 3)) ** 2 < 1
    return np.where(caudate, 1, segment).astype(np.int64)
