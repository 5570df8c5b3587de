"""From a real label map to files for other programs and back: closed, right volume, right side."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from surgitwin.core.progress import Context
from surgitwin.exchange.labelmap_out import write_labels
from surgitwin.exchange.mesh_in import read_surface_file
from surgitwin.exchange.mesh_out import MeshItem, export_meshes
from surgitwin.segmentation.labelmaps import LabelMapFile, read_labelmap, resample_labels
from surgitwin.segmentation.terminology import match_term
from surgitwin.surfaces import check_mesh, surfaces_from_labels

DATA = Path(__file__).parent.parent / "data" / "abdomen-3mm"
ORGANS = ("liver", "spleen", "stomach", "aorta", "kidney_left", "kidney_right", "lung_lower_lobe_left")


@pytest.fixture(scope="module")
def labels() -> LabelMapFile:
    return read_labelmap(DATA / "labels.nii.gz")


@pytest.fixture(scope="module")
def items(labels: LabelMapFile) -> dict[str, tuple[MeshItem, float]]:
    """Surface and voxel volume (ml) of each organ that the excerpt holds."""
    values = {name: value for (_, value), name in labels.names.items() if name in ORGANS}
    surfaces = surfaces_from_labels(labels.layers[0], labels.geometry, list(values.values()), ctx=Context())
    found = {}
    for name, value in values.items():
        term = match_term(name)
        assert term is not None
        found[name] = (MeshItem(term.name, surfaces[value].mesh, term.color), surfaces[value].voxel_volume_ml)
    assert len(found) >= 5
    return found


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".obj"])
def test_exported_organs_are_closed_and_within_one_percent_of_their_voxels(
    tmp_path: Path, items: dict[str, tuple[MeshItem, float]], suffix: str
) -> None:
    for name, (item, voxel_ml) in items.items():
        if voxel_ml <= 5:
            continue
        path = tmp_path / f"{name}{suffix}"
        export_meshes([item], path)
        mesh = read_surface_file(path).mesh
        assert check_mesh(mesh).closed, name
        assert abs(mesh.volume_ml / voxel_ml - 1) < 0.01, name


def test_left_organs_stay_left_of_right_organs_in_a_glb(
    tmp_path: Path, items: dict[str, tuple[MeshItem, float]]
) -> None:
    path = tmp_path / "twin.glb"
    export_meshes([item for item, _ in items.values()], path)
    scene = trimesh.load(path)
    centres = {node: scene.geometry[scene.graph[node][1]].centroid for node in scene.graph.nodes_geometry}
    assert centres["Spleen"][0] > centres["Liver"][0] + 0.05  # +x is the patient's left
    assert centres["Aorta"][2] < centres["Stomach"][2]  # +z is anterior
    for node in scene.graph.nodes_geometry:
        assert scene.geometry[scene.graph[node][1]].volume > 0


def test_labels_written_on_a_turned_grid_come_home_to_the_image(tmp_path: Path, labels: LabelMapFile) -> None:
    """Out to another grid at an angle and back: Dice stays high, nothing is mirrored."""
    from surgitwin.core.geometry import Geometry

    angle = np.deg2rad(12)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    turn = turn @ np.diag([-1.0, 1.0, 1.0])
    size, spacing = np.array([260, 200, 120]), np.array([1.8, 1.7, 1.6])
    origin = labels.geometry.centre_mm - turn @ (spacing * (size - 1) / 2)
    other = Geometry.from_parts(size, spacing, origin, turn)
    placed, notices = resample_labels(labels.layers[0], labels.geometry, other)
    assert not [notice for notice in notices if notice.code == "labels-outside"]
    path = write_labels(tmp_path / "turned.nii.gz", placed, other, {v: n for (_, v), n in labels.names.items()})
    read = read_labelmap(path)
    back, _ = resample_labels(read.layers[0], read.geometry, labels.geometry)
    for name in ("liver", "spleen"):
        key = next(key for key, title in read.names.items() if title == name)
        first, second = labels.voxels(key), back == key[1]
        assert 2 * np.count_nonzero(first & second) / (first.sum() + second.sum()) > 0.97
