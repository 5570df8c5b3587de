"""The surface of a segment while it is edited: always the one that a fresh start would give, point for point."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial import KDTree

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.surfaces import check_mesh, is_closed, mask_surface, merge_vertices
from surgitwin.surfaces import fairing as fairing_module
from surgitwin.surfaces import incremental as incremental_module
from surgitwin.surfaces.incremental import LiveSurface

Mask = NDArray[np.bool_]


def oblique(size: tuple[int, int, int], *, flip: bool) -> Geometry:
    a, b = 0.4, -0.7
    turn_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return Geometry.from_parts(
        size, (0.9, 1.1, 1.3), (-120.5, 33.25, 701.0), turn_z @ turn_x @ np.diag([1, 1, -1 if flip else 1])
    )


def assert_same(one: LiveSurface, other: LiveSurface) -> None:
    a, b = one.whole, other.whole
    assert np.array_equal(a.mesh.points, b.mesh.points)
    assert np.array_equal(a.mesh.triangles, b.mesh.triangles)
    assert np.array_equal(a.normals, b.normals)
    assert one.blocks.keys() == other.blocks.keys()
    assert one.voxels == other.voxels
    for name, block in one.blocks.items():
        for field in ("cells", "codes", "keys", "homes", "points", "normals", "triangles"):
            assert np.array_equal(getattr(block, field), getattr(other.blocks[name], field)), field


def ball(mask: Mask, centre: tuple[int, int, int], radius: int, value: bool) -> Box:
    """Paint or erase a ball, as far as it lies in the image; (i, j, k)."""
    k, j, i = np.ogrid[tuple(slice(0, n) for n in mask.shape)]
    mask[(i - centre[0]) ** 2 + (j - centre[1]) ** 2 + (k - centre[2]) ** 2 <= radius**2] = value
    i1, j1, k1 = (min(c + radius + 1, n) for c, n in zip(centre, mask.shape[::-1], strict=True))
    i0, j0, k0 = (max(c - radius, 0) for c in centre)
    return Box((i0, j0, k0), (i1, j1, k1))


def noise(mask: Mask, centre: tuple[int, int, int], radius: int, seed: int) -> Box:
    """Random voxels, which touch in all the ways that need mending."""
    i0, j0, k0 = (max(c - radius, 0) for c in centre)
    i1, j1, k1 = (min(c + radius + 1, n) for c, n in zip(centre, mask.shape[::-1], strict=True))
    box = Box((i0, j0, k0), (i1, j1, k1))
    mask[box.slices] = np.random.default_rng(seed).random(mask[box.slices].shape) < 0.5
    return box


SIZE = (61, 47, 52)
inside = st.tuples(*(st.integers(-2, n + 1) for n in SIZE))
edits = st.one_of(
    st.tuples(st.just("paint"), inside, st.integers(0, 13)),
    st.tuples(st.just("erase"), inside, st.integers(0, 13)),
    st.tuples(st.just("noise"), st.tuples(*(st.integers(0, n - 1) for n in SIZE)), st.integers(1, 6)),
    st.tuples(st.just("clear"), st.just((0, 0, 0)), st.just(0)),
    st.tuples(st.just("fill"), st.just((0, 0, 0)), st.just(0)),
)


def carry_out(mask: Mask, edit: tuple[str, tuple[int, int, int], int]) -> Box:
    kind, centre, radius = edit
    if kind in ("clear", "fill"):
        mask[:] = kind == "fill"
        return Box((0, 0, 0), SIZE)
    if kind == "noise":
        return noise(mask, centre, radius, sum(centre))
    return ball(mask, centre, radius, kind == "paint")


@settings(max_examples=25, deadline=None)
@given(
    sequence=st.lists(edits, min_size=1, max_size=5),
    smoothing=st.sampled_from([0.0, 0.2, 0.5]),
    side=st.sampled_from([8, 16, 32]),
    flip=st.booleans(),
)
def test_after_any_sequence_of_edits_the_surface_is_that_of_a_fresh_start(
    sequence: list[tuple[str, tuple[int, int, int], int]], smoothing: float, side: int, flip: bool
) -> None:
    geometry = oblique(SIZE, flip=flip)
    mask = np.zeros(SIZE[::-1], np.bool_)
    ball(mask, (25, 22, 24), 16, True)
    live = LiveSurface.of(mask, geometry, smoothing=smoothing, side=side)
    for edit in sequence:
        box = carry_out(mask, edit)
        if box.empty:
            continue
        place = live.needed(box)
        live = live.updated(mask[place.slices].copy(), place)
        assert_same(live, LiveSurface.of(mask, geometry, smoothing=smoothing, side=side))
        assert live.voxels == np.count_nonzero(mask)


def in_order(triangles: NDArray[Any]) -> NDArray[Any]:
    """Triangles, each from its lowest corner on, in order."""
    first = triangles.argmin(axis=1)
    turned = np.stack([triangles[np.arange(len(triangles)), (first + n) % 3] for n in range(3)], axis=1)
    return np.asarray(turned[np.lexsort(turned.T[::-1])])


@pytest.mark.parametrize("smoothing", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("flip", [False, True])
def test_the_live_surface_is_the_final_one_before_its_volume_is_matched(
    smoothing: float, flip: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    geometry = oblique(SIZE, flip=flip)
    mask = np.zeros(SIZE[::-1], np.bool_)
    ball(mask, (25, 22, 24), 16, True)
    noise(mask, (40, 30, 40), 7, 3)
    ball(mask, (0, 10, 10), 8, True)
    live = LiveSurface.of(mask, geometry, smoothing=smoothing).whole.mesh
    final = mask_surface(mask, geometry, smoothing=smoothing, ctx=Context()).mesh
    assert len(live.points) == len(final.points) and len(live.triangles) == len(final.triangles)
    monkeypatch.setattr(fairing_module, "_match_volume", lambda shape, wanted: 0.0)
    unmatched = mask_surface(mask, geometry, Box((0, 0, 0), SIZE), smoothing=smoothing, ctx=Context()).mesh
    distance, number = KDTree(unmatched.points).query(live.points)
    assert distance.max() < 5e-4  # mm; the coordinates of one are counted from its box, those of the other are not
    assert np.array_equal(np.sort(number), np.arange(len(live.points)))
    assert np.array_equal(in_order(number[live.triangles]), in_order(unmatched.triangles))


def test_it_is_closed_and_its_normals_point_outwards() -> None:
    for flip in (False, True):
        geometry = oblique(SIZE, flip=flip)
        mask = np.zeros(SIZE[::-1], np.bool_)
        ball(mask, (25, 22, 24), 16, True)
        noise(mask, (44, 30, 40), 6, 3)
        found = LiveSurface.of(mask, geometry, side=16).whole
        assert is_closed(found.mesh) and is_closed(merge_vertices(found.mesh))
        check = check_mesh(found.mesh, intersections_up_to=0)
        assert check.closed and check.manifold and check.outward
        assert np.allclose(np.linalg.norm(found.normals, axis=1), 1, atol=1e-5)
        only_ball = np.zeros_like(mask)
        ball(only_ball, (25, 22, 24), 16, True)
        found = LiveSurface.of(only_ball, geometry, side=16).whole
        outwards = found.mesh.points - geometry.to_lps((25, 22, 24))
        # A sphere of voxels is an ellipsoid in mm: its gradient is where the normals must point.
        index = geometry.to_index(found.mesh.points) - (25, 22, 24)
        gradient = index @ geometry.inverse[:3, :3]
        gradient /= np.linalg.norm(gradient, axis=1)[:, None]
        assert np.all((found.normals * outwards).sum(axis=1) > 0)
        assert np.percentile((found.normals * gradient).sum(axis=1), 5) > 0.98


def test_a_ball_that_is_edited_keeps_its_volume_within_a_percent() -> None:
    geometry = Geometry.from_parts((64, 64, 64), (0.7, 0.7, 1.0))
    mask = np.zeros((64, 64, 64), np.bool_)
    ball(mask, (30, 30, 30), 20, True)
    live = LiveSurface.of(mask, geometry)
    place = live.needed(ball(mask, (45, 34, 30), 9, False))
    live = live.updated(mask[place.slices], place)
    voxels_ml = np.count_nonzero(mask) * geometry.voxel_volume_mm3 / 1000
    assert live.whole.mesh.volume_ml == pytest.approx(voxels_ml, rel=0.01)
    assert is_closed(live.whole.mesh)


def test_only_blocks_near_the_edit_are_made_again() -> None:
    geometry = Geometry.from_parts((150, 60, 60))
    mask = np.zeros((60, 60, 150), np.bool_)
    mask[20:40, 20:40, 10:140] = True
    live = LiveSurface.of(mask, geometry, side=16)
    place = live.needed(ball(mask, (20, 40, 30), 4, True))
    after = live.updated(mask[place.slices], place)
    assert 0 < len(after.renewed) < len(after.blocks) / 2
    for name, block in after.blocks.items():
        assert (block is live.blocks.get(name)) == (name not in after.renewed)
    # The blocks that stayed lie, all of them, where no point moved.
    assert_same(after, LiveSurface.of(mask, geometry, side=16))


def test_an_edit_that_changes_nothing_renews_nothing() -> None:
    geometry = Geometry.from_parts((40, 40, 40))
    mask = np.zeros((40, 40, 40), np.bool_)
    ball(mask, (20, 20, 20), 9, True)
    live = LiveSurface.of(mask, geometry)
    after = live.updated(mask, Box((0, 0, 0), (40, 40, 40)))
    assert after.renewed == frozenset() and after.blocks is live.blocks


def test_an_empty_segment_has_an_empty_surface_and_can_grow_again() -> None:
    geometry = Geometry.from_parts((40, 40, 40))
    mask = np.zeros((40, 40, 40), np.bool_)
    live = LiveSurface.of(mask, geometry)
    assert live.whole.mesh.empty and live.voxels == 0
    place = live.needed(ball(mask, (20, 20, 20), 9, True))
    grown = live.updated(mask[place.slices], place)
    assert_same(grown, LiveSurface.of(mask, geometry))
    mask[:] = False
    gone = grown.updated(mask, Box((0, 0, 0), (40, 40, 40)))
    assert gone.whole.mesh.empty and not gone.blocks and gone.renewed == frozenset(grown.blocks)


def test_each_block_is_a_mesh_of_its_own_that_meets_its_neighbours_in_equal_points() -> None:
    geometry = Geometry.from_parts((64, 64, 64), (0.7, 0.7, 1.0))
    mask = np.zeros((64, 64, 64), np.bool_)
    ball(mask, (30, 30, 30), 22, True)
    live = LiveSurface.of(mask, geometry, side=16)
    places: dict[int, tuple[float, ...]] = {}
    triangles = 0
    for block in live.blocks.values():
        assert block.triangles.size == 0 or block.triangles.max() < len(block.keys)
        triangles += len(block.triangles)
        for key, point, normal in zip(block.keys.tolist(), block.points.tolist(), block.normals.tolist(), strict=True):
            assert places.setdefault(key, (*point, *normal)) == (*point, *normal)
    assert len(places) == len(live.whole.mesh.points)
    assert triangles == len(live.whole.mesh.triangles)


def test_pieces_that_were_handed_out_make_up_the_surface_whatever_was_edited() -> None:
    geometry = oblique((64, 64, 64), flip=True)
    mask = np.zeros((64, 64, 64), np.bool_)
    ball(mask, (30, 30, 30), 20, True)
    live = LiveSurface.of(mask, geometry, side=8)
    shown = dict(live.renewed_pieces())
    first = live
    for centre, radius, value in (((45, 34, 30), 9, False), ((12, 30, 30), 6, True), ((30, 30, 30), 30, False)):
        place = live.needed(ball(mask, centre, radius, value))
        live = live.updated(mask[place.slices], place)
        shown |= live.renewed_pieces()
        parts = [part for part in shown.values() if part is not None]
        corners = [part.mesh.points[part.mesh.triangles].reshape(-1, 9) for part in parts]
        found = np.concatenate([np.zeros((0, 9), np.float32), *corners])
        wanted = live.whole.mesh.points[live.whole.mesh.triangles].reshape(-1, 9)
        assert np.array_equal(found[np.lexsort(found.T)], wanted[np.lexsort(wanted.T)])
    assert mask.sum() == 0 and all(part is None for part in shown.values())
    # Going back to an earlier surface hands out what differs from it.
    again = shown | first.since(live).renewed_pieces()
    assert sum(len(part.mesh.triangles) for part in again.values() if part) == len(first.whole.mesh.triangles)


@pytest.mark.parametrize("cells", [1, 700])
def test_a_surface_made_in_portions_is_the_same(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    geometry = oblique(SIZE, flip=True)
    mask = np.zeros(SIZE[::-1], np.bool_)
    ball(mask, (25, 22, 24), 16, True)
    noise(mask, (40, 30, 40), 7, 3)
    whole = LiveSurface.of(mask, geometry, side=8)
    monkeypatch.setattr(incremental_module, "_PORTION_CELLS", cells)
    assert_same(LiveSurface.of(mask, geometry, side=8), whole)


def test_the_extent_covers_every_voxel() -> None:
    geometry = oblique(SIZE, flip=False)
    mask = np.zeros(SIZE[::-1], np.bool_)
    ball(mask, (58, 20, 30), 9, True)
    extent = LiveSurface.of(mask, geometry, side=8).extent
    assert extent.union(Box.of_mask(mask)) == extent
    assert LiveSurface.of(np.zeros_like(mask), geometry).extent.empty


def test_a_cancelled_update_stops_and_a_wrong_smoothing_is_refused() -> None:
    geometry = Geometry.from_parts((40, 40, 40))
    mask = np.zeros((40, 40, 40), np.bool_)
    ball(mask, (20, 20, 20), 9, True)
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        LiveSurface.of(mask, geometry, ctx=ctx)
    with pytest.raises(BadInput, match=r"between 0 and 1, not 1\.5"):
        LiveSurface.of(mask, geometry, smoothing=1.5)
