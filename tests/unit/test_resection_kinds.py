"""Cuts along surfaces and of regions of voxels: every voxel on exactly one side, margins as brute force finds them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.resection import LiveCut, MaskCut, Plane, PlaneCut, Structure, SurfaceCut, partition, prepare
from surgitwin.resection.cuts import Cut
from surgitwin.resection.margins import LesionSurface

TURN = np.linalg.qr(np.array([[0.8, -0.5, 0.2], [0.5, 0.7, -0.1], [-0.1, 0.3, -0.9]]))[0]
GRIDS = {
    "odd spacing": Geometry.from_parts((60, 50, 30), (0.9, 1.1, 2.3), (-27.0, -27.0, -34.0), np.eye(3)),
    "flipped": Geometry.from_parts((60, 50, 30), (0.9, 1.1, 2.3), (27.0, 27.0, -34.0), np.diag([-1.0, -1.0, 1.0])),
    "oblique": Geometry.from_parts((60, 50, 40), (1.0, 1.2, 1.7), tuple(-TURN @ [30.0, 30.0, 34.0]), TURN),
}
Height = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def centres(grid: Geometry) -> NDArray[np.float64]:
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape_kji), indexing="ij")
    return grid.to_lps(np.stack([i, j, k], axis=-1))


def ball(grid: Geometry, centre: tuple[float, float, float], radius: float) -> NDArray[np.bool_]:
    return np.asarray(np.linalg.norm(centres(grid) - centre, axis=-1) <= radius)


def wave(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return 4.0 * np.sin(x / 9.0) * np.cos(y / 11.0) + 0.2 * x


def sheet(height: Height, remove: tuple[float, float, float], inner: float = 45.0, count: int = 91) -> SurfaceCut:
    """The surface z = height(x, y), triangles of a millimetre, drawn on far past everything."""
    line = np.concatenate([[-200.0, -90.0], np.linspace(-inner, inner, count), [90.0, 200.0]])
    x, y = np.meshgrid(line, line, indexing="ij")
    number = np.arange(x.size).reshape(x.shape)
    lower = np.stack([number[:-1, :-1], number[1:, :-1], number[1:, 1:]], axis=-1).reshape(-1, 3)
    upper = np.stack([number[:-1, :-1], number[1:, 1:], number[:-1, 1:]], axis=-1).reshape(-1, 3)
    points = np.stack([x, y, height(x, y)], axis=-1).reshape(-1, 3)
    triangles = np.concatenate([lower, upper]).astype(np.int32)
    return SurfaceCut(points, triangles, remove, len(triangles))


def prepared_on(grid: Geometry, lesion: NDArray[np.bool_] | None = None) -> tuple[NDArray[np.bool_], LiveCut]:
    organ = ball(grid, (0.0, 0.0, 0.0), 21.0)
    lesions = [Structure("T", lesion)] if lesion is not None else []
    return organ, LiveCut(prepare(Structure("Organ", organ), grid, Context(), lesions=lesions))


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("remove", [(0.0, 0.0, 15.0), (1.0, 2.0, -300.0)])
def test_a_surface_removes_what_lies_on_its_side_and_nothing_else(
    name: str, remove: tuple[float, float, float]
) -> None:
    grid = GRIDS[name]
    organ, live = prepared_on(grid)

    found = partition(live.prepared, [sheet(wave, remove)], Context())

    places = centres(grid)[live.prepared.box.slices]
    above = places[..., 2] - wave(places[..., 0], places[..., 1])
    truth = (above > 0) == (remove[2] > 0)
    assert np.array_equal(found.removed | found.remnant, organ[found.box.slices])
    assert not (found.removed & found.remnant).any()
    assert found.numbers.removed_voxels == np.count_nonzero(found.removed)
    wrong = organ[found.box.slices] & (found.removed != truth) & found.removed | (found.remnant & truth)
    assert np.abs(above[wrong]).max(initial=0.0) < 0.05  # within what flat triangles leave of the wave
    assert 0.3 < found.removed.sum() / organ.sum() < 0.7


@pytest.mark.parametrize("name", GRIDS)
def test_the_other_side_of_a_surface_is_what_remains_and_what_lies_on_it_stays_either_way(name: str) -> None:
    grid = GRIDS[name]
    organ, live = prepared_on(grid)

    up = partition(live.prepared, [sheet(wave, (0.0, 0.0, 15.0))], Context())
    down = partition(live.prepared, [sheet(wave, (0.0, 0.0, -15.0))], Context())

    places = centres(grid)[up.box.slices]
    on = organ[up.box.slices] & (np.abs(places[..., 2] - wave(places[..., 0], places[..., 1])) < 1e-9)
    assert np.count_nonzero(on) == (1 if name == "oblique" else 0)  # the voxel in the grid's middle
    assert np.array_equal(up.removed, down.remnant & ~on) and np.array_equal(down.removed, up.remnant & ~on)


@pytest.mark.parametrize("name", GRIDS)
def test_a_flat_surface_cuts_as_the_plane_does_voxel_for_voxel(name: str) -> None:
    grid = GRIDS[name]
    normal = np.array([-0.31, -0.17, 1.0])
    _, live = prepared_on(grid, ball(grid, (0.0, 0.0, 12.0), 4.0))
    flat = sheet(lambda x, y: 0.31 * x + 0.17 * y + 2.0137, (0.0, 0.0, 100.0), count=7)
    plane = PlaneCut.of(Plane((0.0, 0.0, 2.0137), tuple(normal)))

    one, other = live.evaluate([flat]), live.evaluate([plane])

    assert one.removed_voxels == other.removed_voxels
    assert one.lesions[0].margin_mm == pytest.approx(other.lesions[0].margin_mm, abs=0.1)
    assert np.array_equal(
        partition(live.prepared, [flat], Context()).removed, partition(live.prepared, [plane], Context()).removed
    )


def test_a_surface_that_folds_back_over_a_row_removes_the_pocket_only() -> None:
    """A tube along x through the organ, closed far away: inside goes, whichever way rows run."""
    grid = GRIDS["odd spacing"]
    organ, live = prepared_on(grid)
    turn = np.linspace(0.0, 2 * np.pi, 120, endpoint=False)
    ring = np.stack([np.zeros_like(turn), 8.0 * np.cos(turn), 8.0 * np.sin(turn)], axis=1)
    points = np.concatenate([ring + np.array([x, 0.0, 0.0]) for x in (-300.0, 300.0)])
    n = len(turn)
    a, b = np.arange(n), (np.arange(n) + 1) % n
    triangles = np.concatenate([np.stack([a, b, a + n], axis=1), np.stack([b, b + n, a + n], axis=1)]).astype(np.int32)

    for remove, inside in (((0.0, 0.0, 0.0), True), ((0.0, 0.0, 18.0), False)):
        found = partition(live.prepared, [SurfaceCut(points, triangles, remove, len(triangles))], Context())
        radius = np.linalg.norm(centres(grid)[found.box.slices][..., 1:], axis=-1)
        clear = organ[found.box.slices] & (np.abs(radius - 8.0) > 0.05)
        assert np.array_equal(found.removed & clear, clear & ((radius < 8.0) == inside))


def brute_margin(live: LiveCut, cuts: list[Cut], lesion: NDArray[np.bool_], grid: Geometry) -> float:
    """Lesion's surface points against the middles of all faces between removed and kept organ."""
    found = partition(live.prepared, cuts, Context())
    points = []
    for axis in range(3):
        for here, there in ((found.removed, found.remnant), (found.remnant, found.removed)):
            first = tuple(slice(0, -1) if a == axis else slice(None) for a in range(3))
            second = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
            kji = np.argwhere(here[first] & there[second]).astype(float)
            kji[:, axis] += 0.5
            points.append(kji[:, ::-1] + np.asarray(found.box.start))
    surface = LesionSurface.of(lesion, grid.full_box, grid)
    return float(cKDTree(grid.to_lps(np.concatenate(points))).query(surface.xyz.T)[0].min())


