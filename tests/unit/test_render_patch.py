"""Curved cuts as views show them: curves in slices, sides, margins, and dragging; all without a screen."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.render.bounds import content_bounds
from surgitwin.render.content import (
    CutSurfaceContent,
    ImageContent,
    MarginClass,
    PatchContent,
    SceneContent,
    SliceContent,
    SurfaceContent,
    same_slices,
)
from surgitwin.render.cut_surface import (
    by_margin,
    hatching_coordinates,
    removed_side,
    rim,
    side_by_crossings,
    side_of,
    surface_axes,
    unit_normals,
)
from surgitwin.render.patch_cutting import (
    bezier_content,
    bezier_mesh,
    grid_content,
    middle,
    nearest_handle,
    normal_at,
    patch_moved,
    point_moved,
    ray_meets,
    step_along,
    step_in_view,
    surface_content,
)
from surgitwin.render.placement import Placement
from surgitwin.render.slice_curve import Run, dashed, section, slice_curve
from surgitwin.render.slice_picture import SlicePicture
from surgitwin.render.slicing import Orientation
from surgitwin.render.snapshot import draw_slice
from surgitwin.render.tokens import load_tokens

RNG = np.random.default_rng(7)


def sphere(radius: float, centre: tuple[float, float, float], divisions: int = 12) -> Mesh:
    """An octahedron whose faces are divided and blown up; closed, outward triangles, points shared."""
    corners = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float)
    faces = [(0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4), (2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)]
    points, triangles = [], []
    for a, b, c in faces:
        index = {}
        for i in range(divisions + 1):
            for j in range(divisions + 1 - i):
                index[i, j] = len(points)
                k = divisions - i - j
                points.append((k * corners[a] + i * corners[b] + j * corners[c]) / divisions)
        for i in range(divisions):
            for j in range(divisions - i):
                triangles.append((index[i, j], index[i + 1, j], index[i, j + 1]))
                if i + j < divisions - 1:
                    triangles.append((index[i + 1, j], index[i + 1, j + 1], index[i, j + 1]))
    unique, back = np.unique(np.round(points, 9), axis=0, return_inverse=True)
    unique = unique / np.linalg.norm(unique, axis=1, keepdims=True)
    return Mesh((radius * unique + centre).astype(np.float32), back.reshape(-1)[np.array(triangles)].astype(np.int32))


def sheet(height: object, size: float = 40.0, cells: int = 20, flipped: bool = False) -> Mesh:
    """x = height(y, z) over a square of y and z; its triangles face to greater x unless they are ``flipped``."""
    t = np.linspace(-size, size, cells + 1)
    y, z = np.meshgrid(t, t, indexing="ij")
    points = np.stack([height(y, z), y, z], axis=-1).reshape(-1, 3)  # type: ignore[operator]
    number = np.arange((cells + 1) ** 2).reshape(cells + 1, cells + 1)
    a, b, c, d = (n.reshape(-1) for n in (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]))
    triangles = np.concatenate([np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)])
    return Mesh(points.astype(np.float32), (triangles[:, ::-1] if flipped else triangles).astype(np.int32))


def wavy(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.asarray(8 * np.sin(y / 15) + z**2 / 120)


def de_casteljau(points: np.ndarray, u: float, v: float) -> np.ndarray:
    """A Bézier patch by repeated linear interpolation, as an independent answer."""
    for t in (u, v):
        while len(points) > 1:
            points = (1 - t) * points[:-1] + t * points[1:]
        points = points[0]
    return np.asarray(points)


def control(rows: int = 4, columns: int = 5) -> np.ndarray:
    y, z = np.meshgrid(np.linspace(-40, 40, rows), np.linspace(-30, 35, columns), indexing="ij")
    return np.stack([10 * np.cos(y / 30) + z / 5, y + z / 9, z], axis=-1)


def lengths(points: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(np.diff(points, axis=0), axis=1))


# Curves in slices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", list(Orientation))
@pytest.mark.parametrize("above", [-13.37, 0.0, 6.2, 19.5])
def test_a_slice_meets_a_sphere_in_one_closed_circle(orientation: Orientation, above: float) -> None:
    centre, radius = np.array([3.1, -7.0, 11.4]), 20.0
    mesh = sphere(radius, tuple(centre), divisions=24)
    content = CutSurfaceContent("s", mesh)
    position = float(centre[orientation.axis]) + above
    (run,) = section(content, orientation, position)
    assert run.points[0] == pytest.approx(run.points[-1])
    expected = np.sqrt(radius**2 - above**2)
    away = np.linalg.norm(run.points - orientation.to_view(centre)[:2], axis=1)
    # A chord of length l has its middle at sqrt(r^2 - l^2 / 4) from the centre.
    longest = np.linalg.norm(np.diff(mesh.points[mesh.triangles[:, [0, 1, 2, 0]]], axis=1), axis=2).max()
    assert (expected**2 - longest**2 / 4 - 1e-3 <= away**2).all()
    assert (away**2 <= expected**2 + 1e-3).all()
    assert lengths(run.points).sum() == pytest.approx(2 * np.pi * expected, rel=0.03)


def test_points_of_a_curve_lie_on_the_edges_of_the_triangles_and_on_the_slice() -> None:
    mesh = sheet(wavy)
    position = 3.3
    (run,) = section(CutSurfaceContent("s", mesh), Orientation.AXIAL, position)
    # x = wavy(y, z) is linear along each edge; axial view: u = x, v = y.
    edges = np.unique(np.sort(mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    a, b = mesh.points[edges[:, 0]].astype(float), mesh.points[edges[:, 1]].astype(float)
    share = (position - a[:, 2]) / np.where(a[:, 2] == b[:, 2], np.inf, b[:, 2] - a[:, 2])
    crossed = (share > 0) & (share < 1)
    brute = (a + share[:, None] * (b - a))[crossed][:, :2]
    assert len(run.points) == len(brute)
    nearest = np.linalg.norm(run.points[:, None] - brute[None], axis=2).min(axis=1)
    assert nearest.max() < 1e-5
    assert np.all(np.diff(run.points[:, 1]) > 0) or np.all(np.diff(run.points[:, 1]) < 0), "in order along the curve"


def test_a_slice_through_points_of_the_mesh_still_gives_one_line() -> None:
    content = CutSurfaceContent("s", sheet(wavy))
    for position in (-40.0 + 4 * 7, 0.0, 36.0):  # rows of the grid
        (run,) = section(content, Orientation.AXIAL, position)
        y = run.points[:, 1]
        assert (y.min(), y.max()) == pytest.approx((-40, 40))
        assert run.points[:, 0] == pytest.approx(
            np.interp(y, np.linspace(-40, 40, 21), wavy(np.linspace(-40, 40, 21), position)), abs=1e-4
        )
    octahedron = CutSurfaceContent("o", sphere(10.0, (0, 0, 0), divisions=1))
    (ring,) = section(octahedron, Orientation.AXIAL, 0.0)
    assert ring.points[0] == pytest.approx(ring.points[-1])
    assert lengths(ring.points).sum() == pytest.approx(4 * 10 * np.sqrt(2))


def test_a_slice_beside_a_surface_and_an_empty_surface_give_no_curve() -> None:
    content = CutSurfaceContent("s", sphere(10, (0, 0, 0)))
    assert section(content, Orientation.CORONAL, 10.1) == ()
    nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert section(CutSurfaceContent("s", nothing), Orientation.AXIAL, 0.0) == ()


def test_two_parts_of_a_surface_give_two_curves() -> None:
    one, other = sphere(10, (-20, 0, 0)), sphere(8, (20, 0, 0))
    points = np.concatenate([one.points, other.points])
    triangles = np.concatenate([one.triangles, other.triangles + len(one.points)]).astype(np.int32)
    runs = section(CutSurfaceContent("s", Mesh(points, triangles)), Orientation.AXIAL, 0.5)
    assert sorted(round(float(run.points[:, 0].mean()) / 10) for run in runs) == [-2, 2]


def test_three_sheets_that_meet_in_a_line_are_drawn_up_to_it() -> None:
    points = np.array([[0, 0, -5], [0, 0, 5], [9, 0, 0], [-9, 3, 0], [-9, -3, 0]], dtype=np.float32)
    triangles = np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4]], dtype=np.int32)
    runs = section(CutSurfaceContent("s", Mesh(points, triangles)), Orientation.AXIAL, 1.0)
    assert len(runs) == 3
    ends = np.array([run.points[[0, -1]] for run in runs])
    assert [(np.abs(end) < 1e-6).all(axis=1).sum() for end in ends] == [1, 1, 1]


# Which side goes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flipped", [False, True])
def test_the_side_of_a_point_does_not_depend_on_how_far_it_is_or_which_way_triangles_face(flipped: bool) -> None:
    mesh = sheet(wavy, flipped=flipped)
    for point in RNG.uniform([-30, -38, -38], [40, 38, 38], (300, 3)):
        away = point[0] - wavy(point[1], point[2])
        if abs(away) > 0.5:  # beyond what the triangles leave out
            assert removed_side(mesh, point) == (np.sign(away) if not flipped else -np.sign(away))


def test_the_side_is_right_at_a_sharp_edge() -> None:
    mesh = sheet(lambda y, z: 3 * np.abs(y), cells=4)
    assert removed_side(mesh, (1.0, 0.0, 0.0)) == 1
    assert removed_side(mesh, (-60.0, 0.0, 0.0)) == -1


@pytest.mark.parametrize("flipped", [False, True])
def test_crossings_on_the_way_tell_the_side_of_a_closed_surface(flipped: bool) -> None:
    mesh = sphere(20, (3, 2, 1))
    triangles = mesh.triangles[:, ::-1] if flipped else mesh.triangles
    outwards = -1 if flipped else 1
    for way in RNG.normal(0, 1, (40, 3)):
        way /= np.linalg.norm(way)
        for radius, side in ((3.0, -1), (18.5, -1), (20.5, 1), (90.0, 1)):
            point = np.array([3, 2, 1]) + radius * way
            assert side_by_crossings(mesh.points, triangles, len(triangles), point) == side * outwards
    # The centre and the poles see many edges exactly.
    assert side_by_crossings(mesh.points, triangles, len(triangles), (3, 2, 1)) == -outwards
    assert side_by_crossings(mesh.points, triangles, len(triangles), (3, 2, 100)) == outwards


def test_a_cut_along_a_surface_is_shown_without_what_extends_it() -> None:
    from surgitwin.resection.surface_cut import SurfaceCut

    whole = sheet(lambda y, z: 0 * y, size=90.0, cells=18)
    centre = whole.points[whole.triangles].mean(axis=1)
    inner = (np.abs(centre[:, 1:]) < 40).all(axis=1)
    triangles = np.concatenate([whole.triangles[inner], whole.triangles[~inner]])
    for point, side in (((7.0, 85.0, 80.0), 1), ((-0.5, -1.0, 2.0), -1)):
        cut = SurfaceCut(whole.points.astype(np.float64), triangles, point, int(inner.sum()))
        content = surface_content("c", cut, classes=None)
        assert content.mesh.area_mm2 == pytest.approx(80 * 80)
        assert len(content.mesh.points) == 9 * 9
        assert side_of(content) == side


@pytest.mark.parametrize("orientation", list(Orientation))
def test_the_arrow_of_a_curve_points_to_the_side_that_goes(orientation: Orientation) -> None:
    placement = Placement(400, 300, 4.0, tuple(orientation.to_view((0, 0, 0))[:2]))
    for point, inwards in (((1.0, 2.0, 0.5), True), ((200.0, 30.0, 10.0), False)):
        for mesh in (
            sphere(20, (0, 0, 0)),
            Mesh(sphere(20, (0, 0, 0)).points, sphere(20, (0, 0, 0)).triangles[:, ::-1].copy()),
        ):
            content = CutSurfaceContent("s", mesh, point)
            curve = slice_curve(content, section(content, orientation, 4.0), orientation, 4.0, placement)
            assert curve is not None and curve.arrow is not None
            start, tip = (np.array(end) - (200, 150) for end in curve.arrow)
            assert (np.linalg.norm(tip) < np.linalg.norm(start)) == inwards
            assert np.linalg.norm(start) == pytest.approx(4 * np.sqrt(20**2 - 4**2), rel=0.02)


def test_a_surface_without_a_side_that_goes_has_no_arrow_and_a_hidden_arrow_is_left_out() -> None:
    content = CutSurfaceContent("s", sphere(20, (0, 0, 0)))
    placement = Placement(400, 300, 4.0, (0.0, 0.0))
    curve = slice_curve(content, section(content, Orientation.AXIAL, 0.3), Orientation.AXIAL, 0.3, placement)
    assert curve is not None and curve.arrow is None
    told = CutSurfaceContent("s", content.mesh, (0.0, 0.0, 0.0))
    zoomed = Placement(400, 300, 100.0, (0.0, 0.0))  # the circle lies outside the picture
    curve = slice_curve(told, section(told, Orientation.AXIAL, 0.3), Orientation.AXIAL, 0.3, zoomed)
    assert curve is not None and curve.arrow is None


def test_control_points_are_held_near_their_slice_only_and_full_on_it() -> None:
    content = bezier_content("p", control(), (60.0, 0.0, 0.0))
    z = float(content.control_points[0, 2, 2])
    for away, shown, full in ((0.0, 4, True), (1.2, 4, True), (2.1, 4, False), (-4.9, 4, False), (5.1, 0, False)):
        placement = Placement(300, 300, 2.0, (0.0, 0.0))
        curve = slice_curve(
            content, section(content, Orientation.AXIAL, z + away), Orientation.AXIAL, z + away, placement, 2.5
        )
        assert curve is not None
        assert [knob.column for knob in curve.knobs] == [2] * shown
        assert all(knob.on_slice == full for knob in curve.knobs)
        for knob in curve.knobs:
            expected = content.control_points[knob.row, knob.column, :2] * 2 + 150
            assert knob.at == pytest.approx(tuple(expected))
            assert knob.away_mm == pytest.approx(-away)


def test_the_distance_to_a_curve_is_that_to_its_nearest_place() -> None:
    content = CutSurfaceContent("s", sphere(20, (0, 0, 0)))
    curve = slice_curve(
        content, section(content, Orientation.AXIAL, 0.0), Orientation.AXIAL, 0.0, Placement(400, 300, 4.0, (0.0, 0.0))
    )
    assert curve is not None
    assert curve.distance_px((200, 150)) == pytest.approx(80, abs=0.6)
    assert curve.distance_px((200 + 100, 150)) == pytest.approx(20, abs=0.6)


def test_dashes_follow_the_line_round_its_corners() -> None:
    line = np.array([[0, 0], [10, 0], [10, 7]], dtype=float)
    pieces = dashed(line, (4.0, 3.0))
    assert [float(lengths(piece).sum()) for piece in pieces] == pytest.approx([4, 4, 3])
    assert pieces[1][0] == pytest.approx((7, 0))
    assert pieces[1][-1] == pytest.approx((10, 1))
    assert any(point == pytest.approx((10, 0)) for point in pieces[1]), "not straight across the corner"
    assert dashed(line, ()) == [line] or np.array_equal(dashed(line, ())[0], line)


# Margins -------------------------------------------------------------------------------------------------------


def area(mesh: Mesh, chosen: np.ndarray) -> float:
    return Mesh(mesh.points, mesh.triangles[chosen]).area_mm2


def test_a_surface_is_cut_into_margin_classes_without_gaps_and_facing_the_same_way() -> None:
    mesh = sheet(wavy)
    classes = RNG.integers(0, 4, len(mesh.points)).astype(np.uint8)
    cut, margins = by_margin(CutSurfaceContent("s", mesh, None, classes))
    assert len(margins) == len(cut.triangles)
    assert cut.area_mm2 == pytest.approx(mesh.area_mm2, rel=1e-5)
    border = [lengths(one.points[pair])[0] for one in (mesh,) for pair in rim(one.triangles)]
    cut_border = [lengths(one.points[pair])[0] for one in (cut,) for pair in rim(one.triangles)]
    assert sum(cut_border) == pytest.approx(sum(border), rel=1e-5), "no crack inside"
    assert (unit_normals(cut, cut.triangles)[:, 0] > 0).all()
    # Every triangle at one of the old points has that point's class.
    old = cut.triangles < len(mesh.points)
    for corner in range(3):
        at = old[:, corner]
        assert np.array_equal(margins[at], classes[cut.triangles[at, corner]])


def test_the_border_between_two_classes_lies_half_way_between_their_points() -> None:
    mesh = sheet(lambda y, z: 0 * y, size=10.0, cells=10)
    classes = np.where(mesh.points[:, 1] > 1.0, 1, 3).astype(np.uint8)  # points at y = 0 and 2: the border is at 1
    cut, margins = by_margin(CutSurfaceContent("s", mesh, None, classes))
    assert area(cut, margins == 1) == pytest.approx(20 * 9, rel=1e-5)
    assert area(cut, margins == 3) == pytest.approx(20 * 11, rel=1e-5)


def test_with_margins_given_the_border_lies_where_the_margin_is_at_its_limit() -> None:
    """A flat sheet and a margin that is the distance from an axis: the borders are circles."""
    mesh = sheet(lambda y, z: 0 * y, size=20.0, cells=16)
    away = np.linalg.norm(mesh.points[:, 1:].astype(float), axis=1)
    limits = 7.3, 12.9
    classes = np.where(away < limits[0], 3, np.where(away < limits[1], 2, 1)).astype(np.uint8)
    cut, margins = by_margin(CutSurfaceContent("s", mesh, None, classes, distances_mm=away, limits_mm=limits))
    assert cut.area_mm2 == pytest.approx(1600, rel=1e-5)
    assert area(cut, margins == 3) == pytest.approx(np.pi * limits[0] ** 2, rel=0.03)
    assert area(cut, margins >= 2) == pytest.approx(np.pi * limits[1] ** 2, rel=0.02)
    for limit, inner in ((limits[0], margins == 3), (limits[1], margins >= 2)):
        border = rim(cut.triangles[inner])
        radii = np.linalg.norm(cut.points[border][..., 1:].astype(float), axis=-1)
        # Along an edge of length l the distance differs from a linear one by at most l^2 / 8 r.
        assert np.abs(radii - limit).max() < (2.5**2 + 2.5**2) / (8 * (limit - 3.6)) + 0.08
    rough, kinds = by_margin(CutSurfaceContent("s", mesh, None, classes))
    radii = np.linalg.norm(rough.points[rim(rough.triangles[kinds == 3])][..., 1:], axis=-1)
    assert np.abs(radii - limits[0]).max() > 0.8


def test_rows_of_points_make_a_surface_with_its_margins() -> None:
    y, z = np.meshgrid(np.linspace(-10, 10, 6), np.linspace(-4, 4, 4), indexing="ij")
    classes = np.where(y > 1, 1, 2).astype(np.uint8)
    content = grid_content("g", np.stack([0 * y, y, z], axis=-1), classes=classes, distances_mm=y + 20.0, side=1)
    assert content.mesh.area_mm2 == pytest.approx(20 * 8)
    assert (unit_normals(content.mesh, content.mesh.triangles) == (1, 0, 0)).all()
    cut, margins = by_margin(content)
    assert area(cut, margins == 1) == pytest.approx(8 * 10, rel=1e-5)


def test_a_surface_of_one_class_stays_as_it_is() -> None:
    mesh = sheet(wavy)
    for classes in (None, np.zeros(len(mesh.points), np.uint8), np.full(len(mesh.points), 2, np.uint8)):
        cut, margins = by_margin(CutSurfaceContent("s", mesh, None, classes))
        assert cut is mesh
        assert set(margins) == {0 if classes is None else int(classes[0])}


def test_a_curve_is_drawn_in_parts_of_one_class_that_join() -> None:
    mesh = sheet(wavy)
    classes = np.where(mesh.points[:, 1] > 11, 1, np.where(mesh.points[:, 1] > -7, 2, 3)).astype(np.uint8)
    (run,) = section(CutSurfaceContent("s", mesh, None, classes), Orientation.AXIAL, 3.3)
    parts = run.parts()
    assert sorted(int(margin) for margin, _ in parts) == [1, 2, 3]
    for (_, before), (_, after) in pairwise(parts):
        assert np.array_equal(before[-1], after[0])
    borders = sorted(float(points[-1, 1]) for _, points in parts[:-1])
    assert borders == pytest.approx([-6.0, 10.0], abs=1.01), "between points at -8 and -4, 8 and 12"
    assert Run(np.zeros((2, 2)), np.zeros(1, np.uint8), np.zeros((1, 2))).parts()[0][0] is MarginClass.NOTHING


def test_stripes_are_nowhere_drawn_out_however_a_triangle_lies() -> None:
    mesh = sphere(30, (5, 5, 5))
    corners, normals = mesh.points[mesh.triangles].astype(float), unit_normals(mesh, mesh.triangles)
    flat = hatching_coordinates(corners, normals, surface_axes(sheet(wavy))).astype(float)
    one, other = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    shown = np.abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]) / 2
    true = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    assert (shown / true).min() > 1 / np.sqrt(3) - 1e-3
    assert (shown / true).max() < 1 + 1e-3


def test_the_rim_of_a_sheet_is_its_border_and_a_closed_surface_has_none() -> None:
    mesh = sheet(lambda y, z: 0 * y)
    assert sum(lengths(mesh.points[pair])[0] for pair in rim(mesh.triangles)) == pytest.approx(4 * 80, rel=1e-5)
    assert len(rim(sphere(10, (0, 0, 0)).triangles)) == 0
    assert len(rim(np.zeros((0, 3), np.int32))) == 0


# Dragging ------------------------------------------------------------------------------------------------------

OBLIQUE = np.linalg.qr(np.array([[1.0, 0.4, -0.2], [0.3, 1.0, 0.5], [-0.6, 0.2, 1.0]]))[0].T


def test_a_drag_across_the_line_of_sight_keeps_the_depth() -> None:
    right, up, towards = OBLIQUE
    by = step_in_view(right, up, (3.0, -5.0))
    assert (by @ right, by @ up, by @ towards) == pytest.approx((3.0, -5.0, 0.0))


def test_a_drag_along_a_direction_follows_the_mouse_as_seen_across_it() -> None:
    right, up, towards = OBLIQUE
    for direction in (right, up, -right, (right + towards) / np.sqrt(2), (up - right + 0.5 * towards) / 1.5):
        by = step_along(direction, right, up, (3.0, -5.0))
        assert np.cross(by, direction) == pytest.approx(np.zeros(3))
        shown = np.array([direction @ right, direction @ up])
        left = np.array([3.0, -5.0]) - [by @ right, by @ up]
        assert left @ shown == pytest.approx(0.0, abs=1e-9)
    for facing in (towards, -towards):
        assert step_along(facing, right, up, (3.0, -5.0)) == pytest.approx(-5.0 * facing)


def test_the_nearest_handle_within_reach_is_held_and_of_two_the_one_in_front() -> None:
    places = np.array([[10, 10, 0], [30, 10, 5], [30.2, 10, 20], [60, 60, 0]], dtype=float)
    assert nearest_handle(places, (12, 11), 9) == (0, pytest.approx(np.hypot(2, 1)))
    found = nearest_handle(places, (30, 10), 9)
    assert found is not None and found[0] == 2
    assert nearest_handle(places, (45, 40), 9) is None
    assert nearest_handle(np.zeros((0, 3)), (0, 0), 9) is None


def test_a_line_of_sight_meets_a_surface_where_the_surface_is() -> None:
    mesh = sheet(wavy)
    for y, z in RNG.uniform(-60, 60, (200, 2)):
        inside = max(abs(y), abs(z)) < 40
        assert ray_meets(mesh, np.array([500.0, y, z]), np.array([1.0, 0.0, 0.0])) == inside
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert not ray_meets(empty, np.zeros(3), np.array([0.0, 0.0, 1.0]))


def test_the_drawn_patch_lies_on_the_bezier_surface() -> None:
    points = control(5, 6)
    mesh = bezier_mesh(points)
    assert mesh.points[0] == pytest.approx(points[0, 0], abs=1e-4)
    assert mesh.points[-1] == pytest.approx(points[-1, -1], abs=1e-4)
    side = round(np.sqrt(len(mesh.points)))
    for i, j in ((0, 7), (13, 22), (side - 1, 3)):
        expected = de_casteljau(points, i / (side - 1), j / (side - 1))
        assert mesh.points[i * side + j] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 2), (3, 4), (2, 0)])
def test_the_normal_at_a_control_point_is_that_of_the_surface_it_pulls(row: int, column: int) -> None:
    points = control()
    u, v, h = row / 3, column / 4, 1e-5
    by_u = de_casteljau(points, u + h, v) - de_casteljau(points, u - h, v)
    by_v = de_casteljau(points, u, v + h) - de_casteljau(points, u, v - h)
    expected = np.cross(by_u, by_v) / np.linalg.norm(np.cross(by_u, by_v))
    assert normal_at(points, row, column) == pytest.approx(expected, abs=1e-6)


def test_a_patch_without_extent_has_no_normal() -> None:
    points = np.zeros((4, 4, 3))
    assert normal_at(points, 1, 1) is None
    points[..., 0] = np.arange(4)[:, None]  # a line
    assert normal_at(points, 1, 1) is None


def test_the_middle_of_a_patch_lies_on_it_and_points_to_the_side_that_goes() -> None:
    points = control()
    for point, sign in (((70.0, 0.0, 0.0), 1), ((-70.0, 0.0, 0.0), -1)):
        for held in (points, points[::-1], points[:, ::-1]):
            place, towards = middle(bezier_content("p", held, point))
            assert place == pytest.approx(de_casteljau(points, 0.5, 0.5))
            assert np.sign(towards[0]) == sign
            assert np.linalg.norm(towards) == pytest.approx(1)


def test_moving_a_control_point_moves_no_other_and_the_surface_with_it() -> None:
    content = bezier_content("p", control(), (60.0, 0.0, 0.0))
    changed = point_moved(content, 2, 1, (1.0, -2.0, 3.0))
    shift = changed.control_points - content.control_points
    assert shift[2, 1] == pytest.approx((1, -2, 3))
    assert np.count_nonzero(shift) == 3
    assert content.control_points == pytest.approx(control()), "the old one stays as it was"
    expected = de_casteljau(np.array(changed.control_points), 0.5, 0.5)
    assert middle(changed)[0] == pytest.approx(expected)
    assert changed.mesh is not content.mesh
    with pytest.raises(ValueError, match="read-only"):
        changed.control_points[0, 0] = 0


def test_the_same_side_goes_after_a_control_point_was_dragged_past_the_point_that_names_it() -> None:
    content = bezier_content("p", control(4, 4), (25.0, 0.0, 0.0))
    towards = middle(content)[1]
    changed = content
    for row, column in ((1, 1), (1, 2), (2, 1), (2, 2)):
        changed = point_moved(changed, row, column, (60.0, 0.0, 0.0))
    assert float(changed.mesh.points[:, 0].max()) > 30, "the surface has passed over it"
    assert side_of(changed) == side_of(content)
    assert middle(changed)[1] @ towards > 0
    assert changed.remove_point != content.remove_point


def test_a_patch_that_moves_as_a_whole_takes_its_side_along() -> None:
    content = bezier_content("p", control(), (25.0, 0.0, 0.0))
    changed = patch_moved(content, (80.0, 0.0, -4.0))
    assert changed.control_points == pytest.approx(control() + np.array([80, 0, -4]))
    assert changed.remove_point == pytest.approx((105.0, 0.0, -4.0))
    assert side_of(changed) == side_of(content)


def test_margins_of_the_place_before_are_not_shown_at_the_new_one() -> None:
    mesh = bezier_mesh(control())
    classes = np.full(len(mesh.points), 1, np.uint8)
    content = bezier_content("p", control(), (60.0, 0.0, 0.0), mesh=mesh, classes=classes)
    assert point_moved(content, 1, 1, (1.0, 0.0, 0.0)).classes is None
    seen: list[Mesh] = []

    def classify(mesh: Mesh) -> np.ndarray:
        seen.append(mesh)
        return np.full(len(mesh.points), 3, np.uint8)

    changed = point_moved(replace(content, classify=classify), 1, 1, (1.0, 0.0, 0.0))
    assert changed.classes is not None and set(changed.classes) == {3}
    assert seen == [changed.mesh]


# Contents ------------------------------------------------------------------------------------------------------


def test_control_points_and_margins_that_are_none_are_refused_in_words() -> None:
    wrong = control()
    wrong[1, 1, 0] = np.nan
    for points in (np.zeros((4, 4, 2)), np.zeros((1, 4, 3)), np.zeros((4, 3)), wrong):
        with pytest.raises(BadInput, match="rows and columns of control points"):
            PatchContent("p", bezier_mesh(control()), control_points=points, tessellate=bezier_mesh)
    with pytest.raises(BadInput, match="side of a cut surface is 1 or -1, not 0"):
        CutSurfaceContent("c", sheet(wavy), side=0)
    with pytest.raises(BadInput, match="has 4 margins"):
        CutSurfaceContent("c", sheet(wavy), distances_mm=np.zeros(4))
    with pytest.raises(BadInput, match="has 5 margin classes"):
        CutSurfaceContent("c", sheet(wavy), None, np.zeros(5, np.uint8))


def test_what_changes_the_picture_is_told_apart() -> None:
    patch = bezier_content("p", control(), (60.0, 0.0, 0.0))
    cut, surface = CutSurfaceContent("c", sheet(wavy)), SurfaceContent("s", sphere(9, (0, 0, 0)), (1, 2, 3))
    scene = SceneContent(surfaces=(surface,), patches=(patch,), cut_surfaces=(cut,))
    slices = SliceContent(patches=(patch,), cut_surfaces=(cut,))
    same = replace(patch)
    assert scene.looks_like(replace(scene, patches=(same,), surfaces=(replace(surface),)))
    assert same_slices(slices, replace(slices, patches=(same,)))
    changes = (
        point_moved(patch, 0, 0, (1.0, 0.0, 0.0)),
        replace(patch, visible=False),
        replace(patch, editable=False),
        replace(patch, side=-1),
        replace(patch, classes=np.ones(len(patch.mesh.points), np.uint8)),
    )
    for changed in changes:
        assert not scene.looks_like(replace(scene, patches=(changed,)))
        assert not same_slices(slices, replace(slices, patches=(changed,)))
    assert not same_slices(slices, replace(slices, cut_surfaces=()))
    for moved in (replace(surface, offset_mm=(1.0, 0.0, 0.0)), replace(surface, hatched=True)):
        assert not scene.looks_like(replace(scene, surfaces=(moved,)))


def test_the_box_around_a_scene_holds_what_was_moved_aside_and_curved_cuts() -> None:
    surface = SurfaceContent("s", sphere(10, (0, 0, 0)), (1, 2, 3), offset_mm=(100.0, 0.0, -5.0))
    bounds = content_bounds(SceneContent(surfaces=(surface,)))
    assert bounds is not None
    assert bounds[0] == pytest.approx((90, -10, -15), abs=1e-4)
    assert bounds[1] == pytest.approx((110, 10, 5), abs=1e-4)
    patch = bezier_content("p", control(), (60.0, 0.0, 0.0))
    bounds = content_bounds(SceneContent(surfaces=(surface,), patches=(patch,)))
    assert bounds is not None
    assert bounds[0][1] == pytest.approx(float(patch.mesh.points[:, 1].min()), abs=1e-4)


def test_a_picture_keeps_the_curve_of_a_slice_and_finds_a_new_one_for_another() -> None:
    geometry = Geometry.from_parts((40, 40, 30), (2.0, 2.0, 3.0), (-39.0, -39.0, -43.5))
    image = ImageContent(np.zeros(geometry.shape_kji, np.int16), geometry)
    patch = bezier_content("p", control(), (60.0, 0.0, 0.0))
    picture = SlicePicture(Orientation.AXIAL, SliceContent(image, patches=(patch,)))
    placement = Placement(300, 300, 3.0, (0.0, 0.0))
    (first,), (again,) = picture.curves(1.5, placement), picture.curves(1.5, placement.panned(10, 0))
    assert again.runs[0].points == pytest.approx(first.runs[0].points + np.array([10, 0]))
    (other,) = picture.curves(10.5, placement)
    assert not np.allclose(other.runs[0].points[:5], first.runs[0].points[:5])
    picture.set_content(SliceContent(image, patches=(point_moved(patch, 1, 2, (15.0, 0.0, 0.0)),)))
    (moved,) = picture.curves(1.5, placement)
    assert moved.runs[0].points[:, 0].max() > first.runs[0].points[:, 0].max() + 5
    picture.set_content(SliceContent(image, patches=(replace(patch, visible=False),)))
    assert picture.curves(1.5, placement) == []


def test_a_printed_slice_shows_the_curve_and_its_margins() -> None:
    geometry = Geometry.from_parts((40, 40, 30), (2.0, 2.0, 3.0), (-39.0, -39.0, -43.5))
    image = ImageContent(np.zeros(geometry.shape_kji, np.int16), geometry)
    mesh = sheet(lambda y, z: 0 * y + 5, size=30.0)
    classes = np.where(mesh.points[:, 1] > 8, 1, np.where(mesh.points[:, 1] > -8, 2, 3)).astype(np.uint8)
    cut = CutSurfaceContent("c", mesh, (30.0, 0.0, 0.0), classes)
    content = SliceContent(image, cut_surfaces=(cut,))
    pixels = draw_slice(content, Orientation.AXIAL, (0.0, 0.0, 0.0), (400, 400), pixel_ratio=1.0).astype(int)
    tokens = load_tokens("dark")

    def rows_of(name: str) -> np.ndarray:
        return np.flatnonzero((np.abs(pixels - tokens.rgb(name)).sum(axis=2) < 40).any(axis=1))

    cut_rows = rows_of("cut")
    assert np.ptp(cut_rows) == pytest.approx(60 * 392 / 80, abs=4)
    below, uncertain, safe = (rows_of(name) for name in ("margin-below", "margin-uncertain", "margin-safe"))
    assert below.max() < uncertain.min() and uncertain.max() < safe.min(), "from anterior to posterior"
    drawn = [len(rows) / np.ptp(rows) for rows in (below, uncertain, safe)]
    assert drawn[0] < 0.75 and drawn[1] < 0.85 and drawn[2] > 0.98, "dots, dashes, and a whole line"


def test_the_arrow_points_to_the_side_that_the_cut_removes() -> None:
    """Against the cut itself, for patches of any shape, smaller than the organ, and any place that goes."""
    from surgitwin.resection.bezier import BezierPatch, surface_cut
    from surgitwin.resection.regions import region_of, removed_at

    geometry = Geometry.from_parts((60, 56, 40), (2.0, 2.2, 3.0), (-59.0, -60.0, -58.0))
    box = Box((3, 3, 3), (57, 53, 37))
    tried = 0
    for _ in range(120):  # most fold and are refused
        points = control(4, 4) * RNG.uniform(0.5, 1.2) + RNG.normal(0, 7, (4, 4, 3))
        remove = geometry.to_lps(RNG.uniform(box.start, np.array(box.stop) - 1.0))
        try:
            cut = surface_cut(BezierPatch.of(points), box, geometry, remove)
        except BadInput:
            continue
        place, towards = middle(bezier_content("p", points, tuple(remove)))
        beside = np.round(geometry.to_index(place + np.array([[4.5], [-4.5]]) * towards)).astype(np.int64)
        if not ((beside >= box.start) & (beside < box.stop)).all():
            continue
        gone = removed_at([region_of(cut, box, geometry)], beside, geometry.size_ijk[0])
        assert gone.tolist() == [True, False], (points, remove)
        tried += 1
    assert tried > 30
