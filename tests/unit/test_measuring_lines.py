import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.measuring.lines import angle_deg, cobb, length_mm, smooth_curve, uncertainty
from surgitwin.measuring.polygons import holds, outline, widths


def turned(points, seed: int):
    """Points turned about a random axis and moved away, as on an oblique image far from the origin."""
    axes, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return np.asarray(points, float) @ axes.T + (312.5, -804.0, 77.7)


@pytest.mark.parametrize("seed", range(4))
def test_a_ruler_has_the_length_between_its_ends_however_it_lies(seed) -> None:
    assert length_mm(turned([[0, 0, 0], [3, 4, 12]], seed)) == pytest.approx(13.0, abs=1e-9)


@pytest.mark.parametrize("degrees", [0.05, 30.0, 90.0, 135.0, 179.95])
def test_an_angle_is_that_at_its_second_point_also_near_0_and_180(degrees) -> None:
    t = np.radians(degrees)
    points = turned([[7, 0, 0], [0, 0, 0], [40 * np.cos(t), 40 * np.sin(t), 0]], 1)
    assert angle_deg(points) == pytest.approx(degrees, abs=1e-6)


def test_an_angle_seen_in_a_view_leaves_out_what_lies_along_the_line_of_sight() -> None:
    arms = [[10, 0, 50], [0, 0, 0], [10, 10, -20]]
    assert angle_deg(arms, "axial") == pytest.approx(45.0, abs=1e-9)
    assert angle_deg(arms, "coronal") == pytest.approx(np.degrees(np.arctan(5) + np.arctan(2)), abs=1e-9)


def test_an_arm_without_length_is_refused_also_when_only_the_view_hides_it() -> None:
    with pytest.raises(BadInput, match="no length"):
        angle_deg([[0, 0, 0], [0, 0, 0], [1, 0, 0]])
    with pytest.raises(BadInput, match="no length"):
        angle_deg([[0, 0, 9], [0, 0, 0], [1, 0, 0]], "axial")


@pytest.mark.parametrize(("drawn", "angle"), [(0.0, 0.0), (37.3, 37.3), (90.0, 90.0), (110.0, 70.0), (180.0, 0.0)])
def test_a_cobb_angle_is_acute_and_says_what_was_drawn(drawn, angle) -> None:
    t = np.radians(drawn)
    lines = turned([[0, 0, 0], [30, 0, 0], [5, 60, 0], [5 + 20 * np.cos(t), 60 + 20 * np.sin(t), 0]], 2)
    found = cobb(lines)
    assert found.angle_deg == pytest.approx(angle, abs=1e-5)
    assert found.drawn_deg == pytest.approx(drawn, abs=1e-5)


def test_a_cobb_angle_in_a_view_is_that_of_the_lines_as_seen_there() -> None:
    lines = [[0, 0, 0], [10, 80, 0], [0, 0, 50], [10, 25, 50 + 10 * np.tan(np.radians(25))]]
    assert cobb(lines, "coronal").angle_deg == pytest.approx(25.0, abs=1e-9)
    assert cobb(lines).angle_deg != pytest.approx(25.0, abs=1.0)


def test_a_smooth_curve_through_points_of_a_circle_has_the_circles_length() -> None:
    t = np.linspace(0, np.pi, 9)
    points = turned(np.column_stack([50 * np.cos(t), 50 * np.sin(t), 0 * t]), 3)
    curve = smooth_curve(points)
    assert np.allclose(curve[::16], points)
    assert length_mm(curve) == pytest.approx(50 * np.pi, abs=0.1)
    assert length_mm(points) < 50 * np.pi - 0.9


def test_a_curve_of_two_points_is_straight_and_one_with_a_double_point_refused() -> None:
    assert len(smooth_curve([[0, 0, 0], [1, 2, 3]])) == 2
    with pytest.raises(BadInput, match="same place"):
        smooth_curve([[0, 0, 0], [1, 0, 0], [1, 0, 0], [2, 0, 0]])


def test_uncertainty_is_that_of_independent_ends() -> None:
    ends = turned([[0, 0, 0], [20, 0, 0]], 1)
    assert uncertainty(length_mm, ends, 0.5) == pytest.approx(0.5 * np.sqrt(2), rel=1e-6)


def test_uncertainty_of_an_angle_is_what_a_thousand_drawings_spread_to() -> None:
    points = np.array([[40.0, 0, 0], [0, 0, 0], [0, 30.0, 0]])
    random = np.random.default_rng(0)
    # "each_mm" along each axis
    spread = np.std([angle_deg(points + 0.4 * random.normal(size=points.shape)) for _ in range(4000)])
    assert uncertainty(angle_deg, points, 0.4) == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_the_area_of_a_flat_outline_is_exact_in_any_direction(seed) -> None:
    shape = [[0, 0, 0], [10, 0, 0], [10, 4, 0], [3, 4, 0], [3, 9, 0], [0, 9, 0]]  # an L: 40 + 15
    found = outline(turned(shape, seed))
    assert found.area_mm2 == pytest.approx(55.0, abs=1e-6)
    assert found.perimeter_mm == pytest.approx(38.0, abs=1e-6)
    assert found.off_plane_mm == pytest.approx(0.0, abs=1e-6)
    assert not found.crosses_itself


def test_an_outline_that_is_not_flat_has_the_area_of_its_picture_and_says_how_far_it_is_from_flat() -> None:
    saddle = [[0, 0, 2], [10, 0, -2], [10, 10, 2], [0, 10, -2]]
    found = outline(saddle)
    assert found.area_mm2 == pytest.approx(100.0, abs=1e-9)
    assert found.off_plane_mm == pytest.approx(2.0, abs=1e-9)


def test_an_outline_that_crosses_itself_says_so_and_one_on_a_line_is_refused() -> None:
    assert outline([[0, 0, 0], [10, 10, 0], [10, 0, 0], [0, 12, 0]]).crosses_itself
    with pytest.raises(BadInput, match="on a line"):
        outline([[0, 0, 0], [1, 1, 1], [5, 5, 5]])
    with pytest.raises(BadInput, match="three points"):
        outline([[0, 0, 0], [1, 1, 1]])


def test_widths_of_an_ellipse_are_its_axes() -> None:
    t = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    c, s = np.cos(0.4), np.sin(0.4)
    flat = np.column_stack([9 * np.cos(t), 4 * np.sin(t)]) @ np.array([[c, s], [-s, c]])
    assert widths(flat) == pytest.approx((8.0, 18.0), abs=0.01)
    assert holds(flat, np.array([3.0, 0.0]))
    assert not holds(flat, np.array([-9.0, 9.0]))
