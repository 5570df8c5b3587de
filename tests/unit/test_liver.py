"""The liver in CT: a drawn abdomen whose liver is known, by itself and from strokes; the trunk's wall."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.segmentation.ct_liver import liver_auto
from surgitwin.segmentation.liver_strokes import liver_from_strokes
from surgitwin.segmentation.trunk_wall import trunk_wall

Mask = NDArray[np.bool_]
FAT_HU, MUSCLE_HU, LIVER_HU = -100.0, 60.0, 108.0


@dataclass
class Abdomen:
    geometry: Geometry
    voxels: NDArray[np.int16]
    liver: Mask
    vessel: Mask
    tumour: Mask
    stomach: Mask
    spleen: Mask
    wall: Mask

    def at(self, *point_mm: float) -> tuple[int, int, int]:
        i, j, k = np.rint(self.geometry.to_index(point_mm)).astype(int)
        return int(k), int(j), int(i)

    def stroke(self, strokes: NDArray[np.uint8], label: int, start: tuple[float, ...], end: tuple[float, ...]) -> None:
        for share in np.linspace(0, 1, 60):
            strokes[self.at(*(np.add(start, np.multiply(share, np.subtract(end, start)))))] = label

    def dice(self, mask: Mask) -> float:
        return float(2 * np.count_nonzero(mask & self.liver) / (np.count_nonzero(mask) + self.liver.sum()))


@cache
def abdomen(turned: bool = False, stomach_hu: float = 20.0, liver_hu: float = LIVER_HU) -> Abdomen:
    """A trunk of 320 x 220 mm: wall with ribs, liver with a vessel and a tumour at its surface, stomach, spleen, spine.

    ``turned`` stores it with other, oblique axes, left-handed; the anatomy in LPS is the same.
    """
    spacing = (3.3, 2.9, 4.1)
    axes = np.eye(3)
    if turned:
        c, s = np.cos(0.15), np.sin(0.15)
        axes = np.array([[0.0, -c, s], [1.0, 0.0, 0.0], [0.0, -s, -c]])
        axes[:, 0] *= -1
    size = (84, 120, 48) if turned else (104, 84, 48)
    start = -axes @ (np.array(spacing) * (np.array(size) - 1) / 2)
    geometry = Geometry.from_parts(size, spacing, start, axes)
    k, j, i = np.indices(geometry.shape_kji)
    x, y, z = np.moveaxis(geometry.to_lps(np.stack([i, j, k], axis=-1)), -1, 0)

    def ball(cx: float, cy: float, cz: float, rx: float, ry: float, rz: float) -> Mask:
        return np.asarray(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2 <= 1)

    def oval(rx: float, ry: float) -> Mask:
        return np.asarray((x / rx) ** 2 + (y / ry) ** 2 <= 1)

    skin, muscle, cavity = oval(160, 110), oval(146, 96), oval(132, 82)
    liver = (ball(-65, -5, 5, 60, 65, 70) | ball(0, -35, 25, 70, 32, 35)) & oval(128, 78)
    vessel = (np.hypot(y + 0.3 * x + 20, z - 15) < 6) & liver & (x < -20)
    tumour = ball(-70, -52, 30, 14, 14, 14) & liver
    stomach = ball(62, 0, 10, 28, 36, 45) & oval(128, 78) & ~liver
    spleen = ball(98, 40, 10, 24, 26, 40) & oval(128, 78) & ~liver & ~stomach
    spine = (np.hypot(x, y - 62) < 20) & cavity
    angle, ring = np.degrees(np.arctan2(y, np.abs(x))), muscle & ~cavity
    ribs = ring & oval(143, 93) & ~oval(136, 86) & (np.abs(np.mod(z + 0.3 * angle, 30) - 15) < 6) & (angle > -60)
    hu = np.full(geometry.shape_kji, -1000.0)
    for mask, value in (
        (skin, FAT_HU), (muscle, MUSCLE_HU), (cavity, FAT_HU), (liver, liver_hu), (vessel, 175), (tumour, 62),
        (stomach, stomach_hu), (spleen, 122), (spine, 300), (ribs, 420),
    ):  # fmt: skip
        hu[mask] = value
    hu = ndimage.gaussian_filter(hu, [1.0 / s for s in spacing[::-1]])
    hu += np.random.default_rng(4).normal(0, 12, hu.shape)
    voxels = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    return Abdomen(geometry, voxels, liver, vessel, tumour, stomach, spleen, ring)


@pytest.mark.parametrize("turned", [False, True])
def test_the_liver_is_found_by_itself_with_its_vessel_and_tumour(turned: bool) -> None:
    drawn = abdomen(turned)
    mask = liver_auto(drawn.voxels, drawn.geometry)
    assert drawn.dice(mask) >= 0.95
    for part in (drawn.vessel, drawn.tumour):
        assert np.count_nonzero(mask & part) >= 0.9 * np.count_nonzero(part)
    assert not (mask & drawn.spleen).any() and not (mask & drawn.stomach).any()
    assert ndimage.label(mask)[1] == 1


def test_the_side_is_the_patients_and_not_the_arrays() -> None:
    drawn = abdomen()
    # The same voxels, said to run to the patient's right: what is now on the right is a small spleen.
    affine = np.array(drawn.geometry.affine_lps)
    affine[0] *= -1
    with pytest.raises(BadInput, match="No liver was found"):
        liver_auto(drawn.voxels, Geometry.from_affine(drawn.geometry.size_ijk, affine))


@pytest.mark.parametrize("turned", [False, True])
def test_two_strokes_inside_find_the_liver(turned: bool) -> None:
    drawn = abdomen(turned)
    strokes = np.zeros(drawn.voxels.shape, dtype=np.uint8)
    drawn.stroke(strokes, 1, (-90, -10, 0), (-50, -10, 0))
    drawn.stroke(strokes, 1, (10, -35, 25), (40, -35, 25))
    mask = liver_from_strokes(drawn.voxels, drawn.geometry, strokes)
    assert drawn.dice(mask) >= 0.95
    assert mask[strokes == 1].all()


def test_a_stroke_outside_keeps_out_what_is_as_dense_and_touches() -> None:
    drawn = abdomen(stomach_hu=LIVER_HU - 8)
    strokes = np.zeros(drawn.voxels.shape, dtype=np.uint8)
    drawn.stroke(strokes, 1, (-90, -10, 0), (-50, -10, 0))
    without = liver_from_strokes(drawn.voxels, drawn.geometry, strokes)
    drawn.stroke(strokes, 2, (64, -15, 10), (66, 22, 10))
    drawn.stroke(strokes, 2, (60, 0, -15), (60, 0, 30))
    mask = liver_from_strokes(drawn.voxels, drawn.geometry, strokes)
    assert np.count_nonzero(without & drawn.stomach) > 0.5 * drawn.stomach.sum()
    assert np.count_nonzero(mask & drawn.stomach) < 0.25 * np.count_nonzero(without & drawn.stomach)
    assert drawn.dice(mask) >= 0.93
    assert not mask[strokes == 2].any()


def test_strokes_find_a_liver_that_is_too_fatty_to_be_found_by_itself() -> None:
    drawn = abdomen(liver_hu=5.0)
    with pytest.raises(BadInput, match="mark the liver with a few strokes"):
        liver_auto(drawn.voxels, drawn.geometry)
    strokes = np.zeros(drawn.voxels.shape, dtype=np.uint8)
    drawn.stroke(strokes, 1, (-90, -10, 0), (-50, -10, 0))
    drawn.stroke(strokes, 2, (62, -15, 10), (62, 15, 10))
    assert drawn.dice(liver_from_strokes(drawn.voxels, drawn.geometry, strokes)) >= 0.85


def test_strokes_that_say_nothing_are_refused_in_a_sentence() -> None:
    drawn = abdomen()
    strokes = np.zeros(drawn.voxels.shape, dtype=np.uint8)
    with pytest.raises(BadInput, match="No stroke is inside the liver"):
        liver_from_strokes(drawn.voxels, drawn.geometry, strokes)
    drawn.stroke(strokes, 2, (-90, -10, 0), (-50, -10, 0))
    with pytest.raises(BadInput, match="No stroke is inside the liver"):
        liver_from_strokes(drawn.voxels, drawn.geometry, strokes)
    drawn.stroke(strokes, 3, (-90, -10, 0), (-50, -10, 0))
    drawn.stroke(strokes, 1, (-90, -20, 0), (-50, -20, 0))
    with pytest.raises(BadInput, match="the value 3"):
        liver_from_strokes(drawn.voxels, drawn.geometry, strokes)
    with pytest.raises(BadInput, match="another grid"):
        liver_from_strokes(drawn.voxels, drawn.geometry, strokes[1:])
    in_fat = np.zeros_like(strokes)
    drawn.stroke(in_fat, 1, (20, 30, -60), (40, 30, -60))
    with pytest.raises(BadInput, match="which is no liver"):
        liver_from_strokes(drawn.voxels, drawn.geometry, in_fat)


def test_an_image_without_hu_is_refused() -> None:
    drawn = abdomen()
    shifted = drawn.voxels.astype(np.int32) + 1024
    strokes = np.zeros(drawn.voxels.shape, dtype=np.uint8)
    drawn.stroke(strokes, 1, (-90, -10, 0), (-50, -10, 0))
    for run in (
        lambda: liver_auto(shifted, drawn.geometry),
        lambda: liver_from_strokes(shifted, drawn.geometry, strokes),
    ):
        with pytest.raises(BadInput, match="needs CT in HU"):
            run()


def test_it_can_be_cancelled() -> None:
    drawn = abdomen()
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        liver_auto(drawn.voxels, drawn.geometry, ctx)


def test_the_trunks_wall_is_as_deep_as_its_ribs() -> None:
    drawn = abdomen()
    body = drawn.voxels > -300
    wall = trunk_wall(drawn.voxels.astype(np.float32), body, drawn.geometry, 250.0)
    assert np.count_nonzero(wall & drawn.wall) > 0.6 * np.count_nonzero(wall)
    assert np.count_nonzero(wall & drawn.wall) > 0.6 * np.count_nonzero(drawn.wall)
    assert not (wall & drawn.liver).any()
    without_ribs = np.minimum(drawn.voxels, 100).astype(np.float32)
    assert not trunk_wall(without_ribs, body, drawn.geometry, 250.0).any()
