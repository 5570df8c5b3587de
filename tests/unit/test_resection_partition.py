"""Cutting an organ: exact counts, both sides together the organ, percentages only where they mean something."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.resection import LiveCut, Partition, Plane, PlaneCut, Structure, partition, prepare

BoolArray = NDArray[np.bool_]


def rotation(seed: int, flip: bool = False) -> NDArray[np.float64]:
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    if (np.linalg.det(matrix) < 0) != flip:
        matrix[:, 0] *= -1
    return np.asarray(matrix)


OBLIQUE = Geometry.from_parts((40, 34, 28), (0.7, 1.1, 2.3), (-31.5, 12.25, -700.0), rotation(3))
FLIPPED = Geometry.from_parts((30, 41, 26), (1.3, 0.9, 1.7), (5.0, -60.0, 33.0), np.diag([-1.0, 1.0, -1.0]))
LEFT_HANDED = Geometry.from_parts((31, 29, 33), (0.8, 1.0, 3.0), (1.0, 2.0, 3.0), rotation(8, flip=True))
GRIDS = [OBLIQUE, FLIPPED, LEFT_HANDED]


def centres(geometry: Geometry) -> NDArray[np.float64]:
    k, j, i = np.indices(geometry.shape_kji)
    return geometry.to_lps(np.stack([i, j, k], axis=-1))


def brute_removed(geometry: Geometry, cuts: list[PlaneCut]) -> BoolArray:
    points = centres(geometry)
    result = np.zeros(geometry.shape_kji, dtype=bool)
    for cut in cuts:
        inside = np.ones(geometry.shape_kji, dtype=bool)
        for plane in cut.planes:
            normal = np.asarray(plane.normal) / np.linalg.norm(plane.normal)
            inside &= (points - np.asarray(plane.point_mm)) @ normal > 1e-9
        result |= inside
    return result


def cut(mask: BoolArray, geometry: Geometry, cuts: list[PlaneCut]) -> Partition:
    return partition(prepare(Structure("Organ", mask), geometry, Context(), is_liver=True), cuts, Context())


def full(result: Partition, part: BoolArray, geometry: Geometry) -> BoolArray:
    whole = np.zeros(geometry.shape_kji, dtype=bool)
    whole[result.box.slices] = part
    return whole


def planes_near(geometry: Geometry) -> st.SearchStrategy[Plane]:
    """Planes through any point of the grid, every second one exactly through a voxel's centre and along the axes."""
    i, j, k = geometry.size_ijk
    index = st.tuples(st.integers(0, i - 1), st.integers(0, j - 1), st.integers(0, k - 1))
    shift = st.sampled_from([0.0, 0.0, 0.5, 0.31, -0.123456])
    along = st.sampled_from([(1, 0, 0), (0, -1, 0), (0, 0, 1), (1, 1, 0), (1, -1, 1)]).map(
        lambda v: geometry.direction @ np.asarray(v, dtype=float)
    )
    free = st.tuples(*[st.floats(-1, 1) for _ in range(3)]).filter(lambda v: np.linalg.norm(v) > 1e-3)

    def build(at: tuple[int, int, int], by: float, normal: object) -> Plane:
        point = geometry.to_lps(np.asarray(at, dtype=float) + by)
        return Plane(tuple(point), tuple(float(v) for v in normal))  # type: ignore[attr-defined,arg-type]

    return st.builds(build, index, shift, st.one_of(along, free))


@settings(max_examples=120, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**31), density=st.sampled_from([0.02, 0.5, 1.0]))
def test_removed_and_remnant_are_the_organ_to_the_voxel(data: st.DataObject, seed: int, density: float) -> None:
    geometry = data.draw(st.sampled_from(GRIDS))
    mask = np.random.default_rng(seed).random(geometry.shape_kji) < density
    mask[14, 15, 16] = True
    cuts = data.draw(st.lists(st.lists(planes_near(geometry), min_size=1, max_size=3), max_size=3))
    plane_cuts = [PlaneCut(tuple(planes)) for planes in cuts]
    prepared = prepare(Structure("Organ", mask), geometry, Context())
    result = partition(prepared, plane_cuts, Context())
    removed, remnant = (full(result, part, geometry) for part in (result.removed, result.remnant))
    assert not np.any(removed & remnant)
    assert np.array_equal(removed | remnant, mask)
    assert np.array_equal(removed, mask & brute_removed(geometry, plane_cuts))
    numbers = result.numbers
    assert numbers.organ_voxels == np.count_nonzero(mask)
    assert numbers.removed_voxels == np.count_nonzero(removed)
    assert numbers.remnant_voxels == np.count_nonzero(remnant)
    assert LiveCut(prepared).evaluate(plane_cuts) == numbers


