"""ONNX models run on patches: exact labels whatever the grid, its directions, the patches; and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnxruntime", reason="onnxruntime has no wheels for this computer")

from onnx import TensorProto

import networks
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context, Progress
from surgitwin.segmenters import onnx_run
from surgitwin.segmenters.base import Found, Request
from surgitwin.segmenters.grids import ModelGrid
from surgitwin.segmenters.manifest import ModelInput, read_manifest, read_weights
from surgitwin.segmenters.onnx_engine import OnnxEngine

SIZE_IJK = (23, 19, 17)
SPACING_MM = (1.7, 1.3, 2.9)
SLOPE = np.array((0.7, -1.9, 1.1))  # of the ramp, per mm along x, y and z: no two alike


def turned(*order: int, signs: tuple[int, int, int] = (1, 1, 1), angle: float = 0.3) -> Geometry:
    """An oblique grid whose axes are these of the patient's, some of them flipped."""
    a, b = angle, -0.2
    about_z = np.array([[np.cos(a), -np.sin(a), 0.0], [np.sin(a), np.cos(a), 0.0], [0.0, 0.0, 1.0]])
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(b), -np.sin(b)], [0.0, np.sin(b), np.cos(b)]])
    direction = (about_z @ about_x)[:, list(order)] * np.array(signs)
    return Geometry.from_parts(SIZE_IJK, SPACING_MM, (-40.5, -130.25, 200.1), direction)


GRIDS = {
    "straight": Geometry.from_parts(SIZE_IJK, SPACING_MM, (3.0, 4.0, 5.0)),
    "oblique": turned(0, 1, 2),
    "flipped": turned(0, 1, 2, signs=(-1, 1, -1)),
    "left-handed": turned(0, 1, 2, signs=(1, 1, -1)),
    "coronal": turned(0, 2, 1, signs=(1, -1, 1)),
    "sagittal": turned(1, 2, 0, signs=(1, -1, -1)),
}


def ramp(geometry: Geometry) -> NDArray[np.float32]:
    """A value that rises evenly through space, [k, j, i]; 0 in the middle."""
    i, j, k = np.meshgrid(*(np.arange(n) for n in geometry.size_ijk), indexing="ij")
    points = geometry.to_lps(np.stack((i, j, k), axis=-1)) - geometry.centre_mm
    return np.asarray((points @ SLOPE).transpose(2, 1, 0), dtype=np.float32)


def noise(geometry: Geometry) -> NDArray[np.int16]:
    return np.random.default_rng(5).integers(-1000, 2000, geometry.shape_kji).astype(np.int16)


def segment(manifest: Path, voxels: NDArray[Any], geometry: Geometry, **request: Any) -> Found:
    return OnnxEngine().segment(voxels, geometry, Request(str(manifest), **{"modality": "CT", **request}), Context())


def apply(manifest: Path, voxels: NDArray[Any], geometry: Geometry) -> NDArray[Any]:
    """The same computation in this process, for many cases."""
    parsed = read_manifest(manifest)
    task = onnx_run.Task(parsed, read_weights(manifest, parsed)[0], geometry)
    labels: NDArray[Any] = onnx_run.work(task, voxels, Context())
    return labels


def of(**entries: Any) -> dict[str, Any]:
    """The ``input`` of a manifest."""
    return {"spacing_mm": None, "orientation": "LPS", "patch_size": [16, 12, 10], "overlap": 0.5, **entries}


# ---- labels ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("orientation", ["LPS", "RAS", "SLA", "PIR"])
def test_labels_on_the_image_s_own_spacing_are_exact_on_every_grid(tmp_path: Path, name: str, orientation: str) -> None:
    geometry = GRIDS[name]
    voxels = noise(geometry)
    model = networks.steps(tmp_path / "model.onnx", [-200.5, 700.5])
    manifest = networks.manifest(model, labels={"1": "Liver", "2": "Spleen"}, input=of(orientation=orientation))

    labels = apply(manifest, voxels, geometry)

    assert np.array_equal(labels, (voxels > -200.5).astype(np.uint8) + (voxels > 700.5))


