"""Lesions under a cut: margins against brute force, what stays behind, and what lies outside the organ's label."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.resection import CutNumbers, LiveCut, Plane, PlaneCut, Structure, partition, prepare

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


def centres(geometry: Geometry) -> FloatArray:
    k, j, i = np.indices(geometry.shape_kji)
    return geometry.to_lps(np.stack([i, j, k], axis=-1))


def ball(geometry: Geometry, centre: FloatArray | tuple[float, ...], radius: float) -> BoolArray:
    return np.asarray(np.linalg.norm(centres(geometry) - np.asarray(centre), axis=-1) <= radius)


def evaluate(
    organ: BoolArray, geometry: Geometry, cuts: list[PlaneCut], *lesions: BoolArray, vessels: tuple[BoolArray, ...] = ()
) -> CutNumbers:
    prepared = prepare(
        Structure("Liver", organ),
        geometry,
        Context(),
        lesions=[Structure(f"Tumour {n}", mask) for n, mask in enumerate(lesions, 1)],
        vessels=[Structure(f"Portal vein {n}", mask) for n, mask in enumerate(vessels, 1)],
        is_liver=True,
    )
    numbers = partition(prepared, cuts, Context()).numbers
    assert LiveCut(prepared).evaluate(cuts) == numbers
    return numbers


def rotation(seed: int) -> FloatArray:
    return np.asarray(np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0])


ISO = Geometry.from_parts((64, 60, 56), (1.0, 1.0, 1.0), (-32.0, -30.0, -28.0))
ODD = Geometry.from_parts((70, 60, 40), (0.9, 1.1, 1.6), (-31.0, -33.0, -32.0))


def oblique(seed: int) -> Geometry:
    axes = rotation(seed)
    corner = -axes @ (np.array([0.9, 1.1, 1.6]) * np.array([69, 59, 39]) / 2)
    return Geometry.from_parts((70, 60, 40), (0.9, 1.1, 1.6), corner, axes)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("geometry", [ISO, ODD, oblique(1), oblique(5)])
def test_the_margin_of_a_round_lesion_is_its_distance_from_the_plane(geometry: Geometry, seed: int) -> None:
    generator = np.random.default_rng(seed)
    normal = generator.normal(size=3)
    normal /= np.linalg.norm(normal)
    middle, radius, margin = generator.uniform(-2, 2, 3), 6.0, 5.3
    plane = Plane(tuple(middle - normal * (radius + margin)), tuple(normal))
    numbers = evaluate(ball(geometry, (0, 0, 0), 28.0), geometry, [PlaneCut.of(plane)], ball(geometry, middle, radius))
    half_voxel = max(geometry.spacing_mm) / 2
    assert numbers.lesions[0].margin_mm == pytest.approx(margin, abs=0.1 + half_voxel)
    assert numbers.lesions[0].left_behind is False and numbers.lesions[0].left_behind_ml == 0.0


def brute_margin(organ: BoolArray, lesion: BoolArray, geometry: Geometry, cuts: list[PlaneCut]) -> float:
    """Distance between dense samples: every plane in 0.2 mm steps, where it bounds the removed part of the organ."""
    padded = np.pad(lesion, 1)
    surface = []
    for axis in range(3):
        kji = np.argwhere(np.diff(padded.astype(int), axis=axis)) - 1.0
        kji[:, axis] += 0.5
        surface.append(kji[:, ::-1])
    tree = cKDTree(geometry.to_lps(np.concatenate(surface)))
    best = np.inf
    for cut in cuts:
        for plane in cut.planes:
            normal = np.asarray(plane.normal) / np.linalg.norm(plane.normal)
            first = np.cross(normal, [0.123, 0.456, 0.789])
            first /= np.linalg.norm(first)
            second = np.cross(normal, first)
            steps = np.arange(-45, 45, 0.2)
            foot = normal * float(np.dot(normal, plane.point_mm))
            points = (foot + steps[:, None, None] * first + steps[None, :, None] * second).reshape(-1, 3)
            index = np.rint(geometry.to_index(points)).astype(int)
            inside = np.all((index >= 0) & (index < geometry.size_ijk), axis=1)
            points, index = points[inside], index[inside]
            keep = organ[index[:, 2], index[:, 1], index[:, 0]]
            for step in (1e-4, -1e-4):  # one side of the plane goes, the other stays
                region = np.zeros(len(points), dtype=bool)
                for other in cuts:
                    within = np.ones(len(points), dtype=bool)
                    for p in other.planes:
                        unit = np.asarray(p.normal) / np.linalg.norm(p.normal)
                        within &= (points + step * normal - np.asarray(p.point_mm)) @ unit > 0
                    region |= within
                keep &= region == (step > 0)
            if keep.any():
                best = min(best, float(tree.query(points[keep])[0].min()))
    return best


@pytest.mark.parametrize("seed", [98, 102, 103, 111, 115, 123, 129, 136, 139, 144])
def test_margins_agree_with_brute_force_wherever_the_lesion_lies(seed: int) -> None:
    generator = np.random.default_rng(seed)
    geometry = oblique(seed) if seed % 2 else ODD
    # Two lobes with a gap, so that the foot of a lesion often misses the organ; lesions stick out of it, too.
    organ = ball(geometry, (-9, 3, 0), 15.0) | ball(geometry, (14, -6, 2), 11.0)
    organ &= ~ball(geometry, (2, 12, 4), 8.0)
    cuts = []
    for _ in range(1 + seed % 2):
        planes = [
            Plane(tuple(generator.uniform(-8, 8, 3)), tuple(generator.normal(size=3))) for _ in range(1 + seed % 3)
        ]
        cuts.append(PlaneCut(tuple(planes)))
    lesions = [ball(geometry, generator.uniform(-18, 18, 3), generator.uniform(1.5, 4)) for _ in range(6)]
    numbers = evaluate(organ, geometry, cuts, *lesions)
    checked = 0
    for lesion, mask in zip(numbers.lesions, lesions, strict=True):
        if lesion.margin_mm is None or lesion.left_behind:
            continue
        expected = brute_margin(organ, mask, geometry, cuts)
        assert lesion.margin_mm == pytest.approx(expected, abs=0.1 + min(geometry.spacing_mm) / 2)
        checked += 1
    assert checked


def test_the_margin_ends_where_the_organ_ends_and_not_where_the_plane_does() -> None:
    geometry = Geometry.from_parts((60, 40, 20))
    organ = np.zeros(geometry.shape_kji, dtype=bool)
    organ[5:15, 5:15, 5:55] = True  # a bar that the cut crosses at x = 9.5 only
    organ[5:15, 5:35, 45:55] = True  # and a leg, beside which the plane's extension does not exist
    lesion = np.zeros_like(organ)
    lesion[9:11, 30:32, 49:51] = True
    cuts = [PlaneCut.of(Plane((9.5, 0, 0), (1, 0, 0)))]
    numbers = evaluate(organ, geometry, cuts, lesion)
    # From the lesion's face at x = 48.5, y = 29.5..31.5 to the bar's section at x = 9.5, y <= 14.5.
    assert numbers.lesions[0].margin_mm == pytest.approx(np.hypot(39.0, 30 - 14.5), abs=0.6)


def test_a_lesion_wholly_kept_has_no_margin_and_is_left_behind() -> None:
    organ, lesion = ball(ISO, (0, 0, 0), 25), ball(ISO, (-12, 0, 0), 5)
    numbers = evaluate(organ, ISO, [PlaneCut.of(Plane((0, 0, 0), (1, 0, 0)))], lesion)
    (kept,) = numbers.lesions
    assert kept.margin_mm is None and kept.left_behind is True
    assert kept.left_behind_ml == pytest.approx(kept.volume_ml)
    assert "lesion-left-behind" in [n.code for n in numbers.notices]


def test_a_lesion_cut_through_has_margin_0_and_says_how_much_stays() -> None:
    organ, lesion = ball(ISO, (0, 0, 0), 25), ball(ISO, (0, 0, 0), 6)
    numbers = evaluate(organ, ISO, [PlaneCut.of(Plane((-2.5, 0, 0), (1, 0, 0)))], lesion)
    (through,) = numbers.lesions
    kept = np.count_nonzero(lesion & (centres(ISO)[..., 0] <= -2.5))
    assert through.margin_mm == 0.0 and through.left_behind is True
    assert through.left_behind_ml == pytest.approx(kept / 1000)
    assert "lesion-cut-through" in [n.code for n in numbers.notices]


def test_without_an_interface_a_removed_lesion_has_no_margin() -> None:
    organ, lesion = ball(ISO, (0, 0, 0), 20), ball(ISO, (3, 0, 0), 6)
    numbers = evaluate(organ, ISO, [PlaneCut.of(Plane((-40, 0, 0), (1, 0, 0)))], lesion)
    assert numbers.lesions[0].margin_mm is None and numbers.lesions[0].left_behind is False


def test_the_tumour_free_remnant_takes_lesions_off_both_numbers() -> None:
    organ = np.zeros(ISO.shape_kji, dtype=bool)
    organ[10:30, 10:30, 10:50] = True  # 20 x 20 x 40
    lesions = [np.zeros_like(organ), np.zeros_like(organ)]
    lesions[0][15:20, 15:20, 12:20] = True  # 200 voxels, kept (low x)
    lesions[1][15:25, 15:25, 38:48] = True  # 1000 voxels, removed
    point = ISO.to_lps([29.5, 0, 0])
    numbers = evaluate(organ, ISO, [PlaneCut.of(Plane(tuple(point), (1, 0, 0)))], *lesions)
    assert numbers.flr_percent == pytest.approx(50.0)
    assert numbers.flr_tumour_free_percent == pytest.approx(100 * (8000 - 200) / (16000 - 1200))
    assert numbers.organ_tumour_free_ml == pytest.approx(14.8)
    assert numbers.remnant_tumour_free_ml == pytest.approx(7.8)


def test_overlapping_lesions_are_taken_off_once() -> None:
    organ = ball(ISO, (0, 0, 0), 24)
    a, b = ball(ISO, (5, 0, 0), 6), ball(ISO, (8, 0, 0), 6)
    numbers = evaluate(organ, ISO, [PlaneCut.of(Plane((0, 0, 0), (0, 0, 1)))], a, b)
    assert numbers.tumour_voxels == np.count_nonzero(a | b)


def test_an_organ_that_is_all_lesion_has_no_tumour_free_percentage() -> None:
    organ = ball(ISO, (0, 0, 0), 12)
    numbers = evaluate(organ, ISO, [PlaneCut.of(Plane((0, 0, 0), (0, 0, 1)))], organ)
    assert numbers.flr_tumour_free_percent is None and numbers.flr_percent is not None


def test_a_lesion_in_a_hole_of_the_label_is_reported_and_never_added() -> None:
    whole, lesion = ball(ISO, (0, 0, 0), 25), ball(ISO, (8, 0, 0), 6)
    numbers = evaluate(whole & ~lesion, ISO, [PlaneCut.of(Plane((-4, 0, 0), (1, 0, 0)))], lesion)
    assert numbers.organ_voxels == np.count_nonzero(whole & ~lesion)
    assert numbers.flr_tumour_free_percent == numbers.flr_percent
    notices = {n.code: n for n in numbers.notices}
    assert list(notices) == ["lesion-outside-organ"]  # and not a hole as well: the lesion claims it
    volume = np.count_nonzero(lesion) / 1000
    assert notices["lesion-outside-organ"].details["outside_ml"] == pytest.approx(volume)
    assert notices["lesion-outside-organ"].details["surrounded_ml"] == pytest.approx(volume)
    assert "Add them to Liver" in notices["lesion-outside-organ"].message
    # The cut still removes it with the organ around it: x = 8 - 6 - (-4).
    assert numbers.lesions[0].left_behind is False
    assert numbers.lesions[0].margin_mm == pytest.approx(6.0, abs=0.6)


def test_a_lesion_partly_outside_the_label_counts_whole_for_what_stays_behind() -> None:
    organ, lesion = ball(ISO, (0, 0, 0), 18), ball(ISO, (0, 18, 0), 6)
    numbers = evaluate(organ, ISO, [PlaneCut.of(Plane((0, 9, 0), (0, 1, 0)))], lesion)
    assert numbers.lesions[0].volume_ml == pytest.approx(np.count_nonzero(lesion) / 1000)
    assert numbers.lesions[0].outside_ml == pytest.approx(np.count_nonzero(lesion & ~organ) / 1000)
    assert numbers.lesions[0].margin_mm == pytest.approx(3.0, abs=0.6)
    sideways = evaluate(organ, ISO, [PlaneCut.of(Plane((0, 20.2, 0), (0, 1, 0)))], lesion)
    assert sideways.lesions[0].left_behind is True


def test_a_lesion_elsewhere_in_the_body_is_not_assessed() -> None:
    organ, lesion = ball(ISO, (-12, 0, 0), 12), ball(ISO, (20, 0, 0), 4)
    numbers = evaluate(organ, ISO, [PlaneCut.of(Plane((-10, 0, 0), (1, 0, 0)))], lesion)
    (apart,) = numbers.lesions
    assert apart.margin_mm is None and apart.left_behind is None and apart.left_behind_ml is None
    assert "lesion-apart" in [n.code for n in numbers.notices]


def test_vessels_and_holes_outside_the_label_are_reported_in_ml() -> None:
    organ = ball(ISO, (0, 0, 0), 25)
    vessel = np.linalg.norm(centres(ISO)[..., :2] - [6, 4], axis=-1) <= 3
    hole = ball(ISO, (-10, 0, 0), 4)
    away = ball(ISO, (0, 0, 0), 1) & False
    numbers = evaluate(organ & ~vessel & ~hole, ISO, [], vessels=(vessel, away))
    notices = {n.code: n for n in numbers.notices}
    assert notices["vessel-outside-organ"].details["outside_ml"] == pytest.approx(np.count_nonzero(vessel) / 1000)
    assert 0 < notices["vessel-outside-organ"].details["surrounded_ml"] < np.count_nonzero(vessel) / 1000
    assert notices["holes-in-organ"].details["holes_ml"] == pytest.approx(np.count_nonzero(hole) / 1000)
    assert "empty-segment" in notices


def test_what_needs_a_vessel_tree_is_not_assessed_in_the_document() -> None:
    organ, lesion = ball(ISO, (0, 0, 0), 20), ball(ISO, (9, 0, 0), 5)
    document = evaluate(organ, ISO, [PlaneCut.of(Plane((0, 0, 0), (1, 0, 0)))], lesion).as_json()
    assert document["crossed_vessels"] is None
    assert document["devascularised_ml"] is None and document["congested_ml"] is None
    assert document["voxels"]["removed"] + document["voxels"]["remnant"] == document["voxels"]["organ"]
    assert set(document["lesions"][0]) >= {"name", "volume_ml", "margin_mm", "left_behind"}
    assert {"organ_ml", "removed_ml", "remnant_ml", "flr_percent", "flr_tumour_free_percent"} <= set(document)


def test_two_cuts_that_overlap_measure_to_the_outer_boundary_only() -> None:
    organ, lesion = ball(ISO, (0, 0, 0), 25), ball(ISO, (14, 0, 0), 4)
    inner, outer = (PlaneCut.of(Plane((x, 0, 0), (1, 0, 0))) for x in (5, -5))
    assert evaluate(organ, ISO, [inner], lesion).lesions[0].margin_mm == pytest.approx(5, abs=0.6)
    assert evaluate(organ, ISO, [inner, outer], lesion).lesions[0].margin_mm == pytest.approx(15, abs=0.6)


def test_a_lesion_of_one_voxel_has_a_margin() -> None:
    lesion = np.zeros(ISO.shape_kji, dtype=bool)
    lesion[28, 30, 40] = True
    numbers = evaluate(ball(ISO, (0, 0, 0), 25), ISO, [PlaneCut.of(Plane((0, 0, 0), (1, 0, 0)))], lesion)
    assert numbers.lesions[0].margin_mm == pytest.approx(7.5)
