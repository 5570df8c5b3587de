"""Exports through the command: place, colour, remark, presets, empty segments and a disk that is full half-way."""

from __future__ import annotations

import contextlib
import json
import pickle
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import trimesh
from tests.exporting import COLORS, FACES, GRIDS, IMPLANT_COLOR, POSE, REMARK, TETRAHEDRON, export_case, mask
from tests.printing import print_case
from tests.terminal import done, surgitwin

from surgitwin.commands import export_presets
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context

MESHES = (".stl", ".glb", ".ply", ".obj", ".3mf", ".usdz", ".vtp")
COLORED = (".glb", ".ply", ".obj", ".3mf", ".usdz", ".vtp")
NAMES = ("Liver", "Kidney", "Tumour")
CORE = "{http://schemas.microsoft.com/3dmanufacturing/core/2015/02}"
OUT_OF_GLTF = np.array([[1000, 0, 0], [0, 0, -1000], [0, 1000, 0]])  # x, -z, y: metres to LPS millimetres
OPACITY = {"Liver": 0.4}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("export")
    return {grid: export_case(folder / f"{grid}.twin", grid) for grid in GRIDS}


@pytest.fixture(scope="module")
def unsure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unsure") / "case.twin"
    return export_case(path, side_known=False)


def exported(case: Path, out: Path, *more: object) -> Any:
    chosen = [word for name in NAMES for word in ("--segment", name)]
    return done("export", case, out, *chosen, "--implant", "Guide", *more)


# What other programs find in a file: by surface (name or order) its LPS points, triangles and colour

Found = list[tuple[Mesh, tuple[int, ...] | None]]


def read(path: Path) -> Found:
    """The surfaces in a file, in its order: of STL one for each shell."""
    readers = {".stl": _shells, ".ply": _shells, ".obj": _obj, ".glb": _glb, ".3mf": _3mf, ".usdz": _usdz, ".vtp": _vtp}
    return readers[path.suffix](path)


def _mesh(points: Any, triangles: Any) -> Mesh:
    return Mesh(np.asarray(points, np.float32), np.asarray(triangles, np.int32).reshape(-1, 3))


def _shells(path: Path) -> Found:
    whole = trimesh.load_mesh(path)
    shells = whole.split(only_watertight=False)
    assert len(shells) == 4
    colored = path.suffix == ".ply"
    return [(_mesh(s.vertices, s.faces), tuple(s.visual.vertex_colors[0]) if colored else None) for s in shells]


def _obj(path: Path) -> Found:
    colors: dict[str, tuple[int, ...]] = {}
    for line in path.with_suffix(".mtl").read_text().splitlines():
        word, *rest = line.split()
        if word == "newmtl":
            name = rest[0]
        elif word == "Kd":
            colors[name] = tuple(round(255 * float(level)) for level in rest)
        elif word == "d":
            colors[name] = (*colors[name], round(255 * float(rest[0])))
    points, groups = [], dict[str, list[list[int]]]()
    for line in path.read_text().splitlines():
        word, *rest = line.split()
        if word == "v":
            points.append([float(value) for value in rest])
        elif word == "usemtl":
            triangles = groups.setdefault(rest[0], [])
        elif word == "f":
            triangles.append([int(corner) - 1 for corner in rest])
    return [(_mesh(points, rows), colors[name]) for name, rows in groups.items()]


def _glb(path: Path) -> Found:
    scene = trimesh.load_scene(path)
    # Colours from the document itself: trimesh rounds the linear values to 8 bits.
    data = path.read_bytes()
    told = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    colors = {one["name"]: one["pbrMetallicRoughness"]["baseColorFactor"] for one in told["materials"]}
    found = []
    for name in (*NAMES, "Guide"):
        matrix, geometry = scene.graph[name]
        points = trimesh.transform_points(scene.geometry[geometry].vertices, matrix) @ OUT_OF_GLTF.T
        found.append((_mesh(points, scene.geometry[geometry].faces), _srgb(colors[name][:3], colors[name][3])))
    return found


def _srgb(linear: Any, opacity: float) -> tuple[int, ...]:
    levels = np.where(
        np.array(linear) <= 0.0031308, 12.92 * np.array(linear), 1.055 * np.array(linear) ** (1 / 2.4) - 0.055
    )
    return (*(round(255 * float(level)) for level in levels), round(255 * opacity))


def _3mf(path: Path) -> Found:
    root = ElementTree.fromstring(zipfile.ZipFile(path).read("3D/3dmodel.model"))
    bases = [base.get("displaycolor") or "" for base in root.iter(f"{CORE}base")]
    found = []
    for solid in root.iter(f"{CORE}object"):
        points = [[float(v.get(axis) or 0) for axis in "xyz"] for v in solid.iter(f"{CORE}vertex")]
        triangles = [[int(t.get(v) or 0) for v in ("v1", "v2", "v3")] for t in solid.iter(f"{CORE}triangle")]
        color = bases[int(solid.get("pindex") or 0)]
        found.append((_mesh(points, triangles), tuple(bytes.fromhex(color[1:]))))
    return found


