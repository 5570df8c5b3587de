"""Surfaces and statistics of a real abdomen: all labels at once, on a grid fine enough to hold real shapes."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import find_objects, gaussian_filter, zoom

from surgitwin.core.geometry import Geometry, lps_to_ras
from surgitwin.core.progress import Context
from surgitwin.surfaces import (
    SurfaceResult,
    check_mesh,
    decimate,
    is_closed,
    label_statistics,
    merge_vertices,
    surfaces_from_labels,
)

ABDOMEN = Path(__file__).parents[1] / "data" / "abdomen-3mm"
Labels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def abdomen() -> tuple[Labels, Geometry]:
    """The labels of the abdomen on a grid of 1.5 mm, smoothed so that steps of 3 mm do not show."""
    image = nibabel.load(ABDOMEN / "labels.nii.gz")
    coarse = np.asarray(image.dataobj).astype(np.uint8).transpose(2, 1, 0)
    labels = np.zeros([2 * n for n in coarse.shape], np.uint8)
    best = np.full(labels.shape, 0.5, np.float32)
    for value, found in enumerate(find_objects(coarse), start=1):
        if found is None:
            continue
        box = [slice(max(s.start - 2, 0), min(s.stop + 2, n)) for s, n in zip(found, coarse.shape, strict=True)]
        blurred = gaussian_filter((coarse[tuple(box)] == value).astype(np.float32), 0.5)
        strength = zoom(blurred, 2, order=1, grid_mode=True, mode="nearest")
        place = tuple(slice(2 * s.start, 2 * s.stop) for s in box)
        stronger = strength > best[place]
        labels[place][stronger], best[place][stronger] = value, strength[stronger]
    affine = lps_to_ras(image.affine) @ np.diag([0.5, 0.5, 0.5, 1])
    return labels, Geometry.from_affine(labels.shape[::-1], affine)


@pytest.fixture(scope="module")
def surfaces(abdomen: tuple[Labels, Geometry]) -> dict[int, SurfaceResult]:
    return surfaces_from_labels(*abdomen, ctx=Context())


def test_every_organ_is_closed_manifold_outward_and_free_of_crossings(surfaces: dict[int, SurfaceResult]) -> None:
    assert len(surfaces) > 40
    for value, result in surfaces.items():
        check = check_mesh(result.mesh)
        assert check.closed and check.manifold and check.outward, value
        assert check.self_intersections == 0, value
        assert is_closed(merge_vertices(result.mesh)), value


def test_every_organ_has_the_volume_of_its_voxels(
    abdomen: tuple[Labels, Geometry], surfaces: dict[int, SurfaceResult]
) -> None:
    labels, geometry = abdomen
    large = 0
    for value, result in surfaces.items():
        voxels = np.count_nonzero(labels == value)
        ml = voxels * geometry.voxel_volume_mm3 / 1000
        assert result.voxels == voxels
        assert result.voxel_volume_ml == pytest.approx(ml)
        if ml > 5:
            large += 1
            assert result.mesh.volume_ml == pytest.approx(ml, rel=0.01), value
    assert large > 25


def test_surfaces_and_statistics_agree_on_size_place_and_edge(
    abdomen: tuple[Labels, Geometry], surfaces: dict[int, SurfaceResult]
) -> None:
    labels, geometry = abdomen
    statistics = label_statistics(labels, None, geometry, ctx=Context())
    assert list(statistics) == list(surfaces)
    for value, found in statistics.items():
        result = surfaces[value]
        assert (found.voxels, found.touches_edge) == (result.voxels, result.touches_edge)
        low, high = geometry.cropped(found.box).bounds_mm()
        points = result.mesh.points
        assert np.all(points > low - geometry.spacing_mm) and np.all(points < high + geometry.spacing_mm)
        told = found.as_json(result.mesh)
        assert told["surface_volume_ml"] == pytest.approx(told["volume_ml"], rel=0.01)


def test_the_liver_can_be_decimated_to_a_tenth(surfaces: dict[int, SurfaceResult]) -> None:
    liver = max(surfaces.values(), key=lambda result: result.voxels)
    fewer = decimate(liver.mesh, len(liver.mesh.triangles) // 10, Context())
    check = check_mesh(fewer, reference_ml=liver.voxel_volume_ml)
    assert check.closed and check.manifold and check.self_intersections == 0
    assert abs(check.volume_error_percent or 0.0) < 1.0
