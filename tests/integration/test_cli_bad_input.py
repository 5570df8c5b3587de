"""Whatever is wrong with what it is given, every command says so in one sentence and leaves everything as it was."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from surgitwin.commands import COMMANDS
from surgitwin.session import Session
from terminal import (
    LIVER,
    Answer,
    Phantom,
    copy_of,
    done,
    fingerprint,
    make_case,
    make_phantom,
    surgitwin,
    write_nifti,
)

BAD_INPUT, USAGE = 3, 2


@dataclass(frozen=True)
class Bench:
    """A folder with a case and input files; nothing in it may change."""

    folder: Path
    phantom: Phantom

    def __getitem__(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return make_phantom(tmp_path_factory.mktemp("phantom"))


def forked_vein(phantom: Phantom, folder: Path) -> Path:
    """A Y in the liver, as a label map."""
    mask = np.zeros(phantom.geometry.shape_kji, np.uint8)
    k, j, i = (part.start for part in LIVER)
    for step in range(9):
        mask[k + 4 : k + 7, j + 8 : j + 11, i + 3 + step : i + 6 + step] = 1
        for way in (-1, 1):
            at = j + 8 + way * (step * 2 // 3)
            mask[k + 4 : k + 7, at : at + 3, i + 11 + step : i + 14 + step] = 1
    return write_nifti(folder / "vein.nii.gz", mask, phantom.geometry)


@pytest.fixture(scope="module")
def master(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case with surfaces, two plans and two segments of one name."""
    folder = tmp_path_factory.mktemp("master")
    case = make_case(phantom, folder / "case.twin")
    done("add", case, forked_vein(phantom, folder), "--as", "labelmap", "--name", "Hepatic veins")
    done("vessels", case, "--segment", "Hepatic veins")
    with Session.open(case) as session:
        session.run("mesh", segment="Liver")
        for name in ("P1", "P2"):
            session.run("plan", name=name, organ="Liver", plane=phantom.plane_between(20))
        for name in ("Twice", "Other"):
            session.run("segment", method="threshold", into=name, settings={"low": 170})
        session.run("edit", node="Other", rename="Twice")
        session.run("report-settings", title="Report")
        session.run("crop", around="Liver", margin_mm=8.0, name="Moved")
        session.run("register", fixed="Portal venous", moving="Moved", name="Link")
    return case


@pytest.fixture
def bench(phantom: Phantom, master: Path, tmp_path: Path) -> Bench:
    folder = tmp_path / "bench"
    folder.mkdir()
    bench = Bench(folder, phantom)
    copy_of(master, folder)
    (folder / "folder").mkdir()
    (folder / "text.txt").write_text("Not an image.\n")
    (folder / "text.json").write_text("Not JSON.\n")
    (folder / "there.stl").write_text("Somebody's file.\n")
    (folder / "there.png").write_text("Somebody's picture.\n")
    (folder / "there.pdf").write_text("Somebody's report.\n")
    (folder / "there.nii.gz").write_text("Somebody's image.\n")
    return bench


def refused(answer: Answer, status: int = BAD_INPUT) -> None:
    """One sentence on standard error, nothing on standard output."""
    assert (answer.status, answer.out) == (status, ""), answer
    assert answer.err.endswith("\n") and answer.err.count("\n") == 1, answer.err
    assert len(answer.err) > 20 and answer.err.rstrip()[-1] in ".!?)", answer.err
    for word in ("Traceback", "Error:", "Errno", "errors.pydantic", "object at 0x", "<class"):
        assert word not in answer.err


def assert_refused(bench: Bench, *words: object, status: int = BAD_INPUT, says: tuple[str, ...] = ()) -> None:
    """The command is refused, with and without --json; the folder is the same to the byte."""
    before = fingerprint(bench.folder)
    for extra in ([], ["--json"]):
        answer = surgitwin(*words, *extra)
        refused(answer, status)
        for part in says:
            assert part in answer.err
        assert fingerprint(bench.folder) == before


# Every command that opens a case, with words that would work on the whole case.

