"""3MF, USDZ and VTP read back by other readers; remarks, odd names, budgets; sets of files written all or none."""

from __future__ import annotations

import errno
import threading
import time
import zipfile
import zlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import trimesh

from surgitwin.commands.export_presets import check_preset, largest_first, shares
from surgitwin.commands.mesh_files import NamedMesh
from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.exchange.atomic import write_together
from surgitwin.exchange.mesh_in import read_surface_file
from surgitwin.exchange.mesh_out import MeshItem, export_meshes
from surgitwin.exchange.packing import block, pack
from surgitwin.surfaces import decimate
from surgitwin.surfaces.decimate import bending_mm
from surgitwin.surfaces.deviation import deviation

PLANNING = "planning model, not for use in a patient"
CORE = "{http://schemas.microsoft.com/3dmanufacturing/core/2015/02}"


def ball(name: str, at: tuple[float, float, float], color: tuple[int, int, int], remark: str = "") -> MeshItem:
    sphere = trimesh.creation.icosphere(subdivisions=2, radius=20)
    points = (sphere.vertices * (1, 1, 1.5) + at).astype(np.float32)
    return MeshItem(name, Mesh(points, sphere.faces.astype(np.int32)), color, 1.0, remark)


LEFT = ball('Left kidney: α/β "x" <&>', (80, 30, -10), (150, 90, 70))
RIGHT = ball("Plate\nfor the skull\x01", (-90, -20, 40), (20, 90, 200), PLANNING)


def test_a_3mf_has_millimetres_names_colours_and_remarks(tmp_path: Path) -> None:
    path = tmp_path / "a.3mf"
    result = export_meshes([LEFT, RIGHT], path)
    root = ElementTree.fromstring(zipfile.ZipFile(path).read("3D/3dmodel.model"))
    assert root.get("unit") == "millimeter"
    names = [thing.get("name") for thing in root.iter(f"{CORE}object")]
    assert names == [LEFT.name, "Plate for the skull_"]
    assert [base.get("displaycolor") for base in root.iter(f"{CORE}base")] == ["#965A46FF", "#145AC8FF"]
    assert any(PLANNING in (said.text or "") for said in root.iter(f"{CORE}metadata"))
    for solid, item in zip(root.iter(f"{CORE}object"), (LEFT, RIGHT), strict=True):
        points = np.array([[float(v.get(axis) or 0) for axis in "xyz"] for v in solid.iter(f"{CORE}vertex")])
        triangles = np.array([[int(t.get(v) or 0) for v in ("v1", "v2", "v3")] for t in solid.iter(f"{CORE}triangle")])
        assert np.abs(points - item.mesh.points).max() < 1e-3
        read = trimesh.Trimesh(points, triangles)
        assert read.is_watertight and read.volume == pytest.approx(item.mesh.volume_mm3, rel=1e-4)
    assert [notice.code for notice in result.notices] == ["names-changed"]


def test_lib3mf_reads_back_what_was_written_and_has_nothing_to_warn_of(tmp_path: Path) -> None:
    import lib3mf

    path = tmp_path / "a.3mf"
    export_meshes([LEFT, RIGHT], path)
    model = lib3mf.get_wrapper().CreateModel()
    reader = model.QueryReader("3mf")
    reader.SetStrictModeActive(True)
    reader.ReadFromFile(str(path))
    assert reader.GetWarningCount() == 0 and model.GetUnit() == lib3mf.ModelUnit.MilliMeter
    solids = model.GetMeshObjects()
    for item in (LEFT, RIGHT):
        assert solids.MoveNext()
        solid = solids.GetCurrentMeshObject()
        assert solid.IsManifoldAndOriented()
        points = np.array([list(point.Coordinates) for point in solid.GetVertices()])
        assert np.abs(points - item.mesh.points).max() < 6e-5
        triangles = np.array([list(triangle.Indices) for triangle in solid.GetTriangleIndices()])
        assert np.array_equal(triangles, item.mesh.triangles)


