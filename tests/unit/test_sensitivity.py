"""How remnant and margin change when the cut or the segmentation is a little off, against formulas."""

from __future__ import annotations

import numpy as np
import pytest
from test_resection_kinds import GRIDS, ball, centres, sheet

from surgitwin.core.progress import Context
from surgitwin.resection import LiveCut, MaskCut, Plane, PlaneCut, Structure, prepare
from surgitwin.resection.cuts import Cut
from surgitwin.resection.sensitivity import sensitivity, shifted

RADIUS = 20.0


def cap_share(height: float) -> float:
    """The share of a ball's volume that lies beyond a plane ``height`` from its middle."""
    h = RADIUS - height
    return float(h**2 * (3 * RADIUS - h) / (4 * RADIUS**3))


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("kind", ["plane", "surface", "region"])
def test_a_cut_that_moves_by_five_millimetres_changes_the_remnant_and_the_margin_as_the_formula_says(
    name: str, kind: str
) -> None:
    grid = GRIDS[name]
    organ = ball(grid, (0.0, 0.0, 0.0), RADIUS)
    lesion = ball(grid, (0.0, 0.0, 13.0), 5.5)
    z = centres(grid)[..., 2]
    cuts: dict[str, Cut] = {
        "plane": PlaneCut.of(Plane((0.0, 0.0, 1.0), (0.0, 0.0, 1.0))),
        "surface": sheet(lambda x, y: 0 * x + 1.0, (0.0, 0.0, 9.0)),
        "region": MaskCut(z > 1.0, grid.full_box),
    }

    found = sensitivity(
        Structure("Liver", organ), grid, [cuts[kind]], Context(), lesions=[Structure("T", lesion)], is_liver=True
    )

    more, less, grown, shrunk = found
    assert [one.change for one in found] == ["cut-more", "cut-less", "grown", "shrunk"]
    voxel = max(grid.spacing_mm)
    for change, height in ((more, -4.0), (less, 6.0)):
        share = 100.0 * (1.0 - cap_share(height))
        slack = 100.0 * abs(cap_share(height - voxel / 2) - cap_share(height + voxel / 2))
        assert change.remnant_percent == pytest.approx(share, abs=slack)
        assert change.left_behind == 0
        assert change.margin_mm == pytest.approx(13.0 - 5.5 - height, abs=voxel * (1.5 if kind == "region" else 1.0))
    assert grown.margin_mm is not None and shrunk.margin_mm is not None
    assert grown.margin_mm < 6.5 + voxel / 2 < shrunk.margin_mm + voxel
    assert shrunk.margin_mm - grown.margin_mm == pytest.approx(2 * voxel, rel=0.75)


@pytest.mark.parametrize("name", GRIDS)
def test_a_surface_moves_into_the_remnant_whichever_way_its_triangles_face(name: str) -> None:
    grid = GRIDS[name]
    live = LiveCut(prepare(Structure("Organ", ball(grid, (0.0, 0.0, 0.0), RADIUS)), grid, Context()))

    for remove in ((0.0, 0.0, 9.0), (0.0, 0.0, -9.0)):
        cut = sheet(lambda x, y: 0 * x + 1.0, remove)
        before = live.evaluate([cut]).removed_voxels
        assert live.evaluate([shifted(cut, 3.0, live.prepared)]).removed_voxels > before
        assert live.evaluate([shifted(cut, -3.0, live.prepared)]).removed_voxels < before


def test_a_lesion_that_shrinks_away_is_left_out_and_one_that_is_cut_then_counts_as_left() -> None:
    grid = GRIDS["oblique"]
    organ, dot = ball(grid, (0.0, 0.0, 0.0), RADIUS), np.zeros(grid.shape_kji, dtype=bool)
    dot[20, 25, 30] = True
    at = float(grid.to_lps(np.array([30.0, 25.0, 20.0]))[2])
    cut = PlaneCut.of(Plane((0.0, 0.0, at - 3.0), (0.0, 0.0, 1.0)))

    more, less, _, shrunk = sensitivity(
        Structure("Organ", organ), grid, [cut], Context(), lesions=[Structure("T", dot)]
    )

    assert more.left_behind == 0 and less.left_behind == 1 and less.margin_mm is None
    assert shrunk.left_behind == 0 and shrunk.margin_mm is None
    assert more.flr_tumour_free_percent is None  # no liver


def test_an_organ_at_the_edge_of_the_image_does_not_shrink_there() -> None:
    grid = GRIDS["odd spacing"]
    organ = np.zeros(grid.shape_kji, dtype=bool)
    organ[:, 10:40, 10:40] = True
    cut = PlaneCut.of(Plane((0.0, 0.0, 0.0), (0.0, 0.0, 1.0)))

    found = sensitivity(Structure("Organ", organ), grid, [cut], Context())

    assert all(change.remnant_percent is None for change in found)  # cut off by the image
    assert len(found) == 4