@pytest.mark.parametrize("spacing", [0.1, 0.7, 1 / 3, 0.9765625])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_voxel_whose_centre_lies_on_the_plane_stays(spacing: float, axis: int, sign: float) -> None:
    geometry = Geometry.from_parts((21, 21, 21), (spacing,) * 3, (-137.3, 81.7, -1203.9))
    mask = np.ones(geometry.shape_kji, dtype=bool)
    normal = [0.0, 0.0, 0.0]
    normal[axis] = sign * 17.0
    for at in (3, 7, 13):
        point = np.asarray(geometry.origin_mm) + spacing * at
        result = cut(mask, geometry, [PlaneCut.of(Plane(tuple(point), tuple(normal)))])
        expected = (20 - at if sign > 0 else at) * 21 * 21
        assert result.numbers.removed_voxels == expected


@pytest.mark.parametrize("geometry", GRIDS)
@pytest.mark.parametrize("seed", range(4))
def test_a_box_cut_by_an_oblique_plane_through_its_centre_is_halved(geometry: Geometry, seed: int) -> None:
    mask = np.zeros(geometry.shape_kji, dtype=bool)
    mask[3:24, 4:27, 5:29] = True
    middle = geometry.to_lps([(5 + 28) / 2, (4 + 26) / 2, (3 + 23) / 2])
    normal = np.random.default_rng(seed).normal(size=3)
    result = cut(mask, geometry, [PlaneCut.of(Plane(tuple(middle), tuple(normal)))])
    assert result.numbers.flr_percent == pytest.approx(50.0, abs=0.01)


def test_a_wedge_of_a_box_has_the_volume_of_the_prism() -> None:
    geometry = Geometry.from_parts((120, 60, 50), (0.5, 0.5, 0.9))
    mask = np.ones(geometry.shape_kji, dtype=bool)
    low = geometry.bounds_mm()[0]
    # x + 2 y < 24 in the box's own corner: a right triangle of 24 by 12 mm, all along z.
    plane = Plane((low[0] + 24.0, low[1], low[2]), (-1.0, -2.0, 0.0))
    result = cut(mask, geometry, [PlaneCut.of(plane)])
    assert result.numbers.removed_ml == pytest.approx(24 * 12 / 2 * 45 / 1000, rel=0.01)
    assert result.numbers.organ_ml == pytest.approx(60 * 30 * 45 / 1000)


@pytest.mark.parametrize("height", [4.0, 11.0, 20.0])
def test_a_cap_of_a_sphere_has_the_volume_of_the_formula(height: float) -> None:
    radius, normal = 20.0, np.array([1.0, -2.0, 3.0]) / np.sqrt(14.0)
    geometry = Geometry.from_parts((90, 84, 60), (0.5, 0.55, 0.8), (-22.0, -23.0, -23.5))
    mask = np.linalg.norm(centres(geometry), axis=-1) <= radius
    result = cut(mask, geometry, [PlaneCut.of(Plane(tuple(normal * (radius - height)), tuple(normal)))])
    expected = np.pi * height**2 * (3 * radius - height) / 3 / 1000
    assert result.numbers.removed_ml == pytest.approx(expected, rel=0.01)


def test_planes_of_one_cut_intersect_and_cuts_unite() -> None:
    geometry = Geometry.from_parts((20, 20, 20))
    mask = np.ones(geometry.shape_kji, dtype=bool)
    right, back = Plane((9.5, 0, 0), (1, 0, 0)), Plane((0, 9.5, 0), (0, 1, 0))
    assert cut(mask, geometry, [PlaneCut.of(right, back)]).numbers.removed_voxels == 10 * 10 * 20
    assert cut(mask, geometry, [PlaneCut.of(right), PlaneCut.of(back)]).numbers.removed_voxels == 300 * 20
    assert cut(mask, geometry, [PlaneCut.of(right), PlaneCut.of(right)]).numbers.removed_voxels == 4000


def test_a_slab_between_two_planes_of_one_cut_goes_and_both_ends_stay() -> None:
    geometry = Geometry.from_parts((20, 6, 6))
    result = cut(
        np.ones(geometry.shape_kji, dtype=bool),
        geometry,
        [PlaneCut.of(Plane((4.5, 0, 0), (1, 0, 0)), Plane((9.5, 0, 0), (-1, 0, 0)))],
    )
    assert np.array_equal(np.flatnonzero(result.removed[0, 0]), np.arange(5, 10))


def test_a_plane_that_misses_the_organ_warns_and_is_no_error() -> None:
    geometry = Geometry.from_parts((30, 30, 30))
    mask = np.zeros(geometry.shape_kji, dtype=bool)
    mask[10:20, 10:20, 10:20] = True
    away = Plane((25.0, 0, 0), (1, 0, 0))
    nothing, everything = (cut(mask, geometry, [PlaneCut.of(p)]) for p in (away, away.flipped()))
    assert nothing.numbers.removed_voxels == 0 and nothing.numbers.flr_percent == 100.0
    assert [n.code for n in nothing.numbers.notices] == ["nothing-removed"]
    assert everything.numbers.remnant_voxels == 0 and everything.numbers.flr_percent == 0.0
    assert [n.code for n in everything.numbers.notices] == ["nothing-kept"]


