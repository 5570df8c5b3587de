"""Statistics of segments against numpy's own answers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import DTypeLike

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.surfaces import box_of_labels, label_statistics, mask_surface, segment_statistics
from surgitwin.surfaces import statistics as module

SIZE = (17, 15, 13)
DIRECTION = [[0.8, 0.6, 0], [-0.6, 0.8, 0], [0, 0, -1]]


def geometry() -> Geometry:
    return Geometry.from_parts(SIZE, (0.7, 0.8, 3.1), (-11.0, 22.0, 33.0), DIRECTION)


def labels() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rng = np.random.default_rng(7)
    found = rng.integers(0, 4, SIZE[::-1]).astype(np.uint8) * 3
    found[:, :, 0] = found[:, :, -1] = found[:, 0] = found[:, -1] = found[0] = found[-1] = 0
    found[4:7, 3:9, 5:12] = 200
    found[0, 5, 5] = 77
    return found


def voxels(dtype: DTypeLike) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    return np.random.default_rng(8).normal(60, 200, SIZE[::-1]).astype(dtype)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32, np.int32])
def test_all_labels_at_once_agree_with_numpy_on_each(dtype: DTypeLike) -> None:
    found, image = labels(), voxels(dtype)
    results = label_statistics(found, image, geometry(), ctx=Context())
    assert list(results) == [3, 6, 9, 77, 200]
    for value, result in results.items():
        own = image[found == value].astype(np.float64)
        index = np.argwhere(found == value)[:, ::-1]
        assert result.voxels == own.size
        assert result.volume_ml == pytest.approx(own.size * 0.7 * 0.8 * 3.1 / 1000)
        assert np.allclose(result.centroid_mm or (), geometry().to_lps(index.mean(axis=0)))
        assert result.box == Box.of_mask(found == value)
        assert result.touches_edge == (value == 77)
        assert result.hu is not None
        wanted = [own.mean(), own.std(), *np.percentile(own, (5, 50, 95))]
        assert np.allclose(list(result.hu.as_json().values()), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("values", [[200], [3, 77], [5], [3, 6, 9, 77, 200]])
def test_the_box_of_some_labels_holds_them_and_the_statistics_in_it_are_those_of_the_whole(values: list[int]) -> None:
    found, image = labels(), voxels(np.int16)
    box = box_of_labels(found, values, Context())
    assert box == Box.of_mask(np.isin(found, values))
    whole = label_statistics(found, image, geometry(), values, ctx=Context())
    grown = box.grown(1, SIZE)
    assert label_statistics(found[grown.slices], image[grown.slices], geometry(), values, grown, ctx=Context()) == whole


def test_values_that_do_not_fit_a_histogram_give_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    by_histogram = label_statistics(labels(), voxels(np.int16), geometry(), ctx=Context())
    monkeypatch.setattr(module, "_MOST_BINS", 0)
    monkeypatch.setattr(module, "_SLAB_VOXELS", 300)
    by_sorting = label_statistics(labels(), voxels(np.int16), geometry(), ctx=Context())
    for value, result in by_histogram.items():
        other = by_sorting[value]
        assert result.hu is not None and other.hu is not None
        assert np.allclose(list(result.hu.as_json().values()), list(other.hu.as_json().values()))
        assert (result.voxels, result.box) == (other.voxels, other.box)
        assert np.allclose(result.centroid_mm or (), other.centroid_mm or ())


def test_a_crop_gives_the_statistics_of_the_whole_image() -> None:
    found, image = labels(), voxels(np.int16)
    box = Box((2, 1, 3), (14, 12, 9))
    result = segment_statistics(found[box.slices] == 200, image[box.slices], geometry(), box)
    assert result == label_statistics(found, image, geometry(), [200], ctx=Context())[200]


def test_only_wanted_labels_are_counted_and_an_absent_one_has_no_voxels() -> None:
    results = label_statistics(labels(), voxels(np.int16), geometry(), [9, 50], ctx=Context())
    assert list(results) == [9, 50]
    absent = results[50]
    assert (absent.voxels, absent.volume_ml, absent.centroid_mm, absent.hu) == (0, 0.0, None, None)
    assert absent.box.empty and not absent.touches_edge


def test_without_an_image_the_intensities_are_not_assessed() -> None:
    result = segment_statistics(labels() == 3, None, geometry())
    assert result.hu is None
    assert json.loads(json.dumps(result.as_json()))["hu"] is None


@pytest.mark.parametrize("place", [(0, 5, 5), (SIZE[2] - 1, 5, 5), (5, 0, 5), (5, SIZE[1] - 1, 5), (5, 5, SIZE[0] - 1)])
def test_a_voxel_on_any_side_of_the_image_is_cut_off(place: tuple[int, int, int]) -> None:
    mask = np.zeros(SIZE[::-1], np.bool_)
    mask[place] = True
    assert segment_statistics(mask, None, geometry()).touches_edge


def test_one_voxel_has_its_own_intensity_as_every_percentile() -> None:
    mask = np.zeros(SIZE[::-1], np.bool_)
    mask[5, 6, 7] = True
    image = voxels(np.int16)
    result = segment_statistics(mask, image, geometry())
    assert result.hu is not None
    value = float(image[5, 6, 7])
    assert list(result.hu.as_json().values()) == [value, 0.0, value, value, value]


def test_json_holds_the_surface_only_where_there_is_one() -> None:
    mask = labels() == 200
    result = segment_statistics(mask, voxels(np.int16), geometry())
    mesh = mask_surface(mask, geometry(), ctx=Context()).mesh
    told = result.as_json(mesh)
    assert told["surface_volume_ml"] == pytest.approx(told["volume_ml"], rel=0.01)
    assert told["area_mm2"] == pytest.approx(mesh.area_mm2)
    assert set(told) >= {"voxels", "volume_ml", "surface_volume_ml", "area_mm2", "centroid_mm", "hu"}
    assert result.as_json()["area_mm2"] is None


def test_an_image_of_another_shape_is_refused() -> None:
    with pytest.raises(BadInput, match="shape"):
        label_statistics(labels(), np.zeros((3, 3, 3), np.int16), geometry(), ctx=Context())
    with pytest.raises(BadInput, match="shape"):
        segment_statistics(labels()[1:] == 3, None, geometry())


def test_statistics_can_be_cancelled() -> None:
    ctx = Context()
    ctx.cancel()
    with pytest.raises(Cancelled):
        label_statistics(labels(), None, geometry(), ctx=ctx)
