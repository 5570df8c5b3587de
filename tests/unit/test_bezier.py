"""Bézier patches as cuts: exact on known surfaces, drawn on past the organ, refused when they cannot divide it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_resection_kinds import GRIDS, ball, centres

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.resection import LiveCut, Structure, partition, prepare
from surgitwin.resection.bezier import RIM, BezierPatch, crosses_itself, surface_cut
from surgitwin.resection.patch_check import distance_mm
from surgitwin.resection.patch_start import fitted_patch

BOX = Box((2, 2, 2), (50, 45, 28))


def flat(rows: int = 4, columns: int = 4, size: float = 30.0, z: float = 1.3) -> NDArray[np.float64]:
    x, y = np.meshgrid(np.linspace(-size, size, rows), np.linspace(-size, size, columns), indexing="ij")
    return np.stack([x, y, np.full_like(x, z)], axis=-1)


def paraboloid(a: float = 0.012, size: float = 30.0) -> NDArray[np.float64]:
    """z = a (x² + y²) over a square: of degree two in each parameter, raised to three."""
    x2 = np.array([size**2, -(size**2), size**2])
    raised = np.array([x2[0], (x2[0] + 2 * x2[1]) / 3, (2 * x2[1] + x2[2]) / 3, x2[2]])
    points = flat()
    points[..., 2] = a * (raised[:, None] + raised[None, :])
    return points


def test_a_patch_of_a_paraboloid_lies_on_it() -> None:
    t = np.linspace(0, 1, 23)
    points = BezierPatch.of(paraboloid()).at(t, t)

    assert np.abs(points[..., 2] - 0.012 * (points[..., 0] ** 2 + points[..., 1] ** 2)).max() < 1e-12


def test_slopes_are_those_of_differences() -> None:
    rng = np.random.default_rng(3)
    patch = BezierPatch.of(flat(5, 6) + rng.normal(0, 4, (5, 6, 3)))
    t, h = np.linspace(0.1, 0.9, 9), 1e-6

    by_u, by_v = patch.slopes(t, t)

    assert np.allclose(by_u, (patch.at(t + h, t) - patch.at(t - h, t)) / (2 * h), atol=1e-5)
    assert np.allclose(by_v, (patch.at(t, t + h) - patch.at(t, t - h)) / (2 * h), atol=1e-5)


@pytest.mark.parametrize(("rows", "columns"), [(5, 4), (4, 6), (6, 6)])
def test_more_control_points_leave_the_surface_as_it_is(rows: int, columns: int) -> None:
    patch = BezierPatch.of(flat() + np.random.default_rng(1).normal(0, 5, (4, 4, 3)))
    t = np.linspace(0, 1, 17)

    more = patch.elevated(rows, columns)

    assert more.control_points_mm.shape == (rows, columns, 3)
    assert np.abs(more.at(t, t) - patch.at(t, t)).max() < 1e-9


@pytest.mark.parametrize("name", GRIDS)
def test_a_paraboloid_cuts_where_its_formula_says(name: str) -> None:
    grid = GRIDS[name]
    organ = ball(grid, (0.0, 0.0, 0.0), 20.0)
    live = LiveCut(prepare(Structure("Organ", organ), grid, Context()))
    cut = surface_cut(BezierPatch.of(paraboloid()), live.prepared.reach, grid, (0.0, 0.0, 18.0))

    found = partition(live.prepared, [cut], Context())

    places = centres(grid)[found.box.slices]
    above = places[..., 2] - 0.012 * (places[..., 0] ** 2 + places[..., 1] ** 2)
    inside = organ[found.box.slices] & (np.abs(above) > 0.02)
    assert np.array_equal(found.removed & inside, inside & (above > 0))


def dome(radius: float, half: float = 75.0) -> NDArray[np.float64]:
    """Of degree five and near to a ball: heights fitted over a square."""
    x = np.linspace(-half, half, 31)
    heights = np.sqrt(radius**2 - x[:, None] ** 2 - x[None, :] ** 2)
    grid = np.stack([*np.meshgrid(x, x, indexing="ij"), heights], axis=-1)
    return fitted_patch(grid).control_points_mm


def saddle() -> NDArray[np.float64]:
    points = flat(size=75.0)
    points[..., 2] = points[..., 0] * points[..., 1] / 100.0
    return points


def waves() -> NDArray[np.float64]:
    points = flat(6, 6, size=75.0)
    points[..., 2] += np.random.default_rng(5).uniform(-10, 10, (6, 6))
    return points


def arch() -> NDArray[np.float64]:
    """Bent along one side to a radius of about 50 mm."""
    points = flat(size=75.0)
    points[1:3, :, 2] += 55.0
    return points


@pytest.mark.parametrize("points", [dome(120.0), saddle(), arch(), waves()])
def test_triangles_keep_within_two_hundredths_of_a_millimetre_of_a_liver_sized_patch(
    points: NDArray[np.float64],
) -> None:
    """Places of the patch between the corners of each cell, 150 mm wide in all, against the cell's two triangles."""
    patch = BezierPatch.of(points)
    grid = GRIDS["odd spacing"]
    cut = surface_cut(patch, BOX, grid, (0.0, 0.0, 500.0), checked=False)
    steps = patch.steps()
    cells = np.arange(steps)
    # Triangles of the drawn part come cell by cell, row by row, two each.
    triangles = cut.points_mm[cut.triangles[: cut.drawn]].reshape(steps, steps, 2, 3, 3)

    for along, across in [(0.5, 0.5), (0.5, 0.0), (0.0, 0.5), (0.25, 0.75), (0.7, 0.3), (0.9, 0.5)]:
        exact = patch.at((cells + along) / steps, (cells + across) / steps).reshape(-1, 3)
        off = [distance_mm(exact, triangles[:, :, half].reshape(-1, 3, 3)) for half in (0, 1)]
        assert np.minimum(*off).max() < 0.02