ON_A_CASE: dict[str, Callable[[Bench, Path], tuple[object, ...]]] = {
    "add": lambda b, case: (case, b.phantom.ct, "--as", "volume"),
    "tree": lambda b, case: (case,),
    "stats": lambda b, case: (case,),
    "segment": lambda b, case: (case, "threshold", "--into", "Bright", "--set", "low=100"),
    "paint": lambda b, case: (case, "Liver", "--at", b.phantom.middle),
    "draw": lambda b, case: (case, "Liver", "--outline", *b.phantom.triangle),
    "scissors": lambda b, case: (case, "Liver", "--outline", *b.phantom.triangle),
    "crop": lambda b, case: (case, "--around", "Liver"),
    "mask": lambda b, case: (case, "Liver"),
    "register": lambda b, case: (case, "--fixed", "Portal venous", "--moving", "Moved"),
    "landmarks": lambda b, case: (case, "Link", "--pair", f"{b.phantom.middle}={b.phantom.middle}"),
    "accept": lambda b, case: (case, "Link", "--by", "Dr. Test"),
    "carry": lambda b, case: (case, "Liver", "--onto", "Moved"),
    "unite": lambda b, case: (case, "Liver", "--with", "Tumour 1"),
    "custom": lambda b, case: (
        case,
        "guide",
        "--of",
        "Liver",
        "--plane",
        f"{b.phantom.middle},1,0,0",
        "--set",
        "spacing_mm=1.5",
    ),
    "shape": lambda b, case: (case, "--of", "Liver", "--engrave", "auto"),
    "implant": lambda b, case: (case, "bone-screw/3.5x20", "--at", b.phantom.middle),
    "mark": lambda b, case: (case, "--name", "asis_left", "--at", "1,2,3"),
    "fit": lambda b, case: (case, "--implant", "bone-screw/3.5x20", "--onto", "Liver"),
    "sweep": lambda b, case: (
        case,
        "--family",
        "sphere",
        "--onto",
        "Liver",
        "--at",
        b.phantom.middle,
        "--keep-best",
    ),
    "mesh": lambda b, case: (case,),
    "vessels": lambda b, case: (case, "--segment", "Portal vein"),
    "vessel": lambda b, case: (case, "Hepatic veins", "name", "--branch", "0", "--name", "Trunk"),
    "territories": lambda b, case: (case, "--organ", "Liver", "--vessels", "Hepatic veins", "--by", "branch"),
    "surface": lambda b, case: (case, "--organ", "Liver", "--along", "lesion", "--margin", "Tumour 1:3"),
    "sensitivity": lambda b, case: (case, "P1"),
    "duplicate": lambda b, case: (case, "P1", "--as", "P3"),
    "plan": lambda b, case: (case, "New", "--organ", "Liver", "--plane", b.phantom.plane_between(20)),
    "compare": lambda b, case: (case, "P1", "P2"),
    "measure": lambda b, case: (case, "ruler", "--at", b.phantom.middle, "--at", "0,0,0"),
    "measurements": lambda b, case: (case,),
    "simulate": lambda b, case: (case, "portal-pressure", "--plan", "P1", "--set", "samples=50"),
    "export": lambda b, case: (case, b["new.stl"]),
    "print": lambda b, case: (
        case,
        b["new.stl"],
        "--segment",
        "Tumour 1",
        "--process",
        "SLA",
        "--accept-by",
        "Dr. Test",
    ),
    "report": lambda b, case: (case, b["new.pdf"]),
    "snapshot": lambda b, case: (case, b["new.png"], "--view", "axial"),
    "copy": lambda b, case: (case, b["copy.twin"]),
    "verify": lambda b, case: (case,),
    "edit": lambda b, case: (case, "Liver", "--rename", "Foie"),
    "sign": lambda b, case: (case, "Liver", "--as", "reviewed", "--by", "Dr. Test"),
    "remove": lambda b, case: (case, "Liver"),
    "show": lambda b, case: (case,),
    "image": lambda b, case: (case, "Portal venous", "--phase", "arterial"),
    "confirm-side": lambda b, case: (case, "Portal venous"),
    "patient": lambda b, case: (case, "--height", "170"),
    "report-settings": lambda b, case: (case, "--title", "Title"),
}
EDITS = [name for name, kind in COMMANDS.items() if kind.case == "edit"]


def words_on(name: str, bench: Bench, case: Path) -> tuple[object, ...]:
    return (name, *ON_A_CASE[name](bench, case))


def test_every_command_on_a_case_is_in_the_table() -> None:
    assert {name for name, kind in COMMANDS.items() if kind.case in ("read", "edit")} == set(ON_A_CASE)


@pytest.mark.parametrize("name", ON_A_CASE)
def test_the_words_of_the_table_work_on_a_whole_case(name: str, bench: Bench) -> None:
    extra = ("--confirm",) if name == "add" else ()

    done(*words_on(name, bench, bench["case.twin"]), *extra)


