"""Slices as PNG without a window: the same sides, colours and texts as in the window."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.core.geometry import Geometry
from surgitwin.render.content import ImageContent, LabelLayer, MarkerContent, PlaneContent, SegmentStyle, SliceContent
from surgitwin.render.overlay import OverlayLook
from surgitwin.render.slicing import Orientation
from surgitwin.render.snapshot import draw_slice, snapshot_slice
from surgitwin.render.tokens import load_tokens
from surgitwin.render.windowing import Window

GEOMETRY = Geometry.from_parts((80, 60, 40), (2.0, 2.0, 4.0), (-79.0, -59.0, -78.0))
SIZE = (400, 320)


def content(**changes: object) -> SliceContent:
    array = np.full(GEOMETRY.shape_kji, -1000, dtype=np.int16)
    array[:, 20:30, 55:65] = 2000
    labels = np.zeros(GEOMETRY.shape_kji, dtype=np.uint8)
    labels[:, 20:40, 12:30] = 1
    layer = LabelLayer(labels, GEOMETRY, (SegmentStyle(1, (255, 0, 0)),))
    return SliceContent(ImageContent(array, GEOMETRY, "CT"), (layer,), **changes)  # type: ignore[arg-type]


def near(picture: NDArray[np.uint8], colour: tuple[int, int, int], by: int = 12) -> NDArray[np.bool_]:
    return np.asarray(np.abs(picture.astype(int) - colour).max(axis=-1) <= by)


def test_bone_and_segment_lie_on_their_sides() -> None:
    picture = draw_slice(content(), Orientation.AXIAL, (0, 0, 0), SIZE, Window(350, 50), pixel_ratio=1)
    rows, columns = np.nonzero(near(picture[40:240, 200:390], (255, 255, 255)))
    assert columns.size > 500 and rows.mean() < 120, "bone on the patient's left, in front"
    look = OverlayLook(1.0, 0)
    picture = draw_slice(content(), Orientation.AXIAL, (0, 0, 0), SIZE, Window(350, 50), look=look, pixel_ratio=1)
    rows, columns = np.nonzero(near(picture, (255, 0, 0)))
    assert columns.mean() < 150 and columns.size > 3000


def test_a_pixel_shows_the_voxel_that_lies_there() -> None:
    from surgitwin.render.placement import Placement
    from surgitwin.render.slicing import SliceGrid

    for orientation in Orientation:
        picture = draw_slice(content(), orientation, (41.0, -11.0, 0.0), SIZE, Window(350, 50), pixel_ratio=1)
        placement = Placement.fit(SliceGrid.of(GEOMETRY, orientation), *SIZE, 4)
        x, y = placement.to_pixels(orientation.to_view((41.0, -11.0, 2.0))[:2])
        assert picture[round(y), round(x)].min() > 250
        x, y = placement.to_pixels(orientation.to_view((41.0, 20.0, 2.0))[:2])
        if orientation is not Orientation.CORONAL:
            assert picture[round(y), round(x)].max() < 5


def test_the_cut_the_lesion_number_and_the_edge_of_the_view_have_their_colours() -> None:
    tokens = load_tokens("dark")
    plane = PlaneContent("cut", (0, 0, 0), (1, 0.2, 0))
    marker = MarkerContent("1", (-40, 0, 0), (-45, -5, -5), (-35, 5, 5))
    picture = draw_slice(content(planes=(plane,), markers=(marker,)), Orientation.AXIAL, (0, 0, 0), SIZE)
    assert near(picture, tokens.rgb("cut")).sum() > 400
    assert near(picture, tokens.rgb("lesion")).sum() > 40
    assert near(picture[:2], tokens.rgb("view-axial")).all()
    elsewhere = draw_slice(content(planes=(plane,), markers=(marker,)), Orientation.AXIAL, (0, 0, 40), SIZE)
    assert near(elsewhere, tokens.rgb("lesion")).sum() == 0


def test_an_unknown_side_is_written_on_the_picture() -> None:
    known = content()
    assert known.image is not None
    unsure = SliceContent(ImageContent(known.image.array, GEOMETRY, "CT", side_confirmed=False))
    amber = load_tokens("dark").rgb("caution")
    pictures = [draw_slice(c, Orientation.AXIAL, (0, 0, 0), SIZE, pixel_ratio=1) for c in (known, unsure)]
    assert near(pictures[0], amber, 25).sum() == 0 < near(pictures[1], amber, 25).sum()


@pytest.mark.parametrize("orientation", list(Orientation))
def test_a_snapshot_is_a_png_of_the_size_asked_for(orientation: Orientation) -> None:
    from PIL import Image

    image = Image.open(io.BytesIO(snapshot_slice(content(), orientation, (0, 0, 0), (300, 200), zoom=2.0)))
    assert (image.format, image.size) == ("PNG", (300, 200))


def test_no_image_and_a_slice_outside_the_volume_give_a_dark_picture() -> None:
    for shown, point in ((SliceContent(), (0, 0, 0)), (content(), (0, 0, 900.0))):
        picture = draw_slice(shown, Orientation.AXIAL, point, (100, 80))
        assert picture.shape == (80, 100, 3)
        assert np.median(picture) == 0


def test_slices_are_drawn_without_qt_and_without_opengl() -> None:
    script = (
        "import numpy as np, sys\n"
        "from surgitwin.core.geometry import Geometry\n"
        "from surgitwin.render.content import ImageContent, SliceContent\n"
        "from surgitwin.render.slicing import Orientation\n"
        "from surgitwin.render.snapshot import snapshot_slice\n"
        "image = ImageContent(np.zeros((4, 5, 6), np.int16), Geometry.from_parts((6, 5, 4)))\n"
        "snapshot_slice(SliceContent(image), Orientation.AXIAL, (0, 0, 0), (60, 40))\n"
        "loaded = [m for m in sys.modules if m.startswith(('PySide6', 'vtkmodules.vtkRendering'))]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
