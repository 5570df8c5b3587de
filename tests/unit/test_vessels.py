"""Vessels: how tube-like a place is, the vessels of an organ, bridged gaps, and one mask parted into two trees."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.segmentation.runs import Mask, Runs
from surgitwin.segmentation.vessel_filter import eigenvalues, tubes
from surgitwin.segmentation.vessel_gaps import bridge_gaps
from surgitwin.segmentation.vessel_graph import vessel_graph
from surgitwin.segmentation.vessel_mask import hysteresis, vessels
from surgitwin.segmentation.vessel_trees import _costs, _Net, split_trees
from tubes import ENDS_A, ENDS_B, A, B, C, Line, at, dice, drawn, grid, local_mm, organ_of, scanned

# ---- the filter -------------------------------------------------------------------------------------------------


def test_the_eigenvalues_equal_those_of_a_linear_algebra_library() -> None:
    full = np.random.default_rng(1).normal(size=(500, 3, 3))
    full = (full + full.transpose(0, 2, 1)).astype(np.float32)
    parts = [full[:, a, b] for a, b in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))]
    assert np.allclose(np.stack(eigenvalues(parts), axis=1), np.linalg.eigvalsh(full), atol=2e-5)


def test_a_gaussian_ridge_has_the_analytic_measure_and_direction_on_anisotropic_voxels() -> None:
    # The ridge exp(-d^2 / 2 w^2) smoothed by s is (w^2 / v) exp(-d^2 / 2 v), v = w^2 + s^2. Its derivatives across are
    # f (d^2 / v - 1) / v along d and -f / v at right angles to it; the measure is s^2 times their geometric mean, in
    # units of the noise, which in a clean image is the least one, 0.02.
    geometry = Geometry.from_parts((60, 54, 40), (0.7, 0.9, 1.1))
    off = local_mm(geometry) - np.array([20.0, 24.0, 22.0])
    along = np.array([0.6, 0.0, 0.8])
    away2 = np.sum(off**2, axis=-1) - (off @ along) ** 2
    w, s = 1.5, 1.2
    image = np.exp(-away2 / (2 * w * w)).astype(np.float32)
    seen = tubes(image, np.ones(image.shape, dtype=np.bool_), geometry.spacing_mm, (s,))
    v = w * w + s * s
    ridge = w * w / v * np.exp(-away2 / (2 * v))
    expected = s * s * ridge * np.sqrt(np.maximum(1 - away2 / v, 0)) / v / 0.02
    inner = np.zeros(image.shape, dtype=np.bool_)
    inner[6:-6, 6:-6, 8:-8] = True
    crest = inner & (away2 < 0.8)
    assert np.allclose(seen.strength[crest], expected[crest], rtol=0.03)
    directions = seen.along[:, crest].astype(float) / 127
    assert np.min(np.abs(along[::-1] @ directions)) > 0.98


def test_a_dark_tube_and_a_bright_plate_answer_far_less_than_a_bright_tube() -> None:
    geometry = Geometry.from_parts((48, 48, 40), (0.8, 0.8, 1.0))
    places = local_mm(geometry) - np.array([19.0, 19.0, 20.0])
    whole = np.ones(geometry.shape_kji, dtype=np.bool_)
    tube = np.exp(-(places[..., 0] ** 2 + places[..., 1] ** 2) / 4).astype(np.float32)
    plate = np.exp(-(places[..., 0] ** 2) / 4).astype(np.float32)
    strongest = [
        float(tubes(image, whole, geometry.spacing_mm, (1.4,)).strength.max()) for image in (tube, -tube, plate)
    ]
    assert strongest[1] < 0.3 * strongest[0] and strongest[2] < 0.1 * strongest[0]


# ---- the vessels of an organ ------------------------------------------------------------------------------------

WIDE: Line = ((4.0, 22.0, 28.0), (54.0, 24.0, 30.0), 3.2)
THIN: Line = ((30.0, 23.0, 29.0), (44.0, 40.0, 46.0), 1.3)
FAR: Line = ((8.0, 6.0, 8.0), (50.0, 9.0, 12.0), 1.8)
TREES = [WIDE, THIN, FAR]


@pytest.mark.parametrize("flip", [False, True])
def test_wide_and_thin_vessels_of_a_noisy_organ_are_found_with_their_walls(flip: bool) -> None:
    geometry = grid(flip)
    organ = organ_of(geometry)
    found = vessels(scanned(geometry, TREES), geometry, organ)
    assert not (found & ~organ).any()
    assert dice(found, drawn(geometry, TREES) & organ) > 0.9
    thin = drawn(geometry, [THIN]) & organ & ~drawn(geometry, [WIDE])
    assert np.count_nonzero(found & thin) > 0.8 * np.count_nonzero(thin)


def test_the_volume_of_a_tube_is_right_whatever_its_contrast_and_the_units_of_the_image() -> None:
    geometry = grid()
    organ = organ_of(geometry)
    image = scanned(geometry, [WIDE], noise=4.0)
    true = np.count_nonzero(drawn(geometry, [WIDE]) & organ)
    for scaled in (image, (3.5 * image.astype(np.float32) + 1000), (100 + (image - 100) * 0.7).astype(np.float32)):
        assert np.count_nonzero(vessels(scaled, geometry, organ)) == pytest.approx(true, rel=0.06)


def test_noise_alone_and_an_even_organ_hold_no_vessel() -> None:
    geometry = grid()
    noise = np.random.default_rng(5).normal(100, 10, geometry.shape_kji).astype(np.float32)
    with pytest.raises(BadInput, match="No vessel stands out"):
        vessels(noise, geometry, organ_of(geometry))
    with pytest.raises(BadInput, match="one value throughout"):
        vessels(np.full(geometry.shape_kji, 100, dtype=np.int16), geometry, organ_of(geometry))


def test_points_choose_the_trees_that_are_kept() -> None:
    geometry = grid()
    image = scanned(geometry, TREES)
    everything = vessels(image, geometry, organ_of(geometry))
    chosen = vessels(image, geometry, organ_of(geometry), [at(geometry, (29.0, 7.5, 10.0))])
    assert dice(chosen, drawn(geometry, [FAR]) & organ_of(geometry)) > 0.85
    assert not (chosen & ~everything).any() and np.count_nonzero(chosen) < 0.5 * np.count_nonzero(everything)


def test_a_point_off_every_vessel_is_refused_with_its_distance() -> None:
    geometry = grid()
    image, organ = scanned(geometry, [WIDE]), organ_of(geometry)
    with pytest.raises(BadInput, match=r"nearest is (8|9|10|11)\.\d mm away"):
        vessels(image, geometry, organ, [at(geometry, (30.0, 36.0, 29.0))])  # 13 mm from the axis, 9.8 from the wall
    with pytest.raises(BadInput, match="outside the image"):
        vessels(image, geometry, organ, [at(geometry, (-30.0, 22.0, 29.0))])


def test_an_empty_organ_and_a_cancelled_job_stop_before_anything_is_made() -> None:
    geometry = grid()
    image = scanned(geometry, [WIDE])
    with pytest.raises(BadInput, match="organ is empty"):
        vessels(image, geometry, np.zeros(geometry.shape_kji, dtype=np.bool_))
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        vessels(image, geometry, organ_of(geometry), ctx=ctx)


def test_a_margin_finds_the_vessel_that_lies_just_outside_the_organ() -> None:
    geometry = grid()
    image = scanned(geometry, TREES)
    organ = organ_of(geometry) & (local_mm(geometry)[..., 1] > 11.5)
    near = vessels(image, geometry, organ)
    with_margin = vessels(image, geometry, organ, margin_mm=8.0)
    lost = drawn(geometry, [FAR]) & organ_of(geometry)
    assert not (near & lost).any()
    assert np.count_nonzero(with_margin & lost) > 0.8 * np.count_nonzero(lost)


def test_what_is_weak_is_kept_as_far_as_it_hangs_together_with_what_is_strong() -> None:
    strength = np.zeros((3, 5, 12), dtype=np.float32)
    strength[1, 1, 1:7] = 5.0
    strength[1, 1, 2] = 10.0
    strength[2, 2, 7] = 5.0  # hangs on by a corner
    strength[1, 4, 1:7] = 5.0  # nothing strong in it
    strength[0, 1, 10], strength[0, 2, 10] = 10.0, 5.0  # strong, but not allowed
    allowed = np.ones(strength.shape, dtype=np.bool_)
    allowed[0, 1, 10] = False
    expected = np.zeros(strength.shape, dtype=np.bool_)
    expected[1, 1, 1:7] = expected[2, 2, 7] = True
    assert np.array_equal(hysteresis(strength, allowed, 3.2, 8.0), expected)
    assert not hysteresis(strength, allowed, 3.2, 11.0).any()


def test_hysteresis_in_noise_equals_that_of_another_program() -> None:
    from scipy import ndimage

    rng = np.random.default_rng(8)
    strength = ndimage.gaussian_filter(rng.normal(size=(30, 34, 38)), 1.2).astype(np.float32)
    strength /= strength.std()
    labels, _ = ndimage.label(strength > 1.0, np.ones((3, 3, 3)))
    expected = (labels > 0) & np.isin(labels, labels[strength > 2.5])
    found = hysteresis(strength, np.ones(strength.shape, dtype=np.bool_), 1.0, 2.5)
    assert 0 < np.count_nonzero(expected) < np.count_nonzero(labels)
    assert np.array_equal(found, expected)


# ---- gaps -------------------------------------------------------------------------------------------------------


def pieces(mask: Mask) -> int:
    return int(Runs.of(mask).components("corners").max()) + 1


def broken(geometry: Geometry, gap_mm: float) -> tuple[Mask, Mask]:
    """A straight vessel with a gap in its middle, and the whole vessel."""
    whole = drawn(geometry, [((6.0, 20.0, 28.0), (52.0, 26.0, 31.0), 1.9)])
    along = local_mm(geometry)[..., 0]
    return whole & (np.abs(along - 29.0) > gap_mm / 2), whole


@pytest.mark.parametrize("flip", [False, True])
def test_a_gap_along_a_vessel_is_filled_with_a_tube_as_wide_as_its_ends(flip: bool) -> None:
    geometry = grid(flip)
    mask, whole = broken(geometry, 4.0)
    assert pieces(mask) == 2
    bridged = bridge_gaps(mask, np.where(whole, 8, 0).astype(np.float32), geometry, 6.0)
    assert pieces(bridged) == 1
    gap = whole & ~mask
    assert np.count_nonzero(bridged & gap) > 0.75 * np.count_nonzero(gap)
    assert np.count_nonzero(bridged & ~whole) < 0.25 * np.count_nonzero(gap)


def test_a_gap_that_is_longer_than_allowed_or_leads_aside_stays() -> None:
    geometry = grid()
    mask, whole = broken(geometry, 9.0)
    strength = np.where(whole, 8, 0).astype(np.float32)
    assert np.array_equal(bridge_gaps(mask, strength, geometry, 6.0), mask)
    assert pieces(bridge_gaps(mask, strength, geometry, 11.0)) == 1
    side = drawn(
        geometry, [((10.0, 20.0, 20.0), (46.0, 20.0, 20.0), 1.6), ((10.0, 25.5, 20.0), (46.0, 25.5, 20.0), 1.6)]
    )
    assert np.array_equal(bridge_gaps(side, np.zeros(side.shape, dtype=np.float32), geometry, 5.0), side)


def test_a_bridge_stays_where_it_is_allowed() -> None:
    geometry = grid()
    mask, whole = broken(geometry, 4.0)
    allowed = np.abs(local_mm(geometry)[..., 0] - 29.0) > 1.5
    strength = np.where(whole, 8, 0).astype(np.float32)
    assert np.array_equal(bridge_gaps(mask, strength, geometry, 6.0, allowed), mask)


# ---- two trees --------------------------------------------------------------------------------------------------


def test_the_graph_of_a_y_has_one_fork_and_three_stretches_of_its_radii_and_lengths() -> None:
    geometry = grid()
    fork = (28.0, 23.0, 28.0)
    mask = drawn(
        geometry, [((4.0, 23.0, 28.0), fork, 3.0), (fork, (50.0, 8.0, 24.0), 2.0), (fork, (52.0, 38.0, 33.0), 2.0)]
    )
    spacing = geometry.spacing_mm[::-1]
    graph = vessel_graph(mask, spacing)
    assert len(graph.forks) == 1 and len(graph.stretches) == 3
    assert np.linalg.norm(graph.forks[0][::-1] * np.array(geometry.spacing_mm) - fork) < 3.0
    lengths = sorted(
        float(np.sum(np.linalg.norm(np.diff(one.points * spacing, axis=0), axis=1))) for one in graph.stretches
    )
    assert lengths[0] == pytest.approx(24.0, abs=5) and lengths[2] == pytest.approx(28.7, abs=5)
    widest = max(float(np.median(one.radii_mm)) for one in graph.stretches)
    assert widest == pytest.approx(3.0, abs=0.6)


@pytest.mark.parametrize("flip", [False, True])
def test_two_trees_that_cross_and_touch_are_parted_at_the_contact(flip: bool) -> None:
    geometry = grid(flip)
    first, second = drawn(geometry, A), drawn(geometry, B)
    mask = first | second
    assert pieces(mask) == 1
    labels = split_trees(mask, geometry, ([at(geometry, ENDS_A)], [at(geometry, ENDS_B)]), ("portal", "hepatic"))
    assert np.array_equal(labels > 0, mask)
    assert dice(labels == 1, first & ~second) > 0.95 and dice(labels == 2, second & ~first) > 0.95
    far = second & (local_mm(geometry)[..., 1] < 12)
    assert np.all(labels[far] == 2)  # beyond the contact too


def test_a_thin_end_that_touches_the_other_tree_stays_with_its_own() -> None:
    geometry = grid()
    first, second = drawn(geometry, A), drawn(geometry, C)
    mask = first | second
    assert pieces(mask) == 1
    points = [at(geometry, ENDS_A)], [at(geometry, (49.0, 42.6, 37.6))]
    labels = split_trees(mask, geometry, points, ("portal", "hepatic"))
    assert dice(labels == 1, first & ~second) > 0.93 and dice(labels == 2, second & ~first) > 0.85


def test_of_two_vessels_that_touch_where_both_bend_neither_takes_the_continuation_of_the_other() -> None:
    # The way out of the second is straighter seen from the first than from the second itself; but then the second
    # would end in the contact, or bend back.
    geometry, middle = grid(), np.array([30.0, 23.0, 30.0])
    ways = np.array([[-0.157, -0.28, -0.947], [-0.145, 0.881, 0.449], [0.355, -0.405, 0.843], [0.521, 0.437, -0.733]])
    first_in, first_out, second_out, second_in = (middle + 18 * way for way in ways)

    def line(end: NDArray[np.float64]) -> Line:
        return (30.0, 23.0, 30.0), (float(end[0]), float(end[1]), float(end[2])), 1.7

    first = drawn(geometry, [line(first_in), line(first_out)])
    second = drawn(geometry, [line(second_in), line(second_out)])
    points = [[at(geometry, line(end)[1])] for end in (first_in, second_in)]
    labels = split_trees(first | second, geometry, points, ("portal", "hepatic"))
    assert dice(labels == 1, first & ~second) > 0.9 and dice(labels == 2, second & ~first) > 0.9


def test_turns_near_the_trunk_do_not_count_against_a_tree_at_a_contact_far_behind_them() -> None:
    # A comb: the first tree leaves its trunk by sharp turns, each beside a vessel of its own that goes straight on,
    # and then meets the second, which comes straight from its point, at a contact that is straight for the first.
    def net(sharp: float) -> _Net:
        ways = {
            (0, 1): [(1, 0, sharp)], (1, 1): [(2, 0, sharp)], (1, 0): [(0, 1, 4.0)], (2, 0): [(1, 1, 4.0)],
            (2, 1): [(4, 0, 0.05), (3, 1, 0.5)], (3, 1): [(4, 0, 0.2), (2, 1, 3.0)], (4, 0): [(2, 1, 3.0), (3, 1, 0.2)],
        }  # fmt: skip
        nodes = np.array([[-1, 0], [0, 1], [1, 2], [-1, 2], [2, -1]])
        none = np.zeros(0, dtype=np.int64)
        return _Net(nodes, np.zeros(5), ways, none, none, none, np.zeros((1, 1, 1), dtype=np.bool_))

    for sharp in (0.0, 0.2, 0.45):
        first, second = _costs(net(sharp), [[0], [3]])
        assert first[4] == pytest.approx(0.05) and second[4] == pytest.approx(0.2)


def test_two_vessels_that_touch_end_to_end_are_cut_at_the_neck() -> None:
    geometry = grid()
    first, second = (
        drawn(geometry, [((4.0, 20.0, 26.0), (24.0, 20.0, 26.0), 3.0)]),
        drawn(geometry, [((29.2, 20.0, 26.0), (54.0, 22.0, 27.0), 2.6)]),
    )
    mask = first | second
    assert pieces(mask) == 1
    labels = split_trees(
        mask, geometry, ([at(geometry, (8.0, 20.0, 26.0))], [at(geometry, (50.0, 21.6, 26.8))]), ("portal", "hepatic")
    )
    assert dice(labels == 1, first) > 0.95 and dice(labels == 2, second) > 0.95
    with pytest.raises(BadInput, match="no narrow place between"):
        split_trees(
            first, geometry, ([at(geometry, (6.0, 20.0, 26.0))], [at(geometry, (22.0, 20.0, 26.0))]), ("one", "other")
        )


def test_every_voxel_goes_to_one_tree_or_to_none_where_no_point_leads() -> None:
    geometry = grid()
    loose = drawn(geometry, [((8.0, 6.0, 8.0), (20.0, 6.0, 8.0), 1.8)])
    mask = drawn(geometry, A) | drawn(geometry, B) | loose
    labels = split_trees(mask, geometry, ([at(geometry, ENDS_A)], [at(geometry, ENDS_B)]), ("portal", "hepatic"))
    assert np.array_equal(labels == 0, ~mask | loose)


def test_points_off_the_mask_missing_or_shared_are_refused_by_name() -> None:
    geometry = grid()
    mask = drawn(geometry, A)
    on = at(geometry, ENDS_A)
    for points, sentence in (
        (([on], [at(geometry, (30.0, 40.0, 50.0))]), r"hepatic point .* nearest is \d+\.\d mm away"),
        (([at(geometry, (500.0, 0.0, 0.0))], [on]), "portal point .* outside the image"),
        (([on], []), "hepatic tree needs at least one point"),
        (([on], [on]), "point in the same place"),
        (([on], [(float("nan"), 0.0, 0.0)]), "three numbers"),
    ):
        with pytest.raises(BadInput, match=sentence):
            split_trees(mask, geometry, points, ("portal", "hepatic"))
    with pytest.raises(BadInput, match="vessels are empty"):
        split_trees(np.zeros_like(mask), geometry, ([on], [on]), ("portal", "hepatic"))
