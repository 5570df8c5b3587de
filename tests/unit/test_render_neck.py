"""The neck plane of an aneurysm as the views draw it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from surgitwin.render.neck import neck_content


def test_the_neck_is_drawn_where_it_was_measured_and_as_large_as_it_is() -> None:
    angle = np.linspace(0, 2 * math.pi, 200, endpoint=False)
    u, v = np.array([0.6, 0.8, 0.0]), np.array([0.0, 0.0, 1.0])
    rim = np.array([10.0, -20.0, 30.0]) + 2.5 * (np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * v)

    shown = neck_content({"neck": {"outlines_mm": [rim.tolist(), (rim + 40).tolist()]}})

    assert shown is not None
    assert shown.mesh.area_mm2 == pytest.approx(2 * math.pi * 2.5**2, rel=1e-3)
    np.testing.assert_allclose(shown.mesh.points[:200], rim, atol=1e-5)
    normal = np.cross(u, v)
    np.testing.assert_allclose((shown.mesh.points[:201] - rim[0]) @ normal, 0.0, atol=1e-5)


@pytest.mark.parametrize("details", [{}, {"neck": None}, {"neck": {"outlines_mm": []}}, {"branches": []}])
def test_results_without_a_neck_draw_none(details: dict[str, object]) -> None:
    assert neck_content(details) is None
