"""Where a cut comes nearest to a lesion, and how that place is found without looking everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from test_resection_kinds import GRIDS, ball, centres, sheet, wave

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.resection import Cut, LiveCut, MaskCut, Plane, PlaneCut, Structure, SurfaceCut, prepare
from surgitwin.resection.bezier import BezierPatch, surface_cut
from surgitwin.resection.feeds import Feed, Lost, count_of_two
from surgitwin.resection.lesion_surface import DistanceField, LesionSurface
from surgitwin.resection.row_table import table_of_mask

RADIUS = 21.0


def live_on(grid: Geometry, lesion: NDArray[np.bool_]) -> LiveCut:
    organ = Structure("Organ", ball(grid, (0.0, 0.0, 0.0), RADIUS))
    return LiveCut(prepare(organ, grid, Context(), lesions=[Structure("T", lesion)]))


def cuts_of_every_kind(grid: Geometry) -> dict[str, list[Cut]]:
    region = centres(grid)[..., 2] > 1.0
    plane: Cut = PlaneCut.of(Plane((0.0, 0.0, 1.0), (0.1, 0.2, 1.0)))
    surface: Cut = sheet(wave, (0.0, 0.0, 15.0))
    mask: Cut = MaskCut(region, grid.full_box)
    return {"plane": [plane], "surface": [surface], "mask": [mask], "all": [plane, surface, mask]}


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("kind", ["plane", "surface", "mask", "all"])
def test_the_margin_lies_between_a_point_of_the_lesion_and_one_of_the_cut(name: str, kind: str) -> None:
    grid = GRIDS[name]
    lesion = ball(grid, (2.0, -3.0, 13.0), 3.5)
    found = live_on(grid, lesion).evaluate(cuts_of_every_kind(grid)[kind]).lesions[0]

    assert found.margin_mm is not None and found.nearest_mm is not None
    on_lesion, on_cut = (np.asarray(point) for point in found.nearest_mm)
    assert np.linalg.norm(on_lesion - on_cut) == pytest.approx(found.margin_mm, abs=1e-9)
    surface = LesionSurface.of(lesion, grid.full_box, grid)
    assert np.abs(surface.xyz.T - on_lesion).sum(axis=1).min() < 1e-9
    assert np.linalg.norm(on_cut) < RADIUS + max(grid.spacing_mm)
    if kind == "plane":
        assert abs((on_cut - [0.0, 0.0, 1.0]) @ [0.1, 0.2, 1.0]) < 1e-9
    if kind == "surface":
        assert abs(on_cut[2] - wave(on_cut[0], on_cut[1])) < 0.05
    document = found.as_json()["nearest_mm"]
    assert document == [list(found.nearest_mm[0]), list(found.nearest_mm[1])]


def test_where_there_is_no_margin_no_points_are_named() -> None:
    grid = GRIDS["odd spacing"]
    live = live_on(grid, ball(grid, (0.0, 0.0, 8.0), 4.0))

    for z in (8.0, 15.0):  # through the lesion; the lesion stays
        found = live.evaluate([PlaneCut.of(Plane((0.0, 0.0, z), (0.0, 0.0, 1.0)))]).lesions[0]
        assert found.left_behind and found.nearest_mm is None and found.as_json()["nearest_mm"] is None


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("seed", range(4))
def test_the_margin_to_a_small_patch_drawn_on_past_its_edges_is_that_of_brute_force(name: str, seed: int) -> None:
    """Its long triangles beyond the edges are part of the cut."""
    grid, draw = GRIDS[name], np.random.default_rng(seed)
    lesion = ball(grid, (*draw.uniform(-6, 6, 2), 12.0), 3.0)
    live = live_on(grid, lesion)
    u, v = np.meshgrid(np.linspace(-8, 8, 4), np.linspace(-8, 8, 4), indexing="ij")
    points = np.stack([u, v, draw.uniform(-5, 3, u.shape)], axis=-1)
    cut = surface_cut(BezierPatch.of(points), live.prepared.reach, grid, (0.0, 0.0, 40.0), checked=False)

    margin = live.evaluate([cut]).lesions[0].margin_mm

    samples = dense(cut, 0.2)
    ijk = np.rint(grid.to_index(samples)).astype(int)
    inside = ((ijk >= 0) & (ijk < np.asarray(grid.size_ijk))).all(axis=1)
    i, j, k = ijk[inside].T
    samples = samples[inside][ball(grid, (0.0, 0.0, 0.0), RADIUS)[k, j, i]]
    surface = LesionSurface.of(lesion, grid.full_box, grid)
    truth = cKDTree(samples).query(surface.xyz.T)[0].min()
    assert margin == pytest.approx(truth, abs=0.1)


def dense(cut: SurfaceCut, step: float) -> NDArray[np.float64]:
    """Points all over the triangles in the ball of the organ: halves across the longest edges, again and again."""
    pieces, found = cut.points_mm[cut.triangles], []
    while len(pieces):
        middles = pieces.mean(axis=1)
        reach = np.linalg.norm(pieces - middles[:, None], axis=2).max(axis=1)
        near = np.linalg.norm(middles, axis=1) - reach < RADIUS + 2.0
        found.append(middles[near & (reach <= step)])
        pieces = pieces[near & (reach > step)]
        edges = np.linalg.norm(np.roll(pieces, -1, axis=1) - pieces, axis=2)
        turn = (edges.argmax(axis=1)[:, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(pieces, turn[..., None], axis=1).transpose(1, 0, 2)
        middle = (a + b) / 2
        pieces = np.concatenate([np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)])
    return np.concatenate(found)


@pytest.mark.parametrize("name", GRIDS)
def test_no_point_is_nearer_to_a_lesion_than_the_bound_says(name: str) -> None:
    grid = GRIDS[name]
    lesion = ball(grid, (2.0, -3.0, 8.0), 5.0)
    surface = LesionSurface.of(lesion, grid.full_box, grid)
    field = DistanceField.of(surface.tree, Box.of_mask(ball(grid, (0.0, 0.0, 0.0), RADIUS)), grid)
    points = np.random.default_rng(3).uniform(-80.0, 80.0, (20_000, 3))

    bound, truth = field.at_least(points), surface.tree.query(points)[0]

    assert (bound <= truth).all()
    inside = np.linalg.norm(points, axis=1) < RADIUS
    far = inside & (truth > 8.0)
    assert far.sum() > 100 and (truth - bound)[far].max() < 1.5  # close enough to rule out nearly everything


@pytest.mark.parametrize("wide", [1, 31, 32, 33, 64, 65, 100])
def test_runs_of_a_mask_are_its_voxels_whatever_its_width(wide: int) -> None:
    draw = np.random.default_rng(wide)
    box = Box((4, 5, 6), (4 + wide, 11, 9))
    for density in (0.0, 0.05, 0.5, 1.0):
        mask = draw.random((3, 6, wide)) < density
        table = table_of_mask(mask, box)
        found = np.zeros_like(mask)
        k, j = (axis.reshape(-1) for axis in np.indices((3, 6)))
        for low, high in table.intervals(j + 5, k + 6):
            for row, (a, b) in enumerate(zip(low - 4, high - 4, strict=True)):
                found[k[row], j[row], a:b] = True
        assert np.array_equal(found, mask)


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_losses_are_counted_alike_for_trees_of_any_size(kind: type) -> None:
    draw = np.random.default_rng(0)
    feeding = draw.integers(0, 5, 1000)
    gone, tumour = draw.random(1000) < 0.3, draw.random(1000) < 0.2

    class Fixed(Feed):
        def lost_points(self, removed: NDArray[np.bool_]) -> NDArray[np.bool_]:
            return np.array([False, True, True, False, False])

    feed = Fixed("portal", (), feeding.astype(kind))
    truth = np.isin(feeding, [1, 2]) & ~gone
    assert feed.count(gone, tumour) == Lost(np.count_nonzero(truth), np.count_nonzero(truth & ~tumour))
    assert np.array_equal(feed.lost(gone), truth)

    # Two systems at once: each as by itself, and the healthy voxels that lost either.
    for other_kind in (np.uint16, np.int32):
        turned = (4 - feeding).astype(other_kind)
        also = np.isin(turned, [1, 2]) & ~gone
        both = count_of_two(feed, Fixed("hepatic", (), turned), gone, tumour)
        assert both[0] == feed.count(gone, tumour)
        assert both[1] == Lost(np.count_nonzero(also), np.count_nonzero(also & ~tumour))
        assert both[2] == np.count_nonzero((truth | also) & ~tumour)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("looks", [(), (0.2, 0.4), (2.0, 9.0)])
def test_the_margin_to_a_region_is_the_same_wherever_it_is_looked_for_first(
    name: str, looks: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from surgitwin.resection import surface_margins

    grid = GRIDS[name]
    live = live_on(grid, ball(grid, (2.0, -3.0, 13.0), 3.5))
    cuts: list[Cut] = [
        MaskCut(centres(grid)[..., 2] > -8.0, grid.full_box),
        PlaneCut.of(Plane((0.0, 0.0, 0.0), (1.0, 0.0, 0.0))),
    ]
    usual = [live.evaluate(some).lesions[0].nearest_mm for some in (cuts[:1], cuts)]

    monkeypatch.setattr(surface_margins, "_LOOKS_MM", looks)
    again = [LiveCut(live.prepared).evaluate(some).lesions[0].nearest_mm for some in (cuts[:1], cuts)]

    for one, other in zip(usual, again, strict=True):
        assert one is not None and other is not None
        distances = [np.linalg.norm(np.subtract(*pair)) for pair in (one, other)]
        assert distances[0] == pytest.approx(distances[1], abs=1e-9)
