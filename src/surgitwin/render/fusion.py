"""Two images in one slice: faded into each other, or in the fields of a checkerboard, to judge how they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surgitwin.render.content import ImageContent
from surgitwin.render.slicing import SliceGrid
from surgitwin.render.windowing import Window

FusionMode = Literal["fade", "checkerboard"]
_GREY = np.uint32(0x010101)
_OPAQUE = np.uint32(0xFF000000)


@dataclass(frozen=True)
class FusionLook:
    """How two images share a slice.

    Attributes
    ----------
    share
        When fading: how much of the second image shows, 0 to 1.
    square_mm
        The edge of a field of the checkerboard.
    window
        Of the second image.
    """

    mode: FusionMode
    window: Window
    share: float = 0.5
    square_mm: float = 30.0


@dataclass(frozen=True, eq=False)
class SecondImage:
    """Another image on the grid of the one that is shown.

    Attributes
    ----------
    image
        Brought onto the first image's grid.
    outside
        The value where it does not reach: there the first image shows alone. None if it reaches everywhere.
    captions
        Lines for the corner of the view, such as the state of the registration.
    """

    image: ImageContent
    look: FusionLook
    outside: float | None = None
    captions: tuple[str, ...] = ()


def fused(
    first: NDArray[np.uint32], second: NDArray[Any], outside: float | None, look: FusionLook, grid: SliceGrid
) -> NDArray[np.uint32]:
    """One slice of both images as opaque grey pixels 0xFFgggggg.

    Parameters
    ----------
    first
        The first image's pixels, [row, column], opaque grey.
    second
        The second image's values at the same pixels.
    grid
        Of the slice.
    """
    other = look.window.argb(second)
    if look.mode == "checkerboard":
        shown = np.where(checkerboard(grid, look.square_mm), other, first)
    else:
        # In steps of 1/256, so that whole numbers do.
        share = np.uint32(round(min(max(look.share, 0.0), 1.0) * 256))
        grey = ((first & 255) * (np.uint32(256) - share) + (other & 255) * share + np.uint32(128)) >> np.uint32(8)
        shown = _OPAQUE | grey * _GREY
    if outside is not None:
        shown = np.where(second == outside, first, shown)
    return np.asarray(shown, dtype=np.uint32)


def checkerboard(grid: SliceGrid, square_mm: float) -> NDArray[np.bool_]:
    """Which pixels of a slice, [row, column], belong to the second image; fields start at the patient's 0 mm."""
    columns, rows = (
        np.floor((grid.origin[axis] + np.arange(grid.size[axis]) * grid.spacing[axis]) / square_mm).astype(np.int64)
        for axis in (0, 1)
    )
    return np.asarray((rows[:, None] + columns[None, :]) % 2 == 1)
