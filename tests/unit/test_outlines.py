"""Outlines and scissors: exact inside and outside, in slices and through a camera, on any grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_strokes import GRIDS, STRAIGHT, centres, oblique, whole

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.segmentation.outlines import CameraLens, Outline, SliceLens, even_odd
from surgitwin.segmentation.scissors import fill_outline, inside_outline


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


def one_by_one(
    mask: NDArray[np.bool_], geometry: Geometry, lens: CameraLens | SliceLens, outline: Outline
) -> NDArray[np.bool_]:
    """The definition itself: every voxel's centre projected, and held against the outline by another program."""
    from skimage.measure import points_in_poly

    points = centres(geometry)
    if isinstance(lens, SliceLens):
        plane = np.delete(points, lens.axis, axis=1)
        thick = np.inf if lens.thickness_mm is None else lens.thickness_mm
        seen = np.abs(points[:, lens.axis] - lens.centre_mm) <= thick / 2
    else:
        clip = np.c_[points, np.ones(len(points))] @ np.asarray(lens.world_to_clip).T
        seen = (clip[:, 3] > 0) & (clip[:, 2] > -clip[:, 3])
        device = clip[:, :2] / np.where(seen, clip[:, 3], 1.0)[:, None]
        plane = (device * (1, -1) + 1) / 2 * np.asarray(lens.size_px)
    found = seen & points_in_poly(plane, outline.corners)
    return mask & found.reshape(mask.shape)


def cameras(geometry: Geometry) -> list[CameraLens]:
    """From outside and from the middle of the image, with perspective and without."""
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401
    from vtkmodules.vtkRenderingCore import vtkCamera

    lenses = []
    for parallel in (False, True):
        for away in (250.0, 3.0):
            eye = vtkCamera()
            eye.SetParallelProjection(parallel)
            eye.SetFocalPoint(*geometry.centre_mm)
            eye.SetPosition(*(geometry.centre_mm + away * np.array([0.36, -0.8, 0.48])))
            eye.SetViewUp(0, 0, 1)
            eye.SetParallelScale(40)
            eye.SetViewAngle(25)
            eye.SetClippingRange(1.0, 500.0)
            matrix = eye.GetCompositeProjectionTransformMatrix(1.5, -1.0, 1.0)
            values = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
            lenses.append(CameraLens(values, (600.0, 400.0)))
    return lenses


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_deciding_whole_blocks_gives_every_voxel_the_answer_it_has_alone(seed: int, flip: bool) -> None:
    random = np.random.default_rng(seed)
    geometry = Geometry.from_affine((83, 70, 61), oblique(flip).affine_lps)  # no multiple of any block
    mask = random.random(geometry.shape_kji) < 0.7
    turns = np.linspace(0, 2 * np.pi, 150, endpoint=False)
    star = (1 + 0.4 * np.sin(5 * turns) + 0.05 * random.normal(size=150))[:, None] * np.c_[np.cos(turns), np.sin(turns)]
    views: list[tuple[CameraLens | SliceLens, Outline]] = [
        (lens, Outline(np.array([310.0, 190.0]) + 150 * star)) for lens in cameras(geometry)
    ]
    for axis in range(3):
        across = Outline(np.delete(geometry.centre_mm, axis) + 22 * star)
        position = float(geometry.centre_mm[axis]) + 0.123
        views += [(SliceLens(axis), across), (SliceLens(axis, position, 7.0), across)]
    for lens, outline in views:
        found = inside_outline(mask, geometry.full_box, geometry, lens, outline)
        expected = one_by_one(mask, geometry, lens, outline)
        assert 0 < expected.sum() < mask.sum()
        np.testing.assert_array_equal(found, expected)


def test_a_part_of_the_image_gives_the_same_answer_as_the_whole() -> None:
    geometry = Geometry.from_affine((83, 70, 61), oblique(True).affine_lps)
    box = Box((5, 17, 9), (76, 66, 58))
    mask = np.ones(geometry.shape_kji, dtype=np.bool_)
    for lens in cameras(geometry):
        outline = Outline([(200, 120), (420, 130), (390, 300), (180, 280)])
        whole_image = inside_outline(mask, geometry.full_box, geometry, lens, outline)
        part = inside_outline(mask[box.slices], box, geometry, lens, outline)
        np.testing.assert_array_equal(part, whole_image[box.slices])


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
