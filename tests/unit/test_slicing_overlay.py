"""Segments over a slice and grey values: colours, edges, visibility, presets."""

import itertools

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.render.content import ImageContent, LabelLayer, MarkerContent, SegmentStyle, SliceContent
from surgitwin.render.overlay import OverlayLook, nearest_labels, overlay_patch, premultiplied, smooth_labels
from surgitwin.render.placement import Placement
from surgitwin.render.slice_picture import Slab, SlicePicture
from surgitwin.render.slicing import Orientation, SliceGrid
from surgitwin.render.tokens import load_tokens, parse_colour, theme_names
from surgitwin.render.windowing import Window, window_for, window_presets

GEOMETRY = Geometry.from_parts((8, 6, 4), (2.0, 3.0, 5.0))
GRID = SliceGrid.of(GEOMETRY, Orientation.AXIAL)
RED = SegmentStyle(1, (200, 40, 20))


def labels_with(row: int, column: int, value: int = 1) -> np.ndarray:  # type: ignore[type-arg]
    labels = np.zeros((6, 8), dtype=np.uint8)
    labels[row, column] = value
    return labels


def test_a_voxel_is_coloured_exactly_where_it_lies() -> None:
    placement = Placement.fit(GRID, 160, 180)
    patch = overlay_patch(labels_with(1, 6), GRID, (RED,), placement, OverlayLook(1.0, 0, smooth=False))
    assert patch is not None
    rows, columns = np.nonzero(patch.argb)
    left, top = patch.left + columns.min(), patch.top + rows.min()
    assert (left, top) == (120, 30), "10 pixels to the millimetre, voxels of 2 x 3 mm"
    assert (columns.max() - columns.min() + 1, rows.max() - rows.min() + 1) == (20, 30)
    assert patch.argb[rows[0], columns[0]] == 0xFFC82814


def test_a_single_voxel_does_not_vanish_when_edges_are_smoothed() -> None:
    placement = Placement.fit(GRID, 160, 180)
    patch = overlay_patch(labels_with(3, 3), GRID, (RED,), placement, OverlayLook(1.0, 0))
    assert patch is not None
    area = np.count_nonzero(patch.argb)
    assert 0.25 * 600 < area < 600
    rows, columns = np.nonzero(patch.argb)
    assert patch.left + columns.mean() == pytest.approx(69.5, abs=0.6)
    assert patch.top + rows.mean() == pytest.approx(104.5, abs=0.6)


def test_smoothing_leaves_straight_edges_and_large_areas_as_they_are() -> None:
    labels = np.zeros((40, 40), dtype=np.uint8)
    labels[:, 20:] = 3
    at = (np.arange(400) + 0.5) / 10 - 0.5
    assert np.array_equal(smooth_labels(labels, at, at), nearest_labels(labels, at, at))


def test_smoothing_keeps_the_area_of_a_disc_to_one_per_cent_and_shortens_its_stairs() -> None:
    y, x = np.mgrid[:60, :60]
    disc = ((x - 30) ** 2 + (y - 29) ** 2 < 22**2).astype(np.uint8)
    at = (np.arange(600) + 0.5) / 10 - 0.5
    smooth = smooth_labels(disc, at, at)
    assert np.count_nonzero(smooth) / 100 == pytest.approx(np.count_nonzero(disc), rel=0.01)
    assert set(np.unique(smooth)) == {0, 1}
    edge = np.hypot(*np.gradient(smooth.astype(float))) > 0
    distance = np.abs(np.hypot(*(np.argwhere(edge) / 10 - 0.45 - (29, 30)).T) - 22)
    assert distance.max() < 0.75


def test_hidden_and_transparent_segments_draw_nothing() -> None:
    placement = Placement.fit(GRID, 160, 180)
    for style in (
        SegmentStyle(1, (9, 9, 9), visible=False),
        SegmentStyle(1, (9, 9, 9), 0.0),
        SegmentStyle(2, (9, 9, 9)),
    ):
        patch = overlay_patch(labels_with(1, 1), GRID, (style,), placement, OverlayLook())
        assert patch is None or not patch.argb.any()


def test_an_outline_has_the_thickness_asked_for_and_lies_inside() -> None:
    labels = np.ones((6, 8), dtype=np.uint8)
    labels[:, :4] = 0
    placement = Placement.fit(GRID, 160, 180)
    patch = overlay_patch(labels, GRID, (RED,), placement, OverlayLook(0.0, 2, smooth=False))
    assert patch is not None
    row = np.flatnonzero(patch.argb[90]) + patch.left
    assert list(row[:2]) == [80, 81]
    assert len(row) == 2