@pytest.mark.parametrize("name", GRIDS)
def test_the_margin_to_a_surface_is_that_of_brute_force(name: str) -> None:
    grid = GRIDS[name]
    lesion = ball(grid, (2.0, -3.0, 12.0), 3.5)
    _, live = prepared_on(grid, lesion)
    cut = sheet(wave, (0.0, 0.0, 15.0))

    exact = live.evaluate([cut]).lesions[0].margin_mm

    assert exact is not None
    line = np.linspace(-25.0, 25.0, 501)
    x, y = np.meshgrid(line, line)
    points = np.stack([x, y, wave(x, y)], axis=-1).reshape(-1, 3)
    ijk = np.rint(grid.to_index(points)).astype(int)
    inside = ((ijk >= 0) & (ijk < np.asarray(grid.size_ijk))).all(axis=1)
    points, ijk = points[inside], ijk[inside]
    organ = ball(grid, (0.0, 0.0, 0.0), 21.0)
    points = points[organ[ijk[:, 2], ijk[:, 1], ijk[:, 0]]]
    surface = LesionSurface.of(lesion, grid.full_box, grid)
    assert exact == pytest.approx(cKDTree(points).query(surface.xyz.T)[0].min(), abs=0.1)
    half_voxel = np.linalg.norm(grid.spacing_mm) / 2
    assert exact == pytest.approx(brute_margin(live, [cut], lesion, grid), abs=0.1 + half_voxel)


