"""The trunk of the phantom: skin, chest wall, cavity and diaphragm, as functions of place (LPS mm).

x runs to the patient's left, y to the back, z to the head; the origin is the centre of the field of view, at about
the level of the first lumbar vertebra's upper plate.
"""

from __future__ import annotations

import numpy as np

from surgitwin.samples.phantom.canvas import Field, smooth_max

BODY_AXES_MM = (171.0, 122.0)
SKIN_MM = 2.0
SPINE_Y_MM = 54.0
"""Centre of the vertebral bodies."""


def _oval(x: Field, y: Field, half_width: Field | float, half_depth: Field | float) -> Field:
    """A squarish oval about (0, 0) (Fernandez-Guasti's squircle, stretched): negative inside, roughly in mm."""
    u2, v2 = (x / half_width) ** 2, (y / half_depth) ** 2
    radius = np.sqrt(np.maximum(u2 + v2 * (1 - np.float32(0.42) * np.minimum(u2, 1)), 0))
    return np.asarray((radius - 1) * half_depth, dtype=np.float32)


def _waist(z: Field) -> Field:
    """How much narrower the trunk is at each level, mm: a waist below the ribs, a taper to the head."""
    return np.asarray(9 * np.exp(-(((z + 85) / 45) ** 2)) + 5 * np.clip((z - 60) / 90, 0, 1) ** 2, dtype=np.float32)


def skin(x: Field, y: Field, z: Field) -> Field:
    waist = _waist(z)
    # The back is flatter than the belly.
    back = np.where(y > 0, np.float32(0.93), np.float32(1.0))
    return _oval(x, y, BODY_AXES_MM[0] - waist, (BODY_AXES_MM[1] - waist) * back)


def wall(x: Field, y: Field, z: Field) -> Field:
    """Outer surface of the chest and abdominal wall muscles, below the subcutaneous fat."""
    waist = _waist(z)
    return _oval(x, y + 1, 155 - waist, np.where(y > 0, 101 - 0.5 * waist, 104 - waist))


def cavity(x: Field, y: Field, z: Field) -> Field:
    """Inner surface of the wall."""
    waist = _waist(z)
    return _oval(x, y + 2, 139 - waist, np.where(y > 0, 87 - 0.3 * waist, 92 - waist))


def diaphragm_height(x: Field, y: Field) -> Field:
    """z of the upper surface of the diaphragm over each (x, y): two domes that fall to the wall, mm."""
    right = _dome(x, y, (-66.0, 0.0), (78.0, 92.0), top=106.0, low=12.0)
    left = _dome(x, y, (66.0, 2.0), (78.0, 92.0), top=93.0, low=8.0)
    middle = _dome(x, y, (4.0, -22.0), (100.0, 84.0), top=89.0, low=0.0)
    return smooth_max(smooth_max(right, left, 14), middle, 14)


def _dome(x: Field, y: Field, centre: tuple[float, float], axes: tuple[float, float], top: float, low: float) -> Field:
    rho2 = ((x - centre[0]) / axes[0]) ** 2 + ((y - centre[1]) / axes[1]) ** 2
    # The rim stands higher in front than behind.
    rim = low + np.where(y < 0, np.float32(-0.45), np.float32(-0.15)) * y
    return np.asarray(rim + (top - rim) * np.sqrt(np.maximum(0, 1 - rho2)), dtype=np.float32)