@pytest.mark.parametrize("patch", [[64, 64, 64], [23, 19, 17], [9, 7, 5], [1, 1, 1], [30, 5, 40]])
@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.75])
def test_labels_do_not_depend_on_the_patches(tmp_path: Path, patch: list[int], overlap: float) -> None:
    geometry = GRIDS["oblique"]
    voxels = noise(geometry)
    model = networks.steps(tmp_path / "model.onnx", [100.5])

    labels = apply(networks.manifest(model, input=of(patch_size=patch, overlap=overlap)), voxels, geometry)

    assert np.array_equal(labels, voxels > 100.5)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("spacing", [[1.1, 1.1, 1.1], [2.3, 3.1, 1.9], [1.7, 4.0, 0.8]])
@pytest.mark.parametrize("patch", [[64, 64, 64], [8, 8, 6]])
def test_a_border_through_space_is_found_exactly_on_the_model_s_spacing(
    tmp_path: Path, name: str, spacing: list[float], patch: list[int]
) -> None:
    # A ramp is kept by linear resampling, there and back, so the border may not move; only at the image's faces, where
    # there is nothing to interpolate from, may it bend: within the model's voxel there.
    geometry = GRIDS[name]
    voxels = ramp(geometry)
    model = networks.steps(tmp_path / "model.onnx", [-9.0, 6.5])
    manifest = networks.manifest(
        model, labels={"1": "A", "2": "B"}, input=of(spacing_mm=spacing, orientation="RAS", patch_size=patch)
    )

    labels = apply(manifest, voxels, geometry)

    truth = (voxels > -9.0).astype(np.uint8) + (voxels > 6.5)
    inner = np.ones(voxels.shape, bool)
    edge = [int(np.ceil(max(spacing) / own)) for own in geometry.spacing_mm[::-1]]
    for axis, count in enumerate(edge):
        away = np.minimum(np.arange(voxels.shape[axis]), np.arange(voxels.shape[axis])[::-1])
        inner &= (away >= count).reshape([-1 if a == axis else 1 for a in range(3)])
    clear = np.minimum(abs(voxels + 9.0), abs(voxels - 6.5)) > 1e-3  # not on the border itself
    assert {0, 1, 2} == set(truth[inner].tolist())
    assert np.array_equal(labels[inner & clear], truth[inner & clear])
    assert np.mean(labels == truth) > 0.97


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize(("letter", "axis"), [("L", 0), ("R", 0), ("P", 1), ("A", 1), ("S", 2), ("I", 2)])
def test_the_network_sees_the_axes_as_its_manifest_says(tmp_path: Path, name: str, letter: str, axis: int) -> None:
    geometry = GRIDS[name]
    i, j, k = np.meshgrid(*(np.arange(n) for n in geometry.size_ijk), indexing="ij")
    towards_lps = geometry.to_lps(np.stack((i, j, k), axis=-1))[..., axis].transpose(2, 1, 0).astype(np.float32)
    others = {"L": "PS", "R": "PS", "P": "SL", "A": "SL", "S": "LP", "I": "LP"}[letter]
    rises = letter in "LPS"
    for place, tensor_axes, tensor_axis in ((0, "kji", 4), (0, "ijk", 2), (2, "kji", 2), (2, "ijk", 4), (1, "kji", 3)):
        sides = list(others)
        sides.insert(place, letter)
        model = networks.rise(tmp_path / "rise.onnx", tensor_axis)
        entry = of(orientation="".join(sides), tensor_axes=tensor_axes, patch_size=[40, 40, 40])
        labels = apply(networks.manifest(model, input=entry), towards_lps, geometry)
        inner = labels[3:-3, 3:-3, 3:-3]
        assert inner.all() if rises else not inner.any()


def test_regions_are_labelled_by_the_highest_channel_above_the_threshold(tmp_path: Path) -> None:
    geometry = GRIDS["flipped"]
    voxels = noise(geometry)
    model = networks.lines(tmp_path / "model.onnx", [1.0, -1.0], [0.0, 0.0])
    manifest = networks.manifest(
        model, labels={"1": "High", "2": "Low"}, output={"kind": "regions", "threshold": 300.5}
    )

    labels = apply(manifest, voxels, geometry)

    assert np.array_equal(labels, np.where(voxels > 300.5, 1, np.where(voxels < -300.5, 2, 0)))