def test_no_cut_at_all_removes_nothing() -> None:
    mask = np.zeros((5, 5, 5), dtype=bool)
    mask[1:4, 1:4, 1:4] = True
    assert cut(mask, Geometry.from_parts((5, 5, 5)), []).numbers.removed_voxels == 0


def test_an_organ_cut_off_by_the_image_gives_ml_and_no_percentage() -> None:
    geometry = Geometry.from_parts((20, 20, 20))
    mask = np.zeros(geometry.shape_kji, dtype=bool)
    mask[0:12, 5:15, 5:15] = True
    numbers = cut(mask, geometry, [PlaneCut.of(Plane((9.5, 0, 0), (1, 0, 0)))]).numbers
    assert numbers.organ_ml == pytest.approx(1.2) and numbers.removed_ml == pytest.approx(0.6)
    assert numbers.flr_percent is None and numbers.flr_tumour_free_percent is None and numbers.remnant_percent is None
    assert "organ-cut-off" in [n.code for n in numbers.notices]


def test_only_a_liver_has_a_future_liver_remnant() -> None:
    geometry = Geometry.from_parts((20, 20, 20))
    mask = np.zeros(geometry.shape_kji, dtype=bool)
    mask[5:15, 5:15, 5:15] = True
    cuts = [PlaneCut.of(Plane((9.5, 0, 0), (1, 0, 0)))]
    kidney = partition(prepare(Structure("Left kidney", mask), geometry, Context()), cuts, Context()).numbers
    assert kidney.flr_percent is None and kidney.flr_tumour_free_percent is None
    assert kidney.remnant_percent == pytest.approx(50.0)


def test_a_mask_cropped_to_a_box_gives_the_same_numbers_as_the_whole_grid() -> None:
    mask = np.zeros(OBLIQUE.shape_kji, dtype=np.uint8)
    mask[6:22, 7:30, 3:33] = 1
    box = Box((2, 5, 4), (35, 32, 25))
    cuts = [PlaneCut.of(Plane(tuple(OBLIQUE.centre_mm), (1, 2, 3)))]
    whole = prepare(Structure("Organ", mask), OBLIQUE, Context())
    part = prepare(Structure("Organ", mask[box.slices], box), OBLIQUE, Context())
    assert whole.box == part.box
    assert LiveCut(whole).evaluate(cuts) == LiveCut(part).evaluate(cuts)


@pytest.mark.parametrize("normal", [(0, 0, 0), (float("nan"), 0, 1), (float("inf"), 0, 0), (1, 0), ("a", 0, 1)])
def test_a_bad_normal_is_refused_in_one_sentence(normal: tuple[float, float, float]) -> None:
    with pytest.raises(BadInput, match="normal"):
        Plane((0, 0, 0), normal)


def test_a_bad_point_is_refused_in_one_sentence() -> None:
    with pytest.raises(BadInput, match="point"):
        Plane((0, float("nan"), 0), (1, 0, 0))


def test_a_cut_without_planes_is_refused() -> None:
    with pytest.raises(BadInput, match="at least one plane"):
        PlaneCut(())


@pytest.mark.parametrize("length", [1e-200, 1e-3, 1e200])
def test_the_length_of_the_normal_does_not_matter(length: float) -> None:
    geometry = Geometry.from_parts((10, 10, 10))
    cuts = [PlaneCut.of(Plane((4.5, 4.5, 4.5), (length, length, 0)))]
    assert cut(np.ones((10, 10, 10), dtype=bool), geometry, cuts).numbers.removed_voxels == 450


def test_an_empty_organ_and_a_mask_of_another_shape_are_refused() -> None:
    geometry = Geometry.from_parts((10, 12, 14))
    with pytest.raises(BadInput, match="Liver has no voxel"):
        prepare(Structure("Liver", np.zeros((14, 12, 10), dtype=bool)), geometry, Context())
    with pytest.raises(BadInput, match=r"Liver has shape \(10, 12, 14\)"):
        prepare(Structure("Liver", np.ones((10, 12, 14), dtype=bool)), geometry, Context())


def test_a_stopped_partition_raises_cancelled() -> None:
    geometry = Geometry.from_parts((10, 10, 10))
    prepared = prepare(Structure("Organ", np.ones((10, 10, 10), dtype=bool)), geometry, Context())
    context = Context()
    context.cancel()
    with pytest.raises(Cancelled):
        partition(prepared, [], context)