@pytest.mark.parametrize("name", GRIDS)
def test_past_its_edges_a_patch_goes_on_straight(name: str) -> None:
    """A small flat patch in the middle cuts the whole organ, as the plane through it does."""
    grid = GRIDS[name]
    organ = ball(grid, (0.0, 0.0, 0.0), 20.0)
    live = LiveCut(prepare(Structure("Organ", organ), grid, Context()))
    points = flat(size=3.0)
    points[..., 2] = 0.3 * points[..., 0] - 0.2 * points[..., 1] + 1.37

    found = partition(
        live.prepared, [surface_cut(BezierPatch.of(points), live.prepared.reach, grid, (0, 0, 50.0))], Context()
    )

    places = centres(grid)[found.box.slices]
    height = places[..., 2] - 0.3 * places[..., 0] + 0.2 * places[..., 1] - 1.37
    clear = organ[found.box.slices] & (np.abs(height) > 1e-6)
    assert np.array_equal(found.removed & clear, clear & (height > 0))


def test_the_extension_goes_on_in_the_direction_of_the_edge() -> None:
    grid = GRIDS["odd spacing"]
    cut = surface_cut(BezierPatch.of(paraboloid()), BOX, grid, (0, 0, 99.0))
    side = BezierPatch.of(paraboloid()).steps() + 2 * RIM + 1
    rows = cut.points_mm.reshape(side, side, 3)

    outwards = rows[0, 30] - rows[RIM, 30]
    slope = outwards[2] / -outwards[0]
    assert slope == pytest.approx(2 * 0.012 * 30.0, rel=1e-9)  # dz/dx of the paraboloid at x = -30, going outwards


def folded() -> NDArray[np.float64]:
    """A loop in the middle: the surface runs back through itself."""
    points = flat(6, 6)
    points[2, :, 0], points[3, :, 0] = 150.0, -150.0
    points[2:4, :, 2] += 25.0
    return points


def doubled_back() -> NDArray[np.float64]:
    """A piece of a plane on which the surface runs forth, back and forth again."""
    points = flat()
    points[:, :, 0] = np.array([-30.0, 40.0, -40.0, 30.0])[:, None]
    return points


def loop(pull: float) -> NDArray[np.float64]:
    """Two rows of control points pulled past each other: above about 44 mm the profile has a small loop."""
    points = flat(6, 6)
    points[2, :, 0], points[3, :, 0] = pull, -pull
    points[2:4, :, 2] += 6.0
    return points


