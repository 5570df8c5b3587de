"""The boxes that views frame."""

from __future__ import annotations

import numpy as np
import pytest

from surgitwin.core.mesh import Mesh
from surgitwin.render.bounds import QUICK_POINTS, ROW_POINTS, content_bounds, mesh_bounds, unmeasured
from surgitwin.render.content import SceneContent, SurfaceContent

TRIANGLE = np.array([[0, 1, 2]], np.int32)


def cloud(count: int, seed: int = 0) -> Mesh:
    points = np.random.default_rng(seed).normal((10, -20, 300), (5, 50, 0.1), (count, 3)).astype(np.float32)
    return Mesh(points, TRIANGLE)


@pytest.mark.parametrize("count", [3, ROW_POINTS - 1, ROW_POINTS, ROW_POINTS + 1, 5 * ROW_POINTS, 5 * ROW_POINTS + 7])
@pytest.mark.parametrize("where", [0, -1])
def test_a_box_reaches_every_point_wherever_it_stands_among_the_others(count: int, where: int) -> None:
    mesh = cloud(count)
    mesh.points[where] = (-1000, 2000, -3000)
    low, high = mesh_bounds(mesh)
    np.testing.assert_array_equal(low, [min(column) for column in mesh.points.T.tolist()])
    np.testing.assert_array_equal(high, [max(column) for column in mesh.points.T.tolist()])
    assert low.dtype == high.dtype == np.float64


def test_a_large_mesh_counts_as_unmeasured_until_it_was_measured() -> None:
    large = cloud(QUICK_POINTS + 1)
    assert unmeasured([large]) == [large]
    mesh_bounds(large)
    assert unmeasured([large]) == []


def test_small_meshes_count_as_unmeasured_only_when_they_are_many() -> None:
    small = [cloud(QUICK_POINTS // 2, seed) for seed in range(3)]
    assert unmeasured(small[:2]) == []
    assert unmeasured(small) == small


def test_what_is_hidden_or_empty_is_not_framed() -> None:
    shown, hidden = cloud(50), cloud(50, 1)
    hidden.points[0] = (9999, 9999, 9999)
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    surfaces = (
        SurfaceContent("a", shown, (1, 2, 3)),
        SurfaceContent("b", hidden, (1, 2, 3), visible=False),
        SurfaceContent("c", empty, (1, 2, 3)),
    )
    found = content_bounds(SceneContent(surfaces=surfaces))
    assert found is not None
    np.testing.assert_array_equal(found, mesh_bounds(shown))
    assert content_bounds(SceneContent(surfaces=surfaces[1:])) is None
