"""Pictures for reports and the command line, with no window, no display and no Qt.

Slices are drawn from the same `SlicePicture` as in the window, with Pillow in the place of QPainter.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.render.camera import CameraState, Side
from surgitwin.render.content import SceneContent, SliceContent, Vec3
from surgitwin.render.offscreen import render_offscreen
from surgitwin.render.overlay import OverlayLook
from surgitwin.render.placement import Placement
from surgitwin.render.slice_drawing import SliceDrawing
from surgitwin.render.slice_picture import Slab, SlicePicture
from surgitwin.render.slicing import Orientation
from surgitwin.render.tokens import Tokens, load_tokens
from surgitwin.render.windowing import Window, window_for


def snapshot_3d(
    content: SceneContent,
    size: tuple[int, int] = (1200, 900),
    view: Side | CameraState = Side.ANTERIOR,
    tokens: Tokens | None = None,
    pixel_ratio: float = 1.5,
) -> bytes:
    """The 3D scene as a PNG; see `render_offscreen` for the parameters and what it raises."""
    return png(render_offscreen(content, size, view, tokens, pixel_ratio=pixel_ratio))


def snapshot_slice(
    content: SliceContent,
    orientation: Orientation,
    focus: Vec3,
    size: tuple[int, int] = (1200, 900),
    window: Window | None = None,
    slab: Slab | None = None,
    look: OverlayLook | None = None,
    tokens: Tokens | None = None,
    pixel_ratio: float = 1.5,
    crosshair: bool = False,
    zoom: float = 1.0,
) -> bytes:
    """One slice as a PNG, with segments, cut lines, lesion numbers, letters, scale bar and position.

    Parameters
    ----------
    focus
        An LPS point of the slice to show.
    window
        By default the abdomen's for CT-like integers; see `window_for`.
    pixel_ratio
        How much larger texts and lines are than on a screen of normal density.
    zoom
        1 shows the whole slice; larger shows the part around ``focus``.
    """
    return png(draw_slice(content, orientation, focus, size, window, slab, look, tokens, pixel_ratio, crosshair, zoom))


def draw_slice(
    content: SliceContent,
    orientation: Orientation,
    focus: Vec3,
    size: tuple[int, int] = (1200, 900),
    window: Window | None = None,
    slab: Slab | None = None,
    look: OverlayLook | None = None,
    tokens: Tokens | None = None,
    pixel_ratio: float = 1.5,
    crosshair: bool = False,
    zoom: float = 1.0,
) -> NDArray[np.uint8]:
    """The same picture as `snapshot_slice`, as RGB of shape (height, width, 3)."""
    tokens = tokens or load_tokens("dark")
    picture = SlicePicture(orientation, content)
    if window is None:
        window = Window() if content.image is None else window_for(content.image.array)
    if look is None:
        look = OverlayLook(fill=tokens.alphas["overlay-fill"], outline_px=max(1, round(pixel_ratio)))
    placement = Placement(float(size[0]), float(size[1]), 1.0, (0.0, 0.0))
    if picture.grid is not None:
        placement = Placement.fit(picture.grid, size[0], size[1], 4 * pixel_ratio)
        if zoom > 1.0:
            u, v = (float(x) for x in orientation.to_view(focus)[:2])
            placement = Placement(size[0], size[1], placement.pixels_per_mm * zoom, (u, v))
    drawing = SliceDrawing(picture, placement, tokens, pixel_ratio)
    return drawing.draw(focus, window, slab or Slab(), look, crosshair)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """An RGB picture, shape (height, width, 3), as PNG."""
    from PIL import Image

    image: Any = Image.fromarray(pixels)
    target = io.BytesIO()
    image.save(target, format="PNG", optimize=False, compress_level=6)
    return target.getvalue()
