"""Cut planes as lines in a slice, and the moves that a hand makes with them."""

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.render.content import PlaneContent
from surgitwin.render.cutting import (
    corners,
    cut_lines,
    distance_to_segment,
    moved,
    moved_along_normal,
    turned,
    turned_between,
)
from surgitwin.render.placement import Placement, clip_line, clip_to_half_planes, plane_line, scale_bar
from surgitwin.render.slicing import Orientation

PLACEMENT = Placement(400, 300, 2.0, (10.0, -20.0))


@pytest.mark.parametrize("orientation", list(Orientation))
def test_every_point_of_a_cut_line_lies_on_the_plane_and_on_the_slice(orientation: Orientation) -> None:
    plane = PlaneContent("p", (12.0, -8.0, 15.0), (0.4, -0.7, 0.5))
    position = 11.0
    (line,) = cut_lines((plane,), orientation, position, PLACEMENT)
    for pixel in (*line.line, line.centre, *line.ends):
        u, v = PLACEMENT.to_view(pixel)
        point = orientation.to_lps((u, v, position))
        assert abs((point - plane.point) @ np.asarray(plane.normal)) < 1e-9
        assert point[orientation.axis] == pytest.approx(position)


@pytest.mark.parametrize("orientation", list(Orientation))
def test_the_arrow_points_to_the_side_of_the_normal(orientation: Orientation) -> None:
    plane = PlaneContent("p", (12.0, -8.0, 15.0), (0.4, -0.7, 0.5))
    (line,) = cut_lines((plane,), orientation, 11.0, PLACEMENT)
    pixel = np.asarray(line.centre) + 10 * np.asarray(line.removed)
    point = orientation.to_lps((*PLACEMENT.to_view(pixel), 11.0))
    assert (point - plane.point) @ np.asarray(plane.normal) > 0


def test_a_plane_parallel_to_the_slice_has_no_line() -> None:
    assert plane_line((0, 0, 5), (0, 0, 1), 5.0) is None
    assert cut_lines((PlaneContent("p", (0, 0, 5), (0, 0, 1)),), Orientation.AXIAL, 5.0, PLACEMENT) == []


def test_planes_of_one_group_cut_only_where_the_others_let_them() -> None:
    left = PlaneContent("a", (10.0, -20.0, 0.0), (1.0, 0.0, 0.0), group="plan")
    back = PlaneContent("b", (10.0, -20.0, 0.0), (0.0, 1.0, 0.0), group="plan")
    lines = cut_lines((left, back), Orientation.AXIAL, 0.0, PLACEMENT)
    # The middle of the picture is the corner where both meet; each cuts on the other's normal side only.
    assert lines[0].cutting is not None and lines[1].cutting is not None
    assert min(y for _, y in lines[0].cutting) == pytest.approx(150)
    assert min(x for x, _ in lines[1].cutting) == pytest.approx(200)
    (alone,) = cut_lines((PlaneContent("a", left.point, left.normal),), Orientation.AXIAL, 0.0, PLACEMENT)
    assert alone.cutting == alone.line


def test_handles_stay_in_the_picture_when_the_plane_is_large() -> None:
    plane = PlaneContent("p", (500.0, -20.0, 0.0), (0.0, 1.0, 0.1), half_size_mm=1000.0)
    (line,) = cut_lines((plane,), Orientation.AXIAL, 0.0, PLACEMENT)
    for x, y in (line.centre, *line.ends):
        assert 0 <= x <= 400 and 0 <= y <= 300


def test_hidden_planes_have_no_line_and_a_zero_normal_is_refused() -> None:
    assert cut_lines((PlaneContent("p", (0, 0, 0), (1, 0, 0), visible=False),), Orientation.AXIAL, 0.0, PLACEMENT) == []
    with pytest.raises(BadInput, match="not zero"):
        PlaneContent("p", (0, 0, 0), (0, 0, 0))


def test_normals_are_brought_to_length_one() -> None:
    assert PlaneContent("p", (0, 0, 0), (0, 3, 4)).normal == pytest.approx((0, 0.6, 0.8))


