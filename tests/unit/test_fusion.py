"""Two images in one slice: the right place, the right share, and the first image alone where the second ends."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray

from surgitwin.commands.registered import on_grid_of, spare_value
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.imaging.registration import Registration
from surgitwin.render.content import ImageContent, SliceContent
from surgitwin.render.fusion import FusionLook, SecondImage, checkerboard, fused
from surgitwin.render.slice_picture import Slab, SlicePicture
from surgitwin.render.slicing import Orientation, SliceGrid
from surgitwin.render.windowing import Window

WINDOW = Window(256.0, 127.5)  # grey = value
FIRST = Geometry.from_parts((20, 24, 12), (1.5, 1.0, 2.5), (-14.0, -12.0, 3.0))


def turned(degrees: float) -> NDArray[np.float64]:
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def moving_grid(kind: str) -> Geometry:
    """Grids that the first image's points lie well inside of, whatever moves them."""
    if kind == "flipped":
        return Geometry.from_parts((60, 50, 40), (1.3, 1.9, 1.7), (40.0, 45.0, -20.0), np.diag([-1.0, -1.0, 1.0]))
    direction = turned(20.0) if kind == "oblique" else np.eye(3)
    return Geometry.from_parts((70, 60, 40), (1.3, 1.7, 1.9), (-45.0, -50.0, -20.0), direction)


def ramp(geometry: Geometry, along: NDArray[np.float64]) -> NDArray[np.float32]:
    """An image whose value at every LPS point is a linear function of it, which linear interpolation gives exactly."""
    k, j, i = np.indices(geometry.shape_kji)
    return (geometry.to_lps(np.stack([i, j, k], axis=-1)) @ along + 100.0).astype(np.float32)


def moves() -> dict[str, Registration]:
    shifted, rotated = np.eye(4), np.eye(4)
    shifted[:3, 3] = (3.0, -2.0, 4.0)
    rotated[:3, :3], rotated[:3, 3] = turned(12.0), (1.0, 2.0, -3.0)
    return {name: Registration("rigid", matrix) for name, matrix in (("shift", shifted), ("turn", rotated))}


@pytest.mark.parametrize("grid", ["straight", "flipped", "oblique"])
@pytest.mark.parametrize("move", ["shift", "turn"])
@pytest.mark.parametrize("orientation", list(Orientation))
def test_the_second_image_lies_where_the_registration_puts_it(grid: str, move: str, orientation: Orientation) -> None:
    registration, geometry, along = moves()[move], moving_grid(grid), np.array([1.0, -0.7, 0.5])
    on_first, outside = on_grid_of(ramp(geometry, along), geometry, registration, FIRST, Context())
    assert outside is not None and not (on_first == outside).any()
    look = FusionLook("fade", WINDOW, share=1.0)
    second = SecondImage(ImageContent(on_first, FIRST), look, outside)
    black = ImageContent(np.zeros(FIRST.shape_kji, np.int16), FIRST)
    picture = SlicePicture(orientation, SliceContent(image=black, second=second))
    slices = picture.grid
    assert slices is not None
    index = slices.count // 2
    pixels = picture.pixels(index, WINDOW, Slab())
    assert pixels is not None
    u = slices.origin[0] + np.arange(slices.size[0]) * slices.spacing[0]
    v = slices.origin[1] + np.arange(slices.size[1]) * slices.spacing[1]
    places = np.stack([*np.meshgrid(u, v), np.full((len(v), len(u)), slices.position_of(index))], axis=-1)
    expected = registration.to_moving(orientation.to_lps(places).reshape(-1, 3)) @ along + 100.0
    grey = (pixels & 255).astype(int).reshape(-1)
    assert np.abs(grey - np.clip(np.rint(expected), 0, 255)).max() <= 1


def test_fading_mixes_the_greys_by_the_share() -> None:
    grid = SliceGrid.of(FIRST, Orientation.AXIAL)
    first = WINDOW.argb(np.full((24, 20), 40, np.int16))
    second = np.full((24, 20), 200, np.int16)
    for share, expected in ((0.0, 40), (0.25, 80), (0.5, 120), (1.0, 200)):
        pixels = fused(first, second, None, FusionLook("fade", WINDOW, share), grid)
        assert (pixels == 0xFF000000 + expected * 0x010101).all()


def test_where_the_second_image_does_not_reach_the_first_shows_alone() -> None:
    grid = SliceGrid.of(FIRST, Orientation.AXIAL)
    first = WINDOW.argb(np.full((24, 20), 40, np.int16))
    second = np.full((24, 20), 200, np.int16)
    second[:, :7] = -1
    for mode in ("fade", "checkerboard"):
        pixels = fused(first, second, -1.0, FusionLook(mode, WINDOW, 1.0, square_mm=1e6), grid)  # type: ignore[arg-type]
        assert (pixels[:, :7] == first[:, :7]).all()


def test_the_fields_of_the_checkerboard_have_their_size_in_mm_and_alternate() -> None:
    grid = SliceGrid.of(FIRST, Orientation.AXIAL)
    fields = checkerboard(grid, 6.0)
    for row in range(24):
        for column in range(20):
            x, y = -14.0 + 1.5 * column, -12.0 + row
            assert fields[row, column] == ((np.floor(x / 6) + np.floor(y / 6)) % 2 == 1)
    assert 0.4 < fields.mean() < 0.6


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.uint16, np.float32])
def test_the_value_for_outside_is_none_that_the_image_has(dtype: DTypeLike) -> None:
    values = np.array([3, 40, 90], dtype)
    spare = spare_value(values)
    assert spare is not None and spare < 3 and np.dtype(dtype).type(spare) == spare
    full = np.array([0, 255], np.uint8)
    assert spare_value(full) is None
    assert spare_value(np.array([0, 254], np.uint8)) == 255
