"""Registration: known motions are found again, points and images agree, on oblique and flipped grids."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context, Progress
from surgitwin.imaging import registration, registration_deformable
from surgitwin.imaging.registration import (
    Registration,
    carried_mask,
    landmark_errors_mm,
    least_jacobian,
    mutual_information,
    register,
    resampled,
)
from surgitwin.imaging.registration_deformable import deformable_search
from surgitwin.imaging.registration_itk import working_image

SIZE, SPACING = (56, 50, 30), (2.1, 2.3, 3.4)
FIXED = Geometry.from_parts(SIZE, SPACING, (-60.0, -55.0, 10.0))


def turned(degrees: float, axis: int = 2) -> NDArray[np.float64]:
    a = np.deg2rad(degrees)
    matrix = np.eye(3)
    i, j = [n for n in range(3) if n != axis]
    matrix[i, i] = matrix[j, j] = np.cos(a)
    matrix[i, j], matrix[j, i] = -np.sin(a), np.sin(a)
    return matrix


def oblique(flip: bool) -> Geometry:
    direction = turned(11.0) @ turned(-7.0, 0) @ np.diag([1.0, -1.0 if flip else 1.0, 1.0])
    middle = FIXED.centre_mm
    spacing = np.array([2.4, 2.0, 3.1])
    size = (58, 62, 36)
    origin = middle - direction @ (spacing * (np.array(size) - 1) / 2)
    return Geometry.from_parts(size, tuple(spacing), tuple(origin), direction)


def anatomy(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A smooth body with organs at any place, LPS mm: what both images are pictures of."""
    random = np.random.default_rng(4)
    off = points - FIXED.centre_mm
    value = -900 + 950 / (1 + np.exp((np.linalg.norm(off / (48, 42, 60), axis=-1) - 1) * 12))
    for _ in range(14):
        centre, size = random.uniform(-30, 30, 3), random.uniform(5, 14, 3)
        value += random.uniform(60, 250) / (1 + np.exp((np.linalg.norm((off - centre) / size, axis=-1) - 1) * 6))
    return np.asarray(value)


def picture(geometry: Geometry, where: Registration | None = None) -> NDArray[np.int16]:
    """The anatomy on a grid; with ``where`` each point shows what lies at its place in the other image."""
    k, j, i = np.indices(geometry.shape_kji)
    points = geometry.to_lps(np.stack([i, j, k], axis=-1).reshape(-1, 3))
    if where is not None:
        points = where.to_fixed(points)
    return anatomy(points).reshape(geometry.shape_kji).astype(np.int16)


def motion(kind: str = "rigid") -> Registration:
    matrix = np.eye(4)
    linear = turned(5.0) @ turned(-3.0, 0)
    if kind == "affine":
        linear = linear @ np.diag([1.05, 0.96, 1.0])
    centre = FIXED.centre_mm
    matrix[:3, :3] = linear
    matrix[:3, 3] = centre - linear @ centre + np.array([6.0, -4.0, 5.0])
    return Registration("rigid", matrix)


def inner_points() -> NDArray[np.float64]:
    random = np.random.default_rng(9)
    return FIXED.centre_mm + random.uniform(-28, 28, (60, 3))


@pytest.mark.parametrize("moving", [FIXED, oblique(False), oblique(True)], ids=["same", "oblique", "flipped"])
def test_a_rigid_motion_is_found_to_a_part_of_a_voxel(moving: Geometry) -> None:
    truth = motion()
    found = register(picture(FIXED), FIXED, picture(moving, truth), moving, "rigid")
    errors = landmark_errors_mm(found, inner_points(), truth.to_moving(inner_points()))
    assert errors.max() < 1.0 and np.median(errors) < 0.5
    assert found.similarity[1] > found.similarity[0]


def test_another_modality_is_registered_by_mutual_information() -> None:
    truth = motion()
    other = picture(FIXED, truth).astype(np.float64)
    inverted = (1200 - 0.6 * other + 200 * np.sin(other / 120)).astype(np.int16)
    found = register(picture(FIXED), FIXED, inverted, FIXED, "rigid")
    assert np.median(landmark_errors_mm(found, inner_points(), truth.to_moving(inner_points()))) < 1.0


