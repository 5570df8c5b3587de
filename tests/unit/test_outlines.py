"""Outlines and scissors: exact inside and outside, in slices and through a camera, on any grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_strokes import GRIDS, STRAIGHT, centres, oblique, whole

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.segmentation.outlines import CameraLens, Outline, SliceLens, even_odd, fill_outline, inside_outline


@given(st.integers(0, 2**32 - 1), st.integers(3, 40))
@settings(max_examples=60, deadline=None)
def test_the_picture_of_an_outline_gives_the_same_answer_as_the_even_odd_rule(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    corners = random.normal(size=(count, 2)) * (50, 0.5)
    outline = Outline(corners)
    points = np.concatenate([random.normal(size=(3000, 2)) * (60, 0.6), corners + 1e-4, corners.mean(axis=0)[None]])
    np.testing.assert_array_equal(outline.contains(points), even_odd(points, outline.corners))


def test_even_odd_agrees_with_another_program() -> None:
    from skimage.measure import points_in_poly

    random = np.random.default_rng(3)
    corners, points = random.normal(size=(25, 2)), random.normal(size=(5000, 2))
    np.testing.assert_array_equal(even_odd(points, corners), points_in_poly(points, corners))


@pytest.mark.parametrize("geometry", GRIDS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_circle_drawn_in_a_slice_fills_just_that_slice(geometry: Geometry, axis: int) -> None:
    centre = geometry.centre_mm + np.array([0.11, 0.07, 0.13])
    turns = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    across = np.delete(centre, axis)
    circle = across + 7.0 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    thick = 3.0
    found = whole(geometry, *fill_outline(geometry, SliceLens(axis, centre[axis], thick), Outline(circle)))
    off = centres(geometry) - centre
    distance = np.linalg.norm(np.delete(off, axis, axis=1), axis=1)
    wanted = (np.abs(off[:, axis]) < thick / 2) & (distance < 7.0)
    unsure = np.abs(distance - 7.0) < 0.01
    np.testing.assert_array_equal(found.reshape(-1)[~unsure], wanted[~unsure])


def test_scissors_through_all_slices_cut_a_prism() -> None:
    mask = np.random.default_rng(0).random(STRAIGHT.shape_kji) < 0.5
    square = np.array([(-5.0, 25.0), (5.0, 25.0), (5.0, 40.0), (-5.0, 40.0)])
    found = inside_outline(mask, STRAIGHT.full_box, STRAIGHT, SliceLens(2), Outline(square))
    at = centres(STRAIGHT).reshape(*STRAIGHT.shape_kji, 3)
    wanted = (np.abs(at[..., 0]) < 5) & (at[..., 1] > 25) & (at[..., 1] < 40)
    np.testing.assert_array_equal(found, mask & wanted)


def camera(geometry: Geometry, perspective: bool) -> CameraLens:
    """Looks along -y at the middle of the grid, 300 mm away."""
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401
    from vtkmodules.vtkRenderingCore import vtkCamera

    eye = vtkCamera()
    eye.SetParallelProjection(not perspective)
    x, y, z = geometry.centre_mm
    eye.SetFocalPoint(x, y, z)
    eye.SetPosition(x + 40, y - 300, z + 25)
    eye.SetViewUp(0, 0, 1)
    eye.SetParallelScale(40)
    eye.SetViewAngle(20)
    eye.SetClippingRange(1.0, 1000.0)
    matrix = eye.GetCompositeProjectionTransformMatrix(4 / 3, -1.0, 1.0)
    values = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
    return CameraLens(values, (800.0, 600.0))


@pytest.mark.parametrize("perspective", [False, True])
@pytest.mark.parametrize("geometry", [STRAIGHT, oblique(True)])
def test_scissors_in_3d_cut_what_the_camera_shows_inside_the_outline(geometry: Geometry, perspective: bool) -> None:
    lens = camera(geometry, perspective)
    square = Outline([(350.0, 250.0), (480.0, 250.0), (480.0, 360.0), (350.0, 360.0)])
    mask = np.ones(geometry.shape_kji, dtype=np.bool_)
    found = inside_outline(mask, geometry.full_box, geometry, lens, square)
    # Independent: rays from the eye through the pixel, by the inverse matrix.
    inverse = np.linalg.inv(lens.world_to_clip)
    for pixel, inside in (((415, 305), True), ((372, 272), True), ((328, 300), False), ((400, 382), False)):
        clip = np.array([pixel[0] / 400 - 1, 1 - pixel[1] / 300])
        ends = [inverse @ np.array([*clip, depth, 1.0]) for depth in (-1.0, 1.0)]
        a, b = (end[:3] / end[3] for end in ends)
        ray = a + (b - a) * np.linspace(0, 1, 4000)[:, None]
        index = np.round(geometry.to_index(ray)).astype(int)
        index = index[np.all((index >= 0) & (index < geometry.size_ijk), axis=1)]
        assert len(index)
        share = found[index[:, 2], index[:, 1], index[:, 0]].mean()
        assert share > 0.9 if inside else share < 0.1


def test_what_lies_behind_the_camera_is_never_cut() -> None:
    matrix = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]])  # looks along +z from the origin
    lens = CameraLens(matrix, (100.0, 100.0))
    geometry = Geometry.from_parts((3, 3, 9), (1.0, 1.0, 5.0), (-1.0, -1.0, -20.0))
    everything = Outline([(-1e4, -1e4), (1e4, -1e4), (1e4, 1e4), (-1e4, 1e4)])
    found = inside_outline(np.ones((9, 3, 3), np.bool_), geometry.full_box, geometry, lens, everything)
    np.testing.assert_array_equal(found.any(axis=(1, 2)), np.arange(9) > 4)


def test_a_cancelled_cut_stops() -> None:
    ctx = Context()
    ctx.cancel()
    square = Outline([(-5, 25), (5, 25), (5, 40)])
    with pytest.raises(Cancelled):
        inside_outline(np.ones(STRAIGHT.shape_kji, np.bool_), STRAIGHT.full_box, STRAIGHT, SliceLens(2), square, ctx)


def test_an_outline_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(BadInput, match="three different corners"):
        Outline([(0, 0), (0, 0), (1, 1)])
    with pytest.raises(BadInput, match="on one line"):
        Outline([(0, 0), (1, 0), (2, 0)])
    with pytest.raises(BadInput, match="not a number"):
        Outline([(0, 0), (1, 0), (2, np.nan)])
    with pytest.raises(BadInput, match="outside the image"):
        fill_outline(STRAIGHT, SliceLens(2, -300.0, 2.5), Outline([(900, 900), (910, 900), (900, 910)]))
    x, y, z = STRAIGHT.to_lps((10, 10, 0))
    tiny = [(x + 0.1, y + 0.1), (x + 0.2, y + 0.1), (x + 0.1, y + 0.2)]
    with pytest.raises(BadInput, match="smaller than a voxel"):
        fill_outline(STRAIGHT, SliceLens(2, z, 2.5), Outline(tiny))
