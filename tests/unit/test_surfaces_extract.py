"""Surfaces of analytic shapes and of the awkward arrangements of voxels that open or tangle a mesh."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context, Progress
from surgitwin.surfaces import SurfaceResult, check_mesh, is_closed, mask_surface, merge_vertices, surfaces_from_labels

Mask = NDArray[np.bool_]


def positions(geometry: Geometry) -> NDArray[np.float64]:
    """LPS position of every voxel, shape [k, j, i, 3]."""
    k, j, i = np.indices(geometry.shape_kji)
    return geometry.to_lps(np.stack((i, j, k), axis=-1))


def sphere(geometry: Geometry, radius_mm: float) -> Mask:
    return np.asarray(np.linalg.norm(positions(geometry) - geometry.centre_mm, axis=-1) <= radius_mm)


def torus(geometry: Geometry, ring_mm: float, tube_mm: float) -> Mask:
    x, y, z = np.moveaxis(positions(geometry) - geometry.centre_mm, -1, 0)
    y, z = 0.8 * y - 0.6 * z, 0.6 * y + 0.8 * z
    return np.asarray(np.hypot(np.hypot(x, y) - ring_mm, z) <= tube_mm)


def oblique(size: int, *, flip: bool) -> Geometry:
    a, b = 0.4, -0.7
    turn_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    direction = turn_z @ turn_x @ np.diag([1, 1, -1 if flip else 1])
    return Geometry.from_parts((size, size, size), (0.9, 1.1, 1.3), (-120.5, 33.25, 701.0), direction)


def surface(mask: Mask, geometry: Geometry | None = None, smoothing: float = 0.5) -> SurfaceResult:
    geometry = geometry or Geometry.from_parts(mask.shape[::-1])
    return mask_surface(mask, geometry, smoothing=smoothing, ctx=Context())


def through_stl(mesh: Mesh, path: Path) -> Mesh:
    """What a reader gets from a binary STL file: coordinates alone, vertices found again by equality."""
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    facets = np.zeros(len(mesh.triangles), record)
    facets["corners"] = mesh.points[mesh.triangles]
    path.write_bytes(b"\0" * 80 + struct.pack("<I", len(facets)) + facets.tobytes())
    read = np.frombuffer(path.read_bytes()[84:], record)["corners"].reshape(-1, 3)
    return merge_vertices(Mesh(read.astype(np.float32), np.arange(len(read), dtype=np.int32).reshape(-1, 3)))


def assert_sound(result: SurfaceResult, *, within_percent: float | None = 1.0) -> None:
    """Closed and manifold, outwards, as large as its voxels; also after vertices were merged by coordinates."""
    check = check_mesh(result.mesh, reference_ml=result.voxel_volume_ml, intersections_up_to=0)
    assert check.closed and check.manifold and check.outward
    assert is_closed(merge_vertices(result.mesh))
    assert result.closed
    assert result.volume_error_percent == pytest.approx(check.volume_error_percent, abs=0.05)
    if within_percent is not None:
        assert abs(check.volume_error_percent or 0.0) <= within_percent


@pytest.mark.parametrize("radius", [4.0, 12.0, 20.0])
def test_a_sphere_is_closed_and_lies_within_a_fifth_of_a_voxel_of_the_true_one(radius: float) -> None:
    geometry = Geometry.from_parts((int(2 * radius) + 7,) * 3, origin_mm=(5.2, -3.1, 8.4))
    result = surface(sphere(geometry, radius), geometry)
    assert_sound(result, within_percent=0.1)
    distance = np.linalg.norm(result.mesh.points - geometry.centre_mm, axis=1) - radius
    assert np.sqrt(np.mean(distance**2)) < 0.1
    assert np.abs(distance).max() < 0.6


def test_normals_of_a_sphere_are_smooth() -> None:
    geometry = Geometry.from_parts((47, 47, 47))
    mesh = surface(sphere(geometry, 20.0), geometry).mesh
    a, b, c = (mesh.points[mesh.triangles[:, corner]].astype(np.float64) for corner in range(3))
    normals = np.cross(b - a, c - a)
    areas = np.linalg.norm(normals, axis=1)
    outward = (a + b + c) / 3 - geometry.centre_mm
    cosine = (normals * outward).sum(axis=1) / (areas * np.linalg.norm(outward, axis=1))
    degrees = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    assert np.sqrt(np.average(degrees**2, weights=areas)) < 3.0


@pytest.mark.parametrize("tube", [1.5, 2.0, 3.0])
def test_a_thin_vessel_keeps_its_volume_and_its_radius(tube: float) -> None:
    geometry = Geometry.from_parts((56, 56, 56), origin_mm=(0.2, 0.4, 0.1))
    result = surface(torus(geometry, 20.0, tube), geometry)
    assert_sound(result, within_percent=0.1)
    x, y, z = (result.mesh.points - geometry.centre_mm).T
    y, z = 0.8 * y - 0.6 * z, 0.6 * y + 0.8 * z
    assert np.median(np.hypot(np.hypot(x, y) - 20.0, z)) == pytest.approx(tube, abs=0.1)
    assert check_mesh(result.mesh).shells == 1
    assert check_mesh(result.mesh).self_intersections == 0


def test_a_vessel_on_a_large_organ_keeps_its_radius_too() -> None:
    geometry = Geometry.from_parts((70, 40, 40))
    x, y, z = np.moveaxis(positions(geometry), -1, 0)
    tube = (np.hypot(y - 19.6, z - 20.3) <= 2.0) & (x >= 20) & (x < 66)
    mask = (np.sqrt((x - 17) ** 2 + (y - 20) ** 2 + (z - 20) ** 2) <= 14.0) | tube
    mesh = surface(mask, geometry).mesh
    along = mesh.points[(mesh.points[:, 0] > 38) & (mesh.points[:, 0] < 60)]
    radius = np.hypot(along[:, 1] - 19.6, along[:, 2] - 20.3)
    across = np.sqrt(tube[:, :, 45].sum() / np.pi)
    assert radius.mean() == pytest.approx(across, abs=0.06)


@pytest.mark.parametrize("flip", [False, True])
def test_normals_point_outwards_on_oblique_and_left_handed_grids(flip: bool) -> None:
    geometry = oblique(40, flip=flip)
    assert geometry.left_handed == flip
    result = surface(sphere(geometry, 13.0), geometry)
    assert_sound(result)
    assert result.mesh.volume_ml == pytest.approx(4 / 3 * np.pi * 13.0**3 / 1000, rel=0.01)
    assert np.allclose(result.mesh.points.mean(axis=0), geometry.centre_mm, atol=0.1)


@pytest.mark.parametrize("axes", [(-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1)])
def test_flipped_axes_give_the_same_surface_of_the_same_place(axes: tuple[int, int, int]) -> None:
    geometry = Geometry.from_parts((30, 30, 30), (1, 1, 1), np.where(np.array(axes) < 0, 29, 0), np.diag(axes))
    x, y, z = np.moveaxis(positions(geometry), -1, 0)
    result = surface((x - 12) ** 2 / 81 + (y - 14) ** 2 / 36 + (z - 16) ** 2 / 49 <= 1, geometry)
    assert_sound(result)
    assert np.allclose(result.mesh.points.mean(axis=0), (12, 14, 16), atol=0.05)


def test_thick_slices_keep_the_volume() -> None:
    geometry = Geometry.from_parts((61, 61, 17), (0.7, 0.7, 3.1))
    result = surface(sphere(geometry, 17.0), geometry)
    assert result.voxel_volume_ml > 5
    assert_sound(result, within_percent=0.1)
    distance = np.linalg.norm(result.mesh.points - geometry.centre_mm, axis=1) - 17.0
    assert np.sqrt(np.mean(distance**2)) < 0.5


def test_one_voxel_becomes_a_closed_surface_of_its_volume() -> None:
    mask = np.zeros((5, 5, 5), np.bool_)
    mask[2, 2, 2] = True
    result = surface(mask, Geometry.from_parts((5, 5, 5), (0.5, 2.0, 3.0)))
    assert_sound(result)
    assert result.mesh.volume_mm3 == pytest.approx(3.0, rel=1e-3)


@pytest.mark.parametrize("other", [(1, 1, 0), (1, 1, 1), (0, 1, -1)])
def test_voxels_that_touch_at_an_edge_or_a_corner_become_two_closed_shells(other: tuple[int, int, int]) -> None:
    mask = np.zeros((6, 6, 6), np.bool_)
    mask[2, 2, 2] = mask[2 + other[0], 2 + other[1], 2 + other[2]] = True
    result = surface(mask)
    assert_sound(result)
    assert check_mesh(result.mesh).shells == 2


def test_voxels_that_touch_at_an_edge_and_are_joined_around_both_its_ends_are_manifold() -> None:
    mask = np.zeros((6, 6, 6), np.bool_)
    mask[2, 2, 2] = mask[2, 3, 3] = True
    for k in (1, 3):
        mask[k, 2, 2:4] = mask[k, 3, 3] = True
    assert_sound(surface(mask))


def test_a_checkerboard_is_closed_and_every_voxel_its_own_shell() -> None:
    k, j, i = np.indices((8, 8, 8))
    result = surface((i + j + k) % 2 == 0)
    assert_sound(result)
    check = check_mesh(result.mesh)
    assert (check.shells, check.self_intersections) == (256, 0)


def test_walls_and_gaps_of_one_voxel_are_closed_as_large_as_their_voxels_and_do_not_cross() -> None:
    mask = np.zeros((26, 26, 26), np.bool_)
    mask[10, 3:23, 3:23] = mask[12, 3:23, 3:23] = mask[10:20, 12, 3:23] = True
    result = surface(mask)
    assert_sound(result)
    assert check_mesh(result.mesh).self_intersections == 0


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.05, 0.95), size=st.integers(2, 11))
def test_random_voxels_give_a_closed_manifold_surface_of_their_volume(seed: int, share: float, size: int) -> None:
    mask = np.random.default_rng(seed).random((size, size + 1, size + 2)) < share
    mask[0, 0, 0] = True
    result = surface(mask)
    assert_sound(result)
    assert result.voxels == np.count_nonzero(mask)


@pytest.mark.parametrize("smoothing", [0.0, 0.25, 0.75, 1.0])
def test_any_smoothing_keeps_it_closed_and_its_volume(smoothing: float) -> None:
    geometry = Geometry.from_parts((40, 40, 40))
    result = surface(torus(geometry, 12.0, 3.0), geometry, smoothing)
    assert_sound(result)


def test_more_smoothing_flattens_the_steps_of_a_slope_further() -> None:
    geometry = Geometry.from_parts((60, 60, 40))
    x, y, z = np.moveaxis(positions(geometry), -1, 0)
    mask = (z < 20 + 0.1 * (x - 30) + 0.03 * (y - 30)) & (z > 4)
    spread = []
    for smoothing in (0.0, 0.5, 1.0):
        points = surface(mask, geometry, smoothing).mesh.points
        top = points[(np.abs(points[:, :2] - 30) < 18).all(axis=1) & (points[:, 2] > 12)]
        spread.append(np.std(top[:, 2] - 0.1 * top[:, 0] - 0.03 * top[:, 1]))
    assert spread[0] > spread[1] > spread[2]
    assert spread[2] < 0.15


def test_a_segment_at_the_edge_of_the_image_is_closed_and_marked_as_cut_off() -> None:
    geometry = Geometry.from_parts((20, 20, 20))
    mask = np.zeros((20, 20, 20), np.bool_)
    mask[:9, 4:15, 12:] = True
    result = surface(mask, geometry)
    assert_sound(result)
    assert result.touches_edge
    assert "cut-off" in [notice.code for notice in result.notices]


def test_an_image_that_is_full_gives_a_closed_block() -> None:
    result = surface(np.ones((9, 8, 7), np.bool_))
    assert_sound(result)
    assert result.voxels == 9 * 8 * 7


def test_a_crop_gives_the_surface_of_the_whole_image_and_knows_the_edge() -> None:
    geometry = oblique(40, flip=True)
    mask = sphere(geometry, 9.0)
    whole = surface(mask, geometry)
    box = Box.of_mask(mask).grown(3, geometry.size_ijk)
    crop = mask_surface(mask[box.slices], geometry, box, ctx=Context())
    assert np.allclose(crop.mesh.points, whole.mesh.points, atol=1e-3)
    assert np.array_equal(crop.mesh.triangles, whole.mesh.triangles)
    assert not crop.touches_edge
    tight = mask_surface(mask[Box.of_mask(mask).slices], geometry, Box.of_mask(mask), ctx=Context())
    assert not tight.touches_edge and not tight.notices


def test_adjacent_and_nested_labels_each_get_a_closed_surface_of_their_own() -> None:
    geometry = Geometry.from_parts((40, 36, 32), (0.8, 0.9, 1.2))
    labels = np.zeros(geometry.shape_kji, np.uint16)
    labels[4:28, 4:32, 4:20] = 3
    labels[4:28, 4:32, 20:36] = 700
    labels[10:20, 10:20, 10:30] = 41
    labels[14, 14, 14] = 3
    results = surfaces_from_labels(labels, geometry, ctx=Context())
    assert list(results) == [3, 41, 700]
    for value, result in results.items():
        assert_sound(result)
        assert result.voxels == np.count_nonzero(labels == value)
        alone = surface(labels == value, geometry)
        assert np.allclose(alone.mesh.points, result.mesh.points, atol=1e-3)


def test_eight_labels_that_meet_in_one_point_are_all_closed() -> None:
    labels = np.ones((8, 8, 8), np.uint8)
    labels[4:] += 1
    labels[:, 4:] += 2
    labels[:, :, 4:] += 4
    results = surfaces_from_labels(labels, Geometry.from_parts((8, 8, 8)), ctx=Context())
    assert list(results) == [1, 2, 3, 4, 5, 6, 7, 8]
    for result in results.values():
        assert_sound(result)
        assert result.voxels == 64


@pytest.mark.parametrize("threads", [1, 3])
def test_random_labels_give_the_same_closed_surfaces_with_any_number_of_threads(threads: int) -> None:
    labels = np.random.default_rng(5).integers(0, 6, (14, 15, 16)).astype(np.uint8)
    geometry = Geometry.from_parts((16, 15, 14))
    results = surfaces_from_labels(labels, geometry, ctx=Context(), threads=threads)
    assert list(results) == [1, 2, 3, 4, 5]
    for value, result in results.items():
        assert_sound(result, within_percent=None)
        assert np.array_equal(result.mesh.triangles, surface(labels == value, geometry).mesh.triangles)


def test_only_the_wanted_labels_are_made_and_an_absent_one_is_empty() -> None:
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[2:5, 2:5, 2:5], labels[5:8, 5:8, 5:8] = 1, 2
    results = surfaces_from_labels(labels, Geometry.from_parts((10, 10, 10)), [2, 9], ctx=Context())
    assert list(results) == [2, 9]
    assert_sound(results[2])
    assert results[9].mesh.empty and not results[9].closed and results[9].volume_error_percent is None
    assert [notice.code for notice in results[9].notices] == ["empty-segment"]
    assert surfaces_from_labels(labels * 0, Geometry.from_parts((10, 10, 10)), ctx=Context()) == {}


def test_a_surface_is_still_closed_and_as_large_when_read_back_from_an_stl_file(tmp_path: Path) -> None:
    geometry = Geometry.from_parts((50, 50, 50), (0.75, 0.75, 0.75), (-812.3, 455.1, -1204.9))
    mask = torus(geometry, 12.0, 1.3) | sphere(geometry, 5.0)
    mask |= np.random.default_rng(3).random(mask.shape) < 0.02
    result = surface(mask, geometry)
    read = through_stl(result.mesh, tmp_path / "surface.stl")
    assert is_closed(read)
    assert read.volume_ml == pytest.approx(result.voxel_volume_ml, rel=0.01)


def test_the_mask_of_another_shape_is_refused_in_words() -> None:
    geometry = Geometry.from_parts((5, 6, 7))
    with pytest.raises(BadInput, match=r"\(5, 6, 7\).*\(7, 6, 5\)"):
        surfaces_from_labels(np.zeros((5, 6, 7), np.uint8), geometry, ctx=Context())
    with pytest.raises(BadInput, match="place in the image"):
        mask_surface(np.zeros((5, 6, 7), np.bool_), geometry, ctx=Context())
    with pytest.raises(BadInput, match="uint8 or uint16"):
        surfaces_from_labels(np.zeros((7, 6, 5), np.float32), geometry, ctx=Context())  # type: ignore[arg-type]


@pytest.mark.parametrize("smoothing", [-0.1, 1.5, float("nan")])
def test_a_smoothing_outside_its_range_is_refused(smoothing: float) -> None:
    with pytest.raises(BadInput, match="between 0 and 1"):
        surface(np.ones((3, 3, 3), np.bool_), smoothing=smoothing)


def test_making_surfaces_reports_progress_and_can_be_cancelled() -> None:
    labels = np.random.default_rng(1).integers(0, 20, (20, 20, 20)).astype(np.uint8)
    geometry = Geometry.from_parts((20, 20, 20))
    seen: list[Progress] = []
    surfaces_from_labels(labels, geometry, ctx=Context(seen.append))
    fractions = [report.fraction or 0.0 for report in seen]
    assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1.0)
    ctx = Context(lambda report: ctx.cancel() if (report.fraction or 0) > 0.5 else None)
    with pytest.raises(Cancelled):
        surfaces_from_labels(labels, geometry, ctx=ctx)
