"""Surfaces out and in: unit, frame, handedness, names and colours; damaged files are refused."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.exchange.glb import LPS_MM_TO_GLTF
from surgitwin.exchange.mesh_in import read_surface_file
from surgitwin.exchange.mesh_out import MeshItem, export_meshes

# A tetrahedron that looks different in every mirror: 10 mm to the left, 20 back, 30 up, off the origin.
CORNERS = np.array([[50, -20, 100], [60, -20, 100], [50, 0, 100], [50, -20, 130]], dtype=np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], dtype=np.int32)


def tetrahedron(shift: tuple[float, float, float] = (0, 0, 0)) -> Mesh:
    return Mesh(CORNERS + np.array(shift, dtype=np.float32), FACES)


def ball(radius: float, centre: tuple[float, float, float]) -> Mesh:
    sphere = trimesh.creation.icosphere(4, radius)
    return Mesh((sphere.vertices + centre).astype(np.float32), sphere.faces.astype(np.int32))


LEFT = MeshItem("Left kidney", ball(20, (80, 10, -30)), (150, 90, 70))
RIGHT = MeshItem("Right kidney: α/β", tetrahedron((-130, 0, 0)), (20, 200, 255), 0.4)


def same_surface(first: Mesh, second: Mesh, tolerance: float = 1e-5) -> bool:
    """Same triangles at the same places, whatever the numbering of the points."""

    def corners(mesh: Mesh) -> NDArray[np.float64]:
        return mesh.points[mesh.triangles].astype(np.float64)

    return bool(np.abs(corners(first) - corners(second)).max() <= tolerance)


def test_the_test_shape_has_its_analytic_volume() -> None:
    assert tetrahedron().volume_mm3 == pytest.approx(10 * 20 * 30 / 6)


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".obj"])
def test_a_surface_comes_back_from_its_file_where_it_was(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"kidney{suffix}"
    result = export_meshes([LEFT], path)
    read = read_surface_file(path)
    assert same_surface(read.mesh, LEFT.mesh)
    assert read.frame_known and read.notices == ()
    assert len(read.mesh.points) == len(LEFT.mesh.points)
    assert (result.unit, result.frame, result.triangles) == ("mm", "LPS", len(LEFT.mesh.triangles))
    assert result.volume_ml == pytest.approx(4 / 3 * np.pi * 8, rel=0.01)
    assert result.files[0] == path and all(file.is_file() for file in result.files)
    assert result.as_json()["check"]["unit"] == "mm"


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".obj"])
def test_an_independent_program_reads_the_same_volume_and_place(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"all{suffix}"
    export_meshes([LEFT, RIGHT], path)
    loaded = trimesh.load(path, force="mesh", process=False)
    volume = LEFT.mesh.volume_mm3 + RIGHT.mesh.volume_mm3
    assert loaded.volume == pytest.approx(volume, rel=1e-4)
    assert np.allclose(loaded.bounds, [[-80, -20, -50], [100, 30, 130]], atol=0.05)


def test_the_stl_header_names_frame_and_unit_and_is_not_taken_for_text(tmp_path: Path) -> None:
    path = tmp_path / "a.stl"
    export_meshes([RIGHT], path)
    content = path.read_bytes()
    assert content[:17] == b"SPACE=LPS;UNIT=mm" and len(content) == 84 + 50 * 4
    assert struct.unpack("<I", content[80:84]) == (4,)
    normals = np.frombuffer(content, np.dtype([("n", "<f4", 3), ("c", "<f4", 9), ("a", "<u2")]), 4, 84)["n"]
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    assert np.allclose(normals[0], (0, 0, -1))


def test_the_same_surface_gives_the_same_file_bit_for_bit(tmp_path: Path) -> None:
    for suffix in (".stl", ".glb", ".ply", ".obj"):
        (tmp_path / "1").mkdir(exist_ok=True)
        (tmp_path / "2").mkdir(exist_ok=True)
        first, second = tmp_path / "1" / f"a{suffix}", tmp_path / "2" / f"a{suffix}"
        export_meshes([LEFT], first)
        export_meshes([LEFT], second)
        assert first.read_bytes() == second.read_bytes()


def glb_document(path: Path) -> dict[str, object]:
    content = path.read_bytes()
    magic, version, total = struct.unpack("<4sII", content[:12])
    assert (magic, version, total) == (b"glTF", 2, len(content))
    size, kind = struct.unpack("<I4s", content[12:20])
    assert kind == b"JSON" and size % 4 == 0
    document: dict[str, object] = json.loads(content[20 : 20 + size])
    return document


def test_the_map_to_gltf_turns_and_scales_and_does_not_mirror() -> None:
    assert np.linalg.det(LPS_MM_TO_GLTF) == pytest.approx(1e-9)
    assert np.allclose(LPS_MM_TO_GLTF @ (1000, 0, 0), (1, 0, 0))  # left is +x
    assert np.allclose(LPS_MM_TO_GLTF @ (0, 0, 1000), (0, 1, 0))  # superior is +y
    assert np.allclose(LPS_MM_TO_GLTF @ (0, -1000, 0), (0, 0, 1))  # anterior is +z, towards the viewer


def test_a_glb_keeps_sides_sizes_names_and_colours_in_an_independent_program(tmp_path: Path) -> None:
    path = tmp_path / "twin.glb"
    result = export_meshes([LEFT, RIGHT], path)
    assert result.unit == "m" and "y superior" in result.frame
    scene = trimesh.load(path)
    assert set(scene.graph.nodes_geometry) == {"Left kidney", "Right kidney: α/β"}
    parts = {}
    for node in scene.graph.nodes_geometry:
        transform, geometry = scene.graph[node]
        assert np.allclose(transform, np.eye(4))
        parts[node] = scene.geometry[geometry]
    left, right = parts["Left kidney"], parts["Right kidney: α/β"]
    assert left.centroid[0] > 0.07 and right.centroid[0] < -0.07
    assert np.allclose(left.centroid, (0.08, -0.03, -0.01), atol=1e-4)
    # A positive volume after the map means that the triangles still face outwards: no mirror.
    assert left.volume == pytest.approx(LEFT.mesh.volume_mm3 * 1e-9, rel=1e-3)
    assert right.volume == pytest.approx(1e-6, rel=1e-3)
    inverse = np.linalg.inv(LPS_MM_TO_GLTF)
    back = (right.vertices @ inverse.T)[right.faces]
    assert np.abs(back - RIGHT.mesh.points[RIGHT.mesh.triangles]).max() < 1e-3
    assert tuple(left.visual.material.baseColorFactor) in {(150, 90, 70, 255), tuple(_linear_255((150, 90, 70)))}
    assert left.vertex_normals.shape == left.vertices.shape


def _linear_255(color: tuple[int, int, int]) -> list[int]:
    srgb = np.array(color) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return [round(float(v) * 255) for v in linear] + [255]


def test_a_glb_says_unit_frame_and_transparency_in_its_document(tmp_path: Path) -> None:
    export_meshes([LEFT, RIGHT], tmp_path / "twin.glb")
    document = glb_document(tmp_path / "twin.glb")
    assert document["asset"]["extras"]["unit"] == "m"  # type: ignore[index]
    opaque, clear = document["materials"]  # type: ignore[misc]
    assert "alphaMode" not in opaque and clear["alphaMode"] == "BLEND"  # type: ignore[has-type]
    assert clear["pbrMetallicRoughness"]["baseColorFactor"][3] == pytest.approx(0.4)  # type: ignore[has-type]
    # glTF factors are linear: the sRGB value 20/255 is 0.00699 there.
    assert clear["pbrMetallicRoughness"]["baseColorFactor"][0] == pytest.approx(0.006995, abs=1e-5)  # type: ignore[has-type]
    for accessor, kind in zip(document["accessors"], ["VEC3", "VEC3", "SCALAR"] * 2, strict=True):  # type: ignore[arg-type]
        assert accessor["type"] == kind


def test_colours_reach_ply_and_obj(tmp_path: Path) -> None:
    export_meshes([LEFT, RIGHT], tmp_path / "a.ply")
    export_meshes([LEFT, RIGHT], tmp_path / "a.obj")
    loaded = trimesh.load(tmp_path / "a.ply", process=False)
    assert tuple(loaded.visual.vertex_colors[0]) == (150, 90, 70, 255)
    assert tuple(loaded.visual.vertex_colors[-1]) == (20, 200, 255, 102)
    text = (tmp_path / "a.mtl").read_text()
    assert "newmtl Left_kidney" in text and "d 0.400000" in text
    assert "g Right_kidney__α_β" in (tmp_path / "a.obj").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("items", "name", "said"),
    [
        ([], "a.stl", "no surface"),
        (
            [MeshItem("Tumor", Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)))],
            "a.glb",
            "'Tumor' is empty",
        ),
        (
            [MeshItem("Tumor", Mesh(np.full((3, 3), np.nan, np.float32), np.array([[0, 1, 2]], np.int32)))],
            "a.ply",
            "not finite",
        ),
        ([LEFT], "a.step", r"a\.step.*\.stl"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_appears(
    tmp_path: Path, items: list[MeshItem], name: str, said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        export_meshes(items, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# ---- in ----


def write_text_stl(path: Path, mesh: Mesh, header: str = "solid part") -> Path:
    lines = [header]
    for triangle in mesh.points[mesh.triangles]:
        lines += [
            "facet normal 0 0 0",
            " outer loop",
            *(f"  vertex {a} {b} {c}" for a, b, c in triangle),
            " endloop",
            "endfacet",
        ]
    path.write_text("\n".join([*lines, "endsolid part"]))
    return path


def test_a_text_stl_is_read_and_has_no_known_side(tmp_path: Path) -> None:
    read = read_surface_file(write_text_stl(tmp_path / "a.stl", tetrahedron()))
    assert same_surface(read.mesh, tetrahedron()) and len(read.mesh.points) == 4
    assert not read.frame_known and [notice.code for notice in read.notices] == ["unknown-side"]


def test_ras_is_turned_to_lps_without_mirroring(tmp_path: Path) -> None:
    path = write_text_stl(tmp_path / "a.stl", tetrahedron(), "solid part SPACE=RAS")
    read = read_surface_file(path)
    assert read.frame_known
    assert np.allclose(read.mesh.points.max(axis=0), (-50, 20, 130))
    assert read.mesh.volume_mm3 == pytest.approx(1000)


@pytest.mark.parametrize(
    ("unit", "factor"), [("UNIT=m", 1000), ("unit: cm", 10), ("1 unit = 1000 mm", 1000), ("UNIT=inch", 25.4)]
)
def test_declared_units_become_millimetres(tmp_path: Path, unit: str, factor: float) -> None:
    path = tmp_path / "a.obj"
    points = "".join(f"v {x} {y} {z}\n" for x, y, z in CORNERS / 1000)
    faces = "".join(f"f {a + 1}//1 {b + 1}//2 {c + 1}//3\n" for a, b, c in FACES)
    path.write_text(f"# SPACE=LPS {unit}\n{points}{faces}")
    read = read_surface_file(path)
    assert read.mesh.volume_mm3 == pytest.approx(1000 * (factor / 1000) ** 3, rel=1e-4)
    assert read.notices == ()


def test_a_surface_a_few_hundredths_of_a_millimetre_large_is_questioned(tmp_path: Path) -> None:
    small = Mesh((CORNERS / 1000).astype(np.float32), FACES)
    read = read_surface_file(write_text_stl(tmp_path / "a.stl", small, "solid SPACE=LPS"))
    (notice,) = read.notices
    assert notice.code == "unit-implausible" and notice.details["size_mm"] == pytest.approx(0.03, rel=1e-3)


def test_a_closed_surface_that_is_inside_out_is_turned_and_said_so(tmp_path: Path) -> None:
    path = tmp_path / "a.stl"
    export_meshes([MeshItem("x", Mesh(CORNERS, FACES[:, ::-1].copy()))], path)
    read = read_surface_file(path)
    assert read.mesh.volume_mm3 == pytest.approx(1000)
    assert [notice.code for notice in read.notices] == ["inside-out"]


def test_polygons_negative_indices_and_other_lines_of_an_obj_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "cube.obj"
    corners = [(x, y, z) for x in (0, 10) for y in (0, 10) for z in (0, 10)]
    quads = [(1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4)]
    text = "mtllib x.mtl\no cube\nvn 0 0 1\n" + "".join(f"v {x} {y} {z} 1.0\n" for x, y, z in corners)
    text += "".join("f " + " ".join(str(corner - 9) for corner in quad) + "\n" for quad in quads)
    path.write_text(text)
    assert read_surface_file(path).mesh.volume_mm3 == pytest.approx(1000)


@pytest.mark.parametrize("order", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_plys_of_every_byte_order_with_quads_and_extra_data_are_read(tmp_path: Path, order: str) -> None:
    mark = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}[order]
    header = (
        f"ply\nformat {order} 1.0\ncomment SPACE=LPS\nelement vertex 5\nproperty double x\nproperty double y\n"
        "property double z\nproperty uchar quality\nelement face 2\nproperty uchar flag\n"
        "property list uchar uint vertex_index\nelement edge 1\nproperty int a\nend_header\n"
    )
    points = [(0, 0, 0), (10, 0, 0), (10, 10, 0), (0, 10, 0), (5, 5, 10)]
    faces = [(0, 1, 2, 3), (0, 1, 4)]
    if order == "ascii":
        body = "".join(f"{x} {y} {z} 7\n" for x, y, z in points)
        body += "".join(f"1 {len(f)} {' '.join(map(str, f))}\n" for f in faces) + "3\n"
        content = header.encode() + body.encode()
    else:
        packed = b"".join(struct.pack(f"{mark}dddB", *point, 7) for point in points)
        packed += b"".join(struct.pack(f"{mark}BB{len(f)}I", 1, len(f), *f) for f in faces) + struct.pack(f"{mark}i", 3)
        content = header.encode() + packed
    path = tmp_path / "a.ply"
    path.write_bytes(content)
    read = read_surface_file(path)
    assert read.mesh.triangles.tolist() == [[0, 1, 2], [0, 2, 3], [0, 1, 4]]
    assert read.mesh.points.tolist() == [list(point) for point in points]
    path.write_bytes(content[:-20])
    with pytest.raises(BadInput, match=r"a\.ply"):
        read_surface_file(path)


def test_a_vtp_with_its_space_is_read(tmp_path: Path) -> None:
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonCore import vtkPoints, vtkStringArray
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

    points, polys, space = vtkPoints(), vtkCellArray(), vtkStringArray()
    points.SetData(numpy_to_vtk(CORNERS))
    for face in FACES:
        polys.InsertNextCell(3, face.tolist())
    space.SetName("SPACE")
    space.InsertNextValue("RAS")
    surface = vtkPolyData()
    surface.SetPoints(points)
    surface.SetPolys(polys)
    surface.GetFieldData().AddArray(space)
    writer = vtkXMLPolyDataWriter()
    writer.SetFileName(str(tmp_path / "a.vtp"))
    writer.SetInputData(surface)
    writer.Write()
    read = read_surface_file(tmp_path / "a.vtp")
    assert read.frame_known and read.mesh.volume_mm3 == pytest.approx(1000)
    assert read.mesh.points[:, 0].max() == -50


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".obj", ".vtp"])
def test_a_letter_is_no_surface(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"letter{suffix}"
    path.write_text("Dear colleague, thank you for referring this patient. " * 20)
    with pytest.raises(BadInput, match=rf"letter\{suffix}.*not a"):
        read_surface_file(path)


@pytest.mark.parametrize("suffix", [".stl", ".ply"])
def test_a_surface_that_is_cut_short_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    export_meshes([LEFT], path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(BadInput, match=rf"a\{suffix} is (damaged or )?cut short"):
        read_surface_file(path)


def test_a_text_stl_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = write_text_stl(tmp_path / "a.stl", tetrahedron())
    path.write_text(path.read_text()[:-120])
    with pytest.raises(BadInput, match=r"a\.stl is cut short"):
        read_surface_file(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "point 8, but there are 3"),
        ("v 0 0 0\nv 1 0\nf 1 1 1\n", "numbers"),
        ("v 0 0 0\nf 1 1\n", "fewer than three"),
        ("v 0 0 0\nf a b c\n", "'a'"),
        ("v 0 0 0\nv 1 0 0\n", "no triangle"),
        ("v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "not finite"),
    ],
)
def test_damaged_objs_are_refused_in_words(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.obj"
    path.write_text(text)
    with pytest.raises(BadInput, match=said):
        read_surface_file(path)


def test_missing_files_and_unknown_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no file"):
        read_surface_file(tmp_path / "a.stl")
    with pytest.raises(BadInput, match=r"\.stl, \.obj"):
        read_surface_file(tmp_path / "a.3ds")
