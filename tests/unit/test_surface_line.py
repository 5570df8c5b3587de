"""A line drawn over the 3D view lies on the surface that is seen under it."""

from __future__ import annotations

import numpy as np
import pytest

from surgitwin.render.surface_line import line_on_surface

SIZE = (400.0, 300.0)


def sphere(radius: float = 50.0, count: int = 40_000) -> np.ndarray:
    """Points spread evenly over a sphere."""
    k = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * k / count), np.pi * (1 + 5**0.5) * k
    xyz = [np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)]
    return radius * np.stack(xyz, axis=1)


def parallel(scale: float = 80.0) -> np.ndarray:
    """Looks along +y: x to the right, z up, what has a smaller y is nearer."""
    return np.array(
        [[1 / scale * SIZE[1] / SIZE[0], 0, 0, 0], [0, 0, 1 / scale, 0], [0, 1 / 200, 0, 0], [0, 0, 0, 1]], dtype=float
    )


def perspective() -> np.ndarray:
    """A camera 300 mm in front, at y = -300, looking along +y."""
    near, far = 10.0, 1000.0
    f = 300.0 / 80.0
    view = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, -300.0], [0, 0, 0, 1]], dtype=float)
    lens = np.array(
        [
            [f * SIZE[1] / SIZE[0], 0, 0, 0],
            [0, f, 0, 0],
            [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, -1, 0],
        ]
    )
    return lens @ view


@pytest.mark.parametrize("camera", [parallel(), perspective()], ids=["parallel", "perspective"])
def test_the_line_lies_on_the_side_of_the_surface_that_is_seen(camera: np.ndarray) -> None:
    across = np.linspace(140, 260, 50)
    corners = np.stack([across, np.full(50, 150.0)], axis=1)

    points = line_on_surface(corners, camera, SIZE, sphere())

    assert len(points) > 10
    assert (points[:, 1] < 0).all()  # the front
    assert np.abs(points[:, 2]).max() < 3.0  # the middle of the picture
    assert (np.diff(points[:, 0]) > 0).all()  # in its order
    assert np.linalg.norm(np.diff(points, axis=0), axis=1).min() >= 3.0


def test_where_there_is_no_surface_there_is_no_point() -> None:
    outside = line_on_surface([[5.0, 5.0], [395.0, 295.0]], parallel(), SIZE, sphere())
    partly = line_on_surface([[5.0, 5.0], [200.0, 150.0]], parallel(), SIZE, sphere())

    assert outside.shape == (0, 3)
    assert len(partly) == 1 and partly[0, 1] < -49


def test_a_surface_behind_the_camera_is_not_seen() -> None:
    behind = sphere() + np.array([0.0, -500.0, 0.0])

    assert line_on_surface([[200.0, 150.0]], perspective(), SIZE, behind).shape == (0, 3)
