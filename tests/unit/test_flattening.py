"""Surfaces laid flat: exactly where that can be, elsewhere with little stretching; never folded or mirrored."""

from __future__ import annotations

import numpy as np

from surgitwin.resection.flattening import areas_of, lay_flat


def rows_of_triangles(rows: int, columns: int, *, closed: bool = False) -> np.ndarray:
    number = np.arange(rows * columns).reshape(rows, columns)
    if closed:
        number = np.concatenate([number, number[:, :1]], axis=1)
    a, b, c, d = (n.reshape(-1) for n in (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]))
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])


def stretching(points: np.ndarray, flat: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    long = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    return np.linalg.norm(flat[edges[:, 0]] - flat[edges[:, 1]], axis=1) / long


def signed_areas(flat: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (flat[triangles[:, corner]] for corner in range(3))
    (x, y), (u, v) = (b - a).T, (c - a).T
    return (x * v - y * u) / 2


def test_three_quarters_of_a_cylinder_are_unrolled_to_its_own_lengths() -> None:
    angle, height = np.linspace(0, 1.5 * np.pi, 60), np.linspace(0, 50, 41)
    points = np.stack(
        np.broadcast_arrays(20 * np.cos(angle)[:, None], 20 * np.sin(angle)[:, None], height), axis=-1
    ).reshape(-1, 3)
    triangles = rows_of_triangles(60, 41)

    flat = lay_flat(points, triangles)

    assert np.abs(stretching(points, flat, triangles) - 1).max() < 1e-5
    # From corner to corner it is the diagonal of the sheet, whose one side is its chords together.
    wide = 59 * 2 * 20 * np.sin(1.5 * np.pi / 59 / 2)
    assert np.isclose(np.linalg.norm(flat[-1] - flat[0]), np.hypot(wide, 50), rtol=1e-5)


def test_a_bowl_deeper_than_half_a_sphere_is_laid_flat_without_a_fold() -> None:
    angle, around = np.linspace(0.02, 1.9, 40), np.linspace(0, 2 * np.pi, 80, endpoint=False)
    points = 30 * np.stack(
        np.broadcast_arrays(
            np.sin(angle)[:, None] * np.cos(around), np.sin(angle)[:, None] * np.sin(around), np.cos(angle)[:, None]
        ),
        axis=-1,
    ).reshape(-1, 3)
    triangles = rows_of_triangles(40, 80, closed=True)

    flat = lay_flat(points, triangles)

    areas = signed_areas(flat, triangles)
    assert (areas > 0).all()
    assert np.isclose(areas.sum(), areas_of(points, triangles).sum(), rtol=0.1)
    middling = np.percentile(stretching(points, flat, triangles), [5, 95])
    assert middling.min() > 0.7 and middling.max() < 1.5


def test_seen_from_where_its_triangles_face_a_flat_surface_is_not_mirrored() -> None:
    y, x = np.meshgrid(np.arange(6.0), np.arange(9.0), indexing="ij")
    points = np.stack([x, y, 0 * x], axis=-1).reshape(-1, 3)
    triangles = rows_of_triangles(6, 9)
    normal = np.cross(
        points[triangles[0, 1]] - points[triangles[0, 0]], points[triangles[0, 2]] - points[triangles[0, 0]]
    )
    assert normal[2] < 0  # they face down

    assert (signed_areas(lay_flat(points, triangles), triangles) > 0).all()
    assert (signed_areas(lay_flat(points, triangles[:, ::-1]), triangles[:, ::-1]) > 0).all()


def test_a_surface_with_needles_among_its_triangles_is_still_laid_flat() -> None:
    rng = np.random.default_rng(1)
    y, x = np.meshgrid(np.arange(12.0), np.arange(12.0), indexing="ij")
    points = np.stack([x, y, 0.3 * np.sin(x)], axis=-1).reshape(-1, 3)
    points[30] = points[31] + 1e-6 * rng.normal(size=3)
    flat = lay_flat(points, rows_of_triangles(12, 12))
    assert np.isfinite(flat).all()
    assert np.isclose(np.linalg.norm(flat[-1] - flat[0]), np.linalg.norm(points[-1] - points[0]), rtol=0.1)
