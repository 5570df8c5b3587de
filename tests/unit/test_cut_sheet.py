"""The border that a cut through voxels leaves: where it is, its margins, and how it lies flat."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from test_resection_kinds import GRIDS, ball, centres

from surgitwin.core.geometry import Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.resection import LiveCut, MaskCut, Plane, PlaneCut, Structure, partition, prepare
from surgitwin.resection.cut_sheet import CutSheet, border_sheet, flat_map
from surgitwin.resection.cuts import Cut
from surgitwin.resection.flattening import areas_of
from surgitwin.resection.margins import LesionSurface
from surgitwin.surfaces import mask_surface

Bools = NDArray[np.bool_]


def sheet_of(grid: Geometry, lesion: Bools, cuts: list[Cut], own: int = 0) -> tuple[CutSheet, float | None]:
    """The border that one of the cuts makes through a ball, and the lesion's margin to all of them as a plan has it."""
    organ = ball(grid, (0.0, 0.0, 0.0), 21.0)
    live = LiveCut(prepare(Structure("Organ", organ), grid, Context(), lesions=[Structure("T", lesion)]))
    found = partition(live.prepared, cuts, Context())
    around = mask_surface(found.removed, grid, found.box, ctx=Context()).mesh
    alone = partition(live.prepared, [cuts[own]], Context()).removed
    surface = LesionSurface.of(lesion, grid.full_box, grid)
    whole = found.removed | found.remnant
    made = border_sheet(around, alone, whole, found.removed, found.box, grid, [surface])
    return made, found.numbers.lesions[0].margin_mm


def half(grid: Geometry, at: float = 0.0) -> MaskCut:
    """All voxels to the patient's left of a place."""
    return MaskCut(centres(grid)[..., 0] > at, grid.full_box)


@pytest.mark.parametrize("name", GRIDS)
def test_its_smallest_margin_is_that_of_the_plan_on_the_surface_and_on_the_map(name: str) -> None:
    grid = GRIDS[name]
    for centre in ((9.0, 4.0, 3.0), (12.0, -3.0, -6.0)):
        sheet, margin = sheet_of(grid, ball(grid, centre, 4.0), [half(grid)])
        laid = flat_map(sheet)

        assert margin is not None and margin > 1.0
        assert sheet.distance_mm.min() == pytest.approx(margin, abs=1e-6)
        assert laid is not None and laid.nearest is not None
        assert laid.distance_mm[laid.nearest] == pytest.approx(margin, abs=1e-6)


@pytest.mark.parametrize("name", GRIDS)
def test_it_is_the_disc_between_the_halves_and_faces_what_stays(name: str) -> None:
    grid = GRIDS[name]
    sheet, _ = sheet_of(grid, ball(grid, (9.0, 4.0, 3.0), 4.0), [half(grid)])
    points = sheet.mesh.points.astype(float)
    a, b, c = (points[sheet.mesh.triangles[:, corner]] for corner in range(3))
    facing = np.cross(b - a, c - a).sum(axis=0)

    assert np.abs(points[:, 0]).max() < 1.5 * max(grid.spacing_mm)
    assert facing[0] / np.linalg.norm(facing) < -0.95  # the patient's right stays
    # A ball of 21 mm has a disc of 1385 mm2; its rim of voxels is rough, and one side of it may be a voxel off.
    assert areas_of(points, sheet.mesh.triangles).sum() == pytest.approx(np.pi * 21**2, rel=0.12)


@pytest.mark.parametrize("name", GRIDS)
def test_on_the_map_neighbours_are_neighbours_and_inferior_is_down(name: str) -> None:
    grid = GRIDS[name]
    sheet, _ = sheet_of(grid, ball(grid, (9.0, 4.0, 3.0), 4.0), [half(grid)])
    laid = flat_map(sheet)
    assert laid is not None

    both = laid.on_cut[1:] & laid.on_cut[:-1]
    down = (laid.points_mm[1:][both] - laid.points_mm[:-1][both]).mean(axis=0)
    both = laid.on_cut[:, 1:] & laid.on_cut[:, :-1]
    right = (laid.points_mm[:, 1:][both] - laid.points_mm[:, :-1][both]).mean(axis=0)
    # What goes is on the patient's left: looking there from his right, anterior (-y) is to the viewer's right.
    assert np.allclose(down, [0, 0, -2.0], atol=0.35) and np.allclose(right, [0, -2.0, 0], atol=0.35)
    assert laid.on_cut.sum() * 4.0 == pytest.approx(np.pi * 21**2, rel=0.25)