@pytest.mark.parametrize("points", [folded(), doubled_back(), loop(50.0)])
@pytest.mark.parametrize("name", GRIDS)
def test_a_patch_that_folds_over_itself_is_refused(name: str, points: NDArray[np.float64]) -> None:
    grid = GRIDS[name]

    with pytest.raises(BadInput, match="folds over itself"):
        surface_cut(BezierPatch.of(points), grid.full_box, grid, (0.0, 0.0, 20.0))


@pytest.mark.parametrize("pull", [10.0, 30.0, 40.0, 48.0, 55.0, 90.0])
def test_a_patch_is_refused_if_and_only_if_its_profile_crosses_itself(pull: float) -> None:
    """The profile is (x(u), z(u)) for every v; its crossings are looked for between all pairs of 400 stretches."""
    grid = GRIDS["oblique"]
    patch = BezierPatch.of(loop(pull))
    line = patch.at(np.linspace(0, 1, 401), np.array([0.5]))[:, 0][:, [0, 2]]

    def side(p: NDArray[np.float64], q: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
        ahead, there = q - p, r - p
        return np.asarray(ahead[..., 0] * there[..., 1] - ahead[..., 1] * there[..., 0])

    a, b, c, d = line[:-1, None], line[1:, None], line[None, :-1], line[None, 1:]
    crossing = (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)

    assert crosses_itself(patch, grid.full_box, grid) == crossing.any()


def pierced(grid: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    """Every edge of a grid of triangles against every triangle that shares no corner with it, by solving for where."""
    n = len(grid)
    number = np.arange(n * n).reshape(n, n)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    triangles = np.concatenate([np.stack(three, axis=-1).reshape(-1, 3) for three in ((a, b, c), (a, c, d))])
    edges = np.unique(np.sort(np.concatenate([triangles[:, pair] for pair in ([0, 1], [1, 2], [0, 2])])), axis=0)
    points = grid.reshape(-1, 3)
    corner = points[triangles[:, 0]]
    u, v = (points[triangles[:, m]] - corner for m in (1, 2))
    normal = np.cross(u, v)
    start, ahead = points[edges[:, 0], None], (points[edges[:, 1]] - points[edges[:, 0]])[:, None]
    speed = (ahead * normal).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        along = ((corner - start) * normal).sum(axis=-1) / speed
        place = start + along[..., None] * ahead
        # Shares by areas: of the place and two corners in the whole.
        area = (normal * normal).sum(axis=-1)
        s = (np.cross(place - corner, v) * normal).sum(axis=-1) / area
        t = (np.cross(u, place - corner) * normal).sum(axis=-1) / area
        inside = (s >= 0) & (t >= 0) & (s + t <= 1) & (along >= 0) & (along <= 1)
    shared = (edges[:, None, :, None] == triangles[None, :, None, :]).any(axis=(2, 3))
    return bool((inside & ~shared & (place >= low).all(axis=-1) & (place <= high).all(axis=-1)).any())


def test_a_grid_folds_if_and_only_if_one_of_its_edges_pierces_one_of_its_triangles() -> None:
    from surgitwin.resection.fold_kernels import grid_folds

    rng = np.random.default_rng(12)
    t = np.linspace(0, 1, 15)
    found = []
    for attempt in range(40):
        noise = rng.normal(0, 3 + attempt % 20, (6, 6, 3))
        grid = BezierPatch.of(flat(6, 6) + noise).at(t, t)
        low, high = np.array([-22.0, -40.0, -15.0]), np.array([31.0, 20.0, 18.0])
        folds = grid_folds(np.ascontiguousarray(grid), 3, low, high)
        assert folds == pierced(grid, low, high)
        found.append(folds)
    assert 5 < np.count_nonzero(found) < 35


def test_edges_that_bend_towards_each_other_and_cross_in_the_organ_are_refused() -> None:
    """A gutter whose straight extensions cross above it."""
    grid = Geometry.from_parts((60, 60, 60), (1.0, 1.0, 1.0), (-30.0, -30.0, -10.0), np.eye(3))
    points = flat(size=10.0, z=0.0)
    points[0, :, 2] = points[3, :, 2] = 6.0
    points[0, :, 0], points[3, :, 0] = -6.0, 6.0
    points[1, :, 0], points[2, :, 0] = -14.0, 14.0

    with pytest.raises(BadInput, match="folds over itself"):
        surface_cut(BezierPatch.of(points), grid.full_box, grid, (0.0, 0.0, 3.0))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 6), st.integers(4, 6))
