"""What only a process of its own shows: what it prints, how it is cancelled, what it leaves, what it imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from terminal import Phantom, copy_of, done, fingerprint, make_case, make_phantom

PROGRAM = [sys.executable, "-m", "surgitwin"]
WAIT_S = 60


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return make_phantom(tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="module")
def whole_case(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_case(phantom, tmp_path_factory.mktemp("case") / "case.twin")


@pytest.fixture
def case(whole_case: Path, tmp_path: Path) -> Path:
    return copy_of(whole_case, tmp_path)


def start(*words: object, code: str | None = None, **more: object) -> subprocess.Popen[bytes]:
    """Start the program; with ``code`` a Python text that calls it on ``sys.argv[1:]``."""
    program = PROGRAM if code is None else [sys.executable, "-c", code]
    return subprocess.Popen(
        [*program, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")},
        **more,  # type: ignore[call-overload]
    )


def run(*words: object, code: str | None = None, **more: object) -> tuple[int, str, str]:
    process = start(*words, code=code, **more)
    out, err = process.communicate(timeout=WAIT_S)
    return process.returncode, out.decode("utf-8"), err.decode("utf-8")


NOISY = """
import os, sys, warnings
import surgitwin.imaging as imaging
from surgitwin.cli.main import main
real = imaging.list_series
def noisy(*args, **kwargs):
    print("a Python library")
    os.write(1, b"a C++ library\\n")
    os.write(2, b"another C++ library\\n")
    warnings.warn("a library's advice to programmers")
    return real(*args, **kwargs)
imaging.list_series = noisy
sys.exit(main())
"""


def test_what_libraries_print_does_not_get_into_the_document(phantom: Phantom) -> None:
    status, out, err = run("series", phantom.ct, "--json", code=NOISY)

    assert status == 0
    assert json.loads(out)[0]["modality"] == "CT"
    assert err == "a Python library\n"


def test_a_command_leaves_exactly_one_file_and_says_nothing_but_its_document(case: Path) -> None:
    status, out, err = run("mesh", case, "--json")

    assert (status, err) == (0, "")
    assert len(json.loads(out)["surfaces"]) == 4
    assert [path.name for path in case.parent.iterdir()] == [case.name]


def test_json_is_utf_8_whatever_the_locale(case: Path) -> None:
    done("edit", case, "Liver", "--rename", "Größe 肝")

    process = subprocess.run(
        [*PROGRAM, "tree", str(case), "--json"], capture_output=True, env={**os.environ, "LC_ALL": "C"}, check=True
    )

    assert "Größe 肝" in process.stdout.decode("utf-8")


def test_a_reader_that_goes_away_is_no_fault(case: Path) -> None:
    process = start("stats", case, "--json")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()

    assert process.wait(WAIT_S) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Only Linux has no display without saying so.")
@pytest.mark.parametrize("words", [(), ("gui",), ("gui", "--json")], ids=" ".join)
def test_the_window_without_a_display_is_refused_in_one_sentence(words: tuple[str, ...]) -> None:
    status, out, err = run(*words)

    assert (status, out) == (3, "") and err.count("\n") == 1 and "display" in err


# Ctrl+C. The program waits at a point of its work that the test chooses, so that nothing depends on time.

STOPPED = """
import os, signal, sys, time
from surgitwin.cli.main import main
from surgitwin.core.progress import Context
real, stop_at = Context.progress, int(sys.argv.pop(1))
seen = 0
def progress(self, *args, **kwargs):
    global seen
    seen += 1
    if seen == stop_at:
        os.kill(os.getpid(), signal.SIGINT)
    return real(self, *args, **kwargs)