def test_a_class_without_a_name_becomes_no_segment(tmp_path: Path) -> None:
    geometry = GRIDS["straight"]
    voxels = noise(geometry)
    model = networks.steps(tmp_path / "model.onnx", [0.5, 500.5, 1000.5])

    labels = apply(networks.manifest(model, labels={"2": "Middle"}), voxels, geometry)

    assert np.array_equal(labels == 2, (voxels > 500.5) & (voxels < 1000.5))
    assert set(np.unique(labels)) == {0, 2}


@pytest.mark.parametrize(
    ("intensity", "threshold"),
    [
        ({"mean": 40.0, "sd": 200.0}, (300.25 - 40.0) / 200.0),
        ({"clip": [-100.0, 900.0], "scale_to": [-1.0, 1.0]}, -1.0 + 2.0 * 400.25 / 1000.0),
        ({"clip": [300.0, 301.0]}, 300.25),
        ({}, 300.25),
    ],
)
def test_values_are_brought_to_what_the_network_expects(
    tmp_path: Path, intensity: dict[str, Any], threshold: float
) -> None:
    geometry = GRIDS["straight"]
    voxels = noise(geometry)
    model = networks.steps(tmp_path / "model.onnx", [threshold])

    labels = apply(networks.manifest(model, intensity=intensity), voxels, geometry)

    assert np.array_equal(labels, voxels > 300.25)