def _usdz(path: Path) -> Found:
    from pxr import Usd, UsdGeom, UsdShade

    stage = Usd.Stage.Open(str(path))
    found = []
    for prim in stage.Traverse():
        if prim.IsA(UsdGeom.Mesh):
            mesh = UsdGeom.Mesh(prim)
            material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()
            shader = UsdShade.Shader(stage.GetPrimAtPath(f"{material.GetPath()}/Surface"))
            color = _srgb(shader.GetInput("diffuseColor").Get(), shader.GetInput("opacity").Get())
            points = np.array(mesh.GetPointsAttr().Get()) @ (OUT_OF_GLTF.T / 100)
            found.append((_mesh(points, np.array(mesh.GetFaceVertexIndicesAttr().Get())), color))
    return found


def _vtp(path: Path) -> Found:
    import pyvista

    surface = pyvista.read(path)
    faces, ids = surface.faces.reshape(-1, 4)[:, 1:], surface.cell_data["SurfaceId"]
    assert list(surface.field_data["SPACE"]) == ["LPS"] and list(surface.field_data["SurfaceNames"]) == [
        *NAMES,
        "Guide",
    ]
    return [
        (_mesh(surface.points, faces[ids == n]), tuple(surface.cell_data["Colors"][ids == n][0]))
        for n in np.unique(ids)
    ]


def centre(mesh: Mesh) -> np.ndarray:
    return np.asarray(trimesh.Trimesh(mesh.points, mesh.triangles, process=False).center_mass)


# Place and colour


@pytest.mark.parametrize("grid", list(GRIDS))
@pytest.mark.parametrize("suffix", MESHES)
def test_surfaces_lie_where_the_voxels_lie_and_implants_where_their_pose_says(
    cases: dict[str, Path], tmp_path: Path, grid: str, suffix: str
) -> None:
    geometry = GRIDS[grid]
    exported(cases[grid], tmp_path / f"a{suffix}")
    meshes = [mesh for mesh, _ in read(tmp_path / f"a{suffix}")]
    if suffix in (".stl", ".ply"):  # shells come in any order
        meshes.sort(key=lambda mesh: -mesh.volume_mm3)
    placed = np.array(POSE).reshape(4, 4)
    corners = TETRAHEDRON @ placed[:3, :3].T + placed[:3, 3]
    truth = {name: np.argwhere(mask(name))[:, ::-1] for name in NAMES}
    order = sorted(truth, key=lambda name: -len(truth[name])) if suffix in (".stl", ".ply") else list(truth)
    implant = meshes.pop(next(n for n, mesh in enumerate(meshes) if len(mesh.triangles) == 4))
    for name, mesh in zip(order, meshes, strict=True):
        assert np.allclose(centre(mesh), geometry.to_lps(truth[name].mean(axis=0)), atol=0.1)
        # Positive: the triangles face outwards, so nothing is mirrored.
        assert mesh.volume_mm3 == pytest.approx(len(truth[name]) * geometry.voxel_volume_mm3, rel=0.01)
    tree = {tuple(np.round(point, 2)) for point in implant.points[np.unique(implant.triangles)]}
    assert tree == {tuple(np.round(point, 2)) for point in corners.astype(np.float32)}
    assert implant.volume_mm3 == pytest.approx(Mesh(TETRAHEDRON, FACES).volume_mm3, rel=1e-3) and implant.volume_mm3 > 0


def test_a_surface_that_belongs_to_no_segment_is_exported_by_its_name(tmp_path: Path) -> None:
    case = print_case(tmp_path / "case.twin")
    done("export", case, tmp_path / "a.stl", "--segment", "Open")
    assert np.allclose(trimesh.load_mesh(tmp_path / "a.stl").bounds, [[0, 0, 100], [20, 20, 120]])
    document = done("export", case, tmp_path / "b.3mf", "--segment", "Block", "--segment", "Open")
    assert [row["name"] for row in document["check"]["meshes"]] == ["Block", "Open"]
    assert [warning["code"] for warning in document["warnings"]] == ["side-unknown"]


@pytest.mark.parametrize("suffix", COLORED)
def test_surfaces_have_the_colours_and_opacities_of_the_tree(
    cases: dict[str, Path], tmp_path: Path, suffix: str
) -> None:
    exported(cases["oblique"], tmp_path / f"a{suffix}")
    found = [color for _, color in read(tmp_path / f"a{suffix}")]
    expected = [(*COLORS[name], round(255 * OPACITY.get(name, 1.0))) for name in NAMES]
    assert len(found) == 4
    for one in [*expected, (*IMPLANT_COLOR, 255)]:
        assert one in [tuple(int(level) for level in color or ()) for color in found]


