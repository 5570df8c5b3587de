"""Patches to begin with: they hold what they were made from, and divide the organ as they should."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree
from test_resection_kinds import GRIDS, ball, centres

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.resection import LiveCut, Structure, partition, prepare
from surgitwin.resection.bezier import surface_cut
from surgitwin.resection.margins import LesionSurface
from surgitwin.resection.patch_check import distance_mm
from surgitwin.resection.patch_start import PatchStart, around_lesion, fitted_patch, from_border, from_line, from_ring

RADIUS = 20.0
FINE = np.linspace(0.0, 1.0, 101)


def organ_on(grid: Geometry) -> tuple[np.ndarray, Box]:
    organ = ball(grid, (0.0, 0.0, 0.0), RADIUS)
    return organ, Box.of_mask(organ)


def cut_by(start: PatchStart, organ: np.ndarray, grid: Geometry):  # type: ignore[no-untyped-def]
    live = LiveCut(prepare(Structure("Organ", organ), grid, Context()))
    cut = surface_cut(start.patch, live.prepared.reach, grid, start.remove_point_mm)
    return partition(live.prepared, [cut], Context())


@pytest.mark.parametrize("name", GRIDS)
def test_a_line_over_the_organ_lies_on_its_patch_and_it_goes_straight_in(name: str) -> None:
    grid = GRIDS[name]
    organ, box = organ_on(grid)
    angle = np.linspace(0.6, 2.4, 25)
    line = RADIUS * np.stack([np.cos(angle), np.full_like(angle, 0.25), np.sin(angle)], axis=1)
    line *= (RADIUS / np.linalg.norm(line, axis=1))[:, None]

    start = from_line(line, organ[box.slices], box, grid)
    found = cut_by(start, organ, grid)

    surface = start.patch.at(FINE, FINE).reshape(-1, 3)
    assert cKDTree(surface).query(line)[0].max() < 1.5
    assert start.largest_mm < 0.5
    # Straight in means towards the middle of a ball: about a half goes, and all of that to one side of the line.
    assert found.removed.sum() == pytest.approx(organ.sum() / 2, rel=0.1)
    # All of what goes lies to one side of the way in: on the cone from the ball's middle through the line.
    angle = np.arctan2(centres(grid)[found.box.slices][..., 1], 1.0)
    assert abs(angle[found.removed].mean() - angle[found.remnant].mean()) > 0.5


@pytest.mark.parametrize("name", GRIDS)
def test_a_ring_lies_on_its_patch_and_what_it_closes_off_goes(name: str) -> None:
    grid = GRIDS[name]
    organ, box = organ_on(grid)
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    ring = np.stack([14.0 * np.cos(turn), 14.0 * np.sin(turn), np.full_like(turn, 14.28)], axis=1)

    start = from_ring(ring, organ[box.slices], box, grid)
    found = cut_by(start, organ, grid)

    surface = start.patch.at(FINE, FINE).reshape(-1, 3)
    away = cKDTree(surface).query(ring)[0]
    assert away.max() < 1.5 and start.largest_mm < 1.5
    z = centres(grid)[found.box.slices][..., 2]
    cap = organ[found.box.slices] & (z > 14.28)
    assert np.count_nonzero(found.removed ^ cap) < 0.03 * organ.sum()


@pytest.mark.parametrize("name", GRIDS)
def test_a_ring_that_lies_in_no_plane_lies_on_its_patch_as_well(name: str) -> None:
    """A ring around the side of a ball that goes up and down as a saddle does."""
    grid = GRIDS[name]
    organ, box = organ_on(grid)
    turn = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    up = 8.0 + 4.0 * np.cos(2 * turn)
    ring = np.stack([np.cos(turn), np.sin(turn), up / np.sqrt(RADIUS**2 - up**2)], axis=1)
    ring *= RADIUS / np.linalg.norm(ring, axis=1)[:, None]

    start = from_ring(ring, organ[box.slices], box, grid)
    cut = surface_cut(start.patch, box, grid, start.remove_point_mm)

    away = cKDTree(start.patch.at(FINE, FINE).reshape(-1, 3)).query(ring)[0]
    assert start.largest_mm < 0.5 and away.max() < start.largest_mm + 0.5
    assert cut.remove_point_mm[2] > 8.0


@pytest.mark.parametrize("flip", [False, True])
def test_of_a_bent_border_the_side_that_goes_is_the_removed_one(flip: bool) -> None:
    grid = GRIDS["oblique"]
    organ, box = organ_on(grid)
    places = centres(grid)
    removed = (places[..., 2] > 9.0 - 0.02 * (places[..., 0] ** 2 + places[..., 1] ** 2)) ^ flip

    start = from_border(removed[box.slices], organ[box.slices], box, grid)
    found = cut_by(start, organ, grid)

    wrong = found.removed ^ (organ & removed)[found.box.slices]
    assert np.count_nonzero(wrong) < 0.08 * organ.sum()


@pytest.mark.parametrize("name", GRIDS)
def test_a_patch_along_a_border_divides_as_the_border_does(name: str) -> None:
    grid = GRIDS[name]
    organ, box = organ_on(grid)
    places = centres(grid)
    removed = places[..., 0] > 4.0 + 0.01 * places[..., 1] ** 2 - 0.008 * places[..., 2] ** 2

    start = from_border(removed[box.slices], organ[box.slices], box, grid)
    found = cut_by(start, organ, grid)

    assert start.rms_mm < max(grid.spacing_mm) / 2
    wrong = found.removed ^ (organ & removed)[found.box.slices]
    assert np.count_nonzero(wrong) < 0.03 * organ.sum()


def brute_distance(points: np.ndarray, triangles: np.ndarray) -> float:
    """From each point to every triangle that could be nearest to it by the distance of their corners."""
    longest = np.max([np.linalg.norm(triangles[:, m] - triangles[:, m - 1], axis=1) for m in range(3)], axis=0)
    corners = np.linalg.norm(triangles[:, 0, None] - points[None], axis=2)
    near = np.argwhere(corners < corners.min() + longest[:, None])
    return float(distance_mm(points[near[:, 1]], triangles[near[:, 0]]).min())


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("margin", [0.0, 4.0])
@pytest.mark.parametrize("long", [1.0, 3.0])
def test_a_bowl_around_a_lesion_keeps_the_margin_hardly_more_and_takes_the_lesion(
    name: str, margin: float, long: float
) -> None:
    grid = GRIDS[name]
    organ, box = organ_on(grid)
    places = centres(grid) - np.array([0.0, 3.0, 12.0])
    lesion = np.linalg.norm(places / np.array([long, 1.0, 1.0]), axis=-1) < 3.0
    surface = LesionSurface.of(lesion, grid.full_box, grid)

    start = around_lesion(surface, margin, organ[box.slices], box, grid)
    found = cut_by(start, organ, grid)

    cut = surface_cut(start.patch, box, grid, start.remove_point_mm)
    asked = max(margin, max(grid.spacing_mm) / 2)
    whole = brute_distance(surface.xyz.T, cut.points_mm[cut.triangles])
    assert asked <= whole <= asked + 0.05
    assert start.margin_mm == pytest.approx(whole, abs=1e-9)
    assert found.removed[(lesion & organ)[found.box.slices]].all()
    assert found.removed.sum() < 0.6 * organ.sum()


@pytest.mark.parametrize("name", GRIDS)
def test_a_bowl_takes_less_than_one_around_the_ball_about_a_long_lesion(name: str) -> None:
    grid = GRIDS[name]
    organ, box = organ_on(grid)
    places = centres(grid) - np.array([0.0, 0.0, 13.0])
    lesion = np.linalg.norm(places / np.array([4.0, 1.0, 1.0]), axis=-1) < 2.0
    ball_about = np.linalg.norm(places, axis=-1) < 8.0

    takes = []
    for mask in (lesion, ball_about):
        start = around_lesion(LesionSurface.of(mask, grid.full_box, grid), 2.0, organ[box.slices], box, grid)
        takes.append(int(cut_by(start, organ, grid).removed.sum()))

    assert takes[0] < 0.8 * takes[1]


def test_a_fitted_patch_gives_a_patch_back() -> None:
    from surgitwin.resection.bezier import BezierPatch

    rng = np.random.default_rng(2)
    patch = BezierPatch(rng.normal(0, 10, (6, 6, 3)))
    t = np.linspace(0, 1, 13)

    assert np.allclose(fitted_patch(patch.at(t, t)).control_points_mm, patch.control_points_mm, atol=1e-8)


def test_lines_that_are_too_short_or_not_on_the_organ_are_refused() -> None:
    grid = GRIDS["odd spacing"]
    organ, box = organ_on(grid)

    with pytest.raises(BadInput, match="too short"):
        from_line([[0, 0, 20]], organ[box.slices], box, grid)
    with pytest.raises(BadInput, match="too short"):
        from_ring([[0, 0, 20], [0.1, 0, 20], [0, 0.1, 20]], organ[box.slices], box, grid)
    with pytest.raises(BadInput, match="not on the organ"):
        from_line([[0, 0, 200], [30, 0, 200]], organ[box.slices], box, grid)


def test_a_border_that_is_none_is_refused() -> None:
    grid = GRIDS["odd spacing"]
    organ, box = organ_on(grid)

    with pytest.raises(BadInput, match="no border"):
        from_border(np.zeros_like(organ[box.slices]), organ[box.slices], box, grid)