def test_numbers_in_a_3mf_are_the_nearest_of_four_decimals(tmp_path: Path) -> None:
    numbers = [0, -0.00004, 0.00006, -0.5, 1.25, -123.45678, 99999.9999, 7, 1e-30, -4e8, 0.1, 30.00005]
    points = np.array(numbers, np.float32).reshape(4, 3)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)
    path = tmp_path / "a.3mf"
    export_meshes([MeshItem("Odd", Mesh(points, faces))], path)
    root = ElementTree.fromstring(zipfile.ZipFile(path).read("3D/3dmodel.model"))
    written = [vertex.get(axis) or "" for vertex in root.iter(f"{CORE}vertex") for axis in "xyz"]
    assert written[:5] == ["0", "0", "0.0001", "-0.5", "1.25"] and written[9] == "-400000000"
    assert [float(word) for word in written] == pytest.approx([round(float(n), 4) for n in points.ravel()], abs=1e-9)


def test_a_surface_of_many_blocks_is_packed_whole_and_always_alike(tmp_path: Path) -> None:
    sphere = trimesh.creation.icosphere(subdivisions=7, radius=50)
    item = MeshItem("Fine", Mesh(sphere.vertices.astype(np.float32), sphere.faces.astype(np.int32)))
    contents = []
    for name in "ab":
        export_meshes([item], tmp_path / f"{name}.3mf")
        contents.append((tmp_path / f"{name}.3mf").read_bytes())
    assert contents[0] == contents[1]
    with zipfile.ZipFile(tmp_path / "a.3mf") as package:
        assert package.testzip() is None
        text = package.read("3D/3dmodel.model")
    assert text.count(b"<triangle ") == len(sphere.faces) and text.count(b"<vertex ") == len(sphere.vertices)


def test_a_surface_that_reaches_too_far_for_a_3mf_is_refused(tmp_path: Path) -> None:
    points = LEFT.mesh.points * np.float32(1e8)
    with pytest.raises(BadInput, match="reaches too far"):
        export_meshes([MeshItem("Far", Mesh(points, LEFT.mesh.triangles))], tmp_path / "a.3mf")
    assert list(tmp_path.iterdir()) == []


def test_a_usdz_states_unit_and_axes_and_is_not_mirrored(tmp_path: Path) -> None:
    from pxr import Usd, UsdGeom

    path = tmp_path / "a.usdz"
    export_meshes([LEFT, RIGHT], path)
    stage = Usd.Stage.Open(str(path))
    assert UsdGeom.GetStageMetersPerUnit(stage) == 0.01 and UsdGeom.GetStageUpAxis(stage) == "Y"
    meshes = [UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh)]
    assert [mesh.GetPrim().GetDisplayName() for mesh in meshes] == [LEFT.name, "Plate for the skull_"]
    assert PLANNING in stage.GetRootLayer().comment
    points = np.array(meshes[0].GetPointsAttr().Get())
    read = trimesh.Trimesh(points * 10, np.array(meshes[0].GetFaceVertexIndicesAttr().Get()).reshape(-1, 3))
    assert np.allclose(read.centroid, (80, -10, -30), atol=0.01)  # x left, y superior, z anterior
    assert read.is_watertight and read.volume == pytest.approx(LEFT.mesh.volume_mm3, rel=1e-4)


def test_a_vtp_comes_back_in_lps_millimetres(tmp_path: Path) -> None:
    path = tmp_path / "a.vtp"
    export_meshes([LEFT], path)
    read = read_surface_file(path)
    assert read.frame_known and np.allclose(read.mesh.points, LEFT.mesh.points)
    assert read.mesh.volume_mm3 == pytest.approx(LEFT.mesh.volume_mm3, rel=1e-5)


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".obj", ".glb"])
def test_every_format_says_that_a_planning_model_is_not_for_use_in_a_patient(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    export_meshes([RIGHT], path)
    assert PLANNING.encode() in path.read_bytes()


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".obj", ".glb", ".3mf", ".usdz", ".vtp"])
def test_names_of_300_letters_and_equal_names_are_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    result = export_meshes([ball("x" * 300, (0, 0, 0), (1, 2, 3)), ball("x" * 300, (90, 0, 0), (1, 2, 3))], path)
    assert result.files[0] == path and result.triangles == 640 and path.stat().st_size > 5_000


def test_of_files_that_belong_together_all_are_replaced_or_none(tmp_path: Path) -> None:
    first, second = tmp_path / "a.mtl", tmp_path / "a.obj"
    first.write_text("old 1")
    second.write_text("old 2")

    def full(part: Path) -> None:
        part.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BadInput, match=r"a\.obj cannot be written: No space left"):
        write_together({first: lambda part: part.write_text("new") and None, second: full})
    assert (first.read_text(), second.read_text(), len(list(tmp_path.iterdir()))) == ("old 1", "old 2", 2)