def missing(bench: Bench) -> Path:
    return bench["missing.twin"]


def in_a_missing_folder(bench: Bench) -> Path:
    return bench["nowhere"] / "case.twin"


def a_folder(bench: Bench) -> Path:
    return bench["folder"]


def empty(bench: Bench) -> Path:
    bench["empty.twin"].touch()
    return bench["empty.twin"]


def foreign(bench: Bench) -> Path:
    return bench["text.txt"]


def foreign_database(bench: Bench) -> Path:
    with closing(sqlite3.connect(bench["foreign.twin"])) as db:
        db.execute("CREATE TABLE nodes(id)")
        db.commit()
    return bench["foreign.twin"]


def cut_short(bench: Bench) -> Path:
    whole = bench["case.twin"].read_bytes()
    bench["short.twin"].write_bytes(whole[: len(whole) // 2])
    return bench["short.twin"]


def newer(bench: Bench) -> Path:
    path = Path(shutil.copy(bench["case.twin"], bench["newer.twin"]))
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 999")
        db.commit()
    return path


def overwritten(bench: Bench) -> Path:
    whole = bytearray(bench["case.twin"].read_bytes())
    whole[4096:] = bytes(len(whole) - 4096)
    bench["zeroed.twin"].write_bytes(whole)
    return bench["zeroed.twin"]


def damaged_text(bench: Bench) -> Path:
    """A node whose text is no UTF-8 any more."""
    whole = bench["case.twin"].read_bytes()
    bench["damaged.twin"].write_bytes(whole.replace(b"pseudonym", b"pse\xfddonym"))
    return bench["damaged.twin"]


BAD_CASES = [
    missing,
    in_a_missing_folder,
    a_folder,
    empty,
    foreign,
    foreign_database,
    cut_short,
    newer,
    overwritten,
    damaged_text,
]


@pytest.mark.parametrize("make", BAD_CASES, ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", ON_A_CASE)
def test_no_command_takes_what_is_no_case(name: str, make: Callable[[Bench], Path], bench: Bench) -> None:
    path = make(bench)

    assert_refused(bench, *words_on(name, bench, path), says=(path.name,))


@pytest.mark.parametrize("name", EDITS)
def test_no_command_changes_a_case_that_somebody_else_has_open(name: str, bench: Bench) -> None:
    case = bench["case.twin"]
    with locked(case):
        before = case.read_bytes()
        refused(answer := surgitwin(*words_on(name, bench, case), "--json"))
        assert "case.twin" in answer.err and "open" in answer.err
        assert case.read_bytes() == before


@pytest.mark.parametrize("name", [name for name in ON_A_CASE if name not in EDITS])
def test_a_case_that_somebody_else_has_open_can_be_looked_at_and_says_so(name: str, bench: Bench) -> None:
    case = bench["case.twin"]
    with locked(case):
        answer = surgitwin(*words_on(name, bench, case), "--json")
        assert answer.status == 0, answer.err
        assert answer.codes()[0] == "read-only-copy"


def test_a_print_that_nobody_accepts_needs_no_right_to_change_the_case(bench: Bench) -> None:
    with locked(bench["case.twin"]):
        words = words_on("print", bench, bench["case.twin"])
        answer = surgitwin("print", *words[1:-2], "--json")
        assert answer.status == 0 and answer.codes()[0] == "read-only-copy", answer.err


@contextmanager
def locked(case: Path) -> Iterator[None]:
    """Hold the case as another process does (`test_cli_process` does it with a real one)."""
    with Session.open(case):
        yield


# Values that do not fit a whole case.

PLANE = "0,0,200,1,0,0"
PLAN = ("plan", "C", "New", "--organ", "Liver", "--plane")
SEGMENT = ("segment", "C", "threshold", "--into", "Bright", "--set")
VALUES: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    # names
    (("stats", "C", "--segment", "Spleen"), ("Spleen", "Liver")),
    (("stats", "C", "--segment", "Twice"), ("Twice",)),
    (("mesh", "C", "--segment", "Liver", "--segment", "Spleen"), ("Spleen",)),
    (("mesh", "C", "--segment", "Twice"), ("2", "Twice")),
    (("plan", "C", "New", "--organ", "Spleen", "--plane", PLANE), ("Spleen",)),
    (("plan", "C", "New", "--organ", "Portal venous", "--plane", PLANE), ("Portal venous",)),
    ((*PLAN, PLANE, "--lesion", "Tumour 9"), ("Tumour 9", "Tumour 1")),
    (("compare", "C", "P1", "P9"), ("P9", "P1", "P2")),
    (("export", "C", "new.stl", "--segment", "Spleen"), ("Spleen",)),
    (("export", "C", "new.nii.gz", "--segment", "Spleen"), ("Spleen",)),
    (("export", "C", "new.nii.gz", "--volume", "Arterial"), ("Arterial", "Portal venous")),
    (("report", "C", "new.pdf", "--plan", "P9"), ("P9",)),
    (("snapshot", "C", "new.png", "--plan", "P9"), ("P9",)),
    (("edit", "C", "Spleen", "--rename", "Milz"), ("Spleen",)),
    (("edit", "C", "Twice", "--rename", "Once"), ("Twice",)),
    (("remove", "C", "Spleen"), ("Spleen",)),
    (("remove", "C", "Twice"), ("Twice",)),
    (("remove", "C", "Case T"), ("case",)),
    (("remove", "C", "Layer 1"), ("Layer 1", "Liver")),
    (("show", "C", "--only", "Spleen"), ("Spleen",)),
    (("image", "C", "Liver", "--phase", "arterial"), ("Liver",)),
    (("confirm-side", "C", "Spleen"), ("Spleen",)),
    (("confirm-side", "C", "P1"), ("P1", "side")),
    (("unite", "C", "Liver", "--with", "Spleen"), ("Spleen",)),
    (("unite", "C", "Liver", "--with", "Liver"), ("Liver",)),
    (("segment", "C", "threshold", "--into", "X", "--onto", "Arterial", "--set", "low=1"), ("Arterial",)),
    (("segment", "C", "smooth", "--into", "X", "--of", "Spleen"), ("Spleen",)),
    (("segment", "C", "threshold", "--into", "Twice", "--set", "low=100"), ("Twice",)),
    # planes
    ((*PLAN, "0,0,200,0,0,0"), ("0,0,200,0,0,0", "normal")),
    ((*PLAN, "0,0,200,1,0"), ("0,0,200,1,0", "six")),
    ((*PLAN, "0,0,200,1,0,0,0"), ("six",)),
    ((*PLAN, "nan,0,200,1,0,0"), ("nan", "six")),
    ((*PLAN, "0,0,200,inf,0,0"), ("inf",)),
    ((*PLAN, "0,0,200,x,0,0"), ("x",)),
    ((*PLAN, ""), ("six",)),
    ((*PLAN[:-1],), ("--plane",)),
    (("plan", "C", "", "--organ", "Liver", "--plane", PLANE), ("name",)),
    # methods and settings
    (("segment", "C", "magic", "--into", "X"), ("magic", "threshold")),
    (("segment", "C", "threshold", "--into", "X"), ("low",)),
    (("segment", "C", "threshold", "--into", "", "--set", "low=1"), ("into",)),
    ((*SEGMENT, "low"), ("low", "k=v")),
    ((*SEGMENT, "=100"), ("=100",)),
    ((*SEGMENT, "low="), ("low",)),
    ((*SEGMENT, "low=dense"), ("dense",)),
    ((*SEGMENT, "low=nan"), ("nan", "low")),
    ((*SEGMENT, "low=inf"), ("inf", "low")),
    ((*SEGMENT, "low=100", "--set", "depth=3"), ("depth", "low")),
    ((*SEGMENT, "low=100", "--set", "low=200"), ("low", "twice")),
    ((*SEGMENT, "low=200", "--set", "high=100"), ("200", "100")),
    ((*SEGMENT, "low=2000"), ("2000", "180")),
    (("segment", "C", "region-grow", "--into", "X", "--set", "seed_mm=0,0", "tolerance=5"), ("0,0", "three")),
    (("segment", "C", "region-grow", "--into", "X", "--set", "seed_mm=0,0,9000", "tolerance=5"), ("9000",)),
    (("segment", "C", "smooth", "--into", "Liver", "--set", "mm=-1"), ("mm", "-1")),
    (("segment", "C", "smooth", "--into", "Liver", "--set", "mm=1e9"), ("mm", "50")),
    (("segment", "C", "smooth", "--into", "Liver", "--set", "method=magic"), ("magic", "median")),
    (("segment", "C", "largest-island", "--into", "Liver", "--set", "min_ml=1e6"), ("1e+06",)),
    # numbers
    (("mesh", "C", "--smooth", "2"), ("smooth", "2")),
    (("mesh", "C", "--smooth", "-0.5"), ("smooth", "-0.5")),
    (("mesh", "C", "--smooth", "nan"), ("smooth", "nan")),
    (("mesh", "C", "--triangles", "3"), ("triangles", "3")),
    (("edit", "C", "Liver", "--opacity", "2"), ("opacity", "2")),
    (("edit", "C", "Liver", "--opacity", "nan"), ("opacity",)),
    (("edit", "C", "Liver", "--color", "1,2,300"), ("300",)),
    (("edit", "C", "Liver", "--rename", ""), ("rename",)),
    (("edit", "C", "Portal venous", "--color", "1,2,3"), ("Portal venous", "color")),
    (("edit", "C", "Portal venous", "--type", "organ"), ("Portal venous",)),
    (("edit", "C", "Liver"), ("--rename",)),
    (("image", "C", "Portal venous"), ("--phase",)),
    (("image", "C", "Portal venous", "--window", "-100"), ("window", "-100")),
    (("image", "C", "Portal venous", "--window", "nan"), ("window",)),
    (("image", "C", "Portal venous", "--level", "inf"), ("level",)),
    (("patient", "C", "--height", "17"), ("height", "17")),
    (("patient", "C", "--height", "nan"), ("height",)),
    (("patient", "C", "--weight", "-70"), ("weight", "-70")),
    (("patient", "C", "--icg-r15", "101"), ("icg-r15", "101")),
    (("patient", "C", "--pseudonym", ""), ("pseudonym",)),
    (("report-settings", "C"), ("--title",)),
    (("snapshot", "C", "new.png", "--size", "10,10"), ("10",)),
    (("snapshot", "C", "new.png", "--size", "100000,100"), ("100000",)),
    (("snapshot", "C", "new.png", "--view", "axial", "--at", "0,0,9000"), ("9000",)),
    (("snapshot", "C", "new.png", "--view", "axial", "--at", "nan,0,0"), ("at",)),
    # files to write
    (("export", "C", "there.stl"), ("there.stl", "exists")),
    (("export", "C", "there.nii.gz"), ("there.nii.gz", "exists")),
    (("export", "C", "new.xyz"), ("new.xyz", ".stl", ".nii.gz")),
    (("export", "C", "new"), ("new", ".stl")),
    (("export", "C", "nowhere/new.stl"), ("nowhere",)),
    (("export", "C", "folder"), ("folder",)),
    (("export", "C", "new.nii.gz", "--segment", "Liver", "--segment", "Tumour 1"), ("one",)),
    (("snapshot", "C", "there.png"), ("there.png", "exists")),
    (("snapshot", "C", "new.jpg"), ("new.jpg", ".png")),
    (("snapshot", "C", "nowhere/new.png"), ("nowhere",)),
    (("report", "C", "there.pdf"), ("there.pdf", "exists")),
    (("report", "C", "new.doc"), ("new.doc", ".pdf")),
    (("report", "C", "nowhere/new.pdf"), ("nowhere",)),
    # files to read
    (("add", "C", "missing.nii.gz", "--as", "labelmap"), ("missing.nii.gz",)),
    (("add", "C", "missing.stl", "--as", "surface"), ("missing.stl",)),
    (("add", "C", "missing", "--as", "volume"), ("missing",)),
    (("add", "C", "text.txt", "--as", "labelmap"), ("text.txt",)),
    (("add", "C", "text.txt", "--as", "surface"), ("text.txt",)),
    (("add", "C", "text.txt", "--as", "volume"), ("text.txt",)),
    (("add", "C", "there.nii.gz", "--as", "labelmap"), ("there.nii.gz",)),
    (("add", "C", "there.nii.gz", "--as", "volume"), ("there.nii.gz",)),
    (("add", "C", "there.stl", "--as", "surface"), ("there.stl",)),
    (("add", "C", "folder", "--as", "labelmap"), ("folder",)),
    (("add", "C", "folder", "--as", "surface"), ("folder",)),
    (("add", "C", "folder", "--as", "volume"), ("folder",)),
    (("series", "missing"), ("missing",)),
    (("series", "text.txt"), ("text.txt",)),
    (("series", "there.nii.gz"), ("there.nii.gz",)),
    (("new", "new.twin", "missing"), ("missing",)),
    (("quick", "missing", "new.stl", "--low", "200"), ("missing",)),
    (("quick", "text.txt", "new.stl", "--low", "200"), ("text.txt",)),
    (("quick", "folder", "new.stl", "--low", "200"), ("folder",)),
    (("quick", "text.txt", "there.stl", "--low", "200"), ("there.stl", "exists")),
    (("quick", "text.txt", "new.nii.gz", "--low", "200"), ("new.nii.gz", ".stl")),
    (("quick", "text.txt", "nowhere/new.stl", "--low", "200"), ("nowhere",)),
    (("quick", "text.txt", "new.stl", "--low", "300", "--high", "200"), ("300", "200", "swap")),
    (("quick", "text.txt", "new.stl", "--low", "nan"), ("low",)),
    (("new", "new.twin", "text.txt"), ("text.txt",)),
    (("new", "new.twin", "there.nii.gz"), ("there.nii.gz",)),
    (("new", "new.twin", "folder"), ("folder",)),
    (("new", "case.twin", "text.txt"), ("case.twin", "exists")),
    (("new", "nowhere/new.twin", "text.txt"), ("nowhere",)),
    (("new", "folder", "text.txt"), ("folder", "exists")),
    (("run", "missing.py"), ("missing.py",)),
    (("run", "folder"), ("folder",)),
    (("run", "text.txt", "missing.twin"), ("missing.twin",)),
    (("sample", "spleen", "new"), ("spleen", "liver-phantom")),
    (("sample", "liver-phantom", "there.stl"), ("there.stl",)),
    (("sample", "liver-phantom", "."), ("empty",)),
    (("sample", "liver-phantom", "new", "--size", "10"), ("10", "size")),
    (("sample", "liver-phantom", "new", "--size", "0,0,0"), ("0",)),
    (("sample", "liver-phantom", "new", "--spacing", "1,1,x"), ("1,1,x",)),
    (("sample", "liver-phantom", "new", "--spacing", "nan,1,1"), ("nan",)),
    (("sample", "liver-phantom", "new", "--spacing", "1,1,-1"), ("-1",)),
    (("sample", "abdomen-ct", "new", "--seed", "1"), ("seed",)),
    (("demo", "--case", "spleen", "--out", "new"), ("spleen", "abdomen-ct")),
    (("demo", "--case", "abdomen-ct", "--out", "there.stl"), ("there.stl",)),
    (("missing.twin",), ("missing.twin",)),
    (("gui", "missing.twin"), ("missing.twin",)),
]


def identify(value: object) -> str | None:
    return (
        " ".join(map(str, value)) if isinstance(value, tuple) and value and value[0] in (*COMMANDS, *SPECIAL) else "-"
    )


SPECIAL = ("run", "sample", "demo", "gui", "missing.twin")


@pytest.mark.parametrize(("words", "says"), VALUES, ids=identify)
def test_a_value_that_does_not_fit_is_named_and_nothing_is_written(
    words: tuple[str, ...], says: tuple[str, ...], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench.folder)

    assert_refused(bench, *("case.twin" if word == "C" else word for word in words), says=says)


@pytest.mark.parametrize(
    "words",
    [
        ("tree",),
        ("tree", "C", "extra"),
        ("tree", "C", "--depth", "3"),
        ("plan", "C"),
        ("plan", "C", "P", "--plane", PLANE),
        ("mesh", "C", "--smooth"),
        ("mesh", "C", "--smooth", "much"),
        ("mesh", "C", "--triangles", "many"),
        ("segment", "C"),
        ("segment", "C", "threshold"),
        ("add", "C", "text.txt"),
        ("add", "C", "text.txt", "--as", "magic"),
        ("snapshot", "C", "new.png", "--view", "front"),
        ("snapshot", "C", "new.png", "--size", "800"),
        ("edit", "C"),
        ("edit", "C", "Liver", "--color", "red"),
        ("edit", "C", "Liver", "--type", "magic"),
        ("patient", "C", "--quality", "magic"),
        ("patient", "C", "--formula", "magic"),
        ("new", "new.twin"),
        ("export", "C"),
        ("report", "C"),
        ("verify",),
        ("series",),
        ("run",),
        ("sample", "liver-phantom"),
        ("sample", "liver-phantom", "new", "--seed", "x"),
        ("demo", "--case"),
        ("--magic",),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_from_bad_input(
    words: tuple[str, ...], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench.folder)

    assert_refused(bench, *("case.twin" if word == "C" else word for word in words), status=USAGE)
