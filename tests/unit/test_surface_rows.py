"""Which side of a surface each voxel is on: by an independent program, and where lines run through vertices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_resection_kinds import GRIDS, ball, centres, sheet, wave

from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.resection import Plane, PlaneCut, Structure, SurfaceCut, partition, prepare
from surgitwin.resection.bezier import BezierPatch, surface_cut
from surgitwin.resection.prepare import PartitionInput
from surgitwin.resection.row_table import RowTable, _without, table_of_mask

BoolArray = NDArray[np.bool_]


def organ_on(grid: Geometry) -> PartitionInput:
    return prepare(Structure("Organ", ball(grid, (0.0, 0.0, 0.0), 21.0)), grid, Context())


def removed(prepared: PartitionInput, cut: SurfaceCut | PlaneCut) -> BoolArray:
    return partition(prepared, [cut], Context()).removed


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("size", [4, 6])
@pytest.mark.parametrize("seed", range(3))
def test_each_voxel_is_on_the_side_of_a_patch_that_vtk_finds(name: str, size: int, seed: int) -> None:
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkFiltersCore import vtkImplicitPolyDataDistance

    grid, draw = GRIDS[name], np.random.default_rng(seed)
    prepared = organ_on(grid)
    u, v = np.meshgrid(np.linspace(-24, 24, size), np.linspace(-24, 24, size), indexing="ij")
    points = np.stack([u, v, draw.uniform(-14, 14, u.shape)], axis=-1) @ np.linalg.qr(draw.normal(size=(3, 3)))[0]
    x, y, z = (float(value) for value in points[size // 2, size // 2] + draw.normal(size=3))
    goes = (x, y, z)
    cut = surface_cut(BezierPatch.of(points), prepared.reach, grid, goes, checked=False)

    found = removed(prepared, cut)

    surface, cells, corners = vtkPolyData(), vtkCellArray(), vtkPoints()
    corners.SetData(numpy_to_vtk(cut.points_mm, deep=True))  # type: ignore[no-untyped-call]
    flat = np.insert(cut.triangles.astype(np.int64), 0, 3, axis=1).reshape(-1)
    cells.ImportLegacyFormat(numpy_to_vtkIdTypeArray(flat, deep=True))  # type: ignore[no-untyped-call]
    surface.SetPoints(corners)
    surface.SetPolys(cells)
    distance = vtkImplicitPolyDataDistance()
    distance.SetInput(surface)
    kji = np.argwhere(prepared.organ.mask)
    kji = kji[draw.choice(len(kji), 600, replace=False)]
    places = centres(grid)[prepared.box.slices][tuple(kji.T)]
    signed = np.array([distance.EvaluateFunction(place) for place in places])
    same_side = np.sign(signed) == np.sign(distance.EvaluateFunction(goes))
    clear = np.abs(signed) > 1e-6
    assert clear.sum() > 590 and np.count_nonzero(found) > 0
    assert np.array_equal(found[tuple(kji.T)][clear], same_side[clear])


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_flat_patch_through_voxel_centres_cuts_as_the_plane_and_what_lies_on_it_stays(
    name: str, axis: int, sign: float
) -> None:
    grid = GRIDS[name]
    prepared = organ_on(grid)
    normal = sign * grid.direction[:, axis]
    one, other = (grid.direction[:, (axis + n) % 3] for n in (1, 2))
    at = grid.to_lps(np.rint(grid.to_index(np.zeros(3))))  # a voxel's centre in the organ
    steps = np.linspace(-24.0, 24.0, 4)
    points = at + steps[:, None, None] * one + steps[None, :, None] * other
    patch = surface_cut(BezierPatch.of(points), prepared.reach, grid, tuple(at + 5.0 * normal))
    plane = PlaneCut.of(Plane(tuple(at), tuple(normal)))

    found = removed(prepared, patch)

    assert found.any() and np.array_equal(found, removed(prepared, plane))


LATTICE = Geometry.from_parts((9, 8, 7), (0.9, 1.1, 2.3), (4.0, -3.0, 7.0), GRIDS["oblique"].direction)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), axis=st.integers(0, 2), above=st.booleans())
def test_lines_through_vertices_and_along_edges_are_neither_missed_nor_counted_twice(
    seed: int, axis: int, above: bool
) -> None:
    """A surface over whole numbers: every line of voxels runs through its vertices or along its edges."""
    draw = np.random.default_rng(seed)
    sizes = np.array(LATTICE.size_ijk)
    u, v = (axis + 1) % 3, (axis + 2) % 3
    lines = [np.arange(-3, sizes[a] + 3) for a in (u, v)]
    heights = draw.integers(0, 2 * sizes[axis], (len(lines[0]), len(lines[1]))) / 2.0
    at = np.empty((*heights.shape, 3))
    at[..., u], at[..., v], at[..., axis] = lines[0][:, None], lines[1][None, :], heights
    number = np.arange(heights.size).reshape(heights.shape)
    a, b, c, d = (x.reshape(-1) for x in (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]))
    turned = draw.random(len(a)) < 0.5  # which way each square is divided
    first = np.where(turned[:, None], np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    second = np.where(turned[:, None], np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    triangles = np.concatenate([first, second]).astype(np.int32)
    goes = np.array([2.3, 2.4, 2.6])
    goes[axis] = 3.0 * sizes[axis] if above else -2.0 * sizes[axis]
    cut = SurfaceCut(LATTICE.to_lps(at.reshape(-1, 3)), triangles, tuple(LATTICE.to_lps(goes)), len(triangles))
    organ = np.ones(LATTICE.shape_kji, dtype=bool)

    found = partition(prepare(Structure("Organ", organ), LATTICE, Context()), [cut], Context())

    k, j, i = np.indices(LATTICE.shape_kji)
    ijk = np.stack([i, j, k], axis=-1)
    surface = heights[ijk[..., u] + 3, ijk[..., v] + 3]
    truth = ijk[..., axis] > surface if above else ijk[..., axis] < surface
    assert np.array_equal(found.removed, truth)
    assert found.numbers.removed_voxels == np.count_nonzero(truth)


@pytest.mark.parametrize("name", GRIDS)
def test_a_point_far_outside_tells_the_side_whichever_way_the_triangles_are_turned(name: str) -> None:
    grid = GRIDS[name]
    prepared = organ_on(grid)
    near = sheet(wave, (0.0, 0.0, 15.0))
    draw = np.random.default_rng(4)
    turned = near.triangles.copy()
    some = draw.random(len(turned)) < 0.5
    turned[some] = turned[some][:, ::-1]

    for goes in ((0.0, 0.0, 150.0), (60.0, -50.0, 100.0), (-70.0, 30.0, 40.0)):
        cut = SurfaceCut(near.points_mm, turned, goes, near.drawn)
        assert np.array_equal(removed(prepared, cut), removed(prepared, near))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(0, 30))
def test_taking_voxels_out_of_a_table_of_rows_takes_these_and_no_others(seed: int, count: int) -> None:
    draw = np.random.default_rng(seed)
    box = LATTICE.full_box.moved((3, -2, 5))
    mask = draw.random(LATTICE.shape_kji) < 0.6
    out = np.stack([draw.integers(0, n, count) for n in LATTICE.size_ijk], axis=1)

    table = _without(table_of_mask(mask, box), out + np.asarray(box.start))

    truth = mask.copy()
    truth[out[:, 2], out[:, 1], out[:, 0]] = False
    assert np.array_equal(whole(table), truth)


def whole(table: RowTable) -> BoolArray:
    i0, j0, k0 = table.box.start
    result = np.zeros(tuple(reversed(table.box.size_ijk)), dtype=bool)
    k, j = (axis.reshape(-1) for axis in np.indices(result.shape[:2]))
    for low, high in table.intervals(j + j0, k + k0):
        for row, (a, b) in enumerate(zip(low - i0, high - i0, strict=True)):
            result[k[row], j[row], a:b] = True
    return result