def test_small_structures_keep_their_triangles_when_large_ones_are_reduced() -> None:
    counts = [1_000_000, 500_000, 1_500, 40]
    kept = shares(counts, [2_000.0, 1_000.0, 1.0, 1.0], 299_999)
    assert sum(kept) <= 299_999 and kept[2:] == [1_500, 40]
    assert kept[0] == pytest.approx(2 * kept[1], rel=0.01)
    assert shares(counts[2:], [1.0, 1.0], 299_999) == [1_500, 40]


def test_a_structure_that_bends_more_keeps_more_and_none_gets_more_than_it_has() -> None:
    assert shares([90_000, 90_000], [3.0, 1.0], 40_000) == [30_000, 10_000]
    kept = shares([90_000, 8_000], [1.0, 9.0], 40_000)
    assert kept[1] == 8_000 and 31_990 <= kept[0] <= 32_000


def test_a_thin_vessel_is_no_further_off_than_the_organ_around_it() -> None:
    organ = trimesh.creation.icosphere(subdivisions=6, radius=80.0)
    vessel = trimesh.creation.torus(60.0, 2.5, major_sections=900, minor_sections=40)
    meshes = [
        NamedMesh(
            name, Mesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int32)), (0, 0, 0), 1.0, None, False
        )
        for name, shape in (("organ", organ), ("vessel", vessel))
    ]
    needs = [bending_mm(one.mesh) for one in meshes]
    kept = shares([len(one.mesh.triangles) for one in meshes], needs, 12_000)
    off = [deviation(decimate(m.mesh, n, Context()), m.mesh).p95_mm for m, n in zip(meshes, kept, strict=True)]
    assert off[1] < 1.5 * off[0] < 0.2


def test_meshes_are_reduced_in_any_order_and_handed_back_in_theirs() -> None:
    told: list[str] = []
    ctx = Context(lambda progress: told.append(progress.message))
    assert largest_first(lambda place, _: 10 * place, [5, 9, 1, 7], list("abcd"), ctx) == [0, 10, 20, 30]
    assert told == ["Reducing b", "Reducing d", "Reducing a", "Reducing c"]


def test_reducing_stops_when_it_is_cancelled_also_what_is_under_way() -> None:
    ctx, stopped = Context(), threading.Event()

    def work(place: int, quiet: Context) -> None:
        ctx.cancel()
        while not quiet.cancelled:
            time.sleep(0.01)
        stopped.set()

    with pytest.raises(Cancelled):
        largest_first(work, [2, 1], ["one", "two"], ctx)
    assert stopped.is_set()


def unpacked(blocks: Iterable[bytes | memoryview]) -> bytes:
    """What zlib reads from blocks of one stream; their own ends are whole bytes."""
    reader = zlib.decompressobj(-zlib.MAX_WBITS)
    return b"".join(reader.decompress(bytes(block)) for block in blocks)


def test_blocks_packed_one_by_one_are_one_stream_for_zlib() -> None:
    noise = np.random.default_rng(11).integers(0, 256, 20_000, dtype=np.uint8).tobytes()
    texts = [b'<vertex x="1" y="22" z="333"/>\n' * 4_000, b"", noise, b"after"]
    packed = pack([partial(block, text) for text in texts])
    assert unpacked(packed.blocks) == b"".join(texts)
    assert (packed.size, packed.crc) == (len(b"".join(texts)), zlib.crc32(b"".join(texts)))


def test_rows_are_packed_about_as_small_as_zlib_packs_them(tmp_path: Path) -> None:
    path = tmp_path / "a.3mf"
    shape = trimesh.creation.icosphere(subdivisions=6, radius=70.0)
    export_meshes([MeshItem("ball", Mesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int32)))], path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        (model,) = (one for one in archive.infolist() if one.filename.endswith(".model"))
        by_zlib = len(zlib.compress(archive.read(model), 1))
    assert model.compress_size < 1.25 * by_zlib


def test_a_preset_refuses_a_kind_of_file_that_its_device_does_not_open() -> None:
    check_preset("mobile", ".usdz")
    with pytest.raises(BadInput, match=r"hololens writes \.glb files, not \.stl"):
        check_preset("hololens", ".stl")