@pytest.mark.parametrize("name", GRIDS)
def test_the_margin_to_a_region_is_that_of_brute_force(name: str) -> None:
    grid = GRIDS[name]
    lesion = ball(grid, (0.0, 0.0, 9.0), 4.0)
    _, live = prepared_on(grid, lesion)
    places = centres(grid)
    region = (places[..., 2] > 0.3 * places[..., 0]) & (places[..., 1] > -12.0)
    box = Box((3, 2, 1), tuple(n - 1 for n in grid.size_ijk))
    cut = MaskCut(region[box.slices], box)

    numbers = live.evaluate([cut])

    assert numbers.lesions[0].left_behind is False
    assert numbers.lesions[0].margin_mm == pytest.approx(brute_margin(live, [cut], lesion, grid), abs=1e-9)


@pytest.mark.parametrize("name", GRIDS)
def test_cuts_of_all_kinds_unite_in_any_order(name: str) -> None:
    grid = GRIDS[name]
    lesion = ball(grid, (0.0, 0.0, 9.0), 4.0)
    organ, live = prepared_on(grid, lesion)
    places = centres(grid)
    region = np.abs(places[..., 1] + 10.0) < 5.0
    cuts: list[Cut] = [
        sheet(lambda x, y: wave(x, y) - 1.0, (0.0, 0.0, 15.0)),
        MaskCut(region, grid.full_box),
        PlaneCut.of(Plane((11.3, 0.0, 0.0), (1.0, 0.2, 0.1))),
    ]
    parts = [partition(live.prepared, [cut], Context()).removed for cut in cuts]

    together = partition(live.prepared, cuts, Context())
    reversed_ = live.evaluate(cuts[::-1])

    assert np.array_equal(together.removed, parts[0] | parts[1] | parts[2])
    assert np.array_equal(together.removed | together.remnant, organ[together.box.slices])
    assert together.numbers.removed_voxels == reversed_.removed_voxels == np.count_nonzero(together.removed)
    one, other = together.numbers.lesions[0].margin_mm, reversed_.lesions[0].margin_mm
    assert one is not None and one == other
    half_voxel = np.linalg.norm(grid.spacing_mm) / 2
    assert one == pytest.approx(brute_margin(live, cuts, lesion, grid), abs=0.1 + half_voxel)


