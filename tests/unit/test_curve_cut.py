"""Cuts along a drawn line: straight in, on one side of it or inside a ring, and files that hold cut surfaces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_bezier import flat
from test_resection_kinds import GRIDS, ball, centres

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.resection import LiveCut, Structure, partition, prepare
from surgitwin.resection.curve_cut import DrawnCurve, curve_cut
from surgitwin.resection.surface_files import read_surface_file

WAY = np.array([0.2, -0.9, 0.4]) / np.linalg.norm([0.2, -0.9, 0.4])


def cut_ball(grid: Geometry) -> tuple[NDArray[np.bool_], LiveCut]:
    organ = ball(grid, (0.0, 0.0, 0.0), 20.0)
    return organ, LiveCut(prepare(Structure("Organ", organ), grid, Context()))


def frame(way: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first = np.cross(way, [0.0, 0.0, 1.0])
    first /= np.linalg.norm(first)
    return first, np.cross(way, first)


@pytest.mark.parametrize("name", GRIDS)
def test_a_ring_takes_what_lies_behind_it(name: str) -> None:
    """A round ring on the surface, seen along the way in: a cylinder."""
    grid = GRIDS[name]
    organ, live = cut_ball(grid)
    first, second = frame(WAY)
    turn = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    ring = 9.0 * (np.cos(turn)[:, None] * first + np.sin(turn)[:, None] * second) - 18.0 * WAY

    found = partition(live.prepared, [curve_cut(DrawnCurve.of(ring, True, WAY), live.prepared.reach, grid)], Context())

    places = centres(grid)[found.box.slices]
    away = np.linalg.norm(places - (places @ WAY)[..., None] * WAY, axis=-1)
    clear = organ[found.box.slices] & (np.abs(away - 9.0) > 0.01)
    assert np.array_equal(found.removed & clear, clear & (away < 9.0))


@pytest.mark.parametrize("name", GRIDS)
def test_a_ring_with_a_depth_leaves_what_lies_deeper(name: str) -> None:
    grid = GRIDS[name]
    organ, live = cut_ball(grid)
    first, second = frame(WAY)
    turn = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    # A star, so that the floor is no convex polygon.
    reach = 8.0 + 3.0 * np.cos(5 * turn)
    ring = reach[:, None] * (np.cos(turn)[:, None] * first + np.sin(turn)[:, None] * second) - 18.0 * WAY
    curve = DrawnCurve.of(ring, True, WAY, 10.0)

    found = partition(live.prepared, [curve_cut(curve, live.prepared.reach, grid)], Context())
    through = partition(
        live.prepared, [curve_cut(DrawnCurve.of(ring, True, WAY), live.prepared.reach, grid)], Context()
    )

    depth = centres(grid)[found.box.slices] @ WAY
    clear = np.abs(depth + 8.0) > 1e-3
    assert np.array_equal(found.removed & clear, through.removed & clear & (depth < -8.0))
    assert found.removed.any()
    assert np.array_equal(found.removed | found.remnant, organ[found.box.slices])


@pytest.mark.parametrize("name", GRIDS)
def test_a_straight_line_cuts_as_the_plane_through_it_and_goes_on_at_its_ends(name: str) -> None:
    grid = GRIDS[name]
    organ, live = cut_ball(grid)
    first, second = frame(WAY)
    line = np.linspace(-4.0, 4.0, 9)[:, None] * (first + 0.4 * second) + 1.37 * second - 19.0 * WAY
    normal = np.cross(WAY, first + 0.4 * second)
    normal /= np.linalg.norm(normal)

    for sign in (1.0, -1.0):
        given = tuple(float(v) for v in line[4] + sign * 5.0 * normal)
        cut = curve_cut(DrawnCurve.of(line, False, WAY), live.prepared.reach, grid, given)
        found = partition(live.prepared, [cut], Context())
        side = (centres(grid)[found.box.slices] - line[4]) @ normal * sign
        clear = organ[found.box.slices] & (np.abs(side) > 1e-6)
        assert np.array_equal(found.removed & clear, clear & (side > 0))


@pytest.mark.parametrize("name", GRIDS)
def test_half_a_circle_cuts_as_half_a_cylinder_with_two_walls(name: str) -> None:
    grid = GRIDS[name]
    organ, live = cut_ball(grid)
    first, second = frame(WAY)
    turn = np.linspace(-np.pi / 2, np.pi / 2, 181)
    line = 8.0 * (np.cos(turn)[:, None] * first + np.sin(turn)[:, None] * second) - 18.0 * WAY
    # So that its ends go on straight back: their last 8 mm run straight.
    back = np.linspace(10.0, 1.0, 10)[:, None] * -first
    line = np.concatenate([line[0] + back, line, line[-1] + back[::-1]])

    cut = curve_cut(DrawnCurve.of(line, False, WAY), live.prepared.reach, grid, (0.0, 0.0, 0.0))
    found = partition(live.prepared, [cut], Context())

    places = centres(grid)[found.box.slices]
    x, y = places @ first, places @ second
    inside = np.where(x > 0, np.hypot(x, y), np.abs(y))
    clear = organ[found.box.slices] & (np.abs(inside - 8.0) > 0.01)
    assert np.array_equal(found.removed & clear, clear & (inside < 8.0))


@pytest.mark.parametrize(
    ("points", "closed", "way", "depth", "words"),
    [
        ([[0, 0, 0], [5, 0, 0]], True, [0, 0, 1], None, "at least"),
        ([[0, 0, 0]], False, [0, 0, 1], None, "at least"),
        ([[0, 0, 0], [0, 0, 7]], False, [0, 0, 1], None, "at least"),
        ([[0, 0, 0], [5, 5, 0], [5, 0, 0], [0, 5, 0]], True, [0, 0, 1], None, "crosses itself"),
        ([[0, 0, 0], [9, 0, 0], [9, 5, 0], [4, 5, 0], [4, -5, 0]], False, [0, 0, 1], None, "crosses itself"),
        ([[0, 0, 0], [5, 0, 0], [5, 5, 0]], True, [0, 0, 0], None, "direction"),
        ([[0, 0, 0], [5, 0, 0], [5, 5, 0]], True, "up", None, "direction"),
        ([[0, 0, 0], [5, 0, 0], [5, 5, 0]], True, [0, 0, 1], -3, "depth_mm"),
        ([[0, 0, 0], [5, 0, 0]], False, [0, 0, 1], 3, "Only a ring"),
        ([[0, 0], [5, 0], [5, 5]], True, [0, 0, 1], None, "points_mm"),
        ([[0, 0, float("nan")], [5, 0, 0], [5, 5, 0]], True, [0, 0, 1], None, "points_mm"),
    ],
)
def test_lines_that_make_no_cut_are_refused(points: Any, closed: bool, way: Any, depth: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        DrawnCurve.of(points, closed, way, depth)


@pytest.mark.parametrize("way", [[0, 0, 1], [0, 0.6, -0.8]])
def test_points_on_one_straight_line_do_not_cross(way: list[float]) -> None:
    DrawnCurve.of([[x, 0, 0] for x in range(9)], False, way)
    DrawnCurve.of([[0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 2, 0], [1, 2, 0], [0, 2, 0], [0, 1, 0]], True, way)
    DrawnCurve.of(np.linspace(0, 1, 40)[:, None] * [13.7, -4.1, 0.3], False, way)


def test_a_line_that_runs_back_over_itself_is_refused() -> None:
    with pytest.raises(BadInput, match="crosses itself"):
        DrawnCurve.of([[0, 0, 0], [10, 0, 0], [10, 3, 0], [10, 0, 0], [4, 0, 0]], False, [0, 0, 1])


@pytest.mark.parametrize("name", GRIDS)
def test_ends_that_meet_when_drawn_on_are_refused_only_where_the_organ_is(name: str) -> None:
    """A pointed arch whose legs lean together: they would meet at a place that is told by their slope."""
    grid = GRIDS[name]
    first, second = frame(WAY)
    box = Box.of_mask(ball(grid, (0.0, 0.0, 0.0), 20.0))

    def arch(meet_at: float) -> DrawnCurve:
        legs = np.linspace(12.0, 0.0, 7)[:, None]
        left = legs * second - (4.0 * (1 - (12.0 - legs) / (12.0 + meet_at))) * first
        right = left + 2 * -(left @ first)[:, None] * first
        return DrawnCurve.of(np.concatenate([left[::-1], right]) - 18.0 * WAY, False, WAY)

    with pytest.raises(BadInput, match="within the organ"):
        curve_cut(arch(5.0), box, grid, (0.0, 0.0, 0.0))
    curve_cut(arch(500.0), box, grid, (0.0, 0.0, 0.0))


def test_a_point_on_the_curtain_tells_no_side() -> None:
    grid = GRIDS["oblique"]
    curve = DrawnCurve.of([[0, 0, 0], [5, 0, 0]], False, [0, 0, 1])

    with pytest.raises(BadInput, match="lies on the cut surface itself"):
        curve_cut(curve, grid.full_box, grid, (11.0, 0.0, 4.0))


def test_an_open_line_without_a_side_is_refused() -> None:
    grid = GRIDS["odd spacing"]

    with pytest.raises(BadInput, match="which side"):
        curve_cut(DrawnCurve.of([[0, 0, 0], [5, 0, 0]], False, [0, 0, 1]), grid.full_box, grid)


def test_a_patch_comes_back_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text(json.dumps({"type": "bezier", "control_points_mm": flat().tolist(), "remove_point_mm": [1, 2, 3]}))

    found = read_surface_file(path)

    assert found.kind == "bezier" and found.remove_point_mm == (1.0, 2.0, 3.0)
    assert found.patch is not None and np.array_equal(found.patch.control_points_mm, flat())


def test_a_curve_comes_back_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    ring = [[0, 0, 0], [5, 0, 0], [5, 5, 0]]
    path.write_text(
        json.dumps({"type": "curve", "points_mm": ring, "closed": True, "direction": [0, 0, 2], "depth_mm": 4})
    )

    found = read_surface_file(path)

    assert found.curve is not None and found.curve.depth_mm == 4.0 and found.remove_point_mm is None
    assert np.allclose(found.curve.direction, [0, 0, 1])


GOOD = {"type": "bezier", "control_points_mm": flat().tolist(), "remove_point_mm": [1, 2, 3]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[1, 2]", "“type”"),
        ("{}", "“type”"),
        (json.dumps({**GOOD, "type": "nurbs"}), "“type”"),
        (json.dumps({**GOOD, "control_points_mm": [[1]]}), "4 to 6 rows"),
        (json.dumps({**GOOD, "control_points_mm": None}), "4 to 6 rows"),
        (json.dumps({**GOOD, "remove_point_mm": None}), "remove_point_mm"),
        (json.dumps({**GOOD, "remove_point_mm": [1, 2]}), "remove_point_mm"),
        (json.dumps({**GOOD, "remove_point_mm": "x"}), "remove_point_mm"),
        (json.dumps({**GOOD, "remove_point_mm": [1, 2, True]}), "true or false"),
        (json.dumps({**GOOD, "remove_point_mm": ["1", "2", "3"]}), "remove_point_mm"),
        (json.dumps({**GOOD, "remove_point_mm": [1, 2, 1e9]}), "kilometre"),
        (json.dumps({**GOOD, "remove_point_mm": [1, 2, float("inf")]}), "remove_point_mm"),
        (json.dumps({**GOOD, "control_points_mm": [[[10**400, 0, 0]] * 4] * 4}), "4 to 6 rows"),
        (json.dumps({**GOOD, "control_points_mm": [[[True, 0, 0.5]] * 4] * 4}), "true or false"),
        (json.dumps({**GOOD, "control_points_mm": [[["1", "0", "2"]] * 4] * 4}), "4 to 6 rows"),
        ("[" * 100_000, "no JSON"),
        (json.dumps({"type": "curve"}), "points_mm"),
        (json.dumps({"type": "curve", "points_mm": [[0, 0, 0], [5, 0, 0]], "closed": "yes"}), "closed"),
        (json.dumps({"type": "curve", "points_mm": [[0, 0, 0], [5, 0, 0]], "direction": [0, 0, 1]}), "remove_point_mm"),
    ],
)
def test_a_file_that_holds_no_cut_surface_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "cut.json"
    path.write_text(text)

    with pytest.raises(BadInput, match=f"cut.json.*{words}"):
        read_surface_file(path)


def test_a_missing_file_and_one_that_is_no_text_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.json cannot be read"):
        read_surface_file(tmp_path / "gone.json")
    (tmp_path / "cut.json").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(BadInput, match=r"cut\.json is no JSON"):
        read_surface_file(tmp_path / "cut.json")