@pytest.mark.parametrize("suffix", MESHES)
def test_a_planning_model_says_so_in_the_file(cases: dict[str, Path], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    done("export", cases["oblique"], path, "--implant", "Guide")
    if suffix == ".vtp":
        import pyvista

        assert list(pyvista.read(path).field_data["REMARKS"]) == REMARK.split("; ")
        return
    content = zipfile.ZipFile(path).read("3D/3dmodel.model") if suffix == ".3mf" else path.read_bytes()
    assert b"not for use in a patient" in content


# Presets


@pytest.mark.parametrize(
    ("preset", "suffix"), [("web", ".glb"), ("hololens", ".glb"), ("mobile", ".glb"), ("mobile", ".usdz")]
)
def test_a_preset_keeps_its_budget_and_says_how_far_each_surface_is_off(
    cases: dict[str, Path], tmp_path: Path, preset: Any, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(export_presets.BUDGETS, preset, 900)
    out = tmp_path / f"a{suffix}"
    told = exported(cases["oblique"], out, "--preset", preset)["preset"]
    meshes = [mesh for mesh, _ in read(out)]
    assert sum(len(mesh.triangles) for mesh in meshes) == told["triangles"] < told["budget_triangles"] == 900
    rows = {row["name"]: row for row in told["meshes"]}
    assert rows["Guide"]["deviation_mm"] is None and rows["Guide"]["triangles"] == 4
    liver = rows["Liver"]
    assert (
        liver["triangles"] < liver["triangles_before"]
        and 0 < liver["deviation_mm"]["p95"] <= liver["deviation_mm"]["max"] < 1
    )
    for name, mesh in zip(NAMES, meshes, strict=False):
        volume = np.count_nonzero(mask(name)) * GRIDS["oblique"].voxel_volume_mm3
        assert len(mesh.triangles) == rows[name]["triangles"] and mesh.volume_mm3 == pytest.approx(volume, rel=0.02)


def test_surfaces_are_reduced_in_a_process_apart_so_that_the_window_is_free(
    cases: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    def apart(self: Context, function: Any, *arguments: Any) -> Any:
        called.append(function.__name__)
        return function(*pickle.loads(pickle.dumps(arguments)), ctx=self)

    monkeypatch.setattr(Context, "apart", apart)
    exported(cases["oblique"], tmp_path / "a.glb", "--preset", "web")
    assert called == ["within_budget"]


def test_a_case_below_the_budget_keeps_all_its_triangles(cases: dict[str, Path], tmp_path: Path) -> None:
    told = exported(cases["oblique"], tmp_path / "a.glb", "--preset", "web")["preset"]
    assert all(row["triangles"] == row["triangles_before"] and row["deviation_mm"] is None for row in told["meshes"])


def test_the_terminal_says_the_preset_and_how_far_surfaces_are_off(
    cases: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(export_presets.BUDGETS, "web", 900)
    answer = surgitwin("export", cases["oblique"], tmp_path / "a.glb", "--preset", "web", "--segment", "Liver")
    assert "fewer than 900" in answer.out and "Liver" in answer.out and "off at most" in answer.out
    answer = surgitwin("export", cases["oblique"], tmp_path / "b.glb", "--preset", "web", "--segment", "Tumour")
    assert "nothing was reduced" in answer.out


# What goes wrong


@pytest.mark.parametrize("suffix", MESHES)
def test_an_empty_segment_is_refused_by_name(cases: dict[str, Path], tmp_path: Path, suffix: str) -> None:
    answer = surgitwin("export", cases["oblique"], tmp_path / f"a{suffix}", "--segment", "Liver", "--segment", "Empty")
    assert answer.status == 3 and "“Empty” is empty" in answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.stl", ("--segment", "Liver")),
        ("a.3mf", ("--segment", "Liver")),
        ("a.3mf", ("--implant", "Guide")),
        ("a.nii.gz", ("--segment", "Liver")),
        ("a.nrrd", ("--segment", "Liver", "--labels", "TABLE")),
        ("a.mha", ()),
        ("a.html", ("--segment", "Liver")),
    ],
)
def test_an_export_says_that_the_side_is_unknown(
    unsure: Path, tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    said = [tmp_path / "a.json" if word == "TABLE" else word for word in words]
    assert surgitwin("export", unsure, tmp_path / name, *said, "--json").codes().count("side-unknown") == 1


def test_an_export_of_a_known_side_says_nothing(cases: dict[str, Path], tmp_path: Path) -> None:
    assert exported(cases["oblique"], tmp_path / "a.glb")["warnings"] == []


@contextlib.contextmanager
def room_for(size: int) -> Iterator[None]:
    """Files may not grow beyond so many bytes, whoever writes them: as on a disk that is full half-way."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("suffix", [*MESHES, ".html", ".nii", ".nii.gz", ".nrrd", ".mha"])
def test_on_a_disk_that_is_full_half_way_the_old_file_stays_and_no_rubbish(
    cases: dict[str, Path], tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"a{suffix}"
    kept = {out: b"old", **({tmp_path / "a.mtl": b"old colours"} if suffix == ".obj" else {})}
    for path, content in kept.items():
        path.write_bytes(content)
    size = 100 if suffix in (".nii", ".nii.gz", ".nrrd", ".mha") else 2000
    with room_for(size):
        answer = surgitwin("export", cases["oblique"], out, "--segment", "Liver", "--overwrite")
    assert answer.status == 3 and f"a{suffix} cannot be written" in answer.err, answer.err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept
