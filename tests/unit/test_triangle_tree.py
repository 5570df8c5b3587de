"""Nearest places, rays and gaps through a tree of triangles, against every triangle looked at."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.triangle_tree import TriangleTree

FloatArray = NDArray[np.float64]


def lump(seed: int, at: FloatArray, subdivisions: int = 3, squeeze: float = 1.0) -> Mesh:
    """An uneven ball of 20 * 4^subdivisions triangles, 30 mm across."""
    shape = trimesh.creation.icosphere(subdivisions=subdivisions, radius=15.0)
    points = np.asarray(shape.vertices)
    points = points * (1 + 0.15 * np.random.default_rng(seed).normal(size=(len(points), 1))) * (1, squeeze, 1) + at
    return Mesh(points.astype(np.float32), np.asarray(shape.faces, np.int32))


def to_segments(points: FloatArray, tails: FloatArray, heads: FloatArray) -> FloatArray:
    """Squares of the distances of points, (n, 3), to segments, (m, 3) each: (n, m)."""
    way = heads - tails
    long = (way**2).sum(axis=1)
    share = np.einsum("nmx,mx->nm", points[:, None] - tails, way) / np.where(long > 0, long, 1.0)
    feet = tails + np.clip(share, 0, 1)[..., None] * way
    return np.asarray(((points[:, None] - feet) ** 2).sum(axis=2))


def to_every_triangle(mesh: Mesh, points: FloatArray) -> FloatArray:
    """Distances of points to every triangle, (n, m): to its plane where the foot lies within, else to its sides."""
    a, b, c = np.moveaxis(mesh.points.astype(np.float64)[mesh.triangles], 1, 0)
    squares = np.minimum.reduce([to_segments(points, *ends) for ends in ((a, b), (b, c), (c, a))])
    normal = np.cross(b - a, c - a)
    area = (normal**2).sum(axis=1)
    within = np.broadcast_to(area > 0, squares.shape).copy()
    for tail, head in ((a, b), (b, c), (c, a)):
        inward = np.cross(normal, head - tail)
        within &= np.einsum("nmx,mx->nm", points[:, None] - tail, inward) >= 0
    above = np.einsum("nmx,mx->nm", points[:, None] - a, normal) ** 2 / np.where(area > 0, area, 1.0)
    return np.sqrt(np.where(within, np.minimum(above, squares), squares))


@pytest.mark.parametrize("at", [(0.0, 0.0, 0.0), (-310.0, 1450.0, -2200.0)])
@pytest.mark.parametrize("squeeze", [1.0, 0.01])
def test_the_nearest_place_is_that_of_all_triangles_far_from_the_origin_and_on_thin_plates_too(
    at: tuple[float, float, float], squeeze: float
) -> None:
    mesh = lump(1, np.array(at), squeeze=squeeze)
    random = np.random.default_rng(2)
    points = np.concatenate([random.normal(size=(150, 3)) * s for s in (0.5, 12.0, 100.0)]) + at
    # On corners, and a hair beside them.
    points = np.concatenate([points, mesh.points[:100], mesh.points[:100] + random.normal(size=(100, 3)) * 1e-5])
    every = to_every_triangle(mesh, points)
    found = TriangleTree.of(mesh).nearest(points)
    assert np.abs(found.away_mm - every.min(axis=1)).max() < 1e-9
    assert np.allclose(np.linalg.norm(found.points_mm - points, axis=1), found.away_mm, rtol=0, atol=1e-9)
    rows = np.arange(len(points))
    assert np.abs(every[rows, found.triangles] - found.away_mm).max() < 1e-9


@pytest.mark.parametrize("count", [1, 3, 4, 5, 63, 64, 65, 257, 1030])
def test_trees_of_every_size_hold_every_triangle(count: int) -> None:
    whole = lump(3, np.array([40.0, -7, 12]))
    mesh = Mesh(whole.points, whole.triangles[:count])
    tree = TriangleTree.of(mesh)
    assert np.array_equal(np.sort(tree.order), np.arange(count))
    middles = mesh.points[mesh.triangles].astype(np.float64).mean(axis=1)
    found = tree.nearest(middles)
    assert np.array_equal(found.triangles, np.arange(count))
    assert found.away_mm.max() < 1e-5 and not found.features.any()


def test_triangles_without_area_and_all_in_one_place_do_not_lead_astray() -> None:
    points = np.float32([[0, 0, 0], [10, 0, 0], [0, 10, 0], [4, 0, 0], [30, 5, 0]])
    faces = np.int32([[0, 1, 2], [0, 0, 1], [1, 1, 1], [0, 3, 1], [4, 4, 4], *[[0, 1, 2]] * 200])
    mesh = Mesh(points, faces)
    places = np.array([[2.0, 3, 5], [-3, -4, 0], [25, 5, 0], [5, -2, 0], [0, 0, 0]])
    found = TriangleTree.of(mesh).nearest(places)
    assert found.away_mm == pytest.approx([5.0, 5.0, 5.0, 2.0, 0.0], abs=1e-9)


def test_a_place_is_told_by_what_it_lies_on_the_face_a_side_or_a_corner() -> None:
    mesh = Mesh(np.float32([[0, 0, 0], [10, 0, 0], [0, 10, 0]]), np.int32([[0, 1, 2]]))
    places = [[2, 2, 1], [5, -1, 0], [6, 6, 0], [-1, 5, 0], [-1, -1, 0], [12, -1, 0], [-1, 12, 0]]
    assert TriangleTree.of(mesh).nearest(places).features.tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_points_are_brought_through_a_pose_and_those_beyond_the_limit_are_left_out() -> None:
    mesh = lump(4, np.zeros(3))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0], (3, -9, 4)
    points = np.random.default_rng(6).normal(size=(9000, 3)) * 20
    tree = TriangleTree.of(mesh)
    whole, some = tree.nearest(points @ pose[:3, :3].T + pose[:3, 3]), tree.nearest(points, pose, limit_mm=6.0)
    near = whole.away_mm < 6.0
    assert 1000 < near.sum() < 8000
    assert np.array_equal(some.triangles >= 0, near)
    assert np.allclose(some.away_mm[near], whole.away_mm[near], rtol=0, atol=1e-9)
    assert np.isnan(some.away_mm[~near]).all() and np.isnan(some.points_mm[~near]).all()


def test_rays_meet_what_they_meet_triangle_by_triangle() -> None:
    mesh = lump(7, np.array([800.0, -40, 3]))
    starts = mesh.points.mean(axis=0) + np.random.default_rng(8).normal(size=(400, 3)) * 15
    for way in ([0.0, 0, 1], [0.3, -2, 0.7]):
        unit = np.array(way) / np.linalg.norm(way)
        corners = mesh.points.astype(np.float64)[mesh.triangles]
        a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        system = np.stack([ab, ac, np.broadcast_to(-unit, a.shape)], axis=2)
        u, v, far = np.moveaxis(np.linalg.solve(system[None], (starts[:, None] - a)[..., None])[..., 0], 2, 0)
        met = (u >= 0) & (v >= 0) & (u + v <= 1) & (far >= 0) & (far < 50.0)
        expected = np.where(met, far, np.inf).min(axis=1)
        found = TriangleTree.of(mesh).along(starts, np.array(way), reach_mm=50.0)
        assert 50 < np.isfinite(expected).sum() < 400
        assert np.allclose(found, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_the_gap_of_two_surfaces_is_that_of_all_their_corners_and_sides(seed: int) -> None:
    way = np.random.default_rng(seed).normal(size=3)
    one = lump(seed, np.array([100.0, 0, -900]), subdivisions=2)
    two = lump(seed + 50, np.array([100.0, 0, -900]) + 45 * way / np.linalg.norm(way), subdivisions=2, squeeze=0.6)
    gap, here, there = TriangleTree.of(one).gap_to(TriangleTree.of(two))
    corners = min(to_every_triangle(a, b.points.astype(np.float64)).min() for a, b in ((one, two), (two, one)))
    shares = np.linspace(0, 1, 101)[:, None]

    def sides(mesh: Mesh) -> tuple[FloatArray, FloatArray]:
        ends = mesh.points.astype(np.float64)[mesh.triangles]
        return ends.reshape(-1, 3), np.roll(ends, -1, axis=1).reshape(-1, 3)

    # Sides of the first near the place that was found, finely sampled, to all sides of the second.
    tails, heads = sides(one)
    close = np.argsort(to_segments(np.array(here)[None], tails, heads)[0])[:40]
    samples = (tails[close][:, None] * (1 - shares) + heads[close][:, None] * shares).reshape(-1, 3)
    by_sides = np.sqrt(to_segments(samples, *sides(two)).min())
    best = min(corners, by_sides)
    assert gap > 0.5
    assert best - 1e-3 <= gap <= best + 1e-9
    assert np.linalg.norm(np.subtract(here, there)) == pytest.approx(gap, abs=1e-9)
    back, _, _ = TriangleTree.of(two).gap_to(TriangleTree.of(one))
    assert back == pytest.approx(gap, abs=1e-9)


def test_an_empty_surface_has_no_tree() -> None:
    with pytest.raises(BadInput, match="empty"):
        TriangleTree.of(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)))
