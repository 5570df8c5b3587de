"""Regions of voxels as cuts: lesions that bulge out of the organ, cuts that miss it, and what is perfused after."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from test_resection_kinds import GRIDS, ball, centres, sheet, wave
from test_supply import fork

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.resection import Cut, LiveCut, MaskCut, Plane, PlaneCut, Structure, prepare

RADIUS = 21.0


def upper(grid: Geometry, organ: NDArray[np.bool_], height: float = 0.0) -> MaskCut:
    """As territories are: voxels of the organ's label and no others."""
    box = Box.of_mask(organ)
    return MaskCut((organ & (centres(grid)[..., 2] > height))[box.slices], box)


@pytest.mark.parametrize("name", GRIDS)
def test_a_lesion_that_bulges_out_of_the_organ_goes_with_the_territory_that_it_grows_from(name: str) -> None:
    grid = GRIDS[name]
    organ, lesion = ball(grid, (0.0, 0.0, 0.0), RADIUS), ball(grid, (0.0, 0.0, RADIUS), 6.0)
    live = LiveCut(prepare(Structure("Organ", organ), grid, Context(), lesions=[Structure("T", lesion)]))

    found = live.evaluate([upper(grid, organ)])
    plane = live.evaluate([PlaneCut.of(Plane((0.0, 0.0, 0.0), (0.0, 0.0, 1.0)))])

    assert found.lesions[0].outside_ml > 0.1
    assert found.lesions[0].left_behind is False and found.lesions[0].left_behind_ml == 0
    assert found.lesions[0].margin_mm == pytest.approx(plane.lesions[0].margin_mm, abs=max(grid.spacing_mm))
    assert found.removed_voxels == np.count_nonzero(organ & (centres(grid)[..., 2] > 0))  # the organ's own, only


@pytest.mark.parametrize("name", GRIDS)
def test_each_voxel_of_a_lesion_outside_goes_with_the_organs_voxel_nearest_to_it(name: str) -> None:
    """A lesion in a hole of the label, half of whose wall goes."""
    grid = GRIDS[name]
    lesion = ball(grid, (0.5, 1.0, 2.0), 7.0)
    organ = ball(grid, (0.0, 0.0, 0.0), RADIUS) & ~lesion
    live = LiveCut(prepare(Structure("Organ", organ), grid, Context(), lesions=[Structure("T", lesion)]))

    found = live.evaluate([upper(grid, organ, 4.0)])

    places, walls = centres(grid)[lesion], centres(grid)[organ]
    away = np.linalg.norm(places[:, None] - walls[None], axis=2)
    nearest = away.min(axis=1)
    goes = [(walls[row < least + 1e-9][:, 2] > 4.0) for row, least in zip(away, nearest, strict=True)]
    surely, maybe = sum(one.all() for one in goes), sum(one.any() for one in goes)  # equally near voxels may differ
    gone = round((found.lesions[0].volume_ml - found.lesions[0].left_behind_ml) / found.voxel_ml)
    assert 0 < surely <= gone <= maybe < np.count_nonzero(lesion)
    assert found.lesions[0].cut_through and found.lesions[0].margin_mm == 0.0


def test_a_cut_that_misses_is_named_among_several_and_alone() -> None:
    grid = GRIDS["odd spacing"]
    organ = ball(grid, (0.0, 0.0, 0.0), RADIUS)
    live = LiveCut(prepare(Structure("Organ", organ), grid, Context()))
    half: Cut = PlaneCut.of(Plane((0.0, 0.0, 0.0), (0.0, 0.0, 1.0)))
    beside: list[Cut] = [
        PlaneCut.of(Plane((90.0, 0.0, 0.0), (1.0, 0.0, 0.0))),
        sheet(lambda x, y: wave(x, y) + 60.0, (0.0, 0.0, 90.0)),
        MaskCut(np.zeros_like(organ), grid.full_box),
        MaskCut(np.zeros((0, 0, 0), dtype=bool), Box((0, 0, 0), (0, 0, 0))),
    ]

    for cut in beside:
        both = live.evaluate([half, cut])
        assert [(n.code, n.details["cut"]) for n in both.notices] == [("cut-misses", 2)]
        assert "Cut 2 of the 2" in both.notices[0].message
        assert both.removed_voxels == live.evaluate([half]).removed_voxels
        assert [n.code for n in live.evaluate([cut]).notices] == ["nothing-removed"]
    assert live.evaluate([half]).notices == ()
    assert "plane" not in live.evaluate([beside[1]]).notices[0].message


