"""Body, bone and lungs in CT: a drawn thorax with a known answer, and real unenhanced CT."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.segmentation.ct_body import body
from surgitwin.segmentation.ct_bone import bone
from surgitwin.segmentation.ct_lungs import lungs
from surgitwin.segmentation.labelmaps import read_labelmap

Mask = NDArray[np.bool_]
DATA = Path(__file__).parent.parent / "data" / "abdomen-3mm"


@dataclass
class Thorax:
    geometry: Geometry
    voxels: NDArray[np.int16]
    body: Mask
    lungs: Mask
    trachea: Mask
    bowel_gas: Mask
    vertebra: Mask
    table: Mask


def dice(a: Mask, b: Mask) -> float:
    return float(2 * np.count_nonzero(a & b) / max(np.count_nonzero(a) + np.count_nonzero(b), 1))


def draw_thorax(
    spacing: tuple[float, float, float] = (2.0, 2.5, 3.0),
    direction: NDArray[np.float64] | None = None,
    reach: float = 230.0,
) -> Thorax:
    """A torso of 340 x 240 mm on a dense table: two lungs, a trachea, gas in the bowel, a spine, a blanket."""
    size = [int(2 * r / s) for r, s in zip((reach, 190.0, 150.0), spacing, strict=True)]
    axes = np.eye(3) if direction is None else direction
    start = -axes @ (np.array(spacing) * (np.array(size) - 1) / 2)
    geometry = Geometry.from_parts(size, spacing, start, axes)
    k, j, i = np.indices(geometry.shape_kji)
    x, y, z = np.moveaxis(geometry.to_lps(np.stack([i, j, k], axis=-1)), -1, 0)

    def ellipse(cx: float, cy: float, rx: float, ry: float) -> Mask:
        return np.asarray(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1)

    torso = ellipse(0, 0, 170, 120)
    air_in_lung = (ellipse(-80, -5, 55, 85) | ellipse(80, -5, 55, 85)) & (z > -60)
    trachea = ellipse(0, 0, 9, 9) & (z > 20)
    gas = ((x - 20) / 35) ** 2 + ((y + 60) / 25) ** 2 + ((z + 110) / 30) ** 2 <= 1
    marrow = ellipse(0, 75, 12, 10) & (np.mod(z, 30) > 5)
    vertebra = ellipse(0, 75, 20, 18) & ~marrow
    table = (np.abs(y - 150 - (x / 60) ** 2 * -1.0) < 4) & (np.abs(x) < 210)
    blanket = np.abs(np.hypot(x / 190, y / 140) - 1) < 0.008
    hu = np.full(geometry.shape_kji, -1000.0)
    for mask, value in (
        (blanket, -600), (torso, 40), (air_in_lung, -850), (trachea, -995), (gas, -990),
        (vertebra, 700), (marrow, 60), (table & ~torso, 500),
    ):  # fmt: skip
        hu[mask] = value
    hu += np.random.default_rng(5).normal(0, 20, hu.shape)
    voxels = np.clip(hu, -1024, 3071).astype(np.int16)
    return Thorax(geometry, voxels, torso, air_in_lung, trachea, gas, vertebra | marrow, table & ~torso)


@pytest.fixture(scope="module")
def thorax() -> Thorax:
    return draw_thorax()


@pytest.fixture(scope="module")
def real() -> tuple[NDArray[np.int16], Geometry, NDArray[np.uint8], dict[int, str]]:
    import nibabel as nib

    labels = read_labelmap(DATA / "labels.nii.gz", Context())
    voxels = np.asarray(nib.load(DATA / "ct.nii.gz").dataobj).T  # type: ignore[attr-defined]
    names = {value: name for (_, value), name in labels.names.items()}
    return np.ascontiguousarray(voxels), labels.geometry, labels.layers[0], names


def test_the_body_is_the_torso_without_table_blanket_and_air(thorax: Thorax) -> None:
    mask = body(thorax.voxels, thorax.geometry)
    assert dice(mask, thorax.body) > 0.985
    assert not (mask & thorax.table).any()
    assert mask[thorax.lungs].all() and mask[thorax.bowel_gas].all() and mask[thorax.trachea].all()


def test_lungs_are_found_without_trachea_bowel_gas_and_outer_air(thorax: Thorax) -> None:
    mask = lungs(thorax.voxels, thorax.geometry)
    assert dice(mask, thorax.lungs) > 0.97
    assert not (mask & thorax.trachea).any()
    assert not (mask & thorax.bowel_gas).any()
    assert not (mask & ~thorax.body).any()


def test_bone_is_the_vertebra_with_its_marrow_and_not_the_table(thorax: Thorax) -> None:
    mask = bone(thorax.voxels, thorax.geometry)
    assert dice(mask, thorax.vertebra) > 0.93
    assert not (mask & thorax.table).any()
    assert bone(thorax.voxels, thorax.geometry, marrow_mm=0).sum() < 0.8 * mask.sum()


def test_a_field_of_view_within_the_body_gives_lung_cut_at_its_sides(thorax: Thorax) -> None:
    whole = thorax.geometry
    half = (slice(None), slice(40, 105), slice(62, 170))  # inside the torso: cuts both lungs
    part = np.ascontiguousarray(thorax.voxels[half])
    affine = np.array(whole.affine_lps)
    affine[:3, 3] = whole.to_lps((62, 40, 0))
    cut = Geometry.from_affine(part.shape[::-1], affine)
    assert body(part, cut).mean() > 0.99
    assert dice(lungs(part, cut), thorax.lungs[half]) > 0.96


def test_the_answer_does_not_depend_on_the_order_of_the_axes() -> None:
    sagittal = np.array([[0, 0, 1.0], [1, 0, 0], [0, -1, 0]])  # i runs backwards, j down, k to the left
    spacing = (2.5, 3.0, 2.5)
    size = [int(2 * r / s) for r, s in zip((190.0, 150.0, 230.0), spacing, strict=True)]
    straight = draw_thorax((2.5, 2.5, 3.0))
    # The same voxels, stored in sagittal order and upside down.
    voxels = np.ascontiguousarray(straight.voxels.transpose(2, 0, 1)[:, ::-1, :])
    nk, nj, ni = voxels.shape
    assert [ni, nj, nk] == size
    origin = straight.geometry.to_lps((0, 0, straight.geometry.size_ijk[2] - 1))
    geometry = Geometry.from_parts((ni, nj, nk), spacing, origin, sagittal)
    assert np.allclose(geometry.to_lps((3, 4, 5)), straight.geometry.to_lps((5, 3, straight.geometry.size_ijk[2] - 5)))

    def restored(mask: Mask) -> Mask:
        return np.asarray(mask[:, ::-1, :].transpose(1, 2, 0))

    assert dice(restored(body(voxels, geometry)), straight.body) > 0.98
    assert dice(restored(lungs(voxels, geometry)), straight.lungs) > 0.96


def test_two_arms_beside_the_trunk_belong_to_the_body() -> None:
    thorax = draw_thorax((3.0, 3.0, 3.0), reach=290.0)
    k, j, i = np.indices(thorax.geometry.shape_kji)
    x, y, _ = np.moveaxis(thorax.geometry.to_lps(np.stack([i, j, k], axis=-1)), -1, 0)
    arms = (np.hypot(x - 240, y) < 38) | (np.hypot(x + 240, y) < 38)
    voxels = np.where(arms, 30, thorax.voxels).astype(np.int16)
    mask = body(voxels, thorax.geometry)
    assert mask[arms].mean() > 0.97
    assert dice(mask, thorax.body | arms) > 0.97


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 10.0), (3.0, 3.0, 1.5)])
def test_thick_and_thin_slices_give_the_same_anatomy(spacing: tuple[float, float, float]) -> None:
    thorax = draw_thorax(spacing)
    assert dice(body(thorax.voxels, thorax.geometry), thorax.body) > 0.98
    assert dice(lungs(thorax.voxels, thorax.geometry), thorax.lungs) > 0.95
    assert dice(bone(thorax.voxels, thorax.geometry), thorax.vertebra) > 0.9


def test_a_single_slice_and_padding_that_is_no_number_are_handled(thorax: Thorax) -> None:
    k = 80
    slice_voxels = thorax.voxels[k : k + 1].astype(np.float32)
    slice_voxels[0, :6] = np.nan
    affine = np.array(thorax.geometry.affine_lps)
    affine[:3, 3] = thorax.geometry.to_lps((0, 0, k))
    geometry = Geometry.from_affine(slice_voxels.shape[::-1], affine)
    assert dice(body(slice_voxels, geometry), thorax.body[k : k + 1]) > 0.98
    assert dice(lungs(slice_voxels, geometry), thorax.lungs[k : k + 1]) > 0.95


def test_images_that_cannot_be_ct_are_refused() -> None:
    geometry = Geometry.from_parts((20, 20, 20))
    with pytest.raises(BadInput, match="CT in HU"):
        body(np.full((20, 20, 20), 300, dtype=np.int16), geometry)


def test_air_alone_holds_no_body_no_bone_and_no_lungs() -> None:
    geometry = Geometry.from_parts((40, 40, 40), (3, 3, 3))
    air = np.full(geometry.shape_kji, -1000, dtype=np.int16)
    for method in (body, bone, lungs):
        with pytest.raises(BadInput, match="No body was found"):
            method(air, geometry)


def test_a_body_without_lungs_or_bone_is_said_to_have_none() -> None:
    thorax = draw_thorax((4.0, 4.0, 4.0))
    soft = np.where(thorax.body, 40, -1000).astype(np.int16)
    with pytest.raises(BadInput, match="No lung was found"):
        lungs(soft, thorax.geometry)
    with pytest.raises(BadInput, match="No bone was found"):
        bone(soft, thorax.geometry)


def test_contradicting_bone_thresholds_are_refused(thorax: Thorax) -> None:
    with pytest.raises(BadInput, match=r"300 HU.*400 HU"):
        bone(thorax.voxels, thorax.geometry, 400, 300)


def test_the_lung_bases_of_a_real_unenhanced_ct_agree_with_its_labels(real) -> None:  # type: ignore[no-untyped-def]
    voxels, geometry, labels, names = real
    reference = np.isin(labels, [value for value, name in names.items() if name.startswith("lung")])
    mask = lungs(voxels, geometry)
    assert dice(mask, reference) > 0.93
    bowel = np.isin(labels, [v for v, n in names.items() if n in ("stomach", "colon", "small_bowel", "duodenum")])
    assert np.count_nonzero(mask & bowel) < 30


def test_the_bones_of_a_real_unenhanced_ct_agree_with_its_labels(real) -> None:  # type: ignore[no-untyped-def]
    voxels, geometry, labels, names = real
    bones = ("vertebrae", "rib", "hip", "sacrum", "sternum", "femur")
    reference = np.isin(labels, [value for value, name in names.items() if name.startswith(bones)])
    mask = bone(voxels, geometry)
    assert dice(mask, reference) > 0.75
    assert np.count_nonzero(mask & reference) / np.count_nonzero(mask) > 0.8


def test_every_organ_of_a_real_ct_lies_in_the_body_and_the_table_does_not(real) -> None:  # type: ignore[no-untyped-def]
    voxels, geometry, labels, _ = real
    mask = body(voxels, geometry)
    assert mask[labels > 0].mean() > 0.999
    assert 0.5 < mask.mean() < 0.75
