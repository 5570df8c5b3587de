"""The margin drawn all over the cuts of a plan, whatever their kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_resection_kinds import GRIDS, ball, centres

from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.render.content import MarginClass
from surgitwin.render.cut_margins import CutMargins, cut_margins
from surgitwin.resection import LiveCut, MaskCut, Plane, PlaneCut, Structure, partition, prepare
from surgitwin.resection.bezier import BezierPatch, surface_cut
from surgitwin.resection.curve_cut import DrawnCurve, curve_cut
from surgitwin.resection.cuts import Cut
from surgitwin.scene.nodes import CurveModel, CutModel, PlaneModel

LIMITS = (4.0, 7.0)
LESION_AT, LESION_RADIUS = (10.0, 2.0, 1.0), 4.0


def margins_of(grid: Geometry, models: list[CutModel], cuts: list[Cut]) -> tuple[dict[int, CutMargins], float | None]:
    """The margins of a plan through a ball of 21 mm with a lesion in it, and the smallest as the plan has it."""
    lesion = Structure("T", ball(grid, LESION_AT, LESION_RADIUS))
    live = LiveCut(prepare(Structure("Organ", ball(grid, (0.0, 0.0, 0.0), 21.0)), grid, Context(), lesions=[lesion]))
    found = partition(live.prepared, cuts, Context())
    alone = [live.region(cut) if isinstance(cut, MaskCut) else None for cut in cuts]
    lesions = [one.surface for one in live.prepared.lesions]
    return cut_margins(models, alone, found, grid, lesions, LIMITS, Context()), found.numbers.lesions[0].margin_mm


def patch_points(x: float) -> np.ndarray:
    y, z = np.meshgrid(np.linspace(-30, 30, 4), np.linspace(-30, 30, 4), indexing="ij")
    return np.stack([np.full_like(y, x), y, z], axis=-1)


def every_kind(grid: Geometry) -> dict[str, tuple[CutModel, Cut]]:
    """Cuts that all divide the ball along x = 0, what lies to the patient's left goes."""
    plane = PlaneModel(point_mm=(0.0, 0.0, 0.0), normal=(1.0, 0.0, 0.0))
    points = patch_points(0.0)
    rows = tuple(tuple((float(x), float(y), float(z)) for x, y, z in row) for row in points)
    line, way = [(0.0, -25.0, 28.0), (0.0, 0.0, 28.0), (0.0, 25.0, 28.0)], (0.0, 0.0, -1.0)
    curve: dict[str, Any] = {"points_mm": tuple(line), "closed": False, "direction": way, "depth_mm": None}
    box, aside = grid.full_box, (15.0, 0.0, 0.0)
    return {
        "planes": (CutModel(planes=(plane,)), PlaneCut.of(Plane(plane.point_mm, plane.normal))),
        "patch": (
            CutModel(kind="patch", control_points_mm=rows, remove_point_mm=aside),
            surface_cut(BezierPatch.of(points), box, grid, aside),
        ),
        "curve": (
            CutModel(kind="curve", curve=CurveModel(**curve), remove_point_mm=aside),
            curve_cut(DrawnCurve.of(line, False, way, None), box, grid, aside),
        ),
        "territories": (CutModel(kind="territories"), MaskCut(centres(grid)[..., 0] > 0, box)),
    }


@pytest.mark.parametrize("kind", ["planes", "patch", "curve", "territories"])
@pytest.mark.parametrize("name", GRIDS)
def test_each_kind_of_cut_shows_the_margin_of_the_plan_and_its_classes(name: str, kind: str) -> None:
    grid = GRIDS[name]
    model, cut = every_kind(grid)[kind]
    margins, smallest = margins_of(grid, [model], [cut])
    found = margins[0]

    assert (
        smallest is not None and found.map is not None and found.map.nearest is not None and found.classes is not None
    )
    # A grid of points 2 mm apart may miss the nearest place by less than its diagonal; a border of voxels does not.
    off = 0.0 if kind == "territories" else np.hypot(smallest + 1e-9, np.sqrt(2)) - smallest
    assert smallest - 0.02 <= found.map.distance_mm[found.map.nearest] <= smallest + off + 0.05
    assert set(np.unique(found.classes[found.map.on_cut])) <= {1, 2, 3}
    assert MarginClass.SAFE in found.classes
    if kind == "patch":
        assert found.surfaces == () and found.patch_classes is not None and MarginClass.SAFE in found.patch_classes
        return
    (surface,) = found.surfaces
    assert surface.id.startswith("margin:0") and surface.classes is not None and surface.distances_mm is not None
    assert np.abs(surface.mesh.points[:, 0]).max() < (1.5 * max(grid.spacing_mm) if kind == "territories" else 1e-3)
    below = surface.distances_mm[surface.classes == MarginClass.BELOW]
    safe = surface.distances_mm[surface.classes == MarginClass.SAFE]
    assert (below < LIMITS[0]).all() and (safe >= LIMITS[1]).all()


def test_planes_that_cut_together_are_drawn_and_laid_flat_each() -> None:
    grid = GRIDS["odd spacing"]
    planes = (
        PlaneModel(point_mm=(0.0, 0.0, 0.0), normal=(1.0, 0.0, 0.0)),
        PlaneModel(point_mm=(0.0, -8.0, 0.0), normal=(0.0, 1.0, 0.0)),
    )
    cut = PlaneCut.of(*(Plane(plane.point_mm, plane.normal) for plane in planes))
    margins, smallest = margins_of(grid, [CutModel(planes=planes)], [cut])

    assert smallest is not None and margins[0].map is not None
    assert [surface.id for surface in margins[0].surfaces] == ["margin:0:0", "margin:0:1"]
    first, second = (surface.mesh.points for surface in margins[0].surfaces)
    # Each is drawn only as far as it divides the organ: the other plane ends it.
    assert first[:, 1].min() > -10.5 and second[:, 0].min() > -2.5
    assert (~margins[0].map.on_cut.any(axis=0)).any()


def test_cuts_that_are_off_or_miss_the_organ_have_no_margin() -> None:
    grid = GRIDS["odd spacing"]
    model, cut = every_kind(grid)["planes"]
    far = PlaneModel(point_mm=(40.0, 0.0, 0.0), normal=(1.0, 0.0, 0.0))
    models = [model, CutModel(planes=(far,)), model.model_copy(update={"enabled": False})]
    lesion = Structure("T", ball(grid, LESION_AT, LESION_RADIUS))
    live = LiveCut(prepare(Structure("Organ", ball(grid, (0.0, 0.0, 0.0), 21.0)), grid, Context(), lesions=[lesion]))
    found = partition(live.prepared, [cut, PlaneCut.of(Plane(far.point_mm, far.normal))], Context())

    margins = cut_margins(models, [None] * 3, found, grid, [], LIMITS, Context())

    assert set(margins) == {0, 1}
    assert margins[1].surfaces == () and margins[1].map is not None and not margins[1].map.on_cut.any()
    assert margins[0].map is not None and margins[0].map.nearest is None  # no lesion, nothing is near