def test_labels_of_sixteen_bits_get_their_colours() -> None:
    labels = labels_with(2, 2).astype(np.uint16) * 4000
    patch = overlay_patch(
        labels, GRID, (SegmentStyle(4000, (1, 2, 3)),), Placement.fit(GRID, 80, 90), OverlayLook(1.0, 0)
    )
    assert patch is not None and np.count_nonzero(patch.argb) > 0


def test_colours_are_premultiplied() -> None:
    assert premultiplied((255, 128, 0), 0.5) == 0x80804000
    assert premultiplied((255, 255, 255), 2.0) == 0xFFFFFFFF


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.float32, np.uint8])
def test_window_and_level_map_the_window_to_black_and_white(dtype: type) -> None:
    values = np.array([0, 10, 60, 110, 200], dtype=dtype)
    assert list(Window(100, 60).grey(values)) == [0, 0, 128, 255, 255]
    assert list(Window(100, 60, inverted=True).grey(values)) == [255, 255, 127, 0, 0]
    assert list(Window(100, 60).argb(values)) == [0xFF000000, 0xFF000000, 0xFF808080, 0xFFFFFFFF, 0xFFFFFFFF]


def test_negative_values_of_ct_are_dark() -> None:
    assert list(Window(350, 50).grey(np.array([-1024, -125, 225, 3071], dtype=np.int16))) == [0, 0, 255, 255]


def test_the_first_four_presets_have_the_number_keys() -> None:
    keys = {preset.key: preset.window.text for preset in window_presets() if preset.key}
    assert keys == {1: "W 350 L 50", 2: "W 150 L 90", 3: "W 1500 L -600", 4: "W 2000 L 300"}


def test_an_mr_image_opens_with_a_window_from_its_own_values() -> None:
    array = np.linspace(0, 1000, 8000).reshape(20, 20, 20).astype(np.int16)
    window = window_for(array, "MR")
    assert window.low == pytest.approx(10, abs=2)
    assert window.width == pytest.approx(980, abs=4)
    assert window_for(array, "CT") == window_presets()[0].window


def picture() -> SlicePicture:
    array = np.zeros(GEOMETRY.shape_kji, dtype=np.int16)
    array[2, 3, 4] = 400
    layer = LabelLayer((array > 0).astype(np.uint8), GEOMETRY, (RED,))
    marker = MarkerContent("1", (8, 9, 10), (6, 6, 8), (10, 12, 12))
    return SlicePicture(Orientation.AXIAL, SliceContent(ImageContent(array, GEOMETRY, "CT"), (layer,), (), (marker,)))


def test_a_marker_shows_in_the_slices_through_its_box_only() -> None:
    placement = Placement.fit(GRID, 160, 180)
    assert [spot.text for spot in picture().markers(10.0, placement)] == ["1"]
    assert picture().markers(0.0, placement) == []


def test_voxels_changed_in_place_show_after_invalidating() -> None:
    shown = picture()
    before = shown.pixels(0, Window(), Slab())
    assert before is not None and shown.content.image is not None
    before = before.copy()
    shown.content.image.array[0] = 500
    shown.invalidate()
    after = shown.pixels(0, Window(), Slab())
    assert after is not None and not np.array_equal(before, after)


def test_the_notes_name_slice_window_slab_and_an_unknown_side() -> None:
    shown = picture()
    notes = shown.notes((0, 0, 11.0), Window(350, 50), Slab(10, "max"))
    assert notes.index == "3 / 4"
    assert notes.bottom_left == ("S 10.0 mm",)
    assert notes.top_right == ("CT", "W 350 L 50", "MIP 10 mm")
    assert notes.letters == ("R", "L", "A", "P") and notes.banner == ""
    image = shown.content.image
    assert image is not None
    shown.set_content(SliceContent(ImageContent(image.array, GEOMETRY, "CT", side_confirmed=False)))
    notes = shown.notes((0, 0, 11.0), Window(), Slab())
    assert notes.letters == ("R?", "L?", "A?", "P?") and "Side unknown" in notes.banner


def test_an_array_that_does_not_fit_its_geometry_is_refused() -> None:
    with pytest.raises(BadInput, match="shape"):
        ImageContent(np.zeros((1, 2, 3), dtype=np.int16), GEOMETRY)
    with pytest.raises(BadInput, match="uint8 or uint16"):
        LabelLayer(np.zeros(GEOMETRY.shape_kji, dtype=np.int16), GEOMETRY, ())


