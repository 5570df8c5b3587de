"""Printing from end to end: check, refuse, force, look, accept, both files or neither."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pypdf
import pytest
import trimesh
from PIL import Image
from tests.printing import GEOMETRY, print_case

from surgitwin.commands.printing import PrintModel
from surgitwin.commands.report_implants import implant_warnings, print_rows
from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.exchange.mesh_out import MeshItem, export_meshes
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import ImplantModel, ImplantNode, PrintedNode
from surgitwin.session import Session
from surgitwin.surfaces import solids


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return print_case(tmp_path_factory.mktemp("print") / "case.twin")


def run(case: Path, out: Path, segment: str | tuple[str, ...] = "Block", **values: Any) -> Any:
    with Session.open(case, read_only=True) as session:
        return session.run("print", out=out, segment=segment, **{"process": "SLA", **values})


def text_of(pdf: Path) -> str:
    reader = pypdf.PdfReader(pdf)
    assert len(reader.pages) == 1
    return " ".join(reader.pages[0].extract_text().split())


def test_a_print_is_written_with_its_sheet_and_read_by_another_program(case: Path, tmp_path: Path) -> None:
    done = run(case, tmp_path / "block.stl", accept_by="Dr. Test", material="Standard resin")
    mesh = trimesh.load_mesh(tmp_path / "block.stl")
    true_ml = 14 * 23 * 16 * GEOMETRY.voxel_volume_mm3 / 1000
    assert mesh.is_watertight and mesh.volume / 1000 == pytest.approx(true_ml, rel=0.01)
    check = done["check"]
    assert check["closed"] and check["manifold"] and check["outward"] and check["self_intersections"] == 0
    assert check["fits_plate"] and check["unit"] == "mm" and check["frame"] == "LPS"
    assert check["min_wall_mm"] == pytest.approx(16 * 0.8, abs=0.5) and len(check["min_wall_at_mm"]) == 3
    assert check["size_mm"] == pytest.approx(mesh.extents, abs=0.01)
    assert done["deviation"]["against"] == "voxels" and done["deviation"]["p95_mm"] < 0.8
    assert done["deviation"]["max_mm"] < 2.0 and done["problems"] == [] and not done["forced"]
    sha = hashlib.sha256((tmp_path / "block.stl").read_bytes()).hexdigest()
    assert done["sha256"] == sha and done["accepted"]["by"] == "Dr. Test" and done["accepted"]["sha256"] == sha
    sheet = text_of(tmp_path / "block.pdf")
    for words in ("Dr. Test", sha, "per local validation", "Standard resin", "Case 7", "SLA", "DRAFT", "Block"):
        assert words in sheet
    assert "NOT ACCEPTED" not in sheet and "FORCED" not in sheet and f"{check['volume_ml']:.2f} ml" in sheet


def test_what_nobody_accepted_says_so(case: Path, tmp_path: Path) -> None:
    done = run(case, tmp_path / "block.3mf")
    assert done["accepted"] is None
    assert {"print-not-accepted", "draft-print"} <= {warning["code"] for warning in done["warnings"]}
    assert "NOT ACCEPTED" in text_of(tmp_path / "block.pdf")


def test_an_acceptance_is_kept_in_the_case_and_is_stale_once_the_segment_changes(case: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.twin"
    shutil.copyfile(case, mine)
    with Session.open(mine) as session:
        out = tmp_path / "block.stl"
        run_in = {"out": out, "segment": "Block", "process": "SLA"}
        assert session.run("print", **run_in)["kept"] is None and not session.scene.of_type(PrintedNode)
        done = session.run("print", **run_in, accept_by="Dr. Test", material="Resin", overwrite=True)
    with Session.open(mine) as session:
        kept = session.scene.of_type(PrintedNode)[0]
        assert kept.id == done["kept"]["id"] and kept.accepted.by == "Dr. Test" and kept.file_name == "block.stl"
        assert kept.accepted.content_hash == hashlib.sha256(out.read_bytes()).hexdigest()
        assert (kept.p95_mm, kept.max_mm) == (done["deviation"]["p95_mm"], done["deviation"]["max_mm"])
        assert not session.scene.is_stale(kept)
        row = print_rows(session.scene)[0]
        assert "Dr. Test" in row.accepted and row.sha256 == done["sha256"] and not row.statuses
        session.run("segment", method="smooth", into="Block", settings={"mm": 2})
        assert session.scene.is_stale(session.scene.of_type(PrintedNode)[0])
        assert print_rows(session.scene)[0].statuses and "accepted for print" in str(
            implant_warnings(session.scene, False)
        )
        # The same file, printed and accepted anew, takes the place of the old acceptance.
        session.run("print", **run_in, accept_by="Dr. Other", overwrite=True, force=True)
        found = session.scene.of_type(PrintedNode)
        assert [one.accepted.by for one in found] == ["Dr. Other"] and not session.scene.is_stale(found[0])


def test_the_preview_writes_a_picture_alone_and_its_hash_binds_the_acceptance(case: Path, tmp_path: Path) -> None:
    seen = run(case, tmp_path / "block.stl", preview=tmp_path / "look.png")
    assert [path.name for path in tmp_path.iterdir()] == ["look.png"]
    pixels = np.asarray(Image.open(tmp_path / "look.png").convert("RGB")).astype(int)
    # The outline is drawn in the colour of cuts, which nothing else in the picture has.
    near = np.abs(pixels - (255, 79, 154)).sum(axis=2)
    assert np.count_nonzero(near < 60) > 300
    done = run(case, tmp_path / "block.stl", accept_by="Dr. Test", seen=seen["sha256"])
    assert done["sha256"] == seen["sha256"]
    with pytest.raises(BadInput, match="not what was looked at"):
        run(case, tmp_path / "other.stl", ("Block", "Sheet"), accept_by="Dr. Test", seen=seen["sha256"], force=True)
    assert not (tmp_path / "other.stl").exists()


def test_a_partial_result_carries_the_mesh_that_was_read_back(case: Path, tmp_path: Path) -> None:
    from surgitwin.commands.base import perform
    from surgitwin.commands.printing import PrintOutline

    heard: list[object] = []
    command = PrintModel(out=tmp_path / "a.stl", segment=("Block",), process="SLA", check_only=True)
    with Session.open(case, read_only=True) as session:
        document = perform(command, session, Context(on_partial=heard.append))
    (outline,) = heard
    assert isinstance(outline, PrintOutline)
    assert len(outline.mesh.triangles) == document["check"]["triangles"] and list(tmp_path.iterdir()) == []


def test_a_wall_below_the_limit_is_refused_with_its_place_and_forced_with_marks(case: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"“Sheet”: its thinnest wall is 0\.\d+ mm, at .*FDM needs 1 mm") as refused:
        run(case, tmp_path / "sheet.stl", "Sheet", process="FDM")
    assert "--force" in str(refused.value) and list(tmp_path.iterdir()) == []
    only = run(case, tmp_path / "sheet.stl", "Sheet", process="FDM", check_only=True)
    assert not only["printable"] and only["check"]["min_wall_mm"] < 1.0 and not only["forced"]
    done = run(case, tmp_path / "sheet.stl", "Sheet", process="FDM", force=True)
    assert done["forced"] and "forced-print" in {warning["code"] for warning in done["warnings"]}
    assert b"FORCED" in (tmp_path / "sheet.stl").read_bytes()[:80]
    assert "FORCED" in text_of(tmp_path / "sheet.pdf")
    run(case, tmp_path / "sheet.3mf", "Sheet", process="FDM", force=True, overwrite=True)
    import zipfile

    with zipfile.ZipFile(tmp_path / "sheet.3mf") as package:
        assert b"FORCED" in package.read("3D/3dmodel.model")


def test_an_open_surface_is_refused_with_the_size_of_its_hole(case: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"“Open”: it is open: 1 holes are left, the largest .* mm across"):
        run(case, tmp_path / "open.stl", "Open")
    done = run(case, tmp_path / "open.stl", "Open", hole_mm=50)
    assert done["check"]["closed"] and [step["code"] for step in done["repairs"]] == ["filled-holes"]
    assert "unknown-side" in {warning["code"] for warning in done["warnings"]}
    assert "SIDE UNKNOWN" in text_of(tmp_path / "open.pdf")
    assert done["deviation"]["against"] == "surface"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"process": ""}, "Choose the printing process"),
        ({"process": "laser"}, "no printing process “laser”"),
        ({"segment": "Empty"}, "“Empty” is empty"),
        ({"segment": "CT"}, "no segment, surface or implant"),
        ({"segment": ()}, "segment"),
        ({"accept_by": "  "}, "Say who accepts"),
        ({"accept_by": "Dr. Test", "check_only": True}, "Look at the outlines first"),
        ({"out": "part.glb"}, "should end in .stl, .3mf"),
        ({"out": "nowhere/part.stl"}, "no folder"),
        ({"out": "n" * 300 + ".stl"}, "name is too long"),
        ({"process_file": Path("nowhere.json")}, "cannot be read"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(
    case: Path, tmp_path: Path, values: dict[str, Any], words: str
) -> None:
    given = {"out": "part.stl", "segment": "Block", **values}
    with pytest.raises(BadInput, match=words) as refused:
        run(case, tmp_path / given.pop("out"), given.pop("segment"), **given)
    assert "\n" not in str(refused.value) and list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_both_old_files(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, sheet = tmp_path / "part.stl", tmp_path / "part.pdf"
    out.write_bytes(b"old mesh")
    sheet.write_bytes(b"old sheet")
    real = Path.write_bytes

    def full(self: Path, data: Any) -> int:
        if self.suffix == ".pdf":
            raise OSError(28, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BadInput, match="No space left on device"):
        run(case, out, overwrite=True)
    assert out.read_bytes() == b"old mesh" and sheet.read_bytes() == b"old sheet"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part.pdf", "part.stl"]


def test_an_existing_sheet_is_not_replaced_unasked(case: Path, tmp_path: Path) -> None:
    (tmp_path / "part.pdf").write_bytes(b"something else")
    with pytest.raises(BadInput, match="exists already"):
        run(case, tmp_path / "part.stl")
    assert not (tmp_path / "part.stl").exists()


def test_structures_that_overlap_become_one_body_in_an_stl(tmp_path: Path, case: Path) -> None:
    copy = tmp_path / "copy.twin"
    copy.write_bytes(case.read_bytes())
    one, two = (solids.sphere((x, 0, 0), 10.0, sides=48).mesh() for x in (0.0, 8.0))
    with Session.open(copy) as session:
        for name, mesh in (("One", one), ("Two", two)):
            export_meshes([MeshItem(name, mesh)], tmp_path / f"{name}.stl")
            session.run("add", path=tmp_path / f"{name}.stl", as_="surface", name=name)
    done = run(copy, tmp_path / "both.stl", ("One", "Two"))
    assert "united-shells" in [step["code"] for step in done["repairs"]]
    assert done["check"]["shells"] == 1 and trimesh.load_mesh(tmp_path / "both.stl").is_watertight
    apart = run(copy, tmp_path / "two.3mf", ("One", "Two"))
    assert apart["check"]["shells"] == 2 and [part["name"] for part in apart["check"]["meshes"]] == ["One", "Two"]


def test_sheet_and_file_name_no_patient_unless_asked(case: Path, tmp_path: Path) -> None:
    run(case, tmp_path / "part.stl")
    whole = io.BytesIO((tmp_path / "part.pdf").read_bytes())
    info = pypdf.PdfReader(whole).metadata
    assert info is not None and info.title == "Print sheet" and "Patient" not in text_of(tmp_path / "part.pdf")
    run(case, tmp_path / "named.stl", identity=True)
    assert "Patient" in text_of(tmp_path / "named.pdf")
    header = (tmp_path / "part.stl").read_bytes()[:84]
    assert header.startswith(b"SPACE=LPS;UNIT=mm") and struct.unpack("<I", header[80:])[0] > 100
    json.dumps(run(case, tmp_path / "j.stl", check_only=True))


def test_an_export_can_be_checked_before_anything_is_written(case: Path, tmp_path: Path) -> None:
    with Session.open(case, read_only=True) as session:
        done = session.run("export", out=tmp_path / "a.stl", segment=("Block", "Sheet"), check_only=True)
        with pytest.raises(BadInput, match="--check-only is for"):
            session.run("export", out=tmp_path / "a.nii.gz", segment="Block", check_only=True)
    assert done["files"] == [] and list(tmp_path.iterdir()) == []
    check = done["check"]
    assert check["closed"] and check["manifold"] and check["outward"] and check["self_intersections"] == 0
    assert check["min_wall_mm"] < 1.2 and check["fits_plate"] is None and check["unit"] == "mm"
    block, sheet = check["meshes"]
    assert block["min_wall_mm"] > 10 and sheet["min_wall_mm"] == check["min_wall_mm"]
    assert max(check["size_mm"]) > max(block["size_mm"])


def test_the_preset_print_of_export_is_the_print_command(case: Path, tmp_path: Path) -> None:
    out = tmp_path / "block.stl"
    with Session.open(case, read_only=True) as session:
        with pytest.raises(BadInput, match="Choose the printing process"):
            session.run("export", out=out, segment="Block", preset="print")
        with pytest.raises(BadInput, match="Say what is to be printed"):
            session.run("export", out=out, preset="print", process="SLA")
        with pytest.raises(BadInput, match="belong to --preset print"):
            session.run("export", out=out, segment="Block", process="SLA")
        assert list(tmp_path.iterdir()) == []
        done = session.run("export", out=out, segment="Block", preset="print", process="SLA", accept_by="Dr. Test")
        again = session.run("print", out=out, segment="Block", process="SLA", check_only=True)
    assert done["sha256"] == again["sha256"] and done["accepted"]["by"] == "Dr. Test"
    assert {path.name for path in tmp_path.iterdir()} == {"block.stl", "block.pdf"}


def test_the_sheet_says_who_reviewed_and_what_an_implant_is(case: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.twin"
    copy.write_bytes(case.read_bytes())
    with Session.open(copy) as session:
        session.run("sign", node="Block", by="Dr. Reviewer", **{"as": "reviewed"})
        cup = solids.cylinder((0, 0, 0), (0, 0, 8), 5.0).mesh()
        model = ImplantModel(id="own/1", family="own", kind="plate", name="Plate", patient_specific=True)
        matrix = (0.0, -1.0, 0.0, 30.0, 1.0, 0.0, 0.0, 5.0, 0.0, 0.0, 1.0, 90.0, 0.0, 0.0, 0.0, 1.0)
        with session.transaction("Place") as tx:
            points, triangles = ArrayData.of(cup.points), ArrayData.of(cup.triangles)
            tx.add(
                ImplantNode(
                    name="Plate",
                    parent=session.scene.case.id,
                    item=model,
                    points=points,
                    triangles=triangles,
                    matrix=matrix,
                    mirrored=True,
                )
            )
    done = run(copy, tmp_path / "block.stl", "Block")
    assert "draft-print" not in {warning["code"] for warning in done["warnings"]}
    assert "Block: reviewed by Dr. Reviewer" in text_of(tmp_path / "block.pdf")
    run(copy, tmp_path / "plate.stl", "Plate")
    sheet = text_of(tmp_path / "plate.pdf")
    assert "Planning model, not for use in a patient" in sheet and "MIRRORED" in sheet
    assert b"not for use in a patient" in (tmp_path / "plate.stl").read_bytes()[:80]
    mesh = trimesh.load_mesh(tmp_path / "plate.stl")
    assert mesh.bounds.mean(axis=0) == pytest.approx((30, 5, 94), abs=0.01)