def test_an_affine_motion_is_found() -> None:
    truth = motion("affine")
    found = register(picture(FIXED), FIXED, picture(FIXED, truth), FIXED, "affine")
    assert np.median(landmark_errors_mm(found, inner_points(), truth.to_moving(inner_points()))) < 1.0


def bend(amount_mm: float = 6.0) -> Registration:
    random = np.random.default_rng(1)
    noise = np.stack([gaussian_filter(random.normal(size=FIXED.shape_kji), 7) for _ in range(3)], axis=-1)
    field = (noise / np.abs(noise).max() * amount_mm).astype(np.float32)
    return Registration("deformable", np.eye(4), field, FIXED)


def test_a_bend_is_found_better_by_a_deformable_registration_than_by_a_rigid_one() -> None:
    truth = bend()
    moving = picture(FIXED, truth)
    wanted = truth.to_moving(inner_points())
    found = register(picture(FIXED), FIXED, moving, FIXED, "deformable")
    before = landmark_errors_mm(Registration("rigid", found.matrix), inner_points(), wanted)
    after = landmark_errors_mm(found, inner_points(), wanted)
    assert np.median(after) < 0.6 * np.median(before) and np.median(after) < 1.2


def bending(fixed: Geometry, moving: Geometry, image: NDArray[np.int16], ctx: Context | None = None) -> Registration:
    """The deformable search alone, from where the images lie."""
    target, template = working_image(picture(fixed), fixed), working_image(image, moving)
    return deformable_search(target, template, Registration.identity(), fixed, None, ctx or Context())


@pytest.fixture(scope="module")
def bent() -> tuple[Registration, Registration]:
    """A bend, and what is found of it on oblique and flipped grids, with other brightness."""
    truth, grid = bend(18.0), oblique(True)
    shown = picture(grid, truth).astype(np.float64)
    other = np.where(shown > -300, shown + 40 * np.sin(shown / 90), shown).astype(np.int16)
    return truth, bending(grid, grid, other)


def test_a_bend_is_found_on_oblique_and_flipped_grids(bent: tuple[Registration, Registration]) -> None:
    truth, found = bent
    wanted = truth.to_moving(inner_points())
    before = landmark_errors_mm(Registration.identity(), inner_points(), wanted)
    after = landmark_errors_mm(found, inner_points(), wanted)
    assert before.mean() > 3 and after.mean() < 0.7 * before.mean()


def test_a_deformation_folds_nowhere_also_between_its_grid_points(bent: tuple[Registration, Registration]) -> None:
    _, found = bent
    assert found.displacement_mm is not None and found.grid is not None
    assert least_jacobian(found.displacement_mm, found.grid) > 0
    points = FIXED.to_lps(np.random.default_rng(2).uniform(0, np.array(SIZE) - 1, (20_000, 3)))
    shifts = [np.zeros(3), *(np.eye(3) * 1e-3)]
    steps = [points + shift + found.displaced(points + shift) for shift in shifts]
    derivative = np.stack([(step - steps[0]) / 1e-3 for step in steps[1:]], axis=-1)
    assert np.linalg.det(derivative).min() > 0


def test_the_jacobian_of_a_known_squeeze_and_of_a_fold_is_their_factor() -> None:
    grid = oblique(True)
    k, j, i = np.indices(grid.shape_kji)
    points = grid.to_lps(np.stack([i, j, k], axis=-1).reshape(-1, 3))
    for factor in (0.6, 1.0, 1.3, -0.5):
        linear = turned(20.0) @ np.diag([factor, 1.0, 1.1])
        field = (points @ (linear - np.eye(3)).T).reshape((*grid.shape_kji, 3))
        assert least_jacobian(field, grid) == pytest.approx(1.1 * factor, abs=1e-6)