def test_where_another_cut_makes_the_border_it_is_not_the_sheets() -> None:
    grid = GRIDS["odd spacing"]
    lower = PlaneCut.of(Plane((0.0, 0.0, -6.0), (0.0, 0.0, -1.0)))
    sheet, _ = sheet_of(grid, ball(grid, (9.0, 4.0, 6.0), 4.0), [half(grid), lower])

    assert np.abs(sheet.mesh.points[:, 0]).max() < 2.5
    assert sheet.mesh.points[:, 2].min() > -6.0 - 2.3


def test_a_wedge_within_the_organ_is_laid_flat_in_two_halves() -> None:
    grid = GRIDS["odd spacing"]
    lesion = ball(grid, (0.0, 0.0, 0.0), 4.0)
    sheet, margin = sheet_of(grid, lesion, [MaskCut(ball(grid, (0.0, 0.0, 0.0), 11.0), grid.full_box)])
    laid = flat_map(sheet)

    assert margin is not None and laid is not None and laid.nearest is not None
    assert laid.distance_mm[laid.nearest] == pytest.approx(margin, abs=1e-6)
    gaps = ~laid.on_cut.any(axis=0)
    assert gaps.any() and not gaps[0] and not gaps[-1]
    assert np.isfinite(laid.points_mm[laid.on_cut]).all()


def test_two_borders_are_laid_beside_each_other_and_specks_are_left_out() -> None:
    grid = GRIDS["odd spacing"]
    x = centres(grid)[..., 0]
    speck = ball(grid, (0.0, 0.0, 0.0), 1.0)
    assert 0 < speck.sum() < 5
    sheet, _ = sheet_of(
        grid, ball(grid, (14.0, 0.0, 0.0), 3.0), [MaskCut((x > 8.0) | (x < -8.0) | speck, grid.full_box)]
    )
    laid = flat_map(sheet)

    assert laid is not None
    on = laid.on_cut.any(axis=0)
    assert np.count_nonzero(np.diff(on.astype(int)) == 1) == 1  # two pieces, one gap
    sides = laid.points_mm[laid.on_cut][:, 0]
    assert (sides > 6).any() and (sides < -6).any() and not (np.abs(sides) < 4).any()


def test_without_a_lesion_nothing_is_near_and_without_a_border_there_is_no_map() -> None:
    grid = GRIDS["odd spacing"]
    organ = ball(grid, (0.0, 0.0, 0.0), 21.0)
    gone = organ & (centres(grid)[..., 0] > 0)
    around = mask_surface(gone, grid, ctx=Context()).mesh
    sheet = border_sheet(around, gone, organ, gone, grid.full_box, grid, [])
    laid = flat_map(sheet)
    assert laid is not None and laid.nearest is None and laid.on_cut.any()

    nothing = border_sheet(around, gone, gone, gone, grid.full_box, grid, [])
    assert nothing.mesh.empty and flat_map(nothing) is None


def test_a_piece_too_small_for_the_map_is_there_if_it_has_the_smallest_margin() -> None:
    square = np.array([[0, 0, 0], [40, 0, 0], [40, 40, 0], [0, 40, 0]], dtype=np.float32)
    speck = np.array([[90, 0, 0], [91, 0, 0], [90, 1, 0]], dtype=np.float32)
    mesh = Mesh(np.concatenate([square, speck]), np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6]], dtype=np.int32))
    far = np.array([9.0, 9.0, 9.0, 9.0, 5.0, 5.0, 5.0])

    with_speck, without = (flat_map(CutSheet(mesh, values)) for values in (far, far[::-1]))

    assert with_speck is not None and without is not None and with_speck.nearest is not None
    assert with_speck.distance_mm[with_speck.nearest] == 5.0
    assert with_speck.points_mm[with_speck.on_cut][:, 0].max() > 80
    assert without.points_mm[without.on_cut][:, 0].max() < 41
