"""The documents that scripts rely on: their keys, their units, one on standard output, and the same from a script."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from surgitwin.commands import COMMANDS
from surgitwin.core.errors import BadInput
from surgitwin.session import Session
from terminal import HU, Phantom, copy_of, done, make_case, make_phantom, surgitwin, write_nifti

PNG, PDF, GLB = b"\x89PNG\r\n\x1a\n", b"%PDF-", b"glTF"


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return make_phantom(tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="module")
def whole_case(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    case = make_case(phantom, tmp_path_factory.mktemp("case") / "case.twin")
    done("plan", case, "First", "--organ", "Liver", "--plane", phantom.plane_between(20))
    done("plan", case, "Second", "--organ", "Liver", "--plane", phantom.plane_between(25))
    return case


@pytest.fixture
def case(whole_case: Path, tmp_path: Path) -> Path:
    return copy_of(whole_case, tmp_path)


def has(document: dict[str, Any], *keys: str) -> None:
    assert set(keys) <= set(document), set(keys) - set(document)


# The table of the design, row by row.


def test_series(phantom: Phantom) -> None:
    document = done("series", phantom.ct)

    assert isinstance(document, list)
    (series,) = document
    has(series, "series_uid", "modality", "description", "images", "size_ijk", "spacing_mm", "kind", "warnings")
    has(series, "study_date", "acquisition_time", "contrast", "phase")
    assert series["images"] == phantom.geometry.size_ijk[2] and series["modality"] == "CT"
    assert series["size_ijk"] == list(phantom.geometry.size_ijk) and series["study_date"] == "2024-01-31"
    assert series["spacing_mm"] == pytest.approx(phantom.geometry.spacing_mm, abs=1e-6)


def test_new(phantom: Phantom, tmp_path: Path) -> None:
    document = done("new", tmp_path / "new.twin", phantom.ct)

    has(document, "case", "nodes", "warnings", "affine_lps", "size_ijk")
    assert document["case"] == str(tmp_path / "new.twin")
    assert [node["type"] for node in document["nodes"]] == ["case", "volume"]
    assert all(set(node) == {"id", "type", "name"} for node in document["nodes"])
    assert [len(row) for row in document["affine_lps"]] == [4] * 4 and document["affine_lps"][3] == [0, 0, 0, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["new.twin"]


def test_add(case: Path, phantom: Phantom) -> None:
    document = done("add", case, phantom.tumour_map, "--as", "labelmap", "--name", "Tumour 2")

    has(document, "case", "nodes", "warnings")
    assert document["case"] == str(case)


def test_tree(case: Path) -> None:
    nodes = done("tree", case)["nodes"]

    assert all({"id", "type", "name", "parent", "stale"} <= set(node) for node in nodes)
    ids = {node["id"] for node in nodes}
    assert [node["type"] for node in nodes if node["parent"] is None] == ["case"]
    assert all(node["parent"] in ids for node in nodes if node["parent"] is not None)
    assert {node["type"] for node in nodes} >= {"case", "volume", "segmentation", "segment", "plan"}


def test_stats(case: Path) -> None:
    document = done("stats", case)

    for segment in document["segments"]:
        has(segment, "name", "voxels", "volume_ml", "surface_volume_ml", "area_mm2", "centroid_mm", "hu")
        assert set(segment["hu"]) == {"mean", "sd", "p05", "p50", "p95"}
    one = done("stats", case, "--segment", "liver", "Tumour 1")["segments"]
    assert [segment["name"] for segment in one] == ["Liver", "Tumour 1"]


def test_an_image_that_does_not_say_what_it_holds_is_taken_for_hu_with_a_warning(
    phantom: Phantom, tmp_path: Path
) -> None:
    case, image = tmp_path / "case.twin", write_nifti(tmp_path / "x.nii.gz", phantom.voxels + 100, phantom.geometry)
    done("new", case, image)
    done("add", case, phantom.tumour_map, "--as", "labelmap", "--name", "Tumour")

    document = done("stats", case)

    assert document["segments"][0]["hu"]["mean"] == pytest.approx(HU["Tumour"] + 100)
    assert [warning["code"] for warning in document["warnings"]] == ["hu-assumed"]


def test_an_mr_image_has_intensities_and_no_hu(phantom: Phantom, tmp_path: Path) -> None:
    import pydicom

    folder = tmp_path / "mr"
    shutil.copytree(phantom.ct, folder)
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        data.Modality = "MR"
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = pydicom.uid.MRImageStorage
        data.save_as(path)
    done("new", tmp_path / "case.twin", folder)
    done("add", tmp_path / "case.twin", phantom.tumour_map, "--as", "labelmap", "--name", "Tumour")

    document = done("stats", tmp_path / "case.twin")

    assert document["segments"][0]["hu"] is None and document["warnings"] == []
    assert document["segments"][0]["intensity"]["sd"] == 0
    answer = surgitwin("segment", tmp_path / "case.twin", "body", "--into", "Body")
    assert answer.status == 3 and "HU" in answer.err


def test_segment_and_mesh(case: Path) -> None:
    document = done("segment", case, "threshold", "--into", "Bright", "--set", "low=100", "high=200")
    has(document, "node", "voxels", "volume_ml", "warnings")

    document = done("mesh", case, "--segment", "Liver", "--smooth", "0.3", "--triangles", "500")
    (surface,) = document["surfaces"]
    has(surface, "id", "type", "name", "triangles", "volume_ml", "volume_error_percent", "closed")
    assert surface["triangles"] <= 550 and surface["closed"] is True


def test_plan(case: Path, phantom: Phantom) -> None:
    document = done("plan", case, "P", "--organ", "Liver", "--plane", phantom.plane_between(20))

    has(document, "organ_ml", "removed_ml", "remnant_ml", "flr_percent", "flr_tumour_free_percent", "voxels", "lesions")
    has(document, "crossed_vessels", "devascularised_ml", "congested_ml", "warnings")
    assert set(document["voxels"]) == {"organ", "removed", "remnant"}
    for lesion in document["lesions"]:
        has(lesion, "name", "volume_ml", "margin_mm", "left_behind")


def test_compare(case: Path) -> None:
    document = done("compare", case, "First", "Second")

    assert [plan["name"] for plan in document["plans"]] == ["First", "Second"]
    assert all({"label", "unit", "values"} <= set(row) and len(row["values"]) == 2 for row in document["rows"])
    assert done("compare", case) == document


def test_export(case: Path, tmp_path: Path) -> None:
    document = done("export", case, tmp_path / "all.glb")

    has(document, "files", "check", "warnings")
    has(document["check"], "closed", "manifold", "self_intersections", "shells", "min_wall_mm", "volume_ml")
    has(document["check"], "volume_error_percent", "triangles", "unit", "frame")
    assert document["check"]["closed"] is True and document["check"]["manifold"] is True
    assert document["check"]["unit"] == "m"
    assert (tmp_path / "all.glb").read_bytes().startswith(GLB)
    assert [warning["segment"] for warning in document["warnings"]] == ["Right kidney"]


@pytest.mark.parametrize("view", ["3d", "axial", "coronal", "sagittal"])
def test_snapshot(case: Path, tmp_path: Path, view: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    document = done("snapshot", case, tmp_path / "picture.png", "--view", view, "--size", "200", "150")

    assert document["files"] == [str(tmp_path / "picture.png")]
    data = (tmp_path / "picture.png").read_bytes()
    assert data.startswith(PNG)
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (200, 150)


def test_report(case: Path, tmp_path: Path) -> None:
    document = done("report", case, tmp_path / "report.pdf")

    assert document["files"] == [str(tmp_path / "report.pdf")]
    assert (tmp_path / "report.pdf").read_bytes().startswith(PDF)


def test_verify(case: Path) -> None:
    document = done("verify", case)

    assert document["ok"] is True and document["problems"] == []


def test_the_small_ones(case: Path) -> None:
    assert done("edit", case, "Liver", "--rename", "Foie", "--color", "1,2,3")["node"]["name"] == "Foie"
    assert done("show", case, "--only", "foie")["shown"] == ["Foie"]
    assert done("image", case, "Portal venous", "--phase", "arterial", "--level", "-40")["level_hu"] == -40
    assert done("confirm-side", case, "Portal venous")["side_known"] is True
    assert done("patient", case, "--height", "170")["height_cm"] == 170
    assert done("report-settings", case, "--title", "Plan", "--no-identity")["show_identity"] is False
    assert done("unite", case, "Foie", "--with", "Portal vein")["added_ml"] > 0
    assert done("remove", case, "Tumour 1")["removed"]["name"] == "Tumour 1"


# Units


COUNTS = {
    "images", "voxels", "organ", "removed", "remnant", "triangles", "shells", "self_intersections", "format", "nodes",
    "arrays", "chunks", "versions", "predicted_bytes", "size_px", "size_ijk", "affine_lps",
}  # fmt: skip
UNITS = ("_mm", "_ml", "_mm2", "_hu", "_percent", "_cm", "_kg", "_years", "_m2", "_ml_m2")


def bare_numbers(value: Any, key: str = "") -> Iterator[str]:
    """The keys of numbers that say neither a unit nor that they are a count."""
    if isinstance(value, dict):
        if {"unit", "values"} <= set(value) or {"unit", "value"} <= set(value):
            return  # the unit stands beside the number
        for name, entry in value.items():
            yield from bare_numbers(entry, name) if name != "hu" else ()
    elif isinstance(value, list):
        for entry in value:
            yield from bare_numbers(entry, key)
    elif isinstance(value, int | float) and not isinstance(value, bool) and key not in COUNTS:
        yield from () if key.endswith(UNITS) else (key,)


def test_every_number_carries_its_unit_in_its_key(case: Path, phantom: Phantom, tmp_path: Path) -> None:
    documents = [
        done("series", phantom.ct),
        done("new", tmp_path / "new.twin", phantom.ct),
        done("patient", case, "--height", "170", "--weight", "70", "--quality", "healthy"),
        done("plan", case, "P", "--organ", "Liver", "--plane", phantom.plane_between(20)),
        done("compare", case),
        done("mesh", case),
        done("stats", case),
        done("segment", case, "threshold", "--into", "Bright", "--set", "low=100"),
        done("export", case, tmp_path / "out.stl"),
        done("export", case, tmp_path / "out.nii.gz"),
        done("snapshot", case, tmp_path / "out.png", "--view", "axial"),
        done("image", case, "Portal venous", "--window", "400", "--level", "40"),
        done("unite", case, "Liver", "--with", "Portal vein"),
        done("verify", case),
        done("tree", case),
    ]

    assert [key for document in documents for key in bare_numbers(document)] == []


# Words


def test_values_may_begin_with_a_minus_sign(case: Path, phantom: Phantom, tmp_path: Path) -> None:
    x, y, z = phantom.geometry.to_lps((20, 19, 15))
    assert x < 0 and y < 0
    plane = f"{x},{y},{z},-1,-0.5,0"

    one = done("plan", case, "-1", "--organ", "Liver", "--plane", plane)
    other = done("plan", case, "-1", f"--plane={plane}", "--organ=Liver")

    assert one == other and one["name"] == "-1"
    assert done("compare", case, "-1", "First")["plans"][0]["name"] == "-1"
    seed = f"seed_mm={x},{y},{z}"
    assert done("segment", case, "region-grow", "--into", "-grown", "--set", seed, "tolerance=1")["voxels"] > 1000
    assert done("stats", case, "--segment", "-grown")["segments"][0]["name"] == "-grown"
    for at in ([f"{x},{y},{z}"], [x, y, z]):
        done("snapshot", case, tmp_path / "at.png", "--view", "axial", "--at", *at, "--overwrite")


def test_a_dash_is_a_name_of_a_case_like_any_other(
    phantom: Phantom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert surgitwin("tree", "-").status == 3
    assert done("new", "-", phantom.ct)["case"] == "-"
    assert len(done("tree", "-")["nodes"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["-"]


def test_options_take_several_values_or_are_repeated_and_stand_anywhere(case: Path, tmp_path: Path) -> None:
    once = done("stats", case, "--segment", "Liver", "Tumour 1")

    assert done("stats", case, "--segment", "Liver", "--segment", "Tumour 1") == once
    assert done("stats", "--segment", "Liver", "Tumour 1", case) == once
    assert done("export", case, "--segment", "Liver", tmp_path / "liver.stl")["files"] == [str(tmp_path / "liver.stl")]


def test_json_is_utf_8_and_keeps_names_as_they_are(case: Path) -> None:
    done("edit", case, "Liver", "--rename", "Leber Größe 肝")

    answer = surgitwin("tree", case, "--json")

    assert "Leber Größe 肝" in answer.out


@pytest.mark.parametrize("name", ["tree", "stats", "mesh", "compare", "verify", "show"])
def test_without_json_people_read_words_and_warnings_go_to_standard_error(case: Path, name: str) -> None:
    answer = surgitwin(name, case)

    assert answer.status == 0 and answer.out and not answer.out.lstrip().startswith(("{", "["))
    if name in ("stats", "mesh"):
        assert "Right kidney" in answer.err and "cut off" in answer.err


def test_many_warnings_of_one_kind_are_summed_up(phantom: Phantom, tmp_path: Path) -> None:
    labels = phantom.labels * 0
    for value in range(1, 9):
        labels[-4:, value * 4 - 2 : value * 4, 4:12] = value
    done("new", tmp_path / "c.twin", phantom.ct)
    path = write_nifti(tmp_path / "l.nii.gz", labels, phantom.geometry)
    done("add", tmp_path / "c.twin", path, "--as", "labelmap")

    assert len(done("mesh", tmp_path / "c.twin")["warnings"]) == 8
    answer = surgitwin("mesh", tmp_path / "c.twin")
    assert answer.err.count("⚠") == 1 and "8 segments" in answer.err and "2 more" in answer.err


# Scripts


SAME = [
    ("tree", {}),
    ("stats", {"segment": ["Liver"]}),
    ("segment", {"method": "threshold", "into": "Bright", "settings": {"low": "100"}}),
    ("segment", {"method": "threshold", "into": "Bright", "settings": {"low": 100.0}}),
    ("mesh", {"segment": "Liver", "smooth": 0.2}),
    ("plan", {"name": "First", "organ": "Liver", "plane": ["-20,-100,230,1,0,0"]}),
    ("plan", {"plan": "First", "organ": "Liver", "plane": [(-20.0, -100, 230, 1, 0, 0)]}),
    ("compare", {"plans": ["First", "Second"]}),
    ("edit", {"node": "Liver", "rename": "Foie"}),
    ("patient", {"height": 170}),
    ("verify", {}),
]
WORDS = {
    "tree": [],
    "stats": ["--segment", "Liver"],
    "segment": ["threshold", "--into", "Bright", "--set", "low=100"],
    "mesh": ["--segment", "Liver", "--smooth", "0.2"],
    "plan": ["First", "--organ", "Liver", "--plane", "-20,-100,230,1,0,0"],
    "compare": ["First", "Second"],
    "edit": ["Liver", "--rename", "Foie"],
    "patient": ["--height", "170"],
    "verify": [],
}


@pytest.mark.parametrize(("name", "values"), SAME)
def test_a_script_gets_the_document_that_json_prints(
    name: str, values: dict[str, Any], whole_case: Path, tmp_path: Path
) -> None:
    one, other = copy_of(whole_case, tmp_path), tmp_path / "other.twin"
    other.write_bytes(one.read_bytes())

    printed = done(name, one, *WORDS[name])
    with Session.open(other) as session:
        returned = session.run(name, **values)

    assert without_ids(returned) == without_ids(printed)


def without_ids(value: Any) -> Any:
    """The document without what differs from one new node to the next."""
    if isinstance(value, dict):
        return {key: without_ids(entry) for key, entry in value.items() if key != "id"}
    return [without_ids(entry) for entry in value] if isinstance(value, list | tuple) else value


def test_a_script_lists_series_and_makes_cases_in_memory(phantom: Phantom, tmp_path: Path) -> None:
    with Session() as session:
        assert session.run("series", path=phantom.ct) == done("series", phantom.ct)
        session.run("new", path=str(phantom.ct))
        session.run("add", path=phantom.label_map, labels=phantom.table, **{"as": "labelmap"})
        session.run("add", path=phantom.tumour_map, as_="labelmap", name="Tumour 1")
        session.save_as(tmp_path / "case.twin")

    names = [node["name"] for node in done("tree", tmp_path / "case.twin")["nodes"] if node["type"] == "segment"]
    assert names == ["Liver", "Portal vein", "Right kidney", "Tumour 1"]


def test_a_script_that_is_refused_gets_an_error_and_the_case_stays_as_it_was(case: Path) -> None:
    with Session.open(case) as session:
        before = session.scene.digest()
        for name, values in (
            ("magic", {}),
            ("segment", {"method": "threshold"}),
            ("segment", {"method": "threshold", "into": "X", "settings": {"low": "dense"}}),
            ("segment", {"method": "threshold", "into": "X", "depth": 3}),
            ("plan", {"name": "P", "organ": "Liver", "plane": [(0, 0, 0)]}),
            ("plan", {"name": "P", "organ": "Liver", "plane": [None]}),
            ("plan", {"name": "P", "organ": "Liver", "plane": 3}),
            ("mesh", {"smooth": float("nan")}),
        ):
            with pytest.raises(BadInput) as caught:
                session.run(name, **values)
            assert "\n" not in str(caught.value) and "pydantic" not in str(caught.value)
        assert session.scene.digest() == before
        assert session.undo() is None


def test_run_gives_the_script_its_session(case: Path, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("NAME = 'Bright'\n")
    script = tmp_path / "script.py"
    script.write_text(
        "from helper import NAME\n"
        "print(case.name, session.case_path.name, __name__)\n"
        "result = session.run('segment', method='threshold', into=NAME, settings={'low': 100})\n"
    )

    answer = surgitwin("run", script, case)
    assert (answer.status, answer.out, answer.err) == (0, "case.twin case.twin __main__\n", "")
    document = done("run", script, case)
    assert document["result"]["node"]["name"] == "Bright" and document["case"] == str(case)
    assert "Bright" in [node["name"] for node in done("tree", case)["nodes"]]


@pytest.mark.parametrize(
    ("text", "status", "says"),
    [
        ("session.run('plan', name='P', organ='Spleen', plane='0,0,0,1,0,0')", 3, "Spleen"),
        ("\n\n1 / 0", 3, "line 3: ZeroDivisionError"),
        ("def f(:\n  pass", 3, "line 1: SyntaxError"),
        ("import sys\nsys.exit(7)", 7, ""),
        ("raise SystemExit('No liver.')", 1, "No liver."),
        ("raise KeyboardInterrupt", 4, "Cancelled"),
    ],
)
def test_a_script_that_fails_says_where(case: Path, tmp_path: Path, text: str, status: int, says: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(text)
    before = case.read_bytes()

    answer = surgitwin("run", script, case)

    assert answer.status == status and says in answer.err and answer.err.count("\n") == (1 if says else 0)
    assert "Traceback" not in answer.err
    assert case.read_bytes() == before


def test_every_command_takes_json_and_has_help() -> None:
    for name in (*COMMANDS, "gui", "demo", "sample", "run"):
        answer = surgitwin(name, "--help")
        assert answer.status == 0 and "--json" in answer.out, name
        assert answer.err == ""
    whole = surgitwin("--help").out
    assert all(name in whole for name in (*COMMANDS, "gui", "demo", "sample", "run"))