def test_what_folds_is_smoothed_there_and_stays_as_it_was_elsewhere() -> None:
    field = np.zeros((*FIXED.shape_kji, 3), np.float32)
    field[15, 25, 28, 0] = 9.0  # over its neighbour 2.1 mm away
    field[2:6, 5:9, 5:9] = 0.2
    assert least_jacobian(field, FIXED) < 0
    mended = registration_deformable.unfolded(field, FIXED)
    assert least_jacobian(mended, FIXED) >= registration_deformable.LEAST_JACOBIAN
    np.testing.assert_array_equal(mended[:6, :12, :12], field[:6, :12, :12])


@pytest.mark.parametrize(("inverted", "expected"), [(False, []), (True, ["information"])])
def test_only_a_bend_between_modalities_is_searched_by_mutual_information(
    inverted: bool, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Path(__file__).parents[1] / "data" / "abdomen-3mm" / "ct.nii.gz"
    image = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(data))).astype(np.float64)
    grid = Geometry.from_parts(image.shape[::-1], (3.0, 3.0, 3.0))
    random = np.random.default_rng(6)
    away = np.roll(image, (0, 3, 2), axis=(0, 1, 2))  # 11 mm: what is still to be found must not look like a modality
    fixed, moving = (one + random.normal(0, 15, image.shape) for one in (image, away))
    if inverted:
        moving = 1200 - 0.6 * moving
    asked: list[str] = []

    def search(name: str) -> Callable[..., NDArray[np.float32]]:
        def searched(*arguments: object) -> NDArray[np.float32]:
            if name:
                asked.append(name)
            on = next(one for one in arguments if isinstance(one, Geometry))
            return np.zeros((*on.shape_kji, 3), np.float32)

        return searched

    monkeypatch.setattr(registration_deformable, "_by_information", search("information"))
    monkeypatch.setattr(registration_deformable, "_by_demons", search(""))
    target, template = (working_image(one.astype(np.int16), grid) for one in (fixed, moving))
    deformable_search(target, template, Registration.identity(), grid, None, Context())
    assert asked == expected


@pytest.mark.parametrize("limit", [0.02, 0.25])
def test_a_deformable_registration_is_cancelled_within_a_step_of_each_level(limit: float) -> None:
    seen: list[float] = []

    def stop(progress: Progress) -> None:
        seen.append(progress.fraction or 0.0)
        if seen[-1] > limit:
            ctx.cancel()

    ctx = Context(stop)
    with pytest.raises(Cancelled):
        bending(FIXED, FIXED, picture(FIXED, bend(3.0)), ctx)
    assert limit < max(seen) < limit + 0.1
    assert sum(fraction > limit for fraction in seen) == 1


def test_there_and_back_is_where_one_was() -> None:
    for one in (motion("affine"), bend()):
        np.testing.assert_allclose(one.to_fixed(one.to_moving(inner_points())), inner_points(), atol=2e-3)


def test_the_resampled_image_shows_at_each_place_what_the_registration_says() -> None:
    moving_grid = oblique(True)
    for where in (motion(), bend(3.0)):
        moving = picture(moving_grid, where)
        found = resampled(moving, moving_grid, where, FIXED)
        k, j, i = 15, 25, 28
        for at in ((k, j, i), (k + 4, j - 6, i + 5)):
            point = FIXED.to_lps(at[::-1])
            index = moving_grid.to_index(where.to_moving([point]))[0]
            expected = map_coordinates(moving.astype(float), index[::-1][:, None], order=1)[0]
            assert found[at] == pytest.approx(expected, abs=1.5)


@pytest.mark.parametrize("to_fixed", [True, False])
def test_a_segment_is_carried_over_in_both_directions(to_fixed: bool) -> None:
    where, other = motion(), oblique(False)
    centre = FIXED.centre_mm
    source, target = (other, FIXED) if to_fixed else (FIXED, other)
    middle = where.to_moving([centre])[0] if to_fixed else centre
    goal = centre if to_fixed else where.to_moving([centre])[0]

    def ball(geometry: Geometry, at: NDArray[np.float64]) -> NDArray[np.bool_]:
        k, j, i = np.indices(geometry.shape_kji)
        points = geometry.to_lps(np.stack([i, j, k], axis=-1).reshape(-1, 3)) - at
        return np.asarray((np.linalg.norm(points, axis=1) < 18).reshape(geometry.shape_kji))

    found = carried_mask(ball(source, middle), source, target, where, to_fixed=to_fixed)
    expected = ball(target, goal)
    assert 2 * (found & expected).sum() / (found.sum() + expected.sum()) > 0.95


