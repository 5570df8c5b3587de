"""Colours for structures that the terminology does not know: far apart, also for colour-blind eyes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]

_ENOUGH = 0.09
# Linear RGB as a deuteranope and a protanope see it: Viénot, Brettel and Mollon, Color Res Appl 1999;24:243-252.
_DEUTERANOPE = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
_PROTANOPE = np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]])
# Linear sRGB to OKLab: B. Ottosson, "A perceptual color space for image processing", 2020.
_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def next_color(used: Iterable[Color]) -> Color:
    """A colour that differs from all ``used`` ones: the next of the palette, else the farthest of many.

    Distance is taken in OKLab, for normal sight and for the two common colour blindnesses, whichever is smallest.

    Parameters
    ----------
    used
        sRGB colours, 0 to 255.
    """
    from surgitwin.segmentation.terminology import load_terminology

    taken = list(used)
    palette = load_terminology().palette
    if not taken:
        return palette[0]
    near = _distances(np.array(palette), np.array(taken))
    for color, distance in zip(palette, near, strict=True):
        if distance >= _ENOUGH:
            return color
    everything = _candidates()
    red, green, blue = (int(v) for v in everything[int(np.argmax(_distances(everything, np.array(taken))))])
    return red, green, blue


def color_distance(first: Color, second: Color) -> float:
    """The OKLab distance of two colours for the eye that tells them apart worst; 0.1 is easily seen."""
    return float(_distances(np.array([first]), np.array([second]))[0])


def _distances(candidates: NDArray[np.int64], taken: NDArray[np.int64]) -> NDArray[np.float64]:
    worst = np.full(len(candidates), np.inf)
    for sight in (np.eye(3), _DEUTERANOPE, _PROTANOPE):
        a, b = _oklab(candidates, sight), _oklab(taken, sight)
        worst = np.minimum(worst, np.linalg.norm(a[:, None] - b[None], axis=2).min(axis=1))
    return worst


def _oklab(colors: NDArray[np.int64], sight: NDArray[np.float64]) -> NDArray[np.float64]:
    srgb = colors / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ sight.T, 0.0, 1.0)
    return np.asarray(np.cbrt(seen @ _TO_LMS.T) @ _TO_LAB.T)


@cache
def _candidates() -> NDArray[np.int64]:
    """Colours of medium lightness and some saturation: what can be seen on the dark and on the light theme."""
    steps = np.arange(40, 256, 24)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _oklab(grid, np.eye(3))
    chroma = np.linalg.norm(lab[:, 1:], axis=1)
    return np.asarray(grid[(lab[:, 0] > 0.45) & (lab[:, 0] < 0.9) & (chroma > 0.05)])