def test_gently_waved_patches_are_never_refused(seed: int, rows: int, columns: int) -> None:
    grid = GRIDS["oblique"]
    points = flat(rows, columns)
    points[..., 2] += np.random.default_rng(seed).uniform(-8, 8, (rows, columns))

    assert not crosses_itself(BezierPatch.of(points), grid.full_box, grid)
    surface_cut(BezierPatch.of(points), grid.full_box, grid, (0.0, 0.0, 200.0))


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (flat(3, 4), "4 to 6 rows"),
        (flat(4, 7), "4 to 6 rows"),
        (flat()[..., :2], "4 to 6 rows"),
        ([[1, 2, 3]], "4 to 6 rows"),
        ([[[0, 0, 0]] * 4] * 3 + [[[0, 0, 0]] * 5], "4 to 6 rows"),
        ("abc", "4 to 6 rows"),
        (None, "4 to 6 rows"),
        (flat() * np.nan, "not a finite number"),
        (flat() * 1e300, "more than a kilometre away"),
        (np.char.mod("%f", flat()).tolist(), "4 to 6 rows"),
        ([[[10**400, 0, 0]] * 4] * 4, "4 to 6 rows"),
    ],
)
def test_control_points_that_make_no_patch_are_refused(points: object, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        BezierPatch.of(points)


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((4, 4, 3)),
        np.linspace(-30, 30, 16).reshape(4, 4)[..., None] * np.array([1.0, 0.5, 0.2]) + 3.0,
        (np.arange(36).reshape(6, 6)[..., None] % 7) * np.array([0.0, 11.0, -4.0]),
    ],
)
def test_control_points_on_one_line_or_place_are_refused(points: NDArray[np.float64]) -> None:
    grid = GRIDS["odd spacing"]

    with pytest.raises(BadInput, match="lie on one line"):
        surface_cut(BezierPatch.of(points), BOX, grid, (0.0, 0.0, 9.0))


def test_an_edge_drawn_together_to_one_place_is_refused() -> None:
    points = flat()
    points[0] = points[0, 0]

    with pytest.raises(BadInput, match="no direction"):
        surface_cut(BezierPatch.of(points), BOX, GRIDS["odd spacing"], (0.0, 0.0, 9.0))


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("where", [(0.3, 0.1), (-17.0, 22.2), (70.0, -55.0)])
def test_a_point_on_the_surface_or_its_extension_tells_no_side(name: str, where: tuple[float, float]) -> None:
    grid = GRIDS[name]
    points = flat()
    points[..., 2] = 0.3 * points[..., 0] - 0.2 * points[..., 1] + 1.37
    patch = BezierPatch.of(points)
    x, y = where
    z = 0.3 * x - 0.2 * y + 1.37

    with pytest.raises(BadInput, match="lies on the cut surface itself"):
        surface_cut(patch, grid.full_box, grid, (x, y, z))
    surface_cut(patch, grid.full_box, grid, (x, y, z + 1e-4))


def test_the_distance_from_a_triangle_is_that_of_the_nearest_of_its_places() -> None:
    rng = np.random.default_rng(8)
    triangles = rng.normal(0, 10, (40, 3, 3))
    places = rng.normal(0, 10, (40, 3))
    s, t = (axis.reshape(-1) for axis in np.meshgrid(np.linspace(0, 1, 301), np.linspace(0, 1, 301)))
    s, t = s[s + t <= 1], t[s + t <= 1]

    found = distance_mm(places, triangles)

    for place, (a, b, c), distance in zip(places, triangles, found, strict=True):
        brute = np.linalg.norm(a + s[:, None] * (b - a) + t[:, None] * (c - a) - place, axis=1).min()
        assert distance <= brute + 1e-9 and distance == pytest.approx(brute, abs=0.1)
