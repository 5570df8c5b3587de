"""The phantom's vessels: capsules on voxels, Murray's law, clearance, and what the seed decides."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import FloatArray, Geometry
from surgitwin.core.progress import Context
from surgitwin.samples.phantom.branches import VesselTree
from surgitwin.samples.phantom.growth import best_fork, segment_gaps
from surgitwin.samples.phantom.liver import LiverDepth, liver_value
from surgitwin.samples.phantom.organs import tributaries
from surgitwin.samples.phantom.raster import Capsules, near_voxels
from surgitwin.samples.phantom.settings import PhantomSettings
from surgitwin.samples.phantom.trees import LiverContent, grow_liver_content

SMALL = {"portal_terminals": 60, "hepatic_terminals": 40}
SEEDS = (1, 2, 3, 4)


@pytest.fixture(scope="module", params=SEEDS)
def content(request: pytest.FixtureRequest) -> LiverContent:
    return grow_liver_content(PhantomSettings(seed=request.param, **SMALL), Context())


def trees(content: LiverContent) -> tuple[VesselTree, VesselTree]:
    return content.portal, content.hepatic


@pytest.mark.parametrize(("ra", "rb"), [(3.0, 3.0), (4.0, 1.5)])
def test_a_capsule_has_the_volume_of_its_frustum_and_two_half_balls(ra: float, rb: float) -> None:
    geometry = Geometry.from_parts((100, 90, 110), (0.23, 0.31, 0.27), (-10, -12, -14))
    a, b = np.array([[-3.1, 1.2, -6.0]]), np.array([[2.2, -1.9, 5.5]])
    flat, distance = near_voxels(geometry, Capsules(a, b, np.array([ra]), np.array([rb])), 0.0)
    length = float(np.linalg.norm(b - a))
    exact = np.pi * length / 3 * (ra**2 + ra * rb + rb**2) + 2 / 3 * np.pi * (ra**3 + rb**3)
    assert len(flat) * geometry.voxel_volume_mm3 == pytest.approx(exact, rel=0.005)
    assert np.all(distance <= 0) and np.all(np.diff(flat) > 0)


def test_a_voxel_is_found_exactly_if_its_centre_lies_in_a_capsule() -> None:
    rng = np.random.default_rng(3)
    geometry = Geometry.from_parts((31, 27, 23), (0.9, 1.1, 1.7), (-12, -14, -18))
    a = rng.uniform(-16, 16, (40, 3))
    capsules = Capsules(a, a + rng.uniform(-6, 6, (40, 3)), rng.uniform(0.3, 3, 40), rng.uniform(0.3, 3, 40))
    flat, distance = near_voxels(geometry, capsules, 0.5)
    k, j, i = np.indices(geometry.shape_kji).reshape(3, -1)
    places = geometry.to_lps(np.stack([i, j, k], axis=1))
    along = capsules.b - capsules.a
    t = np.clip(np.einsum("pnd,nd->pn", places[:, None] - capsules.a, along) / np.sum(along**2, axis=1), 0, 1)
    gap = np.linalg.norm(places[:, None] - capsules.a - t[..., None] * along, axis=2)
    expected = np.min(gap - capsules.ra - t * (capsules.rb - capsules.ra), axis=1)
    assert np.array_equal(flat, np.flatnonzero(expected <= 0.5))
    assert np.allclose(distance, expected[flat], atol=1e-9)


def test_capsules_beyond_the_grid_are_no_trouble() -> None:
    geometry = Geometry.from_parts((5, 5, 5))
    far = Capsules(np.full((1, 3), 90.0), np.full((1, 3), 99.0), np.ones(1), np.ones(1))
    assert near_voxels(geometry, far, 1.0)[0].size == 0
    through = Capsules(np.array([[-50.0, 2, 2]]), np.array([[50.0, 2, 2]]), np.full(1, 0.4), np.full(1, 0.4))
    assert near_voxels(geometry, through, 0.0)[0].size == 5


def test_the_gap_of_two_segments_is_the_analytic_one() -> None:
    a, b = np.array([[0.0, 0, 0]]), np.array([[10.0, 0, 0]])
    cases = [
        ([5.0, 3, -4], [5.0, 3, 4], 3.0),  # crossing
        ([12.0, 1, 0], [20.0, 1, 0], np.hypot(2, 1)),  # parallel, past the end
        ([3.0, 2, 0], [7.0, 2, 0], 2.0),  # parallel, beside
        ([-3.0, 4, 0], [-3.0, 4, 0], 5.0),  # a point
    ]
    for c, d, gap in cases:
        assert segment_gaps(a, b, np.array([c]), np.array([d]))[0] == pytest.approx(gap, abs=1e-6)


def test_three_equal_branches_meet_at_120_degrees() -> None:
    ends = np.array([[0.0, 0, 0], [6.0, 1, 0], [2.0, 5, 0]])
    fork = best_fork(ends[:1], ends[1:2], ends[2:], np.ones(1), np.ones(1), 1.0)[0]
    arms = (ends - fork) / np.linalg.norm(ends - fork, axis=1, keepdims=True)
    assert np.allclose(arms @ arms.T, np.where(np.eye(3) > 0, 1.0, -0.5), atol=0.02)


def test_murrays_law_holds_at_every_bifurcation(content: LiverContent) -> None:
    for tree in trees(content):
        forks = 0
        for branch in tree.branches:
            below = tree.children(branch.id)
            if below:
                forks += 1
                assert len(below) == 2
                assert sum(b.radii_mm[0] ** 3 for b in below) == pytest.approx(branch.radii_mm[-1] ** 3, rel=1e-12)
                assert sum(b.ends for b in below) == branch.ends
        assert forks > 10


def test_every_branch_starts_where_its_parent_ends_and_hangs_on_a_root(content: LiverContent) -> None:
    for tree in trees(content):
        for branch in tree.branches:
            assert branch.parent < branch.id == tree.branches[branch.id].id
            if branch.parent >= 0:
                assert np.array_equal(branch.points_mm[0], tree.branches[branch.parent].points_mm[-1])
            assert np.all(np.diff(branch.radii_mm) <= 0) and branch.radii_mm[-1] > 0
            assert np.max(np.linalg.norm(np.diff(branch.points_mm, axis=0), axis=1)) < 1.5
        assert len({b.name for b in tree.branches}) == len(tree.branches)
    assert [content.portal.branches[r].name for r in content.portal.roots] == ["Main portal vein"]
    assert len(content.hepatic.roots) == 3


def test_each_segment_has_one_stem_and_all_that_follows_belongs_to_it(content: LiverContent) -> None:
    tree = content.portal
    assert sorted(b.name for b in tree.branches if b.name[1:].isdigit()) == [f"P{n}" for n in range(1, 9)]
    for branch in tree.branches:
        if branch.parent >= 0 and tree.branches[branch.parent].territory:
            assert branch.territory == tree.branches[branch.parent].territory


def least_gap(one: Capsules, other: Capsules) -> float:
    """Smallest distance between the walls of two sets of tubes, mm; at least 10 counts as 10."""
    search = cKDTree((other.a + other.b) / 2)
    least = 10.0
    for n, near in enumerate(search.query_ball_point((one.a + one.b) / 2, 20.0)):
        if near:
            gaps = segment_gaps(one.a[n : n + 1], one.b[n : n + 1], other.a[near], other.b[near])
            walls = np.maximum(one.ra[n], one.rb[n]) + np.maximum(other.ra[near], other.rb[near])
            least = min(least, float(np.min(gaps - walls)))
    return least


def on_surface(centre: FloatArray, axes: FloatArray) -> FloatArray:
    outward = np.random.default_rng(0).normal(size=(3000, 3))
    return np.asarray(centre + outward / np.linalg.norm(outward, axis=1, keepdims=True) * axes)


def test_the_two_systems_and_the_tumours_never_touch(content: LiverContent) -> None:
    assert least_gap(content.portal.capsules, content.hepatic.capsules) > 0.1
    for tumour in content.tumours:
        ball = Capsules(*(np.array([tumour.centre_mm]) for _ in range(2)), *(np.array([max(tumour.semi_axes_mm)]),) * 2)
        assert all(least_gap(ball, tree.capsules) > 0.1 for tree in trees(content))


def test_the_tumours_lie_wholly_in_the_liver(content: LiverContent) -> None:
    for tumour in content.tumours:
        points = on_surface(np.array(tumour.centre_mm), np.array(tumour.semi_axes_mm)).astype(np.float32)
        assert np.max(liver_value(points[:, 0], points[:, 1], points[:, 2])) < -0.5


def test_the_centrelines_of_all_territories_run_inside_the_liver(content: LiverContent) -> None:
    depth = LiverDepth()
    for branch in content.portal.branches:
        if branch.territory:
            assert np.max(depth(branch.points_mm[1:])) < 0.3


def test_the_tributaries_join_by_murrays_law() -> None:
    settings = PhantomSettings()
    radii = [radii[0] for _, _, radii in tributaries(settings)]
    assert sum(r**3 for r in radii) == pytest.approx(settings.portal_radius_mm**3)


def test_the_seed_alone_decides() -> None:
    one, same = (grow_liver_content(PhantomSettings(seed=7, **SMALL), Context()) for _ in range(2))
    other = grow_liver_content(PhantomSettings(seed=8, **SMALL), Context())
    assert one.portal.as_json() == same.portal.as_json() and one.hepatic.as_json() == same.hepatic.as_json()
    assert one.tumours == same.tumours != other.tumours
    assert one.portal.as_json() != other.portal.as_json()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"size_ijk": (8, 64, 64)}, "size"),
        ({"size_ijk": (2000, 2000, 2000)}, "size"),
        ({"spacing_mm": (1.0, 0.0, 1.0)}, "spacing"),
        ({"seed": -1}, "seed"),
        ({"noise_hu": float("nan")}, "noise_hu"),
        ({"portal_terminals": 3}, "portal_terminals"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(change: dict[str, object], word: str) -> None:
    with pytest.raises(BadInput, match=word):
        PhantomSettings(**change)  # type: ignore[arg-type]


def test_the_default_grid_shows_the_whole_field_of_view_at_any_size() -> None:
    for size in ((512, 512, 200), (97, 96, 48)):
        low, high = PhantomSettings(size_ijk=size).geometry().bounds_mm()
        assert np.allclose(high - low, (380, 380, 300)) and np.allclose(high + low, 0)
    assert np.allclose(PhantomSettings(spacing_mm=(1, 2, 3)).geometry().spacing_mm, (1, 2, 3))
