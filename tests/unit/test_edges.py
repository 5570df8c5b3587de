"""Outlines that find the edge: live-wire and level tracing, on discs with known borders and odd pixel spacings."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from skimage.measure import find_contours

from surgitwin.core.errors import BadInput
from surgitwin.segmentation.edges import LiveWire, level_outline, wire_outline

CENTRE, RADIUS = np.array([40.3, 52.7]), 21.4


def disc(spacing: tuple[float, float] = (1.0, 1.0), noise: float = 0.0) -> NDArray[np.float32]:
    """A bright disc, its border soft over one pixel; radius in mm."""
    rows, columns = np.indices((90, 110))
    distance = np.hypot((rows - CENTRE[0]) * spacing[0], (columns - CENTRE[1]) * spacing[1])
    image = 100.0 * np.clip(RADIUS - distance + 0.5, 0, 1)
    return (image + np.random.default_rng(1).normal(0, noise, image.shape)).astype(np.float32)


def off_the_border(outline: NDArray[np.float64], spacing: tuple[float, float]) -> NDArray[np.float64]:
    return np.asarray(np.hypot(*((outline - CENTRE) * spacing).T) - RADIUS)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.7, 0.8)])
def test_a_live_wire_follows_the_border_between_clicks(spacing: tuple[float, float]) -> None:
    turns = np.deg2rad([0, 90, 180, 270])
    clicks = [tuple(CENTRE + RADIUS / np.asarray(spacing) * (np.sin(t), np.cos(t))) for t in turns]
    outline = wire_outline(disc(spacing, noise=4.0), spacing, clicks)
    assert np.abs(off_the_border(outline, spacing)).max() < 1.6 * max(spacing)
    assert np.abs(off_the_border(outline, spacing)).mean() < 0.6 * max(spacing)


def test_a_live_wire_starts_and_ends_where_the_clicks_are() -> None:
    path = LiveWire(disc(), (1.0, 1.0)).path((10.25, 12.75), (40.0, 74.25))
    assert path[0].tolist() == [10.25, 12.75] and path[-1].tolist() == [40.0, 74.25]
    assert np.abs(np.diff(path[1:-1], axis=0)).max() == 1.0


def test_the_way_to_a_moving_mouse_is_the_one_that_a_new_search_finds() -> None:
    image, random = disc(noise=20.0), np.random.default_rng(7)
    wire, start = LiveWire(image, (1.3, 0.8)), (12.2, 9.9)
    for row, column in random.uniform((0, 0), (89, 109), (40, 2)):
        again = LiveWire(image, (1.3, 0.8)).path(start, (row, column))
        np.testing.assert_array_equal(wire.path(start, (row, column)), again)


def test_level_tracing_finds_the_border_it_is_pointed_at_to_a_part_of_a_pixel() -> None:
    outline = level_outline(disc(), (CENTRE[0], CENTRE[1] + RADIUS))
    assert np.abs(off_the_border(outline, (1.0, 1.0))).max() < 0.25


def test_level_tracing_takes_the_structure_pointed_at_of_several_of_one_value() -> None:
    image = disc()
    image[5:12, 5:12] = 100.0
    outline = level_outline(image, (8.0, 11.5))
    assert outline.max() < 14


@pytest.mark.parametrize("at", [(40.3, 74.0), (20.0, 20.0), (8.0, 100.0), (61.2, 52.0), (41.0, 31.5)])
def test_level_tracing_gives_the_contour_that_a_search_of_the_whole_slice_finds(at: tuple[float, float]) -> None:
    image = disc(noise=30.0).astype(np.float64)
    level = float(map_coordinates(image, [[at[0]], [at[1]]], order=1)[0])
    padded = np.pad(image, 1, constant_values=image.min() - 1)
    contours = [contour - 1.0 for contour in find_contours(padded, level)]  # type: ignore[no-untyped-call]
    nearest = min(contours, key=lambda contour: float(np.hypot(*(contour - at).T).min()))
    expected = np.clip(nearest[:-1], 0, np.asarray(image.shape) - 1)
    found = level_outline(image, at)
    np.testing.assert_allclose(np.sort(found, axis=0), np.sort(expected, axis=0))


def test_a_structure_at_the_edge_of_the_image_is_closed_along_it() -> None:
    image = np.zeros((30, 30), np.float32)
    image[:10, 5:20] = 100.0
    outline = level_outline(image, (9.5, 12.0))
    assert outline[:, 0].min() == 0.0 and outline[:, 0].max() == pytest.approx(9.5, abs=0.01)


def test_what_cannot_be_traced_is_refused() -> None:
    with pytest.raises(BadInput, match="outside the slice"):
        level_outline(disc(), (-3.0, 4.0))
    with pytest.raises(BadInput, match="outside the slice"):
        wire_outline(disc(), (1.0, 1.0), [(5, 5), (500, 5)])
    with pytest.raises(BadInput, match="two clicks"):
        wire_outline(disc(), (1.0, 1.0), [(5, 5)])
    with pytest.raises(BadInput, match="No closed contour"):
        level_outline(np.zeros((20, 20)), (10.0, 10.0))