def test_where_another_cut_removes_what_is_beyond_a_surface_is_no_margin() -> None:
    grid = GRIDS["odd spacing"]
    lesion = ball(grid, (0.0, 0.0, 9.0), 4.0)
    _, live = prepared_on(grid, lesion)
    near, far = sheet(lambda x, y: 0 * x + 2.0, (0, 0, 15.0)), sheet(lambda x, y: 0 * x - 9.0, (0, 0, 15.0))

    assert live.evaluate([near]).lesions[0].margin_mm == pytest.approx(3.0, abs=2.3 / 2)  # half a voxel
    alone = live.evaluate([far]).lesions[0].margin_mm
    assert live.evaluate([near, far]).lesions[0].margin_mm == pytest.approx(alone, abs=1e-6)


def test_a_lesion_that_reaches_out_of_the_organ_is_on_the_surfaces_side_too() -> None:
    grid = GRIDS["odd spacing"]
    lesion = ball(grid, (0.0, 0.0, 22.0), 5.0)
    _, live = prepared_on(grid, lesion)

    numbers = live.evaluate([sheet(wave, (0.0, 0.0, 15.0))])

    assert numbers.lesions[0].outside_ml > 0
    assert numbers.lesions[0].left_behind is False


def test_a_coarse_margin_says_that_it_is_one_and_is_never_smaller_than_the_exact_one() -> None:
    grid = GRIDS["oblique"]
    _, live = prepared_on(grid, ball(grid, (2.0, -3.0, 12.0), 3.5))
    cut = sheet(wave, (0.0, 0.0, 15.0), count=25)

    coarse, exact = live.evaluate([cut], coarse=True), live.evaluate([cut])

    assert coarse.approximate and not exact.approximate
    assert coarse.removed_voxels == exact.removed_voxels
    one, other = coarse.lesions[0].margin_mm, exact.lesions[0].margin_mm
    assert one is not None and other is not None and other <= one < other + 1.0


def test_only_the_cut_that_moved_is_worked_out_anew() -> None:
    grid = GRIDS["odd spacing"]
    _, live = prepared_on(grid)
    still = sheet(wave, (0.0, 0.0, 15.0))
    first = live.regions([still, PlaneCut.of(Plane((5.0, 0, 0), (1.0, 0, 0)))])

    second = live.regions([still, PlaneCut.of(Plane((6.0, 0, 0), (1.0, 0, 0)))])

    assert second[0] is first[0] and second[1] is not first[1]


@pytest.mark.parametrize("name", GRIDS)
def test_the_margin_to_a_region_that_stays_is_the_same_while_another_cut_moves(name: str) -> None:
    grid = GRIDS[name]
    lesion = ball(grid, (0.0, 0.0, 9.0), 4.0)
    _, asked = prepared_on(grid, lesion)
    ready, anew = LiveCut(asked.prepared), LiveCut(asked.prepared)
    region = MaskCut(centres(grid)[..., 2] > -4.0 + 0.3 * centres(grid)[..., 0], grid.full_box)
    ready.get_ready([region])
    seen = set()
    for step in range(24):
        # Now it removes what lies beyond the border that is nearest, now it does not.
        plane = PlaneCut.of(Plane((14.0 - step, 3.0, -6.0), (1.0, 0.3 * np.sin(step), -0.3)))
        cuts: list[Cut] = [plane, region]
        numbers = [live.evaluate(cuts).lesions[0] for live in (ready, asked, LiveCut(anew.prepared))]
        assert numbers[0].margin_mm is not None
        assert numbers[0].margin_mm == pytest.approx(numbers[2].margin_mm, abs=1e-9)
        assert numbers[1].margin_mm == pytest.approx(numbers[2].margin_mm, abs=1e-9)
        seen.add(round(numbers[0].margin_mm, 3))
    assert len(seen) > 3
