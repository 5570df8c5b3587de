"""Straight tubes in tissue for tests of vessels: exact masks and a blurred, noisy CT, on an oblique grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Geometry
from surgitwin.segmentation.runs import Mask

TISSUE, BLOOD, NOISE = 100.0, 170.0, 8.0
Line = tuple[tuple[float, float, float], tuple[float, float, float], float]


def grid(flip: bool = False) -> Geometry:
    """An oblique grid of odd spacings, 66 x 58 x 46 voxels, if wanted left-handed."""
    a, b = 0.3, -0.2
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])
    tilt = np.array([[1.0, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    direction = turn @ tilt
    if flip:
        direction[:, 1] *= -1
    return Geometry.from_parts((66, 58, 46), (0.9, 0.8, 1.3), (-31.7, 12.3, -205.5), direction)


def local_mm(geometry: Geometry) -> NDArray[np.float64]:
    """Millimetres along i, j and k of every voxel, (k, j, i, 3); lines are drawn in this frame."""
    k, j, i = np.indices(geometry.shape_kji)
    return np.stack([i, j, k], axis=-1) * np.array(geometry.spacing_mm)


def at(geometry: Geometry, point: tuple[float, float, float]) -> tuple[float, float, float]:
    """LPS of a place in millimetres along i, j and k."""
    x, y, z = geometry.to_lps(np.array(point) / np.array(geometry.spacing_mm))
    return float(x), float(y), float(z)


def gap_to(places: NDArray[np.float64], line: Line) -> NDArray[np.float64]:
    """Signed distance of every place from the wall of a straight tube."""
    a, b, radius = np.array(line[0]), np.array(line[1]), line[2]
    t = np.clip((places - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    return np.asarray(np.linalg.norm(places - (a + t[..., None] * (b - a)), axis=-1) - radius)


def drawn(geometry: Geometry, lines: list[Line]) -> Mask:
    places = local_mm(geometry)
    return np.asarray(np.min([gap_to(places, line) for line in lines], axis=0) <= 0)


def scanned(geometry: Geometry, lines: list[Line], noise: float = NOISE, seed: int = 3) -> NDArray[np.int16]:
    """A CT of tubes in tissue: blurred by 0.7 mm, noisy."""
    from scipy import ndimage

    places = local_mm(geometry)
    wall = np.min([gap_to(places, line) for line in lines], axis=0)
    clean = TISSUE + (BLOOD - TISSUE) * np.clip(0.5 - wall, 0, 1)
    clean = ndimage.gaussian_filter(clean, 0.7 / np.array(geometry.spacing_mm[::-1]))
    return np.rint(clean + np.random.default_rng(seed).normal(0, noise, clean.shape)).astype(np.int16)


def dice(a: Mask, b: Mask) -> float:
    return float(2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)))


def organ_of(geometry: Geometry) -> Mask:
    organ = np.zeros(geometry.shape_kji, dtype=np.bool_)
    organ[3:-3, 4:-4, 4:-4] = True
    return organ


A: list[Line] = [((4.0, 16.0, 28.0), (52.0, 20.0, 28.0), 2.8), ((14.0, 16.8, 28.0), (30.0, 33.0, 16.0), 1.6)]
B: list[Line] = [((30.0, 44.0, 33.4), (30.0, 3.0, 33.4), 2.4)]  # crosses over the first and touches it
C: list[Line] = [((50.0, 44.0, 38.0), (40.0, 30.0, 34.0), 1.9), ((40.0, 30.0, 34.0), (38.0, 22.4, 30.2), 1.4)]
ENDS_A, ENDS_B = (6.0, 16.2, 28.0), (30.0, 42.0, 33.4)