def test_both_themes_have_the_same_names_and_readable_text() -> None:
    themes = [load_tokens(name) for name in theme_names()]
    assert [theme.name for theme in themes] == ["dark", "light"]
    assert len({tuple(sorted(theme.colours)) for theme in themes}) == 1
    assert len({tuple(sorted(theme.sizes)) for theme in themes}) == 1
    for theme in themes:
        for ground in ("background", "surface", "raised"):
            for name, least in (
                ("text", 7),
                ("text-muted", 4.5),
                ("text-faint", 3.0),
                ("good", 4.5),
                ("bad", 4.5),
                ("caution", 4.5),
            ):
                assert contrast(theme.rgb(name), theme.rgb(ground)) >= least, (theme.name, name, ground)


def contrast(a: tuple[int, int, int], b: tuple[int, int, int]) -> float:
    """WCAG 2 contrast ratio."""

    def luminance(rgb: tuple[int, int, int]) -> float:
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_colour_that_is_none_and_a_theme_that_is_none_are_refused_in_words() -> None:
    for text in ("35c2b0", "#35c2", "#xxxxxx"):
        with pytest.raises(BadInput, match="six hexadecimal digits"):
            parse_colour(text)
    with pytest.raises(BadInput, match="dark, light"):
        load_tokens("sepia")


def test_a_new_description_of_the_same_memory_shows_what_was_painted_into_it() -> None:
    labels = np.zeros(GEOMETRY.shape_kji, dtype=np.uint8)
    shown = SlicePicture(Orientation.AXIAL, SliceContent(None, (LabelLayer(labels.view(), GEOMETRY, (RED,)),)))
    placement = Placement.fit(GRID, 160, 180)
    assert shown.patches(0.0, placement, OverlayLook()) == []
    labels[0, 2:4, 2:5] = 1
    shown.set_content(SliceContent(None, (LabelLayer(labels.view(), GEOMETRY, (RED,)),)))
    assert len(shown.patches(0.0, placement, OverlayLook())) == 1


def test_the_same_image_described_anew_is_not_sliced_anew() -> None:
    shown = picture()
    image = shown.content.image
    assert image is not None
    before = shown.pixels(0, Window(), Slab())
    again = ImageContent(image.array.view(), GEOMETRY, "CT, renamed")
    shown.set_content(SliceContent(again))
    assert shown.pixels(0, Window(), Slab()) is before
    shown.set_content(SliceContent(ImageContent(image.array.copy(), GEOMETRY)))
    assert shown.pixels(0, Window(), Slab()) is not before


def test_paint_on_an_oblique_grid_shows_although_the_memory_is_the_same() -> None:
    turn = np.deg2rad(20)
    direction = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    geometry = Geometry.from_parts((30, 30, 5), (1.0, 1.0, 2.0), (0, 0, 0), direction)
    labels = np.zeros(geometry.shape_kji, dtype=np.uint8)
    shown = SlicePicture(Orientation.AXIAL, SliceContent(None, (LabelLayer(labels, geometry, (RED,)),)))
    assert shown.grid is not None and not shown.grid.aligned
    placement = Placement.fit(shown.grid, 160, 180)
    assert shown.patches(0.0, placement, OverlayLook()) == []
    labels[0, 10:20, 10:20] = 1
    shown.invalidate()
    assert len(shown.patches(0.0, placement, OverlayLook())) == 1


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flip", [(1, 1, 1), (-1, 1, 1), (1, -1, -1)])
@pytest.mark.parametrize("orientation", list(Orientation))
def test_a_layer_that_says_where_it_holds_something_looks_as_if_all_of_it_were_read(
    axes: tuple[int, int, int], flip: tuple[int, int, int], orientation: Orientation
) -> None:
    geometry = Geometry.from_parts((9, 11, 7), (2.0, 3.0, 5.0), (-4.0, 7.0, 1.0), np.eye(3)[:, axes] * flip)
    box = Box((2, 0, 1), (8, 5, 4))
    labels = np.zeros(geometry.shape_kji, np.uint8)
    labels[box.slices] = np.random.default_rng(3).integers(0, 2, labels[box.slices].shape)
    image = ImageContent(np.zeros(geometry.shape_kji, np.int16), geometry)
    whole = SlicePicture(orientation, SliceContent(image=image, layers=(LabelLayer(labels, geometry, (RED,)),)))
    part = LabelLayer(labels, geometry, (RED,), lambda: box)
    close = SlicePicture(orientation, SliceContent(image=image, layers=(part,)))
    assert whole.grid is not None
    placement = Placement.fit(whole.grid, 170, 180)
    for index in range(whole.grid.count):
        at = whole.grid.position_of(index)
        expected, found = (p.patches(at, placement, OverlayLook(0.5, 1)) for p in (whole, close))
        assert len(expected) == len(found)
        for one, other in zip(expected, found, strict=True):
            assert (one.left, one.top) == (other.left, other.top)
            np.testing.assert_array_equal(one.argb, other.argb)