def test_a_turn_by_a_right_angle_about_z_takes_x_to_y() -> None:
    plane = turned(PlaneContent("p", (10, 0, 0), (1, 0, 0)), (0, 0, 1), np.pi / 2, (0, 0, 0))
    assert plane.normal == pytest.approx((0, 1, 0), abs=1e-12)
    assert plane.point == pytest.approx((0, 10, 0), abs=1e-12)


def test_turning_keeps_the_pivot_on_the_plane() -> None:
    plane = PlaneContent("p", (4, 5, 6), (0.3, -0.5, 0.8))
    pivot = np.asarray(corners(plane)[1])
    turn = turned(plane, (0.2, 0.9, -0.1), 0.7, pivot)
    assert abs((pivot - turn.point) @ np.asarray(turn.normal)) < 1e-9


def test_dragging_a_corner_turns_the_plane_through_where_the_corner_went() -> None:
    plane = PlaneContent("p", (4, 5, 6), (0, 0, 1), half_size_mm=30)
    corner = corners(plane)[2]
    goal = corner + np.array((0, 0, 12))
    turn = turned_between(plane, corner, goal)
    assert abs((goal - plane.point) @ np.asarray(turn.normal)) < 1e-9
    assert turn.point == pytest.approx(plane.point)
    assert turned_between(plane, corner, corner) is plane


def test_moving_along_the_normal_changes_the_offset_by_as_much() -> None:
    plane = PlaneContent("p", (4, 5, 6), (0.3, -0.5, 0.8))
    further = moved_along_normal(plane, 7.5)
    assert (np.subtract(further.point, plane.point)) @ np.asarray(plane.normal) == pytest.approx(7.5)
    assert moved(plane, (1, 2, 3)).point == (5, 7, 9)


def test_the_square_of_a_plane_lies_in_it_and_has_its_size() -> None:
    for normal in ((0, 0, 1), (0, 0, -1), (0.3, -0.5, 0.8), (1, 0, 0)):
        plane = PlaneContent("p", (4, 5, 6), normal, half_size_mm=30)
        square = corners(plane)
        assert np.abs((square - plane.point) @ np.asarray(plane.normal)).max() < 1e-9
        assert np.allclose(np.linalg.norm(square - np.roll(square, 1, axis=0), axis=1), 60)


def test_zooming_keeps_the_millimetre_under_the_cursor() -> None:
    about = (37.0, 222.0)
    assert np.allclose(PLACEMENT.zoomed(1.7, about).to_view(about), PLACEMENT.to_view(about))


def test_panning_follows_the_mouse() -> None:
    point = PLACEMENT.to_view((100.0, 100.0))
    assert np.allclose(PLACEMENT.panned(30, -12).to_pixels(point), (130.0, 88.0))


@pytest.mark.parametrize(
    ("scale", "longest", "expected"),
    [
        (2.0, 110.0, (50.0, "50 mm")),
        (0.9, 110.0, (100.0, "100 mm")),
        (100.0, 110.0, (1.0, "1 mm")),
        (0.1, 90, (500.0, "500 mm")),
    ],
)
def test_scale_bars_are_the_longest_round_length_that_fits(
    scale: float, longest: float, expected: tuple[float, str]
) -> None:
    assert scale_bar(scale, longest) == expected


def test_lines_are_clipped_to_the_picture() -> None:
    assert clip_line((0, 5), (1, 0), (0, 0, 10, 10)) == ((0, 5), (10, 5))
    assert clip_line((0, 15), (1, 0), (0, 0, 10, 10)) is None
    assert clip_to_half_planes(((0, 0), (10, 0)), [((4, 0), (1, 0)), ((8, 0), (-1, 0))]) == ((4, 0), (8, 0))
    assert clip_to_half_planes(((0, 0), (10, 0)), [((4, 0), (1, 0)), ((3, 0), (-1, 0))]) is None


def test_distances_to_a_segment_end_at_its_ends() -> None:
    assert distance_to_segment((5, 3), ((0, 0), (10, 0))) == pytest.approx(3)
    assert distance_to_segment((13, 4), ((0, 0), (10, 0))) == pytest.approx(5)