def test_a_cut_of_which_nothing_is_kept_says_so_for_every_kind() -> None:
    grid = GRIDS["odd spacing"]
    organ = ball(grid, (0.0, 0.0, 0.0), RADIUS)
    live = LiveCut(prepare(Structure("Organ", organ), grid, Context()))
    everything: list[Cut] = [
        PlaneCut.of(Plane((90.0, 0.0, 0.0), (-1.0, 0.0, 0.0))),
        sheet(lambda x, y: wave(x, y) - 60.0, (0.0, 0.0, 90.0)),
        MaskCut(np.ones_like(organ), grid.full_box),
    ]

    for cut in everything:
        numbers = live.evaluate([cut])
        assert [n.code for n in numbers.notices] == ["nothing-kept"]
        assert numbers.remnant_voxels == 0 and numbers.removed_voxels == np.count_nonzero(organ)


@pytest.mark.parametrize("x", [8.3, 2.5, -2.5])
def test_the_perfused_remnant_is_what_is_kept_fed_and_no_tumour(x: float) -> None:
    """A slab is taken; beyond it lies a lesion in tissue that stays without inflow: no voxel is taken off twice."""
    grid = GRIDS["odd spacing"]
    organ, lesion = ball(grid, (0.0, 0.0, 0.0), 20.0), ball(grid, (14.0, 0.0, 3.0), 4.0)
    prepared = prepare(
        Structure("Liver", organ),
        grid,
        Context(),
        lesions=[Structure("T", lesion)],
        trees=[("portal", fork())],
        is_liver=True,
    )
    live = LiveCut(prepared)
    slab: list[Cut] = [PlaneCut.of(Plane((x, 0, 0), (1.0, 0, 0)), Plane((x + 3.0, 0, 0), (-1.0, 0, 0)))]

    numbers, lost = live.evaluate(slab), np.zeros_like(organ)
    lost[prepared.box.slices] = live.lost(slab)["portal"]

    places = centres(grid)[..., 0]
    kept = organ & ~((places > x) & (places < x + 3.0))
    truth = np.count_nonzero(kept & ~lost & ~lesion)
    assert np.count_nonzero(lost) == numbers.lost_voxels["portal"] > 0
    if x > 0:
        assert np.any(lost & lesion)
    assert numbers.perfused_voxels == truth
    healthy = np.count_nonzero(organ & ~lesion)
    assert numbers.flr_perfused_percent == pytest.approx(100.0 * truth / healthy)
    assert numbers.as_json()["flr_perfused_percent"] == numbers.flr_perfused_percent


def test_without_a_portal_tree_the_perfused_share_is_not_assessed() -> None:
    grid = GRIDS["odd spacing"]
    organ = ball(grid, (0.0, 0.0, 0.0), 20.0)
    live = LiveCut(prepare(Structure("Liver", organ), grid, Context(), trees=[("hepatic", fork())], is_liver=True))
    numbers = live.evaluate([PlaneCut.of(Plane((8.3, 0, 0), (1.0, 0, 0)))])

    assert numbers.lost_ml("hepatic") is not None and numbers.lost_ml("portal") is None
    assert numbers.flr_perfused_percent is None and numbers.as_json()["remnant_perfused_ml"] is None
