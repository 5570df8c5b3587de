"""Lesions from a click: drawn ones whose shape is known, in a drawn organ with fat, lung and vessels beside it."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.segmentation.lesion import lesion_across, lesion_at

Mask = NDArray[np.bool_]
ORGAN_HU, FAT_HU, VESSEL_HU = 108.0, -100.0, 180.0


@dataclass
class Drawn:
    """An organ that ends at x = 20 mm, with an ellipsoid in it; blurred by 0.7 mm, noise of 12 HU."""

    hu: float = 62.0
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    axes: tuple[float, float, float] = (9.0, 10.0, 11.0)
    spacing: tuple[float, float, float] = (0.9, 0.8, 2.1)
    rim_hu: float | None = None
    noise: float = 12.0
    flipped: bool = False
    vessel: bool = False
    seed: int = 0
    geometry: Geometry = field(init=False)
    voxels: NDArray[np.int16] = field(init=False)
    truth: Mask = field(init=False)

    def __post_init__(self) -> None:
        a, b = 0.3, -0.2
        axes = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])
        axes = axes @ np.array([[1.0, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
        if self.flipped:
            axes[:, 2] *= -1
        size = [int(76 / s) for s in self.spacing]
        start = -axes @ (np.array(self.spacing) * (np.array(size) - 1) / 2)
        self.geometry = Geometry.from_parts(size, self.spacing, start, axes)
        k, j, i = np.indices(self.geometry.shape_kji)
        points = self.geometry.to_lps(np.stack([i, j, k], axis=-1))
        hu = np.where(points[..., 0] < 20, ORGAN_HU, FAT_HU)
        if self.vessel:
            away = np.hypot(points[..., 1] - self.centre[1] - self.axes[1] - 4, points[..., 2] - self.centre[2])
            hu[away < 3.5] = VESSEL_HU
        radius = np.sqrt((((points - self.centre) / self.axes) ** 2).sum(axis=-1))
        self.truth = radius <= 1
        hu[self.truth] = self.hu
        if self.rim_hu is not None:
            hu[self.truth & (radius > 1 - 2.5 / np.mean(self.axes))] = self.rim_hu
        hu = ndimage.gaussian_filter(hu, [0.7 / s for s in self.spacing[::-1]])
        hu += np.random.default_rng(self.seed).normal(0, self.noise, hu.shape)
        self.voxels = np.rint(hu).astype(np.int16)

    def dice(self, mask: Mask) -> float:
        return float(2 * np.count_nonzero(mask & self.truth) / (np.count_nonzero(mask) + self.truth.sum()))


CASES: dict[str, dict[str, Any]] = {
    "darker": {},
    "brighter": {"hu": 160},
    "with a rim halfway to the organ": {"rim_hu": 88, "spacing": (0.9, 0.9, 1.5)},
    "flipped axes": {"flipped": True},
    "long": {"axes": (7, 10, 15)},
    "at the organ's border": {"centre": (9.5, 0, 0), "axes": (9, 9, 9)},
    "beside a vessel": {"vessel": True},
    "thick slices": {"spacing": (0.8, 0.8, 4.0), "axes": (11, 11, 11)},
}


@cache
def case(name: str) -> Drawn:
    return Drawn(**CASES[name])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("radius", [1.0, 1.5])
def test_a_click_off_the_middle_finds_the_lesion(name: str, radius: float) -> None:
    drawn = case(name)
    click = np.array(drawn.centre) + np.array([0.2, -0.25, 0.15]) * np.array(drawn.axes)
    mask = lesion_at(drawn.voxels, drawn.geometry, click, radius * float(np.mean(drawn.axes)))
    assert drawn.dice(mask) >= 0.90


@pytest.mark.parametrize("name", ["darker", "brighter", "with a rim halfway to the organ"])
def test_the_volume_of_a_lesion_is_right_to_a_tenth(name: str) -> None:
    drawn = case(name)
    mask = lesion_at(drawn.voxels, drawn.geometry, drawn.centre, 10.0)
    exact_mm3 = 4 / 3 * np.pi * np.prod(drawn.axes)
    assert np.count_nonzero(mask) * drawn.geometry.voxel_volume_mm3 == pytest.approx(exact_mm3, rel=0.1)


def test_a_line_across_finds_the_same_as_its_middle_and_half_its_length() -> None:
    drawn = case("darker")
    ends = np.array([[-9.0, 1.0, 0.5], [9.0, -1.0, -0.5]])
    across = lesion_across(drawn.voxels, drawn.geometry, ends[0], ends[1])
    at = lesion_at(drawn.voxels, drawn.geometry, (0.0, 0.0, 0.0), float(np.linalg.norm(ends[1] - ends[0])) / 2)
    np.testing.assert_array_equal(across, at)
    assert drawn.dice(across) >= 0.9


@pytest.mark.parametrize("name", ["darker", "at the organ's border", "beside a vessel"])
def test_a_lesion_is_one_piece_with_the_click_in_it_and_no_holes(name: str) -> None:
    drawn = case(name)
    click = np.add(drawn.centre, (1.0, 2.0, -1.0))
    mask = lesion_at(drawn.voxels, drawn.geometry, click, 10.0)
    i, j, k = np.rint(drawn.geometry.to_index(click)).astype(int)
    assert mask[k, j, i]
    assert ndimage.label(mask)[1] == 1
    np.testing.assert_array_equal(ndimage.binary_fill_holes(mask), mask)


def test_a_lesion_that_the_image_cuts_off_is_found_up_to_its_edge() -> None:
    drawn = case("darker")
    middle = drawn.geometry.size_ijk[2] // 2
    upper = drawn.voxels[middle:]
    geometry = Geometry.from_affine((*drawn.geometry.size_ijk[:2], len(upper)), drawn.geometry.affine_lps)
    affine = np.array(geometry.affine_lps)
    affine[:3, 3] = drawn.geometry.to_lps((0, 0, middle))
    geometry = Geometry.from_affine(geometry.size_ijk, affine)
    mask = lesion_at(upper, geometry, geometry.to_lps(np.add(geometry.to_index((0.0, 0.0, 0.0)), (0, 0, 1))), 10.0)
    part = drawn.truth[middle:]
    assert 2 * np.count_nonzero(mask & part) / (mask.sum() + part.sum()) >= 0.9
    assert mask[0].any()


def test_the_kind_of_numbers_does_not_matter() -> None:
    drawn = case("darker")
    ints = lesion_at(drawn.voxels, drawn.geometry, drawn.centre, 10.0)
    # MR has no fixed unit: the same image, scaled and shifted.
    floats = lesion_at(drawn.voxels.astype(np.float64) * 7.5 + 3000, drawn.geometry, drawn.centre, 10.0)
    assert 2 * np.count_nonzero(ints & floats) / (ints.sum() + floats.sum()) > 0.99


@pytest.mark.parametrize(
    ("at", "radius", "words"),
    [
        ((500.0, 0.0, 0.0), 10.0, "lies outside the image"),
        ((np.nan, 0.0, 0.0), 10.0, "three numbers"),
        ((0.0, 0.0), 10.0, "three numbers"),
        ((0.0, 0.0, 0.0), 0.5, "radius 0.5 mm"),
        ((0.0, 0.0, 0.0), 101.0, "radius 101 mm"),
        ((0.0, 0.0, 0.0), np.inf, "radius inf mm"),
        ((-28.0, -15.0, 10.0), 8.0, "no lesion is seen"),
    ],
)
def test_what_cannot_be_a_lesion_is_refused_in_a_sentence(at: tuple[float, ...], radius: float, words: str) -> None:
    drawn = case("darker")
    with pytest.raises(BadInput, match=words):
        lesion_at(drawn.voxels, drawn.geometry, at, radius)


def test_a_region_that_goes_on_beyond_the_reach_is_refused() -> None:
    plate = Drawn(axes=(6, 28, 28))
    with pytest.raises(BadInput, match="no clear border within 20 mm"):
        lesion_at(plate.voxels, plate.geometry, (0.0, 0.0, 0.0), 12.0)


@pytest.mark.parametrize("radius", [5.0, 7.0])
def test_a_radius_far_too_small_is_refused(radius: float) -> None:
    large = Drawn(axes=(15, 15, 15), centre=(-5, 0, 0))
    with pytest.raises(BadInput, match="larger radius"):
        lesion_at(large.voxels, large.geometry, (-5.0, 0.0, 0.0), radius)


def test_it_can_be_cancelled() -> None:
    drawn = case("darker")
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        lesion_at(drawn.voxels, drawn.geometry, (0.0, 0.0, 0.0), 10.0, ctx)