@pytest.mark.parametrize("to_fixed", [True, False])
@pytest.mark.parametrize("where", [motion("affine"), bend()], ids=["affine", "bend"])
def test_what_is_carried_is_the_same_as_when_every_voxel_is_asked(where: Registration, to_fixed: bool) -> None:
    source, target = (oblique(True), FIXED) if to_fixed else (FIXED, oblique(True))
    mask = np.zeros(source.shape_kji, np.bool_)
    mask[8:20, 20:33, 0:24] = True  # at the image's edge
    k, j, i = np.indices(target.shape_kji)
    points = target.to_lps(np.stack([i, j, k], axis=-1).reshape(-1, 3))
    other = where.to_moving(points) if to_fixed else where.to_fixed(points)
    at = source.to_index(other)[:, ::-1].T
    expected = map_coordinates(np.pad(mask, 1).astype(np.float64), at + 1, order=1, mode="constant") > 0.5
    found = carried_mask(mask, source, target, where, to_fixed=to_fixed)
    assert expected.sum() > 500
    assert (found.reshape(-1) != expected).sum() <= 0.002 * expected.sum()  # voxels on the very edge, by rounding


def test_a_registration_that_is_cancelled_half_way_stops_soon() -> None:
    seen: list[float] = []

    def stop(progress: Progress) -> None:
        fraction = progress.fraction or 0.0
        seen.append(fraction)
        if fraction > 0.1:
            ctx.cancel()

    ctx = Context(stop)
    with pytest.raises(Cancelled):
        register(picture(FIXED), FIXED, picture(FIXED, motion()), FIXED, "affine", ctx)
    assert 0.1 < max(seen) < 0.2


def test_images_that_show_nothing_in_common_are_refused() -> None:
    flat = np.full(FIXED.shape_kji, 40, np.int16)
    with pytest.raises(BadInput, match="moving image has one value"):
        register(picture(FIXED), FIXED, flat, FIXED)
    far = Geometry.from_parts(SIZE, SPACING, (5000.0, 0.0, 0.0))
    with pytest.raises(BadInput, match="do not overlap"):
        register(picture(FIXED), FIXED, picture(FIXED), far, start=Registration.identity())


def test_mutual_information_is_the_entropy_of_what_two_samples_share() -> None:
    one = np.repeat([0.0, 1.0, 2.0, 3.0], 250)
    assert mutual_information(one, 7 - 2 * one) == pytest.approx(np.log(4))  # each says all of the other
    assert mutual_information(one, np.tile([0.0, 5.0], 500)) == pytest.approx(0.0, abs=1e-12)  # nothing
    assert mutual_information(one, (one > 1).astype(float)) == pytest.approx(np.log(2))  # one bit of two


def test_a_registration_says_how_alike_the_images_were_and_are() -> None:
    image = picture(FIXED)
    found = register(image, FIXED, picture(FIXED, motion()), FIXED, "rigid")
    same = register(image, FIXED, image, FIXED, "rigid", start=Registration.identity())
    assert found.similarity[0] < found.similarity[1] < same.similarity[0]
    assert same.similarity[1] == pytest.approx(same.similarity[0], rel=0.1)


def test_a_deformation_that_makes_things_worse_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "deformable_search", lambda *_: bend(25.0))
    with pytest.raises(BadInput, match="much less alike"):
        register(picture(FIXED), FIXED, picture(FIXED, motion()), FIXED, "deformable")


def test_a_cancelled_registration_stops() -> None:
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        register(picture(FIXED), FIXED, picture(FIXED), FIXED, ctx=ctx)