def test_values_can_be_brought_to_each_image_s_own_mean_and_deviation(tmp_path: Path) -> None:
    geometry = GRIDS["straight"]
    voxels = noise(geometry)
    clipped = np.clip(voxels.astype(float), -500, 1500)
    model = networks.steps(tmp_path / "model.onnx", [0.25])
    manifest = networks.manifest(model, intensity={"clip": [-500, 1500], "of_image": True})

    labels = apply(manifest, voxels, geometry)

    limit = clipped.mean() + 0.25 * clipped.std()
    clear = abs(voxels - limit) > 0.01
    assert np.array_equal(labels[clear], (voxels > limit)[clear])


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_networks_in_half_and_double_precision_run(tmp_path: Path, kind: int) -> None:
    geometry = GRIDS["straight"]
    voxels = (noise(geometry) // 100).astype(np.int16)
    model = networks.steps(tmp_path / "model.onnx", [3.5], kind=kind)

    assert np.array_equal(apply(networks.manifest(model), voxels, geometry), voxels > 3.5)


def test_a_network_with_fixed_sizes_takes_a_smaller_image_padded(tmp_path: Path) -> None:
    geometry = Geometry.from_parts((5, 30, 3), (1.0, 1.2, 1.4))
    voxels = noise(geometry)
    model = networks.steps(tmp_path / "model.onnx", [100.5], [1, 1, 10, 12, 16])

    assert np.array_equal(apply(networks.manifest(model), voxels, geometry), voxels > 100.5)


@pytest.mark.parametrize("name", GRIDS)
def test_the_model_s_grid_has_its_spacing_its_directions_and_the_image_s_middle(name: str) -> None:
    image = GRIDS[name]

    grid = ModelGrid.of(image, ModelInput(spacing_mm=(2.0, 3.0, 1.5), orientation="RAS", patch_size=(8, 8, 8)))

    assert np.allclose(grid.geometry.spacing_mm, (2.0, 3.0, 1.5))
    assert grid.geometry.axis_letters() == "RAS"
    assert np.allclose(grid.geometry.centre_mm, image.centre_mm)


def test_axes_near_45_degrees_are_matched_to_three_different_ones() -> None:
    image = turned(0, 1, 2, angle=np.pi / 4)

    grid = ModelGrid.of(image, ModelInput(patch_size=(8, 8, 8)))

    assert sorted(grid.axes) == [0, 1, 2]


# ---- the engine --------------------------------------------------------------------------------------------------


def test_the_engine_answers_from_another_process_with_its_estimate_first(tmp_path: Path) -> None:
    geometry = GRIDS["oblique"]
    voxels = noise(geometry)
    model = networks.steps(tmp_path / "model.onnx", [100.5, 900.5])
    digest = networks.sha256(model)
    manifest = networks.manifest(model, labels={"1": "liver", "2": "kidney_left"}, sha256=digest.upper())
    reports: list[Progress] = []

    found = OnnxEngine().segment(voxels, geometry, Request(str(manifest), "CT"), Context(reports.append))

    assert np.array_equal(found.labels, (voxels > 100.5).astype(np.uint8) + (voxels > 900.5))
    assert found.names == {1: "Liver", 2: "Left kidney"}
    assert (found.model.name, found.model.version, found.model.weights_sha256) == ("Small network", "1.2", digest)
    assert reports[0].message.startswith("Small network: about ") and reports[0].message.endswith("MB of memory")


def test_progress_runs_from_the_estimate_to_the_end(tmp_path: Path) -> None:
    geometry = GRIDS["oblique"]
    path = networks.manifest(networks.steps(tmp_path / "model.onnx", [100.5]))
    manifest = read_manifest(path)
    reports: list[Progress] = []

    onnx_run.work(
        onnx_run.Task(manifest, read_weights(path, manifest)[0], geometry), noise(geometry), Context(reports.append)
    )

    fractions = [report.fraction for report in reports if report.fraction is not None]
    assert "about" in reports[0].message
    assert (fractions[0], fractions[-1]) == (0.0, 1.0) and fractions == sorted(fractions)


def test_the_estimate_grows_with_the_number_of_patches_and_the_image(tmp_path: Path) -> None:
    manifest = networks.manifest(networks.steps(tmp_path / "model.onnx", [0.5]), input=of(patch_size=[32, 32, 32]))
    small, large = (Geometry.from_parts((n, n, n), (1, 1, 1)) for n in (32, 400))

    costs = [OnnxEngine().estimate(grid, Request(str(manifest)), Context()) for grid in (small, large)]

    assert costs[1].seconds > 100 * costs[0].seconds
    assert costs[1].bytes > costs[0].bytes + 400**3 * 4
    assert not costs[0].rough


@pytest.mark.parametrize("free", [1_000, 60_000_000])
def test_too_little_memory_is_said_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    geometry = Geometry.from_parts((150, 150, 150), (1, 1, 1))
    manifest = networks.manifest(networks.steps(tmp_path / "model.onnx", [0.5]))
    monkeypatch.setattr("surgitwin.segmenters.onnx_engine.free_bytes", lambda: free)
    voxels = np.zeros(geometry.shape_kji, np.int16)

    with pytest.raises(BadInput, match=r"needs about \d+ MB of memory and only \d+ MB is free: close other"):
        segment(manifest, voxels, geometry)

    assert segment(manifest, voxels, geometry, check_memory=False).labels.shape == geometry.shape_kji


def refused(manifest: Path, words: str, **request: Any) -> None:
    geometry = GRIDS["straight"]
    with pytest.raises(BadInput, match=words) as caught:
        segment(manifest, noise(geometry), geometry, **request)
    assert "\n" not in str(caught.value) and str(caught.value).endswith((".", "one."))


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"modality": "MR"}, "meant for MR images, but this one is CT"),
        ({"sha256": "0" * 64}, r"not the one that the manifest model\.json describes"),
        ({"sha256": "abc"}, "“sha256” in the manifest"),
        ({"file": "none.onnx"}, r"model none\.onnx .* is missing: put it beside"),
        ({"file": "../model.onnx"}, "outside its folder"),
        ({"labels": None}, "lacks “labels”"),
        ({"labels": {}}, "“labels” in the manifest"),
        ({"labels": {"0": "Background"}}, "“labels.0” in the manifest"),
        ({"labels": {"1": "Liver", "2": "liver"}}, "two labels are called Liver"),
        ({"labels": {"1": "Liver", "2": "Spleen"}}, "names the label 2, but the network tells only 1 classes apart"),
        ({"label": {"1": "Liver"}}, "an entry “label” that is not known"),
        ({"input": {"patch_size": [0, 8, 8]}}, r"“input\.patch_size\.0” in the manifest"),
        ({"input": {"patch_size": [8, 8, 8], "spacing_mm": [1, -1, 1]}}, r"“input\.spacing_mm\.1” in the manifest"),
        ({"input": {"patch_size": [8, 8, 8], "orientation": "LRS"}}, "three letters, one each of L or R"),
        ({"input": {"patch_size": [8, 8, 8], "overlap": 1.0}}, r"“input\.overlap” in the manifest"),
        ({"intensity": {"mean": 3.0}}, "mean and sd belong together"),
        ({"intensity": {"mean": 3.0, "sd": 0.0}}, r"“intensity\.sd” in the manifest"),
        ({"intensity": {"clip": [5, 1]}}, "lowest and then the highest"),
        ({"intensity": {"scale_to": [0, 1]}}, "scale_to needs clip"),
        ({"intensity": {"clip": [0, 1], "scale_to": [0, 1], "of_image": True}}, "give either mean and sd"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_by_name(tmp_path: Path, entries: dict[str, Any], words: str) -> None:
    refused(networks.manifest(networks.steps(tmp_path / "model.onnx", [0.5]), **entries), words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", r"manifest model\.json cannot be read as JSON"),
        ("[]", r"manifest model\.json is not right"),
        ('{"labels": {"1": "A", "1": "B"}}', "“1” occurs twice"),
    ],
)
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, text: str, words: str) -> None:
    manifest = networks.manifest(networks.steps(tmp_path / "model.onnx", [0.5]))
    manifest.write_text(text, encoding="utf-8")

    refused(manifest, words)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"model": ""}, "Name the model"),
        ({"model": "none.json"}, r"no manifest none\.json"),
        ({"device": "gpu"}, "device=cpu"),
        ({"fast": True}, "no setting “fast”"),
        ({"download": True}, "no setting “download”"),
    ],
)
def test_what_an_onnx_model_cannot_do_is_refused(request_: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        OnnxEngine().segment(np.zeros((2, 2, 2)), GRIDS["straight"], Request(**request_), Context())


def test_the_manifest_in_the_guide_is_right(tmp_path: Path) -> None:
    guide = Path(__file__).parents[2] / "docs" / "user" / "networks.md"
    (text,) = re.findall(r"```json\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "manifest.json"
    path.write_text(text, encoding="utf-8")

    manifest = read_manifest(path)

    assert (manifest.input.tensor_axes, dict(manifest.labels)) == ("ijk", {1: "Liver", 2: "Spleen"})


def test_a_broken_model_is_refused(tmp_path: Path) -> None:
    model = networks.steps(tmp_path / "model.onnx", [0.5])
    model.write_bytes(model.read_bytes()[:40])

    refused(networks.manifest(model), r"model\.onnx of Small network cannot be run")


def test_a_model_for_other_patches_is_refused(tmp_path: Path) -> None:
    model = networks.steps(tmp_path / "model.onnx", [0.5], [1, 1, 16, 12, 10])

    refused(networks.manifest(model), "correct patch_size or tensor_axes")


def test_an_image_with_voxels_that_are_no_numbers_is_refused(tmp_path: Path) -> None:
    manifest = networks.manifest(networks.steps(tmp_path / "model.onnx", [0.5]))
    voxels = ramp(GRIDS["straight"])
    voxels[3, 4, 5] = np.nan

    with pytest.raises(BadInput, match="voxels that are not numbers"):
        segment(manifest, voxels, GRIDS["straight"])


def test_an_answer_that_is_no_number_is_refused(tmp_path: Path) -> None:
    model = networks.lines(tmp_path / "model.onnx", [1e38, -1e38], [0.0, 0.0])

    refused(networks.manifest(model), "not a number: it does not suit it")


def test_a_missing_onnxruntime_is_said_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = networks.manifest(networks.steps(tmp_path / "model.onnx", [0.5]))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    refused(manifest, r"pip install surgitwin\[onnx\]")
