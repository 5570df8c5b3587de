"""A wedge takes all of the organ within a margin of a lesion, and the margin that it leaves is that margin."""

from __future__ import annotations

import numpy as np
import pytest
from test_resection_kinds import GRIDS, ball, centres

from surgitwin.core.geometry import Box
from surgitwin.core.progress import Context
from surgitwin.resection import LiveCut, Structure, partition, prepare
from surgitwin.resection.cut_notices import enclosed_notices
from surgitwin.resection.margins import LesionSurface
from surgitwin.resection.wedge import wedge


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("margin", [0.0, 3.0, 7.5])
def test_a_wedge_is_what_lies_within_the_margin_by_brute_force(name: str, margin: float) -> None:
    grid = GRIDS[name]
    organ, lesion = ball(grid, (0.0, 0.0, 0.0), 21.0), ball(grid, (3.0, 2.0, 4.0), 4.0)
    box = Box.of_mask(lesion)
    structure = Structure("T", lesion[box.slices], box)
    prepared = prepare(Structure("Organ", organ), grid, Context(), lesions=[structure])

    cut = wedge(structure, margin, prepared)

    surface = LesionSurface.of(lesion, grid.full_box, grid)
    away = surface.tree.query(centres(grid).reshape(-1, 3))[0].reshape(organ.shape)
    whole = np.zeros_like(organ)
    whole[cut.box.slices] = cut.mask
    assert np.array_equal(whole, (away <= margin) | lesion)


@pytest.mark.parametrize("name", GRIDS)
def test_the_margin_that_a_wedge_leaves_is_the_one_asked_for(name: str) -> None:
    grid = GRIDS[name]
    organ, lesion = ball(grid, (0.0, 0.0, 0.0), 21.0), ball(grid, (3.0, 2.0, 4.0), 4.0)
    structure = Structure("T", lesion)
    live = LiveCut(prepare(Structure("Organ", organ), grid, Context(), lesions=[structure]))

    numbers = live.evaluate([wedge(structure, 8.0, live.prepared)])

    assert numbers.lesions[0].left_behind is False
    assert numbers.lesions[0].margin_mm == pytest.approx(8.0, abs=max(grid.spacing_mm) / 2 + 0.1)


def test_a_wedge_at_the_edge_of_the_image_ends_there() -> None:
    grid = GRIDS["odd spacing"]
    organ = ball(grid, (-20.0, 0.0, 0.0), 21.0)
    lesion = ball(grid, (-24.0, 0.0, 0.0), 3.0)
    structure = Structure("T", lesion)
    live = LiveCut(prepare(Structure("Organ", organ), grid, Context(), lesions=[structure]))

    found = partition(live.prepared, [wedge(structure, 5.0, live.prepared)], Context())

    assert np.array_equal(found.removed | found.remnant, organ[found.box.slices])
    assert found.numbers.removed_voxels > lesion.sum()


def test_an_empty_lesion_makes_an_empty_wedge() -> None:
    grid = GRIDS["odd spacing"]
    organ = ball(grid, (0.0, 0.0, 0.0), 21.0)
    prepared = prepare(Structure("Organ", organ), grid, Context())

    assert not wedge(Structure("T", np.zeros_like(organ)), 5.0, prepared).mask.any()


@pytest.mark.parametrize("name", GRIDS)
def test_a_wedge_that_nothing_leads_to_is_told_and_one_that_reaches_the_surface_is_not(name: str) -> None:
    grid = GRIDS[name]
    organ, lesion = ball(grid, (0.0, 0.0, 0.0), 21.0), ball(grid, (3.0, 2.0, 4.0), 4.0)
    hole = ball(grid, (-6.0, 2.0, 4.0), 3.0)  # a vessel that is not part of the organ's label is no way out
    voxel_ml = grid.voxel_volume_mm3 / 1000
    structure = Structure("T", lesion)
    prepared = prepare(Structure("Organ", organ & ~hole), grid, Context(), lesions=[structure])
    found = {margin: partition(prepared, [wedge(structure, margin, prepared)], Context()) for margin in (6.0, 20.0)}
    whole = found[6.0].removed | found[6.0].remnant

    (deep,) = enclosed_notices(whole, found[6.0].removed, voxel_ml, Context())
    assert deep.code == "specimen-enclosed"
    assert deep.details["enclosed_ml"] == pytest.approx(found[6.0].numbers.removed_ml)
    assert enclosed_notices(whole, found[20.0].removed, voxel_ml, Context()) == []
    opened = found[6.0].removed | (centres(grid)[..., 0][found[6.0].box.slices] > 3.0)
    assert enclosed_notices(whole, opened, voxel_ml, Context()) == []


def test_a_few_voxels_within_the_remnant_are_not_worth_a_word() -> None:
    grid = GRIDS["odd spacing"]
    organ = ball(grid, (0.0, 0.0, 0.0), 21.0)
    speck = ball(grid, (0.0, 0.0, 0.0), 2.0)
    assert speck.any()
    assert enclosed_notices(organ, speck, grid.voxel_volume_mm3 / 1000, Context()) == []
