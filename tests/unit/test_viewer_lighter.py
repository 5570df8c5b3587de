"""Fewer triangles for the HTML page: never another shape, whatever the budget; deviations against exact shapes."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from surgitwin.commands.viewer_lighter import LIMIT_MM, LIMITS_MM, lighter, over_budget
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.surfaces import is_closed

ORGAN_MM, BODY_MM, VEIN_MM, LENGTH_MM = 50.0, 120.0, 1.0, 150.0
BUDGET = 6_500


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int32))


def ball(radius_mm: float, steps: int) -> Mesh:
    return mesh_of(trimesh.creation.icosphere(subdivisions=steps, radius=radius_mm))


def on_vein(along: NDArray[np.float64], around: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points on a tube that waves, so that it cannot do with few triangles."""
    waved = 6.0 * np.sin(along / 6.0)
    return np.stack((VEIN_MM * np.cos(around) + waved, VEIN_MM * np.sin(around), along), axis=-1)


def vein() -> Mesh:
    rings, sides = 300, 24
    along, around = np.meshgrid(np.linspace(0, LENGTH_MM, rings), np.arange(sides) * 2 * np.pi / sides, indexing="ij")
    ends = np.array([[0.0, 0.0, 0.0], [6.0 * np.sin(LENGTH_MM / 6.0), 0.0, LENGTH_MM]])
    points = np.concatenate((on_vein(along, around).reshape(-1, 3), ends))
    ring, side = np.meshgrid(np.arange(rings - 1), np.arange(sides), indexing="ij")
    one, two = (ring * sides + side).ravel(), (ring * sides + (side + 1) % sides).ravel()
    wall = np.concatenate((np.stack((one, two, two + sides), 1), np.stack((one, two + sides, one + sides), 1)))
    rim = np.arange(sides)
    last = rim + (rings - 1) * sides
    bottom = np.stack((np.full(sides, len(points) - 2), np.roll(rim, -1), rim), 1)
    top = np.stack((np.full(sides, len(points) - 1), last, np.roll(last, -1)), 1)
    return Mesh(points.astype(np.float32), np.concatenate((wall, bottom, top)).astype(np.int32))


def off_ball(mesh: Mesh, radius_mm: float) -> float:
    """How far the mesh is off the sphere: corners beyond it, middles of triangles below it."""
    corners = np.linalg.norm(mesh.points, axis=1)
    middles = np.linalg.norm(mesh.points[mesh.triangles].mean(axis=1), axis=1)
    return float(max(np.abs(corners - radius_mm).max(), np.abs(middles - radius_mm).max()))


def off_vein(mesh: Mesh) -> float:
    """How far places all over the mesh's wall are off the tube itself, to half of its grid's 0.1 mm."""
    body = trimesh.Trimesh(mesh.points, mesh.triangles, process=False)
    places, _ = trimesh.sample.sample_surface(body, 4_000, seed=1)
    places = places[(places[:, 2] > 1.0) & (places[:, 2] < LENGTH_MM - 1.0)]
    along, around = np.meshgrid(np.arange(0, LENGTH_MM, 0.1), np.linspace(0, 2 * np.pi, 63), indexing="ij")
    away, _ = cKDTree(on_vein(along, around).reshape(-1, 3)).query(places)
    return float(away.max())


@pytest.fixture(scope="module")
def thin() -> Mesh:
    return vein()


def test_no_surface_is_off_by_more_than_its_limit_and_the_skin_gives_way_first(thin: Mesh) -> None:
    surfaces = [("organ", "Liver", ball(ORGAN_MM, 5)), ("body", "Skin", ball(BODY_MM, 5)), ("vessel", "Vein", thin)]

    organ, skin, vessel = lighter(surfaces, Context(), budget=BUDGET)

    assert off_ball(organ.mesh, ORGAN_MM) <= LIMIT_MM
    assert off_ball(skin.mesh, BODY_MM) <= LIMITS_MM["body"]
    assert off_vein(vessel.mesh) <= LIMIT_MM + 0.05
    assert all(is_closed(one.mesh) for one in (organ, skin, vessel))
    assert all(one.deviation_mm is not None for one in (organ, skin, vessel))
    assert organ.deviation_mm == pytest.approx(off_ball(organ.mesh, ORGAN_MM), abs=0.15)
    assert len(vessel.mesh.triangles) / len(thin.triangles) > len(skin.mesh.triangles) / 20_480


def test_the_budget_gives_way_to_the_shape_and_that_is_said(thin: Mesh) -> None:
    (vessel,) = lighter([("vessel", "Vein", thin)], Context(), budget=60)

    assert 60 < len(vessel.mesh.triangles) < len(thin.triangles)
    assert off_vein(vessel.mesh) <= LIMIT_MM + 0.05
    (notice,) = over_budget(len(vessel.mesh.triangles), budget=60)
    assert notice.code == "many-triangles" and str(len(vessel.mesh.triangles)) in notice.message


def test_what_is_within_the_budget_and_what_is_open_stays_as_it_is(thin: Mesh) -> None:
    opened = Mesh(thin.points, thin.triangles[5:])

    (kept,) = lighter([("vessel", "Vein", thin)], Context(), budget=len(thin.triangles))
    (left,) = lighter([("vessel", "Vein", opened)], Context(), budget=100)

    assert kept.mesh is thin and kept.deviation_mm is None
    assert left.mesh is opened and left.deviation_mm is None
    assert over_budget(10, budget=10) == []