Context.progress = progress
sys.exit(main())
"""


@pytest.mark.parametrize(
    "words",
    [
        ("segment", "CASE", "smooth", "--into", "Liver", "--set", "mm=5"),
        ("mesh", "CASE"),
        ("plan", "CASE", "P", "--organ", "Liver", "--plane", "-20,-100,230,1,0,0"),
        ("add", "CASE", "CT", "--as", "volume", "--confirm"),
        ("export", "CASE", "out.stl"),
        ("export", "CASE", "out.nii.gz"),
        ("report", "CASE", "out.pdf"),
        ("stats", "CASE"),
        ("new", "new.twin", "CT"),
        ("series", "CT"),
        ("sample", "liver-phantom", "sample", "--size", "64,64,40", "--spacing", "6,6,8"),
        ("demo", "--out", "demo", "--no-window"),
    ],
    ids=lambda words: words[0] + " " + words[-1][-4:],
)
def test_ctrl_c_exits_4_and_nothing_has_changed(words: tuple[str, ...], case: Path, phantom: Phantom) -> None:
    before = fingerprint(case.parent)
    places = {"CASE": case, "CT": phantom.ct}

    status, out, err = run(2, *(places.get(word, word) for word in words), "--json", code=STOPPED, cwd=case.parent)

    assert (status, out) == (4, ""), err
    assert err == "Cancelled. Nothing was changed.\n"
    assert fingerprint(case.parent) == before


IMPATIENT = """
import os, signal, sys, time
from surgitwin.cli.main import main
import surgitwin.surfaces as surfaces
def never_asks(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(30)
surfaces.surfaces_from_labels = never_asks
sys.exit(main())
"""


def test_a_second_ctrl_c_does_not_wait_for_the_work(case: Path) -> None:
    before = fingerprint(case.parent)
    begun = time.monotonic()

    status, out, err = run("mesh", case, code=IMPATIENT)

    assert (status, out) == (4, "") and err.count("\n") == 1
    assert time.monotonic() - begun < 25
    assert fingerprint(case.parent) == before


# Another process

HOLDER = """
import sys
from pathlib import Path
from surgitwin.session import Session
with Session.open(Path(sys.argv[1])):
    print("open", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another_process(case: Path) -> Iterator[None]:
    process = start(case, code=HOLDER, stdin=subprocess.PIPE)
    assert process.stdout is not None and process.stdin is not None and process.stderr is not None
    try:
        assert process.stdout.readline() == b"open\n", process.stderr.read()
        yield
    finally:
        process.stdin.close()
        process.wait(WAIT_S)
        process.stdout.close()
        process.stderr.close()


def test_a_case_in_another_process_can_be_read_but_not_changed(case: Path) -> None:
    with held_by_another_process(case):
        before = case.read_bytes()
        status, out, err = run("edit", case, "Liver", "--rename", "Foie", "--json")
        assert (status, out) == (3, "") and "case.twin" in err and err.count("\n") == 1
        status, out, err = run("tree", case, "--json")
        assert (status, err) == (0, "")
        assert [warning["code"] for warning in json.loads(out)["warnings"]] == ["read-only-copy"]
        assert case.read_bytes() == before
    assert run("edit", case, "Liver", "--rename", "Foie", "--json")[0] == 0
    assert [path.name for path in case.parent.iterdir()] == [case.name]


def test_what_was_done_is_on_disk_when_the_command_ends(case: Path) -> None:
    process = start("edit", case, "Liver", "--rename", "Foie", "--json")
    out, _ = process.communicate(timeout=WAIT_S)

    assert json.loads(out)["node"]["name"] == "Foie"
    assert "Foie" in [node["name"] for node in done("tree", case)["nodes"]]


# Places that cannot be written to: a folder of the kernel's own that refuses even the superuser.

CLOSED = Path("/proc/self")


@pytest.mark.skipif(not CLOSED.is_dir(), reason="Only Linux has a folder that refuses everybody.")
@pytest.mark.parametrize(
    "words",
    [
        ("export", "CASE", CLOSED / "out.stl"),
        ("export", "CASE", CLOSED / "out.glb"),
        ("export", "CASE", CLOSED / "out.nii.gz", "--segment", "Liver"),
        ("snapshot", "CASE", CLOSED / "out.png", "--view", "axial"),
        ("report", "CASE", CLOSED / "out.pdf"),
        ("new", CLOSED / "new.twin", "CT"),
        ("sample", "liver-phantom", CLOSED / "sample", "--size", "64,64,40", "--spacing", "6,6,8"),
        ("demo", "--out", CLOSED / "demo", "--no-window"),
    ],
    ids=lambda words: f"{words[0]} {words[-1] if words[0] != 'export' else words[2].suffix}",
)
def test_a_folder_that_refuses_is_named_in_one_sentence(
    words: tuple[object, ...], case: Path, phantom: Phantom
) -> None:
    places = {"CASE": case, "CT": phantom.ct}

    status, out, err = run(*(places.get(word, word) for word in words), "--json")

    assert (status, out) == (3, ""), err
    assert err.count("\n") == 1 and "/proc/self" in err and "Traceback" not in err


# A full drive: the largest file that the process may write is smaller than what the command needs.


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files.")
@pytest.mark.parametrize(
    "words",
    [
        ("export", "CASE", "out.stl"),
        ("report", "CASE", "out.pdf"),
        ("new", "new.twin", "CT"),
        ("segment", "CASE", "threshold", "--into", "Bright", "--set", "low=100"),
        ("demo", "--out", "demo", "--no-window"),
    ],
    ids=lambda words: words[0],
)
def test_a_full_drive_is_told_in_one_sentence_and_nothing_has_changed(
    words: tuple[str, ...], case: Path, phantom: Phantom, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    # A compiled file that the limit cuts short would break every later run.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    before = fingerprint(case.parent)
    places = {"CASE": case, "CT": phantom.ct}

    status, out, err = run(
        *(places.get(word, word) for word in words),
        "--json",
        cwd=case.parent,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )

    assert (status, out) == (3, ""), err
    assert err.count("\n") == 1 and len(err) < 200 and "Traceback" not in err
    assert fingerprint(case.parent) == before
    assert done("verify", case)["ok"] is True


# Start-up


def test_neither_qt_nor_drawing_is_loaded_by_commands_that_do_not_draw(case: Path) -> None:
    code = (
        "import sys\nfrom surgitwin.launch import main\nstatus = main()\n"
        "heavy = ('PySide6', 'vtkmodules.vtkRenderingCore', 'pyvista', 'SimpleITK', 'pydicom', 'skimage', 'nibabel')\n"
        "sys.stderr.write(' '.join(name for name in heavy if name in sys.modules))\nsys.exit(status)\n"
    )

    for words in (("tree", case), ("--help",), ("edit", case, "Liver", "--rename", "Foie")):
        status, _, err = run(*words, code=code)
        assert (status, err) == (0, "")
